//! `POST /api/v1/status`: following one's own matter by its code, without signing in.
//!
//! The code goes in the body, so that it stands in no address, history or log. Unknown and malformed codes get one answer.
//! What is shown is decided with the kinds (`gongkai_domain::follow_up`); of recommendations and ballots nothing but that
//! they were received and recorded.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use gongkai_projections::follow_up::{self, Followed};
use gongkai_store::Ledger;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::address::Client;
use super::{CODE_BODY_BYTES_MAX, promises, unkept};
use crate::code;
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::openapi::{Answer, Endpoint, JSON, object, reference};
use crate::http::problem::Problem;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "post",
        path: "/api/v1/status",
        id: "status",
        summary: "凭查询码查看自己提交的事项：办到哪一步、答复和期限，不需要登录",
        params: &[],
        body: Some((JSON, "StatusRequest")),
        answers: &[Answer { status: 200, about: "办理情况", media: &[(JSON, "MatterStatus")] }],
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
        handler: post(status).layer(DefaultBodyLimit::max(CODE_BODY_BYTES_MAX)),
    }
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let list = || json!({ "type": "array", "items": { "type": "object" } });
    let answer = object(
        "办理情况",
        &[
            ("state", reference("Text")),
            ("commitment", reference("Hash")),
            ("ballot?", reference("Hash")),
            ("received_at", reference("Time")),
            ("deadline", reference("Time")),
            ("org?", reference("OrgCode")),
            ("steps", list()),
            ("dues", list()),
            ("kept", json!({ "oneOf": [reference("KeptPromise"), { "type": "null" }] })),
        ],
    );
    let request = object("查询", &[("code", json!({ "type": "string", "description": "查询码" }))]);
    [("StatusRequest", request), ("MatterStatus", answer)]
        .map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    code: String,
}

async fn status(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Response, Problem> {
    let ledger = app.ledger()?;
    app.citizens.try_code(client, app.clock.monotonic())?;
    let Asked { code } = body::json(&headers, body)?;
    let (followed, kept) = followed(&app, ledger, &code).await?;
    let mut answer = json!(followed);
    answer["kept"] = json!(kept);
    Ok(unkept(answer))
}

/// The same for a page: what a code shows, for whoever may try codes.
pub(in crate::http) async fn shown(
    app: &App,
    client: Client,
    code: &str,
) -> Result<(Followed, Option<Value>), Problem> {
    let ledger = app.ledger()?;
    app.citizens.try_code(client, app.clock.monotonic())?;
    followed(app, ledger, code).await
}

async fn followed(app: &App, ledger: &Ledger, code: &str) -> Result<(Followed, Option<Value>), Problem> {
    let code = code::normal(code).ok_or_else(unknown)?;
    let followed = follow_up::follow(ledger, &code, app.today()).await.map_err(|fault| Problem::internal(&fault))?;
    let followed = followed.ok_or_else(unknown)?;
    let kept = promises::kept(app, &followed.commitment).await?;
    Ok((followed, kept))
}

/// What a code shows that was given out, or proven, in the same request.
pub(in crate::http) async fn of_own(app: &App, code: &str) -> Result<Followed, Problem> {
    Ok(followed(app, app.ledger()?, code).await?.0)
}

/// The one answer to every code that opens nothing.
pub(super) fn unknown() -> Problem {
    Problem::not_found("没有这个查询码，请核对后再试")
}
