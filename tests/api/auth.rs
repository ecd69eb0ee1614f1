//! `/api/auth/…`: signing in and out, passwords, tickets (R1.1 to R1.5).

use std::net::SocketAddr;

use serde_json::json;

use super::{PASSWORD, call, command, failure, is_time, keys, login, person, post_text};
use crate::support::client::Events;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

#[test]
fn accounts() {
    let mut fleet = Fleet::new(1);
    fleet.script("hello", "echo hello");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let token = person(&linkops, "vera", "viewer");
    login_works(&linkops);
    login_refuses(&linkops);
    five_failures_lock(&linkops);
    who_am_i(&linkops, &token);
    refresh_and_logout(&linkops, &token);
    change_of_password(&linkops, &token);
    tickets(&linkops);
    the_command_line_ends_tokens(&linkops);
}

/// Whoever has signed in leaves nothing: the 19 MB of a hashing are given back, by each thread.
#[test]
fn signing_in_takes_memory_for_a_moment_only() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    person(&linkops, "vera", "viewer");
    let (before, _) = linkops.memory();
    for _ in 0..12 {
        login(&linkops, "vera", PASSWORD).expect(200);
    }
    let (after, _) = linkops.memory();
    assert!(after < before + 19 * 1_024, "{before} kB, then {after} kB");
}

/// R1.1
fn login_works(linkops: &LinkOps) {
    let body = login(linkops, "vera", PASSWORD).expect(200);
    assert_eq!(keys(&body), ["success", "token", "expires_at", "user"]);
    assert_eq!(body["success"], true);
    assert_eq!(body["user"], json!({ "username": "vera", "role": "viewer" }));
    let expires = linkops::clock::parse_time(body["expires_at"].as_str().unwrap()).unwrap();
    let left = expires - linkops::clock::Clock::System.now();
    let day = 24 * 3_600 * 1_000;
    assert!((day - 60_000..=day).contains(&left), "{left}");
}

/// R1.2, and bad input: nothing says whether the name or the password is wrong.
fn login_refuses(linkops: &LinkOps) {
    let wrong = login(linkops, "vera", "wrong horse");
    let unknown = login(linkops, "nobody", "wrong horse");
    for reply in [&wrong, &unknown] {
        failure(reply, 401, "INVALID_CREDENTIALS");
        assert_eq!(reply.json()["success"], false);
    }
    assert_eq!(wrong.json()["error"]["message"], unknown.json()["error"]["message"]);
    // However the path is spelled, it is the same call.
    let spelled = json!({ "username": "nobody", "password": "wrong horse" });
    let reply = linkops.call("POST", "/api/auth/%6Cogin", &[], Some(&spelled));
    failure(&reply, 401, "INVALID_CREDENTIALS");
    assert_eq!(reply.json()["success"], false);
    let path = "/api/auth/login";
    for (body, code, field) in [
        (r#"{"username":"vera","password":"x","remember":true}"#, "VALIDATION_FAILED", "remember"),
        (r#"{"username":"vera"}"#, "VALIDATION_FAILED", "password"),
        (r#"{"username":"vera","password":7}"#, "VALIDATION_FAILED", "password"),
        (r#"["vera","x"]"#, "VALIDATION_FAILED", "body"),
        (r#"{"username":"vera","#, "INVALID_JSON", ""),
        ("", "INVALID_JSON", ""),
    ] {
        let error =
            failure(&post_text(linkops, path, "application/json", body.as_bytes()), 400, code);
        if !field.is_empty() {
            assert!(error["details"]["fields"][field].is_string(), "{error}");
        }
    }
    let right = format!(r#"{{"username":"vera","password":"{PASSWORD}"}}"#);
    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let reply = post_text(linkops, path, content_type, right.as_bytes());
        failure(&reply, 415, "UNSUPPORTED_MEDIA_TYPE");
    }
    post_text(linkops, path, "Application/JSON; charset=utf-8", right.as_bytes()).expect(200);
}

/// R1.3
fn five_failures_lock(linkops: &LinkOps) {
    person(linkops, "lea", "viewer");
    for name in ["lea", "who-is-not-there"] {
        for _ in 0..5 {
            let reply = login(linkops, name, "wrong horse");
            failure(&reply, 401, "INVALID_CREDENTIALS");
            assert_eq!(reply.json()["success"], false);
        }
        // Also with the right password.
        let reply = login(linkops, name, PASSWORD);
        let error = failure(&reply, 403, "ACCOUNT_LOCKED");
        assert_eq!(reply.json()["success"], false);
        let unlock = error["details"]["unlock_at"].as_str().unwrap();
        assert!(is_time(unlock), "{unlock}");
        let left =
            linkops::clock::parse_time(unlock).unwrap() - linkops::clock::Clock::System.now();
        assert!((200_000..=300_000).contains(&left), "{left}");
        let seconds: i64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((200..=300).contains(&seconds) && seconds * 1_000 >= left, "{seconds} {left}");
    }
    login(linkops, "vera", PASSWORD).expect(200); // others are not locked
}

fn who_am_i(linkops: &LinkOps, token: &str) {
    let me = call(linkops, token, "GET", "/api/auth/me", None).expect(200);
    assert_eq!(keys(&me), ["username", "role", "expires_at"]);
    assert_eq!((&me["username"], &me["role"]), (&json!("vera"), &json!("viewer")));
    assert!(me["expires_at"].as_str().is_some_and(is_time));
}

fn refresh_and_logout(linkops: &LinkOps, token: &str) {
    let refresh = |body| call(linkops, token, "POST", "/api/auth/refresh", body);
    let reply = refresh(None).expect(200);
    assert_eq!(keys(&reply), ["success", "token", "expires_at", "user"]);
    let new = reply["token"].as_str().unwrap();
    assert_ne!(new, token);
    failure(&refresh(Some(&json!({ "forever": true }))), 400, "VALIDATION_FAILED");
    let me = |token: &str| call(linkops, token, "GET", "/api/auth/me", None);
    let ticket = call(linkops, new, "POST", "/api/auth/ticket", None).expect(200);
    let done = call(linkops, new, "POST", "/api/auth/logout", Some(&json!({})));
    assert_eq!(done.expect(200), json!({ "success": true }));
    failure(&me(new), 401, "TOKEN_INVALID");
    failure(&call(linkops, new, "POST", "/api/auth/logout", None), 401, "TOKEN_INVALID");
    // Nor does a ticket outlive the token that it was made from.
    let path = format!("/api/operations/OP-1/events?ticket={}", ticket["ticket"].as_str().unwrap());
    failure(&linkops.call("GET", &path, &[], None), 401, "TOKEN_INVALID");
    me(token).expect(200); // the other token is another session
}

fn change_of_password(linkops: &LinkOps, token: &str) {
    let change = |token: &str, current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        call(linkops, token, "POST", "/api/auth/password", Some(&body))
    };
    let wrong = change(token, "wrong horse", "another horse");
    failure(&wrong, 401, "INVALID_CREDENTIALS");
    let short = failure(&change(token, PASSWORD, "short"), 400, "VALIDATION_FAILED");
    assert!(short["details"]["fields"]["new_password"].is_string(), "{short}");
    let reply = change(token, PASSWORD, "another horse").expect(200);
    let new = reply["token"].as_str().unwrap();
    failure(&call(linkops, token, "GET", "/api/auth/me", None), 401, "TOKEN_INVALID");
    call(linkops, new, "GET", "/api/auth/me", None).expect(200);
    failure(&login(linkops, "vera", PASSWORD), 401, "INVALID_CREDENTIALS");
    login(linkops, "vera", "another horse").expect(200);
}

/// A ticket opens an event stream, once, and nothing else.
fn tickets(linkops: &LinkOps) {
    let id = linkops.run(&["hello"], &["vps-01".to_owned()], json!({}));
    linkops.wait(&id);
    let ticket = || {
        let reply = linkops.post("/api/auth/ticket", &json!({})).expect(200);
        assert_eq!(keys(&reply), ["ticket", "expires_in"]);
        assert_eq!(reply["expires_in"], 30);
        reply["ticket"].as_str().unwrap().to_owned()
    };
    let one = ticket();
    for path in ["/api/links", "/api/auth/me", &format!("/api/operations/{id}")] {
        let reply = linkops.call("GET", &format!("{path}?ticket={one}"), &[], None);
        failure(&reply, 401, "TOKEN_MISSING");
    }
    let path = format!("/api/operations/{id}/events?ticket={one}");
    let address: SocketAddr = linkops.address();
    let events: Vec<_> = Events::open(address, &path, &[]).collect();
    assert_eq!(events.last().unwrap().name, "end");
    failure(&linkops.call("GET", &path, &[], None), 401, "TOKEN_INVALID"); // a second time
    let path = format!("/api/operations/{id}/events");
    for query in ["", "?ticket=", "?ticket=0123", "?ticket=%00"] {
        let reply = linkops.call("GET", &format!("{path}{query}"), &[], None);
        let code = if query.is_empty() { "TOKEN_MISSING" } else { "TOKEN_INVALID" };
        failure(&reply, 401, code);
    }
    // A token that is there is looked at, whatever ticket stands beside it.
    let path = format!("{path}?ticket={}", ticket());
    failure(&call(linkops, "bad", "GET", &path, None), 401, "TOKEN_INVALID");
}

fn the_command_line_ends_tokens(linkops: &LinkOps) {
    let token = person(linkops, "tom", "operator");
    let me = || call(linkops, &token, "GET", "/api/auth/me", None);
    me().expect(200);
    assert!(command(linkops, &["user", "remove", "tom"], "").status.success());
    failure(&me(), 401, "TOKEN_INVALID");
    let token = person(linkops, "tom", "viewer"); // another one of that name
    failure(&me(), 401, "TOKEN_INVALID");
    let me = || call(linkops, &token, "GET", "/api/auth/me", None);
    assert_eq!(me().expect(200)["role"], "viewer");
    let arguments = ["user", "passwd", "tom", "--password-stdin"];
    assert!(command(linkops, &arguments, "a third horse\n").status.success());
    failure(&me(), 401, "TOKEN_INVALID");
    login(linkops, "tom", "a third horse").expect(200);
}
