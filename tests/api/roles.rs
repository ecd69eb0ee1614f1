//! Who may make which call: every call with every role, and without a token.

use serde_json::{Value, json};

use super::{call, failure, person};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const VIEWER: usize = 0;
const OPERATOR: usize = 1;
const ADMIN: usize = 2;
const ROLES: [&str; 3] = ["viewer", "operator", "admin"];

/// Method, path, body, and the least role. What comes of an allowed call does not matter here.
fn calls() -> Vec<(&'static str, &'static str, Option<Value>, usize)> {
    let nothing = || Some(json!({}));
    let run = json!({ "scripts": ["x"], "targets": ["x"] });
    vec![
        ("GET", "/api/auth/me", None, VIEWER),
        ("POST", "/api/auth/refresh", None, VIEWER),
        ("POST", "/api/auth/password", nothing(), VIEWER),
        ("POST", "/api/auth/ticket", None, VIEWER),
        ("GET", "/api/tokens", None, VIEWER),
        ("POST", "/api/tokens", nothing(), VIEWER),
        ("DELETE", "/api/tokens/x", None, VIEWER),
        ("GET", "/api/users", None, ADMIN),
        ("POST", "/api/users", nothing(), ADMIN),
        ("PATCH", "/api/users/x", nothing(), ADMIN),
        ("DELETE", "/api/users/x", None, ADMIN),
        ("GET", "/api/audit/verify", None, ADMIN),
        ("GET", "/api/links", None, VIEWER),
        ("GET", "/api/links/x", None, VIEWER),
        ("POST", "/api/links/verify", Some(json!({ "targets": ["x"] })), OPERATOR),
        ("POST", "/api/links/x/verify", None, OPERATOR),
        ("GET", "/api/scripts", None, VIEWER),
        ("GET", "/api/scripts/x", None, VIEWER),
        ("POST", "/api/operations/run", Some(run), OPERATOR),
        ("GET", "/api/operations", None, VIEWER),
        ("GET", "/api/operations/OP-1", None, VIEWER),
        ("GET", "/api/operations/OP-1/events", None, VIEWER),
        ("POST", "/api/operations/OP-1/stop", None, OPERATOR),
        ("POST", "/api/terminal/workspaces", nothing(), OPERATOR),
        ("GET", "/api/terminal/workspaces", None, VIEWER),
        ("GET", "/api/terminal/workspaces/x", None, VIEWER),
        ("DELETE", "/api/terminal/workspaces/x", None, OPERATOR),
        ("PUT", "/api/terminal/workspaces/x/panes", nothing(), OPERATOR),
        ("POST", "/api/terminal/workspaces/x/connect-all", None, OPERATOR),
        ("GET", "/api/terminal/workspaces/x/ws", None, OPERATOR),
        ("GET", "/api/recordings", None, VIEWER),
        ("GET", "/api/recordings/x", None, VIEWER),
        ("DELETE", "/api/recordings/x", None, ADMIN),
        ("POST", "/api/tables/query", Some(json!({ "table": "tbl_links" })), VIEWER),
        ("GET", "/api/git/status", None, VIEWER),
        ("POST", "/api/git/sync", None, OPERATOR),
        ("POST", "/api/auth/logout", None, VIEWER), // last: it ends the token
    ]
}

#[test]
fn every_call_is_for_whom_it_should_be() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    linkops.call("GET", "/health", &[], None).expect(200);
    for (role, name) in ROLES.iter().enumerate() {
        let token = person(&linkops, &format!("a-{name}"), name);
        for (method, path, body, least) in calls() {
            let reply = call(&linkops, &token, method, path, body.as_ref());
            let what = format!("{name} {method} {path}: {}", reply.status);
            if role < least {
                let error = failure(&reply, 403, "FORBIDDEN");
                assert_eq!(error["details"], json!({ "role": ROLES[least] }), "{what}");
            } else {
                assert!(![401, 403, 405].contains(&reply.status), "{what}");
            }
        }
    }
    for (method, path, body, _) in calls() {
        let reply = linkops.call(method, path, &[], body.as_ref());
        failure(&reply, 401, "TOKEN_MISSING");
    }
}
