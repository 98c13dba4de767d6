//! Values as people read them on a terminal: a choice by its Chinese name, also inside records, money in yuan.
//!
//! By the field table alone, so a new kind is shown without a line here. For programs there is `--json`, which has the
//! words of the wire.

use gongkai_domain::Kind;
use gongkai_domain::field::{Field, Shape};
use serde_json::Value;

/// A field of a kind as people read it, label and value; by its wire name where this version does not know it.
pub fn line(kind: Option<&Kind>, name: &str, value: &Value) -> String {
    match kind.and_then(|kind| kind.field(name)) {
        Some(field) => labelled(field, value),
        None => format!("{name}：{}", plain(value)),
    }
}

fn labelled(field: &Field, value: &Value) -> String {
    format!("{}：{}", field.label, shown(&field.shape, value))
}

/// A value of a shape as people read it.
pub fn shown(shape: &Shape, value: &Value) -> String {
    match (shape, value) {
        (Shape::Choice(choices), Value::String(wire)) => {
            let choice = choices.iter().find(|(known, _)| known == wire);
            choice.map_or(wire.as_str(), |(_, label)| label).to_owned()
        }
        (Shape::Flag, Value::Bool(yes)) => if *yes { "是" } else { "否" }.to_owned(),
        (Shape::Fen, Value::Number(number)) => number.as_i64().map_or_else(|| plain(value), yuan),
        (Shape::Percent, Value::Number(number)) => format!("{number}%"),
        (Shape::Records(fields), Value::Array(records)) => {
            records.iter().map(|one| record(fields, one)).collect::<Vec<_>>().join("；")
        }
        (_, Value::Array(items)) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(plain).collect::<Vec<_>>().join("、")
        }
        _ => plain(value),
    }
}

/// The members of a record that are there, in the order of the table.
fn record(fields: &[Field], value: &Value) -> String {
    let Some(members) = value.as_object() else { return plain(value) };
    let known = fields.iter().filter_map(|field| Some(labelled(field, members.get(field.name)?)));
    let other = members.iter().filter(|(name, _)| !fields.iter().any(|field| field.name == *name));
    let other = other.map(|(name, value)| format!("{name}：{}", plain(value)));
    known.chain(other).collect::<Vec<_>>().join("，")
}

fn yuan(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let fen = fen.unsigned_abs();
    format!("{sign}{}.{:02} 元", fen / 100, fen % 100)
}

/// A value without a shape: a text as it stands, anything else as JSON.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(kind: &str, name: &str, value: &Value) -> String {
        line(gongkai_domain::kind::find(kind), name, value)
    }

    #[test]
    fn a_choice_is_shown_by_its_chinese_name_also_inside_records() {
        assert_eq!(of("letter.received.v1", "class", &json!("opinion")), "来信类别：意见建议");
        assert_eq!(of("letter.received.v1", "real_name", &json!(false)), "实名：否");
        let points = json!([{"result": "done"}, {"result": "not_now"}]);
        let shown = of("disclosure.answered.v1", "results", &points);
        assert!(shown.contains("；") && !shown.contains("not_now") && !shown.contains("done"), "{shown}");
    }

    #[test]
    fn no_choice_of_any_kind_is_shown_by_its_wire_word() {
        let sealed = gongkai_domain::KINDS.iter().flat_map(|kind| kind.fields);
        let choices = sealed.filter_map(|field| match field.shape {
            Shape::Choice(choices) => Some((field, choices)),
            _ => None,
        });
        for (field, choices) in choices {
            for (wire, label) in choices {
                assert_eq!(shown(&field.shape, &json!(wire)), *label, "{}", field.name);
            }
        }
    }

    #[test]
    fn money_is_in_yuan_and_what_nobody_knows_is_as_it_came() {
        assert_eq!(shown(&Shape::Fen, &json!(-33_030)), "-330.30 元");
        assert_eq!(shown(&Shape::Fen, &json!(5)), "0.05 元");
        assert_eq!(line(None, "new", &json!({"a": 1})), "new：{\"a\":1}");
        assert_eq!(shown(&Shape::Dates, &json!(["2026-03-01", "2026-03-02"])), "2026-03-01、2026-03-02");
        assert_eq!(of("letter.received.v1", "class", &json!("later")), "来信类别：later");
    }
}
