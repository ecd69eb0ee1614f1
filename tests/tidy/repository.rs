//! The rules for what is not one Rust file: migrations, dependencies, texts, and pages that must
//! not fall behind the code.

use super::rules::{Problem, problem};
use super::source::Source;
use super::table::{LAYERS, LONGEST_FILE, NO_MACHINE_PATHS};

/// Each file of `sql/` is a step, and the steps stand in the order of their names.
pub(super) fn migrations(files: &[String], steps: &str) -> Vec<Problem> {
    let place = |file: &String| steps.find(&format!("include_str!(\"../../{file}\")"));
    let mut problems = Vec::new();
    let mut last = None;
    for file in files {
        let text = match place(file) {
            None => "it is not embedded; add it to STEPS of src/store/migrations.rs",
            at if at < last => "it is embedded out of order; a step never changes its place",
            at => {
                last = at;
                continue;
            }
        };
        problems.push(problem(file, 1, text));
    }
    problems
}

/// The crates of a manifest, with the lines where they stand.
pub(super) fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut section = "";
    let mut found = Vec::new();
    for (number, line) in (1..).zip(manifest.lines()) {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        } else if section.ends_with("dependencies")
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once('=')
        {
            found.push((number, name.trim().to_owned()));
        }
    }
    found
}

/// Each crate has a line in docs/dependencies.md, which names it in back quotes.
pub(super) fn reasons(manifest: &str, page: Option<&str>) -> Vec<Problem> {
    let Some(page) = page else { return Vec::new() };
    let missing = |(_, name): &(usize, String)| !page.contains(&format!("`{name}`"));
    dependencies(manifest)
        .into_iter()
        .filter(missing)
        .map(|(line, name)| {
            let text = format!(
                "`{name}` has no line in docs/dependencies.md; say there why it \
            is needed and what it brings into the tree"
            );
            problem("Cargo.toml", line, text)
        })
        .collect()
}

/// Everything that is not ours is from crates.io.
pub(super) fn origins(lock: &str) -> Vec<Problem> {
    const ORIGIN: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    let strange = |(_, line): &(usize, &str)| line.starts_with("source = ") && *line != ORIGIN;
    (1..)
        .zip(lock.lines())
        .filter(strange)
        .map(|(number, _)| {
            problem("Cargo.lock", number, "it is not from crates.io; auditors look there")
        })
        .collect()
}

/// A file of the console: what it is, its length, and nothing that makes markup or code of a text.
pub(super) fn console(file: &str, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let says = ["// ", "/* ", "//! ", "#!", "<"];
    let silent = |line: &str| !says.iter().any(|start| line.starts_with(start));
    if text.lines().next().is_none_or(silent) {
        let text = "it does not say what it is; begin the file with a comment";
        problems.push(problem(file, 1, text));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        let text = format!("{lines} lines, more than {LONGEST_FILE}; split it by what it is about");
        problems.push(problem(file, LONGEST_FILE + 1, text));
    }
    let words =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=\""];
    for (number, line) in (1..).zip(text.lines()) {
        for word in words.iter().filter(|word| line.contains(**word)) {
            let text =
                format!("`{word}` makes markup or code of a text; use h() of web/core/dom.js");
            problems.push(problem(file, number, text));
        }
    }
    problems
}

/// The path of a checkout or of a home directory is true on one machine only.
pub(super) fn machine_paths(file: &str, text: &str) -> Vec<Problem> {
    // Put together here, so that this file does not hold them.
    let paths = ["home", "root", "Users", "work"].map(|one| format!("/{one}/"));
    if NO_MACHINE_PATHS.iter().any(|(one, _)| *one == file) {
        return Vec::new();
    }
    let found = |line: &str| paths.iter().any(|path| starts_somewhere(line, path));
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| found(line))
        .map(|(number, _)| {
            problem(
                file,
                number,
                "it names a path of somebody's machine; use one that is true everywhere",
            )
        })
        .collect()
}

/// Whether an absolute path begins with `path` in the line.
fn starts_somewhere(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|one| !(one.is_alphanumeric() || "._-~$}/".contains(one)))
    })
}

/// Each module has its place on the map.
pub(super) fn modules_described(page: &str) -> Vec<Problem> {
    let missing = |name: &&str| !page.contains(&format!("`{name}"));
    LAYERS
        .iter()
        .map(|one| one.module)
        .filter(missing)
        .map(|name| {
            problem(
                "docs/architecture.md",
                1,
                format!("it does not name `{name}`; give it a line on the map"),
            )
        })
        .collect()
}

/// Each thread has its line on the page of threads. A name is what stands in the call of `spawn`.
pub(super) fn threads_described(sources: &[Source], page: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in sources {
        for line in source.lines_with("spawn(").into_iter().filter(|line| !source.is_test(*line)) {
            let raw = &source.lines[line - 1];
            let Some((_, call)) = raw.split_once("spawn(") else { continue };
            let Some(name) = call.split('"').nth(1) else { continue };
            let name = name.split('{').next().unwrap_or_default();
            if !page.contains(&format!("`{name}")) {
                let text = format!(
                    "the thread `{name}…` is not in docs/threads.md; say there who starts it, \
                    what it owns, what it waits on and how it stops"
                );
                problems.push(problem(&source.file, line, text));
            }
        }
    }
    problems
}

/// Each call of the route table stands on the page of the API, as `` `GET /api/links/{id}` ``.
pub(super) fn calls_described(table: &str, page: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(table.lines()) {
        let Some(call) = call(line.trim()) else { continue };
        if !page.contains(&format!("`{call}`")) {
            let text = format!("`{call}` is not in docs/API.md; describe it there");
            problems.push(problem("src/api/mod.rs", number, text));
        }
    }
    problems
}

/// `row(Get, "/api/links/{id}", …` as `GET /api/links/{id}`.
fn call(line: &str) -> Option<String> {
    let (method, rest) = line.strip_prefix("row(")?.split_once(", \"")?;
    let (path, _) = rest.split_once('"')?;
    Some(format!("{} {path}", method.to_uppercase()))
}

/// Each code of an error stands on the page of the API.
pub(super) fn codes_described(source: &str, page: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(source.lines()) {
        for word in line.split('"').skip(1).step_by(2) {
            let is_code =
                word.len() > 3 && word.bytes().all(|one| one.is_ascii_uppercase() || one == b'_');
            if is_code && !page.contains(&format!("`{word}`")) {
                let text = format!("`{word}` is not in docs/API.md; say there when it comes");
                problems.push(problem("src/api/error.rs", number, text));
            }
        }
    }
    problems
}

/// What a page names in back quotes exists: files of ours, and tests as `file::name`.
pub(super) fn names_exist(
    file: &str,
    page: &str,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<Problem> {
    let ours = ["src/", "tests/", "sql/", "docs/", "fuzz/", "deploy/", "web/"];
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(page.lines()) {
        let quoted = line.split('`').skip(1).step_by(2);
        let named = quoted.filter(|one| ours.iter().any(|folder| one.starts_with(folder)));
        // Whole files only: neither folders nor patterns.
        for named in named.filter(|one| one.contains('.') && !one.contains(['*', '<', '…', ' ']))
        {
            let (path, name) = named.split_once("::").unwrap_or((named, ""));
            let found = read(path)
                .is_some_and(|text| name.is_empty() || text.contains(&format!("fn {name}(")));
            if !found {
                let text = format!("`{named}` does not exist; name what keeps it now");
                problems.push(problem(file, number, text));
            }
        }
    }
    problems
}
