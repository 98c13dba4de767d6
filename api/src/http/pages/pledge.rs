//! `/pledges/{id}`

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::Datelike as _;

use super::{Frame, answer, frame, hand_in, nothing, parts, sessions, share, stream};
use crate::http::App;
use crate::http::problem::Problem;
use crate::site::format::Day;
use crate::site::parts::Badge;
use crate::site::pledge::PledgePage;

/// One pledge with its whole history.
pub async fn show(State(app): State<App>, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = make(&app, &id).await;
    answer(&app, &headers, page).await
}

pub(super) async fn make(app: &App, id: &str) -> Result<PledgePage, Problem> {
    let Frame { site, signed } = frame(app).await?;
    let mut reader = app.read().await?;
    let pledge = reader.pledge(&stream("pledge", id)?).await?.ok_or_else(nothing)?;
    let share = share::of_pledge(app, &pledge);
    let matter = pledge.matter;
    let late = match &pledge.failed_to_report {
        Some(code) => parts::path(&mut reader, code).await?.pop(),
        None => None,
    };
    let path = parts::path(&mut reader, &matter.org).await?;
    let above = path.iter().rev().nth(1).map(|link| link.href.trim_start_matches("/organizations/"));
    let above = above.unwrap_or(&matter.org).to_owned();
    let title = pledge.title.as_ref().and_then(|title| title.given()).unwrap_or_default();
    let mut hand_in = hand_in::links(app, reader.world(), &matter.stream, matter.status);
    hand_in.extend(hand_in::letter_about(app, reader.world(), &matter.org, &matter.stream, title));
    Ok(PledgePage {
        clocks: parts::clocks_of(&mut reader, &matter).await?,
        sessions: sessions::promised_at(&mut reader, &matter.stream, &above).await?,
        hand_in,
        path,
        check: parts::check(app, &reader, signed.as_ref(), &pledge.history).await?,
        site,
        share,
        index: matter.first_index,
        item: parts::shown_or_dash(pledge.title),
        kind: matter.category_label.unwrap_or_default(),
        year: matter.year.unwrap_or_else(|| matter.declared_at.year()),
        status: Badge(matter.status),
        pledger: parts::shown_or_dash(pledge.pledger),
        pledger_role: pledge.post.map_or(pledge.pledger_kind, |post| post.given().unwrap_or_default().to_owned()),
        baseline: pledge.baseline.map(parts::shown),
        target: pledge.target.map(parts::shown),
        measures: pledge.measures.map(parts::shown),
        due: pledge.due.map(Day),
        days_left: matter.days_left,
        due_period: None,
        failed_to_report: late,
        reported: pledge.reported_at.map(parts::moment),
        // What the pledger claimed last outweighs an earlier percentage.
        progress_percent: if matter.status == gongkai_projections::Status::Fulfilled { None } else { matter.percent },
        phone: pledge.phone.and_then(|phone| phone.given().map(str::to_owned)),
        history: parts::history(pledge.history),
    })
}
