//! WebSocket (RFC 6455): a connection that has left HTTP and carries text messages both ways.
//! Framing is tungstenite's; the rest is here: handshake, limits, pings, and a socket that never
//! blocks, so that one thread waits for it and for its own work in one poll.

mod handshake;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::net::sockopt;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error as Fault, Message, WebSocket};

use super::request::Request;
use super::response::Response;
use super::stream::Upgraded;
use crate::error::Result;
use crate::threads::{Latch, poll};

/// The largest message that is taken from a client, in bytes, whether in one frame or in several.
pub const MAX_MESSAGE: usize = 64 << 10;

/// Bytes read at a time; each socket has a buffer of this size.
const READ_BUFFER: usize = 8 << 10;

/// Bytes that are taken from a client before its socket is waited for again: who sends without end,
/// be it only pings, must not keep us from everything else.
const READ_TURN: usize = 4 * MAX_MESSAGE;

/// Messages are gathered up to this many bytes before they go to the kernel.
const WRITE_BUFFER: usize = 32 << 10;

/// The answers to pings of a client that does not read wait up to this many bytes, together with
/// messages that were gathered; then only the newest ping is answered.
const PONGS: usize = 2 * WRITE_BUFFER;

/// The largest head of a frame: RFC 6455 section 5.2.
const FRAME_HEAD: usize = 14;

/// Bytes that the kernel keeps for a client that does not read. More would only make what is typed
/// into a flood of output wait longer for its answer.
const SEND_BUFFER: usize = 256 << 10;

/// Silent for this many pings, a client is dead.
const LOST_PINGS: u32 = 3;

/// A client that takes nothing of what is to be sent also answers no ping. It may be a page that
/// was stopped; it is dead after this time at the earliest.
const STALLED: Duration = Duration::from_secs(60);

/// How long a client may take to answer our closing.
const CLOSING: Duration = Duration::from_secs(2);

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Origins of other sites whose pages may call: exact, or `*` for all.
    pub origins: Vec<String>,
    /// Between two pings.
    pub ping_interval: Duration,
}

/// Why a socket is of no more use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The client closed it, or went without a word.
    Gone,
    /// It is to be closed with this code (RFC 6455 section 7.4) and reason.
    Close(u16, &'static str),
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    web: WebSocket<Stream>,
    stop: Arc<Latch>,
    stop_seen: bool,
    /// The kernel did not take all that is to be sent.
    sending: bool,
    /// When the client last gave a sign of life.
    heard: Instant,
    ping_interval: Duration,
    next_ping: Instant,
}

/// The connection below the frames. When the kernel gave less than was asked for, it has no more,
/// and is not asked again before the next wait; nor is it when it gave much.
#[derive(Debug)]
struct Stream {
    socket: TcpStream,
    /// Bytes that may still be read before the next wait.
    left: usize,
    /// The kernel has taken something.
    taken: bool,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let asked = buffer.len().min(self.left);
        if asked == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let read = self.socket.read(&mut buffer[..asked])?;
        self.left = if (1..asked).contains(&read) { 0 } else { self.left - read };
        Ok(read)
    }
}

impl Write for Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.socket.write(data)?;
        self.taken |= written > 0;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for a socket.
#[derive(Debug)]
pub struct Watch {
    socket: TcpStream,
    stop: Arc<Latch>,
}

/// What a socket waits for.
#[derive(Debug)]
pub struct Wish {
    read: bool,
    room: bool,
    stop: bool,
    until: Instant,
}

impl Watch {
    /// Waits for what was wished for, until `bell` is readable, the server stops, or it is time.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn wait(&self, wish: &Wish, bell: BorrowedFd<'_>) -> Result<(), End> {
        let mut events = if wish.read { PollFlags::IN } else { PollFlags::RDHUP };
        events.set(PollFlags::OUT, wish.room);
        let mut fds = [
            PollFd::new(&self.socket, events),
            PollFd::from_borrowed_fd(bell, PollFlags::IN),
            PollFd::from_borrowed_fd(self.stop.as_fd(), PollFlags::IN),
        ];
        let used = if wish.stop { 3 } else { 2 };
        let left = wish.until.saturating_duration_since(Instant::now());
        poll(&mut fds[..used], left).map_err(|_| End::Gone)?;
        let broken =
            fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::RDHUP);
        if broken && !wish.read { Err(End::Gone) } else { Ok(()) }
    }
}

/// A handshake that is in order.
#[derive(Debug)]
pub struct Accepted {
    headers: Vec<(&'static str, String)>,
    ping_interval: Duration,
}

/// Looks at a request that wants to become a WebSocket.
///
/// # Errors
/// The request is no handshake, or comes from a page of another site.
pub fn accept(request: &Request, settings: &Settings) -> Result<Accepted> {
    let headers = handshake::answer(request, &settings.origins)?;
    Ok(Accepted { headers, ping_interval: settings.ping_interval })
}

impl Accepted {
    /// The answer that makes a WebSocket of the request's connection; `run` then has it, on a
    /// thread of its own.
    pub fn run(self, run: impl FnOnce(Socket) + Send + 'static) -> Response {
        let interval = self.ping_interval;
        Response::upgrade(self.headers, move |upgraded| match Socket::new(upgraded, interval) {
            Ok(socket) => run(socket),
            Err(error) => log::warn!("a socket cannot be used: {error}"),
        })
    }
}

impl Socket {
    fn new(upgraded: Upgraded, ping_interval: Duration) -> io::Result<Socket> {
        let Upgraded { socket, read_ahead, stop } = upgraded;
        socket.set_nonblocking(true)?;
        // The kernel would cut a client that lives but does not read. Here a client may stop for a
        // while: whoever writes to it waits; and pings find the dead ones.
        sockopt::set_tcp_user_timeout(&socket, 0)?;
        sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(PONGS)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let socket = Stream { socket, left: READ_TURN, taken: false };
        let web = WebSocket::from_partially_read(socket, read_ahead, Role::Server, Some(config));
        let heard = Instant::now();
        let next_ping = heard + ping_interval;
        Ok(Socket { web, stop, stop_seen: false, sending: false, heard, ping_interval, next_ping })
    }

    /// Whether the server is stopping: close the socket soon. Once seen, it is not waited for any
    /// more, as it would end every wait.
    pub fn stopping(&mut self) -> bool {
        self.stop_seen = self.stop.is_set();
        self.stop_seen
    }

    /// The next message; none when none has arrived as a whole, or much was read since the last
    /// [`Socket::wish`].
    ///
    /// # Errors
    /// There will be no more.
    pub fn receive(&mut self) -> Result<Option<String>, End> {
        loop {
            match self.web.read() {
                Ok(message) => {
                    self.heard = Instant::now();
                    match message {
                        Message::Text(text) => return Ok(Some(text.as_str().to_owned())),
                        Message::Binary(_) => {
                            return Err(End::Close(1003, "messages are text"));
                        }
                        // Pings are answered, and closings are driven on, by the next call.
                        _ => {}
                    }
                }
                Err(fault) if would_block(&fault) => return Ok(None),
                Err(fault) => return Err(end(&fault)),
            }
        }
    }

    /// Hands over a message. What the kernel does not take waits for [`Socket::flush`]; look at
    /// [`Socket::is_sending`] before there is more to send.
    ///
    /// # Errors
    /// The client is gone; or it has not taken what was sent before, and nobody looked: what waits
    /// is never more than one message on top of [`PONGS`].
    pub fn send(&mut self, text: String) -> Result<(), End> {
        if self.sending {
            self.flush()?;
        }
        if self.sending {
            return Err(End::Close(1011, "more was to be sent than the client takes"));
        }
        // What is there is less than `PONGS`, so the message has its place.
        let room = PONGS + FRAME_HEAD + text.len();
        self.web.set_config(|config| config.max_write_buffer_size = room);
        let written = self.web.write(Message::Text(text.into()));
        self.web.set_config(|config| config.max_write_buffer_size = PONGS);
        self.wrote(written)
    }

    /// Sends what the kernel takes of what was handed over. A client that had kept us waiting and
    /// takes something lives: it may be too far behind for our pings to reach it.
    ///
    /// # Errors
    /// The client is gone.
    pub fn flush(&mut self) -> Result<(), End> {
        let waited = std::mem::take(&mut self.sending);
        self.web.get_mut().taken = false;
        let flushed = self.web.flush();
        if waited && self.web.get_ref().taken {
            self.heard = Instant::now();
        }
        self.wrote(flushed)
    }

    /// Whether something waits for the client to read.
    pub fn is_sending(&self) -> bool {
        self.sending
    }

    fn wrote(&mut self, result: Result<(), Fault>) -> Result<(), End> {
        match result {
            Ok(()) => Ok(()),
            Err(fault) if would_block(&fault) => {
                self.sending = true;
                Ok(())
            }
            Err(fault) => Err(end(&fault)),
        }
    }

    /// Sends a ping when one is due.
    ///
    /// # Errors
    /// The client has given no sign of life for too long.
    pub fn keep_alive(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if now >= self.dead_at() {
            return Err(End::Gone);
        }
        if now < self.next_ping {
            return Ok(());
        }
        self.next_ping = now + self.ping_interval;
        // Behind what waits already, be it only pongs, it would say nothing more.
        self.flush()?;
        if self.sending {
            return Ok(());
        }
        let written = self.web.write(Message::Ping(Vec::new().into()));
        self.wrote(written)?;
        self.flush()
    }

    fn dead_at(&self) -> Instant {
        let silent = self.ping_interval * LOST_PINGS;
        self.heard + if self.sending { silent.max(STALLED) } else { silent }
    }

    /// What waits for the socket while nobody has it.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn watch(&self) -> io::Result<Watch> {
        let socket = self.web.get_ref().socket.try_clone()?;
        Ok(Watch { socket, stop: Arc::clone(&self.stop) })
    }

    /// What to wait for, at most until the deadline: something to read, if `read`; room for what is
    /// to be sent; the next ping. A client that we do not read from cannot be found dead, but it
    /// is seen to leave.
    pub fn wish(&mut self, read: bool, deadline: Instant) -> Wish {
        if !read {
            self.heard = Instant::now();
        }
        self.web.get_mut().left = READ_TURN;
        let until = deadline.min(self.next_ping).min(self.dead_at());
        Wish { read, room: self.sending, stop: !self.stop_seen, until }
    }

    /// Says goodbye and waits a moment for the client to say it, too. What it sends meanwhile is
    /// dropped; unread it would make the kernel take our last words back.
    pub fn close(mut self, code: u16, reason: &'static str) {
        let deadline = Instant::now() + CLOSING;
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        // The last frame has a place behind all that waits.
        self.web.set_config(|config| config.max_write_buffer_size = usize::MAX);
        let mut told = self.web.close(Some(frame));
        while told.as_ref().is_err_and(would_block) && self.ready(PollFlags::OUT, deadline) {
            told = self.web.flush();
        }
        let mut rest = [0; READ_BUFFER];
        let socket = &self.web.get_ref().socket;
        let _ = socket.shutdown(Shutdown::Write);
        while self.ready(PollFlags::IN, deadline) {
            match (&mut &*socket).read(&mut rest) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }

    /// Whether the socket has this before the deadline.
    fn ready(&self, wish: PollFlags, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(&self.web.get_ref().socket, wish)];
        !left.is_zero() && matches!(poll(&mut fds, left), Ok(1..))
    }
}

fn would_block(fault: &Fault) -> bool {
    matches!(fault, Fault::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// What a client did wrong, as it is told.
fn end(fault: &Fault) -> End {
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    match fault {
        Fault::Capacity(_) => End::Close(1009, "a message has at most 64 KiB"),
        Fault::Utf8(_) => End::Close(1007, "text is UTF-8"),
        Fault::Protocol(ResetWithoutClosingHandshake) => End::Gone,
        Fault::Protocol(_) => End::Close(1002, "this is not the WebSocket protocol"),
        _ => End::Gone,
    }
}
