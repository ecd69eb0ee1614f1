//! Bytes as hexadecimal digits, and back.

/// Two digits for each byte, in small letters.
#[must_use]
pub(crate) fn write(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that exactly `2 × N` digits say, in small letters or capitals; none when it is
/// anything else.
#[must_use]
pub(crate) fn read<const N: usize>(digits: &str) -> Option<[u8; N]> {
    // Numbers may have a sign, bytes do not.
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_and_read_back() {
        let all: [u8; 256] = std::array::from_fn(|byte| byte as u8);
        assert_eq!(write(&[0, 9, 0x1f, 0xff]), "00091fff");
        assert_eq!(read(&write(&all)), Some(all));
        assert_eq!(read(&write(&all).to_uppercase()), Some(all));
        assert_eq!((write(&[]), read("")), (String::new(), Some([])));
    }

    #[test]
    fn anything_else_says_nothing() {
        for text in ["", "0", "000", "00000", "+1ff", "0x1f", "fg00", " 1ff", "ää"] {
            assert_eq!(read::<2>(text), None, "{text:?}");
        }
    }
}
