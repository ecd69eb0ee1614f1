//! Properties of terminals, each over many cases on the same real machines.

use super::*;
use crate::inventory_model::cases;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;
use std::net::Shutdown;
use tungstenite::Message;

const PANES: [&str; 4] = ["A", "B", "C", "D"];

/// Runs a property over cases that share what they run on.
fn check<S: Strategy>(cases: Config, strategy: S, test: impl Fn(S::Value)) {
    let config = Config { max_shrink_iters: 20, ..cases };
    let outcome = TestRunner::new(config).run(&strategy, |value| {
        test(value);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// P23: what goes in arrives at the PTY and what comes out arrives at the browser, unchanged and in
/// order, per pane: any characters, in any pieces, whatever is typed into other panes meanwhile.
#[test]
fn p23_what_goes_in_comes_out_unchanged_and_in_order_per_pane() {
    let lab = Lab::new();
    let mut tab = lab.connected(&PANES);
    for pane in PANES {
        // A program that gives back each byte, on a PTY that changes none.
        tab.types(pane, "stty raw -echo; printf rea''dy; exec cat\r");
        tab.sees(pane, "ready");
    }
    wait_until(deadline(), "they run", || lab.fleet.sshd.running("cat").len() == 4);
    let tab = RefCell::new(tab);
    let pieces = proptest::collection::vec((0_usize..4, "(?s).{0,40}"), 0..20);
    check(cases(200), pieces, |pieces| {
        let mut tab = tab.borrow_mut();
        PANES.iter().for_each(|pane| tab.forget(pane));
        let mut expected = [const { String::new() }; 4];
        for (pane, text) in &pieces {
            tab.types(PANES[*pane], text);
            expected[*pane] += text;
        }
        for (pane, text) in PANES.iter().zip(&expected) {
            tab.wait("all came back", |tab| tab.pane(pane).text.len() >= text.len());
            assert_eq!(tab.pane(pane).text, *text, "pane {pane}");
        }
    });
}

/// P23: any bytes of a program arrive as their text, however the program cuts them; each browser is
/// told the same.
#[test]
fn p23_any_output_arrives_as_its_text_at_every_browser() {
    let lab = Lab::new();
    let mut one = lab.connected(&["A"]);
    let fifo = lab.fleet.directory().join("fifo");
    one.types(
        "A",
        &format!("mkfifo {0}; stty raw -echo; printf rea''dy; exec cat 0<>{0}\r", fifo.display()),
    );
    one.sees("A", "ready");
    wait_until(deadline(), "it reads", || !lab.fleet.sshd.running("cat").is_empty());
    let mut two = lab.open();
    two.becomes("A", "connected");
    two.sees("A", "ready");
    let tabs = RefCell::new((one, two));
    let byte = prop_oneof![4 => 0x20_u8..0x7f, 2 => any::<u8>(), 2 => 0x80_u8..=0xff];
    let bytes = proptest::collection::vec(byte, 0..200);
    check(cases(100), (bytes, any::<Index>()), |(bytes, at)| {
        let (one, two) = &mut *tabs.borrow_mut();
        one.forget("A");
        two.forget("A");
        // A character that was left open is closed by the next byte, which is none of it.
        let whole = [&bytes[..], b"|"].concat();
        let (first, second) = whole.split_at(at.index(whole.len()));
        let mut writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
        std::io::Write::write_all(&mut writer, first).unwrap();
        std::io::Write::write_all(&mut writer, second).unwrap();
        drop(writer);
        let text = String::from_utf8_lossy(&whole);
        for tab in [one, two] {
            tab.wait("all came", |tab| tab.pane("A").text.len() >= text.len());
            assert_eq!(tab.pane("A").text, text);
        }
    });
}

/// P22: a pane is connected exactly when the machine shows the right client id then.
#[test]
fn p22_only_a_machine_that_proves_itself_gets_a_shell() {
    let lab = Lab::new();
    let machine = &lab.fleet.machines[0];
    let (id, file) = (machine.client_id.clone(), machine.client_file.clone());
    let tab = RefCell::new(lab.open());
    let content = prop_oneof![
        3 => "[ \t\r\n]{0,3}".prop_map({ let id = id.clone(); move |space| Some(format!("{space}{id}\n{space}")) }),
        2 => any::<Index>().prop_map({
            let id = id.clone();
            move |at| {
                let mut other = id.clone().into_bytes();
                let at = at.index(other.len());
                other[at] ^= 1;
                Some(String::from_utf8(other).unwrap())
            }
        }),
        1 => Just(Some(String::new())),
        1 => Just(None),
        1 => "[A-Z0-9-]{0,50}".prop_map(Some),
    ];
    check(cases(100), content, |content| {
        let tab = &mut *tab.borrow_mut();
        match &content {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let proves = content.as_ref().is_some_and(|text| text.trim() == id);
        let shells = lab.fleet.sshd.logged("Starting session: shell");
        tab.pane("A").statuses.clear();
        tab.connect("A");
        tab.wait("it is decided", |tab| !["", "connecting"].contains(&tab.pane("A").status()));
        let status = tab.pane("A").status().to_owned();
        if proves {
            assert_eq!(status, "connected", "{content:?}");
            tab.disconnect("A");
            tab.becomes("A", "disconnected");
        } else {
            assert!(status.starts_with("error: not enrolled: "), "{status} {content:?}");
            assert_eq!(lab.fleet.sshd.logged("Starting session: shell"), shells);
            fs::write(&file, &id).unwrap();
        }
    });
}

/// The ways in which a pane's connection ends.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// The browser asks for it.
    Asked,
    /// The shell exits.
    Exits,
    /// The server hangs up.
    Dies,
    /// The browser says goodbye.
    Closed,
    /// The browser is cut off.
    Cut,
    /// The browser asks while the pane is connecting.
    Early,
}

/// P24: however it ends, nothing is left: no process on the machine, no thread, no descriptor, no
/// open row.
#[test]
fn p24_nothing_is_left_however_it_ends() {
    let lab = Lab::with("terminal.detach_timeout = 0\nssh.pool_size = 0");
    // What can be there once is there.
    drop(lab.connected(&["A", "B"]));
    lab.rests();
    let before = lab.before();
    let way = prop_oneof![
        Just(Way::Asked),
        Just(Way::Exits),
        Just(Way::Dies),
        Just(Way::Closed),
        Just(Way::Cut),
        Just(Way::Early),
    ];
    check(cases(100), (way, 1_usize..3, any::<bool>()), |(way, panes, busy)| {
        let panes = &PANES[..panes];
        let mut tab = lab.open();
        panes.iter().for_each(|pane| tab.connect(pane));
        if !matches!(way, Way::Early) {
            panes.iter().for_each(|pane| tab.at_the_prompt(pane));
            // What a shell leaves in the background when it exits is meant to stay, as with ssh.
            if busy && !matches!(way, Way::Exits) {
                panes.iter().for_each(|pane| tab.types(pane, "sleep 1000 &\r"));
                let run = || lab.fleet.sshd.running("sleep").len() == panes.len();
                wait_until(deadline(), "they run", run);
            }
        }
        match way {
            Way::Asked | Way::Early => {
                panes.iter().for_each(|pane| tab.disconnect(pane));
                panes.iter().for_each(|pane| tab.becomes(pane, "disconnected"));
            }
            Way::Exits => {
                panes.iter().for_each(|pane| tab.types(pane, "exec true\r"));
                panes.iter().for_each(|pane| tab.becomes(pane, "disconnected"));
            }
            Way::Dies => {
                lab.fleet.sshd.end_sessions();
                for pane in panes {
                    tab.wait("it is told", |tab| tab.pane(pane).status().starts_with("error: "));
                }
            }
            Way::Closed => assert!(tab.try_close()),
            Way::Cut => tab.stream().shutdown(Shutdown::Both).unwrap(),
        }
        drop(tab);
        lab.is_as_it_was(&before);
        lab.rests();
    });
    let db = rusqlite::Connection::open(lab.linkops.path("linkops.db")).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let begun =
        count("SELECT count(*) FROM audit_log WHERE action = 'terminal.connect' AND result = 'ok'");
    let ended = count("SELECT count(*) FROM audit_log WHERE action = 'terminal.disconnect'");
    assert!(begun > 80, "{begun}");
    assert_eq!(begun, ended);
}

impl Lab {
    /// Nothing runs on the machines, and no row is open.
    #[track_caller]
    fn rests(&self) {
        wait_until(deadline(), "no row is open and nothing runs", || {
            let panes = self.view()["panes"].clone();
            let closed = |pane: &serde_json::Value| {
                pane["connected"] == false
                    && pane["connectedAt"].is_null() == pane["disconnectedAt"].is_null()
            };
            panes.as_object().unwrap().values().all(closed)
                && self.fleet.sshd.sessions() == 0
                && self.fleet.sshd.running("sleep").is_empty()
        });
    }
}

impl crate::support::terminal::Tab {
    /// Says goodbye as a browser does whose page is left.
    fn try_close(&mut self) -> bool {
        self.client().try_send(Message::Close(None))
    }
}
