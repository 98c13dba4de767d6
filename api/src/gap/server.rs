//! What an intake serves: its log, a desk for packets, and the two doors of the ledger.
//!
//! A packet costs the same light work as any submission, and is promised once it is on the disk. Batches are given to whoever
//! shows a request that the ledger's log key signed within minutes; files of capsules are taken under the same key. Nothing
//! is read of a packet but its size. Pages of another site (the mirror's) may ask here: no cookie and no name goes with it.
//!
//! Not here: what is kept (`gongkai_store::intake`), encryption (done where somebody writes).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
    CONTENT_TYPE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::TimeDelta;
use gongkai_domain::gap::{self, Capsules, GapError, PACKET_BYTES_MAX};
use gongkai_log::{Digest, Fetch as _, TilePath};
use gongkai_store::{Clock, DirectoryFetch, IntakeBook, IntakeFault, LATE_FILE};
use serde_json::{Value, json};

use super::numbers::Numbers;
use crate::http::citizen::address::Client;
use crate::http::citizen::rate::{Each, Rate, Total};
use crate::http::citizen::work::{LASTS, Work};
use crate::http::citizen::{WORK_HEADER, too_many};
use crate::http::guard;
use crate::http::log::{OCTETS, TEXT};
use crate::http::metrics::requests;
use crate::http::problem::{Problem, chain};
use crate::http::server::Limits;

/// Header with the note of a file of capsules, base64: a large body is read only for the ledger.
pub const NOTE_HEADER: &str = "signed-note";

/// How old a signed request of the ledger may be, and how far ahead its clock.
const PULL_AGE: TimeDelta = TimeDelta::minutes(10);
/// Most bytes of a signed request.
const PULL_BYTES_MAX: usize = 4 << 10;
/// Most bytes of a file of capsules.
const CAPSULES_BYTES_MAX: usize = 1 << 30;
/// How long the ledger may take to send one.
const CAPSULES_TIME_MAX: Duration = Duration::from_mins(10);
/// Most bytes of a question for a capsule.
const LABEL_BYTES_MAX: usize = 256;
/// Packets from one address; behind one there may be a village.
const PACKETS: Rate = Rate { burst: 60, every: Duration::from_secs(1) };
/// Capsules and proofs that one address asks for.
const QUESTIONS: Rate = Rate { burst: 60, every: Duration::from_secs(1) };
/// Packets without work by everybody together.
const SLOW_LANE: Rate = Rate { burst: 10, every: Duration::from_secs(6) };

/// What the handlers share.
#[derive(Clone)]
struct Desk(Arc<Inner>);

struct Inner {
    book: IntakeBook,
    log: DirectoryFetch,
    clock: Arc<dyn Clock>,
    work: Work,
    packets: Each,
    questions: Each,
    slow_lane: Total,
    numbers: Numbers,
}

/// The routes of an intake with this book.
pub fn router(book: IntakeBook, clock: Arc<dyn Clock>, limits: Limits, numbers: Numbers) -> Router {
    let counted = from_fn_with_state(numbers.requests(), requests::counted);
    let desk = Desk(Arc::new(Inner {
        log: DirectoryFetch::new(book.layout().log()),
        book,
        clock,
        work: Work::default(),
        packets: Each::new(PACKETS),
        questions: Each::new(QUESTIONS),
        slow_lane: Total::new(SLOW_LANE),
        numbers,
    }));
    let limited = |bytes| DefaultBodyLimit::max(bytes);
    Router::new()
        .route("/intake/v1/work", get(work))
        .route("/intake/v1/packets", post(hand_in).layer(limited(PACKET_BYTES_MAX)))
        .route("/intake/v1/promises/{commitment}", get(promise))
        .route("/intake/v1/capsules", post(capsule).layer(limited(LABEL_BYTES_MAX)))
        .layer(from_fn(from_anywhere))
        .route("/", get(about))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/vkey", get(vkey))
        .route("/log/late", get(late))
        .route("/log/tile/{*path}", get(tile))
        .route("/intake/v1/batches", post(batches).layer(limited(PULL_BYTES_MAX)))
        .layer(from_fn_with_state(guard::Guarding::new(limits.request_time_max), guard::guard))
        // Outside the guard, whose limit on bodies is for everybody; this one looks who sends first.
        .route("/intake/v1/answers", post(answers).layer(DefaultBodyLimit::disable()))
        .layer(counted)
        .with_state(desk)
}

/// Pages of other sites may ask: answers hold nothing that depends on who asks.
async fn from_anywhere(request: Request, next: Next) -> Response {
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type, proof-of-work"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(media_type: &'static str, body: impl Into<axum::body::Body>) -> Response {
    ([(CONTENT_TYPE, media_type)], body.into()).into_response()
}

/// What a fault of the book is to whoever asked.
fn told(fault: &IntakeFault) -> Problem {
    match fault {
        IntakeFault::Refused(GapError::Signature) => Problem::new("bad_signature", "不是这本账的钥匙签的"),
        IntakeFault::Refused(refused) => Problem::new("malformed", chain(refused)),
        IntakeFault::Full => Problem::new("busy", "这一时段收到的已满，请过几分钟再试"),
        IntakeFault::Halted => Problem::new("halted", "收件处暂停收件，请稍后再试，或用书面方式提交"),
        IntakeFault::Store(error) if error.is_passing() => Problem::new("busy", "正忙，请稍后再试"),
        other => Problem::internal(other),
    }
}

async fn about(State(desk): State<Desk>) -> Response {
    let (vkey, ledger) = (desk.0.book.vkey(), desk.0.book.ledger().name());
    text(TEXT, format!("网上收件处 {}\n验证钥匙 {vkey}\n账本 {ledger}\n", vkey.name()))
}

async fn vkey(State(desk): State<Desk>) -> Response {
    text(TEXT, format!("{}\n", desk.0.book.vkey()))
}

/// A published file, read off the runtime's threads.
async fn published(
    desk: Desk,
    media_type: &'static str,
    read: impl FnOnce(&DirectoryFetch) -> Option<Vec<u8>> + Send + 'static,
) -> Result<Response, Problem> {
    let found = tokio::task::spawn_blocking(move || read(&desk.0.log)).await;
    let found = found.map_err(|error| Problem::internal(&error))?;
    found.map(|bytes| text(media_type, bytes)).ok_or_else(|| Problem::not_found("透明日志里没有这个文件"))
}

async fn checkpoint(State(desk): State<Desk>) -> Result<Response, Problem> {
    published(desk, TEXT, |log| log.checkpoint().ok()).await
}

/// Which packets are overdue, signed.
async fn late(State(desk): State<Desk>) -> Result<Response, Problem> {
    published(desk, TEXT, |log| log.extra(LATE_FILE).ok().flatten()).await
}

async fn tile(State(desk): State<Desk>, Path(path): Path<String>) -> Result<Response, Problem> {
    let path = TilePath::parse(&format!("tile/{path}")).map_err(|_| Problem::not_found("没有这个文件"))?;
    published(desk, OCTETS, move |log| log.tile(&path).ok()).await
}

async fn work(State(desk): State<Desk>, client: Client) -> Result<Json<Value>, Problem> {
    let now = desk.0.clock.monotonic();
    desk.0.questions.take(client, now).map_err(too_many)?;
    let (challenge, bits) = desk.0.work.challenge(now);
    Ok(Json(json!({ "challenge": challenge, "bits": bits, "lasts_seconds": LASTS.as_secs() })))
}

async fn hand_in(
    State(desk): State<Desk>,
    client: Client,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let taken = taken(&desk, client, &headers, &body).await;
    match &taken {
        Ok(_) => desk.0.numbers.promised(),
        Err(problem) => desk.0.numbers.refused(problem.row.code),
    }
    taken
}

async fn taken(
    desk: &Desk,
    client: Client,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(StatusCode, Json<Value>), Problem> {
    let now = desk.0.clock.monotonic();
    desk.0.packets.take(client, now).map_err(too_many)?;
    match headers.get(WORK_HEADER) {
        Some(solved) => desk.0.work.accept(solved.to_str().unwrap_or_default(), body, now)?,
        None => desk.0.slow_lane.take(now).map_err(too_many)?,
    }
    let packet = std::str::from_utf8(body).map_err(|_| Problem::new("malformed", "不是文字"))?;
    let handed = desk.0.book.hand_in(packet).await.map_err(|fault| told(&fault))?;
    Ok((StatusCode::ACCEPTED, Json(json!(handed))))
}

async fn promise(
    State(desk): State<Desk>,
    client: Client,
    Path(commitment): Path<String>,
) -> Result<Json<Value>, Problem> {
    desk.0.questions.take(client, desk.0.clock.monotonic()).map_err(too_many)?;
    let none = || Problem::not_found("没有这份承诺，或它所在的时段还没有记入日志");
    let commitment = Digest::from_hex(&commitment).map_err(|_| none())?;
    let place = desk.0.book.place(&commitment).await.map_err(|fault| told(&fault))?.ok_or_else(none)?;
    Ok(Json(json!({ "index": place.index, "leaf": place.leaf, "path": place.path })))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    label: String,
}

async fn capsule(State(desk): State<Desk>, client: Client, body: Bytes) -> Result<Json<Value>, Problem> {
    desk.0.questions.take(client, desk.0.clock.monotonic()).map_err(too_many)?;
    let asked: Asked = serde_json::from_slice(&body).map_err(|_| Problem::new("bad_json", "不是可用的 JSON"))?;
    let label = BASE64_STANDARD.decode(asked.label).map_err(|_| Problem::new("malformed", "label 应是 base64"))?;
    let capsule = desk.0.book.capsule(&label).await.map_err(|fault| told(&fault))?;
    let capsule = capsule.ok_or_else(|| Problem::not_found("账本还没有答复，或查询码不对"))?;
    Ok(Json(json!({ "capsule": BASE64_STANDARD.encode(capsule) })))
}

async fn batches(State(desk): State<Desk>, body: Bytes) -> Result<Response, Problem> {
    let book = &desk.0.book;
    let refused = |error: GapError| told(&error.into());
    let note = std::str::from_utf8(&body).map_err(|_| refused(GapError::Form("request")))?;
    let (from, at) = gap::read_pull(note, book.vkey().name(), book.ledger()).map_err(refused)?;
    if (desk.0.clock.now() - at).abs() > PULL_AGE {
        return Err(Problem::new("bad_signature", "这个请求签得太久，或两边的时钟差得太多"));
    }
    let batches = book.batches(from).await.map_err(|fault| told(&fault))?;
    Ok(text("application/jsonl; charset=utf-8", batches.to_text()))
}

async fn answers(State(desk): State<Desk>, request: Request) -> Result<StatusCode, Problem> {
    let book = &desk.0.book;
    let refused = |error: GapError| told(&error.into());
    let header = request.headers().get(NOTE_HEADER).and_then(|value| BASE64_STANDARD.decode(value).ok());
    let note = header.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    Capsules::read_note(&note, book.vkey().name(), book.ledger()).map_err(refused)?;
    let body = tokio::time::timeout(CAPSULES_TIME_MAX, to_bytes(request.into_body(), CAPSULES_BYTES_MAX)).await;
    let body = body.map_err(|_| Problem::new("timeout", "送得太慢，请再试一次"))?;
    let body = body.map_err(|_| Problem::new("body_too_large", "文件太大，或没有送完"))?;
    let file = std::str::from_utf8(&body).map_err(|_| refused(GapError::Form("file of capsules")))?;
    book.put_capsules(file).await.map_err(|fault| told(&fault))?;
    Ok(StatusCode::NO_CONTENT)
}
