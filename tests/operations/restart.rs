//! A run outlives its connection and LinkOps itself.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::client::Event;
use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::network::Cuttable;
use crate::support::{deadline, wait_until};

/// Prints numbered lines on both streams until the gate opens, then a last one, and exits 7.
fn counting(gate: &Path) -> String {
    format!(
        "i=0; while {}; do echo out $((i+=1)); echo err $i >&2; sleep 0.01; done\n\
         echo last $i; exit 7",
        closed(gate)
    )
}

/// Whether the machine knows how a run ended.
fn has_ended(fleet: &Fleet, run: &Path) -> bool {
    let exit = fleet.sshd.run_directory(run).join("exit");
    fs::metadata(exit).is_ok_and(|file| file.len() > 0)
}

/// The lines of a log are complete: 1, 2, 3, … and the last one tells how many there are.
#[track_caller]
fn complete(log: &serde_json::Value) {
    let out: Vec<&str> = log["stdout"].as_str().unwrap().lines().collect();
    let count: usize =
        out.last().unwrap().strip_prefix("last ").expect("a last line").parse().unwrap();
    assert_eq!(out.len(), count + 1, "{log}");
    for (number, line) in (1..=count).zip(&out) {
        assert_eq!(*line, format!("out {number}"));
    }
    let err: String = (1..=count).map(|number| format!("err {number}\n")).collect();
    assert_eq!(log["stderr"], err);
}

fn event_bytes(events: &[Event], target: &str, stream: &str) -> Vec<u8> {
    events
        .iter()
        .filter(|one| {
            one.name == "output" && one.data["target"] == target && one.data["stream"] == stream
        })
        .flat_map(Event::bytes)
        .collect()
}

/// kill -9 of linkopsd in the middle of a run on five machines: after a restart the output is
/// complete, the exit codes are true, and a reader that comes back has missed nothing.
#[test]
fn a_crash_in_the_middle_of_a_run_loses_nothing() {
    let mut fleet = Fleet::new(5);
    let gate = fleet.directory().join("gate");
    fleet.script("count", &counting(&gate)).script("after", "echo after");
    fleet.commit();
    let mut linkops = LinkOps::start(&fleet);
    let more = json!({ "on_failure": "continue" });
    let id = linkops.run(&["count", "after"], &fleet.ids(), more);
    let mut seen: Vec<Event> = linkops.events(&id, 0).take(200).collect();
    linkops.crash_and_restart();
    let after = seen.last().unwrap().id;
    // It is followed live: there is more before the script ends.
    seen.extend(linkops.events(&id, after).take(50));
    fs::write(gate, "").unwrap();
    let after = seen.last().unwrap().id;
    seen.extend(linkops.events(&id, after));
    let operation = linkops.operation(&id);
    assert_eq!(operation["status"], "failed", "{operation}");
    assert_eq!(
        operation["result"],
        json!({ "success": 5, "failed": 5, "stopped": 0, "skipped": 0 })
    );
    for log in operation["logs"].as_array().unwrap() {
        if log["script"] == "after" {
            assert_eq!((&log["status"], &log["stdout"]), (&json!("success"), &json!("after\n")));
            continue;
        }
        assert_eq!(
            (&log["status"], &log["exit_code"], &log["error"]),
            (&json!("failed"), &json!(7), &json!(null))
        );
        complete(log);
        let target = log["target"].as_str().unwrap();
        let out = event_bytes(&seen, target, "stdout");
        let log_out = log["stdout"].as_str().unwrap();
        assert!(log_out.as_bytes() == &out[..out.len().min(log_out.len())], "{target}");
    }
    // The same events, each once: what was seen across the crash is what is in the database.
    assert!(linkops.events(&id, 0).collect::<Vec<_>>() == seen);
    wait_until(deadline(), "the run directories are gone", || fleet.sshd.runs().is_empty());
}

/// A crash between a stop and the end of what runs: what the stop gave up is told once.
#[test]
fn a_stop_before_a_crash_is_told_once() {
    let mut fleet = Fleet::new(1);
    let gate = fleet.directory().join("gate");
    let slow = format!("trap '' TERM; while {}; do echo on; sleep 0.02; done", closed(&gate));
    fleet.script("slow", &slow).script("after", "echo after");
    fleet.commit();
    let mut linkops = LinkOps::start_with(&fleet, "operations.stop_grace = 60");
    let id = linkops.run(&["slow", "after"], &fleet.ids(), json!({}));
    assert_eq!(linkops.events(&id, 0).take(2).last().unwrap().name, "output");
    linkops.post(&format!("/api/operations/{id}/stop"), &json!({})).expect(200);
    let after = |linkops: &LinkOps| linkops.operation(&id)["logs"][1]["status"].clone();
    wait_until(deadline(), "the rest is given up", || after(&linkops) == "stopped");
    linkops.crash_and_restart();
    fs::write(gate, "").unwrap();
    let events = linkops.wait(&id);
    let complete = events.iter().filter(|one| one.name == "complete");
    let mut scripts: Vec<_> = complete.map(|one| one.data["script"].as_str().unwrap()).collect();
    scripts.sort_unstable();
    assert_eq!(scripts, ["after", "slow"], "{events:?}");
    assert_eq!(events.last().unwrap().data["status"], "stopped");
}

/// The script ends while LinkOps is away; its result is still had.
#[test]
fn a_run_that_ends_while_linkops_is_away_has_its_true_result() {
    let mut fleet = Fleet::new(2);
    let gate = fleet.directory().join("gate");
    fleet.script("count", &counting(&gate));
    fleet.commit();
    let mut linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["count"], &fleet.ids(), json!({}));
    linkops.events(&id, 0).take(20).for_each(drop);
    linkops.crash();
    fs::write(gate, "").unwrap();
    let runs = fleet.sshd.runs();
    assert_eq!(runs.len(), 2);
    wait_until(deadline(), "the scripts end", || runs.iter().all(|run| has_ended(&fleet, run)));
    linkops.launch();
    linkops.wait(&id);
    for log in linkops.operation(&id)["logs"].as_array().unwrap() {
        assert_eq!(log["exit_code"], 7, "{log}");
        complete(log);
    }
}

/// SIGTERM leaves runs alone; the next start follows them.
#[test]
fn a_graceful_restart_goes_on_with_the_run() {
    let mut fleet = Fleet::new(2);
    let gate = fleet.directory().join("gate");
    fleet.script("count", &counting(&gate)).script("after", "echo after");
    fleet.commit();
    let mut linkops = LinkOps::start_with(&fleet, "operations.drain_timeout = 0");
    let more = json!({ "on_failure": "continue", "concurrency": 1 });
    let id = linkops.run(&["count", "after"], &fleet.ids(), more);
    let seen: Vec<Event> = linkops.events(&id, 0).take(20).collect();
    assert!(linkops.terminate().success());
    linkops.launch();
    assert_eq!(linkops.operation(&id)["status"], "running");
    fs::write(gate, "").unwrap();
    let all = linkops.wait(&id);
    assert_eq!(all[..20], seen);
    let operation = linkops.operation(&id);
    for log in operation["logs"].as_array().unwrap() {
        if log["script"] == "count" {
            assert_eq!(log["exit_code"], 7, "{log}");
            complete(log);
        } else {
            assert_eq!(log["stdout"], "after\n");
        }
    }
}

/// A cut connection: the run is followed on a new one from the byte where it was left.
#[test]
fn a_cut_connection_is_followed_without_loss_or_repetition() {
    let mut fleet = Fleet::new(1);
    let gate = fleet.directory().join("gate");
    let proxy = Cuttable::start(fleet.sshd.port());
    fleet.machines[0].port = proxy.port();
    fleet.script("count", &counting(&gate));
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["count"], &fleet.ids(), json!({}));
    let mut events = linkops.events(&id, 0);
    for _ in 0..3 {
        events.by_ref().take(10).for_each(drop);
        proxy.cut();
    }
    events.by_ref().take(10).for_each(drop);
    fs::write(gate, "").unwrap();
    assert_eq!(events.last().unwrap().name, "end");
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!((&log["exit_code"], &log["error"]), (&json!(7), &json!(null)), "{log}");
    complete(&log);
}

/// The machine "rebooted": its boot id is another one and the runner is gone.
#[test]
fn a_reboot_is_named_and_not_called_a_success_or_a_plain_failure() {
    let mut fleet = Fleet::new(1);
    let gate = fleet.directory().join("gate");
    fleet.script("count", &counting(&gate));
    fleet.commit();
    let mut linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["count"], &fleet.ids(), json!({}));
    linkops.events(&id, 0).take(20).for_each(drop);
    linkops.crash();
    let run = fleet.sshd.runs().remove(0);
    let runner = fs::read_to_string(&run).unwrap();
    let words: Vec<&str> = runner.trim().split(' ').collect();
    let other = format!("{} 00000000-aaaa-bbbb-cccc-000000000000 {}\n", words[0], words[2]);
    fs::write(&run, other).unwrap();
    linkops.launch();
    linkops.wait(&id);
    fs::write(gate, "").unwrap();
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!((&log["status"], &log["exit_code"]), (&json!("failed"), &json!(null)));
    assert!(log["error"].as_str().unwrap().contains("rebooted"), "{log}");
    assert!(log["stdout"].as_str().unwrap().starts_with("out 1\nout 2\n"));
}

/// The machine cannot be reached after the restart: the execution ends with that as its reason.
#[test]
fn an_unreachable_machine_is_named_and_nothing_stays_running() {
    let mut fleet = Fleet::new(1);
    let gate = fleet.directory().join("gate");
    fleet.script("count", &counting(&gate));
    fleet.commit();
    let settings = "operations.script_timeout = 3\nssh.retry_delay = 0\nssh.connection_timeout = 1";
    let mut linkops = LinkOps::start_with(&fleet, settings);
    let id = linkops.run(&["count"], &fleet.ids(), json!({}));
    linkops.events(&id, 0).take(20).for_each(drop);
    linkops.crash();
    fleet.sshd.stop();
    linkops.launch();
    linkops.wait(&id);
    fs::write(gate, "").unwrap();
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!((&log["status"], &log["exit_code"]), (&json!("failed"), &json!(null)));
    let error = log["error"].as_str().unwrap();
    assert!(
        error.contains("cannot be reached") && error.contains("may still be running"),
        "{error}"
    );
}

/// A script that has printed more than is kept goes on when its connection is cut, too.
#[test]
fn a_cut_after_the_limit_does_not_end_the_script() {
    let mut fleet = Fleet::new(1);
    let gate = fleet.directory().join("gate");
    let proxy = Cuttable::start(fleet.sshd.port());
    fleet.machines[0].port = proxy.port();
    let much = "head -c 100000 /dev/zero | tr '\\0' x; echo";
    fleet.script(
        "much",
        &format!("{much}; while {}; do echo more; sleep 0.01; done; {much}", closed(&gate)),
    );
    fleet.commit();
    let linkops = LinkOps::start_with(&fleet, "operations.output_buffer_size = 4096");
    let id = linkops.run(&["much"], &fleet.ids(), json!({}));
    linkops.events(&id, 0).take(2).for_each(drop);
    let run = fleet.sshd.run_directory(&fleet.sshd.runs()[0]);
    wait_until(deadline(), "the file is full", || {
        fs::metadata(run.join("stdout")).is_ok_and(|file| file.len() > 4096)
    });
    proxy.cut();
    fs::write(gate, "").unwrap();
    linkops.wait(&id);
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!((&log["exit_code"], &log["error"]), (&json!(0), &json!(null)), "{log}");
    assert_eq!((&log["truncated"], &log["stdout"]), (&json!(true), &json!("x".repeat(4096))));
}

/// The script's time is over while LinkOps is away, but it had ended before: that is its result.
#[test]
fn a_run_that_ended_in_time_is_a_success_however_late_it_is_seen() {
    let mut fleet = Fleet::new(1);
    let gate = fleet.directory().join("gate");
    let wait = format!("echo begun; while {}; do sleep 0.01; done; echo done", closed(&gate));
    fleet.script("wait", &wait);
    fleet.commit();
    let mut linkops = LinkOps::start_with(&fleet, "operations.script_timeout = 2");
    let id = linkops.run(&["wait"], &fleet.ids(), json!({}));
    let started = linkops.events(&id, 0).take(2).last().unwrap();
    assert_eq!(started.name, "output");
    linkops.crash();
    fs::write(gate, "").unwrap();
    let run = fleet.sshd.runs().remove(0);
    let over = std::time::Instant::now() + std::time::Duration::from_secs(2);
    wait_until(deadline(), "it has ended and its time is over", || {
        has_ended(&fleet, &run) && std::time::Instant::now() > over
    });
    linkops.launch();
    linkops.wait(&id);
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!((&log["status"], &log["error"]), (&json!("success"), &json!(null)), "{log}");
    assert_eq!(log["stdout"], "begun\ndone\n");
}

/// A run that was given up because the machine could not be reached is stopped when it can be:
/// nobody would know of it any more.
#[test]
fn a_run_that_was_given_up_is_stopped_when_the_machine_comes_back() {
    let mut fleet = Fleet::new(1);
    let (gate, proxy) = (fleet.directory().join("gate"), Cuttable::start(fleet.sshd.port()));
    fleet.machines[0].port = proxy.port();
    fleet.script("count", &format!("echo $$; {}", counting(&gate)));
    fleet.commit();
    let settings = "operations.script_timeout = 2\nssh.retry_delay = 0\nssh.connection_timeout = 1";
    let mut linkops = LinkOps::start_with(&fleet, settings);
    let id = linkops.run(&["count"], &fleet.ids(), json!({}));
    let first = linkops
        .events(&id, 0)
        .find(|event| event.name == "output" && event.data["stream"] == "stdout")
        .unwrap();
    let pid: u32 = first.data["data"].as_str().unwrap().lines().next().unwrap().parse().unwrap();
    proxy.stall();
    linkops.wait(&id);
    let log = linkops.operation(&id)["logs"][0].clone();
    assert!(log["error"].as_str().unwrap().contains("may still be running"), "{log}");
    assert!(fs::exists(format!("/proc/{pid}")).unwrap(), "it was not known and not stopped");
    proxy.flow();
    linkops.crash_and_restart(); // which tries again at once
    wait_until(deadline(), "the script is stopped", || {
        !fs::exists(format!("/proc/{pid}")).unwrap()
    });
    wait_until(deadline(), "its traces are removed", || fleet.sshd.runs().is_empty());
}

/// Nothing comes over the connection any more, and nobody says so. Its server still stands between
/// the script and those who keep its output: they are freed from it, so that the script, which has
/// much to say, comes to its end.
#[test]
fn a_connection_that_falls_silent_holds_no_script() {
    const MUCH: usize = 8_000_000;
    let (fleet, proxy, linkops) = silent_stage(MUCH);
    let id = linkops.run(&["much"], &fleet.ids(), json!({}));
    assert!(linkops.events(&id, 0).any(|one| one.name == "output"));
    proxy.freeze();
    fs::write(fleet.directory().join("gate"), "").unwrap();
    linkops.wait(&id);
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!((&log["exit_code"], &log["error"]), (&json!(7), &json!(null)));
    let text = log["stdout"].as_str().unwrap();
    assert!(text.strip_prefix("begun\n") == Some(&"a line\n".repeat(MUCH / 7 + 1)[..MUCH]));
    wait_until(deadline(), "nothing is left", || fleet.sshd.runs().is_empty());
}

/// A stop finds another way, and knows the end although the script stands before a full pipe.
#[test]
fn a_stop_does_not_need_the_connection_that_fell_silent() {
    let (fleet, proxy, linkops) = silent_stage(1 << 40);
    let id = linkops.run(&["much"], &fleet.ids(), json!({}));
    assert!(linkops.events(&id, 0).any(|one| one.name == "output"));
    fs::write(fleet.directory().join("gate"), "").unwrap();
    proxy.freeze();
    linkops.post(&format!("/api/operations/{id}/stop"), &json!({})).expect(200);
    linkops.wait(&id);
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!((&log["status"], &log["exit_code"]), (&json!("stopped"), &json!(143)));
    assert_eq!(log["error"], json!(null));
}

/// A machine behind a link that can be frozen, with a script that waits and then prints much.
fn silent_stage(much: usize) -> (Fleet, Cuttable, LinkOps) {
    let mut fleet = Fleet::new(1);
    let proxy = Cuttable::start(fleet.sshd.port());
    fleet.machines[0].port = proxy.port();
    let wait = format!("while {}; do sleep 0.01; done", closed(&fleet.directory().join("gate")));
    fleet.script("much", &format!("echo begun; {wait}; yes 'a line' | head -c {much}; exit 7"));
    fleet.commit();
    let settings = "operations.output_buffer_size = 10000000\noperations.script_timeout = 100\n\
                    ssh.keepalive_interval = 2\nssh.command_timeout = 5";
    let linkops = LinkOps::start_with(&fleet, settings);
    (fleet, proxy, linkops)
}
