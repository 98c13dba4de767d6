//! `witness`: cosigns the checkpoints of other ledgers, each of which must continue the one before.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use gongkai_log::policy::POLICY_BYTES_MAX;
use gongkai_log::{Policy, SigningKey, VerifierKey};
use gongkai_store::witness_book::BookError;
use gongkai_store::{Layout, WitnessBook, take_lock};

use super::checking::verifier_key;
use super::serve::{fault, stop_signal};
use super::{local, terminal};
use crate::http::metrics::program;
use crate::http::server::{Limits, Listener, run as listen};
use crate::keyfile;
use crate::outcome::{Fault, Outcome, Verdict, chain};
use crate::witness::{self, numbers::Numbers};

/// Options of `witness`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai witness --dir witness --name witness.qinghe.example/1 --listen 0.0.0.0:8090 --log ledger.example+5ad1c9f0+AZ...\n  \
    $ gongkai witness --dir witness --logs logs.policy\n\n\
    第一次启动时在目录里生成见证钥匙 witness.key，打印出的验证钥匙交给被见证的账本，写进它的见证规则（witness 行）。\n\
    目录里的 witness.db 记着每本账联署到哪里：不要从备份恢复它，恢复了就可能替两本不同的账联署。\n\
    --logs 的文件每行一个：log 验证钥匙。被见证的账本换了钥匙（标识不变），加一行新的，重新启动；旧钥匙被盗的，去掉旧的那一行。"
)]
pub struct Args {
    /// 见证方的目录：见证钥匙和已联署的检查点
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 监听的地址（端口 0 由系统选）
    #[arg(long, value_name = "地址", default_value_t = listen_default(), hide_default_value = true)]
    listen: SocketAddr,
    /// 被见证账本的验证钥匙，或存着它的文件；可以给多个
    #[arg(long = "log", value_name = "验证钥匙")]
    logs: Vec<String>,
    /// 列着被见证账本的文件（C2SP tlog-policy 的 log 行）
    #[arg(long = "logs", value_name = "文件")]
    list: Option<PathBuf>,
    /// 见证钥匙的名称，第一次启动时用（默认随机取一个）
    #[arg(long, value_name = "名称")]
    name: Option<String>,
    /// 见证钥匙的文件（默认是目录里的 witness.key）
    #[arg(long, value_name = "文件")]
    key: Option<PathBuf>,
    /// 从文件第一行读取见证钥匙的口令
    #[arg(long, value_name = "文件")]
    passphrase_file: Option<PathBuf>,
    /// 指标（/metrics，Prometheus 文本格式）监听的本机地址（默认不开）
    #[arg(long, value_name = "本机地址")]
    metrics_listen: Option<SocketAddr>,
}

/// Port beside the site's.
fn listen_default() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8090))
}

/// Cosigns until SIGINT or SIGTERM.
///
/// # Errors
/// No log is named, the key or the state is unusable, or the address cannot be had.
pub async fn run(args: Args) -> Outcome {
    let logs = logs(&args)?;
    let made = std::fs::create_dir_all(&args.dir);
    made.map_err(|error| Fault::failed(args.dir.display().to_string(), &error))?;
    // Two programs on one state could cosign two histories.
    let _held = take_lock(&Layout::new(&args.dir))?;
    let key = key(&args)?;
    let vkey = key.verifier();
    let book = WitnessBook::open(&args.dir.join("witness.db"), key, logs, local::clock()).await;
    let book = book.map_err(|error| unusable(&args.dir, &error))?;
    let limits = Limits::default();
    let stop = stop_signal();
    let shown = program::listener(args.metrics_listen).await.map_err(|error| fault(&error))?;
    let listener = Listener::bind(args.listen).await.map_err(|error| fault(&error))?;
    terminal::say(format_args!("见证 http://{}", listener.address()))?;
    terminal::say(format_args!("验证钥匙 {vkey}"))?;
    let numbers = Numbers::new(book.clone(), args.dir);
    let mut listeners = vec![(listener, witness::router(book, vkey, limits, numbers.clone()))];
    if let Some(shown) = shown {
        terminal::say(format_args!("指标 http://{}/metrics", shown.address()))?;
        listeners.push((shown, numbers.router()));
    }
    listen(listeners, limits, stop).await.map_err(|error| fault(&error))?;
    Ok(Verdict::Yes)
}

/// The keys of the logs that are witnessed, each once.
fn logs(args: &Args) -> Result<Vec<VerifierKey>, Fault> {
    let mut logs = Vec::new();
    for text in &args.logs {
        logs.push(verifier_key("--log", text)?);
    }
    if let Some(path) = &args.list {
        logs.extend(listed(path)?);
    }
    if logs.is_empty() {
        return Err(Fault::usage("--log", "没有说为哪本账见证").mend("请给出账本的验证钥匙，在它的 /log/vkey"));
    }
    let mut seen = HashSet::new();
    logs.retain(|log| seen.insert(log.to_string()));
    Ok(logs)
}

/// The logs of a policy file, which may leave out its quorum: that is the log's business.
fn listed(path: &Path) -> Result<Vec<VerifierKey>, Fault> {
    let place = || path.display().to_string();
    let size = std::fs::metadata(path).map_or(0, |file| file.len());
    if size > POLICY_BYTES_MAX as u64 {
        return Err(Fault::usage(place(), "文件太大"));
    }
    let mut text = std::fs::read_to_string(path).map_err(|error| Fault::failed(place(), &error))?;
    if !text.lines().any(|line| line.trim_start().starts_with("quorum")) {
        text.push_str(if text.ends_with('\n') { "quorum none\n" } else { "\nquorum none\n" });
    }
    let policy = Policy::parse(&text).map_err(|error| Fault::usage(place(), chain(&error)))?;
    Ok(policy.logs().iter().map(|log| log.key.clone()).collect())
}

/// The witness's key, made when there is none.
fn key(args: &Args) -> Result<SigningKey, Fault> {
    let path = args.key.clone().unwrap_or_else(|| args.dir.join("witness.key"));
    if path.exists() {
        let key = local::witness_key(&path, args.passphrase_file.as_ref())?;
        return match args.name.as_deref().filter(|name| *name != key.name()) {
            Some(_) => Err(Fault::usage("--name", format!("{} 里的钥匙叫 {}", path.display(), key.name()))
                .mend("不给 --name 就用原来的；换钥匙请换一个目录")),
            None => Ok(key),
        };
    }
    let unnamable = |error| Fault::usage("--name", chain(&error)).mend("名称不能有空格和加号，例如 witness.example/1");
    let key = match &args.name {
        Some(name) => keyfile::generate_witness(name).map_err(unnamable)?,
        None => named_by_itself()?,
    };
    let passphrase = args.passphrase_file.as_ref().map(|file| terminal::passphrase_file(file)).transpose()?;
    keyfile::write(&path, &key, passphrase.as_ref().map(|text| text.as_str()))?;
    Ok(key)
}

/// A key whose name nobody gave: it must differ from every other witness's.
fn named_by_itself() -> Result<SigningKey, Fault> {
    let mut bytes = [0; 4];
    keyfile::random(&mut bytes);
    let name = format!("witness-{:08x}/1", u32::from_be_bytes(bytes));
    keyfile::generate_witness(&name).map_err(|error| Fault::failed("见证钥匙", &error))
}

fn unusable(dir: &Path, error: &BookError) -> Fault {
    let place = dir.join("witness.db").display().to_string();
    match error {
        BookError::Foreign(_) => Fault::usage(place, "不是这个版本的见证记录").mend("请换一个目录"),
        BookError::Damaged { origin, .. } => {
            Fault::usage(place, format!("{origin} 的记录和写入时不同：{}", chain(error))).mend(
                "这把见证钥匙不能再用：从别处的检查点和备份都不能知道它联署过什么。请换一个目录生成新的，并告诉各账本",
            )
        }
        error => Fault::failed(place, error),
    }
}
