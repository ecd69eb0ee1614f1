//! `/api/git/…`: syncing and what comes of it (R2.1 to R2.7).

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::{failure, ids, is_time, keys, person};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const STATUS: [&str; 7] =
    ["status", "last_sync", "commit_hash", "error", "repository_url", "branch", "next_sync"];

fn status(linkops: &LinkOps) -> Value {
    let status = linkops.get("/api/git/status").expect(200);
    assert_eq!(keys(&status), STATUS);
    status
}

#[test]
fn syncing() {
    let mut fleet = Fleet::new(2);
    fleet.script("hello", "echo hello");
    let first = fleet.commit();
    let linkops = LinkOps::unsynced(&fleet, "");
    let wanted = json!({
        "status": "never", "last_sync": null, "commit_hash": null, "error": null,
        "repository_url": fleet.repository.url(), "branch": "main", "next_sync": null,
    });
    assert_eq!(status(&linkops), wanted);
    it_works(&fleet, &linkops, &first);
    broken_files(&fleet, &linkops);
    an_unknown_branch(&fleet, &linkops);
    failure(&linkops.post("/api/git/sync", &json!({ "force": 1 })), 400, "VALIDATION_FAILED");
    let vera = person(&linkops, "vera", "viewer");
    failure(&super::call(&linkops, &vera, "POST", "/api/git/sync", None), 403, "FORBIDDEN");
}

fn last_sync(linkops: &LinkOps) -> Value {
    let query = json!({
        "table": "tbl_recent_activity", "filters": [{ "col": "kind", "op": "eq", "val": "sync" }],
        "page": { "size": 1 },
    });
    linkops.post("/api/tables/query", &query).expect(200)["rows"][0].clone()
}

/// R2.1, R2.2, R2.3
fn it_works(fleet: &Fleet, linkops: &LinkOps, first: &str) {
    let reply = linkops.post("/api/git/sync", &json!({})).expect(200);
    assert_eq!(keys(&reply), ["success", "commit_hash", "timestamp", "error", "links", "scripts"]);
    assert_eq!((&reply["success"], &reply["error"]), (&json!(true), &Value::Null));
    assert_eq!((&reply["links"], &reply["scripts"]), (&json!(2), &json!(1)));
    assert_eq!(reply["commit_hash"], first);
    let after = status(linkops);
    assert_eq!((&after["status"], &after["commit_hash"]), (&json!("synced"), &json!(first)));
    assert_eq!(after["last_sync"], reply["timestamp"]);
    assert!(after["last_sync"].as_str().is_some_and(is_time));
    assert_eq!(ids(&linkops.get("/api/links").expect(200)), ["vps-01", "vps-02"]);
    assert_eq!(ids(&linkops.get("/api/scripts").expect(200)), ["hello"]);
    assert_eq!(last_sync(linkops)["actor"], "admin");
    // A pull, with machines and scripts that are gone.
    fleet.repository.commit(&[("links.yaml", "links: {}\n"), ("scripts.yaml", "scripts: {}\n")]);
    let reply = linkops.post("/api/git/sync", &json!({})).expect(200);
    assert_eq!((&reply["links"], &reply["scripts"]), (&json!(0), &json!(0)));
    assert_eq!(linkops.get("/api/links").expect(200), json!([]));
    fleet.commit();
    linkops.post("/api/git/sync", &json!({})).expect(200);
}

/// R2.4, R2.5, R2.7: the file and the line are named, and the database is as it was.
fn broken_files(fleet: &Fleet, linkops: &LinkOps) {
    let all = || (linkops.get("/api/links").expect(200), linkops.get("/api/scripts").expect(200));
    let (before, synced) = (all(), status(linkops));
    for (file, text, line, part) in [
        ("links.yaml", "links:\n  a:\n    type: [VPS\n", 4, ""),
        ("links.yaml", "links:\n  a:\n    type: VPS\n    host: h\n    port: 22\n", 2, "user"),
        ("scripts.yaml", "scripts:\n\n  s:\n    name: n\n    path: p\n", 3, "description"),
        (
            "scripts.yaml",
            "scripts:\n  s: {name: n, description: d, path: p, flgs: [a]}\n",
            2,
            "flgs",
        ),
    ] {
        fleet.commit();
        fleet.repository.commit(&[(file, text)]);
        let error = failure(&linkops.post("/api/git/sync", &json!({})), 400, "YAML_INVALID");
        assert_eq!(error["details"]["file"], file, "{error}");
        let found = error["details"]["line"].as_u64().expect("a line");
        assert!(found.abs_diff(line) <= 1, "{error}");
        assert!(error["message"].as_str().unwrap().contains(part), "{error}");
        assert_eq!(all(), before, "{text}");
        let failed = status(linkops);
        assert_eq!(
            (&failed["status"], &failed["last_sync"]),
            (&json!("failed"), &synced["last_sync"])
        );
        assert_eq!(failed["commit_hash"], synced["commit_hash"]);
        assert!(failed["error"].as_str().unwrap().contains(file), "{failed}");
        let last = last_sync(linkops);
        assert_eq!((&last["actor"], &last["status"]), (&json!("admin"), &json!("failed")));
    }
    fleet.commit();
    linkops.post("/api/git/sync", &json!({})).expect(200);
    assert_eq!(status(linkops)["error"], Value::Null);
}

fn an_unknown_branch(fleet: &Fleet, linkops: &LinkOps) {
    fleet.repository.git(&["branch", "--move", "main", "trunk"]);
    let error = failure(&linkops.post("/api/git/sync", &json!({})), 404, "REPOSITORY_NOT_FOUND");
    assert!(error["message"].as_str().unwrap().contains("main"), "{error}");
    assert_eq!(error["details"]["repository_url"], fleet.repository.url());
    fleet.repository.git(&["branch", "--move", "trunk", "main"]);
    linkops.post("/api/git/sync", &json!({})).expect(200);
}

/// R2.6, R12.3: credentials never come back, neither in an answer nor in the log.
#[test]
fn servers_that_refuse_or_are_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let settings = format!("git.repository_url = http://joe:s3cr3t-word@{place}/inventory.git");
    let linkops = LinkOps::unsynced(&Fleet::new(0), &settings);
    let refusing = std::thread::spawn(move || {
        // One sync asks once or twice; its last request is followed by our own.
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap();
            if head[..length].starts_with(b"QUIT") {
                return;
            }
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\
                          Content-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let refused = linkops.post("/api/git/sync", &json!({}));
    let error = failure(&refused, 502, "GIT_AUTHENTICATION_FAILED");
    assert!(error["details"]["repository_url"].as_str().unwrap().contains(&place.to_string()));
    std::net::TcpStream::connect(place).unwrap().write_all(b"QUIT").unwrap();
    refusing.join().unwrap();
    let gone = linkops.post("/api/git/sync", &json!({}));
    failure(&gone, 503, "GIT_UNREACHABLE");
    let status = status(&linkops);
    assert_eq!(status["status"], "failed");
    let ours = linkops.directory().to_str().unwrap();
    for text in [refused.json().to_string(), gone.json().to_string(), status.to_string()] {
        assert!(!text.contains("s3cr3t-word") && !text.contains(ours), "{text}");
    }
    let log = linkops.log();
    assert!(!log.contains("s3cr3t-word") && log.contains(&place.to_string()), "{log}");
}
