//! `GET /healthz` and `GET /readyz`: for the operator's monitor. Live (`healthz`) is 200 while entries can be read; whether
//! the ledger also accepts submissions is in the body, because a halted ledger still serves what it has. Ready (`readyz`) is
//! 200 while everything works that this site is for: views near the end of the log, and submissions where there are any;
//! a proxy sends readers elsewhere while it is not.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::http::App;

/// Entries that views may be behind: what a follower takes in within moments.
const BEHIND_MAX: u64 = 1_024;

/// How far ledger, publication and views are.
pub async fn healthz(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let health = app.ledger.as_ref().map(gongkai_store::Ledger::health);
    let checkpoint = app.published.checkpoint().await.ok().flatten().map_or(0, |signed| signed.checkpoint.size);
    let views = match app.read().await {
        Ok(reader) => Some(reader.size()),
        Err(_) => None,
    };
    let status = if views.is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let state = match (&health, views) {
        (_, None) => "views_missing",
        (None, _) => "read_only",
        (Some(health), _) if health.halted.is_some() => "halted",
        _ => "ok",
    };
    let body = json!({
        "state": state,
        "mirror": app.about.mirrors.stuck(),
        "accepting": health.as_ref().is_some_and(|health| health.halted.is_none()),
        "committed": health.as_ref().map_or(checkpoint, |health| health.committed),
        "published": health.as_ref().map_or(checkpoint, |health| health.published),
        "views": views,
    });
    (status, Json(body))
}

/// Whether this site does all that it is for.
pub async fn readyz(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let health = app.ledger.as_ref().map(gongkai_store::Ledger::health);
    let published = app.published.checkpoint().await.ok().flatten().map_or(0, |signed| signed.checkpoint.size);
    let committed = health.as_ref().map_or(published, |health| health.committed);
    let views = app.read().await.map(|reader| reader.size()).ok();
    let state = match (health, views) {
        (Some(health), _) if health.halted.is_some() => "halted",
        (_, None) => "views_missing",
        (_, Some(views)) if views + BEHIND_MAX < committed => "views_behind",
        _ => "ready",
    };
    let status = if state == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": state == "ready", "state": state})))
}
