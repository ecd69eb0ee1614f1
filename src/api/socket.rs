//! Terminals on a WebSocket: section 7 of the contract. One thread per socket carries messages
//! between the browser and the panes of its workspace; docs/WEBSOCKET.md has the messages.

mod order;

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::error;
use crate::audit::Actor;
use crate::auth::{Act, Auth, Caller};
use crate::error::{Error, Result};
use crate::http::websocket::{self, End, Socket, Wish};
use crate::http::{Request, Response};
use crate::terminal::{Attachment, Farewell, Terminals, Told};
use crate::threads::lock;
use order::Order;

/// Messages that are taken from a browser before output has its turn.
const TURN: usize = 32;

/// Answers to wrong messages that wait for the browser; with more, nothing is read from it.
const MOST_ANSWERS: usize = 16;

/// How long a browser gets to take what is left when its workspace ends.
const LEAVING: Duration = Duration::from_secs(2);

/// What a browser is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Message<'a> {
    Snapshot { pane: &'a str, data: &'a str, cols: u16, rows: u16 },
    Stdout { pane: &'a str, data: &'a str },
    Status { pane: &'a str, data: &'a str },
    Resize { pane: &'a str, cols: u16, rows: u16 },
    Error { code: &'a str, message: &'a str },
}

/// `GET /api/terminal/workspaces/{id}/ws`
pub(super) fn open(
    terminals: &Arc<Terminals>,
    auth: &Arc<Auth>,
    settings: &websocket::Settings,
    request: &Request,
    caller: &Caller,
    id: &str,
) -> Result<Response> {
    terminals.usable(id, caller)?;
    let accepted = websocket::accept(request, settings)?;
    let actor = Actor::user(&caller.username, request.client, &request.id);
    let attachment = terminals.attach(id, &actor)?;
    let (auth, caller, interval) = (Arc::clone(auth), caller.clone(), settings.ping_interval);
    Ok(accepted.run(move |socket| {
        let visit = Visit {
            socket,
            attachment,
            answers: VecDeque::new(),
            auth,
            caller,
            interval,
            checked: Instant::now(),
            leaving: None,
            end: None,
        };
        run(visit);
    }))
}

/// The body of the socket's thread. Output is also told by the threads that bring it, when this one
/// waits.
fn run(visit: Visit) {
    let bell = visit.attachment.bell();
    let watch = match visit.socket.watch() {
        Ok(watch) => watch,
        Err(error) => return log::warn!("a socket cannot be used: {error}"),
    };
    let shared = Arc::new(Shared { waits: AtomicBool::new(false), visit: Mutex::new(Some(visit)) });
    let others = Arc::downgrade(&shared);
    let deliver = move || others.upgrade().is_some_and(|shared| shared.deliver());
    lock(&shared.visit).iter().for_each(|visit| visit.attachment.deliver(deliver.clone()));
    let end = loop {
        let wish = lock(&shared.visit).as_mut().map_or(Err(End::Gone), Visit::turn);
        let waited = wish.and_then(|wish| match wish {
            Some(wish) => {
                shared.waits.store(true, Ordering::SeqCst);
                let waited = watch.wait(&wish, bell.as_fd());
                shared.waits.store(false, Ordering::SeqCst);
                waited
            }
            None => Ok(()),
        });
        if let Err(end) = waited {
            break end;
        }
    };
    let visit = lock(&shared.visit).take();
    if let Some(Visit { socket, attachment, .. }) = visit {
        // The place is free before the goodbye, which can take a moment.
        drop(attachment);
        if let End::Close(code, reason) = end {
            socket.close(code, reason);
        }
    }
}

/// A browser's time on a workspace, for its own thread and for those that bring output.
struct Shared {
    /// Its own thread waits, so that nobody takes its turn.
    waits: AtomicBool,
    /// None when it is over.
    visit: Mutex<Option<Visit>>,
}

impl Shared {
    /// Tells what there is to tell, if nobody else does and the browser takes it at once.
    fn deliver(&self) -> bool {
        if !self.waits.load(Ordering::SeqCst) {
            return false;
        }
        let Ok(mut visit) = self.visit.try_lock() else { return false };
        visit.as_mut().is_some_and(|visit| match visit.send() {
            Ok(sent) => sent == Sent::All,
            Err(end) => {
                visit.end = Some(end);
                false
            }
        })
    }
}

/// What a visit has.
struct Visit {
    socket: Socket,
    attachment: Attachment,
    answers: VecDeque<String>,
    auth: Arc<Auth>,
    caller: Caller,
    /// How often it is asked whether the user may still be here, and when it was last.
    interval: Duration,
    checked: Instant,
    /// Until when a browser that is sent away may take what is left.
    leaving: Option<Instant>,
    /// It has ended while something was told.
    end: Option<End>,
}

impl Visit {
    /// Does what there is to do, and says what to wait for then.
    fn turn(&mut self) -> Result<Option<Wish>, End> {
        self.attachment.rung();
        if let Some(end) = self.end.take() {
            return Err(end);
        }
        self.recheck()?;
        // Looked for before something is told: what is left then is all that there will be.
        let farewell = self.sent_away();
        // First, so that a browser knows how everything is before it is obeyed.
        let told = self.send()?;
        self.go(farewell, told)?;
        let read = self.receive()?;
        self.socket.keep_alive()?;
        let more = told == Sent::More || !self.answers.is_empty();
        if read == Read::More || (more && !self.socket.is_sending()) {
            return Ok(None);
        }
        let recheck = self.checked + self.interval;
        let until = self.leaving.unwrap_or(recheck).min(recheck);
        Ok(Some(self.socket.wish(read == Read::All, until)))
    }

    /// A user who was removed, signed out or has another role is not served any longer.
    fn recheck(&mut self) -> Result<(), End> {
        if self.checked.elapsed() < self.interval {
            return Ok(());
        }
        self.checked = Instant::now();
        match self.allowed() {
            Err(Error::TokenInvalid | Error::TokenExpired) => {
                Err(End::Close(1008, "sign in again"))
            }
            Err(Error::Forbidden { .. } | Error::NotOwner { .. }) => {
                Err(End::Close(1008, "you may not use this workspace any more"))
            }
            // A database that is busy says nothing about the user.
            _ => Ok(()),
        }
    }

    fn allowed(&self) -> Result<()> {
        let caller = self.auth.still(&self.caller)?;
        caller.require(Act::OpenTerminal)?;
        self.attachment.check(&caller)
    }

    /// Takes what the browser says, as far as there is room for it.
    fn receive(&mut self) -> Result<Read, End> {
        for _ in 0..TURN {
            if self.answers.len() >= MOST_ANSWERS || !self.attachment.has_room() {
                return Ok(Read::NoRoom);
            }
            let Some(text) = self.socket.receive()? else { return Ok(Read::All) };
            if let Err(error) = self.obey(&text) {
                self.answers.push_back(answer(&error));
            }
        }
        Ok(Read::More)
    }

    fn obey(&self, text: &str) -> Result<()> {
        let (pane, order) = order::read(text)?;
        match order {
            Order::Input(data) => self.attachment.input(pane, &data),
            Order::Resize(size) => {
                self.attachment.resize(pane, size);
                Ok(())
            }
            Order::Connect => self.attachment.connect(pane),
            Order::Disconnect => {
                self.attachment.disconnect(pane);
                Ok(())
            }
        }
    }

    /// Tells what there is to tell, as far as the browser takes it.
    fn send(&mut self) -> Result<Sent, End> {
        let socket = &mut self.socket;
        socket.flush()?;
        for _ in 0..TURN {
            if socket.is_sending() {
                return Ok(Sent::More);
            }
            let next = self.answers.pop_front();
            let Some(text) = next.or_else(|| self.attachment.take().map(|told| message(&told)))
            else {
                socket.flush()?;
                return Ok(if socket.is_sending() { Sent::More } else { Sent::All });
            };
            socket.send(text)?;
        }
        socket.flush()?;
        Ok(Sent::More)
    }

    /// Whether it is to go.
    fn sent_away(&mut self) -> Option<Farewell> {
        let reason = "LinkOps is stopping";
        let stopping = self.socket.stopping();
        let stopping = stopping.then_some(Farewell { code: 1001, reason, after_all: true });
        self.attachment.farewell().or(stopping)
    }

    /// Has it go when it has been told all that it can be told.
    fn go(&mut self, farewell: Option<Farewell>, told: Sent) -> Result<(), End> {
        let Some(Farewell { code, reason, after_all }) = farewell else { return Ok(()) };
        let leaving = *self.leaving.get_or_insert_with(|| Instant::now() + LEAVING);
        if told == Sent::All || !after_all || Instant::now() >= leaving {
            return Err(End::Close(code, reason));
        }
        Ok(())
    }
}

/// How far reading came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// Nothing is there.
    All,
    /// Something may be there.
    More,
    /// There is no room for more.
    NoRoom,
}

/// How far telling came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// Everything is on its way.
    All,
    /// Something is left.
    More,
}

fn message(told: &Told) -> String {
    text(&match told {
        Told::Snapshot { pane, data, cols, rows } => {
            Message::Snapshot { pane: pane.as_str(), data, cols: *cols, rows: *rows }
        }
        Told::Output { pane, data } => Message::Stdout { pane: pane.as_str(), data },
        Told::Status { pane, data } => Message::Status { pane: pane.as_str(), data },
        Told::Size { pane, cols, rows } => {
            Message::Resize { pane: pane.as_str(), cols: *cols, rows: *rows }
        }
    })
}

fn answer(error: &Error) -> String {
    let (code, message) = error::told(error);
    text(&Message::Error { code, message: &message })
}

/// Text and numbers always have a JSON.
fn text(message: &Message<'_>) -> String {
    serde_json::to_string(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::PaneName;

    #[test]
    fn messages_are_written_as_the_contract_says() {
        let pane = PaneName::B;
        let data = || "x\u{1b}".to_owned();
        for (told, json) in [
            (
                Told::Output { pane, data: data() },
                r#"{"type":"stdout","pane":"B","data":"x\u001b"}"#,
            ),
            (
                Told::Status { pane, data: data() },
                r#"{"type":"status","pane":"B","data":"x\u001b"}"#,
            ),
            (
                Told::Snapshot { pane, data: data(), cols: 80, rows: 24 },
                r#"{"type":"snapshot","pane":"B","data":"x\u001b","cols":80,"rows":24}"#,
            ),
            (
                Told::Size { pane, cols: 80, rows: 24 },
                r#"{"type":"resize","pane":"B","cols":80,"rows":24}"#,
            ),
        ] {
            assert_eq!(message(&told), json);
        }
    }
}
