//! How often a process flushed: a small library before libc that counts `fsync` and `fdatasync`.
//!
//! It is compiled when the benchmark starts; without a C compiler the benchmark ends, because a write
//! figure without its flushes says nothing about durability. Each process gets a counter of its own.

use std::{
    fs::File,
    io,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use crate::Outcome;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/flushes.c");

/// The environment in which a process finds its counter.
pub(crate) const COUNTER: &str = "GONGKAI_FLUSHES";

/// Compiles the library into `dir`.
pub(crate) fn compile(dir: &Path) -> Outcome<PathBuf> {
    let library = dir.join("flushes.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let status = Command::new(&compiler)
        .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(SOURCE)
        .arg("-ldl")
        .status()
        .map_err(|error| format!("flushes cannot be counted without a C compiler: {}: {error}", compiler.display()))?;
    if status.success() { Ok(library) } else { Err(format!("{SOURCE} does not compile").into()) }
}

/// The counter of one process, readable while it runs.
pub(crate) struct Counter {
    file: File,
    path: PathBuf,
}

impl Counter {
    /// A counter at zero, for whichever user a process runs as.
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        std::fs::write(&path, [0; 8])?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
        Self::open(path)
    }

    /// The counter that a process was given.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { file: File::open(&path)?, path })
    }

    /// Flushes so far.
    pub(crate) fn read(&self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Makes a process count into this counter.
    pub(crate) fn attach(&self, library: &Path, command: &mut Command) {
        command.env("LD_PRELOAD", library).env(COUNTER, &self.path);
    }
}
