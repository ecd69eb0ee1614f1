//! Whether the server is there, and what it stands on.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{error, json};
use crate::error::Result;
use crate::health::vitals::{Component, State, Vitals};
use crate::http::{Request, Response};

/// `GET /health`
pub(super) fn alive() -> Result<Response> {
    json::reply(200, &json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /api/health`: 503 when something that is needed is down.
pub(super) fn components(vitals: &Vitals, request: &Request) -> Result<Response> {
    let found = vitals.look();
    let down: Vec<&Component> = found.iter().filter(|one| one.state == State::Down).collect();
    let mut body = json!({
        "status": if down.is_empty() { "healthy" } else { "unhealthy" },
        "version": env!("CARGO_PKG_VERSION"),
        "components": shapes(&found),
        "latency": {
            "warning": millis(vitals.latency_warning),
            "critical": millis(vitals.latency_critical),
        },
    });
    if down.is_empty() {
        return json::reply(200, &body);
    }
    let names: Vec<&str> = down.iter().map(|one| one.name).collect();
    body["error"] = error::unhealthy(&names, request);
    json::reply(503, &body)
}

fn shapes(found: &[Component]) -> Map<String, Value> {
    let shape = |one: &Component| {
        let body = json!({ "status": one.state.as_str(), "detail": one.detail });
        (one.name.to_owned(), body)
    };
    found.iter().map(shape).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
