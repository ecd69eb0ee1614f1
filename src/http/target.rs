//! The request target: where a request points to (RFC 9112 section 3.2), and its decoded parts.

use super::parse::Refusal;
use super::request::Method;

/// A decoded target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The path as sent, without query.
    pub(crate) path: String,
    /// The path's parts, decoded.
    pub(crate) segments: Vec<String>,
    /// The query's pairs, decoded, in order.
    pub(crate) query: Vec<(String, String)>,
}

impl Target {
    /// Reads origin form, absolute form to the same host, or `*` of OPTIONS.
    pub(crate) fn parse(
        text: &str,
        method: &Method,
        host: Option<&str>,
    ) -> Result<Target, Refusal> {
        // Visible ASCII only, and no fragment: it is never sent (RFC 9110 section 4.2.5).
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Refusal::bad("the request target holds a character that must be encoded"));
        }
        if text == "*" && *method == Method::Options {
            return Ok(Target { path: "*".into(), segments: Vec::new(), query: Vec::new() });
        }
        let local = match text.starts_with('/') {
            true => text,
            false => after_authority(text, host)?,
        };
        let (path, query) = local.split_once('?').unwrap_or((local, ""));
        let path = if path.is_empty() { "/" } else { path };
        Ok(Target { path: path.to_owned(), segments: segments(path)?, query: pairs(query)? })
    }
}

/// Path and query of an absolute form, whose authority must be the one of `Host`: a proxy and we
/// must not see two different hosts in one request.
fn after_authority<'a>(text: &'a str, host: Option<&str>) -> Result<&'a str, Refusal> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or(Refusal::bad("the request target is neither a path nor a URL"))?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Refusal::bad("the request target has a scheme other than http"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, local) = rest.split_at(end);
    match host {
        Some(host) if host.eq_ignore_ascii_case(authority) => Ok(local),
        _ => Err(Refusal::bad("the request target names another host than Host")),
    }
}

fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let Some(inner) = path.strip_prefix('/') else {
        return Err(Refusal::bad("the path does not begin with a slash"));
    };
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let decode = |part| match decoded(part, false) {
        Some(text) if !text.contains('\0') => Ok(text),
        _ => Err(Refusal::bad("the path holds a part that cannot be decoded")),
    };
    inner.split('/').map(decode).collect()
}

/// `application/x-www-form-urlencoded` pairs; empty ones are skipped.
fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let decode = |part: &str| {
        decoded(part, true).ok_or(Refusal::bad("the query holds a part that cannot be decoded"))
    };
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode(name)?, decode(value)?))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// Percent-decodes (RFC 3986 section 2.1); none when a `%` lacks its digits or the bytes are not
/// UTF-8.
fn decoded(text: &str, plus_is_space: bool) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Parts = (Vec<String>, Vec<(String, String)>);

    fn check(text: &str) -> Option<Parts> {
        let target = Target::parse(text, &Method::Get, Some("Box:8000")).ok()?;
        Some((target.segments, target.query))
    }

    fn strings(parts: &[&str]) -> Vec<String> {
        parts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn paths_are_split_before_they_are_decoded() {
        assert_eq!(check("/").unwrap().0, strings(&[]));
        assert_eq!(check("/api/links/").unwrap().0, strings(&["api", "links", ""]));
        assert_eq!(check("/a%2Fb/c+d/%C3%BC").unwrap().0, strings(&["a/b", "c+d", "ü"]));
        assert_eq!(check("/a?x=1").unwrap().0, strings(&["a"]));
    }

    #[test]
    fn queries_are_pairs() {
        let pairs = check("/?a=1&&b=x+y%26&c&a=2").unwrap().1;
        let wanted = [("a", "1"), ("b", "x y&"), ("c", ""), ("a", "2")];
        assert_eq!(pairs, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn an_absolute_form_must_name_our_host() {
        assert_eq!(check("http://box:8000/a?b=c").unwrap().0, strings(&["a"]));
        assert_eq!(check("http://box:8000").unwrap().0, strings(&[]));
        assert_eq!(check("HTTPS://box:8000?b=c").unwrap().1.len(), 1);
        for wrong in ["http://other/", "http://box/", "http://u@box:8000/", "ftp://box:8000/"] {
            assert_eq!(check(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        for wrong in ["/%", "/%4", "/%zz", "/%ff", "/%00", "/a#b", "/ü", "*", "api", "", "/?a=%f"]
        {
            assert_eq!(check(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_encoded_segments_come_back(parts in prop::collection::vec("[^\0]{1,8}", 1..5)) {
            let path: String = parts
                .iter()
                .map(|part| part.bytes().fold("/".to_owned(), |all, b| format!("{all}%{b:02X}")))
                .collect();
            prop_assert_eq!(check(&path).unwrap().0, parts);
        }
    }
}
