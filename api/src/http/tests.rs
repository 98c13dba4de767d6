//! HTTP from outside: a made-up ledger, its views, and both routers; some over a real connection.

mod citizen;
mod completeness;
mod deadlines;
mod english;
mod figures;
mod forms;
mod limits;
mod log;
mod pages;
mod paper;
mod past;
mod receipts;
mod sharing;
mod transport;
mod uploads;
mod wall;
mod withdrawals;
mod writing;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use gongkai_projections::internal::InternalViews;
use gongkai_projections::{Engine, Views};
use gongkai_store::testing::{COUNTY, Fixture, pledge};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::server::Limits;
use super::{About, App, internal_router, public_router};
use crate::mirrors::Mirrors;

/// A title that would run if any page forgot to escape it.
pub const HOSTILE: &str = "<script>alert(1)</script>\"'&(虚构)";

/// A ledger with matters of every family, its views, and both routers.
pub struct Town {
    pub fixture: Fixture,
    pub public: Router,
    pub internal: Router,
    pub app: App,
    engine: Engine,
    inside: Option<InternalViews>,
    _views: TempDir,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Town {
    /// The county's registry, a publisher, an approver and two supervisors, and nothing said yet.
    pub async fn empty() -> Self {
        Self::of(Fixture::new().await).await
    }

    /// The same with a vault.
    pub async fn with_vault() -> Self {
        Self::of(Fixture::with_vault().await).await
    }

    async fn of(mut fixture: Fixture) -> Self {
        fixture.publisher("文书", COUNTY).await;
        let others = [("审批", COUNTY, "approver"), ("监督一", COUNTY, "supervisor"), ("监督二", COUNTY, "supervisor")];
        fixture.officers(&others).await;
        Self::over(fixture).await
    }

    /// The same with one matter of each family, and a pledge with a hostile title.
    pub async fn with_matters() -> Self {
        let mut town = Self::empty().await;
        for kind in
            ["vacancy.announced.v1", "nomination.announced.v1", "notice.published.v1", "disclosure.published.v1"]
        {
            town.say(kind, |_| {}).await;
        }
        town.say("pledge.made.v1", |fields| fields["title"] = json!(HOSTILE)).await;
        town.catch_up().await;
        town
    }

    async fn over(fixture: Fixture) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (views, engine) = Views::open(folder.path(), Arc::new(fixture.ledger.clone())).await.unwrap();
        let about = About {
            name: "青禾县公开账本(虚构)".into(),
            contact: "青禾县(虚构)".into(),
            hotline: "12345".into(),
            is_demo: true,
            base_url: "https://gongkai.example".into(),
            vkey: fixture.ledger.vkey(),
            followed: None,
            mirrors: Mirrors::default(),
            kept: crate::pushing::keeping::Kept::default(),
            intakes: crate::gap::watch::Intakes::default(),
            cosigning: None,
            map_interval: std::time::Duration::from_mins(10),
        };
        let log = fixture.ledger.layout().log();
        let inside = InternalViews::open(&fixture.layout(), &fixture.ledger).await.unwrap();
        let map = Some(fixture.ledger.map().clone());
        let app =
            App::new(Some(fixture.ledger.clone()), &log, map, views, inside.clone(), fixture.clock.clone(), about);
        let limits = Limits::default();
        let (public, internal) = (public_router(&app, &limits), internal_router(&app, &limits));
        let mut town = Self { fixture, public, internal, app, engine, inside, _views: folder };
        town.catch_up().await;
        town
    }

    /// Everything recorded is published and in the views.
    pub async fn catch_up(&mut self) {
        self.fixture.published().await;
        self.engine.catch_up().await.unwrap();
        if let Some(inside) = &self.inside {
            inside.catch_up().await.unwrap();
        }
    }

    /// Says the sample of a kind at the county, signed by everyone who could have to.
    pub async fn say(&mut self, kind: &str, change: impl FnOnce(&mut Value)) -> gongkai_store::Receipt {
        let (mut command, signers) = sample(kind);
        change(&mut command["fields"]);
        self.fixture.submit(&command, signers).await.unwrap_or_else(|error| panic!("{kind}: {error:?}"))
    }

    /// The same, signed and not handed in.
    pub fn signed(&mut self, kind: &str) -> Value {
        let (command, signers) = sample(kind);
        serde_json::to_value(self.fixture.opening(&command, signers)).unwrap()
    }

    /// Asks the public listener.
    pub async fn get(&self, path: &str) -> Answer {
        ask(&self.public, Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Hands a submission in at the internal listener.
    pub async fn post(&self, path: &str, key: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header("idempotency-key", key).header("content-type", "application/json");
        ask(&self.internal, request.body(body.into()).unwrap()).await
    }

    /// A pledge that is signed and not handed in.
    pub fn signed_pledge(&mut self, number: usize) -> Value {
        let command = pledge(COUNTY, number);
        serde_json::to_value(self.fixture.opening(&command, &[("publisher", "文书")])).unwrap()
    }

    /// The stream of an entry.
    pub async fn stream_of(&self, index: u64) -> String {
        let entry = self.get(&format!("/api/v1/entries/{index}")).await.json();
        entry["statement"]["stream"].as_str().unwrap().to_owned()
    }
}

/// The sample of a kind at the county, and everyone who could have to sign it.
fn sample(kind: &str) -> (Value, &'static [(&'static str, &'static str)]) {
    let mut command = (gongkai_domain::kind::find(kind).unwrap().sample)();
    command["org"] = json!(COUNTY);
    let signers: &[(&str, &str)] = match kind.split('.').next().unwrap() {
        "disclosure" => &[("publisher", "文书"), ("supervisor", "监督一"), ("supervisor", "监督二")],
        "pledge" | "vacancy" | "notice" => &[("publisher", "文书")],
        _ => &[("publisher", "文书"), ("approver", "审批")],
    };
    (command, signers)
}

/// Asks a router.
pub async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}
