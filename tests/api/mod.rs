//! The wire contract, call by call, against a running server. Each file starts a server of its
//! own and shares it among its steps: works, bad input, missing, wrong person.

mod api_tokens;
mod audit;
mod auth;
mod enrollment;
mod errors;
mod git;
mod groups;
mod limits;
mod links;
mod logged;
mod openapi;
mod operations;
mod places;
mod queue;
mod recordings;
mod retry;
mod roles;
mod run;
mod scripts;
mod server;
mod tables;
mod terminal;
mod tokens;
mod users;
mod waves;
mod webhook;

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::support::client::{Reply, send};
use crate::support::linkops::LinkOps;

/// What the people of the tests sign in with.
const PASSWORD: &str = "correct horse battery";

/// Checks that a request failed as section 4 of the contract has it (R12.5), and gives the error.
#[track_caller]
fn failure(reply: &Reply, status: u16, code: &str) -> Value {
    let text = String::from_utf8_lossy(&reply.body);
    let error = structured(reply);
    assert_eq!((reply.status, error["code"].as_str()), (status, Some(code)), "{text}");
    error
}

/// The structured body of any failure, with its promises checked.
#[track_caller]
fn structured(reply: &Reply) -> Value {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.header("content-type"), Some("application/json"), "{text}");
    let body = reply.json();
    let error = body["error"].clone();
    let keys: Vec<&String> = error.as_object().expect("an error").keys().collect();
    assert_eq!(keys, ["code", "message", "details", "timestamp", "request_id"], "{text}");
    let code = error["code"].as_str().expect("a code");
    let of_code = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    assert!(!code.is_empty() && code.bytes().all(of_code), "{text}");
    assert!(error["message"].as_str().is_some_and(|one| !one.is_empty()), "{text}");
    assert!(error["details"].is_object(), "{text}");
    assert!(error["timestamp"].as_str().is_some_and(is_time), "{text}");
    assert_eq!(error["request_id"].as_str(), reply.header("x-request-id"), "{text}");
    error
}

/// RFC 3339 in UTC with `Z`.
fn is_time(text: &str) -> bool {
    text.ends_with('Z') && linkops::clock::parse_time(text).is_some() && text.contains('T')
}

/// The keys of an object, in the order in which they were sent.
#[track_caller]
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// The ids in a list of objects.
fn ids(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter().map(|one| one["id"].as_str().expect("an id")).collect()
}

/// Runs a subcommand of the server's configuration with this on standard input.
fn command(linkops: &LinkOps, arguments: &[&str], input: &str) -> Output {
    let mut child = linkops
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without having read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Makes a user with the command line, while the server runs, and gives a token of theirs.
#[track_caller]
pub(super) fn person(linkops: &LinkOps, name: &str, role: &str) -> String {
    let arguments = ["user", "add", name, "--role", role, "--password-stdin"];
    let done = command(linkops, &arguments, &format!("{PASSWORD}\n"));
    assert!(done.status.success(), "{done:?}");
    let reply = login(linkops, name, PASSWORD).expect(200);
    reply["token"].as_str().unwrap().to_owned()
}

fn login(linkops: &LinkOps, name: &str, password: &str) -> Reply {
    let body = json!({ "username": name, "password": password });
    linkops.call("POST", "/api/auth/login", &[], Some(&body))
}

/// A request with a token.
fn call(linkops: &LinkOps, token: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
    let bearer = format!("Bearer {token}");
    linkops.call(method, path, &[("Authorization", &bearer)], body)
}

/// A POST as admin of any bytes.
fn post_text(linkops: &LinkOps, path: &str, content_type: &str, body: &[u8]) -> Reply {
    let bearer = format!("Bearer {}", linkops.token());
    let headers = [("Authorization", &bearer[..]), ("Content-Type", content_type)];
    send(linkops.address(), "POST", path, &headers, body)
}
