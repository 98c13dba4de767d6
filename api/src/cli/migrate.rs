//! `migrate`: the rows of a ledger move between its directory and a PostgreSQL database; bytes and proofs stay.

use std::path::Path;

use gongkai_store::{Layout, Place, ServerUrl, moving};
use serde_json::json;

use super::local;
use super::terminal::{self, Progress};
use crate::config::Config;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai migrate --from ledger --to postgres://gongkai@10.0.0.5/ledger\n  \
    $ gongkai migrate --from postgres://gongkai@10.0.0.5/ledger --to ledger\n\n\
    ledger 是账本目录：钥匙、配置和已发布文件一直在那里，搬的是账本的数据、限阅库里包好的数据密钥、没提交的草稿和网上收件。\n\
    请在网站停下时运行。搬完先逐条核对，再启用；中途停下，账本还在原处，再运行一次即可。")]
pub struct Args {
    /// 数据现在在哪里：账本目录，或目录所指的 PostgreSQL 数据库
    #[arg(long, value_name = "来处")]
    from: String,
    /// 搬到哪里：PostgreSQL 数据库（postgres://用户@主机/库名），或账本目录
    #[arg(long, value_name = "去处")]
    to: String,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Moves the rows.
///
/// # Errors
/// No ledger, another process holds it, or either side fails; the rows are where they were then.
pub async fn run(args: Args) -> Outcome {
    let (layout, to) = sides(&args.from, &args.to)?;
    Config::read(&layout)?;
    let log = local::log_keys(&layout)?;
    let progress = Progress::new("搬运");
    let head = moving::move_rows(&layout, &to, &log, |copied, size| progress.tell(copied, size)).await;
    drop(progress);
    let head = head?;
    if args.json {
        terminal::say(json!({"size": head.size, "root": head.edge.root()}))?;
    } else {
        terminal::say(format_args!("搬了 {} 条，逐条核对无误；根 {}", head.size, head.edge.root()))?;
    }
    Ok(Verdict::Yes)
}

/// The directory of the ledger, and where its rows go.
fn sides(from: &str, to: &str) -> Result<(Layout, Place), Fault> {
    match (server(from, "--from")?, server(to, "--to")?) {
        (None, Some(url)) => Ok((Layout::new(from), Place::Server(url))),
        (Some(url), None) => {
            let layout = Layout::new(to);
            match Place::of(&layout).map_err(|error| Fault::from(&error))? {
                Place::Server(there) if there == url => Ok((layout.clone(), Place::File(layout.database()))),
                Place::Server(_) | Place::File(_) => Err(not_of(Path::new(to))),
            }
        }
        _ => Err(Fault::usage("--from、--to", "一边是账本目录，一边是 PostgreSQL 数据库的地址")
            .mend("例如 --from ledger --to postgres://gongkai@10.0.0.5/ledger")),
    }
}

fn not_of(dir: &Path) -> Fault {
    Fault::usage(dir.display().to_string(), "这个账本的数据不在 --from 所说的数据库里")
        .mend("目录里的 ledger.url 写着数据在哪里")
}

fn server(text: &str, option: &str) -> Result<Option<ServerUrl>, Fault> {
    if !text.contains("://") {
        return Ok(None);
    }
    local::server(text, option).map(Some)
}
