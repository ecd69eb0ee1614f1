//! A worker: takes complete requests, calls the handler, sends the answer.

use super::answer;
use super::client;
use super::connection::Job;
use super::parse::Terms;
use super::request::{Method, Request};
use super::response::Response;
use super::shared::{Back, Shared};
use super::stream;
use crate::threads::guard;
use crossbeam_channel::Receiver;
use std::sync::Arc;
use std::time::Instant;

/// The body of an `http-worker-<n>` thread; it ends when the reactor has ended.
pub(crate) fn work(shared: &Arc<Shared>, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        let token = job.connection.token;
        // A mistake of ours costs one connection, not the thread.
        if guard("http-worker", || serve(shared, job)).is_none() {
            shared.give_back(Back { token, connection: None, stream: None });
        }
    }
}

fn serve(shared: &Arc<Shared>, job: Job) {
    let Job { connection, head, body, received } = job;
    let mut terms = head.terms();
    shared.settle(&mut terms);
    let client = client::address(connection.peer, &head.headers, &shared.settings.trusted_proxies);
    let deadline = received + shared.settings.request_timeout;
    let request = Request::new(head, body, client, terms.id.clone(), deadline);
    let mut response = respond(shared, request, &terms);
    if response.is_upgrade() && (terms.http10 || terms.head_only) {
        response = shared.error(400, "an upgrade needs GET over HTTP/1.1", &terms);
    }
    terms.keep_alive &= !shared.stop.is_set();
    if response.is_long() && !terms.head_only {
        stream::start(shared, connection, response, terms);
    } else {
        shared.finish(connection, response, &terms);
    }
}

fn respond(shared: &Shared, request: Request, terms: &Terms) -> Response {
    if Instant::now() > request.deadline || shared.is_over() {
        // Its client has waited too long already: work for those who still wait.
        return shared.error(503, "the server is busy, try again in a moment", terms);
    }
    if request.method == Method::Options {
        // RFC 9110 section 9.3.7: "*" asks about the server, which has nothing to tell.
        if request.path == "*" {
            return Response::new(204);
        }
        if request.header("Access-Control-Request-Method").is_some()
            && let Some(response) = answer::preflight(terms, &shared.settings)
        {
            return response;
        }
    }
    guard("http-handler", || (shared.handler)(request)).unwrap_or_else(|| {
        log::error!(request = terms.id.as_str(); "the handler panicked");
        shared.error(500, "the server made a mistake", terms)
    })
}
