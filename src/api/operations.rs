//! Operations: list, view, stop.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::json;

use super::json;
use crate::audit::Actor;
use crate::clock::parse_time;
use crate::error::{Error, Result};
use crate::http::{Request, Response};
use crate::operations::{
    Cursor, Filter, Id, Log, Operation, Operations, ScriptOutput, Status, Tally,
};

/// Operations on a page when the request does not say, and at most.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;
/// Bytes of output up to which an operation is answered in one piece.
pub(super) const AT_ONCE: usize = 2 << 20;

/// An operation, with its logs where they were asked for.
#[derive(Serialize)]
struct Shape<'a> {
    id: String,
    scripts: &'a [String],
    targets: &'a [String],
    flags: &'a BTreeMap<String, Vec<String>>,
    concurrency: usize,
    on_failure: &'static str,
    waves: Option<Vec<&'a [String]>>,
    max_failures: usize,
    status: &'static str,
    triggered_by: &'a str,
    commit_hash: &'a str,
    retry_of: Option<String>,
    started: Option<i64>,
    ended: Option<i64>,
    duration: Option<i64>,
    result: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<Vec<LogShape<'a>>>,
}

/// The executions by how they ended.
#[derive(Serialize)]
pub(super) struct Counts {
    success: u32,
    failed: u32,
    stopped: u32,
    skipped: u32,
}

/// One execution. Output is text; where it is not UTF-8, the exact bytes stand beside it.
#[derive(Serialize)]
struct LogShape<'a> {
    target: &'a str,
    script: &'a str,
    status: &'static str,
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
    truncated: bool,
    duration: Option<i64>,
    started: Option<i64>,
    ended: Option<i64>,
    error: Option<&'a str>,
}

/// `GET /api/operations`
pub(super) fn list(operations: &Operations, call: &Request) -> Result<Response> {
    let filter = Filter {
        statuses: statuses(call.query("status"))?,
        from: time(call, "from")?,
        to: time(call, "to")?,
        target: call.query("target").map(str::to_owned),
        script: call.query("script").map(str::to_owned),
    };
    let cursor = call.query("cursor").map(read_cursor).transpose()?;
    let limit = json::number(call, "limit", PAGE, 1..=LARGEST_PAGE)?;
    let page = operations.list(&filter, cursor, limit as usize)?;
    let shapes: Vec<_> = page.operations.iter().map(|one| shape(one, None)).collect();
    json::reply(200, &json!({ "operations": shapes, "next_cursor": page.next.map(write_cursor) }))
}

/// `GET /api/operations/{id}`: with all that it printed, which may be more than there is memory; so
/// a large answer is made and sent log by log. With `output=false` the logs are without output.
pub(super) fn one(operations: &Arc<Operations>, call: &Request, id: &str) -> Result<Response> {
    let id: Id = id.parse()?;
    let with_output = json::flag(call, "output")?.unwrap_or(true);
    let (operation, logs, size) = operations.view(id)?;
    let head = serde_json::to_string(&shape(&operation, Some(Vec::new())))
        .map_err(|error| Error::Internal(error.to_string()))?;
    // "logs" is the last field, and empty.
    let head = head.strip_suffix("]}").unwrap_or(&head).to_owned();
    let operations = Arc::clone(operations);
    let write = move |send: &mut dyn FnMut(&[u8]) -> Result<()>| {
        send(head.as_bytes())?;
        for (number, log) in logs.iter().enumerate() {
            let output = with_output.then(|| operations.output(id, log.position)).transpose()?;
            let comma = if number == 0 { "" } else { "," };
            let text = serde_json::to_string(&log_shape(log, output.as_ref()))
                .map_err(|error| Error::Internal(error.to_string()))?;
            send(format!("{comma}{text}").as_bytes())?;
        }
        send(b"]}")
    };
    if size <= AT_ONCE || !with_output {
        let mut body = Vec::new();
        write(&mut |bytes| {
            body.extend_from_slice(bytes);
            Ok(())
        })?;
        return Ok(Response::json(200, body));
    }
    Ok(Response::stream(200, "application/json", move |stream| {
        write(&mut |bytes| stream.write_all(bytes).map_err(|error| Error::io("answer", error)))
            .map_err(|error| io::Error::other(error.chain()))
    }))
}

/// `POST /api/operations/{id}/stop`
pub(super) fn stop(
    operations: &Operations,
    call: &Request,
    actor: &Actor,
    id: &str,
) -> Result<Response> {
    json::decode_nothing(call)?;
    let id: Id = id.parse()?;
    operations.request_stop(id, actor)?;
    let user = actor.name.as_str();
    log::info!(operation = id.to_string().as_str(), user = user; "stop requested");
    json::reply(200, &json!({ "success": true }))
}

fn statuses(text: Option<&str>) -> Result<Vec<Status>> {
    let words = text.into_iter().flat_map(|text| text.split(','));
    words.map(|word| Status::named("status", word)).collect()
}

fn time(call: &Request, name: &str) -> Result<Option<i64>> {
    let Some(text) = call.query(name) else { return Ok(None) };
    parse_time(text).map(Some).ok_or_else(|| {
        let hint = "write 2026-05-01T10:00:00Z, 2026-05-01 or milliseconds since the epoch";
        Error::invalid(name, format!("{text:?} is not a time\n{hint}"))
    })
}

/// Clients hand it back as it is; its inside is not theirs.
fn write_cursor(cursor: Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", cursor.time, cursor.id))
}

fn read_cursor(text: &str) -> Result<Cursor> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (time, id) = text.split_once(' ')?;
        Some(Cursor { time: time.parse().ok()?, id: id.parse().ok()? })
    };
    read().ok_or(Error::Cursor)
}

fn shape<'a>(operation: &'a Operation, logs: Option<Vec<LogShape<'a>>>) -> Shape<'a> {
    let (started, ended) = (operation.started_at, operation.ended_at);
    Shape {
        id: operation.id.to_string(),
        scripts: &operation.scripts,
        targets: &operation.targets,
        flags: &operation.flags,
        concurrency: operation.concurrency,
        on_failure: if operation.keep_going { "continue" } else { "stop" },
        waves: operation.waves(),
        max_failures: operation.max_failures,
        status: operation.status.as_str(),
        triggered_by: &operation.triggered_by,
        commit_hash: &operation.commit_hash,
        retry_of: operation.retry_of.map(|id| id.to_string()),
        started,
        ended,
        duration: started.zip(ended).map(|(started, ended)| ended - started),
        result: counts(operation.tally),
        logs,
    }
}

/// The counts of a tally.
pub(super) fn counts(tally: Tally) -> Counts {
    let Tally { success, failed, stopped, skipped } = tally;
    Counts { success, failed, stopped, skipped }
}

fn log_shape<'a>(log: &'a Log, output: Option<&ScriptOutput>) -> LogShape<'a> {
    let (stdout, stdout_base64) = output.map(|one| text(&one.stdout)).unzip();
    let (stderr, stderr_base64) = output.map(|one| text(&one.stderr)).unzip();
    LogShape {
        target: &log.target,
        script: &log.script,
        status: log.status.as_str(),
        exit_code: log.exit_code,
        stdout,
        stderr,
        stdout_base64: stdout_base64.flatten(),
        stderr_base64: stderr_base64.flatten(),
        truncated: log.truncated,
        duration: log.duration(),
        started: log.started_at,
        ended: log.ended_at,
        error: log.error.as_deref(),
    }
}

/// Bytes as text, and exactly when the text cannot say them.
pub(super) fn text(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Some(STANDARD.encode(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_are_read_back(time: i64, id: i64) {
            let cursor = Cursor { time, id };
            prop_assert_eq!(read_cursor(&write_cursor(cursor)).unwrap(), cursor);
        }

        #[test]
        fn any_bytes_can_be_had_back(bytes: Vec<u8>) {
            let (text, exact) = text(&bytes);
            let back = exact.map_or_else(|| text.into_bytes(), |one| STANDARD.decode(one).unwrap());
            prop_assert_eq!(back, bytes);
        }
    }

    #[test]
    fn other_cursors_are_refused() {
        for text in ["", "x", "!!", "MTIz", "MTIzIDQgNQ"] {
            assert!(matches!(read_cursor(text), Err(Error::Cursor)), "{text:?}");
        }
    }
}
