//! The way to the server: whether it answers, also through its proxy, which must say whose request
//! it passes on. Requests are made by curl, as there is no TLS client in the program. What passes
//! through a proxy shows only by passing something: a login that fails, and with a token a workspace
//! that is removed again.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{Finding, Tell};
use crate::auth;
use crate::config::Config;
use crate::error::Result;
use crate::ssh::program::nonce;
use crate::store::Store;

const PART: &str = "proxy";
/// Where sites that are right stand.
const SAMPLES: &str = "nginx.conf and Caddyfile in share/linkops, or in deploy/proxy of the source";
/// Our own address is never behind the proxy that the environment names.
const DIRECT: [&str; 2] = ["--noproxy", "*"];

/// What curl was told.
struct Answer {
    status: String,
    /// The address from which curl connected.
    local: String,
    body: String,
}

/// Looks at the server itself, then at `url`; for the WebSocket a `token` is needed.
pub(super) fn examine(
    config: &Config,
    url: Option<&str>,
    token: Option<&str>,
    store: Option<&Store>,
    tell: Tell<'_>,
) -> Result<()> {
    let own = format!("http://{}", std::net::SocketAddr::new(config.api.host, config.api.port));
    if !healthy(
        "server",
        &own,
        &DIRECT,
        "start it: systemctl start linkopsd; then: journalctl -u linkopsd",
        tell,
    )? {
        return Ok(());
    }
    let Some(url) = url.map(|url| url.trim_end_matches('/')) else {
        let text = "not looked at: say where users reach the server";
        return tell(Finding::note(
            PART,
            text,
            "linkopsd doctor --url https://linkops.example.org",
        ));
    };
    let advice = format!("compare the proxy's site with {SAMPLES}");
    if !healthy(PART, url, &[], &advice, tell)? {
        return Ok(());
    }
    if let Some(store) = store {
        tell(address(config, url, store)?)?;
    }
    tell(match token {
        Some(token) => socket(url, token),
        None => Finding::note(
            PART,
            "WebSockets, which terminals need, were not looked at",
            "say --token-stdin and give the token of an operator",
        ),
    })
}

/// Whether our own server answers there.
fn healthy(
    part: &'static str,
    url: &str,
    more: &[&str],
    advice: &str,
    tell: Tell<'_>,
) -> Result<bool> {
    let finding = match curl(&format!("{url}/health"), more) {
        Err(why) => Finding::failed(part, &format!("{url} does not answer: {why}"), advice),
        Ok(answer) if answer.status == "200" && answer.body.contains(env!("CARGO_PKG_VERSION")) => {
            Finding::good(part, format!("answers at {url}"))
        }
        Ok(answer) => {
            let text =
                format!("{url}/health is answered with {}: not by this version", answer.status);
            Finding::wrong(part, text, advice)
        }
    };
    let good = !finding.is_wrong();
    tell(finding)?;
    Ok(good)
}

/// Whether the server is told who asks: it writes the address of each login down, also of one for
/// a user that nobody has.
fn address(config: &Config, url: &str, store: &Store) -> Result<Finding> {
    const ADVICE: &str = "pass X-Forwarded-For on, and name the proxy in [api] trusted_proxies";
    let name = format!("doctor-{}", &nonce()[..12]);
    let body = format!("{{\"username\":\"{name}\",\"password\":\"not a password\"}}");
    let more = ["--header", "Content-Type: application/json", "--data-binary", &body];
    let answer = match curl(&format!("{url}/api/auth/login"), &more) {
        Ok(answer) => answer,
        Err(why) => return Ok(Finding::failed(PART, &why, ADVICE)),
    };
    let Some(seen) = store.read(|db| auth::last_address(db, &name))? else {
        let text =
            format!("a login through it was answered with {} and did not arrive", answer.status);
        return Ok(Finding::wrong(PART, text, "let it pass /api/ on to this server"));
    };
    let local = |text: &str| text.parse().is_ok_and(|one: std::net::IpAddr| one.is_loopback());
    Ok(if seen == answer.local && !local(&seen) {
        Finding::good(PART, format!("clients are known by their addresses, this one as {seen}"))
    } else if local(&seen) && !local(&answer.local) {
        let text = format!("all clients look like {seen}, so one can lock out all others");
        Finding::wrong(PART, text, ADVICE)
    } else if config.api.trusted_proxies.is_empty() {
        Finding::note(PART, "no proxy is trusted to say who asks", ADVICE)
    } else {
        let text =
            format!("this client is known as {seen}; whether that is right shows from outside");
        Finding::note(PART, text, "")
    })
}

/// Whether a WebSocket passes: on a workspace of its own, which has no machine.
fn socket(url: &str, token: &str) -> Finding {
    let advice = format!("let it pass Upgrade and Connection on, as do {SAMPLES}");
    let secret = format!("Authorization: Bearer {token}\n");
    let places = format!("{url}/api/terminal/workspaces");
    let json = ["--header", "Content-Type: application/json", "--data-binary"];
    let body = "{\"layout\":\"single\",\"max_panes\":1}";
    let made = curl_with(&places, &[&json[..], &[body]].concat(), &secret);
    let id = made.as_ref().ok().and_then(|answer| {
        let body: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
        Some(body["workspace_id"].as_str()?.to_owned())
    });
    let Some(id) = id else {
        let why =
            made.map_or_else(|why| why, |answer| format!("{} {}", answer.status, answer.body));
        let text = format!("no terminal can be had with this token: {why}");
        return Finding::wrong(
            PART,
            text,
            "take the token of an operator from POST /api/auth/login",
        );
    };
    let place = format!("{places}/{id}");
    let mut upgrade = vec!["--http1.1", "--max-time", "3", "--header", "Connection: Upgrade"];
    upgrade.extend(["--header", "Upgrade: websocket", "--header", "Sec-WebSocket-Version: 13"]);
    upgrade.extend(["--header", "Sec-WebSocket-Key: bGlua29wcy1kb2N0b3ItLQ=="]);
    let opened = curl_with(&format!("{place}/ws"), &upgrade, &secret);
    let closed = curl_with(&place, &["--request", "DELETE"], &secret);
    match (opened, closed) {
        (Ok(answer), Ok(_)) if answer.status == "101" => Finding::good(PART, "WebSockets pass"),
        (Ok(answer), _) => {
            let text = format!("a WebSocket was answered with {}, not 101", answer.status);
            Finding::wrong(PART, text, advice)
        }
        (Err(why), _) => Finding::failed(PART, &why, &advice),
    }
}

fn curl(url: &str, more: &[&str]) -> Result<Answer, String> {
    curl_with(url, more, "")
}

/// A request by curl; header fields that are secret go by its standard input, as
/// everybody sees its arguments.
fn curl_with(url: &str, more: &[&str], secret: &str) -> Result<Answer, String> {
    let missing = |error| format!("cannot run curl: {error}\ninstall it: apt-get install curl");
    let mut child = Command::new("curl")
        .args(["-q", "--silent", "--show-error", "--max-time", "20", "--max-filesize", "1000000"])
        .args(["--header", "@-", "--write-out", "\n%{http_code} %{local_ip}"])
        .args(more)
        .args(["--", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(secret.as_bytes()).map_err(missing)?;
    }
    let output = child.wait_with_output().map_err(missing)?;
    let text = String::from_utf8_lossy(&output.stdout);
    // A WebSocket that is open says nothing until the time is over.
    if !output.status.success() && !text.contains("\n101 ") {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let (body, last) = text.rsplit_once('\n').unwrap_or(("", &text));
    let (status, local) = last.split_once(' ').unwrap_or((last, ""));
    Ok(Answer { status: status.to_owned(), local: local.to_owned(), body: body.to_owned() })
}
