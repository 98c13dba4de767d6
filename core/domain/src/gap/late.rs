//! What an intake promised one by one and the ledger has not answered by its deadline.
//!
//! The public logs tell which periods are unanswered ([`super::lapses`]), but not how many packets are among their decoys; only
//! the intake can. With each period it signs a list: the place of each such packet in its log, and the deadline that was
//! promised. Whoever holds a promise can find their own place in it. It says nothing of contents or people, and how many
//! were handed in only as far as they are owed an answer.
//!
//! Not here: whether the ledger has answered meanwhile, which its own log tells ([`Late::beyond`]).

use chrono::{DateTime, Utc};
use gongkai_log::{
    VerifierKey,
    note::Note,
    sealed::PERIOD_LEAVES,
    time::{format_recorded, parse_recorded},
};
use serde::Serialize;

use super::GapError;

const FORM: &str = "gongkai.late/v1";
const WRONG: GapError = GapError::Form("list of late packets");
/// What stands for a place that there is none of yet.
const NOWHERE: &str = "-";

/// Most packets that are listed; the others are counted.
pub const LATE_MAX: usize = 1_000;

/// Most bytes of a signed list.
pub const LATE_BYTES_MAX: usize = 128 << 10;

/// A packet that should have been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LatePacket {
    /// Its period and its leaf there; absent while no period has taken it in, which is the intake's own failure.
    pub place: Option<(u64, u64)>,
    /// By when its submitter was promised an answer.
    pub deadline: DateTime<Utc>,
}

/// A list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// As of when.
    pub as_of: DateTime<Utc>,
    /// How many there are.
    pub count: u64,
    /// The first of them by their deadlines.
    pub packets: Vec<LatePacket>,
}

impl LatePacket {
    fn line(&self) -> Result<String, GapError> {
        let deadline = format_recorded(&self.deadline).map_err(|_| WRONG)?;
        Ok(match self.place {
            Some((batch, leaf)) => format!("{batch} {leaf} {deadline}"),
            None => format!("{NOWHERE} {NOWHERE} {deadline}"),
        })
    }

    fn parse(line: &str) -> Result<Self, GapError> {
        let parts: Vec<&str> = line.split(' ').collect();
        let [batch, leaf, deadline]: [&str; 3] = parts.try_into().map_err(|_| WRONG)?;
        let place = match (batch, leaf) {
            (NOWHERE, NOWHERE) => None,
            (batch, leaf) => Some((batch.parse().map_err(|_| WRONG)?, leaf.parse().map_err(|_| WRONG)?)),
        };
        if place.is_some_and(|(_, leaf)| leaf >= PERIOD_LEAVES as u64) {
            return Err(WRONG);
        }
        Ok(Self { place, deadline: parse_recorded(deadline).map_err(|_| WRONG)? })
    }

    /// One plain Chinese sentence; `time` says a moment as people read it.
    pub fn sentence(&self, time: impl Fn(&DateTime<Utc>) -> String) -> String {
        let due = time(&self.deadline);
        match self.place {
            Some((batch, leaf)) => format!("网上收件第 {batch} 批 {leaf} 位的一件，承诺 {due} 前答复，已经过期"),
            None => format!("网上收件有一件承诺 {due} 前答复，收件处还没有记进日志"),
        }
    }
}

impl Late {
    /// What an intake signs.
    ///
    /// # Errors
    /// [`GapError::Form`] for a time that has no text.
    pub fn text(&self, intake: &str) -> Result<String, GapError> {
        let as_of = format_recorded(&self.as_of).map_err(|_| WRONG)?;
        let mut text = format!("{FORM}\n{intake}\n{as_of}\n{}\n", self.count);
        for packet in &self.packets {
            text.push_str(&packet.line()?);
            text.push('\n');
        }
        Ok(text)
    }

    /// Reads a list that an intake signed, in its only spelling.
    ///
    /// # Errors
    /// [`GapError::Signature`], [`GapError::Limit`], [`GapError::Form`].
    pub fn open(note: &str, intake: &VerifierKey) -> Result<Self, GapError> {
        if note.len() > LATE_BYTES_MAX {
            return Err(GapError::Limit("list of late packets"));
        }
        let note = Note::parse(note).map_err(|_| WRONG)?;
        note.open(std::slice::from_ref(intake)).map_err(|_| GapError::Signature)?;
        let mut lines = note.text.strip_suffix('\n').ok_or(WRONG)?.split('\n');
        let mut head = || lines.next().ok_or(WRONG);
        let (_, _, as_of, count) = (head()?, head()?, head()?, head()?);
        let packets: Vec<LatePacket> = lines.take(LATE_MAX + 1).map(LatePacket::parse).collect::<Result<_, _>>()?;
        let as_of = parse_recorded(as_of).map_err(|_| WRONG)?;
        let late = Self { as_of, count: count.parse().map_err(|_| WRONG)?, packets };
        // Written again it is the same: numbers in one spelling, the right form, and for this intake.
        let is_whole = late.packets.len() as u64 == late.count.min(LATE_MAX as u64);
        let is_past = late.packets.iter().all(|packet| packet.deadline < as_of);
        let is_ordered = late.packets.is_sorted_by_key(|packet| packet.deadline);
        if is_whole && is_past && is_ordered && late.text(intake.name())? == note.text { Ok(late) } else { Err(WRONG) }
    }

    /// Without what stands in periods that the ledger has answered since, up to this number.
    #[must_use]
    pub fn beyond(mut self, answered: u64) -> Self {
        let listed = self.packets.len();
        self.packets.retain(|packet| packet.place.is_none_or(|(batch, _)| batch >= answered));
        // Of those that are only counted nobody knows in which periods they are: where some are answered, they may be too.
        self.count = if self.packets.len() == listed { self.count } else { self.packets.len() as u64 };
        self
    }
}
