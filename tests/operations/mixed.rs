//! Many targets of which some are wrong: the others are right, and every failure is named.

use std::fs;

use serde_json::{Value, json};

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::network::Silent;
use crate::support::sshd::Sshd;

/// Ten machines of which all are what they should be, the scripts, and the servers that the tests
/// turn against them.
struct Stage {
    fleet: Fleet,
    linkops: LinkOps,
    closed: Sshd,
    changed: Sshd,
}

fn stage() -> Stage {
    let mut fleet = Fleet::new(6);
    let (closed, changed) = (Sshd::plain(), Sshd::plain());
    for sshd in [&closed, &changed] {
        // They let the fleet's key in.
        let key = fs::read_to_string(fleet.sshd.directory().join("authorized_keys")).unwrap();
        fs::write(sshd.directory().join("authorized_keys"), key).unwrap();
    }
    let ordinary = fleet.sshd.port();
    fleet.add("refuses", "127.0.0.1", closed.port());
    fleet.add("silent", "127.0.0.1", ordinary);
    fleet.add("stranger", "127.0.0.1", ordinary);
    fleet.add("changed", "127.0.0.1", changed.port());
    for script in ["one", "two", "three", "four"] {
        fleet.script(script, &format!("echo {script} $SSH_CONNECTION; echo problem >&2"));
    }
    fleet.commit();
    let settings =
        "ssh.connection_timeout = 2\nssh.retry_delay = 0\nsecurity.enrollment_required = off";
    let linkops = LinkOps::start_with(&fleet, settings);
    let machines = linkops.get("/api/links?enrolled=true").json();
    assert_eq!(machines.as_array().unwrap().len(), 10, "{machines}");
    Stage { fleet, linkops, closed, changed }
}

/// Ten targets, four scripts, concurrency 3; one refuses, one is silent, one has another client
/// id, one has another host key.
#[test]
fn every_other_execution_is_right_and_every_failure_is_named() {
    let Stage { mut fleet, linkops, mut closed, mut changed } = stage();
    let silent = Silent::start();
    closed.stop();
    fleet.machines[7].port = silent.port();
    fleet.commit();
    linkops.post("/api/git/sync", &json!({})).expect(200);
    fs::write(&fleet.machines[8].client_file, "LINKOPS-another\n").unwrap();
    changed.change_host_key();

    // The moved machine is not enrolled any more; the request must leave the check to the machine.
    let ids = fleet.ids();
    let refused = linkops.post(
        "/api/operations/run",
        &json!({ "scripts": ["one"], "targets": ids, "concurrency": 3 }),
    );
    assert_eq!((refused.status, refused.code()), (403, "ENROLLMENT_REQUIRED".to_owned()));
    let targets = refused.json()["error"]["details"]["targets"].clone();
    assert_eq!((targets.as_array().unwrap().len(), &targets[0]["target"]), (1, &json!("silent")));

    let enrolled: Vec<String> = ids.iter().filter(|id| *id != "silent").cloned().collect();
    let scripts = ["one", "two", "three", "four"];
    let good = linkops.run(&scripts, &enrolled, json!({ "concurrency": 3 }));
    let quiet = linkops.run(
        &scripts,
        &["silent".to_owned()],
        json!({ "concurrency": 3, "require_enrollment": false }),
    );
    linkops.wait(&good);
    linkops.wait(&quiet);
    let operation = linkops.operation(&good);
    assert_eq!(operation["status"], "partial", "{operation}");
    for log in operation["logs"].as_array().unwrap() {
        check(log);
    }
    let operation = linkops.operation(&quiet);
    assert_eq!(operation["status"], "failed");
    check(&operation["logs"][0]);
}

fn check(log: &Value) {
    let target = log["target"].as_str().unwrap();
    let first = log["script"] == "one";
    let expected = match target {
        "refuses" => "refuses connections",
        "silent" => "2",
        "stranger" => "LINKOPS-another",
        "changed" => "host key",
        _ => {
            assert_eq!(
                (&log["status"], &log["exit_code"]),
                (&json!("success"), &json!(0)),
                "{log}"
            );
            let out = log["stdout"].as_str().unwrap();
            assert!(out.starts_with(log["script"].as_str().unwrap()), "{log}");
            assert_eq!(log["stderr"], "problem\n");
            return;
        }
    };
    let status = if first { "failed" } else { "skipped" };
    assert_eq!((&log["status"], &log["exit_code"]), (&json!(status), &Value::Null), "{log}");
    let error = log["error"].as_str().unwrap();
    assert!(!first || error.contains(expected), "{target}: {error}");
    assert_eq!(log["stdout"], "");
}
