//! Style sheets and scripts, from the binary itself.
//!
//! With its content's hash as `?v=` an asset is cached for ever; without, or with another version, the
//! browser asks again and gets 304 while nothing changed. To add an asset: one line in [`ASSETS`], which is
//! the site's. Scripts are below `en/` once more, with English sentences.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::App;
use super::caching::{self, IMMUTABLE, REVALIDATE};
use super::problem::Problem;
use crate::site::{ASSETS, english};

#[derive(Debug, Deserialize)]
struct Version {
    v: Option<String>,
}

/// The routes below `/assets/`.
pub fn routes() -> Router<App> {
    Router::new().route("/assets/{*name}", get(asset))
}

async fn asset(
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(asked): Query<Version>,
) -> Result<Response, Problem> {
    let asset = match name.strip_prefix(english::FOLDER) {
        Some(script) => english::script(script),
        None => ASSETS.iter().find(|asset| asset.name == name),
    };
    let asset = asset.ok_or_else(|| Problem::not_found("没有这个文件"))?;
    let caching = if asked.v.as_deref() == Some(asset.version.as_str()) { IMMUTABLE } else { REVALIDATE };
    Ok(caching::tagged(&headers, asset.media_type, caching, asset.content.as_bytes().to_vec()))
}
