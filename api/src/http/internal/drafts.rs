//! `/internal/api/v1/drafts…`: the drafts of whoever is signed in, and those that wait for their signature.
//!
//! A draft is seen by its author and by those whom its statement names as signers; to everybody else it does not exist.
//! Each signature is checked against the text before it is kept, and with the last one the statement is handed in, under
//! the draft's own idempotency key, so that two who press at once record it once.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get, post, put};
use gongkai_domain::Submission;
use gongkai_domain::confidentiality::{Callers, Reader};
use gongkai_store::Drafts;
use gongkai_store::drafts::Writing;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::working::{self, Half, Working, problem};
use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::api::submissions;
use crate::http::openapi::{Answer, Endpoint, JSON, Param, object, path, reference};
use crate::http::pages::nothing;
use crate::http::problem::Problem;

const PATH: &str = "/internal/api/v1/drafts/{id}";
const ID: &[Param] = &[path("id", "Uuid", "草稿编号，由起草的设备随机生成")];
const KEEPING: &[&str] = &[
    "bad_json",
    "body_too_large",
    "unsupported_media_type",
    "malformed",
    "unknown_kind",
    "stale_parent",
    "too_large",
    "too_many",
    "not_found",
    "cross_origin",
    "not_signed_in",
    "busy",
    "internal",
];

/// What is sent to keep a draft.
#[derive(Deserialize)]
struct Keeping {
    /// The revision that the sender knows.
    known: Option<u64>,
    #[serde(flatten)]
    working: Working,
}

/// A signature.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adding {
    signature: Option<String>,
}

/// The five endpoints.
pub fn doors() -> [Door; 5] {
    const READING: &[&str] = &["not_found", "not_signed_in", "busy", "internal"];
    let door = |endpoint| Door { endpoint, callers: Callers::SignedIn, unseen: Unseen::Told };
    let list = Endpoint {
        method: "get",
        path: "/internal/api/v1/drafts",
        id: "drafts",
        summary: "登录人没写完的草稿，和等他联署的稿件",
        params: &[],
        body: None,
        answers: &[Answer { status: 200, about: "草稿清单", media: &[(JSON, "Drafts")] }],
        problems: READING,
        writes: true,
        handler: get(list),
    };
    let one = Endpoint {
        method: "get",
        path: PATH,
        id: "draft",
        summary: "一份草稿；联署人看不到不对他公开的内容",
        params: ID,
        body: None,
        answers: &[Answer { status: 200, about: "草稿", media: &[(JSON, "Draft")] }],
        problems: READING,
        writes: true,
        handler: get(one),
    };
    let keep = Endpoint {
        method: "put",
        path: PATH,
        id: "keep_draft",
        summary: "保存草稿；带着声明原文的，交给其中的签名人联署",
        params: ID,
        body: Some((JSON, "KeepDraft")),
        answers: &[Answer { status: 200, about: "已保存", media: &[(JSON, "KeptDraft")] }],
        problems: submissions::PROBLEMS,
        writes: true,
        handler: put(keep),
    };
    let remove = Endpoint {
        method: "delete",
        path: PATH,
        id: "drop_draft",
        summary: "删去自己的草稿",
        params: ID,
        body: None,
        answers: &[Answer { status: 204, about: "已删去", media: &[] }],
        problems: KEEPING,
        writes: true,
        handler: delete(remove),
    };
    let sign = Endpoint {
        method: "post",
        path: "/internal/api/v1/drafts/{id}/signatures",
        id: "sign_draft",
        summary: "联署：加上登录人的签名，签齐就提交",
        params: ID,
        body: Some((JSON, "AddSignature")),
        answers: &[Answer { status: 200, about: "还缺谁，或回执", media: &[(JSON, "SignedDraft")] }],
        problems: submissions::PROBLEMS,
        writes: true,
        handler: post(sign),
    };
    [door(list), door(one), door(keep), door(remove), door(sign)]
}

/// The working store; what needs it is not there without a vault.
fn store(app: &App) -> Result<&Drafts, Problem> {
    app.drafts.as_ref().ok_or_else(nothing)
}

fn id_of(text: &str) -> Result<Uuid, Problem> {
    text.parse().map_err(|_| nothing())
}

async fn list(State(app): State<App>, SignedIn(reader): SignedIn) -> Result<Json<Value>, Problem> {
    let drafts = store(&app)?.list(reader.person(), app.now()).await.map_err(problem)?;
    let mut rows = Vec::with_capacity(drafts.len());
    for draft in &drafts {
        let working = Working::of(draft)?;
        rows.push(app.ledger()?.with_world(|world| working.summary(draft, world)));
    }
    named(&app, rows.iter_mut()).await?;
    Ok(Json(json!({ "drafts": rows })))
}

async fn one(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let draft = store(&app)?.get(id_of(&id)?, reader.person(), app.now()).await.map_err(problem)?;
    let draft = draft.ok_or_else(nothing)?;
    let working = Working::of(&draft)?;
    let mut shown = app.ledger()?.with_world(|world| working.shown(&draft, &reader, world))?;
    named(&app, std::iter::once(&mut shown)).await?;
    Ok(Json(shown))
}

/// Gives signers the names that the public registry has.
async fn named(app: &App, rows: impl Iterator<Item = &mut Value>) -> Result<(), Problem> {
    let mut signers: Vec<&mut Value> = rows.filter_map(|row| row["signers"].as_array_mut()).flatten().collect();
    let persons: Vec<String> = signers.iter().filter_map(|one| Some(one["person"].as_str()?.to_owned())).collect();
    let names = app.read().await?.person_names(&persons).await?;
    for signer in &mut signers {
        let name = signer["person"].as_str().and_then(|person| names.get(person)).cloned();
        signer["name"] = json!(name);
    }
    Ok(())
}

async fn keep(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Value>, Problem> {
    let (store, id) = (store(&app)?, id_of(&id)?);
    let Keeping { known, mut working } = body::json(&headers, body)?;
    working.check()?;
    let review = working.review.clone();
    let mut others = Vec::new();
    if let Some(half) = working.prepared.as_mut().filter(|_| review.is_none()) {
        others = ready(&app, &reader, half).await?;
    }
    let text = serde_json::to_string(&working).map_err(|error| Problem::internal(&error))?;
    let writing = Writing { id, owner: reader.person(), others: &others, known, text: &text };
    let now = app.now();
    let revision = store.put(writing, now).await.map_err(problem)?;
    Ok(Json(json!({ "id": id, "revision": revision, "changed_at": now })))
}

/// Whoever has to sign, when the statement is one that the ledger would take and the author's own signature is good.
async fn ready(app: &App, reader: &Reader, half: &mut Half) -> Result<Vec<gongkai_log::StreamId>, Problem> {
    let ledger = app.ledger()?;
    if half.parsed()?.signers.first().is_none_or(|signer| signer.key != reader.key()) {
        return Err(Problem::new("malformed", "第一签名人应是登录的这把钥匙").at("signers"));
    }
    let given = std::mem::take(&mut half.signatures);
    ledger.with_world(|world| given.iter().try_for_each(|line| half.add(line, world)))?;
    let submission = Submission {
        note: half.statement.clone(),
        openings: half.openings.clone(),
        lines: half.lines.clone(),
        envelope: None,
    };
    ledger.rehearse(submission).await?;
    ledger.with_world(|world| half.people(world))
}

async fn remove(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let (store, id, now) = (store(&app)?, id_of(&id)?, app.now());
    let draft = store.get(id, reader.person(), now).await.map_err(problem)?;
    // Whoever only signs beside somebody throws nothing of theirs away.
    if draft.is_none_or(|draft| !draft.is_own) {
        return Err(nothing());
    }
    store.remove(id, reader.person(), now).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sign(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Value>, Problem> {
    let (store, id, ledger) = (store(&app)?, id_of(&id)?, app.ledger()?);
    let Adding { signature } = body::json(&headers, body)?;
    let signed = working::sign((ledger, store), id, reader.person(), signature.as_deref()).await?;
    let working = Working::of(&signed.draft)?;
    let signers = ledger.with_world(|world| working.summary(&signed.draft, world))["signers"].clone();
    Ok(Json(json!({ "receipt": signed.accepted, "signers": signers })))
}

/// The schemas of requests and answers.
pub fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let any = || json!({ "type": "object" });
    let signer = object(
        "要签名的人",
        &[
            ("role", text()),
            ("key", text()),
            ("person", json!({ "type": ["string", "null"] })),
            ("name?", json!({ "type": ["string", "null"] })),
            ("signed", json!({ "type": "boolean" })),
        ],
    );
    let signers = || json!({ "type": ["array", "null"], "items": { "$ref": "#/components/schemas/DraftSigner" } });
    let row = [
        ("id", text()),
        ("revision", reference("Count")),
        ("is_own", json!({ "type": "boolean" })),
        ("changed_at", reference("Time")),
        ("expires_at", reference("Time")),
        ("label", text()),
        ("kind", text()),
        ("href", text()),
        ("review", json!({ "type": ["string", "null"] })),
        ("title", json!({})),
        ("signers", signers()),
        ("fields?", any()),
        ("frame?", any()),
        ("prepared?", json!({ "type": ["object", "null"], "description": "声明原文、启封值和已有的签名" })),
    ];
    let kept = object("已保存", &[("id", text()), ("revision", reference("Count")), ("changed_at", reference("Time"))]);
    let keep = object(
        "要保存的草稿",
        &[
            ("known?", reference("Count")),
            ("label", text()),
            ("kind", text()),
            ("href", text()),
            ("fields?", any()),
            ("frame?", any()),
            ("review?", text()),
            ("prepared?", any()),
        ],
    );
    let outcome = object("联署的结果", &[("receipt", json!({ "type": ["object", "null"] })), ("signers", signers())]);
    let list = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Draft" } });
    [
        ("Drafts", object("草稿清单", &[("drafts", list)])),
        ("Draft", object("草稿", &row)),
        ("DraftSigner", signer),
        ("KeepDraft", keep),
        ("KeptDraft", kept),
        ("AddSignature", object("签名", &[("signature?", text())])),
        ("SignedDraft", outcome),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect()
}
