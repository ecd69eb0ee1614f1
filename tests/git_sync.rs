//! R2 with real repositories: what a sync brings, what a failed one leaves alone, and who shares
//! its result.

use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use linkops::clock::Clock;
use linkops::error::Error;
use linkops::inventory::catalogue::Catalogue;
use linkops::inventory::store;
use linkops::inventory::sync::{Phase, Settings, Sync};
use linkops::inventory::{Filter, Sort};
use linkops::store::Store;
use linkops::threads::Latch;
use tempfile::TempDir;

use crate::inventory::open;
use crate::support::repository::Repository;

/// A database and a copy of a repository in a directory of their own.
pub(crate) struct Lab {
    pub(crate) store: Arc<Store>,
    pub(crate) stop: Arc<Latch>,
    pub(crate) settings: Settings,
    pub(crate) sync: Arc<Sync>,
    pub(crate) directory: TempDir,
}

impl Lab {
    pub(crate) fn new(url: &str) -> Lab {
        Lab::with(url, |_| ())
    }

    pub(crate) fn with(url: &str, change: impl FnOnce(&mut Settings)) -> Lab {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            url: Some(url.to_owned()),
            branch: "main".to_owned(),
            local_path: directory.path().join("git-repo"),
            interval: Duration::ZERO,
            timeout: Duration::from_secs(60),
            key: None,
            known_hosts: None,
            accept_new: false,
            token: None,
            webhook_secret: None,
        };
        change(&mut settings);
        Lab::start(directory, settings)
    }

    fn start(directory: TempDir, settings: Settings) -> Lab {
        let store = Arc::new(open(directory.path()));
        let stop = Arc::new(Latch::new().unwrap());
        let (of_sync, until) = (Arc::clone(&store), Arc::clone(&stop));
        let sync = Sync::new(settings.clone(), of_sync, Clock::fixed(1_000), until);
        Lab { store, stop, settings, sync: Arc::new(sync), directory }
    }

    /// The same place as a restarted server finds it, with another configuration.
    pub(crate) fn restarted(self, change: impl FnOnce(&mut Settings)) -> Lab {
        let Lab { directory, mut settings, .. } = self;
        change(&mut settings);
        Lab::start(directory, settings)
    }

    pub(crate) fn local_path(&self) -> PathBuf {
        self.settings.local_path.clone()
    }

    pub(crate) fn catalogue(&self) -> Catalogue {
        Catalogue::new(Arc::clone(&self.store), &self.local_path())
    }

    /// The ids of the machines.
    pub(crate) fn links(&self) -> Vec<String> {
        let (filter, sort) = (Filter::default(), Sort::default());
        let list =
            self.store.read(|connection| store::machines(connection, &filter, sort)).unwrap();
        list.into_iter().map(|one| one.id).collect()
    }

    /// The names of the trees.
    pub(crate) fn trees(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.local_path().join("trees")).unwrap();
        let mut names: Vec<_> =
            entries.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// How many syncs are in the history.
    pub(crate) fn syncs(&self) -> usize {
        self.store.read(|connection| store::syncs(connection, u32::MAX)).unwrap().len()
    }
}

const LINKS: &str = "links:\n  a: {type: VPS, host: a.example, port: 22, user: root, \
    enrollment: {clientId: LINKOPS-0e3b7a52-1111-4222-8333-444455556666}}\n";
const SCRIPTS: &str =
    "scripts:\n  greet: {name: Greet, description: says hello, path: scripts/greet.sh}\n";

/// A repository's files with the link `a` and the script `greet`.
pub(crate) fn files(script: &str) -> [(&str, &str); 3] {
    [("links.yaml", LINKS), ("scripts.yaml", SCRIPTS), ("scripts/greet.sh", script)]
}

const GREET: &str = "#!/bin/bash\necho hello\n";

#[test]
fn the_first_sync_clones_and_the_next_pulls() {
    // R2.1, R2.2, R2.3
    let repository = Repository::with(&files(GREET));
    let first = repository.git(&["rev-parse", "HEAD"]);
    let lab = Lab::new(&repository.url());
    assert_eq!(lab.sync.status().unwrap().phase, Phase::Never);
    let outcome = lab.sync.sync_now().unwrap();
    assert_eq!((outcome.commit.as_str(), outcome.timestamp), (first.as_str(), 1_000));
    assert_eq!((outcome.links, outcome.scripts), (1, 1));
    assert_eq!(outcome.changes.links.added, ["a"]);
    assert_eq!(outcome.changes.scripts.added, ["greet"]);
    let status = lab.sync.status().unwrap();
    assert_eq!((status.phase, status.last_sync, status.error), (Phase::Synced, Some(1_000), None));
    assert_eq!(status.commit_hash, Some(first.clone()));
    assert_eq!((status.repository_url, status.branch.as_str()), (Some(repository.url()), "main"));
    // Nothing new.
    let again = lab.sync.sync_now().unwrap();
    assert_eq!((again.commit.as_str(), again.changes), (first.as_str(), Default::default()));
    // Something new, twice: the last tree and the one before stay.
    let second = repository.commit(&[("links.yaml", &LINKS.replace("  a:", "  b:"))]);
    let outcome = lab.sync.sync_now().unwrap();
    assert_eq!(outcome.commit, second);
    assert_eq!(
        (outcome.changes.links.added, outcome.changes.links.removed),
        (vec!["b".to_owned()], vec!["a".to_owned()],)
    );
    let third = repository.commit(&[("links.yaml", &LINKS.replace("a.example", "other"))]);
    lab.sync.sync_now().unwrap();
    lab.sync.sync_now().unwrap();
    let mut kept = [second, third];
    kept.sort();
    assert_eq!(lab.trees(), kept);
    assert_eq!(lab.links(), ["a"]);
    assert_eq!(lab.syncs(), 5);
}

#[test]
fn a_history_that_was_rewritten_is_followed() {
    let repository = Repository::with(&files(GREET));
    repository.commit(&[("links.yaml", "links: {}\n")]);
    let lab = Lab::new(&repository.url());
    lab.sync.sync_now().unwrap();
    repository.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    repository.git(&["commit", "--quiet", "--amend", "--message=another past"]);
    lab.sync.sync_now().unwrap();
    assert_eq!(lab.links(), ["a"]);
}

#[test]
fn only_the_branch_counts() {
    let repository = Repository::with(&files(GREET));
    repository.git(&["checkout", "--quiet", "-b", "release/1.0"]);
    let commit = repository.commit(&[("links.yaml", "links: {}\n")]);
    let lab = Lab::with(&repository.url(), |settings| settings.branch = "release/1.0".to_owned());
    assert_eq!(lab.sync.sync_now().unwrap().commit, commit);
    assert!(lab.links().is_empty());
}

#[test]
fn wrong_files_are_told_with_file_and_line_and_change_nothing() {
    // R2.4, R2.5, R2.7, and P5 and P6 once through Git.
    let repository = Repository::with(&files(GREET));
    let good = repository.git(&["rev-parse", "HEAD"]);
    let lab = Lab::new(&repository.url());
    lab.sync.sync_now().unwrap();
    let cases = [
        (LINKS.replace("host: a.example, ", ""), "links.yaml:2: link \"a\": \"host\" is missing"),
        (format!("{LINKS}  ]\n"), "links.yaml:3: "),
        ("links: {}\n".repeat(2), "links.yaml:2: \"links\" is there twice"),
        (String::new(), "links.yaml:1: \"links\" is missing"),
    ];
    for (links, says) in cases {
        let scripts = SCRIPTS.replace("name: Greet, ", "");
        let bad =
            [("links.yaml", links.as_str()), ("scripts.yaml", &scripts), ("scripts/greet.sh", "x")];
        repository.commit(&bad);
        let error = lab.sync.sync_now().unwrap_err();
        assert!(matches!(&error, Error::Yaml(problems) if problems.len() == 2), "{error}");
        let text = error.to_string();
        assert!(text.contains(says), "{text}");
        assert!(text.contains("scripts.yaml:2: script \"greet\": \"name\" is missing"), "{text}");
        let status = lab.sync.status().unwrap();
        assert_eq!((status.phase, status.error), (Phase::Failed, Some(text)));
        assert_eq!((status.commit_hash.as_ref(), status.last_sync), (Some(&good), Some(1_000)));
        assert_eq!((lab.links(), lab.trees()), (vec!["a".to_owned()], vec![good.clone()]));
        assert_eq!(lab.catalogue().script_text("greet").unwrap().text, GREET.as_bytes());
    }
    repository.git(&["rm", "--quiet", "-r", "."]);
    repository.commit(&[]);
    let text = lab.sync.sync_now().unwrap_err().to_string();
    assert!(
        text.contains("links.yaml: there is no file \"links.yaml\" in the repository"),
        "{text}"
    );
    assert!(text.contains("scripts.yaml: there is no file"), "{text}");
    let mended = repository.commit(&files(GREET));
    assert_eq!(lab.sync.sync_now().unwrap().commit, mended);
    assert_eq!(lab.sync.status().unwrap().phase, Phase::Synced);
    assert_eq!(lab.syncs(), 7);
}

#[test]
fn files_outside_the_repository_are_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let outside = directory.path().join("links.yaml");
    std::fs::write(&outside, LINKS).unwrap();
    let repository = Repository::new();
    std::os::unix::fs::symlink(&outside, repository.file("links.yaml")).unwrap();
    repository.commit(&[("scripts.yaml", SCRIPTS)]);
    let error = Lab::new(&repository.url()).sync.sync_now().unwrap_err().to_string();
    assert!(error.contains("\"links.yaml\" leads out of the repository"), "{error}");
}

#[test]
fn repositories_and_branches_that_are_not_there() {
    let nowhere = tempfile::tempdir().unwrap();
    let missing = nowhere.path().join("r.git");
    let error = Lab::new(missing.to_str().unwrap()).sync.sync_now().unwrap_err();
    assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");

    let repository = Repository::with(&files(GREET));
    for (branch, says) in [("mian", "couldn't find remote ref"), ("a b:c", "name of a branch")] {
        let lab = Lab::with(&repository.url(), |settings| settings.branch = branch.to_owned());
        match lab.sync.sync_now().unwrap_err() {
            Error::RepositoryNotFound { url, message } => {
                assert_eq!(url, repository.url());
                assert!(message.contains(says), "{message}");
            }
            other => panic!("{other}"),
        }
    }
    let lab = Lab::with("", |settings| settings.url = None);
    let error = lab.sync.sync_now().unwrap_err();
    assert!(error.to_string().contains("set repository_url"), "{error}");
    let commands = tempfile::tempdir().unwrap();
    let trace = commands.path().join("ran");
    for url in [format!("ext::touch {}", trace.display()), "--upload-pack=touch".to_owned()] {
        let error = Lab::new(&url).sync.sync_now().unwrap_err();
        assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");
    }
    assert!(!trace.exists());
}

#[test]
fn a_damaged_copy_and_one_of_another_repository_are_made_anew() {
    let repository = Repository::with(&files(GREET));
    let mut lab = Lab::new(&repository.url());
    lab.sync.sync_now().unwrap();
    let copy = lab.local_path().join("repository.git");
    let damages: [fn(&std::path::Path); 4] = [
        |copy| std::fs::write(copy.join("HEAD"), "garbage").unwrap(),
        |copy| std::fs::write(copy.join("shallow.lock"), "").unwrap(), // a killed git leaves it
        |copy| std::fs::remove_dir_all(copy.join("objects")).unwrap(),
        |copy| {
            std::fs::remove_dir_all(copy).unwrap();
            std::fs::write(copy, "a file").unwrap();
        },
    ];
    for (n, damage) in damages.iter().enumerate() {
        damage(&copy);
        let commit = repository.commit(&[("n", &n.to_string())]);
        assert_eq!(lab.sync.sync_now().unwrap().commit, commit, "damage {n}");
    }
    let other = Repository::with(&files("#!/bin/bash\necho other\n"));
    lab = lab.restarted(|settings| settings.url = Some(other.url()));
    assert_eq!(lab.sync.sync_now().unwrap().commit, other.git(&["rev-parse", "HEAD"]));
    // A tree that somebody damaged is made anew as well.
    let tree = lab.local_path().join("trees").join(other.git(&["rev-parse", "HEAD"]));
    std::fs::remove_file(tree.join("scripts.yaml")).unwrap();
    lab.sync.sync_now().unwrap();
    assert!(tree.join("scripts.yaml").exists());
}

#[test]
fn the_last_good_state_is_there_after_a_restart_without_the_server() {
    let repository = Repository::with(&files(GREET));
    let lab = Lab::new(&repository.url());
    let commit = lab.sync.sync_now().unwrap().commit;
    drop(repository);
    let lab = lab.restarted(|_| ());
    assert!(lab.sync.sync_now().is_err());
    let status = lab.sync.status().unwrap();
    assert_eq!((status.phase, status.commit_hash), (Phase::Failed, Some(commit.clone())));
    assert_eq!(lab.catalogue().script_text("greet").unwrap().commit, commit);
    assert_eq!(lab.links(), ["a"]);
}

#[test]
fn submodules_are_not_fetched() {
    let repository = Repository::with(&files(GREET));
    let commit = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    let url = repository.url();
    let modules = format!("[submodule \"sub\"]\n\tpath = sub\n\turl = {url}\n");
    std::fs::write(repository.file(".gitmodules"), modules).unwrap();
    repository.git(&["add", ".gitmodules"]);
    repository.git(&["commit", "--quiet", "--message=a submodule"]);
    let lab = Lab::new(&url);
    let commit = lab.sync.sync_now().unwrap().commit;
    let sub = lab.local_path().join("trees").join(commit).join("sub");
    assert_eq!(std::fs::read_dir(sub).unwrap().count(), 0);
}

#[test]
fn callers_at_the_same_time_get_the_same_result() {
    let repository = Repository::with(&files(GREET));
    let lab = Lab::new(&repository.url());
    let commit = repository.git(&["rev-parse", "HEAD"]);
    let together = Arc::new(Barrier::new(8));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (sync, together) = (Arc::clone(&lab.sync), Arc::clone(&together));
            std::thread::spawn(move || {
                together.wait();
                sync.sync_now().unwrap().commit
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.join().unwrap(), commit);
    }
}

#[test]
fn two_processes_take_turns() {
    // `linkopsd sync` beside a server: two handles on one directory and one database.
    let repository = Repository::with(&files(GREET));
    let lab = Lab::new(&repository.url());
    let clock = Clock::fixed(5);
    let other =
        Sync::new(lab.settings.clone(), Arc::clone(&lab.store), clock, Arc::clone(&lab.stop));
    let syncs = [Arc::clone(&lab.sync), Arc::new(other)];
    let callers = syncs.map(|sync| {
        std::thread::spawn(move || (0..5).for_each(|_| drop(sync.sync_now().unwrap())))
    });
    for caller in callers {
        caller.join().unwrap();
    }
    assert_eq!((lab.syncs(), lab.trees().len()), (10, 1));
}

#[test]
fn the_thread_syncs_at_its_start_and_ends_with_the_latch() {
    let repository = Repository::with(&files(GREET));
    let hour = |settings: &mut Settings| settings.interval = Duration::from_secs(3_600);
    let lab = Lab::with(&repository.url(), hour);
    let thread = lab.sync.start().unwrap();
    while lab.sync.status().unwrap().next_sync.is_none() {
        std::thread::yield_now();
    }
    let status = lab.sync.status().unwrap();
    assert_eq!((status.phase, status.next_sync), (Phase::Synced, Some(1_000 + 3_600_000)));
    lab.stop.set();
    thread.join();
    assert_eq!(lab.syncs(), 1);
}

#[test]
fn without_an_interval_or_a_repository_the_thread_ends_and_nothing_happens() {
    let repository = Repository::with(&files(GREET));
    for lab in [
        Lab::new(&repository.url()),
        Lab::with("", |settings| {
            settings.url = None;
            settings.interval = Duration::from_secs(60);
        }),
    ] {
        lab.sync.start().unwrap().join();
        let status = lab.sync.status().unwrap();
        assert_eq!((status.phase, status.next_sync), (Phase::Never, None));
    }
}
