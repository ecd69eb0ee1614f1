//! Following a run whose connection was lost, or that an earlier process left: its true end, or
//! what is known of it, and never for ever.

use std::time::Duration;

use linkops::operations::{ExecutionStatus, Id, Settings, What};
use linkops::ssh::{Kind, Stream};

use super::asked::Program::{Follow, Start, Stop};
use super::asked::{beside_ended, end, err, out};
use super::{World, actor, ending, failure, for_ever, lost};
use crate::support::fake_ssh::{Scene, Step};

/// A world in which the script on `a` may have started, and what then is said of it.
fn followed(words: &'static [&'static str]) -> World {
    let world = World::new();
    world.ssh.scene("a", Scene::Refuses(lost(true)));
    for words in words {
        world.scene("a", |asked| Ok(asked.answer(words)));
    }
    world
}

/// A script runs on `a` and has printed "1", then LinkOps goes away. What follows is up to the
/// scenes.
fn left(world: &World) -> Id {
    world.scene("a", |asked| Ok(vec![asked.says("started"), out(b"1"), for_ever()]));
    let id = world.run(&["a"]);
    world.event(id, |what| matches!(what, What::Output { stream: Stream::Stdout, .. }));
    id
}

/// Section 5: it ends with its true exit code, whatever that is.
#[test]
fn a_followed_run_ends_with_its_true_exit_code() {
    for (words, code) in [
        (&["running", "running", "ended 7"][..], 7),
        (&["ended 0"], 0),
        (&["running", "ended 137"], 137),
    ] {
        let world = followed(words);
        let log = world.result();
        let status = if code == 0 { ExecutionStatus::Success } else { ExecutionStatus::Failed };
        assert_eq!(ending(&log), (status, Some(code), ""));
        assert_eq!(world.programs("a").len(), 1 + words.len());
        assert!(world.asked("a").iter().all(|one| one.id() == log.run_id));
    }
}

/// Section 5: the execution says so, and what a killed run may have left behind is ended. After a
/// reboot nothing can be left, and the numbers of its processes are those of others.
#[test]
fn a_run_whose_end_nobody_knows_says_why() {
    for (words, reason, programs) in [
        (
            &["rebooted"][..],
            "the machine rebooted while the script was running",
            &[Start, Follow][..],
        ),
        (
            &["running", "killed", "clean"],
            "the run was killed on the machine",
            &[Start, Follow, Follow, Stop],
        ),
    ] {
        let world = followed(words);
        let log = world.result();
        assert_eq!((log.status, log.exit_code), (ExecutionStatus::Failed, None));
        assert!(log.error.unwrap().contains(reason), "{words:?}");
        assert!(world.programs("a").starts_with(programs), "{words:?}");
    }
}

/// Words that we do not know, and a machine that does not answer as ours do: a few tries, then
/// the truth, which is that we do not know.
#[test]
fn a_machine_that_talks_nonsense_is_asked_a_few_times() {
    let world = followed(&["banana", "ended 0"]);
    let log = world.result();
    assert_eq!(ending(&log), (ExecutionStatus::Failed, None, "the machine said \"banana\""));

    let world = followed(&[]);
    for _ in 0..10 {
        world.scene("a", |_| Ok(vec![err(b"account expired\n"), end(0)]));
    }
    let log = world.result();
    let text = "the machine does not answer as expected: \"account expired\"";
    assert_eq!(ending(&log), (ExecutionStatus::Failed, None, text));
    assert_eq!(world.programs("a"), [Start, Follow, Follow, Follow, Follow]);
}

/// Nonsense now and then, for example while the machine shuts down, is no end.
#[test]
fn an_answer_after_nonsense_counts() {
    let world = followed(&[]);
    world.scene("a", |_| Ok(vec![end(255)]));
    world.ssh.scene("a", Scene::Refuses(failure(Kind::Channel, false)));
    world.scene("a", |asked| Ok(asked.answer("ended 3")));
    assert_eq!(ending(&world.result()), (ExecutionStatus::Failed, Some(3), ""));
}

/// A way that breaks again and again, in whatever place, is no answer: while there is time, the
/// machine is asked again.
#[test]
fn a_run_behind_a_bad_connection_is_followed_to_its_end() {
    let world = followed(&[]);
    for _ in 0..10 {
        world.unreachable(Kind::Handshake);
        world.ssh.scene("a", Scene::Refuses(lost(false)));
        world.ssh.scene("a", Scene::Refuses(failure(Kind::TimedOut, true)));
        world.scene("a", |_| Ok(vec![out(b"Welcome\n"), Step::Tells(Err(lost(true)))]));
    }
    world.scene("a", |asked| Ok(asked.answer("ended 0")));
    assert_eq!(ending(&world.result()), (ExecutionStatus::Success, Some(0), ""));
}

/// Section 5: a machine that cannot be reached ends the execution with that as its reason: when
/// its time is over, or at once when no other try can end differently.
#[test]
fn a_machine_that_stays_away_is_named() {
    let no_time = |settings: &mut Settings| settings.script_timeout = Duration::ZERO;
    for (world, kind) in
        [(World::with(no_time), Kind::Unreachable), (World::new(), Kind::HostKeyChanged)]
    {
        world.ssh.scene("a", Scene::Refuses(lost(true)));
        world.unreachable(kind);
        let log = world.result();
        assert_eq!((log.status, log.exit_code), (ExecutionStatus::Failed, None));
        let error = log.error.unwrap();
        assert!(error.contains(&format!("{kind:?}")), "{error}");
        assert!(error.contains("the script may still be running"), "{error}");
    }
}

/// A machine that says "running" and nothing more, each time, is not asked for ever.
#[test]
fn a_run_that_never_ends_is_given_up_when_its_time_is_over() {
    let world = World::with(|settings| {
        settings.script_timeout = Duration::ZERO;
        settings.command_timeout = Duration::from_millis(50);
    });
    world.ssh.scene("a", Scene::Refuses(lost(true)));
    world.ssh.always(actor(|asked| Ok(asked.answer("running"))));
    let log = world.result();
    assert_eq!((log.status, log.exit_code), (ExecutionStatus::Failed, None));
    let error = log.error.unwrap();
    assert!(error.starts_with("EXECUTION_TIMEOUT"), "{error}");
    assert!(error.contains("may still be running"), "{error}");
    assert!(world.programs("a").contains(&Stop));
}

/// R5.6: LinkOps was away for longer than the script may run, and the script ended meanwhile:
/// that is its result, and nothing is stopped.
#[test]
fn a_run_that_ended_while_linkops_was_away_for_long_has_its_true_result() {
    let mut world = World::new();
    let id = left(&world);
    world.scene("a", |asked| {
        Ok(vec![asked.says("ended 0"), out(&b"12"[asked.offsets().0..]), end(0)])
    });
    world.clock.advance(3_600_000_000);
    world.restart(|_| ());
    assert_eq!(ending(&world.result_of(id)), (ExecutionStatus::Success, Some(0), ""));
    assert_eq!(world.view(id).1[0].1.stdout, b"12");
    assert_eq!(world.programs("a"), [Start, Follow]);
}

/// The same when it still runs: now its time is over.
#[test]
fn a_run_that_outlived_its_time_while_linkops_was_away_is_stopped() {
    let mut world = World::new();
    let id = left(&world);
    world.scene("a", |asked| Ok(vec![asked.says("running"), Step::Waits, beside_ended(), end(0)]));
    world.scene("a", |asked| Ok(asked.answer("ended 143")));
    world.clock.advance(3_600_000_000);
    world.restart(|_| ());
    let log = world.result_of(id);
    assert_eq!((log.status, log.exit_code), (ExecutionStatus::Failed, Some(143)));
    assert!(log.error.unwrap().starts_with("EXECUTION_TIMEOUT"));
    assert_eq!(world.programs("a"), [Start, Follow, Stop, Follow]);
}

/// A second try has the id of the first with "-2" behind it, and so on; a restart in between does
/// not make the machine see an id again that it has declared absent.
#[test]
fn ids_are_not_used_again_after_a_restart() {
    let mut world = World::new();
    world.ssh.scene("a", Scene::Refuses(lost(true)));
    world.scene("a", |asked| Ok(asked.answer("absent")));
    let id = left(&world);
    world.scene("a", |asked| Ok(asked.answer("absent")));
    world.scene("a", |asked| Ok(asked.runs(b"third\n", 0)));
    world.restart(|_| ());
    let log = world.result_of(id);
    assert_eq!(ending(&log), (ExecutionStatus::Success, Some(0), ""));
    let ids: Vec<_> = world.asked("a").iter().map(|one| one.id().to_owned()).collect();
    let first = &ids[0];
    let (second, third) = (format!("{first}-2"), format!("{first}-3"));
    assert_eq!(ids[1..], [first.clone(), second.clone(), second, third]);
}

/// Somebody has lowered `output_buffer_size` below what a run has printed: what is there stays,
/// nothing is added.
#[test]
fn a_lower_limit_after_a_restart_keeps_what_is_there() {
    let mut world = World::new();
    world.scene("a", |asked| Ok(vec![asked.says("started"), out(&[b'x'; 3_000]), for_ever()]));
    let id = world.run(&["a"]);
    world.event(id, |what| matches!(what, What::Output { .. }));
    world.scene("a", |asked| {
        assert_eq!(asked.offsets(), (3_000, 0));
        Ok(vec![asked.says("ended 0"), out(b"more"), end(0)])
    });
    world.restart(|settings| settings.output_limit = 1_024);
    let log = world.result_of(id);
    assert_eq!(ending(&log), (ExecutionStatus::Success, Some(0), ""));
    assert!(log.truncated);
    assert_eq!(world.view(id).1[0].1.stdout, [b'x'; 3_000]);
}
