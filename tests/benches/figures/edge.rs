//! In front of the ledger: nginx, as a server of the same files and as a cache for a crowd.
//!
//! Figure `tiles`: static tiles of the ledger beside nginx on the same directory. Figure `readers`: 50,000 people who open
//! the village's news at once, through nginx as an ordinary HTTP cache that goes by the headers and nothing else; what
//! counts is the share of their requests that reaches the node, by the node's own metrics. nginx is a process on loopback
//! with its files in the folder of this run; where it is not installed these two figures say so and are not there.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use gongkai_log::{TilePath, tile::TILE_WIDTH, tile::TileKind};

use crate::{
    Outcome, Setup,
    fixture::{Press, Random},
    http::{Client, Load, closed_loop, get, together},
    serving::{Serving, page},
    table::{Figure, Table, as_f64, whole},
    writing::{Written, median},
};

const ROUNDS: u64 = 3;
const CLIENTS: usize = 32;
/// Tiles of each client in a round.
const TILES: usize = 500;
/// People who read at once.
const READERS: usize = 50_000;
/// Their connections, each of which carries one reader after the other.
const CONNECTIONS: usize = 1_000;
/// Pledges that people talk about.
const IN_THE_NEWS: u64 = 20;

/// nginx with a configuration of ours.
struct Nginx {
    process: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Starts it with what stands in its `server` block, if it is installed.
    fn start(setup: &Setup, http: &str, server: &str) -> Outcome<Option<Self>> {
        let Some(program) = installed() else { return Ok(None) };
        let folder = setup.unused("nginx");
        fs::create_dir_all(&folder)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = folder.to_str().ok_or("the folder's name is not UTF-8")?;
        let text = format!(
            "daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nworker_processes auto;\n\
             worker_rlimit_nofile 8192;\nevents {{ worker_connections 4096; }}\nhttp {{\n\
             default_type application/octet-stream;\naccess_log off;\nsendfile on;\ntcp_nopush on;\n\
             keepalive_requests 1000000;\nclient_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\n\
             fastcgi_temp_path {folder}/fastcgi;\nuwsgi_temp_path {folder}/uwsgi;\nscgi_temp_path {folder}/scgi;\n\
             proxy_cache_path {folder}/cache keys_zone=pages:16m max_size=1g;\n{http}\n\
             server {{\nlisten {address} backlog=4096;\n{server}\n}}\n}}\n",
        );
        let configuration = Path::new(folder).join("nginx.conf");
        let user = if fs::metadata("/proc/self").map(|own| is_root(&own))? { "user root;\n" } else { "" };
        fs::write(&configuration, format!("{user}{text}"))?;
        let process = Command::new(program)
            .arg("-c")
            .arg(&configuration)
            .arg("-p")
            .arg(folder)
            .env_remove("LD_PRELOAD")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Some(Self { process, address }))
    }

    /// Waits until it takes connections.
    async fn ready(&mut self) -> Outcome<()> {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        loop {
            if Client::connect(self.address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("nginx ended: {status}").into());
            }
            look.tick().await;
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it when it is asked to; a kill would leave them.
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        if asked.is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn is_root(own: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(own) == 0
}

/// Where system programs are, also for users whose path has them not.
fn installed() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    folders.map(|folder| Path::new(folder).join("nginx")).find(|program| program.is_file())
}

const ABSENT: &str = "nginx is not installed: the figures `tiles` and `readers` were not measured";

/// Whole tiles of hashes and of entries, at most load: the node, and nginx on the same directory.
pub(crate) async fn tiles(setup: &Setup, serving: &Serving<'_>, written: &Written, table: &mut Table) -> Outcome<()> {
    let log = written.layout.log();
    let log = log.to_str().ok_or("the ledger's folder is not UTF-8")?;
    let server = format!("location /log/ {{ alias {log}/; }}");
    let Some(mut nginx) = Nginx::start(setup, "", &server)? else {
        table.note(ABSENT);
        return Ok(());
    };
    nginx.ready().await?;
    let (mut random, bundles) = (Random::new(5), written.pledges / TILE_WIDTH);
    for (kind, what) in [(TileKind::Hashes(0), "tiles of hashes"), (TileKind::Entries, "bundles of entries")] {
        let (mut rates, mut limits) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let mut requests = Vec::new();
            for _ in 0..CLIENTS {
                let tiles = (0..TILES).map(|_| Ok(get(&format!("/log/{}", whole_tile(kind, &mut random, bundles)?))));
                requests.push(tiles.collect::<Outcome<Vec<_>>>()?);
            }
            rates.push(closed_loop(serving.public(), requests.clone()).await?.rate());
            limits.push(closed_loop(nginx.address, requests).await?.rate());
        }
        let figure = Figure::new(format!("{what} at most load"), median(rates), "tiles/s");
        table.add(figure.beside("nginx, same files", median(limits)).at_least_of_limit(0.7));
    }
    Ok(())
}

fn whole_tile(kind: TileKind, random: &mut Random, bundles: u64) -> Outcome<TilePath> {
    Ok(TilePath::new(kind, random.below(bundles), TILE_WIDTH)?)
}

/// What one reader opens: the first page, the list, a pledge and what a browser needs to check it.
fn visit(press: &Press, written: &Written, number: usize) -> Outcome<Vec<Vec<u8>>> {
    let mut random = Random::new(number as u64);
    // Four of five come for what is in the news.
    let of = if random.below(5) == 0 { written.pledges } else { IN_THE_NEWS };
    let pledge = random.below(of);
    let bundle = pledge / TILE_WIDTH;
    let mut requests = vec![get("/"), get("/pledges"), page(press, pledge)?, get("/log/checkpoint")];
    if bundle < written.pledges / TILE_WIDTH {
        for kind in [TileKind::Hashes(0), TileKind::Entries] {
            requests.push(get(&format!("/log/{}", TilePath::new(kind, bundle, TILE_WIDTH)?)));
        }
    }
    Ok(requests)
}

/// A crowd behind a cache.
pub(crate) async fn readers(
    setup: &Setup,
    serving: &Serving<'_>,
    press: &Press,
    written: &Written,
    table: &mut Table,
) -> Outcome<()> {
    let http = format!("upstream node {{ server {}; keepalive 64; }}", serving.public());
    let server = "location / {\nproxy_pass http://node;\nproxy_http_version 1.1;\nproxy_set_header Connection \"\";\n\
                  proxy_set_header Host $host;\nproxy_cache pages;\nproxy_cache_lock on;\nproxy_cache_revalidate on;\n}";
    let Some(mut nginx) = Nginx::start(setup, &http, server)? else {
        table.note(ABSENT);
        return Ok(());
    };
    nginx.ready().await?;
    let visits: Outcome<Vec<_>> = (0..READERS).map(|number| visit(press, written, number)).collect();
    let visits = Arc::new(visits?);
    let asked: u64 = visits.iter().map(|visit| visit.len() as u64).sum();
    let (before, start) = (serving.answered().await?, Instant::now());
    let load = together((0..CONNECTIONS).map(|connection| {
        let (visits, address) = (Arc::clone(&visits), nginx.address);
        async move {
            let (mut client, mut took) = (Client::connect(address).await?, Vec::new());
            for visit in visits.iter().skip(connection).step_by(CONNECTIONS) {
                for request in visit {
                    let start = Instant::now();
                    client.send(request).await?;
                    took.push(start.elapsed());
                }
            }
            Ok(took)
        }
    }))
    .await?;
    let reached = serving.answered().await? - before;
    crowd(&load, (asked, reached), start.elapsed(), table);
    Ok(())
}

fn crowd(load: &Load, (asked, reached): (u64, u64), took: Duration, table: &mut Table) {
    let name = format!("{} readers behind an HTTP cache: share that reaches the node", whole(READERS as u64));
    table.add(Figure::new(name, as_f64(reached) / as_f64(asked) * 100.0, "%"));
    table.note(format!(
        "readers: {} requests of {} readers over {CONNECTIONS} connections in {:.1} s, {:.0}/s; {} reached the node; \
         p99 {:.0} ms, longest {:.0} ms",
        whole(asked),
        whole(READERS as u64),
        took.as_secs_f64(),
        load.rate(),
        whole(reached),
        load.percentile_ms(99),
        load.max_ms(),
    ));
}
