//! HTTP/1.1 on threads: sockets and framing, and nothing of what is served.
//!
//! One thread (`http-reactor`) accepts, reads heads and bodies without blocking under limits and
//! deadlines, and holds every connection that waits for its client. Only complete requests reach
//! the bounded pool of `http-worker-<n>`; so a slow client holds no worker. Streams and upgraded
//! connections get a thread of their own, `stream-<n>`, under a cap.
//!
//! Reading order: `parse` (bytes to requests), `response` (answers to bytes), `reactor` (who waits
//! for what), `worker` (the handler's call), `stream` (answers that take long), `listener`.

mod answer;
mod body;
mod budget;
mod client;
mod connection;
mod date;
mod headers;
mod listener;
mod parse;
mod reactor;
mod request;
mod response;
mod shared;
mod socket;
pub mod sse;
mod stream;
mod target;
pub mod websocket;
mod worker;

use std::net::SocketAddr;
use std::time::Duration;

pub use client::Prefix;
pub use headers::Headers;
pub use listener::{Figures, Listener, Server};
pub use request::{Method, Request};
pub use response::{Response, reason};
pub use stream::{Stream, Upgraded};

/// What answers a complete request. It runs on a worker, under [`crate::threads::guard`].
pub type Handler = dyn Fn(Request) -> Response + Send + Sync;

/// How an error that the transport itself finds is worded: status, message, request id.
pub type Wording = fn(u16, &str, &str) -> Response;

/// Everything that can be set. The defaults suit a small machine on a private network.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Threads that run the handler.
    pub workers: usize,
    /// Open connections; one more is answered 503 and closed.
    pub max_connections: usize,
    /// Open connections from one address (IPv6: one /64). Trusted proxies are not counted.
    pub max_connections_per_address: usize,
    /// Threads for streams and upgraded connections; one more is answered 503.
    pub max_streams: usize,
    /// Bytes of a request's body; more is answered 413.
    pub max_body: usize,
    /// Bytes of all bodies that are being received or handled, at least `max_body`; and, counted
    /// by itself, of all answers that wait for their reader. Out of it, the body that has been
    /// arriving longest is answered 503, and an answer holds its worker until `write_timeout`.
    /// Resident memory can reach about twice as much, because buffers grow by doubling.
    pub max_buffered: usize,
    /// Bytes of a request's head; more is answered 431.
    pub max_head: usize,
    /// Header fields of a request, at most 256; more is answered 431.
    pub max_headers: usize,
    /// From the first byte of a head to its last; also how long a new connection may be silent.
    pub head_timeout: Duration,
    /// From the first byte of a request to the last of its body, and how long it may then wait
    /// for a worker.
    pub request_timeout: Duration,
    /// For one answer, or one write to a stream, to be taken by the client as a whole. Also how
    /// long a peer may acknowledge nothing before the kernel gives it up (`TCP_USER_TIMEOUT`).
    pub write_timeout: Duration,
    /// How long a connection may be silent between two requests.
    pub idle_timeout: Duration,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Prefix>,
    /// Origins of other sites whose pages may call: exact, or `*` for all.
    pub cors_origins: Vec<String>,
    /// The body of errors that the transport itself finds.
    pub wording: Wording,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            address: SocketAddr::from(([127, 0, 0, 1], 8000)),
            workers: 10,
            max_connections: 1024,
            max_connections_per_address: 256,
            max_streams: 256,
            max_body: 10 << 20,
            max_buffered: 32 << 20,
            max_head: 16 << 10,
            max_headers: 100,
            head_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            wording: response::plain_error,
        }
    }
}

impl Settings {
    /// Times that can be added to a moment without overflow, and do not make anybody spin.
    fn with_sane_times(mut self) -> Settings {
        let (shortest, longest) = (Duration::from_millis(1), Duration::from_secs(365 * 86_400));
        for time in [
            &mut self.head_timeout,
            &mut self.request_timeout,
            &mut self.write_timeout,
            &mut self.idle_timeout,
        ] {
            *time = (*time).clamp(shortest, longest);
        }
        self
    }
}
