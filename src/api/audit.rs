//! The audit log.

use serde_json::json;

use super::json;
use crate::audit;
use crate::error::Result;
use crate::http::Response;
use crate::store::Store;

/// `GET /api/audit/verify`
pub(super) fn verify(store: &Store) -> Result<Response> {
    let verdict = audit::verify(store, None)?;
    let broken_at = verdict.broken.as_ref().map(audit::Break::id);
    if let Some(broken) = &verdict.broken {
        log::error!("the audit log was tampered with: {broken}");
    }
    let body =
        json!({ "intact": broken_at.is_none(), "rows": verdict.rows, "broken_at": broken_at });
    json::reply(200, &body)
}
