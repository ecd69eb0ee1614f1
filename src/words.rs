//! Closed sets of words: a macro that makes an enum of them, each word with one spelling for the
//! files, the database and the wire.

use crate::error::nearest;

/// Makes an enum whose values are words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $one:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$of])* $one,)* }

        impl $name {
            /// Every word, in the order of declaration.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$one => $word,)* }
            }

            /// The value that a word names; upper and lower case are told apart.
            pub fn parse(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$one),)* _ => None }
            }

            /// The value that a word of a request names.
            ///
            /// # Errors
            /// Another word; the error names `field` and what was probably meant.
            pub fn named(field: &str, word: &str) -> $crate::error::Result<$name> {
                $name::parse(word).ok_or_else(|| {
                    $crate::error::Error::invalid(field, $crate::words::unknown(word, $name::WORDS))
                })
            }
        }
    };
}

pub(crate) use words;

/// "X is not known", with what was probably meant and what there is.
pub(crate) fn unknown(word: &str, known: &[&str]) -> String {
    let meant = match nearest(word, known.iter().copied()) {
        Some(one) => format!(", did you mean {one:?}?"),
        None => String::new(),
    };
    format!("{word:?} is not known{meant}\nuse one of {}", known.join(", "))
}
