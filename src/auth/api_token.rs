//! API tokens: for scripts and CI, which have no password to type. A token is made by somebody who
//! is signed in, has a name, a role and an end, and is shown once; only its SHA-256 is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::store::{self, tokens};
use super::{Auth, Caller, Kind, Role, TokenRef};
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, Noun, Result};
use crate::random;

/// How each begins, so that people and secret scanners know what they have found.
const PREFIX: &str = "lko_";

/// All have this many bytes: the prefix and 32 bytes in base64.
const BYTES: usize = PREFIX.len() + 43;

/// The longest name, in characters.
const LONGEST_NAME: usize = 64;

/// The most tokens of one user, so that nobody fills the disk.
const MOST_PER_USER: u32 = 100;

/// How long a token may live, in days.
const LIFE: std::ops::RangeInclusive<u32> = 1..=3_650;

/// A day, in milliseconds.
const DAY: i64 = 24 * 3_600 * 1_000;

/// How long an expired token is still listed, so that its owner sees why a script fails.
const LISTED_AFTER: i64 = 30 * DAY;

/// Uses are written down no more often than this, in milliseconds.
const MINUTE: i64 = 60_000;

/// An API token, as it is listed. Times are in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// By which it is removed.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// Whose it is.
    pub username: String,
    /// What it may do, if its owner still may.
    pub role: Role,
    /// When it was made.
    pub created_at: i64,
    /// From when on it opens nothing.
    pub expires_at: i64,
    /// When it was used last, to the minute.
    pub last_used_at: Option<i64>,
}

/// What somebody wants a token for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its role; none for that of the caller.
    pub role: Option<Role>,
    /// How long it lives, in days.
    pub days: u32,
}

impl Auth {
    /// Makes a token for the caller, and gives it with the token itself, which nobody sees again.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the name or the life is not acceptable or there are too many,
    /// [`Error::Forbidden`] when the role is more than the caller's, [`Error::SignIn`] when the
    /// caller is an API token.
    pub fn add_token(
        &self,
        caller: &Caller,
        wanted: &Wanted<'_>,
        actor: &Actor,
    ) -> Result<(ApiToken, String)> {
        let Kind::Session { generation } = &caller.token.kind else { return Err(Error::SignIn) };
        check(wanted)?;
        let role = wanted.role.unwrap_or(caller.role);
        if role > caller.role {
            return Err(Error::Forbidden { needs: role.as_str() });
        }
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random::bytes::<32>()?));
        let now = self.clock.now();
        let token = ApiToken {
            id: random::name()?,
            name: wanted.name.to_owned(),
            username: caller.username.clone(),
            role,
            created_at: now,
            expires_at: now.saturating_add(i64::from(wanted.days) * DAY),
            last_used_at: None,
        };
        self.store.write(|tx| {
            // A new password, or the user's end, may have come while this was under way.
            let present = store::standing(tx, &caller.username, &caller.token.id)?;
            let present = present.and_then(|one| one.allows(generation));
            if present.ok_or(Error::TokenInvalid)? < role {
                return Err(Error::Forbidden { needs: role.as_str() });
            }
            tokens::forget(tx, now.saturating_sub(LISTED_AFTER))?;
            if tokens::count(tx, &token.username)? >= MOST_PER_USER {
                let text = format!("you have {MOST_PER_USER} tokens\nremove one first");
                return Err(Error::invalid("name", text));
            }
            tokens::add(tx, &token, &hash(&text))?;
            let detail = json!({ "name": token.name, "role": role.as_str(), "days": wanted.days });
            let entry = Entry::done("token.add", &*token.id).with(detail);
            audit::store::record(tx, now, actor, &entry)
        })?;
        Ok((token, text))
    }

    /// The caller's tokens, newest first; all for an admin.
    ///
    /// # Errors
    /// The database failed.
    pub fn list_tokens(&self, caller: &Caller) -> Result<Vec<ApiToken>> {
        self.store.read(|c| tokens::list(c, owner(caller)))
    }

    /// Removes one of the caller's tokens, or of anybody's for an admin.
    ///
    /// # Errors
    /// There is none of that id that the caller can see.
    pub fn remove_token(&self, caller: &Caller, id: &str, actor: &Actor) -> Result<()> {
        self.store.write(|tx| {
            let Some((token, _)) = tokens::by_id(tx, id)?.filter(|(one, _)| sees(caller, one))
            else {
                return Err(Error::not_found(Noun::Token, id));
            };
            tokens::remove(tx, id)?;
            let detail = json!({ "name": token.name, "username": token.username });
            let entry = Entry::done("token.remove", id).with(detail);
            audit::store::record(tx, self.clock.now(), actor, &entry)
        })
    }

    /// Who sent this API token; none when it does not look like one.
    pub(super) fn by_api_token(&self, text: &str) -> Option<Result<Caller>> {
        text.starts_with(PREFIX).then(|| self.admit_api_token(text))
    }

    fn admit_api_token(&self, text: &str) -> Result<Caller> {
        if text.len() != BYTES {
            return Err(Error::TokenInvalid);
        }
        let found = self.store.read(|c| tokens::by_hash(c, &hash(text)))?;
        let (token, present) = found.ok_or(Error::TokenInvalid)?;
        let now = self.clock.now();
        if now >= token.expires_at {
            return Err(Error::TokenExpired);
        }
        // Also when the clock was set back.
        if token.last_used_at.is_none_or(|last| now.abs_diff(last) >= MINUTE as u64) {
            self.note_use(&token.id, now);
        }
        Ok(caller(token, present))
    }

    /// Whether the token that a ticket was made from still opens what it did.
    pub(super) fn readmit_api_token(&self, id: &str) -> Result<Caller> {
        let found = self.store.read(|c| tokens::by_id(c, id))?;
        found.map(|(token, present)| caller(token, present)).ok_or(Error::TokenInvalid)
    }

    /// A use that cannot be written down is no reason to refuse it.
    fn note_use(&self, id: &str, now: i64) {
        if let Err(error) = self.store.write(|tx| tokens::used(tx, id, now, MINUTE)) {
            log::warn!("the use of an API token was not written down: {}", error.chain());
        }
    }
}

/// Its rights are the least of its own and its owner's present ones.
fn caller(token: ApiToken, present: Role) -> Caller {
    let ApiToken { id, username, role, expires_at, .. } = token;
    Caller {
        username,
        role: role.min(present),
        token: TokenRef { id, expires_at, kind: Kind::Api },
    }
}

/// Whose tokens the caller sees; none for everybody's.
fn owner(caller: &Caller) -> Option<&str> {
    (caller.role != Role::Admin).then_some(&*caller.username)
}

fn sees(caller: &Caller, token: &ApiToken) -> bool {
    owner(caller).is_none_or(|owner| owner == token.username)
}

fn check(wanted: &Wanted<'_>) -> Result<()> {
    let name = wanted.name;
    let printable = !name.trim().is_empty() && !name.chars().any(char::is_control);
    if !printable || name.chars().count() > LONGEST_NAME {
        let text = format!("must have 1 to {LONGEST_NAME} characters that can be seen");
        return Err(Error::invalid("name", text));
    }
    if !LIFE.contains(&wanted.days) {
        let text = format!("is a whole number from {} to {}", LIFE.start(), LIFE.end());
        return Err(Error::invalid("expires_in_days", text));
    }
    Ok(())
}

/// Of the whole text, so that no two texts are one token.
fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
