//! Running the rest of an operation once more, as a new operation.

use super::store::{self, Log};
use super::targets::{self, Targets};
use super::waves::{Share, Wave};
use super::{ExecutionStatus, Id, Operation, Operations, Request};
use crate::audit::Actor;
use crate::error::{Error, Result};
use crate::words::words;

words!(
    /// Which targets of an operation have something left to do.
    Unfinished {
        /// Those on which a script failed.
        Failed = "failed",
        /// Those on which no script was ever started.
        NotStarted = "not_started",
        /// All on which not every script succeeded.
        All = "all_unfinished",
    }
);

impl Unfinished {
    /// Whether a target with these executions is one of them.
    fn has(self, executions: &[Log]) -> bool {
        let has = |status| executions.iter().any(|one| one.status == status);
        match self {
            Unfinished::Failed => has(ExecutionStatus::Failed),
            Unfinished::NotStarted => {
                executions.iter().all(|one| one.started_at.is_none())
                    && !has(ExecutionStatus::Failed)
            }
            Unfinished::All => executions.iter().any(|one| one.status != ExecutionStatus::Success),
        }
    }
}

impl Operations {
    /// Runs the scripts of an operation that has ended on targets that it left unfinished: with its
    /// flags and limits, in what is left of its waves, and with the texts of today's commit.
    ///
    /// # Errors
    /// It has not ended, there is nothing left to do, or whatever a submission can be refused for.
    pub fn retry(&self, id: Id, which: Unfinished, by: &Actor) -> Result<Id> {
        let (operation, logs) =
            self.shared.store.read(|db| Ok((store::operation(db, id)?, store::logs(db, id)?)))?;
        if !operation.status.is_final() {
            return Err(Error::Running { id: id.to_string() });
        }
        let left: Vec<bool> =
            logs.chunks(operation.scripts.len()).map(|one| which.has(one)).collect();
        if !left.contains(&true) {
            let word = which.as_str();
            return Err(targets::none(&format!("no target of {id} is left as {word:?}")));
        }
        let settings = &self.shared.settings;
        let mut request = request(operation, &left);
        // They may have become stricter since.
        request.concurrency = request.concurrency.map(|most| most.min(settings.max_concurrency));
        request.require_enrollment |= settings.enrollment_required;
        self.submit(request, by)
    }
}

/// The same once more for the targets that are `left`.
fn request(operation: Operation, left: &[bool]) -> Request {
    let mut rest = left;
    let mut left_of = |size: &usize| {
        let (wave, later) = rest.split_at((*size).min(rest.len()));
        rest = later;
        wave.iter().filter(|left| **left).count()
    };
    let waves = operation.waves.map(|sizes| {
        let counts = sizes.iter().map(&mut left_of).filter(|count| *count > 0);
        counts.map(|count| Wave::Next(Share::Count(count))).collect()
    });
    let targets = operation.targets.into_iter().zip(left).filter(|(_, left)| **left);
    Request {
        scripts: operation.scripts,
        targets: Targets::Named(targets.map(|(target, _)| target).collect()),
        flags: operation.flags,
        concurrency: Some(operation.concurrency),
        require_enrollment: operation.check_ids,
        keep_going: operation.keep_going,
        waves,
        max_failures: Share::Count(operation.max_failures),
        retry_of: Some(operation.id),
    }
}
