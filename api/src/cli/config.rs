//! `config`: what can be configured, and what a ledger's configuration says with the environment over it.

use std::path::PathBuf;

use gongkai_store::Layout;

use super::terminal;
use crate::config::{Config, settings};
use crate::outcome::{Outcome, Verdict};

/// Options of `config`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai config\n  $ gongkai config --dir ledger\n  $ gongkai config --markdown\n\n\
    不给 --dir 时列出全部设置：名称、环境变量、取值、默认。给出 --dir 时检查这本账的配置，连环境变量一起写出现在生效的值。"
)]
pub struct Args {
    /// 账本目录：写出现在生效的配置
    #[arg(long, value_name = "目录", conflicts_with = "markdown")]
    dir: Option<PathBuf>,
    /// 写成文档（Markdown）
    #[arg(long)]
    markdown: bool,
}

/// Prints the reference, or a configuration as it holds now.
///
/// # Errors
/// A configuration that cannot be used.
pub fn run(args: &Args) -> Outcome {
    let text = match &args.dir {
        Some(dir) => Config::read(&Layout::new(dir))?.to_text(),
        None if args.markdown => settings::markdown(),
        None => settings::reference(),
    };
    terminal::say(text.trim_end())?;
    Ok(Verdict::Yes)
}
