//! `serve`: opens ledger and views, and serves until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gongkai_projections::{Source, Views};
use gongkai_store::Layout;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::{local, terminal};
use crate::config::Config;
use crate::http::server::Limits;
use crate::http::{Bound, ServeOptions, SiteOptions, serve};
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `serve`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai serve --dir ledger\n  $ gongkai serve --dir ledger --listen 0.0.0.0:8080 --internal-listen 127.0.0.1:8081"
)]
pub struct Args {
    /// 账本目录
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 公众网站监听的地址（默认按 gongkai.toml；端口 0 由系统选）
    #[arg(long, value_name = "地址")]
    listen: Option<SocketAddr>,
    /// 内部办理监听的地址，可以提交；只应让内部网络到达
    #[arg(long, value_name = "地址")]
    internal_listen: Option<SocketAddr>,
    /// 允许内部地址被别的机器访问
    #[arg(long)]
    internal_anywhere: bool,
}

/// What is served, and where.
pub struct Serving {
    /// The ledger's directory.
    pub layout: Layout,
    /// Its configuration, with what the command line changed.
    pub config: Config,
    /// The internal listener may be reachable from other machines.
    pub internal_anywhere: bool,
    /// Made-up content, said so on every page.
    pub is_demo: bool,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// No ledger, another process holds it, or an address that cannot be had.
pub async fn run(args: Args) -> Outcome {
    let layout = Layout::new(&args.dir);
    let mut config = Config::read(&layout)?;
    config.listen = args.listen.unwrap_or(config.listen);
    config.internal_listen = args.internal_listen.or(config.internal_listen);
    let is_demo = config.origin == crate::demo::ORIGIN;
    start(Serving { layout, config, internal_anywhere: args.internal_anywhere, is_demo }).await
}

/// Serves a ledger.
///
/// # Errors
/// As [`run`].
pub async fn start(serving: Serving) -> Outcome {
    let Serving { layout, config, internal_anywhere, is_demo } = serving;
    let clock = local::clock();
    let ledger = local::open(&layout, Arc::clone(&clock)).await?;
    for alarm in &ledger.recovery().alarms {
        terminal::remark(format_args!("注意：{alarm}"));
    }
    if let Some(reason) = ledger.health().halted {
        terminal::remark(format_args!(
            "账本暂停登记，只能读：{reason}；请运行 gongkai doctor --dir {}",
            layout.root().display()
        ));
    }
    let source: Arc<dyn Source> = Arc::new(ledger.clone());
    let opened = Views::open(layout.root(), source).await;
    let (views, engine) = opened.map_err(|error| Fault::failed("查询库", &error))?;
    let (stop, stopping) = watch::channel(false);
    let following = tokio::spawn(engine.run(stopping));
    let options = ServeOptions {
        ledger: ledger.clone(),
        views,
        clock,
        listen: config.listen,
        internal_listen: config.internal_listen,
        internal_anywhere,
        site: SiteOptions { name: config.name, contact: config.contact, is_demo, base_url: config.base_url },
        limits: Limits::default(),
        on_bound: Some(Box::new(announce)),
    };
    let served = serve(options, stop_signal()).await;
    // Nothing new arrives any more: what was accepted is committed and published, then the lock is given back.
    stop.send_replace(true);
    let followed = following.await;
    ledger.shutdown().await;
    served.map_err(|error| Fault::failed("网站", &error).mend("请换一个地址，或停下占用它的程序"))?;
    followed.map_err(|error| Fault::failed("查询库", &error))?;
    Ok(Verdict::Yes)
}

fn announce(bound: Bound) {
    // A terminal that has gone is no reason to stop serving.
    let _ = terminal::say(format_args!("网站 http://{}", bound.public));
    if let Some(internal) = bound.internal {
        let _ = terminal::say(format_args!("内部 http://{internal}"));
    }
}

/// Listens for SIGTERM and SIGINT from now on, not from the first poll on: whoever reads our address may
/// ask us to stop at once. Ends when one arrives.
fn stop_signal() -> impl Future<Output = ()> + Send {
    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    async {
        tokio::select! {
            () = arrived(terminate) => {}
            () = arrived(interrupt) => {}
        }
    }
}

async fn arrived(listener: std::io::Result<Signal>) {
    match listener {
        Ok(mut listener) => drop(listener.recv().await),
        // Without a handler nobody can ask us to stop this way; go on serving.
        Err(_) => std::future::pending().await,
    }
}
