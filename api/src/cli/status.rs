//! `status`: how far one's own matter is, by its code.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset};
use gongkai_domain::gap;
use gongkai_log::Digest;
use serde_json::{Value, json};

use super::sides::PublicSide;
use super::{local, terminal};
use crate::citizen::Office;
use crate::gap::desk::{self, Desk};
use crate::http::zone;
use crate::keyfile;
use crate::opening_file::Kept;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai status --url https://gk.example.gov.cn 7K2M-9QXA-40TB-RZ8C\n  \
    $ gongkai status --url https://gk.example.gov.cn 7K2M-9QXA-40TB-RZ8C --out proof.json\n\n\
    推荐、评议和选票只说明收到和记入账本，不说明内容。\n\
    从收件处提交的，查询码有 24 位：gongkai status --url 镜像 --intake 收件处 查询码。\n\
    --out 写下记入账本的证明，以后不用网络也能和内容文件一起核验：gongkai verify 内容文件 --kept proof.json")]
pub struct Args {
    #[command(flatten)]
    at: PublicSide,
    /// 从收件处提交的：收件处的网址，--url 是镜像的网址
    #[arg(long, value_name = "网址", conflicts_with = "out")]
    intake: Option<String>,
    /// 记入账本的证明写到哪个文件（已有的文件不会覆盖）
    #[arg(long, value_name = "文件")]
    out: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
    /// 查询码
    #[arg(value_name = "查询码")]
    code: String,
}

/// Asks and prints.
///
/// # Errors
/// No such code, no ledger there, a proof that is asked for and not there yet.
pub fn run(args: &Args) -> Outcome {
    let office = args.at.office()?;
    if let Some(url) = &args.intake {
        return through(args, &office, url);
    }
    let status = office.status(&args.code)?;
    terminal::say(if args.json { status.to_string() } else { human(&status) })?;
    if let Some(out) = &args.out {
        let text = serde_json::to_string_pretty(&kept(&office, &status["kept"])?);
        let text = text.map_err(|error| Fault::failed("证明", &error))?;
        keyfile::write_private(out, format!("{text}\n").as_bytes())?;
    }
    Ok(Verdict::Yes)
}

/// What the capsule of a code says, proven under what the ledger put on record.
fn through(args: &Args, office: &Office, url: &str) -> Outcome {
    let desk = Desk::find(office, url, local::agent(args.at.ca.as_ref())?)?;
    let status = desk.status(&desk::secret(&args.code)?)?;
    if args.json {
        terminal::say(json!(status))?;
        return Ok(Verdict::Yes);
    }
    let as_of = status.as_of.with_timezone(&zone()).format("%Y-%m-%d %H:%M");
    let answer = match status.answer.outcome {
        gap::Outcome::Accepted => "账本已收下",
        gap::Outcome::Refused => "账本不予受理，回执在 --json 的 note 里",
    };
    terminal::say(format_args!("{answer}（答复记在第 {} 号，截至 {as_of}）", status.answer.index))?;
    if let Some(matter) = &status.matter {
        terminal::say(human(&matter.shown))?;
        if matter.is_cut {
            terminal::say("内容太长，这里没有写全；请凭查询码到办理机构查看全文")?;
        }
    }
    Ok(Verdict::Yes)
}

fn kept(office: &Office, kept: &Value) -> Result<Kept, Fault> {
    let none = || Fault::no("--out", "还没有记入账本，没有证明").mend("请在承诺的期限之后再取");
    let index = kept["index"].as_u64().ok_or_else(none)?;
    let digest = |value: &Value| value.as_str().and_then(|text| Digest::parse(text).ok());
    let path: Option<Vec<Digest>> = kept["path"].as_array().ok_or_else(none)?.iter().map(digest).collect();
    let leaf = kept["leaf"].as_u64().and_then(|leaf| usize::try_from(leaf).ok());
    let (entry, proof) = office.entry_and_proof(index)?;
    let commitment = digest(&kept["commitment"]).ok_or_else(none)?;
    Ok(Kept { commitment, leaf: leaf.ok_or_else(none)?, path: path.ok_or_else(none)?, entry, proof })
}

fn human(status: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines =
        vec![format!("状态：{}", text(&status["state"])), format!("收到：{}", time(&status["received_at"]))];
    if let Some(ballot) = status["ballot"].as_str() {
        lines.push(format!("选票：{ballot}（票数公布以后，在选票哈希清单里，就是计进去了）"));
    }
    lines.push(match status["kept"]["index"].as_u64() {
        Some(index) => format!("入账：第 {index} 号条目"),
        None => format!("入账：还没有，最迟 {}", time(&status["deadline"])),
    });
    for step in status["steps"].as_array().into_iter().flatten() {
        lines.push(format!("{}  {}", time(&step["received_at"]), text(&step["label"])));
        for field in step["fields"].as_array().into_iter().flatten() {
            let value = field["value"].as_str().map_or_else(|| field["value"].to_string(), str::to_owned);
            lines.push(format!("    {}：{value}", text(&field["label"])));
        }
    }
    for due in status["dues"].as_array().into_iter().flatten() {
        let over = match due["days_over"].as_u64() {
            Some(days) if days > 0 => format!("，已逾期 {days} 天"),
            _ => String::new(),
        };
        let rule = due["rule"].as_str().map_or(String::new(), |rule| format!("，依据：{rule}"));
        lines.push(format!("接下来：{}，最迟 {}{over}{rule}", text(&due["what"]), text(&due["due_on"])));
    }
    lines.join("\n")
}

fn time(value: &Value) -> String {
    let time = value.as_str().and_then(|text| text.parse::<DateTime<FixedOffset>>().ok());
    time.map_or(String::new(), |time| time.with_timezone(&zone()).format("%Y-%m-%d %H:%M").to_string())
}
