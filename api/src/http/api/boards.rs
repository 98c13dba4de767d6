//! `/api/v1/{pledges,vacancies,nominations,notices,disclosures}`: lists, single matters, and the lines
//! of a sheet. One handler serves the five lists, because they have one shape.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use gongkai_domain::submission::LINES_MAX;
use gongkai_projections::read::{Filter, LinePage};
use gongkai_projections::status::{Status, statuses_of};
use serde_json::{Map, Value, json};

use super::table;
use crate::http::App;
use crate::http::log::JSON_LINES;
use crate::http::openapi::{Answer, Endpoint, JSON, Param, object, path, query, reference};
use crate::http::pages::{nothing, stream};
use crate::http::problem::Problem;
use crate::http::query::{Format, Listing, PAGE_MAX, Params};

/// Lines of a sheet on one page.
const LINES_LIMIT: u64 = 500;

/// For whoever has a receipt and wants to see what it is for.
const AT_LEAST: Param = query("at_least", "Index", "已知的条目序号；结果至少包含到这一条");

const LIST: &[Param] = &[
    query("org", "OrgCode", "机构代码，含全部下级"),
    query("year", "Year", "年度"),
    query("status", "Word", "状态"),
    query("type", "Text", "类型"),
    query("q", "Text", "标题或人名中的文字"),
    query("page", "Page", "页"),
    query("limit", "Limit", "每页条数"),
    query("format", "Format", "csv 和 jsonl 下载全部结果，不分页"),
    query(
        "on",
        "Date",
        "过去某一天：给那一天（北京时间）结束时的情况，新记入的在前；用 before 翻页，不用 page；下载多一栏 as_of",
    ),
    query("before", "Index", "与 on 同用：接着上一页的 next 往前"),
    AT_LEAST,
];
const ONE: &[Param] = &[path("id", "Uuid", "事项编号"), AT_LEAST];
const PAGE: &[Answer] = &[Answer {
    status: 200,
    about: "一页，或全部结果的表格",
    media: &[(JSON, "MatterPage"), ("text/csv", ""), ("application/jsonl", "Matter")],
}];
const MATTER: &[Answer] = &[Answer { status: 200, about: "事项及全部历史", media: &[(JSON, "MatterDetail")] }];

const LIST_PROBLEMS: &[&str] = &["bad_query", "views_behind", "busy", "internal"];
const ONE_PROBLEMS: &[&str] = &["bad_query", "not_found", "views_behind", "internal"];

/// A family's two endpoints.
macro_rules! family {
    ($plural:literal, $family:literal, $list:literal, $one:literal, $label:literal, $method:ident) => {
        [
            Endpoint {
                method: "get",
                path: concat!("/api/v1/", $plural),
                id: $list,
                summary: concat!($label, ":列表"),
                params: LIST,
                body: None,
                answers: PAGE,
                problems: LIST_PROBLEMS,
                writes: false,
                handler: get(|app: State<App>, params: Params, headers: HeaderMap| list($family, app, params, headers)),
            },
            Endpoint {
                method: "get",
                path: concat!("/api/v1/", $plural, "/{id}"),
                id: $one,
                summary: concat!($label, ":一项及其全部历史"),
                params: ONE,
                body: None,
                answers: MATTER,
                problems: ONE_PROBLEMS,
                writes: false,
                handler: get(|State(app): State<App>, Path(id): Path<String>, params: Params| async move {
                    params.only(&["at_least"])?;
                    let stream = stream($family, &id)?;
                    let found = app.read_at(params.at_least()?).await?.$method(&stream).await?.ok_or_else(nothing)?;
                    Ok::<_, Problem>(Json(found))
                }),
            },
        ]
    };
}

/// The endpoints.
pub fn endpoints() -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    endpoints.extend(family!("pledges", "pledge", "pledges", "pledge", "承诺事项", pledge));
    endpoints.extend(family!("vacancies", "vacancy", "vacancies", "vacancy", "空缺职位", vacancy));
    endpoints.extend(family!("nominations", "nomination", "nominations", "nomination", "任前公示", nomination));
    endpoints.extend(family!("notices", "notice", "notices", "notice", "公示公告", notice));
    endpoints.extend(family!("disclosures", "disclosure", "disclosures", "disclosure", "三务公开", disclosure));
    endpoints.push(Endpoint {
        method: "get",
        path: "/api/v1/disclosures/{id}/lines",
        id: "disclosure_lines",
        summary: "三务公开：一张表的明细，更正之后的样子",
        params: const {
            &[
                path("id", "Uuid", "事项编号"),
                query("page", "Page", "页，每页 500 行"),
                query("format", "Format", "csv 和 jsonl 给出全部"),
            ]
        },
        body: None,
        answers: &[Answer {
            status: 200,
            about: "明细",
            media: &[(JSON, "LinePage"), ("text/csv", ""), ("application/jsonl", "")],
        }],
        problems: &["bad_query", "not_found", "views_behind", "internal"],
        writes: false,
        handler: get(lines),
    });
    endpoints
}

/// The filter of the views for a listing; a status that the family does not have is refused.
pub fn filter(family: &str, listing: &Listing) -> Result<Filter, Problem> {
    let known = statuses_of(family);
    let status = |wire: &str| {
        let found = Status::from_wire(wire).filter(|status| known.contains(status));
        let wires = || known.iter().map(|status| status.wire()).collect::<Vec<_>>().join("、");
        found.ok_or_else(|| Problem::query("status", &format!("没有这种状态，可用的有 {}", wires())))
    };
    let statuses = listing.status.as_deref().map(status).transpose()?.into_iter().collect();
    Ok(Filter {
        org: listing.org.clone(),
        year: listing.year,
        statuses,
        category: listing.kind.clone(),
        text: listing.text.clone(),
        offset: listing.offset(),
        limit: u32::try_from(listing.limit).unwrap_or(u32::MAX),
    })
}

async fn list(
    family: &'static str,
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let format = Format::of(&params, &headers)?;
    let listing = Listing::of(&params, app.today())?;
    let filter = filter(family, &listing)?;
    if format != Format::Json {
        let permit = app.download()?;
        let reader = app.read_whole(listing.at_least).await?;
        return Ok(table::matters(reader, permit, family, filter, listing.on, format));
    }
    let mut reader = app.read_at(listing.at_least).await?;
    Ok(match listing.on {
        Some(on) => Json(reader.matters_on(family, &filter, on, listing.before).await?).into_response(),
        None => Json(reader.matters(family, &filter).await?).into_response(),
    })
}

async fn lines(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.only(&["page", "format"])?;
    let format = Format::of(&params, &headers)?;
    let stream = stream("disclosure", &id)?;
    let page = params.number("page", 1, PAGE_MAX)?.unwrap_or(1);
    let (offset, limit) = match format {
        Format::Json => ((page - 1) * LINES_LIMIT, LINES_LIMIT),
        _ => (0, LINES_MAX as u64),
    };
    let place = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let found = app.read().await?.lines(&stream, place(offset), place(limit)).await?.ok_or_else(nothing)?;
    Ok(match format {
        Format::Json => Json(found).into_response(),
        Format::Csv => table::download(table::CSV, &format!("{id}.csv"), csv(&found)),
        Format::JsonLines => table::download(JSON_LINES, &format!("{id}.jsonl"), json_lines(&found)),
    })
}

/// Line number and cells; money in fen, a withdrawn line with empty cells.
fn csv(page: &LinePage) -> Vec<u8> {
    let names = std::iter::once("line").chain(page.columns.iter().map(|(name, _)| name.as_str()));
    let mut bytes = table::head(names);
    for line in &page.lines {
        let mut cells = vec![line.line.to_string()];
        cells.extend(page.columns.iter().map(|(name, _)| match line.row.as_ref().and_then(|row| row.get(name)) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }));
        bytes.extend(table::record(cells.iter().map(String::as_str)));
    }
    bytes
}

fn json_lines(page: &LinePage) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in &page.lines {
        bytes.extend(serde_json::to_vec(line).unwrap_or_default());
        bytes.push(b'\n');
    }
    bytes
}

/// Their schemas.
pub fn schemas() -> Map<String, Value> {
    let list = |name: &str| json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{name}") } });
    let shown =
        object("公开的值，或撤下的痕迹", &[("given?", reference("Text")), ("withdrawn?", reference("Tombstone"))]);
    let tombstone = object(
        "撤回留痕",
        &[
            ("index", reference("Index")),
            ("org", reference("OrgCode")),
            ("org_name", reference("Text")),
            ("signers", list("SignerName")),
            ("basis", reference("Text")),
            ("reason", reference("Text")),
            ("appeal", reference("Text")),
            ("at", reference("Time")),
        ],
    );
    let page = object(
        "一页；过去某一天的有 on、since（账本第一条记录的日期）、next（下一页的 before，没有就是到头了；一页没满也可能还有），没有 \
         offset，带着状态、类型或关键词时不给 total",
        &[
            ("size", reference("Count")),
            ("total", json!({ "type": ["integer", "null"] })),
            ("offset?", reference("Count")),
            ("limit", reference("Count")),
            ("on?", reference("Date")),
            ("since?", maybe("Date")),
            ("next?", json!({ "type": ["integer", "null"] })),
            ("items", list("Matter")),
        ],
    );
    let detail = object(
        "事项及全部历史；各栏目另有自己的成员",
        &[("size", reference("Count")), ("matter", reference("Matter")), ("history", list("Event"))],
    );
    let lines = object(
        "明细",
        &[
            ("size", reference("Count")),
            ("total", reference("Count")),
            ("columns", json!({ "type": "array", "items": { "type": "array", "items": reference("Text") } })),
            ("lines", json!({ "type": "array", "items": { "type": "object" } })),
        ],
    );
    let named = [
        ("Shown", shown),
        ("Tombstone", tombstone),
        ("Matter", matter()),
        ("MatterPage", page),
        ("MatterDetail", detail),
        ("LinePage", lines),
    ];
    named.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// A value that may be null.
fn maybe(schema: &str) -> Value {
    json!({ "oneOf": [{ "$ref": format!("#/components/schemas/{schema}") }, { "type": "null" }] })
}

fn matter() -> Value {
    let wires: Vec<&str> = Status::ALL.iter().map(|status| status.wire()).collect();
    object(
        "事项",
        &[
            ("stream", reference("StreamId")),
            ("family", reference("Text")),
            ("org", reference("OrgCode")),
            ("org_name", reference("Text")),
            ("category", maybe("Text")),
            ("category_label", maybe("Text")),
            ("year", maybe("Year")),
            ("title", maybe("Text")),
            ("names", json!({ "type": "array", "items": reference("Text") })),
            ("status", json!({ "type": "string", "enum": wires })),
            ("starts_on", maybe("Date")),
            ("ends_on", maybe("Date")),
            ("provisional", json!({ "type": "boolean" })),
            ("days_left", json!({ "type": ["integer", "null"] })),
            ("percent", maybe("Count")),
            ("period", maybe("Text")),
            ("class", maybe("Text")),
            ("content", maybe("Text")),
            ("declared_at", reference("Time")),
            ("recorded_at", reference("Time")),
            ("late_days", reference("Count")),
            ("back_filled", json!({ "type": "boolean" })),
            ("first_index", reference("Index")),
            ("last_index", reference("Index")),
            ("last_recorded_at", reference("Time")),
            ("revisions", reference("Count")),
            ("as_of?", reference("Date")),
        ],
    )
}
