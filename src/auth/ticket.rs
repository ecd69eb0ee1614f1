//! Tickets: what a browser puts into an address where it can send no header (SSE, WebSocket).
//! Addresses end up in logs, so a ticket works once and for seconds. They are kept in memory; a
//! restart takes them, and the client asks for another.

use std::collections::HashMap;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use super::Caller;
use crate::error::{Error, Result};
use crate::threads::lock;
use crate::{hex, random};

/// How long a ticket can be used.
const SECONDS: u64 = 30;

/// Tickets of one user that wait for their use. Users are few, so this bounds all of them.
const MOST_PER_USER: usize = 256;

/// A ticket, just made.
pub struct Ticket {
    /// The ticket itself.
    pub ticket: String,
    /// How long it can be used, in seconds.
    pub expires_in: u64,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticket(…)")
    }
}

/// The tickets that can be used, by their SHA-256: how long a look-up takes says nothing about
/// the tickets themselves.
#[derive(Default)]
pub(super) struct Tickets(Mutex<HashMap<[u8; 32], Entry>>);

struct Entry {
    caller: Caller,
    until: i64,
}

impl Tickets {
    pub(super) fn issue(&self, caller: &Caller, now: i64) -> Result<Ticket> {
        let ticket = hex::write(&random::bytes::<32>()?);
        let until = now.saturating_add(SECONDS as i64 * 1_000);
        let mut waiting = lock(&self.0);
        waiting.retain(|_, entry| now < entry.until);
        let theirs = waiting.values().filter(|entry| entry.caller.username == caller.username);
        if theirs.count() >= MOST_PER_USER {
            return Err(Error::RateLimited { retry_after: SECONDS });
        }
        waiting.insert(key(&ticket), Entry { caller: caller.clone(), until });
        Ok(Ticket { ticket, expires_in: SECONDS })
    }

    /// Takes the ticket: whatever comes of it, nobody can use it again.
    pub(super) fn take(&self, ticket: &str, now: i64) -> Option<Caller> {
        let entry = lock(&self.0).remove(&key(ticket))?;
        (now < entry.until).then_some(entry.caller)
    }
}

fn key(ticket: &str) -> [u8; 32] {
    Sha256::digest(ticket.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Role, TokenRef};
    use super::*;

    fn caller(username: &str) -> Caller {
        let kind = Kind::Session { generation: "g".into() };
        let token = TokenRef { id: "t".into(), expires_at: i64::MAX, kind };
        Caller { username: username.into(), role: Role::Viewer, token }
    }

    #[test]
    fn tickets_are_64_hex_digits_and_differ() {
        let tickets = Tickets::default();
        let first = tickets.issue(&caller("ann"), 0).unwrap();
        let second = tickets.issue(&caller("ann"), 0).unwrap();
        assert_ne!(first.ticket, second.ticket);
        assert!(first.ticket.len() == 64 && first.ticket.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn nobody_can_fill_the_memory_or_take_the_tickets_of_others() {
        let tickets = Tickets::default();
        for _ in 0..MOST_PER_USER {
            tickets.issue(&caller("ann"), 0).unwrap();
        }
        let refused = tickets.issue(&caller("ann"), 29_999);
        assert!(matches!(refused, Err(Error::RateLimited { retry_after: 30 })));
        tickets.issue(&caller("bob"), 0).unwrap();
        tickets.issue(&caller("ann"), 30_000).unwrap();
        assert_eq!(lock(&tickets.0).len(), 1, "the old ones are gone");
    }
}
