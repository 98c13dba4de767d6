//! `/follow`: one's own matter by its code, without scripts and without signing in.
//!
//! The code stands in the body of the request only, and the answer is kept by nobody on the way. What was handed in through
//! an intake is opened in the browser (`assets/follow.js`), and its code is sent nowhere.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_projections::Reader;
use gongkai_projections::follow_up;
use gongkai_projections::internal::read::DueRow;
use serde_json::Value;

use super::hand_in::unkept;
use super::{Frame, answer, frame, hand_in, parts};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::citizen::address::Client;
use crate::http::citizen::form::Posted;
use crate::http::citizen::{outside, status};
use crate::http::internal::gate;
use crate::http::problem::Problem;
use crate::http::query::push;
use crate::site::follow::{Due, FollowPage, Followed, Step};
use crate::site::format::Day;
use crate::site::parts::{Link, Row};

/// Asks for the code.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    let page = empty(&app).await;
    answer(&app, &headers, page).await
}

async fn empty(app: &App) -> Result<FollowPage, Problem> {
    let Frame { site, .. } = frame(app).await?;
    let intakes = outside::entries(app, app.read().await?.world());
    let further = if intakes.is_empty() { Vec::new() } else { hand_in::continuations() };
    Ok(FollowPage { site, is_open: app.ledger.is_some(), intakes, found: None, further })
}

/// What the code shows.
pub async fn post(State(app): State<App>, client: Client, headers: HeaderMap, body: Arrived) -> Response {
    let page = found(&app, client, &headers, body).await;
    unkept(&app, page).await
}

async fn found(app: &App, client: Client, headers: &HeaderMap, body: Arrived) -> Result<FollowPage, Problem> {
    app.ledger()?;
    if !gate::is_from_us(headers, false) {
        return Err(Problem::new("cross_origin", "这个请求来自别的网站，没有执行"));
    }
    let posted = Posted::read(headers, body::bytes(headers, body)?).await?;
    let (followed, kept) = status::shown(app, client, posted.text("code").unwrap_or_default()).await?;
    let Frame { site, .. } = frame(app).await?;
    // Before anybody said anything, and in time, there is nothing to rate and nobody above to ask.
    let begun = !followed.steps.is_empty() || followed.dues.iter().any(|due| due.days_over > 0);
    let further = further(followed.org.as_deref().filter(|_| begun));
    let mut reader = app.read().await?;
    let found = matter(followed, kept.as_ref(), &mut reader).await?;
    Ok(FollowPage { site, is_open: true, intakes: String::new(), found: Some(found), further })
}

/// How somebody may continue a matter of their own that is in these hands.
fn further(org: Option<&str>) -> Vec<Link> {
    let Some(org) = org else { return Vec::new() };
    let to = |mut link: Link| {
        push(&mut link.href, "org", org);
        link
    };
    hand_in::continuations().into_iter().map(to).collect()
}

async fn matter(followed: follow_up::Followed, kept: Option<&Value>, reader: &mut Reader) -> Result<Followed, Problem> {
    let mut steps = Vec::with_capacity(followed.steps.len());
    for step in followed.steps {
        let mut rows = Vec::with_capacity(step.fields.len());
        for told in step.fields {
            let said =
                if told.sentences.is_empty() { words(&told.value, reader).await? } else { told.sentences.join("\n") };
            rows.push(Row::new(told.label, said));
        }
        let met = step.met.into_iter().map(|met| due(met.what.clone(), met)).collect();
        steps.push(Step { label: step.label.into(), at: parts::moment(step.received_at), rows, met });
    }
    let names = reader.org_names(followed.dues.iter().map(|due| due.org.as_str())).await?;
    let awaited =
        |awaited: DueRow| due(format!("{}{}", names.get(&awaited.org).unwrap_or(&awaited.org), awaited.what), awaited);
    Ok(Followed {
        state: followed.state.into(),
        received: parts::moment(followed.received_at),
        deadline: parts::moment(followed.deadline),
        kept: kept.and_then(|kept| kept["index"].as_u64()),
        commitment: followed.commitment.to_hex(),
        ballot: followed.ballot.map(|ballot| ballot.to_string()),
        steps,
        dues: followed.dues.into_iter().map(awaited).collect(),
    })
}

/// A value as people read it: an organization by its name.
async fn words(value: &Value, reader: &mut Reader) -> Result<String, Problem> {
    Ok(match value {
        Value::String(text) if reader.world().organization(text).is_some() => {
            let names = reader.org_names([text.as_str()]).await?;
            names.get(text).unwrap_or(text).clone()
        }
        Value::String(text) => text.parse().map_or_else(|_| text.clone(), |day| Day(day).to_string()),
        Value::Bool(yes) => (if *yes { "是" } else { "否" }).to_owned(),
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    })
}

fn due(what: String, DueRow { due_on, days_over, rule, .. }: DueRow) -> Due {
    Due { what, on: Day(due_on), days_over, rule: rule.unwrap_or_default() }
}
