//! `keygen`: a person's key.

use std::path::PathBuf;

use serde_json::json;

use super::terminal;
use crate::keyfile;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `keygen`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai keygen --name chen.qinghe.example/1 --out chen.key\n\
    打印出来的验证钥匙交给登记员登记；私钥文件只留在自己手里。")]
pub struct Args {
    /// 钥匙名称，全账本唯一；换钥匙时换末尾的序号
    #[arg(long, value_name = "名称")]
    pub name: String,
    /// 私钥写到哪个文件（已有的文件不会覆盖）
    #[arg(long, value_name = "文件")]
    pub out: PathBuf,
    /// 从文件第一行读取保护私钥的口令
    #[arg(long, value_name = "文件", conflicts_with = "passphrase")]
    pub passphrase_file: Option<PathBuf>,
    /// 在终端输入保护私钥的口令
    #[arg(long)]
    pub passphrase: bool,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Makes the key file and prints the verifier key.
///
/// # Errors
/// An unusable name, a file that exists, a short passphrase.
pub fn run(args: &Args) -> Outcome {
    let key = keyfile::generate(&args.name)
        .map_err(|error| Fault::usage("--name", error.to_string()).mend("名称不能有空格和加号，例如 chen.example/1"))?;
    let passphrase = match (&args.passphrase_file, args.passphrase) {
        (Some(file), _) => Some(terminal::passphrase_file(file)?),
        (None, true) => Some(terminal::new_passphrase()?),
        (None, false) => None,
    };
    keyfile::write(&args.out, &key, passphrase.as_ref().map(|text| text.as_str()))?;
    if args.json {
        let file = args.out.display().to_string();
        terminal::say(json!({"name": key.name(), "vkey": key.verifier().to_string(), "file": file}))?;
    } else {
        terminal::say(key.verifier())?;
    }
    Ok(Verdict::Yes)
}
