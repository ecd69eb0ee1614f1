//! A server short of descriptors, or under a flood, in a process of its own, whose memory,
//! threads and descriptors can be counted: it answers by waiting, never by dying.

use super::*;
use crate::support::wait_until;
use std::io::BufRead;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Set in the process that is a server.
const CHILD: &str = "LINKOPS_TEST_HTTP_SERVER";

/// Not a test of its own: the server that [`Process::start`] runs. It lives as long as its input.
#[test]
fn server_of_other_tests() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let settings = Settings {
        max_connections: 2000,
        max_connections_per_address: 2000,
        max_streams: 1000,
        ..settings()
    };
    let server = serve(settings, |request| match request.segments() {
        [name] if name == "events" => Response::stream(200, "text/event-stream", |stream| {
            stream.write_all(b"\n")?;
            while !stream.is_gone() && !stream.stopping() {
                stream.wait(Duration::from_secs(600));
            }
            Ok(())
        }),
        [name] if name == "upgrade" => Response::upgrade(Vec::new(), |mut upgraded| {
            let _ = upgraded.socket.read(&mut [0]);
        }),
        _ => describe(request),
    });
    println!("\nlistening on {}", server.local_addr());
    let _ = std::io::stdin().read(&mut [0]);
    server.stop(std::time::Instant::now());
    println!("\nstopped");
}

/// A server in its own process.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// `limit` is a shell command that runs first.
    fn start(limit: &str) -> Process {
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "http::exhaustion::server_of_other_tests", "--nocapture"])
            .env(CHILD, "yes")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let address = lines
            .find_map(|line| line.unwrap().strip_prefix("listening on ")?.parse().ok())
            .expect("the server's address");
        Process { child, address }
    }

    fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// A fresh connection is answered.
    fn answers(&self) {
        assert_eq!(self.client().ask(GET).text(), "GET hello ");
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().count()
    }

    /// Resident memory in KiB.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends the server in order; it must have lived until now.
    fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }

    /// Waits until descriptors and threads are as few as before.
    fn settles(&self, before: (usize, usize)) {
        wait_until(deadline(), "nothing is left", || {
            self.descriptors() <= before.0 && self.threads() <= before.1
        });
    }

    /// Descriptors and threads of a server that has answered and has no connection.
    fn at_rest(&self) -> (usize, usize) {
        let before = self.descriptors();
        self.answers();
        wait_until(deadline(), "the connection is gone", || self.descriptors() <= before);
        (self.descriptors(), self.threads())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn out_of_descriptors_connections_wait_until_there_are_some() {
    let server = Process::start("ulimit -n 60");
    let mut kept = server.client();
    assert_eq!(kept.ask(GET).status, 200);
    for _ in 0..3 {
        let mut crowd: Vec<Client> = (0..150).map(|_| server.client()).collect();
        for client in &mut crowd {
            client.send(GET);
        }
        wait_until(deadline(), "the descriptors are used up", || server.descriptors() >= 60);
        assert_eq!(kept.ask(GET).status, 200, "those inside are served meanwhile");
        // An upgrade needs one more, and says so honestly.
        kept.send("GET /upgrade HTTP/1.1\r\nHost: b\r\n\r\n");
        let reply = kept.reply();
        assert_eq!(reply.status, 503);
        for mut client in crowd {
            assert_eq!(client.reply().status, 200);
        }
    }
    server.answers();
    server.stop();
}

#[test]
fn what_clients_leave_behind_is_nothing() {
    let server = Process::start(":");
    let before = server.at_rest();
    for _ in 0..600 {
        server.client().send("GET / HTTP/2.0\r\n\r\n");
    }
    for bytes in ["", "GET", "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\n1"] {
        (0..50).for_each(|_| server.client().send(bytes));
    }
    server.settles(before);
    for path in ["events", "upgrade"] {
        let mut streams: Vec<Client> = (0..100).map(|_| server.client()).collect();
        for client in &mut streams {
            client.send(format!("GET /{path} HTTP/1.1\r\nHost: b\r\n\r\n"));
        }
        assert!(streams.iter_mut().all(|client| client.head().status < 300));
        assert!(server.threads() >= before.1 + 100);
        drop(streams);
        server.settles(before);
    }
    server.answers();
    server.stop();
}

#[test]
fn hostile_clients_cost_bounded_memory() {
    let server = Process::start(":");
    server.answers();
    let before = server.memory();
    let grown = || server.memory().saturating_sub(before) >> 10;
    let line = vec![b'x'; 1 << 20];
    for _ in 0..20 {
        let mut client = server.client();
        client.send("GET / HTTP/1.1\r\nHost: b\r\nA: ");
        (0..8).take_while(|_| client.try_send(&line)).count();
        let head = "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 100000000000\r\n\r\n";
        assert_eq!(server.client().ask(head).status, 413);
        let mut chunks = server.client();
        chunks.send("POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n");
        let long_extension = [b"1;", line.as_slice()].concat();
        chunks.try_send(&long_extension);
    }
    assert!(grown() < 16, "long heads: {} MiB", grown());

    // 40 × 9 MiB of bodies that never end; 32 MiB are kept.
    let head = "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 10485760\r\n\r\n";
    let bodies: Vec<Client> = (0..40)
        .map(|_| {
            let mut client = server.client();
            client.send(head);
            (0..9).take_while(|_| client.try_send(&line)).count();
            client
        })
        .collect();
    server.answers();
    assert!(grown() < 3 * 32, "unfinished bodies: {} MiB", grown());
    drop(bodies);

    // A flood of requests whose answers nobody reads.
    let flood = GET.repeat(20_000);
    let floods: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = server.client();
            client.socket.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            client.try_send(&flood);
            client
        })
        .collect();
    server.answers();
    assert!(grown() < 3 * 32, "pipelined floods: {} MiB", grown());
    drop(floods);
    server.answers();
    server.stop();
}

#[test]
fn idle_connections_cost_little() {
    let server = Process::start(":");
    server.answers();
    let (memory, threads) = (server.memory(), server.threads());
    let mut idle: Vec<Client> = (0..200).map(|_| server.client()).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: b\r\nA: {}\r\n\r\n", "x".repeat(15_000));
    assert!(idle.iter_mut().all(|client| client.ask(&request).status == 200));
    assert_eq!(server.threads(), threads);
    let each = server.memory().saturating_sub(memory) * 1024 / idle.len();
    assert!(each < 8 << 10, "{each} bytes per idle connection");
    server.stop();
}
