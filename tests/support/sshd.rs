//! A real OpenSSH server for one test: own directory, own keys, a free port on loopback, and
//! nothing left when it is dropped.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, OpenOptions, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use linkops::ssh::Target;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
use rustix::process::{Pid, Signal, kill_process};

use super::wait_until;

const PROGRAM: &str = "/usr/sbin/sshd";

/// sshd listens on no more addresses; for more of them there is more than one sshd.
const MAX_LISTEN: usize = 16;

/// A time that no working server needs.
pub fn patience() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// What differs from an ordinary server.
#[derive(Clone, Default)]
pub struct Options {
    /// More lines for sshd_config; they win over ours.
    pub config: String,
    /// On how many addresses it listens: 127.0.0.1 and following; 0 counts as 1.
    pub addresses: u8,
}

/// A running server.
pub struct Sshd {
    directory: tempfile::TempDir,
    options: Options,
    port: u16,
    /// Bound and never listening: keeps the port ours while the server is down.
    _port: OwnedFd,
    user: String,
    host_key: Pair,
    listeners: Vec<Child>,
}

/// An ed25519 key as ssh-keygen writes it.
#[derive(Clone)]
struct Pair {
    private: String,
    public: String,
}

impl Sshd {
    /// Starts a server and waits until it listens.
    pub fn start(options: Options) -> Sshd {
        let directory = tempfile::tempdir().unwrap();
        let (reserved, port) = reserve_port();
        let mut sshd = Sshd {
            directory,
            options,
            port,
            _port: reserved,
            user: user().to_owned(),
            host_key: keys().0.clone(),
            listeners: Vec::new(),
        };
        fs::create_dir(sshd.home()).unwrap();
        write_private(&sshd.path("user_key"), &keys().1.private);
        fs::write(sshd.path("authorized_keys"), &keys().1.public).unwrap();
        sshd.launch();
        sshd
    }

    /// An ordinary server.
    pub fn plain() -> Sshd {
        Sshd::start(Options::default())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn addresses(&self) -> u8 {
        self.options.addresses.max(1)
    }

    fn launch(&mut self) {
        write_private(&self.path("host_key"), &self.host_key.private);
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap(); // where it separates its privileges
        }
        let numbers: Vec<u8> = (1..=self.addresses()).collect();
        for (index, numbers) in numbers.chunks(MAX_LISTEN).enumerate() {
            let config = self.path(&format!("sshd_config_{index}"));
            fs::write(&config, self.config(numbers)).unwrap();
            self.listen(&config, numbers.len());
        }
    }

    fn config(&self, numbers: &[u8]) -> String {
        let directory = self.directory.path().display();
        let mut config = format!("{}\nPort {}\n", self.options.config, self.port);
        for number in numbers {
            config += &format!("ListenAddress 127.0.0.{number}\n");
        }
        config += &format!(
            "HostKey {directory}/host_key\nAuthorizedKeysFile {directory}/authorized_keys\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 500\nUseDNS no\n\
             LogLevel VERBOSE\nSetEnv HOME={directory}/home\n"
        );
        if has_penalties() {
            config += "PerSourcePenalties no\n";
        }
        config
    }

    fn listen(&mut self, config: &Path, addresses: usize) {
        let listening = || self.logged("Server listening on ");
        let before = listening();
        let log = OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut listener = Command::new(PROGRAM)
            .args(["-D", "-e", "-f"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_until(patience(), "sshd listens", || {
            let ended = listener.try_wait().unwrap();
            assert!(ended.is_none(), "sshd ended with {ended:?}:\n{}", self.log());
            listening() >= before + addresses
        });
        self.listeners.push(listener);
    }

    /// The port, the same on all addresses and after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The first address.
    pub fn host(&self) -> String {
        "127.0.0.1".to_owned()
    }

    /// The user who can log in: whoever runs the tests.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The private key with which that user can log in.
    pub fn key(&self) -> PathBuf {
        self.path("user_key")
    }

    /// A directory that goes with the server.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the user is at home on this server: an empty directory, so that no shell reads the
    /// settings of whoever runs the tests, and nothing is written into theirs.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The runs that are on it: the files that name their directories.
    pub fn runs(&self) -> Vec<PathBuf> {
        self.traces().into_iter().filter(|path| path.is_file()).collect()
    }

    /// The directory of a run.
    pub fn run_directory(&self, run: &Path) -> PathBuf {
        let text = fs::read_to_string(run).unwrap();
        run.with_file_name(text.trim().rsplit(' ').next().unwrap())
    }

    /// Everything of LinkOps that is on it, with what was made ready for the next run.
    pub fn traces(&self) -> Vec<PathBuf> {
        let runs = self.path("home/.local/state/linkops/runs");
        let entries = fs::read_dir(runs).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The server as a target named `name`.
    pub fn target(&self, name: &str) -> Target {
        Target {
            name: name.to_owned(),
            host: self.host(),
            port: self.port,
            user: self.user.clone(),
            key: self.key(),
            via: None,
        }
    }

    /// The n-th address, from 1, as a target of its own.
    pub fn target_at(&self, number: u8) -> Target {
        assert!((1..=self.addresses()).contains(&number));
        Target { host: format!("127.0.0.{number}"), ..self.target(&format!("vps-{number:02}")) }
    }

    /// The server's line for a file of known hosts.
    pub fn known_hosts_line(&self) -> String {
        format!("[{}]:{} {}", self.host(), self.port, self.public_host_key())
    }

    /// Type and key of the server.
    pub fn public_host_key(&self) -> String {
        self.host_key.public.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// What the server has logged, in all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How many lines of the log hold a text.
    pub fn logged(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// How many connections it has let in.
    pub fn logins(&self) -> usize {
        self.logged("Accepted publickey")
    }

    /// How many processes serve connections now.
    pub fn sessions(&self) -> usize {
        let listeners = self.pids();
        processes().values().filter(|parent| listeners.contains(parent)).count()
    }

    /// Ends all connections, not the server.
    pub fn end_sessions(&self) {
        let (mut tree, listeners) = (self.tree(), self.pids());
        tree.retain(|pid| !listeners.contains(pid));
        signal(&tree, Signal::KILL);
    }

    /// Ends the shells that run on it, not their connections.
    pub fn end_commands(&self) {
        signal(&self.running("bash"), Signal::KILL);
    }

    /// The processes of a program that run on it, by the program's short name.
    pub fn running(&self, program: &str) -> Vec<u32> {
        let runs = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim_end() == program
        };
        let found: BTreeSet<u32> = self.tree().into_iter().filter(runs).collect();
        found.into_iter().collect() // each once, though it was found in two ways
    }

    /// Stops all of its processes from running, until [`Sshd::resume`].
    pub fn pause(&self) {
        signal(&self.tree(), Signal::STOP);
    }

    /// Lets paused processes run again.
    pub fn resume(&self) {
        signal(&self.tree(), Signal::CONT);
    }

    /// Ends the server with everything that it has started.
    pub fn stop(&mut self) {
        // Stopped first, so that they start nothing while we look.
        signal(&self.pids(), Signal::STOP);
        let tree = self.tree();
        signal(&tree, Signal::KILL);
        for mut listener in self.listeners.drain(..) {
            let _ = listener.wait();
        }
        wait_until(patience(), "the server's processes are gone", || {
            let (left, orphans) = (processes(), self.orphans());
            signal(&orphans, Signal::KILL);
            orphans.is_empty() && tree.iter().all(|pid| !left.contains_key(pid))
        });
    }

    /// Ends the server and starts it again on the same port.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Restarts with another host key.
    pub fn change_host_key(&mut self) {
        self.stop();
        self.host_key = generate();
        self.launch();
    }

    fn pids(&self) -> Vec<u32> {
        self.listeners.iter().map(Child::id).collect()
    }

    /// Servers before their sessions, and sessions before the commands that they run.
    fn tree(&self) -> Vec<u32> {
        let mut tree = Vec::new();
        for listener in self.pids() {
            tree.push(listener);
            tree.extend(descendants(listener));
        }
        tree.extend(self.orphans());
        tree
    }

    /// What was started over our connections and has lost its parent: the environment tells.
    fn orphans(&self) -> Vec<u32> {
        let ours = format!(" {}", self.port).into_bytes();
        let is_ours = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|&byte| byte == 0)
                .any(|one| one.starts_with(b"SSH_CONNECTION=") && one.ends_with(&ours))
        };
        processes().into_keys().filter(is_ours).collect()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of sshd on port {}\n{}---", self.port, self.log());
        }
        self.stop();
    }
}

/// Host key and user key, made once for all servers of the process.
fn keys() -> &'static (Pair, Pair) {
    static KEYS: OnceLock<(Pair, Pair)> = OnceLock::new();
    KEYS.get_or_init(|| (generate(), generate()))
}

fn generate() -> Pair {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let done = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(done.status.success(), "ssh-keygen: {done:?}");
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    Pair { private: fs::read_to_string(path).unwrap(), public }
}

/// A new private key in a file of its own, which no server knows.
pub fn stranger_key(path: &Path) {
    write_private(path, &generate().private);
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn user() -> &'static str {
    static USER: OnceLock<String> = OnceLock::new();
    USER.get_or_init(|| {
        let name = Command::new("id").arg("-un").output().unwrap().stdout;
        String::from_utf8(name).unwrap().trim().to_owned()
    })
}

/// Whether sshd punishes addresses whose logins fail, which came with OpenSSH 9.8.
fn has_penalties() -> bool {
    static PENALTIES: OnceLock<bool> = OnceLock::new();
    *PENALTIES.get_or_init(|| {
        let said = Command::new(PROGRAM).arg("-V").output().unwrap().stderr;
        let said = String::from_utf8_lossy(&said).into_owned();
        let version = said.split_once("OpenSSH_").map_or("", |(_, rest)| rest);
        let mut numbers = version.split(|c: char| !c.is_ascii_digit());
        let mut number = || numbers.next().and_then(|one| one.parse::<u32>().ok()).unwrap_or(0);
        (number(), number()) >= (9, 8)
    })
}

fn reserve_port() -> (OwnedFd, u16) {
    let reserved = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseaddr(&reserved, true).unwrap(); // sshd sets it too, and may share
    bind(&reserved, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).unwrap();
    let address: SocketAddr = getsockname(&reserved).unwrap().try_into().unwrap();
    (reserved, address.port())
}

/// All processes and their parents.
fn processes() -> HashMap<u32, u32> {
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        if fields.next()? == "Z" {
            return None;
        }
        fields.next()?.parse().ok()
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

fn descendants(ancestor: u32) -> Vec<u32> {
    let processes = processes();
    let mut found = vec![ancestor];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(processes.iter().filter(|&(_, &p)| p == parent).map(|(&pid, _)| pid));
        next += 1;
    }
    found.split_off(1)
}

fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}
