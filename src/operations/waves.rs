//! Waves: the targets of an operation in parts, one part after the other. Pure rules.

use crate::error::{Error, Result};

/// A number of an operation's targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// That many.
    Count(usize),
    /// Hundredths of all targets, at most 100.
    Percent(usize),
}

/// One wave as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wave {
    /// The next so many targets, or what is left of them; hundredths are rounded up.
    Next(Share),
    /// All that are left.
    Rest,
}

impl Share {
    /// Reads "N%".
    pub fn percent(text: &str) -> Option<Share> {
        let number = text.strip_suffix('%')?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| digits && *number <= 100);
        number.map(Share::Percent)
    }

    /// The largest whole number of targets, of `total`, that is not more than this share.
    #[must_use]
    pub fn at_most(self, total: usize) -> usize {
        match self {
            Share::Count(number) => number.min(total),
            Share::Percent(number) => total * number / 100,
        }
    }

    fn at_least(self, total: usize) -> usize {
        match self {
            Share::Count(number) => number,
            Share::Percent(number) => (total * number).div_ceil(100),
        }
    }
}

/// How many of `total` targets each wave has, in their order. Waves for which no target is left
/// fall away: a list that suits a large fleet works for a small one.
///
/// # Errors
/// The list has no meaning, or does not take all targets in.
pub(super) fn resolve(waves: &[Wave], total: usize) -> Result<Vec<usize>> {
    let wrong = |text: String| Err(Error::invalid("waves", text));
    if waves.is_empty() {
        return wrong("is empty\nname at least one wave, or leave the field out".to_owned());
    }
    let before_last = &waves[..waves.len() - 1];
    if before_last.contains(&Wave::Rest) {
        return wrong("\"rest\" can only be the last wave".to_owned());
    }
    let empty = [Wave::Next(Share::Count(0)), Wave::Next(Share::Percent(0))];
    if waves.iter().any(|wave| empty.contains(wave)) {
        return wrong("a wave has at least one target\nwrite 1 or more, or 1% to 100%".to_owned());
    }
    let mut left = total;
    let mut sizes = Vec::new();
    for wave in waves {
        let size = match wave {
            Wave::Next(share) => share.at_least(total).min(left),
            Wave::Rest => left,
        };
        left -= size;
        sizes.extend((size > 0).then_some(size));
    }
    match left {
        0 => Ok(sizes),
        _ => wrong(format!("{left} of {total} targets are in no wave\nend with \"rest\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn next(share: Share) -> Wave {
        Wave::Next(share)
    }

    #[test]
    fn shares_are_read() {
        for (text, number) in [("0%", 0), ("1%", 1), ("100%", 100), ("007%", 7)] {
            assert_eq!(Share::percent(text), Some(Share::Percent(number)), "{text}");
        }
        for text in
            ["", "%", "10", "-1%", "+1%", "101%", "1.5%", " 1%", "1 %", "99999999999999999999%"]
        {
            assert_eq!(Share::percent(text), None, "{text:?}");
        }
    }

    #[test]
    fn hundredths_are_rounded_up_for_a_wave_and_down_for_failures() {
        let ten = Share::Percent(10);
        for (total, least, most) in [(1, 1, 0), (9, 1, 0), (10, 1, 1), (11, 2, 1), (19, 2, 1)] {
            assert_eq!((ten.at_least(total), ten.at_most(total)), (least, most), "{total}");
        }
        assert_eq!(Share::Percent(100).at_most(7), 7);
        assert_eq!((Share::Count(3).at_most(2), Share::Count(usize::MAX).at_most(2)), (2, 2));
    }

    #[test]
    fn a_list_suits_fleets_of_any_size() {
        let list = [next(Share::Count(1)), next(Share::Percent(10)), Wave::Rest];
        for (total, sizes) in
            [(1, vec![1]), (2, vec![1, 1]), (3, vec![1, 1, 1]), (25, vec![1, 3, 21])]
        {
            assert_eq!(resolve(&list, total).unwrap(), sizes);
        }
        let whole = [next(Share::Percent(50)), next(Share::Percent(50))];
        assert_eq!(resolve(&whole, 5).unwrap(), [3, 2]);
    }

    #[test]
    fn lists_without_meaning_are_refused() {
        for (list, why) in [
            (&[][..], "is empty"),
            (&[Wave::Rest, Wave::Rest], "only be the last"),
            (&[Wave::Rest, next(Share::Count(1))], "only be the last"),
            (&[next(Share::Count(0)), Wave::Rest], "at least one target"),
            (&[next(Share::Percent(0)), Wave::Rest], "at least one target"),
            (&[next(Share::Count(2)), next(Share::Percent(20))], "6 of 10 targets are in no wave"),
        ] {
            let error = resolve(list, 10).unwrap_err().to_string();
            assert!(error.starts_with("waves: ") && error.contains(why), "{error}");
        }
    }

    proptest! {
        /// Every target is in exactly one wave, and no wave is empty.
        #[test]
        fn waves_take_all_targets_in_once(
            list in proptest::collection::vec(
                prop_oneof![
                    (1_usize..30).prop_map(Share::Count),
                    (1_usize..=100).prop_map(Share::Percent),
                ],
                0..8,
            ),
            rest: bool,
            total in 1_usize..60,
        ) {
            let mut list: Vec<_> = list.into_iter().map(Wave::Next).collect();
            list.extend(rest.then_some(Wave::Rest));
            match resolve(&list, total) {
                Ok(sizes) => {
                    prop_assert_eq!(sizes.iter().sum::<usize>(), total);
                    prop_assert!(sizes.len() <= list.len() && !sizes.contains(&0));
                }
                Err(_) => prop_assert!(!rest),
            }
        }
    }
}
