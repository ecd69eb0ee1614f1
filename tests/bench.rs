//! Figures: LinkOps against `ssh` over open ControlMaster connections in the same run, memory, and
//! requests per second. Run by `make bench`; it prints, and asserts nothing. With the argument
//! `terminals` it prints those of terminals alone.

mod support;
#[path = "bench/terminals.rs"]
mod terminals;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use support::fleet::{Fleet, closed};
use support::linkops::LinkOps;
use support::{deadline, wait_until};

/// Runs of each side; the medians are compared.
const ROUNDS: usize = 15;
const TARGETS: u8 = 50;
const READERS: usize = 200;
const LOAD: Duration = Duration::from_secs(3);

fn main() {
    // `cargo test --benches` passes here, too; it only wants to know that this builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut fleet = Fleet::new(TARGETS);
    fleet.script("nothing", "true");
    fleet.commit();
    let linkops = LinkOps::unsynced(&fleet, "logging.level = WARNING");
    linkops.post("/api/git/sync", &json!({})).expect(200);
    let idle = memory(linkops.id());
    println!("idle memory                        {idle} kB");
    linkops.post("/api/links/verify", &json!({})).expect(200);
    let masters = Masters::open(&fleet);
    if std::env::args().any(|argument| argument == "terminals") {
        return terminals::figures(&fleet, &linkops, &masters);
    }
    for count in [5, usize::from(TARGETS)] {
        compare(&fleet, &linkops, &masters, count);
    }
    let warm = memory(linkops.id()).saturating_sub(idle) / u64::from(TARGETS);
    println!("memory per warm session            {warm} kB (with what the runs above left behind)");
    readers(&fleet, &linkops);
    terminals::figures(&fleet, &linkops, &masters);
    for connections in [1, 64] {
        for path in ["/health", "/api/links/vps-01"] {
            load(&linkops, path, connections);
        }
    }
}

/// The same script on the same machines, by LinkOps from POST to `end`, and by ssh in parallel.
fn compare(fleet: &Fleet, linkops: &LinkOps, masters: &Masters, count: usize) {
    let targets = &fleet.ids()[..count];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_cpu, mut their_cpu) = (Vec::new(), Vec::new());
    // Fewer targets come first, and what they have ready stays.
    let warmed = count;
    for round in 0..=ROUNDS {
        let cpu = process_cpu(linkops.id());
        let begun = Instant::now();
        let id = linkops.run(&["nothing"], targets, json!({ "concurrency": count }));
        let end = linkops.events(&id, 0).last().expect("an end");
        let (took, used) = (begun.elapsed(), process_cpu(linkops.id()) - cpu);
        assert_eq!(end.data["status"], "success", "{}", end.data);
        // What LinkOps tidies up afterwards is not to slow the other side down.
        wait_until(deadline(), "all is ready again", || {
            fleet.sshd.runs().is_empty() && fleet.sshd.traces().len() == warmed
        });

        let cpu = children_cpu() + masters.cpu();
        let begun = Instant::now();
        masters.run(count);
        let (took_ssh, used_ssh) = (begun.elapsed(), children_cpu() + masters.cpu() - cpu);
        if round > 0 {
            ours.push(took);
            theirs.push(took_ssh);
            our_cpu.push(used);
            their_cpu.push(used_ssh);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "`true` on {count:2} warm targets         LinkOps {:.1} ms, ssh over ControlMaster {:.1} ms, ratio {:.2}",
        millis(ours),
        millis(theirs),
        ours.as_secs_f64() / theirs.as_secs_f64()
    );
    let per = |cpu: Vec<Duration>| millis(cpu.iter().sum::<Duration>()) / (ROUNDS * count) as f64;
    println!(
        "  client CPU per target             LinkOps {:.2} ms, ssh {:.2} ms",
        per(our_cpu),
        per(their_cpu)
    );
}

/// Open ControlMaster connections, one per machine.
struct Masters {
    directory: tempfile::TempDir,
    script: std::path::PathBuf,
    hosts: Vec<String>,
    config: std::path::PathBuf,
    masters: Vec<Child>,
}

impl Masters {
    fn open(fleet: &Fleet) -> Masters {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().display();
        let config = directory.path().join("config");
        let text = format!(
            "User {}\nIdentityFile {}\nIdentitiesOnly yes\nBatchMode yes\n\
             StrictHostKeyChecking accept-new\nUserKnownHostsFile {path}/known_hosts\n\
             ControlPath {path}/%n\nLogLevel ERROR\n",
            fleet.sshd.user(),
            fleet.keys().join("id_ed25519").display(),
        );
        let hosts_text: String = fleet
            .machines
            .iter()
            .map(|one| format!("Host {}\nHostName {}\nPort {}\n", one.id, one.host, one.port))
            .collect();
        std::fs::write(&config, hosts_text + "Host *\n" + &text).unwrap();
        let script = directory.path().join("true.sh");
        std::fs::write(&script, "#!/bin/bash\ntrue\n").unwrap();
        let hosts: Vec<String> = fleet.machines.iter().map(|one| one.id.clone()).collect();
        let masters = hosts
            .iter()
            .map(|host| {
                let mut ssh = Command::new("ssh");
                ssh.arg("-F").arg(&config).args(["-M", "-N", host]).stdin(Stdio::null());
                let child = ssh.spawn().unwrap();
                let socket = directory.path().join(host);
                wait_until(deadline(), "a master is open", || socket.exists());
                child
            })
            .collect();
        Masters { directory, script, hosts, config, masters }
    }

    /// The script on the first `count` machines, all at once.
    fn run(&self, count: usize) {
        let children: Vec<Child> = self.hosts[..count]
            .iter()
            .map(|host| {
                let script = std::fs::File::open(&self.script).unwrap();
                let mut ssh = Command::new("ssh");
                ssh.arg("-F").arg(&self.config).args([host, "bash", "-s"]).stdin(script);
                ssh.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            assert!(child.wait_with_output().unwrap().status.success());
        }
    }

    fn cpu(&self) -> Duration {
        self.masters.iter().map(|master| process_cpu(master.id())).sum()
    }
}

impl Drop for Masters {
    fn drop(&mut self) {
        for master in &mut self.masters {
            let _ = master.kill();
            let _ = master.wait();
        }
        let _ = &self.directory;
    }
}

/// What a reader of a running operation costs.
fn readers(fleet: &Fleet, linkops: &LinkOps) {
    let gate = fleet.directory().join("gate");
    let wait = format!("#!/bin/bash\nwhile {}; do sleep 0.1; done\n", closed(&gate));
    fleet.repository.commit(&[("scripts/nothing.sh", &wait)]);
    linkops.post("/api/git/sync", &json!({})).expect(200);
    let id = linkops.run(&["nothing"], &fleet.ids()[..1], json!({}));
    let before = memory(linkops.id());
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut events = linkops.events(&id, 0);
            assert_eq!(events.next().expect("an event").name, "start");
            events
        })
        .collect();
    let each = memory(linkops.id()).saturating_sub(before) / READERS as u64;
    println!("memory per event reader            {each} kB ({READERS} readers)");
    std::fs::write(gate, "").unwrap();
    readers.into_iter().for_each(|mut reader| while reader.next().is_some() {});
}

/// Requests per second over connections that are kept open.
fn load(linkops: &LinkOps, path: &str, connections: usize) {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n\r\n",
        linkops.token()
    );
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(linkops.address()).unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = [0_u8; 16 * 1024];
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(request.as_bytes()).unwrap();
                    // One read brings such a small answer whole; the status says that it is one.
                    let read = stream.read(&mut buffer).unwrap();
                    assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::park_timeout(LOAD);
        stop.store(true, Ordering::Relaxed);
    });
    let rate = answered.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    println!("requests/s, {connections:2} connections          {rate:.0} ({path})");
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The resident memory of a process, in kB.
fn memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The CPU time of a living process: what its scheduler counts exactly is in schedstat of each
/// thread; threads that have ended are only in the ticks.
fn process_cpu(id: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
    let exact: u64 = tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum();
    ticks(&id.to_string(), 11).max(Duration::from_nanos(exact))
}

/// The CPU time of children that were waited for.
fn children_cpu() -> Duration {
    ticks("self", 13)
}

/// Two neighbouring times of proc(5)'s stat, user and system, in ticks of 10 ms; `first` counts
/// from the field behind the name.
fn ticks(process: &str, first: usize) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<u64> = stat
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    Duration::from_millis((fields[first] + fields[first + 1]) * 10)
}
