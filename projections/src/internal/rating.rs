//! What the ratings of a pledge add up to (网上反馈).
//!
//! No single rating leaves this module, and no sum of fewer than
//! [`RATINGS_SHOWN_MIN`](gongkai_domain::kind::rating::RATINGS_SHOWN_MIN). Who may ask is the policy's
//! ([`confidentiality::sums`]); the audit counts again from the vault itself.

use chrono::NaiveDate;
use gongkai_domain::{
    confidentiality::{self, Reader},
    kind::{
        Described as _,
        rating::{self, Counted, Rated, Rating},
    },
};
use gongkai_log::StreamId;
use serde::Serialize;

use super::{InternalError, InternalViews};

/// Counts of a pledge's ratings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ratings {
    /// The last day that counts.
    pub through: NaiveDate,
    /// By grade; `None` while there are too few to tell them apart from who gave them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counted>,
}

impl InternalViews {
    /// Counts the ratings of a pledge of an organization through the month before; `None` when the reader may not.
    ///
    /// # Errors
    /// [`InternalError`]; [`InternalError::Behind`] when the views do not get to the last rating in time.
    pub async fn ratings(
        &self,
        reader: &Reader,
        (pledge, org): (&StreamId, &str),
        today: NaiveDate,
    ) -> Result<Option<Ratings>, InternalError> {
        self.reflected().await?;
        if !self.0.ledger.with_world(|world| confidentiality::sums(reader, org, world)) {
            return Ok(None);
        }
        let through = rating::told_through(today);
        let grade = |rating: Rating| (rating.org == org && rating.received_on <= through).then_some(rating.grade);
        let grades = self.each_about(pledge, Rated::KIND, |event| Rating::of(event).and_then(grade)).await?;
        let counted = rating::count(grades);
        Ok(Some(Ratings { through, counts: counted.is_shown().then_some(counted) }))
    }
}
