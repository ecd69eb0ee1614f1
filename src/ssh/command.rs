//! A command on a channel: started, fed with its input, read, and closed when it has ended.

use std::io::{ErrorKind, Read, Write};

use ssh2::Channel;

use super::session::{Session, code, number};
use super::{Exit, Stream};

/// The most bytes that libssh2 puts into one packet.
const CHUNK: usize = 32_700;

/// One command, or a channel that waits for one.
pub(super) struct Command {
    channel: Channel,
    input: Vec<u8>,
    sent: usize,
    end_input: bool,
    input_ended: bool,
    start: Start,
    /// Which stream is read first; they take turns.
    first: Stream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Not,
    Asked,
    Confirmed,
}

impl Command {
    pub(super) fn new(channel: Channel) -> Command {
        Command {
            channel,
            input: Vec::new(),
            sent: 0,
            end_input: false,
            input_ended: false,
            start: Start::Not,
            first: Stream::Stdout,
        }
    }

    /// Says what comes to standard input, after what came there already.
    pub(super) fn set_input(&mut self, input: &[u8]) {
        self.input = input.to_vec();
        self.sent = 0;
    }

    /// Has end of file follow the input.
    pub(super) fn end_input(&mut self) {
        self.end_input = true;
    }

    pub(super) fn is_started(&self) -> bool {
        self.start != Start::Not
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.start == Start::Confirmed
    }

    /// Whether the input may have arrived whole: its last byte was given to the kernel, or might
    /// have been.
    pub(super) fn may_have_started(&self) -> bool {
        self.is_started() && self.sent >= self.input.len()
    }

    /// Asks the server to start the command, and sends what it takes of the input. To be repeated
    /// after waiting until the server has confirmed it. OpenSSH takes no input before that, other
    /// servers may; end of file is always taken.
    pub(super) fn begin(
        &mut self,
        command: &str,
        session: &mut Session,
    ) -> Result<(), ssh2::Error> {
        if !self.is_started() {
            if !session.writable() {
                return Ok(());
            }
            self.start = Start::Asked;
            self.request(command)?;
        }
        // A request that is only half sent must be whole before anything follows it.
        if !session.is_sending() {
            self.feed(session)?;
        }
        // Again, as sending takes in what has arrived, maybe the answer.
        if !self.is_confirmed() {
            self.request(command)?;
        }
        if self.is_confirmed() {
            self.feed(session)?;
        }
        Ok(())
    }

    fn request(&mut self, command: &str) -> Result<(), ssh2::Error> {
        match self.channel.exec(command) {
            Ok(()) => self.start = Start::Confirmed,
            Err(error) if number(&error) == code::EAGAIN => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends what fits of the input, and its end. Whether it waits for room in the socket.
    pub(super) fn feed(&mut self, session: &mut Session) -> Result<bool, ssh2::Error> {
        while self.sent < self.input.len() {
            if !session.writable() {
                return Ok(true);
            }
            let room = self.channel.write_window().remaining as usize;
            let size = (self.input.len() - self.sent).min(CHUNK).min(room);
            if size == 0 {
                return Ok(false); // what comes in may open the window
            }
            let chunk = self.sent..self.sent + size;
            // Counted before it is tried: a connection that breaks now may have carried it.
            self.sent += size;
            match self.channel.write(&self.input[chunk]) {
                Ok(written) => self.sent -= size - written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.sent -= size;
                    return Ok(true);
                }
                Err(_) => return Err(last_error(session)),
            }
        }
        (self.input, self.sent) = (Vec::new(), 0);
        if self.end_input && !self.input_ended {
            if !session.writable() {
                return Ok(true);
            }
            match self.channel.send_eof() {
                Ok(()) => self.input_ended = true,
                Err(error) if number(&error) == code::EAGAIN => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Reads what is there of either stream into the buffer.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        session: &mut Session,
    ) -> Result<Option<(Stream, usize)>, ssh2::Error> {
        for stream in [self.first, self.first.other()] {
            let read = match stream {
                Stream::Stdout => self.channel.read(buffer),
                Stream::Stderr => self.channel.stderr().read(buffer),
            };
            match read {
                Ok(0) => {}
                Ok(read) => {
                    self.first = stream.other();
                    return Ok(Some((stream, read)));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(last_error(session)),
            }
        }
        Ok(None)
    }

    /// Whether there is something to do of which the socket will not tell, because it was taken in
    /// while something else was read: output, or a wider window for the input if the socket has
    /// room for it.
    pub(super) fn has_more(&self, room: bool) -> bool {
        let waits = room && self.is_confirmed() && self.sent < self.input.len();
        self.channel.read_window().available > 0
            || (waits && self.channel.write_window().remaining > 0)
    }

    /// Whether all output was read, and the server says that there will be no more.
    pub(super) fn is_at_end(&self) -> bool {
        self.channel.eof()
    }

    /// How the command ended, see [`end_of`].
    pub(super) fn exit(&mut self) -> Result<Option<Exit>, ssh2::Error> {
        end_of(&mut self.channel)
    }

    /// The channel, for something else.
    pub(super) fn into_channel(self) -> Channel {
        self.channel
    }

    /// Closes our side of an ended command's channel. Whether libssh2 has forgotten it, so that
    /// the session is as before.
    pub(super) fn close(mut self, session: &Session) -> bool {
        session.writable() && !session.is_sending() && self.channel.close().is_ok()
    }
}

impl Stream {
    fn other(self) -> Stream {
        match self {
            Stream::Stdout => Stream::Stderr,
            Stream::Stderr => Stream::Stdout,
        }
    }
}

/// How what ran on a channel ended, once all of its output was read and the server has closed the
/// channel: only then is it known that nothing is missing. A connection that died leaves a status
/// of 0 as well, so the caller must not ask after an error.
pub(super) fn end_of(channel: &mut Channel) -> Result<Option<Exit>, ssh2::Error> {
    if !channel.eof() {
        return Ok(None);
    }
    match channel.wait_close() {
        Ok(()) => {}
        Err(error) if number(&error) == code::EAGAIN => return Ok(None),
        Err(error) => return Err(error),
    }
    let signal = channel.exit_signal()?.exit_signal;
    Ok(Some(match (signal, channel.exit_status()) {
        (Some(signal), _) => Exit::Signal(signal),
        (None, Ok(status)) => Exit::Code(status),
        (None, Err(_)) => Exit::Unknown,
    }))
}

/// The error behind the `io::Error` of a read or write, which has lost its code.
pub(super) fn last_error(session: &mut Session) -> ssh2::Error {
    ssh2::Error::last_session_error(session.ssh()).unwrap_or_else(ssh2::Error::unknown)
}
