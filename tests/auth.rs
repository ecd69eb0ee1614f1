//! Logging in: passwords, lockout, and the life of what it gives (R1.1 to R1.3, P1, P2).

use std::sync::{Arc, Barrier};
use std::time::Duration;

use linkops::audit::Actor;
use linkops::auth::{Auth, Caller, Change, HashCost, Listed, Role, Session, Settings};
use linkops::clock::Clock;
use linkops::error::{Error, Result};
use linkops::store::Store;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::somebody;

pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const DAY: i64 = 24 * 3_600 * 1_000;
const SPAN: i64 = 300_000;

/// 2023-11-14T22:13:20Z.
pub(crate) const START: i64 = 1_700_000_000_000;

/// Users in a database of its own: `ann` is an admin, `otto` an operator, `vera` a viewer.
pub(crate) struct Fixture {
    pub(crate) auth: Auth,
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    directory: TempDir,
}

impl Fixture {
    pub(crate) fn empty() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&directory.path().join("linkops.db")).unwrap());
        let clock = Clock::fixed(START);
        Fixture { auth: start(&store, &clock), store, clock, directory }
    }

    pub(crate) fn new() -> Fixture {
        let fixture = Fixture::empty();
        for (name, role) in [("ann", Role::Admin), ("otto", Role::Operator), ("vera", Role::Viewer)]
        {
            fixture.add_user(name, role, PASSWORD).unwrap();
        }
        fixture
    }

    /// The same database and clock in a new process, as far as that can be had in this one.
    pub(crate) fn restarted(self) -> Fixture {
        let Fixture { auth, store, clock, directory } = self;
        drop((auth, store));
        let store = Arc::new(Store::open(&directory.path().join("linkops.db")).unwrap());
        Fixture { auth: start(&store, &clock), store, clock, directory }
    }

    pub(crate) fn login(&self, name: &str, password: &str) -> Result<Session> {
        self.auth.login(name, password, &Actor::stranger([192, 0, 2, 1].into(), "r-1"))
    }

    pub(crate) fn add_user(&self, name: &str, role: Role, password: &str) -> Result<Listed> {
        self.auth.add_user(name, role, password, &somebody())
    }

    pub(crate) fn set_password(&self, name: &str, password: &str) -> Result<Listed> {
        let change = Change { password: Some(password), ..Change::default() };
        self.auth.change_user(name, &change, &somebody())
    }

    pub(crate) fn set_role(&self, name: &str, role: Role) -> Result<Listed> {
        let change = Change { role: Some(role), ..Change::default() };
        self.auth.change_user(name, &change, &somebody())
    }

    pub(crate) fn remove_user(&self, name: &str) -> Result<()> {
        self.auth.remove_user(name, &somebody())
    }

    pub(crate) fn logout(&self, caller: &Caller) -> Result<()> {
        self.auth.logout(caller, &somebody())
    }

    pub(crate) fn count(&self, sql: &str) -> i64 {
        self.store.read(|c| Ok(c.query_row(sql, [], |row| row.get(0))?)).unwrap()
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.store.write(|tx| Ok(tx.execute_batch(sql)?)).unwrap();
    }

    fn fail(&self, name: &str, times: usize) {
        for _ in 0..times {
            let error = self.login(name, "wrong password").unwrap_err();
            assert!(matches!(error, Error::Credentials), "{error:?}");
        }
    }

    fn locked_until(&self, name: &str, password: &str) -> Option<i64> {
        match self.login(name, password) {
            Err(Error::Locked { until }) => Some(until),
            _ => None,
        }
    }
}

fn start(store: &Arc<Store>, clock: &Clock) -> Auth {
    let settings = Settings {
        secret: SECRET.to_vec(),
        token_life: Duration::from_millis(DAY as u64),
        max_failed: 5,
        lockout: Duration::from_millis(SPAN as u64),
        hash_cost: HashCost { memory: 8, passes: 1 },
    };
    Auth::new(Arc::clone(store), clock.clone(), &settings)
}

/// R1.1
#[test]
fn valid_credentials_give_a_token_that_lives_24_hours() {
    let fixture = Fixture::new();
    let session = fixture.login("otto", PASSWORD).unwrap();
    assert_eq!(session.expires_at, START + DAY);
    assert_eq!((&*session.user.username, session.user.role), ("otto", Role::Operator));
    let caller = fixture.auth.authenticate(Some(&session.token)).unwrap();
    assert_eq!((&*caller.username, caller.role), ("otto", Role::Operator));
    assert_eq!(caller.token.expires_at, START + DAY);
}

/// R1.2
#[test]
fn wrong_ones_give_one_error_whatever_is_wrong_and_count() {
    let fixture = Fixture::new();
    for (name, password) in [
        ("ann", "wrong password"),
        ("ann", ""),
        ("ANN", PASSWORD),
        ("ann ", PASSWORD),
        ("nobody", PASSWORD),
        ("", ""),
        ("' OR 1 = 1 --", "x"),
        ("a\0b\u{202e}", "x"),
        (&"x".repeat(256), "x"),
    ] {
        let error = fixture.login(name, password).unwrap_err();
        assert!(matches!(error, Error::Credentials), "{name:?}: {error:?}");
        assert_eq!(error.to_string(), "user name or password is wrong");
    }
    assert_eq!(fixture.count("SELECT count(*) FROM auth_attempts WHERE success = 0"), 9);
    let error = fixture.login(&"x".repeat(257), "x").unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "no user can have it: {error:?}");
}

/// R1.3
#[test]
fn the_fifth_failure_locks_for_five_minutes_and_not_a_millisecond_more() {
    let fixture = Fixture::new();
    fixture.fail("ann", 4);
    fixture.clock.advance(SPAN - 1);
    fixture.fail("ann", 1);
    let until = START + SPAN - 1 + SPAN;
    assert_eq!(fixture.locked_until("ann", PASSWORD), Some(until));
    fixture.clock.advance(SPAN - 1);
    assert_eq!(fixture.locked_until("ann", PASSWORD), Some(until));
    fixture.clock.advance(1);
    fixture.login("ann", PASSWORD).unwrap();
}

/// R1.3
#[test]
fn failures_five_minutes_apart_do_not_lock() {
    let fixture = Fixture::new();
    fixture.fail("ann", 4);
    fixture.clock.advance(SPAN);
    fixture.fail("ann", 1);
    fixture.login("ann", PASSWORD).unwrap();
}

/// R1.3
#[test]
fn a_success_resets_the_count() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.fail("ann", 4);
        fixture.login("ann", PASSWORD).unwrap();
    }
}

/// R1.3: what is tried while it is locked is neither recorded nor makes it longer.
#[test]
fn a_lock_holds_for_one_name_alone_and_is_not_made_longer() {
    let fixture = Fixture::new();
    fixture.fail("ann", 5);
    fixture.clock.advance(SPAN / 2);
    for password in ["wrong password", PASSWORD] {
        assert_eq!(fixture.locked_until("ann", password), Some(START + SPAN));
    }
    assert_eq!(fixture.count("SELECT count(*) FROM auth_attempts"), 5);
    fixture.login("otto", PASSWORD).unwrap();
}

/// R1.3
#[test]
fn a_lock_survives_a_restart() {
    let fixture = Fixture::new();
    fixture.fail("ann", 5);
    let fixture = fixture.restarted();
    assert_eq!(fixture.locked_until("ann", PASSWORD), Some(START + SPAN));
}

/// R1.3: the lockout does not tell which names exist.
#[test]
fn a_name_that_no_user_has_locks_alike() {
    let fixture = Fixture::new();
    for name in ["nobody", "", "not a name"] {
        fixture.fail(name, 5);
        assert_eq!(fixture.locked_until(name, PASSWORD), Some(START + SPAN));
    }
}

/// A hash that cannot be read would be an error if it were looked at.
#[test]
fn a_locked_account_costs_no_hashing() {
    let fixture = Fixture::new();
    fixture.fail("ann", 5);
    fixture.execute("UPDATE users SET password_hash = 'damaged'");
    assert!(fixture.locked_until("ann", PASSWORD).is_some());
    let error = fixture.login("otto", PASSWORD).unwrap_err();
    assert!(matches!(error, Error::Internal(_)), "{error:?}");
}

#[test]
fn attempts_at_one_time_get_no_more_tries_than_attempts_in_a_row() {
    let fixture = Fixture::new();
    let start = Barrier::new(16);
    let answers: Vec<Error> = std::thread::scope(|scope| {
        let attempt = || {
            start.wait();
            fixture.login("ann", "wrong password").unwrap_err()
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(attempt)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let wrong = answers.iter().filter(|error| matches!(error, Error::Credentials)).count();
    let refused = |error: &&Error| {
        matches!(error, Error::Locked { .. } | Error::RateLimited { .. }) // too many at one time
    };
    let refused = answers.iter().filter(refused).count();
    assert_eq!((wrong, refused), (5, 11));
    assert_eq!(fixture.count("SELECT count(*) FROM auth_attempts"), 5);
}

#[test]
fn attempts_older_than_a_day_are_removed() {
    let fixture = Fixture::new();
    fixture.fail("nobody", 1);
    fixture.clock.advance(DAY);
    fixture.fail("ann", 1);
    assert_eq!(fixture.count("SELECT count(*) FROM auth_attempts"), 2);
    fixture.clock.advance(1);
    fixture.fail("ann", 1);
    assert_eq!(fixture.count("SELECT count(*) FROM auth_attempts WHERE username = 'nobody'"), 0);
}

/// Whoever tries names without end does not fill the disk, nor make us forget who is locked.
#[test]
fn attempts_under_names_that_no_user_has_are_bounded() {
    let fixture = Fixture::new();
    fixture.fail("ann", 5);
    fixture.execute(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
         INSERT INTO auth_attempts (username, address, at, success)
         SELECT 'nobody-' || i, '192.0.2.1', {START}, 0 FROM n"
    ));
    fixture.fail("nobody", 1);
    assert_eq!(fixture.count("SELECT count(*) FROM auth_attempts"), 100_005);
    assert!(fixture.locked_until("ann", PASSWORD).is_some());
}

fn password() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 8..40).prop_map(String::from_iter)
}

fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 1..2_000_i64, 59_000..76_000_i64, (SPAN - 1)..(SPAN + 2)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// P1
    #[test]
    fn p1_any_valid_credentials_give_a_token_that_validates_until_exactly_24_h_after_issue(
        name in "[A-Za-z0-9._@-]{1,64}",
        password in password(),
        at in 0..4_000_000_000_000_i64,
    ) {
        let fixture = Fixture::empty();
        fixture.clock.advance(at - START);
        fixture.add_user(&name, Role::Viewer, &password).unwrap();
        let session = fixture.login(&name, &password).unwrap();
        // The time of issue is cut to the second, as the token carries it.
        prop_assert_eq!(session.expires_at, at / 1_000 * 1_000 + DAY);
        prop_assert!(fixture.auth.authenticate(Some(&session.token)).is_ok());
        fixture.clock.advance(session.expires_at - 1 - at);
        prop_assert_eq!(fixture.auth.authenticate(Some(&session.token)).unwrap().username, name);
        fixture.clock.advance(1);
        let error = fixture.auth.authenticate(Some(&session.token)).unwrap_err();
        prop_assert!(matches!(error, Error::TokenExpired));
    }

    /// P2
    #[test]
    fn p2_any_wrong_credentials_count_and_give_an_error(
        name in prop_oneof![Just("ann".to_owned()), ".{0,64}"],
        password in prop_oneof![Just(PASSWORD.to_owned()), ".{0,2000}"],
    ) {
        prop_assume!(!(["ann", "otto", "vera"].contains(&&*name) && password == PASSWORD));
        let fixture = Fixture::new();
        for before in 0..5 {
            prop_assert_eq!(fixture.count("SELECT count(*) FROM auth_attempts"), before);
            let error = fixture.login(&name, &password).unwrap_err();
            prop_assert!(matches!(error, Error::Credentials));
        }
        let error = fixture.login(&name, &password).unwrap_err();
        prop_assert!(matches!(error, Error::Locked { .. }), "{error:?}");
    }

    /// R1.3, against the rule as a person would keep it with a list and a note.
    #[test]
    fn any_sequence_of_attempts_locks_when_the_rule_says_so(
        steps in proptest::collection::vec((gap(), prop::bool::weighted(0.1)), 1..40),
    ) {
        let fixture = Fixture::new();
        let (mut failures, mut locked) = (Vec::new(), 0);
        for (gap, right) in steps {
            fixture.clock.advance(gap);
            let now = fixture.clock.now();
            let password = if right { PASSWORD } else { "wrong password" };
            let answer = fixture.login("ann", password);
            if now < locked {
                let until = if let Err(Error::Locked { until }) = answer { until } else { 0 };
                prop_assert_eq!(until, locked);
            } else if right {
                prop_assert!(answer.is_ok());
                failures.clear();
            } else {
                prop_assert!(matches!(answer, Err(Error::Credentials)));
                failures.push(now);
                failures.retain(|at| now - at < SPAN);
                if failures.len() == 5 {
                    locked = now + SPAN;
                    failures.clear();
                }
            }
        }
    }
}
