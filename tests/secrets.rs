//! secrets.ini, as the process takes it: read beside the configuration, refused when it is wrong,
//! and the refusal stands in the log.

use std::fs;

use serde_json::Value;

use crate::cli::key;
use crate::support::place::Place;

/// Starting fails, names the problem on standard error and in the log, and opens nothing.
#[track_caller]
fn refused(place: &Place, part: &str) {
    place.run(&["serve"], "").failed(1, &[part]);
    let log = fs::read_to_string(place.path("api.log")).unwrap();
    let record: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(record["level"], "ERROR", "{record}");
    assert!(record["message"].as_str().unwrap().contains(part), "{record}");
    assert!(!place.path("linkops.db").exists(), "nothing starts");
}

/// R10.4, R10.5.
#[test]
fn secrets_are_read_and_wrong_ones_are_logged_and_refused() {
    let place = Place::new("");
    let secrets = place.path("secrets.ini");
    key(&secrets, 0o600);
    for (text, part) in [
        ("[git]\ntoken =\n", "[git] token: is empty"),
        ("[git\n", "not an INI file"),
        ("[api]\njwt_secret = another one\n", "in the configuration and in secrets.ini"),
        ("[ssh]\nkey_path = keys/none\n", "keys/none"),
    ] {
        fs::write(&secrets, text).unwrap();
        refused(&place, part);
        let done = place.run(&["check"], "");
        done.failed(1, &[part]);
        assert!(!done.err.contains("another one"), "{done:?}");
    }
    key(&place.path("keys/mine"), 0o644);
    fs::write(&secrets, "[ssh]\nkey_path = keys/mine\n").unwrap();
    refused(&place, "chmod 600");
    key(&place.path("keys/mine"), 0o600);
    assert_eq!(place.serve_once().code, Some(0));
    place.run(&["check"], "").ok("everything is in order\n");
}

/// R10.3: a file of secrets that everybody can read is no secret.
#[test]
fn an_open_file_of_secrets_is_refused() {
    let place = Place::new("");
    key(&place.path("secrets.ini"), 0o644);
    fs::write(place.path("secrets.ini"), "[git]\ntoken = t\n").unwrap();
    refused(&place, "chmod 600");
}
