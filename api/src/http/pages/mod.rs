//! The public site: one file per page, each from the rows of the views to the page's context.
//!
//! A page is made by a function that gives `Result<context, Problem>`; [`answer`] renders either the
//! page or the same problem as a page. Pages carry an entity tag, so a reader who comes back is
//! answered without a body. To add a page: a file here and a line in [`routes`].

mod about;
mod board;
mod charts;
mod compare;
mod compliance;
mod cosign;
mod dictionary;
mod disclosure;
mod entry;
mod follow;
pub mod hand_in;
mod home;
pub mod kept;
pub mod next;
mod nomination;
mod notice;
mod organization;
mod organization_past;
pub mod paper;
pub mod parts;
mod periods;
mod picture;
mod pledge;
mod questions;
mod receipt;
mod roots;
mod search;
mod sessions;
mod share;
mod status;
mod stream;
mod timeline;
mod vacancy;
mod verify;
mod wall;

use std::sync::Arc;

use askama::Template as _;
use axum::Router;
use axum::extract::{DefaultBodyLimit, OriginalUri, Path, Request, State};
use axum::http::{HeaderMap, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use gongkai_log::StreamId;

use super::App;
use super::caching::{self, SHARED};
use super::citizen::BODY_BYTES_MAX;
use super::language;
use super::problem::Problem;
use super::published::Signed;
use super::query::{Params, push};
use crate::site::format::Count;
use crate::site::parts::Family;
use crate::site::problem::ProblemPage;
use crate::site::{Halt, Page, Site};

/// Media type of a page.
const HTML: &str = "text/html; charset=utf-8";

/// Largest form with a code.
const CODE_FORM_BYTES_MAX: usize = 1 << 10;

/// Matters on one page of a board.
pub const PAGE_LIMIT: u64 = 30;

/// The routes of all pages.
pub fn routes() -> Router<App> {
    let matters = Router::new()
        .route("/pledges/{id}", get(pledge::show))
        .route("/vacancies/{id}", get(vacancy::show))
        .route("/nominations/{id}", get(nomination::show))
        .route("/notices/{id}", get(notice::show))
        .route("/disclosures/{id}", get(disclosure::show))
        .route_layer(middleware::from_fn(past_elsewhere));
    let mut router = Router::new()
        .merge(matters)
        .route("/", get(home::show))
        .route("/disclosures/{id}/wall", get(wall::disclosure))
        .route("/notices/{id}/wall", get(wall::notice))
        .route("/disclosures/{id}/loudspeaker", get(share::disclosure_script))
        .route("/notices/{id}/loudspeaker", get(share::notice_script))
        .route("/nominations/{id}/loudspeaker", get(share::nomination_script))
        .route("/n/{index}", get(share::short))
        .route("/n/{index}/qr.svg", get(share::code))
        .route("/n/{index}/wall.svg", get(paper::code))
        .route("/n/{index}/picture.svg", get(picture::svg))
        .route("/n/{index}/picture", get(picture::show))
        .route("/organizations", get(organization::tree))
        .route("/organizations/{code}", get(organization::show))
        .route("/compliance", get(compliance::show))
        .route("/compare", get(compare::show))
        .route("/timeline", get(timeline::show))
        .route("/search", get(search::show))
        .route("/entries/{index}/view", get(entry::show))
        .route("/streams/{family}/{id}", get(stream::show))
        .route("/about", get(about::show))
        .route("/status", get(status::show))
        .route("/verify", get(verify::show))
        .route("/dictionary", get(dictionary::show))
        .route("/hand-in", get(hand_in::offers))
        .route("/hand-in/{kind}", get(hand_in::show).post(hand_in::post).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)))
        .route("/cosign", get(cosign::show))
        .route("/follow/receipt", post(receipt::post).layer(DefaultBodyLimit::max(CODE_FORM_BYTES_MAX)))
        .route("/follow", get(follow::show).post(follow::post).layer(DefaultBodyLimit::max(CODE_FORM_BYTES_MAX)));
    for family in Family::BOARDS {
        router = router.route(
            family.href(),
            get(move |app: State<App>, uri: Uri, headers: HeaderMap| board::show(family, app, uri, headers)),
        );
    }
    router.layer(middleware::from_fn(language::page))
}

/// A matter on a past day is on the page that every matter has: its records by then, and no status that nobody
/// could have computed on that day.
async fn past_elsewhere(request: Request, next: Next) -> Response {
    let on = Params::of(request.uri()).ok().and_then(|params| params.text("on").map(str::to_owned));
    let Some(on) = on else { return next.run(request).await };
    let mut path = request.uri().path().trim_start_matches('/').split('/');
    let (board, id) = (path.next().unwrap_or_default(), path.next().unwrap_or_default());
    let family = Family::BOARDS.into_iter().find(|family| family.href().trim_start_matches('/') == board);
    let mut href = format!("/streams/{}/{id}", parts::wire(family.unwrap_or(Family::Registry)));
    push(&mut href, "on", &on);
    Redirect::to(&href).into_response()
}

/// What the frame of a page shows, and the checkpoint behind it.
pub struct Frame {
    /// For the context.
    pub site: Site,
    /// The current checkpoint.
    pub signed: Option<Arc<Signed>>,
}

/// The frame as of now.
pub async fn frame(app: &App) -> Result<Frame, Problem> {
    let signed = app.published.checkpoint().await?;
    // Nothing was recorded after the checkpoint that a halted ledger published last.
    let since = signed.as_ref().map_or(chrono::DateTime::UNIX_EPOCH, |signed| signed.written_at);
    let halt = app.halted().map(|reason| Halt { since: parts::moment(since), reason });
    let site = Site {
        name: app.about.name.clone(),
        origin: app.about.origin().to_owned(),
        key_fingerprint: format!("{:08x}", app.vkey().id()),
        entries: Count(signed.as_ref().map_or(0, |signed| signed.checkpoint.size)),
        checkpoint_at: signed.as_ref().map(|signed| parts::moment(signed.written_at)),
        is_demo: app.about.is_demo,
        is_preview: app.foreseen().is_some(),
        halt,
        stuck: app.about.mirrors.stuck(),
    };
    Ok(Frame { site, signed })
}

/// The page of a matter, as its own address answers.
pub async fn matter(app: &App, stream: &StreamId) -> Result<String, Problem> {
    let id = stream.id.to_string();
    match stream.family.as_str() {
        "pledge" => rendered(pledge::make(app, &id).await),
        "vacancy" => rendered(vacancy::make(app, &id).await),
        "nomination" => rendered(nomination::make(app, &id).await),
        "notice" => rendered(notice::make(app, &id).await),
        "disclosure" => rendered(disclosure::make(app, &id).await),
        family => rendered(stream::make(app, &Uri::default(), family, &id).await),
    }
}

fn rendered(page: Result<impl Page, Problem>) -> Result<String, Problem> {
    page?.render().map_err(|error| Problem::internal(&error))
}

/// Renders the page, or the problem as a page.
pub async fn answer(app: &App, headers: &HeaderMap, page: Result<impl Page, Problem>) -> Response {
    match rendered(page) {
        Ok(html) => caching::tagged(headers, HTML, SHARED, html.into_bytes()),
        Err(problem_) => problem(app, problem_).await,
    }
}

/// A problem as a page; when even the frame cannot be made, as the API says it.
async fn problem(app: &App, problem: Problem) -> Response {
    let Ok(Frame { site, .. }) = frame(app).await else { return problem.into_response() };
    let page = match problem.row.code {
        "not_found" => ProblemPage::not_found(site),
        _ => ProblemPage {
            site,
            code: problem.row.status,
            headline: problem.row.title.to_owned(),
            detail: problem.detail.clone(),
            advice: advice(problem.row.status),
        },
    };
    let Ok(html) = page.render() else { return problem.into_response() };
    let mut response = problem.clone().into_response();
    *response.body_mut() = html.into();
    response.headers_mut().insert(axum::http::header::CONTENT_TYPE, axum::http::HeaderValue::from_static(HTML));
    response
}

fn advice(status: u16) -> Vec<String> {
    let steps: &[&str] = match status {
        429 => &["过一会儿再试。"],
        400..=499 => &["清除筛选条件，重新选一次。", "在这里搜人名、村名或事情。"],
        503 => &["过几分钟再打开这一页。", "等不及的话，可以直接下载账本原始文件核对。"],
        _ => &["过一会儿再试。", "反复出现时，请告诉账本的管理单位。"],
    };
    steps.iter().map(|step| (*step).to_owned()).collect()
}

/// No route has this address.
pub async fn not_found(State(app): State<App>, OriginalUri(uri): OriginalUri) -> Response {
    let path = uri.path();
    if ["/api/", "/internal/api/", "/log/", "/feeds/"].iter().any(|root| path.starts_with(root)) {
        return Problem::not_found("没有这个地址").into_response();
    }
    problem(&app, Problem::not_found("没有这个地址")).await
}

/// The stream of a matter's address, in its only spelling.
pub fn stream(family: &str, id: &str) -> Result<String, Problem> {
    let text = format!("{family}/{id}");
    StreamId::parse(&text).map(|_| text).map_err(|_| nothing())
}

/// There is no such matter.
pub fn nothing() -> Problem {
    Problem::not_found("账本里没有这件事")
}

/// The id of a matter's address.
pub type Id = Path<String>;
