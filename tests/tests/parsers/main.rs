//! Parsers of what others write, fed with the committed seeds and with changes of them: nothing is accepted in a second
//! spelling, nothing panics, and nothing takes more memory than its length allows.
//!
//! The changes are the same in every run. What a fuzzer found and what was made by hand lies beside the seeds that
//! [`seeds`] makes, and is read like them. `GONGKAI_BLESS=1` writes the seeds that are made.

#![expect(clippy::unwrap_used, reason = "a test stops where a seed cannot be read")]

mod changes;
mod seeds;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use gongkai_domain::Submission;
use gongkai_tests::parsers::{MEMORY_BYTES_BASE, PARSERS, Parser, parser_named};
use gongkai_tests::root;

use changes::Changes;

fn folder(parser: &str) -> PathBuf {
    root().join("tests/fuzz/seeds").join(parser)
}

/// The committed seeds of a parser by their names.
fn committed(parser: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = folder(parser);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

/// Reads bytes; whether they were accepted, and no more memory was taken than allowed.
fn read(parser: &Parser, what: &str, bytes: &[u8]) -> bool {
    let mut accepted = false;
    let cost = allocation_counter::measure(|| accepted = (parser.read)(bytes)).bytes_max;
    let allowed = parser.memory_factor * bytes.len() as u64 + MEMORY_BYTES_BASE;
    assert!(cost <= allowed, "{} {what}: {} bytes took {cost} of memory, allowed {allowed}", parser.name, bytes.len());
    accepted
}

#[test]
fn the_committed_seeds_are_those_that_are_made() {
    for (parser, name, bytes) in seeds::all() {
        let path = folder(parser).join(name);
        if std::env::var_os("GONGKAI_BLESS").is_some() {
            fs::create_dir_all(folder(parser)).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        let there = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; GONGKAI_BLESS=1 writes it", path.display()));
        assert!(there == *bytes, "{}: GONGKAI_BLESS=1 writes it anew; look at the difference", path.display());
    }
}

#[test]
fn every_seed_that_is_made_is_accepted() {
    for (parser, name, bytes) in seeds::all() {
        assert!(read(parser_named(parser), name, bytes), "{parser}/{name} is refused");
    }
}

#[test]
fn changed_seeds_are_refused_or_read_as_they_are_and_cost_little() {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(parser) = PARSERS.get(next.fetch_add(1, Ordering::Relaxed)) {
            let seeds = committed(parser.name);
            for (name, bytes) in &seeds {
                read(parser, name, bytes);
                for (number, changed) in Changes::new(bytes, seeds.values()).enumerate() {
                    read(parser, &format!("{name}, change {number}"), &changed);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let done = done.into_inner();
    assert!(done > 500 * PARSERS.len(), "only {done} inputs");
    println!("{done} changed inputs");
}

#[test]
fn what_is_longer_than_its_limit_is_refused_whatever_it_says() {
    for parser in PARSERS {
        let Some(bytes_max) = parser.bytes_max else { continue };
        for (name, seed) in committed(parser.name) {
            let long: Vec<u8> = seed.iter().copied().cycle().take(bytes_max + 1).collect();
            assert!(!read(parser, &name, &long), "{}/{name}, repeated", parser.name);
        }
    }
}

/// Eight bytes of text and some seven hundred of memory each, in as many bytes as a request may have.
#[test]
fn a_submission_of_nothing_but_brackets_is_refused_before_it_is_parsed() {
    let bomb = format!("{{\"note\":[{}0]}}", "{\"\":0},".repeat(1_190_000));
    let mut refused = false;
    let cost = allocation_counter::measure(|| refused = Submission::parse(bomb.as_bytes()).is_err());
    assert!(refused && cost.bytes_max < 4_096, "{} bytes took {}", bomb.len(), cost.bytes_max);
}

#[test]
fn every_parser_has_a_fuzz_target_and_every_target_a_parser() {
    let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml")).unwrap();
    let targets = fs::read_dir(root().join("tests/fuzz/fuzz_targets")).unwrap();
    let mut targets: Vec<String> =
        targets.map(|target| target.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    targets.sort();
    let mut names: Vec<&str> = PARSERS.iter().map(|parser| parser.name).collect();
    names.sort_unstable();
    assert_eq!(targets, names);
    for name in names {
        let target = fs::read_to_string(root().join(format!("tests/fuzz/fuzz_targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("parser_named(\"{name}\")")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}
