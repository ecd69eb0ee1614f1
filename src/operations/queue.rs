//! The queue: the handle of operations, and the thread `operations` that gives each its turn.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never, select_biased, unbounded};

use super::conductor::{Conductor, not_run};
use super::store::{self, Cursor, Filter, Log, Page, ScriptOutput};
use super::transcript::{Event, Reader, Transcript, What};
use super::worker::{Control, Outcome};
use super::{
    ExecutionStatus, Id, Operation, Request, Settings, Status, Tally, cleanup, final_status, submit,
};
use crate::audit::{self, Actor, Entry};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::inventory::catalogue::Catalogue;
use crate::ssh::Dial;
use crate::store::Store;
use crate::threads::{Handle, Latch, guard, lock, spawn};

/// Times an operation is conducted before it is ended for a fault of ours.
const CONDUCT_TRIES: u64 = 3;

/// The handle of operations.
pub struct Operations {
    pub(super) shared: Arc<Shared>,
    catalogue: Arc<Catalogue>,
    queue: Sender<Id>,
    submitting: Mutex<()>,
    closing: AtomicBool,
    /// The threads and what ends them; taken by [`Operations::stop`].
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    drain: Sender<Instant>,
    queue: Handle,
    cleanup: Handle,
    stop_cleanup: Arc<Latch>,
}

/// What the threads of operations share.
pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    /// The operations that have not ended.
    live: Mutex<HashMap<Id, Arc<Live>>>,
    /// Tells the cleanup that there may be something to do.
    litter: Sender<()>,
    /// What runs is told to leave.
    draining: AtomicBool,
}

/// An operation that has not ended.
pub(super) struct Live {
    pub(super) id: Id,
    pub(super) transcript: Arc<Transcript>,
    pub(super) control: Control,
    /// Whoever sets it first decides: the queue runs the operation, or a stop ends it unrun.
    taken: AtomicBool,
}

impl Operations {
    /// Starts the threads, and takes up the operations that the last process left open.
    ///
    /// # Errors
    /// The database cannot be read, or there are no threads.
    pub fn start(
        store: Arc<Store>,
        catalogue: Arc<Catalogue>,
        dial: Arc<dyn Dial>,
        clock: Clock,
        settings: Settings,
    ) -> Result<Operations> {
        let open = store.read(store::open)?;
        let no_threads = |error| Error::io("start the threads of operations", error);
        // `submit` keeps the limit; what was stopped while it waited takes no place.
        let (queue, turns) = unbounded();
        let (litter, wake) = bounded(1);
        let (drain, drained) = bounded(1);
        let live = Mutex::new(HashMap::new());
        let draining = AtomicBool::new(false);
        let shared = Arc::new(Shared { store, dial, clock, settings, live, litter, draining });
        for id in open {
            shared.add(id)?;
            let _ = queue.send(id);
        }
        let queue_thread = {
            let shared = Arc::clone(&shared);
            spawn("operations", move || Turns::new(shared).run(&turns, &drained))
                .map_err(no_threads)?
        };
        let stop_cleanup = Arc::new(Latch::new().map_err(no_threads)?);
        let cleanup = {
            let (shared, stop) = (Arc::clone(&shared), Arc::clone(&stop_cleanup));
            spawn("cleanup", move || cleanup::run(&shared, &wake, &stop)).map_err(no_threads)?
        };
        let threads = Threads { drain, queue: queue_thread, cleanup, stop_cleanup };
        Ok(Operations {
            shared,
            catalogue,
            queue,
            submitting: Mutex::new(()),
            closing: AtomicBool::new(false),
            threads: Mutex::new(Some(threads)),
        })
    }

    /// Checks a request, writes it down and queues it.
    ///
    /// # Errors
    /// Whatever is wrong with the request; [`Error::TooManyOperations`] when the queue is full.
    pub fn submit(&self, request: Request, by: &Actor) -> Result<Id> {
        if self.closing.load(Ordering::SeqCst) {
            return Err(Error::ShuttingDown);
        }
        let shared = &self.shared;
        // Only submissions fill the queue, so under this lock it cannot grow.
        let _one = lock(&self.submitting);
        if shared.waiting() >= shared.settings.queue_size {
            return Err(Error::TooManyOperations);
        }
        let now = shared.clock.now();
        let (db, settings) = (&shared.store, &shared.settings);
        let id = submit::submit(db, &self.catalogue, settings, request, by, now)?;
        let queued = shared
            .add(id)
            .and_then(|()| self.queue.try_send(id).map_err(|_| Error::TooManyOperations));
        if let Err(error) = queued {
            lock(&shared.live).remove(&id);
            db.write(|tx| store::remove(tx, id))?;
            return Err(error);
        }
        log::info!(operation = id.to_string().as_str(), user = by.name.as_str(); "queued");
        Ok(id)
    }

    /// A page of operations, newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn list(&self, filter: &Filter, cursor: Option<Cursor>, limit: usize) -> Result<Page> {
        self.shared.store.read(|db| store::list(db, filter, cursor, limit))
    }

    /// An operation without its logs.
    ///
    /// # Errors
    /// There is none with that number.
    pub fn get(&self, id: Id) -> Result<Operation> {
        self.shared.store.read(|db| store::operation(db, id))
    }

    /// An operation with the results of all executions (R11.3), and how many bytes they printed.
    /// What they printed comes one by one from [`Operations::output`], as all of it together may
    /// be more than there is memory.
    ///
    /// # Errors
    /// There is none with that number.
    pub fn view(&self, id: Id) -> Result<(Operation, Vec<Log>, usize)> {
        self.shared.store.read(|db| {
            let size = store::kept(db, id)?.values().map(|(out, err)| out + err).sum();
            Ok((store::operation(db, id)?, store::logs(db, id)?, size))
        })
    }

    /// What an execution printed; nothing when it never ran.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn output(&self, id: Id, position: usize) -> Result<ScriptOutput> {
        self.shared.store.read(|db| store::output(db, id, position))
    }

    /// The events of an operation after the one numbered `after`.
    ///
    /// # Errors
    /// There is none with that number.
    pub fn events(&self, id: Id, after: u64) -> Result<(Operation, Reader)> {
        let operation = self.get(id)?;
        let live = lock(&self.shared.live).get(&id).map(|live| Arc::clone(&live.transcript));
        let transcript = match live {
            Some(transcript) => transcript,
            None => {
                let last = self.shared.store.read(|db| store::last_event(db, id))?;
                Arc::new(Transcript::new(id, last, true))
            }
        };
        Ok((operation, Reader::new(transcript, Arc::clone(&self.shared.store), after)))
    }

    /// Asks for an operation to be stopped. It has stopped when its transcript has ended.
    ///
    /// # Errors
    /// There is none with that number, or it has ended.
    pub fn request_stop(&self, id: Id, by: &Actor) -> Result<()> {
        let status = self.get(id)?.status;
        let live = lock(&self.shared.live).get(&id).cloned();
        let Some(live) = live.filter(|_| !status.is_final()) else {
            return Err(Error::Finished { id: id.to_string() });
        };
        let now = self.shared.clock.now();
        self.shared.store.write(|tx| {
            store::ask_stop(tx, id)?;
            audit::store::record(tx, now, by, &Entry::done("operation.stop", &*id.to_string()))
        })?;
        live.control.stop();
        // One that has never begun ends here and now; after a restart there may be runs to stop,
        // which its conductor does when it has its turn.
        if status != Status::Queued || live.taken.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.shared.end(&live, ExecutionStatus::Stopped, "stopped before it started")
    }

    /// How many operations wait, and how many have not ended.
    pub fn figures(&self) -> (usize, usize) {
        (self.shared.waiting(), lock(&self.shared.live).len())
    }

    /// How many operations that are kept have ended, by status.
    ///
    /// # Errors
    /// The database fails.
    pub fn finished(&self) -> Result<Vec<(String, u64)>> {
        self.shared.store.read(store::finished)
    }

    /// Takes no more work, waits for what runs until `deadline`, then leaves it: the scripts go
    /// on and are followed after the next start.
    pub fn stop(&self, deadline: Instant) {
        self.closing.store(true, Ordering::SeqCst);
        let Some(threads) = lock(&self.threads).take() else { return };
        threads.stop_cleanup.set();
        let _ = self.shared.litter.try_send(()); // so that it looks up
        let _ = threads.drain.send(deadline);
        threads.queue.join();
        for live in lock(&self.shared.live).drain().map(|(_, live)| live) {
            live.transcript.close();
        }
        threads.cleanup.join();
    }
}

impl Shared {
    fn add(&self, id: Id) -> Result<()> {
        let last = self.store.read(|db| store::last_event(db, id))?;
        let control = Control::new().map_err(|error| Error::io("watch an operation", error))?;
        let transcript = Arc::new(Transcript::new(id, last, false));
        let live = Arc::new(Live { id, transcript, control, taken: AtomicBool::new(false) });
        lock(&self.live).insert(id, Arc::clone(&live));
        // Afterwards, so that a request that comes now is either read here or finds this entry.
        if self.store.read(|db| store::stop_asked(db, id))? {
            live.control.stop();
        }
        if self.draining.load(Ordering::SeqCst) {
            live.control.close();
        }
        Ok(())
    }

    /// How many operations wait for their turn.
    fn waiting(&self) -> usize {
        lock(&self.live).values().filter(|live| !live.taken.load(Ordering::SeqCst)).count()
    }

    fn take(&self, id: Id) -> Option<Arc<Live>> {
        let live = Arc::clone(lock(&self.live).get(&id)?);
        (!live.taken.swap(true, Ordering::SeqCst)).then_some(live)
    }

    /// Ends an operation without a conductor: all that has not ended gets this status.
    fn end(&self, live: &Live, status: ExecutionStatus, error: &str) -> Result<()> {
        let id = live.id;
        let now = self.clock.now();
        let events = self.store.write(|tx| {
            let mut events = Vec::new();
            let mut seq = store::last_event(tx, id)?;
            let mut tell = |what| {
                seq += 1;
                events.push(Event { seq, what });
            };
            let operation = store::operation(tx, id)?;
            let mut statuses = Vec::new();
            for log in store::logs(tx, id)? {
                if log.status.is_final() {
                    statuses.push(log.status);
                    continue;
                }
                // What may be running may have left something behind.
                let litter = log.status == ExecutionStatus::Running;
                let outcome = Outcome { litter, ..not_run(status, error) };
                store::complete(tx, id, log.position, &outcome, now)?;
                statuses.push(status);
                tell(What::Complete {
                    position: log.position,
                    status,
                    exit_code: None,
                    duration: log.started_at.map(|started| now - started),
                    error: outcome.error,
                });
            }
            let end = final_status(statuses.chunks(operation.scripts.len()));
            let tally = Tally::of(statuses);
            let duration = now - operation.started_at.unwrap_or(now);
            tell(What::End { status: end, tally, duration });
            store::end(tx, id, end, now)?;
            store::append(tx, id, &events)?;
            Ok(events)
        })?;
        live.transcript.publish(events, true);
        lock(&self.live).remove(&id);
        Ok(())
    }
}

/// The turns of operations: the body of the thread `operations`.
struct Turns {
    shared: Arc<Shared>,
    running: HashMap<Id, Handle>,
    ended: Receiver<Id>,
    tell_ended: Sender<Id>,
}

impl Turns {
    fn new(shared: Arc<Shared>) -> Turns {
        let (tell_ended, ended) = unbounded();
        Turns { shared, running: HashMap::new(), ended, tell_ended }
    }

    fn run(mut self, turns: &Receiver<Id>, drained: &Receiver<Instant>) {
        let nobody = never();
        loop {
            let free = self.running.len() < self.shared.settings.max_running;
            let turns = if free { turns } else { &nobody };
            select_biased! {
                recv(drained) -> deadline => {
                    self.drain(deadline.unwrap_or_else(|_| Instant::now()));
                    return;
                }
                recv(self.ended) -> id => self.reap(id.ok()),
                recv(turns) -> id => {
                    if let Some(live) = id.ok().and_then(|id| self.shared.take(id)) {
                        self.begin(live, drained);
                    }
                }
            }
        }
    }

    fn begin(&mut self, live: Arc<Live>, drained: &Receiver<Instant>) {
        let id = live.id;
        loop {
            let (shared, live, tell) =
                (Arc::clone(&self.shared), Arc::clone(&live), self.tell_ended.clone());
            let conduct = move || {
                conduct(&shared, live);
                let _ = tell.send(id);
            };
            match spawn(format!("op-{}", id.0), conduct) {
                Ok(handle) => {
                    self.running.insert(id, handle);
                    return;
                }
                // The next start finds it waiting.
                Err(_) if !drained.is_empty() => return,
                Err(error) => {
                    log::error!("no thread for an operation, waiting: {error}");
                    let _ = self.ended.recv_timeout(Duration::from_millis(500)).map(|id| {
                        self.reap(Some(id));
                    });
                }
            }
        }
    }

    fn reap(&mut self, id: Option<Id>) {
        if let Some(handle) = id.and_then(|id| self.running.remove(&id)) {
            handle.join();
        }
    }

    /// Waits for what runs, then asks the rest to leave, and waits for that.
    fn drain(mut self, deadline: Instant) {
        while !self.running.is_empty() {
            let Ok(id) = self.ended.recv_deadline(deadline) else { break };
            self.reap(Some(id));
        }
        self.shared.draining.store(true, Ordering::SeqCst);
        for id in self.running.keys() {
            if let Some(live) = lock(&self.shared.live).get(id) {
                live.control.close();
            }
        }
        self.running.into_values().for_each(Handle::join);
    }
}

/// Runs one operation. A failure of ours is tried again from what the database knows, as after a
/// restart; when that does not help either the operation is ended, so that it never seems to run
/// for ever.
fn conduct(shared: &Arc<Shared>, first: Arc<Live>) {
    let id = first.id;
    let mut live = first;
    for attempt in 1..=CONDUCT_TRIES {
        let conducted = guard("operation", || {
            Conductor::new(Arc::clone(shared), Arc::clone(&live)).and_then(Conductor::run)
        });
        // Whoever reads is told that it is over for them, and comes back.
        live.transcript.close();
        match conducted {
            Some(Ok(())) => break,
            Some(Err(error)) => {
                log::error!(operation = id.to_string().as_str(); "failed: {}", error.chain());
            }
            None => {}
        }
        if live.control.is_closing() {
            break;
        }
        live.control.never.wait(Duration::from_secs(attempt));
        match shared.add(id) {
            Ok(()) => live = shared.take(id).unwrap_or(live),
            Err(error) => log::error!("not taken up again: {}", error.chain()),
        }
        if attempt == CONDUCT_TRIES {
            let error =
                "LinkOps failed while it ran this, see its log; the script may still be running";
            if let Err(error) = shared.end(&live, ExecutionStatus::Failed, error) {
                log::error!(operation = id.to_string().as_str(); "not ended: {}", error.chain());
            }
        }
    }
    lock(&shared.live).remove(&id);
    let _ = shared.litter.try_send(());
}
