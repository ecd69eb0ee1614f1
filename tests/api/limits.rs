//! How often one may call: logins per address, calls per user, API token or address.

use serde_json::json;

use super::{PASSWORD, call, failure, login, person};
use crate::support::client::Reply;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

#[track_caller]
fn refused(reply: &Reply) {
    failure(reply, 429, "RATE_LIMITED");
    let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

/// The rates are low, so that no measure gets another call while a test uses it up.
#[test]
fn logins_of_an_address_are_counted_whatever_comes_of_them() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "api.login_rate_limit = 3");
    // The first one was that of the admin.
    login(&linkops, "nobody", "wrong password").expect(401);
    let no_login = linkops.call("POST", "/api/auth/login", &[], Some(&json!({ "user": "x" })));
    assert_eq!(no_login.status, 400);
    refused(&login(&linkops, "admin", linkops.password()));
    // Who is signed in is not touched by it.
    linkops.get("/api/auth/me").expect(200);
}

#[test]
fn a_user_a_token_and_an_address_have_a_measure_each() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "api.rate_limit = 2");
    let vera = person(&linkops, "vera", "viewer");
    let token = linkops.post("/api/tokens", &json!({ "name": "ci" })).expect(201);
    let token = token["token"].as_str().unwrap();
    let me = |token: &str| call(&linkops, token, "GET", "/api/auth/me", None);
    me(linkops.token()).expect(200);
    refused(&me(linkops.token()));
    // Another session is no way around it.
    let again = login(&linkops, "admin", linkops.password()).expect(200);
    refused(&me(again["token"].as_str().unwrap()));
    (0..2).for_each(|_| drop(me(token).expect(200)));
    refused(&me(token));
    (0..2).for_each(|_| drop(me(&vera).expect(200)));
    refused(&call(&linkops, &vera, "GET", "/api/nothing", None));
    failure(&me("no.real.token"), 401, "TOKEN_INVALID");
    linkops.call("GET", "/api/x", &[], None).expect(401);
    refused(&me("no.real.token"));
    refused(&linkops.call("POST", "/api/links/verify", &[], None));
    (0..20).for_each(|_| drop(linkops.call("GET", "/health", &[], None).expect(200)));
}

/// Also figures, which strangers may ask for.
#[test]
fn figures_are_counted() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "api.rate_limit = 3");
    (0..3).for_each(|_| drop(linkops.call("GET", "/metrics", &[], None).expect(200)));
    refused(&linkops.call("GET", "/metrics", &[], None));
    linkops.get("/api/auth/me").expect(200);
}

/// A browser's page from elsewhere may call where the configuration says so, and is not given the
/// credentials of its user.
#[test]
fn pages_of_other_origins() {
    let origin = "https://console.example.com";
    let linkops = LinkOps::unsynced(&Fleet::new(0), &format!("api.cors_origins = {origin}"));
    let asks = |origin: &str| {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "PATCH"),
            ("Access-Control-Request-Headers", "authorization, content-type"),
        ];
        linkops.call("OPTIONS", "/api/users/x", &headers, None)
    };
    let allowed = asks(origin);
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(origin));
    let methods = allowed.header("access-control-allow-methods").unwrap();
    assert!(["PATCH", "DELETE"].iter().all(|one| methods.contains(one)), "{methods}");
    assert_eq!(allowed.header("access-control-allow-credentials"), None);
    let other = asks("https://evil.example.com");
    assert_eq!(other.header("access-control-allow-origin"), None);
    let body = json!({ "username": "admin", "password": PASSWORD });
    let reply = linkops.call("POST", "/api/auth/login", &[("Origin", origin)], Some(&body));
    assert_eq!(reply.header("access-control-allow-origin"), Some(origin), "also on failures");
    assert_eq!(reply.header("access-control-allow-credentials"), None);
}
