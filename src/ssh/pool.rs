//! The pool: warm sessions by target.

use std::sync::Arc;
use std::time::Instant;

use super::{Dial, Failure, Kind, Line, Settings, Target};
use crate::error::Result;
use crate::threads::Latch;

/// Sessions that are kept warm, and the thread that looks after them.
#[derive(Debug)]
pub struct Pool {
    settings: Settings,
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Sessions kept warm that nobody uses.
    pub idle: usize,
    /// Sessions in the hands of a line.
    pub busy: usize,
    /// Sessions to jump hosts.
    pub jumps: usize,
}

impl Pool {
    /// Starts the pool.
    ///
    /// # Errors
    /// The operating system has no thread or descriptor to give.
    pub fn start(settings: Settings) -> Result<Arc<Pool>> {
        Ok(Arc::new(Pool { settings }))
    }

    /// How many sessions there are now.
    pub fn figures(&self) -> Figures {
        Figures::default()
    }

    /// Closes what is idle, lets no more in, and waits for the pool's threads until `deadline`.
    pub fn close(&self, deadline: Instant) {
        let _ = (deadline, &self.settings);
    }
}

impl Dial for Pool {
    fn dial(&self, target: &Target, _stop: &Latch) -> Result<Box<dyn Line>, Failure> {
        Err(Failure::new(&target.name, Kind::Unreachable, "not built yet"))
    }
}
