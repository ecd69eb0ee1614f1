//! The chain of hashes: each row's hash covers all of its fields and the hash of the row before.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::hex;

/// SHA-256.
pub(super) type Hash = [u8; 32];

/// A row's number and hash, which vouch for it and all rows before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The row's id; 0 before the first.
    pub id: i64,
    pub(super) hash: Hash,
}

/// As `ID:HASH`, to be written down outside.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, hex::write(&self.hash))
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Head, String> {
        let wrong = || format!("{text:?} is not ID:HASH as printed by audit verify");
        let (id, digits) = text.split_once(':').ok_or_else(wrong)?;
        let hash = hex::read(digits).ok_or_else(wrong)?;
        Ok(Head { id: id.parse().map_err(|_| wrong())?, hash })
    }
}

/// A row as it is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) at: i64,
    pub(super) actor: String,
    pub(super) address: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) action: String,
    pub(super) target: Option<String>,
    pub(super) result: String,
    pub(super) detail: Option<String>,
    pub(super) previous: Hash,
}

impl Row {
    /// Every field goes in with its length, and an absent one differs from an empty one, so that
    /// no two rows have the same input.
    pub(super) fn hash(&self) -> Hash {
        let mut hash = Sha256::new();
        hash.update(self.id.to_be_bytes());
        hash.update(self.at.to_be_bytes());
        for field in [
            Some(&self.actor),
            self.address.as_ref(),
            self.request_id.as_ref(),
            Some(&self.action),
            self.target.as_ref(),
            Some(&self.result),
            self.detail.as_ref(),
        ] {
            let length = field.map_or(-1, |text| text.len() as i64);
            hash.update(length.to_be_bytes());
            hash.update(field.map_or(&[][..], |text| text.as_bytes()));
        }
        hash.update(self.previous);
        hash.finalize().into()
    }
}

/// What a reading of the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Rows that were read.
    pub rows: u64,
    /// The newest row.
    pub head: Head,
    /// The first thing that is wrong.
    pub broken: Option<Break>,
}

/// Where the chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Break {
    /// The row's content is not what was hashed.
    Changed(i64),
    /// The row does not follow the one before it: some were removed, put in or moved.
    Moved(i64),
    /// The newest rows are missing: the chain should end with this one.
    CutOff(i64),
    /// The row that was written down outside is another one now, or gone.
    NotAsWrittenDown(i64),
}

impl Break {
    /// The row at which the chain breaks.
    #[must_use]
    pub fn id(&self) -> i64 {
        let (Break::Changed(id)
        | Break::Moved(id)
        | Break::CutOff(id)
        | Break::NotAsWrittenDown(id)) = self;
        *id
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Break::Changed(id) => write!(f, "row {id} was changed"),
            Break::Moved(id) => {
                write!(f, "row {id} does not follow the one before it: rows were removed or moved")
            }
            Break::CutOff(id) => write!(f, "the log ends before row {id}: rows were removed"),
            Break::NotAsWrittenDown(id) => {
                write!(f, "row {id} is not the one that was written down")
            }
        }
    }
}

/// Goes through the rows in order and remembers the first break.
pub(super) struct Reading {
    last: Head,
    rows: u64,
    broken: Option<Break>,
    expected: Option<Head>,
}

impl Reading {
    /// `first` is what comes before the oldest row.
    pub(super) fn new(first: Head, expected: Option<Head>) -> Reading {
        // What was written down may be older than what is kept: then nobody can tell.
        let expected = expected.filter(|head| head.id > first.id);
        Reading { last: first, rows: 0, broken: None, expected }
    }

    /// The newest row that was taken.
    pub(super) fn last(&self) -> &Head {
        &self.last
    }

    pub(super) fn take(&mut self, row: &Row, hash: Hash) {
        self.rows += 1;
        if row.id != self.last.id + 1 || row.previous != self.last.hash {
            self.broken.get_or_insert(Break::Moved(row.id));
        } else if row.hash() != hash {
            self.broken.get_or_insert(Break::Changed(row.id));
        }
        self.last = Head { id: row.id, hash };
        if self.expected.as_ref().is_some_and(|head| head.id == row.id)
            && self.expected.take_if(|head| head.hash == hash).is_none()
        {
            self.broken.get_or_insert(Break::NotAsWrittenDown(row.id));
        }
    }

    /// `end` is where the log says that it ends.
    pub(super) fn end(mut self, end: &Head) -> Verdict {
        if self.last != *end {
            self.broken.get_or_insert(Break::CutOff(end.id));
        }
        if let Some(head) = self.expected {
            self.broken.get_or_insert(Break::NotAsWrittenDown(head.id));
        }
        Verdict { rows: self.rows, head: self.last, broken: self.broken }
    }
}
