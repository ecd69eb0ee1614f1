//! The schedule by itself, and against a model with restarts and stops at any moment.

use super::*;
use crate::operations::conductor::open;
use crate::operations::{ExecutionStatus, Status, final_status};
use proptest::prelude::*;

fn plan(waves: &[usize], scripts: usize, limit: usize) -> Plan {
    Plan { waves: waves.to_vec(), scripts, limit, ..Plan::default() }
}

#[test]
fn a_lane_that_has_begun_goes_first() {
    let mut schedule = Schedule::new(plan(&[3], 2, 2));
    assert_eq!((schedule.start(), schedule.start(), schedule.start()), (Some(0), Some(2), None));
    assert!(schedule.ended(2, true).is_empty());
    assert_eq!(schedule.start(), Some(3));
}

#[test]
fn a_failure_skips_the_rest_of_its_target_only() {
    let mut schedule = Schedule::new(plan(&[2], 3, 1));
    assert_eq!(schedule.start(), Some(0));
    assert_eq!(schedule.ended(0, false), [1, 2]);
    assert_eq!(schedule.start(), Some(3));
    assert_eq!(schedule.halt(), [4, 5]);
    assert!(schedule.ended(3, true).is_empty());
    assert_eq!((schedule.next_wave(), schedule.start(), schedule.active()), (None, None, 0));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut schedule = Schedule::new(plan(&[3], 2, 5));
    schedule.resume(0, 2..2, false, false); // finished
    schedule.resume(1, 0..2, false, true); // its first script is running
    assert_eq!((schedule.start(), schedule.start()), (Some(4), None));
    assert!(schedule.ended(2, true).is_empty());
    assert_eq!(schedule.start(), Some(3));
    schedule.put_back(3);
    assert_eq!(schedule.start(), Some(3));
}

/// What a stop gave up before the restart has its end.
#[test]
fn a_restart_after_a_stop_gives_up_nothing_twice() {
    let mut schedule = Schedule::new(plan(&[2], 3, 5));
    schedule.resume(0, 0..1, false, true); // its other scripts were given up
    schedule.resume(1, 1..3, false, true);
    assert_eq!(schedule.halt(), [5]);
    schedule.put_back(0);
    assert_eq!(schedule.halt(), [0]);
    let mut schedule = Schedule::new(plan(&[1], 3, 5));
    schedule.resume(0, 0..1, false, true);
    assert!(schedule.ended(0, false).is_empty());
}

#[test]
fn a_wave_waits_for_the_one_before() {
    let mut schedule = Schedule::new(plan(&[1, 2], 1, 5));
    assert_eq!((schedule.start(), schedule.start()), (Some(0), None));
    assert_eq!((schedule.next_wave(), schedule.start()), (None, None));
    assert!(schedule.ended(0, true).is_empty());
    assert_eq!((schedule.next_wave(), schedule.start()), (None, Some(1)));
    assert_eq!((schedule.start(), schedule.start()), (Some(2), None));
}

/// The edge of the stop rule: as many failures as allowed, and one more.
#[test]
fn one_failure_too_many_is_the_end() {
    for (allowed, given_up) in [(2, false), (1, true)] {
        let mut schedule =
            Schedule::new(Plan { max_failures: allowed, ..plan(&[1, 2, 1, 1], 1, 2) });
        assert_eq!(schedule.start(), Some(0));
        assert!(schedule.ended(0, false).is_empty());
        assert_eq!(schedule.next_wave(), None);
        assert_eq!((schedule.start(), schedule.start()), (Some(1), Some(2)));
        assert!(schedule.ended(2, false).is_empty() && schedule.ended(1, true).is_empty());
        let end = GivenUp { wave: 2, failed: 2, positions: vec![3, 4] };
        assert_eq!(schedule.next_wave(), given_up.then_some(end));
        assert_eq!(schedule.start(), (!given_up).then_some(3));
        assert_eq!(schedule.next_wave(), None, "it is said once");
    }
}

/// A restart between the end of a wave and the decision: the rule is applied to the rows.
#[test]
fn a_restart_at_the_end_of_a_wave_decides_anew() {
    for failed in [false, true] {
        let mut schedule = Schedule::new(plan(&[1, 2], 1, 5));
        schedule.resume(0, 1..1, failed, false);
        schedule.resume(1, 0..1, false, false);
        schedule.resume(2, 0..1, false, false);
        let end = GivenUp { wave: 1, failed: 1, positions: vec![1, 2] };
        assert_eq!(schedule.next_wave(), failed.then_some(end));
        assert_eq!(schedule.start(), (!failed).then_some(1));
    }
}

/// What happens next in a model run.
#[derive(Debug, Clone)]
enum Act {
    /// One that runs ends, well or badly.
    Ends(prop::sample::Index, bool),
    /// One that runs turns out not to have started.
    PutsBack(prop::sample::Index),
    /// The process is killed and started again.
    Restarts,
    /// Somebody stops it.
    Stops,
}

/// An operation as its rows have it, beside the schedule that decides it.
struct Model {
    plan: Plan,
    schedule: Schedule,
    rows: Vec<ExecutionStatus>,
    stopped: bool,
    given_up: Option<usize>,
}

impl Model {
    fn new(plan: Plan) -> Model {
        let rows = vec![ExecutionStatus::Queued; plan.waves.iter().sum::<usize>() * plan.scripts];
        let schedule = Schedule::new(plan.clone());
        Model { plan, schedule, rows, stopped: false, given_up: None }
    }

    fn running(&self) -> Vec<usize> {
        let running = |at: &usize| self.rows[*at] == ExecutionStatus::Running;
        (0..self.rows.len()).filter(running).collect()
    }

    /// The first position of the wave that a position is in.
    fn wave_of(&self, position: usize) -> usize {
        let lane = position / self.plan.scripts;
        let mut first = 0;
        for size in &self.plan.waves {
            if lane < first + size {
                break;
            }
            first += size;
        }
        first * self.plan.scripts
    }

    fn failures_before(&self, position: usize) -> usize {
        let lanes = self.rows[..position].chunks(self.plan.scripts);
        lanes.filter(|lane| lane.contains(&ExecutionStatus::Failed)).count()
    }

    fn is_final(&self, positions: std::ops::Range<usize>) -> bool {
        self.rows[positions].iter().all(|one| one.is_final())
    }

    /// What the conductor does in a turn.
    fn decide(&mut self) -> Result<(), TestCaseError> {
        let mut last = None;
        loop {
            if let Some(GivenUp { wave, failed, positions }) = self.schedule.next_wave() {
                let end = self.plan.waves[..wave].iter().sum::<usize>() * self.plan.scripts;
                prop_assert!(self.is_final(0..end) && self.given_up.is_none());
                prop_assert_eq!(failed, self.failures_before(end));
                prop_assert!(failed > self.plan.max_failures);
                prop_assert_eq!(&positions, &(end..self.rows.len()).collect::<Vec<_>>());
                self.give_up(&positions, ExecutionStatus::Skipped)?;
                self.given_up = Some(wave);
            }
            let Some(position) = self.schedule.start() else { return Ok(()) };
            let wave = self.wave_of(position);
            let lane = position - position % self.plan.scripts;
            prop_assert_eq!(self.rows[position], ExecutionStatus::Queued);
            prop_assert!(self.is_final(0..wave), "a wave begins before its time");
            prop_assert!(self.is_final(lane..position), "a script begins before its time");
            prop_assert!(self.failures_before(wave) <= self.plan.max_failures);
            if position == lane && !self.stopped {
                prop_assert!(last < Some(lane), "targets are in order");
                last = Some(lane);
            }
            self.rows[position] = ExecutionStatus::Running;
        }
    }

    fn end(&mut self, at: usize, success: bool) -> Result<(), TestCaseError> {
        self.rows[at] = if success { ExecutionStatus::Success } else { ExecutionStatus::Failed };
        let skipped = self.schedule.ended(at, success);
        self.give_up(&skipped, ExecutionStatus::Skipped)
    }

    fn give_up(&mut self, positions: &[usize], to: ExecutionStatus) -> Result<(), TestCaseError> {
        for at in positions {
            prop_assert_eq!(self.rows[*at], ExecutionStatus::Queued, "{} has an end", at);
            self.rows[*at] = to;
        }
        Ok(())
    }

    fn act(&mut self, act: Act) -> Result<(), TestCaseError> {
        let running = self.running();
        match act {
            Act::Ends(which, success) => return self.end(*which.get(&running), success),
            Act::PutsBack(which) => {
                let at = *which.get(&running);
                self.rows[at] = ExecutionStatus::Queued;
                self.schedule.put_back(at);
            }
            Act::Restarts => {
                self.schedule = Schedule::new(self.plan.clone());
                for (lane, rows) in self.rows.chunks(self.plan.scripts).enumerate() {
                    let open = open(rows);
                    let failed = rows.contains(&ExecutionStatus::Failed);
                    let running = rows.get(open.start) == Some(&ExecutionStatus::Running);
                    self.schedule.resume(lane, open, failed, running);
                }
                if self.stopped {
                    return self.stop();
                }
            }
            Act::Stops => return self.stop(),
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), TestCaseError> {
        self.stopped = true;
        let stopped = self.schedule.halt();
        self.give_up(&stopped, ExecutionStatus::Stopped)
    }
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => (any::<prop::sample::Index>(), prop::bool::weighted(0.7)).prop_map(|(at, good)| Act::Ends(at, good)),
        2 => any::<prop::sample::Index>().prop_map(Act::PutsBack),
        3 => Just(Act::Restarts),
        1 => Just(Act::Stops),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// P18: never more than N at once; each execution runs once or is skipped, in order; no wave
    /// begins before the one before it has ended, nor after too many failures; a restart at any
    /// moment changes none of that. P17: the status follows all targets.
    #[test]
    fn p18_never_more_than_n_at_once_in_any_wave(
        waves in proptest::collection::vec(1_usize..4, 0..5),
        (scripts, limit) in (1_usize..4, 1_usize..6),
        keep_going: bool,
        max_failures in 0_usize..5,
        mut script in proptest::collection::vec(acts(), 60),
    ) {
        let plan = Plan { keep_going, max_failures, ..plan(&waves, scripts, limit) };
        let mut model = Model::new(plan);
        loop {
            model.decide()?;
            let running = model.running().len();
            prop_assert!(running <= limit);
            prop_assert_eq!(running, model.schedule.active());
            if running == 0 {
                break;
            }
            match script.pop() {
                Some(act) => model.act(act)?,
                None => model.end(model.running()[0], true)?,
            }
        }
        prop_assert!(model.is_final(0..model.rows.len()), "all have an end: {:?}", model.rows);
        let status = final_status(model.rows.chunks(scripts));
        if model.stopped {
            prop_assert!(model.given_up.is_none_or(|_| status != Status::Success));
        } else if model.given_up.is_some() {
            prop_assert!(matches!(status, Status::Failed | Status::Partial), "{:?}", status);
        } else if !keep_going {
            let failed = model.failures_before(model.rows.len());
            prop_assert_eq!(status == Status::Success, failed == 0);
        }
    }
}
