//! Which recordings are kept.

/// A recording that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: String,
    /// In milliseconds since the epoch.
    pub(super) ended_at: i64,
    pub(super) bytes: u64,
}

/// Those that are removed, of all that have ended, the oldest first: what ended before `before`,
/// and then the oldest until they and `running` bytes of those that run fit into `most` bytes.
pub(super) fn removed(
    ended: Vec<Kept>,
    before: Option<i64>,
    most: Option<u64>,
    running: u64,
) -> Vec<Kept> {
    let mut size = ended.iter().map(|one| one.bytes).sum::<u64>() + running;
    let goes = |one: &Kept| {
        let old = before.is_some_and(|before| one.ended_at < before);
        let goes = old || most.is_some_and(|most| size > most);
        size -= if goes { one.bytes } else { 0 };
        goes
    };
    let mut goes = goes;
    ended.into_iter().filter(|one| goes(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(sizes: &[u64]) -> Vec<Kept> {
        let one = |(at, bytes): (usize, &u64)| Kept {
            id: at.to_string(),
            ended_at: at as i64 * 10,
            bytes: *bytes,
        };
        sizes.iter().enumerate().map(one).collect()
    }

    fn ids(removed: &[Kept]) -> Vec<&str> {
        removed.iter().map(|one| one.id.as_str()).collect()
    }

    #[test]
    fn old_ones_go_and_then_the_oldest_that_are_too_much() {
        let all = kept(&[5, 5, 5, 5]);
        for (before, most, running, wanted) in [
            (None, None, 1_000, &[][..]),
            (Some(20), None, 0, &["0", "1"]),
            (None, Some(20), 0, &[]),
            (None, Some(19), 0, &["0"]),
            (None, Some(20), 1, &["0"]),
            (None, Some(20), 100, &["0", "1", "2", "3"]),
            (Some(10), Some(10), 0, &["0", "1"]),
            (Some(11), Some(15), 0, &["0", "1"]),
        ] {
            let removed = removed(all.clone(), before, most, running);
            assert_eq!(ids(&removed), wanted, "{before:?} {most:?} {running}");
        }
    }

    proptest! {
        /// What is left fits and is young, and no more is removed than must be.
        #[test]
        fn no_more_is_removed_than_must_be(
            sizes in proptest::collection::vec(0_u64..100, 0..20),
            before in 0_i64..200,
            most in 0_u64..1_000,
            running in 0_u64..500,
        ) {
            let all = kept(&sizes);
            let removed = removed(all.clone(), Some(before), Some(most), running);
            let left: Vec<_> = all.iter().filter(|one| !removed.contains(one)).collect();
            let size = left.iter().map(|one| one.bytes).sum::<u64>() + running;
            prop_assert!(left.iter().all(|one| one.ended_at >= before));
            prop_assert!(size <= most || left.is_empty());
            if let Some(last) = removed.last() {
                prop_assert!(last.ended_at < before || size + last.bytes > most);
            }
            // Always from the old end.
            prop_assert_eq!(&all[..removed.len()], &removed[..]);
        }
    }
}
