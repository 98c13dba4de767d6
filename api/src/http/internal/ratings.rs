//! `GET /internal/api/v1/pledges/{id}/ratings`: what the ratings of a pledge add up to through the month before, for
//! whoever publishes for its organization, supervises or inspects it.
//!
//! No single rating is shown to anybody. Who may ask is decided by the policy
//! (`gongkai_domain::confidentiality::sums`).

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use gongkai_domain::Role;
use gongkai_domain::confidentiality::{Callers, Reader};
use gongkai_log::StreamId;
use gongkai_projections::internal::rating::Ratings;
use serde_json::{Map, Value, json};

use super::matters::{matter_id, views};
use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, reference};
use crate::http::pages::nothing;
use crate::http::problem::Problem;
use crate::http::query::Params;

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "get",
        path: "/internal/api/v1/pledges/{id}/ratings",
        id: "pledge_ratings",
        summary: "网上反馈：一件承诺到上月底收到的评价，各等次多少人（不足五人不给）",
        params: const { &[path("id", "Uuid", "承诺的编号")] },
        body: None,
        answers: const { &[Answer { status: 200, about: "各等次人数", media: &[(JSON, "Ratings")] }] },
        problems: &["bad_query", "not_found", "views_behind", "internal"],
        writes: true,
        handler: get(show),
    };
    let callers = Callers::Holding(&[Role::Publisher, Role::Supervisor, Role::Inspector]);
    Door { endpoint, callers, unseen: Unseen::Absent }
}

async fn show(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Value>, Problem> {
    params.only(&[])?;
    let pledge = matter_id("pledge", &id)?;
    Ok(Json(json!(of(&app, &reader, &pledge).await?.ok_or_else(nothing)?)))
}

/// Counts of a pledge's ratings; `None` where there is no such pledge, or none that the reader may count.
pub async fn of(app: &App, reader: &Reader, pledge: &StreamId) -> Result<Option<Ratings>, Problem> {
    let Some(first) = app.read().await?.history(&pledge.to_string()).await?.into_iter().next() else {
        return Ok(None);
    };
    Ok(views(app)?.ratings(reader, (pledge, &first.org), app.today()).await?)
}

/// The schema of the answer.
pub fn schemas() -> Map<String, Value> {
    let grades = ["excellent", "good", "fair", "poor"].map(|grade| (grade, reference("Count")));
    let counts = object("各等次多少人", &grades);
    let ratings =
        object("一件承诺的网上反馈", &[("through", reference("Date")), ("counts?", reference("GradeCounts"))]);
    [("GradeCounts".to_owned(), counts), ("Ratings".to_owned(), ratings)].into_iter().collect()
}
