//! Terminals: a workspace has up to four panes, a pane is a shell on a PTY of one machine. Panes
//! belong to nobody's socket: browsers come and go, the shell stays for a while.
//!
//! What is in the database (workspaces, what a pane is assigned to, when it was connected) and what
//! is alive (threads, sockets) are two things. [`Terminals`] has the living part.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::audit::Actor;
use crate::clock::Clock;
use crate::enrollment::Enrollment;
use crate::error::{Error, Noun, Result};
use crate::store::Store;
use crate::threads::{lock, spawn};
use crate::words::words;

use audience::Audience;
use pane::relay::Session;
use pane::{Pane, Why};

mod attachment;
mod audience;
mod id;
mod layout;
mod pane;
mod record;
mod recording;
pub mod store;
mod workspaces;

pub use attachment::{Attachment, Told};
pub use audience::Farewell;
pub use layout::Layout;
pub use recording::{Recorder, Recordings, Settings as RecordingSettings};
pub use workspaces::{Assignment, PaneView, View};

words!(
    /// One of the four places of a workspace.
    #[derive(PartialOrd, Ord)]
    #[expect(missing_docs, reason = "their names say all")]
    PaneName {
        A = "A",
        B = "B",
        C = "C",
        D = "D",
    }
);

impl PaneName {
    /// All of them, in order.
    pub const ALL: [PaneName; 4] = [PaneName::A, PaneName::B, PaneName::C, PaneName::D];
}

impl fmt::Display for PaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PaneName {
    type Err = Error;

    fn from_str(text: &str) -> Result<PaneName> {
        PaneName::named("pane", text)
    }
}

words!(
    /// How a pane is.
    PaneStatus {
        /// It has a target and was not connected since LinkOps started.
        Assigned = "assigned",
        /// The machine is being dialled, checked, and asked for a shell.
        Connecting = "connecting",
        /// A shell runs.
        Connected = "connected",
        /// It was connected, or it was tried.
        Disconnected = "disconnected",
    }
);

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
    /// Whether machines that are not enrolled are refused for everybody.
    pub enrollment_required: bool,
}

/// What a pane needs to do its work.
struct Tools {
    store: Arc<Store>,
    clock: Clock,
    enrollment: Enrollment,
    recordings: Arc<Recordings>,
    settings: Settings,
}

/// The living part of a workspace.
struct Desk {
    id: String,
    panes: [Pane; 4],
    audience: Arc<Audience>,
}

impl Desk {
    fn new(id: &str, scrollback: usize) -> Result<Desk> {
        let audience = Arc::new(Audience::default());
        let pane = |name| {
            Pane::new(name, Arc::clone(&audience), scrollback)
                .map_err(|error| Error::io("make a bell", error))
        };
        let [a, b, c, d] = PaneName::ALL;
        let panes = [pane(a)?, pane(b)?, pane(c)?, pane(d)?];
        Ok(Desk { id: id.to_owned(), panes, audience })
    }

    fn pane(&self, name: PaneName) -> &Pane {
        let [a, b, c, d] = &self.panes;
        match name {
            PaneName::A => a,
            PaneName::B => b,
            PaneName::C => c,
            PaneName::D => d,
        }
    }

    /// Has all panes end and all sockets closed, after they were told.
    fn end(&self, why: &Why, code: u16, reason: &'static str, deadline: Instant) -> bool {
        self.panes.iter().for_each(|pane| pane.close(why.clone()));
        let ended: Vec<bool> = self.panes.iter().map(|pane| pane.wait_for_end(deadline)).collect();
        self.audience.dismiss_all(Farewell { code, reason, after_all: true });
        ended.into_iter().all(|ended| ended)
    }
}

/// The living panes and sockets of all workspaces.
pub struct Terminals {
    tools: Arc<Tools>,
    /// By the workspace's id; only what was connected or looked at since LinkOps started.
    desks: Mutex<HashMap<String, Arc<Desk>>>,
    stopping: AtomicBool,
    next_browser: AtomicU64,
}

impl Terminals {
    /// No pane lives yet.
    pub fn new(
        store: Arc<Store>,
        clock: Clock,
        enrollment: Enrollment,
        recordings: Arc<Recordings>,
        settings: Settings,
    ) -> Terminals {
        Terminals {
            tools: Arc::new(Tools { store, clock, enrollment, recordings, settings }),
            desks: Mutex::default(),
            stopping: AtomicBool::new(false),
            next_browser: AtomicU64::new(1),
        }
    }

    fn known(&self, workspace: &str) -> Option<Arc<Desk>> {
        lock(&self.desks).get(workspace).cloned()
    }

    /// The living part of a workspace, which is made when there is none.
    fn desk(&self, workspace: &str) -> Result<Arc<Desk>> {
        let mut desks = lock(&self.desks);
        // Under the lock: `stop` takes it after it has set the flag.
        if self.stopping.load(Ordering::SeqCst) {
            return Err(Error::ShuttingDown);
        }
        if let Some(desk) = desks.get(workspace) {
            return Ok(Arc::clone(desk));
        }
        let desk = Arc::new(Desk::new(workspace, self.tools.settings.scrollback)?);
        desks.insert(workspace.to_owned(), Arc::clone(&desk));
        Ok(desk)
    }

    /// The living part of a workspace, and the targets of its panes. They are looked for afterwards,
    /// so that a workspace that is deleted meanwhile leaves nothing.
    fn desk_and_targets(&self, workspace: &str) -> Result<(Arc<Desk>, BTreeMap<PaneName, String>)> {
        let desk = self.desk(workspace)?;
        match self.tools.store.read(|db| store::targets(db, workspace)) {
            Ok(targets) => Ok((desk, targets)),
            Err(error) => {
                if matches!(error, Error::NotFound { .. }) {
                    self.close(workspace, Instant::now());
                }
                Err(error)
            }
        }
    }

    /// A browser opens the workspace.
    ///
    /// # Errors
    /// There is no such workspace, the database fails, or the server is stopping.
    pub fn attach(self: &Arc<Self>, workspace: &str, actor: &Actor) -> Result<Attachment> {
        let (desk, _) = self.desk_and_targets(workspace)?;
        let id = self.next_browser.fetch_add(1, Ordering::Relaxed);
        Attachment::new(Arc::clone(self), desk, actor.clone(), id)
    }

    /// The last browser has gone.
    fn left_alone(&self, desk: &Desk) {
        let time = self.tools.settings.detach_timeout;
        desk.panes.iter().for_each(|pane| {
            // A pane that is connected looks at the time by itself, and is woken for it.
            if time.is_zero() {
                pane.give_up(Why::alone(time));
            }
            pane.forget();
            pane.wake();
        });
    }

    /// Begins to connect a pane to its target; nothing happens when it is connecting or connected
    /// already. How it goes is told to sockets and by [`Terminals::states`].
    ///
    /// # Errors
    /// The workspace was deleted, the server is stopping, or it has no descriptor left.
    fn connect(&self, desk: &Arc<Desk>, pane: PaneName, target: &str, actor: &Actor) -> Result<()> {
        let session = Session {
            tools: Arc::clone(&self.tools),
            desk: Arc::clone(desk),
            pane,
            target: target.to_owned(),
            actor: actor.clone(),
            asked: Instant::now(),
        };
        let name = format!("pane-{}-{pane}", desk.id);
        let start = |cancel| spawn(name, move || session.run(cancel));
        let begun = desk.pane(pane).begin(start);
        match begun.map_err(|error| Error::io("connect a pane", error))? {
            true => Ok(()),
            false if self.stopping.load(Ordering::SeqCst) => Err(Error::ShuttingDown),
            false => Err(Error::not_found(Noun::Workspace, &desk.id)),
        }
    }

    /// Connects all panes that have a target side by side and waits until each is connected or has
    /// failed, at most until the deadline.
    ///
    /// # Errors
    /// There is no such workspace, the database fails, the server is stopping, or it has no
    /// descriptor left.
    pub fn connect_all(
        &self,
        workspace: &str,
        actor: &Actor,
        deadline: Instant,
    ) -> Result<BTreeMap<PaneName, PaneState>> {
        let (desk, targets) = self.desk_and_targets(workspace)?;
        for (pane, target) in &targets {
            self.connect(&desk, *pane, target, actor)?;
        }
        let settled = targets.keys().map(|name| (*name, desk.pane(*name).settled(deadline)));
        Ok(settled.filter_map(|(name, state)| Some((name, state?))).collect())
    }

    /// How the panes of a workspace are that were connected, or tried, since LinkOps started.
    pub fn states(&self, workspace: &str) -> BTreeMap<PaneName, PaneState> {
        let Some(desk) = self.known(workspace) else { return BTreeMap::new() };
        let views = PaneName::ALL.into_iter().map(|name| (name, desk.pane(name).view()));
        views.filter_map(|(name, view)| Some((name, view?))).collect()
    }

    /// Open sockets of a workspace.
    pub fn sockets(&self, workspace: &str) -> usize {
        self.known(workspace).map_or(0, |desk| desk.audience.count())
    }

    /// Panes that are connecting or connected, in all workspaces.
    pub fn live(&self) -> usize {
        let desks: Vec<_> = lock(&self.desks).values().cloned().collect();
        desks.iter().flat_map(|desk| &desk.panes).filter(|pane| pane.is_live()).count()
    }

    /// Makes a change that gives these panes other targets; refused when one of them is
    /// connecting or connected.
    ///
    /// # Errors
    /// Those of `change`, and [`Error::PaneAssigned`].
    pub fn reassign<T>(
        &self,
        workspace: &str,
        panes: &[PaneName],
        change: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if let Some(desk) = self.known(workspace)
            && let Some(pane) = panes.iter().find(|pane| desk.pane(**pane).is_live())
        {
            return Err(Error::PaneAssigned { pane: pane.as_str() });
        }
        change()
    }

    /// Ends all panes and sockets of a workspace that is deleted, and waits for the panes until
    /// the deadline.
    pub fn close(&self, workspace: &str, deadline: Instant) {
        let desk = lock(&self.desks).remove(workspace);
        if let Some(desk) = desk {
            desk.end(&Why::Asked, 1000, "the workspace was closed", deadline);
        }
    }

    /// Ends everything and waits for it until the deadline. Nothing can be connected any more.
    pub fn stop(&self, deadline: Instant) {
        self.stopping.store(true, Ordering::SeqCst);
        let desks: Vec<_> = lock(&self.desks).drain().map(|(_, desk)| desk).collect();
        // All at once, so that none waits for another.
        for desk in &desks {
            desk.panes.iter().for_each(|pane| pane.close(stopping()));
        }
        for desk in &desks {
            if !desk.end(&stopping(), 1001, "LinkOps is stopping", deadline) {
                log::warn!(workspace = desk.id.as_str(); "a pane has not ended in time");
            }
        }
    }
}

fn stopping() -> Why {
    Why::Failed("LinkOps is stopping".to_owned())
}
