//! Much output, and browsers that are slow to take it.

use super::*;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Lines of the flood: 50 MB of them.
const LINES: usize = 500_000;

/// Messages of 50 kB of input.
const PARTS: usize = 480;

/// A line of the flood: 100 bytes with its end on a terminal.
fn line(number: usize) -> String {
    format!("{number:098}")
}

/// A command that prints the flood.
fn flood(lines: usize) -> String {
    format!("stty -echo; awk 'BEGIN {{ for (i = 1; i <= {lines}; i++) printf \"%098d\\n\", i }}'\r")
}

/// How much more memory the server has used at its peak, in kB.
fn peak(linkops: &LinkOps) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", linkops.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How many bytes the program on the PTY has written.
fn written(lab: &Lab) -> u64 {
    let programs = lab.fleet.sshd.running("awk");
    let io = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let wchar = |text: String| {
        let line = text.lines().find(|line| line.starts_with("wchar:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    programs.iter().filter_map(|pid| wchar(io(pid))).sum()
}

/// Waits until something that has grown does not grow any more.
#[track_caller]
fn stands_still(what: &str, mut size: impl FnMut() -> u64) {
    let (mut last, mut since) = (0, Instant::now());
    wait_until(deadline(), what, || {
        let now = size();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        now > 0 && since.elapsed() > Duration::from_millis(500)
    });
}

/// P23: 50 MB through a reader that stops again and again: nothing is lost, nothing is held in
/// memory, and the program waits meanwhile.
#[test]
fn fifty_megabytes_arrive_whole_at_a_reader_that_stops_again_and_again() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    let before = peak(&lab.linkops);
    tab.types("A", &flood(LINES));
    let (mut next, mut rest, mut stops) = (1, String::new(), 0);
    let deadline = Instant::now() + Duration::from_secs(300);
    while next <= LINES {
        assert!(Instant::now() < deadline, "only {next} lines came");
        if next > (stops + 1) * LINES / 6 {
            stops += 1;
            stands_still("the program is held back", || written(&lab));
        }
        assert!(tab.read(Duration::from_millis(500)), "it was closed");
        rest += &std::mem::take(&mut tab.pane("A").text);
        while let Some((one, more)) = rest.split_once("\r\n") {
            let one = one.rsplit('\r').next().unwrap(); // behind what the shell says
            if one.len() == 98 && one.bytes().all(|byte| byte.is_ascii_digit()) {
                assert_eq!(one, line(next));
                next += 1;
            }
            rest = more.to_owned();
        }
    }
    assert_eq!(stops, 5);
    let more = peak(&lab.linkops) - before;
    assert!(more < 24 * 1024, "{more} kB more");
}

/// Control characters come through a flood, from a browser that reads it.
#[test]
fn a_flood_can_be_interrupted() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "yes\r");
    tab.sees("A", "y\r\ny\r\ny\r\n");
    tab.types("A", "\u{3}");
    tab.types("A", "echo stop''ped\r");
    tab.sees("A", "stopped");
    assert!(lab.fleet.sshd.running("yes").is_empty());
}

/// A flood on one pane takes the others nothing but a fair part.
#[test]
fn other_panes_are_served_during_a_flood() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A", "B"]);
    tab.types("A", "yes\r");
    tab.sees("A", "y\r\ny\r\ny\r\n");
    for round in 0..20 {
        tab.forget("A");
        tab.types("B", &format!("echo round-$(({round}+100))\r"));
        tab.sees("B", &format!("round-{}", round + 100));
    }
    assert_eq!(lab.fleet.sshd.running("yes").len(), 1);
}

/// With two browsers the PTY is held back for the slower one, for a bounded time; then that one is
/// dropped, and the other one goes on and has missed nothing.
#[test]
fn a_browser_that_takes_nothing_holds_another_one_up_for_a_bounded_time() {
    let lab = Lab::new();
    let slow = lab.connected(&["A"]);
    let mut fast = lab.open();
    fast.becomes("A", "connected");
    fast.types("A", &flood(LINES / 5));
    let last = line(LINES / 5);
    let mut bytes = 0;
    fast.wait("all has come", |tab| {
        let text = &mut tab.pane("A").text;
        let done = text.contains(&last);
        if text.len() > 1 << 20 && !done {
            bytes += text.len();
            text.drain(..text.len() - 200);
            bytes -= text.len();
        }
        done
    });
    assert!(bytes > LINES / 5 * 90, "{bytes}");
    wait_until(deadline(), "the slow one is dropped", || lab.view()["sockets"] == 1);
    drop(slow);
}

/// What is typed into a program that takes nothing is held back at the browser, not in memory, and
/// arrives when the program takes it.
#[test]
fn much_input_waits_for_its_program() {
    let lab = Lab::with("terminal.websocket_ping_interval = 600");
    let mut tab = lab.connected(&["A"]);
    let out = lab.fleet.directory().join("input");
    let gate = lab.fleet.directory().join("gate");
    let (file, open) = (out.display(), gate.display());
    let line = format!(
        "stty raw -echo; echo re''ady; until [ -e {open} ]; do sleep 0.1; done; \
         head -c {} > {file}; stty sane; echo fini''shed\r",
        PARTS * 50_000
    );
    tab.types("A", &line);
    tab.sees("A", "ready");
    let before = peak(&lab.linkops);
    let part: String = ('a'..='z').cycle().take(50_000).collect();
    let message = json!({ "pane": "A", "type": "stdin", "data": part }).to_string();
    let mut other = tab.writer();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let writer = std::thread::spawn(move || {
        for _ in 0..PARTS {
            other.send(&message[..]);
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    // More than all buffers in between hold: the writer has to wait.
    stands_still("no more is taken", || sent.load(Ordering::SeqCst) as u64);
    assert!(!writer.is_finished(), "everything was taken");
    fs::write(&gate, "").unwrap();
    writer.join().unwrap();
    tab.sees("A", "finished");
    let (got, expected) = (fs::read(out).unwrap(), part.repeat(PARTS).into_bytes());
    let other = got.iter().zip(&expected).position(|(one, other)| one != other);
    assert_eq!((got.len(), other), (expected.len(), None));
    let more = peak(&lab.linkops) - before;
    assert!(more < 16 * 1024, "{more} kB more");
}
