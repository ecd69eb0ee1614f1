//! Sockets that never block: what is written at once, what must wait, and until when.

use crate::threads::{poll, timespec};
use rustix::event::{PollFd, PollFlags, epoll};
use std::io::{self, IoSlice, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// What is written together.
pub(crate) type Parts<'a> = [&'a [u8]; 3];

/// Writes what the socket takes of `parts`, of which `sent` bytes went out before; the number of
/// bytes sent by then. It is one system call, so a reader as fast as we are keeps nobody waiting.
///
/// # Errors
/// The connection is broken. That it has no room is not an error.
pub(crate) fn write_some(socket: &TcpStream, parts: Parts<'_>, sent: usize) -> io::Result<usize> {
    let mut skip = sent;
    let slices = parts.map(|part| {
        let cut = skip.min(part.len());
        skip -= cut;
        IoSlice::new(&part[cut..])
    });
    match (&mut &*socket).write_vectored(&slices) {
        Ok(length) => Ok(sent + length),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(sent),
            _ => Err(error),
        },
    }
}

/// Writes all of `parts` from `sent` on, before `deadline`: also a reader that takes a byte now
/// and then must have taken everything by then.
///
/// # Errors
/// The connection is broken, or time is up (`TimedOut`).
pub(crate) fn write_until(
    socket: &TcpStream,
    parts: Parts<'_>,
    mut sent: usize,
    deadline: Instant,
) -> io::Result<()> {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    loop {
        sent = write_some(socket, parts, sent)?;
        if sent == total {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        poll(&mut [PollFd::new(socket, PollFlags::OUT)], left)?;
    }
}

/// Whether the other side has closed, or the connection broke. It reads nothing, so it works also
/// while unread bytes lie in the socket.
pub(crate) fn is_gone(socket: &TcpStream) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::RDHUP)];
    !matches!(poll(&mut fds, Duration::ZERO), Ok(0))
}

/// Waits until the socket's other side has closed, `latch` is readable, or time is up.
pub(crate) fn wait_for_end(socket: &TcpStream, latch: BorrowedFd<'_>, time: Duration) {
    let latch = PollFd::from_borrowed_fd(latch, PollFlags::IN);
    // On an error the caller looks at the state and comes back.
    let _ = poll(&mut [PollFd::new(socket, PollFlags::RDHUP), latch], time);
}

/// A set of descriptors that one thread watches. Sockets are armed for one event at a time, so
/// whoever was told of it can hand the connection on without a second event in between.
#[derive(Debug)]
pub(crate) struct Watch(OwnedFd);

/// What a socket is armed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Read,
    Write,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Watch> {
        Ok(Watch(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Watches a descriptor for reading, until it is removed.
    pub(crate) fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&self.0, fd, data, epoll::EventFlags::IN)?)
    }

    /// Adds a socket that is not armed yet.
    pub(crate) fn add_socket(&self, socket: &TcpStream, token: u64) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&self.0, socket, data, epoll::EventFlags::ONESHOT)?)
    }

    pub(crate) fn arm(&self, socket: &TcpStream, token: u64, wish: Wish) -> io::Result<()> {
        let flags = match wish {
            Wish::Read => epoll::EventFlags::IN | epoll::EventFlags::RDHUP,
            Wish::Write => epoll::EventFlags::OUT,
        };
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::modify(&self.0, socket, data, flags | epoll::EventFlags::ONESHOT)?)
    }

    /// Takes a descriptor out, whether or not it is in.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.0, fd);
    }

    /// Waits for events, for ever without a time; fills `tokens`.
    pub(crate) fn wait(&self, tokens: &mut Vec<u64>, time: Option<Duration>) -> io::Result<()> {
        tokens.clear();
        let mut events = [const { std::mem::MaybeUninit::<epoll::Event>::uninit() }; 256];
        let time = time.map(timespec);
        match epoll::wait(&self.0, &mut events, time.as_ref()) {
            Ok((events, _)) => {
                tokens.extend(events.iter().map(|event| event.data.u64()));
                Ok(())
            }
            Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What came of accepting.
pub(crate) enum Accepted {
    /// A connection, which does not block.
    Connection(TcpStream, SocketAddr),
    /// Nobody waits.
    Nothing,
    /// Its client has gone already (accept(2) passes on the errors of the network).
    Lost,
    /// The system has no descriptor or memory left.
    NoRoom(io::Error),
}

pub(crate) fn accept(listener: &TcpListener) -> Accepted {
    use rustix::io::Errno;
    use rustix::net::{SocketFlags, acceptfrom_with};
    match acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok((socket, peer)) => match peer.and_then(|peer| SocketAddr::try_from(peer).ok()) {
            Some(peer) => Accepted::Connection(socket.into(), peer),
            None => Accepted::Lost,
        },
        Err(Errno::AGAIN) => Accepted::Nothing,
        Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
            Accepted::NoRoom(error.into())
        }
        Err(_) => Accepted::Lost,
    }
}

/// A listening socket. What is set here its connections inherit (tcp(7)): no delay for small
/// writes; and a peer that vanished without a word is noticed after `patience`, whether it owes us
/// an acknowledgement or is only silent.
pub(crate) fn listen(address: SocketAddr, patience: Duration) -> io::Result<TcpListener> {
    use rustix::net::sockopt;
    let patience = patience.clamp(Duration::from_secs(1), Duration::from_secs(3600));
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // A longer queue than the standard library's: a page that reconnects all its clients at once.
    rustix::net::listen(&listener, 1024)?;
    sockopt::set_tcp_nodelay(&listener, true)?;
    sockopt::set_socket_keepalive(&listener, true)?;
    sockopt::set_tcp_keepidle(&listener, patience)?;
    sockopt::set_tcp_keepintvl(&listener, Duration::from_secs(5))?;
    let millis = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&listener, millis)?;
    Ok(listener)
}
