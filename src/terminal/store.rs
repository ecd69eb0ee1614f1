//! The SQL of terminals.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::PaneName;
use crate::error::{Error, Noun, Result};

/// What the panes of a workspace are assigned to.
///
/// # Errors
/// There is no such workspace, or the database fails.
pub fn targets(db: &Connection, workspace: &str) -> Result<BTreeMap<PaneName, String>> {
    let sql = "SELECT 1 FROM terminal_workspaces WHERE id = ?1";
    let found: Option<i64> =
        db.prepare_cached(sql)?.query_row([workspace], |row| row.get(0)).optional()?;
    found.ok_or_else(|| Error::not_found(Noun::Workspace, workspace))?;
    let sql = "SELECT pane, target FROM terminal_panes WHERE workspace = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement
        .query_map([workspace], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| row.map_err(Error::from).and_then(|(pane, target)| Ok((pane.parse()?, target))))
        .collect()
}
