//! What the tests across rooms share: the real binary, ledgers made with it, servers, statements made by hand.
//!
//! Nothing here is a test, and nothing here imitates the program: ledgers are made by `gongkai init` and `gongkai
//! submit`, pages are read over HTTP. A helper panics where a test should fail, with what it saw. To test another
//! command, call [`gongkai`]; to test another way of lying to the ledger, start from [`statement`].

#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a helper of tests panics exactly where a test has to fail"
)]

pub mod gap;
pub mod gauges;
pub mod ledger;
pub mod load;
pub mod objects;
pub mod outsider;
pub mod parsers;
pub mod postgres;
pub mod power;
pub mod process;
pub mod server;
pub mod shim;
pub mod statement;

use std::path::{Path, PathBuf};

pub use ledger::TestLedger;
pub use objects::ObjectServer;
pub use outsider::Outsider;
pub use postgres::Postgres;
pub use process::{Ran, binary, gongkai, gongkai_with};
pub use server::{Answer, Server, get, post, same_answers};
pub use shim::Shim;

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A file or folder of the shared input; a missing one fails the test.
pub fn shared(path: &str) -> PathBuf {
    let shared = std::env::var_os("GONGKAI_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let path = shared.join(path);
    assert!(path.exists(), "the shared input is missing: {}; set GONGKAI_SHARED", path.display());
    path
}

/// A mapping file of the fixtures.
pub fn mapping(name: &str) -> PathBuf {
    let path = root().join("tests/fixtures/mappings").join(name);
    assert!(path.exists(), "{}", path.display());
    path
}

/// Everything below a folder, as (path relative to it, bytes), in order.
pub fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = walk(folder)
        .into_iter()
        .map(|path| (path.strip_prefix(folder).unwrap().to_path_buf(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Paths of all files below a folder.
pub fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Copies a folder with everything in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
