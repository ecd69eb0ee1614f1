//! Who is calling, and what they may do.
//!
//! A user name and a password are exchanged for a token; a token, or a ticket made from one, says
//! with each request who is calling; the caller's role says what they may do. Nothing that opens
//! a door is printed, logged or kept in the clear.

mod lockout;
mod password;
mod roles;
mod store;
mod ticket;
mod token;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, rfc3339};
use crate::error::{Error, Result};
use crate::store::Store;

use store::Account;

pub use password::HashCost;
pub use roles::{Act, Role, may};
pub use store::last_address;
pub use ticket::Ticket;

/// No user name has more bytes; a longer one is refused before it costs anything.
const LONGEST_NAME: usize = 256;

/// How long login attempts are kept at least, in milliseconds.
const DAY: i64 = 24 * 3_600 * 1_000;

/// What can be set. It has no `Debug`, since it holds the secret.
pub struct Settings {
    /// The key that signs tokens.
    pub secret: Vec<u8>,
    /// How long a token lives, in whole seconds.
    pub token_life: Duration,
    /// Failures that lock an account.
    pub max_failed: u32,
    /// The span in which they count, and for which they lock.
    pub lockout: Duration,
    /// What hashing a password costs; tests that hash hundreds of times make it cheap.
    pub hash_cost: HashCost,
}

/// Users, their passwords, tokens and tickets.
pub struct Auth {
    store: Arc<Store>,
    clock: Clock,
    rule: lockout::Rule,
    hasher: password::Hasher,
    keys: token::Keys,
    tickets: ticket::Tickets,
}

/// A user, as others may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub username: String,
    /// What they may do.
    pub role: Role,
}

/// A token, just issued.
pub struct Session {
    /// The token itself.
    pub token: String,
    /// When it expires, in milliseconds since the epoch.
    pub expires_at: i64,
    /// Whose it is.
    pub user: User,
}

/// Who sent a request. Only [`Auth::authenticate`] and [`Auth::redeem`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's name.
    pub username: String,
    /// The user's role, as it was when the request came.
    pub role: Role,
    /// The token that was sent, or that the ticket was made from.
    pub token: TokenRef,
}

/// Which token it was; the token itself cannot be made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRef {
    /// The token's id.
    pub id: String,
    /// When it expires, in milliseconds since the epoch.
    pub expires_at: i64,
    /// The password it belongs to.
    generation: String,
}

impl Caller {
    /// Says no when the caller's role does not allow this.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the role that would.
    pub fn require(&self, act: Act) -> Result<()> {
        if may(self.role, act) {
            return Ok(());
        }
        Err(Error::Forbidden { needs: act.needs().as_str() })
    }
}

impl Auth {
    /// Users in `store`, under these settings.
    pub fn new(store: Arc<Store>, clock: Clock, settings: &Settings) -> Auth {
        Auth {
            store,
            clock,
            rule: lockout::Rule::new(settings.max_failed, settings.lockout),
            hasher: password::Hasher::new(settings.hash_cost),
            keys: token::Keys::new(&settings.secret, settings.token_life),
            tickets: ticket::Tickets::default(),
        }
    }

    /// Exchanges a password for a token; `address` is where it came from, for the log.
    ///
    /// # Errors
    /// [`Error::Credentials`] whether the name or the password is wrong, [`Error::Locked`] after
    /// too many of them.
    pub fn login(&self, username: &str, password: &str, address: &str) -> Result<Session> {
        let account = self.prove(username, password, address)?;
        self.issue(account.user, &account.generation)
    }

    /// Who sent this token, which is what stands behind `Bearer` in the request.
    ///
    /// # Errors
    /// [`Error::TokenMissing`], [`Error::TokenExpired`], or [`Error::TokenInvalid`] when it was
    /// not signed by us, was revoked, or its user was removed or has another password now.
    pub fn authenticate(&self, bearer: Option<&str>) -> Result<Caller> {
        let claims = self.keys.check(bearer.ok_or(Error::TokenMissing)?)?;
        let expires_at = claims.expires_at();
        let token = TokenRef { id: claims.jti, expires_at, generation: claims.generation };
        self.admit(claims.sub, token)
    }

    /// A ticket for the caller: good once, for 30 seconds, in place of the token.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when the caller has too many that were not used.
    pub fn ticket(&self, caller: &Caller) -> Result<Ticket> {
        self.tickets.issue(caller, self.clock.now())
    }

    /// Who the ticket was made for. The token it was made from must still be good.
    ///
    /// # Errors
    /// Those of [`Auth::authenticate`]; a ticket that is unknown, used or too old is
    /// [`Error::TokenInvalid`].
    pub fn redeem(&self, ticket: &str) -> Result<Caller> {
        let caller = self.tickets.take(ticket, self.clock.now()).ok_or(Error::TokenInvalid)?;
        self.admit(caller.username, caller.token)
    }

    /// A new token for the caller. The one that was sent stays good until it expires: other
    /// requests may be under way with it.
    ///
    /// # Errors
    /// Those of [`Auth::authenticate`].
    pub fn refresh(&self, caller: &Caller) -> Result<Session> {
        let Caller { username, role, token } =
            self.admit(caller.username.clone(), caller.token.clone())?;
        self.issue(User { username, role }, &token.generation)
    }

    /// Revokes the token that the caller sent.
    ///
    /// # Errors
    /// The database failed.
    pub fn logout(&self, caller: &Caller) -> Result<()> {
        let TokenRef { id, expires_at, .. } = &caller.token;
        let now = self.clock.now();
        self.store.write(|tx| store::revoke(tx, id, *expires_at, now))
    }

    /// Changes the caller's own password, ends all of the caller's tokens and returns a new one.
    /// A wrong current password counts like a failed login: a stolen token must not be a way to
    /// guess on.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the new password is not acceptable, otherwise those of
    /// [`Auth::login`].
    pub fn change_password(
        &self,
        caller: &Caller,
        current: &str,
        new: &str,
        address: &str,
    ) -> Result<Session> {
        password::check("new_password", new)?;
        let account = self.prove(&caller.username, current, address)?;
        self.replace_password(account, new)
    }

    /// Gives `account` another password, unless it has another one already.
    fn replace_password(&self, account: Account, new: &str) -> Result<Session> {
        let hash = self.hasher.slot()?.hash(new)?;
        let generation = random_name()?;
        let username = &account.user.username;
        let changed = self.store.write(|tx| {
            // While we hashed, an admin may have set another password or removed the user.
            let current = store::account(tx, username)?;
            let same = current.is_some_and(|current| current.generation == account.generation);
            Ok(same && store::set_password(tx, username, &hash, &generation)?)
        })?;
        if !changed {
            return Err(Error::TokenInvalid);
        }
        self.issue(account.user, &generation)
    }

    fn issue(&self, user: User, generation: &str) -> Result<Session> {
        let (token, claims) = self.keys.issue(&user.username, generation, self.clock.now())?;
        Ok(Session { token, expires_at: claims.expires_at(), user })
    }

    /// Asks the database about a token whose signature was right.
    fn admit(&self, username: String, token: TokenRef) -> Result<Caller> {
        if self.clock.now() >= token.expires_at {
            return Err(Error::TokenExpired);
        }
        match self.store.read(|c| store::standing(c, &username, &token.id))? {
            Some(now) if !now.revoked && now.generation == token.generation => {
                Ok(Caller { username, role: now.role, token })
            }
            _ => Err(Error::TokenInvalid),
        }
    }

    /// The account, if the password is right and the lockout allows it.
    ///
    /// The slot is held from the first look at the lockout to the last, so no more than two
    /// attempts are under way at a time; both may pass the first look, the last one decides.
    fn prove(&self, username: &str, password: &str, address: &str) -> Result<Account> {
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
            Some(until) => Verdict::Locked(until),
            None => {
                let hash = account.as_ref().map(|one| one.password_hash.as_str());
                let right = slot.verify(password, hash)?;
                self.settle(username, address, account.filter(|_| right))?
            }
        };
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

    /// Records an attempt and says what comes of it, in one transaction: what another attempt
    /// recorded while this one hashed is seen here. `proven` is the account whose password it was.
    fn settle(&self, username: &str, address: &str, proven: Option<Account>) -> Result<Verdict> {
        self.store.write(|tx| {
            // Taken under the lock, so that times follow each other as the rows do.
            let at = self.clock.now();
            if let Some(until) = store::locked_until(tx, username, self.rule, at)? {
                return Ok(Verdict::Locked(until));
            }
            // The password may have been changed, or the user removed, while we hashed.
            let account = match proven {
                Some(proven) => store::account(tx, username)?
                    .filter(|current| current.generation == proven.generation),
                None => None,
            };
            let attempt = lockout::Attempt { at, success: account.is_some() };
            store::add_attempt(tx, username, address, attempt)?;
            // The first failure of a lock that still holds is less than two spans old.
            let keep = self.rule.span.saturating_mul(2).max(DAY);
            store::prune_attempts(tx, at.saturating_sub(keep))?;
            Ok(match account {
                Some(account) => Verdict::Right(account),
                None => Verdict::Wrong { locks: store::locked_until(tx, username, self.rule, at)? },
            })
        })
    }
}

/// What comes of an attempt to log in.
enum Verdict {
    Right(Account),
    Wrong { locks: Option<i64> },
    Locked(i64),
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user).finish_non_exhaustive()
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Internal(format!("the system gave no random bytes: {error}")))?;
    Ok(bytes)
}

/// A name of 128 random bits, which nothing else has.
fn random_name() -> Result<String> {
    Ok(hex(&random_bytes::<16>()?))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        auth.add_user("ann", Role::Admin, "correct horse").unwrap();
        auth
    }

    fn account(auth: &Auth) -> Option<Account> {
        auth.store.read(|c| store::account(c, "ann")).unwrap()
    }

    /// Two attempts passed the first look at the lockout; the one that is wrong comes first.
    #[test]
    fn a_right_password_does_not_pass_a_lock_that_came_while_it_was_hashed() {
        let directory = tempfile::tempdir().unwrap();
        let auth = auth(&directory);
        auth.login("ann", "wrong horse", "192.0.2.1").unwrap_err();
        let proven = account(&auth);
        let wrong = auth.settle("ann", "192.0.2.1", None).unwrap();
        assert!(matches!(wrong, Verdict::Wrong { locks: Some(60_000) }));
        let right = auth.settle("ann", "192.0.2.1", proven).unwrap();
        assert!(matches!(right, Verdict::Locked(60_000)));
    }

    #[test]
    fn a_password_that_was_replaced_while_it_was_hashed_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let auth = auth(&directory);
        let proven = account(&auth);
        auth.set_password("ann", "another horse").unwrap();
        let verdict = auth.settle("ann", "192.0.2.1", proven).unwrap();
        assert!(matches!(verdict, Verdict::Wrong { locks: None }));
        assert!(matches!(
            auth.settle("ann", "192.0.2.1", account(&auth)).unwrap(),
            Verdict::Right(_)
        ));
    }

    #[test]
    fn a_password_that_an_admin_set_is_not_overwritten_by_a_change_that_was_under_way() {
        let directory = tempfile::tempdir().unwrap();
        let auth = auth(&directory);
        let proven = account(&auth).unwrap();
        auth.set_password("ann", "another horse").unwrap();
        let late = auth.replace_password(proven, "a third horse");
        assert!(matches!(late, Err(Error::TokenInvalid)), "{late:?}");
        auth.login("ann", "another horse", "192.0.2.1").unwrap();
    }
}
