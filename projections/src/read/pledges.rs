//! Pledges for readers: one with its whole history, and the rate at which they were kept.

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_domain::kind::pledge::{Evaluator, Pledger, Stage};
use serde::Serialize;
use serde_json::Value;

use super::{Filter, Matter, Page, ReadError, Reader, Shown, history, history::HistoryEvent, label_or};
use crate::status::Status;

/// A pledge with its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pledge {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// Status and dates today.
    pub matter: Matter,
    /// What was pledged, latest version.
    pub title: Option<Shown>,
    /// Who pledged.
    pub pledger: Option<Shown>,
    /// 有职党员干部 and so on.
    pub pledger_kind: String,
    /// Their post.
    pub post: Option<Shown>,
    /// Opaque id of the person.
    pub person: Option<String>,
    /// Code of the branch.
    pub branch: Option<String>,
    /// Value before; absent is remarked as 缺少基准值.
    pub baseline: Option<Shown>,
    /// Value promised; absent is remarked as 缺少目标值.
    pub target: Option<Shown>,
    /// Measures.
    pub measures: Option<Shown>,
    /// The reviewer's opinion.
    pub review: Option<Shown>,
    /// Supervising phone.
    pub phone: Option<Shown>,
    /// Day on which it was shown (示诺).
    pub shown_on: Option<NaiveDate>,
    /// Latest due date.
    pub due: Option<NaiveDate>,
    /// Stage of the latest report, Chinese.
    pub stage: Option<String>,
    /// When the latest report was recorded.
    pub reported_at: Option<DateTime<Utc>>,
    /// Code of the organization that failed to report, when the date has passed.
    pub failed_to_report: Option<String>,
    /// Pledge that it was carried from, is carried to, or that took its place.
    pub related: Vec<(String, String)>,
    /// Evaluations: kind in Chinese, date, votes by grade from 优秀.
    pub evaluations: Vec<Evaluation>,
    /// All events, oldest first.
    pub history: Vec<HistoryEvent>,
}

/// One evaluation (评诺).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evaluation {
    /// 自评, 互评, 群众评, 组织评, 网上反馈.
    pub by: String,
    /// Date.
    pub held_on: Option<NaiveDate>,
    /// Votes for 优秀, 良好, 一般, 较差.
    pub votes: [u64; 4],
    /// Entry.
    pub index: u64,
}

/// How many pledges were kept. The rate is `fulfilled / due`: of the pledges whose date has passed or
/// whose pledger has claimed an end, those claimed as fulfilled. Withdrawn, superseded and carried-over
/// pledges, and pledges that run, are not in `due`; partly fulfilled ones are in it and not in `fulfilled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FulfilmentRate {
    /// Claimed as fulfilled.
    pub fulfilled: u64,
    /// Claimed as fulfilled in part.
    pub partly_fulfilled: u64,
    /// Claimed as not fulfilled.
    pub not_fulfilled: u64,
    /// Past their date without a claim.
    pub overdue: u64,
    /// All of these.
    pub due: u64,
    /// `fulfilled` of `due` in per mille, rounded down; absent when none is due.
    pub permille: Option<u64>,
}

impl Reader {
    /// A page of pledges.
    pub async fn pledges(&mut self, filter: &Filter) -> Result<Page<Matter>, ReadError> {
        self.matters("pledge", filter).await
    }

    /// One pledge by stream (`pledge/<uuid>`).
    pub async fn pledge(&mut self, stream: &str) -> Result<Option<Pledge>, ReadError> {
        let Some(matter) = self.matter(stream).await?.filter(|matter| matter.family == "pledge") else {
            return Ok(None);
        };
        let history = self.history(stream).await?;
        let now = |name: &str| history::latest(&history, name);
        let made = history.first().map(|event| &event.body);
        let said = |name: &str| made.and_then(|body| body.get(name)).and_then(Value::as_str);
        let late = matches!(matter.status, Status::OverdueUnreported | Status::Overdue);
        let report =
            history.iter().rev().find(|event| event.open.contains_key("report") || event.body.contains_key("percent"));
        let related: Vec<_> = history
            .iter()
            .flat_map(|event| {
                ["carried_from", "next", "by"].into_iter().filter_map(|name| {
                    let stream = event.body.get(name)?.as_str().filter(|text| text.starts_with("pledge/"))?;
                    Some((name.to_owned(), stream.to_owned()))
                })
            })
            .collect();
        let pledger_kind = said("pledger_kind").unwrap_or_default();
        let (person, branch) = (said("person").map(str::to_owned), said("branch").map(str::to_owned));
        let stage = report.and_then(|event| event.body.get("stage")).and_then(Value::as_str);
        Ok(Some(Pledge {
            size: self.size(),
            title: now("title"),
            pledger: now("pledger"),
            pledger_kind: label_or(Pledger::from_wire(pledger_kind).map(Pledger::label), pledger_kind).to_owned(),
            post: now("post"),
            person,
            failed_to_report: late.then(|| branch.clone().unwrap_or_else(|| matter.org.clone())),
            branch,
            baseline: now("baseline"),
            target: now("target"),
            measures: now("measures"),
            review: now("review"),
            phone: now("phone"),
            shown_on: matter.starts_on,
            due: matter.ends_on,
            stage: stage.map(|wire| label_or(Stage::from_wire(wire).map(Stage::label), wire).to_owned()),
            reported_at: report.map(|event| event.recorded_at),
            related,
            evaluations: history.iter().filter_map(evaluation).collect(),
            matter,
            history,
        }))
    }

    /// The rate at which pledges under a filter were kept; its statuses and page are left out.
    pub async fn fulfilment_rate(&mut self, filter: &Filter) -> Result<FulfilmentRate, ReadError> {
        let counts = self.status_counts("pledge", filter).await?;
        Ok(FulfilmentRate::of(|status| {
            counts.iter().find(|count| count.status == status).map_or(0, |count| count.total)
        }))
    }
}

impl FulfilmentRate {
    /// From how many pledges have each status: the one definition of the rate.
    pub(crate) fn of(count: impl Fn(Status) -> u64) -> Self {
        let (fulfilled, partly_fulfilled, not_fulfilled) =
            (count(Status::Fulfilled), count(Status::PartlyFulfilled), count(Status::NotFulfilled));
        let overdue = count(Status::OverdueUnreported) + count(Status::Overdue);
        let due = fulfilled + partly_fulfilled + not_fulfilled + overdue;
        let permille = (fulfilled * 1000).checked_div(due);
        Self { fulfilled, partly_fulfilled, not_fulfilled, overdue, due, permille }
    }
}

fn evaluation(event: &HistoryEvent) -> Option<Evaluation> {
    let by = event.body.get("by")?.as_str().and_then(Evaluator::from_wire)?;
    let votes = |name: &str| event.body.get(name).and_then(Value::as_u64).unwrap_or(0);
    Some(Evaluation {
        by: by.label().to_owned(),
        held_on: event.body.get("held_on").and_then(Value::as_str).and_then(|day| day.parse().ok()),
        votes: [votes("excellent"), votes("good"), votes("fair"), votes("poor")],
        index: event.index,
    })
}
