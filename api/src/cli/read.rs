//! `read`: signs in at the internal side with a registered key, prints the JSON of one address, signs out.

use std::path::PathBuf;

use super::visit::{ROOT, Visit};
use super::{local, terminal};
use crate::outcome::{Outcome, Verdict};

/// Options of `read`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai read --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --key chen.key me\n  \
    $ gongkai read --url http://127.0.0.1:8081 --key chen.key /internal/api/v1/me\n\n\
    用登记过的钥匙登录（不用密码），读出一个内部地址的 JSON，然后退出登录。\n\
    不对您公开的内容，和不存在的内容，得到的答复一样。"
)]
pub struct Args {
    /// 内部监听的网址
    #[arg(long, value_name = "网址")]
    url: String,
    /// 私钥文件
    #[arg(long, value_name = "文件")]
    key: PathBuf,
    /// https 网址只信任这个文件里的证书（PEM），例如账本目录的 keys/internal-tls.pem
    #[arg(long, value_name = "文件")]
    ca: Option<PathBuf>,
    /// 私钥有口令时，从文件第一行读取
    #[arg(long, value_name = "文件")]
    passphrase_file: Option<PathBuf>,
    /// 内部地址；不以 / 开头的，接在 /internal/api/v1/ 后面
    #[arg(value_name = "地址")]
    path: String,
}

/// Signs in, reads, signs out.
///
/// # Errors
/// A key that cannot be used or may not sign in, an address that is not there for its person, no ledger.
pub fn run(args: &Args) -> Outcome {
    let key = local::person_key(&args.key, args.passphrase_file.as_ref())?;
    let path = if args.path.starts_with('/') { args.path.clone() } else { format!("{ROOT}{}", args.path) };
    let visit = Visit::sign_in(local::agent(args.ca.as_ref())?, &args.url, &key)?;
    let read = visit.get(&path);
    visit.sign_out();
    terminal::say(read?)?;
    Ok(Verdict::Yes)
}
