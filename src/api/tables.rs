//! Tables with columns, filters, orders and pages of the caller's choice.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::json::{self, Object};
use crate::auth::Caller;
use crate::clock::{Clock, rfc3339};
use crate::error::Result;
use crate::http::{Request, Response};
use crate::store::Store;
use crate::tables::{self, FilterRequest, SortRequest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    table: String,
    columns: Option<Vec<String>>,
    #[serde(default)]
    filters: Vec<Object<Filter>>,
    #[serde(default)]
    sort: Vec<Object<Sort>>,
    #[serde(default)]
    page: Object<Page>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    col: String,
    op: String,
    val: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sort {
    col: String,
    #[serde(default = "asc")]
    dir: String,
}

fn asc() -> String {
    "asc".to_owned()
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Page {
    size: Option<i64>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    table: &'a str,
    rows: Vec<Map<String, Value>>,
    page: Next,
    meta: Meta,
}

#[derive(Serialize)]
struct Next {
    size: usize,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Meta {
    as_of: String,
    total: i64,
}

/// `POST /api/tables/query`
pub(super) fn query(store: &Store, call: &Request, caller: &Caller) -> Result<Response> {
    let Query { table, columns, filters, sort, page: Object(page) } = json::decode(call)?;
    let table = tables::find(&table)?;
    caller.require(table.act)?;
    let request = tables::Request {
        columns,
        filters: filters
            .into_iter()
            .map(|Object(one)| FilterRequest { column: one.col, op: one.op, value: one.val })
            .collect(),
        sort: sort
            .into_iter()
            .map(|Object(one)| SortRequest { column: one.col, direction: one.dir })
            .collect(),
        size: page.size,
        cursor: page.cursor,
    };
    let query = tables::Query::new(table, &request)?;
    let found = tables::run(store, &Clock::System, &query)?;
    let answer = Answer {
        table: table.name,
        rows: found.rows,
        page: Next { size: found.size, next_cursor: found.next },
        meta: Meta { as_of: rfc3339(found.as_of), total: found.total },
    };
    json::reply(200, &answer)
}
