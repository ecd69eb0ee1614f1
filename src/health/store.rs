//! The SQL of the health monitor.

use rusqlite::{Connection, Transaction, params};

use super::Point;
use crate::error::Result;

/// All machines, with the time of the last check of their present entry, in milliseconds since
/// the epoch.
pub(super) fn machines(db: &Connection) -> Result<Vec<(String, Option<i64>)>> {
    let sql = "SELECT id, CASE WHEN status <> 'unknown'
                   THEN (SELECT max(at) FROM health_checks WHERE machine = id) END
               FROM machines ORDER BY id";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds a point to a machine's history, and removes those before `oldest`.
pub(super) fn add(tx: &Transaction<'_>, machine: &str, point: &Point, oldest: i64) -> Result<()> {
    let Point { at, latency, error } = point;
    tx.prepare_cached("INSERT OR REPLACE INTO health_checks VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![machine, at, latency, error])?;
    tx.prepare_cached("DELETE FROM health_checks WHERE machine = ?1 AND at < ?2")?
        .execute(params![machine, oldest])?;
    Ok(())
}

/// The newest points of a machine, at most `limit`, the newest last.
///
/// # Errors
/// The database fails.
pub fn history(db: &Connection, machine: &str, limit: u32) -> Result<Vec<Point>> {
    let sql = "SELECT at, latency, error FROM health_checks WHERE machine = ?1
               ORDER BY at DESC LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![machine, limit], |row| {
        Ok(Point { at: row.get(0)?, latency: row.get(1)?, error: row.get(2)? })
    })?;
    let mut points = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    points.reverse();
    Ok(points)
}

/// The same for every machine.
///
/// # Errors
/// The database fails.
pub fn histories(db: &Connection, limit: u32) -> Result<Vec<(String, Vec<Point>)>> {
    let mut statement = db.prepare_cached("SELECT id FROM machines ORDER BY id")?;
    let ids = statement.query_map([], |row| row.get(0))?;
    let ids = ids.collect::<rusqlite::Result<Vec<String>>>()?;
    ids.into_iter().map(|id| history(db, &id, limit).map(|points| (id, points))).collect()
}

/// Reads, and may write what is there already: only to see whether the database takes it.
pub(super) fn touch(tx: &Transaction<'_>, write: bool) -> Result<()> {
    let version: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if write {
        tx.pragma_update(None, "user_version", version)?;
    }
    Ok(())
}
