//! The script catalogue.

use serde_json::{Value, json};

use super::json;
use crate::error::{Error, Result};
use crate::http::Response;
use crate::inventory::catalogue::Catalogue;
use crate::inventory::{self, Script};
use crate::store::Store;

/// `GET /api/scripts`
pub(super) fn list(store: &Store) -> Result<Response> {
    let scripts = store.read(inventory::store::scripts)?;
    json::reply(200, &scripts.iter().map(shape).collect::<Vec<_>>())
}

/// `GET /api/scripts/{id}`: with its text, or with the reason why it cannot be run.
pub(super) fn one(store: &Store, catalogue: &Catalogue, id: &str) -> Result<Response> {
    let script = store.read(|db| inventory::store::script(db, id))?;
    let mut body = shape(&script);
    let (source, sha256, commit, error) = match catalogue.script_text(id) {
        Ok(text) => {
            let source = String::from_utf8_lossy(&text.text).into_owned();
            (Some(source), Some(text.sha256), Some(text.commit), None)
        }
        Err(error @ (Error::NotBash { .. } | Error::Invalid(_))) => {
            (None, None, None, Some(error.to_string()))
        }
        Err(error) => return Err(error),
    };
    body["source"] = json!(source);
    body["sha256"] = json!(sha256);
    body["commit_hash"] = json!(commit);
    body["error"] = json!(error);
    json::reply(200, &body)
}

fn shape(script: &Script) -> Value {
    json!({
        "id": script.id,
        "name": script.name,
        "emoji": script.emoji,
        "description": script.description,
        "path": script.path,
        "flags": script.flags,
        "estimatedDuration": script.estimated_duration,
        "tags": script.tags,
    })
}
