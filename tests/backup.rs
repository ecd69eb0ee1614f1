//! `linkopsd restore` (issue 6): a copy is looked through, and takes the place of the database of a
//! stopped server; whatever is wrong leaves everything as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::place::{Done, Place};

const USER: [&str; 6] = ["user", "add", "ann", "--role", "viewer", "--password-stdin"];

/// A place with an admin, a copy of its database, and one more user since.
fn changed_since() -> (Place, String) {
    let place = Place::new("");
    place.serve_once();
    let copy = place.path("copy.db").to_str().unwrap().to_owned();
    assert_eq!(place.run(&["backup", &copy], "").code, Some(0));
    place.run(&USER, "correct horse\n").ok("added ann\n");
    (place, copy)
}

fn names(directory: &Path, part: &str) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|one| one.unwrap().file_name());
    names.map(|one| one.into_string().unwrap()).filter(|one| one.contains(part)).collect()
}

#[test]
fn a_copy_takes_the_place_of_the_database_which_is_kept() {
    let (place, copy) = changed_since();
    let before = fs::read(&copy).unwrap();
    let done = place.run(&["restore", &copy, "--verify"], "");
    assert_eq!((done.code, &done.err[..]), (Some(0), ""));
    assert!(done.out.contains("whole; 0 machines, 0 scripts, 1 users"), "{done:?}");
    assert!(done.out.contains("audit log: intact"), "{done:?}");
    place.run(&["user", "list"], "").ok("admin\tadmin\nann\tviewer\n");
    let done = place.run(&["restore", &copy], "");
    assert_eq!((done.code, &done.err[..]), (Some(0), ""));
    place.run(&["user", "list"], "").ok("admin\tadmin\n");
    assert_eq!(fs::read(&copy).unwrap(), before, "the copy is left alone");
    let mode = fs::metadata(place.path("linkops.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The way back: the kept one is a copy like any other.
    let directory = place.path("linkops.db").parent().unwrap().to_owned();
    let kept = names(&directory, ".replaced-");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(done.out.contains(&kept[0]), "{done:?}");
    let kept = directory.join(&kept[0]);
    assert_eq!(place.run(&["restore", kept.to_str().unwrap()], "").code, Some(0));
    place.run(&["user", "list"], "").ok("admin\tadmin\nann\tviewer\n");
    assert!(names(&directory, ".restoring").is_empty());
}

#[test]
fn a_running_server_keeps_its_database() {
    let fleet = Fleet::new(1);
    fleet.commit();
    let mut linkops = LinkOps::start(&fleet);
    let copy = linkops.path("copy.db");
    let run = |linkops: &LinkOps, arguments: &[&str]| {
        linkops.command(arguments).output().map(|one| (one.status.code(), one.stderr)).unwrap()
    };
    let copied = copy.to_str().unwrap().to_owned();
    assert_eq!(run(&linkops, &["backup", &copied]).0, Some(0));
    let (code, error) = run(&linkops, &["restore", &copied]);
    let error = String::from_utf8(error).unwrap();
    assert!(code == Some(1) && error.contains("systemctl stop linkopsd"), "{error}");
    linkops.get("/api/links").expect(200);
    assert!(names(linkops.directory(), ".restoring").is_empty());
    assert!(names(linkops.directory(), ".replaced").is_empty());
    // After a stop, and also after a crash that left a log beside the database.
    linkops.crash();
    assert_eq!(run(&linkops, &["restore", &copied]).0, Some(0));
    linkops.launch();
    linkops.sign_in();
    assert_eq!(linkops.get("/api/links").expect(200).as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_good_copy_is_refused_and_nothing_changes() {
    let (place, copy) = changed_since();
    let bad = place.path("bad.db");
    let name = bad.to_str().unwrap();
    let refused = |part: &str| {
        for arguments in [&["restore", name, "--verify"][..], &["restore", name]] {
            let done = place.run(arguments, "");
            assert!(done.code == Some(1) && done.err.contains(part), "{part}: {done:?}");
        }
        place.run(&["user", "list"], "").ok("admin\tadmin\nann\tviewer\n");
    };
    refused("bad.db");
    fs::write(&bad, "no database at all").unwrap();
    refused("not a database");
    fs::write(&bad, "").unwrap();
    refused("not a database of LinkOps");
    fs::copy(&copy, &bad).unwrap();
    Connection::open(&bad).unwrap().pragma_update(None, "user_version", 999).unwrap();
    refused("version 999");
    // An index that has lost its rows.
    fs::copy(&copy, &bad).unwrap();
    let broken = "PRAGMA writable_schema = 1;
                  DELETE FROM sqlite_schema WHERE name = 'auth_attempts_by_user';";
    Connection::open(&bad).unwrap().execute_batch(broken).unwrap();
    let page = fs::metadata(&copy).unwrap().len() as usize;
    let mut bytes = fs::read(&bad).unwrap();
    bytes.truncate(page - 4096);
    fs::write(&bad, bytes).unwrap();
    refused("bad.db");
    assert!(names(place.path("linkops.db").parent().unwrap(), ".replaced").is_empty());
}

/// An audit log that was tampered with is told; the copy may still be the only one there is.
#[test]
fn a_broken_audit_log_is_told() {
    let (place, copy) = changed_since();
    let tamper = "DROP TRIGGER IF EXISTS audit_log_is_never_changed;
                  UPDATE audit_chain SET last_id = last_id + 1;";
    Connection::open(&copy).unwrap().execute_batch(tamper).unwrap();
    let done = place.run(&["restore", &copy, "--verify"], "");
    assert!(done.code == Some(1) && done.err.contains("audit log is broken"), "{done:?}");
    let done = place.run(&["restore", &copy], "");
    assert!(done.code == Some(0) && done.out.contains("audit log: BROKEN"), "{done:?}");
}

/// A copy from before an upgrade is put back as it is; the next start brings it up to date.
#[test]
fn a_copy_of_an_older_version_is_put_back() {
    let (place, copy) = changed_since();
    let old = place.path("old.db");
    let db = Connection::open(&old).unwrap();
    db.execute_batch(include_str!("../sql/0001_core.sql")).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    fs::remove_file(copy).unwrap();
    let done = place.run(&["restore", old.to_str().unwrap()], "");
    assert!(done.code == Some(0) && done.out.contains("it has version 1"), "{done:?}");
    place.serve_once();
    place.run(&["user", "list"], "").ok("admin\tadmin\n");
    assert!(!names(old.parent().unwrap(), "linkops.db.before-v").is_empty());
}

/// Runs it with files of at most 64 KiB, as on a disk that gets full.
fn without_room(place: &Place, arguments: &[&str]) -> Done {
    let command = place.command(arguments);
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' XFSZ && ulimit -f 64 && exec \"$@\"", "bash"]);
    Done::from(shell.arg(command.get_program()).args(command.get_args()).output().unwrap())
}

/// What cannot be finished is no copy: it is not one of the seven of the week, and its name is free.
#[test]
fn a_copy_that_cannot_be_finished_leaves_nothing() {
    let place = Place::new("");
    place.serve_once();
    let directory = place.path("linkops.db").parent().unwrap().to_owned();
    let copy = place.path("copy.db").to_str().unwrap().to_owned();
    without_room(&place, &["backup", &copy]).failed(1, &["copy.db"]);
    assert!(names(&directory, "copy.db").is_empty());
    // A crash cannot clear up.
    fs::write(place.path("copy.db.part"), "half").unwrap();
    assert_eq!(place.run(&["backup", &copy], "").code, Some(0));
    assert_eq!(names(&directory, "copy.db"), ["copy.db"]);
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    place.run(&["backup", &copy], "").failed(1, &["copy.db", "exists"]);
    assert_eq!(place.run(&["restore", &copy, "--verify"], "").code, Some(0));
    without_room(&place, &["restore", &copy]).code.filter(|code| *code == 1).expect("no room");
    assert!(
        names(&directory, ".restoring").is_empty() && names(&directory, ".replaced").is_empty()
    );
}

/// The copy before an upgrade is the way back: half of one is none, and there is no upgrade without.
#[test]
fn an_upgrade_without_room_for_its_copy_waits() {
    let place = Place::new("");
    let db = Connection::open(place.path("linkops.db")).unwrap();
    db.execute_batch(include_str!("../sql/0001_core.sql")).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    drop(db);
    let directory = place.path("linkops.db").parent().unwrap().to_owned();
    without_room(&place, &["user", "list"]).failed(1, &["linkops.db.upgrading"]);
    assert!(
        names(&directory, ".before-v").is_empty() && names(&directory, ".upgrading").is_empty()
    );
    let version = |path| {
        let db = Connection::open(path).unwrap();
        db.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap()
    };
    assert_eq!(version(place.path("linkops.db")), 1);
    place.run(&["user", "list"], "").ok("");
    assert_eq!(names(&directory, ".before-v"), ["linkops.db.before-v2"]);
    assert_eq!(version(directory.join("linkops.db.before-v2")), 1);
    assert!(version(place.path("linkops.db")) > 1);
}
