//! Shells on a PTY: bytes arrive unchanged and in order both ways, and whoever does not read them
//! holds the program back instead of filling memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkops::ssh::{Exit, ShellEvent};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::pty::{Typist, at_the_prompt, shell_on};
use super::{Lab, written};
use crate::support::sshd::{Options, patience};

/// Makes the PTY pass every byte and runs a command on it; nothing but its output comes after.
fn raw(lab: &Lab, command: &str) -> Typist {
    let mut typist = shell_on(lab);
    typist.types(&format!("stty raw -echo; echo ready-$((1+1)); exec {command}\r"));
    let seen = typist.sees("ready-2\n");
    assert!(seen.ends_with("ready-2\n"), "{seen:?}");
    typist
}

/// Sends all of the input to `cat` and reads it back, in pieces of its own.
fn send_and_return(typist: &mut Typist, input: &[u8]) -> Vec<u8> {
    let (mut sent, mut back) = (0, Vec::new());
    while back.len() < input.len() {
        sent += typist.shell.write(&input[sent..]);
        match typist.next() {
            ShellEvent::Output(data) => back.extend(data),
            ShellEvent::Room => {}
            other => panic!("{other:?}"),
        }
    }
    back
}

/// P23: whatever goes in comes out, whole and in order, in any pieces, also when nobody reads for
/// a while.
#[test]
fn any_bytes_pass_a_pty_both_ways() {
    let lab = Lab::new();
    let typist = RefCell::new(raw(&lab, "cat"));
    let pieces = vec((vec(any::<u8>(), 0..3000), any::<bool>()), 1..12);
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    let result = runner.run(&pieces, |pieces| {
        let mut typist = typist.borrow_mut();
        let mut wanted = VecDeque::new();
        for (piece, read) in pieces {
            prop_assert_eq!(typist.shell.write(&piece), piece.len());
            wanted.extend(piece);
            // One look, with or without taking what is there.
            let Typist { shell, bell, .. } = &mut *typist;
            let event = shell.next(read, bell, Instant::now());
            match event.map_err(|failure| TestCaseError::fail(failure.to_string()))? {
                ShellEvent::Output(data) => {
                    prop_assert!(read);
                    prop_assert_eq!(wanted.drain(..data.len()).collect::<Vec<_>>(), data);
                }
                other => prop_assert_eq!(other, ShellEvent::TimedOut),
            }
        }
        while !wanted.is_empty() {
            let ShellEvent::Output(data) = typist.next() else {
                return Err(TestCaseError::fail("it ended"));
            };
            prop_assert!(data.len() <= wanted.len());
            prop_assert_eq!(wanted.drain(..data.len()).collect::<Vec<_>>(), data);
        }
        Ok(())
    });
    result.unwrap();
}

/// More than all buffers hold, and the keys of the connection change many times meanwhile.
#[test]
fn a_long_paste_comes_back_whole_while_keys_are_exchanged_anew() {
    let lab = Lab::with(Options { config: "RekeyLimit 1M".into(), addresses: 1 }, |_| {});
    let mut typist = raw(&lab, "cat");
    let input: Vec<u8> = (0..8_000_000u32).map(|n| (n % 251) as u8).collect();
    assert!(send_and_return(&mut typist, &input) == input);
}

#[test]
fn input_that_nobody_takes_is_bounded_and_goes_on_when_somebody_does() {
    let lab = Lab::new();
    let mut typist = raw(&lab, "bash -c 'read -N 1; head -c 7999999 | wc -c'");
    let input = vec![b'x'; 8_000_000];
    let mut sent = typist.shell.write(&input);
    assert!(sent <= 64 * 1024, "{sent} bytes are kept");
    while sent < input.len() {
        match typist.next() {
            ShellEvent::Room => {}
            other => panic!("{other:?} after {sent} bytes"),
        }
        let more = typist.shell.write(&input[sent..]);
        assert!((1..=64 * 1024).contains(&more));
        sent += more;
    }
    typist.sees("7999999\n");
    assert_eq!(typist.sees_end(), Exit::Code(0));
}

/// R7.5, P23: 50 MB through a reader that stops again and again. While it stops the program stops
/// too, and all that is under way, in our memory and elsewhere, is less than 2 MB.
#[test]
fn fifty_megabytes_through_a_reader_that_stops_are_held_back_and_not_lost() {
    const LAST: u32 = 7_000_000;
    const MOST: usize = 2 << 20;
    let lab = Lab::new();
    let mut typist = raw(&lab, &format!("bash -c 'read -N 1; seq {LAST}; exit 5'"));
    typist.types("x");
    let mut expected = (1..=LAST).flat_map(|n| format!("{n}\n").into_bytes());
    let (mut told, mut next_stop, mut stops) = (0, 1 << 20, 0);
    let exit = loop {
        match typist.next() {
            ShellEvent::Output(data) => {
                told += data.len();
                assert!(data.len() <= 32 * 1024);
                assert!(data.iter().all(|byte| expected.next() == Some(*byte)), "before {told}");
            }
            ShellEvent::End(exit) => break exit,
            other => panic!("{other:?}"),
        }
        if told < next_stop {
            continue;
        }
        next_stop += 6 << 20;
        let seq = lab.sshd.running("seq")[0];
        let mut before = 0;
        while written(seq) != before {
            before = written(seq);
            let soon = Instant::now() + Duration::from_millis(100);
            assert_eq!(typist.shell.next(false, &typist.bell, soon).unwrap(), ShellEvent::TimedOut);
        }
        assert!(before - told < MOST, "{before} bytes written, {told} read");
        stops += 1;
    };
    assert_eq!(exit, Exit::Code(5));
    assert_eq!(expected.next(), None, "all of it came");
    assert!(stops >= 8, "{stops}");
}

/// What is typed reaches a program whose output nobody reads.
#[test]
fn a_flood_that_is_held_back_can_be_interrupted() {
    let lab = Lab::new();
    let mut typist = at_the_prompt(&lab);
    typist.types("yes\r");
    typist.sees("y\r\ny\r\ny\r\n");
    let hold = |typist: &mut Typist| {
        let soon = Instant::now() + Duration::from_millis(100);
        while typist.shell.next(false, &typist.bell, soon).unwrap() != ShellEvent::TimedOut {}
    };
    hold(&mut typist);
    typist.types("\x03");
    let deadline = patience();
    while !lab.sshd.running("yes").is_empty() {
        assert!(Instant::now() < deadline);
        hold(&mut typist);
    }
    typist.types("echo code-$((1*$?))\r");
    typist.sees("code-130");
}

#[test]
fn neither_the_bell_nor_a_flood_keeps_the_other_waiting() {
    let lab = Lab::new();
    let mut typist = at_the_prompt(&lab);
    typist.types("yes\r");
    typist.sees("y\r\ny\r\ny\r\n");
    let output = |event: &ShellEvent| matches!(event, ShellEvent::Output(_));
    let (mut outputs, mut last) = (0, ShellEvent::Woken);
    let deadline = patience();
    while outputs < 20 {
        typist.bell.ring();
        let event = typist.next();
        assert!(event == ShellEvent::Woken || last == ShellEvent::Woken, "{last:?}, {event:?}");
        assert!(Instant::now() < deadline, "the bell keeps the flood waiting");
        outputs += u32::from(output(&event));
        last = event;
    }
    // A time that is over is over, and takes along what is there.
    typist.bell.take();
    let now = typist.shell.next(true, &typist.bell, Instant::now()).unwrap();
    assert!(output(&now) || now == ShellEvent::TimedOut, "{now:?}");
    typist.types("\x03");
    typist.sees("prompt-2-");
    let bell = Arc::clone(&typist.bell);
    let ringer = std::thread::spawn(move || bell.ring());
    let event = loop {
        match typist.shell.next(true, &typist.bell, patience()).unwrap() {
            ShellEvent::Output(_) => {}
            other => break other,
        }
    };
    assert_eq!(event, ShellEvent::Woken, "also who waits is woken");
    ringer.join().unwrap();
}
