//! API tokens: who can make one, what it opens, and until when.

use linkops::auth::{Act, ApiToken, Caller, Role, Wanted};
use linkops::error::{Error, Noun, Result};
use proptest::prelude::*;

use crate::auth::{DAY, Fixture, PASSWORD, START};
use crate::support::somebody;

const ACTS: [Act; 7] = [
    Act::UseOwnAccount,
    Act::ReadInventory,
    Act::Run,
    Act::Sync,
    Act::OpenTerminal,
    Act::ReadUsers,
    Act::ReadAudit,
];

fn log_in(fixture: &Fixture, name: &str) -> Caller {
    let token = fixture.login(name, PASSWORD).unwrap().token;
    fixture.auth.authenticate(Some(&token)).unwrap()
}

fn wanted(name: &str, role: Option<Role>, days: u32) -> Wanted<'_> {
    Wanted { name, role, days }
}

fn make(fixture: &Fixture, owner: &str, role: Role) -> (ApiToken, String) {
    let caller = log_in(fixture, owner);
    fixture.auth.add_token(&caller, &wanted("ci", Some(role), 90), &somebody()).unwrap()
}

fn enter(fixture: &Fixture, token: &str) -> Result<Caller> {
    fixture.auth.authenticate(Some(token))
}

fn last_used(fixture: &Fixture) -> i64 {
    fixture.count("SELECT coalesce(last_used_at, 0) FROM api_tokens")
}

#[test]
fn a_token_opens_as_its_owner_until_its_end_and_only_its_hash_is_kept() {
    let fixture = Fixture::new();
    let (token, text) = make(&fixture, "otto", Role::Operator);
    assert!(text.starts_with("lko_") && text.len() == 47, "{text}");
    assert_eq!((token.created_at, token.expires_at), (START, START + 90 * DAY));
    let caller = enter(&fixture, &text).unwrap();
    assert_eq!((&*caller.username, caller.role), ("otto", Role::Operator));
    assert!(caller.token.is_api());
    let whole = fixture.count("SELECT count(*) FROM api_tokens WHERE length(hash) = 32");
    assert_eq!(whole, 1);
    let fixture = fixture.restarted();
    fixture.clock.advance(90 * DAY - 1);
    enter(&fixture, &text).unwrap();
    fixture.clock.advance(1);
    assert!(matches!(enter(&fixture, &text), Err(Error::TokenExpired)));
}

#[test]
fn a_name_a_life_and_a_role_are_checked() {
    let fixture = Fixture::new();
    let otto = log_in(&fixture, "otto");
    let add = |name: &str, role, days| {
        fixture.auth.add_token(&otto, &wanted(name, role, days), &somebody()).map(|(one, _)| one)
    };
    let long = "ü".repeat(64);
    for (name, days) in [("ci", 1), ("ci", 3_650), (&*long, 90), ("a b", 90)] {
        assert_eq!(add(name, None, days).unwrap().role, Role::Operator, "as its owner's");
    }
    assert_eq!(add("ci", Some(Role::Viewer), 1).unwrap().role, Role::Viewer);
    let longer = "x".repeat(65);
    for (name, days, field) in [
        ("", 90, "name"),
        (" ", 90, "name"),
        ("a\n", 90, "name"),
        (&longer, 90, "name"),
        ("ci", 0, "expires_in_days"),
        ("ci", 3_651, "expires_in_days"),
    ] {
        let error = add(name, None, days).unwrap_err();
        assert!(matches!(&error, Error::Invalid(found) if found[0].name == field), "{error:?}");
    }
    let error = add("ci", Some(Role::Admin), 90).unwrap_err();
    assert!(matches!(error, Error::Forbidden { needs: "admin" }), "{error:?}");
    assert_eq!(fixture.count("SELECT count(*) FROM api_tokens"), 5);
}

#[test]
fn a_token_cannot_give_out_access() {
    let fixture = Fixture::new();
    let (_, text) = make(&fixture, "ann", Role::Admin);
    let caller = enter(&fixture, &text).unwrap();
    for act in [Act::ManageOwnAccess, Act::ManageUsers] {
        assert!(matches!(caller.require(act), Err(Error::SignIn)), "{act:?}");
    }
    let more = fixture.auth.add_token(&caller, &wanted("more", None, 1), &somebody());
    assert!(matches!(more, Err(Error::SignIn)));
    assert!(matches!(fixture.auth.refresh(&caller), Err(Error::SignIn)));
    ACTS.iter().for_each(|act| caller.require(*act).unwrap());
}

#[test]
fn a_user_sees_and_removes_their_own_and_an_admin_all() {
    let fixture = Fixture::new();
    let (of_otto, text) = make(&fixture, "otto", Role::Viewer);
    let (of_vera, _) = make(&fixture, "vera", Role::Viewer);
    let [ann, otto, vera] = ["ann", "otto", "vera"].map(|name| log_in(&fixture, name));
    let ids = |caller| {
        let listed = fixture.auth.list_tokens(caller).unwrap();
        listed.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(&otto), [of_otto.id.as_str()]);
    assert_eq!(ids(&vera), [of_vera.id.as_str()]);
    assert_eq!(ids(&ann).len(), 2);
    for (caller, id) in [(&vera, &*of_otto.id), (&vera, "nothing"), (&ann, "nothing")] {
        let error = fixture.auth.remove_token(caller, id, &somebody()).unwrap_err();
        assert!(matches!(error, Error::NotFound { noun: Noun::Token, .. }), "{error:?}");
    }
    fixture.auth.remove_token(&otto, &of_otto.id, &somebody()).unwrap();
    assert!(matches!(enter(&fixture, &text), Err(Error::TokenInvalid)));
    fixture.auth.remove_token(&ann, &of_vera.id, &somebody()).unwrap();
    assert!(ids(&ann).is_empty());
}

#[test]
fn a_token_ends_with_its_owner_the_owners_password_and_its_own_logout() {
    let acts: [fn(&Fixture); 3] = [
        |fixture| fixture.remove_user("otto").unwrap(),
        |fixture| drop(fixture.set_password("otto", "another password").unwrap()),
        |fixture| {
            let otto = log_in(fixture, "otto");
            let change = fixture.auth.change_password(&otto, PASSWORD, "a new one", &somebody());
            drop(change.unwrap());
        },
    ];
    for act in acts {
        let fixture = Fixture::new();
        let (_, text) = make(&fixture, "otto", Role::Operator);
        let ticket = fixture.auth.ticket(&enter(&fixture, &text).unwrap()).unwrap().ticket;
        act(&fixture);
        assert!(matches!(enter(&fixture, &text), Err(Error::TokenInvalid)));
        assert!(matches!(fixture.auth.redeem(&ticket), Err(Error::TokenInvalid)));
    }
    let fixture = Fixture::new();
    let (_, text) = make(&fixture, "otto", Role::Operator);
    fixture.logout(&enter(&fixture, &text).unwrap()).unwrap();
    assert!(matches!(enter(&fixture, &text), Err(Error::TokenInvalid)));
}

#[test]
fn a_use_is_written_down_at_most_once_in_a_minute() {
    let fixture = Fixture::new();
    let (_, text) = make(&fixture, "vera", Role::Viewer);
    assert_eq!(last_used(&fixture), 0);
    for (later, used) in [(1_000, 1_000), (59_999, 1_000), (1, 61_000), (70_000, 131_000)] {
        fixture.clock.advance(later);
        enter(&fixture, &text).unwrap();
        assert_eq!(last_used(&fixture), START + used);
    }
    fixture.clock.advance(-DAY); // the clock was set back
    enter(&fixture, &text).unwrap();
    assert_eq!(last_used(&fixture), START + 131_000 - DAY);
}

#[test]
fn a_token_that_expired_is_listed_for_a_while_and_then_forgotten() {
    let fixture = Fixture::new();
    let vera = log_in(&fixture, "vera");
    let add = |caller| fixture.auth.add_token(caller, &wanted("ci", None, 1), &somebody()).unwrap();
    add(&vera);
    fixture.clock.advance(31 * DAY);
    let vera = log_in(&fixture, "vera");
    add(&vera);
    assert_eq!(fixture.auth.list_tokens(&vera).unwrap().len(), 2);
    fixture.clock.advance(1);
    add(&vera);
    assert_eq!(fixture.auth.list_tokens(&vera).unwrap().len(), 2, "the first is forgotten");
}

#[test]
fn nobody_fills_the_disk_with_tokens() {
    let fixture = Fixture::new();
    let vera = log_in(&fixture, "vera");
    let add = || fixture.auth.add_token(&vera, &wanted("ci", None, 1), &somebody());
    (0..100).for_each(|_| drop(add().unwrap()));
    assert!(matches!(add(), Err(Error::Invalid(_))));
    assert_eq!(fixture.count("SELECT count(*) FROM api_tokens"), 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// P3: nothing but the very text opens the door.
    #[test]
    fn p3_any_other_text_is_no_token(place in 0..47_usize, byte in 32..127_u8, tail in ".{0,60}") {
        let fixture = Fixture::new();
        let (_, text) = make(&fixture, "vera", Role::Viewer);
        let mut other = text.clone().into_bytes();
        other[place] = byte;
        let other = String::from_utf8(other).unwrap();
        prop_assert_eq!(enter(&fixture, &other).is_ok(), other == text);
        for wrong in [format!("lko_{tail}"), format!("{text}{tail}x"), text[..place].to_owned()] {
            prop_assert!(matches!(enter(&fixture, &wrong), Err(Error::TokenInvalid)), "{wrong:?}");
        }
    }

    /// The rights are the least of the token's role and its owner's, whatever becomes of the owner.
    #[test]
    fn rights_are_the_least_of_both(
        first in prop::sample::select(vec![Role::Viewer, Role::Operator, Role::Admin]),
        least in prop::sample::select(vec![Role::Viewer, Role::Operator, Role::Admin]),
        later in prop::sample::select(vec![Role::Viewer, Role::Operator, Role::Admin]),
    ) {
        let fixture = Fixture::new();
        fixture.add_user("tom", first, PASSWORD).unwrap();
        let role = least.min(first);
        let (_, text) = make(&fixture, "tom", role);
        fixture.set_role("tom", later).unwrap();
        let caller = enter(&fixture, &text).unwrap();
        prop_assert_eq!(caller.role, role.min(later));
        for act in ACTS {
            prop_assert_eq!(caller.require(act).is_ok(), caller.role >= act.needs());
        }
    }
}
