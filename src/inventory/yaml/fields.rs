//! Reading the fields of an entry strictly: every problem is noted with its place, and reading
//! goes on, so that one look shows all of them. Values read after a problem do not matter, since
//! one problem refuses the file.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::tree::{self, Node, Step};
use crate::error::{YamlProblem, nearest};

/// The problems of one file.
pub(super) struct Report<'a> {
    file: &'static str,
    text: &'a str,
    problems: RefCell<Vec<(Vec<Step>, String)>>,
}

/// How many problems of a file are told; each costs a search for its line, and nobody reads more.
const MAX_PROBLEMS: usize = 50;

/// A message that quotes the file at length is cut: it goes to the log and into the database.
pub(super) fn short(message: String) -> String {
    const LONGEST: usize = 500;
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'static str, text: &'a str) -> Report<'a> {
        Report { file, text, problems: RefCell::default() }
    }

    pub(super) fn add(&self, path: &[Step], message: String) {
        self.problems.borrow_mut().push((path.to_vec(), short(message)));
    }

    /// What `word` was probably meant to be; looked for as long as somebody will read it.
    pub(super) fn nearest<'b>(
        &self,
        word: &str,
        known: impl IntoIterator<Item = &'b str>,
    ) -> Option<&'b str> {
        let read = self.problems.borrow().len() < MAX_PROBLEMS;
        if read { nearest(word, known) } else { None }
    }

    /// The problems with their lines, in the order of the file.
    pub(super) fn finish(self) -> Vec<YamlProblem> {
        let found = self.problems.into_inner();
        let more = found.len().saturating_sub(MAX_PROBLEMS);
        let (file, text) = (self.file.to_owned(), self.text);
        let locate = |(path, message): (Vec<Step>, String)| YamlProblem {
            file: file.clone(),
            line: tree::line(text, &path),
            message,
        };
        let mut problems: Vec<_> = found.into_iter().take(MAX_PROBLEMS).map(locate).collect();
        problems.sort_by_key(|one| one.line);
        if more > 0 {
            let message = format!("and {more} more problems");
            problems.push(YamlProblem { file, line: None, message });
        }
        problems
    }
}

/// A map of the file with text keys, each at most once.
pub(super) struct Map<'a> {
    report: &'a Report<'a>,
    /// What stands before each message: the entry.
    what: String,
    /// What stands before each key: the way from the entry to this map.
    prefix: String,
    path: Vec<Step>,
    entries: BTreeMap<&'a str, (usize, &'a Node)>,
}

impl<'a> Map<'a> {
    /// The map at `path`; anything else there is a problem, and an empty map.
    pub(super) fn new(
        report: &'a Report<'a>,
        what: String,
        prefix: &str,
        path: Vec<Step>,
        node: &'a Node,
    ) -> Map<'a> {
        let prefix = prefix.to_owned();
        let mut map = Map { report, what, prefix, path, entries: BTreeMap::new() };
        let Node::Map(entries) = node else {
            let name = map.prefix.trim_end_matches('.').to_owned();
            let must = format!("must be a map, not {}", node.kind());
            let message = if name.is_empty() { must } else { format!("{name:?} {must}") };
            map.problem(&[], &message);
            return map;
        };
        for (n, (key, value)) in entries.iter().enumerate() {
            match key {
                Node::Text(key) => {
                    if map.entries.insert(key, (n, value)).is_some() {
                        map.problem(
                            &[Step::Key(n)],
                            &format!("{:?} is there twice", map.full(key)),
                        );
                    }
                }
                other => map.problem(
                    &[Step::Key(n)],
                    &format!("a key must be text, not {}\nwrite it in quotes", other.kind()),
                ),
            }
        }
        map
    }

    /// Refuses other keys than these: a typo must not be ignored silently.
    pub(super) fn only(&self, known: &[&str]) {
        for (key, (n, _)) in &self.entries {
            if !known.contains(key) {
                let hint = match self.report.nearest(key, known.iter().copied()) {
                    Some(one) => format!(", did you mean {:?}?", self.full(one)),
                    None => format!("\nuse {}", known.join(", ")),
                };
                self.problem(&[Step::Key(*n)], &format!("{:?} is not known{hint}", self.full(key)));
            }
        }
    }

    /// The map at `key`, if there is anything.
    pub(super) fn below(&self, key: &str) -> Option<Map<'a>> {
        let (node, path) = self.get(key)?;
        Some(Map::new(self.report, self.what.clone(), &format!("{}.", self.full(key)), path, node))
    }

    /// The entries with the places of key and value.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = (&'a str, &'a Node, Vec<Step>, Vec<Step>)> {
        self.entries.iter().map(|(key, (n, node))| {
            (*key, *node, self.place(&[Step::Key(*n)]), self.place(&[Step::Value(*n)]))
        })
    }

    /// The value of `key`; nothing when it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<(&'a Node, Vec<Step>)> {
        let (n, node) = self.entries.get(key)?;
        let node = Some(*node).filter(|node| **node != Node::Null)?;
        Some((node, self.place(&[Step::Value(*n)])))
    }

    /// What `rule` makes of the value of `key`, if there is one.
    pub(super) fn optional<T>(
        &self,
        key: &str,
        rule: impl FnOnce(&Node) -> Result<T, String>,
    ) -> Option<T> {
        let (node, path) = self.get(key)?;
        let refused = |message| {
            self.report.add(&path, self.sentence(&format!("{:?} {message}", self.full(key))));
        };
        rule(node).map_err(refused).ok()
    }

    /// The same, and its absence is a problem.
    pub(super) fn required<T>(
        &self,
        key: &str,
        rule: impl FnOnce(&Node) -> Result<T, String>,
    ) -> Option<T> {
        if self.get(key).is_none() {
            self.missing(key);
        }
        self.optional(key, rule)
    }

    /// Notes that `key` is missing, at the line of the map.
    pub(super) fn missing(&self, key: &str) {
        self.problem(&[], &format!("{:?} is missing", self.full(key)));
    }

    /// The list of texts at `key`, each after `rule`.
    pub(super) fn texts(
        &self,
        key: &str,
        rule: impl Fn(&Node) -> Result<String, String>,
    ) -> Vec<String> {
        let Some((node, path)) = self.get(key) else { return Vec::new() };
        let Node::List(items) = node else {
            let message = format!("{:?} must be a list, not {}", self.full(key), node.kind());
            self.report.add(&path, self.sentence(&message));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (n, item) in items.iter().enumerate() {
            match rule(item) {
                Ok(text) => texts.push(text),
                Err(message) => {
                    let place = [path.as_slice(), &[Step::Value(n)]].concat();
                    let name = format!("{}[{n}]", self.full(key));
                    self.report.add(&place, self.sentence(&format!("{name:?} {message}")));
                }
            }
        }
        texts
    }

    fn problem(&self, steps: &[Step], message: &str) {
        self.report.add(&self.place(steps), self.sentence(message));
    }

    fn place(&self, steps: &[Step]) -> Vec<Step> {
        let mut place = self.path.clone();
        // A map as a whole stands where its key stands: in block style the value begins later.
        if let ([], Some(Step::Value(n))) = (steps, self.path.last()) {
            place.pop();
            place.push(Step::Key(*n));
        }
        place.extend(steps);
        place
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn sentence(&self, message: &str) -> String {
        if self.what.is_empty() { message.to_owned() } else { format!("{}: {message}", self.what) }
    }
}
