//! Users: making, listing, changing and removing them, and the first one.

use super::store::{self, Account};
use super::{Auth, Role, User, password};
use crate::error::{Error, Noun, Result};

/// The longest user name.
const MOST_BYTES: usize = 64;

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
        let admin = self.account("admin", Role::Admin, &password)?;
        let now = self.clock.now();
        // Not made when another process was faster: then its password is the one.
        let made = self.store.write(|tx| store::add_user(tx, &admin, now))?;
        Ok(made.then_some(password))
    }

    /// Makes a user.
    ///
    /// # Errors
    /// The name or the password is not acceptable, or the name is taken.
    pub fn add_user(&self, username: &str, role: Role, password: &str) -> Result<()> {
        check_name(username)?;
        password::check("password", password)?;
        let account = self.account(username, role, password)?;
        let now = self.clock.now();
        if self.store.write(|tx| store::add_user(tx, &account, now))? {
            return Ok(());
        }
        Err(Error::invalid("username", format!("{username:?} exists already")))
    }

    /// Sets a user's password and ends all of the user's tokens. A lockout runs on.
    ///
    /// # Errors
    /// The password is not acceptable, or there is no such user.
    pub fn set_password(&self, username: &str, password: &str) -> Result<()> {
        password::check("password", password)?;
        let hash = self.hasher.slot()?.hash(password)?;
        let generation = super::random_name()?;
        found(
            username,
            self.store.write(|tx| store::set_password(tx, username, &hash, &generation)),
        )
    }

    /// Sets a user's role. It holds from the next request on, also for tokens issued before.
    ///
    /// # Errors
    /// There is no such user, or no admin would be left.
    pub fn set_role(&self, username: &str, role: Role) -> Result<()> {
        let changed = self.store.write(|tx| {
            if role != Role::Admin && store::is_last_admin(tx, username)? {
                return Err(last_admin("role", username));
            }
            store::set_role(tx, username, role)
        });
        found(username, changed)
    }

    /// Removes a user, with which all of the user's tokens end.
    ///
    /// # Errors
    /// There is no such user, or no admin would be left.
    pub fn remove_user(&self, username: &str) -> Result<()> {
        let removed = self.store.write(|tx| {
            if store::is_last_admin(tx, username)? {
                return Err(last_admin("username", username));
            }
            store::remove_user(tx, username)
        });
        found(username, removed)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// The database failed.
    pub fn list_users(&self) -> Result<Vec<User>> {
        self.store.read(store::users)
    }

    fn account(&self, username: &str, role: Role, password: &str) -> Result<Account> {
        Ok(Account {
            user: User { username: username.to_owned(), role },
            password_hash: self.hasher.slot()?.hash(password)?,
            generation: super::random_name()?,
        })
    }
}

fn found(username: &str, changed: Result<bool>) -> Result<()> {
    if changed? { Ok(()) } else { Err(Error::not_found(Noun::User, username)) }
}

fn last_admin(field: &str, username: &str) -> Error {
    Error::invalid(field, format!("{username:?} is the last admin; make another one first"))
}

fn check_name(username: &str) -> Result<()> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    if (1..=MOST_BYTES).contains(&username.len()) && username.bytes().all(known) {
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
        for wrong in ["", "a b", "a/b", "ä", "a\n", "a\0", "a:b", &"x".repeat(65)] {
            assert!(check_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
