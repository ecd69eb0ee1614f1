//! Running the SQL of tables.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, ToSql, params_from_iter};
use serde_json::{Map, Value};

use super::compile::{self, Statement};
use super::{Column, Kind, Query, Scalar};
use crate::error::{Error, Result};
use crate::operations::Id;

/// A row that was found.
pub(super) struct Found {
    /// What is shown of it.
    pub(super) shown: Map<String, Value>,
    /// Its place in the order.
    pub(super) key: Vec<Scalar>,
}

/// The rows of the statements one after the other, up to one more than a page has.
pub(super) fn rows(db: &Connection, statements: &[Statement], query: &Query) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for Statement { sql, values } in statements {
        let missing = query.size() + 1 - found.len();
        if missing == 0 {
            break;
        }
        // Not cached: the shapes have no end, and would drive out those of the program.
        let mut statement = db.prepare(sql)?;
        let limit = Scalar::Integer(i64::try_from(missing).unwrap_or(i64::MAX));
        let mut rows = statement.query(params_from_iter(values.iter().chain([&limit])))?;
        while let Some(row) = rows.next()? {
            found.push(read(row, query)?);
        }
    }
    Ok(found)
}

/// The number of rows that match.
pub(super) fn total(db: &Connection, query: &Query) -> Result<i64> {
    let Statement { sql, values } = compile::total(query);
    Ok(db.query_row(&sql, params_from_iter(values), |row| row.get(0))?)
}

fn read(row: &Row<'_>, query: &Query) -> Result<Found> {
    let mut shown = Map::new();
    for (place, column) in query.columns.iter().enumerate() {
        shown.insert(column.name.to_owned(), show(column, row.get_ref(place)?)?);
    }
    let key = (query.columns.len()..).take(query.order.len());
    let key = key.map(|place| scalar(row.get_ref(place)?)).collect::<Result<_>>()?;
    Ok(Found { shown, key })
}

fn scalar(value: ValueRef<'_>) -> Result<Scalar> {
    match value {
        ValueRef::Null => Ok(Scalar::Null),
        ValueRef::Integer(number) => Ok(Scalar::Integer(number)),
        value => Ok(Scalar::Text(text(value)?.to_owned())),
    }
}

fn text(value: ValueRef<'_>) -> Result<&str> {
    Ok(value.as_str().map_err(rusqlite::Error::from)?)
}

/// A value as it is on the wire.
fn show(column: &Column, value: ValueRef<'_>) -> Result<Value> {
    if value == ValueRef::Null {
        return Ok(Value::Null);
    }
    let number = || value.as_i64().map_err(rusqlite::Error::from);
    Ok(match column.kind {
        Kind::Text | Kind::Word(_) => text(value)?.into(),
        Kind::Integer | Kind::Time => number()?.into(),
        Kind::Boolean => (number()? != 0).into(),
        Kind::Operation => Id(number()?).to_string().into(),
        Kind::List(_) | Kind::Json => serde_json::from_str(text(value)?)
            .map_err(|error| Error::Internal(format!("{}: {error}", column.name)))?,
    })
}

impl ToSql for Scalar {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Scalar::Null => ValueRef::Null,
            Scalar::Integer(number) => ValueRef::Integer(*number),
            Scalar::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
