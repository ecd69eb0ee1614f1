//! `/api/recordings`: list, fetch, remove, call by call. How recordings are made is in
//! `tests/terminal/recordings.rs`.

use std::fs;

use serde_json::{Value, json};

use super::{call, failure, keys, person};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const SHAPE: [&str; 10] = [
    "id",
    "workspace_id",
    "pane",
    "target",
    "actor",
    "started",
    "ended",
    "duration",
    "bytes",
    "error",
];

/// Larger than what is answered in one piece.
const LARGE: usize = 3 << 20;

#[test]
fn recordings() {
    let linkops = LinkOps::unsynced(
        &Fleet::new(0),
        "terminal.recording = on\nterminal.recordings_directory = recordings",
    );
    assert_eq!(linkops.get("/api/recordings").expect(200), json!([]));
    let small = "{\"version\":2}\n[1.0, \"o\", \"é\"]\n".to_owned();
    let large = format!("{{\"version\":2}}\n[1.0, \"o\", \"{}\"]\n", "x".repeat(LARGE));
    put(&linkops, "REC-small", 1_000, Some(3_500), &small);
    put(&linkops, "REC-large", 2_000, Some(9_000), &large);
    let half = "{\"version\":2}\n[1.0, \"o\", \"half";
    put(&linkops, "REC-runs", 3_000, None, half);
    let (ann, vera) = (person(&linkops, "ann", "operator"), person(&linkops, "vera", "viewer"));

    let list = call(&linkops, &vera, "GET", "/api/recordings", None).expect(200);
    let all = list.as_array().unwrap();
    let ids: Vec<_> = all.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["REC-runs", "REC-large", "REC-small"], "the newest first");
    all.iter().for_each(|one| assert_eq!(keys(one), SHAPE));
    let wanted = json!({
        "id": "REC-small", "workspace_id": "WS-gone", "pane": "A", "target": "vps-01",
        "actor": "ann", "started": 1_000, "ended": 3_500, "duration": 2_500,
        "bytes": small.len(), "error": null,
    });
    assert_eq!(all[2], wanted);
    assert_eq!((&all[0]["ended"], &all[0]["duration"]), (&Value::Null, &Value::Null));
    assert_eq!(all[0]["bytes"], half.len(), "as much as is written");

    let fetch = |token: &str, id: &str| {
        call(&linkops, token, "GET", &format!("/api/recordings/{id}"), None)
    };
    for (id, wanted) in
        [("REC-small", &small[..]), ("REC-large", &large), ("REC-runs", "{\"version\":2}\n")]
    {
        let reply = fetch(&vera, id);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some("application/x-asciicast"));
        let name = format!("attachment; filename=\"{id}.cast\"");
        assert_eq!(reply.header("content-disposition"), Some(&name[..]));
        assert!(reply.body == wanted.as_bytes(), "{id}: {} bytes", reply.body.len());
    }
    for id in ["REC-none", "..%2F..%2Flinkops.db", "small", "REC-small.cast"] {
        failure(&fetch(&vera, id), 404, "RECORDING_NOT_FOUND");
    }
    failure(&linkops.get("/api/recordings?limit=1"), 400, "VALIDATION_FAILED");
    removal(&linkops, [&ann, &vera]);
}

fn removal(linkops: &LinkOps, others: [&str; 2]) {
    let delete = |token: &str, id: &str| {
        call(linkops, token, "DELETE", &format!("/api/recordings/{id}"), None)
    };
    for other in others {
        let error = failure(&delete(other, "REC-small"), 403, "FORBIDDEN");
        assert_eq!(error["details"], json!({ "role": "admin" }));
    }
    let admin = linkops.token();
    let error = failure(&delete(admin, "REC-runs"), 409, "RECORDING_RUNNING");
    assert_eq!(error["details"], json!({ "id": "REC-runs" }));
    failure(&delete(admin, "REC-none"), 404, "RECORDING_NOT_FOUND");
    let reply = delete(admin, "REC-small");
    assert_eq!((reply.status, &reply.body[..]), (204, &b""[..]));
    assert!(!linkops.path("recordings/REC-small.cast").exists());
    failure(&delete(admin, "REC-small"), 404, "RECORDING_NOT_FOUND");
    // A file that somebody has removed: there is nothing to fetch, and the row can go.
    fs::remove_file(linkops.path("recordings/REC-large.cast")).unwrap();
    failure(&linkops.get("/api/recordings/REC-large"), 404, "RECORDING_NOT_FOUND");
    assert_eq!(delete(admin, "REC-large").status, 204);
    assert_eq!(linkops.get("/api/recordings").expect(200).as_array().unwrap().len(), 1);

    let db = rusqlite::Connection::open(linkops.path("linkops.db")).unwrap();
    let count = |action: &str, target: &str| -> i64 {
        let sql = "SELECT count(*) FROM audit_log WHERE action = ?1 AND target = ?2
                   AND result = 'ok'";
        db.query_row(sql, [action, target], |row| row.get(0)).unwrap()
    };
    assert_eq!(
        (count("recording.read", "REC-small"), count("recording.read", "REC-large")),
        (1, 1)
    );
    assert_eq!(count("recording.delete", "REC-small"), 1);
}

/// A recording as the server leaves it.
fn put(linkops: &LinkOps, id: &str, started: i64, ended: Option<i64>, text: &str) {
    fs::write(linkops.path(&format!("recordings/{id}.cast")), text).unwrap();
    let db = rusqlite::Connection::open(linkops.path("linkops.db")).unwrap();
    let bytes = if ended.is_some() { text.len() as i64 } else { 0 };
    let sql = "INSERT INTO recordings
               (id, workspace, pane, target, actor, started_at, ended_at, bytes)
               VALUES (?1, 'WS-gone', 'A', 'vps-01', 'ann', ?2, ?3, ?4)";
    db.execute(sql, (id, started, ended, bytes)).unwrap();
}
