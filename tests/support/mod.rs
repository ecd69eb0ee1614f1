//! Real servers and scripted stand-ins for tests, and how tests wait.

// Shared by all test modules, of which none uses everything.
#![allow(dead_code, unreachable_pub)]

use std::time::{Duration, Instant};

pub mod fake_ssh;
pub mod network;
pub mod sshd;

/// Waits until the condition holds; panics at the deadline with what was waited for.
#[track_caller]
pub fn wait_until(deadline: Instant, what: &str, mut condition: impl FnMut() -> bool) {
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
