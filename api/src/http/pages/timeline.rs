//! `/timeline`: every entry, newest first; with `?on=` those that were recorded by the end of a past day.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::NaiveDate;
use gongkai_projections::read::Filter;

use super::{Frame, PAGE_LIMIT, frame, kept, parts};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::{PAGE_MAX, Params, push};
use crate::site::format::Day;
use crate::site::past::{AsOf, AskDay};
use crate::site::timeline::TimelinePage;

/// One page of all entries.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    kept::answer(&app, &headers, &uri, Box::pin(make(&app, &uri))).await
}

async fn make(app: &App, uri: &Uri) -> Result<TimelinePage, Problem> {
    let params = Params::of(uri)?;
    params.only(&["page", "on"])?;
    let page = params.number("page", 1, PAGE_MAX)?.unwrap_or(1);
    let on = params.past_day("on", app.today())?;
    let Frame { site, .. } = frame(app).await?;
    let limit = u32::try_from(PAGE_LIMIT).unwrap_or(u32::MAX);
    let filter = Filter { offset: (page - 1) * PAGE_LIMIT, limit, ..Filter::default() };
    let mut reader = app.read().await?;
    let found = match on {
        Some(on) => reader.timeline_on(on, &filter).await?,
        None => reader.timeline(None, &filter).await?,
    };
    let href = |page: u64| {
        let mut href = "/timeline".to_owned();
        if let Some(on) = on {
            push(&mut href, "on", &on.to_string());
        }
        if page > 1 {
            push(&mut href, "page", &page.to_string());
        }
        href
    };
    let past = match on {
        Some(on) => Some(past(on, reader.first_day().await?)),
        None => None,
    };
    Ok(TimelinePage {
        site,
        pager: parts::pager(page, PAGE_LIMIT, found.total, href),
        items: found.items.into_iter().map(parts::entry_item).collect(),
        past,
        day: AskDay { value: Day(on.unwrap_or(app.today())), max: Day(app.today()), hidden: Vec::new() },
    })
}

fn past(on: NaiveDate, first: Option<NaiveDate>) -> AsOf {
    AsOf {
        on: Day(on),
        notes: &["机构名称和上下级按今天；后来依法撤下的内容，这里也看不到。"],
        now: "/timeline".to_owned(),
        since: first.filter(|first| on < *first).map(Day),
        first: None,
        further: None,
    }
}
