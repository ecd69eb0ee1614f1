//! Workspaces: who may do what with them, and the acts on them, each with its row in the audit log.
//!
//! A workspace belongs to whoever made it. Everybody sees that it is there and where its panes are;
//! what is on its screens, and what is typed into them, is for its owner and for admins.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::id;
use super::layout::{self, Layout};
use super::store::{self, PaneRow, Workspace};
use super::{PaneName, PaneState, PaneStatus, Terminals};
use crate::audit::{self, Actor, Entry};
use crate::auth::{Caller, Role};
use crate::error::{Error, Field, Result};
use crate::inventory::Machine;
use crate::ssh::Size;

/// How long connecting may take while a caller waits: most machines have answered long before.
const CONNECTING: Duration = Duration::from_secs(45);

/// How long the panes of a deleted workspace get to end while the caller waits.
const CLOSING: Duration = Duration::from_secs(5);

/// A workspace in which nothing lives and nothing has happened for this long makes room for
/// another one.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// What panes of an earlier process have to say.
const RESTARTED: &str = "LinkOps was restarted";

/// A workspace as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What is written down of it.
    pub workspace: Workspace,
    /// Open browsers.
    pub sockets: usize,
    /// The panes that have a target.
    pub panes: BTreeMap<PaneName, PaneView>,
}

/// A pane as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaneView {
    /// The link that it is assigned to.
    pub target: String,
    /// How it is, with its size.
    pub state: PaneState,
    /// When its last connection began, in milliseconds since the epoch.
    pub connected_at: Option<i64>,
    /// When that ended; none while it is connected.
    pub disconnected_at: Option<i64>,
}

/// A wish: this pane on this link.
pub type Assignment = (PaneName, String);

impl Terminals {
    /// Ends in the database what an earlier process has left open: those shells ended with it. The
    /// workspaces stay, so that a browser that comes back finds its panes and connects them again.
    ///
    /// # Errors
    /// The database fails.
    pub fn recover(&self) -> Result<()> {
        let now = self.tools.clock.now();
        let ended = self.tools.store.write(|tx| store::end_open(tx, RESTARTED, now))?;
        if ended > 0 {
            log::info!("{ended} panes were open when LinkOps ended");
        }
        Ok(())
    }

    /// Makes a workspace with as many panes as asked for, or as the layout and the configuration
    /// allow, and gives its id.
    ///
    /// # Errors
    /// More panes than there can be, or no room for another workspace.
    pub fn create(&self, layout: Layout, panes: Option<usize>, actor: &Actor) -> Result<String> {
        let most = layout.panes().min(self.tools.settings.max_panes);
        let max_panes = panes.unwrap_or(most);
        if !(1..=most).contains(&max_panes) {
            return Err(Error::invalid("max_panes", format!("is a whole number from 1 to {most}")));
        }
        let workspace = Workspace {
            id: id::random("WS")?,
            layout,
            max_panes,
            created_by: actor.name.clone(),
            created_at: self.tools.clock.now(),
            panes: BTreeMap::new(),
        };
        let detail = json!({ "layout": layout.as_str(), "max_panes": max_panes });
        let entry = Entry::done("workspace.create", &*workspace.id).with(detail);
        let (now, unused) = (workspace.created_at, self.unused(workspace.created_at)?);
        let gone = self.tools.store.write(|tx| {
            let full = store::count(tx)? >= self.tools.settings.max_workspaces;
            let gone = if full { Some(self.room(&unused)?) } else { None };
            if let Some(id) = gone {
                store::delete(tx, id)?;
                let entry = Entry::done("workspace.delete", id).with(json!({ "unused": true }));
                audit::store::record(tx, now, &Actor::linkops(), &entry)?;
            }
            store::insert(tx, &workspace)?;
            audit::store::record(tx, now, actor, &entry)?;
            Ok(gone)
        })?;
        gone.into_iter().for_each(|id| self.close(id, Instant::now()));
        Ok(workspace.id)
    }

    /// The workspaces that make room when there is none, the longest unused first.
    fn unused(&self, now: i64) -> Result<Vec<String>> {
        let before = now - i64::try_from(FORGOTTEN.as_millis()).unwrap_or(i64::MAX);
        let mut found = self.tools.store.read(|db| store::forgotten(db, before))?;
        found.retain(|id| self.sockets(id) == 0 && !self.lives(id));
        Ok(found)
    }

    fn room<'a>(&self, unused: &'a [String]) -> Result<&'a str> {
        let most = self.tools.settings.max_workspaces;
        unused.first().map(String::as_str).ok_or(Error::TooManyWorkspaces { most })
    }

    fn lives(&self, id: &str) -> bool {
        let live = [PaneStatus::Connecting, PaneStatus::Connected];
        self.states(id).values().any(|state| live.contains(&state.status))
    }

    /// All workspaces, the newest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn list(&self) -> Result<Vec<View>> {
        let found = self.tools.store.read(store::workspaces)?;
        Ok(found.into_iter().map(|one| self.now(one)).collect())
    }

    /// A workspace.
    ///
    /// # Errors
    /// There is no such workspace, or the database fails.
    pub fn view(&self, id: &str) -> Result<View> {
        let found = self.tools.store.read(|db| store::workspace(db, id))?;
        Ok(self.now(found))
    }

    /// What is written down, with what is known better by the living part.
    fn now(&self, workspace: Workspace) -> View {
        let mut states = self.states(&workspace.id);
        let pane = |(name, row): (&PaneName, &PaneRow)| {
            let state = states.remove(name).filter(|state| belongs(row, state));
            (*name, pane_view(row, state))
        };
        let panes = workspace.panes.iter().map(pane).collect();
        View { sockets: self.sockets(&workspace.id), panes, workspace }
    }

    /// A workspace that this caller may use: its owner, or an admin.
    ///
    /// # Errors
    /// There is no such workspace, it is somebody else's, or the database fails.
    pub fn usable(&self, id: &str, caller: &Caller) -> Result<Workspace> {
        let found = self.tools.store.read(|db| store::workspace(db, id))?;
        may_use(&found.created_by, &caller.username, caller.role)?;
        Ok(found)
    }

    /// Gives panes their targets: all of them, or none when one cannot be.
    ///
    /// # Errors
    /// A pane that the workspace lacks or that is named twice, a link that there is not, links that
    /// are not enrolled, or a pane that is connected.
    pub fn assign(
        &self,
        id: &str,
        wishes: &[Assignment],
        caller: &Caller,
        actor: &Actor,
    ) -> Result<()> {
        let workspace = self.usable(id, caller)?;
        check(wishes, workspace.max_panes)?;
        let names: Vec<PaneName> = wishes.iter().map(|(pane, _)| *pane).collect();
        let now = self.tools.clock.now();
        let panes: Value =
            wishes.iter().map(|(pane, target)| (pane.to_string(), json!(target))).collect();
        let entry = Entry::done("workspace.assign", id).with(json!({ "panes": panes }));
        let required = self.tools.settings.enrollment_required;
        self.tools.store.read(|db| enrolled(&store::machines(db, wishes)?, required))?;
        self.reassign(id, &names, || {
            self.tools.store.write(|tx| {
                // Again: a sync or a check may have come between.
                enrolled(&store::machines(tx, wishes)?, required)?;
                wishes
                    .iter()
                    .try_for_each(|(pane, target)| store::assign(tx, id, *pane, target))?;
                audit::store::record(tx, now, actor, &entry)
            })
        })
    }

    /// Connects all panes that have a target, and waits until each is connected or has failed.
    ///
    /// # Errors
    /// There is no such workspace, it is somebody else's, or no pane has a target.
    pub fn connect_assigned(
        &self,
        id: &str,
        caller: &Caller,
        actor: &Actor,
    ) -> Result<BTreeMap<PaneName, PaneState>> {
        if self.usable(id, caller)?.panes.is_empty() {
            let text = "no pane of the workspace has a target\nassign one first";
            return Err(Error::invalid("panes", text));
        }
        let states = self.connect_all(id, actor, Instant::now() + CONNECTING)?;
        let told: Value = states
            .iter()
            .map(|(pane, state)| (pane.to_string(), json!(state.status.as_str())))
            .collect();
        let entry = Entry::done("workspace.connect", id).with(json!({ "panes": told }));
        let now = self.tools.clock.now();
        self.tools.store.write(|tx| audit::store::record(tx, now, actor, &entry))?;
        Ok(states)
    }

    /// Removes a workspace, and ends what lives in it.
    ///
    /// # Errors
    /// There is no such workspace, it is somebody else's, or the database fails.
    pub fn delete(&self, id: &str, caller: &Caller, actor: &Actor) -> Result<()> {
        self.usable(id, caller)?;
        let (now, entry) = (self.tools.clock.now(), Entry::done("workspace.delete", id));
        // The rows first: what is not there cannot be connected any more.
        self.tools.store.write(|tx| {
            store::delete(tx, id)?;
            audit::store::record(tx, now, actor, &entry)
        })?;
        self.close(id, Instant::now() + CLOSING);
        Ok(())
    }
}

/// The owner and admins may.
fn may_use(owner: &str, name: &str, role: Role) -> Result<()> {
    if name == owner || role == Role::Admin {
        return Ok(());
    }
    Err(Error::NotOwner { owner: owner.to_owned() })
}

/// What can be seen without looking anything up; all problems at once.
fn check(wishes: &[Assignment], max_panes: usize) -> Result<()> {
    let (mut fields, mut seen) = (Vec::new(), HashSet::new());
    let mut wrong = |name: String, message: String| fields.push(Field { name, message });
    if wishes.is_empty() {
        wrong("panes".to_owned(), "is empty\nname at least one pane".to_owned());
    }
    let known = layout::panes(max_panes);
    for (number, (pane, _)) in wishes.iter().enumerate() {
        let name = || format!("panes[{number}].pane");
        if !known.contains(pane) {
            let has: Vec<_> = known.iter().map(|one| one.as_str()).collect();
            let text = format!("the workspace has no pane {pane}, only {}", has.join(", "));
            wrong(name(), text);
        }
        if !seen.insert(*pane) {
            wrong(name(), format!("pane {pane} is named twice"));
        }
    }
    if fields.is_empty() { Ok(()) } else { Err(Error::Invalid(fields)) }
}

/// R7.2, P22: each target must be enrolled, always while the configuration demands it and else
/// where the inventory does; those that are not are listed together, each once.
fn enrolled(machines: &[Machine], required: bool) -> Result<()> {
    let mut seen = HashSet::new();
    let missing: Vec<_> = machines
        .iter()
        .filter(|one| (required || one.enrollment.required) && !one.enrollment.enrolled)
        .filter(|one| seen.insert(&one.id))
        .map(Machine::unenrolled)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::NotEnrolled(missing)) }
}

/// Whether a state is one of this row: an end is older than the row when that was assigned anew.
fn belongs(row: &PaneRow, state: &PaneState) -> bool {
    row.status != PaneStatus::Assigned || state.status != PaneStatus::Disconnected
}

fn pane_view(row: &PaneRow, state: Option<PaneState>) -> PaneView {
    let size = row.size.unwrap_or(Size::USUAL);
    let written = || PaneState {
        status: row.status,
        error: row.error.clone(),
        cols: size.cols(),
        rows: size.rows(),
    };
    PaneView {
        target: row.target.clone(),
        state: state.unwrap_or_else(written),
        connected_at: row.connected_at,
        disconnected_at: row.disconnected_at,
    }
}
