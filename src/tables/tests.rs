//! What a page costs when there is much: read from EXPLAIN QUERY PLAN, and counted in steps of
//! SQLite's machine, which are the same on every computer.

use rusqlite::StatementStatus;
use serde_json::json;

use super::*;
use crate::store::Store;
use crate::tables::{self, FilterRequest, Request, SortRequest};

/// 1,000 machines, 100,000 operations of which ten have not ended, 50,000 acts, 10,000 syncs.
const MUCH: &str = "
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
    INSERT INTO machines (id, type, name, tags, host, port, user, enrollment_id, enrollment_path,
        enrollment_required, metadata, status)
    SELECT printf('m-%04d', i), 'VM', 'n' || i, '[\"web\"]', '10.0.0.1', 22, 'root', 'x', '/x', 1,
        '{}', 'online' FROM n;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
    INSERT INTO operations (status, scripts, targets, flags, concurrency, keep_going, check_ids,
        triggered_by, commit_hash, created_at, started_at, ended_at)
    SELECT iif(i >= 99990, 'queued', iif(i % 20 = 7, 'failed', 'success')), '[\"s\"]',
        json_array(printf('m-%04d', i % 1000)), '{}', 1, 0, 0, iif(i % 5000 = 4, 'rare', 'user' || (i % 5)), 'c',
        1700000000000 + i * 60000, iif(i >= 99990, NULL, 1700000000000 + i * 60000),
        iif(i >= 99990, NULL, 1700000000000 + i * 60000 + i % 7000) FROM n;
    INSERT INTO operation_logs (operation, position, target, script, run_id, status, exit_code)
    SELECT id, 0, printf('m-%04d', (id - 10001) % 1000), 's', 'r' || id,
        iif(status = 'queued', 'queued', status), 0 FROM operations;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 49999)
    INSERT INTO audit_log (at, actor, action, target, result, previous, hash)
    SELECT 1700000000000 + i * 120000, iif(i % 5000 = 4, 'rare', 'user' || (i % 5)),
        CASE WHEN i % 5000 = 3 THEN 'rare' WHEN i % 3 = 0 THEN 'auth.login' WHEN i % 3 = 1 THEN
            'terminal.connect' ELSE 'operation.run' END,
        printf('m-%04d', i % 1000), 'ok', zeroblob(32), zeroblob(32) FROM n;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
    INSERT INTO git_sync_history (started_at, ended_at, success, commit_hash)
    SELECT 1700000000000 + i * 900000, 1700000000000 + i * 900000 + 50, 1, 'c' FROM n;";

#[test]
fn a_page_is_cheap_when_there_is_much() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("a.db")).unwrap();
    store.write(|tx| Ok(tx.execute_batch(MUCH)?)).unwrap();
    default_orders_and_common_filters_read_an_index_and_sort_nothing(&store);
    operations_of_a_machine_are_found_by_its_executions(&store);
    executions_are_counted_for_the_rows_of_the_page_alone(&store);
}

/// A query by its filters and sorts, each as words.
fn query(
    table: &str,
    filters: &[(&str, &str, Value)],
    sort: &[(&str, &str)],
    cursor: Option<String>,
) -> Query {
    let filters = filters.iter().map(|(column, op, value)| FilterRequest {
        column: (*column).to_owned(),
        op: (*op).to_owned(),
        value: value.clone(),
    });
    let sort = sort.iter().map(|(column, direction)| SortRequest {
        column: (*column).to_owned(),
        direction: (*direction).to_owned(),
    });
    let request =
        Request { filters: filters.collect(), sort: sort.collect(), cursor, ..Request::default() };
    Query::new(tables::find(table).unwrap(), &request).unwrap()
}

/// What SQLite does for a statement, a line for each step.
fn plan(db: &Connection, statement: &Statement) -> Vec<String> {
    let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
    let limit = statement.sql.ends_with("LIMIT ?").then_some(Scalar::Integer(51));
    let values = params_from_iter(statement.values.iter().chain(&limit));
    let lines = explain.query_map(values, |row| row.get("detail")).unwrap();
    lines.collect::<rusqlite::Result<_>>().unwrap()
}

/// The steps of SQLite's machine for a page of the statement.
fn steps(db: &Connection, page: &Statement) -> i32 {
    let mut statement = db.prepare(&page.sql).unwrap();
    let values = page.values.iter().chain([&Scalar::Integer(51)]);
    let mut rows = statement.query(params_from_iter(values)).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    statement.get_status(StatementStatus::VmStep)
}

type Common =
    (&'static str, Vec<(&'static str, &'static str, Value)>, Vec<(&'static str, &'static str)>);

/// The default order of every table that grows, and what people filter and sort by.
fn common() -> Vec<Common> {
    let history = "tbl_operations_history";
    let (recent, audit, syncs) = ("tbl_recent_activity", "tbl_audit", "tbl_git_sync_history");
    vec![
        ("tbl_operations", vec![], vec![]),
        (history, vec![], vec![]),
        (history, vec![], vec![("started", "asc")]),
        (history, vec![], vec![("ended", "desc")]),
        (history, vec![], vec![("ended", "asc")]),
        (history, vec![], vec![("id", "asc")]),
        (history, vec![("status", "eq", json!("failed"))], vec![]),
        (history, vec![("triggeredBy", "eq", json!("user3"))], vec![]),
        (history, vec![("triggeredBy", "eq", json!("rare"))], vec![]),
        (history, vec![("started", "gte", json!("2024-01-01"))], vec![]),
        (
            history,
            vec![
                ("status", "eq", json!("success")),
                ("started", "gte", json!("2024-01-01T00:00:00Z")),
                ("started", "lt", json!(1_704_200_000_000_i64)),
            ],
            vec![],
        ),
        (history, vec![("ended", "gt", json!(1_704_200_000_000_i64))], vec![("ended", "asc")]),
        (history, vec![("id", "gt", json!("OP-70000"))], vec![("id", "asc")]),
        (recent, vec![], vec![]),
        (recent, vec![], vec![("time", "asc")]),
        (recent, vec![("time", "lt", json!("2024-01-01"))], vec![]),
        (recent, vec![("kind", "eq", json!("login"))], vec![]),
        (audit, vec![], vec![]),
        (audit, vec![("actor", "eq", json!("user1"))], vec![]),
        (audit, vec![("actor", "eq", json!("rare"))], vec![]),
        (audit, vec![("action", "eq", json!("operation.run"))], vec![]),
        (audit, vec![("action", "eq", json!("rare"))], vec![]),
        (audit, vec![("target", "eq", json!("m-0003"))], vec![]),
        (audit, vec![("time", "gt", json!("2024-01-01"))], vec![]),
        (audit, vec![], vec![("id", "asc")]),
        (syncs, vec![], vec![]),
    ]
}

/// Of a plan, what reads a whole table or sorts all that it has found. Sorting the last terms only
/// is sorting among rows that are equal in the first.
fn expensive(plan: &[String]) -> Vec<&String> {
    let sorts = |line: &str| line.contains("USE TEMP B-TREE FOR ORDER BY");
    let scans = |line: &str| {
        line.starts_with("SCAN") && !line.contains(" INDEX ") && !line.contains("CONSTANT ROW")
    };
    // The order of ids is that of the table itself.
    let by_id = |line: &str| ["SCAN o", "SCAN l"].contains(&line);
    plan.iter().filter(|line| sorts(line) || (scans(line) && !by_id(line))).collect()
}

fn default_orders_and_common_filters_read_an_index_and_sort_nothing(store: &Store) {
    for (table, filters, sort) in common() {
        let first = query(table, &filters, &sort, None);
        let page = tables::run(store, &crate::clock::Clock::System, &first).unwrap();
        let next = query(table, &filters, &sort, page.next.clone());
        // What was done comes from several tables, all of whose rows are counted.
        let total = (table != "tbl_recent_activity").then(|| compile::total(&first));
        let (first, next) = (compile::page(&first), compile::page(&next));
        let what = format!("{table} {filters:?} {sort:?}");
        store
            .read(|db| {
                // Behind a cursor the last part is the large one; those before are of one value.
                for statement in first.iter().chain(next.last()).chain(&total) {
                    let plan = plan(db, statement);
                    let open = table == "tbl_operations"; // few, and found by an index
                    let found = open && plan[0].contains("(status=?)");
                    let fine = found || expensive(&plan).is_empty();
                    assert!(fine, "{what}: {plan:#?}\n{}", statement.sql);
                }
                for statement in first.iter().chain(&next) {
                    let steps = steps(db, statement);
                    assert!(steps < 20_000, "{what}: {steps} steps\n{}", statement.sql);
                }
                Ok(())
            })
            .unwrap();
    }
}

/// A machine of which there are few operations is found by them, not by reading all.
fn operations_of_a_machine_are_found_by_its_executions(store: &Store) {
    let query = query("tbl_operations_history", &[("targets", "eq", json!("m-0007"))], &[], None);
    store
        .read(|db| {
            for statement in [&compile::page(&query)[0], &compile::total(&query)] {
                let plan = plan(db, statement).join("\n");
                assert!(plan.contains("INDEX operation_logs_by_target (target=?)"), "{plan}");
                assert!(!plan.contains("SCAN"), "{plan}");
            }
            assert!(steps(db, &compile::page(&query)[0]) < 20_000);
            Ok(())
        })
        .unwrap();
}

/// Counting the executions of 100,000 operations takes millions of steps; sorting them by
/// something else takes far less, because only those of the page are counted.
fn executions_are_counted_for_the_rows_of_the_page_alone(store: &Store) {
    let request = |columns: &[&str]| {
        let columns = columns.iter().map(|one| (*one).to_owned()).collect();
        let sort = SortRequest { column: "duration".to_owned(), direction: "asc".to_owned() };
        let request = Request { columns: Some(columns), sort: vec![sort], ..Request::default() };
        let table = tables::find("tbl_operations_history").unwrap();
        compile::page(&Query::new(table, &request).unwrap()).remove(0)
    };
    store
        .read(|db| {
            let without = steps(db, &request(&["id"]));
            let with = steps(db, &request(&["id", "success", "failed"]));
            assert!(with - without < 51 * 1_000, "{without} steps without counts, {with} with");
            Ok(())
        })
        .unwrap();
}
