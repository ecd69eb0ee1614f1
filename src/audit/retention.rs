//! The thread that forgets entries which are older than they are kept.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::store;
use crate::clock::Clock;
use crate::error::Result;
use crate::store::Store;
use crate::threads::{Handle, Latch, spawn};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(3_600);

/// Entries that are removed at a time, so that nobody waits long for the database.
const PART: usize = 5_000;

/// Starts the thread `audit-retention`, which ends at the stop latch; none where entries are kept
/// for ever, which is zero.
///
/// # Errors
/// There is no thread to be had.
pub fn start(
    store: Arc<Store>,
    clock: Clock,
    kept: Duration,
    stop: Arc<Latch>,
) -> io::Result<Option<Handle>> {
    if kept.is_zero() {
        return Ok(None);
    }
    let body = move || {
        while !stop.is_set() {
            if let Err(error) = forget(&store, &clock, kept, &stop) {
                log::error!("old entries stay in the audit log: {}", error.chain());
            }
            stop.wait(PAUSE);
        }
    };
    spawn("audit-retention", body).map(Some)
}

fn forget(store: &Store, clock: &Clock, kept: Duration, stop: &Latch) -> Result<()> {
    let kept = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
    let before = clock.now().saturating_sub(kept);
    while !stop.is_set() && store.write(|tx| store::forget(tx, before, PART))? == PART {}
    Ok(())
}
