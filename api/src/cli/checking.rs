//! What `verify` and `audit` share: where the log is, which key it must be signed with, and running the
//! checker over a directory with its database, an address, or a bundle.

use std::path::{Path, PathBuf};

use gongkai_domain::key_history;
use gongkai_log::log_keys::HISTORY_PATH;
use gongkai_log::note::NOTE_BYTES_MAX;
use gongkai_log::policy::POLICY_BYTES_MAX;
use gongkai_log::{
    Authority, Checkpoint, Fetch, Finding, FsckError, LogKeys, Mode, Options, Policy, Report, VerifierKey, fsck,
};
use gongkai_store::{DirectoryFetch, Layout};

use super::terminal::Progress;
use crate::fetch::{HttpFetch, TarFetch};
use crate::outcome::{Fault, chain};

/// Options of every check.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// 本机的账本目录（连数据库一起核验）
    #[arg(long, value_name = "目录", conflicts_with_all = ["url", "file"])]
    pub dir: Option<PathBuf>,
    /// 账本的网址
    #[arg(long, value_name = "网址", conflicts_with = "file")]
    pub url: Option<String>,
    /// 账本的验证钥匙（或写有它的文件），从可信的地方得来
    #[arg(long, value_name = "钥匙")]
    pub vkey: Option<String>,
    /// 账本换过钥匙时，单个文件所用的钥匙来历（账本的 log/key-history）
    #[arg(long, value_name = "文件", requires = "file")]
    pub key_history: Option<PathBuf>,
    /// 见证规则文件：要求足够多的见证方联署
    #[arg(long, value_name = "文件")]
    pub policy: Option<PathBuf>,
    /// 以前保存的检查点：证明账本只增不改
    #[arg(long, value_name = "文件")]
    pub old_checkpoint: Option<PathBuf>,
    /// 成批验签，快一倍多（有争议时以不加此项的结果为准）
    #[arg(long)]
    pub fast: bool,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
    /// 归档（.tar）、证明文件（.tlog-proof）、检查点文件或分叉证据（.fork）
    #[arg(value_name = "文件", required_unless_present_any = ["dir", "url"])]
    pub file: Option<PathBuf>,
}

/// Something that can be checked as a whole.
pub enum Source {
    /// A ledger's directory.
    Dir(Layout, DirectoryFetch),
    /// An address.
    Url(HttpFetch),
    /// A bundle.
    Bundle(TarFetch),
}

/// A finding, and the copy of the log in which it is.
#[derive(Debug)]
pub struct Found {
    /// The finding.
    pub finding: Finding,
    /// 数据库, or nothing where there is one copy only.
    pub copy: &'static str,
}

/// How a check ended that could read everything.
pub type Checked = Result<Report, Found>;

/// The verifier key that an option gives: itself, or the file that holds it.
///
/// # Errors
/// A file that cannot be read, or no verifier key.
pub fn verifier_key(option: &str, text: &str) -> Result<VerifierKey, Fault> {
    let path = Path::new(text);
    if path.is_file() { parsed(option, &read(path)?) } else { parsed(option, text) }
}

fn parsed(option: &str, text: &str) -> Result<VerifierKey, Fault> {
    VerifierKey::parse(text.trim())
        .map_err(|error| Fault::usage(option, error.to_string()).mend("验证钥匙是 gongkai init 打印的那一行"))
}

impl Check {
    /// The key that checkpoints must be signed with, and whether somebody vouched for it.
    ///
    /// # Errors
    /// A key that is none, or a source without one.
    pub fn vkey(&self, offered: impl FnOnce() -> Result<Option<Vec<u8>>, Fault>) -> Result<(VerifierKey, bool), Fault> {
        if let Some(given) = &self.vkey {
            return Ok((verifier_key("--vkey", given)?, true));
        }
        let bytes = offered()?.ok_or_else(|| Fault::usage("--vkey", "这里没有附带验证钥匙，必须给出"))?;
        Ok((parsed("--vkey", &String::from_utf8_lossy(&bytes))?, false))
    }

    /// The policy, if there is one.
    ///
    /// # Errors
    /// No such file, or a malformed one.
    pub fn policy(&self) -> Result<Option<Policy>, Fault> {
        let read = self.policy.as_deref().map(policy_file).transpose()?;
        Ok(read.map(|(policy, _)| policy))
    }

    /// The log's keys for a file that stands alone: the key that somebody vouched for, and what its history proves.
    ///
    /// # Errors
    /// No such file, or no history of this log's keys.
    pub fn keys(&self, known: &VerifierKey) -> Result<LogKeys, Fault> {
        let Some(path) = &self.key_history else { return Ok(known.into()) };
        let place = || path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| Fault::usage(place(), error.to_string()))?;
        key_history::read(&bytes, known).map_err(|error| Fault::usage(place(), chain(&error)))
    }

    /// The checkpoint that was seen before, under the same log's keys.
    ///
    /// # Errors
    /// No such file, or no checkpoint of this log.
    pub fn old(&self, keys: &LogKeys) -> Result<Option<Checkpoint>, Fault> {
        let Some(path) = &self.old_checkpoint else { return Ok(None) };
        let opened = keys.open(&read(path)?);
        let opened = opened.map(|(checkpoint, _)| Some(checkpoint));
        opened.map_err(|error| Fault::usage(path.display().to_string(), crate::outcome::chain(&error)))
    }
}

/// A policy with the text of its file.
///
/// # Errors
/// No such file, or a malformed one.
pub fn policy_file(path: &Path) -> Result<(Policy, String), Fault> {
    let place = || path.display().to_string();
    if std::fs::metadata(path).map_or(0, |file| file.len()) > POLICY_BYTES_MAX as u64 {
        return Err(Fault::usage(place(), "见证规则文件太大"));
    }
    let text = read(path)?;
    let policy = Policy::parse(&text).map_err(|error| Fault::usage(place(), chain(&error)))?;
    Ok((policy, text))
}

/// Reads a small text file.
///
/// # Errors
/// No such file.
pub fn read(path: &Path) -> Result<String, Fault> {
    let place = || path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Fault::usage(place(), "没有这个文件"),
        _ => Fault::failed(place(), &error),
    })?;
    String::from_utf8(bytes).map_err(|_| Fault::usage(place(), "不是文字文件"))
}

impl Source {
    /// The published key that comes with the log, which proves nothing about who made it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn offered_key(&self) -> Result<Option<Vec<u8>>, Fault> {
        match self {
            Self::Dir(layout, _) => match std::fs::read(layout.vkey()) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Err(Fault::usage(layout.root().display().to_string(), "这个目录不是账本（没有 log/vkey）"))
                }
                Err(error) => Err(Fault::failed("log/vkey", &error)),
            },
            Self::Url(fetch) => fetch.get("vkey", NOTE_BYTES_MAX).map_err(|error| Fault::failed("vkey", &error)),
            Self::Bundle(fetch) => fetch.get("vkey", NOTE_BYTES_MAX).map_err(|error| Fault::failed("vkey", &error)),
        }
    }
}

/// The keys of the log of which `known` is one, as its published files prove. What its entries say decides in the end.
///
/// # Errors
/// Something could not be read, which says nothing about the log.
pub fn keys_of<F: Fetch>(fetch: &F, known: &VerifierKey) -> Result<Result<LogKeys, Found>, Fault> {
    let read =
        fetch.extra(HISTORY_PATH).map_err(|source| FsckError::<F::Error>::Read { path: HISTORY_PATH.into(), source });
    let Some(bytes) = read? else { return Ok(Ok(known.into())) };
    Ok(key_history::read(&bytes, known).map_err(|error| {
        let finding = Finding { index: None, field: HISTORY_PATH.to_owned(), reason: chain(&error) };
        Found { finding, copy: "" }
    }))
}

/// What a check demands besides the key.
pub struct Limits<'p> {
    /// Verify signatures in batches.
    pub fast: bool,
    /// A checkpoint that the log must still contain.
    pub old: Option<Checkpoint>,
    /// Witnesses that must have cosigned.
    pub policy: Option<&'p Policy>,
}

/// Runs the checker with an authority and what the options demand.
///
/// # Errors
/// Something could not be read, which says nothing about the log.
pub fn run<F: Fetch, A: Authority>(
    fetch: &F,
    authority: &mut A,
    keys: &LogKeys,
    check: &Check,
    label: &'static str,
    copy: &'static str,
) -> Result<Checked, Fault> {
    let policy = check.policy()?;
    let limits = Limits { fast: check.fast, old: check.old(keys)?, policy: policy.as_ref() };
    run_with(fetch, authority, keys, limits, label, copy)
}

/// Runs the checker with an authority.
///
/// # Errors
/// As [`run`].
pub fn run_with<F: Fetch, A: Authority>(
    fetch: &F,
    authority: &mut A,
    keys: &LogKeys,
    limits: Limits<'_>,
    label: &'static str,
    copy: &'static str,
) -> Result<Checked, Fault> {
    let progress = Progress::new(label);
    let tell = |done, all| progress.tell(done, all);
    let options = Options {
        mode: if limits.fast { Mode::Fast } else { Mode::Strict },
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        old_checkpoint: limits.old,
        policy: limits.policy,
        check_openings: true,
        keys: Some(keys),
        progress: Some(&tell),
    };
    match fsck(fetch, authority, keys.first(), &options) {
        Ok(report) => Ok(Ok(report)),
        Err(FsckError::Finding(finding)) => Ok(Err(Found { finding, copy })),
        Err(error) => Err(error.into()),
    }
}
