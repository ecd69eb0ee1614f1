//! Calls that wait for machines take no more than their share of the server, and end in time.

use std::thread;

use serde_json::{Value, json};

use super::failure;
use crate::support::client::Reply;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::network::Silent;
use crate::support::{deadline, wait_until};

/// Machines that accept a connection and never say a word; more than are checked side by side.
const SILENT: usize = 20;

/// What a check of a machine says that had its time, and that of one which did not.
const CUT: &str = "no answer in time";
const NOT_BEGUN: &str = "not checked: the time for the request was over";

#[test]
fn machines_that_say_nothing_do_not_stop_the_server() {
    let silent = Silent::start();
    let mut fleet = Fleet::new(0);
    for number in 1..=SILENT {
        fleet.add(&format!("silent-{number:02}"), "127.0.0.1", silent.port());
    }
    fleet.commit();
    // Alone, a check would take three times 30 s.
    let settings = "api.worker_threads = 4\napi.request_timeout = 3\n\
                    ssh.connection_timeout = 30\nssh.max_retries = 3";
    let linkops = LinkOps::unsynced(&fleet, settings);
    linkops.post("/api/git/sync", &json!({})).expect(200);
    thread::scope(|threads| {
        let all = threads.spawn(|| with_a_place(&linkops, "/api/links/verify").expect(200));
        let one = threads.spawn(|| with_a_place(&linkops, "/api/links/silent-20/verify"));
        // Half of the workers wait now: who comes next is sent away, but only for such calls.
        wait_until(deadline(), "there is no place any more", || {
            linkops.post("/api/links/nobody/verify", &json!({})).status == 503
        });
        for path in ["/api/links/verify", "/api/links/silent-01/verify", "/api/git/sync"] {
            let refused = linkops.post(path, &json!({}));
            failure(&refused, 503, "OVERLOADED");
            let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds), "{seconds}");
        }
        let connect = "/api/terminal/workspaces/x/connect-all";
        failure(&linkops.post(connect, &json!({})), 503, "OVERLOADED");
        linkops.call("GET", "/health", &[], None).expect(200);
        linkops.get("/api/links").expect(200);

        let error = failure(&one.join().unwrap(), 503, "SSH_CONNECTION_FAILED");
        assert_eq!(error["details"]["error"], CUT);
        let all = all.join().unwrap();
        let said: Vec<&str> = (all.as_object().unwrap().values())
            .map(|result| result["error"].as_str().unwrap())
            .collect();
        let of = |text: &str| said.iter().filter(|one| **one == text).count();
        assert_eq!((of(CUT), of(NOT_BEGUN)), (16, SILENT - 16), "{said:?}");
    });
    links_say_only_what_was_found(&linkops);
    failure(&linkops.post("/api/links/nobody/verify", &json!({})), 404, "LINK_NOT_FOUND");
}

/// A call that may come at the moment at which another one, which waits for nobody, has the place.
fn with_a_place(linkops: &LinkOps, path: &str) -> Reply {
    let mut reply = None;
    wait_until(deadline(), "there is a place", || {
        let now = linkops.post(path, &json!({}));
        let busy = now.status == 503 && now.code() == "OVERLOADED";
        reply = Some(now);
        !busy
    });
    reply.unwrap()
}

/// A machine that nobody asked is as it was: nothing is known of it.
fn links_say_only_what_was_found(linkops: &LinkOps) {
    let links = linkops.get("/api/links?sort=id").expect(200);
    let known = |link: &Value| link["status"] == "offline";
    let known: Vec<bool> = links.as_array().unwrap().iter().map(known).collect();
    let asked = |number: usize| number < 16 || number == SILENT - 1; // the last one by its own call
    assert_eq!(known, (0..SILENT).map(asked).collect::<Vec<_>>());
}
