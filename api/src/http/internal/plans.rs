//! `POST /internal/api/v1/plans`: a table of many matters in; out come the commands that it would become, and what stands
//! in their way by row and cell.
//!
//! Nothing is kept and nothing is judged: each command is rehearsed and signed on the device of whoever imports. The
//! digest names the import, so that the same table sent twice is submitted once; what is mended in the page is sent as a
//! table again (`crate::importing::read`).

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderMap;
use axum::routing::post;
use gongkai_domain::confidentiality::Callers;
use gongkai_log::Digest;
use serde_json::{Map, Value, json};

use super::{Door, Unseen};
use crate::exchange::Mapping;
use crate::http::App;
use crate::http::api::body::{self, Arrived};
use crate::http::openapi::{Answer, Endpoint, JSON, object, query, reference};
use crate::http::problem::Problem as Refused;
use crate::http::query::Params;
use crate::importing::{Reading, mapping_text, read};
use crate::sheets::BYTES_MAX;

/// Families that the console imports, with what people call them and the kind that they come to.
pub const FAMILIES: [(&str, &str, &str); 5] = [
    ("pledges", "承诺", "pledge.made.v1"),
    ("organizations", "机构", "organization.registered.v1"),
    ("posts", "职务", "post.created.v1"),
    ("persons", "人员", "person.registered.v1"),
    ("roles", "人员和职责", "role.granted.v1"),
];

/// The endpoint.
pub fn door() -> Door {
    let endpoint = Endpoint {
        method: "post",
        path: "/internal/api/v1/plans",
        id: "planImport",
        summary: "试读一份要批量导入的表格：会生成哪些条，哪一行哪一格有问题，不保存",
        params: const {
            &[
                query("family", "Text", "哪一类：pledges、organizations、posts、persons、roles"),
                query("org", "Text", "表里没有机构代码时，用这个"),
                query("sheet", "Text", "工作表；不写的，读第一张认得表头的"),
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
    params.only(&["family", "org", "sheet"])?;
    let family = params.text("family").and_then(|name| FAMILIES.iter().find(|(known, ..)| *known == name));
    let (family, ..) = family.ok_or_else(|| Refused::query("family", "没有这一类"))?;
    let mapping_text = mapping_text(family, params.text("org")).map_err(|why| Refused::query("org", why))?;
    let mapping = Mapping::parse(&mapping_text).map_err(|error| Refused::internal(&error))?;
    let bytes = body::bytes(&headers, body)?.to_vec();
    let digest = Digest::of(format!("{}{}", Digest::of(&bytes), Digest::of(mapping_text.as_bytes())).as_bytes());
    let sheet = params.text("sheet").map(str::to_owned);
    let reading = tokio::task::spawn_blocking(move || read(&mapping, bytes, sheet.as_deref())).await;
    // A file that the reader of workbooks stumbles over is a broken file, not a failure of ours.
    Ok(Json(answer(&digest, &reading.unwrap_or_else(|_| Reading::broken()))))
}

fn answer(digest: &Digest, reading: &Reading) -> Value {
    let table = json!({ "sheet": reading.sheet, "sheets": reading.sheets, "header_row": reading.header_row,
        "columns": reading.columns, "rows": reading.rows });
    json!({ "digest": digest.to_hex(), "rows": reading.data_rows, "table": table, "commands": reading.commands,
        "problems": reading.problems, "problems_total": reading.problems_total, "notes": reading.notes })
}

/// The schema of the answer.
pub fn schemas() -> Map<String, Value> {
    let list = |about: &str| json!({ "type": "array", "description": about, "items": { "type": "object" } });
    let plan = object(
        "会生成的各条",
        &[
            ("digest", reference("Text")),
            ("rows", reference("Count")),
            ("table", json!({ "type": "object", "description": "工作表 sheet、各列 columns、各行 rows 和单元格原文" })),
            ("commands", list("命令 json、编号 id 和它来自的行 source")),
            ("problems", list("行 row、列 column 及其位置 place、原文 cell、说明 message")),
            ("problems_total", reference("Count")),
            ("notes", json!({ "type": "array", "items": reference("Text") })),
        ],
    );
    [("Plan".to_owned(), plan)].into_iter().collect()
}
