//! Any workspaces with their panes.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::{Transaction, params};
use serde_json::{Value, json};

use super::model::Row;
use super::world::{moment, text};

#[derive(Debug, Clone)]
pub(super) struct Workspace {
    layout: &'static str,
    created: i64,
    by: String,
    panes: [Option<Pane>; 4],
}

#[derive(Debug, Clone)]
struct Pane {
    target: String,
    status: &'static str,
    error: Option<String>,
    size: Option<(i64, i64)>,
    /// When the last connection began, and how long it was.
    connection: Option<(i64, i64)>,
}

prop_compose! {
    fn pane()(
        (target, error) in (text(), option::of(text())),
        status in select(vec!["assigned", "connecting", "connected", "disconnected"]),
        size in option::of((1..4_i64, 1..4_i64)),
        (from, took, ever) in (moment(), 0..3_i64, any::<bool>()),
    ) -> Pane {
        let connected = status == "connected";
        let error = error.filter(|_| !connected);
        let connection = (connected || ever).then_some((from, took * 1000));
        Pane { target, status, error, size, connection }
    }
}

prop_compose! {
    pub(super) fn workspace()(
        layout in select(vec!["single", "grid2x1", "grid1x3", "grid2x2"]),
        (created, by) in (moment(), text()),
        panes in [option::of(pane()), option::of(pane()), option::of(pane()), option::of(pane())],
    ) -> Workspace {
        Workspace { layout, created, by, panes }
    }
}

impl Pane {
    fn is_connected(&self) -> bool {
        self.status == "connected"
    }

    fn from(&self) -> Option<i64> {
        self.connection.map(|(from, _)| from)
    }

    fn until(&self) -> Option<i64> {
        self.connection.filter(|_| !self.is_connected()).map(|(from, took)| from + took)
    }
}

impl Workspace {
    fn max_panes(&self) -> i64 {
        let all = ["single", "grid2x1", "grid1x3", "grid2x2"];
        1 + all.iter().position(|one| *one == self.layout).unwrap() as i64
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &Pane)> {
        let all = ["A", "B", "C", "D"].into_iter().zip(&self.panes);
        all.filter_map(|(name, pane)| Some((name, pane.as_ref()?)))
    }

    pub(super) fn add(&self, tx: &Transaction<'_>, id: &str) -> rusqlite::Result<usize> {
        tx.execute(
            "INSERT INTO terminal_workspaces (id, layout, max_panes, created_by, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, self.layout, self.max_panes(), self.by, self.created],
        )?;
        for (name, pane) in self.named() {
            tx.execute(
                "INSERT INTO terminal_panes (workspace, pane, target, status, error, cols, rows,
                     connected_at, disconnected_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    id,
                    name,
                    pane.target,
                    pane.status,
                    pane.error,
                    pane.size.map(|one| one.0),
                    pane.size.map(|one| one.1),
                    pane.from(),
                    pane.until()
                ],
            )?;
        }
        Ok(1)
    }

    /// The row of `tbl_terminal_sessions`.
    pub(super) fn row(&self, id: &str) -> Row {
        let panes = || self.named().map(|(_, pane)| pane);
        let mut targets: Vec<&String> = panes().map(|pane| &pane.target).collect();
        targets.sort();
        targets.dedup();
        let connected = panes().any(Pane::is_connected);
        let until = panes().filter_map(Pane::until).max().filter(|_| !connected);
        let shown = json!({
            "workspaceId": id, "layout": self.layout, "maxPanes": self.max_panes(),
            "createdAt": self.created, "createdBy": self.by, "target": targets,
            "connected": connected, "connectedAt": panes().filter_map(Pane::from).min(),
            "disconnectedAt": until,
        });
        Row::new(shown, [json!(id)])
    }

    /// The rows of `tbl_terminal_panes`.
    pub(super) fn panes(&self, id: &str) -> Vec<Row> {
        let row = |(name, pane): (&str, &Pane)| {
            let shown = json!({
                "workspaceId": id, "pane": name, "target": pane.target, "status": pane.status,
                "connected": pane.is_connected(), "error": pane.error,
                "cols": pane.size.map(|one| one.0), "rows": pane.size.map(|one| one.1),
                "connectedAt": pane.from(), "disconnectedAt": pane.until(),
            });
            Row::new(shown, [Value::from(id), name.into()])
        };
        self.named().map(row).collect()
    }
}
