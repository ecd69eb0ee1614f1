//! Health: every machine is checked now and then, and soon after a sync brought or changed it. A
//! check is the enrolment check, over the warm connection where there is one; how long its answer
//! took is the latency. A machine that does not answer is offline, and its enrolment stays as it
//! was: nothing was learned about that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::clock::Clock;
use crate::enrollment::Enrollment;
use crate::error::{Error, Result};
use crate::store::Store;
use crate::threads::{Handle, lock, spawn};

use monitor::{Event, Monitor};

mod monitor;
mod schedule;
pub mod store;
pub mod vitals;

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Between two checks of a machine; zero for none at all.
    pub interval: Duration,
    /// The longest that one check may take, connecting included.
    pub timeout: Duration,
    /// Checks at the same time.
    pub concurrency: usize,
    /// How long results are kept.
    pub history: Duration,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When it ended, in milliseconds since the epoch.
    pub at: i64,
    /// Milliseconds that the answer took; none when there was none.
    pub latency: Option<u32>,
    /// Why there was no answer.
    pub error: Option<String>,
}

/// How many checks ended how, since the start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Machines that answered.
    pub online: AtomicU64,
    /// Machines that did not.
    pub offline: AtomicU64,
}

/// The running monitor.
pub struct Health {
    events: Sender<Event>,
    thread: Mutex<Option<Handle>>,
    figures: Arc<Figures>,
}

impl Health {
    /// Starts the thread `health` and those that check, `health-<n>`; none without an interval.
    ///
    /// # Errors
    /// There are no threads to be had.
    pub fn start(
        enrollment: Enrollment,
        store: Arc<Store>,
        clock: Clock,
        settings: Settings,
    ) -> Result<Health> {
        let (events, inbox) = crossbeam_channel::unbounded();
        let figures = Arc::new(Figures::default());
        let check = monitor::Check {
            enrollment,
            store,
            clock,
            figures: Arc::clone(&figures),
            history: settings.history,
        };
        if settings.interval.is_zero() {
            return Ok(Health { events, thread: Mutex::new(None), figures });
        }
        let failed = |error| Error::io("start the health monitor", error);
        let monitor = Monitor::new(check, &settings, events.clone(), inbox).map_err(failed)?;
        let thread = spawn("health", move || monitor.keep()).map_err(failed)?;
        Ok(Health { events, thread: Mutex::new(Some(thread)), figures })
    }

    /// Tells that the inventory may have changed. Never waits.
    pub fn synced(&self) {
        let _ = self.events.send(Event::Synced); // nobody is there any more: nothing to check
    }

    /// Checks that ended since the start: answered, not answered.
    #[must_use]
    pub fn figures(&self) -> (u64, u64) {
        let figures = &self.figures;
        (figures.online.load(Ordering::Relaxed), figures.offline.load(Ordering::Relaxed))
    }

    /// Cuts the checks that run and waits for the threads.
    pub fn stop(&self) {
        let _ = self.events.send(Event::Stop);
        if let Some(thread) = lock(&self.thread).take() {
            thread.join();
        }
    }
}
