//! Reads one key after the other from the INI text and the environment, remembers which keys
//! exist and what was wrong with the values, so that all problems come out together.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use configparser::ini::{Ini, IniDefault};

use super::{Config, Secret};
use crate::error::{Error, Result, nearest};

/// The values that were found, the keys that exist, the problems so far.
pub(super) struct Reader {
    values: BTreeMap<(String, String), String>,
    known: Vec<(&'static str, &'static str)>,
    problems: Vec<String>,
    base: PathBuf,
}

type Range = std::ops::RangeInclusive<i64>;

impl Reader {
    pub(super) fn new(text: &str, base: &Path) -> Result<Reader> {
        // A secret may hold `#` or `;`: comments stand on lines of their own.
        let mut rules = IniDefault::default();
        rules.inline_comment_symbols = Some(Vec::new());
        rules.delimiters = vec!['='];
        rules.default_section = String::new();
        let sections = Ini::new_from_defaults(rules)
            .read(text.to_owned())
            .map_err(|error| Error::Config(vec![format!("not an INI file: {error}")]))?;
        let mut values = BTreeMap::new();
        for (section, keys) in sections {
            for (key, value) in keys {
                values.insert((section.clone(), key), value.unwrap_or_default());
            }
        }
        Ok(Reader { values, known: Vec::new(), problems: Vec::new(), base: base.to_owned() })
    }

    pub(super) fn overrides(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        const SECTIONS: [&str; 9] = [
            "api",
            "database",
            "git",
            "ssh",
            "security",
            "operations",
            "terminal",
            "health",
            "logging",
        ];
        for (name, value) in environment {
            let Some(rest) = name.strip_prefix("LINKOPS_") else { continue };
            let rest = rest.to_ascii_lowercase();
            let Some((section, key)) = rest.split_once('_') else { continue };
            if SECTIONS.contains(&section) {
                self.values.insert((section.to_owned(), key.to_owned()), value);
            }
        }
    }

    pub(super) fn problem(&mut self, section: &str, key: &str, text: impl std::fmt::Display) {
        self.problems.push(format!("[{section}] {key}: {text}"));
    }

    /// The value as written; an empty one counts as absent.
    pub(super) fn text(&mut self, section: &'static str, key: &'static str) -> Option<String> {
        self.known.push((section, key));
        let value = self.values.get(&(section.to_owned(), key.to_owned()))?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub(super) fn number(
        &mut self,
        section: &'static str,
        key: &'static str,
        default: i64,
        range: Range,
    ) -> i64 {
        let Some(text) = self.text(section, key) else { return default };
        match text.parse::<i64>() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (from, to) = (range.start(), range.end());
                let text = format!("{text:?} is not a whole number from {from} to {to}");
                self.problem(section, key, text);
                default
            }
        }
    }

    pub(super) fn size(
        &mut self,
        s: &'static str,
        key: &'static str,
        default: i64,
        range: Range,
    ) -> usize {
        usize::try_from(self.number(s, key, default, range)).unwrap_or(usize::MAX)
    }

    pub(super) fn time(
        &mut self,
        section: &'static str,
        key: &'static str,
        default: i64,
        range: Range,
        unit_seconds: u64,
    ) -> Duration {
        let number = self.number(section, key, default, range);
        Duration::from_secs(number.unsigned_abs() * unit_seconds)
    }

    pub(super) fn flag(&mut self, section: &'static str, key: &'static str, default: bool) -> bool {
        let Some(text) = self.text(section, key) else { return default };
        match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => true,
            "false" | "off" | "no" | "0" => false,
            _ => {
                self.problem(section, key, format!("{text:?} is neither \"on\" nor \"off\""));
                default
            }
        }
    }

    /// True for `first`, which is also the default; false for `second`.
    pub(super) fn choice(
        &mut self,
        section: &'static str,
        key: &'static str,
        first: &str,
        second: &str,
    ) -> bool {
        let Some(text) = self.text(section, key) else { return true };
        if text != first && text != second {
            let text = format!("{text:?} is neither {first:?} nor {second:?}");
            self.problem(section, key, text);
        }
        text != second
    }

    pub(super) fn path(
        &mut self,
        section: &'static str,
        key: &'static str,
        default: &str,
    ) -> PathBuf {
        self.optional_path(section, key).unwrap_or_else(|| PathBuf::from(default))
    }

    pub(super) fn optional_path(
        &mut self,
        section: &'static str,
        key: &'static str,
    ) -> Option<PathBuf> {
        self.text(section, key).map(|text| self.base.join(text))
    }

    /// A file, or `-` for standard error.
    pub(super) fn path_or_stderr(
        &mut self,
        section: &'static str,
        key: &'static str,
        default: &str,
    ) -> Option<PathBuf> {
        match self.text(section, key).as_deref() {
            Some("-") => None,
            Some(text) => Some(self.base.join(text)),
            None => Some(PathBuf::from(default)),
        }
    }

    pub(super) fn secret(
        &mut self,
        section: &'static str,
        key: &'static str,
        least: usize,
    ) -> Secret {
        let text = self.text(section, key).unwrap_or_default();
        if text.is_empty() {
            self.problem(section, key, "is required\nmake one with: openssl rand -hex 32");
        } else if text.len() < least {
            let text = format!("has {} bytes, at least {least} are needed", text.len());
            self.problem(section, key, text + "\nmake one with: openssl rand -hex 32");
        }
        Secret::from(text.as_str())
    }

    pub(super) fn list(&mut self, section: &'static str, key: &'static str) -> Vec<String> {
        let text = self.text(section, key).unwrap_or_default();
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn address(
        &mut self,
        section: &'static str,
        key: &'static str,
        default: &str,
    ) -> IpAddr {
        let text = self.text(section, key).unwrap_or_else(|| default.to_owned());
        text.parse().unwrap_or_else(|_| {
            self.problem(section, key, format!("{text:?} is not an IP address"));
            IpAddr::from([127, 0, 0, 1])
        })
    }

    pub(super) fn level(&mut self, section: &'static str, key: &'static str) -> log::LevelFilter {
        let text = self.text(section, key).unwrap_or_else(|| "INFO".to_owned());
        let name = if text.eq_ignore_ascii_case("warning") { "WARN" } else { text.as_str() };
        name.parse().unwrap_or_else(|_| {
            let levels = "ERROR, WARNING, INFO, DEBUG, TRACE or OFF";
            self.problem(section, key, format!("{text:?} is not one of {levels}"));
            log::LevelFilter::Info
        })
    }

    /// A key that nobody asked for is a typing error, never ignored.
    pub(super) fn finish(mut self, config: Config) -> Result<Config> {
        let unknown: Vec<_> = self
            .values
            .keys()
            .filter(|(section, key)| !self.known.iter().any(|(s, k)| s == section && k == key))
            .cloned()
            .collect();
        for (section, key) in unknown {
            let keys = self.known.iter().filter(|(s, _)| *s == section).map(|(_, key)| *key);
            let text = match nearest(&key, keys) {
                Some(meant) => format!("unknown key, did you mean {meant:?}?"),
                None => "unknown key".to_owned(),
            };
            self.problem(&section, &key, text);
        }
        if self.problems.is_empty() { Ok(config) } else { Err(Error::Config(self.problems)) }
    }
}
