//! `POST /api/operations/{id}/retry`, on real machines: which targets it takes, what it keeps of the
//! operation, and what is refused.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{call, failure, person};
use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

/// Four machines. A file `bad.N` makes the script fail on the N-th, a file `hold.N` makes it wait.
struct Stage {
    fleet: Fleet,
    linkops: LinkOps,
    place: PathBuf,
}

fn stage() -> Stage {
    let mut fleet = Fleet::new(4);
    let place = fleet.directory().join("place");
    fs::create_dir(&place).unwrap();
    let at = place.display();
    let wait =
        format!("while [[ -e hold.$me ]] && {}; do sleep 0.02; done", closed(&place.join("go")));
    let who = "set -- $SSH_CONNECTION \"$@\"; me=${3##*.}; shift 4";
    let text = format!("{who}; cd {at}; echo $me \"$@\" >>begun; {wait}; [[ ! -e bad.$me ]]");
    fleet.script_with("first", &text, &["--deep", "n=1"]);
    fleet.script("second", "true");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    Stage { fleet, linkops, place }
}

impl Stage {
    fn set(&self, marks: &[&str]) {
        marks.iter().for_each(|mark| fs::write(self.place.join(mark), "").unwrap());
    }

    fn clear(&self, marks: &[&str]) {
        marks.iter().for_each(|mark| fs::remove_file(self.place.join(mark)).unwrap());
    }

    fn begun(&self) -> String {
        fs::read_to_string(self.place.join("begun")).unwrap_or_default()
    }

    /// Runs the rest of an operation to its end.
    #[track_caller]
    fn retry(&self, id: &Value, body: &Value) -> Value {
        let id = id.as_str().unwrap();
        let reply = self.linkops.post(&format!("/api/operations/{id}/retry"), body);
        let answer = reply.expect(202);
        let new = answer["operation_id"].as_str().unwrap();
        assert_eq!(answer, json!({ "operation_id": new, "status": "queued" }));
        assert_eq!(reply.header("location"), Some(&format!("/api/operations/{new}")[..]));
        self.linkops.wait(new);
        let one = self.linkops.operation(new);
        assert_eq!(one["retry_of"], id, "{one}");
        one
    }

    #[track_caller]
    fn refused(&self, id: &Value, word: &str, status: u16, code: &str) -> Value {
        let path = format!("/api/operations/{}/retry", id.as_str().unwrap());
        failure(&self.linkops.post(&path, &json!({ "targets": word })), status, code)
    }
}

/// A wave with a failure, after which the later ones did not run: one target is done, one has
/// failed, two were never started.
#[test]
fn what_is_left_of_waves() {
    let stage = stage();
    stage.set(&["bad.1"]);
    let flags = json!({ "first": ["--deep", "n=7 8"] });
    let more =
        json!({ "waves": [2, 1, "rest"], "flags": flags, "concurrency": 3, "max_failures": "10%" });
    let one = stage.linkops.run_to_end(&["first", "second"], &stage.fleet.ids(), more);
    assert_eq!((&one["status"], &one["retry_of"]), (&json!("partial"), &Value::Null), "{one}");
    for (word, targets, waves) in [
        ("failed", json!(["vps-01"]), json!([["vps-01"]])),
        ("not_started", json!(["vps-03", "vps-04"]), json!([["vps-03"], ["vps-04"]])),
        (
            "all_unfinished",
            json!(["vps-01", "vps-03", "vps-04"]),
            json!([["vps-01"], ["vps-03"], ["vps-04"]]),
        ),
    ] {
        let again = stage.retry(&one["id"], &json!({ "targets": word }));
        assert_eq!((&again["targets"], &again["waves"]), (&targets, &waves), "{word}");
        for kept in ["scripts", "flags", "concurrency", "on_failure", "max_failures"] {
            assert_eq!(again[kept], one[kept], "{word}");
        }
        assert_eq!(again["logs"].as_array().unwrap().len(), 2 * targets.as_array().unwrap().len());
    }
    // It is all that is left when nothing is said, and a stop rule counts anew.
    stage.clear(&["bad.1"]);
    fs::remove_file(stage.place.join("begun")).unwrap();
    let again = stage.retry(&one["id"], &json!({}));
    assert_eq!(
        (&again["status"], &again["targets"]),
        (&json!("success"), &json!(["vps-01", "vps-03", "vps-04"]))
    );
    assert_eq!(stage.begun(), "1 --deep n=7 8\n3 --deep n=7 8\n4 --deep n=7 8\n");
    // The operation itself is as it was.
    assert_eq!(stage.linkops.operation(one["id"].as_str().unwrap()), one);
    for word in ["failed", "not_started", "all_unfinished"] {
        let error = stage.refused(&again["id"], word, 400, "NO_TARGETS");
        let text = format!("no target of {} is left as", again["id"].as_str().unwrap());
        assert!(error["message"].as_str().unwrap().contains(&text), "{error}");
    }
    stage.refused(&one["id"], "stopped", 400, "VALIDATION_FAILED");
}

/// A stopped operation: what ran was stopped, what waited never started. While it runs there is
/// nothing to repeat.
#[test]
fn what_is_left_of_a_stopped_operation() {
    let stage = stage();
    stage.set(&["hold.2", "hold.3"]);
    let more = json!({ "concurrency": 2 });
    let id = json!(stage.linkops.run(&["first"], &stage.fleet.ids(), more));
    wait_until(deadline(), "two are at work", || stage.begun().lines().count() == 3);
    let error = stage.refused(&id, "all_unfinished", 409, "OPERATION_RUNNING");
    assert_eq!(error["details"], json!({ "id": id }));
    let path = format!("/api/operations/{}", id.as_str().unwrap());
    stage.linkops.post(&format!("{path}/stop"), &json!({})).expect(200);
    stage.linkops.wait(id.as_str().unwrap());
    stage.clear(&["hold.2", "hold.3"]);
    stage.refused(&id, "failed", 400, "NO_TARGETS");
    assert_eq!(
        stage.retry(&id, &json!({ "targets": "not_started" }))["targets"],
        json!(["vps-04"])
    );
    let again = stage.retry(&id, &json!({ "targets": "all_unfinished" }));
    assert_eq!(again["targets"], json!(["vps-02", "vps-03", "vps-04"]));
    assert_eq!((&again["waves"], &again["concurrency"]), (&Value::Null, &json!(2)));
    assert_eq!(again["status"], "success");
    // A repetition can be repeated.
    stage.set(&["bad.4"]);
    let third = stage.retry(&id, &Value::Object(Default::default()));
    assert_eq!(stage.retry(&third["id"], &json!({}))["targets"], json!(["vps-04"]));
}

/// The texts are those of today, all scripts run from the first one, and what was asked for on a
/// failure holds again.
#[test]
fn it_runs_with_the_texts_of_today() {
    let mut stage = stage();
    stage.fleet.script("third", "echo old; exit 3");
    stage.fleet.commit();
    stage.linkops.post("/api/git/sync", &json!({})).expect(200);
    let more = json!({ "on_failure": "continue" });
    let one =
        stage.linkops.run_to_end(&["second", "third", "first"], &stage.fleet.ids()[..2], more);
    assert_eq!(one["logs"][2]["status"], "success", "{one}");
    stage.fleet.script("fourth", "true");
    let commit =
        stage.fleet.repository.commit(&[("scripts/third.sh", "#!/bin/bash\necho new; exit 4\n")]);
    stage.linkops.post("/api/git/sync", &json!({})).expect(200);
    let again = stage.retry(&one["id"], &json!({ "targets": "failed" }));
    assert_eq!(again["commit_hash"], commit);
    assert_ne!(one["commit_hash"], commit);
    let logs = again["logs"].as_array().unwrap();
    let told: Vec<_> =
        logs.iter().map(|log| (&log["script"], &log["stdout"], &log["exit_code"])).collect();
    let (text, new) = (json!(""), json!("new\n"));
    let (names, codes) = ([json!("second"), json!("third"), json!("first")], [json!(0), json!(4)]);
    let each = [
        (&names[0], &text, &codes[0]),
        (&names[1], &new, &codes[1]),
        (&names[2], &text, &codes[0]),
    ];
    assert_eq!(told, [each, each].concat());
}

#[test]
fn refusals() {
    let stage = stage();
    stage.set(&["bad.1"]);
    let one = stage.linkops.run_to_end(&["first"], &stage.fleet.ids()[..2], json!({}));
    let path = format!("/api/operations/{}/retry", one["id"].as_str().unwrap());
    for (body, field) in [
        (json!({ "targets": "unfinished" }), "targets"),
        (json!({ "targets": ["vps-01"] }), "targets"),
        (json!({ "target": "failed" }), "target"),
        (json!({ "concurrency": 1 }), "concurrency"),
    ] {
        let error = failure(&stage.linkops.post(&path, &body), 400, "VALIDATION_FAILED");
        assert!(error["details"]["fields"][field].is_string(), "{body}: {error}");
    }
    let error = stage.refused(&one["id"], "faild", 400, "VALIDATION_FAILED");
    assert!(
        error["message"].as_str().unwrap().contains("failed, not_started, all_unfinished"),
        "{error}"
    );
    stage.refused(&json!("OP-99999"), "failed", 404, "OPERATION_NOT_FOUND");
    stage.refused(&json!("nothing"), "failed", 404, "OPERATION_NOT_FOUND");
    let vera = person(&stage.linkops, "vera", "viewer");
    failure(&call(&stage.linkops, &vera, "POST", &path, Some(&json!({}))), 403, "FORBIDDEN");
    // What a run is refused for: a target that is not enrolled any more.
    fs::write(&stage.fleet.machines[0].client_file, "LINKOPS-another").unwrap();
    stage.linkops.post("/api/links/verify", &json!({})).expect(200);
    let error = stage.refused(&one["id"], "failed", 403, "ENROLLMENT_REQUIRED");
    assert_eq!(error["details"]["targets"][0]["target"], "vps-01");
    let list = stage.linkops.get("/api/operations").expect(200);
    assert_eq!(list["operations"].as_array().unwrap().len(), 1, "a refusal leaves nothing behind");
    let op = person(&stage.linkops, "otto", "operator");
    fs::write(&stage.fleet.machines[0].client_file, &stage.fleet.machines[0].client_id).unwrap();
    stage.linkops.post("/api/links/verify", &json!({})).expect(200);
    let id = call(&stage.linkops, &op, "POST", &path, None).expect(202)["operation_id"].clone();
    stage.linkops.wait(id.as_str().unwrap());
    assert_eq!(stage.linkops.operation(id.as_str().unwrap())["triggered_by"], "otto");
}
