//! A ledger for one test: made by the binary in a directory of its own, with a county, a town, a village and the people
//! who may sign there (all of them 虚构).

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use gongkai_log::{Digest, KeyKind, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Ran, gongkai};

/// Origin of every test ledger.
pub const ORIGIN: &str = "ledger.example/test";
/// The county.
pub const COUNTY: &str = "341599";
/// A town in it.
pub const TOWN: &str = "341599101";
/// A village in that.
pub const VILLAGE: &str = "341599101201";

/// Key names with the roles that their holders have: publisher in the county, supervisors and approver in the village.
/// `late.example/1` is authorized like the publisher's, so that a test can revoke it.
const PEOPLE: [(&str, &str, &str); 5] = [
    ("publisher.example/1", "publisher", COUNTY),
    ("supervisor.example/1", "supervisor", VILLAGE),
    ("supervisor.example/2", "supervisor", VILLAGE),
    ("approver.example/1", "approver", VILLAGE),
    ("late.example/1", "publisher", COUNTY),
];

/// A ledger, removed with everything in it when the test ends.
#[derive(Debug)]
pub struct TestLedger {
    root: TempDir,
    dir: String,
}

impl Default for TestLedger {
    fn default() -> Self {
        Self::new()
    }
}

impl TestLedger {
    /// Only the genesis.
    pub fn bare() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("ledger").into_os_string().into_string().unwrap();
        let ledger = Self { root, dir };
        let _ = gongkai(["init", "--dir", ledger.dir.as_str(), "--origin", ORIGIN, "--org", COUNTY]).ok();
        ledger
    }

    /// With organizations, people, keys and roles, its rows in a PostgreSQL database.
    pub fn on_server(url: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("ledger").into_os_string().into_string().unwrap();
        let ledger = Self { root, dir };
        let place = ["init", "--dir", &ledger.dir, "--origin", ORIGIN, "--org", COUNTY, "--database", url];
        let _ = gongkai(place).ok();
        let _ = ledger.register(&registry()).ok();
        ledger
    }

    /// With organizations, people, keys and roles.
    pub fn new() -> Self {
        let ledger = Self::bare();
        let _ = ledger.register(&registry()).ok();
        ledger
    }

    /// Makes a vault that servers and commands unlock from a file.
    pub fn add_vault(&self) {
        let passphrase = self.file("passphrase", "柳暗花明又一村。\n");
        std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
        let file = passphrase.display().to_string();
        let _ = gongkai(["vault", "init", "--dir", &self.dir, "--passphrase-file", &file]).ok();
        let configuration = self.dir().join("gongkai.toml");
        let text = std::fs::read_to_string(&configuration).unwrap();
        std::fs::write(&configuration, format!("{text}vault_passphrase_file = {file:?}\n")).unwrap();
    }

    /// The ledger's directory.
    pub fn dir(&self) -> PathBuf {
        PathBuf::from(&self.dir)
    }

    /// A file of this test beside the ledger.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A path of this test beside the ledger.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The key file of a key name; made at first use, from a seed that is no secret.
    pub fn key_file(&self, name: &str) -> PathBuf {
        let path = self.root.path().join(format!("{}.key", name.replace('/', "-")));
        if !path.exists() {
            let text = format!("gongkai.key/v1\n{name}\n{}\n", seed(name));
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        path
    }

    /// A key file of the ledger's own.
    pub fn own_key_file(&self, name: &str) -> PathBuf {
        self.dir().join("keys").join(name)
    }

    /// Submits commands with a key and cosigners (`role=FILE` or `FILE`).
    pub fn submit(&self, key: &Path, cosign: &[String], commands: &[Value]) -> Ran {
        let lines: Vec<String> = commands.iter().map(Value::to_string).collect();
        let file = tempfile::Builder::new().suffix(".jsonl").tempfile_in(self.root.path()).unwrap();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        self.submit_file(key, cosign, file.path())
    }

    /// Submits a file.
    pub fn submit_file(&self, key: &Path, cosign: &[String], file: &Path) -> Ran {
        let key = key.to_str().unwrap();
        let mut args = vec!["submit", "--dir", &self.dir, "--json", "--key", key];
        for file in cosign {
            args.extend(["--cosign", file]);
        }
        args.push(file.to_str().unwrap());
        gongkai(args)
    }

    /// Submits registry commands with both registrars.
    pub fn register(&self, commands: &[Value]) -> Ran {
        let second = self.own_key_file("registrar-2.key");
        self.submit(&self.own_key_file("registrar-1.key"), &[second.display().to_string()], commands)
    }

    /// Submits as the publisher.
    pub fn publish(&self, commands: &[Value]) -> Ran {
        self.submit(&self.key_file("publisher.example/1"), &[], commands)
    }

    /// Both supervisors, for `--cosign`.
    pub fn supervisors(&self) -> Vec<String> {
        ["supervisor.example/1", "supervisor.example/2"]
            .map(|name| format!("supervisor={}", self.key_file(name).display()))
            .to_vec()
    }

    /// Imports a file or folder as the publisher, with more arguments.
    pub fn import(&self, family: &str, input: &Path, mapping: &Path, more: &[&str]) -> Ran {
        self.import_as(&self.key_file("publisher.example/1"), family, input, mapping, more)
    }

    /// Imports a file or folder.
    pub fn import_as(&self, key: &Path, family: &str, input: &Path, mapping: &Path, more: &[&str]) -> Ran {
        let (key, input, mapping) = (key.to_str().unwrap(), input.to_str().unwrap(), mapping.to_str().unwrap());
        let mut args = vec!["import", family, "--dir", &self.dir, "--key", key, "--mapping", mapping, "--json"];
        args.extend(more);
        args.push(input);
        gongkai(args)
    }

    /// Entries that the published checkpoint names.
    pub fn size(&self) -> u64 {
        let checkpoint = std::fs::read_to_string(self.dir().join("log/checkpoint")).unwrap();
        checkpoint.lines().nth(1).unwrap().parse().unwrap()
    }

    /// The published checkpoint.
    pub fn checkpoint(&self) -> String {
        std::fs::read_to_string(self.dir().join("log/checkpoint")).unwrap()
    }

    /// The verifier key of the log.
    pub fn vkey(&self) -> String {
        std::fs::read_to_string(self.dir().join("log/vkey")).unwrap().trim().to_owned()
    }

    /// Runs a command on the ledger's directory.
    pub fn run(&self, command: &str, more: &[&str]) -> Ran {
        let mut args = vec![command, "--dir", &self.dir];
        args.extend(more);
        gongkai(args)
    }

    /// The whole ledger verifies, and means what it may mean.
    pub fn check(&self) {
        let _ = self.run("verify", &[]).ok();
        let _ = self.run("audit", &[]).ok();
    }
}

/// 32 bytes from a key's name, base64.
fn seed(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// The private key of a key name, as in [`TestLedger::key_file`].
pub fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(name, KeyKind::Ed25519, *seed(name).as_bytes()).unwrap()
}

/// A made-up stream.
pub fn stream(family: &str, number: u32) -> String {
    format!("{family}/018f0000-0000-7000-8000-{number:012x}")
}

/// A made-up stream of a sealed event: its number tells nothing.
pub fn sealed_stream(family: &str, number: u64) -> String {
    format!("{family}/018f0000-0000-4000-8000-{number:012x}")
}

/// Somebody reads something: a sealed event in a stream of its own.
pub fn access(number: u64) -> Value {
    json!({"kind": "access.recorded.v1", "stream": sealed_stream("access", number), "org": COUNTY, "fields": {
        "read": stream("letter", 1), "revision": 0, "purpose": "inspection", "reason": "例行检查(虚构)"}})
}

/// Registers an organization.
pub fn organization(code: &str, level: &str, parent: Option<&str>, name: &str) -> Value {
    let mut fields = json!({"code": code, "level": level, "name": name});
    if let Some(parent) = parent {
        fields["parent"] = parent.into();
    }
    json!({"kind": "organization.registered.v1", "org": parent.unwrap_or(code), "fields": fields})
}

/// A person with a key that may act in a role at an organization; the key's stream is `key/…number`.
pub fn person(number: u32, key_name: &str, role: &str, org: &str) -> Vec<Value> {
    let person = stream("person", number);
    let mut grant = json!({"person": person, "role": role});
    if role == "supervisor" {
        grant["avoidance_declared"] = true.into();
    }
    vec![
        json!({"kind": "person.registered.v1", "stream": person, "org": org, "fields": {"name": format!("人员{number}(虚构)")}}),
        json!({"kind": "key.authorized.v1", "stream": stream("key", number), "org": org,
            "fields": {"person": person, "key": key(key_name).verifier().to_string()}}),
        json!({"kind": "role.granted.v1", "org": org, "fields": grant}),
    ]
}

/// Stream of the key that tests may revoke.
pub fn late_key_stream() -> String {
    stream("key", 5)
}

fn registry() -> Vec<Value> {
    let mut commands = vec![
        organization(COUNTY, "county", None, "青禾县(虚构)"),
        organization(TOWN, "township", Some(COUNTY), "柳溪镇(虚构)"),
        organization(VILLAGE, "village", Some(TOWN), "五里桥村(虚构)"),
    ];
    for (number, (name, role, org)) in (1..).zip(PEOPLE) {
        commands.extend(person(number, name, role, org));
    }
    commands
}

/// A pledge of the village.
pub fn pledge(title: &str) -> Value {
    json!({"kind": "pledge.made.v1", "org": VILLAGE, "fields": {
        "year": 2026, "pledger_kind": "official", "category": "practical", "due": "2026-12-31",
        "pledger": "方禾生(虚构)", "post": "村党支部书记", "title": title,
        "baseline": "路灯 12 盏", "target": "路灯 40 盏"}})
}

/// A finance sheet of the village: opening 1,000.00, one line of expense.
pub fn sheet(period: &str, expense_fen: i64, line: &Value) -> Value {
    json!({"kind": "disclosure.published.v1", "org": VILLAGE, "fields": {
        "class": "finance", "content": "finance", "period": period, "published_by": "self", "book": "committee",
        "opening": 100_000, "income": 0, "expense": expense_fen, "closing": 100_000 - expense_fen,
        "title": format!("{period} 收支公开表(虚构)"), "lines": [line]}})
}
