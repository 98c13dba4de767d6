//! A prepared statement that its reviewers read before anybody signs it.
//!
//! The draft is the statement's text with its openings and lines, as canonical JSON. It is checked as a submission
//! is, so that what the reviewers read is what the digest binds. What a draft is read in has the tier `unit`:
//! a slot of the tier `named` stays a commitment in it, and nothing else may hide there.

use std::collections::BTreeSet;

use gongkai_log::{Opening, Statement, Tier, canonical};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    command::Prepared,
    refusal::Refusal,
    submission::{self, Filled, Line},
};

/// Longest draft, in characters; a million is a sheet of some four thousand lines.
pub const DRAFT_CHARS_MAX: usize = 1_000_000;

/// Most bytes of a draft: a character has at most four.
const DRAFT_BYTES_MAX: usize = 4 * DRAFT_CHARS_MAX;

/// A prepared statement without signatures. Its `Debug` hides what it says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The statement's three text lines.
    pub statement: String,
    /// All 16 slots.
    pub openings: Vec<Filled>,
    /// The lines of the list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draft({} slots, {} lines, hidden)", self.openings.len(), self.lines.len())
    }
}

/// What a draft says, found to be usable.
#[derive(Clone, Debug)]
pub struct Read {
    /// The statement; its signers and its time may still change.
    pub statement: Statement,
    /// The slots that the reviewers see.
    pub open: Vec<Opening>,
    /// The numbers of the slots that they do not see.
    pub withheld: BTreeSet<u8>,
}

impl Draft {
    /// The draft of a prepared statement.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] where a value has no canonical form.
    pub fn of(prepared: &Prepared) -> Result<Self, Refusal> {
        let statement = &prepared.statement;
        let show = |filled: &Filled| match filled {
            Filled::Open(opening) if opening.tier == Tier::Named => {
                let commitment = filled.commit(&statement.origin, &statement.stream, statement.revision)?;
                Ok(Filled::Hidden { slot: opening.slot, commitment })
            }
            other => Ok(other.clone()),
        };
        let openings = prepared.openings.iter().map(show).collect::<Result<_, gongkai_log::slot::SlotError>>();
        let openings = openings.map_err(|e| malformed(&submission::chain(&e)))?;
        Ok(Self { statement: prepared.text.clone(), openings, lines: prepared.lines.clone() })
    }

    /// The text of the field `draft`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] where a value has no canonical form.
    pub fn to_text(&self) -> Result<String, Refusal> {
        canonical::to_string(&json!(self)).map_err(|e| malformed(&submission::chain(&e)))
    }

    /// Reads the text of the field `draft`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] unless it is the one canonical form of a draft.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let value =
            canonical::parse_with_limit(text, DRAFT_BYTES_MAX).map_err(|e| malformed(&submission::chain(&e)))?;
        serde_json::from_value(value).map_err(|e| malformed(&e.to_string()))
    }

    /// Checks it as a submission is checked, but for the signatures.
    ///
    /// # Errors
    /// The [`Refusal`] that the author gets.
    pub fn read(self, origin: &str) -> Result<Read, Refusal> {
        let statement = Statement::parse(&self.statement).map_err(|e| malformed(&submission::chain(&e)))?;
        let hidden = self.openings.iter().filter(|filled| matches!(filled, Filled::Hidden { .. }));
        let withheld = hidden.map(Filled::slot).collect();
        let open = submission::check_draft(origin, &statement, self.openings, self.lines)?;
        if open.iter().any(|opening| opening.tier == Tier::Named) {
            return Err(malformed(&"「对特定对象公开」的字段在送审稿里只给封存值"));
        }
        Ok(Read { statement, open, withheld })
    }

    /// What of it is shown to somebody, found to be what the statement commits to: the statement, and its open slots. What
    /// stays hidden is not judged, so this is for a draft that the ledger has judged.
    ///
    /// # Errors
    /// The [`Refusal`] that its author would get.
    pub fn shown(&self, origin: &str) -> Result<(Statement, Vec<Opening>), Refusal> {
        let statement = Statement::parse(&self.statement).map_err(|e| malformed(&submission::chain(&e)))?;
        let open = submission::check_shown(origin, &statement, self.openings.clone(), &self.lines)?;
        Ok((statement, open))
    }
}

fn malformed(reason: &dyn std::fmt::Display) -> Refusal {
    Refusal::Malformed { place: "draft".into(), reason: reason.to_string() }
}
