//! What the internal side lists, as people read it: the timeline of a matter, and what waits for somebody.
//!
//! From the JSON of the internal side alone; a member that this version does not know is not shown.

use chrono::{DateTime, Utc};
use gongkai_domain::Role;
use serde_json::Value;

use crate::http::zone;

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

/// A moment in China's time.
fn moment(row: &Value, name: &str) -> String {
    let at = text(row, name).parse::<DateTime<Utc>>();
    at.map_or_else(|_| text(row, name).to_owned(), |at| at.with_timezone(&zone()).format("%Y-%m-%d %H:%M").to_string())
}

/// A timeline, a row a line, the earliest first.
pub fn timeline(stream: &str, rows: &[Value]) -> String {
    let mut lines = vec![format!("{stream} 的经过，共 {} 行", rows.len())];
    lines.extend(rows.iter().map(|row| format!("{}  {}", moment(row, "at"), step(row))));
    lines.join("\n")
}

fn step(row: &Value) -> String {
    let place = format!("{}，第 {} 次修订", text(row, "stream"), row["revision"]);
    if text(row, "what") == "access" {
        let (reader, purpose, org) = (text(row, "reader"), text(row, "purpose"), text(row, "org"));
        return format!("查阅  {reader} 以机构 {org} 的名义查阅，用途：{purpose}（{place}）");
    }
    let (tier, entry) = match (text(row, "what"), row["index"].as_u64()) {
        ("public", Some(index)) => ("公开", format!("，第 {index} 号")),
        ("public", None) => ("公开", String::new()),
        (_, Some(index)) => ("封存", format!("，在第 {index} 号时段")),
        (_, None) => ("封存", "，时段未满".to_owned()),
    };
    let hidden = if row["hidden"] == Value::Bool(true) { "，内容加密给收件人" } else { "" };
    let by = signers(row);
    format!("{tier}  {}（{place}{entry}{hidden}）机构 {}  {by}", text(row, "label"), text(row, "org"))
}

fn signers(row: &Value) -> String {
    let signer = |pair: &Value| {
        let (role, key) = (pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default());
        format!("{} {key}", Role::from_wire(role).map_or(role, |role| role.label()))
    };
    row["signers"].as_array().into_iter().flatten().map(signer).collect::<Vec<_>>().join("、")
}

/// What waits for somebody, the longest first, with the command that is next.
pub fn queue(rows: &[Value]) -> String {
    if rows.is_empty() {
        return "没有等您办理的送审稿".to_owned();
    }
    let mut lines = vec![format!("等您办理的送审稿 {} 件，等得最久的在前", rows.len())];
    for row in rows {
        let act = if text(row, "gate") == "approval" { "approve" } else { "pass" };
        lines.push(format!(
            "{} 起  机构 {} 的送审稿等在「{}」，还差 {} 人，请以{}办理\n    gongkai review … show {review}\n    \
             gongkai review … {act} {review}",
            moment(row, "since"),
            text(row, "org"),
            text(row, "gate_label"),
            row["people"],
            text(row, "role_label"),
            review = text(row, "review"),
        ));
    }
    lines.join("\n")
}

/// What was promised to be opened, a line each, the most urgent first.
pub fn schedules(rows: &[Value]) -> String {
    if rows.is_empty() {
        return "没有约定启封而还没有启封的内容".to_owned();
    }
    let mut lines = vec![format!("约定启封而还没有启封的内容 {} 项", rows.len())];
    lines.extend(rows.iter().map(|row| {
        let (stream, label, org) = (text(row, "stream"), text(row, "label"), text(row, "org"));
        format!("{}（{label}，{stream}，第 {} 次修订，机构 {org}）", text(row, "sentence"), row["revision"])
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_promised_to_be_opened_is_a_sentence_each() {
        let row = json!({"stream": "letter/a", "revision": 1, "label": "答复来信", "org": "341599", "opens_on": "2026-04-01",
            "sentence": "依据应于2026年4月1日启封，已逾期1天，仍未启封"});
        let told = schedules(&[row]);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(
            lines[1],
            "依据应于2026年4月1日启封，已逾期1天，仍未启封（答复来信，letter/a，第 1 次修订，机构 341599）"
        );
        assert_eq!(schedules(&[]), "没有约定启封而还没有启封的内容");
    }

    #[test]
    fn a_timeline_is_told_in_chinese_a_line_a_row() {
        let rows = [
            json!({"at": "2026-03-10T01:12:00Z", "what": "public", "stream": "nomination/a", "revision": 0, "index": 12,
                "kind": "nomination.announced.v1", "label": "任前公示", "org": "341599", "hidden": false,
                "signers": [["publisher", "wen.example/1"], ["approver", "shen.example/1"]]}),
            json!({"at": "2026-03-11T01:12:00Z", "what": "sealed", "stream": "nomination/b", "revision": 0, "index": null,
                "kind": "nomination.objected.v1", "label": "对拟任人选提出异议", "org": "341599", "hidden": true,
                "signers": [["intake", "intake.example/1"]]}),
            json!({"at": "2026-03-12T01:12:00Z", "what": "access", "stream": "nomination/b", "revision": 0,
                "reader": "person/c", "purpose": "督查", "org": "341599", "hidden": false, "signers": []}),
        ];
        let told = timeline("nomination/a", &rows);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(
            lines[1],
            "2026-03-10 09:12  公开  任前公示（nomination/a，第 0 次修订，第 12 号）机构 341599  发布人 wen.example/1、审批人 shen.example/1"
        );
        assert!(lines[2].contains("封存") && lines[2].contains("时段未满，内容加密给收件人"), "{}", lines[2]);
        assert!(lines[3].contains("查阅  person/c") && lines[3].contains("用途：督查"), "{}", lines[3]);
    }

    #[test]
    fn a_queue_says_where_it_waits_since_when_and_what_is_next() {
        assert_eq!(queue(&[]), "没有等您办理的送审稿");
        let row = json!({"review": "review/a", "org": "341599101201", "gate": "supervision", "gate_label": "村监会审核",
            "role": "supervisor", "role_label": "监督人", "above": false, "people": 2, "since": "2026-03-10T01:12:00Z"});
        let told = queue(&[row]);
        for part in ["2026-03-10 09:12 起", "「村监会审核」", "还差 2 人", "gongkai review … pass review/a"]
        {
            assert!(told.contains(part), "{told}");
        }
    }
}
