//! `GET /internal/api/v1/me`: who is signed in, with which key and in which roles, as of this moment.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use gongkai_domain::confidentiality::Callers;
use serde_json::{Map, Value, json};

use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object};
use crate::http::problem::Problem;

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "get",
        path: "/internal/api/v1/me",
        id: "me",
        summary: "登录的是谁，用哪把钥匙，有哪些职责",
        params: &[],
        body: None,
        answers: &[Answer { status: 200, about: "登录的人", media: &[(JSON, "Me")] }],
        problems: &["not_signed_in"],
        writes: true,
        handler: get(me),
    };
    Door { endpoint, callers: Callers::SignedIn, unseen: Unseen::Told }
}

/// The schemas of the answer.
pub fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let org = json!({ "type": ["string", "null"], "description": "机构代码；没有机构的，是全账本的职责" });
    let role = object("职责", &[("role", text()), ("label", text()), ("org", org)]);
    let me = [
        ("person", json!({ "$ref": "#/components/schemas/StreamId" })),
        ("key", text()),
        ("roles", json!({ "type": "array", "items": role })),
    ];
    [("Me".to_owned(), object("登录的人", &me))].into_iter().collect()
}

async fn me(State(app): State<App>, SignedIn(reader): SignedIn) -> Result<Json<Value>, Problem> {
    let roles: Vec<Value> = app.ledger()?.with_world(|world| {
        let grants = world.grants(reader.person()).iter();
        grants.map(|it| json!({ "role": it.role.wire(), "label": it.role.label(), "org": it.org })).collect()
    });
    Ok(Json(json!({ "person": reader.person(), "key": reader.key(), "roles": roles })))
}
