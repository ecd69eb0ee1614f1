//! Deadlines: what ends a connection that waits too long, and all of them when the server stops.

use super::{Entry, LISTENER, Reactor};
use crate::http::connection::Phase;
use crate::http::parse::Refusal;
use std::net::Shutdown;
use std::time::Instant;

impl Reactor {
    /// Ends what has waited too long, and finds the next deadline.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        let settings = &self.shared.settings;
        let late = |entry: &Entry| {
            entry.parked.as_ref().is_some_and(|parked| parked.deadline(settings) <= now)
        };
        let due: Vec<u64> =
            self.table.iter().filter(|(_, entry)| late(entry)).map(|(token, _)| *token).collect();
        due.into_iter().for_each(|token| self.expire(token));
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
            let listener = self.listener.as_ref();
            let added = listener.map(|listener| self.shared.watch.add(listener, LISTENER));
            if let Some(Err(error)) = added {
                self.pause(&error);
            }
        }
        let end = self.shared.deadline.get().copied().filter(|_| self.listener.is_none());
        if end.is_some_and(|at| at <= now) && !self.cut {
            self.cut_all();
        }
        let idle = self.shared.settings.idle_timeout;
        let waits = self.table.values().map(|entry| match &entry.parked {
            Some(parked) => parked.deadline(&self.shared.settings),
            None => now + idle,
        });
        let end = end.filter(|_| !self.cut);
        self.look_at = waits.chain(self.accept_again).chain(end).min();
    }

    fn expire(&mut self, token: u64) {
        let parked = self.table.get(&token).and_then(|entry| entry.parked.as_ref());
        match parked {
            // A silent connection is closed without a word: nobody asked anything.
            Some(parked) if parked.began.is_some() && matches!(parked.phase, Phase::Reading) => {
                self.give_up(token, Refusal::new(408, "the request took too long to arrive"));
            }
            _ => self.remove(token),
        }
    }

    pub(super) fn begin_stop(&mut self) {
        self.shared.watch.remove(&*self.shared.stop);
        if let Some(listener) = self.listener.take() {
            self.shared.watch.remove(&listener);
        }
        self.accept_again = None;
        self.look_at = Some(Instant::now());
        let quiet = |entry: &Entry| entry.parked.as_ref().is_some_and(|one| one.is_quiet());
        let idle: Vec<u64> =
            self.table.iter().filter(|(_, entry)| quiet(entry)).map(|(token, _)| *token).collect();
        // A request that has arrived already is still answered; all others are closed.
        idle.into_iter().for_each(|token| self.event(token));
    }

    /// The stop's deadline: sockets are shut down, so whoever still works with one notices.
    fn cut_all(&mut self) {
        self.cut = true;
        let tokens: Vec<u64> = self.table.keys().copied().collect();
        for token in tokens {
            let Some(entry) = self.table.get(&token) else { continue };
            // It may be broken already.
            let _ = entry.socket.shutdown(Shutdown::Both);
            if entry.parked.is_some() {
                self.remove(token);
            }
        }
    }
}
