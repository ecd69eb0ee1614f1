//! The process: where it listens, and how it ends (R13.1, R13.2, R13.4, R13.5, P37).

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use proptest::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::failure;
use crate::support::client::{Event, Events};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::{PATIENCE, deadline, wait_until};

#[test]
fn it_listens_where_it_should_and_nowhere_twice() {
    let mut linkops = LinkOps::unsynced(&Fleet::new(0), "api.host = 127.0.0.2");
    let address = linkops.address();
    assert_eq!(address.ip().to_string(), "127.0.0.2"); // R13.1
    assert_eq!(listens(linkops.id()), [format!("0200007F:{:04X}", address.port())]);
    linkops.set("api", "port", &address.port().to_string());
    let second = linkops.command(&["serve"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(&address.to_string()) && said.contains("in use"), "{said}");
    assert!(!said.contains("password"), "{said}");
    linkops.get("/api/auth/me").expect(200); // the first one does not mind
    assert_eq!(linkops.terminate().code(), Some(0));
    let log = linkops.log();
    let version = format!(r#""message":"starting","version":"{}""#, env!("CARGO_PKG_VERSION"));
    assert!(log.contains(&version), "R13.4: {log}");
    assert!(log.trim_end().ends_with(r#""message":"stopped"}"#), "R13.5: {log}");
    linkops.launch(); // the port is free again at once
    assert_eq!(linkops.address(), address);
    linkops.get("/api/auth/me").expect(200); // and the token is as good as before
}

/// Where a process listens, as the system writes it: an address in hexadecimal, backwards, and a port.
fn listens(process: u32) -> Vec<String> {
    let place = PathBuf::from(format!("/proc/{process}"));
    let open = fs::read_dir(place.join("fd")).unwrap().flatten();
    let open: Vec<_> = open.filter_map(|one| fs::read_link(one.path()).ok()).collect();
    let tables = ["net/tcp", "net/tcp6"].map(|one| fs::read_to_string(place.join(one)).unwrap());
    let sockets = tables.iter().flat_map(|table| table.lines().skip(1));
    let listening = sockets.filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let ours = open.contains(&format!("socket:[{}]", fields[9]).into());
        (fields[3] == "0A" && ours).then(|| fields[1].to_owned())
    });
    listening.collect()
}

/// A connection that stays open after an answer.
fn kept_alive(linkops: &LinkOps) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(linkops.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    reader.get_mut().write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    reader
}

/// The script `wait`, which says something and ends when the file `go` is there.
fn waiting() -> (tempfile::TempDir, Fleet) {
    let directory = tempfile::tempdir().unwrap();
    let go = directory.path().join("go");
    let mut fleet = Fleet::new(1);
    let text = "echo begun; until [[ -e GO ]]; do sleep 0.05; done; echo over";
    fleet.script("wait", &text.replace("GO", go.to_str().unwrap()));
    fleet.commit();
    (directory, fleet)
}

/// P37, R13.2: with idle connections, one in the middle of a request, a stream and a running
/// operation. What runs on a machine is not called failed: it is followed after the next start.
#[test]
fn all_connections_are_closed_and_the_operation_goes_on() {
    let (directory, fleet) = waiting();
    let mut linkops = LinkOps::start_with(&fleet, "operations.drain_timeout = 1");
    let id = linkops.run(&["wait"], &fleet.ids(), Value::Null);
    let mut events = linkops.events(&id, 0);
    let seen: Vec<_> = events.by_ref().take(2).collect();
    assert_eq!(seen[1].data["data"], "begun\n");
    let mut idle: Vec<_> = (0..5).map(|_| kept_alive(&linkops)).collect();
    let mut half = TcpStream::connect(linkops.address()).unwrap();
    half.set_read_timeout(Some(PATIENCE)).unwrap();
    half.write_all(b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Len").unwrap();
    assert_eq!(linkops.terminate().code(), Some(0), "{}", linkops.log());
    assert_eq!(events.next(), None);
    for connection in &mut idle {
        let mut rest = Vec::new();
        connection.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"", "an idle connection is closed without a word");
    }
    let mut rest = Vec::new();
    let _ = half.read_to_end(&mut rest); // an answer or none, but an end
    assert!(!linkops.log().contains(r#""level":"ERROR""#), "{}", linkops.log());

    linkops.launch();
    let status = linkops.operation(&id)["status"].clone();
    assert_eq!(status, "running", "it has not ended");
    fs::write(directory.path().join("go"), "").unwrap();
    let rest: Vec<_> = linkops.events(&id, seen[1].id).collect();
    assert_eq!(rest.last().unwrap().name, "end");
    let done = linkops.operation(&id);
    assert_eq!((&done["status"], &done["logs"][0]["exit_code"]), (&json!("success"), &json!(0)));
    assert_eq!(done["logs"][0]["stdout"], "begun\nover\n");
    assert_eq!(linkops.terminate().code(), Some(0));
}

/// R13.2: what runs may end, new work is refused, reading goes on until then.
#[test]
fn it_drains_before_it_ends() {
    let (directory, fleet) = waiting();
    let mut linkops = LinkOps::start_with(&fleet, "operations.drain_timeout = 600");
    let id = linkops.run(&["wait"], &fleet.ids(), Value::Null);
    let mut events = linkops.events(&id, 0);
    assert_eq!(events.by_ref().nth(1).unwrap().data["data"], "begun\n");
    let pid = Pid::from_raw(i32::try_from(linkops.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    // Refused for its shape until the signal has been seen.
    let nothing = json!({ "scripts": [], "targets": [] });
    let mut reply = linkops.post("/api/operations/run", &nothing);
    wait_until(deadline(), "new work is refused", || {
        reply = linkops.post("/api/operations/run", &nothing);
        reply.status == 503
    });
    failure(&reply, 503, "SHUTTING_DOWN");
    assert!(reply.header("retry-after").is_some());
    assert_eq!(linkops.operation(&id)["status"], "running");
    fs::write(directory.path().join("go"), "").unwrap();
    let rest: Vec<_> = events.collect();
    assert_eq!(rest.last().map(|one| &one.name[..]), Some("end"));
    assert_eq!(linkops.terminate().code(), Some(0)); // a second signal changes nothing
    linkops.launch();
    assert_eq!(linkops.operation(&id)["status"], "success");
}

/// What is open when the signal comes: how many of each kind.
#[derive(Debug, Clone)]
struct Open {
    silent: usize,
    kept_alive: usize,
    unread: usize,
    followers: usize,
    replays: usize,
}

fn open() -> impl Strategy<Value = Open> {
    let of = 0_usize..4;
    (of.clone(), of.clone(), of.clone(), of.clone(), of).prop_map(
        |(silent, kept_alive, unread, followers, replays)| Open {
            silent,
            kept_alive,
            unread,
            followers,
            replays,
        },
    )
}

/// The server has closed the connection, and no answer is cut.
fn ends_whole(socket: &mut TcpStream) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest) {
        Ok(_) => assert!(rest.is_empty() || rest.ends_with(b"}"), "a cut answer"),
        // There were requests that it did not read any more.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

/// P37: whatever is open, again and again, while one operation outlives all of it.
#[test]
fn p37_any_open_connections_are_closed() {
    let (directory, mut fleet) = waiting();
    fleet.script("hello", "echo hello");
    fleet.commit();
    let mut linkops = LinkOps::start_with(&fleet, "operations.drain_timeout = 0");
    let finished = linkops.run(&["hello"], &fleet.ids(), Value::Null);
    linkops.wait(&finished);
    let running = linkops.run(&["wait"], &fleet.ids(), Value::Null);
    let mut check = |open: Open| {
        let connect = || TcpStream::connect(linkops.address()).unwrap();
        let silent = (0..open.silent).map(|_| connect());
        let unread = (0..open.unread).map(|_| {
            let mut stream = connect();
            stream.write_all(&b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20)).unwrap();
            stream
        });
        let mut sockets: Vec<TcpStream> = silent.chain(unread).collect();
        let mut idle: Vec<_> = (0..open.kept_alive).map(|_| kept_alive(&linkops)).collect();
        // Read on threads of their own: a server waits a moment for those who do not.
        let read = |mut events: Events| {
            let first = events.next().unwrap();
            std::thread::spawn(move || std::iter::once(first).chain(events).collect::<Vec<_>>())
        };
        let follow = |id: &str, count| -> Vec<_> {
            (0..count).map(|_| read(linkops.events(id, 0))).collect()
        };
        let (followers, replays) =
            (follow(&running, open.followers), follow(&finished, open.replays));
        prop_assert_eq!(linkops.terminate().code(), Some(0));
        sockets.iter_mut().for_each(ends_whole);
        idle.iter_mut().for_each(|one| assert_eq!(one.read(&mut [0]).unwrap(), 0));
        for follower in followers {
            let names: Vec<String> =
                follower.join().unwrap().into_iter().map(|one| one.name).collect();
            prop_assert!(names == ["start"] || names == ["start", "output"], "{:?}", names);
        }
        for replay in replays {
            prop_assert!(replay.join().is_ok());
        }
        linkops.launch();
        prop_assert_eq!(&linkops.operation(&running)["status"], "running");
        Ok(())
    };
    let check = std::cell::RefCell::new(&mut check);
    proptest!(ProptestConfig { cases: 100, max_shrink_iters: 0, ..ProptestConfig::default() }, |(open in open())| {
        (check.borrow_mut())(open)?;
    });
    fs::write(directory.path().join("go"), "").unwrap();
    let events = linkops.wait(&running);
    let output: Vec<u8> =
        events.iter().filter(|one| one.name == "output").flat_map(Event::bytes).collect();
    assert_eq!(output, b"begun\nover\n");
    assert_eq!(linkops.operation(&running)["status"], "success");
    assert!(!linkops.log().contains(r#""level":"ERROR""#), "{}", linkops.log());
}

/// Section 5: a server that ends while a script is about to start neither loses nor repeats it.
#[test]
fn an_operation_survives_a_stop_at_any_moment_of_its_start() {
    let mut fleet = Fleet::new(1);
    fleet.script("hello", "echo hello");
    fleet.commit();
    let mut linkops = LinkOps::start_with(&fleet, "operations.drain_timeout = 0");
    for requests in 0..25 {
        let id = linkops.run(&["hello"], &fleet.ids(), Value::Null);
        // Each takes about as long as a step of the start.
        (0..requests).for_each(|_| _ = linkops.get("/health").expect(200));
        assert_eq!(linkops.terminate().code(), Some(0));
        linkops.launch();
        linkops.wait(&id);
        let done = linkops.operation(&id);
        assert_eq!(done["status"], "success", "after {requests}: {done}");
        assert_eq!(done["logs"][0]["stdout"], "hello\n", "after {requests}: {done}");
    }
}
