//! `/disclosures/{id}/wall`, `/notices/{id}/wall`: a sheet on the wall against the published one, by a form that anyone can
//! fill in. The code of a sheet leads here.
//!
//! Of accounts the totals come first; where the expense differs the items are asked for, and where those differ their lines are shown.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::kind::disclosure::Content;
use gongkai_projections::read::{Disclosure, Line, Notice};
use serde_json::{Map, Value};

use super::{Frame, answer, frame, hand_in, nothing, paper, parts, stream};
use crate::exchange::cell::{MoneyUnit, money};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::site::format::{Count, Day, Fen};
use crate::site::parts::{Badge, Family, Link, Row, Shown};
use crate::site::wall::{Compared, Found, WallLine, WallPage};

/// Where a line without item counts, as in the sums by item.
const UNNAMED: &str = "未归类";

/// The form of a disclosure, with what was typed compared.
pub async fn disclosure(State(app): State<App>, uri: Uri, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = of_disclosure(&app, &uri, &id).await;
    answer(&app, &headers, page).await
}

/// What the sheet of a notice must say.
pub async fn notice(State(app): State<App>, uri: Uri, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = of_notice(&app, &uri, &id).await;
    answer(&app, &headers, page).await
}

async fn of_notice(app: &App, uri: &Uri, id: &str) -> Result<WallPage, Problem> {
    let params = Params::of(uri)?;
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let found = reader.notice(&stream("notice", id)?).await?.ok_or_else(nothing)?;
    let matter = &found.matter;
    let asked = match found.outcome {
        Some(_) => Vec::new(),
        None => hand_in::links(app, reader.world(), &matter.stream, matter.status),
    };
    Ok(WallPage {
        site,
        family: Family::Notice,
        name: parts::shown_or_dash(found.title.clone()),
        matter: Link::new(parts::href(&matter.stream), &matter.org_name),
        checked: paper::checked(&found.history, params.text("h").unwrap_or_default()),
        says: notice_says(&found),
        totals: Vec::new(),
        items: Vec::new(),
        lines: Vec::new(),
        is_cut: false,
        ask_href: asked.into_iter().next().map(|link| link.href),
    })
}

fn notice_says(found: &Notice) -> Vec<Row> {
    let period = found.deadline.as_ref();
    let period = period.map(|it| Row::new("公示期", format!("{} 至 {}", Day(it.start), Day(it.end))));
    let row = |(label, value): (&str, Option<gongkai_projections::read::Shown>)| {
        Some(Row { label: label.into(), value: parts::shown(value?) })
    };
    let slots = [
        ("发布单位", found.issuer.clone()),
        ("反映渠道", found.report_to.clone()),
        ("全文", found.text.clone()),
        ("结果", found.outcome.clone()),
    ];
    let matter = &found.matter;
    let state = [Row::new("公开单位", &matter.org_name), Row::new("状态", Badge(matter.status).label())];
    state.into_iter().chain(period).chain(slots.into_iter().filter_map(row)).collect()
}

/// What stands on the sheet whatever is asked for.
fn disclosure_says(found: &Disclosure, is_account: bool) -> Vec<Row> {
    let matter = &found.matter;
    let mut says = vec![
        Row::new("公开单位", &matter.org_name),
        Row::new("时期", &found.period),
        Row::new("状态", Badge(matter.status).label()),
        Row::new("行数", format!("共 {} 行", Count(found.lines.total))),
    ];
    if found.no_movement {
        says.push(Row::new("收支", "本期无收支"));
    }
    if let Some(text) = found.text.clone().filter(|_| !is_account) {
        says.push(Row { label: "全文".into(), value: parts::shown(text) });
    }
    says
}

async fn of_disclosure(app: &App, uri: &Uri, id: &str) -> Result<WallPage, Problem> {
    let params = Params::of(uri)?;
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let found = reader.disclosure(&stream("disclosure", id)?).await?.ok_or_else(nothing)?;
    let is_finance = found.matter.content.as_deref() == Some(Content::Finance.wire());
    let is_account = is_finance && !found.no_movement;
    let typed = |name: &str| params.text(name).unwrap_or_default().to_owned();
    let [_, income, expense, _] = found.totals.map(Option::unwrap_or_default);
    let mut totals = vec![
        compared("in", "墙上的收入合计", income, typed("in")),
        compared("out", "墙上的支出合计", expense, typed("out")),
    ];
    if !is_account {
        totals.clear();
    }
    let sums = found.expense_by_account.iter().enumerate();
    let item = |(at, (item, fen)): (usize, &(String, i64))| {
        let name = format!("i{at}");
        compared(&name, item, *fen, typed(&name))
    };
    let items: Vec<Compared> =
        if totals.get(1).is_some_and(Compared::differs) { sums.map(item).collect() } else { Vec::new() };
    let asked = hand_in::links(app, reader.world(), &found.matter.stream, found.matter.status);
    Ok(WallPage {
        site,
        family: Family::Disclosure,
        checked: paper::checked(&found.history, &typed("h")),
        says: disclosure_says(&found, is_account),
        name: parts::shown_or_dash(found.title.clone()),
        matter: Link::new(parts::href(&found.matter.stream), &found.matter.org_name),
        lines: lines(&found, &totals, &items),
        is_cut: found.lines.total > found.lines.lines.len() as u64,
        ask_href: asked.into_iter().next().map(|link| link.href),
        totals,
        items,
    })
}

fn compared(name: &str, label: &str, ours: i64, typed: String) -> Compared {
    let found = match money(&typed, MoneyUnit::Yuan) {
        Ok(None) => None,
        Ok(Some(wall)) if wall == ours => Some(Found::Same),
        Ok(Some(wall)) if wall > ours => Some(Found::More(Fen(wall.saturating_sub(ours)))),
        Ok(Some(wall)) => Some(Found::Less(Fen(ours.saturating_sub(wall)))),
        Err(_) => Some(Found::Unreadable),
    };
    Compared { name: name.to_owned(), label: label.to_owned(), ours: Fen(ours), typed, found }
}

/// The lines behind what differs: of the items that do, or of all whose item was not found to agree.
fn lines(found: &Disclosure, totals: &[Compared], items: &[Compared]) -> Vec<WallLine> {
    let [income, expense] = totals else { return Vec::new() };
    let knows = items.iter().any(Compared::differs);
    let is_asked = |row: &Map<String, Value>| {
        let has = |name: &str| row.get(name).and_then(Value::as_i64).is_some();
        let item = row.get("category").or_else(|| row.get("account")).and_then(Value::as_str).unwrap_or(UNNAMED);
        let of_item = items.iter().find(|figure| figure.label == item);
        let differs = of_item.is_none_or(|figure| if knows { figure.differs() } else { figure.found.is_none() });
        (has("income") && income.differs()) || (has("expense") && expense.differs() && differs)
    };
    let rows = found.lines.lines.iter().filter_map(|line| Some((line, line.row.as_ref()?)));
    rows.filter(|(_, row)| is_asked(row)).map(|(line, row)| wall_line(line, row)).collect()
}

fn wall_line(line: &Line, row: &Map<String, Value>) -> WallLine {
    let fen = |name: &str| row.get(name).and_then(Value::as_i64).map(Fen);
    WallLine {
        number: parts::small(line.line + 1),
        date: row.get("date").and_then(Value::as_str).and_then(|day| day.parse().ok()).map(Day),
        summary: Shown::of(row.get("summary").and_then(Value::as_str).unwrap_or_default()),
        income: fen("income"),
        expense: fen("expense"),
    }
}
