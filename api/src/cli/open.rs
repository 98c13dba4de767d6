//! `open`: reads the content of a sealed statement, after signing for it.
//!
//! The access record is made and signed here, with the key that signs in; the ledger records it before it shows
//! anything. What comes back is checked against the statement that was signed: every field leads to its
//! commitment, and the fields to the statement's root. `--due` lists what is promised to be opened to the public and is
//! not yet; that is no content, and needs no access record.

use gongkai_domain::{Command, Setting, kind::access::Purpose, prepare};
use gongkai_log::{Digest, Opening, SignedStatement, Signer, SigningKey, StreamId, slot};
use serde_json::{Value, json};

use super::sides::InternalSide;
use super::visit::{ROOT, Visit};
use super::{local, showing, telling, terminal};
use crate::keyfile;
use crate::outcome::{Fault, Outcome, Verdict};

/// Options of `open`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai open --url http://127.0.0.1:8081 --key chen.key --purpose handling letter/5ea1ed00-0000-4000-8000-000000000001\n  \
    $ gongkai open --url http://127.0.0.1:8081 --key chen.key --due\n\n\
    查阅先记录、后显示：查阅记录由您的钥匙签名，封存入账，督查人看得到；没有权限的查阅同样记录。\n\
    由收件人启封的信件（检举控告、异议）给出的是信封：加 --json 存成文件，请收件人用 open-envelope 打开。"
)]
pub struct Args {
    #[command(flatten)]
    at: InternalSide,
    /// 用途：handling（办理，默认）、review（审核）、inspection（督查）、request（当事人申请）
    #[arg(long, value_name = "用途", default_value = "handling", hide_default_value = true, value_parser = purpose)]
    purpose: Purpose,
    /// 说明，记在查阅记录里
    #[arg(long, value_name = "文字")]
    reason: Option<String>,
    /// 第几次修订（从 0 起，默认 0）
    #[arg(long, value_name = "数", default_value_t = 0, hide_default_value = true)]
    revision: u64,
    /// 输出 JSON：原文、盐和路径都在里面，可以自行核对，也是 open-envelope 要的文件
    #[arg(long)]
    pub json: bool,
    /// 不打开内容，只列出到期该启封、还没有启封的内容（不留查阅记录）
    #[arg(long, conflicts_with = "stream")]
    due: bool,
    /// 事项编号
    #[arg(value_name = "事项", required_unless_present = "due")]
    stream: Option<StreamId>,
}

pub fn purpose(text: &str) -> Result<Purpose, String> {
    let known = || Purpose::ALL.iter().map(|purpose| purpose.wire()).collect::<Vec<_>>().join("、");
    Purpose::from_wire(text).ok_or_else(|| format!("可用：{}", known()))
}

/// Signs in, signs for the access, prints the content, signs out.
///
/// # Errors
/// A key that may not sign in, content that is not there for its person or is not what was signed, no ledger.
pub fn run(args: &Args) -> Outcome {
    let key = args.at.key()?;
    let visit = args.at.visit(&key)?;
    let Some(stream) = &args.stream else {
        let due = visit.get(&format!("{ROOT}schedules?purpose={}", args.purpose.wire()));
        visit.sign_out();
        let due = due?;
        terminal::say(if args.json { due } else { told(&due)? })?;
        return Ok(Verdict::Yes);
    };
    let opened = open(&visit, &key, stream, args);
    visit.sign_out();
    let text = opened?;
    check(&text).map_err(|reason| Fault::no(stream.to_string(), reason))?;
    terminal::say(if args.json { text } else { human(&text)? })?;
    Ok(Verdict::Yes)
}

/// What is due, for people.
fn told(text: &str) -> Result<String, Fault> {
    let due: Value = serde_json::from_str(text).map_err(|error| Fault::failed("应答", &error))?;
    Ok(telling::schedules(due["schedules"].as_array().map_or(&[], Vec::as_slice)))
}

/// The content for people; what they cannot be shown, with what they do about it.
fn human(text: &str) -> Result<String, Fault> {
    let content: Value = serde_json::from_str(text).map_err(|error| Fault::failed("应答", &error))?;
    let mut told = showing::human(&content);
    if content["envelope"].is_object() {
        told.push_str(
            "\n  内容由提交人加密给收件人，服务器打不开。请收件人加 --json 存成文件，再用 gongkai open-envelope 打开",
        );
    }
    if content["erased"] == Value::Bool(true) {
        told.push_str("\n  其中有内容已依法删除");
    }
    Ok(told)
}

fn open(visit: &Visit<'_>, key: &SigningKey, stream: &StreamId, args: &Args) -> Result<String, Fault> {
    let me = visit.get(&format!("{ROOT}me"))?;
    let me: Value = serde_json::from_str(&me).map_err(|error| Fault::failed("me", &error))?;
    let roles = me["roles"].as_array().cloned().unwrap_or_default();
    let role =
        roles.iter().find_map(|role| Some((role["role"].as_str()?.to_owned(), role["org"].as_str()?.to_owned())));
    let (role, org) = role.ok_or_else(|| Fault::no("登录", "您没有在任何机构任职，不能查阅"))?;
    let mut fields = json!({"read": stream, "revision": args.revision, "purpose": args.purpose.wire()});
    if let Some(reason) = &args.reason {
        fields["reason"] = json!(reason);
    }
    let command = Command::from_value(json!({"kind": "access.recorded.v1", "org": org, "fields": fields}))?;
    let now = local::clock().now();
    let setting = Setting {
        origin: visit.origin(),
        stream: command.kind()?.new_stream(now, &mut keyfile::random),
        head: None,
        signers: vec![Signer { role, key: key.name().to_owned() }],
        declared_at: local::china_time(now),
    };
    let prepared = prepare(&command, &setting, &mut keyfile::random)?;
    let signed = SignedStatement::sign(&prepared.statement, &[key]).map_err(|error| Fault::failed("签名", &error))?;
    let id = signed.statement.stream.id.to_string();
    let access = prepared.into_submission(signed.note.to_string());
    visit.post(&format!("{ROOT}readings"), &id, &access)
}

/// Whether every field is what the statement committed to.
///
/// # Errors
/// The first field that is not, in Chinese.
pub fn check(text: &str) -> Result<(), String> {
    let content: Value = serde_json::from_str(text).map_err(|error| format!("应答读不出来：{error}"))?;
    let signed = SignedStatement::parse(content["note"].as_str().unwrap_or_default());
    let statement = signed.map_err(|error| format!("给出的声明不成声明：{error}"))?.statement;
    for field in content["fields"].as_array().into_iter().flatten() {
        // A cell of a list is bound by its row, which is public.
        let Some(number) = field["slot"].as_u64().and_then(|slot| u8::try_from(slot).ok()) else { continue };
        let name = field["name"].as_str().unwrap_or_default().to_owned();
        let wrong = || format!("「{name}」与声明里的封存值不符");
        let salt: Digest = serde_json::from_value(field["salt"].clone()).map_err(|_| wrong())?;
        let path: Vec<Digest> = serde_json::from_value(field["path"].clone()).map_err(|_| wrong())?;
        let tier = serde_json::from_value(field["tier"].clone()).map_err(|_| wrong())?;
        let value = field["value"].clone();
        let opening = Opening { slot: number, salt: *salt.as_bytes(), tier, name: name.clone(), value };
        let commitment = slot::commit(&statement.origin, &statement.stream, statement.revision, &opening);
        let commitment = commitment.map_err(|_| wrong())?;
        if !slot::verify_path(&statement.slots, number, &commitment, &path) {
            return Err(wrong());
        }
    }
    Ok(())
}
