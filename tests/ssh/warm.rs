//! Warm sessions: when they serve again, and when they must not.

use std::time::Duration;

use linkops::ssh::{Dial, Event, Exit, Kind};

use super::{Lab, drain, run_on};
use crate::support::network::Cuttable;
use crate::support::sshd::{Options, patience};
use crate::support::wait_until;

#[test]
fn one_connection_serves_one_command_after_the_other() {
    let lab = Lab::new();
    for number in 0..20 {
        let output = lab.run(&format!("echo {number}")).unwrap();
        assert_eq!(output.stdout, format!("{number}\n").into_bytes());
    }
    assert_eq!(lab.sshd.logins(), 1);
    let (one, other) = (lab.exec("true"), lab.exec("true"));
    assert_eq!(lab.sshd.logins(), 2, "one session serves one line at a time");
    drop((one, other));
}

#[test]
fn a_line_with_a_live_command_is_cut_and_not_kept() {
    let lab = Lab::new();
    drop(lab.exec("cat"));
    assert_eq!(lab.pool.figures(), Default::default());
    wait_until(patience(), "cat has ended", || lab.sshd.sessions() == 0);
}

#[test]
fn other_targets_and_other_keys_get_other_sessions() {
    let lab = Lab::new();
    lab.run("true").unwrap();
    run_on(&lab.pool, &lab.sshd.target("another"), "true", b"").unwrap();
    assert_eq!(lab.sshd.logins(), 2);
    let text = std::fs::read(lab.sshd.key()).unwrap();
    let fresh = lab.sshd.directory().join("fresh");
    std::fs::copy(lab.sshd.key(), &fresh).unwrap();
    std::fs::rename(&fresh, lab.sshd.key()).unwrap();
    assert_eq!(std::fs::read(lab.sshd.key()).unwrap(), text);
    lab.run("true").unwrap();
    assert_eq!(lab.sshd.logins(), 3, "the file is a new one, whatever is in it");
}

#[test]
fn a_server_that_was_restarted_is_connected_to_anew() {
    let mut lab = Lab::new();
    lab.run("true").unwrap();
    lab.sshd.restart();
    assert_eq!(lab.run("echo back").unwrap().stdout, b"back\n");
    lab.sshd.end_sessions();
    wait_until(patience(), "the session is gone", || lab.sshd.sessions() == 0);
    assert_eq!(lab.run("echo again").unwrap().stdout, b"again\n");
    assert_eq!(lab.sshd.logins(), 3);
}

/// A link that went away without a word: the open of a channel finds out, nothing was started.
#[test]
fn a_warm_session_that_answers_nothing_is_replaced() {
    let lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    let mut target = lab.target();
    target.port = link.port();
    run_on(&lab.pool, &target, "true", b"").unwrap();
    link.stall();
    let (pool, asked) = (lab.pool.clone(), target.clone());
    let run = std::thread::spawn(move || run_on(&pool, &asked, "echo new", b""));
    wait_until(patience(), "a second connection is made", || link.accepted() == 2);
    link.flow();
    assert_eq!(run.join().unwrap().unwrap().stdout, b"new\n");
}

#[test]
fn a_server_that_asks_whether_we_live_gets_its_answer() {
    let config = "ClientAliveInterval 1\nClientAliveCountMax 3".to_owned();
    let lab = Lab::with(Options { config, addresses: 1 }, |_| {});
    // A silent command outlives several questions.
    assert_eq!(lab.run("sleep 6; echo alive").unwrap().stdout, b"alive\n");
    // An idle session does not, as nobody looks after it in time; the next dial does not care.
    wait_until(patience(), "the idle session was ended", || lab.sshd.sessions() == 0);
    assert_eq!(lab.run("echo anew").unwrap().stdout, b"anew\n");
    assert_eq!(lab.sshd.logins(), 2);
}

#[test]
fn the_keeper_keeps_an_idle_session_alive() {
    let config = "ClientAliveInterval 1\nClientAliveCountMax 3".to_owned();
    let lab = Lab::with(Options { config, addresses: 1 }, |settings| {
        settings.keepalive = Duration::from_secs(1);
    });
    lab.run("true").unwrap();
    // Another connection measures the time, in which the idle one would have been ended.
    run_on(&lab.pool, &lab.sshd.target("clock"), "sleep 7", b"").unwrap();
    lab.run("true").unwrap();
    assert_eq!(lab.sshd.logins(), 2, "{}", lab.sshd.log());
}

#[test]
fn idle_sessions_end_in_time_and_dead_ones_are_dropped() {
    let lab = Lab::with(Options::default(), |settings| {
        settings.idle_time = Duration::from_millis(50);
    });
    lab.run("true").unwrap();
    wait_until(patience(), "the idle session was closed", || {
        lab.pool.figures().idle == 0 && lab.sshd.sessions() == 0
    });
    let lab = Lab::with(Options::default(), |settings| {
        settings.keepalive = Duration::from_millis(20);
    });
    lab.run("true").unwrap();
    lab.sshd.end_sessions();
    wait_until(patience(), "the dead session was dropped", || lab.pool.figures().idle == 0);
}

#[test]
fn no_more_sessions_are_kept_than_allowed() {
    let lab = Lab::with(Options::default(), |settings| settings.max_idle = 2);
    for name in ["one", "two", "three"] {
        run_on(&lab.pool, &lab.sshd.target(name), "true", b"").unwrap();
    }
    assert_eq!(lab.pool.figures().idle, 2);
    run_on(&lab.pool, &lab.sshd.target("three"), "true", b"").unwrap();
    run_on(&lab.pool, &lab.sshd.target("two"), "true", b"").unwrap();
    assert_eq!(lab.sshd.logins(), 3);
    run_on(&lab.pool, &lab.sshd.target("one"), "true", b"").unwrap();
    assert_eq!(lab.sshd.logins(), 4, "the oldest was closed");
}

#[test]
fn a_server_that_runs_no_more_commands_is_named() {
    let config = "MaxSessions 1".to_owned();
    let lab = Lab::with(Options { config, addresses: 1 }, |_| {});
    for _ in 0..3 {
        assert_eq!(lab.run("true").unwrap().exit, Exit::Code(0));
    }
    assert_eq!(lab.sshd.logins(), 1, "one at a time is enough for us");
    let mut line = lab.exec("read x; echo unharmed");
    let failure = line.beside("true", b"", patience()).unwrap_err();
    assert_eq!(failure.kind, Kind::Channel, "{failure}");
    assert!(failure.message.contains("MaxSessions"), "{failure}");
    assert!(!failure.may_have_started());
    line.end_input().unwrap();
    assert_eq!(drain(line.as_mut()).unwrap().stdout, b"unharmed\n");

    let config = "MaxSessions 0".to_owned();
    let lab = Lab::with(Options { config, addresses: 1 }, |_| {});
    let failure = lab.pool.dial(&lab.target(), &lab.stop).err().unwrap();
    assert_eq!(failure.kind, Kind::Channel, "{failure}");
    assert_eq!(lab.sshd.logins(), 1, "trying again would not help");
}

#[test]
fn a_warm_line_can_be_dropped_at_any_moment() {
    let lab = Lab::new();
    for _ in 0..3 {
        drop(lab.dial().unwrap());
        let mut line = lab.exec("echo one; echo two >&2");
        assert!(matches!(line.next(None, patience()).unwrap(), Event::Output { .. }));
    }
    assert_eq!(lab.run("echo next").unwrap().stdout, b"next\n");
    assert_eq!(lab.pool.figures().busy, 0);
}
