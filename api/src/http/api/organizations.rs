//! `/api/v1/organizations`: the tree level by level or by name, and one organization.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gongkai_domain::field::is_org_code;
use gongkai_projections::read::{Filter, Organization, OrganizationItem, Page};
use serde_json::{Map, Value, json};

use super::{compliance, table};
use crate::http::App;
use crate::http::log::JSON_LINES;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, query, reference};
use crate::http::pages::nothing;
use crate::http::problem::Problem;
use crate::http::query::{Format, LIMIT_DEFAULT, LIMIT_MAX, PAGE_MAX, Params};

/// Matters of each family that come with an organization.
const SHOWN: u32 = 20;

/// The endpoints.
pub fn endpoints() -> [Endpoint; 3] {
    [
        Endpoint {
            method: "get",
            path: "/api/v1/organizations",
            id: "organizations",
            summary: "机构：某机构的直接下级，或按名称查找（含曾用名）",
            params: const {
                &[
                    query("org", "OrgCode", "上级机构；没有时给出最上一级"),
                    query("q", "Text", "名称中的文字"),
                    query("on", "Date", "按哪一天的机构和名称；没有时给出全部，含已撤并的；不与 q 同用"),
                    query("page", "Page", "页"),
                    query("limit", "Limit", "每页条数"),
                    query("format", "Format", "json、csv 或 jsonl"),
                ]
            },
            body: None,
            answers: &[Answer {
                status: 200,
                about: "一页机构",
                media: &[(JSON, "OrganizationPage"), ("text/csv", ""), ("application/jsonl", "")],
            }],
            problems: &["bad_query", "views_behind", "busy", "internal"],
            writes: false,
            handler: get(list),
        },
        Endpoint {
            method: "get",
            path: "/api/v1/organizations/{code}",
            id: "organization",
            summary: "机构：一村一档",
            params: const { &[path("code", "OrgCode", "机构代码")] },
            body: None,
            answers: &[Answer { status: 200, about: "机构", media: &[(JSON, "Organization")] }],
            problems: &["not_found", "views_behind", "internal"],
            writes: false,
            handler: get(one),
        },
        Endpoint {
            method: "get",
            path: "/api/v1/organizations/{code}/dossier",
            id: "dossier",
            summary: "机构：近一年每月公开、收支、支出分类、承诺兑现率、等着答复的询问，各村同样的几项，可以并排比较",
            params: const { &[path("code", "OrgCode", "机构代码")] },
            body: None,
            answers: &[Answer { status: 200, about: "一村一档的数", media: &[(JSON, "OrganizationDossier")] }],
            problems: &["not_found", "views_behind", "internal"],
            writes: false,
            handler: get(dossier),
        },
    ]
}

async fn list(State(app): State<App>, params: Params, headers: HeaderMap) -> Result<Response, Problem> {
    params.only(&["org", "q", "on", "page", "limit", "format"])?;
    let format = Format::of(&params, &headers)?;
    let org = params.text("org");
    if org.is_some_and(|code| !is_org_code(code)) {
        return Err(Problem::query("org", "不是机构代码"));
    }
    let on = params.day("on")?;
    if on.is_some() && params.text("q").is_some() {
        return Err(Problem::query("on", "不与 q 同用"));
    }
    let page = params.number("page", 1, PAGE_MAX)?.unwrap_or(1);
    let limit = params.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let whole = format != Format::Json;
    let mut filter = Filter {
        org: org.map(str::to_owned),
        offset: if whole { 0 } else { (page - 1) * limit },
        limit: u32::try_from(if whole { LIMIT_MAX } else { limit }).unwrap_or(u32::MAX),
        ..Filter::default()
    };
    let _permit = if whole { Some(app.download()?) } else { None };
    let mut reader = app.read().await?;
    let mut found: Option<Page<OrganizationItem>> = None;
    loop {
        let next = match params.text("q") {
            Some(part) => reader.organizations_named(part, &filter).await?,
            None => reader.children(org, on, &filter).await?,
        };
        filter.offset += u64::from(filter.limit);
        let done = !whole || filter.offset >= next.total;
        match &mut found {
            Some(found) => found.items.extend(next.items),
            None => found = Some(next),
        }
        if done {
            break;
        }
    }
    let found = found.ok_or_else(nothing)?;
    Ok(match format {
        Format::Json => Json(found).into_response(),
        Format::Csv => table::download(table::CSV, "organizations.csv", csv(&found.items)),
        Format::JsonLines => table::download(JSON_LINES, "organizations.jsonl", json_lines(&found.items)),
    })
}

/// Columns of the table: wire name and Chinese label.
pub const COLUMNS: &[(&str, &str)] = &[
    ("code", "机构代码"),
    ("name", "名称"),
    ("level", "级别"),
    ("status", "状态：现行或已撤并"),
    ("below", "下级机构数"),
    ("late", "本机构和下级逾期的承诺、缺报的月份数"),
];

fn csv(items: &[OrganizationItem]) -> Vec<u8> {
    let mut bytes = table::head(COLUMNS.iter().map(|(name, _)| *name));
    for item in items {
        let (below, late) = (item.below.to_string(), item.late.to_string());
        bytes.extend(table::record([item.code.as_str(), &item.name, &item.level, item.status.wire(), &below, &late]));
    }
    bytes
}

fn json_lines(items: &[OrganizationItem]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        bytes.extend(serde_json::to_vec(item).unwrap_or_default());
        bytes.push(b'\n');
    }
    bytes
}

async fn one(State(app): State<App>, Path(code): Path<String>) -> Result<Json<Organization>, Problem> {
    if !is_org_code(&code) {
        return Err(nothing());
    }
    let found = app.read().await?.organization(&code, SHOWN).await?.ok_or_else(nothing)?;
    Ok(Json(found))
}

async fn dossier(State(app): State<App>, Path(code): Path<String>) -> Result<Json<Value>, Problem> {
    if !is_org_code(&code) {
        return Err(nothing());
    }
    let mut reader = app.read().await?;
    let found = reader.dossier(&code).await?.ok_or_else(nothing)?;
    let accounts = reader.accounts_of(&found).await?;
    Ok(Json(json!({ "dossier": found, "accounts": accounts })))
}

fn dossier_schema() -> Value {
    let fen = || json!({ "type": ["integer", "null"], "description": "分；没有数时为空，不是零" });
    let texts = || json!({ "type": "array", "items": reference("Text") });
    let month = object(
        "某月收支，各账套合计",
        &[
            ("period", reference("Text")),
            ("income", fen()),
            ("expense", fen()),
            ("without", json!({ "enum": ["not_disclosed", "longer_period", "no_totals", null] })),
            ("books", texts()),
            ("partial", json!({ "type": "boolean", "description": "少一本别的月份有的账" })),
            ("sheets", texts()),
        ],
    );
    let sums = || json!({ "type": "array", "description": "[类别, 分]，从大到小", "items": { "type": "array" } });
    let accounts = object(
        "有数的各月按类别合计",
        &[("income", sums()), ("expense", sums()), ("withdrawn_lines", json!({ "type": "boolean" }))],
    );
    let dossier = object(
        "一村一档的数",
        &[
            ("size", reference("Count")),
            ("today", reference("Date")),
            ("code", reference("OrgCode")),
            ("name", reference("Text")),
            ("months", json!({ "type": "array" })),
            ("money", json!({ "type": "array", "items": month })),
            ("latest", json!({ "type": ["object", "null"] })),
            ("pledges", reference("FulfilmentRate")),
            ("pledges_over_time", compliance::over_time()),
            ("questions_open", reference("Count")),
            ("questions_overdue", reference("Count")),
        ],
    );
    object("一村一档的数和近一年分类合计", &[("dossier", dossier), ("accounts", accounts)])
}

/// Their schemas.
pub fn schemas() -> Map<String, Value> {
    let item = object(
        "机构",
        &[
            ("code", reference("OrgCode")),
            ("name", reference("Text")),
            ("level", reference("Text")),
            ("level_label", reference("Text")),
            ("status", reference("Text")),
            ("below", reference("Count")),
            ("late", reference("Count")),
        ],
    );
    let page = object(
        "一页机构",
        &[
            ("size", reference("Count")),
            ("total", reference("Count")),
            ("offset", reference("Count")),
            ("limit", reference("Count")),
            ("items", json!({ "type": "array", "items": reference("OrganizationItem") })),
        ],
    );
    let one = object(
        "一村一档",
        &[
            ("size", reference("Count")),
            ("code", reference("OrgCode")),
            ("stream", reference("StreamId")),
            ("name", reference("Text")),
            ("level", reference("Text")),
            ("status", reference("Text")),
            ("ancestors", json!({ "type": "array" })),
            ("names", json!({ "type": "array" })),
            ("relations", json!({ "type": "array" })),
            ("families", json!({ "type": "object" })),
            ("months", json!({ "type": "array" })),
            ("overdue", reference("Count")),
            ("missing", reference("Count")),
            ("back_filled", reference("Count")),
        ],
    );
    let named = [
        ("OrganizationItem", item),
        ("OrganizationPage", page),
        ("Organization", one),
        ("OrganizationDossier", dossier_schema()),
    ];
    named.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
