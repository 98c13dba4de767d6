//! `/notices/{id}`

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::{Frame, answer, frame, hand_in, nothing, paper, parts, periods, share, stream};
use crate::http::App;
use crate::http::problem::Problem;
use crate::site::notice::NoticePage;
use crate::site::parts::{Badge, Row};

/// One notice with its period and outcome.
pub async fn show(State(app): State<App>, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = make(&app, &id).await;
    answer(&app, &headers, page).await
}

pub(super) async fn make(app: &App, id: &str) -> Result<NoticePage, Problem> {
    let Frame { site, signed } = frame(app).await?;
    let mut reader = app.read().await?;
    let notice = reader.notice(&stream("notice", id)?).await?.ok_or_else(nothing)?;
    let share = share::of_notice(app, &notice);
    let matter = notice.matter;
    let rows = [("文号", notice.number), ("发布单位", notice.issuer), ("反映渠道", notice.report_to)];
    let files = notice.history.iter().flat_map(|event| event.attachments.clone()).collect();
    Ok(NoticePage {
        path: parts::path(&mut reader, &matter.org).await?,
        clocks: parts::clocks_of(&mut reader, &matter).await?,
        check: parts::check(app, &reader, signed.as_ref(), &notice.history).await?,
        seal: paper::seal_of(app, &notice.history).await?,
        wall_href: format!("{}/wall", parts::href(&matter.stream)),
        site,
        share,
        // A notice whose outcome is published is at an end.
        hand_in: match notice.outcome {
            Some(_) => Vec::new(),
            None => hand_in::links(app, reader.world(), &matter.stream, matter.status),
        },
        index: matter.first_index,
        name: parts::shown_or_dash(notice.title),
        kind: matter.category_label.unwrap_or_default(),
        status: Badge(matter.status),
        period: notice
            .deadline
            .map(|deadline| periods::period(deadline, matter.days_left, &notice.history, reader.world())),
        days_without_outcome: notice.days_without_outcome.map(parts::small),
        text: parts::shown_or_dash(notice.text),
        rows: rows
            .into_iter()
            .filter_map(|(label, value)| Some(Row { label: label.into(), value: parts::shown(value?) }))
            .collect(),
        attachments: parts::attachments(files),
        outcome: notice.outcome.map(parts::shown),
        history: parts::history(notice.history),
    })
}
