//! What waited outside while its public matter went on, said again at the place where the matter is now.
//!
//! Whoever asks about a sheet through an intake writes a statement that follows the last one they saw. On a disk it arrives
//! days later, after other questions and corrections. Nobody has signed it yet: the ledger does, in its own name and with the
//! same words under the same salts, after the statement that is the last one then. Its submitter's promise is for the packet,
//! which stays as it was.
//!
//! Not here: sealed matters, which only their own submitter continues; what is encrypted to a body, which is bound to its
//! place and cannot be moved; which statement is the last (the ledger's).

use gongkai_log::{Digest, Statement, slot};

use super::GapError;
use crate::{
    command::Head,
    submission::{Filled, Submission},
};

const WRONG: GapError = GapError::Form("submission that can be said later");

/// Whether it can be said at another place: a statement that continues something, in the clear.
pub fn is_movable(statement: &Statement, submission: &Submission) -> bool {
    let is_clear = |filled: &Filled| !matches!(filled, Filled::Hidden { .. });
    let is_plain = submission.lines.is_empty() && submission.envelope.is_none();
    statement.revision > 0 && is_plain && submission.openings.iter().all(is_clear)
}

/// The same words after another statement of their stream.
///
/// # Errors
/// [`GapError::Form`] for what cannot be moved, or is none.
pub fn moved(submission: &Submission, after: &Head) -> Result<Submission, GapError> {
    let mut statement = Statement::parse(&submission.note).map_err(|_| WRONG)?;
    if !is_movable(&statement, submission) {
        return Err(WRONG);
    }
    statement.revision = after.revision.checked_add(1).ok_or(WRONG)?;
    statement.parent = Some(after.hash);
    let mut commitments = [None; slot::SLOTS];
    for filled in &submission.openings {
        let commitment = filled.commit(&statement.origin, &statement.stream, statement.revision).map_err(|_| WRONG)?;
        *commitments.get_mut(usize::from(filled.slot())).ok_or(WRONG)? = Some(commitment);
    }
    if commitments.contains(&None) {
        return Err(WRONG);
    }
    statement.slots = slot::root(&commitments.map(|commitment| commitment.unwrap_or(Digest::ZERO)));
    Ok(Submission { note: statement.text().map_err(|_| WRONG)?, ..submission.clone() })
}
