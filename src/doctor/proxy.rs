//! The way to the server: whether it answers, also through its proxy, which must say whose request
//! it passes on. Requests are made by curl, as there is no TLS client in the program.

use std::process::{Command, Stdio};

use super::{Finding, Tell};
use crate::auth;
use crate::config::Config;
use crate::error::Result;
use crate::ssh::program::nonce;
use crate::store::Store;

const PART: &str = "proxy";

/// What curl was told.
struct Answer {
    status: String,
    /// The address from which curl connected.
    local: String,
    body: String,
}

/// Looks at the server itself, then at `url`.
pub(super) fn examine(
    config: &Config,
    url: Option<&str>,
    store: Option<&Store>,
    tell: Tell<'_>,
) -> Result<()> {
    let own = format!("http://{}", std::net::SocketAddr::new(config.api.host, config.api.port));
    if !healthy(
        "server",
        &own,
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
    let advice = "compare the proxy's site with those in share/doc/linkops or deploy/proxy";
    match store {
        Some(store) if healthy(PART, url, advice, tell)? => tell(address(config, url, store)?),
        _ => Ok(()),
    }
}

/// Whether our own server answers there.
fn healthy(part: &'static str, url: &str, advice: &str, tell: Tell<'_>) -> Result<bool> {
    let finding = match curl(&format!("{url}/health"), &[]) {
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

/// A request by curl; what is secret would have to be kept out of its arguments.
fn curl(url: &str, more: &[&str]) -> Result<Answer, String> {
    let output = Command::new("curl")
        .args(["-q", "--silent", "--show-error", "--max-time", "20", "--max-filesize", "1000000"])
        .args(["--write-out", "\n%{http_code} %{local_ip}"])
        .args(more)
        .args(["--", url])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run curl: {error}\ninstall it: apt-get install curl"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let (body, last) = text.rsplit_once('\n').unwrap_or(("", &text));
    let (status, local) = last.split_once(' ').unwrap_or((last, ""));
    Ok(Answer { status: status.to_owned(), local: local.to_owned(), body: body.to_owned() })
}
