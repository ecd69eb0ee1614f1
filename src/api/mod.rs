//! The wire contract: which calls there are, who may make them, and what they look like. This file
//! is the table of calls; each resource has a file with its JSON shapes beside its handlers.
//!
//! A new call needs a row in [`ROUTES`], a fragment of the OpenAPI document ([`openapi`] says what
//! that is) with its lines in docs/API.md, and a handler in the file of its resource. A row says
//! method, path, access, the call's name, and what answers it; one that changes or opens something
//! is `audited` under the name of the act, and one that may wait long is `waiting`. Nothing is told
//! twice: `Allow`, who may call, what strangers see and most of the document come from the row, and
//! which parameters a query can have comes from the fragment. Handlers only read them.

mod audit;
mod auth;
mod error;
mod events;
mod git;
mod groups;
mod json;
mod limits;
mod links;
mod metrics;
mod openapi;
mod operations;
mod places;
mod recordings;
mod route;
mod runs;
mod scripts;
mod socket;
mod status;
mod tables;
mod terminal;
mod tokens;
mod users;

use std::sync::Arc;
use std::time::Instant;

pub use error::wording;
pub use limits::{Limits, Rates};
pub use metrics::{Metrics, Sources};
pub use openapi::Document;
pub use places::Places;

use route::Access::{self, May, Open, Ticket};
use route::{Call, Route, row};

use crate::audit::{Actor, Entry, Refusals, note};
use crate::auth::Act::{
    self, DeleteRecording, ManageOwnAccess, ManageUsers, OpenTerminal, ReadAudit, ReadInventory,
    ReadOperations, ReadServer, ReadSync, ReadTables, ReadTerminals, ReadUsers, Run, Stop,
    UseOwnAccount, Verify,
};
use crate::auth::{Auth, Caller};
use crate::clock::Clock;
use crate::enrollment::Enrollment;
use crate::error::{Error, Noun, Result};
use crate::http::Method::{Delete, Get, Patch, Post, Put};
use crate::http::{Request, Response, websocket};
use crate::inventory::catalogue::Catalogue;
use crate::inventory::sync::Sync;
use crate::operations::Operations;
use crate::store::Store;
use crate::terminal::{Recordings, Terminals};

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
    /// Shells in the browser.
    pub terminals: Arc<Terminals>,
    /// What was on them.
    pub recordings: Arc<Recordings>,
    /// How sockets are opened and kept.
    pub sockets: websocket::Settings,
    /// What is counted.
    pub metrics: Metrics,
    /// Whose figures are shown beside that.
    pub sources: Sources,
    /// Whether figures are only for those who may read everything else.
    pub metrics_auth: bool,
    /// How often they may call.
    pub limits: Limits,
    /// How many of them may wait for machines or for Git.
    pub places: Places,
    /// How many refusals the audit log is told of.
    pub refusals: Refusals,
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
    row(Post, "/api/auth/login", Open, "login", |api, call| auth::login(&api.auth, &api.limits, call)).audited("auth.login"),
    row(Get, "/api/auth/me", May(UseOwnAccount), "getOwnAccount", |_, call| auth::me(call.caller()?)),
    row(Post, "/api/auth/refresh", May(ManageOwnAccess), "refreshToken", |api, call| auth::refresh(&api.auth, call.request, call.caller()?)),
    row(Post, "/api/auth/logout", May(UseOwnAccount), "logout", |api, call| auth::logout(&api.auth, call)).audited("auth.logout"),
    row(Post, "/api/auth/password", May(ManageOwnAccess), "changeOwnPassword", |api, call| auth::password(&api.auth, call)).audited("auth.password"),
    row(Post, "/api/auth/ticket", May(UseOwnAccount), "createTicket", |api, call| auth::ticket(&api.auth, call.request, call.caller()?)),
    row(Get, "/api/tokens", May(UseOwnAccount), "listTokens", |api, call| tokens::list(&api.auth, call.caller()?)),
    row(Post, "/api/tokens", May(ManageOwnAccess), "createToken", |api, call| tokens::add(&api.auth, call)).audited("token.add"),
    row(Delete, "/api/tokens/{id}", May(ManageOwnAccess), "deleteToken", |api, call| tokens::remove(&api.auth, call)).audited("token.remove"),
    row(Get, "/api/users", May(ReadUsers), "listUsers", |api, _| users::list(&api.auth)),
    row(Post, "/api/users", May(ManageUsers), "createUser", |api, call| users::add(&api.auth, call)).audited("user.add"),
    row(Patch, "/api/users/{name}", May(ManageUsers), "changeUser", |api, call| users::change(&api.auth, call)).audited("user.change"),
    row(Delete, "/api/users/{name}", May(ManageUsers), "deleteUser", |api, call| users::remove(&api.auth, call)).audited("user.remove"),
    row(Get, "/api/audit/verify", May(ReadAudit), "verifyAuditLog", |api, _| audit::verify(&api.store)),
    row(Get, "/api/links", May(ReadInventory), "listLinks", |api, call| links::list(&api.store, call.request)),
    row(Get, "/api/links/{id}", May(ReadInventory), "getLink", |api, call| links::one(&api.store, call.path("id")?)),
    row(Get, "/api/links/{id}/health", May(ReadInventory), "getLinkHealth", |api, call| links::history(&api.store, call.request, call.path("id")?)),
    row(Post, "/api/links/verify", May(Verify), "verifyLinks", |api, call| links::verify_many(&api.enrollment, call)).audited("link.verify").waiting(),
    row(Post, "/api/links/{id}/verify", May(Verify), "verifyLink", |api, call| links::verify(&api.enrollment, call)).audited("link.verify").waiting(),
    row(Get, "/api/scripts", May(ReadInventory), "listScripts", |api, _| scripts::list(&api.store)),
    row(Get, "/api/scripts/{id}", May(ReadInventory), "getScript", |api, call| scripts::one(&api.store, &api.catalogue, call.path("id")?)),
    row(Post, "/api/operations/run", May(Run), "runOperation", |api, call| runs::run(&api.operations, call.request, &call.actor)).audited("operation.run"),
    row(Get, "/api/operations", May(ReadOperations), "listOperations", |api, call| operations::list(&api.operations, call.request)),
    row(Get, "/api/operations/{id}", May(ReadOperations), "getOperation", |api, call| operations::one(&api.operations, call.request, call.path("id")?)),
    row(Get, "/api/operations/{id}/events", Ticket(ReadOperations), "streamOperationEvents", |api, call| events::stream(&api.operations, &api.auth, call)),
    row(Post, "/api/operations/{id}/stop", May(Stop), "stopOperation", |api, call| operations::stop(&api.operations, call.request, &call.actor, call.path("id")?)).audited("operation.stop"),
    row(Post, "/api/operations/{id}/retry", May(Run), "retryOperation", |api, call| runs::retry(&api.operations, call.request, &call.actor, call.path("id")?)).audited("operation.retry"),
    row(Get, "/api/operations/{id}/groups", May(ReadOperations), "groupOperation", |api, call| groups::show(&api.operations, call.request, call.path("id")?)),
    row(Post, "/api/tables/query", May(ReadTables), "queryTable", |api, call| tables::query(&api.store, call.request, call.caller()?)),
    row(Post, "/api/terminal/workspaces", May(OpenTerminal), "createWorkspace", |api, call| terminal::create(&api.terminals, call)).audited("workspace.create"),
    row(Get, "/api/terminal/workspaces", May(ReadTerminals), "listWorkspaces", |api, _| terminal::list(&api.terminals)),
    row(Get, "/api/terminal/workspaces/{id}", May(ReadTerminals), "getWorkspace", |api, call| terminal::one(&api.terminals, call.path("id")?)),
    row(Delete, "/api/terminal/workspaces/{id}", May(OpenTerminal), "deleteWorkspace", |api, call| terminal::delete(&api.terminals, call)).audited("workspace.delete"),
    row(Put, "/api/terminal/workspaces/{id}/panes", May(OpenTerminal), "assignPanes", |api, call| terminal::assign(&api.terminals, call)).audited("workspace.assign"),
    row(Post, "/api/terminal/workspaces/{id}/connect-all", May(OpenTerminal), "connectWorkspace", |api, call| terminal::connect_all(&api.terminals, call)).audited("workspace.connect").waiting(),
    row(Get, "/api/terminal/workspaces/{id}/ws", Ticket(OpenTerminal), "openTerminal", |api, call| socket::open(&api.terminals, &api.auth, &api.sockets, call.request, call.caller()?, call.path("id")?)).audited("terminal.attach"),
    row(Get, "/api/recordings", May(ReadTerminals), "listRecordings", |api, _| recordings::list(&api.recordings)),
    row(Get, "/api/recordings/{id}", May(ReadTerminals), "getRecording", |api, call| recordings::one(&api.recordings, call)).audited("recording.read"),
    row(Delete, "/api/recordings/{id}", May(DeleteRecording), "deleteRecording", |api, call| recordings::delete(&api.recordings, call)).audited("recording.delete"),
    row(Get, "/api/git/status", May(ReadSync), "getSyncStatus", |api, _| git::status(&api.sync)),
    row(Post, "/api/git/sync", May(Act::Sync), "sync", |api, call| git::sync(&api.sync, call.request, &call.actor)).audited("sync.run").waiting(),
    row(Post, "/api/git/webhook", Open, "receivePush", |api, call| git::webhook(&api.sync, &api.limits, call)).audited("sync.webhook"),
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
        let response = answer.unwrap_or_else(|error| error::reply(&error, request, route));
        self.metrics.count(route, response.status(), begun.elapsed());
        response
    }

    fn answer(&self, route: &'static Route, request: &Request) -> Result<Response> {
        let caller = self.caller(route.access, request)?;
        let actor = match &caller {
            Some(caller) => Actor::user(&caller.username, request.client, &request.id),
            None => Actor::stranger(request.client, &request.id),
        };
        let call = Call { request, route, caller: caller.as_ref(), actor };
        self.call(&call).inspect_err(|error| self.note_refusal(&call, error))
    }

    fn call(&self, call: &Call<'_>) -> Result<Response> {
        if let (Some(caller), Some(act)) = (call.caller, call.route.access.act()) {
            caller.require(act)?;
        }
        json::known_parameters(call.request, self.document.query(call.route))?;
        let _place = call.route.waits.then(|| self.places.take()).transpose()?;
        (call.route.handler)(self, call)
    }

    /// Who is calling; none where that does not matter.
    fn caller(&self, access: Access, request: &Request) -> Result<Option<Caller>> {
        let ticket = match access {
            Open => return Ok(None),
            May(_) => None,
            Ticket(_) => request.query("ticket"),
        };
        let found = match (bearer(request), ticket) {
            (None, Some(ticket)) => self.auth.redeem(ticket),
            (token, _) => self.auth.authenticate(token),
        };
        self.counted(found, request).map(Some)
    }

    /// The caller, or why there is none, unless there were too many calls.
    fn counted(&self, found: Result<Caller>, request: &Request) -> Result<Caller> {
        match &found {
            Ok(caller) => self.limits.caller(caller)?,
            Err(_) => self.limits.stranger(request.client)?,
        }
        found
    }

    /// Records an audited call that was refused or failed, as long as there is room. What strangers
    /// send is recorded by the features that they reach.
    fn note_refusal(&self, call: &Call<'_>, error: &Error) {
        let (Some(action), Some(caller)) = (call.route.audit, call.caller) else { return };
        let now = Clock::System.now();
        let Some(left_out) = self.refusals.admit(Some(&caller.username), now) else { return };
        let target = call.route.parameters().next().and_then(|name| call.path(name).ok());
        let entry = Entry::refused(action, target, error::code(error)).after(left_out);
        if let Err(error) = note(&self.store, now, &call.actor, &entry) {
            log::error!(request = call.request.id.as_str(); "not in the audit log: {}", error.chain());
        }
    }

    /// Scrapers of figures often have no token; whether they need one is configured.
    fn figures(&self, request: &Request) -> Result<Response> {
        if self.metrics_auth {
            let found = self.auth.authenticate(bearer(request));
            self.counted(found, request)?.require(ReadServer)?;
        } else {
            self.limits.stranger(request.client)?;
        }
        metrics::show(&self.metrics, &self.sources)
    }

    /// Strangers are not told which calls there are.
    fn no_route(&self, request: &Request) -> Result<Response> {
        let path = request.segments();
        let open = route::at(ROUTES, path).any(Route::is_open);
        if path.first().is_some_and(|first| first == "api") && !open {
            self.counted(self.auth.authenticate(bearer(request)), request)?;
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
