//! What a sheet's items cost or brought against the sheet of the period before: the same organization, the same book, a
//! period of the same length.
//!
//! What is compared is an item (the category of a line, else its account, else its summary), summed up, because equal
//! lines are separate payments and nothing says which of them belongs to which. Where a line of either sheet was
//! withdrawn, a sum would be wrong without anybody seeing it, so nothing is compared and that is said.
//! To compare another kind of list, give it its own item and its own sum; amounts of different meaning are never added.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use gongkai_domain::{field::Period, finance::fen_text};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Columns, Matter, ReadError, Reader, disclosures::Versions, text};

/// Earlier sheets that are looked at for one of the same length.
const EARLIER: &str = "SELECT stream, period, period_end, first_index FROM matters WHERE org = $1 AND family = 'disclosure' AND content = 'finance' \
     AND COALESCE(book, '') = $2 AND state <> 'withdrawn' AND stream <> $3 AND period_start < $4 ORDER BY period_start DESC, first_index DESC LIMIT 24";

pub(super) const STATEMENTS: &[(&str, &str)] = &[("comparison.earlier", EARLIER)];

/// Income or expense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Money in.
    Income,
    /// Money out.
    Expense,
}

/// The lines of one item, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Fen.
    pub fen: i64,
    /// How many lines.
    pub lines: u64,
}

/// An item of a sheet beside the same item of the earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Category, account or summary.
    pub item: String,
    /// Which side of the books.
    pub side: Side,
    /// In this sheet.
    pub now: Sum,
    /// In the earlier one; absent when it does not have the item, or cannot be compared.
    pub before: Option<Sum>,
}

/// A sheet beside the one of the period before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Stream of the earlier sheet.
    pub stream: String,
    /// Its period in words.
    pub period: String,
    /// What people call it: 上月 when no month lies between, else its period.
    pub called: String,
    /// Whether a line of either sheet was withdrawn, so that nothing can be summed up.
    pub incomplete: bool,
    /// The items of this sheet, by side and name.
    pub items: Vec<Compared>,
}

impl Comparison {
    /// The item that a line belongs to.
    pub fn of(&self, row: &Map<String, Value>) -> Option<&Compared> {
        let (side, item, _) = item(row)?;
        self.items.iter().find(|compared| compared.side == side && compared.item == item)
    }

    /// How an item stands to the earlier sheet, in a few words.
    pub fn verdict(&self, compared: &Compared) -> String {
        let called = &self.called;
        match compared.before {
            _ if self.incomplete => format!("有明细已撤下，没法同{called}比"),
            None => format!("{called}没有这一项"),
            Some(before) => match compared.now.fen.saturating_sub(before.fen) {
                0 => format!("与{called}持平"),
                more if more > 0 => format!("比{called}多{}", yuan(more)),
                less => format!("比{called}少{}", yuan(less.saturating_neg())),
            },
        }
    }
}

/// Whole yuan without decimals: people say 37元.
fn yuan(fen: i64) -> String {
    let text = fen_text(fen);
    text.replace(".00元", "元")
}

/// Side, name and fen of a line. A line whose amounts are both absent was withdrawn or is none.
fn item(row: &Map<String, Value>) -> Option<(Side, &str, i64)> {
    let fen = |name: &str| row.get(name).and_then(Value::as_i64);
    let (side, fen) = match (fen("expense"), fen("income")) {
        (Some(expense), income) if expense != 0 || income.is_none() => (Side::Expense, expense),
        (_, Some(income)) => (Side::Income, income),
        _ => return None,
    };
    let name = ["category", "account", "summary"].into_iter().find_map(|name| row.get(name)?.as_str())?;
    Some((side, name, fen))
}

/// The sums of a sheet, and whether every line of it is there.
fn sums(versions: &Versions) -> (BTreeMap<(Side, String), Sum>, bool) {
    let mut sums: BTreeMap<(Side, String), Sum> = BTreeMap::new();
    let mut complete = true;
    for row in versions.latest() {
        complete &= row.is_some();
        let Some((side, name, fen)) = row.and_then(item) else { continue };
        let sum = sums.entry((side, name.to_owned())).or_default();
        sum.fen = sum.fen.saturating_add(fen);
        sum.lines += 1;
    }
    (sums, complete)
}

/// How long a period is, by the form in which it is written: year, half-year, quarter or month.
fn form(period: &Period) -> Option<char> {
    period.days()?;
    Some(match period.0.as_bytes().get(5) {
        None => 'Y',
        Some(b'H') => 'H',
        Some(b'Q') => 'Q',
        Some(_) => 'M',
    })
}

/// What people call the earlier period.
fn called(form: char, adjoining: bool, period: &Period) -> String {
    match form {
        'M' if adjoining => "上月".to_owned(),
        'Q' if adjoining => "上季度".to_owned(),
        'H' if adjoining => "上个半年".to_owned(),
        'Y' if adjoining => "上年".to_owned(),
        _ => period.label(),
    }
}

impl Reader {
    /// A finance sheet beside the one before; `None` where there is none of the same length.
    pub(super) async fn comparison(
        &mut self,
        matter: &Matter,
        book: &str,
        versions: &Versions,
    ) -> Result<Option<Comparison>, ReadError> {
        let Some(period) = matter.period.clone().map(Period) else { return Ok(None) };
        let Some(((start, _), form_of_this)) = period.days().zip(form(&period)) else { return Ok(None) };
        let args = vec![text(matter.org.as_str()), text(book), text(matter.stream.as_str()), text(start.to_string())];
        for row in self.rows(EARLIER, args).await? {
            let Some(earlier) = row.maybe::<String>("period")?.map(Period) else { continue };
            if form(&earlier) != Some(form_of_this) {
                continue;
            }
            let (stream, first_index) = (row.text("stream")?, row.count("first_index")?);
            let adjoining = row.day("period_end")?.and_then(|day: NaiveDate| day.succ_opt()) == Some(start);
            let before = self.versions(&stream, first_index).await?;
            let called = called(form_of_this, adjoining, &earlier);
            return Ok(Some(compare(
                versions,
                &before,
                Comparison { stream, period: earlier.label(), called, incomplete: false, items: Vec::new() },
            )));
        }
        Ok(None)
    }
}

fn compare(now: &Versions, before: &Versions, named: Comparison) -> Comparison {
    let ((now, now_complete), (before, before_complete)) = (sums(now), sums(before));
    let incomplete = !(now_complete && before_complete);
    let items = now.into_iter().map(|((side, item), now)| {
        let before = before.get(&(side, item.clone())).copied().filter(|_| !incomplete);
        Compared { item, side, now, before }
    });
    Comparison { incomplete, items: items.collect(), ..named }
}
