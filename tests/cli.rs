//! The command line (section 10 of the contract), as a process: what it prints, and how it ends.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::place::{Done, Place};

pub(crate) fn key(path: &Path, mode: u32) {
    fs::write(path, "a key").unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn check_finds_nothing_where_all_is_well() {
    let place = Place::new("");
    key(&place.path("keys/id_ed25519"), 0o600);
    key(&place.path("keys/id_ed25519.pub"), 0o644);
    place.run(&["check"], "").ok("everything is in order\n");
    assert!(!place.path("linkops.db").exists(), "a check changes nothing");
    place.serve_once();
    place.run(&["check"], "").ok("everything is in order\n");
}

/// R10.3, P29, and all problems at once.
#[test]
fn check_says_all_that_is_wrong() {
    let place = Place::new("");
    place.serve_once();
    rusqlite::Connection::open(place.path("linkops.db"))
        .unwrap()
        .pragma_update(None, "user_version", 999)
        .unwrap();
    key(&place.path("keys/open"), 0o644);
    key(&place.path("keys/shut"), 0o400);
    key(&place.path("keys/good"), 0o600);
    let done = place.run(&["check"], "");
    done.failed(1, &["version 999", "open", "644", "shut", "400", "chmod 600"]);
    assert!(!done.err.contains("good"), "{done:?}");
    place.run(&["serve"], "").failed(1, &["version 999"]);
    let bad = format!(
        "[api]\njwt_secret = {}\nprot = 1\n[git]\nbranch = -x\n[logging]\nlevel = loud\n",
        "short"
    );
    place.configure(&bad);
    for command in ["check", "serve", "sync"] {
        let done = place.run(&[command], "");
        done.failed(1, &["jwt_secret", "prot", "branch", "level"]);
        assert!(!done.err.contains("short"), "{done:?}");
    }
    fs::remove_file(place.path("config.ini")).unwrap();
    place.run(&["check"], "").failed(1, &["config.ini", "--config"]);
}

#[test]
fn any_mode_of_a_key_but_600_is_wrong() {
    let place = Place::new("");
    let path = place.path("keys/id");
    for mode in [0o000, 0o200, 0o400, 0o601, 0o604, 0o610, 0o640, 0o644, 0o700, 0o777, 0o4600] {
        key(&path, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        place.run(&["check"], "").failed(1, &["keys/id", &format!("mode {mode:o}")]);
    }
}

#[test]
fn users_are_made_listed_changed_and_removed() {
    let place = Place::new("");
    let add = |name: &str, role: &str, password: &str| {
        place.run(&["user", "add", name, "--role", role, "--password-stdin"], password)
    };
    place.run(&["user", "list"], "").ok("");
    add("zoe", "admin", "correct horse\n").ok("added zoe\n");
    add("ann", "viewer", "correct horse").ok("added ann\n"); // also without an end of line
    place.run(&["user", "list"], "").ok("ann\tviewer\nzoe\tadmin\n");
    add("ann", "viewer", "correct horse\n").failed(1, &["there is a user"]);
    add("a b", "viewer", "correct horse\n").failed(1, &["username"]);
    add("bob", "viewer", "short\n").failed(1, &["8 characters"]);
    add("bob", "viewer", "").failed(1, &["password"]);
    add("bob", "boss", "correct horse\n").failed(2, &["boss", "operator"]);
    let passwd = |name: &str, password: &str| {
        place.run(&["user", "passwd", name, "--password-stdin"], password)
    };
    passwd("ann", "another horse\r\n").ok("changed the password of ann\n");
    passwd("bob", "another horse\n").failed(1, &["bob"]);
    passwd("ann", "short\n").failed(1, &["8 characters"]);
    place.run(&["user", "remove", "ann"], "").ok("removed ann\n");
    place.run(&["user", "remove", "ann"], "").failed(1, &["ann"]);
    place.run(&["user", "remove", "zoe"], "").failed(1, &["last admin"]);
    place.run(&["user", "list"], "").ok("zoe\tadmin\n");
    assert!(!place.serve_once().err.contains("password"), "there is a user already");
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    let place = Place::new("");
    for (arguments, part) in [
        (&["srve"][..], "srve"),
        (&["serve", "now"], "serve now"),
        (&["--confg", "x"], "--confg"),
        (&["check", "--config"], ""), // its value is missing, or is the next option
        (&["user"], "user"),
        (&["user", "add", "ann"], "--password-stdin"),
        (&["user", "add", "ann", "--password-stdin"], "--role"),
        (&["user", "passwd", "ann"], "--password-stdin"),
        (&["user", "remove"], "user remove"),
        (&["check", "--role", "admin"], "--role"),
        (&["check", "--password-stdin"], "--password-stdin"),
    ] {
        place.run(arguments, "correct horse\n").failed(2, &[part, "linkopsd help"]);
    }
    assert!(!place.path("linkops.db").exists());
    let version = format!("linkopsd {}\n", env!("CARGO_PKG_VERSION"));
    for arguments in [&["version"][..], &["--version"], &["-V"]] {
        place.run(arguments, "").ok(&version);
    }
    for arguments in
        [&["help"][..], &["--help"], &["-h"], &["user", "--help"], &["--help", "serve"]]
    {
        let done = place.run(arguments, "");
        assert_eq!((done.code, &done.err[..]), (Some(0), ""), "{done:?}");
        assert!(done.out.contains("usage:") && done.out.contains("--password-stdin"), "{done:?}");
    }
}

/// What is no text is told like any other mistake.
#[test]
fn what_is_not_utf_8_is_refused() {
    let place = Place::new("");
    let odd = OsStr::from_bytes(b"a\xff");
    let mut command = place.command(&["backup"]);
    let done = Done::from(command.arg(odd).output().unwrap());
    done.failed(2, &["UTF-8", "a\\xFF", "linkopsd help"]);
    // Of other programs' variables nothing is asked.
    let with = |name: &str| Done::from(place.command(&["check"]).env(name, odd).output().unwrap());
    for foreign in ["FOO", "LINKOPS_NONSENSE_KEY"] {
        with(foreign).ok("everything is in order\n");
    }
    with("LINKOPS_GIT_BRANCH").failed(1, &["[git] branch: ", "UTF-8"]);
}

/// Also when secrets.ini cannot be read; what it might have said is not missed then.
#[test]
fn wrong_secrets_hide_nothing_else() {
    let place = Place::new("");
    fs::write(place.path("secrets.ini"), format!("[api]\njwt_secret = {}\n", "s".repeat(40)))
        .unwrap();
    fs::set_permissions(place.path("secrets.ini"), Permissions::from_mode(0o644)).unwrap();
    place.configure("[api]\nport = abc\n[git]\nbranch = -x\n");
    let done = place.run(&["check"], "");
    done.failed(1, &["secrets.ini", "has mode 644", "[api] port", "[git] branch"]);
    assert!(!done.err.contains("jwt_secret"), "{done:?}");
    fs::set_permissions(place.path("secrets.ini"), Permissions::from_mode(0o600)).unwrap();
    let done = place.run(&["check"], "");
    done.failed(1, &["[api] port", "[git] branch"]);
    assert!(!done.err.contains("secrets.ini"), "{done:?}");
    fs::write(place.path("secrets.ini"), "[api]\njwt_secret =\n").unwrap();
    place.configure("[api\nport = 1\n");
    place.run(&["check"], "").failed(1, &["secrets.ini", "is empty", "not an INI file"]);
}

/// R10.1: `--config` names the file; without it there is one place to look.
#[test]
fn the_configuration_is_the_file_that_is_named_or_that_of_the_contract() {
    let place = Place::new("");
    let elsewhere = place.path("elsewhere.ini");
    place.run(&["check"], "").ok("everything is in order\n");
    let check = |arguments: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_linkopsd")).args(arguments).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, err) = check(&["check", "--config", elsewhere.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(err.contains(elsewhere.to_str().unwrap()), "{err}");
    // Where there is one, what is in it is not for tests.
    if !Path::new(linkops::config::DEFAULT_PATH).exists() {
        let (code, err) = check(&["check"]);
        assert_eq!(code, Some(1));
        assert!(err.contains("/etc/linkops/config.ini"), "{err}");
    }
}

/// Section 10: once, on standard error, and in no file.
#[test]
fn the_first_password_is_printed_once() {
    let place = Place::new("level = TRACE\n");
    let first = place.serve_once();
    assert_eq!(first.code, Some(0), "{first:?}");
    let (_, password) = first.err.trim_end().split_once("has the password ").expect("a password");
    assert_eq!(first.err.lines().count(), 1, "{first:?}");
    assert!(password.len() >= 20 && !first.out.contains(password), "{first:?}");
    let second = place.serve_once();
    assert_eq!((second.code, &second.err[..]), (Some(0), ""));
    for entry in fs::read_dir(place.path("")).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap_or_default();
        let found = content.windows(password.len()).any(|part| part == password.as_bytes());
        assert!(!found, "the password is in {path:?}");
    }
    place.run(&["user", "list"], "").ok("admin\tadmin\n");
}

/// R2.1 to R2.3, R2.7, from the command line.
#[test]
fn sync_says_what_has_changed() {
    let mut fleet = Fleet::new(2);
    fleet.script("hello", "echo hello");
    let commit = fleet.commit();
    let place = Place::new("");
    let sync = || {
        let mut command = place.command(&["sync"]);
        Done::from(
            command.env("LINKOPS_GIT_REPOSITORY_URL", fleet.repository.url()).output().unwrap(),
        )
    };
    sync().ok(&format!(
        "synced {commit}: 2 links, 1 scripts\nadded link vps-01\nadded link vps-02\n\
         added script hello\n"
    ));
    sync().ok(&format!("synced {commit}: 2 links, 1 scripts\n"));
    let files = [("links.yaml", "links:\n  a:\n    type: VPS\n")];
    fleet.repository.commit(&files);
    sync().failed(1, &["links.yaml", "host", "clientId"]);
    let commit = fleet.repository.commit(&[("links.yaml", "links: {}\n")]);
    sync().ok(&format!(
        "synced {commit}: 0 links, 1 scripts\nremoved link vps-01\nremoved link vps-02\n"
    ));
    place.run(&["sync"], "").failed(1, &["/nowhere"]);
}

/// Nothing that opens a door is in the log, whatever its level.
#[test]
fn no_secret_is_in_the_log() {
    let mut fleet = Fleet::new(1);
    fleet.script_with("hello", "echo hello", &["--level=1"]);
    fleet.commit();
    let mut linkops = LinkOps::start_with(&fleet, "logging.level = TRACE");
    let login = |name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        linkops.call("POST", "/api/auth/login", &[], Some(&body))
    };
    let mut secrets =
        vec!["s".repeat(40), linkops.password().to_owned(), linkops.token().to_owned()];
    login("admin", "a wrong password").expect(401);
    let id = linkops.run(&["hello"], &fleet.ids(), json!({}));
    let ticket = linkops.post("/api/auth/ticket", &json!({})).expect(200)["ticket"].clone();
    let ticket = ticket.as_str().unwrap().to_owned();
    let path = format!("/api/operations/{id}/events?ticket={ticket}");
    assert_eq!(linkops.call("GET", &path, &[], None).status, 200);
    linkops.call("GET", &path, &[], None).expect(401);
    let header = format!("Bearer {}x", linkops.token());
    linkops.call("GET", "/api/links", &[("Authorization", &header)], None).expect(401);
    let change =
        json!({ "current_password": linkops.password(), "new_password": "a new password" });
    let reply = linkops.post("/api/auth/password", &change).expect(200);
    let token = reply["token"].as_str().unwrap().to_owned();
    let key = fs::read_to_string(fleet.keys().join("id_ed25519")).unwrap();
    secrets.extend(["a wrong password".into(), "a new password".into(), ticket, token]);
    secrets.extend(key.lines().filter(|line| !line.contains("---")).map(str::to_owned));
    assert_eq!(linkops.terminate().code(), Some(0));
    let log = linkops.log();
    assert!(log.contains("TOKEN_INVALID") && log.contains(&id), "{log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret:?} is in the log");
    }
}

/// Section 10: a consistent copy of a database in use, which is never written over anything.
#[test]
fn a_backup_is_a_whole_database_and_overwrites_nothing() {
    let mut fleet = Fleet::new(1);
    fleet.script("hello", "echo hello");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let id = linkops.run(&["hello"], &fleet.ids(), serde_json::Value::Null);
    linkops.wait(&id);
    let copy = linkops.path("copy.db");
    let name = copy.to_str().unwrap();
    let output = linkops.command(&["backup", name]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let store = linkops::store::Store::open(&copy).unwrap();
    let rows: i64 = store
        .read(|db| Ok(db.query_row("SELECT count(*) FROM operation_events", [], |row| row.get(0))?))
        .unwrap();
    assert_eq!(rows, linkops.wait(&id).len() as i64);
    let output = linkops.command(&["backup", name]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("exists already"), "{output:?}");
}

/// The manual page and the completions know what `help` knows.
#[test]
fn manual_and_completions_know_every_command() {
    let help = Place::new("").run(&["help"], "").out;
    let commands =
        help.lines().filter_map(|line| line.split_once("linkopsd ")?.1.split(' ').next());
    let commands: std::collections::BTreeSet<_> =
        commands.filter(|word| !word.starts_with('[')).collect();
    assert!(commands.len() >= 12, "{commands:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let manual = read("man/linkopsd.8");
    let shells = ["bash", "zsh", "fish"].map(|name| read(&format!("completions/linkopsd.{name}")));
    for command in commands {
        assert!(manual.contains(&format!(".It Ic {command}")), "{command} is not in the manual");
        for shell in &shells {
            let known =
                shell.split(|one: char| !one.is_ascii_alphanumeric()).any(|word| word == command);
            assert!(known, "{command} is not in {}", shell.lines().next().unwrap());
        }
    }
}
