//! Jump hosts: one session to each, shared by all connections through it. A pump thread owns the
//! session and moves bytes between its channels and the stream pairs whose other ends carry the
//! inner sessions. It ends when nobody has used it for a while.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::connect::{Connector, Refusal};
use super::key_file::{self, Stamp};
use super::pump::Pump;
use super::session::Session;
use super::wait::{Woken, ready};
use super::{Failure, Kind, Target};
use crate::threads::{Bell, Handle, Latch, lock, spawn};

/// The jump hosts in use.
#[derive(Debug, Default)]
pub(super) struct Jumps {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_target: HashMap<Target, Entry>,
    /// Those whose key file has changed, or that take nothing new: what runs over them goes on, and
    /// nothing new begins.
    replaced: Vec<Entry>,
    closed: bool,
}

#[derive(Debug)]
struct Entry {
    desk: Arc<Desk>,
    stamps: Vec<Stamp>,
    thread: Handle,
}

/// Where connections through a jump host are asked for.
#[derive(Debug)]
pub(super) struct Desk {
    state: Mutex<State>,
    bell: Bell,
}

#[derive(Debug)]
enum State {
    /// What was asked for and not yet begun.
    Open(VecDeque<Request>),
    /// Nothing more can be asked for; what runs goes on.
    Retired,
    /// The pump has ended, or is to end.
    Closed,
}

/// A connection through a jump host.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) host: String,
    pub(super) port: u16,
    /// The pump's end.
    pub(super) stream: UnixStream,
    pub(super) refusal: Refusal,
}

impl Request {
    /// Whether nobody waits for it any more.
    fn is_given_up(&self) -> bool {
        ready(self.stream.as_fd(), PollFlags::RDHUP)
    }
}

impl Desk {
    /// Hands a request over; gives it back when the pump takes none.
    fn ask(&self, request: Request) -> Result<(), Request> {
        match &mut *lock(&self.state) {
            State::Open(requests) => requests.push_back(request),
            State::Retired | State::Closed => return Err(request),
        }
        self.bell.ring();
        Ok(())
    }

    /// The next request that somebody waits for.
    pub(super) fn next(&self) -> Option<Request> {
        let mut state = lock(&self.state);
        let State::Open(requests) = &mut *state else { return None };
        std::iter::from_fn(|| requests.pop_front()).find(|request| !request.is_given_up())
    }

    /// Takes nothing more; who waits at it sees the end of the stream, and can ask elsewhere.
    pub(super) fn retire(&self) {
        let mut state = lock(&self.state);
        if matches!(*state, State::Open(_)) {
            *state = State::Retired;
        }
    }

    /// Whether the pump takes nothing more.
    pub(super) fn is_retired(&self) -> bool {
        !matches!(*lock(&self.state), State::Open(_))
    }

    /// Whether the pump is to end.
    pub(super) fn is_closed(&self) -> bool {
        matches!(*lock(&self.state), State::Closed)
    }

    /// Closes the desk unless somebody is waiting at it; whether it is closed now.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut state = lock(&self.state);
        let empty = !matches!(&*state, State::Open(requests) if !requests.is_empty());
        if empty {
            *state = State::Closed;
        }
        empty
    }

    /// Closes the desk; who waits at it sees the end of the stream.
    pub(super) fn close(&self) {
        *lock(&self.state) = State::Closed;
        self.bell.ring();
    }

    /// Rung when there is something new; for the pump.
    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }
}

impl Jumps {
    /// A stream to `target` through the jump host `via`, whose session is made when there is none.
    /// The stream ends at once when the jump host refuses; the refusal then says why.
    pub(super) fn open(
        &self,
        connector: &Connector,
        via: &Target,
        target: &Target,
        stop: &Latch,
        deadline: Instant,
    ) -> Result<(UnixStream, Refusal), Failure> {
        let stamps = key_file::stamps(via)?;
        // One at a time: the others find the session that the first one makes.
        let turn = connector.gate.enter(&format!("{via:?}"), 1, stop, deadline);
        let _turn = turn.map_err(|woken| match woken {
            Woken::Stopped => super::connect::stopped(target),
            _ => no_stream(via, Kind::TimedOut, "no answer in time"),
        })?;
        let failed = |error: io::Error| no_stream(via, Kind::Jump, &error.to_string());
        let (ours, theirs) = pair().map_err(failed)?;
        let refusal = Refusal::default();
        let request = Request {
            host: target.host.clone(),
            port: target.port,
            stream: theirs,
            refusal: Arc::clone(&refusal),
        };
        if let Err(request) = self.ask(via, &stamps, request) {
            let session = connector.login(via, stop, deadline)?;
            let idle_time = connector.settings.idle_time;
            self.start(via, stamps, session, idle_time, request).map_err(failed)?;
        }
        Ok((ours, refusal))
    }

    fn ask(&self, via: &Target, stamps: &[Stamp], request: Request) -> Result<(), Request> {
        match lock(&self.entries).by_target.get(via) {
            Some(entry) if entry.stamps == stamps => entry.desk.ask(request),
            _ => Err(request),
        }
    }

    fn start(
        &self,
        via: &Target,
        stamps: Vec<Stamp>,
        session: Session,
        idle_time: Duration,
        request: Request,
    ) -> io::Result<()> {
        let state = Mutex::new(State::Open(VecDeque::from([request])));
        let desk = Arc::new(Desk { state, bell: Bell::new()? });
        let mut entries = lock(&self.entries);
        if entries.closed {
            return Err(io::Error::other("the connections are being closed"));
        }
        let pump = Pump::new(session, Arc::clone(&desk), idle_time);
        let thread = spawn(format!("ssh-jump-{}", via.name), move || pump.run())?;
        let old = entries.by_target.insert(via.clone(), Entry { desk, stamps, thread });
        entries.replaced.extend(old);
        Ok(())
    }

    /// How many jump sessions there are; forgets those that have ended.
    pub(super) fn count(&self) -> usize {
        let mut entries = lock(&self.entries);
        let Entries { by_target, replaced, .. } = &mut *entries;
        let ended = by_target.extract_if(|_, entry| entry.thread.is_finished());
        ended.for_each(|(_, entry)| entry.thread.join());
        let ended = replaced.extract_if(.., |entry| entry.thread.is_finished());
        ended.for_each(|entry| entry.thread.join());
        by_target.len() + replaced.len()
    }

    /// Ends all of them, and waits for their threads until the deadline.
    pub(super) fn close(&self, deadline: Instant) {
        let mut entries = lock(&self.entries);
        entries.closed = true;
        let mut all = std::mem::take(&mut entries.replaced);
        all.extend(entries.by_target.drain().map(|(_, entry)| entry));
        drop(entries);
        all.iter().for_each(|entry| entry.desk.close());
        for entry in all {
            if let Err(thread) = entry.thread.join_until(deadline) {
                log::warn!(task = thread.name(); "the thread did not end in time");
            }
        }
    }
}

/// A pair of connected streams that never block.
fn pair() -> io::Result<(UnixStream, UnixStream)> {
    let (one, other) = UnixStream::pair()?;
    one.set_nonblocking(true)?;
    other.set_nonblocking(true)?;
    Ok((one, other))
}

fn no_stream(via: &Target, kind: Kind, why: &str) -> Failure {
    Failure::new(&via.name, kind, format!("no connection through the jump host: {why}"))
}
