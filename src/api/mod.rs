//! The wire contract: which calls there are, who may make them, and what they look like. This file
//! is the table of calls; each resource has a file with its JSON shapes beside its handlers.
//!
//! A new call needs a row in [`ROUTES`], a fragment of the OpenAPI document ([`openapi`] says what
//! that is) with its lines in docs/API.md, and a handler in the file of its resource. A row says
//! method, path, access, the call's name, and what answers it; one that changes or opens something
//! is `audited` under the name of the act. Nothing is told twice: `Allow`, who may call, what
//! strangers see and most of the document come from the row, and which parameters a query can
//! have comes from the fragment. Handlers only read them.

mod auth;
mod error;
mod events;
mod git;
mod groups;
mod json;
mod links;
mod metrics;
mod openapi;
mod operations;
mod route;
mod runs;
mod scripts;
mod status;

use std::sync::Arc;
use std::time::Instant;

pub use error::wording;
pub use metrics::{Metrics, Sources};
pub use openapi::Document;

use route::Access::{self, May, Open, Ticket};
use route::{Call, Route, row};

use crate::auth::Act::{
    self, ReadInventory, ReadOperations, ReadServer, ReadSync, Run, Stop, UseOwnAccount, Verify,
};
use crate::auth::{Auth, Caller};
use crate::enrollment::Enrollment;
use crate::error::{Error, Noun, Result};
use crate::http::Method::{Get, Post};
use crate::http::{Request, Response};
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
    /// What is counted.
    pub metrics: Metrics,
    /// Whose figures are shown beside that.
    pub sources: Sources,
    /// Whether figures are only for those who may read everything else.
    pub metrics_auth: bool,
    /// What is said of all this.
    pub document: Document,
}

/// The table of calls: section 3 of the contract, in its order.
#[rustfmt::skip]
static ROUTES: &[Route] = &[
    row(Get, "/health", Open, "getLiveness", |_, _| status::alive()),
    row(Get, "/metrics", Open, "getMetrics", |api, call| api.figures(call.request)),
    row(Get, "/api/health", May(ReadServer), "getHealth", |api, call| status::components(&api.sources.vitals, call.request)),
    row(Get, "/api/health/links", May(ReadInventory), "listLinkHealth", |api, call| links::histories(&api.store, call.request)),
    row(Post, "/api/auth/login", Open, "login", |api, call| auth::login(&api.auth, call.request)).audited("auth.login"),
    row(Get, "/api/auth/me", May(UseOwnAccount), "getOwnAccount", |_, call| auth::me(call.caller()?)),
    row(Post, "/api/auth/refresh", May(UseOwnAccount), "refreshToken", |api, call| auth::refresh(&api.auth, call.request, call.caller()?)),
    row(Post, "/api/auth/logout", May(UseOwnAccount), "logout", |api, call| auth::logout(&api.auth, call.request, call.caller()?)).audited("auth.logout"),
    row(Post, "/api/auth/password", May(UseOwnAccount), "changeOwnPassword", |api, call| auth::password(&api.auth, call.request, call.caller()?)).audited("auth.password"),
    row(Post, "/api/auth/ticket", May(UseOwnAccount), "createTicket", |api, call| auth::ticket(&api.auth, call.request, call.caller()?)),
    row(Get, "/api/links", May(ReadInventory), "listLinks", |api, call| links::list(&api.store, call.request)),
    row(Get, "/api/links/{id}", May(ReadInventory), "getLink", |api, call| links::one(&api.store, call.path("id")?)),
    row(Get, "/api/links/{id}/health", May(ReadInventory), "getLinkHealth", |api, call| links::history(&api.store, call.request, call.path("id")?)),
    row(Post, "/api/links/verify", May(Verify), "verifyLinks", |api, call| links::verify_many(&api.store, &api.enrollment, call.request)).audited("link.verify"),
    row(Post, "/api/links/{id}/verify", May(Verify), "verifyLink", |api, call| links::verify(&api.enrollment, call.request, call.path("id")?)).audited("link.verify"),
    row(Get, "/api/scripts", May(ReadInventory), "listScripts", |api, _| scripts::list(&api.store)),
    row(Get, "/api/scripts/{id}", May(ReadInventory), "getScript", |api, call| scripts::one(&api.store, &api.catalogue, call.path("id")?)),
    row(Post, "/api/operations/run", May(Run), "runOperation", |api, call| runs::run(&api.operations, call.request, call.caller()?)).audited("operation.run"),
    row(Get, "/api/operations", May(ReadOperations), "listOperations", |api, call| operations::list(&api.operations, call.request)),
    row(Get, "/api/operations/{id}", May(ReadOperations), "getOperation", |api, call| operations::one(&api.operations, call.path("id")?)),
    row(Get, "/api/operations/{id}/events", Ticket(ReadOperations), "streamOperationEvents", |api, call| events::stream(&api.operations, call.request, call.path("id")?)),
    row(Post, "/api/operations/{id}/stop", May(Stop), "stopOperation", |api, call| operations::stop(&api.operations, call.request, call.caller()?, call.path("id")?)).audited("operation.stop"),
    row(Post, "/api/operations/{id}/retry", May(Run), "retryOperation", |api, call| runs::retry(&api.operations, call.request, call.caller()?, call.path("id")?)).audited("operation.retry"),
    row(Get, "/api/operations/{id}/groups", May(ReadOperations), "groupOperation", |api, call| groups::show(&api.operations, call.request, call.path("id")?)),
    row(Get, "/api/git/status", May(ReadSync), "getSyncStatus", |api, _| git::status(&api.sync)),
    row(Post, "/api/git/sync", May(Act::Sync), "sync", |api, call| git::sync(&api.sync, call.request)).audited("sync.run"),
    row(Get, "/api/openapi.json", May(ReadServer), "getOpenApi", |api, _| openapi::show(&api.document)),
];

impl Api {
    /// Answers a request. Every failure has the structured body of section 4 (R12.5, P36).
    pub fn handle(&self, request: &Request) -> Response {
        let begun = Instant::now();
        let route = route::find(ROUTES, &request.method, request.segments());
        let answer = match route {
            Some(route) => self.answer(route, request),
            None => self.no_route(request),
        };
        let response = answer.unwrap_or_else(|error| error::reply(&error, request));
        self.metrics.count(route, response.status(), begun.elapsed());
        response
    }

    fn answer(&self, route: &'static Route, request: &Request) -> Result<Response> {
        let caller = self.admit(route.access, request)?;
        json::known_parameters(request, self.document.query(route))?;
        (route.handler)(self, &Call { request, route, caller: caller.as_ref() })
    }

    /// Who is calling, when they may make the call; none when everybody may.
    fn admit(&self, access: Access, request: &Request) -> Result<Option<Caller>> {
        let (act, ticket) = match access {
            Open => return Ok(None),
            May(act) => (act, None),
            Ticket(act) => (act, request.query("ticket")),
        };
        let caller = match (bearer(request), ticket) {
            (None, Some(ticket)) => self.auth.redeem(ticket)?,
            (token, _) => self.auth.authenticate(token)?,
        };
        caller.require(act)?;
        Ok(Some(caller))
    }

    /// Scrapers of figures often have no token; whether they need one is configured.
    fn figures(&self, request: &Request) -> Result<Response> {
        if self.metrics_auth {
            self.auth.authenticate(bearer(request))?.require(ReadServer)?;
        }
        metrics::show(&self.metrics, &self.sources)
    }

    /// Strangers are not told which calls there are.
    fn no_route(&self, request: &Request) -> Result<Response> {
        let path = request.segments();
        let open = route::at(ROUTES, path).any(Route::is_open);
        if path.first().is_some_and(|first| first == "api") && !open {
            self.auth.authenticate(bearer(request))?;
        }
        match &route::allowed(ROUTES, path)[..] {
            [] => Err(Error::not_found(Noun::Path, &request.path)),
            allowed => Ok(error::method_not_allowed(&allowed.join(", "), request)),
        }
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750 section 2.1); the scheme's case is free.
fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
