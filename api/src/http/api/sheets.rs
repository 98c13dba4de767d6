//! `/api/v1/sheets/{of}`: what the sheet of a disclosure or a notice says, for whoever prints it elsewhere
//! (`gongkai print --url`). Every line is in it, so it counts as a download.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object, path, reference};
use crate::http::pages::paper;
use crate::http::problem::Problem;
use crate::paper::Sheet;

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/sheets/{of}",
        id: "sheet",
        summary: "张贴表：三务公开或公示公告印在纸上的全部内容",
        params: const { &[path("of", "Text", "条目序号，或事项编号")] },
        body: None,
        answers: &[Answer { status: 200, about: "张贴表", media: &[(JSON, "Sheet")] }],
        problems: &["not_found", "state", "views_behind", "busy", "internal"],
        writes: false,
        handler: get(sheet),
    }
}

async fn sheet(State(app): State<App>, Path(of): Path<String>) -> Result<Json<Sheet>, Problem> {
    let _permit = app.download()?;
    Ok(Json(paper::sheet(&app, &of).await?))
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let text = || reference("Text");
    let list = |of: Value| json!({ "type": "array", "items": of });
    let labelled = object("一栏", &[("label", text()), ("value", text())]);
    let seal = object(
        "核对用的",
        &[("index", reference("Index")), ("hash", text()), ("address", text()), ("hotline", text())],
    );
    let words = ["heading", "text", "values", "figures", "table"];
    let part = object(
        "一部分：标题、文字、几栏、几个大数，或一张表格",
        &[
            ("part", json!({ "type": "string", "enum": words })),
            ("text?", text()),
            ("values?", list(reference("SheetValue"))),
            ("figures?", list(reference("SheetValue"))),
            ("columns?", list(object("一列", &[("label", text()), ("is_number", json!({ "type": "boolean" }))]))),
            ("rows?", list(json!({ "type": "object" }))),
            ("foot?", list(text())),
        ],
    );
    let sheet = object(
        "张贴表",
        &[
            ("form", text()),
            ("ledger", text()),
            ("kind", text()),
            ("path", list(text())),
            ("title", text()),
            ("number", reference("Index")),
            ("facts", list(reference("SheetValue"))),
            ("parts", list(part)),
            ("seal", seal),
            ("is_demo", json!({ "type": "boolean" })),
        ],
    );
    Map::from_iter([("SheetValue".to_owned(), labelled), ("Sheet".to_owned(), sheet)])
}
