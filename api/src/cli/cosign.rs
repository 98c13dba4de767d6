//! `cosign`: somebody with a registered key signs beside an author from outside, where the ledger is behind a network gap.

use std::path::PathBuf;

use gongkai_domain::kind;
use gongkai_store::HandedIn;
use serde_json::{Value, json};

use super::sides::PublicSide;
use super::{local, showing, terminal};
use crate::gap::cosigning::{Came, CameTo};
use crate::gap::desk::Desk;
use crate::gap::signer::{self, Answered, Shown, Signer};
use crate::http::zone;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `cosign`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  \
    $ gongkai cosign --url https://gk.example.gov.cn --intake https://sj.example.gov.cn --key wang.key --book wang.book\n  \
    $ gongkai cosign --url https://gk.example.gov.cn --intake https://sj.example.gov.cn --key wang.key --book wang.book --sign 5ea1ed00\n\n\
    账本在内网、人在外面时用：--url 给镜像，--intake 给收件处。第一次运行是用钥匙去问；账本答复以后再运行，就看到等您联署的稿件。\n\
    看到的是将来公开的内容，先核对它和要签的声明一致，才显示、才签名。--sign 后面写稿件编号（开头几位即可），可以写几次。\n\
    签名和新的询问装在一件里，加密给账本；收件处和送盘的人看不出是谁、签没签。签齐的，账本自动提交。\n\
    联署簿里有开答复的查询码，只有本人能读；没有得到答复（断网、断电）的，再运行一次，原样重发。")]
pub struct Args {
    #[command(flatten)]
    at: PublicSide,
    /// 互联网一侧收件处的网址
    #[arg(long, value_name = "网址")]
    intake: String,
    /// 自己的私钥文件
    #[arg(long, value_name = "文件")]
    key: PathBuf,
    /// 私钥有口令时，从文件第一行读取
    #[arg(long, value_name = "文件")]
    passphrase_file: Option<PathBuf>,
    /// 联署簿：记着查询码的文件，没有就新建
    #[arg(long, value_name = "文件")]
    book: PathBuf,
    /// 签这份稿件
    #[arg(long, value_name = "编号")]
    sign: Vec<String>,
    /// 不管有没有答复，再去问一次
    #[arg(long, conflicts_with = "sign")]
    again: bool,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// Asks, shows or signs.
///
/// # Errors
/// No intake of this ledger there, no such draft, an answer that is not proven.
pub fn run(args: &Args) -> Outcome {
    let office = args.at.office()?;
    let desk = Desk::find(&office, &args.intake, local::agent(args.at.ca.as_ref())?)?;
    let key = local::person_key(&args.key, args.passphrase_file.as_ref())?;
    let mut signer = Signer::open(&desk, &key, &args.book)?;
    let now = local::clock().now();
    if let Some(handed) = signer.send_again()? {
        terminal::remark("上次的一件没有得到答复，已原样重发；已经收下的不会重复");
        return sent(args, &handed, 0);
    }
    if signer.is_new() || args.again {
        return sent(args, &signer.ask(&[], now)?, 0);
    }
    let answered = signer.answered()?;
    if args.sign.is_empty() {
        return match answered {
            Some(answered) => show(args, &answered),
            None => {
                Err(Fault::no("联署", "账本还没有答复").mend("请过一会儿再看；过了承诺的期限还没有，可以向上级投诉"))
            }
        };
    }
    let waiting = answered.map(|answered| answered.requests).unwrap_or_default();
    let chosen = args.sign.iter().map(|given| signer::chosen(&waiting, given)).collect::<Result<Vec<_>, _>>()?;
    let handed = signer.ask(&chosen, now)?;
    sent(args, &handed, chosen.len())
}

fn sent(args: &Args, handed: &HandedIn, signed: usize) -> Outcome {
    let deadline = handed.deadline.with_timezone(&zone()).format("%Y-%m-%d %H:%M");
    let said = if signed > 0 {
        format!("已签名 {signed} 份并送出")
    } else {
        "已去问等您联署的稿件".to_owned()
    };
    terminal::say(if args.json {
        json!({ "handed_in": handed, "signed": signed }).to_string()
    } else {
        format!("{said}，账本将在 {deadline} 前答复。到时再运行一次这个命令（不带 --sign）。")
    })?;
    Ok(Verdict::Yes)
}

fn show(args: &Args, answered: &Answered) -> Outcome {
    if args.json {
        terminal::say(machine(answered))?;
        return Ok(Verdict::Yes);
    }
    let Answered { status, requests, left_out, came } = answered;
    let as_of = status.as_of.with_timezone(&zone()).format("%Y-%m-%d %H:%M");
    if status.answer.outcome == gongkai_domain::gap::Outcome::Refused {
        return Err(Fault::no("联署", "账本不予受理：这把钥匙没有登记、已经注销，或签名不符"));
    }
    for one in came {
        terminal::say(told(one))?;
    }
    match requests.as_slice() {
        [] => terminal::say(format_args!("没有等您联署的稿件（截至 {as_of}）"))?,
        requests => {
            terminal::say(format_args!("等您联署的稿件 {} 份（截至 {as_of}）", requests.len()))?;
            for shown in requests {
                terminal::say(human(shown))?;
            }
        }
    }
    if *left_out > 0 {
        terminal::say(format_args!("另有 {left_out} 份太长或太多，没有送出来，请到内网办理"))?;
    }
    Ok(Verdict::Yes)
}

fn told(Came { draft, to }: &Came) -> String {
    match to {
        CameTo::Kept => format!("{draft}：签名已收下，等其他人签"),
        CameTo::Recorded { accepted } => match accepted.clone().entry() {
            Some(receipt) => format!("{draft}：签齐了，已记入账本，第 {} 号", receipt.index),
            None => format!("{draft}：签齐了，账本已收下"),
        },
        CameTo::Gone => format!("{draft}：这份稿件已经提交、撤回或过期，不用再签"),
        CameTo::Refused { reason, .. } => format!("{draft}：没有收下签名：{reason}"),
    }
}

fn human(Shown { request, statement, open }: &Shown) -> String {
    let kind = kind::find(&statement.kind).map_or(statement.kind.as_str(), |kind| kind.label);
    let mut lines = vec![format!("\n【{kind}】{}", request.label), format!("  编号：{}", request.draft)];
    lines.push(format!("  机构：{}", statement.org));
    lines.extend(showing::said(statement, open, &request.content.lines).into_iter().map(|line| format!("  {line}")));
    lines.push(format!("  还没有签名的钥匙：{}", request.left.join("、")));
    lines.push(format!("  签名：--sign {}", &request.draft.to_string()[..8]));
    lines.join("\n")
}

fn machine(Answered { status, requests, left_out, came }: &Answered) -> Value {
    let requests: Vec<_> = requests.iter().map(|shown| json!(shown.request)).collect();
    json!({ "as_of": status.as_of, "answer": status.answer, "requests": requests, "left_out": left_out, "came": came })
}
