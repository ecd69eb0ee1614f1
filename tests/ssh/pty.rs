//! Shells on a PTY: typing, control characters, sizes, and what the server may refuse.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linkops::ssh::{Dial, Exit, Kind, Pool, Shell, ShellEvent, Size, Target};
use linkops::threads::{Bell, Latch, spawn};

use super::{Lab, drain, run_on};
use crate::support::network::Cuttable;
use crate::support::sshd::{Options, Sshd, patience};
use crate::support::wait_until;

/// Somebody at a terminal.
pub(super) struct Typist {
    pub(super) shell: Box<dyn Shell>,
    pub(super) bell: Arc<Bell>,
}

pub(super) fn size(cols: u16, rows: u16) -> Size {
    Size::new(cols, rows).unwrap()
}

impl Typist {
    pub(super) fn at(pool: &Pool, target: &Target) -> Typist {
        let line = pool.dial(target, &Latch::new().unwrap()).unwrap();
        Typist::with(line.shell(size(80, 24), &Latch::new().unwrap(), patience()).unwrap())
    }

    pub(super) fn with(shell: Box<dyn Shell>) -> Typist {
        Typist { shell, bell: Arc::new(Bell::new().unwrap()) }
    }

    pub(super) fn types(&mut self, text: &str) {
        assert_eq!(self.shell.write(text.as_bytes()), text.len());
    }

    pub(super) fn next(&mut self) -> ShellEvent {
        self.shell.next(true, &self.bell, patience()).unwrap()
    }

    /// Reads until the text has come; gives what came with it. Texts stand in what is typed in
    /// another spelling, as that comes back too.
    pub(super) fn sees(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(text) {
            match self.next() {
                ShellEvent::Output(data) => seen.extend(data),
                other => panic!("{other:?} instead of {text:?} after {seen:?}"),
            }
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// The shell runs what is typed.
    pub(super) fn answers(&mut self) {
        self.types("echo $((6*7))\r");
        self.sees("42");
    }

    /// Reads to the end of the shell.
    pub(super) fn sees_end(&mut self) -> Exit {
        loop {
            match self.next() {
                ShellEvent::Output(_) => {}
                ShellEvent::End(exit) => return exit,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// A shell that waits at its prompt: what is typed earlier meets a PTY whose modes still change,
/// and a control character may be taken for something else then.
pub(super) fn at_the_prompt(lab: &Lab) -> Typist {
    let mut typist = shell_on(lab);
    typist.types("PS1=prompt-$((1+1))-\r");
    typist.sees("prompt-2-");
    typist
}

/// A shell on the lab's server.
pub(super) fn shell_on(lab: &Lab) -> Typist {
    Typist::at(&lab.pool, &lab.target())
}

/// R7.3, R7.4 and R7.5: typed characters are echoed by the PTY, commands run, their output comes.
#[test]
fn what_is_typed_is_echoed_and_run() {
    let lab = Lab::new();
    let mut typist = shell_on(&lab);
    typist.types("echo $((6*7))-é\r");
    let seen = typist.sees("42-é\r\n");
    assert!(seen.contains("echo $((6*7))-é"), "{seen:?}");
    assert_eq!(lab.pool.figures().busy, 1);
}

#[test]
fn control_characters_end_and_stop_what_runs() {
    let lab = Lab::new();
    let mut typist = at_the_prompt(&lab);
    let waiting = "sh -c 'echo up-$((1+1)); exec sleep 1000'\r";
    typist.types(waiting);
    typist.sees("up-2");
    typist.types("\x03");
    typist.types("echo code-$((1*$?))\r");
    typist.sees("code-130");

    typist.types("echo up-$((1+1)); cat; echo code-$((1*$?))\r");
    typist.sees("up-2");
    typist.types("abc\r");
    typist.sees("abc\r\nabc\r\n");
    typist.types("\x04");
    typist.sees("code-0");

    typist.types(waiting);
    typist.sees("up-2");
    typist.types("\x1a");
    typist.sees("Stopped");
    typist.types("echo code-$((1*$?))\r");
    typist.sees("code-148");
}

#[test]
fn the_terminal_has_its_size_and_its_kind() {
    let lab = Lab::new();
    let mut typist =
        Typist::with(lab.dial().unwrap().shell(size(123, 45), &lab.stop, patience()).unwrap());
    typist.types("echo \"kind-$TERM $(stty size) $(stty -a)\"\r");
    let seen = typist.sees("echoke");
    assert!(seen.contains("kind-xterm-256color 45 123 "), "{seen}");
    assert!(seen.contains(" erase = ^?"), "{seen}");
    let words: Vec<_> = seen.split_whitespace().collect();
    for mode in ["iutf8", "icrnl", "onlcr", "isig", "icanon", "echo"] {
        assert!(words.contains(&mode), "{mode} in {seen}");
    }
    typist.shell.resize(size(77, 31));
    typist.types("stty size\r");
    typist.sees("31 77\r\n");
    (1..=1000).for_each(|one| typist.shell.resize(size(one, one)));
    typist.types("stty size\r");
    typist.sees("1000 1000\r\n");
}

/// R7.2, P22: what was checked on the line holds for the shell, which is on the same connection.
#[test]
fn a_line_whose_command_has_ended_becomes_a_shell() {
    let lab = Lab::with(Options { config: "MaxSessions 1".into(), addresses: 1 }, |_| {});
    let mut line = lab.exec("echo checked");
    assert_eq!(drain(line.as_mut()).unwrap().stdout, b"checked\n");
    let mut typist = Typist::with(line.shell(size(80, 24), &lab.stop, patience()).unwrap());
    typist.answers();
    assert_eq!(lab.sshd.logins(), 1);
    assert_eq!((lab.pool.figures().busy, lab.pool.figures().idle), (1, 0));
    assert_eq!(lab.run("echo other").unwrap().stdout, b"other\n");
    assert_eq!(lab.sshd.logins(), 2, "nobody else gets the shell's connection");
    drop(typist);
    assert_eq!((lab.pool.figures().busy, lab.pool.figures().idle), (0, 1));
}

#[test]
fn a_line_with_a_running_command_becomes_none() {
    let lab = Lab::new();
    let failure = lab.exec("cat").shell(size(80, 24), &lab.stop, patience()).err().unwrap();
    assert_eq!(failure.kind, Kind::Channel, "{failure}");
    let mut line = lab.exec("true");
    drain(line.as_mut()).unwrap();
    line.beside("cat", b"", patience()).unwrap();
    let failure = line.shell(size(80, 24), &lab.stop, patience()).err().unwrap();
    assert_eq!(failure.kind, Kind::Channel, "{failure}");
    assert_eq!(lab.pool.figures(), Default::default());
}

#[test]
fn a_command_made_ready_on_the_connection_ends_before_the_shell_begins() {
    let lab = Lab::new();
    let mut line = lab.exec("true");
    drain(line.as_mut()).unwrap();
    line.prepare("exec cat", b"", patience()).unwrap();
    drop(line);
    assert_eq!(lab.sshd.running("cat").len(), 1);
    let mut typist = shell_on(&lab);
    assert_eq!(lab.sshd.logins(), 1);
    assert!(lab.pool.dial_prepared(&lab.target()).is_none());
    typist.answers();
    wait_until(patience(), "cat has ended", || lab.sshd.running("cat").is_empty());
}

#[test]
fn a_server_that_gives_no_terminal_is_named() {
    let lab = Lab::with(Options { config: "PermitTTY no".into(), addresses: 1 }, |_| {});
    let failure = lab.dial().unwrap().shell(size(80, 24), &lab.stop, patience()).err().unwrap();
    assert_eq!(failure.kind, Kind::Channel);
    let said = "vps-01: the server gives no terminal\ncheck PermitTTY in its sshd_config";
    assert_eq!(failure.to_string(), said);
    assert_eq!(lab.pool.figures(), Default::default());
    assert_eq!(lab.run("echo fine").unwrap().stdout, b"fine\n");
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for_longer_than_asked() {
    let lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    let line = lab.pool.dial(&lab.over(&link), &lab.stop).unwrap();
    link.stall();
    let deadline = Instant::now() + Duration::from_millis(100);
    let failure = line.shell(size(80, 24), &lab.stop, deadline).err().unwrap();
    assert_eq!(failure.kind, Kind::TimedOut, "{failure}");
    assert_eq!(lab.pool.figures(), Default::default());
}

#[test]
fn a_shell_that_is_not_there_yet_can_be_given_up() {
    let lab = Lab::new();
    let link = Cuttable::start(lab.sshd.port());
    let line = lab.pool.dial(&lab.over(&link), &lab.stop).unwrap();
    link.stall();
    let stop = Arc::new(Latch::new().unwrap());
    let given_up = Arc::clone(&stop);
    let opener = spawn("opener", move || {
        let failure = line.shell(size(80, 24), &given_up, patience()).err().unwrap();
        assert_eq!(failure.kind, Kind::Stopped, "{failure}");
    })
    .unwrap();
    stop.set();
    opener.join_until(patience() - Duration::from_secs(30)).unwrap();
    assert_eq!(lab.pool.figures(), Default::default());
}

#[test]
fn a_shell_goes_through_a_jump_host() {
    let (lab, inner) = (Lab::new(), Sshd::plain());
    let target = Target { via: Some(Box::new(lab.sshd.target("bastion"))), ..inner.target("vm") };
    let mut typist = Typist::at(&lab.pool, &target);
    typist.types("echo \"port ${SSH_CONNECTION##* }\"; stty size\r");
    typist.sees(&format!("port {}\r\n24 80\r\n", inner.port()));
    // Somebody else's command on the way does not disturb it.
    assert_eq!(run_on(&lab.pool, &target, "echo other", b"").unwrap().stdout, b"other\n");
    typist.types("seq 200000; exit 3\r");
    assert_eq!(typist.sees_end(), Exit::Code(3));
    typist.shell.close(patience());
    assert_eq!((lab.pool.figures().busy, lab.pool.figures().jumps), (0, 1));
    wait_until(patience(), "bash has ended", || inner.running("bash").is_empty());
}

/// A server that asks every second whether we are there, and hangs up when no answer comes.
#[test]
fn an_idle_shell_outlives_the_servers_patience_also_when_it_is_held_back() {
    let config = "ClientAliveInterval 1\nClientAliveCountMax 3".into();
    let lab = Lab::with(Options { config, addresses: 1 }, |_| {});
    let mut typist = shell_on(&lab);
    typist.answers();
    let mut rest = |read| {
        let deadline = Instant::now() + Duration::from_secs(6);
        while typist.shell.next(read, &typist.bell, deadline).unwrap() != ShellEvent::TimedOut {}
    };
    rest(true);
    rest(false);
    typist.answers();
}

/// The question whether the machine is there is asked many times, and answered each time.
#[test]
fn a_machine_that_answers_is_never_taken_for_lost() {
    let lab = Lab::with(Options::default(), |settings| {
        settings.keepalive = Duration::from_secs(2);
    });
    let mut typist = shell_on(&lab);
    let deadline = Instant::now() + Duration::from_secs(6);
    let mut answer = || typist.shell.next(true, &typist.bell, deadline).unwrap();
    while answer() != ShellEvent::TimedOut {}
    typist.types("echo $((6*7)) ${LINKOPS_THERE-unset}\r");
    typist.sees("42 unset");
}
