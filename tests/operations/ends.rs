//! How runs end on their machine: what waits for a slow reader, whom a signal does not hit, and what a
//! machine can say that is not what it should.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::json;

use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::network::Cuttable;
use crate::support::{deadline, wait_until};

/// Prints until its output is stuck: what the file does not have within a second is still on its
/// way. Then it writes down how much that was, and ends.
const UNTIL_STUCK: &str = r#"
dir=${BASH_SOURCE%/*} block=$(printf '%032768d' 0)
echo begun
total=6
while WAIT; do sleep 0.02; done
while :; do
    printf %s "$block"
    ((total += 32768))
    for ((round = 0; round < 50; round++)); do
        (($(stat -c %s "$dir/stdout") == total)) && continue 2
        sleep 0.02
    done
    echo $total >PLACE/total
    exit 5
done
"#;

/// The script has ended, and what it printed waits for a reader who takes longer than a daemon is
/// waited for: nothing of it is lost.
#[test]
fn a_slow_reader_gets_everything() {
    let mut fleet = Fleet::new(1);
    let (place, proxy) = (fleet.directory().to_owned(), Cuttable::start(fleet.sshd.port()));
    fleet.machines[0].port = proxy.port();
    let text = UNTIL_STUCK.replace("WAIT", &closed(&place.join("gate")));
    fleet.script("much", &text.replace("PLACE", place.to_str().unwrap()));
    fleet.commit();
    let linkops = LinkOps::start_with(&fleet, "operations.output_buffer_size = 100000000");
    let id = linkops.run(&["much"], &fleet.ids(), json!({}));
    assert!(linkops.events(&id, 0).any(|one| one.name == "output"));
    proxy.stall();
    fs::write(place.join("gate"), "").unwrap();
    let total = || fs::read_to_string(place.join("total")).ok()?.trim().parse::<usize>().ok();
    wait_until(deadline(), "the output is stuck", || total().is_some());
    let late = Instant::now() + Duration::from_secs(4); // a daemon gets two
    let run = fleet.sshd.run_directory(&fleet.sshd.runs()[0]);
    let has_ended = || fs::metadata(run.join("exit")).is_ok_and(|file| file.len() > 0);
    wait_until(deadline(), "a daemon would not be waited for any more", || {
        assert!(!has_ended(), "its output was given up");
        Instant::now() > late
    });
    proxy.flow();
    linkops.wait(&id);
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!((&log["exit_code"], &log["error"]), (&json!(5), &json!(null)));
    let kept = log["stdout"].as_str().unwrap().len();
    assert_eq!((kept, &log["truncated"]), (total().unwrap(), &json!(false)));
}

/// Somebody else's process, which leads a group of its own.
struct Stranger(Child);

impl Stranger {
    fn start() -> Stranger {
        Stranger(Command::new("sleep").arg("1000").process_group(0).spawn().unwrap())
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

/// The run was killed while nobody looked, and its numbers are those of somebody else by now. That
/// one is neither taken for the run nor signalled when the rest of the run is swept away.
#[test]
fn numbers_that_belong_to_somebody_else_are_left_alone() {
    let mut fleet = Fleet::new(1);
    let wait = closed(&fleet.directory().join("gate"));
    fleet.script("wait", &format!("echo begun; while {wait}; do sleep 0.02; done"));
    fleet.commit();
    let mut linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["wait"], &fleet.ids(), json!({}));
    assert!(linkops.events(&id, 0).any(|one| one.name == "output"));
    let mut stranger = Stranger::start();
    linkops.crash();
    give_numbers_away(&fleet, stranger.0.id());
    linkops.launch();
    linkops.wait(&id);
    assert!(stranger.is_alive());
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!((&log["status"], &log["exit_code"]), (&json!("failed"), &json!(null)), "{log}");
    assert_eq!(log["error"], "the run was killed on the machine, its exit code is not known");
}

/// Ends a run and writes another process into its claim and its group.
fn give_numbers_away(fleet: &Fleet, to: u32) {
    let claim = fleet.sshd.runs().remove(0);
    let group = fleet.sshd.run_directory(&claim).join("group");
    let words = fs::read_to_string(&claim).unwrap();
    let (runner, rest) = words.split_once(' ').unwrap();
    kill_process(pid(runner), Signal::KILL).unwrap();
    let _ = kill_process_group(pid(&fs::read_to_string(&group).unwrap()), Signal::KILL);
    let gone = |pid: &str| !Path::new("/proc").join(pid).exists();
    wait_until(deadline(), "the runner is gone", || gone(runner));
    fs::write(&claim, format!("{to} {rest}")).unwrap();
    fs::write(&group, format!("{to}\n")).unwrap();
}

/// What logs in gets this instead of a shell, when the machine is told to be bad: it answers the
/// second program, that of the run, with the beginning of the line that is waited for, and then
/// without an end.
const ENDLESS: &str = r#"#!/bin/bash
[[ -e FLAG ]] || exec bash -c "$SSH_ORIGINAL_COMMAND"
marker=$(grep -a -m 2 -o "^marker='[0-9a-f]*'" | tail -n 1)
marker=${marker#*\'}
printf '%s ' "${marker%\'}"
exec tr '\0' x </dev/zero
"#;

/// A machine that never ends its line costs neither memory nor more than the script's time.
#[test]
fn a_line_without_an_end_is_not_kept() {
    const MOST: usize = 4 * 1024; // KiB
    let room = tempfile::tempdir().unwrap();
    let (login, flag) = (room.path().join("login"), room.path().join("bad"));
    fs::write(&login, ENDLESS.replace("FLAG", flag.to_str().unwrap())).unwrap();
    fs::set_permissions(&login, fs::Permissions::from_mode(0o755)).unwrap();
    let mut fleet = Fleet::with(1, &format!("ForceCommand {}", login.display()));
    fleet.script("hello", "echo hello");
    fleet.commit();
    let settings =
        "operations.script_timeout = 5\noperations.stop_grace = 0\nssh.command_timeout = 1";
    let linkops = LinkOps::start_with(&fleet, settings);
    let (before, _) = linkops.memory();
    fs::write(&flag, "").unwrap();
    let operation = linkops.run_to_end(&["hello"], &fleet.ids(), json!({}));
    let (_, most) = linkops.memory();
    assert!(most < before + MOST, "{before} KiB grew to {most} KiB");
    let log = &operation["logs"][0];
    assert_eq!((&log["status"], &log["exit_code"]), (&json!("failed"), &json!(null)), "{log}");
    let error = log["error"].as_str().unwrap();
    assert!(error.starts_with("EXECUTION_TIMEOUT") && error.len() < 1_000, "{error}");
    fs::remove_file(&flag).unwrap();
    assert_eq!(linkops.run_to_end(&["hello"], &fleet.ids(), json!({}))["status"], "success");
}
