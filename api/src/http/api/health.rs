//! `GET /healthz`: for the operator's monitor. 200 while entries can be read; whether the ledger also
//! accepts submissions is in the body, because a halted ledger still serves what it has.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::http::App;

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
