//! SSH against real OpenSSH servers: one file per promise.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use linkops::ssh::{
    Dial, Event, Exit, Failure, HostKeyPolicy, Line, Output, Pool, Settings, Stream, Target, run,
};
use linkops::threads::Latch;

use crate::support::network::Cuttable;
use crate::support::sshd::{Options, Sshd, patience};

mod connect;
mod jump;
mod lost;
mod output;
mod pty;
mod pty_bytes;
mod pty_ends;
mod seam;
mod trust;
mod warm;

/// More than any test writes.
const ENOUGH: usize = 64 << 20;

/// A server and a pool that knows nobody yet.
struct Lab {
    sshd: Sshd,
    pool: Arc<Pool>,
    stop: Latch,
}

impl Lab {
    fn new() -> Lab {
        Lab::with(Options::default(), |_| {})
    }

    fn with(options: Options, change: impl FnOnce(&mut Settings)) -> Lab {
        let sshd = Sshd::start(options);
        let mut settings = settings(&sshd);
        change(&mut settings);
        Lab { sshd, pool: Pool::start(settings).unwrap(), stop: Latch::new().unwrap() }
    }

    fn target(&self) -> Target {
        self.sshd.target("vps-01")
    }

    /// The same over a link to it.
    fn over(&self, link: &Cuttable) -> Target {
        Target { port: link.port(), ..self.target() }
    }

    fn dial(&self) -> Result<Box<dyn Line>, Failure> {
        self.pool.dial(&self.target(), &self.stop)
    }

    /// A line with a running command whose input stays open.
    fn exec(&self, command: &str) -> Box<dyn Line> {
        let mut line = self.dial().unwrap();
        line.exec(command, b"", patience()).unwrap();
        line
    }

    fn run(&self, command: &str) -> Result<Output, Failure> {
        run_on(&self.pool, &self.target(), command, b"")
    }
}

fn run_on(pool: &Pool, target: &Target, command: &str, input: &[u8]) -> Result<Output, Failure> {
    let stop = Latch::new().unwrap();
    let mut line = pool.dial(target, &stop)?;
    run(line.as_mut(), command, input, ENOUGH, Some(&stop), patience())
}

fn settings(sshd: &Sshd) -> Settings {
    Settings {
        known_hosts: known_hosts(sshd),
        policy: HostKeyPolicy::AcceptNew,
        connect_timeout: Duration::from_secs(60),
        max_tries: 3,
        retry_delay: Duration::from_millis(5),
        max_idle: 16,
        idle_time: Duration::from_secs(300),
        keepalive: Duration::from_secs(30),
    }
}

fn known_hosts(sshd: &Sshd) -> PathBuf {
    sshd.directory().join("known/known_hosts")
}

/// Reads both streams to the end.
fn drain(line: &mut dyn Line) -> Result<Output, Failure> {
    let mut output = Output { stdout: Vec::new(), stderr: Vec::new(), exit: Exit::Unknown };
    loop {
        match line.next(None, patience())? {
            Event::Output { stream: Stream::Stdout, data } => output.stdout.extend(data),
            Event::Output { stream: Stream::Stderr, data } => output.stderr.extend(data),
            Event::End(exit) => return Ok(Output { exit, ..output }),
            other => panic!("{other:?}"),
        }
    }
}

/// Reads until standard output holds the text.
fn read_until(line: &mut dyn Line, text: &str) {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        match line.next(None, patience()).unwrap() {
            Event::Output { data, .. } => seen.extend(data),
            other => panic!("{other:?} instead of {text:?}"),
        }
    }
}

/// How much a process has written so far, in bytes.
fn written(pid: u32) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap();
    line.parse().unwrap()
}

/// Whether this process has a thread of that name, at most 15 bytes long. A joined thread may be
/// seen for a moment more.
fn has_thread(name: &str) -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let mut names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.any(|one| one.trim() == name)
}
