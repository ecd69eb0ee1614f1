//! R8, P25 to P27: any query on any content of any table, against the same in plain Rust.

mod model;
mod runs;
mod terminals;
mod world;

use linkops::clock::Clock;
use linkops::error::Error;
use linkops::store::Store;
use linkops::tables::{self, FilterRequest, Query, Request, SortRequest, TABLES, Table};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::inventory::open;
use crate::inventory_model::cases;
use model::{Draft, Row, draft};
use world::{Sort, Thing, clear, rows, things};

/// What the rows of a table come from, with what must not appear in it.
fn sources(table: &str) -> &'static [Sort] {
    match table {
        "tbl_links" | "tbl_link_health" | "tbl_infrastructure" => &[Sort::Machine],
        "tbl_operations" | "tbl_operations_history" => &[Sort::Operation],
        "tbl_recent_activity" => &[Sort::Operation, Sort::Sync, Sort::Act, Sort::Machine],
        "tbl_terminal_sessions" | "tbl_terminal_panes" => &[Sort::Workspace],
        "tbl_scripts" => &[Sort::Script],
        "tbl_git_sync_history" => &[Sort::Sync],
        "tbl_audit" => &[Sort::Act],
        other => panic!("{other} has no rows here"),
    }
}

/// What happens between two pages: things come and go.
type Change = (Vec<Thing>, Vec<Index>);

/// The numbers are about where operations' ids get a digit more.
fn changes(table: &str) -> impl Strategy<Value = Vec<Change>> + use<> {
    let sorts = sources(table);
    let change = |number: usize| {
        let first = 10_100 + 10 * number as i64;
        (things(sorts, first, 4), vec(any::<Index>(), 0..3)).boxed()
    };
    (0..4_usize).prop_flat_map(move |count| (0..count).map(change).collect::<Vec<_>>())
}

/// P26 for one table: page by page the rows are those of the model behind the last one, while
/// things come and go; so each row that was there throughout comes once, in order.
fn walk(
    store: &Store,
    table: &'static Table,
    mut things: Vec<Thing>,
    draft: &Draft,
    changes: &[Change],
) -> Result<(), TestCaseError> {
    clear(store);
    things.iter().for_each(|thing| thing.add(store));
    let mut query = draft.query(table, &rows(table.name, &things));
    let mut changes = changes.iter();
    let mut throughout: Option<Vec<Row>> = None;
    let mut seen: Vec<Row> = Vec::new();
    let clock = Clock::fixed(1_700_000_000_000);
    loop {
        let all = query.answer(&rows(table.name, &things));
        throughout = Some(match throughout {
            None => all.clone(),
            Some(rows) => rows.into_iter().filter(|row| all.contains(row)).collect(),
        });
        let behind = |row: &&Row| seen.last().is_none_or(|last| query.order(row, last).is_gt());
        let left: Vec<&Row> = all.iter().filter(behind).collect();
        let checked = Query::new(table, &query.request)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let page = tables::run(store, &clock, &checked)
            .map_err(|error| TestCaseError::fail(error.chain()))?;
        let wanted: Vec<&Row> = left.iter().take(checked.size()).copied().collect();
        let shown: Vec<_> = wanted.iter().map(|row| query.show(row)).collect();
        prop_assert_eq!(&page.rows, &shown);
        for (found, wanted) in page.rows.iter().zip(&shown) {
            prop_assert!(found.keys().eq(wanted.keys()), "the columns' order");
        }
        prop_assert_eq!(page.next.is_some(), left.len() > wanted.len());
        prop_assert_eq!((page.total, page.as_of), (all.len() as i64, clock.now()));
        seen.extend(wanted.into_iter().cloned());
        let Some(next) = page.next else { break };
        query.request.cursor = Some(next);
        if let Some((come, go)) = changes.next() {
            go.iter().filter(|_| !things.is_empty()).collect::<Vec<_>>().iter().for_each(|index| {
                if !things.is_empty() {
                    things.remove(index.index(things.len())).remove(store);
                }
            });
            come.iter().for_each(|thing| thing.add(store));
            things.extend(come.iter().cloned());
        }
    }
    prop_assert!(seen.windows(2).all(|pair| query.order(&pair[0], &pair[1]).is_lt()));
    let missed = throughout.unwrap_or_default().into_iter().find(|row| !seen.contains(row));
    prop_assert_eq!(missed, None);
    Ok(())
}

/// R8.2 to R8.5, P26, for every table.
#[test]
fn p26_all_pages_give_each_matching_row_once_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for table in TABLES.iter().copied() {
        let first = things(sources(table.name), 9_990, 20);
        let strategy = (first, draft(), changes(table.name));
        TestRunner::new(cases(150))
            .run(&strategy, |(things, draft, changes)| {
                walk(&store, table, things, &draft, &changes)
            })
            .unwrap_or_else(|error| panic!("{}: {error}", table.name));
    }
}

/// P27: the metadata has the time of the query.
#[test]
fn p27_a_page_says_when_it_was_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    TestRunner::new(cases(150))
        .run(&(0..4_000_000_000_000_i64, any::<Index>()), |(now, table)| {
            let query = Query::new(TABLES[table.index(TABLES.len())], &Request::default()).unwrap();
            let page = tables::run(&store, &Clock::fixed(now), &query).unwrap();
            prop_assert_eq!(page.as_of, now);
            prop_assert_eq!(page.total, page.rows.len() as i64);
            Ok(())
        })
        .unwrap();
}

fn request(column: &str, op: &str, value: Value) -> Request {
    let filter = FilterRequest { column: column.to_owned(), op: op.to_owned(), value };
    Request { filters: vec![filter], ..Request::default() }
}

proptest! {
    #![proptest_config(cases(300))]

    /// R8.1, P25
    #[test]
    fn p25_an_unknown_table_is_refused(
        name in prop_oneof![any::<String>(), "tbl_[a-z_]{0,16}", "(tbl_)?(links|audit|TBL_LINKS)[ ;'\"-]?"],
    ) {
        prop_assume!(TABLES.iter().all(|table| table.name != name));
        let error = tables::find(&name).unwrap_err();
        prop_assert!(matches!(&error, Error::UnknownTable { table, .. } if *table == name), "{}", error);
    }

    /// A name from outside is known or refused; nothing else comes of it.
    #[test]
    fn any_names_are_refused_unless_they_are_of_the_table(
        table in any::<Index>(), name: String, op: String, direction: String, cursor: String,
    ) {
        let table = *table.get(TABLES);
        let column = table.columns[0].name.to_owned();
        let known = |name: &str| table.columns.iter().any(|one| one.name == name);
        let columns = Request { columns: Some(vec![name.clone()]), ..Request::default() };
        let sort = |column: &String, direction: &String| Request {
            sort: vec![SortRequest { column: column.clone(), direction: direction.clone() }],
            ..Request::default()
        };
        for request in [columns, request(&name, "eq", json!("x")), sort(&name, &"asc".to_owned())] {
            let refused = matches!(Query::new(table, &request), Err(Error::UnknownColumn { .. }));
            prop_assert_eq!(refused, !known(&name));
        }
        if !["eq", "in", "gt", "lt", "gte", "lte", "contains"].contains(&&op[..]) {
            let refused = Query::new(table, &request(&column, &op, json!("x")));
            let refused = matches!(refused, Err(Error::Filter { .. }));
            prop_assert!(refused);
        }
        if !["asc", "desc"].contains(&&direction[..]) {
            let refused = Query::new(table, &sort(&column, &direction));
            let refused = matches!(refused, Err(Error::Invalid(_)));
            prop_assert!(refused);
        }
        let request = Request { cursor: Some(cursor), ..Request::default() };
        prop_assert!(matches!(Query::new(table, &request), Err(Error::Cursor)));
    }
}
