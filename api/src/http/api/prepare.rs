//! `POST /api/v1/prepare`: a command in, the exact bytes to sign and all openings out.
//!
//! It records nothing. The salts come from the system's randomness and are known to nobody but
//! whoever asked.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use gongkai_domain::{Command, Prepared, Refusal};
use gongkai_log::Signer;
use serde_json::{Map, Value, json};

use super::body::{self, Arrived};
use super::submissions::{CODE, unsigned_for_another};
use crate::http::App;
use crate::http::citizen::{self, address::Client};
use crate::http::openapi::{Answer, Endpoint, JSON};
use crate::http::problem::Problem;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "post",
        path: "/api/v1/prepare",
        id: "prepare",
        summary: "把一条命令变成要签名的原文和启封值",
        params: &[CODE],
        body: Some((JSON, "PrepareRequest")),
        answers: &[Answer { status: 200, about: "要签名的内容", media: &[(JSON, "Prepared")] }],
        problems: &[
            "bad_json",
            "malformed",
            "unknown_kind",
            "field",
            "stream_missing",
            "body_too_large",
            "unsupported_media_type",
            "busy",
            "internal",
            "not_here",
            "not_found",
            "too_many",
        ],
        writes: true,
        handler: post(prepare),
    }
}

async fn prepare(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Value>, Problem> {
    let (mut command, signers) = asked(&headers, body)?;
    if citizen::by_intake(&signers, app.ledger()?) {
        let own = citizen::own_command(&app, client, citizen::code(&headers), command, &signers).await?;
        command = own.ok_or_else(unsigned_for_another)?;
    }
    Ok(as_json(&prepared(&app, command, signers).await?))
}

/// The command and its signers, as a request has them.
pub fn asked(headers: &HeaderMap, body: Arrived) -> Result<(Command, Vec<Signer>), Problem> {
    let mut request: Map<String, Value> = body::json(headers, body)?;
    let signers = request.remove("signers").unwrap_or_default();
    let signers: Vec<Signer> = serde_json::from_value(signers).map_err(|error| Refusal::Malformed {
        place: "signers".into(),
        reason: format!("应是一组 [职责, 钥匙名]({error})"),
    })?;
    Ok((Command::from_value(Value::Object(request))?, signers))
}

/// A command's bytes and openings.
pub async fn prepared(app: &App, command: Command, signers: Vec<Signer>) -> Result<Prepared, Problem> {
    let mut entropy_failed = None;
    let mut entropy = |buffer: &mut [u8]| {
        if let Err(error) = getrandom::fill(buffer) {
            entropy_failed = Some(error);
        }
    };
    let prepared = app.ledger()?.prepare(command, signers, &mut entropy).await?;
    if let Some(error) = entropy_failed {
        return Err(Problem::internal(&error));
    }
    Ok(prepared)
}

/// The same as the answer to whoever asked.
pub fn as_json(prepared: &Prepared) -> Json<Value> {
    Json(json!({ "statement": prepared.text, "openings": prepared.openings, "lines": prepared.lines }))
}
