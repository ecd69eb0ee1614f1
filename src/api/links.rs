//! Machines and their enrolment.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::route::Call;
use super::{error, json};
use crate::clock::rfc3339;
use crate::enrollment::{Checked, Enrollment};
use crate::error::{Error, Result};
use crate::health::{self, Point};
use crate::http::{Request, Response};
use crate::inventory::{self, Filter, Kind, Machine, Sort, Status};
use crate::store::Store;

/// A machine as clients see it; some names are camelCase, as the contract has them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    provider: Option<&'a str>,
    icon: Option<&'a str>,
    tags: &'a [String],
    enrolled: bool,
    enrollment_id: &'a str,
    enrollment_required: bool,
    enrollment_verified_at: Option<i64>,
    ssh: Ssh<'a>,
    health: Answer,
    status: &'a str,
    metadata: &'a serde_json::Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ssh<'a> {
    host: &'a str,
    port: u16,
    user: &'a str,
    proxy_jump: Option<&'a str>,
    key_ref: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    reachable: bool,
    latency: Option<u32>,
    last_seen: Option<i64>,
}

/// The result of a check.
#[derive(Serialize)]
struct Verified<'a> {
    enrolled: bool,
    client_id_found: bool,
    client_id_matches: bool,
    error: Option<&'a str>,
    verified_at: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct VerifyMany {
    targets: Option<Vec<String>>,
}

/// `GET /api/links`
pub(super) fn list(store: &Store, request: &Request) -> Result<Response> {
    let filter = Filter {
        kind: request.query("type").map(|word| Kind::named("type", word)).transpose()?,
        status: request.query("status").map(|word| Status::named("status", word)).transpose()?,
        enrolled: json::flag(request, "enrolled")?,
        tag: request.query("tag").map(str::to_owned),
    };
    let sort =
        Sort::parse(request.query("sort").unwrap_or("id"), request.query("dir").unwrap_or("asc"))?;
    let machines = store.read(|db| inventory::store::machines(db, &filter, sort))?;
    json::reply(200, &machines.iter().map(shape).collect::<Vec<_>>())
}

/// `GET /api/links/{id}`
pub(super) fn one(store: &Store, id: &str) -> Result<Response> {
    json::reply(200, &shape(&store.read(|db| inventory::store::machine(db, id))?))
}

/// `POST /api/links/{id}/verify`
pub(super) fn verify(enrollment: &Enrollment, call: &Call<'_>) -> Result<Response> {
    json::decode_nothing(call.request)?;
    let id = call.path("id")?;
    let ids = vec![id.to_owned()];
    let checked = enrollment
        .verify_many(ids, &call.actor, call.request.deadline)?
        .remove(id)
        .ok_or_else(|| Error::Internal(format!("the check of {id:?} has no result")))?;
    if checked.reached {
        return json::reply(200, &verified(&checked));
    }
    let details = json!(verified(&checked));
    let message = format!("{id}: {}", checked.error.as_deref().unwrap_or("not reached"));
    Ok(error::with_details(503, "SSH_CONNECTION_FAILED", &message, &details, call.request))
}

/// `POST /api/links/verify`
pub(super) fn verify_many(enrollment: &Enrollment, call: &Call<'_>) -> Result<Response> {
    let VerifyMany { targets } = json::decode_or_default(call.request)?;
    let until = call.request.deadline;
    let results = match targets {
        Some(mut targets) => {
            targets.sort();
            targets.dedup();
            enrollment.verify_many(targets, &call.actor, until)?
        }
        None => enrollment.verify_all(&call.actor, until)?,
    };
    let shapes: serde_json::Map<_, _> =
        results.iter().map(|(id, checked)| (id.clone(), json!(verified(checked)))).collect();
    json::reply(200, &shapes)
}

/// `GET /api/links/{id}/health`
pub(super) fn history(store: &Store, request: &Request, id: &str) -> Result<Response> {
    let limit = json::number(request, "limit", 288, 1..=10_000)?;
    let checks = store.read(|db| {
        inventory::store::machine(db, id)?; // one without checks is not one that does not exist
        health::store::history(db, id, limit)
    })?;
    let checks: Vec<_> = checks
        .iter()
        .map(|Point { at, latency, error }| {
            json!({ "at": at, "reachable": latency.is_some(), "latency": latency, "error": error })
        })
        .collect();
    json::reply(200, &json!({ "id": id, "checks": checks }))
}

/// `GET /api/links/health`: the newest checks of all machines.
pub(super) fn histories(store: &Store, request: &Request) -> Result<Response> {
    let points = json::number(request, "points", 24, 1..=288)?;
    let machines = store.read(|db| health::store::histories(db, points))?;
    let shape = |Point { at, latency, .. }: &Point| json!({ "at": at, "reachable": latency.is_some(), "latency": latency });
    let machines: serde_json::Map<_, _> =
        machines.into_iter().map(|(id, points)| (id, points.iter().map(shape).collect())).collect();
    json::reply(200, &machines)
}

fn shape(machine: &Machine) -> Link<'_> {
    let Machine { enrollment, health, .. } = machine;
    Link {
        id: &machine.id,
        name: &machine.name,
        kind: machine.kind.as_str(),
        provider: machine.provider.as_deref(),
        icon: machine.icon.as_deref(),
        tags: &machine.tags,
        enrolled: enrollment.enrolled,
        enrollment_id: &enrollment.id,
        enrollment_required: enrollment.required,
        enrollment_verified_at: enrollment.verified_at,
        ssh: Ssh {
            host: &machine.host,
            port: machine.port,
            user: &machine.user,
            proxy_jump: machine.proxy_jump.as_deref(),
            key_ref: machine.key_ref.as_deref(),
        },
        health: Answer {
            reachable: health.reachable(),
            latency: health.latency,
            last_seen: health.last_seen,
        },
        status: health.status.as_str(),
        metadata: &machine.metadata,
    }
}

fn verified(checked: &Checked) -> Verified<'_> {
    Verified {
        enrolled: checked.enrolled,
        client_id_found: checked.client_id_found,
        client_id_matches: checked.client_id_matches,
        error: checked.error.as_deref(),
        verified_at: rfc3339(checked.verified_at),
    }
}
