//! Ratings of a pledge on the web (网上反馈): a grade, and nothing else.
//!
//! Each is a sealed stream of its own. Nobody reads a single one, not even the organization that pledged: what is known
//! are the counts by grade ([`count`]), which the organization publishes with `pledge.evaluated`, and which the audit
//! with the vault counts again. Whoever wants to say more writes a letter. Nobody is asked who they are, so one person
//! may rate twice: that is why it is never called 群众评. Only the intake key signs it: what somebody says on paper or in a
//! meeting is no feedback from the web.
//!
//! Not here: counts at a meeting and by others ([`super::pledge::Evaluated`]). The world knows no pledges (there are too
//! many); a rating of one that does not exist, or sent to another organization, counts nowhere.

use chrono::{Datelike as _, NaiveDate};
use gongkai_log::{Statement, StreamId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Described as _, Payload, body, intake, payload,
    pledge::{Evaluated, Evaluator},
    sample_stream, sealed_stream,
};
use crate::{
    event::{Context, Proposal, Recorded},
    field::{PledgeId, choices},
    refusal::Refusal,
    world::Role,
};

/// Fewest ratings whose grades are told to anybody (confidentiality.md §4).
pub const RATINGS_SHOWN_MIN: u64 = 5;

choices! {
    /// What somebody thinks of a pledge.
    Grade {
        Excellent = "excellent" "优秀",
        Good = "good" "良好",
        Fair = "fair" "一般",
        Poor = "poor" "较差",
    }
}

payload! {
    /// Somebody rates a pledge on the web.
    Rated = "pledge.rated.v1" "网上评价承诺";
    sealed { pledge: PledgeId, Named = "承诺", grade: Grade, Named = "评价" }
    slots {}
    authors &[Role::Intake];
}

/// State of one rating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The day in China on which it came.
    pub received_on: Option<NaiveDate>,
}

impl Payload for Rated {
    type State = State;
    const OPENS: bool = true;
    const NAMED_READERS: &'static [Role] = &[];

    fn decide(&self, _: &State, _: &Proposal<'_>, _: &Context<'_>) -> Result<(), Refusal> {
        Ok(())
    }

    fn evolve(self, state: State, event: &Recorded<'_>) -> State {
        Self::evolve_unseen(state, event)
    }

    fn evolve_unseen(_: State, event: &Recorded<'_>) -> State {
        State { received_on: Some(intake::received_on(event)) }
    }

    fn sample() -> Value {
        json!({"kind": "pledge.rated.v1", "stream": sealed_stream("pledge", 1), "org": "341599101201",
            "fields": {"pledge": sample_stream("pledge", 1), "grade": "good"}})
    }
}

/// How many gave each grade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// 优秀.
    pub excellent: u64,
    /// 良好.
    pub good: u64,
    /// 一般.
    pub fair: u64,
    /// 较差.
    pub poor: u64,
}

impl Counted {
    /// How many there are.
    pub fn total(&self) -> u64 {
        self.excellent + self.good + self.fair + self.poor
    }

    /// The grades, best first, each with how many gave it.
    pub fn by_grade(&self) -> [(Grade, u64); 4] {
        [
            (Grade::Excellent, self.excellent),
            (Grade::Good, self.good),
            (Grade::Fair, self.fair),
            (Grade::Poor, self.poor),
        ]
    }

    /// Whether there are enough to tell the grades without telling who gave which.
    pub fn is_shown(&self) -> bool {
        self.total() >= RATINGS_SHOWN_MIN
    }
}

/// One rating, as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rating {
    /// The pledge.
    pub pledge: StreamId,
    /// Code of the organization to which it was sent.
    pub org: String,
    /// The day in China on which it came.
    pub received_on: NaiveDate,
    /// What was given.
    pub grade: Grade,
}

impl Rating {
    /// The rating that a sealed event is; `None` for any other event, and for one that cannot be read.
    pub fn of(event: &Recorded<'_>) -> Option<Self> {
        if event.statement.kind != Rated::KIND {
            return None;
        }
        let Rated { pledge, grade } = body(Rated::KIND, event.values?)?;
        let org = event.statement.org.clone();
        Some(Self { pledge: pledge.0, org, received_on: intake::received_on(event), grade })
    }
}

/// Counts grades.
pub fn count(grades: impl IntoIterator<Item = Grade>) -> Counted {
    let mut counted = Counted::default();
    for grade in grades {
        let place = match grade {
            Grade::Excellent => &mut counted.excellent,
            Grade::Good => &mut counted.good,
            Grade::Fair => &mut counted.fair,
            Grade::Poor => &mut counted.poor,
        };
        *place += 1;
    }
    counted
}

/// The day through which the organization is told counts: the last of the month before. Sums of two days that follow one
/// another would show what one person gave.
pub fn told_through(today: NaiveDate) -> NaiveDate {
    today.with_day(1).and_then(|first| first.pred_opt()).unwrap_or(today)
}

/// What a published evaluation says was counted here on the web, and through which day; `None` where it was counted
/// otherwise, at a meeting or by another site.
pub fn published(statement: &Statement) -> Option<(NaiveDate, Counted)> {
    let Evaluated { by, held_on, excellent, good, fair, poor, .. } = body(&statement.kind, &statement.body)?;
    (by == Evaluator::Online && statement.proxy.is_none()).then_some((held_on, Counted { excellent, good, fair, poor }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn counts_are_told_month_by_month_so_that_no_single_day_shows() {
        for (today, through) in
            [("2026-03-01", "2026-02-28"), ("2026-03-31", "2026-02-28"), ("2027-01-05", "2026-12-31")]
        {
            assert_eq!(told_through(day(today)), day(through), "{today}");
        }
    }

    #[test]
    fn every_grade_is_counted_and_five_are_enough_to_be_shown() {
        let some = [Grade::Poor, Grade::Good, Grade::Good, Grade::Excellent];
        let counted = count(some);
        assert_eq!(counted, Counted { excellent: 1, good: 2, fair: 0, poor: 1 });
        assert!(!counted.is_shown());
        assert!(count(some.into_iter().chain([Grade::Fair])).is_shown());
    }
}
