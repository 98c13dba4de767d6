//! `join`: the directory of a further node of a ledger whose rows are in PostgreSQL.
//!
//! It copies what a node needs and nothing else: the log's and the intake's key, the configuration, the address of the rows,
//! the policy of its witnesses, and what unlocks a vault on the server. Not copied: the recovery key and those of people, which sign nothing on a server; published
//! files, views and search, which the node makes itself from the rows. The new directory appears whole or not at all.

use std::fs;
use std::path::PathBuf;

use gongkai_store::backup::{copy_file, flush_folder, private_folder};
use gongkai_store::{Layout, Place, Vault};
use serde_json::json;

use super::init::{draft_of, must_be_free};
use super::terminal;
use crate::config::Config;
use crate::outcome::{Fault, Outcome, Verdict};

/// What a node signs with.
const KEYS: [&str; 2] = ["log.key", "intake.key"];

/// What unlocks a vault that all nodes share, together with its passphrase.
const MASTER_KEY: &str = "vault.key";

/// Options of `join`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai join --from ledger --dir ledger-2\n  $ gongkai serve --dir ledger-2 --listen 10.0.0.7:8080\n\n\
    几个节点共用一个 PostgreSQL，轮流入账，都给回执；停掉哪一个都不丢回执，也不会分出第二部历史。\n\
    新目录里有账本的私钥：搬到别的机器时只走可信的通道，权限不变。\n\
    已发布文件、查询库、搜索由新节点自己从数据库生成，每条都核对。"
)]
pub struct Args {
    /// 已有节点的账本目录（网站可以在运行）
    #[arg(long, value_name = "目录")]
    from: PathBuf,
    /// 新节点的目录
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Makes the directory.
///
/// # Errors
/// The rows are not in PostgreSQL, a key is missing, the directory has something in it, or the disk fails.
pub async fn run(args: &Args) -> Outcome {
    let from = Layout::new(&args.from);
    let config = Config::read(&from)?;
    if !matches!(Place::of(&from).map_err(|error| Fault::from(&error))?, Place::Server(_)) {
        let what = "这个账本的数据在目录里，只能有一个节点";
        return Err(Fault::usage(args.from.display().to_string(), what).mend("先用 gongkai migrate 搬进 PostgreSQL"));
    }
    must_be_free(&args.dir)?;
    let draft = draft_of(&args.dir)?;
    let vault = Vault::is_on_server(&from).await.map_err(|error| Fault::from(&error))?;
    let made = fill(&from, &Layout::new(&draft), &config, vault).and_then(|()| {
        let named = fs::rename(&draft, &args.dir);
        named.map_err(|error| Fault::failed(args.dir.display().to_string(), &error))
    });
    if let Err(fault) = made {
        // What could not be finished is nobody's node; that it cannot be removed either is no news.
        let _ = fs::remove_dir_all(&draft);
        return Err(fault);
    }
    let dir = args.dir.display().to_string();
    if args.json {
        terminal::say(json!({"dir": dir, "origin": config.origin}))?;
    } else {
        terminal::say(format_args!("{dir} 是账本 {} 的又一个节点，启动：gongkai serve --dir {dir}", config.origin))?;
    }
    Ok(Verdict::Yes)
}

fn fill(from: &Layout, draft: &Layout, config: &Config, vault: bool) -> Result<(), Fault> {
    private_folder(&draft.keys()).map_err(|error| Fault::from(&error))?;
    let key = |name: &&str| (from.keys().join(name), draft.keys().join(name));
    let mut files: Vec<(PathBuf, PathBuf)> = KEYS.iter().map(key).collect();
    files.push((from.configuration(), draft.configuration()));
    if vault && from.keys().join(MASTER_KEY).is_file() {
        files.push(key(&MASTER_KEY));
    }
    // A file elsewhere is named by its whole path and stays there.
    let passphrase = config.vault_passphrase_file.as_deref().filter(|_| vault);
    for file in [config.witness_policy.as_deref(), passphrase].into_iter().flatten().filter(|file| file.is_relative()) {
        files.push((from.root().join(file), draft.root().join(file)));
    }
    // Last: with it the directory is a node.
    files.push((from.server(), draft.server()));
    for (source, target) in &files {
        if let Some(folder) = target.parent() {
            private_folder(folder).map_err(|error| Fault::from(&error))?;
        }
        copy_file(source, target).map_err(|error| Fault::from(&error))?;
    }
    for folder in [draft.keys(), draft.root().to_owned()] {
        flush_folder(&folder).map_err(|error| Fault::from(&error))?;
    }
    Ok(())
}
