//! Recordings of terminals: list, fetch, remove.

use std::io::Read;

use serde::Serialize;

use super::json;
use super::route::Call;
use crate::error::{Error, Result};
use crate::http::Response;
use crate::terminal::Recordings;
use crate::terminal::store::recordings::Recording;

/// What a recording is on the wire.
const CAST: &str = "application/x-asciicast";

/// Up to this size, in bytes, a recording is answered in one piece.
const AT_ONCE: u64 = 1 << 20;

/// How much of a larger one is read at a time, in bytes.
const PIECE: usize = 64 << 10;

/// A recording.
#[derive(Serialize)]
struct Shape<'a> {
    id: &'a str,
    workspace_id: &'a str,
    pane: &'static str,
    target: &'a str,
    actor: &'a str,
    started: i64,
    ended: Option<i64>,
    duration: Option<i64>,
    bytes: u64,
    error: Option<&'a str>,
}

/// `GET /api/recordings`
pub(super) fn list(recordings: &Recordings) -> Result<Response> {
    json::reply(200, &recordings.list()?.iter().map(shape).collect::<Vec<_>>())
}

/// `GET /api/recordings/{id}`
pub(super) fn one(recordings: &Recordings, call: &Call<'_>) -> Result<Response> {
    let id = call.path("id")?;
    let (file, size) = recordings.open(id, &call.actor)?;
    let mut file = file.take(size);
    let response = if size <= AT_ONCE {
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes);
        read.map_err(|error| Error::io(format!("read the recording {id:?}"), error))?;
        Response::new(200).body(CAST, bytes)
    } else {
        Response::stream(200, CAST, move |stream| {
            let mut piece = vec![0; PIECE];
            loop {
                match file.read(&mut piece)? {
                    0 => return Ok(()),
                    read => stream.write_all(&piece[..read])?,
                }
            }
        })
    };
    let name = format!("attachment; filename=\"{id}.cast\"");
    Ok(response.header("Content-Disposition", name))
}

/// `DELETE /api/recordings/{id}`
pub(super) fn delete(recordings: &Recordings, call: &Call<'_>) -> Result<Response> {
    json::decode_nothing(call.request)?;
    recordings.delete(call.path("id")?, &call.actor)?;
    Ok(Response::new(204))
}

fn shape(one: &Recording) -> Shape<'_> {
    Shape {
        id: &one.id,
        workspace_id: &one.workspace,
        pane: one.pane.as_str(),
        target: &one.target,
        actor: &one.actor,
        started: one.started_at,
        ended: one.ended_at,
        duration: one.ended_at.map(|ended| ended - one.started_at),
        bytes: one.bytes,
        error: one.error.as_deref(),
    }
}
