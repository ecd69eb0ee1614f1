//! Calls of people and programs about themselves.

use serde::Deserialize;
use serde_json::{Value, json};

use super::json;
use super::limits::Limits;
use super::route::Call;
use crate::auth::{Auth, Caller, Session, User};
use crate::clock::rfc3339;
use crate::error::Result;
use crate::http::{Request, Response};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    username: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    current_password: String,
    new_password: String,
}

/// `POST /api/auth/login`
pub(super) fn login(auth: &Auth, limits: &Limits, call: &Call<'_>) -> Result<Response> {
    limits.login(call.request.client)?;
    let Login { username, password } = json::decode(call.request)?;
    let session = auth.login(&username, &password, &call.actor)?;
    json::reply(200, &signed_in(&session))
}

/// `GET /api/auth/me`
pub(super) fn me(caller: &Caller) -> Result<Response> {
    let user = User { username: caller.username.clone(), role: caller.role };
    let mut body = shape(&user);
    body["expires_at"] = rfc3339(caller.token.expires_at).into();
    json::reply(200, &body)
}

/// `POST /api/auth/refresh`
pub(super) fn refresh(auth: &Auth, request: &Request, caller: &Caller) -> Result<Response> {
    json::decode_nothing(request)?;
    json::reply(200, &signed_in(&auth.refresh(caller)?))
}

/// `POST /api/auth/logout`
pub(super) fn logout(auth: &Auth, call: &Call<'_>) -> Result<Response> {
    json::decode_nothing(call.request)?;
    auth.logout(call.caller()?, &call.actor)?;
    json::reply(200, &json!({ "success": true }))
}

/// `POST /api/auth/password`
pub(super) fn password(auth: &Auth, call: &Call<'_>) -> Result<Response> {
    let Password { current_password: current, new_password: new } = json::decode(call.request)?;
    let session = auth.change_password(call.caller()?, &current, &new, &call.actor)?;
    json::reply(200, &signed_in(&session))
}

/// `POST /api/auth/ticket`
pub(super) fn ticket(auth: &Auth, request: &Request, caller: &Caller) -> Result<Response> {
    json::decode_nothing(request)?;
    let ticket = auth.ticket(caller)?;
    json::reply(200, &json!({ "ticket": ticket.ticket, "expires_in": ticket.expires_in }))
}

fn signed_in(session: &Session) -> Value {
    json!({
        "success": true,
        "token": session.token,
        "expires_at": rfc3339(session.expires_at),
        "user": shape(&session.user),
    })
}

fn shape(user: &User) -> Value {
    json!({ "username": user.username, "role": user.role.as_str() })
}
