//! Stopping: what is idle ends at once, what is in progress is finished, all threads are joined.

use super::*;
use crate::support::PATIENCE;
use crossbeam_channel::bounded;
use std::time::{Duration, Instant};

#[test]
fn idle_connections_are_closed_and_new_ones_refused() {
    let server = echo(settings());
    let address = server.local_addr();
    let mut fresh = Client::new(&server);
    let mut used = Client::new(&server);
    assert_eq!(used.ask(GET).status, 200);
    wait_for(&server, "both are accepted", |figures| figures.connections == 2);
    server.stop(deadline());
    assert!(fresh.is_closed());
    assert!(used.is_closed());
    assert!(TcpStream::connect(address).is_err());
}

/// What the watchdog asks.
#[test]
fn the_pulse_beats_while_there_is_a_reactor() {
    let server = echo(settings());
    let pulse = server.pulse();
    assert!(pulse(), "the first answer is always yes");
    for _ in 0..3 {
        crate::support::wait_until(deadline(), "it beats without any client", &pulse);
    }
    server.stop(deadline());
    pulse();
    assert!(!pulse() && !pulse());
}

#[test]
fn requests_in_progress_are_answered() {
    let (enter, entered) = bounded(0);
    let (open, gate) = bounded::<()>(0);
    let server = serve(settings(), move |_| {
        enter.send(()).unwrap();
        gate.recv().unwrap();
        Response::json(200, &b"done"[..])
    });
    let address = server.local_addr();
    // The second one is half here, the third one waits behind the first on its connection.
    let mut second = Client::sending(&server, "POST / HTTP/1.1\r\nHost: b\r\n");
    let mut first = Client::sending(&server, [GET, GET].concat());
    entered.recv().unwrap();
    wait_for(&server, "both are accepted", |figures| figures.connections == 2);
    std::thread::scope(|scope| {
        scope.spawn(|| server.stop(deadline()));
        crate::support::wait_until(deadline(), "the listener closes", || {
            TcpStream::connect(address).is_err()
        });
        open.send(()).unwrap();
        let reply = first.reply();
        assert_eq!((reply.text(), reply.header("Connection")), ("done", Some("close")));
        assert!(first.is_closed());
        second.send("Content-Length: 2\r\n\r\nab");
        entered.recv().unwrap();
        open.send(()).unwrap();
        let reply = second.reply();
        assert_eq!((reply.text(), reply.header("Connection")), ("done", Some("close")));
    });
}

#[test]
fn streams_are_told() {
    let server = serve(settings(), |_| {
        Response::stream(200, "text/plain", |stream| {
            stream.write_all(b"start")?;
            while !stream.stopping() {
                stream.wait(PATIENCE * 10);
            }
            stream.write_all(b"end")
        })
    });
    let mut client = Client::sending(&server, GET);
    client.head();
    assert_eq!(client.chunk().unwrap(), b"start");
    server.stop(deadline());
    assert_eq!(client.chunk().unwrap(), b"end");
    assert_eq!(client.chunk(), None);
}

#[test]
fn upgraded_connections_are_told() {
    let server = serve(settings(), |_| {
        Response::upgrade(vec![("Upgrade", "wait".to_owned())], |mut upgraded| {
            assert!(upgraded.stop.wait(PATIENCE * 10));
            upgraded.socket.write_all(b"bye").unwrap();
        })
    });
    let mut client = Client::sending(&server, GET);
    assert_eq!(client.head().status, 101);
    server.stop(deadline());
    assert_eq!(client.exactly(3), b"bye");
    assert!(client.is_closed());
}

#[test]
fn at_the_deadline_sockets_are_shut_down() {
    let settings = Settings { workers: 2, write_timeout: PATIENCE * 10, ..settings() };
    let server = serve(settings, |request| match request.segments()[0].as_str() {
        "stream" => Response::stream(200, "text/plain", |stream| {
            loop {
                stream.write_all(&[b'x'; 1 << 16])?; // its client does not read
            }
        }),
        "upgrade" => Response::upgrade(Vec::new(), |mut upgraded| {
            let _ = upgraded.socket.read(&mut [0]); // its client does not write
        }),
        _ => Response::new(200).body("text/plain", vec![b'x'; 32 << 20]), // nor is this read
    });
    let get = |name: &str| format!("GET /{name} HTTP/1.1\r\nHost: b\r\n\r\n");
    let _stream = Client::sending(&server, get("stream"));
    let mut upgraded = Client::sending(&server, get("upgrade"));
    let _large = Client::sending(&server, get("large"));
    let _half = Client::sending(&server, "GET / HTTP/1.1\r\n");
    assert_eq!(upgraded.head().status, 101);
    wait_for(&server, "all are at work", |figures| {
        figures.streams == 2 && figures.requests == 3 && figures.connections == 4
    });
    server.stop(Instant::now() + Duration::from_millis(50));
    assert!(upgraded.is_closed());
}

#[test]
fn dropping_a_server_stops_it() {
    let server = echo(settings());
    let mut client = Client::new(&server);
    assert_eq!(client.ask(GET).status, 200);
    drop(server);
    assert!(client.is_closed());
}

#[test]
fn a_bound_listener_reports_what_is_wrong_with_its_address() {
    let taken = Listener::bind(settings()).unwrap();
    let address = taken.local_addr();
    let error = Listener::bind(Settings { address, ..settings() }).unwrap_err().chain();
    assert!(error.starts_with(&format!("cannot listen on \"{address}\": ")), "{error}");
    // Its clients wait until it serves.
    let mut early = Client::to(address);
    early.send(GET);
    let server = taken.serve(Arc::new(describe)).unwrap();
    assert_eq!(early.reply().status, 200);
    drop(server);
}
