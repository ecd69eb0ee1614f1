//! Starting a script: what failed before it may have started is told or tried again; what may
//! have started is followed, and never started a second time.

use linkops::operations::{ExecutionStatus, Status};
use linkops::ssh::{Event, Exit, Failure, Kind};

use super::asked::Program::{Follow, Start, Stop};
use super::asked::{Asked, end, err, out};
use super::{World, actor, ending, failure, lost};
use crate::support::fake_ssh::{Call, Scene, Step};
use crate::support::{deadline, wait_until};

const KINDS: [Kind; 15] = [
    Kind::KeyFile,
    Kind::Resolve,
    Kind::Refused,
    Kind::Unreachable,
    Kind::TimedOut,
    Kind::Handshake,
    Kind::Algorithms,
    Kind::HostKeyChanged,
    Kind::HostKeyUnknown,
    Kind::HostKeyRevoked,
    Kind::KnownHosts,
    Kind::Authentication,
    Kind::Jump,
    Kind::Channel,
    Kind::Lost,
];

/// R5.3: a dial that fails, in whatever way, ends the execution with its reason. The pool has
/// tried as often as makes sense by then.
#[test]
fn a_dial_that_fails_is_named_whatever_its_kind() {
    let world = World::new();
    for (number, kind) in (1..).zip(KINDS) {
        world.unreachable(kind);
        let log = world.result();
        let text = format!("a failure of kind {kind:?}");
        assert_eq!(ending(&log), (ExecutionStatus::Failed, None, &text[..]));
        assert_eq!(world.dials("a"), number, "{kind:?}");
    }
    let gate = Failure::new("gate", Kind::Authentication, "nobody is let in");
    world.ssh.scene("a", Scene::Unreachable(gate));
    assert_eq!(world.result().error.unwrap(), "gate: nobody is let in");
    assert!(world.asked("a").is_empty());
}

/// The transport failed before the script was there: tried again, three times in all.
#[test]
fn a_script_that_has_not_arrived_is_sent_again_three_times() {
    for kind in KINDS.into_iter().filter(|kind| kind.is_transport()) {
        let world = World::new();
        for _ in 0..2 {
            world.ssh.scene("a", Scene::Refuses(failure(kind, false)));
        }
        world.scene("a", |asked| Ok(asked.runs(b"hello\n", 0)));
        let id = world.run(&["a"]);
        let log = world.result_of(id);
        assert_eq!(ending(&log), (ExecutionStatus::Success, Some(0), ""), "{kind:?}");
        let asked = world.asked("a");
        assert_eq!(asked.len(), 3, "{kind:?}");
        assert!(asked.iter().all(|one| one.program == Start && one.id() == log.run_id));
        assert_eq!(asked[0].script(), "#!/bin/bash\necho one\n");
        let (operation, logs) = world.view(id);
        assert_eq!((operation.status, &logs[0].1.stdout[..]), (Status::Success, &b"hello\n"[..]));
    }
    let world = World::new();
    for _ in 0..4 {
        world.ssh.scene("a", Scene::Refuses(lost(false)));
    }
    let log = world.result();
    assert_eq!(ending(&log), (ExecutionStatus::Failed, None, "a failure of kind Lost"));
    assert_eq!(world.programs("a"), [Start; 3]);
}

/// The machine has said no, and would again.
#[test]
fn a_refused_command_is_not_tried_again() {
    for kind in KINDS.into_iter().filter(|kind| !kind.is_transport()) {
        let world = World::new();
        world.ssh.scene("a", Scene::Refuses(failure(kind, false)));
        let text = format!("a failure of kind {kind:?}");
        assert_eq!(ending(&world.result()), (ExecutionStatus::Failed, None, &text[..]));
        assert_eq!(world.programs("a"), [Start]);
    }
}

/// R5.3, P12 and section 5: what the machine says before the first line of the script.
#[test]
fn a_machine_that_refuses_the_script_is_believed() {
    let world = World::new();
    for (words, error) in [
        ("refused missing /etc/x does not exist", "not enrolled: the client id file /etc/x does"),
        ("refused different LINKOPS-x", "not enrolled: the client id on the machine is \"LINK"),
        ("refused directory there is no tee", "no run directory could be made: there is no tee"),
    ] {
        world.scene("a", move |asked| {
            assert_eq!(asked.client_id(), "");
            Ok(asked.answer(words))
        });
        let log = world.result();
        assert!(log.error.as_ref().unwrap().starts_with(error), "{log:?}");
        assert_eq!((log.status, log.exit_code), (ExecutionStatus::Failed, None));
    }
    world.scene("a", |_| Ok(vec![err(b"bash: not found\n"), end(127)]));
    let error = world.result().error.unwrap();
    assert!(error.contains("exit code 127, \"bash: not found\""), "{error}");
}

/// Lost while the script was being sent, its last byte included: only the machine knows.
#[test]
fn a_script_that_may_have_started_is_followed() {
    for kind in [Kind::Lost, Kind::TimedOut, Kind::Channel] {
        let world = World::new();
        world.ssh.scene("a", Scene::Refuses(failure(kind, true)));
        world.scene("a", |asked| Ok(asked.answer("ended 5")));
        let log = world.result();
        assert_eq!(ending(&log), (ExecutionStatus::Failed, Some(5), ""), "{kind:?}");
        let asked = world.asked("a");
        assert_eq!(world.programs("a"), [Start, Follow]);
        assert!(asked[1].id() == log.run_id && asked[1].offsets() == (0, 0));
    }
}

/// P17: a command that ended without a code is no success; the machine is asked.
#[test]
fn an_end_without_an_exit_code_is_followed() {
    for exit in [Exit::Unknown, Exit::Signal("KILL".to_owned())] {
        for speaks in [true, false] {
            let world = World::new();
            let how = exit.clone();
            world.scene("a", move |asked| {
                let last = Step::Tells(Ok(Event::End(how.clone())));
                let said = if speaks { asked.says("started") } else { out(b"Welcome\n") };
                Ok(vec![said, last])
            });
            world.scene("a", |asked| Ok(asked.answer("killed")));
            world.scene("a", |asked| Ok(asked.answer("clean")));
            let log = world.result();
            assert_eq!((log.status, log.exit_code), (ExecutionStatus::Failed, None), "{exit:?}");
            assert!(log.error.unwrap().contains("the run was killed"));
            assert_eq!(world.programs("a"), [Start, Follow, Stop]);
        }
    }
}

/// The machine has never heard of the run, and made sure that it never will: a new run.
#[test]
fn an_absent_run_is_started_again_under_another_id() {
    let world = World::new();
    world.ssh.scene("a", Scene::Refuses(lost(true)));
    world.scene("a", |asked| Ok(asked.answer("absent")));
    world.scene("a", |asked| Ok(asked.runs(b"second\n", 0)));
    let id = world.run(&["a"]);
    let log = world.result_of(id);
    assert_eq!(ending(&log), (ExecutionStatus::Success, Some(0), ""));
    assert_eq!(world.view(id).1[0].1.stdout, b"second\n");
    let ids: Vec<_> = world.asked("a").iter().map(|one| one.id().to_owned()).collect();
    assert_eq!(world.programs("a"), [Start, Follow, Start]);
    assert_eq!(ids[0], ids[1]);
    assert_eq!((&ids[2], &log.run_id), (&format!("{}-2", ids[0]), &format!("{}-2", ids[0])));
}

#[test]
fn an_absent_run_is_started_three_times_at_most() {
    let world = World::new();
    for _ in 0..3 {
        world.ssh.scene("a", Scene::Refuses(lost(true)));
        world.scene("a", |asked| Ok(asked.answer("absent")));
    }
    // Nobody knows of it any more, so it is made sure that it does not run, then it is removed.
    world.scene("a", |asked| Ok(asked.answer("clean")));
    world.scene("a", |asked| Ok(asked.answer("removed")));
    let log = world.result();
    assert_eq!((log.status, log.exit_code), (ExecutionStatus::Failed, None));
    assert!(log.error.unwrap().contains("lost again and again"));
    assert!(world.programs("a").starts_with(&[Start, Follow, Start, Follow, Start, Follow]));
    let ids: Vec<_> = world.asked("a").iter().map(|one| one.id().to_owned()).take(6).collect();
    let first = &ids[0];
    assert_eq!(
        ids[1..],
        [
            &first[..],
            &format!("{first}-2"),
            &format!("{first}-2"),
            &format!("{first}-3"),
            &format!("{first}-3")
        ]
    );
    // On the machine a file declares each of them absent.
    wait_until(deadline(), "the machine is cleaned", || {
        world.ssh.calls("a").iter().any(|call| Asked::of(call).is_some_and(|one| !one.is_ours()))
    });
}

/// A warm connection with everything ready is used, and no other is made.
#[test]
fn a_prepared_line_is_used() {
    let world = World::new();
    world.ssh.prepared("a", actor(|asked| Ok(asked.runs(b"warm\n", 3))));
    let id = world.run(&["a"]);
    let log = world.result_of(id);
    assert_eq!(ending(&log), (ExecutionStatus::Failed, Some(3), ""));
    assert_eq!(world.view(id).1[0].1.stdout, b"warm\n");
    let calls: Vec<_> = world.ssh.calls("a").into_iter().take(3).collect();
    assert!(matches!(&calls[..], [Call::DialPrepared, Call::Send(_), Call::Hangup]), "{calls:?}");
    let asked = &world.asked("a")[0];
    assert!(asked.id() == log.run_id && asked.script() == "#!/bin/bash\necho one\n");
}

/// One that died in its sleep has started nothing, so the same run is started afresh.
#[test]
fn a_dead_prepared_line_costs_nothing() {
    let unsent = actor(|_| Err(lost(false)));
    let silent = actor(|_| Ok(vec![err(b"Killed\n"), end(137)]));
    for dead in [unsent, silent] {
        let world = World::new();
        world.ssh.prepared("a", dead);
        world.scene("a", |asked| Ok(asked.runs(b"cold\n", 0)));
        let log = world.result();
        assert_eq!(ending(&log), (ExecutionStatus::Success, Some(0), ""));
        let asked = world.asked("a");
        assert_eq!(world.programs("a"), [Start, Start]);
        assert!(asked.iter().all(|one| one.id() == log.run_id));
    }
}

/// One that was lost with the script on it may have started it.
#[test]
fn a_prepared_line_that_is_lost_is_followed() {
    let in_send = actor(|_| Err(lost(true)));
    let later =
        actor(|asked| Ok(vec![asked.says("started"), out(b"12"), Step::Tells(Err(lost(true)))]));
    for (prepared, had) in [(in_send, 0), (later, 2)] {
        let world = World::new();
        world.ssh.prepared("a", prepared);
        world.scene("a", |asked| {
            let rest = out(&b"1234"[asked.offsets().0..]);
            Ok(vec![asked.says("ended 0"), rest, end(0)])
        });
        let id = world.run(&["a"]);
        let log = world.result_of(id);
        assert_eq!(ending(&log), (ExecutionStatus::Success, Some(0), ""));
        assert_eq!(world.view(id).1[0].1.stdout, b"1234");
        assert_eq!(world.programs("a"), [Start, Follow]);
        assert_eq!(world.asked("a")[1].offsets(), (had, 0));
    }
}
