//! `/api/tables/query`: what the tables say is what the other calls say; `refusals.rs`: what is refused.

mod refusals;

use linkops::clock::{Clock, parse_time};
use serde_json::{Value, json};

use super::{failure, keys};
use crate::support::client::Reply;
use crate::support::document::DOCUMENT;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::schema::problems;

const PATH: &str = "/api/tables/query";

/// Section 8 of the contract: every table with its columns.
const COLUMNS: &[(&str, &str)] = &[
    (
        "tbl_links",
        "id name type provider icon tags enrolled enrollmentId host port user keyRef proxyJump ssh \
         latency lastSeen status",
    ),
    ("tbl_link_health", "id name type enrolled ssh latency lastSeen status"),
    ("tbl_infrastructure", "type total enrolled reachable"),
    ("tbl_operations", OPERATION),
    ("tbl_operations_history", OPERATION),
    ("tbl_recent_activity", "time kind actor subject status"),
    (
        "tbl_terminal_sessions",
        "workspaceId layout maxPanes createdAt createdBy target connected connectedAt disconnectedAt",
    ),
    (
        "tbl_terminal_panes",
        "workspaceId pane target status connected error cols rows connectedAt disconnectedAt",
    ),
    ("tbl_scripts", "id name emoji description path flags estimatedDuration tags"),
    ("tbl_git_sync_history", "id started ended duration status commitHash links scripts error"),
    ("tbl_audit", "id time actor address requestId action target result detail"),
];
const OPERATION: &str =
    "id scripts targets status started ended duration success failed triggeredBy";

#[test]
fn tables() {
    let mut fleet = Fleet::new(3);
    let gate = fleet.directory().join("gate");
    let wait =
        format!("while {}; do read -t 0.05 <> <(:); done", crate::support::fleet::closed(&gate));
    fleet
        .script_with("good", "echo good", &["--fast"])
        .script("bad", "exit 3")
        .script("wait", &wait);
    let commit = fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let all = fleet.ids();
    linkops.run_to_end(&["good"], &all, Value::Null);
    linkops.run_to_end(&["bad", "good"], &all[..2], Value::Null);
    linkops.run_to_end(&["good"], &all[1..2], Value::Null);
    let running = linkops.run(&["wait"], &all[..1], Value::Null);
    linkops.events(&running, 0).next().expect("it has begun");
    the_columns_are_those_of_the_contract(&linkops);
    links_are_those_of_their_call(&linkops);
    operations_are_those_of_their_call(&linkops);
    scripts_and_syncs(&linkops, &commit);
    activity(&linkops, &running);
    logins_and_audit(&linkops);
    terminals(&linkops);
    pages(&linkops);
    refusals::unknown_names(&linkops);
    refusals::bad_filters(&linkops);
    refusals::bad_fields(&linkops);
    refusals::limits(&linkops);
    refusals::hostile_texts(&linkops);
    refusals::who_may_read_what(&linkops);
    std::fs::write(&gate, "").unwrap();
    linkops.wait(&running);
}

fn ask(linkops: &LinkOps, query: &Value) -> Reply {
    linkops.post(PATH, query)
}

/// A page, with what R8.6 and P27 promise about it.
#[track_caller]
fn page(linkops: &LinkOps, query: &Value) -> Value {
    let before = Clock::System.now();
    let answer = ask(linkops, query).expect(200);
    let after = Clock::System.now();
    assert_eq!(keys(&answer), ["table", "rows", "page", "meta"]);
    assert_eq!(answer["table"], query["table"]);
    assert_eq!(keys(&answer["page"]), ["size", "next_cursor"]);
    assert_eq!(keys(&answer["meta"]), ["as_of", "total"]);
    let as_of = answer["meta"]["as_of"].as_str().expect("a time");
    assert!(as_of.ends_with('Z') && as_of.contains('T'), "{as_of}");
    assert!((before..=after).contains(&parse_time(as_of).unwrap()), "{as_of}");
    answer
}

#[track_caller]
fn rows(linkops: &LinkOps, query: &Value) -> Vec<Value> {
    page(linkops, query)["rows"].as_array().unwrap().clone()
}

/// The values of a column.
fn values<'a>(rows: &'a [Value], column: &str) -> Vec<&'a Value> {
    rows.iter().map(|row| &row[column]).collect()
}

/// R8.1, R8.2
fn the_columns_are_those_of_the_contract(linkops: &LinkOps) {
    for (table, columns) in COLUMNS {
        let columns: Vec<&str> = columns.split_whitespace().collect();
        let every = json!({ "table": table });
        // The audit log may have nothing to show here.
        for row in rows(linkops, &every) {
            assert_eq!(keys(&row), columns, "{table}");
            let found = problems(&DOCUMENT, &DOCUMENT["components"]["schemas"][*table], &row);
            assert!(found.is_empty(), "{table}: {found:#?}");
        }
        let named = json!({ "table": table, "columns": columns });
        assert_eq!(rows(linkops, &named), rows(linkops, &every), "{table}");
        let few = [columns[3], columns[0]];
        for row in rows(linkops, &json!({ "table": table, "columns": few })) {
            assert_eq!(keys(&row), few, "{table}");
        }
    }
    assert_eq!(linkops::tables::TABLES.len(), COLUMNS.len());
}

/// The columns of a machine of `GET /api/links`.
fn as_table(link: &Value) -> Value {
    let (ssh, health) = (&link["ssh"], &link["health"]);
    json!({
        "id": link["id"], "name": link["name"], "type": link["type"],
        "provider": link["provider"], "icon": link["icon"], "tags": link["tags"],
        "enrolled": link["enrolled"], "enrollmentId": link["enrollmentId"], "host": ssh["host"],
        "port": ssh["port"], "user": ssh["user"], "keyRef": ssh["keyRef"],
        "proxyJump": ssh["proxyJump"], "ssh": health["reachable"], "latency": health["latency"],
        "lastSeen": health["lastSeen"], "status": link["status"],
    })
}

fn links_are_those_of_their_call(linkops: &LinkOps) {
    let links = linkops.get("/api/links").expect(200);
    let links: Vec<Value> = links.as_array().unwrap().iter().map(as_table).collect();
    assert_eq!(rows(linkops, &json!({ "table": "tbl_links" })), links);
    let health = rows(linkops, &json!({ "table": "tbl_link_health" }));
    for (row, link) in health.iter().zip(&links) {
        assert!(keys(row).iter().all(|key| row[key] == link[key]), "{row} {link}");
    }
    let counts = |kind: &str, total: u8| json!({ "type": kind, "total": total, "enrolled": total, "reachable": total });
    let wanted = [counts("Proxmox", 0), counts("VM", 0), counts("VPS", 3)];
    assert_eq!(rows(linkops, &json!({ "table": "tbl_infrastructure" })), wanted);
}

fn operations_are_those_of_their_call(linkops: &LinkOps) {
    let list = linkops.get("/api/operations").expect(200);
    let list = list["operations"].as_array().unwrap();
    let as_table = |one: &Value| {
        json!({
            "id": one["id"], "scripts": one["scripts"], "targets": one["targets"],
            "status": one["status"], "started": one["started"], "ended": one["ended"],
            "duration": one["duration"], "success": one["result"]["success"],
            "failed": one["result"]["failed"], "triggeredBy": one["triggered_by"],
        })
    };
    let (open, finished): (Vec<Value>, Vec<Value>) =
        list.iter().map(as_table).partition(|one| one["ended"].is_null());
    assert_eq!((open.len(), finished.len()), (1, 3));
    assert_eq!(rows(linkops, &json!({ "table": "tbl_operations" })), open);
    // P32: newest first by start.
    let history = json!({ "table": "tbl_operations_history" });
    assert_eq!(rows(linkops, &history), finished);
    // P34: the same filters on status, dates, target and script find the same.
    let started = finished[1]["started"].clone();
    let time = linkops::clock::rfc3339(started.as_i64().unwrap());
    for (query, filters) in [
        ("status=success", json!([{ "col": "status", "op": "eq", "val": "success" }])),
        (
            "status=failed,partial",
            json!([{ "col": "status", "op": "in", "val": ["failed", "partial"] }]),
        ),
        (
            &format!("from={time}&to=2999-01-01"),
            json!([
                { "col": "started", "op": "gte", "val": time },
                { "col": "started", "op": "lt", "val": "2999-01-01" },
                { "col": "status", "op": "in", "val": ["success", "failed", "partial", "stopped"] },
            ]),
        ),
        ("target=vps-03", json!([{ "col": "targets", "op": "eq", "val": "vps-03" }])),
        ("script=bad", json!([{ "col": "scripts", "op": "in", "val": ["bad", "worse"] }])),
    ] {
        let list = linkops.get(&format!("/api/operations?{query}")).expect(200);
        let wanted: Vec<Value> = list["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(as_table)
            .filter(|one| !one["ended"].is_null())
            .collect();
        let found =
            rows(linkops, &json!({ "table": "tbl_operations_history", "filters": filters }));
        assert_eq!(found, wanted, "{query}");
        assert!(!wanted.is_empty(), "{query} finds nothing");
    }
}

fn scripts_and_syncs(linkops: &LinkOps, commit: &str) {
    let scripts = linkops.get("/api/scripts").expect(200);
    assert_eq!(json!(rows(linkops, &json!({ "table": "tbl_scripts" }))), scripts);
    let syncs = rows(linkops, &json!({ "table": "tbl_git_sync_history" }));
    let [sync] = &syncs[..] else { panic!("{syncs:?}") };
    assert_eq!((&sync["status"], &sync["commitHash"]), (&json!("success"), &json!(commit)));
    assert_eq!((&sync["links"], &sync["scripts"]), (&json!(3), &json!(3)));
    let last = linkops.get("/api/git/status").expect(200)["last_sync"].clone();
    assert_eq!(sync["ended"], json!(parse_time(last.as_str().unwrap())));
}

/// What was done, newest first, each once.
fn activity(linkops: &LinkOps, running: &str) {
    let query = json!({ "table": "tbl_recent_activity",
        "filters": [{ "col": "kind", "op": "in", "val": ["operation", "sync"] }] });
    let rows = rows(linkops, &query);
    assert_eq!(values(&rows, "kind"), ["operation", "operation", "operation", "operation", "sync"]);
    assert_eq!(values(&rows, "subject")[..2], [running, "OP-10003"]);
    assert_eq!(values(&rows, "status"), ["running", "success", "failed", "success", "success"]);
    assert_eq!(values(&rows, "actor")[0], "admin");
    let times: Vec<i64> = values(&rows, "time").iter().map(|time| time.as_i64().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
}

/// A login that succeeded is an activity, one that failed is in the audit log alone.
fn logins_and_audit(linkops: &LinkOps) {
    let wrong = json!({ "username": "admin", "password": "not this one" });
    failure(&linkops.post("/api/auth/login", &wrong), 401, "INVALID_CREDENTIALS");
    let query = |table: &str, col: &str, val: &str| json!({ "table": table, "filters": [{ "col": col, "op": "eq", "val": val }] });
    let logins = rows(linkops, &query("tbl_audit", "action", "auth.login"));
    let (good, bad): (Vec<Value>, Vec<Value>) =
        logins.into_iter().partition(|row| row["result"] == "ok");
    assert_eq!(values(&bad, "result"), ["INVALID_CREDENTIALS"]);
    let activity = rows(linkops, &query("tbl_recent_activity", "kind", "login"));
    assert!(!activity.is_empty());
    assert_eq!(values(&activity, "time"), values(&good, "time"));
    assert_eq!(values(&activity, "actor"), values(&good, "actor"));
    let runs = rows(linkops, &query("tbl_audit", "action", "operation.run"));
    let targets = ["OP-10004", "OP-10003", "OP-10002", "OP-10001"];
    assert_eq!(values(&runs, "target"), targets);
    for row in &runs {
        assert_eq!((&row["actor"], &row["address"]), (&json!("admin"), &json!("127.0.0.1")));
        assert!(!row["requestId"].as_str().expect("the request's id").is_empty(), "{row}");
    }
}

/// A workspace with one pane that nobody has connected yet.
fn terminals(linkops: &LinkOps) {
    let workspaces = "/api/terminal/workspaces";
    let made = linkops.post(workspaces, &json!({ "layout": "grid2x1" })).expect(201);
    let id = &made["workspace_id"];
    let path = format!("{workspaces}/{}/panes", id.as_str().expect("an id"));
    let panes = json!({ "panes": [{ "pane": "B", "target": "vps-02" }] });
    super::call(linkops, linkops.token(), "PUT", &path, Some(&panes)).expect(200);
    let sessions = rows(linkops, &json!({ "table": "tbl_terminal_sessions" }));
    let [session] = &sessions[..] else { panic!("{sessions:?}") };
    let created = &session["createdAt"];
    assert!(created.is_i64());
    let wanted = json!({
        "workspaceId": id, "layout": "grid2x1", "maxPanes": 2, "createdAt": created,
        "createdBy": "admin", "target": ["vps-02"], "connected": false, "connectedAt": null,
        "disconnectedAt": null,
    });
    assert_eq!(*session, wanted);
    let wanted = json!({
        "workspaceId": id, "pane": "B", "target": "vps-02", "status": "assigned",
        "connected": false, "error": null, "cols": null, "rows": null, "connectedAt": null,
        "disconnectedAt": null,
    });
    assert_eq!(rows(linkops, &json!({ "table": "tbl_terminal_panes" })), [wanted]);
}

/// R8.4, R8.5, P26 at the API: several columns, and all pages.
fn pages(linkops: &LinkOps) {
    let query = json!({ "table": "tbl_links", "columns": ["id"],
        "sort": [{ "col": "status", "dir": "asc" }, { "col": "id", "dir": "desc" }],
        "filters": [{ "col": "enrolled", "op": "eq", "val": true }] });
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let mut query = query.clone();
        query["page"] = json!({ "size": 2, "cursor": cursor });
        let page = page(linkops, &query);
        assert_eq!((&page["page"]["size"], &page["meta"]["total"]), (&json!(2), &json!(3)));
        seen.extend(page["rows"].as_array().unwrap().iter().map(|row| row["id"].clone()));
        cursor = page["page"]["next_cursor"].clone();
        let Some(text) = cursor.as_str() else { break };
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
        other_queries_refuse(linkops, text);
    }
    assert_eq!(seen, ["vps-03", "vps-02", "vps-01"]);
    let default = page(linkops, &json!({ "table": "tbl_scripts", "page": {} }));
    assert_eq!(default["page"], json!({ "size": 50, "next_cursor": null }));
}

/// A cursor is good for its table, filters and order, whatever the columns and the size.
fn other_queries_refuse(linkops: &LinkOps, cursor: &str) {
    let query = |table: &str, filters: Value, sort: Value, cursor: &str| json!({ "table": table, "filters": filters, "sort": sort, "page": { "cursor": cursor } });
    let filters = json!([{ "col": "enrolled", "op": "eq", "val": true }]);
    let sort = json!([{ "col": "status" }, { "col": "id", "dir": "desc" }]);
    let same = query("tbl_links", filters.clone(), sort.clone(), cursor);
    assert_eq!(rows(linkops, &same).len(), 1);
    let reversed: String = cursor.chars().rev().collect();
    for other in [
        query("tbl_link_health", filters.clone(), sort.clone(), cursor),
        query("tbl_links", json!([]), sort.clone(), cursor),
        query(
            "tbl_links",
            json!([{ "col": "enrolled", "op": "eq", "val": false }]),
            sort.clone(),
            cursor,
        ),
        query(
            "tbl_links",
            json!([{ "col": "enrolled", "op": "in", "val": [true] }]),
            sort.clone(),
            cursor,
        ),
        query("tbl_links", filters.clone(), json!([]), cursor),
        query("tbl_links", filters.clone(), json!([{ "col": "status" }, { "col": "id" }]), cursor),
        query("tbl_links", filters.clone(), json!([{ "col": "status" }]), cursor),
        query("tbl_links", filters.clone(), sort.clone(), &reversed),
        query("tbl_links", filters.clone(), sort.clone(), &cursor[..cursor.len() - 1]),
        query("tbl_links", filters.clone(), sort.clone(), ""),
        query("tbl_links", filters, sort, "' OR 1=1 --"),
    ] {
        failure(&ask(linkops, &other), 400, "INVALID_CURSOR");
    }
}
