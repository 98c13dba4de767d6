//! Where the stores beside a ledger go when its rows move, and how a backup gets them.
//!
//! What leaves a server is copied under the name of a draft before the rows have moved, and gets its own name after: where
//! `ledger.url` says that the rows are on the server still, the draft is removed, so nothing of it is read twice. What goes to a
//! server is brought there by opening it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Beside, BesideFault, KINDS, Kind};
use crate::{
    backup::{copy_database, flush_folder},
    copying::copy_missing,
    database::{Place, ServerUrl, query, remove_file},
    error::{StoreError, sql},
    layout::Layout,
    row_store::version_at,
};

/// How long a lock on a database is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The name of a copy until the rows of the ledger have left the server.
fn draft(path: &Path) -> PathBuf {
    path.with_extension("moving")
}

/// Copies the stores of a ledger that is about to leave its server.
pub(crate) async fn leave_server(layout: &Layout, url: &ServerUrl) -> Result<(), BesideFault> {
    for kind in KINDS {
        let draft = draft(&(kind.path)(layout));
        remove_file(&draft)?;
        collect(kind, layout, url, &draft).await?;
    }
    Ok(())
}

/// Ends what a move began: copies from a server are used from when the rows are in the directory on.
pub(crate) fn settle(layout: &Layout) -> Result<(), StoreError> {
    let is_on_server = layout.server().exists();
    for path in KINDS.map(|kind| (kind.path)(layout)) {
        let draft = draft(&path);
        if is_on_server {
            remove_file(&draft)?;
        } else if draft.is_file() {
            // What was there is in the copy.
            remove_file(&path)?;
            fs::rename(&draft, &path).map_err(|error| StoreError::file("naming", &path, error))?;
            flush_folder(&layout.vault())?;
        }
    }
    Ok(())
}

/// Brings the stores of a ledger whose rows have gone to a server after them; whether there was something to bring.
pub(crate) async fn go_to_server(layout: &Layout) -> Result<bool, BesideFault> {
    let mut any = false;
    for kind in KINDS.into_iter().filter(|kind| (kind.path)(layout).is_file()) {
        // Opening it brings them.
        drop(Beside::open(kind, layout).await?);
        any = true;
    }
    Ok(any)
}

/// Copies a store into a file that must not exist, also beside a running server; whether there is anything to copy.
pub(crate) async fn back_up(kind: &Kind, layout: &Layout, to: &Path) -> Result<bool, BesideFault> {
    match Place::of(layout)? {
        Place::Server(url) => collect(kind, layout, &url, to).await,
        Place::File(_) => {
            let path = (kind.path)(layout);
            if path.is_file() {
                copy_database(&path, to).await?;
            }
            Ok(to.is_file())
        }
    }
}

/// Copies what a server has of a store, and what this node has not brought there yet, into a file that must not exist.
async fn collect(kind: &Kind, layout: &Layout, url: &ServerUrl, to: &Path) -> Result<bool, BesideFault> {
    let (doing, url, own) = (kind.file.doing, url.beside(kind.schema), (kind.path)(layout));
    let mut from = Vec::new();
    match version_at(&url).await? {
        Some(version) if usize::try_from(version).is_ok_and(|steps| steps > kind.server.len()) => {
            return Err(kind.foreign_schema());
        }
        Some(_) => from.push(Place::Server(url)),
        None => {}
    }
    from.extend(own.is_file().then_some(Place::File(own)));
    if from.is_empty() {
        return Ok(false);
    }
    let mut writing = kind.open_file(to).await?;
    query("BEGIN").execute(&mut writing).await.map_err(sql(doing))?;
    for place in from {
        let mut reading = place.read(PATIENCE).await?;
        reading.begin_reading().await?;
        copy_missing(kind.tables, &mut reading, &mut writing).await?;
        reading.end_reading().await?;
        reading.close().await.map_err(sql(doing))?;
    }
    query("COMMIT").execute(&mut writing).await.map_err(sql(doing))?;
    writing.close().await.map_err(sql(doing))?;
    File::open(to).and_then(|file| file.sync_all()).map_err(|error| StoreError::file("flushing", to, error))?;
    flush_folder(to.parent().unwrap_or(Path::new(".")))?;
    Ok(true)
}
