//! What things add up to that nobody reads one by one, for whoever organizes, supervises or inspects it: the ballots of a
//! closed tally (`GET /internal/api/v1/tallies/{id}/count`), the ratings of a pledge through the month before
//! (`GET /internal/api/v1/pledges/{id}/ratings`).
//!
//! No single ballot and no single rating is shown to anybody. Who may have a sum is decided by the policy
//! (`gongkai_domain::confidentiality::counts` and `sums`). To add one, make its door here.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{MethodRouter, get};
use gongkai_domain::Role;
use gongkai_domain::confidentiality::{Callers, Reader};
use gongkai_log::StreamId;
use gongkai_projections::internal::rating::Ratings;
use serde_json::{Map, Value, json};

use super::matters::{matter_id, views};
use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, Param, object, path, reference};
use crate::http::pages::nothing;
use crate::http::problem::Problem;
use crate::http::query::Params;

/// The endpoints.
pub fn doors() -> [Door; 2] {
    [
        door(
            ("/internal/api/v1/tallies/{id}/count", "tally_count"),
            "计票：投票截止后的有效票数、各选项票数（不足五张不分列）和选票哈希清单",
            const { &[path("id", "Uuid", "评议投票的编号")] },
            const { &[Answer { status: 200, about: "票数", media: &[(JSON, "Urn")] }] },
            get(count),
        ),
        door(
            ("/internal/api/v1/pledges/{id}/ratings", "pledge_ratings"),
            "网上反馈：一件承诺到上月底收到的评价，各等次多少人（不足五人不给）",
            const { &[path("id", "Uuid", "承诺的编号")] },
            const { &[Answer { status: 200, about: "各等次人数", media: &[(JSON, "Ratings")] }] },
            get(rated),
        ),
    ]
}

fn door(
    (path, id): (&'static str, &'static str),
    summary: &'static str,
    params: &'static [Param],
    answers: &'static [Answer],
    handler: MethodRouter<App>,
) -> Door {
    let problems = &["bad_query", "not_found", "views_behind", "internal"];
    let endpoint =
        Endpoint { method: "get", path, id, summary, params, body: None, answers, problems, writes: true, handler };
    let callers = Callers::Holding(&[Role::Publisher, Role::Supervisor, Role::Inspector]);
    Door { endpoint, callers, unseen: Unseen::Absent }
}

async fn count(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Value>, Problem> {
    params.only(&[])?;
    let counted = views(&app)?.count(&reader, &matter_id("tally", &id)?).await;
    Ok(Json(json!(counted?.ok_or_else(nothing)?)))
}

async fn rated(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path(id): Path<String>,
    params: Params,
) -> Result<Json<Value>, Problem> {
    params.only(&[])?;
    let counted = ratings(&app, &reader, &matter_id("pledge", &id)?).await;
    Ok(Json(json!(counted?.ok_or_else(nothing)?)))
}

/// Counts of a pledge's ratings; `None` where there is no such pledge, or none that the reader may count.
pub async fn ratings(app: &App, reader: &Reader, pledge: &StreamId) -> Result<Option<Ratings>, Problem> {
    let Some(first) = app.read().await?.history(&pledge.to_string()).await?.into_iter().next() else {
        return Ok(None);
    };
    Ok(views(app)?.ratings(reader, (pledge, &first.org), app.today()).await?)
}

/// The schemas of the answers.
pub fn schemas() -> Map<String, Value> {
    let count = object("一个选项的票数", &[("option", reference("Count")), ("votes", reference("Count"))]);
    let list = |items: Value| json!({ "type": "array", "items": items });
    let urn = object(
        "一次投票的票数",
        &[
            ("accepted", reference("Count")),
            ("ballots", reference("Hash")),
            ("counts?", list(reference("OptionVotes"))),
            ("hashes", list(reference("Hash"))),
        ],
    );
    let grades = ["excellent", "good", "fair", "poor"].map(|grade| (grade, reference("Count")));
    let counts = object("各等次多少人", &grades);
    let ratings =
        object("一件承诺的网上反馈", &[("through", reference("Date")), ("counts?", reference("GradeCounts"))]);
    let named = [("OptionVotes", count), ("Urn", urn), ("GradeCounts", counts), ("Ratings", ratings)];
    named.map(|(name, schema)| (name.to_owned(), schema)).into_iter().collect()
}
