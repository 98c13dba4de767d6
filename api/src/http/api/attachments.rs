//! `PUT /api/v1/attachments`: a file in, its hash out; a statement can then name it.
//!
//! It goes to the disk and into the hash as it comes. A file becomes public only when an entry that names it is published.
//! Over a line that breaks off, use [`super::uploads`].

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::put;
use serde_json::Value;

use super::uploads;
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
        handler: put(keep),
    }
}

async fn keep(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Value>, Problem> {
    uploads::whole(app.ledger()?, &headers, body).await
}
