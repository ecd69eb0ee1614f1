//! The queue and what goes wrong in the server itself: limits, a fault of ours, the drain.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use linkops::error::Error;
use linkops::operations::{ExecutionStatus, Filter, Request, Status, Targets, What, final_status};
use linkops::store::Store;
use linkops::threads::Latch;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::asked::{Asked, Program, end, out};
use super::{SCRIPTS, TARGETS, World, actor, does, ending, for_ever, lost, request, start};
use crate::inventory::open;
use crate::support::fake_ssh::{Call, Step};
use crate::support::{deadline, somebody, wait_until};

fn requests() -> impl Strategy<Value = Request> {
    let some = |ids: &'static [&'static str]| {
        proptest::sample::subsequence(ids, 1..=ids.len()).prop_shuffle()
    };
    let more = (proptest::option::of(1_usize..=20), any::<bool>(), "[^\0]{0,12}");
    (some(&TARGETS), some(&SCRIPTS), more).prop_map(|(targets, scripts, more)| {
        let (concurrency, keep_going, flag) = more;
        let flags = [(scripts[0].to_owned(), vec![format!("level={flag}")])].into();
        Request { concurrency, keep_going, flags, ..request(&targets, &scripts) }
    })
}

/// P14, R5.2: a valid submission leaves a queued record with all that was asked for, and an id
/// that grows.
#[test]
fn p14_a_submission_is_a_queued_record_and_its_id() {
    let world = World::with(|settings| {
        settings.max_running = 0;
        settings.queue_size = 1_000;
    });
    let mut runner = TestRunner::new(Config { cases: 100, ..Config::default() });
    let last = Mutex::new(10_000);
    let run = runner.run(&requests(), |request| {
        let id = world.operations.submit(request.clone(), &somebody()).unwrap();
        let mut last = last.lock().unwrap();
        prop_assert_eq!(id.0, *last + 1);
        *last = id.0;
        let (operation, logs) = world.view(id);
        prop_assert_eq!((operation.id, operation.status), (id, Status::Queued));
        prop_assert_eq!(&operation.scripts, &request.scripts);
        prop_assert_eq!(&Targets::Named(operation.targets.clone()), &request.targets);
        prop_assert_eq!(&operation.flags, &request.flags);
        prop_assert_eq!(operation.concurrency, request.concurrency.unwrap_or(5));
        prop_assert_eq!(operation.keep_going, request.keep_going);
        prop_assert_eq!(&operation.triggered_by, "somebody");
        prop_assert_eq!(operation.commit_hash.len(), 40);
        prop_assert_eq!((operation.created_at, operation.started_at), (1_000_000, None));
        let ids: HashSet<_> = logs.iter().map(|(log, _)| &log.run_id).collect();
        prop_assert_eq!((logs.len(), ids.len()), (operation.total(), operation.total()));
        for (position, (log, _)) in logs.iter().enumerate() {
            prop_assert_eq!((&log.target[..], &log.script[..]), operation.execution(position));
            prop_assert_eq!(log.status, ExecutionStatus::Queued);
        }
        Ok(())
    });
    run.unwrap();
    assert!(TARGETS.iter().all(|target| world.ssh.calls(target).is_empty()));
}

/// A sync between two looks at the database, shown by two databases: the flags are those that the
/// script declares at the commit of the text that will run.
#[test]
fn flags_are_judged_by_the_commit_of_the_text() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("linkops.db");
    Store::copy(&world.directory.path().join("linkops.db"), &path).unwrap();
    let before = "UPDATE scripts SET flags = '[\"gone\"]'";
    rusqlite::Connection::open(&path).unwrap().execute_batch(before).unwrap();
    let store = Arc::new(open(directory.path()));
    let operations = start(&store, &world.catalogue, &world.ssh, &world.clock, &world.settings);
    let submit = |flag: &str| {
        let flags = [("one".to_owned(), vec![flag.to_owned()])].into();
        operations.submit(Request { flags, ..request(&["a"], &["one"]) }, &somebody())
    };
    match submit("gone") {
        Err(Error::Flag { declared, .. }) => assert_eq!(declared, ["level=1"]),
        other => panic!("{other:?}"),
    }
    submit("level=2").unwrap();
    operations.stop(Instant::now());
}

/// The most lines that were open at the same time, without those of the cleanup.
fn most_open(calls: &[(usize, String, Call)]) -> usize {
    let (mut open, mut most) = (HashSet::new(), 0);
    for (line, _, call) in calls {
        if *call == Call::Hangup {
            open.remove(line);
        } else if Asked::of(call).is_some_and(|asked| asked.is_ours()) {
            open.insert(*line);
        }
        most = most.max(open.len());
    }
    most
}

/// How each execution ends: with this code, after so many cuts.
type Endings = Vec<(i32, usize)>;

/// P18, R5.8: never more than `concurrency` lines, also when runs are lost and followed; and P17
/// with the statuses that the machines gave.
#[test]
fn p18_never_more_than_concurrency_at_once() {
    let world = World::new();
    let now: Arc<Mutex<Endings>> = Arc::default();
    let endings = Arc::clone(&now);
    world.ssh.always(actor(move |asked| {
        if !asked.is_ours() {
            return Ok(asked.answer("removed"));
        }
        let target = TARGETS.iter().position(|one| *one == asked.target).unwrap();
        let (code, cuts) = &mut endings.lock().unwrap()[target];
        if *cuts > 0 {
            *cuts -= 1;
            return Ok(vec![out(b"Welcome\n"), Step::Tells(Err(lost(true)))]);
        }
        let words = match asked.program {
            Program::Follow => format!("ended {code}"),
            _ => "started".to_owned(),
        };
        // Others get a chance to run at the same time.
        Ok(vec![asked.says(&words), does(std::thread::yield_now), end(*code)])
    }));
    let endings = proptest::collection::vec((prop_oneof![Just(0), 0..256], 0_usize..3), 6);
    let mut runner = TestRunner::new(Config { cases: 150, ..Config::default() });
    let run = runner.run(&(requests(), 1_usize..=6, endings), |(request, most, endings)| {
        world.ssh.take_calls();
        *now.lock().unwrap() = endings;
        let request = Request { concurrency: Some(most), ..request };
        let id = world.operations.submit(request.clone(), &somebody()).unwrap();
        world.wait(id);
        let open = most_open(&world.ssh.take_calls());
        prop_assert!(open <= most && open > 0, "{} lines at once", open);
        let (operation, logs) = world.view(id);
        let statuses: Vec<_> = logs.iter().map(|(log, _)| log.status).collect();
        let endings = now.lock().unwrap();
        for ((target, statuses), scripts) in
            operation.targets.iter().zip(statuses.chunks(request.scripts.len())).zip(1..)
        {
            let target = TARGETS.iter().position(|one| one == target).unwrap();
            let good = statuses.iter().all(|one| *one == ExecutionStatus::Success);
            prop_assert_eq!(good, endings[target].0 == 0, "the {}th target", scripts);
            prop_assert!(
                request.keep_going || good || !statuses[1..].contains(&ExecutionStatus::Failed)
            );
        }
        prop_assert_eq!(operation.status, final_status(statuses.chunks(request.scripts.len())));
        Ok(())
    });
    run.unwrap();
}

/// R5.8: and that many when there is work.
#[test]
fn as_many_as_allowed_run_at_once() {
    let world = World::new();
    let gate = Arc::new(Latch::new().unwrap());
    let closed = Arc::clone(&gate);
    world.ssh.always(actor(move |asked| {
        Ok(vec![asked.says("started"), Step::Until(Arc::clone(&closed)), end(0)])
    }));
    let request = Request { concurrency: Some(3), ..request(&TARGETS, &["one"]) };
    let id = world.operations.submit(request, &somebody()).unwrap();
    let begun = || TARGETS.iter().filter(|one| !world.asked(one).is_empty()).count();
    wait_until(deadline(), "three run", || begun() == 3);
    let starts = |(log, _): &(linkops::operations::Log, _)| log.status == ExecutionStatus::Running;
    assert_eq!(world.view(id).1.iter().filter(|one| starts(one)).count(), 3);
    gate.set();
    world.wait(id);
    assert_eq!(world.view(id).0.status, Status::Success);
    assert_eq!(most_open(&world.ssh.take_calls()), 3);
}

/// Section 4: a full queue refuses, and nothing is left of what it refused.
#[test]
fn a_full_queue_refuses_and_keeps_nothing() {
    let world = World::with(|settings| {
        settings.max_running = 1;
        settings.queue_size = 2;
    });
    let gate = Arc::new(Latch::new().unwrap());
    let closed = Arc::clone(&gate);
    world.ssh.always(actor(move |asked| {
        Ok(vec![asked.says("started"), Step::Until(Arc::clone(&closed)), end(0)])
    }));
    let first = world.run(&["a"]);
    world.event(first, |what| matches!(what, What::Start { .. }));
    let waiting = [world.run(&["a"]), world.run(&["b"])];
    for _ in 0..3 {
        let refused = world.operations.submit(request(&["c"], &["one"]), &somebody());
        assert!(matches!(refused, Err(Error::TooManyOperations)), "{refused:?}");
    }
    let page = world.operations.list(&Filter::default(), None, 100).unwrap();
    let ids: Vec<_> = page.operations.iter().map(|one| one.id).collect();
    assert_eq!(ids, [waiting[1], waiting[0], first]);
    assert_eq!(world.operations.figures(), (2, 3));
    gate.set();
    for id in [first, waiting[0], waiting[1]] {
        world.wait(id);
        assert_eq!(world.view(id).0.status, Status::Success);
    }
    assert_eq!(world.result_of(world.run(&["c"])).status, ExecutionStatus::Success);
}

/// A fault of ours in one execution ends that execution and nothing else.
#[test]
fn a_worker_that_panics_fails_its_execution_alone() {
    let world = World::new();
    world.scene("a", |asked| {
        Ok(vec![asked.says("started"), out(b"1"), does(|| panic!("on purpose"))])
    });
    world.scene("b", |asked| Ok(asked.runs(b"2", 0)));
    world.scene("c", |_| panic!("on purpose"));
    world.scene("d", |asked| Ok(asked.runs(b"4", 0)));
    // Two workers, so that one that has panicked takes more work.
    let request = Request { concurrency: Some(2), ..request(&TARGETS[..4], &["one"]) };
    let id = world.operations.submit(request, &somebody()).unwrap();
    world.wait(id);
    let (operation, logs) = world.view(id);
    assert_eq!(operation.status, Status::Partial);
    let text = "LinkOps failed while it ran this, see its log";
    for (at, (log, output)) in logs.iter().enumerate() {
        if at % 2 == 0 {
            assert_eq!(ending(log), (ExecutionStatus::Failed, None, text));
        } else {
            assert_eq!(ending(log), (ExecutionStatus::Success, Some(0), ""));
        }
        assert_eq!(output.stdout, [&b"1"[..], b"2", b"", b"4"][at]);
    }
}

/// P37 and section 5: the drain ends at its deadline and leaves what runs; the next start follows
/// it, and runs what waited.
#[test]
fn a_drain_leaves_what_runs_to_the_next_start() {
    let mut world = World::with(|settings| settings.max_running = 1);
    for target in ["a", "b"] {
        world.scene(target, |asked| Ok(vec![asked.says("started"), out(b"1"), for_ever()]));
    }
    let first = world.run(&["a", "b"]);
    let waiting = world.run(&["c"]);
    for wanted in [0, 1] {
        world.event(
            first,
            |what| matches!(what, What::Output { position, .. } if *position == wanted),
        );
    }
    let before = Instant::now();
    world.operations.stop(before); // would wait for ever for the scripts
    let refused = world.operations.submit(request(&["a"], &["one"]), &somebody());
    assert!(matches!(refused, Err(Error::ShuttingDown)), "{refused:?}");
    let (operation, logs) = world.view(first);
    assert_eq!(operation.status, Status::Running);
    assert!(logs.iter().all(|(log, _)| log.status == ExecutionStatus::Running));
    assert_eq!(world.view(waiting).0.status, Status::Queued);
    let seen = super::read_to_end(&world.operations, first, 0).len();
    assert_eq!(seen, 4, "readers are told that it is over for them");

    for target in ["a", "b"] {
        world.scene(target, |asked| {
            let rest = out(&b"12"[asked.offsets().0..]);
            Ok(vec![asked.says("ended 0"), rest, end(0)])
        });
    }
    world.scene("c", |asked| Ok(asked.runs(b"3", 0)));
    world.restart(|_| ());
    for (id, output) in [(first, &b"12"[..]), (waiting, b"3")] {
        world.wait(id);
        let (operation, logs) = world.view(id);
        assert_eq!(operation.status, Status::Success, "{logs:?}");
        assert!(logs.iter().all(|(_, one)| one.stdout == output));
    }
    for target in ["a", "b"] {
        assert_eq!(world.programs(target), [Program::Start, Program::Follow]);
    }
    assert_eq!(world.programs("c"), [Program::Start]);
}

/// P37: until its deadline the drain waits for what runs.
#[test]
fn a_drain_waits_for_what_ends_in_time() {
    let world = World::new();
    let gate = Arc::new(Latch::new().unwrap());
    let closed = Arc::clone(&gate);
    world.scene("a", move |asked| {
        Ok(vec![asked.says("started"), Step::Until(Arc::clone(&closed)), end(0)])
    });
    let id = world.run(&["a"]);
    world.event(id, |what| matches!(what, What::Start { .. }));
    std::thread::scope(|scope| {
        scope.spawn(|| world.operations.stop(deadline()));
        let refuses = || {
            let refused = world.operations.submit(request(&["unknown"], &["one"]), &somebody());
            matches!(refused, Err(Error::ShuttingDown))
        };
        wait_until(deadline(), "nothing more is taken", refuses);
        gate.set();
    });
    assert_eq!(world.view(id).0.status, Status::Success);
}
