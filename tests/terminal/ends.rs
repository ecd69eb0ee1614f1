//! How panes end, and that nothing is left then.

use super::*;
use std::io::Write;
use std::net::Shutdown;

/// R7.7, P24: the SSH session, the processes, the thread, the descriptors, the row.
#[test]
fn a_pane_that_is_disconnected_leaves_nothing() {
    let lab = Lab::new();
    let mut tab = lab.open();
    tab.connect("A");
    tab.at_the_prompt("A");
    tab.disconnect("A");
    tab.becomes("A", "disconnected");
    wait_until(deadline(), "the thread has ended", || lab.count().threads.len() == 1);
    let before = lab.count();
    tab.connect("A");
    tab.at_the_prompt("A");
    tab.types("A", "sleep 1000 & sleep 1000\r");
    wait_until(deadline(), "both run", || lab.fleet.sshd.running("sleep").len() == 2);
    tab.disconnect("A");
    tab.becomes("A", "disconnected");
    let pane = lab.view()["panes"]["A"].clone();
    assert_eq!(
        (&pane["status"], &pane["error"]),
        (&"disconnected".into(), &serde_json::Value::Null)
    );
    assert!(pane["disconnectedAt"].is_i64());
    lab.is_as_it_was(&before);
    wait_until(deadline(), "nothing runs", || lab.fleet.sshd.running("sleep").is_empty());
}

#[test]
fn a_shell_that_exits_ends_its_pane_and_another_one_begins_clean() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "printf '\\033[?1049h\\033[?25l'; echo on the other scre''en; exit\r");
    tab.becomes("A", "disconnected");
    assert!(tab.pane("A").text.contains("on the other screen"));
    tab.connect("A");
    tab.becomes("A", "connected");
    tab.sees("A", "\u{1b}[?1049l");
    assert!(tab.pane("A").text.contains("\u{1b}[?25h"), "the cursor is back");
}

/// P24: a machine that vanishes without a word is noticed, and nothing is left of it.
#[test]
fn a_machine_that_vanishes_ends_its_pane() {
    let (lab, link) = Lab::over_a_link("ssh.keepalive_interval = 2");
    let before = lab.before();
    let mut tab = lab.connected(&["A"]);
    link.stall();
    tab.wait("it is told", |tab| tab.pane("A").status().starts_with("error: "));
    let status = tab.pane("A").status().to_owned();
    assert!(status.contains("the machine has not answered for"), "{status}");
    drop(tab);
    link.cut(); // or its side would not know
    lab.is_as_it_was(&before);
    assert_eq!(lab.view()["panes"]["A"]["status"], "disconnected");
}

/// P24: a browser that is cut off without a close, one that goes in the middle of a message, and
/// one that goes while nothing can be sent to it.
#[test]
fn a_browser_that_is_cut_off_leaves_nothing() {
    let lab = Lab::with("terminal.detach_timeout = 0");
    let before = lab.before();
    for way in 0..3 {
        let mut tab = lab.connected(&["A"]);
        match way {
            0 => tab.stream().shutdown(Shutdown::Both).unwrap(),
            1 => tab.stream().write_all(&[0x81, 0xfe, 0xff]).unwrap(),
            _ => {
                tab.types("A", "yes\r");
                tab.sees("A", "y\r\ny\r\n");
                let full = || lab.fleet.sshd.running("yes").len() == 1;
                wait_until(deadline(), "it runs", full);
            }
        }
        drop(tab);
        lab.is_as_it_was(&before);
    }
    assert!(lab.fleet.sshd.running("yes").is_empty());
}

/// P24: SIGTERM tells the browser, closes with 1001, and leaves nothing on the machines.
#[test]
fn a_stop_is_told_and_leaves_nothing() {
    let mut lab = Lab::new();
    let mut tab = lab.connected(&["A", "B"]);
    tab.types("A", "sleep 1000\r");
    wait_until(deadline(), "it runs", || lab.fleet.sshd.running("sleep").len() == 1);
    let mut alone = lab.open(); // a second browser is told, too
    alone.becomes("B", "connected");
    let reader = std::thread::spawn(move || {
        let codes = (tab.ends(), alone.ends());
        (codes, tab, alone)
    });
    assert!(lab.linkops.terminate().success());
    let (codes, mut tab, mut alone) = reader.join().unwrap();
    assert_eq!(codes, (1001, 1001));
    for pane in ["A", "B"] {
        assert_eq!(tab.pane(pane).status(), "error: LinkOps is stopping");
        assert_eq!(alone.pane(pane).status(), "error: LinkOps is stopping");
    }
    wait_until(deadline(), "nothing runs", || {
        lab.fleet.sshd.running("sleep").is_empty() && lab.fleet.sshd.running("bash").is_empty()
    });
    lab.linkops.launch();
    assert_eq!(lab.view()["panes"]["A"]["status"], "disconnected");
    let audit = rusqlite::Connection::open(lab.linkops.path("linkops.db")).unwrap();
    let sql = "SELECT count(*) FROM audit_log WHERE action = 'terminal.disconnect'";
    let ended: i64 = audit.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(ended, 2);
}

/// R7.2, P22: a machine that does not prove what it is when it is connected gets no shell.
#[test]
fn a_machine_must_prove_itself_when_it_is_connected() {
    let lab = Lab::new();
    let file = lab.fleet.machines[0].client_file.clone();
    fs::write(&file, "LINKOPS-somebody-else\n").unwrap();
    let mut tab = lab.open();
    tab.connect("A");
    tab.wait("it is refused", |tab| tab.pane("A").status().starts_with("error: "));
    let status = tab.pane("A").status().to_owned();
    assert!(status.starts_with("error: not enrolled: the client id on the machine is"), "{status}");
    assert_eq!(tab.pane("A").statuses.len(), 2);
    assert_eq!(lab.fleet.sshd.logged("Starting session: shell"), 0);
    assert_eq!(lab.view()["panes"]["A"]["status"], "disconnected");
    fs::write(&file, format!("{}\n", lab.fleet.machines[0].client_id)).unwrap();
    tab.connect("A");
    tab.becomes("A", "connected");
}

/// A machine that does not answer can be given up.
#[test]
fn dialling_can_be_given_up() {
    let (lab, link) = Lab::over_a_link("ssh.pool_size = 0");
    link.stall();
    let before = lab.before();
    let mut tab = lab.open();
    tab.connect("A");
    tab.becomes("A", "connecting");
    tab.types("A", "typed early\r"); // kept for the shell that comes
    tab.disconnect("A");
    tab.becomes("A", "disconnected");
    assert!(tab.errors.is_empty(), "{:?}", tab.errors);
    drop(tab);
    link.flow();
    lab.is_as_it_was(&before);
}

/// With a `detach_timeout` of 0 it is given up with the last browser.
#[test]
fn dialling_ends_with_its_browser_where_shells_do() {
    let (lab, link) = Lab::over_a_link("ssh.pool_size = 0\nterminal.detach_timeout = 0");
    link.stall();
    let before = lab.before();
    let mut tab = lab.open();
    tab.connect("A");
    tab.becomes("A", "connecting");
    drop(tab);
    wait_until(deadline(), "it is given up", || {
        lab.view()["panes"]["A"]["status"] == "disconnected"
    });
    assert_eq!(lab.view()["panes"]["A"]["error"], "closed after 0 s without a browser");
    link.flow();
    lab.is_as_it_was(&before);
}
