//! `submit`: files of commands, signed and sent; one receipt or refusal a line.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gongkai_log::Digest;
use gongkai_store::Clock;
use serde_json::{Value, json};

use super::local::{self, Place, Signing};
use super::terminal::{self, Progress};
use crate::client::{Answer, Client, Hand, Item};
use crate::outbox::Outbox;
use crate::outcome::{Fault, Outcome, Verdict};

/// Most bytes of one file of commands.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Options of `submit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai submit --dir ledger --key chen.key pledges.jsonl\n  \
    $ gongkai submit --url https://nb.example.gov.cn:8081 --ca internal-tls.pem --key chen.key --cosign supervisor=wu.key --cosign zhou.key book.json\n  \
    $ gongkai kinds pledge.made.v1 --sample | gongkai submit --dir ledger --key chen.key -\n\n\
    每条命令一个回执或一个理由。中断后用同样的命令再运行一次，已入账的不会重复；\n\
    有退回的，请把退回的几条改好另存一个文件再提交。")]
pub struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    signing: Signing,
    /// 待发箱目录：签好的内容先存在这里再发出
    #[arg(long, value_name = "目录")]
    outbox: Option<PathBuf>,
    /// 每条命令输出一行 JSON
    #[arg(long)]
    pub json: bool,
    /// 命令文件，JSON 或每行一条 JSON；- 是标准输入
    #[arg(required = true, value_name = "文件")]
    files: Vec<PathBuf>,
}

/// Signs and sends all commands of all files.
///
/// # Errors
/// A file that is no list of commands (nothing is sent then), a key that cannot be used, a ledger that
/// cannot be reached.
pub async fn run(args: Args) -> Outcome {
    let hands = args.signing.hands()?;
    let files = args.files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let outbox = args.outbox.clone().unwrap_or_else(|| args.place.outbox());
    let clock: Arc<dyn Clock> = local::clock();
    let mut client = args.place.client(clock).await?;
    let mut refused = 0;
    for (digest, items) in files {
        let mut outbox =
            Outbox::open(&outbox, client.origin(), &digest).map_err(|error| Fault::failed("待发箱", &error))?;
        refused += send(&mut client, &items, &hands, &mut outbox, args.json).await?;
    }
    client.close().await;
    Ok(Verdict::of(refused == 0))
}

/// Sends one file's commands; gives how many were refused.
async fn send(
    client: &mut Client,
    items: &[Item],
    hands: &[Hand],
    outbox: &mut Outbox,
    json: bool,
) -> Result<usize, Fault> {
    let progress = Progress::new("提交");
    let (mut done, mut refused, mut said) = (0_u64, 0, Ok(()));
    client
        .submit(items, hands, Some(outbox), &mut |item, answer| {
            done += 1;
            refused += usize::from(matches!(answer, Answer::Refused(_)));
            progress.tell(done, items.len() as u64);
            if said.is_ok() {
                said = terminal::say(if json { machine(item, answer) } else { human(item, answer) });
            }
        })
        .await?;
    said?;
    Ok(refused)
}

/// Signs and sends one command that no file holds; its outbox is named by a digest. Tells as well whether an
/// earlier run had signed it, and this one sent the same again.
///
/// # Errors
/// As [`Client::submit`].
pub async fn one(
    client: &mut Client,
    item: &Item,
    hands: &[Hand],
    outbox: &Path,
    digest: &Digest,
) -> Result<(Answer, bool), Fault> {
    let mut outbox = Outbox::open(outbox, client.origin(), digest).map_err(|error| Fault::failed("待发箱", &error))?;
    let (mut told, is_again) = (None, outbox.signed(&item.id).is_some());
    let mut tell = |_: &Item, answer: &Answer| told = Some(answer.clone());
    client.submit(std::slice::from_ref(item), hands, Some(&mut outbox), &mut tell).await?;
    let answer = told.ok_or_else(|| Fault::ours(item.place.as_str(), "没有应答"))?;
    Ok((answer, is_again))
}

/// One answer for people.
pub fn human(item: &Item, answer: &Answer) -> String {
    match answer {
        Answer::Recorded { receipt, stream } => {
            format!("{}  已入账，第 {} 号  {stream}", item.place, receipt.index)
        }
        Answer::Promised { promised, stream } => format!(
            "{}  已封存收件，{} 前记入账本  {stream}\n    查询码 {}",
            item.place,
            promised.deadline.with_timezone(&crate::http::zone()).format("%Y-%m-%d %H:%M"),
            promised.status_code
        ),
        Answer::Refused(refused) => format!("{}  未受理（{}）：{}", item.place, refused.code, refused.reason),
    }
}

/// One answer for programs.
pub fn machine(item: &Item, answer: &Answer) -> String {
    match answer {
        Answer::Recorded { receipt, stream } => {
            json!({"place": item.place, "id": item.id, "stream": stream, "receipt": receipt})
        }
        Answer::Promised { promised, stream } => {
            json!({"place": item.place, "id": item.id, "stream": stream, "promised": promised})
        }
        Answer::Refused(refused) => json!({"place": item.place, "id": item.id, "refused": refused}),
    }
    .to_string()
}

/// Reads a file of commands: its digest, and its commands with their idempotency keys.
///
/// # Errors
/// The file cannot be read, or holds something else; names the line.
pub fn read(file: &Path) -> Result<(Digest, Vec<Item>), Fault> {
    let name = if file == Path::new("-") { "标准输入".to_owned() } else { file.display().to_string() };
    let failed = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Fault::usage(name.clone(), "没有这个文件"),
        io::ErrorKind::InvalidData => Fault::usage(name.clone(), "不是 UTF-8 文字"),
        _ => Fault::failed(name.clone(), error),
    };
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
    };
    read.map_err(|error| failed(&error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Fault::usage(name, "文件太大").mend("请分成几个文件"));
    }
    let digest = Digest::of(text.as_bytes());
    Ok((digest, items(&name, &digest, &text)?))
}

/// The commands of a text: one JSON value, a list of them, or one a line.
fn items(name: &str, digest: &Digest, text: &str) -> Result<Vec<Item>, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered: Vec<(usize, Value)> = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(list)) => (1..).zip(list).collect(),
        Ok(single) => vec![(1, single)],
        Err(whole) => {
            let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
            let parsed = lines.map(|(number, line)| match serde_json::from_str(line) {
                Ok(value) => Ok((number, value)),
                Err(error) => Err(bad_json(name, number, &error, &whole)),
            });
            parsed.collect::<Result<_, _>>()?
        }
    };
    if numbered.is_empty() {
        return Err(Fault::usage(name, "里面没有命令"));
    }
    let hash = digest.to_hex();
    let item = |(number, command): (usize, Value)| {
        if !command.is_object() {
            return Err(Fault::usage(format!("{name}:{number}"), "应是一个 JSON 对象"));
        }
        Ok(Item { place: format!("{name}:{number}"), id: format!("{}-{number}", &hash[..32]), command })
    };
    numbered.into_iter().map(item).collect()
}

/// A file whose first line is broken is usually one JSON value over several lines: its own fault tells more.
fn bad_json(name: &str, number: usize, line: &serde_json::Error, whole: &serde_json::Error) -> Fault {
    let (number, error) = if number == 1 && whole.line() > 1 { (whole.line(), whole) } else { (number, line) };
    Fault::usage(format!("{name}:{number}"), format!("不是 JSON（{error}），什么都没有提交"))
        .mend("运行 gongkai kinds 种类 --sample 看一条样例")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Item>, Fault> {
        items("a.json", &Digest::of(text.as_bytes()), text)
    }

    #[test]
    fn a_file_is_one_command_a_list_or_one_a_line() {
        assert_eq!(parsed("{\"kind\":\n\"a\"}").unwrap().len(), 1);
        assert_eq!(parsed("[{},{}]").unwrap()[1].place, "a.json:2");
        let lines = parsed("\u{feff}{}\n\n{}\n").unwrap();
        assert_eq!([lines[0].place.as_str(), &lines[1].place], ["a.json:1", "a.json:3"]);
    }

    #[test]
    fn a_commands_identity_is_the_files_content_and_its_line() {
        let (one, again, other) = (parsed("{}\n{}").unwrap(), parsed("{}\n{}").unwrap(), parsed("{}\n{ }").unwrap());
        assert_eq!(one[0].id, again[0].id);
        assert_ne!(one[0].id, one[1].id);
        assert_ne!(one[0].id, other[0].id);
    }

    #[test]
    fn a_broken_line_is_named_and_nothing_is_taken() {
        let fault = parsed("{}\n{\n").unwrap_err();
        assert!(fault.place.ends_with(":2"), "{fault}");
        assert!(parsed("").is_err() && parsed("3").is_err() && parsed("[1]").is_err());
    }
}
