//! Browsers go and come back; the shells stay for a while.

use super::*;
use std::time::{Duration, Instant};

/// The shell, what runs in it and what it has shown are there for the next browser.
#[test]
fn a_shell_outlives_its_browser() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "secret=$((40+2)); echo before-$secret\r");
    tab.sees("A", "before-42");
    drop(tab);
    wait_until(deadline(), "the browser is gone", || lab.view()["sockets"] == 0);
    assert_eq!(lab.view()["panes"]["A"]["status"], "connected");
    let mut tab = lab.open();
    tab.becomes("A", "connected");
    assert_eq!(tab.pane("A").statuses, ["connected"]);
    assert_eq!(tab.pane("A").snapshots.len(), 1);
    assert!(tab.pane("A").text.contains("before-42"));
    assert_eq!(tab.pane("A").sizes, [(80, 24)]);
    tab.types("A", "echo after-$secret\r");
    tab.sees("A", "after-42");
    assert_eq!(lab.fleet.sshd.running("bash").len(), 1);
}

/// What is printed while nobody looks is kept up to `scrollback`, and the program is not held up.
#[test]
fn what_nobody_sees_is_kept_up_to_a_limit() {
    let lab = Lab::with("terminal.scrollback = 5000");
    let mut tab = lab.connected(&["A"]);
    let gate = lab.fleet.directory().join("gate");
    let done = lab.fleet.directory().join("done");
    let (at, end) = (gate.display(), done.display());
    tab.types("A", &format!("stty -echo; echo wai''ts; until [ -e {at} ]; do sleep 0.01; done; "));
    tab.types(
        "A",
        &format!("printf '\\033[31m'; seq 1 100000; printf '\\033[1mend'; touch {end}\r"),
    );
    tab.sees("A", "waits");
    drop(tab);
    wait_until(deadline(), "the browser is gone", || lab.view()["sockets"] == 0);
    fs::write(&gate, "").unwrap();
    wait_until(deadline(), "all is printed", || done.exists());
    let mut snapshot = String::new();
    // What was written is on its way for a moment.
    wait_until(deadline(), "all has come", || {
        wait_until(deadline(), "nobody looks", || lab.view()["sockets"] == 0);
        let mut tab = lab.open();
        tab.becomes("A", "connected");
        snapshot.clone_from(&tab.pane("A").snapshots[0]);
        snapshot.contains("\u{1b}[1mend")
    });
    assert!(snapshot.len() <= 5000 + 100, "{}", snapshot.len());
    assert!(snapshot.contains("99999\r\n100000\r\n"), "{snapshot:?}");
    // It begins with a whole line, in the right colour.
    let begin = snapshot.split("\r\n").next().unwrap();
    let number = begin.strip_prefix("\u{1b}[?2004h").unwrap_or(begin);
    let number = number.strip_prefix("\u{1b}[31m").expect("it is red");
    assert!(number.parse::<u32>().is_ok_and(|number| number > 90_000), "{begin:?}");
}

/// A snapshot makes the terminal answer nothing: what asked was answered long ago.
#[test]
fn a_snapshot_asks_nothing() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "printf '\\033[c\\033[6n'; echo ask''ed\r");
    tab.sees("A", "asked");
    assert!(tab.pane("A").text.contains("\u{1b}[c\u{1b}[6n"));
    let mut other = lab.open();
    other.sees("A", "asked");
    assert!(!other.pane("A").text.contains("\u{1b}[c"), "{:?}", other.pane("A").text);
    assert!(!other.pane("A").text.contains("\u{1b}[6n"));
}

/// R7.7, P24: without a browser for `detach_timeout` a pane is closed, and everything is given back.
#[test]
fn a_shell_without_a_browser_ends_after_its_time() {
    let lab = Lab::with("terminal.detach_timeout = 1");
    let before = lab.before();
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "echo seen-$((1+1))\r");
    tab.sees("A", "seen-2");
    drop(tab);
    lab.is_as_it_was(&before);
    let pane = lab.view()["panes"]["A"].clone();
    assert_eq!(pane["status"], "disconnected");
    assert_eq!(pane["error"], "closed after 1 s without a browser");
    assert!(pane["disconnectedAt"].as_i64() >= pane["connectedAt"].as_i64());
    let mut tab = lab.open();
    tab.becomes("A", "error: closed after 1 s without a browser");
    assert!(tab.pane("A").text.contains("seen-2"), "the last screen is still there");
}

/// With a `detach_timeout` of 0 they close within 5 seconds.
#[test]
fn with_no_time_a_shell_ends_with_its_browser() {
    let lab = Lab::with("terminal.detach_timeout = 0");
    let before = lab.before();
    let tab = lab.connected(&["A", "B"]);
    drop(tab);
    let gone = Instant::now();
    lab.is_as_it_was(&before);
    assert!(gone.elapsed() < Duration::from_secs(5), "{:?}", gone.elapsed());
}

/// A pane that is connected by a call waits for its first browser all the same.
#[test]
fn a_pane_that_was_connected_by_a_call_waits_for_a_browser() {
    let lab = Lab::with("terminal.detach_timeout = 0");
    let path = format!("/api/terminal/workspaces/{}/connect-all", lab.workspace);
    let told = lab.linkops.post(&path, &serde_json::json!({})).expect(200);
    assert_eq!(told["success"], true, "{told}");
    let mut tab = lab.open();
    for pane in ["A", "B", "C", "D"] {
        tab.at_the_prompt(pane);
    }
    assert_eq!(lab.fleet.sshd.running("bash").len(), 4);
}

/// A pane that nobody uses is closed, also when a browser looks at it.
#[test]
fn an_idle_pane_is_closed() {
    let lab = Lab::with("terminal.websocket_timeout = 1");
    let mut tab = lab.open();
    tab.connect("A");
    tab.becomes("A", "error: closed after 1 s without input and output");
    wait_until(deadline(), "nothing runs", || lab.fleet.sshd.running("bash").is_empty());
    tab.connect("A"); // it can be had back
    tab.becomes("A", "connected");
}
