//! `GET /api/v1/problems`: every code that an answer can carry; the `type` of a problem leads here.

use axum::Json;
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::http::openapi::{Answer, Endpoint, JSON, object};
use crate::http::problem::TABLE;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/problems",
        id: "problems",
        summary: "全部问题代码",
        params: &[],
        body: None,
        answers: &[Answer { status: 200, about: "问题代码", media: &[(JSON, "Problems")] }],
        problems: &[],
        writes: false,
        handler: get(problems),
    }
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let row = object("问题代码", &[("code", text()), ("status", json!({ "type": "integer" })), ("title", text())]);
    let list = object("全部问题代码", &[("problems", json!({ "type": "array", "items": row }))]);
    Map::from_iter([("Problems".to_owned(), list)])
}

async fn problems() -> Json<Value> {
    let rows: Vec<Value> =
        TABLE.iter().map(|row| json!({ "code": row.code, "status": row.status, "title": row.title })).collect();
    Json(json!({ "problems": rows }))
}
