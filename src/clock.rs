//! The time of day, so that rules about it (token expiry, lockout) can be tested at their edge.
//! Deadlines inside one process use `std::time::Instant` instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the time of day comes from. Cheap to clone; clones of a fixed clock share its time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands until it is moved, in milliseconds since the epoch.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `millis` since the epoch.
    pub fn fixed(millis: i64) -> Clock {
        Clock::Fixed(Arc::new(AtomicI64::new(millis)))
    }

    /// Milliseconds since the epoch.
    pub fn now(&self) -> i64 {
        match self {
            Clock::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX)),
            Clock::Fixed(millis) => millis.load(Ordering::SeqCst),
        }
    }

    /// Moves a fixed clock forward; the system's clock is left alone.
    pub fn advance(&self, millis: i64) {
        if let Clock::Fixed(time) = self {
            time.fetch_add(millis, Ordering::SeqCst);
        }
    }
}

/// RFC 3339 in UTC with milliseconds and `Z`.
pub fn rfc3339(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map(|time| format!("{time:.3}"))
        .unwrap_or_else(|_| millis.to_string())
}

/// Reads a time as people and programs write it: RFC 3339 (`2026-05-01T10:00:00Z`), a date
/// (`2026-05-01`, its first instant in UTC), or milliseconds since the epoch.
pub fn parse_time(text: &str) -> Option<i64> {
    if let Ok(millis) = text.parse::<i64>() {
        return jiff::Timestamp::from_millisecond(millis).ok().map(|_| millis);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond());
    }
    // A time of day without a zone would be read as its date, too.
    let date = text.parse::<jiff::civil::Date>().ok().filter(|date| date.to_string() == text)?;
    date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|time| time.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_back() {
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(parse_time("2023-11-14T22:13:20.123Z"), Some(1_700_000_000_123));
        assert_eq!(parse_time("2023-11-14"), Some(1_699_920_000_000));
        assert_eq!(parse_time("1700000000123"), Some(1_700_000_000_123));
        assert_eq!(parse_time("yesterday"), None);
        assert_eq!(parse_time("2023-11-14T22:13:20"), None);
        assert_eq!(parse_time("2023-11-14 22:13"), None);
        assert_eq!(parse_time("2023-13-01"), None);
    }
}
