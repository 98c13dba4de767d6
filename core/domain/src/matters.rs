//! What sealed proposals need to know of public matters: windows, notice periods, open tallies.
//!
//! The public kinds teach it; it is part of the [`World`](crate::world::World), so it must stay small (one short
//! row a matter, no texts) and be the same for whoever replays the log without a vault. Sealed events never
//! teach it: how many recommendations or ballots there are is not known here. To let a proposal ask for
//! something else, add it to a row and teach it in the public kind's `learn`.

use std::collections::HashMap;

use chrono::NaiveDate;
use gongkai_log::{Digest, StreamId};
use uuid::Uuid;

use crate::{
    kind::{notice::Type, vacancy::Scope},
    period::Stated,
    refusal::Refusal,
};

/// The days on which something is handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Code of the organization that opened it.
    pub org: Box<str>,
    /// First day.
    pub opens_on: NaiveDate,
    /// Last day.
    pub closes_on: NaiveDate,
    /// Whether it was closed or withdrawn by an event.
    pub ended: bool,
}

impl Window {
    /// Judges the day on which something was handed in; `what` names it, as in 推荐.
    ///
    /// # Errors
    /// [`Refusal::State`] naming the first or the last day.
    pub fn admits(&self, day: NaiveDate, what: &str) -> Result<(), Refusal> {
        let Self { opens_on, closes_on, .. } = self;
        if day < *opens_on {
            return Err(Refusal::state(format!("{what}还没有开始，自 {opens_on} 起受理，{closes_on} 截止")));
        }
        if day > *closes_on {
            return Err(Refusal::state(format!("{what}的最后一天是 {closes_on}，已经截止，逾期的不再受理")));
        }
        if self.ended {
            return Err(Refusal::state(format!("{what}已经结束，不再受理（原定最后一天是 {closes_on}）")));
        }
        Ok(())
    }
}

/// A batch of vacant posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacancy {
    /// When recommendations are taken.
    pub window: Window,
    /// Who may recommend.
    pub scope: Scope,
    /// How many posts it has.
    pub posts_count: u64,
}

/// A notice before appointment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nomination {
    /// Code of the organization.
    pub org: Box<str>,
    /// Its period, with extensions.
    pub stated: Stated,
    /// How many people it names.
    pub people_count: u64,
    /// Whether a letter counts by its postmark.
    pub postmark_counts: bool,
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Code of the organization.
    pub org: Box<str>,
    /// Its type.
    pub category: Type,
    /// Its period, with extensions.
    pub stated: Stated,
}

/// A tally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// When ballots are taken.
    pub window: Window,
    /// How many options there are.
    pub options_count: u64,
    /// Most options on one ballot.
    pub choices_max: u64,
    /// Root of the tree over the credentials' hashes.
    pub credentials: Digest,
}

/// Every public matter that a sealed proposal may name, by the id of its stream.
#[derive(Clone, Debug, Default)]
pub struct Matters {
    vacancies: HashMap<Uuid, Vacancy>,
    nominations: HashMap<Uuid, Nomination>,
    notices: HashMap<Uuid, Notice>,
    consultations: HashMap<Uuid, Window>,
    tallies: HashMap<Uuid, Tally>,
}

/// Look-up, teaching and change of one family's rows.
macro_rules! rows {
    ($($(#[$m:meta])* $get:ident, $teach:ident, $change:ident: $map:ident $row:ty;)*) => { $(
        $(#[$m])*
        pub fn $get(&self, stream: &StreamId) -> Option<&$row> {
            self.$map.get(&stream.id)
        }

        pub(crate) fn $teach(&mut self, stream: &StreamId, row: $row) {
            self.$map.insert(stream.id, row);
        }

        pub(crate) fn $change(&mut self, stream: &StreamId, change: impl FnOnce(&mut $row)) {
            if let Some(row) = self.$map.get_mut(&stream.id) {
                change(row);
            }
        }
    )* };
}

impl Matters {
    rows! {
        /// A batch of vacant posts that was announced.
        vacancy, add_vacancy, change_vacancy: vacancies Vacancy;
        /// A nomination that was announced.
        nomination, add_nomination, change_nomination: nominations Nomination;
        /// A notice that was published.
        notice, add_notice, change_notice: notices Notice;
        /// A consultation that was opened.
        consultation, add_consultation, change_consultation: consultations Window;
        /// A tally that was opened.
        tally, add_tally, change_tally: tallies Tally;
    }

    /// Whether something about a public matter can be handed in on a day; about what has no window it always can.
    ///
    /// # Errors
    /// [`Refusal::State`] naming the first or the last day.
    pub fn admits(&self, about: &StreamId, day: NaiveDate) -> Result<(), Refusal> {
        let (window, what) = match about.family.as_str() {
            "vacancy" => (self.vacancy(about).map(|vacancy| &vacancy.window), "推荐"),
            "consultation" => (self.consultation(about), "这次征集"),
            "tally" => (self.tally(about).map(|tally| &tally.window), "这次投票"),
            _ => (None, ""),
        };
        window.map_or(Ok(()), |window| window.admits(day, what))
    }

    /// The matters of a family whose window is open on a day, oldest first. Families without windows have none.
    pub fn open_on(&self, family: &str, day: NaiveDate) -> Vec<StreamId> {
        let ids: Vec<&Uuid> = match family {
            "vacancy" => self.vacancies.keys().collect(),
            "consultation" => self.consultations.keys().collect(),
            "tally" => self.tallies.keys().collect(),
            _ => Vec::new(),
        };
        let streams = ids.into_iter().map(|id| StreamId { family: family.to_owned(), id: *id });
        let mut open: Vec<StreamId> = streams.filter(|stream| self.admits(stream, day).is_ok()).collect();
        open.sort_unstable_by_key(|stream| stream.id);
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_what_admits_something_on_that_day() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
        let stream = |family: &str, n| StreamId { family: family.into(), id: Uuid::from_u128(n) };
        let window = |from, to, ended| Window { org: "341599".into(), opens_on: day(from), closes_on: day(to), ended };
        let mut matters = Matters::default();
        for (n, from, to, ended) in [(3, 1, 9, false), (1, 1, 9, false), (2, 1, 9, true), (4, 10, 12, false)] {
            matters.add_consultation(&stream("consultation", n), window(from, to, ended));
        }
        assert_eq!(matters.open_on("consultation", day(9)), [1, 3].map(|n| stream("consultation", n)));
        assert_eq!(matters.open_on("consultation", day(10)), [stream("consultation", 4)]);
        assert!(matters.open_on("consultation", day(13)).is_empty() && matters.open_on("tally", day(9)).is_empty());
        assert!(matters.open_on("notice", day(9)).is_empty());
    }
}
