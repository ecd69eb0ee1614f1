//! SSH: the only code that names ssh2. A [`Pool`] dials a [`Target`] and gives a [`Line`]; a line
//! runs one command, tells what happens on it as [`Event`]s, and returns its connection warm when
//! it is dropped, or becomes a [`Shell`] on a PTY. Features depend on [`Dial`], [`Line`] and
//! [`Shell`] alone, so that their tests script them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::threads::Latch;
use crate::words::words;

mod command;
mod connect;
mod failure;
mod gate;
mod jump;
mod key_file;
mod known_hosts;
mod line;
mod pool;
pub mod program;
mod pty;
mod pump;
mod resolve;
mod session;
mod shell;
mod trust;
mod wait;

pub use failure::{Failure, Kind};
pub use pool::{Figures, Pool};
pub use shell::{Shell, ShellEvent, Size};
pub use trust::{KnownKey, known_keys};
pub use wait::Pause;

/// How connections are made and kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file of known host keys; with [`HostKeyPolicy::AcceptNew`] it is also written.
    pub known_hosts: PathBuf,
    /// What to do with a host that is not in the file.
    pub policy: HostKeyPolicy,
    /// The time for one try: TCP, banner, key exchange and authentication together.
    pub connect_timeout: Duration,
    /// How often a connection is tried when the transport fails, the first try included.
    pub max_tries: u32,
    /// The pause before the second try; before the n-th it is (n − 1) times as long, plus a bit.
    pub retry_delay: Duration,
    /// The most sessions kept warm in all; the one unused for longest is closed first.
    pub max_idle: usize,
    /// How long a session is kept warm without use.
    pub idle_time: Duration,
    /// How often idle sessions are looked after, and silent ones are asked whether they live: one
    /// that says nothing for three times this is given up. Less than 2 s counts as that.
    pub keepalive: Duration,
}

/// What to do with a host whose key is not known. A changed or revoked key is refused by both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Refuse it.
    Strict,
    /// Write its key down and trust it from now on.
    AcceptNew,
}

/// A login on a machine, with everything that decides which connection serves it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The link's id: what failures name.
    pub name: String,
    /// The host's name or address.
    pub host: String,
    /// The port of its SSH server.
    pub port: u16,
    /// The login name.
    pub user: String,
    /// The private key's file; its mode must be 600.
    pub key: PathBuf,
    /// The machine to go through, which may itself have one.
    pub via: Option<Box<Target>>,
}

/// What features need of SSH: somebody who gives them lines.
pub trait Dial: Send + Sync {
    /// A line to the target, over a warm connection where there is one.
    ///
    /// # Errors
    /// The target cannot be reached, is not the machine that is known, or does not let us in;
    /// [`Kind::Stopped`] as soon as `stop` is set. Nothing has been started on the target.
    fn dial(&self, target: &Target, stop: &Latch) -> Result<Box<dyn Line>, Failure>;

    /// A line over a warm connection that has a prepared command, which is the line's main
    /// command from here on: [`Line::send`] gives it its input. None when there is no such
    /// connection. Costs no round trip; a connection that died in its sleep shows at `send`.
    fn dial_prepared(&self, target: &Target) -> Option<Box<dyn Line>>;
}

/// One connection in the hands of one owner, for one main command.
///
/// Dropping a line whose commands have ended gives the connection back for the next one; any
/// other line is cut, without waiting. A command without a terminal survives that: stop it first.
pub trait Line: Send {
    /// Starts the main command; once per line. `input` goes to its standard input, which then
    /// stays open and silent until the command ends or [`Line::end_input`] is called. Returns
    /// when the server has started the command; what is left of a long input is sent by `next`.
    ///
    /// # Errors
    /// The server refuses, the connection dies, or the deadline passes: see
    /// [`Failure::may_have_started`].
    fn exec(&mut self, command: &str, input: &[u8], deadline: Instant) -> Result<(), Failure>;

    /// The next thing that happens. After [`Event::Stopped`] and [`Event::TimedOut`] the line is
    /// as it was, and nothing is lost.
    ///
    /// # Errors
    /// The connection died: how the command ended is not known.
    fn next(&mut self, stop: Option<&Latch>, deadline: Instant) -> Result<Event, Failure>;

    /// Starts a second command beside the running one, on the same connection, with `input` and
    /// end of file on its standard input; its end is told by `next` as [`Event::Beside`]. One at
    /// a time; output of the main command is kept for `next` meanwhile.
    ///
    /// # Errors
    /// As for [`Line::exec`].
    fn beside(&mut self, command: &str, input: &[u8], deadline: Instant) -> Result<(), Failure>;

    /// Starts a command ahead of its use, once the main command has ended: the connection keeps
    /// it, waiting for more of its standard input than `input`, for [`Dial::dial_prepared`]. When
    /// the connection ends unused it sees end of file. At most one per connection is kept.
    ///
    /// # Errors
    /// As for [`Line::exec`].
    fn prepare(&mut self, command: &str, input: &[u8], deadline: Instant) -> Result<(), Failure>;

    /// Gives the prepared command of a line from [`Dial::dial_prepared`] its input.
    ///
    /// # Errors
    /// The connection died: see [`Failure::may_have_started`].
    fn send(&mut self, input: &[u8]) -> Result<(), Failure>;

    /// The target's name, for failures.
    fn name(&self) -> &str;

    /// Ends the main command's standard input, after what is left of it. May be called before
    /// [`Line::exec`]: then end of file travels with the input and costs no round trip.
    ///
    /// # Errors
    /// The connection died.
    fn end_input(&mut self) -> Result<(), Failure>;

    /// Turns a line whose commands have ended, or that has run none, into a login shell on a PTY
    /// with `TERM=xterm-256color`. The connection is the shell's from here on and never returns
    /// to the pool, so that what was found out on the line holds for the shell.
    ///
    /// # Errors
    /// [`Kind::Channel`] when the server gives no PTY or no shell; [`Kind::Stopped`] as soon as
    /// `stop` is set; the connection dies or the deadline passes.
    fn shell(
        self: Box<Self>,
        size: Size,
        stop: &Latch,
        deadline: Instant,
    ) -> Result<Box<dyn Shell>, Failure>;
}

/// What happens on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The main command wrote something.
    Output {
        /// Where to.
        stream: Stream,
        /// What: at least one byte, at most 64 KiB.
        data: Vec<u8>,
    },
    /// The main command has ended and all of its output was told.
    End(Exit),
    /// The command beside has ended.
    Beside {
        /// How.
        exit: Exit,
        /// The first 64 KiB of what it wrote to both streams.
        output: Vec<u8>,
    },
    /// The latch was set.
    Stopped,
    /// The deadline has passed.
    TimedOut,
}

words!(
    /// An output stream of a command.
    Stream {
        /// Standard output.
        Stdout = "stdout",
        /// Standard error.
        Stderr = "stderr",
    }
);

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it; the name is without `SIG`.
    Signal(String),
    /// The server did not say.
    Unknown,
}

/// What a short command left behind, see [`run`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The beginning of its standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error, up to the limit.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub exit: Exit,
}

/// Runs a short command to its end, with `input` and end of file on its standard input. At most
/// `limit` bytes of each stream are kept; the rest is read and dropped.
///
/// # Errors
/// As for [`Line::exec`] and [`Line::next`]; [`Kind::Stopped`] and [`Kind::TimedOut`] when the
/// latch is set or the deadline passes while it runs.
pub fn run(
    line: &mut dyn Line,
    command: &str,
    input: &[u8],
    limit: usize,
    stop: Option<&Latch>,
    deadline: Instant,
) -> Result<Output, Failure> {
    line.end_input()?; // said before, so that it travels with the command
    line.exec(command, input, deadline)?;
    let mut output = Output { stdout: Vec::new(), stderr: Vec::new(), exit: Exit::Unknown };
    loop {
        match line.next(stop, deadline)? {
            Event::Output { stream, data } => {
                let kept = match stream {
                    Stream::Stdout => &mut output.stdout,
                    Stream::Stderr => &mut output.stderr,
                };
                let room = limit.saturating_sub(kept.len()).min(data.len());
                kept.extend_from_slice(&data[..room]);
            }
            Event::End(exit) => {
                output.exit = exit;
                return Ok(output);
            }
            Event::Beside { .. } => {}
            Event::Stopped => return Err(cut_short(line.name(), Kind::Stopped)),
            Event::TimedOut => return Err(cut_short(line.name(), Kind::TimedOut)),
        }
    }
}

fn cut_short(target: &str, kind: Kind) -> Failure {
    let why = if kind == Kind::Stopped { "stopped" } else { "the deadline passed" };
    let message = format!("{why} while a command was running");
    Failure { input_sent: true, ..Failure::new(target, kind, message) }
}
