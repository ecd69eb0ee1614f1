//! The SQL of transcripts.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, Transaction, params};

use super::{ScriptOutput, operation, position, read_status, strange};
use crate::error::Result;
use crate::operations::Id;
use crate::operations::transcript::{Event, What};
use crate::ssh::Stream;

/// What one execution printed.
pub(in crate::operations) fn output(
    db: &Connection,
    id: Id,
    position: usize,
) -> Result<ScriptOutput> {
    let mut query = db.prepare_cached(
        "SELECT stream, data FROM operation_events
         WHERE operation = ?1 AND position = ?2 AND kind = 'output' ORDER BY seq",
    )?;
    let mut rows = query.query(params![id.0, position as i64])?;
    let mut output = ScriptOutput::default();
    while let Some(row) = rows.next()? {
        let data = row.get_ref("data")?.as_blob().map_err(rusqlite::Error::from)?;
        match read_stream(row)? {
            Stream::Stdout => output.stdout.extend_from_slice(data),
            Stream::Stderr => output.stderr.extend_from_slice(data),
        }
    }
    Ok(output)
}

/// Bytes of (stdout, stderr) that are safe, by position.
pub(in crate::operations) fn kept(
    db: &Connection,
    id: Id,
) -> Result<BTreeMap<usize, (usize, usize)>> {
    let mut query = db.prepare_cached(
        "SELECT position, stream, sum(length(data)) AS size FROM operation_events
         WHERE operation = ?1 AND kind = 'output' GROUP BY position, stream",
    )?;
    let mut rows = query.query([id.0])?;
    let mut kept: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let entry = kept.entry(position(row, "position")?).or_default();
        let size = position(row, "size")?;
        match read_stream(row)? {
            Stream::Stdout => entry.0 = size,
            Stream::Stderr => entry.1 = size,
        }
    }
    Ok(kept)
}

/// Appends events to the log.
pub(in crate::operations) fn append(tx: &Transaction<'_>, id: Id, events: &[Event]) -> Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO operation_events (operation, seq, kind, position, stream, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for event in events {
        let (kind, position, stream, data) = match &event.what {
            What::Start { position } => ("start", Some(*position), None, None),
            What::Output { position, stream, data } => {
                ("output", Some(*position), Some(stream.as_str()), Some(&data[..]))
            }
            What::Complete { position, .. } => ("complete", Some(*position), None, None),
            What::End { .. } => ("end", None, None, None),
        };
        let position = position.map(|one| one as i64);
        insert.execute(params![id.0, event.seq as i64, kind, position, stream, data])?;
    }
    Ok(())
}

/// The number of the newest event.
pub(in crate::operations) fn last_event(db: &Connection, id: Id) -> Result<u64> {
    let last: Option<i64> = db
        .prepare_cached("SELECT max(seq) FROM operation_events WHERE operation = ?1")?
        .query_row([id.0], |row| row.get(0))?;
    Ok(last.unwrap_or(0).unsigned_abs())
}

/// The events after `after`, in order, up to some `bytes` of output, at least one if there is one.
pub(in crate::operations) fn events(
    db: &Connection,
    id: Id,
    after: u64,
    bytes: usize,
) -> Result<Vec<Event>> {
    let mut query = db.prepare_cached(
        "SELECT e.seq, e.kind, e.position, e.stream, e.data, l.status, l.exit_code, l.started_at,
             l.ended_at, l.error
         FROM operation_events e
         LEFT JOIN operation_logs l ON l.operation = e.operation AND l.position = e.position
         WHERE e.operation = ?1 AND e.seq > ?2 ORDER BY e.seq",
    )?;
    let mut rows = query.query(params![id.0, i64::try_from(after).unwrap_or(i64::MAX)])?;
    let mut events = Vec::new();
    let mut size = 0;
    while size < bytes
        && let Some(row) = rows.next()?
    {
        let seq = row.get::<_, i64>("seq")?.unsigned_abs();
        let what = read_event(db, id, row)?;
        size += if let What::Output { data, .. } = &what { data.len() + 96 } else { 256 };
        events.push(Event { seq, what });
    }
    Ok(events)
}

/// The details of `complete` and `end` are those of the rows, which are final by then.
fn read_event(db: &Connection, id: Id, row: &Row<'_>) -> Result<What> {
    let kind: String = row.get("kind")?;
    if kind == "end" {
        let operation = operation(db, id)?;
        let started = operation.started_at.unwrap_or(operation.created_at);
        let duration = operation.ended_at.unwrap_or(started) - started;
        return Ok(What::End { status: operation.status, tally: operation.tally, duration });
    }
    let position = position(row, "position")?;
    Ok(match kind.as_str() {
        "start" => What::Start { position },
        "output" => {
            let data: Vec<u8> = row.get("data")?;
            What::Output { position, stream: read_stream(row)?, data: data.into() }
        }
        "complete" => {
            let times: (Option<i64>, Option<i64>) = (row.get("started_at")?, row.get("ended_at")?);
            What::Complete {
                position,
                status: read_status(row)?,
                exit_code: row.get("exit_code")?,
                duration: times.0.zip(times.1).map(|(started, ended)| ended - started),
                error: row.get("error")?,
            }
        }
        _ => return Err(strange("kind", &kind)),
    })
}

pub(super) fn read_stream(row: &Row<'_>) -> Result<Stream> {
    let word: String = row.get("stream")?;
    Stream::parse(&word).ok_or_else(|| strange("stream", &word))
}
