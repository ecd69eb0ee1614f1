//! `/api/terminal/workspaces`: make, look, assign, connect, close, call by call (R7.1, R7.2 as a
//! client sees them). What goes over the sockets is in `tests/terminal`.

use serde_json::{Value, json};

use super::{call, failure, keys, person, post_text};
use crate::support::client::Reply;
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

const WORKSPACES: &str = "/api/terminal/workspaces";
const SHAPE: [&str; 7] =
    ["workspace_id", "layout", "max_panes", "created_at", "created_by", "sockets", "panes"];
const PANE: [&str; 8] =
    ["target", "status", "connected", "error", "cols", "rows", "connectedAt", "disconnectedAt"];

/// Two operators, a viewer, and three machines of which the last is not enrolled.
struct World {
    fleet: Fleet,
    linkops: LinkOps,
    ann: String,
    bob: String,
    vera: String,
}

impl World {
    fn new() -> World {
        let fleet = Fleet::new(3);
        let wrong = "LINKOPS-ffffffff-0000-4000-8000-000000000000\n";
        std::fs::write(&fleet.machines[2].client_file, wrong).unwrap();
        fleet.commit();
        let linkops = LinkOps::start_with(&fleet, "terminal.max_workspaces = 3");
        let ann = person(&linkops, "ann", "operator");
        let bob = person(&linkops, "bob", "operator");
        let vera = person(&linkops, "vera", "viewer");
        World { fleet, linkops, ann, bob, vera }
    }

    fn ask(&self, who: &str, method: &str, path: &str, body: Option<Value>) -> Reply {
        call(&self.linkops, who, method, &format!("{WORKSPACES}{path}"), body.as_ref())
    }

    fn make(&self, who: &str, body: Value) -> Reply {
        self.ask(who, "POST", "", Some(body))
    }

    fn assign(&self, who: &str, id: &str, panes: &[(&str, &str)]) -> Reply {
        let panes: Vec<Value> =
            panes.iter().map(|(pane, target)| json!({ "pane": pane, "target": target })).collect();
        self.ask(who, "PUT", &format!("/{id}/panes"), Some(json!({ "panes": panes })))
    }

    fn view(&self, id: &str) -> Value {
        self.ask(&self.vera, "GET", &format!("/{id}"), None).expect(200)
    }

    fn audited(&self, action: &str) -> Vec<(String, Option<String>, String)> {
        let db = rusqlite::Connection::open(self.linkops.path("linkops.db")).unwrap();
        let sql = "SELECT actor, target, result FROM audit_log WHERE action = ?1 ORDER BY id";
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement
            .query_map([action], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        rows.map(Result::unwrap).filter(|(_, _, result)| result == "ok").collect()
    }
}

#[test]
fn workspaces() {
    let world = World::new();
    let id = made(&world);
    assigned(&world, &id);
    connected(&world, &id);
    others(&world, &id);
    closed(&world, &id);
}

fn made(world: &World) -> String {
    assert_eq!(world.ask(&world.vera, "GET", "", None).expect(200), json!([]));
    let reply = world.make(&world.ann, json!({ "layout": "grid1x3", "max_panes": 2 }));
    let body = reply.expect(201);
    assert_eq!(keys(&body), ["workspace_id"]);
    let id = body["workspace_id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), Some(&format!("{WORKSPACES}/{id}")[..]));
    let view = world.view(&id);
    assert_eq!(keys(&view), SHAPE);
    assert_eq!((&view["layout"], &view["max_panes"]), (&json!("grid1x3"), &json!(2)));
    assert_eq!((&view["created_by"], &view["sockets"]), (&json!("ann"), &json!(0)));
    assert_eq!(view["panes"], json!({}));
    assert!(view["created_at"].as_i64().unwrap() > 1_700_000_000_000);
    let other = world.make(&world.bob, json!({ "layout": "single" })).expect(201);
    let list = world.ask(&world.vera, "GET", "", None).expect(200);
    let ids: Vec<_> = list.as_array().unwrap().iter().map(|one| &one["workspace_id"]).collect();
    assert_eq!(ids, [&other["workspace_id"], &json!(id)], "the newest first");

    for (body, field) in [
        (json!({}), "layout"),
        (json!({ "layout": "grid3x3" }), "layout"),
        (json!({ "layout": "Single" }), "layout"),
        (json!({ "layout": "single", "max_panes": 2 }), "max_panes"),
        (json!({ "layout": "single", "max_panes": 0 }), "max_panes"),
        (json!({ "layout": "single", "max_panes": -1 }), "max_panes"),
        (json!({ "layout": "single", "panes": 1 }), "panes"),
    ] {
        let error = failure(&world.make(&world.ann, body.clone()), 400, "VALIDATION_FAILED");
        assert!(error["details"]["fields"][field].is_string(), "{body}: {error}");
    }
    let text = post_text(&world.linkops, WORKSPACES, "text/plain", b"{}");
    failure(&text, 415, "UNSUPPORTED_MEDIA_TYPE");
    world.make(&world.ann, json!({ "layout": "single" })).expect(201);
    let error =
        failure(&world.make(&world.ann, json!({ "layout": "single" })), 429, "TOO_MANY_WORKSPACES");
    assert_eq!(error["details"], json!({ "max_workspaces": 3 }));
    let audited = world.audited("workspace.create");
    assert_eq!(audited.len(), 3);
    assert_eq!(audited[0], ("ann".to_owned(), Some(id.clone()), "ok".to_owned()));
    id
}

/// R7.2 as a client sees it.
fn assigned(world: &World, id: &str) {
    let reply = world.assign(&world.ann, id, &[("B", "vps-02"), ("A", "vps-01")]);
    assert_eq!(reply.expect(200), json!({ "success": true }));
    let view = world.view(id);
    assert_eq!(keys(&view["panes"]), ["A", "B"]);
    let pane = &view["panes"]["B"];
    assert_eq!(keys(pane), PANE);
    let wanted = json!({
        "target": "vps-02", "status": "assigned", "connected": false, "error": null,
        "cols": 80, "rows": 24, "connectedAt": null, "disconnectedAt": null,
    });
    assert_eq!(*pane, wanted);

    let wrong = |panes: Value, field: &str| {
        let body = Some(json!({ "panes": panes }));
        let reply = world.ask(&world.ann, "PUT", &format!("/{id}/panes"), body);
        let error = failure(&reply, 400, "VALIDATION_FAILED");
        assert!(error["details"]["fields"][field].is_string(), "{panes}: {error}");
    };
    wrong(json!([]), "panes");
    wrong(json!([{ "pane": "C", "target": "vps-01" }]), "panes[0].pane");
    wrong(json!([{ "pane": "E", "target": "vps-01" }]), "panes[0].pane");
    wrong(json!([{ "pane": "a", "target": "vps-01" }]), "panes[0].pane");
    wrong(json!([{ "pane": "A" }]), "panes[0].target");
    wrong(json!([{ "pane": "A", "target": "vps-01", "user": "root" }]), "panes[0].user");
    let twice = json!([{ "pane": "A", "target": "vps-01" }, { "pane": "A", "target": "vps-02" }]);
    wrong(twice, "panes[1].pane");

    let reply = world.assign(&world.ann, id, &[("A", "vps-02"), ("B", "vps-03")]);
    let error = failure(&reply, 403, "ENROLLMENT_REQUIRED");
    let targets = &error["details"]["targets"];
    assert_eq!(targets.as_array().unwrap().len(), 1, "those that are enrolled are not listed");
    assert_eq!((&targets[0]["target"], &targets[0]["enrolled"]), (&json!("vps-03"), &json!(false)));
    assert!(targets[0]["error"].as_str().unwrap().contains("ffffffff"), "{targets}");
    let reply = world.assign(&world.ann, id, &[("A", "vps-02"), ("B", "vps-99")]);
    failure(&reply, 404, "LINK_NOT_FOUND");
    assert_eq!(world.view(id), view, "all or nothing");
    let reply = world.assign(&world.ann, "WS-nothing", &[("A", "vps-01")]);
    failure(&reply, 404, "WORKSPACE_NOT_FOUND");
    assert_eq!(world.audited("workspace.assign").len(), 1);
}

fn connected(world: &World, id: &str) {
    // The second one has lost its client id meanwhile.
    std::fs::remove_file(&world.fleet.machines[1].client_file).unwrap();
    let connect = |id: &str| world.ask(&world.ann, "POST", &format!("/{id}/connect-all"), None);
    let reply = connect(id).expect(200);
    assert_eq!(keys(&reply), ["success", "panes"]);
    assert_eq!(reply["success"], false);
    assert_eq!(reply["panes"]["A"], json!({ "connected": true, "error": null }));
    assert_eq!(reply["panes"]["B"]["connected"], false);
    let error = reply["panes"]["B"]["error"].as_str().unwrap();
    assert!(error.starts_with("not enrolled: "), "{error}");
    let panes = world.view(id)["panes"].clone();
    assert_eq!(
        (&panes["A"]["status"], &panes["A"]["connected"]),
        (&json!("connected"), &json!(true))
    );
    assert!(panes["A"]["connectedAt"].is_i64() && panes["A"]["disconnectedAt"].is_null());
    assert_eq!(
        (&panes["B"]["status"], &panes["B"]["error"]),
        (&json!("disconnected"), &json!(error))
    );
    let error = failure(&world.assign(&world.ann, id, &[("A", "vps-01")]), 409, "PANE_ASSIGNED");
    assert_eq!(error["details"], json!({ "pane": "A" }));
    // Again: the connected one stays as it is.
    assert_eq!(connect(id).expect(200)["panes"]["A"]["connected"], true);
    assert_eq!(world.view(id)["panes"]["A"]["connectedAt"], panes["A"]["connectedAt"]);
    assert_eq!(world.audited("terminal.connect").len(), 1);

    let list = world.ask(&world.ann, "GET", "", None).expect(200);
    let of_ann = |one: &&Value| one["created_by"] == "ann" && one["workspace_id"] != id;
    let empty = list.as_array().unwrap().iter().find(of_ann).unwrap();
    let reply = connect(empty["workspace_id"].as_str().unwrap());
    let error = failure(&reply, 400, "VALIDATION_FAILED");
    assert!(error["details"]["fields"]["panes"].is_string(), "{error}");
    failure(&connect("WS-nothing"), 404, "WORKSPACE_NOT_FOUND");
}

/// A workspace is for who made it and for admins; everybody sees that it is there.
fn others(world: &World, id: &str) {
    let body = || Some(json!({ "panes": [{ "pane": "B", "target": "vps-01" }] }));
    for (method, path, body) in [
        ("PUT", format!("/{id}/panes"), body()),
        ("POST", format!("/{id}/connect-all"), None),
        ("DELETE", format!("/{id}"), None),
    ] {
        let error = failure(&world.ask(&world.bob, method, &path, body.clone()), 403, "FORBIDDEN");
        assert_eq!(error["details"], json!({ "owner": "ann" }), "{method} {path}");
        let error = failure(&world.ask(&world.vera, method, &path, body), 403, "FORBIDDEN");
        assert_eq!(error["details"], json!({ "role": "operator" }), "{method} {path}");
    }
    let reply = world.ask(&world.bob, "POST", &format!("/{id}/ws"), None);
    assert_eq!(reply.status, 405);
    let socket = world.ask(&world.bob, "GET", &format!("/{id}/ws"), None);
    assert!([403, 426].contains(&socket.status), "{}", socket.status);
    world.ask(&world.bob, "GET", &format!("/{id}"), None).expect(200);
    // An admin may do all of it.
    let admin = world.linkops.token();
    world.assign(admin, id, &[("B", "vps-02")]).expect(200);
    world.ask(admin, "POST", &format!("/{id}/connect-all"), None).expect(200);
}

fn closed(world: &World, id: &str) {
    let delete = |id: &str| world.ask(&world.ann, "DELETE", &format!("/{id}"), None);
    let with_body = world.ask(&world.ann, "DELETE", &format!("/{id}"), Some(json!({ "x": 1 })));
    failure(&with_body, 400, "VALIDATION_FAILED");
    let reply = delete(id);
    assert_eq!((reply.status, &reply.body[..]), (204, &b""[..]));
    failure(&delete(id), 404, "WORKSPACE_NOT_FOUND");
    failure(&world.ask(&world.ann, "GET", &format!("/{id}"), None), 404, "WORKSPACE_NOT_FOUND");
    let audited = world.audited("workspace.delete");
    assert_eq!(audited, [("ann".to_owned(), Some(id.to_owned()), "ok".to_owned())]);
    assert_eq!(world.audited("terminal.disconnect").len(), 1);
}
