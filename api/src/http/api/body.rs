//! Bodies of requests: bounded, of the right type, never compressed, and JSON of bounded depth.
//!
//! `serde_json` stops at 128 levels, so a bomb of brackets is a parse error like any other; how many values there are is
//! counted before (`gongkai_domain::json`). A body
//! that says that it is compressed is refused rather than unpacked.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;

use crate::http::problem::Problem;

/// Body of an arrived request.
pub type Arrived = Result<Bytes, BytesRejection>;

/// The bytes, or why they were not taken.
pub fn bytes(headers: &HeaderMap, body: Arrived) -> Result<Bytes, Problem> {
    let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::new("unsupported_media_type", "请不要压缩提交的内容").at("Content-Encoding"));
    }
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new("body_too_large", "提交的内容超过上限"),
        _ => Problem::new("bad_json", "提交的内容没有传完整"),
    })
}

/// A JSON body.
pub fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Arrived) -> Result<T, Problem> {
    let bytes = bytes(headers, body)?;
    is_json(headers)?;
    if !gongkai_domain::json::is_bounded(&bytes) {
        return Err(Problem::new("body_too_large", "提交的内容超过上限"));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Problem::new("bad_json", format!("第 {} 行第 {} 列读不下去：{error}", error.line(), error.column()))
            .at(format!("line {} column {}", error.line(), error.column()))
    })
}

/// A body without a type is taken for JSON, one with another type is not.
fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let media = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new("unsupported_media_type", "内容类型应是 application/json").at("Content-Type"))
}
