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
    /// The workspace has ended.
    over: Option<Farewell>,
}

/// Tells a browser at once what there is to tell; false when that has to wait for its own thread.
pub(super) type Deliver = Arc<dyn Fn() -> bool + Send + Sync>;

struct Seat {
    id: u64,
    bell: Arc<Bell>,
    deliver: Option<Deliver>,
    end: Option<Farewell>,
}

/// Whether browsers look at a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// At least one does.
    Here,
    /// The last one went then.
    Gone(Instant),
    /// None has come yet.
    Awaited,
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
        let end = state.over;
        state.seats.push(Seat { id, bell, deliver: None, end });
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

    /// Whether somebody is there, as it is at one moment.
    pub(super) fn presence(&self) -> Presence {
        let state = lock(&self.state);
        match state.empty {
            _ if !state.seats.is_empty() => Presence::Here,
            Some(since) => Presence::Gone(since),
            None => Presence::Awaited,
        }
    }

    /// Wakes all of them.
    pub(super) fn ring(&self) {
        lock(&self.state).seats.iter().for_each(|seat| seat.bell.ring());
    }

    /// Has this one be told of output by whoever brings it, which saves waking its own thread.
    pub(super) fn deliver(&self, id: u64, deliver: Deliver) {
        let mut state = lock(&self.state);
        let seat = state.seats.iter_mut().find(|seat| seat.id == id);
        seat.into_iter().for_each(|seat| seat.deliver = Some(Arc::clone(&deliver)));
    }

    /// There is output: tells it to all of them, or wakes them.
    pub(super) fn output(&self) {
        let seats: Vec<_> = {
            let state = lock(&self.state);
            let seats = state.seats.iter();
            seats.map(|seat| (Arc::clone(&seat.bell), seat.deliver.clone())).collect()
        };
        for (bell, deliver) in seats {
            if !deliver.is_some_and(|deliver| deliver()) {
                bell.ring();
            }
        }
    }

    /// Sends one away.
    pub(super) fn dismiss(&self, id: u64, farewell: Farewell) {
        let mut state = lock(&self.state);
        state.seats.iter_mut().filter(|seat| seat.id == id).for_each(|seat| seat.dismiss(farewell));
    }

    /// Sends away all that are there and all that come.
    pub(super) fn dismiss_all(&self, farewell: Farewell) {
        let mut state = lock(&self.state);
        state.over = Some(farewell);
        state.seats.iter_mut().for_each(|seat| seat.dismiss(farewell));
    }

    /// Whether this one is sent away.
    pub(super) fn farewell(&self, id: u64) -> Option<Farewell> {
        let state = lock(&self.state);
        state.seats.iter().find(|seat| seat.id == id).and_then(|seat| seat.end)
    }
}

impl Seat {
    fn dismiss(&mut self, farewell: Farewell) {
        self.end.get_or_insert(farewell);
        self.bell.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_there_is_told_from_who_was_and_who_never_was() {
        let (audience, bell) = (Audience::default(), Arc::new(Bell::new().unwrap()));
        assert_eq!(audience.presence(), Presence::Awaited);
        audience.enter(1, Arc::clone(&bell));
        audience.enter(2, bell);
        assert!(!audience.leave(1));
        assert_eq!(audience.presence(), Presence::Here);
        assert!(audience.leave(2));
        assert!(matches!(audience.presence(), Presence::Gone(since) if since <= Instant::now()));
    }
}
