//! `publish`: the last of the four steps (实施). What was approved is signed, exactly, by its author and by those who
//! decided, and recorded.
//!
//! Nothing is prepared here: body and slots are those of the draft's file, only the signers and the time are new.

use std::path::PathBuf;

use gongkai_domain::{Prepared, Role};
use gongkai_log::{Signer, SigningKey};
use serde_json::{Value, json};

use super::local::{self, Place, Signing};
use super::{submit, terminal};
use crate::client::{Answer, Client, Hand, Item};
use crate::draftfile::DraftFile;
use crate::outbox::Outbox;
use crate::outcome::{Fault, Outcome, Verdict};
use crate::reviewing::{self, Body, Desk};

/// Options of `publish`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai publish --dir ledger --key clerk.key --cosign wu.key --cosign zhou.key --cosign head.key 三月账.draft\n  \
    $ gongkai publish --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --key officer.key --cosign approver=chief.key a.draft\n\n\
    照审定的原稿签名公开。谁在审核中办理，公开时就由谁共同签名：县级是书记，村级是两名监督人和书记。\n\
    中断后用同样的命令再运行一次，不会公开两次。"
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    signing: Signing,
    /// 待发箱目录：签好的内容先存在这里再发出
    #[arg(long, value_name = "目录")]
    outbox: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
    /// 送审稿文件，gongkai draft 写下的
    #[arg(value_name = "送审稿")]
    draft: PathBuf,
}

/// Signs the approved draft and submits it.
///
/// # Errors
/// A file that is no draft of this ledger, a key that cannot be used, no ledger.
pub async fn run(args: Args) -> Outcome {
    let hands = args.signing.hands()?;
    let file = DraftFile::require(&args.draft)?;
    let author = hands.first().ok_or_else(|| Fault::usage("--key", "必须给出"))?;
    let visit = args.place.visit(&author.key)?;
    let mut client = args.place.client(local::clock()).await?;
    let ledger = client.ledger().cloned();
    let done = match (&ledger, &visit) {
        (Some(ledger), _) => publish(&args, &hands, &file, &mut client, &Desk::Here(ledger)).await,
        (None, Some(visit)) => publish(&args, &hands, &file, &mut client, &Desk::There(visit)).await,
        (None, None) => Err(Fault::usage("--dir、--url", "必须给出其中一个")),
    };
    client.close().await;
    if let Some(visit) = visit {
        visit.sign_out();
    }
    done
}

async fn publish(args: &Args, hands: &[Hand], file: &DraftFile, client: &mut Client, desk: &Desk<'_>) -> Outcome {
    let mut prepared = file.prepared(&args.draft)?;
    if prepared.statement.origin != client.origin() {
        let cause = format!("这是账本「{}」的送审稿，不是「{}」的", prepared.statement.origin, client.origin());
        return Err(Fault::usage(args.draft.display().to_string(), cause));
    }
    let body = desk.body(&prepared.statement.org)?.publishing(&prepared.statement);
    sign_up(&mut prepared, file, hands, &body, desk)?;
    let item = Item {
        place: args.draft.display().to_string(),
        id: format!("publish-{}", file.review.id),
        command: Value::Null,
    };
    let outbox = args.outbox.clone().unwrap_or_else(|| args.place.outbox());
    let mut outbox =
        Outbox::open(&outbox, client.origin(), &file.digest()).map_err(|error| Fault::failed("待发箱", &error))?;
    let keys: Vec<&SigningKey> = hands.iter().map(|hand| hand.key.as_ref()).collect();
    let answer = client.submit_prepared(&item, prepared, &keys, &mut outbox).await?;
    tell(args, &item, &answer, file, desk).await
}

/// Puts the signers into the statement, and the time of the publication unless the command named its own.
fn sign_up(
    prepared: &mut Prepared,
    file: &DraftFile,
    hands: &[Hand],
    body: &Body,
    desk: &Desk<'_>,
) -> Result<(), Fault> {
    let (author, others) = hands.split_first().ok_or_else(|| Fault::usage("--key", "必须给出"))?;
    let roles = match desk {
        Desk::Here(ledger) => {
            ledger.with_world(|world| reviewing::cosigner_roles(body.procedure, others, &body.code, Some(world)))
        }
        Desk::There(_) => reviewing::cosigner_roles(body.procedure, others, &body.code, None),
    };
    let roles = std::iter::once(author.role.unwrap_or(Role::Publisher)).chain(roles);
    let signer = |(hand, role): (&Hand, Role)| Signer { role: role.wire().into(), key: hand.key.name().into() };
    prepared.statement.signers = hands.iter().zip(roles).map(signer).collect();
    if !file.is_dated {
        prepared.statement.declared_at = local::china_time(local::clock().now());
    }
    prepared.text = prepared.statement.text().map_err(|error| Fault::failed("声明", &error))?;
    Ok(())
}

async fn tell(args: &Args, item: &Item, answer: &Answer, file: &DraftFile, desk: &Desk<'_>) -> Outcome {
    let refused = matches!(answer, Answer::Refused(_));
    // What is missing helps whoever was refused; that it cannot be found out takes nothing from the answer.
    let standing = if refused { desk.standing(&file.review).await.ok() } else { None };
    if args.json {
        let mut told: Value = serde_json::from_str(&submit::machine(item, answer)).unwrap_or_default();
        told["review"] = json!({"stream": file.review, "standing": standing.map(|standing| standing.to_json())});
        terminal::say(told)?;
    } else {
        terminal::say(submit::human(item, answer))?;
        if let Some(standing) = standing {
            terminal::say(standing.sentence(&file.review))?;
        }
    }
    Ok(Verdict::of(!refused))
}
