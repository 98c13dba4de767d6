//! One entry: its exact bytes at `/entries/{index}`, its parts as JSON, and its proof file.
//!
//! Everything comes from the published log, so whoever mirrors `log/` can answer the same; where a key was registered
//! is a hint from the views, which whoever checks looks up in the log.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::Response;
use axum::routing::get;
use gongkai_domain::World;
use gongkai_log::{Content, Entry, Openings, Tier};
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::caching::{IMMUTABLE, REVALIDATE};
use crate::http::log::{TEXT, typed};
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, reference};
use crate::http::problem::Problem;

/// The endpoints.
pub fn endpoints() -> [Endpoint; 2] {
    [
        Endpoint {
            method: "get",
            path: "/api/v1/entries/{index}",
            id: "entry",
            summary: "一条账本条目：哈希、声明、已公开的字段",
            params: const { &[path("index", "Index", "条目序号")] },
            body: None,
            answers: &[Answer { status: 200, about: "条目", media: &[(JSON, "Entry")] }],
            problems: &["not_found", "internal"],
            writes: false,
            handler: get(entry),
        },
        Endpoint {
            method: "get",
            path: "/api/v1/entries/{index}/proof",
            id: "entry_proof",
            summary: "条目的包含证明文件(c2sp.org/tlog-proof)",
            params: const { &[path("index", "Index", "条目序号")] },
            body: None,
            answers: &[Answer { status: 200, about: "证明文件", media: &[("text/plain", "")] }],
            problems: &["not_found", "internal"],
            writes: false,
            handler: get(proof),
        },
    ]
}

/// Their schemas.
pub fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let signature = object(
        "签名",
        &[("role?", text()), ("key", text()), ("signature", text()), ("registered_index?", reference("Index"))],
    );
    let entry = object(
        "条目",
        &[
            ("index", reference("Index")),
            ("recorded_at", reference("Time")),
            ("prev", reference("Hash")),
            ("entry_hash", reference("Hash")),
            ("leaf_hash", reference("Hash")),
            ("statement_hash?", reference("Hash")),
            ("statement?", json!({ "type": "object" })),
            ("sealed?", object("封存时段", &[("root", reference("Hash"))])),
            ("signatures", json!({ "type": "array", "items": signature })),
            ("commitments?", json!({ "type": "array", "items": reference("Hash") })),
            ("openings", json!({ "type": "array", "items": reference("Opening") })),
            ("bytes", text()),
        ],
    );
    Map::from_iter([("Entry".to_owned(), entry)])
}

fn nothing() -> Problem {
    Problem::not_found("账本里没有这个序号的条目，或者它还没有公布")
}

/// An index in its only spelling.
pub fn index(text: &str) -> Result<u64, Problem> {
    match text.parse::<u64>() {
        Ok(index) if index.to_string() == text => Ok(index),
        _ => Err(nothing()),
    }
}

/// The entry's exact bytes.
pub async fn bytes(State(app): State<App>, Path(text): Path<String>) -> Result<Response, Problem> {
    let entry = app.published.entry(index(&text)?).await?.ok_or_else(nothing)?;
    Ok(typed(TEXT, IMMUTABLE, entry.bytes.clone()))
}

async fn entry(State(app): State<App>, Path(text): Path<String>) -> Result<Json<Value>, Problem> {
    let index = index(&text)?;
    let entry = app.published.entry(index).await?.ok_or_else(nothing)?;
    let openings = app.published.openings(index).await?;
    let reader = app.read().await?;
    Ok(Json(to_json(&entry, openings, reader.world())))
}

/// Hashes in base64, the statement as it was signed, and what is open to everyone.
fn to_json(entry: &Entry, openings: Option<Openings>, world: &World) -> Value {
    let commitments = openings.as_ref().map(|openings| openings.commitments);
    let open = openings.into_iter().flat_map(|openings| openings.open).filter(|opening| opening.tier == Tier::Public);
    let mut json = json!({
        "index": entry.index,
        "recorded_at": entry.recorded_at,
        "prev": entry.prev,
        "entry_hash": entry.hash,
        "leaf_hash": entry.leaf_hash(),
        "openings": open.collect::<Vec<_>>(),
        "bytes": format!("/entries/{}", entry.index),
    });
    if let Some(commitments) = commitments {
        json["commitments"] = json!(commitments);
    }
    let signers: &[gongkai_log::Signer] = match &entry.content {
        Content::Statement(signed) => {
            json["statement_hash"] = json!(signed.hash);
            // The third line of the text is the JSON that was signed, checked when the entry was parsed.
            let signed_line = signed.note.text.lines().nth(2).and_then(|line| serde_json::from_str(line).ok());
            json["statement"] = signed_line.unwrap_or(Value::Null);
            &signed.statement.signers
        }
        Content::Sealed(period) => {
            json["sealed"] = json!({ "root": period.root });
            &[]
        }
    };
    let lines = entry.content.note().signatures.iter().enumerate().map(|(place, line)| {
        let mut signature = json!({ "key": line.name, "signature": line.to_string() });
        if let Some(signer) = signers.get(place) {
            signature["role"] = json!(signer.role);
        }
        if let Some((_, registered)) = world.key_at(&line.name, entry.index) {
            signature["registered_index"] = json!(registered);
        }
        signature
    });
    json["signatures"] = lines.collect();
    json
}

async fn proof(State(app): State<App>, Path(text): Path<String>) -> Result<Response, Problem> {
    let index = index(&text)?;
    let proof = app.published.proof(index).await?.ok_or_else(nothing)?;
    let mut response = typed(TEXT, REVALIDATE, proof.to_string());
    let name = HeaderValue::from_str(&format!("attachment; filename=\"entry-{index}.tlog-proof\""));
    response.headers_mut().insert(CONTENT_DISPOSITION, name.expect("a number is a header's text"));
    Ok(response)
}
