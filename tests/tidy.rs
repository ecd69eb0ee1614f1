//! The rules of the architecture, kept by a test: which module may use which, and what no file may
//! hold. The tables are in `tidy/table.rs`; docs/architecture.md says what they are good for.
//! Nothing but the standard library is used here, and nothing of LinkOps.

mod repository;
mod rules;
mod samples;
mod source;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use rules::Problem;
use source::Source;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file; none when there is no such file, or no text in it.
fn text(file: &str) -> Option<String> {
    fs::read_to_string(root().join(file)).ok()
}

/// All files below a folder, from the repository's root, in order.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                _ => found.push(path.to_string_lossy().into_owned()),
            }
        }
    }
    found.sort();
    found
}

/// The Rust files of a folder.
fn sources(folder: &str) -> Vec<Source> {
    let rust = files(folder).into_iter().filter(|file| file.ends_with(".rs"));
    rust.filter_map(|file| Some(Source::new(&file, &text(&file)?))).collect()
}

/// The crates of Cargo.toml, as code names them.
fn crates() -> Vec<String> {
    repository::dependencies(&text("Cargo.toml").unwrap_or_default())
        .into_iter()
        .map(|(_, name)| name.replace('-', "_"))
        .collect()
}

#[track_caller]
fn none(problems: Vec<Problem>) {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} to tidy up:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn every_file_keeps_the_rules() {
    let crates = crates();
    let all = sources("src").into_iter().chain(sources("tests"));
    none(all.flat_map(|source| rules::check(&source, &crates)).collect());
}

#[test]
fn the_tables_say_what_is_used() {
    none(rules::tables(&sources("src"), &crates()));
}

#[test]
fn every_migration_is_embedded_in_its_order() {
    let steps = text("src/store/migrations.rs").unwrap_or_default();
    none(repository::migrations(&files("sql"), &steps));
}

#[test]
fn every_crate_has_its_reason_and_comes_from_crates_io() {
    let manifest = text("Cargo.toml").unwrap_or_default();
    let reasons = text("docs/dependencies.md");
    none(repository::reasons(&manifest, reasons.as_deref()));
    none(repository::origins(&text("Cargo.lock").unwrap_or_default()));
}

#[test]
fn no_file_names_somebodys_machine() {
    let folders = ["src", "tests", "sql", "docs", "deploy", "web", "fuzz", ".ci"];
    let top = ["Cargo.toml", "Makefile", "README.md", "deny.toml", ".gitignore"].map(str::to_owned);
    let all = folders.iter().flat_map(|one| files(one)).chain(top);
    let kept = all.filter(|file| {
        !["fuzz/target/", "fuzz/corpus/", "fuzz/artifacts/", "web/node_modules/", "web/dist/"]
            .iter()
            .any(|one| file.starts_with(one))
    });
    none(
        kept.filter_map(|file| Some(repository::machine_paths(&file, &text(&file)?)))
            .flatten()
            .collect(),
    );
}

#[test]
fn the_console_keeps_its_rules() {
    let ours = |file: &String| {
        !["web/node_modules/", "web/dist/"].iter().any(|one| file.starts_with(one))
            && [".js", ".mjs", ".css", ".html"].iter().any(|end| file.ends_with(end))
    };
    let all = files("web").into_iter().filter(ours);
    none(
        all.flat_map(|file| repository::console(&file, &text(&file).unwrap_or_default())).collect(),
    );
}

#[test]
fn the_pages_are_complete() {
    let page = |name: &str| text(name).unwrap_or_default();
    let sources = sources("src");
    none(repository::modules_described(&page("docs/architecture.md")));
    none(repository::threads_described(&sources, &page("docs/threads.md")));
    none(repository::calls_described(&page("src/api/mod.rs"), &page("docs/API.md")));
    let pages = files("docs").into_iter().chain(["README.md".to_owned()]);
    for (file, page) in pages.filter_map(|file| Some((file.clone(), text(&file)?))) {
        none(repository::names_exist(&file, &page, text));
    }
    none(repository::codes_described(&page("src/api/error.rs"), &page("docs/API.md")));
}
