//! `GET /api/v1/withdrawals`: which published files no longer have what, for those who copy the log; and
//! `GET /api/v1/mirrors`: whether the known mirrors have followed.
//!
//! Both tell nothing of what was withdrawn. The log itself says the same (`slot.withdrawn`); this is kind to those who
//! poll. Of a mirror the public is told how much it still shows, not where. Erasures are not listed: what they destroy
//! was in no published file, so there is nothing for a mirror to take out.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use gongkai_domain::procedure::recorded_on;
use gongkai_log::{Digest, tile};
use gongkai_projections::read::WithdrawnFiles;
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, query, reference};
use crate::http::problem::Problem;
use crate::http::query::{LIMIT_DEFAULT, LIMIT_MAX, Params};
use crate::mirrors::Report;

/// The endpoints.
pub fn endpoints() -> [Endpoint; 2] {
    let withdrawals = Endpoint {
        method: "get",
        path: "/api/v1/withdrawals",
        id: "withdrawals",
        summary: "撤下清单，供镜像跟随：哪个文件里的哪一槽、哪一行已撤下（不含内容）",
        params: const {
            &[query("from", "Count", "从第几号条目起，默认 0；下一页用应答里的 next"), query("limit", "Limit", "条数")]
        },
        body: None,
        answers: const { &[Answer { status: 200, about: "撤下清单", media: &[(JSON, "Withdrawals")] }] },
        problems: &["bad_query", "views_behind", "internal"],
        writes: false,
        handler: get(withdrawals),
    };
    let mirrors = Endpoint {
        method: "get",
        path: "/api/v1/mirrors",
        id: "mirrors",
        summary: "镜像是否已跟随撤下，最近一次核对的结果",
        params: &[],
        body: None,
        answers: const { &[Answer { status: 200, about: "镜像", media: &[(JSON, "Mirrors")] }] },
        problems: &[],
        writes: false,
        handler: get(mirrors),
    };
    [withdrawals, mirrors]
}

async fn withdrawals(State(app): State<App>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["from", "limit"])?;
    let from = params.number("from", 0, i64::MAX.unsigned_abs())?.unwrap_or(0);
    let limit = params.number("limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let mut reader = app.read().await?;
    let found = reader.withdrawn_from(from, u32::try_from(limit).unwrap_or(u32::MAX)).await?;
    let more = found.len() as u64 == limit;
    let next = found.last().filter(|_| more).map(|last| last.index + 1);
    let rows: Vec<Value> = found.iter().map(row).collect();
    Ok(Json(json!({ "size": reader.size(), "withdrawals": rows, "next": next })))
}

fn row(withdrawn: &WithdrawnFiles) -> Value {
    let root = withdrawn.lines_root.as_ref().and_then(|root| Digest::parse(root).ok());
    let root = root.filter(|_| !withdrawn.lines.is_empty());
    json!({
        "index": withdrawn.index,
        "recorded_on": recorded_on(withdrawn.recorded_at),
        "target": withdrawn.target,
        "slots": withdrawn.slots,
        "openings": format!("/log/{}", tile::openings_path(withdrawn.target / tile::TILE_WIDTH)),
        "lines": withdrawn.lines,
        "list": root.map(|root| format!("/log/{}", tile::lines_path(&root))),
    })
}

async fn mirrors(State(app): State<App>) -> Json<Value> {
    let known = &app.about.mirrors;
    let (at, reports) = known.found().map_or((None, Vec::new()), |(at, reports)| (Some(at), reports));
    let of = |url: &String| match reports.iter().find(|report| report.url == *url) {
        Some(report) => told(report),
        None => json!({ "url": url, "standing": null, "size": null, "unproven": 0, "sentence": "还没有核对" }),
    };
    Json(json!({ "checked_at": at, "mirrors": known.urls().iter().map(of).collect::<Vec<_>>() }))
}

fn told(report: &Report) -> Value {
    json!({
        "url": report.url, "standing": report.state, "size": report.size,
        "unproven": report.unproven, "sentence": report.state.sentence(),
    })
}

/// Their schemas.
pub fn schemas() -> Map<String, Value> {
    let list = |item: Value| json!({ "type": "array", "items": item });
    let withdrawal = object(
        "一次撤下",
        &[
            ("index", reference("Count")),
            ("recorded_on", reference("Date")),
            ("target", reference("Count")),
            ("slots", list(reference("Count"))),
            ("openings", reference("Text")),
            ("lines", list(reference("Count"))),
            ("list", json!({ "type": ["string", "null"] })),
        ],
    );
    let withdrawals = object(
        "撤下清单",
        &[
            ("size", reference("Count")),
            ("withdrawals", list(withdrawal)),
            ("next", json!({ "type": ["integer", "null"] })),
        ],
    );
    let standing = json!({ "type": ["object", "null"], "description":
        "state 是 followed、unproven、not_yet_seen、still_shows、unreachable 或 forged；没有核对过的是 null" });
    let mirror = object(
        "一个镜像",
        &[
            ("url", reference("Text")),
            ("standing", standing),
            ("size", json!({ "type": ["integer", "null"] })),
            ("unproven", reference("Count")),
            ("sentence", reference("Text")),
        ],
    );
    let mirrors = object("镜像", &[("checked_at", json!({ "type": ["string", "null"] })), ("mirrors", list(mirror))]);
    Map::from_iter([("Withdrawals".to_owned(), withdrawals), ("Mirrors".to_owned(), mirrors)])
}
