//! The web console as it is served: its page at every address that is one, its files for ever, and
//! nothing that another host could slip in. What the pages do is tested in web/test.

use std::path::Path;
use std::process::Command;

use crate::support::client::{Reply, send};
use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

/// A browser's request.
fn browse(linkops: &LinkOps, method: &str, path: &str, more: &[(&str, &str)]) -> Reply {
    let mut headers = vec![("Accept-Encoding", "gzip, deflate, br"), ("Accept", "text/html,*/*")];
    headers.extend(more);
    send(linkops.address(), method, path, &headers, b"")
}

/// The addresses and files of the console that was built; none when it was built without one, which
/// CONSOLE=yes forbids.
fn built() -> Option<(Vec<String>, Vec<String>)> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist/manifest");
    let text = std::fs::read_to_string(dist).ok()?;
    let named = |word: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix('\t'));
        lines.map(|line| line.split('\t').next().unwrap_or(line).to_owned()).collect()
    };
    Some((named("page"), named("asset")))
}

#[test]
fn the_console_is_served() {
    let linkops = LinkOps::unsynced(&Fleet::new(0), "");
    let Some((pages, assets)) = built() else {
        assert_ne!(std::env::var("CONSOLE").as_deref(), Ok("yes"), "web/dist is empty");
        let reply = browse(&linkops, "GET", "/", &[]);
        assert_eq!(reply.status, 200);
        let text = String::from_utf8(reply.body).unwrap();
        assert!(text.contains("without its web console") && text.contains("make build"), "{text}");
        assert_eq!(browse(&linkops, "GET", "/links", &[]).code(), "NOT_FOUND");
        return;
    };
    every_address_is_the_page(&linkops, &pages);
    what_is_no_page_is_none(&linkops);
    files_are_kept_for_ever(&linkops, &assets);
    a_page_that_has_not_changed_is_not_sent_again(&linkops);
}

fn every_address_is_the_page(linkops: &LinkOps, pages: &[String]) {
    assert!(pages.len() > 10, "{pages:?}");
    let home = browse(linkops, "GET", "/", &[]);
    for page in pages {
        let path = page.replace(":id", "some-name");
        let reply = browse(linkops, "GET", &path, &[]);
        assert_eq!((reply.status, &reply.body), (200, &home.body), "{path}");
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(reply.header("content-encoding"), Some("gzip"));
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        let policy = reply.header("content-security-policy").unwrap();
        for rule in ["default-src 'none'", "script-src 'self'", "style-src 'self'"] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        assert!(reply.header("x-request-id").is_some());
        let head = browse(linkops, "HEAD", &path, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), reply.header("content-length"));
    }
    let plain = send(linkops.address(), "GET", "/", &[("Accept-Encoding", "identity")], b"");
    let text = String::from_utf8(plain.body.clone()).unwrap();
    assert!(text.starts_with("<!doctype html>") && plain.header("content-encoding").is_none());
    assert!(!text.contains("style=") && !text.contains("<script>"), "nothing inline: {text}");
}

fn what_is_no_page_is_none(linkops: &LinkOps) {
    for path in ["/favicon.ico", "/links/a/b", "/links/", "/index.html", "/assets/app.js", "/../x"]
    {
        assert_eq!(browse(linkops, "GET", path, &[]).code(), "NOT_FOUND", "{path}");
    }
    assert_eq!(browse(linkops, "GET", "/api/nothing", &[]).code(), "TOKEN_MISSING");
    assert_eq!(browse(linkops, "POST", "/links", &[]).status, 404);
    assert_eq!(
        browse(linkops, "GET", "/health", &[]).header("content-type"),
        Some("application/json")
    );
}

fn files_are_kept_for_ever(linkops: &LinkOps, assets: &[String]) {
    assert!(assets.len() > 30, "{assets:?}");
    for path in assets {
        let reply = browse(linkops, "GET", path, &[]);
        assert_eq!(reply.status, 200, "{path}");
        let cached = reply.header("cache-control").unwrap();
        assert!(cached.contains("immutable") && cached.contains("max-age=31536000"), "{cached}");
        assert_eq!(reply.header("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(&reply.body[..2], [0x1f, 0x8b], "{path}");
        let tag = reply.header("etag").unwrap();
        let again = browse(linkops, "GET", path, &[("If-None-Match", tag)]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
}

fn a_page_that_has_not_changed_is_not_sent_again(linkops: &LinkOps) {
    let tag = browse(linkops, "GET", "/", &[]).header("etag").unwrap().to_owned();
    let again = browse(linkops, "GET", "/links", &[("If-None-Match", &tag)]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    let other = browse(linkops, "GET", "/links", &[("If-None-Match", "\"another\"")]);
    assert_eq!(other.status, 200);
}

/// Without npm the build goes on, says so, and leaves nothing behind.
#[test]
fn without_npm_there_is_no_console_and_the_build_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let web = directory.path().join("web");
    std::fs::create_dir_all(web.join("dist")).unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/build");
    std::fs::copy(own, web.join("build")).unwrap();
    std::fs::write(web.join("dist/manifest"), "of an earlier build").unwrap();
    // A path with what the script uses, and no node.
    let tools = directory.path().join("bin");
    std::fs::create_dir(&tools).unwrap();
    for tool in ["bash", "dirname", "find"] {
        let found = ["/usr/bin", "/bin"].iter().map(|one| Path::new(one).join(tool));
        let found = found.into_iter().find(|one| one.exists()).unwrap();
        std::os::unix::fs::symlink(found, tools.join(tool)).unwrap();
    }
    let output = Command::new(tools.join("bash"))
        .arg(web.join("build"))
        .env_clear()
        .env("PATH", &tools)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("without its web console") && said.contains("npm"), "{said}");
    assert!(!web.join("dist/manifest").exists());
}
