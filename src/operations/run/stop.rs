//! Stopping a run: the program that does it, beside the script or on a connection of its own, and what
//! it tells.

use std::time::Instant;

use super::{Run, Why};
use crate::operations::remote;
use crate::ssh::program::{COMMAND, Program};
use crate::ssh::{Failure, Line};

impl Run<'_> {
    pub(super) fn stop_for(&mut self, why: Why) {
        if self.stopping.is_none() {
            self.stopping = Some(why);
            self.deadline = Instant::now() + self.job.grace + self.margin();
        }
    }

    fn stop_program(&self) -> Program {
        remote::stop(&self.job.run_id, self.job.grace.as_secs())
    }

    pub(super) fn stop_beside(&mut self, line: &mut dyn Line) -> Result<(), Failure> {
        let input = self.stop_program().input(b"");
        let sent = line.beside(COMMAND, &input, Instant::now() + self.margin());
        self.stop_sent = sent.as_ref().map_or_else(Failure::may_have_started, |()| true);
        sent
    }

    pub(super) fn run_stop(&mut self, line: &mut dyn Line) -> bool {
        let deadline = Instant::now() + self.job.grace + self.margin();
        match self.stop_program().call(line, 4096, Some(&self.control.left), deadline) {
            Ok(answer) => {
                self.stopped(answer.words.as_deref().unwrap_or_default());
                true
            }
            Err(failure) => {
                self.stop_sent_before |= failure.may_have_started();
                false
            }
        }
    }

    /// It may have been cut off in the middle, so it is run again.
    pub(super) fn forget_stop(&mut self) {
        self.stop_sent_before |= self.stop_sent;
        self.stop_sent = false;
    }

    /// What the stop program said of itself, among other words.
    pub(super) fn stopped(&mut self, words: &str) {
        let last = words.split_whitespace().last();
        match last {
            // By itself, if it was not by an earlier one.
            Some("over") => self.over = !self.stop_sent_before,
            Some("left") => self.left = true,
            _ => {}
        }
    }

    /// Ends what a killed run may have left behind.
    pub(super) fn sweep(&mut self) {
        if let Ok(mut line) = self.dial.dial(&self.job.target, &self.control.left) {
            self.run_stop(line.as_mut());
        }
    }
}
