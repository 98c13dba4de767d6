//! A witness for other ledgers over HTTP (c2sp.org/tlog-witness): `POST /add-checkpoint`, and for monitors
//! `GET /<hash of the origin>/checkpoint`.
//!
//! Programs read the answers: a refusal is its status code and one line of English, a conflict the recorded size. Nothing
//! is looked up for whoever asks and nothing is kept of them. `/` says in a few lines whose witness this is.
//!
//! Not here: the verdict (`gongkai_log::witness`), the durable state (`gongkai_store::witness_book`), and asking other
//! witnesses about our own log (`cosigning`).

pub mod numbers;

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gongkai_log::witness::{REQUEST_BYTES_MAX, WitnessError};
use gongkai_log::{AddCheckpoint, VerifierKey};
use gongkai_store::WitnessBook;
use gongkai_store::witness_book::AddError;

use self::numbers::Numbers;
use crate::http::log::TEXT;
use crate::http::metrics::requests;
use crate::http::server::Limits;

/// Type of the body of a conflict (c2sp.org/tlog-witness).
const SIZE: &str = "text/x.tlog.size";
/// A recorded checkpoint may be a minute old; monitors ask rarely.
const RECORDED_CACHING: &str = "public, max-age=60";

#[derive(Clone)]
struct Witness {
    book: WitnessBook,
    vkey: VerifierKey,
    numbers: Numbers,
}

/// The routes of a witness with this book and this key.
pub fn router(book: WitnessBook, vkey: VerifierKey, limits: Limits, numbers: Numbers) -> Router {
    Router::new()
        .route("/", get(about))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/add-checkpoint", post(add))
        .route("/{origin}/checkpoint", get(recorded))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(from_fn_with_state(limits.request_time_max, in_time))
        .layer(from_fn_with_state(numbers.requests(), requests::counted))
        .with_state(Witness { book, vkey, numbers })
}

/// Who sends slowly holds a connection no longer than this.
async fn in_time(State(time_max): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(time_max, next.run(request)).await {
        Ok(response) => response,
        Err(_) => typed(StatusCode::REQUEST_TIMEOUT, TEXT, "the request took too long\n".to_owned()),
    }
}

async fn add(State(witness): State<Witness>, body: Bytes) -> Response {
    let request = std::str::from_utf8(&body).map_err(|_| WitnessError::Malformed).and_then(AddCheckpoint::parse);
    let added = match request {
        Ok(request) => witness.book.add(request).await,
        Err(error) => Err(error.into()),
    };
    witness.numbers.answered(&added);
    match added {
        Ok(line) => typed(StatusCode::OK, TEXT, format!("{line}\n")),
        Err(AddError::Refused(WitnessError::Conflict { recorded })) => {
            typed(StatusCode::CONFLICT, SIZE, format!("{recorded}\n"))
        }
        Err(AddError::Refused(error)) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            typed(status, TEXT, format!("{error}\n"))
        }
        Err(error @ AddError::Busy) => {
            let mut response = typed(StatusCode::TOO_MANY_REQUESTS, TEXT, format!("{error}\n"));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
            response
        }
        Err(error @ AddError::Halted) => typed(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{error}\n")),
    }
}

async fn recorded(State(witness): State<Witness>, Path(origin): Path<String>) -> Response {
    match witness.book.recorded_at(&format!("{origin}/checkpoint")) {
        Some(cosigned) => {
            let mut response = typed(StatusCode::OK, TEXT, cosigned.note);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(RECORDED_CACHING));
            response
        }
        None => typed(StatusCode::NOT_FOUND, TEXT, "nothing is cosigned for this log\n".to_owned()),
    }
}

async fn about(State(witness): State<Witness>) -> Response {
    let mut text = format!("见证方 {}\n验证钥匙 {}\n\n见证的账本：\n", witness.vkey.name(), witness.vkey);
    for log in witness.book.logs() {
        let size = witness.book.recorded(log.name()).map(|cosigned| cosigned.checkpoint.size);
        let state = size.map_or_else(|| "还没有联署过".to_owned(), |size| format!("已联署到第 {size} 条"));
        text.extend(["  ", log.name(), "　", &state, "\n"]);
    }
    typed(StatusCode::OK, TEXT, text)
}

fn typed(status: StatusCode, media_type: &'static str, body: String) -> Response {
    (status, [(CONTENT_TYPE, media_type)], body).into_response()
}
