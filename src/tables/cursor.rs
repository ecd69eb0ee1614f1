//! Cursors: where a page ended, as a text that means nothing to whoever carries it.
//!
//! A cursor holds the order's values of the last row, and a hash of them and of the query's scope:
//! what was cut, changed, or belongs to another query is noticed. It is not a secret and guards
//! none: who computes one for himself gets to a place in rows that he may read anyway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Scalar;
use crate::error::{Error, Result};

/// Bytes of the hash that are kept: enough to notice any mistake.
const HASH: usize = 12;

/// The cursor behind the row that has this key.
pub(super) fn write(scope: &str, key: &[Scalar]) -> String {
    let key: Vec<Value> = key
        .iter()
        .map(|one| match one {
            Scalar::Null => Value::Null,
            Scalar::Integer(number) => (*number).into(),
            Scalar::Text(text) => text.as_str().into(),
        })
        .collect();
    let key = Value::from(key).to_string();
    let mut bytes = hash(scope, key.as_bytes()).to_vec();
    bytes.extend_from_slice(key.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key in a cursor.
///
/// # Errors
/// It is no cursor, or not one of this scope.
pub(super) fn read(scope: &str, text: &str) -> Result<Vec<Scalar>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Cursor)?;
    let (sum, key) = bytes.split_at_checked(HASH).ok_or(Error::Cursor)?;
    if sum != hash(scope, key) {
        return Err(Error::Cursor);
    }
    let values: Vec<Value> = serde_json::from_slice(key).map_err(|_| Error::Cursor)?;
    values.into_iter().map(|value| scalar(value).ok_or(Error::Cursor)).collect()
}

fn scalar(value: Value) -> Option<Scalar> {
    match value {
        Value::Null => Some(Scalar::Null),
        Value::Number(number) => number.as_i64().map(Scalar::Integer),
        Value::String(text) => Some(Scalar::Text(text)),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn hash(scope: &str, key: &[u8]) -> [u8; HASH] {
    let mut hash = Sha256::new();
    // The length, so that no part of the one can count as a part of the other.
    hash.update((scope.len() as u64).to_be_bytes());
    hash.update(scope);
    hash.update(key);
    let whole: [u8; 32] = hash.finalize().into();
    let mut begin = [0; HASH];
    begin.copy_from_slice(&whole[..HASH]);
    begin
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<Scalar>> {
        let one = prop_oneof![
            Just(Scalar::Null),
            any::<i64>().prop_map(Scalar::Integer),
            any::<String>().prop_map(Scalar::Text),
        ];
        proptest::collection::vec(one, 0..4)
    }

    proptest! {
        #[test]
        fn cursors_are_read_back_and_only_in_their_scope(
            key in key(), scope: String, other: String,
        ) {
            let text = write(&scope, &key);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            prop_assert_eq!(read(&scope, &text).unwrap(), key);
            prop_assert_eq!(read(&other, &text).is_ok(), scope == other);
        }

        #[test]
        fn a_changed_cursor_is_refused(key in key(), at: prop::sample::Index, bit in 0..8_u8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(write("scope", &key)).unwrap();
            *at.get_mut(&mut bytes[..]) ^= 1 << bit;
            let changed = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert!(matches!(read("scope", &changed), Err(Error::Cursor)));
        }

        #[test]
        fn any_text_is_refused(text: String) {
            prop_assert!(matches!(read("scope", &text), Err(Error::Cursor)));
        }
    }
}
