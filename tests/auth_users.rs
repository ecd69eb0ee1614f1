//! Users: the first one, and what an administrator does with the others.

use std::collections::BTreeMap;

use linkops::auth::{Act, Role};
use linkops::error::{Error, Noun};

use crate::auth::{Fixture, PASSWORD};

fn names(fixture: &Fixture) -> BTreeMap<String, Role> {
    let users = fixture.auth.list_users().unwrap();
    users.into_iter().map(|user| (user.user.username, user.user.role)).collect()
}

#[test]
fn the_first_start_makes_an_admin_with_a_password_that_works_and_only_the_first() {
    let fixture = Fixture::empty();
    let password = fixture.auth.first_start_admin().unwrap().unwrap();
    let session = fixture.login("admin", &password).unwrap();
    assert_eq!(session.user.role, Role::Admin);
    let fixture = fixture.restarted();
    assert_eq!(fixture.auth.first_start_admin().unwrap(), None);
    fixture.login("admin", &password).unwrap();
}

#[test]
fn where_there_is_any_user_no_admin_is_made() {
    let fixture = Fixture::empty();
    fixture.add_user("vera", Role::Viewer, PASSWORD).unwrap();
    assert_eq!(fixture.auth.first_start_admin().unwrap(), None);
    assert_eq!(names(&fixture), [("vera".to_owned(), Role::Viewer)].into());
}

#[test]
fn users_are_listed_by_name_without_their_passwords() {
    let fixture = Fixture::new();
    let users = fixture.auth.list_users().unwrap();
    let listed: Vec<_> = users.iter().map(|user| (&*user.user.username, user.user.role)).collect();
    assert_eq!(listed, [("ann", Role::Admin), ("otto", Role::Operator), ("vera", Role::Viewer)]);
    assert!(!format!("{users:?}").contains("argon2"));
}

#[test]
fn a_name_that_is_taken_and_a_password_that_is_short_are_refused() {
    let fixture = Fixture::new();
    for (name, password, field) in [("a b", PASSWORD, "username"), ("bob", "1234567", "password")] {
        let error = fixture.add_user(name, Role::Viewer, password).unwrap_err();
        assert!(matches!(&error, Error::Invalid(fields) if fields[0].name == field), "{error:?}");
    }
    let error = fixture.add_user("ann", Role::Viewer, PASSWORD).unwrap_err();
    assert!(matches!(&error, Error::UserExists { name } if name == "ann"), "{error:?}");
    assert_eq!(names(&fixture).len(), 3);
    assert_eq!(names(&fixture)["ann"], Role::Admin, "the taken one is as it was");
}

#[test]
fn a_user_that_does_not_exist_is_not_found() {
    let fixture = Fixture::new();
    for result in [
        fixture.set_password("bob", PASSWORD).err(),
        fixture.set_role("bob", Role::Admin).err(),
        fixture.set_role("bob", Role::Viewer).err(),
        fixture.remove_user("bob").err(),
    ] {
        let error = result.unwrap();
        assert!(
            matches!(&error, Error::NotFound { noun: Noun::User, id } if id == "bob"),
            "{error:?}"
        );
    }
}

#[test]
fn the_last_admin_can_be_neither_removed_nor_made_less() {
    let fixture = Fixture::new();
    let made_less = fixture.set_role("ann", Role::Operator).err();
    for error in [fixture.remove_user("ann").err(), made_less] {
        let error = error.unwrap();
        assert!(matches!(&error, Error::LastAdmin { name } if name == "ann"), "{error:?}");
    }
    fixture.set_role("ann", Role::Admin).unwrap();
    fixture.set_role("vera", Role::Admin).unwrap();
    fixture.set_role("vera", Role::Viewer).unwrap(); // as long as there is another
    fixture.set_role("vera", Role::Admin).unwrap();
    fixture.remove_user("ann").unwrap();
    fixture.remove_user("vera").unwrap_err();
    fixture.remove_user("otto").unwrap();
    assert_eq!(names(&fixture), [("vera".to_owned(), Role::Admin)].into());
}

#[test]
fn a_role_holds_from_the_next_request_on() {
    let fixture = Fixture::new();
    let token = fixture.login("otto", PASSWORD).unwrap().token;
    let caller = fixture.auth.authenticate(Some(&token)).unwrap();
    caller.require(Act::Run).unwrap();
    let error = caller.require(Act::ManageUsers).unwrap_err();
    assert!(matches!(error, Error::Forbidden { needs: "admin" }), "{error:?}");

    fixture.set_role("otto", Role::Viewer).unwrap();
    let error = fixture.auth.authenticate(Some(&token)).unwrap().require(Act::Run).unwrap_err();
    assert!(matches!(error, Error::Forbidden { needs: "operator" }), "{error:?}");
}

#[test]
fn a_password_set_by_an_admin_replaces_the_old_one() {
    let fixture = Fixture::new();
    let token = fixture.login("vera", PASSWORD).unwrap().token;
    fixture.set_password("vera", "another password").unwrap();
    assert!(fixture.login("vera", PASSWORD).is_err());
    fixture.login("vera", "another password").unwrap();
    let error = fixture.auth.authenticate(Some(&token)).unwrap_err();
    assert!(matches!(error, Error::TokenInvalid), "{error:?}");
    assert!(fixture.set_password("vera", "short").is_err());
}
