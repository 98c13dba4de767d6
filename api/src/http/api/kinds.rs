//! `GET /api/v1/kinds`: every kind of event with its fields, from the list of kinds.

use axum::Json;
use axum::routing::get;
use gongkai_domain::field::{Field, Place};
use gongkai_domain::kind::{KINDS, Kind, family_label};
use serde_json::{Map, Value, json};

use crate::http::openapi::{Answer, Endpoint, JSON, object};

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/kinds",
        id: "kinds",
        summary: "全部事项种类及其字段",
        params: &[],
        body: None,
        answers: &[Answer { status: 200, about: "事项种类", media: &[(JSON, "Kinds")] }],
        problems: &[],
        writes: false,
        handler: get(kinds),
    }
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean" });
    let field = object(
        "字段",
        &[("name", text()), ("label", text()), ("place", text()), ("tier?", text()), ("required", flag())],
    );
    let kind = object(
        "事项种类",
        &[
            ("kind", text()),
            ("label", text()),
            ("family", text()),
            ("family_label", text()),
            ("opens", flag()),
            ("authors", json!({ "type": "array", "items": text() })),
            ("fields", json!({ "type": "array", "items": field })),
            ("lists", json!({ "type": "array", "items": text() })),
            ("sample", json!({ "$ref": "#/components/schemas/Command" })),
        ],
    );
    let list = object("全部事项种类", &[("kinds", json!({ "type": "array", "items": kind }))]);
    Map::from_iter([("Kinds".to_owned(), list)])
}

async fn kinds() -> Json<Value> {
    Json(json!({ "kinds": KINDS.iter().map(of_kind).collect::<Vec<_>>() }))
}

fn of_kind(kind: &Kind) -> Value {
    json!({
        "kind": kind.name,
        "label": kind.label,
        "family": kind.family(),
        "family_label": family_label(kind.family()),
        "opens": kind.opens,
        "authors": kind.authors.iter().map(|role| role.wire()).collect::<Vec<_>>(),
        "fields": kind.fields.iter().map(of_field).collect::<Vec<_>>(),
        "lists": kind.list.shapes().iter().map(|shape| shape.name).collect::<Vec<_>>(),
        "sample": (kind.sample)(),
    })
}

fn of_field(field: &Field) -> Value {
    let (place, tier) = match field.place {
        Place::Body => ("body", None),
        Place::Slot(tier) => ("slot", Some(tier.as_str())),
    };
    let mut json = json!({ "name": field.name, "label": field.label, "place": place, "required": field.required });
    if let Some(tier) = tier {
        json["tier"] = json!(tier);
    }
    json
}
