//! Supervisions (督办) of one matter, for its page: who set whom a day, and whether an answer stopped the clock.
//!
//! How many days are left or over is computed when read. Lists of those that run are the board's (`board`).

use chrono::NaiveDate;
use gongkai_domain::kind::supervision::Progress;
use serde::Serialize;

use super::{Columns, ReadError, Reader, label_or, text};

const OF: &str = "SELECT stream, org, to_org, title, issued_on, due_on, entry_index, result, answered_on, done \
     FROM supervisions WHERE (about = $1 OR stream = $1) AND entry_index IS NOT NULL ORDER BY entry_index";

pub(super) const STATEMENTS: &[(&str, &str)] = &[("supervisions.of", OF)];

/// A supervision as it stands today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Supervised {
    /// Its stream.
    pub stream: String,
    /// Entry that issued it.
    pub index: u64,
    /// Name today of the organization that issued it.
    pub by_name: String,
    /// Name today of the organization that has to act.
    pub to_name: String,
    /// Its title; absent when it was withdrawn.
    pub title: Option<String>,
    /// The day on which it was issued.
    pub issued_on: Option<NaiveDate>,
    /// The last day.
    pub due_on: NaiveDate,
    /// Whether its clock runs.
    pub runs: bool,
    /// Days left, negative after the last day; absent once the clock has stopped.
    pub days_left: Option<i64>,
    /// The latest answer in Chinese, and its day.
    pub answer: Option<(String, Option<NaiveDate>)>,
}

impl Reader {
    /// The supervisions about a stream, or the one that it is, the oldest first.
    pub async fn supervisions_of(&mut self, stream: &str) -> Result<Vec<Supervised>, ReadError> {
        let rows = self.rows(OF, vec![text(stream)]).await?;
        let mut codes = Vec::new();
        for row in &rows {
            codes.extend([row.maybe::<String>("org")?, row.maybe("to_org")?].into_iter().flatten());
        }
        let names = self.org_names(codes.iter().map(String::as_str)).await?;
        let name =
            |code: Option<String>| code.map(|code| names.get(&code).cloned().unwrap_or(code)).unwrap_or_default();
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(due_on) = row.day("due_on")? else { continue };
            let runs = row.maybe::<i64>("done")?.is_none();
            let result = row.maybe::<String>("result")?;
            let label = |wire: String| label_or(Progress::from_wire(&wire).map(Progress::label), &wire).to_owned();
            let answered_on = row.day("answered_on")?;
            found.push(Supervised {
                stream: row.text("stream")?,
                index: row.count("entry_index")?,
                by_name: name(row.maybe("org")?),
                to_name: name(row.maybe("to_org")?),
                title: row.maybe("title")?,
                issued_on: row.day("issued_on")?,
                due_on,
                runs,
                days_left: runs.then(|| (due_on - self.today()).num_days()),
                answer: result.map(|wire| (label(wire), answered_on)),
            });
        }
        Ok(found)
    }
}
