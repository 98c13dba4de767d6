//! `POST /internal/api/v1/plans`: a table of many matters in; out come the commands that it would become, and what stands
//! in their way by row and cell.
//!
//! Nothing is kept and nothing is judged: each command is rehearsed and signed on the device of whoever imports. The
//! digest names the import, so that the same table sent twice is submitted once.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::routing::post;
use gongkai_domain::confidentiality::Callers;
use gongkai_log::Digest;
use serde_json::{Map, Value, json};

use super::{Door, Unseen};
use crate::exchange::sheet::SENT;
use crate::exchange::{Context, Input, Mapping, Plan, Problem, Problems, plan, table};
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::openapi::{Answer, Endpoint, JSON, object, query, reference};
use crate::http::problem::Problem as Refused;
use crate::http::query::Params;
use crate::importing::{check_commands, mapping_text};
use crate::sheets::BYTES_MAX;

/// Families that the console imports, with what people call them.
pub const FAMILIES: [(&str, &str); 4] =
    [("pledges", "承诺"), ("organizations", "机构"), ("persons", "人员"), ("roles", "人员和职责")];

/// Most commands of one import: each is signed on the device, one after the other.
pub const COMMANDS_MAX: usize = 2_000;

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "post",
        path: "/internal/api/v1/plans",
        id: "planImport",
        summary: "试读一份要批量导入的表格：会生成哪些条，哪一行哪一格有问题，不保存",
        params: const {
            &[
                query("family", "Text", "哪一类：pledges、organizations、persons、roles"),
                query("org", "Text", "表里没有机构代码时，用这个"),
            ]
        },
        body: Some(("application/octet-stream", "")),
        answers: &[Answer { status: 200, about: "会生成的各条", media: &[(JSON, "Plan")] }],
        problems: &[
            "bad_query",
            "not_signed_in",
            "cross_origin",
            "body_too_large",
            "unsupported_media_type",
            "internal",
        ],
        writes: true,
        handler: post(make).layer(DefaultBodyLimit::max(BYTES_MAX)),
    };
    Door { endpoint, callers: Callers::SignedIn, unseen: Unseen::Told }
}

async fn make(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Arrived,
) -> Result<Json<Value>, Refused> {
    app.ledger()?;
    params.only(&["family", "org"])?;
    let family = params.text("family").and_then(|name| FAMILIES.iter().find(|(known, _)| *known == name));
    let (family, _) = family.ok_or_else(|| Refused::query("family", "没有这一类"))?;
    let mapping_text = mapping_text(family, params.text("org")).map_err(|why| Refused::query("org", why))?;
    let mapping = Mapping::parse(&mapping_text).map_err(|error| Refused::internal(&error))?;
    let bytes = body::bytes(&headers, body)?.to_vec();
    let digest = Digest::of(format!("{}{}", Digest::of(&bytes), Digest::of(mapping_text.as_bytes())).as_bytes());
    let planned = tokio::task::spawn_blocking(move || planned(&mapping, bytes)).await;
    let planned = planned.unwrap_or_else(|_| {
        let mut problems = Problems::default();
        problems.push(Problem::of_sheet("", "文件打不开，可能已损坏。请用表格软件打开后另存为 xlsx"));
        Plan { problems, ..Plan::default() }
    });
    Ok(Json(json!({ "digest": digest.to_hex(), "rows": planned.rows, "commands": planned.commands,
        "problems": planned.problems.shown, "problems_total": planned.problems.total, "notes": planned.notes })))
}

fn planned(mapping: &Mapping, bytes: Vec<u8>) -> Plan {
    let (mut problems, mut notes) = (Problems::default(), Vec::new());
    if bytes.iter().all(u8::is_ascii_whitespace) {
        problems.push(Problem::of_sheet("", "文件是空的。请选填好的表格"));
        return Plan { problems, ..Plan::default() };
    }
    let input = Input { name: "表格".into(), bytes, folder: None };
    let options = table::ReadOptions { bounds: SENT, ..mapping.read_options() };
    let tables = table::read(&input, &options, &mut problems, &mut notes);
    let mut planned = plan::plan(mapping, &tables, &Context::default());
    check_commands(&mut planned);
    if planned.commands.len() > COMMANDS_MAX {
        let why = format!("生成 {} 条，一次最多 {COMMANDS_MAX} 条，请分成几份", planned.commands.len());
        problems.push(Problem::of_sheet("表格", why));
        planned.commands.clear();
    }
    problems.append(std::mem::take(&mut planned.problems));
    planned.problems = problems;
    planned.notes.splice(0..0, notes);
    planned
}

/// The schema of the answer.
pub fn schemas() -> Map<String, Value> {
    let list = |about: &str| json!({ "type": "array", "description": about, "items": { "type": "object" } });
    let plan = object(
        "会生成的各条",
        &[
            ("digest", reference("Text")),
            ("rows", reference("Count")),
            ("commands", list("命令 json 和它来自的行 source")),
            ("problems", list("行 row、列 column、原文 cell、说明 message")),
            ("problems_total", reference("Count")),
            ("notes", json!({ "type": "array", "items": reference("Text") })),
        ],
    );
    [("Plan".to_owned(), plan)].into_iter().collect()
}
