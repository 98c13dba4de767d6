//! `doctor`: what is wrong with a ledger's directory, and the command that mends it. It changes nothing.

mod bucket;
mod copies;
mod following;
mod intakes;
mod paper;
mod replicas;
mod roots;
mod sealed;
mod witnesses;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use chrono::{Datelike as _, Utc};
use gongkai_domain::World;
use gongkai_log::tile::new_tiles;
use gongkai_log::{Checkpoint, Note, TilePath, merkle};
use gongkai_projections::Home;
use gongkai_store::regain::{Pending, pending};
use gongkai_store::{DirectoryFetch, Layout, LogHead, ReadStore};
use serde::Serialize;
use serde_json::json;

use super::{local, terminal};
use crate::config::Config;
use crate::fetch::Tiles;
use crate::http::zone;
use crate::keyfile;
use crate::outcome::{Fault, NEWER, Outcome, Verdict, chain};

/// Below this much free space a busy ledger may stop before anybody looks again.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// The State Council publishes the next year's holidays in November at the latest.
const NEXT_CALENDAR_MONTH: u32 = 11;

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai doctor --dir ledger\n\n有毛病返回 1，并写明怎么办；只有提醒返回 0。")]
pub struct Args {
    /// 账本目录
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Symptom {
    /// Stable for programs.
    code: &'static str,
    /// Whether something has to be done; otherwise it is good to know.
    wrong: bool,
    /// What it is.
    what: String,
    /// What to do.
    remedy: String,
}

/// Looks at everything.
///
/// # Errors
/// There is no directory to look at.
pub async fn run(args: Args) -> Outcome {
    if !args.dir.is_dir() {
        return Err(Fault::usage(args.dir.display().to_string(), "没有这个目录"));
    }
    let symptoms = Doctor { layout: Layout::new(&args.dir), symptoms: Vec::new() }.examine().await;
    let wrong = symptoms.iter().filter(|symptom| symptom.wrong).count();
    if args.json {
        terminal::say(json!({"ok": wrong == 0, "symptoms": symptoms}))?;
        return Ok(Verdict::of(wrong == 0));
    }
    for symptom in &symptoms {
        let mark = if symptom.wrong { "✗" } else { "·" };
        terminal::say(format_args!("{mark} {}\n    怎么办：{}", symptom.what, symptom.remedy))?;
    }
    let remarks = symptoms.len() - wrong;
    terminal::say(if wrong == 0 {
        format!("没有毛病，提醒 {remarks} 处")
    } else {
        format!("毛病 {wrong} 处，提醒 {remarks} 处")
    })?;
    Ok(Verdict::of(wrong == 0))
}

struct Doctor {
    layout: Layout,
    symptoms: Vec<Symptom>,
}

impl Doctor {
    fn wrong(&mut self, code: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.symptoms.push(Symptom { code, wrong: true, what: what.into(), remedy: remedy.into() });
    }

    fn remark(&mut self, code: &'static str, what: impl Into<String>, remedy: impl Into<String>) {
        self.symptoms.push(Symptom { code, wrong: false, what: what.into(), remedy: remedy.into() });
    }

    fn dir(&self) -> String {
        self.layout.root().display().to_string()
    }

    async fn examine(mut self) -> Vec<Symptom> {
        // A mirror has none before it has accepted anything.
        let is_begun = !self.layout.mirror().is_dir() || self.layout.checkpoint().is_file();
        let config = match Config::read(&self.layout) {
            Ok(config) => Some(config),
            Err(_) if !is_begun => None,
            Err(fault) => {
                self.wrong("config", format!("{}：{}", fault.place, fault.cause), fault.remedy.unwrap_or_default());
                None
            }
        };
        if self.layout.mirror().is_dir() {
            self.disk();
            self.following();
            self.roots_of_source(config.as_ref()).await;
            self.views(self.layout.root().into()).await;
            return self.symptoms;
        }
        self.keys();
        self.tls();
        self.vault(config.as_ref()).await;
        let running = self.lock();
        self.disk();
        match ReadStore::open(&self.layout).await {
            Err(error) => {
                let fault = Fault::from(error);
                self.wrong("database", format!("{}：{}", fault.place, fault.cause), fault.remedy.unwrap_or_default());
            }
            Ok(store) => {
                self.database(&store, running).await;
                self.sealed(&store, running).await;
                self.mirrors(&store, config.as_ref()).await;
                self.witnesses(&store, config.as_ref()).await;
                self.handed(config.as_ref()).await;
                self.intakes(&store, config.as_ref()).await;
                self.bucket(&store, config.as_ref(), running).await;
                store.close().await;
            }
        }
        self.roots(config.as_ref(), running).await;
        // Without a configuration nothing is said of where they would be.
        match config.as_ref().map(|config| local::views_home(&self.layout, config)) {
            Some(Ok(home)) => {
                self.replicas(&home).await;
                self.views(home).await;
            }
            Some(Err(fault)) => self.wrong("views", fault.cause, fault.remedy.unwrap_or_default()),
            None => self.views(self.layout.root().into()).await,
        }
        self.font().await;
        self.symptoms
    }

    /// The views follow the log; they stop at what a newer program wrote.
    async fn views(&mut self, home: Home) {
        let dir = self.dir();
        match gongkai_projections::halted(home).await {
            Ok(halted) => {
                for (projection, index, reason) in halted {
                    let what = format!("查询库的 {projection} 停在第 {index} 号条目（{reason}），之后的内容没有显示");
                    self.wrong("views_halted", what, "请换用认识它的新版本程序，启动后会自动重建");
                }
            }
            Err(error) => self.wrong("views", chain(&error), format!("请停下网站后运行 gongkai rebuild --dir {dir}")),
        }
    }

    /// The ledger's own keys can be used, and those that do not belong on a server are gone.
    fn keys(&mut self) {
        for role in ["log", "intake"] {
            let path = self.layout.keys().join(format!("{role}.key"));
            if let Err(error) = keyfile::read(&path, || None) {
                let fault = Fault::from(error);
                let remedy = fault.remedy.unwrap_or_else(|| format!("请从备份取回 {}", path.display()));
                self.wrong("key", fault.cause, remedy);
            }
        }
        let kept: Vec<_> = ["recovery.key", "registrar-1.key", "registrar-2.key"]
            .into_iter()
            .map(|name| self.layout.keys().join(name))
            .filter(|path| path.exists())
            .collect();
        for path in kept {
            self.check_private(&path);
            let what = format!("私钥 {} 还在服务器上", path.display());
            self.remark("private_key", what, "请交给本人另行保管，再从这里删去");
        }
    }

    fn check_private(&mut self, path: &Path) {
        if let Err(error @ keyfile::KeyFileError::Open { .. }) = keyfile::read(path, || None) {
            self.wrong("key", chain(&error), format!("请运行 chmod 600 {}", path.display()));
        }
    }

    /// Whether a server (or another command) holds the ledger.
    fn lock(&mut self) -> bool {
        let Ok(file) = File::options().write(true).open(self.layout.lock()) else { return false };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let remedy = "提交和导入请用 --url 加它的内部地址，或先停下它";
                self.remark("lock", "有一个进程正在使用账本（网站在运行）", remedy);
                true
            }
            _ => false,
        }
    }

    fn disk(&mut self) {
        match fs4::available_space(self.layout.root()) {
            Ok(free) if free < FREE_BYTES_MIN => {
                let what = format!("磁盘只剩 {} MiB", free >> 20);
                self.wrong("disk", what, "请清理磁盘；写满后账本会停止登记，已登记的不受影响");
            }
            Ok(_) => {}
            Err(error) => self.wrong("disk", format!("量不出磁盘空间（{error}）"), "请检查磁盘是否挂载正常"),
        }
    }

    async fn database(&mut self, store: &ReadStore, running: bool) {
        match store.head().await {
            Ok(head) => {
                self.recovery();
                self.published(&head, running);
                self.clock(&head);
            }
            Err(error) => {
                self.wrong("database", chain(&error), "请运行 gongkai verify --dir，它会指出是哪一条；然后恢复备份");
            }
        }
        match store.world().await {
            Ok(world) => self.registry(&world),
            Err(error) => {
                self.wrong("database", chain(&error), "请运行 gongkai verify --dir，它会指出是哪一条；然后恢复备份");
            }
        }
    }

    /// Entries that a restore found missing were brought back.
    fn recovery(&mut self) {
        match pending(&self.layout) {
            Ok(None) => {}
            Ok(Some(Pending { size, seen, by })) => {
                let what = format!("恢复的是旧备份：只有 {size} 条，而{by}有 {seen} 条，还没有补回，不能写");
                let remedy = format!("请运行 gongkai recover --dir {} --source 加镜像的网址或日志的副本", self.dir());
                self.wrong("unrecovered", what, remedy);
            }
            Err(error) => self.wrong("unrecovered", chain(&error), "请重新恢复备份（gongkai restore --to-recover）"),
        }
    }

    /// The checkpoint among the published files, if there is one that can be read. No signature is checked.
    fn checkpoint(&self) -> Option<Checkpoint> {
        let text = std::fs::read_to_string(self.layout.checkpoint()).ok()?;
        Checkpoint::parse(&Note::parse(&text).ok()?.text).ok()
    }

    /// The published files lead as far as the database, and none is missing.
    fn published(&mut self, head: &LogHead, running: bool) {
        let dir = self.dir();
        let Some(checkpoint) = self.checkpoint() else {
            self.wrong("checkpoint", "检查点文件缺失或已损坏", format!("请运行 gongkai rebuild --dir {dir} --log"));
            return;
        };
        if checkpoint.size > head.size {
            let what = format!("已发布 {} 条，数据库只有 {} 条：数据库是旧备份，或被截断", checkpoint.size, head.size);
            self.wrong("checkpoint_ahead", what, format!("{NEWER}；不要用这份数据库启动"));
        } else if checkpoint.size < head.size && !running {
            let what = format!("有 {} 条已入账、尚未发布", head.size - checkpoint.size);
            self.wrong("checkpoint_behind", what, format!("请运行 gongkai serve --dir {dir}，启动时会自动补发"));
        }
        let missing = missing_tiles(&self.layout, checkpoint.size);
        if let Some(first) = missing.first() {
            let what = format!("已发布的文件缺 {} 个，第一个是 {first}", missing.len());
            self.wrong("tiles", what, format!("请停下网站后运行 gongkai rebuild --dir {dir} --log"));
        }
    }

    fn clock(&mut self, head: &LogHead) {
        let now = local::clock().now();
        if now < head.recorded_at {
            let what = format!("时钟是 {}，比最后一条的入账时间 {} 早", spelled(now), spelled(head.recorded_at));
            self.wrong("clock", what, "请校准系统时钟；校准前账本只能读");
        }
    }

    fn registry(&mut self, world: &World) {
        let registrars = world.registrars_count();
        if registrars < 2 {
            let what = format!("只有 {registrars} 名登记员，不能再任命审核人、审批人和监督人");
            self.wrong("registrars", what, "请用 role.granted.v1 再任命一名登记员");
        }
        let today = local::clock().now().with_timezone(&zone()).date_naive();
        let needed = [Some(today.year()), (today.month() >= NEXT_CALENDAR_MONTH).then(|| today.year() + 1)];
        for year in needed.into_iter().flatten().filter(|year| !world.calendar.knows(*year)) {
            let remedy = "请用 gongkai import calendars 或 calendar.published.v1 发布；未发布前期限按暂定显示";
            self.remark("calendar", format!("{year} 年的放假安排还没有发布"), remedy);
        }
    }
}

fn spelled(time: chrono::DateTime<Utc>) -> String {
    time.with_timezone(&zone()).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Whether the tree of the published files begins with what was seen elsewhere; `None` where they cannot be read.
fn continues(seen: &Checkpoint, here: &Checkpoint, files: &DirectoryFetch) -> Option<bool> {
    if seen.size == 0 {
        return Some(true);
    }
    let proof = merkle::prove_consistency(seen.size, here.size, &Tiles(files)).ok()?;
    Some(merkle::verify_consistency(seen.size, here.size, &seen.root, &here.root, &proof).is_ok())
}

/// Tiles and bundles that a log of this size has and the directory has not.
fn missing_tiles(layout: &Layout, size: u64) -> Vec<String> {
    // A partial tile whose full one is there is superseded (c2sp.org/tlog-tiles).
    let there = |path: &TilePath| layout.tile(path).is_file() || layout.tile(&path.full()).is_file();
    new_tiles(0, size).iter().filter(|path| !there(path)).map(ToString::to_string).collect()
}
