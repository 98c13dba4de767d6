//! The public facts of the secretary's board: what is late or is going to be, below some organizations, as of today.
//!
//! Each list is made in one place, for its number as for its rows, and from the same questions as the public compliance
//! page wherever that has them. Names are looked up for the rows that are shown. Sealed matters are in
//! [`crate::internal::board`]; both are put together in [`crate::board`].

use std::collections::HashMap;

use chrono::{Datelike as _, Days, NaiveDate, Weekday};
use gongkai_domain::{
    calendar::Computed,
    field::Period,
    rules::{Rule, Unit},
};

use super::{
    Columns, Filter, LIMIT_MAX, Matter, ReadError, Reader, ScheduledOpening,
    compliance::{MONTHS_MAX, Owed},
    disclosures::answer_deadline,
    in_chunk, int,
    matters::period_name,
    text,
};
use crate::{
    board::{DUE_SOON_DAYS, Row},
    boards::consultations::{REPORT, WINDOW},
    status::Status,
};

/// Questions without an answer with the title of their sheet, the oldest first.
const QUESTIONS: &str = concat!(
    "SELECT q.stream, q.revision, q.org, q.interpellation, q.asked_on, q.entry_index, m.title FROM questions q \
     JOIN matters m ON m.stream = q.stream WHERE q.answer_index IS NULL AND q.entry_index IS NOT NULL \
     AND m.state <> 'withdrawn' AND q.org IN (SELECT code FROM organization_ancestors WHERE ancestor IN ",
    roots!(),
    ") ORDER BY q.asked_on, q.entry_index"
);
/// Supervisions whose clock runs, the first due first.
const SUPERVISIONS: &str = concat!(
    "SELECT stream, org, to_org, about, title, issued_on, due_on, entry_index FROM supervisions WHERE done IS NULL \
     AND entry_index IS NOT NULL AND to_org IN (SELECT code FROM organization_ancestors WHERE ancestor IN ",
    roots!(),
    ") ORDER BY due_on, entry_index"
);
/// Parts of consultations that are not settled and due from `$33` to `$34`, the first due first.
const CONSULTATIONS: &str = concat!(
    "SELECT c.stream, c.part, c.org, c.since, c.due_on, c.entry_index, w.title FROM consultation_days c \
     JOIN consultation_days w ON w.stream = c.stream AND w.part = 'window' WHERE c.done IS NULL AND w.done IS NULL \
     AND c.due_on <> '' AND c.due_on >= $33 AND c.due_on <= $34 \
     AND c.org IN (SELECT code FROM organization_ancestors WHERE ancestor IN ",
    roots!(),
    ") ORDER BY c.due_on, c.entry_index, c.part"
);
/// Pledges without an end of these organizations alone, not of those below, due from `$33` to `$34`.
const OWN_PLEDGES: &str = concat!(
    "SELECT stream, org, title, declared_at, due_on, first_index FROM matters WHERE family = 'pledge' \
     AND state IN ('made', 'no_progress', 'in_progress') AND due_on >= $33 AND due_on <= $34 AND org IN ",
    roots!(),
    " ORDER BY due_on, first_index LIMIT $35"
);

pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("board.questions", QUESTIONS),
    ("board.supervisions", SUPERVISIONS),
    ("board.consultations", CONSULTATIONS),
    ("board.own_pledges", OWN_PLEDGES),
];

/// Before every day that a statement can name; days of four digits sort as texts.
const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(1, 1, 1) {
    Some(day) => day,
    None => panic!("the first day of the first year exists"),
};
/// By which day a pledge is due.
const PLEDGED: &str = "承诺时写明的期限";

/// What is awaited of a window that closes.
const WINDOW_ENDS: &str = "截止征集";

/// What a question of the board is asked about: organizations of which none lies below another.
pub(crate) type Roots<'a> = &'a [&'a str];

/// A question that is not answered.
struct Asked {
    row: Row,
    asked_on: NaiveDate,
}

impl Reader {
    /// The last day of this week.
    fn sunday(&self) -> NaiveDate {
        self.today().week(Weekday::Mon).checked_last_day().unwrap_or(self.today())
    }

    /// The last day that is soon.
    pub(crate) fn soon(&self) -> NaiveDate {
        self.today().checked_add_days(Days::new(DUE_SOON_DAYS)).unwrap_or(self.today())
    }

    fn days_over(&self, day: NaiveDate) -> i64 {
        (self.today() - day).num_days()
    }

    /// Pledges past their date, or due soon, as rows: `days` are over, or left.
    pub(crate) async fn pledge_rows(
        &mut self,
        roots: Roots<'_>,
        days: (NaiveDate, NaiveDate),
        page: (u64, u64),
    ) -> Result<Vec<Row>, ReadError> {
        let matters = self.open_pledges(roots, days, page).await?;
        Ok(matters.into_iter().map(pledge).collect())
    }

    /// Notices and nominations whose period ends this week: `days` are left.
    pub(crate) async fn ending_rows(&mut self, roots: Roots<'_>) -> Result<Vec<Row>, ReadError> {
        let (today, sunday) = (self.today(), self.sunday());
        let ends = |matter: &Matter| matter.ends_on.is_some_and(|end| today <= end && end <= sunday);
        let mut rows: Vec<Row> = self.period_rows(roots, ends).await?;
        for row in &mut rows {
            row.days = -row.days;
        }
        Ok(rows)
    }

    /// Notices and nominations whose period ended without an outcome, the longest first: `days` are over.
    pub(crate) async fn without_outcome_rows(&mut self, roots: Roots<'_>) -> Result<Vec<Row>, ReadError> {
        self.period_rows(roots, |matter| matter.status == Status::NoOutcome).await
    }

    async fn period_rows(&mut self, roots: Roots<'_>, wanted: impl Fn(&Matter) -> bool) -> Result<Vec<Row>, ReadError> {
        let today = self.today();
        let open = self.open_periods(Some(roots)).await?;
        let mut rows: Vec<Row> = open
            .into_iter()
            .filter(|(matter, _)| wanted(matter))
            .map(|(matter, period)| notice(matter, period.as_ref(), today))
            .collect();
        rows.sort_by_key(|row| (row.due_on, row.index));
        Ok(rows)
    }

    /// Months that villages owe: those past their day, the longest first, or those that are due soon.
    pub(crate) async fn month_rows(&mut self, roots: Roots<'_>, soon: bool) -> Result<Vec<Row>, ReadError> {
        let (today, last) = (self.today(), self.soon());
        // Only the latest months can be due today or later.
        let mut owed = self.owed(Some(roots), if soon { 0..=1 } else { 1..=MONTHS_MAX }).await?;
        owed.retain(|owed| if soon { today <= owed.due && owed.due <= last } else { owed.due < today });
        owed.sort_by(|a, b| (a.due, &a.org).cmp(&(b.due, &b.org)));
        let sign = if soon { -1 } else { 1 };
        Ok(owed.into_iter().map(|owed| month(owed, sign, today)).collect())
    }

    /// Questions and interpellations without an answer, the oldest first: `days` are their age.
    pub(crate) async fn question_rows(&mut self, roots: Roots<'_>) -> Result<Vec<Row>, ReadError> {
        let asked = self.asked(roots).await?;
        let today = self.today();
        Ok(asked.into_iter().map(|one| Row { days: (today - one.asked_on).num_days().max(0), ..one.row }).collect())
    }

    /// Those of them whose answer is due soon: `days` are left.
    pub(crate) async fn questions_due_soon(&mut self, roots: Roots<'_>) -> Result<Vec<Row>, ReadError> {
        let (today, last) = (self.today(), self.soon());
        let rows = self.asked(roots).await?.into_iter().filter_map(|one| {
            let due = one.row.due_on.filter(|due| today <= *due && *due <= last)?;
            Some(Row { days: (due - today).num_days(), ..one.row })
        });
        Ok(rows.collect())
    }

    async fn asked(&mut self, roots: Roots<'_>) -> Result<Vec<Asked>, ReadError> {
        let rows = self.rows(QUESTIONS, in_chunk(roots)).await?;
        let (world, mut all) = (self.world_handle(), Vec::with_capacity(rows.len()));
        // Many are asked on the same day of the same organization.
        let mut deadlines: HashMap<(bool, String, NaiveDate), Option<(Rule, Computed)>> = HashMap::new();
        for row in &rows {
            let Some(asked_on) = row.day("asked_on")? else { continue };
            let (org, interpellation) = (row.text("org")?, row.flag("interpellation")?);
            let deadline = deadlines
                .entry((interpellation, org.clone(), asked_on))
                .or_insert_with(|| answer_deadline(interpellation, &org, asked_on, &world));
            let (label, awaits) = if interpellation { ("质询", "答复质询") } else { ("询问", "答复询问") };
            let row = Row {
                stream: Some(row.text("stream")?),
                revision: Some(row.count("revision")?),
                index: Some(row.count("entry_index")?),
                title: row.maybe("title")?,
                since: Some(asked_on),
                ..Row::of(label, org, awaits)
            };
            all.push(Asked { row: counted(row, deadline.as_ref(), None), asked_on });
        }
        Ok(all)
    }

    /// Supervisions whose clock runs: `days` are over, and negative while some are left.
    pub(crate) async fn supervision_rows(&mut self, roots: Roots<'_>) -> Result<Vec<Row>, ReadError> {
        let found = self.rows(SUPERVISIONS, in_chunk(roots)).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            let Some(due_on) = row.day("due_on")? else { continue };
            rows.push(Row {
                stream: Some(row.text("stream")?),
                index: Some(row.count("entry_index")?),
                title: row.maybe("title")?,
                about: row.maybe("about")?,
                by: row.maybe("org")?,
                since: row.day("issued_on")?,
                due_on: Some(due_on),
                days: self.days_over(due_on),
                rule: "督办时写明的办理时限".to_owned(),
                ..Row::of("督办", row.maybe("to_org")?.unwrap_or_default(), "回复督办")
            });
        }
        Ok(rows)
    }

    /// Parts of consultations that are due on one of these days: `days` are over, and negative while some are left.
    pub(crate) async fn consultation_rows(
        &mut self,
        roots: Roots<'_>,
        (from, to): (NaiveDate, NaiveDate),
    ) -> Result<Vec<Row>, ReadError> {
        let args = [in_chunk(roots), vec![text(from.to_string()), text(to.to_string())]].concat();
        let found = self.rows(CONSULTATIONS, args).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            let Some(due_on) = row.day("due_on")? else { continue };
            let part = row.text("part")?;
            let (awaits, rule) = match part.as_str() {
                WINDOW => (WINDOW_ENDS.to_owned(), "发起征集时写明的截止日期"),
                REPORT => ("公布征集结果".to_owned(), "发起征集时写明的公布日期"),
                theme => (theme_awaits(theme), "交办时写明的办理时限"),
            };
            rows.push(Row {
                stream: Some(row.text("stream")?),
                index: Some(row.count("entry_index")?),
                title: row.maybe("title")?,
                since: row.day("since")?,
                due_on: Some(due_on),
                days: self.days_over(due_on),
                rule: rule.to_owned(),
                ..Row::of("征集", row.maybe("org")?.unwrap_or_default(), &awaits)
            });
        }
        Ok(rows)
    }

    /// What consultations owe: reports and themes past their day, the longest first. A window ends by itself.
    pub(crate) async fn consultations_late(&mut self, roots: Roots<'_>) -> Result<Vec<Row>, ReadError> {
        let yesterday = self.today().pred_opt().unwrap_or(self.today());
        let mut rows = self.consultation_rows(roots, (FIRST_DAY, yesterday)).await?;
        rows.retain(|row| row.awaits != WINDOW_ENDS);
        Ok(rows)
    }

    /// Pledges of these organizations themselves that are due soon, the first due first: `days` are left.
    pub(crate) async fn own_pledges_due_soon(&mut self, orgs: &[&str], limit: u64) -> Result<Vec<Row>, ReadError> {
        let days = [self.today(), self.soon()].map(|day| text(day.to_string()));
        let args = [in_chunk(orgs), days.to_vec(), vec![int(limit)]].concat();
        let found = self.rows(OWN_PLEDGES, args).await?;
        let mut rows = Vec::with_capacity(found.len());
        for row in &found {
            let Some(due_on) = row.day("due_on")? else { continue };
            rows.push(Row {
                stream: Some(row.text("stream")?),
                index: Some(row.count("first_index")?),
                title: row.maybe("title")?,
                due_on: Some(due_on),
                days: -self.days_over(due_on),
                rule: PLEDGED.to_owned(),
                ..Row::of("承诺事项", row.text("org")?, "兑现承诺")
            });
        }
        Ok(rows)
    }

    /// Public statements' promised openings that were not made, for days before `before`.
    pub(crate) async fn opening_rows(&mut self, roots: Roots<'_>, before: NaiveDate) -> Result<Vec<Row>, ReadError> {
        let mut rows = Vec::new();
        for root in roots {
            let mut filter = Filter { org: Some((*root).to_owned()), limit: LIMIT_MAX, ..Filter::default() };
            loop {
                let page = self.unopened_before(before, &filter).await?;
                filter.offset += u64::from(LIMIT_MAX);
                let done = filter.offset >= page.total;
                rows.extend(page.items.into_iter().map(|opening| self.opening_row(opening)));
                if done {
                    break;
                }
            }
        }
        rows.sort_by_key(|row: &Row| (row.due_on, row.index));
        Ok(rows)
    }

    fn opening_row(&self, opening: ScheduledOpening) -> Row {
        Row {
            stream: Some(opening.stream),
            index: Some(opening.index),
            title: Some(opening.sentence),
            due_on: Some(opening.opens_on),
            days: self.days_over(opening.opens_on),
            rule: "约定的启封日期".to_owned(),
            ..Row::of(&opening.label, opening.org, &format!("启封{}", opening.field_label))
        }
    }

    /// Gives rows the names of their organizations.
    pub(crate) async fn named(&mut self, rows: &mut [Row]) -> Result<(), ReadError> {
        let codes: Vec<String> =
            rows.iter().flat_map(|row| [Some(row.org.clone()), row.by.clone()]).flatten().collect();
        let names = self.org_names(codes.iter().map(String::as_str)).await?;
        let name = |code: &String| names.get(code).unwrap_or(code).clone();
        for row in rows {
            row.org_name = name(&row.org);
            row.by_name = row.by.as_ref().map(name);
        }
        Ok(())
    }
}

/// What is awaited of a theme; people count themes from one, the ledger counts lines from zero.
fn theme_awaits(part: &str) -> String {
    let line = part.strip_prefix("theme ").and_then(|line| line.parse::<u64>().ok());
    line.map_or_else(|| "办理征集意见".to_owned(), |line| format!("办理第 {} 个主题的意见", line.saturating_add(1)))
}

fn pledge(matter: Matter) -> Row {
    let days = matter.days_left.unwrap_or_default();
    Row {
        stream: Some(matter.stream),
        index: Some(matter.first_index),
        title: matter.title,
        since: Some(matter.declared_at.date_naive()),
        due_on: matter.ends_on,
        days: days.abs(),
        rule: PLEDGED.to_owned(),
        ..Row::of(
            "承诺事项",
            matter.org,
            if matter.status == Status::OverdueUnreported { "报告践诺情况" } else { "兑现承诺" },
        )
    }
}

fn notice(matter: Matter, period: Option<&(Rule, Computed)>, today: NaiveDate) -> Row {
    let label = matter.category_label.unwrap_or_else(|| "公示".to_owned());
    let days = matter.ends_on.map_or(0, |end| (today - end).num_days());
    let title = matter.title.or_else(|| (!matter.names.is_empty()).then(|| matter.names.join("、")));
    let row = Row {
        stream: Some(matter.stream),
        index: Some(matter.first_index),
        title,
        since: matter.starts_on,
        days,
        ..Row::of(&label, matter.org, "公布结果")
    };
    let name = period.map(|(rule, _)| period_name(rule));
    Row { due_on: matter.ends_on, ..counted(row, period, name) }
}

fn month(owed: Owed, sign: i64, today: NaiveDate) -> Row {
    let period = Period::month_of(owed.first);
    Row {
        title: Some(period.label()),
        due_on: Some(owed.due),
        days: sign * (today - owed.due).num_days(),
        rule: format!("{}：次月 {} 日（{}）", owed.rule.code.label(), owed.due.day(), owed.rule.basis),
        period: Some(period.0),
        ..Row::of("财务公开", owed.org, "公开上月收支")
    }
}

/// A row with its last day, the rule that sets it and how it was counted.
pub(crate) fn counted(row: Row, deadline: Option<&(Rule, Computed)>, name: Option<&str>) -> Row {
    let Some((rule, computed)) = deadline else { return row };
    Row {
        due_on: Some(computed.end),
        rule: rule_text(rule, name.unwrap_or(rule.code.label())),
        computed: computed.explain(),
        provisional: computed.provisional,
        ..row
    }
}

/// A rule as people cite it.
fn rule_text(rule: &Rule, name: &str) -> String {
    let Rule { value, unit, basis, .. } = rule;
    if *unit == Unit::Scheme || basis == name {
        name.to_owned()
    } else {
        format!("{name}：{value}{}（{basis}）", unit.label())
    }
}
