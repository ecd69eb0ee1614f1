//! The pool: sessions kept warm by target, and the thread that looks after them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::command::Command;
use super::connect::{Connector, another_channel, stopped};
use super::key_file::{self, Stamp};
use super::line::PoolLine;
use super::session::{Session, Trouble};
use super::{Dial, Failure, Line, Settings, Target};
use crate::error::{Error, Result};
use crate::threads::{Handle, Latch, lock, spawn};

/// How long a warm session may take to open a channel before a new one is made: a machine that
/// was cut off without a word answers nothing, and the caller should not wait for that.
const WARM_ANSWER: Duration = Duration::from_secs(5);

/// How long a pool that is dropped unclosed waits for its threads.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Sessions kept warm for the next command. Cheap to share; [`Pool::close`] ends it.
pub struct Pool {
    shared: Arc<Shared>,
    keeper: Mutex<Option<Handle>>,
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Sessions kept warm that nobody uses.
    pub idle: usize,
    /// Sessions in the hands of a line or a shell.
    pub busy: usize,
    /// Sessions to jump hosts.
    pub jumps: usize,
}

/// What lines and the keeper know of the pool.
pub(super) struct Shared {
    connector: Connector,
    /// In the order of their last use, the oldest first.
    idle: Mutex<VecDeque<Idle>>,
    busy: AtomicUsize,
    closing: Latch,
}

/// A warm session.
struct Idle {
    session: Session,
    target: Arc<Target>,
    stamps: Vec<Stamp>,
    since: Instant,
}

impl Pool {
    /// Starts the pool and its thread.
    ///
    /// # Errors
    /// The operating system has no thread or descriptor to give.
    pub fn start(settings: Settings) -> Result<Arc<Pool>> {
        let failed = |error| Error::io("start the pool of SSH sessions", error);
        let shared = Arc::new(Shared {
            connector: Connector::new(settings),
            idle: Mutex::default(),
            busy: AtomicUsize::new(0),
            closing: Latch::new().map_err(failed)?,
        });
        let kept = Arc::clone(&shared);
        let keeper = spawn("ssh-keeper", move || kept.keep()).map_err(failed)?;
        Ok(Arc::new(Pool { shared, keeper: Mutex::new(Some(keeper)) }))
    }

    /// How many sessions there are now.
    pub fn figures(&self) -> Figures {
        Figures {
            idle: lock(&self.shared.idle).len(),
            busy: self.shared.busy.load(Ordering::SeqCst),
            jumps: self.shared.connector.jumps.count(),
        }
    }

    /// Ends idle sessions and jump sessions, lets nobody in any more, and waits for the pool's
    /// threads until the deadline. Lines in use end when they are dropped; those through a jump
    /// host break.
    pub fn close(&self, deadline: Instant) {
        self.shared.closing.set();
        lock(&self.shared.idle).clear();
        self.shared.connector.jumps.close(deadline);
        self.shared.connector.resolver.close(deadline);
        let keeper = lock(&self.keeper).take();
        if let Some(Err(keeper)) = keeper.map(|keeper| keeper.join_until(deadline)) {
            log::warn!(task = keeper.name(); "the thread did not end in time");
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close(Instant::now() + LAST_WAIT);
    }
}

impl Dial for Pool {
    fn dial(&self, target: &Target, stop: &Latch) -> Result<Box<dyn Line>, Failure> {
        let shared = &self.shared;
        // Also for a warm session: a key that others can read is refused from then on.
        let stamps = key_file::stamps(target)?;
        if shared.closing.is_set() || stop.is_set() {
            return Err(stopped(target));
        }
        while let Some(one) = shared.check_out(target, &stamps, |_| true) {
            let Idle { mut session, target, .. } = one;
            let deadline = Instant::now() + WARM_ANSWER;
            match another_channel(&mut session, Some(stop), deadline) {
                Ok(channel) => {
                    let main = Command::new(channel);
                    return Ok(shared.line(target, stamps, session, main));
                }
                Err(Trouble::Stopped) => return Err(stopped(&target)),
                // It died in its sleep; nothing was started on it.
                Err(trouble) => {
                    log::debug!(link = target.name.as_str(); "a warm session is dead: {trouble:?}");
                }
            }
        }
        let (session, channel) = shared.connector.connect(target, stop)?;
        let main = Command::new(channel);
        Ok(shared.line(Arc::new(target.clone()), stamps, session, main))
    }

    fn dial_prepared(&self, target: &Target) -> Option<Box<dyn Line>> {
        let shared = &self.shared;
        let stamps = key_file::stamps(target).ok()?; // said by `dial`
        let one = shared.check_out(target, &stamps, |session| session.ready.is_some())?;
        let Idle { mut session, target, .. } = one;
        let main = session.ready.take()?;
        Some(shared.line(target, stamps, session, main))
    }
}

impl Shared {
    fn line(
        self: &Arc<Shared>,
        target: Arc<Target>,
        stamps: Vec<Stamp>,
        session: Session,
        main: Command,
    ) -> Box<dyn Line> {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Box::new(PoolLine::new(Arc::clone(self), target, stamps, session, main))
    }

    /// The session to the target that was used last, suits and lives, if there is one.
    fn check_out(
        &self,
        target: &Target,
        stamps: &[Stamp],
        suits: fn(&Session) -> bool,
    ) -> Option<Idle> {
        loop {
            let mut idle = lock(&self.idle);
            let found =
                idle.iter().rposition(|one| *one.target == *target && suits(&one.session))?;
            let one = idle.remove(found)?;
            drop(idle);
            if one.stamps == stamps && one.session.is_open() {
                return Some(one);
            }
        }
    }

    /// Takes a session back from a line or a shell; none when it is of no more use.
    pub(super) fn take_back(
        &self,
        session: Option<Session>,
        target: &Arc<Target>,
        stamps: Vec<Stamp>,
    ) {
        if let Some(session) = session {
            let target = Arc::clone(target);
            self.put(Idle { session, target, stamps, since: Instant::now() });
        }
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// Puts a session behind the idle ones, and closes what is too much.
    fn put(&self, one: Idle) {
        let mut idle = lock(&self.idle);
        idle.push_back(one);
        let most = if self.closing.is_set() { 0 } else { self.connector.settings.max_idle };
        let excess = idle.len().saturating_sub(most);
        let closed: Vec<_> = idle.drain(..excess).collect();
        drop(idle);
        drop(closed); // outside the lock
    }

    /// The body of the keeper's thread.
    fn keep(&self) {
        let settings = &self.connector.settings;
        // Short-lived sessions are looked after in time, and long-lived ones no more than asked.
        let round = settings.keepalive.min(settings.idle_time).max(Duration::from_millis(10));
        while !self.closing.wait(round) {
            // Nothing here waits, so that the lock is held for microseconds per session.
            let mut idle = lock(&self.idle);
            let (live, ended): (VecDeque<_>, VecDeque<_>) = idle
                .drain(..)
                .partition(|one| one.session.is_open() && one.since.elapsed() < settings.idle_time);
            *idle = live;
            idle.iter_mut().for_each(|one| one.session.keep_alive());
            drop(idle);
            drop(ended);
            self.connector.jumps.count(); // forgets those that have ended
        }
    }
}
