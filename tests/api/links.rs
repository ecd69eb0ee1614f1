//! `/api/links`: the list, its filters and orders, one machine (R3.1 to R3.5).

use serde_json::{Value, json};

use super::{failure, ids, keys, person};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

/// A server that knows four machines: one enrolled, one without its file, one that does not
/// answer, one that was never asked.
fn started() -> (Fleet, LinkOps) {
    let fleet = Fleet::new(2);
    let (user, port) = (fleet.sshd.user(), fleet.sshd.port());
    let file = fleet.machines[0].client_file.display();
    let id = &fleet.machines[0].client_id;
    let links = format!(
        "links:
  web: {{type: VPS, name: The web, provider: Hetzner, icon: W, host: 127.0.0.1, port: {port},
    user: {user}, tags: [web, prod], enrollment: {{clientId: {id}, path: {file}}},
    ssh: {{keyRef: id_ed25519}}, metadata: {{rack: 7, notes: [a, null]}}}}
  db: {{type: VM, host: 127.0.0.2, port: {port}, user: {user}, tags: [db, prod],
    enrollment: {{required: false, clientId: LINKOPS-11111111-0000-4000-8000-000000000002,
    path: /nowhere/client_id}}}}
  px: {{type: Proxmox, host: 127.0.0.99, port: {port}, user: {user},
    enrollment: {{clientId: LINKOPS-11111111-0000-4000-8000-000000000003}}}}
  new: {{type: VM, provider: Own, host: 127.0.0.2, port: {port}, user: {user}, tags: [web],
    enrollment: {{clientId: LINKOPS-11111111-0000-4000-8000-000000000004}},
    ssh: {{proxyJump: web}}}}
"
    );
    fleet.repository.commit(&[("links.yaml", &links), ("scripts.yaml", "scripts: {}\n")]);
    let linkops = LinkOps::unsynced(&fleet, "ssh.max_retries = 1");
    linkops.post("/api/git/sync", &json!({})).expect(200);
    let targets = json!({ "targets": ["web", "db", "px"] });
    linkops.post("/api/links/verify", &targets).expect(200);
    (fleet, linkops)
}

#[test]
fn links() {
    let (fleet, linkops) = started();
    the_shape_of_a_machine(&fleet, &linkops);
    filters(&linkops);
    orders(&linkops);
    bad_parameters(&linkops);
    missing_ones(&linkops);
    let vera = person(&linkops, "vera", "viewer");
    let list = super::call(&linkops, &vera, "GET", "/api/links", None);
    assert_eq!(list.expect(200), linkops.get("/api/links").expect(200));
}

/// R3.1, R3.2, R3.3, P7, P8: all keys of the contract and no others, the same in the list.
fn the_shape_of_a_machine(fleet: &Fleet, linkops: &LinkOps) {
    let list = linkops.get("/api/links").expect(200);
    assert_eq!(ids(&list), ["db", "new", "px", "web"]);
    for one in list.as_array().unwrap() {
        let path = format!("/api/links/{}", one["id"].as_str().unwrap());
        assert_eq!(&linkops.get(&path).expect(200), one);
        #[rustfmt::skip]
        let wanted = ["id", "name", "type", "provider", "icon", "tags", "enrolled", "enrollmentId",
            "enrollmentRequired", "enrollmentVerifiedAt", "ssh", "health", "status", "metadata"];
        assert_eq!(keys(one), wanted);
        assert_eq!(keys(&one["ssh"]), ["host", "port", "user", "proxyJump", "keyRef"]);
        assert_eq!(keys(&one["health"]), ["reachable", "latency", "lastSeen"]);
    }
    let mut web = linkops.get("/api/links/web").expect(200);
    let now = linkops::clock::Clock::System.now();
    for (group, key) in [("", "enrollmentVerifiedAt"), ("health", "lastSeen")] {
        let place = if group.is_empty() { &mut web[key] } else { &mut web[group][key] };
        let at = place.take().as_i64().expect("a time in milliseconds");
        assert!((now - 600_000..=now).contains(&at), "{key} {at}");
    }
    assert!(web["health"]["latency"].take().as_u64().is_some_and(|one| one < 60_000));
    let (user, port) = (fleet.sshd.user(), fleet.sshd.port());
    let wanted = json!({
        "id": "web", "name": "The web", "type": "VPS", "provider": "Hetzner", "icon": "W",
        "tags": ["web", "prod"], "enrolled": true,
        "enrollmentId": fleet.machines[0].client_id, "enrollmentRequired": true,
        "enrollmentVerifiedAt": null,
        "ssh": { "host": "127.0.0.1", "port": port, "user": user,
                 "proxyJump": null, "keyRef": "id_ed25519" },
        "health": { "reachable": true, "latency": null, "lastSeen": null },
        "status": "online", "metadata": { "rack": 7, "notes": ["a", null] },
    });
    assert_eq!(web, wanted);
    let new = linkops.get("/api/links/new").expect(200);
    assert_eq!(new["health"], json!({ "reachable": false, "latency": null, "lastSeen": null }));
    assert_eq!((&new["status"], &new["name"]), (&json!("unknown"), &json!("new")));
    assert_eq!((&new["ssh"]["proxyJump"], &new["metadata"]), (&json!("web"), &json!({})));
    assert_eq!((&new["enrollmentVerifiedAt"], &new["icon"]), (&Value::Null, &Value::Null));
}

/// R3.4, P9: what a filter means at the API; that any filter is right is shown further below it.
fn filters(linkops: &LinkOps) {
    for (query, wanted) in [
        ("type=VM", &["db", "new"][..]),
        ("type=Proxmox", &["px"]),
        ("status=online", &["db", "web"]),
        ("status=offline", &["px"]),
        ("status=unknown", &["new"]),
        ("enrolled=true", &["web"]),
        ("enrolled=false", &["db", "new", "px"]),
        ("tag=prod", &["db", "web"]),
        ("tag=pro", &[]),
        ("tag=web&type=VM", &["new"]),
        ("type=VM&status=online&enrolled=false&tag=db", &["db"]),
        ("type=VPS&enrolled=false", &[]),
        ("tag=%22%27%3B--", &[]),
    ] {
        let list = linkops.get(&format!("/api/links?{query}")).expect(200);
        assert_eq!(ids(&list), wanted, "{query}");
    }
}

/// R3.5, P10: ties by id in both directions, missing values last.
fn orders(linkops: &LinkOps) {
    for (query, wanted) in [
        ("sort=id&dir=desc", ["web", "px", "new", "db"]),
        ("dir=desc", ["web", "px", "new", "db"]),
        ("sort=type", ["px", "db", "new", "web"]),
        ("sort=type&dir=desc", ["web", "db", "new", "px"]),
        ("sort=provider&dir=asc", ["web", "new", "db", "px"]),
        ("sort=provider&dir=desc", ["new", "web", "db", "px"]),
        ("sort=host", ["web", "db", "new", "px"]),
        ("sort=enrolled&dir=desc", ["web", "db", "new", "px"]),
        ("sort=status", ["px", "db", "web", "new"]),
        ("sort=keyRef", ["web", "db", "new", "px"]),
    ] {
        let list = linkops.get(&format!("/api/links?{query}")).expect(200);
        assert_eq!(ids(&list), wanted, "{query}");
    }
}

fn bad_parameters(linkops: &LinkOps) {
    for (query, field, hint) in [
        ("type=vps", "type", "VPS"),
        ("type=", "type", "Proxmox"),
        ("status=up", "status", "offline"),
        ("enrolled=yes", "enrolled", "true"),
        ("sort=colour", "sort", "lastSeen"),
        ("sort=id%3B%20DROP%20TABLE%20machines", "sort", "use one of"),
        ("dir=down", "dir", "desc"),
        ("tpye=VM", "tpye", "type"),
        ("limit=3", "limit", "unknown"),
        ("type=VM&type=VPS", "type", "once"),
    ] {
        let reply = linkops.get(&format!("/api/links?{query}"));
        let error = failure(&reply, 400, "VALIDATION_FAILED");
        let text = error["details"]["fields"][field].as_str();
        assert!(text.is_some_and(|text| text.contains(hint)), "{query}: {error}");
    }
}

fn missing_ones(linkops: &LinkOps) {
    for (part, id) in [("nobody", "nobody"), ("WEB", "WEB"), ("web%20", "web "), ("..", "..")] {
        let error = failure(&linkops.get(&format!("/api/links/{part}")), 404, "LINK_NOT_FOUND");
        assert_eq!(error["details"], json!({ "id": id }));
    }
    failure(&linkops.get("/api/links/web/"), 404, "NOT_FOUND");
    failure(&linkops.get("/api/links/web/verify"), 405, "METHOD_NOT_ALLOWED");
}
