//! R2.6 and what happens when the Git server refuses, stalls or goes away: real servers on
//! loopback, among them OpenSSH.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use linkops::error::Error;
use linkops::inventory::store;
use linkops::inventory::sync::Phase;
use linkops::threads::{Handle, spawn};
use tempfile::TempDir;

use crate::git_sync::{Lab, files};
use crate::support::repository::Repository;
use crate::support::{PATIENCE, deadline, wait_until};

/// A server that gives each connection to a function, until it is dropped.
struct Server {
    port: u16,
    connections: Receiver<()>,
    closed: Arc<AtomicBool>,
    thread: Option<Handle>,
}

impl Server {
    fn new(mut serve: impl FnMut(TcpStream) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (came, connections) = channel();
        let closed = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&closed);
        let thread = spawn("a Git server", move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                serve(stream);
                let _ = came.send(());
            }
        });
        Server { port, connections, closed, thread: Some(thread.unwrap()) }
    }

    /// One that accepts and says nothing.
    fn silent() -> Server {
        let mut kept = Vec::new();
        Server::new(move |stream| kept.push(stream))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the thread
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}

/// The command lines of the processes that work on a copy: git says where in its environment.
fn processes_of(copy: &Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let working = |directory: &PathBuf| {
        let environment = fs::read(directory.join("environ")).unwrap_or_default();
        let copy = copy.as_os_str().as_bytes();
        environment.windows(copy.len()).any(|part| part == copy)
    };
    let line = |directory: PathBuf| {
        let line = fs::read(directory.join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    };
    entries.map(|entry| entry.path()).filter(working).filter_map(line).collect()
}

/// Waits until no process works on the copy: killed ones go soon, but not at once.
fn no_process_is_left(copy: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !processes_of(copy).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", processes_of(copy));
        std::thread::yield_now();
    }
}

#[test]
fn a_server_that_stalls_costs_the_time_limit_and_leaves_no_process() {
    for scheme in ["git", "http"] {
        let server = Server::silent();
        let url = format!("{scheme}://127.0.0.1:{}/r.git", server.port);
        let lab = Lab::with(&url, |settings| settings.timeout = Duration::from_secs(1));
        let error = lab.sync.sync_now().unwrap_err();
        server.connections.recv().unwrap();
        match &error {
            Error::GitUnreachable { url: of, message } => {
                assert_eq!(*of, url);
                assert!(message.contains("no answer within 1 s"), "{message}");
            }
            other => panic!("{other}"),
        }
        no_process_is_left(&lab.local_path());
        let status = lab.sync.status().unwrap();
        assert_eq!((status.phase, status.error), (Phase::Failed, Some(error.to_string())));
    }
}

/// How many threads of ours whose names begin like this wait for something.
fn threads_that_wait(name: &str) -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = threads.filter_map(|one| fs::read_to_string(one.path().join("stat")).ok());
    stats.filter(|stat| stat.contains(&format!(" ({name}")) && stat.contains(") S ")).count()
}

#[test]
fn who_asks_while_a_sync_runs_shares_its_result() {
    let held = Arc::new(Mutex::new(Vec::new()));
    let streams = Arc::clone(&held);
    let server = Server::new(move |stream| streams.lock().unwrap().push(stream));
    let url = format!("git://127.0.0.1:{}/r.git", server.port);
    let lab = Lab::with(&url, |settings| settings.timeout = 2 * PATIENCE);
    let call = |name: String| {
        let sync = Arc::clone(&lab.sync);
        let ask = move || sync.sync_now().unwrap_err().to_string();
        std::thread::Builder::new().name(name).spawn(ask).unwrap()
    };
    let leader = call("asks first".to_owned());
    server.connections.recv().unwrap(); // the sync runs until the stream ends
    assert_eq!(lab.sync.status().unwrap().phase, Phase::Syncing);
    let others: Vec<_> = (0..5).map(|number| call(format!("asks too {number}"))).collect();
    wait_until(deadline(), "all wait", || threads_that_wait("asks too") == others.len());
    held.lock().unwrap().clear();
    let result = leader.join().unwrap();
    for other in others {
        assert_eq!(other.join().unwrap(), result);
    }
    assert_eq!(lab.syncs(), 1);
    assert!(server.connections.try_recv().is_err(), "asked once");
}

#[test]
fn stopping_interrupts_a_sync() {
    let server = Server::silent();
    let lab = Lab::with(&format!("git://127.0.0.1:{}/r.git", server.port), |settings| {
        settings.interval = Duration::from_secs(60);
        settings.timeout = Duration::from_secs(600);
    });
    let thread = lab.sync.start().unwrap();
    server.connections.recv().unwrap();
    lab.stop.set();
    thread.join();
    assert!(matches!(lab.sync.sync_now(), Err(Error::ShuttingDown)));
    no_process_is_left(&lab.local_path());
    assert_eq!(lab.syncs(), 0); // it says nothing about the repository
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["git", "http", "ssh"] {
        let lab = Lab::new(&format!("{scheme}://127.0.0.1:{closed}/r.git"));
        let error = lab.sync.sync_now().unwrap_err();
        assert!(matches!(error, Error::GitUnreachable { .. }), "{scheme}: {error}");
    }
    let lab = Lab::new("http://no-such-host.invalid/r.git");
    let error = lab.sync.sync_now().unwrap_err();
    assert!(matches!(error, Error::GitUnreachable { .. }), "{error}");
}

/// An HTTP server that answers every request with a status, and tells the Authorization headers.
fn http(status: &'static str) -> (Server, Receiver<Option<String>>) {
    let (tell, told) = channel();
    let server = Server::new(move |mut stream| {
        let mut authorization = None;
        for line in BufReader::new(&stream).lines().map_while(Result::ok) {
            if let Some(value) = line.strip_prefix("Authorization: ") {
                authorization = Some(value.to_owned());
            }
            if line.is_empty() {
                break;
            }
        }
        let _ = tell.send(authorization);
        let challenge = "WWW-Authenticate: Basic realm=\"git\"\r\n";
        let body = "Connection: close\r\nContent-Length: 0\r\n\r\n";
        let _ = write!(stream, "HTTP/1.1 {status}\r\n{challenge}{body}");
    });
    (server, told)
}

/// Everything in a directory, as one heap of bytes.
fn contents(directory: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        all.extend_from_slice(path.as_os_str().as_bytes());
        match path.is_dir() {
            true => all.extend(contents(&path)),
            false => all.extend(fs::read(path).unwrap()),
        }
    }
    all
}

#[test]
fn refused_credentials_are_told_and_shown_nowhere() {
    // R2.6. The secrets: as written, decoded, and as the header has them.
    const BASIC: &str = "b3BzOnMzY3JldC9wYXNz"; // ops:s3cret/pass
    for (status, token) in [("401 Unauthorized", None), ("403 Forbidden", Some("tok3n-tok3n"))] {
        let (server, headers) = http(status);
        let url = format!("http://ops:s3cret%2Fpass@127.0.0.1:{}/team/r.git", server.port);
        let lab = Lab::with(&url, |settings| settings.token = token.map(str::to_owned));
        let error = lab.sync.sync_now().unwrap_err();
        match &error {
            Error::GitAuthentication { url, message } => {
                assert_eq!(*url, format!("http://127.0.0.1:{}/team/r.git", server.port));
                assert!(message.contains("fatal: "), "{message}");
            }
            other => panic!("{other}"),
        }
        let header = headers.recv().unwrap().unwrap();
        match token {
            None => assert_eq!(header, format!("Basic {BASIC}")),
            Some(_) => assert_eq!(header, "Basic b3BzOnRvazNuLXRvazNu"), // ops:tok3n-tok3n
        }
        let shown = format!("{}{:?}{:?}", error.chain(), error, lab.sync.status().unwrap());
        let kept = contents(lab.directory.path());
        for secret in ["s3cret", BASIC, "tok3n", "b3BzOnRvazNuLXRvazNu"] {
            assert!(!shown.contains(secret), "{shown}");
            let found = kept.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} is on the disk");
        }
    }
}

#[test]
fn credentials_are_not_in_the_arguments_of_any_process() {
    let server = Server::silent();
    let url = format!("http://ops:s3cret@127.0.0.1:{}/r.git", server.port);
    let lab = Lab::with(&url, |settings| settings.timeout = Duration::from_secs(600));
    let sync = Arc::clone(&lab.sync);
    let caller = std::thread::spawn(move || sync.sync_now().is_err());
    server.connections.recv().unwrap();
    let processes = processes_of(&lab.local_path());
    lab.stop.set();
    assert!(processes.iter().any(|line| line.contains("fetch")), "{processes:?}");
    assert!(!processes.iter().any(|line| line.contains("s3cret")), "{processes:?}");
    assert!(caller.join().unwrap());
}

#[test]
fn a_repository_that_the_server_does_not_know() {
    let (server, _headers) = http("404 Not Found");
    let lab = Lab::new(&format!("http://127.0.0.1:{}/r.git", server.port));
    let error = lab.sync.sync_now().unwrap_err();
    assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");
    let (server, _headers) = http("502 Bad Gateway");
    let lab = Lab::new(&format!("http://127.0.0.1:{}/r.git", server.port));
    let error = lab.sync.sync_now().unwrap_err();
    assert!(matches!(error, Error::GitUnreachable { .. }), "{error}");
}

/// An OpenSSH server that knows one key, one process for each connection.
struct Sshd {
    server: Server,
    /// Its keys, and the clients': `host`, `known`, `stranger`.
    directory: TempDir,
}

/// A process that ends with its handle.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Sshd {
    fn new() -> Sshd {
        let directory = tempfile::Builder::new().prefix("with 100% space").tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["host", "known", "stranger"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(path(name))
                .status();
            assert!(made.unwrap().success());
        }
        let config = [
            format!("HostKey \"{}\"", path("host").display()),
            // % begins a placeholder here.
            format!("AuthorizedKeysFile \"{}\"", path("known.pub").display()).replace('%', "%%"),
            // Otherwise the shell would read the start-up files of whoever runs the tests.
            format!("SetEnv \"HOME={}\"", directory.path().display()),
            "StrictModes no".to_owned(),
            "UsePAM no".to_owned(),
            "PasswordAuthentication no".to_owned(),
            "KbdInteractiveAuthentication no".to_owned(),
            "PermitRootLogin prohibit-password".to_owned(),
        ];
        fs::write(path("sshd_config"), config.join("\n") + "\n").unwrap();
        let config = path("sshd_config");
        let mut sshds = Vec::new();
        let server = Server::new(move |stream| {
            let (input, output) =
                (OwnedFd::from(stream.try_clone().unwrap()), OwnedFd::from(stream));
            let sshd = Command::new("/usr/sbin/sshd")
                .args(["-i", "-e", "-f"])
                .arg(&config)
                .stdin(Stdio::from(input))
                .stdout(Stdio::from(output))
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            sshds.push(Reaped(sshd));
        });
        Sshd { server, directory }
    }

    fn lab(&self, repository: &Repository, key: &str, accept_new: bool) -> Lab {
        let user =
            String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let (user, port, path) = (user.trim(), self.server.port, repository.url());
        Lab::with(&format!("ssh://{user}@127.0.0.1:{port}{path}"), |settings| {
            settings.key = Some(self.directory.path().join(key));
            settings.known_hosts = Some(self.directory.path().join("known hosts"));
            settings.accept_new = accept_new;
        })
    }
}

#[test]
fn a_repository_over_ssh() {
    // R2.1, R2.6: the right key; a wrong one; a host that is not known, and one that has changed.
    let repository = Repository::with(&files("#!/bin/bash\n"));
    let sshd = Sshd::new();
    let refused = |lab: &Lab, says: &str| match lab.sync.sync_now().unwrap_err() {
        Error::GitAuthentication { message, .. } => {
            assert!(message.contains(says), "{message}");
            let here = sshd.directory.path().to_str().unwrap();
            assert!(!message.contains(here), "our paths are nobody's business: {message}");
        }
        other => panic!("{other}"),
    };
    refused(&sshd.lab(&repository, "known", false), "Host key verification failed");
    let lab = sshd.lab(&repository, "known", true);
    assert_eq!(lab.sync.sync_now().unwrap().commit, repository.git(&["rev-parse", "HEAD"]));
    let known_hosts = sshd.directory.path().join("known hosts");
    let known = fs::read_to_string(&known_hosts).unwrap();
    assert!(known.contains("ssh-ed25519"), "{known}");
    sshd.lab(&repository, "known", false).sync.sync_now().unwrap();

    let stranger = sshd.lab(&repository, "stranger", true);
    refused(&stranger, "Permission denied (publickey)");
    let history = stranger.store.read(|connection| store::syncs(connection, 9)).unwrap();
    assert!(matches!(&history[0].result, Err(error) if error.contains("Permission denied")));

    let other = fs::read_to_string(sshd.directory.path().join("stranger.pub")).unwrap();
    let key = other.split(' ').nth(1).unwrap();
    fs::write(&known_hosts, format!("[127.0.0.1]:{} ssh-ed25519 {key}\n", sshd.server.port))
        .unwrap();
    refused(
        &sshd.lab(&repository, "known", true),
        "has changed and you have requested strict checking",
    );

    fs::write(&known_hosts, known).unwrap();
    let missing = Repository::new();
    let lab = sshd.lab(&missing, "known", true);
    drop(missing);
    let error = lab.sync.sync_now().unwrap_err();
    assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");
}
