//! What is read of other tools' files, and that what is written is read back the same.

use proptest::prelude::*;

use super::*;
use crate::inventory::route::Keys;

fn read(import: fn(&str, &Defaults) -> Result<Imported>, text: &str) -> Imported {
    import(text, &Defaults::default()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn one<'a>(imported: &'a Imported, id: &str) -> &'a Machine {
    imported.machines.iter().find(|one| one.id == id).unwrap_or_else(|| panic!("{imported:?}"))
}

fn links(text: &str) -> Vec<Machine> {
    let read = |file: &str| match file {
        yaml::LINKS => Ok(text.as_bytes().to_vec()),
        _ => Ok(b"scripts: {}".to_vec()),
    };
    yaml::parse(read).unwrap_or_else(|error| panic!("{error}\n{text}")).machines
}

const INI: &str = "\
# a comment
mail.example.com:2222 ansible_user='postman'

[web]
web[01:03].example.com ansible_host=10.0.0.1 # another
www ansible_port=22022

[db]
db-[a:b] ansible_ssh_private_key_file=\"~/keys/db key\"

[prod:children]
web
db

[all:vars]
ansible_user=deploy
[prod:vars]
ansible_port = 2200
ansible_ssh_common_args = '-o ProxyJump=gate@gate.example.com:2022'
[db:vars]
ansible_port=5022
";

#[test]
fn an_ini_inventory_is_read_with_its_groups_and_variables() {
    let imported = read(ansible::import, INI);
    let ids: Vec<_> = imported.machines.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "db-a",
            "db-b",
            "gate.example.com",
            "mail.example.com",
            "web01.example.com",
            "web02.example.com",
            "web03.example.com",
            "www"
        ]
    );
    let web = one(&imported, "web02.example.com");
    assert_eq!((&web.host[..], web.port, &web.user[..]), ("10.0.0.1", 2200, "deploy"));
    assert_eq!(web.tags, ["prod", "web"]);
    assert_eq!(web.proxy_jump.as_deref(), Some("gate.example.com"));
    assert_eq!(one(&imported, "www").port, 22022, "a host's own value counts more");
    let db = one(&imported, "db-a");
    assert_eq!((db.port, db.key_ref.as_deref()), (5022, Some("db key")), "the child's counts more");
    let gate = one(&imported, "gate.example.com");
    assert_eq!((gate.port, &gate.user[..], &gate.proxy_jump), (2022, "gate", &None));
    let remarks = imported.remarks.join("\n");
    assert!(
        remarks.contains("a link of its own") && remarks.contains("keys_directory"),
        "{remarks}"
    );
}

#[test]
fn what_a_sync_would_refuse_is_refused() {
    let text = "m ansible_user='a b'\n";
    let error = ansible::import(text, &Defaults::default()).unwrap_err().to_string();
    assert!(error.contains("\"user\"") && error.contains("white space"), "{error}");
}

#[test]
fn yaml_and_json_inventories_are_read() {
    let yaml = "\
all:
  vars: {ansible_user: ops}
  hosts:
    lone:
  children:
    web:
      hosts:
        a: {ansible_host: 10.0.0.1, ansible_port: 2200}
        b: {ansible_user: root, ansible_connection: local}
        c: {ansible_host: \"{{ secret }}\"}
";
    let imported = read(ansible::import, yaml);
    let ids: Vec<_> = imported.machines.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["a", "c", "lone"]);
    let a = one(&imported, "a");
    assert_eq!(
        (&a.host[..], a.port, &a.user[..], &a.tags[..]),
        ("10.0.0.1", 2200, "ops", &["web".to_owned()][..])
    );
    let remarks = imported.remarks.join("\n");
    assert!(remarks.contains("b: left out") && remarks.contains("c: ansible_host"), "{remarks}");
    let json = r#"{"_meta": {"hostvars": {"a": {"ansible_host": "10.0.0.1", "ansible_user": "ops"}}},
                   "all": {"children": ["ungrouped", "web"]}, "web": {"hosts": ["a"]}}"#;
    let imported = read(ansible::import, json);
    let a = one(&imported, "a");
    assert_eq!(
        (&a.host[..], &a.user[..], &a.tags[..]),
        ("10.0.0.1", "ops", &["web".to_owned()][..])
    );
}

#[test]
fn what_is_wrong_with_an_inventory_is_told_with_its_line() {
    for (text, part) in [
        ("[web\n", "line 1: there is no \"]\""),
        ("[web:hosts]\n", "\"hosts\" is neither"),
        ("a x\n", "line 1: \"x\" has no \"=\""),
        ("a x='\n", "line 1: a quote"),
        ("a[5:1]\n", "\"5:1\" is no range"),
        ("a[0:99999]\n", "is no range"),
        ("a ansible_port=x\n", "\"x\" is no port"),
        ("all: {hosts: 5}\n", "neither a map nor a list"),
        ("all: [1]\n", "is no map"),
        ("all:\n  hosts:\n    a: {\n", "line"),
    ] {
        let error = ansible::import(text, &Defaults::default()).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn groups_that_contain_each_other_end() {
    let imported = read(ansible::import, "[a]\nx\n[a:children]\nb\n[b:children]\na\n");
    assert_eq!(one(&imported, "x").tags, ["a", "b"]);
}

#[test]
fn ssh_config_is_read_as_ssh_reads_it() {
    let text = "\
User everybody
Host web-* !web-9
    Port 2200
    ProxyJump gate
Host gate
    HostName gate.example.com
    User gatekeeper
Host web-1 web-9 alias
    HostName=%h.example.com
    Port 22
    IdentityFile \"~/.ssh/web key\"
Match host x
    Port 9
Host *
    User nobody
";
    let imported = read(ssh_config::import, text);
    let web = one(&imported, "web-1");
    assert_eq!((&web.host[..], web.port, &web.user[..]), ("web-1.example.com", 2200, "everybody"));
    assert_eq!(
        (web.proxy_jump.as_deref(), web.key_ref.as_deref()),
        (Some("gate"), Some("web key"))
    );
    let other = one(&imported, "web-9");
    assert_eq!((other.port, &other.proxy_jump), (22, &None));
    assert_eq!(one(&imported, "gate").user, "everybody", "the first value counts");
    assert!(imported.remarks.join("\n").contains("line 12: the block Match"), "{imported:?}");
    let error = ssh_config::import("Host a\nPort \"2\n", &Defaults::default()).unwrap_err();
    assert!(error.to_string().contains("line 2: a quote"), "{error}");
}

#[test]
fn a_table_is_read_by_the_names_of_its_columns() {
    let text = "\u{feff}Host;type;tags;ID;proxyjump\r\n10.0.0.1;VM;web prod;a;\r\n\r\n\
                \"10.0.0.2\";;\"x|y\";\"b\";a\r\n10.0.0.3;;;;z.example.com\r\n";
    let imported = read(csv::import, text);
    let ids: Vec<_> = imported.machines.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["10.0.0.3", "a", "b", "z.example.com"]);
    assert_eq!(
        (one(&imported, "a").kind, &one(&imported, "a").tags[..]),
        (Kind::Vm, &["web".to_owned(), "prod".to_owned()][..])
    );
    assert_eq!(one(&imported, "b").proxy_jump.as_deref(), Some("a"));
    for (text, part) in [
        ("", "no column \"host\""),
        ("hots\n", "did you mean \"host\"?"),
        ("host,port\na,x\n", "line 2: \"x\" is no port"),
        ("host,port\na\n", "line 2: 1 cells, not 2"),
        ("host,type\na,Box\n", "line 2: \"Box\" is not one of VPS, Proxmox, VM"),
        ("host\n\"a\n", "line 2: a quote"),
        ("host,id\na,x\nb,x\n", "x is there twice"),
        ("host,id\na,x y\n", "the id must"),
    ] {
        let error = csv::import(text, &Defaults::default()).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

/// An inventory as a sync would accept it, with jumps that lead upwards only.
fn inventory() -> impl Strategy<Value = Vec<Machine>> {
    let word = "[a-zA-Z0-9_][a-zA-Z0-9._#%@:=-]{0,8}";
    let text = r#"[ -~äλ]{0,6}[!-~äλ]"#;
    let optional = proptest::option::of(text);
    let machine = (
        ("[A-Za-z0-9_][A-Za-z0-9._-]{0,8}", 0_usize..3, word, 1_u16.., "[a-z_][a-z0-9_-]{0,8}"),
        (text, optional.clone(), optional, proptest::collection::btree_set(text, 0..4)),
        (
            proptest::option::of("[a-z][a-z0-9_ ]{0,5}[a-z0-9]"),
            any::<Option<prop::sample::Index>>(),
        ),
        ("/[a-z/ ]{0,6}[a-z]", any::<bool>(), "[a-z]{1,4}", any::<i64>()),
    );
    proptest::collection::vec(machine, 0..6).prop_map(|all| {
        let mut machines: Vec<Machine> = Vec::new();
        for (ssh, shown, way, rest) in all {
            let (id, kind, host, port, user) = ssh;
            // Of two ids that differ in case only, ssh and Ansible make two hosts as well.
            if machines.iter().any(|one| one.id == id || one.host == host || one.id == host)
                || machines.iter().any(|one| one.host == id)
            {
                continue;
            }
            let mut one = super::machine(&id, &Defaults::default());
            one.kind = [Kind::Vps, Kind::Proxmox, Kind::Vm][kind];
            (one.host, one.port, one.user) = (host, port, user);
            let (name, provider, icon, tags) = shown;
            (one.name, one.provider, one.icon) = (name, provider, icon);
            one.tags = tags.into_iter().collect();
            one.key_ref = way.0;
            one.proxy_jump =
                way.1.filter(|_| !machines.is_empty()).map(|index| index.get(&machines).id.clone());
            (one.enrollment.path, one.enrollment.required) = (rest.0, rest.1);
            one.metadata = serde_json::json!({ rest.2: [rest.3, { "deep": null }] });
            machines.push(one);
        }
        machines.sort_by(|a, b| a.id.cmp(&b.id));
        machines
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What is printed is what a sync reads.
    #[test]
    fn links_are_read_back_as_they_were(machines in inventory()) {
        prop_assert_eq!(links(&write_links(&machines)), machines);
    }

    /// An inventory goes to Ansible and comes back whole.
    #[test]
    fn ansible_inventories_are_read_back_as_they_were(machines in inventory()) {
        let text = ansible::export(&machines, &Keys::of("/keys".as_ref()));
        prop_assert_eq!(read(ansible::import, &text).machines, machines, "{}", text);
    }

    /// OpenSSH's words hold less: id, address, user, key and way.
    #[test]
    fn ssh_configs_are_read_back_as_they_were(machines in inventory()) {
        let keys = Keys::of("/keys".as_ref());
        let text = ssh_config::export(&machines, &keys, "/known hosts".as_ref());
        let found = read(ssh_config::import, &text).machines;
        prop_assert_eq!(found.len(), machines.len());
        for (found, one) in found.iter().zip(&machines) {
            prop_assert_eq!((&found.id, &found.host, found.port), (&one.id, &one.host, one.port));
            prop_assert_eq!((&found.user, &found.proxy_jump), (&one.user, &one.proxy_jump));
            let key = one.key_ref.as_deref().unwrap_or("id_ed25519");
            prop_assert_eq!(found.key_ref.as_deref(), Some(key));
        }
    }

    /// Cells with separators, quotes and ends of lines are what they were.
    #[test]
    fn tables_are_read_back_as_they_were(
        names in proptest::collection::vec(r#"[ -~äλ]{0,6}[!-~äλ]"#, 1..6),
        semicolons: bool,
        quoted: bool,
    ) {
        let separator = if semicolons { ";" } else { "," };
        let mut text = ["id", "host", "name"].join(separator) + "\r\n";
        for (number, name) in names.iter().enumerate() {
            let quote = quoted || name.contains(['"', ',', ';']);
            let cell = if quote { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.clone() };
            text += &format!("m{number}{separator}h{number}{separator}{cell}\r\n");
        }
        let found = read(csv::import, &text).machines;
        let found: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        let names: Vec<_> = names.iter().map(|name| name.trim()).collect();
        prop_assert_eq!(found, names);
    }

    #[test]
    fn no_text_makes_them_panic(text in "[\\[\\]a-z0-9:=,;\"' \n#{}*-]{0,60}") {
        let _ = ansible::import(&text, &Defaults::default());
        let _ = ssh_config::import(&text, &Defaults::default());
        let _ = csv::import(&text, &Defaults::default());
    }
}
