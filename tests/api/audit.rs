//! The audit log of a running server: each act and each refusal with who, from where, under which
//! request, to what, and how it ended.

use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};

use super::{PASSWORD, call, command, failure, keys, login, person};
use crate::support::client::{Reply, send};
use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;

/// A row, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    actor: String,
    address: Option<String>,
    action: String,
    target: Option<String>,
    result: String,
    detail: Value,
}

fn open(linkops: &LinkOps) -> Connection {
    Connection::open(linkops.path("linkops.db")).unwrap()
}

/// The newest row under this request's id.
fn row_of(linkops: &LinkOps, reply: &Reply) -> Option<Row> {
    let sql = "SELECT actor, address, action, target, result, detail FROM audit_log
               WHERE request_id = ?1 ORDER BY id DESC LIMIT 1";
    let found = open(linkops).query_row(sql, [reply.header("x-request-id")], |row| {
        let detail: Option<String> = row.get(5)?;
        Ok(Row {
            actor: row.get(0)?,
            address: row.get(1)?,
            action: row.get(2)?,
            target: row.get(3)?,
            result: row.get(4)?,
            detail: detail.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()),
        })
    });
    found.optional().unwrap()
}

/// Checks what the log has of a request, and gives the details.
#[track_caller]
fn logged(linkops: &LinkOps, reply: &Reply, who: &str, what: [&str; 3]) -> Value {
    let row = row_of(linkops, reply);
    let row = row.unwrap_or_else(|| panic!("{what:?} is not in the log"));
    let found = [&*row.action, row.target.as_deref().unwrap_or(""), &*row.result];
    assert_eq!((&*row.actor, found), (who, what), "{row:?}");
    assert_eq!(row.address.as_deref(), Some("127.0.0.1"));
    row.detail
}

fn count(linkops: &LinkOps, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM audit_log WHERE {condition}");
    open(linkops).query_row(&sql, [], |row| row.get(0)).unwrap()
}

fn verdict(linkops: &LinkOps) -> Value {
    let verdict = linkops.get("/api/audit/verify").expect(200);
    assert_eq!(keys(&verdict), ["intact", "rows", "broken_at"]);
    verdict
}

#[test]
fn acts_of_users_and_on_users() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    let vera = person(&linkops, "vera", "viewer");
    let user = json!({ "username": "bob", "role": "viewer", "password": PASSWORD });
    let reply = linkops.post("/api/users", &user);
    reply.expect(201);
    let detail = logged(&linkops, &reply, "admin", ["user.add", "bob", "ok"]);
    assert_eq!(detail, json!({ "role": "viewer" }));
    let reply = linkops.post("/api/users", &user);
    logged(&linkops, &reply, "admin", ["user.add", "", "USER_EXISTS"]);
    let change = json!({ "role": "operator", "password": "a better horse" });
    let reply = call(&linkops, linkops.token(), "PATCH", "/api/users/bob", Some(&change));
    let detail = logged(&linkops, &reply, "admin", ["user.change", "bob", "ok"]);
    assert_eq!(detail, json!({ "role": "operator", "password": true }));
    let reply = call(&linkops, &vera, "DELETE", "/api/users/bob", None);
    failure(&reply, 403, "FORBIDDEN");
    logged(&linkops, &reply, "vera", ["user.remove", "bob", "FORBIDDEN"]);
    let reply = call(&linkops, linkops.token(), "DELETE", "/api/users/bob", None);
    logged(&linkops, &reply, "admin", ["user.remove", "bob", "ok"]);
    let reply = call(&linkops, linkops.token(), "DELETE", "/api/users/admin", None);
    logged(&linkops, &reply, "admin", ["user.remove", "admin", "LAST_ADMIN"]);

    let reply = call(&linkops, &vera, "POST", "/api/tokens", Some(&json!({ "name": "ci" })));
    let id = reply.expect(201)["id"].as_str().unwrap().to_owned();
    let detail = logged(&linkops, &reply, "vera", ["token.add", &id, "ok"]);
    assert_eq!(detail, json!({ "name": "ci", "role": "viewer", "days": 90 }));
    let reply = call(&linkops, &vera, "DELETE", &format!("/api/tokens/{id}"), None);
    logged(&linkops, &reply, "vera", ["token.remove", &id, "ok"]);

    let reply = login(&linkops, "vera", PASSWORD);
    logged(&linkops, &reply, "vera", ["auth.login", "vera", "ok"]);
    let token = reply.expect(200)["token"].as_str().unwrap().to_owned();
    let reply = call(&linkops, &token, "POST", "/api/auth/logout", None);
    logged(&linkops, &reply, "vera", ["auth.logout", "", "ok"]);
    let change = json!({ "current_password": PASSWORD, "new_password": "a better horse" });
    let reply = call(&linkops, &vera, "POST", "/api/auth/password", Some(&change));
    logged(&linkops, &reply, "vera", ["auth.password", "vera", "ok"]);
    let vera = reply.expect(200)["token"].as_str().unwrap().to_owned();
    let reply = call(&linkops, &vera, "POST", "/api/auth/password", Some(&change));
    logged(&linkops, &reply, "vera", ["auth.password", "", "INVALID_CREDENTIALS"]);
    let reply = call(&linkops, &vera, "GET", "/api/users", None);
    failure(&reply, 403, "FORBIDDEN");
    assert_eq!(row_of(&linkops, &reply), None, "looking is no act");
    assert_eq!(verdict(&linkops)["intact"], true);
}

#[test]
fn acts_on_machines_and_the_repository() {
    let mut fleet = Fleet::new(2);
    let gate = fleet.directory().join("go");
    fleet.script("wait", &format!("while {}; do sleep 0.05; done", closed(&gate)));
    fleet.commit();
    let linkops = LinkOps::unsynced(&fleet, "");
    let vera = person(&linkops, "vera", "viewer");
    let reply = linkops.post("/api/git/sync", &json!({}));
    let commit = reply.expect(200)["commit_hash"].as_str().unwrap().to_owned();
    let detail = logged(&linkops, &reply, "admin", ["sync.run", &commit, "ok"]);
    assert_eq!(detail, json!({ "links": 2, "scripts": 1 }));
    let reply = linkops.post("/api/links/vps-01/verify", &json!({}));
    let detail = logged(&linkops, &reply, "admin", ["link.verify", "vps-01", "ok"]);
    assert_eq!(detail, json!({ "enrolled": true }));
    let reply = linkops.post("/api/links/verify", &json!({}));
    logged(&linkops, &reply, "admin", ["link.verify", "vps-02", "ok"]);
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(count(&linkops, &format!("request_id = '{id}'")), 2, "each machine");
    let reply = linkops.post("/api/links/nothing/verify", &json!({}));
    logged(&linkops, &reply, "admin", ["link.verify", "nothing", "LINK_NOT_FOUND"]);

    let run = json!({ "scripts": ["wait"], "targets": ["vps-01"] });
    let reply = call(&linkops, &vera, "POST", "/api/operations/run", Some(&run));
    failure(&reply, 403, "FORBIDDEN");
    logged(&linkops, &reply, "vera", ["operation.run", "", "FORBIDDEN"]);
    let reply = linkops.post("/api/operations/run", &run);
    let operation = reply.expect(202)["operation_id"].as_str().unwrap().to_owned();
    let detail = logged(&linkops, &reply, "admin", ["operation.run", &operation, "ok"]);
    assert_eq!(detail, json!({ "scripts": ["wait"], "targets": 1, "commit": commit }));
    let stop = format!("/api/operations/{operation}/stop");
    let reply = linkops.post(&stop, &json!({}));
    logged(&linkops, &reply, "admin", ["operation.stop", &operation, "ok"]);
    linkops.wait(&operation);
    let reply = linkops.post(&stop, &json!({}));
    logged(&linkops, &reply, "admin", ["operation.stop", &operation, "OPERATION_FINISHED"]);
    fleet.sshd.stop();
    let reply = linkops.post("/api/links/vps-01/verify", &json!({}));
    failure(&reply, 503, "SSH_CONNECTION_FAILED");
    logged(&linkops, &reply, "admin", ["link.verify", "vps-01", "SSH_CONNECTION_FAILED"]);
    assert_eq!(count(&linkops, "actor = 'linkops' AND action <> 'user.add'"), 0, "no own checks");
}

/// Failed logins are told, also those that a lock stops, and the lock itself.
#[test]
fn failed_logins() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    person(&linkops, "vera", "viewer");
    for name in ["vera", "nobody"] {
        for number in 1..=5 {
            let reply = login(&linkops, name, "wrong password");
            failure(&reply, 401, "INVALID_CREDENTIALS");
            let what = match number {
                5 => ["auth.locked", name, "ok"],
                _ => ["auth.login", name, "INVALID_CREDENTIALS"],
            };
            logged(&linkops, &reply, "anonymous", what);
        }
        let reply = login(&linkops, name, PASSWORD);
        failure(&reply, 403, "ACCOUNT_LOCKED");
        logged(&linkops, &reply, "anonymous", ["auth.login", name, "ACCOUNT_LOCKED"]);
    }
}

/// However many strangers come, what they leave is bounded; so is what users are refused.
#[test]
fn a_flood_does_not_fill_the_database() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    let vera = person(&linkops, "vera", "viewer");
    for number in 0..80 {
        login(&linkops, &format!("nobody-{number}"), "wrong password").expect(401);
        let reply = call(&linkops, &vera, "POST", "/api/git/sync", None);
        failure(&reply, 403, "FORBIDDEN");
    }
    for _ in 0..100 {
        let reply = linkops.call("POST", "/api/operations/run", &[], Some(&json!({})));
        failure(&reply, 401, "TOKEN_MISSING");
        linkops.call("GET", "/api/links", &[("Authorization", "Bearer x.y.z")], None).expect(401);
    }
    assert_eq!(count(&linkops, "actor = 'anonymous'"), 60);
    assert_eq!(count(&linkops, "actor = 'vera' AND result = 'FORBIDDEN'"), 60);
    // Somebody else is told of all the same.
    let otto = person(&linkops, "otto", "viewer");
    let reply = call(&linkops, &otto, "POST", "/api/git/sync", None);
    logged(&linkops, &reply, "otto", ["sync.run", "", "FORBIDDEN"]);
    assert_eq!(verdict(&linkops)["intact"], true);
}

#[test]
fn acts_on_the_command_line() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    person(&linkops, "bob", "viewer");
    let run = |arguments: &[&str], input: &str| {
        let done = command(&linkops, arguments, input);
        assert!(done.status.success(), "{done:?}");
    };
    run(&["user", "passwd", "bob", "--password-stdin"], "a better horse\n");
    run(&["user", "remove", "bob"], "");
    for action in ["user.add", "user.change", "user.remove"] {
        let condition = format!(
            "action = '{action}' AND actor = 'command line' AND target = 'bob'
             AND result = 'ok' AND address IS NULL AND request_id IS NULL"
        );
        assert_eq!(count(&linkops, &condition), 1, "{action}");
    }
    assert_eq!(count(&linkops, "actor = 'linkops' AND action = 'user.add'"), 1, "the first admin");
}

/// A sync by hand is an act also when nothing is new, one by the timer only when something is.
#[test]
fn syncs_by_timer_and_by_hand() {
    let mut fleet = Fleet::new(1);
    fleet.script("hello", "echo hello");
    fleet.commit();
    let mut linkops = LinkOps::unsynced(&fleet, "git.sync_interval_minutes = 60");
    let synced = |linkops: &LinkOps, least: i64| {
        let sql = "SELECT count(*) FROM git_sync_history";
        crate::support::wait_until(crate::support::deadline(), "syncs", || {
            let done: i64 = open(linkops).query_row(sql, [], |row| row.get(0)).unwrap();
            done >= least
        });
    };
    synced(&linkops, 1);
    assert_eq!(count(&linkops, "action = 'sync.run' AND actor = 'linkops'"), 1);
    linkops.crash_and_restart();
    synced(&linkops, 2);
    assert_eq!(count(&linkops, "action = 'sync.run'"), 1, "nothing was new");
    let done = command(&linkops, &["sync"], "");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(count(&linkops, "action = 'sync.run' AND actor = 'command line'"), 1);
}

#[test]
fn verification() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    for number in 0..5 {
        login(&linkops, &format!("nobody-{number}"), "wrong password").expect(401);
    }
    let before = verdict(&linkops);
    assert_eq!((&before["intact"], &before["broken_at"]), (&json!(true), &Value::Null));
    assert!(before["rows"].as_u64().is_some_and(|rows| rows >= 5), "{before}");
    let db = open(&linkops);
    db.execute_batch("DROP TRIGGER audit_log_is_never_changed").unwrap();
    let row: i64 = db
        .query_row("SELECT id FROM audit_log WHERE target = 'nobody-3'", [], |row| row.get(0))
        .unwrap();
    db.execute("UPDATE audit_log SET target = 'somebody' WHERE id = ?1", [row]).unwrap();
    let after = verdict(&linkops);
    assert_eq!((&after["intact"], &after["broken_at"]), (&json!(false), &json!(row)));
    let otto = person(&linkops, "otto", "operator");
    failure(&call(&linkops, &otto, "GET", "/api/audit/verify", None), 403, "FORBIDDEN");
    let unknown = linkops.get("/api/audit/verify?from=1");
    failure(&unknown, 400, "VALIDATION_FAILED");
    let reply = send(linkops.address(), "POST", "/api/audit/verify", &[], b"");
    assert_eq!(reply.status, 401);
}
