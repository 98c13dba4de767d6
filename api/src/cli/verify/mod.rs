//! `verify`: bytes. A directory with its database, an address, a bundle, a proof file of an entry or of the map, a checkpoint, or
//! evidence of a fork.

mod map_proof;
mod partial;

use std::path::{Path, PathBuf};

use gongkai_domain::Replay;
use gongkai_log::entry::ENTRY_BYTES_MAX;
use gongkai_log::fork::{FORK_BYTES_MAX, FORK_FORM, Judgement};
use gongkai_log::note::NOTE_BYTES_MAX;
use gongkai_log::proof::PROOF_FORM;
use gongkai_log::{Checkpoint, Digest, Fetch, Finding, Fork, LogKeys, MapFile, Report, TlogProof, VerifierKey};
use gongkai_store::log_fetch::ANOTHER_HASH;
use gongkai_store::{DatabaseFetch, DirectoryFetch, Layout, check_rows, published_keys};
use serde_json::{Value, json};

use self::partial::Complete;
use super::checking::{self, Check, Checked, Found, Limits, Source};
use super::with_vault::{self, Sealed, WithVault};
use super::{local, terminal};
use crate::fetch::{HttpFetch, TarFetch};
use crate::keyfile;
use crate::opening_file::{self, Handed, Kept};
use crate::outcome::{Fault, Outcome, Verdict, chain};

/// Options of `verify`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai verify --dir ledger\n  $ gongkai verify --url https://ledger.example --vkey ledger.example+5ad1c9f0+AZ...\n  \
    $ gongkai verify --dir ledger --with-vault --vault-passphrase-file 口令.txt\n  \
    $ gongkai verify export.tar --vkey vkey.txt --old-checkpoint checkpoint-june\n  $ gongkai verify entry-17.tlog-proof\n  \
    $ gongkai verify evidence/20260310T011207Z-310.fork --vkey vkey.txt\n\n\
    不给 --vkey 时用账本自带的验证钥匙，只说明它前后一致，结果注明“未认证”。\n\
    分叉证据（.fork、.rollback）必须给 --vkey：分叉属实返回 1，证明不了的返回 0。"
)]
pub struct Args {
    #[command(flatten)]
    check: Check,
    #[command(flatten)]
    with_vault: WithVault,
    /// 证明文件所证明的条目（默认是证明文件旁边的 .entry）
    #[arg(long, value_name = "文件", requires = "file")]
    entry: Option<PathBuf>,
    /// 内容文件（hand-in --opening）的口令，从文件第一行读取（默认在终端输入）
    #[arg(long, value_name = "文件", requires = "file")]
    pin_file: Option<PathBuf>,
    /// 内容文件所说的事项记入账本的证明（status --out）
    #[arg(long, value_name = "文件", requires = "file")]
    kept: Option<PathBuf>,
}

impl std::ops::Deref for Args {
    type Target = Check;
    fn deref(&self) -> &Check {
        &self.check
    }
}

/// The copy of the log that everybody sees.
const PUBLISHED: &str = "已发布文件";

/// The copy of the log that is the ledger's own.
const DATABASE: &str = "数据库";

/// Checks, and says yes or names the first fault.
///
/// # Errors
/// Something could not be read, or a key, policy or old checkpoint is unusable.
pub fn run(args: &Args) -> Outcome {
    match &args.file {
        Some(file) if !file.is_dir() => match sort_of(file)? {
            Sort::Proof(_) | Sort::Checkpoint(_) | Sort::Fork | Sort::Map(_) if args.with_vault.is_asked_for() => {
                Err(with_vault::nowhere())
            }
            Sort::Proof(text) => proof(args, file, &text),
            Sort::Checkpoint(text) => lone_checkpoint(args, &text),
            Sort::Opening => opening(args, file),
            Sort::Fork => fork(args, file),
            Sort::Map(text) => map_proof::check(args, &text),
            Sort::Bundle => whole(args, &Source::Bundle(open_bundle(file)?)),
        },
        _ => whole(args, &source(args)?),
    }
}

/// The source that the options name, other than a file.
///
/// # Errors
/// None of them.
pub fn source(check: &Check) -> Result<Source, Fault> {
    match (&check.dir, &check.url, &check.file) {
        (Some(dir), ..) => Ok(directory(dir)),
        (None, Some(url), _) => Ok(Source::Url(HttpFetch::new(url))),
        (None, None, Some(file)) if file.is_dir() => Ok(directory(file)),
        (None, None, Some(file)) => Ok(Source::Bundle(open_bundle(file)?)),
        (None, None, None) => Err(Fault::usage("--dir、--url 或文件", "必须给出其中一个")),
    }
}

fn directory(dir: &Path) -> Source {
    let layout = Layout::new(dir);
    let fetch = DirectoryFetch::new(layout.log());
    Source::Dir(layout, fetch)
}

fn open_bundle(file: &Path) -> Result<TarFetch, Fault> {
    let place = file.display().to_string();
    let opened = TarFetch::open(file).map_err(|error| Fault::usage(place.clone(), chain(&error)))?;
    if opened.names("checkpoint").next().is_some() {
        Ok(opened)
    } else {
        Err(Fault::usage(place, "既不是归档，也不是证明文件或检查点"))
    }
}

enum Sort {
    Proof(String),
    Checkpoint(String),
    /// What somebody handed in, under a PIN.
    Opening,
    /// Two checkpoints of one log.
    Fork,
    /// How much there is under a key of the map.
    Map(String),
    Bundle,
}

/// What a file is, by its first bytes.
fn sort_of(file: &Path) -> Result<Sort, Fault> {
    use std::io::Read as _;
    let place = || file.display().to_string();
    let opened = std::fs::File::open(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::usage(place(), "没有这个文件"),
        _ => Fault::failed(place(), &error),
    })?;
    let mut head = Vec::new();
    opened.take(2 * NOTE_BYTES_MAX as u64).read_to_end(&mut head).map_err(|error| Fault::failed(place(), &error))?;
    let Ok(text) = String::from_utf8(head) else { return Ok(Sort::Bundle) };
    if text.starts_with(PROOF_FORM) {
        return Ok(Sort::Proof(text));
    }
    if text.starts_with(opening_file::FORM) {
        return Ok(Sort::Opening);
    }
    if text.starts_with(FORK_FORM) {
        return Ok(Sort::Fork);
    }
    if MapFile::is_one(&text) {
        return Ok(Sort::Map(text));
    }
    // A tar begins with a file name and zeros, a note with its origin and a line feed.
    if text.contains('\0') { Ok(Sort::Bundle) } else { Ok(Sort::Checkpoint(text)) }
}

fn lone_checkpoint(args: &Args, text: &str) -> Outcome {
    let (vkey, vouched) = args.vkey(|| Ok(None))?;
    if args.old_checkpoint.is_some() {
        return Err(Fault::usage("--old-checkpoint", "单个检查点证明不了只增不改").mend("请核验账本目录、网址或归档"));
    }
    let policy = args.policy()?;
    let opened = args.keys(&vkey)?.open(text).map_err(|error| chain(&error));
    let opened = opened.and_then(|(checkpoint, note)| match &policy {
        Some(policy) => policy.check(&note).map(|_| checkpoint).map_err(|error| chain(&error)),
        None => Ok(checkpoint),
    });
    match opened {
        Ok(checkpoint) => {
            let text = format!("检查点有效：{} 有 {} 条记录", checkpoint.origin, checkpoint.size);
            yes(args, &text, checkpoint_json(&checkpoint, vouched))
        }
        Err(reason) => no(args, &named(None, "checkpoint", reason)),
    }
}

/// Two signed checkpoints that a mirror or a browser kept: yes unless they prove that the log has two histories.
fn fork(args: &Args, file: &Path) -> Outcome {
    let place = || file.display().to_string();
    let size = std::fs::metadata(file).map_or(0, |file| file.len());
    if size > FORK_BYTES_MAX as u64 {
        return Err(Fault::usage(place(), "分叉证据文件太大"));
    }
    let parsed = Fork::parse(&checking::read(file)?).map_err(|error| Fault::usage(place(), chain(&error)))?;
    let (vkey, _) = args.vkey(|| Ok(None))?;
    let (forked, said, sizes) = match parsed.judge_under(&args.keys(&vkey)?) {
        Ok(Judgement::Forked { held, shown }) => (
            true,
            format!(
                "分叉属实：{} 签过两个互相矛盾的检查点（{} 条和 {} 条），它有两部历史",
                held.origin, held.size, shown.size
            ),
            Some((held.size, shown.size)),
        ),
        Ok(Judgement::Consistent { held, shown }) => {
            let (small, large) = (held.size.min(shown.size), held.size.max(shown.size));
            let said = format!("没有分叉：两个检查点一致，{small} 条的是 {large} 条的开头，只说明有人出示过较旧的一份");
            (false, said, Some((held.size, shown.size)))
        }
        Ok(Judgement::Nothing { held, shown, reason }) => {
            let why =
                if parsed.hashes.is_empty() { "没有较长一份的散列值".to_owned() } else { reason.to_string() };
            let said = format!("证明不了分叉：两个检查点（{} 条和 {} 条）长短不同，{why}", held.size, shown.size);
            (false, said, Some((held.size, shown.size)))
        }
        Err(error) => (false, format!("证明不了分叉：里面的检查点不都是这把钥匙签的（{}）", chain(&error)), None),
    };
    if args.json {
        let (held, shown) = sizes.unzip();
        terminal::say(json!({"ok": !forked, "fork": forked, "origin": vkey.name(), "held": held, "shown": shown}))?;
    } else {
        terminal::say(said)?;
    }
    Ok(Verdict::of(!forked))
}

fn checkpoint_json(checkpoint: &Checkpoint, vouched: bool) -> Value {
    json!({"ok": true, "authenticated": vouched, "origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root})
}

fn proof(args: &Args, file: &Path, text: &str) -> Outcome {
    // `gongkai proof` writes `X.entry`; the site's check panel saves the same bytes as `X.txt`.
    let names = ["entry", "txt"].map(|extension| file.with_extension(extension));
    let found = || names.iter().find(|path| path.is_file()).unwrap_or(&names[0]).clone();
    let beside = args.entry.clone().unwrap_or_else(found);
    let entry = std::fs::read(&beside).map_err(|error| {
        Fault::usage(beside.display().to_string(), error.to_string())
            .mend("请把条目文件放在证明文件旁边，或用 --entry 指出")
    })?;
    let parsed = match TlogProof::parse(text) {
        Ok(parsed) => parsed,
        Err(error) => return no(args, &named(None, "proof", chain(&error))),
    };
    let (vkey, vouched) = args.vkey(|| Ok(None))?;
    let policy = args.policy()?;
    let index = parsed.index;
    match parsed.verify_under(&entry, &args.keys(&vkey)?, policy.as_ref()) {
        Ok(_) if entry.len() > ENTRY_BYTES_MAX => no(args, &named(Some(index), "length", "条目太长".into())),
        Ok(checkpoint) => {
            let text = format!(
                "证明有效：这是 {} 第 {index} 号条目的原文（共 {} 条记录）",
                checkpoint.origin, checkpoint.size
            );
            let mut value = checkpoint_json(&checkpoint, vouched);
            value["index"] = index.into();
            yes(args, &text, value)
        }
        Err(error) => no(args, &named(Some(index), "proof", chain(&error))),
    }
}

/// What somebody handed in: against its promise, and where it was kept against the log.
fn opening(args: &Args, file: &Path) -> Outcome {
    let place = || file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| Fault::failed(place(), &error))?;
    let pin = terminal::passphrase(args.pin_file.as_ref(), file)?;
    let pin = pin.ok_or_else(|| Fault::usage("--pin-file", "没有终端时必须给出"))?;
    let Some(handed) = Handed::open(&text, &pin) else {
        return Err(Fault::usage(place(), "打不开：口令不对，或文件已损坏"));
    };
    let promise = match handed.check() {
        Ok(promise) => promise,
        Err(reason) => return no(args, &named(None, "opening", reason)),
    };
    let mut said = format!("内容属实：与 {} 收件时封存的一致", promise.received_at.to_rfc3339());
    let mut value = json!({"ok": true, "origin": promise.origin, "commitment": promise.commitment,
        "received_at": promise.received_at, "authenticated": false});
    if let Some(kept) = &args.kept {
        let (vkey, _) = args.vkey(|| Ok(None))?;
        let text = std::fs::read(kept).map_err(|error| Fault::usage(kept.display().to_string(), error.to_string()))?;
        let parsed: Kept = serde_json::from_slice(&text).map_err(|error| {
            Fault::usage(kept.display().to_string(), format!("不是 status --out 写的文件（{error}）"))
        })?;
        match handed.check_kept(&promise, &parsed, &args.keys(&vkey)?) {
            Ok(index) => {
                let line = format!("；记在第 {index} 号条目");
                said += &line;
                (value["index"], value["authenticated"]) = (index.into(), true.into());
            }
            Err(reason) => return no(args, &named(None, "kept", reason)),
        }
    } else {
        said += "\n未认证：没有给出 --kept 和 --vkey，只说明它与这份收件承诺一致";
    }
    yes(args, &said, value)
}

fn named(index: Option<u64>, field: &str, reason: String) -> Found {
    Found { finding: Finding { index, field: field.to_owned(), reason }, copy: "" }
}

/// Checks a whole log, and the database beside it where there is one.
fn whole(args: &Args, source: &Source) -> Outcome {
    let (vkey, vouched) = args.vkey(|| source.offered_key())?;
    let vault = args.with_vault.open(source)?;
    match checked(args, source, &vkey)? {
        Ok(Good { report, genesis, extent, keys }) => {
            let sealed = vault.map(|vault| vault.check(local::clock().now())).transpose()?;
            let mut value = report_json(&report, vouched);
            value["genesis"] = json!(genesis);
            let mut text = format!("核验通过：{}", summary(&report));
            if let Extent::Part(part) = extent {
                text += &completeness(part.as_ref());
                value["complete"] = part.map_or(
                    Value::Null,
                    |part| json!({"org": part.org, "organizations": part.organizations, "size": part.size}),
                );
            }
            if let Some(old) = args.old(&keys)? {
                let line = format!("\n与以前的检查点（{} 条）一致：只增加，没有改动", old.size);
                text += &line;
            }
            if !vouched {
                text += "\n未认证：没有给出 --vkey，只说明这个账本前后一致，不说明它是谁的";
            }
            match sealed {
                Some(sealed) => told(args, &text, value, &sealed),
                None => yes(args, &text, value),
            }
        }
        Err(found) => no(args, &found),
    }
}

/// What a part is complete of, as a further line.
fn completeness(part: Option<&Complete>) -> String {
    match part {
        Some(Complete { org, organizations, size }) => format!(
            "\n总目证明没有缺漏：到第 {size} 条之前，机构 {org} 及其下级（共 {organizations} 个）的记录和登记簿都在这里"
        ),
        None => "\n这是一部分记录，没有总目证明，不能说明没有缺漏".to_owned(),
    }
}

/// The public part is good; the vault's part has the last word.
fn told(args: &Args, text: &str, mut value: Value, sealed: &Sealed) -> Outcome {
    let good = sealed.breaches() == 0;
    if args.json {
        value["ok"] = good.into();
        value["vault"] = sealed.to_json();
        terminal::say(value)?;
    } else {
        terminal::say(text)?;
        sealed.tell(false)?;
    }
    Ok(Verdict::of(good))
}

/// How much of a log was checked.
enum Extent {
    /// All of it.
    Whole,
    /// Some entries, and what they are complete of, if they prove that.
    Part(Option<Complete>),
}

/// What was found to be good.
struct Good {
    report: Report,
    genesis: Option<Digest>,
    extent: Extent,
    keys: LogKeys,
}

fn checked(args: &Args, source: &Source, vkey: &VerifierKey) -> Result<Result<Good, Found>, Fault> {
    match source {
        Source::Url(fetch) => one_copy(fetch, vkey, args, "核验", ""),
        Source::Bundle(fetch) if fetch.names("tile/entries/").next().is_none() => partial::check(fetch, vkey, args),
        Source::Bundle(fetch) => one_copy(fetch, vkey, args, "核验", ""),
        Source::Dir(layout, fetch) => {
            let published = one_copy(fetch, vkey, args, "核验已发布文件", PUBLISHED)?;
            let Ok(Good { report, .. }) = &published else { return Ok(published) };
            if let Some(path) = fetch.damaged_attachment().map_err(|error| Fault::from(&error))? {
                return Ok(Err(Found { copy: PUBLISHED, ..named(None, &path, ANOTHER_HASH.to_owned()) }));
            }
            if !layout.has_ledger() {
                return Ok(published);
            }
            Ok(database(layout, vkey, &report.checkpoint, args.fast)?.err().map_or(published, Err))
        }
    }
}

fn one_copy<F: Fetch>(
    fetch: &F,
    vkey: &VerifierKey,
    args: &Args,
    label: &'static str,
    copy: &'static str,
) -> Result<Result<Good, Found>, Fault> {
    let keys = match checking::keys_of(fetch, vkey)? {
        Ok(keys) => keys,
        Err(found) => return Ok(Err(Found { copy, ..found })),
    };
    let mut replay = Replay::new(keys.first());
    let checked = checking::run(fetch, &mut replay, &keys, args, label, copy)?;
    Ok(checked.map(|report| Good { report, genesis: replay.genesis(), extent: Extent::Whole, keys }))
}

/// Checks the database as if it were published, and that it goes on from what is. Its checkpoint is made
/// here, with a key of this moment; the log's own key must still be that of the genesis.
///
/// # Errors
/// Something cannot be read.
pub fn database(layout: &Layout, vkey: &VerifierKey, published: &Checkpoint, fast: bool) -> Result<Checked, Fault> {
    let key = keyfile::generate(vkey.name()).map_err(|error| Fault::failed("数据库", &error))?;
    let fetch = tokio::runtime::Handle::current().block_on(DatabaseFetch::open(layout, &key))?;
    let old = Some(published.clone());
    let keys = published_keys(layout, vkey).map_err(|error| Fault::from(&error))?;
    let checked = checking::run_with(
        &fetch,
        &mut Replay::new(keys.first()),
        &(&key.verifier()).into(),
        Limits { fast, old, policy: None },
        "核验数据库",
        DATABASE,
    )?;
    // What is only looked up is no part of any proof, and is compared last.
    let Ok(report) = checked else { return Ok(checked) };
    let finding = tokio::runtime::Handle::current().block_on(check_rows(layout, &keys))?;
    Ok(finding.map_or(Ok(report), |finding| Err(Found { finding, copy: DATABASE })))
}

/// The numbers of a check, for people.
pub fn summary(report: &Report) -> String {
    let withheld = match report.openings_missing + report.lists_missing {
        0 => String::new(),
        missing => format!("，{missing} 处内容没有公开或已撤下"),
    };
    let witnesses = match report.witnesses.as_slice() {
        [] => String::new(),
        names => format!("，见证方 {}", names.join("、")),
    };
    format!(
        "{} 共 {} 条记录，验签 {} 个，核对启封值 {} 份、明细 {} 份{withheld}{witnesses}",
        report.checkpoint.origin, report.size, report.signatures, report.openings, report.lists
    )
}

/// The numbers of a check, for programs.
pub fn report_json(report: &Report, vouched: bool) -> Value {
    json!({
        "ok": true, "authenticated": vouched, "origin": report.checkpoint.origin, "size": report.size,
        "root": report.root, "head": report.head, "statements": report.statements, "sealed": report.sealed,
        "streams": report.streams, "signatures": report.signatures, "openings": report.openings,
        "map_roots": report.map_roots, "openings_missing": report.openings_missing, "lists": report.lists, "lists_missing": report.lists_missing,
        "witnesses": report.witnesses,
    })
}

fn yes(args: &Args, text: &str, value: Value) -> Outcome {
    if args.json {
        terminal::say(value)?;
    } else {
        terminal::say(text)?;
    }
    Ok(Verdict::Yes)
}

fn no(args: &Args, found: &Found) -> Outcome {
    if args.json {
        terminal::say(found_json(found))?;
    } else {
        terminal::say(found_text(found))?;
    }
    Ok(Verdict::No)
}

/// A fault of the log, for programs.
pub fn found_json(found: &Found) -> Value {
    let Finding { index, field, reason } = &found.finding;
    json!({"ok": false, "index": index, "field": field, "reason": reason, "copy": found.copy})
}

/// A fault of the log, for people: what it means, and after it the checker's own words for whoever looks closer.
pub fn found_text(found: &Found) -> String {
    let Finding { index, field, reason } = &found.finding;
    let place = index.map_or_else(|| "整个账本".to_owned(), |index| format!("第 {index} 号条目"));
    let copy = if found.copy.is_empty() { String::new() } else { format!("（{}）", found.copy) };
    format!("核验不通过{copy}：{place}{}\n    {field}：{reason}", meaning(field))
}

/// What a fault in this field means.
fn meaning(field: &str) -> &'static str {
    match field {
        "prev" => "与前一条接不上，两条之间有改动、增减",
        "leaf" => "的内容与已签名的账本不符，被改过",
        "index" => "的序号不对，前面有增减",
        "recorded_at" => "的入账时间早于前一条",
        "revision" | "parent" => "与同一事项的前一条接不上",
        "origin" => "是别的账本的",
        "authority" => "的签名人没有这个权限，或内容不合规则",
        "signatures" => "的签名与签名人不符",
        "checkpoint" => "的检查点不成立",
        "checkpoint key" => "的检查点只有已经换掉的账本钥匙签名，可能是盗用，不算数",
        "key history" | "key-history" => "的钥匙来历与账目不符",
        "beginning" => "换钥匙时接续的检查点不是这个账本的开头",
        "map root" => "登记的总目与账目不符",
        "map" => "与总目不符：有缺漏，或总目证明不成立",
        "old checkpoint" => "与以前的检查点不符，历史被改写过",
        "policy" => "的见证不够",
        "proof" => "的证明不成立",
        field if field.starts_with("signature") => "的签名不成立",
        field if field.starts_with("openings") => "公开的内容与账目里的承诺不符",
        field if field.starts_with("lines") => "的明细与账目里的承诺不符",
        field if field.starts_with("attachment") => "的附件与文件名所写的散列值不符，被改过",
        field if field.starts_with("rows of") => "在数据库里的记录与条目原文不符",
        field if field.starts_with("tile") => "的发布文件与账目不符",
        _ => "的格式不对",
    }
}
