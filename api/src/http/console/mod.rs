//! The console: pages of the internal side for people with keys.
//!
//! A page is for whoever is signed in; to anybody else it is the way to the page on which one signs in, and which is the
//! only one without a session. What a person may write follows from their roles and the list of kinds; what they may read
//! is decided by the policy behind the internal views, never here. To add a page: a file here and a line in [`routes`].

mod answers;
mod board;
mod devices;
mod going_on;
mod import;
mod letters;
mod preview;
mod review;
pub(in crate::http) mod table;
#[cfg(test)]
mod tests;
mod write;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use gongkai_domain::confidentiality::Reader;
use gongkai_domain::kind::slot::Withdrawn;
use gongkai_domain::kind::{Described as _, Secrecy, family_label};
use gongkai_domain::{KINDS, Kind, Role};
use gongkai_projections::Reader as Views;
use gongkai_projections::internal::queue::QueueRow;

use super::App;
use super::internal::gate::Credential;
use super::internal::sign_in::Moment;
use super::pages::hand_in::{self, unkept};
use super::pages::{Frame, frame};
use super::problem::Problem;
use super::query::push;
use crate::site::Page;
use crate::site::console::{DeskPage, Group, SignInPage, Waiting, Who};
use crate::site::parts::Link;

/// Most drafts that are listed on the desk.
const WAITING_MAX: usize = 50;

/// The routes of all pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/internal/", get(desk))
        .route("/internal/sign-in", get(sign_in))
        .route("/internal/answers", get(answers::list))
        .route("/internal/answers/{family}/{id}", get(answers::show))
        .route(board::PATH, get(board::numbers))
        .route("/internal/board/{id}", get(board::list))
        .route("/internal/continue", get(going_on::show))
        .route("/internal/devices", get(devices::show))
        .route("/internal/reviews/{id}", get(review::show))
        .route("/internal/drafts/{id}", get(review::cosign))
        .route("/internal/import", get(import::show))
        .route("/internal/preview", post(preview::show))
        .route("/internal/write/{kind}", get(write::show))
}

/// The page for whoever is signed in, or the way to sign in.
async fn answer<P: Page>(
    app: &App,
    headers: &HeaderMap,
    uri: &Uri,
    page: impl AsyncFnOnce(Reader) -> Result<P, Problem>,
) -> Response {
    let Some(reader) = signed_in(app, headers) else {
        let mut to = "/internal/sign-in".to_owned();
        push(&mut to, "to", uri.path_and_query().map_or("/internal/", |it| it.as_str()));
        let to = HeaderValue::from_str(&to).unwrap_or(HeaderValue::from_static("/internal/sign-in"));
        let mut response = (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response();
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    };
    unkept(app, page(reader).await).await
}

fn signed_in(app: &App, headers: &HeaderMap) -> Option<Reader> {
    let credential = Credential::of(headers)?;
    let now = Moment::of(app.clock.as_ref());
    app.ledger.as_ref()?.with_world(|world| app.sign_in.resume(credential.token(), now, world))
}

async fn sign_in(State(app): State<App>) -> Response {
    unkept(&app, frame(&app).await.map(|Frame { site, .. }| SignInPage { site })).await
}

async fn desk(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    answer(&app, &headers, &uri, async |reader| {
        let Frame { site, .. } = frame(&app).await?;
        let mut views = super::internal::board::current(&app).await?;
        let who = who(&app, &reader, &mut views).await?;
        let waiting = waiting(&app, &reader, &mut views).await?;
        let soon = board::reminders(&app, &reader, &mut views).await?;
        let board = soon.is_some().then_some(board::PATH);
        let roles = roles(&app, &reader)?;
        Ok(DeskPage {
            site,
            who,
            waiting,
            soon: soon.unwrap_or_default(),
            board,
            may_import: import::is_for(&roles),
            groups: groups(&roles),
        })
    })
    .await
}

/// Who is signed in, with the names that the public registry has.
async fn who(app: &App, reader: &Reader, views: &mut Views) -> Result<Who, Problem> {
    let grants = app.ledger()?.with_world(|world| world.grants(reader.person()).to_vec());
    let orgs = views.org_names(grants.iter().filter_map(|grant| grant.org.as_deref())).await?;
    let person = reader.person().to_string();
    let name = views.person_names(std::slice::from_ref(&person)).await?.remove(&person);
    let role = |grant: &gongkai_domain::world::Grant| match &grant.org {
        Some(org) => format!("{} {}", orgs.get(org).unwrap_or(org), grant.role.label()),
        None => format!("全账本 {}", grant.role.label()),
    };
    Ok(Who {
        name: name.unwrap_or_else(|| reader.key().to_owned()),
        key: reader.key().to_owned(),
        roles: grants.iter().map(role).collect(),
    })
}

async fn waiting(app: &App, reader: &Reader, views: &mut Views) -> Result<Option<Vec<Waiting>>, Problem> {
    let Some(internal) = &app.internal else { return Ok(None) };
    let rows = internal.queue(reader, WAITING_MAX).await?;
    let orgs = views.org_names(rows.iter().map(|row| row.org.as_str())).await?;
    let now = app.now();
    let draft = |row: &QueueRow| Waiting {
        org: orgs.get(&row.org).unwrap_or(&row.org).clone(),
        gate: format!("{}（{}）", row.gate_label, row.role_label),
        days: (now - row.since).num_days(),
        href: format!("/internal/reviews/{}", row.review.trim_start_matches("review/")),
    };
    Ok(Some(rows.iter().map(draft).collect()))
}

/// What somebody may write that begins a matter, by family.
fn groups(roles: &[Role]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.opens && is_for(kind, roles)) {
        let link = Link::new(format!("/internal/write/{}", hand_in::slug(kind)), kind.label);
        let label = family_label(kind.family());
        match groups.iter_mut().find(|group| group.label == label) {
            Some(group) => group.links.push(link),
            None => groups.push(Group { label: label.to_owned(), links: vec![link] }),
        }
    }
    groups
}

fn roles(app: &App, reader: &Reader) -> Result<Vec<Role>, Problem> {
    Ok(app.ledger()?.with_world(|world| world.grants(reader.person()).iter().map(|grant| grant.role).collect()))
}

/// Whether somebody in these roles may write it here. Not here: what records a reading (whoever shows content writes it),
/// reviews (they carry a draft and have pages of their own) and openings (they carry a proof), which the command line makes, and what is encrypted to a
/// body (`/hand-in`).
fn is_for(kind: &Kind, roles: &[Role]) -> bool {
    let made_elsewhere = ["access", "review", "slot"].contains(&kind.family()) && kind.name != Withdrawn::KIND;
    !made_elsewhere && kind.secrecy != Secrecy::Body && kind.authors.iter().any(|author| roles.contains(author))
}
