//! `demo`: makes the demo ledger once, and serves it.

use std::net::SocketAddr;
use std::path::PathBuf;

use gongkai_store::Layout;

use super::serve::{self, Serving};
use super::{local, terminal};
use crate::config::{Config, listen_default};
use crate::demo;
use crate::outcome::{Fault, Outcome};

/// Options of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai demo\n  $ gongkai demo --dir demo-ledger --listen 127.0.0.1:8080\n\n\
    第一次运行时建账本，以后直接打开。人物、地名、数字均为虚构。")]
pub struct Args {
    /// 演示账本的目录（默认 gongkai-demo）
    #[arg(long, value_name = "目录")]
    dir: Option<PathBuf>,
    /// 网站监听的地址（默认 127.0.0.1:8080；端口 0 由系统选）
    #[arg(long, value_name = "地址")]
    listen: Option<SocketAddr>,
    /// 内部办理监听的地址，可以提交（默认网站端口加一）
    #[arg(long, value_name = "地址")]
    internal_listen: Option<SocketAddr>,
}

/// Builds if there is nothing yet, then serves.
///
/// # Errors
/// The directory holds something else, or what `serve` meets.
pub async fn run(args: Args) -> Outcome {
    let dir = args.dir.unwrap_or_else(|| PathBuf::from("gongkai-demo"));
    let layout = Layout::new(&dir);
    if !layout.has_ledger() {
        terminal::remark("正在建演示账本，请稍候……");
        let today = local::clock().now().with_timezone(&crate::http::zone()).date_naive();
        let report = demo::build(&dir, today).await?;
        terminal::remark(format_args!("已建好 {}：{} 条记录", dir.display(), report.entries));
        terminal::remark(format_args!("验证钥匙 {}", report.vkey));
        terminal::remark(format_args!("演示人物的私钥在 {}", dir.join(demo::KEYS_FOLDER).display()));
    }
    let mut config = Config::read(&layout)?;
    if config.origin != demo::ORIGIN {
        return Err(
            Fault::usage(dir.display().to_string(), "这里是一个真实的账本，不是演示").mend("请用 gongkai serve 打开它")
        );
    }
    config.listen = args.listen.unwrap_or_else(listen_default);
    config.internal_listen = args.internal_listen.or_else(|| beside(config.listen));
    serve::start(Serving { layout, config, internal_anywhere: false, vault_passphrase_file: None, is_demo: true }).await
}

/// The next port of this machine; a free one when the public port is free too.
fn beside(listen: SocketAddr) -> Option<SocketAddr> {
    let port = if listen.port() == 0 { Some(0) } else { listen.port().checked_add(1) };
    port.map(|port| SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, port)))
}
