//! The share of the log that strangers can fill. Whoever is not signed in can make requests without
//! end; were each of them an entry, they could fill the disk.

use std::sync::Mutex;

use crate::threads::lock;

/// Entries about strangers in an hour. A year of them all is less than 500 MB.
const MOST: u32 = 100;

/// An hour, in milliseconds.
const HOUR: i64 = 3_600_000;

/// Counts entries about strangers: at most 100 in an hour, and then none but a number.
#[derive(Debug, Default)]
pub struct Strangers(Mutex<Hour>);

#[derive(Debug, Default)]
struct Hour {
    began: i64,
    taken: u32,
    left_out: u64,
}

impl Strangers {
    /// Whether there is room for an entry at `now`, in milliseconds since the epoch; then also how
    /// many were left out since the last one.
    #[must_use]
    pub fn admit(&self, now: i64) -> Option<u64> {
        let mut hour = lock(&self.0);
        // Also when the clock was set back.
        if !(0..HOUR).contains(&now.saturating_sub(hour.began)) {
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

    #[test]
    fn there_is_room_for_so_many_in_an_hour_and_the_next_tells_of_the_others() {
        let strangers = Strangers::default();
        let start = 1_700_000_000_000;
        for number in 0..i64::from(MOST) {
            assert_eq!(strangers.admit(start + number), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(strangers.admit(start + HOUR - 1), None);
        }
        assert_eq!(strangers.admit(start + HOUR), Some(7));
        assert_eq!(strangers.admit(start + HOUR), Some(0));
    }

    #[test]
    fn a_clock_that_is_set_back_begins_a_new_hour() {
        let strangers = Strangers::default();
        (0..MOST).for_each(|_| _ = strangers.admit(2 * HOUR));
        assert_eq!(strangers.admit(2 * HOUR), None);
        assert_eq!(strangers.admit(2 * HOUR - 1), Some(1));
    }
}
