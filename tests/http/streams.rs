//! Streams and upgraded connections: flushed, capped, and gone when their client is.

use super::*;
use crossbeam_channel::bounded;
use linkops::http::{Stream, sse};
use std::time::Duration;

/// Longer than any test: what ends earlier was woken.
const LONG: Duration = Duration::from_secs(600);

/// Says one event and then nothing, until its client goes or the server stops.
fn silent(stream: &mut Stream) -> std::io::Result<()> {
    stream.write_all(sse::event("1", "start", "{}").as_bytes())?;
    while !stream.is_gone() && !stream.stopping() {
        stream.wait(LONG);
    }
    Ok(())
}

fn silent_server(settings: Settings) -> Server {
    serve(settings, |request| match request.segments() {
        [name] if name == "events" => Response::stream(200, "text/event-stream", silent),
        _ => describe(request),
    })
}

const EVENTS: &str = "GET /events HTTP/1.1\r\nHost: b\r\n\r\n";
const FIRST: &[u8] = b"id: 1\nevent: start\ndata: {}\n\n";

#[test]
fn each_write_arrives_at_once_and_the_end_is_told() {
    let (more, next) = bounded::<&str>(0);
    let server = serve(settings(), move |_| {
        let next = next.clone();
        Response::stream(200, "text/plain", move |stream| {
            next.iter().take_while(|text| *text != "end").try_for_each(|text| {
                stream.write_all(b"")?;
                stream.write_all(text.as_bytes())
            })
        })
    });
    let mut client = Client::sending(&server, GET);
    let head = client.head();
    assert_eq!((head.status, head.header("Transfer-Encoding")), (200, Some("chunked")));
    assert_eq!(head.header("Connection"), Some("close"));
    for text in ["a", "some more"] {
        more.send(text).unwrap();
        assert_eq!(client.chunk().unwrap(), text.as_bytes());
    }
    more.send("end").unwrap();
    assert_eq!(client.chunk(), None);
    assert!(client.is_closed());
}

#[test]
fn an_http10_stream_ends_with_its_connection() {
    let server = serve(settings(), |_| {
        Response::stream(200, "text/plain", |stream| stream.write_all(b"all"))
    });
    let mut client = Client::sending(&server, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.text(), reply.header("Connection")), ("all", Some("close")));
}

#[test]
fn a_stream_that_fails_is_seen_to_be_cut() {
    let server = serve(settings(), |request| {
        Response::stream(200, "text/plain", move |stream| {
            stream.write_all(b"half")?;
            assert!(request.segments().is_empty(), "on purpose");
            Err(std::io::Error::other("the source is gone"))
        })
    });
    for path in ["/", "/panic"] {
        let mut client =
            Client::sending(&server, format!("GET {path} HTTP/1.1\r\nHost: b\r\n\r\n"));
        client.head();
        assert_eq!(client.chunk().unwrap(), b"half");
        assert!(client.is_closed());
    }
    wait_for(&server, "the threads end", |figures| figures.streams == 0);
}

#[test]
fn a_silent_stream_ends_when_its_client_goes() {
    let server = silent_server(Settings { workers: 1, ..settings() });
    let mut clients: Vec<Client> = (0..50).map(|_| Client::sending(&server, EVENTS)).collect();
    for client in &mut clients {
        client.head();
        assert_eq!(client.chunk().unwrap(), FIRST);
    }
    assert_eq!(server.figures().streams, 50);
    assert_eq!(Client::new(&server).ask(GET).status, 200, "streams hold no worker");
    drop(clients);
    wait_for(&server, "the threads end", |figures| {
        figures.streams == 0 && figures.connections == 0
    });
}

#[test]
fn a_stream_that_nobody_reads_is_cut() {
    let settings = Settings { write_timeout: Duration::from_millis(100), ..settings() };
    let server = serve(settings, |_| {
        Response::stream(200, "text/plain", |stream| {
            loop {
                stream.write_all(&[b'x'; 1 << 16])?;
            }
        })
    });
    let _client = Client::sending(&server, GET);
    wait_for(&server, "the stream is cut", |figures| {
        figures.requests == 1 && figures.streams == 0 && figures.connections == 0
    });
}

#[test]
fn streams_over_the_cap_are_told_so() {
    let server = silent_server(Settings { max_streams: 2, ..settings() });
    let mut streams: Vec<Client> = (0..2).map(|_| Client::sending(&server, EVENTS)).collect();
    assert!(streams.iter_mut().all(|client| client.head().status == 200));
    let mut third = Client::new(&server);
    let reply = third.ask(EVENTS);
    assert_eq!(reply.status, 503);
    assert!(reply.header("Retry-After").is_some());
    assert_eq!(third.ask(GET).status, 200, "the connection lives on");
    streams.pop();
    wait_for(&server, "a place is free", |figures| figures.streams == 1);
    third.send(EVENTS);
    assert_eq!(third.head().status, 200);
}

/// Answers with what it reads, up to a full stop.
fn echo_upgraded(settings: Settings) -> Server {
    serve(settings, |_| {
        let headers = vec![("Upgrade", "echo".to_owned()), ("X-Accept", "yes".to_owned())];
        Response::upgrade(headers, |mut upgraded| {
            assert!(upgraded.socket.nodelay().unwrap());
            assert!(upgraded.socket.read_timeout().unwrap().is_some());
            assert!(upgraded.socket.write_timeout().unwrap().is_some());
            upgraded.socket.write_all(&upgraded.read_ahead).unwrap();
            // A copy left behind must not keep the connection open.
            std::mem::forget(upgraded.socket.try_clone().unwrap());
            let mut byte = [0];
            while upgraded.socket.read(&mut byte).is_ok_and(|length| length == 1) && byte != *b"." {
                upgraded.socket.write_all(&byte).unwrap();
            }
        })
    })
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

#[test]
fn an_upgraded_connection_is_its_functions() {
    let server = echo_upgraded(settings());
    let mut client = Client::sending(&server, format!("{UPGRADE}early"));
    let head = client.head();
    assert_eq!((head.status, head.header("Upgrade")), (101, Some("echo")));
    assert_eq!(head.header("Connection"), Some("Upgrade"));
    assert_eq!(head.header("X-Accept"), Some("yes"));
    assert!(head.header("X-Request-Id").is_some());
    assert!(head.header("Content-Length").is_none());
    assert_eq!(client.exactly(5), b"early");
    client.send("later");
    assert_eq!(client.exactly(5), b"later");
    client.send(".");
    assert!(client.is_closed());
    wait_for(&server, "the thread ends", |figures| {
        figures.streams == 0 && figures.connections == 0
    });
}

#[test]
fn only_http11_can_be_upgraded() {
    let server = echo_upgraded(settings());
    assert_eq!(Client::new(&server).ask("GET / HTTP/1.0\r\n\r\n").status, 400);
}

#[test]
fn an_upgraded_connection_ends_with_its_client() {
    let server = echo_upgraded(settings());
    let mut client = Client::sending(&server, UPGRADE);
    assert_eq!(client.head().status, 101);
    drop(client);
    wait_for(&server, "the thread ends", |figures| figures.streams == 0);
}
