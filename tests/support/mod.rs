//! Real servers and scripted stand-ins for tests, and how tests wait.

// Shared by all test modules, of which none uses everything.
#![allow(dead_code, unreachable_pub)]

use ::linkops::audit::Actor;
use ::linkops::threads::Latch;
use std::time::{Duration, Instant};

pub mod client;
// Not for the figures, which the checks would change.
#[cfg(test)]
pub mod document;
pub mod fake_ssh;
pub mod fleet;
pub mod linkops;
pub mod network;
pub mod place;
pub mod repository;
#[cfg(test)]
pub mod schema;
pub mod sshd;
pub mod terminal;
pub mod websocket;

/// How long a test waits for what must come; never what it measures.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A moment that is far enough away for any busy machine.
pub(crate) fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

/// Somebody who acts.
pub(crate) fn somebody() -> Actor {
    Actor::user("somebody", [192, 0, 2, 1].into(), "r-1")
}

/// Waits until `condition` holds; panics with `what` when it does not before `deadline`.
#[track_caller]
pub fn wait_until(deadline: Instant, what: &str, mut condition: impl FnMut() -> bool) {
    let never = Latch::new().expect("a latch");
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        never.wait(Duration::from_millis(5));
    }
}

/// Takes all descriptors that the system allows: the tests' servers and clients run at the same
/// time in one process, and the usual 1024 are too few for them on a machine with many cores.
pub(crate) fn use_all_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("a higher soft limit");
}
