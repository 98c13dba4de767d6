//! What the internal side lists, as people read it: the timeline of a matter, what waits for somebody, the board.
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

/// The board: a number a list, with its days, and how to open it.
pub fn board(board: &Value) -> String {
    let orgs = board["orgs"].as_array().into_iter().flatten();
    let orgs: Vec<_> = orgs
        .map(|org| format!("{}（{}）", org[1].as_str().unwrap_or_default(), org[0].as_str().unwrap_or_default()))
        .collect();
    let mut lines =
        vec![format!("{} 的看板，截至 {}，前 {} 条记录", orgs.join("、"), text(board, "today"), board["size"])];
    let counts = board["counts"].as_array().cloned().unwrap_or_default();
    for count in &counts {
        let buckets = count["buckets"].as_array().into_iter().flatten().filter(|bucket| bucket["total"] != 0);
        let buckets: Vec<_> =
            buckets.map(|bucket| format!("{} {} 件", text(bucket, "label"), bucket["total"])).collect();
        let days = if buckets.is_empty() {
            String::new()
        } else {
            format!("（{}：{}）", text(count, "days_label"), buckets.join("，"))
        };
        lines.push(format!("{}  {} 件{days}", text(count, "label"), count["total"]));
    }
    if board["sealed"] == Value::Bool(false) {
        lines.push("这里没有限阅库，来信、异议和送审稿不在内".to_owned());
    }
    let open = counts.iter().filter(|count| count["total"] != 0);
    let open: Vec<_> = open.map(|count| text(count, "list")).collect();
    if !open.is_empty() {
        lines.push(format!("看清单：gongkai read … --board --list {}", open.join("|")));
    }
    lines.join("\n")
}

/// A list of the board, a row a line and how its day was found below it.
pub fn board_list(page: &Value) -> String {
    let rows = page["rows"].as_array().cloned().unwrap_or_default();
    let (label, list) = (text(page, "label"), text(page, "list"));
    if rows.is_empty() {
        return format!("{label}：没有");
    }
    let mut lines = vec![format!("{label}，共 {} 件（截至 {}）", page["total"], text(page, "today"))];
    for (number, row) in rows.iter().enumerate() {
        lines.push(format!("{}. {}", number + 1, board_row(row, text(page, "days_label"))));
        lines.extend(below(row).into_iter().map(|line| format!("    {line}")));
    }
    let rest = page["total"].as_u64().unwrap_or_default().saturating_sub(rows.len() as u64);
    if rest > 0 {
        lines.push(format!("还有 {rest} 件，用 --list {list} --csv 文件 导出整张清单"));
    }
    lines.join("\n")
}

fn board_row(row: &Value, days_label: &str) -> String {
    let title = [text(row, "title"), text(row, "period")].into_iter().find(|title| !title.is_empty());
    let title = title.map(|title| format!("「{title}」")).unwrap_or_default();
    let due = row["due_on"].as_str().map(|due| format!("，期限 {due}")).unwrap_or_default();
    let provisional = if row["provisional"] == Value::Bool(true) { "（暂定）" } else { "" };
    let (label, org, awaits) = (text(row, "label"), text(row, "org_name"), text(row, "awaits"));
    let days = match row["days"].as_i64().unwrap_or_default() {
        left if left < 0 => format!("还剩 {} 天", -left),
        days => format!("{days_label} {days}"),
    };
    format!("{label}{title}  {org}  {awaits}，{days}{due}{provisional}")
}

/// By which rule, how the day was found, and which matter it is.
fn below(row: &Value) -> Vec<String> {
    let mut lines = vec![text(row, "rule").to_owned()];
    let computed = row["computed"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.push(computed.collect::<Vec<_>>().join("；"));
    lines.push(text(row, "stream").to_owned());
    for (name, before) in [("by_name", "督办机构："), ("about", "督办事项："), ("supervision", "正在督办：")]
    {
        lines.push(row[name].as_str().map(|value| format!("{before}{value}")).unwrap_or_default());
    }
    lines.retain(|line| !line.is_empty());
    lines
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
    fn a_board_says_how_many_by_days_and_a_list_how_each_day_was_found() {
        let told = board(
            &json!({"today": "2026-03-20", "size": 12, "sealed": false, "orgs": [["341599101", "柳溪镇(虚构)"]],
            "counts": [{"list": "unanswered", "label": "未答复的询问、质询和来信", "days_label": "已等天数", "total": 2,
                "buckets": [{"label": "0 至 3 天", "total": 2}, {"label": "4 至 7 天", "total": 0}]},
                {"list": "drafts", "label": "等待审核的送审稿", "days_label": "已等天数", "total": 0, "buckets": []}]}),
        );
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines[0], "柳溪镇(虚构)（341599101） 的看板，截至 2026-03-20，前 12 条记录");
        assert_eq!(lines[1], "未答复的询问、质询和来信  2 件（已等天数：0 至 3 天 2 件）");
        assert_eq!(lines[2], "等待审核的送审稿  0 件");
        assert!(lines[3].contains("没有限阅库") && lines[4].ends_with("--list unanswered"), "{told}");

        let row = json!({"label": "督办", "title": "补报二月收支", "org_name": "五里桥村(虚构)", "awaits": "回复督办", "days": -3,
            "due_on": "2026-03-23", "rule": "督办时写明的办理时限", "computed": [], "by_name": "青禾县(虚构)", "stream": "supervision/a"});
        let page = json!({"label": "正在督办", "list": "supervisions", "days_label": "逾期天数", "today": "2026-03-20", "total": 3, "rows": [row]});
        let told = board_list(&page);
        assert!(
            told.contains("1. 督办「补报二月收支」  五里桥村(虚构)  回复督办，还剩 3 天，期限 2026-03-23"),
            "{told}"
        );
        assert!(told.contains("督办机构：青禾县(虚构)") && told.contains("还有 2 件"), "{told}");
        assert_eq!(board_list(&json!({"label": "正在督办", "rows": []})), "正在督办：没有");
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
