//! The schedule: which execution may start next. Pure rules, no thread and no clock.
//!
//! Each target is a lane; its scripts run in order, one at a time. A lane that has begun goes on
//! before a new one begins, so that a target is finished while its connection is warm. Lanes are
//! in waves: one wave is open, and the next one opens when it has ended, unless too many lanes
//! have failed by then.

use std::collections::VecDeque;
use std::ops::Range;

/// What is to be done, and within which limits.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// How many targets each wave has, one after the other.
    pub waves: Vec<usize>,
    /// Scripts on each target.
    pub scripts: usize,
    /// Executions at a time.
    pub limit: usize,
    /// Whether a failed script does not keep the later ones of its target from running.
    pub keep_going: bool,
    /// With more failed targets than this, no further wave begins.
    pub max_failures: usize,
}

/// What is still to be done of an operation. A position is `target × scripts + script`.
#[derive(Debug)]
pub struct Schedule {
    plan: Plan,
    /// Waves that have begun; the last of them is open.
    begun: usize,
    /// Lanes that wait for a place, in the order in which they get one.
    waiting: VecDeque<usize>,
    /// The next script of each lane, and where its scripts end that still have to run.
    next: Vec<usize>,
    last: Vec<usize>,
    /// Whether a script of the lane failed.
    failed: Vec<bool>,
    active: usize,
    /// The rest was given up; only what is put back starts again.
    halted: bool,
}

/// Too many targets have failed by the end of a wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// The wave after which it was, from 1.
    pub wave: usize,
    /// Targets that have failed in all.
    pub failed: usize,
    /// The positions that will not run any more: those of all later waves.
    pub positions: Vec<usize>,
}

impl Schedule {
    /// Everything is to be done, and the first wave is open.
    pub fn new(plan: Plan) -> Schedule {
        let lanes = plan.waves.iter().sum();
        let mut schedule = Schedule {
            begun: 0,
            waiting: VecDeque::new(),
            next: vec![0; lanes],
            last: vec![plan.scripts; lanes],
            failed: vec![false; lanes],
            active: 0,
            halted: false,
            plan,
        };
        schedule.open();
        schedule
    }

    /// Takes up a lane after a restart: its scripts `open` have no end yet, and the first of them is
    /// running when `running` is set. Those before have ended, one of them badly when `failed` is set;
    /// those behind were given up when somebody stopped the operation. Lanes come in order.
    pub fn resume(&mut self, lane: usize, open: Range<usize>, failed: bool, running: bool) {
        while (open.start > 0 || running) && lane >= self.end() {
            self.open();
        }
        self.next[lane] = open.start;
        self.last[lane] = open.end;
        self.failed[lane] = failed;
        self.waiting.retain(|one| *one != lane);
        if running {
            self.active += 1;
            self.next[lane] += 1;
        } else if !open.is_empty() && lane < self.end() {
            self.waiting.push_back(lane);
        }
    }

    /// Goes on to the next wave when the open one has ended; or gives up instead, once.
    #[must_use]
    pub fn next_wave(&mut self) -> Option<GivenUp> {
        while self.active == 0 && self.waiting.is_empty() && self.begun < self.plan.waves.len() {
            let failed = self.failed.iter().filter(|failed| **failed).count();
            if failed > self.plan.max_failures {
                let wave = self.begun;
                return Some(GivenUp { wave, failed, positions: self.halt() });
            }
            self.open();
        }
        None
    }

    /// The position to start now, if there is one; it counts as running from here on.
    pub fn start(&mut self) -> Option<usize> {
        if self.active >= self.plan.limit {
            return None;
        }
        let lane = self.waiting.pop_front()?;
        let position = lane * self.plan.scripts + self.next[lane];
        self.next[lane] += 1;
        self.active += 1;
        Some(position)
    }

    /// A running execution has ended. The positions given back will not run any more.
    #[must_use]
    pub fn ended(&mut self, position: usize, success: bool) -> Vec<usize> {
        self.active -= 1;
        let lane = position / self.plan.scripts;
        self.failed[lane] |= !success;
        if self.halted {
            return Vec::new();
        }
        if success || self.plan.keep_going {
            if self.next[lane] < self.last[lane] {
                self.waiting.push_front(lane);
            }
            return Vec::new();
        }
        self.abandon(lane)
    }

    /// A running execution turned out not to have started; it is to be started again.
    pub fn put_back(&mut self, position: usize) {
        self.active -= 1;
        let lane = position / self.plan.scripts;
        self.next[lane] = position % self.plan.scripts;
        self.waiting.push_front(lane);
    }

    /// Nothing more is to be started. The positions given back will not run any more.
    #[must_use]
    pub fn halt(&mut self) -> Vec<usize> {
        self.waiting.clear();
        self.begun = self.plan.waves.len();
        self.halted = true;
        (0..self.next.len()).flat_map(|lane| self.abandon(lane)).collect()
    }

    /// How many executions are running.
    pub fn active(&self) -> usize {
        self.active
    }

    /// Where the lanes of the waves that have begun end.
    fn end(&self) -> usize {
        self.plan.waves[..self.begun].iter().sum()
    }

    fn open(&mut self) {
        let first = self.end();
        self.begun = (self.begun + 1).min(self.plan.waves.len());
        let to_do = |lane: &usize| self.next[*lane] < self.last[*lane];
        self.waiting.extend((first..self.end()).filter(to_do));
    }

    fn abandon(&mut self, lane: usize) -> Vec<usize> {
        let rest = self.next[lane]..self.last[lane];
        self.last[lane] = self.next[lane];
        rest.map(|script| lane * self.plan.scripts + script).collect()
    }
}

#[cfg(test)]
mod tests;
