//! The one table: each figure beside the bare limit of the same run, its target, its flushes.
//!
//! To show a further figure, build a [`Figure`] where it is measured; nothing is derived here but the
//! ratio and whether the targets were met.

use std::fmt::{self, Write as _};

/// What a figure must be.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// One row.
pub(crate) struct Figure {
    name: String,
    unit: &'static str,
    value: f64,
    limit: Option<(String, f64)>,
    bound: Option<Bound>,
    ratio_min: Option<f64>,
    flushes: Option<(u64, u64)>,
}

impl Figure {
    /// A figure without limit, target and flushes.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), unit, value, limit: None, bound: None, ratio_min: None, flushes: None }
    }

    /// The bare limit, in the same unit.
    pub(crate) fn beside(mut self, limit: impl Into<String>, value: f64) -> Self {
        self.limit = Some((limit.into(), value));
        self
    }

    /// Target: at least this, where there is one.
    pub(crate) fn at_least(mut self, value: impl Into<Option<f64>>) -> Self {
        self.bound = value.into().map(Bound::AtLeast);
        self
    }

    /// Target: at most this.
    pub(crate) fn at_most(mut self, value: f64) -> Self {
        self.bound = Some(Bound::AtMost(value));
        self
    }

    /// Target: at least this part of the bare limit.
    pub(crate) fn at_least_of_limit(mut self, ratio: f64) -> Self {
        self.ratio_min = Some(ratio);
        self
    }

    /// Flushes, and the operations that they made durable.
    pub(crate) fn flushed(mut self, flushes: u64, operations: u64) -> Self {
        self.flushes = Some((flushes, operations));
        self
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What was measured, with its unit.
    pub(crate) fn measured(&self) -> String {
        format!("{} {}", number(self.value), self.unit)
    }

    /// What one operation takes, if this is a rate or a time.
    pub(crate) fn cost(&self) -> Option<f64> {
        match self.unit {
            unit if unit.ends_with("/s") => Some(1.0 / self.value),
            "ms" => Some(self.value),
            _ => None,
        }
    }

    fn ratio(&self) -> Option<f64> {
        self.limit.as_ref().map(|(_, limit)| self.value / limit)
    }

    fn target(&self) -> String {
        let bound = match self.bound {
            Some(Bound::AtLeast(value)) => Some(format!(">= {}", number(value))),
            Some(Bound::AtMost(value)) => Some(format!("<= {}", number(value))),
            None => None,
        };
        let ratio = self.ratio_min.map(|ratio| format!(">= {ratio:.2} of limit"));
        bound.into_iter().chain(ratio).collect::<Vec<_>>().join(", ")
    }

    /// Whether every target was met; `None` without a target.
    fn met(&self) -> Option<bool> {
        let bound = self.bound.map(|bound| match bound {
            Bound::AtLeast(least) => self.value >= least,
            Bound::AtMost(most) => self.value <= most,
        });
        // A ratio that cannot be computed is not met.
        let ratio = self.ratio_min.map(|least| self.ratio().is_some_and(|ratio| ratio >= least));
        match (bound, ratio) {
            (None, None) => None,
            (bound, ratio) => Some(bound.unwrap_or(true) && ratio.unwrap_or(true)),
        }
    }

    fn cells(&self) -> [String; 7] {
        let limit = self.limit.as_ref().map(|(name, value)| format!("{} {name}", number(*value)));
        let flushes = self.flushes.map(|(flushes, operations)| {
            format!("{} ({:.3} each)", whole(flushes), as_f64(flushes) / as_f64(operations.max(1)))
        });
        [
            self.name.clone(),
            self.measured(),
            limit.unwrap_or_default(),
            self.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            self.target(),
            flushes.unwrap_or_default(),
            self.met().map_or("", |met| if met { "ok" } else { "MISSED" }).to_owned(),
        ]
    }
}

/// All figures of a run.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Figure>,
    notes: Vec<String>,
}

impl Table {
    /// Adds a figure, and shows it on the terminal at once.
    pub(crate) fn add(&mut self, figure: Figure) {
        let [name, measured, limit, ratio, ..] = figure.cells();
        eprintln!("  {name}: {measured}  {limit}  {ratio}");
        self.rows.push(figure);
    }

    /// Its figures, in the order in which they were measured.
    pub(crate) fn rows(&self) -> &[Figure] {
        &self.rows
    }

    /// A line below the table: how something was measured, or where its time went.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        eprintln!("  {note}");
        self.notes.push(note);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEAD: [&str; 7] = ["figure", "measured", "bare limit", "ratio", "target", "flushes", ""];
        let rows: Vec<_> = self.rows.iter().map(Figure::cells).collect();
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEAD[column].len()]).max().unwrap_or(0)
        };
        let widths: [usize; 7] = std::array::from_fn(width);
        let line = |cells: &[String; 7]| {
            let mut text = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                let _ = write!(text, "{cell:<width$}  ");
            }
            text.trim_end().to_owned()
        };
        writeln!(f, "{}", line(&HEAD.map(str::to_owned)))?;
        writeln!(f, "{}", line(&widths.map(|width| "-".repeat(width))))?;
        for row in &rows {
            writeln!(f, "{}", line(row))?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        let missed: Vec<_> = self.rows.iter().filter(|row| row.met() == Some(false)).collect();
        if missed.is_empty() {
            return writeln!(f, "\nNo target of this run was missed.");
        }
        writeln!(f, "\nTargets missed: {}", missed.len())?;
        for row in missed {
            let [name, measured, limit, ratio, target, ..] = row.cells();
            let beside = if limit.is_empty() { limit } else { format!(", {ratio} of {limit}") };
            writeln!(f, "  {name}: {measured}{beside}; target {target}")?;
        }
        Ok(())
    }
}

/// A count as a number to divide by; counts here are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Digits in groups of three.
pub(crate) fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        let text = format!("{value:.2}");
        return text.strip_suffix(".00").map_or(text.clone(), str::to_owned);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and below 2^53")]
    let rounded = value.round() as u64;
    whole(rounded)
}
