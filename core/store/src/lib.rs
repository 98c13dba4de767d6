//! The ledger on disk: who may append, the one commit point, and what is published after it.
//!
//! In scope: the ledger database ([`EventStore`] and [`RowStore`], over SQLite or PostgreSQL), the sequencer, the
//! publisher of tiles, openings, lines and checkpoint, recovery, and [`Ledger`], through which
//! everything else reads and writes. Out of scope: what a statement means (`gongkai-domain`), how its
//! bytes are checked (`gongkai-log`), views, HTTP, key files and configuration.
//!
//! Three words for how far an entry is: **sequenced** (it has an index, in memory), **integrated**
//! (committed with head and tree edge: a receipt exists), **published** (tiles and checkpoint name it).
//! Everything after the commit can be redone from the database, and is, by the same code, on start.
//!
//! For another database, implement [`EventStore`] and run `conformance` (feature `testing`) against it.

#![deny(missing_docs)]

mod admission;
mod asker;
mod attachments;
pub mod backup;
mod beginning;
pub mod beside;
pub mod bucket;
pub mod clock;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod copying;
mod cores;
mod cosigners;
pub mod database;
pub mod drafts;
pub mod error;
pub mod event_store;
mod files;
mod following;
mod growing;
pub mod intake;
pub mod layout;
pub mod ledger;
pub mod log_fetch;
pub mod map;
mod marked;
pub mod mirror;
pub mod moving;
mod node;
pub mod observer;
mod outlet;
mod own_words;
pub mod published_log;
mod publisher;
mod read_back;
mod reader;
mod recover;
pub mod regain;
mod rehearsal;
mod row_store;
mod rows;
pub mod sealed_audit;
pub mod sealed_reader;
mod sealed_sequencer;
mod sealed_tables;
mod sequencer;
mod signing;
mod streams;
mod tables;
pub mod taken;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod timekeeping;
mod uploads;
pub mod vault;
mod withdrawal;
pub mod witness_book;

pub use bucket::Bucket;
pub use clock::{Clock, ManualClock, SystemClock};
pub use cosigners::{Cosigners, NoQuorum};
pub use database::{Place, ServerUrl};
pub use drafts::{Draft, DraftFault, Drafts};
pub use error::{OpenError, StoreError, SubmitError};
pub use event_store::{Batch, Changed, EventStore, Halt, LogHead, NewEntry, RawEntry};
pub use intake::{HandedIn, IntakeBook, IntakeFault, IntakeSettings, IntakeStands, LATE_FILE};
pub use layout::Layout;
pub use ledger::{
    ATTACHMENT_BYTES_MAX, Accepted, CreateOptions, Health, Ledger, LedgerKeys, Promised, Receipt, Settings, take_lock,
};
pub use log_fetch::{DatabaseFetch, DirectoryFetch};
pub use map::{Map, MapFault};
pub use mirror::{Mirror, MirrorFault};
pub use observer::Observer;
pub use published_log::PublishedLog;
pub use reader::{ReadStore, StoredEntry};
pub use recover::Recovery;
pub use row_store::RowStore;
pub use rows::check_rows;
pub use sealed_audit::SealedReport;
pub use sealed_reader::{SealedEvent, SealedProof, SealedReader};
pub use signing::published_keys;
pub use taken::{Asked, Taken, TakenBook, TakenFault};
pub use uploads::{UPLOADS_MAX, Upload};
pub use vault::{Vault, VaultFault};
pub use withdrawal::Withdrawal;
pub use witness_book::WitnessBook;
