//! A look at an installation from outside, part by part: each finding says what is wrong and what
//! to do. Nothing needs a running server, and nothing is changed, but by the look through a proxy.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::inventory::sync;
use crate::server::{self, settings};
use crate::threads::Latch;

mod database;
mod host;
mod machines;
mod proxy;

/// What was looked at, how it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    part: &'static str,
    state: State,
    text: String,
    advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// Nothing that must be changed, or nothing that can be known.
    Note,
    Wrong,
}

impl Finding {
    fn good(part: &'static str, text: impl Into<String>) -> Finding {
        Finding { part, state: State::Good, text: text.into(), advice: String::new() }
    }

    fn note(part: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { part, state: State::Note, text: text.into(), advice: advice.into() }
    }

    fn wrong(part: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { part, state: State::Wrong, text: text.into(), advice: advice.into() }
    }

    /// A failure whose text may say on its second line what to do; `advice` is for those that do not.
    fn failed(part: &'static str, text: &str, advice: &str) -> Finding {
        let (text, advice) = text.split_once('\n').unwrap_or((text, advice));
        Finding::wrong(part, text, advice)
    }

    /// Whether something has to be done.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.state == State::Wrong
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Good => "ok",
            State::Note => "note",
            State::Wrong => "WRONG",
        };
        writeln!(f, "{state:5}  {:13}  {}", self.part, self.text)?;
        let advice = self.advice.lines().filter(|line| !line.trim().is_empty());
        advice.into_iter().try_for_each(|line| writeln!(f, "{:24}do: {}", "", line.trim()))
    }
}

/// Takes findings as they are made.
type Tell<'a> = &'a mut dyn FnMut(Finding) -> Result<()>;

/// Looks at everything; `url` is where users reach the server, by way of its proxy, and `token` one
/// of an operator. Without `url` nothing is changed. With it there is one login that fails, for a
/// name that nobody has, and with a token a workspace without panes, which is removed again.
///
/// # Errors
/// Those of `tell`; what is wrong with the installation is a finding.
pub fn examine(path: &Path, url: Option<&str>, token: Option<&str>, tell: Tell<'_>) -> Result<()> {
    let Some(config) = configuration(path, tell)? else { return Ok(()) };
    host::clock(&config, tell)?;
    host::modes(path, &config, tell)?;
    host::disk(&config, tell)?;
    let store = database::examine(&config, tell)?;
    git(&config, tell)?;
    if let Some(store) = &store {
        machines::examine(&config, store, tell)?;
    }
    proxy::examine(&config, url, token, store.as_ref(), tell)
}

/// What `linkopsd check` says; without a configuration there is nothing else to look at.
fn configuration(path: &Path, tell: Tell<'_>) -> Result<Option<Config>> {
    const PART: &str = "configuration";
    let edit = format!("edit {}; its keys are in linkops.ini(5)", path.display());
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(Error::Config(problems)) => {
            problems.iter().try_for_each(|one| tell(Finding::failed(PART, one, &edit)))?;
            return Ok(None);
        }
        Err(other) => {
            tell(Finding::failed(PART, &other.chain(), &edit))?;
            return Ok(None);
        }
    };
    // The database has a part of its own.
    let mut problems = server::check(&config);
    problems.retain(|one| !one.contains("the database "));
    if problems.is_empty() {
        tell(Finding::good(PART, format!("{} and the keys can be used", path.display())))?;
    }
    problems.iter().try_for_each(|one| tell(Finding::failed(PART, one, &edit)))?;
    Ok(Some(config))
}

fn git(config: &Config, tell: Tell<'_>) -> Result<()> {
    const PART: &str = "git";
    // Looking must not make a host known.
    let asked = sync::Settings { accept_new: false, ..settings::git(config) };
    if asked.url.is_none() {
        return Ok(()); // told as a problem of the configuration
    }
    let stop = Latch::new().map_err(|error| Error::io("make a latch", error))?;
    tell(match sync::reach(&asked, Arc::new(stop)) {
        Ok(commit) => Finding::good(PART, format!("branch {} is at {commit}", asked.branch)),
        Err(error) => {
            let text = error.chain();
            Finding::failed(PART, &text, advice(&text, config))
        }
    })
}

fn advice(text: &str, config: &Config) -> &'static str {
    let key = config.git.ssh_key_path.is_some();
    match text.to_lowercase() {
        text if text.contains("host key verification") => {
            "compare the server's key with what its owner publishes, then: linkopsd sync"
        }
        text if text.contains("authentication") || text.contains("permission denied") => {
            match key {
                true => {
                    "give the public half of [git] ssh_key_path the right to read the repository"
                }
                false => "set [git] ssh_key_path, or token in the section [git] of secrets.ini",
            }
        }
        _ => "try it as the server does: runuser -u linkops -- git ls-remote URL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_to_do_on_lines_of_its_own() {
        let finding = Finding::failed("git", "cannot\nrun: a\nand b", "never");
        let space = " ".repeat(24);
        let text = format!("WRONG  git            cannot\n{space}do: run: a\n{space}do: and b\n");
        assert_eq!(finding.to_string(), text);
        let finding = Finding::failed("git", "cannot", "try");
        assert!(finding.to_string().ends_with("do: try\n") && finding.is_wrong());
        assert_eq!(
            Finding::good("git", "is there").to_string(),
            "ok     git            is there\n"
        );
    }
}
