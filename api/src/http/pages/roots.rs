//! The card of `/status` that tells whether the root of the map is still logged.
//!
//! It is told from what is published. A ledger is judged by its clock, and by how long it has been open; a copy by the time
//! of what it holds, because what it has not fetched yet cannot tell.

use chrono::{DateTime, Utc};
use gongkai_store::MapFault;

use super::parts::moment;
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::published::Signed;
use crate::roots::Root;
use crate::site::format::Count;
use crate::site::parts::{LastRoot, RootsCard, Uncovered};

/// What the map of this process is wrong about: the log itself, or only its own files.
const DIFFERS: &str = "本站重算总目，和账本登记的不一样：不要凭总目相信没有缺漏。请告诉账本的管理单位和上级督查部门。";
const BROKEN: &str = "本站的总目坏了，现在证明不了没有缺漏；账本本身不受影响。";

/// The card.
pub async fn card(app: &App, signed: Option<&Signed>) -> Result<RootsCard, Problem> {
    let found = app.roots.of(&app.published).await?;
    let (began, now) = reach(app, signed);
    let overdue = found.overdue(began, now, app.about.map_interval);
    let fault = app.map.as_ref().and_then(gongkai_store::Map::fault);
    Ok(RootsCard {
        last: found.last.map(|Root { index, size, recorded_at }| LastRoot {
            index,
            size: Count(size),
            at: moment(recorded_at),
        }),
        waiting: found.waiting.map(|waiting| Uncovered {
            index: waiting.index,
            at: moment(waiting.recorded_at),
            is_overdue: overdue.is_some(),
        }),
        fault: fault.map(|fault| match *fault {
            MapFault::Differs { .. } | MapFault::Late { .. } => DIFFERS,
            _ => BROKEN,
        }),
    })
}

/// From when to when a root could have been seen here.
fn reach(app: &App, signed: Option<&Signed>) -> (DateTime<Utc>, DateTime<Utc>) {
    if app.ledger.is_some() {
        return (app.began, app.now());
    }
    (DateTime::UNIX_EPOCH, signed.map_or(DateTime::UNIX_EPOCH, |signed| signed.written_at.min(app.now())))
}
