//! The host: its clock, the modes and owners of our files, room on its disks.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Finding, Tell};
use crate::clock::{Clock, rfc3339};
use crate::config::Config;
use crate::error::Result;
use crate::store::beside;

/// Before this program was written, in milliseconds since the epoch.
const PAST: i64 = 1_760_000_000_000;
/// Made by systemd's and others' time clients when the clock is right.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";
/// Room below which something has to be done.
const LEAST_ROOM: u64 = 256 << 20;

/// Whether the time of day can be believed: tokens, locks and schedules depend on it.
pub(super) fn clock(config: &Config, tell: Tell<'_>) -> Result<()> {
    const PART: &str = "clock";
    const ADVICE: &str = "set it: timedatectl set-ntp true; in a container, on its host";
    let now = Clock::System.now();
    let newest = newest(config);
    let text = format!("it is {}", rfc3339(now));
    tell(if now < PAST {
        Finding::wrong(PART, format!("{text}, which is in the past"), ADVICE)
    } else if newest > now + 60_000 {
        let text = format!("{text}, but the database was changed at {}", rfc3339(newest));
        Finding::wrong(PART, text, ADVICE)
    } else if Path::new(SYNCHRONIZED).exists() {
        Finding::good(PART, format!("{text}, kept right by a time server"))
    } else {
        Finding::note(
            PART,
            format!("{text}; whether a time server keeps it right is not known"),
            "",
        )
    })
}

/// When the database was last written to, in milliseconds since the epoch.
fn newest(config: &Config) -> i64 {
    let time = |path: PathBuf| Some(fs::metadata(path).ok()?.mtime() * 1_000);
    database_files(config).into_iter().filter_map(time).max().unwrap_or_default()
}

fn database_files(config: &Config) -> Vec<PathBuf> {
    ["", "-wal", "-shm"].map(|end| beside(&config.database, end)).to_vec()
}

/// Whether nobody else can read what is secret, and the server can write what is its own.
pub(super) fn modes(path: &Path, config: &Config, tell: Tell<'_>) -> Result<()> {
    const PART: &str = "modes";
    let mut problems = Vec::new();
    let mut forbid = |path: &Path, bits: u32, who: &str, right: &str| {
        let Ok(data) = fs::metadata(path) else { return }; // what must be there is told elsewhere
        let mode = data.mode() & 0o7777;
        if mode & bits != 0 {
            let text = format!("{} has mode {mode:03o}: {who}", path.display());
            problems.push((text, format!("run: chmod {right} {}", path.display())));
        }
    };
    forbid(path, 0o037, "others can read the key that signs tokens", "640");
    for file in database_files(config) {
        forbid(&file, 0o077, "others can read password hashes", "600");
    }
    forbid(&config.ssh.keys_directory, 0o022, "others can replace keys", "700");
    forbid(&config.ssh.known_hosts_path, 0o022, "others can make hosts trusted", "600");
    problems.extend(strangers(config));
    if problems.is_empty() {
        tell(Finding::good(PART, "files are for the server alone"))?;
    }
    problems.into_iter().try_for_each(|(text, advice)| tell(Finding::wrong(PART, text, advice)))
}

/// Files that belong to another user than the directory of the database.
fn strangers(config: &Config) -> Vec<(String, String)> {
    let Some(home) = config.database.parent() else { return Vec::new() };
    let Ok(owner) = fs::metadata(home).map(|data| data.uid()) else { return Vec::new() };
    let mut files = database_files(config);
    let ssh = &config.ssh;
    files.extend([ssh.keys_directory.clone(), ssh.known_hosts_path.clone()]);
    files.push(config.git.local_path.clone());
    files.extend(config.logging.path.clone());
    files
        .iter()
        .filter_map(|file| Some((file, fs::metadata(file).ok()?.uid())))
        .filter(|(_, uid)| *uid != owner)
        .map(|(file, uid)| {
            let (file, home) = (file.display(), home.display());
            let text = format!("{file} belongs to the user {uid}, {home} to {owner}");
            (text, format!("run: chown -R --reference={home} {file}"))
        })
        .collect()
}

/// Whether there is room for the database to grow, and to be copied before an upgrade.
pub(super) fn disk(config: &Config, tell: Tell<'_>) -> Result<()> {
    const PART: &str = "disk";
    let size: u64 = database_files(config)
        .into_iter()
        .filter_map(|file| fs::metadata(file).ok())
        .map(|data| data.len())
        .sum();
    let log = config.logging.path.clone();
    let places = [Some(config.database.clone()), log, Some(config.git.local_path.clone())];
    for (device, place) in devices(places.into_iter().flatten()) {
        let needed = LEAST_ROOM + if device { 2 * size } else { 0 };
        tell(room(PART, &place, needed))?;
    }
    Ok(())
}

/// One directory for each file system, and whether the database, which comes first, is there.
fn devices(places: impl Iterator<Item = PathBuf>) -> Vec<(bool, PathBuf)> {
    let mut seen: Vec<u64> = Vec::new();
    let mut found = Vec::new();
    for (number, place) in places.enumerate() {
        let there = place.ancestors().find_map(|one| Some((one, fs::metadata(one).ok()?)));
        if let Some((path, data)) = there
            && !seen.contains(&data.dev())
        {
            seen.push(data.dev());
            found.push((number == 0, path.to_owned()));
        }
    }
    found
}

fn room(part: &'static str, place: &Path, needed: u64) -> Finding {
    let shown = place.display();
    match rustix::fs::statvfs(place) {
        Err(error) => Finding::note(part, format!("the room at {shown} is not known: {error}"), ""),
        Ok(system) => {
            let free = system.f_bavail.saturating_mul(system.f_frsize);
            let text = format!("{} MiB are free at {shown}", free >> 20);
            // Some file systems do not count their files.
            if system.f_files > 0 && system.f_favail < 1_000 {
                let text = format!("{text}, but only {} files can be made", system.f_favail);
                return Finding::wrong(part, text, "remove small files there");
            }
            match free < needed {
                true => Finding::wrong(
                    part,
                    format!("{text}, {} MiB are needed", needed >> 20),
                    "make room, or enlarge the file system",
                ),
                false => Finding::good(part, text),
            }
        }
    }
}
