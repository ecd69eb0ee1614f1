//! Users: making, listing, changing and removing them, and the first one.

use serde_json::json;

use super::store::{self, Account};
use super::{Auth, Role, User, password};
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, Noun, Result};
use crate::random;

/// The longest user name.
const MOST_BYTES: usize = 64;

/// A user, as an administrator sees them. Times are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Name and role.
    pub user: User,
    /// When the user was made.
    pub created_at: i64,
    /// When they signed in last.
    pub last_login: Option<i64>,
    /// Until when they cannot sign in, after too many failures.
    pub locked_until: Option<i64>,
}

/// What becomes different about a user.
#[derive(Default)]
pub struct Change<'a> {
    /// Another role.
    pub role: Option<Role>,
    /// Another password.
    pub password: Option<&'a str>,
}

impl Auth {
    /// Makes the user `admin` when there are no users, and returns the password: it is shown once
    /// and kept nowhere.
    ///
    /// # Errors
    /// The database failed.
    pub fn first_start_admin(&self) -> Result<Option<String>> {
        if self.store.read(store::has_users)? {
            return Ok(None);
        }
        let password = password::random()?;
        match self.add_user("admin", Role::Admin, &password, &Actor::linkops()) {
            Ok(_) => Ok(Some(password)),
            // Another process was faster: then its password is the one.
            Err(Error::UserExists { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a user.
    ///
    /// # Errors
    /// The name or the password is not acceptable, or [`Error::UserExists`].
    pub fn add_user(
        &self,
        username: &str,
        role: Role,
        password: &str,
        actor: &Actor,
    ) -> Result<Listed> {
        check_name(username)?;
        password::check("password", password)?;
        let account = self.account(username, role, password)?;
        let now = self.clock.now();
        self.store.write(|tx| {
            if !store::add_user(tx, &account, now)? {
                return Err(Error::UserExists { name: username.to_owned() });
            }
            let entry = Entry::done("user.add", username).with(json!({ "role": role.as_str() }));
            audit::store::record(tx, now, actor, &entry)?;
            found(username, store::user(tx, username, self.rule, now)?)
        })
    }

    /// Changes a user. A role holds from the next request on, also for tokens issued before. A new
    /// password ends all of the user's tokens and lifts a lockout.
    ///
    /// # Errors
    /// There is no such user, the password is not acceptable, or [`Error::LastAdmin`].
    pub fn change_user(
        &self,
        username: &str,
        change: &Change<'_>,
        actor: &Actor,
    ) -> Result<Listed> {
        let password = match change.password {
            Some(password) => Some(self.new_password(username, password)?),
            None => None,
        };
        self.store.write(|tx| {
            let now = self.clock.now();
            found(username, store::user(tx, username, self.rule, now)?)?;
            let mut detail = json!({});
            if let Some(role) = change.role {
                if role != Role::Admin && store::is_last_admin(tx, username)? {
                    return Err(Error::LastAdmin { name: username.to_owned() });
                }
                store::set_role(tx, username, role)?;
                detail["role"] = role.as_str().into();
            }
            if let Some((hash, generation)) = &password {
                store::set_password(tx, username, hash, generation)?;
                store::unlock(tx, username)?;
                detail["password"] = true.into();
            }
            let entry = Entry::done("user.change", username).with(detail);
            audit::store::record(tx, now, actor, &entry)?;
            found(username, store::user(tx, username, self.rule, now)?)
        })
    }

    /// Removes a user, with which all of the user's tokens end.
    ///
    /// # Errors
    /// There is no such user, or [`Error::LastAdmin`].
    pub fn remove_user(&self, username: &str, actor: &Actor) -> Result<()> {
        self.store.write(|tx| {
            if store::is_last_admin(tx, username)? {
                return Err(Error::LastAdmin { name: username.to_owned() });
            }
            if !store::remove_user(tx, username)? {
                return Err(Error::not_found(Noun::User, username));
            }
            let entry = Entry::done("user.remove", username);
            audit::store::record(tx, self.clock.now(), actor, &entry)
        })
    }

    /// All users, by name.
    ///
    /// # Errors
    /// The database failed.
    pub fn list_users(&self) -> Result<Vec<Listed>> {
        self.store.read(|c| store::users(c, self.rule, self.clock.now()))
    }

    fn account(&self, username: &str, role: Role, password: &str) -> Result<Account> {
        Ok(Account {
            user: User { username: username.to_owned(), role },
            password_hash: self.hasher.slot()?.hash(password)?,
            generation: random::name()?,
        })
    }

    /// The hash of a password for a user that exists, and its generation.
    fn new_password(&self, username: &str, password: &str) -> Result<(String, String)> {
        password::check("password", password)?;
        found(username, self.store.read(|c| store::account(c, username))?)?;
        Ok((self.hasher.slot()?.hash(password)?, random::name()?))
    }
}

fn found<T>(username: &str, user: Option<T>) -> Result<T> {
    user.ok_or_else(|| Error::not_found(Noun::User, username))
}

fn check_name(username: &str) -> Result<()> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    if (1..=MOST_BYTES).contains(&username.len()) && username.bytes().all(known) {
        if Actor::is_taken(username) {
            let text = format!("{username:?} is what the audit log calls somebody else");
            return Err(Error::invalid("username", text));
        }
        return Ok(());
    }
    Err(Error::invalid(
        "username",
        format!("must have 1 to {MOST_BYTES} letters (a-z), digits or signs of \"._@-\""),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_accepted_at_its_limits_and_refused_beyond() {
        for right in ["a", "Ann.B_c@example-1.org", "-", &"x".repeat(64)] {
            check_name(right).unwrap();
        }
        for wrong in
            ["", "a b", "a/b", "ä", "a\n", "a\0", "a:b", &"x".repeat(65), "linkops", "Anonymous"]
        {
            assert!(check_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
