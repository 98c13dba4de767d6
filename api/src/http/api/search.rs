//! `GET /api/v1/search?q=`: full text, pinyin, Simplified and Traditional.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use gongkai_domain::field::is_org_code;
use gongkai_projections::read::{SearchFilter, SearchPage};
use gongkai_projections::status::Status;
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, query, reference};
use crate::http::problem::Problem;
use crate::http::query::{LIMIT_MAX, PAGE_MAX, Params};

/// Hits on a page when nothing is said.
const LIMIT: u64 = 20;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/search",
        id: "search",
        summary: "搜索：人名、村名、事情、拼音，简繁皆可",
        params: const {
            &[
                query("q", "Text", "要找的文字"),
                query("family", "Word", "栏目"),
                query("org", "OrgCode", "机构代码，含全部下级"),
                query("year", "Year", "年度"),
                query("status", "Word", "状态"),
                query("page", "Page", "页"),
                query("limit", "Limit", "每页条数"),
            ]
        },
        body: None,
        answers: &[Answer { status: 200, about: "一页结果", media: &[(JSON, "SearchPage")] }],
        problems: &["bad_query", "views_behind", "internal"],
        writes: false,
        handler: get(search),
    }
}

/// A search as it was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// For the index.
    pub filter: SearchFilter,
    /// Page, from 1.
    pub page: u64,
    /// Hits a page.
    pub limit: u64,
}

impl Asked {
    /// Reads the query.
    pub fn of(params: &Params) -> Result<Self, Problem> {
        params.only(&["q", "family", "org", "year", "status", "page", "limit"])?;
        let page = params.number("page", 1, PAGE_MAX)?.unwrap_or(1);
        let limit = params.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT);
        let org = params.text("org");
        if org.is_some_and(|code| !is_org_code(code)) {
            return Err(Problem::query("org", "不是机构代码"));
        }
        let status = match params.text("status") {
            Some(wire) => Some(Status::from_wire(wire).ok_or_else(|| Problem::query("status", "没有这种状态"))?),
            None => None,
        };
        let family = params.text("family");
        let known = |wire: &str| gongkai_domain::kind::FAMILIES.iter().any(|(family, _)| *family == wire);
        if family.is_some_and(|wire| !known(wire)) {
            return Err(Problem::query("family", "没有这个栏目"));
        }
        let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let filter = SearchFilter {
            text: params.text("q").unwrap_or_default().to_owned(),
            family: family.map(str::to_owned),
            org: org.map(str::to_owned),
            year: params.number("year", 1900, 2999)?.and_then(|year| i32::try_from(year).ok()),
            statuses: status.into_iter().collect(),
            offset: place((page - 1) * limit),
            limit: place(limit),
        };
        Ok(Self { filter, page, limit })
    }
}

async fn search(State(app): State<App>, params: Params) -> Result<Json<SearchPage>, Problem> {
    let asked = Asked::of(&params)?;
    Ok(Json(app.read().await?.search(&asked.filter).await?))
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let pieces = || json!({ "type": "array", "items": { "type": "array", "prefixItems": [{ "type": "string" }, { "type": "boolean" }] } });
    let hit = object(
        "一条结果",
        &[
            ("stream", reference("StreamId")),
            ("matter", json!({ "oneOf": [reference("Matter"), { "type": "null" }] })),
            ("org", json!({ "oneOf": [reference("OrgCode"), { "type": "null" }] })),
            ("title", pieces()),
            ("snippet", pieces()),
            ("index", reference("Index")),
        ],
    );
    let page = object(
        "一页结果",
        &[
            ("size", reference("Count")),
            ("total", reference("Count")),
            ("relaxed", json!({ "type": "boolean" })),
            ("hits", json!({ "type": "array", "items": reference("Found") })),
        ],
    );
    let named = [("Found", hit), ("SearchPage", page)];
    named.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
