//! Whole characters out of bytes that come in any pieces.

/// Holds the beginning of a character until the rest of it comes.
#[derive(Debug, Default)]
pub(super) struct Characters {
    /// The beginning of a character, at most three bytes.
    held: Vec<u8>,
}

impl Characters {
    /// The text that is whole now. What is no UTF-8 becomes U+FFFD and holds nothing up.
    pub(super) fn push(&mut self, data: &[u8]) -> String {
        let joined;
        let mut rest = data;
        if !self.held.is_empty() {
            self.held.extend_from_slice(data);
            joined = std::mem::take(&mut self.held);
            rest = &joined;
        }
        let mut text = String::with_capacity(rest.len());
        while let Err(error) = std::str::from_utf8(rest) {
            let (whole, behind) = rest.split_at(error.valid_up_to());
            text += &String::from_utf8_lossy(whole);
            match error.error_len() {
                Some(length) => {
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &behind[length..];
                }
                None => {
                    self.held = behind.to_vec();
                    return text;
                }
            }
        }
        text += &String::from_utf8_lossy(rest);
        text
    }

    /// What stands for a character whose rest will not come.
    pub(super) fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.held).is_empty() { "" } else { "\u{fffd}" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text of pieces, and whether what was held was ever the beginning of a character only.
    fn text_of(pieces: &[&[u8]]) -> String {
        let mut characters = Characters::default();
        let mut text = String::new();
        for piece in pieces {
            text += &characters.push(piece);
            assert!(characters.held.len() < 4);
        }
        text + characters.finish()
    }

    fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// P23: text is unchanged, however it is cut.
        #[test]
        fn p23_text_is_unchanged_however_it_is_cut(
            text in "\\PC{0,60}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            prop_assert_eq!(text_of(&pieces(text.as_bytes(), &cuts)), text);
        }

        /// P23: any bytes come out as the same text, however they are cut.
        #[test]
        fn p23_any_bytes_are_the_same_text_however_they_are_cut(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), 0x80_u8..=0xff, Just(b'a')], 0..80),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            prop_assert_eq!(text_of(&pieces(&bytes, &cuts)), String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn a_character_is_held_until_it_is_whole() {
        let mut characters = Characters::default();
        assert_eq!(characters.push(b"x\xf0\x9f"), "x");
        assert_eq!(characters.push(b"\x90"), "");
        assert_eq!(characters.push(b"\x8e!"), "\u{1f40e}!");
        assert_eq!(characters.finish(), "");
    }

    #[test]
    fn what_can_become_no_character_is_not_held() {
        let mut characters = Characters::default();
        assert_eq!(characters.push(b"\xff"), "\u{fffd}");
        assert_eq!(characters.push(b"\xe2x"), "\u{fffd}x");
        assert_eq!(characters.push(b"\xe2"), "");
        assert_eq!(characters.finish(), "\u{fffd}");
    }
}
