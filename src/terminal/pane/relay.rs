//! The thread of a connected pane: it dials, has the machine prove what it is, opens the shell,
//! and carries bytes both ways until the shell ends. It waits for both sides at once: for the
//! machine, and for the pane's bell.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::audience::{Farewell, Presence};
use super::super::{Desk, PaneName, Recorder, Tools, record};
use super::utf8::Characters;
use super::{Live, Pane, Why};
use crate::audit::Actor;
use crate::error::{Error, Result};
use crate::ssh::{Failure, Pause, Shell, ShellEvent, Size};
use crate::threads::{Latch, guard};

/// How long a machine may take to give a PTY and a shell.
const OPENING: Duration = Duration::from_secs(30);

/// How long it may take to close them.
const CLOSING: Duration = Duration::from_secs(2);

/// A pane that was connected before any browser came waits at least this long for the first one.
const FIRST_BROWSER: Duration = Duration::from_secs(60);

/// For how long a screen that is to be drawn again has another size: at least, and at most when
/// nothing is drawn. Programs look at the size when they come to it, and do nothing when it is as
/// it was.
const OTHER_SIZE: Duration = Duration::from_millis(100);
const OTHER_SIZE_UNSEEN: Duration = Duration::from_secs(2);

/// No time-out is as far away.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the thread is given.
pub(in super::super) struct Session {
    pub(in super::super) tools: Arc<Tools>,
    pub(in super::super) desk: Arc<Desk>,
    pub(in super::super) pane: PaneName,
    pub(in super::super) target: String,
    pub(in super::super) actor: Actor,
    /// When that was.
    pub(in super::super) asked: Instant,
}

impl Session {
    /// The body of the thread.
    pub(in super::super) fn run(self, cancel: Arc<Latch>) {
        let (pane, begun) = (self.desk.pane(self.pane), Instant::now());
        let why = guard("pane", || match self.open(pane, cancel) {
            Err(error) => self.not_opened(pane, &error),
            Ok(shell) => self.live(pane, shell),
        });
        let why = why.unwrap_or_else(|| {
            let why = Why::Failed("an internal error, see the log".to_owned());
            self.logged("not written down", record::disconnected(&self, begun.elapsed(), &why));
            why
        });
        pane.disconnected(&why);
    }

    fn open(&self, pane: &Pane, cancel: Arc<Latch>) -> Result<Box<dyn Shell>> {
        record::connecting(self)?;
        let (tools, size) = (&self.tools, pane.first_size());
        let always = tools.settings.enrollment_required;
        let line = tools.enrollment.admit(&self.target, always, &cancel)?;
        let told = |failure: Failure| {
            log::warn!(link = self.target.as_str(); "no shell: {failure}");
            Error::Ssh { target: failure.target.clone(), message: failure.told() }
        };
        line.shell(size, &cancel, Instant::now() + OPENING).map_err(told)
    }

    /// There is no shell.
    fn not_opened(&self, pane: &Pane, error: &Error) -> Why {
        // Who gave it up knows why.
        let why = pane.orders().end.unwrap_or_else(|| Why::Failed(words_of(error)));
        self.logged("not connected", record::failed(self, error, &why));
        why
    }

    fn live(&self, pane: &Pane, shell: Box<dyn Shell>) -> Why {
        let begun = Instant::now();
        // What the database does not know is not there.
        if let Err(error) = record::connected(self, pane.size()) {
            shell.close(Instant::now() + CLOSING);
            log::error!("{}", error.chain());
            return Why::Failed("the database has failed".to_owned());
        }
        pane.connected();
        let why = Relay::new(self, pane, shell, self.recorder(pane.size())).run();
        self.logged("not written down", record::disconnected(self, begun.elapsed(), &why));
        why
    }

    fn recorder(&self, size: Size) -> Option<Recorder> {
        let (recordings, by) = (&self.tools.recordings, &self.actor.name);
        recordings.record(&self.desk.id, self.pane, &self.target, by, size)
    }

    fn logged(&self, what: &str, result: Result<()>) {
        if let Err(error) = result {
            log::error!(link = self.target.as_str(); "{what}: {}", error.chain());
        }
    }
}

/// A shell with what goes in and out. The shell itself stands in the pane while it lives: whoever
/// types gives it the input at once.
struct Relay<'a> {
    session: &'a Session,
    pane: &'a Pane,
    characters: Characters,
    /// Output was seen, or there was nothing yet.
    active: Instant,
    /// The screen has another size.
    other_size: Option<OtherSize>,
}

/// A size that is to be taken back.
struct OtherSize {
    since: Instant,
    /// Something was written since: the program may have seen it.
    seen: bool,
}

impl OtherSize {
    fn until(&self) -> Instant {
        self.since + if self.seen { OTHER_SIZE } else { OTHER_SIZE_UNSEEN }
    }
}

/// What a look at the shell gave.
enum Look {
    /// Whole characters.
    Output(String),
    /// There are orders, or room for input.
    Orders,
    /// Nothing; this is to be waited for.
    Nothing(Pause),
    /// It has ended.
    End(Why),
}

impl<'a> Relay<'a> {
    fn new(
        session: &'a Session,
        pane: &'a Pane,
        shell: Box<dyn Shell>,
        recorder: Option<Recorder>,
    ) -> Relay<'a> {
        *pane.live() = Some(Live { shell, recorder, typed: Characters::default() });
        let (characters, active) = (Characters::default(), Instant::now());
        Relay { session, pane, characters, active, other_size: None }
    }

    /// Until the end; afterwards nothing is left of the shell.
    fn run(mut self) -> Why {
        let why = loop {
            if let Some(why) = self.turn() {
                break why;
            }
        };
        let live = self.pane.live().take();
        let rest = self.characters.finish();
        self.pane.show(rest);
        if let Some(mut live) = live {
            live.recorder.iter_mut().for_each(|recorder| recorder.output(rest));
            live.shell.close(Instant::now() + CLOSING);
        }
        why
    }

    fn turn(&mut self) -> Option<Why> {
        let flows = self.pane.flows();
        let deadline = match self.due(flows) {
            Ok(deadline) => deadline,
            Err(why) => return Some(why),
        };
        match self.look(flows, deadline) {
            Look::Output(text) => {
                self.active = Instant::now();
                self.other_size.iter_mut().for_each(|other| other.seen = true);
                self.pane.show(&text);
                None
            }
            Look::Orders => self.obey(),
            Look::Nothing(pause) => {
                pause.wait(self.pane.bell());
                None
            }
            Look::End(why) => Some(why),
        }
    }

    /// Looks at the shell, while nobody else has it.
    fn look(&mut self, flows: bool, deadline: Instant) -> Look {
        let mut live = self.pane.live();
        let Some(live) = live.as_mut() else { return Look::End(Why::Exited) };
        match live.shell.next(flows, self.pane.bell(), Instant::now()) {
            Ok(ShellEvent::Output(data)) => {
                let text = self.characters.push(&data);
                live.recorder.iter_mut().for_each(|recorder| recorder.output(&text));
                Look::Output(text)
            }
            Ok(ShellEvent::Woken | ShellEvent::Room) => Look::Orders,
            Ok(ShellEvent::TimedOut) => Look::Nothing(live.shell.pause(deadline)),
            Ok(ShellEvent::End(_)) => Look::End(Why::Exited),
            Err(failure) => {
                log::warn!(link = self.session.target.as_str(); "{failure}");
                Look::End(Why::Failed(failure.told()))
            }
        }
    }

    /// Does what browsers have ordered.
    fn obey(&mut self) -> Option<Why> {
        let mut live = self.pane.live();
        let live = live.as_mut()?;
        let orders = self.pane.orders();
        if orders.end.is_some() {
            return orders.end;
        }
        self.pane.feed(live);
        if orders.redraw {
            live.shell.resize(other_size(self.pane.size()));
            self.other_size = Some(OtherSize { since: Instant::now(), seen: false });
        }
        None
    }

    /// Does what is due, and says when something will be.
    fn due(&mut self, flows: bool) -> Result<Instant, Why> {
        let now = Instant::now();
        let settings = &self.session.tools.settings;
        let idle = self.active.max(self.pane.typed()) + settings.idle_timeout;
        if now >= idle {
            let seconds = settings.idle_timeout.as_secs();
            return Err(Why::Failed(format!("closed after {seconds} s without input and output")));
        }
        let alone = self.alone_until();
        if now >= alone {
            return Err(Why::alone(settings.detach_timeout));
        }
        if self.other_size.take_if(|other| now >= other.until()).is_some() {
            let size = self.pane.size();
            self.pane.live().iter_mut().for_each(|live| live.shell.resize(size));
        }
        let slow = if flows { None } else { self.drop_slow(now) };
        let other_size = self.other_size.as_ref().map(OtherSize::until);
        Ok([other_size, slow].into_iter().flatten().fold(idle.min(alone), Instant::min))
    }

    /// Until when it lives without a browser.
    fn alone_until(&self) -> Instant {
        let time = self.session.tools.settings.detach_timeout;
        match self.session.desk.audience.presence() {
            Presence::Here => Instant::now() + FAR,
            Presence::Gone(since) if since > self.session.asked => since + time,
            _ => self.session.asked + time.max(FIRST_BROWSER),
        }
    }

    /// Sends a browser away that has held another one up for too long, or says when that will be.
    fn drop_slow(&self, now: Instant) -> Option<Instant> {
        let (id, until) = self.pane.slowest()?;
        if now < until {
            return Some(until);
        }
        let reason = "it was too slow for another browser on the same terminal";
        let farewell = Farewell { code: 1013, reason, after_all: false };
        self.session.desk.audience.dismiss(id, farewell);
        self.pane.leave(id);
        None
    }
}

/// A size that differs from this one by a row.
fn other_size(size: Size) -> Size {
    let rows = if size.rows() > 1 { size.rows() - 1 } else { 2 };
    Size::new(size.cols(), rows).unwrap_or(size)
}

/// The failure in words for the user.
fn words_of(error: &Error) -> String {
    match error {
        Error::NotEnrolled(missing) => missing
            .first()
            .map_or_else(|| error.to_string(), |one| format!("not enrolled: {}", one.error)),
        Error::Ssh { message, .. } => message.clone(),
        Error::NotFound { .. } | Error::Invalid(_) => error.to_string(),
        Error::ShuttingDown => "LinkOps is stopping".to_owned(),
        other => {
            log::error!("{}", other.chain());
            "an internal error, see the log".to_owned()
        }
    }
}
