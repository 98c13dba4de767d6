//! Sessions with the people (民情沟通面对面): what was moved, what was said to it, and the pledges that came of it; and, on
//! a pledge's page, the session at which it was made.

use gongkai_domain::kind::{Described as _, intake::PointResult, session};
use gongkai_projections::read::{HistoryEvent, Reader, history};
use serde_json::{Map, Value};

use super::parts;
use crate::http::problem::Problem;
use crate::site::format::Day;
use crate::site::parts::{Link, Row, Shown};
use crate::site::stream::Motion;

/// What was moved at a session; nothing of any other matter.
pub async fn motions(reader: &mut Reader, first: &HistoryEvent) -> Result<Vec<Motion>, Problem> {
    if first.kind != session::Held::KIND {
        return Ok(Vec::new());
    }
    let mut motions = Vec::new();
    for line in reader.lines_of_entry(first.index).await? {
        match line.row {
            Some(row) => motions.push(motion(reader, &row).await?),
            None => motions.extend(line.withdrawn.map(|trace| Motion::withdrawn(parts::tombstone(trace)))),
        }
    }
    Ok(motions)
}

async fn motion(reader: &mut Reader, row: &Map<String, Value>) -> Result<Motion, Problem> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let unit = match text("unit") {
        Some(code) => reader.org_names([code]).await?.remove(code).or_else(|| Some(code.to_owned())),
        None => None,
    };
    let due = text("due_on").and_then(|day| day.parse().ok()).map(|day| Day(day).to_string());
    let rows = [
        ("提出人", text("proposer").map(str::to_owned)),
        ("现场答复", text("reply").map(str::to_owned)),
        ("暂不办理的说明", text("explanation").map(str::to_owned)),
        ("承办单位", unit),
        ("办理时限", due),
    ];
    let pledge = match text("pledge") {
        Some(stream) => Some(pledge(reader, stream).await?),
        None => None,
    };
    Ok(Motion {
        motion: Shown::of(text("motion").unwrap_or("—")),
        result: text("result").and_then(PointResult::from_wire).map_or("—", PointResult::label).to_owned(),
        rows: rows.into_iter().filter_map(|(label, value)| Some(Row::new(label, value?))).collect(),
        pledge,
    })
}

/// The pledge that a line names, by its title; one that is not in the log yet by what it will be.
async fn pledge(reader: &mut Reader, stream: &str) -> Result<Link, Problem> {
    let events = reader.history(stream).await?;
    let title = history::latest(&events, "title").map(parts::shown);
    let title = title.map_or_else(|| "还没有登记".to_owned(), |title| title.plain().to_owned());
    Ok(Link::new(parts::href(stream), title))
}

/// The sessions at which a pledge was made; `above` is the organization whose sessions are looked through.
pub async fn promised_at(reader: &mut Reader, pledge: &str, above: &str) -> Result<Vec<Link>, Problem> {
    let found = reader.promised_at(pledge, above).await?;
    Ok(found.into_iter().map(|item| Link::new(parts::href(&item.stream), item.title.unwrap_or(item.label))).collect())
}
