//! `GET /api/v1/compliance`: who is late with what today, and the rate at which pledges were kept, now and
//! at the end of each of the last months.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use gongkai_domain::field::is_org_code;
use gongkai_projections::read::Filter;
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, query, reference};
use crate::http::problem::Problem;
use crate::http::query::{LIMIT_DEFAULT, LIMIT_MAX, Params};

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/compliance",
        id: "compliance",
        summary: "督查看板：逾期、缺报、无结果、未答复、补报、撤回，以及承诺兑现率",
        params: const {
            &[
                query("org", "OrgCode", "机构代码，含全部下级"),
                query("limit", "Limit", "每张清单给出的条数"),
                query("on", "Date", "过去某一天：只给那一天结束时的兑现率和到那天为止的变化，没有看板"),
            ]
        },
        body: None,
        answers: &[Answer { status: 200, about: "看板", media: &[(JSON, "Compliance")] }],
        problems: &["bad_query", "views_behind", "internal"],
        writes: false,
        handler: get(board),
    }
}

async fn board(State(app): State<App>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["org", "limit", "on"])?;
    let org = params.text("org");
    if org.is_some_and(|code| !is_org_code(code)) {
        return Err(Problem::query("org", "不是机构代码"));
    }
    let limit = params.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let mut reader = app.read().await?;
    if let Some(on) = params.past_day("on", reader.today())? {
        let course = reader.fulfilment_until(org, on).await?;
        let then = course.as_ref().and_then(|course| course.last()).map(|point| point.rate);
        let then = then.ok_or_else(|| Problem::query("on", "这个范围的记录太多，算不了过去的样子"))?;
        return Ok(Json(json!({ "on": on, "fulfilment": then, "fulfilment_over_time": course })));
    }
    let board = reader.compliance(org, u32::try_from(limit).unwrap_or(u32::MAX)).await?;
    let rate = reader.fulfilment_rate(&Filter { org: org.map(str::to_owned), ..Filter::default() }).await?;
    let over_time = reader.fulfilment_over_time(org).await?;
    Ok(Json(json!({ "board": board, "fulfilment": rate, "fulfilment_over_time": over_time })))
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let counted = || object("数量和前几条", &[("total", reference("Count")), ("items", json!({ "type": "array" }))]);
    let board = object(
        "看板",
        &[
            ("size", reference("Count")),
            ("today", reference("Date")),
            ("overdue", counted()),
            ("missing", counted()),
            ("without_outcome", counted()),
            ("unanswered", counted()),
            ("unopened", counted()),
            ("back_filled", counted()),
            ("withdrawn", counted()),
        ],
    );
    let all = object(
        "督查",
        &[
            ("board?", board),
            ("on?", reference("Date")),
            ("fulfilment", reference("FulfilmentRate")),
            ("fulfilment_over_time", over_time()),
        ],
    );
    Map::from_iter([("Compliance".to_owned(), all), ("FulfilmentRate".to_owned(), rate())])
}

/// The rate at the end of each month and today.
pub fn over_time() -> Value {
    let point = object(
        "某日结束时的兑现率，只算当天已入账的",
        &[("on", reference("Date")), ("rate", reference("FulfilmentRate"))],
    );
    json!({ "type": ["array", "null"], "items": point, "description": "近 12 个月末和今天；记录太多时没有" })
}

fn rate() -> Value {
    object(
        "承诺兑现率：到期的承诺中，报告已兑现的占多少",
        &[
            ("fulfilled", reference("Count")),
            ("partly_fulfilled", reference("Count")),
            ("not_fulfilled", reference("Count")),
            ("overdue", reference("Count")),
            ("due", reference("Count")),
            ("permille", json!({ "type": ["integer", "null"] })),
        ],
    )
}
