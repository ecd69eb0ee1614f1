//! The web console: its files, which the build put into the program compressed, and its page, which
//! is the answer to every address that is a page. It knows nothing of what the pages show.

use crate::http::{Method, Request, Response};

/// Everything that the console consists of.
struct Console {
    /// The page; none in a program that was built without the console.
    index: Option<Index>,
    /// The files that it names.
    assets: &'static [Asset],
    /// The addresses that are pages, as `/links/:id` where a part of them is a name.
    pages: &'static [&'static str],
}

/// The page that loads everything else.
struct Index {
    hash: &'static str,
    plain: &'static [u8],
    packed: &'static [u8],
}

/// A file whose name holds the hash of its content, so it never changes.
struct Asset {
    path: &'static str,
    kind: &'static str,
    packed: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Nothing inline, nothing from elsewhere, nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'self'";

const MISSING: &str = "This linkopsd was built without its web console.\n\n\
    To have it, install Node.js 18 or newer with npm, run `make build` in the source tree and\n\
    install the program again. The API is complete without it: docs/API.md.\n";

/// What of a request matters here.
struct Ask<'a> {
    path: &'a str,
    /// `Accept-Encoding`.
    takes: Option<&'a str>,
    /// `If-None-Match`.
    holds: Option<&'a str>,
}

/// The console's answer; none when the address is not the console's.
pub fn answer(request: &Request) -> Option<Response> {
    if !matches!(request.method, Method::Get | Method::Head) {
        return None;
    }
    BUILT.answer(&Ask {
        path: &request.path,
        takes: request.header("accept-encoding"),
        holds: request.header("if-none-match"),
    })
}

impl Console {
    fn answer(&self, ask: &Ask) -> Option<Response> {
        if let Some(asset) = self.assets.iter().find(|one| one.path == ask.path) {
            return Some(asset.answer(ask));
        }
        match &self.index {
            Some(index) if self.pages.iter().any(|page| is_of(ask.path, page)) => {
                Some(index.answer(ask))
            }
            None if ask.path == "/" => {
                Some(safe(200).body("text/plain; charset=utf-8", MISSING.as_bytes()))
            }
            _ => None,
        }
    }
}

impl Index {
    fn answer(&self, ask: &Ask) -> Response {
        let tag = format!("\"{}\"", self.hash);
        let held = ask.has(&tag);
        let base = safe(if held { 304 } else { 200 })
            .header("Content-Security-Policy", POLICY)
            .header("Cache-Control", "no-cache")
            .header("ETag", tag)
            .header("Vary", "Accept-Encoding");
        let html = "text/html; charset=utf-8";
        match ask.takes.map(takes_gzip) {
            _ if held => base,
            Some(true) => base.header("Content-Encoding", "gzip").body(html, self.packed),
            Some(false) | None => base.body(html, self.plain),
        }
    }
}

impl Asset {
    fn answer(&self, ask: &Ask) -> Response {
        let tag = format!("\"{}\"", self.path); // it names the content
        let held = ask.has(&tag);
        let base = safe(if held { 304 } else { 200 })
            .header("Cache-Control", "public, max-age=31536000, immutable")
            .header("ETag", tag);
        if held {
            return base;
        }
        // Whatever the client accepts: there is no other form of it, and every browser takes this.
        base.header("Content-Encoding", "gzip").body(self.kind, self.packed)
    }
}

impl Ask<'_> {
    /// Whether the client holds this version already.
    fn has(&self, tag: &str) -> bool {
        let same = |one: &str| one == "*" || one.trim_start_matches("W/") == tag;
        self.holds.is_some_and(|tags| tags.split(',').map(str::trim).any(same))
    }
}

/// Whether a path is an address of a page.
fn is_of(path: &str, page: &str) -> bool {
    let (mut parts, mut wanted) = (path.split('/'), page.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some(want)) if want == part => {}
            (Some(part), Some(want)) if want.starts_with(':') && !part.is_empty() => {}
            _ => return false,
        }
    }
}

fn safe(status: u16) -> Response {
    Response::new(status)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
}

/// Whether an `Accept-Encoding` allows gzip.
fn takes_gzip(accepted: &str) -> bool {
    let quality = |name: &str| {
        accepted.split(',').find_map(|one| {
            let (coding, weight) = one.split_once(';').unwrap_or((one, "q=1"));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            coding.trim().eq_ignore_ascii_case(name).then(|| weight.parse().unwrap_or(0.0))
        })
    };
    quality("gzip").or_else(|| quality("*")).is_some_and(|weight: f32| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSET: Asset =
        Asset { path: "/assets/app-1.js", kind: "text/javascript", packed: b"packed" };
    const WITH: Console = Console {
        index: Some(Index { hash: "7", plain: b"plain", packed: b"packed page" }),
        assets: &[ASSET],
        pages: &["/", "/links", "/links/:id"],
    };
    const WITHOUT: Console = Console { index: None, assets: &[], pages: &[] };

    fn ask<'a>(path: &'a str, takes: Option<&'a str>) -> Ask<'a> {
        Ask { path, takes, holds: None }
    }

    #[test]
    fn every_page_is_the_index_and_nothing_else_is() {
        for path in ["/", "/links", "/links/vps-01"] {
            let answer = WITH.answer(&ask(path, Some("br, gzip"))).unwrap();
            assert_eq!((answer.status(), answer.bytes()), (200, &b"packed page"[..]), "{path}");
            assert_eq!(answer.header_value("content-encoding"), Some("gzip"));
            assert_eq!(answer.header_value("content-security-policy"), Some(POLICY));
            assert_eq!(answer.header_value("cache-control"), Some("no-cache"));
        }
        let others =
            ["//", "/links/", "/links/a/b", "/api", "/api/links", "/health", "/assets/app-2.js"];
        for path in others {
            assert!(WITH.answer(&ask(path, None)).is_none(), "{path}");
        }
        assert_eq!(WITH.answer(&ask("/", None)).unwrap().bytes(), b"plain");
    }

    #[test]
    fn a_file_is_kept_for_ever() {
        let answer = WITH.answer(&ask(ASSET.path, None)).unwrap();
        assert_eq!((answer.status(), answer.bytes()), (200, ASSET.packed));
        let cached = answer.header_value("cache-control").unwrap();
        assert!(cached.contains("immutable"), "{cached}");
        let tag = answer.header_value("etag").unwrap();
        let again = WITH.answer(&Ask { holds: Some(tag), ..ask(ASSET.path, None) }).unwrap();
        assert_eq!((again.status(), again.bytes().len()), (304, 0));
    }

    #[test]
    fn without_the_files_it_says_how_to_get_them() {
        let answer = WITHOUT.answer(&ask("/", Some("gzip"))).unwrap();
        let text = String::from_utf8_lossy(answer.bytes()).into_owned();
        assert!(answer.status() == 200 && text.contains("make build"), "{text}");
        assert!(WITHOUT.answer(&ask("/links", None)).is_none());
    }

    #[test]
    fn accepted_codings_are_read_with_their_weights() {
        for yes in ["gzip", "br, gzip;q=0.5", "*", "GZIP", "deflate, *;q=0.1"] {
            assert!(takes_gzip(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "br", "*;q=0", "gzip;q=0, *"] {
            assert!(!takes_gzip(no), "{no}");
        }
    }
}
