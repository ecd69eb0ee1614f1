//! Each rule is broken once here, so that it is known that it can be.

use super::repository;
use super::rules::{check, circles, tables};
use super::source::Source;
use super::table::Layer;

/// What is wrong with a file, as `line: text`.
fn found(file: &str, text: &str) -> Vec<String> {
    let crates = ["serde", "log", "rusqlite", "ssh2", "jiff"].map(str::to_owned);
    let problems = check(&Source::new(file, text), &crates);
    problems.iter().map(|one| format!("{}: {}", one.line, one.text)).collect()
}

/// The file breaks one rule, at this line and with these words.
#[track_caller]
fn broken(file: &str, text: &str, line: usize, words: &str) {
    let found = found(file, &format!("//! A sample.\n{text}"));
    let [only] = &found[..] else { panic!("not one problem in {text:?}: {found:#?}") };
    assert!(only.starts_with(&format!("{line}: ")) && only.contains(words), "{only}");
}

#[track_caller]
fn kept(file: &str, text: &str) {
    assert_eq!(found(file, &format!("//! A sample.\n{text}")), Vec::<String>::new());
}

#[test]
fn a_module_uses_only_what_its_line_allows() {
    broken("src/http/a.rs", "use crate::store::Store;", 2, "may not use the module `store`");
    broken("src/ssh/a.rs", "\nuse crate::{\n    auth::Auth,\n};", 4, "the module `auth`");
    broken("src/store/a.rs", "fn a() { crate::ssh::run() }", 2, "the module `ssh`");
    broken("src/inventory/a.rs", "use crate::operations;", 2, "the module `operations`");
    broken("src/clock.rs", "use super::error::Error;", 2, "the module `error`");
    broken("src/error.rs", "fn a() { log::info!(); }", 2, "may not use the crate `log`");
    broken("src/enrollment/a.rs", "use jiff::Timestamp as T;", 2, "the crate `jiff`");
    broken("src/wishes/mod.rs", "", 1, "`wishes` has no line in LAYERS");
    broken("src/main.rs", "fn main() { linkops::server::run() }", 2, "`linkops::cli` alone");
    kept("src/main.rs", "fn main() { linkops::cli::main() }");
    kept(
        "src/auth/a.rs",
        "fn a() { ssh::run() }\n#[cfg(test)]\nmod tests {\n    use crate::ssh;\n}",
    );
    kept(
        "src/http/a.rs",
        "use crate::http::Request;\nuse super::body;\nuse crate::threads::{self, lock};",
    );
    kept(
        "src/error.rs",
        "// crate::store and log::info! in a comment\nconst A: &str = \"use log::info;\";",
    );
    kept("src/clock.rs", "#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}");
}

#[test]
fn some_names_are_known_in_one_place() {
    broken("src/operations/a.rs", "use rusqlite::params;", 2, "only in src/store/, src/*/store.rs");
    broken("src/ssh/a.rs", "use std::process::{Command, Stdio};", 2, "`std::process::Command`");
    broken(
        "src/ssh/a.rs",
        "use std::process;\nfn a() { process::Command::new(); }",
        3,
        "`std::process::Command`",
    );
    broken("src/ssh/a.rs", "fn a() { std::thread::spawn(a); }", 2, "threads::spawn");
    broken("src/ssh/a.rs", "use std::thread::Builder as B;", 2, "threads::spawn");
    broken("src/api/a.rs", "use std::time::{Duration, SystemTime};", 2, "take a Clock");
    broken("src/api/a.rs", "fn a() { println!(); }", 2, "goes to the log");
    broken("src/api/a.rs", "fn a() {\n    todo!()\n}", 3, "not merged");
    broken("tests/a.rs", "fn a() { dbg!(1); }", 2, "log::debug!");
    kept("src/operations/store/a.rs", "use rusqlite::params;");
    kept("src/operations/store.rs", "use rusqlite::params;");
    kept("src/cli.rs", "fn a() { eprintln!(); }");
    kept("tests/a.rs", "use std::process::Command;\nfn a() { println!(); }");
}

#[test]
fn a_file_says_what_it_is_and_stays_small() {
    let [first] = &found("src/error.rs", "use std::io;")[..] else { panic!() };
    assert!(first.contains("does not say what it is"), "{first}");
    let function = format!("fn long() {{\n{}}}\n", "    a();\n".repeat(59));
    broken("src/error.rs", &function, 2, "`long` has 61 lines");
    broken("tests/a.rs", &function, 2, "`long` has 61 lines");
    kept("src/error.rs", &function.replacen("    a();\n", "", 1));
    broken("src/error.rs", &"\n".repeat(500), 501, "501 lines");
    kept("src/error.rs", &"\n".repeat(499));
}

#[test]
fn empty_names_and_words_are_refused() {
    broken("src/http/helpers.rs", "", 1, "\"helpers.rs\" says nothing");
    broken("src/http/utils/a.rs", "", 1, "\"utils\" says nothing");
    broken("src/http/a.rs", "mod common;", 2, "name says nothing");
    broken("src/http/a.rs", "pub(crate) mod engine {}", 2, "name says nothing");
    broken("tests/a.rs", "#[test]\n#[ignore]\nfn a() {}", 3, "does not run");
    broken("tests/a.rs", "fn a() { pause.sleep(1); }", 2, "nobody sleeps");
    broken("src/http/a.rs", "#[allow(dead_code)]\nfn a() {}", 2, "#[expect(");
    broken("src/http/a.rs", "fn a() { b().unwrap(); }", 2, "ends the thread");
    broken("src/http/a.rs", "fn a() {\n    b()\n        .expect(\"c\");\n}", 4, "ends the thread");
    kept("tests/a.rs", "fn a() { b().unwrap(); }\nconst A: &str = r#\"sleep(1) \"todo!()\"#;");
}

#[test]
fn tables_that_are_not_true_are_found() {
    let layer = |module, ours| Layer { module, ours, crates: &[] };
    assert!(circles(&[layer("a", &[]), layer("b", &["a"])]).is_empty());
    assert_eq!(circles(&[layer("a", &["b"]), layer("b", &["a"])]).len(), 1);
    let idle = Source::new("src/clock.rs", "//! A sample.");
    let texts: Vec<String> = tables(&[idle], &[]).into_iter().map(|one| one.text).collect();
    for part in [
        "`clock` does not use `jiff` any more",
        "there is no module `http` any more",
        "`ssh2` is not used in src/ssh/ any more",
        "is not long any more",
    ] {
        assert!(texts.iter().any(|text| text.contains(part)), "{part}: {texts:#?}");
    }
}

/// Where strings, characters and comments end decides what the rules see.
#[test]
fn what_is_quoted_is_not_code() {
    kept("src/error.rs", "const A: char = '\"'; // log::a\nconst B: char = '\\'';\n/* log::b */");
    kept("src/error.rs", "const A: &[u8] = b\"\\\"log::a\\\\\";\nfn a<'a>(b: &'a str) {}");
    kept("src/error.rs", "const A: &str = r##\"a\"# log::a\"##;\nconst B: &str = \"a\n log::b\";");
    broken("src/error.rs", "const A: char = 'a'; fn b() { log::a() }", 2, "the crate `log`");
}

#[test]
fn a_migration_that_is_forgotten_is_found() {
    let files = ["sql/0001_a.sql", "sql/0002_b.sql"].map(str::to_owned);
    let step = |name: &str| format!("include_str!(\"../../sql/{name}\"),\n");
    let (one, two) = (step("0001_a.sql"), step("0002_b.sql"));
    assert!(repository::migrations(&files, &(one.clone() + &two)).is_empty());
    assert!(repository::migrations(&files, &one)[0].text.contains("not embedded"));
    assert!(repository::migrations(&files, &(two + &one))[0].text.contains("out of order"));
}

#[test]
fn a_crate_without_a_reason_is_found() {
    let manifest =
        "[package]\nname = \"a\"\n[dependencies]\n# why\nlog = \"0.4\"\nhttparse = \"1\"\n";
    assert!(repository::reasons(manifest, None).is_empty());
    let problems = repository::reasons(manifest, Some("| `log` | the log |"));
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].line, &problems[0].file[..]), (6, "Cargo.toml"));
    let lock =
        "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+x\"\n";
    assert_eq!(repository::origins(lock)[0].line, 2);
}

#[test]
fn paths_of_machines_are_found() {
    let named = |text: String| repository::machine_paths("a", &text).len();
    for folder in ["home", "root", "Users"] {
        assert_eq!(named(format!("run /{folder}/ann/a")), 1);
        assert_eq!(named(format!("fine\n\"/{folder}/ann\" twice /{folder}/b")), 1);
    }
    assert_eq!(named("/var/lib/linkops/keys and $HOME/.ssh and src/work/a".to_owned()), 0);
}

#[test]
fn pages_that_fall_behind_are_found() {
    let source = Source::new("src/a.rs", "fn a() {\n    spawn(format!(\"night-{n}\"), b);\n}");
    let page = |text: &str| repository::threads_described(std::slice::from_ref(&source), text);
    assert_eq!(page("`day`")[0].line, 2);
    assert!(page("| `night-<n>` |").is_empty());
    let table = "    row(Get, \"/api/links/{id}\", May(…), \"getLink\", |…| …),\n";
    assert!(repository::calls_described(table, "`GET /api/links/{id}`").is_empty());
    assert_eq!(repository::calls_described(table, "`GET /api/links`").len(), 1);
    let codes = "Error::A => (404, \"NOT_HERE\", nothing()),";
    assert!(repository::codes_described(codes, "`NOT_HERE`").is_empty());
    assert_eq!(repository::codes_described(codes, "NOT_THERE").len(), 1);
    assert!(!repository::modules_described("").is_empty());
    let read = |path: &str| (path == "src/a.rs").then(|| "fn here() {}".to_owned());
    assert!(
        repository::names_exist("a.md", "`src/a.rs`, `src/a.rs::here` in `src/`", read).is_empty()
    );
    assert_eq!(repository::names_exist("a.md", "\n`src/a.rs::gone`", read)[0].line, 2);
    assert_eq!(repository::names_exist("a.md", "`src/b.rs`", read).len(), 1);
}
