//! One connection: its socket, what it is waiting for, and until when.

use super::Settings;
use super::answer::Outgoing;
use super::budget::{Budget, Share};
use super::parse::{Decoder, Head};
use std::io::{self, Read};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a closed connection is read on, so that its client can take the answer before the
/// kernel answers its further bytes with a reset (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// How many bytes are read and dropped in that time.
const LINGER_BYTES: usize = 32 << 20;

/// A connection. It is owned by the thread that works on it: the reactor, a worker or a stream.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) token: u64,
    pub(crate) socket: Arc<TcpStream>,
    pub(crate) peer: IpAddr,
    pub(crate) decoder: Decoder,
    /// What its body takes of the memory for all of them.
    pub(crate) share: Share,
    pub(crate) phase: Phase,
    /// When it was accepted or last answered.
    pub(crate) since: Instant,
    /// When the first byte of the unfinished request came.
    pub(crate) began: Option<Instant>,
    pub(crate) answered: bool,
}

/// What a connection waits for.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Bytes of a request.
    Reading,
    /// Its client's reading of an answer.
    Writing { out: Outgoing, keep_alive: bool, deadline: Instant },
    /// The client's end, after ours.
    Lingering { left: usize, deadline: Instant },
}

/// A complete request on its way to a worker.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) connection: Box<Connection>,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) received: Instant,
}

impl Connection {
    /// Whether it waits between two requests, with no byte of the next one.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self.phase, Phase::Reading) && self.decoder.is_idle()
    }

    /// When its wait is over.
    pub(crate) fn deadline(&self, settings: &Settings) -> Instant {
        match (&self.phase, self.began) {
            (Phase::Writing { deadline, .. } | Phase::Lingering { deadline, .. }, _) => *deadline,
            (Phase::Reading, Some(began)) if self.decoder.in_body() => {
                began + settings.request_timeout
            }
            (Phase::Reading, Some(began)) => began + settings.head_timeout,
            (Phase::Reading, None) if self.answered => self.since + settings.idle_timeout,
            (Phase::Reading, None) => self.since + settings.head_timeout,
        }
    }

    /// Reads once; none when nothing is there.
    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        match (&mut &*self.socket).read(into) {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends an answer; none when the connection broke over it. What the client does not take at
    /// once waits in the reactor, so that a slow reader holds no worker, as long as there is
    /// memory for it.
    pub(crate) fn deliver(
        mut self: Box<Self>,
        mut out: Outgoing,
        keep_alive: bool,
        time: Duration,
        answers: &Arc<Budget>,
    ) -> Option<Box<Connection>> {
        let deadline = Instant::now() + time;
        if out.send(&self.socket).ok()? {
            self.sent(keep_alive);
        } else if out.hold(answers) {
            self.share.resize(0);
            self.phase = Phase::Writing { out, keep_alive, deadline };
        } else {
            out.send_until(&self.socket, deadline).ok()?;
            self.sent(keep_alive);
        }
        Some(self)
    }

    /// Its answer has gone out: on to the next request, or to the end.
    pub(crate) fn sent(&mut self, keep_alive: bool) {
        let now = Instant::now();
        self.share.resize(0);
        self.since = now;
        self.began = None;
        self.answered = true;
        self.phase = if keep_alive {
            Phase::Reading
        } else {
            // It may be broken already, which the reactor's next read tells.
            let _ = self.socket.shutdown(Shutdown::Write);
            Phase::Lingering { left: LINGER_BYTES, deadline: now + LINGER }
        };
    }
}
