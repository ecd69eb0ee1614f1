//! Names to addresses. The system's resolver cannot be interrupted, so a name is looked up in a
//! thread of its own, and who asked stops waiting when there is a reason to.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::event::PollFlags;

use super::wait::{Woken, wait};
use super::{Failure, Kind, Target};
use crate::threads::{Handle, Latch, lock, spawn};

/// The resolver, with the threads that nobody waits for any more.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    threads: Mutex<Vec<Handle>>,
}

impl Resolver {
    /// The addresses of a target, at least one.
    ///
    /// # Errors
    /// The name has none, or the latch or the deadline came first.
    pub(super) fn resolve(
        &self,
        target: &Target,
        stop: &Latch,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(address) = target.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, target.port)]);
        }
        let failed = |error: io::Error| fail(target, Kind::Resolve, &error.to_string());
        let answer = Arc::new((Latch::new().map_err(failed)?, Mutex::new(None)));
        let (asked, host) = (Arc::clone(&answer), (target.host.clone(), target.port));
        let thread = spawn("ssh-resolve", move || {
            let found = (host.0.as_str(), host.1).to_socket_addrs().map(Iterator::collect);
            *lock(&asked.1) = Some(found);
            asked.0.set();
        });
        self.keep(thread.map_err(failed)?);
        while !answer.0.is_set() {
            match wait(&answer.0, PollFlags::IN, Some(stop), deadline) {
                Woken::Ready => {}
                Woken::Stopped => return Err(super::connect::stopped(target)),
                Woken::TimedOut => {
                    return Err(fail(target, Kind::TimedOut, "no answer came in time"));
                }
            }
        }
        let found: io::Result<Vec<SocketAddr>> =
            lock(&answer.1).take().unwrap_or_else(|| Ok(Vec::new()));
        match found.map_err(failed)? {
            none if none.is_empty() => Err(fail(target, Kind::Resolve, "it has no address")),
            addresses => Ok(addresses),
        }
    }

    fn keep(&self, thread: Handle) {
        let mut threads = lock(&self.threads);
        let (ended, running): (Vec<_>, Vec<_>) = threads.drain(..).partition(Handle::is_finished);
        *threads = running;
        threads.push(thread);
        drop(threads);
        ended.into_iter().for_each(Handle::join);
    }

    /// Waits for the threads until the deadline.
    pub(super) fn close(&self, deadline: Instant) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            if thread.join_until(deadline).is_err() {
                log::warn!("a host name is still being looked up; the thread is left alone");
            }
        }
    }
}

fn fail(target: &Target, kind: Kind, why: &str) -> Failure {
    let text = format!(
        "cannot find the address of {:?}: {why}\ncheck the host of this link, and the name servers",
        target.host
    );
    Failure::new(&target.name, kind, text)
}
