//! WebSockets: who may open one, what is carried, and how each way to end is told.

use super::*;
use crate::support::wait_until;
use crate::support::websocket::{Client, Got};
use linkops::http::websocket::{self, End, MAX_MESSAGE, Socket};
use linkops::threads::Latch;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tungstenite::Message;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// Messages of the largest size that two kernels can hold, generously.
const MOST_UNREAD: usize = 1024;

/// How the sockets of a server ended, as their functions saw it.
type Ends = Arc<Mutex<Vec<End>>>;

/// Answers each message with itself, up to "end", which asks for a closing with 1008.
fn echo_messages(socket: &mut Socket, bell: &Latch) -> End {
    let watch = socket.watch().unwrap();
    loop {
        if socket.stopping() {
            return End::Close(1001, "stopping");
        }
        let turn = || -> Result<(), End> {
            socket.flush()?;
            // Who sends only what was taken holds one message.
            while !socket.is_sending()
                && let Some(text) = socket.receive()?
            {
                if text == "end" {
                    return Err(End::Close(1008, "as asked for"));
                }
                socket.send(text)?;
                socket.flush()?;
            }
            socket.keep_alive()?;
            let wish = socket.wish(!socket.is_sending(), Instant::now() + LONG);
            watch.wait(&wish, bell.as_fd())
        };
        if let Err(end) = { turn }() {
            return end;
        }
    }
}

fn echo_server(interval: Duration) -> (Server, Ends) {
    let ends = Ends::default();
    let told = Arc::clone(&ends);
    let origins = vec!["https://console.example".to_owned()];
    let settings_of = websocket::Settings { origins, ping_interval: interval };
    let server = serve(settings(), move |request| {
        let told = Arc::clone(&told);
        let run = move |mut socket: Socket| {
            let end = echo_messages(&mut socket, &Latch::new().unwrap());
            told.lock().unwrap().push(end.clone());
            if let End::Close(code, reason) = end {
                socket.close(code, reason);
            }
        };
        let accepted = websocket::accept(&request, &settings_of);
        accepted.map(|accepted| accepted.run(run)).unwrap_or_else(|error| {
            Response::new(400).body("text/plain", error.to_string().into_bytes())
        })
    });
    (server, ends)
}

fn ended(server: &Server, ends: &Ends, end: End) {
    wait_until(deadline(), "the socket ends", || ends.lock().unwrap().contains(&end));
    wait_for(server, "nothing is left", |figures| figures.streams == 0 && figures.connections == 0);
}

#[test]
fn messages_are_carried_both_ways_in_order() {
    let (server, ends) = echo_server(LONG);
    let mut client = Client::open(server.local_addr(), "/", &[]);
    for text in ["first", "", "žluťoučký \u{1f40e}", &"x".repeat(MAX_MESSAGE)] {
        client.send(text);
        assert_eq!(client.text(), text);
    }
    (0..100).for_each(|number| client.send(number.to_string()));
    (0..100).for_each(|number| assert_eq!(client.text(), number.to_string()));
    client.send("end");
    assert_eq!(client.next(), Got::Close(1008));
    ended(&server, &ends, End::Close(1008, "as asked for"));
}

#[test]
fn what_comes_right_behind_the_handshake_is_not_lost() {
    let (server, _) = echo_server(LONG);
    let mut client = super::Client::new(&server);
    // A masked frame with "Hi": RFC 6455 section 5.7, with a mask of zeros.
    client.send(
        [
            &b"GET / HTTP/1.1\r\nHost: b\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"[..],
            &[0x81, 0x82, 0, 0, 0, 0, b'H', b'i'][..],
        ]
        .concat(),
    );
    assert_eq!(client.head().status, 101);
    assert_eq!(client.exactly(4), [0x81, 2, b'H', b'i']);
}

#[test]
fn what_is_no_handshake_is_refused() {
    let (server, ends) = echo_server(LONG);
    let refused = |header: (&str, &str)| {
        let reply = Client::try_open(server.local_addr(), "/", &[header]).err();
        reply.unwrap_or_else(|| panic!("{header:?} was accepted")).status
    };
    for header in [
        ("Connection", ""),
        ("Connection", "close"),
        ("Upgrade", ""),
        ("Upgrade", "h2c"),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Version", ""),
        ("Sec-WebSocket-Key", ""),
        ("Sec-WebSocket-Key", "short"),
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
    ] {
        assert_eq!(refused(header), 400, "{header:?}");
    }
    let post = super::Client::new(&server).ask("POST / HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(post.status, 400);
    for origin in ["http://test", "https://test", "https://console.example"] {
        drop(Client::open(server.local_addr(), "/", &[("Origin", origin)]));
    }
    ended(&server, &ends, End::Gone);
}

#[test]
fn what_breaks_the_rules_is_told_by_its_code() {
    let frame = |head: &[u8], text: &[u8]| [head, &[0, 0, 0, 0], text].concat();
    let too_long = (MAX_MESSAGE as u64 + 1).to_be_bytes();
    for (code, bytes) in [
        (1009, frame(&[&[0x81, 0xff], &too_long[..]].concat(), b"it need not be sent")),
        (1007, frame(&[0x81, 0x82], &[0xff, 0xfe])),
        (1003, frame(&[0x82, 0x81], b"x")),
        (1002, frame(&[0x85, 0x81], b"x")), // an unknown kind
        (1002, vec![0x81, 1, b'x']),        // not masked
        (1002, frame(&[0x80, 0x81], b"x")), // goes on with nothing
        (1002, frame(&[0xf1, 0x81], b"x")), // reserved bits
    ] {
        let (server, ends) = echo_server(LONG);
        let mut client = Client::open(server.local_addr(), "/", &[]);
        client.stream().write_all(&bytes).unwrap();
        assert_eq!(client.next(), Got::Close(code), "{bytes:?}");
        wait_until(deadline(), "it ends", || {
            let ends = ends.lock().unwrap();
            ends.iter().any(|end| matches!(end, End::Close(told, _) if *told == code))
        });
        // The last word arrives although more was sent than anybody has read.
        drop(client);
        wait_for(&server, "nothing is left", |figures| figures.streams == 0);
    }
}

#[test]
fn a_message_in_pieces_has_the_same_limit() {
    let (server, _) = echo_server(LONG);
    let piece = |first: u8, size: usize| {
        let length = u16::try_from(size).unwrap().to_be_bytes();
        [&[first, 0xfe, length[0], length[1], 0, 0, 0, 0], &vec![b'x'; size][..]].concat()
    };
    let mut client = Client::open(server.local_addr(), "/", &[]);
    let half = MAX_MESSAGE / 2;
    client.stream().write_all(&[piece(0x01, half), piece(0x80, half)].concat()).unwrap();
    assert_eq!(client.text().len(), MAX_MESSAGE);
    client.stream().write_all(&[piece(0x01, half), piece(0x80, half + 1)].concat()).unwrap();
    assert_eq!(client.next(), Got::Close(1009));
}

#[test]
fn a_client_that_closes_or_vanishes_leaves_nothing() {
    let (server, ends) = echo_server(LONG);
    let mut client = Client::open(server.local_addr(), "/", &[]);
    assert!(client.try_send(Message::Close(None)));
    assert_eq!(client.next(), Got::Close(1005));
    ended(&server, &ends, End::Gone);
    ends.lock().unwrap().clear();
    let client = Client::open(server.local_addr(), "/", &[]);
    wait_for(&server, "the socket is open", |figures| figures.streams == 1);
    drop(client);
    ended(&server, &ends, End::Gone);
}

#[test]
fn a_client_that_answers_pings_stays_and_a_dead_one_goes() {
    let (server, ends) = echo_server(Duration::from_secs(1));
    let mut client = Client::open(server.local_addr(), "/", &[]);
    let silent = Client::open(server.local_addr(), "/", &[]);
    // It reads, and so answers, until the other one was given up.
    client.stream().set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    wait_until(deadline(), "the silent one is given up", || {
        assert_eq!(client.next(), Got::Nothing);
        server.figures().streams == 1
    });
    assert_eq!(*ends.lock().unwrap(), [End::Gone]);
    client.send("still here");
    client.stream().set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.text(), "still here");
    drop(silent);
}

/// A page that does not read is not dead: what is written to it waits, and is lost in no part.
#[test]
fn a_client_that_does_not_read_is_waited_for() {
    let (server, ends) = echo_server(Duration::from_millis(150));
    let mut client = Client::open(server.local_addr(), "/", &[]);
    let text = "x".repeat(MAX_MESSAGE);
    // More than both kernels take: the echo must wait, and so must we at last.
    client.stream().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut sent = 0;
    while client.try_send(Message::Text(text.clone().into())) {
        sent += 1;
        assert!(sent < MOST_UNREAD, "it is held in memory");
    }
    assert!(ends.lock().unwrap().is_empty(), "it was cut: {ends:?}");
    for _ in 0..sent {
        assert_eq!(client.text().len(), MAX_MESSAGE);
    }
}

/// A function that does not look at `is_sending` loses its socket, not our memory.
#[test]
fn who_sends_more_than_the_client_takes_is_stopped() {
    let ends = Ends::default();
    let told = Arc::clone(&ends);
    let settings_of = websocket::Settings { origins: Vec::new(), ping_interval: LONG };
    let server = serve(settings(), move |request| {
        let told = Arc::clone(&told);
        let run = move |mut socket: Socket| {
            let text = "x".repeat(MAX_MESSAGE);
            let sent = (0..MOST_UNREAD).try_for_each(|_| socket.send(text.clone()));
            told.lock().unwrap().extend(sent.err());
        };
        websocket::accept(&request, &settings_of).expect("a handshake").run(run)
    });
    let client = Client::open(server.local_addr(), "/", &[]);
    wait_until(deadline(), "it is stopped", || {
        matches!(ends.lock().unwrap()[..], [End::Close(1011, _)])
    });
    drop(client);
}

#[test]
fn a_stop_is_told() {
    let (server, ends) = echo_server(LONG);
    let mut client = Client::open(server.local_addr(), "/", &[]);
    client.send("here");
    assert_eq!(client.text(), "here");
    let stopping = linkops::threads::spawn("stop", move || server.stop(deadline())).unwrap();
    assert_eq!(client.next(), Got::Close(1001));
    stopping.join();
    assert_eq!(*ends.lock().unwrap(), [End::Close(1001, "stopping")]);
}
