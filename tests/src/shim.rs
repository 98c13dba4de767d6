//! Faults of the file system and the clock, made by `tests/faults/shim.c` in the process under test.
//!
//! A [`Shim`] is compiled once with the system's C compiler, loaded with `LD_PRELOAD`, and steered through eight words
//! of a shared file while the process runs.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// `write` and its kin.
pub const WRITE: u64 = 1;
/// `fsync`, `fdatasync`.
pub const FLUSH: u64 = 2;
/// `rename`.
pub const RENAME: u64 = 4;
/// `ftruncate`.
pub const TRUNCATE: u64 = 8;
/// `open` for writing.
pub const OPEN: u64 = 16;
/// All of these.
pub const ALL: u64 = WRITE | FLUSH | RENAME | TRUNCATE | OPEN;
/// Only the ledger database and its companions.
pub const DATABASE: u64 = 32;
/// Only files other than the ledger database.
pub const REST: u64 = 64;

/// Neither views nor search, which can be thrown away.
pub const LEDGER: u64 = 128;

/// `EIO` of Linux.
pub const EIO: u64 = 5;
/// `ENOSPC` of Linux.
pub const ENOSPC: u64 = 28;

/// Steers the shim in one process.
#[derive(Debug)]
pub struct Shim {
    folder: TempDir,
    state: File,
    below: PathBuf,
    shadow: Option<PathBuf>,
}

impl Shim {
    /// Watches what happens below a folder; fails nothing.
    pub fn new(below: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let state = OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap();
        state.set_len(64).unwrap();
        Self { folder, state, below: below.canonicalize().unwrap(), shadow: None }
    }

    /// Keeps in `shadow` what a power loss would leave.
    #[must_use]
    pub fn with_shadow(mut self, shadow: &Path) -> Self {
        self.shadow = Some(shadow.to_path_buf());
        self
    }

    /// Loads the shim into a command.
    pub fn load(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("SHIM_DIR", &self.below);
        command.env("SHIM_STATE", self.folder.path().join("state"));
        if let Some(shadow) = &self.shadow {
            command.env("SHIM_SHADOW", shadow);
        }
    }

    /// Counts calls of these kinds from now on and fails those from `from` to `until`, counted from 1; 0 fails none.
    pub fn arm(&self, mask: u64, from: u64, until: u64, error: u64) {
        // The mask last: it switches counting on.
        for (word, value) in [(5, 0), (0, 0), (6, 0), (2, from), (3, until), (4, error), (5, mask)] {
            self.set(word, value);
        }
    }

    /// Fails nothing from now on.
    pub fn disarm(&self) {
        self.set(5, 0);
    }

    /// Puts the wall clock wrong by so many seconds; zero puts it right.
    pub fn put_clock_wrong(&self, seconds: i64) {
        self.set(7, seconds.cast_unsigned());
    }

    /// Counted calls since it was armed.
    pub fn calls(&self) -> u64 {
        self.word(0)
    }

    /// Flushes since the process started.
    pub fn flushes(&self) -> u64 {
        self.word(1)
    }

    /// Calls that failed since it was armed.
    pub fn failed(&self) -> u64 {
        self.word(6)
    }

    fn set(&self, word: u64, value: u64) {
        self.state.write_all_at(&value.to_ne_bytes(), word * 8).unwrap();
    }

    fn word(&self, word: u64) -> u64 {
        let mut bytes = [0; 8];
        self.state.read_exact_at(&mut bytes, word * 8).unwrap();
        u64::from_ne_bytes(bytes)
    }
}

/// The compiled shim.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/shim.c");
        let target = std::env::current_exe().unwrap().with_file_name(format!("shim-{}.so", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o"])
            .args([&target, &source])
            .output()
            .expect("a C compiler is needed to inject faults; tests/run installs one");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        target
    })
}
