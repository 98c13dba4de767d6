//! `PUT /api/v1/attachments`: a file in, its hash out; a statement can then name it.
//!
//! A file becomes public only when an entry that names it is published.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::routing::put;
use gongkai_store::ATTACHMENT_BYTES_MAX;
use serde_json::{Value, json};

use super::body::{self, Arrived};
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON};
use crate::http::problem::Problem;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "put",
        path: "/api/v1/attachments",
        id: "put_attachment",
        summary: "上传附件，返回它的 BLAKE3 哈希",
        params: &[],
        body: Some(("application/octet-stream", "Bytes")),
        answers: &[Answer { status: 200, about: "已收下", media: &[(JSON, "StoredAttachment")] }],
        problems: &["body_too_large", "unsupported_media_type", "busy", "disk_full", "internal", "not_here"],
        writes: true,
        handler: put(keep).layer(DefaultBodyLimit::max(ATTACHMENT_BYTES_MAX)),
    }
}

async fn keep(State(app): State<App>, headers: HeaderMap, body: Arrived) -> Result<Json<Value>, Problem> {
    let bytes = body::bytes(&headers, body)?;
    let size = bytes.len();
    let hash = app.ledger()?.put_attachment(bytes.to_vec()).await?;
    Ok(Json(json!({ "hash": hash, "size": size })))
}
