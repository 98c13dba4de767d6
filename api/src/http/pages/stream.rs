//! `/streams/{family}/{id}`: the page of any matter, whatever its family; with `?on=` as it stood on a past day.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::kind::family_label;
use gongkai_projections::Status;
use gongkai_projections::read::{HistoryEvent, PastHistory, Reader, ShownField, history};

use super::{Frame, answer, frame, hand_in, nothing, parts, sessions, share};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::site::format::{Count, Day};
use crate::site::parts::{Badge, Link, Shown};
use crate::site::past::Past;
use crate::site::stream::StreamPage;

/// One stream with its history.
pub async fn show(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    Path((family, id)): Path<(String, String)>,
) -> Response {
    let page = make(&app, &uri, &family, &id).await;
    answer(&app, &headers, page).await
}

/// What is said of every matter of a past day.
const ALWAYS: &str = "机构和人的名称按今天；后来依法撤下的内容，这里也看不到。";

pub(super) async fn make(app: &App, uri: &Uri, family: &str, id: &str) -> Result<StreamPage, Problem> {
    let Frame { site, signed } = frame(app).await?;
    let stream = super::stream(family, id)?;
    let mut reader = app.read().await?;
    let params = Params::of(uri)?;
    params.only(&["on"])?;
    let on = params.past_day("on", reader.today())?;
    let PastHistory { events, later, status, .. } = match on {
        Some(on) => reader.history_on(&stream, on).await?,
        None => present_history(&mut reader, &stream).await?,
    };
    if events.is_empty() && later > 0 {
        return Err(Problem::not_found("到这一天为止，账本里还没有这件事"));
    }
    let Some(first) = events.first() else { return Err(nothing()) };
    let past = on.map(|on| Past {
        on: Day(on),
        records: Some((Count(events.len() as u64), Count(later))),
        notes: &[ALWAYS],
        now: parts::href(&stream),
    });
    let about = status.unwrap_or(Status::InForce);
    let name = history::latest(&events, "title").or_else(|| history::latest(&events, "name"));
    let name_text = name.as_ref().and_then(|name| name.given()).map(str::to_owned);
    Ok(StreamPage {
        path: parts::path(&mut reader, &first.org).await?,
        clocks: if past.is_some() { Vec::new() } else { parts::clocks(&mut reader, &stream).await? },
        check: if past.is_some() {
            parts::check_last(app, &reader, signed.as_ref(), &events).await?
        } else {
            parts::check(app, &reader, signed.as_ref(), &events).await?
        },
        site,
        hand_in: if past.is_some() { Vec::new() } else { hand_in::links(app, reader.world(), &stream, about) },
        index: first.index,
        name: name.map_or_else(|| Shown::of(first.label.as_str()), parts::shown),
        family: parts::family(family),
        kind: family_label(family).to_owned(),
        status: status.map(Badge),
        past,
        feeds: feeds(&stream, name_text.as_deref(), first),
        rows: present(&events).into_iter().map(parts::row).collect(),
        motions: sessions::motions(&mut reader, first).await?,
        history: parts::history(events),
    })
}

/// All of it, with the status of today.
async fn present_history(reader: &mut Reader, stream: &str) -> Result<PastHistory, Problem> {
    let (on, events) = (reader.today(), reader.history(stream).await?);
    let status = reader.matter(stream).await?.map(|matter| matter.status);
    Ok(PastHistory { on, events, later: 0, status })
}

/// The feeds of the matter, of the person that it is, and of the organization.
fn feeds(stream: &str, name: Option<&str>, first: &HistoryEvent) -> Vec<Link> {
    let mut feeds = vec![Link::new(format!("/feeds/streams/{stream}"), "这件事")];
    if stream.starts_with("person/") {
        feeds.push(share::feed_of(stream, name.unwrap_or("此人")));
    }
    feeds.push(Link::new(format!("/feeds/organizations/{}", first.org), first.org_name.as_str()));
    feeds
}

/// The latest value of each field, in the order in which fields first appeared.
fn present(events: &[HistoryEvent]) -> Vec<ShownField> {
    let mut present: Vec<ShownField> = Vec::new();
    for field in events.iter().flat_map(|event| &event.fields) {
        match present.iter_mut().find(|known| known.name == field.name && !field.name.is_empty()) {
            Some(known) => known.value = field.value.clone(),
            None => present.push(field.clone()),
        }
    }
    present
}
