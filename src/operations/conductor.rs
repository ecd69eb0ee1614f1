//! The conductor of one operation, thread `op-<id>`: decides the schedule, hands executions to
//! workers, and is the only writer of the operation's rows and events. Each turn takes what the
//! workers told, writes it in one transaction, shows it to readers, and only then hands out what
//! may start next: a script that may be running is always known to the database.

mod jobs;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, never};

use super::queue::{Live, Shared};
use super::schedule::{GivenUp, Plan, Schedule};
use super::transcript::{Event, What};
use super::worker::{self, Ending, Job, Message, Outcome};
use super::{ExecutionStatus, Operation, Status, Tally, final_status, store};
use crate::error::Result;
use crate::inventory::Place;
use crate::threads::{Handle, spawn};

/// Messages that may wait for the conductor: full means the workers stop reading, and by that
/// the machines stop writing.
const WAITING: usize = 64;
/// Bytes of output that go into one transaction.
const TURN: usize = 512 * 1024;
/// Adjacent output of one stream is joined up to this.
const JOINED: usize = 64 * 1024;
/// Times an execution that has certainly not started is started again.
const START_TRIES: u32 = 3;

pub(super) struct Conductor {
    shared: Arc<Shared>,
    live: Arc<Live>,
    operation: Operation,
    /// By position.
    executions: Vec<Execution>,
    texts: Vec<Arc<[u8]>>,
    schedule: Schedule,
    halted: bool,
    messages: Receiver<Message>,
    sender: Sender<Message>,
    workers: Vec<Worker>,
}

struct Execution {
    run_id: String,
    status: ExecutionStatus,
    started_at: Option<i64>,
    /// Where it was started.
    place: Option<Place>,
    tries: u32,
}

struct Worker {
    jobs: Sender<Job>,
    handle: Handle,
    /// What it is busy with.
    position: Option<usize>,
}

/// What is written together, at one point in time: readers see the same now and after a restart.
struct Turn {
    now: i64,
    events: Vec<Event>,
    outcomes: Vec<(usize, Outcome)>,
    starts: Vec<Job>,
    end: Option<Status>,
    bytes: usize,
}

impl Conductor {
    /// Reads the operation as it stands, which after a restart may be anywhere.
    pub(super) fn new(shared: Arc<Shared>, live: Arc<Live>) -> Result<Conductor> {
        let id = live.id;
        let (operation, logs, texts) = shared.store.read(|db| {
            Ok((store::operation(db, id)?, store::logs(db, id)?, store::texts(db, id)?))
        })?;
        let schedule = Schedule::new(Plan {
            waves: operation.waves.clone().unwrap_or_else(|| vec![operation.targets.len()]),
            scripts: operation.scripts.len(),
            limit: operation.concurrency,
            keep_going: operation.keep_going,
            max_failures: operation.max_failures,
        });
        let executions = logs
            .into_iter()
            .map(|log| Execution {
                tries: earlier_tries(&log.run_id),
                run_id: log.run_id,
                status: log.status,
                started_at: log.started_at,
                place: log.place,
            })
            .collect();
        let (sender, messages) = bounded(WAITING);
        let (halted, workers) = (false, Vec::new());
        Ok(Conductor {
            shared,
            live,
            operation,
            executions,
            texts,
            schedule,
            halted,
            messages,
            sender,
            workers,
        })
    }

    /// Conducts the operation to its end, or to the end of the server.
    pub(super) fn run(mut self) -> Result<()> {
        let id = self.operation.id;
        let mut turn = self.turn();
        self.resume(&mut turn)?;
        loop {
            self.decide(&mut turn);
            if !self.commit(&turn) {
                return Ok(());
            }
            self.live.transcript.publish(std::mem::take(&mut turn.events), turn.end.is_some());
            for job in std::mem::take(&mut turn.starts) {
                self.hand_over(job);
            }
            if let Some(status) = turn.end {
                log::info!(operation = id.to_string().as_str(); "ended: {}", status.as_str());
                return Ok(());
            }
            if self.schedule.active() == 0 {
                return Ok(()); // the server stops; the next start goes on
            }
            turn = self.collect();
        }
    }

    /// Puts the schedule where the rows are. Executions that may be running are followed.
    fn resume(&mut self, turn: &mut Turn) -> Result<()> {
        let id = self.operation.id;
        if self.operation.status == Status::Queued {
            return Ok(());
        }
        let kept = self.shared.store.read(|db| store::kept(db, id))?;
        let scripts = self.operation.scripts.len();
        let mut followed = Vec::new();
        for (lane, executions) in self.executions.chunks(scripts).enumerate() {
            let statuses: Vec<_> = executions.iter().map(|one| one.status).collect();
            let open = open(&statuses);
            let running = statuses.get(open.start) == Some(&ExecutionStatus::Running);
            let failed = statuses.contains(&ExecutionStatus::Failed);
            if running {
                followed.push(lane * scripts + open.start);
            }
            self.schedule.resume(lane, open, failed, running);
        }
        log::info!(operation = id.to_string().as_str(); "resumed, {} followed", followed.len());
        for position in followed {
            match self.follow_job(position, &kept) {
                Ok(job) => turn.starts.push(job),
                Err(error) => {
                    // It may have left something behind, or run on.
                    let outcome = not_run(ExecutionStatus::Failed, &error.to_string());
                    self.finish(turn, position, Outcome { litter: true, ..outcome });
                }
            }
        }
        Ok(())
    }

    fn turn(&self) -> Turn {
        Turn {
            now: self.shared.clock.now(),
            events: Vec::new(),
            outcomes: Vec::new(),
            starts: Vec::new(),
            end: None,
            bytes: 0,
        }
    }

    /// Waits for the workers; takes all that is there, up to a limit.
    fn collect(&mut self) -> Turn {
        let mut next = self.messages.recv().ok();
        let mut turn = self.turn();
        while let Some(message) = next {
            self.take(message, &mut turn);
            next = if turn.bytes < TURN { self.messages.try_recv().ok() } else { None };
        }
        turn
    }

    fn take(&mut self, message: Message, turn: &mut Turn) {
        match message {
            Message::Output { position, stream, data } => {
                turn.bytes += data.len();
                self.output(turn, What::Output { position, stream, data: data.into() });
            }
            Message::Done { position, ending } => {
                self.free_worker(position);
                match ending {
                    Ending::Result(outcome) => self.finish(turn, position, outcome),
                    Ending::Left => self.schedule.put_back(position),
                    Ending::NotStarted => self.start_again(turn, position),
                }
            }
        }
    }

    /// Chatty scripts write many small pieces; adjacent ones become one event.
    fn output(&mut self, turn: &mut Turn, what: What) {
        if let (
            Some(Event { what: What::Output { position, stream, data }, .. }),
            What::Output { position: new_position, stream: new_stream, data: new_data },
        ) = (turn.events.last_mut(), &what)
            && (*position, *stream) == (*new_position, *new_stream)
            && data.len() + new_data.len() <= JOINED
        {
            *data = [&data[..], &new_data[..]].concat().into();
            return;
        }
        self.event(turn, what);
    }

    fn event(&self, turn: &mut Turn, what: What) {
        let before = turn.events.last().map_or_else(|| self.live.transcript.last(), |one| one.seq);
        turn.events.push(Event { seq: before + 1, what });
    }

    fn finish(&mut self, turn: &mut Turn, position: usize, outcome: Outcome) {
        let success = outcome.status == ExecutionStatus::Success;
        self.log_failure(position, &outcome);
        self.complete(turn, position, outcome);
        let skipped = self.schedule.ended(position, success);
        for position in skipped {
            let error = "an earlier script failed on this target";
            self.complete(turn, position, not_run(ExecutionStatus::Skipped, error));
        }
    }

    /// R12.4: id, target and reason.
    fn log_failure(&self, position: usize, outcome: &Outcome) {
        if outcome.status == ExecutionStatus::Failed {
            let (target, script) = self.operation.execution(position);
            let reason = match (&outcome.error, outcome.exit_code) {
                (Some(error), _) => error.clone(),
                (None, code) => format!("exit code {}", code.unwrap_or(-1)),
            };
            let id = self.operation.id.to_string();
            log::warn!(operation = id.as_str(), link = target, script = script; "failed: {reason}");
        }
    }

    fn complete(&mut self, turn: &mut Turn, position: usize, outcome: Outcome) {
        let execution = &mut self.executions[position];
        execution.status = outcome.status;
        let what = What::Complete {
            position,
            status: outcome.status,
            exit_code: outcome.exit_code,
            duration: execution.started_at.map(|started| turn.now - started),
            error: outcome.error.clone(),
        };
        self.event(turn, what);
        turn.outcomes.push((position, outcome));
    }

    fn start_again(&mut self, turn: &mut Turn, position: usize) {
        self.executions[position].tries += 1;
        if self.executions[position].tries >= START_TRIES {
            let error = "the connection was lost again and again before the script started";
            // Where a run was declared absent, a file says so.
            let outcome = Outcome { litter: true, ..not_run(ExecutionStatus::Failed, error) };
            self.finish(turn, position, outcome);
            return;
        }
        // The first try's id stays in front, which is how its traces are found and removed.
        let execution = &mut self.executions[position];
        // The number goes on after a restart: an id that was declared absent cannot be used again.
        let (first, number) = execution.run_id.split_once('-').unwrap_or((&execution.run_id, "1"));
        let number = number.parse::<u32>().unwrap_or(1) + 1;
        execution.run_id = format!("{first}-{number}");
        self.schedule.put_back(position);
    }

    /// What starts now, what will not start any more, and whether this is the end.
    fn decide(&mut self, turn: &mut Turn) {
        let control = &self.live.control;
        if control.is_leaving() {
            return;
        }
        if control.is_stopping() && !self.halted {
            self.halted = true;
            for position in self.schedule.halt() {
                let error = "stopped before it started";
                self.complete(turn, position, not_run(ExecutionStatus::Stopped, error));
            }
        }
        self.start(turn);
        if self.schedule.active() == 0 {
            let scripts = self.operation.scripts.len();
            let statuses: Vec<_> = self.executions.iter().map(|one| one.status).collect();
            let status = final_status(statuses.chunks(scripts));
            let duration = turn.now - self.operation.started_at.unwrap_or(turn.now);
            let tally = Tally::of(statuses);
            self.event(turn, What::End { status, tally, duration });
            turn.end = Some(status);
        }
    }

    /// Starts what may start, wave after wave.
    fn start(&mut self, turn: &mut Turn) {
        loop {
            if let Some(end) = self.schedule.next_wave() {
                self.give_up(turn, end);
            }
            let Some(position) = self.schedule.start() else { return };
            match self.start_job(position) {
                Ok(job) => {
                    let execution = &mut self.executions[position];
                    execution.place = Some(job.place.clone());
                    execution.status = ExecutionStatus::Running;
                    if execution.started_at.is_none() {
                        execution.started_at = Some(turn.now);
                        self.event(turn, What::Start { position });
                    }
                    turn.starts.push(job);
                }
                Err(error) => {
                    let outcome = not_run(ExecutionStatus::Failed, &error.to_string());
                    self.finish(turn, position, outcome);
                }
            }
        }
    }

    /// Too many targets have failed: the later waves do not run.
    fn give_up(&mut self, turn: &mut Turn, end: GivenUp) {
        let error = format!("stopped after wave {}: {} targets failed", end.wave, end.failed);
        let id = self.operation.id.to_string();
        log::warn!(operation = id.as_str(); "{error}");
        for position in end.positions {
            self.complete(turn, position, not_run(ExecutionStatus::Skipped, &error));
        }
    }

    /// Writes the turn; false when that is impossible and the server stops. Until then a full
    /// disk makes everybody wait, but nothing is lost.
    fn commit(&mut self, turn: &Turn) -> bool {
        let (id, now) = (self.operation.id, turn.now);
        let begins = self.operation.status == Status::Queued;
        self.operation.status = Status::Running;
        self.operation.started_at.get_or_insert(now);
        loop {
            let written = self.shared.store.write(|tx| {
                if begins {
                    store::begin(tx, id, now)?;
                }
                for (position, outcome) in &turn.outcomes {
                    store::complete(tx, id, *position, outcome, now)?;
                }
                for job in &turn.starts {
                    store::start(tx, id, job, now)?;
                }
                if let Some(status) = turn.end {
                    store::end(tx, id, status, now)?;
                }
                store::append(tx, id, &turn.events)
            });
            let Err(error) = written else { return true };
            log::error!(operation = id.to_string().as_str(); "not written: {}", error.chain());
            self.live.control.never.wait(Duration::from_secs(1));
            if self.live.control.is_leaving() {
                return false;
            }
        }
    }

    fn free_worker(&mut self, position: usize) {
        for worker in &mut self.workers {
            if worker.position == Some(position) {
                worker.position = None;
            }
        }
    }

    /// Gives a job to an idle worker, or to a new one. No thread to be had means waiting.
    fn hand_over(&mut self, job: Job) {
        let position = Some(job.position);
        loop {
            let idle = self.workers.iter_mut().find(|one| one.position.is_none());
            if let Some(worker) = idle {
                worker.position = position;
                // It lives as long as we hold the other end, so this cannot fail.
                let _ = worker.jobs.send(job);
                return;
            }
            match self.new_worker() {
                Ok(worker) => self.workers.push(worker),
                Err(_) if self.live.control.is_leaving() => {
                    self.schedule.put_back(job.position);
                    return;
                }
                Err(error) => {
                    log::error!("no thread for a worker, waiting: {error}");
                    self.live.control.never.wait(Duration::from_millis(200));
                }
            }
        }
    }

    fn new_worker(&self) -> std::io::Result<Worker> {
        let (jobs, receiver) = bounded::<Job>(1);
        let (shared, live) = (Arc::clone(&self.shared), Arc::clone(&self.live));
        let sender = self.sender.clone();
        let name = format!("op-{}-{}", self.operation.id.0, self.workers.len());
        let handle = spawn(name, move || {
            worker::work(&receiver, &sender, shared.dial.as_ref(), &live.control);
        })?;
        Ok(Worker { jobs, handle, position: None })
    }
}

/// However it ends, its workers end before it.
impl Drop for Conductor {
    fn drop(&mut self) {
        let (jobs, handles): (Vec<_>, Vec<_>) =
            self.workers.drain(..).map(|worker| (worker.jobs, worker.handle)).unzip();
        drop(jobs);
        // Nobody takes messages any more; a worker that waits for room must not do so for ever.
        self.messages = never();
        if self.schedule.active() > 0 {
            self.live.control.leave();
        }
        handles.into_iter().for_each(Handle::join);
    }
}

/// The executions of a target that have no end yet: all from the first such one on, unless somebody
/// stopped the operation, which gave up those behind it.
pub(super) fn open(statuses: &[ExecutionStatus]) -> Range<usize> {
    let is_open = |one: &&ExecutionStatus| !one.is_final();
    let start = statuses.iter().take_while(|one| one.is_final()).count();
    start..start + statuses[start..].iter().take_while(is_open).count()
}

/// How many tries have failed before the one with this id: it is the first one's id with the number
/// of the try behind it. The machine knows the ids of all, so none is used again after a restart.
fn earlier_tries(run_id: &str) -> u32 {
    let number = run_id.split_once('-').and_then(|(_, number)| number.parse::<u32>().ok());
    number.map_or(0, |number| number.saturating_sub(1))
}

pub(super) fn not_run(status: ExecutionStatus, error: &str) -> Outcome {
    let error = Some(error.to_owned());
    Outcome { status, exit_code: None, truncated: false, error, litter: false }
}
