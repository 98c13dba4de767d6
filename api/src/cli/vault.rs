//! `vault`: makes the vault of a ledger, turns its master key over, and opens it for the other commands.
//!
//! The master key is a key file like a person's, `keys/vault.key`, with a passphrase; or what a command of the
//! configuration prints (`vault_key_command`), which may ask a KMS or an HSM. Its name ends in its epoch.
//! Who reads what is not decided here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use gongkai_domain::Master;
use gongkai_log::{Digest, SigningKey};
use gongkai_store::{Clock, Layout, Vault, VaultFault, take_lock, vault::Entropy};
use serde_json::json;
use zeroize::Zeroizing;

use super::{local, terminal};
use crate::config::Config;
use crate::keyfile;
use crate::outcome::{Fault, Outcome, Verdict, chain};

/// Where a demo's passphrase lies, in the ledger's directory.
pub const DEMO_PASSPHRASE_FILE: &str = "keys/vault.passphrase";

/// Options of `vault`.
#[derive(Debug, clap::Args)]
#[command(after_help = "例子：\n  $ gongkai vault init --dir ledger --passphrase-file 口令.txt\n  \
    $ gongkai vault rotate --dir ledger --passphrase-file 口令.txt\n  \
    $ gongkai vault backup --dir ledger --to 备份 --keep-days 7\n\n\
    限阅库存放不向社会公开的内容（推荐、异议、来信、审核稿、联系方式）。主密钥在 keys/vault.key，由口令保护；\n\
    也可以不放文件，在 gongkai.toml 写 vault_key_command，由密钥管理系统给出。\n\
    口令丢失，限阅内容就打不开；公开账本的全部证明不受影响。")]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

/// What can be done with a vault.
#[derive(Debug, clap::Subcommand)]
enum Action {
    /// 为账本建限阅库
    Init(Options),
    /// 备份数据密钥，并删去过期的备份
    Backup(Backup),
    /// 换主密钥：重新封装全部数据密钥，账本和密文都不动
    Rotate(Options),
}

/// Options of a backup.
#[derive(Debug, clap::Args)]
struct Backup {
    /// 账本目录（网站可以在运行）
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 备份放到哪个目录
    #[arg(long, value_name = "目录")]
    to: PathBuf,
    /// 保留几天；更早的备份删去，删除令在这么多天后才算彻底
    #[arg(long, value_name = "天", default_value_t = 7)]
    keep_days: u32,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
}

/// Options of the others.
#[derive(Debug, clap::Args)]
struct Options {
    /// 账本目录（网站没有在运行时）
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 从文件第一行读取主密钥的口令；没有时在终端输入
    #[arg(long, value_name = "文件")]
    passphrase_file: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Whether a machine reads the output.
    pub fn json(&self) -> bool {
        match &self.action {
            Action::Init(options) | Action::Rotate(options) => options.json,
            Action::Backup(backup) => backup.json,
        }
    }
}

/// Makes a vault, or turns its master key over.
///
/// # Errors
/// No ledger or vault, a wrong passphrase, or the disk fails.
pub async fn run(args: Args) -> Outcome {
    match args.action {
        Action::Init(options) => init(options).await,
        Action::Rotate(options) => rotate(options).await,
        Action::Backup(backup) => back_up(&backup, &*local::clock()).await,
    }
}

/// Name of a backup: `vault-` and the second, so that names sort by time.
const BACKUP_FORM: &str = "vault-%Y%m%dT%H%M%SZ.db";

/// Copies the wraps, then removes copies that are older than they may be. A copy that fails removes nothing.
async fn back_up(options: &Backup, clock: &dyn Clock) -> Outcome {
    let layout = Layout::new(&options.dir);
    let now = clock.now();
    let file = options.to.join(now.format(BACKUP_FORM).to_string());
    Vault::back_up(&layout, &file).await.map_err(fault)?;
    private(&file).map_err(|error| Fault::failed(file.display().to_string(), &error))?;
    let removed = rotate_out(&options.to, now - TimeDelta::days(options.keep_days.into()))?;
    if options.json {
        terminal::say(json!({"file": file.display().to_string(), "removed": removed}))?;
    } else {
        terminal::say(format_args!("已备份到 {}，删去过期备份 {removed} 份", file.display()))?;
    }
    Ok(Verdict::Yes)
}

/// Removes the backups from before a time; nothing else in the folder is touched.
fn rotate_out(folder: &Path, before: DateTime<Utc>) -> Result<usize, Fault> {
    let disk = |error: std::io::Error| Fault::failed(folder.display().to_string(), &error);
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(disk)? {
        let path = entry.map_err(disk)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let made = NaiveDateTime::parse_from_str(name, BACKUP_FORM);
        if made.is_ok_and(|made| made.and_utc() < before) {
            fs::remove_file(&path).map_err(disk)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The machine's randomness.
pub fn entropy() -> Entropy {
    Arc::new(keyfile::random)
}

fn key_path(layout: &Layout) -> PathBuf {
    layout.keys().join("vault.key")
}

/// Where the next master key waits while a rotation is under way.
fn next_key_path(layout: &Layout) -> PathBuf {
    layout.keys().join("vault.key.next")
}

fn new_master(origin: &str, epoch: u64) -> Result<SigningKey, Fault> {
    let name = format!("{origin}/vault/{epoch}");
    keyfile::generate(&name).map_err(|error| Fault::ours(name, error.to_string()))
}

/// The key file as a master key: its name ends in the epoch.
fn master(key: &SigningKey) -> Option<Master> {
    let (_, epoch) = key.name().rsplit_once("/vault/")?;
    Some(Master::from_bytes(epoch.parse().ok()?, *key.seed()))
}

fn passphrase(options: &Options) -> Result<Zeroizing<String>, Fault> {
    match &options.passphrase_file {
        Some(file) => terminal::passphrase_file(file),
        None => terminal::new_passphrase(),
    }
}

async fn init(options: Options) -> Outcome {
    let layout = Layout::new(&options.dir);
    let config = Config::read(&layout)?;
    let _held = take_lock(&layout)?;
    if Vault::exists(&layout).await.map_err(|error| Fault::from(&error))? {
        return Err(Fault::usage(layout.vault().display().to_string(), "这里已经有限阅库，没有改动它"));
    }
    let made = if let Some(command) = &config.vault_key_command {
        from_command(command)?
    } else {
        let key = new_master(&config.origin, 0)?;
        let passphrase = passphrase(&options)?;
        keyfile::write(&key_path(&layout), &key, Some(&passphrase))?;
        master(&key).ok_or_else(|| Fault::ours("主密钥", "名称没有期号"))?
    };
    let vault = Vault::create(&layout, &config.origin, made, entropy()).await.map_err(fault)?;
    vault.close().await.map_err(fault)?;
    tell(&options, "限阅库已建好；请把口令和 keys/vault.key 分开保管，各留一份备份。", 0, 0)
}

async fn rotate(options: Options) -> Outcome {
    let layout = Layout::new(&options.dir);
    let config = Config::read(&layout)?;
    let _held = take_lock(&layout)?;
    if config.vault_key_command.is_some() {
        return Err(Fault::usage("vault_key_command", "主密钥由命令给出，请在密钥管理系统里换"));
    }
    let passphrase = match &options.passphrase_file {
        Some(file) => terminal::passphrase_file(file)?,
        None => terminal::passphrase(None, &key_path(&layout))?
            .ok_or_else(|| Fault::usage("--passphrase-file", "没有终端时必须给出"))?,
    };
    let read = |path: &Path| keyfile::read(path, || Some(passphrase.clone()));
    let masters = masters(&layout, &mut |path| Ok(read(path)?))?;
    let vault = Vault::open(&layout, &config.origin, masters, entropy()).await.map_err(fault)?;
    let epoch = vault.epoch() + 1;
    // A rotation that was cut short left its key here; the vault says that it was not used.
    let next = next_key_path(&layout);
    if next.exists() {
        fs::remove_file(&next).map_err(|error| Fault::failed(next.display().to_string(), &error))?;
    }
    let key = new_master(&config.origin, epoch)?;
    keyfile::write(&next, &key, Some(&passphrase))?;
    let renewed = master(&key).ok_or_else(|| Fault::ours("主密钥", "名称没有期号"))?;
    let count = vault.rotate(&renewed).await.map_err(fault)?;
    vault.close().await.map_err(fault)?;
    // From here on the old key opens nothing. Until the name is changed both files are tried.
    fs::rename(&next, key_path(&layout)).map_err(|error| Fault::failed(next.display().to_string(), &error))?;
    tell(&options, "主密钥已更换；旧钥匙打不开任何内容，请销毁它的备份。", epoch, count)
}

fn tell(options: &Options, sentence: &str, epoch: u64, wraps: u64) -> Outcome {
    if options.json {
        terminal::say(json!({"dir": options.dir.display().to_string(), "epoch": epoch, "data_keys": wraps}))?;
    } else {
        terminal::say(format_args!("{sentence}（第 {epoch} 期，数据密钥 {wraps} 把）"))?;
    }
    Ok(Verdict::Yes)
}

/// The master keys of the key files that are there.
fn masters(layout: &Layout, read: &mut dyn FnMut(&Path) -> Result<SigningKey, Fault>) -> Result<Vec<Master>, Fault> {
    let mut masters = Vec::new();
    for path in [key_path(layout), next_key_path(layout)] {
        if path.exists() {
            let key = read(&path)?;
            let form = || Fault::usage(path.display().to_string(), "不是限阅库的主密钥");
            masters.push(master(&key).ok_or_else(form)?);
        }
    }
    Ok(masters)
}

/// The master key that a command prints: epoch and 32 bytes in base64, on one line.
fn from_command(command: &[String]) -> Result<Master, Fault> {
    let place = || "vault_key_command".to_owned();
    let [program, arguments @ ..] = command else { return Err(Fault::usage(place(), "没有写命令")) };
    let ran = std::process::Command::new(program).args(arguments).stdin(std::process::Stdio::null()).output();
    let ran = ran.map_err(|error| Fault::failed(format!("{}：{program}", place()), &error))?;
    if !ran.status.success() {
        // What it says on its error output may hold a secret; it stays where the program wrote it.
        return Err(Fault::ours(place(), format!("{program} 没有成功（{}）", ran.status)));
    }
    let text = Zeroizing::new(ran.stdout);
    let line = std::str::from_utf8(&text).ok().and_then(|text| text.lines().next()).unwrap_or_default();
    let parsed = line.split_once(' ').and_then(|(epoch, key)| {
        let key = Digest::parse(key).ok()?;
        Some(Master::from_bytes(epoch.parse().ok()?, *key.as_bytes()))
    });
    parsed.ok_or_else(|| Fault::usage(place(), "命令应在第一行输出期号、空格和 32 字节的 base64"))
}

/// Opens the vault of a ledger, if it has one. Without its passphrase `None`, and a remark that says so, unless
/// it `must` open.
///
/// # Errors
/// A wrong master key or passphrase, or the disk fails.
pub async fn unlock(
    layout: &Layout,
    config: &Config,
    passphrase_file: Option<&PathBuf>,
    must: bool,
) -> Result<Option<Vault>, Fault> {
    if !Vault::exists(layout).await.map_err(|error| Fault::from(&error))? {
        return Ok(None);
    }
    let Some(masters) = unlocking(layout, config, passphrase_file, must)? else { return Ok(None) };
    Vault::open(layout, &config.origin, masters, entropy()).await.map(Some).map_err(fault)
}

/// Opens the vault of a ledger for reading alone, also beside a running server; `None` if there is none.
///
/// # Errors
/// A wrong master key or passphrase, or the disk fails.
pub async fn unlock_to_read(
    layout: &Layout,
    config: &Config,
    passphrase_file: Option<&PathBuf>,
) -> Result<Option<Vault>, Fault> {
    if !Vault::exists(layout).await.map_err(|error| Fault::from(&error))? {
        return Ok(None);
    }
    let masters = unlocking(layout, config, passphrase_file, true)?.unwrap_or_default();
    Vault::open_read_only(layout, &config.origin, masters, entropy()).await.map(Some).map_err(fault)
}

/// The master keys that unlock a vault. Without a passphrase `None`, and a remark that says so, unless it `must` open.
fn unlocking(
    layout: &Layout,
    config: &Config,
    passphrase_file: Option<&PathBuf>,
    must: bool,
) -> Result<Option<Vec<Master>>, Fault> {
    // The configuration speaks of the ledger's directory, the command line of the current one.
    let configured = config.vault_passphrase_file.as_ref().map(|file| layout.root().join(file));
    let passphrase_file = passphrase_file.or(configured.as_ref());
    let masters = match &config.vault_key_command {
        Some(command) => vec![from_command(command)?],
        None => match from_files(layout, passphrase_file, must)? {
            Some(masters) => masters,
            None => return Ok(None),
        },
    };
    Ok(Some(masters))
}

/// The master keys of the key files; `None` without their passphrase, unless they `must` open.
fn from_files(layout: &Layout, passphrase_file: Option<&PathBuf>, must: bool) -> Result<Option<Vec<Master>>, Fault> {
    let (mut asked, mut missing) = (None, false);
    let read = masters(layout, &mut |path| {
        if asked.is_none() {
            asked = terminal::passphrase(passphrase_file, path)?;
            missing = asked.is_none();
        }
        Ok(keyfile::read(path, || asked.clone())?)
    });
    if missing && !must {
        terminal::remark("限阅库没有解锁（没有给出口令），只受理公开事项。");
        return Ok(None);
    }
    let mend = "请用 --vault-passphrase-file 给出口令，或在 gongkai.toml 写 vault_passphrase_file";
    read.map(Some).map_err(|fault| fault.mend(mend))
}

/// What a fault of the vault means for whoever runs a command.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub fn fault(fault: VaultFault) -> Fault {
    let cause = chain(&fault);
    match fault {
        VaultFault::Master { .. } => {
            Fault::usage("限阅库", cause).mend("请放回这个账本的 keys/vault.key；恢复备份时库和钥匙要同一期")
        }
        VaultFault::Newer { found, known } => {
            Fault::ours("限阅库", format!("版本是 {found}，本程序只认识到 {known}")).mend("请换用新版本的程序")
        }
        VaultFault::NotAVault => {
            Fault::usage("限阅库", "vault/wraps.db 不是限阅库").mend("请从备份取回这个账本的 vault/wraps.db")
        }
        VaultFault::Missing(_) | VaultFault::Exists(_) | VaultFault::Origin(_) => Fault::usage("限阅库", cause),
        VaultFault::Sealed { .. } | VaultFault::NotLoaded | VaultFault::Overtaken | VaultFault::Store(_) => {
            Fault::ours("限阅库", cause)
        }
    }
}

/// Makes a vault whose passphrase lies beside it: for a demo, and for nothing else.
///
/// # Errors
/// The disk fails.
pub async fn init_for_demo(layout: &Layout, origin: &str) -> Result<(), Fault> {
    let mut secret = [0; 32];
    keyfile::random(&mut secret);
    let passphrase = Zeroizing::new(Digest::from_bytes(secret).to_string());
    let file = layout.root().join(DEMO_PASSPHRASE_FILE);
    let disk = |error: std::io::Error| Fault::failed(file.display().to_string(), &error);
    fs::write(&file, format!("{}\n", *passphrase)).map_err(disk)?;
    private(&file).map_err(disk)?;
    let key = new_master(origin, 0)?;
    keyfile::write(&key_path(layout), &key, Some(&passphrase))?;
    let made = master(&key).ok_or_else(|| Fault::ours("主密钥", "名称没有期号"))?;
    let vault = Vault::create(layout, origin, made, entropy()).await.map_err(fault)?;
    vault.close().await.map_err(fault)
}

#[cfg(unix)]
fn private(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn private(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gives_the_master_key_and_one_that_fails_or_prints_something_else_is_said_so() {
        let print = |text: &str| ["printf".to_owned(), format!("{text}\\n")];
        let key = Digest::from_bytes([7; 32]).to_string();
        assert_eq!(from_command(&print(&format!("3 {key}"))).unwrap().epoch(), 3);
        for wrong in [key.as_str(), "0 short", "x y", ""] {
            let fault = from_command(&print(wrong)).unwrap_err();
            assert!(fault.to_string().contains("vault_key_command"), "{fault}");
            assert!(!fault.to_string().contains(&key), "a key is never repeated");
        }
        assert!(from_command(&["false".to_owned()]).is_err());
        assert!(from_command(&["/no/such/program".to_owned()]).is_err());
        assert!(from_command(&[]).is_err());
    }

    #[test]
    fn backups_from_before_the_rotation_go_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["vault-20260301T000000Z.db", "vault-20260309T000000Z.db", "vault-note.txt", "letter.db"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let before = "2026-03-08T00:00:00Z".parse().unwrap();
        assert_eq!(rotate_out(folder.path(), before).unwrap(), 1);
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["letter.db", "vault-20260309T000000Z.db", "vault-note.txt"]);
    }
}
