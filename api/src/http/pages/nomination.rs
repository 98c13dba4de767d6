//! `/nominations/{id}`

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_domain::kind::nomination::Sex;
use gongkai_projections::read::{Nominee as ReadNominee, Shown as ReadShown};

use super::home::month;
use super::{Frame, answer, frame, hand_in, nothing, parts, periods, share, stream};
use crate::http::App;
use crate::http::problem::Problem;
use crate::site::format::Day;
use crate::site::parts::{Badge, Link, Period, Row, Shown};
use crate::site::personnel::{NominationPage, Nominee};

/// One nomination with its people.
pub async fn show(State(app): State<App>, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = make(&app, &id).await;
    answer(&app, &headers, page).await
}

pub(super) async fn make(app: &App, id: &str) -> Result<NominationPage, Problem> {
    let Frame { site, signed } = frame(app).await?;
    let mut reader = app.read().await?;
    let nomination = reader.nomination(&stream("nomination", id)?).await?.ok_or_else(nothing)?;
    let share = share::of_nomination(app, &nomination);
    let matter = nomination.matter;
    let period = match nomination.deadline {
        Some(deadline) => periods::period(deadline, matter.days_left, &nomination.history, reader.world()),
        // A preview states its days; no rule computes them.
        None => stated(&matter),
    };
    Ok(NominationPage {
        path: parts::path(&mut reader, &matter.org).await?,
        clocks: parts::clocks_of(&mut reader, &matter).await?,
        check: parts::check(app, &reader, signed.as_ref(), &nomination.history).await?,
        site,
        share,
        hand_in: hand_in::links(app, reader.world(), &matter.stream, matter.status),
        index: matter.first_index,
        name: parts::shown_or_dash(nomination.title),
        batch: nomination.batch.as_ref().and_then(ReadShown::given).unwrap_or_default().to_owned(),
        status: Badge(matter.status),
        people: nomination.people.into_iter().map(person).collect(),
        period,
        days_without_outcome: nomination.days_without_outcome.map(parts::small),
        report_to: report_to(nomination.report_to, nomination.postmark_counts),
        history: parts::history(nomination.history),
    })
}

fn stated(matter: &gongkai_projections::read::Matter) -> Period {
    let declared = matter.declared_at.date_naive();
    Period {
        start: Day(matter.starts_on.unwrap_or(declared)),
        end: Day(matter.ends_on.unwrap_or(declared)),
        rule: "按发布单位写明的日期。".into(),
        provisional: false,
        days_left: matter.days_left,
        days: Vec::new(),
        moved: Vec::new(),
        extended: Vec::new(),
    }
}

fn report_to(text: Option<ReadShown>, postmark_counts: bool) -> Vec<Row> {
    let mut rows: Vec<Row> =
        text.map(|text| Row { label: "反映渠道".into(), value: parts::shown(text) }).into_iter().collect();
    if postmark_counts {
        rows.push(Row::new("来信", "以到达邮戳日期为准"));
    }
    rows
}

fn person(found: ReadNominee) -> Nominee {
    let cell = |name: &str| parts::cell(found.row.as_ref(), found.withdrawn.as_ref(), name);
    let or_dash = |name: &str| cell(name).unwrap_or_else(|| Shown::of("—"));
    let text = |name: &str| found.row.as_ref().and_then(|row| row.get(name)).and_then(serde_json::Value::as_str);
    let sex =
        text("sex").map(|wire| Sex::from_wire(wire).map_or_else(|| wire.to_owned(), |sex| sex.label().to_owned()));
    Nominee {
        name: or_dash("name"),
        sex: Shown::of(sex.unwrap_or_else(|| "—".to_owned())),
        born: text("birth_month").and_then(month),
        ethnicity: or_dash("ethnicity"),
        education: or_dash("education"),
        political: or_dash("political_status"),
        present: or_dash("current_post"),
        intended: or_dash("intended_post"),
        exceptional: cell("exceptional_reason"),
        status: Badge(found.status),
        outcome: found.outcome_index.map(|index| {
            let label = found.outcome.unwrap_or_else(|| format!("第 {index} 条"));
            Link::new(format!("/entries/{index}/view"), label)
        }),
    }
}
