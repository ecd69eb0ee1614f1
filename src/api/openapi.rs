//! The OpenAPI 3.1 document of the server, made from the table of calls.
//!
//! Paths, methods, names, roles, security and the usual refusals come from the rows of
//! [`super::ROUTES`]. What a row cannot say stands in a fragment, `openapi/<resource>.json`: under
//! `operations` an OpenAPI Operation Object by the row's name, with `summary`, `description`,
//! `parameters`, `requestBody` and the `responses` of success; under `responses` and `schemas` what they refer to.
//! Path parameters need no more than their description and an example. `errors` lists the codes
//! that only this call can answer with. What each code means is in `openapi/errors.json`; its
//! `when` says by which rows it is taken without being listed.
//!
//! A new call needs a row, a fragment and a handler. Its query parameters are those of its
//! fragment: the server refuses others. Tests hold every fragment against the running server:
//! its examples are sent, and each answer in any test of the API must be one that it allows.

mod refusals;
mod rows;

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ROUTES;
use super::route::{Access, Route};
use crate::error::{Error, Result};
use crate::http::{Method, Response};
use refusals::Codes;

/// One for each resource, in the order of the table.
const FRAGMENTS: &[(&str, &str)] = &[
    ("status", include_str!("openapi/status.json")),
    ("auth", include_str!("openapi/auth.json")),
    ("tokens", include_str!("openapi/tokens.json")),
    ("users", include_str!("openapi/users.json")),
    ("audit", include_str!("openapi/audit.json")),
    ("links", include_str!("openapi/links.json")),
    ("scripts", include_str!("openapi/scripts.json")),
    ("operations", include_str!("openapi/operations.json")),
    ("tables", include_str!("openapi/tables.json")),
    ("terminal", include_str!("openapi/terminal.json")),
    ("recordings", include_str!("openapi/recordings.json")),
    ("git", include_str!("openapi/git.json")),
];

/// What stands in front of everything, for people.
const INTRODUCTION: &str = include_str!("openapi/introduction.md");

/// Calls of one resource.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fragment {
    tag: Tag,
    operations: BTreeMap<String, Described>,
    /// Answers that several calls give.
    #[serde(default)]
    responses: Map<String, Value>,
    #[serde(default)]
    schemas: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tag {
    name: String,
    description: String,
}

/// What a row cannot say about its call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Described {
    summary: String,
    description: Option<String>,
    #[serde(default)]
    parameters: Vec<Value>,
    request_body: Option<Value>,
    responses: BTreeMap<String, Value>,
    #[serde(default)]
    errors: Vec<String>,
}

/// The document, and what it says about the queries of calls.
pub struct Document {
    bytes: Vec<u8>,
    query: HashMap<&'static str, Vec<String>>,
}

impl Document {
    /// Makes the document.
    ///
    /// # Errors
    /// Rows and fragments do not fit together, which is a fault of the build.
    pub fn new() -> Result<Document> {
        let mut fragments = FRAGMENTS
            .iter()
            .map(|(name, text)| parse(name, text))
            .collect::<Result<Vec<Fragment>>>()?;
        let mut codes = Codes::new()?;
        let (mut paths, mut query) = (Map::new(), HashMap::new());
        for route in ROUTES {
            let (tag, described) = take(&mut fragments, route.id)?;
            query.insert(route.id, query_of(route, &described));
            let operation = operation(route, &tag, described, &mut codes)?;
            paths.entry(route.template).or_insert_with(|| json!({}))
                [route.method.as_str().to_lowercase()] = operation;
        }
        let document = whole(paths, fragments, codes)?;
        Ok(Document { bytes: document.to_string().into_bytes(), query })
    }

    /// Its JSON text.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The parameters that the call's query can have.
    pub(super) fn query(&self, route: &Route) -> &[String] {
        self.query.get(route.id).map_or(&[], Vec::as_slice)
    }
}

/// `GET /api/openapi.json`
pub(super) fn show(document: &Document) -> Result<Response> {
    Ok(Response::json(200, document.bytes().to_vec()))
}

fn parse<T: for<'a> Deserialize<'a>>(name: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| fault(&format!("{name}.json: {error}")))
}

fn fault(text: &str) -> Error {
    Error::Internal(format!("the OpenAPI document cannot be made: {text}"))
}

/// Takes a call out of its fragment: what is left belongs to no row.
fn take(fragments: &mut [Fragment], id: &str) -> Result<(String, Described)> {
    fragments
        .iter_mut()
        .find_map(|one| Some((one.tag.name.clone(), one.operations.remove(id)?)))
        .ok_or_else(|| fault(&format!("no fragment describes {id}")))
}

fn query_of(route: &Route, described: &Described) -> Vec<String> {
    let named = described.parameters.iter().filter(|one| one["in"] == "query");
    let names = named.filter_map(|one| one["name"].as_str());
    let ticket = matches!(route.access, Access::Ticket(_)).then_some("ticket");
    names.chain(ticket).map(str::to_owned).collect()
}

fn operation(route: &Route, tag: &str, described: Described, codes: &mut Codes) -> Result<Value> {
    let description = described.description.iter().cloned().chain(who(route));
    let mut operation = json!({
        "operationId": route.id,
        "tags": [tag],
        "summary": described.summary,
        "description": description.collect::<Vec<_>>().join("\n\n"),
        "security": security(route),
    });
    if let Some(act) = route.access.act() {
        operation["x-required-role"] = act.needs().as_str().into();
    }
    if let Some(action) = route.audit {
        operation["x-audit-action"] = action.into();
    }
    let refusals = codes.refusals(route, takes_json(route, &described), &described.errors)?;
    let parameters = parameters(route, described.parameters)?;
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = described.request_body {
        operation["requestBody"] = body;
    }
    let successes = described.responses.into_iter().map(numbered);
    operation["responses"] = successes.chain(refusals).collect::<Map<_, _>>().into();
    Ok(operation)
}

/// Every answer has a request id.
fn numbered((name, mut response): (String, Value)) -> (String, Value) {
    if response.get("$ref").is_none() {
        response["headers"]["X-Request-Id"] = refusals::header("X-Request-Id");
    }
    (name, response)
}

/// Who may make the call, in words.
fn who(route: &Route) -> Option<String> {
    let role = route.access.act().map(|act| act.needs().as_str());
    Some(match (route.access, role) {
        (Access::Ticket(_), Some(role)) => {
            format!("Needs the role `{role}`, by token or by ticket.")
        }
        (_, Some(role)) => format!("Needs the role `{role}`."),
        (_, None) => "Open to everybody.".to_owned(),
    })
}

fn security(route: &Route) -> Value {
    match route.access {
        Access::Open => json!([]),
        Access::May(_) => json!([{ "bearer": [] }]),
        Access::Ticket(_) => json!([{ "bearer": [] }, { "ticket": [] }]),
    }
}

/// Whether the body is read as JSON: also by calls that take none, which refuse one.
fn takes_json(route: &Route, described: &Described) -> bool {
    let other = |body: &Value| body["content"].get("application/json").is_none();
    route.method != Method::Get && !described.request_body.as_ref().is_some_and(other)
}

/// Those of the path come first, in its order, and are required.
fn parameters(route: &Route, mut described: Vec<Value>) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for name in route.parameters() {
        let same = |one: &Value| one["in"] == "path" && one["name"] == name;
        let at = described.iter().position(same);
        let at = at.ok_or_else(|| fault(&format!("{} has no parameter {name}", route.id)))?;
        let mut one = described.remove(at);
        one["required"] = true.into();
        all.push(one);
    }
    match described.iter().find(|one| one["in"] == "path") {
        Some(other) => Err(fault(&format!("the path of {} lacks {}", route.id, other["name"]))),
        None => Ok(all.into_iter().chain(described).collect()),
    }
}

fn whole(paths: Map<String, Value>, fragments: Vec<Fragment>, codes: Codes) -> Result<Value> {
    let mut schemas = Map::from_iter([("Error".to_owned(), codes.schema())]);
    let mut responses = codes.responses();
    let mut tags = Vec::new();
    for Fragment { tag, operations, responses: shared, schemas: more } in fragments {
        if let Some(id) = operations.keys().next() {
            return Err(fault(&format!("no row is named {id}")));
        }
        tags.push(json!({ "name": tag.name, "description": tag.description }));
        add(&mut responses, shared.into_iter().map(numbered))?;
        add(&mut schemas, more)?;
    }
    add(&mut schemas, rows::schemas())?;
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "LinkOps",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": INTRODUCTION,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/", "description": "The server that gave this document" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "headers": refusals::headers(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `POST /api/auth/login`.",
                },
                "ticket": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "ticket",
                    "description": "A ticket of `POST /api/auth/ticket`: good once, for 30 s.",
                },
            },
        },
    }))
}

fn add(
    all: &mut Map<String, Value>,
    more: impl IntoIterator<Item = (String, Value)>,
) -> Result<()> {
    for (name, value) in more {
        if all.insert(name.clone(), value).is_some() {
            return Err(fault(&format!("{name} stands in two fragments")));
        }
    }
    Ok(())
}
