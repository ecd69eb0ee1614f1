//! An answer, as the handler gives it.

use super::stream::{Stream, Upgraded};
use std::borrow::Cow;
use std::fmt;
use std::io;

/// An answer: status, header fields and a body. The transport adds `Date`, `X-Request-Id`, the
/// framing fields and those of CORS; a handler's own values for the framing ones are dropped.
#[derive(Debug)]
pub struct Response {
    status: u16,
    headers: Fields,
    body: Body,
}

/// What follows the head.
pub(crate) enum Body {
    Bytes(Cow<'static, [u8]>),
    Stream(Write),
    Upgrade(Run),
}

/// Header fields in the order in which they are sent.
pub(crate) type Fields = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// Writes a stream.
pub(crate) type Write = Box<dyn FnOnce(&mut Stream) -> io::Result<()> + Send>;

/// Runs a connection that has left HTTP.
pub(crate) type Run = Box<dyn FnOnce(Upgraded) + Send>;

impl Response {
    /// An answer without a body.
    pub fn new(status: u16) -> Response {
        Response { status, headers: Vec::new(), body: Body::Bytes(Cow::Borrowed(b"")) }
    }

    /// An answer of JSON.
    pub fn json(status: u16, bytes: impl Into<Cow<'static, [u8]>>) -> Response {
        Response::new(status).body("application/json", bytes)
    }

    /// An answer written piece by piece on a thread of its own, with the transfer coding
    /// "chunked" (or, to an HTTP/1.0 client, up to the end of the connection). When the function
    /// fails or panics the client sees that the answer is cut; the connection ends in any case.
    pub fn stream(
        status: u16,
        content_type: &'static str,
        write: impl FnOnce(&mut Stream) -> io::Result<()> + Send + 'static,
    ) -> Response {
        let response = Response::new(status).header("Content-Type", content_type);
        Response { body: Body::Stream(Box::new(write)), ..response }
    }

    /// `101 Switching Protocols` with the given header fields and `Connection: Upgrade`; then the
    /// connection is the function's, on a thread of its own (RFC 9110 section 7.8).
    pub fn upgrade(
        headers: Vec<(&'static str, String)>,
        run: impl FnOnce(Upgraded) + Send + 'static,
    ) -> Response {
        let headers = headers.into_iter().map(|(name, value)| (name.into(), value.into()));
        Response { status: 101, headers: headers.collect(), body: Body::Upgrade(Box::new(run)) }
    }

    /// Adds a header field. Control characters in the value are sent as spaces, so no value can
    /// make a field or a body of its own.
    #[must_use]
    pub fn header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Response {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body and its `Content-Type`. Constant bytes are sent without a copy.
    #[must_use]
    pub fn body(
        self,
        content_type: impl Into<Cow<'static, str>>,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Response {
        let response = self.header("Content-Type", content_type);
        Response { body: Body::Bytes(bytes.into()), ..response }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first value of a header field set so far, its name without case.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_ref())
    }

    /// The body; empty for a stream or an upgrade.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) => bytes,
            Body::Stream(_) | Body::Upgrade(_) => b"",
        }
    }

    /// Whether the body needs a thread of its own.
    pub(crate) fn is_long(&self) -> bool {
        !matches!(self.body, Body::Bytes(_))
    }

    pub(crate) fn is_upgrade(&self) -> bool {
        matches!(self.body, Body::Upgrade(_))
    }

    pub(crate) fn into_parts(self) -> (u16, Fields, Body) {
        (self.status, self.headers, self.body)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Body::Stream(_) => f.write_str("a stream"),
            Body::Upgrade(_) => f.write_str("an upgrade"),
        }
    }
}

/// The wording of errors when nobody gives a better one.
pub(crate) fn plain_error(status: u16, message: &str, _request_id: &str) -> Response {
    let text = format!("{status} {}: {message}\n", reason(status));
    Response::new(status).body("text/plain; charset=utf-8", text.into_bytes())
}

/// The usual phrase of a status (RFC 9110 section 15); empty for others.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
