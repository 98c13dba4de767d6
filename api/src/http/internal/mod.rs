//! The internal side: signing in by challenge with a registered key, and what needs it.
//!
//! One table, [`doors`], has every endpoint with those who may call it; router, description and the golden list
//! `tests/golden/endpoints.txt` are made from it. To whom an endpoint is closed, it does not exist: they
//! get what any address without a page gets. Only the endpoints of signing in themselves tell that one is
//! not signed in. To add an endpoint: a file here with its [`Door`], and its line in [`doors`]. What a reader
//! then sees is decided matter by matter (`gongkai_domain::confidentiality::clear`), never here.
//!
//! Not here: submitting (`api::submissions`), which needs no session because statements carry their signatures.

pub mod board;
#[cfg(test)]
mod board_tests;
pub mod challenges;
pub mod drafts;
#[cfg(test)]
mod drafts_tests;
pub mod gate;
pub mod matters;
#[cfg(test)]
mod matters_tests;
pub mod me;
pub mod periods;
pub mod plans;
pub mod queue;
#[cfg(test)]
mod queue_tests;
pub mod readings;
pub mod rehearsals;
pub mod reviews;
pub mod schedules;
#[cfg(test)]
mod schedules_tests;
pub mod sessions;
pub mod sheets;
#[cfg(test)]
mod sheets_tests;
pub mod sign_in;
pub mod sums;
#[cfg(test)]
mod sums_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timeline_tests;
pub mod timelines;
pub mod working;

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header::ALLOW;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::MethodRouter;
use gongkai_domain::confidentiality::Callers;
use serde_json::{Map, Value};

use super::openapi::Endpoint;
use super::{App, pages};
use gate::Gate;
pub use gate::SignedIn;
#[cfg(test)]
pub(super) use tests::sign_in as session_of;

/// Start of every path of this side.
pub const ROOT: &str = "/internal/";
/// The cookie with a session's token; sent to this side only.
pub const COOKIE_NAME: &str = "gongkai_session";
/// Largest body of a request that signs in: a note of two names, a nonce and a signature.
pub const BODY_BYTES_MAX: usize = 16 << 10;

/// What an endpoint is for those who may not call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// It says that one has to sign in.
    Told,
    /// It does not exist.
    Absent,
}

/// An endpoint with those who may call it.
pub struct Door {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Who may call it.
    pub callers: Callers,
    /// What it is for the others.
    pub unseen: Unseen,
}

/// Every endpoint of this side, in the order of the description.
pub fn doors() -> Vec<Door> {
    let [open, close] = sessions::doors();
    let mut doors = vec![challenges::door(), open, close, me::door(), readings::door()];
    doors.extend(matters::doors());
    doors.extend(board::doors());
    doors.extend([timelines::door(), queue::door(), schedules::door()]);
    doors.extend(sums::doors());
    doors.push(rehearsals::door());
    doors.extend(drafts::doors());
    doors.extend([reviews::door(), periods::door()]);
    doors.extend(sheets::doors());
    doors.push(plans::door());
    doors
}

/// The schemas of all answers.
pub fn schemas() -> Map<String, Value> {
    let reading = [matters::schemas(), readings::schemas(), schedules::schemas()];
    let watching = [timelines::schemas(), queue::schemas(), sums::schemas(), board::schemas()];
    let drafting = [drafts::schemas(), reviews::schemas(), periods::schemas()];
    let entering = [challenges::schemas(), sessions::schemas(), me::schemas()];
    let all = entering.into_iter().chain(reading).chain(watching).chain(drafting);
    let all = all.chain([sheets::schemas(), plans::schemas()]);
    all.flatten().collect()
}

/// The routes of these doors.
pub fn routes(app: &App, doors: Vec<Door>) -> Router<App> {
    let mut by_path: BTreeMap<&str, MethodRouter<App>> = BTreeMap::new();
    for door in doors {
        let gate = Gate { app: app.clone(), callers: door.callers, unseen: door.unseen };
        let handler = door.endpoint.handler.route_layer(from_fn_with_state(gate, gate::pass));
        let others = by_path.remove(door.endpoint.path).unwrap_or_default();
        by_path.insert(door.endpoint.path, others.merge(handler));
    }
    by_path.into_iter().fold(Router::new(), |router, (path, methods)| {
        // Another method would tell that the address exists, by its answer or by the header that lists the right
        // ones; that header is added outside every layer of a router, so the service itself is wrapped.
        let methods = methods.fallback(pages::not_found).with_state(app.clone());
        let inside = Router::new().fallback_service(methods).layer(map_response(without_methods));
        router.route_service(path, inside)
    })
}

async fn without_methods(mut response: Response) -> Response {
    response.headers_mut().remove(ALLOW);
    response
}
