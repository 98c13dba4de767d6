//! Two nodes of one ledger on PostgreSQL, each a process, and what they share.
//!
//! The server is on this machine and counts into the flushes of this process; what the nodes flush is added to them. Views
//! are on the server too (`views = "server"`), so that one node writes them and both serve them. The clients' signatures
//! were made before, as they are on the devices of those who sign.

use std::{
    fs,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use gongkai_store::Layout;
use gongkai_tests::Postgres;
use serde_json::Value;
use tokio::sync::Notify;

use crate::{
    Outcome, Setup,
    fixture::{Press, Random},
    http::{Client, Load, closed_loop, closed_loops, get},
    process::{GONGKAI, Process, argument, gongkai},
    serving::{CLIENTS, bare, hand_in, page, submission},
    table::{Figure, Table},
    writing::{Ground, Writing, Written, median},
};

const ROUNDS: u64 = 3;
/// Pages of each client in a round.
const PAGES: usize = 200;
/// What views must keep up with.
const FOLLOWED_PER_SECOND: u32 = 2_000;
const FOLLOWED_SECONDS: u64 = 10;
/// How often a node is asked how far its views are.
const LOOK: Duration = Duration::from_millis(5);
/// How long the views may take to catch up with the whole ledger.
const PATIENCE: Duration = Duration::from_mins(10);

/// A node that runs.
struct Node {
    process: Process,
    public: SocketAddr,
    internal: SocketAddr,
}

impl Node {
    fn start(setup: &Setup, layout: &Layout) -> Outcome<Self> {
        let dir = argument(layout.root())?;
        let arguments = ["serve", "--dir", dir, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
        let mut process = Process::start(setup, GONGKAI, &arguments)?;
        let addresses = process.addresses(2)?;
        Ok(Self { process, public: addresses[0], internal: addresses[1] })
    }
}

/// Entries that a node has committed, and that its views have.
async fn progress(client: &mut Client) -> Outcome<(u64, u64)> {
    let health: Value = serde_json::from_slice(&client.ask(&get("/healthz")).await?.body)?;
    let number = |name: &str| health[name].as_u64().ok_or(format!("/healthz does not say {name}: {health}"));
    Ok((number("committed")?, number("views")?))
}

/// Waits until a node's views have all that is committed.
async fn caught_up(address: SocketAddr) -> Outcome<()> {
    let (start, mut look) = (Instant::now(), tokio::time::interval(LOOK));
    while start.elapsed() < PATIENCE {
        let mut client = Client::connect(address).await?;
        // A node without views yet answers 503.
        while let Ok((committed, views)) = progress(&mut client).await {
            if committed == views {
                return Ok(());
            }
            look.tick().await;
        }
        look.tick().await;
    }
    Err("the views of a node do not catch up".into())
}

/// The figures of a ledger on PostgreSQL: in process, then over HTTP at two nodes.
pub(crate) async fn measure(setup: &Setup, press: &Press, entries: u64, table: &mut Table) -> Outcome<()> {
    let postgres = Postgres::start();
    let ground = Ground::server(&postgres.url);
    let mut writing = Writing::begin(setup, press, ground).await?;
    writing.bulk(entries, Some(&mut *table)).await?;
    writing.one(table).await?;
    writing.many(table).await?;
    let mut written = writing.end().await?;
    let configuration = written.layout.configuration();
    let text = fs::read_to_string(&configuration)?;
    fs::write(&configuration, text.replace("views = \"files\"", "views = \"server\""))?;
    let second = setup.dir.join("second-node");
    gongkai(setup, &["join", "--from", argument(written.layout.root())?, "--dir", argument(&second)?])?;
    let nodes = [Node::start(setup, &written.layout)?, Node::start(setup, &Layout::new(second))?];
    for node in &nodes {
        caught_up(node.public).await?;
    }
    submissions(setup, press, &nodes, &mut written, table).await?;
    for node in &nodes {
        caught_up(node.public).await?;
    }
    following(press, &nodes, &mut written, table).await?;
    pages(setup, press, &nodes, &written, table).await
}

/// Half of the clients at each node; the server's flushes are among those of this process.
async fn submissions(
    setup: &Setup,
    press: &Press,
    nodes: &[Node; 2],
    written: &mut Written,
    table: &mut Table,
) -> Outcome<()> {
    let addresses = nodes.each_ref().map(|node| node.internal);
    let flushed = || {
        let nodes: Outcome<u64> = nodes.iter().map(|node| node.process.flushes()).sum();
        Ok(nodes? + setup.flushes.read()?)
    };
    let handed_in = hand_in(setup, press, written, &addresses, flushed).await?;
    handed_in.tell(&format!("PostgreSQL: {CLIENTS} HTTP clients of two nodes"), (30.0, 500.0), table);
    Ok(())
}

/// How long after its receipt an entry is in the views of both nodes, at a steady rate.
async fn following(press: &Press, nodes: &[Node; 2], written: &mut Written, table: &mut Table) -> Outcome<()> {
    let count = u64::from(FOLLOWED_PER_SECOND) * FOLLOWED_SECONDS;
    let keyed = press.pledges(written.pledges, written.pledges + count)?;
    written.pledges += count;
    let requests = Arc::new(keyed.into_iter().map(submission).collect::<Outcome<Vec<_>>>()?);
    let ended = Arc::new(Notify::new());
    let watchers = nodes.each_ref().map(|node| tokio::spawn(watch(node.public, Arc::clone(&ended))));
    let receipts = steady_receipts(nodes, &requests).await?;
    for node in nodes {
        caught_up(node.public).await?;
    }
    // A waiting watcher is woken; one that is between two looks finds the permit.
    ended.notify_one();
    ended.notify_one();
    let mut lags = Vec::new();
    for watcher in watchers {
        let seen = watcher.await??;
        for (at, index) in &receipts {
            let place = seen.partition_point(|(_, views)| views <= index);
            let (shown, _) = seen.get(place).ok_or("a watcher ended early")?;
            lags.push(shown.saturating_duration_since(*at));
        }
    }
    let lags = Load::of(lags, Duration::from_secs(FOLLOWED_SECONDS));
    let name = format!("PostgreSQL: views of both nodes behind the receipt at {FOLLOWED_PER_SECOND} events/s");
    table.add(Figure::new(format!("{name}, p99"), lags.percentile_ms(99), "ms").at_most(200.0));
    table.note(format!("{name}: median {:.0} ms, longest {:.0} ms", lags.percentile_ms(50), lags.max_ms()));
    Ok(())
}

/// When a node's views were first seen at which size.
async fn watch(address: SocketAddr, ended: Arc<Notify>) -> Outcome<Vec<(Instant, u64)>> {
    let (mut client, mut seen) = (Client::connect(address).await?, Vec::new());
    loop {
        let (_, views) = progress(&mut client).await?;
        if seen.last().is_none_or(|(_, before)| *before < views) {
            seen.push((Instant::now(), views));
        }
        if tokio::time::timeout(LOOK, ended.notified()).await.is_ok() {
            return Ok(seen);
        }
    }
}

/// Hands in at a steady rate, in turn at both nodes; when each receipt came, and its index.
async fn steady_receipts(nodes: &[Node; 2], requests: &Arc<Vec<Vec<u8>>>) -> Outcome<Vec<(Instant, u64)>> {
    let gap = Duration::from_secs(1) / FOLLOWED_PER_SECOND;
    let start = tokio::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let mut client = Client::connect(nodes[number % 2].internal).await?;
        let requests = Arc::clone(requests);
        tasks.spawn(async move {
            let mut receipts = Vec::new();
            for place in (number..requests.len()).step_by(CLIENTS) {
                tokio::time::sleep_until(start + gap * u32::try_from(place)?).await;
                let receipt: Value = serde_json::from_slice(&client.ask(&requests[place]).await?.body)?;
                receipts.push((Instant::now(), receipt["index"].as_u64().ok_or("a receipt has an index")?));
            }
            Outcome::Ok(receipts)
        });
    }
    let mut receipts = Vec::new();
    while let Some(done) = tasks.join_next().await {
        receipts.append(&mut done??);
    }
    Ok(receipts)
}

/// Pages of pledges at most load, half of the readers at each node.
async fn pages(setup: &Setup, press: &Press, nodes: &[Node; 2], written: &Written, table: &mut Table) -> Outcome<()> {
    let mut random = Random::new(4);
    let (_bare, bare) = bare(setup, nodes[0].public, &page(press, 0)?).await?;
    let addresses = nodes.each_ref().map(|node| node.public);
    let (mut rates, mut bare_rates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut requests = Vec::new();
        for _ in 0..CLIENTS {
            let pages = (0..PAGES).map(|_| page(press, random.below(written.pledges)));
            requests.push(pages.collect::<Outcome<Vec<_>>>()?);
        }
        rates.push(closed_loops(&addresses, requests.clone()).await?.rate());
        bare_rates.push(closed_loop(bare, requests).await?.rate());
    }
    let figure = Figure::new("PostgreSQL: pledge pages of two nodes at most load", median(rates), "pages/s");
    table.add(figure.beside("bare HTTP, same bytes", median(bare_rates)).at_least(3_000.0));
    Ok(())
}
