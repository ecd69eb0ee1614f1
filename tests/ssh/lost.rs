//! Connections that die: never success, and it is known whether something may have started.

use std::time::{Duration, Instant};

use linkops::ssh::{Dial, Event, Failure, Kind, Line};

use super::{Lab, read_until, run_on};
use crate::support::network::Cuttable;
use crate::support::sshd::{Options, patience};
use crate::support::wait_until;

#[test]
fn a_cut_in_the_middle_of_output_is_a_loss() {
    let lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    let mut line = lab.pool.dial(&lab.over(&link), &lab.stop).unwrap();
    line.exec("echo one; read x; echo two", b"", patience()).unwrap();
    read_until(line.as_mut(), "one\n");
    link.cut();
    let failure = line.next(None, patience()).unwrap_err();
    assert_eq!(failure.kind, Kind::Lost, "{failure}");
    assert!(failure.may_have_started());
    assert_eq!(line.next(None, patience()).unwrap_err().kind, Kind::Lost, "and it stays lost");
    drop(line);
    assert_eq!(lab.pool.figures(), Default::default());
}

/// Not even a reset comes, and the kernel of the other side still takes what is sent: neither a
/// command that was silent before nor one that was not is waited for.
#[test]
fn a_connection_that_falls_silent_is_a_loss() {
    let lab = Lab::with(Options::default(), |settings| settings.keepalive = Duration::ZERO);
    let link = Cuttable::start(lab.sshd.port());
    let lines =
        ["echo one; exec sleep 1000", "while echo one; do sleep 0.01; done"].map(|command| {
            let mut line = lab.pool.dial(&lab.over(&link), &lab.stop).unwrap();
            line.exec(command, b"", patience()).unwrap();
            read_until(line.as_mut(), "one\n");
            line
        });
    link.freeze();
    let waits = lines.map(|mut line| std::thread::spawn(move || loss(line.as_mut())));
    for failure in waits.map(|wait| wait.join().unwrap()) {
        assert_eq!(failure.kind, Kind::Lost, "{failure}");
        assert!(failure.may_have_started());
    }
}

/// What ends a line on which only output comes.
fn loss(line: &mut dyn Line) -> Failure {
    loop {
        match line.next(None, patience()) {
            Ok(Event::Output { .. }) => {}
            Ok(other) => panic!("{other:?}"),
            Err(failure) => return failure,
        }
    }
}

/// Who answers may be silent for as long as he likes.
#[test]
fn a_silent_command_on_a_live_connection_is_no_loss() {
    let lab = Lab::with(Options::default(), |settings| settings.keepalive = Duration::ZERO);
    assert_eq!(lab.run("sleep 13; echo one").unwrap().stdout, b"one\n");
}

#[test]
fn a_killed_server_process_is_a_loss() {
    let lab = Lab::new();
    let mut line = lab.exec("echo one; cat");
    read_until(line.as_mut(), "one\n");
    lab.sshd.end_sessions();
    assert_eq!(line.next(None, patience()).unwrap_err().kind, Kind::Lost);
}

#[test]
fn a_cut_before_the_input_is_through_has_started_nothing() {
    let lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    let mut line = lab.pool.dial(&lab.over(&link), &lab.stop).unwrap();
    // More than windows and buffers hold: the command does not read.
    let input = vec![b'x'; 32 << 20];
    line.exec("echo up; exec sleep 1000", &input, patience()).unwrap();
    read_until(line.as_mut(), "up\n");
    link.cut();
    let failure = loss(line.as_mut());
    assert_eq!(failure.kind, Kind::Lost, "{failure}");
    assert!(!failure.may_have_started());
}

#[test]
fn a_command_that_is_not_confirmed_in_time_says_so() {
    let lab = Lab::new();
    let (mut line, mut other) = (lab.dial().unwrap(), lab.dial().unwrap());
    lab.sshd.pause();
    let failure = line.exec("true", b"input", Instant::now()).unwrap_err();
    assert_eq!(failure.kind, Kind::TimedOut, "{failure}");
    assert!(!failure.may_have_started(), "it cannot have got its input");
    let failure = other.exec("true", b"", Instant::now()).unwrap_err();
    assert!(failure.may_have_started(), "it needs none");
    drop((line, other)); // does not wait for the server
    lab.sshd.resume();
    assert_eq!(lab.pool.figures(), Default::default());
}

#[test]
fn a_login_that_is_cut_is_tried_again() {
    let lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    let target = lab.over(&link);
    lab.sshd.pause();
    let pool = lab.pool.clone();
    let run = std::thread::spawn(move || run_on(&pool, &target, "echo through", b""));
    wait_until(patience(), "the first try has begun", || link.accepted() == 1);
    link.cut();
    wait_until(patience(), "the second try has begun", || link.accepted() == 2);
    lab.sshd.resume();
    assert_eq!(run.join().unwrap().unwrap().stdout, b"through\n");
}

/// Before the login a keepalive would be an offence. How long it may take is told by its own limit.
#[test]
fn a_slow_login_is_waited_for() {
    let lab = Lab::with(Options::default(), |settings| settings.keepalive = Duration::ZERO);
    let link = Cuttable::start(lab.sshd.port());
    let target = lab.over(&link);
    link.stall();
    let pool = lab.pool.clone();
    let run = std::thread::spawn(move || run_on(&pool, &target, "echo through", b""));
    wait_until(patience(), "it has begun", || link.accepted() == 1);
    let late = Instant::now() + Duration::from_secs(7);
    wait_until(patience(), "a silent connection would be lost", || Instant::now() > late);
    link.flow();
    assert_eq!(run.join().unwrap().unwrap().stdout, b"through\n");
    assert_eq!((link.accepted(), lab.sshd.logins()), (1, 1), "{}", lab.sshd.log());
}
