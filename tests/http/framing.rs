//! Hostile framing over real sockets: the answer, its id, the close, and that no smuggled request
//! is answered. The parser's own tests have all the cases.

use super::*;
use crate::support::wait_until;

/// Sends `bytes` with a second request behind them; wants one answer of `status` and the end.
fn refused(server: &Server, bytes: &str, status: u16) {
    let mut client = Client::new(server);
    client.try_send(format!("{bytes}GET /smuggled HTTP/1.1\r\nHost: box\r\n\r\n"));
    let reply = client.reply();
    assert_eq!(reply.status, status, "{bytes:?}");
    assert_eq!(reply.header("Connection"), Some("close"), "{bytes:?}");
    assert!(!reply.header("X-Request-Id").unwrap().is_empty(), "{bytes:?}");
    assert!(client.is_closed(), "{bytes:?}: {}", client.seen());
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let server = echo(settings());
    let post = |lines: &str| format!("POST / HTTP/1.1\r\nHost: box\r\n{lines}\r\n");
    for lines in [
        "Content-Length: 0\r\nContent-Length: 44\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x10\r\n",
        "Content-Length: abc\r\n",
        "Content-Length:\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Host: other\r\n",
        "A: b\r\n c\r\n",
        "A: b\nC: d\r\n",
        "A: \0\r\n",
    ] {
        refused(&server, &post(lines), 400);
    }
    refused(&server, "GET / HTTP/1.1\r\n\r\n", 400);
    refused(&server, "GET http://other/ HTTP/1.1\r\nHost: box\r\n\r\n", 400);
    refused(&server, "GET /%00 HTTP/1.1\r\nHost: box\r\n\r\n", 400);
    refused(&server, "\x16\x03\x01\0\x01", 400);
    refused(
        &server,
        &post("Transfer-Encoding: chunked\r\n").replace("\r\n\r\n", "\r\n\r\nx\r\n"),
        400,
    );
}

#[test]
fn other_refusals_have_their_status() {
    let server = echo(settings());
    let get =
        |target: &str, lines: &str| format!("GET {target} HTTP/1.1\r\nHost: box\r\n{lines}\r\n");
    refused(&server, "GET / HTTP/2.0\r\n\r\n", 505);
    refused(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    refused(&server, &get("/", &format!("A: {}\r\n", "x".repeat(17 << 10))), 431);
    refused(&server, &get("/", &"A: b\r\n".repeat(101)), 431);
    refused(&server, &get(&format!("/{}", "x".repeat(9000)), ""), 414);
    refused(&server, &get("/", "Expect: more\r\n"), 417);
    refused(&server, &get("/", "Content-Length: 100000000000\r\n"), 413);
    refused(&server, "CONNECT box:22 HTTP/1.1\r\nHost: box:22\r\n\r\n", 501);
}

#[test]
fn the_error_arrives_although_its_client_goes_on_sending() {
    let server = echo(Settings { max_body: 1000, ..settings() });
    let body = vec![b'x'; 3 << 20];
    for _ in 0..5 {
        let length = body.len();
        let head = format!("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: {length}\r\n\r\n");
        let mut client = Client::sending(&server, head);
        assert!(client.try_send(&body), "the server reset the connection");
        assert_eq!(client.reply().status, 413);
        assert!(client.is_closed());
    }
}

#[test]
fn an_error_to_head_has_no_body() {
    let server = echo(settings());
    let mut client =
        Client::sending(&server, "HEAD / HTTP/1.1\r\nHost: b\r\nContent-Length: x\r\n\r\n");
    assert_eq!(client.head().status, 400);
    assert!(client.is_closed());
}

#[test]
fn errors_are_worded_by_whoever_uses_the_transport() {
    let wording = |status: u16, message: &str, id: &str| {
        Response::json(status, format!("[{status},{message:?},{id:?}]").into_bytes())
    };
    let server = echo(Settings { wording, ..settings() });
    let reply = Client::new(&server)
        .ask("GET / HTTP/1.1\r\nHost: b\r\nX-Request-Id: me\r\nContent-Length: x\r\n\r\n");
    assert_eq!(reply.text(), "[400,\"the Content-Length header is malformed\",\"me\"]");
    assert_eq!(reply.header("X-Request-Id"), Some("me"));

    let wording = |_: u16, _: &str, _: &str| panic!("on purpose");
    let server = echo(Settings { wording, ..settings() });
    assert_eq!(Client::new(&server).ask("bad\n").status, 400);
    assert_eq!(Client::new(&server).ask(GET).status, 200);
}

#[test]
fn a_client_that_goes_in_the_middle_leaves_nothing() {
    let server = echo(settings());
    for bytes in [
        "",
        "GET",
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\nab",
    ] {
        drop(Client::sending(&server, bytes));
    }
    for _ in 0..100 {
        drop(Client::sending(&server, "GET / HTTP/2.0\r\n\r\n"));
    }
    wait_until(deadline(), "all connections end", || server.figures().connections == 0);
}
