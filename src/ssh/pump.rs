//! The pump of a jump session: the thread that owns the session and moves bytes between its
//! channels and the streams of the inner sessions, with one poll for all. What one side does not
//! take is not read from the other, so a slow side costs no memory beyond a packet.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use ssh2::Channel;

use super::jump::{Desk, Request};
use super::session::{Session, code, number};
use crate::threads::{lock, poll, readable};

/// How long the jump host may take to say whether a connection is there. The server of a machine
/// that answers nothing is tried for two minutes, and meanwhile no other channel can be opened.
const ANSWER: Duration = Duration::from_secs(5);

/// Bytes moved at a time: a packet.
const CHUNK: usize = 32 * 1024;

pub(super) struct Pump {
    session: Session,
    desk: Arc<Desk>,
    idle_time: Duration,
    unused_since: Instant,
    opening: Option<Opening>,
    pipes: Vec<Pipe>,
    buffer: Vec<u8>,
    /// Somebody has something to send and the session's socket had no room.
    wants_room: bool,
}

/// A channel that the jump host was asked for.
struct Opening {
    request: Request,
    since: Instant,
    /// Nobody waits for it any more.
    given_up: bool,
}

/// One inner connection.
struct Pipe {
    channel: Channel,
    stream: UnixStream,
    /// Read from the channel, not yet taken by the stream; usually empty, without memory.
    inward: Vec<u8>,
    /// Read from the stream, not yet taken by the channel.
    outward: Vec<u8>,
    closing: bool,
    done: bool,
}

/// The session is gone, or nobody needs it any more.
struct End;

impl Pump {
    pub(super) fn new(session: Session, desk: Arc<Desk>, idle_time: Duration) -> Pump {
        Pump {
            session,
            desk,
            idle_time,
            unused_since: Instant::now(),
            opening: None,
            pipes: Vec::new(),
            buffer: vec![0; CHUNK],
            wants_room: false,
        }
    }

    /// The body of the thread.
    pub(super) fn run(mut self) {
        while self.turn().and_then(|()| self.wait()).is_ok() {}
        self.desk.close();
        // Shut down before the channels are dropped: they would send.
        self.session.shut();
    }

    /// Moves whatever can be moved.
    fn turn(&mut self) -> Result<(), End> {
        loop {
            if self.desk.is_closed() {
                return Err(End);
            }
            self.retire_if_stuck();
            self.wants_room = false;
            let mut moved = false;
            for index in 0..self.pipes.len() {
                moved |= self.advance(index)?;
            }
            self.pipes.retain(|pipe| !pipe.done);
            // Last, as reading for a pipe may take in the answer to it; what it takes in for a
            // pipe, `has_more` sees.
            moved |= self.open_next()?;
            if !moved && !self.pipes.iter().any(|pipe| pipe.has_more(!self.wants_room)) {
                return self.end_if_unused();
            }
        }
    }

    fn end_if_unused(&mut self) -> Result<(), End> {
        let over = if !self.is_unused() {
            self.unused_since = Instant::now();
            false
        } else {
            let of_no_use = self.opening.is_some() || self.desk.is_retired();
            of_no_use || self.unused_since.elapsed() >= self.idle_time
        };
        if over && self.desk.close_if_empty() { Err(End) } else { Ok(()) }
    }

    /// Whether nothing runs over it, and nobody waits for what it opens.
    fn is_unused(&self) -> bool {
        self.pipes.is_empty() && self.opening.as_ref().is_none_or(|opening| opening.given_up)
    }

    /// When others are to go over another session, as an answer does not come.
    fn retires_at(&self) -> Option<Instant> {
        let opening = self.opening.as_ref().filter(|_| !self.desk.is_retired())?;
        Some(opening.since + ANSWER)
    }

    fn retire_if_stuck(&self) {
        if self.retires_at().is_some_and(|at| Instant::now() >= at) {
            let host = self.opening.as_ref().map_or("", |opening| &opening.request.host);
            log::debug!("a jump session takes nothing more: no answer for {host:?}");
            self.desk.retire();
        }
    }

    /// Opens the channel of the next request; libssh2 can open one at a time.
    fn open_next(&mut self) -> Result<bool, End> {
        let next = || {
            let request = self.desk.next()?;
            Some(Opening { request, since: Instant::now(), given_up: false })
        };
        let Some(opening) = self.opening.take().or_else(next) else { return Ok(false) };
        if !self.session.writable() {
            self.wants_room = true;
            self.opening = Some(opening);
            return Ok(false);
        }
        let request = &opening.request;
        match self.session.ssh().channel_direct_tcpip(&request.host, request.port, None) {
            Ok(channel) => {
                self.pipes.push(Pipe::new(channel, opening.request.stream));
                Ok(true)
            }
            Err(error) if number(&error) == code::EAGAIN => {
                self.opening = Some(opening);
                Ok(false)
            }
            Err(error) if number(&error) == code::CHANNEL_FAILURE => {
                *lock(&request.refusal) = Some(error.message().to_owned());
                Ok(true)
            }
            // libssh2 waits for a minute. It has forgotten the channel, and the others are as they were.
            Err(error) if number(&error) == code::TIMEOUT => Ok(true),
            Err(error) => {
                log::debug!("a jump session is lost: {error}");
                Err(End)
            }
        }
    }

    fn advance(&mut self, index: usize) -> Result<bool, End> {
        let pipe = &mut self.pipes[index];
        if !pipe.closing {
            let moved = pipe.inward(&mut self.buffer).and_then(|inward| {
                let outward = pipe.outward(&self.session, &mut self.buffer)?;
                Ok(inward | outward)
            });
            match moved {
                Ok(moved) => {
                    self.wants_room |= !pipe.outward.is_empty() && !self.session.writable();
                    return Ok(moved);
                }
                Err(Broken::Stream) => pipe.close(),
                Err(Broken::Channel) if self.session_works() => self.pipes[index].close(),
                Err(Broken::Channel) => return Err(End),
            }
        }
        self.finish(index)
    }

    /// Closes the channel of a closing pipe, so that libssh2 forgets it.
    fn finish(&mut self, index: usize) -> Result<bool, End> {
        if !self.session.writable() {
            self.wants_room = true;
            return Ok(false);
        }
        match self.pipes[index].channel.close() {
            Err(error) if number(&error) == code::EAGAIN => Ok(false),
            Err(_) if !self.session_works() => Err(End),
            _ => {
                self.pipes[index].done = true;
                Ok(true)
            }
        }
    }

    /// Whether the last failure was one of a channel alone.
    fn session_works(&mut self) -> bool {
        ssh2::Error::last_session_error(self.session.ssh()).is_none_or(|error| {
            matches!(
                number(&error),
                code::CHANNEL_CLOSED
                    | code::CHANNEL_EOF_SENT
                    | code::CHANNEL_UNKNOWN
                    | code::CHANNEL_FAILURE
            )
        })
    }

    /// Waits until something can be moved, or it is time to look after the session.
    fn wait(&mut self) -> Result<(), End> {
        let unused = self.is_unused();
        let reads = self.opening.is_some() || self.pipes.iter().any(Pipe::wants_session);
        let mut events = PollFlags::empty();
        // Who would not read must not ask, or the poll returns at once for ever.
        events.set(PollFlags::IN, reads);
        events.set(PollFlags::RDHUP, unused);
        events.set(PollFlags::OUT, self.wants_room || self.session.is_sending());
        let mut until = self.session.next_keepalive();
        if unused && self.opening.is_none() {
            until = until.min(self.unused_since + self.idle_time);
        }
        until = self.retires_at().map_or(until, |at| until.min(at));
        self.session.acknowledge();

        let mut fds = vec![
            PollFd::from_borrowed_fd(self.session.as_fd(), events),
            readable(self.desk.bell()),
        ];
        let asker = self.opening.iter().filter(|opening| !opening.given_up);
        let asker = asker.map(|opening| (opening.request.stream.as_fd(), PollFlags::empty()));
        let pipes = self.pipes.iter().filter(|pipe| !pipe.closing);
        let pipes = pipes.map(|pipe| (pipe.stream.as_fd(), pipe.events()));
        let streams = asker.chain(pipes);
        fds.extend(streams.map(|(stream, events)| PollFd::from_borrowed_fd(stream, events)));
        if poll(&mut fds, until.saturating_duration_since(Instant::now())).is_err() {
            return Ok(()); // no memory for it at the moment
        }
        let lost = PollFlags::HUP | PollFlags::ERR | PollFlags::RDHUP;
        let session_lost = fds[0].revents().intersects(lost) && !reads;
        let gone: Vec<_> =
            fds[2..].iter().map(|fd| fd.revents().contains(PollFlags::HUP)).collect();
        drop(fds);
        if session_lost {
            return Err(End);
        }
        self.end_streams(gone.into_iter());
        self.desk.bell().take();
        self.session.keep_alive();
        Ok(())
    }

    /// Looks which of the streams that were waited for have no other end any more.
    fn end_streams(&mut self, mut gone: impl Iterator<Item = bool>) {
        if let Some(opening) = self.opening.as_mut().filter(|opening| !opening.given_up) {
            opening.given_up = gone.next().unwrap_or(false);
        }
        for (pipe, gone) in self.pipes.iter_mut().filter(|pipe| !pipe.closing).zip(gone) {
            // The inner session was dropped: what it has not taken or sent, nobody misses.
            if gone {
                pipe.close();
            }
        }
    }
}

/// Which side of a pipe failed.
enum Broken {
    Stream,
    Channel,
}

impl Pipe {
    fn new(channel: Channel, stream: UnixStream) -> Pipe {
        let (inward, outward) = (Vec::new(), Vec::new());
        Pipe { channel, stream, inward, outward, closing: false, done: false }
    }

    /// Moves a chunk from the channel to the stream.
    fn inward(&mut self, buffer: &mut [u8]) -> Result<bool, Broken> {
        if !self.inward.is_empty() {
            return flush(&mut self.inward, &mut self.stream).map_err(|_| Broken::Stream);
        }
        match self.channel.read(buffer) {
            Ok(0) if self.channel.eof() => {
                self.close();
                Ok(true)
            }
            Ok(0) => Ok(false),
            Ok(read) => {
                self.inward.extend_from_slice(&buffer[..read]);
                flush(&mut self.inward, &mut self.stream).map_err(|_| Broken::Stream)?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(Broken::Channel),
        }
    }

    /// Moves a chunk from the stream to the channel.
    fn outward(&mut self, session: &Session, buffer: &mut [u8]) -> Result<bool, Broken> {
        if self.closing {
            return Ok(false);
        }
        let mut moved = false;
        if self.outward.is_empty() {
            match self.stream.read(buffer) {
                Ok(0) => return Err(Broken::Stream),
                Ok(read) => self.outward.extend_from_slice(&buffer[..read]),
                Err(error) if is_passing(&error) => return Ok(false),
                Err(_) => return Err(Broken::Stream),
            }
            moved = true;
        }
        if session.writable() {
            moved |= flush(&mut self.outward, &mut self.channel).map_err(|_| Broken::Channel)?;
        }
        Ok(moved)
    }

    /// Ends the stream at once; the channel is closed in the following turns.
    fn close(&mut self) {
        self.closing = true;
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        (self.inward, self.outward) = (Vec::new(), Vec::new());
    }

    /// Whether there is something to do of which the socket will not tell, because it was taken in
    /// while another pipe was read: data, its end, or a wider window if the socket has room.
    fn has_more(&self, room: bool) -> bool {
        let inward = self.inward.is_empty()
            && (self.channel.read_window().available > 0 || self.channel.eof());
        let outward = room && !self.outward.is_empty() && self.channel.write_window().remaining > 0;
        !self.closing && (inward || outward)
    }

    /// Whether a turn of this pipe would read the session's socket.
    fn wants_session(&self) -> bool {
        self.closing || self.inward.is_empty() || !self.outward.is_empty()
    }

    fn events(&self) -> PollFlags {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, self.outward.is_empty());
        events.set(PollFlags::OUT, !self.inward.is_empty());
        events
    }
}

/// Writes what the other side takes of the data; whether it took something.
fn flush(data: &mut Vec<u8>, to: &mut impl Write) -> io::Result<bool> {
    let mut written = 0;
    while written < data.len() {
        match to.write(&data[written..]) {
            Ok(0) => break,
            Ok(more) => written += more,
            Err(error) if is_passing(&error) => break,
            Err(error) => return Err(error),
        }
    }
    data.drain(..written);
    if data.is_empty() {
        *data = Vec::new();
    }
    Ok(written > 0)
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
