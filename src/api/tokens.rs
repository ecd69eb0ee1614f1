//! API tokens, for scripts and CI.

use serde::Deserialize;
use serde_json::{Value, json};

use super::json;
use super::route::Call;
use crate::auth::{ApiToken, Auth, Caller, Role, Wanted};
use crate::error::Result;
use crate::http::Response;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    role: Option<Role>,
    #[serde(default = "ninety")]
    expires_in_days: u32,
}

fn ninety() -> u32 {
    90
}

/// `GET /api/tokens`
pub(super) fn list(auth: &Auth, caller: &Caller) -> Result<Response> {
    json::reply(200, &auth.list_tokens(caller)?.iter().map(shape).collect::<Vec<_>>())
}

/// `POST /api/tokens`
pub(super) fn add(auth: &Auth, call: &Call<'_>) -> Result<Response> {
    let New { name, role, expires_in_days: days } = json::decode(call.request)?;
    let wanted = Wanted { name: &name, role, days };
    let (token, text) = auth.add_token(call.caller()?, &wanted, &call.actor)?;
    let mut body = shape(&token);
    body["token"] = text.into();
    json::reply(201, &body)
}

/// `DELETE /api/tokens/{id}`
pub(super) fn remove(auth: &Auth, call: &Call<'_>) -> Result<Response> {
    json::decode_nothing(call.request)?;
    auth.remove_token(call.caller()?, call.path("id")?, &call.actor)?;
    Ok(Response::new(204))
}

fn shape(token: &ApiToken) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "username": token.username,
        "role": token.role.as_str(),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
    })
}
