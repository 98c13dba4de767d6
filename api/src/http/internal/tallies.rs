//! `GET /internal/api/v1/tallies/{id}/count`: what the ballots of a closed tally add up to, for whoever organizes,
//! supervises or inspects it.
//!
//! No single ballot is shown to anybody. Who may count is decided by the policy
//! (`gongkai_domain::confidentiality::counts`).

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use gongkai_domain::Role;
use gongkai_domain::confidentiality::Callers;
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
        path: "/internal/api/v1/tallies/{id}/count",
        id: "tally_count",
        summary: "计票：投票截止后的有效票数、各选项票数（不足五张不分列）和选票哈希清单",
        params: const { &[path("id", "Uuid", "评议投票的编号")] },
        body: None,
        answers: const { &[Answer { status: 200, about: "票数", media: &[(JSON, "Urn")] }] },
        problems: &["bad_query", "not_found", "views_behind", "internal"],
        writes: true,
        handler: get(count),
    };
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

/// The schema of the answer.
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
    [("OptionVotes".to_owned(), count), ("Urn".to_owned(), urn)].into_iter().collect()
}
