//! `POST /internal/api/v1/sessions`: a signed challenge in, a session's token out.
//! `DELETE /internal/api/v1/sessions/current`: the end of it.
//!
//! A replay, another ledger's challenge, one that is too late, another key, a revoked key, a signature that does
//! not verify: all get one and the same answer, after the same work. The cookie is `Secure` unless the request
//! came in the clear, which only this machine can do.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{delete, post};
use axum::{Extension, Json};
use gongkai_domain::confidentiality::{Callers, Reader};
use gongkai_log::Note;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::gate::Credential;
use super::sign_in::{IDLE_SECONDS_MAX, Moment, SESSION_SECONDS_MAX};
use super::{BODY_BYTES_MAX, COOKIE_NAME, Door, ROOT, Unseen};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::openapi::{Answer, Endpoint, JSON, object};
use crate::http::problem::Problem;
use crate::http::server::Secured;

/// Both endpoints.
pub fn doors() -> [Door; 2] {
    let open = Endpoint {
        method: "post",
        path: "/internal/api/v1/sessions",
        id: "sign_in",
        summary: "登录第二步：交回签了名的文字，得到会话凭证（同时设为 Cookie）",
        params: &[],
        body: Some((JSON, "SessionRequest")),
        answers: &[Answer { status: 201, about: "已登录", media: &[(JSON, "Session")] }],
        problems: &[
            "bad_json",
            "sign_in_refused",
            "body_too_large",
            "unsupported_media_type",
            "cross_origin",
            "not_here",
        ],
        writes: true,
        handler: post(open_session).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)),
    };
    let close = Endpoint {
        method: "delete",
        path: "/internal/api/v1/sessions/current",
        id: "sign_out",
        summary: "退出登录",
        params: &[],
        body: None,
        answers: &[Answer { status: 204, about: "已退出", media: &[] }],
        problems: &["not_signed_in", "cross_origin"],
        writes: true,
        handler: delete(close_session),
    };
    [
        Door { endpoint: open, callers: Callers::Anyone, unseen: Unseen::Told },
        Door { endpoint: close, callers: Callers::SignedIn, unseen: Unseen::Told },
    ]
}

/// The schemas of request and answer.
pub fn schemas() -> Map<String, Value> {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let seconds = || json!({ "type": "integer", "minimum": 0 });
    let request = object("签名后的登录请求", &[("note", text("要签名的文字、空行和一行签名（C2SP signed note）"))]);
    let session = [
        ("token", text("放在 Authorization: Bearer 里")),
        ("person", json!({ "$ref": "#/components/schemas/StreamId" })),
        ("key", text("钥匙名")),
        ("idle_seconds_max", seconds()),
        ("seconds_max", seconds()),
    ];
    [("SessionRequest", request), ("Session", object("会话", &session))]
        .map(|(name, schema)| (name.to_owned(), schema))
        .into_iter()
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Handed {
    note: String,
}

async fn open_session(
    State(app): State<App>,
    secured: Option<Extension<Secured>>,
    headers: HeaderMap,
    body: Arrived,
) -> Result<impl IntoResponse, Problem> {
    let Handed { note } = body::json(&headers, body)?;
    let now = Moment::of(app.clock.as_ref());
    let refused = || Problem::new("sign_in_refused", "签名或登录请求不可用。请用登记过的钥匙，重新取一份登录请求再签");
    let reader = signer(&app, &note, now)?.ok_or_else(refused)?;
    let token = app.sign_in.open(reader.clone(), now);
    let answer = json!({
        "token": token.expose(),
        "person": reader.person(),
        "key": reader.key(),
        "idle_seconds_max": IDLE_SECONDS_MAX,
        "seconds_max": SESSION_SECONDS_MAX,
    });
    let cookie = cookie(token.expose(), SESSION_SECONDS_MAX, secured.is_some());
    Ok((StatusCode::CREATED, AppendHeaders([(SET_COOKIE, cookie)]), Json(answer)))
}

/// Who signed an open challenge.
fn signer(app: &App, note: &str, now: Moment) -> Result<Option<Reader>, Problem> {
    let ledger = app.ledger()?;
    let Ok(note) = Note::parse(note) else { return Ok(None) };
    let [signature] = note.signatures.as_slice() else { return Ok(None) };
    let Some(login) = app.sign_in.redeem(&note.text, now) else { return Ok(None) };
    // An unknown key costs a verification too, under one that cannot have signed.
    let known = ledger.with_world(|world| world.key(&login.key).map(|key| key.verifier.clone()));
    let verifier = known.unwrap_or_else(|| app.about.vkey.clone());
    let is_signed = signature.ed25519().is_some_and(|bytes| verifier.verify(note.text.as_bytes(), bytes));
    let is_theirs = signature.is_by(&verifier) && verifier.name() == login.key && login.origin == app.about.origin();
    Ok(ledger.with_world(|world| Reader::of_key(&login.key, world)).filter(|_| is_signed && is_theirs))
}

async fn close_session(
    State(app): State<App>,
    secured: Option<Extension<Secured>>,
    headers: HeaderMap,
) -> impl IntoResponse {
    if let Some(credential) = Credential::of(&headers) {
        app.sign_in.close(credential.token());
    }
    (StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, cookie("", 0, secured.is_some()))]))
}

fn cookie(token: &str, seconds: u64, is_secured: bool) -> HeaderValue {
    let secure = if is_secured { "; Secure" } else { "" };
    let text = format!("{COOKIE_NAME}={token}; Path={ROOT}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).expect("a token is hex")
}
