//! `/search?q=`

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_projections::read::{Found, Reader};

use super::board::{orgs, select, years};
use super::{Frame, answer, frame, parts};
use crate::http::App;
use crate::http::api::search::Asked;
use crate::http::problem::Problem;
use crate::http::query::{Params, push};
use crate::site::parts::{Family, Filters, Item, Piece, Shown};
use crate::site::search::{Hit, SearchPage};

/// One page of hits.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    let page = make(&app, &uri).await;
    answer(&app, &headers, page).await
}

async fn make(app: &App, uri: &Uri) -> Result<SearchPage, Problem> {
    let asked = Asked::of(&Params::of(uri)?)?;
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let begun = Instant::now();
    let found = match asked.filter.text.as_str() {
        "" => None,
        _ => Some(reader.search(&asked.filter).await?),
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (total, hits) = found.map_or((0, Vec::new()), |found| (found.total, found.hits));
    let mut shown = Vec::with_capacity(hits.len());
    for found in hits {
        shown.push(hit(&mut reader, found).await?);
    }
    let query = asked.filter.text.clone();
    Ok(SearchPage {
        site,
        filters: filters(&mut reader, &asked).await?,
        hits: shown,
        took_ms,
        pager: parts::pager(asked.page, asked.limit, total, |page| href(&asked, page)),
        query,
    })
}

fn href(asked: &Asked, page: u64) -> String {
    let mut href = "/search".to_owned();
    let filter = &asked.filter;
    let year = filter.year.map(|year| year.to_string());
    let page = (page > 1).then(|| page.to_string());
    let text = Some(filter.text.clone());
    for (name, value) in
        [("q", &text), ("family", &filter.family), ("org", &filter.org), ("year", &year), ("page", &page)]
    {
        if let Some(value) = value {
            push(&mut href, name, value);
        }
    }
    href
}

async fn filters(reader: &mut Reader, asked: &Asked) -> Result<Filters, Problem> {
    let families = Family::BOARDS.map(|family| (parts::wire(family), family.label()));
    let mut all: Vec<i32> = Vec::new();
    for (wire, _) in families {
        all.extend(reader.years(wire).await?);
    }
    all.sort_unstable_by_key(|year| std::cmp::Reverse(*year));
    all.dedup();
    let filter = &asked.filter;
    Ok(Filters {
        action: "/search".to_owned(),
        query: Some(filter.text.clone()),
        selects: vec![
            select("family", "栏目", &families, filter.family.as_deref()),
            orgs(reader, filter.org.as_deref()).await?,
            years(all, filter.year),
        ],
        day: None,
    })
}

async fn hit(reader: &mut Reader, found: Found) -> Result<Hit, Problem> {
    let piece = |(text, hit): (String, bool)| Piece { text, hit };
    let item = match (found.matter, &found.org) {
        (Some(matter), _) => parts::item(matter),
        (None, Some(code)) => organization(reader, code, found.index).await?,
        (None, None) => other(&found.stream, found.index, &found.title),
    };
    let title: Vec<Piece> = found.title.into_iter().map(piece).collect();
    Ok(Hit { item, title, snippet: found.snippet.into_iter().map(piece).collect() })
}

async fn organization(reader: &mut Reader, code: &str, index: u64) -> Result<Item, Problem> {
    let name = parts::path(reader, code).await?.pop().map(|link| link.label).unwrap_or_default();
    Ok(Item { kind: "机构".into(), href: format!("/organizations/{code}"), ..plain(name, index) })
}

fn other(stream: &str, index: u64, title: &[(String, bool)]) -> Item {
    let title = title.iter().map(|(text, _)| text.as_str()).collect();
    Item { href: parts::href(stream), ..plain(title, index) }
}

fn plain(title: String, index: u64) -> Item {
    Item {
        family: Family::Registry,
        kind: String::new(),
        title: Shown::of(title),
        href: String::new(),
        org: String::new(),
        status: None,
        remark: String::new(),
        declared: None,
        recorded: None,
        late_days: None,
        index: Some(index),
    }
}
