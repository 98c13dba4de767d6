//! `GET /internal/api/v1/schedules`: what of sealed matters is promised to be opened and is not yet, for those whom the
//! policy lets know of it.
//!
//! No content, and no access record: what is told is a day and the name of a field. Opening is `slot.opened`.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use gongkai_projections::internal::read::MATTERS_MAX;
use serde_json::{Map, Value, json};

use super::matters::{OFFICIALS, purpose, views};
use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, query, reference};
use crate::http::problem::Problem;
use crate::http::query::Params;

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "get",
        path: "/internal/api/v1/schedules",
        id: "schedules",
        summary: "封存事项里到期该启封、还没有启封的内容，逾期最久的在前（不含内容）",
        params: const {
            &[
                query("until", "Date", "到哪一天为止，默认今天；写以后的日期可以预先查看"),
                query("purpose", "Word", "用途：handling、review、inspection、request"),
                query("limit", "Limit", "条数"),
            ]
        },
        body: None,
        answers: const { &[Answer { status: 200, about: "清单", media: &[(JSON, "Schedules")] }] },
        problems: &["bad_query", "not_found", "views_behind", "internal"],
        writes: true,
        handler: get(schedules),
    };
    Door { endpoint, callers: OFFICIALS, unseen: Unseen::Absent }
}

async fn schedules(State(app): State<App>, SignedIn(reader): SignedIn, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["until", "purpose", "limit"])?;
    let until = params.day("until")?.unwrap_or_else(|| app.today());
    let limit = params.limit(MATTERS_MAX)?;
    let (views, purpose) = (views(&app)?, purpose(&params)?);
    let mut public = app.read().await?;
    let found = views.schedules(&reader, purpose, until, limit, &mut public).await;
    Ok(Json(json!({ "schedules": found? })))
}

/// The schemas of the answer.
pub fn schemas() -> Map<String, Value> {
    let optional = || json!({ "type": ["integer", "null"] });
    let row = object(
        "封存事项的启封安排",
        &[
            ("seq", reference("Count")),
            ("stream", reference("StreamId")),
            ("revision", reference("Count")),
            ("kind", reference("Text")),
            ("label", reference("Text")),
            ("org", reference("OrgCode")),
            ("field", reference("Text")),
            ("slot", reference("Count")),
            ("opens_on", reference("Date")),
            ("standing", json!({ "description": "ahead、today，或 {\"overdue\": 逾期天数}" })),
            ("period", optional()),
            ("leaf", optional()),
            ("sentence", reference("Text")),
        ],
    );
    let list = object("启封安排清单", &[("schedules", json!({ "type": "array", "items": reference("ScheduleRow") }))]);
    Map::from_iter([("Schedules".to_owned(), list), ("ScheduleRow".to_owned(), row)])
}
