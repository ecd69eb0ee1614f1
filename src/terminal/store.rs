//! The SQL of terminals: workspaces, what their panes are assigned to, and how each pane is.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::layout::Layout;
use super::{PaneName, PaneStatus};
use crate::error::{Error, Noun, Result};
use crate::inventory::{self, Machine};
use crate::ssh::Size;

pub mod recordings;

/// A workspace, as it was made and as its panes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: String,
    /// How its panes lie.
    pub layout: Layout,
    /// How many panes it has, from `A` on.
    pub max_panes: usize,
    /// The name of the user who made it.
    pub created_by: String,
    /// When, in milliseconds since the epoch.
    pub created_at: i64,
    /// The panes that have a target.
    pub panes: BTreeMap<PaneName, PaneRow>,
}

/// What is written down of a pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaneRow {
    /// The link that it is assigned to.
    pub target: String,
    /// How it is.
    pub status: PaneStatus,
    /// Why it is not connected, when it should be.
    pub error: Option<String>,
    /// The size that it was connected with; none before the first time.
    pub size: Option<Size>,
    /// When its last connection began, in milliseconds since the epoch.
    pub connected_at: Option<i64>,
    /// When that ended; none while it is connected.
    pub disconnected_at: Option<i64>,
}

/// Writes down a new workspace; its panes have no targets.
pub(super) fn insert(tx: &Transaction<'_>, one: &Workspace) -> Result<()> {
    let sql = "INSERT INTO terminal_workspaces (id, layout, max_panes, created_by, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let max_panes = u32::try_from(one.max_panes).unwrap_or(u32::MAX);
    let (layout, by) = (one.layout.as_str(), one.created_by.as_str());
    tx.prepare_cached(sql)?.execute(params![one.id, layout, max_panes, by, one.created_at])?;
    Ok(())
}

/// How many workspaces there are.
pub(super) fn count(db: &Connection) -> Result<usize> {
    let sql = "SELECT count(*) FROM terminal_workspaces";
    let count: u32 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(count as usize)
}

/// A workspace.
///
/// # Errors
/// There is no such workspace, or the database fails.
pub fn workspace(db: &Connection, id: &str) -> Result<Workspace> {
    let sql = format!("{WORKSPACES} WHERE id = ?1");
    let found = db.prepare_cached(&sql)?.query_row([id], |row| Ok(read(row))).optional()?;
    let mut one = found.ok_or_else(|| Error::not_found(Noun::Workspace, id))??;
    one.panes = panes(db, id)?;
    Ok(one)
}

/// All workspaces, the newest first.
///
/// # Errors
/// The database fails.
pub fn workspaces(db: &Connection) -> Result<Vec<Workspace>> {
    let sql = format!("{WORKSPACES} ORDER BY created_at DESC, id");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| Ok(read(row)))?;
    let mut found = rows.map(|row| row?).collect::<Result<Vec<_>>>()?;
    for one in &mut found {
        one.panes = panes(db, &one.id)?;
    }
    Ok(found)
}

const WORKSPACES: &str =
    "SELECT id, layout, max_panes, created_by, created_at FROM terminal_workspaces";

fn read(row: &Row<'_>) -> Result<Workspace> {
    Ok(Workspace {
        id: row.get(0)?,
        layout: row.get::<_, String>(1)?.parse()?,
        max_panes: row.get::<_, u32>(2)? as usize,
        created_by: row.get(3)?,
        created_at: row.get(4)?,
        panes: BTreeMap::new(),
    })
}

fn panes(db: &Connection, workspace: &str) -> Result<BTreeMap<PaneName, PaneRow>> {
    let sql = "SELECT pane, target, status, error, cols, rows, connected_at, disconnected_at
               FROM terminal_panes WHERE workspace = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([workspace], |row| Ok(read_pane(row)))?;
    rows.map(|row| row?).collect()
}

fn read_pane(row: &Row<'_>) -> Result<(PaneName, PaneRow)> {
    let size: Option<(u16, u16)> = row.get::<_, Option<u16>>(4)?.zip(row.get(5)?);
    let pane = PaneRow {
        target: row.get(1)?,
        status: status(&row.get::<_, String>(2)?)?,
        error: row.get(3)?,
        size: size.and_then(|(cols, rows)| Size::new(cols, rows)),
        connected_at: row.get(6)?,
        disconnected_at: row.get(7)?,
    };
    Ok((row.get::<_, String>(0)?.parse()?, pane))
}

fn status(word: &str) -> Result<PaneStatus> {
    PaneStatus::parse(word)
        .ok_or_else(|| Error::Internal(format!("{word:?} is no status of a pane")))
}

/// What the panes of a workspace are assigned to.
///
/// # Errors
/// There is no such workspace, or the database fails.
pub fn targets(db: &Connection, workspace: &str) -> Result<BTreeMap<PaneName, String>> {
    let panes = self::workspace(db, workspace)?.panes;
    Ok(panes.into_iter().map(|(pane, row)| (pane, row.target)).collect())
}

/// The machines that panes are to be assigned to.
///
/// # Errors
/// One of them is not there, or the database fails.
pub(super) fn machines(db: &Connection, wishes: &[(PaneName, String)]) -> Result<Vec<Machine>> {
    wishes.iter().map(|(_, target)| inventory::store::machine(db, target)).collect()
}

/// Assigns a pane that is not connected, which forgets what was before.
///
/// # Errors
/// It is connecting or connected, its workspace is gone, or the database fails.
pub(super) fn assign(
    tx: &Transaction<'_>,
    workspace: &str,
    pane: PaneName,
    target: &str,
) -> Result<()> {
    let before = self::workspace(tx, workspace)?.panes.remove(&pane);
    let live = [PaneStatus::Connecting, PaneStatus::Connected];
    if before.is_some_and(|row| live.contains(&row.status)) {
        return Err(Error::PaneAssigned { pane: pane.as_str() });
    }
    let sql = "INSERT OR REPLACE INTO terminal_panes (workspace, pane, target) VALUES (?1, ?2, ?3)";
    tx.prepare_cached(sql)?.execute(params![workspace, pane.as_str(), target])?;
    Ok(())
}

/// Writes down that a pane is being connected to its target. From then on it cannot be assigned to
/// another one.
///
/// # Errors
/// Its workspace is gone, it was assigned to another target meanwhile, or the database fails.
pub(super) fn connecting(
    tx: &Transaction<'_>,
    workspace: &str,
    pane: PaneName,
    target: &str,
) -> Result<()> {
    let sql = "UPDATE terminal_panes SET status = 'connecting', error = NULL
               WHERE workspace = ?1 AND pane = ?2 AND target = ?3";
    if tx.prepare_cached(sql)?.execute(params![workspace, pane.as_str(), target])? == 1 {
        return Ok(());
    }
    self::workspace(tx, workspace)?;
    let text = format!("{pane} was assigned to another target meanwhile\nconnect it again");
    Err(Error::invalid("pane", text))
}

/// Writes down that a pane is connected, since `at`, in milliseconds since the epoch. Nothing
/// happens when its workspace was deleted, here and below.
///
/// # Errors
/// The database fails.
pub(super) fn connected(
    tx: &Transaction<'_>,
    workspace: &str,
    pane: PaneName,
    size: Size,
    at: i64,
) -> Result<()> {
    let sql = "UPDATE terminal_panes SET status = 'connected', error = NULL, cols = ?3, rows = ?4,
                   connected_at = ?5, disconnected_at = NULL
               WHERE workspace = ?1 AND pane = ?2";
    let (cols, rows) = (size.cols(), size.rows());
    tx.prepare_cached(sql)?.execute(params![workspace, pane.as_str(), cols, rows, at])?;
    Ok(())
}

/// Writes down that a pane is not connected any more, since `at`, or could not be connected.
///
/// # Errors
/// The database fails.
pub(super) fn disconnected(
    tx: &Transaction<'_>,
    workspace: &str,
    pane: PaneName,
    error: Option<&str>,
    at: i64,
) -> Result<()> {
    let sql = "UPDATE terminal_panes SET status = 'disconnected', error = ?3,
                   disconnected_at = iif(status = 'connected', ?4, disconnected_at)
               WHERE workspace = ?1 AND pane = ?2";
    tx.prepare_cached(sql)?.execute(params![workspace, pane.as_str(), error, at])?;
    Ok(())
}

/// Ends what an earlier process has left open. Returns how many panes that were.
pub(super) fn end_open(tx: &Transaction<'_>, error: &str, at: i64) -> Result<usize> {
    let sql = "UPDATE terminal_panes SET status = 'disconnected', error = ?1,
                   disconnected_at = iif(status = 'connected', ?2, disconnected_at)
               WHERE status IN ('connecting', 'connected')";
    Ok(tx.prepare_cached(sql)?.execute(params![error, at])?)
}

/// Removes a workspace with its panes.
///
/// # Errors
/// There is no such workspace, or the database fails.
pub(super) fn delete(tx: &Transaction<'_>, id: &str) -> Result<()> {
    let sql = "DELETE FROM terminal_workspaces WHERE id = ?1";
    match tx.prepare_cached(sql)?.execute([id])? {
        0 => Err(Error::not_found(Noun::Workspace, id)),
        _ => Ok(()),
    }
}

/// Workspaces in which nothing has happened since `before`, in milliseconds since the epoch, the
/// longest forgotten first.
pub(super) fn forgotten(db: &Connection, before: i64) -> Result<Vec<String>> {
    let sql = "SELECT id FROM (
                   SELECT w.id, max(w.created_at, coalesce(max(p.disconnected_at), 0)) AS last
                   FROM terminal_workspaces w LEFT JOIN terminal_panes p ON p.workspace = w.id
                   GROUP BY w.id
                   HAVING count(*) FILTER (WHERE p.status IN ('connecting', 'connected')) = 0)
               WHERE last < ?1 ORDER BY last, id";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([before], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
