//! Ordinary requests and answers: methods, keep-alive, pipelining, ids, CORS, proxies.

use super::*;
use linkops::http::Method;
use std::collections::HashSet;

#[test]
fn a_request_reaches_the_handler_whole() {
    let server = serve(settings(), |request| {
        assert_eq!(request.method, Method::Put);
        assert_eq!(request.segments(), ["a b", "c/d"]);
        assert_eq!(request.path, "/a%20b/c%2Fd");
        assert_eq!((request.query("x"), request.query("y")), (Some("1 2"), None));
        assert_eq!(request.header("x-THING"), Some("some"));
        assert!(request.client.is_loopback());
        Response::json(201, request.body).header("Location", "/a")
    });
    let mut client = Client::new(&server);
    let reply = client.ask(
        "PUT /a%20b/c%2Fd?x=1+2 HTTP/1.1\r\nHost: box\r\nX-Thing: some\r\nContent-Length: 2\r\n\r\n{}",
    );
    assert_eq!((reply.status, reply.text()), (201, "{}"));
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    assert_eq!(reply.header("Location"), Some("/a"));
    assert_eq!(reply.header("Connection"), None);
}

#[test]
fn connections_are_kept_and_requests_answered_in_order() {
    let server = echo(settings());
    let mut client = Client::new(&server);
    for number in 0..3 {
        let request = format!("GET /{number} HTTP/1.1\r\nHost: box\r\n\r\n");
        assert_eq!(client.ask(request).text(), format!("GET {number} "));
    }
    let many: String =
        (0..500).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: box\r\n\r\n")).collect();
    client.send(many);
    for number in 0..500 {
        assert_eq!(client.reply().text(), format!("GET {number} "));
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = echo(settings());
    let mut client = Client::new(&server);
    let request = "POST /a HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for _ in 0..2 {
        for byte in request.bytes() {
            client.send([byte]);
        }
        assert_eq!(client.reply().text(), "POST a abcde");
    }
}

#[test]
fn the_connection_closes_when_either_side_wants_it() {
    let server = echo(settings());
    for (request, close) in [
        ("GET / HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: box\r\nConnection: x, CLOSE\r\n\r\n", true),
        ("GET / HTTP/1.0\r\n\r\n", true),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
    ] {
        let mut client = Client::new(&server);
        let reply = client.ask(request);
        assert_eq!(reply.status, 200);
        let wanted = if close { "close" } else { "keep-alive" };
        assert_eq!(reply.header("Connection"), Some(wanted), "{request}");
        match close {
            true => assert!(client.is_closed(), "{request}"),
            false => assert_eq!(client.ask(GET).status, 200, "{request}"),
        }
    }
}

#[test]
fn a_client_that_closes_its_half_is_still_answered() {
    let server = echo(settings());
    let mut client = Client::sending(&server, GET);
    client.socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.reply().text(), "GET hello ");
    assert!(client.is_closed());
}

#[test]
fn head_is_the_head_of_get() {
    let server = serve(settings(), |request| match request.segments() {
        [] => Response::new(200).body("text/plain", &b"12345"[..]),
        _ => Response::stream(200, "text/plain", |stream| stream.write_all(b"never")),
    });
    let mut client = Client::new(&server);
    client.send("HEAD / HTTP/1.1\r\nHost: box\r\n\r\n");
    let head = client.head();
    assert_eq!(head.header("Content-Length"), Some("5"));
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: box\r\n\r\n").text(), "12345");
    client.send("HEAD /stream HTTP/1.1\r\nHost: box\r\n\r\n");
    assert_eq!(client.head().header("Transfer-Encoding"), Some("chunked"));
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: box\r\n\r\n").text(), "12345");
}

#[test]
fn an_answer_without_content_has_no_length() {
    let server = serve(settings(), |_| Response::new(204));
    let mut client = Client::new(&server);
    for _ in 0..2 {
        assert_eq!(client.ask(GET).header("Content-Length"), None);
    }
}

#[test]
fn a_value_cannot_add_a_field() {
    let server = serve(settings(), |_| {
        Response::new(200)
            .header("X-Name", "a\r\nX-Evil: 1\r\n\r\n<html>")
            .header("Content-Length", "5")
            .header("transfer-encoding", "chunked")
            .header("Bad Name", "x")
    });
    let mut client = Client::new(&server);
    let reply = client.ask(GET);
    assert_eq!(reply.header("X-Name"), Some("a  X-Evil: 1    <html>"));
    assert_eq!(reply.header("X-Evil"), None);
    assert_eq!(reply.header("Content-Length"), Some("0"));
    assert_eq!(reply.header("Transfer-Encoding"), None);
    assert_eq!(client.ask(GET).status, 200);
}

#[test]
fn ids_are_taken_over_or_made() {
    let server = serve(settings(), |request| Response::json(200, request.id.into_bytes()));
    let mut client = Client::new(&server);
    let mut with = |id: &str| {
        let reply = client.ask(format!("GET / HTTP/1.1\r\nHost: b\r\nX-Request-Id: {id}\r\n\r\n"));
        assert_eq!(reply.header("X-Request-Id"), Some(reply.text()));
        reply.text().to_owned()
    };
    assert_eq!(with("abc-1._X"), "abc-1._X");
    let made: HashSet<String> =
        ["", "a b", "ä", &"x".repeat(65), "x\"y"].into_iter().map(&mut with).collect();
    assert_eq!(made.len(), 5);
    assert!(made.iter().all(|id| id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')));
}

#[test]
fn a_panic_is_a_500_and_the_connection_lives_on() {
    let wording = |status: u16, message: &str, id: &str| {
        Response::json(
            status,
            format!("{{\"{status}\":\"{message}\",\"id\":\"{id}\"}}").into_bytes(),
        )
    };
    let server = serve(Settings { wording, workers: 1, ..settings() }, |request| {
        assert!(request.segments() != ["panic"], "on purpose");
        describe(request)
    });
    let mut client = Client::new(&server);
    for _ in 0..3 {
        let reply = client.ask("GET /panic HTTP/1.1\r\nHost: b\r\nX-Request-Id: me\r\n\r\n");
        assert_eq!(reply.status, 500);
        assert_eq!(reply.text(), "{\"500\":\"the server made a mistake\",\"id\":\"me\"}");
    }
    assert_eq!(client.ask(GET).text(), "GET hello ");
}

#[test]
fn a_body_is_asked_for_only_when_it_is_taken() {
    let server = echo(Settings { max_body: 10, ..settings() });
    let post = |length: usize, expect: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: {length}\r\nExpect: {expect}\r\n\r\n"
        )
    };
    let mut client = Client::sending(&server, post(3, "100-continue"));
    assert_eq!(client.head().status, 100);
    assert_eq!(client.ask("abc").text(), "POST  abc");
    // The body came with the head, so nobody waits.
    assert_eq!(client.ask(post(3, "100-continue") + "abc").text(), "POST  abc");

    for (request, status) in [(post(11, "100-continue"), 413), (post(3, "magic"), 417)] {
        let mut client = Client::new(&server);
        assert_eq!(client.ask(request).status, status);
        assert!(client.is_closed());
    }
}

#[test]
fn pages_of_configured_origins_may_call() {
    let ask = |origins: &[&str], method: &str, origin: &str| {
        let cors_origins = origins.iter().map(ToString::to_string).collect();
        let server = echo(Settings { cors_origins, ..settings() });
        Client::new(&server).ask(format!(
            "{method} /a HTTP/1.1\r\nHost: b\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: PUT\r\n\r\n"
        ))
    };
    let known = &["https://a.example", "http://localhost:5173"];
    let reply = ask(known, "OPTIONS", "http://localhost:5173");
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("http://localhost:5173"));
    assert!(reply.header("Access-Control-Allow-Methods").unwrap().contains("PATCH"));
    assert!(reply.header("Access-Control-Allow-Headers").unwrap().contains("Authorization"));
    assert_eq!(reply.header("Vary"), Some("Origin"));

    let reply = ask(known, "GET", "https://a.example");
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("https://a.example"));
    assert!(reply.header("Access-Control-Expose-Headers").unwrap().contains("X-Request-Id"));
    for origin in ["https://a.example.evil", "null", "https://A.example"] {
        for method in ["GET", "OPTIONS"] {
            let reply = ask(known, method, origin);
            assert_eq!(reply.text(), format!("{method} a "));
            assert_eq!(reply.header("Access-Control-Allow-Origin"), None);
            assert_eq!(reply.header("Vary"), Some("Origin"));
        }
    }
    let reply = ask(&["*"], "OPTIONS", "https://anyone");
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("*"));
    assert_eq!(ask(&[], "GET", "https://a.example").header("Vary"), None);
}

#[test]
fn a_page_of_another_site_can_read_our_errors() {
    let cors_origins = vec!["https://a".to_owned()];
    let server = echo(Settings { cors_origins, ..settings() });
    let reply = Client::new(&server).ask(
        "POST / HTTP/1.1\r\nHost: b\r\nOrigin: https://a\r\nContent-Length: 99999999999\r\n\r\n",
    );
    assert_eq!(reply.status, 413);
    assert_eq!(reply.header("Access-Control-Allow-Origin"), Some("https://a"));
}

#[test]
fn options_of_the_server_is_answered() {
    let server = echo(settings());
    assert_eq!(Client::new(&server).ask("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n").status, 204);
}

#[test]
fn the_client_behind_a_trusted_proxy_is_known() {
    let ask = |trusted: &[&str]| {
        let trusted_proxies = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let server = serve(Settings { trusted_proxies, ..settings() }, |request| {
            Response::json(200, request.client.to_string().into_bytes())
        });
        let request = "GET / HTTP/1.1\r\nHost: b\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n\r\n";
        Client::new(&server).ask(request).text().to_owned()
    };
    assert_eq!(ask(&["127.0.0.0/8"]), "192.0.2.7");
    assert_eq!(ask(&["10.0.0.0/8"]), "127.0.0.1");
}
