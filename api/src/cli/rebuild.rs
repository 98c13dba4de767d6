//! `rebuild`: views and search anew from the log, or the published files anew from the database.

use std::path::PathBuf;
use std::sync::Arc;

use gongkai_projections::{FollowError, Home, LEASE_MAX, Source, Views};
use gongkai_store::{Layout, Ledger, Settings};
use serde_json::json;

use super::local;
use super::terminal::{self, Progress};
use crate::config::{Config, bucket};
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `rebuild`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai rebuild --dir ledger\n  $ gongkai rebuild --dir ledger --check\n  $ gongkai rebuild --dir ledger --log\n\n\
    查询库和搜索随时可以从账本重建；请在网站停下时运行。"
)]
pub struct Args {
    /// 账本目录
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 只对照，不重建：查询库与账本不符时返回 1
    #[arg(long)]
    check: bool,
    /// 从数据库检查并补齐全部已发布文件
    #[arg(long, conflicts_with = "check")]
    log: bool,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Rebuilds, or compares.
///
/// # Errors
/// No ledger, another process holds it, or a disk that fails.
pub async fn run(args: Args) -> Outcome {
    let layout = Layout::new(&args.dir);
    let config = Config::read(&layout)?;
    let keys = local::ledger_keys(&layout)?;
    let settings = Settings { republish_all: args.log, bucket: bucket::open(&config)?, ..Settings::default() };
    let ledger = Ledger::open(&layout, keys, local::clock(), settings).await?;
    let outcome = if args.log {
        published(&args, &ledger)
    } else {
        views(&args, local::views_home(&layout, &config)?, &ledger).await
    };
    ledger.shutdown().await;
    outcome
}

fn published(args: &Args, ledger: &Ledger) -> Outcome {
    let recovery = ledger.recovery();
    if args.json {
        terminal::say(json!({"size": recovery.size, "repaired": recovery.repaired, "alarms": recovery.alarms}))?;
    } else {
        for alarm in &recovery.alarms {
            terminal::say(format_args!("注意：{alarm}"))?;
        }
        let (size, repaired) = (recovery.size, recovery.repaired.len());
        terminal::say(format_args!("检查了 {size} 条，补齐 {repaired} 个文件"))?;
    }
    Ok(Verdict::Yes)
}

async fn views(args: &Args, home: Home, ledger: &Ledger) -> Outcome {
    let failed = |error: FollowError| match error {
        FollowError::Elsewhere => Fault::usage("查询库", "另一台机器正在写").mend("请先停下那里的网站"),
        error => Fault::failed("查询库", &error),
    };
    let source: Arc<dyn Source> = Arc::new(ledger.clone());
    // Nothing is read for a page here.
    let home = home.with_replicas(Vec::new());
    let (views, mut engine) = Views::open(home, source).await.map_err(failed)?;
    // One that was killed is taken for alive until its lease ends.
    engine.lead_within(LEASE_MAX * 2).await.map_err(failed)?;
    engine.catch_up().await.map_err(failed)?;
    let mut different = Vec::new();
    if args.check {
        different = engine.check().await.map_err(failed)?;
    } else {
        engine.rebuild().await.map_err(failed)?;
        let progress = Progress::new("重建");
        while engine.advance().await.map_err(failed)? {
            progress.tell(views.status().building.unwrap_or_default(), ledger.health().committed);
        }
    }
    engine.close().await;
    let status = views.status();
    let good = different.is_empty() && status.halted.is_empty();
    if args.json {
        terminal::say(json!({"ok": good, "size": status.size, "halted": status.halted, "different": different}))?;
        return Ok(Verdict::of(good));
    }
    for difference in &different {
        terminal::say(format_args!("不符：{difference}"))?;
    }
    for (projection, index, reason) in &status.halted {
        terminal::say(format_args!("{projection} 停在第 {index} 号条目：{reason}（请换用新版本的程序）"))?;
    }
    let done = if args.check { "对照" } else { "重建" };
    terminal::say(format_args!("{done}了 {} 条，{}", status.size, if good { "与账本一致" } else { "有不符之处" }))?;
    Ok(Verdict::of(good))
}
