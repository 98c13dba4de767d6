//! `GET /api/v1/tables/{kind}`: the table of a kind as the scripts read it that show a draft to somebody who reviews it, or
//! signs beside its author. It says what a kind has, never what anybody wrote.

use axum::Json;
use axum::extract::Path;
use axum::routing::get;
use gongkai_domain::kind;
use serde_json::{Map, Value, json};

use crate::http::console::table;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path};
use crate::http::pages::nothing;
use crate::http::problem::Problem;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/tables/{kind}",
        id: "table",
        summary: "一种事项有哪些栏目，供显示稿件",
        params: const { &[path("kind", "Text", "事项种类")] },
        body: None,
        answers: &[Answer { status: 200, about: "栏目", media: &[(JSON, "KindTable")] }],
        problems: &["not_found"],
        writes: false,
        handler: get(one),
    }
}

async fn one(Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(table::of(kind::find(&name).ok_or_else(nothing)?)))
}

/// The schema of the answer.
pub fn schemas() -> Map<String, Value> {
    let list = || json!({ "type": "array" });
    let text = || json!({ "type": "string" });
    let table = object(
        "一种事项的栏目",
        &[
            ("kind", text()),
            ("label", text()),
            ("family", text()),
            ("slug", text()),
            ("opens", json!({ "type": "boolean" })),
            ("sealed", json!({ "type": "boolean" })),
            ("fields", list()),
            ("lists", list()),
        ],
    );
    Map::from_iter([("KindTable".to_owned(), table)])
}
