//! A small made-up ledger in a temporary directory, for tests and benchmarks.
//!
//! Everything is fixed: seeds, times, and the "randomness" of salts. Two registrars (甲、乙) begin; further
//! people are made by [`Fixture::publisher`] and its like and sign under the name that they are given.
//! All names are fictional (虚构). Not for use outside tests: the keys are known to everyone.

#![expect(clippy::missing_panics_doc, reason = "a fixture that cannot be made fails its test")]

use std::{collections::BTreeMap, future::Future, sync::Arc};

use chrono::{DateTime, Utc};
use gongkai_domain::{Command, Master, Prepared, Refusal, Setting, Submission, envelope, prepare};
use gongkai_log::{KeyKind, SignedStatement, Signer, SigningKey, StreamId};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    clock::{Clock, ManualClock},
    database::ServerUrl,
    error::{OpenError, SubmitError},
    layout::Layout,
    ledger::{CreateOptions, Ledger, LedgerKeys, Promised, Receipt, Settings},
    vault::Vault,
};

/// Name of the made-up ledger.
pub const ORIGIN: &str = "ledger.example/qinghe";
/// Code of the made-up county.
pub const COUNTY: &str = "341599";

/// Numbers that look random and are always the same.
#[derive(Clone, Debug)]
pub struct Entropy(u64);

impl Entropy {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = self.0.to_be_bytes()[0];
        }
    }
}

/// When the made-up ledger begins.
pub fn start_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_413_200, 0).expect("2026-03-02 09:00 in China is a time")
}

/// A key whose secret is its seed.
pub fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, KeyKind::Ed25519, [seed; 32]).expect("the name is valid")
}

/// The keys of the made-up ledger.
pub fn ledger_keys() -> LedgerKeys {
    LedgerKeys { log: key(ORIGIN, 1), intake: key("intake.ledger.example/qinghe", 2), beside: Vec::new() }
}

fn stream(family: &str, number: u128) -> StreamId {
    let id = uuid::Uuid::from_u128(0x0196_0000_0000_7000_8000_0000_0000_0000 | number);
    StreamId::new(family, id).expect("the family is valid")
}

/// Somebody who can sign.
#[derive(Debug)]
pub struct Person {
    /// Stream of the person.
    pub stream: StreamId,
    /// The person's key.
    pub key: SigningKey,
}

/// The genesis that names registrars 甲 and 乙.
pub fn genesis(people: &BTreeMap<String, Person>) -> Submission {
    let text = |name: &str| people[name].key.verifier().to_string();
    let keys = ledger_keys();
    let command = json!({"kind": "ledger.created.v1", "stream": stream("ledger", 1), "org": COUNTY, "fields": {
    "name": "青禾县公开账本(虚构)",
    "log_key": keys.log.verifier().to_string(),
    "intake_key": keys.intake.verifier().to_string(),
    "recovery_key": key("recovery.ledger.example/qinghe", 3).verifier().to_string(),
    "registrars": [
        {"person": people["甲"].stream, "key": text("甲")},
        {"person": people["乙"].stream, "key": text("乙")},
    ]}});
    let signers = vec![Signer { role: "log".into(), key: ORIGIN.into() }];
    let command = Command::from_value(command).expect("the command is well formed");
    let prepared = prepare_at(&command, None, signers, start_time(), &mut Entropy::new(1));
    sign(prepared, &[&keys.log])
}

fn prepare_at(
    command: &Command,
    head: Option<gongkai_domain::Head>,
    signers: Vec<Signer>,
    now: DateTime<Utc>,
    entropy: &mut Entropy,
) -> Prepared {
    let setting = Setting {
        origin: ORIGIN,
        stream: command.stream.clone().expect("the command names its stream"),
        head,
        signers,
        declared_at: crate::sequencer::china_time(now),
    };
    prepare(command, &setting, &mut |buffer| entropy.fill(buffer)).expect("the command has bytes")
}

/// Signs what was prepared.
pub fn sign(prepared: Prepared, keys: &[&SigningKey]) -> Submission {
    let signed = SignedStatement::sign(&prepared.statement, keys).expect("the keys are those of the signers");
    prepared.into_submission(signed.note.to_string())
}

/// The master key of the made-up vault.
pub fn master() -> Master {
    Master::from_bytes(0, [42; 32])
}

/// The randomness of a made-up vault.
pub fn vault_entropy(seed: u64) -> crate::vault::Entropy {
    let entropy = std::sync::Mutex::new(Entropy::new(seed));
    Arc::new(move |buffer: &mut [u8]| entropy.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill(buffer))
}

/// A ledger with registrars, a county and a town, and the people of a test.
#[derive(Debug)]
pub struct Fixture {
    /// The ledger, open for writing.
    pub ledger: Ledger,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Who can sign, by name; 甲 and 乙 are registrars.
    pub people: BTreeMap<String, Person>,
    /// How the ledger is opened again.
    pub settings: Settings,
    entropy: Entropy,
    folder: TempDir,
}

impl Fixture {
    /// A new ledger with default settings and the county registered.
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    /// A new ledger with a vault.
    pub async fn with_vault() -> Self {
        Self::with_vault_at(None).await
    }

    /// A new ledger with a vault, its rows in a PostgreSQL database if one is given.
    pub async fn with_vault_at(server: Option<ServerUrl>) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a test");
        let layout = Layout::new(folder.path());
        let vault = Vault::create(&layout, ORIGIN, master(), vault_entropy(1)).await.expect("the vault is new");
        Self::begin(folder, Settings { vault: Some(vault), ..Settings::default() }, server).await
    }

    /// A new ledger whose rows are in a PostgreSQL database, and its vault beside them.
    pub async fn on_server(server: ServerUrl) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a test");
        let mut fixture = Self::begin(folder, Settings::default(), Some(server)).await;
        let vault = Vault::create(&fixture.layout(), ORIGIN, master(), vault_entropy(1)).await;
        fixture.settings.vault = Some(vault.expect("the vault is new"));
        fixture.reopen().await.expect("the ledger opens with its vault");
        fixture
    }

    /// Another node of a ledger that is on a server, in a folder of its own.
    pub async fn another_node(&self) -> (TempDir, Ledger) {
        let folder = tempfile::tempdir().expect("there is room for a test");
        let layout = Layout::new(folder.path());
        std::fs::copy(self.layout().server(), layout.server()).expect("the rows are on a server");
        let vault = Vault::open(&layout, ORIGIN, vec![master()], vault_entropy(2)).await.expect("the vault opens");
        let settings = Settings { vault: Some(vault), ..self.settings.clone() };
        let ledger = Ledger::open(&layout, ledger_keys(), self.clock.clone(), settings).await;
        (folder, ledger.expect("the ledger has another node"))
    }

    /// A new ledger with the county registered.
    pub async fn with(settings: Settings) -> Self {
        Self::begin(tempfile::tempdir().expect("there is room for a test"), settings, None).await
    }

    /// A new ledger in which nothing is registered.
    pub async fn unregistered() -> Self {
        Self::create(tempfile::tempdir().expect("there is room for a test"), Settings::default(), None).await
    }

    async fn begin(folder: TempDir, settings: Settings, server: Option<ServerUrl>) -> Self {
        let mut fixture = Self::create(folder, settings, server).await;
        fixture.org(COUNTY, "county", None).await;
        fixture
    }

    async fn create(folder: TempDir, settings: Settings, server: Option<ServerUrl>) -> Self {
        let clock = Arc::new(ManualClock::new(start_time()));
        let people: BTreeMap<_, _> = [("甲", 10), ("乙", 11)]
            .into_iter()
            .map(|(name, seed)| {
                let key = key(&format!("{name}.example/1"), seed);
                (name.to_owned(), Person { stream: stream("person", u128::from(seed)), key })
            })
            .collect();
        let genesis = genesis(&people);
        let options = CreateOptions { keys: ledger_keys(), genesis, settings: settings.clone(), server };
        // Tests that hold several fixtures carry no more of it than a pointer.
        let ledger = Box::pin(Ledger::create(&Layout::new(folder.path()), options, clock.clone())).await;
        let ledger = ledger.expect("the made-up ledger begins");
        Self { ledger, clock, people, settings, entropy: Entropy::new(7), folder }
    }

    /// Where it lies.
    pub fn layout(&self) -> Layout {
        Layout::new(self.folder.path())
    }

    /// Ends the ledger in good order and opens it again.
    pub async fn reopen(&mut self) -> Result<(), OpenError> {
        self.ledger.shutdown().await;
        self.open().await
    }

    /// Opens it again, after it was ended by whatever means.
    pub async fn open(&mut self) -> Result<(), OpenError> {
        if self.settings.vault.is_some() {
            self.entropy.fill(&mut [0; 8]);
            let again = Vault::open(&self.layout(), ORIGIN, vec![master()], vault_entropy(self.entropy.0)).await;
            self.settings.vault = Some(again.expect("the vault opens"));
        }
        self.ledger = Ledger::open(&self.layout(), ledger_keys(), self.clock.clone(), self.settings.clone()).await?;
        Ok(())
    }

    /// Registers an organization; its name is made from the code.
    pub async fn org(&mut self, code: &str, level: &str, parent: Option<&str>) -> Receipt {
        let name = format!("{code}号机构(虚构)");
        let mut fields = json!({"code": code, "level": level, "name": name});
        if let Some(parent) = parent {
            fields["parent"] = parent.into();
        }
        let command = json!({"kind": "organization.registered.v1", "org": parent.unwrap_or(code), "fields": fields});
        self.submit(&command, &[("registrar", "甲")]).await.expect("the organization is new")
    }

    /// A person with a key and the publisher's role at `org`; signs as `name`.
    pub async fn publisher(&mut self, name: &str, org: &str) -> StreamId {
        self.officer(name, org, "publisher").await
    }

    /// A person with a key and a role at `org`; signs as `name`.
    pub async fn officer(&mut self, name: &str, org: &str, role: &str) -> StreamId {
        let person = self.person(name, org).await;
        let fields = json!({"person": person, "role": role, "avoidance_declared": true});
        let command = json!({"kind": "role.granted.v1", "org": org, "fields": fields});
        self.submit(&command, &[("registrar", "甲"), ("registrar", "乙")]).await.expect("the role is granted");
        person
    }

    /// Persons with a key and a role: name, organization, role.
    pub async fn officers(&mut self, all: &[(&str, &str, &str)]) {
        for (name, org, role) in all {
            self.officer(name, org, role).await;
        }
    }

    /// A person with a key; signs as `name`.
    pub async fn person(&mut self, name: &str, org: &str) -> StreamId {
        let id = stream("person", 100 + self.people.len() as u128);
        let command = json!({"kind": "person.registered.v1", "stream": id, "org": org, "fields": {"name": format!("{name}(虚构)")}});
        self.submit(&command, &[("registrar", "甲")]).await.expect("the person is new");
        let seed = u8::try_from(20 + self.people.len()).expect("a test has few people");
        let key = key(&format!("{name}.example/1"), seed);
        let fields = json!({"person": id, "key": key.verifier().to_string()});
        let command = json!({"kind": "key.authorized.v1", "org": org, "fields": fields});
        self.submit(&command, &[("registrar", "甲")]).await.expect("the key is new");
        self.people.insert(name.to_owned(), Person { stream: id.clone(), key });
        id
    }

    /// A command as it is read, with a stream of its own if it names none.
    pub fn command(&mut self, command: &Value) -> Command {
        let mut command = Command::from_value(command.clone()).expect("the command is well formed");
        if command.stream.is_none() && command.kind().is_ok_and(|kind| kind.opens) {
            let family = command.kind.split('.').next().expect("a kind has a family").to_owned();
            let mut number = [0; 7];
            self.entropy.fill(&mut number);
            let number = number.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
            let mut opened = stream(&family, number);
            if command.kind().is_ok_and(|kind| kind.sealed) {
                opened.id =
                    uuid::Builder::from_u128(opened.id.as_u128()).with_version(uuid::Version::Random).into_uuid();
            }
            command.stream = Some(opened);
        }
        command
    }

    /// Prepares and signs a command at the head of its stream; `signers` are role and name.
    pub async fn signed(&mut self, command: &Value, signers: &[(&str, &str)]) -> Result<Submission, SubmitError> {
        let command = self.command(command);
        let list = self.signers(signers);
        let mut entropy = self.entropy.clone();
        let prepared = self.ledger.prepare(command, list, &mut |buffer| entropy.fill(buffer)).await?;
        self.entropy = entropy;
        Ok(self.sign(prepared, signers))
    }

    /// Prepares and signs a command that opens a stream, without asking the ledger.
    pub fn opening(&mut self, command: &Value, signers: &[(&str, &str)]) -> Submission {
        let command = self.command(command);
        let list = self.signers(signers);
        let prepared = prepare_at(&command, None, list, self.clock.now(), &mut self.entropy);
        self.sign(prepared, signers)
    }

    /// Prepares and signs a command behind a statement that the ledger does not have yet.
    pub fn following(&mut self, command: &Value, head: gongkai_domain::Head, signers: &[(&str, &str)]) -> Submission {
        let command = self.command(command);
        let list = self.signers(signers);
        let prepared = prepare_at(&command, Some(head), list, self.clock.now(), &mut self.entropy);
        self.sign(prepared, signers)
    }

    fn signers(&self, signers: &[(&str, &str)]) -> Vec<Signer> {
        let signer = |(role, name): &(&str, &str)| Signer {
            role: (*role).to_owned(),
            key: self.people[*name].key.name().to_owned(),
        };
        signers.iter().map(signer).collect()
    }

    fn sign(&self, prepared: Prepared, signers: &[(&str, &str)]) -> Submission {
        let keys: Vec<&SigningKey> = signers.iter().map(|(_, name)| &self.people[*name].key).collect();
        sign(prepared, &keys)
    }

    /// Prepares, signs and submits a command.
    pub async fn submit(&mut self, command: &Value, signers: &[(&str, &str)]) -> Result<Receipt, SubmitError> {
        let submission = self.signed(command, signers).await?;
        self.ledger.submit(None, submission).await
    }

    /// Prepares, signs and hands in a sealed command.
    pub async fn seal(&mut self, command: &Value, signers: &[(&str, &str)]) -> Result<Promised, SubmitError> {
        let submission = self.signed(command, signers).await?;
        Ok(self.ledger.hand_in(None, submission).await?.promise().expect("a sealed event gets a promise"))
    }

    /// Hands in what somebody without a key writes; the intake key signs it.
    pub async fn citizen(&mut self, command: &Value) -> Result<(StreamId, Promised), SubmitError> {
        let command = self.command(command);
        let signers = vec![Signer { role: "intake".into(), key: ledger_keys().intake.name().into() }];
        let mut entropy = self.entropy.clone();
        let prepared = self.ledger.prepare(command, signers, &mut |buffer| entropy.fill(buffer)).await?;
        self.entropy = entropy;
        let (stream, text) = (prepared.statement.stream.clone(), prepared.text.clone());
        let accepted = self.ledger.hand_in(None, prepared.into_submission(text)).await?;
        Ok((stream, accepted.promise().expect("a sealed event gets a promise")))
    }

    /// Hands in what somebody without a key encrypts to the receivers of the body that the command names.
    pub async fn encrypted(&mut self, command: &Value) -> Result<(StreamId, Promised), SubmitError> {
        let command = self.command(command);
        let intake = Signer { role: "intake".into(), key: ledger_keys().intake.name().into() };
        let now = self.clock.now();
        let prepared = prepare_at(&command, None, vec![intake], now, &mut self.entropy);
        let receivers = self.ledger.with_world(|world| world.receivers(&command.org).to_vec());
        let to: Vec<_> = receivers
            .iter()
            .map(|receiver| envelope::To { receiver: &receiver.stream, key: &receiver.key, may_open: true })
            .collect();
        let entropy = &mut self.entropy;
        let sealed =
            envelope::seal(&prepared.statement, &prepared.openings, &to, &mut |buffer: &mut [u8]| entropy.fill(buffer));
        let (envelope, hidden) = sealed.expect("somebody may open it");
        let (stream, text) = (prepared.statement.stream.clone(), prepared.text.clone());
        let mut submission = prepared.into_submission(text);
        (submission.openings, submission.envelope) = (hidden, Some(envelope));
        let accepted = self.ledger.hand_in(None, submission).await?;
        Ok((stream, accepted.promise().expect("a sealed event gets a promise")))
    }

    /// Signed pledges, each a stream of its own, by a publisher at `org`.
    pub fn pledges(&mut self, count: usize, publisher: &str, org: &str) -> Vec<Submission> {
        (0..count).map(|number| self.opening(&pledge(org, number), &[("publisher", publisher)])).collect()
    }

    /// Waits until everything committed is published.
    pub async fn published(&self) {
        let committed = *self.ledger.committed().borrow();
        self.published_at_least(committed).await;
    }

    /// Waits until so many entries are published.
    pub async fn published_at_least(&self, committed: u64) {
        let mut published = self.ledger.published();
        published.wait_for(|size| *size >= committed).await.expect("the publisher runs");
    }
}

/// A command for a pledge with a made-up text.
pub fn pledge(org: &str, number: usize) -> Value {
    json!({"kind": "pledge.made.v1", "org": org, "fields": {
        "year": 2026, "pledger_kind": "official", "category": "practical", "due": "2026-11-30",
        "pledger": "方禾生(虚构)", "post": "村党支部书记",
        "title": format!("承诺事项第 {number} 号：修好村东头的路灯(虚构)"),
        "target": "路灯 12 盏", "measures": "三月备料，五月施工，六月验收"}})
}

/// The refusal in an answer.
pub fn refusal<T: std::fmt::Debug>(answer: Result<T, SubmitError>) -> Refusal {
    match answer {
        Err(SubmitError::Refused(refusal)) => refusal,
        other => panic!("not a refusal: {other:?}"),
    }
}

/// Runs many futures at the same time, each as a task; gives the results in order.
pub async fn all<T: Send + 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.expect("a task of the test panicked"));
    }
    results
}
