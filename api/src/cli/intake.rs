//! `intake`: takes what people hand in on the internet side of a network gap, for a ledger that is not reached from there.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gongkai_log::{SigningKey, VerifierKey};
use gongkai_store::{IntakeBook, IntakeFault, IntakeSettings, Layout, take_lock};
use tokio::time::MissedTickBehavior;

use super::checking::verifier_key;
use super::serve::{fault, stop_signal};
use super::{local, terminal};
use crate::gap::numbers::Numbers;
use crate::gap::{carry, server};
use crate::http::metrics::program;
use crate::http::server::{Limits, Listener, run as listen};
use crate::keyfile;
use crate::outcome::{Fault, Outcome, Verdict, chain};

/// Most bytes of a file of capsules.
const CAPSULES_BYTES_MAX: u64 = 1 << 30;

/// Options of `intake`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai intake --dir intake --listen 0.0.0.0:8091 --ledger ledger.example/qinghe+5ad1c9f0+AZ...\n  \
    $ gongkai intake --dir intake --ledger vkey.txt --write-batches disk/1.batches\n  \
    $ gongkai intake --dir intake --ledger vkey.txt --read-capsules disk/1.capsules\n\n\
    放在互联网一侧、镜像旁边。收到的都是给内网账本加密的，这里打不开；当场给出收件承诺，每个时段记进自己的小日志。\n\
    第一次启动时生成钥匙 intake.key，打印出的验证钥匙由账本用 intake.opened.v1 登记（加密公钥用 gongkai take-in --sealing-key 取）。\n\
    能从内网访问这里的，账本在 gongkai.toml 里写上网址，自己来取；不能的，用 --write-batches 和 --read-capsules 摆渡，运行中也可以用。\n\
    目录里的 intake.db 不要从备份恢复：恢复了就会出示另一部历史，启动时会拒绝。"
)]
pub struct Args {
    /// 收件处的目录：钥匙、收到的和小日志
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 监听的地址（端口 0 由系统选）
    #[arg(long, value_name = "地址", default_value_t = listen_default(), hide_default_value = true)]
    listen: SocketAddr,
    /// 内网账本的验证钥匙，或存着它的文件，从可信的地方得来
    #[arg(long, value_name = "验证钥匙")]
    ledger: String,
    /// 收件处的名称，第一次启动时用，接在账本标识后面
    #[arg(long, value_name = "名称", default_value = "outside", hide_default_value = true)]
    name: String,
    /// 每隔多少秒记一个时段
    #[arg(long, value_name = "秒", default_value_t = 600, hide_default_value = true, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    period: u64,
    /// 承诺账本在多少小时内答复，与账本登记的一致
    #[arg(long, value_name = "小时", default_value_t = 72, hide_default_value = true, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    hours: u32,
    /// 指标（/metrics，Prometheus 文本格式）监听的本机地址（默认不开）
    #[arg(long, value_name = "本机地址")]
    metrics_listen: Option<SocketAddr>,
    /// 把还没有答复的批次写到这个文件，带进内网；写完就结束
    #[arg(long, value_name = "文件", conflicts_with = "read_capsules")]
    write_batches: Option<PathBuf>,
    /// 读入从内网带出的答复；读完就结束
    #[arg(long, value_name = "文件")]
    read_capsules: Option<PathBuf>,
}

/// Port beside the site's and the witness's.
fn listen_default() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8091))
}

/// Takes until SIGINT or SIGTERM, or carries a file.
///
/// # Errors
/// A key or state that is unusable, an address that cannot be had, a file that is not the ledger's.
pub async fn run(args: Args) -> Outcome {
    let ledger = verifier_key("--ledger", &args.ledger)?;
    let made = std::fs::create_dir_all(&args.dir);
    made.map_err(|error| Fault::failed(args.dir.display().to_string(), &error))?;
    let layout = Layout::new(&args.dir);
    if layout.has_ledger() {
        return Err(Fault::usage(args.dir.display().to_string(), "这里有账本数据库").mend("收件处请另用一个空目录"));
    }
    let settings = IntakeSettings { period: Duration::from_secs(args.period), answer_hours: args.hours };
    if args.write_batches.is_some() || args.read_capsules.is_some() {
        return carried(&args, layout, ledger, settings).await;
    }
    // Two programs on one state could promise in two histories.
    let _held = take_lock(&layout)?;
    let key = key(&args.dir, &ledger, &args.name)?;
    let clock = local::clock();
    let book = IntakeBook::open(layout, key, ledger, settings, Arc::clone(&clock), Arc::new(keyfile::random)).await;
    let book = book.map_err(|error| unusable(&args.dir, &error))?;
    let (limits, stop) = (Limits::default(), stop_signal());
    let shown = program::listener(args.metrics_listen).await.map_err(|error| fault(&error))?;
    let listener = Listener::bind(args.listen).await.map_err(|error| fault(&error))?;
    terminal::say(format_args!("收件 http://{}", listener.address()))?;
    terminal::say(format_args!("验证钥匙 {}", book.vkey()))?;
    let numbers = Numbers::new(book.clone());
    let mut listeners = vec![(listener, server::router(book.clone(), clock, limits, numbers.clone()))];
    if let Some(shown) = shown {
        terminal::say(format_args!("指标 http://{}/metrics", shown.address()))?;
        listeners.push((shown, numbers.router()));
    }
    let periods = tokio::spawn(keep_periods(book));
    let served = listen(listeners, limits, stop).await.map_err(|error| fault(&error));
    // A period that is being recorded is committed or not; the next start publishes it.
    periods.abort();
    served.map(|()| Verdict::Yes)
}

/// Records a period again and again, with or without packets. One that fails is told, and tried with the next.
async fn keep_periods(book: IntakeBook) {
    let mut every = tokio::time::interval(book.period());
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once; the first period has its time like any other.
    every.tick().await;
    loop {
        every.tick().await;
        if let Err(error) = book.end_period().await {
            tracing::error!(error = chain(&error), "a period was not recorded");
        }
        match book.overdue().await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "packets that the ledger should have answered by now"),
            Err(error) => tracing::error!(error = chain(&error), "counting what is overdue"),
        }
    }
}

/// Writes batches for a disk, or reads capsules from one, beside an intake that may be serving.
async fn carried(args: &Args, layout: Layout, ledger: VerifierKey, settings: IntakeSettings) -> Outcome {
    if !layout.intake().is_file() {
        return Err(Fault::usage(args.dir.display().to_string(), "这里没有收件处").mend("请核对 --dir"));
    }
    let key = key(&args.dir, &ledger, &args.name)?;
    let opened = IntakeBook::beside(layout, key, ledger, settings, local::clock(), Arc::new(keyfile::random)).await;
    let book = opened.map_err(|error| unusable(&args.dir, &error))?;
    if let Some(path) = &args.write_batches {
        let place = path.display().to_string();
        let from = book.answered().await.map_err(|error| unusable(&args.dir, &error))?;
        let batches = book.batches(from).await.map_err(|error| unusable(&args.dir, &error))?;
        carry::write(path, batches.to_text().as_bytes()).map_err(|error| Fault::failed(place.clone(), &error))?;
        terminal::say(format_args!("已写出第 {from} 至 {} 批之前：{place}", batches.to()))?;
    }
    if let Some(path) = &args.read_capsules {
        let place = path.display().to_string();
        let size = std::fs::metadata(path).map_err(|error| Fault::failed(place.clone(), &error))?.len();
        if size > CAPSULES_BYTES_MAX {
            return Err(Fault::usage(place, "文件太大"));
        }
        let file = std::fs::read_to_string(path).map_err(|error| Fault::failed(place.clone(), &error))?;
        let is_new = book.put_capsules(&file).await.map_err(|error| match error {
            IntakeFault::Refused(error) => {
                Fault::no(place.clone(), format!("不是账本给这个收件处的答复：{}", chain(&error)))
            }
            error => unusable(&args.dir, &error),
        })?;
        let said = if is_new { "已换上" } else { "比已有的旧，没有换上" };
        terminal::say(format_args!("{said}：{place}"))?;
    }
    Ok(Verdict::Yes)
}

/// The intake's key, made when there is none; its name says whose intake it is.
fn key(dir: &Path, ledger: &VerifierKey, name: &str) -> Result<SigningKey, Fault> {
    let path = dir.join("intake.key");
    if path.exists() {
        let key = keyfile::read(&path, || None)?;
        let is_of = key.name().strip_prefix(ledger.name()).is_some_and(|rest| rest.starts_with('/'));
        if !is_of {
            let cause = format!("{} 里的钥匙叫 {}，不是 {} 的收件处", path.display(), key.name(), ledger.name());
            return Err(Fault::usage("--ledger", cause).mend("每本账的收件处各用一个目录"));
        }
        return Ok(key);
    }
    let key = keyfile::generate(&format!("{}/{name}", ledger.name()));
    let key = key.map_err(|error| Fault::usage("--name", chain(&error)).mend("名称不能有空格和加号"))?;
    keyfile::write(&path, &key, None)?;
    Ok(key)
}

fn unusable(dir: &Path, error: &IntakeFault) -> Fault {
    let place = dir.join("intake.db").display().to_string();
    match error {
        IntakeFault::Foreign(_) => Fault::usage(place, "不是这个版本的收件记录").mend("请换一个目录"),
        IntakeFault::Damaged { .. } => Fault::usage(place, format!("记录和公布过的不同：{}", chain(error)))
            .mend("是旧备份或已损坏。用它继续会出示另一部历史；请换一个目录、换一把钥匙，由账本重新设立"),
        error => Fault::failed(place, error),
    }
}
