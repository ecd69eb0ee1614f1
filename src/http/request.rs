//! A complete request, as the handler gets it.

use super::headers::Headers;
use super::parse::Head;
use std::fmt;
use std::net::IpAddr;
use std::time::Instant;

/// A request whose head and body have arrived as a whole.
#[derive(Debug)]
pub struct Request {
    /// What is asked. A HEAD arrives as such; answer it as GET, its body is not sent.
    pub method: Method,
    /// The path as sent, still percent-encoded, without the query.
    pub path: String,
    /// The query's pairs, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The header fields.
    pub headers: Headers,
    /// The body; empty when there is none.
    pub body: Vec<u8>,
    /// Who asks; behind trusted proxies the right-most untrusted address of `X-Forwarded-For`.
    pub client: IpAddr,
    /// The request's id, which the answer carries as `X-Request-Id`.
    pub id: String,
    /// When the client may have lost patience: `request_timeout` after the request was complete.
    pub deadline: Instant,
    segments: Vec<String>,
}

impl Request {
    pub(crate) fn new(
        head: Head,
        body: Vec<u8>,
        client: IpAddr,
        id: String,
        deadline: Instant,
    ) -> Request {
        Request {
            method: head.method,
            path: head.target.path,
            query: head.target.query,
            headers: head.headers,
            body,
            client,
            id,
            deadline,
            segments: head.target.segments,
        }
    }

    /// The path's parts, percent-decoded. `/` has none; a closing slash gives an empty last one.
    /// A part can be `..` or hold a slash that was sent as `%2F`: it is a name, not a file path.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The first value of a header field, its name without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The first value of a parameter of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }
}

/// A request method (RFC 9110 section 9); methods are case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Read the head only.
    Head,
    /// Act or create.
    Post,
    /// Replace.
    Put,
    /// Change a part.
    Patch,
    /// Remove.
    Delete,
    /// Ask what is possible.
    Options,
    /// Any other token.
    Other(String),
}

impl Method {
    pub(crate) fn parse(text: &str) -> Method {
        match text {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            other => Method::Other(other.to_owned()),
        }
    }

    /// The method as it stands in a request.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
