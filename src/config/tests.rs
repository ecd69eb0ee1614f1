//! What is read, what is refused, and at which value the one ends and the other begins.

use std::time::Duration;

use super::*;

const SECRET: &str = "[api]\njwt_secret = 0123456789#abcdef;0123456789abcdef\n";

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Config::parse(text, Path::new("/etc/linkops"), Secrets::default(), environment)
}

/// R10.4: secrets can stand apart, and in one place only.
#[test]
fn secrets_can_stand_in_a_file_of_their_own_and_not_in_both() {
    let base = Path::new("/etc/linkops");
    let both = |text: &str, secrets: &str| {
        Config::parse(text, base, Secrets::parse(secrets, base).unwrap(), [])
    };
    let config = both("", SECRET).unwrap();
    assert_eq!(config.api.jwt_secret.expose().len(), 34);
    let config = both(SECRET, "[ssh]\nknown_hosts_path = hosts\n").unwrap();
    assert_eq!(config.ssh.known_hosts_path, base.join("hosts"));
    let Err(Error::Config(problems)) = both(SECRET, SECRET) else { panic!("accepted") };
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("in the configuration and in secrets.ini"), "{problems:?}");
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let config = parse(SECRET, &[]).unwrap();
    assert_eq!(config.api.port, 8000);
    assert_eq!(config.api.jwt_expiration, Duration::from_secs(24 * 3600));
    assert_eq!(config.api.jwt_secret.expose().len(), 34, "no comment is cut out of a value");
    assert_eq!(config.git.sync_interval, Duration::from_secs(900));
    assert_eq!(config.operations.output_buffer_size, 1_048_576);
    assert!(config.ssh.accept_new_host_keys && config.security.enrollment_required);
    assert_eq!(config.database, Path::new("/var/lib/linkops/linkops.db"));
    assert_eq!(config.logging.path.as_deref(), Some(Path::new("/var/log/linkops/api.log")));
}

/// R10.1, and "every problem at once".
#[test]
fn every_problem_is_reported_at_once() {
    let text = "[api]\njwt_secret = short\nprot = 1\nport = many\n[git]\nbranch = -x\n\
                [ssh]\nhost_key_policy = none\n[logging]\nlevel = loud\n[nonsense]\na = 1\n";
    let Err(Error::Config(problems)) = parse(text, &[]) else { panic!("accepted") };
    let all = problems.join("\n");
    for part in [
        "[api] jwt_secret: has 5 bytes",
        "[api] prot: unknown key, did you mean \"port\"?",
        "[api] port: \"many\" is not a whole number from 0 to 65535",
        "[git] branch: cannot start",
        "[ssh] host_key_policy: \"none\"",
        "[logging] level: \"loud\"",
        "[nonsense] a: unknown key",
    ] {
        assert!(all.contains(part), "{part:?} is missing in:\n{all}");
    }
    assert_eq!(problems.len(), 7, "{all}");
}

#[test]
fn the_environment_overrides_the_file_and_is_checked_too() {
    let config = parse(SECRET, &[("LINKOPS_API_PORT", "0"), ("OTHER_API_PORT", "9")]).unwrap();
    assert_eq!(config.api.port, 0);
    assert!(parse(SECRET, &[("LINKOPS_API_PROT", "0")]).is_err());
    parse(SECRET, &[("LINKOPS_RUN", "x")]).unwrap();
}

/// The least and the most of each key that takes a number, from what users read.
fn ranges() -> Vec<(Key, i64, i64)> {
    let range = |key: Key| {
        let (_, range) = key.values.split_once(" from ")?;
        let (least, most) = range.split_once(" to ")?;
        Some((key.clone(), least.parse().unwrap(), most.parse().unwrap()))
    };
    keys().into_iter().filter_map(range).collect()
}

#[test]
fn every_limit_is_accepted_at_its_edge_and_refused_beyond() {
    let ranges = ranges();
    assert!(ranges.len() > 40, "{} of {}", ranges.len(), keys().len());
    for (key, least, most) in ranges {
        let variable =
            |name: &str| format!("LINKOPS_{}_{}", key.section, name).to_ascii_uppercase();
        // What belongs together goes along.
        let with = |number: i64| {
            let text = number.to_string();
            let mut environment = vec![(variable(key.name), text.clone())];
            for (one, other) in [
                ("default_concurrency", "max_concurrency"),
                ("max_concurrency", "default_concurrency"),
                ("latency_warning", "latency_critical"),
                ("latency_critical", "latency_warning"),
            ] {
                if key.name == one {
                    environment.push((variable(other), text.clone()));
                }
            }
            Config::parse(SECRET, Path::new("/etc/linkops"), Secrets::default(), environment)
        };
        for good in [least, most] {
            assert!(with(good).is_ok(), "{key:?} {good}: {:?}", with(good));
        }
        for bad in [least - 1, most + 1] {
            let Err(Error::Config(problems)) = with(bad) else { panic!("{key:?} took {bad}") };
            assert!(problems[0].ends_with(&format!("is not {}", key.values)), "{problems:?}");
        }
    }
}

/// What the contract and its additions fix.
#[test]
fn the_edges_are_those_that_were_promised() {
    let ranges = ranges();
    for (section, name, least, most, default) in [
        ("api", "port", 0, 65_535, "8000"),
        ("api", "max_request_size", 1_024, 1 << 30, "10485760"),
        ("api", "rate_limit", 0, 1_000_000, "600"),
        ("api", "login_rate_limit", 0, 1_000_000, "30"),
        ("ssh", "max_retries", 1, 20, "3"),
        ("operations", "script_timeout", 1, 604_800, "300"),
        ("terminal", "max_panes_per_workspace", 1, 4, "4"),
        ("terminal", "recordings_max_age_days", 0, 3_650, "90"),
        ("terminal", "recordings_max_mb", 0, 1_048_576, "1024"),
        ("health", "concurrency", 1, 1_000, "20"),
        ("health", "history_days", 1, 365, "7"),
        ("audit", "retention_days", 0, 36_500, "0"),
    ] {
        let found = ranges.iter().find(|(key, ..)| (key.section, key.name) == (section, name));
        let (key, ..) = found.unwrap();
        assert_eq!(found.map(|(_, from, to)| (*from, *to)), Some((least, most)), "{key:?}");
        assert_eq!(key.default, default, "{key:?}");
    }
}

#[test]
fn units_are_those_of_the_names() {
    let config = parse(
        SECRET,
        &[
            ("LINKOPS_TERMINAL_RECORDINGS_MAX_AGE_DAYS", "2"),
            ("LINKOPS_TERMINAL_RECORDINGS_MAX_MB", "3"),
            ("LINKOPS_AUDIT_RETENTION_DAYS", "400"),
            ("LINKOPS_HEALTH_LATENCY_WARNING", "7"),
            ("LINKOPS_HEALTH_CHECK_INTERVAL_MINUTES", "6"),
            ("LINKOPS_API_METRICS_AUTH", "on"),
        ],
    )
    .unwrap();
    const DAY: u64 = 86_400;
    assert_eq!(config.terminal.recordings_max_age, Duration::from_secs(2 * DAY));
    assert_eq!(config.terminal.recordings_max_size, 3 << 20);
    assert_eq!(config.audit.retention, Duration::from_secs(400 * DAY));
    assert_eq!(config.health.latency_warning, Duration::from_millis(7));
    assert_eq!(config.health.check_interval, Duration::from_secs(360));
    assert!(config.api.metrics_auth);
    assert!(!parse(SECRET, &[]).unwrap().api.metrics_auth);
}

#[test]
fn relative_paths_start_at_the_file_and_secrets_are_not_printed() {
    let config = parse(&format!("{SECRET}[database]\npath = data/a.db\n"), &[]).unwrap();
    assert_eq!(config.database, Path::new("/etc/linkops/data/a.db"));
    assert!(!format!("{config:?}").contains("abcdef"));
}
