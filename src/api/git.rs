//! The repository.

use serde_json::json;

use super::json;
use super::limits::Limits;
use super::route::Call;
use crate::audit::Actor;
use crate::clock::rfc3339;
use crate::error::{Error, Noun, Result};
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

/// Where the signature of a Git server stands, each with what comes before it: GitHub (and Gitea
/// for those who know GitHub), Gitea, Forgejo.
const SIGNATURES: [(&str, &str); 3] =
    [("x-hub-signature-256", "sha256="), ("x-gitea-signature", ""), ("x-forgejo-signature", "")];

/// `POST /api/git/webhook`. Whoever has signed the body is known by that, so there is no token.
pub(super) fn webhook(sync: &Sync, limits: &Limits, call: &Call<'_>) -> Result<Response> {
    let request = call.request;
    limits.stranger(request.client)?;
    let signature = SIGNATURES
        .iter()
        .find_map(|(name, before)| request.header(name)?.trim().strip_prefix(before));
    match sync.push(signature, &request.body, &call.actor)? {
        Some(queued) => json::reply(202, &json!({ "queued": queued })),
        None => Err(Error::not_found(Noun::Path, &request.path)),
    }
}
