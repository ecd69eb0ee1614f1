//! R6: live events, for whoever joins whenever.

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::support::client::{Event, Events};
use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;

/// R6.1 to R6.5, P20: what a stream looks like from its beginning to its end.
#[test]
fn a_stream_tells_everything_and_is_closed_at_the_end() {
    let mut fleet = Fleet::new(2);
    fleet.script("say", "echo one; echo two >&2").script("fail", "exit 3");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["say", "fail"], &fleet.ids(), json!({ "concurrency": 1 }));
    let events: Vec<Event> = linkops.events(&id, 0).collect(); // ends only when the server closes
    let numbers: Vec<u64> = events.iter().map(|event| event.id).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    let target = "vps-01";
    assert_eq!(events[0].name, "start");
    assert_eq!(
        events[0].data,
        json!({ "target": target, "script": "say", "index": 1, "total": 4 })
    );
    let find = |name: &str, stream: &str| {
        let mut found = events.iter().filter(|event| {
            event.name == name && event.data["target"] == target && event.data["stream"] == stream
        });
        found.next().unwrap_or_else(|| panic!("no {name} {stream} in {events:?}")).data.clone()
    };
    assert_eq!(find("output", "stdout")["data"], "one\n");
    assert_eq!(find("output", "stderr")["data"], "two\n");
    let complete: Vec<_> = events.iter().filter(|event| event.name == "complete").collect();
    assert_eq!(complete.len(), 4);
    assert_eq!(complete[0].data["status"], "success");
    assert_eq!(
        (&complete[1].data["status"], &complete[1].data["exit_code"]),
        (&json!("failed"), &json!(3))
    );
    assert_eq!(complete[1].data["error"], json!(null));
    let end = events.last().unwrap();
    assert_eq!((&end.name[..], &end.data["status"]), ("end", &json!("failed")));
    assert_eq!(
        end.data["result"],
        json!({ "success": 2, "failed": 2, "stopped": 0, "skipped": 0 })
    );
}

/// A stream is open as long as its user may look, however it was opened.
#[test]
fn a_stream_ends_with_its_user() {
    let mut fleet = Fleet::new(1);
    let gate = fleet.directory().join("go");
    fleet.script("wait", &format!("while {}; do echo tick; sleep 0.5; done", closed(&gate)));
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["wait"], &fleet.ids(), json!({}));
    let path = format!("/api/operations/{id}/events");
    let token = |name: &str| {
        let new = json!({ "username": name, "role": "viewer", "password": "correct horse" });
        linkops.post("/api/users", &new).expect(201);
        let login = json!({ "username": name, "password": "correct horse" });
        let reply = linkops.call("POST", "/api/auth/login", &[], Some(&login)).expect(200);
        format!("Bearer {}", reply["token"].as_str().unwrap())
    };
    let (removed, left, stays) = (token("rudi"), token("lea"), token("stan"));
    let open = |path: &str, bearer: &str| {
        Events::open(linkops.address(), path, &[("Authorization", bearer)])
    };
    let ask = [("Authorization", &left[..])];
    let ticket = linkops.call("POST", "/api/auth/ticket", &ask, None).expect(200);
    let with_ticket = format!("{path}?ticket={}", ticket["ticket"].as_str().unwrap());
    let streams = [
        open(&path, &removed),
        open(&path, &left),
        Events::open(linkops.address(), &with_ticket, &[]),
    ];
    let mut other = open(&path, &stays);
    let bearer = format!("Bearer {}", linkops.token());
    linkops.call("DELETE", "/api/users/rudi", &[("Authorization", &bearer)], None).expect(204);
    linkops.call("POST", "/api/auth/logout", &ask, None).expect(200);
    // While there is output all the time: the operation goes on.
    for stream in streams {
        assert!(stream.take(200).count() < 200, "it has not ended");
    }
    assert_eq!(linkops.operation(&id)["status"], "running");
    fs::write(&gate, "").unwrap();
    assert!(other.any(|event| event.name == "end"), "who may look sees the end");
}

/// P19: a subscriber gets every event in order, whenever it joins: replays of a finished
/// operation from any point, over the real server.
#[test]
fn p19_a_replay_from_any_event_is_the_rest() {
    let mut fleet = Fleet::new(3);
    fleet.script("talk", "for i in {1..60}; do echo line $i; echo err $i >&2; done");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["talk"], &fleet.ids(), json!({}));
    let all: Vec<Event> = linkops.wait(&id);
    let mut runner = TestRunner::new(Config { cases: 100, ..Config::default() });
    let run = runner.run(&(0..=all.len()), |after| {
        let rest: Vec<Event> = linkops.events(&id, after as u64).collect();
        prop_assert!(rest[..] == all[after..], "after {}", after);
        Ok(())
    });
    run.unwrap();
}

/// A subscriber that drops and comes back 50 times during an operation ends with exactly the
/// same events as one that stayed.
#[test]
fn fifty_reconnects_miss_and_repeat_nothing() {
    let mut fleet = Fleet::new(3);
    let gate = fleet.directory().join("gate");
    fleet.script(
        "talk",
        &format!(
            "i=0; while {}; do echo line $((i+=1)); sleep 0.01; done; echo last",
            closed(&gate)
        ),
    );
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["talk"], &fleet.ids(), json!({}));
    let (stayed, came_back) = std::thread::scope(|scope| {
        let stayed = scope.spawn(|| linkops.events(&id, 0).collect::<Vec<Event>>());
        let came_back = scope.spawn(|| {
            let mut seen: Vec<Event> = Vec::new();
            for _ in 0..50 {
                let after = seen.last().map_or(0, |event| event.id);
                seen.extend(linkops.events(&id, after).take(3)); // then the connection is dropped
            }
            std::fs::write(&gate, "").unwrap();
            let after = seen.last().map_or(0, |event| event.id);
            seen.extend(linkops.events(&id, after));
            seen
        });
        (stayed.join().unwrap(), came_back.join().unwrap())
    });
    assert!(stayed.len() > 150, "{}", stayed.len());
    assert!(came_back == stayed, "{} and {}", came_back.len(), stayed.len());
    assert!(linkops.events(&id, 0).collect::<Vec<_>>() == stayed);
}
