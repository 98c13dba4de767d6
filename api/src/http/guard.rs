//! What every request passes: limits, time, security headers, and one line in the log.
//!
//! The log line has method, path template, status and duration, and nothing else: no address, no
//! query (people search for names), no header, no body. Sessions are the internal side's alone (`internal`); the one
//! cookie of the public side is the language that somebody chose (`language`).
//!
//! Large bodies are few at a time: what is uploaded lies in memory until it is whole, and one more is answered 429.
//!
//! Not here: limits of connections (`server`) and of the bodies' sizes (each endpoint that takes one).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ALLOW, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, TRANSFER_ENCODING,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gongkai_store::ATTACHMENT_BYTES_MAX;
use tokio::sync::Semaphore;

use super::problem::Problem;

/// Longest path and query of a request. The longest address we make has some 300 bytes.
pub const URI_BYTES_MAX: usize = 4_096;

/// Nothing from elsewhere, nothing inline, in no frame, and forms only to ourselves.
pub const CSP: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// For the page of a receipt: the same, and its image stands in the page itself, because its address would hold the code.
pub const CSP_RECEIPT: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                               form-action 'self'; frame-ancestors 'none'";

/// For files that others handed in: the browser must neither run nor show anything in them.
pub const CSP_FILE: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Largest body of any request: an attachment's. Smaller limits are the endpoints' own.
const BODY_BYTES_MAX: u64 = ATTACHMENT_BYTES_MAX as u64;

/// Bodies from which on a request takes one of the places for large ones.
const LARGE_BYTES: u64 = 1 << 20;
/// Large bodies at a time: some 300 MiB at the most.
pub const LARGE_MAX: usize = 16;

/// What the middleware keeps.
#[derive(Clone, Debug)]
pub struct Guarding {
    time_max: Duration,
    large: Arc<Semaphore>,
}

impl Guarding {
    /// With the time that one request may take.
    pub fn new(time_max: Duration) -> Self {
        Self { time_max, large: Arc::new(Semaphore::new(LARGE_MAX)) }
    }
}

/// The middleware.
pub async fn guard(State(guarding): State<Guarding>, request: Request, next: Next) -> Response {
    let time_max = guarding.time_max;
    let begun = Instant::now();
    let method = request.method().clone();
    let template = request.extensions().get::<MatchedPath>().cloned();
    let length = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // Who does not say how much it is may send as much as is allowed.
    let is_large =
        announced.map_or_else(|| request.headers().contains_key(TRANSFER_ENCODING), |bytes| bytes > LARGE_BYTES);
    let place = is_large.then(|| Arc::clone(&guarding.large).try_acquire_owned());
    let mut response = if announced.is_some_and(|bytes: u64| bytes > BODY_BYTES_MAX) {
        // Refused before it is sent: waiting for it would hold a connection for nothing.
        Problem::new("body_too_large", "提交的内容超过上限").into_response()
    } else if length > URI_BYTES_MAX {
        Problem::new("uri_too_long", format!("地址有 {length} 字节，上限 {URI_BYTES_MAX} 字节")).into_response()
    } else if let Some(Err(_)) = place {
        Problem::new("busy", "同时上传的人太多，请稍后再试").into_response()
    } else {
        match tokio::time::timeout(time_max, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new("timeout", "这次请求没有在限时内处理完，请再试一次").into_response(),
        }
    };
    drop(place);
    response = worded(response);
    protect(response.headers_mut());
    let path = template.as_ref().map_or("-", MatchedPath::as_str);
    let status = response.status().as_u16();
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    if status >= 500 {
        tracing::warn!(%method, path, status, micros, "answered");
    } else {
        tracing::info!(%method, path, status, micros, "answered");
    }
    response
}

/// Gives refusals that the framework made by itself, in English or without words, our own form.
fn worded(response: Response) -> Response {
    let media = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("text/plain");
    if !response.status().is_client_error() || !media.starts_with("text/plain") {
        return response;
    }
    let problem = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Problem::new("method_not_allowed", "这个地址不支持这种请求方法"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new("body_too_large", "提交的内容超过上限"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new("unsupported_media_type", "内容类型不对"),
        StatusCode::NOT_FOUND => Problem::not_found("没有这个地址"),
        _ => Problem::new("bad_query", "地址或查询条件读不出来"),
    };
    let mut worded = problem.into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        worded.headers_mut().insert(ALLOW, allow.clone());
    }
    worded
}

/// Sets the security headers that an answer does not have yet.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, CSP),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
