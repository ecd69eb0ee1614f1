//! What stands behind `Authorization` (R1.4, R1.5, P3), as a client sees it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{call, failure};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

/// The secret of the servers of these tests.
const SECRET: &str = "ssssssssssssssssssssssssssssssssssssssss";

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(header: &Value, claims: &Value, secret: &str) -> String {
    let text = format!("{}.{}", encode(header), encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// The claims of a token.
fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The token, as it will be when its time is over.
pub(super) fn expired(token: &str) -> String {
    let mut claims = claims(token);
    claims["exp"] = json!(linkops::clock::Clock::System.now() / 1_000 - 1);
    signed(&json!({ "typ": "JWT", "alg": "HS256" }), &claims, SECRET)
}

/// What is wrong with a token.
#[derive(Debug, Clone)]
enum Wrong {
    /// Expired so many seconds ago.
    Expired(i64),
    /// Signed with this.
    Resigned(String),
    /// Under this algorithm.
    Algorithm(&'static str),
    /// Another character at that place.
    Changed(prop::sample::Index, char),
    /// Cut there.
    Cut(prop::sample::Index),
    /// No token at all.
    Text(String),
}

fn wrong() -> impl Strategy<Value = Wrong> {
    let sign = "[A-Za-z0-9_.-]".prop_map(|text| text.chars().next().unwrap());
    prop_oneof![
        (0_i64..1_000_000_000).prop_map(Wrong::Expired),
        "[ -~]{32,50}".prop_map(Wrong::Resigned),
        prop::sample::select(vec!["none", "None", "HS384", "HS512", "RS256"])
            .prop_map(Wrong::Algorithm),
        (any::<prop::sample::Index>(), sign).prop_map(|(at, sign)| Wrong::Changed(at, sign)),
        any::<prop::sample::Index>().prop_map(Wrong::Cut),
        "[!-~][ -~]{0,60}".prop_map(Wrong::Text),
    ]
}

impl Wrong {
    /// The token, or none where the change makes no difference.
    fn token(&self, good: &str) -> Option<String> {
        let (hs256, claims) = (json!({ "typ": "JWT", "alg": "HS256" }), claims(good));
        let token = match self {
            Wrong::Expired(ago) => {
                let mut claims = claims;
                claims["exp"] = json!(linkops::clock::Clock::System.now() / 1_000 - ago);
                signed(&hs256, &claims, SECRET)
            }
            Wrong::Resigned(secret) => signed(&hs256, &claims, secret),
            Wrong::Algorithm("none" | "None") => {
                format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&claims))
            }
            Wrong::Algorithm(name) => signed(&json!({ "alg": name }), &claims, SECRET),
            Wrong::Changed(at, sign) => {
                let mut token: Vec<char> = good.chars().collect();
                let at = at.index(token.len());
                token[at] = *sign;
                token.into_iter().collect()
            }
            Wrong::Cut(at) => good[..at.index(good.len() - 1) + 1].to_owned(),
            Wrong::Text(text) => text.trim().to_owned(),
        };
        (token != good).then_some(token)
    }
}

#[test]
fn tokens() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    our_own_signature_is_what_counts(&linkops);
    where_a_token_is_missing(&linkops);
    any_wrong_token_gets_401(&linkops);
}

/// So that the refusals below are for what they seem to be for.
fn our_own_signature_is_what_counts(linkops: &LinkOps) {
    let token = signed(&json!({ "alg": "HS256" }), &claims(linkops.token()), SECRET);
    call(linkops, &token, "GET", "/api/auth/me", None).expect(200);
}

fn where_a_token_is_missing(linkops: &LinkOps) {
    let token = linkops.token();
    for headers in [
        &[][..],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Basic YWRtaW46YWRtaW4=")],
        &[("Authorization", token)],
        &[("Cookie", &format!("token={token}"))],
    ] {
        let reply = linkops.call("GET", "/api/links", headers, None);
        failure(&reply, 401, "TOKEN_MISSING");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    let path = format!("/api/links?token={token}");
    failure(&linkops.call("GET", &path, &[], None), 401, "TOKEN_MISSING");
    // RFC 9110 section 11.1: the scheme's case is free.
    let header = format!("bEARER {token}");
    linkops.call("GET", "/api/auth/me", &[("Authorization", &header)], None).expect(200);
}

/// R1.5, P3
fn any_wrong_token_gets_401(linkops: &LinkOps) {
    let good = linkops.token();
    let check = |wrong: Wrong| {
        let Some(token) = wrong.token(good) else { return Ok(()) };
        let reply = call(linkops, &token, "GET", "/api/auth/me", None);
        let code =
            if matches!(wrong, Wrong::Expired(_)) { "TOKEN_EXPIRED" } else { "TOKEN_INVALID" };
        failure(&reply, 401, code);
        prop_assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        Ok(())
    };
    proptest!(ProptestConfig::with_cases(200), |(wrong in wrong())| check(wrong)?);
    call(linkops, good, "GET", "/api/auth/me", None).expect(200);
}
