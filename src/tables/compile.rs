//! From a checked query to SQL. Its text comes from the descriptions of the tables alone; whatever
//! came from outside is bound.

use super::query::{Filter, Op, Order, Query};
use super::{Column, Kind, Scalar};

/// SQL and the values that are bound in it.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) values: Vec<Scalar>,
}

/// The statements whose rows, one after the other, are those behind the cursor: the columns that
/// are shown, then the values of the order.
///
/// "Behind" is told in parts that need no OR, so that an index gives each without a sort: with the
/// order a, b behind (1, 2) come the rows with a = 1 and b > 2, then those with b null, then those
/// with a > 1, then those with a null. Null is last, up and down.
pub(super) fn page(query: &Query) -> Vec<Statement> {
    let Some(after) = &query.after else { return vec![part(query, &[], 0)] };
    let mut parts = Vec::new();
    for (place, (order, value)) in query.order.iter().zip(after).enumerate().rev() {
        if *value == Scalar::Null {
            continue;
        }
        let mut behind = equal(query, after, place);
        behind.push((format!("{} {} ?", order.column.sql, greater(order)), Some(value)));
        parts.push(part(query, &behind, place));
        if order.column.nullable {
            let mut without = equal(query, after, place);
            without.push((format!("{} IS NULL", order.column.sql), None));
            parts.push(part(query, &without, place));
        }
    }
    parts
}

/// The number of rows that match, on all pages.
pub(super) fn total(query: &Query) -> Statement {
    let mut statement =
        Statement { sql: format!("SELECT count(*) FROM {}", query.table.from), values: Vec::new() };
    matching(query, &mut statement);
    statement
}

type Condition<'a> = (String, Option<&'a Scalar>);

/// The order's columns before `place` have the cursor's values.
fn equal<'a>(query: &Query, after: &'a [Scalar], place: usize) -> Vec<Condition<'a>> {
    let before = query.order.iter().zip(after).take(place);
    before
        .map(|(order, value)| match value {
            Scalar::Null => (format!("{} IS NULL", order.column.sql), None),
            value => (format!("{} = ?", order.column.sql), Some(value)),
        })
        .collect()
}

fn greater(order: &Order) -> &'static str {
    if order.down { "<" } else { ">" }
}

/// The rows for which `behind` holds, which says the same value for all columns of the order
/// before `place`.
fn part(query: &Query, behind: &[Condition<'_>], place: usize) -> Statement {
    let shown = query.columns.iter().copied();
    let all = shown.chain(query.order.iter().map(|order| order.column)).map(|one| one.sql);
    let mut statement = Statement {
        sql: format!("SELECT {} FROM {}", all.collect::<Vec<_>>().join(", "), query.table.from),
        values: Vec::new(),
    };
    matching(query, &mut statement);
    for (condition, value) in behind {
        statement.sql.push_str(&format!(" AND {condition}"));
        statement.values.extend(value.cloned());
    }
    let order: Vec<_> = query.order[place..].iter().map(order_by).collect();
    statement.sql.push_str(&format!(" ORDER BY {} LIMIT ?", order.join(", ")));
    statement
}

fn order_by(order: &Order) -> String {
    let Order { column: Column { sql, nullable, .. }, down } = order;
    match (down, nullable) {
        (false, false) => (*sql).to_owned(),
        (false, true) => format!("{sql} NULLS LAST"),
        (true, _) => format!("{sql} DESC"), // to SQLite null is less than anything
    }
}

fn matching(query: &Query, statement: &mut Statement) {
    statement.sql.push_str(&format!(" WHERE {}", query.table.only));
    for filter in &query.filters {
        statement.sql.push_str(&format!(" AND {}", condition(filter)));
        let values = filter.values.iter().filter(|one| **one != Scalar::Null);
        statement.values.extend(values.cloned());
    }
}

fn condition(filter: &Filter) -> String {
    let Column { sql, kind, .. } = filter.column;
    let compare = |sign: &str| format!("{sql} {sign} ?");
    match filter.op {
        Op::Eq | Op::In => {
            let one_of = one_of(sql, *kind, &filter.values);
            match filter.values.contains(&Scalar::Null) {
                true => format!("({one_of} OR {sql} IS NULL)"),
                false => one_of,
            }
        }
        Op::Gt => compare(">"),
        Op::Lt => compare("<"),
        Op::Gte => compare(">="),
        Op::Lte => compare("<="),
        Op::Contains => format!("instr({sql}, ?) > 0"),
    }
}

/// The column is, or has, one of the values that are not null.
fn one_of(sql: &str, kind: Kind, values: &[Scalar]) -> String {
    let count = values.iter().filter(|one| **one != Scalar::Null).count();
    let marks = vec!["?"; count].join(", ");
    match (count, kind) {
        (0, _) => "0".to_owned(),
        (_, Kind::List(has)) => has.replace("{}", &marks),
        (1, _) => format!("{sql} = ?"),
        _ => format!("{sql} IN ({marks})"),
    }
}
