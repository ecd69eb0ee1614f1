//! The lockout: so many failures within a span lock an account for the same span (R1.3).

use std::time::Duration;

/// What locks an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// Failures in a row that lock it, and so the number of latest attempts that matter.
    pub(super) failures: usize,
    /// The span, in milliseconds, in which they count and for which they lock.
    pub(super) span: i64,
}

/// A comparison of a password that took place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// When, in milliseconds since the epoch.
    pub(super) at: i64,
    /// Whether it was the right one.
    pub(super) success: bool,
}

impl Rule {
    pub(super) fn new(failures: u32, span: Duration) -> Rule {
        // A rule of no failures would lock everybody out for ever.
        Rule { failures: failures.max(1) as usize, span: super::millis(span) }
    }

    /// Until when the account is locked, given the latest attempts, newest first.
    ///
    /// A failure counts from its time until a span later, that instant excluded, and so does the
    /// lock from the last one: when it ends, no failure that led to it counts any more. Nothing
    /// is recorded while it holds, so trying on does not make it longer.
    #[must_use]
    pub(super) fn locked_until(self, attempts: &[Attempt], now: i64) -> Option<i64> {
        let recent = attempts.get(..self.failures)?;
        let (last, first) = (recent.first()?.at, recent.last()?.at);
        let until = last.saturating_add(self.span);
        // A failure of the future is from before the clock was set back; it could lock for years.
        let locked = last <= now
            && now < until
            && last - first < self.span
            && recent.iter().all(|attempt| !attempt.success);
        locked.then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: i64 = 300_000;

    /// Failures oldest first, as people count them.
    fn until(failures: &[i64], now: i64) -> Option<i64> {
        let failed = |at: &i64| Attempt { at: *at, success: false };
        let attempts: Vec<Attempt> = failures.iter().rev().map(failed).collect();
        Rule::new(5, Duration::from_secs(300)).locked_until(&attempts, now)
    }

    /// R1.3
    #[test]
    fn the_fifth_failure_locks_and_not_the_fourth() {
        assert_eq!(until(&[], 0), None);
        assert_eq!(until(&[1, 2, 3, 4], 4), None);
        assert_eq!(until(&[1, 2, 3, 4, 5], 5), Some(5 + SPAN));
    }

    /// R1.3
    #[test]
    fn a_failure_counts_for_less_than_the_span() {
        assert_eq!(until(&[0, 1, 2, 3, SPAN - 1], SPAN - 1), Some(2 * SPAN - 1));
        assert_eq!(until(&[0, 1, 2, 3, SPAN], SPAN), None);
        assert_eq!(until(&[0, 1, 2, 3, SPAN, SPAN], SPAN), Some(2 * SPAN));
    }

    /// R1.3
    #[test]
    fn the_lock_ends_at_its_instant_and_the_count_starts_over() {
        let failures = [0, 0, 0, 0, 0];
        assert_eq!(until(&failures, SPAN - 1), Some(SPAN));
        assert_eq!(until(&failures, SPAN), None);
        assert_eq!(until(&[0, 0, 0, 0, 0, SPAN, SPAN, SPAN, SPAN], SPAN), None);
        assert_eq!(until(&[0, 0, 0, 0, 0, SPAN, SPAN, SPAN, SPAN, SPAN], SPAN), Some(2 * SPAN));
    }

    /// R1.3
    #[test]
    fn a_success_resets_the_count() {
        let rule = Rule::new(2, Duration::from_secs(1));
        let attempt = |success| Attempt { at: 7, success };
        let (right, wrong) = (attempt(true), attempt(false));
        assert_eq!(rule.locked_until(&[wrong, wrong, right], 7), Some(1_007));
        assert_eq!(rule.locked_until(&[wrong, right, wrong], 7), None);
        assert_eq!(rule.locked_until(&[right, wrong, wrong], 7), None);
    }

    #[test]
    fn a_clock_that_was_set_back_neither_locks_for_years_nor_forgets() {
        assert_eq!(until(&[900, 900, 900, 900, 900], 100), None);
        assert_eq!(until(&[900, 900, 900, 900, 100], 100), Some(100 + SPAN));
    }

    #[test]
    fn one_failure_can_be_enough() {
        let rule = Rule::new(0, Duration::from_secs(1));
        assert_eq!(rule.locked_until(&[], 0), None);
        assert_eq!(rule.locked_until(&[Attempt { at: 7, success: false }], 7), Some(1_007));
    }
}
