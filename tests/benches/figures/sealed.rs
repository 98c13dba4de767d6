//! The figures of what is sealed: committing it, listing it, opening it, erasing it, and a consultation's rush.
//!
//! On a ledger of its own with a vault. The limit beside the commits is the same ledger's bulk append of public
//! pledges, in the same run.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use gongkai_api::http::citizen::work;
use gongkai_domain::{confidentiality::Reader, kind::access::Purpose};
use gongkai_log::StreamId;
use gongkai_projections::internal::InternalViews;
use gongkai_store::{Accepted, Layout, Ledger, SystemClock};

use crate::{
    Outcome, Setup,
    fixture::{COUNTY, Keyed, Press},
    http::{Client, Load, closed_loop, get_with, post},
    process::{GONGKAI, Process, argument},
    table::{Figure, Table, as_f64, whole},
    writing::{FILE, init, median},
};

const ROUNDS: u64 = 3;

/// Events of each round.
const EVENTS: u64 = 12_000;

/// Sheets that the questions of a round are about: subjects that are known.
const SHEETS: u64 = 64;

/// Most matters that are listed, unless the large ledger is smaller.
const MATTERS_MAX: u64 = 1_000_000;

const LISTS: usize = 200;
const OPENED: usize = 100;
const ERASED: usize = 50;

/// A consultation's rush (issue: 5,000 in a minute from 200 connections).
const CONNECTIONS: usize = 200;
const EACH: usize = 25;

/// Runs all of them; `entries` is the size of the large ledger.
pub(crate) async fn measure(setup: &Setup, press: &Press, entries: u64, table: &mut Table) -> Outcome<()> {
    let dir = init(setup, "sealed", FILE)?;
    let layout = Layout::new(&dir);
    gongkai_api::cli::vault::init_for_demo(&layout, crate::ORIGIN).await.map_err(|fault| fault.to_string())?;
    let mut config = gongkai_api::config::Config::read(&layout).map_err(|fault| fault.to_string())?;
    config.vault_passphrase_file = Some(gongkai_api::cli::vault::DEMO_PASSPHRASE_FILE.into());
    config.write(&layout).map_err(|fault| fault.to_string())?;
    let ledger = open(&layout).await?;
    let registrar = gongkai_api::cli::local::ledger_key(&layout, "registrar-1").map_err(|fault| fault.to_string())?;
    submit(&ledger, press.registry(&registrar, ledger.with_world(|world| world.organization(COUNTY).is_some()))?)
        .await?;
    commits(&ledger, press, table).await?;
    let views = InternalViews::open(&layout, &ledger).await?.ok_or("a ledger with a vault has internal views")?;
    lists(&ledger, &views, press, entries.min(MATTERS_MAX), table).await?;
    opened(&ledger, &views, press, table).await?;
    erased(&ledger, press, table).await?;
    drop(views);
    ledger.shutdown().await;
    ledger.reader().close().await;
    rush(setup, &layout, press, table).await
}

async fn open(layout: &Layout) -> Outcome<Ledger> {
    let clock = Arc::new(SystemClock::default());
    Ok(gongkai_api::cli::local::open(layout, clock).await.map_err(|fault| fault.to_string())?)
}

/// Hands everything in and gives the seconds that it took.
async fn submit(ledger: &Ledger, keyed: Vec<Keyed>) -> Outcome<f64> {
    let submissions: Vec<_> = keyed.into_iter().map(|(key, submission)| (Some(key), submission)).collect();
    let start = Instant::now();
    for answer in ledger.submit_many(submissions).await {
        answer?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Events with three sealed slots, of known subjects and of fresh ones, beside public pledges.
async fn commits(ledger: &Ledger, press: &Press, table: &mut Table) -> Outcome<()> {
    let (sheets, mut heads) = press.sheets(SHEETS)?;
    submit(ledger, sheets).await?;
    let (mut public, mut known, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let rate = |seconds: f64| as_f64(EVENTS) / seconds;
        public.push(rate(submit(ledger, press.pledges(round * EVENTS, (round + 1) * EVENTS)?).await?));
        known.push(rate(submit(ledger, press.questions(EVENTS, &mut heads)?).await?));
        fresh.push(rate(submit(ledger, press.accesses(round * EVENTS, (round + 1) * EVENTS)?).await?));
    }
    let public = median(public);
    let limit = "public pledges, same ledger";
    let figure = Figure::new("events with three sealed slots of known subjects", median(known), "events/s");
    table.add(figure.beside(limit, public).at_least_of_limit(0.5));
    let figure = Figure::new("events with three sealed slots, each a fresh subject", median(fresh), "events/s");
    table.add(figure.beside(limit, public).at_least_of_limit(0.15));
    Ok(())
}

/// Fills the internal views, and lists 50 for an officer of one township and for the county's.
async fn lists(ledger: &Ledger, views: &InternalViews, press: &Press, matters: u64, table: &mut Table) -> Outcome<()> {
    const CHUNK: u64 = 20_000;
    let mut from = 0;
    while from < matters {
        let to = matters.min(from + CHUNK);
        submit(ledger, press.letters(from, to)?).await?;
        from = to;
    }
    let start = Instant::now();
    views.catch_up().await?;
    let seconds = start.elapsed().as_secs_f64();
    table.add(Figure::new("internal views, events taken in", as_f64(matters) / seconds, "events/s"));
    let today = press.today();
    let reader = reader(ledger, &press.key_name(0)?)?;
    let mut took = Vec::with_capacity(LISTS);
    for page in 0..LISTS {
        // Some lists begin at the end, others far inside.
        let before = (page % 2 == 1).then(|| matters * (page as u64 + 1) / (LISTS as u64 + 1));
        let start = Instant::now();
        let list = views.matters(&reader, Purpose::Handling, "letter", before, 50, today).await?;
        took.push(start.elapsed());
        if list.len() != 50 && before.is_none() {
            return Err(format!("a list of {} matters", list.len()).into());
        }
    }
    let load = Load::of(took, Duration::from_secs(1));
    let name = format!("internal list of 50 out of {}, policy applied, p95", whole(matters));
    table.add(Figure::new(name, load.percentile_ms(95), "ms").at_most(30.0));
    Ok(())
}

fn reader(ledger: &Ledger, key: &str) -> Outcome<Reader> {
    let reader = ledger.with_world(|world| Reader::of_key(key, world));
    Ok(reader.ok_or("the clerk has a live key")?)
}

/// Opening one letter: the access is recorded, then the content is decrypted.
async fn opened(ledger: &Ledger, views: &InternalViews, press: &Press, table: &mut Table) -> Outcome<()> {
    let reader = reader(ledger, &press.key_name(0)?)?;
    let mut took = Vec::with_capacity(OPENED);
    for number in 0..OPENED as u64 {
        let letter = press.letter_of(0, number)?;
        let (key, access) = press.access_to(number, &letter)?;
        let start = Instant::now();
        let content = views.read(&reader, Some(key), access).await?;
        took.push(start.elapsed());
        if content.is_none_or(|content| content.fields.is_empty()) {
            return Err("a letter was not shown to the clerk who handles it".into());
        }
    }
    let load = Load::of(took, Duration::from_secs(1));
    let p95 = Figure::new("opening one item, access recorded first, p95", load.percentile_ms(95), "ms");
    table.add(p95.at_most(50.0));
    table.add(Figure::new("the same, longest", load.max_ms(), "ms").at_most(50.0));
    Ok(())
}

/// Destroying the keys of a subject.
async fn erased(ledger: &Ledger, press: &Press, table: &mut Table) -> Outcome<()> {
    let vault = ledger.vault().ok_or("the ledger has a vault")?;
    let mut took = Vec::with_capacity(ERASED);
    for number in 0..ERASED as u64 {
        let letter: StreamId = press.letter_of(1, number)?;
        let start = Instant::now();
        let destroyed = vault.destroy(vault.tag(&letter)).await?;
        took.push(start.elapsed());
        if destroyed == 0 {
            return Err("a letter had no data key".into());
        }
    }
    let load = Load::of(took, Duration::from_secs(1));
    table.add(Figure::new("erasure: destroying a subject's keys, longest", load.max_ms(), "ms").at_most(50.0));
    Ok(())
}

/// A consultation's rush on the public door: each answer with its proof of work, from many connections at once; all
/// promised, and after the server was killed none lost. The work is done before, as it is on the phones of those who
/// answer.
async fn rush(setup: &Setup, layout: &Layout, press: &Press, table: &mut Table) -> Outcome<()> {
    let ledger = open(layout).await?;
    let (consultation, opened) = press.consultation()?;
    submit(&ledger, opened).await?;
    let count = (CONNECTIONS * EACH) as u64;
    let answers = press.answers(&consultation, count, ledger.intake_key().name())?;
    let before = ledger.sealed().borrow().0;
    ledger.shutdown().await;
    ledger.reader().close().await;

    let mut process =
        Process::start(setup, GONGKAI, &["serve", "--dir", argument(layout.root())?, "--listen", "127.0.0.1:0"])?;
    let address = process.addresses(1)?[0];
    let requests = solved(address, &answers).await?;
    let requests: Vec<Vec<Vec<u8>>> = requests.chunks(EACH).map(<[Vec<u8>]>::to_vec).collect();
    let load = closed_loop(address, requests).await?;
    drop(process);
    let name = format!("{} answers to a consultation from {CONNECTIONS} connections, all promised", whole(count));
    table.add(Figure::new(name, as_f64(count) / load.rate(), "s").at_most(60.0));
    table.add(Figure::new("the same, p99 of a promise", load.percentile_ms(99), "ms"));

    let ledger = open(layout).await?;
    let kept = ledger.sealed().borrow().0 - before;
    // The same again gets the same promise.
    for (key, submission) in answers {
        if !matches!(ledger.hand_in(Some(format!("citizen:{key}")), submission).await?, Accepted::Promise(_)) {
            return Err("an answer became an entry".into());
        }
    }
    if kept != count || ledger.sealed().borrow().0 - before != count {
        return Err(format!("of {count} promised answers {kept} were kept").into());
    }
    ledger.shutdown().await;
    Ok(())
}

/// Requests with their work done, each connection behind an address of its own.
async fn solved(address: SocketAddr, answers: &[Keyed]) -> Outcome<Vec<Vec<u8>>> {
    let mut client = Client::connect(address).await?;
    let mut asked = Vec::with_capacity(answers.len());
    for (number, (key, submission)) in answers.iter().enumerate() {
        let connection = number / EACH;
        let from = format!("X-Forwarded-For: 198.18.{}.{}\r\n", connection / 250, connection % 250 + 1);
        let answer = client.ask(&get_with("/api/v1/work", &from)).await?;
        let work: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let challenge = work["challenge"].as_str().ok_or("a challenge is a text")?.to_owned();
        let bits = work["bits"].as_u64().and_then(|bits| u32::try_from(bits).ok()).ok_or("bits are few")?;
        asked.push((format!("Idempotency-Key: {key}\r\n{from}"), serde_json::to_string(submission)?, challenge, bits));
    }
    let part = asked.len().div_ceil(crate::cores()).max(1);
    let solve = |part: &[(String, String, String, u32)]| {
        let one = |(headers, body, challenge, bits): &(String, String, String, u32)| {
            let solved = work::solve(challenge, body.as_bytes(), *bits);
            post("/api/v1/submissions", &format!("{headers}Proof-Of-Work: {solved}\r\n"), body)
        };
        part.iter().map(one).collect::<Vec<_>>()
    };
    let mut requests = Vec::with_capacity(asked.len());
    thread::scope(|scope| {
        let threads: Vec<_> = asked.chunks(part).map(|part| scope.spawn(move || solve(part))).collect();
        for thread in threads {
            requests.append(&mut thread.join().map_err(|_| "a thread that solves panicked")?);
        }
        Ok::<_, crate::Error>(())
    })?;
    Ok(requests)
}
