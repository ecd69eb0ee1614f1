//! The SQL of API tokens.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::super::{ApiToken, Role};
use crate::error::Result;

const COLUMNS: &str =
    "t.id, t.name, t.username, t.role, t.created_at, t.expires_at, t.last_used_at";

fn token(row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    Ok(ApiToken {
        id: row.get(0)?,
        name: row.get(1)?,
        username: row.get(2)?,
        role: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        last_used_at: row.get(6)?,
    })
}

/// Tokens of this user, or of all, newest first.
pub(in crate::auth) fn list(c: &Connection, owner: Option<&str>) -> Result<Vec<ApiToken>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM api_tokens t WHERE ?1 IS NULL OR t.username = ?1
         ORDER BY t.created_at DESC, t.id"
    );
    let mut statement = c.prepare_cached(&sql)?;
    let tokens = statement.query_map([owner], token)?.collect::<rusqlite::Result<_>>()?;
    Ok(tokens)
}

/// The token that this is the hash of, with its owner's present role.
pub(in crate::auth) fn by_hash(
    c: &Connection,
    hash: &[u8; 32],
) -> Result<Option<(ApiToken, Role)>> {
    let sql = format!(
        "SELECT {COLUMNS}, u.role FROM api_tokens t JOIN users u USING (username) WHERE t.hash = ?1"
    );
    let found = c.prepare_cached(&sql)?.query_row([hash], |row| Ok((token(row)?, row.get(7)?)));
    Ok(found.optional()?)
}

/// The token of this id, with its owner's present role.
pub(in crate::auth) fn by_id(c: &Connection, id: &str) -> Result<Option<(ApiToken, Role)>> {
    let sql = format!(
        "SELECT {COLUMNS}, u.role FROM api_tokens t JOIN users u USING (username) WHERE t.id = ?1"
    );
    let found = c.prepare_cached(&sql)?.query_row([id], |row| Ok((token(row)?, row.get(7)?)));
    Ok(found.optional()?)
}

pub(in crate::auth) fn count(c: &Connection, owner: &str) -> Result<u32> {
    let sql = "SELECT count(*) FROM api_tokens WHERE username = ?1";
    Ok(c.query_row(sql, [owner], |row| row.get(0))?)
}

pub(in crate::auth) fn add(tx: &Transaction<'_>, one: &ApiToken, hash: &[u8; 32]) -> Result<()> {
    let sql = "INSERT INTO api_tokens (id, name, username, role, hash, created_at, expires_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let role = one.role.as_str();
    let values = (&one.id, &one.name, &one.username, role, hash, one.created_at, one.expires_at);
    tx.execute(sql, values)?;
    Ok(())
}

/// Writes down a use, unless another one was less than `pause` ago.
pub(in crate::auth) fn used(tx: &Transaction<'_>, id: &str, now: i64, pause: i64) -> Result<()> {
    let sql = "UPDATE api_tokens SET last_used_at = ?2
               WHERE id = ?1 AND (last_used_at IS NULL OR abs(?2 - last_used_at) >= ?3)";
    tx.prepare_cached(sql)?.execute((id, now, pause))?;
    Ok(())
}

/// Removes a token, so that it opens nothing from now on.
pub(in crate::auth) fn remove(tx: &Transaction<'_>, id: &str) -> Result<()> {
    tx.execute("DELETE FROM api_tokens WHERE id = ?1", [id])?;
    Ok(())
}

/// Removes all tokens of a user.
pub(in crate::auth) fn remove_all(tx: &Transaction<'_>, owner: &str) -> Result<()> {
    tx.execute("DELETE FROM api_tokens WHERE username = ?1", [owner])?;
    Ok(())
}

/// Removes those that have expired before this time.
pub(in crate::auth) fn forget(tx: &Transaction<'_>, before: i64) -> Result<()> {
    tx.execute("DELETE FROM api_tokens WHERE expires_at < ?1", [before])?;
    Ok(())
}
