//! How often somebody may call. Each caller has a measure of so many calls, which fills up again
//! evenly within a minute; the memory for it is bounded, however many callers there are.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::threads::lock;

const MINUTE: Duration = Duration::from_secs(60);

/// Callers with a measure of their own; when so many are active, all others share one.
const MOST: usize = 10_000;

/// Between two looks for measures that are full again.
const PAUSE: Duration = Duration::from_secs(1);

/// What each may call in a minute; 0 is no limit.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Calls of a user, of an API token, or of an address that is not signed in.
    pub calls: u32,
    /// Logins from an address.
    pub logins: u32,
}

/// The measures of all callers.
pub struct Limits {
    callers: Measures,
    /// Apart, so that strangers without number take nothing from users.
    strangers: Measures,
    logins: Measures,
}

impl Limits {
    /// Nobody has called yet.
    #[must_use]
    pub fn new(rates: Rates) -> Limits {
        Limits {
            callers: Measures::new(rates.calls),
            strangers: Measures::new(rates.calls),
            logins: Measures::new(rates.logins),
        }
    }

    /// Counts a call of somebody who is signed in. The sessions of a user are one caller, since a
    /// session can be exchanged for another; an API token is one of its own.
    ///
    /// # Errors
    /// [`Error::RateLimited`]
    pub(super) fn caller(&self, caller: &Caller) -> Result<()> {
        let token = &caller.token;
        let name = if token.is_api() { &token.id } else { &caller.username };
        self.callers.take(&format!("{} {name}", if token.is_api() { "token" } else { "user" }))
    }

    /// Counts a call of somebody who is not signed in.
    ///
    /// # Errors
    /// [`Error::RateLimited`]
    pub(super) fn stranger(&self, address: IpAddr) -> Result<()> {
        self.strangers.take(&network(address))
    }

    /// Counts a login.
    ///
    /// # Errors
    /// [`Error::RateLimited`]
    pub(super) fn login(&self, address: IpAddr) -> Result<()> {
        self.logins.take(&network(address))
    }
}

/// An address; of IPv6 the first half, since everybody there has the other half to choose from.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// For each caller the time at which its measure is full again.
struct Measures {
    per_minute: u32,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    full: HashMap<String, Duration>,
    looked: Duration,
}

impl Measures {
    fn new(per_minute: u32) -> Measures {
        Measures { per_minute, began: Instant::now(), state: Mutex::default() }
    }

    fn take(&self, caller: &str) -> Result<()> {
        self.take_at(caller, self.began.elapsed())
    }

    /// `now` is the time since the beginning.
    fn take_at(&self, caller: &str, now: Duration) -> Result<()> {
        let Some(step) = MINUTE.checked_div(self.per_minute) else { return Ok(()) };
        let mut state = lock(&self.state);
        let caller = if state.has_room(caller, now) { caller } else { "others" };
        let full = state.full.get(caller).copied().unwrap_or(now).max(now) + step;
        match full.saturating_sub(now).checked_sub(MINUTE) {
            Some(late) if !late.is_zero() => {
                Err(Error::RateLimited { retry_after: late.as_secs_f64().ceil() as u64 })
            }
            _ => {
                state.full.insert(caller.to_owned(), full);
                Ok(())
            }
        }
    }
}

impl State {
    fn has_room(&mut self, caller: &str, now: Duration) -> bool {
        if self.full.len() >= MOST && now.saturating_sub(self.looked) >= PAUSE {
            self.looked = now;
            self.full.retain(|_, full| *full > now);
        }
        self.full.len() < MOST || self.full.contains_key(caller)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(result: Result<()>) -> Option<u64> {
        match result {
            Err(Error::RateLimited { retry_after }) => Some(retry_after),
            _ => None,
        }
    }

    #[test]
    fn a_measure_is_used_up_and_fills_again_evenly() {
        let measures = Measures::new(30);
        let now = Duration::from_secs(1_000);
        for _ in 0..30 {
            measures.take_at("a", now).unwrap();
        }
        assert_eq!(after(measures.take_at("a", now)), Some(2));
        measures.take_at("b", now).unwrap();
        let early = now + Duration::from_millis(1_999);
        assert_eq!(after(measures.take_at("a", early)), Some(1));
        measures.take_at("a", now + Duration::from_secs(2)).unwrap();
        assert_eq!(after(measures.take_at("a", now + Duration::from_secs(2))), Some(2));
        let later = now + Duration::from_secs(62);
        assert!((0..30).all(|_| measures.take_at("a", later).is_ok()));
        assert!(measures.take_at("a", later).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        let measures = Measures::new(0);
        assert!((0..10_000).all(|_| measures.take_at("a", Duration::ZERO).is_ok()));
        assert!(lock(&measures.state).full.is_empty());
    }

    #[test]
    fn many_callers_take_bounded_memory_and_the_last_ones_share() {
        let measures = Measures::new(2);
        let mut now = Duration::from_secs(1);
        for number in 0..3 * MOST {
            _ = measures.take_at(&number.to_string(), now);
        }
        assert!(lock(&measures.state).full.len() <= MOST + 1);
        assert!(measures.take_at("one more", now).is_err(), "the others have used it up");
        measures.take_at("0", now).unwrap();
        now += 2 * MINUTE;
        measures.take_at("one more", now).unwrap();
        assert_eq!(lock(&measures.state).full.len(), 1);
    }

    #[test]
    fn strangers_take_nothing_from_logins_or_users() {
        let limits = Limits::new(Rates { calls: 1, logins: 1 });
        let address = [192, 0, 2, 1].into();
        limits.stranger(address).unwrap();
        assert!(limits.stranger(address).is_err());
        limits.login(address).unwrap();
        assert!(limits.login(address).is_err());
        limits.login([192, 0, 2, 2].into()).unwrap();
    }

    #[test]
    fn an_ipv6_host_is_its_network() {
        let key = |text: &str| network(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), "192.0.2.1");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// In any minute there are at most a full measure and what comes in that minute.
        #[test]
        fn nobody_gets_more_than_the_rate(
            rate in 1..100_u32,
            gaps in proptest::collection::vec(0..3_000_u64, 1..400),
        ) {
            let measures = Measures::new(rate);
            let mut now = Duration::ZERO;
            let mut taken: Vec<Duration> = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                match after(measures.take_at("a", now)) {
                    None => taken.push(now),
                    Some(seconds) => {
                        prop_assert!((1..=60).contains(&seconds));
                        // Whoever waits as told gets in; asking changes nothing.
                        let then = now + Duration::from_secs(seconds);
                        let copy = Measures::new(rate);
                        lock(&copy.state).full = lock(&measures.state).full.clone();
                        prop_assert!(copy.take_at("a", then).is_ok());
                    }
                }
                let recent = taken.iter().filter(|at| now - **at < MINUTE).count();
                prop_assert!(recent <= 2 * rate as usize);
            }
        }
    }
}
