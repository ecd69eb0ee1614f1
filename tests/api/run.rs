//! `POST /api/operations/run`: what is refused, and that a refusal leaves nothing behind.

use std::fs;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{failure, keys, person, post_text};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const RUN: &str = "/api/operations/run";
/// Of these, the first half is enrolled.
const MACHINES: u8 = 6;

fn fleet() -> Fleet {
    let mut fleet = Fleet::new(MACHINES);
    fleet.script("hello", "echo hello");
    fleet.script_with("flags", "echo \"$@\"", &["--dry-run", "--level=3", "mode"]);
    fleet.script("python", "");
    (0..11).for_each(|number| _ = fleet.script(&format!("s{number:02}"), "true"));
    for machine in &fleet.machines[3..] {
        fs::remove_file(&machine.client_file).unwrap();
    }
    fs::write(&fleet.machines[5].client_file, "LINKOPS-another").unwrap();
    fleet.commit();
    fleet.repository.commit(&[("scripts/python.sh", "#!/usr/bin/python3\nprint(1)\n")]);
    fleet
}

#[test]
fn refusals() {
    let fleet = fleet();
    let linkops = LinkOps::start_with(&fleet, "operations.max_concurrency = 7");
    shapes(&linkops);
    flags(&linkops);
    what_is_not_there(&linkops);
    not_enrolled(&fleet, &linkops);
    any_that_are_not_enrolled_are_listed(&fleet, &linkops);
    let vera = person(&linkops, "vera", "viewer");
    let body = json!({ "scripts": ["hello"], "targets": ["vps-01"] });
    failure(&super::call(&linkops, &vera, "POST", RUN, Some(&body)), 403, "FORBIDDEN");
    let list = linkops.get("/api/operations").expect(200);
    assert_eq!(list["operations"], json!([]), "a refused request leaves a record");
    edges_that_are_accepted(&linkops);
}

fn shapes(linkops: &LinkOps) {
    let eleven: Vec<_> = (0..11).map(|number| format!("s{number:02}")).collect();
    for (more, field) in [
        (json!({ "concurrency": 0 }), "concurrency"),
        (json!({ "concurrency": 8 }), "concurrency"),
        (json!({ "concurrency": -1 }), "concurrency"),
        (json!({ "concurrency": "2" }), "concurrency"),
        (json!({ "scripts": [] }), "scripts"),
        (json!({ "scripts": eleven }), "scripts"),
        (json!({ "scripts": ["hello", "hello"] }), "scripts"),
        (json!({ "targets": ["vps-01", "vps-02", "vps-01"] }), "targets"),
        (json!({ "flags": { "flags": [] } }), "flags"),
        (json!({ "flags": { "hello": ["--fast", 7] } }), "flags.hello[1]"),
        (json!({ "require_enrollment": false }), "require_enrollment"),
        (json!({ "on_failure": "retry" }), "on_failure"),
        (json!({ "target": ["vps-01"] }), "target"),
        (json!({ "onFailure": "stop" }), "onFailure"),
    ] {
        let mut body = json!({ "scripts": ["hello"], "targets": ["vps-01"] });
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        let error = failure(&linkops.post(RUN, &body), 400, "VALIDATION_FAILED");
        assert!(error["details"]["fields"][field].is_string(), "{body}: {error}");
    }
    for body in [json!({ "scripts": ["hello"], "targets": [] }), json!({ "scripts": ["hello"] })] {
        failure(&linkops.post(RUN, &body), 400, "NO_TARGETS");
    }
    let error =
        failure(&linkops.post(RUN, &json!({ "targets": ["vps-01"] })), 400, "VALIDATION_FAILED");
    assert!(error["details"]["fields"]["scripts"].is_string(), "{error}");
    failure(&post_text(linkops, RUN, "application/json", b"{\"scripts\":"), 400, "INVALID_JSON");
    failure(&post_text(linkops, RUN, "text/plain", b"{}"), 415, "UNSUPPORTED_MEDIA_TYPE");
}

fn flags(linkops: &LinkOps) {
    for (flag, told) in [
        ("--other", "--other"),
        ("--level", "--level"),
        ("--dry-ru", "--dry-ru"),
        ("", ""),
        ("; id", "; id"),
        ("--dry-run ", "--dry-run "),
        ("a\0b", "a\0b"),
        ("--levle=a=b", "--levle=…"), // its value may be a password
    ] {
        let body =
            json!({ "scripts": ["flags"], "targets": ["vps-01"], "flags": { "flags": [flag] } });
        let error = failure(&linkops.post(RUN, &body), 400, "INVALID_FLAG");
        let wanted = json!({ "script": "flags", "flag": told, "declared": ["--dry-run", "--level=3", "mode"] });
        assert_eq!(error["details"], wanted);
    }
}

/// R5.4, P15, and ids that nobody has.
fn what_is_not_there(linkops: &LinkOps) {
    let run = |script: &str, target: &str| {
        linkops.post(RUN, &json!({ "scripts": ["hello", script], "targets": ["vps-01", target] }))
    };
    let error = failure(&run("nothing", "vps-02"), 404, "SCRIPT_NOT_FOUND");
    assert_eq!(error["details"]["id"], "nothing");
    let error = failure(&run("s00", "nobody"), 404, "LINK_NOT_FOUND");
    assert_eq!(error["details"]["id"], "nobody");
    let error = failure(&run("python", "vps-02"), 400, "SCRIPT_NOT_BASH");
    assert_eq!(error["details"]["script"], "python");
    assert!(error["message"].as_str().unwrap().contains("python3"), "{error}");
}

/// R5.1
fn not_enrolled(fleet: &Fleet, linkops: &LinkOps) {
    let body = json!({ "scripts": ["hello"], "targets": fleet.ids() });
    let error = failure(&linkops.post(RUN, &body), 403, "ENROLLMENT_REQUIRED");
    let targets = error["details"]["targets"].as_array().unwrap();
    let named: Vec<_> = targets.iter().map(|one| one["target"].as_str().unwrap()).collect();
    assert_eq!(named, ["vps-04", "vps-05", "vps-06"]);
    for one in targets {
        let shape =
            ["target", "enrolled", "client_id_found", "client_id_matches", "error", "verified_at"];
        assert_eq!(keys(one), shape);
        assert_eq!((&one["enrolled"], &one["client_id_matches"]), (&json!(false), &json!(false)));
        assert_eq!(one["client_id_found"], one["target"] == "vps-06");
        assert!(one["error"].as_str().is_some_and(|text| !text.is_empty()), "{one}");
        assert!(one["verified_at"].as_str().is_some_and(super::is_time), "{one}");
    }
}

/// P13
fn any_that_are_not_enrolled_are_listed(fleet: &Fleet, linkops: &LinkOps) {
    let all = fleet.ids();
    let check = |targets: Vec<String>| {
        let missing: Vec<&String> = targets.iter().filter(|id| all[3..].contains(id)).collect();
        prop_assume!(!missing.is_empty());
        let body = json!({ "scripts": ["hello"], "targets": targets });
        let error = failure(&linkops.post(RUN, &body), 403, "ENROLLMENT_REQUIRED");
        let listed = error["details"]["targets"].as_array().unwrap();
        let listed: Vec<_> = listed.iter().map(|one| one["target"].as_str().unwrap()).collect();
        prop_assert_eq!(listed, missing);
        Ok(())
    };
    let some = prop::sample::subsequence(all.clone(), 1..=all.len()).prop_shuffle();
    proptest!(ProptestConfig::with_cases(100), |(targets in some)| check(targets)?);
}

fn edges_that_are_accepted(linkops: &LinkOps) {
    let ten: Vec<_> = (0..10).map(|number| format!("s{number:02}")).collect();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    let targets = ["vps-01".to_owned()];
    let done = linkops.run_to_end(&ten, &targets, json!({ "concurrency": 7 }));
    assert_eq!((&done["status"], &done["concurrency"]), (&json!("success"), &json!(7)));
    assert_eq!(done["scripts"], json!(ten));
    let given = json!(["--dry-run", "--level=a b", "mode", "mode=$(id)"]);
    let more = json!({ "flags": { "flags": given }, "require_enrollment": true });
    let done = linkops.run_to_end(&["flags"], &targets, more);
    assert_eq!(done["logs"][0]["stdout"], "--dry-run --level=a b mode mode=$(id)\n");
    assert_eq!(done["flags"], json!({ "flags": given }));
    let default = linkops.run_to_end(&["s00"], &targets, Value::Null);
    assert_eq!((&default["concurrency"], &default["flags"]), (&json!(5), &json!({})));
}

/// Where the configuration does not demand enrolment, the request decides.
#[test]
fn enrolment_can_be_waived_where_it_is_not_demanded() {
    let fleet = fleet();
    let linkops = LinkOps::start_with(&fleet, "security.enrollment_required = off");
    let targets = ["vps-04".to_owned()];
    let body = json!({ "scripts": ["hello"], "targets": targets });
    failure(&linkops.post(RUN, &body), 403, "ENROLLMENT_REQUIRED"); // true unless said otherwise
    let done = linkops.run_to_end(&["hello"], &targets, json!({ "require_enrollment": false }));
    assert_eq!(
        (&done["status"], &done["logs"][0]["stdout"]),
        (&json!("success"), &json!("hello\n"))
    );
}
