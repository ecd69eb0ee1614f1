//! The SQL of users, their login attempts and revoked tokens.

pub(super) mod tokens;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::lockout::{Attempt, Rule};
use super::{Listed, Role, User};
use crate::error::Result;

/// Attempts that are kept. To push one out takes so many hashings that no lock would hold any more.
const MOST_ATTEMPTS: i64 = 100_000;

/// A user, as logging in needs it.
pub(super) struct Account {
    pub(super) user: User,
    pub(super) password_hash: String,
    pub(super) generation: String,
}

/// What decides about a token of a user.
pub(super) struct Standing {
    pub(super) role: Role,
    pub(super) generation: String,
    pub(super) revoked: bool,
}

impl Standing {
    /// The role of the user, if a token of this generation is still good.
    pub(super) fn allows(&self, generation: &str) -> Option<Role> {
        (!self.revoked && self.generation == generation).then_some(self.role)
    }
}

impl FromSql for Role {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Role> {
        value.as_str()?.parse().map_err(|_| FromSqlError::InvalidType)
    }
}

pub(super) fn account(c: &Connection, username: &str) -> Result<Option<Account>> {
    let sql = "SELECT username, role, password_hash, generation FROM users WHERE username = ?1";
    let account = c.prepare_cached(sql)?.query_row([username], |row| {
        Ok(Account {
            user: User { username: row.get(0)?, role: row.get(1)? },
            password_hash: row.get(2)?,
            generation: row.get(3)?,
        })
    });
    Ok(account.optional()?)
}

pub(super) fn standing(c: &Connection, username: &str, token: &str) -> Result<Option<Standing>> {
    let sql = "SELECT role, generation, EXISTS (SELECT 1 FROM revoked_tokens WHERE jti = ?2)
               FROM users WHERE username = ?1";
    let standing = c.prepare_cached(sql)?.query_row([username, token], |row| {
        Ok(Standing { role: row.get(0)?, generation: row.get(1)?, revoked: row.get(2)? })
    });
    Ok(standing.optional()?)
}

/// Until when logins under this name are refused.
pub(super) fn locked_until(
    c: &Connection,
    username: &str,
    rule: Rule,
    now: i64,
) -> Result<Option<i64>> {
    // The order of rows, not of times, says which came last: clocks are set.
    let sql = "SELECT at, success FROM auth_attempts WHERE username = ?1 ORDER BY id DESC LIMIT ?2";
    let mut statement = c.prepare_cached(sql)?;
    let attempts = statement
        .query_map((username, rule.failures as i64), |row| {
            Ok(Attempt { at: row.get(0)?, success: row.get(1)? })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rule.locked_until(&attempts, now))
}

pub(super) fn add_attempt(
    tx: &Transaction<'_>,
    username: &str,
    address: &str,
    attempt: Attempt,
) -> Result<()> {
    let sql = "INSERT INTO auth_attempts (username, address, at, success) VALUES (?1, ?2, ?3, ?4)";
    tx.prepare_cached(sql)?.execute((username, address, attempt.at, attempt.success))?;
    Ok(())
}

/// From where the last login under this name came.
///
/// # Errors
/// The database fails.
pub fn last_address(c: &Connection, username: &str) -> Result<Option<String>> {
    let sql = "SELECT address FROM auth_attempts WHERE username = ?1 ORDER BY id DESC LIMIT 1";
    Ok(c.prepare_cached(sql)?.query_row([username], |row| row.get(0)).optional()?)
}

/// Removes attempts that are older, and of names that no user has all but the newest: whoever tries
/// names without end must not fill the disk.
pub(super) fn prune_attempts(tx: &Transaction<'_>, before: i64) -> Result<()> {
    let sql = "DELETE FROM auth_attempts WHERE at < ?1
               OR (id <= (SELECT max(id) FROM auth_attempts) - ?2
                   AND username NOT IN (SELECT username FROM users))";
    tx.prepare_cached(sql)?.execute((before, MOST_ATTEMPTS))?;
    Ok(())
}

/// Remembers a revoked token until it expires, and forgets those that have.
pub(super) fn revoke(tx: &Transaction<'_>, token: &str, expires_at: i64, now: i64) -> Result<()> {
    tx.prepare_cached("DELETE FROM revoked_tokens WHERE expires_at <= ?1")?.execute([now])?;
    tx.prepare_cached("INSERT OR IGNORE INTO revoked_tokens (jti, expires_at) VALUES (?1, ?2)")?
        .execute((token, expires_at))?;
    Ok(())
}

/// All users by name.
pub(super) fn users(c: &Connection, rule: Rule, now: i64) -> Result<Vec<Listed>> {
    let sql = "SELECT username, role, created_at, last_login FROM users ORDER BY username";
    let mut statement = c.prepare_cached(sql)?;
    let users = statement.query_map([], listed)?.collect::<rusqlite::Result<Vec<_>>>()?;
    users.into_iter().map(|one| with_lock(c, one, rule, now)).collect()
}

/// One of them.
pub(super) fn user(c: &Connection, name: &str, rule: Rule, now: i64) -> Result<Option<Listed>> {
    let sql = "SELECT username, role, created_at, last_login FROM users WHERE username = ?1";
    let user = c.prepare_cached(sql)?.query_row([name], listed).optional()?;
    user.map(|one| with_lock(c, one, rule, now)).transpose()
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let user = User { username: row.get(0)?, role: row.get(1)? };
    Ok(Listed { user, created_at: row.get(2)?, last_login: row.get(3)?, locked_until: None })
}

fn with_lock(c: &Connection, one: Listed, rule: Rule, now: i64) -> Result<Listed> {
    let locked_until = locked_until(c, &one.user.username, rule, now)?;
    Ok(Listed { locked_until, ..one })
}

/// Whether there is any user at all.
pub(super) fn has_users(c: &Connection) -> Result<bool> {
    Ok(c.query_row("SELECT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?)
}

/// Whether this user is an admin and the only one.
pub(super) fn is_last_admin(c: &Connection, username: &str) -> Result<bool> {
    let sql = "SELECT count(*) = 1 AND max(username) = ?1 FROM users WHERE role = 'admin'";
    Ok(c.query_row(sql, [username], |row| row.get::<_, Option<bool>>(0))?.unwrap_or(false))
}

/// Adds a user; false when the name is taken.
pub(super) fn add_user(tx: &Transaction<'_>, one: &Account, now: i64) -> Result<bool> {
    let sql = "INSERT INTO users (username, role, password_hash, generation, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (username) DO NOTHING";
    let User { username, role } = &one.user;
    let values = (username, role.as_str(), &one.password_hash, &one.generation, now);
    Ok(tx.execute(sql, values)? == 1)
}

/// Sets the password, which ends all tokens of the user.
pub(super) fn set_password(
    tx: &Transaction<'_>,
    username: &str,
    password_hash: &str,
    generation: &str,
) -> Result<()> {
    let sql = "UPDATE users SET password_hash = ?2, generation = ?3 WHERE username = ?1";
    tx.execute(sql, (username, password_hash, generation))?;
    tokens::remove_all(tx, username)
}

/// Forgets the failures that count against a name, and with them a lock.
pub(super) fn unlock(tx: &Transaction<'_>, username: &str) -> Result<()> {
    let sql = "DELETE FROM auth_attempts WHERE username = ?1 AND success = 0";
    tx.execute(sql, [username])?;
    Ok(())
}

/// Sets the role.
pub(super) fn set_role(tx: &Transaction<'_>, username: &str, role: Role) -> Result<()> {
    tx.execute("UPDATE users SET role = ?2 WHERE username = ?1", (username, role.as_str()))?;
    Ok(())
}

/// Remembers that a user has signed in.
pub(super) fn signed_in(tx: &Transaction<'_>, username: &str, now: i64) -> Result<()> {
    let sql = "UPDATE users SET last_login = ?2 WHERE username = ?1";
    tx.prepare_cached(sql)?.execute((username, now))?;
    Ok(())
}

/// Removes a user; false when there is none.
pub(super) fn remove_user(tx: &Transaction<'_>, username: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM users WHERE username = ?1", [username])? == 1)
}
