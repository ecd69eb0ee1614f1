//! Stop and time-out leave no process of the script on any target, children included.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

/// A script with a child that ignores TERM, one in a session of its own, one in the background
/// and a pipeline; each writes its process id down.
const STUBBORN: &str = r#"
cd PLACE
trap 'echo asked >> asked' TERM
note() { echo $BASHPID > pid.$1.$BASHPID; }
(trap '' TERM; note ignores; while :; do sleep 0.1; done) &
setsid bash -c 'echo $$ > pid.session.$$; exec sleep 1000' &
nohup bash -c 'echo $$ > pid.nohup.$$; exec sleep 1000' >/dev/null 2>&1 &
(note left; exec sleep 1000) | (note right; exec cat) &
echo begun
while :; do sleep 0.1; done
"#;

fn pids(place: &Path) -> Vec<u32> {
    fs::read_dir(place)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.starts_with("pid."))
        .filter_map(|name| fs::read_to_string(place.join(name)).ok()?.trim().parse().ok())
        .collect()
}

fn alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // A zombie has ended; its parent has not looked yet.
    !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z')
}

struct Stage {
    fleet: Fleet,
    linkops: LinkOps,
    place: std::path::PathBuf,
}

fn stage(count: u8, settings: &str) -> Stage {
    let mut fleet = Fleet::new(count);
    let place = fleet.directory().join("place");
    fs::create_dir(&place).unwrap();
    fleet
        .script("stubborn", &STUBBORN.replace("PLACE", place.to_str().unwrap()))
        .script("after", "true");
    fleet.commit();
    let linkops = LinkOps::start_with(&fleet, settings);
    Stage { fleet, linkops, place }
}

#[test]
fn a_stop_ends_everything_the_script_has_started() {
    let Stage { fleet, linkops, place } = stage(3, "operations.stop_grace = 1");
    let id = linkops.run(&["stubborn", "after"], &fleet.ids(), json!({ "concurrency": 2 }));
    wait_until(deadline(), "both scripts run", || pids(&place).len() == 2 * 5);
    linkops.post(&format!("/api/operations/{id}/stop"), &json!({})).expect(200);
    linkops.wait(&id);
    let left: Vec<u32> = pids(&place).into_iter().filter(|pid| alive(*pid)).collect();
    assert!(left.is_empty(), "{left:?} still run");
    assert!(place.join("asked").exists(), "TERM came before KILL");
    let operation = linkops.operation(&id);
    assert_eq!(operation["status"], "stopped", "{operation}");
    assert_eq!(
        operation["result"],
        json!({ "success": 0, "failed": 0, "stopped": 6, "skipped": 0 })
    );
    for log in operation["logs"].as_array().unwrap() {
        assert_eq!(log["status"], "stopped", "{log}");
        let ran = log["script"] == "stubborn" && log["target"] != "vps-03";
        assert_eq!(log["stdout"] == "begun\n", ran, "{log}");
    }
    let again = linkops.post(&format!("/api/operations/{id}/stop"), &json!({}));
    assert_eq!((again.status, again.code()), (409, "OPERATION_FINISHED".to_owned()));
    wait_until(deadline(), "the run directories are gone", || fleet.sshd.runs().is_empty());
}

#[test]
fn a_timeout_ends_everything_and_says_so() {
    let Stage { fleet, linkops, place } =
        stage(1, "operations.stop_grace = 0\noperations.script_timeout = 10");
    let operation = linkops.run_to_end(&["stubborn", "after"], &fleet.ids(), json!({}));
    let left: Vec<u32> = pids(&place).into_iter().filter(|pid| alive(*pid)).collect();
    assert!(left.is_empty() && pids(&place).len() == 5, "{left:?} still run");
    let (log, skipped) = (&operation["logs"][0], &operation["logs"][1]);
    assert_eq!((&operation["status"], &log["status"]), (&json!("failed"), &json!("failed")));
    assert!(log["error"].as_str().unwrap().starts_with("EXECUTION_TIMEOUT"), "{log}");
    assert_eq!(log["stdout"], "begun\n");
    assert_eq!(skipped["status"], "skipped");
}

/// It works while the script floods both streams, and takes the flood's end, too.
#[test]
fn a_flooding_script_can_be_stopped() {
    let mut fleet = Fleet::new(1);
    fleet.script("flood", "yes & yes >&2 & wait");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["flood"], &fleet.ids(), json!({}));
    let seen = linkops.events(&id, 0).take(20).last().unwrap();
    assert_eq!(seen.name, "output");
    linkops.post(&format!("/api/operations/{id}/stop"), &json!({})).expect(200);
    linkops.wait(&id);
    let log = linkops.operation(&id)["logs"][0].clone();
    assert_eq!(
        (&log["status"], &log["truncated"]),
        (&json!("stopped"), &json!(true)),
        "{}",
        log["error"]
    );
}

/// An operation that waits for its turn is stopped at once, and never runs.
#[test]
fn a_waiting_operation_is_stopped_unrun() {
    let mut fleet = Fleet::new(1);
    let (gate, trace) = (fleet.directory().join("gate"), fleet.directory().join("trace"));
    fleet
        .script("wait", &format!("while {}; do sleep 0.02; done", closed(&gate)))
        .script("trace", &format!("echo ran > {}", trace.display()));
    fleet.commit();
    let linkops = LinkOps::start_with(&fleet, "operations.max_running = 1");
    let first = linkops.run(&["wait"], &fleet.ids(), json!({}));
    let second = linkops.run(&["trace"], &fleet.ids(), json!({}));
    assert_eq!(linkops.operation(&second)["status"], "queued");
    linkops.post(&format!("/api/operations/{second}/stop"), &json!({})).expect(200);
    let events = linkops.wait(&second);
    assert_eq!(events.last().unwrap().data["status"], "stopped");
    fs::write(gate, "").unwrap();
    linkops.wait(&first);
    assert_eq!(linkops.operation(&first)["status"], "success");
    let stopped = linkops.operation(&second);
    assert_eq!(
        (&stopped["status"], &stopped["logs"][0]["status"]),
        (&json!("stopped"), &json!("stopped"))
    );
    assert_eq!(stopped["logs"][0]["started"], Value::Null);
    assert!(!trace.exists());
}
