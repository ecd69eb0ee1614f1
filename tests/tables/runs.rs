//! Any operations.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::{Transaction, params};
use serde_json::{Value, json};

use super::world::{list, moment, some, text};

#[derive(Debug, Clone)]
pub(super) struct Operation {
    status: &'static str,
    scripts: Vec<String>,
    targets: Vec<String>,
    created: i64,
    waited: i64,
    took: i64,
    by: String,
    executions: Vec<&'static str>,
}

fn at_least_one() -> impl Strategy<Value = Vec<String>> {
    some(3).prop_filter("empty", |list| !list.is_empty())
}

prop_compose! {
    pub(super) fn operation()(
        status in select(vec!["queued", "running", "success", "failed", "partial", "stopped"]),
        (scripts, targets) in (at_least_one(), at_least_one()),
        (created, waited, took) in (moment(), 0..3_i64, 0..3_i64),
        by in text(),
        executions in vec(
            select(vec!["queued", "running", "success", "failed", "stopped", "skipped"]), 9,
        ),
    ) -> Operation {
        let waited = waited * 1000;
        Operation { status, scripts, targets, created, waited, took, by, executions }
    }
}

impl Operation {
    pub(super) fn is_finished(&self) -> bool {
        !["queued", "running"].contains(&self.status)
    }

    fn started(&self) -> Option<i64> {
        (self.status != "queued").then_some(self.created + self.waited)
    }

    fn ended(&self) -> Option<i64> {
        self.is_finished().then_some(self.created + self.waited + self.took)
    }

    /// Its executions in their order: target, script, status.
    fn executions(&self) -> impl Iterator<Item = (&String, &String, &'static str)> {
        let pairs =
            self.targets.iter().flat_map(|one| self.scripts.iter().map(move |two| (one, two)));
        pairs.zip(&self.executions).map(|((target, script), status)| (target, script, *status))
    }

    pub(super) fn add(&self, tx: &Transaction<'_>, id: i64) -> rusqlite::Result<usize> {
        tx.execute(
            "INSERT INTO operations (id, status, scripts, targets, flags, concurrency, keep_going,
                 check_ids, triggered_by, commit_hash, created_at, started_at, ended_at)
             VALUES (?1, ?2, ?3, ?4, '{}', 1, 0, 1, ?5, 'c', ?6, ?7, ?8)",
            params![
                id,
                self.status,
                list(&self.scripts),
                list(&self.targets),
                self.by,
                self.created,
                self.started(),
                self.ended()
            ],
        )?;
        for (position, (target, script, status)) in self.executions().enumerate() {
            tx.execute(
                "INSERT INTO operation_logs (operation, position, target, script, run_id, status,
                     exit_code)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                params![id, position as i64, target, script, format!("{id}-{position}"), status],
            )?;
        }
        Ok(1)
    }

    pub(super) fn row(&self, id: i64) -> Value {
        let count = |wanted| self.executions().filter(|(_, _, status)| *status == wanted).count();
        let duration = self.ended().map(|_| self.took);
        json!({
            "id": format!("OP-{id}"), "scripts": self.scripts, "targets": self.targets,
            "status": self.status, "started": self.started(), "ended": self.ended(),
            "duration": duration, "success": count("success"), "failed": count("failed"),
            "triggeredBy": self.by,
        })
    }

    /// When it was submitted, by whom, and what it is now.
    pub(super) fn submission(&self) -> (i64, &str, &'static str) {
        (self.created, &self.by, self.status)
    }
}
