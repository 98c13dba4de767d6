//! What the audit notices of disclosures: sums after a correction, months without a sheet, questions and their answers.

use chrono::{Datelike, Days, Months, NaiveDate};
use gongkai_log::{Statement, StreamId};
use serde_json::{Map, Value};

use super::{Auditor, Category, Evidence, Opened, Question, Stream};
use crate::{
    calendar, finance,
    kind::{self, disclosure},
    rules::{RuleCode, Unit},
    world::World,
};

impl<E: Evidence> Auditor<E> {
    /// Questions, answers, and the lines of finance sheets.
    pub(super) fn disclosed(&mut self, index: u64, opened: &Opened<'_>) {
        let statement = opened.statement;
        let (name, body) = (statement.kind.as_str(), &statement.body);
        if let Some(sheet) = kind::body::<disclosure::Published>(name, body) {
            self.sheet(index, opened, &sheet);
        } else if let Some(corrected) = kind::body::<disclosure::Corrected>(name, body) {
            self.corrected(index, opened, &corrected);
        } else if let Some(question) = kind::body::<disclosure::Questioned>(name, body) {
            self.asked(index, statement, RuleCode::QuestionDaysMax, question.asked_on);
        } else if let Some(question) = kind::body::<disclosure::Interpellated>(name, body) {
            self.asked(index, statement, RuleCode::InterpellationDaysMax, question.asked_on);
        } else if let Some(answer) = kind::body::<disclosure::Answered>(name, body) {
            self.answered(index, statement, &answer);
        } else if name == "disclosure.withdrawn.v1" {
            for series in self.series.values_mut() {
                series.retain(|_, (_, stream)| *stream != statement.stream);
            }
        }
    }

    fn sheet(&mut self, index: u64, opened: &Opened<'_>, sheet: &disclosure::Published) {
        if sheet.content != disclosure::Content::Finance {
            return;
        }
        if let Some(stream) = self.streams.get_mut(&opened.statement.stream) {
            stream.amounts = opened.whole.then(|| opened.rows.iter().map(amounts).collect()).flatten();
        }
        let Some((first, last)) = sheet.period.days() else { return };
        if first.year() == last.year() && first.month() == last.month() {
            let book = sheet.book.map_or("", disclosure::Book::wire);
            let key = (opened.statement.org.clone(), book.to_owned());
            self.series.entry(key).or_default().insert(first, (index, opened.statement.stream.clone()));
        }
    }

    /// A correction's totals are the sums of all lines as they are after it. `decide` could not look
    /// at the lines that stay, the audit can.
    fn corrected(&mut self, index: u64, opened: &Opened<'_>, corrected: &disclosure::Corrected) {
        let statement = opened.statement;
        if corrected.content != disclosure::Content::Finance {
            return;
        }
        let Some(stream) = self.streams.get_mut(&statement.stream) else { return };
        let Some(lines) = stream.amounts.as_mut() else { return };
        if !opened.whole {
            stream.amounts = None;
            return;
        }
        for (line, row) in corrected.corrects.iter().flatten().zip(&opened.rows) {
            let (Some(amounts), Ok(line)) = (amounts(row), usize::try_from(*line)) else { return };
            match lines.get_mut(line) {
                Some(known) => *known = amounts,
                None => lines.push(amounts),
            }
        }
        let sums = lines
            .iter()
            .try_fold((0_i64, 0_i64), |sum, line| Some((sum.0.checked_add(line.0)?, sum.1.checked_add(line.1)?)));
        let (Some(sums), Some(income), Some(expense)) = (sums, corrected.income, corrected.expense) else { return };
        if sums != (income.0, expense.0) {
            let sentence = format!(
                "{}更正后写明收入 {}、支出 {}，各行相加是收入 {}、支出 {}",
                self.name(&statement.org),
                finance::fen_text(income.0),
                finance::fen_text(expense.0),
                finance::fen_text(sums.0),
                finance::fen_text(sums.1),
            );
            self.note(Category::Totals, index, &statement.stream, &statement.org, sentence);
        }
    }

    fn asked(&mut self, index: u64, statement: &Statement, rule: RuleCode, asked_on: NaiveDate) {
        if let Some(stream) = self.streams.get_mut(&statement.stream) {
            stream.questions.insert(statement.revision, Question { index, rule, asked_on, answered: false });
        }
    }

    fn answered(&mut self, index: u64, statement: &Statement, answer: &disclosure::Answered) {
        let Some(stream) = self.streams.get_mut(&statement.stream) else { return };
        let org = stream.org.clone();
        let Some(question) = stream.questions.get_mut(&answer.question).filter(|question| !question.answered) else {
            return;
        };
        question.answered = true;
        let (asked, rule, asked_on) = (question.index, question.rule, question.asked_on);
        let Some(due) = due(self.world(), rule, &org, asked_on) else { return };
        if answer.answered_on > due {
            let days = answer.answered_on.signed_duration_since(due).num_days();
            let sentence = format!(
                "{}对第 {asked} 号询问的答复迟了 {days} 天（应于 {due} 前答复，{} 答复）",
                self.name(&org),
                answer.answered_on
            );
            self.note(Category::LateAnswer, index, &statement.stream, &org, sentence);
        }
    }

    pub(super) fn unanswered(&mut self, id: &StreamId, stream: &Stream, today: NaiveDate) {
        for question in stream.questions.values().filter(|question| !question.answered) {
            let Some(due) = due(self.world(), question.rule, &stream.org, question.asked_on) else { continue };
            if today > due {
                let days = today.signed_duration_since(due).num_days();
                let sentence = format!(
                    "{}没有答复 {} 提出的询问，应于 {due} 前答复，已逾期 {days} 天",
                    self.name(&stream.org),
                    question.asked_on
                );
                self.note(Category::MissingAnswer, question.index, id, &stream.org, sentence);
            }
        }
    }

    /// Runs of months without a sheet, between the first published month and the last one due.
    pub(super) fn missing_periods(&mut self, today: NaiveDate) {
        let series = std::mem::take(&mut self.series);
        for ((org, book), months) in &series {
            let Some((first, _)) = months.first_key_value() else { continue };
            let ended = self.world().organization(org).is_none_or(|org| org.ended.is_some());
            let mut gap: Option<(NaiveDate, NaiveDate, u64)> = None;
            let mut last = months.first_key_value().map(|(_, sheet)| sheet.clone());
            for month in std::iter::successors(Some(*first), |month| month.checked_add_months(Months::new(1))) {
                let published = months.get(&month);
                let over = published.is_none()
                    && (!self.month_is_due(org, month, today) || (ended && months.range(month..).next().is_none()));
                if published.is_some() || over {
                    if let (Some(gap), Some((index, stream))) = (gap.take(), &last) {
                        self.note_gap(org, book, gap, *index, stream);
                    }
                    last = published.cloned().or(last);
                }
                if over {
                    break;
                }
                if published.is_none() {
                    gap = Some(gap.map_or((month, month, 1), |(from, _, count)| (from, month, count + 1)));
                }
            }
        }
    }

    fn note_gap(&mut self, org: &str, book: &str, gap: (NaiveDate, NaiveDate, u64), index: u64, stream: &StreamId) {
        let (from, to, count) = gap;
        let month = |day: NaiveDate| format!("{}年{}月", day.year(), day.month());
        let months = if from == to { month(from) } else { format!("{}至{}", month(from), month(to)) };
        let book = disclosure::Book::from_wire(book).map_or(String::new(), |book| format!("{}账的", book.label()));
        let sentence = format!("{}没有公开{book}{months}的财务收支（共 {count} 个月）", self.name(org));
        self.note(Category::MissingPeriod, index, stream, org, sentence);
    }

    /// Whether a month's sheet should have been posted by `today`.
    fn month_is_due(&self, org: &str, month: NaiveDate, today: NaiveDate) -> bool {
        let Some(next) = month.checked_add_months(Months::new(1)) else { return false };
        let day = self.world().rule(RuleCode::DisclosureDueDay, org, next).value;
        next.checked_add_days(Days::new(day.saturating_sub(1))).is_some_and(|due| today > due)
    }
}

/// Income and expense of a finance line, fen; `None` when the row is no finance line.
fn amounts(row: &Map<String, Value>) -> Option<(i64, i64)> {
    let amount = |name: &str| row.get(name).map_or(Some(0), Value::as_i64);
    Some((amount("income")?, amount("expense")?))
}

/// The last day for an answer to what was asked on a day.
fn due(world: &World, rule: RuleCode, org: &str, asked_on: NaiveDate) -> Option<NaiveDate> {
    let rule = world.rule(rule, org, asked_on);
    let days = u32::try_from(rule.value).unwrap_or(u32::MAX);
    let computed = match rule.unit {
        Unit::WorkingDays => world.calendar.deadline_after(asked_on, days),
        _ => calendar::Period::calendar_days(asked_on, days, false),
    };
    computed.ok().map(|computed| computed.end)
}
