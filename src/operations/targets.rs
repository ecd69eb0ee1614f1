//! The targets of a request: named one by one, or chosen by what the inventory says of them.

use std::collections::BTreeSet;

use crate::error::{Error, Result, nearest};
use crate::inventory::{Kind, Machine};

/// Unknown tags that are told of, at most.
const MOST_TOLD: usize = 10;

/// On which machines an operation shall run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// On these, by id.
    Named(Vec<String>),
    /// On those for which everything given is true.
    Chosen(Choice),
}

/// What machines have in common. Nothing given chooses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// At least one of these tags.
    pub tags: Option<Vec<String>>,
    /// One of these types.
    pub types: Option<Vec<String>>,
}

impl From<Vec<String>> for Targets {
    fn from(ids: Vec<String>) -> Targets {
        Targets::Named(ids)
    }
}

impl Choice {
    /// The machines among `all` that are meant, in their order.
    ///
    /// # Errors
    /// A type that there is not, a tag that no machine has, or no machine is meant.
    pub(super) fn of(&self, all: Vec<Machine>) -> Result<Vec<Machine>> {
        let kind = |word: &String| Kind::named("targets", word);
        let kinds = self.types.as_ref().map(|words| words.iter().map(kind).collect());
        let kinds: Option<Vec<Kind>> = kinds.transpose()?;
        let unknown = self.unknown_tags(&all);
        if self.tags.is_none() && kinds.is_none() {
            return Err(none("name links by id, or \"tags\", \"types\" or both in \"targets\""));
        }
        let has_tag = |machine: &Machine| match &self.tags {
            Some(tags) => machine.tags.iter().any(|tag| tags.contains(tag)),
            None => true,
        };
        let is_kind =
            |machine: &Machine| kinds.as_ref().is_none_or(|kinds| kinds.contains(&machine.kind));
        let chosen: Vec<_> = all.into_iter().filter(|one| has_tag(one) && is_kind(one)).collect();
        match (chosen.is_empty(), unknown) {
            (false, None) => Ok(chosen),
            (false, Some(text)) => Err(Error::invalid("targets", text)),
            (true, Some(text)) => Err(none(&text)),
            (true, None) => Err(none("no machine has what \"targets\" asks for")),
        }
    }

    /// What is to be said of tags that no machine has: most likely they are typing errors.
    fn unknown_tags(&self, all: &[Machine]) -> Option<String> {
        let known: BTreeSet<&str> =
            all.iter().flat_map(|one| &one.tags).map(String::as_str).collect();
        let unknown = |tag: &&String| !known.contains(tag.as_str());
        let texts = self.tags.iter().flatten().filter(unknown).take(MOST_TOLD).map(|tag| {
            let meant = nearest(tag, known.iter().copied());
            let meant = meant.map_or(String::new(), |one| format!(", did you mean {one:?}?"));
            format!("no machine has the tag {tag:?}{meant}")
        });
        let texts: Vec<String> = texts.collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }
}

/// There is nothing to run on.
pub(super) fn none(hint: &str) -> Error {
    Error::NoTargets { hint: hint.to_owned() }
}
