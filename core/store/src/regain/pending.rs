//! A ledger that is known to lack entries: `unrecovered.json`, from a restore until they are brought back.
//!
//! As long as it is there the ledger does not open for writing, whoever can be asked then.

use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::{error::StoreError, layout::Layout, mirror::records};

/// What is known of the lack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// Entries that the database has.
    pub size: u64,
    /// Entries that somebody has seen.
    pub seen: u64,
    /// Who.
    pub by: String,
}

impl Pending {
    /// Writes it, durably.
    ///
    /// # Errors
    /// The disk.
    pub fn write(&self, layout: &Layout) -> Result<(), StoreError> {
        let path = layout.unrecovered();
        let bytes = serde_json::to_vec(self).map_err(|e| StoreError::file("writing", &path, e.into()))?;
        records::put(&path, &bytes)
    }
}

/// Whether entries must be brought back first. A file that cannot be read says so too: as an error.
///
/// # Errors
/// The disk, or another form.
pub fn pending(layout: &Layout) -> Result<Option<Pending>, StoreError> {
    let path = layout.unrecovered();
    let failed = |e| StoreError::file("reading", &path, e);
    match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => Ok(Some(serde_json::from_slice(&read.map_err(failed)?).map_err(|e| failed(e.into()))?)),
    }
}

/// Nothing is lacking any more.
pub(super) fn end(layout: &Layout) -> Result<(), StoreError> {
    let path = layout.unrecovered();
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        ended => ended.map_err(|e| StoreError::file("removing", path, e)),
    }
}
