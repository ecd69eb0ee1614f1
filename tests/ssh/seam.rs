//! `run` on top of a line, and the scripted stand-in that other tests use for one.

use std::path::PathBuf;
use std::time::Instant;

use linkops::ssh::{Dial, Event, Exit, Failure, Kind, Line, Stream, Target, run};
use linkops::threads::Latch;

use crate::support::fake_ssh::{Call, FakeSsh, Scene};
use crate::support::sshd::patience;

fn dial(ssh: &FakeSsh, stop: &Latch) -> Result<Box<dyn Line>, Failure> {
    let target = Target {
        name: "vps-01".into(),
        host: "vps".into(),
        port: 22,
        user: "root".into(),
        key: PathBuf::new(),
        via: None,
    };
    ssh.dial(&target, stop)
}

fn output(stream: Stream, text: &str) -> Result<Event, Failure> {
    Ok(Event::Output { stream, data: text.as_bytes().to_vec() })
}

#[test]
fn output_is_kept_up_to_the_limit_and_read_to_the_end() {
    let (ssh, stop) = (FakeSsh::default(), Latch::new().unwrap());
    let events = vec![
        output(Stream::Stdout, "1234"),
        output(Stream::Stderr, "err"),
        output(Stream::Stdout, "5678"),
        Ok(Event::End(Exit::Code(2))),
    ];
    ssh.scene("vps-01", Scene::Plays(events));
    let mut line = dial(&ssh, &stop).unwrap();
    let output = run(line.as_mut(), "command", b"in", 6, Some(&stop), patience()).unwrap();
    drop(line);
    assert_eq!((output.stdout, output.stderr), (b"123456".to_vec(), b"err".to_vec()));
    assert_eq!(output.exit, Exit::Code(2));
    let exec = Call::Exec("command".into(), b"in".to_vec());
    assert_eq!(ssh.calls("vps-01"), [Call::Dial, Call::EndInput, exec, Call::Hangup]);
}

#[test]
fn an_interrupted_run_may_have_started() {
    let (ssh, stop) = (FakeSsh::default(), Latch::new().unwrap());
    ssh.scene("vps-01", Scene::Plays(vec![]));
    ssh.scene("vps-01", Scene::Plays(vec![]));
    let mut line = dial(&ssh, &stop).unwrap();
    let failure = run(line.as_mut(), "command", b"", 9, None, Instant::now()).unwrap_err();
    assert_eq!((failure.kind, failure.may_have_started()), (Kind::TimedOut, true));
    let mut line = dial(&ssh, &stop).unwrap();
    stop.set();
    let failure = run(line.as_mut(), "command", b"", 9, Some(&stop), patience()).unwrap_err();
    assert_eq!((failure.kind, failure.may_have_started()), (Kind::Stopped, true));
    assert_eq!(failure.to_string(), "vps-01: stopped while a command was running");
}

#[test]
fn a_failure_becomes_an_error_that_names_the_target() {
    let (ssh, stop) = (FakeSsh::default(), Latch::new().unwrap());
    let failure = dial(&ssh, &stop).err().unwrap();
    let text = failure.to_string();
    assert_eq!(linkops::error::Error::from(failure).to_string(), text);
}
