//! Any content of the tables: things that can be put into a database and taken out again, and the
//! rows that each of them must be seen as.

use linkops::store::Store;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rusqlite::{Transaction, params};
use serde_json::{Map, Value, json};

use super::model::Row;
use super::runs::{Operation, operation};
use super::terminals::{Workspace, workspace};

/// What a world is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Machine,
    Operation,
    Script,
    Sync,
    Act,
    Workspace,
}

/// Something that the database holds; its number tells it from all others of a world.
#[derive(Debug, Clone)]
pub(super) struct Thing {
    pub(super) number: i64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Machine(Machine),
    Operation(Operation),
    Script {
        texts: [String; 3],
        emoji: Option<String>,
        lists: [Vec<String>; 2],
        takes: Option<u32>,
    },
    Sync {
        started: i64,
        took: i64,
        outcome: Result<String, String>,
        counts: Option<(u32, u32)>,
        by: String,
    },
    Act(Act),
    Workspace(Box<Workspace>),
}

#[derive(Debug, Clone)]
struct Machine {
    kind: &'static str,
    texts: [String; 3],
    optional: [Option<String>; 3],
    tags: Vec<String>,
    port: u16,
    jump: bool,
    enrolled: bool,
    status: &'static str,
    latency: Option<u32>,
    seen: Option<i64>,
}

#[derive(Debug, Clone)]
struct Act {
    at: i64,
    actor: String,
    optional: [Option<String>; 3],
    action: &'static str,
    result: &'static str,
    detail: Option<Value>,
}

/// Few texts, so that rows are often equal; among them what breaks careless SQL.
pub(super) const TEXTS: [&str; 14] =
    ["", "a", "A", "b", "é", "🖥", "10", "9", "null", "%", "a'b", "\"", "' OR 1=1; --", "a\0b"];

pub(super) fn text() -> impl Strategy<Value = String> {
    select(TEXTS.to_vec()).prop_map(str::to_owned)
}

pub(super) fn some(most: usize) -> impl Strategy<Value = Vec<String>> {
    subsequence(TEXTS.to_vec(), 0..=most)
        .prop_map(|list| list.into_iter().map(str::to_owned).collect())
}

/// Few moments, before the epoch too.
pub(super) fn moment() -> impl Strategy<Value = i64> {
    (-1..6_i64).prop_map(|second| second * 1000)
}

fn optional() -> impl Strategy<Value = [Option<String>; 3]> {
    [option::of(text()), option::of(text()), option::of(text())]
}

prop_compose! {
    fn machine()(
        kind in select(vec!["VPS", "Proxmox", "VM"]),
        texts in [text(), text(), text()],
        optional in optional(),
        tags in some(3),
        port in select(vec![22, 2222, u16::MAX]),
        (jump, enrolled) in any::<(bool, bool)>(),
        status in select(vec!["online", "offline", "unknown"]),
        latency in option::of(0..3_u32),
        seen in option::of(moment()),
    ) -> What {
        What::Machine(Machine {
            kind, texts, optional, tags, port, jump, enrolled, status, latency, seen,
        })
    }
}

prop_compose! {
    fn script()(
        (texts, emoji) in ([text(), text(), text()], option::of(text())),
        lists in [some(2), some(2)],
        takes in option::of(0..3_u32),
    ) -> What {
        What::Script { texts, emoji, lists, takes }
    }
}

prop_compose! {
    fn sync()(
        (started, took, by) in (moment(), 0..3_i64, text()),
        outcome in prop_oneof![text().prop_map(Ok), text().prop_map(Err)],
        counts in (0..3_u32, 0..3_u32),
    ) -> What {
        let counts = outcome.is_ok().then_some(counts);
        What::Sync { started, took, outcome, counts, by }
    }
}

prop_compose! {
    fn act()(
        (at, actor, optional) in (moment(), text(), optional()),
        action in select(vec!["auth.login", "terminal.connect", "sync.run", "operation.run"]),
        result in select(vec!["ok", "FORBIDDEN", "INVALID_CREDENTIALS"]),
        detail in option::of(select(vec![
            json!({}), json!({ "a": 1 }), json!({ "z": [null, "é"], "a": "' --" }),
        ])),
    ) -> What {
        What::Act(Act { at, actor, optional, action, result, detail })
    }
}

/// Up to that many things of these sorts, numbered from `first`.
pub(super) fn things(
    sorts: &[Sort],
    first: i64,
    most: usize,
) -> impl Strategy<Value = Vec<Thing>> + use<> {
    let one = select(sorts.to_vec()).prop_flat_map(|sort| match sort {
        Sort::Machine => machine().boxed(),
        Sort::Operation => operation().prop_map(What::Operation).boxed(),
        Sort::Script => script().boxed(),
        Sort::Sync => sync().boxed(),
        Sort::Act => act().boxed(),
        Sort::Workspace => workspace().prop_map(|one| What::Workspace(Box::new(one))).boxed(),
    });
    vec(one, 0..most).prop_map(move |whats| {
        (first..).zip(whats).map(|(number, what)| Thing { number, what }).collect()
    })
}

/// Empties the database.
pub(super) fn clear(store: &Store) {
    let all = "DELETE FROM machines; DELETE FROM operations; DELETE FROM scripts;
               DELETE FROM git_sync_history; DELETE FROM audit_log; DELETE FROM terminal_workspaces;";
    store.write(|tx| Ok(tx.execute_batch(all)?)).unwrap();
}

pub(super) fn list(texts: &[String]) -> String {
    Value::from(texts.to_vec()).to_string()
}

impl Thing {
    /// Puts it into the database.
    pub(super) fn add(&self, store: &Store) {
        let add = |tx: &Transaction<'_>| match &self.what {
            What::Machine(one) => one.add(tx, &self.name()),
            What::Operation(one) => one.add(tx, self.number),
            What::Script { texts: [name, description, path], emoji, lists, takes } => tx.execute(
                "INSERT INTO scripts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    self.name(),
                    name,
                    emoji,
                    description,
                    path,
                    list(&lists[0]),
                    takes,
                    list(&lists[1])
                ],
            ),
            What::Sync { started, took, outcome, counts, by } => tx.execute(
                "INSERT INTO git_sync_history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    self.number,
                    started,
                    started + took,
                    outcome.is_ok(),
                    outcome.as_ref().ok(),
                    counts.map(|one| one.0),
                    counts.map(|one| one.1),
                    outcome.as_ref().err(),
                    by
                ],
            ),
            What::Act(one) => one.add(tx, self.number),
            What::Workspace(one) => one.add(tx, &self.workspace()),
        };
        store.write(|tx| Ok(add(tx)?)).unwrap();
    }

    /// Takes it out.
    pub(super) fn remove(&self, store: &Store) {
        let (table, id): (_, Value) = match &self.what {
            What::Machine(_) => ("machines", self.name().into()),
            What::Operation(_) => ("operations", self.number.into()),
            What::Script { .. } => ("scripts", self.name().into()),
            What::Sync { .. } => ("git_sync_history", self.number.into()),
            What::Act(_) => ("audit_log", self.number.into()),
            What::Workspace(_) => ("terminal_workspaces", self.workspace().into()),
        };
        let sql = format!("DELETE FROM {table} WHERE id = ?1");
        let id = id
            .as_str()
            .map_or_else(|| rusqlite::types::Value::from(self.number), |id| id.to_owned().into());
        assert_eq!(store.write(|tx| Ok(tx.execute(&sql, [id])?)).unwrap(), 1);
    }

    /// The id of what has a name for one; `m-9` comes after `m-10` there.
    fn name(&self) -> String {
        format!("m-{}", self.number)
    }

    fn workspace(&self) -> String {
        format!("WS-{}", self.number)
    }

    /// What the table must show of it.
    fn rows(&self, table: &str) -> Vec<Row> {
        match (table, &self.what) {
            ("tbl_terminal_panes", What::Workspace(one)) => one.panes(&self.workspace()),
            _ => self.row(table).into_iter().collect(),
        }
    }

    /// How the table must show it, if at all.
    fn row(&self, table: &str) -> Option<Row> {
        let number = self.number;
        match (table, &self.what) {
            ("tbl_links" | "tbl_link_health", What::Machine(one)) => {
                Some(Row::new(one.row(&self.name()), [json!(self.name())]))
            }
            ("tbl_operations" | "tbl_operations_history", What::Operation(one)) => {
                (one.is_finished() == (table == "tbl_operations_history"))
                    .then(|| Row::new(one.row(number), [json!(number)]))
            }
            (
                "tbl_scripts",
                What::Script { texts: [name, description, path], emoji, lists, takes },
            ) => {
                let shown = json!({
                    "id": self.name(), "name": name, "emoji": emoji, "description": description,
                    "path": path, "flags": lists[0], "estimatedDuration": takes, "tags": lists[1],
                });
                Some(Row::new(shown, [json!(self.name())]))
            }
            ("tbl_git_sync_history", What::Sync { started, took, outcome, counts, .. }) => {
                let shown = json!({
                    "id": number, "started": started, "ended": started + took, "duration": took,
                    "status": if outcome.is_ok() { "success" } else { "failed" },
                    "commitHash": outcome.as_ref().ok(), "links": counts.map(|one| one.0),
                    "scripts": counts.map(|one| one.1), "error": outcome.as_ref().err(),
                });
                Some(Row::new(shown, [json!(number)]))
            }
            ("tbl_audit", What::Act(one)) => {
                let shown = json!({
                    "id": number, "time": one.at, "actor": one.actor, "address": one.optional[0],
                    "requestId": one.optional[1], "action": one.action, "target": one.optional[2],
                    "result": one.result, "detail": one.detail,
                });
                Some(Row::new(shown, [json!(number)]))
            }
            ("tbl_terminal_sessions", What::Workspace(one)) => Some(one.row(&self.workspace())),
            ("tbl_recent_activity", _) => self.activity(),
            _ => None,
        }
    }

    fn activity(&self) -> Option<Row> {
        let (source, time, kind, actor, subject, status) = match &self.what {
            What::Operation(one) => {
                let subject = Some(format!("OP-{}", self.number));
                let (created, by, status) = one.submission();
                (1, created, "operation", by, subject, status)
            }
            What::Act(Act { at, actor, optional, action: "terminal.connect", result, .. }) => {
                let status = if *result == "ok" { "success" } else { "failed" };
                (2, *at, "terminal", &actor[..], optional[2].clone(), status)
            }
            What::Sync { started, outcome, by, .. } => {
                let status = if outcome.is_ok() { "success" } else { "failed" };
                (3, *started, "sync", &by[..], outcome.clone().ok(), status)
            }
            What::Act(Act { at, actor, optional, action: "auth.login", result: "ok", .. }) => {
                let subject = optional[2].clone().or(Some(actor.clone()));
                (4, *at, "login", &actor[..], subject, "success")
            }
            _ => return None,
        };
        let shown = json!({
            "time": time, "kind": kind, "actor": actor, "subject": subject, "status": status,
        });
        Some(Row::new(shown, [json!(source), json!(self.number)]))
    }

    /// Adds a machine to the counts of its type.
    fn count(&self, counts: &mut Map<String, Value>) {
        let What::Machine(one) = &self.what else { return };
        let counts = counts[one.kind].as_object_mut().unwrap();
        let mut add = |name: &str, yes: bool| {
            counts[name] = json!(counts[name].as_i64().unwrap() + i64::from(yes));
        };
        add("total", true);
        add("enrolled", one.enrolled);
        add("reachable", one.status == "online");
    }
}

/// The table's rows, in no order.
pub(super) fn rows(table: &str, things: &[Thing]) -> Vec<Row> {
    if table != "tbl_infrastructure" {
        return things.iter().flat_map(|thing| thing.rows(table)).collect();
    }
    let mut counts = Map::new();
    for kind in ["VPS", "Proxmox", "VM"] {
        let none = json!({ "type": kind, "total": 0, "enrolled": 0, "reachable": 0 });
        counts.insert(kind.to_owned(), none);
    }
    things.iter().for_each(|thing| thing.count(&mut counts));
    counts.into_iter().map(|(kind, shown)| Row::new(shown, [json!(kind)])).collect()
}

impl Machine {
    fn add(&self, tx: &Transaction<'_>, id: &str) -> rusqlite::Result<usize> {
        let [name, host, user] = &self.texts;
        let [provider, icon, key_ref] = &self.optional;
        tx.execute(
            "INSERT INTO machines (id, type, provider, icon, name, tags, host, port, user, key_ref,
                 proxy_jump, enrollment_id, enrollment_path, enrollment_required, metadata,
                 enrolled, client_id_matches, status, latency, last_seen)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, '/x', 1, '{}', ?13, ?13,
                 ?14, ?15, ?16)",
            params![
                id,
                self.kind,
                provider,
                icon,
                name,
                list(&self.tags),
                host,
                self.port,
                user,
                key_ref,
                self.jump.then_some(id),
                format!("LINKOPS-{id}"),
                self.enrolled,
                self.status,
                self.latency,
                self.seen
            ],
        )
    }

    fn row(&self, id: &str) -> Value {
        let [name, host, user] = &self.texts;
        let [provider, icon, key_ref] = &self.optional;
        json!({
            "id": id, "name": name, "type": self.kind, "provider": provider, "icon": icon,
            "tags": self.tags, "enrolled": self.enrolled, "enrollmentId": format!("LINKOPS-{id}"),
            "host": host, "port": self.port, "user": user, "keyRef": key_ref,
            "proxyJump": self.jump.then_some(id), "ssh": self.status == "online",
            "latency": self.latency, "lastSeen": self.seen, "status": self.status,
        })
    }
}

impl Act {
    fn add(&self, tx: &Transaction<'_>, id: i64) -> rusqlite::Result<usize> {
        let [address, request, target] = &self.optional;
        tx.execute(
            "INSERT INTO audit_log VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, zeroblob(32),
                 zeroblob(32))",
            params![
                id,
                self.at,
                self.actor,
                address,
                request,
                self.action,
                target,
                self.result,
                self.detail.as_ref().map(Value::to_string)
            ],
        )
    }
}
