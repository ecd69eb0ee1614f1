//! Tells systemd how we are, as sd_notify(3) says: one datagram per word. Without systemd all of
//! it does nothing.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use crate::threads::{self, Handle, Latch};

/// How long systemd may take to make room for a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who started us and wants to hear.
#[derive(Debug, Default)]
pub struct Systemd {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Systemd {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub fn from_environment() -> Systemd {
        let variable = |name| env::var_os(name)?.into_string().ok();
        let Some(address) = variable("NOTIFY_SOCKET") else { return Systemd::default() };
        let socket = connect(&address)
            .inspect_err(|error| log::warn!("cannot tell systemd at {address:?}: {error}"))
            .ok();
        let pid = variable("WATCHDOG_PID");
        let watchdog = variable("WATCHDOG_USEC")
            .filter(|_| pid.is_none_or(|pid| pid == std::process::id().to_string()))
            .and_then(|text| text.parse().ok())
            .filter(|time| *time > 0)
            .map(Duration::from_micros);
        Systemd { socket, watchdog }
    }

    /// We serve now.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// We stop now, and need no longer than `time`.
    pub fn stopping(&self, time: Duration) {
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", time.as_micros()));
    }

    /// Starts to say that we live, as long as `alive` says so, often enough for systemd; none
    /// when nobody wants to hear.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn watch(
        self: &Arc<Systemd>,
        alive: impl Fn() -> bool + Send + 'static,
        stop: Arc<Latch>,
    ) -> io::Result<Option<Handle>> {
        // Four words in the time in which one is needed: a slow one or two do no harm.
        let Some(pause) = self.watchdog.map(|time| time / 4) else { return Ok(None) };
        let systemd = Arc::clone(self);
        let watch = move || {
            while !stop.wait(pause) {
                if alive() {
                    systemd.tell("WATCHDOG=1");
                }
            }
        };
        threads::spawn("watchdog", watch).map(Some)
    }

    fn tell(&self, text: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(text.as_bytes()) {
            log::warn!("cannot tell systemd {text:?}: {error}");
        }
    }
}

/// A path, or `@` and an abstract name.
fn connect(address: &str) -> io::Result<UnixDatagram> {
    let address = match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Lines are the border between words.
fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn heard(listener: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 512];
        let length = listener.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    fn listening_at(path: &std::path::Path) -> (UnixDatagram, Systemd) {
        let listener = UnixDatagram::bind(path).unwrap();
        listener.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let socket = connect(path.to_str().unwrap()).unwrap();
        (listener, Systemd { socket: Some(socket), watchdog: None })
    }

    #[test]
    fn words_arrive_as_systemd_reads_them() {
        let directory = tempfile::tempdir().unwrap();
        let (listener, systemd) = listening_at(&directory.path().join("notify"));
        systemd.ready("listening on\nhttp://[::1]:1");
        assert_eq!(heard(&listener).unwrap(), "READY=1\nSTATUS=listening on http://[::1]:1");
        systemd.stopping(Duration::from_millis(15));
        assert_eq!(heard(&listener).unwrap(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000");
    }

    #[test]
    fn an_abstract_address_is_understood() {
        let name = format!("linkops-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        let systemd =
            Systemd { socket: Some(connect(&format!("@{name}")).unwrap()), watchdog: None };
        systemd.ready("");
        assert_eq!(heard(&listener).unwrap(), "READY=1\nSTATUS=");
    }

    #[test]
    fn a_systemd_that_is_not_there_costs_nothing() {
        assert!(connect("/nowhere/notify").is_err());
        assert!(connect("vsock:2:1234").is_err());
        let directory = tempfile::tempdir().unwrap();
        let (listener, systemd) = listening_at(&directory.path().join("notify"));
        drop(listener);
        systemd.ready("nobody hears it");
        let stop = Arc::new(Latch::new().unwrap());
        let silent = Arc::new(Systemd::default());
        assert!(silent.watch(|| true, stop).unwrap().is_none());
    }

    #[test]
    fn life_is_told_only_while_there_is_some() {
        let directory = tempfile::tempdir().unwrap();
        let (listener, systemd) = listening_at(&directory.path().join("notify"));
        let watchdog = Some(Duration::from_millis(40));
        let systemd = Arc::new(Systemd { watchdog, ..systemd });
        let stop = Arc::new(Latch::new().unwrap());
        let alive = Arc::new(AtomicBool::new(true));
        let (asked, was_asked) = std::sync::mpsc::channel();
        let answer = {
            let alive = Arc::clone(&alive);
            move || {
                let answer = alive.load(Ordering::SeqCst);
                let _ = asked.send(answer);
                answer
            }
        };
        let handle = systemd.watch(answer, Arc::clone(&stop)).unwrap().unwrap();
        assert_eq!(heard(&listener).unwrap(), "WATCHDOG=1");
        alive.store(false, Ordering::SeqCst);
        while was_asked.recv().unwrap() {}
        // From here on every answer is no, and what was told before can be counted out.
        listener.set_nonblocking(true).unwrap();
        while heard(&listener).is_some() {}
        for _ in 0..3 {
            assert!(!was_asked.recv().unwrap());
        }
        assert_eq!(heard(&listener), None);
        stop.set();
        handle.join();
    }
}
