//! `GET /internal/api/v1/matters…`: the sealed matters that a reader may see, with their clocks; one of them with
//! its events; who read it; what the reader read.
//!
//! No content: that is `readings`. What a reader may not see is left out or not there.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use gongkai_domain::Role;
use gongkai_domain::confidentiality::Callers;
use gongkai_domain::kind::access::Purpose;
use gongkai_log::StreamId;
use gongkai_projections::internal::InternalViews;
use gongkai_projections::internal::read::MATTERS_MAX;
use serde_json::{Map, Value, json};

use super::{Door, SignedIn, Unseen};
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, Param, object, path, query, reference};
use crate::http::pages::{nothing, stream};
use crate::http::problem::Problem;
use crate::http::query::Params;

/// Whoever handles, reviews, watches or inspects something.
pub const OFFICIALS: Callers =
    Callers::Holding(&[Role::Publisher, Role::Reviewer, Role::Approver, Role::Supervisor, Role::Inspector]);

/// The four endpoints.
pub fn doors() -> [Door; 4] {
    let endpoint = |path, id, summary, params, schema, handler| Endpoint {
        method: "get",
        path,
        id,
        summary,
        params,
        body: None,
        answers: schema,
        problems: &["bad_query", "not_found", "views_behind", "internal"],
        writes: true,
        handler,
    };
    let list = endpoint(
        "/internal/api/v1/matters",
        "matters",
        "登录人可以看到的封存事项和办理期限，最新的在前",
        const {
            &[
                query("family", "Word", "栏目：letter、nomination、notice、vacancy、review、consultation 等"),
                query("purpose", "Word", "用途：handling、review、inspection、request"),
                query("before", "Count", "只看这个序号以前的"),
                query("limit", "Limit", "条数"),
            ]
        },
        const { &[Answer { status: 200, about: "清单", media: &[(JSON, "Matters")] }] },
        get(matters),
    );
    let one = endpoint(
        "/internal/api/v1/matters/{family}/{id}",
        "matter",
        "一件封存事项的经过（不含内容）",
        MATTER_PARAMS,
        const { &[Answer { status: 200, about: "经过", media: &[(JSON, "MatterEvents")] }] },
        get(matter),
    );
    let read_by = endpoint(
        "/internal/api/v1/matters/{family}/{id}/accesses",
        "accesses_to",
        "谁查阅过这件事项（督查人）",
        const { &[path("family", "Word", "栏目"), path("id", "Uuid", "事项编号")] },
        const { &[Answer { status: 200, about: "查阅记录", media: &[(JSON, "Accesses")] }] },
        get(accesses_to),
    );
    let own = endpoint(
        "/internal/api/v1/accesses",
        "own_accesses",
        "登录人自己的查阅记录",
        const { &[query("before", "Count", "只看这个序号以前的")] },
        const { &[Answer { status: 200, about: "查阅记录", media: &[(JSON, "Accesses")] }] },
        get(own_accesses),
    );
    let door = |endpoint, callers| Door { endpoint, callers, unseen: Unseen::Absent };
    [
        door(list, OFFICIALS),
        door(one, OFFICIALS),
        door(read_by, Callers::Holding(&[Role::Inspector])),
        door(own, Callers::SignedIn),
    ]
}

const MATTER_PARAMS: &[Param] = &[
    path("family", "Word", "栏目"),
    path("id", "Uuid", "事项编号"),
    query("purpose", "Word", "用途：handling、review、inspection、request"),
];

/// The internal views; what needs them is not there without a vault.
pub fn views(app: &App) -> Result<&InternalViews, Problem> {
    app.internal.as_ref().ok_or_else(nothing)
}

/// Why somebody asks.
pub fn purpose(params: &Params) -> Result<Purpose, Problem> {
    let text = params.text("purpose").unwrap_or("handling");
    Purpose::from_wire(text).ok_or_else(|| Problem::query("purpose", "没有这种用途"))
}

/// The matter that an address names.
pub fn matter_id(family: &str, id: &str) -> Result<StreamId, Problem> {
    stream(family, id)?.parse().map_err(|_| nothing())
}

async fn matters(State(app): State<App>, SignedIn(reader): SignedIn, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["family", "purpose", "before", "limit"])?;
    let family = params.text("family").ok_or_else(|| Problem::query("family", "必须给出"))?;
    let before = params.number("before", 0, i64::MAX.unsigned_abs())?;
    let limit = params.limit(MATTERS_MAX)?;
    let found = views(&app)?.matters(&reader, purpose(&params)?, family, before, limit, app.today()).await;
    Ok(Json(json!({ "matters": found? })))
}

async fn matter(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path((family, id)): Path<(String, String)>,
    params: Params,
) -> Result<Json<Value>, Problem> {
    params.only(&["purpose"])?;
    let stream = matter_id(&family, &id)?;
    let found = views(&app)?.matter(&reader, purpose(&params)?, &stream, app.today()).await;
    let (matter, events) = found?.ok_or_else(nothing)?;
    Ok(Json(json!({ "matter": matter, "events": events })))
}

async fn accesses_to(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    Path((family, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let stream = matter_id(&family, &id)?;
    let found = views(&app)?.accesses_to(&reader, &stream).await;
    let accesses = found?.ok_or_else(nothing)?;
    Ok(Json(json!({ "accesses": accesses })))
}

async fn own_accesses(
    State(app): State<App>,
    SignedIn(reader): SignedIn,
    params: Params,
) -> Result<Json<Value>, Problem> {
    params.only(&["before"])?;
    let before = params.number("before", 0, i64::MAX.unsigned_abs())?;
    let found = views(&app)?.own_accesses(&reader, before).await;
    Ok(Json(json!({ "accesses": found? })))
}

/// The schemas of the answers.
pub fn schemas() -> Map<String, Value> {
    let list = |item: Value| json!({ "type": "array", "items": item });
    let due = object(
        "期限",
        &[
            ("what", reference("Text")),
            ("due_on", reference("Date")),
            ("days_over", reference("Count")),
            ("rule", json!({ "type": ["string", "null"] })),
        ],
    );
    let matter = object(
        "封存事项",
        &[
            ("seq", reference("Count")),
            ("stream", reference("StreamId")),
            ("kind", reference("Text")),
            ("label", reference("Text")),
            ("org", reference("OrgCode")),
            ("hidden", json!({ "type": "boolean", "description": "内容由提交人加密，只有收件人能启封" })),
            ("received_at", reference("Time")),
            ("latest", reference("Text")),
            ("revision", reference("Count")),
            ("next", json!({ "type": ["string", "null"], "description": "审核的下一关" })),
            ("dues", list(due)),
        ],
    );
    let event = object(
        "封存事项的一步",
        &[
            ("seq", reference("Count")),
            ("revision", reference("Count")),
            ("hash", reference("Hash")),
            ("kind", reference("Text")),
            ("label", reference("Text")),
            ("org", reference("OrgCode")),
            ("signers", json!({ "type": "array" })),
            ("received_at", reference("Time")),
            ("period", json!({ "type": ["integer", "null"] })),
            ("hidden", json!({ "type": "boolean" })),
            ("tiers", list(reference("Tier"))),
        ],
    );
    let access = object(
        "查阅记录",
        &[
            ("seq", reference("Count")),
            ("stream", reference("StreamId")),
            ("revision", reference("Count")),
            ("purpose", reference("Text")),
            ("reader", reference("StreamId")),
            ("key", reference("Text")),
            ("org", reference("OrgCode")),
            ("at", reference("Time")),
        ],
    );
    [
        ("Matters", object("封存事项清单", &[("matters", list(reference("SealedMatter")))])),
        (
            "MatterEvents",
            object(
                "封存事项的经过",
                &[("matter", reference("SealedMatter")), ("events", list(reference("SealedEvent")))],
            ),
        ),
        ("Accesses", object("查阅记录清单", &[("accesses", list(reference("AccessRow")))])),
        ("SealedMatter", matter),
        ("SealedEvent", event),
        ("AccessRow", access),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), schema))
    .collect()
}
