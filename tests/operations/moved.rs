//! A sync moves a link while its script runs and LinkOps is away: the run is looked for where it
//! was started, and whatever is found there, it is not started a second time.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::sshd::Sshd;
use crate::support::{deadline, wait_until};

/// A script runs on the only machine, LinkOps has crashed, and the inventory has the machine's id
/// on another server.
struct Moved {
    fleet: Fleet,
    linkops: LinkOps,
    other: Sshd,
    id: String,
    gate: PathBuf,
    starts: PathBuf,
}

fn moved(settings: &str) -> Moved {
    let (mut fleet, other) = (Fleet::new(1), Sshd::plain());
    let (gate, starts) = (fleet.directory().join("gate"), fleet.directory().join("starts"));
    let wait = format!("while {}; do sleep 0.02; done", closed(&gate));
    fleet.script(
        "count",
        &format!("echo x >> {}; echo one; {wait}; echo two; exit 7", starts.display()),
    );
    fleet.commit();
    let mut linkops = LinkOps::start_with(&fleet, settings);
    let id = linkops.run(&["count"], &fleet.ids(), json!({}));
    assert!(linkops.events(&id, 0).any(|one| one.name == "output"));
    linkops.crash();
    fleet.machines[0].port = other.port();
    fleet.commit();
    assert!(linkops.command(&["sync"]).status().unwrap().success());
    Moved { fleet, linkops, other, id, gate, starts }
}

impl Moved {
    /// The only execution, when the operation has ended.
    fn end(&self) -> Value {
        self.linkops.wait(&self.id);
        self.linkops.operation(&self.id)["logs"][0].clone()
    }

    /// The error names where it was started, and where the link is now.
    #[track_caller]
    fn names_both(&self, error: &str) {
        let place = |port: u16| format!("{}@127.0.0.1 port {port}", self.fleet.sshd.user());
        assert!(error.contains(&place(self.fleet.sshd.port())), "{error}");
        assert!(error.contains(&place(self.other.port())), "{error}");
    }

    fn nothing_was_started_twice(&self) {
        assert_eq!(lines(&self.starts), 1);
        assert_eq!(self.other.logins(), 0, "{}", self.other.log());
    }
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).unwrap().lines().count()
}

#[test]
fn a_run_is_followed_where_it_was_started() {
    let mut moved = moved("");
    moved.linkops.launch();
    fs::write(&moved.gate, "").unwrap();
    let log = moved.end();
    assert_eq!((&log["exit_code"], &log["error"]), (&json!(7), &json!(null)), "{log}");
    assert_eq!(log["stdout"], "one\ntwo\n");
    wait_until(deadline(), "what it left is removed there", || moved.fleet.sshd.runs().is_empty());
    moved.nothing_was_started_twice();
}

#[test]
fn a_place_that_cannot_be_reached_is_named_with_the_new_one() {
    let settings = "operations.script_timeout = 3\nssh.retry_delay = 0\nssh.connection_timeout = 1";
    let mut moved = moved(settings);
    moved.fleet.sshd.stop();
    moved.linkops.launch();
    let log = moved.end();
    assert_eq!((&log["status"], &log["exit_code"]), (&json!("failed"), &json!(null)), "{log}");
    let error = log["error"].as_str().unwrap();
    assert!(error.contains("may still be running"), "{error}");
    moved.names_both(error);
    moved.nothing_was_started_twice();
}

/// The machine at the old place knows nothing of it: elsewhere that would mean that it can be
/// started again.
#[test]
fn a_run_that_is_not_where_it_was_started_is_not_started_again() {
    let mut moved = moved("");
    moved.fleet.sshd.runs().iter().for_each(|run| fs::remove_file(run).unwrap());
    moved.linkops.launch();
    let log = moved.end();
    fs::write(&moved.gate, "").unwrap();
    assert_eq!((&log["status"], &log["exit_code"]), (&json!("failed"), &json!(null)), "{log}");
    let error = log["error"].as_str().unwrap();
    assert!(error.starts_with("not started again: "), "{error}");
    moved.names_both(error);
    moved.nothing_was_started_twice();
}

/// A link that is gone from the inventory has no way to it any more.
#[test]
fn a_run_on_a_link_that_is_gone_says_where_it_may_be() {
    let mut moved = moved("");
    moved.fleet.machines[0].id = "vps-02".to_owned();
    moved.fleet.commit();
    assert!(moved.linkops.command(&["sync"]).status().unwrap().success());
    moved.linkops.launch();
    let log = moved.end();
    let place = format!("{}@127.0.0.1 port {}", moved.fleet.sshd.user(), moved.fleet.sshd.port());
    let error = format!(
        "the link is no longer in the inventory; the script may still be running on {place}"
    );
    assert_eq!((&log["status"], &log["error"]), (&json!("failed"), &json!(error)), "{log}");
    moved.nothing_was_started_twice();
}
