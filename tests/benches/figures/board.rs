//! The secretary's board over the large ledger: all its numbers at once, and a page of its longest list, in a process that
//! has the views open as the server has them.
//!
//! Asked as of today, when nothing of the fixture is overdue but the months that no village disclosed, and as of a day in a
//! month, when some forty thousand of a million pledges are. Not here: the internal API around it, which adds a session's
//! lookup and JSON.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{Days, NaiveDate};
use gongkai_domain::confidentiality::Reader;
use gongkai_projections::{
    Views,
    board::{self, Asking, List},
};
use gongkai_store::{Clock as _, Layout, SystemClock};

use crate::{
    Outcome, Setup,
    fixture::COUNTY,
    http::Load,
    process::{Process, argument},
    table::{Figure, Table, whole},
    writing::Written,
};

/// The part of a process that asks for the board.
pub(crate) const BOARD: &str = "board";
/// How often it is asked for on each day.
const TIMES: usize = 30;
/// Days from today on which it is asked for.
const AFTER_DAYS: [u64; 2] = [0, 30];

/// Opens the views of a ledger, asks for the board, and prints a line for each day: days from today, overdue pledges,
/// months that are not disclosed, and in milliseconds the 95th of a hundred boards and pages.
pub(crate) async fn board_part(arguments: &[String]) -> Outcome<()> {
    let [dir, key] = arguments else { return Err("a directory and a key's name".into()) };
    let layout = Layout::new(dir);
    let clock = Arc::new(SystemClock::default());
    let today = clock.now().date_naive();
    let ledger = gongkai_api::cli::local::open(&layout, clock).await.map_err(|fault| fault.to_string())?;
    let (views, mut engine) = Views::open(layout.root(), Arc::new(ledger.clone())).await?;
    engine.catch_up().await?;
    let reader = ledger.with_world(|world| Reader::of_key(key, world)).ok_or("the key is nobody's")?;
    for after in AFTER_DAYS {
        let on = today.checked_add_days(Days::new(after)).ok_or("that day exists")?;
        let line = ask(&views, &reader, on).await?;
        println!("{after} {line}");
    }
    ledger.shutdown().await;
    Ok(())
}

async fn ask(views: &Views, reader: &Reader, on: NaiveDate) -> Outcome<String> {
    let roots = [COUNTY.to_owned()];
    let asking = Asking { reader, roots: &roots, inside: None };
    let (mut boards, mut pages) = (Vec::new(), Vec::new());
    let (mut overdue, mut undisclosed) = (0, 0);
    for _ in 0..TIMES {
        let start = Instant::now();
        let board = board::board(&asking, &mut views.read(on, None).await?).await?;
        boards.push(start.elapsed());
        let total = |list| board.counts.iter().find(|count| count.list == list).map_or(0, |count| count.total);
        (overdue, undisclosed) = (total(List::OverduePledges), total(List::Undisclosed));
        let start = Instant::now();
        board::page(&asking, List::OverduePledges, 0, 50, &mut views.read(on, None).await?).await?;
        pages.push(start.elapsed());
    }
    let p95 = |took: Vec<Duration>| Load::of(took, Duration::ZERO).percentile_ms(95);
    Ok(format!("{overdue} {undisclosed} {} {}", p95(boards), p95(pages)))
}

/// Asks in a process of its own.
pub(crate) fn board(setup: &Setup, written: &Written, key: &str, table: &mut Table) -> Outcome<()> {
    let (said, _) = Process::start(setup, BOARD, &[argument(written.layout.root())?, key])?.finish()?;
    for line in said.iter().rev().take(AFTER_DAYS.len()).rev() {
        let words: Vec<&str> = line.split(' ').collect();
        let [after, overdue, undisclosed, board_ms, page_ms] = words.as_slice() else {
            return Err(line.clone().into());
        };
        let (overdue, undisclosed): (u64, u64) = (overdue.parse()?, undisclosed.parse()?);
        let what = format!("{} overdue pledges, {} months undisclosed", whole(overdue), whole(undisclosed));
        table.add(Figure::new(format!("board, {what}, p95"), board_ms.parse()?, "ms").at_most(100.0));
        let name = format!("page of the overdue, day {after}, p95");
        table.add(Figure::new(name, page_ms.parse()?, "ms").at_most(100.0));
    }
    Ok(())
}
