//! Who is let in, who is tried again, and who can be interrupted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkops::ssh::{Dial, Event, Exit, Kind, Pool, Target};
use linkops::threads::{Latch, spawn};

use super::{Lab, run_on, settings};
use crate::support::network::{Cuttable, Silent};
use crate::support::sshd::{Options, Sshd, patience, stranger_key};
use crate::support::wait_until;

#[test]
fn a_command_runs_with_the_configured_key() {
    let lab = Lab::new();
    let output = lab.run("echo out; echo err >&2; exit 3").unwrap();
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(output.exit, Exit::Code(3));
    lab.pool.close(patience());
    assert_eq!(lab.pool.figures(), Default::default());
}

#[test]
fn a_stranger_is_not_let_in_and_not_tried_again() {
    let lab = Lab::new();
    let mut target = lab.target();
    target.key = lab.sshd.directory().join("stranger");
    stranger_key(&target.key);
    let failure = run_on(&lab.pool, &target, "true", b"").unwrap_err();
    assert_eq!(failure.kind, Kind::Authentication, "{failure}");
    assert!(failure.message.contains("authorized_keys"), "{failure}");
    assert!(!failure.may_have_started());
    assert_eq!(lab.sshd.logged("Connection from"), 1);
}

#[test]
fn a_server_with_other_algorithms_is_not_tried_again() {
    let config = "KexAlgorithms sntrup761x25519-sha512@openssh.com".to_owned();
    let lab = Lab::with(Options { config, addresses: 1 }, |_| {});
    let failure = lab.run("true").unwrap_err();
    assert_eq!(failure.kind, Kind::Algorithms, "{failure}");
    assert_eq!(lab.sshd.logged("Connection from"), 1);
}

/// R10.3: also where a warm session is open.
#[test]
fn a_key_that_others_can_read_is_refused_from_then_on() {
    let lab = Lab::new();
    lab.run("true").unwrap();
    fs::set_permissions(lab.sshd.key(), fs::Permissions::from_mode(0o640)).unwrap();
    let failure = lab.run("true").unwrap_err();
    assert_eq!(failure.kind, Kind::KeyFile, "{failure}");
    assert!(failure.message.contains("chmod 600"), "{failure}");
}

#[test]
fn a_broken_key_is_said_to_be_one() {
    let lab = Lab::new();
    let text = fs::read_to_string(lab.sshd.key()).unwrap();
    fs::write(lab.sshd.key(), text.replace("b3BlbnNza", "c3BlbnNza")).unwrap();
    let failure = lab.run("true").unwrap_err();
    assert_eq!(failure.kind, Kind::KeyFile, "{failure}");
    assert!(failure.message.contains("ssh-keygen"), "{failure}");
}

#[test]
fn a_silent_server_meets_the_deadline() {
    let silent = Silent::start();
    let lab = Lab::with(Options::default(), |settings| {
        settings.connect_timeout = Duration::from_millis(50);
        settings.max_tries = 2;
    });
    let mut target = lab.target();
    target.port = silent.port();
    let failure = run_on(&lab.pool, &target, "true", b"").unwrap_err();
    assert_eq!(failure.kind, Kind::TimedOut, "{failure}");
    assert!(failure.message.contains("tried 2 times"), "{failure}");
}

#[test]
fn a_refused_connection_is_tried_exactly_so_often() {
    let mut lab = Lab::new();
    lab.sshd.stop();
    let failure = lab.run("true").unwrap_err();
    assert_eq!(failure.kind, Kind::Refused, "{failure}");
    assert!(failure.message.contains("tried 3 times"), "{failure}");
}

#[test]
fn a_server_that_hangs_up_is_tried_exactly_so_often() {
    let mut lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    lab.sshd.stop(); // the link accepts, finds nobody, and hangs up
    let mut target = lab.target();
    target.port = link.port();
    let failure = run_on(&lab.pool, &target, "true", b"").unwrap_err();
    assert_eq!(failure.kind, Kind::Handshake, "{failure}");
    assert!(failure.kind.is_transport());
    assert!(failure.message.contains("tried 3 times"), "{failure}");
}

#[test]
fn a_name_without_an_address_is_said() {
    let lab = Lab::new();
    let mut target = lab.target();
    target.host = "no-such-host.invalid".into();
    let failure = run_on(&lab.pool, &target, "true", b"").unwrap_err();
    assert_eq!(failure.kind, Kind::Resolve, "{failure}");
    target.host = "localhost".into();
    assert_eq!(run_on(&lab.pool, &target, "true", b"").unwrap().exit, Exit::Code(0));
}

#[test]
fn the_latch_interrupts_a_dial() {
    let silent = Silent::start();
    let lab = Lab::new();
    let mut target = lab.target();
    target.port = silent.port();
    let (stop, pool) = (Arc::new(Latch::new().unwrap()), Arc::clone(&lab.pool));
    let latch = Arc::clone(&stop);
    let dialer = spawn("dialer", move || {
        let failure = pool.dial(&target, &latch).err().unwrap();
        assert_eq!(failure.kind, Kind::Stopped, "{failure}");
    })
    .unwrap();
    stop.set();
    dialer.join_until(patience()).unwrap();
}

#[test]
fn the_latch_interrupts_a_wait_that_has_begun() {
    let lab = Lab::new();
    let mut line = lab.exec("cat");
    let stop = Arc::new(Latch::new().unwrap());
    let latch = Arc::clone(&stop);
    let waiter = spawn("waiter", move || {
        assert_eq!(line.next(Some(&latch), patience()).unwrap(), Event::Stopped);
    })
    .unwrap();
    stop.set();
    waiter.join_until(patience()).unwrap();
}

#[test]
fn the_latch_and_the_deadline_interrupt_a_wait_and_nothing_is_lost() {
    let lab = Lab::new();
    let mut line = lab.exec("echo one; read x; echo two; exit 5");
    assert!(matches!(line.next(None, patience()).unwrap(), Event::Output { .. }));
    lab.stop.set();
    assert_eq!(line.next(Some(&lab.stop), patience()).unwrap(), Event::Stopped);
    let soon = Instant::now() + Duration::from_millis(20);
    assert_eq!(line.next(None, soon).unwrap(), Event::TimedOut);
    line.end_input().unwrap();
    let output = super::drain(line.as_mut()).unwrap();
    assert_eq!((output.stdout, output.exit), (b"two\n".to_vec(), Exit::Code(5)));
}

/// sshd drops unauthenticated connections above MaxStartups; we never come that far.
#[test]
fn many_connections_at_once_all_get_in() {
    let config = "MaxStartups 10:100:10".to_owned();
    let lab = Lab::with(Options { config, addresses: 1 }, |settings| {
        settings.max_tries = 1;
        settings.max_idle = 100;
    });
    let dialers: Vec<_> = (0..24)
        .map(|n| {
            let (pool, target) = (Arc::clone(&lab.pool), lab.sshd.target(&format!("link-{n}")));
            std::thread::spawn(move || run_on(&pool, &target, "true", b"").unwrap().exit)
        })
        .collect();
    for dialer in dialers {
        assert_eq!(dialer.join().unwrap(), Exit::Code(0));
    }
    assert_eq!(lab.sshd.logins(), 24);
}

/// Many targets, each an address of its own, as an operation meets them.
#[test]
fn fifty_targets_work_side_by_side() {
    let lab = Lab::with(Options { addresses: 50, ..Options::default() }, |settings| {
        settings.max_idle = 64;
    });
    for _ in 0..2 {
        let runs: Vec<_> = (1..=50)
            .map(|n| {
                let (pool, target) = (Arc::clone(&lab.pool), lab.sshd.target_at(n));
                std::thread::spawn(move || run_on(&pool, &target, "echo $SSH_CONNECTION", b""))
            })
            .collect();
        for (n, run) in (1..=50).zip(runs) {
            let text = String::from_utf8(run.join().unwrap().unwrap().stdout).unwrap();
            assert!(text.contains(&format!(" 127.0.0.{n} ")), "{text}");
        }
    }
    assert_eq!(lab.sshd.logins(), 50);
    assert_eq!(lab.pool.figures().idle, 50);
}

/// P24, for this layer: nothing is left after the end.
#[test]
fn a_closed_pool_leaves_nothing() {
    let sshd = Sshd::plain();
    let pool = Pool::start(settings(&sshd)).unwrap();
    let inner = Target { via: Some(Box::new(sshd.target("p24"))), ..sshd.target("inner") };
    run_on(&pool, &inner, "true", b"").unwrap();
    assert!(super::has_thread("ssh-jump-p24"));
    assert_eq!(pool.figures().idle + pool.figures().jumps, 2);
    let stop = Latch::new().unwrap();
    let mut line = pool.dial(&inner, &stop).unwrap();
    line.exec("sleep 1000 & wait", b"", patience()).unwrap();
    pool.close(patience());
    wait_until(patience(), "the pump is gone", || !super::has_thread("ssh-jump-p24"));
    assert_eq!(pool.dial(&inner, &stop).err().unwrap().kind, Kind::Stopped);
    assert_eq!(line.next(None, patience()).unwrap_err().kind, Kind::Lost);
    drop(line);
    assert_eq!(pool.figures(), Default::default());
    wait_until(patience(), "sshd serves nobody", || sshd.sessions() == 0);
}
