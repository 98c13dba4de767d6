//! Sheets that people upload while they write a disclosure: read as they are, every problem at its cell, nothing kept.
//!
//! [`read`] gives the rows as the file shows them, what each row is, the lines that result, and what stands in their way;
//! [`Sheet::balance`] adds what only the books know. Both are pure: bytes and words in, a [`Sheet`] out. What is said here
//! is said early and at the cell; whether it may be published is still judged by the ledger (`rehearsals`). Equal lines
//! are separate payments and stay so.
//!
//! Not here: tables that become many commands (`exchange::plan`), and HTTP. To take another header, see `names`; another
//! class of sheets comes with its list in the kind's own table.

mod balance;
mod carry;
mod heading;
mod names;
mod reading;
mod settle;
mod stated;
pub mod template;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};

pub use balance::Books;
pub use carry::carry;
pub use names::{Class, class, classes};
pub use reading::{BYTES_MAX, LINES_MAX, private, read};

use crate::exchange::Problem;
use crate::exchange::problems::PROBLEMS_SHOWN_MAX;

/// What whoever uploads says beside the file.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The class; the one whose headers stand there, if none is named.
    pub class: Option<Class>,
    /// Name of the sheet in its workbook.
    pub sheet: Option<String>,
    /// Row of the header.
    pub header: Option<u64>,
    /// Place of a column and the field that it is; instead of what its header says.
    pub columns: Option<Vec<(usize, String)>>,
    /// The period, as the form has it.
    pub period: Option<String>,
    /// Balance brought forward in fen, where neither the sheet nor the books have it.
    pub opening: Option<i64>,
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Above the header.
    Title,
    Header,
    /// Becomes a line.
    Line,
    /// 合计 and its kin.
    Total,
    /// 上期结存.
    Opening,
    /// 期末结存.
    Closing,
    /// Signatures, remarks, rows without content.
    Aside,
}

/// A row as the file shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowRead {
    /// As a table program numbers it, from 1.
    pub row: u64,
    pub part: Part,
    pub cells: Vec<String>,
}

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnRead {
    /// Place in the file, 0 is A.
    pub place: usize,
    pub letter: String,
    pub header: String,
    /// What it is; absent for a column that is left out.
    pub field: Option<&'static str>,
}

/// Something to mend or to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    #[serde(flatten)]
    pub problem: Problem,
    /// Place of the column, 0 is A.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<usize>,
    /// Nothing is published while it is there.
    pub blocking: bool,
}

/// One of the checks that people see, whether it holds or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub label: &'static str,
    /// Absent when it cannot be checked yet.
    pub holds: Option<bool>,
    pub detail: String,
}

/// What was read.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Sheet {
    /// Wire name of the class; absent where nothing could be read.
    pub content: Option<&'static str>,
    /// Name of the sheet in its workbook, and of all of them.
    pub sheet: Option<String>,
    pub sheets: Vec<String>,
    /// The platform whose export it is.
    pub platform: Option<&'static str>,
    /// False when somebody has to say which column is what.
    pub mapped: bool,
    pub header_row: Option<u64>,
    pub columns: Vec<ColumnRead>,
    pub rows: Vec<RowRead>,
    /// Blocking ones first where there are too many to list.
    pub problems: Vec<Fault>,
    pub blocking: usize,
    pub problems_total: usize,
    pub checks: Vec<Check>,
    /// Fields of the form.
    pub fields: Map<String, Value>,
    pub lines: Vec<Map<String, Value>>,
    /// The row of each line.
    pub line_rows: Vec<u64>,
    /// What was set aside or assumed.
    pub notes: Vec<String>,
    #[serde(skip)]
    own: Own,
}

/// What the balance is made from, and nobody else needs.
#[derive(Debug, Clone, Default)]
struct Own {
    /// Rows that should be lines and could not be read.
    unread: usize,
    /// Numbers of people that must not be published.
    private: usize,
    opening: Option<stated::Stated>,
    closing: Option<stated::Stated>,
    asked_opening: Option<i64>,
    /// Sums of the 合计 row by column: field, where it stands, fen.
    totals: Vec<(&'static str, stated::Stated)>,
}

impl Sheet {
    /// What stands for a file that the reader of workbooks could not get through.
    pub fn broken() -> Self {
        let mut sheet = Self::default();
        let problem = Problem::of_sheet("", "文件打不开，可能已损坏。请用表格软件打开后另存为 xlsx");
        sheet.fault(Fault { problem, place: None, blocking: true });
        sheet
    }

    /// Adds a problem; those that block are kept before the others.
    fn fault(&mut self, fault: Fault) {
        self.problems_total += 1;
        self.blocking += usize::from(fault.blocking);
        if self.problems.len() < PROBLEMS_SHOWN_MAX {
            self.problems.push(fault);
        } else if fault.blocking
            && let Some(at) = self.problems.iter().rposition(|known| !known.blocking)
        {
            self.problems[at] = fault;
        }
    }

    /// A problem of a cell of this sheet, or of its row or of the whole.
    fn problem(&self, row: Option<u64>, place: Option<usize>, message: impl Into<String>) -> Fault {
        let name = self.sheet.clone().unwrap_or_default();
        let mut problem = Problem { row, ..Problem::of_sheet(name, message) };
        if let (Some(row), Some(place)) = (row, place) {
            let column = self.columns.iter().find(|column| column.place == place);
            let header = column.map_or("", |column| column.header.as_str());
            problem = problem.at_cell(place, header, self.cell(row, place));
        }
        Fault { problem, place, blocking: true }
    }

    fn cell(&self, row: u64, place: usize) -> &str {
        let found = self.rows.binary_search_by_key(&row, |known| known.row).ok();
        found.and_then(|at| self.rows[at].cells.get(place)).map_or("", String::as_str)
    }

    /// The place of a field's column.
    fn place_of(&self, field: &str) -> Option<usize> {
        self.columns.iter().find(|column| column.field == Some(field)).map(|column| column.place)
    }
}
