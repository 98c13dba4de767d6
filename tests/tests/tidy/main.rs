//! Rules about the source itself: who may use whom, what every file must say and may not say, what people must look
//! at when it changes.
//!
//! Not here: what the compiler, clippy, rustfmt and cargo-deny check. To add a rule, add a test that names the file and
//! the line; to accept a changed golden file, run the tests with `GONGKAI_BLESS=1` and read the difference.

#![expect(clippy::unwrap_used, reason = "a rule that cannot read its files has failed")]

mod deploy;
mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gongkai_domain::KINDS;
use gongkai_domain::field::{Place, Shape};
use gongkai_domain::kind::FollowUp;
use gongkai_domain::kind::registry::Level;
use gongkai_domain::procedure::{Procedure, SCHEMES, rule_of};
use gongkai_domain::rules::RuleCode;
use gongkai_tests::{gongkai, root, walk};

/// Longest source file. A file that grows beyond it tells more than one story.
const LINES_MAX: usize = 1_500;

/// Our crates with their folders, and which of ours they may use (design 2).
const ROOMS: [(&str, &str, &[&str]); 6] = [
    ("gongkai-log", "core/log", &[]),
    ("gongkai-domain", "core/domain", &["gongkai-log"]),
    ("gongkai-store", "core/store", &["gongkai-log", "gongkai-domain"]),
    ("gongkai-projections", "projections", &["gongkai-log", "gongkai-domain", "gongkai-store"]),
    ("gongkai-api", "api", &["gongkai-log", "gongkai-domain", "gongkai-store", "gongkai-projections"]),
    (
        "gongkai-tests",
        "tests",
        &["gongkai-log", "gongkai-domain", "gongkai-store", "gongkai-projections", "gongkai-api"],
    ),
];

/// What a room may not depend on, whoever made it.
const FOREIGN: [(&str, &[&str]); 5] = [
    ("core/log", &["tokio", "sqlx", "axum", "hyper", "ureq", "getrandom", "rand", "tracing"]),
    ("core/domain", &["tokio", "sqlx", "axum", "hyper", "ureq", "getrandom", "rand", "tracing"]),
    ("core/store", &["axum", "hyper", "askama", "ureq", "clap", "tantivy"]),
    ("projections", &["axum", "hyper", "askama", "ureq", "clap"]),
    ("api", &["sqlx", "tantivy"]),
];

/// All text files that belong to the project, as paths relative to the workspace.
fn files() -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            // In a linked working tree `.git` is a file that says where the repository lies.
            if name == ".git" {
                continue;
            }
            if path.is_dir() {
                let made = ["target", "node_modules", "demo"].contains(&name.as_str());
                if !made || path == root.join("api/demo") || path.ends_with("src/demo") {
                    folders.push(path);
                }
            } else {
                found.push(path.strip_prefix(&root).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    found
}

fn text(path: &Path) -> Option<String> {
    String::from_utf8(fs::read(root().join(path)).unwrap()).ok()
}

fn rust() -> Vec<(PathBuf, String)> {
    let files = files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    files.map(|path| (path.clone(), text(&path).unwrap())).collect()
}

/// Whether a file holds nothing but tests: by its place, its name, or because its parent module says so.
fn is_test(path: &Path) -> bool {
    let (folder, stem) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
    let declared = format!("#[cfg(test)]\nmod {stem};");
    let parents = ["mod.rs", "lib.rs", "main.rs"].map(|name| folder.join(name));
    path.starts_with("tests")
        || path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches")))
        || parents.iter().any(|parent| root().join(parent).is_file() && text(parent).unwrap().contains(&declared))
}

/// The part of a file that is not tests: everything before the first module under `#[cfg(test)]`.
fn without_tests(text: &str) -> &str {
    text.match_indices("#[cfg(test)]\nmod ")
        .find(|(at, _)| text[*at..].lines().nth(1).is_some_and(|line| line.ends_with('{')))
        .map_or(text, |(at, _)| &text[..at])
}

fn nothing(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

fn dependencies(folder: &str, sections: &[&str]) -> BTreeSet<String> {
    let manifest: toml::Table = text(&Path::new(folder).join("Cargo.toml")).unwrap().parse().unwrap();
    let tables = sections.iter().filter_map(|section| manifest.get(*section)?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

#[test]
fn each_room_uses_only_the_rooms_to_its_left() {
    let mut found = Vec::new();
    for (name, folder, allowed) in ROOMS {
        for used in dependencies(folder, &["dependencies", "dev-dependencies", "build-dependencies"]) {
            if used.starts_with("gongkai-") && used != name && !allowed.contains(&used.as_str()) {
                found.push(format!("{folder}/Cargo.toml: {used}"));
            }
        }
        for (path, text) in rust().into_iter().filter(|(path, _)| path.starts_with(folder)) {
            for (other, _, _) in ROOMS {
                let module = format!("{}::", other.replace('-', "_"));
                if other != name && !allowed.contains(&other) && text.contains(&module) {
                    found.push(format!("{}: {module}", path.display()));
                }
            }
        }
    }
    nothing(&found, "a room uses a room to its right");
}

#[test]
fn no_room_brings_in_what_belongs_to_another() {
    let mut found = Vec::new();
    for (folder, banned) in FOREIGN {
        let used = dependencies(folder, &["dependencies"]);
        found.extend(banned.iter().filter(|b| used.contains(**b)).map(|b| format!("{folder}/Cargo.toml: {b}")));
    }
    nothing(&found, "a dependency in the wrong room (design 2)");
}

#[test]
fn the_core_reads_no_clock_no_file_and_no_network_and_is_never_async() {
    const BANNED: [&str; 11] = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "SystemTime",
        "Instant::now",
        "Utc::now",
        "Local::now",
        "async fn",
        ".await",
        "println!",
    ];
    let mut found = Vec::new();
    for (path, text) in rust() {
        let pure = path.starts_with("core/log/src") || path.starts_with("core/domain/src");
        if !pure || is_test(&path) {
            continue;
        }
        for (number, line) in (1..).zip(without_tests(&text).lines()) {
            if line.trim_start().starts_with("//") {
                continue;
            }
            found.extend(
                BANNED.iter().filter(|b| line.contains(**b)).map(|b| format!("{}:{number}: {b}", path.display())),
            );
        }
    }
    nothing(&found, "the core decides, the shell does");
}

#[test]
fn the_reading_side_never_names_a_table_of_the_ledger() {
    let mut found = Vec::new();
    for (path, text) in rust().into_iter().filter(|(path, _)| path.starts_with("projections/src")) {
        for table in ["FROM entries", "FROM head", "FROM openings", "FROM lists", "FROM requests", "ledger.db"] {
            if text.contains(table) {
                found.push(format!("{}: {table}", path.display()));
            }
        }
    }
    nothing(&found, "ledger tables are read through gongkai-store (design 2)");
}

#[test]
fn every_module_opens_with_what_it_is() {
    let bare = rust().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    nothing(&bare.map(|(path, _)| path.display().to_string()).collect::<Vec<_>>(), "no //! at the top");
}

#[test]
fn nobody_unwraps_outside_tests() {
    let mut found = Vec::new();
    for (path, text) in rust().into_iter().filter(|(path, _)| !is_test(path)) {
        for (number, line) in (1..).zip(without_tests(&text).lines()) {
            if !line.trim_start().starts_with("//") && line.contains(".unwrap()") {
                found.push(format!("{}:{number}", path.display()));
            }
        }
    }
    nothing(&found, "unwrap() outside tests");
}

#[test]
fn no_file_tells_two_stories() {
    let long = rust().into_iter().map(|(path, text)| (path, text.lines().count())).filter(|(_, n)| *n > LINES_MAX);
    nothing(&long.map(|(path, n)| format!("{}: {n}", path.display())).collect::<Vec<_>>(), "more than 1,500 lines");
}

#[test]
fn nothing_is_left_for_later_and_no_machine_is_named() {
    // Taken apart, so that this file does not hold them.
    let banned = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("HA", "CK:"),
        concat!("unimple", "mented!"),
        concat!("to", "do!("),
        concat!("crates", ".io"),
        concat!("registry.", "npmjs"),
        concat!("py", "pi.org"),
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    let mut found = Vec::new();
    // Lock files name their registry because cargo writes it so.
    for path in files().into_iter().filter(|path| path.file_name().is_none_or(|name| name != "Cargo.lock")) {
        let Some(text) = text(&path) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            found.extend(
                banned.iter().filter(|b| line.contains(**b)).map(|b| format!("{}:{number}: {b}", path.display())),
            );
        }
    }
    nothing(&found, "left for later, or bound to one machine");
}

#[test]
fn no_test_sleeps_or_is_skipped() {
    let banned = [concat!("#[ign", "ore"), concat!("thread::sl", "eep"), concat!("time::sl", "eep(")];
    let mut found = Vec::new();
    for (path, text) in rust() {
        let tests = if is_test(&path) { text.as_str() } else { &text[without_tests(&text).len()..] };
        found.extend(banned.iter().filter(|b| tests.contains(**b)).map(|b| format!("{}: {b}", path.display())));
    }
    nothing(&found, "a test that waits or does not run");
}

#[test]
fn every_migration_has_a_number_and_a_story() {
    let mut found = Vec::new();
    let mut folders: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for path in walk(&root().join("migrations")).into_iter().filter(|p| p.extension().is_some_and(|e| e == "sql")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        folders.entry(path.parent().unwrap().to_path_buf()).or_default().push(name);
    }
    assert!(folders.len() >= 3, "ledger/sqlite, views/sqlite and views/postgres: {folders:?}");
    for (folder, names) in &folders {
        for (number, name) in (1..).zip(names) {
            let story = name.strip_prefix(&format!("{number:04}_")).and_then(|rest| rest.strip_suffix(".sql"));
            let told = story.is_some_and(|story| {
                story.contains(|c: char| c.is_ascii_lowercase())
                    && story.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            });
            if !told {
                found.push(format!("{}/{name}", folder.display()));
            }
        }
    }
    nothing(&found, "migrations are named NNNN_story.sql, without gaps");
    let views = |dialect| &folders[&root().join("migrations/views").join(dialect)];
    assert_eq!(views("sqlite"), views("postgres"), "the dialects of the views go together");
}

#[test]
fn every_column_says_what_it_holds() {
    const TYPES: [&str; 10] =
        ["TEXT", "INTEGER", "BLOB", "BIGINT", "BYTEA", "BOOLEAN", "SMALLINT", "REAL", "DATE", "TIMESTAMPTZ"];
    let (mut found, mut columns) = (Vec::new(), 0);
    for path in walk(&root().join("migrations")).into_iter().filter(|p| p.extension().is_some_and(|e| e == "sql")) {
        let text = fs::read_to_string(&path).unwrap();
        let mut before = "";
        for (number, line) in (1..).zip(text.lines()) {
            let (line, above) = (line.trim(), std::mem::replace(&mut before, line.trim()));
            let mut words = line.split([' ', ',']);
            let name = words.next().unwrap_or_default();
            let is_column = words.next().is_some_and(|word| TYPES.contains(&word))
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_column {
                columns += 1;
                if !line.contains("-- ") && !above.starts_with("-- ") {
                    found.push(format!("{}:{number}: {name}", path.display()));
                }
            }
        }
    }
    assert!(columns > 50, "only {columns} columns were recognized");
    nothing(&found, "a column without a comment");
}

/// One line a field: kind, name, place, tier, shape, required. Who sees what must be looked at when it changes.
fn fields() -> String {
    let mut out = String::from("# kind\tfield\tplace\ttier\tshape\trequired\n");
    for kind in KINDS {
        for field in kind.fields {
            let (place, tier) = match field.place {
                Place::Body => ("body", "-".to_owned()),
                Place::Slot(tier) => ("slot", tier.to_string()),
            };
            let required = if field.required { "required" } else { "optional" };
            writeln!(out, "{}\t{}\t{place}\t{tier}\t{}\t{required}", kind.name, field.name, shape(&field.shape))
                .unwrap();
        }
        for list in kind.list.shapes() {
            for column in list.columns {
                let required = if column.required { "required" } else { "optional" };
                let name = format!("{}[].{}", list.name, column.name);
                writeln!(out, "{}\t{name}\tlist\t{}\t{}\t{required}", kind.name, column.tier, shape(&column.shape))
                    .unwrap();
            }
        }
    }
    out
}

/// Choices and records by their wire names.
fn shape(shape: &Shape) -> String {
    match shape {
        Shape::Choice(choices) => choices.iter().map(|(wire, _)| *wire).collect::<Vec<_>>().join("|"),
        Shape::Records(fields) => format!("[{}]", fields.iter().map(|f| f.name).collect::<Vec<_>>().join(",")),
        other => format!("{other:?}"),
    }
}

/// Who must approve: which scheme binds which level, and one line a kind, procedure and step.
fn gates() -> String {
    let mut out = String::from("# scheme\tlevel\tprocedure\n");
    for scheme in SCHEMES {
        for level in Level::ALL {
            let procedure = if scheme.levels.contains(level) { Procedure::of(*level).wire() } else { "-" };
            writeln!(out, "{}\t{}\t{procedure}", scheme.value, level.wire()).unwrap();
        }
    }
    out.push_str("# kind\trule\tprocedure\tstep\tgate\trole\tpeople\tseat\tsigns what is published\n");
    for kind in KINDS {
        let Some(rule) = rule_of(kind.name).map(RuleCode::wire) else { continue };
        if !kind.is_gated() {
            writeln!(out, "{}\t{rule}\t-", kind.name).unwrap();
            continue;
        }
        for procedure in Procedure::ALL {
            for (place, step) in (1..).zip(procedure.steps()) {
                let (passed, held_by, cosigns) =
                    (step.gate.wire(), step.role.wire(), if step.cosigns { "yes" } else { "no" });
                let seat = format!("{:?}", step.seat).to_lowercase();
                let procedure = procedure.wire();
                writeln!(
                    out,
                    "{}\t{rule}\t{procedure}\t{place}\t{passed}\t{held_by}\t{}\t{seat}\t{cosigns}",
                    kind.name, step.people
                )
                .unwrap();
            }
        }
    }
    out
}

/// What whoever handed a sealed matter in gets of it without signing in, and which fields of its steps they are told.
fn follow_up() -> String {
    let mut out = String::from("# kind that opens a sealed matter\tits submitter gets\n");
    for kind in KINDS.iter().filter(|kind| kind.sealed && kind.opens) {
        let gets = match kind.follow_up {
            FollowUp::Receipt => "that it was received and recorded; no opening of the content",
            FollowUp::Content => "that; an opening of the content on request",
            FollowUp::Answers => "that, state and steps; an opening of the content on request",
        };
        writeln!(out, "{}\t{gets}", kind.name).unwrap();
    }
    out.push_str("# step\tfields that the submitter is told\n");
    for kind in KINDS.iter().filter(|kind| !kind.told.is_empty()) {
        writeln!(out, "{}\t{}", kind.name, kind.told.join(" ")).unwrap();
    }
    out
}

/// Compares a list with its golden file, and renews the file when asked to.
fn golden(name: &str, now: &str) {
    let path = root().join("tests/golden").join(name);
    if std::env::var_os("GONGKAI_BLESS").is_some() {
        fs::write(&path, now).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    for (old, new) in golden.lines().zip(now.lines()) {
        assert_eq!(old, new, "tests/golden/{name}: run with GONGKAI_BLESS=1 and read the difference");
    }
    assert_eq!(golden.lines().count(), now.lines().count(), "tests/golden/{name} has another length");
}

#[test]
fn who_sees_which_field_changes_only_before_everybodys_eyes() {
    golden("fields.txt", &fields());
}

#[test]
fn what_a_submitter_follows_changes_only_before_everybodys_eyes() {
    golden("follow_up.txt", &follow_up());
}

#[test]
fn who_must_approve_what_changes_only_before_everybodys_eyes() {
    golden("gates.txt", &gates());
}

#[test]
fn every_case_that_others_failed_names_tests_that_exist() {
    let architecture = text(Path::new("ARCHITECTURE.md")).unwrap();
    let table = architecture.split_once("## Thirty cases").unwrap().1.split_once("\n## ").unwrap().0;
    let cases: Vec<&str> = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")).collect();
    assert_eq!(cases.len(), 30);
    let code: String = rust().into_iter().map(|(_, text)| text).collect();
    let mut missing = Vec::new();
    for case in cases {
        // A code span with underscores is a test.
        let names = case.split('`').skip(1).step_by(2).filter(|name| name.contains('_'));
        missing
            .extend(names.filter(|name| !code.contains(&format!("fn {name}("))).map(|name| format!("{case}: {name}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_command_in_the_documents_exists() {
    let help = gongkai(["--help"]).ok().out;
    let known: BTreeSet<&str> = help
        .lines()
        .filter(|line| line.starts_with("  ") && !line.trim_start().starts_with('-'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut found = Vec::new();
    let mut said = BTreeSet::new();
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = text(Path::new(document)).unwrap();
        for (at, _) in text.match_indices("gongkai ") {
            // A command stands at the start of a line or of a code span; "gongkai" inside a name is not one.
            let before = text[..at].chars().next_back();
            if !matches!(before, None | Some('\n' | '`' | '/' | '$' | ' ')) {
                continue;
            }
            let word: String = text[at + 8..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            let code = before == Some('`') || before == Some('/');
            if code && !word.is_empty() {
                said.insert(word.clone());
                if !known.contains(word.as_str()) {
                    found.push(format!("{document}: gongkai {word}"));
                }
            }
        }
    }
    nothing(&found, "a command that does not exist");
    let readme = text(Path::new("README.md")).unwrap();
    assert!(readme.contains("tests/run"), "the README names the command that runs all tests");
    assert!(readme.contains("demo"), "the README names the command that runs the demo");
}
