//! `POST /api/git/webhook`: works, bad input, missing, wrong person.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::failure;
use crate::support::client::{Reply, send};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

const SECRET: &str = "what the Git server knows";
const SECRETS: &str = "[git]\nwebhook_secret = what the Git server knows\n";

/// What GitHub sends, as far as it is of any use to us, with the white space that it has.
const PUSH: &str = "{ \"ref\": \"refs/heads/main\", \"before\": \"6113728f\", \"forced\": false }";

fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn deliver(linkops: &LinkOps, header: (&str, &str), body: &str) -> Reply {
    let headers = [("Content-Type", "application/json"), header];
    send(linkops.address(), "POST", "/api/git/webhook", &headers, body.as_bytes())
}

fn github(linkops: &LinkOps, body: &str) -> Reply {
    deliver(linkops, ("X-Hub-Signature-256", &format!("sha256={}", signature(SECRET, body))), body)
}

fn commit_is(linkops: &LinkOps, commit: &str) {
    wait_until(deadline(), "the push arrives", || {
        linkops.get("/api/git/status").expect(200)["commit_hash"] == commit
    });
}

fn audited(linkops: &LinkOps, condition: &str) -> i64 {
    let db = rusqlite::Connection::open(linkops.path("linkops.db")).unwrap();
    let sql =
        format!("SELECT count(*) FROM audit_log WHERE action = 'sync.webhook' AND {condition}");
    db.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn webhook() {
    let mut fleet = Fleet::new(1);
    fleet.script("hello", "echo hello");
    let linkops = LinkOps::with_secrets(&fleet, "", SECRETS);
    works(&mut fleet, &linkops);
    other_events(&linkops);
    wrong_person(&linkops);
}

/// Each Git server signs in its own header; a push brings its commit without anybody's asking.
fn works(fleet: &mut Fleet, linkops: &LinkOps) {
    let tag = signature(SECRET, PUSH);
    let hub = format!("sha256={tag}");
    let headers = [
        ("X-Hub-Signature-256", &*hub),
        ("X-Gitea-Signature", &*tag),
        ("X-Forgejo-Signature", &*tag),
    ];
    for (number, header) in headers.into_iter().enumerate() {
        fleet.script(&format!("s{number}"), "true");
        let commit = fleet.commit();
        assert_eq!(deliver(linkops, header, PUSH).expect(202), json!({ "queued": true }));
        commit_is(linkops, &commit);
        let sql = "result = 'ok' AND actor = 'webhook' AND target = 'main'";
        assert_eq!(audited(linkops, sql), number as i64 + 1);
    }
    // Whatever the body is said to be.
    let headers = [("X-Hub-Signature-256", &*hub)];
    let reply = send(linkops.address(), "POST", "/api/git/webhook", &headers, PUSH.as_bytes());
    assert_eq!(reply.expect(202)["queued"], true);
}

fn other_events(linkops: &LinkOps) {
    for body in [
        r#"{"ref":"refs/heads/feature"}"#,
        r#"{"ref":"refs/tags/main"}"#,
        r#"{"ref":"main"}"#,
        r#"{"zen":"Keep it logically awesome.","hook_id":1}"#,
        r#"{"ref":null}"#,
    ] {
        assert_eq!(github(linkops, body).expect(202), json!({ "queued": false }), "{body}");
    }
    for body in ["payload=%7B%22ref%22%3A", "[]", "{", "\"refs/heads/main\"", r#"{"ref":7}"#] {
        let error = failure(&github(linkops, body), 400, "VALIDATION_FAILED");
        let fields = &error["details"]["fields"];
        assert!(fields["body"].as_str().unwrap().contains("application/json"), "{error}");
    }
}

/// Who cannot sign learns nothing, and fills nothing.
fn wrong_person(linkops: &LinkOps) {
    let (right, other) = (signature(SECRET, PUSH), signature("another secret", PUSH));
    for (header, value) in [
        ("X-Hub-Signature-256", format!("sha256={other}")),
        ("X-Hub-Signature-256", right.clone()),
        ("X-Hub-Signature-256", format!("sha1={right}")),
        ("X-Hub-Signature-256", "sha256=".to_owned()),
        ("X-Gitea-Signature", format!("sha256={right}")),
        ("X-Gitea-Signature", right[..63].to_owned()),
        ("X-Forgejo-Signature", other),
        ("Authorization", format!("Bearer {}", linkops.token())),
    ] {
        failure(&deliver(linkops, (header, &value), PUSH), 401, "SIGNATURE_INVALID");
    }
    // One more space in the body.
    let header = ("X-Gitea-Signature", &*right);
    failure(&deliver(linkops, header, &format!("{PUSH} ")), 401, "SIGNATURE_INVALID");
    (0..80).for_each(|_| drop(deliver(linkops, ("X-Gitea-Signature", "00"), PUSH).expect(401)));
    assert_eq!(audited(linkops, "result = 'SIGNATURE_INVALID' AND actor = 'anonymous'"), 60);
}

#[test]
fn without_a_secret_there_is_no_webhook() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    let error: Value = failure(&github(&linkops, PUSH), 404, "NOT_FOUND");
    assert_eq!(error["details"]["id"], "/api/git/webhook");
}
