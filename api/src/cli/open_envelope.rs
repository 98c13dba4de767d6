//! `open-envelope`: a receiver reads what was encrypted to their body, on their own machine.
//!
//! What comes out was proven against the statement's root: an envelope that holds something else than was committed is
//! named as such, and so is one that is not for this key.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use gongkai_domain::envelope::Envelope;
use gongkai_domain::kind;
use gongkai_domain::submission::Filled;
use gongkai_domain::vault::VaultError;
use gongkai_log::{Opening, Statement};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{terminal, values};
use crate::citizen::statement_of;
use crate::keyfile::ReceiverKey;
use crate::outcome::{Fault, Outcome, Verdict};

/// Most bytes of a content file: an envelope in base64 with its note.
const CONTENT_BYTES_MAX: u64 = 2 << 20;

/// Options of `open-envelope`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai open-envelope --key chen-receiver.key content.json\n\n\
    内容文件是内部页面给出的 JSON（含 note 和 envelope）。解开后核对过与提交时封存的一致。\n\
    请在自己的机器上运行；解密钥匙不要放到服务器上。")]
pub struct Args {
    /// 收件人的解密钥匙文件（gongkai keygen --receiver 生成）
    #[arg(long, value_name = "文件")]
    key: PathBuf,
    /// 钥匙有口令时，从文件第一行读取
    #[arg(long, value_name = "文件")]
    passphrase_file: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
    /// 内容文件
    #[arg(value_name = "文件")]
    file: PathBuf,
}

/// What is used of the internal side's answer.
#[derive(Deserialize)]
struct Content {
    note: String,
    envelope: Option<Envelope>,
}

/// Opens and prints.
///
/// # Errors
/// No content file, a key that cannot be used, an envelope that is not for it or does not hold what was committed.
pub fn run(args: &Args) -> Outcome {
    let mut asked = Ok(None);
    let key = ReceiverKey::read(&args.key, || {
        asked = terminal::passphrase(args.passphrase_file.as_ref(), &args.key);
        asked.as_ref().ok().cloned().flatten()
    });
    asked?;
    let (key, place) = (key?, args.file.display().to_string());
    let Content { note, envelope } = content(&args.file)?;
    let envelope = envelope.ok_or_else(|| Fault::usage(&place, "里面没有加密的内容（envelope）"))?;
    let signed = statement_of(&note).map_err(|reason| Fault::usage(&place, reason))?;
    let opened = open(&envelope, &signed.statement, &key).map_err(|error| refused(&place, error))?;
    terminal::say(if args.json { machine(&opened) } else { human(&signed.statement, &opened) })?;
    Ok(Verdict::Yes)
}

fn content(file: &Path) -> Result<Content, Fault> {
    use std::io::Read as _;
    let place = file.display().to_string();
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|opened| opened.take(CONTENT_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|error| Fault::usage(place.clone(), error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| Fault::usage(place, format!("不是内部页面给出的内容（{error}）")))
}

/// The key file does not name the appointment, so every wrap is tried; there are few.
fn open(envelope: &Envelope, statement: &Statement, key: &ReceiverKey) -> Result<Vec<Opening>, VaultError> {
    let secret = key.secret();
    let mut why = VaultError::Wrap;
    for to in &envelope.to {
        match envelope.open(statement, &to.receiver, &secret) {
            Ok(filled) => {
                let open = filled.into_iter().filter_map(|filled| match filled {
                    Filled::Open(opening) => Some(opening),
                    _ => None,
                });
                return Ok(open.collect());
            }
            Err(VaultError::Wrap) => {}
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn refused(place: &str, error: VaultError) -> Fault {
    match error {
        VaultError::Wrap => {
            Fault::no(place, "这份内容不是加密给这把钥匙的").mend("所反映的人、其他机构的收件人和换过的钥匙都打不开")
        }
        VaultError::Commitment => Fault::no(place, "信封里的内容与提交时封存的不一致：提交人放进了别的内容，不能采用"),
        _ => Fault::no(place, "信封被改动过，或属于另一份声明"),
    }
}

fn machine(opened: &[Opening]) -> String {
    let fields: Map<String, Value> = opened.iter().map(|one| (one.name.clone(), one.value.clone())).collect();
    Value::Object(fields).to_string()
}

fn human(statement: &Statement, opened: &[Opening]) -> String {
    let kind = kind::find(&statement.kind);
    let mut text = kind.map_or(statement.kind.as_str(), |kind| kind.label).to_owned();
    let order = |opening: &Opening| {
        let place = kind.and_then(|kind| kind.fields.iter().position(|field| field.name == opening.name));
        place.unwrap_or(usize::MAX)
    };
    let mut sorted: Vec<&Opening> = opened.iter().collect();
    sorted.sort_by_key(|opening| order(opening));
    for opening in sorted {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}", values::line(kind, &opening.name, &opening.value));
    }
    text
}
