//! A worker: a thread that takes one execution after the other from its conductor, runs each on
//! its target, and tells what happens. It owns the SSH line while it does, and no state of the
//! operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::ExecutionStatus;
use super::output::Intakes;
use super::run::{End, Run};
use crate::inventory::Place;
use crate::ssh::{Dial, Stream, Target};
use crate::threads::{Latch, guard};

/// One execution, with all that is needed to run it.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// Its place in the operation.
    pub(super) position: usize,
    /// Names its directory on the target.
    pub(super) run_id: String,
    /// Where the machine is, for whoever follows it after us.
    pub(super) place: Place,
    /// The same, to be dialled.
    pub(super) target: Target,
    /// Names both places when it was started before and the inventory now has another one.
    pub(super) moved: Option<String>,
    /// The script.
    pub(super) text: Arc<[u8]>,
    /// Its arguments.
    pub(super) flags: Vec<String>,
    /// The client-id file and what it must hold; none when it is not checked.
    pub(super) client: Option<(String, String)>,
    /// Bytes kept per stream.
    pub(super) limit: usize,
    /// Set when it may have started before; then it is followed, not started.
    pub(super) resume: Option<Resume>,
    /// How long the script may run.
    pub(super) timeout: Duration,
    /// Between TERM and KILL.
    pub(super) grace: Duration,
    /// For our own short commands on the machine.
    pub(super) command_timeout: Duration,
    /// Between tries to reach a machine whose run was cut off.
    pub(super) retry_delay: Duration,
}

/// Where a run was left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resume {
    /// Bytes of standard output and standard error that are safe.
    pub(super) kept: (usize, usize),
    /// When its time is over.
    pub(super) deadline: Instant,
}

/// What a worker tells its conductor.
#[derive(Debug)]
pub(super) enum Message {
    /// The script wrote something.
    Output {
        /// Which execution.
        position: usize,
        /// Where to.
        stream: Stream,
        /// What.
        data: Vec<u8>,
    },
    /// The execution has ended, or was left alone.
    Done {
        /// Which execution.
        position: usize,
        /// How.
        ending: Ending,
    },
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a result.
    Result(Outcome),
    /// It certainly has not started: the same may be tried again under another run id.
    NotStarted,
    /// The server stops; the script goes on and is followed after the next start.
    Left,
}

/// The result of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Success, failed or stopped.
    pub(super) status: ExecutionStatus,
    /// The script's exit code, when it is known.
    pub(super) exit_code: Option<i32>,
    /// Whether output was cut at the limit.
    pub(super) truncated: bool,
    /// What the exit code does not say.
    pub(super) error: Option<String>,
    /// Whether the target may still have the run's directory.
    pub(super) litter: bool,
}

/// How the people who started an operation reach its workers.
#[derive(Debug)]
pub(super) struct Control {
    /// Set when the workers are to look up; why is below.
    pub(super) latch: Latch,
    /// Never set: for what must be done although `latch` is.
    pub(super) never: Latch,
    /// Set when the scripts are to be left alone, also by a worker that is stopping its script.
    pub(super) left: Latch,
    leaving: AtomicBool,
    closing: AtomicBool,
}

impl Control {
    /// Nothing was asked yet.
    pub(super) fn new() -> std::io::Result<Control> {
        Ok(Control {
            latch: Latch::new()?,
            never: Latch::new()?,
            left: Latch::new()?,
            leaving: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        })
    }

    /// Asks for the scripts to be stopped.
    pub(super) fn stop(&self) {
        self.latch.set();
    }

    /// The server stops: the scripts are to be left alone.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.leave();
    }

    /// Whether the server stops.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Asks for the scripts to be left alone; somebody else will follow them.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        self.left.set();
        self.latch.set();
    }

    /// Whether the scripts are to be left alone.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// Whether the scripts are to be stopped.
    pub(super) fn is_stopping(&self) -> bool {
        self.latch.is_set() && !self.is_leaving()
    }
}

/// The body of a worker's thread: ends when its conductor drops the other end of `jobs`.
pub(super) fn work(
    jobs: &Receiver<Job>,
    messages: &Sender<Message>,
    dial: &dyn Dial,
    control: &Control,
) {
    for job in jobs {
        let position = job.position;
        let ending = guard("execution", || perform(&job, messages, dial, control));
        let ending = ending.unwrap_or_else(|| Ending::Result(broken()));
        if messages.send(Message::Done { position, ending }).is_err() {
            return; // the conductor is gone, so nobody wants to know
        }
    }
}

fn perform(job: &Job, messages: &Sender<Message>, dial: &dyn Dial, control: &Control) -> Ending {
    let kept = job.resume.map_or((0, 0), |resume| resume.kept);
    let mut intakes = Intakes::new(job.limit, kept);
    let position = job.position;
    let tell = |stream: Stream, data: Vec<u8>| {
        if !data.is_empty() {
            let _ = messages.send(Message::Output { position, stream, data });
        }
    };
    let end = Run::new(job, dial, control, &mut intakes, &tell).execute();
    for stream in [Stream::Stdout, Stream::Stderr] {
        // What is held back of a run that goes on will be read again.
        if !matches!(end, End::Left | End::Absent) {
            tell(stream, intakes.of(stream).finish());
        }
    }
    conclude(end, intakes.truncated())
}

/// What an end means. Success is never assumed: it is the exit code 0 of a run not interfered with.
fn conclude(end: End, truncated: bool) -> Ending {
    let result = |status, exit_code, error, litter| {
        Ending::Result(Outcome { status, exit_code, truncated, error, litter })
    };
    match end {
        End::Left => Ending::Left,
        End::Absent => Ending::NotStarted,
        End::Code(0) => result(ExecutionStatus::Success, Some(0), None, true),
        End::Code(code) => result(ExecutionStatus::Failed, Some(code), None, true),
        End::Stopped(code, error) => result(ExecutionStatus::Stopped, code, error, true),
        End::TimedOut(code, error) => result(ExecutionStatus::Failed, code, Some(error), true),
        End::NeverRan => {
            let error = "stopped before it started".to_owned();
            result(ExecutionStatus::Stopped, None, Some(error), true) // there may be a claim
        }
        End::Refused(error) => result(ExecutionStatus::Failed, None, Some(error), false),
        End::Lost(error) => result(ExecutionStatus::Failed, None, Some(error), true),
    }
}

fn broken() -> Outcome {
    Outcome {
        status: ExecutionStatus::Failed,
        exit_code: None,
        truncated: false,
        error: Some("LinkOps failed while it ran this, see its log".to_owned()),
        litter: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_known_exit_code_of_zero_is_a_success() {
        let status = |end| match conclude(end, false) {
            Ending::Result(outcome) => outcome.status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status(End::Code(0)), ExecutionStatus::Success);
        assert_eq!(status(End::Code(1)), ExecutionStatus::Failed);
        assert_eq!(status(End::Stopped(Some(0), None)), ExecutionStatus::Stopped);
        assert_eq!(status(End::TimedOut(Some(0), String::new())), ExecutionStatus::Failed);
        assert_eq!(status(End::Lost(String::new())), ExecutionStatus::Failed);
        assert_eq!(status(End::Refused(String::new())), ExecutionStatus::Failed);
        assert_eq!(conclude(End::Absent, false), Ending::NotStarted);
        assert_eq!(conclude(End::Left, false), Ending::Left);
    }
}
