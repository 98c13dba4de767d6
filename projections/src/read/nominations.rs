//! Nominations for readers: the period, and each person with what became of them.

use std::collections::HashMap;

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    Columns, Deadline, Filter, Matter, Page, ReadError, Reader, Shown, Tombstone, history, history::HistoryEvent, int,
    matters, notices, text,
};
use crate::status::Status;

const PEOPLE: &str = "SELECT line, outcome, outcome_index, outcome_on, office, office_index, office_on, probation_ends_on FROM people \
     WHERE stream = $1 AND announced = 1 ORDER BY line";
const LINES: &str = "SELECT line, content FROM lines WHERE entry_index = $1 ORDER BY line";

pub(super) const STATEMENTS: &[(&str, &str)] = &[("nominations.people", PEOPLE), ("nominations.lines", LINES)];

/// A person of a nomination.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nominee {
    /// Line in the announcement, from 0.
    pub line: u64,
    /// The person's public cells by column; absent when the line was withdrawn.
    pub row: Option<Map<String, Value>>,
    /// The trace, when the line was withdrawn.
    pub withdrawn: Option<Tombstone>,
    /// State of this person today.
    pub status: Status,
    /// The conclusion, Chinese.
    pub outcome: Option<String>,
    /// Date of the conclusion.
    pub outcome_on: Option<NaiveDate>,
    /// Entry of the conclusion, or of the office where there is one.
    pub outcome_index: Option<u64>,
    /// Day of appointment or election.
    pub office_on: Option<NaiveDate>,
    /// End of the probation as announced.
    pub probation_ends_on: Option<NaiveDate>,
}

/// A nomination with its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nomination {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// Status and dates today.
    pub matter: Matter,
    /// Title.
    pub title: Option<Shown>,
    /// Batch number.
    pub batch: Option<Shown>,
    /// Text.
    pub text: Option<Shown>,
    /// Where to report.
    pub report_to: Option<Shown>,
    /// Whether letters count by their arrival postmark.
    pub postmark_counts: bool,
    /// The vacancy that it fills.
    pub vacancy: Option<String>,
    /// The period and how it was computed; absent for a preview.
    pub deadline: Option<Deadline>,
    /// Days since the period ended without all outcomes.
    pub days_without_outcome: Option<u64>,
    /// The people.
    pub people: Vec<Nominee>,
    /// All events, oldest first.
    pub history: Vec<HistoryEvent>,
}

impl Reader {
    /// A page of nominations.
    pub async fn nominations(&mut self, filter: &Filter) -> Result<Page<Matter>, ReadError> {
        self.matters("nomination", filter).await
    }

    /// One nomination by stream (`nomination/<uuid>`).
    pub async fn nomination(&mut self, stream: &str) -> Result<Option<Nomination>, ReadError> {
        let found = self.matter_with_deadline(stream).await?;
        let Some((matter, deadline)) = found.filter(|(matter, _)| matter.family == "nomination") else {
            return Ok(None);
        };
        let history = self.history(stream).await?;
        let people = self.nominees(stream, &matter).await?;
        let now = |name: &str| history::latest(&history, name);
        let body = history.first().map(|event| &event.body);
        let said = |name: &str| body.and_then(|body| body.get(name));
        Ok(Some(Nomination {
            size: self.size(),
            title: now("title"),
            batch: now("batch"),
            text: now("text"),
            report_to: now("report_to"),
            postmark_counts: said("postmark_counts").and_then(Value::as_bool) == Some(true),
            vacancy: said("vacancy").and_then(Value::as_str).map(str::to_owned),
            days_without_outcome: notices::days_without_outcome(&matter),
            deadline,
            people,
            matter,
            history,
        }))
    }

    async fn nominees(&mut self, stream: &str, matter: &Matter) -> Result<Vec<Nominee>, ReadError> {
        let mut rows = self.list_rows(matter.first_index).await?;
        let people = self.rows(PEOPLE, vec![text(stream)]).await?;
        people
            .iter()
            .map(|person| {
                let line = person.count("line")?;
                let (row, withdrawn) = rows.remove(&line).unwrap_or_default();
                let (outcome, office) = (person.maybe::<String>("outcome")?, person.maybe::<String>("office")?);
                let index = person.maybe::<i64>("office_index")?.or(person.maybe("outcome_index")?);
                Ok(Nominee {
                    line,
                    row,
                    withdrawn,
                    status: person_status(outcome.as_deref(), office.as_deref(), matter),
                    outcome: outcome.map(|wire| matters::outcome_label(&wire).to_owned()),
                    outcome_on: person.day("outcome_on")?,
                    outcome_index: index.map(i64::unsigned_abs),
                    office_on: person.day("office_on")?,
                    probation_ends_on: person.day("probation_ends_on")?,
                })
            })
            .collect()
    }

    /// The lines of an entry's list: public cells, or the trace of their withdrawal.
    pub(crate) async fn list_rows(&mut self, index: u64) -> Result<HashMap<u64, ListRow>, ReadError> {
        let traces: HashMap<u64, Tombstone> =
            self.withdrawn(index).await?.into_iter().filter_map(|w| Some((w.line?, w.tombstone))).collect();
        let rows = self.rows(LINES, vec![int(index)]).await?;
        rows.iter()
            .map(|row| {
                let line = row.count("line")?;
                let content = row.maybe::<String>("content")?.map(|json| serde_json::from_str(&json)).transpose()?;
                Ok((line, (content, traces.get(&line).cloned())))
            })
            .collect()
    }
}

/// A line's public cells, or its trace.
pub(crate) type ListRow = (Option<Map<String, Value>>, Option<Tombstone>);

fn person_status(outcome: Option<&str>, office: Option<&str>, matter: &Matter) -> Status {
    match (office, outcome) {
        (Some("appointed"), _) => Status::Appointed,
        (Some("elected"), _) => Status::Elected,
        (Some("not_elected"), _) => Status::NotElected,
        (Some(_), _) => Status::Ended,
        (None, Some("appoint")) => Status::ToBeAppointed,
        (None, Some("recommend")) => Status::ToBeElected,
        (None, Some("defer")) => Status::Deferred,
        (None, Some("reject")) => Status::NotAppointed,
        (None, Some(_)) => Status::Withdrawn,
        (None, None) => matter.status,
    }
}
