//! The SQL of recordings.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::error::{Error, Noun, Result};
use crate::terminal::PaneName;

/// A recording, without what was on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Its id.
    pub id: String,
    /// The workspace of its pane, which may be gone.
    pub workspace: String,
    /// The pane.
    pub pane: PaneName,
    /// The link.
    pub target: String,
    /// The name of the user who connected the pane.
    pub actor: String,
    /// When it began, in milliseconds since the epoch.
    pub started_at: i64,
    /// When it ended; none while it runs.
    pub ended_at: Option<i64>,
    /// The size of its file, once it has ended.
    pub bytes: u64,
    /// Why it ended before its session did.
    pub error: Option<String>,
}

const RECORDINGS: &str = "SELECT id, workspace, pane, target, actor, started_at, ended_at, bytes,
    error FROM recordings";

fn read(row: &Row<'_>) -> Result<Recording> {
    Ok(Recording {
        id: row.get(0)?,
        workspace: row.get(1)?,
        pane: row.get::<_, String>(2)?.parse()?,
        target: row.get(3)?,
        actor: row.get(4)?,
        started_at: row.get(5)?,
        ended_at: row.get(6)?,
        bytes: row.get::<_, i64>(7)?.unsigned_abs(),
        error: row.get(8)?,
    })
}

fn several(db: &Connection, condition: &str) -> Result<Vec<Recording>> {
    let mut statement = db.prepare_cached(&format!("{RECORDINGS} {condition}"))?;
    let rows = statement.query_map([], |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

/// All recordings, the newest first.
pub(in crate::terminal) fn list(db: &Connection) -> Result<Vec<Recording>> {
    several(db, "ORDER BY started_at DESC, id DESC")
}

/// Those that have not ended.
pub(in crate::terminal) fn running(db: &Connection) -> Result<Vec<Recording>> {
    several(db, "WHERE ended_at IS NULL")
}

/// Those that have ended, the oldest first.
pub(in crate::terminal) fn ended(db: &Connection) -> Result<Vec<Recording>> {
    several(db, "WHERE ended_at IS NOT NULL ORDER BY ended_at, id")
}

/// A recording.
///
/// # Errors
/// There is no such recording, or the database fails.
pub(in crate::terminal) fn one(db: &Connection, id: &str) -> Result<Recording> {
    let sql = format!("{RECORDINGS} WHERE id = ?1");
    let found = db.prepare_cached(&sql)?.query_row([id], |row| Ok(read(row))).optional()?;
    found.ok_or_else(|| Error::not_found(Noun::Recording, id))?
}

/// Writes down a recording that begins.
pub(in crate::terminal) fn insert(tx: &Transaction<'_>, one: &Recording) -> Result<()> {
    let sql = "INSERT INTO recordings (id, workspace, pane, target, actor, started_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let Recording { id, workspace, target, actor, started_at, .. } = one;
    let pane = one.pane.as_str();
    tx.prepare_cached(sql)?.execute(params![id, workspace, pane, target, actor, started_at])?;
    Ok(())
}

/// Writes down how a recording ended.
pub(in crate::terminal) fn end(
    tx: &Transaction<'_>,
    id: &str,
    at: i64,
    bytes: u64,
    error: Option<&str>,
) -> Result<()> {
    let sql = "UPDATE recordings SET ended_at = ?2, bytes = ?3, error = ?4
               WHERE id = ?1 AND ended_at IS NULL";
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    tx.prepare_cached(sql)?.execute(params![id, at, bytes, error])?;
    Ok(())
}

/// Removes a recording's row.
pub(in crate::terminal) fn delete(tx: &Transaction<'_>, id: &str) -> Result<()> {
    tx.prepare_cached("DELETE FROM recordings WHERE id = ?1")?.execute([id])?;
    Ok(())
}
