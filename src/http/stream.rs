//! Answers that take long: streams and upgraded connections, each on a thread of its own.

use super::answer::{self, Framing};
use super::connection::Connection;
use super::parse::Terms;
use super::response::{Body, Response, Run};
use super::shared::{Back, Shared};
use super::socket;
use crate::threads::{self, Handle, Latch, guard, lock};
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Where a stream's function writes.
#[derive(Debug)]
pub struct Stream {
    socket: Arc<TcpStream>,
    stop: Arc<Latch>,
    chunked: bool,
    write_timeout: Duration,
}

impl Stream {
    /// Sends bytes at once, and waits until the client's system has taken them.
    ///
    /// # Errors
    /// The client is gone, or has not taken all of them within the write time-out; nothing more
    /// can be sent then.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(()); // an empty chunk would be the last one
        }
        if !self.chunked {
            return self.send([bytes, b"", b""]);
        }
        let size = format!("{:x}\r\n", bytes.len());
        self.send([size.as_bytes(), bytes, b"\r\n"])
    }

    /// Whether the client has closed. It costs one system call and works while there is nothing
    /// to write: ask at least every few seconds.
    pub fn is_gone(&self) -> bool {
        socket::is_gone(&self.socket)
    }

    /// Whether the server is stopping: end the stream soon.
    pub fn stopping(&self) -> bool {
        self.stop.is_set()
    }

    /// Waits until the client is gone, the server is stopping, or `time` has passed.
    pub fn wait(&self, time: Duration) {
        socket::wait_for_end(&self.socket, self.stop.as_fd(), time);
    }

    fn send(&self, parts: socket::Parts<'_>) -> io::Result<()> {
        socket::write_until(&self.socket, parts, 0, Instant::now() + self.write_timeout)
    }

    fn finish(&self) -> io::Result<()> {
        if self.chunked { self.send([b"0\r\n\r\n", b"", b""]) } else { Ok(()) }
    }
}

/// A connection that has left HTTP.
#[derive(Debug)]
pub struct Upgraded {
    /// The socket: blocking, without delay, with the write time-out for reads and for writes. It
    /// is shut down when the function returns, and at the deadline of the server's stop.
    pub socket: TcpStream,
    /// What the client sent right behind its request.
    pub read_ahead: Vec<u8>,
    /// Set when the server is stopping: end soon.
    pub stop: Arc<Latch>,
}

/// The running stream threads.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    running: Mutex<HashMap<u64, Handle>>,
    count: AtomicUsize,
    next: AtomicU64,
}

impl Streams {
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Joins a thread that is about to end.
    pub(crate) fn join(&self, number: u64) {
        let handle = lock(&self.running).remove(&number);
        if let Some(handle) = handle {
            handle.join();
        }
    }

    fn enter(&self, max: usize) -> bool {
        let more = |count| (count < max).then_some(count + 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn leave(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a stream thread is given.
struct Work {
    shared: Arc<Shared>,
    connection: Box<Connection>,
    response: Response,
    terms: Terms,
}

/// Starts a thread for a long answer; without a place or a thread for it the answer is 503.
pub(crate) fn start(
    shared: &Arc<Shared>,
    connection: Box<Connection>,
    response: Response,
    terms: Terms,
) {
    let work = Box::new(Work { shared: Arc::clone(shared), connection, response, terms });
    if !shared.streams.enter(shared.settings.max_streams) {
        return work.refuse("too many streams are open, try again in a moment");
    }
    if let Err(work) = spawn(work) {
        shared.streams.leave();
        work.refuse("the server has no thread left, try again in a moment");
    }
}

fn spawn(work: Box<Work>) -> Result<(), Box<Work>> {
    let shared = Arc::clone(&work.shared);
    let number = shared.streams.next.fetch_add(1, Ordering::Relaxed);
    // Through a channel, so that the connection is not lost when there is no thread to take it.
    let (hand, take) = crossbeam_channel::bounded::<Box<Work>>(1);
    // Locked before the thread starts: it must be in the list when its end is reported.
    let mut running = lock(&shared.streams.running);
    let body = move || {
        if let Ok(work) = take.recv() {
            run(work, number);
        }
    };
    match threads::spawn(format!("stream-{number}"), body) {
        Ok(handle) => {
            running.insert(number, handle);
            hand.send(work).map_err(|lost| lost.into_inner())
        }
        Err(error) => {
            log::warn!("no thread for a stream: {error}");
            Err(work)
        }
    }
}

/// The body of a `stream-<n>` thread.
fn run(work: Box<Work>, number: u64) {
    let shared = Arc::clone(&work.shared);
    let token = work.connection.token;
    let connection = guard("http-stream", || work.run()).flatten();
    shared.streams.leave();
    shared.give_back(Back { token, connection, stream: Some(number) });
}

impl Work {
    fn refuse(self, message: &str) {
        let response = self.shared.error(503, message, &self.terms);
        self.shared.finish(self.connection, response, &self.terms);
    }

    /// Gives the connection back when all was said and its client is to take it in peace.
    fn run(self) -> Option<Box<Connection>> {
        let Work { shared, mut connection, response, mut terms } = self;
        // Made before anything is sent: without a descriptor left the answer is an honest 503.
        let copy = match response.is_upgrade().then(|| connection.socket.try_clone()).transpose() {
            Ok(copy) => copy,
            Err(error) => {
                log::warn!("cannot hand a connection over: {error}");
                let response = shared.error(503, "the server has no descriptor left", &terms);
                return shared.deliver(connection, response, &terms);
            }
        };
        terms.keep_alive = false;
        connection.share.resize(0); // the request's body is gone, and the stream may live long
        let framing = match (&copy, terms.http10) {
            (Some(_), _) => Framing::Upgrade,
            (None, true) => Framing::Close,
            (None, false) => Framing::Chunked,
        };
        let (status, headers, body) = response.into_parts();
        let mut stream = Stream {
            socket: Arc::clone(&connection.socket),
            stop: Arc::clone(&shared.stop),
            chunked: framing == Framing::Chunked,
            write_timeout: shared.settings.write_timeout,
        };
        let head = answer::head(status, &headers, framing, &terms, &shared.settings);
        stream.send([&head, b"", b""]).ok()?;
        match (body, copy) {
            (Body::Stream(write), _) => {
                let told = write(&mut stream).and_then(|()| stream.finish());
                told.inspect_err(|error| log::debug!("a stream was cut: {error}")).ok()?;
                connection.sent(false);
                Some(connection)
            }
            (Body::Upgrade(run), Some(copy)) => {
                let rest = connection.decoder.take_rest();
                if let Err(error) = hand_over(copy, rest, &stream, run) {
                    log::warn!("cannot hand a connection over: {error}");
                }
                None
            }
            _ => None,
        }
    }
}

fn hand_over(socket: TcpStream, read_ahead: Vec<u8>, stream: &Stream, run: Run) -> io::Result<()> {
    let _end = EndOnDrop(&stream.socket);
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(stream.write_timeout))?;
    socket.set_write_timeout(Some(stream.write_timeout))?;
    run(Upgraded { socket, read_ahead, stop: Arc::clone(&stream.stop) });
    Ok(())
}

/// Ends a connection also when its function panics or has left a copy of the socket behind.
struct EndOnDrop<'a>(&'a TcpStream);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
