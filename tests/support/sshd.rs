//! A real OpenSSH server for one test: own directory, own keys, a free port on loopback, and
//! nothing left when it is dropped. Also the ways in which networks fail: [`Silent`], [`Cuttable`].

use std::collections::HashMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use linkops::ssh::Target;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
use rustix::process::{Pid, Signal, kill_process};

use super::wait_until;

const PROGRAM: &str = "/usr/sbin/sshd";

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
    listener: Option<Child>,
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
            listener: None,
        };
        // The user's own start-up files and run directories are none of the tests' business.
        fs::create_dir(sshd.path("home")).unwrap();
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
        let directory = self.directory.path().display();
        let mut config = format!("{}\nPort {}\n", self.options.config, self.port);
        for number in 1..=self.addresses() {
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
        fs::write(self.path("sshd_config"), config).unwrap();
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap(); // where it separates its privileges
        }
        let listening = || self.logged("Server listening on ");
        let before = listening();
        let log = OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut listener = Command::new(PROGRAM)
            .args(["-D", "-e", "-f"])
            .arg(self.path("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_until(patience(), "sshd listens", || {
            let ended = listener.try_wait().unwrap();
            assert!(ended.is_none(), "sshd ended with {ended:?}:\n{}", self.log());
            listening() >= before + usize::from(self.addresses())
        });
        self.listener = Some(listener);
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

    /// The run directories that are on it.
    pub fn runs(&self) -> Vec<PathBuf> {
        let entries =
            fs::read_dir(self.path("home/.local/state/linkops/runs")).into_iter().flatten();
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
        let Some(listener) = &self.listener else { return 0 };
        processes().values().filter(|&&parent| parent == listener.id()).count()
    }

    /// Ends all connections, not the server.
    pub fn end_sessions(&self) {
        let mut tree = self.tree();
        tree.retain(|&pid| Some(pid) != self.listener.as_ref().map(Child::id));
        signal(&tree, Signal::KILL);
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
        let Some(mut listener) = self.listener.take() else { return };
        // Stopped first, so that it starts nothing while we look.
        signal(&[listener.id()], Signal::STOP);
        let mut tree = descendants(listener.id());
        signal(&tree, Signal::KILL);
        let _ = listener.kill();
        let _ = listener.wait();
        tree.extend(self.orphans());
        signal(&tree, Signal::KILL);
        wait_until(patience(), "the server's processes are gone", || {
            tree.iter().all(|pid| !processes().contains_key(pid))
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

    fn tree(&self) -> Vec<u32> {
        let Some(listener) = &self.listener else { return Vec::new() };
        let mut tree = descendants(listener.id());
        tree.extend(self.orphans());
        tree.push(listener.id());
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

/// A port where connections are accepted and nobody ever says a word.
pub struct Silent {
    listener: TcpListener,
}

impl Silent {
    /// Listens; the kernel accepts.
    pub fn start() -> Silent {
        Silent { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }
}

/// A port to another port, over a link that can be cut.
pub struct Cuttable {
    port: u16,
    link: Arc<Link>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stalled: bool,
    ended: bool,
    streams: Vec<TcpStream>,
    pumps: Vec<JoinHandle<()>>,
    accepted: usize,
}

impl Cuttable {
    /// Forwards connections to a port of 127.0.0.1.
    pub fn start(to: u16) -> Cuttable {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let link = Arc::new(Link::default());
        let shared = Arc::clone(&link);
        let acceptor = std::thread::spawn(move || shared.accept(&listener, to));
        Cuttable { port, link, acceptor: Some(acceptor) }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections came so far.
    pub fn accepted(&self) -> usize {
        self.link.state.lock().unwrap().accepted
    }

    /// Breaks all connections; new ones work.
    pub fn cut(&self) {
        for stream in self.link.state.lock().unwrap().streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Carries nothing any more, without a word to either side.
    pub fn stall(&self) {
        self.link.state.lock().unwrap().stalled = true;
    }

    /// Carries what waits, and everything from now on.
    pub fn flow(&self) {
        self.link.state.lock().unwrap().stalled = false;
        self.link.changed.notify_all();
    }
}

impl Link {
    fn accept(self: Arc<Link>, listener: &TcpListener, to: u16) {
        while let Ok((near, _)) = listener.accept() {
            if self.state.lock().unwrap().ended {
                return;
            }
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            let mut state = self.state.lock().unwrap();
            state.accepted += 1;
            for (from, to) in [(&near, &far), (&far, &near)] {
                from.set_nodelay(true).unwrap();
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let link = Arc::clone(&self);
                state.pumps.push(std::thread::spawn(move || link.pump(from, to)));
            }
            state.streams.extend([near, far]);
        }
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let state = self.state.lock().unwrap();
            let waits = |state: &mut State| state.stalled && !state.ended;
            drop(self.changed.wait_while(state, waits).unwrap());
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        self.link.state.lock().unwrap().ended = true;
        self.link.changed.notify_all();
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the acceptor
        self.acceptor.take().unwrap().join().unwrap();
        self.cut();
        let pumps = std::mem::take(&mut self.link.state.lock().unwrap().pumps);
        pumps.into_iter().for_each(|pump| pump.join().unwrap());
    }
}
