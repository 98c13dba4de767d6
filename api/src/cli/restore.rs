//! `restore`: a backup into an empty directory, proven before it is called a ledger.
//!
//! Every file is copied into a draft folder and compared with the manifest there; then the copy is checked as `verify` checks
//! a database (entries, signatures, chain, tree, rows), against the checkpoint of the backup and one from elsewhere. Only
//! then the parts get their places, the configuration last: without it a directory is no ledger, so a restore that was cut
//! short leaves nothing that serves.
//!
//! What was recorded after the backup is not in it, and nobody here knows what that was. Whoever has seen more of the log
//! (a witness, a mirror, `--checkpoint`) is believed under the log's own key, and then nothing is restored: going on from
//! there would write a second history. There is no option that does it all the same. With `--to-recover` the old database is
//! put in place with a mark that it lacks entries (`gongkai_store::regain::Pending`): it does not open for writing until
//! `recover` has brought them back.
//!
//! Not here: what is redone on the first start (tiles, views, search, the map), which is the start's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gongkai_log::{Checkpoint, LogKeys, Report, VerifierKey};
use gongkai_store::backup::{copy_file, flush_folder, private_folder};
use gongkai_store::regain::Pending;
use gongkai_store::{Layout, published_keys};
use serde_json::json;

use super::{checking, local, terminal, verify};
use crate::backup::{Manifest, files_below, taking};
use crate::config::Config;
use crate::cosigning::Cosigning;
use crate::further::{self, Seen};
use crate::outcome::{Fault, Outcome, Verdict, chain};

/// Where files lie until they are proven. A directory that holds nothing else counts as empty.
const DRAFT: &str = "restore.draft";

/// Options of `restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai restore --from 备份/gongkai-20260302T010203Z --dir ledger\n  \
    $ gongkai restore --from 备份/gongkai-20260302T010203Z --dir ledger --checkpoint 群众留存的检查点 --vkey vkey.txt\n\n\
    只恢复到空目录。先逐个文件对清单，再像 verify 一样逐条核验，都对了才放到位；哪个文件坏了会写明，返回 1。\n\
    备份之后登记的内容不在里面。见证方、镜像或 --checkpoint 给出的检查点比备份更长的，拒绝恢复：接着写会成为第二部历史。\n\
    只有旧备份时加 --to-recover，再用 gongkai recover 从镜像或日志的副本补回缺少的条目，记录在案后继续。\n\
    备份里没有的私钥（log.key、intake.key）请放回 keys/；切片、查询库、搜索和总目在第一次启动时重做。")]
pub struct Args {
    /// 备份（gongkai backup 写的那个目录）
    #[arg(long, value_name = "目录")]
    from: PathBuf,
    /// 恢复到哪个空目录
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 账本的验证钥匙（或写有它的文件），从可信的地方得来
    #[arg(long, value_name = "钥匙")]
    vkey: Option<String>,
    /// 别处保存的检查点：备份比它短就拒绝，比它长要能证明接得上
    #[arg(long, value_name = "文件")]
    checkpoint: Option<PathBuf>,
    /// 别处有更新的内容时仍放到位，标明缺了条目；要用 gongkai recover 补回以后才能写
    #[arg(long)]
    to_recover: bool,
    /// 成批验签，快一倍多
    #[arg(long)]
    fast: bool,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Restores, and tells what was proven.
///
/// # Errors
/// A directory that is not empty, a backup that is damaged or behind what others have seen, or the disk.
pub async fn run(args: Args) -> Outcome {
    let manifest = Manifest::read(&args.from)?;
    let vkey = key(&args, &manifest)?;
    let keys = published_keys(&Layout::new(&args.from), &vkey).map_err(|error| Fault::from(&error))?;
    let elsewhere = args.checkpoint.as_deref().map(|path| seen_elsewhere(path, &keys)).transpose()?;
    // Whoever has seen more, as far as is known.
    let mut ahead = None;
    if let Some(seen) = elsewhere.as_ref().filter(|seen| seen.size > manifest.size) {
        let by = "--checkpoint 给出的检查点";
        if !args.to_recover {
            return Err(behind(&manifest, by, seen.size));
        }
        ahead = Some((by.to_owned(), seen.size));
    }
    let elsewhere = elsewhere.filter(|seen| seen.size <= manifest.size);
    let draft = room(&args.dir)?;
    copy(&args, &manifest, &draft)?;
    let copied = Layout::new(&draft);
    let report = prove(&copied, &vkey, elsewhere, args.fast).await?;
    if (report.size, report.root.to_string()) != (manifest.size, manifest.root.clone()) {
        return Err(Fault::no("ledger.db", "条数和根与清单不符").mend("请用另一份备份"));
    }
    let seen = ask(&copied, &keys).await?;
    if let Some((by, size)) = further::ahead(&seen, report.size) {
        if !args.to_recover {
            // Nothing is left that could be served.
            remove(&draft)?;
            return Err(behind(&manifest, by, size));
        }
        if ahead.as_ref().is_none_or(|(_, most)| *most < size) {
            ahead = Some((by.to_owned(), size));
        }
    }
    let pending = ahead.map(|(by, seen)| Pending { size: report.size, seen, by });
    if let Some(pending) = &pending {
        // It gets its place before the configuration does: there is no moment at which this would be served.
        pending.write(&copied).map_err(|error| Fault::from(&error))?;
    }
    place(&args.dir, &draft)?;
    tell(&args, &manifest, &report, (&seen, pending.as_ref()))
}

fn behind(manifest: &Manifest, by: &str, seen: u64) -> Fault {
    let cause = format!("备份有 {} 条，{by}有 {seen} 条：备份之后还登记过 {} 条", manifest.size, seen - manifest.size);
    Fault::no("没有恢复", cause).mend(
        "请恢复更新的备份。没有更新的，加 --to-recover 放到位，再用 gongkai recover 从镜像、log/ 的副本、归档或对象存储\
         补回缺少的条目",
    )
}

/// The key that the log must be signed with: what somebody vouched for, or what the backup says.
fn key(args: &Args, manifest: &Manifest) -> Result<VerifierKey, Fault> {
    let said = VerifierKey::parse(&manifest.vkey).map_err(|error| Fault::no("清单的 vkey", chain(&error)))?;
    match &args.vkey {
        None => Ok(said),
        Some(given) => match checking::verifier_key("--vkey", given)? {
            given if given == said => Ok(given),
            given => Err(Fault::no("--vkey", format!("备份是 {said} 的，不是 {given} 的"))),
        },
    }
}

fn seen_elsewhere(path: &Path, keys: &LogKeys) -> Result<Checkpoint, Fault> {
    let opened = keys.open(&checking::read(path)?);
    opened.map(|(checkpoint, _)| checkpoint).map_err(|error| Fault::usage(path.display().to_string(), chain(&error)))
}

fn remove(folder: &Path) -> Result<(), Fault> {
    fs::remove_dir_all(folder).map_err(|error| Fault::failed(folder.display().to_string(), &error))
}

/// An empty draft folder in a directory that is otherwise empty.
fn room(dir: &Path) -> Result<PathBuf, Fault> {
    private_folder(dir).map_err(|error| Fault::from(&error))?;
    let failed = |error: std::io::Error| Fault::failed(dir.display().to_string(), &error);
    for entry in fs::read_dir(dir).map_err(failed)? {
        if entry.map_err(failed)?.file_name() != DRAFT {
            return Err(Fault::usage(dir.display().to_string(), "目录不是空的，没有改动它").mend("请换一个空目录"));
        }
    }
    let draft = dir.join(DRAFT);
    if draft.exists() {
        remove(&draft)?;
    }
    private_folder(&draft).map_err(|error| Fault::from(&error))?;
    Ok(draft)
}

/// Copies all files, and compares what lies there now with the manifest.
fn copy(args: &Args, manifest: &Manifest, draft: &Path) -> Result<(), Fault> {
    let damaged = |path: &str, why: &str| Fault::no(format!("备份的 {path}"), why).mend("请用另一份备份");
    if let Some(path) = manifest.stranger(&args.from)? {
        return Err(damaged(&path, "清单里没有这个文件"));
    }
    let progress = terminal::Progress::new("恢复");
    let (mut done, all) = (0, manifest.bytes());
    for listed in &manifest.files {
        let (from, to) = (args.from.join(&listed.path), draft.join(&listed.path));
        if !from.is_file() {
            return Err(damaged(&listed.path, "缺少"));
        }
        to.parent().map_or(Ok(()), private_folder).map_err(|error| Fault::from(&error))?;
        copy_file(&from, &to).map_err(|error| Fault::from(&error))?;
        if let Some(why) = listed.differs(draft)? {
            return Err(damaged(&listed.path, &why));
        }
        done += listed.bytes;
        progress.tell(done, all);
    }
    Ok(())
}

/// That the copy is a ledger of this key, goes on from the checkpoint that was published, and from one from elsewhere.
async fn prove(
    copied: &Layout,
    vkey: &VerifierKey,
    elsewhere: Option<Checkpoint>,
    fast: bool,
) -> Result<Report, Fault> {
    let published = taking::published_checkpoint(copied, vkey)?;
    let (layout, vkey) = (copied.clone(), vkey.clone());
    let checking = tokio::task::spawn_blocking(move || {
        let report = verify::database(&layout, &vkey, &published, fast)?;
        match (report, elsewhere) {
            // Signatures were checked strictly, or as the options say; what is left is the tree.
            (Ok(_), Some(seen)) => verify::database(&layout, &vkey, &seen, true),
            (report, _) => Ok(report),
        }
    });
    let checked = checking.await.unwrap_or_else(|error| Err(Fault::failed("程序", &error)))?;
    checked.map_err(|found| Fault::no("没有恢复", verify::found_text(&found)).mend("请用另一份备份"))
}

/// What the witnesses and mirrors of the configuration have seen.
async fn ask(copied: &Layout, keys: &LogKeys) -> Result<Vec<Seen>, Fault> {
    let config = Config::read(copied)?;
    let cosigning = match &config.witness_policy {
        Some(file) => {
            let time_max = Duration::from_secs(config.witness_seconds_max);
            Some(Cosigning::begin(&copied.root().join(file), copied, keys.current(), time_max, local::clock())?)
        }
        None => None,
    };
    let keys = keys.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut seen = cosigning.map_or_else(Vec::new, |cosigning| further::witnesses(&cosigning, &keys));
        seen.extend(further::mirrors(&config.mirrors, &keys));
        seen
    });
    asked.await.map_err(|error| Fault::failed("程序", &error))
}

/// Gives the parts their places, the configuration last.
fn place(dir: &Path, draft: &Path) -> Result<(), Fault> {
    for folder in files_below(draft)?.iter().filter_map(|path| path.parent()) {
        flush_folder(folder).map_err(|error| Fault::from(&error))?;
    }
    let failed = |error: std::io::Error| Fault::failed(dir.display().to_string(), &error);
    let names = fs::read_dir(draft).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    let mut names: Vec<std::ffi::OsString> = names.map_err(failed)?;
    let last = Layout::new(dir).configuration();
    names.sort_by_key(|name| Some(name.as_os_str()) == last.file_name());
    for name in names {
        fs::rename(draft.join(&name), dir.join(&name)).map_err(failed)?;
    }
    fs::remove_dir(draft).map_err(failed)?;
    // Where the keys go that were kept elsewhere.
    private_folder(&Layout::new(dir).keys()).map_err(|error| Fault::from(&error))?;
    flush_folder(dir).map_err(|error| Fault::from(&error))
}

fn tell(args: &Args, manifest: &Manifest, report: &Report, (seen, pending): (&[Seen], Option<&Pending>)) -> Outcome {
    if args.json {
        let seen: Vec<_> = seen.iter().map(|seen| json!({"by": seen.by, "size": seen.size})).collect();
        terminal::say(json!({
            "ok": true, "dir": args.dir.display().to_string(), "origin": manifest.origin, "size": report.size,
            "root": report.root, "head": report.head, "recorded_at": manifest.recorded_at,
            "published": manifest.published, "made_at": manifest.made_at, "authenticated": args.vkey.is_some(),
            "open_keys": manifest.open_keys, "vault": manifest.vault, "seen": seen, "lacking": pending,
        }))?;
        return Ok(Verdict::Yes);
    }
    let time = |at| local::china_time(at).format("%Y-%m-%d %H:%M:%S").to_string();
    terminal::say(format_args!("已恢复到 {}：{}", args.dir.display(), verify::summary(report)))?;
    terminal::say(format_args!("根 {}", report.root))?;
    terminal::say(format_args!(
        "接得上备份时公布的检查点（{} 条）；最后一条记于 {}。备份做于 {}，此后登记的内容不在里面，这里也无从知道有没有",
        manifest.published,
        time(manifest.recorded_at),
        time(manifest.made_at),
    ))?;
    for seen in seen {
        match seen.size {
            Some(size) if size > report.size => {}
            Some(size) => terminal::say(format_args!("{} 见过 {size} 条，没有比这里多的", seen.by))?,
            None => terminal::say(format_args!("注意：{} 没有答复，不知道它见过多少", seen.by))?,
        }
    }
    if args.vkey.is_none() {
        terminal::say(format_args!("未认证：没有给出 --vkey；备份自己说是 {}", manifest.vkey))?;
    }
    let dir = args.dir.display();
    if let Some(Pending { size, seen, by }) = pending {
        let keys = if manifest.open_keys { "" } else { "把 log.key、intake.key 放回 keys/，再" };
        terminal::say(format_args!(
            "还缺 {} 条：{by}有 {seen} 条，备份只有 {size} 条，现在不能写。请{keys}运行 \
             gongkai recover --dir {dir} --source 加镜像的网址、log/ 的副本、归档或 bucket",
            seen - size
        ))?;
        return Ok(Verdict::Yes);
    }
    if manifest.open_keys {
        terminal::say(format_args!("请运行 gongkai serve --dir {dir}；切片、查询库和搜索会在启动时重做"))?;
    } else {
        terminal::say(format_args!(
            "请把 log.key、intake.key 放回 {dir}/keys/，再运行 gongkai serve --dir {dir}；切片、查询库和搜索会在启动时重做"
        ))?;
    }
    Ok(Verdict::Yes)
}
