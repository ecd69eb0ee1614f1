//! Tables: lists of what there is and of what was done, with columns, filters, orders and pages of
//! the caller's choice.
//!
//! [`list`](self) describes each table once: its columns with their types and their SQL, where its
//! rows come from, what tells them apart, and what one must be allowed to read it. A [`Query`] is
//! checked against that description; `compile` makes SQL of it in which everything that came from
//! outside is bound; a cursor says behind which row the next page begins.

mod compile;
mod cursor;
mod list;
mod query;
mod store;

use serde_json::{Map, Value};

pub use list::TABLES;
pub use query::{MOST_FILTERS, MOST_SORTS, MOST_VALUES, PAGE, Query};

use crate::auth::Act;
use crate::clock::Clock;
use crate::error::{Error, Result, nearest};
use crate::store::Store;

/// The description of a table.
#[derive(Debug)]
pub struct Table {
    /// Its name: `tbl_…`.
    pub name: &'static str,
    /// What one must be allowed to do to read it.
    pub act: Act,
    /// Its columns, in the order in which rows have them.
    pub columns: &'static [Column],
    /// What tells its rows apart, and never changes; where it is no column it is not shown.
    key: &'static [Column],
    /// The order when the caller names none: columns, and whether each goes down.
    default: &'static [(&'static str, bool)],
    /// What stands behind FROM.
    from: &'static str,
    /// Which of those rows belong to the table.
    only: &'static str,
}

/// The description of a column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name on the wire.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Whether a row can be without a value.
    pub nullable: bool,
    /// Its value in SQL.
    sql: &'static str,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text, ordered by its characters' numbers.
    Text,
    /// One of these words, ordered as text.
    Word(&'static [&'static str]),
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// Milliseconds since the epoch.
    Time,
    /// The number of an operation, `OP-10001` on the wire.
    Operation,
    /// Texts, ordered as their JSON. The SQL says whether one of the values `{}` is among them.
    List(&'static str),
    /// Any JSON, compared as its text.
    Json,
}

/// A value that SQL compares.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scalar {
    Null,
    Integer(i64),
    Text(String),
}

/// What a caller wants from a table; not checked yet.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Columns, in the order in which they are wanted; none for all.
    pub columns: Option<Vec<String>>,
    /// All must hold.
    pub filters: Vec<FilterRequest>,
    /// The first decides, the next among equals.
    pub sort: Vec<SortRequest>,
    /// Rows on a page.
    pub size: Option<i64>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// A filter as it was sent.
#[derive(Debug, Clone)]
pub struct FilterRequest {
    /// The column.
    pub column: String,
    /// How it is compared: `eq`, `in`, `gt`, `lt`, `gte`, `lte`, `contains`.
    pub op: String,
    /// With what.
    pub value: Value,
}

/// A sort as it was sent.
#[derive(Debug, Clone)]
pub struct SortRequest {
    /// The column.
    pub column: String,
    /// `asc` or `desc`.
    pub direction: String,
}

/// A page of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows: column → value, in the order of the columns that were asked for.
    pub rows: Vec<Map<String, Value>>,
    /// How many rows a page may have.
    pub size: usize,
    /// Where the next page begins, when there is one.
    pub next: Option<String>,
    /// When the rows were read, in milliseconds since the epoch.
    pub as_of: i64,
    /// Rows that match, on all pages.
    pub total: i64,
}

/// The table of that name.
///
/// # Errors
/// There is none; the error names the nearest one.
pub fn find(name: &str) -> Result<&'static Table> {
    TABLES.iter().copied().find(|table| table.name == name).ok_or_else(|| Error::UnknownTable {
        table: name.to_owned(),
        nearest: nearest(name, TABLES.iter().map(|table| table.name)),
    })
}

/// Reads a page: rows, total and time are of one moment.
///
/// # Errors
/// The database fails.
pub fn run(store: &Store, clock: &Clock, query: &Query) -> Result<Page> {
    let (mut found, total, as_of) = store.read(|db| {
        Ok((store::rows(db, &compile::page(query), query)?, store::total(db, query)?, clock.now()))
    })?;
    let more = found.len() > query.size();
    found.truncate(query.size());
    let next = found.last().filter(|_| more).map(|last| cursor::write(&query.scope(), &last.key));
    let rows = found.into_iter().map(|one| one.shown).collect();
    Ok(Page { rows, size: query.size(), next, as_of, total })
}

impl Table {
    /// The column of that name.
    ///
    /// # Errors
    /// There is none; the error names the nearest one.
    fn column(&self, name: &str) -> Result<&'static Column> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| Error::UnknownColumn {
            table: self.name,
            column: name.to_owned(),
            nearest: nearest(name, self.columns.iter().map(|column| column.name)),
        })
    }
}
