//! What a command writes, reads and leaves behind.

use std::io::Write;
use std::time::{Duration, Instant};

use linkops::ssh::{Event, Exit, Kind, Stream};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Lab, drain, read_until, run_on, written};
use crate::support::sshd::{Options, patience};
use crate::support::wait_until;

#[test]
fn much_on_one_stream_does_not_block_the_other() {
    let lab = Lab::new();
    let output = lab.run("head -c 3000000 /dev/zero >&2; echo done").unwrap();
    assert_eq!(output.stderr.len(), 3_000_000);
    assert_eq!(output.stdout, b"done\n");
}

#[test]
fn fifty_megabytes_on_both_streams_arrive_whole() {
    let lab = Lab::new();
    let lines = "seq 1 6900000 | head -c 50000000";
    let output = lab.run(&format!("{lines} >&2 & {lines}; wait")).unwrap();
    let mut expected = Vec::new();
    for number in 1.. {
        writeln!(expected, "{number}").unwrap();
        if expected.len() >= 50_000_000 {
            break;
        }
    }
    expected.truncate(50_000_000);
    assert_eq!(output.exit, Exit::Code(0));
    assert!(output.stdout == expected, "stdout differs");
    assert!(output.stderr == expected, "stderr differs");
}

/// The keys are exchanged anew in the middle of it, several times.
#[test]
fn nothing_is_lost_when_keys_are_exchanged_anew() {
    let config = "RekeyLimit 1M".to_owned();
    let lab = Lab::with(Options { config, addresses: 1 }, |_| {});
    let input: Vec<u8> = (0..6_000_000u32).map(|n| (n % 251) as u8).collect();
    let output = run_on(&lab.pool, &lab.target(), "cat; echo end >&2", &input).unwrap();
    assert!(output.stdout == input, "{} bytes came back", output.stdout.len());
    assert_eq!(output.stderr, b"end\n");
}

#[test]
fn a_slow_reader_costs_no_more_memory_than_the_window() {
    let lab = Lab::new();
    let mut line = lab.exec("head -c 20000000 /dev/zero; :");
    let Event::Output { data, .. } = line.next(None, patience()).unwrap() else { panic!() };
    // What is beyond the window stays on the other side, where the program waits.
    let head = lab.sshd.running("head")[0];
    let (mut last, mut since) = (0, Instant::now());
    wait_until(patience(), "the program is held back", || {
        let now = written(head);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(500)
    });
    assert!(last < 2 << 20, "{last} bytes are written");
    // The rest comes when we read.
    assert_eq!(data.len() + drain(line.as_mut()).unwrap().stdout.len(), 20_000_000);
}

/// P16, for this layer: any bytes, any interleaving, any exit code.
#[test]
fn any_bytes_arrive_as_they_were_written() {
    let lab = Lab::new();
    let bytes = || prop::collection::vec(any::<u8>(), 0..2000);
    let mut runner = TestRunner::new(Config::with_cases(150));
    let cases = (bytes(), bytes(), 0u8..=255);
    runner
        .run(&cases, |(out, err, code)| {
            let command =
                format!("head -c {} >&1; head -c {} >&2; exit {code}", out.len(), err.len());
            // `head` may read ahead of what it gives out, so each gets its own input.
            let command = command.replace("head -c", "dd status=none iflag=fullblock bs=1 count=");
            let command = command.replace("count= ", "count=");
            let input = [out.as_slice(), err.as_slice()].concat();
            let output = run_on(&lab.pool, &lab.target(), &command, &input).unwrap();
            prop_assert_eq!(output.stdout, out);
            prop_assert_eq!(output.stderr, err);
            prop_assert_eq!(output.exit, Exit::Code(i32::from(code)));
            Ok(())
        })
        .unwrap();
    assert_eq!(lab.sshd.logins(), 1, "all of it over one session");
}

#[test]
fn a_signal_is_not_success() {
    let lab = Lab::new();
    assert_eq!(lab.run("kill -TERM $$").unwrap().exit, Exit::Signal("TERM".into()));
    assert_eq!(lab.run("kill -KILL $$").unwrap().exit, Exit::Signal("KILL".into()));
    assert_eq!(lab.run("exit 255").unwrap().exit, Exit::Code(255));
    assert_eq!(lab.run("true").unwrap().exit, Exit::Code(0));
}

#[test]
fn input_arrives_and_stays_open() {
    let lab = Lab::new();
    let mut line = lab.dial().unwrap();
    line.exec("read a; echo got $a; cat; echo ended", b"one\ntwo\n", patience()).unwrap();
    read_until(line.as_mut(), "got one\ntwo\n");
    line.end_input().unwrap();
    assert_eq!(drain(line.as_mut()).unwrap().stdout, b"ended\n");
}

/// More than the window: each widening must be seen, though the command says nothing meanwhile.
#[test]
fn long_input_arrives_at_a_silent_command() {
    let lab = Lab::new();
    let input = vec![b'x'; 20 << 20];
    let output = run_on(&lab.pool, &lab.target(), "wc -c", &input).unwrap();
    assert_eq!(output.stdout, format!("{}\n", input.len()).into_bytes());
}

#[test]
fn input_that_nobody_reads_does_not_hold_the_end_back() {
    let lab = Lab::new();
    let input = vec![b'x'; 8 << 20];
    let output = run_on(&lab.pool, &lab.target(), "echo early; exit 4", &input).unwrap();
    assert_eq!((output.stdout, output.exit), (b"early\n".to_vec(), Exit::Code(4)));
    // Whatever became of that session, the next command is not disturbed.
    assert_eq!(lab.run("echo next").unwrap().stdout, b"next\n");
}

#[test]
fn a_command_beside_stops_one_that_floods_both_streams() {
    let lab = Lab::new();
    let mut line = lab.exec("echo $$; yes & yes >&2 & wait");
    let Event::Output { data, .. } = line.next(None, patience()).unwrap() else { panic!() };
    let text = String::from_utf8_lossy(&data).into_owned();
    let group = text.lines().next().unwrap();
    line.beside(&format!("echo stopping; kill -KILL -- -{group}; cat"), b"in", patience()).unwrap();
    let (mut ended, mut beside) = (None, None);
    let mut seen = [0usize; 2];
    while ended.is_none() || beside.is_none() {
        match line.next(None, patience()).unwrap() {
            Event::Output { stream, data } => {
                seen[usize::from(stream == Stream::Stderr)] += data.len()
            }
            Event::End(exit) => ended = Some(exit),
            Event::Beside { exit, output } => beside = Some((exit, output)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(ended, Some(Exit::Signal("KILL".into())));
    assert_eq!(beside, Some((Exit::Code(0), b"stopping\nin".to_vec())));
    drop(line);
    assert_eq!(lab.pool.figures().idle, 1, "the session is as good as new");
    assert_eq!(lab.run("echo next").unwrap().stdout, b"next\n");
    assert_eq!(lab.sshd.logins(), 1);
}

#[test]
fn a_flood_does_not_outrun_the_latch_and_the_deadline() {
    let lab = Lab::new();
    let mut line = lab.exec("yes");
    assert!(matches!(line.next(None, patience()).unwrap(), Event::Output { .. }));
    assert_eq!(line.next(None, Instant::now()).unwrap(), Event::TimedOut);
    lab.stop.set();
    assert_eq!(line.next(Some(&lab.stop), patience()).unwrap(), Event::Stopped);
    drop(line); // cuts the connection, which ends `yes`
    crate::support::wait_until(patience(), "yes has ended", || lab.sshd.sessions() == 0);
}

#[test]
fn a_flood_beside_does_not_outrun_the_deadline_either() {
    let lab = Lab::new();
    let mut line = lab.exec("cat");
    line.beside("yes", b"", patience()).unwrap();
    let soon = Instant::now() + Duration::from_millis(50);
    assert_eq!(line.next(None, soon).unwrap(), Event::TimedOut);
    assert_eq!(line.beside("true", b"", patience()).unwrap_err().kind, Kind::Channel);
}

#[test]
fn what_a_line_cannot_do_is_said() {
    let lab = Lab::new();
    let mut line = lab.dial().unwrap();
    assert_eq!(line.next(None, patience()).unwrap_err().kind, Kind::Channel);
    assert_eq!(line.exec("a\0b", b"", patience()).unwrap_err().kind, Kind::Channel);
    let long = format!(": {}", "x".repeat(32 * 1024));
    assert_eq!(line.exec(&long, b"", patience()).unwrap_err().kind, Kind::Channel);
    line.exec(&long[..32 * 1024], b"", patience()).unwrap();
    assert_eq!(line.exec("true", b"", patience()).unwrap_err().kind, Kind::Channel);
    drain(line.as_mut()).unwrap();
    assert_eq!(line.next(None, patience()).unwrap_err().kind, Kind::Channel);
}
