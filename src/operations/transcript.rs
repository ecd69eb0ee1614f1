//! The transcript of an operation: one append-only log of events, numbered from 1.
//!
//! An event is seen only after it is in the database, so no reader ever saw a number that a
//! crash can give to something else. A reader is a cursor and nothing else: what the memory still
//! holds comes from there, what is older from the database; replay and live tail are one loop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::{ExecutionStatus, Id, Status, Tally, store};
use crate::error::Result;
use crate::ssh::Stream;
use crate::store::Store;
use crate::threads::lock;

/// One event with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Grows by one per operation, from 1.
    pub seq: u64,
    /// What happened.
    pub what: What,
}

/// What can happen in an operation. Executions are named by their position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An execution was handed to its worker.
    Start {
        /// Which.
        position: usize,
    },
    /// It wrote something.
    Output {
        /// Which.
        position: usize,
        /// Where to.
        stream: Stream,
        /// Any bytes, at least one.
        data: Arc<[u8]>,
    },
    /// It has ended, or will not run.
    Complete {
        /// Which.
        position: usize,
        /// How.
        status: ExecutionStatus,
        /// The script's, when it is known.
        exit_code: Option<i32>,
        /// Milliseconds; none when it never ran.
        duration: Option<i64>,
        /// Why it did not succeed, where the exit code does not say it.
        error: Option<String>,
    },
    /// The operation has ended; the last event.
    End {
        /// How.
        status: Status,
        /// The executions by status.
        tally: Tally,
        /// Milliseconds.
        duration: i64,
    },
}

impl What {
    fn size(&self) -> usize {
        match self {
            What::Output { data, .. } => data.len() + 96,
            _ => 256,
        }
    }
}

/// Bytes of events kept in memory for readers that are nearly up to date.
const RECENT: usize = 512 * 1024;
/// Bytes of events that a reader takes at a time.
const BATCH: usize = 128 * 1024;

/// The log of one operation.
#[derive(Debug)]
pub struct Transcript {
    operation: Id,
    state: Mutex<State>,
    grown: Condvar,
}

#[derive(Debug)]
struct State {
    last: u64,
    finished: bool,
    /// The newest events, without gaps up to `last`.
    recent: VecDeque<Event>,
    bytes: usize,
}

impl Transcript {
    /// A log that has `last` events in the database; nothing comes after them when `finished`.
    pub fn new(operation: Id, last: u64, finished: bool) -> Transcript {
        let state = State { last, finished, recent: VecDeque::new(), bytes: 0 };
        Transcript { operation, state: Mutex::new(state), grown: Condvar::new() }
    }

    /// The number of the newest event.
    pub fn last(&self) -> u64 {
        lock(&self.state).last
    }

    /// Shows events that are in the database, numbered on from [`Transcript::last`]. With
    /// `finished` they were the last ones.
    pub fn publish(&self, events: Vec<Event>, finished: bool) {
        let mut state = lock(&self.state);
        for event in events {
            debug_assert_eq!(event.seq, state.last + 1);
            state.last = event.seq;
            state.bytes += event.what.size();
            state.recent.push_back(event);
        }
        while state.bytes > RECENT {
            let Some(old) = state.recent.pop_front() else { break };
            state.bytes -= old.what.size();
        }
        state.finished |= finished;
        drop(state);
        self.grown.notify_all();
    }

    /// Ends all readers although the operation goes on, since the server stops.
    pub fn close(&self) {
        lock(&self.state).finished = true;
        self.grown.notify_all();
    }
}

/// What a reader got.
#[derive(Debug, Default)]
pub struct Batch {
    /// The next events, in order without gaps; empty when nothing came in time.
    pub events: Vec<Event>,
    /// No more will come.
    pub ended: bool,
}

/// A place in a transcript.
#[derive(Debug)]
pub struct Reader {
    transcript: Arc<Transcript>,
    store: Arc<Store>,
    after: u64,
}

impl Reader {
    /// Reads what comes after the event numbered `after`.
    pub fn new(transcript: Arc<Transcript>, store: Arc<Store>, after: u64) -> Reader {
        Reader { transcript, store, after }
    }

    /// The next events; waits for them at most for `time`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn next(&mut self, time: Duration) -> Result<Batch> {
        let Some(mut batch) = self.in_memory(time) else {
            let (operation, after) = (self.transcript.operation, self.after);
            let events = self.store.read(|db| store::events(db, operation, after, BATCH))?;
            self.after = events.last().map_or(after, |event| event.seq);
            return Ok(Batch { events, ended: false });
        };
        if let Some(event) = batch.events.last() {
            self.after = event.seq;
            batch.ended = false; // said by the next call, when there is really nothing left
        }
        Ok(batch)
    }

    /// None when the next event is no longer in memory.
    fn in_memory(&self, time: Duration) -> Option<Batch> {
        let deadline = Instant::now() + time;
        let mut state = lock(&self.transcript.state);
        while state.last <= self.after {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.finished || left.is_zero() {
                return Some(Batch { events: Vec::new(), ended: state.finished });
            }
            state = match self.transcript.grown.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        let first = state.recent.front()?.seq;
        let skip = usize::try_from((self.after + 1).checked_sub(first)?).ok()?;
        let mut size = 0;
        let events = state
            .recent
            .iter()
            .skip(skip)
            .take_while(|event| {
                let fits = size < BATCH;
                size += event.what.size();
                fits
            })
            .cloned()
            .collect();
        Some(Batch { events, ended: false })
    }
}
