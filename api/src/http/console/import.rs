//! `/internal/import`: many matters from one table, signed on the device one after the other.
//!
//! The page carries what its script needs: the families, who may sign, and which roles author which kind. The table is
//! read by `plans`; judging, signing and submitting go the way of a single matter.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::confidentiality::Reader;
use gongkai_domain::{KINDS, Kind, Role};
use gongkai_log::statement::PROXY_CHANNELS;
use serde_json::{Map, Value, json};

use super::write::{beside, grants, places};
use super::{answer, roles, who};
use crate::http::App;
use crate::http::internal::plans::FAMILIES;
use crate::http::pages::{Frame, frame};
use crate::http::problem::Problem;
use crate::importing::template;
use crate::site::console::ImportPage;

/// Whether an import can make it: the kinds that families come to are all that their rows make.
fn is_made(kind: &Kind) -> bool {
    FAMILIES.iter().any(|(.., made)| *made == kind.name)
}

/// Whether somebody in these roles may sign any row of an import.
pub(super) fn is_for(roles: &[Role]) -> bool {
    KINDS.iter().filter(|kind| is_made(kind)).any(|kind| kind.authors.iter().any(|author| roles.contains(author)))
}

pub(super) async fn show(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    answer(&app, &headers, &uri, async |reader| make(&app, &reader).await).await
}

async fn make(app: &App, reader: &Reader) -> Result<ImportPage, Problem> {
    let Frame { site, .. } = frame(app).await?;
    let mut views = app.read().await?;
    let kinds: Map<String, Value> = KINDS
        .iter()
        .filter(|kind| is_made(kind))
        .map(|kind| {
            let authors: Vec<_> = kind.authors.iter().map(|role| role.wire()).collect();
            (kind.name.to_owned(), json!({"label": kind.label, "authors": authors}))
        })
        .collect();
    let any = |role| KINDS.iter().any(|kind| is_made(kind) && kind.authors.contains(&role));
    let table = json!({
        "key": reader.key(),
        "families": FAMILIES,
        "kinds": kinds,
        "places": places(app, &grants(app, any, reader, None)?, None, &mut views).await?,
        "channels": PROXY_CHANNELS,
        "beside": beside(app, reader, &mut views).await?,
    });
    let label = |family: &'static str| FAMILIES.iter().find(|(name, ..)| *name == family).map(|(_, label, _)| *label);
    let templates = template::FAMILIES.into_iter().filter_map(|family| Some((family, label(family)?))).collect();
    Ok(ImportPage {
        site,
        who: who(app, reader, &mut views).await?,
        templates,
        is_open: is_for(&roles(app, reader)?),
        table: table.to_string(),
    })
}
