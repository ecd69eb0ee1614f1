//! `/api/links/verify` and `/api/links/{id}/verify` (R4.1 to R4.6), over real SSH.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use serde_json::{Value, json};

use super::{failure, is_time, keys, person};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

const SHAPE: [&str; 5] =
    ["enrolled", "client_id_found", "client_id_matches", "error", "verified_at"];

/// Each connection waits here until three are open: no check ends unless three run side by side.
const TOGETHER: &str = "#!/bin/bash
touch \"$(dirname \"$0\")/here-$$\"
until [[ $(ls \"$(dirname \"$0\")\" | grep -c here-) -ge 3 ]]; do sleep 0.02; done
exec bash -c \"$SSH_ORIGINAL_COMMAND\"
";

#[test]
fn verify() {
    let directory = tempfile::tempdir().unwrap();
    let together = directory.path().join("together");
    fs::write(&together, TOGETHER).unwrap();
    fs::set_permissions(&together, fs::Permissions::from_mode(0o755)).unwrap();
    let mut fleet = Fleet::with(3, &format!("ForceCommand {}", together.display()));
    let port = fleet.sshd.port();
    fleet.add("away", "127.0.0.99", port); // nobody listens there
    fleet.commit();
    let linkops = LinkOps::unsynced(&fleet, "ssh.max_retries = 1");
    linkops.post("/api/git/sync", &json!({})).expect(200);
    many_side_by_side(&linkops);
    each_content(&fleet, &linkops);
    one_that_cannot_be_reached(&fleet, &linkops);
    a_key_that_others_can_read(&fleet, &linkops);
    a_key_that_is_not_in_its_directory(&fleet, &linkops);
    bad_input(&linkops);
}

/// Each connection waits here until the gate is open.
const GATE: &str = "#!/bin/bash
touch \"$(dirname \"$0\")/waits\"
while [[ -d $(dirname \"$0\") && ! -e $(dirname \"$0\")/open ]]; do sleep 0.02; done
exec bash -c \"$SSH_ORIGINAL_COMMAND\"
";

/// A sync removes a machine while all are verified: the others have their results.
#[test]
fn one_that_goes_away_takes_nothing_from_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    fs::write(&gate, GATE).unwrap();
    fs::set_permissions(&gate, fs::Permissions::from_mode(0o755)).unwrap();
    let mut fleet = Fleet::with(1, &format!("ForceCommand {}", gate.display()));
    let (host, port) = (fleet.machines[0].host.clone(), fleet.machines[0].port);
    // More than are checked side by side: the last one has its turn when another one has ended.
    for number in 2..=17 {
        fleet.add(&format!("vps-{number:02}"), &host, port);
    }
    fleet.commit();
    let linkops = LinkOps::unsynced(&fleet, "");
    linkops.post("/api/git/sync", &json!({})).expect(200);
    let all = thread::scope(|threads| {
        let all = threads.spawn(|| linkops.post("/api/links/verify", &json!({})));
        let waits = directory.path().join("waits");
        wait_until(deadline(), "a check is under way", || waits.exists());
        fleet.machines.pop();
        fleet.commit();
        linkops.post("/api/git/sync", &json!({})).expect(200);
        fs::write(directory.path().join("open"), "").unwrap();
        all.join().unwrap().expect(200)
    });
    assert_eq!(keys(&all), fleet.ids());
    assert!(all.as_object().unwrap().values().all(|one| one["enrolled"] == true), "{all}");
}

fn many_side_by_side(linkops: &LinkOps) {
    let all = linkops.post("/api/links/verify", &json!({})).expect(200);
    assert_eq!(keys(&all), ["away", "vps-01", "vps-02", "vps-03"]);
    for (id, result) in all.as_object().unwrap() {
        assert_eq!(keys(result), SHAPE);
        assert_eq!(result["enrolled"], id != "away", "{result}");
        assert_eq!(result["error"].is_null(), id != "away", "{result}");
    }
    let targets = json!({ "targets": ["vps-02", "vps-02"] });
    assert_eq!(keys(&linkops.post("/api/links/verify", &targets).expect(200)), ["vps-02"]);
    let none = linkops.post("/api/links/verify", &json!({ "targets": [] })).expect(200);
    assert_eq!(none, json!({}));
}

/// R4.2 to R4.6: what a file holds, and what is found, stored and shown.
fn each_content(fleet: &Fleet, linkops: &LinkOps) {
    let machine = &fleet.machines[0];
    let id = &machine.client_id;
    let verify = || linkops.post("/api/links/vps-01/verify", &json!({})).expect(200);
    let other = "LINKOPS-00000000-0000-4000-8000-00000000000f";
    for (content, found, matches) in [
        (Some(id.clone()), true, true),
        (Some(format!(" \t\r\n{id}\x0b\x0c \n\n")), true, true),
        (None, false, false),
        (Some(other.to_owned()), true, false),
        (Some(id.to_lowercase()), true, false),
        (Some(String::new()), true, false),
        (Some(format!("{id} {id}")), true, false),
        (Some(format!("{id}\n{}", " ".repeat(5_000))), true, false),
        (Some(format!("{id}\n")), true, true),
    ] {
        match &content {
            Some(text) => fs::write(&machine.client_file, text).unwrap(),
            None => fs::remove_file(&machine.client_file).unwrap(),
        }
        let result = verify();
        assert_eq!(keys(&result), SHAPE);
        assert_eq!(result["client_id_found"], found, "{content:?} {result}");
        assert_eq!(result["client_id_matches"], matches, "{content:?} {result}");
        assert_eq!(result["enrolled"], matches, "{content:?} {result}");
        // R4.6
        assert_eq!(result["error"].as_str().is_some_and(|one| !one.is_empty()), !matches);
        let at = result["verified_at"].as_str().unwrap();
        assert!(is_time(at), "{at}");
        let link = linkops.get("/api/links/vps-01").expect(200);
        assert_eq!(link["enrolled"], matches);
        assert_eq!(link["enrollmentVerifiedAt"].as_i64(), linkops::clock::parse_time(at));
        assert_eq!(link["status"], "online");
    }
}

/// R4.1: not reached is not enrolled, and what went wrong stands in the details.
fn one_that_cannot_be_reached(fleet: &Fleet, linkops: &LinkOps) {
    let reply = linkops.post("/api/links/away/verify", &json!({}));
    let error = failure(&reply, 503, "SSH_CONNECTION_FAILED");
    let details = &error["details"];
    assert_eq!(keys(details), SHAPE);
    let no = |key: &str| details[key] == false;
    assert!(SHAPE[..3].iter().all(|key| no(key)), "{details}");
    let why = details["error"].as_str().unwrap();
    assert!(why.contains("127.0.0.99") && why.contains(&fleet.sshd.port().to_string()), "{why}");
    assert!(error["message"].as_str().unwrap().starts_with("away: "), "{error}");
    let link = linkops.get("/api/links/away").expect(200);
    assert_eq!((&link["status"], &link["enrolled"]), (&json!("offline"), &json!(false)));
    assert!(linkops.log().contains(r#""link":"away""#), "R12.2: {}", linkops.log());
}

/// P29 as a client sees it; section 4: no path of ours in a body.
fn a_key_that_others_can_read(fleet: &Fleet, linkops: &LinkOps) {
    let key = fleet.keys().join("id_ed25519");
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let reply = linkops.post("/api/links/vps-01/verify", &json!({}));
    mode(0o600);
    let text = failure(&reply, 503, "SSH_CONNECTION_FAILED").to_string();
    assert!(text.contains("id_ed25519") && text.contains("644"), "{text}");
    let many = linkops.post("/api/links/verify", &json!({ "targets": ["vps-01"] })).expect(200);
    assert_eq!(many["vps-01"]["enrolled"], true, "{many}");
    let ours = fleet.directory().to_str().unwrap();
    assert!(!text.contains(ours), "{text}");
    assert!(linkops.log().contains(ours), "the log names it: {}", linkops.log());
}

/// R10.2: the keys are those of `keys_directory`, and no others.
fn a_key_that_is_not_in_its_directory(fleet: &Fleet, linkops: &LinkOps) {
    let key = fleet.keys().join("id_ed25519");
    let elsewhere = fleet.directory().join("id_ed25519");
    fs::rename(&key, &elsewhere).unwrap();
    let reply = linkops.post("/api/links/vps-01/verify", &json!({}));
    fs::rename(&elsewhere, &key).unwrap();
    let error = failure(&reply, 503, "SSH_CONNECTION_FAILED");
    assert!(error["message"].as_str().unwrap().contains("id_ed25519"), "{error}");
    linkops.post("/api/links/vps-01/verify", &json!({})).expect(200);
}

fn bad_input(linkops: &LinkOps) {
    let post = |path: &str, body: Value| linkops.post(path, &body);
    for path in ["/api/links/nobody/verify", "/api/links/verify/verify"] {
        failure(&post(path, json!({})), 404, "LINK_NOT_FOUND");
    }
    let unknown = json!({ "targets": ["vps-01", "nobody"] });
    let error = failure(&post("/api/links/verify", unknown), 404, "LINK_NOT_FOUND");
    assert_eq!(error["details"]["id"], "nobody");
    for (path, body, field) in [
        ("/api/links/vps-01/verify", json!({ "force": true }), "force"),
        ("/api/links/verify", json!({ "target": ["vps-01"] }), "target"),
        ("/api/links/verify", json!({ "targets": "vps-01" }), "targets"),
    ] {
        let error = failure(&post(path, body), 400, "VALIDATION_FAILED");
        assert!(error["details"]["fields"][field].is_string(), "{error}");
    }
    let vera = person(linkops, "vera", "viewer");
    let reply = super::call(linkops, &vera, "POST", "/api/links/vps-01/verify", None);
    failure(&reply, 403, "FORBIDDEN");
}
