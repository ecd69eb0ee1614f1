//! Workspaces: their ids, their targets, whose they are, and what is left of them after a restart.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::Lab;
use crate::support::client::Reply;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::terminal::Tab;
use crate::support::{deadline, wait_until};

const LAYOUTS: [(&str, usize); 4] = [("single", 1), ("grid2x1", 2), ("grid1x3", 3), ("grid2x2", 4)];

fn path(id: &str) -> String {
    format!("/api/terminal/workspaces/{id}")
}

fn create(linkops: &LinkOps, layout: &str) -> String {
    let made = linkops.post("/api/terminal/workspaces", &json!({ "layout": layout })).expect(201);
    made["workspace_id"].as_str().unwrap().to_owned()
}

fn assign(linkops: &LinkOps, id: &str, panes: &[(&str, &str)]) -> Reply {
    let panes: Vec<Value> =
        panes.iter().map(|(pane, target)| json!({ "pane": pane, "target": target })).collect();
    linkops.ask("PUT", &format!("{}/panes", path(id)), Some(&json!({ "panes": panes })))
}

fn database(linkops: &LinkOps) -> Connection {
    let db = Connection::open(linkops.path("linkops.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    db
}

/// Machines that nobody connects to.
fn paper(count: usize) -> Fleet {
    let mut fleet = Fleet::new(0);
    for number in 0..count {
        fleet.add(&format!("m{number}"), "127.0.0.1", 1);
    }
    fleet.commit();
    fleet
}

fn synced(fleet: &Fleet, settings: &str) -> LinkOps {
    let linkops = LinkOps::unsynced(fleet, settings);
    linkops.post("/api/git/sync", &json!({})).expect(200);
    linkops
}

/// R7.1, P21: also when workspaces go, and when LinkOps begins anew.
#[test]
fn workspace_ids_never_repeat() {
    let fleet = Fleet::new(0);
    let linkops = RefCell::new(LinkOps::unsynced(&fleet, "api.rate_limit = 0"));
    let seen = RefCell::new(HashSet::new());
    let mut runner = TestRunner::new(Config { cases: 100, ..Config::default() });
    let steps = vec((0_usize..4, prop::bool::weighted(0.8)), 1..6);
    let result = runner.run(&(steps, prop::bool::weighted(0.03)), |(steps, restart)| {
        for (layout, delete) in steps {
            let linkops = linkops.borrow();
            let id = create(&linkops, LAYOUTS[layout].0);
            let random = id.strip_prefix("WS-").unwrap_or_default();
            prop_assert!(random.len() == 16 && random.bytes().all(|b| b.is_ascii_alphanumeric()));
            prop_assert!(seen.borrow_mut().insert(id.clone()), "{} twice", id);
            // Most go, as there is room for a hundred.
            if delete {
                prop_assert_eq!(linkops.ask("DELETE", &path(&id), None).status, 204);
                prop_assert_eq!(linkops.get(&path(&id)).code(), "WORKSPACE_NOT_FOUND");
            } else {
                prop_assert_eq!(&linkops.get(&path(&id)).json()["workspace_id"], &json!(id));
            }
        }
        if restart {
            linkops.borrow_mut().crash_and_restart();
        }
        if linkops.borrow().get("/api/terminal/workspaces").json().as_array().unwrap().len() > 90 {
            database(&linkops.borrow()).execute("DELETE FROM terminal_workspaces", []).unwrap();
        }
        Ok(())
    });
    result.unwrap();
}

/// R7.2, P22: a pane takes a target exactly when it is enrolled or need not be; the refusal lists
/// all that are not, and changes nothing.
#[test]
fn panes_need_enrolled_targets() {
    const MACHINES: usize = 6;
    let fleet = paper(MACHINES);
    let demanded = synced(&fleet, "api.rate_limit = 0");
    let left_open = synced(&fleet, "api.rate_limit = 0\nsecurity.enrollment_required = off");
    let id = |linkops: &LinkOps| create(linkops, "grid2x2");
    let ids = [id(&demanded), id(&left_open)];
    let machines = vec((any::<bool>(), any::<bool>()), MACHINES);
    let targets = vec(0..MACHINES, 1..=4);
    let mut runner = TestRunner::new(Config { cases: 150, ..Config::default() });
    let result = runner.run(&(machines, targets, any::<bool>()), |(machines, targets, open)| {
        let (linkops, id) = if open { (&left_open, &ids[1]) } else { (&demanded, &ids[0]) };
        let db = database(linkops);
        for (number, (enrolled, required)) in machines.iter().enumerate() {
            let sql = "UPDATE machines SET client_id_found = ?1, client_id_matches = ?1,
                           enrolled = ?1, enrollment_required = ?2 WHERE id = ?3";
            db.execute(sql, (enrolled, required, format!("m{number}"))).unwrap();
        }
        let names: Vec<String> = targets.iter().map(|number| format!("m{number}")).collect();
        let panes: Vec<(&str, &str)> =
            ["A", "B", "C", "D"].into_iter().zip(names.iter().map(String::as_str)).collect();
        let missing = |number: &usize| {
            let (enrolled, required) = machines[*number];
            !enrolled && (required || !open)
        };
        let wanted: BTreeSet<String> =
            targets.iter().filter(|number| missing(number)).map(|one| format!("m{one}")).collect();
        let before = linkops.get(&path(id)).expect(200)["panes"].clone();
        let reply = assign(linkops, id, &panes);
        let after = linkops.get(&path(id)).expect(200)["panes"].clone();
        if wanted.is_empty() {
            prop_assert_eq!(reply.json(), json!({ "success": true }));
            for (pane, target) in panes {
                prop_assert_eq!(&after[pane]["target"], target);
            }
            return Ok(());
        }
        prop_assert_eq!((reply.status, &reply.code()[..]), (403, "ENROLLMENT_REQUIRED"));
        let told = reply.json()["error"]["details"]["targets"].clone();
        let told = told.as_array().unwrap().iter().map(|one| one["target"].as_str().unwrap());
        let told: Vec<String> = told.map(str::to_owned).collect();
        prop_assert_eq!(told.len(), wanted.len(), "each once");
        prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), wanted);
        prop_assert_eq!(before, after);
        Ok(())
    });
    result.unwrap();
}

/// R7.2, P22: what was enrolled when it was assigned proves it again when it is connected.
#[test]
fn a_target_is_checked_again_when_it_is_connected() {
    let lab = Lab::new();
    let file = &lab.fleet.machines[1].client_file;
    std::fs::write(file, "LINKOPS-ffffffff-0000-4000-8000-000000000000\n").unwrap();
    let linkops = &lab.linkops;
    let reply = linkops.post(&format!("{}/connect-all", path(&lab.workspace)), &json!({}));
    let reply = reply.expect(200);
    assert_eq!(reply["success"], false);
    assert_eq!(reply["panes"]["A"], json!({ "connected": true, "error": null }));
    let error = reply["panes"]["B"]["error"].as_str().unwrap();
    assert!(error.contains("not enrolled") && error.contains("ffffffff"), "{error}");
    let view = lab.view();
    assert_eq!((&view["panes"]["B"]["status"]), &json!("disconnected"));
    assert_eq!((&view["panes"]["B"]["connectedAt"]), &Value::Null, "it never was");
}

/// Each layout has its panes, and no more of them than the configuration allows.
#[test]
fn a_layout_says_how_many_panes_there_are() {
    let fleet = paper(1);
    let linkops = synced(&fleet, "terminal.max_panes_per_workspace = 3");
    database(&linkops)
        .execute("UPDATE machines SET client_id_found = 1, client_id_matches = 1, enrolled = 1", [])
        .unwrap();
    for (layout, panes) in LAYOUTS {
        let most = panes.min(3);
        let id = create(&linkops, layout);
        let view = linkops.get(&path(&id)).expect(200);
        assert_eq!((&view["layout"], &view["max_panes"]), (&json!(layout), &json!(most)));
        for (number, pane) in ["A", "B", "C", "D"].into_iter().enumerate() {
            let reply = assign(&linkops, &id, &[(pane, "m0")]);
            assert_eq!(reply.status == 200, number < most, "{layout} {pane}");
            assert!(reply.status == 200 || reply.code() == "VALIDATION_FAILED");
        }
        for (wish, fits) in [(1, true), (most, true), (most + 1, false), (0, false)] {
            let body = json!({ "layout": layout, "max_panes": wish });
            let reply = linkops.post("/api/terminal/workspaces", &body);
            assert_eq!(reply.status == 201, fits, "{layout} {wish}");
        }
    }
}

#[test]
fn when_there_is_no_room_only_what_nobody_uses_makes_room() {
    let lab = Lab::with("terminal.max_workspaces = 3");
    let linkops = &lab.linkops;
    let (second, third) = (create(linkops, "single"), create(linkops, "single"));
    let full = || linkops.post("/api/terminal/workspaces", &json!({ "layout": "single" }));
    assert_eq!((full().status, &full().code()[..]), (429, "TOO_MANY_WORKSPACES"));
    // All are old: the first has a live pane, on the second there is a browser.
    let mut tab = lab.connected(&["A"]);
    tab.forget("A");
    let looking = Tab::open(linkops, &second);
    wait_until(deadline(), "both look", || {
        let list = linkops.get("/api/terminal/workspaces").expect(200);
        list.as_array().unwrap().iter().filter(|one| one["sockets"] == 1).count() == 2
    });
    drop(tab);
    wait_until(deadline(), "one has gone", || lab.view()["sockets"] == 0);
    database(linkops).execute("UPDATE terminal_workspaces SET created_at = 1000", []).unwrap();
    let fourth = create(linkops, "single");
    assert_eq!(linkops.get(&path(&third)).status, 404);
    assert_eq!(full().code(), "TOO_MANY_WORKSPACES");
    for id in [&lab.workspace, &second, &fourth] {
        linkops.get(&path(id)).expect(200);
    }
    assert_eq!(lab.view()["panes"]["A"]["connected"], true);
    drop(looking);
}

/// R7.7, P24: nothing of a workspace that is deleted lives on.
#[test]
fn a_deleted_workspace_takes_its_shells_and_its_sockets_with_it() {
    let lab = Lab::new();
    let before = lab.before();
    let mut tab = lab.connected(&["A", "C"]);
    assert_eq!(lab.linkops.ask("DELETE", &path(&lab.workspace), None).status, 204);
    assert_eq!(tab.ends(), 1000);
    for pane in ["A", "C"] {
        assert_eq!(tab.pane(pane).status(), "disconnected");
    }
    drop(tab);
    lab.is_as_it_was(&before);
    let rows: i64 = database(&lab.linkops)
        .query_row("SELECT count(*) FROM terminal_panes", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 0);
    assert_eq!(lab.linkops.get(&path(&lab.workspace)).code(), "WORKSPACE_NOT_FOUND");
}

/// A pane that is connected keeps its target; one that is not gets another one, and begins anew.
#[test]
fn a_connected_pane_cannot_be_given_another_target() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    let before = lab.view()["panes"].clone();
    let reply = assign(&lab.linkops, &lab.workspace, &[("B", "vps-01"), ("A", "vps-03")]);
    assert_eq!((reply.status, &reply.code()[..]), (409, "PANE_ASSIGNED"));
    assert_eq!(reply.json()["error"]["details"], json!({ "pane": "A" }));
    assert_eq!(lab.view()["panes"], before, "neither of the two");
    tab.disconnect("A");
    tab.becomes("A", "disconnected");
    wait_until(deadline(), "it is written down", || {
        lab.view()["panes"]["A"]["disconnectedAt"].is_i64()
    });
    assign(&lab.linkops, &lab.workspace, &[("A", "vps-03")]).expect(200);
    let pane = lab.view()["panes"]["A"].clone();
    assert_eq!((&pane["target"], &pane["status"]), (&json!("vps-03"), &json!("assigned")));
    assert_eq!((&pane["connectedAt"], &pane["disconnectedAt"]), (&Value::Null, &Value::Null));
    tab.connect("A");
    tab.becomes("A", "connected");
    tab.types("A", "echo \"at ${SSH_CONNECTION}\"\r");
    tab.sees("A", " 127.0.0.3 ");
}

/// What an earlier process had open is closed in the rows; the workspaces are there, and their
/// panes can be connected again.
#[test]
fn workspaces_survive_a_crash_with_their_panes_disconnected() {
    let mut lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    tab.forget("A");
    let before = lab.view();
    assert_eq!(before["panes"]["A"]["status"], "connected");
    lab.linkops.crash_and_restart();
    let after = lab.view();
    let pane = &after["panes"]["A"];
    assert_eq!((&pane["status"], &pane["connected"]), (&json!("disconnected"), &json!(false)));
    assert_eq!(pane["error"], "LinkOps was restarted");
    assert_eq!(pane["connectedAt"], before["panes"]["A"]["connectedAt"]);
    assert!(pane["disconnectedAt"].as_i64() >= pane["connectedAt"].as_i64());
    assert_eq!(after["panes"]["B"], before["panes"]["B"], "it was never connected");
    let connect = format!("{}/connect-all", path(&lab.workspace));
    let reply = lab.linkops.post(&connect, &json!({})).expect(200);
    assert_eq!(reply["success"], true);
    let status = |one: &Value| (one["status"].clone(), one["error"].clone());
    let panes: BTreeMap<String, Value> =
        serde_json::from_value(lab.view()["panes"].clone()).unwrap();
    assert_eq!(panes.len(), 4);
    panes.values().for_each(|one| assert_eq!(status(one), (json!("connected"), Value::Null)));
}
