//! What lies in `api/deploy`: the reference of settings is the program's own, and units and container file speak of
//! commands and settings that there are.
//!
//! Whether a service manager or a container engine likes the files is tried where there is one; here is what can be told
//! everywhere.

use std::fs;
use std::path::PathBuf;

use gongkai_api::cli::command;
use gongkai_api::config::settings::{self, SETTINGS};
use gongkai_tests::root;

fn folder() -> PathBuf {
    root().join("api/deploy")
}

#[test]
fn the_reference_of_settings_is_the_programs_own() {
    let (path, now) = (folder().join("CONFIGURATION.md"), settings::markdown());
    if std::env::var_os("GONGKAI_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert_eq!(written.trim_end(), now.trim_end(), "run with GONGKAI_BLESS=1 and read the difference");
}

#[test]
fn commands_and_settings_of_units_and_container_file_exist() {
    let (mut commands, mut variables) = (0, 0);
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            if let Some(line) = line.strip_prefix("ExecStart=/usr/local/bin/") {
                assert!(command().try_get_matches_from(line.split_whitespace()).is_ok(), "{}: {line}", path.display());
                commands += 1;
            }
            if let Some(words) = line.strip_prefix("CMD ") {
                let words: Vec<String> = serde_json::from_str(words).unwrap();
                let all = std::iter::once("gongkai".to_owned()).chain(words);
                assert!(command().try_get_matches_from(all).is_ok(), "{}: {line}", path.display());
                commands += 1;
            }
            for word in line.split(|c: char| !c.is_ascii_uppercase() && c != '_').filter(|word| word.len() > 8) {
                if word.starts_with(settings::PREFIX) {
                    let known = SETTINGS.iter().any(|setting| setting.variable() == word);
                    let logs = [settings::LOG, settings::LOG_FORMAT, settings::TRACES].contains(&word);
                    assert!(known || logs, "{}: {word}", path.display());
                    variables += 1;
                }
            }
        }
    }
    assert!(commands >= 3 && variables >= 20, "{commands} commands, {variables} variables");
}

#[test]
fn a_unit_that_says_notify_and_one_that_is_hardened_are_so() {
    let unit = fs::read_to_string(folder().join("gongkai.service")).unwrap();
    for line in ["Type=notify", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=gongkai", "User=gongkai"]
    {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    let container = fs::read_to_string(folder().join("Containerfile")).unwrap();
    assert!(container.lines().any(|line| line == "USER 10001"), "nobody's user");
}
