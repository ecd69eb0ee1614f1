//! `/api/users`: works, bad input, missing, wrong person.

use serde_json::{Value, json};

use super::{PASSWORD, call, failure, is_time, keys, login, person};
use crate::support::client::Reply;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

fn admin(linkops: &LinkOps, method: &str, path: &str, body: Value) -> Reply {
    let body = (!body.is_null()).then_some(&body);
    call(linkops, linkops.token(), method, path, body)
}

fn add(linkops: &LinkOps, name: &str, role: &str) -> Reply {
    let body = json!({ "username": name, "role": role, "password": PASSWORD });
    linkops.post("/api/users", &body)
}

#[test]
fn users() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    works(&linkops);
    a_change_reaches_what_is_open(&linkops);
    a_new_password_lifts_a_lock(&linkops);
    the_last_admin_stays(&linkops);
    bad_input(&linkops);
    missing(&linkops);
    wrong_person(&linkops);
}

fn works(linkops: &LinkOps) {
    let made = add(linkops, "bob", "operator").expect(201);
    assert_eq!(keys(&made), ["username", "role", "created_at", "last_login", "locked_until"]);
    assert_eq!((&made["username"], &made["role"]), (&json!("bob"), &json!("operator")));
    assert_eq!((&made["last_login"], &made["locked_until"]), (&Value::Null, &Value::Null));
    assert!(made["created_at"].is_i64());
    login(linkops, "bob", PASSWORD).expect(200);
    let all = linkops.get("/api/users").expect(200);
    let names: Vec<_> = all.as_array().unwrap().iter().map(|one| &one["username"]).collect();
    assert_eq!(names, ["admin", "bob"]);
    assert!(all[1]["last_login"].as_i64() >= made["created_at"].as_i64(), "{all}");
    admin(linkops, "DELETE", "/api/users/bob", Value::Null).expect(204);
    failure(&login(linkops, "bob", PASSWORD), 401, "INVALID_CREDENTIALS");
}

/// A role holds from the next request on; a password ends sessions and API tokens.
fn a_change_reaches_what_is_open(linkops: &LinkOps) {
    let session = person(linkops, "otto", "operator");
    let body = json!({ "name": "ci" });
    let made = call(linkops, &session, "POST", "/api/tokens", Some(&body)).expect(201);
    let token = made["token"].as_str().unwrap();
    let sync = |token: &str| call(linkops, token, "POST", "/api/git/sync", None);
    let changed = admin(linkops, "PATCH", "/api/users/otto", json!({ "role": "viewer" }));
    assert_eq!(changed.expect(200)["role"], "viewer");
    failure(&sync(&session), 403, "FORBIDDEN");
    failure(&sync(token), 403, "FORBIDDEN");
    admin(linkops, "PATCH", "/api/users/otto", json!({ "password": "a better horse" })).expect(200);
    failure(&sync(&session), 401, "TOKEN_INVALID");
    failure(&sync(token), 401, "TOKEN_INVALID");
    failure(&login(linkops, "otto", PASSWORD), 401, "INVALID_CREDENTIALS");
    login(linkops, "otto", "a better horse").expect(200);
}

fn a_new_password_lifts_a_lock(linkops: &LinkOps) {
    person(linkops, "lotte", "viewer");
    (0..5).for_each(|_| drop(login(linkops, "lotte", "wrong password").expect(401)));
    failure(&login(linkops, "lotte", PASSWORD), 403, "ACCOUNT_LOCKED");
    let all = linkops.get("/api/users").expect(200);
    let lotte = all.as_array().unwrap().iter().find(|one| one["username"] == "lotte").unwrap();
    assert!(lotte["locked_until"].as_str().is_some_and(is_time), "{lotte}");
    let change = json!({ "password": "a better horse" });
    let lotte = admin(linkops, "PATCH", "/api/users/lotte", change).expect(200);
    assert_eq!(lotte["locked_until"], Value::Null);
    login(linkops, "lotte", "a better horse").expect(200);
}

fn the_last_admin_stays(linkops: &LinkOps) {
    for (method, body) in [("DELETE", Value::Null), ("PATCH", json!({ "role": "viewer" }))] {
        let reply = admin(linkops, method, "/api/users/admin", body);
        let error = failure(&reply, 409, "LAST_ADMIN");
        assert_eq!(error["details"], json!({ "username": "admin" }));
    }
    add(linkops, "ada", "admin").expect(201);
    admin(linkops, "PATCH", "/api/users/ada", json!({ "role": "viewer" })).expect(200);
    failure(&admin(linkops, "DELETE", "/api/users/admin", Value::Null), 409, "LAST_ADMIN");
}

fn bad_input(linkops: &LinkOps) {
    let error = failure(&add(linkops, "otto", "viewer"), 409, "USER_EXISTS");
    assert_eq!(error["details"], json!({ "username": "otto" }));
    let good = json!({ "username": "new", "role": "viewer", "password": PASSWORD });
    for (name, value) in [
        ("username", json!("a b")),
        ("username", json!("")),
        ("username", json!("linkops")),
        ("username", json!("Command Line")),
        ("username", json!("x".repeat(65))),
        ("username", json!(7)),
        ("role", json!("root")),
        ("role", Value::Null),
        ("password", json!("1234567")),
        ("password", json!(["12345678"])),
        ("colour", json!("red")),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let error = failure(&linkops.post("/api/users", &body), 400, "VALIDATION_FAILED");
        assert!(error["details"]["fields"][name].is_string(), "{body}: {error}");
        assert!(!error.to_string().contains(PASSWORD), "{error}");
    }
    for body in [json!({}), json!({ "role": "root" }), json!({ "username": "x" }), json!([])] {
        let reply = admin(linkops, "PATCH", "/api/users/otto", body);
        failure(&reply, 400, "VALIDATION_FAILED");
    }
    let reply = admin(linkops, "DELETE", "/api/users/otto", json!({ "force": true }));
    failure(&reply, 400, "VALIDATION_FAILED");
    login(linkops, "otto", "a better horse").expect(200);
}

fn missing(linkops: &LinkOps) {
    for (method, body) in [("DELETE", Value::Null), ("PATCH", json!({ "role": "viewer" }))] {
        let error = failure(&admin(linkops, method, "/api/users/no", body), 404, "USER_NOT_FOUND");
        assert_eq!(error["details"], json!({ "id": "no" }));
    }
    let error = failure(&linkops.get("/api/users/otto"), 405, "METHOD_NOT_ALLOWED");
    assert!(error["message"].as_str().unwrap().contains("PATCH"), "{error}");
}

/// An API token of an admin reads the list and changes nobody.
fn wrong_person(linkops: &LinkOps) {
    let made = linkops.post("/api/tokens", &json!({ "name": "ci" })).expect(201);
    let token = made["token"].as_str().unwrap();
    call(linkops, token, "GET", "/api/users", None).expect(200);
    let body = json!({ "username": "eve", "role": "admin", "password": PASSWORD });
    for (method, path) in [("POST", "/api/users"), ("PATCH", "/api/users/otto")] {
        let error = failure(&call(linkops, token, method, path, Some(&body)), 403, "FORBIDDEN");
        assert_eq!(error["details"], json!({}));
    }
    let otto = person(linkops, "olga", "operator");
    for (method, path) in [
        ("GET", "/api/users"),
        ("POST", "/api/users"),
        ("PATCH", "/api/users/olga"),
        ("DELETE", "/api/users/olga"),
    ] {
        failure(&call(linkops, &otto, method, path, None), 403, "FORBIDDEN");
        failure(&linkops.call(method, path, &[], None), 401, "TOKEN_MISSING");
    }
}
