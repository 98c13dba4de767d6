//! `GET /api/v1/intakes`: where people hand in across a network gap, and what the ledger owes.
//!
//! The key to encrypt to stands in the log, and whoever uses it proves it from there. What is owed is told where this site
//! follows the intakes' logs (`gongkai mirror --intake`).

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use gongkai_domain::field::SealingKey;
use gongkai_domain::world::Intake;
use serde_json::{Map, Value, json};

use crate::gap::watch::Found;
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, reference};
use crate::http::problem::Problem;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/intakes",
        id: "intakes",
        summary: "网上收件处：验证钥匙、加密公钥、答复到第几批；本站核对时，列出逾期没有答复的",
        params: &[],
        body: None,
        answers: const { &[Answer { status: 200, about: "网上收件处", media: &[(JSON, "Intakes")] }] },
        problems: &["views_behind", "internal"],
        writes: false,
        handler: get(intakes),
    }
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let list = |of: Value| json!({ "type": "array", "items": of });
    let text = || json!({ "type": "string" });
    let intake = object(
        "网上收件处",
        &[
            ("stream", reference("StreamId")),
            ("org", reference("OrgCode")),
            ("key", text()),
            ("sealing_key", text()),
            ("answer_hours", reference("Count")),
            ("answered", reference("Count")),
            ("closed", json!({ "type": "boolean" })),
        ],
    );
    let owed = object(
        "核对的结果",
        &[
            ("place", text()),
            ("unread?", text()),
            ("intake?", text()),
            ("size?", reference("Count")),
            ("answered?", reference("Count")),
            ("waiting_since?", json!({ "oneOf": [reference("Time"), { "type": "null" }] })),
            ("lapses?", list(json!({ "type": "object" }))),
            ("late_count?", reference("Count")),
            ("late?", list(json!({ "type": "object" }))),
            ("sentences?", list(text())),
        ],
    );
    let all = object("网上收件处", &[("intakes", list(intake)), ("owed", list(owed))]);
    Map::from_iter([("Intakes".to_owned(), all)])
}

async fn intakes(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let reader = app.read().await?;
    let rows: Vec<Value> = reader.world().intakes().map(row).collect();
    let owed: Vec<Value> = app.about.intakes.found().iter().map(owed).collect();
    Ok(Json(json!({ "intakes": rows, "owed": owed })))
}

fn row(intake: &Intake) -> Value {
    json!({
        "stream": intake.stream,
        "org": intake.org,
        "key": intake.key.to_string(),
        "sealing_key": SealingKey::from(&intake.sealing_key),
        "answer_hours": intake.answer_hours,
        "answered": intake.answered().0,
        "closed": intake.is_closed,
    })
}

fn owed((place, found): &Found) -> Value {
    match found {
        Ok(owed) => {
            let mut value = json!(owed);
            value["place"] = json!(place);
            value["sentences"] = json!(owed.sentences());
            value
        }
        Err(unread) => json!({ "place": place, "unread": unread }),
    }
}
