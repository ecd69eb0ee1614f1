//! The same queries over the same rows in plain Rust.

use std::cmp::Ordering;

use linkops::clock::{parse_time, rfc3339};
use linkops::tables::{Column, FilterRequest, Kind, Request, SortRequest, Table};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::world::TEXTS;

/// A row, and what tells it from all others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) shown: Map<String, Value>,
    pub(super) key: Vec<Value>,
}

impl Row {
    pub(super) fn new(shown: Value, key: impl Into<Vec<Value>>) -> Row {
        Row { shown: shown.as_object().unwrap().clone(), key: key.into() }
    }
}

/// What a query is made from; what stands in it depends on the table and its rows.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    columns: Option<Vec<Index>>,
    filters: Vec<(Index, Index, Vec<Index>)>,
    sorts: Vec<(Index, bool)>,
    size: i64,
}

pub(super) fn draft() -> impl Strategy<Value = Draft> {
    let filter = (any::<Index>(), any::<Index>(), vec(any::<Index>(), 1..4));
    (
        option::of(vec(any::<Index>(), 1..4)),
        // Many filters leave no rows, so they are few.
        prop_oneof![2 => Just(Vec::new()), 3 => vec(filter.clone(), 1), 1 => vec(filter, 2..4)],
        vec((any::<Index>(), any::<bool>()), 0..4),
        1..6_i64,
    )
        .prop_map(|(columns, filters, sorts, size)| Draft { columns, filters, sorts, size })
}

/// A filter with what it means.
#[derive(Debug, Clone)]
struct Filter {
    column: &'static Column,
    op: &'static str,
    /// What the column is compared with: one value, or those of `in`.
    values: Vec<Value>,
}

/// A query with what it means.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) request: Request,
    columns: Vec<&'static Column>,
    filters: Vec<Filter>,
    order: Vec<(&'static Column, bool)>,
    /// The way of the key.
    down: bool,
}

/// The order of a table of which the caller does not name one.
fn default_order(table: &str) -> (&'static str, bool) {
    match table {
        "tbl_links" | "tbl_link_health" | "tbl_scripts" => ("id", false),
        "tbl_infrastructure" => ("type", false),
        "tbl_operations" => ("id", true),
        "tbl_operations_history" | "tbl_git_sync_history" => ("started", true),
        "tbl_recent_activity" | "tbl_audit" => ("time", true),
        "tbl_terminal_sessions" => ("createdAt", true),
        "tbl_terminal_panes" => ("workspaceId", false),
        other => panic!("{other} has no default order here"),
    }
}

impl Draft {
    /// The query on that table, with values that occur in its rows, and some that do not.
    pub(super) fn query(&self, table: &'static Table, rows: &[Row]) -> Query {
        let of = |index: &Index| index.get(table.columns);
        let mut columns: Vec<&'static Column> = table.columns.iter().collect();
        if let Some(chosen) = &self.columns {
            columns.clear();
            for column in chosen.iter().map(of) {
                if !columns.iter().any(|one| one.name == column.name) {
                    columns.push(column);
                }
            }
        }
        let filters: Vec<_> =
            self.filters.iter().map(|one| filter(of(&one.0), one, rows)).collect();
        let mut order: Vec<(&'static Column, bool)> = Vec::new();
        for (column, down) in self.sorts.iter().map(|(index, down)| (of(index), *down)) {
            if !order.iter().any(|(one, _)| one.name == column.name) {
                order.push((column, down));
            }
        }
        let request = Request {
            columns: self
                .columns
                .as_ref()
                .map(|_| columns.iter().map(|one| one.name.to_owned()).collect()),
            filters: filters.iter().map(|(_, request)| request.clone()).collect(),
            sort: order
                .iter()
                .map(|(column, down)| SortRequest {
                    column: column.name.to_owned(),
                    direction: if *down { "desc" } else { "asc" }.to_owned(),
                })
                .collect(),
            size: Some(self.size),
            cursor: None,
        };
        if order.is_empty() {
            let (name, down) = default_order(table.name);
            order.push((table.columns.iter().find(|one| one.name == name).unwrap(), down));
        }
        let down = order.last().unwrap().1;
        let filters = filters.into_iter().map(|(filter, _)| filter).collect();
        Query { request, columns, filters, order, down }
    }
}

fn filter(
    column: &'static Column,
    (_, op, picks): &(Index, Index, Vec<Index>),
    rows: &[Row],
) -> (Filter, FilterRequest) {
    let ops: &[&'static str] = match column.kind {
        Kind::Boolean | Kind::List(_) | Kind::Json => &["eq", "in"],
        Kind::Text => &["eq", "in", "gt", "lt", "gte", "lte", "contains"],
        _ => &["eq", "in", "gt", "lt", "gte", "lte"],
    };
    let op = *op.get(ops);
    let mut pool: Vec<Value> = rows
        .iter()
        .flat_map(|row| match &row.shown[column.name] {
            Value::Array(list) if matches!(column.kind, Kind::List(_)) => list.clone(),
            value => vec![value.clone()],
        })
        .chain(others(column.kind))
        .collect();
    pool.retain(|value| !value.is_null());
    if column.nullable && ["eq", "in"].contains(&op) {
        pool.push(Value::Null);
    }
    let picks = if op == "in" { &picks[..] } else { &picks[..1] };
    let values: Vec<Value> = picks.iter().map(|pick| pick.get(&pool).clone()).collect();
    let mut sent: Vec<Value> = values.iter().map(|value| as_sent(column.kind, value)).collect();
    let value = if op == "in" { Value::Array(sent) } else { sent.remove(0) };
    let request = FilterRequest { column: column.name.to_owned(), op: op.to_owned(), value };
    (Filter { column, op, values }, request)
}

/// Values that may not occur.
fn others(kind: Kind) -> Vec<Value> {
    match kind {
        Kind::Text | Kind::List(_) => TEXTS.iter().map(|one| json!(one)).collect(),
        Kind::Word(words) => words.iter().map(|one| json!(one)).collect(),
        Kind::Integer => vec![json!(i64::MIN), json!(-1), json!(0), json!(1), json!(i64::MAX)],
        Kind::Boolean => vec![json!(true), json!(false)],
        Kind::Time => vec![json!(-1), json!(0), json!(2000), json!(i64::MAX)],
        Kind::Operation => vec![json!("OP-1"), json!("OP-9999"), json!("OP-10000")],
        Kind::Json => vec![json!(1), json!("x"), json!([])],
    }
}

/// Half of the times as text.
fn as_sent(kind: Kind, value: &Value) -> Value {
    match value.as_i64() {
        Some(time) if kind == Kind::Time && time % 2000 == 0 => json!(rfc3339(time)),
        _ => value.clone(),
    }
}

impl Filter {
    fn holds(&self, row: &Row) -> bool {
        let value = &row.shown[self.column.name];
        let is = |wanted: &Value| match (self.column.kind, value) {
            (Kind::List(_), Value::Array(list)) => list.contains(wanted),
            _ => value == wanted,
        };
        if ["eq", "in"].contains(&self.op) {
            return self.values.iter().any(is);
        }
        if value.is_null() {
            return false;
        }
        if self.op == "contains" {
            return value.as_str().unwrap().contains(self.values[0].as_str().unwrap());
        }
        let order = compare(self.column.kind, value, &self.values[0]);
        match self.op {
            "gt" => order.is_gt(),
            "lt" => order.is_lt(),
            "gte" => order.is_ge(),
            _ => order.is_le(),
        }
    }
}

/// The order of two values that are not null.
fn compare(kind: Kind, a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Bool(truth) => i64::from(*truth),
        Value::String(id) => id.strip_prefix("OP-").unwrap().parse().unwrap(),
        number => number.as_i64().unwrap(),
    };
    match kind {
        Kind::Integer | Kind::Boolean | Kind::Time | Kind::Operation => number(a).cmp(&number(b)),
        Kind::Text | Kind::Word(_) => {
            a.as_str().unwrap().as_bytes().cmp(b.as_str().unwrap().as_bytes())
        }
        Kind::List(_) | Kind::Json => a.to_string().cmp(&b.to_string()),
    }
}

impl Query {
    /// Missing values come last, up and down; equal rows in the order of the key.
    pub(super) fn order(&self, a: &Row, b: &Row) -> Ordering {
        let turn = |order: Ordering, down: bool| if down { order.reverse() } else { order };
        for (column, down) in &self.order {
            let (a, b) = (&a.shown[column.name], &b.shown[column.name]);
            let order = match (a.is_null(), b.is_null()) {
                (false, false) => turn(compare(column.kind, a, b), *down),
                (a, b) => a.cmp(&b),
            };
            if order.is_ne() {
                return order;
            }
        }
        let keys = a.key.iter().zip(&b.key).map(|(a, b)| match a.as_i64() {
            Some(a) => a.cmp(&b.as_i64().unwrap()),
            None => a.as_str().cmp(&b.as_str()),
        });
        turn(keys.fold(Ordering::Equal, Ordering::then), self.down)
    }

    /// All rows that match, in order.
    pub(super) fn answer(&self, rows: &[Row]) -> Vec<Row> {
        let holds = |row: &&Row| self.filters.iter().all(|filter| filter.holds(row));
        let mut rows: Vec<Row> = rows.iter().filter(holds).cloned().collect();
        rows.sort_by(|a, b| self.order(a, b));
        rows
    }

    /// The columns of the row that were asked for.
    pub(super) fn show(&self, row: &Row) -> Map<String, Value> {
        let pair = |column: &&Column| (column.name.to_owned(), row.shown[column.name].clone());
        self.columns.iter().map(pair).collect()
    }
}

#[test]
fn half_of_the_times_are_sent_as_text_and_mean_the_same() {
    assert_eq!(as_sent(Kind::Time, &json!(1000)), 1000);
    let sent = as_sent(Kind::Time, &json!(-2000));
    assert_eq!(parse_time(sent.as_str().unwrap()), Some(-2000));
}
