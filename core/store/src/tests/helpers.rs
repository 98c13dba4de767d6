//! What several tests need: checking a whole ledger, and changing its database by hand.

use std::{fs, path::Path};

use gongkai_domain::Replay;
use gongkai_log::{Finding, FsckError, Options, Report, fsck};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    DatabaseFetch, DirectoryFetch, Layout, StoreError,
    testing::{COUNTY, Fixture, ledger_keys},
};

fn options() -> Options<'static> {
    Options { threads: 2, check_openings: true, ..Options::default() }
}

/// Checks what is published, from the files alone.
pub(super) async fn fsck_files(layout: &Layout) -> Result<Report, FsckError<StoreError>> {
    let fetch = DirectoryFetch::new(layout.log());
    let log = ledger_keys().log.verifier();
    tokio::task::spawn_blocking(move || fsck(&fetch, &mut Replay::new(&log), &log, &options())).await.unwrap()
}

/// Checks the database.
pub(super) async fn fsck_database(layout: &Layout) -> Result<Report, FsckError<StoreError>> {
    let fetch = DatabaseFetch::open(layout, &ledger_keys().log).await.unwrap();
    let log = ledger_keys().log.verifier();
    tokio::task::spawn_blocking(move || fsck(&fetch, &mut Replay::new(&log), &log, &options())).await.unwrap()
}

pub(super) fn finding(result: Result<Report, FsckError<StoreError>>) -> Finding {
    match result {
        Err(FsckError::Finding(finding)) => finding,
        other => panic!("nothing was found: {other:?}"),
    }
}

/// Files and database both verify, and hold the same.
pub(super) async fn verifies(fixture: &Fixture) -> Report {
    fixture.published().await;
    let files = fsck_files(&fixture.layout()).await.unwrap();
    let database = fsck_database(&fixture.layout()).await.unwrap();
    assert_eq!((files.size, files.root, files.head), (database.size, database.root, database.head));
    assert_eq!(files.openings, files.statements, "each statement has its openings line");
    assert_eq!((files.openings_missing, files.lists_missing), (0, 0));
    files
}

/// A connection of somebody who may do everything.
pub(super) async fn operator(layout: &Layout) -> SqliteConnection {
    SqliteConnectOptions::new().filename(layout.database()).connect().await.unwrap()
}

/// Runs SQL as the operator, without the triggers that stand in the way.
pub(super) async fn tamper(layout: &Layout, sql: &'static str) {
    let mut connection = operator(layout).await;
    let triggers = "DROP TRIGGER IF EXISTS entries_are_never_changed; DROP TRIGGER IF EXISTS entries_are_never_deleted; \
                    DROP TRIGGER IF EXISTS head_never_goes_back;";
    sqlx::raw_sql(triggers).execute(&mut connection).await.unwrap();
    let done = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql} changed nothing");
    connection.close().await.unwrap();
}

/// All files below a folder.
pub(super) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Which files hold these bytes.
pub(super) fn holding(folder: &Path, needle: &[u8]) -> Vec<std::path::PathBuf> {
    let holds = |path: &std::path::PathBuf| fs::read(path).unwrap().windows(needle.len()).any(|part| part == needle);
    files(folder).into_iter().filter(holds).collect()
}

/// Copies a ledger's directory, as a backup or a disk image would.
pub(super) fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&path, &target).unwrap();
    }
}

/// Puts a database file back as it was when it was closed in good order.
pub(super) fn restore(layout: &Layout, database: &[u8]) {
    for suffix in ["-wal", "-shm"] {
        let mut name = layout.database().into_os_string();
        name.push(suffix);
        // Readers leave theirs behind.
        let _ = fs::remove_file(name);
    }
    fs::write(layout.database(), database).unwrap();
}

/// Pledges by 丙, who publishes for the county, until they are published.
pub(super) async fn append(fixture: &mut Fixture, pledges: usize) {
    let pledges = fixture.pledges(pledges, "丙", COUNTY);
    for answer in fixture.ledger.submit_many(pledges.into_iter().map(|pledge| (None, pledge)).collect()).await {
        answer.unwrap();
    }
    fixture.published().await;
}
