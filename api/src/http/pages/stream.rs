//! `/streams/{family}/{id}`: the page of any matter, whatever its family.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_domain::kind::family_label;
use gongkai_projections::Status;
use gongkai_projections::read::{HistoryEvent, ShownField, history};

use super::{Frame, answer, frame, hand_in, nothing, parts, share};
use crate::http::App;
use crate::http::problem::Problem;
use crate::site::parts::{Badge, Link, Shown};
use crate::site::stream::StreamPage;

/// One stream with its history.
pub async fn show(State(app): State<App>, headers: HeaderMap, Path((family, id)): Path<(String, String)>) -> Response {
    let page = make(&app, &family, &id).await;
    answer(&app, &headers, page).await
}

async fn make(app: &App, family: &str, id: &str) -> Result<StreamPage, Problem> {
    let Frame { site, signed } = frame(app).await?;
    let stream = super::stream(family, id)?;
    let mut reader = app.read().await?;
    let events = reader.history(&stream).await?;
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Err(nothing()) };
    let matter = reader.matter(&stream).await?;
    let name = history::latest(&events, "title").or_else(|| history::latest(&events, "name"));
    let name_text = name.as_ref().and_then(|name| name.given()).map(str::to_owned);
    Ok(StreamPage {
        path: parts::path(&mut reader, &first.org).await?,
        check: parts::check(app, &reader, signed.as_ref(), last.index, last.withdrawn_count).await?,
        site,
        hand_in: hand_in::links(app, &stream, matter.as_ref().map_or(Status::InForce, |matter| matter.status)),
        index: first.index,
        name: name.map_or_else(|| Shown::of(first.label.as_str()), parts::shown),
        family: parts::family(family),
        kind: family_label(family).to_owned(),
        status: matter.map(|matter| Badge(matter.status)),
        feeds: feeds(&stream, name_text.as_deref(), first),
        rows: present(&events).into_iter().map(parts::row).collect(),
        history: parts::history(events),
    })
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
