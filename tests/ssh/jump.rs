//! Jump hosts: one session for all who go through, also nested, and failures that name the culprit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linkops::ssh::{Dial, Exit, Kind, Target};
use linkops::threads::{Latch, spawn};

use super::{Lab, drain, known_hosts, read_until, run_on};
use crate::support::network::BlackHole;
use crate::support::sshd::{Options, Sshd, patience, stranger_key};
use crate::support::wait_until;

/// The same machine under another name, so that no warm session serves.
fn inner_named(target: &Target, name: &str) -> Target {
    Target { name: name.to_owned(), ..target.clone() }
}

/// A target behind the lab's server.
fn behind(lab: &Lab, inner: &Sshd, name: &str) -> Target {
    Target { via: Some(Box::new(lab.sshd.target("bastion"))), ..inner.target(name) }
}

#[test]
fn inner_hosts_share_one_jump_session() {
    let (lab, inner) = (Lab::new(), Sshd::plain());
    let runs: Vec<_> = (0..6)
        .map(|n| {
            let (pool, target) = (Arc::clone(&lab.pool), behind(&lab, &inner, &format!("vm-{n}")));
            std::thread::spawn(move || run_on(&pool, &target, "echo $SSH_CONNECTION", b""))
        })
        .collect();
    for run in runs {
        let text = String::from_utf8(run.join().unwrap().unwrap().stdout).unwrap();
        assert!(text.trim().ends_with(&inner.port().to_string()), "{text}");
    }
    assert_eq!((lab.sshd.logins(), inner.logins()), (1, 6));
    assert_eq!((lab.pool.figures().jumps, lab.pool.figures().idle), (1, 6));
    let known = std::fs::read_to_string(known_hosts(&lab.sshd)).unwrap();
    assert!(known.contains(&inner.known_hosts_line()), "the inner host has its own name: {known}");
}

#[test]
fn much_goes_through_in_both_directions() {
    let (lab, inner) = (Lab::new(), Sshd::plain());
    let target = behind(&lab, &inner, "vm-01");
    let input: Vec<u8> = (0..10_000_000u32).map(|n| (n % 253) as u8).collect();
    let output = run_on(&lab.pool, &target, "cat; echo end >&2", &input).unwrap();
    assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
    assert_eq!((output.stderr, output.exit), (b"end\n".to_vec(), Exit::Code(0)));
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_else_up() {
    let (lab, inner) = (Lab::new(), Sshd::plain());
    let slow = behind(&lab, &inner, "slow");
    let mut line = lab.pool.dial(&slow, &lab.stop).unwrap();
    line.exec("head -c 30000000 /dev/zero", b"", patience()).unwrap();
    for _ in 0..5 {
        let other = behind(&lab, &inner, "other");
        let output = run_on(&lab.pool, &other, "head -c 1000000 /dev/zero", b"").unwrap();
        assert_eq!(output.stdout.len(), 1_000_000);
    }
    assert_eq!(drain(line.as_mut()).unwrap().stdout.len(), 30_000_000);
}

#[test]
fn jumps_can_be_nested() {
    let (lab, middle, inner) = (Lab::new(), Sshd::plain(), Sshd::plain());
    let middle_target = behind(&lab, &middle, "middle");
    let target = Target { via: Some(Box::new(middle_target)), ..inner.target("inner") };
    for _ in 0..3 {
        assert_eq!(run_on(&lab.pool, &target, "echo deep", b"").unwrap().stdout, b"deep\n");
    }
    assert_eq!((lab.sshd.logins(), middle.logins(), inner.logins()), (1, 1, 1));
    assert_eq!(lab.pool.figures().jumps, 2);
    lab.pool.close(patience());
    assert_eq!(lab.pool.figures(), Default::default());
}

#[test]
fn who_is_at_fault_is_named() {
    let (lab, mut inner) = (Lab::new(), Sshd::plain());
    let target = behind(&lab, &inner, "vm-01");
    let mut locked_out = target.clone();
    if let Some(via) = &mut locked_out.via {
        via.key = lab.sshd.directory().join("stranger");
        stranger_key(&via.key);
    }
    let failure = run_on(&lab.pool, &locked_out, "true", b"").unwrap_err();
    assert_eq!((failure.kind, failure.target.as_str()), (Kind::Authentication, "bastion"));

    inner.stop();
    let failure = run_on(&lab.pool, &target, "true", b"").unwrap_err();
    assert_eq!((failure.kind, failure.target.as_str()), (Kind::Jump, "vm-01"), "{failure}");
    assert!(failure.message.contains("\"bastion\""), "{failure}");

    let mut lab = lab;
    lab.sshd.stop();
    let failure = run_on(&lab.pool, &target, "true", b"").unwrap_err();
    assert_eq!((failure.kind, failure.target.as_str()), (Kind::Refused, "bastion"), "{failure}");
}

#[test]
fn a_changed_key_makes_a_new_jump_session_and_spares_what_runs_over_the_old() {
    let (lab, inner) = (Lab::new(), Sshd::plain());
    let mut target = behind(&lab, &inner, "vm-01");
    if let Some(via) = &mut target.via {
        via.name = "key".into(); // names the thread
    }
    let mut line = lab.pool.dial(&target, &lab.stop).unwrap();
    line.exec("read x; echo spared; cat", b"", patience()).unwrap();
    let fresh = lab.sshd.directory().join("fresh");
    std::fs::copy(lab.sshd.key(), &fresh).unwrap();
    std::fs::rename(&fresh, lab.sshd.key()).unwrap();
    run_on(&lab.pool, &target, "true", b"").unwrap();
    assert_eq!((lab.sshd.logins(), lab.pool.figures().jumps), (2, 2));
    line.end_input().unwrap();
    read_until(line.as_mut(), "spared\n");
    lab.pool.close(patience());
    wait_until(patience(), "the pumps are gone", || !super::has_thread("ssh-jump-key"));
}

#[test]
fn forwarding_that_is_forbidden_is_said() {
    let config = "AllowTcpForwarding no".to_owned();
    let lab = Lab::with(Options { config, addresses: 1 }, |_| {});
    let inner = Sshd::plain();
    let failure = run_on(&lab.pool, &behind(&lab, &inner, "vm-01"), "true", b"").unwrap_err();
    assert_eq!(failure.kind, Kind::Jump, "{failure}");
    assert!(failure.message.contains("AllowTcpForwarding"), "{failure}");
}

#[test]
fn a_lost_jump_host_is_a_loss_and_comes_back() {
    let (lab, inner) = (Lab::new(), Sshd::plain());
    let target = behind(&lab, &inner, "vm-01");
    let mut line = lab.pool.dial(&target, &lab.stop).unwrap();
    line.exec("echo one; cat", b"", patience()).unwrap();
    read_until(line.as_mut(), "one\n");
    lab.sshd.end_sessions();
    assert_eq!(line.next(None, patience()).unwrap_err().kind, Kind::Lost);
    drop(line);
    assert_eq!(run_on(&lab.pool, &target, "echo back", b"").unwrap().stdout, b"back\n");
    assert_eq!(lab.sshd.logins(), 2);
}

/// A machine that answers nothing, not even that it takes no connections: the jump host's server
/// tries for two minutes, and can open no other channel on that session meanwhile.
#[test]
fn a_machine_that_answers_nothing_holds_nobody_else_up() {
    let (lab, inner, hole) = (Lab::new(), Sshd::plain(), BlackHole::start());
    let target = behind(&lab, &inner, "vm-01");
    let mut line = lab.pool.dial(&target, &lab.stop).unwrap();
    line.exec("echo one; read x; echo two", b"", patience()).unwrap();
    read_until(line.as_mut(), "one\n");
    let (pool, stop) = (Arc::clone(&lab.pool), Arc::new(Latch::new().unwrap()));
    let silent = Target { port: hole.port(), ..behind(&lab, &inner, "silent") };
    let given_up = Arc::clone(&stop);
    let dialler = spawn("dialler", move || {
        assert_eq!(pool.dial(&silent, &given_up).err().unwrap().kind, Kind::Stopped);
    })
    .unwrap();
    wait_until(patience(), "it is being tried", || hole.is_tried());
    // It waits behind that one, and goes another way.
    let output = run_on(&lab.pool, &inner_named(&target, "vm-02"), "echo through", b"").unwrap();
    assert_eq!(output.stdout, b"through\n");
    assert_eq!((lab.sshd.logins(), lab.pool.figures().jumps), (2, 2));
    // Who asks now does not wait at all, and what runs over the old session goes on.
    run_on(&lab.pool, &inner_named(&target, "vm-03"), "true", b"").unwrap();
    assert_eq!(lab.sshd.logins(), 2);
    line.end_input().unwrap();
    assert_eq!(drain(line.as_mut()).unwrap().stdout, b"two\n");
    stop.set();
    dialler.join_until(patience()).unwrap();
}

/// Not even when libssh2 has given the answer up, which takes a minute.
#[test]
fn a_machine_that_answers_nothing_for_long_ends_nothing_else() {
    let lab = Lab::with(Options::default(), |settings| {
        settings.connect_timeout = Duration::from_secs(90);
        settings.max_tries = 1;
        settings.keepalive = Duration::from_secs(5); // how often the jump session is looked after
    });
    let (inner, hole) = (Sshd::plain(), BlackHole::start());
    let mut line = lab.pool.dial(&behind(&lab, &inner, "vm-01"), &lab.stop).unwrap();
    line.exec("echo one; read x; echo two", b"", patience()).unwrap();
    read_until(line.as_mut(), "one\n");
    let silent = Target { port: hole.port(), ..behind(&lab, &inner, "silent") };
    let failure = lab.pool.dial(&silent, &lab.stop).err().unwrap();
    assert!(failure.kind.is_transport(), "{failure}");
    line.end_input().unwrap();
    assert_eq!(drain(line.as_mut()).unwrap().stdout, b"two\n");
}

/// The session goes with the last one that waits for it: nobody else can use it.
#[test]
fn a_connection_that_is_given_up_while_it_is_opened_leaves_nothing() {
    let (lab, hole) = (Lab::new(), BlackHole::start());
    let via = Some(Box::new(lab.sshd.target("bastion")));
    let silent = Target { port: hole.port(), via, ..lab.sshd.target("silent") };
    let (pool, stop) = (Arc::clone(&lab.pool), Arc::new(Latch::new().unwrap()));
    let given_up = Arc::clone(&stop);
    let dialler = spawn("dialler", move || drop(pool.dial(&silent, &given_up))).unwrap();
    wait_until(patience(), "it is being tried", || hole.is_tried());
    stop.set();
    dialler.join_until(patience()).unwrap();
    // Long before libssh2 would give up.
    let soon = Instant::now() + Duration::from_secs(30);
    wait_until(soon, "the jump session has ended", || lab.pool.figures().jumps == 0);
    wait_until(patience(), "sshd serves nobody", || lab.sshd.sessions() == 0);
}

#[test]
fn an_unused_jump_session_ends() {
    let lab = Lab::with(Options::default(), |settings| {
        settings.idle_time = Duration::from_millis(50);
    });
    let inner = Sshd::plain();
    run_on(&lab.pool, &behind(&lab, &inner, "vm-01"), "true", b"").unwrap();
    wait_until(patience(), "all sessions have ended", || {
        lab.pool.figures() == Default::default() && lab.sshd.sessions() + inner.sessions() == 0
    });
}

#[test]
fn an_unused_jump_host_that_dies_is_noticed() {
    let lab = Lab::with(Options::default(), |settings| settings.max_idle = 0);
    let inner = Sshd::plain();
    run_on(&lab.pool, &behind(&lab, &inner, "vm-01"), "true", b"").unwrap();
    assert_eq!(lab.pool.figures().jumps, 1);
    lab.sshd.end_sessions();
    wait_until(patience(), "the jump session has ended", || lab.pool.figures().jumps == 0);
}
