//! The schedule: which execution may start next. Pure rules, no thread and no clock.
//!
//! Each target is a lane; its scripts run in order, one at a time. A lane that has begun goes on
//! before a new one begins, so that a target is finished while its connection is warm.

use std::collections::VecDeque;

/// What is still to be done of an operation. A position is `target × scripts + script`.
#[derive(Debug)]
pub struct Schedule {
    scripts: usize,
    limit: usize,
    keep_going: bool,
    /// Lanes that wait for a place, in the order in which they get one.
    waiting: VecDeque<usize>,
    /// The next script of each lane.
    next: Vec<usize>,
    active: usize,
}

impl Schedule {
    /// Everything is to be done, at most `limit` executions at a time. With `keep_going` a failed
    /// script does not keep the later ones of its target from running.
    pub fn new(targets: usize, scripts: usize, limit: usize, keep_going: bool) -> Schedule {
        let waiting = (0..targets).filter(|_| scripts > 0).collect();
        Schedule { scripts, limit, keep_going, waiting, next: vec![0; targets], active: 0 }
    }

    /// Takes up a lane after a restart: its first `done` scripts have ended, and the next one is
    /// running when `running` is set. Lanes that are not taken up start from their beginning.
    pub fn resume(&mut self, lane: usize, done: usize, running: bool) {
        self.next[lane] = done;
        self.waiting.retain(|one| *one != lane);
        if running {
            self.active += 1;
            self.next[lane] += 1;
        } else if done < self.scripts {
            self.waiting.push_back(lane);
        }
    }

    /// The position to start now, if there is one; it counts as running from here on.
    pub fn start(&mut self) -> Option<usize> {
        if self.active >= self.limit {
            return None;
        }
        let lane = self.waiting.pop_front()?;
        let position = lane * self.scripts + self.next[lane];
        self.next[lane] += 1;
        self.active += 1;
        Some(position)
    }

    /// A running execution has ended. The positions given back will not run any more.
    #[must_use]
    pub fn ended(&mut self, position: usize, success: bool) -> Vec<usize> {
        self.active -= 1;
        let lane = position / self.scripts;
        if success || self.keep_going {
            if self.next[lane] < self.scripts {
                self.waiting.push_front(lane);
            }
            return Vec::new();
        }
        self.abandon(lane)
    }

    /// A running execution turned out not to have started; it is to be started again.
    pub fn put_back(&mut self, position: usize) {
        self.active -= 1;
        let lane = position / self.scripts;
        self.next[lane] = position % self.scripts;
        self.waiting.push_front(lane);
    }

    /// Nothing more is to be started. The positions given back will not run any more.
    #[must_use]
    pub fn halt(&mut self) -> Vec<usize> {
        self.waiting.clear();
        (0..self.next.len()).flat_map(|lane| self.abandon(lane)).collect()
    }

    /// How many executions are running.
    pub fn active(&self) -> usize {
        self.active
    }

    fn abandon(&mut self, lane: usize) -> Vec<usize> {
        let rest = self.next[lane]..self.scripts;
        self.next[lane] = self.scripts;
        rest.map(|script| lane * self.scripts + script).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lane_that_has_begun_goes_first() {
        let mut schedule = Schedule::new(3, 2, 2, false);
        assert_eq!(
            (schedule.start(), schedule.start(), schedule.start()),
            (Some(0), Some(2), None)
        );
        assert!(schedule.ended(2, true).is_empty());
        assert_eq!(schedule.start(), Some(3));
    }

    #[test]
    fn a_failure_skips_the_rest_of_its_target_only() {
        let mut schedule = Schedule::new(2, 3, 1, false);
        assert_eq!(schedule.start(), Some(0));
        assert_eq!(schedule.ended(0, false), [1, 2]);
        assert_eq!(schedule.start(), Some(3));
        assert_eq!(schedule.halt(), [4, 5]);
        assert!(schedule.ended(3, true).is_empty());
        assert_eq!((schedule.start(), schedule.active()), (None, 0));
    }

    #[test]
    fn a_restart_goes_on_where_it_was() {
        let mut schedule = Schedule::new(3, 2, 5, false);
        schedule.resume(0, 2, false); // finished
        schedule.resume(1, 0, true); // its first script is running
        assert_eq!((schedule.start(), schedule.start()), (Some(4), None));
        assert!(schedule.ended(2, true).is_empty());
        assert_eq!(schedule.start(), Some(3));
        schedule.put_back(3);
        assert_eq!(schedule.start(), Some(3));
    }

    proptest! {
        /// P18: never more than N at once; each execution runs once or is skipped, in order.
        #[test]
        fn p18_never_more_than_n_at_once(
            targets in 0_usize..8,
            scripts in 1_usize..5,
            limit in 1_usize..6,
            keep_going: bool,
            choices in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 40),
        ) {
            let mut schedule = Schedule::new(targets, scripts, limit, keep_going);
            let mut running: Vec<usize> = Vec::new();
            let mut seen = vec![0; targets * scripts];
            for (choice, success) in choices {
                while let Some(position) = schedule.start() {
                    prop_assert!(!running.iter().any(|one| one / scripts == position / scripts));
                    prop_assert!(seen[position] == 0);
                    seen[position] += 1;
                    running.push(position);
                }
                prop_assert!(running.len() <= limit);
                prop_assert_eq!(running.len(), schedule.active());
                if running.is_empty() {
                    break;
                }
                let position = running.swap_remove(choice.index(running.len()));
                for skipped in schedule.ended(position, success) {
                    prop_assert!(!keep_going && skipped > position);
                    seen[skipped] += 1;
                }
            }
            prop_assert!(seen.iter().all(|times| *times == 1));
        }
    }
}
