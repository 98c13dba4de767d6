//! Importing a real country's organizations, as an operator would on the command line.

use std::time::Instant;

use gongkai_store::{Layout, Settings};

use crate::{
    Outcome, Setup,
    bare::{Bare, Rows},
    process::{argument, gongkai},
    table::{Figure, Table, as_f64, whole},
    writing::{FILE, init},
};

/// Mappings of the fixtures and tables of the shared input, parents first.
const TABLES: [(&str, &str); 4] = [
    ("organizations-provinces.toml", "provinces.csv"),
    ("organizations-cities.toml", "cities.csv"),
    ("organizations-areas.toml", "areas.csv"),
    ("organizations-streets.toml", "streets.csv"),
];

/// Rows of the four tables.
const ORGANIZATIONS: u64 = 44_703;

/// Imports them into a new ledger.
pub(crate) async fn organizations(setup: &Setup, table: &mut Table) -> Outcome<()> {
    let dir = init(setup, "organizations", FILE)?;
    let layout = Layout::new(&dir);
    let key = layout.keys().join("registrar-1.key");
    let before = size(&layout)?;
    let (mut flushes, start) = (0, Instant::now());
    for (mapping, file) in TABLES {
        let mapping = gongkai_tests::mapping(mapping);
        let input = gongkai_tests::shared("data/cn-admin-divisions").join(file);
        let mut arguments = vec!["import", "organizations", "--dir", argument(&dir)?, "--key", argument(&key)?];
        arguments.extend(["--mapping", argument(&mapping)?, "--json", argument(&input)?]);
        flushes += gongkai(setup, &arguments)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let after = size(&layout)?;
    if after - before != ORGANIZATIONS {
        return Err(format!("{} organizations were imported, the tables have {ORGANIZATIONS}", after - before).into());
    }
    let rows = Rows::of_ledger(&layout, before, after, None).await?;
    let mut bare = Bare::like(&layout, &setup.unused("bare")).await?;
    let limit = bare.insert(rows, Settings::default().batch_max as u64).await?;
    bare.close().await?;
    let name = format!("import of {} organizations", whole(ORGANIZATIONS));
    let figure = Figure::new(name, seconds, "s").beside("s, multi-row insert of the same rows", limit.as_secs_f64());
    table.add(figure.at_most(20.0).flushed(flushes, ORGANIZATIONS));
    table.note(format!("import: {:.0} organizations a second", as_f64(ORGANIZATIONS) / seconds));
    Ok(())
}

/// Entries that the published checkpoint names.
pub(crate) fn size(layout: &Layout) -> Outcome<u64> {
    let checkpoint = std::fs::read_to_string(layout.checkpoint())?;
    Ok(checkpoint.lines().nth(1).ok_or("a checkpoint names its size")?.parse()?)
}
