//! Whether the server is there, and what it stands on.

use serde_json::{Map, Value, json};

use super::json;
use crate::error::Result;
use crate::health::vitals::{State, Vitals};
use crate::http::Response;

/// `GET /health`
pub(super) fn alive() -> Result<Response> {
    json::reply(200, &json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /api/health`: 503 when something that is needed is down.
pub(super) fn components(vitals: &Vitals) -> Result<Response> {
    let found = vitals.look();
    let down = found.iter().any(|one| one.state == State::Down);
    let components: Map<String, Value> = found
        .into_iter()
        .map(|one| {
            let body = json!({ "status": one.state.as_str(), "detail": one.detail });
            (one.name.to_owned(), body)
        })
        .collect();
    let body = json!({
        "status": if down { "unhealthy" } else { "healthy" },
        "version": env!("CARGO_PKG_VERSION"),
        "components": components,
    });
    json::reply(if down { 503 } else { 200 }, &body)
}
