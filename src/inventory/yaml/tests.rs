//! What the files may say, by example: the sentence of each refusal, with its file and line.

use super::*;

const ID: &str = "LINKOPS-0e3b7a52-1111-4222-8333-444455556666";
const NO_SCRIPTS: &str = "scripts: {}\n";

fn link_yaml(id: &str, more: &str) -> String {
    format!(
        "  {id}:\n    type: VPS\n    host: 10.0.0.1\n    port: 22\n    user: root\n    \
         enrollment: {{clientId: {ID}}}\n{more}"
    )
}

fn parse(links: &[u8], scripts: &[u8]) -> Result<Inventory> {
    super::parse(|file| Ok(if file == LINKS { links.to_vec() } else { scripts.to_vec() }))
}

fn problems(links: &str, scripts: &str) -> Vec<String> {
    match parse(links.as_bytes(), scripts.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(Error::Yaml(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn refused(links: &str, expected: &[&str]) {
    let found = problems(links, NO_SCRIPTS);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nshould be {expected}");
    }
}

#[test]
fn a_link_with_everything_and_one_with_the_least() {
    let links = format!(
        "links:\n  a:\n    type: Proxmox\n    provider: home\n    name: Big one\n    icon: 🖥\n    \
         host: a.example\n    port: 2222\n    user: ops\n    tags: [x, y z]\n    enrollment:\n      \
         required: false\n      clientId: {ID}\n      path: /srv/id\n    ssh:\n      keyRef: k1\n      \
         proxyJump: b\n    metadata: {{rack: 3, 7: [~, 1.5, {{x: true}}]}}\n{}",
        link_yaml("b", "")
    );
    let inventory = parse(links.as_bytes(), NO_SCRIPTS.as_bytes()).unwrap();
    let [a, b] = inventory.machines.as_slice() else { panic!("two machines") };
    assert_eq!((a.name.as_str(), a.kind, a.port), ("Big one", Kind::Proxmox, 2222));
    assert_eq!(a.tags, ["x", "y z"]);
    assert_eq!((a.key_ref.as_deref(), a.proxy_jump.as_deref()), (Some("k1"), Some("b")));
    assert_eq!((a.enrollment.path.as_str(), a.enrollment.required), ("/srv/id", false));
    assert_eq!(a.metadata, serde_json::json!({"rack": 3, "7": [null, 1.5, {"x": true}]}));
    let expected = Machine {
        id: "b".to_owned(),
        name: "b".to_owned(),
        kind: Kind::Vps,
        provider: None,
        icon: None,
        tags: Vec::new(),
        host: "10.0.0.1".to_owned(),
        port: 22,
        user: "root".to_owned(),
        key_ref: None,
        proxy_jump: None,
        enrollment: Enrollment {
            id: ID.to_owned(),
            path: CLIENT_ID_PATH.to_owned(),
            required: true,
            ..Enrollment::default()
        },
        health: Health::default(),
        metadata: serde_json::json!({}),
    };
    assert_eq!(*b, expected);
}

#[test]
fn anchors_and_nulls_are_fine() {
    let links = format!(
        "links:\n  a:\n    type: VPS\n    host: h\n    port: 22\n    user: &u root\n    tags: &t [x]\n    \
         provider: ~\n    enrollment: &e {{clientId: {ID}, path: null}}\n  b:\n    type: VM\n    host: h\n    \
         port: 22\n    user: *u\n    tags: *t\n    ssh:\n    metadata:\n    enrollment: *e\n"
    );
    let inventory = parse(links.as_bytes(), NO_SCRIPTS.as_bytes()).unwrap();
    assert_eq!(inventory.machines[1].tags, ["x"]);
    assert_eq!(inventory.machines[1].user, "root");
}

#[test]
fn all_problems_of_both_files_are_told_at_once() {
    let links =
        format!("links:\n  a:\n    hots: x\n    port: 0\n{}", link_yaml("b", "    tags: x\n"));
    let scripts = "scripts:\n  s:\n    name: S\n    path: ../s.sh\n    flags: [--a, 3]\n";
    let found = problems(&links, scripts);
    let expected = [
        "links.yaml:2: link \"a\": \"type\" is missing",
        "links.yaml:2: link \"a\": \"host\" is missing",
        "links.yaml:2: link \"a\": \"user\" is missing",
        "links.yaml:2: link \"a\": \"enrollment.clientId\" is missing",
        "links.yaml:3: link \"a\": \"hots\" is not known, did you mean \"host\"?",
        "links.yaml:4: link \"a\": \"port\" must be a port from 1 to 65535",
        "links.yaml:11: link \"b\": \"tags\" must be a list, not text",
        "scripts.yaml:2: script \"s\": \"description\" is missing",
        "scripts.yaml:4: script \"s\": \"path\" must be a file's path in the repository, not \"../s.sh\"",
        "scripts.yaml:5: script \"s\": \"flags[1]\" must be text, not a number\nwrite it in quotes",
    ];
    assert_eq!(found, expected);
}

/// P15: the path of a script stays in the repository.
#[test]
fn a_script_is_a_file_in_the_repository() {
    let paths = [
        ("s.sh", true),
        ("scripts/a..b/s.sh", true),
        ("/s.sh", false),
        ("scripts/", false),
        ("scripts/../s.sh", false),
        ("scripts/..", false),
    ];
    for (path, accepted) in paths {
        let scripts =
            format!("scripts:\n  s:\n    name: S\n    description: D\n    path: {path}\n");
        assert_eq!(problems("links: {}\n", &scripts).is_empty(), accepted, "{path}");
    }
}

#[test]
fn values_are_checked() {
    let with = |key: &str, value: &str| {
        let text = format!("links:\n{}", link_yaml("a", ""));
        let start = text.find(&format!("    {key}:")).unwrap();
        let end = start + text[start..].find('\n').unwrap();
        format!("{}    {key}: {value}{}", &text[..start], &text[end..])
    };
    let cases = [
        ("type", "vps", 3, "\"type\" must be one of VPS, Proxmox, VM, not \"vps\""),
        ("host", "-oProxyCommand=x", 4, "\"host\" cannot start with"),
        ("host", "a b", 4, "\"host\" must have no white space"),
        ("host", "\"\"", 4, "\"host\" is empty"),
        ("host", "[a]", 4, "\"host\" must be text, not a list"),
        ("port", "65536", 5, "\"port\" must be a port"),
        ("port", "\"22\"", 5, "\"port\" must be a whole number, not text"),
        ("port", "22.5", 5, "\"port\" must be a whole number, not 22.5"),
        ("user", "0", 6, "\"user\" must be text, not a number\nwrite it in quotes"),
        ("user", "-l", 6, "\"user\" cannot start with"),
        ("user", "\"a\\nb\"", 6, "\"user\" must be one line"),
        (
            "enrollment",
            "{clientId: x}",
            7,
            "\"enrollment.clientId\" must be \"LINKOPS-\" and a UUID",
        ),
        ("enrollment", "[x]", 7, "\"enrollment\" must be a map, not a list"),
        ("enrollment", "{clientID: x}", 7, "\"enrollment.clientId\" is missing"),
    ];
    for (key, value, line, says) in cases {
        let found = problems(&with(key, value), NO_SCRIPTS);
        let expected = format!("links.yaml:{line}: link \"a\": {says}");
        assert!(found.iter().any(|one| one.starts_with(&expected)), "{expected}\n{found:#?}");
    }
    for (more, says) in [
        ("    ssh: {keyRef: ../k}\n", "\"ssh.keyRef\" must be a file's name"),
        ("    ssh: {keyref: k}\n", "\"ssh.keyref\" is not known, did you mean \"ssh.keyRef\"?"),
        ("    metadata: {a: .nan}\n", "\"metadata\" has NaN"),
        ("    metadata: {a: 1, a: 2}\n", "\"metadata\" has the key \"a\" twice"),
        ("    metadata: 3\n", "\"metadata\" must be a map"),
        ("    <<: {host: x}\n", "\"<<\" is not known"),
        ("    host: again\n", "\"host\" is there twice"),
        ("    7: x\n", "a key must be text, not a number"),
    ] {
        let text = format!("links:\n{}", link_yaml("a", more));
        refused(&text, &[&format!("links.yaml:8: link \"a\": {says}")]);
    }
}

#[test]
fn ids_are_unique_and_plain() {
    let two = format!("links:\n{}{}", link_yaml("a", ""), link_yaml("a", ""));
    refused(&two, &["links.yaml:8: \"links\": \"a\" is there twice"]);
    for id in ["-a", ".a", "a/b", "\"\"", "\"a b\"", "é", &"x".repeat(65)] {
        let found = problems(&format!("links:\n{}", link_yaml(id, "")), NO_SCRIPTS);
        assert_eq!(found.len(), 1, "{id}: {found:?}");
        assert!(found[0].starts_with("links.yaml:2: link ") && found[0].contains("the id must be"));
    }
    let good = format!("links:\n{}", link_yaml(&"x".repeat(64), ""));
    assert!(problems(&good, NO_SCRIPTS).is_empty());
}

#[test]
fn jumps_lead_to_links_and_not_in_circles() {
    let jump = |id: &str, to: &str| link_yaml(id, &format!("    ssh: {{proxyJump: {to}}}\n"));
    let text = format!("links:\n{}", jump("gate-1", "gate-2"));
    refused(
        &text,
        &[
            "links.yaml:8: link \"gate-1\": \"ssh.proxyJump\" is \"gate-2\", which is no link, did you mean \"gate-1\"?",
        ],
    );
    let text = format!("links:\n{}", jump("a", "a"));
    refused(&text, &["links.yaml:8: \"ssh.proxyJump\" goes in a circle: a → a"]);
    let text =
        format!("links:\n{}{}{}{}", jump("d", "a"), jump("b", "c"), jump("c", "a"), jump("a", "b"));
    refused(&text, &["links.yaml:22: \"ssh.proxyJump\" goes in a circle: a → b → c → a"]);
}

#[test]
fn an_empty_file_does_not_empty_the_inventory() {
    for text in ["", "# all gone\n", "links:\n", "links: ~\n", "{}\n"] {
        let found = problems(text, NO_SCRIPTS);
        assert!(found.iter().any(|one| one.contains("\"links\" is missing")), "{text:?} {found:?}");
    }
    refused(
        "[a]\n",
        &["links.yaml:1: must be a map, not a list", "links.yaml:1: \"links\" is missing"],
    );
    refused("links: [a]\n", &["links.yaml:1: \"links\": must be a map, not a list"]);
    refused(
        "link: {}\n",
        &[
            "links.yaml:1: \"link\" is not known, did you mean \"links\"?",
            "links.yaml:1: \"links\" is missing",
        ],
    );
    assert!(problems("links: {}\n", NO_SCRIPTS).is_empty());
}

#[test]
fn many_problems_are_counted_rather_than_told() {
    let text: String = (0..200).map(|n| format!("  m{n}: {{}}\n")).collect();
    let found = problems(&format!("links:\n{text}"), NO_SCRIPTS);
    assert_eq!(found.len(), 51);
    assert_eq!(found[50], "links.yaml: and 950 more problems");
}

#[test]
fn a_large_wrong_file_is_refused_with_few_words_and_soon() {
    let long = "x".repeat(1 << 20);
    let entry = |id: &str| format!("  {id}: {{ssh: {{proxyJump: {id}x}}, {id}: 1}}\n");
    let many: String = (0..4_000).map(|n| entry(&format!("m{n}"))).collect();
    let chain: String = (0..4_000)
        .map(|n| format!("  m{n}: {{ssh: {{proxyJump: m{}}}}}\n", (n + 1) % 4_000))
        .collect();
    for text in [
        format!("{long}: 1\n"),
        format!("links: {{a: {{type: {long}, {long}: 1}}}}\n"),
        format!("links: !{long} x\n"),
        format!("links:\n{many}"),
        format!("links:\n{chain}"),
    ] {
        let words: usize = problems(&text, NO_SCRIPTS).iter().map(String::len).sum();
        assert!((1..60_000).contains(&words), "{words}");
    }
}
