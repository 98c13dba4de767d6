//! `POST /internal/api/v1/challenges`: a text to sign, for whichever key is named.
//!
//! The registry is not looked at: an unknown name gets the same answer at the same cost as a known one.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use gongkai_domain::confidentiality::Callers;
use gongkai_log::key::valid_key_name;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::sign_in::Moment;
use super::{BODY_BYTES_MAX, Door, Unseen};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::openapi::{Answer, Endpoint, JSON, object};
use crate::http::problem::Problem;

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "post",
        path: "/internal/api/v1/challenges",
        id: "challenge",
        summary: "登录第一步：取一段要签名的文字，两分钟内有效，只能用一次",
        params: &[],
        body: Some((JSON, "ChallengeRequest")),
        answers: &[Answer { status: 201, about: "要签名的文字", media: &[(JSON, "Challenge")] }],
        problems: &["bad_json", "malformed", "body_too_large", "unsupported_media_type", "cross_origin", "not_here"],
        writes: true,
        handler: post(challenge).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)),
    };
    Door { endpoint, callers: Callers::Anyone, unseen: Unseen::Told }
}

/// The schemas of request and answer.
pub fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let request = object("登录请求", &[("key", json!({ "type": "string", "description": "钥匙名" }))]);
    let answer = [("challenge", text()), ("expires_at", json!({ "type": "string", "format": "date-time" }))];
    [("ChallengeRequest", request), ("Challenge", object("要签名的文字", &answer))]
        .map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    key: String,
}

async fn challenge(
    State(app): State<App>,
    headers: HeaderMap,
    body: Arrived,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Asked { key } = body::json(&headers, body)?;
    if !valid_key_name(&key) {
        return Err(Problem::new("malformed", "钥匙名不能是空的，不能有空格和加号").at("key"));
    }
    let login = app.sign_in.challenge(app.about.origin(), &key, Moment::of(app.clock.as_ref()));
    Ok((StatusCode::CREATED, Json(json!({ "challenge": login.to_text(), "expires_at": login.expires_at }))))
}
