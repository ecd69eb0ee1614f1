//! Reads one key after the other from the INI text and the environment, remembers which keys
//! exist and what was wrong with the values, so that all problems come out together.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use configparser::ini::{Ini, IniDefault};

use super::secrets::{MOVABLE, Secrets};
use super::{Key, Secret};
use crate::error::{Error, Result, nearest};

/// The values that were found, the keys that were asked for, the problems so far.
#[derive(Default)]
pub(super) struct Reader {
    values: BTreeMap<(String, String), String>,
    /// From the environment; they win. Which sections exist is known only at the end.
    overrides: BTreeMap<(String, String), String>,
    keys: Vec<Key>,
    problems: Vec<String>,
    base: PathBuf,
}

impl Reader {
    pub(super) fn new(
        text: &str,
        base: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Reader> {
        let values = sections(text)?;
        let overrides = environment.into_iter().filter_map(overriding).collect();
        let (keys, problems, base) = (Vec::new(), Vec::new(), base.to_owned());
        Ok(Reader { values, overrides, keys, problems, base })
    }

    /// What secrets.ini sets instead of the configuration.
    pub(super) fn take_secrets(&mut self, secrets: &Secrets) {
        for (section, key) in MOVABLE {
            let Some(value) = secrets.text(section, key) else { continue };
            let place = (section.to_owned(), key.to_owned());
            if self.values.insert(place, value).is_some() {
                self.problem(
                    section,
                    key,
                    "is set in the configuration and in secrets.ini\nremove one",
                );
            }
        }
    }

    pub(super) fn problem(&mut self, section: &str, key: &str, text: impl Display) {
        self.problems.push(format!("[{section}] {key}: {text}"));
    }

    /// The key to be read next. An empty value counts as absent.
    pub(super) fn at(
        &mut self,
        section: &'static str,
        name: &'static str,
        about: &'static str,
    ) -> Entry<'_> {
        let place = (section.to_owned(), name.to_owned());
        let value = self.overrides.remove(&place).or_else(|| self.values.get(&place).cloned());
        let mut value = value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if value.take_if(|text| text.contains(char::REPLACEMENT_CHARACTER)).is_some() {
            self.problem(section, name, "is not UTF-8, or was not when it was written");
        }
        let (default, values) = (String::new(), String::new());
        self.keys.push(Key { section, name, default, values, about: about.trim() });
        Entry { reader: self, section, name, value }
    }

    /// All keys, and the problems. A key that nobody asked for is a typing error, never ignored.
    pub(super) fn finish(mut self) -> (Vec<Key>, Vec<String>) {
        let mut found: Vec<_> = std::mem::take(&mut self.values).into_keys().collect();
        // Other programs may have variables that look like ours, but not like our sections.
        let sections: Vec<_> = self.keys.iter().map(|one| one.section).collect();
        let overrides = std::mem::take(&mut self.overrides).into_keys();
        found.extend(overrides.filter(|(section, _)| sections.contains(&section.as_str())));
        for (section, key) in found {
            let names = self.keys.iter().filter(|one| one.section == section).map(|one| one.name);
            if names.clone().any(|one| one == key) {
                continue;
            }
            let text = match nearest(&key, names) {
                Some(meant) => format!("unknown key, did you mean {meant:?}?"),
                None => "unknown key".to_owned(),
            };
            self.problem(&section, &key, text);
        }
        (self.keys, self.problems)
    }
}

/// The values of an INI text, by section and key.
///
/// # Errors
/// The line that is wrong, without what stands in it: it may be a secret.
pub(super) fn sections(text: &str) -> Result<BTreeMap<(String, String), String>> {
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
    Ok(values)
}

/// `LINKOPS_<SECTION>_<KEY>`, taken apart.
fn overriding((name, value): (String, String)) -> Option<((String, String), String)> {
    let name = name.strip_prefix("LINKOPS_")?.to_ascii_lowercase();
    let (section, key) = name.split_once('_')?;
    Some(((section.to_owned(), key.to_owned()), value))
}

/// One key while it is read: each method says what its values are, and what stands for none.
pub(super) struct Entry<'a> {
    reader: &'a mut Reader,
    section: &'static str,
    name: &'static str,
    value: Option<String>,
}

impl Entry<'_> {
    /// The value, if there is one and `parse` takes it; `values` says what it takes.
    fn take<T>(
        self,
        default: &str,
        values: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        if let Some(key) = self.reader.keys.last_mut() {
            key.default = default.to_owned();
            key.values = values.to_owned();
        }
        let text = self.value?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.reader.problem(self.section, self.name, format!("{text:?} is not {values}"));
        }
        parsed
    }

    pub(super) fn number<T>(self, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        self.amount("a whole number", default, range)
    }

    pub(super) fn bytes(self, default: usize, range: RangeInclusive<usize>) -> usize {
        self.amount("a whole number of bytes", default, range)
    }

    pub(super) fn megabytes(self, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.amount("a whole number of MiB", default, range) << 20
    }

    pub(super) fn milliseconds(self, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.amount("a whole number of milliseconds", default, range))
    }

    pub(super) fn seconds(self, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.amount("a whole number of seconds", default, range))
    }

    pub(super) fn minutes(self, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(60 * self.amount("a whole number of minutes", default, range))
    }

    pub(super) fn hours(self, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(3_600 * self.amount("a whole number of hours", default, range))
    }

    pub(super) fn days(self, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(86_400 * self.amount("a whole number of days", default, range))
    }

    fn amount<T>(self, what: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        let values = format!("{what} from {} to {}", range.start(), range.end());
        let parse = |text: &str| text.parse().ok().filter(|one| range.contains(one));
        self.take(&default.to_string(), &values, parse).unwrap_or(default)
    }

    pub(super) fn flag(self, default: bool) -> bool {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
            _ => None,
        };
        let text = if default { "on" } else { "off" };
        self.take(text, "\"on\" or \"off\"", parse).unwrap_or(default)
    }

    /// True for `first`, which is also the default; false for `second`.
    pub(super) fn choice(self, first: &str, second: &str) -> bool {
        let parse = |text: &str| [first, second].contains(&text).then_some(text == first);
        self.take(first, &format!("{first:?} or {second:?}"), parse).unwrap_or(true)
    }

    pub(super) fn text(self, default: &str) -> String {
        let any = |text: &str| Some(text.to_owned());
        self.take(default, "a text", any).unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn optional(self) -> Option<String> {
        self.take("", "a text", |text| Some(text.to_owned()))
    }

    pub(super) fn path(self, default: &str) -> PathBuf {
        self.path_or(default).unwrap_or_else(|| PathBuf::from(default))
    }

    pub(super) fn optional_path(self) -> Option<PathBuf> {
        self.path_or("")
    }

    /// A file, or `-` for standard error.
    pub(super) fn path_or_stderr(self, default: &str) -> Option<PathBuf> {
        if self.value.as_deref() == Some("-") { None } else { Some(self.path(default)) }
    }

    fn path_or(self, default: &str) -> Option<PathBuf> {
        let base = self.reader.base.clone();
        self.take(default, "a path", |text| Some(base.join(text)))
    }

    /// Never quoted in a problem.
    pub(super) fn secret(self, least: usize) -> Secret {
        const HINT: &str = "make one with: openssl rand -hex 32";
        let text = self.value.clone().unwrap_or_default();
        let problem = match text.len() {
            0 => Some(format!("is required\n{HINT}")),
            length if length < least => {
                Some(format!("has {length} bytes, at least {least} are needed\n{HINT}"))
            }
            _ => None,
        };
        if let Some(problem) = problem {
            self.reader.problem(self.section, self.name, problem);
        }
        self.take("", &format!("a text of at least {least} bytes"), |_| Some(()));
        Secret::from(text.as_str())
    }

    pub(super) fn list(self) -> Vec<String> {
        let parts = |text: &str| {
            let parts = text.split(',').map(|one| one.trim().to_owned());
            Some(parts.filter(|one| !one.is_empty()).collect())
        };
        self.take("", "a list, with commas between", parts).unwrap_or_default()
    }

    pub(super) fn address(self, default: &str) -> IpAddr {
        let found = self.take(default, "an IP address", |text| text.parse().ok());
        found.or_else(|| default.parse().ok()).unwrap_or(IpAddr::from([127, 0, 0, 1]))
    }

    pub(super) fn level(self, default: &str) -> log::LevelFilter {
        let parse = |text: &str| {
            let name = if text.eq_ignore_ascii_case("warning") { "WARN" } else { text };
            name.parse().ok()
        };
        let levels = "one of ERROR, WARNING, INFO, DEBUG, TRACE and OFF";
        self.take(default, levels, parse).unwrap_or(log::LevelFilter::Info)
    }
}
