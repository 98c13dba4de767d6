//! Pages over whole subtrees, made once for everybody and kept until something changes what they show.
//!
//! What a public page shows follows from the views, the checkpoint, the map, the day and whether the ledger accepts anything
//! or, on a mirror, follows and has an intake beside it. When any of these changes, everything that is kept is forgotten, so
//! nobody is shown less than before. Readers who ask for the same page at the same time wait for the one who makes it. Not
//! here: pages of one matter, of which there are too many to keep and which are cheap; anything that is for one person.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use gongkai_store::map::Reached;
use tokio::sync::OnceCell;

use super::{HTML, problem};
use crate::http::App;
use crate::http::caching::{self, SHARED};
use crate::http::citizen::outside::{self, Outside};
use crate::http::problem::Problem;
use crate::mirrors::Stuck;
use crate::site::Page;

/// Most pages that are kept; beyond, one is forgotten for each that is added.
const PAGES_MAX: usize = 1_000;
/// Most bytes that they have together, but for those that are being made: the pages of 400 villages.
const BYTES_MAX: usize = 8 << 20;

/// What pages follow from.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    views: (u64, String),
    committed: Option<u64>,
    checkpoint: Option<(u64, DateTime<Utc>)>,
    // How far it proves that nothing is missing; on a copy it follows the checkpoint.
    map: Option<Reached>,
    is_map_broken: bool,
    today: NaiveDate,
    halted: Option<String>,
    stuck: Option<Stuck>,
    outside: Vec<Outside>,
}

impl Stamp {
    async fn now(app: &App) -> Result<Self, Problem> {
        let status = app.views.status();
        let signed = app.published.checkpoint().await?;
        Ok(Self {
            views: (status.size, status.generation),
            committed: app.ledger.as_ref().map(|ledger| *ledger.committed().borrow()),
            checkpoint: signed.map(|signed| (signed.checkpoint.size, signed.written_at)),
            map: app.map.as_ref().map(|map| *map.reached().borrow()),
            is_map_broken: app.map.as_ref().is_some_and(|map| map.fault().is_some()),
            today: app.today(),
            halted: app.halted(),
            stuck: app.about.mirrors.stuck(),
            outside: beside(app).await?,
        })
    }
}

/// The intakes, where there are any to ask for.
async fn beside(app: &App) -> Result<Vec<Outside>, Problem> {
    if app.about.intakes.places().is_empty() {
        return Ok(Vec::new());
    }
    Ok(outside::all(app, app.read().await?.world()))
}

/// A page that is made, or being made.
type Place = Arc<OnceCell<Bytes>>;

/// The pages.
#[derive(Default)]
pub struct Kept(Mutex<(Option<Stamp>, HashMap<String, Place>)>);

impl Kept {
    fn place(&self, stamp: Stamp, address: &str) -> Place {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, pages) = &mut *kept;
        if known.as_ref() != Some(&stamp) {
            pages.clear();
            *known = Some(stamp);
        }
        if !pages.contains_key(address) {
            let bytes = |place: &Place| place.get().map_or(0, Bytes::len);
            let mut held: usize = pages.values().map(bytes).sum();
            while pages.len() >= PAGES_MAX || held > BYTES_MAX {
                // Any of them: what is asked for often is made again once.
                let Some(one) = pages.keys().next().cloned() else { break };
                held = held.saturating_sub(pages.remove(&one).as_ref().map_or(0, bytes));
            }
        }
        Arc::clone(pages.entry(address.to_owned()).or_default())
    }
}

/// The page that is kept, or else the one that is made now; a problem is kept for nobody. Making one is a long future, which
/// its handler puts on the heap.
pub async fn answer<P: Page>(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
    page: impl Future<Output = Result<P, Problem>>,
) -> Response {
    match html(app, uri, page).await {
        Ok(html) => caching::tagged(headers, HTML, SHARED, html.to_vec()),
        Err(problem_) => problem(app, problem_).await,
    }
}

async fn html<P: Page>(app: &App, uri: &Uri, page: impl Future<Output = Result<P, Problem>>) -> Result<Bytes, Problem> {
    let address = uri.path_and_query().map_or("/", |address| address.as_str());
    // Taken before the page is made: what changes meanwhile makes the page newer than its stamp, never older.
    let place = app.kept.place(Stamp::now(app).await?, address);
    let made = place.get_or_try_init(|| async {
        let html = page.await?.render().map_err(|error| Problem::internal(&error))?;
        Ok(Bytes::from(html))
    });
    made.await.cloned()
}
