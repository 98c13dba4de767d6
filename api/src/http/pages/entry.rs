//! `/entries/{index}/view`: one entry for people.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_domain::refusal::tier_label;
use gongkai_domain::{kind, schedule};
use gongkai_log::{Entry, Opening, Tier};
use gongkai_projections::read::{HistoryEvent, Reader};

use super::{Frame, answer, frame, parts};
use crate::http::App;
use crate::http::api::entries::index;
use crate::http::problem::Problem;
use crate::site::entry::{EntryPage, OpeningRow};
use crate::site::parts::{Check, Link, Shown};

/// One entry with its openings and neighbours.
pub async fn show(State(app): State<App>, headers: HeaderMap, Path(text): super::Id) -> Response {
    let page = make(&app, &text).await;
    answer(&app, &headers, page).await
}

async fn make(app: &App, text: &str) -> Result<EntryPage, Problem> {
    let Frame { site, signed } = frame(app).await?;
    let index = index(text)?;
    let looked = parts::entry_of(app, index).await?;
    let mut reader = app.read().await?;
    let event = reader.entry(index).await?;
    let matter = match &event {
        Some(event) => reader.matter(&event.stream).await?,
        None => None,
    };
    let withdrawn = event.as_ref().map_or(0, |event| event.withdrawn_count);
    let check = parts::check_of(app, &reader, signed.as_ref(), &looked, withdrawn).await?;
    let entry = &looked.0;
    let label = event.as_ref().map(|event| event.label.clone());
    Ok(EntryPage {
        openings: openings(app, &mut reader, entry, event.as_ref()).await?,
        site,
        kind: label.unwrap_or_else(|| "封存时段".to_owned()),
        matter: event.as_ref().map(|event| {
            let title = matter.and_then(|matter| matter.title).unwrap_or_else(|| event.label.clone());
            Link::new(parts::href(&event.stream), title)
        }),
        org: event.as_ref().map(|event| parts::org_link(&event.org, &event.org_name)),
        declared: event.as_ref().map(|event| parts::declared(event.declared_at)),
        recorded: parts::moment(entry.recorded_at),
        late_days: event.as_ref().filter(|event| event.back_filled).map(|event| parts::small(event.late_days)),
        raw: String::from_utf8_lossy(&entry.bytes).into_owned(),
        previous: index.checked_sub(1),
        next: signed.filter(|signed| signed.checkpoint.size > index + 1).map(|_| index + 1),
        check: Check { open: true, ..check },
    })
}

/// What is open to everyone, and the traces of what was.
async fn openings(
    app: &App,
    reader: &mut Reader,
    entry: &Entry,
    event: Option<&HistoryEvent>,
) -> Result<Vec<OpeningRow>, Problem> {
    let kind = entry.content.statement().and_then(|signed| kind::find(&signed.statement.kind));
    let label = |name: &str| kind.and_then(|kind| kind.field(name)).map_or(name, |field| field.label).to_owned();
    let open = app.published.openings(entry.index).await?.map(|openings| openings.open).unwrap_or_default();
    // Of a schedule the page says where each promise stands.
    let standing = event.and_then(|event| event.shown(schedule::FIELD));
    let standing = standing.as_ref().and_then(|shown| shown.given());
    let value = |opening: &Opening| match &opening.value {
        _ if opening.name == schedule::FIELD && standing.is_some() => standing.unwrap_or_default().to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut rows: Vec<OpeningRow> = open
        .iter()
        .filter(|opening| opening.tier == Tier::Public)
        .map(|opening| OpeningRow {
            slot: opening.slot,
            label: label(&opening.name),
            tier: tier_label(opening.tier).to_owned(),
            value: Shown::of(value(opening)),
        })
        .collect();
    for gone in reader.withdrawn(entry.index).await? {
        let Some(slot) = gone.slot.and_then(|slot| u8::try_from(slot).ok()) else { continue };
        rows.push(OpeningRow {
            slot,
            label: "已撤下的内容".into(),
            tier: tier_label(Tier::Public).to_owned(),
            value: Shown::Withdrawn(parts::tombstone(gone.tombstone)),
        });
    }
    rows.sort_by_key(|row| row.slot);
    Ok(rows)
}
