//! `linkopsd import`, `export` and `enroll` (issue 6), as processes, against the real tools: what
//! OpenSSH and Ansible make of our files, and machines that are enrolled by the printed steps.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;
use crate::support::place::Place;

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn ran(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code(), out: text(stdout), err: text(stderr) }
}

#[track_caller]
fn good(linkops: &LinkOps, arguments: &[&str]) -> String {
    let Ran { code, out, err } = ran(&mut linkops.command(arguments));
    assert_eq!(code, Some(0), "{arguments:?}: {err}\n{out}");
    out
}

/// Two machines, one behind the other, and a third that is not enrolled.
fn fleet() -> Fleet {
    let mut fleet = Fleet::new(2);
    fleet.machines[1].jump = Some("vps-01".to_owned());
    let (host, port) = ("127.0.0.1".to_owned(), fleet.sshd.port());
    let file = fleet.add("bare", &host, port).client_file.clone();
    fs::remove_file(file).unwrap();
    fleet.commit();
    fleet
}

/// What `ssh -G` says about a host, by keyword; keywords that come again are joined.
fn asked(file: &PathBuf, host: &str) -> Vec<(String, String)> {
    let Ran { code, out, err } = ran(Command::new("ssh").arg("-G").arg("-F").arg(file).arg(host));
    assert_eq!(code, Some(0), "{err}");
    let pair =
        |line: &str| line.split_once(' ').map(|(key, value)| (key.to_owned(), value.to_owned()));
    out.lines().filter_map(pair).collect()
}

#[test]
fn openssh_reads_our_export_and_reaches_the_machines_with_it() {
    let fleet = fleet();
    let linkops = LinkOps::start(&fleet);
    let file = linkops.path("ssh_config");
    fs::write(&file, good(&linkops, &["export", "ssh-config"])).unwrap();
    for machine in &fleet.machines {
        let said = asked(&file, &machine.id);
        let value =
            |key: &str| said.iter().find(|(name, _)| name == key).map(|(_, value)| &value[..]);
        assert_eq!(value("hostname"), Some(&machine.host[..]));
        assert_eq!(value("port"), Some(&machine.port.to_string()[..]));
        assert_eq!(value("user"), Some(fleet.sshd.user()));
        assert_eq!(value("identityfile"), fleet.keys().join("id_ed25519").to_str());
        assert_eq!(value("proxyjump"), machine.jump.as_deref());
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(&file).args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
        let Ran { code, out, err } = ran(ssh.arg(&machine.id).arg("echo reached"));
        assert_eq!((code, &out[..]), (Some(0), "reached\n"), "{}: {err}", machine.id);
    }
    // And back: the same machines, with new client ids.
    let links = good(&linkops, &["import", "ssh-config", file.to_str().unwrap()]);
    assert!(links.contains("  vps-02:\n") && links.contains("proxyJump: vps-01\n"), "{links}");
}

/// What we read of a file is what OpenSSH reads of it.
#[test]
fn a_config_of_openssh_is_read_as_openssh_reads_it() {
    let place = Place::new("");
    let file = place.path("config");
    let text = "\
# comments, = and quotes, patterns, the first value
User = everybody
Host gate edge
    HostName \"gate.example.com\"
    Port 2022
Host web-* !web-3
    ProxyJump gate
    IdentityFile ~/.ssh/web
Host web-1 web-2 web-3
    hostname %h.example.com
Host web-2
    Port=2200
    User root
Host *
    Port 2100
";
    fs::write(&file, text).unwrap();
    let done = place.run(&["import", "ssh-config", file.to_str().unwrap()], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    let links: Value = yaml(&done.out);
    for id in ["gate", "edge", "web-1", "web-2", "web-3"] {
        let said = asked(&file, id);
        let value =
            |key: &str| said.iter().find(|(name, _)| name == key).map(|(_, value)| &value[..]);
        let link = &links["links"][id];
        assert_eq!(link["host"].as_str(), value("hostname"), "{id}");
        assert_eq!(link["port"].to_string(), value("port").unwrap(), "{id}");
        assert_eq!(link["user"].as_str(), value("user"), "{id}");
        assert_eq!(link["ssh"]["proxyJump"].as_str(), value("proxyjump"), "{id}");
        let key = value("identityfile").filter(|path| path.ends_with("/web")).map(|_| "web");
        assert_eq!(link["ssh"]["keyRef"].as_str(), key, "{id}");
    }
}

fn yaml(text: &str) -> Value {
    linkops::inventory::yaml::value(text).unwrap()
}

/// Ansible's own reading of our export, and ours of Ansible's. It is not everywhere; where it is
/// missing the rest is tested by `src/exchange/tests.rs`.
#[test]
fn ansible_reads_our_export() {
    let fleet = fleet();
    let linkops = LinkOps::start(&fleet);
    let text = good(&linkops, &["export", "ansible"]);
    let hosts = &yaml(&text)["all"]["hosts"];
    assert_eq!(hosts["vps-02"]["ansible_host"], "127.0.0.2");
    let way = format!("-o ProxyJump={}@127.0.0.1:{}", fleet.sshd.user(), fleet.sshd.port());
    assert_eq!(hosts["vps-02"]["ansible_ssh_common_args"], way);
    let file = linkops.path("inventory.yml");
    fs::write(&file, &text).unwrap();
    let program = std::env::var("ANSIBLE_INVENTORY_PROGRAM").unwrap_or("ansible-inventory".into());
    let mut command = Command::new(program);
    command.arg("-i").arg(&file).arg("--list").env("HOME", linkops.directory());
    let listed = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("NOT TESTED: what Ansible makes of it: ansible-inventory: {error}");
            return;
        }
    };
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let said: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(said["_meta"]["hostvars"]["vps-02"], hosts["vps-02"]);
    assert_eq!(said["type_vps"]["hosts"], json!(["bare", "vps-01", "vps-02"]));
    let list = linkops.path("list.json");
    fs::write(&list, listed).unwrap();
    let direct = good(&linkops, &["import", "ansible", file.to_str().unwrap()]);
    assert_eq!(good(&linkops, &["import", "ansible", list.to_str().unwrap()]), direct);
    assert!(direct.contains(&fleet.machines[0].client_id), "{direct}");
}

#[test]
fn known_hosts_are_those_that_ssh_believes() {
    let fleet = fleet();
    let linkops = LinkOps::start(&fleet);
    let file = linkops.path("exported");
    fs::write(&file, good(&linkops, &["export", "known-hosts"])).unwrap();
    for host in ["vps-01", "bare", &format!("[127.0.0.2]:{}", fleet.sshd.port())] {
        let Ran { out, .. } =
            ran(Command::new("ssh-keygen").arg("-F").arg(host).arg("-f").arg(&file));
        assert!(out.contains("ssh-ed25519"), "{host}: {out}");
    }
}

#[test]
fn an_import_goes_to_the_output_and_what_is_doubtful_to_standard_error() {
    let place = Place::new("");
    let file = place.path("table.csv");
    fs::write(&file, "host,user,keyRef\n10.0.0.1,ops,/srv/keys/a\n").unwrap();
    let name = file.to_str().unwrap();
    let done = place.run(&["import", "csv", name, "--type", "Proxmox"], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.err.starts_with("linkopsd: note: copy the key"), "{done:?}");
    let link = &yaml(&done.out)["links"]["10.0.0.1"];
    assert_eq!(
        (&link["type"], &link["user"], &link["ssh"]["keyRef"]),
        (&json!("Proxmox"), &json!("ops"), &json!("a"))
    );
    let same = place.run(&["import", "csv", "-", "--user", "me"], "host\nx\n");
    assert_eq!(yaml(&same.out)["links"]["x"]["user"], "me");
    fs::write(&file, "hots\n").unwrap();
    place.run(&["import", "csv", name], "").failed(1, &["line 1", "\"hots\""]);
    place.run(&["export", "ansible"], "").failed(1, &["database"]);
    place.run(&["enroll", "a"], "").failed(1, &["database"]);
}

#[test]
fn enroll_puts_the_client_id_on_a_machine() {
    let fleet = fleet();
    let mut linkops = LinkOps::start(&fleet);
    let bare = &fleet.machines[2];
    let enrolled =
        |linkops: &LinkOps| linkops.get("/api/links/bare").expect(200)["enrolled"].clone();
    assert_eq!(enrolled(&linkops), false);
    fs::remove_file(linkops.path("ssh/known_hosts")).unwrap();
    let out = good(&linkops, &["enroll", "bare", "--run"]);
    assert!(out.contains("host key ssh-ed25519 SHA256:") && out.contains("NEW"), "{out}");
    assert!(out.contains("written to") && out.ends_with("bare is enrolled\n"), "{out}");
    assert_eq!(fs::read_to_string(&bare.client_file).unwrap(), format!("{}\n", bare.client_id));
    assert_eq!(enrolled(&linkops), true);
    let again = good(&linkops, &["enroll", "bare", "--run"]);
    assert!(again.contains(" already\n") && again.contains(": known\n"), "{again}");
    // Another machine's id is not overwritten by accident.
    fs::write(&bare.client_file, " LINKOPS-of-another \n").unwrap();
    let Ran { code, err, .. } = ran(&mut linkops.command(&["enroll", "bare", "--run"]));
    assert!(
        code == Some(1) && err.contains("LINKOPS-of-another") && err.contains("--replace"),
        "{err}"
    );
    good(&linkops, &["enroll", "bare", "--run", "--replace"]);
    assert_eq!(fs::read_to_string(&bare.client_file).unwrap(), format!("{}\n", bare.client_id));
    let Ran { code, err, .. } = ran(&mut linkops.command(&["enroll", "nobody", "--run"]));
    assert!(code == Some(1) && err.contains("nobody"), "{err}");
    let verified = good(&linkops, &["audit", "verify"]);
    assert!(verified.starts_with("intact: "), "{verified}");
    assert!(linkops.terminate().success());
}

/// The printed steps, run by a shell, do the same; sudo is not needed here.
#[test]
fn the_printed_steps_enrol_a_machine() {
    let fleet = fleet();
    let linkops = LinkOps::start(&fleet);
    fs::remove_file(linkops.path("ssh/known_hosts")).unwrap();
    let steps = good(&linkops, &["enroll", "bare"]);
    assert!(
        steps.contains("ssh-keygen -lf -") && steps.contains("/etc/ssh/ssh_host_ed25519_key.pub"),
        "{steps}"
    );
    let steps = steps.replace("sudo ", "");
    let Ran { code, out, err } =
        ran(Command::new("bash").args(["-e", "-o", "pipefail", "-c", &steps]));
    assert_eq!(code, Some(0), "{steps}\n{out}\n{err}");
    assert!(out.contains("SHA256:"), "{out}");
    let checked = linkops.post("/api/links/bare/verify", &json!({})).expect(200);
    assert_eq!(checked["enrolled"], true, "{checked}");
    let behind = good(&linkops, &["enroll", "vps-02"]);
    assert!(behind.contains(&format!("-J {}@127.0.0.1:", fleet.sshd.user())), "{behind}");
}
