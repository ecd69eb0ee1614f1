//! `/api/operations`: the list with its filters and pages, one operation, stopping (R11.2 to
//! R11.5 as a client sees them).

use serde_json::{Value, json};

use super::{failure, ids, keys};
use crate::support::client::Reply;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const SHAPE: [&str; 16] = [
    "id",
    "scripts",
    "targets",
    "flags",
    "concurrency",
    "on_failure",
    "waves",
    "max_failures",
    "status",
    "triggered_by",
    "commit_hash",
    "retry_of",
    "started",
    "ended",
    "duration",
    "result",
];
const LOG: [&str; 11] = [
    "target",
    "script",
    "status",
    "exit_code",
    "stdout",
    "stderr",
    "truncated",
    "duration",
    "started",
    "ended",
    "error",
];

#[test]
fn operations() {
    let mut fleet = Fleet::new(2);
    fleet.script("good", "echo good; echo 'on the side' >&2");
    fleet.script("bad", "printf '\\xff\\n'; exit 3");
    fleet.script("first-only", "[[ $SSH_CONNECTION == *' 127.0.0.1 '* ]]");
    let commit = fleet.commit();
    let linkops = LinkOps::start(&fleet);
    assert_eq!(list(&linkops, ""), json!({ "operations": [], "next_cursor": null }));
    let all = fleet.ids();
    let runs: Vec<Value> = vec![
        linkops.run_to_end(&["good"], &all, Value::Null),
        linkops.run_to_end(&["bad", "good"], &all[..1], Value::Null),
        linkops.run_to_end(&["first-only"], &all, Value::Null),
        linkops.run_to_end(&["good"], &all[1..], Value::Null),
        linkops.run_to_end(&["bad"], &all, json!({ "on_failure": "continue" })),
    ];
    let statuses: Vec<_> = runs.iter().map(|one| one["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["success", "failed", "partial", "success", "failed"]);
    assert_eq!(
        (&runs[3]["on_failure"], &runs[4]["on_failure"]),
        (&json!("stop"), &json!("continue"))
    );
    shape_of_one(&runs[1], &commit);
    without_output(&linkops, &runs[1]);
    filters(&linkops, &runs);
    pages(&linkops, &runs);
    bad_parameters(&linkops);
    missing_and_finished(&linkops, &runs[0]);
}

fn get(linkops: &LinkOps, query: &str) -> Reply {
    linkops.get(&format!("/api/operations?{query}"))
}

fn list(linkops: &LinkOps, query: &str) -> Value {
    let list = get(linkops, query).expect(200);
    assert_eq!(keys(&list), ["operations", "next_cursor"]);
    list["operations"].as_array().unwrap().iter().for_each(|one| assert_eq!(keys(one), SHAPE));
    list
}

/// R5.6, R11.1, R11.3, P33
fn shape_of_one(one: &Value, commit: &str) {
    assert_eq!(keys(one)[..16], SHAPE);
    assert_eq!(keys(one)[16..], ["logs"]);
    assert_eq!((&one["commit_hash"], &one["triggered_by"]), (&json!(commit), &json!("admin")));
    assert_eq!(one["result"], json!({ "success": 0, "failed": 1, "stopped": 0, "skipped": 1 }));
    let (started, ended) = (one["started"].as_i64().unwrap(), one["ended"].as_i64().unwrap());
    assert_eq!(one["duration"], ended - started);
    let (bad, good) = (&one["logs"][0], &one["logs"][1]);
    let log_keys: Vec<_> = keys(bad).into_iter().filter(|key| *key != "stdout_base64").collect();
    assert_eq!(log_keys, LOG);
    assert_eq!(keys(good), LOG);
    assert_eq!((&bad["target"], &bad["script"]), (&json!("vps-01"), &json!("bad")));
    assert_eq!((&bad["status"], &bad["exit_code"]), (&json!("failed"), &json!(3)));
    assert_eq!((&bad["stdout"], &bad["stdout_base64"]), (&json!("\u{fffd}\n"), &json!("/wo=")));
    assert!(bad["duration"].is_i64() && bad["truncated"] == false);
    assert_eq!((&good["status"], &good["exit_code"]), (&json!("skipped"), &Value::Null));
    assert_eq!((&good["started"], &good["duration"]), (&Value::Null, &Value::Null));
}

/// The same but for what was printed, for whoever follows the events anyway.
fn without_output(linkops: &LinkOps, one: &Value) {
    let address = format!("/api/operations/{}", one["id"].as_str().unwrap());
    let mut wanted = one.clone();
    for log in wanted["logs"].as_array_mut().unwrap() {
        let output = ["stdout", "stderr", "stdout_base64", "stderr_base64"];
        output.iter().for_each(|key| drop(log.as_object_mut().unwrap().remove(*key)));
    }
    assert_eq!(linkops.get(&format!("{address}?output=false")).expect(200), wanted);
    assert_eq!(linkops.get(&format!("{address}?output=true")).expect(200), *one);
    let wrong = linkops.get(&format!("{address}?output=no")).expect(400);
    assert!(wrong["error"]["details"]["fields"]["output"].is_string(), "{wrong}");
}

/// R11.4, R11.5, P34 at the API.
fn filters(linkops: &LinkOps, runs: &[Value]) {
    let id = |number: usize| runs[number]["id"].as_str().unwrap();
    let started = |number: usize| runs[number]["started"].as_i64().unwrap();
    let third = linkops::clock::rfc3339(started(2));
    for (query, wanted) in [
        ("".to_owned(), vec![4, 3, 2, 1, 0]),
        ("status=success".to_owned(), vec![3, 0]),
        ("status=failed,partial".to_owned(), vec![4, 2, 1]),
        ("status=running".to_owned(), vec![]),
        ("target=vps-02".to_owned(), vec![4, 3, 2, 0]),
        ("target=vps-0".to_owned(), vec![]),
        ("script=good".to_owned(), vec![3, 1, 0]),
        ("script=good&status=failed&target=vps-01".to_owned(), vec![1]),
        (format!("from={}", started(3)), vec![4, 3]),
        (format!("to={third}"), vec![1, 0]),
        (format!("from={third}&to={}", started(4)), vec![3, 2]),
        ("to=2020-01-01".to_owned(), vec![]),
        ("from=2020-01-01T00:00:00%2B02:00".to_owned(), vec![4, 3, 2, 1, 0]),
    ] {
        let wanted: Vec<&str> = wanted.into_iter().map(id).collect();
        assert_eq!(ids(&list(linkops, &query)["operations"]), wanted, "{query}");
    }
}

/// R11.2, P32: walking the pages gives each once, newest first.
fn pages(linkops: &LinkOps, runs: &[Value]) {
    let whole = list(linkops, "")["operations"].clone();
    for (filter, limit) in [("", 1), ("", 2), ("", 3), ("", 5), ("", 500), ("target=vps-02&", 2)] {
        let mut seen = Vec::new();
        let mut query = format!("{filter}limit={limit}");
        loop {
            let page = list(linkops, &query);
            let operations = page["operations"].as_array().unwrap();
            assert!(!operations.is_empty() && operations.len() <= limit, "{query}: {page}");
            seen.extend(operations.clone());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            assert_eq!(operations.len(), limit, "{page}");
            assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            query = format!("{filter}limit={limit}&cursor={cursor}");
        }
        let wanted = if filter.is_empty() {
            whole.clone()
        } else {
            list(linkops, filter)["operations"].clone()
        };
        assert_eq!(json!(seen), wanted, "{filter} {limit}");
    }
    assert_eq!(whole.as_array().unwrap().len(), runs.len());
}

fn bad_parameters(linkops: &LinkOps) {
    for (query, field) in [
        ("status=done", "status"),
        ("status=", "status"),
        ("status=success,", "status"),
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("from=2026-11-21T23:59:59", "from"), // of which place?
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("stauts=success", "stauts"),
        ("limit=1&limit=2", "limit"),
    ] {
        let error = failure(&get(linkops, query), 400, "VALIDATION_FAILED");
        assert!(error["details"]["fields"][field].is_string(), "{query}: {error}");
    }
    for cursor in ["", "x", "MTIz", "%00", "OP-10001", "' OR 1=1"] {
        let query = format!("cursor={}", cursor.replace(' ', "+"));
        failure(&get(linkops, &query), 400, "INVALID_CURSOR");
    }
}

fn missing_and_finished(linkops: &LinkOps, finished: &Value) {
    for id in ["OP-9", "OP-99999999999999999999", "10001", "op-10001", "OP-x", "OP-10001%20"] {
        for part in ["", "/events"] {
            let reply = linkops.get(&format!("/api/operations/{id}{part}"));
            failure(&reply, 404, "OPERATION_NOT_FOUND");
        }
        let reply = linkops.post(&format!("/api/operations/{id}/stop"), &json!({}));
        failure(&reply, 404, "OPERATION_NOT_FOUND");
    }
    let path = format!("/api/operations/{}", finished["id"].as_str().unwrap());
    let error =
        failure(&linkops.post(&format!("{path}/stop"), &json!({})), 409, "OPERATION_FINISHED");
    assert_eq!(error["details"]["id"], finished["id"]);
    failure(&linkops.post(&format!("{path}/stop"), &json!({ "now": 1 })), 400, "VALIDATION_FAILED");
    let reply = linkops.get(&format!("{path}/events?last_event_id=x"));
    failure(&reply, 400, "VALIDATION_FAILED");
    assert_eq!(&linkops.get(&path).expect(200), finished);
}
