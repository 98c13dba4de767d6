//! The write figures in process: bulk append, one submitter, 64 submitters.
//!
//! Each round is followed by its bare limit: the very rows that the ledger wrote in that round go into a
//! database without a ledger. Medians of the rounds.

use std::{path::PathBuf, sync::Arc, time::Instant};

use gongkai_log::SigningKey;
use gongkai_store::{Layout, Ledger, Settings, SystemClock};

use crate::{
    Outcome, Setup,
    bare::{Bare, Rows},
    cpu::Cpu,
    fixture::{COUNTY, Keyed, Press},
    http::{Load, together},
    process::{argument, gongkai},
    table::{Figure, Table, as_f64, whole},
};

const ROUNDS: u64 = 3;

/// Submissions that are held in memory at a time.
const CHUNK: u64 = 50_000;

/// Pledges of each round of a submitter who waits; each is followed by its report.
const ONE_PLEDGES: u64 = 1_000;

/// Submitters at once.
const MANY: u64 = 64;

/// Pledges of each of them in a round.
const MANY_PLEDGES: u64 = 150;

/// A ledger that is written to, and the bare database beside it.
pub(crate) struct Writing<'s> {
    setup: &'s Setup,
    press: &'s Press,
    ground: Ground<'s>,
    ledger: Ledger,
    layout: Layout,
    bare: Bare,
    /// Pledges so far.
    pledges: u64,
}

/// A ledger that is written.
pub(crate) struct Written {
    pub(crate) layout: Layout,
    pub(crate) pledges: u64,
}

/// Where the rows of a ledger go, and what it must reach there.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'u> {
    /// How its figures are told apart.
    pub(crate) name: &'static str,
    /// Address of a PostgreSQL database, if it is not a file.
    pub(crate) url: Option<&'u str>,
    bulk_min: Option<f64>,
    bulk_of_limit: f64,
    one_min: f64,
    many_min: Option<f64>,
}

/// SQLite, in the ledger's directory.
pub(crate) const FILE: Ground<'static> = Ground {
    name: "",
    url: None,
    bulk_min: Some(10_000.0),
    bulk_of_limit: 0.5,
    one_min: 2_000.0,
    many_min: Some(8_000.0),
};

impl<'u> Ground<'u> {
    /// PostgreSQL.
    pub(crate) fn server(url: &'u str) -> Self {
        let name = "PostgreSQL: ";
        Self { name, url: Some(url), bulk_min: None, bulk_of_limit: 0.4, one_min: 1_000.0, many_min: None }
    }
}

/// Makes an empty ledger as its operator would; gives its directory.
pub(crate) fn init(setup: &Setup, name: &str, ground: Ground<'_>) -> Outcome<PathBuf> {
    let dir = setup.dir.join(name);
    let mut arguments = vec!["init", "--dir", argument(&dir)?, "--origin", crate::ORIGIN, "--org", COUNTY];
    arguments.extend(ground.url.iter().flat_map(|url| ["--database", url]));
    gongkai(setup, &arguments)?;
    Ok(dir)
}

/// A new ledger with its registry, open for writing.
pub(crate) async fn fresh(setup: &Setup, press: &Press, name: &str, ground: Ground<'_>) -> Outcome<(Ledger, Layout)> {
    let layout = Layout::new(init(setup, name, ground)?);
    let registrar: SigningKey =
        gongkai_api::cli::local::ledger_key(&layout, "registrar-1").map_err(|fault| fault.to_string())?;
    let clock = Arc::new(SystemClock::default());
    let ledger = gongkai_api::cli::local::open(&layout, clock).await.map_err(|fault| fault.to_string())?;
    let has_county = ledger.with_world(|world| world.organization(COUNTY).is_some());
    submit(&ledger, press.registry(&registrar, has_county)?).await?;
    Ok((ledger, layout))
}

impl<'s> Writing<'s> {
    /// A new ledger with its registry.
    pub(crate) async fn begin(setup: &'s Setup, press: &'s Press, ground: Ground<'s>) -> Outcome<Self> {
        let name = if ground.url.is_some() { "ledger-on-server" } else { "ledger" };
        let (ledger, layout) = fresh(setup, press, name, ground).await?;
        let bare = Bare::like(&layout, &setup.dir.join("bare.db")).await?;
        Ok(Self { setup, press, ground, ledger, layout, bare, pledges: 0 })
    }

    fn committed(&self) -> u64 {
        *self.ledger.committed().borrow()
    }

    /// Waits until all that is committed is published, and says how long that took, in ms.
    async fn published(&self) -> Outcome<f64> {
        let (start, committed) = (Instant::now(), self.committed());
        self.ledger.published().wait_for(|published| *published >= committed).await?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }

    /// Inserts what was written since `from` into the bare database: events a second.
    async fn bare_rate(&mut self, from: u64, keys: &[String], events_per_commit: u64) -> Outcome<f64> {
        let to = self.committed();
        let rows = Rows::of_ledger(&self.layout, from, to, Some(keys)).await?;
        let took = self.bare.insert(rows, events_per_commit).await?;
        Ok(as_f64(to - from) / took.as_secs_f64())
    }

    /// Fills the ledger with pledges through the bulk append.
    pub(crate) async fn bulk(&mut self, entries: u64, table: Option<&mut Table>) -> Outcome<()> {
        let batch = Settings::default().batch_max as u64;
        let (mut rates, mut bare_rates, mut lags) = (Vec::new(), Vec::new(), Vec::new());
        let (mut flushes, mut profile) = (0, String::new());
        for round in 0..ROUNDS {
            let end = entries * (round + 1) / ROUNDS;
            let (mut seconds, mut bare_seconds, begin) = (0.0, 0.0, self.pledges);
            while self.pledges < end {
                let count = CHUNK.min(end - self.pledges);
                let keyed = self.press.pledges(self.pledges, self.pledges + count)?;
                let keys: Vec<String> = keyed.iter().map(|(key, _)| key.clone()).collect();
                let (from, flushed, cpu, start) =
                    (self.committed(), self.setup.flushes.read()?, Cpu::now()?, Instant::now());
                submit(&self.ledger, keyed).await?;
                seconds += start.elapsed().as_secs_f64();
                lags.push(self.published().await?);
                profile = cpu.since(count)?;
                flushes += self.setup.flushes.read()? - flushed;
                self.pledges += count;
                if table.is_some() {
                    bare_seconds += as_f64(count) / self.bare_rate(from, &keys, batch).await?;
                }
            }
            rates.push(as_f64(end - begin) / seconds);
            bare_rates.push(as_f64(end - begin) / bare_seconds);
        }
        let Some(table) = table else { return Ok(()) };
        let ground = self.ground;
        let name = format!("{}bulk append of {} signed pledges", ground.name, whole(entries));
        let figure = Figure::new(name, median(rates), "events/s")
            .beside("multi-row insert of the same rows", median(bare_rates));
        let figure = figure.at_least(ground.bulk_min).at_least_of_limit(ground.bulk_of_limit);
        table.add(figure.flushed(flushes, entries));
        let name = format!("{}bulk append: until the last chunk was published", ground.name);
        table.add(Figure::new(name, lags.pop().unwrap_or(f64::NAN), "ms"));
        table.note(format!("{}bulk append, last chunk: {profile}", ground.name));
        Ok(())
    }

    /// One submitter who waits for each receipt.
    pub(crate) async fn one(&mut self, table: &mut Table) -> Outcome<()> {
        let (mut rates, mut bare_rates, mut all, mut profile) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        let mut flushes = 0;
        for _ in 0..ROUNDS {
            let keyed = self.press.pledges_and_reports(self.pledges, self.pledges + ONE_PLEDGES)?;
            self.pledges += ONE_PLEDGES;
            let keys: Vec<String> = keyed.iter().map(|(key, _)| key.clone()).collect();
            let (from, flushed, cpu) = (self.committed(), self.setup.flushes.read()?, Cpu::now()?);
            let load = together(std::iter::once(submitter(self.ledger.clone(), keyed))).await?;
            profile = cpu.since(2 * ONE_PLEDGES)?;
            self.published().await?;
            flushes += self.setup.flushes.read()? - flushed;
            rates.push(load.rate());
            all.push(load);
            bare_rates.push(self.bare_rate(from, &keys, 1).await?);
        }
        let all = Load::merge(all);
        let name = format!("{}one submitter", self.ground.name);
        let figure =
            Figure::new(&name, median(rates), "receipts/s").beside("one event's rows a commit", median(bare_rates));
        table.add(figure.at_least(self.ground.one_min).flushed(flushes, ROUNDS * 2 * ONE_PLEDGES));
        table.add(Figure::new(format!("{name}, p99"), all.percentile_ms(99), "ms"));
        table.note(format!("{name}, last round: {profile}"));
        Ok(())
    }

    /// Many submitters, each of whom waits for each receipt.
    pub(crate) async fn many(&mut self, table: &mut Table) -> Outcome<()> {
        let (mut rates, mut bare_rates, mut all, mut profile) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        let events = MANY * MANY_PLEDGES * 2;
        let mut flushes = 0;
        for _ in 0..ROUNDS {
            let (mut work, mut keys) = (Vec::new(), Vec::new());
            for _ in 0..MANY {
                let keyed = self.press.pledges_and_reports(self.pledges, self.pledges + MANY_PLEDGES)?;
                self.pledges += MANY_PLEDGES;
                keys.extend(keyed.iter().map(|(key, _)| key.clone()));
                work.push(submitter(self.ledger.clone(), keyed));
            }
            let (from, flushed, cpu) = (self.committed(), self.setup.flushes.read()?, Cpu::now()?);
            let load = together(work.into_iter()).await?;
            profile = cpu.since(events)?;
            self.published().await?;
            flushes += self.setup.flushes.read()? - flushed;
            rates.push(load.rate());
            all.push(load);
            bare_rates.push(self.bare_rate(from, &keys, MANY).await?);
        }
        let all = Load::merge(all);
        let limit = format!("rows of {MANY} events a commit");
        let name = format!("{}{MANY} submitters", self.ground.name);
        let figure = Figure::new(format!("{name} in process"), median(rates), "receipts/s");
        let figure = figure.beside(limit, median(bare_rates)).at_least(self.ground.many_min);
        table.add(figure.flushed(flushes, ROUNDS * events));
        table.add(Figure::new(format!("{name}, p99"), all.percentile_ms(99), "ms"));
        table.add(Figure::new(format!("{name}, longest wait"), all.max_ms(), "ms"));
        table.note(format!("{name}, last round: {profile}"));
        Ok(())
    }

    /// Closes the ledger in good order.
    pub(crate) async fn end(self) -> Outcome<Written> {
        self.ledger.shutdown().await;
        self.bare.close().await?;
        Ok(Written { layout: self.layout, pledges: self.pledges })
    }
}

async fn submit(ledger: &Ledger, keyed: Vec<Keyed>) -> Outcome<()> {
    let submissions = keyed.into_iter().map(|(key, submission)| (Some(key), submission)).collect();
    for answer in ledger.submit_many(submissions).await {
        answer?;
    }
    Ok(())
}

/// Hands in one submission after the other and times each.
async fn submitter(ledger: Ledger, keyed: Vec<Keyed>) -> Outcome<Vec<std::time::Duration>> {
    let mut took = Vec::with_capacity(keyed.len());
    for (key, submission) in keyed {
        let start = Instant::now();
        ledger.submit(Some(key), submission).await?;
        took.push(start.elapsed());
    }
    Ok(took)
}

/// The one in the middle, or the mean of the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.as_slice() {
        [] => f64::NAN,
        [.., _] if values.len() % 2 == 1 => values[values.len() / 2],
        _ => f64::midpoint(values[values.len() / 2 - 1], values[values.len() / 2]),
    }
}
