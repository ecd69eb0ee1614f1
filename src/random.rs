//! Random numbers of the system, for secrets and for names that nobody else has.

use crate::error::{Error, Result};
use crate::hex;

/// Bytes that nobody can guess.
///
/// # Errors
/// The system gives none.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Internal(format!("the system gave no random bytes: {error}")))?;
    Ok(bytes)
}

/// A name of 128 random bits, which nothing else has.
///
/// # Errors
/// Those of [`bytes`].
pub(crate) fn name() -> Result<String> {
    Ok(hex::write(&bytes::<16>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let (one, other) = (name().unwrap(), name().unwrap());
        assert_ne!(one, other);
        assert!(hex::read::<16>(&one).is_some(), "{one}");
    }
}
