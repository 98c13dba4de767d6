//! Caching headers: what never changes, and what may be asked for again cheaply.
//!
//! An entity tag is weak, because the same content may leave compressed or not. It is made from the
//! bytes (BLAKE3), never from a time.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use gongkai_log::Digest;

pub use gongkai_store::bucket::form::IMMUTABLE;

/// Keep, but ask each time.
pub const REVALIDATE: &str = "no-cache";

/// For public pages: a browser asks each time, so that nobody who reloads sees less than before; a cache that many readers
/// share answers for them for seconds (RFC 9111 §5.2.2.10), so that a crowd costs the ledger one page.
pub const SHARED: &str = "public, max-age=0, must-revalidate, s-maxage=5";

/// The weak entity tag of some bytes.
pub fn tag(bytes: &[u8]) -> String {
    format!("W/\"{}\"", &Digest::of(bytes).to_hex()[..32])
}

/// Whether the reader already has this version (RFC 9110 §13.1.2, weak comparison).
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let bare = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|known| known.trim() == "*" || bare(known) == bare(tag))
}

/// The bytes with their tag, or 304 when the reader has them.
pub fn tagged(request: &HeaderMap, media_type: &'static str, caching: &'static str, bytes: Vec<u8>) -> Response {
    let tag = tag(&bytes);
    let known = is_known(request, &tag);
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { Body::from(bytes).into_response() };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if !known {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_the_version_gets_no_bytes() {
        let mut request = HeaderMap::new();
        let first = tagged(&request, "text/plain", REVALIDATE, b"one".to_vec());
        assert_eq!(first.status(), StatusCode::OK);
        request.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(tagged(&request, "text/plain", REVALIDATE, b"one".to_vec()).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(tagged(&request, "text/plain", REVALIDATE, b"two".to_vec()).status(), StatusCode::OK);
    }

    #[test]
    fn a_tag_is_found_in_a_list_and_with_or_without_its_weakness() {
        let mut request = HeaderMap::new();
        request.insert(IF_NONE_MATCH, HeaderValue::from_static("\"a\", W/\"b\""));
        assert!(is_known(&request, "W/\"a\""));
        assert!(is_known(&request, "W/\"b\""));
        assert!(!is_known(&request, "W/\"c\""));
    }
}
