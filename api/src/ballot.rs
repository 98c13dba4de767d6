//! A ballot from the code on a slip of paper: the code gives the credential, what the tally published gives its place
//! and its path (`gongkai_domain::kind::tally`).
//!
//! Not here: making slips and counting (`cli::tally`), handing in (`citizen`).

use gongkai_domain::Command;
use gongkai_domain::kind::tally::{self, Cast, Opened};
use gongkai_domain::kind::{self, Described as _};
use gongkai_log::{Digest, Statement, StreamId};
use serde_json::json;

use crate::citizen::{No, Office};
use crate::code;
use crate::outcome::Fault;

/// The field of a command in which a voter writes the code; it never leaves this machine.
pub const SLIP: &str = "slip";

/// Puts credential, place, path and stream in the stead of a slip's code; other commands stay as they are.
///
/// # Errors
/// A tally that is not there, or a list of hashes that is not the one to which it committed.
pub fn completed(office: &Office, mut command: Command) -> Result<Result<Command, No>, Fault> {
    if command.kind != Cast::KIND {
        return Ok(Ok(command));
    }
    let Some(slip) = command.fields.remove(SLIP) else { return Ok(Ok(command)) };
    let no = |code: &str, reason: &str| No { code: code.to_owned(), reason: reason.to_owned(), receipt: None };
    let printed = slip.as_str().and_then(code::normal);
    let Some(printed) = printed else { return Ok(Err(no("field", "票码应是 16 个字母和数字"))) };
    let tally = command.fields.get("tally").and_then(|tally| tally.as_str()?.parse::<StreamId>().ok());
    let Some(tally) = tally else { return Ok(Err(no("field", "请写明评议投票的编号（tally）"))) };
    let opened = office.opened(&tally)?;
    let hashes = published(office, &opened)?;
    let credential = tally::slip_credential(&tally, &printed);
    let hash = tally::credential_hash(&tally, &credential);
    let place = hashes.iter().position(|known| *known == hash);
    let proof = place.and_then(|place| Some((place, tally::credential_path(&hashes, place)?)));
    let Some((place, path)) = proof else {
        return Ok(Err(no("field", "不是这次投票发出的票码，请核对")));
    };
    let path: Vec<_> = path.iter().map(|hash| json!({ "hash": hash })).collect();
    command.fields.insert("credential".into(), json!(credential));
    command.fields.insert("place".into(), json!(place));
    command.fields.insert("path".into(), json!(path));
    command.stream = Some(tally::ballot_stream(&tally, &credential));
    Ok(Ok(command))
}

/// The hashes of all credentials, as the tally's opening commits to them.
fn published(office: &Office, opened: &Statement) -> Result<Vec<Digest>, Fault> {
    let place = opened.stream.to_string();
    let body = kind::body::<Opened>(&opened.kind, &opened.body);
    let body = body.ok_or_else(|| Fault::no(&place, "这件事项不是评议投票"))?;
    let Some(file) = body.slips.as_ref().and_then(|files| files.first()) else {
        return Err(Fault::no(&place, "这次投票没有公布票码哈希清单，不能用票码投票")
            .mend("请向组织投票的机构索取票码证明，或到现场投票"));
    };
    match office.hashes(&file.hash)?.filter(|hashes| tally::credentials_root(hashes) == Some(body.credentials)) {
        Some(hashes) => Ok(hashes),
        None => Err(Fault::ours(&place, "公布的票码哈希清单与发起投票时承诺的不符，没有投票")
            .mend("请把这件事告诉监票人和上级机关")),
    }
}
