//! What the ledger costs as it grows: the same figures at several sizes, in one table.
//!
//! Not in a run of everything: it makes a ledger of each size. A figure may cost more by as much as the logarithm of the
//! size grows, and no more.

use std::fmt::Write as _;

use crate::{
    Outcome, Setup,
    fixture::Press,
    limits::Signatures,
    on_a_large_ledger,
    table::{Figure, Table, as_f64, whole},
};

/// Entries of the ledgers.
const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];

/// What is measured at each size: append, proof, map and disk, pages, searches.
const GROWING: [&str; 7] = ["bulk", "one", "many", "log", "search", "pages", "http"];

/// The figures at each size.
pub(crate) async fn measure(setup: &Setup, press: &Press, signatures: &Signatures, table: &mut Table) -> Outcome<()> {
    let mut columns = Vec::new();
    for entries in SIZES {
        let part = setup.within(&format!("of-{entries}"))?;
        let mut column = Table::default();
        on_a_large_ledger(&part, press, signatures, entries, |figure| GROWING.contains(&figure), &mut column).await?;
        std::fs::remove_dir_all(&part.dir)?;
        columns.push(column);
    }
    let mut text = format!("as it grows: at {} entries", SIZES.map(whole).join(", "));
    let log = as_f64(SIZES[SIZES.len() - 1]).ln() / as_f64(SIZES[0]).ln();
    let shortest = columns.iter().map(|column| column.rows().len()).min().unwrap_or(0);
    for place in 0..shortest {
        let row: Vec<&Figure> = columns.iter().map(|column| &column.rows()[place]).collect();
        let (Some(first), Some(last)) = (row.first(), row.last()) else { continue };
        let values: Vec<String> = row.iter().map(|figure| figure.measured()).collect();
        let _ = write!(text, "\n  {}: {}", last.name(), values.join(", "));
        if let (Some(before), Some(after)) = (first.cost(), last.cost()) {
            let grown = Figure::new(format!("growth of: {}", last.name()), after / before, "times");
            table.add(grown.at_most(log));
        }
    }
    table.note(text);
    Ok(())
}
