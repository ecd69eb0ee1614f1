//! Whose turn it is: one check of a machine at a time, however many ask.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::threads::lock;

/// The machines that are being checked.
#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<BTreeSet<String>>,
    free: Condvar,
}

/// The turn of one machine, until it is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    id: String,
}

impl Turns {
    /// Waits until nobody checks this machine. Every check has an end, so this has one too.
    pub(super) fn take(&self, id: &str) -> Turn<'_> {
        let mut taken = lock(&self.taken);
        while !taken.insert(id.to_owned()) {
            taken = self.free.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        Turn { turns: self, id: id.to_owned() }
    }

    /// The same for somebody whose time ends: none when it is over.
    pub(super) fn take_until(&self, id: &str, deadline: Instant) -> Option<Turn<'_>> {
        let mut taken = lock(&self.taken);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            if taken.insert(id.to_owned()) {
                return Some(Turn { turns: self, id: id.to_owned() });
            }
            let waited = self.free.wait_timeout(taken, left);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.turns.taken).remove(&self.id);
        self.turns.free.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::threads::spawn;

    /// Eight threads on one machine, never two of them at once; another machine is not kept.
    #[test]
    fn a_machine_has_one_check_at_a_time() {
        let (turns, inside) = (Arc::new(Turns::default()), Arc::new(AtomicUsize::new(0)));
        let _other = turns.take("vps-02");
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (turns, inside) = (Arc::clone(&turns), Arc::clone(&inside));
                let work = move || {
                    for _ in 0..200 {
                        let _turn = turns.take("vps-01");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                };
                spawn(format!("turn-{number}"), work).expect("a thread")
            })
            .collect();
        threads.into_iter().for_each(crate::threads::Handle::join);
        assert_eq!(inside.load(Ordering::SeqCst), 0, "a thread that panics would leave 1");
        assert_eq!(crate::threads::lock(&turns.taken).len(), 1);
    }
    #[test]
    fn whoever_has_no_time_gets_no_turn() {
        let turns = Turns::default();
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(60));
        assert!(turns.take_until("vps-01", now).is_none(), "also when it is free");
        let turn = turns.take_until("vps-01", later);
        assert!(turn.is_some());
        let soon = Instant::now() + Duration::from_millis(20);
        assert!(turns.take_until("vps-01", soon).is_none());
        assert!(turns.take_until("vps-02", later).is_some());
        drop(turn);
        assert!(turns.take_until("vps-01", later).is_some());
    }
}
