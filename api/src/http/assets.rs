//! Style sheet and script, from the binary itself.
//!
//! With its content's hash as `?v=` an asset is cached for ever; without, or with another version, the
//! browser asks again and gets 304 while nothing changed. To add an asset: one line in [`ASSETS`].

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::App;
use super::caching::{self, IMMUTABLE, REVALIDATE};
use super::problem::Problem;
use crate::site;

/// Name, media type and content.
const ASSETS: [(&str, &str, &str); 3] = [
    ("site.css", "text/css; charset=utf-8", site::CSS),
    ("site.js", "text/javascript; charset=utf-8", site::JS),
    ("icon.svg", "image/svg+xml", site::ICON),
];

/// The versions of the assets, in their order: computed once, because the content is constant.
static VERSIONS: LazyLock<[String; 3]> = LazyLock::new(|| ASSETS.map(|(_, _, content)| version(content)));

fn version(content: &str) -> String {
    gongkai_log::Digest::of(content.as_bytes()).to_hex()[..16].to_owned()
}

#[derive(Debug, Deserialize)]
struct Version {
    v: Option<String>,
}

/// The routes below `/assets/`.
pub fn routes() -> Router<App> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(
    headers: HeaderMap,
    Path(name): Path<String>,
    Query(asked): Query<Version>,
) -> Result<Response, Problem> {
    let at =
        ASSETS.iter().position(|(known, _, _)| *known == name).ok_or_else(|| Problem::not_found("没有这个文件"))?;
    let (_, media_type, content) = ASSETS[at];
    let caching = if asked.v.as_deref() == Some(VERSIONS[at].as_str()) { IMMUTABLE } else { REVALIDATE };
    Ok(caching::tagged(&headers, media_type, caching, content.as_bytes().to_vec()))
}
