//! `hand-in`: somebody without a key hands something in.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use gongkai_domain::{Command, Head};
use gongkai_log::Digest;
use gongkai_store::{Accepted, Promised};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::sides::PublicSide;
use super::{local, terminal};
use crate::citizen::{No, Office, Written};
use crate::gap::desk::{self, Desk, Prepared};
use crate::http::zone;
use crate::keyfile;
use crate::opening_file::Handed;
use crate::outcome::{Fault, Outcome, Verdict};
use crate::pending::{self, Pending};

/// Most bytes of a command: the longest texts of all slots.
const COMMAND_BYTES_MAX: u64 = 512 << 10;

/// Options of `hand-in`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai kinds letter.received.v1 --sample > letter.json\n  \
    $ gongkai hand-in --url https://gk.example.gov.cn letter.json --out receipt.json\n  \
    $ gongkai hand-in --url https://gk.example.gov.cn --vkey vkey.txt objection.json --opening objection.opening --pin-file pin.txt\n  \
    $ gongkai hand-in --url https://gk.example.gov.cn --code 7K2M-9QXA-40TB-RZ8C rating.json\n\n\
    不需要钥匙和账号。异议和检举控告在本机加密给受理机关（所反映的人主管的，自动改交上一级），服务器看不到内容和所反映的人。\n\
    得到收件承诺和查询码；查询码只此一份，请抄好。给出 --vkey 时，还核对收件人的公钥确实登记在账本里。\n\
    没有得到答复（断网、断电）的，用同样的命令再运行一次：原样重发，不会重复；等待期间的内容在回执旁的 .pending 文件里。\n\
    账本在内网的，--url 给镜像，--intake 给收件处：整件加密给账本，当场得到收件处的承诺，答复凭查询码用 gongkai status --intake 看。\n\
    --opening 另存一份能证明内容的文件，用口令保护；推荐、评议和选票没有，以免被人逼着出示。")]
pub struct Args {
    #[command(flatten)]
    at: PublicSide,
    /// 账本在内网时：互联网一侧收件处的网址，--url 是镜像的网址
    #[arg(long, value_name = "网址", conflicts_with_all = ["opening", "pin_file"])]
    intake: Option<String>,
    /// 继续自己提交过的事项（评价答复、申请复查）时的查询码
    #[arg(long, value_name = "查询码")]
    code: Option<String>,
    /// 回执写到哪个文件（已有的文件不会覆盖）
    #[arg(long, value_name = "文件")]
    out: Option<PathBuf>,
    /// 能证明内容的文件写到哪里
    #[arg(long, value_name = "文件")]
    opening: Option<PathBuf>,
    /// 从文件第一行读取保护内容文件的口令（默认在终端输入）
    #[arg(long, value_name = "文件", requires = "opening")]
    pin_file: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
    /// 要提交的一条命令，JSON；- 是标准输入
    #[arg(value_name = "文件")]
    file: PathBuf,
}

/// Hands one command in.
///
/// # Errors
/// A command that is none, a server that does not answer or does not prove what it says, a file that exists.
pub fn run(args: &Args) -> Outcome {
    let waiting = args.waiting();
    let left = match &args.intake {
        None => waiting.as_deref().map(Pending::read).transpose()?.flatten(),
        Some(_) => None,
    };
    if let Some(file) = [&args.out, &args.opening].into_iter().flatten().find(|file| file.exists() && left.is_none()) {
        return Err(Fault::usage(file.display().to_string(), "这个文件已经存在，没有提交"));
    }
    let command = command(&args.file)?;
    if let Some(url) = &args.intake {
        return through(args, &command, url);
    }
    let pin = pin(args)?;
    let office = args.at.office()?;
    if args.at.vkey.is_none() {
        terminal::remark("注意：没有给出 --vkey，只核对了这个账本前后一致，没有核对它是谁的");
    }
    let pin = pin.as_ref().map(|pin| pin.as_str());
    let written = match left {
        Some(left) => again(args, left, &office, &command, pin)?,
        None => match written(args, &office, &command, waiting.as_deref(), pin)? {
            Ok(written) => written,
            Err(no) => return refused(args, &no),
        },
    };
    let done = match office.hand_in(&written, args.code.as_deref())? {
        Ok(accepted) => accepted_as(args, &office, &written, &accepted, pin)?,
        Err(no) => refused(args, &no)?,
    };
    // Only now: until the receipt is on the disk, the same can be sent again for it.
    waiting.as_deref().map_or(Ok(()), pending::forget)?;
    Ok(done)
}

/// The same through an intake: encrypted to the ledger as a whole, promised at once, answered by a capsule.
fn through(args: &Args, command: &Command, url: &str) -> Outcome {
    let office = args.at.office()?;
    let desk = Desk::find(&office, url, local::agent(args.at.ca.as_ref())?)?;
    let waiting = args.waiting().map(|path| path.with_extension("packet"));
    let left = waiting.as_deref().map(Prepared::read).transpose()?.flatten();
    let prepared = match left {
        Some(left) if left.is_of(&desk, command)? => {
            terminal::remark("上次的提交没有得到答复，原样重发；已经收下的不会重复");
            left
        }
        Some(_) => {
            let place = waiting.unwrap_or_default().display().to_string();
            return Err(Fault::usage(place, "这里有一份没有得到答复的提交，内容或收件处与这次的不同，没有提交")
                .mend("请先用原来的命令文件再运行一次，取得它的答复；确定不要它了，删掉这个文件"));
        }
        None => match sealed(args, &office, &desk, command)? {
            Ok(prepared) => {
                waiting.as_deref().map_or(Ok(()), |path| prepared.keep(path))?;
                prepared
            }
            Err(no) => return refused(args, &no),
        },
    };
    let handed = desk.send(&prepared.packet)?;
    let answer = json!({ "intake": prepared.intake, "handed_in": handed, "code": prepared.code,
        "packet_hash": Digest::of(prepared.packet.as_bytes()) });
    let deadline = handed.deadline.with_timezone(&zone()).format("%Y-%m-%d %H:%M");
    let human = format!(
        "收件处已收到，账本将在 {deadline} 前入账或说明不予受理\n查询码 {}\n请抄好查询码：凭它查看答复，丢失不补。",
        prepared.code
    );
    let told = terminal::say(if args.json { answer.to_string() } else { human });
    keep(args, &answer)?;
    told?;
    waiting.as_deref().map_or(Ok(()), pending::forget)?;
    Ok(Verdict::Yes)
}

/// Writes the statement and seals it. What continues a matter follows what its capsule says.
fn sealed(args: &Args, office: &Office, desk: &Desk<'_>, command: &Command) -> Result<Result<Prepared, No>, Fault> {
    let status = args.code.as_deref().map(|code| desk.status(&desk::secret(code)?)).transpose()?;
    let matter = status.and_then(|status| status.matter);
    let (code, continued) = matter.map_or((None, None), |matter| (matter.code, matter.continues));
    let begins = command.kind().is_ok_and(|kind| kind.opens);
    let continued = match (continued, &command.stream) {
        (Some(known), _) => Some((known.stream, Head { revision: known.revision, hash: known.hash })),
        // A question is about a public matter, which every copy shows.
        (None, Some(stream)) if args.code.is_none() && !begins => Some((stream.clone(), office.last(stream)?)),
        _ => None,
    };
    match office.write(command.clone(), None, continued, local::clock().now())? {
        Ok(written) => desk.seal(command, written.submission(), code).map(Ok),
        Err(no) => Ok(Err(no)),
    }
}

/// Writes the statement, and keeps it until it is answered.
fn written(
    args: &Args,
    office: &Office,
    command: &Command,
    waiting: Option<&Path>,
    pin: Option<&str>,
) -> Result<Result<Written, No>, Fault> {
    let written = match office.write(command.clone(), args.code.as_deref(), None, local::clock().now())? {
        Ok(written) => written,
        Err(no) => return Ok(Err(no)),
    };
    if args.opening.is_some() && !(written.kind.sealed && written.kind.follow_up.opens_content()) {
        return Err(Fault::no(
            written.kind.name,
            format!("「{}」不出具能证明内容的文件，没有提交", written.kind.label),
        )
        .mend("请不带 --opening 提交；收件承诺仍能证明提交过"));
    }
    match waiting {
        Some(path) => Pending::of(office.origin(), command, &written, path, pin)?.keep(path)?,
        None => terminal::remark("注意：从标准输入读取又没有 --out，中断以后不能原样重发"),
    }
    Ok(Ok(written))
}

/// What an earlier run wrote and was not answered, if it is the same.
fn again(args: &Args, left: Pending, office: &Office, command: &Command, pin: Option<&str>) -> Result<Written, Fault> {
    let place = || args.waiting().unwrap_or_default().display().to_string();
    if !left.is_of(office.origin(), command)? {
        return Err(Fault::usage(place(), "这里有一份没有得到答复的提交，内容或账本与这次的不同，没有提交")
            .mend("请先用原来的命令文件再运行一次，取得它的答复；确定不要它了，删掉这个文件"));
    }
    let written = Written::again(left, pin)?;
    if args.opening.is_some() && written.openings.is_empty() {
        return Err(Fault::usage("--opening", "上次提交没有要内容文件，或口令与上次的不同，这次没有重发")
            .mend("请用上次的口令；上次没有 --opening 的，这次也不带"));
    }
    terminal::remark("上次的提交没有得到答复，原样重发；已经收下的不会重复");
    Ok(written)
}

impl Args {
    /// Where it waits until it is answered; nowhere for what comes from a pipe and leaves no receipt.
    fn waiting(&self) -> Option<PathBuf> {
        let is_pipe = self.file == Path::new("-");
        let beside = self.out.as_deref().or((!is_pipe).then_some(self.file.as_path()));
        beside.map(pending::path_beside)
    }
}

fn accepted_as(args: &Args, office: &Office, written: &Written, accepted: &Accepted, pin: Option<&str>) -> Outcome {
    let answer = match accepted {
        Accepted::Entry(receipt) => json!({ "receipt": receipt }),
        Accepted::Promise(promised) => json!({
            "promised": promised, "encrypted_to": written.encrypted_to,
            "statement_hash": Digest::of(written.text.as_bytes()),
        }),
    };
    // The code is given once: whatever happens to the files, it is shown.
    let told = terminal::say(if args.json { answer.to_string() } else { human(written, accepted) });
    keep(args, &answer)?;
    told?;
    let missing = args.opening.as_ref().filter(|path| !path.exists());
    if let (Some(path), Some(pin), Accepted::Promise(promised)) = (missing, pin, accepted) {
        content(office, written, promised)?.write(path, pin)?;
    }
    Ok(Verdict::Yes)
}

fn human(written: &Written, accepted: &Accepted) -> String {
    match accepted {
        Accepted::Entry(receipt) => format!("已记入账本，第 {} 号", receipt.index),
        Accepted::Promise(Promised { deadline, status_code, .. }) => {
            let to = written.encrypted_to.as_ref().map_or(String::new(), |org| format!("，已加密给机构 {org}"));
            let deadline = deadline.with_timezone(&zone()).format("%Y-%m-%d %H:%M");
            format!(
                "已收到{to}，{deadline} 前记入账本\n查询码 {status_code}\n请抄好查询码：凭它查看办理情况，丢失不补。"
            )
        }
    }
}

fn refused(args: &Args, no: &No) -> Outcome {
    let answer = json!({ "refused": { "code": no.code, "reason": no.reason, "receipt": no.receipt } });
    let receipt =
        if no.receipt.is_some() { "\n有不予受理回执，证明您在这个时间提交过。" } else { "" };
    terminal::say(if args.json {
        answer.to_string()
    } else {
        format!("未受理（{}）：{}{receipt}", no.code, no.reason)
    })?;
    if no.receipt.is_some() {
        keep(args, &answer)?;
    }
    Ok(Verdict::No)
}

fn keep(args: &Args, answer: &Value) -> Result<(), Fault> {
    // What a run wrote that stopped before it forgot its submission is the same.
    let Some(out) = args.out.as_ref().filter(|out| !out.exists()) else { return Ok(()) };
    Ok(keyfile::write_private(out, format!("{answer:#}\n").as_bytes())?)
}

fn content(office: &Office, written: &Written, promised: &Promised) -> Result<Handed, Fault> {
    let (note, salt) = office.binding(&promised.status_code, &written.text)?;
    let handed = Handed {
        promise: promised.promise.clone(),
        intake: office.intake.to_string(),
        note,
        salt,
        openings: written.openings.clone(),
    };
    handed.check().map_err(|reason| Fault::ours("内容文件", reason))?;
    Ok(handed)
}

/// Before anything is sent: a PIN that is too short must not leave a submission without its file.
fn pin(args: &Args) -> Result<Option<Zeroizing<String>>, Fault> {
    let pin = match (&args.opening, &args.pin_file) {
        (None, _) => return Ok(None),
        (Some(_), Some(file)) => terminal::passphrase_file(file)?,
        (Some(_), None) => terminal::new_passphrase()?,
    };
    if pin.chars().count() < keyfile::PASSPHRASE_CHARS_MIN {
        let least = keyfile::PASSPHRASE_CHARS_MIN;
        return Err(Fault::usage("--pin-file", format!("口令至少 {least} 个字符，没有提交")));
    }
    Ok(Some(pin))
}

fn command(file: &Path) -> Result<Command, Fault> {
    let name = if file == Path::new("-") { "标准输入".to_owned() } else { file.display().to_string() };
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(COMMAND_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(COMMAND_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Fault::usage(name.clone(), "没有这个文件"),
        io::ErrorKind::InvalidData => Fault::usage(name.clone(), "不是 UTF-8 文字"),
        io::ErrorKind::PermissionDenied => Fault::usage(name.clone(), "没有权限读这个文件"),
        io::ErrorKind::IsADirectory => Fault::usage(name.clone(), "这是一个目录，不是文件"),
        _ => Fault::failed(name.clone(), &error),
    })?;
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| Fault::usage(name.clone(), format!("不是一条 JSON 命令（{error}）")))?;
    Command::from_value(value).map_err(|refusal| Fault::usage(name, refusal.to_string()))
}
