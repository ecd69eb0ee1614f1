//! From a response to bytes: the head with all that the transport adds, for GET and HEAD alike.

use super::budget::{Budget, Share};
use super::parse::Terms;
use super::response::{Body, Fields, Response, reason};
use super::socket;
use super::{Settings, date};
use std::borrow::Cow;
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What a page of another site may send; anything else it asks for is refused by its browser.
const CORS_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const CORS_HEADERS: &str = "Authorization, Content-Type, Last-Event-ID, X-Request-Id";
const CORS_EXPOSED: &str = "Location, Retry-After, X-Request-Id";

/// An answer on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    head: Vec<u8>,
    body: Cow<'static, [u8]>,
    sent: usize,
    /// Its part of the memory for answers, while it waits for its reader.
    share: Option<Share>,
}

impl Outgoing {
    pub(crate) fn new(head: Vec<u8>, body: Cow<'static, [u8]>) -> Outgoing {
        Outgoing { head, body, sent: 0, share: None }
    }

    /// The interim answer to `Expect: 100-continue`.
    pub(crate) fn interim() -> Outgoing {
        Outgoing::new(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), Cow::Borrowed(b""))
    }

    /// Sends what the socket takes; true when all is sent.
    pub(crate) fn send(&mut self, socket: &TcpStream) -> io::Result<bool> {
        let parts = [self.head.as_slice(), &self.body, b""];
        self.sent = socket::write_some(socket, parts, self.sent)?;
        Ok(self.sent == self.head.len() + self.body.len())
    }

    /// Sends the rest before `deadline`.
    pub(crate) fn send_until(&self, socket: &TcpStream, deadline: Instant) -> io::Result<()> {
        let parts = [self.head.as_slice(), &self.body, b""];
        socket::write_until(socket, parts, self.sent, deadline)
    }

    /// Takes memory to wait for its reader; false when there is none. Constant bytes take none.
    pub(crate) fn hold(&mut self, answers: &Arc<Budget>) -> bool {
        let body = if matches!(self.body, Cow::Owned(_)) { self.body.len() } else { 0 };
        let mut share = answers.share();
        let held = share.resize(self.head.len() + body);
        self.share = Some(share);
        held
    }
}

/// How the end of the body is told (RFC 9112 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its length.
    Length(usize),
    /// By its last chunk.
    Chunked,
    /// By the end of the connection.
    Close,
    /// There is no body, nor can there be one.
    Nothing,
    /// The connection changes its protocol.
    Upgrade,
}

/// The answer to `terms` as bytes, for a body that is there already.
pub(crate) fn whole(response: Response, terms: &Terms, settings: &Settings) -> Outgoing {
    let (status, headers, body) = response.into_parts();
    let (body, long) = match body {
        Body::Bytes(bytes) => (bytes, false),
        Body::Stream(_) | Body::Upgrade(_) => (Cow::Borrowed(&b""[..]), true),
    };
    // RFC 9110 sections 6.4.1 and 8.6. A long body comes here only to be announced to HEAD.
    let framing = match status {
        100..200 | 204 | 304 => Framing::Nothing,
        _ if long && terms.http10 => Framing::Close,
        _ if long => Framing::Chunked,
        _ => Framing::Length(body.len()),
    };
    let bytes = head(status, &headers, framing, terms, settings);
    let silent = terms.head_only || framing == Framing::Nothing;
    Outgoing::new(bytes, if silent { Cow::Borrowed(b"") } else { body })
}

/// The head of an answer.
pub(crate) fn head(
    status: u16,
    headers: &Fields,
    framing: Framing,
    terms: &Terms,
    settings: &Settings,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    // Writing to a Vec cannot fail.
    let _ = write!(out, "HTTP/1.1 {status} {}\r\n", reason(status));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    field(&mut out, "Date", &date::format(now));
    field(&mut out, "X-Request-Id", &terms.id);
    for (name, value) in headers {
        if is_ours(name) {
            log::error!(field = name.as_ref(); "a handler set a header field of the transport");
        } else {
            field(&mut out, name, value);
        }
    }
    match framing {
        Framing::Length(length) => field(&mut out, "Content-Length", &length.to_string()),
        Framing::Chunked => field(&mut out, "Transfer-Encoding", "chunked"),
        Framing::Close | Framing::Nothing | Framing::Upgrade => {}
    }
    match (framing, terms.keep_alive) {
        (Framing::Upgrade, _) => field(&mut out, "Connection", "Upgrade"),
        (_, false) => field(&mut out, "Connection", "close"),
        (_, true) if terms.http10 => field(&mut out, "Connection", "keep-alive"),
        (_, true) => {}
    }
    cross_origin(&mut out, terms, settings);
    out.extend_from_slice(b"\r\n");
    out
}

/// Fields that say where the message ends or whom it belongs to; two voices would be a smuggle.
fn is_ours(name: &str) -> bool {
    let ours = ["content-length", "transfer-encoding", "connection", "date", "x-request-id"];
    ours.iter().any(|one| name.eq_ignore_ascii_case(one))
        || name.contains(|c: char| c.is_ascii_control() || matches!(c, ' ' | ':'))
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

/// The fields that let a configured origin's page read the answer (WHATWG Fetch section 3.3).
/// Credentials are not allowed: the token travels in `Authorization`, never in a cookie.
fn cross_origin(out: &mut Vec<u8>, terms: &Terms, settings: &Settings) {
    let Some(allowed) = allowed_origin(terms, settings) else {
        if settings.cors_origins.iter().any(|one| one != "*") {
            field(out, "Vary", "Origin");
        }
        return;
    };
    field(out, "Access-Control-Allow-Origin", allowed);
    field(out, "Access-Control-Expose-Headers", CORS_EXPOSED);
    if allowed != "*" {
        field(out, "Vary", "Origin");
    }
}

fn allowed_origin<'a>(terms: &'a Terms, settings: &'a Settings) -> Option<&'a str> {
    let origin = terms.origin.as_deref()?;
    let known = |wanted: &str| settings.cors_origins.iter().any(|one| one == wanted);
    if known("*") {
        return Some("*");
    }
    known(origin).then_some(origin)
}

/// The answer to a preflight of a configured origin; none when it is not one, and then the
/// handler answers as to any other OPTIONS.
pub(crate) fn preflight(terms: &Terms, settings: &Settings) -> Option<Response> {
    allowed_origin(terms, settings)?;
    let response = Response::new(204)
        .header("Access-Control-Allow-Methods", CORS_METHODS)
        .header("Access-Control-Allow-Headers", CORS_HEADERS)
        .header("Access-Control-Max-Age", "600");
    Some(response)
}
