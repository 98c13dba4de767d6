//! What is wrong with a file, said to the person at an office who has to mend it.
//!
//! A problem names the place as that person sees it (file, sheet, row, column letter and header), shows the
//! cell, and says in plain Chinese what to do. It is not an error of ours: reading goes on to the end of the
//! file, so that one run lists everything. To extend, add a constructor; never a problem without a place.

use std::fmt;

use serde::Serialize;

use super::table::COLUMNS_MAX;

/// Problems that are kept with their text; the rest are counted. Nobody mends more than this in one sitting.
pub const PROBLEMS_SHOWN_MAX: usize = 500;

/// Characters of a cell that a problem repeats.
const CELL_CHARS_SHOWN_MAX: usize = 40;

/// One thing to mend, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// File name, and the sheet's name where the file has sheets.
    pub sheet: String,
    /// Row as the user's table program numbers it, from 1; absent when the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Column letter, `F`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Header of that column, as written in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What the cell holds, shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// What is wrong and what to do, in Chinese.
    pub message: String,
}

impl Problem {
    /// A problem of a whole file or sheet.
    pub fn of_sheet(sheet: impl Into<String>, message: impl Into<String>) -> Self {
        Self { sheet: sheet.into(), row: None, column: None, header: None, cell: None, message: message.into() }
    }

    /// A problem of one row.
    pub fn of_row(sheet: impl Into<String>, row: u64, message: impl Into<String>) -> Self {
        Self { row: Some(row), ..Self::of_sheet(sheet, message) }
    }

    /// The same problem, with the column (0 is A) and the text of the cell.
    #[must_use]
    pub fn at_cell(mut self, column: usize, header: &str, cell: &str) -> Self {
        self.column = Some(column_letters(column));
        self.header = (!header.is_empty()).then(|| header.to_owned());
        self.cell = Some(shorten(cell));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sheet)?;
        if let Some(row) = self.row {
            write!(f, " 第 {row} 行")?;
        }
        if let Some(column) = &self.column {
            write!(f, " {column} 列")?;
        }
        if let Some(header) = &self.header {
            write!(f, "“{header}”")?;
        }
        match self.cell.as_deref() {
            Some("") => write!(f, "（空）")?,
            Some(cell) => write!(f, "，填的是“{cell}”")?,
            None => {}
        }
        write!(f, "：{}", self.message)
    }
}

/// The problems of one import: the first [`PROBLEMS_SHOWN_MAX`] with their text, all of them counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The first problems, in the order of the file.
    pub shown: Vec<Problem>,
    /// How many there are in all.
    pub total: usize,
}

impl Problems {
    /// Counts a problem, and keeps it while there is room.
    pub fn push(&mut self, problem: Problem) {
        self.total += 1;
        if self.shown.len() < PROBLEMS_SHOWN_MAX {
            self.shown.push(problem);
        }
    }

    /// True when nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Adds what another reading found, keeping its count.
    pub fn append(&mut self, other: Self) {
        let unseen = other.total - other.shown.len();
        for problem in other.shown {
            self.push(problem);
        }
        self.total += unseen;
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.shown {
            writeln!(f, "{problem}")?;
        }
        if self.total > self.shown.len() {
            writeln!(f, "另有 {} 处问题没有列出。", self.total - self.shown.len())?;
        }
        Ok(())
    }
}

/// The letters over a column in a table program: 0 is `A`, 26 is `AA`.
pub fn column_letters(column: usize) -> String {
    let mut rest = column + 1;
    let mut letters = Vec::new();
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

/// The place of a column by its letters; nothing beyond the columns that a table may have.
pub fn column_place(letters: &str) -> Option<usize> {
    (0..COLUMNS_MAX).find(|place| column_letters(*place) == letters)
}

fn shorten(cell: &str) -> String {
    let mut chars = cell.chars();
    let mut shown: String = chars.by_ref().take(CELL_CHARS_SHOWN_MAX).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_lettered_as_in_a_table_program() {
        let letters: Vec<_> = [0, 25, 26, 51, 52, 199].into_iter().map(column_letters).collect();
        assert_eq!(letters, ["A", "Z", "AA", "AZ", "BA", "GR"]);
        assert_eq!(["A", "AZ", "GR"].map(column_place), [Some(0), Some(51), Some(199)]);
        assert_eq!(column_place("GS"), None);
    }

    #[test]
    fn a_problem_reads_as_one_sentence_with_its_place() {
        let problem = Problem::of_row("账目.xlsx（2月）", 12, "金额最多两位小数").at_cell(5, "金额", "12.345");
        assert_eq!(problem.to_string(), "账目.xlsx（2月） 第 12 行 F 列“金额”，填的是“12.345”：金额最多两位小数");
    }

    #[test]
    fn the_problems_beyond_the_limit_are_counted() {
        let mut problems = Problems::default();
        for row in 0..600 {
            problems.push(Problem::of_row("a", row, "b"));
        }
        assert_eq!((problems.shown.len(), problems.total), (PROBLEMS_SHOWN_MAX, 600));
        assert!(problems.to_string().ends_with("另有 100 处问题没有列出。\n"));
        let mut sum = Problems::default();
        sum.push(Problem::of_sheet("b", "c"));
        sum.append(problems);
        assert_eq!((sum.shown.len(), sum.total), (PROBLEMS_SHOWN_MAX, 601));
    }
}
