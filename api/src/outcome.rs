//! How a command ends: the one place that decides exit codes and the shape of an error on the terminal.
//!
//! 0 it was done; 1 the answer is no, with reasons; 2 it was used wrongly; 3 we failed (design 9). A
//! [`Fault`] names the place, the cause and what to do, in plain Chinese. Commands turn what they meet
//! into faults by the conversions here; to give another crate's error its class, add a `From` here.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

use gongkai_domain::Refusal;
use gongkai_log::FsckError;
use gongkai_store::{OpenError, StoreError, moving::MoveError, regain::RegainError};
use serde_json::json;

use crate::client::Refused;
use crate::keyfile::KeyFileError;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was done, the answer is yes.
    Yes,
    /// The answer is no, and the reasons were printed.
    No,
}

impl Verdict {
    /// Yes if it holds.
    pub fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Who has to do something about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A lawful no.
    No,
    /// Whoever typed the command.
    Usage,
    /// Whoever runs the machine: disk, network, damage.
    Ours,
}

impl Class {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::No => 1,
            Self::Usage => 2,
            Self::Ours => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::No => "不予受理",
            Self::Usage => "用法不对",
            Self::Ours => "出错了",
        }
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub struct Fault {
    /// Who has to act.
    pub class: Class,
    /// Where: a file, an option, an address.
    pub place: String,
    /// What is wrong there.
    pub cause: String,
    /// What to do, if there is something.
    pub remedy: Option<String>,
}

impl Fault {
    /// A lawful no.
    pub fn no(place: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { class: Class::No, place: place.into(), cause: cause.into(), remedy: None }
    }

    /// The command was used wrongly.
    pub fn usage(place: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { class: Class::Usage, ..Self::no(place, cause) }
    }

    /// Disk, network, damage.
    pub fn ours(place: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { class: Class::Ours, ..Self::no(place, cause) }
    }

    /// Our failure with an error and its causes.
    pub fn failed(place: impl Into<String>, error: &dyn Error) -> Self {
        Self::ours(place, chain(error))
    }

    /// Says what to do.
    #[must_use]
    pub fn mend(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// What a program reads.
    pub fn to_json(&self) -> serde_json::Value {
        json!({"error": {"class": self.class.code(), "place": self.place, "cause": self.cause, "remedy": self.remedy}})
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}：{}：{}", self.class.word(), self.place, self.cause)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n怎么办：{remedy}"),
            None => Ok(()),
        }
    }
}

impl Error for Fault {}

/// What every command gives back.
pub type Outcome = Result<Verdict, Fault>;

/// An error and its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _ = write!(text, "：{cause}");
        source = cause.source();
    }
    text
}

/// Prints a fault, and gives the exit code.
pub fn report(outcome: &Outcome, json: bool) -> ExitCode {
    let fault = match outcome {
        Ok(Verdict::Yes) => return ExitCode::SUCCESS,
        Ok(Verdict::No) => return ExitCode::from(Class::No.code()),
        Err(fault) => fault,
    };
    let text = if json { fault.to_json().to_string() } else { fault.to_string() };
    // Where standard error is gone there is nobody to tell; the exit code still says it.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(fault.class.code())
}

impl From<KeyFileError> for Fault {
    fn from(error: KeyFileError) -> Self {
        let (place, cause) = ("钥匙文件", chain(&error));
        match &error {
            KeyFileError::Io { path, source } if source.kind() == io::ErrorKind::NotFound => {
                Self::usage(path.display().to_string(), "没有这个钥匙文件").mend("请检查路径，或用 gongkai keygen 生成")
            }
            KeyFileError::Io { .. } => Self::ours(place, cause),
            KeyFileError::Open { path, .. } => {
                Self::usage(place, cause).mend(format!("请运行 chmod 600 {}", path.display()))
            }
            KeyFileError::Exists(_) => Self::usage(place, cause).mend("请换一个文件名，或先确认旧钥匙不再使用"),
            KeyFileError::PassphraseMissing(_) => Self::usage(place, cause).mend("请用 --passphrase-file 给出口令文件"),
            _ => Self::usage(place, cause),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::no(refusal.code(), refusal.to_string())
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::no(refused.code, refused.reason)
    }
}

impl<E: Error + Send + Sync + 'static> From<FsckError<E>> for Fault {
    fn from(error: FsckError<E>) -> Self {
        match &error {
            FsckError::Finding(finding) => {
                let entry = finding.index.map_or(String::new(), |index| format!("第 {index} 号条目的 "));
                Self::no("核验不通过", format!("{entry}{}：{}", finding.field, finding.reason))
            }
            FsckError::Read { path, .. } => {
                Self::failed(format!("读取 {path}"), &error).mend("读不到不等于被改动；请检查网络或磁盘后再核验一次")
            }
        }
    }
}

/// What to do about a database that is behind.
pub const NEWER: &str = "请恢复更新的备份；没有更新的，用 gongkai recover 从镜像或日志的副本补回";

impl From<RegainError> for Fault {
    fn from(error: RegainError) -> Self {
        const UNTOUCHED: &str = "账本保持原样";
        match error {
            RegainError::Open(error) => error.into(),
            RegainError::Copy(error) => Self::failed("recovery/", &error).mend("请移走 recovery/ 再运行一次"),
            RegainError::Short { size, seen } => {
                Self::no("没有补回", format!("来源只有 {size} 条，而别处见过 {seen} 条")).mend(format!(
                    "{UNTOUCHED}。请换一个存有全部 {seen} 条的来源：镜像、log/ 的副本、归档、对象存储。谁都没有的，\
                     这本账不能再接着写：用镜像或 log/ 的副本以 serve --published-only 继续公开已有的，\
                     另建一本新账（gongkai init），并向社会说明从哪一条起换了账"
                ))
            }
            RegainError::Forked { held, shown, evidence } => {
                let cause = format!("账本签过互相矛盾的两个检查点：别处或本机存有的 {held} 条，来源的 {shown} 条");
                Self::no("分叉", cause).mend(format!(
                    "{UNTOUCHED}；证据在 {}，任何人都可以用 gongkai verify 核验；请通知主办单位、见证方和监督机构",
                    evidence.display()
                ))
            }
            RegainError::Diverged { index } => {
                Self::no("没有补回", format!("数据库和来源从第 {index} 号条目起不同")).mend(format!(
                    "{UNTOUCHED}。请核对是不是同一本账；数据库里这以后登记的没有公布过，请换一份只到第 {index} 号之前的备份"
                ))
            }
            RegainError::Locked { index } => {
                Self::usage("限阅库", format!("第 {index} 号条目是删除令，限阅库没有解锁就不能照办"))
                    .mend("请给出 --vault-passphrase-file；限阅库整个丢失的，请一并恢复它的备份")
            }
            RegainError::TooMany { missing } => {
                Self::no("没有补回", format!("缺 {missing} 条，一次补不了这么多")).mend("请恢复更新的备份")
            }
            RegainError::Clock(reason) => Self::ours("时钟", reason),
            error @ RegainError::Refused(_) => Self::failed("ledger.recovered.v1", &error),
        }
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        match &error {
            OpenError::Exists(dir) => {
                Self::usage(dir.display().to_string(), "这里已经有一个账本，没有改动它").mend("请换一个目录")
            }
            OpenError::Taken => Self::usage("--database", "这个 PostgreSQL 数据库里已经有一个账本，没有改动它")
                .mend("请换一个数据库；若它是上次没有建完的，请先删除其中的 ledger 模式（DROP SCHEMA ledger CASCADE）"),
            OpenError::NotDurable => {
                Self::ours("PostgreSQL", "fsync 是关着的，断电会丢掉已经回执的内容").mend("请在服务器上打开 fsync")
            }
            OpenError::NotALedger { path, reason } => {
                Self::usage(path.display().to_string(), format!("不是账本（{reason}）"))
                    .mend("请用 --dir 指到账本目录，或先运行 gongkai init")
            }
            OpenError::Newer { found, known } => {
                Self::ours("数据库", format!("版本是 {found}，本程序只认识到 {known}")).mend("请换用新版本的程序")
            }
            OpenError::InUse(dir) => Self::usage(dir.display().to_string(), "另一个进程正在使用这个账本")
                .mend("网站正在运行时请改用 --url 加它的内部地址；否则先停下那个进程"),
            OpenError::Key { role, given, expected } => {
                Self::usage(format!("keys/{role}.key"), format!("这把钥匙是 {given}，账本的是 {expected}"))
                    .mend("请把账本自己的钥匙文件放回 keys/")
            }
            OpenError::Genesis(refusal) => Self::no("创世条目", refusal.to_string()),
            OpenError::Behind { size, published } => {
                Self::ours("数据库", format!("只有 {size} 条，而已发布 {published} 条：是旧备份，或被截断"))
                    .mend(format!("{NEWER}；用这份启动会发布第二部历史"))
            }
            OpenError::Witnessed { size, witnessed } => {
                Self::ours("数据库", format!("只有 {size} 条，而见证方联署过 {witnessed} 条：是旧备份，或被截断"))
                    .mend(format!("{NEWER}；用这份启动会写出第二部历史，见证方不会联署"))
            }
            OpenError::Unrecovered { size, seen, by } => {
                Self::ours("数据库", format!("是旧备份：只有 {size} 条，而{by}有 {seen} 条，还没有补回")).mend(
                    "请运行 gongkai recover --source 加镜像或日志副本，补回缺少的条目；用这份启动会写出第二部历史",
                )
            }
            OpenError::Disagrees { published } => {
                Self::ours("数据库", format!("与已发布的 {published} 条不一致，被改动过"))
                    .mend("请恢复备份；gongkai verify --dir 会指出是哪一条")
            }
            OpenError::Damaged(cause) => {
                Self::failed("数据库", cause).mend("请恢复备份；gongkai verify --dir 会指出是哪一条")
            }
            OpenError::Map(cause) => {
                Self::failed("map.db", cause.as_ref()).mend("它可以从账本重做：请移走 map.db 再启动")
            }
            OpenError::Store(cause) => cause.into(),
        }
    }
}

impl From<MoveError> for Fault {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Open(error) => error.into(),
            MoveError::Vault(fault) => crate::cli::vault::fault(fault),
            MoveError::Beside(fault) => {
                Self::failed("草稿和网上收件", &fault).mend("账本还在原处；请排除故障后再运行一次")
            }
            MoveError::There => Self::usage("--to", "数据已经在那里了"),
            MoveError::Wrong(reason) => Self::ours("搬过去的数据", format!("与条目不符（{reason}），没有启用"))
                .mend("账本还在原处；请运行 gongkai verify --dir 看原处有没有毛病"),
        }
    }
}

impl From<&StoreError> for Fault {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Full { .. } => Self::ours("磁盘", "磁盘已满，什么都没有写入").mend("请腾出空间后再运行一次"),
            StoreError::Locked { .. } => {
                Self::ours("数据库", "被另一个进程占用，什么都没有写入").mend("请稍后再运行一次，或找出占用它的进程")
            }
            StoreError::Bucket { .. } => Self::failed("对象存储", error)
                .mend("请检查 bucket、bucket_endpoint、AWS_ACCESS_KEY_ID 等设置和网络；连不上对象存储时不启动，因为无从知道数据库是否落后"),
            StoreError::Foreign { .. } => Self::failed("对象存储", error)
                .mend("那里放着别的账本或另一部历史，没有改动它：请核对 bucket 设置，换一个空文件夹，或查清是谁放的"),
            StoreError::Unconditional { .. } => Self::failed("对象存储", error)
                .mend("请换用支持条件写入（If-None-Match、If-Match）的对象存储或版本"),
            error => Self::failed("账本", error).mend("请运行 gongkai doctor --dir 看该怎么办"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_ends_have_four_exit_codes() {
        let code = |outcome: &Outcome| format!("{:?}", report(outcome, true));
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(&Ok(Verdict::Yes)), expected(0));
        assert_eq!(code(&Ok(Verdict::No)), expected(1));
        assert_eq!(code(&Err(Fault::no("a", "b"))), expected(1));
        assert_eq!(code(&Err(Fault::usage("a", "b"))), expected(2));
        assert_eq!(code(&Err(Fault::ours("a", "b"))), expected(3));
    }

    #[test]
    fn a_fault_says_place_cause_and_what_to_do() {
        let fault = Fault::usage("--key a.key", "没有这个文件").mend("请先运行 gongkai keygen");
        assert_eq!(fault.to_string(), "用法不对：--key a.key：没有这个文件\n怎么办：请先运行 gongkai keygen");
        assert_eq!(fault.to_json()["error"]["class"], 2);
    }

    #[test]
    fn a_missing_key_file_is_a_wrong_use_and_a_broken_disk_is_ours() {
        let io = |kind: io::ErrorKind| KeyFileError::Io { path: "a.key".into(), source: kind.into() };
        assert_eq!(Fault::from(io(io::ErrorKind::NotFound)).class, Class::Usage);
        assert_eq!(Fault::from(io(io::ErrorKind::StorageFull)).class, Class::Ours);
    }
}
