//! Counting a closed tally, and finding one's own ballot among those that were counted.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use gongkai_domain::kind::tally::{self, Counted, Published};
use gongkai_domain::kind::{self, Described as _};
use gongkai_log::{Digest, StreamId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::sides::{InternalSide, PublicSide};
use super::super::terminal;
use super::super::visit::{ROOT, Visit};
use super::attach;
use crate::outcome::{Fault, Outcome, Verdict};

/// Most bytes of a receipt.
const RECEIPT_BYTES_MAX: u64 = 64 << 10;

/// Options of `tally count`.
#[derive(Debug, clap::Args)]
pub struct CountArgs {
    #[command(flatten)]
    at: InternalSide,
    /// 评议投票的编号
    #[arg(long, value_name = "编号")]
    tally: StreamId,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `tally check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    at: PublicSide,
    /// 评议投票的编号
    #[arg(long, value_name = "编号")]
    tally: StreamId,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
    /// 投票时 --out 留下的回执
    #[arg(value_name = "回执")]
    receipt: PathBuf,
}

/// What the internal side counted.
#[derive(Deserialize)]
struct Urn {
    #[serde(flatten)]
    counted: Counted,
    hashes: Vec<Digest>,
}

/// Counts, attaches the list, and says what is published.
///
/// # Errors
/// A key that may not count, a tally that is open, an answer that does not agree with itself.
pub fn count(options: &CountArgs) -> Outcome {
    let visit = options.at.visit(&options.at.key()?)?;
    let counted = urn(&visit, &options.tally);
    visit.sign_out();
    let Urn { counted, hashes } = counted?;
    let list = attach(&options.at.agent()?, &options.at.url, &tally::hashes_text(&hashes))?;
    let mut fields = json!(counted);
    fields["hashes"] = list;
    let told = json!({"kind": Published::KIND, "stream": options.tally, "fields": fields});
    terminal::say(if options.json { told.to_string() } else { human(&counted, &told) })?;
    Ok(Verdict::Yes)
}

fn urn(visit: &Visit<'_>, tally: &StreamId) -> Result<Urn, Fault> {
    let place = tally.to_string();
    let text = visit.get(&format!("{ROOT}tallies/{}/count", tally.id));
    let text = text.map_err(|fault| fault.mend("投票截止（tally.closed.v1）以后，组织投票的机构才能计票"))?;
    let urn: Urn = serde_json::from_str(&text).map_err(|error| Fault::failed(&place, &error))?;
    let agrees =
        urn.counted.accepted == urn.hashes.len() as u64 && urn.counted.ballots == tally::ballots_root(&urn.hashes);
    if agrees { Ok(urn) } else { Err(Fault::ours(&place, "票数与选票哈希清单不符")) }
}

fn human(counted: &Counted, told: &Value) -> String {
    let mut lines = vec![format!("有效票 {} 张", counted.accepted)];
    match &counted.counts {
        Some(counts) => {
            lines.extend(counts.iter().map(|count| format!("  第 {} 个选项 {} 票", count.option + 1, count.votes)));
        }
        None => lines.push(format!("不足 {} 张，分列各选项会看出各人所选，只公布有效票数", tally::BALLOTS_COUNTED_MIN)),
    }
    lines.push(format!(
        "公布票数（{}，须监票人共同签名）时填：\n  编号 {}\n  {}",
        Published::KIND,
        told["stream"].as_str().unwrap_or_default(),
        told["fields"]
    ));
    lines.join("\n")
}

/// Looks for one's own ballot.
///
/// # Errors
/// A receipt of something else, a tally whose counts are not published, a list that is not the published one.
pub fn check(options: &CheckArgs) -> Outcome {
    let ballot = ballot(options)?;
    let office = options.at.office()?;
    let place = options.tally.to_string();
    let counts = office.said(&options.tally, Published::KIND)?;
    let counts = counts.ok_or_else(|| Fault::no(&place, "票数还没有公布"))?;
    let counts = kind::body::<Published>(&counts.kind, &counts.body);
    let counts = counts.ok_or_else(|| Fault::ours(&place, "公布票数的条目读不出来"))?;
    let Some(file) = counts.hashes.as_ref().and_then(|files| files.first()) else {
        return Err(Fault::no(&place, "没有公布选票哈希清单").mend("请向组织投票的机构和监票人要这张清单"));
    };
    let hashes = office.hashes(&file.hash)?.filter(|hashes| tally::ballots_root(hashes) == counts.ballots);
    let hashes = hashes.ok_or_else(|| Fault::ours(&place, "公布的选票哈希清单与公布的树根不符"))?;
    let is_in = hashes.contains(&ballot);
    let (all, of) = (hashes.len(), counts.accepted);
    let told = if all as u64 != of {
        return Err(Fault::ours(&place, format!("清单有 {all} 张选票，公布的有效票是 {of} 张")));
    } else if is_in {
        format!("您的选票在公布的 {all} 张有效票里\n  选票 {ballot}")
    } else {
        format!(
            "您的选票不在公布的 {all} 张有效票里\n  选票 {ballot}\n请带上回执告诉监票人和上级机关：回执里有账本签名的收件承诺。"
        )
    };
    let machine = || json!({"ballot": ballot, "counted": is_in, "accepted": all}).to_string();
    terminal::say(if options.json { machine() } else { told })?;
    Ok(Verdict::of(is_in))
}

/// Hash of the ballot that a receipt is for.
fn ballot(options: &CheckArgs) -> Result<Digest, Fault> {
    let place = options.receipt.display().to_string();
    let mut text = String::new();
    let read = File::open(&options.receipt).and_then(|file| file.take(RECEIPT_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|error| Fault::failed(&place, &error))?;
    let receipt: Value = serde_json::from_str(&text).unwrap_or_default();
    let hash = receipt["statement_hash"].as_str().and_then(|hash| Digest::parse(hash).ok());
    hash.ok_or_else(|| Fault::usage(&place, "不是投票的回执").mend("请用投票时 gongkai hand-in --out 留下的文件"))
}
