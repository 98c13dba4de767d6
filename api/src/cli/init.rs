//! `init`: a new ledger, all of it or nothing.
//!
//! Everything is made in a folder beside the wanted one, which then gets its name: a crash leaves a
//! folder that is no ledger, and never half a ledger. A directory that has anything in it is not touched.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gongkai_domain::{Command, Setting, Submission, prepare};
use gongkai_log::{Digest, KeyKind, SignedStatement, Signer, SigningKey, StreamId, VerifierKey, key};
use gongkai_store::{Clock, CreateOptions, Layout, Ledger, LedgerKeys, ServerUrl, Settings};
use serde_json::{Value, json};

use super::{local, terminal};
use crate::config::Config;
use crate::keyfile;
use crate::outcome::{Fault, Outcome, Verdict};

/// With fewer registrars nobody could appoint a reviewer, approver or supervisor (design 3.4).
const REGISTRARS_MIN: usize = 2;

/// Options of `init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "例子：\n  $ gongkai init --dir ledger --origin ledger.example/qinghe --name 青禾县公开账本 --org 341599\n\n\
    登记员至少两名；没有用 --registrar 给出的，在 keys/registrar-N.key 生成。\n\
    recovery.key 和登记员的私钥应尽快移到别处保管。"
)]
pub struct Args {
    /// 新账本的目录（不存在，或是空的）
    #[arg(long, value_name = "目录")]
    dir: PathBuf,
    /// 账本标识，像网址那样不与别人重复，一经创建不能更改
    #[arg(long, value_name = "标识")]
    origin: String,
    /// 账本名称
    #[arg(long, value_name = "名称")]
    name: Option<String>,
    /// 主管机构的代码
    #[arg(long, value_name = "代码")]
    org: Option<String>,
    /// 登记员在别处生成的验证钥匙，可写多次
    #[arg(long, value_name = "钥匙")]
    registrar: Vec<String>,
    /// 把账本的数据存进这个 PostgreSQL 数据库（postgres://用户@主机/库名）；不写就存在目录里
    ///
    /// 口令不要写进地址：程序读 PGPASSFILE 或 ~/.pgpass，也读环境变量 PGPASSWORD。
    #[arg(long, value_name = "地址")]
    database: Option<String>,
    /// 输出 JSON
    #[arg(long)]
    pub json: bool,
}

/// What a new ledger is.
#[derive(Clone, Debug)]
pub struct NewLedger {
    /// Its origin, the name of its log key.
    pub origin: String,
    /// Its name for people.
    pub name: String,
    /// Code of the organization that keeps it.
    pub org: String,
    /// Registrars' keys that were made elsewhere.
    pub registrars: Vec<VerifierKey>,
    /// The PostgreSQL database for its rows; its directory without one.
    pub database: Option<ServerUrl>,
}

/// A registrar of a new ledger.
#[derive(Clone, Debug)]
pub struct Registrar {
    /// Opaque id.
    pub person: StreamId,
    /// The key.
    pub vkey: VerifierKey,
    /// Its private half, if it was generated here.
    pub file: Option<PathBuf>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Verifier key of the log.
    pub vkey: VerifierKey,
    /// Hash of the genesis entry.
    pub genesis: Digest,
    /// The first registrars.
    pub registrars: Vec<Registrar>,
}

/// Makes the ledger and prints its verifier key.
///
/// # Errors
/// See [`init`].
pub async fn run(args: Args) -> Outcome {
    let parse = |text: &String| {
        VerifierKey::parse(text).map_err(|error| Fault::usage("--registrar", format!("{text}：{error}")))
    };
    let new = NewLedger {
        name: args.name.unwrap_or_else(|| args.origin.clone()),
        org: args.org.unwrap_or_else(|| "ledger".to_owned()),
        registrars: args.registrar.iter().map(parse).collect::<Result<_, _>>()?,
        database: args.database.as_deref().map(|text| local::server(text, "--database")).transpose()?,
        origin: args.origin,
    };
    let made = init(&args.dir, &new, local::clock()).await?;
    let registrars = made.registrars.iter().map(|registrar| {
        json!({"person": registrar.person, "vkey": registrar.vkey.to_string(),
            "file": registrar.file.as_ref().map(|file| file.display().to_string())})
    });
    if args.json {
        terminal::say(
            json!({"dir": args.dir.display().to_string(), "origin": new.origin, "vkey": made.vkey.to_string(),
            "genesis": made.genesis, "registrars": registrars.collect::<Vec<_>>()}),
        )?;
        return Ok(Verdict::Yes);
    }
    terminal::say(&made.vkey)?;
    terminal::say(format_args!("创世条目 {}", made.genesis))?;
    terminal::remark("请把验证钥匙公布到账本以外的地方（报纸、公告栏），供人核验。");
    for registrar in made.registrars {
        let file = registrar.file.map_or_else(|| "在别处".to_owned(), |file| file.display().to_string());
        terminal::remark(format_args!("登记员 {}  {}  私钥 {file}", registrar.vkey.name(), registrar.person));
    }
    Ok(Verdict::Yes)
}

/// Makes keys (0600), `gongkai.toml` and the genesis. The ledger is not left open.
///
/// # Errors
/// The directory has something in it, an origin, name or key cannot be used, or the disk fails.
pub async fn init(dir: &Path, new: &NewLedger, clock: Arc<dyn Clock>) -> Result<Made, Fault> {
    must_be_free(dir)?;
    if !key::valid_key_name(&new.origin) {
        return Err(Fault::usage("--origin", "不能为空，不能有空格和加号").mend("例如 ledger.example/qinghe"));
    }
    if !gongkai_domain::field::is_org_code(&new.org) {
        return Err(Fault::usage("--org", "机构代码只能是 1–32 个字母、数字和 - _ ."));
    }
    let draft = draft_of(dir)?;
    let disk = |error: std::io::Error| Fault::failed(draft.display().to_string(), &error);
    fs::create_dir_all(&draft).map_err(disk)?;
    let made = make(&Layout::new(&draft), dir, new, clock).await;
    let named = made.and_then(|made| {
        fs::rename(&draft, dir).map_err(disk)?;
        let parent = draft.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(disk)?;
        Ok(made)
    });
    if named.is_err() {
        // What could not be finished is nobody's ledger; that it cannot be removed either is no news.
        let _ = fs::remove_dir_all(&draft);
    }
    named
}

/// Refuses a directory that has something in it.
pub(super) fn must_be_free(dir: &Path) -> Result<(), Fault> {
    let place = || dir.display().to_string();
    if Layout::new(dir).has_ledger() {
        return Err(Fault::usage(place(), "这里已经有一个账本，没有改动它").mend("请换一个目录"));
    }
    match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(()),
        Ok(true) => Err(Fault::usage(place(), "目录里已有别的文件，没有改动它").mend("请换一个新的或空的目录")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Fault::usage(place(), error.to_string())),
    }
}

/// A folder beside the wanted one, on the same disk, that nobody else makes at the same time.
pub(super) fn draft_of(dir: &Path) -> Result<PathBuf, Fault> {
    let name = dir.file_name().ok_or_else(|| Fault::usage(dir.display().to_string(), "不是可用的目录名"))?;
    let mut tag = [0; 8];
    keyfile::random(&mut tag);
    let tag = u64::from_be_bytes(tag);
    Ok(dir.with_file_name(format!(".{}.init-{tag:016x}", name.to_string_lossy())))
}

async fn make(layout: &Layout, dir: &Path, new: &NewLedger, clock: Arc<dyn Clock>) -> Result<Made, Fault> {
    let keys = layout.keys();
    fs::create_dir_all(&keys).map_err(|error| Fault::failed(keys.display().to_string(), &error))?;
    let own = |role: &str, name: String| -> Result<SigningKey, Fault> {
        let key = keyfile::generate(&name).map_err(|error| Fault::usage("--origin", error.to_string()))?;
        keyfile::write(&keys.join(format!("{role}.key")), &key, None)?;
        Ok(key)
    };
    let log = own("log", new.origin.clone())?;
    let intake = own("intake", format!("{}/intake", new.origin))?;
    let recovery = own("recovery", format!("{}/recovery", new.origin))?;
    let mut registrars = Vec::new();
    for vkey in &new.registrars {
        check_registrar(vkey)?;
        registrars.push(Registrar { person: person(&*clock), vkey: vkey.clone(), file: None });
    }
    for number in registrars.len() + 1..=REGISTRARS_MIN {
        let role = format!("registrar-{number}");
        let vkey = own(&role, format!("{}/{role}", new.origin))?.verifier();
        // The path that it will have when everything is done.
        let file = Layout::new(dir).keys().join(format!("{role}.key"));
        registrars.push(Registrar { person: person(&*clock), vkey, file: Some(file) });
    }
    write_config(layout, new)?;
    let genesis = genesis(new, [&log, &intake, &recovery], &registrars, &*clock)?;
    let vkey = log.verifier();
    let keys = LedgerKeys { log, intake, beside: Vec::new() };
    let options = CreateOptions { keys, genesis, settings: Settings::default(), server: new.database.clone() };
    let ledger = Ledger::create(layout, options, clock).await?;
    let first = ledger.entry(0).await.map_err(|error| Fault::from(&error))?;
    let first = first.ok_or_else(|| Fault::ours("创世条目", "没有写入"))?;
    ledger.shutdown().await;
    ledger.reader().close().await;
    Ok(Made { vkey, genesis: Digest::of(&first.bytes), registrars })
}

fn check_registrar(vkey: &VerifierKey) -> Result<(), Fault> {
    if vkey.kind() == KeyKind::Ed25519 {
        return Ok(());
    }
    Err(Fault::usage("--registrar", format!("{vkey} 是见证方的钥匙，不能签声明")).mend("请用 gongkai keygen 生成"))
}

fn person(clock: &dyn Clock) -> StreamId {
    local::new_stream("person.registered.v1", clock)
}

fn write_config(layout: &Layout, new: &NewLedger) -> Result<(), Fault> {
    Config::new(&new.origin, &new.name, &new.org).write(layout)
}

fn genesis(
    new: &NewLedger,
    [log, intake, recovery]: [&SigningKey; 3],
    registrars: &[Registrar],
    clock: &dyn Clock,
) -> Result<Submission, Fault> {
    let registrars: Vec<Value> = registrars
        .iter()
        .map(|registrar| json!({"person": registrar.person, "key": registrar.vkey.to_string()}))
        .collect();
    let command = Command::from_value(json!({"kind": "ledger.created.v1", "org": new.org, "fields": {
        "name": new.name, "log_key": log.verifier().to_string(), "intake_key": intake.verifier().to_string(),
        "recovery_key": recovery.verifier().to_string(), "registrars": registrars}}))?;
    let setting = Setting {
        origin: &new.origin,
        stream: local::new_stream("ledger.created.v1", clock),
        head: None,
        signers: vec![Signer { role: "log".to_owned(), key: log.name().to_owned() }],
        declared_at: local::china_time(clock.now()),
    };
    let prepared = prepare(&command, &setting, &mut keyfile::random)?;
    let signed = SignedStatement::sign(&prepared.statement, &[log]);
    let signed = signed.map_err(|error| Fault::failed("创世条目", &error))?;
    Ok(prepared.into_submission(signed.note.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_ledger() -> NewLedger {
        NewLedger {
            origin: "ledger.example/init".into(),
            name: "试验账本（虚构）".into(),
            org: "341599".into(),
            registrars: Vec::new(),
            database: None,
        }
    }

    #[tokio::test]
    async fn a_new_ledger_has_keys_configuration_genesis_and_two_registrars() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("ledger");
        let made = init(&dir, &new_ledger(), local::clock()).await.unwrap();
        let layout = Layout::new(&dir);
        assert_eq!(made.registrars.len(), 2);
        for registrar in &made.registrars {
            let key = keyfile::read(registrar.file.as_ref().unwrap(), || None).unwrap();
            assert_eq!(key.verifier(), registrar.vkey);
        }
        assert_eq!(Config::read(&layout).unwrap().origin, "ledger.example/init");
        let ledger = local::open(&layout, local::clock()).await.unwrap();
        let first = ledger.entry(0).await.unwrap().unwrap();
        assert_eq!(Digest::of(&first.bytes), made.genesis);
        ledger.shutdown().await;
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "no draft is left");
    }

    #[tokio::test]
    async fn what_is_there_already_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let foreign = place.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("letter.txt"), "mine").unwrap();
        let fault = init(&foreign, &new_ledger(), local::clock()).await.unwrap_err();
        assert_eq!(fault.class, crate::outcome::Class::Usage);
        assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);
        let dir = place.path().join("ledger");
        init(&dir, &new_ledger(), local::clock()).await.unwrap();
        let before = fs::read(Layout::new(&dir).configuration()).unwrap();
        let fault = init(&dir, &new_ledger(), local::clock()).await.unwrap_err();
        assert!(fault.to_string().contains("已经有一个账本"), "{fault}");
        assert_eq!(fs::read(Layout::new(&dir).configuration()).unwrap(), before);
    }

    #[tokio::test]
    async fn a_registrar_who_made_the_key_elsewhere_gets_no_file_here() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("ledger");
        let elsewhere = keyfile::generate("zhou.example/1").unwrap();
        let new = NewLedger { registrars: vec![elsewhere.verifier()], ..new_ledger() };
        let made = init(&dir, &new, local::clock()).await.unwrap();
        assert_eq!(made.registrars.len(), 2);
        assert!(made.registrars[0].file.is_none());
        assert!(!Layout::new(&dir).keys().join("registrar-1.key").exists());
        assert!(Layout::new(&dir).keys().join("registrar-2.key").exists());
    }
}
