//! `draft`: the first of the four steps (提出). A command gets its bytes, which are kept in a file, and goes to its
//! reviewers.
//!
//! The file is on the disk before the submission leaves: what is approved cannot be lost on the way. A run with the
//! same command and file after a crash sends the same submission again, never a second one.

use std::path::PathBuf;

use gongkai_domain::Command;
use gongkai_domain::field::PersonId;
use gongkai_domain::kind::review;
use gongkai_domain::procedure::REFERENCE;
use gongkai_log::{Digest, StreamId};
use serde_json::{Value, json};

use super::local::{self, Alone, Place};
use super::{submit, terminal};
use crate::client::{Answer, Client, Hand, Item};
use crate::draftfile::{self, DraftFile};
use crate::outcome::{Fault, Outcome, Verdict};
use crate::reviewing::{self, Desk, Standing};

/// Options of `draft`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai draft --dir ledger --key clerk.key --out 三月账.draft 三月账.json\n  \
    $ gongkai draft --dir ledger --key clerk.key --after 三月账.draft --out 三月账-2.draft 三月账-改.json\n  \
    $ gongkai draft --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --key clerk.key --out a.draft a.json\n\n\
    把命令写成送审稿（审核、公开的就是这一份，一个字都不能再改），并送审。送审稿文件含启封值，\n\
    只有本人能读，请留到公开以后。中断后用同样的命令再运行一次，不会送审两次。\n\
    退回以后：改好命令文件，用 --after 指出被退回的送审稿文件，另行送审。")]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    author: Alone,
    /// 送审稿写到这个文件，不覆盖已有的
    #[arg(long, value_name = "文件")]
    out: PathBuf,
    /// 修改后再次送审：被退回的送审稿文件
    #[arg(long, value_name = "文件")]
    after: Option<PathBuf>,
    /// 待发箱目录：签好的内容先存在这里再发出
    #[arg(long, value_name = "目录")]
    outbox: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
    /// 命令文件，只有一条命令；- 是标准输入
    #[arg(value_name = "命令文件")]
    file: PathBuf,
}

/// Writes the draft and submits it for review.
///
/// # Errors
/// A command that needs no review, a file that exists, a key that cannot be used, no ledger.
pub async fn run(args: Args) -> Outcome {
    let author = args.author.hand()?;
    let (digest, command) = one_command(&args)?;
    let visit = args.place.visit(&author.key)?;
    let mut client = args.place.client(local::clock()).await?;
    let ledger = client.ledger().cloned();
    let done = match (&ledger, &visit) {
        (Some(ledger), _) => draft(&args, &author, (digest, command), &mut client, &Desk::Here(ledger)).await,
        (None, Some(visit)) => draft(&args, &author, (digest, command), &mut client, &Desk::There(visit)).await,
        (None, None) => Err(Fault::usage("--dir、--url", "必须给出其中一个")),
    };
    client.close().await;
    if let Some(visit) = visit {
        visit.sign_out();
    }
    done
}

/// The file's one command, which names no review yet.
fn one_command(args: &Args) -> Result<(Digest, Command), Fault> {
    let (digest, mut items) = submit::read(&args.file)?;
    let place = args.file.display().to_string();
    let (Some(item), true) = (items.pop(), items.is_empty()) else {
        return Err(Fault::usage(place, "一份送审稿只能有一条命令").mend("请分成几个文件，各自送审"));
    };
    let command = Command::from_value(item.command)?;
    if !command.kind()?.is_gated() {
        return Err(
            Fault::no(place, format!("「{}」不须审核", command.kind()?.label)).mend("请直接用 gongkai submit 提交")
        );
    }
    if command.fields.contains_key(REFERENCE) {
        let cause = format!("命令里已有审核编号（{REFERENCE}）");
        return Err(Fault::usage(place, cause).mend("请删去这一项：编号由本命令生成"));
    }
    Ok((digest, command))
}

async fn draft(
    args: &Args,
    author: &Hand,
    (digest, command): (Digest, Command),
    client: &mut Client,
    desk: &Desk<'_>,
) -> Outcome {
    if matches!(desk, Desk::Here(ledger) if ledger.sealed_reader().is_none()) {
        return Err(reviewing::locked());
    }
    let person = PersonId(desk.person(author.key.name())?);
    let body = desk.body(&command.org)?;
    let (file, is_new) = match DraftFile::read(&args.out)? {
        Some(file) if file.command == digest => (file, false),
        Some(_) => return Err(draftfile::exists(&args.out)),
        None => (write(args, author, (digest, command), client).await?, true),
    };
    let prepared = file.prepared(&args.out)?;
    let body = body.publishing(&prepared.statement);
    let submission = review::submission_of(&prepared, body.procedure, &person, file.previous.as_ref())?;
    let item = Item {
        place: args.out.display().to_string(),
        id: format!("draft-{}", file.review.id),
        command: json!(submission),
    };
    let answer = send(args, client, &item, author, &file.digest()).await?;
    if matches!(answer, Answer::Refused(_)) && is_new {
        // Nobody reviews it; the next attempt writes another.
        let removed = std::fs::remove_file(&args.out);
        removed.map_err(|error| Fault::failed(args.out.display().to_string(), &error))?;
    }
    let standing = Standing { body, head: None, kinds: Vec::new() }.after(review::SUBMITTED);
    tell(args, &item, &answer, &file.review, &standing)
}

/// Prepares the command with a review of its own, and writes it down.
async fn write(
    args: &Args,
    author: &Hand,
    (digest, mut command): (Digest, Command),
    client: &mut Client,
) -> Result<DraftFile, Fault> {
    let review = local::new_stream(review::SUBMITTED, &*local::clock());
    command.fields.insert(REFERENCE.to_owned(), json!(review));
    let mut previous = None;
    if let Some(after) = &args.after {
        let returned = DraftFile::require(after)?;
        let target = returned.prepared(after)?.statement.stream;
        command.stream.get_or_insert(target);
        previous = Some(returned.review);
    }
    let prepared = client.draft(&command, author).await??;
    let file = DraftFile::new(prepared, review, previous, digest, command.declared_at.is_some());
    file.write(&args.out)?;
    Ok(file)
}

async fn send(args: &Args, client: &mut Client, item: &Item, author: &Hand, digest: &Digest) -> Result<Answer, Fault> {
    let outbox = args.outbox.clone().unwrap_or_else(|| args.place.outbox());
    let sent = submit::one(client, item, std::slice::from_ref(author), &outbox, digest).await?;
    Ok(sent.0)
}

fn tell(args: &Args, item: &Item, answer: &Answer, review: &StreamId, standing: &Standing) -> Outcome {
    let refused = matches!(answer, Answer::Refused(_));
    if args.json {
        let mut told: Value = serde_json::from_str(&submit::machine(item, answer)).unwrap_or_default();
        if !refused {
            told["review"] = json!({"stream": review, "standing": standing.to_json()});
            told["draft"] = json!(args.out);
        }
        terminal::say(told)?;
    } else {
        terminal::say(submit::human(item, answer))?;
        if !refused {
            terminal::say(format!("审核编号 {review}\n送审稿在 {}，请留到公开以后", args.out.display()))?;
            terminal::say(standing.sentence(review))?;
        }
    }
    Ok(Verdict::of(!refused))
}
