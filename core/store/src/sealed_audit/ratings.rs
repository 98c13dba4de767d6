//! Published 网上反馈 against the ratings that came: nobody reads a single rating, so nobody else can tell.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_domain::{
    Recorded,
    audit_sealed::{Category, Problem},
    event,
    kind::rating::{self, Counted, Grade, Rating},
};
use gongkai_log::{Opening, SignedStatement, Statement, StreamId};

use super::Audit;

/// See the module.
#[derive(Default)]
pub(super) struct Ratings {
    // Of each pledge and organization to which ratings were sent: on which days they came, and the grades.
    given: HashMap<(StreamId, String), Vec<(NaiveDate, Grade)>>,
    // Whether any sealed event could not be read so far: it may have been a rating.
    is_any_unread: bool,
}

impl Ratings {
    /// A sealed event whose content could not be opened.
    pub(super) fn unread(&mut self) {
        self.is_any_unread = true;
    }

    /// A sealed event with its slots.
    pub(super) fn rated(&mut self, signed: &SignedStatement, received_at: DateTime<Utc>, sealed: &[Opening]) {
        let SignedStatement { statement, hash, .. } = signed;
        let values = event::values(sealed);
        let event = Recorded { index: 0, recorded_at: received_at, statement, hash: *hash, values: Some(&values) };
        if let Some(Rating { pledge, org, received_on, grade }) = Rating::of(&event) {
            self.given.entry((pledge, org)).or_default().push((received_on, grade));
        }
    }

    fn counted(&self, statement: &Statement, through: NaiveDate) -> Counted {
        let given = self.given.get(&(statement.stream.clone(), statement.org.clone())).map_or(&[][..], Vec::as_slice);
        rating::count(given.iter().filter(|(day, _)| *day <= through).map(|(_, grade)| *grade))
    }
}

impl Audit<'_> {
    /// A public statement that publishes counts of ratings.
    pub(super) fn rated(&mut self, index: u64, statement: &Statement) {
        let Some((through, published)) = rating::published(statement) else { return };
        let counted = self.ratings.counted(statement, through);
        if counted == published {
            return;
        }
        let problem = if self.ratings.is_any_unread {
            Problem::new(Category::Unjudged, "有封存事项读不出来，公布的网上反馈无法复核")
        } else {
            let (said, came) = (published.total(), counted.total());
            Problem::new(
                Category::Rule,
                format!("公布的网上反馈与收到的评价不符：公布 {said} 份，到 {through} 实收 {came} 份"),
            )
        };
        self.found.entry(index, problem.of("excellent"));
    }
}
