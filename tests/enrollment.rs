//! Enrolment over a real SSH server, with any content that the file may have (R4, P11, P12).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linkops::clock::Clock;
use linkops::enrollment::{Checked, Enrollment, content_matches};
use linkops::error::Error;
use linkops::inventory::route::Keys;
use linkops::inventory::{Inventory, Machine, store};
use linkops::ssh::{Failure, HostKeyPolicy, Kind, Pool, Settings};
use linkops::store::Store;
use linkops::threads::Latch;
use proptest::prelude::*;
use serde_json::json;

use crate::inventory::{machine, open};
use crate::support::fake_ssh::FakeSsh;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::{deadline, somebody};

/// The library, with one warm pool, on a fleet of one machine and one that nobody answers for.
struct World {
    fleet: Fleet,
    store: Arc<Store>,
    enrollment: Enrollment,
    pool: Arc<Pool>,
}

impl World {
    fn new() -> World {
        let mut fleet = Fleet::new(1);
        let port = fleet.sshd.port();
        fleet.add("away", "127.0.0.99", port);
        let store = Arc::new(open(fleet.directory()));
        let of_fleet = |id: &str, place: usize| {
            let one = &fleet.machines[place];
            let mut found = Machine { host: one.host.clone(), port: one.port, ..machine(id) };
            found.user = fleet.sshd.user().to_owned();
            found.enrollment.id.clone_from(&one.client_id);
            found.enrollment.path = one.client_file.to_str().unwrap().to_owned();
            found
        };
        let machines = vec![of_fleet("away", 1), of_fleet("vps-01", 0)];
        let inventory = Inventory { machines, scripts: Vec::new() };
        store.write(|tx| store::replace(tx, &inventory)).unwrap();
        let pool = Pool::start(Settings {
            known_hosts: fleet.directory().join("known_hosts"),
            policy: HostKeyPolicy::AcceptNew,
            connect_timeout: Duration::from_secs(30),
            max_tries: 1,
            retry_delay: Duration::ZERO,
            max_idle: 4,
            idle_time: Duration::from_secs(600),
            keepalive: Duration::from_secs(600),
        })
        .unwrap();
        let stop = Arc::new(Latch::new().unwrap());
        let dial = Arc::<Pool>::clone(&pool);
        let (clock, time) = (Clock::System, Duration::from_secs(60));
        let enrollment =
            Enrollment::new(Arc::clone(&store), dial, clock, Keys::of(&fleet.keys()), time, stop);
        World { fleet, store, enrollment, pool }
    }

    fn file(&self) -> &Path {
        &self.fleet.machines[0].client_file
    }

    fn client_id(&self) -> &str {
        &self.fleet.machines[0].client_id
    }

    /// Checks, and that what was found is what is stored.
    fn verify(&self, id: &str) -> Checked {
        let checked = self.enrollment.verify(id, &somebody()).unwrap();
        let stored = self.store.read(|db| store::machine(db, id)).unwrap().enrollment;
        assert_eq!(stored.enrolled, checked.enrolled);
        assert_eq!((stored.found, stored.error), (checked.client_id_found, checked.error.clone()));
        checked
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.pool.close(Instant::now() + Duration::from_secs(10));
    }
}

/// What a machine has where its client id should be.
#[derive(Debug, Clone)]
enum State {
    File(Vec<u8>),
    Nothing,
    Directory,
    DanglingLink,
    LinkToFile,
    NoMachine,
}

/// Contents near and far from the right one, which is `ID` in them.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let blanks = || "[ \t\r\n\x0b\x0c]{0,6}".prop_map(String::into_bytes);
    let odd = prop::sample::select(vec![
        b"\0".to_vec(),
        b"\xc2\xa0".to_vec(),
        b"\xe2\x80\x8b".to_vec(),
        b"\xef\xbb\xbf".to_vec(),
        b"\xff".to_vec(),
        b"\x1b".to_vec(),
        b"'".to_vec(),
        b"\\".to_vec(),
        b"x".to_vec(),
        vec![b' '; 5_000],
    ]);
    prop_oneof![
        3 => (blanks(), blanks()).prop_map(|(a, b)| [a, b"ID".to_vec(), b].concat()),
        2 => (blanks(), odd.clone()).prop_map(|(a, b)| [b, a, b"ID".to_vec()].concat()),
        2 => (blanks(), odd).prop_map(|(a, b)| [b"ID".to_vec(), a, b].concat()),
        1 => Just(b"id".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..80),
        1 => prop::collection::vec(any::<u8>(), 3_000..9_000),
        1 => blanks(),
    ]
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        10 => content().prop_map(State::File),
        1 => Just(State::Nothing),
        1 => Just(State::Directory),
        1 => Just(State::DanglingLink),
        1 => Just(State::LinkToFile),
        1 => Just(State::NoMachine),
    ]
}

/// The content for this client id.
fn filled(content: &[u8], id: &str) -> Vec<u8> {
    let at = |word: &[u8]| content.windows(2).position(|two| two == word);
    let (at, id) = match (at(b"ID"), at(b"id")) {
        (Some(at), _) => (at, id.to_owned()),
        (None, Some(at)) => (at, id.to_lowercase()),
        _ => return content.to_vec(),
    };
    [&content[..at], id.as_bytes(), &content[at + 2..]].concat()
}

/// The contract's rule in other words than the program's; a file longer than 4095 bytes is no
/// client id, whatever stands in it.
fn should_match(content: &[u8], id: &str) -> bool {
    let text = String::from_utf8_lossy(content);
    let blank = |one: char| " \t\r\n\u{b}\u{c}".contains(one);
    content.len() < 4_096 && text.trim_matches(blank) == id
}

fn clear(file: &Path) {
    let _ = fs::remove_dir(file);
    let _ = fs::remove_file(file);
}

/// P11, P12: any bytes, over one warm connection.
#[test]
fn p11_p12_enrolled_exactly_when_the_content_matches_and_else_told_why() {
    let world = World::new();
    let (file, id) = (world.file(), world.client_id());
    let elsewhere = world.fleet.directory().join("elsewhere");
    fs::write(&elsewhere, id).unwrap();
    let check = |state: State| {
        clear(file);
        let (mut target, mut wanted) = ("vps-01", false);
        match &state {
            State::File(content) => {
                let content = filled(content, id);
                fs::write(file, &content).unwrap();
                wanted = should_match(&content, id);
            }
            State::Nothing => {}
            State::Directory => fs::create_dir(file).unwrap(),
            State::DanglingLink => symlink("/nowhere/at/all", file).unwrap(),
            State::LinkToFile => {
                symlink(&elsewhere, file).unwrap();
                wanted = true;
            }
            State::NoMachine => target = "away",
        }
        let found = world.verify(target);
        let is_file = matches!(state, State::File(_) | State::LinkToFile);
        prop_assert_eq!(found.enrolled, wanted, "{:?}", found);
        prop_assert_eq!(found.client_id_matches, wanted);
        prop_assert_eq!(found.client_id_found, is_file);
        prop_assert_eq!(found.reached, target == "vps-01");
        let why = found.error.unwrap_or_default();
        prop_assert_eq!(why.trim().is_empty(), wanted, "{:?}", why);
        prop_assert!(
            why.len() < 1_000 && !why.contains(|one: char| one.is_control() && one != '\n')
        );
        Ok(())
    };
    proptest!(ProptestConfig::with_cases(300), |(state in state())| check(state)?);
    assert_eq!(world.fleet.sshd.logins(), 1, "one warm connection served all of them");
}

/// The longest file that is looked into, and why a longer one is refused.
#[test]
fn a_file_that_is_too_long_is_called_so() {
    let world = World::new();
    let padded = |length: usize| {
        let blanks = " ".repeat(length - world.client_id().len());
        format!("{}{blanks}", world.client_id())
    };
    fs::write(world.file(), padded(4_095)).unwrap();
    assert!(world.verify("vps-01").enrolled);
    for length in [4_096, 4_097, 100_000] {
        fs::write(world.file(), padded(length)).unwrap();
        let found = world.verify("vps-01");
        assert!(!found.enrolled && found.client_id_found);
        let why = found.error.unwrap();
        assert!(why.contains("longer than"), "{why}");
    }
}

/// A sync takes a machine away while all are checked: the others have their results.
#[test]
fn a_machine_that_goes_away_meanwhile_is_left_out() {
    const MACHINES: usize = 40; // more than are checked side by side: the last one waits
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(directory.path()));
    let put = |store: &Store, count: usize| {
        let machines = (0..count).map(|number| machine(&format!("m-{number:02}"))).collect();
        let inventory = Inventory { machines, scripts: Vec::new() };
        store.write(|tx| store::replace(tx, &inventory)).unwrap();
    };
    put(&store, MACHINES);
    let (ssh, synced) = (FakeSsh::default(), Arc::clone(&store));
    ssh.always(Arc::new(move |target, _| {
        put(&synced, MACHINES - 1);
        Err(Failure::new(target, Kind::Unreachable, "nobody is there"))
    }));
    let (keys, time) = (Keys::of(directory.path()), Duration::from_secs(60));
    let stop = Arc::new(Latch::new().unwrap());
    let enrollment = Enrollment::new(store, Arc::new(ssh), Clock::System, keys, time, stop);
    let found = enrollment.verify_all(&somebody(), deadline()).unwrap();
    assert_eq!((found.len(), found.contains_key("m-39")), (MACHINES - 1, false));
    let both = vec!["m-00".to_owned(), "m-39".to_owned()];
    let named = enrollment.verify_many(both, &somebody(), deadline());
    assert!(matches!(named, Err(Error::NotFound { .. })), "{named:?}");
}

/// The check on the machine, right before a script, is the same rule in another language.
#[test]
fn the_machine_and_the_server_agree() {
    let mut fleet = Fleet::new(1);
    fleet.script("hello", "echo hello");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let (file, id) = (&fleet.machines[0].client_file, &fleet.machines[0].client_id);
    let padded = |length: usize| format!("{id:length$}").into_bytes();
    let with = |before: &str, after: &str| format!("{before}{id}{after}").into_bytes();
    let contents = [
        with("", ""),
        with(" \t\r\n\x0b\x0c", "\x0c\x0b\n\r\t "),
        with("", "\0"),
        with("", "\n\0"),
        with("\0", ""),
        with("", "\0garbage"),
        with("\u{a0}", ""),
        with("", "\u{85}"),
        with("", "\u{2003}"),
        with("", "\\"),
        with("", " *"),
        with("*", ""),
        id.to_lowercase().into_bytes(),
        id.as_bytes()[..id.len() - 1].to_vec(),
        [id.as_bytes(), b"\xff"].concat(),
        Vec::new(),
        vec![b' '; 5_000],
        b"*".to_vec(),
        padded(4_095),
        padded(4_096),
        padded(5_000),
        [vec![b'\n'; 4_051], id.clone().into_bytes()].concat(),
        [vec![b'\n'; 4_052], id.clone().into_bytes()].concat(),
    ];
    for content in contents {
        fs::write(file, id).unwrap();
        linkops.post("/api/links/vps-01/verify", &json!({})).expect(200);
        let shown = String::from_utf8_lossy(&content).trim().to_owned();
        fs::write(file, &content).unwrap();
        let done = linkops.run_to_end(&["hello"], &fleet.ids(), json!({}));
        let log = &done["logs"][0];
        let wanted = content_matches(&content, id);
        assert_eq!(log["status"] == "success", wanted, "{shown:?} {}: {log}", content.len());
        assert_eq!(log["stdout"], if wanted { "hello\n" } else { "" }, "{shown:?}");
        let refused = log["error"].as_str().is_some_and(|text| text.contains("not enrolled"));
        assert_eq!(refused, !wanted, "{shown:?}: {log}");
        let checked = linkops.post("/api/links/vps-01/verify", &json!({})).expect(200);
        assert_eq!(checked["enrolled"], wanted, "{shown:?}: {checked}");
    }
}
