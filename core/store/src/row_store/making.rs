//! Where there is a ledger, and how one comes to be: made as a draft, named when its genesis is committed.
//!
//! A crash before that leaves a draft, which the next attempt makes again.

use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

use super::{postgres, sqlite};
use crate::{
    backup::flush_folder,
    database::{Connection, Place},
    error::{OpenError, StoreError},
    layout::{Layout, with_suffix},
};

/// Refuses a place that holds no ledger or one of a later version, and one that must be migrated first unless the caller
/// will; writes nothing.
pub(crate) async fn examine(layout: &Layout, place: &Place, migrates: bool) -> Result<(), OpenError> {
    let (version, known) = match place {
        Place::File(path) => (sqlite::examine(path).await?, sqlite::VERSION),
        Place::Server(url) => (postgres::examine(layout, url).await?, postgres::VERSION),
    };
    if version < known && !migrates {
        let reason = format!("its database has version {version} and must be migrated first: start the server once");
        return Err(place.refuse(layout, reason));
    }
    Ok(())
}

/// Refuses a server's database that holds a ledger already.
pub(crate) async fn refuse_taken(place: &Place) -> Result<(), OpenError> {
    match place {
        Place::Server(url) if postgres::is_taken(url).await? => Err(OpenError::Taken),
        Place::Server(_) | Place::File(_) => Ok(()),
    }
}

/// Entries of a ledger's database of whichever version.
pub(crate) async fn size_of(layout: &Layout) -> Result<u64, StoreError> {
    match Place::of(layout)? {
        Place::File(path) => sqlite::size_of(&path).await,
        Place::Server(url) => postgres::size_of(&url).await,
    }
}

/// Makes way for a new log at a place that is not in use yet, and gives it.
pub(crate) fn draft(layout: &Layout, place: &Place) -> Result<Place, OpenError> {
    match place {
        Place::File(_) => {
            let draft = layout.database_draft();
            for leftover in [draft.clone(), with_suffix(&draft, "-wal"), with_suffix(&draft, "-shm")] {
                if leftover.exists() {
                    fs::remove_file(&leftover).map_err(|e| StoreError::file("removing", leftover, e))?;
                }
            }
            Ok(Place::File(draft))
        }
        Place::Server(url) => Ok(Place::Server(url.draft())),
    }
}

/// Gives a log that is complete the name under which it is found. From here on it is a ledger.
pub(crate) async fn put_in_place(layout: &Layout, draft: &Place, place: &Place) -> Result<(), OpenError> {
    match (draft, place) {
        (Place::File(draft), Place::File(path)) => {
            fs::rename(draft, path).map_err(|e| StoreError::file("naming", path, e))?;
        }
        (_, Place::Server(url)) => {
            postgres::put_in_place(url).await?;
            write_private(&layout.server(), &format!("{}\n", url.text()))?;
        }
        (Place::Server(_), Place::File(_)) => unreachable!("a draft lies where the ledger will"),
    }
    Ok(flush_folder(layout.root())?)
}

/// Writes a file that its owner alone may read, durable before it has its name.
fn write_private(path: &Path, text: &str) -> Result<(), StoreError> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let draft = with_suffix(path, ".draft");
    let mut options = File::options();
    let written = options.create(true).write(true).truncate(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    });
    written.map_err(|e| StoreError::file("writing", path, e))
}

/// A connection that writes in turns with others where the rows lie on a server, and their epoch; in a file it takes over.
pub(crate) async fn joined(place: &Place, busy_timeout: Duration) -> Result<(Connection, u64), OpenError> {
    let Place::Server(url) = place else { return writer(place, busy_timeout).await };
    let (connection, epoch) = postgres::join(url, busy_timeout).await?;
    Ok((connection.into(), epoch))
}

/// A connection that writes, and its epoch: it has taken over from whoever wrote before.
pub(crate) async fn writer(place: &Place, busy_timeout: Duration) -> Result<(Connection, u64), OpenError> {
    Ok(match place {
        Place::File(path) => {
            let (connection, epoch) = sqlite::open(path, busy_timeout).await?;
            (connection.into(), epoch)
        }
        Place::Server(url) => {
            let (connection, epoch) = postgres::take_over(url, busy_timeout).await?;
            (connection.into(), epoch)
        }
    })
}

/// From here on the rows are in the directory's own file.
pub(crate) fn forget_server(layout: &Layout) -> Result<(), StoreError> {
    fs::remove_file(layout.server()).map_err(|e| StoreError::file("removing", layout.server(), e))?;
    flush_folder(layout.root())
}
