//! The wire contract: which calls there are, who may make them, and what they look like. This file
//! is the table of calls; each resource has a file with its JSON shapes beside its handlers.

mod auth;
mod error;
mod events;
mod git;
mod json;
mod links;
mod operations;
mod scripts;
mod status;

use std::sync::Arc;

pub use error::wording;

use crate::auth::{Act, Auth, Caller};
use crate::enrollment::Enrollment;
use crate::error::{Error, Noun, Result};
use crate::http::{Method, Request, Response};
use crate::inventory::catalogue::Catalogue;
use crate::inventory::sync::Sync;
use crate::operations::Operations;
use crate::store::Store;

/// What the handlers work on; each gets the one or two that it needs.
pub struct Api {
    /// Who is calling.
    pub auth: Arc<Auth>,
    /// The inventory's lists.
    pub store: Arc<Store>,
    /// The scripts' texts.
    pub catalogue: Arc<Catalogue>,
    /// Checks of client ids.
    pub enrollment: Enrollment,
    /// Runs of scripts.
    pub operations: Arc<Operations>,
    /// The repository.
    pub sync: Arc<Sync>,
}

type Open<'a> = Box<dyn FnOnce(&Api, &Request) -> Result<Response> + 'a>;
type Closed<'a> = Box<dyn FnOnce(&Api, &Request, &Caller) -> Result<Response> + 'a>;

/// How a call is answered, and for whom.
enum Route<'a> {
    /// For everybody.
    Open(Open<'a>),
    /// For callers who may do this.
    May(Act, Closed<'a>),
    /// The same, where a browser can send no header: a ticket in the query will do.
    Ticket(Act, Closed<'a>),
}

/// The table of calls: section 3 of the contract, in its order.
#[rustfmt::skip]
fn route<'a>(method: &Method, path: &[&'a str]) -> Option<Route<'a>> {
    use Act::{ReadInventory, ReadOperations, ReadSync, Run, Stop, UseOwnAccount, Verify};
    use Method::{Get, Post};
    Some(match (method, path) {
        (Get, ["health"]) => open(|_, _| status::alive()),
        (Post, ["api", "auth", "login"]) => open(|api, call| auth::login(&api.auth, call)),
        (Get, ["api", "auth", "me"]) => may(UseOwnAccount, |_, _, caller| auth::me(caller)),
        (Post, ["api", "auth", "refresh"]) => may(UseOwnAccount, |api, call, caller| auth::refresh(&api.auth, call, caller)),
        (Post, ["api", "auth", "logout"]) => may(UseOwnAccount, |api, call, caller| auth::logout(&api.auth, call, caller)),
        (Post, ["api", "auth", "password"]) => may(UseOwnAccount, |api, call, caller| auth::password(&api.auth, call, caller)),
        (Post, ["api", "auth", "ticket"]) => may(UseOwnAccount, |api, call, caller| auth::ticket(&api.auth, call, caller)),
        (Get, ["api", "links"]) => may(ReadInventory, |api, call, _| links::list(&api.store, call)),
        (Get, ["api", "links", id]) => may(ReadInventory, |api, _, _| links::one(&api.store, id)),
        (Post, ["api", "links", "verify"]) => may(Verify, |api, call, _| links::verify_many(&api.store, &api.enrollment, call)),
        (Post, ["api", "links", id, "verify"]) => may(Verify, |api, call, _| links::verify(&api.enrollment, call, id)),
        (Get, ["api", "scripts"]) => may(ReadInventory, |api, call, _| scripts::list(&api.store, call)),
        (Get, ["api", "scripts", id]) => may(ReadInventory, |api, _, _| scripts::one(&api.store, &api.catalogue, id)),
        (Post, ["api", "operations", "run"]) => may(Run, |api, call, caller| operations::run(&api.operations, call, caller)),
        (Get, ["api", "operations"]) => may(ReadOperations, |api, call, _| operations::list(&api.operations, call)),
        (Get, ["api", "operations", id]) => may(ReadOperations, |api, _, _| operations::one(&api.operations, id)),
        (Get, ["api", "operations", id, "events"]) => ticket(ReadOperations, |api, call, _| events::stream(&api.operations, call, id)),
        (Post, ["api", "operations", id, "stop"]) => may(Stop, |api, call, caller| operations::stop(&api.operations, call, caller, id)),
        (Get, ["api", "git", "status"]) => may(ReadSync, |api, _, _| git::status(&api.sync)),
        (Post, ["api", "git", "sync"]) => may(Act::Sync, |api, call, _| git::sync(&api.sync, call)),
        _ => return None,
    })
}

fn open<'a>(handler: impl FnOnce(&Api, &Request) -> Result<Response> + 'a) -> Route<'a> {
    Route::Open(Box::new(handler))
}

fn may<'a>(
    act: Act,
    handler: impl FnOnce(&Api, &Request, &Caller) -> Result<Response> + 'a,
) -> Route<'a> {
    Route::May(act, Box::new(handler))
}

fn ticket<'a>(
    act: Act,
    handler: impl FnOnce(&Api, &Request, &Caller) -> Result<Response> + 'a,
) -> Route<'a> {
    Route::Ticket(act, Box::new(handler))
}

impl Api {
    /// Answers a request. Every failure has the structured body of section 4 (R12.5, P36).
    pub fn handle(&self, request: &Request) -> Response {
        self.answer(request).unwrap_or_else(|error| error::reply(&error, request))
    }

    fn answer(&self, request: &Request) -> Result<Response> {
        let path: Vec<&str> = request.segments().iter().map(String::as_str).collect();
        // A HEAD is a GET whose body is not sent.
        let method = if request.method == Method::Head { &Method::Get } else { &request.method };
        match route(method, &path) {
            Some(Route::Open(handler)) => handler(self, request),
            Some(Route::May(act, handler)) => {
                let caller = self.auth.authenticate(bearer(request))?;
                caller.require(act)?;
                handler(self, request, &caller)
            }
            Some(Route::Ticket(act, handler)) => {
                let caller = match (bearer(request), request.query("ticket")) {
                    (None, Some(ticket)) => self.auth.redeem(ticket)?,
                    (token, _) => self.auth.authenticate(token)?,
                };
                caller.require(act)?;
                handler(self, request, &caller)
            }
            None => self.no_route(request, &path),
        }
    }

    /// Strangers are not told which calls there are.
    fn no_route(&self, request: &Request, path: &[&str]) -> Result<Response> {
        let mut allowed: Vec<&str> =
            [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete]
                .iter()
                .filter(|method| route(method, path).is_some())
                .map(Method::as_str)
                .collect();
        if allowed.first() == Some(&"GET") {
            allowed.insert(1, "HEAD");
        }
        let open = matches!(route(&Method::Post, path), Some(Route::Open(_)))
            || matches!(route(&Method::Get, path), Some(Route::Open(_)));
        if path.first() == Some(&"api") && !open {
            self.auth.authenticate(bearer(request))?;
        }
        if allowed.is_empty() {
            return Err(Error::not_found(Noun::Path, &request.path));
        }
        Ok(error::method_not_allowed(&allowed.join(", "), request))
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750 section 2.1); the scheme's case is free.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
