//! `GET /healthz`: for the operator's monitor. 200 while entries can be read; whether the ledger also
//! accepts submissions is in the body, because a halted ledger still serves what it has.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::http::App;

/// How far ledger, publication and views are.
pub async fn healthz(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let health = app.ledger.health();
    let views = match app.read().await {
        Ok(reader) => Some(reader.size()),
        Err(_) => None,
    };
    let status = if views.is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let state = match (&health.halted, views) {
        (None, Some(_)) => "ok",
        (Some(_), Some(_)) => "halted",
        (_, None) => "views_missing",
    };
    let body = json!({
        "state": state,
        "accepting": health.halted.is_none(),
        "committed": health.committed,
        "published": health.published,
        "views": views,
    });
    (status, Json(body))
}
