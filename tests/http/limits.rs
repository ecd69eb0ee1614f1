//! Deadlines and caps: on time, on connections, on memory.

use super::*;
use crate::support::wait_until;
use crossbeam_channel::bounded;
use linkops::threads::Latch;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(100);

/// Sends a byte every few milliseconds until the server answers or closes.
fn drip(client: &mut Client) {
    client.socket.set_nonblocking(true).unwrap();
    let mut byte = [0];
    wait_until(deadline(), "the server ends a client that drips", || {
        let ended = !client.try_send("a");
        ended || client.socket.peek(&mut byte).is_ok()
    });
    client.socket.set_nonblocking(false).unwrap();
}

#[test]
fn a_slow_head_is_408() {
    // Time for both to connect and to say something.
    let server = echo(Settings { head_timeout: Duration::from_secs(1), ..settings() });
    let mut stuck = Client::sending(&server, "GET / HTTP/1.1\r\nHost:");
    let mut dripping = Client::sending(&server, "GET / HTTP/1.1\r\nA: ");
    drip(&mut dripping);
    for client in [&mut stuck, &mut dripping] {
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("Connection")), (408, Some("close")));
        assert!(client.is_closed());
    }
}

#[test]
fn a_slow_body_is_408() {
    let server = echo(Settings { request_timeout: SHORT, ..settings() });
    let head = "POST / HTTP/1.1\r\nHost: b\r\nX-Request-Id: me\r\n";
    let mut stuck = Client::sending(&server, format!("{head}Content-Length: 5\r\n\r\nab"));
    let mut dripping = Client::sending(&server, format!("{head}Content-Length: 99999\r\n\r\n"));
    drip(&mut dripping);
    for client in [&mut stuck, &mut dripping] {
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("X-Request-Id")), (408, Some("me")));
        assert!(client.is_closed());
    }
}

#[test]
fn silent_connections_are_closed_without_a_word() {
    let server = echo(Settings { idle_timeout: SHORT, ..settings() });
    let mut client = Client::new(&server);
    assert_eq!(client.ask(GET).status, 200);
    assert!(client.is_closed());
    let server = echo(Settings { head_timeout: SHORT, ..settings() });
    assert!(Client::new(&server).is_closed());
    // Empty lines are no request and buy no time.
    let mut client = Client::new(&server);
    wait_until(deadline(), "empty lines do not keep a connection", || !client.try_send("\r\n"));
}

#[test]
fn a_client_that_does_not_read_is_cut() {
    const LENGTH: usize = 32 << 20;
    let settings = Settings { write_timeout: SHORT, ..settings() };
    let server = serve(settings, |_| Response::new(200).body("text/plain", vec![b'x'; LENGTH]));
    let _stuck = Client::sending(&server, GET);
    wait_for(&server, "the stuck reader is cut", |figures| {
        figures.requests == 1 && figures.connections == 0
    });
    // Reading a little does not help either.
    let mut dripping = Client::sending(&server, GET);
    let mut total = 0;
    wait_until(deadline(), "the dripping reader is cut", || {
        let mut bytes = [0; 4096];
        let length = dripping.socket.read(&mut bytes).unwrap_or(0);
        total += length;
        server.figures() == linkops::http::Figures { connections: 0, streams: 0, requests: 2 }
    });
    assert!(total < LENGTH);
}

#[test]
fn a_request_that_waited_too_long_is_not_started() {
    let (enter, entered) = bounded(0);
    let (open, gate) = bounded::<()>(0);
    // Long enough that the first one is not late, however busy the machine is.
    let request_timeout = Duration::from_secs(2);
    let settings = Settings { workers: 1, request_timeout, ..settings() };
    let server = serve(settings, move |request| {
        assert_eq!(request.segments(), ["first"], "it was to be refused");
        enter.send(()).unwrap();
        gate.recv().unwrap();
        Response::new(204)
    });
    let mut first = Client::sending(&server, "GET /first HTTP/1.1\r\nHost: b\r\n\r\n");
    entered.recv().unwrap();
    let mut second = Client::sending(&server, GET);
    wait_for(&server, "the second is queued", |figures| figures.requests == 2);
    let late = Instant::now() + request_timeout;
    wait_until(deadline(), "the second is late", || Instant::now() > late);
    open.send(()).unwrap();
    assert_eq!(first.reply().status, 204);
    let reply = second.reply();
    assert_eq!(reply.status, 503);
    assert!(reply.header("Retry-After").is_some());
}

#[test]
fn connections_over_the_cap_are_told_so() {
    let server = echo(Settings { max_connections: 2, ..settings() });
    let mut kept: Vec<Client> = (0..2).map(|_| Client::new(&server)).collect();
    assert!(kept.iter_mut().all(|client| client.ask(GET).status == 200));
    for _ in 0..100 {
        let mut client = Client::sending(&server, GET);
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("Connection")), (503, Some("close")));
        assert!(reply.header("Retry-After").is_some());
        assert!(client.is_closed());
    }
    assert!(kept.iter_mut().all(|client| client.ask(GET).status == 200));
    kept.pop();
    wait_for(&server, "a place is free", |figures| figures.connections == 1);
    assert_eq!(Client::new(&server).ask(GET).status, 200);
}

#[test]
fn a_crowd_over_the_cap_costs_little() {
    let server = echo(Settings { max_connections: 1, ..settings() });
    let mut kept = Client::new(&server);
    assert_eq!(kept.ask(GET).status, 200);
    let _crowd: Vec<Client> = (0..150).map(|_| Client::new(&server)).collect();
    assert_eq!(kept.ask(GET).status, 200);
    // 64 are told so, and the others only closed.
    assert!(server.figures().connections <= 1 + 64);
}

#[test]
fn one_address_has_its_own_cap_unless_it_is_a_trusted_proxy() {
    let capped = Settings { max_connections_per_address: 2, ..settings() };
    let server = echo(capped.clone());
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(&server)).collect();
    let statuses: Vec<u16> = clients.iter_mut().map(|client| client.ask(GET).status).collect();
    assert_eq!(statuses, [200, 200, 503]);

    let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let server = echo(Settings { trusted_proxies, ..capped });
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(&server)).collect();
    assert!(clients.iter_mut().all(|client| client.ask(GET).status == 200));
}

#[test]
fn the_body_that_arrives_longest_makes_room() {
    let server = echo(Settings { max_buffered: 100_000, max_body: 90_000, ..settings() });
    let post =
        |length: usize| format!("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: {length}\r\n\r\n");
    let some = |length: usize| vec![b'x'; length];
    let mut old = Client::sending(&server, [post(50_001).as_bytes(), &some(50_000)].concat());
    let mut new = Client::sending(&server, [post(60_001).as_bytes(), &some(60_000)].concat());
    let reply = old.reply();
    assert_eq!((reply.status, reply.header("Connection")), (503, Some("close")));
    assert_eq!(new.ask("x").body.len(), 60_001 + "POST  ".len());
    // Its memory is free again.
    let again = [post(80_000).as_bytes(), &some(80_000)].concat();
    assert_eq!(new.ask(&again).status, 200);
    assert_eq!(new.ask(&again).status, 200);
}

/// Also when it is the one which wants more.
#[test]
fn the_body_that_arrives_longest_takes_no_room_from_a_younger_one() {
    let server = echo(Settings { max_buffered: 100_000, max_body: 90_000, ..settings() });
    let expecting = |length: usize| {
        let head = "POST / HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\n";
        let mut client =
            Client::sending(&server, format!("{head}Content-Length: {length}\r\n\r\n"));
        assert_eq!(client.head().status, 100);
        client
    };
    let (mut old, mut new) = (expecting(80_000), expecting(50_001));
    old.send(vec![b'x'; 45_000]);
    new.send(vec![b'x'; 50_000]);
    old.send(vec![b'x'; 10_000]);
    assert_eq!(old.reply().status, 503);
    assert_eq!(new.ask("x").status, 200);
}

#[test]
fn bodies_in_the_works_count_and_make_no_room() {
    let (enter, entered) = bounded(0);
    let stop = std::sync::Arc::new(Latch::new().unwrap());
    let go_on = std::sync::Arc::clone(&stop);
    let settings = Settings { max_buffered: 100_000, max_body: 90_000, ..settings() };
    let server = serve(settings, move |_| {
        enter.send(()).unwrap();
        go_on.wait(crate::support::PATIENCE);
        Response::new(204)
    });
    let post = format!(
        "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 80000\r\n\r\n{}",
        "x".repeat(80_000)
    );
    let mut first = Client::sending(&server, &post);
    entered.recv().unwrap();
    assert_eq!(Client::new(&server).ask(&post).status, 503);
    stop.set();
    assert_eq!(first.reply().status, 204);
}

#[test]
fn no_setting_of_time_stops_the_server() {
    let all = |time| Settings {
        head_timeout: time,
        request_timeout: time,
        write_timeout: time,
        idle_timeout: time,
        ..settings()
    };
    assert_eq!(Client::new(&echo(all(Duration::MAX))).ask(GET).status, 200);
    let server = echo(all(Duration::ZERO));
    assert!(Client::new(&server).is_closed());
    server.stop(deadline());
}
