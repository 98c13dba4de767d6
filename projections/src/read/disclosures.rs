//! Disclosures for readers: a sheet as it stands after its corrections, what was corrected, what was
//! asked about it, and the arithmetic that anyone can repeat. Old lines stay in the history.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use gongkai_domain::{
    World,
    calendar::{Computed, Period as Days},
    field::{self, Column, ListRule, ListShape, Period, Shape},
    finance::fen_text,
    kind::{
        self, Described as _,
        disclosure::{Book, Content, FINANCE, Priority, PublishedBy, QuestionPublished, Topic},
    },
    rules::{Rule, RuleCode, Unit},
};
use gongkai_store::database::Row;
use serde::{Deserialize as _, Serialize};
use serde_json::{Map, Value};

use super::{
    Attachment, Columns, Comparison, Deadline, Filter, Matter, Page, ReadError, Reader, Shown, Tombstone, display,
    history, history::HistoryEvent, int, label_or, text,
};
use crate::{projection::Arg, status::Status};

/// Lines that a page of a sheet carries; the rest is read with [`Reader::lines`].
pub const LINES_SHOWN_MAX: usize = 500;
/// Characters of a file's hash that tell it from another one.
const HASH_CHARS_SHOWN: usize = 8;

const CURRENT: &str =
    "SELECT entry_index, line, content, corrects FROM lines WHERE stream = $1 ORDER BY entry_index, line";
const QUESTIONS: &str = "SELECT stream, revision, org, interpellation, line, topic, asked_on, entry_index, answered_on, answer_index \
     FROM questions WHERE stream = $1 AND entry_index IS NOT NULL ORDER BY revision";
const TOTALS: &str = "SELECT opening, income, expense, closing, no_movement FROM matters WHERE stream = $1";
const NEIGHBOURS: &str = "SELECT stream, period, period_start, closing FROM matters WHERE org = $1 AND family = 'disclosure' AND content = $2 \
     AND COALESCE(book, '') = $3 AND state <> 'withdrawn' AND stream <> $4 ORDER BY period_start, first_index";

pub(super) const STATEMENTS: &[(&str, &str)] = &[
    ("disclosures.current", CURRENT),
    ("disclosures.questions", QUESTIONS),
    ("disclosures.totals", TOTALS),
    ("disclosures.neighbours", NEIGHBOURS),
];

/// A line of a sheet as it stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Number in the sheet, from 0.
    pub line: u64,
    /// Public cells by column; absent when the line was withdrawn.
    pub row: Option<Map<String, Value>>,
    /// The trace, when it was withdrawn.
    pub withdrawn: Option<Tombstone>,
    /// Entry that holds this version; the sheet's own when it was never corrected.
    pub index: u64,
    /// Whether it was corrected or added later.
    pub corrected: bool,
}

impl Line {
    /// The files of the line's own voucher.
    pub fn attachments(&self) -> Vec<Attachment> {
        let files = self.row.iter().flat_map(|row| FINANCE.attachments(row));
        files.map(|(column, file)| Attachment::new(column.label, file)).collect()
    }
}

/// Lines from an offset on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinePage {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// All lines of the sheet.
    pub total: u64,
    /// Columns: wire name, Chinese label.
    pub columns: Vec<(String, String)>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A correction of one field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Correction {
    /// Line number, from 0; absent for title or text.
    pub line: Option<u64>,
    /// Field, Chinese.
    pub field: String,
    /// Value before; absent for an added line or a withdrawn value.
    pub old: Option<String>,
    /// Value after; absent when withdrawn.
    pub new: Option<String>,
    /// Reason.
    pub reason: Option<Shown>,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// Entry that records it.
    pub index: u64,
}

/// A question about a sheet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
    /// The sheet.
    pub stream: String,
    /// Its revision in the sheet's stream.
    pub revision: u64,
    /// Whether it is a 质询.
    pub interpellation: bool,
    /// Line that it is about, from 0.
    pub line: Option<u64>,
    /// Topic, Chinese.
    pub topic: String,
    /// Its text, once masked and published.
    pub text: Option<Shown>,
    /// Date of asking.
    pub asked_on: NaiveDate,
    /// When the answer is due and how that was computed.
    pub deadline: Option<Deadline>,
    /// 待答复, 逾期未答复 or 已答复.
    pub status: Status,
    /// The answer.
    pub answer: Option<Shown>,
    /// Date of the answer.
    pub answered_on: Option<NaiveDate>,
    /// Entry of the question.
    pub index: u64,
    /// Entry of the answer.
    pub answer_index: Option<u64>,
}

/// One arithmetic check of a finance sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked.
    pub label: String,
    /// Whether it holds; absent when it could not be checked.
    pub holds: Option<bool>,
    /// The figures, or why it could not be checked.
    pub detail: String,
}

/// Another sheet of the same book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Neighbour {
    /// Its stream.
    pub stream: String,
    /// Its period in words.
    pub period: String,
    /// Its closing balance, fen.
    pub closing: Option<i64>,
}

/// A disclosure with its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disclosure {
    /// Entries of the log that it reflects.
    pub size: u64,
    /// Status and dates.
    pub matter: Matter,
    /// Title.
    pub title: Option<Shown>,
    /// Text.
    pub text: Option<Shown>,
    /// Catalogue item.
    pub item: Option<Shown>,
    /// The decision behind it (四议两公开).
    pub decision: Option<Shown>,
    /// Who prepared it.
    pub prepared_by: Option<Shown>,
    /// Remark.
    pub note: Option<Shown>,
    /// Period in words.
    pub period: String,
    /// What it lists, Chinese.
    pub content: String,
    /// How urgently it was disclosed, Chinese.
    pub priority: Option<String>,
    /// Who posted it, Chinese.
    pub published_by: Option<String>,
    /// Whose book, Chinese.
    pub book: Option<String>,
    /// Day of posting on the wall.
    pub posted_on: Option<NaiveDate>,
    /// Published as 本期无收支.
    pub no_movement: bool,
    /// Latest totals in fen: opening, income, expense, closing.
    pub totals: [Option<i64>; 4],
    /// Checks of a finance sheet.
    pub checks: Vec<Check>,
    /// Expense by account or category, largest first, fen.
    pub expense_by_account: Vec<(String, i64)>,
    /// Its items beside those of the period before; absent where there is no sheet to compare with.
    pub comparison: Option<Comparison>,
    /// The first [`LINES_SHOWN_MAX`] lines as they stand.
    pub lines: LinePage,
    /// Corrections, newest first.
    pub corrections: Vec<Correction>,
    /// Questions, oldest first.
    pub questions: Vec<Question>,
    /// The period before.
    pub previous: Option<Neighbour>,
    /// The period after.
    pub next: Option<Neighbour>,
    /// All events, oldest first.
    pub history: Vec<HistoryEvent>,
}

/// A version of a line: entry, place in that entry's list, cells.
type Version = (u64, u64, Option<Map<String, Value>>);

/// Every version of every line, oldest first.
pub(super) struct Versions {
    first_index: u64,
    /// By line of the sheet.
    lines: BTreeMap<u64, Vec<Version>>,
}

impl Versions {
    /// Every line as it stands; `None` for one that was withdrawn.
    pub(super) fn latest(&self) -> impl Iterator<Item = Option<&Map<String, Value>>> {
        self.lines.values().filter_map(|versions| versions.last()).map(|(_, _, row)| row.as_ref())
    }
}

impl Reader {
    /// A page of disclosures.
    pub async fn disclosures(&mut self, filter: &Filter) -> Result<Page<Matter>, ReadError> {
        self.matters("disclosure", filter).await
    }

    /// One disclosure by stream (`disclosure/<uuid>`).
    pub async fn disclosure(&mut self, stream: &str) -> Result<Option<Disclosure>, ReadError> {
        let Some(matter) = self.matter(stream).await?.filter(|matter| matter.family == "disclosure") else {
            return Ok(None);
        };
        let history = self.history(stream).await?;
        let body = history.first().map(|event| event.body.clone()).unwrap_or_default();
        let versions = self.versions(stream, matter.first_index).await?;
        let (totals, no_movement) = self.totals(stream).await?;
        let book = body.get("book").and_then(Value::as_str).unwrap_or_default();
        let (previous, next) = self.neighbours(&matter, book).await?;
        let shape = shape(&matter);
        let now = |name: &str| history::latest(&history, name);
        let is_finance = matter.content.as_deref() == Some("finance");
        let label = |name: &str, label: fn(&str) -> Option<&'static str>| {
            body.get(name).and_then(Value::as_str).map(|wire| label(wire).unwrap_or(wire).to_owned())
        };
        Ok(Some(Disclosure {
            size: self.size(),
            title: now("title"),
            text: now("text"),
            item: now("item"),
            decision: now("decision"),
            prepared_by: now("prepared_by"),
            note: now("note"),
            period: matter.period.clone().map(|period| Period(period).label()).unwrap_or_default(),
            content: label("content", |wire| Content::from_wire(wire).map(Content::label)).unwrap_or_default(),
            priority: label("priority", |wire| Priority::from_wire(wire).map(Priority::label)),
            published_by: label("published_by", |wire| PublishedBy::from_wire(wire).map(PublishedBy::label)),
            book: label("book", |wire| Book::from_wire(wire).map(Book::label)),
            posted_on: body.get("posted_on").and_then(Value::as_str).and_then(|day| day.parse().ok()),
            no_movement,
            checks: if is_finance { checks(&totals, &versions, previous.as_ref()) } else { Vec::new() },
            comparison: if is_finance { self.comparison(&matter, book, &versions).await? } else { None },
            expense_by_account: if is_finance { expense_by_account(&versions) } else { Vec::new() },
            totals,
            lines: self.line_page(&versions, shape, 0, LINES_SHOWN_MAX).await?,
            corrections: corrections(&versions, shape, &history),
            questions: self.questions_of(stream, &history).await?,
            previous,
            next,
            matter,
            history,
        }))
    }

    /// Lines of a sheet as they stand, at most `limit` from `offset` on; `None` if there is no such sheet.
    pub async fn lines(&mut self, stream: &str, offset: usize, limit: usize) -> Result<Option<LinePage>, ReadError> {
        let Some(matter) = self.matter(stream).await? else { return Ok(None) };
        let versions = self.versions(stream, matter.first_index).await?;
        Ok(Some(self.line_page(&versions, shape(&matter), offset, limit).await?))
    }

    pub(super) async fn versions(&mut self, stream: &str, first_index: u64) -> Result<Versions, ReadError> {
        let mut versions = Versions { first_index, lines: BTreeMap::new() };
        for row in self.rows(CURRENT, vec![text(stream)]).await? {
            let (index, place) = (row.count("entry_index")?, row.count("line")?);
            let content = row.maybe::<String>("content")?.map(|json| serde_json::from_str(&json)).transpose()?;
            let line = match row.maybe::<i64>("corrects")? {
                Some(line) => line.unsigned_abs(),
                None if index == first_index => place,
                None => continue,
            };
            versions.lines.entry(line).or_default().push((index, place, content));
        }
        Ok(versions)
    }

    async fn line_page(
        &mut self,
        versions: &Versions,
        shape: Option<&'static ListShape>,
        offset: usize,
        limit: usize,
    ) -> Result<LinePage, ReadError> {
        let mut traces: HashMap<u64, HashMap<u64, Tombstone>> = HashMap::new();
        let mut lines = Vec::new();
        for (line, versions_of_line) in versions.lines.iter().skip(offset).take(limit) {
            let Some((index, place, row)) = versions_of_line.last() else { continue };
            if row.is_none() && !traces.contains_key(index) {
                let found = self.withdrawn(*index).await?;
                traces.insert(*index, found.into_iter().filter_map(|w| Some((w.line?, w.tombstone))).collect());
            }
            lines.push(Line {
                line: *line,
                row: row.clone(),
                withdrawn: traces.get(index).and_then(|of_entry| of_entry.get(place)).cloned(),
                index: *index,
                corrected: *index != versions.first_index,
            });
        }
        let columns = shape.map_or(&[][..], |shape| shape.columns);
        let columns = columns.iter().filter(|column| column.tier == gongkai_log::Tier::Public);
        Ok(LinePage {
            size: self.size(),
            total: versions.lines.len() as u64,
            columns: columns.map(|column| (column.name.to_owned(), column.label.to_owned())).collect(),
            lines,
        })
    }

    async fn totals(&mut self, stream: &str) -> Result<([Option<i64>; 4], bool), ReadError> {
        let Some(row) = self.row(TOTALS, vec![text(stream)]).await? else { return Ok(([None; 4], false)) };
        let totals = [row.maybe("opening")?, row.maybe("income")?, row.maybe("expense")?, row.maybe("closing")?];
        Ok((totals, row.flag("no_movement")?))
    }

    async fn neighbours(
        &mut self,
        matter: &Matter,
        book: &str,
    ) -> Result<(Option<Neighbour>, Option<Neighbour>), ReadError> {
        let Some((start, _)) = matter.period.clone().and_then(|period| Period(period).days()) else {
            return Ok((None, None));
        };
        let content = Arg::Text(matter.content.clone());
        let args = vec![text(matter.org.as_str()), content, text(book), text(matter.stream.as_str())];
        let (mut previous, mut next) = (None, None);
        for row in self.rows(NEIGHBOURS, args).await? {
            let other = Neighbour {
                stream: row.text("stream")?,
                period: row.maybe::<String>("period")?.map(|period| Period(period).label()).unwrap_or_default(),
                closing: row.maybe("closing")?,
            };
            match row.day("period_start")? {
                Some(day) if day < start => previous = Some(other),
                Some(day) if day > start && next.is_none() => next = Some(other),
                _ => {}
            }
        }
        Ok((previous, next))
    }

    /// The questions of a sheet, oldest first.
    async fn questions_of(&mut self, stream: &str, history: &[HistoryEvent]) -> Result<Vec<Question>, ReadError> {
        let rows = self.rows(QUESTIONS, vec![text(stream)]).await?;
        let mut questions = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut question = self.question(row)?;
            if let Some(deadline) = question.deadline.as_mut() {
                let (asked, asked_on) = (question.interpellation, question.asked_on);
                let rule = answer_rule(asked, &row.text("org")?, asked_on, self.world());
                let last_day = |world: &World| answer_day(&rule, asked_on, world).map(|computed| computed.end);
                deadline.moved = self.moved(question.index, last_day).await?;
            }
            let at = |index: u64| history.iter().find(|event| event.index == index);
            let asked = at(question.index);
            // Masked when it was entered, said in public, or masked and published by a statement of its own.
            let published = said_of(history, QuestionPublished::KIND, question.revision);
            question.text = published
                .and_then(|event| event.shown("text"))
                .or_else(|| asked.and_then(|event| event.shown("text_masked").or_else(|| event.shown("text"))));
            question.answer = question.answer_index.and_then(at).and_then(|event| event.shown("text"));
            questions.push(question);
        }
        Ok(questions)
    }

    /// A question's row with its deadline today; texts are in the history.
    pub(crate) fn question(&self, row: &Row) -> Result<Question, ReadError> {
        let (org, topic) =
            (row.maybe::<String>("org")?.unwrap_or_default(), row.maybe::<String>("topic")?.unwrap_or_default());
        let interpellation = row.flag("interpellation")?;
        let asked_on = row.day("asked_on")?.unwrap_or(NaiveDate::MIN);
        let answered_on = row.day("answered_on")?;
        let answer_index = row.maybe::<i64>("answer_index")?.map(i64::unsigned_abs);
        let deadline = answer_deadline(interpellation, &org, asked_on, self.world())
            .map(|(rule, computed)| Deadline::new(&computed, &rule, rule.code.label(), self.today()));
        let overdue = deadline.as_ref().is_some_and(|deadline| self.today() > deadline.end);
        Ok(Question {
            stream: row.text("stream")?,
            revision: row.count("revision")?,
            interpellation,
            line: row.maybe::<i64>("line")?.map(i64::unsigned_abs),
            topic: label_or(Topic::from_wire(&topic).map(Topic::label), &topic).to_owned(),
            text: None,
            asked_on,
            deadline,
            status: match answer_index {
                Some(_) => Status::Answered,
                None if overdue => Status::AnswerOverdue,
                None => Status::Asked,
            },
            answer: None,
            answered_on,
            index: row.maybe::<i64>("entry_index")?.unwrap_or_default().unsigned_abs(),
            answer_index,
        })
    }

    /// What of a disclosure's lines holds at the entry itself, before any correction.
    pub async fn lines_of_entry(&mut self, index: u64) -> Result<Vec<Line>, ReadError> {
        let mut rows: Vec<_> = self.list_rows(index).await?.into_iter().collect();
        rows.sort_by_key(|(line, _)| *line);
        let line = |(line, (row, withdrawn))| Line { line, row, withdrawn, index, corrected: false };
        Ok(rows.into_iter().map(line).collect())
    }
}

/// The statement of a kind about a question, by the question's revision.
pub fn said_of<'h>(history: &'h [HistoryEvent], kind: &str, question: u64) -> Option<&'h HistoryEvent> {
    let is_of = |event: &&HistoryEvent| event.body.get("question").and_then(Value::as_u64) == Some(question);
    history.iter().rev().find(|event| event.kind == kind && is_of(event))
}

/// The rule for the answer, and its deadline; the day of asking is not counted.
pub(crate) fn answer_deadline(
    interpellation: bool,
    org: &str,
    asked_on: NaiveDate,
    world: &World,
) -> Option<(Rule, Computed)> {
    let rule = answer_rule(interpellation, org, asked_on, world);
    let computed = answer_day(&rule, asked_on, world)?;
    Some((rule, computed))
}

fn answer_rule(interpellation: bool, org: &str, asked_on: NaiveDate, world: &World) -> Rule {
    let code = if interpellation { RuleCode::InterpellationDaysMax } else { RuleCode::QuestionDaysMax };
    world.rule(code, org, asked_on)
}

fn answer_day(rule: &Rule, asked_on: NaiveDate, world: &World) -> Option<Computed> {
    let days = u32::try_from(rule.value).ok()?;
    let computed = match rule.unit {
        Unit::WorkingDays => world.calendar.deadline_after(asked_on, days),
        _ => Days::calendar_days(asked_on, days, false),
    };
    computed.ok()
}

fn shape(matter: &Matter) -> Option<&'static ListShape> {
    let ListRule::By { shapes, .. } = kind::find("disclosure.published.v1")?.list else { return None };
    shapes.iter().find(|(wire, _)| Some(*wire) == matter.content.as_deref()).map(|(_, shape)| *shape)
}

impl Versions {
    /// Adds the latest lines' amounts of a column to the sums by category or account, and tells whether a line
    /// was withdrawn, whose amount is therefore not in them.
    pub(super) fn add_by_account(&self, column: &str, sums: &mut BTreeMap<String, i64>) -> bool {
        let mut withdrawn = false;
        for (_, _, row) in self.lines.values().filter_map(|versions| versions.last()) {
            let Some(row) = row else {
                withdrawn = true;
                continue;
            };
            let Some(fen) = row.get(column).and_then(Value::as_i64) else { continue };
            let name = row.get("category").or_else(|| row.get("account")).and_then(Value::as_str).unwrap_or("未归类");
            let sum = sums.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(fen);
        }
        withdrawn
    }
}

fn expense_by_account(versions: &Versions) -> Vec<(String, i64)> {
    let mut sums = BTreeMap::new();
    versions.add_by_account("expense", &mut sums);
    super::dossier::largest_first(sums)
}

fn checks(totals: &[Option<i64>; 4], versions: &Versions, previous: Option<&Neighbour>) -> Vec<Check> {
    let [opening, income, expense, closing] = *totals;
    let check = |label: &str, holds: Option<bool>, detail: String| Check { label: label.to_owned(), holds, detail };
    let carried = match (opening, previous.and_then(|p| p.closing.map(|closing| (closing, &p.period)))) {
        (Some(opening), Some((closing, period))) => {
            check("上期结存相符", Some(opening == closing), format!("{period}末 {}", fen_text(closing)))
        }
        _ => check("上期结存相符", None, "没有上一期公开的账，无从核对".into()),
    };
    let balance = match (opening, income, expense, closing) {
        (Some(opening), Some(income), Some(expense), Some(closing)) => {
            let sum = i128::from(opening) + i128::from(income) - i128::from(expense);
            check("收支平衡", Some(sum == i128::from(closing)), "上期结存 + 收入 − 支出 = 期末结存".into())
        }
        _ => check("收支平衡", None, "没有写明结存".into()),
    };
    let rows: Vec<_> =
        versions.lines.values().filter_map(|versions| versions.last()).map(|(_, _, row)| row.as_ref()).collect();
    let sum =
        |name: &str| -> i128 { rows.iter().flatten().filter_map(|row| row.get(name)?.as_i64()).map(i128::from).sum() };
    let complete = rows.iter().all(Option::is_some);
    let agrees = complete
        .then(|| Some(sum("income")) == income.map(i128::from) && Some(sum("expense")) == expense.map(i128::from));
    let detail = if complete { format!("{} 笔", rows.len()) } else { "有明细行已撤下，无从相加".into() };
    vec![carried, balance, check("合计等于逐笔相加", agrees, detail)]
}

fn corrections(versions: &Versions, shape: Option<&'static ListShape>, history: &[HistoryEvent]) -> Vec<Correction> {
    let none = HashMap::new();
    let columns: &[Column] = shape.map_or(&[], |shape| shape.columns);
    let mut found = Vec::new();
    for (line, of_line) in &versions.lines {
        for (place, (index, _, new)) in
            of_line.iter().enumerate().filter(|(_, (index, ..))| *index != versions.first_index)
        {
            let Some(event) = history.iter().find(|event| event.index == *index) else { continue };
            let old = place.checked_sub(1).and_then(|before| of_line[before].2.as_ref());
            for column in columns {
                let cell = |row: Option<&Map<String, Value>>| row.and_then(|row| row.get(column.name)).cloned();
                let (was, is) = (cell(old), cell(new.as_ref()));
                if was == is {
                    continue;
                }
                let shown = |value: Option<Value>| value.map(|value| shown_cell(column, &value, &none));
                found.push(Correction {
                    line: Some(*line),
                    field: column.label.to_owned(),
                    old: shown(was),
                    new: shown(is),
                    reason: event.shown("reason"),
                    at: event.recorded_at,
                    index: *index,
                });
            }
        }
    }
    for event in history.iter().filter(|event| event.kind.starts_with("disclosure.corrected.")) {
        found.extend(event.diffs.iter().filter(|diff| matches!(diff.name.as_str(), "title" | "text")).map(|diff| {
            Correction {
                line: None,
                field: diff.label.clone(),
                old: Some(side(diff, false)),
                new: Some(side(diff, true)),
                reason: event.shown("reason"),
                at: event.recorded_at,
                index: event.index,
            }
        }));
    }
    found.sort_by_key(|correction| (std::cmp::Reverse(correction.index), correction.line));
    found
}

/// Files by the beginnings of their hashes: that there was one before and is one now tells nobody what was corrected.
fn shown_cell(column: &Column, value: &Value, none: &HashMap<String, String>) -> String {
    let shown = display(Some(&column.shape), value, none, none);
    let files: Vec<field::Attachment> = match column.shape {
        Shape::Attachments(_) => Vec::deserialize(value).unwrap_or_default(),
        _ => return shown,
    };
    let hashes: Vec<String> =
        files.iter().map(|file| file.hash.to_hex().chars().take(HASH_CHARS_SHOWN).collect()).collect();
    format!("{shown}（{}）", hashes.join("、"))
}

/// One version of a compared text.
fn side(diff: &super::FieldDiff, new: bool) -> String {
    use crate::diff::Segment::{Deleted, Inserted, Same};
    let part = |segment: &crate::diff::Segment| match segment {
        Same(text) => text.clone(),
        Deleted(text) if !new => text.clone(),
        Inserted(text) if new => text.clone(),
        _ => String::new(),
    };
    diff.segments.iter().map(part).collect()
}

/// The question rows of one statement's answer list, for the board.
pub(crate) const OPEN_QUESTIONS: &str = "SELECT q.stream, q.revision, q.org, q.interpellation, q.line, q.topic, q.asked_on, q.entry_index, q.answered_on, q.answer_index \
     FROM questions q JOIN matters m ON m.stream = q.stream WHERE q.answer_index IS NULL AND q.entry_index IS NOT NULL AND m.state <> 'withdrawn' \
     AND (CAST($1 AS TEXT) IS NULL OR q.org IN (SELECT code FROM organization_ancestors WHERE ancestor = $1)) ORDER BY q.asked_on, q.entry_index LIMIT $2";

pub(crate) fn open_questions_args(org: Option<&str>, limit: i64) -> Vec<Arg> {
    vec![Arg::Text(org.map(str::to_owned)), int(limit)]
}
