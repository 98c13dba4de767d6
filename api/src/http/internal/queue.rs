//! `GET /internal/api/v1/queue`: the drafts that wait for whoever is signed in, each at its gate.
//!
//! What waits for somebody else is not there; where a review stands is `matters`.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use gongkai_domain::Role;
use gongkai_domain::confidentiality::Callers;
use gongkai_projections::internal::queue::QUEUE_MAX;
use serde_json::{Map, Value, json};

use super::matters::views;
use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, query, reference};
use crate::http::problem::Problem;
use crate::http::query::Params;

/// Whoever passes a gate in some procedure.
const GATEKEEPERS: Callers = Callers::Holding(&[Role::Reviewer, Role::Approver, Role::Supervisor]);

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "get",
        path: "/internal/api/v1/queue",
        id: "queue",
        summary: "等登录人办理的送审稿：等在哪一关、等了多久、还差几人，等得最久的在前",
        params: const { &[query("limit", "Limit", "条数")] },
        body: None,
        answers: const { &[Answer { status: 200, about: "待办", media: &[(JSON, "Queue")] }] },
        problems: &["bad_query", "not_found", "views_behind", "internal"],
        writes: true,
        handler: get(queue),
    };
    Door { endpoint, callers: GATEKEEPERS, unseen: Unseen::Absent }
}

async fn queue(State(app): State<App>, SignedIn(reader): SignedIn, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["limit"])?;
    let rows = views(&app)?.queue(&reader, params.limit(QUEUE_MAX)?).await;
    Ok(Json(json!({ "queue": rows? })))
}

/// The schemas of the answer.
pub fn schemas() -> Map<String, Value> {
    let row = object(
        "等着办理的一件送审稿",
        &[
            ("review", reference("StreamId")),
            ("org", reference("OrgCode")),
            ("gate", reference("Text")),
            ("gate_label", reference("Text")),
            ("role", reference("Text")),
            ("role_label", reference("Text")),
            ("above", json!({ "type": "boolean", "description": "这一关由上级机构办理" })),
            ("people", reference("Count")),
            ("since", reference("Time")),
            ("submitted_at", reference("Time")),
            ("author", json!({ "type": ["string", "null"], "description": "送审人" })),
            ("revision", reference("Count")),
        ],
    );
    let rows = json!({ "type": "array", "items": { "$ref": "#/components/schemas/QueueRow" } });
    [("Queue".to_owned(), object("待办", &[("queue", rows)])), ("QueueRow".to_owned(), row)].into_iter().collect()
}
