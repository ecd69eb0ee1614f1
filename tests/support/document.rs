//! The OpenAPI document, held against what the server really answers: every reply that a test
//! gets must be one that the document allows.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::client::Reply;
use super::schema::{problems, resolve};

/// The document, as the server makes it.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let document = linkops::api::Document::new().expect("rows and fragments that fit together");
    serde_json::from_slice(document.bytes()).expect("JSON")
});

/// What a value refers to, or itself.
pub fn meant(value: &Value) -> &Value {
    value["$ref"].as_str().map_or(value, |reference| resolve(&DOCUMENT, reference))
}

/// The operation that answers a method at a path. A HEAD is that of the GET.
pub fn operation(method: &str, target: &str) -> Option<&'static Value> {
    let path = target.split('?').next().unwrap_or_default();
    let parts: Vec<String> = path.split('/').map(decoded).collect();
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_owned() };
    let methods = ["GET", "get", "POST", "PUT", "PATCH", "DELETE"];
    if !methods.contains(&&method[..]) {
        return None;
    }
    let paths = DOCUMENT["paths"].as_object().expect("paths").iter();
    let fitting = paths.filter(|(template, item)| {
        let wanted: Vec<&str> = template.split('/').collect();
        let fits =
            wanted.iter().zip(&parts).all(|(want, have)| want.starts_with('{') || want == have);
        fits && wanted.len() == parts.len() && item.get(method.to_lowercase()).is_some()
    });
    // A literal part wins over a parameter.
    let best = fitting.min_by_key(|(template, _)| template.matches('{').count());
    best.map(|(_, item)| &item[method.to_lowercase()])
}

/// Percent-decodes a part of a path; as it is where that is not possible.
fn decoded(part: &str) -> String {
    let mut pieces = part.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let Some(byte) = piece.get(..2).and_then(|two| u8::from_str_radix(two, 16).ok()) else {
            return part.to_owned();
        };
        bytes.push(byte);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap_or_else(|_| part.to_owned())
}

/// Fails unless the document allows the reply.
#[track_caller]
pub fn check(method: &str, target: &str, reply: &Reply) {
    let found = faults(method, target, reply);
    let text: String = String::from_utf8_lossy(&reply.body).chars().take(2_000).collect();
    let found = found.join("\n");
    assert!(found.is_empty(), "{method} {target}: {}\n{found}\n{text}", reply.status);
}

/// What the document does not allow in a reply.
pub fn faults(method: &str, target: &str, reply: &Reply) -> Vec<String> {
    let mut faults = Vec::new();
    if reply.header("x-request-id").is_none_or(str::is_empty) {
        faults.push("no X-Request-Id".to_owned());
    }
    if reply.status >= 400 && method != "HEAD" {
        let id = &reply.json()["error"]["request_id"];
        if id.as_str() != reply.header("x-request-id") {
            faults.push(format!("the request id is {id} in the body"));
        }
    }
    let Some(operation) = operation(method, target) else {
        if !is_page(target, reply) {
            faults.extend(beside(method, reply));
        }
        return faults;
    };
    let responses = &operation["responses"];
    let response = responses.get(reply.status.to_string()).unwrap_or(&responses["default"]);
    faults.extend(unlike(method, meant(response), reply));
    faults
}

/// Pages and files of the console are not calls; tests/console.rs looks at them.
fn is_page(target: &str, reply: &Reply) -> bool {
    let kind = reply.header("content-type").unwrap_or_default();
    target.starts_with("/assets/") && reply.status != 404
        || reply.status == 304
        || reply.status == 200 && kind.starts_with("text/")
}

/// Calls that there are not: refused, or asked by a browser what is possible.
fn beside(method: &str, reply: &Reply) -> Vec<String> {
    match (method, reply.status) {
        ("OPTIONS", 204) if reply.body.is_empty() => Vec::new(),
        ("HEAD", 400..) => Vec::new(),
        (_, 400..) => {
            problems(&DOCUMENT, &json!({ "$ref": "#/components/schemas/Error" }), &reply.json())
        }
        _ => vec!["the call is not in the document".to_owned()],
    }
}

/// What in a reply is not as a response has it.
fn unlike(method: &str, response: &Value, reply: &Reply) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = meant(header);
        match reply.header(&name.to_lowercase()) {
            Some(text) => {
                let value = text.parse().map_or_else(|_| json!(text), |number: u64| json!(number));
                faults.extend(problems(&DOCUMENT, &header["schema"], &value));
            }
            None if header["required"] == true => faults.push(format!("{name} is missing")),
            None => {}
        }
    }
    if method == "HEAD" {
        return faults;
    }
    let kind = reply.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    match response["content"].get(kind) {
        Some(media) if kind == "application/json" => {
            faults.extend(problems(&DOCUMENT, &media["schema"], &reply.json()));
        }
        Some(_) => {}
        None if reply.body.is_empty() && response.get("content").is_none() => {}
        None => faults.push(format!("the content type {kind:?} is not documented")),
    }
    faults
}

/// Fails unless the document allows the event in the stream of a call.
#[track_caller]
pub fn check_event(target: &str, name: &str, data: &Value) {
    let operation = operation("GET", target).expect("a stream of the document");
    let media = &operation["responses"]["200"]["content"]["text/event-stream"];
    let schema = media["x-events"].get(name).unwrap_or_else(|| panic!("{target}: event {name}"));
    let found = problems(&DOCUMENT, schema, data).join("\n");
    assert!(found.is_empty(), "{target}: {name}\n{found}\n{data}");
}
