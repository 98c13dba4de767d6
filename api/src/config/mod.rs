//! The configuration file of a ledger's directory, `gongkai.toml`.
//!
//! Written once by `init`; people may edit it. The environment goes before the file, the option of a command, where there
//! is one, before both. An unknown name is an error in either, because a mistyped one would otherwise do nothing in silence.
//! To add a setting, add a member with its default, and its line in [`settings`].

pub mod bucket;
pub mod replicas;
pub mod settings;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use gongkai_log::{KeyKind, VerifierKey};
use gongkai_store::Layout;
use gongkai_store::bucket::{Address, Endpoint};
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::mirrors::MIRRORS_MAX;
use crate::outcome::{Fault, chain};

/// Most bytes of a configuration file.
const CONFIG_BYTES_MAX: u64 = 1 << 16;

/// What a ledger's operator has settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Origin of the ledger: the name of its log key.
    pub origin: String,
    /// Name of the ledger, as people read it.
    pub name: String,
    /// Code of the organization that keeps it.
    pub org: String,
    /// Who runs it and how to reach them.
    #[serde(default)]
    pub contact: String,
    /// Whom people call about what hangs on the wall; printed beside every sheet.
    #[serde(default = "hotline_default", deserialize_with = "short")]
    pub hotline: String,
    /// Scheme and host as readers reach the site, `https://gk.example.gov.cn`.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Where the public site listens.
    #[serde(default = "listen_default")]
    pub listen: SocketAddr,
    /// Where the internal side listens; absent, it is off.
    #[serde(default)]
    pub internal_listen: Option<SocketAddr>,
    /// Loopback address where whoever runs the ledger reads its numbers; absent, they are not shown.
    #[serde(default)]
    pub metrics_listen: Option<SocketAddr>,
    /// Seconds between two periods of sealed events; each is one entry, with or without events.
    #[serde(default = "sealed_period_seconds_default", deserialize_with = "seconds")]
    pub sealed_period_seconds: u64,
    /// How often the root of the map is logged, if there is something new.
    #[serde(default = "map_seconds_default", deserialize_with = "seconds")]
    pub map_seconds: u64,
    /// Program and arguments that print the vault's master key: epoch, a space, 32 bytes in base64.
    #[serde(default)]
    pub vault_key_command: Option<Vec<String>>,
    /// File whose first line is the passphrase of `keys/vault.key`, from the ledger's directory on.
    #[serde(default)]
    pub vault_passphrase_file: Option<PathBuf>,
    /// Names and addresses, besides `localhost` and the listen address, by which readers reach the internal side.
    #[serde(default)]
    pub internal_names: Vec<String>,
    /// Base addresses of public sides that copy this log; they are looked at whether they follow withdrawals.
    #[serde(default, deserialize_with = "addresses")]
    pub mirrors: Vec<String>,
    /// Mirrors that the log is handed to (c2sp.org/tlog-mirror): address, space, verifier key.
    #[serde(default, deserialize_with = "push_mirrors")]
    pub push_mirrors: Vec<PushTo>,
    /// Base addresses of intakes from which the ledger takes in (`gongkai intake`).
    #[serde(default, deserialize_with = "addresses")]
    pub intakes: Vec<String>,
    /// Seconds between two looks at them.
    #[serde(default = "intake_seconds_default", deserialize_with = "seconds")]
    pub intake_seconds: u64,
    /// File with the witnesses that cosign checkpoints (C2SP tlog-policy), from the ledger's directory on.
    #[serde(default)]
    pub witness_policy: Option<PathBuf>,
    /// Most seconds that publishing a checkpoint waits for witnesses.
    #[serde(default = "witness_seconds_max_default", deserialize_with = "waiting")]
    pub witness_seconds_max: u64,
    /// Where the public views lie.
    #[serde(default)]
    pub views: ViewsAt,
    /// Streaming replicas of the database from which pages are read.
    #[serde(default, deserialize_with = "replicas::addresses")]
    pub read_replicas: Vec<String>,
    /// The folder of a bucket into which everything published is put besides the directory.
    #[serde(default, deserialize_with = "bucket::parsed", serialize_with = "bucket::shown")]
    pub bucket: Option<Address>,
    /// The server of the bucket.
    #[serde(default, deserialize_with = "bucket::parsed", serialize_with = "bucket::shown")]
    pub bucket_endpoint: Option<Endpoint>,
    /// Its region.
    #[serde(default = "bucket::region_default", deserialize_with = "bucket::region")]
    pub bucket_region: String,
}

/// Where the public views lie; they are made from the log and can be made again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewsAt {
    /// In files of the ledger's directory.
    #[default]
    Files,
    /// In the PostgreSQL database that holds the ledger, shared by every node.
    Server,
}

/// The government's hotline for citizens, the same number everywhere in China.
pub fn hotline_default() -> String {
    "12345".to_owned()
}

/// It stands in one line of a sheet.
const HOTLINE_CHARS_MAX: usize = 40;

fn short<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() || text.chars().count() > HOTLINE_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(serde::de::Error::custom(format!("应是 1 至 {HOTLINE_CHARS_MAX} 个字，写在一行里")));
    }
    Ok(text)
}

/// As often as an intake records a period.
pub const fn intake_seconds_default() -> u64 {
    600
}

/// A witness on the other side of the country answers within one.
pub const fn witness_seconds_max_default() -> u64 {
    5
}

/// Beyond, readers would take the ledger for dead.
const WITNESS_SECONDS_LIMIT: u64 = 60;

fn waiting<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = u64::deserialize(deserializer)?;
    if (1..=WITNESS_SECONDS_LIMIT).contains(&seconds) {
        return Ok(seconds);
    }
    Err(serde::de::Error::custom(format!("应是 1 至 {WITNESS_SECONDS_LIMIT} 秒")))
}

/// As often as a period of sealed events.
pub const fn map_seconds_default() -> u64 {
    600
}

/// Ten minutes (design 3.2).
pub const fn sealed_period_seconds_default() -> u64 {
    600
}

/// Longest period: a promise is kept within two of them.
const SEALED_PERIOD_SECONDS_MAX: u64 = 86_400;

fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = u64::deserialize(deserializer)?;
    if (1..=SEALED_PERIOD_SECONDS_MAX).contains(&seconds) {
        return Ok(seconds);
    }
    Err(serde::de::Error::custom(format!("应是 1 至 {SEALED_PERIOD_SECONDS_MAX} 秒")))
}

fn addresses<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let urls = Vec::<String>::deserialize(deserializer)?;
    if urls.len() > MIRRORS_MAX {
        return Err(serde::de::Error::custom(format!("网址最多 {MIRRORS_MAX} 个")));
    }
    if let Some(wrong) = urls.iter().find(|url| !is_base_address(url)) {
        return Err(serde::de::Error::custom(format!(
            "「{wrong}」应是 https:// 或 http:// 开头的网址，不带口令和参数"
        )));
    }
    Ok(urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect())
}

/// A mirror that the log is handed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushTo {
    /// Base address, without a slash at its end.
    pub url: String,
    /// Whose cosignature says that it has everything.
    pub key: VerifierKey,
}

impl PushTo {
    /// Reads address, space, verifier key.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("「{text}」{why}");
        let (url, key) = text.split_once(' ').ok_or_else(|| wrong("应是网址、空格、验证钥匙"))?;
        if !is_base_address(url) {
            return Err(wrong("应以 https:// 或 http:// 开头，不带口令和参数"));
        }
        let key = VerifierKey::parse(key.trim()).map_err(|error| wrong(&chain(&error)))?;
        if key.kind() != KeyKind::CosignatureV1 {
            return Err(wrong("的验证钥匙不是联署用的"));
        }
        Ok(Self { url: url.trim_end_matches('/').to_owned(), key })
    }
}

impl Serialize for PushTo {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{} {}", self.url, self.key))
    }
}

fn push_mirrors<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<PushTo>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    if texts.len() > MIRRORS_MAX {
        return Err(serde::de::Error::custom(format!("镜像最多 {MIRRORS_MAX} 个")));
    }
    let parsed = texts.iter().map(|text| PushTo::parse(text)).collect::<Result<_, _>>();
    parsed.map_err(serde::de::Error::custom)
}

/// Whether it names a server and nothing that would be wrong to show: mirrors are listed in public.
fn is_base_address(url: &str) -> bool {
    let Ok(uri) = url.parse::<axum::http::Uri>() else { return false };
    let is_web = matches!(uri.scheme_str(), Some("https" | "http"));
    is_web && uri.host().is_some_and(|host| !host.is_empty()) && !url.contains(['@', '?', '#'])
}

/// Where the public site listens when nothing else is said.
pub fn listen_default() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))
}

impl Config {
    /// What `init` begins with: everything else as its default says.
    pub fn new(origin: &str, name: &str, org: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            name: name.to_owned(),
            org: org.to_owned(),
            contact: String::new(),
            hotline: hotline_default(),
            base_url: None,
            listen: listen_default(),
            internal_listen: None,
            metrics_listen: None,
            sealed_period_seconds: sealed_period_seconds_default(),
            map_seconds: map_seconds_default(),
            vault_key_command: None,
            vault_passphrase_file: None,
            internal_names: Vec::new(),
            mirrors: Vec::new(),
            push_mirrors: Vec::new(),
            intakes: Vec::new(),
            intake_seconds: intake_seconds_default(),
            witness_policy: None,
            witness_seconds_max: witness_seconds_max_default(),
            views: ViewsAt::default(),
            read_replicas: Vec::new(),
            bucket: None,
            bucket_endpoint: None,
            bucket_region: bucket::region_default(),
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        // Texts, numbers and lists of texts have TOML.
        settings::file(&Table::try_from(self).unwrap_or_default())
    }

    /// Writes the file of a ledger's directory.
    ///
    /// # Errors
    /// The disk.
    pub fn write(&self, layout: &Layout) -> Result<(), Fault> {
        let path = layout.configuration();
        let written = std::fs::write(&path, self.to_text()).and_then(|()| std::fs::File::open(&path)?.sync_all());
        written.map_err(|error| Fault::failed(path.display().to_string(), &error))
    }

    /// Reads the file of a ledger's directory, and over it what the environment says.
    ///
    /// # Errors
    /// A [`Fault`] of wrong use: no ledger here, or a setting that is missing, unknown or unusable, in the file or in the
    /// environment.
    pub fn read(layout: &Layout) -> Result<Self, Fault> {
        let path = layout.configuration();
        let text = read_text(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Fault::usage(layout.root().display().to_string(), "这个目录不是账本（没有 gongkai.toml）")
                    .mend("请用 --dir 指到账本目录，或先运行 gongkai init")
            }
            _ => Fault::failed(path.display().to_string(), &error),
        })?;
        let config = Self::parse(&text).map_err(|reason| {
            Fault::usage(path.display().to_string(), reason).mend("请改正这一行；gongkai config 列出全部设置")
        })?;
        // What is no text is no value of ours.
        let environment = std::env::vars_os();
        let texts = environment.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        config.overlaid(texts).map_err(|reason| {
            Fault::usage("环境变量", reason).mend("请改正或去掉这个环境变量；gongkai config 列出全部设置")
        })
    }

    /// With what an environment says.
    ///
    /// # Errors
    /// A name that is no setting, or a value that cannot be used.
    pub fn overlaid(self, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut table = Table::try_from(&self).map_err(|error| error.to_string())?;
        if !settings::overlay(&mut table, environment)? {
            return Ok(self);
        }
        table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }

    /// Parses the file's text.
    ///
    /// # Errors
    /// What is wrong and in which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            format!("第 {line} 行：{}", error.message())
        })
    }
}

fn read_text(path: &PathBuf) -> io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(CONFIG_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use gongkai_log::SigningKey;

    use super::*;

    fn sample() -> Config {
        let contact = "青禾县公开办（虚构）".into();
        Config { contact, ..Config::new("ledger.example/qinghe", "青禾县\"公开\"账本（虚构）", "341599") }
    }

    #[test]
    fn a_configuration_survives_its_file() {
        assert_eq!(Config::parse(&sample().to_text()), Ok(sample()));
        let internal = Config { internal_listen: Some("127.0.0.1:9000".parse().unwrap()), ..sample() };
        assert_eq!(Config::parse(&internal.to_text()), Ok(internal));
        let vault = Config {
            vault_key_command: Some(vec!["kms".into(), "a \"b\"".into()]),
            vault_passphrase_file: Some("keys/p".into()),
            sealed_period_seconds: 1,
            map_seconds: 2,
            ..sample()
        };
        assert_eq!(Config::parse(&vault.to_text()), Ok(vault));
        let named = Config { internal_names: vec!["nb.example".into(), "10.1.2.3".into()], ..sample() };
        assert_eq!(Config::parse(&named.to_text()), Ok(named));
        let copied = Config { mirrors: vec!["https://jx.example".into(), "http://10.1.2.3:8080".into()], ..sample() };
        assert_eq!(Config::parse(&copied.to_text()), Ok(copied));
        let watched = Config { witness_policy: Some("witness.policy".into()), witness_seconds_max: 2, ..sample() };
        assert_eq!(Config::parse(&watched.to_text()), Ok(watched));
        let key = SigningKey::from_seed("mirror.example", KeyKind::CosignatureV1, [1; 32]).unwrap().verifier();
        let shared = Config { views: ViewsAt::Server, ..sample() };
        assert_eq!(Config::parse(&shared.to_text()), Ok(shared));
        let pushed = Config { push_mirrors: vec![PushTo { url: "https://m.example".into(), key }], ..sample() };
        assert_eq!(Config::parse(&pushed.to_text()), Ok(pushed));
        let called = Config { hotline: "0564-0000000（虚构）".into(), ..sample() };
        assert_eq!(Config::parse(&called.to_text()), Ok(called));
        assert!(Config::parse(&sample().to_text().replace("\"12345\"", "\"1\\n2\"")).is_err(), "one line");
        let taking = Config { intakes: vec!["https://sj.example".into()], intake_seconds: 60, ..sample() };
        assert_eq!(Config::parse(&taking.to_text()), Ok(taking));
        assert!(Config::parse(&sample().to_text().replace("seconds_max = 5", "seconds_max = 0")).is_err());
    }

    #[test]
    fn a_mirror_is_an_address_without_a_slash_at_its_end_and_there_are_not_too_many() {
        let with = |mirrors: &str| Config::parse(&format!("{}mirrors = {mirrors}\n", sample().to_text()));
        assert_eq!(with("[\"https://jx.example/\"]").unwrap().mirrors, ["https://jx.example"]);
        for wrong in ["ftp://jx.example", "jx.example", "https://", "https://a:b@jx.example", "https://jx.example/?a=b"]
        {
            assert!(with(&format!("[\"{wrong}\"]")).unwrap_err().contains("应是 https://"), "{wrong}");
        }
        let many = vec!["\"https://jx.example\""; MIRRORS_MAX + 1].join(",");
        assert!(with(&format!("[{many}]")).unwrap_err().contains("最多"));
    }

    #[test]
    fn a_mirror_that_is_handed_the_log_has_an_address_and_a_key_that_cosigns() {
        let with = |text: &str| Config::parse(&format!("{}push_mirrors = [\"{text}\"]\n", sample().to_text()));
        let key = |kind| SigningKey::from_seed("m.example", kind, [1; 32]).unwrap().verifier();
        let (cosigns, signs) = (key(KeyKind::CosignatureV1), key(KeyKind::Ed25519));
        assert_eq!(with(&format!("https://m.example/ {cosigns}")).unwrap().push_mirrors[0].url, "https://m.example");
        for (wrong, why) in [
            ("https://m.example".to_owned(), "应是网址、空格、验证钥匙"),
            (format!("m.example {cosigns}"), "应以 https://"),
            (format!("https://m.example {signs}"), "不是联署用的"),
            ("https://m.example m.example+00000000+AA".to_owned(), "m.example+00000000+AA"),
        ] {
            assert!(with(&wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    #[test]
    fn a_mistyped_member_is_named_with_its_line() {
        let text = sample().to_text().replace("\nlisten =", "\nlistne =");
        let reason = Config::parse(&text).unwrap_err();
        let line = 1 + text.lines().position(|line| line.starts_with("listne")).unwrap();
        assert!(reason.contains("listne") && reason.starts_with(&format!("第 {line} 行")), "{reason}");
    }

    /// A configuration that says everything.
    fn full() -> Config {
        let key = SigningKey::from_seed("mirror.example", KeyKind::CosignatureV1, [1; 32]).unwrap().verifier();
        Config {
            base_url: Some("https://gk.example".into()),
            internal_listen: Some("127.0.0.1:8081".parse().unwrap()),
            metrics_listen: Some("127.0.0.1:9464".parse().unwrap()),
            vault_key_command: Some(vec!["kms".into()]),
            vault_passphrase_file: Some("p".into()),
            internal_names: vec!["nb.example".into()],
            mirrors: vec!["https://jx.example".into()],
            push_mirrors: vec![PushTo { url: "https://m.example".into(), key }],
            intakes: vec!["https://sj.example".into()],
            witness_policy: Some("w".into()),
            bucket: Some("s3://gk-qinghe".parse().unwrap()),
            bucket_endpoint: Some("https://s3.example.com".parse().unwrap()),
            ..sample()
        }
    }

    #[test]
    fn the_list_of_settings_is_the_list_of_members_and_each_example_can_be_used() {
        let members: std::collections::BTreeSet<String> = Table::try_from(full()).unwrap().keys().cloned().collect();
        let listed = settings::SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
        assert_eq!(members, listed);
        assert_eq!(Config::parse(&full().to_text()), Ok(full()));
        let key = full().push_mirrors[0].key.to_string();
        for setting in settings::SETTINGS {
            let mut table = Table::try_from(full()).unwrap();
            let example = setting.example.replace("mirror.example.edu.cn+5ad1c9f0+BA...", &key);
            let said: Table = format!("{} = {example}", setting.name).parse().unwrap();
            table.extend(said);
            let parsed: Result<Config, _> = table.try_into();
            assert!(parsed.is_ok(), "{}: {parsed:?}", setting.name);
        }
        let default = Table::try_from(Config::new("a", "b", "c")).unwrap();
        for setting in settings::SETTINGS {
            // What stands in the file by itself is the default that the reference tells.
            match default.get(setting.name) {
                Some(toml::Value::Integer(number)) => assert_eq!(setting.default, number.to_string()),
                Some(toml::Value::String(text)) if setting.from_environment && !text.is_empty() => {
                    assert_eq!(setting.default, text);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn the_environment_goes_before_the_file_and_a_name_that_is_none_is_an_error() {
        let with = |pairs: &[(&str, &str)]| {
            sample().overlaid(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        };
        let said = with(&[
            ("GONGKAI_LISTEN", "0.0.0.0:8080"),
            ("GONGKAI_MAP_SECONDS", "60"),
            ("GONGKAI_MIRRORS", "https://a.example, https://b.example/"),
            ("GONGKAI_VAULT_KEY_COMMAND", "[\"kms\", \"a,b\"]"),
            ("GONGKAI_LOG", "info"),
            ("PATH", "/bin"),
        ]);
        let said = said.unwrap();
        assert_eq!((said.listen, said.map_seconds), ("0.0.0.0:8080".parse().unwrap(), 60));
        assert_eq!(said.mirrors, ["https://a.example", "https://b.example"]);
        assert_eq!(said.vault_key_command, Some(vec!["kms".into(), "a,b".into()]));
        for (name, value, why) in [
            ("GONGKAI_LISTNE", "x", "GONGKAI_LISTNE"),
            ("GONGKAI_ORIGIN", "x", "只能写在配置文件里"),
            ("GONGKAI_MAP_SECONDS", "often", "应是整数"),
            ("GONGKAI_MAP_SECONDS", "0", "应是 1"),
            ("GONGKAI_LISTEN", "here", ""),
            ("GONGKAI_MIRRORS", "ftp://a", "应是 https://"),
            ("GONGKAI_INTAKES", "[1", "不是 TOML 列表"),
            ("GONGKAI_BUCKET", "s3://key:secret@gk-qinghe", "应是 s3://"),
            ("GONGKAI_BUCKET_ENDPOINT", "http://10.0.0.5:9000", "只能用于本机"),
            ("GONGKAI_BUCKET_REGION", "CN NORTH", "地域"),
        ] {
            let error = with(&[(name, value)]).unwrap_err();
            assert!(error.contains(why), "{name}: {error}");
        }
    }
}
