//! What the page of a disclosure or a notice says, as a sheet of paper: words and figures only, nothing that is opened,
//! pressed or followed. What was withdrawn is a remark that it was, as on the page.

use super::sheet::{Column, FORM, Labelled, Part, Row, Seal, Sheet};
use crate::site::disclosure::{Correction, DisclosurePage, Finance, FinanceLine, Flag, List, ListRow};
use crate::site::format::Fen;
use crate::site::notice::NoticePage;
use crate::site::parts::{Attachment, Link, Row as Said, Shown, Signer, Tombstone};
use crate::site::question::Question;

/// Label of where people object, on the page of a notice.
const REPORT_TO: &str = "反映渠道";

impl Sheet {
    /// A disclosure. The page has all of its lines.
    pub fn of_disclosure(page: &DisclosurePage, seal: Seal) -> Self {
        let mut facts = vec![Labelled::new("时期", &page.period), Labelled::new("状态", page.status.label())];
        facts.push(Labelled::new("入账", page.recorded.to_string()));
        facts.extend(page.late_days.map(|days| Labelled::new("补报", format!("晚 {days} 天"))));
        let mut parts: Vec<Part> =
            page.substitution.iter().map(|text| Part::text(format!("代为公开：{text}"))).collect();
        if page.is_quiet {
            parts.push(Part::heading("本期无收支"));
            parts.push(Part::text(format!("{}没有一笔收入，也没有一笔支出。", page.period)));
        }
        parts.extend(page.text.as_ref().map(|text| Part::text(words(text))));
        page.finances.iter().for_each(|book| finance(book, &mut parts));
        page.lists.iter().for_each(|of| list(of, &mut parts));
        corrections(&page.corrections, &mut parts);
        asked("群众询问", &page.questions, &mut parts);
        if let Some(wall) = &page.wall {
            let heading = format!("答复上墙：{}公开后群众问的", wall.sheet.label);
            if wall.questions.is_empty() {
                parts.push(Part::heading(heading));
                parts.push(Part::text("没有人提问。"));
            } else {
                asked(&heading, &wall.questions, &mut parts);
            }
        }
        parts.push(Part::heading("谁公开的"));
        let mut values = vec![Labelled::new("公开主体", &page.published_by)];
        values.extend(page.rows.iter().map(value));
        values.extend(page.signers.iter().map(signer));
        values.extend(files(&page.attachments));
        parts.push(Part::Values { values });
        Self {
            form: FORM.into(),
            ledger: page.site.name.clone(),
            kind: format!("{}公开", page.class),
            path: labels(&page.path),
            title: words(&page.name),
            number: page.index,
            facts,
            parts,
            seal,
            is_demo: page.site.is_demo,
        }
    }

    /// A notice: its period, its end and where to object stand before its text.
    pub fn of_notice(page: &NoticePage, seal: Seal) -> Self {
        let mut facts = vec![Labelled::new("状态", page.status.label())];
        facts.extend(page.history.last().map(|event| Labelled::new("入账", event.recorded.to_string())));
        let mut values = Vec::new();
        if let Some(period) = &page.period {
            values.push(Labelled::new("公示期", format!("{} 至 {}", period.start, period.end)));
            values.push(Labelled::new("截止", format!("{}（含当天）", period.end)));
            values.push(Labelled::new("计算依据", &period.rule));
            if period.provisional {
                values.push(Labelled::new("说明", "放假安排公布后，截止日期可能顺延。"));
            }
        }
        values.extend(page.rows.iter().map(value));
        if !page.rows.iter().any(|row| row.label == REPORT_TO) {
            values.push(Labelled::new(REPORT_TO, format!("监督热线 {}", seal.hotline)));
        }
        values.extend(page.hand_in.first().map(|link| Labelled::new(&link.label, format!("打开 {}", seal.bare()))));
        values.extend(files(&page.attachments));
        let mut parts = vec![Part::Values { values }, Part::heading("全文"), Part::text(words(&page.text))];
        if let Some(outcome) = &page.outcome {
            parts.push(Part::heading("结果"));
            parts.push(Part::text(words(outcome)));
        }
        Self {
            form: FORM.into(),
            ledger: page.site.name.clone(),
            kind: format!("公示公告 · {}", page.kind),
            path: labels(&page.path),
            title: words(&page.name),
            number: page.index,
            facts,
            parts,
            seal,
            is_demo: page.site.is_demo,
        }
    }
}

fn labels(path: &[Link]) -> Vec<String> {
    path.iter().map(|link| link.label.clone()).collect()
}

/// A value, or that it was withdrawn.
fn words(shown: &Shown) -> String {
    match shown {
        Shown::Given(text) => text.clone(),
        Shown::Withdrawn(trace) => format!("（{}）", withdrawn(trace)),
    }
}

fn withdrawn(trace: &Tombstone) -> String {
    format!(
        "撤回留痕：已撤下。{}，{}，原因：{}。不服可申诉：{}。№{}",
        trace.by, trace.at, trace.why, trace.appeal, trace.index
    )
}

fn value(row: &Said) -> Labelled {
    Labelled::new(&row.label, words(&row.value))
}

fn signer(signer: &Signer) -> Labelled {
    Labelled::new(&signer.role, format!("{}　{}", signer.holder, signer.key))
}

fn files(attachments: &[Attachment]) -> Option<Labelled> {
    let count = attachments.len();
    (count > 0).then(|| Labelled::new("附件", format!("{count} 个文件，扫码打开网页查看")))
}

fn column(label: &str, is_number: bool) -> Column {
    Column { label: label.into(), is_number }
}

fn finance(book: &Finance, parts: &mut Vec<Part>) {
    parts.push(Part::heading(format!("{}（单位：元）", book.book)));
    let sums =
        [("期初结存", book.opening), ("收入合计", book.income), ("支出合计", book.expense), ("期末结存", book.closing)];
    parts.push(Part::Figures { figures: sums.map(|(label, fen)| Labelled::new(label, fen.to_string())).to_vec() });
    let checks = book.checks.iter().map(|mark| {
        let verdict = match mark.holds {
            Some(true) => "相符",
            Some(false) => "不符",
            None => "无法核对",
        };
        Labelled::new(&mark.label, format!("{verdict}　{}", mark.detail))
    });
    parts.push(Part::Values { values: checks.collect() });
    if !book.accounts.is_empty() {
        parts.push(Part::heading("支出小计"));
        let rows = book.accounts.iter().map(|sum| Row::Cells(vec![sum.account.clone(), sum.amount.to_string()]));
        let foot = vec!["支出合计".into(), book.expense.to_string()];
        parts.push(Part::Table {
            columns: vec![column("项目", false), column("金额", true)],
            rows: rows.collect(),
            foot,
        });
    }
    parts.push(Part::heading(format!("逐笔明细　共 {} 笔", book.line_count)));
    parts.push(Part::Table {
        columns: vec![
            column("行", true),
            column("日期", false),
            column("凭证", false),
            column("摘要", false),
            column("收入", true),
            column("支出", true),
            column("余额", true),
            column("对方", false),
        ],
        rows: lines(book),
        foot: vec![
            String::new(),
            String::new(),
            String::new(),
            "合计".into(),
            book.income.to_string(),
            book.expense.to_string(),
            book.closing.to_string(),
            String::new(),
        ],
    });
}

/// The lines, and in their places those that were withdrawn.
fn lines(book: &Finance) -> Vec<Row> {
    let given = book.lines.iter().map(|of| (of.number, Row::Cells(line(of))));
    let gone =
        book.withdrawn.iter().map(|(number, trace)| (*number, Row::Remark(number.to_string(), withdrawn(trace))));
    let mut rows: Vec<(u32, Row)> = given.chain(gone).collect();
    rows.sort_by_key(|(number, _)| *number);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn line(line: &FinanceLine) -> Vec<String> {
    let fen = |fen: Option<Fen>| fen.map(|fen| fen.to_string()).unwrap_or_default();
    let flags: Vec<&str> = line.flags.iter().map(Flag::label).collect();
    let mut summary = words(&line.summary);
    for more in [line.account.clone(), flags.join("、")].into_iter().filter(|more| !more.is_empty()) {
        summary = format!("{summary}　{more}");
    }
    let more: Vec<String> = line.more.iter().map(|row| format!("{}：{}", row.label, words(&row.value))).collect();
    if !more.is_empty() {
        summary = format!("{summary}\n{}", more.join("　"));
    }
    vec![
        line.number.to_string(),
        line.date.map(|date| date.short()).unwrap_or_default(),
        if line.voucher.is_empty() { "无".to_owned() } else { line.voucher.clone() },
        summary,
        fen(line.income),
        fen(line.expense),
        fen(line.balance),
        line.counterparty.as_ref().map(words).unwrap_or_default(),
    ]
}

fn list(list: &List, parts: &mut Vec<Part>) {
    parts.push(Part::heading(format!("{}　共 {} 行", list.name, list.line_count)));
    let mut columns = vec![column("行", true)];
    columns.extend(list.columns.iter().map(|of| column(&of.label, of.is_number)));
    let row = |row: &ListRow| match &row.withdrawn {
        Some(trace) => Row::Remark(row.number.to_string(), withdrawn(trace)),
        None => Row::Cells(std::iter::once(row.number.to_string()).chain(row.cells.iter().map(words)).collect()),
    };
    let rows = list.rows.iter().map(row).collect();
    parts.push(Part::Table { columns, rows, foot: Vec::new() });
    if !list.totals.is_empty() {
        parts.push(Part::Values { values: list.totals.iter().map(value).collect() });
    }
}

fn corrections(corrections: &[Correction], parts: &mut Vec<Part>) {
    if corrections.is_empty() {
        return;
    }
    parts.push(Part::heading(format!("更正　{} 处", corrections.len())));
    for fix in corrections {
        let place = fix.line.map(|line| format!("第 {line} 行 ")).unwrap_or_default();
        let (old, new) = (words(&fix.old), words(&fix.new));
        parts.push(Part::text(format!(
            "{place}{}　№{}\n原为：{old}\n更正为：{new}\n原因：{}",
            fix.field,
            fix.index,
            words(&fix.reason)
        )));
    }
}

fn asked(heading: &str, questions: &[Question], parts: &mut Vec<Part>) {
    if questions.is_empty() {
        return;
    }
    parts.push(Part::heading(format!("{heading}　{} 件", questions.len())));
    for question in questions {
        let place = question.line.map(|line| format!("第 {line} 行 ")).unwrap_or_default();
        let topic = words(&question.topic);
        let mut said = vec![format!("{place}{topic}　{}　№{}", question.status.label(), question.index)];
        said.extend(question.text.as_ref().map(|text| format!("问：{}", words(text))));
        said.extend(question.withheld.iter().map(|row| format!("{}：{}", row.label, words(&row.value))));
        match &question.answer {
            Some((answer, at)) => said.push(format!("答（{}）：{}", at.day(), words(answer))),
            None => said.push(format!("答复期限：{}", question.due)),
        }
        said.extend(question.points.iter().map(|row| format!("{}：{}", row.label, words(&row.value))));
        parts.push(Part::text(said.join("\n")));
    }
}
