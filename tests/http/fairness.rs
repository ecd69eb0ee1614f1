//! Nobody starves: not at a rush, not behind slow clients, not behind a greedy one.

use super::*;
use crate::support::wait_until;
use crossbeam_channel::{bounded, unbounded};

#[test]
fn all_of_many_connections_opened_at_once_are_answered() {
    let server = echo(settings());
    for number in [6, 8, 16, 64] {
        for _ in 0..5 {
            let mut clients: Vec<Client> = (0..number).map(|_| Client::new(&server)).collect();
            for _ in 0..3 {
                clients.iter_mut().for_each(|client| client.send(GET));
                assert!(clients.iter_mut().all(|client| client.reply().status == 200));
            }
        }
    }
}

#[test]
fn silent_connections_hold_no_worker() {
    let server = echo(Settings { workers: 1, ..settings() });
    let mut clients: Vec<Client> = (0..100).map(|_| Client::new(&server)).collect();
    for client in &mut clients {
        assert_eq!(client.ask(GET).status, 200);
    }
    assert_eq!(Client::new(&server).ask(GET).status, 200);
    assert!(clients.iter_mut().all(|client| client.ask(GET).status == 200));
}

#[test]
fn unfinished_heads_and_bodies_hold_no_worker() {
    let server = echo(Settings { workers: 1, ..settings() });
    let head = "POST / HTTP/1.1\r\nHost: b\r\n";
    let mut slow: Vec<Client> = (0..60)
        .map(|number| match number % 3 {
            0 => Client::sending(&server, head),
            1 => Client::sending(&server, format!("{head}Content-Length: 5\r\n\r\nab")),
            _ => {
                Client::sending(&server, format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\na"))
            }
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(Client::new(&server).ask(GET).status, 200);
    }
    for (number, client) in slow.iter_mut().enumerate() {
        client.send(["\r\n", "cde", "bc\r\n0\r\n\r\n"][number % 3]);
        assert_eq!(client.reply().text(), ["POST  ", "POST  abcde", "POST  abc"][number % 3]);
    }
}

#[test]
fn answers_that_nobody_reads_hold_no_worker() {
    const LENGTH: usize = 3 << 20;
    let server = serve(Settings { workers: 1, ..settings() }, |request| {
        match request.segments().is_empty() {
            true => Response::new(200).body("text/plain", vec![b'x'; LENGTH]),
            false => describe(request),
        }
    });
    let large = "GET / HTTP/1.1\r\nHost: b\r\n\r\n";
    let mut slow: Vec<Client> = (0..10).map(|_| Client::sending(&server, large)).collect();
    for _ in 0..20 {
        assert_eq!(Client::new(&server).ask(GET).status, 200);
    }
    for client in &mut slow {
        assert_eq!(client.reply().body.len(), LENGTH);
        assert_eq!(client.ask(GET).text(), "GET hello ");
    }
}

#[test]
fn without_memory_for_it_an_unread_answer_is_still_sent() {
    const LENGTH: usize = 8 << 20;
    let settings = Settings { workers: 2, max_buffered: 1 << 20, max_body: 1 << 20, ..settings() };
    let server = serve(settings, |_| Response::new(200).body("text/plain", vec![b'x'; LENGTH]));
    let mut clients: Vec<Client> = (0..4).map(|_| Client::sending(&server, GET)).collect();
    assert!(clients.iter_mut().all(|client| client.reply().body.len() == LENGTH));
}

#[test]
fn a_client_that_sends_many_requests_waits_in_the_same_queue() {
    let (order, seen) = unbounded();
    let (enter, entered) = bounded(0);
    let (open, gate) = bounded::<()>(0);
    let server = serve(Settings { workers: 1, ..settings() }, move |request| {
        let name = request.segments()[0].clone();
        if name == "first" {
            enter.send(()).unwrap();
            gate.recv().unwrap();
        }
        order.send(name).unwrap();
        Response::new(204)
    });
    let get = |name: &str| format!("GET /{name} HTTP/1.1\r\nHost: b\r\n\r\n");
    let mut greedy = Client::sending(&server, get("first") + &get("greedy").repeat(100));
    entered.recv().unwrap();
    let mut other = Client::sending(&server, get("other"));
    wait_until(deadline(), "the other is queued", || server.figures().requests == 2);
    open.send(()).unwrap();
    assert_eq!(other.reply().status, 204);
    assert!((0..101).all(|_| greedy.reply().status == 204));
    assert_eq!(seen.iter().take(3).collect::<Vec<_>>(), ["first", "other", "greedy"]);
}
