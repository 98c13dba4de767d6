//! `POST /api/v1/openings`: what binds a submitter's own copy to the promise, on request (confidentiality.md §6).
//!
//! The ledger hands content to nobody who merely has a code: the submitter sends code and the text that they kept, and
//! gets the note with the intake key's signature and the salt of the commitment. With these, and the values that only
//! they have, they can prove what they handed in. Of recommendations, evaluations and ballots there is none, so that
//! nobody can be made to show one.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use gongkai_projections::follow_up;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::address::Client;
use super::{CODE_BODY_BYTES_MAX, unkept};
use crate::code;
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::openapi::{Answer, Endpoint, JSON, object};
use crate::http::problem::Problem;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "post",
        path: "/api/v1/openings",
        id: "opening",
        summary: "凭查询码和自己留存的声明原文，取证明内容所需的盐和签名；推荐、评议和选票没有",
        params: &[],
        body: Some((JSON, "OpeningRequest")),
        answers: &[Answer { status: 200, about: "盐和签名", media: &[(JSON, "Binding")] }],
        problems: &[
            "bad_json",
            "not_found",
            "too_many",
            "body_too_large",
            "unsupported_media_type",
            "internal",
            "not_here",
        ],
        writes: false,
        handler: post(opening).layer(DefaultBodyLimit::max(CODE_BODY_BYTES_MAX)),
    }
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let request = object("取内容证明", &[("code", text()), ("statement", text())]);
    let binding = object("内容证明", &[("note", text()), ("salt", text())]);
    [("OpeningRequest", request), ("Binding", binding)]
        .map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    code: String,
    statement: String,
}

async fn opening(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Response, Problem> {
    let ledger = app.ledger()?;
    app.citizens.try_code(client, app.clock.monotonic())?;
    let Asked { code, statement } = body::json(&headers, body)?;
    let code = code::normal(&code).ok_or_else(nothing)?;
    let binding = follow_up::binding(ledger, &code, &statement).await.map_err(|fault| Problem::internal(&fault))?;
    binding.map(unkept).ok_or_else(nothing)
}

fn nothing() -> Problem {
    Problem::not_found("查询码或声明原文不对，或这种事项不出具内容证明")
}
