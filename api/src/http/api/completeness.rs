//! Proofs that nothing is missing: what the map (总目) holds of a matter, an organization or a family, as a file that
//! `gongkai verify` checks offline. That there is nothing is proven in the same way.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::Response;
use axum::routing::get;
use gongkai_domain::field::is_org_code;
use gongkai_domain::kind::{self, FAMILIES};
use gongkai_log::map::Head;
use gongkai_log::{Entry, MapFile, MapKey, StreamId};
use gongkai_store::map::Proven;

use crate::http::App;
use crate::http::caching::REVALIDATE;
use crate::http::log::{TEXT, typed};
use crate::http::openapi::{Answer, Endpoint, path};
use crate::http::problem::Problem;

const FILE: &[Answer] = &[Answer { status: 200, about: "总目证明文件", media: &[("text/plain", "")] }];
const PROBLEMS: &[&str] = &["not_found", "not_rooted", "internal"];

/// When to ask again for what no root covers yet.
const RETRY_SECONDS: u32 = 60;

/// The endpoints.
pub fn endpoints() -> [Endpoint; 3] {
    [
        Endpoint {
            method: "get",
            path: "/api/v1/streams/{family}/{id}/proof",
            id: "stream_proof",
            summary: "一件事共有几条记录、到哪一条为止的证明，没有这件事也能证明(gongkai.map-proof/v1)",
            params: const { &[path("family", "Word", "栏目"), path("id", "Uuid", "事项编号")] },
            body: None,
            answers: FILE,
            problems: PROBLEMS,
            writes: false,
            handler: get(stream),
        },
        Endpoint {
            method: "get",
            path: "/api/v1/organizations/{code}/proof",
            id: "organization_proof",
            summary: "一个机构共有几条记录的证明，不含下级(gongkai.map-proof/v1)",
            params: const { &[path("code", "OrgCode", "机构代码")] },
            body: None,
            answers: FILE,
            problems: PROBLEMS,
            writes: false,
            handler: get(organization),
        },
        Endpoint {
            method: "get",
            path: "/api/v1/families/{family}/proof",
            id: "family_proof",
            summary: "一个栏目共有几条记录的证明(gongkai.map-proof/v1)",
            params: const { &[path("family", "Word", "栏目")] },
            body: None,
            answers: FILE,
            problems: PROBLEMS,
            writes: false,
            handler: get(family),
        },
    ]
}

async fn stream(State(app): State<App>, Path((family, id)): Path<(String, String)>) -> Result<Response, Problem> {
    let stream = StreamId::parse(&format!("{family}/{id}"));
    let stream = stream.map_err(|_| Problem::not_found("这不是事项编号"))?;
    answer(&app, MapKey::stream(&stream), &format!("{family}-{id}")).await
}

async fn organization(State(app): State<App>, Path(code): Path<String>) -> Result<Response, Problem> {
    if !is_org_code(&code) {
        return Err(Problem::not_found("这不是机构代码"));
    }
    answer(&app, MapKey::organization(&code), &code).await
}

async fn family(State(app): State<App>, Path(family): Path<String>) -> Result<Response, Problem> {
    let known = FAMILIES.iter().find(|(wire, _)| *wire == family);
    let (family, _) = known.ok_or_else(|| Problem::not_found("没有这个栏目"))?;
    answer(&app, MapKey::family(family), family).await
}

/// The file, under a name that the checks above have made plain.
async fn answer(app: &App, key: MapKey, name: &str) -> Result<Response, Problem> {
    let Some(file) = app.whole(key).await? else {
        let mut problem = Problem::new("not_rooted", "总目还没有登记到账本里，通常十分钟登记一次，请稍后再取");
        problem.retry_after_seconds = Some(RETRY_SECONDS);
        return Err(problem);
    };
    let mut response = typed(TEXT, REVALIDATE, file.to_string());
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}.map-proof\""));
    response.headers_mut().insert(CONTENT_DISPOSITION, disposition.expect("a code or an id is a header's text"));
    Ok(response)
}

/// What the map holds under a key, as of a root that is published.
#[derive(Debug, Clone)]
pub struct Whole {
    /// Statements, and where they end.
    pub head: Head,
    /// Entries that it is of.
    pub size: u64,
}

impl App {
    /// How much there is under a key; `None` while no root is published.
    pub async fn counted(&self, key: &MapKey) -> Result<Option<Whole>, Problem> {
        let Some((proven, entry)) = self.rooted(key).await? else { return Ok(None) };
        let root = entry.content.statement().and_then(|signed| kind::map::rooted(&signed.statement));
        let head = root.and_then(|root| proven.proof.verify(key, &root.root).ok());
        Ok(head.map(|head| Whole { head: head.unwrap_or(Head::NONE), size: proven.size }))
    }

    /// What proves it, as a file.
    pub async fn whole(&self, key: MapKey) -> Result<Option<MapFile>, Problem> {
        let Some((Proven { proof, entry: index, .. }, entry)) = self.rooted(&key).await? else { return Ok(None) };
        let Some(inclusion) = self.published.proof(index).await? else { return Ok(None) };
        Ok(Some(MapFile { key, proof, entry: entry.bytes.clone(), inclusion }))
    }

    async fn rooted(&self, key: &MapKey) -> Result<Option<(Proven, Arc<Entry>)>, Problem> {
        let Some(map) = &self.map else { return Ok(None) };
        let Some(proven) = map.prove(key).await? else { return Ok(None) };
        Ok(self.published.entry(proven.entry).await?.map(|entry| (proven, entry)))
    }
}
