//! Places for calls that wait for machines or for Git. Such a call holds a worker as long as it
//! waits; without a limit, a few dead machines would stop the whole server for everybody.
//!
//! Whether its client is still there is not asked: the call was made, what it does is stored and
//! audited, and others may wait for the same sync. So each of them ends by itself: checks by the
//! deadline of the request, panes after 45 s, git commands by their time-out.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// The places that there are.
pub struct Places {
    free: AtomicUsize,
}

/// A place that is taken, until it is dropped.
pub(super) struct Place<'a>(&'a Places);

impl Places {
    /// Half of the workers may wait, and one in any case.
    #[must_use]
    pub fn new(workers: usize) -> Places {
        Places { free: AtomicUsize::new((workers / 2).max(1)) }
    }

    /// Takes one.
    ///
    /// # Errors
    /// [`Error::Busy`]
    pub(super) fn take(&self) -> Result<Place<'_>> {
        let less = |free: usize| free.checked_sub(1);
        match self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Ok(Place(self)),
            Err(_) => Err(Error::Busy),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_workers_may_wait() {
        for (workers, places) in [(1, 1), (2, 1), (3, 1), (4, 2), (10, 5)] {
            let all = Places::new(workers);
            let mut taken: Vec<_> = (0..places).map(|_| all.take().unwrap()).collect();
            assert!(matches!(all.take().err(), Some(Error::Busy)), "{workers}");
            taken.pop();
            drop(all.take().unwrap());
        }
    }
}
