//! The refusals of the document: which codes a call can answer with, and what they look like.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{fault, parse};
use crate::api::route::{Access, Route};
use crate::auth::Role;
use crate::error::Result;

/// What a code is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    status: u16,
    #[serde(default)]
    when: When,
    description: String,
    /// The schema of `details`; nothing stands in them when there is none.
    details: Option<Value>,
    /// Header fields that come with it.
    #[serde(default)]
    headers: Vec<String>,
}

/// Which calls can answer with it.
#[derive(Deserialize, Default, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum When {
    /// Those whose fragment lists it.
    #[default]
    Listed,
    /// All.
    Always,
    /// Those that are not open.
    Token,
    /// Those that need more than the least role, or more than an API token; one that may need it
    /// lists the code.
    Role,
    /// Those that read a body of JSON.
    Body,
    /// None: another method was used, or the request did not come as far as the call.
    Default,
}

/// The codes, and the answers made of them so far.
pub(super) struct Codes {
    codes: Map<String, Value>,
    known: BTreeMap<String, Code>,
    responses: BTreeMap<String, Value>,
}

impl Codes {
    pub(super) fn new() -> Result<Codes> {
        let text = include_str!("errors.json");
        let (codes, known) = (parse("errors", text)?, parse("errors", text)?);
        Ok(Codes { codes, known, responses: BTreeMap::new() })
    }

    /// What a call can be answered beside success, by status.
    ///
    /// # Errors
    /// A listed code is not known, or need not be listed.
    pub(super) fn refusals(
        &mut self,
        route: &Route,
        takes_json: bool,
        listed: &[String],
    ) -> Result<Vec<(String, Value)>> {
        // An open call may ask for a token all the same, when it is configured so.
        let open = route.access == Access::Open;
        let more =
            route.access.act().is_some_and(|act| act.needs() > Role::Viewer || act.needs_login());
        let may_list = |name: &&String| match self.known.get(*name).map(|code| code.when) {
            Some(When::Listed) => true,
            Some(When::Token) => open,
            Some(When::Role) => !more,
            _ => false,
        };
        if let Some(name) = listed.iter().find(|name| !may_list(name)) {
            let text = format!("{} lists {name}, which errors.json does not leave to it", route.id);
            return Err(fault(&text));
        }
        let lists = |name: &str| listed.iter().any(|one| one == name);
        let applies = |name: &str, when: When| match when {
            When::Listed => lists(name),
            When::Always => true,
            When::Token => !open || lists(name),
            When::Role => more || lists(name),
            When::Body => takes_json,
            When::Default => false,
        };
        let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for (name, code) in self.in_order().filter(|(name, code)| applies(name, code.when)) {
            by_status.entry(code.status).or_default().push(name);
        }
        let default = self.in_order().filter(|(_, code)| code.when == When::Default);
        let default = default.map(|(name, _)| name).collect();
        let rows = by_status.into_iter().map(|(status, names)| (status.to_string(), names));
        let rows = rows.chain([("default".to_owned(), default)]);
        let made: Vec<_> = rows
            .map(|(status, names)| {
                let name = if status == "default" { "Other".to_owned() } else { names.join("-") };
                (status, name, self.response(&names))
            })
            .collect();
        let refer = |name: &str| json!({ "$ref": format!("#/components/responses/{name}") });
        let refusals = made.iter().map(|(status, name, _)| (status.clone(), refer(name))).collect();
        self.responses.extend(made.into_iter().map(|(_, name, response)| (name, response)));
        Ok(refusals)
    }

    /// The codes in the order of the file.
    fn in_order(&self) -> impl Iterator<Item = (&str, &Code)> {
        self.codes.keys().filter_map(|name| Some((name.as_str(), self.known.get(name)?)))
    }

    /// The answer that has one of these codes.
    fn response(&self, names: &[&str]) -> Value {
        let codes: Vec<_> = self.in_order().filter(|(name, _)| names.contains(name)).collect();
        let lines = codes.iter().map(|(name, code)| format!("`{name}`: {}", code.description));
        let description = lines.collect::<Vec<_>>().join("\n\n");
        let mut schema = json!({ "$ref": "#/components/schemas/Error" });
        match &codes[..] {
            [(name, code)] => schema["properties"] = narrowed(name, code),
            many => {
                let each =
                    many.iter().map(|(name, code)| json!({ "properties": narrowed(name, code) }));
                schema["anyOf"] = each.collect();
            }
        }
        let named: BTreeSet<&String> = codes.iter().flat_map(|(_, code)| &code.headers).collect();
        let headers = std::iter::once("X-Request-Id").chain(named.into_iter().map(String::as_str));
        let headers: Map<_, _> = headers.map(|name| (name.to_owned(), header(name))).collect();
        json!({
            "description": description,
            "headers": headers,
            "content": { "application/json": { "schema": schema } },
        })
    }

    /// The body of all failures.
    pub(super) fn schema(&self) -> Value {
        let codes: Vec<&str> = self.in_order().map(|(name, _)| name).collect();
        json!({
            "description": "The body of every failure.",
            "type": "object",
            "required": ["error"],
            "additionalProperties": false,
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["code", "message", "details", "timestamp", "request_id"],
                    "additionalProperties": false,
                    "properties": {
                        "code": { "type": "string", "enum": codes },
                        "message": {
                            "description": "For people; where they can act, its second line says how.",
                            "type": "string",
                            "minLength": 1,
                        },
                        "details": { "description": "What programs may want to know; by code.", "type": "object" },
                        "timestamp": { "type": "string", "format": "date-time" },
                        "request_id": { "description": "Also in `X-Request-Id`, and in the log.", "type": "string", "minLength": 1 },
                    },
                },
                "success": { "description": "At failures of a login only.", "type": "boolean", "const": false },
                "status": { "description": "This and the next three at `UNHEALTHY` only.", "type": "string", "const": "unhealthy" },
                "version": { "type": "string" },
                "components": { "$ref": "#/components/schemas/Components" },
                "latency": { "$ref": "#/components/schemas/LatencyLimits" },
            },
            "examples": [{
                "error": {
                    "code": "LINK_NOT_FOUND",
                    "message": "there is no link \"vps-09\"",
                    "details": { "id": "vps-09" },
                    "timestamp": "2026-11-21T04:17:40.061Z",
                    "request_id": "5c3b2ed1-d",
                },
            }],
        })
    }

    /// The answers that were referred to.
    pub(super) fn responses(self) -> Map<String, Value> {
        self.responses.into_iter().collect()
    }
}

/// `Error` with this code and its details.
fn narrowed(name: &str, code: &Code) -> Value {
    let nothing = || json!({ "additionalProperties": false });
    let details = code.details.clone().unwrap_or_else(nothing);
    json!({ "error": { "properties": { "code": { "const": name }, "details": details } } })
}

/// A reference to a header field of [`headers`].
pub(super) fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

/// The header fields that answers have.
pub(super) fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The request's own, or one that was made for it; it is in the log.",
            "required": true,
            "schema": { "type": "string", "minLength": 1 },
        },
        "Retry-After": {
            "description": "Seconds after which the same request can be sent again.",
            "schema": { "type": "integer", "minimum": 1 },
        },
        "WWW-Authenticate": {
            "description": "How to say who is calling.",
            "schema": { "type": "string", "const": "Bearer" },
        },
        "Allow": {
            "description": "The methods that there are.",
            "schema": { "type": "string", "minLength": 3 },
        },
        "Upgrade": {
            "description": "What the connection has to become.",
            "schema": { "type": "string", "const": "websocket" },
        },
        "Sec-WebSocket-Version": {
            "description": "The version of WebSocket that there is.",
            "schema": { "type": "integer", "const": 13 },
        },
        "Location": {
            "description": "The path of what was made.",
            "schema": { "type": "string", "minLength": 1 },
        },
    })
}
