//! Screens: what readers are told, what is kept, and what a snapshot is.

use super::*;
use proptest::prelude::*;

/// All that a reader is told now.
fn rest(screen: &mut Screen, id: u64) -> (String, Vec<Mark>) {
    let (mut text, mut marks) = (String::new(), Vec::new());
    while let Some(piece) = screen.take(id, 1000) {
        match piece {
            Piece::Output(more) => text += &more,
            Piece::Mark(mark) => marks.push(mark),
        }
    }
    (text, marks)
}

fn status(text: &str) -> Mark {
    Mark::Status(text.to_owned())
}

#[test]
fn marks_stand_at_their_place_in_the_output() {
    let mut screen = Screen::new(100);
    screen.join(1);
    screen.mark(status("connected"));
    screen.push("one");
    screen.mark(status("disconnected"));
    screen.mark(status("connecting"));
    screen.push("two");
    let told: Vec<Piece> = std::iter::from_fn(|| screen.take(1, 1000)).collect();
    let output = |text: &str| Piece::Output(text.to_owned());
    let expected = [
        Piece::Mark(status("connected")),
        output("one"),
        Piece::Mark(status("disconnected")),
        Piece::Mark(status("connecting")),
        output("two"),
    ];
    assert_eq!(told, expected);
    assert!(screen.marks.is_empty());
}

#[test]
fn a_snapshot_is_what_was_kept_and_reading_goes_on_behind_it() {
    let mut screen = Screen::new(100);
    screen.push("one\r\n");
    screen.mark(status("connected"));
    assert_eq!(screen.join(1), "one\r\n");
    screen.push("two\r\n");
    assert_eq!(rest(&mut screen, 1), ("two\r\n".to_owned(), vec![]));
    assert_eq!(screen.join(2), "one\r\ntwo\r\n");
}

#[test]
fn a_snapshot_begins_with_a_line_and_the_state_there() {
    let mut screen = Screen::new(20);
    screen.push("\x1b[31mgone\r\nhalf a line\r\nkept 1\r\nkept 2\r\n");
    assert_eq!(screen.join(1), "\x1b[31mkept 1\r\nkept 2\r\n");
}

#[test]
fn a_snapshot_without_lines_begins_with_a_character_outside_of_sequences() {
    let mut screen = Screen::new(12);
    screen.push("\x1b[?1049hxxxxxxxx\u{e9}\x1b[31;1myyy\u{1f40e}");
    assert_eq!(screen.join(1), "\x1b[?1049h\x1b[1;31myyy\u{1f40e}");
    let mut screen = Screen::new(3);
    screen.push("abc\u{1f40e}\u{1f40e}");
    assert_eq!(screen.join(1), "");
    let mut screen = Screen::new(0);
    screen.push("\x1b[?25lall of it");
    assert_eq!(screen.join(1), "\x1b[?25l");
}

#[test]
fn a_snapshot_asks_nothing() {
    let mut screen = Screen::new(1000);
    let text = "a\x1b[cb\x1b[6nc\x1b]11;?\x07d\x1b[31me\x1b[>qf\x1bP+q544e\x1b\\g\x1b[18th";
    screen.push(text);
    assert_eq!(screen.join(1), "abcd\x1b[31mefgh");
}

#[test]
fn the_next_shell_begins_with_a_clean_terminal() {
    let mut screen = Screen::new(1000);
    screen.begin_again();
    assert_eq!(screen.end(), 0);
    screen.push("\x1b[?1049h\x1b[?25lvim");
    screen.begin_again();
    assert_eq!(screen.now.prelude(), "");
    assert!(!screen.is_filled());
}

#[test]
fn the_slowest_is_named_when_another_waits_for_it() {
    let mut screen = Screen::new(10);
    screen.join(1);
    let much = "x".repeat(HELD_AT as usize);
    screen.push(&much);
    assert_eq!(screen.unread(), HELD_AT);
    assert_eq!(screen.slowest(), None);
    screen.join(2);
    assert_eq!(screen.slowest().map(|(id, _)| id), Some(1));
    screen.leave(1);
    assert_eq!((screen.unread(), screen.slowest()), (0, None));
    assert_eq!(screen.kept.len(), 10);
}

#[test]
fn what_a_stalled_reader_makes_us_keep_is_bounded() {
    let mut screen = Screen::new(10);
    screen.join(1);
    (0..10_000).for_each(|number| screen.mark(status(&number.to_string())));
    assert_eq!(screen.marks.len(), MOST_MARKS);
    assert_eq!(rest(&mut screen, 1).1.last(), Some(&status("9999")));
}

#[test]
fn a_screen_that_is_cleared_goes_on() {
    let mut screen = Screen::new(100);
    screen.join(1);
    screen.push("\x1b[31mold");
    screen.mark(status("disconnected"));
    screen.clear();
    screen.push("new");
    assert_eq!(rest(&mut screen, 1), ("new".to_owned(), vec![]));
    assert_eq!(screen.join(2), "new");
}

/// What happens to a screen.
#[derive(Debug, Clone)]
enum Act {
    Push(String),
    Take(u64, usize),
    Join(u64),
    Leave(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => "(\\PC|\r\n|\x1b\\[31m|\x1b\\[\\?1049h){0,12}".prop_map(Act::Push),
        3 => (0_u64..3, 4_usize..20).prop_map(|(id, most)| Act::Take(id, most)),
        1 => (0_u64..3).prop_map(Act::Join),
        1 => (0_u64..3).prop_map(Act::Leave),
    ]
}

/// What the slowest of them was not told.
fn unread(readers: &[Option<(usize, String)>], all: &str) -> usize {
    let slowest = readers.iter().flatten().map(|(from, told)| from + told.len()).min();
    slowest.map_or(0, |at| all.len() - at)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// P23: each reader is told what was put in after it came, unchanged and in order, whatever
    /// the others do; a snapshot ends with what was put in last; and what is kept is bounded.
    #[test]
    fn p23_every_reader_is_told_all_in_order(
        acts in proptest::collection::vec(act(), 0..60),
        scrollback in 0_usize..40,
    ) {
        let mut screen = Screen::new(scrollback);
        let mut all = String::new();
        let mut readers: Vec<Option<(usize, String)>> = vec![None; 3];
        for act in acts {
            match act {
                Act::Push(text) => {
                    screen.push(&text);
                    all += &text;
                }
                Act::Take(id, most) => {
                    let piece = screen.take(id, most);
                    if let Some((_, told)) = &mut readers[id as usize] {
                        if let Some(Piece::Output(text)) = piece {
                            prop_assert!(!text.is_empty() && text.len() <= most);
                            *told += &text;
                        }
                    } else {
                        prop_assert_eq!(piece, None);
                    }
                }
                Act::Join(id) => {
                    let snapshot = screen.join(id);
                    readers[id as usize] = None; // who comes again has left first
                    let kept = all.len().min(scrollback.max(unread(&readers, &all)));
                    prop_assert!(kept + 200 >= snapshot.len());
                    let line = all[..].rfind('\n').map_or("", |at| &all[at + 1..]);
                    if all.len() <= scrollback.max(kept) {
                        prop_assert_eq!(&snapshot, &all);
                    } else if line.len() < scrollback {
                        prop_assert!(snapshot.ends_with(line));
                    }
                    readers[id as usize] = Some((all.len(), String::new()));
                }
                Act::Leave(id) => {
                    screen.leave(id);
                    readers[id as usize] = None;
                }
            }
            let unread = unread(&readers, &all);
            prop_assert_eq!(screen.unread(), unread as u64);
            prop_assert!(screen.kept.len() <= scrollback.max(unread));
        }
        for (id, reader) in readers.into_iter().enumerate() {
            if let Some((from, told)) = reader {
                let (more, _) = rest(&mut screen, id as u64);
                prop_assert_eq!(told + &more, &all[from..]);
            }
        }
    }
}
