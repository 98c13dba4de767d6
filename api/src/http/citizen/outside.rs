//! `/intake/v1/{entry}/…`: what a site of published files passes on to the intake beside it.
//!
//! Where the ledger is behind a network gap, its pages encrypt everything to it in the browser. Challenges, packets and
//! questions for capsules go through here, so that a page asks its own site and nobody else: the content policy stays as it
//! is, and an intake needs no name, certificate or open port of its own. Nothing that passes can be read here: a packet is for the
//! ledger's key, a capsule for the code, which stays in the browser. What passes is bounded in size, rate, time and number,
//! and kept nowhere. The intake counts by the address that is passed on, if it is on this machine.
//!
//! An intake is named by the entry that opened it, from which the page takes its keys. One whose log is not what the ledger
//! answered, or cannot be read now, is not offered.
//!
//! Not here: encryption and proofs (`assets/gap.js`), what an intake does with it (`gap::server`).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use gongkai_domain::World;
use gongkai_domain::gap::PACKET_BYTES_MAX;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::WORK_HEADER;
use super::address::Client;
use crate::fetch;
use crate::gap::watch::Found;
use crate::http::App;
use crate::http::openapi::JSON;
use crate::http::problem::{Problem, TABLE, chain};

/// Most requests that wait for an intake at once.
const AT_ONCE_MAX: usize = 64;
/// How long an intake may take; less than a request may.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// Most bytes of an answer: a capsule in base64.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Most bytes of a question for a capsule.
const LABEL_BYTES_MAX: usize = 256;
/// Longest solved challenge.
const WORK_BYTES_MAX: usize = 256;

/// How intakes are asked.
pub struct Passing {
    agent: ureq::Agent,
    at_once: Arc<Semaphore>,
}

impl Default for Passing {
    fn default() -> Self {
        Self { agent: fetch::agent_staying(ANSWER_TIME_MAX), at_once: Arc::new(Semaphore::new(AT_ONCE_MAX)) }
    }
}

/// An intake as this site reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Entry that opened it.
    pub entry: u64,
    /// It takes nothing more; what came before is answered.
    pub is_closed: bool,
    url: String,
}

/// The entries that opened them, apart by spaces, as the pages' scripts take them.
pub fn entries(app: &App, world: &World) -> String {
    all(app, world).iter().map(|outside| outside.entry.to_string()).collect::<Vec<_>>().join(" ")
}

/// The intakes that can be asked through this site; none where the ledger is. `world` is that of the views.
pub fn all(app: &App, world: &World) -> Vec<Outside> {
    if app.ledger.is_some() {
        return Vec::new();
    }
    let of = |(place, found): Found| {
        let owed = found.ok().filter(|owed| !owed.is_forged())?;
        let intake = world.intakes().find(|intake| intake.key.name() == owed.intake)?;
        let is_url = place.starts_with("http://") || place.starts_with("https://");
        let url = place.trim_end_matches('/').to_owned();
        is_url.then_some(Outside { entry: intake.opened_at, is_closed: intake.is_closed, url })
    };
    app.about.intakes.found().into_iter().filter_map(of).collect()
}

/// The one that takes what is handed in now.
pub fn open(app: &App, world: &World) -> Option<Outside> {
    all(app, world).into_iter().find(|outside| !outside.is_closed)
}

/// The routes.
pub fn routes() -> Router<App> {
    let limited = |bytes| DefaultBodyLimit::max(bytes);
    Router::new()
        .route("/intake/v1/{entry}/work", get(work))
        .route("/intake/v1/{entry}/packets", post(packet).layer(limited(PACKET_BYTES_MAX)))
        .route("/intake/v1/{entry}/capsules", post(capsule).layer(limited(LABEL_BYTES_MAX)))
}

/// What is passed on.
struct Passed {
    path: &'static str,
    work: Option<String>,
    body: Option<Bytes>,
}

async fn work(State(app): State<App>, client: Client, Path(entry): Path<u64>) -> Result<Response, Problem> {
    app.citizens.ask(client, app.clock.monotonic())?;
    pass(&app, client, entry, Passed { path: "work", work: None, body: None }).await
}

async fn packet(
    State(app): State<App>,
    client: Client,
    Path(entry): Path<u64>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    app.citizens.pass(client, app.clock.monotonic())?;
    let work = headers.get(WORK_HEADER).and_then(|solved| solved.to_str().ok());
    let work = work.filter(|solved| solved.len() <= WORK_BYTES_MAX).map(str::to_owned);
    pass(&app, client, entry, Passed { path: "packets", work, body: Some(body) }).await
}

async fn capsule(
    State(app): State<App>,
    client: Client,
    Path(entry): Path<u64>,
    body: Bytes,
) -> Result<Response, Problem> {
    app.citizens.ask(client, app.clock.monotonic())?;
    pass(&app, client, entry, Passed { path: "capsules", work: None, body: Some(body) }).await
}

async fn pass(app: &App, client: Client, entry: u64, passed: Passed) -> Result<Response, Problem> {
    let found = all(app, app.read().await?.world()).into_iter().find(|outside| outside.entry == entry);
    let outside = found.ok_or_else(|| Problem::new("not_here", "本站现在连不上这个收件处，请稍后再试"))?;
    let Passing { agent, at_once } = &app.citizens.passing;
    let permit = Arc::clone(at_once).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::new("busy", "现在提交的人太多，请稍后再试"))?;
    let (agent, url) = (agent.clone(), format!("{}/intake/v1/{}", outside.url, passed.path));
    let asking = tokio::task::spawn_blocking(move || {
        let answer = ask(&agent, &url, client, &passed);
        drop(permit);
        answer
    });
    let (status, body) = asking.await.map_err(|error| Problem::internal(&error))?.map_err(|error| {
        tracing::warn!(error = chain(&error), "an intake did not answer");
        silent()
    })?;
    match StatusCode::from_u16(status) {
        Ok(status) if status.is_success() => {
            Ok((status, [(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-store")], body).into_response())
        }
        _ => Err(told(status, &body)),
    }
}

fn ask(agent: &ureq::Agent, url: &str, client: Client, passed: &Passed) -> Result<(u16, Vec<u8>), ureq::Error> {
    let address = client.address().map(|address| address.to_string()).unwrap_or_default();
    let mut answer = match &passed.body {
        None => agent.get(url).header("X-Forwarded-For", &address).call()?,
        Some(body) => {
            let mut request = agent.post(url).header("X-Forwarded-For", &address);
            request = request.header("Content-Type", "application/json");
            if let Some(solved) = &passed.work {
                request = request.header(WORK_HEADER, solved);
            }
            request.send(&body[..])?
        }
    };
    let bytes = fetch::body(&mut answer, ANSWER_BYTES_MAX)?;
    Ok((answer.status().as_u16(), bytes))
}

/// A no of the intake in its own words; anything else is a silence.
fn told(status: u16, body: &[u8]) -> Problem {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let known = TABLE.iter().find(|row| said["code"] == row.code && row.status == status && row.code != "internal");
    match (known, said["detail"].as_str()) {
        (Some(row), Some(detail)) => Problem::new(row.code, detail),
        _ => silent(),
    }
}

fn silent() -> Problem {
    Problem::new("busy", "收件处现在没有应答，请稍后再试")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_intake_refuses_is_told_in_its_words_and_what_fails_there_is_a_silence() {
        let refused = br#"{"code":"bad_work","status":403,"detail":"used up"}"#;
        let problem = told(403, refused);
        assert_eq!((problem.row.code, problem.detail.as_str()), ("bad_work", "used up"));
        let garbled: [(u16, &[u8]); 4] = [
            (500, br#"{"code":"internal","status":500,"detail":"inside"}"#),
            (403, br#"{"code":"nonsense","detail":"inside"}"#),
            (200, refused),
            (502, b"<html>"),
        ];
        for (status, body) in garbled {
            let problem = told(status, body);
            assert_eq!(problem.row.code, "busy", "{status}");
            assert!(!problem.detail.contains("inside"), "{status}");
        }
    }
}
