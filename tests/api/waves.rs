//! Waves and chosen targets, on real machines: the order, the stop rule at its edges, and what is
//! refused. `tests/operations/waves.rs` has what happens while they run.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::failure;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const RUN: &str = "/api/operations/run";

/// Machines that say which one they are: their address.
const WHO: &str = "set -- $SSH_CONNECTION; me=${3##*.}";

/// Five machines, and scripts that write down who began and who ended. Those named in the file
/// `bad` fail.
struct Stage {
    fleet: Fleet,
    linkops: LinkOps,
    place: PathBuf,
}

fn stage() -> Stage {
    let mut fleet = Fleet::new(5);
    let place = fleet.directory().join("place");
    fs::create_dir(&place).unwrap();
    let at = place.display();
    fleet.script("mark", &format!("{WHO}; echo + $me >>{at}/log; sleep 0.1; echo - $me >>{at}/log; ! grep -qw $me {at}/bad"));
    fleet.script("after", "true");
    for (number, tags) in [(0, &["web"][..]), (1, &["web", "db"]), (2, &["db"]), (3, &[])] {
        fleet.machines[number].tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    }
    fleet.machines[1].kind = "VM".to_owned();
    fleet.machines[4].kind = "Proxmox".to_owned();
    fleet.commit();
    fs::write(place.join("bad"), "").unwrap();
    let linkops = LinkOps::start(&fleet);
    Stage { fleet, linkops, place }
}

impl Stage {
    /// Runs a script on all machines to its end, on which those of `bad` fail.
    fn run(&self, bad: &str, more: Value) -> Value {
        let _ = fs::remove_file(self.place.join("log"));
        fs::write(self.place.join("bad"), bad).unwrap();
        self.linkops.run_to_end(&["mark", "after"], &self.fleet.ids(), more)
    }

    /// What the machines wrote: a sign and who it was.
    fn log(&self) -> Vec<(char, usize)> {
        let text = fs::read_to_string(self.place.join("log")).unwrap_or_default();
        let line = |line: &str| (line.as_bytes()[0] as char, line[2..].parse().unwrap());
        text.lines().map(line).collect()
    }
}

/// The statuses of the first script, machine by machine.
fn statuses(operation: &Value) -> Vec<&str> {
    let logs = operation["logs"].as_array().unwrap().iter();
    logs.step_by(2).map(|log| log["status"].as_str().unwrap()).collect()
}

#[test]
fn waves() {
    let stage = stage();
    in_order(&stage);
    the_edge_of_the_stop_rule(&stage);
    shares_are_of_all_targets(&stage);
    failures_add_up_over_waves(&stage);
    refusals(&stage.linkops);
    chosen_targets(&stage.linkops);
}

/// No machine begins before all of the wave before have ended.
fn in_order(stage: &Stage) {
    let one = stage.run("", json!({ "waves": [1, "40%", "rest"], "concurrency": 5 }));
    assert_eq!(one["status"], "success", "{one}");
    let waves = [json!(["vps-01"]), json!(["vps-02", "vps-03"]), json!(["vps-04", "vps-05"])];
    assert_eq!((&one["waves"], &one["max_failures"]), (&json!(waves), &json!(0)));
    let log = stage.log();
    assert_eq!(log.len(), 10, "{log:?}");
    for (wave, earlier) in [(&[2, 3][..], &[1][..]), (&[4, 5], &[1, 2, 3])] {
        let begin = log.iter().position(|(sign, who)| *sign == '+' && wave.contains(who));
        let end = log.iter().rposition(|(sign, who)| *sign == '-' && earlier.contains(who));
        assert!(end < begin, "{log:?}");
    }
    let all = stage.run("", json!({ "waves": ["100%"] }));
    assert_eq!(all["waves"], json!([stage.fleet.ids()]));
    assert_eq!(stage.run("", Value::Null)["waves"], Value::Null);
}

/// Exactly as many failures as allowed, and one more.
fn the_edge_of_the_stop_rule(stage: &Stage) {
    let more = |most: Value| json!({ "waves": [3, "rest"], "max_failures": most });
    let one = stage.run("1 3", more(json!(2)));
    assert_eq!((&one["status"], &one["max_failures"]), (&json!("partial"), &json!(2)));
    assert_eq!(statuses(&one), ["failed", "success", "failed", "success", "success"]);
    let one = stage.run("1 3", more(json!(1)));
    assert_eq!(one["status"], "partial", "{one}");
    assert_eq!(statuses(&one), ["failed", "success", "failed", "skipped", "skipped"]);
    assert_eq!(one["result"], json!({ "success": 2, "failed": 2, "stopped": 0, "skipped": 6 }));
    for log in &one["logs"].as_array().unwrap()[6..] {
        let error = json!("stopped after wave 1: 2 targets failed");
        assert_eq!((&log["status"], &log["error"]), (&json!("skipped"), &error), "{log}");
        assert_eq!((&log["started"], &log["exit_code"]), (&Value::Null, &Value::Null));
    }
    let events = stage.linkops.wait(one["id"].as_str().unwrap());
    let of = |name: &str| events.iter().filter(|event| event.name == name).count();
    assert_eq!((of("start"), of("complete"), of("end")), (4, 10, 1), "all have an end");
    assert_eq!(stage.log().iter().map(|(_, who)| who).max(), Some(&3), "nothing ran there");
    // None succeeded, so none of all targets did.
    assert_eq!(stage.run("1 2 3", more(json!(2)))["status"], "failed");
    assert_eq!(
        stage.run("1", json!({ "waves": [1, "rest"] }))["status"],
        "failed",
        "0 is the default"
    );
    // More than there are is no mistake.
    let one = stage.run("1 2", more(json!(u64::MAX)));
    assert_eq!((&one["max_failures"], statuses(&one)[4]), (&json!(5), "success"));
    // The last wave has nothing to stop.
    let one = stage.run("5", json!({ "waves": [4, "rest"] }));
    assert_eq!(statuses(&one)[3..], ["success", "failed"]);
}

/// Hundredths of all targets: rounded up for a wave, down for failures.
fn shares_are_of_all_targets(stage: &Stage) {
    let one = stage.run("1", json!({ "waves": ["21%", "rest"], "max_failures": "39%" }));
    let first = one["waves"][0].as_array().unwrap().len();
    assert_eq!((first, &one["max_failures"]), (2, &json!(1)));
    assert_eq!(one["status"], "partial");
    assert_eq!(statuses(&one)[2..], ["success", "success", "success"]);
    let one = stage.run("1", json!({ "waves": ["21%", "rest"], "max_failures": "19%" }));
    assert_eq!(one["max_failures"], 0);
    assert_eq!(statuses(&one)[1..], ["success", "skipped", "skipped", "skipped"]);
}

fn failures_add_up_over_waves(stage: &Stage) {
    let more = json!({ "waves": [1, 1, 1, 1, 1], "max_failures": 1, "on_failure": "continue" });
    let one = stage.run("1 3", more);
    assert_eq!(statuses(&one), ["failed", "success", "failed", "skipped", "skipped"]);
    assert_eq!(one["logs"][9]["error"], "stopped after wave 3: 2 targets failed");
    assert_eq!(one["logs"][1]["status"], "success", "on one target it goes on");
}

fn refusals(linkops: &LinkOps) {
    let (wave, number) =
        ("write a whole number, \"N%\" up to \"100%\", or \"rest\"", "a whole number");
    for (more, field, words) in [
        (json!({ "waves": [] }), "waves", "name at least one wave"),
        (json!({ "waves": [1] }), "waves", "2 of 3 targets are in no wave\nend with \"rest\""),
        (json!({ "waves": ["50%"] }), "waves", "end with \"rest\""),
        (json!({ "waves": [0, "rest"] }), "waves", "write 1 or more"),
        (json!({ "waves": ["0%", "rest"] }), "waves", "1% to 100%"),
        (json!({ "waves": ["101%"] }), "waves", wave),
        (json!({ "waves": ["ten", "rest"] }), "waves", "\"ten\" is not a wave"),
        (json!({ "waves": ["10 %", "rest"] }), "waves", wave),
        (json!({ "waves": ["rest", "rest"] }), "waves", "only be the last"),
        (json!({ "waves": ["rest", 1] }), "waves", "only be the last"),
        (json!({ "waves": [-1, "rest"] }), "waves[0]", number),
        (json!({ "waves": [1, 1.5, "rest"] }), "waves[1]", number),
        (json!({ "waves": [["vps-01"], "rest"] }), "waves[0]", number),
        (json!({ "waves": "rest" }), "waves", "expected a sequence"),
        (json!({ "waves": [1, "rest"], "max_failures": "rest" }), "max_failures", number),
        (json!({ "waves": [1, "rest"], "max_failures": "101%" }), "max_failures", "up to \"100%\""),
        (json!({ "waves": [1, "rest"], "max_failures": -1 }), "max_failures", number),
        (json!({ "max_failures": 1 }), "max_failures", "together with \"waves\""),
        (json!({ "max_failures": "1%" }), "max_failures", "together with \"waves\""),
        (json!({ "wave": [1, "rest"] }), "wave", "\"waves\""),
    ] {
        let mut body = json!({ "scripts": ["after"], "targets": ["vps-01", "vps-02", "vps-03"] });
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        let error = failure(&linkops.post(RUN, &body), 400, "VALIDATION_FAILED");
        let text = error["details"]["fields"][field].as_str().unwrap_or_default();
        assert!(text.contains(words), "{body}: {error}");
    }
}

fn chosen_targets(linkops: &LinkOps) {
    let run =
        |targets: Value| linkops.post(RUN, &json!({ "scripts": ["after"], "targets": targets }));
    for (targets, wanted) in [
        (json!({ "tags": ["web"] }), &["vps-01", "vps-02"][..]),
        (json!({ "tags": ["db", "web"] }), &["vps-01", "vps-02", "vps-03"]),
        (json!({ "types": ["Proxmox", "VM"] }), &["vps-02", "vps-05"]),
        (json!({ "tags": ["web"], "types": ["VM"] }), &["vps-02"]),
    ] {
        let answer = run(targets.clone()).expect(202);
        let one = linkops.operation(answer["operation_id"].as_str().unwrap());
        assert_eq!(one["targets"], json!(wanted), "{targets}");
        linkops.wait(one["id"].as_str().unwrap());
    }
    for (targets, words) in [
        (json!({}), "name links"),
        (json!({ "tags": [] }), "no machine"),
        (json!({ "types": [] }), "no machine"),
        (json!({ "tags": ["web"], "types": ["Proxmox"] }), "no machine"),
        (json!({ "tags": ["wbe"] }), "no machine has the tag \"wbe\", did you mean \"web\"?"),
        (json!({ "tags": ["kitchen"] }), "no machine has the tag \"kitchen\""),
    ] {
        let error = failure(&run(targets.clone()), 400, "NO_TARGETS");
        assert!(error["message"].as_str().unwrap().contains(words), "{targets}: {error}");
    }
    for (targets, field, words) in [
        (json!({ "tags": ["db", "wbe"] }), "targets", "the tag \"wbe\", did you mean \"web\"?"),
        (json!({ "types": ["vm"] }), "targets", "VPS, Proxmox, VM"),
        (json!({ "types": ["VM", "Container"] }), "targets", "VPS, Proxmox, VM"),
        (json!({ "tag": ["web"] }), "targets.tag", "tags"),
        (json!({ "tags": "web" }), "targets.tags", "invalid type"),
        (json!("vps-01"), "targets", "a list of ids"),
        (json!(["vps-01", ["vps-02"]]), "targets[1]", "invalid type"),
    ] {
        let error = failure(&run(targets.clone()), 400, "VALIDATION_FAILED");
        let text = error["details"]["fields"][field].as_str().unwrap_or_default();
        assert!(text.contains(words), "{targets}: {error}");
    }
}
