//! `/disclosures/{id}/wall`: a sheet on the wall against the published one, by a form that anyone can fill in.
//!
//! The totals come first; where the expense differs the items are asked for, and where those differ their lines are shown.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use gongkai_domain::kind::disclosure::Content;
use gongkai_projections::read::{Disclosure, Line};
use serde_json::{Map, Value};

use super::{Frame, answer, frame, hand_in, nothing, parts, stream};
use crate::exchange::cell::{MoneyUnit, money};
use crate::http::App;
use crate::http::problem::Problem;
use crate::http::query::Params;
use crate::site::format::{Day, Fen};
use crate::site::parts::{Link, Shown};
use crate::site::wall::{Compared, Found, WallLine, WallPage};

/// Where a line without item counts, as in the sums by item.
const UNNAMED: &str = "未归类";

/// The form, with what was typed compared.
pub async fn show(State(app): State<App>, uri: Uri, headers: HeaderMap, Path(id): super::Id) -> Response {
    let page = make(&app, &uri, &id).await;
    answer(&app, &headers, page).await
}

async fn make(app: &App, uri: &Uri, id: &str) -> Result<WallPage, Problem> {
    let params = Params::of(uri)?;
    let Frame { site, .. } = frame(app).await?;
    let mut reader = app.read().await?;
    let found = reader.disclosure(&stream("disclosure", id)?).await?.ok_or_else(nothing)?;
    let is_finance = found.matter.content.as_deref() == Some(Content::Finance.wire());
    if !is_finance || found.no_movement {
        return Err(nothing());
    }
    let typed = |name: &str| params.text(name).unwrap_or_default().to_owned();
    let [_, income, expense, _] = found.totals.map(Option::unwrap_or_default);
    let totals = vec![
        compared("in", "墙上的收入合计", income, typed("in")),
        compared("out", "墙上的支出合计", expense, typed("out")),
    ];
    let sums = found.expense_by_account.iter().enumerate();
    let item = |(at, (item, fen)): (usize, &(String, i64))| {
        let name = format!("i{at}");
        compared(&name, item, *fen, typed(&name))
    };
    let items: Vec<Compared> = if totals[1].differs() { sums.map(item).collect() } else { Vec::new() };
    let asked = hand_in::links(app, &found.matter.stream, found.matter.status);
    Ok(WallPage {
        site,
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
    let knows = items.iter().any(Compared::differs);
    let is_asked = |row: &Map<String, Value>| {
        let has = |name: &str| row.get(name).and_then(Value::as_i64).is_some();
        let item = row.get("category").or_else(|| row.get("account")).and_then(Value::as_str).unwrap_or(UNNAMED);
        let of_item = items.iter().find(|figure| figure.label == item);
        let differs = of_item.is_none_or(|figure| if knows { figure.differs() } else { figure.found.is_none() });
        (has("income") && totals[0].differs()) || (has("expense") && totals[1].differs() && differs)
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
