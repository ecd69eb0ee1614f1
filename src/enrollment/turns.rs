//! Whose turn it is: one check of a machine at a time, however many ask.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

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
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.turns.taken).remove(&self.id);
        self.turns.free.notify_all();
    }
}
