//! The description of the API (OpenAPI 3.1), made from the list of endpoints and the list of kinds.
//!
//! Nothing is described twice: the router is built from the same [`Endpoint`]s as the paths here, and
//! a kind's schema and example come from its table of fields and its sample. To describe a new
//! answer, add its schema to [`fixed_schemas`] and name it in the endpoint.

use axum::routing::MethodRouter;
use gongkai_domain::field::{Field, INTEGER_MAX, ListShape, Shape};
use gongkai_domain::kind::{KINDS, Kind};
use serde_json::{Map, Value, json};

use super::App;
use super::problem::TABLE;

/// One operation of the API with its handler.
pub struct Endpoint {
    /// `get`, `post`, `put` or `delete`.
    pub method: &'static str,
    /// Path template, the same for router and description.
    pub path: &'static str,
    /// Unique name of the operation.
    pub id: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Parameters of path, query and header.
    pub params: &'static [Param],
    /// Media type and schema of the body that it takes.
    pub body: Option<(&'static str, &'static str)>,
    /// Answers other than problems.
    pub answers: &'static [Answer],
    /// Problems that it can answer, by code.
    pub problems: &'static [&'static str],
    /// Only on the internal listener.
    pub writes: bool,
    /// The handler.
    pub handler: MethodRouter<App>,
}

/// A parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// `path`, `query` or `header`.
    pub place: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Schema, as the name of one in [`fixed_schemas`].
    pub schema: &'static str,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// What it holds.
    pub about: &'static str,
    /// Media types with their schemas; an empty schema name is any text or bytes.
    pub media: &'static [(&'static str, &'static str)],
}

/// A parameter of the path.
pub const fn path(name: &'static str, schema: &'static str, about: &'static str) -> Param {
    Param { name, place: "path", about, schema }
}

/// A parameter of the query.
pub const fn query(name: &'static str, schema: &'static str, about: &'static str) -> Param {
    Param { name, place: "query", about, schema }
}

/// JSON of a schema.
pub const JSON: &str = "application/json";

pub fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// Every endpoint of both listeners.
pub fn everything() -> Vec<Endpoint> {
    let internal = super::internal::doors().into_iter().map(|door| door.endpoint);
    super::api::endpoints().into_iter().chain(internal).collect()
}

/// The whole description.
pub fn document(endpoints: &[Endpoint], title: &str, base_url: &str) -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints {
        let item = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        item[endpoint.method] = operation(endpoint);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("{title} 数据接口"),
            "version": "1.0.0",
            "description": "只读部分对所有人开放；标有「内部」的操作只在内网监听地址上，其中 prepare 和 submissions 在公众地址上也有，只收群众提交的事项。金额一律是整数分；时间是 RFC 3339。",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": base_url }],
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut responses = Map::new();
    for answer in endpoint.answers {
        let content: Map<String, Value> =
            answer.media.iter().map(|(media, schema)| ((*media).to_owned(), content(schema))).collect();
        responses.insert(answer.status.to_string(), json!({ "description": answer.about, "content": content }));
    }
    for row in TABLE.iter().filter(|row| endpoint.problems.contains(&row.code)) {
        let problem = responses.entry(row.status.to_string()).or_insert_with(
            || json!({ "description": "", "content": { "application/problem+json": { "schema": reference("Problem") } } }),
        );
        let known = problem["description"].as_str().unwrap_or_default();
        let comma = if known.is_empty() { "" } else { ";" };
        problem["description"] = json!(format!("{known}{comma}{}（{}）", row.title, row.code));
    }
    let parameters: Vec<Value> = endpoint.params.iter().map(parameter).collect();
    let mut operation = json!({
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "tags": [if endpoint.writes { "内部" } else { "公开" }],
        "parameters": parameters,
        "responses": responses,
    });
    if let Some((media, schema)) = endpoint.body {
        let mut body = Map::new();
        body.insert(media.to_owned(), content(schema));
        operation["requestBody"] = json!({ "required": true, "content": body });
    }
    operation
}

fn parameter(param: &Param) -> Value {
    json!({
        "name": param.name,
        "in": param.place,
        "required": param.place == "path" || param.name == "Idempotency-Key",
        "description": param.about,
        "schema": reference(param.schema),
    })
}

fn content(schema: &str) -> Value {
    if schema.is_empty() { json!({}) } else { json!({ "schema": reference(schema) }) }
}

/// All schemas: the fixed ones and one a kind.
fn schemas() -> Map<String, Value> {
    let mut schemas = fixed_schemas();
    for kind in KINDS {
        schemas.insert(kind.name.to_owned(), command(kind));
    }
    let kinds: Vec<Value> = KINDS.iter().map(|kind| reference(kind.name)).collect();
    let mapping: Map<String, Value> =
        KINDS.iter().map(|kind| (kind.name.to_owned(), json!(format!("#/components/schemas/{}", kind.name)))).collect();
    schemas.insert(
        "Command".into(),
        json!({ "oneOf": kinds, "discriminator": { "propertyName": "kind", "mapping": mapping } }),
    );
    schemas
}

/// A kind's command.
fn command(kind: &Kind) -> Value {
    let mut fields: Map<String, Value> =
        kind.fields.iter().map(|field| (field.name.to_owned(), labelled(field))).collect();
    if let Some(lines) = lines(kind) {
        fields.insert("lines".into(), lines);
    }
    let mut required: Vec<&str> = kind.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    required.sort_unstable();
    let mut members = vec!["fields", "kind", "org"];
    if !kind.opens {
        members.push("stream");
    }
    json!({
        "title": kind.label,
        "type": "object",
        "required": members,
        "additionalProperties": false,
        "properties": {
            "kind": { "const": kind.name },
            "stream": reference("StreamId"),
            "org": reference("OrgCode"),
            "declared_at": reference("Time"),
            "proxy": reference("Proxy"),
            "fields": { "type": "object", "required": required, "additionalProperties": false, "properties": fields },
        },
        "examples": [(kind.sample)()],
    })
}

/// The list that a kind can carry; of several the reader gets the choice.
fn lines(kind: &Kind) -> Option<Value> {
    let shapes = kind.list.shapes();
    let mut lists: Vec<Value> = shapes.into_iter().map(list).collect();
    match lists.len() {
        0 => None,
        1 => lists.pop(),
        _ => Some(json!({ "oneOf": lists })),
    }
}

fn list(shape: &ListShape) -> Value {
    let columns: Map<String, Value> = shape
        .columns
        .iter()
        .map(|column| (column.name.to_owned(), titled(of_shape(&column.shape), column.label)))
        .collect();
    let required: Vec<&str> = shape.columns.iter().filter(|column| column.required).map(|column| column.name).collect();
    json!({
        "title": shape.label,
        "type": "array",
        "maxItems": gongkai_domain::submission::LINES_MAX,
        "items": { "type": "object", "required": required, "additionalProperties": false, "properties": columns },
    })
}

fn labelled(field: &Field) -> Value {
    let mut schema = titled(of_shape(&field.shape), field.label);
    if let gongkai_domain::field::Place::Slot(tier) = field.place {
        schema["x-tier"] = json!(tier.as_str());
    }
    schema
}

/// A reference may carry no title of its own in every reader, so it is wrapped.
fn titled(schema: Value, title: &str) -> Value {
    match schema {
        Value::Object(members) if members.contains_key("$ref") => json!({ "title": title, "allOf": [members] }),
        mut schema => {
            schema["title"] = json!(title);
            schema
        }
    }
}

fn array(items: &Value, items_max: usize) -> Value {
    json!({ "type": "array", "items": items, "maxItems": items_max })
}

/// The values of a shape.
fn of_shape(shape: &Shape) -> Value {
    use gongkai_domain::field::{DATES_MAX, ITEMS_MAX};
    match shape {
        Shape::Text(chars_max) => json!({ "type": "string", "maxLength": chars_max }),
        Shape::Texts(chars_max) => array(&json!({ "type": "string", "maxLength": chars_max }), ITEMS_MAX),
        Shape::Date => reference("Date"),
        Shape::Time => reference("Time"),
        Shape::Year => json!({ "type": "integer", "minimum": 1900, "maximum": 2999 }),
        Shape::Period => json!({ "type": "string", "pattern": "^[0-9]{4}(-(H[12]|Q[1-4]|0[1-9]|1[0-2]))?$" }),
        Shape::Fen => {
            json!({ "type": "integer", "minimum": -INTEGER_MAX, "maximum": INTEGER_MAX, "description": "分" })
        }
        Shape::Count => json!({ "type": "integer", "minimum": 0, "maximum": INTEGER_MAX }),
        Shape::Percent => json!({ "type": "integer", "minimum": 0, "maximum": 100 }),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Org => reference("OrgCode"),
        Shape::Orgs => array(&reference("OrgCode"), ITEMS_MAX),
        Shape::Link(family) => json!({ "type": "string", "pattern": format!("^{family}/[0-9a-f-]{{36}}$") }),
        Shape::Key => json!({ "type": "string", "description": "验证钥匙：名称+8 位十六进制+base64" }),
        Shape::SealingKey => json!({ "type": "string", "description": "加密公钥：X-Wing 公钥的 base64" }),
        Shape::Stream => json!({ "type": "string", "description": "事项编号，种类/UUID" }),
        Shape::Hash => reference("Hash"),
        Shape::Choice(choices) => {
            let choices: Vec<Value> =
                choices.iter().map(|(wire, label)| json!({ "const": wire, "title": label })).collect();
            json!({ "type": "string", "oneOf": choices })
        }
        Shape::Proof(_) => json!({ "type": "object", "description": "启封内容：盐、名称、范围、值和路径" }),
        Shape::Attachments(max) => array(&reference("Attachment"), *max),
        Shape::Dates => array(&reference("Date"), DATES_MAX),
        Shape::Counts => array(&json!({ "type": "integer", "minimum": 0 }), ITEMS_MAX),
        Shape::Records(members) => {
            let properties: Map<String, Value> =
                members.iter().map(|field| (field.name.to_owned(), labelled(field))).collect();
            let required: Vec<&str> = members.iter().filter(|field| field.required).map(|field| field.name).collect();
            let record = json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties });
            array(&record, ITEMS_MAX)
        }
        _ => json!({}),
    }
}

/// An object whose members are all there, from `(name, schema)`; a name that ends in `?` is optional.
pub fn object(title: &str, members: &[(&str, Value)]) -> Value {
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone())).collect();
    json!({ "title": title, "type": "object", "required": required, "properties": properties })
}

/// Schemas that do not come from the list of kinds.
fn fixed_schemas() -> Map<String, Value> {
    let mut schemas = values();
    schemas.extend(writing());
    schemas.extend(super::api::schemas());
    schemas.extend(super::internal::schemas());
    schemas
}

/// Schemas of single values.
fn values() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let named = [
        ("Text", text()),
        ("Count", count()),
        ("Page", json!({ "type": "integer", "minimum": 1, "maximum": super::query::PAGE_MAX, "default": 1 })),
        (
            "Limit",
            json!({ "type": "integer", "minimum": 1, "maximum": super::query::LIMIT_MAX, "default": super::query::LIMIT_DEFAULT }),
        ),
        ("Year", json!({ "type": "integer", "minimum": 1900, "maximum": 2999 })),
        ("Format", json!({ "type": "string", "enum": ["json", "csv", "jsonl"], "default": "json" })),
        ("Date", json!({ "type": "string", "format": "date", "examples": ["2026-03-10"] })),
        ("Time", json!({ "type": "string", "format": "date-time", "examples": ["2026-03-10T09:12:00+08:00"] })),
        (
            "Index",
            json!({ "type": "integer", "minimum": 0, "maximum": INTEGER_MAX, "description": "账本条目序号，从 0 起" }),
        ),
        ("Hash", json!({ "type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$", "description": "32 字节，标准 base64" })),
        ("Uuid", json!({ "type": "string", "format": "uuid" })),
        ("Word", json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" })),
        ("StreamId", json!({ "type": "string", "pattern": "^[a-z_]{1,32}/[0-9a-f-]{36}$" })),
        ("OrgCode", json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,32}$" })),
        ("IdempotencyKey", json!({ "type": "string", "pattern": "^[\\x21-\\x7e]{1,128}$" })),
        ("Tier", json!({ "type": "string", "enum": ["public", "members", "unit", "named"] })),
        ("Bytes", json!({ "type": "string", "contentMediaType": "application/octet-stream" })),
    ];
    let mut schemas: Map<String, Value> = named.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let attachment = object("附件", &[("hash", reference("Hash")), ("size", count()), ("media_type", text())]);
    schemas.insert("Attachment".into(), attachment);
    let channels = json!({ "type": "string", "enum": gongkai_log::statement::PROXY_CHANNELS });
    schemas.insert("Proxy".into(), object("代录", &[("channel", channels), ("original", reference("Hash"))]));
    let problem = [
        ("type", text()),
        ("title", text()),
        ("status", json!({ "type": "integer" })),
        ("detail", text()),
        ("code", json!({ "type": "string", "enum": TABLE.iter().map(|row| row.code).collect::<Vec<_>>() })),
        ("place?", text()),
        ("receipt?", json!({ "type": "string", "description": "收件钥匙签名的不予受理回执" })),
        ("head?", object("最新修订", &[("revision", count()), ("hash", reference("Hash"))])),
    ];
    schemas.insert("Problem".into(), object("问题(RFC 9457)", &problem));
    schemas
}

/// Schemas of what authors hand in and get.
fn writing() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let any = || json!({});
    let signers = json!({ "type": "array", "minItems": 1, "maxItems": 16, "items": {
        "type": "array", "prefixItems": [text(), text()], "items": false, "minItems": 2, "description": "[职责, 钥匙名]" } });
    let slot = || json!({ "type": "integer", "minimum": 0, "maximum": 15 });
    let filled = object(
        "启封值",
        &[
            ("slot", slot()),
            ("salt", reference("Hash")),
            ("tier", reference("Tier")),
            ("name", text()),
            ("value", any()),
        ],
    );
    let empty = object("空槽", &[("slot", slot()), ("salt", reference("Hash")), ("filler", reference("Hash"))]);
    let openings = json!({ "type": "array", "minItems": 16, "maxItems": 16, "items": { "oneOf": [reference("Opening"), reference("EmptySlot")] } });
    let line = object(
        "明细一行",
        &[("line", reference("Index")), ("salt", reference("Hash")), ("row", json!({ "type": "object" }))],
    );
    let lines =
        || json!({ "type": "array", "maxItems": gongkai_domain::submission::LINES_MAX, "items": reference("Line") });
    let request = json!({ "title": "准备一条声明", "allOf": [reference("Command")],
        "properties": { "signers": signers }, "required": ["signers"] });
    let list = [
        ("Opening", filled),
        ("EmptySlot", empty),
        ("Line", line),
        ("PrepareRequest", request),
        (
            "Prepared",
            object("要签名的内容", &[("statement", text()), ("openings", openings.clone()), ("lines", lines())]),
        ),
        ("Submission", object("提交", &[("note", text()), ("openings", openings), ("lines?", lines())])),
        (
            "Receipt",
            object(
                "回执",
                &[
                    ("index", reference("Index")),
                    ("entry_hash", reference("Hash")),
                    ("statement_hash", reference("Hash")),
                    ("recorded_at", reference("Time")),
                ],
            ),
        ),
        (
            "Promised",
            object(
                "封存事项的收件承诺",
                &[
                    ("promise", json!({ "type": "string", "description": "收件钥匙签名的承诺原文" })),
                    ("commitment", reference("Hash")),
                    ("received_at", reference("Time")),
                    ("deadline", reference("Time")),
                    ("status_code", json!({ "type": "string", "description": "查询码，不登录即可查看办理情况" })),
                ],
            ),
        ),
        (
            "StoredAttachment",
            object("已收下的附件", &[("hash", reference("Hash")), ("size", json!({ "type": "integer" }))]),
        ),
    ];
    list.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn described() -> Value {
        document(&everything(), "清溪县公开账本", "https://gongkai.example")
    }

    fn references(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value.as_str() {
                        Some(target) if name == "$ref" => drop(into.insert(target.to_owned())),
                        Some(target) if target.starts_with("#/components") => drop(into.insert(target.to_owned())),
                        _ => references(value, into),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, into)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_of_the_description_leads_to_a_schema() {
        let document = described();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > KINDS.len(), "{found:?}");
        for target in found {
            assert!(document.pointer(&target[1..]).is_some(), "{target}");
        }
    }

    #[test]
    fn every_endpoint_is_described_once_with_its_parameters_and_a_good_answer() {
        let endpoints = everything();
        let ids: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.id).collect();
        assert_eq!(ids.len(), endpoints.len());
        for endpoint in &endpoints {
            let braces = endpoint.path.split('{').skip(1).filter_map(|part| part.split('}').next());
            let in_path: Vec<&str> = braces.collect();
            let described: Vec<&str> =
                endpoint.params.iter().filter(|param| param.place == "path").map(|param| param.name).collect();
            assert_eq!(in_path, described, "{}", endpoint.path);
            assert!(endpoint.answers.iter().any(|answer| answer.status < 300), "{}", endpoint.path);
            assert!(
                endpoint.problems.iter().all(|code| super::super::problem::find(code).code == *code),
                "{}",
                endpoint.path
            );
            assert!(!endpoint.summary.is_empty());
        }
    }

    #[test]
    fn every_kind_has_a_schema_that_its_sample_fits() {
        let document = described();
        for kind in KINDS {
            let schema = &document["components"]["schemas"][kind.name];
            let sample = &schema["examples"][0];
            let fields = schema["properties"]["fields"]["properties"].as_object().unwrap();
            for name in sample["fields"].as_object().unwrap().keys() {
                assert!(fields.contains_key(name), "{}: {name}", kind.name);
            }
            for name in schema["properties"]["fields"]["required"].as_array().unwrap() {
                assert!(sample["fields"].get(name.as_str().unwrap()).is_some(), "{}: {name}", kind.name);
            }
        }
    }

    #[test]
    fn every_shape_of_a_field_has_a_schema() {
        for field in KINDS.iter().flat_map(|kind| kind.fields) {
            assert_ne!(of_shape(&field.shape), json!({}), "{}", field.name);
        }
    }
}
