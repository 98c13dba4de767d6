//! Full-text search over the latest state of every stream: Chinese by pairs of characters, Traditional or Simplified,
//! names also by pinyin. One index per node, in one directory, which knows the log index that it has reached.
//!
//! What it is not: it is no source of truth (an index that cannot be read is rebuilt from the log, never repaired), it
//! decides nobody's clearance (the caller puts in only what every reader of this index may see), it keeps no more of a
//! text than a result list shows, and it exposes no query syntax: every typed character is literal.
//!
//! To extend: a new filter is a field in `index.rs` and a clause in `query.rs`; new rules for characters and readings go
//! into `analyze.rs`. Raise the caller's version, or the analysis revision, and the index is rebuilt beside the old one.

mod analyze;
mod index;
mod query;
mod quiet;
#[cfg(test)]
mod tests;

pub use index::{Change, Document, Opened, Purged, RebuildReason, SearchError, SearchIndex, SearchWriter};
pub use query::{Hit, Hits, Query, QueryParams, QueryRefused, Segment};
pub use query::{LIMIT_MAX, OFFSET_MAX, STATUSES_MAX, TERMS_MAX, TEXT_CHARS_MAX};
pub(crate) use quiet::quietly;
