//! `/about`: what the ledger is and how anyone checks it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::{Frame, answer, frame, parts};
use crate::http::App;
use crate::mirrors::{Mirrors, State as Standing};
use crate::site::about::{AboutPage, MirrorRow};

/// The page.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let page = frame(&app).await.map(|Frame { site, .. }| AboutPage {
        site,
        vkey: app.about.vkey.to_string(),
        base_url: app.about.base_url.clone(),
        contact: app.about.contact.clone(),
        mirrors: mirrors(&app.about.mirrors),
        looked_at: app.about.mirrors.found().map(|(at, _)| parts::moment(at)),
    });
    answer(&app, &headers, page).await
}

fn mirrors(known: &Mirrors) -> Vec<MirrorRow> {
    let reports = known.found().map(|(_, reports)| reports).unwrap_or_default();
    let row = |url: &String| {
        let state = reports.iter().find(|report| report.url == *url).map(|report| &report.state);
        MirrorRow {
            url: url.clone(),
            sentence: state.map_or_else(|| "还没有核对".to_owned(), Standing::sentence),
            is_alarm: state.is_some_and(Standing::is_wrong),
        }
    };
    known.urls().iter().map(row).collect()
}
