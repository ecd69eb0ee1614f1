//! The browsers that look at a workspace.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::threads::{Bell, lock};

/// The open sockets of a workspace.
#[derive(Default)]
pub(super) struct Audience {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seats: Vec<Seat>,
    /// Since when nobody is there any more.
    empty: Option<Instant>,
}

struct Seat {
    id: u64,
    bell: Arc<Bell>,
    end: Option<Farewell>,
}

/// How a socket is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farewell {
    /// The code of RFC 6455 section 7.4.
    pub code: u16,
    /// The reason.
    pub reason: &'static str,
    /// Whether what is left is told first.
    pub after_all: bool,
}

impl Audience {
    /// Somebody comes.
    pub(super) fn enter(&self, id: u64, bell: Arc<Bell>) {
        let mut state = lock(&self.state);
        state.seats.push(Seat { id, bell, end: None });
        state.empty = None;
    }

    /// Somebody goes; true when nobody is left.
    pub(super) fn leave(&self, id: u64) -> bool {
        let mut state = lock(&self.state);
        state.seats.retain(|seat| seat.id != id);
        let empty = state.seats.is_empty();
        if empty {
            state.empty = Some(Instant::now());
        }
        empty
    }

    /// How many are there.
    pub(super) fn count(&self) -> usize {
        lock(&self.state).seats.len()
    }

    /// Since when nobody is there; none also when nobody has ever been.
    pub(super) fn empty_since(&self) -> Option<Instant> {
        lock(&self.state).empty
    }

    /// Wakes all of them.
    pub(super) fn ring(&self) {
        lock(&self.state).seats.iter().for_each(|seat| seat.bell.ring());
    }

    /// Sends one away, or all.
    pub(super) fn dismiss(&self, id: Option<u64>, farewell: Farewell) {
        let mut state = lock(&self.state);
        let named = |seat: &&mut Seat| id.is_none_or(|id| id == seat.id);
        for seat in state.seats.iter_mut().filter(named) {
            seat.end.get_or_insert(farewell);
            seat.bell.ring();
        }
    }

    /// Whether this one is sent away.
    pub(super) fn farewell(&self, id: u64) -> Option<Farewell> {
        let state = lock(&self.state);
        state.seats.iter().find(|seat| seat.id == id).and_then(|seat| seat.end)
    }
}
