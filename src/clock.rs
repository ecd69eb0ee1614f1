//! The time of day, so that rules about it (token expiry, lockout) can be tested at their edge.
//! Deadlines inside one process use `std::time::Instant` instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the time of day comes from. Cheap to clone; clones of a fixed clock share its time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands until it is moved, in milliseconds since the epoch.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `millis` since the epoch.
    pub fn fixed(millis: i64) -> Clock {
        Clock::Fixed(Arc::new(AtomicI64::new(millis)))
    }

    /// Milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        match self {
            Clock::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX)),
            Clock::Fixed(millis) => millis.load(Ordering::SeqCst),
        }
    }

    /// Moves a fixed clock forward; the system's clock is left alone.
    pub fn advance(&self, millis: i64) {
        if let Clock::Fixed(time) = self {
            time.fetch_add(millis, Ordering::SeqCst);
        }
    }
}
