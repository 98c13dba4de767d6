//! `backup`: a verified copy of a ledger in a folder of its own, also while the server runs.
//!
//! It is made under another name, checked as a ledger (every entry, signature, chain, tree, row, and that it goes on from the
//! published checkpoint), listed in a manifest, flushed, and gets its name last: what is called `gongkai-…Z` is whole. A
//! backup that was interrupted leaves a hidden draft, which the next one removes.
//!
//! With the vault's keys in it a backup is what could bring back what was erased, so backups end: those that are older than
//! `--keep-days` are removed when a new one has been made, never before.
//!
//! Not here: what is copied and in which order (`crate::backup::taking`).

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_log::Report;
use gongkai_store::backup::{damage_of, flush_folder, private_folder};
use gongkai_store::{Layout, ReadStore, Vault};
use serde_json::json;

use super::{local, terminal, verify};
use crate::backup::taking::{self, Taken, Wanted};
use crate::backup::{FORM, Listed, Manifest, begun_at, draft_of, files_below, is_draft, name_at};
use crate::config::Config;
use crate::outcome::{Fault, Outcome, Verdict};

/// Held while a backup is made, so that two do not remove each other's drafts.
const LOCK: &str = ".gongkai-backup.lock";

/// Options of `backup`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
#[command(
    after_help = "例子：\n  $ gongkai backup --dir ledger --out 备份\n  $ gongkai backup --dir ledger --out 备份 --with-keys --keep-days 30\n\n\
    网站可以在运行。写到 备份/gongkai-时间/，核验过才取这个名称；中断了不会留下像是备份的东西。\n\
    备份里有：账本数据库、限阅库、附件、配置、检查点，和有口令保护的私钥。查询库、搜索、总目和已发布的切片可以重做，不在里面；\n\
    没有口令的私钥（log.key、intake.key）加 --with-keys 才放进去，那样的备份要和私钥一样保管。口令不在备份里。\n\
    限阅库的备份能把已下令删除的内容带回来，所以早于 --keep-days 的整份备份会在新备份做成之后删去，删除令在这么多天后才算彻底；\n\
    想长期保留的，用 --without-vault 另做一份，放在别的目录。见证方、收件处和镜像的目录不要备份恢复，它们自己会接上。"
)]
pub struct Args {
    /// 账本目录（网站可以在运行）
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 备份放到哪个目录
    #[arg(long, value_name = "目录")]
    out: PathBuf,
    /// 连没有口令的私钥一起备份
    #[arg(long)]
    with_keys: bool,
    /// 不备份限阅库
    #[arg(long)]
    without_vault: bool,
    /// 保留几天；更早的备份在新备份做成之后删去
    #[arg(long, value_name = "天", default_value_t = 7, hide_default_value = true)]
    keep_days: u32,
    /// 成批验签，快一倍多
    #[arg(long)]
    fast: bool,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Makes a backup and tells what it holds.
///
/// # Errors
/// No ledger, a ledger that does not verify, or the disk.
pub async fn run(args: Args) -> Outcome {
    let layout = Layout::new(&args.dir);
    let config = Config::read(&layout)?;
    if !layout.has_ledger() {
        return Err(Fault::usage(args.dir.display().to_string(), "这里没有账本数据库")
            .mend("镜像、见证方和只放已发布文件的目录不用备份：它们可以从账本重新取得"));
    }
    private_folder(&args.out).map_err(|error| Fault::from(&error))?;
    let _alone = alone(&args.out)?;
    remove_drafts(&args.out)?;
    let now = local::clock().now();
    let name = free_name(&args.out, now);
    let (draft, made) = (args.out.join(draft_of(&name)), args.out.join(&name));
    let manifest = match make(&args, &layout, &config, &draft, now).await {
        Ok(manifest) => manifest,
        Err(fault) => {
            // It may be the disk that is full. What cannot be removed now, the next backup removes.
            let _ = fs::remove_dir_all(&draft);
            return Err(fault);
        }
    };
    // From here on it is a backup.
    fs::rename(&draft, &made).map_err(|error| Fault::failed(made.display().to_string(), &error))?;
    flush(&args.out)?;
    let removed = rotate_out(&args.out, now - TimeDelta::days(args.keep_days.into()))?;
    tell(&args, &manifest, &made, removed)
}

/// Everything up to the manifest, in a folder that is no backup yet.
async fn make(
    args: &Args,
    layout: &Layout,
    config: &Config,
    draft: &Path,
    now: DateTime<Utc>,
) -> Result<Manifest, Fault> {
    private_folder(draft).map_err(|error| Fault::from(&error))?;
    let copy = Layout::new(draft);
    let wanted = Wanted { open_keys: args.with_keys, vault: !args.without_vault };
    let taken = taking::take(layout, config, &copy, wanted).await?;
    let report = prove(&copy, &taken, args.fast).await?;
    let recorded_at = {
        let store = ReadStore::open(&copy).await?;
        let head = store.head().await.map_err(|error| Fault::from(&error));
        store.close().await;
        head?.recorded_at
    };
    remove_leftovers(&copy)?;
    let files = files_below(draft)?;
    let listed = files.iter().map(|path| Listed::of(draft, path)).collect::<Result<Vec<_>, _>>()?;
    let manifest = Manifest {
        form: FORM.to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        origin: taken.vkey.name().to_owned(),
        vkey: taken.vkey.to_string(),
        made_at: now,
        size: report.size,
        root: report.root.to_string(),
        entry_hash: report.head.to_string(),
        recorded_at,
        published: taken.published.size,
        open_keys: taken.open_keys,
        vault: taken.vault,
        files: listed,
    };
    manifest.write(draft)?;
    for folder in files.iter().filter_map(|path| path.parent()).collect::<std::collections::BTreeSet<_>>() {
        flush(folder)?;
    }
    flush(draft)?;
    Ok(manifest)
}

/// That the copy is this ledger, whole, and goes on from what was published.
async fn prove(copy: &Layout, taken: &Taken, fast: bool) -> Result<Report, Fault> {
    let mut databases = vec![copy.database()];
    if taken.vault {
        databases.extend([copy.wraps(), copy.drafts(), copy.taken()].into_iter().filter(|path| path.is_file()));
        let origin = Vault::origin_of(copy).await.map_err(super::vault::fault)?;
        if origin != taken.vkey.name() {
            return Err(Fault::no("限阅库", format!("这个库是 {origin} 的")));
        }
    }
    for path in databases {
        if let Some(damage) = damage_of(&path).await.map_err(|error| Fault::from(&error))? {
            return Err(Fault::no(path.display().to_string(), format!("数据库已损坏：{damage}")));
        }
    }
    let (layout, vkey, published) = (copy.clone(), taken.vkey.clone(), taken.published.clone());
    let checked = tokio::task::spawn_blocking(move || verify::database(&layout, &vkey, &published, fast)).await;
    let checked = checked.unwrap_or_else(|error| Err(Fault::failed("程序", &error)))?;
    checked.map_err(|found| {
        Fault::no("没有备份", verify::found_text(&found))
            .mend("请运行 gongkai verify --dir 看账本本身，再恢复上一份备份")
    })
}

/// What SQLite left beside the copies when they were read.
fn remove_leftovers(copy: &Layout) -> Result<(), Fault> {
    for path in files_below(copy.root())? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with("-wal") || name.ends_with("-shm") {
            fs::remove_file(&path).map_err(|error| Fault::failed(path.display().to_string(), &error))?;
        }
    }
    Ok(())
}

fn flush(folder: &Path) -> Result<(), Fault> {
    flush_folder(folder).map_err(|error| Fault::from(&error))
}

/// The lock of the folder in which backups lie.
fn alone(out: &Path) -> Result<File, Fault> {
    let path = out.join(LOCK);
    let failed = |error: std::io::Error| Fault::failed(path.display().to_string(), &error);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Fault::usage(out.display().to_string(), "另一个备份正在往这里写").mend("请等它结束"))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Names in a folder.
fn names(folder: &Path) -> Result<Vec<String>, Fault> {
    let failed = |error: std::io::Error| Fault::failed(folder.display().to_string(), &error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())).collect()
}

/// The name of a backup that is begun now; a second later where there is one of that second.
fn free_name(out: &Path, now: DateTime<Utc>) -> String {
    let mut names = (0..).map(|seconds| name_at(now + TimeDelta::seconds(seconds)));
    names.find(|name| !out.join(name).exists()).unwrap_or_else(|| name_at(now))
}

fn remove(path: &Path) -> Result<(), Fault> {
    fs::remove_dir_all(path).map_err(|error| Fault::failed(path.display().to_string(), &error))
}

fn remove_drafts(out: &Path) -> Result<(), Fault> {
    for name in names(out)?.iter().filter(|name| is_draft(name)) {
        remove(&out.join(name))?;
    }
    Ok(())
}

/// Removes the backups that were begun before a time; nothing else in the folder is touched.
fn rotate_out(out: &Path, before: DateTime<Utc>) -> Result<usize, Fault> {
    let mut removed = 0;
    for name in names(out)?.iter().filter(|name| begun_at(name).is_some_and(|begun| begun < before)) {
        // A removal that is cut short leaves a draft, not half a backup.
        let (old, draft) = (out.join(name), out.join(draft_of(name)));
        fs::rename(&old, &draft).map_err(|error| Fault::failed(old.display().to_string(), &error))?;
        remove(&draft)?;
        removed += 1;
    }
    Ok(removed)
}

fn tell(args: &Args, manifest: &Manifest, made: &Path, removed: usize) -> Outcome {
    if args.json {
        terminal::say(json!({
            "backup": made.display().to_string(), "origin": manifest.origin, "size": manifest.size,
            "root": manifest.root, "recorded_at": manifest.recorded_at, "published": manifest.published,
            "files": manifest.files.len(), "bytes": manifest.bytes(), "open_keys": manifest.open_keys,
            "vault": manifest.vault, "removed": removed,
        }))?;
        return Ok(Verdict::Yes);
    }
    terminal::say(format_args!(
        "已备份到 {}：{} 共 {} 条，最后一条记于 {}；{} 个文件，{} MiB，全部核验过",
        made.display(),
        manifest.origin,
        manifest.size,
        local::china_time(manifest.recorded_at).format("%Y-%m-%d %H:%M:%S"),
        manifest.files.len(),
        manifest.bytes() >> 20,
    ))?;
    terminal::say(format_args!("根 {}", manifest.root))?;
    let keys = if manifest.open_keys {
        "里面有没有口令的私钥：请像私钥一样保管这份备份"
    } else {
        "里面没有 log.key、intake.key：请另外保管，恢复后放回 keys/"
    };
    terminal::say(keys)?;
    if removed > 0 {
        terminal::say(format_args!("删去 {} 天以前的备份 {removed} 份", args.keep_days))?;
    }
    Ok(Verdict::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_from_before_the_rotation_go_as_a_whole_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["gongkai-20260301T000000Z", "gongkai-20260309T000000Z", ".gongkai-20260302T000000Z.draft", "年度"]
        {
            fs::create_dir_all(folder.path().join(name).join("vault")).unwrap();
        }
        assert_eq!(rotate_out(folder.path(), "2026-03-08T00:00:00Z".parse().unwrap()).unwrap(), 1);
        remove_drafts(folder.path()).unwrap();
        let mut left = names(folder.path()).unwrap();
        left.sort();
        assert_eq!(left, ["gongkai-20260309T000000Z", "年度"]);
    }

    #[test]
    fn a_second_backup_of_one_second_has_a_name_of_its_own_and_comes_later_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let first = free_name(folder.path(), now);
        fs::create_dir(folder.path().join(&first)).unwrap();
        assert!(free_name(folder.path(), now) > first);
    }

    #[test]
    fn two_backups_into_one_folder_do_not_run_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let held = alone(folder.path()).unwrap();
        assert!(alone(folder.path()).unwrap_err().to_string().contains("另一个备份"));
        drop(held);
        alone(folder.path()).unwrap();
    }
}
