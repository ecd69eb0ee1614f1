//! Who is calling, and what they may do.
//!
//! A user name and a password are exchanged for a token; a token, or a ticket made from one, says
//! with each request who is calling; the caller's role says what they may do. Nothing that opens
//! a door is printed, logged or kept in the clear.

mod api_token;
mod lockout;
mod login;
mod password;
mod roles;
mod store;
mod ticket;
mod token;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::{self, Actor, Entry, Refusals};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::random;
use crate::store::Store;

use login::Purpose;
use store::Account;

pub use api_token::{ApiToken, Wanted};
pub use password::HashCost;
pub use roles::{Act, Role, may};
pub use store::last_address;
pub use ticket::Ticket;
pub use users::{Change, Listed};

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
    refusals: Refusals,
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
    kind: Kind,
}

/// Where a token came from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// From a login, with the password of this generation.
    Session { generation: String },
    /// It is an API token.
    Api,
}

impl TokenRef {
    /// Whether it is an API token, and no session of somebody who signed in.
    #[must_use]
    pub fn is_api(&self) -> bool {
        self.kind == Kind::Api
    }
}

impl Caller {
    /// Says no when the caller's role does not allow this, or an API token is not enough.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the role that would, [`Error::SignIn`].
    pub fn require(&self, act: Act) -> Result<()> {
        if !may(self.role, act) {
            return Err(Error::Forbidden { needs: act.needs().as_str() });
        }
        if act.needs_login() && self.token.is_api() {
            return Err(Error::SignIn);
        }
        Ok(())
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
            refusals: Refusals::default(),
        }
    }

    /// Exchanges a password for a token; `stranger` is who sent it, before it is known who it is.
    ///
    /// # Errors
    /// [`Error::Credentials`] whether the name or the password is wrong, [`Error::Locked`] after
    /// too many of them.
    pub fn login(&self, username: &str, password: &str, stranger: &Actor) -> Result<Session> {
        let account = self.prove(Purpose::Login, username, password, stranger)?;
        self.issue(account.user, &account.generation)
    }

    /// Who sent this token, of either kind, which is what stands behind `Bearer` in the request.
    ///
    /// # Errors
    /// [`Error::TokenMissing`], [`Error::TokenExpired`], or [`Error::TokenInvalid`] when it was
    /// not signed by us, was revoked, or its user was removed or has another password now.
    pub fn authenticate(&self, bearer: Option<&str>) -> Result<Caller> {
        let bearer = bearer.ok_or(Error::TokenMissing)?;
        if let Some(caller) = self.by_api_token(bearer) {
            return caller;
        }
        let claims = self.keys.check(bearer)?;
        let expires_at = claims.expires_at();
        let kind = Kind::Session { generation: claims.generation };
        self.admit(claims.sub, TokenRef { id: claims.jti, expires_at, kind })
    }

    /// The caller as of now, for what lasts longer than a request.
    ///
    /// # Errors
    /// Those of [`Auth::authenticate`].
    pub fn still(&self, caller: &Caller) -> Result<Caller> {
        self.admit(caller.username.clone(), caller.token.clone())
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
    /// Those of [`Auth::authenticate`]; [`Error::SignIn`] for an API token, which would outlive
    /// itself.
    pub fn refresh(&self, caller: &Caller) -> Result<Session> {
        let Caller { username, role, token } =
            self.admit(caller.username.clone(), caller.token.clone())?;
        match token.kind {
            Kind::Session { generation } => self.issue(User { username, role }, &generation),
            Kind::Api => Err(Error::SignIn),
        }
    }

    /// Revokes the token that the caller sent; an API token is removed.
    ///
    /// # Errors
    /// The database failed.
    pub fn logout(&self, caller: &Caller, actor: &Actor) -> Result<()> {
        let TokenRef { id, expires_at, kind } = &caller.token;
        let now = self.clock.now();
        self.store.write(|tx| {
            match kind {
                Kind::Session { .. } => store::revoke(tx, id, *expires_at, now)?,
                Kind::Api => store::tokens::remove(tx, id)?,
            }
            audit::store::record(tx, now, actor, &Entry::done("auth.logout", None))
        })
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
        actor: &Actor,
    ) -> Result<Session> {
        password::check("new_password", new)?;
        let account = self.prove(Purpose::Password, &caller.username, current, actor)?;
        self.replace_password(account, new, actor)
    }

    /// Gives `account` another password, unless it has another one already.
    fn replace_password(&self, account: Account, new: &str, actor: &Actor) -> Result<Session> {
        let hash = self.hasher.slot()?.hash(new)?;
        let generation = random::name()?;
        let username = &account.user.username;
        let changed = self.store.write(|tx| {
            // While we hashed, an admin may have set another password or removed the user.
            let current = store::account(tx, username)?;
            let same = current.is_some_and(|current| current.generation == account.generation);
            if same {
                store::set_password(tx, username, &hash, &generation)?;
                let entry = Entry::done("auth.password", &**username);
                audit::store::record(tx, self.clock.now(), actor, &entry)?;
            }
            Ok(same)
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

    /// Asks the database about a token that was right when we saw it.
    fn admit(&self, username: String, token: TokenRef) -> Result<Caller> {
        if self.clock.now() >= token.expires_at {
            return Err(Error::TokenExpired);
        }
        let Kind::Session { generation } = &token.kind else {
            return self.readmit_api_token(&token.id);
        };
        let now = self.store.read(|c| store::standing(c, &username, &token.id))?;
        let role = now.and_then(|now| now.allows(generation)).ok_or(Error::TokenInvalid)?;
        Ok(Caller { username, role, token })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user).finish_non_exhaustive()
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
