//! A kind's table as the console's script reads it: every shape of the domain has its word here.
//!
//! Not here: what a value of a shape must be; the ledger judges that.

use gongkai_domain::Kind;
use gongkai_domain::field::{Choice, Column, Field, ListRule, ListShape, Place, Shape};
use serde_json::{Value, json};

use crate::http::pages::hand_in;

/// All that a script needs to show or write one.
pub(in crate::http) fn of(kind: &Kind) -> Value {
    json!({
        "kind": kind.name,
        "label": kind.label,
        "family": kind.family(),
        "slug": hand_in::slug(kind),
        "opens": kind.opens,
        "sealed": kind.sealed,
        "fields": kind.fields.iter().map(field).collect::<Vec<_>>(),
        "lists": lists(kind),
    })
}

fn field(field: &Field) -> Value {
    let (place, tier) = match field.place {
        Place::Body => ("body", "public"),
        Place::Slot(tier) => ("slot", tier.as_str()),
    };
    let mut json = shape(field.shape);
    json["name"] = json!(field.name);
    json["label"] = json!(field.label);
    json["place"] = json!(place);
    json["tier"] = json!(tier);
    json["required"] = json!(field.required);
    json
}

/// The lists that a kind can carry: for which value of which field, and the columns.
fn lists(kind: &Kind) -> Value {
    let list = |when: Option<(&str, &str)>, required: bool, list: &ListShape| {
        let columns: Vec<Value> = list.columns.iter().map(column).collect();
        json!({"when": when, "required": required, "columns": columns})
    };
    match kind.list {
        ListRule::None => json!([]),
        ListRule::One { shape, required } => json!([list(None, required, shape)]),
        ListRule::By { field, shapes } => {
            shapes.iter().map(|(wire, shape)| list(Some((field, wire)), false, shape)).collect()
        }
    }
}

fn column(column: &Column) -> Value {
    let mut json = shape(column.shape);
    json["name"] = json!(column.name);
    json["label"] = json!(column.label);
    json["tier"] = json!(column.tier.as_str());
    json["required"] = json!(column.required);
    json
}

fn shape(shape: Shape) -> Value {
    let choices = |choices: &[Choice]| choices.iter().map(|(wire, label)| json!([wire, label])).collect::<Vec<_>>();
    match shape {
        Shape::Text(max) => json!({"shape": "text", "max": max}),
        Shape::Texts(max) => json!({"shape": "texts", "max": max}),
        Shape::Date => json!({"shape": "date"}),
        Shape::Time => json!({"shape": "time"}),
        Shape::Year => json!({"shape": "year"}),
        Shape::Period => json!({"shape": "period"}),
        Shape::Fen => json!({"shape": "fen"}),
        Shape::Count => json!({"shape": "count"}),
        Shape::Percent => json!({"shape": "percent"}),
        Shape::Flag => json!({"shape": "flag"}),
        Shape::Org => json!({"shape": "org"}),
        Shape::Orgs => json!({"shape": "orgs"}),
        Shape::Link(family) => json!({"shape": "link", "family": family}),
        Shape::Key | Shape::SealingKey => json!({"shape": "key"}),
        Shape::Stream => json!({"shape": "stream"}),
        Shape::Hash => json!({"shape": "hash"}),
        Shape::Choice(list) => json!({"shape": "choice", "choices": choices(list)}),
        Shape::Attachments(max) => json!({"shape": "attachments", "max": max}),
        Shape::Dates => json!({"shape": "dates"}),
        Shape::Counts => json!({"shape": "counts"}),
        Shape::Records(members) => {
            json!({"shape": "records", "members": members.iter().map(field).collect::<Vec<_>>()})
        }
        // Proofs of openings are made by the command line, which has the vault's openings at hand.
        _ => json!({"shape": "json"}),
    }
}
