//! Failures on the wire: one function from cause to status, code and details.

use serde_json::{Value, json};

use super::route::Route;
use crate::clock::{Clock, rfc3339};
use crate::error::{Error, Noun, Unenrolled, YamlProblem, without_value};
use crate::http::{Request, Response};

/// Of a line, so many characters are told: what a caller has sent stands in it, and can be long.
const LONGEST_LINE: usize = 500;
/// Of a text with many lines, so many characters: the problems of a repository's files, and more.
const LONGEST_TEXT: usize = 20_000;

/// The status, the code and the details of a cause.
#[must_use]
fn classify(error: &Error) -> (u16, &'static str, Value) {
    let nothing = || json!({});
    match error {
        Error::Credentials => (401, "INVALID_CREDENTIALS", nothing()),
        Error::TokenMissing => (401, "TOKEN_MISSING", nothing()),
        Error::TokenExpired => (401, "TOKEN_EXPIRED", nothing()),
        Error::TokenInvalid => (401, "TOKEN_INVALID", nothing()),
        Error::Locked { until } => (403, "ACCOUNT_LOCKED", json!({ "unlock_at": rfc3339(*until) })),
        Error::Forbidden { needs } => (403, "FORBIDDEN", json!({ "role": needs })),
        Error::SignIn => (403, "FORBIDDEN", nothing()),
        Error::Signature => (401, "SIGNATURE_INVALID", nothing()),
        Error::UserExists { name } => (409, "USER_EXISTS", json!({ "username": name })),
        Error::LastAdmin { name } => (409, "LAST_ADMIN", json!({ "username": name })),
        Error::NotOwner { owner } => (403, "FORBIDDEN", json!({ "owner": owner })),
        Error::TooManyWorkspaces { most } => {
            (429, "TOO_MANY_WORKSPACES", json!({ "max_workspaces": most }))
        }
        Error::RecordingRuns { id } => (409, "RECORDING_RUNNING", json!({ "id": id })),
        Error::NotEnrolled(targets) => {
            (403, "ENROLLMENT_REQUIRED", json!({ "targets": unenrolled(targets) }))
        }
        Error::Invalid(fields) => {
            let fields: serde_json::Map<_, _> =
                fields.iter().map(|one| (one.name.clone(), one.message.clone().into())).collect();
            (400, "VALIDATION_FAILED", json!({ "fields": fields }))
        }
        Error::Json { .. } => (400, "INVALID_JSON", nothing()),
        Error::MediaType => (415, "UNSUPPORTED_MEDIA_TYPE", nothing()),
        Error::Cursor => (400, "INVALID_CURSOR", nothing()),
        Error::UnknownTable { table, nearest } => {
            (400, "UNKNOWN_TABLE", json!({ "table": table, "did_you_mean": nearest }))
        }
        Error::UnknownColumn { table, column, nearest } => {
            let details = json!({ "table": table, "column": column, "did_you_mean": nearest });
            (400, "UNKNOWN_COLUMN", details)
        }
        Error::Filter { column, op, expected } => {
            (400, "INVALID_FILTER", json!({ "column": column, "op": op, "expected": expected }))
        }
        Error::NoTargets { .. } => (400, "NO_TARGETS", nothing()),
        Error::NotBash { script, .. } => (400, "SCRIPT_NOT_BASH", json!({ "script": script })),
        Error::Flag { script, flag, declared } => {
            let flag = without_value(flag);
            let details = json!({ "script": script, "flag": flag, "declared": declared });
            (400, "INVALID_FLAG", details)
        }
        Error::Yaml(problems) => (400, "YAML_INVALID", yaml(problems)),
        Error::NotFound { noun, id } => (404, not_found(*noun), json!({ "id": id })),
        Error::RepositoryNotFound { url, .. } => {
            (404, "REPOSITORY_NOT_FOUND", json!({ "repository_url": url }))
        }
        Error::Finished { id } => (409, "OPERATION_FINISHED", json!({ "id": id })),
        Error::Running { id } => (409, "OPERATION_RUNNING", json!({ "id": id })),
        Error::TooManyOperations => (429, "TOO_MANY_OPERATIONS", nothing()),
        Error::RateLimited { .. } => (429, "RATE_LIMITED", nothing()),
        Error::GitAuthentication { url, .. } => {
            (502, "GIT_AUTHENTICATION_FAILED", json!({ "repository_url": url }))
        }
        Error::GitUnreachable { url, .. } => {
            (503, "GIT_UNREACHABLE", json!({ "repository_url": url }))
        }
        Error::Ssh { target, .. } => (503, "SSH_CONNECTION_FAILED", json!({ "target": target })),
        Error::PaneAssigned { pane } => (409, "PANE_ASSIGNED", json!({ "pane": pane })),
        Error::Upgrade => (426, "UPGRADE_REQUIRED", nothing()),
        Error::Origin(origin) => (403, "FORBIDDEN", json!({ "origin": origin })),
        Error::Busy => (503, "OVERLOADED", nothing()),
        Error::ShuttingDown => (503, "SHUTTING_DOWN", nothing()),
        Error::Io { .. }
        | Error::Database { .. }
        | Error::Config(_)
        | Error::Found(_)
        | Error::Internal(_) => (500, "INTERNAL_ERROR", nothing()),
    }
}

/// The code of a cause.
pub(super) fn code(error: &Error) -> &'static str {
    classify(error).1
}

fn not_found(noun: Noun) -> &'static str {
    match noun {
        Noun::Link => "LINK_NOT_FOUND",
        Noun::Script => "SCRIPT_NOT_FOUND",
        Noun::Operation => "OPERATION_NOT_FOUND",
        Noun::Workspace => "WORKSPACE_NOT_FOUND",
        Noun::User => "USER_NOT_FOUND",
        Noun::Token => "TOKEN_NOT_FOUND",
        Noun::Recording => "RECORDING_NOT_FOUND",
        Noun::Path => "NOT_FOUND",
    }
}

fn yaml(problems: &[YamlProblem]) -> Value {
    let first = problems.first();
    let one =
        |one: &YamlProblem| json!({ "file": one.file, "line": one.line, "message": one.message });
    json!({
        "file": first.map(|one| &one.file),
        "line": first.and_then(|one| one.line),
        "problems": problems.iter().map(one).collect::<Vec<_>>(),
    })
}

fn unenrolled(targets: &[Unenrolled]) -> Vec<Value> {
    targets
        .iter()
        .map(|one| {
            json!({
                "target": one.target,
                "enrolled": false,
                "client_id_found": one.client_id_found,
                "client_id_matches": one.client_id_matches,
                "error": one.error,
                "verified_at": one.verified_at.map(rfc3339),
            })
        })
        .collect()
}

/// Code and message of a cause, where there is no answer to put them into. What is our own fault
/// is logged and not shown.
pub(super) fn told(error: &Error) -> (&'static str, String) {
    let (status, code, _) = classify(error);
    if status < 500 {
        return (code, brief(&error.to_string()));
    }
    log::error!(code = code; "{}", error.chain());
    (
        code,
        if status == 500 {
            "something went wrong inside LinkOps".to_owned()
        } else {
            brief(&error.to_string())
        },
    )
}

/// Answers with a cause. What is our own fault is logged with its whole chain and not shown.
pub(super) fn reply(error: &Error, request: &Request, route: Option<&Route>) -> Response {
    let (status, code, details) = classify(error);
    let message = if status == 500 {
        "something went wrong inside LinkOps\nits log has the details under this request id"
            .to_owned()
    } else {
        error.to_string()
    };
    note(status, code, &request.path, &request.id, &error.chain());
    let mut response = body(status, code, &message, &details, &request.id);
    if route.is_some_and(|route| route.id == "login")
        && matches!(error, Error::Credentials | Error::Locked { .. })
    {
        response = refused_login(&response);
    }
    match error {
        Error::Locked { until } => {
            let seconds = (until - Clock::System.now()).max(0).unsigned_abs().div_ceil(1000);
            response.header("Retry-After", seconds.max(1).to_string())
        }
        Error::RateLimited { retry_after } => {
            response.header("Retry-After", retry_after.to_string())
        }
        Error::TooManyOperations | Error::Busy | Error::ShuttingDown => {
            response.header("Retry-After", "5")
        }
        Error::TokenMissing | Error::TokenExpired | Error::TokenInvalid => {
            response.header("WWW-Authenticate", "Bearer")
        }
        Error::Upgrade => {
            response.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13")
        }
        _ => response,
    }
}

/// Section 3: the failures of a login also say so in the way of its success.
fn refused_login(response: &Response) -> Response {
    let mut body: Value = serde_json::from_slice(response.bytes()).unwrap_or_default();
    body["success"] = false.into();
    Response::json(response.status(), body.to_string().into_bytes())
}

/// A failure with a code of its own and these details.
pub(super) fn with_details(
    status: u16,
    code: &str,
    message: &str,
    details: &Value,
    request: &Request,
) -> Response {
    note(status, code, &request.path, &request.id, message);
    body(status, code, message, details, &request.id)
}

/// What stands beside the components when some of them are down: the answer is a failure too.
pub(super) fn unhealthy(down: &[&str], request: &Request) -> Value {
    let message = format!("down: {}\n`components` says why", down.join(", "));
    let failure = body(503, "UNHEALTHY", &message, &json!({ "down": down }), &request.id);
    let mut failure: Value = serde_json::from_slice(failure.bytes()).unwrap_or_default();
    failure["error"].take()
}

/// RFC 9110 section 15.5.6: the answer names the methods that there are.
pub(super) fn method_not_allowed(allowed: &str, request: &Request) -> Response {
    let message = format!("{} cannot be used here, only {allowed}", request.method.as_str());
    note(405, "METHOD_NOT_ALLOWED", &request.path, &request.id, &message);
    body(405, "METHOD_NOT_ALLOWED", &message, &json!({}), &request.id)
        .header("Allow", allowed.to_owned())
}

/// The words for what the transport itself refuses.
pub fn wording(status: u16, message: &str, request_id: &str) -> Response {
    let code = match status {
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 => "REQUEST_TIMEOUT",
        413 => "BODY_TOO_LARGE",
        414 => "URI_TOO_LONG",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        417 => "EXPECTATION_FAILED",
        429 => "RATE_LIMITED",
        431 => "HEADERS_TOO_LARGE",
        501 => "NOT_IMPLEMENTED",
        503 => "OVERLOADED",
        505 => "HTTP_VERSION_NOT_SUPPORTED",
        500.. => "INTERNAL_ERROR",
        _ => "BAD_REQUEST",
    };
    note(status, code, "", request_id, message);
    body(status, code, message, &json!({}), request_id)
}

/// Every refusal leaves a record under the id that its client was told (R12.1).
fn note(status: u16, code: &str, path: &str, request_id: &str, text: &str) {
    let level = if status >= 500 { log::Level::Error } else { log::Level::Info };
    log::log!(level, request = request_id, path = path, code = code; "{}", brief(text));
}

fn body(status: u16, code: &str, message: &str, details: &Value, request_id: &str) -> Response {
    let error = json!({
        "code": code,
        "message": brief(message),
        "details": brief_inside(details),
        "timestamp": rfc3339(Clock::System.now()),
        "request_id": request_id,
    });
    let body = json!({ "error": error });
    Response::json(status, body.to_string().into_bytes())
}

/// The beginning of a long text. Each line is cut by itself, so that the one that says what to do
/// is still there.
fn brief(text: &str) -> String {
    let mut left = LONGEST_TEXT;
    let lines = text.split('\n').map(brief_line).take_while(|line| {
        left = left.saturating_sub(line.chars().count() + 1);
        left > 0
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The beginning of what may be long.
pub(super) fn brief_line(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

/// The same for all texts of a value, as far as they are values: names in it are ours.
fn brief_inside(value: &Value) -> Value {
    match value {
        Value::String(text) => brief(text).into(),
        Value::Array(list) => list.iter().map(brief_inside).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), brief_inside(value))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Field;

    fn url() -> (String, String) {
        ("ssh://host/repository".to_owned(), "why".to_owned())
    }

    /// R12.5: section 4 of the contract, cause by cause.
    #[test]
    fn every_cause_has_its_status_and_code() {
        let ((url, message), (url2, message2), (url3, message3)) = (url(), url(), url());
        let text = String::new;
        let not_found = |noun| Error::not_found(noun, "x");
        for (error, status, code) in [
            (Error::Credentials, 401, "INVALID_CREDENTIALS"),
            (Error::TokenMissing, 401, "TOKEN_MISSING"),
            (Error::TokenExpired, 401, "TOKEN_EXPIRED"),
            (Error::TokenInvalid, 401, "TOKEN_INVALID"),
            (Error::Locked { until: 0 }, 403, "ACCOUNT_LOCKED"),
            (Error::Forbidden { needs: "admin" }, 403, "FORBIDDEN"),
            (Error::SignIn, 403, "FORBIDDEN"),
            (Error::Signature, 401, "SIGNATURE_INVALID"),
            (Error::UserExists { name: text() }, 409, "USER_EXISTS"),
            (Error::LastAdmin { name: text() }, 409, "LAST_ADMIN"),
            (not_found(Noun::User), 404, "USER_NOT_FOUND"),
            (not_found(Noun::Token), 404, "TOKEN_NOT_FOUND"),
            (Error::NotEnrolled(Vec::new()), 403, "ENROLLMENT_REQUIRED"),
            (Error::invalid("a", "b"), 400, "VALIDATION_FAILED"),
            (Error::Json { message: text() }, 400, "INVALID_JSON"),
            (Error::MediaType, 415, "UNSUPPORTED_MEDIA_TYPE"),
            (Error::Cursor, 400, "INVALID_CURSOR"),
            (Error::UnknownTable { table: text(), nearest: None }, 400, "UNKNOWN_TABLE"),
            (
                Error::UnknownColumn { table: "t", column: text(), nearest: None },
                400,
                "UNKNOWN_COLUMN",
            ),
            (Error::Filter { column: "c", op: text(), expected: text() }, 400, "INVALID_FILTER"),
            (Error::NoTargets { hint: text() }, 400, "NO_TARGETS"),
            (Error::NotBash { script: text(), reason: text() }, 400, "SCRIPT_NOT_BASH"),
            (Error::Flag { script: text(), flag: text(), declared: vec![] }, 400, "INVALID_FLAG"),
            (Error::Yaml(Vec::new()), 400, "YAML_INVALID"),
            (not_found(Noun::Path), 404, "NOT_FOUND"),
            (not_found(Noun::Link), 404, "LINK_NOT_FOUND"),
            (not_found(Noun::Script), 404, "SCRIPT_NOT_FOUND"),
            (not_found(Noun::Operation), 404, "OPERATION_NOT_FOUND"),
            (not_found(Noun::Workspace), 404, "WORKSPACE_NOT_FOUND"),
            (Error::RepositoryNotFound { url, message }, 404, "REPOSITORY_NOT_FOUND"),
            (Error::Finished { id: text() }, 409, "OPERATION_FINISHED"),
            (Error::Running { id: text() }, 409, "OPERATION_RUNNING"),
            (Error::TooManyOperations, 429, "TOO_MANY_OPERATIONS"),
            (Error::RateLimited { retry_after: 3 }, 429, "RATE_LIMITED"),
            (
                Error::GitAuthentication { url: url2, message: message2 },
                502,
                "GIT_AUTHENTICATION_FAILED",
            ),
            (Error::GitUnreachable { url: url3, message: message3 }, 503, "GIT_UNREACHABLE"),
            (Error::Ssh { target: text(), message: text() }, 503, "SSH_CONNECTION_FAILED"),
            (Error::PaneAssigned { pane: "A" }, 409, "PANE_ASSIGNED"),
            (Error::NotOwner { owner: text() }, 403, "FORBIDDEN"),
            (Error::TooManyWorkspaces { most: 1 }, 429, "TOO_MANY_WORKSPACES"),
            (Error::RecordingRuns { id: text() }, 409, "RECORDING_RUNNING"),
            (not_found(Noun::Recording), 404, "RECORDING_NOT_FOUND"),
            (Error::Upgrade, 426, "UPGRADE_REQUIRED"),
            (Error::Origin(text()), 403, "FORBIDDEN"),
            (Error::Busy, 503, "OVERLOADED"),
            (Error::ShuttingDown, 503, "SHUTTING_DOWN"),
            (Error::Internal(text()), 500, "INTERNAL_ERROR"),
        ] {
            let (found, word, _) = classify(&error);
            assert_eq!((found, word), (status, code), "{error:?}");
        }
    }

    #[test]
    fn what_is_long_is_cut_line_by_line() {
        let long = "é".repeat(LONGEST_LINE);
        assert_eq!(brief(&long), long);
        assert_eq!(brief(&format!("{long}é\nwhat to do")), format!("{long}…\nwhat to do"));
        assert!(brief(&"a\n".repeat(1 << 20)).len() <= LONGEST_TEXT);
        assert!(brief(&format!("{long}\n").repeat(1 << 10)).chars().count() <= LONGEST_TEXT);
        let value = json!({ "a": [{ "b": format!("{long}éé") }, 7, null] });
        let short = json!({ "a": [{ "b": format!("{long}…") }, 7, null] });
        assert_eq!(brief_inside(&value), short);
    }

    #[test]
    fn details_name_fields_files_and_lines() {
        let field = Field { name: "port".into(), message: "is too large".into() };
        let (_, _, details) = classify(&Error::Invalid(vec![field]));
        assert_eq!(details, json!({ "fields": { "port": "is too large" } }));
        let problem =
            YamlProblem { file: "links.yaml".into(), line: Some(7), message: "bad".into() };
        let (_, _, details) = classify(&Error::Yaml(vec![problem]));
        assert_eq!((&details["file"], &details["line"]), (&json!("links.yaml"), &json!(7)));
    }
}
