//! The framing parser: bytes in, however the network cut them; complete requests out (RFC 9112).
//! It does no I/O and never allocates more than has arrived, so it can be tested on any bytes.
//!
//! It is stricter than the standard allows where a proxy in front could read the same bytes in
//! another way: such a request ends its connection, and nothing after it is believed.

use super::body::Body;
use super::headers::{Headers, Mark};
use super::request::Method;
use super::target::Target;
use std::mem::MaybeUninit;

/// The longest request target; nginx and Apache take about as much.
const MAX_TARGET: usize = 8 << 10;

/// Room for the fields of one head on the parser's stack.
const FIELDS: usize = 256;

/// What a request may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) head: usize,
    pub(crate) headers: usize,
    pub(crate) body: usize,
}

/// A request that is answered by the transport itself, after which the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: &'static str,
    /// Known when the head could be read.
    pub(crate) terms: Option<Terms>,
}

impl Refusal {
    pub(crate) const fn new(status: u16, message: &'static str) -> Refusal {
        Refusal { status, message, terms: None }
    }

    pub(crate) const fn bad(message: &'static str) -> Refusal {
        Refusal::new(400, message)
    }
}

/// What an answer needs to know of its request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The id that the client gave, when it is a sane one; else empty until one is made.
    pub(crate) id: String,
    /// The page that calls from another site.
    pub(crate) origin: Option<String>,
    pub(crate) head_only: bool,
    pub(crate) http10: bool,
    pub(crate) keep_alive: bool,
}

/// A complete head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: Headers,
    pub(crate) http10: bool,
}

/// What the bytes so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing yet: more bytes are needed.
    Incomplete,
    /// The head is complete and its client waits for `100 Continue` before it sends the body.
    Continue,
    /// A request; the bytes after it stay.
    Complete(Head, Vec<u8>),
}

/// Turns the bytes of one connection into requests.
#[derive(Debug)]
pub(crate) struct Decoder {
    limits: Limits,
    buffer: Vec<u8>,
    /// How much of an incomplete head has been looked at.
    scanned: usize,
    open: Option<Open>,
}

/// A request whose body has not arrived yet.
#[derive(Debug)]
struct Open {
    head: Head,
    body: Body,
}

impl Decoder {
    pub(crate) fn new(limits: Limits) -> Decoder {
        Decoder { limits, buffer: Vec::new(), scanned: 0, open: None }
    }

    /// Takes bytes as they came from the socket.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.buffer.is_empty() {
            self.buffer.reserve_exact(bytes.len());
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether no byte of a request is here.
    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_none() && self.buffer.is_empty()
    }

    /// Whether a head is complete and its body is not.
    pub(crate) fn in_body(&self) -> bool {
        self.open.is_some()
    }

    /// Bytes of the unfinished body.
    pub(crate) fn body_len(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.body.len())
    }

    /// What an answer to the unfinished request needs.
    pub(crate) fn terms(&self) -> Option<Terms> {
        self.open.as_ref().map(|open| open.head.terms())
    }

    /// The bytes that came after the last complete request.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Goes on as far as the bytes reach.
    ///
    /// # Errors
    /// The bytes are not a request that we take; nothing after them can be trusted.
    pub(crate) fn next(&mut self) -> Result<Step, Refusal> {
        if self.open.is_none() {
            let Some(end) = self.head_end()? else {
                return Ok(Step::Incomplete);
            };
            let rest = self.buffer.split_off(end);
            let bytes = std::mem::replace(&mut self.buffer, rest);
            self.scanned = 0;
            let (open, expects) = Open::new(bytes, self.limits)?;
            let waits = expects && !open.body.is_complete() && self.buffer.is_empty();
            self.open = Some(open);
            if waits {
                return Ok(Step::Continue);
            }
        }
        self.advance_body()
    }

    fn advance_body(&mut self) -> Result<Step, Refusal> {
        let Some(mut open) = self.open.take() else {
            return Ok(Step::Incomplete);
        };
        open.body.advance(&mut self.buffer).map_err(|refusal| open.head.about(refusal))?;
        if self.buffer.is_empty() {
            self.buffer = Vec::new(); // an idle connection holds no memory
        }
        if open.body.is_complete() {
            return Ok(Step::Complete(open.head, open.body.into_bytes()));
        }
        self.open = Some(open);
        Ok(Step::Incomplete)
    }

    /// Where the head ends. Each byte is looked at once, so a client that sends single bytes
    /// costs no more than another, and what can never become a head is refused at once.
    fn head_end(&mut self) -> Result<Option<usize>, Refusal> {
        if self.scanned == 0 {
            self.skip_empty_lines();
        }
        let bytes = &self.buffer;
        for at in self.scanned..bytes.len() {
            let after_cr = at > 0 && bytes[at - 1] == b'\r';
            if at >= self.limits.head {
                return Err(self.too_long());
            }
            match bytes[at] {
                0 => return Err(Refusal::bad("the head holds a NUL byte")),
                b'\n' if !after_cr => {
                    return Err(Refusal::bad("a line of the head ends without a carriage return"));
                }
                b'\n' if bytes[..at].ends_with(b"\r\n\r") => return Ok(Some(at + 1)),
                b'\n' => {}
                _ if after_cr => {
                    return Err(Refusal::bad("the head holds a carriage return inside a line"));
                }
                _ => {}
            }
        }
        // A lone CR may still turn out to be an empty line before the request.
        self.scanned = if bytes == b"\r" { 0 } else { bytes.len() };
        Ok(None)
    }

    /// Empty lines before a request are ignored (RFC 9112 section 2.2).
    fn skip_empty_lines(&mut self) {
        let lines = self.buffer.chunks_exact(2).take_while(|pair| pair == b"\r\n").count();
        self.buffer.drain(..2 * lines);
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }

    fn too_long(&self) -> Refusal {
        match self.buffer[..self.limits.head].contains(&b'\n') {
            true => Refusal::new(431, "the head of the request is too long"),
            false => Refusal::new(414, "the request target is too long"),
        }
    }
}

impl Open {
    /// Reads a complete head; also whether its client waits for `100 Continue`.
    fn new(bytes: Vec<u8>, limits: Limits) -> Result<(Open, bool), Refusal> {
        let head = Head::parse(bytes, limits)?;
        let rest = || {
            let expects = head.expects_continue()?;
            Ok((Body::announced(&head.headers, head.http10, limits)?, expects))
        };
        let (body, expects) = rest().map_err(|refusal| head.about(refusal))?;
        Ok((Open { head, body }, expects))
    }
}

impl Head {
    fn parse(bytes: Vec<u8>, limits: Limits) -> Result<Head, Refusal> {
        // Field values may hold bytes that are not UTF-8 (RFC 9110 section 5.5); read as Latin-1
        // they keep their identity and everything else stays text.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| error.as_bytes().iter().map(|&b| char::from(b)).collect());
        let mut room = [const { MaybeUninit::uninit() }; FIELDS];
        let mut parsed = httparse::Request::new(&mut []);
        let room = &mut room[..limits.headers.min(FIELDS)];
        match parsed.parse_with_uninit_headers(text.as_bytes(), room) {
            Ok(httparse::Status::Complete(length)) if length == text.len() => {}
            Ok(_) => return Err(Refusal::bad("the head is malformed")),
            Err(error) => return Err(malformed(error, &text)),
        }
        let (Some(method), Some(target), Some(version)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(Refusal::bad("the request line is malformed"));
        };
        if target.len() > MAX_TARGET {
            return Err(Refusal::new(414, "the request target is too long"));
        }
        let method = Method::parse(method);
        if method.as_str() == "CONNECT" {
            return Err(Refusal::new(501, "CONNECT is not offered here"));
        }
        let marks = parsed.headers.iter().map(|field| mark(&text, field)).collect();
        let target = target.to_owned();
        let headers = Headers::new(text, marks);
        let http10 = version == 0;
        let host = host(&headers, http10)?;
        let target = Target::parse(&target, &method, host)?;
        Ok(Head { method, target, headers, http10 })
    }

    /// Whether the connection may stay open after the answer (RFC 9112 section 9.3).
    fn keep_alive(&self) -> bool {
        !self.headers.has_token("Connection", "close")
            && (!self.http10 || self.headers.has_token("Connection", "keep-alive"))
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            id: self.headers.get("X-Request-Id").filter(|id| sane_id(id)).unwrap_or("").to_owned(),
            origin: self.headers.get("Origin").map(str::to_owned),
            head_only: self.method == Method::Head,
            http10: self.http10,
            keep_alive: self.keep_alive(),
        }
    }

    fn about(&self, refusal: Refusal) -> Refusal {
        Refusal { terms: Some(self.terms()), ..refusal }
    }

    /// RFC 9110 section 10.1.1; an HTTP/1.0 client cannot wait, so its wish is ignored.
    fn expects_continue(&self) -> Result<bool, Refusal> {
        match self.headers.get("Expect") {
            None => Ok(false),
            Some(_) if self.http10 => Ok(false),
            Some(wish) if wish.eq_ignore_ascii_case("100-continue") => Ok(true),
            Some(_) => Err(Refusal::new(417, "only \"Expect: 100-continue\" can be met")),
        }
    }
}

/// Ids end up in logs and headers, so only short and plain ones are taken over.
fn sane_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Where a parsed field lies in `text`.
fn mark(text: &str, field: &httparse::Header<'_>) -> Mark {
    let range = |part: &[u8]| {
        let start = part.as_ptr() as usize - text.as_ptr() as usize;
        start..start + part.len()
    };
    let value = if field.value.is_empty() { 0..0 } else { range(field.value) };
    (range(field.name.as_bytes()), value)
}

/// HTTP/1.1 needs one Host, HTTP/1.0 may have one (RFC 9112 section 3.2).
fn host(headers: &Headers, http10: bool) -> Result<Option<&str>, Refusal> {
    let mut hosts = headers.all("Host");
    match (hosts.next(), hosts.next()) {
        (None, _) if http10 => Ok(None),
        (None, _) => Err(Refusal::bad("the Host header is missing")),
        (Some(_), Some(_)) => Err(Refusal::bad("there are two Host headers")),
        (Some(host), None) if !host.is_empty() && host.bytes().all(in_host) => Ok(Some(host)),
        (Some(_), None) => Err(Refusal::bad("the Host header is malformed")),
    }
}

fn in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_~:[]%!$&'()*+;=".contains(&byte)
}

fn malformed(error: httparse::Error, text: &str) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => {
            Refusal::new(431, "the request has too many header fields")
        }
        httparse::Error::Version if has_other_version(text) => {
            Refusal::new(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        }
        httparse::Error::HeaderName => Refusal::bad("a header field's name is malformed"),
        httparse::Error::HeaderValue => Refusal::bad("a header field's value is malformed"),
        _ => Refusal::bad("the request line is malformed"),
    }
}

/// Whether the request line names an `HTTP/` version, though not one of ours.
fn has_other_version(text: &str) -> bool {
    let line = text.split("\r\n").next().unwrap_or("");
    let version = line.split(' ').nth(2).and_then(|word| word.strip_prefix("HTTP/"));
    version.is_some_and(|number| {
        number.starts_with(|c: char| c.is_ascii_digit())
            && number.chars().all(|c| c.is_ascii_digit() || c == '.')
    })
}

#[cfg(test)]
mod tests;
