//! The figures of a running server, in a process of its own, over real sockets.
//!
//! Beside each stands a bare server, also in a process of its own, that answers the same bytes to the same
//! requests.

use std::{fmt::Write as _, fs, net::SocketAddr, time::Instant};

use gongkai_log::{
    StreamId, TilePath,
    tile::{self, TileKind},
};

use crate::{
    Outcome, Setup,
    fixture::{self, Keyed, Press, Random},
    http::{self, Answer, Client, Load, closed_loop, closed_loops, get, post, steady},
    process::{GONGKAI, Process, argument},
    table::{Figure, Table, whole},
    writing::{Written, median},
};

/// The part of a process that answers the same bytes to everything: a content type and a file.
pub(crate) const BARE: &str = "bare";

/// What has a server tell its metrics.
const METRICS: &str = "metrics_listen = \"127.0.0.1:0\"\n";
const ROUNDS: u64 = 3;
/// Clients at once.
pub(crate) const CLIENTS: usize = 32;
/// Pledges of each client in a round; each is followed by its report.
const PLEDGES: u64 = 100;
/// Pledges of each client while others read: longer than they do.
const PLEDGES_LOADED: u64 = 400;
/// Pages of each client in a round at most load.
const PAGES: usize = 150;
const STEADY_PER_SECOND: u32 = 200;
const STEADY_REQUESTS: usize = 1_000;
const SEARCHES: usize = 600;
/// Different addresses of a type of page.
const ADDRESSES: usize = 200;

/// Serves a file of bytes and nothing else.
pub(crate) async fn bare_part(arguments: &[String]) -> Outcome<()> {
    let [content_type, file] = arguments else { return Err("a content type and a file".into()) };
    http::serve_bare(Answer { content_type: content_type.clone(), body: std::fs::read(file)? }).await
}

/// A running server and where it listens.
pub(crate) struct Serving<'s> {
    setup: &'s Setup,
    process: Process,
    public: SocketAddr,
    internal: SocketAddr,
    metrics: SocketAddr,
}

impl<'s> Serving<'s> {
    /// Starts the server and waits for its first good answer.
    pub(crate) async fn start(setup: &'s Setup, written: &Written, table: Option<&mut Table>) -> Outcome<Self> {
        let start = Instant::now();
        let dir = argument(written.layout.root())?;
        let arguments = ["serve", "--dir", dir, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
        let configuration = written.layout.configuration();
        let text = fs::read_to_string(&configuration)?;
        if !text.contains(METRICS) {
            fs::write(&configuration, format!("{text}{METRICS}"))?;
        }
        let mut process = Process::start(setup, GONGKAI, &arguments)?;
        let addresses = process.addresses(3)?;
        let [public, internal, metrics] = addresses[..] else { return Err("three addresses".into()) };
        let serving = Self { setup, process, public, internal, metrics };
        Client::connect(serving.public).await?.send(&get("/healthz")).await?;
        let started = start.elapsed().as_secs_f64();
        let resident = serving.process.resident_mb()?;
        if let Some(table) = table {
            table.add(Figure::new("server started, until its first answer", started, "s").at_most(1.0));
            table.add(Figure::new("server idle, resident memory", resident, "MB").at_most(80.0));
        }
        Ok(serving)
    }

    /// Where it is public.
    pub(crate) fn public(&self) -> SocketAddr {
        self.public
    }

    /// Requests that it has answered, by its own metrics.
    pub(crate) async fn answered(&self) -> Outcome<u64> {
        let answer = Client::connect(self.metrics).await?.ask(&get("/metrics")).await?;
        let text = String::from_utf8(answer.body)?;
        let counts = text.lines().filter(|line| line.starts_with("gongkai_http_request_seconds_count"));
        let counts = counts.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<u64>());
        Ok(counts.sum::<Result<u64, _>>()?)
    }

    /// Clients that hand in signed statements and wait for each receipt.
    pub(crate) async fn submissions(&self, press: &Press, written: &mut Written, table: &mut Table) -> Outcome<()> {
        let handed_in = hand_in(self.setup, press, written, &[self.internal], || self.process.flushes()).await?;
        handed_in.tell(&format!("{CLIENTS} HTTP clients"), (25.0, 250.0), table);
        Ok(())
    }

    /// Pages of pledges, at a steady rate and at most load.
    pub(crate) async fn pages(&self, press: &Press, written: &Written, table: &mut Table) -> Outcome<()> {
        let mut random = Random::new(1);
        let mut page = || page(press, random.below(written.pledges));
        let (_bare, bare) = bare(self.setup, self.public, &page()?).await?;
        let (mut steady_loads, mut bare_steady) = (Vec::new(), Vec::new());
        let (mut rates, mut bare_rates) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let requests: Vec<_> = (0..STEADY_REQUESTS).map(|_| page()).collect::<Outcome<_>>()?;
            steady_loads.push(steady(self.public, requests.clone(), STEADY_PER_SECOND, CLIENTS).await?);
            bare_steady.push(steady(bare, requests, STEADY_PER_SECOND, CLIENTS).await?);
            let mut requests = Vec::new();
            for _ in 0..CLIENTS {
                requests.push((0..PAGES).map(|_| page()).collect::<Outcome<Vec<_>>>()?);
            }
            rates.push(closed_loop(self.public, requests.clone()).await?.rate());
            bare_rates.push(closed_loop(bare, requests).await?.rate());
        }
        let (steady_load, bare_steady) = (Load::merge(steady_loads), Load::merge(bare_steady));
        let p99 = Figure::new(
            format!("pledge page at {STEADY_PER_SECOND} a second, p99"),
            steady_load.percentile_ms(99),
            "ms",
        );
        table.add(p99.beside("bare HTTP, same bytes", bare_steady.percentile_ms(99)).at_most(25.0));
        let most = Figure::new("pledge page at most load", median(rates), "pages/s");
        table.add(most.beside("bare HTTP, same bytes", median(bare_rates)).at_least(2_000.0));
        Ok(())
    }

    /// Tiles and pages of pledges at a steady rate, first in quiet and then while every client hands in all that it can.
    pub(crate) async fn loaded(&self, press: &Press, written: &mut Written, table: &mut Table) -> Outcome<()> {
        let mut random = Random::new(3);
        let bundles = written.pledges / tile::TILE_WIDTH;
        let mut tiles = Vec::new();
        let mut pages = Vec::new();
        for turn in 0..STEADY_REQUESTS {
            let kind = if turn % 2 == 0 { TileKind::Hashes(0) } else { TileKind::Entries };
            tiles.push(get(&format!("/log/{}", TilePath::new(kind, random.below(bundles), tile::TILE_WIDTH)?)));
            pages.push(page(press, random.below(written.pledges))?);
        }
        let mut submissions = Vec::new();
        for _ in 0..CLIENTS {
            let keyed = press.pledges_and_reports(written.pledges, written.pledges + PLEDGES_LOADED)?;
            written.pledges += PLEDGES_LOADED;
            submissions.push(keyed.into_iter().map(submission).collect::<Outcome<Vec<_>>>()?);
        }
        let read = |requests: &Vec<Vec<u8>>| steady(self.public, requests.clone(), STEADY_PER_SECOND, CLIENTS);
        let (quiet_tiles, quiet_pages) = tokio::try_join!(read(&tiles), read(&pages))?;
        let writing = closed_loop(self.internal, submissions);
        let (receipts, tiles, pages) = tokio::try_join!(writing, read(&tiles), read(&pages))?;
        for (what, load, quiet) in [("tile", tiles, quiet_tiles), ("pledge page", pages, quiet_pages)] {
            let name = format!("{what} at {STEADY_PER_SECOND} a second under full write load, p99");
            let figure = Figure::new(name, load.percentile_ms(99), "ms");
            table.add(figure.beside("the same in quiet", quiet.percentile_ms(99)));
        }
        table.note(format!("full write load: {:.0} receipts/s beside these reads", receipts.rate()));
        Ok(())
    }

    /// Every type of public page, each at a steady rate: of many addresses of its type, as many people open them.
    pub(crate) async fn page_types(&self, press: &Press, written: &Written, table: &mut Table) -> Outcome<()> {
        let mut random = Random::new(2);
        for (name, addresses) in addresses(press, written, &mut random)? {
            let requests: Vec<_> = (0..STEADY_REQUESTS).map(|_| get(random.pick(&addresses).as_str())).collect();
            // Once over, as after a start somebody has been there.
            closed_loop(self.public, vec![requests.iter().take(CLIENTS).cloned().collect()]).await?;
            let load = steady(self.public, requests, STEADY_PER_SECOND, CLIENTS).await?;
            let figure =
                Figure::new(format!("{name} at {STEADY_PER_SECOND} a second, p99"), load.percentile_ms(99), "ms");
            table.add(figure.at_most(25.0));
        }
        Ok(())
    }

    /// Searches, one after the other.
    pub(crate) async fn searches(&self, written: &Written, table: &mut Table) -> Outcome<()> {
        let request = |words: String| {
            let mut path = "/api/v1/search?q=".to_owned();
            for byte in words.bytes() {
                let _ = write!(path, "%{byte:02X}");
            }
            get(&path)
        };
        let requests: Vec<_> = fixture::searches(SEARCHES).into_iter().map(request).collect();
        let (_bare, bare) = bare(self.setup, self.public, &requests[0]).await?;
        let load = closed_loop(self.public, vec![requests.clone()]).await?;
        let limit = closed_loop(bare, vec![requests]).await?;
        let name = format!("search over {} documents, p95", whole(written.pledges));
        table.add(
            Figure::new(name, load.percentile_ms(95), "ms").beside("bare HTTP", limit.percentile_ms(95)).at_most(10.0),
        );
        table.note(format!(
            "search: median {:.1} ms, p99 {:.1} ms, longest {:.1} ms, {SEARCHES} searches over HTTP",
            load.percentile_ms(50),
            load.percentile_ms(99),
            load.max_ms(),
        ));
        Ok(())
    }
}

/// What clients were answered, and a bare server's answers to the same bytes.
pub(crate) struct HandedIn {
    rates: Vec<f64>,
    bare_rates: Vec<f64>,
    load: Load,
    bare_load: Load,
    flushes: u64,
}

impl HandedIn {
    /// The figures, with the most that a receipt may take, at p99 and at all, in ms.
    pub(crate) fn tell(self, name: &str, (p99_max, longest_max): (f64, f64), table: &mut Table) {
        let figure = Figure::new(name, median(self.rates), "receipts/s");
        let figure = figure.beside("bare HTTP, same bytes", median(self.bare_rates)).at_least(4_000.0);
        table.add(figure.flushed(self.flushes, ROUNDS * CLIENTS as u64 * PLEDGES * 2));
        let p99 = Figure::new(format!("{name}, p99"), self.load.percentile_ms(99), "ms");
        table.add(p99.beside("bare HTTP", self.bare_load.percentile_ms(99)).at_most(p99_max));
        let longest = Figure::new(format!("{name}, longest wait"), self.load.max_ms(), "ms");
        table.add(longest.beside("bare HTTP", self.bare_load.max_ms()).at_most(longest_max));
    }
}

/// Clients that hand in signed statements and wait for each receipt, as many at each address as at every other.
pub(crate) async fn hand_in(
    setup: &Setup,
    press: &Press,
    written: &mut Written,
    addresses: &[SocketAddr],
    flushed: impl Fn() -> Outcome<u64>,
) -> Outcome<HandedIn> {
    let mut first = press.pledges(written.pledges, written.pledges + 1)?.into_iter().map(submission);
    written.pledges += 1;
    let first = first.next().ok_or("one pledge was made")??;
    let (_bare, bare) = bare(setup, addresses[0], &first).await?;
    let (mut rates, mut loads, mut bare_rates, mut bare_loads) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut flushes = 0;
    for _ in 0..ROUNDS {
        let mut requests = Vec::new();
        for _ in 0..CLIENTS {
            let keyed = press.pledges_and_reports(written.pledges, written.pledges + PLEDGES)?;
            written.pledges += PLEDGES;
            requests.push(keyed.into_iter().map(submission).collect::<Outcome<Vec<_>>>()?);
        }
        let before = flushed()?;
        let load = closed_loops(addresses, requests.clone()).await?;
        flushes += flushed()? - before;
        rates.push(load.rate());
        loads.push(load);
        let load = closed_loop(bare, requests).await?;
        bare_rates.push(load.rate());
        bare_loads.push(load);
    }
    Ok(HandedIn { rates, bare_rates, load: Load::merge(loads), bare_load: Load::merge(bare_loads), flushes })
}

/// A bare server that answers what this server answers to `request`.
pub(crate) async fn bare(setup: &Setup, address: SocketAddr, request: &[u8]) -> Outcome<(Process, SocketAddr)> {
    let answer = Client::connect(address).await?.ask(request).await?;
    let file = setup.unused("answer");
    fs::write(&file, answer.body)?;
    let mut process = Process::start(setup, BARE, &[&answer.content_type, argument(&file)?])?;
    let addresses = process.addresses(1)?;
    Ok((process, addresses[0]))
}

/// What opens the page of a pledge.
pub(crate) fn page(press: &Press, number: u64) -> Outcome<Vec<u8>> {
    Ok(get(&format!("/pledges/{}", id(&press.pledge(number)?))))
}

/// Addresses of every type of page of which the large ledger has one.
fn addresses(press: &Press, written: &Written, random: &mut Random) -> Outcome<Vec<(&'static str, Vec<String>)>> {
    let mut pledges = Vec::new();
    for _ in 0..ADDRESSES {
        pledges.push(id(&press.pledge(random.below(written.pledges))?));
    }
    let villages: Vec<String> = (0..ADDRESSES as u64).map(|number| press.village(number % 20, number / 20)).collect();
    let of = |make: &dyn Fn(&String) -> String, all: &[String]| all.iter().map(make).collect::<Vec<_>>();
    let alone = |path: &str| vec![path.to_owned()];
    let entries: Vec<String> = (0..ADDRESSES).map(|_| random.below(written.pledges).to_string()).collect();
    let words = fixture::searches(ADDRESSES).into_iter().map(|words| {
        words.bytes().fold("/search?q=".to_owned(), |mut path, byte| {
            let _ = write!(path, "%{byte:02X}");
            path
        })
    });
    let last_page = format!("/pledges?page={}", written.pledges / 40);
    Ok(vec![
        ("home", alone("/")),
        ("pledges, first page", alone("/pledges")),
        ("pledges, deep page", alone(&last_page)),
        ("pledges of a village", of(&|org| format!("/pledges?org={org}"), &villages)),
        ("pledges, overdue", alone("/pledges?status=overdue_unreported")),
        ("notices, empty", alone("/notices")),
        ("pledge", of(&|id| format!("/pledges/{id}"), &pledges)),
        ("stream", of(&|id| format!("/streams/pledge/{id}"), &pledges)),
        ("organizations", alone("/organizations")),
        ("village", of(&|org| format!("/organizations/{org}"), &villages)),
        ("county", alone(&format!("/organizations/{}", fixture::COUNTY))),
        ("compliance of all", alone("/compliance")),
        ("compliance of a village", of(&|org| format!("/compliance?org={org}"), &villages)),
        ("compare", of(&|org| format!("/compare?org={org}&org={}", press.village(3, 3)), &villages[..20])),
        ("timeline", alone("/timeline")),
        ("entry", of(&|index| format!("/entries/{index}/view"), &entries)),
        ("search", words.collect()),
        ("hand in", alone("/hand-in")),
        ("about", alone("/about")),
    ])
}

fn id(stream: &StreamId) -> String {
    stream.id.to_string()
}

/// What hands a submission in.
pub(crate) fn submission((key, submission): Keyed) -> Outcome<Vec<u8>> {
    let json = serde_json::to_string(&submission)?;
    Ok(post("/api/v1/submissions", &format!("Idempotency-Key: {key}\r\n"), &json))
}
