//! A server's life: bound, serving, stopped.

use super::budget::Budget;
use super::reactor::{LISTENER, Reactor, STOP, WAKER};
use super::shared::{Ids, Shared};
use super::socket::{self, Watch};
use super::stream::Streams;
use super::{Handler, Settings, worker};
use crate::error::{Error, Result};
use crate::threads::{self, Bell, Handle, Latch};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// A bound socket that is not served yet: its clients wait in the kernel's queue.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    settings: Settings,
}

impl Listener {
    /// Binds the configured address.
    ///
    /// # Errors
    /// The address is in use, is not ours, or needs more rights.
    pub fn bind(settings: Settings) -> Result<Listener> {
        let settings = settings.with_sane_times();
        let doing = |source| Error::io(format!("listen on \"{}\"", settings.address), source);
        let socket = socket::listen(settings.address, settings.write_timeout).map_err(doing)?;
        let address = socket.local_addr().map_err(doing)?;
        Ok(Listener { socket, address, settings })
    }

    /// The address, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// The system has no threads or descriptors for it.
    pub fn serve(self, handler: Arc<Handler>) -> Result<Server> {
        let doing = |source| Error::io("start the HTTP server", source);
        let (back, returned) = crossbeam_channel::unbounded();
        let shared = Arc::new(Shared {
            watch: Watch::new().map_err(doing)?,
            waker: Bell::new().map_err(doing)?,
            stop: Arc::new(Latch::new().map_err(doing)?),
            deadline: OnceLock::new(),
            bodies: Budget::new(self.settings.max_buffered.max(self.settings.max_body)),
            answers: Budget::new(self.settings.max_buffered),
            streams: Streams::default(),
            back,
            connections: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            rounds: AtomicU64::new(0),
            ids: Ids::new(),
            handler,
            settings: self.settings,
        });
        let watch = &shared.watch;
        watch.add(&self.socket, LISTENER).map_err(doing)?;
        watch.add(&*shared.stop, STOP).map_err(doing)?;
        watch.add(&shared.waker, WAKER).map_err(doing)?;
        // It holds no more than there are connections, each of which has one request at a time.
        let (jobs, take) = crossbeam_channel::unbounded();
        let reactor = Reactor::new(Arc::clone(&shared), self.socket, jobs, returned);
        // On an early return the reactor goes, with it the sender of jobs, and so the workers end.
        let workers = (0..shared.settings.workers.max(1))
            .map(|number| {
                let (shared, take) = (Arc::clone(&shared), take.clone());
                let body = move || worker::work(&shared, &take);
                threads::spawn(format!("http-worker-{number}"), body)
            })
            .collect::<std::io::Result<Vec<Handle>>>()
            .map_err(doing)?;
        let reactor = threads::spawn("http-reactor", move || reactor.run()).map_err(doing)?;
        Ok(Server { address: self.address, shared, threads: Some((reactor, workers)) })
    }
}

/// A running server. Dropping it stops it without a grace period.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The reactor and the workers; none after the stop.
    threads: Option<(Handle, Vec<Handle>)>,
}

/// How busy a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Open connections, those of streams included.
    pub connections: usize,
    /// Streams and upgraded connections.
    pub streams: usize,
    /// Complete requests so far.
    pub requests: u64,
}

impl Server {
    /// The address that is served.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How busy it is now.
    pub fn figures(&self) -> Figures {
        Figures {
            connections: self.shared.connections.load(Ordering::Relaxed),
            streams: self.shared.streams.count(),
            requests: self.shared.requests.load(Ordering::Relaxed),
        }
    }

    /// Tells, each time it is asked, whether the reactor has gone around since the last time; and
    /// wakes it for the next time. The first answer is always yes.
    pub fn pulse(&self) -> impl Fn() -> bool + Send + 'static {
        let shared = Arc::clone(&self.shared);
        let seen = AtomicU64::new(u64::MAX);
        move || {
            let rounds = shared.rounds.load(Ordering::Relaxed);
            shared.waker.ring();
            seen.swap(rounds, Ordering::Relaxed) != rounds
        }
    }

    /// Stops: nothing more is accepted, silent connections are closed, requests that have begun
    /// are answered with `Connection: close`, streams are told. What is still open at `deadline`
    /// is shut down. Returns when every thread has ended; a handler that hangs for other reasons
    /// than its client is waited for.
    pub fn stop(mut self, deadline: Instant) {
        self.end(deadline);
    }

    fn end(&mut self, deadline: Instant) {
        let Some((reactor, workers)) = self.threads.take() else { return };
        let _ = self.shared.deadline.set(deadline); // set once: `threads` is taken once
        self.shared.stop.set();
        reactor.join();
        workers.into_iter().for_each(Handle::join);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(Instant::now());
    }
}
