//! Who counts what a ledger does: how many, how long, and nothing of what.
//!
//! An observer is told numbers and codes of a closed list. It never sees a statement, a name, a stream or an organization, so
//! nothing that it shows can tell of one. It is called by the threads that write and publish, and has to return at once.
//!
//! Not here: keeping the numbers and showing them, which is the shell's. To count another thing, add a method.

use std::time::Duration;

use crate::{error::SubmitError, sequencer::Answer};

/// Target of the spans that may be sent to a collector: they say how much and how long, as an observer is told.
pub const TRACE: &str = "gongkai::trace";

/// Is told what the ledger does.
pub trait Observer: Send + Sync {
    /// A submission was answered with a receipt or a promise.
    fn accepted(&self);

    /// A submission was refused, or not taken, with this code.
    fn refused(&self, code: &'static str);

    /// A batch of so many entries and sealed events was committed, from the look-ups to the disk.
    fn committed(&self, size: u64, took: Duration);

    /// Everything that was committed is published, with files and cosignatures.
    fn published(&self, took: Duration);
}

/// The code under which an answer is counted; `None` for one that is good.
pub(crate) fn code_of(answer: &Answer) -> Option<&'static str> {
    match answer {
        Ok(_) => None,
        Err(SubmitError::Refused(refusal)) => Some(refusal.code()),
        Err(SubmitError::Halted(_)) => Some("halted"),
        Err(SubmitError::Busy) => Some("busy"),
        Err(SubmitError::Storage(_)) => Some("storage"),
        Err(SubmitError::Vault(_)) => Some("vault"),
    }
}
