//! `GET /api/v1/streams/{family}/{id}`: every event of any matter, oldest first; with `on` those recorded by the
//! end of a past day.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use gongkai_projections::read::PastHistory;
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, query, reference};
use crate::http::pages::{nothing, stream};
use crate::http::problem::Problem;
use crate::http::query::Params;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/streams/{family}/{id}",
        id: "stream",
        summary: "任一事项的全部记录，从早到晚",
        params: const {
            &[
                path("family", "Word", "栏目"),
                path("id", "Uuid", "事项编号"),
                query(
                    "on",
                    "Date",
                    "只给这一天结束时已入账的；另给之后还有几条（later）、当天的状态（status，五个栏目才有）",
                ),
            ]
        },
        body: None,
        answers: &[Answer { status: 200, about: "记录", media: &[(JSON, "Stream")] }],
        problems: &["bad_query", "not_found", "views_behind", "internal"],
        writes: false,
        handler: get(events),
    }
}

async fn events(
    State(app): State<App>,
    Path((family, id)): Path<(String, String)>,
    params: Params,
) -> Result<Json<Value>, Problem> {
    params.only(&["on"])?;
    let stream = stream(&family, &id)?;
    let mut reader = app.read().await?;
    if let Some(on) = params.past_day("on", reader.today())? {
        let past = reader.history_on(&stream, on).await?;
        if past.events.is_empty() && past.later == 0 {
            return Err(nothing());
        }
        let PastHistory { events, later, status, .. } = past;
        return Ok(Json(json!({
            "size": reader.size(), "stream": stream, "history": events, "on": on, "later": later, "status": status,
        })));
    }
    let history = reader.history(&stream).await?;
    if history.is_empty() {
        return Err(nothing());
    }
    Ok(Json(json!({ "size": reader.size(), "stream": stream, "history": history })))
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let maybe = |name: &str| json!({ "oneOf": [reference(name), { "type": "null" }] });
    let list = |name: &str| json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{name}") } });
    let signer = object(
        "签名人",
        &[
            ("role", reference("Text")),
            ("role_label", reference("Text")),
            ("key", reference("Text")),
            ("person", maybe("StreamId")),
            ("name", maybe("Text")),
        ],
    );
    let field =
        object("字段", &[("name", reference("Text")), ("label", reference("Text")), ("value", reference("Shown"))]);
    let event = object(
        "一条记录",
        &[
            ("index", reference("Index")),
            ("stream", reference("StreamId")),
            ("revision", reference("Count")),
            ("kind", reference("Text")),
            ("label", reference("Text")),
            ("org", reference("OrgCode")),
            ("org_name", reference("Text")),
            ("declared_at", reference("Time")),
            ("recorded_at", reference("Time")),
            ("late_days", reference("Count")),
            ("back_filled", json!({ "type": "boolean" })),
            ("entry_hash", reference("Hash")),
            ("statement_hash", reference("Hash")),
            ("signers", list("SignerName")),
            ("proxy", maybe("Proxy")),
            ("body", json!({ "type": "object" })),
            ("open", json!({ "type": "object" })),
            ("fields", list("ShownField")),
            ("diffs", json!({ "type": "array" })),
            ("attachments", json!({ "type": "array" })),
            ("lines_count", reference("Count")),
            ("withdrawn_count", reference("Count")),
            ("target", maybe("Index")),
        ],
    );
    let stream = object(
        "事项的全部记录",
        &[
            ("size", reference("Count")),
            ("stream", reference("StreamId")),
            ("history", list("Event")),
            ("on?", reference("Date")),
            ("later?", reference("Count")),
            ("status?", maybe("Text")),
        ],
    );
    let named = [("SignerName", signer), ("ShownField", field), ("Event", event), ("Stream", stream)];
    named.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
