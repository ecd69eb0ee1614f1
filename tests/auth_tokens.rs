//! Tokens and tickets: what opens the door, for how long, and all that does not (R1.4, R1.5, P3).

use std::sync::Barrier;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use linkops::auth::{Caller, Role};
use linkops::error::Error;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

use crate::auth::{DAY, Fixture, PASSWORD, SECRET, START};
use crate::support::somebody;

const HS256: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

fn log_in(fixture: &Fixture, name: &str) -> (String, Caller) {
    let token = fixture.login(name, PASSWORD).unwrap().token;
    let caller = fixture.auth.authenticate(Some(&token)).unwrap();
    (token, caller)
}

fn assert_invalid(fixture: &Fixture, token: &str) {
    let answer = fixture.auth.authenticate(Some(token));
    assert!(matches!(answer, Err(Error::TokenInvalid)), "{token:?}: {answer:?}");
}

/// The claims that a token carries.
fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn unsigned(header: &str, claims: &Value) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", encode(header), encode(&claims.to_string()))
}

fn signed(header: &str, claims: &Value, key: &[u8]) -> String {
    let message = unsigned(header, claims);
    let tag = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&message).finalize();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.into_bytes()))
}

/// R1.4; also shows that `signed` forges well enough to be worth refusing.
#[test]
fn a_token_signed_with_our_key_is_accepted_and_none_at_all_is_missing() {
    let fixture = Fixture::new();
    let (token, _) = log_in(&fixture, "ann");
    fixture.auth.authenticate(Some(&signed(HS256, &claims(&token), SECRET))).unwrap();
    assert!(matches!(fixture.auth.authenticate(None), Err(Error::TokenMissing)));
}

/// R1.4, P3: every byte matters.
#[test]
fn p3_a_token_with_any_byte_changed_removed_or_added_is_invalid() {
    let fixture = Fixture::new();
    let (token, _) = log_in(&fixture, "ann");
    for place in 0..token.len() {
        assert_invalid(&fixture, &token[..place]);
        assert_invalid(&fixture, &format!("{}{}", &token[..place], &token[place + 1..]));
        for byte in (0..128_u8).filter(|byte| *byte != token.as_bytes()[place]) {
            let mut changed = token.clone().into_bytes();
            changed[place] = byte;
            assert_invalid(&fixture, &String::from_utf8(changed).unwrap());
        }
    }
    for byte in 0..128_u8 {
        assert_invalid(&fixture, &format!("{token}{}", char::from(byte)));
        assert_invalid(&fixture, &format!("{}{token}", char::from(byte)));
    }
    assert_invalid(&fixture, &format!("{token}.{token}"));
    assert_invalid(&fixture, &"x".repeat(1_000_000));
}

/// R1.4, P3: the algorithm is ours to choose.
#[test]
fn p3_any_other_algorithm_in_the_header_is_invalid() {
    let fixture = Fixture::new();
    let (token, _) = log_in(&fixture, "ann");
    let claims = claims(&token);
    for algorithm in
        ["none", "None", "NONE", "", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "hs256"]
    {
        let header = json!({"typ": "JWT", "alg": algorithm}).to_string();
        assert_invalid(&fixture, &signed(&header, &claims, SECRET));
        let message = unsigned(&header, &claims);
        assert_invalid(&fixture, &message);
        assert_invalid(&fixture, &format!("{message}."));
        assert_invalid(&fixture, &format!("{message}.{}", token.rsplit('.').next().unwrap()));
    }
    let message = unsigned(r#"{"typ":"JWT","alg":"HS512"}"#, &claims);
    let tag = Hmac::<Sha512>::new_from_slice(SECRET).unwrap().chain_update(&message).finalize();
    assert_invalid(&fixture, &format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.into_bytes())));
    for header in [r#"{"typ":"JWT"}"#, r#"{"alg":null}"#, "{}", "[]", "", "{"] {
        assert_invalid(&fixture, &signed(header, &claims, SECRET));
    }
}

/// R1.4, P3
#[test]
fn p3_the_claims_of_one_token_under_the_signature_of_another_are_invalid() {
    let fixture = Fixture::new();
    let (admin, _) = log_in(&fixture, "ann");
    let (viewer, _) = log_in(&fixture, "vera");
    let (message, _) = admin.rsplit_once('.').unwrap();
    let (_, signature) = viewer.rsplit_once('.').unwrap();
    assert_invalid(&fixture, &format!("{message}.{signature}"));
}

/// P3: even our signature makes no token of something that is none.
#[test]
fn p3_claims_that_are_missing_or_of_another_kind_are_invalid() {
    let fixture = Fixture::new();
    let (token, _) = log_in(&fixture, "ann");
    for name in ["sub", "iat", "exp", "jti", "gen"] {
        let mut without = claims(&token);
        without.as_object_mut().unwrap().remove(name).unwrap();
        assert_invalid(&fixture, &signed(HS256, &without, SECRET));
        let mut other = claims(&token);
        other[name] = json!([]);
        assert_invalid(&fixture, &signed(HS256, &other, SECRET));
    }
    assert_invalid(&fixture, &signed(HS256, &json!("text"), SECRET));
}

/// R1.5
#[test]
fn a_token_is_valid_until_its_expiry_and_expired_from_then_on() {
    let fixture = Fixture::new();
    let (token, _) = log_in(&fixture, "ann");
    fixture.clock.advance(DAY - 1);
    fixture.auth.authenticate(Some(&token)).unwrap();
    for later in [1, DAY, 1_000 * DAY] {
        fixture.clock.advance(later);
        assert!(matches!(fixture.auth.authenticate(Some(&token)), Err(Error::TokenExpired)));
    }
    // Whoever cannot sign does not learn whether it would be expired.
    assert_invalid(&fixture, &signed(HS256, &claims(&token), b"another key"));
}

#[test]
fn the_token_of_a_removed_user_stays_invalid_when_the_name_comes_back() {
    let fixture = Fixture::new();
    let (token, _) = log_in(&fixture, "vera");
    fixture.remove_user("vera").unwrap();
    assert_invalid(&fixture, &token);
    fixture.add_user("vera", Role::Viewer, PASSWORD).unwrap(); // in the same millisecond
    assert_invalid(&fixture, &token);
}

#[test]
fn a_refreshed_token_is_another_one_and_the_first_stays_valid() {
    let fixture = Fixture::new();
    let (token, caller) = log_in(&fixture, "ann");
    fixture.clock.advance(1_000);
    let session = fixture.auth.refresh(&caller).unwrap();
    assert_eq!(session.expires_at, START + 1_000 + DAY);
    let refreshed = fixture.auth.authenticate(Some(&session.token)).unwrap();
    assert_ne!(refreshed.token.id, caller.token.id);
    fixture.auth.authenticate(Some(&token)).unwrap();

    fixture.logout(&caller).unwrap();
    assert!(matches!(fixture.auth.refresh(&caller), Err(Error::TokenInvalid)));
}

#[test]
fn a_revoked_token_is_invalid_also_after_a_restart_and_others_are_not() {
    let fixture = Fixture::new();
    let (token, caller) = log_in(&fixture, "ann");
    let (other, _) = log_in(&fixture, "ann");
    fixture.logout(&caller).unwrap();
    fixture.logout(&caller).unwrap();
    assert_invalid(&fixture, &token);
    let fixture = fixture.restarted();
    assert_invalid(&fixture, &token);
    fixture.auth.authenticate(Some(&other)).unwrap();
}

#[test]
fn a_revocation_is_kept_until_the_token_has_expired() {
    let fixture = Fixture::new();
    let (token, caller) = log_in(&fixture, "ann");
    fixture.logout(&caller).unwrap();
    fixture.clock.advance(DAY - 1);
    let (_, second) = log_in(&fixture, "ann");
    fixture.logout(&second).unwrap();
    assert_invalid(&fixture, &token);
    fixture.clock.advance(1);
    let (_, third) = log_in(&fixture, "ann");
    fixture.logout(&third).unwrap();
    assert_eq!(fixture.count("SELECT count(*) FROM revoked_tokens"), 2, "the first is forgotten");
}

#[test]
fn a_changed_password_ends_all_tokens_but_the_new_one() {
    let fixture = Fixture::new();
    let (token, caller) = log_in(&fixture, "ann");
    let (other, _) = log_in(&fixture, "ann");
    let change = |new| fixture.auth.change_password(&caller, PASSWORD, new, &somebody());
    assert!(matches!(change("short"), Err(Error::Invalid(_))));
    fixture.auth.authenticate(Some(&token)).unwrap();

    let session = change("another password").unwrap(); // in the same millisecond
    assert_invalid(&fixture, &token);
    assert_invalid(&fixture, &other);
    fixture.auth.authenticate(Some(&session.token)).unwrap();
    assert!(fixture.login("ann", PASSWORD).is_err());
    fixture.login("ann", "another password").unwrap();
}

/// R1.3: a stolen token is no way around the lockout.
#[test]
fn a_wrong_current_password_counts_like_a_failed_login() {
    let fixture = Fixture::new();
    let (_, caller) = log_in(&fixture, "ann");
    let change =
        |current| fixture.auth.change_password(&caller, current, "another password", &somebody());
    for _ in 0..5 {
        assert!(matches!(change("wrong password"), Err(Error::Credentials)));
    }
    assert!(matches!(change(PASSWORD), Err(Error::Locked { .. })));
    let login = fixture.login("ann", PASSWORD);
    assert!(matches!(login, Err(Error::Locked { .. })), "{login:?}");
}

#[test]
fn a_ticket_opens_once_as_its_caller() {
    let fixture = Fixture::new();
    let (_, caller) = log_in(&fixture, "otto");
    let ticket = fixture.auth.ticket(&caller).unwrap();
    assert_eq!(ticket.expires_in, 30);
    assert_eq!(fixture.auth.redeem(&ticket.ticket).unwrap(), caller);
    for wrong in [&*ticket.ticket, &ticket.ticket.to_uppercase(), "", "0", "'"] {
        assert!(matches!(fixture.auth.redeem(wrong), Err(Error::TokenInvalid)), "{wrong:?}");
    }
}

#[test]
fn a_ticket_is_no_token_and_a_token_no_ticket() {
    let fixture = Fixture::new();
    let (token, caller) = log_in(&fixture, "ann");
    assert_invalid(&fixture, &fixture.auth.ticket(&caller).unwrap().ticket);
    assert!(matches!(fixture.auth.redeem(&token), Err(Error::TokenInvalid)));
}

#[test]
fn of_many_who_redeem_a_ticket_at_one_time_one_gets_in() {
    let fixture = Fixture::new();
    let (_, caller) = log_in(&fixture, "ann");
    let ticket = fixture.auth.ticket(&caller).unwrap().ticket;
    let start = Barrier::new(8);
    let entered: usize = std::thread::scope(|scope| {
        let redeem = || {
            start.wait();
            usize::from(fixture.auth.redeem(&ticket).is_ok())
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(redeem)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(entered, 1);
}

#[test]
fn a_ticket_can_be_used_for_less_than_30_seconds() {
    let fixture = Fixture::new();
    let (_, caller) = log_in(&fixture, "ann");
    let (first, second) = (fixture.auth.ticket(&caller), fixture.auth.ticket(&caller));
    fixture.clock.advance(29_999);
    fixture.auth.redeem(&first.unwrap().ticket).unwrap();
    fixture.clock.advance(1);
    let late = fixture.auth.redeem(&second.unwrap().ticket);
    assert!(matches!(late, Err(Error::TokenInvalid)), "{late:?}");
}

#[test]
fn a_ticket_is_as_good_as_its_token_when_it_is_used() {
    let acts: [fn(&Fixture, &Caller); 4] = [
        |fixture, caller| fixture.logout(caller).unwrap(),
        |fixture, _| fixture.remove_user("otto").unwrap(),
        |fixture, _| drop(fixture.set_password("otto", "another password").unwrap()),
        |fixture, _| fixture.clock.advance(DAY),
    ];
    for act in acts {
        let fixture = Fixture::new();
        let (_, caller) = log_in(&fixture, "otto");
        let ticket = fixture.auth.ticket(&caller).unwrap().ticket;
        act(&fixture, &caller);
        let late = fixture.auth.redeem(&ticket);
        assert!(matches!(late, Err(Error::TokenInvalid)), "{late:?}");
    }
    let fixture = Fixture::new();
    let (_, caller) = log_in(&fixture, "otto");
    let ticket = fixture.auth.ticket(&caller).unwrap().ticket;
    fixture.set_role("otto", Role::Viewer).unwrap();
    assert_eq!(fixture.auth.redeem(&ticket).unwrap().role, Role::Viewer);
}

#[test]
fn nothing_that_opens_a_door_is_printed() {
    let fixture = Fixture::new();
    let session = fixture.login("ann", PASSWORD).unwrap();
    let caller = fixture.auth.authenticate(Some(&session.token)).unwrap();
    let ticket = fixture.auth.ticket(&caller).unwrap();
    let printed = format!("{session:?} {caller:?} {ticket:?}");
    let (_, signature) = session.token.rsplit_once('.').unwrap();
    for secret in [signature, &ticket.ticket, PASSWORD] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// P3
    #[test]
    fn p3_any_expired_malformed_resigned_or_unsigned_token_is_refused(
        key in proptest::collection::vec(any::<u8>(), 0..80),
        text in ".{0,200}",
        late in 0..1_000_000_000_000_i64,
    ) {
        prop_assume!(key != SECRET);
        let fixture = Fixture::new();
        let (token, _) = log_in(&fixture, "ann");
        let claims = claims(&token);
        assert_invalid(&fixture, &signed(HS256, &claims, &key));
        assert_invalid(&fixture, &format!("{}.", unsigned(r#"{"alg":"none"}"#, &claims)));
        assert_invalid(&fixture, &text);
        assert_invalid(&fixture, &format!("{token}{text}."));
        assert_invalid(&fixture, &signed(&text, &json!(text), SECRET));
        fixture.clock.advance(DAY + late);
        let answer = fixture.auth.authenticate(Some(&token));
        prop_assert!(matches!(answer, Err(Error::TokenExpired)));
        assert_invalid(&fixture, &signed(HS256, &claims, &key));
    }
}
