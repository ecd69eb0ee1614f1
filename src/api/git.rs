//! The repository.

use serde_json::json;

use super::json;
use crate::audit::Actor;
use crate::clock::rfc3339;
use crate::error::Result;
use crate::http::{Request, Response};
use crate::inventory::sync::Sync;

/// `GET /api/git/status`
pub(super) fn status(sync: &Sync) -> Result<Response> {
    let status = sync.status()?;
    let body = json!({
        "status": status.phase.as_str(),
        "last_sync": status.last_sync.map(rfc3339),
        "commit_hash": status.commit_hash,
        "error": status.error,
        "repository_url": status.repository_url,
        "branch": status.branch,
        "next_sync": status.next_sync.map(rfc3339),
    });
    json::reply(200, &body)
}

/// `POST /api/git/sync`
pub(super) fn sync(sync: &Sync, request: &Request, actor: &Actor) -> Result<Response> {
    json::decode_nothing(request)?;
    let outcome = sync.sync_by(actor)?;
    let body = json!({
        "success": true,
        "commit_hash": outcome.commit,
        "timestamp": rfc3339(outcome.timestamp),
        "error": null,
        "links": outcome.links,
        "scripts": outcome.scripts,
    });
    json::reply(200, &body)
}
