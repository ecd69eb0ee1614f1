//! Threads: every thread of the process is started here, has a name, logs how it failed, and is
//! joined. Also what threads wait for: a latch and a bell that can be polled, and a deadline.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

/// A started thread. Dropping the handle does not detach silently: owners keep it and join it.
#[derive(Debug)]
#[must_use = "a thread is joined by whoever started it"]
pub struct Handle {
    name: String,
    join: JoinHandle<()>,
    done: crossbeam_channel::Receiver<()>,
}

/// Starts a named thread. A panic inside is caught and logged with the name; it never spreads.
///
/// # Errors
/// The operating system has no thread to give; callers treat that as a full queue, not as an end.
pub fn spawn(name: impl Into<String>, body: impl FnOnce() + Send + 'static) -> io::Result<Handle> {
    let name = name.into();
    let (ended, done) = crossbeam_channel::bounded::<()>(0);
    let label = name.clone();
    let join = std::thread::Builder::new().name(name.clone()).spawn(move || {
        let _ended = ended; // dropped last, which tells `join_until`
        let _ = guard(&label, body);
    })?;
    Ok(Handle { name, join, done })
}

/// Runs `body` and turns a panic into `None`, after logging it under `label`.
pub fn guard<T>(label: &str, body: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(panic) => {
            let text = panic
                .downcast_ref::<&str>()
                .map(|s| (*s).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "panic without a message".to_owned());
            log::error!(task = label; "panicked: {text}");
            None
        }
    }
}

impl Handle {
    /// The name given to [`spawn`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the thread has ended.
    pub fn is_finished(&self) -> bool {
        self.join.is_finished()
    }

    /// Waits for the end of the thread.
    pub fn join(self) {
        // The body cannot panic: `guard` is around it.
        let _ = self.join.join();
    }

    /// Waits until `deadline`; gives the handle back when the thread still runs.
    ///
    /// # Errors
    /// The thread had not ended at the deadline.
    pub fn join_until(self, deadline: Instant) -> Result<(), Handle> {
        match self.done.recv_deadline(deadline) {
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => Err(self),
            _ => {
                self.join();
                Ok(())
            }
        }
    }
}

/// A flag that is set once and can be waited for together with sockets.
///
/// Its descriptor becomes readable when the latch is set and stays so: any number of threads poll
/// it at the same time, and none can take the signal away from another.
#[derive(Debug)]
pub struct Latch {
    set: AtomicBool,
    keep: Mutex<Option<UnixStream>>,
    watch: UnixStream,
}

impl Latch {
    /// A latch that is not set.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn new() -> io::Result<Latch> {
        let (keep, watch) = UnixStream::pair()?;
        Ok(Latch { set: AtomicBool::new(false), keep: Mutex::new(Some(keep)), watch })
    }

    /// Sets the latch; later calls change nothing.
    pub fn set(&self) {
        self.set.store(true, Ordering::SeqCst);
        // Closing the other end is what the watchers see: end of file, for ever.
        drop(lock(&self.keep).take());
    }

    /// Whether the latch is set.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::SeqCst)
    }

    /// Waits for the latch, at most for `time`; true when it is set.
    pub fn wait(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while !self.is_set() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let _ = poll(&mut [readable(self)], left);
        }
        true
    }
}

impl AsFd for Latch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

/// Wakes one thread again and again, also while it waits for sockets.
///
/// Its descriptor is readable from [`Bell::ring`] until [`Bell::take`]. Rings that nobody has taken
/// yet count as one, so who was woken looks at everything that it may have been woken for.
#[derive(Debug)]
pub struct Bell {
    counter: OwnedFd,
    /// Set before the counter and behind it, so that no ring is left in it that nobody looks for. It
    /// may be set when the counter is zero; looking costs no call.
    rung: AtomicBool,
}

impl Bell {
    /// A bell that has not rung.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn new() -> io::Result<Bell> {
        use rustix::event::{EventfdFlags, eventfd};
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell { counter, rung: AtomicBool::new(false) })
    }

    /// Wakes who waits now or will wait next. Never blocks.
    pub fn ring(&self) {
        // Before, as who is woken may run in our place at once; behind, for two that ring together.
        self.rung.store(true, Ordering::SeqCst);
        // It fails only when the counter is full, and then it is readable.
        let _ = rustix::io::write(&self.counter, &1_u64.to_ne_bytes());
        self.rung.store(true, Ordering::SeqCst);
    }

    /// Whether it has rung since the last time. For one thread.
    pub fn take(&self) -> bool {
        // It cannot be read when the ring was taken together with the one before.
        self.rung.swap(false, Ordering::SeqCst)
            && rustix::io::read(&self.counter, &mut [0; 8]).is_ok()
    }

    /// Waits for the bell or the latch, at most for `time`; takes the ring and says whether there
    /// was one.
    pub fn wait(&self, stop: &Latch, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while !self.take() {
            let left = deadline.saturating_duration_since(Instant::now());
            if stop.is_set() || left.is_zero() {
                return false;
            }
            let _ = poll(&mut [readable(self), readable(stop)], left);
        }
        true
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}

/// Waits for the events of `fds`, at most for `time`; how many have some. A signal ends it early,
/// with none.
///
/// # Errors
/// The system has no memory for it.
pub(crate) fn poll(fds: &mut [PollFd<'_>], time: Duration) -> io::Result<usize> {
    match rustix::event::poll(fds, Some(&timespec(time))) {
        Err(rustix::io::Errno::INTR) => Ok(0),
        answer => Ok(answer?),
    }
}

/// What is to be readable.
pub(crate) fn readable(fd: &impl AsFd) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::IN)
}

/// A duration as the system wants it.
pub(crate) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// Locks a mutex also when a thread panicked while it held it: every critical section of ours
/// leaves its data whole at each step, and one failed request must not stop the others.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_panic_ends_only_its_thread() {
        let handle = spawn("unlucky", || panic!("on purpose")).unwrap();
        handle.join();
    }

    #[test]
    fn a_join_with_a_deadline_gives_the_handle_back() {
        let latch = Arc::new(Latch::new().unwrap());
        let waiting = Arc::clone(&latch);
        let handle = spawn("waiter", move || {
            waiting.wait(Duration::from_secs(60));
        })
        .unwrap();
        let handle = handle.join_until(Instant::now()).unwrap_err();
        latch.set();
        handle.join_until(Instant::now() + Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn a_latch_wakes_all_who_wait_and_stays_set() {
        let latch = Arc::new(Latch::new().unwrap());
        let waiters: Vec<_> = (0..4)
            .map(|n| {
                let latch = Arc::clone(&latch);
                spawn(format!("waiter-{n}"), move || {
                    assert!(latch.wait(Duration::from_secs(60)));
                })
                .unwrap()
            })
            .collect();
        latch.set();
        waiters.into_iter().for_each(Handle::join);
        assert!(latch.wait(Duration::ZERO));
    }

    #[test]
    fn a_bell_wakes_once_for_all_rings_so_far_and_can_ring_again() {
        let (bell, stop) = (Bell::new().unwrap(), Latch::new().unwrap());
        let minute = Duration::from_secs(60);
        assert!(!bell.take() && !bell.wait(&stop, Duration::ZERO));
        (0..3).for_each(|_| bell.ring());
        assert!(bell.take());
        assert!(!bell.take());
        (0..3).for_each(|_| bell.ring());
        assert!(bell.wait(&stop, minute));
        assert!(!bell.wait(&stop, Duration::ZERO));
        bell.ring();
        assert!(bell.wait(&stop, Duration::ZERO));
        stop.set();
        assert!(!bell.wait(&stop, minute), "nobody waits for it any more");
        bell.ring();
        assert!(bell.wait(&stop, minute));
    }

    /// Two ring at the same time, and one takes: what is left in the bell is taken by the next look.
    #[test]
    fn no_ring_is_left_behind_when_two_ring_at_once() {
        const ROUNDS: usize = 20_000;
        let (bell, turn) = (Arc::new(Bell::new().unwrap()), Arc::new(std::sync::Barrier::new(3)));
        let rung = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let ringers: Vec<_> = (0..2)
            .map(|n| {
                let (bell, turn, rung) = (Arc::clone(&bell), Arc::clone(&turn), Arc::clone(&rung));
                spawn(format!("ringer-{n}"), move || {
                    for _ in 0..ROUNDS {
                        turn.wait();
                        bell.ring();
                        rung.fetch_add(1, Ordering::SeqCst);
                    }
                })
                .unwrap()
            })
            .collect();
        let mut left = 0;
        for round in 1..=ROUNDS {
            turn.wait();
            while rung.load(Ordering::SeqCst) < 2 * round {
                bell.take();
            }
            bell.take();
            left += usize::from(rustix::io::read(&bell.counter, &mut [0; 8]).is_ok());
        }
        ringers.into_iter().for_each(Handle::join);
        assert_eq!(left, 0);
    }

    #[test]
    fn no_ring_is_lost_on_who_comes_late_or_waits_already() {
        let (ping, pong) = (Arc::new(Bell::new().unwrap()), Arc::new(Bell::new().unwrap()));
        let (heard, answer) = (Arc::clone(&ping), Arc::clone(&pong));
        let (minute, never) = (Duration::from_secs(60), Arc::new(Latch::new().unwrap()));
        let stop = Arc::clone(&never);
        let handle = spawn("answerer", move || {
            for _ in 0..1000 {
                assert!(heard.wait(&stop, minute));
                answer.ring();
            }
        })
        .unwrap();
        for _ in 0..1000 {
            ping.ring();
            assert!(pong.wait(&never, minute));
        }
        handle.join();
    }
}
