//! `GET /api/v1/promises/{commitment}`: how a promise was kept.
//!
//! A commitment is 256 bits that its submitter has and outsiders cannot guess. One that is unknown and one whose period
//! is not published yet get the same answer. It needs no vault and opens nothing.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use gongkai_log::{Content, Digest};
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, reference};
use crate::http::problem::Problem;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/promises/{commitment}",
        id: "promise",
        summary: "收件承诺的兑现：封存事项记在哪一条，以及到该条封存根的路径",
        params: const { &[path("commitment", "Word", "封存值，64 个小写十六进制字符")] },
        body: None,
        answers: &[Answer { status: 200, about: "已记入账本", media: &[(JSON, "KeptPromise")] }],
        problems: &["not_found", "internal", "not_here"],
        writes: false,
        handler: get(promise),
    }
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let path = json!({ "type": "array", "minItems": 16, "maxItems": 16, "items": reference("Hash") });
    let members = [
        ("commitment", reference("Hash")),
        ("index", reference("Index")),
        ("leaf", reference("Count")),
        ("path", path),
        ("root", reference("Hash")),
        ("entry", reference("Text")),
        ("proof", reference("Text")),
    ];
    Map::from_iter([("KeptPromise".to_owned(), object("承诺的兑现", &members))])
}

async fn promise(State(app): State<App>, Path(text): Path<String>) -> Result<Json<Value>, Problem> {
    let commitment = Digest::from_hex(&text).map_err(|_| not_yet())?;
    kept(&app, &commitment).await?.map(Json).ok_or_else(not_yet)
}

fn not_yet() -> Problem {
    Problem::not_found("没有这份承诺，或它所在的时段还没有记入账本")
}

/// Where a sealed event is in the published log.
pub(super) async fn kept(app: &App, commitment: &Digest) -> Result<Option<Value>, Problem> {
    let Some(place) = app.ledger()?.kept_promise(commitment).await? else { return Ok(None) };
    let Some(entry) = app.published.entry(place.index).await? else { return Ok(None) };
    let Content::Sealed(period) = &entry.content else { return Ok(None) };
    Ok(Some(json!({
        "commitment": commitment,
        "index": place.index,
        "leaf": place.leaf,
        "path": place.path,
        "root": period.root,
        "entry": format!("/entries/{}", place.index),
        "proof": format!("/api/v1/entries/{}/proof", place.index),
    })))
}
