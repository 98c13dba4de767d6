//! `POST /internal/preview`: the public page as it will be, for whoever is about to sign, review or sign beside.
//!
//! What is shown is what was sent, folded into the views and forgotten with the answer; nothing is recorded. The page is
//! made by the code that answers its public address. While one is made the views are not written, so it is bounded in time.

use std::time::Duration;

use axum::extract::{Form, State};
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_domain::submission::{Filled, Line, check_draft};
use gongkai_domain::{Refusal, kind};
use gongkai_log::Statement;
use gongkai_projections::event::PublicEvent;
use serde::Deserialize;

use super::signed_in;
use crate::http::App;
use crate::http::internal::gate::is_from_us;
use crate::http::pages::{self, hand_in::unkept_text};
use crate::http::problem::Problem;

/// Longest time in which the views wait for a page.
const TIME_MAX: Duration = Duration::from_secs(2);

/// What the form sends: a prepared statement, as JSON.
#[derive(Deserialize)]
pub(super) struct Sent {
    prepared: String,
}

#[derive(Deserialize)]
struct Prepared {
    statement: String,
    openings: Vec<Filled>,
    #[serde(default)]
    lines: Vec<Line>,
}

pub(super) async fn show(State(app): State<App>, headers: HeaderMap, Form(sent): Form<Sent>) -> Response {
    let made = if signed_in(&app, &headers).is_none() {
        Err(Problem::new("not_signed_in", "请先登录"))
    } else if is_from_us(&headers, true) {
        make(&app, &sent.prepared).await
    } else {
        Err(Problem::new("cross_origin", "这个请求来自别的网站，没有执行"))
    };
    unkept_text(&app, made).await
}

async fn make(app: &App, prepared: &str) -> Result<String, Problem> {
    let malformed = |reason: String| Refusal::Malformed { place: "prepared".into(), reason };
    let Prepared { statement, openings, lines } =
        serde_json::from_str(prepared).map_err(|error| malformed(error.to_string()))?;
    let statement = Statement::parse(&statement).map_err(|error| malformed(error.to_string()))?;
    let open = check_draft(app.about.origin(), &statement, openings, lines.clone())?;
    if kind::find(&statement.kind).is_none_or(|kind| kind.sealed) {
        return Err(malformed("整件封存的事项没有公开页面".into()).into());
    }
    let stream = statement.stream.clone();
    let index = *app.views.size().borrow();
    let event = PublicEvent::foreseen((index, app.now()), statement, open, lines);
    let page = tokio::time::timeout(TIME_MAX, pages::matter(&app.foreseeing(event), &stream)).await;
    page.unwrap_or_else(|_| Err(Problem::new("busy", "正忙，预览没有做出来，请再试一次")))
}
