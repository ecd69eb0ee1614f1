//! Stopping, by request or because the time is over: the stop program reaches the machine, also
//! over a new connection, and the end is told whatever comes first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linkops::operations::{ExecutionStatus, Id, Log, Status, What};
use linkops::ssh::{Failure, Kind};
use linkops::threads::Latch;

use super::asked::Program::{Follow, Start, Stop};
use super::asked::{Asked, beside_ended, end, out};
use super::{World, actor, does, ending, failure, for_ever, lost, request};
use crate::support::fake_ssh::{Call, Scene, Step};
use crate::support::{PATIENCE, deadline, somebody, wait_until};

/// The script on `a` has started, and after a request to stop it this happens.
fn stoppable(world: &World, after: Vec<Step>) {
    world.scene("a", move |asked| {
        let begin = [asked.says("started"), out(b"1"), Step::Waits];
        Ok(begin.into_iter().chain(after.clone()).collect())
    });
}

/// Asks for a stop once the script has printed something.
fn stop(world: &World) -> Id {
    let id = world.run(&["a"]);
    world.event(id, |what| matches!(what, What::Output { .. }));
    world.operations.request_stop(id, &somebody()).unwrap();
    id
}

fn stopped(world: &World) -> Log {
    world.result_of(stop(world))
}

fn is_stopped(log: &Log, code: Option<i32>) {
    assert_eq!(ending(log), (ExecutionStatus::Stopped, code, ""));
}

/// Section 5: TERM and KILL come over a second channel of the same connection; which of the two
/// commands ends first does not matter.
#[test]
fn a_stop_is_sent_beside_the_script() {
    for after in [[beside_ended(), end(143)], [end(143), beside_ended()]] {
        let world = World::with(|settings| settings.stop_grace = Duration::from_secs(7));
        stoppable(&world, after.to_vec());
        let id = stop(&world);
        let log = world.result_of(id);
        is_stopped(&log, Some(143));
        assert_eq!(world.view(id).0.status, Status::Stopped);
        assert_eq!(world.programs("a"), [Start, Stop]);
        let asked = &world.asked("a")[1];
        assert!(asked.id() == log.run_id && asked.grace() == "7");
        assert!(world.ssh.calls("a").iter().any(|call| matches!(call, Call::Beside(..))));
    }
}

/// A script that ends with 0 on being stopped was stopped all the same.
#[test]
fn a_stopped_script_is_never_a_success() {
    let world = World::new();
    stoppable(&world, vec![end(0), beside_ended()]);
    is_stopped(&stopped(&world), Some(0));
}

/// The server gives no second channel, or the connection breaks: a new one, on which the script
/// is stopped, and then followed to its end.
#[test]
fn a_stop_that_cannot_be_sent_beside_is_sent_on_a_new_connection() {
    for refused in [failure(Kind::Channel, false), lost(false), lost(true)] {
        let world = World::new();
        stoppable(&world, vec![Step::RefusesBeside(refused)]);
        world.scene("a", |asked| Ok(asked.answer("clean")));
        world.scene("a", |asked| Ok(asked.answer("ended 143")));
        is_stopped(&stopped(&world), Some(143));
        assert_eq!(world.programs("a"), [Start, Stop, Stop, Follow]);
    }
}

/// The connection breaks while the stop program runs: maybe it was cut off in the middle.
#[test]
fn a_stop_that_was_cut_off_is_repeated() {
    let world = World::new();
    stoppable(&world, vec![Step::Tells(Err(lost(true)))]);
    world.scene("a", |asked| Ok(asked.answer("clean")));
    world.scene("a", |asked| Ok(asked.answer("ended 137")));
    is_stopped(&stopped(&world), Some(137));
    assert_eq!(world.programs("a"), [Start, Stop, Stop, Follow]);
}

/// The second try finds that it is over. That was our own doing, unless nothing was sent before: then
/// the script has ended by itself.
#[test]
fn what_an_earlier_stop_has_ended_is_stopped() {
    for (first, code, status) in [
        (Step::Tells(Err(lost(true))), 143, ExecutionStatus::Stopped),
        (Step::Tells(Err(lost(true))), 0, ExecutionStatus::Stopped),
        (Step::RefusesBeside(lost(true)), 143, ExecutionStatus::Stopped),
        (Step::RefusesBeside(lost(false)), 0, ExecutionStatus::Success),
        (Step::RefusesBeside(lost(false)), 3, ExecutionStatus::Failed),
    ] {
        let world = World::new();
        stoppable(&world, vec![first]);
        world.scene("a", |asked| Ok(asked.answer("over")));
        world.scene("a", move |asked| Ok(asked.answer(&format!("ended {code}"))));
        assert_eq!(ending(&stopped(&world)), (status, Some(code), ""));
    }
}

/// The same on the new connection, and the one after it.
#[test]
fn a_stop_is_repeated_until_it_has_run() {
    let world = World::new();
    stoppable(&world, vec![Step::Tells(Err(lost(true)))]);
    world.unreachable(Kind::Refused);
    world.ssh.scene("a", Scene::Refuses(lost(false)));
    world.scene("a", |_| Ok(vec![Step::Tells(Err(lost(true)))]));
    world.scene("a", |asked| Ok(asked.answer("clean")));
    world.scene("a", |asked| Ok(vec![asked.says("running"), for_ever_but_lost()]));
    world.scene("a", |asked| Ok(asked.answer("clean")));
    world.scene("a", |asked| Ok(asked.answer("ended 143")));
    is_stopped(&stopped(&world), Some(143));
    assert_eq!(world.programs("a"), [Start, Stop, Stop, Stop, Stop, Follow, Stop, Follow]);
}

fn for_ever_but_lost() -> Step {
    Step::Tells(Err(lost(true)))
}

/// A machine that cannot run the stop program, but says how the script ended.
#[test]
fn a_script_that_ends_by_itself_while_it_cannot_be_stopped_is_told() {
    let world = World::new();
    stoppable(&world, vec![Step::RefusesBeside(failure(Kind::Channel, false))]);
    world.ssh.always(actor(|asked| match asked.program {
        Stop => Err(failure(Kind::Channel, false)),
        _ => Ok(asked.answer("ended 4")),
    }));
    is_stopped(&stopped(&world), Some(4));
}

/// Nobody can stop what cannot be reached: the operation ends all the same, and says so.
#[test]
fn a_stop_of_an_unreachable_machine_ends_with_a_reason() {
    let world = World::with(|settings| {
        settings.command_timeout = Duration::ZERO;
        settings.retry_delay = Duration::from_millis(5);
    });
    world.ssh.scene("a", Scene::Refuses(lost(true)));
    let id = world.run(&["a"]);
    wait_until(deadline(), "it is tried again", || world.dials("a") > 3);
    world.operations.request_stop(id, &somebody()).unwrap();
    let log = world.result_of(id);
    assert_eq!((log.status, log.exit_code), (ExecutionStatus::Stopped, None));
    let error = log.error.unwrap();
    assert!(error.contains("cannot be reached: no scene is left"), "{error}");
    assert!(error.contains("may still be running"), "{error}");
}

/// The run was lost and a stop is asked for; the machine has never heard of the run, and now never
/// will: it was stopped, it did not fail.
#[test]
fn an_absent_run_that_was_to_be_stopped_is_stopped() {
    let world = World::new();
    world.ssh.scene("a", Scene::Refuses(lost(true)));
    world.scene("a", |asked| Ok(vec![Step::Waits, asked.says("absent"), beside_ended(), end(0)]));
    let id = world.run(&["a"]);
    wait_until(deadline(), "it is followed", || world.programs("a").contains(&Follow));
    world.operations.request_stop(id, &somebody()).unwrap();
    let log = world.result_of(id);
    let text = "stopped before it started";
    assert_eq!(ending(&log), (ExecutionStatus::Stopped, None, text));
    assert_eq!(world.view(id).0.status, Status::Stopped);
    assert_eq!(world.programs("a"), [Start, Follow, Stop]);
}

/// The same when its first program ends without a word after the stop.
#[test]
fn a_script_that_was_stopped_before_it_started_has_not_failed() {
    let world = World::new();
    let silent = |_: Asked| -> Result<Vec<Step>, Failure> {
        Ok(vec![Step::Waits, beside_ended(), end(143)])
    };
    for prepared in [true, false] {
        if prepared {
            world.ssh.prepared("a", actor(silent));
        } else {
            world.scene("a", silent);
        }
        let before = world.programs("a").len();
        let id = world.run(&["a"]);
        wait_until(deadline(), "it is sent", || world.programs("a").len() > before);
        world.operations.request_stop(id, &somebody()).unwrap();
        let log = world.result_of(id);
        assert_eq!((log.status, log.exit_code), (ExecutionStatus::Stopped, None), "{log:?}");
    }
}

/// A run turns out to be absent just as its operation is being stopped: it is not started again,
/// not even where everything is ready for it.
#[test]
fn nothing_is_started_after_a_stop() {
    let world = World::new();
    let (entered, gate) = (Arc::new(Latch::new().unwrap()), Arc::new(Latch::new().unwrap()));
    let (enter, open) = (Arc::clone(&entered), Arc::clone(&gate));
    world.ssh.scene("a", Scene::Refuses(lost(true)));
    world.scene("a", move |asked| {
        let (enter, open) = (Arc::clone(&enter), Arc::clone(&open));
        // It looks at the latch, and then the stop comes, and then the end of the command.
        let between = does(move || {
            enter.set();
            assert!(open.wait(PATIENCE));
        });
        Ok(vec![asked.says("absent"), between, end(0)])
    });
    world
        .scene("b", |asked| Ok(vec![asked.says("started"), Step::Waits, end(143), beside_ended()]));
    let id = world.run(&["a", "b"]);
    assert!(entered.wait(PATIENCE));
    wait_until(deadline(), "b runs", || world.programs("b") == [Start]);
    world.ssh.prepared("a", actor(|asked| Ok(asked.runs(b"started after the stop\n", 0))));
    world.operations.request_stop(id, &somebody()).unwrap();
    world.event(id, |what| matches!(what, What::Complete { position: 1, .. }));
    gate.set();
    world.wait(id);
    let (operation, logs) = world.view(id);
    assert_eq!(operation.status, Status::Stopped);
    assert_eq!(logs[0].0.status, ExecutionStatus::Stopped);
    assert!(logs[0].1.stdout.is_empty());
    assert_eq!(world.programs("a"), [Start, Follow]);
}

/// One that waits for its turn ends at once, and no machine ever hears of it.
#[test]
fn a_waiting_operation_is_stopped_unrun() {
    let world = World::with(|settings| settings.max_running = 0);
    let request = request(&["a", "b"], &["one", "two"]);
    let id = world.operations.submit(request, &somebody()).unwrap();
    world.operations.request_stop(id, &somebody()).unwrap();
    assert_eq!(world.wait(id).len(), 5);
    let (operation, logs) = world.view(id);
    assert_eq!((operation.status, operation.tally.stopped), (Status::Stopped, 4));
    assert!(logs.iter().all(|(log, _)| log.started_at.is_none() && log.duration().is_none()));
    assert!(world.operations.request_stop(id, &somebody()).is_err());
    assert_eq!(world.ssh.calls("a"), []);
}

/// Section 4 and 5: the script's time is over, so it is stopped, and the error says why.
#[test]
fn a_script_that_runs_too_long_is_stopped() {
    for code in [143, 0] {
        let world = World::with(|settings| settings.script_timeout = Duration::ZERO);
        world.scene("a", move |asked| {
            Ok(vec![asked.says("started"), out(b"1"), end(code), beside_ended()])
        });
        let id = world.run(&["a"]);
        let log = world.result_of(id);
        assert_eq!((log.status, log.exit_code), (ExecutionStatus::Failed, Some(code)));
        assert!(log.error.unwrap().starts_with("EXECUTION_TIMEOUT: "));
        assert_eq!(world.view(id).1[0].1.stdout, b"1");
        assert_eq!(world.programs("a"), [Start, Stop]);
    }
}

/// And when nobody knows whether that helped, the error says that, too.
#[test]
fn a_script_that_runs_too_long_and_cannot_be_stopped_may_still_be_running() {
    let world = World::with(|settings| {
        settings.script_timeout = Duration::ZERO;
        settings.command_timeout = Duration::from_millis(50);
    });
    world.ssh.always(actor(|asked| match asked.program {
        Start | Follow => Ok(vec![asked.says("running"), for_ever()]),
        _ => Ok(asked.answer("left")),
    }));
    let log = world.result();
    assert_eq!((log.status, log.exit_code), (ExecutionStatus::Failed, None));
    let error = log.error.unwrap();
    assert!(error.starts_with("EXECUTION_TIMEOUT: "), "{error}");
    assert!(error.contains("the script may still be running"), "{error}");
    assert!(world.programs("a").iter().filter(|one| **one == Stop).count() >= 2);
}

/// The server stops while a stop is under way: it does not wait for it, and the next start goes on
/// with the stop.
#[test]
fn a_stop_that_is_under_way_does_not_hold_the_server() {
    let mut world = World::with(|settings| settings.stop_grace = 10 * PATIENCE);
    stoppable(&world, vec![for_ever()]);
    let id = stop(&world);
    wait_until(deadline(), "the stop program was sent", || world.programs("a") == [Start, Stop]);
    let before = Instant::now();
    world.operations.stop(before);
    assert!(before.elapsed() < PATIENCE);
    let (operation, logs) = world.view(id);
    assert_eq!((operation.status, logs[0].0.status), (Status::Running, ExecutionStatus::Running));
    world.scene("a", |asked| Ok(asked.answer("clean")));
    world.scene("a", |asked| Ok(asked.answer("ended 143")));
    world.restart(|_| ());
    // A dial under the latch of the operation is told of the stop, and nothing is sent on it.
    is_stopped(&world.result_of(id), Some(143));
    assert_eq!(world.programs("a"), [Start, Stop, Stop, Follow]);
}
