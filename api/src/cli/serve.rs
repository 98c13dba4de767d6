//! `serve`: opens ledger and views, and serves until it is told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gongkai_log::VerifierKey;
use gongkai_projections::internal::InternalViews;
use gongkai_projections::{Engine, Home, Source, Views};
use gongkai_store::{Layout, Map, PublishedLog, ReadStore, take_lock};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::{local, terminal, vault};
use crate::config::Config;
use crate::cosigning::Cosigning;
use crate::further;
use crate::gap::carry;
use crate::gap::watch::{INTAKES_MAX, Intakes};
use crate::http::server::{Limits, ServeError, is_this_machine};
use crate::http::tls::{Identity, TlsError};
use crate::http::{Bound, InternalOptions, ServeOptions, SiteOptions, serve};
use crate::keyfile::KeyFileError;
use crate::mirrors::Mirrors;
use crate::outcome::{Fault, NEWER, Outcome, Verdict, chain};
use crate::pushing::keeping::Kept;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai serve --dir ledger\n  $ gongkai serve --dir ledger --listen 0.0.0.0:8080 --internal-listen 127.0.0.1:8081\n  \
    $ gongkai serve --dir public --published-only\n\n\
    内部地址用 https，证书和私钥第一次启动时生成在账本目录的 keys/internal-tls.pem 和 internal-tls.key，也可换成自己的；\n\
    只有本机地址（127.0.0.1）还能用 http。办理人员用 gongkai read、submit 时以 --ca 给出这份证书。\n\n\
    --published-only 用在只放已发布文件的机器上：目录里只要 log/ 和 gongkai.toml，不需要数据库和任何私钥。\n\
    把账本目录的 log/ 同步过去时保留文件时间，检查点文件（log/checkpoint）放在最后。\n\
    给出 --intake 时，网站上有办事的表单，在群众的浏览器里加密后转给那个收件处；/status 上列出账本没有按时答复的。"
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
    /// 从文件第一行读取限阅库主密钥的口令（默认按 gongkai.toml，或在终端输入）
    #[arg(long, value_name = "文件")]
    vault_passphrase_file: Option<PathBuf>,
    /// 只读：只用已发布的文件，不需要数据库和私钥
    #[arg(long, conflicts_with_all = ["internal_listen", "internal_anywhere"])]
    published_only: bool,
    /// 互联网一侧收件处的网址或目录：核对账本有没有按时答复，是网址的还代收；可以给多个
    #[arg(long = "intake", value_name = "网址|目录", requires = "published_only")]
    intakes: Vec<String>,
}

/// What is served, and where.
pub struct Serving {
    /// The ledger's directory.
    pub layout: Layout,
    /// Its configuration, with what the command line changed.
    pub config: Config,
    /// The internal listener may be reachable from other machines.
    pub internal_anywhere: bool,
    /// File with the passphrase of the vault's master key.
    pub vault_passphrase_file: Option<PathBuf>,
    /// Made-up content, said so on every page.
    pub is_demo: bool,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// No ledger, another process holds it, or an address that cannot be had.
pub async fn run(args: Args) -> Outcome {
    let layout = Layout::new(&args.dir);
    intakes_at_most(&args.intakes)?;
    let mut config = Config::read(&layout)?;
    config.listen = args.listen.unwrap_or(config.listen);
    config.internal_listen = args.internal_listen.or(config.internal_listen);
    let is_demo = config.origin == crate::demo::ORIGIN;
    let Args { internal_anywhere, vault_passphrase_file, .. } = args;
    let serving = Serving { layout, config, internal_anywhere, vault_passphrase_file, is_demo };
    if args.published_only { published(serving, Intakes::new(args.intakes)).await } else { start(serving).await }
}

/// Refuses more intakes than a site looks after.
///
/// # Errors
/// A wrong use.
pub fn intakes_at_most(given: &[String]) -> Result<(), Fault> {
    if given.len() > INTAKES_MAX {
        return Err(Fault::usage("--intake", format!("最多 {INTAKES_MAX} 个")));
    }
    Ok(())
}

/// How often the checkpoint is looked at where nobody tells that there is a new one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Serves what is published, without ledger and keys.
async fn published(serving: Serving, intakes: Intakes) -> Outcome {
    let Serving { layout, config, is_demo, .. } = serving;
    if layout.has_ledger() {
        return Err(Fault::usage(layout.root().display().to_string(), "这里有账本数据库")
            .mend("--published-only 请用只放已发布文件的目录；这台机器直接运行 gongkai serve --dir 即可"));
    }
    // This process alone keeps the views of the directory.
    let _held = take_lock(&layout)?;
    // Whether mirrors follow is looked at where things are withdrawn, not on a copy.
    published_files(layout, config, is_demo, (Mirrors::default(), intakes)).await
}

/// Serves the published files of a directory whose lock is held. `mirrors` says why they are not followed any further,
/// where that is so.
///
/// # Errors
/// As [`run`].
pub async fn published_files(
    layout: Layout,
    config: Config,
    is_demo: bool,
    (mirrors, intakes): (Mirrors, Intakes),
) -> Outcome {
    let path = layout.vkey();
    let text = std::fs::read_to_string(&path).map_err(|error| Fault::failed(path.display().to_string(), &error))?;
    let vkey = VerifierKey::parse(text.trim()).map_err(|error| Fault::failed(path.display().to_string(), &error))?;
    if vkey.name() != config.origin {
        let cause = format!("验证钥匙是 {} 的，gongkai.toml 写的是 {}", vkey.name(), config.origin);
        return Err(Fault::usage(path.display().to_string(), cause));
    }
    let log = PublishedLog::open(layout.log(), vkey.clone());
    let log = Arc::new(log.map_err(|error| Fault::failed(layout.log().display().to_string(), &error))?);
    let looking = tokio::spawn(look(Arc::clone(&log)));
    let (views, engine) = opened(layout.root().into(), Arc::new(Arc::clone(&log))).await?;
    let owing = tokio::spawn(intakes.clone().watch(views.clone(), local::clock()));
    let options = ServeOptions {
        ledger: None,
        log: layout.log(),
        map: followed_map(&layout, &log).await,
        vkey,
        followed: Some(log),
        views,
        internal_views: None,
        clock: local::clock(),
        listen: config.listen,
        internal: None,
        metrics: config.metrics_listen,
        site: SiteOptions { intakes, ..site(config, is_demo, mirrors, None) },
        limits: Limits::default(),
        on_bound: Some(Box::new(|bound| announce(bound, None))),
    };
    let ended = follow(options, engine, None).await;
    looking.abort();
    owing.abort();
    ended.map(|()| Verdict::Yes)
}

/// The map of a log that is only followed. A copy goes on without one: what it shows is still proven entry by entry.
async fn followed_map(layout: &Layout, log: &Arc<PublishedLog>) -> Option<Map> {
    match Map::of_published(&layout.map(), log).await {
        Ok(map) => Some(map),
        Err(fault) => {
            terminal::remark(format_args!("注意：总目没有打开，不能证明没有缺漏：{}", chain(&fault)));
            None
        }
    }
}

/// Looks for a new checkpoint for ever. One that does not continue the last is told once and not followed.
async fn look(log: Arc<PublishedLog>) {
    let mut told = None;
    let mut every = tokio::time::interval(LOOK_EVERY);
    loop {
        every.tick().await;
        let looking = Arc::clone(&log);
        let Ok(looked) = tokio::task::spawn_blocking(move || looking.refresh()).await else { return };
        let fault = looked.err().map(|error| chain(&error));
        if let Some(fault) = fault.as_ref().filter(|fault| told.as_ref() != Some(*fault)) {
            terminal::remark(format_args!("注意：检查点没有更新，继续提供已有的内容：{fault}"));
        }
        told = fault;
    }
}

/// Serves a ledger.
///
/// # Errors
/// As [`run`].
pub async fn start(serving: Serving) -> Outcome {
    let Serving { layout, config, internal_anywhere, vault_passphrase_file, is_demo } = serving;
    let clock = local::clock();
    let vault = vault::unlock(&layout, &config, vault_passphrase_file.as_ref(), true).await?;
    let cosigning = local::cosigning(&layout, &config, &clock)?;
    not_behind(&layout, &config).await?;
    let ledger = local::open_with(&layout, Arc::clone(&clock), vault, cosigning.clone(), &config).await?;
    for alarm in &ledger.recovery().alarms {
        terminal::remark(format_args!("注意：{alarm}"));
    }
    if let Some(reason) = ledger.health().halted {
        terminal::remark(format_args!(
            "账本暂停登记，只能读：{reason}；请运行 gongkai doctor --dir {}",
            layout.root().display()
        ));
    }
    let (views, engine) = opened(local::views_home(&layout, &config)?, Arc::new(ledger.clone())).await?;
    let internal_views = InternalViews::open(&layout, &ledger).await;
    let internal_views = internal_views.map_err(|error| Fault::failed("内部查询库", &error))?;
    let internal = config.internal_listen.map(|listen| InternalOptions {
        listen,
        anywhere: internal_anywhere,
        identity: Identity::new(layout.keys(), listen, &config.internal_names),
    });
    let mirrors = Mirrors::new(config.mirrors.clone());
    let looking = tokio::spawn(mirrors.clone().watch(ledger.clone(), Arc::clone(&clock)));
    let kept = Kept::begin(&config.push_mirrors, &layout, &clock);
    let kept = kept.map_err(|error| Fault::failed("推送", &error))?;
    let urls = config.intakes.clone();
    let every = Duration::from_secs(config.intake_seconds);
    let taking = tokio::spawn(carry::keep(ledger.clone(), layout.clone(), urls, every));
    let certificate = internal.as_ref().map(|internal| internal.identity.certificate());
    let options = ServeOptions {
        ledger: Some(ledger.clone()),
        log: layout.log(),
        map: Some(ledger.map().clone()),
        vkey: ledger.vkey(),
        followed: None,
        views,
        internal_views: internal_views.clone(),
        clock,
        listen: config.listen,
        internal,
        metrics: config.metrics_listen,
        site: SiteOptions { kept, ..site(config, is_demo, mirrors, cosigning) },
        limits: Limits::default(),
        on_bound: Some(Box::new(move |bound| announce(bound, certificate.as_deref()))),
    };
    let ended = follow(options, engine, internal_views).await;
    looking.abort();
    // What it was doing is done again on the next start, and changes nothing.
    taking.abort();
    // Nothing new arrives any more: what was accepted is committed and published, then the lock is given back.
    ledger.shutdown().await;
    ended.map(|()| Verdict::Yes)
}

/// Refuses a database that has less than a mirror holds under the log's key. Witnesses are asked when it is opened.
async fn not_behind(layout: &Layout, config: &Config) -> Result<(), Fault> {
    if config.mirrors.is_empty() {
        return Ok(());
    }
    let keys = local::log_keys(layout)?;
    let store = ReadStore::open(layout).await?;
    let head = store.head().await;
    store.close().await;
    let size = head.map_err(|error| Fault::from(&error))?.size;
    let urls = config.mirrors.clone();
    let seen = tokio::task::spawn_blocking(move || further::mirrors(&urls, &keys)).await;
    match further::ahead(&seen.unwrap_or_default(), size) {
        None => Ok(()),
        Some((by, seen)) => {
            Err(Fault::ours("数据库", format!("只有 {size} 条，而{by}已有 {seen} 条：是旧备份，或被截断"))
                .mend(format!("{NEWER}；用这份启动会写出第二部历史")))
        }
    }
}

fn site(config: Config, is_demo: bool, mirrors: Mirrors, cosigning: Option<Cosigning>) -> SiteOptions {
    let Config { name, contact, hotline, base_url, map_seconds, .. } = config;
    let (kept, intakes, map_interval) = (Kept::default(), Intakes::default(), Duration::from_secs(map_seconds));
    SiteOptions { name, contact, is_demo, hotline, base_url, mirrors, kept, intakes, cosigning, map_interval }
}

/// How long the listeners wait for the views to take in what was recorded while nobody served.
const CATCH_UP_MAX: Duration = Duration::from_secs(2);

async fn opened(home: Home, source: Arc<dyn Source>) -> Result<(Views, Engine), Fault> {
    let opened = Views::open(home, source).await;
    let (views, mut engine) = opened.map_err(|error| Fault::failed("查询库", &error))?;
    if let Err(error) = engine.catch_up_within(CATCH_UP_MAX).await {
        // It is told where it goes on being tried.
        tracing::warn!(error = chain(&error), "the views did not catch up before serving");
    }
    Ok((views, engine))
}

/// Serves and keeps the views up until told to stop.
async fn follow(options: ServeOptions, engine: Engine, internal: Option<InternalViews>) -> Result<(), Fault> {
    let (stop, stopping) = watch::channel(false);
    let inside = internal.map(|internal| tokio::spawn(internal.run(stopping.clone())));
    let following = tokio::spawn(engine.run(stopping));
    let served = serve(options, told(stop_signal())).await;
    stop.send_replace(true);
    let followed = following.await;
    if let Some(inside) = inside {
        inside.await.map_err(|error| Fault::failed("内部查询库", &error))?;
    }
    served.map_err(|error| fault(&error))?;
    followed.map_err(|error| Fault::failed("查询库", &error))
}

/// What a listener's failure means for whoever started it.
pub fn fault(error: &ServeError) -> Fault {
    match error {
        ServeError::Tls(TlsError::Names { .. }) => Fault::usage("gongkai.toml 的 internal_names", chain(error))
            .mend("名称只能是域名（中文域名写成 xn-- 的形式）或 IP 地址"),
        ServeError::Tls(TlsError::Open(KeyFileError::Open { path, .. })) => {
            Fault::usage("内部监听", chain(error)).mend(format!("请运行 chmod 600 {}", path.display()))
        }
        ServeError::NotLoopback(address) => {
            Fault::usage(format!("内部监听 {address}"), "其他机器也连得上这个地址，没有启动").mend(
                "只在本机办理的，改用 127.0.0.1:8081 这样的本机地址；确实要让其他机器连接的，加上 --internal-anywhere，\
                 对它们只用加密连接（TLS）",
            )
        }
        ServeError::NumbersNotLoopback(address) => {
            Fault::usage("指标的监听地址", format!("{address} 不是本机地址，没有启动"))
                .mend("指标会透露收件的时刻，只在本机提供：请写 127.0.0.1:9464 这样的地址，由本机的采集程序来取")
        }
        ServeError::Tls(_) => Fault::usage("内部监听", chain(error))
            .mend("请把配套的证书和私钥（PEM）放进 keys/；或把这两个文件都移走，启动时会重新生成"),
        error => Fault::failed("网站", error).mend("请换一个地址，或停下占用它的程序"),
    }
}

fn announce(bound: Bound, certificate: Option<&Path>) {
    // A terminal that has gone is no reason to stop serving.
    let _ = terminal::say(format_args!("网站 http://{}", bound.public));
    if let Some((internal, certificate)) = bound.internal.zip(certificate) {
        let plain =
            if is_this_machine(internal) { format!("；本机也可用 http://{internal}") } else { String::new() };
        let _ = terminal::say(format_args!("内部 https://{internal}（证书 {}{plain}）", certificate.display()));
    }
    if let Some(metrics) = bound.metrics {
        let _ = terminal::say(format_args!("指标 http://{metrics}/metrics"));
    }
    // The service manager learns that we answer; without one this does nothing.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// Listens for SIGTERM and SIGINT from now on, not from the first poll on: whoever reads our address may
/// ask us to stop at once. Ends when one arrives.
pub fn stop_signal() -> impl Future<Output = ()> + Send {
    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    async {
        tokio::select! {
            () = arrived(terminate) => {}
            () = arrived(interrupt) => {}
        }
    }
}

/// Tells the service manager that we stop, as soon as we were asked to.
async fn told(stop: impl Future<Output = ()>) {
    stop.await;
    // Where there is no manager there is nobody to tell.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
}

async fn arrived(listener: std::io::Result<Signal>) {
    match listener {
        Ok(mut listener) => drop(listener.recv().await),
        // Without a handler nobody can ask us to stop this way; go on serving.
        Err(_) => std::future::pending().await,
    }
}
