//! The log: one line per record, JSON for machines or text for people, to a file that rotates by
//! size or to standard error. Fields come from `log`'s key-values (`log::info!(operation = id; …)`).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use log::kv::{Key, Value, VisitSource};
use log::{Log, Metadata, Record};

use crate::clock::{Clock, rfc3339};
use crate::config::Logging;
use crate::error::{Error, Result};
use crate::threads::lock;

/// Installs the log for the whole process.
///
/// # Errors
/// The file cannot be opened, or a log is installed already.
pub fn start(settings: &Logging) -> Result<()> {
    let output = match &settings.path {
        Some(path) => Output::File(Rotating::open(path, settings.max_size, settings.backup_count)?),
        None => Output::Stderr,
    };
    let logger = Logger { json: settings.json, output: Mutex::new(output) };
    log::set_boxed_logger(Box::new(logger))
        .map_err(|_| Error::Internal("the log was started twice".to_owned()))?;
    log::set_max_level(settings.level);
    Ok(())
}

struct Logger {
    json: bool,
    output: Mutex<Output>,
}

enum Output {
    Stderr,
    File(Rotating),
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level() && !tells_secrets(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let time = rfc3339(Clock::System.now());
        let mut line = if self.json { json(&time, record) } else { text(&time, record) };
        line.push('\n');
        // A log that cannot be written must not stop the work: there is nobody to tell but stderr.
        let written = match &mut *lock(&self.output) {
            Output::Stderr => io::stderr().write_all(line.as_bytes()),
            Output::File(file) => file.write(line.as_bytes()),
        };
        if written.is_err() {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// Records of the WebSocket library hold what is typed into terminals.
fn tells_secrets(target: &str) -> bool {
    target.starts_with("tungstenite")
}

/// Collects the fields of a record.
struct Fields(Vec<(String, String)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        self.0.push((key.to_string(), value.to_string()));
        Ok(())
    }
}

fn fields(record: &Record<'_>) -> Vec<(String, String)> {
    let mut fields = Fields(Vec::new());
    let _ = record.key_values().visit(&mut fields);
    fields.0
}

fn json(time: &str, record: &Record<'_>) -> String {
    let mut line = serde_json::Map::new();
    line.insert("time".into(), time.into());
    line.insert("level".into(), record.level().as_str().into());
    line.insert("target".into(), record.target().into());
    line.insert("message".into(), record.args().to_string().into());
    for (key, value) in fields(record) {
        line.entry(key).or_insert_with(|| value.into());
    }
    serde_json::Value::Object(line).to_string()
}

fn text(time: &str, record: &Record<'_>) -> String {
    let mut line = format!("{time} {:5} {}", record.level(), record.args());
    for (key, value) in fields(record) {
        line.push_str(&format!(" {key}={value:?}"));
    }
    line.replace('\n', "\n    ")
}

/// A file that is renamed to `.1`, `.2`, … when it has reached its size.
struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: u64,
    keep: usize,
}

impl Rotating {
    fn open(path: &Path, max_size: u64, keep: usize) -> Result<Rotating> {
        let failed = |error| Error::io(format!("open the log {path:?}"), error);
        if let Some(directory) = path.parent().filter(|one| !one.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let file = append_to(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok(Rotating { path: path.to_owned(), file, size, max_size, keep })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.size > 0 && self.size + line.len() as u64 > self.max_size {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.size += line.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            let _ = std::fs::rename(self.numbered(number), self.numbered(number + 1));
        }
        if self.keep > 0 {
            std::fs::rename(&self.path, self.numbered(1))?;
        } else {
            std::fs::remove_file(&self.path)?;
        }
        self.file = append_to(&self.path)?;
        self.size = 0;
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

/// Logs name users and machines: they are for the service and its group.
fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_rotated_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api.log");
        let mut log = Rotating::open(&path, 10, 2).unwrap();
        for line in ["first 10b\n", "second10b\n", "third 10b\n", "last\n"] {
            log.write(line.as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("api.log"), "last\n");
        assert_eq!(read("api.log.1"), "third 10b\n");
        assert_eq!(read("api.log.2"), "second10b\n");
        assert!(!directory.path().join("api.log.3").exists());
    }

    /// R12.1: time, level, context and message.
    #[test]
    fn a_json_line_has_its_fields_and_is_one_line() {
        let fields = [("operation", "OP-10001")];
        let record = Record::builder()
            .args(format_args!("two\nlines"))
            .level(log::Level::Warn)
            .target("linkops::test")
            .key_values(&fields)
            .build();
        let line = json("2026-01-01T00:00:00.000Z", &record);
        assert_eq!(
            line,
            r#"{"time":"2026-01-01T00:00:00.000Z","level":"WARN","target":"linkops::test","message":"two\nlines","operation":"OP-10001"}"#
        );
    }
}
