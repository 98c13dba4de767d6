//! `tally`: a tally (评议投票) on the command line: its slips, its counts, and a voter's look whether the own ballot is in.
//!
//! Not here: casting (`hand-in`, [`crate::ballot`]), what the counts are (`gongkai_domain::kind::tally`), opening, closing
//! and publishing, which are commands like every other (`submit`).

mod counting;
mod slips;

use gongkai_log::Digest;
use serde_json::Value;

use super::local;
use crate::fetch;
use crate::outcome::{Fault, Outcome};

/// Most bytes of an answer to a file.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Options of `tally`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai tally slips --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --count 38 --out 票码.csv\n  \
    $ gongkai tally count --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --key chen.key --tally tally/018f0000-0000-7000-8000-000000000001\n  \
    $ gongkai tally check --url https://gk.example.gov.cn --tally tally/018f0000-0000-7000-8000-000000000001 receipt.json\n\n\
    每张票码印成一张纸条，由大家像抓阄一样抽取，谁也不知道谁拿了哪一张。投票用 gongkai hand-in，--out 留下回执：\n  \
    {\"kind\": \"tally.cast.v1\", \"org\": \"341599101201\", \"fields\": {\"tally\": \"tally/…\", \"slip\": \"7K2M-9QXA-40TB-RZ8C\", \"choices\": [0]}}\n\n\
    印完、发完以后，请当着监票人的面删去票码文件。"
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

/// What can be done for a tally.
#[derive(Debug, clap::Subcommand)]
enum Action {
    /// 生成票码，公布票码哈希清单，给出发起投票要填的内容
    Slips(slips::Args),
    /// 投票截止后计票，公布选票哈希清单，给出公布票数要填的内容
    Count(counting::CountArgs),
    /// 凭回执核对自己的选票在不在公布的有效票里
    Check(counting::CheckArgs),
}

impl Args {
    /// Whether a machine reads the output.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::Slips(args) => args.json,
            Action::Count(args) => args.json,
            Action::Check(args) => args.json,
        }
    }
}

/// Does it.
///
/// # Errors
/// What the action needs is not there or does not prove itself.
pub fn run(args: &Args) -> Outcome {
    match &args.action {
        Action::Slips(args) => slips::run(args),
        Action::Count(args) => counting::count(args),
        Action::Check(args) => counting::check(args),
    }
}

/// Attaches a list of hashes to the ledger; gives what names it.
fn attach(agent: &ureq::Agent, url: &str, text: &str) -> Result<Value, Fault> {
    let address = format!("{}/api/v1/attachments", url.trim_end_matches('/'));
    let failed = |error: ureq::Error| fetch::unanswered(url, &error);
    let sent = agent.put(&address).header("Content-Type", "application/octet-stream").send(text.as_bytes());
    let mut answer = sent.map_err(failed)?;
    let body = fetch::body(&mut answer, ANSWER_BYTES_MAX).map_err(failed)?;
    let status = answer.status().as_u16();
    let stored: Value = serde_json::from_slice(&body).unwrap_or_default();
    match stored["hash"].as_str().and_then(|hash| Digest::parse(hash).ok()) {
        Some(hash) if status == 200 && hash == Digest::of(text.as_bytes()) => {
            Ok(serde_json::json!([{"hash": hash, "size": text.len(), "media_type": "text/plain"}]))
        }
        Some(_) if status == 200 => Err(Fault::ours(url, "收下的清单与送去的不同")),
        _ => Err(Fault::no(url, format!("哈希清单没有收下（HTTP {status}）")).mend("请用内部监听的网址")),
    }
}
