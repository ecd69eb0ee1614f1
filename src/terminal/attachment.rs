//! A browser on a workspace: what it is told, and what it orders. It holds no shell: when it goes,
//! the shells stay for a while.

use std::sync::Arc;

use super::audience::Farewell;
use super::pane::Why;
use super::{Desk, PaneName, Terminals, record, store};
use crate::audit::Actor;
use crate::auth::Caller;
use crate::error::{Error, Result};
use crate::ssh::Size;
use crate::threads::Bell;

/// Output that a pane tells before it is the next one's turn, in bytes.
const PART: usize = 16 << 10;

/// What a browser is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// What was on the screen: for a terminal that was reset.
    Snapshot {
        /// Which pane.
        pane: PaneName,
        /// Output.
        data: String,
        /// Characters in a row.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// Output.
    Output {
        /// Which pane.
        pane: PaneName,
        /// Whole characters.
        data: String,
    },
    /// How the pane is.
    Status {
        /// Which pane.
        pane: PaneName,
        /// `connecting`, `connected`, `disconnected` or `error: …`.
        data: String,
    },
    /// Another browser has given the pane this size.
    Size {
        /// Which pane.
        pane: PaneName,
        /// Characters in a row.
        cols: u16,
        /// Rows.
        rows: u16,
    },
}

/// A browser's place in a workspace; dropped, it is free.
pub struct Attachment {
    terminals: Arc<Terminals>,
    desk: Arc<Desk>,
    actor: Actor,
    id: u64,
    bell: Arc<Bell>,
    /// Panes that it has not been told of.
    fresh: Vec<PaneName>,
    /// What goes before everything else.
    next: Option<Told>,
    /// Whose turn it is.
    turn: usize,
}

impl Attachment {
    pub(super) fn new(
        terminals: Arc<Terminals>,
        desk: Arc<Desk>,
        actor: Actor,
        id: u64,
    ) -> Result<Attachment> {
        let bell = Bell::new().map_err(|error| Error::io("make a bell", error))?;
        let bell = Arc::new(bell);
        record::looked(&terminals.tools, &desk, &actor, "terminal.attach")?;
        desk.audience.enter(id, Arc::clone(&bell));
        bell.ring();
        let fresh = PaneName::ALL.to_vec();
        Ok(Attachment { terminals, desk, actor, id, bell, fresh, next: None, turn: 0 })
    }

    /// Rung when there may be something to tell or to do: see [`Attachment::rung`].
    pub fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Has `deliver` called when there is output, by the thread that brings it. It tells what there is
    /// to tell, without waiting, and gives false when that could not be done: then the bell is rung.
    pub fn deliver(&self, deliver: impl Fn() -> bool + Send + Sync + 'static) {
        self.desk.audience.deliver(self.id, Arc::new(deliver));
    }

    /// Silences the bell; look at everything afterwards.
    pub fn rung(&self) {
        self.bell.take();
    }

    /// What is told next. Panes take turns.
    pub fn take(&mut self) -> Option<Told> {
        if self.next.is_some() {
            return self.next.take();
        }
        for _ in PaneName::ALL {
            let name = PaneName::ALL[self.turn % PaneName::ALL.len()];
            self.turn += 1;
            let pane = self.desk.pane(name);
            if let Some(at) = self.fresh.iter().position(|one| *one == name) {
                self.fresh.swap_remove(at);
                if let Some((snapshot, status)) = pane.join(self.id) {
                    self.next = Some(status);
                    return Some(snapshot);
                }
            }
            if let Some(told) = pane.take(self.id, PART) {
                return Some(told);
            }
        }
        None
    }

    /// Whether this caller may be here.
    ///
    /// # Errors
    /// Those of [`Terminals::usable`].
    pub fn check(&self, caller: &Caller) -> Result<()> {
        self.terminals.usable(&self.desk.id, caller).map(|_| ())
    }

    /// Whether the socket is to be closed.
    pub fn farewell(&self) -> Option<Farewell> {
        self.desk.audience.farewell(self.id)
    }

    /// Whether what is typed has room; if not, nothing more should be read.
    pub fn has_room(&self) -> bool {
        PaneName::ALL.iter().all(|pane| self.desk.pane(*pane).has_room())
    }

    /// Types.
    ///
    /// # Errors
    /// The pane is not connected.
    pub fn input(&self, pane: PaneName, data: &str) -> Result<()> {
        if self.desk.pane(pane).input(data.as_bytes()) {
            return Ok(());
        }
        Err(Error::invalid("pane", format!("{pane} is not connected")))
    }

    /// Sets a pane's size.
    pub fn resize(&self, pane: PaneName, size: Size) {
        self.desk.pane(pane).resize(size, self.id);
    }

    /// Begins to connect a pane with what it was assigned to.
    ///
    /// # Errors
    /// It was assigned to nothing, the workspace was deleted, the server is stopping, or it has no
    /// descriptor left.
    pub fn connect(&self, pane: PaneName) -> Result<()> {
        let targets = self.terminals.tools.store.read(|db| store::targets(db, &self.desk.id))?;
        let target = targets
            .get(&pane)
            .ok_or_else(|| Error::invalid("pane", format!("{pane} has no target")))?;
        self.terminals.connect(&self.desk, pane, target, &self.actor)
    }

    /// Has a pane's shell end.
    pub fn disconnect(&self, pane: PaneName) {
        self.desk.pane(pane).end(Why::Asked);
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        PaneName::ALL.iter().for_each(|pane| self.desk.pane(*pane).leave(self.id));
        if self.desk.audience.leave(self.id) {
            self.terminals.left_alone(&self.desk);
        }
        let left =
            record::looked(&self.terminals.tools, &self.desk, &self.actor, "terminal.detach");
        if let Err(error) = left {
            log::error!("{}", error.chain());
        }
    }
}
