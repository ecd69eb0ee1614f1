//! Connecting: address, TCP or jump host, key exchange, host key, authentication, first channel,
//! all under one deadline per try, and again when the way failed.

use std::fmt::Display;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use ssh2::{Channel, MethodType};

use super::gate::{Gate, Permit};
use super::jump::Jumps;
use super::resolve::Resolver;
use super::session::{self, Session, Trouble, code};
use super::trust::Trust;
use super::wait::Woken;
use super::{Failure, Kind, Settings, Target, key_file};
use crate::threads::{Latch, lock};

/// Handshakes at once per address: two under the first figure of sshd's MaxStartups, 10:30:100.
const HANDSHAKES: usize = 8;

/// What a channel may send before we read it, in bytes. Bounds the memory that a command's output
/// takes while nobody asks for it; at 50 ms of round trip it still gives 10 MB/s.
const WINDOW: u32 = 512 * 1024;

/// The largest packet of a channel, in bytes: RFC 4253 section 6.1.
const PACKET: u32 = 32 * 1024;

/// Whatever makes connections.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) settings: Settings,
    pub(super) gate: Gate,
    pub(super) resolver: Resolver,
    pub(super) jumps: Jumps,
    trust: Trust,
}

/// Why a jump host did not let us through, once it is known.
pub(super) type Refusal = Arc<Mutex<Option<String>>>;

/// A connected socket, and what must be kept until we are let in.
struct Way<'a> {
    socket: OwnedFd,
    refusal: Option<Refusal>,
    _permit: Permit<'a>,
}

impl Connector {
    pub(super) fn new(settings: Settings) -> Connector {
        let trust = Trust::new(settings.known_hosts.clone(), settings.policy);
        Connector {
            settings,
            gate: Gate::default(),
            resolver: Resolver::default(),
            jumps: Jumps::default(),
            trust,
        }
    }

    /// A new session with an open channel. Tries again when the way failed.
    pub(super) fn connect(
        &self,
        target: &Target,
        stop: &Latch,
    ) -> Result<(Session, Channel), Failure> {
        let mut tries = 1;
        loop {
            let deadline = Instant::now() + self.settings.connect_timeout;
            let mut failure = match self.attempt(target, stop, deadline) {
                Err(failure) if failure.kind.is_transport() => failure,
                answer => return answer,
            };
            if tries >= self.settings.max_tries {
                if tries > 1 {
                    failure.message = said_after(&failure.message, tries);
                }
                return Err(failure);
            }
            let (link, error) = (target.name.as_str(), &failure.message);
            log::debug!(link, tries; "cannot connect yet: {error}");
            if stop.wait(pause(self.settings.retry_delay, tries)) {
                return Err(stopped(target));
            }
            tries += 1;
        }
    }

    fn attempt(
        &self,
        target: &Target,
        stop: &Latch,
        deadline: Instant,
    ) -> Result<(Session, Channel), Failure> {
        let mut session = self.login(target, stop, deadline)?;
        let channel = session
            .drive(Some(stop), deadline, request_channel)
            .map_err(|trouble| self.explain(target, "opening a channel", trouble))?;
        Ok((session, channel))
    }

    /// One try at a session that is let in.
    pub(super) fn login(
        &self,
        target: &Target,
        stop: &Latch,
        deadline: Instant,
    ) -> Result<Session, Failure> {
        let key = key_file::read(target)?;
        let way = self.way(target, stop, deadline)?;
        let tcp = way.refusal.is_none();
        let mut session = Session::new(way.socket, tcp, self.settings.keepalive)
            .map_err(|error| self.explain(target, "starting", Trouble::Ssh(error)))?;

        let algorithms = self.trust.algorithms(target)?;
        let shaken = match session.ssh().method_pref(MethodType::HostKey, &algorithms) {
            Ok(()) => session.drive(Some(stop), deadline, ssh2::Session::handshake),
            Err(error) => Err(Trouble::Ssh(error)),
        };
        if let Err(trouble) = shaken {
            if let Some(why) = way.refusal.and_then(|refusal| lock(&refusal).take()) {
                return Err(no_way_through(target, &why));
            }
            return Err(self.explain(target, "the key exchange", trouble));
        }
        let blob = session.ssh().host_key().map(|(blob, _)| blob.to_vec()).unwrap_or_default();
        self.trust.check(target, &blob)?;

        let log_in =
            |ssh: &mut ssh2::Session| ssh.userauth_pubkey_memory(&target.user, None, &key, None);
        session
            .drive(Some(stop), deadline, log_in)
            .map_err(|trouble| self.refused_login(target, trouble))?;
        Ok(session)
    }

    /// A socket to the target, directly or through its jump host.
    fn way(&self, target: &Target, stop: &Latch, deadline: Instant) -> Result<Way<'_>, Failure> {
        let Some(via) = &target.via else { return self.direct(target, stop, deadline) };
        let place = format!("{}:{} via {}:{}", target.host, target.port, via.host, via.port);
        let permit = self.enter(&place, target, stop, deadline)?;
        let (stream, refusal) = self.jumps.open(self, via, target, stop, deadline)?;
        Ok(Way { socket: stream.into(), refusal: Some(refusal), _permit: permit })
    }

    /// Tries all addresses in order; each gets its share of the time that is left.
    fn direct(&self, target: &Target, stop: &Latch, deadline: Instant) -> Result<Way<'_>, Failure> {
        let addresses = self.resolver.resolve(target, stop, deadline)?;
        let mut last = Errno::HOSTUNREACH;
        for (index, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let permit = self.enter(&address.to_string(), target, stop, deadline)?;
            match session::connect(*address, stop, Instant::now() + share) {
                Ok(socket) => return Ok(Way { socket, refusal: None, _permit: permit }),
                Err(Errno::CANCELED) => return Err(stopped(target)),
                Err(error) => last = error,
            }
        }
        Err(self.unreachable(target, &addresses, last))
    }

    fn enter(
        &self,
        place: &str,
        target: &Target,
        stop: &Latch,
        deadline: Instant,
    ) -> Result<Permit<'_>, Failure> {
        self.gate.enter(place, HANDSHAKES, stop, deadline).map_err(|woken| match woken {
            Woken::Stopped => stopped(target),
            _ => self.timed_out(target, "waiting for other connections to the same address"),
        })
    }

    fn unreachable(&self, target: &Target, addresses: &[SocketAddr], error: Errno) -> Failure {
        let (host, port) = (&target.host, target.port);
        let tried = match addresses {
            [one] if one.ip().to_string() == *host => String::new(),
            all => {
                let all: Vec<_> = all.iter().map(|one| one.ip().to_string()).collect();
                format!(" ({})", all.join(", "))
            }
        };
        match error {
            Errno::TIMEDOUT => self.timed_out(target, "connecting"),
            Errno::CONNREFUSED => fail(
                target,
                Kind::Refused,
                format!(
                    "{host:?}{tried} refuses connections on port {port}\ncheck that its SSH \
                     server runs and listens there"
                ),
            ),
            error => fail(
                target,
                Kind::Unreachable,
                format!("{host:?}{tried} port {port} cannot be reached: {}", said(error)),
            ),
        }
    }

    fn timed_out(&self, target: &Target, doing: &str) -> Failure {
        let text = format!(
            "no answer from {:?} port {} within {} s ({doing})",
            target.host,
            target.port,
            self.settings.connect_timeout.as_secs_f32()
        );
        fail(target, Kind::TimedOut, text)
    }

    fn refused_login(&self, target: &Target, trouble: Trouble) -> Failure {
        let (user, key) = (&target.user, &target.key);
        match trouble.code() {
            code::AUTHENTICATION_FAILED | code::PUBLICKEY_UNVERIFIED => fail(
                target,
                Kind::Authentication,
                format!(
                    "the server does not let in user {user:?} with the key {key:?}\nadd its public \
                     key to that user's ~/.ssh/authorized_keys on the host"
                ),
            ),
            code::FILE | code::KEYFILE_AUTH_FAILED | code::METHOD_NONE => fail(
                target,
                Kind::KeyFile,
                format!(
                    "the private key {key:?} cannot be used: {}\nLinkOps takes the private keys of \
                     ssh-keygen, without a passphrase",
                    said_by(&trouble)
                ),
            ),
            _ => self.explain(target, "authentication", trouble),
        }
    }

    /// A trouble before any command, in words.
    fn explain(&self, target: &Target, doing: &str, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Stopped => stopped(target),
            Trouble::TimedOut => self.timed_out(target, doing),
            ref other if other.code() == code::TIMEOUT => self.timed_out(target, doing),
            ref other if other.code() == code::KEX_FAILURE => fail(
                target,
                Kind::Algorithms,
                format!(
                    "we and the server have no algorithm in common: {}\nits SSH server may be too \
                     old, or restricted in its sshd_config",
                    said_by(other)
                ),
            ),
            ref other if is_refused_channel(other) => refused_channel(target, other),
            other => {
                let text = format!(
                    "the connection to {:?} port {} broke ({doing}): {}",
                    target.host,
                    target.port,
                    said_by(&other)
                );
                fail(target, Kind::Handshake, text)
            }
        }
    }
}

/// Opens a channel on a session that has had one. With MaxSessions 1 the last command's place is
/// free a moment after its end.
pub(super) fn another_channel(
    session: &mut Session,
    stop: Option<&Latch>,
    deadline: Instant,
) -> Result<Channel, Trouble> {
    match session.drive(stop, deadline, request_channel) {
        Err(trouble) if is_refused_channel(&trouble) => {
            session.drive(stop, deadline, request_channel)
        }
        answer => answer,
    }
}

/// Asks for a channel for a command; to be repeated while it would block.
pub(super) fn request_channel(ssh: &mut ssh2::Session) -> Result<Channel, ssh2::Error> {
    ssh.channel_open("session", WINDOW, PACKET, None)
}

/// Whether the server answered, and said no.
pub(super) fn is_refused_channel(trouble: &Trouble) -> bool {
    matches!(trouble.code(), code::CHANNEL_FAILURE | code::CHANNEL_REQUEST_DENIED)
}

/// The failure for it.
pub(super) fn refused_channel(target: &Target, trouble: &Trouble) -> Failure {
    let text = format!(
        "the server runs no command on this connection: {}\ncheck MaxSessions and ForceCommand in \
         its sshd_config",
        said_by(trouble)
    );
    fail(target, Kind::Channel, text)
}

/// The failure of a wait that the caller ended.
pub(super) fn stopped(target: &Target) -> Failure {
    fail(target, Kind::Stopped, "stopped before the connection was ready".to_owned())
}

/// What went wrong, without the next step that libssh2 does not know.
pub(super) fn said_by(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Ssh(error) => lower(error.message()),
        Trouble::Stopped => "stopped".to_owned(),
        Trouble::TimedOut => "timed out".to_owned(),
        Trouble::NoTerminal => "the server gives no terminal".to_owned(),
    }
}

fn said(error: Errno) -> String {
    lower(&std::io::Error::from(error).to_string())
}

/// Other people's messages in our way of writing: no capital in front of a plain word.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), text.chars().nth(1)) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

fn no_way_through(target: &Target, why: &str) -> Failure {
    let via = target.via.as_deref().map_or("", |via| via.name.as_str());
    let text = format!(
        "the jump host {via:?} cannot connect to {:?} port {}: {}\ncheck the address as seen from \
         the jump host, and AllowTcpForwarding in its sshd_config",
        target.host,
        target.port,
        lower(why)
    );
    fail(target, Kind::Jump, text)
}

fn fail(target: &Target, kind: Kind, text: impl Display) -> Failure {
    Failure::new(&target.name, kind, text.to_string())
}

/// Puts the number of tries behind the first line.
fn said_after(message: &str, tries: u32) -> String {
    let (first, rest) = message.split_at(message.find('\n').unwrap_or(message.len()));
    format!("{first} (tried {tries} times){rest}")
}

/// The pause after the n-th try: grows with n, and differs by up to a quarter so that many who
/// failed together do not come back together.
fn pause(delay: Duration, tries: u32) -> Duration {
    let random = RandomState::new().build_hasher().finish() as u32;
    let whole = delay.saturating_mul(tries);
    whole.saturating_add((whole / 4).mul_f64(f64::from(random) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_differ() {
        let delay = Duration::from_secs(4);
        for tries in 1..10 {
            let one = pause(delay, tries);
            assert!(one >= delay * tries && one <= delay * tries * 5 / 4, "{one:?}");
        }
        let some: std::collections::HashSet<_> = (0..20).map(|_| pause(delay, 1)).collect();
        assert!(some.len() > 1);
    }

    #[test]
    fn the_tries_stand_before_the_next_step() {
        assert_eq!(said_after("gone", 3), "gone (tried 3 times)");
        assert_eq!(said_after("gone\nlook", 2), "gone (tried 2 times)\nlook");
        assert_eq!(lower("Unable to do"), "unable to do");
        assert_eq!(lower("RSA is old"), "RSA is old");
    }
}
