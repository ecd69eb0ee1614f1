//! The opening handshake (RFC 6455 section 4.2): whether a request may become a WebSocket, and
//! what is answered. Data in, verdict out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::super::request::{Method, Request};
use crate::error::{Error, Result};

/// What RFC 6455 section 1.3 has the key hashed with.
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The header fields of the answer.
///
/// # Errors
/// [`Error::Origin`] for a page that may not call us, [`Error::Upgrade`] for what is no handshake
/// of a version that we speak.
pub(super) fn answer(request: &Request, origins: &[String]) -> Result<Vec<(&'static str, String)>> {
    let headers = &request.headers;
    if let Some(origin) = request.header("origin")
        && !may_call(origin, request.header("host").unwrap_or_default(), origins)
    {
        return Err(Error::Origin(origin.to_owned()));
    }
    let asked = request.method == Method::Get
        && headers.has_token("connection", "upgrade")
        && headers.has_token("upgrade", "websocket")
        && request.header("sec-websocket-version").is_some_and(|version| version.trim() == "13");
    let key = request.header("sec-websocket-key").map(str::trim).filter(|key| is_key(key));
    match key {
        Some(key) if asked => {
            let upgrade = ("Upgrade", "websocket".to_owned());
            Ok(vec![upgrade, ("Sec-WebSocket-Accept", accept(key))])
        }
        _ => Err(Error::Upgrade),
    }
}

/// A browser tells the page's origin, and obeys nobody else: this is what keeps other sites from
/// speaking to us with a user's rights. A program sends none.
fn may_call(origin: &str, host: &str, origins: &[String]) -> bool {
    let same = origin
        .split_once("://")
        .is_some_and(|(scheme, its)| authority(scheme, its) == authority(scheme, host));
    same || origins.iter().any(|one| one == "*" || one == origin)
}

/// Host and port without the scheme's own port. Behind a proxy that speaks TLS we do not know our
/// scheme; the page's is taken for both.
fn authority(scheme: &str, text: &str) -> String {
    let own = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let text = text.to_ascii_lowercase();
    text.strip_suffix(own).map_or(text.clone(), str::to_owned)
}

/// 16 bytes in base64.
fn is_key(key: &str) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(MAGIC);
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 section 1.3.
    #[test]
    fn the_answer_proves_that_the_key_was_read() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
        for wrong in ["", "dGhlIHNhbXBsZSBub25j", "not base64 at all!!!!!!!"] {
            assert!(!is_key(wrong), "{wrong}");
        }
    }

    #[test]
    fn only_our_own_pages_and_configured_ones_may_call() {
        let listed = ["https://console.example".to_owned()];
        for (origin, host, may) in [
            ("http://box:8000", "box:8000", true),
            ("http://BOX:8000", "box:8000", true),
            ("https://box", "box", true),
            ("https://box:443", "box", true),
            ("https://box", "box:443", true),
            ("http://box", "box:80", true),
            ("https://console.example", "box:8000", true),
            ("http://box", "box:8000", false),
            ("https://box", "box:80", false),
            ("http://console.example", "box:8000", false),
            ("https://box.evil.example", "box", false),
            ("http://evil.example", "box:8000", false),
            ("null", "box", false),
            ("null", "null", false),
            ("", "", false),
            ("box", "box", false),
        ] {
            assert_eq!(may_call(origin, host, &listed), may, "{origin} at {host}");
        }
        assert!(may_call("http://evil.example", "box", &["*".to_owned()]));
    }
}
