//! Across a network gap: what an intake on the internet and a ledger that nobody there can reach tell each other.
//!
//! The intake has a small log of its own, made of what a ledger's is: one period an entry ([`gongkai_log::sealed`]), under a
//! key whose name is the log's origin, `<ledger>/…`. What somebody hands in there is a [`Packet`] that the ledger alone can
//! open. It becomes a leaf among decoys in the next period, and its submitter gets a promise at once. Periods go inwards with
//! their packets as [`Batches`]; each proves by itself that nothing of it was left out or put in. The ledger records or
//! refuses every packet, says so in public with one root over all answers ([`crate::kind::gap::Answered`]), and sends
//! [`Capsules`] out: equal in size, each for whoever has the code of one packet ([`Secret`]).
//!
//! Whoever has a registered key also asks through it what waits for their signature, and signs ([`Asking`]).
//!
//! What is missing is found by anybody who reads both logs ([`lapses`]); which single packets are overdue the intake signs
//! ([`Late`]). A promise names its leaf, and a capsule proves its
//! answer under the root, so that whoever holds both needs to believe nobody.
//!
//! Not here: files, HTTP, where rows lie (the store's), who may hand in what (the ledger's), randomness (handed in).

mod answer;
mod batch;
mod capsule;
mod cosigning;
mod lapse;
mod late;
mod overtaken;
mod packet;
#[cfg(test)]
mod tests;

pub use self::{
    answer::{Answer, Outcome, Planted, decoy_salt, plant},
    batch::{BATCHES_BYTES_MAX, Batch, Batches, Checked, Item, check, pull_text, read_pull},
    capsule::{
        AnswerProof, CAPSULE_BYTES, CODE_CHARS, Capsules, Continued, LABEL_BYTES, Matter, Secret, Status,
        capsules_count,
    },
    cosigning::{Asking, Given, PIECES_MAX, Request, SIGNATURES_MAX, Waiting},
    lapse::{Lapse, Period, lapses},
    late::{LATE_BYTES_MAX, LATE_MAX, Late, LatePacket},
    overtaken::{is_movable, moved},
    packet::{Content, PACKET_BYTES_MAX, Packet, Said},
};

/// Why something that came across the gap is not believed. It never says what is inside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GapError {
    /// Not the form that it should have, or not in its only spelling.
    #[error("not a {0}")]
    Form(&'static str),
    /// Too many bytes, or too many of something.
    #[error("a {0} beyond its limit")]
    Limit(&'static str),
    /// Encrypted to another key, for another ledger or intake, or changed.
    #[error("it cannot be opened with this key at this place")]
    Sealed,
    /// Not signed by the key that it must be signed by.
    #[error("the signature")]
    Signature,
    /// Of another log, another place in it, or not what was signed there.
    #[error("batch {index}: {reason}")]
    Batch {
        /// Number of the period in the intake's log.
        index: u64,
        /// In which way.
        reason: &'static str,
    },
}
