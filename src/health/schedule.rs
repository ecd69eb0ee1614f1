//! Which machine is checked when. Rules over data: the monitor tells what happened, and asks who
//! is due.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A machine of the inventory, as the schedule needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: String,
    /// How long ago its present entry was checked; none when never.
    pub(super) age: Option<Duration>,
}

/// Where a machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Due(Instant),
    /// It is being checked; `again` when its entry changed meanwhile.
    Running {
        again: bool,
    },
}

/// The times at which machines are due.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    turns: BTreeMap<String, Turn>,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Schedule {
        Schedule { interval, turns: BTreeMap::new() }
    }

    /// Takes over the inventory. A machine that was never checked is due at once, the others when
    /// their last check is an interval old; those that are gone are forgotten.
    pub(super) fn follow(&mut self, machines: Vec<Known>, now: Instant) {
        let mut old = std::mem::take(&mut self.turns);
        for Known { id, age } in machines {
            let turn = match (old.remove(&id), age) {
                (Some(Turn::Running { .. }), None) => Turn::Running { again: true },
                (Some(turn), Some(_)) => turn,
                (_, None) => Turn::Due(now),
                (None, Some(age)) => Turn::Due(now + self.interval.saturating_sub(age)),
            };
            self.turns.insert(id, turn);
        }
        // Who is being checked stays until its check has ended, so that it is not begun twice.
        old.retain(|_, turn| matches!(turn, Turn::Running { .. }));
        self.turns.extend(old.into_keys().map(|id| (id, Turn::Running { again: false })));
    }

    /// Takes the machine that has been due for longest. It is not due again before
    /// [`Schedule::ended`].
    pub(super) fn take(&mut self, now: Instant) -> Option<String> {
        let (due, id) = self.due().min()?;
        if due > now {
            return None;
        }
        let id = id.clone();
        self.turns.insert(id.clone(), Turn::Running { again: false });
        Some(id)
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due().min().map(|(due, _)| due)
    }

    /// Its check has ended. `jitter`, from 0 to 1, moves its next one by up to a tenth of the
    /// interval to either side, so that machines that began together drift apart.
    pub(super) fn ended(&mut self, id: &str, now: Instant, jitter: f64) {
        let pause = self.interval.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0));
        if let Some(turn) = self.turns.get_mut(id) {
            let again = matches!(turn, Turn::Running { again: true });
            *turn = Turn::Due(if again { now } else { now + pause });
        }
    }

    fn due(&self) -> impl Iterator<Item = (Instant, &String)> {
        self.turns.iter().filter_map(|(id, turn)| match turn {
            Turn::Due(due) => Some((*due, id)),
            Turn::Running { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);

    fn known(id: &str, age: Option<u64>) -> Known {
        Known { id: id.to_owned(), age: age.map(Duration::from_secs) }
    }

    fn drain(schedule: &mut Schedule, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| schedule.take(now)).collect()
    }

    #[test]
    fn a_start_checks_the_unchecked_and_leaves_the_others_their_interval() {
        let now = Instant::now();
        let mut schedule = Schedule::new(INTERVAL);
        let list = vec![known("a", Some(299)), known("b", None), known("c", Some(300))];
        schedule.follow(list, now);
        assert_eq!(drain(&mut schedule, now), ["b", "c"]);
        assert_eq!(schedule.next(), Some(now + Duration::from_secs(1)));
        assert_eq!(drain(&mut schedule, now + Duration::from_secs(1)), ["a"]);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn the_next_check_comes_an_interval_later_and_a_tenth_to_either_side() {
        let now = Instant::now();
        for (jitter, seconds) in [(0.0, 270), (0.5, 300), (1.0, 330), (9.0, 330)] {
            let mut schedule = Schedule::new(INTERVAL);
            schedule.follow(vec![known("a", None)], now);
            assert_eq!(schedule.take(now).as_deref(), Some("a"));
            schedule.ended("a", now, jitter);
            assert_eq!(schedule.next(), Some(now + Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn a_sync_brings_new_and_changed_machines_at_once_and_forgets_those_that_are_gone() {
        let now = Instant::now();
        let mut schedule = Schedule::new(INTERVAL);
        schedule.follow(vec![known("a", Some(0)), known("b", Some(0))], now);
        schedule.follow(vec![known("b", None), known("c", None)], now);
        assert_eq!(drain(&mut schedule, now), ["b", "c"]);
        schedule.follow(vec![known("c", None)], now);
        assert_eq!(drain(&mut schedule, now), Vec::<String>::new(), "c is being checked");
        schedule.ended("c", now, 0.5);
        assert_eq!(drain(&mut schedule, now), ["c"], "once more, as its entry changed");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever happens, no machine is taken while it is being checked.
        #[test]
        fn no_machine_is_checked_twice_at_once(
            steps in prop::collection::vec((0..4_u8, 0..5_usize, 0..400_u64), 1..60),
        ) {
            let ids = ["a", "b", "c", "d", "e"];
            let mut now = Instant::now();
            let mut schedule = Schedule::new(INTERVAL);
            let mut running: Vec<String> = Vec::new();
            for (what, which, seconds) in steps {
                now += Duration::from_secs(seconds);
                match what {
                    0 => schedule.follow(ids[..which].iter().map(|id| known(id, None)).collect(), now),
                    1 => schedule.follow(ids[which..].iter().map(|id| known(id, Some(9))).collect(), now),
                    2 => for id in drain(&mut schedule, now) {
                        prop_assert!(!running.contains(&id), "{} twice", id);
                        running.push(id);
                    },
                    _ => if let Some(id) = running.pop() {
                        schedule.ended(&id, now, 0.3);
                    },
                }
            }
        }
    }
}
