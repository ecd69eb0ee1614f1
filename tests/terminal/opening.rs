//! Who may open a workspace, and what is written down of it.

use super::*;
use crate::support::client::{Reply, send};
use crate::support::websocket::Client;
use serde_json::{Value, json};

impl Lab {
    fn path(&self) -> String {
        format!("/api/terminal/workspaces/{}/ws", self.workspace)
    }

    /// The answer that refuses a socket.
    #[track_caller]
    fn refused(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        match Client::try_open(self.linkops.address(), path, headers) {
            Ok(_) => panic!("it was opened"),
            Err(reply) => reply,
        }
    }

    /// The rows of the audit log with this action, oldest first.
    fn audit(&self, action: &str) -> Vec<Value> {
        let db = rusqlite::Connection::open(self.linkops.path("linkops.db")).unwrap();
        let sql = "SELECT actor, address, target, result, detail, request_id IS NOT NULL
                   FROM audit_log WHERE action = ?1 ORDER BY id";
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([action], |row| {
            let detail: Option<String> = row.get(4)?;
            Ok(json!({
                "actor": row.get::<_, String>(0)?,
                "address": row.get::<_, Option<String>>(1)?,
                "target": row.get::<_, Option<String>>(2)?,
                "result": row.get::<_, String>(3)?,
                "detail": serde_json::from_str::<Value>(&detail.unwrap_or("null".into())).unwrap(),
                "request": row.get::<_, bool>(5)?,
            }))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
}

#[test]
fn a_ticket_opens_it_once() {
    let lab = Lab::new();
    let ticket = lab.linkops.post("/api/auth/ticket", &json!({})).expect(200);
    let path = format!("{}?ticket={}", lab.path(), ticket["ticket"].as_str().unwrap());
    drop(Client::open(lab.linkops.address(), &path, &[]));
    assert_eq!(lab.refused(&path, &[]).code(), "TOKEN_INVALID");
}

#[test]
fn who_may_not_open_it_is_refused() {
    let lab = Lab::new();
    let bearer = |token: &str| format!("Bearer {token}");
    let person = |name: &str, role: &str| crate::api::person(&lab.linkops, name, role);
    let (viewer, operator) = (person("vera", "viewer"), person("otto", "operator"));
    let admin = bearer(lab.linkops.token());
    for (headers, status, code) in [
        (vec![], 401, "TOKEN_MISSING"),
        (vec![("Authorization", "Bearer x".to_owned())], 401, "TOKEN_INVALID"),
        (vec![("Authorization", bearer(&viewer))], 403, "FORBIDDEN"),
        (vec![("Authorization", bearer(&operator))], 403, "FORBIDDEN"), // somebody else's
        (
            vec![("Authorization", admin.clone()), ("Origin", "http://evil.example".into())],
            403,
            "FORBIDDEN",
        ),
        (
            vec![("Authorization", admin.clone()), ("Upgrade", String::new())],
            426,
            "UPGRADE_REQUIRED",
        ),
    ] {
        let given: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, &value[..])).collect();
        let reply = lab.refused(&lab.path(), &given);
        assert_eq!((reply.status, &reply.code()[..]), (status, code), "{headers:?}");
    }
    let admin = [("Authorization", &admin[..])];
    let other = lab.refused("/api/terminal/workspaces/WS-nowhere/ws", &admin);
    assert_eq!((other.status, &other.code()[..]), (404, "WORKSPACE_NOT_FOUND"));
    let reply = send(lab.linkops.address(), "GET", &lab.path(), &admin, b"");
    assert_eq!((reply.status, reply.header("upgrade")), (426, Some("websocket")));
    let noted = lab.audit("terminal.attach");
    assert!(noted.iter().all(|one| one["result"] != "ok"), "{noted:?}");
    assert!(noted.iter().any(|one| one["target"] == lab.workspace.as_str()), "{noted:?}");
}

/// Whoever signs out, or is signed out, is not served any longer; the shell waits for the next one.
#[test]
fn a_user_who_signs_out_is_sent_away() {
    let lab = Lab::with("terminal.websocket_ping_interval = 1");
    let mut tab = lab.connected(&["A"]);
    lab.linkops.post("/api/auth/logout", &json!({}));
    assert_eq!(tab.ends(), 1008);
    assert_eq!(lab.fleet.sshd.running("bash").len(), 1);
}

/// Who was on which machine, when, for how long, from which address.
#[test]
fn everything_is_audited() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["B"]);
    fs::write(&lab.fleet.machines[0].client_file, "another").unwrap();
    tab.connect("A");
    tab.wait("it is refused", |tab| tab.pane("A").status().starts_with("error: not enrolled"));
    tab.disconnect("B");
    tab.becomes("B", "disconnected");
    drop(tab);
    wait_until(deadline(), "the browser is gone", || lab.audit("terminal.detach").len() == 1);
    for action in ["terminal.attach", "terminal.detach"] {
        let row = &lab.audit(action)[0];
        assert_eq!(row["target"], lab.workspace[..], "{row}");
        assert_eq!((&row["actor"], &row["address"]), (&json!("admin"), &json!("127.0.0.1")));
    }
    let connects = lab.audit("terminal.connect");
    let results: Vec<_> = connects.iter().map(|row| (&row["target"], &row["result"])).collect();
    let (one, two) = (json!("vps-02"), json!("vps-01"));
    assert_eq!(results, [(&one, &json!("ok")), (&two, &json!("ENROLLMENT_REQUIRED"))]);
    let end = &lab.audit("terminal.disconnect")[0];
    assert_eq!(
        (&end["target"], &end["actor"], &end["request"]),
        (&one, &json!("admin"), &json!(true))
    );
    let detail = &end["detail"];
    assert_eq!((&detail["workspace"], &detail["pane"]), (&json!(lab.workspace), &json!("B")));
    assert!(detail["duration"].as_u64().is_some_and(|time| time < 600_000), "{detail}");
    assert_eq!(detail["reason"], "asked for");
}
