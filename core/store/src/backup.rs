//! Copying what lies on the disk while a server writes there: a database as of one commit, and a file with its hash.
//!
//! A database is copied by SQLite itself inside one read transaction (`VACUUM INTO`): the copy is what one commit left, the
//! writer goes on, and pages that were freed are not in it, so text that was withdrawn before is not either. A writer that
//! empties its write-ahead log after a withdrawal or an erasure finds us reading and does it with its next append.
//!
//! Not here: what belongs to a backup and in which order it is taken, and whether the copy is a ledger; that is whoever
//! calls. To copy another database, nothing has to be added.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::Duration,
};

use gongkai_log::Digest;
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

use crate::error::{StoreError, sql};

/// How long a lock on a database is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const COPY: &str = "VACUUM INTO ?";
const CHECK: &str = "PRAGMA integrity_check(1)";

async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    options.disable_statement_logging().connect().await.map_err(sql("opening a database to copy"))
}

/// Writes the database as of its last commit into a file that must not exist, its owner's alone, and flushes it.
///
/// # Errors
/// [`StoreError`]; what was written by then is of no use.
pub async fn copy_database(from: &Path, to: &Path) -> Result<(), StoreError> {
    let doing = "copying a database";
    let mut connection = connect(from).await?;
    // SQLite fills an empty file as it would make one; this one was at no moment readable for others.
    private_file(to).map_err(|e| StoreError::file("making", to, e))?;
    let copied = sqlx::query(COPY).bind(to.to_string_lossy().into_owned()).execute(&mut connection).await;
    let closed = connection.close().await;
    copied.map_err(sql(doing))?;
    closed.map_err(sql(doing))?;
    File::open(to).and_then(|file| file.sync_all()).map_err(|e| StoreError::file("flushing", to, e))
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create_new(true).open(path)
}

/// What SQLite finds wrong with the structure of a copy that nobody else uses; `None` when nothing is.
///
/// # Errors
/// It cannot be read at all.
pub async fn damage_of(copy: &Path) -> Result<Option<String>, StoreError> {
    let doing = "checking a database";
    // Nothing may come into being beside a copy that is hashed as it is.
    let options = SqliteConnectOptions::new().filename(copy).immutable(true).journal_mode(SqliteJournalMode::Delete);
    let options = options.read_only(true).disable_statement_logging();
    let mut connection = options.connect().await.map_err(sql(doing))?;
    let found: Result<String, _> = sqlx::query_scalar(CHECK).fetch_one(&mut connection).await;
    connection.close().await.map_err(sql(doing))?;
    let found = found.map_err(sql(doing))?;
    Ok((found != "ok").then_some(found))
}

/// Bytes of a file and their BLAKE3.
///
/// # Errors
/// [`StoreError::File`].
pub fn measure(path: &Path) -> Result<(u64, Digest), StoreError> {
    let mut hasher = blake3::Hasher::new();
    let read = File::open(path).and_then(|file| hasher.update_reader(file).map(|hasher| hasher.count()));
    let bytes = read.map_err(|e| StoreError::file("reading", path, e))?;
    Ok((bytes, Digest::from_bytes(*hasher.finalize().as_bytes())))
}

/// Copies a file into one that must not exist, with its permissions, and flushes it.
///
/// # Errors
/// [`StoreError::File`].
pub fn copy_file(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut source = File::open(from).map_err(|e| StoreError::file("reading", from, e))?;
    let copied = File::options().write(true).create_new(true).open(to).and_then(|mut target| {
        // Before its bytes: a private key is at no moment readable for others.
        target.set_permissions(source.metadata()?.permissions())?;
        io::copy(&mut source, &mut target)?;
        target.sync_all()
    });
    copied.map_err(|e| StoreError::file("copying to", to, e))
}

/// Flushes the names in a folder.
///
/// # Errors
/// [`StoreError::File`].
pub fn flush_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(|e| StoreError::file("flushing", folder, e))
}

/// Makes a folder that is its owner's alone, with what leads to it.
///
/// # Errors
/// [`StoreError::File`].
pub fn private_folder(folder: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder).map_err(|e| StoreError::file("making folder", folder, e))
}
