//! A Rust file as the rules see it: its code without comments and literals, which lines are tests,
//! its functions, and the paths that it names. Line by line and small; it is no parser.

use std::collections::HashMap;

/// A file and what was found in it. Lines are counted from 1.
pub(super) struct Source {
    /// From the repository's root, with slashes.
    pub(super) file: String,
    /// As it is written.
    pub(super) lines: Vec<String>,
    /// The same lines with blanks for comments and for what stands in quotes.
    pub(super) code: Vec<String>,
    /// The paths that the code names, resolved by the file's imports and its place in the tree.
    pub(super) paths: Vec<Named>,
    /// Whether a line is compiled for tests only.
    is_test: Vec<bool>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) length: usize,
}

/// A path that the code names, from its root: `crate::…`, `std::…`, or a crate; a macro ends
/// with `!`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) path: String,
    pub(super) line: usize,
}

impl Source {
    pub(super) fn new(file: &str, text: &str) -> Source {
        let blank = blank(text);
        let code: Vec<String> = blank.lines().map(str::to_owned).collect();
        let whole = !file.starts_with("src/") || file.ends_with("/tests.rs");
        let mut is_test = vec![whole; code.len()];
        for at in find_all(&blank, "#[cfg(test)]") {
            let end = body(&blank, at).map_or(at, |(_, end)| end);
            is_test[line_of(&blank, at) - 1..line_of(&blank, end)].fill(true);
        }
        let lines = text.lines().map(str::to_owned).collect();
        let (file, paths) = (file.to_owned(), Vec::new());
        let source = Source { file, lines, code, paths, is_test };
        Source { paths: source.find_paths(), ..source }
    }

    /// Whether a line is compiled for tests only.
    pub(super) fn is_test(&self, line: usize) -> bool {
        self.is_test.get(line - 1).copied().unwrap_or(false)
    }

    /// Where `word` stands in the code, as lines.
    pub(super) fn lines_with(&self, word: &str) -> Vec<usize> {
        let found = |(number, line): (usize, &String)| line.contains(word).then_some(number + 1);
        self.code.iter().enumerate().filter_map(found).collect()
    }

    /// The functions that have a body.
    pub(super) fn functions(&self) -> Vec<Function> {
        let code = self.code.join("\n");
        let mut functions = Vec::new();
        for at in find_all(&code, "fn ") {
            if code[..at].ends_with(is_word) {
                continue;
            }
            let name: String = code[at + 3..].chars().take_while(|one| is_word(*one)).collect();
            if let Some((_, end)) = body(&code, at) {
                let line = line_of(&code, at);
                functions.push(Function { name, line, length: line_of(&code, end) - line + 1 });
            }
        }
        functions
    }

    fn find_paths(&self) -> Vec<Named> {
        let tokens = tokens(&self.code);
        let mut imports = HashMap::new();
        let mut named = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let (token, line) = (tokens[at].0.as_str(), tokens[at].1);
            let before = at.checked_sub(1).map_or("", |one| tokens[one].0.as_str());
            if token == "use" {
                at = self.import(&tokens, at + 1, "", &mut imports, &mut named);
            } else if starts_path(token) && before != "::" && before != "." {
                let (path, next) = path_at(&tokens, at);
                named.push((path, line));
                at = next;
            } else {
                at += 1;
            }
        }
        let full = |(path, line): (String, usize)| {
            let (first, rest) = path.split_once("::").unwrap_or((&path, ""));
            let path = match imports.get(first) {
                Some(import) if !rest.is_empty() => format!("{import}::{rest}"),
                _ => path,
            };
            Named { path: self.absolute(&path), line }
        };
        named.into_iter().map(full).collect()
    }

    /// One level of a `use`; gives the place behind it.
    fn import(
        &self,
        tokens: &[(String, usize)],
        mut at: usize,
        prefix: &str,
        imports: &mut HashMap<String, String>,
        named: &mut Vec<(String, usize)>,
    ) -> usize {
        let mut path = prefix.to_owned();
        let mut name = String::new();
        while let Some((token, line)) = tokens.get(at) {
            match token.as_str() {
                "{" => {
                    at = self.import(tokens, at + 1, &path, imports, named) - 1;
                    name.clear();
                }
                "," | "}" | ";" => {
                    if !name.is_empty() {
                        let full = self.absolute(&path);
                        // What unit tests import means nothing outside of them.
                        if !self.file.starts_with("src/") || !self.is_test(*line) {
                            imports.insert(name.clone(), full.clone());
                        }
                        name.clear();
                        named.push((full, *line));
                    }
                    if token != "," || prefix.is_empty() {
                        return at + 1;
                    }
                    prefix.clone_into(&mut path);
                }
                "as" => {
                    name = tokens.get(at + 1).map(|one| one.0.clone()).unwrap_or_default();
                    at += 1;
                }
                "::" => {}
                "self" if !path.is_empty() => {
                    name = path.rsplit("::").next().unwrap_or_default().to_owned();
                }
                word => {
                    path =
                        if path.is_empty() { word.to_owned() } else { format!("{path}::{word}") };
                    word.clone_into(&mut name);
                }
            }
            at += 1;
        }
        at
    }

    /// A path from its root: `self` and `super` are replaced by the file's place in the tree.
    fn absolute(&self, path: &str) -> String {
        let mut module = self.module();
        let mut rest = path;
        if !(rest.starts_with("self::") || rest.starts_with("super::")) {
            return path.to_owned();
        }
        loop {
            if let Some(after) = rest.strip_prefix("self::") {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("super::") {
                rest = after;
                module.pop();
            } else {
                module.push(rest);
                return module.join("::");
            }
        }
    }

    /// The module that the file is: `src/ssh/pool.rs` is `crate`, `ssh`, `pool`.
    pub(super) fn module(&self) -> Vec<&str> {
        let path = self.file.strip_prefix("src/").unwrap_or(&self.file).trim_end_matches(".rs");
        let path = path.trim_end_matches("/mod");
        let parts = path.split('/').filter(|one| !["lib", "main"].contains(one));
        std::iter::once("crate").chain(parts).collect()
    }
}

fn is_word(one: char) -> bool {
    one.is_alphanumeric() || one == '_'
}

fn starts_path(token: &str) -> bool {
    token.starts_with(|one: char| one.is_alphabetic() || one == '_')
}

fn find_all(text: &str, what: &str) -> Vec<usize> {
    text.match_indices(what).map(|(at, _)| at).collect()
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The braces of the item that begins at `from`; none when a semicolon ends it.
fn body(code: &str, from: usize) -> Option<(usize, usize)> {
    let mut depth = 0_usize;
    let mut start = None;
    for (at, one) in code[from..].char_indices() {
        match one {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' => {
                start.get_or_insert((from + at, depth));
                depth += 1;
            }
            '}' => {
                depth = depth.saturating_sub(1);
                if let Some((start, outside)) = start
                    && depth == outside
                {
                    return Some((start, from + at));
                }
            }
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The path that begins at a token, and where it ends.
fn path_at(tokens: &[(String, usize)], mut at: usize) -> (String, usize) {
    let mut path = tokens[at].0.clone();
    let word = |at: usize| tokens.get(at).map_or("", |one| one.0.as_str());
    while word(at + 1) == "::" && starts_path(word(at + 2)) {
        path = format!("{path}::{}", word(at + 2));
        at += 2;
    }
    if word(at + 1) == "!" && word(at + 2) != "=" {
        path.push('!');
    }
    (path, at + 1)
}

/// Words, `::` and single signs, with their lines.
fn tokens(code: &[String]) -> Vec<(String, usize)> {
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(code) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|one| !is_word(one)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push((rest[..length].to_owned(), number));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The text with blanks in place of comments and of what stands in quotes; lines stay lines.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = out.ends_with(is_word);
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if first == '"' {
            quoted(rest)
        } else if first == 'r' && (!after_word || out.ends_with('b')) {
            raw(rest)
        } else if first == '\'' {
            character(rest)
        } else {
            0
        };
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|one| if one == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// The length of a string in quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, one) in text.char_indices().skip(1) {
        match one {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw string; 0 when there is none.
fn raw(text: &str) -> usize {
    let marks = text[1..].chars().take_while(|one| *one == '#').count();
    if !text[1 + marks..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(marks));
    text[marks + 2..].find(&end).map_or(text.len(), |at| marks + 2 + at + end.len())
}

/// The length of a character in quotes; 0 for the name of a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text.chars().skip(1);
    match (inside.next(), inside.next()) {
        (Some('\\'), _) => text[3..].find('\'').map_or(0, |at| at + 4),
        (Some(one), Some('\'')) => one.len_utf8() + 2,
        _ => 0,
    }
}
