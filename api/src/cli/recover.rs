//! `recover`: brings back the entries that an old database lacks, from whoever still has them, and puts that on record.
//!
//! The lock of the ledger is held from the beginning. A mirror of the log is made in `recovery/` of the directory and
//! verified like any other; what of it may go into the database, and the one transaction in which it does, is
//! `gongkai_store::regain`'s. Until then nothing but `recovery/` is written, so that a run that was cut short is run again.
//!
//! Not here: the backup (`restore --to-recover`), and publishing: the next `serve` does that.

use std::fs;
use std::path::PathBuf;

use gongkai_domain::kind::recovery::RecoverySource;
use gongkai_log::VerifierKey;
use gongkai_store::mirror::Refused;
use gongkai_store::regain::{Brought, Regained, Regaining, regain};
use gongkai_store::{Layout, Mirror, MirrorFault, take_lock};
use serde_json::json;

use super::sources::{LookFault, Place};
use super::{checking, local, terminal, vault};
use crate::config::{Config, ViewsAt, bucket};
use crate::further;
use crate::outcome::{Fault, Outcome, Verdict, chain};

/// The word for the ledger's own bucket.
const BUCKET: &str = "bucket";

/// Options of `recover`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai restore --from 备份/gongkai-20260302T010203Z --dir ledger --to-recover\n  \
    $ gongkai recover --dir ledger --source https://mirror.example\n  \
    $ gongkai recover --dir ledger --source /media/disk/log\n  $ gongkai recover --dir ledger --source bucket\n\n\
    数据库是旧的（恢复了旧备份，或切换到落后的从库），而镜像、见证方见过更多：从镜像、网上公布的日志、日志副本、归档或\n\
    对象存储取回缺少的条目。来源像镜像那样逐条核验，又要接得上数据库和各方见过的每个检查点，才一次写入；\n\
    第一条新记录写明补回了哪些（ledger.recovered）。有分叉、来源不够长或中途断了，账本都保持原样，可以再运行。\n\
    限阅库里没有公布的内容，来源没有，补不回来：丢失多少会记录在案；给过回执而还没有公布的，请提交人重新提交。\n\
    谁都没有缺少的条目时不补，也不接着写。"
)]
pub struct Args {
    /// 账本目录（网站没有在运行时）
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 来源：网址、日志的目录、归档；bucket 是账本自己的对象存储
    #[arg(long, value_name = "网址|目录|bucket")]
    source: String,
    /// 别处保存的检查点：来源比它短，或接不上它，就不补；可以给多个
    #[arg(long = "checkpoint", value_name = "文件")]
    checkpoints: Vec<PathBuf>,
    /// 从文件第一行读取限阅库主密钥的口令（默认按 gongkai.toml，或在终端输入）
    #[arg(long, value_name = "文件")]
    vault_passphrase_file: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Brings back, and tells what.
///
/// # Errors
/// A source that is not this ledger's future, or too short; no ledger, a process that holds it, or the disk.
pub async fn run(args: Args) -> Outcome {
    let layout = Layout::new(&args.dir);
    if !layout.has_ledger() {
        return Err(Fault::usage(args.dir.display().to_string(), "这里没有账本数据库")
            .mend("请先用 gongkai restore --to-recover 把备份放到位"));
    }
    let config = Config::read(&layout)?;
    let place = source(&args.source, &config)?;
    let guard = take_lock(&layout)?;
    let keys = local::ledger_keys(&layout)?;
    let known = local::log_keys(&layout)?;
    let vkey = known.current().clone();
    let mut seen = args.checkpoints.iter().map(|path| checking::read(path)).collect::<Result<Vec<_>, _>>()?;
    let clock = local::clock();
    let unlocked = vault::unlock(&layout, &config, args.vault_passphrase_file.as_ref(), true).await?;
    let cosigning = local::cosigning(&layout, &config, &clock)?;
    let settings = local::settings(unlocked, cosigning, &config)?;
    let urls = config.mirrors.clone();
    let asked = tokio::task::spawn_blocking(move || further::mirrors(&urls, &known)).await.unwrap_or_default();
    seen.extend(asked.iter().filter_map(|seen| seen.note.clone()));
    for silent in asked.iter().filter(|seen| seen.size.is_none()) {
        terminal::remark(format_args!("注意：{} 没有答复，不知道它见过多少", silent.by));
    }
    let (copy, source) = (Layout::new(layout.recovery()), place.kind());
    fetch(place, copy.clone(), vkey.clone()).await?;
    let wanted = Regaining { copy: copy.clone(), vkey, source, seen };
    let done = Box::pin(regain(&layout, keys, clock, settings, wanted, &guard)).await?;
    // It only takes space, and the next run would find it.
    if let Err(error) = fs::remove_dir_all(copy.root()) {
        terminal::remark(format_args!("注意：{} 没有删掉：{error}", copy.root().display()));
    }
    tell(&args, &config, &done, source)
}

fn source(text: &str, config: &Config) -> Result<Place, Fault> {
    if text != BUCKET {
        return Place::of(text);
    }
    let none = || {
        Fault::usage("--source bucket", "gongkai.toml 没有写 bucket")
            .mend("请给出网址（https:// 开头）、目录或归档文件；目录恰好叫 bucket 的写 ./bucket")
    };
    bucket::open(config)?.map(Place::Bucket).ok_or_else(none)
}

/// Makes the copy, and verifies all of it. What an earlier run fetched is used.
async fn fetch(place: Place, copy: Layout, vkey: VerifierKey) -> Result<(), Fault> {
    let work = move || {
        let mut mirror = Mirror::open(copy, vkey, local::clock()).map_err(|fault| match fault {
            MirrorFault::Damaged(finding) => again(&finding.to_string()),
            other => Fault::failed("recovery/", &other),
        })?;
        place.look(&mut mirror).map(drop).map_err(told)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Fault::failed("程序", &error)))
}

const NOTHING: &str = "什么都没有写进账本";

fn again(what: &str) -> Fault {
    Fault::ours("recovery/", format!("上次取来的与核验时不同：{what}")).mend("请检查磁盘，移走 recovery/ 再运行一次")
}

fn told(fault: LookFault) -> Fault {
    match fault {
        LookFault::Refused(refused) => match refused {
            Refused::Checkpoint(error) => {
                Fault::no("来源的检查点", chain(&error)).mend(format!("{NOTHING}；请核对 --source 是不是这本账"))
            }
            Refused::Quorum(error) => Fault::no("来源的检查点", chain(&error)).mend(NOTHING),
            Refused::Finding(finding) => {
                Fault::no("来源", finding.to_string()).mend(format!("{NOTHING}；来源被改动过或已损坏，请换一个来源"))
            }
            Refused::Incomplete(missing) => Fault::no("来源不完整", format!("缺 {}", missing.join("、")))
                .mend(format!("{NOTHING}；请补齐这些文件，或换一个来源")),
            Refused::Forked { held, shown, evidence } => {
                Fault::no("分叉", format!("上次取来的 {held} 条和来源现在的 {shown} 条互相矛盾"))
                    .mend(format!("{NOTHING}；证据在 {}", evidence.display()))
            }
            Refused::RolledBack { held, shown, .. } => {
                Fault::no("来源", format!("上次取到 {held} 条，来源现在只有 {shown} 条"))
                    .mend(format!("{NOTHING}；请换一个来源"))
            }
        },
        LookFault::Unreadable { path, cause } => {
            Fault::ours(format!("读取来源的 {path}"), cause).mend("请检查网络或磁盘后再运行一次，已取到的会接着用")
        }
        LookFault::Damaged(finding) => again(&finding.to_string()),
        LookFault::Own(error) => Fault::failed("recovery/", &error).mend("请检查磁盘后再运行一次"),
        LookFault::Wrong(fault) => fault,
    }
}

fn tell(args: &Args, config: &Config, done: &Regained, source: RecoverySource) -> Outcome {
    let brought = match done {
        Regained::Entries(brought) => brought,
        Regained::Nothing { size } if args.json => {
            terminal::say(json!({"ok": true, "size": size, "recovered": null}))?;
            return Ok(Verdict::Yes);
        }
        Regained::Nothing { size } => {
            terminal::say(format_args!("没有要补回的：数据库有 {size} 条，没有谁见过更多"))?;
            return Ok(Verdict::Yes);
        }
    };
    let Brought { from, size, root, openings_lost, openings_undecided, periods_lost } = brought;
    if args.json {
        terminal::say(json!({"ok": true, "size": size + 1, "recovered": {
            "from_size": from, "size": size, "root": root, "source": source.wire(), "index": size,
            "openings_lost": openings_lost, "openings_undecided": openings_undecided, "periods_lost": periods_lost,
        }}))?;
        return Ok(Verdict::Yes);
    }
    terminal::say(format_args!("核验通过，已补回第 {from} 至 {} 号条目，共 {} 条；根 {root}", size - 1, size - from))?;
    terminal::say(format_args!("已记录在案：第 {size} 号条目写明从哪里补回了哪些"))?;
    if openings_lost + openings_undecided + periods_lost > 0 {
        terminal::say(format_args!(
            "补不回来的：不公开的内容确知丢失 {openings_lost} 项，另有 {openings_undecided} 项无从知道填过没有；\
             {periods_lost} 个封存时段里的事项已丢失，请通知提交人凭收件承诺重新提交"
        ))?;
    }
    let dir = args.dir.display();
    if config.views == ViewsAt::Server {
        terminal::say(format_args!("查询库在 PostgreSQL 里，请先运行 gongkai rebuild --dir {dir}"))?;
    }
    terminal::say(format_args!("请运行 gongkai serve --dir {dir}；切片、查询库和搜索会在启动时重做"))?;
    Ok(Verdict::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_its_word_on_record() {
        let site = Place::of("https://mirror.example").unwrap();
        let directory = Place::of(env!("CARGO_MANIFEST_DIR")).unwrap();
        let archive = Place::of(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        let kinds = [site, directory, archive].map(|place| place.kind().wire());
        assert_eq!(kinds, ["site", "directory", "archive"]);
        assert!(Place::of("/no/such/place").is_err());
    }
}
