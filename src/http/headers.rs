//! The header fields of a request: one text with marks in it, so that a request costs two
//! allocations and not two per field.

use std::fmt;
use std::ops::Range;

/// Header fields in the order in which they came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    text: String,
    /// Where each field's name and value lie in the text.
    fields: Vec<Mark>,
}

pub(crate) type Mark = (Range<usize>, Range<usize>);

impl Headers {
    pub(crate) fn new(text: String, fields: Vec<Mark>) -> Headers {
        Headers { text, fields }
    }

    /// The first value of a field; names are compared without case (RFC 9110 section 5.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every value of a field that was sent in several lines.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let part = |range: &Range<usize>| &self.text[range.clone()];
        self.fields.iter().map(move |(name, value)| (part(name), part(value)))
    }

    /// Whether a comma-separated field holds a token, without case (RFC 9110 section 5.6.1).
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|one| one.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
    }
}

impl fmt::Debug for Headers {
    /// Names only: values hold tokens and passwords, which must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}
