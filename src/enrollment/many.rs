//! Checks side by side, for somebody who does not wait for ever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Checked, Enrollment};
use crate::audit::Actor;
use crate::error::{Error, Result};
use crate::inventory::{self, Filter, Sort};
use crate::threads::{Bell, Handle, Latch, guard, lock, spawn};

/// The most machines that one call checks at the same time.
const SIDE_BY_SIDE: usize = 16;

/// A check that has begun in time may go on for so long: a machine that is well needs less, and
/// one that was given a moment only would be called dead.
const LEAST: Duration = Duration::from_secs(10);

/// What each machine showed, or why there is no result.
type Results = Vec<(String, Result<Checked>)>;

impl Enrollment {
    /// Checks machines side by side and stores what was found. After `until` no check begins, and
    /// 10 s later all are cut; a machine whose turn did not come has a result that says so, and
    /// nothing is stored of it.
    ///
    /// # Errors
    /// One of them does not exist; nothing has been checked then, unless a sync removed it just
    /// now. [`Error::Busy`] when there are no threads for it.
    pub fn verify_many(
        &self,
        ids: Vec<String>,
        actor: &Actor,
        until: Instant,
    ) -> Result<BTreeMap<String, Checked>> {
        self.store.read(|db| {
            ids.iter().try_for_each(|id| inventory::store::machine(db, id).map(|_| ()))
        })?;
        let results = self.side_by_side(ids, actor, until)?;
        results.into_iter().map(|(id, result)| Ok((id, result?))).collect()
    }

    /// The same for all machines that there are. One that a sync removes meanwhile is left out.
    ///
    /// # Errors
    /// The database fails, the server stops, or [`Error::Busy`].
    pub fn verify_all(&self, actor: &Actor, until: Instant) -> Result<BTreeMap<String, Checked>> {
        let (filter, sort) = (Filter::default(), Sort::default());
        let machines = self.store.read(|db| inventory::store::machines(db, &filter, sort))?;
        let ids = machines.into_iter().map(|machine| machine.id).collect();
        let results = self.side_by_side(ids, actor, until)?;
        let is_there = |result: &Result<Checked>| !matches!(result, Err(Error::NotFound { .. }));
        let results = results.into_iter().filter(|(_, result)| is_there(result));
        results.map(|(id, result)| Ok((id, result?))).collect()
    }

    fn side_by_side(&self, ids: Vec<String>, actor: &Actor, until: Instant) -> Result<Results> {
        let count = ids.len().min(SIDE_BY_SIDE);
        let work = Arc::new(Work::new(ids, actor.clone(), until)?);
        // Fewer threads than wished for only means that it takes longer.
        let threads: Vec<Handle> =
            (1..=count).map_while(|number| work.start(self, number)).collect();
        if threads.is_empty() && count > 0 {
            return Err(Error::Busy);
        }
        let end = until + LEAST;
        let left = || end.saturating_duration_since(Instant::now());
        // It rings when a thread has ended, and wakes us when the server stops.
        while work.running.load(Ordering::SeqCst) > 0 && work.ended.wait(&self.stop, left()) {}
        work.cut.set();
        threads.into_iter().for_each(Handle::join);
        Ok(std::mem::take(&mut *lock(&work.results)))
    }

    /// One of many: waits for its turn and looks, if there is time.
    fn verify_in_time(
        &self,
        id: &str,
        actor: &Actor,
        until: Instant,
        cut: &Latch,
    ) -> Result<Checked> {
        let Some(_turn) = self.turns.take_until(id, until) else {
            return Ok(self.failed("not checked: the time for the request was over".to_owned()));
        };
        self.keep(self.look(id, cut)?, actor)
    }
}

/// What one call asked for, and how far it is.
struct Work {
    ids: Vec<String>,
    actor: Actor,
    until: Instant,
    cut: Latch,
    next: AtomicUsize,
    /// Threads that have not ended.
    running: AtomicUsize,
    /// Rings when one has.
    ended: Bell,
    results: Mutex<Results>,
}

impl Work {
    fn new(ids: Vec<String>, actor: Actor, until: Instant) -> Result<Work> {
        // No descriptors are left: the machines could not be reached either.
        let (cut, ended) = (Latch::new(), Bell::new());
        let (Ok(cut), Ok(ended)) = (cut, ended) else { return Err(Error::Busy) };
        let (next, running, results) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::default());
        Ok(Work { ids, actor, until, cut, next, running, ended, results })
    }

    /// Starts a thread that checks one machine after the other; none when there is none to be had.
    fn start(self: &Arc<Work>, enrollment: &Enrollment, number: usize) -> Option<Handle> {
        let (work, enrollment) = (Arc::clone(self), enrollment.clone());
        self.running.fetch_add(1, Ordering::SeqCst);
        let thread = spawn(format!("verify-{number}"), move || {
            let _ = guard("verify", || work.run(&enrollment));
            work.leave();
        });
        thread.inspect_err(|_| self.leave()).ok()
    }

    fn run(&self, enrollment: &Enrollment) {
        while let Some(id) = self.ids.get(self.next.fetch_add(1, Ordering::SeqCst)) {
            let result = enrollment.verify_in_time(id, &self.actor, self.until, &self.cut);
            lock(&self.results).push((id.clone(), result));
        }
    }

    fn leave(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.ended.ring();
    }
}
