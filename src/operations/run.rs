//! One execution on its target, from the first connection to a known end: start, read, and when
//! the connection is lost, follow; stop it when asked to or when its time is over.
//!
//! What may have started is never started again. Only the run's directory on the target tells.

mod stop;

use std::time::{Duration, Instant};

use super::output::Intakes;
use super::remote::{self, Says};
use super::worker::{Control, Job};
use crate::ssh::program::{COMMAND, Program};
use crate::ssh::{Dial, Event, Exit, Failure, Kind, Line, Stream};
use crate::threads::Latch;

/// How an execution came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The script exited by itself.
    Code(i32),
    /// It was stopped on request; the code when it is known, and what went wrong with stopping.
    Stopped(Option<i32>, Option<String>),
    /// Its time was over and it was stopped; the text says so.
    TimedOut(Option<i32>, String),
    /// It was stopped on request before it started.
    NeverRan,
    /// It did not start, for this reason.
    Refused(String),
    /// It may have run, but how it ended is not known, for this reason.
    Lost(String),
    /// It certainly did not start, and never will under this run id.
    Absent,
    /// It goes on without us.
    Left,
}

/// Why a script is being stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Asked,
    Time,
}

/// Whether a script was started; then what it came to, or none when it is to be followed.
enum Started {
    Yes(Option<End>),
    No,
}

/// What one connection to the run brought.
enum Reading {
    /// The command ended, after saying this.
    Ended(Option<Says>, Exit, String),
    /// The connection is of no use any more.
    Cut(String),
    /// The server stops.
    Left,
}

/// Tries to start before anything has started.
const START_TRIES: usize = 3;
/// Tries to get an answer from a machine that lets us in.
const ANSWER_TRIES: usize = 3;
/// Tries to run the stop program before the run is followed without.
const STOP_TRIES: usize = 5;
/// After TERM, the grace and KILL, the end of the run must be told within this, or within the time
/// for a command where that is shorter.
const STOP_MARGIN: Duration = Duration::from_secs(30);

const LEFT: &str = "processes that it has started as another user are left on the machine";

/// An execution under way.
pub(super) struct Run<'a> {
    job: &'a Job,
    dial: &'a dyn Dial,
    control: &'a Control,
    intakes: &'a mut Intakes,
    tell: &'a dyn Fn(Stream, Vec<u8>),
    deadline: Instant,
    stopping: Option<Why>,
    /// The stop program has been run to its end, or is running beside the script.
    stop_sent: bool,
    /// One before may have been run.
    stop_sent_before: bool,
    /// The stop program found that it had ended by itself.
    over: bool,
    /// The stop program could not end everything.
    left: bool,
}

impl<'a> Run<'a> {
    /// Prepares; nothing is connected yet.
    pub(super) fn new(
        job: &'a Job,
        dial: &'a dyn Dial,
        control: &'a Control,
        intakes: &'a mut Intakes,
        tell: &'a dyn Fn(Stream, Vec<u8>),
    ) -> Run<'a> {
        let now = Instant::now();
        let deadline = job.resume.map_or(now + job.timeout, |resume| resume.deadline);
        Run {
            job,
            dial,
            control,
            intakes,
            tell,
            deadline,
            stopping: None,
            stop_sent: false,
            // By the process before us, if it had been asked to.
            stop_sent_before: job.resume.is_some() && control.latch.is_set(),
            over: false,
            left: false,
        }
    }

    /// Runs it to its end.
    pub(super) fn execute(mut self) -> End {
        if self.job.resume.is_none()
            && let Some(end) = self.start()
        {
            return end;
        }
        self.follow()
    }

    /// None when the connection was lost after the script may have started.
    fn start(&mut self) -> Option<End> {
        if self.control.latch.is_set() {
            return Some(self.unstarted());
        }
        let program = remote::start(self.job);
        let input = program.input(&self.job.text);
        if let Some(line) = self.dial.dial_prepared(&self.job.target)
            && let Started::Yes(end) = self.start_prepared(line, &program, &input)
        {
            return end;
        }
        let input = remote::prepare(self.job.limit).input(&input);
        for attempt in 1.. {
            let mut line = match self.dial.dial(&self.job.target, &self.control.latch) {
                Ok(line) => line,
                Err(failure) => return Some(self.not_reached(failure)),
            };
            self.deadline = Instant::now() + self.job.timeout;
            let deadline = Instant::now() + self.job.command_timeout.min(self.job.timeout);
            match line.exec(COMMAND, &input, deadline) {
                Ok(()) => return self.started(line.as_mut(), &program),
                Err(failure) if failure.may_have_started() => return None,
                Err(failure) if failure.kind.is_transport() && attempt < START_TRIES => {}
                Err(failure) => return Some(self.not_reached(failure)),
            }
        }
        None
    }

    /// On a warm connection where everything is ready, unless it has died in its sleep.
    fn start_prepared(
        &mut self,
        mut line: Box<dyn Line>,
        program: &Program,
        input: &[u8],
    ) -> Started {
        self.deadline = Instant::now() + self.job.timeout;
        match line.send(input) {
            Ok(()) => {}
            Err(failure) if failure.may_have_started() => return Started::Yes(None),
            Err(_) => return Started::No,
        }
        match self.read(line.as_mut(), program, Duration::ZERO) {
            // It ended without a word, so it has not started anything.
            Reading::Ended(None, ..) if self.stopping.is_none() => Started::No,
            reading => Started::Yes(self.concluded(reading)),
        }
    }

    /// Somebody has asked for something else before it started.
    fn unstarted(&self) -> End {
        if self.control.is_leaving() { End::Left } else { End::NeverRan }
    }

    fn not_reached(&self, failure: Failure) -> End {
        match failure.kind {
            Kind::Stopped => self.unstarted(),
            _ => End::Refused(describe(&self.job.target.name, &failure)),
        }
    }

    /// The command for starting the script was accepted.
    fn started(&mut self, line: &mut dyn Line, program: &Program) -> Option<End> {
        let reading = self.read(line, program, Duration::ZERO);
        self.concluded(reading)
    }

    /// What a start that was accepted came to; none when the run is to be followed.
    fn concluded(&self, reading: Reading) -> Option<End> {
        match reading {
            Reading::Left => Some(End::Left),
            Reading::Cut(_) => None,
            Reading::Ended(Some(Says::Running), Exit::Code(code), _) => Some(self.ended(code)),
            Reading::Ended(Some(Says::Refused(_)), ..) if self.stopping == Some(Why::Asked) => {
                Some(End::NeverRan)
            }
            Reading::Ended(Some(Says::Refused(reason)), ..) => Some(End::Refused(reason)),
            // It says "started" before it starts the script, and it ended without saying so.
            Reading::Ended(None, Exit::Code(_), _) if self.stopping == Some(Why::Asked) => {
                Some(End::NeverRan)
            }
            Reading::Ended(None, Exit::Code(code), noise) => Some(End::Refused(format!(
                "bash could not be started on the machine: exit code {code}, {noise:?}"
            ))),
            Reading::Ended(..) => None,
        }
    }

    /// The script's exit code is known.
    fn ended(&self, code: i32) -> End {
        match self.stopping.filter(|_| !self.over) {
            None => End::Code(code),
            Some(Why::Asked) => End::Stopped(Some(code), self.left.then(|| LEFT.to_owned())),
            Some(Why::Time) if self.left => {
                End::TimedOut(Some(code), format!("{}; {LEFT}", self.time_over()))
            }
            Some(Why::Time) => End::TimedOut(Some(code), self.time_over()),
        }
    }

    /// How it ended is not known.
    fn unknown(&self, reason: String) -> End {
        let reason = match &self.job.moved {
            Some(moved) => format!("{reason}; {moved}"),
            None => reason,
        };
        match self.stopping {
            None => End::Lost(reason),
            Some(Why::Asked) => End::Stopped(None, Some(reason)),
            Some(Why::Time) => End::TimedOut(None, format!("{}; {reason}", self.time_over())),
        }
    }

    fn time_over(&self) -> String {
        let seconds = self.job.timeout.as_secs();
        format!("EXECUTION_TIMEOUT: the script ran longer than {seconds} s and was stopped")
    }

    /// Takes up a run that may have started, until its end is known or its time is over.
    fn follow(&mut self) -> End {
        self.forget_stop();
        let mut silent = 0;
        loop {
            let (says, noise) = match self.follow_once() {
                Ok((Some(says), noise)) => (says, noise),
                Ok((None, noise)) if silent < ANSWER_TRIES => {
                    silent += 1;
                    log::debug!(target_link = self.job.target.name.as_str(); "no answer: {noise}");
                    self.pause();
                    continue;
                }
                Ok((None, noise)) => {
                    let text = format!("the machine does not answer as expected: {noise:?}");
                    return self.unknown(text);
                }
                Err(end) => return end,
            };
            match says {
                // It has just ended, or the connection was cut: ask again.
                Says::Running => match self.overdue(&noise) {
                    Some(end) => return end,
                    None => self.pause(),
                },
                Says::Ended(code) => return self.ended(code),
                Says::Absent if self.stopping.is_some() => return End::NeverRan,
                Says::Absent => return End::Absent,
                Says::Refused(reason) => return self.unknown(reason),
                Says::Rebooted => {
                    let reason = "the machine rebooted while the script was running";
                    return self.unknown(reason.to_owned());
                }
                Says::Killed => {
                    self.sweep();
                    let reason = "the run was killed on the machine, its exit code is not known";
                    return self.unknown(reason.to_owned());
                }
            }
        }
    }

    /// One connection: what the run says of itself, or the end when there is no way to it.
    fn follow_once(&mut self) -> Result<(Option<Says>, String), End> {
        let mut line = self.dial_to_follow()?;
        let received = (
            self.intakes.of(Stream::Stdout).received(),
            self.intakes.of(Stream::Stderr).received(),
        );
        let program = remote::follow(&self.job.run_id, received);
        let deadline = Instant::now() + self.job.command_timeout;
        if let Err(failure) = line.exec(COMMAND, &program.input(b""), deadline) {
            // A way that breaks is no answer of the machine.
            let says = failure.kind.is_transport().then_some(Says::Running);
            return Ok((says, failure.message));
        }
        // It may have ended long ago, while nobody was there to see it: first it is heard.
        match self.read(line.as_mut(), &program, self.margin()) {
            Reading::Left => Err(End::Left),
            Reading::Cut(reason) => {
                self.forget_stop();
                Ok((Some(Says::Running), reason))
            }
            Reading::Ended(says, _, noise) => Ok((says, noise)),
        }
    }

    /// A run whose end is not told is as good as running until its time is over. Then it is
    /// stopped; when that does not bring its end either, nobody knows it.
    fn overdue(&mut self, reason: &str) -> Option<End> {
        let now = Instant::now();
        if self.stopping.is_none() {
            if now >= self.deadline {
                self.stop_for(Why::Time);
            }
            return None;
        }
        let reason = if reason.is_empty() { "the machine does not tell its end" } else { reason };
        (now > self.deadline + self.margin())
            .then(|| self.unknown(format!("{reason}; the script may still be running")))
    }

    /// A line to follow on. What is to be stopped is stopped before, if the machine lets us.
    fn dial_to_follow(&mut self) -> Result<Box<dyn Line>, End> {
        for _ in 0..STOP_TRIES {
            let mut line = self.dial_again()?; // where a stop may be asked for
            if self.stopping.is_none() || self.stop_sent {
                return Ok(line);
            }
            self.stop_sent = self.run_stop(line.as_mut());
        }
        self.dial_again()
    }

    /// Connects to a machine that is known to be ours, again and again while there is time.
    fn dial_again(&mut self) -> Result<Box<dyn Line>, End> {
        loop {
            let failure = match self.dial.dial(&self.job.target, self.latch()) {
                Ok(line) => return Ok(line),
                Err(failure) => failure,
            };
            let reason = describe(&self.job.target.name, &failure);
            if self.control.is_leaving() {
                return Err(End::Left);
            }
            if failure.kind == Kind::Stopped {
                self.stop_for(Why::Asked);
            } else if is_final(failure.kind) || Instant::now() >= self.deadline {
                let text = format!(
                    "the connection was lost and the machine cannot be reached: {reason}; the script may still be running"
                );
                return Err(self.unknown(text));
            } else {
                self.pause();
            }
        }
    }

    fn pause(&self) {
        self.latch().wait(self.job.retry_delay);
    }

    /// What ends a wait: a stop, unless it is under way, or the order to leave.
    fn latch(&self) -> &'a Latch {
        if self.stopping.is_some() { &self.control.left } else { &self.control.latch }
    }

    fn margin(&self) -> Duration {
        STOP_MARGIN.min(self.job.command_timeout)
    }

    /// Reads a line until its command has ended; passes the script's output on. It has at
    /// least `hearing` to say how the script stands, and the time of a command for the output of one
    /// that does not run any more.
    fn read(&mut self, line: &mut dyn Line, program: &Program, hearing: Duration) -> Reading {
        let (mut out, mut err) = (program.preamble(), program.preamble());
        let (mut says, mut exit, mut beside) = (None, None, false);
        let mut patience = Instant::now() + hearing;
        loop {
            if let Some(exit) = exit.clone().filter(|_| !beside) {
                let noise = [out.noise(), err.noise()].join(" ");
                return Reading::Ended(says, exit, noise.trim().to_owned());
            }
            let deadline = match says {
                Some(Says::Running) => self.deadline,
                _ => self.deadline.max(patience),
            };
            match line.next(Some(self.latch()), deadline) {
                Ok(Event::Output { stream: Stream::Stdout, data }) if !out.is_over() => {
                    if let Some((words, rest)) = out.feed(&data) {
                        says = Some(Says::parse(&words));
                        patience = Instant::now() + self.job.command_timeout;
                        self.pass(Stream::Stdout, rest);
                    }
                }
                Ok(Event::Output { stream: Stream::Stderr, data }) if !err.is_over() => {
                    if let Some((_, rest)) = err.feed(&data) {
                        self.pass(Stream::Stderr, rest);
                    }
                }
                Ok(Event::Output { stream, data }) => self.pass(stream, &data),
                Ok(Event::End(how)) => exit = Some(how),
                Ok(Event::Beside { output, .. }) => {
                    beside = false;
                    self.stopped(&String::from_utf8_lossy(&output));
                }
                Ok(Event::Stopped) if self.control.is_leaving() => return Reading::Left,
                // The stop program did not come to its end in time; what is known counts.
                Ok(Event::TimedOut) if exit.is_some() => beside = false,
                Ok(Event::TimedOut) if self.stop_sent => {
                    return Reading::Cut("the script did not end after KILL".to_owned());
                }
                Ok(event @ (Event::Stopped | Event::TimedOut)) => {
                    let asked = event == Event::Stopped;
                    self.stop_for(if asked { Why::Asked } else { Why::Time });
                    if let Err(failure) = self.stop_beside(line) {
                        return Reading::Cut(failure.message);
                    }
                    beside = true;
                }
                Err(failure) => return Reading::Cut(failure.message),
            }
        }
    }

    fn pass(&mut self, stream: Stream, data: &[u8]) {
        if !data.is_empty() {
            let kept = self.intakes.of(stream).take(data);
            (self.tell)(stream, kept);
        }
    }
}

/// Whether another try cannot end differently. A machine that boots may refuse us for a while; one
/// with another host key is not ours.
fn is_final(kind: Kind) -> bool {
    matches!(kind, Kind::HostKeyChanged | Kind::HostKeyRevoked | Kind::HostKeyUnknown)
}

/// The failure without the target's own name, which stands beside it anyway; a jump host is named.
fn describe(target: &str, failure: &Failure) -> String {
    let told = failure.told();
    if failure.target == target { told } else { format!("{}: {told}", failure.target) }
}
