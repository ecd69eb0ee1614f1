//! Operations: one run of scripts on targets. Submission, queue, schedule, transcript, results;
//! and the promise that a run outlives its connection and LinkOps itself.
//!
//! A submission writes its rows and puts the id into a bounded queue. The queue's thread starts a
//! conductor per operation, which decides the schedule, hands executions to workers and is the
//! only writer of the operation's rows and of its transcript. Readers are cursors.

mod cleanup;
mod conductor;
mod difference;
mod groups;
mod output;
mod queue;
mod remote;
mod retry;
mod run;
mod schedule;
mod store;
mod submit;
mod targets;
mod transcript;
mod waves;
mod way;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use difference::{Comparison, Difference, Named};
pub use groups::Group;
pub use queue::Operations;
pub use retry::Unfinished;
pub use schedule::{GivenUp, Plan, Schedule};
pub use store::{Cursor, Filter, Log, Page, ScriptOutput};
pub use submit::Request;
pub use targets::{Choice, Targets};
pub use transcript::{Batch, Event, Reader, Transcript, What};
pub use waves::{Share, Wave};

use crate::error::{Error, Noun};
use crate::inventory::route::Keys;
use crate::words::words;

/// The limits of operations, and where the keys are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Executions at a time when the request does not say.
    pub default_concurrency: usize,
    /// The most a request may ask for.
    pub max_concurrency: usize,
    /// How long one script may run.
    pub script_timeout: Duration,
    /// For our own short commands on a machine.
    pub command_timeout: Duration,
    /// Bytes kept per stream of an execution.
    pub output_limit: usize,
    /// Between TERM and KILL.
    pub stop_grace: Duration,
    /// Operations that run at the same time.
    pub max_running: usize,
    /// Operations that wait for their turn.
    pub queue_size: usize,
    /// Between tries to reach a machine whose run was cut off.
    pub retry_delay: Duration,
    /// Whether machines that are not enrolled are refused for everybody.
    pub enrollment_required: bool,
    /// Where `keyRef` names are looked up.
    pub keys: Keys,
}

/// The number of an operation, written `OP-10001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub i64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OP-{}", self.0)
    }
}

impl FromStr for Id {
    type Err = Error;

    fn from_str(text: &str) -> Result<Id, Error> {
        let number = text.strip_prefix("OP-").filter(|one| one.bytes().all(|b| b.is_ascii_digit()));
        number
            .and_then(|one| one.parse().ok())
            .map(Id)
            .ok_or_else(|| Error::not_found(Noun::Operation, text))
    }
}

words!(
    /// Where an operation stands.
    Status {
        /// It waits for its turn.
        Queued = "queued",
        /// It has begun.
        Running = "running",
        /// All targets succeeded.
        Success = "success",
        /// No target succeeded.
        Failed = "failed",
        /// Some targets succeeded.
        Partial = "partial",
        /// It was stopped before its end.
        Stopped = "stopped",
    }
);

words!(
    /// Where an execution stands.
    ExecutionStatus {
        /// It waits for its turn.
        Queued = "queued",
        /// It was handed to a worker.
        Running = "running",
        /// The exit code is 0.
        Success = "success",
        /// It did not succeed.
        Failed = "failed",
        /// It was stopped on request.
        Stopped = "stopped",
        /// An earlier script of its target failed, or too many targets of earlier waves.
        Skipped = "skipped",
    }
);

impl Status {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        !matches!(self, Status::Queued | Status::Running)
    }
}

impl ExecutionStatus {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        !matches!(self, ExecutionStatus::Queued | ExecutionStatus::Running)
    }
}

/// Executions by how they ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// With exit code 0.
    pub success: u32,
    /// Otherwise by themselves, by time-out, or unknown.
    pub failed: u32,
    /// On request.
    pub stopped: u32,
    /// Not at all, after earlier failures.
    pub skipped: u32,
}

impl Tally {
    /// Counts statuses.
    pub fn of(statuses: impl IntoIterator<Item = ExecutionStatus>) -> Tally {
        let mut tally = Tally::default();
        for status in statuses {
            match status {
                ExecutionStatus::Success => tally.success += 1,
                ExecutionStatus::Failed => tally.failed += 1,
                ExecutionStatus::Stopped => tally.stopped += 1,
                ExecutionStatus::Skipped => tally.skipped += 1,
                ExecutionStatus::Queued | ExecutionStatus::Running => {}
            }
        }
        tally
    }
}

/// An operation without its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its number.
    pub id: Id,
    /// The scripts' ids, in the order in which they run on each target.
    pub scripts: Vec<String>,
    /// The links' ids.
    pub targets: Vec<String>,
    /// The flags of each script.
    pub flags: BTreeMap<String, Vec<String>>,
    /// Executions at a time.
    pub concurrency: usize,
    /// Whether scripts run after an earlier one failed on the same target.
    pub keep_going: bool,
    /// Whether client ids are checked before scripts run.
    pub check_ids: bool,
    /// Where it stands.
    pub status: Status,
    /// Who asked for it.
    pub triggered_by: String,
    /// The commit of the scripts.
    pub commit_hash: String,
    /// How many targets each wave has, in their order; none when all run at once.
    pub waves: Option<Vec<usize>>,
    /// A wave that ends with more failed targets than this is the last one.
    pub max_failures: usize,
    /// The operation that this one repeats in part.
    pub retry_of: Option<Id>,
    /// When it was asked for, in milliseconds since the epoch.
    pub created_at: i64,
    /// When it began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Its executions by status.
    pub tally: Tally,
}

impl Operation {
    /// The target and the script of the execution at `position`.
    ///
    /// # Panics
    /// The position is not one of this operation.
    pub fn execution(&self, position: usize) -> (&str, &str) {
        let scripts = self.scripts.len();
        (&self.targets[position / scripts], &self.scripts[position % scripts])
    }

    /// The targets of each wave; none when all run at once.
    pub fn waves(&self) -> Option<Vec<&[String]>> {
        let mut rest = &self.targets[..];
        let mut take = |size: &usize| {
            let (wave, later) = rest.split_at((*size).min(rest.len()));
            rest = later;
            wave
        };
        Some(self.waves.as_ref()?.iter().map(&mut take).collect())
    }

    /// The number of executions.
    pub fn total(&self) -> usize {
        self.targets.len() * self.scripts.len()
    }
}

/// The final status (P17): stopped when something was stopped; else success if all targets
/// succeeded, failed if none did, partial otherwise. `targets` has the statuses of each target's
/// executions.
#[must_use]
pub fn final_status<'a>(targets: impl IntoIterator<Item = &'a [ExecutionStatus]>) -> Status {
    let (mut good, mut bad) = (0, 0);
    for executions in targets {
        if executions.contains(&ExecutionStatus::Stopped) {
            return Status::Stopped;
        }
        if executions.iter().all(|one| *one == ExecutionStatus::Success) {
            good += 1;
        } else {
            bad += 1;
        }
    }
    match (good, bad) {
        (_, 0) => Status::Success,
        (0, _) => Status::Failed,
        _ => Status::Partial,
    }
}

/// Whether a machine's client id is checked: always while the configuration demands it, else when
/// both the request and the inventory want it.
#[must_use]
pub fn needs_enrollment(configured: bool, requested: bool, machine: bool) -> bool {
    configured || (requested && machine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// P17: success if all targets succeeded, failed if none did, partial otherwise.
        #[test]
        fn p17_the_status_follows_the_targets(
            targets in proptest::collection::vec(
                proptest::collection::vec(
                    prop_oneof![
                        3 => Just(ExecutionStatus::Success),
                        1 => Just(ExecutionStatus::Failed),
                        1 => Just(ExecutionStatus::Skipped),
                    ],
                    1..4,
                ),
                1..6,
            ),
        ) {
            let good = targets
                .iter()
                .filter(|one| one.iter().all(|status| *status == ExecutionStatus::Success))
                .count();
            let expected = if good == targets.len() {
                Status::Success
            } else if good == 0 {
                Status::Failed
            } else {
                Status::Partial
            };
            prop_assert_eq!(final_status(targets.iter().map(Vec::as_slice)), expected);
        }

        #[test]
        fn ids_are_written_and_read_back(number in 0_i64..) {
            prop_assert_eq!(Id(number).to_string().parse::<Id>().unwrap(), Id(number));
        }
    }

    #[test]
    fn other_ids_are_not_found() {
        for text in
            ["", "OP-", "OP-x", "OP-+1", "OP--1", "op-10001", "10001", "OP-99999999999999999999"]
        {
            assert!(text.parse::<Id>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn enrollment_is_needed_as_configured_and_asked_for() {
        let table = [
            (true, true, true, true),
            (true, true, false, true),
            (true, false, true, true),
            (true, false, false, true),
            (false, true, true, true),
            (false, true, false, false),
            (false, false, true, false),
            (false, false, false, false),
        ];
        for (configured, requested, machine, needed) in table {
            assert_eq!(needs_enrollment(configured, requested, machine), needed);
        }
    }
}
