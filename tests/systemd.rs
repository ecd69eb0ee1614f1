//! What systemd hears from the real program: ready, alive, stopping, each when it is true.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::PATIENCE;
use crate::support::client::send;
use crate::support::place::{Done, Place};

/// systemd's end of the socket.
struct Listener {
    socket: UnixDatagram,
    address: String,
}

impl Listener {
    fn at(address: &str) -> Listener {
        let socket = match address.strip_prefix('@') {
            Some(name) => {
                UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
            }
            None => UnixDatagram::bind(address).unwrap(),
        };
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Listener { socket, address: address.to_owned() }
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 512];
        let length = self.socket.recv(&mut buffer).expect("a word");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// Starts the server as systemd does; all it prints goes away.
    fn start(&self, place: &Place) -> Child {
        let mut command = self.tell(place.command(&["serve"]));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn tell(&self, mut command: Command) -> Command {
        command.env("NOTIFY_SOCKET", &self.address).env("WATCHDOG_USEC", "400000");
        command
    }
}

fn stop(child: &mut Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// R13.1, R13.2: readiness when requests are answered, life while they are, the end when it
/// has begun.
#[test]
fn systemd_hears_when_we_serve_live_and_stop() {
    let place = Place::new("[operations]\ndrain_timeout = 7\n");
    let path = place.path("notify");
    for address in [path.to_str().unwrap(), &format!("@linkops-{}", std::process::id())] {
        let systemd = Listener::at(address);
        let mut child = systemd.start(&place);
        let ready = systemd.hear();
        let url = ready.strip_prefix("READY=1\nSTATUS=listening on http://").expect("readiness");
        assert_eq!(send(url.parse().unwrap(), "GET", "/health", &[], b"").status, 200);
        assert!(place.path("linkops.db").exists());
        assert_eq!(systemd.hear(), "WATCHDOG=1");
        assert_eq!(systemd.hear(), "WATCHDOG=1");
        stop(&mut child);
        let mut last = systemd.hear();
        while last == "WATCHDOG=1" {
            last = systemd.hear();
        }
        assert_eq!(last, "STOPPING=1\nEXTEND_TIMEOUT_USEC=27000000");
    }
}

/// R13.3: a crash is a failure, after which the unit has systemd start it again; then it is ready
/// again, with what was there.
#[test]
fn a_server_that_crashed_is_started_again() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/linkopsd.service");
    let unit = fs::read_to_string(unit).unwrap();
    for setting in ["Type=notify", "Restart=on-failure", "WatchdogSec=60s"] {
        assert!(unit.lines().any(|line| line == setting), "{setting}");
    }
    let place = Place::new("");
    let systemd = Listener::at(place.path("notify").to_str().unwrap());
    let mut child = systemd.start(&place);
    assert!(systemd.hear().starts_with("READY=1"));
    child.kill().unwrap();
    // systemd.service(5): an end by a signal such as this is no clean one.
    assert_eq!(child.wait().unwrap().code(), None);
    let mut again = systemd.start(&place);
    let mut word = systemd.hear();
    while word == "WATCHDOG=1" {
        word = systemd.hear();
    }
    assert!(word.starts_with("READY=1"), "{word}");
    stop(&mut again);
}

#[test]
fn a_server_that_cannot_start_is_never_ready() {
    let place = Place::new("");
    let systemd = Listener::at(place.path("notify").to_str().unwrap());
    let mut first = systemd.start(&place);
    let ready = systemd.hear();
    let (_, port) = ready.rsplit_once(':').unwrap();
    let mut second = place.command(&["serve"]);
    second.env("LINKOPS_API_PORT", port).env("LINKOPS_DATABASE_PATH", place.path("b.db"));
    let other = Listener::at(place.path("other").to_str().unwrap());
    Done::from(other.tell(second).output().unwrap()).failed(1, &[]);
    other.socket.set_nonblocking(true).unwrap();
    assert!(other.socket.recv(&mut [0; 64]).is_err(), "a word from a server that did not start");
    stop(&mut first);
}
