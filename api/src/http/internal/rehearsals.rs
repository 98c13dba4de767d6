//! `POST /internal/api/v1/rehearsals`: a command in; out come the bytes to sign, after they were judged as they will be
//! judged when they are submitted. What is wrong is told while the author still writes.
//!
//! Nothing is recorded. What is sealed is answered to whoever sent it and kept nowhere.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use gongkai_domain::Refusal;
use gongkai_domain::confidentiality::Callers;
use serde_json::Value;

use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::api::body::Arrived;
use crate::http::api::prepare;
use crate::http::openapi::{Answer, Endpoint, JSON};
use crate::http::problem::Problem;

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "post",
        path: "/internal/api/v1/rehearsals",
        id: "rehearse",
        summary: "试提交：把命令变成要签名的原文，按正式提交的规则查一遍，不记录",
        params: &[],
        body: Some((JSON, "PrepareRequest")),
        answers: &[Answer {
            status: 200, about: "没有问题，这是要签名的内容", media: &[(JSON, "Prepared")]
        }],
        problems: PROBLEMS,
        writes: true,
        handler: post(rehearse),
    };
    Door { endpoint, callers: Callers::SignedIn, unseen: Unseen::Told }
}

/// What a rehearsal can be answered instead.
pub const PROBLEMS: &[&str] = &[
    "bad_json",
    "malformed",
    "unknown_kind",
    "no_role",
    "wrong_author",
    "unknown_key",
    "revoked_key",
    "cosigners_missing",
    "same_person",
    "unknown_organization",
    "ended_organization",
    "stale_parent",
    "stream_exists",
    "stream_missing",
    "field",
    "tier_needs_vault",
    "personal_data",
    "too_large",
    "state",
    "period_too_short",
    "books",
    "future",
    "missing_attachment",
    "not_signed_in",
    "cross_origin",
    "body_too_large",
    "unsupported_media_type",
    "busy",
    "halted",
    "internal",
    "not_here",
];

async fn rehearse(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Value>, Problem> {
    let (command, signers) = prepare::asked(&headers, body)?;
    // In another's name one would learn what only they may.
    if signers.first().is_none_or(|signer| signer.key != reader.key()) {
        let refusal =
            Refusal::Malformed { place: "signers".into(), reason: "第一签名人应是登录的这把钥匙".into() };
        return Err(refusal.into());
    }
    let prepared = prepare::prepared(&app, command, signers).await?;
    let text = prepared.text.clone();
    app.ledger()?.rehearse(prepared.clone().into_submission(text)).await?;
    Ok(prepare::as_json(&prepared))
}
