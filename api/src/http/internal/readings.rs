//! `POST /internal/api/v1/readings`: a signed access record in, the content out.
//!
//! The record is in the ledger before the policy is asked, so a refused attempt is on record too; what is refused
//! is answered like what does not exist.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use gongkai_domain::Submission;
use gongkai_projections::internal::content::OpenError;
use serde_json::{Map, Value, json};

use super::matters::{OFFICIALS, views};
use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::api::submissions;
use crate::http::openapi::{Answer, Endpoint, JSON, Param, object, reference};
use crate::http::pages::nothing;
use crate::http::problem::Problem;

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "post",
        path: "/internal/api/v1/readings",
        id: "read",
        summary: "查阅封存的内容：先记下由登录钥匙签名的查阅记录，再给出内容",
        params: const {
            &[Param {
                name: submissions::HEADER,
                place: "header",
                about: "提交编号；重发时不变",
                schema: "IdempotencyKey",
            }]
        },
        body: Some((JSON, "Submission")),
        answers: &[Answer { status: 200, about: "可以查阅的内容", media: &[(JSON, "Content")] }],
        problems: submissions::PROBLEMS,
        writes: true,
        handler: post(read),
    };
    Door { endpoint, callers: OFFICIALS, unseen: Unseen::Absent }
}

async fn read(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Value>, Problem> {
    let key = submissions::key(&headers)?;
    let access: Submission = body::json(&headers, body)?;
    let read = views(&app)?.read(&reader, Some(key), access).await.map_err(|error| match error {
        OpenError::Submit(error) => Problem::from(error),
        OpenError::Internal(error) => Problem::internal(&error),
    })?;
    Ok(Json(json!(read.ok_or_else(nothing)?)))
}

/// The schema of the answer.
pub fn schemas() -> Map<String, Value> {
    let hashes = || json!({ "type": "array", "items": { "$ref": "#/components/schemas/Hash" } });
    let field = object(
        "启封的一项",
        &[
            ("slot?", reference("Count")),
            ("line?", reference("Count")),
            ("tier", reference("Tier")),
            ("name", reference("Text")),
            ("label", reference("Text")),
            ("value", json!({})),
            ("salt", reference("Hash")),
            ("path", hashes()),
        ],
    );
    let content = object(
        "可以查阅的内容",
        &[
            ("note", json!({ "type": "string", "description": "声明原文" })),
            ("entry?", reference("Index")),
            ("event?", json!({ "type": "object", "description": "封存事件的盐、封存值和所在时段" })),
            ("fields", json!({ "type": "array", "items": field })),
            ("envelope?", json!({ "type": "object", "description": "只有收件人能启封的信封" })),
            ("erased", json!({ "type": "boolean" })),
            ("masked?", json!({ "type": "string", "description": "原文按统一规则遮蔽提问人以后的样子，供公布时修改" })),
        ],
    );
    Map::from_iter([("Content".to_owned(), content)])
}
