//! Who cosigns a checkpoint before it is published: what the publisher asks of whoever speaks to witnesses.
//!
//! The publisher knows tiles and keys and no network; the shell implements this trait over HTTP. What it must hold to:
//! every call ends within a time that was configured, whatever the witnesses do, because publishing waits for it. Recording
//! does not wait: receipts are given at the commit.
//!
//! Not here: the quorum's rules (`gongkai_log::policy`).

use gongkai_log::{Checkpoint, Note};

/// A quorum did not come together: the last checkpoint stays, and the publisher asks again with what is newest then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no quorum of witnesses: {0}")]
pub struct NoQuorum(pub String);

/// Asks witnesses. Both calls may block, and end in a bounded time.
pub trait Cosigners: std::fmt::Debug + Send + Sync {
    /// The policy file by which readers judge whether enough have cosigned.
    fn policy(&self) -> String;

    /// Checkpoints of this log that witnesses have cosigned, signed by the log; what cannot be had is left out. A ledger
    /// that has fewer entries than one of them does not start.
    fn witnessed(&self) -> Vec<Note>;

    /// The note with the cosignatures that came. Its tiles are in place.
    ///
    /// # Errors
    /// [`NoQuorum`]: nothing may be published.
    fn cosign(&self, checkpoint: &Checkpoint, note: Note) -> Result<Note, NoQuorum>;
}
