//! `/api/tokens`: works, bad input, missing, wrong person.

use serde_json::{Value, json};

use super::{call, failure, ids, keys, person};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const FIELDS: [&str; 7] =
    ["id", "name", "username", "role", "created_at", "expires_at", "last_used_at"];
const DAY: i64 = 24 * 3_600 * 1_000;

fn add(linkops: &LinkOps, caller: &str, body: Value) -> Value {
    call(linkops, caller, "POST", "/api/tokens", Some(&body)).expect(201)
}

fn list(linkops: &LinkOps, caller: &str) -> Value {
    call(linkops, caller, "GET", "/api/tokens", None).expect(200)
}

#[test]
fn api_tokens() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    let otto = person(&linkops, "otto", "operator");
    let vera = person(&linkops, "vera", "viewer");
    works(&linkops, &otto);
    bad_input(&linkops, &otto);
    missing(&linkops, &otto);
    wrong_person(&linkops, &otto, &vera);
}

fn works(linkops: &LinkOps, otto: &str) {
    let made = add(linkops, otto, json!({ "name": "nightly" }));
    assert_eq!(keys(&made), [&FIELDS[..], &["token"]].concat());
    assert_eq!((&made["username"], &made["role"]), (&json!("otto"), &json!("operator")));
    let life = made["expires_at"].as_i64().unwrap() - made["created_at"].as_i64().unwrap();
    assert_eq!(life, 90 * DAY);
    let token = made["token"].as_str().unwrap();
    let me = call(linkops, token, "GET", "/api/auth/me", None).expect(200);
    assert_eq!((&me["username"], &me["role"]), (&json!("otto"), &json!("operator")));

    let weak = add(linkops, otto, json!({ "name": "w", "role": "viewer", "expires_in_days": 1 }));
    let weak_token = weak["token"].as_str().unwrap();
    assert_eq!(weak["expires_at"].as_i64().unwrap() - weak["created_at"].as_i64().unwrap(), DAY);
    failure(&call(linkops, weak_token, "POST", "/api/git/sync", None), 403, "FORBIDDEN");

    // A ticket is as good as the token that it was made with.
    let ticket = call(linkops, weak_token, "POST", "/api/auth/ticket", None).expect(200);
    let path = format!("/api/operations/OP-1/events?ticket={}", ticket["ticket"].as_str().unwrap());
    failure(&linkops.call("GET", &path, &[], None), 404, "OPERATION_NOT_FOUND");

    let listed = list(linkops, otto);
    assert_eq!(ids(&listed), [weak["id"].as_str().unwrap(), made["id"].as_str().unwrap()]);
    assert_eq!(keys(&listed[0]), FIELDS);
    assert!(listed[1]["last_used_at"].is_i64(), "{listed}");
    let path = format!("/api/tokens/{}", made["id"].as_str().unwrap());
    call(linkops, otto, "DELETE", &path, None).expect(204);
    failure(&call(linkops, token, "GET", "/api/auth/me", None), 401, "TOKEN_INVALID");
    failure(&call(linkops, otto, "DELETE", &path, None), 404, "TOKEN_NOT_FOUND");
    call(linkops, weak_token, "POST", "/api/auth/logout", None).expect(200);
    assert_eq!(list(linkops, otto), json!([]));
}

fn bad_input(linkops: &LinkOps, otto: &str) {
    for (body, name) in [
        (json!({}), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": 7 }), "name"),
        (json!({ "name": "x".repeat(65) }), "name"),
        (json!({ "name": "x", "expires_in_days": 0 }), "expires_in_days"),
        (json!({ "name": "x", "expires_in_days": 3_651 }), "expires_in_days"),
        (json!({ "name": "x", "expires_in_days": "7" }), "expires_in_days"),
        (json!({ "name": "x", "role": "boss" }), "role"),
        (json!({ "name": "x", "username": "vera" }), "username"),
    ] {
        let reply = call(linkops, otto, "POST", "/api/tokens", Some(&body));
        let error = failure(&reply, 400, "VALIDATION_FAILED");
        assert!(error["details"]["fields"].get(name).is_some(), "{body}: {error}");
    }
    assert_eq!(list(linkops, otto), json!([]));
}

fn missing(linkops: &LinkOps, otto: &str) {
    let reply = call(linkops, otto, "DELETE", "/api/tokens/nothing", None);
    assert_eq!(failure(&reply, 404, "TOKEN_NOT_FOUND")["details"], json!({ "id": "nothing" }));
}

/// Nobody gets more than they have, sees what is not theirs, or makes tokens with a token.
fn wrong_person(linkops: &LinkOps, otto: &str, vera: &str) {
    let body = json!({ "name": "x", "role": "admin" });
    let reply = call(linkops, otto, "POST", "/api/tokens", Some(&body));
    assert_eq!(failure(&reply, 403, "FORBIDDEN")["details"], json!({ "role": "admin" }));
    let made = add(linkops, otto, json!({ "name": "x" }));
    let (token, id) = (made["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert_eq!(list(linkops, vera), json!([]));
    let path = format!("/api/tokens/{id}");
    failure(&call(linkops, vera, "DELETE", &path, None), 404, "TOKEN_NOT_FOUND");
    let passwords = json!({ "current_password": super::PASSWORD, "new_password": "a new horse" });
    for (method, path, body) in [
        ("POST", "/api/tokens", Some(json!({ "name": "more" }))),
        ("DELETE", &*path, None),
        ("POST", "/api/auth/refresh", None),
        ("POST", "/api/auth/password", Some(passwords)),
    ] {
        let error = failure(&call(linkops, token, method, path, body.as_ref()), 403, "FORBIDDEN");
        assert!(error["message"].as_str().unwrap().contains("API token"), "{error}");
    }
    assert_eq!(ids(&list(linkops, linkops.token())), [id], "an admin sees all");
    call(linkops, linkops.token(), "DELETE", &path, None).expect(204);
    failure(&call(linkops, token, "GET", "/api/auth/me", None), 401, "TOKEN_INVALID");
}
