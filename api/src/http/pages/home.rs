//! `/`: search, what is new, who is late.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_projections::read;

use super::{Frame, frame, kept, parts};
use crate::http::App;
use crate::http::problem::Problem;
use crate::site::format::{Count, Month};
use crate::site::home::{FamilyTile, HomePage};
use crate::site::parts::{Counted, Family};

/// Rows of each list on the page.
const SHOWN: u32 = 5;

/// The home page.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    kept::answer(&app, &headers, &uri, Box::pin(make(&app))).await
}

async fn make(app: &App) -> Result<HomePage, Problem> {
    let Frame { site, .. } = frame(app).await?;
    let home = app.read().await?.home(SHOWN).await?;
    let total = |family| Count(home.totals.get(parts::wire(family)).copied().unwrap_or_default());
    Ok(HomePage {
        site,
        families: Family::BOARDS.into_iter().map(|family| FamilyTile { family, total: total(family) }).collect(),
        latest: home.latest.into_iter().map(parts::entry_item).collect(),
        overdue: counted(home.overdue, "/compliance#overdue"),
        running: counted(home.running, "/notices?status=running"),
        without_outcome: counted(home.without_outcome, "/compliance#without-outcome"),
        due_month: month(&home.due_month).unwrap_or(Month { year: 0, month: 1 }),
        missing: Count(home.missing),
        obliged: Count(home.obliged),
        missing_href: "/compliance#missing".to_owned(),
    })
}

/// Matters with their number and where all of them are.
pub fn counted(list: read::Counted<read::Matter>, href: impl Into<String>) -> Counted {
    Counted { total: Count(list.total), items: list.items.into_iter().map(parts::item).collect(), href: href.into() }
}

/// `2026-02`.
pub fn month(text: &str) -> Option<Month> {
    let (year, month) = text.split_once('-')?;
    Some(Month { year: year.parse().ok()?, month: month.parse().ok().filter(|month| (1..=12).contains(month))? })
}
