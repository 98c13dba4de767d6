//! `/about`: what the ledger is and how anyone checks it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{Frame, answer, frame};
use crate::http::App;
use crate::site::about::AboutPage;

/// The page.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let page = frame(&app).await.map(|Frame { site, .. }| AboutPage {
        site,
        vkey: app.vkey().to_string(),
        base_url: app.about.base_url.clone(),
        contact: app.about.contact.clone(),
    });
    answer(&app, &headers, page).await
}
