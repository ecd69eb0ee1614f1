//! `linkopsd doctor` (issue 6): everything an installation needs is looked at, each thing that is
//! wrong comes with what to do, and the exit code says whether there is any.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

struct Looked {
    code: Option<i32>,
    out: String,
}

impl Looked {
    fn at(linkops: &LinkOps, more: &[&str]) -> Looked {
        Looked::with(linkops, more, &[])
    }

    fn with(linkops: &LinkOps, more: &[&str], environment: &[(&str, &str)]) -> Looked {
        let mut arguments = vec!["doctor"];
        arguments.extend(more);
        let mut command = linkops.command(&arguments);
        // The port of the configuration is 0.
        command.env("LINKOPS_API_PORT", linkops.address().port().to_string());
        command.envs(environment.iter().copied());
        let Output { status, stdout, .. } = command.output().unwrap();
        Looked { code: status.code(), out: String::from_utf8(stdout).unwrap() }
    }

    /// The finding that has all these parts, with what to do.
    #[track_caller]
    fn wrong(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.out);
        let lines: Vec<_> = self.out.lines().collect();
        let at = lines.iter().position(|line| {
            line.starts_with("WRONG") && parts.iter().all(|part| line.contains(part))
        });
        let at = at.unwrap_or_else(|| panic!("{parts:?} in {}", self.out));
        assert!(lines.get(at + 1).is_some_and(|line| line.contains(" do: ")), "{}", self.out);
    }

    #[track_caller]
    fn good(&self, parts: &[&str]) {
        let fits =
            |line: &&str| line.starts_with("ok ") && parts.iter().all(|part| line.contains(part));
        assert!(self.out.lines().any(|line| fits(&line)), "{parts:?} in {}", self.out);
    }
}

fn started(fleet: &Fleet) -> LinkOps {
    let linkops = LinkOps::start(fleet);
    fs::set_permissions(linkops.path("config.ini"), Permissions::from_mode(0o600)).unwrap();
    linkops
}

#[test]
fn a_good_installation_has_nothing_wrong() {
    let fleet = Fleet::new(2);
    fleet.commit();
    let linkops = started(&fleet);
    let url = format!("http://{}", linkops.address());
    let looked = Looked::at(&linkops, &["--url", &url]);
    assert_eq!(looked.code, Some(0), "{}", looked.out);
    for part in ["configuration", "modes", "disk", "database", "audit log", "git", "server"] {
        looked.good(&[part]);
    }
    looked.good(&["machine", "vps-01", "host key known"]);
    looked.good(&["machine", "vps-02"]);
    assert!(looked.out.ends_with("nothing is wrong\n"), "{}", looked.out);
}

/// A proxy for the way out, as on many hosts of companies, has no say about our own address. The
/// users' address is asked for as users ask for it.
#[test]
fn our_own_server_is_not_looked_for_behind_a_proxy() {
    let fleet = Fleet::new(1);
    fleet.commit();
    let linkops = started(&fleet);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = format!("http://{nobody}");
    let url = format!("http://{}", linkops.address());
    let environment = [("http_proxy", &proxy[..]), ("no_proxy", ""), ("NO_PROXY", "")];
    let looked = Looked::with(&linkops, &["--url", &url], &environment);
    looked.good(&["server", "answers"]);
    looked.wrong(&["proxy", "does not answer"]);
}

#[test]
fn what_is_wrong_with_files_is_told_with_what_to_do() {
    let fleet = Fleet::new(1);
    fleet.commit();
    let linkops = started(&fleet);
    let mode = |name: &str, mode| {
        fs::set_permissions(linkops.path(name), Permissions::from_mode(mode)).unwrap();
    };
    mode("config.ini", 0o644);
    mode("linkops.db", 0o644);
    mode("ssh/known_hosts", 0o666);
    fs::set_permissions(fleet.keys().join("id_ed25519"), Permissions::from_mode(0o640)).unwrap();
    let looked = Looked::at(&linkops, &[]);
    looked.wrong(&["modes", "config.ini", "644"]);
    looked.wrong(&["modes", "linkops.db", "644"]);
    looked.wrong(&["modes", "known_hosts", "666"]);
    looked.wrong(&["configuration", "id_ed25519", "640"]);
    looked.wrong(&["machine", "vps-01", "id_ed25519"]);
    fs::write(linkops.path("config.ini"), "[api]\nprot = 1\n").unwrap();
    let looked = Looked::at(&linkops, &[]);
    looked.wrong(&["configuration", "prot"]);
    looked.wrong(&["configuration", "jwt_secret"]);
}

#[test]
fn machines_that_cannot_be_used_are_named_one_by_one() {
    let mut fleet = Fleet::new(2);
    let (port, nobody) = (fleet.sshd.port(), "127.0.0.99".to_owned());
    fleet.add("deaf", &nobody, port);
    fleet.add("nameless", "no-such-host.invalid", port);
    fleet.commit();
    let linkops = started(&fleet);
    let hosts = linkops.path("ssh/known_hosts");
    // One key is forgotten, the other is another one.
    let text = fs::read_to_string(&hosts).unwrap();
    let changed: String = text
        .lines()
        .filter(|line| line.contains("127.0.0.2"))
        .map(|line| line.replacen("127.0.0.2", "127.0.0.1", 1) + "\n")
        .collect();
    fs::write(&hosts, &changed).unwrap();
    let looked = Looked::at(&linkops, &[]);
    looked.wrong(&["machine", "vps-02", "not known"]);
    looked.wrong(&["machine", "deaf"]);
    looked.wrong(&["machine", "nameless"]);
    looked.good(&["machine", "vps-01"]);
    assert_eq!(fs::read_to_string(&hosts).unwrap(), changed, "looking makes no host known");
}

#[test]
fn database_git_and_server_are_looked_at() {
    let fleet = Fleet::new(1);
    fleet.commit();
    let mut linkops = started(&fleet);
    assert!(linkops.terminate().success()); // what is in the write-ahead log would heal it
    fs::write(linkops.path("linkops.db"), "not a database, but long enough to be read as one")
        .unwrap();
    let looked = Looked::at(&linkops, &[]);
    looked.wrong(&["database", "not a database"]);
    looked.wrong(&["server", "does not answer"]);
    let mut command = linkops.command(&["doctor"]);
    command.env("LINKOPS_GIT_REPOSITORY_URL", "/no/such/repository");
    let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
    Looked { code: Some(1), out }.wrong(&["git", "repository"]);
    let mut command = linkops.command(&["doctor"]);
    command.env("LINKOPS_GIT_BRANCH", "absent");
    let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
    Looked { code: Some(1), out }.wrong(&["git", "absent"]);
}
