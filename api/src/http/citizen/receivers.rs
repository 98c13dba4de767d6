//! `GET /api/v1/organizations/{code}/receivers`: to whom something can be encrypted, here and above.
//!
//! Whoever accuses somebody chooses among these bodies on their own device, so the server never learns who is accused.
//! Everything listed stands in public entries (`receiver.appointed`, appointments to posts) and can be compared with them.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use gongkai_domain::{Role, World, competence};
use serde_json::{Map, Value, json};

use super::address::Client;
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, reference};
use crate::http::pages::nothing;
use crate::http::problem::Problem;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/organizations/{code}/receivers",
        id: "receivers",
        summary: "某机构及其各上级机构的收件人、加密公钥和主管人：由提交人自己选定受理机关并加密",
        params: const { &[path("code", "OrgCode", "机构代码")] },
        body: None,
        answers: &[Answer { status: 200, about: "由近到远的机构", media: &[(JSON, "Receivers")] }],
        problems: &["not_found", "too_many", "not_here"],
        writes: false,
        handler: get(receivers),
    }
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let list = |of: Value| json!({ "type": "array", "items": of });
    let receiver = object(
        "收件人",
        &[("receiver", reference("StreamId")), ("person", reference("StreamId")), ("sealing_key", reference("Text"))],
    );
    let body = object(
        "机构",
        &[("org", reference("OrgCode")), ("receivers", list(receiver)), ("led_by", list(reference("StreamId")))],
    );
    let all = object("收件人", &[("origin", reference("Text")), ("intake", reference("Text")), ("bodies", list(body))]);
    Map::from_iter([("Receivers".to_owned(), all)])
}

async fn receivers(State(app): State<App>, client: Client, Path(code): Path<String>) -> Result<Json<Value>, Problem> {
    app.citizens.ask(client, app.clock.monotonic())?;
    let listed = |world: &World| {
        let bodies = world.living(&code).is_ok().then(|| competence::bodies(world, &code));
        bodies.zip(world.ledger_key(Role::Intake).and_then(|name| world.key(name)).map(|key| key.verifier.to_string()))
    };
    // A copy of the log has its views only: there it is as new as they are.
    let found = match &app.ledger {
        Some(ledger) => ledger.with_world(listed),
        None => listed(app.read().await?.world()),
    };
    let (bodies, intake) = found.ok_or_else(nothing)?;
    Ok(Json(json!({ "origin": app.about.origin(), "intake": intake, "bodies": bodies })))
}
