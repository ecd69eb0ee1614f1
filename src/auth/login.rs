//! Proving with a password who one is: each attempt is judged, counted and recorded.

use serde_json::json;

use super::store::{self, Account};
use super::{Auth, lockout};
use crate::audit::{self, Actor, Entry};
use crate::clock::rfc3339;
use crate::error::{Error, Result};

/// No user name has more bytes; a longer one is refused before it costs anything.
const LONGEST_NAME: usize = 256;

/// How long login attempts are kept at least, in milliseconds.
const DAY: i64 = 24 * 3_600 * 1_000;

/// What the password is shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To sign in, by somebody who is not known yet.
    Login,
    /// To change it, by its user.
    Password,
}

/// What comes of an attempt.
pub(super) enum Verdict {
    Right(Account),
    Wrong { locks: Option<i64> },
    Locked(i64),
}

impl Auth {
    /// The account, if the password is right and the lockout allows it.
    ///
    /// The slot is held from the first look at the lockout to the last, so no more than two
    /// attempts are under way at a time; both may pass the first look, the last one decides.
    pub(super) fn prove(
        &self,
        purpose: Purpose,
        username: &str,
        password: &str,
        actor: &Actor,
    ) -> Result<Account> {
        if username.len() > LONGEST_NAME {
            return Err(Error::invalid("username", format!("is longer than {LONGEST_NAME} bytes")));
        }
        let slot = self.hasher.slot()?;
        let now = self.clock.now();
        let (locked, account) = self.store.read(|c| {
            let locked = store::locked_until(c, username, self.rule, now)?;
            Ok((locked, store::account(c, username)?))
        })?;
        let verdict = match locked {
            // Refused before it costs a hashing, also when the password is right.
            Some(until) => {
                self.note_locked(purpose, username, account.is_some(), actor)?;
                Verdict::Locked(until)
            }
            None => {
                let hash = account.as_ref().map(|one| one.password_hash.as_str());
                let right = slot.verify(password, hash)?;
                self.settle(purpose, username, actor, account.filter(|_| right))?
            }
        };
        told(verdict, username, actor)
    }

    /// Records an attempt and says what comes of it, in one transaction: what another attempt
    /// recorded while this one hashed is seen here. `proven` is the account whose password it was.
    pub(super) fn settle(
        &self,
        purpose: Purpose,
        username: &str,
        actor: &Actor,
        proven: Option<Account>,
    ) -> Result<Verdict> {
        self.store.write(|tx| {
            // Taken under the lock, so that times follow each other as the rows do.
            let at = self.clock.now();
            if let Some(until) = store::locked_until(tx, username, self.rule, at)? {
                return Ok(Verdict::Locked(until));
            }
            let current = store::account(tx, username)?;
            let known = current.is_some();
            // The password may have been changed, or the user removed, while we hashed.
            let account = current.filter(|current| {
                proven.as_ref().is_some_and(|proven| proven.generation == current.generation)
            });
            let attempt = lockout::Attempt { at, success: account.is_some() };
            store::add_attempt(tx, username, &actor.address_text(), attempt)?;
            // The first failure of a lock that still holds is less than two spans old.
            let keep = self.rule.span.saturating_mul(2).max(DAY);
            store::prune_attempts(tx, at.saturating_sub(keep))?;
            if account.is_some() && purpose == Purpose::Login {
                store::signed_in(tx, username, at)?;
            }
            let verdict = match account {
                Some(account) => Verdict::Right(account),
                None => Verdict::Wrong { locks: store::locked_until(tx, username, self.rule, at)? },
            };
            for (actor, entry) in self.entries(&verdict, purpose, username, known, actor, at) {
                audit::store::record(tx, at, &actor, &entry)?;
            }
            Ok(verdict)
        })
    }

    /// Tells the audit log of an attempt that a lock stopped.
    fn note_locked(&self, purpose: Purpose, name: &str, known: bool, actor: &Actor) -> Result<()> {
        let now = self.clock.now();
        if purpose == Purpose::Password {
            return Ok(()); // recorded like any other call that was refused
        }
        match self.refusals.admit(known.then_some(name), now) {
            Some(left_out) => {
                let entry = Entry::refused("auth.login", name, "ACCOUNT_LOCKED").after(left_out);
                audit::note(&self.store, now, actor, &entry)
            }
            None => Ok(()),
        }
    }

    /// What the audit log is told of an attempt, as long as there is room: names that no user has
    /// are without number.
    fn entries<'a>(
        &self,
        verdict: &Verdict,
        purpose: Purpose,
        username: &'a str,
        known: bool,
        actor: &Actor,
        at: i64,
    ) -> Vec<(Actor, Entry<'a>)> {
        let locks = match verdict {
            Verdict::Right(_) if purpose == Purpose::Login => {
                return vec![(actor.named(username), Entry::done("auth.login", username))];
            }
            Verdict::Right(_) | Verdict::Locked(_) => return Vec::new(),
            Verdict::Wrong { locks } => locks,
        };
        let user = known.then_some(username);
        let Some(left_out) = self.refusals.admit(user, at) else { return Vec::new() };
        let mut entries = Vec::new();
        // A change of the password that failed is recorded like any other call that was refused.
        if purpose == Purpose::Login {
            let entry = Entry::refused("auth.login", username, "INVALID_CREDENTIALS");
            entries.push((actor.clone(), entry.after(left_out)));
        }
        if let Some(until) = locks {
            let entry = Entry::done("auth.locked", username);
            entries.push((actor.clone(), entry.with(json!({ "unlock_at": rfc3339(*until) }))));
        }
        entries
    }
}

fn told(verdict: Verdict, username: &str, actor: &Actor) -> Result<Account> {
    let address = actor.address_text();
    let address = address.as_str();
    match verdict {
        Verdict::Right(account) => return Ok(account),
        Verdict::Wrong { locks: None } => {
            log::warn!(user = username, address = address; "login failed");
        }
        Verdict::Wrong { locks: Some(until) } => {
            let until = rfc3339(until);
            log::warn!(user = username, address = address; "login failed, locked until {until}");
        }
        Verdict::Locked(until) => {
            log::warn!(user = username, address = address; "login refused, the account is locked");
            return Err(Error::Locked { until });
        }
    }
    Err(Error::Credentials)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Change, HashCost, Role, Settings};
    use crate::clock::Clock;
    use crate::store::Store;
    use std::sync::Arc;
    use std::time::Duration;

    fn auth(directory: &tempfile::TempDir) -> Auth {
        let store = Store::open(&directory.path().join("linkops.db")).unwrap();
        let settings = Settings {
            secret: vec![b'x'; 32],
            token_life: Duration::from_secs(60),
            max_failed: 2,
            lockout: Duration::from_secs(60),
            hash_cost: HashCost { memory: 8, passes: 1 },
        };
        let auth = Auth::new(Arc::new(store), Clock::fixed(0), &settings);
        auth.add_user("ann", Role::Admin, "correct horse", &Actor::linkops()).unwrap();
        auth
    }

    fn stranger() -> Actor {
        Actor::stranger([192, 0, 2, 1].into(), "r-1")
    }

    fn settle(auth: &Auth, proven: Option<Account>) -> Verdict {
        auth.settle(Purpose::Login, "ann", &stranger(), proven).unwrap()
    }

    fn account(auth: &Auth) -> Option<Account> {
        auth.store.read(|c| store::account(c, "ann")).unwrap()
    }

    /// Two attempts passed the first look at the lockout; the one that is wrong comes first.
    #[test]
    fn a_right_password_does_not_pass_a_lock_that_came_while_it_was_hashed() {
        let directory = tempfile::tempdir().unwrap();
        let auth = auth(&directory);
        auth.login("ann", "wrong horse", &stranger()).unwrap_err();
        let proven = account(&auth);
        let wrong = settle(&auth, None);
        assert!(matches!(wrong, Verdict::Wrong { locks: Some(60_000) }));
        let right = settle(&auth, proven);
        assert!(matches!(right, Verdict::Locked(60_000)));
    }

    #[test]
    fn a_password_that_was_replaced_while_it_was_hashed_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let auth = auth(&directory);
        let proven = account(&auth);
        let change = Change { password: Some("another horse"), ..Change::default() };
        auth.change_user("ann", &change, &Actor::linkops()).unwrap();
        let verdict = settle(&auth, proven);
        assert!(matches!(verdict, Verdict::Wrong { locks: None }));
        assert!(matches!(settle(&auth, account(&auth)), Verdict::Right(_)));
    }

    #[test]
    fn a_password_that_an_admin_set_is_not_overwritten_by_a_change_that_was_under_way() {
        let directory = tempfile::tempdir().unwrap();
        let auth = auth(&directory);
        let proven = account(&auth).unwrap();
        let change = Change { password: Some("another horse"), ..Change::default() };
        auth.change_user("ann", &change, &Actor::linkops()).unwrap();
        let late = auth.replace_password(proven, "a third horse", &stranger());
        assert!(matches!(late, Err(Error::TokenInvalid)), "{late:?}");
        auth.login("ann", "another horse", &stranger()).unwrap();
    }
}
