//! The secretary's board: what is late, what is going to be, what waits for whom, below some organizations, as of today.
//!
//! Public facts come from the public views ([`crate::read::board`]), sealed ones from the internal views
//! ([`crate::internal::board`]), where the one policy clears each row; what is not cleared is not counted. A number and
//! the list that it opens are made by the same code. Nothing here is stored: a calendar that is published later moves the
//! days by itself. Not here: who may ask about which organizations ([`gongkai_domain::confidentiality::oversees`]).
//!
//! To add a list: a line in [`List`], its rows in `facts`, and where they come from.

use std::collections::HashMap;

use chrono::{Days, NaiveDate};
use gongkai_domain::confidentiality;
use serde::{Serialize, Serializer};

use crate::{
    internal::{InternalError, InternalViews, board::Sealed},
    read::Reader,
};

/// Days from today within which something is due soon (三天内到期).
pub const DUE_SOON_DAYS: u64 = 3;
/// Most organizations that one board is about; each with everything below it.
pub const ROOTS_MAX: usize = crate::read::CHUNK;
/// Most rows of one page.
pub const ROWS_MAX: u64 = 1_000;

macro_rules! lists {
    ($($(#[$m:meta])* $name:ident = $wire:literal $label:literal $days:literal $buckets:expr;)*) => {
        /// A list of the board.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum List { $($(#[$m])* $name),* }

        impl List {
            /// Every list, in the order of the board.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Wire value, as in addresses and JSON.
            pub fn wire(self) -> &'static str { match self { $(Self::$name => $wire),* } }

            /// Chinese label.
            pub fn label(self) -> &'static str { match self { $(Self::$name => $label),* } }

            /// What the days of its rows count, in Chinese.
            pub fn days_label(self) -> &'static str { match self { $(Self::$name => $days),* } }

            /// From the wire value.
            pub fn from_wire(wire: &str) -> Option<Self> { match wire { $($wire => Some(Self::$name),)* _ => None } }

            fn buckets(self) -> Buckets { match self { $(Self::$name => $buckets),* } }
        }
    };
}

/// Spans of days with a label: from the one day to the other.
type Buckets = &'static [(i64, i64, &'static str)];

const OVER: Buckets =
    &[(1, 7, "1 至 7 天"), (8, 30, "8 至 30 天"), (31, 90, "31 至 90 天"), (91, i64::MAX, "90 天以上")];
const LEFT: Buckets = &[(0, 0, "今天"), (1, 1, "明天"), (2, 2, "后天"), (3, 3, "还有 3 天")];
const THIS_WEEK: Buckets = &[(0, 0, "今天"), (1, 2, "1 至 2 天"), (3, 6, "3 天以上")];
const AGE: Buckets =
    &[(i64::MIN, 3, "0 至 3 天"), (4, 7, "4 至 7 天"), (8, 15, "8 至 15 天"), (16, i64::MAX, "15 天以上")];
const CLOCK: Buckets = &[(i64::MIN, 0, "未到期"), (1, 7, "逾期 1 至 7 天"), (8, i64::MAX, "逾期 7 天以上")];

lists! {
    /// Pledges past their date without an end.
    OverduePledges = "overdue_pledges" "逾期的承诺事项" "逾期天数" OVER;
    /// What turns overdue within [`DUE_SOON_DAYS`].
    DueSoon = "due_soon" "三天内到期" "剩余天数" LEFT;
    /// Notices and nominations whose period ends this week.
    EndingThisWeek = "ending_this_week" "本周公示期满" "剩余天数" THIS_WEEK;
    /// Notices and nominations whose period ended without an outcome.
    WithoutOutcome = "without_outcome" "公示期满·未公布结果" "期满天数" OVER;
    /// Reports and themes of consultations past their day.
    Consultations = "consultations" "征集到期·未公布结果" "逾期天数" OVER;
    /// Months that villages did not disclose.
    Undisclosed = "undisclosed" "到期未公开（村·月）" "逾期天数" OVER;
    /// Questions, interpellations, letters and objections that wait for their answer.
    Unanswered = "unanswered" "未答复的询问、质询和来信" "已等天数" AGE;
    /// Drafts that wait at a gate.
    Drafts = "drafts" "等待审核的送审稿" "已等天数" AGE;
    /// Supervisions whose clock runs.
    Supervisions = "supervisions" "正在督办" "逾期天数" CLOCK;
    /// Promised openings that were not made.
    Unopened = "unopened" "约定启封、到期没有启封" "逾期天数" OVER;
}

impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.wire())
    }
}

/// A row of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The matter; absent for a month without a sheet.
    pub stream: Option<String>,
    /// Revision of the question within its sheet.
    pub revision: Option<u64>,
    /// Public entry that it began with.
    pub index: Option<u64>,
    /// Whether it is a sealed matter.
    pub sealed: bool,
    /// What it is, in Chinese: 承诺事项, 询问, 来信.
    pub label: String,
    /// Title; absent when it was withdrawn, and for what is sealed.
    pub title: Option<String>,
    /// Month that was not disclosed, `2026-02`.
    pub period: Option<String>,
    /// Code of the organization that has to act.
    pub org: String,
    /// Its name today.
    pub org_name: String,
    /// What is awaited, in Chinese.
    pub awaits: String,
    /// Since when.
    pub since: Option<NaiveDate>,
    /// The last day.
    pub due_on: Option<NaiveDate>,
    /// Days, as the list counts them.
    pub days: i64,
    /// The rule by which it is counted.
    pub rule: String,
    /// How the last day was found and which days were skipped, a sentence each.
    pub computed: Vec<String>,
    /// Whether a calendar that is not published yet could move the last day.
    pub provisional: bool,
    /// Of a supervision, the matter that it is about.
    pub about: Option<String>,
    /// Of a supervision, code of the organization that issued it.
    pub by: Option<String>,
    /// Its name today.
    pub by_name: Option<String>,
    /// A supervision of this matter whose clock runs.
    pub supervision: Option<String>,
}

impl Row {
    /// A row that says what it is and of whom something is awaited.
    pub(crate) fn of(label: &str, org: String, awaits: &str) -> Self {
        Self { label: label.to_owned(), org, awaits: awaits.to_owned(), ..Self::default() }
    }

    /// Columns of a table of rows: wire name and Chinese label. What the days count is the list's.
    pub const COLUMNS: &'static [(&'static str, &'static str)] = &[
        ("label", "类别"),
        ("title", "标题"),
        ("period", "所属期间"),
        ("org", "机构代码"),
        ("org_name", "机构"),
        ("awaits", "应办"),
        ("since", "起算日期"),
        ("due_on", "期限"),
        ("days", "天数"),
        ("rule", "计算依据"),
        ("computed", "期限怎样算出"),
        ("provisional", "期限暂定"),
        ("sealed", "封存事项"),
        ("stream", "事项编号"),
        ("revision", "修订号"),
        ("supervision", "督办编号"),
    ];

    /// One row of that table.
    pub fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
        let flag = |flag: bool| if flag { "是" } else { "" }.to_owned();
        vec![
            self.label.clone(),
            text(&self.title),
            text(&self.period),
            self.org.clone(),
            self.org_name.clone(),
            self.awaits.clone(),
            day(self.since),
            day(self.due_on),
            self.days.to_string(),
            self.rule.clone(),
            self.computed.join("；"),
            flag(self.provisional),
            flag(self.sealed),
            text(&self.stream),
            self.revision.map(|revision| revision.to_string()).unwrap_or_default(),
            text(&self.supervision),
        ]
    }
}

/// How many rows of a list have their days within a span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bucket {
    /// The span, in Chinese.
    pub label: &'static str,
    /// How many.
    pub total: u64,
}

/// The number of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The list that it opens.
    pub list: List,
    /// Its label.
    pub label: &'static str,
    /// What its days count.
    pub days_label: &'static str,
    /// How many rows.
    pub total: u64,
    /// By days.
    pub buckets: Vec<Bucket>,
}

/// The board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Board {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// The day for which it was computed.
    pub today: NaiveDate,
    /// Whether sealed matters are among what was counted: without a vault there are none.
    pub sealed: bool,
    /// The organizations that it is about, each with everything below: code and name today.
    pub orgs: Vec<(String, String)>,
    /// One number a list.
    pub counts: Vec<Count>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListPage {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// The day for which it was computed.
    pub today: NaiveDate,
    /// The list.
    pub list: List,
    /// Its label.
    pub label: &'static str,
    /// What its days count.
    pub days_label: &'static str,
    /// All rows.
    pub total: u64,
    /// What the next page comes after; absent on the last one.
    pub next: Option<u64>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Who asks, about which organizations, and where sealed matters are read.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Who asks.
    pub reader: &'a confidentiality::Reader,
    /// Codes of organizations that the reader oversees, none of them below another; at most [`ROOTS_MAX`].
    pub roots: &'a [String],
    /// Absent without a vault: then there are no sealed matters.
    pub inside: Option<&'a InternalViews>,
}

impl Asking<'_> {
    fn roots(&self) -> Vec<&str> {
        self.roots.iter().take(ROOTS_MAX).map(String::as_str).collect()
    }

    async fn sealed(&self, list: Option<List>, public: &mut Reader) -> Result<Sealed, InternalError> {
        match self.inside {
            Some(inside) => inside.sealed_facts(self.reader, &self.roots(), list, public).await,
            None => Ok(Sealed::default()),
        }
    }
}

/// The numbers of all lists.
///
/// # Errors
/// [`InternalError`].
pub async fn board(asking: &Asking<'_>, public: &mut Reader) -> Result<Board, InternalError> {
    let roots = asking.roots();
    let sealed = asking.sealed(None, public).await?;
    let mut counts = Vec::with_capacity(List::ALL.len());
    for list in List::ALL {
        let pledges = match pledge_days(*list, public) {
            Some(days) => public.open_pledges_by_day(&roots, days).await?,
            None => Vec::new(),
        };
        let today = public.today();
        let mut days: Vec<(i64, u64)> =
            pledges.into_iter().map(|(day, total)| ((today - day).num_days().abs(), total)).collect();
        days.extend(facts(*list, &roots, &sealed, public).await?.iter().map(|row| (row.days, 1)));
        counts.push(count(*list, &days));
    }
    let names = public.org_names(roots.iter().copied()).await?;
    let orgs = roots.iter().map(|org| ((*org).to_owned(), names.get(*org).map_or(*org, String::as_str).to_owned()));
    let (size, today, sealed) = (public.size(), public.today(), asking.inside.is_some());
    Ok(Board { size, today, sealed, orgs: orgs.collect(), counts })
}

fn count(list: List, days: &[(i64, u64)]) -> Count {
    let within = |from: i64, to: i64| days.iter().filter(move |(day, _)| from <= *day && *day <= to);
    let buckets = list.buckets().iter();
    let buckets =
        buckets.map(|(from, to, label)| Bucket { label, total: within(*from, *to).map(|(_, total)| total).sum() });
    Count {
        list,
        label: list.label(),
        days_label: list.days_label(),
        total: days.iter().map(|(_, total)| total).sum(),
        buckets: buckets.collect(),
    }
}

/// A page of a list: the rows after the first `after`.
///
/// # Errors
/// [`InternalError`].
pub async fn page(
    asking: &Asking<'_>,
    list: List,
    after: u64,
    limit: u64,
    public: &mut Reader,
) -> Result<ListPage, InternalError> {
    let (roots, limit) = (asking.roots(), limit.clamp(1, ROWS_MAX));
    let sealed = asking.sealed(Some(list), public).await?;
    let facts = facts(list, &roots, &sealed, public).await?;
    let mut total = facts.len() as u64;
    let skip = usize::try_from(after).unwrap_or(usize::MAX);
    let before = total;
    let mut rows: Vec<Row> = facts.into_iter().skip(skip).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
    // Pledges may be very many: the database pages them, after everything else of the list.
    if let Some(days) = pledge_days(list, public) {
        total += public.open_pledges_by_day(&roots, days).await?.iter().map(|(_, total)| total).sum::<u64>();
        let left = limit - rows.len() as u64;
        if left > 0 {
            rows.extend(public.pledge_rows(&roots, days, (left, after.saturating_sub(before))).await?);
        }
    }
    public.named(&mut rows).await?;
    mark_supervised(&mut rows, &roots, public).await?;
    let end = after.saturating_add(rows.len() as u64);
    Ok(ListPage {
        size: public.size(),
        today: public.today(),
        list,
        label: list.label(),
        days_label: list.days_label(),
        total,
        next: (end < total && !rows.is_empty()).then_some(end),
        rows,
    })
}

/// The due days of the pledges of a list.
fn pledge_days(list: List, public: &Reader) -> Option<(NaiveDate, NaiveDate)> {
    let today = public.today();
    match list {
        List::OverduePledges => Some((NaiveDate::from_ymd_opt(1, 1, 1)?, today.checked_sub_days(Days::new(1))?)),
        List::DueSoon => Some((today, public.soon())),
        _ => None,
    }
}

/// The rows of a list without its pledges and without names, in its order.
async fn facts(list: List, roots: &[&str], sealed: &Sealed, public: &mut Reader) -> Result<Vec<Row>, InternalError> {
    let today = public.today();
    let mut rows = match list {
        // Pledges are counted and paged by the database; drafts are sealed.
        List::OverduePledges | List::Drafts => Vec::new(),
        List::EndingThisWeek => public.ending_rows(roots).await?,
        List::WithoutOutcome => public.without_outcome_rows(roots).await?,
        List::Consultations => public.consultations_late(roots).await?,
        List::Undisclosed => public.month_rows(roots, false).await?,
        List::Unanswered => public.question_rows(roots).await?,
        List::Supervisions => public.supervision_rows(roots).await?,
        List::Unopened => public.opening_rows(roots, today).await?,
        List::DueSoon => due_soon(roots, public).await?,
    };
    let own = rows.len();
    rows.extend(sealed.rows(list, today));
    if rows.len() > own {
        rows.sort_by_key(|row| match list {
            List::DueSoon => row.days,
            _ => row.days.saturating_neg(),
        });
    }
    Ok(rows)
}

/// What is public and turns overdue soon, but for pledges: `days` are left.
async fn due_soon(roots: &[&str], public: &mut Reader) -> Result<Vec<Row>, InternalError> {
    let (today, soon) = (public.today(), public.soon());
    let left = |row: Row| Row { days: -row.days, ..row };
    let is_soon = |row: &Row| row.due_on.is_some_and(|due| today <= due && due <= soon);
    let mut rows = public.questions_due_soon(roots).await?;
    rows.extend(public.month_rows(roots, true).await?);
    rows.extend(public.supervision_rows(roots).await?.into_iter().filter(is_soon).map(left));
    rows.extend(public.consultation_rows(roots, (today, soon)).await?.into_iter().map(left));
    let day_after = soon.checked_add_days(Days::new(1)).unwrap_or(soon);
    rows.extend(public.opening_rows(roots, day_after).await?.into_iter().filter(is_soon).map(left));
    rows.sort_by_key(|row| row.days);
    Ok(rows)
}

/// What some organizations below the roots have to do themselves by a day that is near, without those below them: the
/// reminders of those who act there. At most [`ROWS_MAX`] rows, the first due first.
///
/// # Errors
/// [`InternalError`].
pub async fn reminders(asking: &Asking<'_>, own: &[String], public: &mut Reader) -> Result<Vec<Row>, InternalError> {
    let own: Vec<&str> = own.iter().take(ROOTS_MAX).map(String::as_str).collect();
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let sealed = asking.sealed(Some(List::DueSoon), public).await?;
    let mut rows = facts(List::DueSoon, &asking.roots(), &sealed, public).await?;
    rows.retain(|row| own.contains(&row.org.as_str()));
    rows.extend(public.own_pledges_due_soon(&own, ROWS_MAX).await?);
    rows.sort_by_key(|row| row.days);
    rows.truncate(usize::try_from(ROWS_MAX).unwrap_or(usize::MAX));
    public.named(&mut rows).await?;
    Ok(rows)
}

/// Names the running supervision of each matter that has one.
async fn mark_supervised(rows: &mut [Row], roots: &[&str], public: &mut Reader) -> Result<(), InternalError> {
    let running = public.supervision_rows(roots).await?;
    let of: HashMap<String, Option<String>> =
        running.into_iter().filter_map(|row| Some((row.about?, row.stream))).collect();
    // A sealed matter is put under supervision by a step of its own, and no public one names it.
    for row in rows.iter_mut().filter(|row| !row.sealed) {
        row.supervision = row.stream.as_ref().and_then(|stream| of.get(stream)).cloned().flatten();
    }
    Ok(())
}
