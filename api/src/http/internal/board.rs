//! `GET /internal/api/v1/board`, `…/board/{list}`: what is late, what is going to be and what waits for whom below the
//! organizations where whoever is signed in holds a role; a number a list, and each list by pages or whole as CSV.
//!
//! About an organization that is not theirs there is no board, as if there were no such organization. What is sealed is
//! counted as far as the policy clears it, row by row (`gongkai_projections::board`). A supervision (督办) is a
//! statement: it is handed in like every other.

use std::collections::VecDeque;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream;
use gongkai_domain::confidentiality::{self, Reader};
use gongkai_domain::field::is_org_code;
use gongkai_projections::board::{self, Asking, List, ROOTS_MAX, ROWS_MAX, Row};
use gongkai_projections::internal::InternalViews;
use gongkai_projections::read;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::matters::OFFICIALS;
use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::api::table;
use crate::http::openapi::{Answer, Endpoint, JSON, Param, object, path, query, reference};
use crate::http::pages::nothing;
use crate::http::problem::Problem;
use crate::http::query::{Format, Params};

/// Most rows of a page.
const LIMIT_MAX: usize = 100;

const ORG: Param = query("org", "OrgCode", "机构代码，含全部下级；默认是登录人有职责的机构");

/// The two endpoints.
pub fn doors() -> [Door; 2] {
    let endpoint = |path, id, summary, params, answers, handler| Endpoint {
        method: "get",
        path,
        id,
        summary,
        params,
        body: None,
        answers,
        problems: &["bad_query", "not_found", "views_behind", "busy", "internal"],
        writes: true,
        handler,
    };
    let numbers = endpoint(
        "/internal/api/v1/board",
        "board",
        "督办看板：逾期、快到期、本周期满、未公布结果、未公开、未答复、待审、督办、未启封，各有多少，按天数分档",
        const { &[ORG] },
        const { &[Answer { status: 200, about: "看板", media: &[(JSON, "Board")] }] },
        get(numbers),
    );
    let list = endpoint(
        "/internal/api/v1/board/{list}",
        "board_list",
        "看板上的一张清单；format=csv 下载整张",
        const {
            &[
                path("list", "Word", "清单：看板里 counts 的 list"),
                ORG,
                query("after", "Count", "从第几行之后开始，照抄上一页的 next"),
                query("limit", "Limit", "条数"),
                query("format", "Word", "json（默认）或 csv"),
            ]
        },
        const { &[Answer { status: 200, about: "清单", media: &[(JSON, "BoardList"), (table::CSV, "")] }] },
        get(list),
    );
    [numbers, list].map(|endpoint| Door { endpoint, callers: OFFICIALS, unseen: Unseen::Absent })
}

/// The organizations that the board is about: the one that is asked for, or all that the reader oversees.
pub(in crate::http) fn roots(app: &App, reader: &Reader, org: Option<&str>) -> Result<Vec<String>, Problem> {
    if org.is_some_and(|code| !is_org_code(code)) {
        return Err(Problem::query("org", "不是机构代码"));
    }
    let roots = app.ledger()?.with_world(|world| match org {
        Some(org) if world.organization(org).is_some() && confidentiality::oversees(reader, org, world) => {
            vec![org.to_owned()]
        }
        Some(_) => Vec::new(),
        None => confidentiality::overseen(reader, world),
    });
    match roots.len() {
        0 => Err(nothing()),
        1..=ROOTS_MAX => Ok(roots),
        _ => Err(Problem::query("org", &format!("您在 {ROOTS_MAX} 个以上机构有职责，请指明看哪一个"))),
    }
}

/// The views once they reflect what is committed: whoever reads inside after a receipt finds what it was for.
pub(in crate::http) async fn current(app: &App) -> Result<read::Reader, Problem> {
    let committed = *app.ledger()?.committed().borrow();
    app.read_at(committed.checked_sub(1)).await
}

async fn numbers(State(app): State<App>, SignedIn(reader): SignedIn, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["org"])?;
    let roots = roots(&app, &reader, params.text("org"))?;
    let mut public = current(&app).await?;
    let asking = Asking { reader: &reader, roots: &roots, inside: app.internal.as_ref() };
    Ok(Json(json!(board::board(&asking, &mut public).await?)))
}

async fn list(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path(list): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.only(&["org", "after", "limit", "format"])?;
    let list = List::from_wire(&list).ok_or_else(nothing)?;
    let roots = roots(&app, &reader, params.text("org"))?;
    let after = params.number("after", 0, i64::MAX.unsigned_abs())?.unwrap_or(0);
    let limit = params.limit(LIMIT_MAX)? as u64;
    let format = Format::of(&params, &headers)?;
    if format == Format::JsonLines {
        return Err(Problem::query("format", "应是 json 或 csv"));
    }
    let permit = if format == Format::Csv { Some(app.download()?) } else { None };
    let mut public = current(&app).await?;
    if let Some(permit) = permit {
        let inside = app.internal.clone();
        return Ok(download(Rest {
            list,
            reader,
            roots,
            inside,
            public,
            after: Some(0),
            ready: head(list),
            _permit: permit,
        }));
    }
    let asking = Asking { reader: &reader, roots: &roots, inside: app.internal.as_ref() };
    Ok(Json(json!(board::page(&asking, list, after, limit, &mut public).await?)).into_response())
}

/// What a download still has to do.
struct Rest {
    list: List,
    reader: Reader,
    roots: Vec<String>,
    inside: Option<InternalViews>,
    public: read::Reader,
    after: Option<u64>,
    ready: VecDeque<Bytes>,
    _permit: OwnedSemaphorePermit,
}

impl Rest {
    /// The next piece; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(bytes) = self.ready.pop_front() {
            return Ok(Some(bytes));
        }
        let Some(after) = self.after else { return Ok(None) };
        let asking = Asking { reader: &self.reader, roots: &self.roots, inside: self.inside.as_ref() };
        let page = board::page(&asking, self.list, after, ROWS_MAX, &mut self.public).await?;
        self.after = page.next;
        let rows = page.rows.iter().flat_map(|row| {
            let cells = row.cells();
            // The number of days is ours and may be negative; everything else is text.
            let plain =
                cells.iter().map(|cell| if cell.parse::<i64>().is_ok() { cell.into() } else { table::plain(cell) });
            table::record(plain.collect::<Vec<_>>().iter().map(AsRef::as_ref))
        });
        let bytes: Vec<u8> = rows.collect();
        Ok((!bytes.is_empty()).then(|| bytes.into()))
    }
}

/// The first line: what people call the columns, the days as the list counts them.
fn head(list: List) -> VecDeque<Bytes> {
    let names = Row::COLUMNS.iter().map(|(name, label)| if *name == "days" { list.days_label() } else { label });
    VecDeque::from([Bytes::from(table::head(names))])
}

fn download(rest: Rest) -> Response {
    let name = format!("{}.csv", rest.list.wire());
    let pieces = stream::try_unfold(rest, |mut rest| async move {
        match rest.piece().await {
            Ok(piece) => Ok(piece.map(|bytes| (bytes, rest))),
            // The status has left already: cutting the transfer is the only way to say that it is not whole.
            Err(problem) => Err(std::io::Error::other(problem.detail)),
        }
    });
    table::download(table::CSV, &name, Body::from_stream(pieces))
}

/// The schemas of the answers.
pub fn schemas() -> Map<String, Value> {
    let nullable = |kind: &str, about: &str| json!({ "type": [kind, "null"], "description": about });
    let rows = |name: &str| json!({ "type": "array", "items": reference(name) });
    let bucket = object("一档天数", &[("label", reference("Text")), ("total", reference("Count"))]);
    let count = object(
        "一张清单的数",
        &[
            ("list", reference("Word")),
            ("label", reference("Text")),
            ("days_label", json!({ "type": "string", "description": "天数数的是什么" })),
            ("total", reference("Count")),
            ("buckets", rows("BoardBucket")),
        ],
    );
    let board = object(
        "督办看板",
        &[
            ("size", reference("Count")),
            ("today", reference("Date")),
            ("sealed", json!({ "type": "boolean", "description": "封存事项是否计算在内；没有限阅库时不在内" })),
            (
                "orgs",
                json!({ "type": "array", "items": { "type": "array", "items": { "type": "string" } }, "description": "机构代码和名称，各含全部下级" }),
            ),
            ("counts", rows("BoardCount")),
        ],
    );
    let row = object(
        "清单的一行",
        &[
            ("stream", nullable("string", "事项编号；没有公开的期间没有")),
            ("revision", nullable("integer", "问题在所询问的公开里的修订号")),
            ("index", nullable("integer", "公开条目的序号")),
            ("sealed", json!({ "type": "boolean", "description": "封存事项，不含内容" })),
            ("label", reference("Text")),
            ("title", nullable("string", "标题；撤下的和封存的没有")),
            ("period", nullable("string", "没有公开的期间")),
            ("org", reference("OrgCode")),
            ("org_name", reference("Text")),
            ("awaits", json!({ "type": "string", "description": "等着办什么" })),
            ("since", nullable("string", "起算日期")),
            ("due_on", nullable("string", "期限")),
            ("days", json!({ "type": "integer", "description": "天数，按清单的 days_label 数" })),
            ("rule", json!({ "type": "string", "description": "按什么规则计算" })),
            (
                "computed",
                json!({ "type": "array", "items": { "type": "string" }, "description": "期限怎样算出、跳过了哪些天" }),
            ),
            ("provisional", json!({ "type": "boolean", "description": "有关年份的放假安排没有公布，期限暂定" })),
            ("about", nullable("string", "督办的是哪件事项")),
            ("by", nullable("string", "督办机构代码")),
            ("by_name", nullable("string", "督办机构")),
            ("supervision", nullable("string", "正在督办这件事项的督办编号")),
        ],
    );
    let list = object(
        "看板上的一张清单",
        &[
            ("size", reference("Count")),
            ("today", reference("Date")),
            ("list", reference("Word")),
            ("label", reference("Text")),
            ("days_label", reference("Text")),
            ("total", reference("Count")),
            ("next", nullable("integer", "下一页的 after；没有下一页为空")),
            ("rows", rows("BoardRow")),
        ],
    );
    let all =
        [("Board", board), ("BoardCount", count), ("BoardBucket", bucket), ("BoardList", list), ("BoardRow", row)];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
