//! What is typed and what comes back.

use super::*;
use serde_json::json;

/// R7.3 to R7.6: a shell on a PTY; what is typed arrives, what it prints comes back.
#[test]
fn what_is_typed_is_run_and_what_is_printed_is_shown() {
    let lab = Lab::new();
    let mut tab = lab.open();
    tab.connect("A");
    tab.becomes("A", "connected");
    assert_eq!(tab.pane("A").statuses, ["connecting", "connected"]);
    tab.types("A", "echo $TERM-$((20+3)); tty; stty size\r");
    tab.sees("A", "xterm-256color-23");
    tab.sees("A", "/dev/pts/");
    tab.sees("A", "24 80");
}

#[test]
fn control_characters_reach_the_program() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "cat; echo interrupted-$((1+1))\r");
    wait_until(deadline(), "cat runs", || lab.fleet.sshd.running("cat").len() == 1);
    tab.types("A", "some text\r");
    tab.sees("A", "some text\r\nsome text\r\n");
    tab.types("A", "\u{4}"); // end of file
    tab.sees("A", "interrupted-2");
    tab.types("A", "sleep 1000\r");
    wait_until(deadline(), "it sleeps", || lab.fleet.sshd.running("sleep").len() == 1);
    tab.types("A", "\u{3}echo status-$?\r");
    tab.sees("A", "status-130");
    tab.types("A", "wrong\u{15}echo li\u{7f}\u{7f}kill-$((3+3))\r"); // kills the line, erases
    tab.sees("A", "kill-6");
    tab.forget("A");
    tab.types("A", "echo \u{16}\u{1b}[31m | cat -v\r"); // typed literally
    tab.wait("its output, below the line", |tab| {
        let text = tab.pane("A").text.replace("\u{1b}[?2004l\r", "");
        text.contains("\r\n^[[31m\r\n")
    });
}

/// R7.4: a pane has the size that its browser gives it, and its program is told of a change.
#[test]
fn a_size_is_seen_by_the_program() {
    let lab = Lab::new();
    let mut tab = lab.open();
    tab.resize("A", 101, 37); // before there is a shell
    tab.connect("A");
    tab.at_the_prompt("A");
    tab.types("A", "stty size\r");
    tab.sees("A", "37 101");
    tab.types("A", "trap 'stty size; echo told' WINCH; echo se''t\r");
    tab.sees("A", "set");
    tab.resize("A", 132, 50);
    tab.types("A", "\r");
    tab.sees("A", "50 132");
    for (cols, rows) in [(0, 24), (80, 0), (1001, 24), (80, 1001)] {
        tab.resize("A", cols, rows);
    }
    tab.wait("they are refused", |tab| tab.errors.len() == 4);
    assert!(tab.errors.iter().all(|code| code == "VALIDATION_FAILED"), "{:?}", tab.errors);
}

/// What is typed after a resize is read by a program that has the new size, however fast both come.
#[test]
fn a_resize_is_not_overtaken_by_what_is_typed_after_it() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    for cols in 100..130 {
        tab.resize("A", cols, 50);
        tab.types("A", "stty size; echo en''d\r");
        tab.sees("A", "end\r\n");
        let text = &tab.pane("A").text;
        assert!(text.contains(&format!("50 {cols}\r\n")), "{text:?}");
        tab.sees("A", "prompt-2-");
        tab.forget("A");
    }
}

/// A size that comes while the machine is dialled is the one of the shell.
#[test]
fn a_resize_while_it_connects_is_not_lost() {
    let (lab, link) = Lab::over_a_link("");
    let mut tab = lab.open();
    link.stall();
    let before = link.accepted();
    tab.connect("A");
    wait_until(deadline(), "it dials", || link.accepted() > before);
    tab.resize("A", 111, 41);
    tab.types("A", "stty size\r"); // taken behind the resize, for when there is a shell
    let size = || lab.view()["panes"]["A"]["cols"].clone();
    wait_until(deadline(), "the size has come", || size() == 111);
    link.flow();
    tab.sees("A", "41 111\r\n");
}

#[test]
fn four_panes_are_kept_apart() {
    let lab = Lab::new();
    let names = ["A", "B", "C", "D"];
    let mut tab = lab.connected(&names);
    for (number, name) in names.iter().enumerate() {
        tab.types(name, &format!("for i in $(seq 200); do echo {number}-$i-{number}; done\r"));
    }
    for (number, name) in names.iter().enumerate() {
        tab.sees(name, &format!("{number}-200-{number}\r\n"));
        let text = tab.pane(name).text.replace("\u{1b}[?2004l\r", "");
        let lines: Vec<&str> =
            text.lines().filter(|line| line.ends_with(&format!("-{number}"))).collect();
        let expected: Vec<String> = (1..=200).map(|i| format!("{number}-{i}-{number}")).collect();
        assert_eq!(lines, expected, "pane {name}");
        let others = (0..4).filter(|other| *other != number);
        others.for_each(|other| assert!(!text.contains(&format!("{other}-7-{other}"))));
    }
}

/// Output that cuts a character is held until it is whole; what is no text does not stall.
#[test]
fn characters_are_kept_whole() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    let text = "\u{1f40e}\u{159}\u{20ac}";
    let bytes: Vec<String> = text.bytes().map(|byte| format!("\\\\x{byte:02x}")).collect();
    let line =
        format!("stty -echo; for b in {}; do printf $b; /bin/true; done; echo\r", bytes.join(" "));
    tab.types("A", &line);
    tab.sees("A", text);
    tab.types("A", "printf 'a\\xffb\\xe2\\x82c'; echo; echo en''d\r");
    tab.sees("A", "a\u{fffd}b\u{fffd}c");
    tab.sees("A", "end");
    tab.types("A", "printf '\\xf0\\x9f'; exit\r"); // never whole
    tab.becomes("A", "disconnected");
    assert!(tab.pane("A").text.ends_with("\u{fffd}logout\r\n"), "{:?}", tab.pane("A").text);
}

#[test]
fn wrong_messages_are_told_and_change_nothing() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    for (message, code) in [
        (json!({ "pane": "A", "type": "stdin" }), "INVALID_JSON"),
        (json!({ "pane": "A", "type": "stdin", "data": "x", "more": 1 }), "INVALID_JSON"),
        (json!({ "pane": "A", "type": "reboot" }), "INVALID_JSON"),
        (json!([]), "INVALID_JSON"),
        (json!({ "pane": "E", "type": "stdin", "data": "x" }), "VALIDATION_FAILED"),
        (json!({ "pane": "B", "type": "stdin", "data": "x" }), "VALIDATION_FAILED"),
    ] {
        tab.errors.clear();
        tab.say(message.clone());
        tab.wait(&message.to_string(), |tab| !tab.errors.is_empty());
        assert_eq!(tab.errors, [code], "{message}");
    }
    tab.types("A", "echo still-$((1+1))\r");
    tab.sees("A", "still-2");
}

/// Two browsers see the same; each may type; the size is the one that was set last.
#[test]
fn two_browsers_see_the_same() {
    let lab = Lab::new();
    let mut one = lab.connected(&["A"]);
    let mut two = lab.open();
    two.becomes("A", "connected");
    one.types("A", "echo from-$((0+1))\r");
    two.sees("A", "from-1");
    two.types("A", "echo from-$((1+1))\r");
    one.sees("A", "from-2");
    two.sees("A", "from-2");
    one.resize("A", 90, 30);
    two.wait("it is told the size", |tab| tab.pane("A").sizes.last() == Some(&(90, 30)));
    two.types("A", "stty size\r");
    one.sees("A", "30 90");
    assert_eq!(one.pane("A").sizes, [], "who sets a size is not told of it");
}
