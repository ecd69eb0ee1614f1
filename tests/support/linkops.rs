//! A real `linkopsd` with a configuration of its own, driven over HTTP.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};

use super::client::{Event, Events, Reply, send};
use super::fleet::Fleet;
use super::{PATIENCE, deadline, wait_until};

/// A running server; dropping it kills it.
pub struct LinkOps {
    directory: tempfile::TempDir,
    child: Option<Child>,
    address: SocketAddr,
    password: String,
    token: String,
    environment: Vec<(String, String)>,
    printed: Arc<Mutex<String>>,
}

impl LinkOps {
    /// Starts a server on the fleet's repository, signed in as admin, synced, all verified.
    pub fn start(fleet: &Fleet) -> LinkOps {
        LinkOps::start_with(fleet, "")
    }

    /// The same, with more lines for its configuration, each as `section.key = value`.
    pub fn start_with(fleet: &Fleet, settings: &str) -> LinkOps {
        let linkops = LinkOps::unsynced(fleet, settings);
        linkops.post("/api/git/sync", &json!({})).expect(200);
        linkops.post("/api/links/verify", &json!({})).expect(200);
        linkops
    }

    /// The same, but nothing was synced.
    pub fn unsynced(fleet: &Fleet, settings: &str) -> LinkOps {
        LinkOps::with_secrets(fleet, settings, "")
    }

    /// The same, with this text as its secrets.ini.
    pub fn with_secrets(fleet: &Fleet, settings: &str, secrets: &str) -> LinkOps {
        let directory = tempfile::tempdir().unwrap();
        let (url, keys) = (fleet.repository.url(), fleet.keys());
        let config = format!(
            "[api]\nport = 0\njwt_secret = {}\nrate_limit = 0\nlogin_rate_limit = 0\n\
             [database]\npath = linkops.db\n\
             [git]\nrepository_url = {url}\nlocal_path = git-repo\nsync_interval_minutes = 0\n\
             [ssh]\nkeys_directory = {}\nknown_hosts_path = ssh/known_hosts\n\
             connection_timeout = 10\nmax_retries = 2\nretry_delay = 1\n\
             [health]\ncheck_interval_minutes = 0\n\
             [operations]\nmax_concurrency = 50\nstop_grace = 2\n\
             [logging]\npath = api.log\nlevel = DEBUG\n",
            "s".repeat(40),
            keys.display(),
        );
        fs::write(directory.path().join("config.ini"), config).unwrap();
        if !secrets.is_empty() {
            let file = directory.path().join("secrets.ini");
            fs::write(&file, secrets).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let environment = settings
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                let (key, value) = line.split_once('=').expect("section.key = value");
                let name = key.trim().replace('.', "_").to_uppercase();
                (format!("LINKOPS_{name}"), value.trim().to_owned())
            })
            .collect();
        let mut linkops = LinkOps {
            directory,
            child: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            password: String::new(),
            token: String::new(),
            environment,
            printed: Arc::default(),
        };
        linkops.launch();
        linkops.sign_in();
        linkops
    }

    /// The command with this server's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_linkopsd"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.directory.path().join("config.ini"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts the process and waits until it listens.
    pub fn launch(&mut self) {
        let mut child = self
            .command(&["serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Both are read to their end, so that the process never waits for us.
        let (tell, told) = mpsc::channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        read_lines(out, tell.clone(), Arc::clone(&self.printed));
        read_lines(err, tell, Arc::clone(&self.printed));
        let mut seen = String::new();
        let mut listens = false;
        // The two streams come in any order; the password is told at the first start only.
        while !listens || self.password.is_empty() {
            let Ok(line) = told.recv_timeout(PATIENCE) else {
                panic!("it did not start: {seen}\n{}", self.log());
            };
            seen.push_str(&format!("{line}\n"));
            if let Some((_, password)) = line.split_once("has the password ") {
                password.clone_into(&mut self.password);
            }
            if let Some(address) = line.strip_prefix("listening on http://") {
                self.address = address.parse().unwrap();
                listens = true;
            }
        }
        self.child = Some(child);
    }

    /// Signs in as the first admin.
    pub fn sign_in(&mut self) {
        let body = json!({ "username": "admin", "password": self.password });
        let reply = self.call("POST", "/api/auth/login", &[], Some(&body));
        self.token = reply.expect(200)["token"].as_str().unwrap().to_owned();
    }

    /// Ends the process as a crash would, and starts it again.
    pub fn crash_and_restart(&mut self) {
        self.crash();
        self.launch();
    }

    /// Ends the process as a crash would.
    pub fn crash(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks the process to end with SIGTERM, and waits for it.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let mut status = None;
        wait_until(deadline(), "linkopsd ends", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The resident memory of the process, in KiB: now, and the most since the last call.
    pub fn memory(&self) -> (usize, usize) {
        let process = PathBuf::from(format!("/proc/{}", self.id()));
        let status = fs::read_to_string(process.join("status")).unwrap();
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        fs::write(process.join("clear_refs"), "5").unwrap(); // the most begins anew
        (figure("VmRSS:"), figure("VmHWM:"))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The admin's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("api.log")).unwrap_or_default()
    }

    /// What it has printed, on both of its streams.
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// Sets a key of the configuration for the next start.
    pub fn set(&mut self, section: &str, key: &str, value: &str) {
        let name = format!("LINKOPS_{section}_{key}").to_uppercase();
        self.environment.push((name, value.to_owned()));
    }

    /// A file of its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A request as admin.
    pub fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None)
    }

    /// A request as admin, with a body.
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, Some(body))
    }

    /// Any request as admin.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.call(method, path, &[("Authorization", &self.bearer())], body)
    }

    /// Any request.
    pub fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Reply {
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut headers = headers.to_vec();
        if body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        send(self.address, method, path, &headers, text.as_bytes())
    }

    /// The admin's header of authorization.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Starts an operation and gives its id.
    #[track_caller]
    pub fn run(&self, scripts: &[&str], targets: &[String], more: Value) -> String {
        let mut body = json!({ "scripts": scripts, "targets": targets });
        if let Value::Object(more) = more {
            more.into_iter().for_each(|(key, value)| body[key] = value);
        }
        let reply = self.post("/api/operations/run", &body).expect(202);
        assert_eq!(reply["status"], "queued");
        reply["operation_id"].as_str().unwrap().to_owned()
    }

    /// The events of an operation after the one with this number.
    pub fn events(&self, id: &str, after: u64) -> Events {
        let after = after.to_string();
        let headers = [("Authorization", &self.bearer()[..]), ("Last-Event-ID", &after[..])];
        Events::open(self.address, &format!("/api/operations/{id}/events"), &headers)
    }

    /// Reads the events up to the end of the stream.
    pub fn wait(&self, id: &str) -> Vec<Event> {
        let events: Vec<Event> = self.events(id, 0).collect();
        assert_eq!(events.last().map(|one| &one.name[..]), Some("end"), "{events:?}");
        events
    }

    /// An operation with its logs.
    pub fn operation(&self, id: &str) -> Value {
        self.get(&format!("/api/operations/{id}")).expect(200)
    }

    /// Runs an operation to its end and gives it with its logs.
    #[track_caller]
    pub fn run_to_end(&self, scripts: &[&str], targets: &[String], more: Value) -> Value {
        let id = self.run(scripts, targets, more);
        self.wait(&id);
        self.operation(&id)
    }
}

impl Drop for LinkOps {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Passes lines on; ends with the process.
fn read_lines(
    from: impl Read + Send + 'static,
    tell: mpsc::Sender<String>,
    printed: Arc<Mutex<String>>,
) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            printed.lock().unwrap().push_str(&format!("{line}\n"));
            let _ = tell.send(line);
        }
    });
}
