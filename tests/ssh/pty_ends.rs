//! Shells on a PTY: how they end, and that nothing is left then.

use std::time::{Duration, Instant};

use linkops::ssh::{Dial, Exit, Failure, Kind, Target};
use linkops::threads::Latch;

use super::Lab;
use super::pty::{Typist, at_the_prompt, shell_on, size};
use crate::support::network::Cuttable;
use crate::support::sshd::{Options, Sshd, patience};
use crate::support::wait_until;

#[test]
fn the_exit_of_the_shell_is_told_and_told_again() {
    let lab = Lab::new();
    for (typed, exit) in [
        ("exit 7\r", Exit::Code(7)),
        ("exit\r", Exit::Code(0)),
        ("\x04", Exit::Code(0)),
        ("kill -KILL $$\r", Exit::Signal("KILL".into())),
    ] {
        let mut typist = at_the_prompt(&lab);
        typist.types(typed);
        assert_eq!((typist.sees_end(), typist.sees_end()), (exit.clone(), exit), "{typed:?}");
        typist.types("to nobody");
        typist.shell.close(patience());
    }
    assert_eq!(lab.pool.figures(), Default::default());
    wait_until(patience(), "the connections have ended", || lab.sshd.sessions() == 0);
}

/// A shell in which one `sleep` runs in front and another one behind.
fn sleeping(lab: &Lab) -> Typist {
    let mut typist = shell_on(lab);
    typist.types("sleep 1000 & sleep 1000\r");
    wait_until(patience(), "both run", || {
        let _ = typist.shell.next(true, &typist.bell, Instant::now()).unwrap();
        lab.sshd.running("sleep").len() == 2
    });
    typist
}

fn nothing_is_left(lab: &Lab) {
    assert_eq!(lab.pool.figures(), Default::default());
    wait_until(patience(), "all that ran in it has ended", || {
        lab.sshd.running("sleep").is_empty()
            && lab.sshd.running("bash").is_empty()
            && lab.sshd.sessions() == 0
    });
}

/// R7.7, P24: a hang-up for all that runs in it.
#[test]
fn closing_ends_what_runs_in_it() {
    let lab = Lab::new();
    sleeping(&lab).shell.close(patience());
    nothing_is_left(&lab);
}

/// P24, without a word.
#[test]
fn dropping_ends_what_runs_in_it() {
    let lab = Lab::new();
    drop(sleeping(&lab));
    nothing_is_left(&lab);
}

#[test]
fn closing_in_the_middle_of_a_flood_with_input_under_way_ends_both() {
    let lab = Lab::new();
    let mut typist = shell_on(&lab);
    typist.types("yes\r");
    typist.sees("y\r\ny\r\ny\r\n");
    typist.shell.write(&[b'x'; 64 * 1024]);
    typist.shell.close(patience());
    assert_eq!(lab.pool.figures(), Default::default());
    wait_until(patience(), "yes has ended", || {
        lab.sshd.running("yes").is_empty() && lab.sshd.sessions() == 0
    });
}

/// A lab that loses patience soon.
fn impatient() -> Lab {
    Lab::with(Options::default(), |settings| settings.keepalive = Duration::from_secs(2))
}

/// Reads on until it fails.
fn fails(typist: &mut Typist, read: bool) -> Failure {
    let deadline = patience();
    loop {
        if let Err(failure) = typist.shell.next(read, &typist.bell, deadline) {
            return failure;
        }
        assert!(Instant::now() < deadline);
    }
}

/// P24: a machine that vanishes without a word ends the shell, whether it is read or held back.
#[test]
fn a_machine_that_vanishes_is_a_loss() {
    for read in [true, false] {
        let lab = impatient();
        let link = Cuttable::start(lab.sshd.port());
        let target = lab.over(&link);
        let mut typist = Typist::at(&lab.pool, &target);
        typist.answers();
        link.stall();
        let failure = fails(&mut typist, read);
        assert_eq!((failure.kind, failure.target.as_str()), (Kind::Lost, "vps-01"));
        let said = failure.to_string();
        assert!(said.contains("the machine has not answered for "), "{said}");
        assert_eq!(fails(&mut typist, read).kind, Kind::Lost, "and it stays lost");
        typist.shell.close(Instant::now() + Duration::from_millis(100));
        assert_eq!(lab.pool.figures(), Default::default());
    }
}

#[test]
fn a_machine_that_vanishes_behind_a_jump_host_is_a_loss() {
    let (lab, inner) = (impatient(), Sshd::plain());
    let link = Cuttable::start(inner.port());
    let via = Some(Box::new(lab.sshd.target("bastion")));
    let target = Target { via, port: link.port(), ..inner.target("vm-01") };
    let mut typist = Typist::at(&lab.pool, &target);
    typist.answers();
    link.stall();
    let failure = fails(&mut typist, true);
    assert_eq!((failure.kind, failure.target.as_str()), (Kind::Lost, "vm-01"), "{failure}");
    typist.shell.close(Instant::now() + Duration::from_millis(100));
    assert_eq!(lab.pool.figures().busy, 0);
}

#[test]
fn a_machine_that_hangs_is_a_loss_and_one_that_wakes_in_time_is_not() {
    let lab = impatient();
    let mut typist = shell_on(&lab);
    typist.answers();
    lab.sshd.pause();
    let soon = Instant::now() + Duration::from_millis(900);
    while Instant::now() < soon {
        typist.shell.next(true, &typist.bell, soon).unwrap();
    }
    lab.sshd.resume();
    typist.answers();
    lab.sshd.pause();
    assert_eq!(fails(&mut typist, true).kind, Kind::Lost);
    lab.sshd.resume();
    drop(typist);
    nothing_is_left(&lab);
}

/// P24: the wait for a machine that does not answer any more has its bound.
#[test]
fn closing_a_shell_on_a_vanished_machine_takes_no_longer_than_asked() {
    let lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    let target = lab.over(&link);
    let mut typist = Typist::at(&lab.pool, &target);
    typist.answers();
    link.stall();
    let begun = Instant::now();
    typist.shell.close(begun + Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited for the machine");
    assert_eq!(lab.pool.figures(), Default::default());
    link.flow();
    nothing_is_left(&lab);
}

#[test]
fn a_cut_connection_and_a_killed_server_process_are_losses() {
    let lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    let target = lab.over(&link);
    let mut typist = Typist::at(&lab.pool, &target);
    link.cut();
    assert_eq!(fails(&mut typist, true).kind, Kind::Lost);
    drop(typist);
    let mut typist = shell_on(&lab);
    lab.sshd.end_sessions();
    assert_eq!(fails(&mut typist, false).kind, Kind::Lost);
    drop(typist);
    nothing_is_left(&lab);
}

/// P24: what breaks while it opens leaves nothing either.
#[test]
fn a_shell_whose_connection_breaks_while_it_opens_leaves_nothing() {
    let lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    let target = lab.over(&link);
    let line = lab.pool.dial(&target, &Latch::new().unwrap()).unwrap();
    link.cut();
    let failure = line.shell(size(80, 24), &lab.stop, patience()).err().unwrap();
    assert_eq!(failure.kind, Kind::Lost, "{failure}");
    nothing_is_left(&lab);
}

/// P24: the pool's end is the shell's end when it is dropped; nothing waits for the other.
#[test]
fn a_shell_may_outlive_its_pool() {
    let lab = Lab::new();
    let mut typist = shell_on(&lab);
    lab.pool.close(patience());
    typist.answers();
    typist.shell.close(patience());
    nothing_is_left(&lab);
}
