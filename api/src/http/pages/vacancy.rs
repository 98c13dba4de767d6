//! `/vacancies/{id}`

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_domain::kind::vacancy::POSTS;
use gongkai_projections::read::VacantPost as ReadPost;

use super::{Frame, answer, frame, hand_in, nothing, parts, share, stream};
use crate::http::App;
use crate::http::problem::Problem;
use crate::site::format::Count;
use crate::site::parts::{Badge, Link, Row, Shown};
use crate::site::personnel::{Tally, VacancyPage, VacantPost};

/// Columns of a post that have a place of their own on the page.
const PLACED: [&str; 4] = ["post", "unit", "level", "seats"];

/// One batch with its posts.
pub async fn show(State(app): State<App>, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = make(&app, &id).await;
    answer(&app, &headers, page).await
}

pub(super) async fn make(app: &App, id: &str) -> Result<VacancyPage, Problem> {
    let Frame { site, signed } = frame(app).await?;
    let mut reader = app.read().await?;
    let vacancy = reader.vacancy(&stream("vacancy", id)?).await?.ok_or_else(nothing)?;
    let share = share::of_vacancy(app, &vacancy);
    let matter = vacancy.matter;
    let path = parts::path(&mut reader, &matter.org).await?;
    let org = path.last().cloned().unwrap_or_else(|| parts::org_link(&matter.org, &matter.org_name));
    let declared = parts::declared(matter.declared_at);
    let hand_in = hand_in::links(app, reader.world(), &matter.stream, matter.status);
    let recommend = hand_in.first().map(|link| link.href.as_str());
    let posts = vacancy.posts.iter().map(|found| post(found, &org, recommend)).collect();
    Ok(VacancyPage {
        clocks: parts::clocks_of(&mut reader, &matter).await?,
        check: parts::check(app, &reader, signed.as_ref(), &vacancy.history).await?,
        site,
        share,
        hand_in,
        path,
        index: matter.first_index,
        name: parts::shown_or_dash(vacancy.title),
        batch: matter.year.map(|year| format!("{year} 年")).unwrap_or_default(),
        status: Badge(matter.status),
        scope: Shown::of(matter.category_label.unwrap_or_default()),
        opens: matter.starts_on.and_then(|day| parts::at(day, 0, 0)).unwrap_or(declared),
        closes: matter.ends_on.and_then(|day| parts::at(day, 23, 59)).unwrap_or(declared),
        days_left: matter.days_left,
        received_at_close: received(&vacancy.posts).map(Count),
        posts,
        history: parts::history(vacancy.history),
    })
}

/// All recommendations of the batch, once each post's totals are published.
fn received(posts: &[ReadPost]) -> Option<u64> {
    posts.iter().map(|post| post.tally.map(|(received, _, _)| received)).sum()
}

fn post(found: &ReadPost, org: &Link, recommend: Option<&str>) -> VacantPost {
    let cell = |name: &str| parts::cell(found.row.as_ref(), found.withdrawn.as_ref(), name);
    let text = |name: &str| cell(name).map(|value| value.plain().to_owned()).unwrap_or_default();
    let unit = text("unit");
    let others = POSTS.columns.iter().filter(|column| !PLACED.contains(&column.name));
    let rows = others.filter_map(|column| Some(Row { label: column.label.into(), value: cell(column.name)? }));
    let seats = found.row.as_ref().and_then(|row| row.get("seats")).and_then(serde_json::Value::as_u64);
    VacantPost {
        post: cell("post").unwrap_or_else(|| Shown::of("—")),
        org: if unit.is_empty() { org.clone() } else { Link::new(org.href.clone(), unit) },
        level: text("level"),
        seats: parts::small(seats.unwrap_or(1)),
        rows: if found.row.is_some() { rows.collect() } else { Vec::new() },
        status: Badge(found.status),
        tally: found.tally.map(|(received, valid, persons)| Tally {
            received: Count(received),
            valid: Count(valid),
            persons: Count(persons),
        }),
        recommend: recommend.filter(|_| found.row.is_some()).map(|href| format!("{href}&post={}", found.line)),
        outcome: found.filled_index.map(|index| Link::new(format!("/entries/{index}/view"), format!("第 {index} 条"))),
    }
}
