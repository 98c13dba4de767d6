//! `kinds`: what can be said, so that a stranger can write a command file.

use gongkai_domain::field::{Column, Field, ListShape, Place, Shape};
use gongkai_domain::refusal::tier_label;
use gongkai_domain::{KINDS, Kind, kind};
use serde_json::{Value, json};

use super::terminal;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `kinds`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai kinds\n  $ gongkai kinds pledge.made.v1\n  $ gongkai kinds pledge.made.v1 --sample > pledge.json"
)]
pub struct Args {
    /// 事项种类，例如 pledge.made.v1；不写则全部列出
    #[arg(value_name = "种类")]
    pub kind: Option<String>,
    /// 只打印一条样例命令
    #[arg(long, requires = "kind")]
    pub sample: bool,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the list, or one kind.
///
/// # Errors
/// No such kind.
pub fn run(args: &Args) -> Outcome {
    let Some(name) = &args.kind else {
        list(args.json)?;
        return Ok(Verdict::Yes);
    };
    let kind = kind::find(name)
        .ok_or_else(|| Fault::usage(name.clone(), "没有这种事项").mend("运行 gongkai kinds 看全部种类"))?;
    if args.sample {
        terminal::say(pretty(&(kind.sample)()))?;
    } else if args.json {
        terminal::say(described(kind))?;
    } else {
        terminal::say(sheet(kind))?;
    }
    Ok(Verdict::Yes)
}

fn list(json: bool) -> Result<(), Fault> {
    if json {
        return terminal::say(Value::Array(KINDS.iter().map(described).collect()));
    }
    let mut family = "";
    for kind in KINDS {
        if kind.family() != family {
            family = kind.family();
            terminal::say(format_args!("{}", kind::family_label(family)))?;
        }
        terminal::say(format_args!("  {:<32} {}（由{}提出）", kind.name, kind.label, authors(kind)))?;
    }
    terminal::say("\n加种类名看各项内容和样例，例如 gongkai kinds pledge.made.v1")
}

fn authors(kind: &Kind) -> String {
    kind.authors.iter().map(|role| role.label()).collect::<Vec<_>>().join("或")
}

fn sheet(kind: &Kind) -> String {
    let mut text = format!("{}  {}\n由{}提出；", kind.name, kind.label, authors(kind));
    text += if kind.opens { "开立新事项，stream 可以不写\n" } else { "接续已有事项，须写 stream\n" };
    text += "\nfields 各项（* 为必填）：\n";
    for field in kind.fields {
        text += &row(field.required, field.name, field.label, &place(field), &shape(&field.shape));
    }
    for list in kind.list.shapes() {
        let heading = format!("\n{}（{}）：fields.lines 是一组记录，每条有：\n", list.label, list.name);
        text += &heading;
        for column in list.columns {
            text += &row(column.required, column.name, column.label, tier_label(column.tier), &shape(&column.shape));
        }
    }
    text + "\n样例：\n" + &pretty(&(kind.sample)())
}

fn row(required: bool, name: &str, label: &str, place: &str, shape: &str) -> String {
    let mark = if required { '*' } else { ' ' };
    format!("  {mark} {name:<22} {label}：{shape}；{place}\n")
}

fn place(field: &Field) -> String {
    match field.place {
        Place::Body => "写入正文，永久公开".to_owned(),
        Place::Slot(tier) => tier_label(tier).to_owned(),
    }
}

/// A shape in words that tell what to write.
fn shape(shape: &Shape) -> String {
    match shape {
        Shape::Text(max) => format!("文字，不超过 {max} 字"),
        Shape::Texts(max) => format!("一组文字，每条不超过 {max} 字"),
        Shape::Date => "日期 \"2026-03-10\"".into(),
        Shape::Time => "时间 \"2026-03-10T09:12:00+08:00\"".into(),
        Shape::Year => "年份 2026".into(),
        Shape::Period => "期间 \"2026\"、\"2026-H1\"、\"2026-Q1\" 或 \"2026-02\"".into(),
        Shape::Fen => "金额，整数，以分为单位".into(),
        Shape::Count => "整数，从 0 起".into(),
        Shape::Percent => "0 到 100 的整数".into(),
        Shape::Flag => "true 或 false".into(),
        Shape::Org => "机构代码".into(),
        Shape::Orgs => "一组机构代码".into(),
        Shape::Link(family) => format!("{}的编号 \"{family}/…\"", kind::family_label(family)),
        Shape::Key => "验证钥匙，gongkai keygen 打印的那一行".into(),
        Shape::SealingKey => "加密公钥，X-Wing 公钥的 base64".into(),
        Shape::Stream => "事项编号，例如 disclosure/018f…".into(),
        Shape::Hash => "32 字节散列值，base64".into(),
        Shape::Choice(choices) => {
            let known: Vec<_> = choices.iter().map(|(wire, label)| format!("\"{wire}\"（{label}）")).collect();
            format!("选一：{}", known.join("、"))
        }
        Shape::Proof(_) => "启封内容 {\"salt\", \"name\", \"tier\", \"value\", \"path\"}".into(),
        Shape::Attachments(max) => format!("一组附件 {{\"hash\", \"size\", \"media_type\"}}，不超过 {max} 个"),
        Shape::Dates => "一组日期".into(),
        Shape::Counts => "一组整数，从 0 起".into(),
        Shape::Records(members) => {
            let members: Vec<_> = members.iter().map(|member| format!("{}（{}）", member.name, member.label)).collect();
            format!("一组记录，每条有 {}", members.join("、"))
        }
        other => format!("{other:?}"),
    }
}

fn described(kind: &Kind) -> Value {
    let lists: Vec<Value> = kind.list.shapes().into_iter().map(described_list).collect();
    json!({
        "kind": kind.name,
        "label": kind.label,
        "family": kind.family(),
        "opens": kind.opens,
        "authors": kind.authors.iter().map(|role| role.wire()).collect::<Vec<_>>(),
        "fields": kind.fields.iter().map(described_field).collect::<Vec<_>>(),
        "lists": lists,
        "sample": (kind.sample)(),
    })
}

fn described_field(field: &Field) -> Value {
    let tier = match field.place {
        Place::Body => None,
        Place::Slot(tier) => Some(tier.as_str()),
    };
    json!({"name": field.name, "label": field.label, "required": field.required, "tier": tier, "shape": shape(&field.shape)})
}

fn described_list(list: &ListShape) -> Value {
    let column = |column: &Column| {
        json!({"name": column.name, "label": column.label, "required": column.required, "tier": column.tier.as_str(),
            "shape": shape(&column.shape)})
    };
    json!({"name": list.name, "label": list.label, "columns": list.columns.iter().map(column).collect::<Vec<_>>()})
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value has a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_sheet_with_all_its_fields_and_a_sample_that_is_a_command() {
        for kind in KINDS {
            let sheet = sheet(kind);
            for field in kind.fields {
                assert!(sheet.contains(field.label), "{}: {}", kind.name, field.name);
            }
            let (_, sample) = sheet.rsplit_once("样例：\n").unwrap();
            let sample: Value = serde_json::from_str(sample).unwrap();
            gongkai_domain::Command::from_value(sample).unwrap();
        }
    }

    #[test]
    fn every_shape_is_told_in_words() {
        let shapes = KINDS.iter().flat_map(|kind| kind.fields).map(|field| shape(&field.shape));
        assert!(shapes.into_iter().all(|text| !text.contains("Records(") && !text.contains("Shape")));
    }
}
