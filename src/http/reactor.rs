//! The reactor: the one thread that accepts, and watches every connection that waits for its
//! client. It reads and decodes without blocking, hands complete requests to the workers, and ends
//! what takes too long. It alone owns the table of connections, so nothing of it is locked.

mod admission;
mod deadlines;

use super::answer;
use super::connection::{Connection, Job, Phase};
use super::parse::{Decoder, Head, Refusal, Step};
use super::shared::{Back, Shared};
use super::socket::Wish;
use crate::threads::guard;
use crossbeam_channel::{Receiver, Sender};
use std::collections::HashMap;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Tokens of what is watched; connections follow.
pub(crate) const LISTENER: u64 = 0;
pub(crate) const STOP: u64 = 1;
pub(crate) const WAKER: u64 = 2;
const FIRST_CONNECTION: u64 = 3;

/// How much is read at once; also what may be read beyond a request.
const READ: usize = 16 << 10;

/// The pause after the system had no descriptor or memory for us. Connections wait in the kernel's
/// queue meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// The state of the `http-reactor` thread.
pub(crate) struct Reactor {
    shared: Arc<Shared>,
    /// None when the server is stopping.
    listener: Option<TcpListener>,
    accept_again: Option<Instant>,
    pause_logged: Option<Instant>,
    jobs: Sender<Job>,
    back: Receiver<Back>,
    table: HashMap<u64, Entry>,
    per_address: HashMap<IpAddr, usize>,
    turned_away: usize,
    next_token: u64,
    /// When the table must be looked through for deadlines: never later than the earliest.
    look_at: Option<Instant>,
    /// After the stop's deadline.
    cut: bool,
    scratch: Box<[u8]>,
}

/// An open connection.
struct Entry {
    /// Also of a connection that is handed out, to shut it down at the stop's deadline.
    socket: Arc<TcpStream>,
    /// The address it counts for; none when it is being turned away.
    counted: Option<IpAddr>,
    /// None while a worker or a stream has it.
    parked: Option<Box<Connection>>,
}

impl Reactor {
    /// Takes over a listener that is watched already.
    pub(crate) fn new(
        shared: Arc<Shared>,
        listener: TcpListener,
        jobs: Sender<Job>,
        back: Receiver<Back>,
    ) -> Reactor {
        Reactor {
            shared,
            listener: Some(listener),
            accept_again: None,
            pause_logged: None,
            jobs,
            back,
            table: HashMap::new(),
            per_address: HashMap::new(),
            turned_away: 0,
            next_token: FIRST_CONNECTION,
            look_at: None,
            cut: false,
            scratch: vec![0; READ].into_boxed_slice(),
        }
    }

    /// Runs until the server stops and every connection has ended. Dropping the sender of jobs at
    /// the end is what ends the workers.
    pub(crate) fn run(mut self) {
        let mut ready = Vec::new();
        while self.listener.is_some() || !self.table.is_empty() {
            let now = Instant::now();
            let time = self.look_at.map(|at| at.saturating_duration_since(now));
            if let Err(error) = self.shared.watch.wait(&mut ready, time) {
                // Nothing that we do leads here. Wait rather than spin, and go on.
                log::error!("cannot wait for connections: {error}");
                self.shared.stop.wait(PAUSE);
            }
            self.shared.rounds.fetch_add(1, Ordering::Relaxed);
            self.take_back();
            for &token in &ready {
                self.event(token);
            }
            if self.look_at.is_some_and(|at| at <= Instant::now()) {
                self.look();
            }
        }
    }

    /// A mistake in the handling of one connection costs that connection only.
    fn event(&mut self, token: u64) {
        if guard("http-reactor", || self.dispatch(token)).is_none() {
            self.remove(token);
        }
    }

    fn dispatch(&mut self, token: u64) {
        match token {
            LISTENER => self.accept(),
            STOP => self.begin_stop(),
            WAKER => {
                self.shared.waker.take();
                self.take_back();
            }
            connection => self.ready(connection),
        }
    }

    /// Leaves a connection in the table until its socket is ready for `wish`.
    fn park(&mut self, connection: Box<Connection>, wish: Wish) {
        let token = connection.token;
        match self.shared.watch.arm(&connection.socket, token, wish) {
            Ok(()) => self.keep(connection),
            Err(error) => {
                log::warn!("cannot watch a connection: {error}");
                self.remove(token);
            }
        }
    }

    fn keep(&mut self, connection: Box<Connection>) {
        self.note(connection.deadline(&self.shared.settings));
        if let Some(entry) = self.table.get_mut(&connection.token) {
            entry.parked = Some(connection);
        }
    }

    fn note(&mut self, deadline: Instant) {
        self.look_at = Some(self.look_at.map_or(deadline, |at| at.min(deadline)));
    }

    fn remove(&mut self, token: u64) {
        let Some(entry) = self.table.remove(&token) else { return };
        self.shared.watch.remove(&*entry.socket);
        match entry.counted {
            None => self.turned_away -= 1,
            Some(address) => {
                if let Some(count) = self.per_address.get_mut(&address) {
                    *count -= 1;
                    if *count == 0 {
                        self.per_address.remove(&address);
                    }
                }
            }
        }
        self.count();
    }

    fn count(&self) {
        self.shared.connections.store(self.table.len(), Ordering::Relaxed);
    }

    fn ready(&mut self, token: u64) {
        let parked = self.table.get_mut(&token).and_then(|entry| entry.parked.take());
        let Some(mut connection) = parked else { return };
        if matches!(connection.phase, Phase::Writing { .. }) {
            return self.write(connection);
        }
        let length = match connection.read(&mut self.scratch) {
            Ok(Some(0)) | Err(_) => return self.remove(token),
            Ok(length) => length.unwrap_or(0),
        };
        match &mut connection.phase {
            Phase::Lingering { left, .. } if *left <= length => self.remove(token),
            Phase::Lingering { left, .. } => {
                *left -= length;
                self.park(connection, Wish::Read);
            }
            _ => {
                connection.decoder.push(&self.scratch[..length]);
                self.advance(connection);
            }
        }
    }

    /// Decodes what has arrived.
    fn advance(&mut self, mut connection: Box<Connection>) {
        loop {
            match connection.decoder.next() {
                Ok(Step::Incomplete) => return self.wait_for_more(connection),
                Ok(Step::Complete(head, body)) => return self.hand_out(connection, head, body),
                Err(refusal) => return self.refuse(connection, refusal),
                Ok(Step::Continue) => {
                    // 25 bytes fit, unless the client does not even read its earlier answers.
                    let mut interim = answer::Outgoing::interim();
                    if !matches!(interim.send(&connection.socket), Ok(true)) {
                        return self.remove(connection.token);
                    }
                }
            }
        }
    }

    fn wait_for_more(&mut self, mut connection: Box<Connection>) {
        if connection.is_quiet() {
            match self.listener {
                Some(_) => return self.park(connection, Wish::Read),
                None => return self.remove(connection.token),
            }
        }
        connection.began.get_or_insert_with(Instant::now);
        let arrived = connection.decoder.body_len();
        match self.make_room(&mut connection, arrived) {
            true => self.park(connection, Wish::Read),
            false => {
                let terms = connection.decoder.terms();
                self.refuse(connection, Refusal { terms, ..NO_MEMORY });
            }
        }
    }

    fn hand_out(&mut self, mut connection: Box<Connection>, head: Head, body: Vec<u8>) {
        if !self.make_room(&mut connection, body.len()) {
            return self.refuse(connection, Refusal { terms: Some(head.terms()), ..NO_MEMORY });
        }
        let received = Instant::now();
        // It comes back armed, when it is quiet, and cannot be due before this.
        self.note(received + self.shared.settings.idle_timeout);
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        // The workers live as long as this sender.
        let _ = self.jobs.send(Job { connection, head, body, received });
    }

    /// Takes `bytes` of the budget for a body, if need be from the body that has been arriving
    /// longest: a request that comes quickly is not kept out by those that never end. False when that
    /// is the one which asks.
    fn make_room(&mut self, connection: &mut Connection, bytes: usize) -> bool {
        while !connection.share.resize(bytes) {
            let arriving = self.table.iter().filter_map(|(token, entry)| {
                let parked = entry.parked.as_ref()?;
                let began = parked.began.filter(|_| parked.decoder.body_len() > 0)?;
                Some((began, *token))
            });
            let Some((began, token)) = arriving.min() else { return false };
            if connection.began.is_some_and(|own| own < began) {
                return false;
            }
            self.give_up(token, NO_MEMORY);
        }
        true
    }

    /// Answers a parked, unfinished request with an error.
    fn give_up(&mut self, token: u64, refusal: Refusal) {
        let parked = self.table.get_mut(&token).and_then(|entry| entry.parked.take());
        if let Some(connection) = parked {
            let terms = connection.decoder.terms();
            self.refuse(connection, Refusal { terms, ..refusal });
        }
    }

    /// Answers with an error, after which nothing that the client sent can be believed.
    fn refuse(&mut self, mut connection: Box<Connection>, refusal: Refusal) {
        let mut terms = refusal.terms.unwrap_or_default();
        self.shared.settle(&mut terms);
        terms.keep_alive = false;
        let response = self.shared.error(refusal.status, refusal.message, &terms);
        let out = answer::whole(response, &terms, &self.shared.settings);
        connection.decoder = Decoder::new(self.limits());
        connection.share.resize(0);
        let deadline = Instant::now() + self.shared.settings.write_timeout;
        connection.phase = Phase::Writing { out, keep_alive: false, deadline };
        self.write(connection);
    }

    fn write(&mut self, mut connection: Box<Connection>) {
        let Phase::Writing { out, keep_alive, .. } = &mut connection.phase else {
            return self.remove(connection.token);
        };
        let keep_alive = *keep_alive && self.listener.is_some();
        match out.send(&connection.socket) {
            Ok(false) => self.park(connection, Wish::Write),
            Err(_) => self.remove(connection.token),
            Ok(true) => {
                connection.sent(keep_alive);
                self.go_on(connection);
            }
        }
    }

    /// A connection whose answer went out, or waits to.
    fn go_on(&mut self, connection: Box<Connection>) {
        match connection.phase {
            Phase::Reading => self.advance(connection),
            Phase::Writing { .. } => self.park(connection, Wish::Write),
            Phase::Lingering { .. } => self.park(connection, Wish::Read),
        }
    }

    fn take_back(&mut self) {
        while let Ok(back) = self.back.try_recv() {
            let token = back.token;
            if let Some(number) = back.stream {
                self.shared.streams.join(number);
            }
            let gone = guard("http-reactor", || match back.connection {
                None => self.remove(token),
                Some(connection) if self.cut => self.remove(connection.token),
                // Its worker arms it.
                Some(connection) if connection.is_quiet() && self.listener.is_some() => {
                    self.keep(connection);
                }
                Some(connection) => self.go_on(connection),
            });
            if gone.is_none() {
                self.remove(token);
            }
        }
    }
}

const NO_MEMORY: Refusal =
    Refusal::new(503, "too much is being sent to the server, try again in a moment");
