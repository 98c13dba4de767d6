//! Files that come in parts: gone on with where they broke off, bounded, kept once, and taken by the internal side alone.

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use gongkai_log::Digest;

use super::{Answer, Town, ask};

fn request(method: &Method, place: &str, offset: Option<usize>, last: Option<bool>, body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(place);
    if let Some(last) = last {
        request = request.header("upload-complete", if last { "?1" } else { "?0" });
    }
    if let Some(offset) = offset {
        request = request.header("upload-offset", offset.to_string());
    }
    if *method == Method::PATCH {
        request = request.header("content-type", "application/partial-upload");
    }
    request.body(body).unwrap()
}

/// Appends; the answer.
async fn append(town: &Town, place: &str, offset: usize, last: bool, body: impl Into<Body>) -> Answer {
    ask(&town.internal, request(&Method::PATCH, place, Some(offset), Some(last), body.into())).await
}

/// The address of a new upload of which these bytes have come.
async fn begin(town: &Town, body: impl Into<Body>) -> String {
    let answer = ask(&town.internal, request(&Method::POST, "/api/v1/uploads", None, Some(false), body.into())).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.header("upload-limit"), format!("max-size={}", 20 << 20));
    answer.header("location").to_owned()
}

async fn there(town: &Town, place: &str) -> Answer {
    ask(&town.internal, request(&Method::HEAD, place, None, None, Body::empty())).await
}

fn stored(answer: &Answer, bytes: &[u8]) -> Digest {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let (hash, said) = (Digest::of(bytes), answer.json());
    assert_eq!((&said["hash"], &said["size"]), (&hash.to_string().into(), &bytes.len().into()));
    hash
}

/// Some bytes, and then the connection breaks.
fn broken(bytes: &[u8]) -> Body {
    let parts = [Ok(Bytes::copy_from_slice(bytes)), Err(std::io::Error::other("the line is gone"))];
    Body::from_stream(futures_util::stream::iter(parts))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_broke_off_goes_on_where_it_was_and_is_the_same_file_as_one_in_one_piece() {
    let town = Town::empty().await;
    let file: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let place = begin(&town, Body::empty()).await;
    assert!(!append(&town, &place, 0, true, broken(&file[..700_000])).await.status.is_success());
    let answer = there(&town, &place).await;
    assert_eq!((answer.status, answer.header("upload-offset")), (StatusCode::NO_CONTENT, "700000"));
    assert_eq!((answer.header("upload-complete"), answer.header("cache-control")), ("?0", "no-store"));
    let answer = append(&town, &place, 700_000, false, file[700_000..900_000].to_vec()).await;
    assert_eq!((answer.status, answer.header("upload-offset")), (StatusCode::NO_CONTENT, "900000"));
    let hash = stored(&append(&town, &place, 900_000, true, file[900_000..].to_vec()).await, &file);
    assert_eq!(std::fs::read(town.fixture.layout().attachment(&hash)).unwrap(), file);
    assert_eq!(there(&town, &place).await.status, StatusCode::NOT_FOUND, "it is no upload any more");
    // In one piece, by either address: kept once.
    let put = Request::put("/api/v1/attachments").body(Body::from(file.clone())).unwrap();
    let _ = stored(&ask(&town.internal, put).await, &file);
    let whole = request(&Method::POST, "/api/v1/uploads", None, Some(true), Body::from(file.clone()));
    let _ = stored(&ask(&town.internal, whole).await, &file);
    assert_eq!(std::fs::read_dir(town.fixture.layout().attachments()).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(town.fixture.layout().incoming()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_at_another_place_or_in_another_form_or_too_long_is_not_taken() {
    let town = Town::empty().await;
    let place = begin(&town, "12345").await;
    let answer = append(&town, &place, 4, true, "56789").await;
    assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::CONFLICT, &"upload_offset".into()));
    assert_eq!(answer.json()["offset"], 5);
    for (wrong, status) in [
        (request(&Method::PATCH, &place, Some(5), None, Body::empty()), StatusCode::BAD_REQUEST),
        (request(&Method::PATCH, &place, None, Some(true), Body::empty()), StatusCode::BAD_REQUEST),
        (request(&Method::POST, "/api/v1/uploads", None, None, Body::empty()), StatusCode::BAD_REQUEST),
        (request(&Method::PATCH, "/api/v1/uploads/x", Some(0), Some(true), Body::empty()), StatusCode::NOT_FOUND),
    ] {
        assert_eq!(ask(&town.internal, wrong).await.status, status);
    }
    let mut typed = request(&Method::PATCH, &place, Some(5), Some(true), Body::empty());
    typed.headers_mut().insert("content-type", "image/jpeg".parse().unwrap());
    assert_eq!(ask(&town.internal, typed).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let mut packed = request(&Method::PATCH, &place, Some(5), Some(true), Body::empty());
    packed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(ask(&town.internal, packed).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // No single request is too long, and the sum is.
    let part = vec![7; 10 << 20];
    assert_eq!(append(&town, &place, 5, false, part.clone()).await.status, StatusCode::NO_CONTENT);
    let answer = append(&town, &place, 5 + part.len(), true, part).await;
    assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &"body_too_large".into()));
    let given_up = request(&Method::DELETE, &place, None, None, Body::empty());
    assert_eq!(ask(&town.internal, given_up).await.status, StatusCode::NO_CONTENT);
    assert_eq!(there(&town, &place).await.status, StatusCode::NOT_FOUND);
    assert_eq!(std::fs::read_dir(town.fixture.layout().incoming()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_without_an_address_leaves_nothing_and_the_public_side_takes_nothing() {
    let town = Town::empty().await;
    let put = Request::put("/api/v1/attachments").body(broken(b"half of it")).unwrap();
    assert_eq!(ask(&town.internal, put).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(std::fs::read_dir(town.fixture.layout().incoming()).unwrap().count(), 0);
    let place = begin(&town, "12345").await;
    for (method, place) in [(Method::POST, "/api/v1/uploads"), (Method::PATCH, &place), (Method::DELETE, &place)] {
        let answer = ask(&town.public, request(&method, place, Some(5), Some(true), Body::from("x"))).await;
        assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::FORBIDDEN, &"not_here".into()), "{place}");
    }
}
