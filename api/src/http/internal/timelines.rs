//! `GET /internal/api/v1/timelines/{family}/{id}`: everything that the ledger knows of one matter, by time: public
//! statements, sealed ones about it, openings, withdrawals, erasures, and who read what.
//!
//! No content: that is `readings`. What a reader may not see is not there, neither as a row nor as a number.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use gongkai_projections::internal::timeline::{Mark, ROWS_MAX};
use serde_json::{Map, Value, json};

use super::matters::{OFFICIALS, matter_id, purpose, views};
use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, query, reference};
use crate::http::pages::nothing;
use crate::http::problem::Problem;
use crate::http::query::Params;

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "get",
        path: "/internal/api/v1/timelines/{family}/{id}",
        id: "timeline",
        summary: "一件事项的完整经过：公开的、封存的、启封撤下删除的、谁查阅过，按时间排列",
        params: const {
            &[
                path("family", "Word", "栏目"),
                path("id", "Uuid", "公开事项或封存事项的编号"),
                query("purpose", "Word", "用途：handling、review、inspection、request"),
                query("after", "Mark", "上一页给出的 next"),
                query("limit", "Limit", "条数"),
            ]
        },
        body: None,
        answers: const { &[Answer { status: 200, about: "经过", media: &[(JSON, "Timeline")] }] },
        problems: &["bad_query", "not_found", "views_behind", "internal"],
        writes: true,
        handler: get(timeline),
    };
    Door { endpoint, callers: OFFICIALS, unseen: Unseen::Absent }
}

async fn timeline(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path((family, id)): Path<(String, String)>,
    params: Params,
) -> Result<Json<Value>, Problem> {
    params.only(&["purpose", "after", "limit"])?;
    let stream = matter_id(&family, &id)?;
    let after = params.text("after").map(str::parse::<Mark>).transpose();
    let after = after.map_err(|_| Problem::query("after", "应是上一页给出的 next"))?;
    let limit = params.limit(ROWS_MAX)?;
    let found = views(&app)?.timeline(&reader, purpose(&params)?, &stream, after, limit).await;
    let timeline = found?.ok_or_else(nothing)?;
    let next = timeline.next.map(|mark| mark.to_string());
    Ok(Json(json!({ "stream": stream, "rows": timeline.rows, "next": next })))
}

/// The schemas of the answer.
pub fn schemas() -> Map<String, Value> {
    let what = "public 公开的声明，sealed 封存的声明，access 一次查阅";
    let row = object(
        "经过的一行",
        &[
            ("at", reference("Time")),
            ("what", json!({ "type": "string", "enum": ["public", "sealed", "access"], "description": what })),
            ("stream", reference("StreamId")),
            ("revision", reference("Count")),
            ("kind", reference("Text")),
            ("label", reference("Text")),
            ("org", reference("OrgCode")),
            ("signers", json!({ "type": "array" })),
            ("index?", reference("Count")),
            ("hash?", reference("Hash")),
            ("hidden", json!({ "type": "boolean", "description": "内容由提交人加密，只有收件人能启封" })),
            ("purpose?", reference("Text")),
            ("reader?", reference("StreamId")),
        ],
    );
    let next = json!({ "type": ["string", "null"], "description": "下一页的 after；没有下一页时为空" });
    let rows = json!({ "type": "array", "items": { "$ref": "#/components/schemas/TimelineRow" } });
    let timeline =
        object("一件事项的完整经过，从早到晚", &[("stream", reference("StreamId")), ("rows", rows), ("next", next)]);
    [
        ("Timeline".to_owned(), timeline),
        ("TimelineRow".to_owned(), row),
        ("Mark".to_owned(), json!({ "type": "string", "pattern": "^[0-9]{1,20}-[0-9]{1,20}$" })),
    ]
    .into_iter()
    .collect()
}
