//! `take-in`: takes batches of an intake into a ledger that is not being served, and gives the capsules that answer them.

use std::path::PathBuf;

use gongkai_domain::field::SealingKey;
use gongkai_domain::gap::BATCHES_BYTES_MAX;
use gongkai_store::Layout;
use serde_json::json;

use super::{local, terminal};
use crate::gap::carry;
use crate::gap::take_in::TakenIn;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `take-in`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai take-in --dir ledger --sealing-key\n  \
    $ gongkai take-in --dir ledger --from https://sj.example.gov.cn\n  \
    $ gongkai take-in --dir ledger disk/1.batches --capsules disk/1.capsules\n\n\
    --sealing-key 打印设立收件处（intake.opened.v1）要填的加密公钥。\n\
    每一批先核对：是收件处签的、接得上前一批、承诺过的一件不少；不符的整份不收。收下的逐件入账或不予受理，再公布答复的封存根。\n\
    同一份文件送两次，不会重复入账。网站正在运行时不用这个命令：把文件放进账本目录的 gap/in/（扩展名 .batches），答复在 gap/out/；\n\
    能访问收件处网址的，在 gongkai.toml 里写上 intakes，网站自己去取。")]
pub struct Args {
    /// 账本目录（网站没有在运行时）
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 打印加密公钥，不收件
    #[arg(long, conflicts_with_all = ["from", "file", "capsules"])]
    sealing_key: bool,
    /// 从收件处的网址取，答复直接送回
    #[arg(long, value_name = "网址", conflicts_with_all = ["file", "capsules"])]
    from: Option<String>,
    /// https 网址只信任这个文件里的证书（PEM）
    #[arg(long, value_name = "文件", requires = "from")]
    ca: Option<PathBuf>,
    /// 答复写到哪个文件，带回收件处
    #[arg(long, value_name = "文件")]
    capsules: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
    /// 带进来的批次文件
    #[arg(value_name = "文件", required_unless_present_any = ["from", "sealing_key"], requires = "capsules")]
    file: Option<PathBuf>,
}

/// Takes in once.
///
/// # Errors
/// No ledger, another process holds it, or what comes is not believed.
pub async fn run(args: Args) -> Outcome {
    let layout = Layout::new(&args.dir);
    let ledger = local::open(&layout, local::clock()).await?;
    let done = taken(&args, &ledger).await;
    // What was recorded is published before we go, whatever came after it.
    ledger.shutdown().await;
    done
}

async fn taken(args: &Args, ledger: &gongkai_store::Ledger) -> Outcome {
    if args.sealing_key {
        let none = || Fault::usage("--dir", "账本没有启用限阅库").mend("请先运行 gongkai vault init");
        let key = ledger.gap_key().ok_or_else(none)?;
        terminal::say(SealingKey::from(&key).0)?;
        return Ok(Verdict::Yes);
    }
    let done = match (&args.from, &args.file, &args.capsules) {
        (Some(url), ..) => carry::pull(ledger, &local::agent(args.ca.as_ref())?, url).await?,
        (None, Some(file), Some(capsules)) => {
            let place = file.display().to_string();
            let failed = |error: std::io::Error| Fault::failed(place.clone(), &error);
            if std::fs::metadata(file).map_err(failed)?.len() > BATCHES_BYTES_MAX {
                return Err(Fault::usage(place, "文件太大"));
            }
            let text = std::fs::read_to_string(file).map_err(failed)?;
            let (done, answer) = carry::take_file(ledger, &place, &text).await?;
            let to = capsules.display().to_string();
            carry::write(capsules, answer.as_bytes()).map_err(|error| Fault::failed(to, &error))?;
            done
        }
        _ => return Err(Fault::usage("--from", "没有说从哪里收")),
    };
    tell(args.json, &done)?;
    Ok(Verdict::Yes)
}

fn tell(is_json: bool, done: &TakenIn) -> Result<(), Fault> {
    if is_json {
        return terminal::say(json!(done));
    }
    let TakenIn { from, to, accepted, refused, known, answered_at } = done;
    match answered_at {
        None => terminal::say(format_args!("没有新的批次：已答复到第 {to} 批之前")),
        Some(index) => terminal::say(format_args!(
            "收下第 {from} 至 {to} 批之前：入账 {accepted} 件，不予受理 {refused} 件，先前已收 {known} 件；答复记在第 {index} 号"
        )),
    }
}
