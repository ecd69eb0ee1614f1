//! Submission: every check of a request, then the rows. Nothing is written unless all is right.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;

use super::store::{self, Text};
use super::waves::{self, Share, Wave};
use super::{Id, Operation, Settings, Status, Tally, Targets, needs_enrollment, targets};
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, Field, Result};
use crate::inventory::catalogue::{Catalogue, ScriptText};
use crate::inventory::{self, Filter, Machine, Sort};
use crate::ssh::program::nonce;
use crate::store::Store;

/// The most scripts of one operation.
const MAX_SCRIPTS: usize = 10;
/// The longest flag, in bytes.
const MAX_FLAG: usize = 4096;
/// The most flags of one script.
const MAX_FLAGS: usize = 100;

/// What somebody wants to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The scripts' ids, in the order in which they run on each target.
    pub scripts: Vec<String>,
    /// The machines.
    pub targets: Targets,
    /// Flags by script.
    pub flags: BTreeMap<String, Vec<String>>,
    /// Executions at a time; none for the configured default.
    pub concurrency: Option<usize>,
    /// Whether client ids are checked.
    pub require_enrollment: bool,
    /// Whether scripts run after an earlier one failed on the same target.
    pub keep_going: bool,
    /// The targets in parts, one after the other; none for all at once.
    pub waves: Option<Vec<Wave>>,
    /// How many targets may have failed at the end of a wave for the next one to begin.
    pub max_failures: Share,
    /// The operation that this one repeats in part.
    pub retry_of: Option<Id>,
}

/// Checks a request whole and writes it down as a queued operation.
pub(super) fn submit(
    db: &Store,
    catalogue: &Catalogue,
    settings: &Settings,
    request: Request,
    by: &Actor,
    now: i64,
) -> Result<Id> {
    shape(&request, settings)?;
    let machines: Vec<Machine> = db.read(|db| match &request.targets {
        Targets::Named(ids) => ids.iter().map(|id| inventory::store::machine(db, id)).collect(),
        Targets::Chosen(choice) => {
            let (filter, sort) = (Filter::default(), Sort::default()); // by id
            inventory::store::machines(db, &filter, sort).and_then(|all| choice.of(all))
        }
    })?;
    // Text, commit and declared flags of a script are read as one.
    let scripts = scripts(catalogue, &request.scripts)?;
    flags(&scripts, &request.flags)?;
    let waves = request.waves.as_ref().map(|waves| waves::resolve(waves, machines.len()));
    enrolled(&machines, settings, request.require_enrollment)?;
    let operation = Operation {
        id: Id(0),
        scripts: request.scripts,
        targets: machines.iter().map(|machine| machine.id.clone()).collect(),
        flags: request.flags,
        concurrency: request.concurrency.unwrap_or(settings.default_concurrency),
        keep_going: request.keep_going,
        check_ids: request.require_enrollment,
        status: Status::Queued,
        triggered_by: by.name.clone(),
        commit_hash: scripts[0].commit.clone(),
        waves: waves.transpose()?,
        max_failures: request.max_failures.at_most(machines.len()),
        retry_of: request.retry_of,
        created_at: now,
        started_at: None,
        ended_at: None,
        tally: Tally::default(),
    };
    let texts: Vec<Text> = scripts.into_iter().map(text).collect();
    let run_ids: Vec<String> = (0..operation.total()).map(|_| nonce()).collect();
    db.write(|tx| {
        let id = store::insert(tx, &operation, &texts, &run_ids)?;
        audit::store::record(tx, now, by, &started(&operation, &id.to_string()))?;
        Ok(id)
    })
}

/// The entry for the audit log. Flags are left out: they can be passwords.
fn started<'a>(operation: &Operation, id: &'a str) -> Entry<'a> {
    let mut detail = json!({
        "scripts": operation.scripts,
        "targets": operation.targets.len(),
        "commit": operation.commit_hash,
    });
    let Some(first) = operation.retry_of else {
        return Entry::done("operation.run", id).with(detail);
    };
    detail["retry_of"] = first.to_string().into();
    Entry::done("operation.retry", id).with(detail)
}

/// What can be seen without looking anything up; all problems at once.
fn shape(request: &Request, settings: &Settings) -> Result<()> {
    let ids = match &request.targets {
        Targets::Named(ids) if ids.is_empty() => {
            return Err(targets::none("name at least one link in \"targets\""));
        }
        Targets::Named(ids) => &ids[..],
        Targets::Chosen(_) => &[],
    };
    let mut fields = Vec::new();
    let mut wrong = |name: &str, message: String| {
        fields.push(Field { name: name.to_owned(), message });
    };
    if request.scripts.is_empty() || request.scripts.len() > MAX_SCRIPTS {
        let count = request.scripts.len();
        wrong("scripts", format!("from 1 to {MAX_SCRIPTS} scripts can be run, not {count}"));
    }
    for (name, ids) in [("scripts", &request.scripts[..]), ("targets", ids)] {
        let mut seen = HashSet::new();
        if let Some(twice) = ids.iter().find(|id| !seen.insert(*id)) {
            wrong(name, format!("{twice:?} is named twice"));
        }
    }
    let most = settings.max_concurrency;
    if request.concurrency.is_some_and(|number| number == 0 || number > most) {
        wrong("concurrency", format!("is a whole number from 1 to {most}"));
    }
    let never = [Share::Count(0), Share::Percent(0)];
    if request.waves.is_none() && !never.contains(&request.max_failures) {
        wrong("max_failures", "has a meaning only together with \"waves\"".to_owned());
    }
    if settings.enrollment_required && !request.require_enrollment {
        let hint = "the configuration demands enrolment\nleave the field out";
        wrong("require_enrollment", hint.to_owned());
    }
    for script in request.flags.keys().filter(|id| !request.scripts.contains(id)) {
        wrong("flags", format!("{script:?} is not one of the scripts"));
    }
    if fields.is_empty() { Ok(()) } else { Err(Error::Invalid(fields)) }
}

fn flags(scripts: &[ScriptText], flags: &BTreeMap<String, Vec<String>>) -> Result<()> {
    for ScriptText { script, .. } in scripts {
        let given = flags.get(&script.id).map_or(&[][..], Vec::as_slice);
        if given.len() > MAX_FLAGS {
            let text = format!("{:?} takes at most {MAX_FLAGS} flags", script.id);
            return Err(Error::invalid("flags", text));
        }
        if let Some(flag) = given.iter().find(|flag| !flag_accepted(&script.flags, flag)) {
            return Err(Error::Flag {
                script: script.id.clone(),
                flag: flag.clone(),
                declared: script.flags.clone(),
            });
        }
    }
    Ok(())
}

/// A flag is accepted when it is declared, or is `name=value` for a declared `name` or
/// `name=default`.
#[must_use]
fn flag_accepted(declared: &[String], flag: &str) -> bool {
    // An argument of a program ends at a NUL: the script would see something else.
    if flag.contains('\0') || flag.len() > MAX_FLAG {
        return false;
    }
    let name_of = |text: &str| text.split_once('=').map(|(name, _)| name.to_owned());
    declared.iter().any(|one| {
        let name = name_of(one).unwrap_or_else(|| one.clone());
        one == flag || name_of(flag).is_some_and(|given| given == name)
    })
}

/// All scripts, of one commit: a sync between two reads starts over.
fn scripts(catalogue: &Catalogue, ids: &[String]) -> Result<Vec<ScriptText>> {
    loop {
        let read: Result<Vec<_>> = ids.iter().map(|id| catalogue.script_text(id)).collect();
        let read = read?;
        if read.iter().all(|one| one.commit == read[0].commit) {
            return Ok(read);
        }
    }
}

fn text(one: ScriptText) -> Text {
    Text { script: one.script.id, sha256: one.sha256, text: one.text }
}

/// R5.1, P13: all targets must be enrolled; those that are not are listed together.
fn enrolled(machines: &[Machine], settings: &Settings, requested: bool) -> Result<()> {
    let missing: Vec<_> = machines
        .iter()
        .filter(|one| {
            needs_enrollment(settings.enrollment_required, requested, one.enrollment.required)
                && !one.enrollment.enrolled
        })
        .map(Machine::unenrolled)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::NotEnrolled(missing)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_accepted_as_declared() {
        let declared = ["--dry-run".to_owned(), "--level=3".to_owned(), "mode".to_owned()];
        for flag in [
            "--dry-run",
            "--level=3",
            "--level=9",
            "--level=",
            "mode=a b;$(c)",
            "mode",
            "--dry-run=yes",
        ] {
            assert!(flag_accepted(&declared, flag), "{flag:?}");
        }
        for flag in ["", "--level", "--other", "--dry", "=", "--level=\0", "mode =x"] {
            assert!(!flag_accepted(&declared, flag), "{flag:?}");
        }
        assert!(!flag_accepted(&[], "--any"));
    }
}
