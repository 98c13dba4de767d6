//! What a village's page and the compliance board share of figures: the rate at which promises were kept,
//! with its course, and who holds which role.

use askama::Template;
use askama::filters::HtmlSafe;

use super::chart::{self, Chart, RateRow, percent};
use super::format::{Count, Day};

/// How many promises were kept, now and over the last months.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_fulfilment.html")]
pub struct Fulfilment {
    /// Past their date or claimed as ended.
    pub due: Count,
    /// Claimed as fulfilled.
    pub fulfilled: Count,
    /// Claimed as fulfilled in part.
    pub partly: Count,
    /// Claimed as not fulfilled.
    pub not: Count,
    /// Past their date, and no word.
    pub overdue: Count,
    /// `fulfilled` of `due`.
    pub permille: Option<u64>,
    /// The rate over time; absent where there are too many records to fold.
    pub chart: Option<Chart>,
}

impl HtmlSafe for Fulfilment {}

impl Fulfilment {
    /// The rate as people write it.
    pub fn rate(&self) -> String {
        self.permille.map_or_else(|| "—".to_owned(), percent)
    }

    /// The course of the rate, from its days.
    pub fn course(days: &[RateRow]) -> Chart {
        chart::rate("fulfilment", "承诺兑现率", "已兑现", "到期", days)
    }

    pub(crate) fn sample() -> Self {
        let day = |month, day, permille, part, whole| RateRow { on: Day::of(2026, month, day), permille, part, whole };
        let days = [day(1, 31, None, 0, 0), day(2, 28, Some(500), 1, 2), day(3, 12, Some(666), 2, 3)];
        Self {
            due: Count(3),
            fulfilled: Count(2),
            partly: Count(0),
            not: Count(0),
            overdue: Count(1),
            permille: Some(666),
            chart: Some(Self::course(&days)),
        }
    }
}

/// Who holds a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRow {
    /// The role.
    pub role: String,
    /// Name, or that it is not public.
    pub holder: String,
    /// Entry of the grant.
    pub index: u64,
}
