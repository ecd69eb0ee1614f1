//! Admission: which connections come in, and what happens to the others.

use super::{Entry, PAUSE, Reactor};
use crate::http::client::counted_as;
use crate::http::connection::{Connection, Phase};
use crate::http::parse::{Decoder, Limits, Refusal};
use crate::http::socket::{Accepted, Wish, accept};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections accepted before the others have their turn.
const ACCEPTS: usize = 64;

/// Connections over the cap that are told so at the same time; further ones are only closed.
const TURNED_AWAY: usize = 64;

/// How often such a pause is logged.
const PAUSE_LOG: Duration = Duration::from_secs(5);

impl Reactor {
    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            let Some(listener) = &self.listener else { return };
            match accept(listener) {
                Accepted::Connection(socket, peer) => self.admit(socket, peer),
                Accepted::Nothing => return,
                Accepted::Lost => {}
                Accepted::NoRoom(error) => return self.pause(&error),
            }
        }
    }

    /// Out of descriptors or memory: wait until some are free, and never give up.
    pub(super) fn pause(&mut self, error: &std::io::Error) {
        let now = Instant::now();
        if self.pause_logged.is_none_or(|at| now >= at + PAUSE_LOG) {
            log::warn!("cannot accept connections, they wait: {error}");
            self.pause_logged = Some(now);
        }
        if let Some(listener) = &self.listener {
            self.shared.watch.remove(listener);
            self.accept_again = Some(now + PAUSE);
            self.note(now + PAUSE);
        }
    }

    fn admit(&mut self, socket: TcpStream, peer: SocketAddr) {
        let token = self.next_token;
        self.next_token += 1;
        let peer = peer.ip().to_canonical();
        let full = self.is_full(peer);
        if full && self.turned_away >= TURNED_AWAY {
            return;
        }
        let socket = Arc::new(socket);
        if let Err(error) = self.shared.watch.add_socket(&socket, token) {
            log::warn!("cannot watch a connection: {error}");
            return;
        }
        let counted = (!full).then(|| counted_as(peer));
        match counted {
            Some(address) => *self.per_address.entry(address).or_default() += 1,
            None => self.turned_away += 1,
        }
        let entry = Entry { socket: Arc::clone(&socket), counted, parked: None };
        self.table.insert(token, entry);
        self.count();
        let connection = Box::new(Connection {
            token,
            socket,
            peer,
            decoder: Decoder::new(self.limits()),
            share: self.shared.bodies.share(),
            phase: Phase::Reading,
            since: Instant::now(),
            began: None,
            answered: false,
        });
        match full {
            true => self.refuse(connection, Refusal::new(503, "too many connections are open")),
            false => self.park(connection, Wish::Read),
        }
    }

    fn is_full(&self, peer: IpAddr) -> bool {
        let settings = &self.shared.settings;
        let from_here = self.per_address.get(&counted_as(peer)).copied().unwrap_or(0);
        // Behind a proxy everyone has its address.
        let trusted = settings.trusted_proxies.iter().any(|one| one.contains(peer));
        self.table.len() - self.turned_away >= settings.max_connections
            || (!trusted && from_here >= settings.max_connections_per_address)
    }

    pub(super) fn limits(&self) -> Limits {
        let settings = &self.shared.settings;
        Limits { head: settings.max_head, headers: settings.max_headers, body: settings.max_body }
    }
}
