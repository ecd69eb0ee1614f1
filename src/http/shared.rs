//! What the threads of one server share: settings, the way back to the reactor, figures.

use super::answer;
use super::budget::Budget;
use super::connection::Connection;
use super::parse::Terms;
use super::response::{Response, plain_error};
use super::socket::{Watch, Wish};
use super::stream::Streams;
use super::{Handler, Settings};
use crate::threads::{Bell, Latch, guard};
use crossbeam_channel::Sender;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Everything that reactor, workers and streams have in common.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) handler: Arc<Handler>,
    pub(crate) watch: Watch,
    pub(crate) waker: Bell,
    pub(crate) stop: Arc<Latch>,
    /// Set before `stop`: when sockets that are still open are shut down.
    pub(crate) deadline: OnceLock<Instant>,
    /// Memory for bodies that arrive or are handled.
    pub(crate) bodies: Arc<Budget>,
    /// Memory for answers that wait for their reader; its own, so that senders of bodies cannot
    /// make slow readers hold the workers.
    pub(crate) answers: Arc<Budget>,
    pub(crate) streams: Streams,
    pub(crate) back: Sender<Back>,
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicU64,
    /// How often the reactor has gone around.
    pub(crate) rounds: AtomicU64,
    pub(crate) ids: Ids,
}

/// A connection returns to the reactor. Each one that was handed out does so exactly once.
#[derive(Debug)]
pub(crate) struct Back {
    pub(crate) token: u64,
    /// None when it ended or was lost to a panic.
    pub(crate) connection: Option<Box<Connection>>,
    /// The stream thread that is about to end and can be joined.
    pub(crate) stream: Option<u64>,
}

impl Shared {
    /// Returns a connection. One that waits for its next request is armed here, which spares the
    /// reactor a wake-up on the way of every ordinary request.
    pub(crate) fn give_back(&self, back: Back) {
        let quiet = back.connection.as_ref().filter(|connection| connection.is_quiet());
        // Our own handle keeps the descriptor's number from being used again before it is armed.
        let armed = quiet.map(|connection| (Arc::clone(&connection.socket), connection.token));
        // The reactor keeps the receiver for as long as anything is handed out.
        let _ = self.back.send(back);
        match armed {
            // Asked after the sending: so either the reactor sees the connection when it stops,
            // or the stop is seen here.
            Some((socket, token)) if !self.stop.is_set() => {
                if self.watch.arm(&socket, token, Wish::Read).is_err() {
                    self.waker.ring();
                }
            }
            _ => self.waker.ring(),
        }
    }

    /// Sends an answer whose body is there, and returns the connection.
    pub(crate) fn finish(&self, connection: Box<Connection>, response: Response, terms: &Terms) {
        let token = connection.token;
        let connection = self.deliver(connection, response, terms);
        self.give_back(Back { token, connection, stream: None });
    }

    /// Sends an answer whose body is there; none when the connection broke over it.
    pub(crate) fn deliver(
        &self,
        connection: Box<Connection>,
        response: Response,
        terms: &Terms,
    ) -> Option<Box<Connection>> {
        let out = answer::whole(response, terms, &self.settings);
        connection.deliver(out, terms.keep_alive, self.settings.write_timeout, &self.answers)
    }

    /// Whether the stop's deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.get().is_some_and(|at| *at <= Instant::now())
    }

    /// Gives a request its id.
    pub(crate) fn settle(&self, terms: &mut Terms) {
        if terms.id.is_empty() {
            terms.id = self.ids.next();
        }
        terms.keep_alive &= !self.stop.is_set();
    }

    /// An error that the transport found, in the words of whoever uses it.
    pub(crate) fn error(&self, status: u16, message: &str, terms: &Terms) -> Response {
        let response =
            guard("http-wording", || (self.settings.wording)(status, message, &terms.id))
                .unwrap_or_else(|| plain_error(status, message, &terms.id));
        match status {
            503 if response.header_value("Retry-After").is_none() => {
                response.header("Retry-After", "5")
            }
            _ => response,
        }
    }
}

/// Ids of requests: unique among all that this and earlier processes made.
pub(crate) struct Ids {
    prefix: u32,
    next: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Ids {
        // The keys of a RandomState are the standard library's source of random numbers.
        let random = RandomState::new().hash_one(std::process::id());
        Ids { prefix: (random >> 32) as u32, next: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{:08x}-{:x}", self.prefix, self.next.fetch_add(1, Ordering::Relaxed))
    }
}
