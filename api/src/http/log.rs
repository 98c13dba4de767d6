//! The log over HTTP: what witnesses, monitors, mirrors and citizens check (c2sp.org/tlog-tiles).
//!
//! Everything lies in files already; a handler only parses the path strictly and chooses type and
//! caching. A path that is not the one spelling of a tile is a 404, as is an empty or missing tile.
//!
//! Not here: reading the files (`published`) and writing them (the store).

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gongkai_log::log_keys::HISTORY_PATH;
use gongkai_log::{Digest, TilePath, tile};
use gongkai_store::bucket::form;
use tokio::io::AsyncReadExt as _;

use super::App;
use super::caching::{self, IMMUTABLE};
use super::guard::CSP_FILE;
use super::problem::Problem;
use super::published::{Published, PublishedError};

pub use gongkai_store::bucket::form::{JSON_LINES, OCTETS, TEXT};

/// Bytes of an attachment that are read at once.
const CHUNK_BYTES: usize = 64 * 1_024;

/// The routes below `/log/`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/vkey", get(vkey))
        .route("/log/key-history", get(key_history))
        .route("/log/policy", get(policy))
        .route("/log/tile/{*path}", get(tile_bytes))
        .route("/log/openings/{*number}", get(openings))
        .route("/log/lines/{root}", get(lines))
        .route("/log/attachment/{hash}", get(attachment))
}

fn nothing() -> Problem {
    Problem::not_found("透明日志里没有这个文件")
}

async fn checkpoint(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let bytes = app.published.file("checkpoint".into()).await?.ok_or_else(nothing)?;
    Ok(caching::tagged(&headers, TEXT, form::CHECKPOINT, bytes))
}

async fn vkey(State(app): State<App>) -> Response {
    typed(TEXT, form::VKEY, format!("{}\n", app.vkey()))
}

/// What brought the log's keys; nothing while it has its first one.
async fn key_history(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let bytes = app.published.file(HISTORY_PATH.into()).await?.ok_or_else(nothing)?;
    Ok(caching::tagged(&headers, OCTETS, form::VKEY, bytes))
}

/// By which witnesses readers judge the checkpoint (c2sp.org/tlog-policy); nothing where there are none.
async fn policy(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let bytes = app.published.file("policy".into()).await?.ok_or_else(nothing)?;
    Ok(caching::tagged(&headers, TEXT, form::VKEY, bytes))
}

async fn tile_bytes(State(app): State<App>, Path(path): Path<String>) -> Result<Response, Problem> {
    let path = TilePath::parse(&format!("tile/{path}")).map_err(|_| nothing())?;
    let bytes = app.published.tile(path).await?.ok_or_else(nothing)?;
    Ok(typed(OCTETS, IMMUTABLE, bytes))
}

async fn openings(State(app): State<App>, headers: HeaderMap, Path(number): Path<String>) -> Result<Response, Problem> {
    let path = format!("openings/{number}");
    tile::parse_openings_path(&path).ok_or_else(nothing)?;
    let bytes = app.published.file(path).await?.ok_or_else(nothing)?;
    Ok(caching::tagged(&headers, JSON_LINES, form::OPENINGS, bytes))
}

async fn lines(State(app): State<App>, headers: HeaderMap, Path(root): Path<String>) -> Result<Response, Problem> {
    let root = Digest::from_hex(&root).map_err(|_| nothing())?;
    let bytes = app.published.file(tile::lines_path(&root)).await?.ok_or_else(nothing)?;
    Ok(caching::tagged(&headers, JSON_LINES, form::OPENINGS, bytes))
}

async fn attachment(State(app): State<App>, Path(hash): Path<String>) -> Result<Response, Problem> {
    let hash = Digest::from_hex(&hash).map_err(|_| nothing())?;
    let (size, body) = open(&app.published, &hash).await?.ok_or_else(nothing)?;
    let mut response = typed(OCTETS, IMMUTABLE, body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP_FILE));
    let name = HeaderValue::from_str(&form::saved_as(&hash.to_hex()));
    headers.insert(CONTENT_DISPOSITION, name.expect("hexadecimal digits are a header's text"));
    Ok(response)
}

/// Opens an attachment and gives its size and its bytes as a stream: they may be 20 MiB.
async fn open(log: &Published, hash: &Digest) -> Result<Option<(u64, Body)>, PublishedError> {
    let path = format!("attachment/{}", hash.to_hex());
    let read = |source| PublishedError::Read { path: path.clone(), source };
    let file = match tokio::fs::File::open(log.path(&path)).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
    };
    let size = file.metadata().await.map_err(read)?.len();
    let chunks = futures_util::stream::try_unfold(file, |mut file| async move {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let count = (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await?;
        Ok::<_, std::io::Error>((count > 0).then(|| (Bytes::from(chunk), file)))
    });
    Ok(Some((size, Body::from_stream(chunks))))
}

/// An answer of a media type, with its caching.
pub fn typed(media_type: &'static str, caching: &'static str, body: impl Into<Body>) -> Response {
    let headers = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, caching)];
    (StatusCode::OK, headers, body.into()).into_response()
}
