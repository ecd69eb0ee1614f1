//! The share of the log that refusals can fill. Whoever is not signed in can be refused without
//! end; were each time an entry, they could fill the disk.

use std::collections::HashMap;
use std::sync::Mutex;

use super::Actor;
use crate::threads::lock;

/// Entries about the refusals of one name in an hour. A year of them is about 200 MB.
const MOST: u32 = 60;

/// An hour, in milliseconds.
const HOUR: i64 = 3_600_000;

/// Names that are remembered before those whose hour is over are forgotten.
const NAMES: usize = 1_000;

/// Counts entries about refusals: at most 60 in an hour for each user, and as many for all
/// strangers together; beyond them only a number is kept.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<String, Hour>>);

#[derive(Debug, Default)]
struct Hour {
    began: i64,
    taken: u32,
    left_out: u64,
}

impl Hour {
    /// Not so when the clock was set back.
    fn holds(&self, now: i64) -> bool {
        (0..HOUR).contains(&now.saturating_sub(self.began))
    }
}

impl Refusals {
    /// Whether there is room for an entry at `now`, in milliseconds since the epoch; then also how
    /// many were left out since the last one. `user` is one that exists, or none for a stranger.
    #[must_use]
    pub fn admit(&self, user: Option<&str>, now: i64) -> Option<u64> {
        let mut hours = lock(&self.0);
        if hours.len() >= NAMES {
            hours.retain(|_, hour| hour.left_out > 0 || hour.holds(now));
        }
        let hour = hours.entry(user.unwrap_or(Actor::STRANGER).to_owned()).or_default();
        if !hour.holds(now) {
            hour.began = now;
            hour.taken = 0;
        }
        if hour.taken == MOST {
            hour.left_out += 1;
            return None;
        }
        hour.taken += 1;
        Some(std::mem::take(&mut hour.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000_000;

    #[test]
    fn there_is_room_for_so_many_in_an_hour_and_the_next_tells_of_the_others() {
        let refusals = Refusals::default();
        for number in 0..i64::from(MOST) {
            assert_eq!(refusals.admit(None, START + number), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(refusals.admit(None, START + HOUR - 1), None);
        }
        assert_eq!(refusals.admit(None, START + HOUR), Some(7));
        assert_eq!(refusals.admit(None, START + HOUR), Some(0));
    }

    #[test]
    fn strangers_take_nothing_from_users_nor_users_from_each_other() {
        let refusals = Refusals::default();
        for user in [None, Some("ann"), Some("otto")] {
            let taken = (0..1_000).filter(|_| refusals.admit(user, START).is_some());
            assert_eq!(taken.count(), MOST as usize);
        }
    }

    #[test]
    fn names_are_forgotten_when_their_hour_is_over() {
        let refusals = Refusals::default();
        for number in 0..2 * NAMES {
            let now = START + number as i64 * HOUR;
            assert_eq!(refusals.admit(Some(&format!("user-{number}")), now), Some(0));
        }
        assert!(lock(&refusals.0).len() <= NAMES);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_a_new_hour() {
        let refusals = Refusals::default();
        (0..MOST).for_each(|_| _ = refusals.admit(None, START));
        assert_eq!(refusals.admit(None, START), None);
        assert_eq!(refusals.admit(None, START - 1), Some(1));
    }
}
