//! Ids of workspaces and recordings.

use crate::error::Result;

/// Digits and letters without those that are taken for each other: one for each five bits.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// `prefix-` and 80 random bits: that two are the same will not happen (P21).
///
/// # Errors
/// The system gives no random numbers.
pub(super) fn random(prefix: &str) -> Result<String> {
    let bytes: [u8; 16] = crate::random::bytes()?;
    let letters = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
    Ok(format!("{prefix}-{}", letters.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn letters_are_all_used_and_ids_never_repeat() {
        let mut letters: HashSet<_> = ALPHABET.iter().map(|one| char::from(*one)).collect();
        assert_eq!(letters.len(), 32);
        let ids: HashSet<String> = (0..1_000).map(|_| random("WS").unwrap()).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            let rest = id.strip_prefix("WS-").unwrap();
            assert_eq!(rest.len(), 16);
            rest.chars().for_each(|one| {
                assert!(ALPHABET.contains(&(one as u8)), "{id}");
                letters.remove(&one);
            });
        }
        assert!(letters.is_empty(), "{letters:?} is never there");
    }
}
