//! `rotate-key`: another log key, endorsed by the recovery key. Three steps, because that key lies elsewhere.
//!
//! `prepare` makes the new key on the ledger's machine and writes a file to carry; `endorse` signs it where the recovery
//! key is, without a network; `apply` records it and puts the new key in place. Each can be run again after a crash.
//! What is valid is the domain's to judge, when it is recorded.

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};
use gongkai_domain::kind::rotation::RotationReason;
use gongkai_domain::world::Role;
use gongkai_domain::{Command, Setting, prepare};
use gongkai_log::{Checkpoint, Content, Entry, Note, Signer, SigningKey};
use gongkai_store::{Layout, ReadStore, SubmitError};
use serde_json::json;

use super::{checking, local, terminal};
use crate::keyfile;
use crate::outcome::{Fault, Outcome, Verdict, chain};
use crate::rotation::{self, NEXT_KEY, RotationFile};

/// Options of `rotate-key`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai rotate-key prepare --dir ledger --reason planned --out 换钥匙.json\n  \
    $ gongkai rotate-key endorse --key recovery.key --out 已背书.json 换钥匙.json\n  \
    $ gongkai rotate-key apply --dir ledger 已背书.json\n\n\
    账本钥匙签检查点，存放在账本机器上；到期、丢失或被盗时更换。新钥匙由创世条目写明的恢复钥匙背书，旧钥匙自己的签名不算数。\n\
    prepare 在账本机器上做新钥匙（keys/log-next.key），写出要带走的文件；endorse 在离线存放恢复钥匙的地方签名；\n\
    apply 在网站停下时记入账本，换好钥匙。从这一条起检查点由新钥匙签，以前的检查点永远有效。\n\
    按计划更换可用 --overlap-until 让旧钥匙同时签一段时间，给读者换钥匙的余地；丢失、被盗时不行。\n\
    换好以后：公布新的验证钥匙，告诉见证方、镜像和网上收件处的人；账本标识不变。")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

/// The three steps.
#[derive(Debug, clap::Subcommand)]
enum Action {
    /// 第一步，在账本机器上：做新钥匙，写出要带走的文件
    Prepare(Prepare),
    /// 第二步，在恢复钥匙那里，不用联网：看清内容，背书
    Endorse(Endorse),
    /// 第三步，在账本机器上，网站停下时：记入账本，换好钥匙
    Apply(Apply),
}

#[derive(Debug, clap::Args)]
struct Prepare {
    /// 账本目录（网站可以在运行）
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 原因：planned 按计划更换，lost 钥匙丢失，stolen 钥匙被盗
    #[arg(long, value_name = "原因", value_parser = reason)]
    reason: RotationReason,
    /// 旧钥匙同时签到什么时候（只在按计划更换时），例如 2027-03-01T00:00:00+08:00
    #[arg(long, value_name = "时间")]
    overlap_until: Option<DateTime<FixedOffset>>,
    /// 从这个检查点接续（默认是账本现在公布的；钥匙被盗时给见证方最后联署的）
    #[arg(long, value_name = "文件")]
    head: Option<PathBuf>,
    /// 要带走的文件，不覆盖已有的
    #[arg(long, value_name = "文件")]
    out: PathBuf,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Endorse {
    /// 恢复钥匙的私钥文件
    #[arg(long, value_name = "文件")]
    key: PathBuf,
    /// 私钥有口令时，从文件第一行读取
    #[arg(long, value_name = "文件")]
    passphrase_file: Option<PathBuf>,
    /// 背书后的文件，不覆盖已有的
    #[arg(long, value_name = "文件")]
    out: PathBuf,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
    /// prepare 写出的文件
    #[arg(value_name = "文件")]
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Apply {
    /// 账本目录（网站没有在运行时）
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
    /// endorse 写出的文件
    #[arg(value_name = "文件")]
    file: PathBuf,
}

fn reason(text: &str) -> Result<RotationReason, String> {
    RotationReason::from_wire(text).ok_or_else(|| "应是 planned、lost 或 stolen".to_owned())
}

impl Args {
    /// Whether a machine reads the output.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::Prepare(options) => options.json,
            Action::Endorse(options) => options.json,
            Action::Apply(options) => options.json,
        }
    }
}

/// One of the three steps.
///
/// # Errors
/// No ledger, a key or file that cannot be used, a rotation that is refused, or the disk.
pub async fn run(args: Args) -> Outcome {
    match args.action {
        Action::Prepare(options) => prepared(&options).await,
        Action::Endorse(options) => endorsed(&options),
        Action::Apply(options) => applied(&options).await,
    }
}

async fn prepared(options: &Prepare) -> Outcome {
    let layout = Layout::new(&options.dir);
    let store = ReadStore::open(&layout).await?;
    let written = written(options, &layout, &store).await;
    store.close().await;
    let (file, new) = written?;
    let (statement, rotated) = file.said()?;
    let recovery = statement.signers.first().map(|signer| signer.key.clone()).unwrap_or_default();
    if options.json {
        terminal::say(
            json!({"new_key": new.verifier().to_string(), "old_key": rotated.old_key.0, "file": options.out,
            "recovery_key": recovery, "size": rotated.head_size, "root": rotated.head_root}),
        )?;
        return Ok(Verdict::Yes);
    }
    terminal::say(new.verifier())?;
    terminal::say(format_args!(
        "写好了 {}：请带到恢复钥匙「{recovery}」那里，用 gongkai rotate-key endorse 背书",
        options.out.display()
    ))?;
    terminal::remark("新私钥在 keys/log-next.key，不用带走；记入账本以前，检查点仍由旧钥匙签。");
    Ok(Verdict::Yes)
}

/// Makes the key, unless an earlier run has, and the file.
async fn written(options: &Prepare, layout: &Layout, store: &ReadStore) -> Result<(RotationFile, SigningKey), Fault> {
    let failed = |error| Fault::from(&error);
    let world = store.world().await.map_err(failed)?;
    let (Some(keys), Some(recovery)) = (world.log_keys(), world.ledger_key(Role::Recovery)) else {
        return Err(Fault::ours("创世条目", "没有写明账本钥匙和恢复钥匙"));
    };
    let text = checking::read(&options.head.clone().unwrap_or_else(|| layout.checkpoint()))?;
    let note = Note::parse(&text).map_err(|error| Fault::usage("--head", chain(&error)))?;
    let head = keys
        .check(&note)
        .map_err(|error| Fault::usage("--head", format!("不是账本钥匙签的检查点（{}）", chain(&error))))?;
    let genesis = store.entry(0).await.map_err(failed)?.and_then(|stored| Entry::parse(stored.bytes).ok());
    let genesis = genesis.ok_or_else(|| Fault::ours("创世条目", "读不出来"))?;
    let Content::Statement(genesis) = genesis.content else { return Err(Fault::ours("创世条目", "读不出来")) };
    let stream = genesis.statement.stream.clone();
    let new = next_key(layout, keys.first().name())?;
    let command = command(options, &genesis.statement.org, keys.current(), &new, (&head, &text))?;
    let signer = |role: Role, key: &str| Signer { role: role.wire().to_owned(), key: key.to_owned() };
    let setting = Setting {
        origin: keys.first().name(),
        head: store.stream_head(&stream).await.map_err(failed)?,
        stream,
        signers: vec![signer(Role::Recovery, recovery), signer(Role::Log, new.name())],
        declared_at: local::china_time(local::clock().now()),
    };
    let file = RotationFile::new(prepare(&command, &setting, &mut keyfile::random)?);
    // Not only when it is applied, after somebody went to the recovery key with it.
    file.said()?;
    file.write(&options.out)?;
    Ok((file, new))
}

fn command(
    options: &Prepare,
    org: &str,
    old: &gongkai_log::VerifierKey,
    new: &SigningKey,
    (head, note): (&Checkpoint, &str),
) -> Result<Command, Fault> {
    let mut fields = json!({"old_key": old.to_string(), "new_key": new.verifier().to_string(), "head_size": head.size,
        "head_root": head.root, "reason": options.reason.wire(), "checkpoint": note});
    if let Some(until) = options.overlap_until {
        fields["overlap_until"] = json!(until.to_rfc3339());
    }
    Ok(Command::from_value(json!({"kind": "ledger.key_rotated.v1", "org": org, "fields": fields}))?)
}

/// The key that is to come; made once, so that a second run prepares for the same one.
fn next_key(layout: &Layout, origin: &str) -> Result<SigningKey, Fault> {
    let path = layout.keys().join(NEXT_KEY);
    if path.is_file() {
        return Ok(keyfile::read(&path, || None)?);
    }
    let key = keyfile::generate(origin).map_err(|error| Fault::failed("新钥匙", &error))?;
    keyfile::write(&path, &key, None)?;
    Ok(key)
}

fn endorsed(options: &Endorse) -> Outcome {
    let file = RotationFile::read(&options.file)?;
    let key = local::person_key(&options.key, options.passphrase_file.as_ref())?;
    let (statement, rotated) = file.said()?;
    file.endorsed(&key)?.write(&options.out)?;
    if options.json {
        terminal::say(json!({"file": options.out, "origin": statement.origin, "old_key": rotated.old_key.0,
            "new_key": rotated.new_key.0, "size": rotated.head_size, "root": rotated.head_root,
            "reason": rotated.reason.wire()}))?;
        return Ok(Verdict::Yes);
    }
    let overlap =
        rotated.overlap_until.as_ref().map_or_else(|| "不再签".to_owned(), |until| format!("并签到 {}", until.0));
    terminal::say(format_args!("账本 {}，{}", statement.origin, rotated.reason.label()))?;
    terminal::say(format_args!("原钥匙 {}（{overlap}）", rotated.old_key.0))?;
    terminal::say(format_args!("新钥匙 {}", rotated.new_key.0))?;
    terminal::say(format_args!("接续的检查点：{} 条，根 {}", rotated.head_size, rotated.head_root))?;
    terminal::say(format_args!("已背书，写好了 {}", options.out.display()))?;
    terminal::remark("请与账本机器上 prepare 显示的新钥匙、与见证方联署的检查点核对；不符就不要交回这个文件。");
    Ok(Verdict::Yes)
}

async fn applied(options: &Apply) -> Outcome {
    let layout = Layout::new(&options.dir);
    let file = RotationFile::read(&options.file)?;
    let (_, rotated) = file.said()?;
    let ledger = local::open_for_rotation(&layout).await?;
    let recorded = if ledger.vkey().to_string() == rotated.new_key.0 {
        // An earlier run was cut off after it was recorded.
        Ok(None)
    } else {
        record(&layout, &ledger, &file, &rotated.new_key.0).await.map(Some)
    };
    let installed = recorded.and_then(|index| rotation::install(&layout, &ledger).map(|()| index));
    // Everything is published in good order, by the new key, where witnesses do not hold it up.
    ledger.shutdown().await;
    ledger.reader().close().await;
    let index = installed?;
    tell(options, &layout, index, &rotated.new_key.0)
}

async fn record(layout: &Layout, ledger: &gongkai_store::Ledger, file: &RotationFile, new: &str) -> Result<u64, Fault> {
    let paths = [layout.keys().join(NEXT_KEY), layout.keys().join("log.key")];
    let mut there = paths.iter().filter_map(|path| keyfile::read(path, || None).ok());
    let new = there.find(|key| key.verifier().to_string() == new).ok_or_else(|| {
        Fault::usage("keys/log-next.key", "不是文件里写的那把新钥匙").mend("请在准备时的那台机器上运行，或重新准备")
    })?;
    match ledger.submit(None, file.submission(&new)?).await {
        Ok(receipt) => Ok(receipt.index),
        Err(SubmitError::Refused(refusal)) => Err(Fault::from(refusal)
            .mend("没有换钥匙。准备之后账本暂停过、换过钥匙的，请用 gongkai rotate-key prepare 重新准备、背书")),
        Err(error) => Err(Fault::failed("账本", &error)),
    }
}

fn tell(options: &Apply, layout: &Layout, index: Option<u64>, new: &str) -> Outcome {
    let published = fs::read_to_string(layout.checkpoint()).unwrap_or_default();
    let is_published = is_signed_by(&published, new);
    if options.json {
        terminal::say(json!({"index": index, "vkey": new, "published": is_published}))?;
        return Ok(Verdict::Yes);
    }
    terminal::say(match index {
        Some(index) => format!("已记入账本，第 {index} 号；从这一条起检查点由新钥匙签"),
        None => "这次更换已经记入账本；钥匙已换好".to_owned(),
    })?;
    terminal::say(new)?;
    if !is_published {
        terminal::say("新检查点还没有公布：见证方要先登记新钥匙，启动网站后会接着请他们联署")?;
    }
    terminal::remark(
        "请公布新的验证钥匙；告诉见证方（gongkai witness 的 --logs 文件加一行 log）、写有旧钥匙的见证规则文件和网上收件处；账本标识不变，镜像自己会跟上。",
    );
    Ok(Verdict::Yes)
}

fn is_signed_by(note: &str, vkey: &str) -> bool {
    let key = gongkai_log::VerifierKey::parse(vkey);
    key.is_ok_and(|key| gongkai_log::checkpoint::open(note, &key).is_ok())
}
