//! The real line: a session of the pool in the hands of one owner, with a main command and at most
//! one beside it, both in one loop over one socket.

use std::sync::Arc;
use std::time::Instant;

use super::command::Command;
use super::connect::{is_refused_channel, refused_channel, request_channel, said_by, stopped};
use super::pool::Shared;
use super::pty::{self, PoolShell};
use super::session::{Session, Trouble, code};
use super::wait::Woken;
use super::{Event, Failure, Kind, Line, Shell, Size, Target};
use crate::threads::Latch;

/// The largest piece of output, in bytes.
const PIECE: usize = 64 * 1024;

/// How much is kept of what the command beside writes, in bytes.
const BESIDE: usize = 64 * 1024;

/// The longest command, in bytes: it travels in one packet.
const MAX_COMMAND: usize = 32 * 1024;

/// How long two commands that both wait for the end of their channel are left alone at most:
/// reading for one can take in the end of the other, and nothing tells.
const BOTH_ENDING: std::time::Duration = std::time::Duration::from_millis(10);

/// A checked-out session.
pub(super) struct PoolLine {
    target: Arc<Target>,
    pool: Arc<Shared>,
    /// Always there until the line is dropped.
    session: Option<Session>,
    stamps: Vec<super::key_file::Stamp>,
    main: Option<Command>,
    beside: Option<Beside>,
    /// The session cannot serve another command.
    spoilt: bool,
    input_sent: bool,
    buffer: Vec<u8>,
}

struct Beside {
    command: Command,
    output: Vec<u8>,
}

impl PoolLine {
    pub(super) fn new(
        pool: Arc<Shared>,
        target: Arc<Target>,
        stamps: Vec<super::key_file::Stamp>,
        session: Session,
        main: Command,
    ) -> PoolLine {
        PoolLine {
            target,
            pool,
            session: Some(session),
            stamps,
            main: Some(main),
            beside: None,
            spoilt: false,
            input_sent: false,
            buffer: Vec::new(),
        }
    }

    /// One look at everything. Returns after each piece, so that a flood cannot keep the caller
    /// from looking at the latch and the clock.
    fn turn(&mut self) -> Result<Turn, Trouble> {
        let session = session_of(&mut self.session)?;
        let mut wants_room = false;
        self.buffer.resize(PIECE, 0);
        if let Some(main) = &mut self.main {
            wants_room |= main.feed(session).map_err(Trouble::Ssh)?;
            self.input_sent = main.may_have_started();
            let read = main.read(&mut self.buffer, session).map_err(Trouble::Ssh)?;
            if let Some((stream, read)) = read {
                let data = self.buffer[..read].to_vec();
                return Ok(Turn::Event(Event::Output { stream, data }));
            }
        }
        if let Some(beside) = &mut self.beside {
            wants_room |= beside.command.feed(session).map_err(Trouble::Ssh)?;
            if beside.read(&mut self.buffer, session)? {
                return Ok(Turn::More);
            }
            if let Some(exit) = beside.command.exit().map_err(Trouble::Ssh)? {
                let output = std::mem::take(&mut beside.output);
                self.end_beside();
                return Ok(Turn::Event(Event::Beside { exit, output }));
            }
        }
        if let Some(main) = &mut self.main
            && let Some(exit) = main.exit().map_err(Trouble::Ssh)?
        {
            self.end_main();
            return Ok(Turn::Event(Event::End(exit)));
        }
        let beside = self.beside.as_ref().map(|beside| &beside.command);
        let more = self.main.iter().chain(beside).any(|one| one.has_more(!wants_room));
        Ok(if more { Turn::More } else { Turn::Nothing { wants_room } })
    }

    fn end_main(&mut self) {
        if let (Some(main), Some(session)) = (self.main.take(), &self.session) {
            self.spoilt |= !main.close(session);
        }
    }

    fn end_beside(&mut self) {
        if let (Some(beside), Some(session)) = (self.beside.take(), &self.session) {
            self.spoilt |= !beside.command.close(session);
        }
    }

    /// When to look again although nothing came in.
    fn look_again(&self, deadline: Instant) -> Instant {
        let main = self.main.as_ref().is_some_and(Command::is_at_end);
        let beside = self.beside.as_ref().is_some_and(|beside| beside.command.is_at_end());
        if main && beside { deadline.min(Instant::now() + BOTH_ENDING) } else { deadline }
    }

    /// Starts a command and waits for the server's confirmation.
    fn start(
        session: &mut Session,
        command: &mut Command,
        text: &str,
        deadline: Instant,
    ) -> Result<(), Trouble> {
        loop {
            command.begin(text, session).map_err(Trouble::Ssh)?;
            if command.is_confirmed() {
                return Ok(());
            }
            if session.wait(!command.is_started(), None, deadline) == Woken::TimedOut {
                return Err(Trouble::TimedOut);
            }
        }
    }

    /// A trouble of this line in words. After all but a refusal the session is of no more use.
    fn failure(&mut self, trouble: &Trouble, input_sent: bool) -> Failure {
        if is_refused_channel(trouble) {
            return refused_channel(&self.target, trouble);
        }
        if matches!(trouble, Trouble::NoTerminal) {
            return self.misuse("the server gives no terminal\ncheck PermitTTY in its sshd_config");
        }
        self.spoilt = true;
        if matches!(trouble, Trouble::Stopped) {
            return stopped(&self.target);
        }
        let timed_out = matches!(trouble, Trouble::TimedOut) || trouble.code() == code::TIMEOUT;
        let (kind, message) = if timed_out {
            (Kind::TimedOut, "the server did not answer in time".to_owned())
        } else {
            (Kind::Lost, format!("the connection was lost: {}", said_by(trouble)))
        };
        Failure { input_sent, ..Failure::new(&self.target.name, kind, message) }
    }

    /// What libssh2 cannot send.
    fn check(&self, command: &str) -> Result<(), Failure> {
        if command.contains('\0') {
            return Err(self.misuse("a command cannot hold a NUL byte"));
        }
        if command.len() > MAX_COMMAND {
            let text = "a command cannot be longer than 32 KiB\nsend what is long as its input";
            return Err(self.misuse(text));
        }
        Ok(())
    }

    fn misuse(&self, message: &str) -> Failure {
        Failure::new(&self.target.name, Kind::Channel, message)
    }
}

/// What a look found.
enum Turn {
    Event(Event),
    /// Look again at once.
    More,
    /// Wait; also for room in the socket, if something is to be sent.
    Nothing {
        wants_room: bool,
    },
}

impl Beside {
    /// Reads on and keeps the beginning. Whether there was something.
    fn read(&mut self, buffer: &mut [u8], session: &mut Session) -> Result<bool, Trouble> {
        let Some((_, read)) = self.command.read(buffer, session).map_err(Trouble::Ssh)? else {
            return Ok(false);
        };
        let room = (BESIDE - self.output.len()).min(read);
        self.output.extend_from_slice(&buffer[..room]);
        Ok(true)
    }
}

fn session_of(session: &mut Option<Session>) -> Result<&mut Session, Trouble> {
    session.as_mut().ok_or_else(|| Trouble::Ssh(ssh2::Error::eof()))
}

impl Line for PoolLine {
    fn name(&self) -> &str {
        &self.target.name
    }

    fn exec(&mut self, command: &str, input: &[u8], deadline: Instant) -> Result<(), Failure> {
        self.check(command)?;
        let (Some(main), Some(session)) = (&mut self.main, &mut self.session) else {
            return Err(self.misuse("this line has had its command"));
        };
        if main.is_started() {
            return Err(self.misuse("this line has its command already"));
        }
        main.set_input(input);
        let started = PoolLine::start(session, main, command, deadline);
        self.input_sent = main.may_have_started();
        started.map_err(|trouble| {
            let failure = self.failure(&trouble, self.input_sent);
            if failure.kind == Kind::Channel {
                self.end_main();
            }
            failure
        })
    }

    fn next(&mut self, stop: Option<&Latch>, deadline: Instant) -> Result<Event, Failure> {
        if self.main.as_ref().is_none_or(|main| !main.is_started()) && self.beside.is_none() {
            return Err(self.misuse("no command is running on this line"));
        }
        loop {
            if stop.is_some_and(Latch::is_set) {
                return Ok(Event::Stopped);
            }
            if Instant::now() >= deadline {
                return Ok(Event::TimedOut);
            }
            let wants_room = match self.turn() {
                Ok(Turn::Event(event)) => return Ok(event),
                Ok(Turn::More) => continue,
                Ok(Turn::Nothing { wants_room }) => wants_room,
                Err(trouble) => return Err(self.failure(&trouble, self.input_sent)),
            };
            let until = self.look_again(deadline);
            if let Some(session) = &mut self.session {
                let _ = session.wait(wants_room, stop, until); // looked at above
            }
        }
    }

    fn beside(&mut self, command: &str, input: &[u8], deadline: Instant) -> Result<(), Failure> {
        self.check(command)?;
        if self.beside.is_some() {
            return Err(self.misuse("this line has a command beside already"));
        }
        let Some(session) = &mut self.session else {
            return Err(self.misuse("this line is closed"));
        };
        let channel = match session.drive(None, deadline, request_channel) {
            Ok(channel) => channel,
            Err(trouble) => return Err(self.failure(&trouble, false)),
        };
        let mut beside = Command::new(channel);
        beside.set_input(input);
        beside.end_input();
        let started = PoolLine::start(session, &mut beside, command, deadline);
        let input_sent = beside.may_have_started();
        self.beside = Some(Beside { command: beside, output: Vec::new() });
        started.map_err(|trouble| {
            let failure = self.failure(&trouble, input_sent);
            if failure.kind == Kind::Channel {
                self.end_beside();
            }
            failure
        })
    }

    fn prepare(&mut self, command: &str, input: &[u8], deadline: Instant) -> Result<(), Failure> {
        if command.contains('\0') {
            return Err(self.misuse("a command cannot hold a NUL byte"));
        }
        if self.main.is_some() || self.spoilt {
            return Err(self.misuse("this line is in use"));
        }
        let Some(session) = self.session.as_mut().filter(|session| session.ready.is_none()) else {
            return Ok(());
        };
        let channel = match session.drive(None, deadline, request_channel) {
            Ok(channel) => channel,
            Err(trouble) => return Err(self.failure(&trouble, false)),
        };
        let mut ready = Command::new(channel);
        ready.set_input(input);
        let mut started = PoolLine::start(session, &mut ready, command, deadline);
        while started.is_ok() && !ready.may_have_started() {
            // The window opens with the command; what comes in says so.
            started = match session.wait(false, None, deadline) {
                Woken::TimedOut => Err(Trouble::TimedOut),
                _ => ready.feed(session).map(|_| ()).map_err(Trouble::Ssh),
            };
        }
        session.ready = Some(ready);
        started.map_err(|trouble| {
            // A command that is half prepared is of no use to anybody, nor is its session.
            self.spoilt = true;
            self.failure(&trouble, false)
        })
    }

    fn send(&mut self, input: &[u8]) -> Result<(), Failure> {
        let (Some(main), Some(session)) = (&mut self.main, &mut self.session) else {
            return Err(self.misuse("no command is running on this line"));
        };
        main.set_input(input);
        let fed = main.feed(session);
        self.input_sent = main.may_have_started();
        fed.map(|_| ()).map_err(|error| self.failure(&Trouble::Ssh(error), self.input_sent))
    }

    fn end_input(&mut self) -> Result<(), Failure> {
        let (Some(main), Some(session)) = (&mut self.main, &mut self.session) else {
            return Ok(());
        };
        main.end_input();
        if main.is_confirmed() {
            let fed = main.feed(session);
            self.input_sent = main.may_have_started();
            fed.map_err(|error| self.failure(&Trouble::Ssh(error), self.input_sent))?;
        }
        Ok(())
    }

    fn shell(
        mut self: Box<Self>,
        size: Size,
        stop: &Latch,
        deadline: Instant,
    ) -> Result<Box<dyn Shell>, Failure> {
        let running = self.main.as_ref().is_some_and(Command::is_started) || self.beside.is_some();
        if running || self.spoilt {
            return Err(self.misuse("this line is in use"));
        }
        let Some(mut session) = self.session.take() else {
            return Err(self.misuse("this line is closed"));
        };
        let spare = self.main.take().map(Command::into_channel);
        self.spoilt = true; // whatever happens, it is not for commands any more
        match pty::open(&mut session, spare, size, stop, deadline) {
            Ok(channel) => {
                let (pool, target) = (Arc::clone(&self.pool), Arc::clone(&self.target));
                Ok(Box::new(PoolShell::new(pool, target, session, channel)))
            }
            Err(trouble) => {
                self.session = Some(session);
                Err(self.failure(&trouble, false))
            }
        }
    }
}

impl Drop for PoolLine {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        // A channel that never had its command is closed like an ended one, but its end would
        // have to be waited for.
        let at_rest = self.main.is_none() && self.beside.is_none() && !self.spoilt;
        if !at_rest {
            session.shut();
        }
        // Channels go while their session is shut down or has no more of them.
        (self.main, self.beside) = (None, None);
        let stamps = std::mem::take(&mut self.stamps);
        self.pool.take_back(at_rest.then_some(session), &self.target, stamps);
    }
}
