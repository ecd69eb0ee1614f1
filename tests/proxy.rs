//! The sites of deploy/proxy in front of a real server, by the real nginx and Caddy: events pass
//! one by one, the client's address arrives, limits are ours.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::client::{Events, send};
use crate::support::fleet::{Fleet, closed};
use crate::support::linkops::LinkOps;
use crate::support::{deadline, wait_until};

/// A proxy that runs; it ends with the test.
struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn site(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/proxy").join(name))
        .unwrap()
}

/// A port that was free a moment ago; proxies cannot choose one.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a proxy until it serves; somebody may have been quicker to take the port.
fn started(mut start: impl FnMut(u16) -> Child) -> Proxy {
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut child = start(address.port());
        let (mut serves, mut ended) = (false, false);
        wait_until(deadline(), "the proxy serves", || {
            serves = TcpStream::connect(address).is_ok();
            ended = child.try_wait().unwrap().is_some();
            serves || ended
        });
        if serves && !ended {
            return Proxy { child, address };
        }
    }
}

/// The site as it stands, but for names, ports and certificates.
fn nginx(linkops: &LinkOps, directory: &Path) -> Proxy {
    started(|port| {
        let listens = |line: &str| line.trim_start().starts_with("listen ");
        let secure = site("nginx.conf");
        let (top, rest) = secure.split_once("server {\n").unwrap();
        let (_, server) = rest.split_once("server {\n").expect("the server with TLS is the second");
        let plain: Vec<_> = server
            .lines()
            .filter(|line| !listens(line) && !line.trim_start().starts_with("ssl_"))
            .collect();
        let text = format!(
            "daemon off;\nworker_processes 2;\npid {0}/pid;\nerror_log {0}/error.log;\nevents {{}}\n\
             http {{\nclient_body_temp_path {0}/body;\nproxy_temp_path {0}/proxy;\n\
             fastcgi_temp_path {0}/f;\nuwsgi_temp_path {0}/u;\nscgi_temp_path {0}/s;\n\
             {top}server {{\nlisten 127.0.0.1:{port};\n{1}\n}}\n",
            directory.display(),
            plain.join("\n"),
        );
        let text = text
            .replace("127.0.0.1:8000", &linkops.address().to_string())
            .replace("/var/log/nginx", &directory.display().to_string());
        let file = directory.join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(directory)
            .arg("-e")
            .arg(directory.join("early.log"))
            .arg("-c")
            .arg(&file);
        quiet(&mut command, directory)
    })
}

fn caddy(linkops: &LinkOps, directory: &Path) -> Proxy {
    started(|port| {
        let text = site("Caddyfile")
            .replace("linkops.example.org {", &format!("http://:{port} {{"))
            .replace("127.0.0.1:8000", &linkops.address().to_string());
        let file = directory.join("Caddyfile");
        fs::write(&file, format!("{{\n\tadmin off\n}}\n{text}")).unwrap();
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        command
            .env("HOME", directory)
            .env("XDG_DATA_HOME", directory)
            .env("XDG_CONFIG_HOME", directory);
        quiet(&mut command, directory)
    })
}

fn quiet(command: &mut Command, directory: &Path) -> Child {
    let log = fs::File::create(directory.join("proxy.log")).unwrap();
    let log = (log.try_clone().unwrap(), log);
    command.stdin(Stdio::null()).stdout(log.0).stderr(log.1).spawn().unwrap()
}

/// All that must hold behind a proxy.
fn check(start: fn(&LinkOps, &Path) -> Proxy) {
    let mut fleet = Fleet::new(1);
    let gate = fleet.directory().join("gate");
    let wait = format!("while {}; do sleep 0.02; done", closed(&gate));
    fleet.script("slow", &format!("echo first\n{wait}\necho last"));
    fleet.commit();
    let linkops = LinkOps::start_with(&fleet, "api.trusted_proxies = 127.0.0.1");
    let directory = tempfile::tempdir().unwrap();
    let proxy = start(&linkops, directory.path());
    let bearer = format!("Bearer {}", linkops.token());
    let authorized = [("Authorization", &bearer[..])];

    assert_eq!(send(proxy.address, "GET", "/health", &[], b"").expect(200)["status"], "healthy");
    let links = send(proxy.address, "GET", "/api/links", &authorized, b"").expect(200);
    assert_eq!(links.as_array().unwrap().len(), 1);

    // An event arrives while the operation still runs, so nothing holds it back.
    let id = linkops.run(&["slow"], &fleet.ids(), json!({}));
    let path = format!("/api/operations/{id}/events");
    let mut events = Events::open(proxy.address, &path, &authorized);
    let first = events.find(|one| one.name == "output").expect("an output");
    assert!(first.data["data"].as_str().unwrap().contains("first"), "{first:?}");
    fs::write(&gate, "").unwrap();
    let rest: Vec<_> = events.collect();
    assert_eq!(rest.last().map(|one| &one.name[..]), Some("end"), "{rest:?}");

    // Who asks: what the client says about itself is not believed.
    let body = json!({ "username": "stranger", "password": "not a password" }).to_string();
    let headers = [("Content-Type", "application/json"), ("X-Forwarded-For", "192.0.2.7")];
    send(proxy.address, "POST", "/api/auth/login", &headers, body.as_bytes()).expect(401);
    let asked = "SELECT address FROM auth_attempts WHERE username = 'stranger'";
    let address: String = rusqlite::Connection::open(linkops.path("linkops.db"))
        .unwrap()
        .query_row(asked, [], |row| row.get(0))
        .unwrap();
    assert_eq!(address, "127.0.0.1");

    // A body over the limit is refused in our words, before it is sent.
    let large = directory.path().join("large");
    fs::File::create(&large).unwrap().set_len(11 << 20).unwrap();
    let said = Command::new("curl")
        .args(["-qs", "-H", "Content-Type: application/json", "-H", "Expect: 100-continue"])
        .args(["-H", &format!("Authorization: {bearer}"), "--data-binary"])
        .arg(format!("@{}", large.display()))
        .arg(format!("http://{}/api/operations/run", proxy.address))
        .output()
        .unwrap();
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["error"]["code"], "BODY_TOO_LARGE");

    // The doctor sees through it.
    let url = format!("http://{}", proxy.address);
    let mut command = linkops.command(&["doctor", "--url", &url]);
    command.env("LINKOPS_API_PORT", linkops.address().port().to_string());
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(said.contains(&format!("answers at {url}")), "{said}");
    assert!(!said.lines().any(|line| line.starts_with("WRONG  proxy")), "{said}");
}

#[test]
fn nginx_passes_everything_on() {
    check(nginx);
}

#[test]
fn caddy_passes_everything_on() {
    check(caddy);
}

/// The files as they stand, with TLS, are taken by the programs that they are for.
#[test]
fn the_sites_are_taken_as_they_stand() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (key, certificate) = (at("key"), at("certificate"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=linkops.example.org", "-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let text = site("nginx.conf")
        .replace("/etc/ssl/certs/linkops.pem", &certificate)
        .replace("/etc/ssl/private/linkops.key", &key)
        .replace("/var/log/nginx", directory.path().to_str().unwrap());
    fs::write(at("nginx.conf"), format!("pid {};\nevents {{}}\nhttp {{\n{text}}}\n", at("pid")))
        .unwrap();
    let said = Command::new("nginx")
        .args(["-t", "-p", &at(""), "-e", &at("error.log"), "-c", &at("nginx.conf")])
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    fs::write(at("Caddyfile"), site("Caddyfile")).unwrap();
    let said = Command::new("caddy")
        .args(["validate", "--adapter", "caddyfile", "--config", &at("Caddyfile")])
        .env("HOME", directory.path())
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
}

/// Alerts ask for what the server says; a metric that was renamed would never fire again.
#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let fleet = Fleet::new(1);
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    let page = send(linkops.address(), "GET", "/metrics", &[], b"");
    let page = String::from_utf8(page.body).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for file in ["prometheus/linkops.rules.yml", "grafana/linkops.json"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let part = |one: char| one.is_ascii_lowercase() || one == '_';
        let names = text.split(|one| !part(one)).filter(|word| word.starts_with("linkops_"));
        for name in names {
            let family = name
                .trim_end_matches("_bucket")
                .trim_end_matches("_sum")
                .trim_end_matches("_count");
            assert!(page.contains(&format!("# TYPE {family} ")), "{file}: {name}");
        }
    }
}
