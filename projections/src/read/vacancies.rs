//! Vacancies for readers: a batch and its posts.

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Columns, Filter, Matter, Page, ReadError, Reader, Shown, Tombstone, history, history::HistoryEvent, text};
use crate::status::Status;

const POSTS: &str = "SELECT line, received, valid, recommended, filled_on, filled_index FROM vacant_posts \
     WHERE stream = $1 AND announced = 1 ORDER BY line";

pub(super) const STATEMENTS: &[(&str, &str)] = &[("vacancies.posts", POSTS)];

/// A post of a batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VacantPost {
    /// Line in the announcement, from 0.
    pub line: u64,
    /// The post's cells by column; absent when the line was withdrawn.
    pub row: Option<Map<String, Value>>,
    /// The trace, when the line was withdrawn.
    pub withdrawn: Option<Tombstone>,
    /// State of this post today.
    pub status: Status,
    /// Recommendations received, valid, and different people; once published.
    pub tally: Option<(u64, u64, u64)>,
    /// Day on which it was filled.
    pub filled_on: Option<NaiveDate>,
    /// Entry that says so.
    pub filled_index: Option<u64>,
}

/// A batch of vacancies with its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vacancy {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// Status and window today.
    pub matter: Matter,
    /// Title.
    pub title: Option<Shown>,
    /// Text.
    pub text: Option<Shown>,
    /// Whom to ask.
    pub contact: Option<Shown>,
    /// The posts.
    pub posts: Vec<VacantPost>,
    /// All events, oldest first.
    pub history: Vec<HistoryEvent>,
}

impl Reader {
    /// A page of batches.
    pub async fn vacancies(&mut self, filter: &Filter) -> Result<Page<Matter>, ReadError> {
        self.matters("vacancy", filter).await
    }

    /// One batch by stream (`vacancy/<uuid>`).
    pub async fn vacancy(&mut self, stream: &str) -> Result<Option<Vacancy>, ReadError> {
        let Some(matter) = self.matter(stream).await?.filter(|matter| matter.family == "vacancy") else {
            return Ok(None);
        };
        let history = self.history(stream).await?;
        let mut rows = self.list_rows(matter.first_index).await?;
        let found = self.rows(POSTS, vec![text(stream)]).await?;
        let mut posts = Vec::with_capacity(found.len());
        for post in &found {
            let line = post.count("line")?;
            let (row, withdrawn) = rows.remove(&line).unwrap_or_default();
            let number = |name: &str| post.maybe::<i64>(name).map(|n| n.map(i64::unsigned_abs));
            let (received, valid, recommended) = (number("received")?, number("valid")?, number("recommended")?);
            let filled_on = post.day("filled_on")?;
            let tally = received.zip(valid).zip(recommended).map(|((r, v), p)| (r, v, p));
            let status = match (filled_on, matter.status) {
                (Some(_), _) => Status::Filled,
                (None, Status::Filled | Status::Tallied) if tally.is_none() => Status::Closed,
                (None, status) => status,
            };
            posts.push(VacantPost {
                line,
                row,
                withdrawn,
                status,
                tally,
                filled_on,
                filled_index: number("filled_index")?,
            });
        }
        let now = |name: &str| history::latest(&history, name);
        Ok(Some(Vacancy {
            size: self.size(),
            title: now("title"),
            text: now("text"),
            contact: now("contact"),
            matter,
            posts,
            history,
        }))
    }
}
