//! Notices for readers.

use serde::Serialize;

use super::{Deadline, Filter, Matter, Page, ReadError, Reader, Shown, history, history::HistoryEvent};
use crate::status::Status;

/// A notice with its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notice {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// Status and dates today.
    pub matter: Matter,
    /// Title, latest version.
    pub title: Option<Shown>,
    /// Text, latest version.
    pub text: Option<Shown>,
    /// Document number.
    pub number: Option<Shown>,
    /// Who issued it.
    pub issuer: Option<Shown>,
    /// Where to object.
    pub report_to: Option<Shown>,
    /// Its period, if it has one, and how it was computed.
    pub deadline: Option<Deadline>,
    /// Days since the period ended without an outcome.
    pub days_without_outcome: Option<u64>,
    /// The published outcome.
    pub outcome: Option<Shown>,
    /// All events, oldest first.
    pub history: Vec<HistoryEvent>,
}

impl Reader {
    /// A page of notices.
    pub async fn notices(&mut self, filter: &Filter) -> Result<Page<Matter>, ReadError> {
        self.matters("notice", filter).await
    }

    /// One notice by stream (`notice/<uuid>`).
    pub async fn notice(&mut self, stream: &str) -> Result<Option<Notice>, ReadError> {
        let found = self.matter_with_deadline(stream).await?;
        let Some((matter, deadline)) = found.filter(|(matter, _)| matter.family == "notice") else { return Ok(None) };
        let history = self.history(stream).await?;
        let now = |name: &str| history::latest(&history, name);
        Ok(Some(Notice {
            size: self.size(),
            title: now("title"),
            text: now("text"),
            number: now("number"),
            issuer: now("issuer"),
            report_to: now("report_to"),
            days_without_outcome: days_without_outcome(&matter),
            outcome: now("outcome"),
            deadline,
            matter,
            history,
        }))
    }
}

/// Days since a period ended without a published outcome.
pub(crate) fn days_without_outcome(matter: &Matter) -> Option<u64> {
    let past = matter.days_left.filter(|_| matter.status == Status::NoOutcome)?;
    Some(past.unsigned_abs())
}
