//! The inventory's SQL: machines, scripts and the history of syncs.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

use super::{
    Changes, Difference, Enrollment, EnrollmentCheck, Filter, Health, Inventory, Kind, Machine,
    Script, Sort, Status,
};
use crate::error::{Error, Noun, Result};

/// The columns a list can be sorted by: wire name and SQL. Nothing else reaches ORDER BY.
pub(super) const SORT_COLUMNS: [(&str, &str); 19] = [
    ("id", "id"),
    ("name", "name"),
    ("type", "type"),
    ("provider", "provider"),
    ("icon", "icon"),
    ("host", "host"),
    ("port", "port"),
    ("user", "user"),
    ("keyRef", "key_ref"),
    ("proxyJump", "proxy_jump"),
    ("enrolled", "enrolled"),
    ("enrollmentId", "enrollment_id"),
    ("enrollmentRequired", "enrollment_required"),
    ("enrollmentVerifiedAt", "verified_at"),
    ("status", "status"),
    ("reachable", "(status = 'online')"),
    ("ssh", "(status = 'online')"), // the name of the same in the tables
    ("latency", "latency"),
    ("lastSeen", "last_seen"),
];

/// Why a machine that a sync changed is no longer enrolled.
const CHANGED: &str = "changed by a sync, verify again";

/// How many syncs are remembered beside the last successful one: three months at the default pace.
const HISTORY: u32 = 10_000;

/// A finished sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRecord {
    /// When it began, in milliseconds since the epoch.
    pub started_at: i64,
    /// When it ended.
    pub ended_at: i64,
    /// Who asked for it.
    pub triggered_by: String,
    /// What came of it.
    pub result: std::result::Result<Synced, String>,
}

/// What a successful sync brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The commit that the database now equals.
    pub commit: String,
    /// How many machines it has.
    pub links: u32,
    /// How many scripts it has.
    pub scripts: u32,
}

/// Makes the database equal to the files, all at once. What checks found stays, unless the sync
/// changes what was checked: a machine under another address must prove itself again.
pub fn replace(tx: &Transaction<'_>, new: &Inventory) -> Result<Changes> {
    let old = machines(tx, &Filter::default(), Sort::default())?;
    let links = difference(&old, &new.machines, |one| &one.id, same_definition);
    for id in &links.removed {
        tx.prepare_cached("DELETE FROM machines WHERE id = ?1")?.execute([id])?;
    }
    let old: BTreeMap<_, _> = old.iter().map(|one| (one.id.as_str(), one)).collect();
    for machine in &new.machines {
        match old.get(machine.id.as_str()) {
            Some(old) if same_definition(old, machine) => {}
            Some(old) => put_machine(tx, &with_results_of(machine, old))?,
            None => put_machine(tx, machine)?,
        }
    }
    let old = scripts(tx)?;
    let scripts = difference(&old, &new.scripts, |one| &one.id, PartialEq::eq);
    tx.execute("DELETE FROM scripts", [])?;
    new.scripts.iter().try_for_each(|one| put_script(tx, one))?;
    Ok(Changes { links, scripts })
}

fn difference<T>(
    old: &[T],
    new: &[T],
    id: impl Fn(&T) -> &String,
    same: impl Fn(&T, &T) -> bool,
) -> Difference {
    let before: BTreeMap<_, _> = old.iter().map(|one| (id(one), one)).collect();
    let after: BTreeMap<_, _> = new.iter().map(|one| (id(one), one)).collect();
    let names = |list: Vec<&&String>| list.into_iter().map(|one| (*one).clone()).collect();
    Difference {
        added: names(after.keys().filter(|one| !before.contains_key(**one)).collect()),
        changed: after
            .iter()
            .filter(|(one, new)| before.get(**one).is_some_and(|old| !same(old, new)))
            .map(|(one, _)| (*one).clone())
            .collect(),
        removed: names(before.keys().filter(|one| !after.contains_key(**one)).collect()),
    }
}

fn same_definition(a: &Machine, b: &Machine) -> bool {
    let mut b = b.clone();
    b.health = a.health;
    b.enrollment = Enrollment {
        id: b.enrollment.id,
        path: b.enrollment.path,
        required: b.enrollment.required,
        ..a.enrollment.clone()
    };
    *a == b
}

/// The new definition with the old results, as far as they still say something.
fn with_results_of(new: &Machine, old: &Machine) -> Machine {
    let mut machine = new.clone();
    if new.same_address(old) {
        machine.health = old.health;
    }
    let Enrollment { id, path, required, .. } = new.enrollment.clone();
    machine.enrollment = if new.same_identity(old) {
        Enrollment { id, path, required, ..old.enrollment.clone() }
    } else {
        Enrollment { error: Some(CHANGED.to_owned()), ..new.enrollment.clone() }
    };
    machine
}

fn put_machine(tx: &Transaction<'_>, machine: &Machine) -> Result<()> {
    let Enrollment { id, path, required, enrolled, found, matches, error, verified_at } =
        &machine.enrollment;
    let Health { status, latency, last_seen } = &machine.health;
    // Not INSERT OR REPLACE: it would delete the row first, and with it what refers to it.
    tx.prepare_cached(
        "INSERT INTO machines (id, type, provider, icon, name, tags, host, port, user, key_ref,
             proxy_jump, enrollment_id, enrollment_path, enrollment_required, metadata,
             enrolled, client_id_found, client_id_matches, enrollment_error, verified_at,
             status, latency, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
             ?19, ?20, ?21, ?22, ?23)
         ON CONFLICT (id) DO UPDATE SET
             type = ?2, provider = ?3, icon = ?4, name = ?5, tags = ?6, host = ?7, port = ?8,
             user = ?9, key_ref = ?10, proxy_jump = ?11, enrollment_id = ?12,
             enrollment_path = ?13, enrollment_required = ?14, metadata = ?15, enrolled = ?16,
             client_id_found = ?17, client_id_matches = ?18, enrollment_error = ?19,
             verified_at = ?20, status = ?21, latency = ?22, last_seen = ?23",
    )?
    .execute(params![
        machine.id,
        machine.kind.as_str(),
        machine.provider,
        machine.icon,
        machine.name,
        json(&machine.tags),
        machine.host,
        machine.port,
        machine.user,
        machine.key_ref,
        machine.proxy_jump,
        id,
        path,
        required,
        machine.metadata.to_string(),
        enrolled,
        found,
        matches,
        error,
        verified_at,
        status.as_str(),
        latency,
        last_seen,
    ])?;
    Ok(())
}

fn put_script(tx: &Transaction<'_>, script: &Script) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO scripts (id, name, emoji, description, path, flags, estimated_duration, tags)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        script.id,
        script.name,
        script.emoji,
        script.description,
        script.path,
        json(&script.flags),
        script.estimated_duration,
        json(&script.tags),
    ])?;
    Ok(())
}

/// The machines that `filter` lets through, in the order of `sort`.
pub fn machines(connection: &Connection, filter: &Filter, sort: Sort) -> Result<Vec<Machine>> {
    let mut conditions = vec!["1"];
    let mut values: Vec<Value> = Vec::new();
    if let Some(kind) = filter.kind {
        conditions.push("type = ?");
        values.push(kind.as_str().to_owned().into());
    }
    if let Some(status) = filter.status {
        conditions.push("status = ?");
        values.push(status.as_str().to_owned().into());
    }
    if let Some(enrolled) = filter.enrolled {
        conditions.push("enrolled = ?");
        values.push(enrolled.into());
    }
    if let Some(tag) = &filter.tag {
        conditions.push("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)");
        values.push(tag.clone().into());
    }
    let Sort { column, descending } = sort;
    let dir = if descending { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT * FROM machines WHERE {} ORDER BY {column} IS NULL, {column} {dir}, id",
        conditions.join(" AND ")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_and_then(params_from_iter(values), read_machine)?;
    rows.collect()
}

/// The machine with that id.
///
/// # Errors
/// There is none.
pub fn machine(connection: &Connection, id: &str) -> Result<Machine> {
    connection
        .prepare_cached("SELECT * FROM machines WHERE id = ?1")?
        .query_and_then([id], read_machine)?
        .next()
        .unwrap_or_else(|| Err(Error::not_found(Noun::Link, id)))
}

/// The machines that a connection goes through, from the first hop to the machine itself.
///
/// # Errors
/// There is no such machine.
pub fn chain(connection: &Connection, id: &str) -> Result<Vec<Machine>> {
    chain_to(connection, machine(connection, id)?)
}

/// The same for a machine that may not be where the inventory has it.
///
/// # Errors
/// A jump host is not in the inventory.
pub fn chain_to(connection: &Connection, last: Machine) -> Result<Vec<Machine>> {
    let id = last.id.clone();
    let mut chain = vec![last];
    while let Some(jump) = chain.last().and_then(|one| one.proxy_jump.clone()) {
        if chain.iter().any(|one| one.id == jump) {
            // The parser lets no circle through; without this a damaged database would hang us.
            return Err(Error::Internal(format!("the jumps of {id:?} go in a circle")));
        }
        chain.push(machine(connection, &jump)?);
    }
    chain.reverse();
    Ok(chain)
}

/// The catalogue, ordered by id.
pub fn scripts(connection: &Connection) -> Result<Vec<Script>> {
    let mut statement = connection.prepare_cached("SELECT * FROM scripts ORDER BY id")?;
    let rows = statement.query_and_then([], read_script)?;
    rows.collect()
}

/// The script with that id.
///
/// # Errors
/// There is none.
pub fn script(connection: &Connection, id: &str) -> Result<Script> {
    connection
        .prepare_cached("SELECT * FROM scripts WHERE id = ?1")?
        .query_and_then([id], read_script)?
        .next()
        .unwrap_or_else(|| Err(Error::not_found(Noun::Script, id)))
}

/// Stores what a check of the client id found, unless the inventory has changed since `checked`
/// was read: a result of the old machine says nothing about the new one. True when stored.
pub fn record_enrollment(
    tx: &Transaction<'_>,
    checked: &Machine,
    check: &EnrollmentCheck,
) -> Result<bool> {
    if !current(tx, checked)?.is_some_and(|one| one.same_identity(checked)) {
        return Ok(false);
    }
    tx.prepare_cached(
        "UPDATE machines SET enrolled = ?2, client_id_found = ?3, client_id_matches = ?4,
             enrollment_error = ?5, verified_at = ?6 WHERE id = ?1",
    )?
    .execute(params![
        checked.id,
        check.found && check.matches,
        check.found,
        check.found && check.matches,
        check.error,
        check.at
    ])?;
    Ok(true)
}

/// Stores what a health check found: the latency in milliseconds, or none when the machine did
/// not answer. The time of the last answer stays. False when the address has changed since
/// `checked` was read, and nothing is stored.
pub fn record_health(
    tx: &Transaction<'_>,
    checked: &Machine,
    latency: Option<u32>,
    at: i64,
) -> Result<bool> {
    if !current(tx, checked)?.is_some_and(|one| one.same_address(checked)) {
        return Ok(false);
    }
    let status = if latency.is_some() { Status::Online } else { Status::Offline };
    tx.prepare_cached(
        "UPDATE machines SET status = ?2, latency = ?3, last_seen = coalesce(?4, last_seen)
         WHERE id = ?1",
    )?
    .execute(params![checked.id, status.as_str(), latency, latency.map(|_| at)])?;
    Ok(true)
}

fn current(connection: &Connection, checked: &Machine) -> Result<Option<Machine>> {
    match machine(connection, &checked.id) {
        Ok(machine) => Ok(Some(machine)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Remembers a sync, and forgets those of long ago.
pub fn insert_sync(tx: &Transaction<'_>, sync: &SyncRecord) -> Result<()> {
    let (good, error) = match &sync.result {
        Ok(synced) => (Some(synced), None),
        Err(error) => (None, Some(error)),
    };
    tx.prepare_cached(
        "INSERT INTO git_sync_history
             (started_at, ended_at, success, commit_hash, links, scripts, error, triggered_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        sync.started_at,
        sync.ended_at,
        good.is_some(),
        good.map(|one| &one.commit),
        good.map(|one| one.links),
        good.map(|one| one.scripts),
        error,
        sync.triggered_by
    ])?;
    tx.prepare_cached(
        "DELETE FROM git_sync_history
         WHERE id <= (SELECT max(id) FROM git_sync_history) - ?1
           AND id IS NOT (SELECT max(id) FROM git_sync_history WHERE success = 1)",
    )?
    .execute([HISTORY])?;
    Ok(())
}

/// The last `limit` syncs, newest first.
pub fn syncs(connection: &Connection, limit: u32) -> Result<Vec<SyncRecord>> {
    let mut statement =
        connection.prepare_cached("SELECT * FROM git_sync_history ORDER BY id DESC LIMIT ?1")?;
    let rows = statement.query_map([limit], read_sync)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The last successful sync: the commit that the tables and the scripts' texts are of.
pub fn last_success(connection: &Connection) -> Result<Option<(Synced, i64)>> {
    let row = connection
        .prepare_cached(
            "SELECT * FROM git_sync_history WHERE success = 1 ORDER BY id DESC LIMIT 1",
        )?
        .query_row([], read_sync)
        .optional()?;
    Ok(row.and_then(|one| one.result.ok().map(|synced| (synced, one.ended_at))))
}

/// The commit of the last successful sync that brought another one.
pub(super) fn commit_before(connection: &Connection, commit: &str) -> Result<Option<String>> {
    let before = connection
        .prepare_cached(
            "SELECT commit_hash FROM git_sync_history WHERE success = 1 AND commit_hash <> ?1
             ORDER BY id DESC LIMIT 1",
        )?
        .query_row([commit], |row| row.get(0))
        .optional()?;
    Ok(before)
}

fn read_machine(row: &Row<'_>) -> Result<Machine> {
    Ok(Machine {
        id: row.get("id")?,
        name: row.get("name")?,
        kind: Kind::named("type", &row.get::<_, String>("type")?)?,
        provider: row.get("provider")?,
        icon: row.get("icon")?,
        tags: list(row, "tags")?,
        host: row.get("host")?,
        port: row.get("port")?,
        user: row.get("user")?,
        key_ref: row.get("key_ref")?,
        proxy_jump: row.get("proxy_jump")?,
        enrollment: Enrollment {
            id: row.get("enrollment_id")?,
            path: row.get("enrollment_path")?,
            required: row.get("enrollment_required")?,
            enrolled: row.get("enrolled")?,
            found: row.get("client_id_found")?,
            matches: row.get("client_id_matches")?,
            error: row.get("enrollment_error")?,
            verified_at: row.get("verified_at")?,
        },
        health: Health {
            status: Status::named("status", &row.get::<_, String>("status")?)?,
            latency: row.get("latency")?,
            last_seen: row.get("last_seen")?,
        },
        metadata: from_json(&row.get::<_, String>("metadata")?)?,
    })
}

fn read_script(row: &Row<'_>) -> Result<Script> {
    Ok(Script {
        id: row.get("id")?,
        name: row.get("name")?,
        emoji: row.get("emoji")?,
        description: row.get("description")?,
        path: row.get("path")?,
        flags: list(row, "flags")?,
        estimated_duration: row.get("estimated_duration")?,
        tags: list(row, "tags")?,
    })
}

fn read_sync(row: &Row<'_>) -> rusqlite::Result<SyncRecord> {
    let result = match row.get::<_, Option<String>>("commit_hash")? {
        Some(commit) => {
            Ok(Synced { commit, links: row.get("links")?, scripts: row.get("scripts")? })
        }
        None => Err(row.get::<_, Option<String>>("error")?.unwrap_or_default()),
    };
    Ok(SyncRecord {
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        triggered_by: row.get("triggered_by")?,
        result,
    })
}

fn json(words: &[String]) -> String {
    serde_json::Value::from(words.to_vec()).to_string()
}

fn list(row: &Row<'_>, column: &str) -> Result<Vec<String>> {
    from_json(&row.get::<_, String>(column)?)
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Internal(format!("{text:?}: {error}")))
}
