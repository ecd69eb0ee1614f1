//! The SQL of operations.

mod events;
mod litter;
mod results;

use std::sync::Arc;

pub(super) use events::{append, events, kept, last_event, output};
pub(super) use litter::{Spot, cleaned, litter};
pub(super) use results::{Fingerprint, fingerprint};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params};

use super::worker::{Job, Outcome};
use super::{ExecutionStatus, Id, Operation, Status, Tally};
use crate::error::{Error, Noun, Result};
use crate::inventory::Place;
use crate::ssh::Stream;

/// The text of a script as it was at submission.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) script: String,
    pub(super) sha256: String,
    pub(super) text: Vec<u8>,
}

/// The result of one execution, with its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its place in the operation.
    pub position: usize,
    /// The link's id.
    pub target: String,
    /// The script's id.
    pub script: String,
    /// Names its directory on the target.
    pub run_id: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// The script's exit code, when it is known.
    pub exit_code: Option<i32>,
    /// Whether output was cut at the limit.
    pub truncated: bool,
    /// Where it was started; none when it was not, or by an older version.
    pub place: Option<Place>,
    /// When it was handed to its worker, in milliseconds since the epoch.
    pub started_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// What the exit code does not say.
    pub error: Option<String>,
}

impl Log {
    /// Milliseconds from start to end; none when it never ran or has not ended.
    pub fn duration(&self) -> Option<i64> {
        Some(self.ended_at? - self.started_at?)
    }
}

/// What an execution printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScriptOutput {
    /// Standard output, any bytes.
    pub stdout: Vec<u8>,
    /// Standard error, any bytes.
    pub stderr: Vec<u8>,
}

impl ScriptOutput {
    /// One of both.
    pub fn of(&self, stream: Stream) -> &[u8] {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }
}

/// Which operations to list: those for which everything given is true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of these statuses; empty for any.
    pub statuses: Vec<Status>,
    /// Begun (or, while waiting, asked for) at this time or later.
    pub from: Option<i64>,
    /// Begun before this time.
    pub to: Option<i64>,
    /// On this link, among others.
    pub target: Option<String>,
    /// With this script, among others.
    pub script: Option<String>,
}

/// Where a page of the list ended: the time and the number of its last operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Its beginning, in milliseconds since the epoch.
    pub time: i64,
    /// Its number.
    pub id: i64,
}

/// A page of the list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The operations.
    pub operations: Vec<Operation>,
    /// Where the next page begins, when there is one.
    pub next: Option<Cursor>,
}

/// Adds a queued operation with its executions, in target-major order; gives its number.
pub(super) fn insert(
    tx: &Transaction<'_>,
    operation: &Operation,
    texts: &[Text],
    run_ids: &[String],
) -> Result<Id> {
    tx.prepare_cached(
        "INSERT INTO operations (status, scripts, targets, flags, concurrency, keep_going,
             check_ids, triggered_by, commit_hash, created_at, waves, max_failures, retry_of)
         VALUES ('queued', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        json(&operation.scripts)?,
        json(&operation.targets)?,
        json(&operation.flags)?,
        operation.concurrency as i64,
        operation.keep_going,
        operation.check_ids,
        operation.triggered_by,
        operation.commit_hash,
        operation.created_at,
        operation.waves.as_ref().map(json).transpose()?,
        operation.max_failures as i64,
        operation.retry_of.map(|id| id.0),
    ])?;
    let id = tx.last_insert_rowid();
    let mut insert = tx.prepare_cached(
        "INSERT INTO operation_scripts (operation, position, script, sha256, text)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (position, text) in (0_i64..).zip(texts) {
        insert.execute(params![id, position, text.script, text.sha256, text.text])?;
    }
    let mut insert = tx.prepare_cached(
        "INSERT INTO operation_logs (operation, position, target, script, run_id, status)
         VALUES (?1, ?2, ?3, ?4, ?5, 'queued')",
    )?;
    for (position, run_id) in run_ids.iter().enumerate() {
        let (target, script) = operation.execution(position);
        insert.execute(params![id, position as i64, target, script, run_id])?;
    }
    Ok(Id(id))
}

/// Removes an operation that was never queued.
pub(super) fn remove(tx: &Transaction<'_>, id: Id) -> Result<()> {
    tx.prepare_cached("DELETE FROM operations WHERE id = ?1")?.execute([id.0])?;
    Ok(())
}

/// The operation with that number.
pub(super) fn operation(db: &Connection, id: Id) -> Result<Operation> {
    let query = format!("{SELECT} WHERE o.id = ?1");
    db.prepare_cached(&query)?
        .query_and_then([id.0], read_operation)?
        .next()
        .unwrap_or_else(|| Err(Error::not_found(Noun::Operation, id.to_string())))
}

/// How many operations that are kept have ended, by how.
pub(super) fn finished(db: &Connection) -> Result<Vec<(String, u64)>> {
    let sql = "SELECT status, count(*) FROM operations WHERE ended_at IS NOT NULL
               GROUP BY status ORDER BY status";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, u32>(1)?.into())))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The numbers of all operations that have not ended, oldest first.
pub(super) fn open(db: &Connection) -> Result<Vec<Id>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM operations WHERE status IN ('queued', 'running') ORDER BY id",
    )?;
    let rows = query.query_map([], |row| row.get(0).map(Id))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A page of operations, newest first.
pub(super) fn list(
    db: &Connection,
    filter: &Filter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page> {
    const TIME: &str = "coalesce(o.started_at, o.created_at)";
    let mut query = format!("{SELECT} WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    if !filter.statuses.is_empty() {
        let marks = vec!["?"; filter.statuses.len()].join(", ");
        query.push_str(&format!(" AND o.status IN ({marks})"));
        values.extend(filter.statuses.iter().map(|one| Value::from(one.as_str().to_owned())));
    }
    if let Some(from) = filter.from {
        query.push_str(&format!(" AND {TIME} >= ?"));
        values.push(from.into());
    }
    if let Some(to) = filter.to {
        query.push_str(&format!(" AND {TIME} < ?"));
        values.push(to.into());
    }
    for (column, value) in [("target", &filter.target), ("script", &filter.script)] {
        if let Some(value) = value {
            query.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM operation_logs l
                   WHERE l.{column} = ? AND l.operation = o.id)"
            ));
            values.push(value.clone().into());
        }
    }
    if let Some(cursor) = cursor {
        query.push_str(&format!(" AND ({TIME}, o.id) < (?, ?)"));
        values.extend([cursor.time.into(), cursor.id.into()]);
    }
    query.push_str(&format!(" ORDER BY {TIME} DESC, o.id DESC LIMIT {}", limit + 1));
    let mut query = db.prepare_cached(&query)?;
    let rows = query.query_and_then(rusqlite::params_from_iter(values), read_operation)?;
    let mut operations = rows.collect::<Result<Vec<_>>>()?;
    let more = operations.len() > limit;
    operations.truncate(limit);
    let next = operations
        .last()
        .filter(|_| more)
        .map(|last| Cursor { time: last.started_at.unwrap_or(last.created_at), id: last.id.0 });
    Ok(Page { operations, next })
}

/// The executions of an operation, in order.
pub(super) fn logs(db: &Connection, id: Id) -> Result<Vec<Log>> {
    let mut query =
        db.prepare_cached("SELECT * FROM operation_logs WHERE operation = ?1 ORDER BY position")?;
    let rows = query.query_and_then([id.0], read_log)?;
    rows.collect()
}

/// The scripts' texts, in order.
pub(super) fn texts(db: &Connection, id: Id) -> Result<Vec<Arc<[u8]>>> {
    let mut query = db.prepare_cached(
        "SELECT text FROM operation_scripts WHERE operation = ?1 ORDER BY position",
    )?;
    let rows = query.query_map([id.0], |row| row.get::<_, Vec<u8>>(0))?;
    Ok(rows.map(|row| row.map(Arc::from)).collect::<rusqlite::Result<_>>()?)
}

/// The operation begins, if it has not before a restart.
pub(super) fn begin(tx: &Transaction<'_>, id: Id, now: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE operations SET status = 'running', started_at = coalesce(started_at, ?2)
         WHERE id = ?1 AND ended_at IS NULL",
    )?
    .execute(params![id.0, now])?;
    Ok(())
}

/// An execution is about to be handed to a worker.
pub(super) fn start(tx: &Transaction<'_>, id: Id, job: &Job, now: i64) -> Result<()> {
    let Place { host, port, user, jump } = &job.place;
    tx.prepare_cached(
        "UPDATE operation_logs SET status = 'running', run_id = ?3,
             started_at = coalesce(started_at, ?4), host = ?5, port = ?6, user = ?7, jump = ?8
         WHERE operation = ?1 AND position = ?2",
    )?
    .execute(params![id.0, job.position as i64, job.run_id, now, host, port, user, jump])?;
    Ok(())
}

/// An execution has ended.
pub(super) fn complete(
    tx: &Transaction<'_>,
    id: Id,
    position: usize,
    outcome: &Outcome,
    now: i64,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE operation_logs SET status = ?3, exit_code = ?4, truncated = ?5, ended_at = ?6,
             error = ?7, litter = ?8
         WHERE operation = ?1 AND position = ?2",
    )?
    .execute(params![
        id.0,
        position as i64,
        outcome.status.as_str(),
        outcome.exit_code,
        outcome.truncated,
        now,
        outcome.error,
        outcome.litter,
    ])?;
    Ok(())
}

/// Somebody wants the operation stopped.
pub(super) fn ask_stop(tx: &Transaction<'_>, id: Id) -> Result<()> {
    tx.prepare_cached("UPDATE operations SET stop_asked = 1 WHERE id = ?1")?.execute([id.0])?;
    Ok(())
}

/// Whether somebody wanted the operation stopped.
pub(super) fn stop_asked(db: &Connection, id: Id) -> Result<bool> {
    Ok(db
        .prepare_cached("SELECT stop_asked FROM operations WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))?)
}

/// The operation has ended.
pub(super) fn end(tx: &Transaction<'_>, id: Id, status: Status, now: i64) -> Result<()> {
    tx.prepare_cached(
        "UPDATE operations SET status = ?2, started_at = coalesce(started_at, ?3), ended_at = ?3
         WHERE id = ?1",
    )?
    .execute(params![id.0, status.as_str(), now])?;
    Ok(())
}

/// The executions are counted by a subquery each, which only reads the operation's own rows.
const SELECT: &str = "SELECT o.*,
    (SELECT count(*) FROM operation_logs WHERE operation = o.id AND status = 'success') AS success,
    (SELECT count(*) FROM operation_logs WHERE operation = o.id AND status = 'failed') AS failed,
    (SELECT count(*) FROM operation_logs WHERE operation = o.id AND status = 'stopped') AS stopped,
    (SELECT count(*) FROM operation_logs WHERE operation = o.id AND status = 'skipped') AS skipped
    FROM operations o";

fn read_operation(row: &Row<'_>) -> Result<Operation> {
    let status: String = row.get("status")?;
    Ok(Operation {
        id: Id(row.get("id")?),
        scripts: from_json(&row.get::<_, String>("scripts")?)?,
        targets: from_json(&row.get::<_, String>("targets")?)?,
        flags: from_json(&row.get::<_, String>("flags")?)?,
        concurrency: position(row, "concurrency")?,
        keep_going: row.get("keep_going")?,
        check_ids: row.get("check_ids")?,
        status: Status::parse(&status).ok_or_else(|| strange("status", &status))?,
        triggered_by: row.get("triggered_by")?,
        commit_hash: row.get("commit_hash")?,
        waves: row.get::<_, Option<String>>("waves")?.map(|text| from_json(&text)).transpose()?,
        max_failures: position(row, "max_failures")?,
        retry_of: row.get::<_, Option<i64>>("retry_of")?.map(Id),
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        tally: Tally {
            success: row.get("success")?,
            failed: row.get("failed")?,
            stopped: row.get("stopped")?,
            skipped: row.get("skipped")?,
        },
    })
}

fn read_log(row: &Row<'_>) -> Result<Log> {
    Ok(Log {
        position: position(row, "position")?,
        target: row.get("target")?,
        script: row.get("script")?,
        run_id: row.get("run_id")?,
        status: read_status(row)?,
        exit_code: row.get("exit_code")?,
        truncated: row.get("truncated")?,
        place: read_place(row)?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        error: row.get("error")?,
    })
}

fn read_place(row: &Row<'_>) -> Result<Option<Place>> {
    let Some(host) = row.get("host")? else { return Ok(None) };
    let (port, user, jump) = (row.get("port")?, row.get("user")?, row.get("jump")?);
    Ok(Some(Place { host, port, user, jump }))
}

fn read_status(row: &Row<'_>) -> Result<ExecutionStatus> {
    let word: String = row.get("status")?;
    ExecutionStatus::parse(&word).ok_or_else(|| strange("status", &word))
}

fn position(row: &Row<'_>, column: &str) -> Result<usize> {
    let number: i64 = row.get(column)?;
    usize::try_from(number).map_err(|_| strange(column, &number.to_string()))
}

fn strange(column: &str, value: &str) -> Error {
    Error::Internal(format!("the database has {value:?} as {column} of an operation"))
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| strange("JSON", text))
}
