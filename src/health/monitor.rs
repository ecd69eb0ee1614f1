//! The thread `health`, which says who is checked when and cuts checks that take too long, and
//! the threads `health-<n>`, which check.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::schedule::{Known, Schedule};
use super::{Figures, Point, Settings, store};
use crate::clock::Clock;
use crate::enrollment::{self, Enrollment, Inspection};
use crate::error::{Error, Result};
use crate::store::Store;
use crate::threads::{Handle, Latch, guard, spawn};

/// What the monitor is told.
pub(super) enum Event {
    /// The inventory may have changed.
    Synced,
    /// The check of this machine has ended.
    Ended(String),
    /// The server stops.
    Stop,
}

/// A machine to check, until the latch is set.
struct Job {
    id: String,
    cut: Arc<Latch>,
}

/// A check that runs.
struct Running {
    cut: Arc<Latch>,
    deadline: Instant,
}

/// What the thread `health` owns.
pub(super) struct Monitor {
    check: Arc<Check>,
    schedule: Schedule,
    running: BTreeMap<String, Running>,
    /// When the inventory is read anew even if nobody tells of a sync.
    follow: Instant,
    interval: Duration,
    timeout: Duration,
    concurrency: usize,
    jobs: Sender<Job>,
    inbox: Receiver<Event>,
    workers: Vec<Handle>,
    dice: RandomState,
}

impl Monitor {
    pub(super) fn new(
        check: Check,
        settings: &Settings,
        events: Sender<Event>,
        inbox: Receiver<Event>,
    ) -> io::Result<Monitor> {
        let check = Arc::new(check);
        let (jobs, work) = crossbeam_channel::unbounded::<Job>();
        let workers = (1..=settings.concurrency).map(|number| {
            let (check, work, events) = (Arc::clone(&check), work.clone(), events.clone());
            spawn(format!("health-{number}"), move || {
                for job in work {
                    let _ = guard("health", || check.run(&job));
                    let _ = events.send(Event::Ended(job.id)); // the monitor may be gone
                }
            })
        });
        let workers = workers.collect::<io::Result<_>>()?;
        Ok(Monitor {
            check,
            schedule: Schedule::new(settings.interval),
            running: BTreeMap::new(),
            follow: Instant::now(),
            interval: settings.interval,
            timeout: settings.timeout,
            concurrency: settings.concurrency,
            jobs,
            inbox,
            workers,
            dice: RandomState::new(),
        })
    }

    /// Until [`Event::Stop`].
    pub(super) fn keep(mut self) {
        loop {
            if self.follow <= Instant::now() {
                self.follow();
            }
            self.begin();
            match self.inbox.recv_deadline(self.next()) {
                Ok(Event::Synced) => self.follow(),
                Ok(Event::Ended(id)) => self.ended(&id),
                Ok(Event::Stop) => break,
                Err(_) => self.cut(Instant::now()),
            }
        }
        self.running.values().for_each(|one| one.cut.set());
        drop(self.jobs);
        self.workers.into_iter().for_each(Handle::join);
    }

    /// Reads the inventory anew. When the database fails, the schedule stays as it is. `linkopsd
    /// sync`, a process of its own, changes the inventory too: so it is read at least once in an
    /// interval.
    fn follow(&mut self) {
        self.follow = Instant::now() + self.interval;
        match self.check.machines() {
            Ok(machines) => self.schedule.follow(machines, Instant::now()),
            Err(error) => {
                log::error!("the health monitor cannot read the inventory: {}", error.chain())
            }
        }
    }

    /// Begins the checks that are due, as far as there is room.
    fn begin(&mut self) {
        while self.running.len() < self.concurrency {
            let now = Instant::now();
            let Some(id) = self.schedule.take(now) else { return };
            let Ok(cut) = Latch::new() else {
                return self.ended(&id); // no descriptors are left; it has its turn again later
            };
            let cut = Arc::new(cut);
            let running = Running { cut: Arc::clone(&cut), deadline: now + self.timeout };
            self.running.insert(id.clone(), running);
            let _ = self.jobs.send(Job { id, cut }); // workers live as long as we do
        }
    }

    fn ended(&mut self, id: &str) {
        self.running.remove(id);
        let now = Instant::now();
        let jitter = self.dice.hash_one((id, now)) as f64 / u64::MAX as f64;
        self.schedule.ended(id, now, jitter);
    }

    /// Cuts the checks that have had their time.
    fn cut(&mut self, now: Instant) {
        self.running.values().filter(|one| one.deadline <= now).for_each(|one| one.cut.set());
    }

    /// When there is something to do next, unless somebody tells something before.
    fn next(&self) -> Instant {
        let uncut = self.running.values().filter(|one| !one.cut.is_set());
        let due = self.schedule.next().filter(|_| self.running.len() < self.concurrency);
        uncut.map(|one| one.deadline).chain(due).fold(self.follow, Instant::min)
    }
}

/// What a check needs.
pub(super) struct Check {
    pub(super) enrollment: Enrollment,
    pub(super) store: Arc<Store>,
    pub(super) clock: Clock,
    pub(super) figures: Arc<Figures>,
    pub(super) history: Duration,
}

impl Check {
    fn machines(&self) -> Result<Vec<Known>> {
        let now = self.clock.now();
        let age = |at: i64| Duration::from_millis(now.saturating_sub(at).max(0).unsigned_abs());
        let machines = self.store.read(store::machines)?;
        Ok(machines.into_iter().map(|(id, at)| Known { id, age: at.map(age) }).collect())
    }

    /// One machine: looks, and writes down what was found.
    fn run(&self, job: &Job) {
        let stored = match self.enrollment.inspect(&job.id, &job.cut) {
            Ok(found) => self.record(&found),
            // A sync has removed it, or the server stops.
            Err(Error::NotFound { .. } | Error::ShuttingDown) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            log::error!(link = job.id.as_str(); "not checked: {}", error.chain());
        }
    }

    /// R9, P28: status, latency and the time of the last answer.
    fn record(&self, found: &Inspection) -> Result<()> {
        let point = Point {
            at: found.checked.verified_at,
            latency: found.latency,
            error: found.checked.error.clone().filter(|_| found.latency.is_none()),
        };
        let counter =
            if point.latency.is_some() { &self.figures.online } else { &self.figures.offline };
        counter.fetch_add(1, Ordering::Relaxed);
        let kept = i64::try_from(self.history.as_millis()).unwrap_or(i64::MAX);
        self.store.write(|tx| {
            if enrollment::store::record(tx, found)? {
                store::add(tx, &found.machine.id, &point, point.at.saturating_sub(kept))?;
            }
            Ok(())
        })
    }
}
