//! `review`: the second and the third of the four steps (审核、审批): a gate is passed, a draft returned or approved.
//!
//! What is next is found out before anything is signed, so a reviewer names the review and nothing else. Reading the
//! draft is an act of its own, `show`: the access is on record before the content is shown.

use std::path::PathBuf;

use gongkai_domain::procedure::{Gate, Step};
use gongkai_log::{Digest, StreamId};
use serde_json::{Value, json};

use super::local::{self, Alone, Place};
use super::{showing, submit, terminal};
use crate::client::{Answer, Client, Hand, Item};
use crate::outcome::{Fault, Outcome, Verdict};
use crate::reviewing::{Desk, Next, Standing};

/// What is done with a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Tells where it stands.
    Status,
    /// Shows the draft and the opinions.
    Show,
    /// Passes the gate.
    Pass,
    /// Returns the draft.
    Return,
    /// Approves it.
    Approve,
}

const ACTS: [(Act, &str, &str); 5] = [
    (Act::Status, "status", "走到哪一步"),
    (Act::Show, "show", "看送审稿和意见"),
    (Act::Pass, "pass", "通过"),
    (Act::Return, "return", "退回"),
    (Act::Approve, "approve", "审批"),
];

fn act(text: &str) -> Result<Act, String> {
    let found = ACTS.iter().find(|(_, word, label)| *word == text || *label == text);
    found.map(|(act, _, _)| *act).ok_or_else(|| {
        let known: Vec<_> = ACTS.iter().map(|(_, word, label)| format!("{word}（{label}）")).collect();
        format!("没有这个动作，可用：{}", known.join("、"))
    })
}

fn gate(text: &str) -> Result<Gate, String> {
    let found = Gate::ALL.iter().copied().find(|gate| gate.wire() == text || gate.label() == text);
    found.ok_or_else(|| {
        let known: Vec<_> = Gate::ALL.iter().map(|gate| format!("{}（{}）", gate.wire(), gate.label())).collect();
        format!("没有这一关，可用：{}", known.join("、"))
    })
}

/// Options of `review`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai review --dir ledger --key wu.key show review/5ea1ed00-0000-4000-8000-000000000001\n  \
    $ gongkai review --dir ledger --key wu.key pass review/5ea1ed00-0000-4000-8000-000000000001 --opinion 账实相符\n  \
    $ gongkai review --dir ledger --key wu.key return review/5ea1ed00-0000-4000-8000-000000000001 --opinion 缺少附件\n  \
    $ gongkai review --dir ledger --key head.key approve review/5ea1ed00-0000-4000-8000-000000000001\n\n\
    动作：status 走到哪一步、show 看送审稿和意见（先记下查阅）、pass 通过、return 退回、approve 审批。\n\
    同一人在一项审核中只能办理一关，送审人不能办理自己的稿件。"
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    author: Alone,
    /// 哪一关；不写则是正等着的一关
    #[arg(long, value_name = "审核关", value_parser = gate)]
    gate: Option<Gate>,
    /// 审核意见；退回时是退回原因，必须写
    #[arg(long, value_name = "文字")]
    opinion: Option<String>,
    /// 待发箱目录：签好的内容先存在这里再发出
    #[arg(long, value_name = "目录")]
    outbox: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
    /// status、show、pass、return 或 approve
    #[arg(value_name = "动作", value_parser = act)]
    act: Act,
    /// 审核编号，review/ 开头
    #[arg(value_name = "审核编号")]
    review: StreamId,
}

/// Does one thing with a review.
///
/// # Errors
/// There is no such review for whoever asks, a key that cannot be used, no ledger.
pub async fn run(args: Args) -> Outcome {
    let hand = args.author.hand()?;
    if args.act == Act::Return && args.opinion.is_none() {
        return Err(Fault::usage("--opinion", "退回时必须写明原因，送审人才知道改哪里"));
    }
    let visit = args.place.visit(&hand.key)?;
    let mut client = args.place.client(local::clock()).await?;
    let ledger = client.ledger().cloned();
    let done = match (&ledger, &visit) {
        (Some(ledger), _) => handle(&args, hand, &mut client, &Desk::Here(ledger)).await,
        (None, Some(visit)) => handle(&args, hand, &mut client, &Desk::There(visit)).await,
        (None, None) => Err(Fault::usage("--dir、--url", "必须给出其中一个")),
    };
    client.close().await;
    if let Some(visit) = visit {
        visit.sign_out();
    }
    done
}

async fn handle(args: &Args, hand: Hand, client: &mut Client, desk: &Desk<'_>) -> Outcome {
    if args.act == Act::Show {
        return showing::show(client, desk, &hand, &args.review, args.json).await;
    }
    let standing = desk.standing(&args.review).await?;
    if args.act == Act::Status {
        return status(args, &standing);
    }
    let step = step(args, &standing)?;
    let (kind, fields) = fields(args, step, &desk.person(hand.key.name())?);
    let command = json!({"kind": kind, "stream": args.review, "org": standing.body.code, "fields": fields});
    // A person acts once in a review: a second run of the same is the first one again.
    let identity = Digest::of(format!("{}\n{kind}\n{}", args.review, hand.key.name()).as_bytes());
    let id = format!("review-{}", identity.to_hex());
    let item = Item { place: args.review.to_string(), id, command };
    if let Some(head) = standing.head {
        client.know(&args.review, head);
    }
    let hands = [Hand { role: Some(step.role), ..hand }];
    let outbox = args.outbox.clone().unwrap_or_else(|| args.place.outbox());
    let (answer, is_again) = submit::one(client, &item, &hands, &outbox, &identity).await?;
    let after = match &answer {
        Answer::Refused(_) => standing,
        _ if is_again => desk.standing(&args.review).await?,
        _ => standing.after(kind),
    };
    tell(args, &item, &answer, &after)
}

fn status(args: &Args, standing: &Standing) -> Outcome {
    if args.json {
        terminal::say(json!({"review": args.review, "standing": standing.to_json()}))?;
    } else {
        terminal::say(standing.sentence(&args.review))?;
    }
    Ok(Verdict::Yes)
}

/// The step that is taken: the one that was named, or the one that is waited for.
fn step(args: &Args, standing: &Standing) -> Result<&'static Step, Fault> {
    let place = args.review.to_string();
    let waiting = match standing.next() {
        Next::Step(step, _) => step,
        Next::Returned => return Err(Fault::no(place, "这项审核已退回").mend("请送审人修改后另行送审")),
        Next::Publication => return Err(Fault::no(place, "这项审核已经走完").mend("请送审人用 gongkai publish 公开")),
    };
    let wanted = match args.act {
        Act::Approve => Some(Gate::Approval),
        _ => args.gate,
    };
    let Some(gate) = wanted else {
        if args.act == Act::Pass && waiting.gate == Gate::Approval {
            return Err(Fault::no(place, "现在等的是「书记审批」").mend("请审批人用 approve"));
        }
        return Ok(waiting);
    };
    if gate != waiting.gate {
        let cause = format!("现在应过「{}」，还不能过「{}」", waiting.gate.label(), gate.label());
        return Err(Fault::no(place, cause).mend(format!("请先由 {}办理", standing.body.who(waiting))));
    }
    Ok(waiting)
}

fn fields(args: &Args, step: &Step, person: &StreamId) -> (&'static str, Value) {
    let (kind, opinion) = match args.act {
        Act::Return => ("review.returned.v1", "reason"),
        Act::Approve => ("review.approved.v1", "opinion"),
        _ => ("review.gate_passed.v1", "opinion"),
    };
    let mut fields = json!({"person": person});
    if args.act != Act::Approve {
        fields["gate"] = json!(step.gate.wire());
    }
    if let Some(text) = &args.opinion {
        fields[opinion] = json!(text);
    }
    (kind, fields)
}

fn tell(args: &Args, item: &Item, answer: &Answer, after: &Standing) -> Outcome {
    let refused = matches!(answer, Answer::Refused(_));
    if args.json {
        let mut told: Value = serde_json::from_str(&submit::machine(item, answer)).unwrap_or_default();
        told["review"] = json!({"stream": args.review, "standing": after.to_json()});
        terminal::say(told)?;
    } else {
        terminal::say(submit::human(item, answer))?;
        terminal::say(after.sentence(&args.review))?;
    }
    Ok(Verdict::of(!refused))
}
