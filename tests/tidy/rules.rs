//! The rules for one file, and for all of them together.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Named, Source};
use super::table::{
    EMPTY_NAMES, LAYERS, LONG_FUNCTIONS, LONGEST_FILE, LONGEST_FUNCTION, Layer, ONLY, Only, UNWRAPS,
};

/// What is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.text)
    }
}

/// Where the tables are, for messages about their lines.
const TABLE: &str = "tests/tidy/table.rs";

pub(super) fn problem(file: &str, line: usize, text: impl Into<String>) -> Problem {
    Problem { file: file.to_owned(), line, text: text.into() }
}

/// Everything that is wrong with a file of `src/` or `tests/`.
pub(super) fn check(source: &Source, crates: &[String]) -> Vec<Problem> {
    let mut problems = shape(source);
    problems.extend(functions(source));
    problems.extend(words(source));
    if source.file.starts_with("src/") {
        problems.extend(layers(source, crates));
        problems.extend(unwraps(source));
    }
    problems.extend(source.paths.iter().filter_map(|one| only_here(source, one)));
    problems
}

/// Name, first line, length.
fn shape(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let file = &source.file;
    if !source.lines.first().is_some_and(|line| line.starts_with("//! ")) {
        let text = "it does not say what it is; begin the file with a line `//! …`";
        problems.push(problem(file, 1, text));
    }
    let lines = source.lines.len();
    if lines > LONGEST_FILE {
        let text = format!("{lines} lines, more than {LONGEST_FILE}; split it by what it is about");
        problems.push(problem(file, LONGEST_FILE + 1, text));
    }
    let empty = |part: &&str| EMPTY_NAMES.contains(&part.trim_end_matches(".rs"));
    if let Some(part) = file.split('/').find(empty) {
        let text = format!("the name {part:?} says nothing; name it after what is inside");
        problems.push(problem(file, 1, text));
    }
    for (number, line) in (1..).zip(&source.code) {
        let module =
            line.split_once("mod ").filter(|(before, _)| !before.ends_with(char::is_alphanumeric));
        let name = module.map(|(_, name)| name.trim_end_matches([' ', '{', '}', ';']));
        if name.is_some_and(|name| EMPTY_NAMES.contains(&name)) {
            let text = "the module's name says nothing; name it after what is inside";
            problems.push(problem(file, number, text));
        }
    }
    problems
}

fn functions(source: &Source) -> Vec<Problem> {
    let excused = |name: &str| {
        LONG_FUNCTIONS.iter().any(|(file, one, _)| *file == source.file && *one == name)
    };
    let long = source.functions().into_iter().filter(|one| one.length > LONGEST_FUNCTION);
    long.filter(|one| !excused(&one.name))
        .map(|one| {
            let text = format!(
                "`{}` has {} lines, more than {LONGEST_FUNCTION}; split it, or give the reason \
                in LONG_FUNCTIONS of {TABLE}",
                one.name, one.length
            );
            problem(&source.file, one.line, text)
        })
        .collect()
}

/// Words that have no place in the code, wherever they stand.
fn words(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut forbid = |word: &str, text: &str| {
        let lines = source.lines_with(word).into_iter();
        problems.extend(lines.map(|line| problem(&source.file, line, text)));
    };
    forbid("#[ignore", "a test that does not run proves nothing; repair or remove it");
    forbid("sleep(", "nobody sleeps; wait for what must come, with a deadline");
    if source.file.starts_with("src/") {
        let text = "a warning is silenced for ever; use #[expect(…, reason = \"…\")]";
        forbid("#[allow(", text);
        forbid("#![allow(", text);
    }
    problems
}

fn unwraps(source: &Source) -> Vec<Problem> {
    if UNWRAPS.iter().any(|(file, _)| *file == source.file) {
        return Vec::new();
    }
    let mut lines: Vec<usize> = [".unwrap()", ".expect(", "panic!(", "unreachable!("]
        .iter()
        .flat_map(|word| source.lines_with(word))
        .filter(|line| !source.is_test(*line))
        .collect();
    lines.dedup();
    let text = format!(
        "it ends the thread when it fails; return an Error, or give the reason in UNWRAPS of \
        {TABLE}"
    );
    lines.into_iter().map(|line| problem(&source.file, line, text.as_str())).collect()
}

/// What a file uses beyond its own module: modules of ours and crates of others.
fn uses(source: &Source, crates: &[String]) -> Vec<(String, bool, usize)> {
    let module = source.module();
    let own = module.get(1).copied().unwrap_or_default();
    let mut uses = Vec::new();
    for Named { path, line } in &source.paths {
        let mut parts = path.split("::");
        let first = parts.next().unwrap_or_default();
        let second = parts.next().unwrap_or_default().trim_end_matches('!');
        if source.is_test(*line) {
            continue;
        }
        if first == "crate" && second != own && LAYERS.iter().any(|one| one.module == second) {
            uses.push((second.to_owned(), true, *line));
        } else if crates.iter().any(|one| one == first) && path.contains("::") {
            uses.push((first.to_owned(), false, *line));
        }
    }
    uses
}

fn layers(source: &Source, crates: &[String]) -> Vec<Problem> {
    let module = source.module();
    let Some(own) = module.get(1).copied() else { return main(source) };
    let Some(Layer { ours, crates: theirs, .. }) = LAYERS.iter().find(|one| one.module == own)
    else {
        let text = format!(
            "`{own}` has no line in LAYERS of {TABLE}; add one that says what it may use, and \
            describe it in docs/architecture.md"
        );
        return vec![problem(&source.file, 1, text)];
    };
    let mut problems = Vec::new();
    for (used, is_ours, line) in uses(source, crates) {
        let allowed = if is_ours { ours } else { theirs };
        if allowed.contains(&used.as_str()) {
            continue;
        }
        let what = if is_ours { "the module" } else { "the crate" };
        let text = format!(
            "`{own}` may not use {what} `{used}`; move the code to where `{used}` is known, or \
            argue for a change of LAYERS in {TABLE}"
        );
        problems.push(problem(&source.file, line, text));
    }
    problems
}

/// The program is `cli` and nothing else.
fn main(source: &Source) -> Vec<Problem> {
    let other =
        |one: &&Named| is_below(&one.path, "linkops") && !is_below(&one.path, "linkops::cli");
    let text = "the program may use `linkops::cli` alone; what it does stands there";
    let paths = source.paths.iter().filter(other);
    paths.map(|one| problem(&source.file, one.line, text)).collect()
}

/// A name of [`ONLY`] outside of its files.
fn only_here(source: &Source, named: &Named) -> Option<Problem> {
    let Only { name, files, because } = ONLY.iter().find(|one| is_below(&named.path, one.name))?;
    // Macros that are used nowhere are so in tests as well, which may print, though.
    let everywhere = files.is_empty() && name.ends_with('!') && *name != "println!";
    if (source.is_test(named.line) && !everywhere) || is_in(&source.file, files) {
        return None;
    }
    let where_to = match files {
        [] => "nowhere".to_owned(),
        files => format!("only in {}", files.join(", ")),
    };
    let text = format!("`{name}` may be used {where_to}: {because} (ONLY of {TABLE})");
    Some(problem(&source.file, named.line, text))
}

fn is_below(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn is_in(file: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| {
        let (wanted, found): (Vec<_>, Vec<_>) =
            (pattern.split('/').collect(), file.split('/').collect());
        let whole = pattern.ends_with('/') || wanted.len() == found.len();
        whole && wanted.iter().zip(&found).all(|(want, have)| ["*", "", have].contains(want))
    })
}

/// Lines of the tables that nothing needs any more, and the order of the layers.
pub(super) fn tables(sources: &[Source], crates: &[String]) -> Vec<Problem> {
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        if let Some(own) = source.module().get(1) {
            let uses = uses(source, crates).into_iter().map(|(name, _, _)| name);
            used.entry(own).or_default().extend(uses);
        }
    }
    let mut texts = circles(LAYERS);
    for Layer { module, ours, crates } in LAYERS {
        let Some(used) = used.get(module) else {
            texts.push(format!(
                "there is no module `{module}` any more; take its line out of LAYERS"
            ));
            continue;
        };
        for name in ours.iter().chain(*crates).filter(|name| !used.contains(**name)) {
            texts.push(format!("`{module}` does not use `{name}` any more; take it out of LAYERS"));
        }
    }
    for Only { name, files, .. } in ONLY {
        let knows = |source: &Source| {
            let mut paths = source.paths.iter();
            paths.any(|one| is_below(&one.path, name) && !source.is_test(one.line))
        };
        let used: Vec<_> = sources.iter().filter(|one| knows(one)).collect();
        for pattern in files.iter() {
            if !used.iter().any(|one| is_in(&one.file, &[pattern])) {
                texts.push(format!(
                    "`{name}` is not used in {pattern} any more; take it out of ONLY"
                ));
            }
        }
    }
    for (file, name, _) in LONG_FUNCTIONS {
        let functions = sources.iter().find(|one| one.file == *file).map(Source::functions);
        let long =
            |one: &super::source::Function| one.name == *name && one.length > LONGEST_FUNCTION;
        if !functions.unwrap_or_default().iter().any(long) {
            texts.push(format!(
                "`{name}` of {file} is not long any more; take it out of LONG_FUNCTIONS"
            ));
        }
    }
    texts.into_iter().map(|text| problem(TABLE, 1, text)).collect()
}

/// Lines that name one which is not above them.
pub(super) fn circles(layers: &[Layer]) -> Vec<String> {
    let mut texts = Vec::new();
    for (number, Layer { module, ours, .. }) in layers.iter().enumerate() {
        let above = |name: &&str| layers[..number].iter().any(|one| one.module == *name);
        for name in ours.iter().filter(|name| !above(name)) {
            texts.push(format!(
                "`{module}` may use `{name}`, which is not above it: that is a circle or a \
                 wrong name; reorder LAYERS"
            ));
        }
    }
    texts
}
