//! A bound on the memory that all clients together can make us hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may still be buffered.
#[derive(Debug)]
pub(crate) struct Budget(AtomicUsize);

/// A part of a budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget(AtomicUsize::new(bytes)))
    }

    /// An empty share.
    pub(crate) fn share(self: &Arc<Budget>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Share {
    /// Sets the share's size; false, and no change, when the budget has no room for it.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let left = &self.budget.0;
        if bytes <= self.bytes {
            left.fetch_add(self.bytes - bytes, Ordering::Relaxed);
        } else {
            let more = bytes - self.bytes;
            let taken = left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |have| have.checked_sub(more));
            if taken.is_err() {
                return false;
            }
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_budget() {
        let budget = Budget::new(100);
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.resize(60));
        assert!(!two.resize(50));
        assert!(one.resize(50));
        assert!(two.resize(50));
        drop(one);
        assert!(two.resize(100));
    }
}
