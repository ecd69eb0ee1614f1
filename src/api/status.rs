//! Whether the server is there.

use serde_json::json;

use super::json;
use crate::error::Result;
use crate::http::Response;

/// `GET /health`
pub(super) fn alive() -> Result<Response> {
    json::reply(200, &json!({ "status": "healthy", "version": env!("CARGO_PKG_VERSION") }))
}
