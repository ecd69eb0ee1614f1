//! What is written down of a pane's connection: its rows, and who was on which machine, when and
//! for how long.

use std::time::Duration;

use serde_json::json;

use super::Desk;
use super::pane::Why;
use super::pane::relay::Session;
use super::store;
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, Result};
use crate::ssh::Size;

/// The machine is being dialled.
pub(super) fn connecting(session: &Session) -> Result<()> {
    let (store, id) = (&session.tools.store, &session.desk.id);
    store.write(|tx| store::connecting(tx, id, session.pane, &session.target))
}

/// A shell is there.
pub(super) fn connected(session: &Session, size: Size) -> Result<()> {
    let tools = &session.tools;
    let now = tools.clock.now();
    let detail = json!({
        "workspace": session.desk.id,
        "pane": session.pane.as_str(),
        "cols": size.cols(),
        "rows": size.rows(),
    });
    let entry = Entry::done("terminal.connect", &*session.target).with(detail);
    tools.store.write(|tx| {
        store::connected(tx, &session.desk.id, session.pane, size, now)?;
        audit::store::record(tx, now, &session.actor, &entry)
    })
}

/// There was no shell.
pub(super) fn failed(session: &Session, error: &Error, why: &Why) -> Result<()> {
    let tools = &session.tools;
    let now = tools.clock.now();
    let code = match error {
        Error::NotEnrolled(_) => "ENROLLMENT_REQUIRED",
        Error::NotFound { .. } => "LINK_NOT_FOUND",
        Error::Ssh { .. } => "SSH_CONNECTION_FAILED",
        Error::ShuttingDown => "SHUTTING_DOWN",
        _ => "INTERNAL_ERROR",
    };
    let detail = json!({
        "workspace": session.desk.id,
        "pane": session.pane.as_str(),
        "reason": reason(why),
    });
    let entry = Entry::refused("terminal.connect", &*session.target, code).with(detail);
    tools.store.write(|tx| {
        store::disconnected(tx, &session.desk.id, session.pane, failure(why), now)?;
        audit::store::record(tx, now, &session.actor, &entry)
    })
}

/// Nothing is left of the shell.
pub(super) fn disconnected(session: &Session, time: Duration, why: &Why) -> Result<()> {
    let tools = &session.tools;
    let now = tools.clock.now();
    let detail = json!({
        "workspace": session.desk.id,
        "pane": session.pane.as_str(),
        "duration": u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        "reason": reason(why),
    });
    let entry = Entry::done("terminal.disconnect", &*session.target).with(detail);
    tools.store.write(|tx| {
        store::disconnected(tx, &session.desk.id, session.pane, failure(why), now)?;
        audit::store::record(tx, now, &session.actor, &entry)
    })
}

/// A browser opened a workspace, or left it.
pub(super) fn looked(
    tools: &super::Tools,
    desk: &Desk,
    actor: &Actor,
    action: &'static str,
) -> Result<()> {
    let entry = Entry::done(action, &*desk.id);
    let now = tools.clock.now();
    tools.store.write(|tx| audit::store::record(tx, now, actor, &entry))
}

fn reason(why: &Why) -> &str {
    match why {
        Why::Asked => "asked for",
        Why::Exited => "the shell has ended",
        Why::Failed(words) => words,
    }
}

/// Why a pane is not connected, when that is not what somebody asked for.
fn failure(why: &Why) -> Option<&str> {
    match why {
        Why::Asked | Why::Exited => None,
        Why::Failed(words) => Some(words),
    }
}
