//! `GET /api/v1/streams/{family}/{id}`: every event of any matter, oldest first.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, reference};
use crate::http::pages::{nothing, stream};
use crate::http::problem::Problem;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/streams/{family}/{id}",
        id: "stream",
        summary: "任一事项的全部记录，从早到晚",
        params: const { &[path("family", "Word", "栏目"), path("id", "Uuid", "事项编号")] },
        body: None,
        answers: &[Answer { status: 200, about: "记录", media: &[(JSON, "Stream")] }],
        problems: &["not_found", "views_behind", "internal"],
        writes: false,
        handler: get(events),
    }
}

async fn events(State(app): State<App>, Path((family, id)): Path<(String, String)>) -> Result<Json<Value>, Problem> {
    let stream = stream(&family, &id)?;
    let mut reader = app.read().await?;
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
        &[("size", reference("Count")), ("stream", reference("StreamId")), ("history", list("Event"))],
    );
    let named = [("SignerName", signer), ("ShownField", field), ("Event", event), ("Stream", stream)];
    named.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
