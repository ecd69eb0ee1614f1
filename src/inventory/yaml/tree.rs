//! A YAML file as a tree that keeps duplicate keys, and the line of any place in it. It knows the
//! form of YAML and nothing of links and scripts.
//!
//! The library gives positions only with errors. So a line is found by reading the file once more
//! and failing on purpose at the place in question. That is exact for block and flow style; a
//! place inside an alias has the line of its anchor.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use serde_yaml::Deserializer;

use super::MAX_FILE;

/// A value of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Whole(i128),
    Real(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file, duplicates included.
    Map(Vec<(Node, Node)>),
}

/// A step from a value into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// To the key of the n-th entry of a map.
    Key(usize),
    /// To the value of the n-th entry of a map, or the n-th item of a list.
    Value(usize),
}

/// What is wrong with a file as a whole: the line, where it is known, and a sentence.
pub(super) type Fault = (Option<usize>, String);

/// The largest tree, in bytes of memory and roughly: aliases make a small file large.
const MAX_TREE: usize = 32 << 20;

/// Reads the one document of a file.
pub(super) fn read(bytes: &[u8]) -> Result<(&str, Node), Fault> {
    if bytes.len() as u64 > MAX_FILE {
        return Err((None, format!("is larger than {} MiB", MAX_FILE >> 20)));
    }
    let line = |offset: usize| 1 + bytes[..offset].iter().filter(|one| **one == b'\n').count();
    let text = std::str::from_utf8(bytes)
        .map_err(|error| (Some(line(error.valid_up_to())), "is not UTF-8 text".to_owned()))?;
    // The library would refuse it too, with a wrong line.
    let forbidden = |(offset, one): &(usize, char)| match one {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{feff}' => *offset > 0,
        '\u{fffe}' | '\u{ffff}' => true,
        _ => one.is_control(),
    };
    if let Some((offset, one)) = text.char_indices().find(forbidden) {
        return Err((Some(line(offset)), format!("cannot have the character {one:?}")));
    }
    let mut documents = Deserializer::from_str(text);
    let room = Cell::new(MAX_TREE);
    let node = match documents.next() {
        Some(document) => Tree(&room).deserialize(document).map_err(|error| {
            let line = error.location().map(|one| one.line());
            (line, error.to_string())
        })?,
        None => Node::Null,
    };
    match documents.next() {
        Some(second) => {
            Err((fail_at(second, &[]), "has more than one document, write one".to_owned()))
        }
        None => Ok((text, node)),
    }
}

/// The line of the place that `path` leads to.
pub(super) fn line(text: &str, path: &[Step]) -> Option<usize> {
    fail_at(Deserializer::from_str(text).next()?, path)
}

fn fail_at(document: Deserializer<'_>, path: &[Step]) -> Option<usize> {
    let error = Locate(path).deserialize(document).err()?;
    error.location().map(|one| one.line())
}

/// Builds the tree as long as there is room.
#[derive(Clone, Copy)]
struct Tree<'a>(&'a Cell<usize>);

impl Tree<'_> {
    fn take<E: de::Error>(self, text: usize) -> Result<(), E> {
        let size = std::mem::size_of::<Node>() + text;
        match self.0.get().checked_sub(size) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(E::custom("the file is too large with its aliases written out")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Node;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        self.take(0)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Tree<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, a truth value, a list or a map without a tag")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Whole(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Real(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        self.take(value.len())?;
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key_seed(self)? {
            map.push((key, entries.next_value_seed(self)?));
        }
        Ok(Node::Map(map))
    }
}

/// Follows a path and fails at its end. The value is never built, so what is not said here fails
/// as well: at a place on the way, if the file is not the one that the path was made for.
struct Locate<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Locate<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the end of the path")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let [Step::Value(n), rest @ ..] = self.0 {
            for _ in 0..*n {
                items.next_element::<IgnoredAny>()?;
            }
            items.next_element_seed(Locate(rest))?;
        }
        Err(de::Error::custom("here"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if let [Step::Key(n) | Step::Value(n), rest @ ..] = self.0 {
            for _ in 0..*n {
                entries.next_entry::<IgnoredAny, IgnoredAny>()?;
            }
            if matches!(self.0, [Step::Key(_), ..]) {
                entries.next_key_seed(Locate(rest))?;
            } else {
                entries.next_key::<IgnoredAny>()?;
                entries.next_value_seed(Locate(rest))?;
            }
        }
        Err(de::Error::custom("here"))
    }
}

impl Node {
    /// The kind of value, for "must be text, not …".
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Node::Null => "nothing",
            Node::Bool(_) => "a truth value",
            Node::Whole(_) | Node::Real(_) => "a number",
            Node::Text(_) => "text",
            Node::List(_) => "a list",
            Node::Map(_) => "a map",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Node, Fault> {
        read(text.as_bytes()).map(|(_, node)| node)
    }

    #[test]
    fn duplicates_and_order_are_kept() {
        let key = |text: &str| Node::Text(text.to_owned());
        assert_eq!(
            read_text("b: 1\na: [~, true, 1.5]\nb: x\n").unwrap(),
            Node::Map(vec![
                (key("b"), Node::Whole(1)),
                (key("a"), Node::List(vec![Node::Null, Node::Bool(true), Node::Real(1.5)])),
                (key("b"), key("x")),
            ])
        );
        assert_eq!(read_text("").unwrap(), Node::Null);
        assert_eq!(read_text("# nothing\n").unwrap(), Node::Null);
    }

    #[test]
    fn every_place_has_its_line() {
        let text = "a:\n  b: 1\n\n  # here\n  c: {d: 2,\n    e: [1,\n 2]}\nz: &x\n  y: 1\nw: *x\n";
        let cases: [(&[Step], usize); 8] = [
            (&[Step::Key(0)], 1),
            (&[Step::Value(0), Step::Key(0)], 2),
            (&[Step::Value(0), Step::Value(0)], 2),
            (&[Step::Value(0), Step::Key(1)], 5),
            (&[Step::Value(0), Step::Value(1), Step::Key(1)], 6),
            (&[Step::Value(0), Step::Value(1), Step::Value(1), Step::Value(1)], 7),
            (&[Step::Key(2)], 10),
            (&[Step::Value(2), Step::Value(0)], 9), // the anchor's
        ];
        for (path, expected) in cases {
            assert_eq!(line(text, path), Some(expected), "{path:?}");
        }
    }

    #[test]
    fn faults_have_a_line() {
        let cases = [
            ("a: 1\nb: [1, 2\n", 3, "did not find expected"),
            ("a: 1\n\tb: 2\n", 2, ""),
            ("a: 1\nb: *nowhere\n", 2, "unknown anchor"),
            ("a: 1\nb: \u{7}\n", 2, "character '\\u{7}'"),
            ("a: 1\nb: \u{feff}\n", 2, "character '\\u{feff}'"),
            ("a: 1\nb: !secret x\n", 2, "without a tag"),
            ("a: 1\n---\nb: 2\n", 3, "more than one document"),
        ];
        for (text, at, says) in cases {
            let (line, message) = read_text(text).unwrap_err();
            assert!(message.contains(says), "{text:?}: {message}");
            assert_eq!(line, Some(at), "{text:?}: {message}");
        }
        let (line, message) = read(b"a: 1\nb: \xff\n").unwrap_err();
        assert_eq!((line, message.as_str()), (Some(2), "is not UTF-8 text"));
    }

    #[test]
    fn bombs_are_refused() {
        let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for pair in "abcdefghij".as_bytes().windows(2) {
            let (from, to) = (pair[0] as char, pair[1] as char);
            let list = vec![format!("*{from}"); 9].join(", ");
            laughs.push_str(&format!("{to}: &{to} [{list}]\n"));
        }
        let long = format!("a: &a {}\nb: [{}*a]\n", "x".repeat(1 << 20), "*a, ".repeat(1_000));
        let deep = "[".repeat(100_000);
        for text in [laughs, long, deep, "x".repeat(MAX_FILE as usize + 1)] {
            assert!(read_text(&text).is_err());
        }
    }
}
