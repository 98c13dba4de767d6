//! `/feeds/…`: Atom of everything, of a family, of an organization with all below it, of a person, of one matter.
//!
//! A person's feed has what is public about one registered person: the registration, keys and roles, every matter whose
//! statement names the person by the opaque id, and what later happened in it (the reports on a pledge). Two people of one
//! name are two feeds; somebody who was only written down by name has none. What a person merely signed is not in it: a
//! signature speaks for the organization, whose feed has it.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, Utc};
use gongkai_domain::field::is_org_code;
use gongkai_projections::read::{Filter, HistoryEvent, TimelineItem, history};

use crate::http::App;
use crate::http::caching;
use crate::http::feeds::{ENTRIES_MAX, Feed, Item, MEDIA_TYPE};
use crate::http::pages::{nothing, parts, stream};
use crate::http::problem::Problem;
use crate::site::parts::Family;

/// Readers ask every few minutes; a shared cache may answer them for one.
const CACHING: &str = "public, max-age=60";

/// The routes below `/feeds/`.
pub fn routes() -> Router<App> {
    let router = Router::new()
        .route("/feeds/all", get(all))
        .route("/feeds/organizations/{code}", get(organization))
        .route("/feeds/persons/{id}", get(person))
        .route("/feeds/streams/{family}/{id}", get(matter));
    Family::BOARDS.into_iter().fold(router, |router, of| {
        let path = format!("/feeds{}", of.href());
        router.route(&path, get(move |app: State<App>, headers: HeaderMap| family(of, app, headers)))
    })
}

async fn all(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let items = latest(&app, None, None).await?;
    answer(&app, &headers, "全部记录", "/feeds/all", "/timeline", items).await
}

async fn family(family: Family, State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let items = latest(&app, Some(parts::wire(family)), None).await?;
    answer(&app, &headers, family.label(), &format!("/feeds{}", family.href()), family.href(), items).await
}

async fn organization(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    if !is_org_code(&code) {
        return Err(nothing());
    }
    let names = app.read().await?.org_names([code.as_str()]).await?;
    let name = names.get(&code).ok_or_else(nothing)?;
    let items = latest(&app, None, Some(&code)).await?;
    let page = format!("/organizations/{code}");
    answer(&app, &headers, name, &format!("/feeds/organizations/{code}"), &page, items).await
}

async fn person(State(app): State<App>, headers: HeaderMap, Path(id): Path<String>) -> Result<Response, Problem> {
    let stream = stream("person", &id)?;
    let mut reader = app.read().await?;
    let events = reader.history(&stream).await?;
    if events.is_empty() {
        return Err(nothing());
    }
    let name = history::latest(&events, "name").and_then(|name| name.given().map(str::to_owned));
    let title = format!("有关{}的公开记录", name.as_deref().unwrap_or("一位登记人员"));
    let found = reader.about_person(&stream, &newest(None)).await?;
    drop(reader);
    let items = found.items.into_iter().map(of_entry).collect();
    answer(&app, &headers, &title, &format!("/feeds/persons/{id}"), &parts::href(&stream), items).await
}

async fn matter(
    State(app): State<App>,
    headers: HeaderMap,
    Path((family, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let stream = stream(&family, &id)?;
    let events = app.read().await?.history(&stream).await?;
    if events.is_empty() {
        return Err(nothing());
    }
    let title = history::latest(&events, "title").or_else(|| history::latest(&events, "name"));
    let title = title.and_then(|title| title.given().map(str::to_owned)).unwrap_or_else(|| stream.clone());
    let newest = events.into_iter().rev().take(usize::try_from(ENTRIES_MAX).unwrap_or(usize::MAX));
    let items = newest.map(|event| of_event(event, &title)).collect();
    let page = parts::href(&stream);
    answer(&app, &headers, &title, &format!("/feeds/streams/{stream}"), &page, items).await
}

async fn latest(app: &App, family: Option<&str>, org: Option<&str>) -> Result<Vec<Item>, Problem> {
    let found = app.read().await?.timeline(family, &newest(org)).await?;
    Ok(found.items.into_iter().map(of_entry).collect())
}

/// The first page of a feed's length.
fn newest(org: Option<&str>) -> Filter {
    let limit = u32::try_from(ENTRIES_MAX).unwrap_or(u32::MAX);
    Filter { org: org.map(str::to_owned), limit, ..Filter::default() }
}

fn of_entry(entry: TimelineItem) -> Item {
    Item {
        index: entry.index,
        title: entry.title.unwrap_or_else(|| entry.stream.clone()),
        kind: entry.label,
        org: entry.org_name,
        href: parts::href(&entry.stream),
        recorded_at: entry.recorded_at,
        declared_at: Some(entry.declared_at.to_rfc3339()),
    }
}

fn of_event(event: HistoryEvent, title: &str) -> Item {
    Item {
        index: event.index,
        title: title.to_owned(),
        kind: event.label,
        org: event.org_name,
        href: parts::href(&event.stream),
        recorded_at: event.recorded_at,
        declared_at: Some(event.declared_at.to_rfc3339()),
    }
}

async fn answer(
    app: &App,
    headers: &HeaderMap,
    title: &str,
    path: &str,
    page: &str,
    items: Vec<Item>,
) -> Result<Response, Problem> {
    let updated = match items.first() {
        Some(newest) => newest.recorded_at,
        None => app.published.checkpoint().await?.map_or(DateTime::<Utc>::UNIX_EPOCH, |signed| signed.written_at),
    };
    let feed = Feed {
        origin: app.about.origin().to_owned(),
        site: app.about.name.clone(),
        base_url: app.about.base_url.clone(),
        title: title.to_owned(),
        path: path.to_owned(),
        page: page.to_owned(),
        updated,
        items,
    };
    Ok(caching::tagged(headers, MEDIA_TYPE, CACHING, feed.to_xml().into_bytes()))
}
