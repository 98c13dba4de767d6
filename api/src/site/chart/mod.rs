//! Figures drawn for the eye: bars by month, bars by category, and a rate over time, each with its table.
//!
//! Pure functions from plain rows to a [`Chart`], which a template writes as SVG without script or inline
//! style; colours come from `charts.css` alone. Income is filled and spending hollow, so nothing hangs on a
//! colour. What is missing is drawn as a gap with a mark and stands in words in the table, never as 0. All
//! geometry is whole numbers in a drawing 360 wide. No interaction, no second axis, no pie. To add a kind of
//! chart: a function here that fills [`Chart`], and a case in the tests.

use askama::Template;
use askama::filters::HtmlSafe;

use super::format::{Count, Day, Fen, Month};

/// Width of every drawing.
const WIDTH: i64 = 360;
/// Top of the plot, below the highest tick's label.
const TOP: i64 = 18;
/// Height of the plot.
const PLOT: i64 = 150;
/// What the labels of months need below the plot.
const FOOT: i64 = 36;
/// Left edge of the first column.
const LEFT: i64 = 44;
/// Categories that get a bar; the rest is one more.
const CATEGORIES_MAX: usize = 8;
/// Characters of a category beside its bar; the table has all of them.
const LABEL_CHARS_MAX: usize = 14;
/// Height of a category.
const ROW: i64 = 38;

/// A thing in the drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A bar with what it says when pointed at.
    Bar {
        /// Left, top, width, height.
        at: [i64; 4],
        /// Class in the style sheet.
        class: &'static str,
        /// Its value in words.
        tip: String,
    },
    /// A line, as SVG path data.
    Line {
        /// Path data.
        d: String,
        /// Class in the style sheet.
        class: &'static str,
    },
    /// A point with what it says when pointed at.
    Dot {
        /// Centre.
        at: [i64; 2],
        /// Its value in words.
        tip: String,
    },
    /// Words.
    Text {
        /// Anchor.
        at: [i64; 2],
        /// Class in the style sheet: which end stands at the anchor.
        class: &'static str,
        /// The words.
        text: String,
    },
}

/// A row of the table behind a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRow {
    /// First cell.
    pub label: String,
    /// Where it leads.
    pub href: Option<String>,
    /// The figures, or why there are none.
    pub cells: Vec<String>,
}

/// A drawing with its table.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_chart.html")]
pub struct Chart {
    /// Unique on the page.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// The same in sentences, for those who do not see it.
    pub desc: String,
    /// Height of the drawing.
    pub height: i64,
    /// What is drawn.
    pub shapes: Vec<Shape>,
    /// Class and name of each series, when there are several.
    pub legend: Vec<(&'static str, String)>,
    /// Head of the table.
    pub head: Vec<String>,
    /// Rows of the table; when there are none, nothing is drawn.
    pub rows: Vec<TableRow>,
    /// What stands instead of an empty chart.
    pub nothing: &'static str,
    /// What a reader must know to read it rightly.
    pub notes: Vec<String>,
}

impl HtmlSafe for Chart {}

impl Chart {
    /// Width of the drawing.
    pub fn width(&self) -> i64 {
        WIDTH
    }
}

/// Why a month has no figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// One character in the drawing.
    pub mark: &'static str,
    /// In the table.
    pub text: &'static str,
}

/// A month with its figures, one a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthRow {
    /// The month.
    pub month: Month,
    /// Fen, one a series, or why there are none.
    pub values: Result<Vec<i64>, Gap>,
    /// Said after the month in the table; the drawing has a `*` then.
    pub remark: String,
    /// Where the month leads.
    pub href: Option<String>,
}

/// Bars by month, one for each series: income and spending side by side, or one alone.
pub fn by_month(id: &'static str, title: impl Into<String>, series: &[&str], months: &[MonthRow]) -> Chart {
    let scale = Scale::of(figures(months).flat_map(|(_, values)| values.iter().copied()), 100);
    let columns = Columns::of(months.len());
    let mut shapes = scale.grid(&short);
    shapes.extend(columns.labels(months.iter().map(|row| row.month)));
    for (at, row) in months.iter().enumerate() {
        shapes.extend(bars_of(row, at, series, &scale, &columns));
    }
    let named = ["a", "b"].into_iter().zip(series.iter().map(|name| (*name).to_owned()));
    Chart {
        id,
        title: title.into(),
        desc: months_in_words(series, months),
        height: TOP + PLOT + FOOT,
        shapes,
        legend: if series.len() > 1 { named.collect() } else { Vec::new() },
        head: std::iter::once("月份".to_owned()).chain(series.iter().map(|name| format!("{name}（元）"))).collect(),
        rows: months.iter().map(|row| row_of(row, series.len())).collect(),
        nothing: "还没有可以画的月份。",
        notes: Vec::new(),
    }
}

/// The months that have figures.
fn figures(months: &[MonthRow]) -> impl Iterator<Item = (&MonthRow, &Vec<i64>)> {
    months.iter().filter_map(|row| Some((row, row.values.as_ref().ok()?)))
}

fn bars_of(row: &MonthRow, at: usize, series: &[&str], scale: &Scale, columns: &Columns) -> Vec<Shape> {
    let values = match &row.values {
        Ok(values) => values,
        Err(gap) => return columns.gap(at, scale.y(0), *gap, &row.month.to_string()).into(),
    };
    let count = i64::try_from(values.len()).unwrap_or(1).max(1);
    let width = ((columns.width - 6) / count).clamp(2, 24);
    let start = columns.left(at) + (columns.width - width * count) / 2;
    let mut shapes = Vec::with_capacity(values.len() + 1);
    for (place, (value, name)) in (0_i64..).zip(values.iter().zip(series)) {
        let tip = format!("{} {name} {} 元", row.month, Fen(*value));
        let class = if place == 0 { "bar a" } else { "bar b" };
        shapes.push(scale.bar(start + place * width + 1, width - 2, *value, class, tip));
    }
    if !row.remark.is_empty() {
        let top = values.iter().map(|value| scale.y(*value)).min().unwrap_or(TOP).min(scale.y(0));
        shapes.push(text([columns.left(at) + columns.width / 2, top - 2], "m", "*"));
    }
    shapes
}

fn row_of(row: &MonthRow, series: usize) -> TableRow {
    TableRow {
        label: if row.remark.is_empty() { row.month.to_string() } else { format!("{}（{}）", row.month, row.remark) },
        href: row.href.clone(),
        cells: match &row.values {
            Ok(values) => values.iter().map(|value| Fen(*value).to_string()).collect(),
            Err(gap) => vec![gap.text.to_owned(); series],
        },
    }
}

fn months_in_words(series: &[&str], months: &[MonthRow]) -> String {
    let known = figures(months).count();
    let most = series.iter().enumerate().filter_map(|(place, name)| {
        let (row, values) = figures(months).max_by_key(|(_, values)| values.get(place).copied())?;
        Some(format!("{name}最多的是{}，{} 元。", row.month, Fen(*values.get(place)?)))
    });
    std::iter::once(format!("共 {} 个月，{known} 个月有数。", months.len())).chain(most).collect::<Vec<_>>().concat()
}

/// Lying bars by category, as they come; those beyond the first few are one bar together.
pub fn by_category(id: &'static str, title: impl Into<String>, what: &str, sums: &[(String, i64)]) -> Chart {
    let shown = if sums.len() > CATEGORIES_MAX + 1 { CATEGORIES_MAX } else { sums.len() };
    let (first, rest) = sums.split_at(shown);
    let mut bars = first.to_vec();
    if !rest.is_empty() {
        let sum = rest.iter().fold(0_i64, |sum, (_, fen)| sum.saturating_add(*fen));
        bars.push((format!("其余 {} 类", rest.len()), sum));
    }
    let (low, high) = bars.iter().fold((0, 0), |(low, high), (_, fen)| (low.min(*fen), high.max(*fen)));
    let span = (i128::from(high) - i128::from(low)).max(1);
    let x = |fen: i64| within((i128::from(fen) - i128::from(low)) * i128::from(WIDTH) / span);
    let mut shapes = Vec::new();
    for (place, (name, fen)) in (0_i64..).zip(&bars) {
        let top = place * ROW;
        shapes.push(text([0, top + 14], "s ink", cut(name)));
        shapes.push(text([WIDTH, top + 14], "e num", Fen(*fen).to_string()));
        let (from, to) = (x((*fen).min(0)), x((*fen).max(0)));
        let width = (to - from).max(i64::from(*fen != 0));
        let class = if *fen < 0 { "bar a" } else { "bar b" };
        shapes.push(Shape::Bar { at: [from, top + 20, width, 10], class, tip: format!("{name} {} 元", Fen(*fen)) });
    }
    let height = i64::try_from(bars.len()).unwrap_or(0) * ROW;
    shapes.push(Shape::Line { d: format!("M{0} 16V{height}", x(0)), class: "zero" });
    let desc = match sums.first() {
        Some((name, fen)) => format!("共 {} 类，最多的是{name}，{} 元。", sums.len(), Fen(*fen)),
        None => String::new(),
    };
    let row =
        |(name, fen): &(String, i64)| TableRow { label: name.clone(), href: None, cells: vec![Fen(*fen).to_string()] };
    Chart {
        id,
        title: title.into(),
        desc,
        height,
        shapes,
        legend: Vec::new(),
        head: vec!["类别".to_owned(), format!("{what}（元）")],
        rows: sums.iter().map(row).collect(),
        nothing: "没有可以归类的明细。",
        notes: Vec::new(),
    }
}

/// A rate at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateRow {
    /// The day.
    pub on: Day,
    /// Per mille; `None` when there is nothing that it could be a part of.
    pub permille: Option<u64>,
    /// How many.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

/// A rate over time, from 0 to 100%; a day without one interrupts the line.
pub fn rate(id: &'static str, title: impl Into<String>, part: &str, whole: &str, days: &[RateRow]) -> Chart {
    const SCALE: Scale = Scale { low: 0, high: 1_000, step: 250 };
    let columns = Columns::of(days.len());
    let mut shapes = SCALE.grid(&|tick| if tick % 500 == 0 { format!("{}%", tick / 10) } else { String::new() });
    shapes.extend(columns.labels(days.iter().map(|day| Month { year: day.on.year(), month: day.on.month() })));
    shapes.extend(curve(days, &SCALE, &columns));
    let mut known = days.iter().filter_map(|day| Some((day.on, day.permille?)));
    let is_known = known.clone().next().is_some();
    let desc = match (known.next(), known.next_back()) {
        (Some((from, a)), Some((to, b))) => format!("{from}为 {}，{to}为 {}。", percent(a), percent(b)),
        (Some((on, rate)), None) => format!("{on}为 {}。", percent(rate)),
        _ => "各个日子都没有到期的事项。".to_owned(),
    };
    let row = |day: &RateRow| TableRow {
        label: day.on.to_string(),
        href: None,
        cells: vec![
            Count(day.part).to_string(),
            Count(day.whole).to_string(),
            day.permille.map_or("没有到期的".into(), percent),
        ],
    };
    Chart {
        id,
        title: title.into(),
        desc,
        height: TOP + PLOT + FOOT,
        shapes,
        legend: Vec::new(),
        head: vec!["截至".into(), part.into(), whole.into(), "比例".into()],
        // Days on which nothing could be counted are no chart.
        rows: if is_known { days.iter().map(row).collect() } else { Vec::new() },
        nothing: "这段时间没有到期的事项，算不出比例。",
        notes: Vec::new(),
    }
}

/// The line through the days that have a rate, a dot for each, and the last one's value.
fn curve(days: &[RateRow], scale: &Scale, columns: &Columns) -> Vec<Shape> {
    let (mut shapes, mut dots) = (Vec::new(), Vec::new());
    let (mut path, mut pen) = (Vec::new(), "M");
    for (at, day) in days.iter().enumerate() {
        let Some(value) = day.permille else {
            pen = "M";
            shapes.extend(columns.gap(at, scale.y(0), Gap { mark: "无", text: "" }, &day.on.to_string()));
            continue;
        };
        let [x, y] = [columns.left(at) + columns.width / 2, scale.y(i64::try_from(value).unwrap_or(1_000))];
        path.push(format!("{pen}{x} {y}"));
        pen = "L";
        dots.push(Shape::Dot { at: [x, y], tip: format!("{} {}", day.on, percent(value)) });
    }
    shapes.push(Shape::Line { d: path.concat(), class: "curve" });
    let height = |dot: &Shape| if let Shape::Dot { at, .. } = dot { Some(at[1]) } else { None };
    let mut heights = dots.iter().rev().filter_map(height);
    let (last, before) = (heights.next(), heights.next());
    let value = days.iter().rev().find_map(|day| day.permille);
    shapes.extend(dots);
    if let (Some(y), Some(value)) = (last, value) {
        // The value stands where the line does not come from.
        let falls = before.is_some_and(|before| before < y) && y + 20 < TOP + PLOT;
        let beside = if falls || y < TOP + 14 { y + 20 } else { y - 8 };
        shapes.push(text([WIDTH, beside], "e ink", percent(value)));
    }
    shapes
}

/// Per mille as people write it: `666` is `66.6%`, `1000` is `100%`.
pub fn percent(permille: u64) -> String {
    if permille.is_multiple_of(10) {
        format!("{}%", permille / 10)
    } else {
        format!("{}.{}%", permille / 10, permille % 10)
    }
}

/// Money at a tick: yuan, 万 or 亿, without fen.
fn short(fen: i64) -> String {
    let sign = if fen < 0 { "−" } else { "" };
    let yuan = fen.unsigned_abs() / 100;
    let tenths = |unit: u64, name: &str| {
        let (whole, rest) = (yuan / unit, yuan % unit / (unit / 10));
        if rest == 0 { format!("{sign}{}{name}", Count(whole)) } else { format!("{sign}{}.{rest}{name}", Count(whole)) }
    };
    match yuan {
        0..10_000 => format!("{sign}{}", Count(yuan)),
        10_000..100_000_000 => tenths(10_000, "万"),
        _ => tenths(100_000_000, "亿"),
    }
}

fn text(at: [i64; 2], class: &'static str, text: impl Into<String>) -> Shape {
    Shape::Text { at, class, text: text.into() }
}

/// A name that fits beside its figure.
fn cut(name: &str) -> String {
    if name.chars().count() <= LABEL_CHARS_MAX {
        return name.to_owned();
    }
    name.chars().take(LABEL_CHARS_MAX - 1).chain(['…']).collect()
}

fn within(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}

/// The upright axis: it always has 0, and ends at whole ticks.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: i128,
    high: i128,
    step: i128,
}

impl Scale {
    /// For these values, with ticks of 1, 2 or 5 times a power of ten, at least `step_min` apart.
    fn of(values: impl Iterator<Item = i64>, step_min: i128) -> Self {
        let (low, high) = values.map(i128::from).fold((0, 0), |(low, high), v| (v.min(low), v.max(high)));
        let mut step = step_min;
        let mut factors = [2, 5, 10].into_iter().cycle();
        let mut decade = step_min;
        while (high - low) > step * 4 {
            let factor = factors.next().unwrap_or(10);
            step = decade * factor;
            if factor == 10 {
                decade = step;
            }
        }
        let high = if high == low {
            step
        } else {
            high.div_euclid(step) * step + if high.rem_euclid(step) == 0 { 0 } else { step }
        };
        Self { low: low.div_euclid(step) * step, high, step }
    }

    fn y(&self, value: i64) -> i64 {
        TOP + within((self.high - i128::from(value)) * i128::from(PLOT) / (self.high - self.low).max(1))
    }

    fn bar(&self, x: i64, width: i64, value: i64, class: &'static str, tip: String) -> Shape {
        let (zero, end) = (self.y(0), self.y(value));
        // However small, it is not nothing.
        let height = (zero - end).abs().max(i64::from(value != 0));
        let top = if value < 0 { zero } else { zero - height };
        Shape::Bar { at: [x, top, width, height], class, tip }
    }

    fn grid(&self, label: &dyn Fn(i64) -> String) -> Vec<Shape> {
        let mut shapes = Vec::new();
        let mut tick = self.low;
        while tick <= self.high {
            let y = self.y(within(tick));
            shapes.push(Shape::Line { d: format!("M0 {y}H{WIDTH}"), class: if tick == 0 { "zero" } else { "grid" } });
            let words = label(within(tick));
            if !words.is_empty() {
                shapes.push(text([0, y - 3], "s", words));
            }
            tick += self.step;
        }
        shapes
    }
}

/// The lying axis: one column a month.
struct Columns {
    count: usize,
    width: i64,
}

impl Columns {
    fn of(count: usize) -> Self {
        let columns = i64::try_from(count.max(1)).unwrap_or(i64::MAX);
        Self { count, width: ((WIDTH - LEFT) / columns).clamp(1, 60) }
    }

    fn left(&self, at: usize) -> i64 {
        LEFT + i64::try_from(at).unwrap_or(0) * self.width
    }

    /// Names of the months, all or every other one counted from the last, and the years where they begin.
    fn labels(&self, months: impl Iterator<Item = Month>) -> Vec<Shape> {
        let mut shapes = Vec::new();
        let base = TOP + PLOT;
        let every = if self.width >= 34 { 1 } else { 2 };
        let mut year_free_from = 0;
        for (at, month) in months.enumerate() {
            let left = self.left(at);
            if (self.count - 1 - at).is_multiple_of(every) {
                shapes.push(text([left + self.width / 2, base + 15], "m", format!("{}月", month.month)));
            }
            if (at == 0 && month.month != 12 || month.month == 1) && left >= year_free_from {
                shapes.push(text([left, base + 31], "s", format!("{}年", month.year)));
                year_free_from = left + 50;
            }
        }
        shapes
    }

    /// A place where nothing is: an empty box with dashed edges, and a mark.
    fn gap(&self, at: usize, zero: i64, gap: Gap, when: &str) -> [Shape; 2] {
        let (left, width) = (self.left(at) + 2, (self.width - 4).clamp(1, 24));
        let left = left + (self.width - 4 - width) / 2;
        let tip = if gap.text.is_empty() { when.to_owned() } else { format!("{when} {}", gap.text) };
        [
            Shape::Bar { at: [left, zero - 24, width, 24], class: "gap", tip },
            text([left + width / 2, zero - 8], "m", gap.mark),
        ]
    }
}

#[cfg(test)]
mod tests;
