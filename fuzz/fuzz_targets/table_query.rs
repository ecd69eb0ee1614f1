//! Any query on any table of a small database: it is refused as a query, or its pages give every
//! row that matches, each once, in the order of one large page. Nothing that is asked comes to
//! SQLite as an error.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use linkops::clock::Clock;
use linkops::error::Error;
use linkops::store::Store;
use linkops::tables::{self, FilterRequest, Page, Query, Request, SortRequest, TABLES, Table};
use serde_json::{Value, json};

const CONTENT: &str = include_str!("table_query.sql");

#[derive(Arbitrary, Debug)]
struct Draft {
    table: u8,
    columns: Option<Vec<Name>>,
    filters: Vec<(Name, Op, Operand)>,
    sort: Vec<(Name, bool)>,
    size: Option<i64>,
    cursor: Option<String>,
}

/// Mostly a name that there is.
#[derive(Arbitrary, Debug)]
enum Name {
    Known(u8),
    AlsoKnown(u8),
    Other(String),
}

#[derive(Arbitrary, Debug)]
enum Op {
    Known(u8),
    Other(String),
}

#[derive(Arbitrary, Debug)]
enum Operand {
    Known(u8),
    List(Vec<Operand>),
    Text(String),
    Number(i64),
    Truth(bool),
    Null,
}

/// Values that occur.
const VALUES: &[&str] = &[
    "a", "b", "", "null", "VPS", "VM", "online", "offline", "success", "failed", "queued",
    "OP-10001", "OP-10004", "2026-01-01", "2026-01-01T00:00:02Z", "é", "login", "ok", "web", "A",
];

impl Draft {
    fn table(&self) -> &'static Table {
        TABLES[usize::from(self.table) % TABLES.len()]
    }

    fn request(&self) -> Request {
        let table = self.table();
        let column = |name: &Name| match name {
            Name::Known(n) | Name::AlsoKnown(n) => {
                table.columns[usize::from(*n) % table.columns.len()].name.to_owned()
            }
            Name::Other(name) => name.clone(),
        };
        let filters = self.filters.iter().map(|(name, op, operand)| FilterRequest {
            column: column(name),
            op: op.word(),
            value: operand.value(),
        });
        let sort = self.sort.iter().map(|(name, down)| SortRequest {
            column: column(name),
            direction: if *down { "desc" } else { "asc" }.to_owned(),
        });
        Request {
            columns: self.columns.as_ref().map(|names| names.iter().map(column).collect()),
            filters: filters.collect(),
            sort: sort.collect(),
            size: self.size,
            cursor: self.cursor.clone(),
        }
    }
}

impl Op {
    fn word(&self) -> String {
        let known = ["eq", "in", "gt", "lt", "gte", "lte", "contains"];
        match self {
            Op::Known(n) => known[usize::from(*n) % known.len()].to_owned(),
            Op::Other(word) => word.clone(),
        }
    }
}

impl Operand {
    fn value(&self) -> Value {
        match self {
            Operand::Known(n) => json!(VALUES[usize::from(*n) % VALUES.len()]),
            Operand::List(all) => all.iter().map(Operand::value).collect(),
            Operand::Text(text) => json!(text),
            Operand::Number(number) => json!(number),
            Operand::Truth(truth) => json!(truth),
            Operand::Null => Value::Null,
        }
    }
}

thread_local! {
    /// One for all inputs: nothing here writes.
    static STORE: RefCell<Option<(tempfile::TempDir, Store)>> = const { RefCell::new(None) };
}

/// The database, in the directory for temporary files that `make fuzz` removes.
fn open() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("linkops.db")).unwrap();
    store.write(|tx| Ok(tx.execute_batch(CONTENT)?)).unwrap();
    (directory, store)
}

fn page(store: &Store, table: &'static Table, request: &Request) -> Option<Page> {
    match Query::new(table, request) {
        Ok(query) => Some(tables::run(store, &Clock::fixed(0), &query).expect("a checked query")),
        Err(Error::UnknownColumn { .. } | Error::Filter { .. } | Error::Invalid(_)) => None,
        Err(Error::Cursor) if request.cursor.is_some() => None,
        Err(other) => panic!("{}", other.chain()),
    }
}

fn walk(store: &Store, draft: &Draft) {
    let (table, mut request) = (draft.table(), draft.request());
    if page(store, table, &request).is_none() {
        // The same without what is seldom right.
        request.cursor = None;
        request.size = Some(request.size.unwrap_or(3).rem_euclid(7) + 1);
    }
    let whole = Request { size: Some(500), cursor: None, ..request.clone() };
    let Some(whole) = page(store, table, &whole) else { return };
    assert!(whole.next.is_none() && whole.total == whole.rows.len() as i64);
    request.cursor = None;
    let mut rows = Vec::new();
    while let Some(next) = page(store, table, &request) {
        assert!(next.rows.len() <= next.size && next.total == whole.total);
        rows.extend(next.rows);
        request.cursor = next.next;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(rows, whole.rows, "{request:?}");
}

fuzz_target!(|draft: Draft| {
    STORE.with_borrow_mut(|store| walk(&store.get_or_insert_with(open).1, &draft));
});
