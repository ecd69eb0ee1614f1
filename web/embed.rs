//! The build script: puts the built console of `web/dist` into the program. When there is none, the
//! tables are empty and the program says so at its address.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=web/dist");
    println!("cargo:rerun-if-changed=web/embed.rs");
    let variable = |name| PathBuf::from(env::var_os(name).unwrap_or_default());
    let dist = variable("CARGO_MANIFEST_DIR").join("web/dist");
    let manifest = fs::read_to_string(dist.join("manifest")).unwrap_or_default();
    fs::write(variable("OUT_DIR").join("console.rs"), tables(&dist, &manifest))
}

/// The tables that `src/console.rs` includes.
fn tables(dist: &Path, manifest: &str) -> String {
    let mut index = "None".to_owned();
    let (mut assets, mut pages) = (String::new(), String::new());
    for line in manifest.lines() {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["index", hash] => {
                let bytes = |name| included(dist, name);
                let (plain, packed) = (bytes("index.html"), bytes("index.html.gz"));
                index =
                    format!("Some(Index {{ hash: {hash:?}, plain: {plain}, packed: {packed} }})");
            }
            ["asset", path, file, kind] => {
                let packed = included(dist, file);
                let entry = format!("Asset {{ path: {path:?}, kind: {kind:?}, packed: {packed} }}");
                let _ = writeln!(assets, "    {entry},");
            }
            ["page", address] => {
                let _ = write!(pages, "{address:?}, ");
            }
            _ => {}
        }
    }
    format!(
        "static BUILT: Console = Console {{\n    index: {index},\n    assets: &[\n{assets}    ],\n    \
         pages: &[{pages}],\n}};\n"
    )
}

fn included(dist: &Path, file: &str) -> String {
    format!("include_bytes!({:?})", dist.join(file))
}
