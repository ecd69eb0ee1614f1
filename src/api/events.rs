//! Live events of an operation: a server-sent event stream that is a cursor into its transcript.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::operations::{counts, text};
use super::route::Call;
use crate::auth::{Act, Auth, Caller};
use crate::error::{Error, Result};
use crate::http::{Request, Response, Stream, sse};
use crate::operations::{Event, Operation, Operations, Reader, What};

/// Between two comments on a stream that has nothing else to say, and between two looks whether its
/// user may still have it.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How soon a client that went away is noticed while there is nothing to write.
const LOOK: Duration = Duration::from_secs(1);

/// `GET /api/operations/{id}/events`
pub(super) fn stream(
    operations: &Operations,
    auth: &Arc<Auth>,
    call: &Call<'_>,
) -> Result<Response> {
    let after = last_event_id(call.request)?;
    let (operation, mut reader) = operations.events(call.path("id")?.parse()?, after)?;
    let (auth, caller) = (Arc::clone(auth), call.caller()?.clone());
    let response = Response::stream(200, "text/event-stream", move |stream| {
        relay(&operation, &mut reader, stream, &|| may_stay(&auth, &caller))
    });
    // A proxy in between must pass events on as they come.
    Ok(response.header("Cache-Control", "no-cache").header("X-Accel-Buffering", "no"))
}

/// Where the client was: the header that browsers send, or the query where none can be sent. All
/// that is given must be a number, also what does not count.
fn last_event_id(call: &Request) -> Result<u64> {
    let given =
        [call.header("last-event-id"), call.query("last_event_id"), call.query("lastEventId")];
    let number = |text: &str| {
        text.trim().parse().map_err(|_| {
            Error::invalid("last_event_id", format!("{text:?} is not the number of an event"))
        })
    };
    let numbers = given.into_iter().flatten().map(number).collect::<Result<Vec<u64>>>()?;
    Ok(numbers.first().copied().unwrap_or(0))
}

/// Whether the user is still who it was when the stream began: not removed, not logged out, and
/// the token has not expired.
fn may_stay(auth: &Auth, caller: &Caller) -> bool {
    match auth.still(caller).and_then(|caller| caller.require(Act::ReadOperations)) {
        Ok(()) => true,
        // A database that is busy says nothing about the user.
        Err(Error::Database { .. }) => true,
        Err(_) => false,
    }
}

fn relay(
    operation: &Operation,
    reader: &mut Reader,
    stream: &mut Stream,
    may_stay: &dyn Fn() -> bool,
) -> io::Result<()> {
    let (mut written, mut asked) = (Instant::now(), Instant::now());
    while !stream.is_gone() && !stream.stopping() {
        if asked.elapsed() >= HEARTBEAT {
            if !may_stay() {
                return Ok(());
            }
            asked = Instant::now();
        }
        let batch = reader.next(LOOK).map_err(|error| {
            let id = operation.id.to_string();
            log::error!(operation = id.as_str(); "events not read: {}", error.chain());
            io::Error::other("the events cannot be read")
        })?;
        if !batch.events.is_empty() {
            let text: String = batch.events.iter().map(|event| frame(operation, event)).collect();
            stream.write_all(text.as_bytes())?;
            written = Instant::now();
        } else if batch.ended {
            return Ok(());
        } else if written.elapsed() >= HEARTBEAT {
            stream.write_all(sse::comment("").as_bytes())?;
            written = Instant::now();
        }
    }
    Ok(())
}

fn frame(operation: &Operation, event: &Event) -> String {
    let (name, data) = shape(operation, &event.what);
    sse::event(&event.seq.to_string(), name, &data.to_string())
}

/// Section 6 of the contract.
fn shape(operation: &Operation, what: &What) -> (&'static str, Value) {
    match what {
        What::Start { position } => {
            let (target, script) = operation.execution(*position);
            let (index, total) = (position + 1, operation.total());
            let data =
                json!({ "target": target, "script": script, "index": index, "total": total });
            ("start", data)
        }
        What::Output { position, stream, data } => {
            let (target, script) = operation.execution(*position);
            let (text, exact) = text(data);
            let mut data = json!({
                "target": target,
                "script": script,
                "stream": stream.as_str(),
                "data": text,
            });
            if let Some(exact) = exact {
                data["data_base64"] = exact.into();
            }
            ("output", data)
        }
        What::Complete { position, status, exit_code, duration, error } => {
            let (target, script) = operation.execution(*position);
            let data = json!({
                "target": target,
                "script": script,
                "status": status.as_str(),
                "exit_code": exit_code,
                "duration": duration,
                "error": error,
            });
            ("complete", data)
        }
        What::End { status, tally, duration } => {
            let data = json!({
                "status": status.as_str(),
                "result": counts(*tally),
                "duration": duration,
            });
            ("end", data)
        }
    }
}
