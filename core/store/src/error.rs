//! Our failures. A lawful no is a [`Refusal`], and is not here.
//!
//! A [`StoreError`] is about database or files; [`OpenError`] tells why a ledger does not start, with
//! the way out; [`SubmitError`] is what a submitter can get instead of a receipt. To add one, say what
//! was being done and leave the cause to `#[source]`.

use std::{io, path::PathBuf, sync::Arc};

use gongkai_domain::Refusal;
use sqlx::{error::DatabaseError as _, postgres::PgDatabaseError, sqlite::SqliteError};

use crate::{map::MapFault, vault::VaultFault};

/// Reading or writing the ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database or the disk is full; nothing was written.
    #[error("no space left while {doing}")]
    Full {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// Another process holds the database longer than the timeout; nothing was written.
    #[error("the database is locked by another process, {doing} waited in vain")]
    Locked {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// Reading or writing the device failed, or the database is malformed. Whether the last
    /// transaction is on disk is unknown until the next start.
    #[error("the database failed while {doing}")]
    Device {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// The connection to the database's server was lost. Whether the last transaction was committed is unknown until there
    /// is one again.
    #[error("the connection to the database was lost while {doing}")]
    Gone {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// The database's server has no tables of a ledger any more: they were moved elsewhere.
    #[error("there is no ledger any more in the database, {doing} found none")]
    Moved {
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: sqlx::Error,
    },
    /// Another writer has taken over, or the head is not the one that this writer left.
    #[error("another writer has taken over the ledger (this one knew {size} entries, epoch {epoch})")]
    Fenced {
        /// Entries as this writer knew them.
        size: u64,
        /// This writer's epoch.
        epoch: u64,
    },
    /// Another node has made data keys for the same matter since these were sealed; nothing was written.
    #[error("another node has made data keys for the same matter")]
    Overtaken,
    /// A stored row is not what was written.
    #[error("entry {index}: {field}: {reason}")]
    Row {
        /// Index of the entry.
        index: u64,
        /// What is at fault: `bytes`, `prev`, `openings`, `list`, `head`.
        field: &'static str,
        /// In which way.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An attachment is larger than the limit.
    #[error("an attachment of {bytes} bytes, the limit is {bytes_max}")]
    AttachmentTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// Too many uploads are unfinished, or another request goes on with this one.
    #[error("uploads are under way already")]
    Uploads,
    /// The bucket could not be read or written.
    #[error("{doing} {name} in the bucket")]
    Bucket {
        /// What was being done.
        doing: &'static str,
        /// Name of the object below the folder.
        name: String,
        /// The cause.
        #[source]
        source: Box<object_store::Error>,
    },
    /// What is in the bucket is not of this ledger, or of another history.
    #[error("{name} in the bucket is not this ledger's: {reason}")]
    Foreign {
        /// Name of the object below the folder.
        name: String,
        /// In which way.
        reason: String,
    },
    /// The store of the bucket replaces what it was told to leave.
    #[error(
        "the store of {name} does not keep to conditions (If-None-Match, If-Match); two nodes could overwrite each other"
    )]
    Unconditional {
        /// The bucket.
        name: String,
    },
}

impl StoreError {
    /// What a driver's error means for us, by SQLite's primary result code (sqlite.org/rescode.html) or PostgreSQL's
    /// SQLSTATE (its manual, appendix A).
    pub(crate) fn sql(doing: &'static str, source: sqlx::Error) -> Self {
        match (code(&source), sqlstate(&source).as_deref()) {
            // Disk full.
            (Some(13), _) | (_, Some("53100")) => Self::Full { doing, source },
            // Busy, locked; lock not available.
            (Some(5 | 6), _) | (_, Some("55P03")) => Self::Locked { doing, source },
            // Administrator's shutdown, crash shutdown, cannot connect now, idle in a turn; connection exceptions.
            (_, Some("57P01" | "57P02" | "57P03" | "25P03" | "08000" | "08003" | "08006")) => {
                Self::Gone { doing, source }
            }
            // No such table, no such schema.
            (_, Some("42P01" | "3F000")) => Self::Moved { doing, source },
            _ if is_of_the_connection(&source) => Self::Gone { doing, source },
            _ => Self::Device { doing, source },
        }
    }

    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File { doing, path: path.into(), source }
    }

    pub(crate) fn row(index: u64, field: &'static str, reason: impl Into<Reason>) -> Self {
        Self::Row { index, field, reason: reason.into().0 }
    }

    /// Whether nothing was written and a later attempt may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Locked { .. } | Self::Overtaken)
    }
}

/// What a node says that goes on where the ledger was moved away.
pub(crate) const MOVED: &str = "账本已不在这个数据库里（可能已用 gongkai migrate 搬走），本进程不再写入";

/// What was being done when the driver failed.
pub(crate) fn sql(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |source| StoreError::sql(doing, source)
}

/// What is wrong with a row: a sentence, or an error with its causes.
pub(crate) struct Reason(String);

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// SQLite's primary result code.
pub(crate) fn code(error: &sqlx::Error) -> Option<i64> {
    extended_code(error).map(|code| code & 0xff)
}

/// SQLite's extended result code.
pub(crate) fn extended_code(error: &sqlx::Error) -> Option<i64> {
    error.as_database_error()?.try_downcast_ref::<SqliteError>()?.code()?.parse().ok()
}

/// Whether it is the way to a server that failed; a file has none.
fn is_of_the_connection(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_))
}

/// PostgreSQL's code.
fn sqlstate(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?.code().to_owned())
}

/// Why a ledger was not created or does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is a ledger already; it was not touched.
    #[error("{} already holds a ledger; choose another directory", .0.display())]
    Exists(PathBuf),
    /// The PostgreSQL database holds a ledger already; it was not touched.
    #[error("the PostgreSQL database holds a ledger already (schema `ledger`); choose another database")]
    Taken,
    /// PostgreSQL does not keep what it acknowledges.
    #[error("PostgreSQL runs with fsync = off and would lose what it acknowledged; switch it on")]
    NotDurable,
    /// No ledger here.
    #[error("{} is not a ledger: {reason}; `gongkai init --dir` makes one", path.display())]
    NotALedger {
        /// The directory or file.
        path: PathBuf,
        /// What is missing or wrong.
        reason: String,
    },
    /// The map beside the ledger cannot be opened.
    #[error("the map beside the ledger")]
    Map(#[from] Box<MapFault>),
    /// The database was made by a later version of this program.
    #[error("the database has version {found}, this program knows versions up to {known}; use the newer program")]
    Newer {
        /// Version in the file.
        found: i64,
        /// Latest version known here.
        known: i64,
    },
    /// Another process writes this ledger.
    #[error("another process is using the ledger in {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// The keys handed in are not those of the genesis.
    #[error("the {role} key is {given}, the ledger's is {expected}; put the right key file into keys/")]
    Key {
        /// `log` or `intake`.
        role: &'static str,
        /// Key handed in.
        given: String,
        /// Key that the ledger names.
        expected: String,
    },
    /// The genesis was refused.
    #[error("the genesis was refused")]
    Genesis(#[source] Refusal),
    /// The database has fewer entries than were published: an old backup, or a truncated file.
    #[error(
        "the database has {size} entries, but {published} were published; restore a newer backup. Starting from this \
         one would publish a second history"
    )]
    Behind {
        /// Entries in the database.
        size: u64,
        /// Entries in the checkpoint.
        published: u64,
    },
    /// A witness has cosigned more entries than the database has: an old backup, or a truncated file.
    #[error(
        "the database has {size} entries, but witnesses have cosigned {witnessed}; restore a newer backup. Starting from \
         this one would make a second history, which they refuse"
    )]
    Witnessed {
        /// Entries in the database.
        size: u64,
        /// Entries in the witnessed checkpoint.
        witnessed: u64,
    },
    /// A backup was restored that is known to lack entries, and they were not brought back yet.
    #[error(
        "the database has {size} entries, and {by} has seen {seen}; bring back what is missing first (`gongkai recover`). \
         Starting from this one would make a second history"
    )]
    Unrecovered {
        /// Entries in the database.
        size: u64,
        /// Entries that somebody has seen.
        seen: u64,
        /// Who.
        by: String,
    },
    /// The database does not lead to the root that was published.
    #[error(
        "the database does not lead to the root that was published at {published} entries: it was changed. Restore a \
         backup; `gongkai verify` names the entry"
    )]
    Disagrees {
        /// Entries in the checkpoint.
        published: u64,
    },
    /// An entry, the chain or the head is not what was written.
    #[error("the database is damaged; restore a backup")]
    Damaged(#[source] StoreError),
    /// Reading or writing failed.
    #[error("opening the ledger")]
    Store(#[from] StoreError),
}

/// What a submitter can get instead of a receipt.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SubmitError {
    /// A lawful no.
    #[error(transparent)]
    Refused(Refusal),
    /// The ledger does not accept anything now. Whether this submission was recorded is unknown when
    /// the storage failed at the commit: ask again with the same idempotency key later.
    #[error("账本暂停收件：{0}")]
    Halted(String),
    /// Too many are waiting.
    #[error("提交太多，请稍后再试")]
    Busy,
    /// Storage failed; nothing was recorded.
    #[error("账本暂时不能写入")]
    Storage(#[source] Arc<StoreError>),
    /// The vault failed; nothing was recorded.
    #[error("限阅库暂时不能使用")]
    Vault(#[source] Arc<VaultFault>),
}

impl From<VaultFault> for SubmitError {
    fn from(fault: VaultFault) -> Self {
        Self::Vault(Arc::new(fault))
    }
}

impl From<Refusal> for SubmitError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for SubmitError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overtaken => Self::Busy,
            error => Self::Storage(Arc::new(error)),
        }
    }
}
