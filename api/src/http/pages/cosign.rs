//! `/cosign`: whoever has a registered key signs from outside what waits for their signature inside.
//!
//! Everything is done in the browser (`assets/cosign.js`); where the ledger has no intake there is nothing to do here.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{Frame, answer, frame};
use crate::http::App;
use crate::http::citizen::outside;
use crate::http::problem::Problem;
use crate::site::console_outside::OutsidePage;

/// Answers.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let page = page(&app).await;
    answer(&app, &headers, page).await
}

async fn page(app: &App) -> Result<OutsidePage, Problem> {
    let Frame { site, .. } = frame(app).await?;
    let intakes = outside::entries(app, app.read().await?.world());
    Ok(OutsidePage { site, intakes })
}
