//! Figures of terminals: how soon a key comes back, against `ssh -tt` to the same machine in the
//! same run, and what a hundred open panes take.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::support::fleet::Fleet;
use super::support::linkops::LinkOps;
use super::support::terminal::{Tab, workspace};
use super::support::{deadline, wait_until};
use super::{Masters, memory, millis, process_cpu};

/// Keys typed in a row on each side before it is the other one's turn: few, so that whatever else
/// the machine does meets both sides alike.
const KEYS: usize = 20;
const TURNS: usize = 100;

/// Turns that are not counted.
const WARM: usize = 5;

/// A program that gives back each byte, on a PTY that changes none.
const ECHO: &str = "stty raw -echo; printf rea''dy; exec cat";

const PANES: [&str; 4] = ["A", "B", "C", "D"];
const WORKSPACES: usize = 25;

/// What was on its way has come within this time.
const SHORT: Duration = Duration::from_millis(10);

/// How long idle panes are watched.
const IDLE: Duration = Duration::from_secs(5);

/// All of it.
pub(crate) fn figures(fleet: &Fleet, linkops: &LinkOps, masters: &Masters) {
    echo(fleet, linkops, masters);
    panes(fleet, linkops);
}

fn echo(fleet: &Fleet, linkops: &LinkOps, masters: &Masters) {
    let id = &fleet.machines[0].id;
    let mut tab = Tab::open(linkops, &workspace(linkops, &[("A", id)]));
    tab.connect("A");
    tab.at_the_prompt("A");
    tab.types("A", &format!("{ECHO}\r"));
    tab.sees("A", "ready");
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(&masters.config).args(["-S", "none", "-tt", id, ECHO]);
    let mut ssh = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut screen) = (ssh.stdin.take().unwrap(), ssh.stdout.take().unwrap());
    screen.read_exact(&mut [0; 5]).unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut browser = tab.stream().try_clone().unwrap();
    for turn in 0..WARM + TURNS {
        for _ in 0..KEYS {
            let begun = Instant::now();
            browser.write_all(&key()).unwrap();
            let message = message(&mut browser);
            let took = begun.elapsed();
            assert_eq!(message, br#"{"type":"stdout","pane":"A","data":"k"}"#);
            if turn >= WARM {
                ours.push(took);
            }
        }
        for _ in 0..KEYS {
            let begun = Instant::now();
            keys.write_all(b"k").unwrap();
            screen.read_exact(&mut [0]).unwrap();
            if turn >= WARM {
                theirs.push(begun.elapsed());
            }
        }
    }
    ssh.kill().unwrap();
    ssh.wait().unwrap();
    ours.sort();
    theirs.sort();
    for (name, part) in [("p50", 50), ("p99", 99)] {
        let (ours, theirs) = (at(&ours, part), at(&theirs, part));
        println!(
            "echo of a key, {name}                 LinkOps {:.3} ms, ssh -tt {:.3} ms, ratio {:.2}",
            millis(ours),
            millis(theirs),
            ours.as_secs_f64() / theirs.as_secs_f64()
        );
    }
}

/// A key in a frame (RFC 6455 section 5.2), under a mask of zeros. What a client library does to write
/// and read messages is no part of what is measured, as a terminal's is not with `ssh`.
fn key() -> Vec<u8> {
    let text = br#"{"pane":"A","type":"stdin","data":"k"}"#;
    [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], &text[..]].concat()
}

/// The next message, which is short and in one frame.
fn message(browser: &mut TcpStream) -> Vec<u8> {
    let mut buffer = [0; 2 + 125];
    let mut read = 0;
    while read < 2 || read < 2 + usize::from(buffer[1]) {
        let more = browser.read(&mut buffer[read..]).unwrap();
        assert!(more > 0, "the connection was cut");
        read += more;
    }
    assert_eq!((buffer[0], usize::from(buffer[1])), (0x81, read - 2), "one text");
    buffer[2..read].to_vec()
}

fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn threads(id: u32) -> usize {
    std::fs::read_dir(format!("/proc/{id}/task")).unwrap().count()
}

/// A hundred panes with a browser on each workspace.
fn panes(fleet: &Fleet, linkops: &LinkOps) {
    let server = linkops.id();
    let (memory_before, threads_before) = (memory(server), threads(server));
    let mut ids = fleet.machines.iter().map(|one| &one.id[..]).cycle();
    let mut tabs: Vec<Tab> = (0..WORKSPACES)
        .map(|_| {
            let panes: Vec<(&str, &str)> = PANES.iter().copied().zip(ids.by_ref()).collect();
            Tab::connected(linkops, &workspace(linkops, &panes), &PANES)
        })
        .collect();
    let count = WORKSPACES * PANES.len();
    wait_until(deadline(), "all panes are connected", || {
        fleet.sshd.logged("Starting session: shell") >= count
    });
    let more = memory(server).saturating_sub(memory_before);
    println!(
        "{count} panes                          {more} kB, {} kB each; {} threads more",
        more / count as u64,
        threads(server) - threads_before
    );
    // Prompts and pings have come and gone.
    tabs.iter_mut().for_each(|tab| (0..8).for_each(|_| assert!(tab.read(SHORT))));
    let (cpu, begun) = (process_cpu(server), Instant::now());
    std::thread::park_timeout(IDLE);
    let used = process_cpu(server).saturating_sub(cpu);
    println!(
        "  idle CPU                          {:.2} ms/s",
        millis(used) / begun.elapsed().as_secs_f64()
    );
}
