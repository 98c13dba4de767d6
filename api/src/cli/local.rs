//! What several commands share: where a ledger is, which keys sign, and opening a ledger on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, SubsecRound as _, Utc};
use gongkai_domain::{Role, kind};
use gongkai_log::{LogKeys, SigningKey, StreamId, VerifierKey};
use gongkai_projections::Home;
use gongkai_store::{Clock, Layout, Ledger, LedgerKeys, ServerUrl, Settings, SystemClock, Vault, published_keys};
use zeroize::Zeroizing;

use super::visit::Visit;
use super::{terminal, vault};
use crate::client::{Client, Hand};
use crate::config::{Config, ViewsAt, bucket, replicas};
use crate::cosigning::Cosigning;
use crate::fetch::{self, HttpFetch};
use crate::http::zone;
use crate::keyfile::{self, KeyFileError};
use crate::outcome::Fault;
use crate::rotation::{self, FORMER_KEY, NEXT_KEY};

/// A ledger on this machine or elsewhere.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct Place {
    #[command(flatten)]
    at: At,
    /// https 网址只信任这个文件里的证书（PEM），例如账本目录的 keys/internal-tls.pem
    #[arg(long, value_name = "文件", conflicts_with = "dir")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = false)]
struct At {
    /// 本机的账本目录（网站没有在运行时）
    #[arg(long, value_name = "目录")]
    dir: Option<PathBuf>,
    /// 账本的网址，例如 <http://127.0.0.1:8081>
    #[arg(long, value_name = "网址")]
    url: Option<String>,
}

/// An agent that trusts the certificates of a file, or without one the well-known authorities.
///
/// # Errors
/// A file that holds no certificate.
pub fn agent(ca: Option<&PathBuf>) -> Result<ureq::Agent, Fault> {
    ca.map_or_else(|| Ok(fetch::agent()), |file| fetch::agent_trusting(file))
}

/// Where the public views of a ledger lie.
///
/// # Errors
/// A server that is asked for and that the ledger does not have, or an address that cannot be read.
pub fn views_home(layout: &Layout, config: &Config) -> Result<Home, Fault> {
    let place = gongkai_store::Place::of(layout).map_err(|error| Fault::from(&error))?;
    match (config.views, place) {
        (ViewsAt::Files, _) if !config.read_replicas.is_empty() => {
            Err(Fault::usage("gongkai.toml 的 read_replicas", "查询库在文件里，没有从库可读")
                .mend("请去掉这一行，或写上 views = \"server\""))
        }
        (ViewsAt::Files, _) => Ok(Home::from(layout.root())),
        (ViewsAt::Server, gongkai_store::Place::Server(url)) => {
            Ok(Home::shared(layout.root(), &url).with_replicas(replicas::urls(&config.read_replicas)?))
        }
        (ViewsAt::Server, gongkai_store::Place::File(_)) => {
            Err(Fault::usage("gongkai.toml 的 views", "写着 server，而这本账的数据不在 PostgreSQL 里")
                .mend("请去掉这一行，或先用 gongkai migrate 把账本搬进 PostgreSQL"))
        }
    }
}

/// A name for a new matter of a kind.
///
/// # Panics
/// A kind that is not in the list; those used here are.
pub fn new_stream(kind: &str, clock: &dyn Clock) -> StreamId {
    kind::find(kind).expect("the kinds used here are in the list").new_stream(clock.now(), &mut keyfile::random)
}

impl Place {
    /// The directory, if it is on this machine.
    pub fn dir(&self) -> Option<&Path> {
        self.at.dir.as_deref()
    }

    /// A session at the internal side, if the ledger is elsewhere.
    ///
    /// # Errors
    /// As [`Visit::sign_in`].
    pub fn visit(&self, key: &SigningKey) -> Result<Option<Visit<'_>>, Fault> {
        let Some(url) = &self.at.url else { return Ok(None) };
        Visit::sign_in(agent(self.ca.as_ref())?, url, key).map(Some)
    }

    /// The agent and the address, without a slash at its end, of a ledger that is asked without a key.
    ///
    /// # Errors
    /// As [`Place::fetch`].
    pub fn asked(&self) -> Result<(ureq::Agent, &str), Fault> {
        let url = self.at.url.as_deref().ok_or_else(neither)?;
        Ok((agent(self.ca.as_ref())?, url.trim_end_matches('/')))
    }

    /// The published log of the ledger at an address.
    ///
    /// # Errors
    /// No address was given, or a file that holds no certificate.
    pub fn fetch(&self) -> Result<HttpFetch, Fault> {
        let url = self.at.url.as_deref().ok_or_else(neither)?;
        Ok(HttpFetch::with(agent(self.ca.as_ref())?, url))
    }

    /// A client of the ledger.
    ///
    /// # Errors
    /// No ledger there, or another process holds it.
    pub async fn client(&self, clock: Arc<dyn Clock>) -> Result<Client, Fault> {
        match (&self.at.dir, &self.at.url) {
            (Some(dir), _) => Ok(Client::local(open(&Layout::new(dir), Arc::clone(&clock)).await?, clock)),
            (None, Some(url)) => Client::remote(url, agent(self.ca.as_ref())?, clock),
            (None, None) => Err(neither()),
        }
    }

    /// Where signed statements wait until they are answered.
    pub fn outbox(&self) -> PathBuf {
        if let Some(dir) = &self.at.dir {
            return dir.join("outbox");
        }
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
        state.or_else(home).unwrap_or_else(|| PathBuf::from(".")).join("gongkai/outbox")
    }
}

/// The parser of the command line lets nobody come here.
fn neither() -> Fault {
    Fault::usage("--dir、--url", "必须给出其中一个")
}

/// Who signs alone.
#[derive(Debug, Clone, clap::Args)]
pub struct Alone {
    /// 本人的私钥文件
    #[arg(long, value_name = "文件")]
    pub key: PathBuf,
    /// 私钥有口令时，从文件第一行读取
    #[arg(long, value_name = "文件")]
    pub passphrase_file: Option<PathBuf>,
}

impl Alone {
    /// Reads the key.
    ///
    /// # Errors
    /// A key file that cannot be used.
    pub fn hand(&self) -> Result<Hand, Fault> {
        Ok(Hand { role: None, key: Arc::new(person_key(&self.key, self.passphrase_file.as_ref())?) })
    }
}

/// Who signs.
#[derive(Debug, Clone, clap::Args)]
pub struct Signing {
    /// 提出人的私钥文件
    #[arg(long, value_name = "文件")]
    pub key: PathBuf,
    /// 提出人以什么职责签名（不写则按事项种类自动选）
    #[arg(long, value_name = "职责", value_parser = role)]
    pub role: Option<Role>,
    /// 共同签名的私钥文件，可写多次；可指明职责，例如 supervisor=a.key
    #[arg(long, value_name = "[职责=]文件")]
    pub cosign: Vec<String>,
    /// 私钥有口令时，从文件第一行读取
    #[arg(long, value_name = "文件")]
    pub passphrase_file: Option<PathBuf>,
}

impl Signing {
    /// Reads the keys, author first.
    ///
    /// # Errors
    /// A key file that cannot be used.
    pub fn hands(&self) -> Result<Vec<Hand>, Fault> {
        let mut hands = vec![Hand { role: self.role, key: Arc::new(self.read(&self.key)?) }];
        for text in &self.cosign {
            let (role, file) = cosigner(text);
            hands.push(Hand { role, key: Arc::new(self.read(file)?) });
        }
        Ok(hands)
    }

    fn read(&self, path: &Path) -> Result<SigningKey, Fault> {
        person_key(path, self.passphrase_file.as_ref())
    }
}

/// Reads a person's key; asks for its passphrase where it has one.
///
/// # Errors
/// A key file that cannot be used.
pub fn person_key(path: &Path, passphrase_file: Option<&PathBuf>) -> Result<SigningKey, Fault> {
    asking(path, passphrase_file, |ask| keyfile::read(path, ask))
}

/// Reads a witness's key in the same way.
///
/// # Errors
/// As [`person_key`].
pub fn witness_key(path: &Path, passphrase_file: Option<&PathBuf>) -> Result<SigningKey, Fault> {
    asking(path, passphrase_file, |ask| keyfile::read_witness(path, ask))
}

fn asking(
    path: &Path,
    passphrase_file: Option<&PathBuf>,
    read: impl FnOnce(&mut dyn FnMut() -> Option<Zeroizing<String>>) -> Result<SigningKey, KeyFileError>,
) -> Result<SigningKey, Fault> {
    let mut asked = Ok(None);
    let key = read(&mut || {
        asked = terminal::passphrase(passphrase_file, path);
        asked.as_ref().ok().cloned().flatten()
    });
    asked?;
    Ok(key?)
}

/// `ROLE=FILE`, or a file alone.
fn cosigner(text: &str) -> (Option<Role>, &Path) {
    match text.split_once('=').and_then(|(word, file)| Some((role(word).ok()?, file))) {
        Some((role, file)) => (Some(role), Path::new(file)),
        None => (None, Path::new(text)),
    }
}

/// A role by its wire name or its Chinese name.
fn role(text: &str) -> Result<Role, String> {
    Role::from_wire(text).or_else(|| Role::ALL.iter().copied().find(|role| role.label() == text)).ok_or_else(|| {
        let known: Vec<_> =
            Role::ALL.iter().filter(|r| !r.is_ledger()).map(|r| format!("{}（{}）", r.wire(), r.label())).collect();
        format!("没有这种职责，可用：{}", known.join("、"))
    })
}

/// Least time between two checkpoints that witnesses are asked to cosign.
const WITNESSED_EVERY: Duration = Duration::from_millis(500);

/// How far a node's clock may be from its database server's.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(5);

/// The machine's clock.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

/// A time as authors in China write it, to the second.
pub fn china_time(now: DateTime<Utc>) -> DateTime<FixedOffset> {
    now.trunc_subsecs(0).with_timezone(&zone())
}

/// One of the ledger's own keys.
///
/// # Errors
/// The file is missing, open to others, or no key.
pub fn ledger_key(layout: &Layout, role: &str) -> Result<SigningKey, Fault> {
    let none = || None::<Zeroizing<String>>;
    Ok(keyfile::read(&layout.keys().join(format!("{role}.key")), none)?)
}

/// The keys with which a ledger of this machine signs: that in `log.key`, and beside it one that is to come or was replaced.
/// Where `log.key` is missing the one to come stands in: the machine stopped while it was put in place.
///
/// # Errors
/// A file is missing, open to others, or no key.
pub fn ledger_keys(layout: &Layout) -> Result<LedgerKeys, Fault> {
    let there = |name: &str| layout.keys().join(name).is_file();
    let mut beside = Vec::new();
    for name in [NEXT_KEY, FORMER_KEY] {
        if there(name) {
            beside.push(ledger_key(layout, name.trim_end_matches(".key"))?);
        }
    }
    let log = if there("log.key") || !there(NEXT_KEY) { ledger_key(layout, "log")? } else { beside.remove(0) };
    Ok(LedgerKeys { log, intake: ledger_key(layout, "intake")?, beside })
}

/// The verifier keys of the log over time, as it is published; before that, the one of `log.key`.
///
/// # Errors
/// Neither can be read, or what is published is no history of them.
pub fn log_keys(layout: &Layout) -> Result<LogKeys, Fault> {
    let known = match std::fs::read_to_string(layout.vkey()) {
        Ok(text) => VerifierKey::parse(text.trim()).map_err(|error| Fault::failed("log/vkey", &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => ledger_key(layout, "log")?.verifier(),
        Err(error) => return Err(Fault::failed("log/vkey", &error)),
    };
    published_keys(layout, &known).map_err(|error| Fault::from(&error))
}

/// Opens the ledger of a directory for writing; this process holds its lock from now on. Its vault is opened
/// too where the passphrase is at hand.
///
/// # Errors
/// No ledger, wrong keys, another process holds it, or it is damaged.
pub async fn open(layout: &Layout, clock: Arc<dyn Clock>) -> Result<Ledger, Fault> {
    let config = Config::read(layout)?;
    let vault = vault::unlock(layout, &config, None, false).await?;
    let cosigning = cosigning(layout, &config, &clock)?;
    open_with(layout, clock, vault, cosigning, &config).await
}

/// Those who cosign the checkpoints of a ledger, where its configuration names some.
///
/// # Errors
/// The policy is missing or unusable.
pub fn cosigning(layout: &Layout, config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<Cosigning>, Fault> {
    let Some(file) = &config.witness_policy else { return Ok(None) };
    let keys = log_keys(layout)?;
    let time_max = Duration::from_secs(config.witness_seconds_max);
    Cosigning::begin(&layout.root().join(file), layout, keys.current(), time_max, Arc::clone(clock)).map(Some)
}

/// Opens the ledger of a directory for writing, with a vault or for public statements only.
///
/// # Errors
/// As [`open`].
pub async fn open_with(
    layout: &Layout,
    clock: Arc<dyn Clock>,
    vault: Option<Vault>,
    cosigning: Option<Cosigning>,
    config: &Config,
) -> Result<Ledger, Fault> {
    let settings = settings(vault, cosigning, config)?;
    let ledger = Ledger::open(layout, ledger_keys(layout)?, clock, settings).await?;
    // A start that finds a rotation recorded puts its key in place: the machine stopped between.
    rotation::install(layout, &ledger)?;
    Ok(ledger)
}

/// Opens a ledger whose key is about to be replaced, also where the old key is lost.
///
/// # Errors
/// As [`open`].
pub async fn open_for_rotation(layout: &Layout) -> Result<Ledger, Fault> {
    let config = Config::read(layout)?;
    let clock = clock();
    let vault = vault::unlock(layout, &config, None, false).await?;
    let cosigning = cosigning(layout, &config, &clock)?;
    let settings = Settings { awaits_key: true, ..settings(vault, cosigning, &config)? };
    Ok(Ledger::open(layout, ledger_keys(layout)?, clock, settings).await?)
}

/// How a ledger runs, as its configuration says.
///
/// # Errors
/// A bucket that cannot be used.
pub fn settings(vault: Option<Vault>, cosigning: Option<Cosigning>, config: &Config) -> Result<Settings, Fault> {
    let period = Duration::from_secs(config.sealed_period_seconds);
    let map_interval = Duration::from_secs(config.map_seconds);
    let (clocks_apart_max, bucket) = (Some(CLOCKS_APART_MAX), bucket::open(config)?);
    let mut settings = Settings { vault, period, map_interval, clocks_apart_max, bucket, ..Settings::default() };
    if let Some(cosigning) = cosigning {
        // Witnesses far away are not asked twenty times a second.
        settings.publish_interval = WITNESSED_EVERY;
        settings.cosigners = Some(Arc::new(cosigning));
    }
    Ok(settings)
}

/// The address of a PostgreSQL database, as an option gives it.
///
/// # Errors
/// It is none.
pub fn server(text: &str, option: &str) -> Result<ServerUrl, Fault> {
    let wrong =
        |_| Fault::usage(option, "不是 PostgreSQL 数据库的地址").mend("例如 postgres://gongkai@10.0.0.5/ledger");
    ServerUrl::parse(text).map_err(wrong)
}
