//! `/timeline`: every entry, newest first.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_projections::read::Filter;

use super::{Frame, PAGE_LIMIT, answer, frame, parts};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::{PAGE_MAX, Params};
use crate::site::timeline::TimelinePage;

/// One page of all entries.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    let page = make(&app, &uri).await;
    answer(&app, &headers, page).await
}

async fn make(app: &App, uri: &Uri) -> Result<TimelinePage, Problem> {
    let params = Params::of(uri)?;
    params.only(&["page"])?;
    let page = params.number("page", 1, PAGE_MAX)?.unwrap_or(1);
    let Frame { site, .. } = frame(app).await?;
    let limit = u32::try_from(PAGE_LIMIT).unwrap_or(u32::MAX);
    let filter = Filter { offset: (page - 1) * PAGE_LIMIT, limit, ..Filter::default() };
    let found = app.read().await?.timeline(None, &filter).await?;
    let href = |page| if page > 1 { format!("/timeline?page={page}") } else { "/timeline".to_owned() };
    Ok(TimelinePage {
        site,
        pager: parts::pager(page, PAGE_LIMIT, found.total, href),
        items: found.items.into_iter().map(parts::entry_item).collect(),
    })
}
