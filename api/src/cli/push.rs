//! `push`: hands a published log to a mirror once, until the mirror has cosigned it.
//!
//! A running ledger does it by itself for the mirrors of `push_mirrors`; this is for a copy of the log, and for trying a
//! mirror. The upload is `crate::pushing`'s.

use std::path::PathBuf;

use gongkai_log::{Fetch, KeyKind, Note, NoteSignature, VerifierKey};
use gongkai_store::{DirectoryFetch, Layout};
use serde_json::json;

use super::local::Place;
use super::reading::Reading;
use super::terminal::{self, Progress};
use crate::cosigning::State;
use crate::outcome::{Fault, Outcome, Verdict};
use crate::pushing::{Pushing, keeping};

/// Options of `push`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai push --dir ledger --to https://mirror.example --key mirror.example+5ad1c9f0+BA...\n  \
    $ gongkai push --url https://ledger.example --to https://mirror.example --key mirror.txt --out checkpoint\n\n\
    镜像按 C2SP tlog-mirror 接收：先收检查点，再收全部条目，逐包核验，存好以后联署。--key 是镜像的验证钥匙，要从可信的地方得来。\n\
    中断了再运行一次，从断处接着推送。运行中的账本可把镜像写进 gongkai.toml 的 push_mirrors，以后自己推送。"
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// 镜像接收推送的网址
    #[arg(long, value_name = "网址")]
    to: String,
    /// 镜像的验证钥匙（或写有它的文件）
    #[arg(long, value_name = "钥匙")]
    key: String,
    /// 把带有镜像联署的检查点写到这个文件
    #[arg(long, value_name = "文件")]
    out: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Pushes.
///
/// # Errors
/// No log there, a mirror that cannot be reached or does not take it, or a file that cannot be written.
pub fn run(args: &Args) -> Outcome {
    let key = super::checking::verifier_key("--key", &args.key)?;
    if key.kind() != KeyKind::CosignatureV1 {
        return Err(Fault::usage("--key", "这不是联署用的验证钥匙").mend("请向镜像的管理人要它的验证钥匙"));
    }
    let (size, note, line) = match args.place.dir() {
        Some(dir) => push(args, &key, DirectoryFetch::new(Layout::new(dir).log()))?,
        None => push(args, &key, args.place.fetch()?)?,
    };
    if let Some(out) = &args.out {
        let mut cosigned = note;
        cosigned.signatures.push(line);
        let written = std::fs::write(out, cosigned.to_string());
        written.map_err(|error| Fault::failed(out.display().to_string(), &error))?;
    }
    if args.json {
        terminal::say(json!({"mirror": key.name(), "size": size}))?;
    } else {
        terminal::say(format_args!("镜像 {}：{}", key.name(), keeping::sentence(&State::Cosigned { size })))?;
    }
    Ok(Verdict::Yes)
}

fn push<F: Fetch>(args: &Args, key: &VerifierKey, log: F) -> Result<(u64, Note, NoteSignature), Fault> {
    let (checkpoint, note) = {
        let reading = Reading::new(&log)?;
        (reading.checkpoint, reading.note)
    };
    let progress = Progress::new("推送");
    let go_on = |has| {
        progress.tell(has, checkpoint.size);
        true
    };
    let pushed = Pushing::new(key, &args.to, log).push(&checkpoint, &note, go_on);
    let refused = |cause: String| {
        Fault::no(format!("镜像 {}", args.to), cause).mend("请和镜像的管理人核对网址、验证钥匙和账本的公钥")
    };
    match pushed {
        Ok(Some(line)) => Ok((checkpoint.size, note, line)),
        Ok(None) => Err(refused("推送没有完成".to_owned())),
        Err(denial) => Err(refused(keeping::sentence(&State::Denied(denial)))),
    }
}
