//! What the conductor hands to its workers: all that is needed to start an execution, or to follow
//! one that was started before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Conductor;
use crate::error::{Error, Result};
use crate::inventory::Place;
use crate::operations::needs_enrollment;
use crate::operations::way::{self, Way};
use crate::operations::worker::{Job, Resume};

impl Conductor {
    /// The job to start an execution where the inventory has its target. One that had no luck there
    /// before is not started elsewhere: whatever happened, there is at most one run of it.
    pub(super) fn start_job(&self, position: usize) -> Result<Job> {
        let way = self.way(position)?;
        match way.moved {
            None => Ok(self.job(position, way)),
            Some(moved) => Err(Error::Internal(format!("not started again: {moved}"))),
        }
    }

    /// The job to follow an execution that may be running, where it was started.
    pub(super) fn follow_job(
        &self,
        position: usize,
        kept: &BTreeMap<usize, (usize, usize)>,
    ) -> Result<Job> {
        let way = self.way(position).map_err(|error| {
            let place = self.executions[position].place.as_ref();
            let place = place.map_or(String::new(), |place| format!(" on {place}"));
            Error::Internal(format!("{error}; the script may still be running{place}"))
        })?;
        if let Some(moved) = &way.moved {
            let (link, _) = self.operation.execution(position);
            let id = self.operation.id.to_string();
            log::warn!(operation = id.as_str(), link = link; "followed where it is: {moved}");
        }
        let resume = Some(self.resume_point(position, kept));
        Ok(Job { resume, ..self.job(position, way) })
    }

    fn way(&self, position: usize) -> Result<Way> {
        let (link, _) = self.operation.execution(position);
        let started = self.executions[position].place.as_ref();
        let shared = &self.shared;
        way::to(&shared.store, &shared.settings.keys, link, started).map_err(|error| match error {
            Error::NotFound { id, .. } if id == link => {
                Error::Internal("the link is no longer in the inventory".to_owned())
            }
            Error::NotFound { id, .. } => {
                Error::Internal(format!("its jump host {id:?} is no longer in the inventory"))
            }
            other => other,
        })
    }

    fn resume_point(&self, position: usize, kept: &BTreeMap<usize, (usize, usize)>) -> Resume {
        let started = self.executions[position].started_at.unwrap_or(0);
        let passed = self.shared.clock.now().saturating_sub(started).max(0).unsigned_abs();
        let left =
            self.shared.settings.script_timeout.saturating_sub(Duration::from_millis(passed));
        let kept = kept.get(&position).copied().unwrap_or_default();
        Resume { kept, deadline: Instant::now() + left }
    }

    fn job(&self, position: usize, way: Way) -> Job {
        let Way { machine, target, moved } = way;
        let (_, script) = self.operation.execution(position);
        let settings = &self.shared.settings;
        let check = needs_enrollment(
            settings.enrollment_required,
            self.operation.check_ids,
            machine.enrollment.required,
        );
        Job {
            position,
            run_id: self.executions[position].run_id.clone(),
            place: Place::of(&machine),
            target,
            moved,
            text: Arc::clone(&self.texts[position % self.operation.scripts.len()]),
            flags: self.operation.flags.get(script).cloned().unwrap_or_default(),
            client: check.then_some((machine.enrollment.path, machine.enrollment.id)),
            limit: settings.output_limit,
            resume: None,
            timeout: settings.script_timeout,
            grace: settings.stop_grace,
            command_timeout: settings.command_timeout,
            retry_delay: settings.retry_delay,
        }
    }
}
