//! Waiting: one poll over a descriptor, a latch and a deadline. Nothing here sleeps otherwise.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::threads::{Bell, Latch, poll, readable};

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Woken {
    /// The descriptor may be ready; look.
    Ready,
    /// The latch is set.
    Stopped,
    /// The deadline has passed.
    TimedOut,
}

/// Waits until `fd` has one of `events`.
pub(super) fn wait(
    fd: impl AsFd,
    events: PollFlags,
    stop: Option<&Latch>,
    deadline: Instant,
) -> Woken {
    if stop.is_some_and(Latch::is_set) {
        return Woken::Stopped;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Woken::TimedOut;
    }
    let mut fds = [
        PollFd::from_borrowed_fd(fd.as_fd(), events),
        PollFd::from_borrowed_fd(stop.map_or(fd.as_fd(), AsFd::as_fd), PollFlags::IN),
    ];
    let used = if stop.is_some() { 2 } else { 1 };
    match poll(&mut fds[..used], left) {
        Ok(0) if Instant::now() >= deadline => Woken::TimedOut,
        _ if stop.is_some_and(Latch::is_set) => Woken::Stopped,
        // A signal, or a clock that is a little early, costs one look more.
        _ => Woken::Ready,
    }
}

/// What a connection waits for. It can be waited for while nobody has the connection itself.
#[derive(Debug)]
pub struct Pause {
    pub(super) socket: Arc<OwnedFd>,
    pub(super) events: PollFlags,
    pub(super) until: Instant,
}

impl Pause {
    /// Waits until there may be something to do, the bell rings, or the time has come. Look at
    /// everything afterwards.
    pub fn wait(&self, wake: &Bell) {
        let left = self.until.saturating_duration_since(Instant::now());
        let _ = poll(&mut [PollFd::new(&self.socket, self.events), readable(wake)], left);
    }
}

/// Whether `fd` has one of `events` now.
pub(super) fn ready(fd: BorrowedFd<'_>, events: PollFlags) -> bool {
    matches!(poll(&mut [PollFd::from_borrowed_fd(fd, events)], Duration::ZERO), Ok(1..))
}
