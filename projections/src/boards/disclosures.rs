//! Disclosures: sheets with their latest totals, and the questions about them. Lines are in the table
//! of the timeline; a correction's lines name the lines of the sheet that they replace.

use chrono::Datelike;
use gongkai_domain::{
    World,
    field::Fen,
    kind::{Described, disclosure},
};

use super::{matter, read};
use crate::{
    event::PublicEvent,
    projection::{Change, Projection, ProjectionError, Table, Type::Int, Type::Text},
};

/// Questions and their answers.
pub const QUESTIONS: Table = Table {
    name: "questions",
    keys: 2,
    columns: &[
        ("stream", Text),
        ("revision", Int),
        ("org", Text),
        ("interpellation", Int),
        ("line", Int),
        ("topic", Text),
        ("asked_on", Text),
        ("entry_index", Int),
        ("answered_on", Text),
        ("answer_index", Int),
    ],
};

/// The projection.
pub struct Disclosures;

impl Projection for Disclosures {
    fn name(&self) -> &'static str {
        "disclosures"
    }

    fn version(&self) -> u32 {
        1
    }

    fn families(&self) -> &'static [&'static str] {
        &["disclosure"]
    }

    fn apply(&self, event: &PublicEvent, world: &World) -> Result<Vec<Change>, ProjectionError> {
        let row = matter(event, world);
        let question = |revision: u64| Change::new(&QUESTIONS).text("stream", event.stream()).int("revision", revision);
        let asked = |interpellation, line: Option<u64>, topic: disclosure::Topic, on| {
            question(event.statement.revision)
                .text("org", event.statement.org.as_str())
                .flag("interpellation", interpellation)
                .maybe_int("line", line)
                .text("topic", topic.wire())
                .maybe_day("asked_on", Some(on))
                .int("entry_index", event.index)
        };
        Ok(match event.statement.kind.as_str() {
            disclosure::Published::KIND => vec![published(row, &read!(event, disclosure::Published))],
            disclosure::Questioned::KIND => {
                let q = read!(event, disclosure::Questioned);
                vec![row, asked(false, q.line, q.topic, q.asked_on)]
            }
            disclosure::Interpellated::KIND => {
                let q = read!(event, disclosure::Interpellated);
                vec![row, asked(true, q.line, q.topic, q.asked_on)]
            }
            disclosure::Answered::KIND => {
                let answer = read!(event, disclosure::Answered);
                let question = question(answer.question)
                    .maybe_day("answered_on", Some(answer.answered_on))
                    .int("answer_index", event.index);
                vec![row, question]
            }
            disclosure::Corrected::KIND => {
                let corrected = read!(event, disclosure::Corrected);
                let totals = [corrected.opening, corrected.income, corrected.expense, corrected.closing];
                vec![with_totals(row.text("state", "corrected"), totals)]
            }
            disclosure::Withdrawn::KIND => vec![row.text("state", "withdrawn")],
            _ => vec![row],
        })
    }
}

fn with_totals(row: Change, [opening, income, expense, closing]: [Option<Fen>; 4]) -> Change {
    let fen = |fen: Option<Fen>| fen.map(|fen| fen.0);
    row.maybe_int("opening", fen(opening))
        .maybe_int("income", fen(income))
        .maybe_int("expense", fen(expense))
        .maybe_int("closing", fen(closing))
}

fn published(row: Change, sheet: &disclosure::Published) -> Change {
    let days = sheet.period.days();
    let row = row
        .text("state", "published")
        .text("category", sheet.class.wire())
        .text("class", sheet.class.wire())
        .text("content", sheet.content.wire())
        .maybe_text("book", sheet.book.map(disclosure::Book::wire))
        .text("period", sheet.period.0.as_str())
        .maybe_day("period_start", days.map(|(start, _)| start))
        .maybe_day("period_end", days.map(|(_, end)| end))
        .flag("no_movement", sheet.no_movement == Some(true));
    let row = match days {
        Some((start, _)) => row.int("year", start.year()),
        None => row,
    };
    with_totals(row, [sheet.opening, sheet.income, sheet.expense, sheet.closing])
}
