//! Programs that fill the screen.

use super::*;

/// R7.3: an editor is opened, used and left, and what it wrote is there.
#[test]
fn an_editor_is_opened_used_and_left() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    let file = lab.fleet.directory().join("written");
    tab.types("A", &format!("vim -u NONE -N {}\r", file.display()));
    tab.sees("A", "\u{1b}[?1049h");
    tab.sees("A", "[New]");
    tab.types("A", "ihello from vim\u{1b}");
    tab.types("A", ":wq\r");
    tab.sees("A", "\u{1b}[?1049l");
    tab.types("A", "echo left-$((1+1))\r");
    tab.sees("A", "left-2");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "hello from vim\n");
}

/// A tab that is closed in the middle of a program that fills the screen: the next one is told to
/// change to the other screen, and the program draws it again by itself.
#[test]
fn top_goes_on_in_another_tab() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "top -d 1000\r");
    tab.sees("A", "\u{1b}[?1h\u{1b}=");
    tab.sees("A", "PID");
    drop(tab);
    let mut tab = lab.open();
    tab.becomes("A", "connected");
    assert_eq!(tab.pane("A").snapshots.len(), 1);
    // Drawn again for the new browser, whose snapshot had it, too.
    tab.wait("it is drawn again", |tab| tab.pane("A").text.matches("PID").count() >= 2);
    tab.types("A", "q");
    tab.sees("A", "\u{1b}[?1l\u{1b}>");
    tab.types("A", "echo left-$((1+1))\r");
    tab.sees("A", "left-2");
}

/// The same with a program that looks at its size only now and then.
#[test]
fn a_program_that_is_slow_to_notice_draws_its_screen_again_too() {
    let lab = Lab::new();
    let mut tab = lab.connected(&["A"]);
    let draws = "last=; while :; do now=$(stty size); [ \"$now\" = \"$last\" ] || echo \"size $now\"; \
                 last=$now; sleep 0.7; done";
    tab.types("A", &format!("printf '\\033[?1049h'; {draws}\r"));
    tab.sees("A", "size 24 80");
    drop(tab);
    let mut tab = lab.open();
    tab.wait("it has seen the other size and the old one", |tab| {
        let text = &tab.pane("A").text;
        text.split_once("size 23 80").is_some_and(|(_, rest)| rest.contains("size 24 80"))
    });
}

/// The same with an editor, whose screen is drawn again for the new browser without being asked:
/// the output that had drawn it is not kept any more.
#[test]
fn an_editor_draws_its_screen_again_for_a_new_browser() {
    let lab = Lab::with("terminal.scrollback = 1000");
    let file = lab.fleet.directory().join("file");
    std::fs::write(&file, "the first line\n".repeat(20) + "the last line\n").unwrap();
    let mut tab = lab.connected(&["A"]);
    tab.types("A", &format!("vim -u NONE -N {}\r", file.display()));
    tab.sees("A", "the last line");
    // More output than is kept, none of which draws the last line.
    for _ in 0..400 {
        tab.types("A", "ix\u{1b}u");
    }
    tab.types("A", ":echo 'do' . 'ne'\r");
    tab.sees("A", "done");
    drop(tab);
    let mut tab = lab.open();
    tab.sees("A", "the last line");
    let snapshot = tab.pane("A").snapshots[0].clone();
    assert!(snapshot.starts_with("\u{1b}[?1049h"), "{snapshot:?}");
    assert!(!snapshot.contains("the last line"), "{snapshot:?}");
    tab.types("A", ":q!\r");
    tab.sees("A", "\u{1b}[?1049l");
    tab.types("A", "stty size\r");
    tab.sees("A", "24 80"); // as it was
}
