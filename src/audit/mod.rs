//! The audit log: who did what, from where, to what, and how it ended. Features write their entry
//! in the transaction of the act itself ([`store::record`]), so there is no act without its row and no row without
//! its act. Rows form a chain of hashes; [`verify`] finds what was tampered with.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::error::Result;
use crate::store::Store;

mod chain;
mod refusals;
pub mod retention;
pub mod store;

pub use chain::{Break, Head, Verdict};
pub use refusals::Refusals;

/// Actors that are no users, and that no user may be called: LinkOps itself, by timers and at its
/// own start; whoever has the host; whoever has not said who they are; the Git server.
const NO_USERS: [&str; 4] = ["linkops", "command line", "anonymous", "webhook"];

/// Rows that are read at a time.
const PART: i64 = 5_000;

/// The result of what worked.
const OK: &str = "ok";

/// Who acts, and by which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user's name, or `linkops`.
    pub name: String,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// The id that the request's answer carries.
    pub request_id: Option<String>,
}

impl Actor {
    /// What somebody is called who has not shown who they are.
    pub(super) const STRANGER: &str = NO_USERS[2];

    /// A user whose request came from `address`.
    #[must_use]
    pub fn user(name: &str, address: IpAddr, request_id: &str) -> Actor {
        let request_id = Some(request_id.to_owned());
        Actor { name: name.to_owned(), address: Some(address), request_id }
    }

    /// LinkOps itself.
    #[must_use]
    pub fn linkops() -> Actor {
        Actor { name: NO_USERS[0].to_owned(), address: None, request_id: None }
    }

    /// Whoever can run `linkopsd` on its host, by its subcommands.
    #[must_use]
    pub fn command_line() -> Actor {
        Actor { name: NO_USERS[1].to_owned(), address: None, request_id: None }
    }

    /// Somebody who has not shown who they are.
    #[must_use]
    pub fn stranger(address: IpAddr, request_id: &str) -> Actor {
        Actor::user(Actor::STRANGER, address, request_id)
    }

    /// The same request, by the Git server: it has shown that it knows the secret of the webhook.
    #[must_use]
    pub fn webhook(&self) -> Actor {
        self.named(NO_USERS[3])
    }

    /// Whether LinkOps acts by itself.
    #[must_use]
    pub fn is_linkops(&self) -> bool {
        self.name == NO_USERS[0]
    }

    /// The address as text, for columns and log lines; empty when there is none.
    #[must_use]
    pub fn address_text(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }

    /// The same request, now that it is known whose it is.
    #[must_use]
    pub fn named(&self, name: &str) -> Actor {
        Actor { name: name.to_owned(), ..self.clone() }
    }

    /// Whether a user of this name could be taken for somebody else in the log.
    #[must_use]
    pub fn is_taken(name: &str) -> bool {
        NO_USERS.iter().any(|one| one.eq_ignore_ascii_case(name))
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// What was done, as `noun.verb`: "operation.run".
    pub action: &'a str,
    /// To what: a link, an operation, a user. Only its first 256 bytes are kept.
    pub target: Option<&'a str>,
    /// `ok`, or the error's code.
    pub result: &'a str,
    /// What else is worth knowing. It is kept and shown as it is: never a secret.
    pub detail: Value,
}

impl<'a> Entry<'a> {
    /// Something that was done.
    #[must_use]
    pub fn done(action: &'a str, target: impl Into<Option<&'a str>>) -> Entry<'a> {
        Entry { action, target: target.into(), result: OK, detail: Value::Null }
    }

    /// Something that was asked for and refused, or failed, with the error's code.
    #[must_use]
    pub fn refused(
        action: &'a str,
        target: impl Into<Option<&'a str>>,
        code: &'a str,
    ) -> Entry<'a> {
        Entry { action, target: target.into(), result: code, detail: Value::Null }
    }

    /// The same, with the number of such entries that were left out before it.
    #[must_use]
    pub fn after(self, left_out: u64) -> Entry<'a> {
        if left_out == 0 { self } else { self.with(json!({ "left_out": left_out })) }
    }

    /// The same with details.
    #[must_use]
    pub fn with(self, detail: Value) -> Entry<'a> {
        Entry { detail, ..self }
    }
}

/// Records an entry that belongs to no act of ours: one that was refused, or failed.
///
/// # Errors
/// The database fails.
pub fn note(store: &Store, now: i64, actor: &Actor, entry: &Entry<'_>) -> Result<()> {
    store.write(|tx| store::record(tx, now, actor, entry))
}

/// Reads the whole chain, a part at a time so that nobody waits for it. With `expected`, a head
/// that was written down earlier, it also says whether that row is still the same: only this
/// finds somebody who computed all hashes anew.
///
/// # Errors
/// The database fails.
pub fn verify(store: &Store, expected: Option<&Head>) -> Result<Verdict> {
    loop {
        let ((first, last), newest) =
            store.read(|db| Ok((store::ends(db)?, store::newest(db)?)))?;
        let mut reading = chain::Reading::new(first.clone(), expected.cloned());
        while reading.last().id < newest {
            let from = reading.last().id;
            let rows = store.read(|db| store::rows(db, from, newest, PART))?;
            if rows.is_empty() {
                break;
            }
            rows.iter().for_each(|(row, hash)| reading.take(row, *hash));
        }
        // Old rows that are forgotten meanwhile move the beginning: that is no damage.
        if store.read(store::ends)?.0 == first {
            return Ok(reading.end(&last));
        }
    }
}
