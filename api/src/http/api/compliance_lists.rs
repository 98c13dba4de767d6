//! `GET /api/v1/compliance/{list}`: a list of the compliance board, by pages or whole as CSV and JSON lines.
//!
//! All lists have the same columns ([`COLUMNS`]), so that one program reads them all; a cell that a list does not have is
//! empty. The rows are those of the board itself. To add a list: a line in [`LISTS`] and in `page`.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::stream;
use gongkai_domain::field::{Period, is_org_code};
use gongkai_projections::Status;
use gongkai_projections::read::{self, Filter, LIMIT_MAX, Reader};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::table;
use crate::http::App;
use crate::http::log::JSON_LINES;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, query, reference};
use crate::http::pages::nothing;
use crate::http::problem::Problem;
use crate::http::query::{Format, PAGE_MAX, Params};

/// The lists, as the board's page names them.
pub const LISTS: [&str; 7] =
    ["overdue", "missing", "without-outcome", "unanswered", "unopened", "back-filled", "withdrawn"];

/// Columns of the table and members of a row, with their Chinese names.
pub const COLUMNS: &[(&str, &str)] = &[
    ("status", "状态"),
    ("title", "标题，或缺的是什么"),
    ("stream", "事项编号；缺报的没有"),
    ("index", "条目序号"),
    ("org", "机构代码"),
    ("org_name", "机构"),
    ("on", "期限、期满日或入账日期"),
    ("days", "过了期限的天数；询问是已问的天数，补报是迟报的天数"),
    ("note", "补充：撤下的依据、约定启封的内容"),
];

/// A row of any of the lists.
#[derive(Debug, Clone, Default, Serialize)]
struct Row {
    status: &'static str,
    title: Option<String>,
    stream: Option<String>,
    index: Option<u64>,
    org: String,
    org_name: String,
    on: Option<String>,
    days: Option<u64>,
    note: Option<String>,
}

impl Row {
    fn cells(&self) -> [String; 9] {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        [
            self.status.to_owned(),
            text(&self.title),
            text(&self.stream),
            number(self.index),
            self.org.clone(),
            self.org_name.clone(),
            text(&self.on),
            number(self.days),
            text(&self.note),
        ]
    }

    fn bytes(&self, format: Format) -> Vec<u8> {
        if format == Format::Csv {
            return table::record(self.cells().iter().map(String::as_str));
        }
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/compliance/{list}",
        id: "compliance_list",
        summary: "督查看板的一张清单：overdue、missing、without-outcome、unanswered、unopened、back-filled、withdrawn",
        params: const {
            &[
                path("list", "Word", "清单"),
                query("org", "OrgCode", "机构代码，含全部下级"),
                query("page", "Page", "页，每页 100 行"),
                query("format", "Format", "csv 和 jsonl 给出全部"),
            ]
        },
        body: None,
        answers: &[Answer {
            status: 200,
            about: "清单",
            media: &[(JSON, "ComplianceList"), ("text/csv", ""), ("application/jsonl", "")],
        }],
        problems: &["bad_query", "not_found", "views_behind", "busy", "internal"],
        writes: false,
        handler: get(list),
    }
}

async fn list(
    State(app): State<App>,
    Path(list): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.only(&["org", "page", "format"])?;
    let list = LISTS.into_iter().find(|known| *known == list).ok_or_else(nothing)?;
    let format = Format::of(&params, &headers)?;
    let org = params.text("org").map(str::to_owned);
    if org.as_deref().is_some_and(|code| !is_org_code(code)) {
        return Err(Problem::query("org", "不是机构代码"));
    }
    let offset = (params.number("page", 1, PAGE_MAX)?.unwrap_or(1) - 1) * u64::from(LIMIT_MAX);
    let filter = Filter { org, limit: LIMIT_MAX, offset, ..Filter::default() };
    if format == Format::Json {
        let mut reader = app.read().await?;
        let (rows, total) = page(list, &filter, &mut reader).await?;
        return Ok(Json(json!({ "size": reader.size(), "total": total, "rows": rows })).into_response());
    }
    let permit = app.download()?;
    let reader = app.read_whole(None).await?;
    Ok(download(Rest { list, filter: Filter { offset: 0, ..filter }, format, reader, done: false, _permit: permit }))
}

/// What a download still has to do.
struct Rest {
    list: &'static str,
    filter: Filter,
    format: Format,
    reader: Reader,
    done: bool,
    _permit: OwnedSemaphorePermit,
}

fn download(rest: Rest) -> Response {
    let (media_type, suffix) = if rest.format == Format::Csv { (table::CSV, "csv") } else { (JSON_LINES, "jsonl") };
    let name = format!("{}.{suffix}", rest.list);
    let head = (rest.format == Format::Csv).then(|| table::head(COLUMNS.iter().map(|(name, _)| *name)));
    let first = head.map(Bytes::from);
    let pieces = stream::try_unfold((rest, first), |(mut rest, first)| async move {
        if let Some(bytes) = first {
            return Ok::<_, std::io::Error>(Some((bytes, (rest, None))));
        }
        if rest.done {
            return Ok(None);
        }
        // The status has left already: cutting the transfer is the only way to say that it is not whole.
        let cut = |problem: Problem| std::io::Error::other(problem.detail);
        let (rows, total) = page(rest.list, &rest.filter, &mut rest.reader).await.map_err(cut)?;
        rest.filter.offset += u64::from(LIMIT_MAX);
        rest.done = rest.filter.offset >= total || rows.is_empty();
        let bytes: Vec<u8> = rows.iter().flat_map(|row| row.bytes(rest.format)).collect();
        Ok(Some((Bytes::from(bytes), (rest, None))))
    });
    table::download(media_type, &name, Body::from_stream(pieces))
}

/// A page of a list, and how many rows the list has.
async fn page(list: &str, filter: &Filter, reader: &mut Reader) -> Result<(Vec<Row>, u64), Problem> {
    let org = filter.org.as_deref();
    Ok(match list {
        "overdue" => matters(reader.overdue(filter).await?),
        "without-outcome" => matters(reader.without_outcome(filter).await?),
        "missing" => part(reader.missing(org).await?.into_iter().map(missing).collect(), filter),
        "unanswered" => {
            let open = reader.unanswered(org).await?.into_iter();
            let late = open.filter(|open| open.question.status == Status::AnswerOverdue);
            part(late.map(unanswered).collect(), filter)
        }
        "unopened" => of(reader.unopened(filter).await?, unopened),
        "back-filled" => of(reader.back_filled(filter).await?, back_filled),
        _ => of(reader.withdrawals(filter).await?, withdrawn),
    })
}

fn of<T>(page: read::Page<T>, row: impl Fn(T) -> Row) -> (Vec<Row>, u64) {
    (page.items.into_iter().map(row).collect(), page.total)
}

/// The page of a list that is made whole.
fn part(all: Vec<Row>, filter: &Filter) -> (Vec<Row>, u64) {
    let (total, skip) = (all.len() as u64, usize::try_from(filter.offset).unwrap_or(usize::MAX));
    (all.into_iter().skip(skip).take(filter.limit as usize).collect(), total)
}

fn matters(page: read::Page<read::Matter>) -> (Vec<Row>, u64) {
    of(page, |matter| Row {
        status: matter.status.wire(),
        title: matter.title,
        stream: Some(matter.stream),
        index: Some(matter.first_index),
        org: matter.org,
        org_name: matter.org_name,
        on: matter.ends_on.map(|day| day.to_string()),
        days: matter.days_left.map(i64::unsigned_abs),
        note: None,
    })
}

fn missing(month: read::MissingPeriod) -> Row {
    Row {
        status: Status::Missing.wire(),
        title: Some(format!("{}财务收支", Period(month.period).label())),
        org: month.org,
        org_name: month.org_name,
        on: Some(month.due.to_string()),
        days: Some(month.days_late),
        ..Row::default()
    }
}

fn unanswered(open: read::Unanswered) -> Row {
    Row {
        status: open.question.status.wire(),
        title: Some(format!("关于{}的询问", open.question.topic)),
        stream: Some(open.question.stream),
        index: Some(open.question.index),
        org: open.org,
        org_name: open.org_name,
        on: open.question.deadline.map(|deadline| deadline.end.to_string()),
        days: Some(open.age_days),
        note: None,
    }
}

fn unopened(opening: read::ScheduledOpening) -> Row {
    Row {
        status: Status::OpeningOverdue.wire(),
        title: Some(opening.label),
        stream: Some(opening.stream),
        index: Some(opening.index),
        org: opening.org,
        org_name: opening.org_name,
        on: Some(opening.opens_on.to_string()),
        days: None,
        note: Some(opening.sentence),
    }
}

fn back_filled(entry: read::TimelineItem) -> Row {
    Row {
        status: Status::BackFilled.wire(),
        title: entry.title.or(Some(entry.label)),
        stream: Some(entry.stream),
        index: Some(entry.index),
        org: entry.org,
        org_name: entry.org_name,
        on: Some(entry.recorded_at.with_timezone(&crate::http::zone()).date_naive().to_string()),
        days: Some(entry.late_days),
        note: None,
    }
}

fn withdrawn(row: read::WithdrawalRow) -> Row {
    Row {
        status: Status::Withdrawn.wire(),
        title: Some(format!("{}：撤下一处内容", row.target_label)),
        stream: Some(row.target_stream),
        index: Some(row.index),
        org: row.org,
        org_name: row.org_name,
        on: Some(row.at.with_timezone(&crate::http::zone()).date_naive().to_string()),
        days: None,
        note: Some(row.basis),
    }
}

/// The schema of the answer.
pub fn schemas() -> Map<String, Value> {
    let text = |about: &str| json!({ "type": ["string", "null"], "description": about });
    let number = |about: &str| json!({ "type": ["integer", "null"], "description": about });
    let member = |(name, about): &(&'static str, &str)| match *name {
        "index" | "days" => (*name, number(about)),
        _ => (*name, text(about)),
    };
    let row = object("清单的一行", &COLUMNS.iter().map(member).collect::<Vec<_>>());
    let list = object(
        "督查看板的一张清单",
        &[
            ("size", reference("Count")),
            ("total", reference("Count")),
            ("rows", json!({ "type": "array", "items": row })),
        ],
    );
    Map::from_iter([("ComplianceList".to_owned(), list)])
}
