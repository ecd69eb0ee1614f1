//! The rules for a query: names, types and limits. What has passed here can be compiled.

use std::collections::HashSet;

use serde_json::Value;

use super::{Column, FilterRequest, Kind, Request, Scalar, SortRequest, Table, cursor};
use crate::clock::parse_time;
use crate::error::{Error, Result};
use crate::operations::Id;

/// Rows on a page when the request does not say.
pub const PAGE: i64 = 50;
/// Rows on a page, at most.
const LARGEST_PAGE: i64 = 500;
/// Filters of one query, at most.
pub const MOST_FILTERS: usize = 20;
/// Sorts of one query, at most.
pub const MOST_SORTS: usize = 8;
/// Values of one `in`, at most.
pub const MOST_VALUES: usize = 500;

/// A query that was checked.
#[derive(Debug)]
pub struct Query {
    pub(super) table: &'static Table,
    pub(super) columns: Vec<&'static Column>,
    pub(super) filters: Vec<Filter>,
    /// It ends with the key of the table, so that no two rows are equal.
    pub(super) order: Vec<Order>,
    /// The order's values of the last row of the page before.
    pub(super) after: Option<Vec<Scalar>>,
    size: usize,
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    In,
    Gt,
    Lt,
    Gte,
    Lte,
    Contains,
}

impl Op {
    const WORDS: [(&str, Op); 7] = [
        ("eq", Op::Eq),
        ("in", Op::In),
        ("gt", Op::Gt),
        ("lt", Op::Lt),
        ("gte", Op::Gte),
        ("lte", Op::Lte),
        ("contains", Op::Contains),
    ];

    fn parse(word: &str) -> Option<Op> {
        Op::WORDS.iter().find(|(one, _)| *one == word).map(|(_, op)| *op)
    }

    /// Whether values can be only equal or not.
    fn is_equality(self) -> bool {
        matches!(self, Op::Eq | Op::In)
    }
}

/// A column and what it is compared with: for `in` any number of values, else one.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) column: &'static Column,
    pub(super) op: Op,
    pub(super) values: Vec<Scalar>,
}

/// A part of the order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) column: &'static Column,
    pub(super) down: bool,
}

impl Query {
    /// Checks a request against the description of its table (R8.2 to R8.5).
    ///
    /// # Errors
    /// A name that the table does not have, a value of another type, a limit that is passed, or a
    /// cursor of another query.
    pub fn new(table: &'static Table, request: &Request) -> Result<Query> {
        let mut query = Query {
            table,
            columns: columns(table, request.columns.as_deref())?,
            filters: filters(table, &request.filters)?,
            order: order(table, &request.sort)?,
            after: None,
            size: size(request.size)?,
        };
        if let Some(text) = &request.cursor {
            let key = cursor::read(&query.scope(), text)?;
            query.after = Some(query.place(key)?);
        }
        Ok(query)
    }

    /// Rows on a page, at most.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// What a cursor belongs to: table, filters and order. The order of filters says nothing.
    pub(super) fn scope(&self) -> String {
        let mut filters: Vec<String> = self
            .filters
            .iter()
            .map(|one| format!("{} {:?} {:?}", one.column.name, one.op, one.values))
            .collect();
        filters.sort();
        let order: Vec<_> = self.order.iter().map(|one| (one.column.name, one.down)).collect();
        format!("{} {filters:?} {order:?}", self.table.name)
    }

    /// The values of a cursor, if they are such as the order's columns can have.
    fn place(&self, key: Vec<Scalar>) -> Result<Vec<Scalar>> {
        let fits = |(order, value): (&Order, &Scalar)| match value {
            Scalar::Null => order.column.nullable,
            Scalar::Integer(_) => order.column.kind.is_number(),
            Scalar::Text(_) => !order.column.kind.is_number(),
        };
        let whole = key.len() == self.order.len() && self.order.iter().zip(&key).all(fits);
        whole.then_some(key).ok_or(Error::Cursor)
    }
}

impl Kind {
    /// Whether SQL has a number for it.
    fn is_number(self) -> bool {
        matches!(self, Kind::Integer | Kind::Boolean | Kind::Time | Kind::Operation)
    }

    /// Whether values can be compared like that.
    fn knows(self, op: Op) -> bool {
        match op {
            Op::Eq | Op::In => true,
            Op::Contains => self == Kind::Text,
            _ => !matches!(self, Kind::Boolean | Kind::List(_) | Kind::Json),
        }
    }

    /// What SQL compares with, for a value that is not null.
    fn scalar(self, value: &Value) -> Option<Scalar> {
        match (self, value) {
            (Kind::Text | Kind::List(_), Value::String(text)) => Some(Scalar::Text(text.clone())),
            (Kind::Word(words), Value::String(text)) => {
                words.contains(&text.as_str()).then(|| Scalar::Text(text.clone()))
            }
            (Kind::Integer | Kind::Time, Value::Number(_)) => value.as_i64().map(Scalar::Integer),
            (Kind::Boolean, Value::Bool(truth)) => Some(Scalar::Integer((*truth).into())),
            (Kind::Time, Value::String(text)) => {
                // "2026" would be two seconds after the epoch: a number must be a number.
                let time = parse_time(text).filter(|_| text.parse::<i64>().is_err());
                time.map(Scalar::Integer)
            }
            (Kind::Operation, Value::String(text)) => {
                text.parse().ok().map(|Id(number)| Scalar::Integer(number))
            }
            (Kind::Json, value) => Some(Scalar::Text(value.to_string())),
            _ => None,
        }
    }

    /// What a value must be, in words.
    fn wanted(self) -> String {
        match self {
            Kind::Text | Kind::List(_) => "a text".to_owned(),
            Kind::Word(words) => format!("one of the words {}", words.join(", ")),
            Kind::Integer => "a whole number".to_owned(),
            Kind::Boolean => "true or false".to_owned(),
            Kind::Time => {
                "a time, as 2026-05-01T10:00:00Z or in milliseconds since the epoch".to_owned()
            }
            Kind::Operation => "an operation's id, as OP-10001".to_owned(),
            Kind::Json => "any JSON".to_owned(),
        }
    }
}

fn columns(table: &'static Table, names: Option<&[String]>) -> Result<Vec<&'static Column>> {
    let Some(names) = names else { return Ok(table.columns.iter().collect()) };
    if names.is_empty() {
        return Err(Error::invalid("columns", "must name at least one\nleave it out for all"));
    }
    let columns = names.iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
    each_once("columns", &columns)?;
    Ok(columns)
}

fn each_once(field: &str, columns: &[&Column]) -> Result<()> {
    let mut seen = HashSet::new();
    match columns.iter().find(|one| !seen.insert(one.name)) {
        Some(twice) => Err(Error::invalid(field, format!("{:?} stands there twice", twice.name))),
        None => Ok(()),
    }
}

fn filters(table: &'static Table, requests: &[FilterRequest]) -> Result<Vec<Filter>> {
    at_most("filters", requests.len(), MOST_FILTERS)?;
    requests.iter().map(|request| filter(table, request)).collect()
}

fn filter(table: &'static Table, request: &FilterRequest) -> Result<Filter> {
    let column = table.column(&request.column)?;
    let refuse =
        |expected: String| Error::Filter { column: column.name, op: request.op.clone(), expected };
    let known = |op: &Op| column.kind.knows(*op);
    let Some(op) = Op::parse(&request.op).filter(known) else {
        let known: Vec<_> =
            Op::WORDS.iter().filter(|(_, op)| known(op)).map(|(word, _)| *word).collect();
        return Err(refuse(format!("one of {} as \"op\"", known.join(", "))));
    };
    let nullable = column.nullable && op.is_equality();
    let scalar = |value: &Value| match value {
        Value::Null => nullable.then_some(Scalar::Null),
        value => column.kind.scalar(value),
    };
    let values: Option<Vec<Scalar>> = match (op, &request.value) {
        (Op::In, Value::Array(values)) if values.len() <= MOST_VALUES => {
            values.iter().map(scalar).collect()
        }
        (Op::In, _) => None,
        (_, value) => scalar(value).map(|one| vec![one]),
    };
    let values = values.ok_or_else(|| {
        let or_null = if nullable { ", or null" } else { "" };
        let one = format!("{}{or_null}", column.kind.wanted());
        refuse(match op {
            Op::In => format!("a list of at most {MOST_VALUES} values, each {one}"),
            _ => one,
        })
    })?;
    Ok(Filter { column, op, values })
}

fn order(table: &'static Table, requests: &[SortRequest]) -> Result<Vec<Order>> {
    at_most("sort", requests.len(), MOST_SORTS)?;
    let order = requests.iter().zip(0..).map(|(one, place)| sort(table, one, place));
    let mut order = order.collect::<Result<Vec<_>>>()?;
    each_once("sort", &order.iter().map(|one| one.column).collect::<Vec<_>>())?;
    if order.is_empty() {
        for (name, down) in table.default {
            order.push(Order { column: table.column(name)?, down: *down });
        }
    }
    // The way of the last one, as an index can then be read in one go, up or down.
    let down = order.last().is_some_and(|last| last.down);
    for column in table.key {
        if !order.iter().any(|one| one.column.name == column.name) {
            order.push(Order { column, down });
        }
    }
    Ok(order)
}

fn sort(table: &'static Table, request: &SortRequest, place: usize) -> Result<Order> {
    let column = table.column(&request.column)?;
    match request.direction.as_str() {
        "asc" => Ok(Order { column, down: false }),
        "desc" => Ok(Order { column, down: true }),
        other => {
            let text = format!("{other:?} is neither \"asc\" nor \"desc\"");
            Err(Error::invalid(format!("sort[{place}].dir"), text))
        }
    }
}

fn size(size: Option<i64>) -> Result<usize> {
    let size = size.unwrap_or(PAGE);
    let wanted = || Error::invalid("page.size", format!("{size} is not from 1 to {LARGEST_PAGE}"));
    Some(size)
        .filter(|size| (1..=LARGEST_PAGE).contains(size))
        .and_then(|size| usize::try_from(size).ok())
        .ok_or_else(wanted)
}

fn at_most(field: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::invalid(field, format!("has {count} entries, more than {most}")))
}
