//! A session: one connection, always non-blocking, with one owner at a time. It waits for its
//! socket, keeps itself alive while it waits, and is shut down before it is dropped.
//!
//! libssh2 keeps a packet that the socket took only in part, and some of its calls cannot be
//! repeated then, because they build the packet on their stack. So nothing is sent unless the
//! socket is writable, which means room for more than a packet ([`SEND_BUFFER`]).

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, Shutdown, SocketFlags, SocketType, recv, shutdown, socket_with,
    sockopt,
};
use ssh2::{BlockDirections, ErrorCode};

use super::command::Command;
use super::wait::{Pause, Woken, ready, wait};
use crate::threads::Latch;

/// How long sent bytes may stay without an answer from the other machine before the kernel calls
/// the connection dead, in milliseconds. With the keepalive that bounds how long a cut link stays
/// unnoticed under a silent command: `Settings::keepalive` + 20 s.
const USER_TIMEOUT: u32 = 20_000;

/// The least that libssh2 takes for the time between keepalives, in seconds. It is always told this;
/// when one is due is ours to say.
const LEAST_KEEPALIVE: u32 = 2;

/// Bytes of the kernel's buffer for sending. Linux calls a socket writable when a third of it is
/// free, so a packet (at most 33 KiB) always fits whole.
const SEND_BUFFER: usize = 128 * 1024;

/// libssh2's codes for an operation that would block and for those in which the connection is not
/// the reason; all others mean that it is gone.
pub(super) mod code {
    pub(crate) const KEX_FAILURE: i32 = -5;
    pub(crate) const TIMEOUT: i32 = -9;
    pub(crate) const FILE: i32 = -16;
    pub(crate) const AUTHENTICATION_FAILED: i32 = -18;
    pub(crate) const PUBLICKEY_UNVERIFIED: i32 = -19;
    pub(crate) const CHANNEL_FAILURE: i32 = -21;
    pub(crate) const CHANNEL_REQUEST_DENIED: i32 = -22;
    pub(crate) const CHANNEL_UNKNOWN: i32 = -23;
    pub(crate) const CHANNEL_CLOSED: i32 = -26;
    pub(crate) const CHANNEL_EOF_SENT: i32 = -27;
    pub(crate) const METHOD_NONE: i32 = -17;
    pub(crate) const EAGAIN: i32 = -37;
    pub(crate) const KEYFILE_AUTH_FAILED: i32 = -48;
}

/// One connection.
pub(super) struct Session {
    /// A command that was started ahead of its use. Before `ssh`, so that it goes first.
    pub(super) ready: Option<Command>,
    ssh: ssh2::Session,
    socket: Arc<OwnedFd>,
    tcp: bool,
    keepalive: Duration,
    next_keepalive: Instant,
}

/// Why an operation did not end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The latch was set.
    Stopped,
    /// The deadline passed.
    TimedOut,
    /// The server gives no PTY.
    NoTerminal,
    /// libssh2 says so.
    Ssh(ssh2::Error),
}

impl Trouble {
    /// libssh2's code, or 0.
    pub(super) fn code(&self) -> i32 {
        match self {
            Trouble::Ssh(error) => number(error),
            _ => 0,
        }
    }
}

/// The code of an error, which is always one of the session.
pub(super) fn number(error: &ssh2::Error) -> i32 {
    match error.code() {
        ErrorCode::Session(code) | ErrorCode::SFTP(code) => code,
    }
}

/// Connects a socket, without an SSH session yet.
///
/// # Errors
/// The system's answer; `TIMEDOUT` at the deadline, `CANCELED` when the latch is set.
pub(super) fn connect(
    address: SocketAddr,
    stop: &Latch,
    deadline: Instant,
) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    // Without it the key exchange waits for delayed acknowledgements: 55 ms instead of 11.
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_tcp_user_timeout(&socket, USER_TIMEOUT)?;
    sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => return Ok(socket),
        Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(error) => return Err(error),
    }
    loop {
        match wait(&socket, PollFlags::OUT, Some(stop), deadline) {
            Woken::Stopped => return Err(Errno::CANCELED),
            Woken::TimedOut => return Err(Errno::TIMEDOUT),
            Woken::Ready if ready(socket.as_fd(), PollFlags::OUT) => {
                sockopt::socket_error(&socket)??;
                return Ok(socket);
            }
            Woken::Ready => {}
        }
    }
}

impl Session {
    /// A session over a connected, non-blocking socket: TCP, or a stream through a jump host.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(super) fn new(
        socket: OwnedFd,
        tcp: bool,
        keepalive: Duration,
    ) -> Result<Session, ssh2::Error> {
        let socket = Arc::new(socket);
        let keepalive = keepalive.max(Duration::from_secs(LEAST_KEEPALIVE.into()));
        let mut ssh = ssh2::Session::new()?;
        ssh.set_tcp_stream(Arc::clone(&socket));
        ssh.set_blocking(false);
        // No answer is wanted, as nobody reads it while the session is idle.
        ssh.set_keepalive(false, LEAST_KEEPALIVE);
        let next_keepalive = Instant::now() + keepalive;
        Ok(Session { ready: None, ssh, socket, tcp, keepalive, next_keepalive })
    }

    /// The session for libssh2's calls.
    pub(super) fn ssh(&mut self) -> &mut ssh2::Session {
        &mut self.ssh
    }

    /// Whether something can be sent now, whole.
    pub(super) fn writable(&self) -> bool {
        ready(self.socket.as_fd(), PollFlags::OUT)
    }

    /// Whether something has come in that was not taken in yet, or the connection has ended.
    pub(super) fn readable(&self) -> bool {
        ready(self.socket.as_fd(), PollFlags::IN)
    }

    /// Whether libssh2 waits for the socket to take more.
    pub(super) fn is_sending(&self) -> bool {
        matches!(self.ssh.block_directions(), BlockDirections::Outbound | BlockDirections::Both)
    }

    /// Repeats an operation until it does not want to wait any more.
    ///
    /// # Errors
    /// The operation's failure, or what came first: the latch or the deadline.
    pub(super) fn drive<T>(
        &mut self,
        stop: Option<&Latch>,
        deadline: Instant,
        mut operation: impl FnMut(&mut ssh2::Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Trouble> {
        let mut begun = false;
        loop {
            begun = begun || self.writable();
            if begun {
                match operation(&mut self.ssh) {
                    Err(error) if number(&error) == code::EAGAIN => {}
                    answer => return answer.map_err(Trouble::Ssh),
                }
            }
            match self.wait(!begun, stop, deadline) {
                Woken::Ready => {}
                Woken::Stopped => return Err(Trouble::Stopped),
                Woken::TimedOut => return Err(Trouble::TimedOut),
            }
        }
    }

    /// Waits for something to read, or for room to send when `out` or libssh2 wants that. Keeps
    /// the connection alive meanwhile, and ends it when the other side does not answer any more:
    /// the next operation fails then. Neither a hanging server nor one that is lost behind a jump
    /// host is noticed by the kernel.
    pub(super) fn wait(&mut self, out: bool, stop: Option<&Latch>, deadline: Instant) -> Woken {
        let mut events = PollFlags::IN;
        if out || self.is_sending() {
            events |= PollFlags::OUT;
        }
        let mut silent = 0; // rounds
        loop {
            self.acknowledge();
            let woken = wait(&*self.socket, events, stop, deadline.min(self.next_keepalive));
            if woken != Woken::TimedOut || Instant::now() >= deadline {
                return woken;
            }
            match silent {
                0 => {
                    self.keep_alive();
                    silent = 1;
                }
                1 => silent += u32::from(self.ask()),
                _ => {
                    self.shut();
                    return Woken::Ready;
                }
            }
        }
    }

    /// What a terminal waits for: something to read, and room to send when `out` or libssh2 wants
    /// that. The caller looks at all of it afterwards, and keeps the connection alive. Nothing needs
    /// to be acknowledged at once, as sshd sends without delay where there is a PTY.
    pub(super) fn pause(&self, out: bool, until: Instant) -> Pause {
        let sending = self.is_sending();
        let mut events = PollFlags::empty();
        events.set(PollFlags::OUT, out || sending);
        // What was left unread now is read when a packet that is half sent has gone.
        events.set(PollFlags::IN, !sending || !self.readable());
        Pause { socket: Arc::clone(&self.socket), events, until }
    }

    /// How often an idle connection is to be kept alive.
    pub(super) fn keepalive(&self) -> Duration {
        self.keepalive
    }

    /// Has what comes next acknowledged at once. sshd sends without a terminal under Nagle's
    /// rule, which with delayed acknowledgements stalls for 40 ms; the flag is not sticky.
    pub(super) fn acknowledge(&self) {
        if self.tcp {
            let _ = sockopt::set_tcp_quickack(&*self.socket, true);
        }
    }

    /// A keepalive that must be answered. libssh2 keeps the answer for ever, so this is only for
    /// who has been silent. Whether it is on its way.
    fn ask(&mut self) -> bool {
        self.ssh.set_keepalive(true, LEAST_KEEPALIVE);
        let asked = self.send_keepalive();
        self.ssh.set_keepalive(false, LEAST_KEEPALIVE);
        asked
    }

    /// Sends a keepalive if one is due. A failure shows at the next operation.
    pub(super) fn keep_alive(&mut self) {
        if Instant::now() >= self.next_keepalive {
            self.send_keepalive();
        }
    }

    /// False when libssh2 has another idea of when one is due, and before the login, where it would
    /// be an offence. What cannot be sent now, since the other side takes nothing, is on its way.
    fn send_keepalive(&mut self) -> bool {
        self.next_keepalive = Instant::now() + self.keepalive;
        if !self.ssh.authenticated() {
            return false;
        }
        if !self.writable() || self.is_sending() {
            return true;
        }
        !matches!(self.ssh.keepalive_send(), Ok(next) if next != LEAST_KEEPALIVE)
    }

    /// When the next keepalive is due.
    pub(super) fn next_keepalive(&self) -> Instant {
        self.next_keepalive
    }

    /// Whether the other side has not hung up, as far as the kernel knows. Costs no round trip.
    pub(super) fn is_open(&self) -> bool {
        let mut byte = [0];
        match recv(&*self.socket, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, read)) => read > 0,
            Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
        }
    }

    /// Ends the connection without waiting. Later operations fail at once.
    pub(super) fn shut(&self) {
        let _ = shutdown(&*self.socket, Shutdown::Both);
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // libssh2 closes channels when it frees a session and gives up, leaking the session, when
        // that would block. On a socket that is shut down it fails, which frees everything.
        self.shut();
    }
}
