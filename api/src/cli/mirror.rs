//! `mirror`: follows a ledger, verifies everything, and serves the public side from what it verified.
//!
//! Following is `gongkai_store::mirror`'s; here are the options, the pace, and the sentences; the source behind the word
//! that names it is `sources`. It looks on a thread of its own, and the site is the one of `serve --published-only`, which reads
//! nothing but the files that were accepted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use gongkai_log::{FsckError, VerifierKey};
use gongkai_store::mirror::{Followed, Refused, records};
use gongkai_store::{Layout, Mirror, MirrorFault, PublishedLog, StoreError, published_keys, take_lock};
use serde_json::json;
use tokio::sync::watch;

use super::sources::{LookFault, Place};
use super::{checking, local, serve, terminal};
use crate::config::Config;
use crate::gap::watch::Intakes;
use crate::mirrors::{Mirrors, Stuck};
use crate::outcome::{Fault, Outcome, Verdict, chain};

/// Longest pause between two looks while what is shown is not accepted: each may cost a verification from the beginning.
const REFUSED_PAUSE_MAX: Duration = Duration::from_mins(10);
/// Longest pause while the source cannot be read.
const FAILED_PAUSE_MAX: Duration = Duration::from_mins(1);

/// Options of `mirror`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai mirror --source https://ledger.example --dir mirror --vkey vkey.txt --serve 0.0.0.0:8080\n  \
    $ gongkai mirror --source /media/disk/log --dir mirror --vkey ledger.example+5ad1c9f0+AZ... --once\n\n\
    只接受逐条核验过、又接得上以前所见的内容；验证钥匙要从可信的地方得来。--dir 第一次运行时建立，不需要数据库和私钥。\n\
    来源可以是网址、账本目录（或其中的 log/）、单向传来的磁盘，或 gongkai export 的归档；磁盘不完整时什么都不接受，并指出缺什么。\n\
    给出 --policy 时，没有足够见证方联署的检查点不接受；不给时，来源公布的 /log/policy 原样转载，只说明来源自称的规则。\n\
    给出 --intake 时，还核对账本有没有按时答复网上收件处，没有答复的列在 /status 上；给的是网址，网站上还有办事的表单，\n\
    在群众的浏览器里加密后转给它。收件处和镜像放在同一台机器上时，按群众的地址限流。\n\
    遇到分叉或倒退不接受，双方签名的检查点存进 evidence/，任何人可用 gongkai verify 核验；跟随了哪些撤下记在 withdrawals.jsonl。\n\
    --once 同步一次就结束：0 已是最新或已接受，1 没有接受，3 读不到或本机出错。"
)]
pub struct Args {
    /// 来源：网址、目录或归档
    #[arg(long, value_name = "网址|目录")]
    source: String,
    /// 镜像的目录
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 账本的验证钥匙（或写有它的文件），从可信的地方得来
    #[arg(long, value_name = "钥匙")]
    vkey: String,
    /// 见证规则文件：只接受有足够见证方联署的检查点，并代替来源的规则公布
    #[arg(long, value_name = "文件")]
    policy: Option<PathBuf>,
    /// 在这个地址只读地提供公众网站（端口 0 由系统选）
    #[arg(long, value_name = "地址", conflicts_with = "once")]
    serve: Option<SocketAddr>,
    /// 互联网一侧收件处的网址或目录：核对账本有没有按时答复，是网址的还代收；可以给多个
    #[arg(long = "intake", value_name = "网址|目录", requires = "serve")]
    intakes: Vec<String>,
    /// 同步一次就结束
    #[arg(long)]
    once: bool,
    /// 每隔多少秒看一次来源
    #[arg(long, value_name = "秒", default_value_t = 5, hide_default_value = true, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    every: u64,
    /// --once 的结果输出 JSON
    #[arg(long, requires = "once")]
    pub json: bool,
}

/// Looks once, and says in sentences why it did not end well.
fn look(place: &Place, mirror: &mut Mirror) -> Result<Followed, Fault> {
    place.look(mirror).map_err(|fault| told(fault, mirror))
}

/// What people are told about a look that did not end well.
fn told(fault: LookFault, mirror: &Mirror) -> Fault {
    match fault {
        LookFault::Refused(refused) => refusal(refused, mirror),
        LookFault::Unreadable { path, cause } => Fault::ours(format!("读取来源的 {path}"), cause)
            .mend("读不到不等于被改动；请检查网络或磁盘后再运行一次，已取到的会接着用"),
        LookFault::Damaged(finding) => damaged(&finding.to_string(), mirror),
        LookFault::Own(error) => Fault::failed("镜像目录", &error).mend("请检查磁盘后再运行一次，会从断处接着做"),
        LookFault::Wrong(fault) => fault,
    }
}

fn damaged(what: &str, mirror: &Mirror) -> Fault {
    let log = mirror.layout().log();
    Fault::ours("镜像自己的文件", format!("与核验时不同：{what}"))
        .mend(format!("请检查磁盘，把 {} 移走再运行：会重新取回，并核对与以前接受的检查点是同一部历史", log.display()))
}

fn refusal(refused: Refused, mirror: &Mirror) -> Fault {
    let kept = format!("什么都没有接受，继续提供此前核验过的 {} 条", mirror.size());
    match refused {
        Refused::Checkpoint(error) => {
            Fault::no("来源的检查点", chain(&error)).mend(format!("{kept}；请核对 --vkey 和 --source 是不是同一本账"))
        }
        Refused::Quorum(error) => Fault::no("来源的检查点", format!("见证方的联署不够：{}", chain(&error)))
            .mend(format!("{kept}；来源得到足够的联署后会自动继续；否则请核对 --policy 里的见证方和钥匙")),
        Refused::Finding(finding) => {
            let fault = Fault::from(FsckError::<StoreError>::Finding(finding));
            fault.mend(format!("{kept}；请告诉来源哪个文件不对，修复后会自动继续"))
        }
        Refused::Incomplete(missing) => Fault::no("来源不完整", format!("缺 {}", missing.join("、")))
            .mend(format!("{kept}；请补齐这些文件（连同其后的）再同步")),
        Refused::Forked { held, shown, evidence } => {
            let cause = format!("账本签过互相矛盾的两个检查点：先前接受的 {held} 条，来源现在出示的 {shown} 条");
            let evidence = evidence.display();
            let key = mirror.vkey();
            Fault::no("分叉", cause).mend(format!(
                "{kept}；证据在 {evidence}，任何人都可以核验：gongkai verify {evidence} --vkey {key}；请通知主办单位、见证方和监督机构"
            ))
        }
        Refused::RolledBack { held, shown, evidence } => {
            let cause = format!("先前接受的有 {held} 条，来源现在只有 {shown} 条：是旧副本，或账本倒退了");
            let at = evidence.map_or(String::new(), |path| format!("；两个检查点存在 {}", path.display()));
            Fault::no("倒退", cause).mend(format!("{kept}{at}；请核对来源是不是旧备份"))
        }
    }
}

/// Follows once, or until it is told to stop.
///
/// # Errors
/// What the source shows is not accepted, or something could not be read or written.
pub async fn run(args: Args) -> Outcome {
    let layout = Layout::new(&args.dir);
    if layout.has_ledger() {
        return Err(Fault::usage(layout.root().display().to_string(), "这里有账本数据库").mend("镜像请另用一个空目录"));
    }
    serve::intakes_at_most(&args.intakes)?;
    let vkey = checking::verifier_key("--vkey", &args.vkey)?;
    let policy = args.policy.as_deref().map(checking::policy_file).transpose()?;
    let place = Place::of(&args.source)?;
    let created = std::fs::create_dir_all(layout.root());
    created.map_err(|error| Fault::failed(layout.root().display().to_string(), &error))?;
    // Held until the process is gone: the thread that follows may outlive this function by a moment.
    std::mem::forget(take_lock(&layout)?);
    same_key(&layout, &vkey)?;
    let opened = Mirror::open(layout.clone(), vkey.clone(), local::clock());
    let mirror = opened.map_err(|fault| match fault {
        MirrorFault::Damaged(finding) => Fault::ours("镜像自己的文件", finding.to_string())
            .mend("请核对 --vkey；目录里的检查点不是这把钥匙签的，或已损坏"),
        other => Fault::failed("镜像目录", &other),
    })?;
    let mirror = match policy {
        Some((policy, text)) => mirror.demanding(policy, text),
        None => mirror,
    };
    if args.once {
        return super::blocking(move || once(&args, &place, mirror)).await;
    }
    keep(args, layout, vkey, place, mirror).await
}

/// A directory belongs to one ledger.
fn same_key(layout: &Layout, vkey: &VerifierKey) -> Result<(), Fault> {
    let path = layout.vkey();
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim() != vkey.to_string() && !is_of(layout, &text, vkey) => {
            Err(Fault::usage(path.display().to_string(), "这个目录跟随的是另一本账，或另一把钥匙")
                .mend("请换一个目录，或核对 --vkey"))
        }
        _ => Ok(()),
    }
}

/// Whether a key is another one of the same log: before it was replaced, or after.
fn is_of(layout: &Layout, there: &str, vkey: &VerifierKey) -> bool {
    let known = VerifierKey::parse(there.trim()).ok();
    known.and_then(|known| published_keys(layout, &known).ok()).is_some_and(|keys| keys.knows(vkey))
}

fn once(args: &Args, place: &Place, mut mirror: Mirror) -> Outcome {
    let followed = look(place, &mut mirror)?;
    configure(mirror.layout(), mirror.vkey())?;
    if args.json {
        let (accepted, withdrawals) = match &followed {
            Followed::Nothing => (false, 0),
            Followed::Accepted { withdrawals, .. } => (true, *withdrawals),
        };
        terminal::say(json!({"ok": true, "size": mirror.size(), "accepted": accepted, "withdrawals": withdrawals}))?;
    } else {
        terminal::say(sentence(&followed, mirror.size()))?;
    }
    Ok(Verdict::Yes)
}

fn sentence(followed: &Followed, size: u64) -> String {
    match followed {
        Followed::Nothing => format!("已是最新：{size} 条"),
        Followed::Accepted { from, size, withdrawals: 0 } => format!("核验通过，已接受：{from} → {size} 条"),
        Followed::Accepted { from, size, withdrawals } => {
            format!("核验通过，已接受：{from} → {size} 条，跟随撤下 {withdrawals} 次")
        }
    }
}

/// Follows on a thread of its own, and serves once there is something, until told to stop.
async fn keep(args: Args, layout: Layout, vkey: VerifierKey, place: Place, mirror: Mirror) -> Outcome {
    let mirrors = Mirrors::default();
    mirrors.set_stuck(stuck(&layout, false));
    let (begun, mut beginning) = watch::channel(mirror.is_begun());
    let (ending, end) = mpsc::channel::<()>();
    let every = Duration::from_secs(args.every);
    let following = Following { place, every, mirrors: mirrors.clone(), begun };
    let thread = std::thread::Builder::new().name("mirror".into()).spawn(move || following.run(mirror, &end));
    let thread = thread.map_err(|error| Fault::failed("镜像线程", &error))?;
    let stop = serve::stop_signal();
    tokio::pin!(stop);
    let served = match args.serve {
        None => tokio::select! {
            () = &mut stop => Ok(Verdict::Yes),
            // Gone when the thread has ended, which it does only by a failure of ours.
            () = gone(&mut beginning) => Err(Fault::ours("镜像线程", "意外结束")),
        },
        Some(listen) => {
            let ready = tokio::select! {
                () = &mut stop => return Ok(Verdict::Yes),
                ready = beginning.wait_for(|begun| *begun) => ready.is_ok(),
            };
            if ready {
                configure(&layout, &vkey)?;
                let config = Config { listen, ..Config::read(&layout)? };
                let is_demo = config.origin == crate::demo::ORIGIN;
                serve::published_files(layout, config, is_demo, (mirrors, Intakes::new(args.intakes))).await
            } else {
                Err(Fault::ours("镜像线程", "意外结束"))
            }
        }
    };
    // What it is doing may take long, and nothing is lost when it is cut: not waited for.
    drop((ending, thread));
    served
}

async fn gone(beginning: &mut watch::Receiver<bool>) {
    while beginning.changed().await.is_ok() {}
}

/// Why the pages say that the mirror does not go on.
fn stuck(layout: &Layout, is_refused: bool) -> Option<Stuck> {
    let forked = records::evidence(layout).is_ok_and(|found| found.iter().any(|evidence| evidence.is_fork));
    if forked { Some(Stuck::Forked) } else { is_refused.then_some(Stuck::Refused) }
}

/// The thread that looks.
struct Following {
    place: Place,
    every: Duration,
    mirrors: Mirrors,
    begun: watch::Sender<bool>,
}

impl Following {
    fn run(self, mut mirror: Mirror, end: &mpsc::Receiver<()>) {
        let mut told = None;
        let mut pause = self.every;
        loop {
            let looked = look(&self.place, &mut mirror);
            let is_refused = is_refused(&looked);
            self.mirrors.set_stuck(stuck(mirror.layout(), is_refused));
            match looked {
                Ok(followed) => {
                    if followed != Followed::Nothing {
                        terminal::remark(sentence(&followed, mirror.size()));
                    }
                    (told, pause) = (None, self.every);
                    self.begun.send_if_modified(|begun| !std::mem::replace(begun, mirror.is_begun()) && *begun);
                }
                Err(fault) => {
                    let text = fault.to_string();
                    if told.as_ref() != Some(&text) {
                        terminal::remark(format_args!("注意：{text}"));
                    }
                    told = Some(text);
                    let pause_max = if is_refused { REFUSED_PAUSE_MAX } else { FAILED_PAUSE_MAX };
                    pause = (pause * 2).min(pause_max.max(self.every));
                }
            }
            if end.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

fn is_refused(looked: &Result<Followed, Fault>) -> bool {
    looked.as_ref().is_err_and(|fault| fault.class == crate::outcome::Class::No)
}

/// Writes `gongkai.toml` where there is none, with what the genesis says of the ledger.
fn configure(layout: &Layout, vkey: &VerifierKey) -> Result<(), Fault> {
    if layout.configuration().exists() || !layout.checkpoint().is_file() {
        return Ok(());
    }
    let failed = |error: &dyn std::error::Error| Fault::failed("创世条目", error);
    let log = PublishedLog::open(layout.log(), vkey.clone()).map_err(|error| failed(&error))?;
    let genesis = log.entries(0, 1).map_err(|error| failed(&error))?.into_iter().next();
    let opened = genesis.as_ref().and_then(|genesis| genesis.openings.as_ref());
    let name = opened.and_then(|openings| openings.open.iter().find(|open| open.name == "name"));
    let name = name.and_then(|open| open.value.as_str()).unwrap_or(vkey.name());
    let entry = genesis.as_ref().and_then(|genesis| gongkai_log::Entry::parse(genesis.bytes.clone()).ok());
    let statement = entry.as_ref().and_then(|entry| entry.content.statement());
    let org = statement.map(|signed| signed.statement.org.clone()).unwrap_or_default();
    Config::new(vkey.name(), name, &org).write(layout)
}
