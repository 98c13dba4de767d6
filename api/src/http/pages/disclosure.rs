//! `/disclosures/{id}`: books line by line, other lists, corrections, and what was asked.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use gongkai_domain::field::{Column as ListColumn, Shape};
use gongkai_domain::finance;
use gongkai_domain::kind::disclosure::{Content, FINANCE, PublishedBy};
use gongkai_domain::submission::LINES_MAX;
use gongkai_domain::{Role, World};
use gongkai_projections::read::history::SignerName;
use gongkai_projections::read::{self, Disclosure, Line, Reader};
use serde_json::{Map, Value};

use super::questions::{self, Asking};
use super::{Frame, answer, frame, hand_in, nothing, paper, parts, share, stream};
use crate::http::App;
use crate::http::problem::Problem;
use crate::site::disclosure::{
    AccountSum, Behind, CheckMark, Column, Correction, DisclosurePage, Finance, FinanceLine, Flag, List, ListRow,
};
use crate::site::format::{Count, Day, Fen};
use crate::site::parts::{Badge, Link, Row, Shown};

/// Columns of a finance line that have a place of their own on the page.
const PLACED: [&str; 11] = [
    "date",
    "voucher",
    "summary",
    "account",
    "category",
    "income",
    "expense",
    "balance",
    "counterparty",
    "flag",
    "files",
];

/// One sheet.
pub async fn show(State(app): State<App>, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = make(&app, &id).await;
    answer(&app, &headers, page).await
}

pub(super) async fn make(app: &App, id: &str) -> Result<DisclosurePage, Problem> {
    made(app, id, false).await
}

/// The page with every line, however many there are: for paper, which has no further page to lead to.
pub(super) async fn whole(app: &App, id: &str) -> Result<DisclosurePage, Problem> {
    made(app, id, true).await
}

async fn made(app: &App, id: &str, is_whole: bool) -> Result<DisclosurePage, Problem> {
    let Frame { site, signed } = frame(app).await?;
    let mut reader = app.read().await?;
    let mut found = reader.disclosure(&stream("disclosure", id)?).await?.ok_or_else(nothing)?;
    if is_whole
        && found.lines.total > found.lines.lines.len() as u64
        && let Some(all) = reader.lines(&found.matter.stream, 0, LINES_MAX).await?
    {
        found.lines = all;
    }
    let is_finance = found.matter.content.as_deref() == Some(Content::Finance.wire());
    let csv = format!("/api/v1/disclosures/{id}/lines?format=csv");
    let share = share::of_disclosure(app, &found);
    let matter = found.matter.clone();
    let path = parts::path(&mut reader, &matter.org).await?;
    let is_open = hand_in::is_open(app, reader.world());
    let asking = Asking { is_open, sheet: &matter.stream, above: path.iter().rev().nth(1) };
    let wall = match &found.previous {
        Some(previous) => questions::wall(app, previous, asking.above, &mut reader).await?,
        None => None,
    };
    let hand_in = hand_in::links(app, reader.world(), &matter.stream, matter.status);
    let ask_href = hand_in.first().map(|link| link.href.clone());
    Ok(DisclosurePage {
        clocks: parts::clocks_of(&mut reader, &matter).await?,
        questions: questions::of(&found.questions, &found.history, &asking),
        wall,
        ask_href,
        hand_in,
        path,
        check: parts::check(app, &reader, signed.as_ref(), &found.history).await?,
        site,
        share,
        seal: paper::seal_of(app, &found.history).await?,
        index: matter.first_index,
        name: parts::shown_or_dash(found.title.clone()),
        class: matter.category_label.unwrap_or_default(),
        period: found.period.clone(),
        status: Badge(matter.status),
        late_days: matter.back_filled.then(|| parts::small(matter.late_days)),
        declared: parts::declared(matter.declared_at),
        recorded: parts::moment(matter.recorded_at),
        published_by: found.published_by.clone().unwrap_or_default(),
        substitution: substitution(&found, &mut reader).await?,
        signers: found
            .history
            .first()
            .map(|event| event.signers.clone())
            .unwrap_or_default()
            .into_iter()
            .map(parts::signer)
            .collect(),
        rows: rows(&found),
        text: found.text.clone().map(parts::shown),
        is_quiet: found.no_movement,
        finances: if is_finance && !found.no_movement { vec![finance(&found, &csv)] } else { Vec::new() },
        lists: if is_finance || found.lines.total == 0 { Vec::new() } else { vec![list(&found)] },
        attachments: parts::attachments(files(&found)),
        corrections: found.corrections.into_iter().map(correction).collect(),
        previous: found.previous.map(|other| Link::new(parts::href(&other.stream), other.period)),
        next: found.next.map(|other| Link::new(parts::href(&other.stream), other.period)),
        wall_href: format!("{}/wall", parts::href(&matter.stream)),
        csv_href: (found.lines.total > 0).then_some(csv),
        history: parts::history(found.history.clone()),
    })
}

/// That it was published in place of an organization that did not, and whether its own supervisors signed.
async fn substitution(found: &Disclosure, reader: &mut Reader) -> Result<Option<String>, Problem> {
    if found.published_by.as_deref() != Some(PublishedBy::Substitute.label()) {
        return Ok(None);
    }
    let signers = found.history.first().map(|event| event.signers.as_slice()).unwrap_or_default();
    let supervised = signers.iter().any(|signer| signer.role == Role::Supervisor.wire());
    let supervisors = if supervised { "监督人已会签。" } else { "没有监督人会签。" };
    let above = signers.iter().find_map(|signer| above(signer, &found.matter.org, reader.world()));
    let names = reader.org_names(above.as_deref()).await?;
    let by = names.into_values().next().unwrap_or_else(|| "上级机构".to_owned());
    Ok(Some(format!("{}到期没有公开，由{by}代为公开并会签。{supervisors}", found.matter.org_name)))
}

/// The organization above for which a signer acts, as far as the registry still knows.
fn above(signer: &SignerName, org: &str, world: &World) -> Option<String> {
    let person = world.key(&signer.key)?.person.as_ref()?;
    let role = Role::from_wire(&signer.role)?;
    let held = world.grants(person).iter().filter(|grant| grant.role == role);
    let mut at = held.filter_map(|grant| grant.org.as_deref());
    at.find(|at| *at != org && world.is_within(org, at)).map(str::to_owned)
}

/// Labelled values beside the text.
fn rows(found: &Disclosure) -> Vec<Row> {
    let words = [
        ("公开内容", Some(found.content.clone()).filter(|text| !text.is_empty())),
        ("公开方式", found.priority.clone()),
        ("张贴日期", found.posted_on.map(|day| Day(day).to_string())),
    ];
    let mut rows: Vec<Row> = words.into_iter().filter_map(|(label, text)| Some(Row::new(label, text?))).collect();
    let slots =
        [("目录事项", &found.item), ("议事依据", &found.decision), ("制表", &found.prepared_by), ("备注", &found.note)];
    rows.extend(
        slots
            .into_iter()
            .filter_map(|(label, value)| Some(Row { label: label.to_owned(), value: parts::shown(value.clone()?) })),
    );
    rows
}

fn finance(found: &Disclosure, csv: &str) -> Finance {
    let [opening, income, expense, closing] = found.totals.map(|fen| Fen(fen.unwrap_or_default()));
    let spent = expense.0.max(1);
    let shown = found.lines.lines.len() as u64;
    Finance {
        book: found.book.clone().unwrap_or_else(|| "账目".to_owned()),
        opening,
        income,
        expense,
        closing,
        checks: found
            .checks
            .iter()
            .map(|check| CheckMark { label: check.label.clone(), holds: check.holds, detail: check.detail.clone() })
            .collect(),
        accounts: found.expense_by_account.iter().map(|(account, fen)| account_sum(account, *fen, spent)).collect(),
        lines: found.lines.lines.iter().filter_map(|line| finance_line(found, line)).collect(),
        line_count: Count(found.lines.total),
        withdrawn: found.lines.lines.iter().filter_map(withdrawn).collect(),
        more_href: (found.lines.total > shown).then(|| csv.to_owned()),
    }
}

fn account_sum(account: &str, fen: i64, spent: i64) -> AccountSum {
    let permille = i128::from(fen.max(0)) * 1_000 / i128::from(spent);
    AccountSum {
        account: account.to_owned(),
        amount: Fen(fen),
        share_permille: u16::try_from(permille.min(1_000)).unwrap_or(1_000),
    }
}

/// People count lines from 1.
fn number(line: u64) -> u32 {
    parts::small(line + 1)
}

fn withdrawn(line: &Line) -> Option<(u32, crate::site::parts::Tombstone)> {
    line.withdrawn.clone().map(|trace| (number(line.line), parts::tombstone(trace)))
}

fn finance_line(found: &Disclosure, line: &Line) -> Option<FinanceLine> {
    let row = line.row.as_ref()?;
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let fen = |name: &str| row.get(name).and_then(Value::as_i64).map(Fen);
    let account = text("account");
    let others = FINANCE.columns.iter().filter(|column| !PLACED.contains(&column.name));
    Some(FinanceLine {
        number: number(line.line),
        date: row.get("date").and_then(Value::as_str).and_then(|day| day.parse().ok()).map(Day),
        voucher: text("voucher"),
        summary: Shown::of(text("summary")),
        account: if account.is_empty() { text("category") } else { account },
        income: fen("income"),
        expense: fen("expense"),
        balance: fen("balance"),
        counterparty: row.get("counterparty").and_then(Value::as_str).map(Shown::of),
        flags: flags(row, line.corrected),
        verdict: found.comparison.as_ref().and_then(|against| Some(against.verdict(against.of(row)?))),
        behind: behind(found, line, row),
        more: others
            .filter_map(|column| Some(Row::new(column.label, text_of(column, row.get(column.name)?))))
            .collect(),
    })
}

/// What a line opens to, as far as the data has it.
fn behind(found: &Disclosure, line: &Line, row: &Map<String, Value>) -> Vec<Behind> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    let mut behind: Vec<Behind> = compared(found, row).into_iter().collect();
    behind.extend(voucher(found, line, row));
    if let Some(reversed) = text("reference") {
        let has_it = |other: &&Line| {
            let voucher = other.row.as_ref().and_then(|row| row.get("voucher")?.as_str());
            other.line != line.line && voucher == Some(reversed)
        };
        let original = found.lines.lines.iter().find(has_it).map(|other| row_link(other.line));
        behind.push(Behind::new(format!("冲的是{reversed}。"), original));
    }
    let asked = found.questions.iter().filter(|question| question.line == Some(line.line));
    behind.extend(asked.map(|question| {
        let state = Link::new(format!("#Q{}", question.index), Badge(question.status).label());
        Behind::new(format!("有人问过{}。", question.topic), Some(state))
    }));
    behind.extend(decision(found));
    if line.corrected {
        behind.push(Behind::new("这一行更正过。", Some(Link::new(format!("#e{}", line.index), "看原来的"))));
    }
    behind
}

/// The voucher with its own files; where the line names none, with those of the whole sheet.
fn voucher(found: &Disclosure, line: &Line, row: &Map<String, Value>) -> Option<Behind> {
    let own = parts::attachments(line.attachments());
    let named = row.get("voucher").and_then(Value::as_str);
    let text = match named {
        Some(voucher) => {
            let papers = row.get("attachments").and_then(Value::as_u64).map(|n| format!("，后附{n}张"));
            format!("凭证{voucher}{}。", papers.unwrap_or_default())
        }
        None if own.is_empty() => return None,
        None => "凭证没有编号。".to_owned(),
    };
    let sheets = (own.is_empty() && !files(found).is_empty()).then(|| Link::new("#files", "看随表公开的附件"));
    Some(Behind { files: own, ..Behind::new(text, sheets) })
}

/// What the village decided before it was spent, where the sheet names it; with its entry, where that is named by number.
fn decision(found: &Disclosure) -> Option<Behind> {
    let said = found.decision.as_ref()?.given()?;
    let number = said.split('№').nth(1).map(|after| after.chars().take_while(char::is_ascii_digit).collect::<String>());
    let index = number.and_then(|digits| digits.parse::<u64>().ok());
    let link = match index {
        Some(index) => Link::new(crate::share::short_path(index), format!("看决策记录№{index}")),
        None => Link::new("#decision", "看议事依据"),
    };
    Some(Behind::new(format!("决策依据：{said}。"), Some(link)))
}

fn row_link(line: u64) -> Link {
    Link::new(format!("#L{}", number(line)), format!("看第{}行", number(line)))
}

/// The sums behind the verdict.
fn compared(found: &Disclosure, row: &Map<String, Value>) -> Option<Behind> {
    let against = found.comparison.as_ref()?;
    let compared = against.of(row).filter(|_| !against.incomplete)?;
    let sum = |period: &str, sum: read::Sum| format!("{period}{}笔共{}元", sum.lines, Fen(sum.fen));
    let before =
        compared.before.map_or_else(|| format!("{}没有", against.period), |before| sum(&against.period, before));
    Some(Behind::new(
        format!("{}：{}；{before}。", compared.item, sum(&found.period, compared.now)),
        Some(Link::new(parts::href(&against.stream), format!("看{}", against.period))),
    ))
}

/// The files of the sheet, those of its corrections too.
fn files(found: &Disclosure) -> Vec<read::Attachment> {
    found.history.iter().flat_map(|event| event.attachments.clone()).collect()
}

fn flags(row: &Map<String, Value>, corrected: bool) -> Vec<Flag> {
    let voucher = row.get("flag").and_then(Value::as_str).and_then(finance::Flag::from_wire).map(|flag| match flag {
        finance::Flag::NoVoucher => Flag::NoVoucher,
        finance::Flag::Irregular => Flag::PoorVoucher,
        finance::Flag::SelfMade => Flag::SelfMade,
    });
    let negative =
        ["income", "expense"].into_iter().any(|name| row.get(name).and_then(Value::as_i64).is_some_and(|fen| fen < 0));
    let unnamed = finance::Line::parse(row).is_ok_and(|line| line.is_without_voucher());
    let voucher = voucher.or_else(|| unnamed.then_some(Flag::NoVoucher));
    voucher.into_iter().chain(negative.then_some(Flag::Reversal)).chain(corrected.then_some(Flag::Corrected)).collect()
}

/// A cell as people read it.
fn text_of(column: &ListColumn, value: &Value) -> String {
    match (column.shape, value) {
        (Shape::Fen, value) => value.as_i64().map_or_else(|| value.to_string(), |fen| Fen(fen).to_string()),
        (Shape::Choice(choices), Value::String(wire)) => {
            choices.iter().find(|(known, _)| known == wire).map_or(wire.as_str(), |(_, label)| label).to_owned()
        }
        (Shape::Flag, Value::Bool(flag)) => {
            if *flag {
                "是".to_owned()
            } else {
                "否".to_owned()
            }
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

fn list(found: &Disclosure) -> List {
    let shape = list_columns(found);
    let columns: Vec<&ListColumn> =
        found.lines.columns.iter().filter_map(|(name, _)| shape.iter().find(|column| column.name == name)).collect();
    let row = |line: &Line| ListRow {
        number: number(line.line),
        cells: match &line.row {
            Some(row) => columns
                .iter()
                .map(|column| Shown::of(row.get(column.name).map(|value| text_of(column, value)).unwrap_or_default()))
                .collect(),
            None => Vec::new(),
        },
        withdrawn: line.withdrawn.clone().map(parts::tombstone),
    };
    List {
        name: found.content.clone(),
        line_count: Count(found.lines.total),
        rows: found.lines.lines.iter().map(row).collect(),
        columns: columns
            .iter()
            .map(|column| Column {
                label: column.label.to_owned(),
                is_number: matches!(column.shape, Shape::Fen | Shape::Count | Shape::Percent),
            })
            .collect(),
        totals: Vec::new(),
    }
}

/// The columns of the list that the sheet's content names.
fn list_columns(found: &Disclosure) -> &'static [ListColumn] {
    let kind = gongkai_domain::kind::find("disclosure.published.v1");
    let shapes = kind.map(|kind| kind.list.shapes()).unwrap_or_default();
    let content = found.matter.content.as_deref().unwrap_or_default();
    shapes.into_iter().find(|shape| shape.name == content).map_or(&[], |shape| shape.columns)
}

fn correction(found: read::Correction) -> Correction {
    let side = |text: Option<String>| Shown::of(text.unwrap_or_else(|| "—".to_owned()));
    Correction {
        line: found.line.map(number),
        field: found.field,
        old: side(found.old),
        new: side(found.new),
        reason: parts::shown_or_dash(found.reason),
        at: parts::moment(found.at),
        index: found.index,
    }
}
