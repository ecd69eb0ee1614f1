//! The real shell: a session and its one channel in the hands of one owner, with one loop for what
//! goes in, what comes out, and whether the machine is still there.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ssh2::{Channel, ExtendedData, PtyModes};

use super::command::{end_of, last_error};
use super::connect::{another_channel, is_refused_channel, said_by};
use super::pool::Shared;
use super::session::{Session, Trouble, code, number};
use super::{Exit, Failure, Kind, Pause, Shell, ShellEvent, Size, Target};
use crate::threads::{Bell, Latch};

/// What the terminal in the browser is compatible with.
const TERM: &str = "xterm-256color";

/// The terminal mode that has the kernel erase whole UTF-8 characters: RFC 8160.
const IUTF8: u8 = 42;

/// The largest piece of output, in bytes.
const PIECE: usize = 32 * 1024;

/// How much input is kept until it can be sent, in bytes; when half of it is free there is room
/// for more.
const INPUT: usize = 64 * 1024;

/// The most input in one packet, in bytes. Small, so that a socket that has room for a packet has
/// room for many small ones behind it: reading must widen the server's window meanwhile.
const CHUNK: usize = 16 * 1024;

/// How exactly it is known when something came in for the last time: to ask the kernel at each key
/// would be felt.
const HEARING: Duration = Duration::from_millis(500);

/// The name in the question whether the machine is there. Once a shell runs every server answers
/// a request to set a variable with no, and libssh2 takes that answer off its queue, as it does
/// not with the answer to its keepalive.
const QUESTION: &str = "LINKOPS_THERE";

/// Opens a channel with a PTY and a login shell on it.
///
/// # Errors
/// [`Trouble::NoTerminal`] when the server gives no PTY; the latch is set or the deadline passes.
pub(super) fn open(
    session: &mut Session,
    spare: Option<Channel>,
    size: Size,
    stop: &Latch,
    deadline: Instant,
) -> Result<Channel, Trouble> {
    let stop = Some(stop);
    if let Some(ready) = session.ready.take() {
        // Nobody will send it its input, and it takes one of the connection's places.
        let mut ready = ready.into_channel();
        session.drive(stop, deadline, |_| ready.close())?;
    }
    let mut channel = match spare {
        Some(channel) => channel,
        None => another_channel(session, stop, deadline)?,
    };
    // A PTY has one stream; a server that splits it does not hide the other one from us.
    channel.handle_extended_data(ExtendedData::Merge).map_err(Trouble::Ssh)?;
    let (cols, rows) = (u32::from(size.cols()), u32::from(size.rows()));
    let mut modes = PtyModes::new();
    modes.set_boolean(IUTF8, true);
    let request = |channel: &mut Channel| {
        channel.request_pty(TERM, Some(modes.clone()), Some((cols, rows, 0, 0)))
    };
    session.drive(stop, deadline, |_| request(&mut channel)).map_err(|trouble| {
        if is_refused_channel(&trouble) { Trouble::NoTerminal } else { trouble }
    })?;
    session.drive(stop, deadline, |_| channel.shell())?;
    Ok(channel)
}

/// A session that belongs to a shell.
pub(super) struct PoolShell {
    target: Arc<Target>,
    pool: Arc<Shared>,
    session: Session,
    channel: Channel,
    input: Vec<u8>,
    /// Some input did not fit.
    refused: bool,
    /// The size to be told.
    size: Option<Size>,
    /// The size that libssh2 has begun to tell.
    telling: Option<Size>,
    /// libssh2 has begun to send input, and nothing else can be sent before that goes on.
    writing: bool,
    /// When something came in for the last time, to about [`HEARING`].
    heard: Instant,
    /// Since when there is no answer to the question whether the machine is there.
    asked: Option<Instant>,
    /// Input waits for room in the socket.
    wants_room: bool,
    /// The bell was what happened last: something else comes first now.
    woken: bool,
    ended: Option<Exit>,
    buffer: Vec<u8>,
}

/// What a look found.
enum Turn {
    Event(ShellEvent),
    /// Look again at once.
    More,
    /// Wait; also for room in the socket, if there is input for it.
    Nothing {
        wants_room: bool,
    },
}

impl PoolShell {
    pub(super) fn new(
        pool: Arc<Shared>,
        target: Arc<Target>,
        session: Session,
        channel: Channel,
    ) -> PoolShell {
        PoolShell {
            target,
            pool,
            session,
            channel,
            input: Vec::new(),
            refused: false,
            size: None,
            telling: None,
            writing: false,
            heard: Instant::now(),
            asked: None,
            wants_room: false,
            woken: false,
            ended: None,
            buffer: vec![0; PIECE],
        }
    }

    /// One look at everything. What libssh2 could only begin is repeated by the next look.
    fn turn(&mut self, read: bool) -> Result<Turn, Trouble> {
        if self.heard.elapsed() > HEARING && self.session.readable() {
            self.heard = Instant::now();
        }
        self.ask()?;
        let wants_room = self.feed()?;
        if self.refused && self.input.len() <= INPUT / 2 {
            self.refused = false;
            return Ok(Turn::Event(ShellEvent::Room));
        }
        // Last, as everything above may take in output. An empty buffer takes in what has arrived,
        // which the window bounds, and nothing out of it, which keeps the window closed.
        let most = if read { PIECE } else { 0 };
        match self.channel.read(&mut self.buffer[..most]) {
            Ok(0) => {}
            Ok(read) => {
                let data = self.buffer[..read].to_vec();
                return Ok(Turn::Event(ShellEvent::Output(data)));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Err(Trouble::Ssh(last_error(&mut self.session))),
        }
        self.ended = end_of(&mut self.channel).map_err(Trouble::Ssh)?;
        if let Some(exit) = &self.ended {
            return Ok(Turn::Event(ShellEvent::End(exit.clone())));
        }
        // Reading may have widened the window for input.
        let more = !wants_room && self.sendable() > 0;
        Ok(if more { Turn::More } else { Turn::Nothing { wants_room } })
    }

    /// Tells the newest size, after the one that is being told. Whether it is on its way.
    fn tell_size(&mut self) -> Result<bool, Trouble> {
        while let Some(size) = self.telling.or(self.size) {
            if self.telling.is_none() {
                (self.telling, self.size) = (self.size, None);
            }
            let (cols, rows) = (u32::from(size.cols()), u32::from(size.rows()));
            match self.channel.request_pty_size(cols, rows, None, None) {
                Ok(()) => self.telling = None,
                Err(error) if number(&error) == code::EAGAIN => return Ok(false),
                Err(error) => return Err(Trouble::Ssh(error)),
            }
        }
        Ok(true)
    }

    /// Asks a machine that was silent for a while whether it is there, and looks for the answer.
    fn ask(&mut self) -> Result<(), Trouble> {
        if self.asked.is_none() {
            if self.heard.elapsed() < self.quiet() {
                return Ok(());
            }
            self.asked = Some(Instant::now());
        }
        if let Err(error) = self.channel.setenv(QUESTION, "") {
            match number(&error) {
                code::EAGAIN => return self.check_silence(),
                // Denied, or other things came for so long that libssh2 waits no more.
                code::CHANNEL_REQUEST_DENIED | code::TIMEOUT => {}
                _ => return Err(Trouble::Ssh(error)),
            }
        }
        self.asked = None;
        self.heard = Instant::now();
        Ok(())
    }

    /// How long nothing may come in before the machine is asked.
    fn quiet(&self) -> Duration {
        self.session.keepalive() / 2
    }

    /// When there is something to do about the silence.
    fn silent_until(&self) -> Instant {
        match self.asked {
            None => self.heard + self.quiet(),
            Some(asked) => asked.max(self.heard) + self.session.keepalive(),
        }
    }

    fn check_silence(&self) -> Result<(), Trouble> {
        if Instant::now() >= self.silent_until() { Err(Trouble::TimedOut) } else { Ok(()) }
    }

    /// How much input the server takes now, in one packet.
    fn sendable(&self) -> usize {
        if self.input.is_empty() {
            return 0;
        }
        self.input.len().min(CHUNK).min(self.channel.write_window().remaining as usize)
    }

    /// Sends the size, and what fits of the input behind it. Whether that waits for room in the
    /// socket.
    fn feed(&mut self) -> Result<bool, Trouble> {
        loop {
            if !self.writing && !self.tell_size()? {
                return Ok(true);
            }
            let size = self.sendable();
            if size == 0 {
                return Ok(false);
            }
            if !self.session.writable() {
                return Ok(true);
            }
            let written = self.channel.write(&self.input[..size]);
            self.writing = matches!(&written, Err(error) if error.kind() == ErrorKind::WouldBlock);
            match written {
                Ok(written) => {
                    self.input.drain(..written);
                    if self.input.is_empty() {
                        self.input = Vec::new();
                    }
                }
                Err(_) if self.writing => return Ok(true),
                Err(_) => return Err(Trouble::Ssh(last_error(&mut self.session))),
            }
        }
    }

    /// The trouble in words. The connection is of no more use.
    fn failure(&self, trouble: &Trouble) -> Failure {
        self.session.shut();
        let why = match trouble {
            Trouble::TimedOut => {
                let silent = self.heard.elapsed().as_secs();
                format!("the machine has not answered for {silent} s")
            }
            other => said_by(other),
        };
        let message = format!("the connection was lost: {why}");
        Failure { input_sent: true, ..Failure::new(&self.target.name, Kind::Lost, message) }
    }
}

impl Shell for PoolShell {
    fn next(&mut self, read: bool, wake: &Bell, deadline: Instant) -> Result<ShellEvent, Failure> {
        loop {
            if let Some(exit) = &self.ended {
                return Ok(ShellEvent::End(exit.clone()));
            }
            self.woken = !self.woken && wake.take();
            if self.woken {
                return Ok(ShellEvent::Woken);
            }
            match self.turn(read) {
                Ok(Turn::Event(event)) => return Ok(event),
                Ok(Turn::More) => continue,
                Ok(Turn::Nothing { wants_room }) => self.wants_room = wants_room,
                Err(trouble) => return Err(self.failure(&trouble)),
            }
            if Instant::now() >= deadline {
                return Ok(ShellEvent::TimedOut);
            }
            self.pause(deadline).wait(wake);
        }
    }

    fn pause(&mut self, deadline: Instant) -> Pause {
        self.session.pause(self.wants_room, deadline.min(self.silent_until()))
    }

    fn push(&mut self) -> bool {
        // Sending takes in what has come.
        let sent = matches!(self.feed(), Ok(false)) && self.input.is_empty() && !self.refused;
        !sent || self.channel.read_window().available > 0 || self.channel.eof()
    }

    fn write(&mut self, data: &[u8]) -> usize {
        let taken = data.len().min(INPUT - self.input.len());
        self.input.extend_from_slice(&data[..taken]);
        self.refused |= taken < data.len();
        taken
    }

    fn resize(&mut self, size: Size) {
        self.size = Some(size);
    }

    fn close(mut self: Box<Self>, deadline: Instant) {
        let PoolShell { session, channel, .. } = &mut *self;
        // A packet that is half sent cannot be followed by another, and the cut says the same.
        if !session.is_sending() {
            let _ = session.drive(None, deadline, |_| channel.close());
        }
    }
}

impl Drop for PoolShell {
    fn drop(&mut self) {
        // Before the channel goes, which would send.
        self.session.shut();
        self.pool.take_back(None, &self.target, Vec::new());
    }
}
