//! `/api/v1/uploads`: a file that comes in parts over a line that breaks off.
//!
//! The simple form of resumable uploads (draft-ietf-httpbis-resumable-upload): `POST` makes an upload and tells its address,
//! `PATCH` appends at `Upload-Offset`, `HEAD` tells how much is there, `DELETE` gives it up. What says `Upload-Complete: ?1`
//! is the last, and is answered with the file's hash. Content in the `POST` is taken too, but its address is told at the end
//! only: over a bad line begin with an empty one. Left out of the draft: interim answers (104), which few libraries send.
//!
//! Bytes go to the disk and into the hash as they come (`gongkai_store::Upload`); nothing is held in memory. An upload is
//! where it was begun: through a balancer it needs the same node, or is begun again.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, head, patch, post};
use futures_util::StreamExt as _;
use gongkai_store::{ATTACHMENT_BYTES_MAX, Ledger, Upload};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, Param, path};
use crate::http::problem::Problem;

const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LIMIT: HeaderName = HeaderName::from_static("upload-limit");
/// Media type of what is appended.
const PARTIAL: &str = "application/partial-upload";
/// Bytes that are written at a time.
const CHUNK_BYTES: usize = 256 << 10;

const COMPLETE: Param =
    Param {
        name: "Upload-Complete", place: "header", about: "?1：这是最后一段；?0：后面还有", schema: "Text"
    };
const OFFSET: Param =
    Param { name: "Upload-Offset", place: "header", about: "这一段从第几个字节开始", schema: "Count" };
const ID: Param = path("id", "Uuid", "上传的编号");
const STORED: Answer = Answer { status: 200, about: "收齐了", media: &[(JSON, "StoredAttachment")] };

/// The endpoints.
pub fn endpoints() -> Vec<Endpoint> {
    let upload = |method, id, summary, handler| Endpoint {
        method,
        path: "/api/v1/uploads/{id}",
        id,
        summary,
        params: &[ID],
        body: None,
        answers: &[Answer { status: 204, about: "已收到的字节数在 Upload-Offset 里", media: &[] }],
        problems: &["not_found", "busy", "internal", "not_here"],
        writes: true,
        handler,
    };
    vec![
        Endpoint {
            method: "post",
            path: "/api/v1/uploads",
            id: "begin_upload",
            summary: "开始分段上传附件；地址在 Location 里，断了可以接着传",
            params: &[COMPLETE],
            body: Some(("application/octet-stream", "Bytes")),
            answers: &[STORED, Answer { status: 201, about: "可以接着传", media: &[] }],
            problems: &[
                "malformed",
                "body_too_large",
                "unsupported_media_type",
                "busy",
                "disk_full",
                "internal",
                "not_here",
            ],
            writes: true,
            handler: post(begin),
        },
        Endpoint {
            params: &[ID, COMPLETE, OFFSET],
            body: Some((PARTIAL, "Bytes")),
            answers: &[STORED, Answer { status: 204, about: "已收到的字节数在 Upload-Offset 里", media: &[] }],
            problems: &[
                "malformed",
                "upload_offset",
                "not_found",
                "body_too_large",
                "unsupported_media_type",
                "busy",
                "disk_full",
                "internal",
                "not_here",
            ],
            ..upload("patch", "continue_upload", "接着上传：从 Upload-Offset 起的一段", patch(append))
        },
        upload("head", "upload_offset", "已经收到多少字节", head(tell)),
        upload("delete", "give_up_upload", "放弃这次上传", delete(give_up)),
    ]
}

/// An upload without an address: the whole file in one request.
///
/// # Errors
/// A [`Problem`]; nothing is left of the file.
pub async fn whole(ledger: &Ledger, headers: &HeaderMap, body: Body) -> Result<Json<Value>, Problem> {
    uncompressed(headers)?;
    let (upload, broken) = take(ledger.begin_upload(Uuid::new_v4()).await?, body).await?;
    match broken {
        None => kept(ledger, upload).await,
        Some(problem) => {
            on_the_disk(move || upload.give_up()).await?;
            Err(problem)
        }
    }
}

async fn begin(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let is_last = is_last(&headers)?;
    uncompressed(&headers)?;
    let ledger = app.ledger()?;
    let upload = ledger.begin_upload(Uuid::new_v4()).await?;
    let place = format!("/api/v1/uploads/{}", upload.id());
    let (upload, broken) = take(upload, body).await?;
    let mut response = answer(ledger, upload, broken, is_last).await?;
    if response.status() == StatusCode::NO_CONTENT {
        *response.status_mut() = StatusCode::CREATED;
        let place = HeaderValue::from_str(&place).expect("digits and slashes are a header's text");
        response.headers_mut().insert(LOCATION, place);
        let limit = HeaderValue::from_str(&format!("max-size={ATTACHMENT_BYTES_MAX}"));
        response.headers_mut().insert(UPLOAD_LIMIT, limit.expect("digits are a header's text"));
    }
    Ok(response)
}

async fn append(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let is_last = is_last(&headers)?;
    uncompressed(&headers)?;
    if headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) != Some(PARTIAL.as_bytes()) {
        return Err(Problem::new("unsupported_media_type", format!("内容类型应是 {PARTIAL}")).at("Content-Type"));
    }
    let wrong = || Problem::new("malformed", "应是字节数").at("Upload-Offset");
    let from: u64 = header(&headers, &UPLOAD_OFFSET).and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    let ledger = app.ledger()?;
    let upload = find(ledger, &id).await?;
    if upload.bytes() != from {
        let there = upload.bytes();
        let mut problem =
            Problem::new("upload_offset", format!("已经收到 {there} 字节，请从那里接着传")).at("Upload-Offset");
        problem.more.insert("offset".to_owned(), json!(there));
        return Err(problem);
    }
    let (upload, broken) = take(upload, body).await?;
    answer(ledger, upload, broken, is_last).await
}

async fn tell(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let upload = find(app.ledger()?, &id).await?;
    Ok(so_far(on_the_disk(move || upload.pause()).await?))
}

async fn give_up(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    let upload = find(app.ledger()?, &id).await?;
    on_the_disk(move || upload.give_up()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn find(ledger: &Ledger, id: &str) -> Result<Upload, Problem> {
    let nothing = || Problem::not_found("没有这次上传：已经收齐、放弃，或超过一天没有接着传");
    let id = Uuid::try_parse(id).map_err(|_| nothing())?;
    ledger.resume_upload(id).await?.ok_or_else(nothing)
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_last(headers: &HeaderMap) -> Result<bool, Problem> {
    match header(headers, &UPLOAD_COMPLETE) {
        Some("?1") => Ok(true),
        Some("?0") => Ok(false),
        _ => Err(Problem::new("malformed", "应是 ?1（最后一段）或 ?0（后面还有）").at("Upload-Complete")),
    }
}

fn uncompressed(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::new("unsupported_media_type", "请不要压缩提交的内容").at("Content-Encoding"))
        }
        _ => Ok(()),
    }
}

/// Takes in what comes, until its end or until it breaks off; then it says why.
async fn take(mut upload: Upload, body: Body) -> Result<(Upload, Option<Problem>), Problem> {
    let mut stream = body.into_data_stream();
    let mut waiting: Vec<u8> = Vec::new();
    loop {
        let next = stream.next().await;
        let is_end = !matches!(next, Some(Ok(_)));
        if let Some(Ok(bytes)) = &next {
            waiting.extend_from_slice(bytes);
        }
        if is_end || waiting.len() >= CHUNK_BYTES {
            let bytes = std::mem::take(&mut waiting);
            let wrote = tokio::task::spawn_blocking(move || {
                let wrote = upload.write(&bytes);
                (upload, wrote)
            });
            let wrote = wrote.await.map_err(|error| Problem::internal(&error))?;
            upload = wrote.0;
            if let Err(error) = wrote.1 {
                return Ok((upload, Some(error.into())));
            }
        }
        match next {
            Some(Ok(_)) => {}
            Some(Err(_)) => return Ok((upload, Some(Problem::new("bad_json", "提交的内容没有传完整")))),
            None => return Ok((upload, None)),
        }
    }
}

async fn answer(ledger: &Ledger, upload: Upload, broken: Option<Problem>, is_last: bool) -> Result<Response, Problem> {
    match broken {
        None if is_last => Ok(kept(ledger, upload).await?.into_response()),
        None => Ok(so_far(on_the_disk(move || upload.pause()).await?)),
        // What came stays: whoever comes again asks how much it is.
        Some(problem) => {
            on_the_disk(move || upload.pause()).await?;
            Err(problem)
        }
    }
}

async fn kept(ledger: &Ledger, upload: Upload) -> Result<Json<Value>, Problem> {
    let size = upload.bytes();
    let hash = ledger.finish_upload(upload).await?;
    Ok(Json(json!({ "hash": hash, "size": size })))
}

fn so_far(bytes: u64) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(bytes));
    headers.insert(UPLOAD_COMPLETE, HeaderValue::from_static("?0"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn on_the_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, gongkai_store::StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let ended = tokio::task::spawn_blocking(work).await.map_err(|error| Problem::internal(&error))?;
    Ok(ended?)
}
