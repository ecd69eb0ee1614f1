//! Operations that wait for their turn: what is recorded, how many, and stopping them.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{failure, keys};
use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

const RUN: &str = "/api/operations/run";

/// A fleet with the script `wait`, which ends when the file is there.
fn waiting_for(file: &Path) -> Fleet {
    let mut fleet = Fleet::new(3);
    fleet.script("wait", &format!("while {}; do sleep 0.05; done", closed(file)));
    fleet.script("hello", "echo hello");
    fleet.script_with("flags", "true", &["--level=3"]);
    fleet.commit();
    fleet
}

/// Starts `wait`, and returns when it has begun.
fn block(linkops: &LinkOps) -> String {
    let id = linkops.run(&["wait"], &["vps-01".to_owned()], Value::Null);
    wait_until(deadline(), "the operation begins", || {
        linkops.operation(&id)["status"] == "running"
    });
    id
}

#[test]
fn a_full_queue_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("go");
    let fleet = waiting_for(&file);
    let settings = "operations.queue_size = 1\noperations.max_running = 1";
    let linkops = LinkOps::start_with(&fleet, settings);
    let first = block(&linkops);
    let targets = ["vps-02".to_owned()];
    let second = linkops.run(&["hello"], &targets, Value::Null);
    let body = json!({ "scripts": ["hello"], "targets": targets });
    let reply = linkops.post(RUN, &body);
    failure(&reply, 429, "TOO_MANY_OPERATIONS");
    assert!(reply.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    let list = linkops.get("/api/operations").expect(200);
    assert_eq!(super::ids(&list["operations"]), [&second, &first], "no record of the refused one");
    let waiting = linkops.get("/api/operations?status=queued,running").expect(200);
    assert_eq!(waiting["operations"].as_array().unwrap().len(), 2);
    fs::write(&file, "").unwrap();
    linkops.wait(&first);
    linkops.wait(&second);
    linkops.post(RUN, &body).expect(202);
    assert_eq!(linkops.operation(&second)["status"], "success");
}

#[test]
fn a_queued_operation_is_recorded_and_can_be_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("go");
    let fleet = waiting_for(&file);
    let settings = "operations.queue_size = 200\noperations.max_running = 1";
    let linkops = LinkOps::start_with(&fleet, settings);
    let first = block(&linkops);
    any_valid_request_is_queued(&fleet, &linkops);
    stopped_before_its_turn(&linkops);
    fs::write(&file, "").unwrap();
    linkops.wait(&first);
}

/// R5.2, P14
fn any_valid_request_is_queued(fleet: &Fleet, linkops: &LinkOps) {
    let ids = prop::sample::subsequence(fleet.ids(), 1..=3).prop_shuffle();
    let scripts = prop::sample::subsequence(vec!["wait", "hello", "flags"], 1..=3).prop_shuffle();
    let more = (prop::option::of(1_u8..=50), any::<bool>(), prop::option::of("[ -~]{0,20}"));
    let mut last = 10_001;
    let mut check =
        |scripts: Vec<&str>, targets: Vec<String>, more: (Option<u8>, bool, Option<String>)| {
            let (concurrency, keep_going, flag) = more;
            let mut body = json!({ "scripts": scripts, "targets": targets });
            let flag = flag.filter(|_| scripts.contains(&"flags"));
            let flags =
                flag.map_or(json!({}), |value| json!({ "flags": [format!("--level={value}")] }));
            body["flags"] = flags.clone();
            body["on_failure"] = json!(if keep_going { "continue" } else { "stop" });
            body["concurrency"] = json!(concurrency);
            let reply = linkops.post(RUN, &body);
            let answer = reply.expect(202);
            prop_assert_eq!(keys(&answer), ["operation_id", "status"]);
            prop_assert_eq!(&answer["status"], "queued");
            let id = answer["operation_id"].as_str().unwrap().to_owned();
            prop_assert_eq!(reply.header("location"), Some(&format!("/api/operations/{id}")[..]));
            let number: u32 = id.strip_prefix("OP-").unwrap().parse().unwrap();
            prop_assert!(number > last, "{} after {}", number, last);
            last = number;
            let one = linkops.operation(&id);
            prop_assert_eq!(&one["status"], "queued");
            let wanted = (&json!(scripts), &json!(targets), &flags, &json!("admin"));
            prop_assert_eq!(
                (&one["scripts"], &one["targets"], &one["flags"], &one["triggered_by"]),
                wanted
            );
            prop_assert_eq!(&one["concurrency"], &json!(concurrency.unwrap_or(5)));
            prop_assert_eq!((&one["started"], &one["ended"]), (&Value::Null, &Value::Null));
            let logs = one["logs"].as_array().unwrap();
            prop_assert_eq!(logs.len(), scripts.len() * targets.len());
            prop_assert!(logs.iter().all(|log| log["status"] == "queued"));
            // It leaves its place, so that the last of many finds one.
            linkops.post(&format!("/api/operations/{id}/stop"), &json!({})).expect(200);
            Ok(())
        };
    let cases = ProptestConfig::with_cases(100);
    let check = std::cell::RefCell::new(&mut check);
    proptest!(cases, |(scripts in scripts, targets in ids, more in more)| {
        (check.borrow_mut())(scripts, targets, more)?;
    });
}

fn stopped_before_its_turn(linkops: &LinkOps) {
    let targets = ["vps-01".to_owned(), "vps-02".to_owned()];
    let id = linkops.run(&["hello"], &targets, Value::Null);
    let stop = || linkops.post(&format!("/api/operations/{id}/stop"), &json!({}));
    assert_eq!(stop().expect(200), json!({ "success": true }));
    let one = linkops.operation(&id);
    assert_eq!(one["status"], "stopped");
    assert_eq!(one["result"], json!({ "success": 0, "failed": 0, "stopped": 2, "skipped": 0 }));
    let names: Vec<String> = linkops.wait(&id).into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["complete", "complete", "end"]);
    let error = failure(&stop(), 409, "OPERATION_FINISHED");
    assert_eq!(error["details"], json!({ "id": id }));
}
