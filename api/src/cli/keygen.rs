//! `keygen`: a person's key for signing, a witness's for cosigning, or a receiver's for opening envelopes.

use std::path::PathBuf;

use gongkai_log::key::KeyError;
use serde_json::json;

use super::terminal;
use crate::keyfile::{self, ReceiverKey};
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `keygen`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = "例子：\n  $ gongkai keygen --name chen.qinghe.example/1 --out chen.key\n\
  $ gongkai keygen --receiver --name chen.qinghe.example/receiver/1 --out chen-receiver.key\n\
  $ gongkai keygen --witness --name witness.example/1 --out witness.key\n\n\
    打印出来的验证钥匙交给登记员登记；私钥文件只留在自己手里。\n\
    --receiver 生成收件人的解密钥匙，打印的加密公钥用于 receiver.appointed.v1；这把钥匙丢失后，加密来信再也打不开。\n\
    --witness 生成见证钥匙，只用来联署别的账本的检查点（gongkai witness --key）。")]
pub struct Args {
    /// 钥匙名称，全账本唯一；换钥匙时换末尾的序号
    #[arg(long, value_name = "名称")]
    pub name: String,
    /// 私钥写到哪个文件（已有的文件不会覆盖）
    #[arg(long, value_name = "文件")]
    pub out: PathBuf,
    /// 收件人的解密钥匙，用来打开加密提交的异议和检举控告
    #[arg(long)]
    pub receiver: bool,
    /// 见证钥匙，只用来联署检查点
    #[arg(long, conflicts_with = "receiver")]
    pub witness: bool,
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
    let unusable =
        |error: KeyError| Fault::usage("--name", error.to_string()).mend("名称不能有空格和加号，例如 chen.example/1");
    let passphrase = || match (&args.passphrase_file, args.passphrase) {
        (Some(file), _) => terminal::passphrase_file(file).map(Some),
        (None, true) => terminal::new_passphrase().map(Some),
        (None, false) => Ok(None),
    };
    let file = args.out.display().to_string();
    if args.receiver {
        let key = ReceiverKey::generate(&args.name).map_err(unusable)?;
        key.write(&args.out, passphrase()?.as_ref().map(|text| text.as_str()))?;
        let public = key.public().0;
        let text = json!({"name": key.name(), "sealing_key": public, "file": file}).to_string();
        terminal::say(if args.json { text } else { public })?;
    } else {
        let made = if args.witness { keyfile::generate_witness(&args.name) } else { keyfile::generate(&args.name) };
        let key = made.map_err(unusable)?;
        keyfile::write(&args.out, &key, passphrase()?.as_ref().map(|text| text.as_str()))?;
        let vkey = key.verifier().to_string();
        let text = json!({"name": key.name(), "vkey": vkey, "file": file}).to_string();
        terminal::say(if args.json { text } else { vkey })?;
    }
    Ok(Verdict::Yes)
}
