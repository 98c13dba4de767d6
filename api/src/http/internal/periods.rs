//! `POST /internal/api/v1/periods`: when a period would end that somebody is writing, which days are skipped, and by which
//! rule. Nothing is judged but the period.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use gongkai_domain::calendar::Computed;
use gongkai_domain::confidentiality::Callers;
use gongkai_domain::period;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::openapi::{Answer, Endpoint, JSON, object, reference};
use crate::http::problem::Problem;

/// What is asked.
#[derive(Deserialize)]
struct Asked {
    kind: String,
    org: String,
    fields: Map<String, Value>,
}

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "post",
        path: "/internal/api/v1/periods",
        id: "count_period",
        summary: "正在写的期限到哪天：跳过哪些天，按哪条规定",
        params: &[],
        body: Some((JSON, "PeriodAsked")),
        answers: &[Answer { status: 200, about: "期限；没有期限的为空", media: &[(JSON, "PeriodCounted")] }],
        problems: &["bad_json", "body_too_large", "unsupported_media_type", "field", "not_signed_in", "cross_origin"],
        writes: true,
        handler: post(count),
    };
    Door { endpoint, callers: Callers::SignedIn, unseen: Unseen::Told }
}

async fn count(
    State(app): State<App>,
    SignedIn(_): SignedIn,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Value>, Problem> {
    let Asked { kind, org, fields } = body::json(&headers, body)?;
    let preview = app.ledger()?.with_world(|world| period::preview(&kind, &fields, &org, world))?;
    let period = preview.map(|period| {
        let rule = format!("{} {} {}", period.rule.code.label(), period.rule.value, period.rule.unit.label());
        let (stated, short) = match period.stated {
            Ok(computed) => (computed, None),
            Err(refusal) => (period.least.clone(), Some(refusal.to_string())),
        };
        json!({
            "rule": rule, "basis": period.rule.basis, "least": shown(&period.least), "stated": shown(&stated),
            "short": short,
        })
    });
    Ok(Json(json!({ "period": period })))
}

fn shown(computed: &Computed) -> Value {
    let skipped: Vec<_> = computed.skipped.iter().map(|(day, why)| json!([day, why.label()])).collect();
    json!({"start": computed.start, "end": computed.end, "days": computed.counted.len(), "working": computed.working,
        "skipped": skipped, "provisional": computed.provisional, "explained": computed.explain()})
}

/// The schemas of request and answer.
pub fn schemas() -> Map<String, Value> {
    let asked =
        [("kind", json!({ "type": "string" })), ("org", reference("OrgCode")), ("fields", json!({ "type": "object" }))];
    let counted =
        json!({ "type": ["object", "null"], "description": "最短的和所写的期限，各有届满日、跳过的日子和说明" });
    [
        ("PeriodAsked".to_owned(), object("正在写的期限", &asked)),
        ("PeriodCounted".to_owned(), object("期限", &[("period", counted)])),
    ]
    .into_iter()
    .collect()
}
