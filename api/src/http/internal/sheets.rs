//! `POST /internal/api/v1/sheets`: a file in, as it is; out come its rows, the lines that result, and every problem at its
//! cell. `GET …/sheets/last`: what repeats from the months before. `GET /internal/templates/{file}`: a file to fill in.
//!
//! Nothing is kept. What is read, and how, is `crate::sheets`; what is asked of the ledger is what it says in public
//! anyway: the last balance of a book and the rule for 其他. Reading a file is work for a core, so it is done off the
//! threads that answer, two files at a time.

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use gongkai_domain::confidentiality::Callers;
use gongkai_domain::field::Period;
use gongkai_domain::rules::RuleCode;
use gongkai_domain::world::World;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::{Door, Unseen};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::openapi::{Answer, Endpoint, JSON, Param, object, path, query, reference};
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::importing;
use crate::sheets::{self, Asked, BYTES_MAX, Books, LINES_MAX, Sheet, class, template};

/// Files that are read at once; the next ones wait.
static READING: Semaphore = Semaphore::const_new(2);

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const CSV: &str = "text/csv; charset=utf-8";

const ASKED: &[Param] = &[
    query("org", "Text", "机构代码"),
    query("book", "Text", "账套"),
    query("content", "Text", "哪一类清单；不写的，按表头认"),
    query("period", "Text", "所属期间；不写的，按标题和日期认"),
    query("opening", "Text", "上期结存，分；表里和账上都没有时用"),
    query("sheet", "Text", "工作表"),
    query("header", "Count", "表头在第几行"),
    query("columns", "Text", "哪一列是什么，像 0:date,2:summary，列从 0 数起"),
];

/// The endpoints.
pub fn doors() -> [Door; 3] {
    let check = Endpoint {
        method: "post",
        path: "/internal/api/v1/sheets",
        id: "readSheet",
        summary: "试读一份表格：逐行逐格指出问题，给出能填进公开清单的内容，不保存",
        params: ASKED,
        body: Some(("application/octet-stream", "")),
        answers: &[Answer { status: 200, about: "读到的表格", media: &[(JSON, "Sheet")] }],
        problems: &[
            "bad_query",
            "not_signed_in",
            "cross_origin",
            "body_too_large",
            "unsupported_media_type",
            "internal",
        ],
        writes: true,
        handler: post(check).layer(DefaultBodyLimit::max(BYTES_MAX)),
    };
    let last = Endpoint {
        method: "get",
        path: "/internal/api/v1/sheets/last",
        id: "carryOver",
        summary: "沿用上月：上两个月都有的收支，做成待填的行",
        params: const {
            &[
                query("org", "Text", "机构代码"),
                query("book", "Text", "账套"),
                query("period", "Text", "要填的期间；不写的，接着最后一期"),
            ]
        },
        body: None,
        answers: &[Answer { status: 200, about: "待填的行", media: &[(JSON, "Carried")] }],
        problems: &["bad_query", "not_signed_in", "not_found", "internal"],
        writes: true,
        handler: get(last),
    };
    let template = Endpoint {
        method: "get",
        path: "/internal/templates/{file}",
        id: "template",
        summary: "下载一类清单或一类批量导入的空白表格",
        params: const { &[path("file", "Text", "类别和格式，像 finance.xlsx、pledges.csv")] },
        body: None,
        answers: &[Answer { status: 200, about: "空白表格", media: &[(XLSX, ""), (CSV, "")] }],
        problems: &["not_signed_in", "not_found", "internal"],
        writes: true,
        handler: get(download),
    };
    [check, last, template].map(|endpoint| Door { endpoint, callers: Callers::SignedIn, unseen: Unseen::Told })
}

async fn check(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Sheet>, Problem> {
    let asked = asked(&params)?;
    let whose = (params.text("org").unwrap_or_default().to_owned(), params.text("book").map(str::to_owned));
    let bytes = body::bytes(&headers, body)?.to_vec();
    let ledger = app.ledger()?.clone();
    let today = app.today();
    let read = move || {
        let mut sheet = sheets::read(bytes, &asked);
        let period = sheet.period(&asked);
        let books = ledger.with_world(|world| {
            let other = world.rule(RuleCode::OtherFenMax, &whose.0, today).value;
            Books {
                previous_closing: previous_closing(world, &whose.0, whose.1.as_deref(), period.as_deref()),
                other_fen_max: i64::try_from(other).unwrap_or(i64::MAX),
            }
        });
        sheet.balance(period.as_deref(), &books);
        sheet
    };
    let _turn = READING.acquire().await.map_err(|closed| Problem::internal(&closed))?;
    // A file that the reader of workbooks stumbles over is a broken file, not a failure of ours.
    Ok(Json(tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Sheet::broken())))
}

fn asked(params: &Params) -> Result<Asked, Problem> {
    params.only(&["org", "book", "content", "period", "opening", "sheet", "header", "columns"])?;
    let text = |name: &str| params.text(name).map(str::to_owned);
    let named = |content: &str| class(content).ok_or_else(|| Problem::query("content", "没有这类清单"));
    let opening = |text: &str| text.parse().map_err(|_| Problem::query("opening", "应是整数分"));
    Ok(Asked {
        class: params.text("content").map(named).transpose()?,
        sheet: text("sheet"),
        header: params.number("header", 1, 2_000_000)?,
        columns: params.text("columns").map(columns).transpose()?,
        period: text("period"),
        opening: params.text("opening").map(opening).transpose()?,
    })
}

fn columns(text: &str) -> Result<Vec<(usize, String)>, Problem> {
    let pair = |pair: &str| {
        let (place, field) = pair.split_once(':')?;
        Some((place.parse().ok()?, field.to_owned()))
    };
    let read: Option<Vec<_>> = text.split(',').map(pair).collect();
    read.ok_or_else(|| Problem::query("columns", "应写成 0:date,2:summary"))
}

/// The closing balance of the period right before, as the book has it.
fn previous_closing(world: &World, org: &str, book: Option<&str>, period: Option<&str>) -> Option<i64> {
    let (start, _) = Period(period?.to_owned()).days()?;
    let (_, last) = world.book(org, book?)?.range(..start).next_back()?;
    (last.ends_on.succ_opt() == Some(start)).then_some(last.closing).flatten()
}

async fn last(State(app): State<App>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["org", "book", "period"])?;
    let nothing = || Problem::not_found("没有上一期公开的账，无从沿用");
    let (org, book) = (params.text("org").unwrap_or_default(), params.text("book").unwrap_or("committee"));
    let period = params.text("period").map(|period| {
        Period(period.to_owned()).days().ok_or_else(|| Problem::query("period", "应是像 2026-02 这样的期间"))
    });
    let before = period.transpose()?.map(|(start, _)| start);
    let booked = app.ledger()?.with_world(|world| {
        let book = world.book(org, book)?;
        let earlier = book.iter().rev().filter(|(start, _)| before.is_none_or(|before| **start < before));
        Some(earlier.take(2).map(|(start, sheet)| (*start, sheet.stream.to_string())).collect::<Vec<_>>())
    });
    let booked = booked.unwrap_or_default();
    let mut views = app.read().await?;
    let mut months = Vec::new();
    for (_, stream) in &booked {
        let page = views.lines(stream, 0, LINES_MAX).await?.ok_or_else(nothing)?;
        months.push(page.lines.into_iter().filter_map(|line| line.row).collect::<Vec<_>>());
    }
    let (Some((from, _)), Some(last), Some(finance)) = (booked.first(), months.first(), class("finance")) else {
        return Err(nothing());
    };
    let carried = sheets::carry(finance, last, months.get(1).map(Vec::as_slice));
    Ok(Json(json!({ "from": from.format("%Y-%m").to_string(), "rows": carried.rows, "cells": carried.cells })))
}

async fn download(Path(file): Path<String>) -> Result<Response, Problem> {
    let nothing = || Problem::not_found("没有这份空白表格");
    let (content, extension) = file.rsplit_once('.').ok_or_else(nothing)?;
    let (media, bytes) = match extension {
        "xlsx" => (XLSX, class(content).map(template::xlsx).or_else(|| importing::template::xlsx(content)).transpose()),
        "csv" => (CSV, Ok(class(content).map(template::csv).or_else(|| importing::template::csv(content)))),
        _ => return Err(nothing()),
    };
    let bytes = bytes.map_err(|error| Problem::internal(&error))?.ok_or_else(nothing)?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    let disposition = format!("attachment; filename=\"{content}.{extension}\"");
    headers.extend(HeaderValue::from_str(&disposition).map(|value| (CONTENT_DISPOSITION, value)));
    Ok(response)
}

/// The schemas of the answers.
pub fn schemas() -> Map<String, Value> {
    let list = |of: Value| json!({ "type": "array", "items": of });
    let any = |about: &str| json!({ "type": "object", "description": about });
    let rows = || list(any("行号 row、是什么 part、单元格原文 cells"));
    let sheet = object(
        "读到的表格",
        &[
            ("content", json!({ "type": ["string", "null"], "description": "哪一类清单" })),
            ("mapped", json!({ "type": "boolean", "description": "列都认得；不认得的，要说明哪一列是什么" })),
            ("columns", list(any("列的位置 place、字母 letter、列名 header、认作 field"))),
            ("rows", rows()),
            ("problems", list(any("行 row、列 column、原文 cell、说明 message、是否必须改好 blocking"))),
            ("blocking", reference("Count")),
            ("problems_total", reference("Count")),
            ("checks", list(any("核对了什么 label、是否相符 holds、数字 detail"))),
            ("fields", any("表单各项")),
            ("lines", list(any("清单的行"))),
            ("line_rows", list(reference("Count"))),
        ],
    );
    let cells = list(json!({ "type": "array", "prefixItems": [reference("Count"), reference("Count")] }));
    let carried = object("待填的行", &[("from", reference("Text")), ("rows", rows()), ("cells", cells)]);
    [("Sheet".to_owned(), sheet), ("Carried".to_owned(), carried)].into_iter().collect()
}
