//! The SQL of the audit log.

use rusqlite::{Connection, OptionalExtension, Row as Found, Transaction, params};

use super::chain::{Hash, Head, Row};
use super::{Actor, Entry};
use crate::error::Result;

/// The longest target, in bytes: a name that was tried in vain can be anything.
const LONGEST_TARGET: usize = 256;

/// What comes before the oldest row, and the newest row.
pub(super) fn ends(db: &Connection) -> Result<(Head, Head)> {
    let sql = "SELECT first_id - 1, first_hash, last_id, last_hash FROM audit_chain";
    Ok(db.prepare_cached(sql)?.query_row([], |row| {
        Ok((
            Head { id: row.get(0)?, hash: row.get(1)? },
            Head { id: row.get(2)?, hash: row.get(3)? },
        ))
    })?)
}

/// Appends an entry, at `now` in milliseconds since the epoch, in the transaction of the act.
///
/// # Errors
/// The database fails; the act is then undone too.
pub fn record(tx: &Transaction<'_>, now: i64, actor: &Actor, entry: &Entry<'_>) -> Result<()> {
    let (_, last) = ends(tx)?;
    let row = Row {
        id: last.id + 1,
        at: now,
        actor: actor.name.clone(),
        address: actor.address.map(|address| address.to_string()),
        request_id: actor.request_id.clone(),
        action: entry.action.to_owned(),
        target: entry.target.map(cut),
        result: entry.result.to_owned(),
        detail: (!entry.detail.is_null()).then(|| entry.detail.to_string()),
        previous: last.hash,
    };
    append(tx, &row, &row.hash())
}

fn cut(target: &str) -> String {
    let mut fits = (0..=target.len().min(LONGEST_TARGET)).rev();
    let end = fits.find(|at| target.is_char_boundary(*at)).unwrap_or(0);
    target[..end].to_owned()
}

fn append(tx: &Transaction<'_>, row: &Row, hash: &Hash) -> Result<()> {
    let sql = "INSERT INTO audit_log
               (id, at, actor, address, request_id, action, target, result, detail, previous, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    tx.prepare_cached(sql)?.execute(params![
        row.id,
        row.at,
        row.actor,
        row.address,
        row.request_id,
        row.action,
        row.target,
        row.result,
        row.detail,
        row.previous,
        hash,
    ])?;
    let sql = "UPDATE audit_chain SET last_id = ?1, last_hash = ?2";
    tx.prepare_cached(sql)?.execute(params![row.id, hash])?;
    Ok(())
}

/// The largest id, also of a row that nobody recorded in the right way.
pub(super) fn newest(db: &Connection) -> Result<i64> {
    let sql = "SELECT coalesce(max(id), 0) FROM audit_log";
    Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Rows behind the number `after` and up to `last`, at most `limit`, with their stored hashes.
pub(super) fn rows(db: &Connection, after: i64, last: i64, limit: i64) -> Result<Vec<(Row, Hash)>> {
    let sql =
        "SELECT id, at, actor, address, request_id, action, target, result, detail, previous, hash
               FROM audit_log WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement
        .query_map(params![after, last, limit], |found| Ok((row(found)?, found.get(10)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn row(found: &Found<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: found.get(0)?,
        at: found.get(1)?,
        actor: found.get(2)?,
        address: found.get(3)?,
        request_id: found.get(4)?,
        action: found.get(5)?,
        target: found.get(6)?,
        result: found.get(7)?,
        detail: found.get(8)?,
        previous: found.get(9)?,
    })
}

/// Removes entries from the old end, up to the first that is not older than `before`, in
/// milliseconds since the epoch, and at most so many. The chain then begins with that one. Returns
/// how many went.
///
/// # Errors
/// The database fails.
pub fn forget(tx: &Transaction<'_>, before: i64, most: usize) -> Result<usize> {
    let sql = "WITH part AS (SELECT min(last_id, first_id + ?2 - 1) + 1 AS stop FROM audit_chain)
               SELECT id, hash FROM audit_log, part
               WHERE id < coalesce(
                   (SELECT min(id) FROM audit_log WHERE at >= ?1 AND id < stop), stop)
               ORDER BY id DESC LIMIT 1";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let last: Option<(i64, Hash)> = tx
        .prepare_cached(sql)?
        .query_row((before, most), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((last, hash)) = last else { return Ok(0) };
    let sql = "UPDATE audit_chain SET first_id = ?1 + 1, first_hash = ?2";
    tx.prepare_cached(sql)?.execute((last, hash))?;
    Ok(tx.prepare_cached("DELETE FROM audit_log WHERE id <= ?1")?.execute([last])?)
}
