//! Users, for administrators.

use serde::Deserialize;
use serde_json::{Value, json};

use super::json;
use super::route::Call;
use crate::auth::{Auth, Change, Listed, Role};
use crate::clock::rfc3339;
use crate::error::{Error, Result};
use crate::http::Response;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    username: String,
    role: Role,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    role: Option<Role>,
    password: Option<String>,
}

/// `GET /api/users`
pub(super) fn list(auth: &Auth) -> Result<Response> {
    json::reply(200, &auth.list_users()?.iter().map(shape).collect::<Vec<_>>())
}

/// `POST /api/users`
pub(super) fn add(auth: &Auth, call: &Call<'_>) -> Result<Response> {
    let New { username, role, password } = json::decode(call.request)?;
    json::reply(201, &shape(&auth.add_user(&username, role, &password, &call.actor)?))
}

/// `PATCH /api/users/{name}`
pub(super) fn change(auth: &Auth, call: &Call<'_>) -> Result<Response> {
    let Changes { role, password } = json::decode(call.request)?;
    if role.is_none() && password.is_none() {
        return Err(Error::invalid("role", "give a role, a password, or both"));
    }
    let change = Change { role, password: password.as_deref() };
    json::reply(200, &shape(&auth.change_user(call.path("name")?, &change, &call.actor)?))
}

/// `DELETE /api/users/{name}`
pub(super) fn remove(auth: &Auth, call: &Call<'_>) -> Result<Response> {
    json::decode_nothing(call.request)?;
    auth.remove_user(call.path("name")?, &call.actor)?;
    Ok(Response::new(204))
}

fn shape(one: &Listed) -> Value {
    json!({
        "username": one.user.username,
        "role": one.user.role.as_str(),
        "created_at": one.created_at,
        "last_login": one.last_login,
        "locked_until": one.locked_until.map(rfc3339),
    })
}
