//! Recordings: what is in the files, who sees them, how long they are kept, and what happens to
//! those of a process that was killed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::Lab;
use crate::support::client::Reply;
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

/// A lab whose terminals are recorded.
fn lab(settings: &str) -> Lab {
    Lab::with(&format!(
        "terminal.recording = on\nterminal.recordings_directory = recordings\n{settings}"
    ))
}

fn recordings(linkops: &LinkOps) -> Vec<Value> {
    linkops.get("/api/recordings").expect(200).as_array().unwrap().clone()
}

fn path(linkops: &LinkOps, recording: &Value) -> PathBuf {
    linkops.path(&format!("recordings/{}.cast", recording["id"].as_str().unwrap()))
}

fn fetch(linkops: &LinkOps, recording: &Value) -> Reply {
    linkops.get(&format!("/api/recordings/{}", recording["id"].as_str().unwrap()))
}

/// The newest recording, when this holds for it.
fn newest(linkops: &LinkOps, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    wait_until(deadline(), what, || {
        found = recordings(linkops).first().cloned().unwrap_or_default();
        holds(&found)
    });
    found
}

fn ended(linkops: &LinkOps) -> Value {
    newest(linkops, "the recording has ended", |one| one["ended"].is_i64())
}

/// An asciicast v2 file: its header, and its events by code.
struct Cast {
    header: Value,
    events: Vec<(f64, String, String)>,
}

impl Cast {
    #[track_caller]
    fn read(bytes: &[u8]) -> Cast {
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(text.ends_with('\n'), "the last line is whole");
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let header = lines.next().unwrap();
        let event = |one: Value| {
            let word = |at: usize| one[at].as_str().unwrap().to_owned();
            assert_eq!(one.as_array().unwrap().len(), 3);
            (one[0].as_f64().unwrap(), word(1), word(2))
        };
        let events: Vec<_> = lines.map(event).collect();
        assert!(events.is_sorted_by_key(|one| one.0), "times only grow");
        Cast { header, events }
    }

    fn all(&self, code: &str) -> String {
        let of = self.events.iter().filter(|(_, one, _)| one == code);
        of.map(|(_, _, data)| data.as_str()).collect()
    }
}

/// The output that is in a recording that runs; its file may have no line yet, or not be there.
fn written(linkops: &LinkOps, recording: &Value) -> String {
    let reply = fetch(linkops, recording);
    let begun = reply.status == 200 && !reply.body.is_empty();
    if begun { Cast::read(&reply.body).all("o") } else { String::new() }
}

/// Section 7: an asciicast v2 file with all that was on the screen, for us alone.
#[test]
fn a_recording_has_what_was_on_the_screen() {
    let lab = lab("");
    let mut tab = lab.connected(&["B"]);
    tab.resize("B", 100, 50);
    tab.types("B", "stty size; echo é-$((6*7)); printf 'raw \\377\\n'\r");
    tab.sees("B", "raw \u{fffd}");
    tab.sees("B", "prompt-2-");
    let running = newest(&lab.linkops, "some of it is written", |one| {
        written(&lab.linkops, one).contains("é-42")
    });
    assert_eq!((&running["ended"], &running["duration"]), (&Value::Null, &Value::Null));
    assert!(running["bytes"].as_u64().unwrap() > 0);
    let delete = format!("/api/recordings/{}", running["id"].as_str().unwrap());
    let delete = || lab.linkops.ask("DELETE", &delete, None);
    assert_eq!((delete().status, &delete().code()[..]), (409, "RECORDING_RUNNING"));
    tab.types("B", "exit\r");
    tab.becomes("B", "disconnected");

    let one = ended(&lab.linkops);
    assert_eq!(one["id"], running["id"]);
    assert_eq!((&one["workspace_id"], &one["pane"]), (&json!(lab.workspace), &json!("B")));
    assert_eq!((&one["target"], &one["actor"]), (&json!("vps-02"), &json!("admin")));
    assert_eq!(one["error"], Value::Null);
    let time = |key: &str| one[key].as_i64().unwrap();
    assert_eq!(time("duration"), time("ended") - time("started"));
    let file = fs::read(path(&lab.linkops, &one)).unwrap();
    assert_eq!(one["bytes"], file.len());
    let mode = |name: &str| lab.linkops.path(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode(&format!("recordings/{}.cast", one["id"].as_str().unwrap())) & 0o777, 0o600);
    assert_eq!(mode("recordings") & 0o777, 0o700);

    let reply = fetch(&lab.linkops, &one);
    assert_eq!(reply.header("content-type"), Some("application/x-asciicast"));
    assert_eq!(reply.body, file);
    let cast = Cast::read(&file);
    let wanted = json!({
        "version": 2, "width": 80, "height": 24, "timestamp": time("started") / 1000,
        "title": "vps-02", "env": { "TERM": "xterm-256color" },
    });
    assert_eq!(cast.header, wanted);
    assert!(cast.all("o").contains("50 100\r\né-42\r\nraw \u{fffd}\r\n"), "{:?}", cast.events);
    assert_eq!(cast.all("r"), "100x50");
    assert_eq!((&cast.all("i")[..], &cast.all("m")[..]), ("", ""), "input was not asked for");
    assert!(cast.events.last().unwrap().0 * 1000.0 <= time("duration") as f64 + 1000.0);

    assert_eq!(delete().status, 204);
    assert!(!path(&lab.linkops, &one).exists());
    assert_eq!((delete().status, &delete().code()[..]), (404, "RECORDING_NOT_FOUND"));
    assert_eq!(recordings(&lab.linkops), Vec::<Value>::new());
}

/// Input only if it is asked for, and never what is typed while the remote side shows nothing.
#[test]
fn input_is_recorded_where_it_is_shown_and_passwords_are_not() {
    let lab = lab("terminal.record_input = on");
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "read -s -p 'Password: ' secret; echo \" ${#secret} letters\"\r");
    tab.sees("A", "\rPassword: "); // not where it was typed
    for letter in "hunter2".chars() {
        tab.types("A", &letter.to_string());
    }
    tab.types("A", "\r");
    tab.sees("A", "7 letters");
    tab.sees("A", "prompt-2-");
    tab.types("A", "echo shown-again\r");
    tab.sees("A", "\rshown-again");
    tab.disconnect("A");
    tab.becomes("A", "disconnected");
    let file = fs::read(path(&lab.linkops, &ended(&lab.linkops))).unwrap();
    let cast = Cast::read(&file);
    let typed = cast.all("i");
    assert!(typed.contains("read -s -p 'Password: ' secret; "), "{typed:?}");
    assert!(typed.contains("echo shown-again\r"), "{typed:?}");
    assert!(!String::from_utf8(file).unwrap().contains("hunter2"));
    let letters: Vec<_> = cast.events.iter().filter(|one| one.1 == "i").collect();
    assert!(letters.iter().all(|one| !["h", "u", "n", "t", "e", "r", "2"].contains(&&one.2[..])));
}

/// What flows faster than it is written to disk, and 20 MB of it: the session is not held up, and
/// what is missing is said.
#[test]
fn a_flood_is_recorded_or_marked_and_nothing_else() {
    let lab = lab("");
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "seq 3000000; echo end-$((1+1))\r");
    tab.wait("all of it", |tab| {
        let text = &mut tab.pane("A").text;
        let ended = text.contains("end-2");
        text.drain(..text.len().saturating_sub(10)); // all of it is ASCII
        ended
    });
    tab.types("A", "exit\r");
    tab.becomes("A", "disconnected");
    let one = ended(&lab.linkops);
    let reply = fetch(&lab.linkops, &one);
    assert_eq!(one["bytes"], reply.body.len());
    let cast = Cast::read(&reply.body);
    let told: u64 = cast
        .events
        .iter()
        .filter(|one| one.1 == "m")
        .map(|one| one.2.split(' ').next().unwrap().parse::<u64>().unwrap())
        .sum();
    let whole: u64 = (1..=3_000_000_u64).map(|n| n.to_string().len() as u64 + 2).sum();
    let output = cast.all("o");
    let numbers = output.len() as u64 + told;
    assert!((whole..whole + 4_000).contains(&numbers), "{numbers} of {whole}, {told} left out");
}

#[test]
fn nothing_is_recorded_unless_it_is_asked_for() {
    let lab = Lab::with("terminal.recordings_directory = recordings");
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "exit\r");
    tab.becomes("A", "disconnected");
    assert_eq!(recordings(&lab.linkops), Vec::<Value>::new());
    assert!(!lab.linkops.path("recordings").exists());
}

/// A recording whose process was killed ends with its last whole line, at the time of that; one
/// whose file is gone is no more.
#[test]
fn recordings_of_a_killed_process_are_finished_at_the_next_start() {
    let mut lab = lab("");
    let mut tab = lab.connected(&["A", "B"]);
    tab.types("A", "echo before-$((6*7))\r");
    tab.sees("A", "before-42");
    wait_until(deadline(), "it is written", || {
        let all = recordings(&lab.linkops);
        all.iter().any(|one| written(&lab.linkops, one).contains("before-42"))
    });
    let all = recordings(&lab.linkops);
    let of = |pane: &str| all.iter().find(|one| one["pane"] == pane).unwrap().clone();
    lab.linkops.crash();
    let file = path(&lab.linkops, &of("A"));
    let whole = fs::read(&file).unwrap();
    fs::write(&file, [&whole[..], b"[99999.5, \"o\", \"hal"].concat()).unwrap();
    fs::remove_file(path(&lab.linkops, &of("B"))).unwrap();
    lab.linkops.launch();
    let left = recordings(&lab.linkops);
    assert_eq!(left.len(), 1);
    let (one, last) = (&left[0], Cast::read(&whole).events.pop().unwrap().0);
    assert_eq!(one["id"], of("A")["id"]);
    assert_eq!(one["duration"].as_i64().unwrap(), (last * 1000.0) as i64);
    assert_eq!((&one["bytes"], &one["error"]), (&json!(whole.len()), &Value::Null));
    assert_eq!(fetch(&lab.linkops, one).body, whole);
}

/// A server that ends finishes what it has begun.
#[test]
fn recordings_are_finished_when_the_server_ends() {
    let mut lab = lab("");
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "echo before-$((6*7))\r");
    tab.sees("A", "before-42");
    assert!(lab.linkops.terminate().success());
    let file = path(&lab.linkops, &row(&lab.linkops));
    assert!(Cast::read(&fs::read(&file).unwrap()).all("o").contains("before-42"));
    lab.linkops.launch();
    let one = recordings(&lab.linkops)[0].clone();
    assert_eq!(one["bytes"], fs::read(&file).unwrap().len());
    assert!(one["duration"].as_i64().unwrap() > 0);
}

/// The only row, as it is in the database; it must have ended.
fn row(linkops: &LinkOps) -> Value {
    let db = Connection::open(linkops.path("linkops.db")).unwrap();
    let sql = "SELECT id FROM recordings WHERE ended_at IS NOT NULL";
    let id: String = db.query_row(sql, [], |row| row.get(0)).unwrap();
    json!({ "id": id })
}

/// Old ones go after their time, and the oldest when there is too much; those that run stay.
#[test]
fn old_and_too_many_recordings_are_removed() {
    let mut lab = lab("terminal.recordings_max_age_days = 30\nterminal.recordings_max_mb = 1");
    for _ in 0..4 {
        let mut tab = lab.connected(&["A"]);
        tab.types("A", "head -c 300000 /dev/zero | tr '\\0' x; echo; exit\r");
        tab.becomes("A", "disconnected");
        ended(&lab.linkops);
    }
    // 4 x 300 kB are more than a MiB: the oldest goes by itself.
    wait_until(deadline(), "the oldest has gone", || recordings(&lab.linkops).len() == 3);
    let files = || fs::read_dir(lab.linkops.path("recordings")).unwrap().count();
    assert_eq!(files(), 3);
    let db = Connection::open(lab.linkops.path("linkops.db")).unwrap();
    let now = linkops::clock::Clock::System.now();
    let day = 24 * 3_600 * 1_000;
    let oldest = recordings(&lab.linkops)[2]["id"].as_str().unwrap().to_owned();
    let sql = "UPDATE recordings SET started_at = ?1, ended_at = ?1 WHERE id = ?2";
    db.execute(sql, (now - 31 * day, &oldest)).unwrap();
    // One that runs is older still.
    let mut tab = lab.connected(&["B"]);
    tab.forget("B");
    db.execute("UPDATE recordings SET started_at = ?1 WHERE ended_at IS NULL", [now - 90 * day])
        .unwrap();
    let mut other = lab.connected(&["C"]);
    other.types("C", "exit\r");
    other.becomes("C", "disconnected");
    wait_until(deadline(), "the old one has gone", || {
        recordings(&lab.linkops).iter().all(|one| one["id"] != oldest)
    });
    assert!(recordings(&lab.linkops).iter().any(|one| one["ended"].is_null()));
    let audited: Vec<String> = db
        .prepare("SELECT target FROM audit_log WHERE action = 'recording.delete' ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(audited.len(), 2);
    assert_eq!(audited[1], oldest);
    lab.linkops.crash();
}

/// What cannot be written ends the recording, and the list says why; the session goes on.
#[test]
fn a_disk_that_takes_nothing_ends_the_recording_and_not_the_session() {
    let lab = lab("");
    fs::remove_dir(lab.linkops.path("recordings")).unwrap();
    fs::write(lab.linkops.path("recordings"), "no directory").unwrap();
    let mut tab = lab.connected(&["A"]);
    tab.types("A", "echo still-$((6*7))\r");
    tab.sees("A", "still-42");
    let one = ended(&lab.linkops);
    assert!(one["error"].as_str().unwrap().starts_with("cannot write: "), "{one}");
    assert!(lab.linkops.log().contains("the recording has ended"));
    assert_eq!(fetch(&lab.linkops, &one).status, 500, "its place is no directory");
}
