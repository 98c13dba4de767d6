//! A ledger in memory: two registrars, a county with township and villages, people with keys.

use std::{borrow::Cow, collections::HashMap};

use chrono::{DateTime, FixedOffset, Utc};
use gongkai_domain::{
    Checked, Command, Context, Head, Named, Prepared, Recorded, Refusal, Setting, State, Submission, Target, World,
    clock::{self, Due},
    envelope, event, judge, kind, prepare, submission,
    vault::TierSecret,
};
use gongkai_log::{Digest, KeyKind, SignedStatement, Signer, SigningKey, StreamId, TreeHash, merkle};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const ORIGIN: &str = "ledger.example/qinghe";
pub(crate) const COUNTY: &str = "341599";
pub(crate) const TOWNSHIP: &str = "341599101";
pub(crate) const VILLAGE: &str = "341599101201";

pub(crate) struct Ledger {
    pub(crate) world: World,
    streams: HashMap<StreamId, (Head, State)>,
    entries: Vec<Checked>,
    times: Vec<DateTime<Utc>>,
    keys: HashMap<String, SigningKey>,
    now: DateTime<FixedOffset>,
    entropy: u64,
    next_id: u128,
}

fn key(name: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(name, KeyKind::Ed25519, [seed; 32]).unwrap()
}

/// The code of the refusal that was expected.
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> &'static str {
    result.unwrap_err().code()
}

impl Ledger {
    /// Genesis and registry, and the working-day calendars of 2025 and 2026 as far as tests need them.
    pub(crate) fn new() -> Self {
        let mut ledger = Self {
            world: World::default(),
            streams: HashMap::new(),
            entries: Vec::new(),
            times: Vec::new(),
            keys: HashMap::new(),
            now: DateTime::parse_from_rfc3339("2026-03-10T09:00:00+08:00").unwrap(),
            entropy: 1,
            next_id: 1,
        };
        for (name, seed) in [(ORIGIN, 1), ("intake", 2), ("recovery", 3), ("reg1", 4), ("reg2", 5)] {
            ledger.keys.insert(name.into(), key(name, seed));
        }
        let vkey = |name: &str| ledger.keys[name].verifier().to_string();
        let genesis = json!({"kind": "ledger.created.v1", "org": COUNTY, "fields": {
            "name": "青禾县公开账本(虚构)", "log_key": vkey(ORIGIN), "intake_key": vkey("intake"),
            "recovery_key": vkey("recovery"), "registrars": [
                {"person": "person/00000000-0000-4000-8000-0000000000a1", "key": vkey("reg1")},
                {"person": "person/00000000-0000-4000-8000-0000000000a2", "key": vkey("reg2")}]}});
        ledger.say(&genesis, &[("log", ORIGIN)]).unwrap();
        for (code, level, parent) in
            [(COUNTY, "county", None), (TOWNSHIP, "township", Some(COUNTY)), (VILLAGE, "village", Some(TOWNSHIP))]
        {
            ledger.organization(code, level, parent).unwrap();
        }
        for (name, seed) in [("clerk", 11), ("super1", 12), ("super2", 13), ("officer", 14), ("chief", 15)] {
            ledger.person(name, seed);
        }
        ledger.role("clerk", "publisher", VILLAGE).unwrap();
        ledger.role("super1", "supervisor", VILLAGE).unwrap();
        ledger.role("super2", "supervisor", VILLAGE).unwrap();
        ledger.role("officer", "publisher", COUNTY).unwrap();
        ledger.role("chief", "approver", COUNTY).unwrap();
        ledger
    }

    pub(crate) fn at(&mut self, time: &str) {
        self.now = DateTime::parse_from_rfc3339(&format!("{time}T09:00:00+08:00")).unwrap();
    }

    pub(crate) fn organization(&mut self, code: &str, level: &str, parent: Option<&str>) -> Result<String, Refusal> {
        let mut fields = json!({"code": code, "level": level, "name": format!("机构{code}(虚构)")});
        if let Some(parent) = parent {
            fields["parent"] = json!(parent);
        }
        let org = parent.unwrap_or(code);
        self.say(&json!({"kind": "organization.registered.v1", "org": org, "fields": fields}), &[("registrar", "reg1")])
    }

    /// Registers a person with a key of the same name; returns the person's stream.
    pub(crate) fn person(&mut self, name: &str, seed: u8) -> String {
        let command = json!({"kind": "person.registered.v1", "org": COUNTY, "fields": {"name": "某某(虚构)"}});
        let person = self.say(&command, &[("registrar", "reg1")]).unwrap();
        self.keys.insert(name.into(), key(name, seed));
        let vkey = self.keys[name].verifier().to_string();
        let command = json!({"kind": "key.authorized.v1", "org": COUNTY, "fields": {"person": person, "key": vkey}});
        self.say(&command, &[("registrar", "reg1")]).unwrap();
        person
    }

    pub(crate) fn verifier(&self, name: &str) -> String {
        self.keys[name].verifier().to_string()
    }

    pub(crate) fn add_key(&mut self, name: &str, seed: u8) {
        self.keys.insert(name.into(), key(name, seed));
    }

    pub(crate) fn person_of(&self, name: &str) -> String {
        self.world.key(name).unwrap().person.as_ref().unwrap().to_string()
    }

    pub(crate) fn role(&mut self, name: &str, role: &str, org: &str) -> Result<String, Refusal> {
        let fields = json!({"person": self.person_of(name), "role": role, "avoidance_declared": true});
        let command = json!({"kind": "role.granted.v1", "org": org, "fields": fields});
        self.say(&command, &[("registrar", "reg1"), ("registrar", "reg2")])
    }

    /// Says a command with these (role, key) signers; returns its stream.
    pub(crate) fn say(&mut self, command: &Value, signers: &[(&str, &str)]) -> Result<String, Refusal> {
        let prepared = self.drafted(command, signers)?;
        let submission = self.sign(prepared);
        self.submit(submission)
    }

    /// A command's bytes, before anybody signs them.
    pub(crate) fn drafted(&mut self, command: &Value, signers: &[(&str, &str)]) -> Result<Prepared, Refusal> {
        let (setting, command) = self.setting(command, signers)?;
        let entropy = &mut self.entropy;
        let mut random = |buffer: &mut [u8]| {
            for byte in buffer {
                *entropy = entropy.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = entropy.to_be_bytes()[0];
            }
        };
        prepare(&command, &setting, &mut random)
    }

    /// Signed by those whom the statement lists.
    pub(crate) fn sign(&self, prepared: Prepared) -> Submission {
        let keys: Vec<_> = prepared.statement.signers.iter().map(|signer| &self.keys[&signer.key]).collect();
        let signed = SignedStatement::sign(&prepared.statement, &keys).unwrap();
        prepared.into_submission(signed.note.to_string())
    }

    /// Records what nobody judged: a writer that breaks the rules.
    pub(crate) fn force(&mut self, submission: Submission) {
        self.entries.push(submission::check(ORIGIN, submission).unwrap());
        self.times.push(self.now.to_utc());
    }

    /// Everything that was recorded, with its time.
    pub(crate) fn recorded(&self) -> impl Iterator<Item = (DateTime<Utc>, &Checked)> {
        self.times.iter().copied().zip(&self.entries)
    }

    /// A citizen sends it over the network: the intake key signs.
    pub(crate) fn citizen(&mut self, command: &Value) -> Result<String, Refusal> {
        self.say(command, &[("intake", "intake")])
    }

    /// The same, encrypted to the receivers of the command's organization.
    pub(crate) fn encrypted(&mut self, command: &Value, signers: &[(&str, &str)]) -> Result<String, Refusal> {
        let (setting, command) = self.setting(command, signers)?;
        let mut seed = blake3::Hasher::new().update(&self.next_id.to_be_bytes()).finalize_xof();
        let mut random = |buffer: &mut [u8]| seed.fill(buffer);
        let prepared = prepare(&command, &setting, &mut random)?;
        let keys: Vec<_> = signers.iter().map(|(_, name)| &self.keys[*name]).collect();
        let signed = SignedStatement::sign(&prepared.statement, &keys).unwrap();
        let nobody = TierSecret::from_bytes(&[77; 32]).unwrap().key();
        let stream: StreamId = "receiver/018f0000-0000-7000-8000-000000000001".parse().unwrap();
        let mut to: Vec<_> = self
            .world
            .receivers(&command.org)
            .iter()
            .map(|receiver| envelope::To { receiver: &receiver.stream, key: &receiver.key, may_open: true })
            .collect();
        if to.is_empty() {
            to.push(envelope::To { receiver: &stream, key: &nobody, may_open: true });
        }
        let (envelope, hidden) = envelope::seal(&signed.statement, &prepared.openings, &to, &mut random).unwrap();
        let mut submission = prepared.into_submission(signed.note.to_string());
        (submission.openings, submission.envelope) = (hidden, Some(envelope));
        self.submit(submission)
    }

    /// A person receives what is encrypted to an organization.
    pub(crate) fn receiver(&mut self, name: &str, org: &str, seed: u8) {
        let key = TierSecret::from_bytes(&[seed; 32]).unwrap().key();
        let key = gongkai_domain::field::SealingKey::from(&key).0;
        let fields = json!({"person": self.person_of(name), "sealing_key": key});
        let command = json!({"kind": "receiver.appointed.v1", "org": org, "fields": fields});
        self.say(&command, &[("registrar", "reg1"), ("registrar", "reg2")]).unwrap();
    }

    /// A person who heads an organization, with a key of that name.
    pub(crate) fn head_of(&mut self, name: &str, seed: u8, org: &str) -> String {
        let post = json!({"kind": "post.created.v1", "org": org, "fields": {"title": "书记", "heads": true}});
        let post = self.say(&post, &[("registrar", "reg1")]).unwrap();
        let fields = json!({"name": "某某(虚构)", "post": post});
        let command = json!({"kind": "person.registered.v1", "org": org, "fields": fields});
        let person = self.say(&command, &[("registrar", "reg1")]).unwrap();
        self.keys.insert(name.into(), key(name, seed));
        let vkey = self.verifier(name);
        let command = json!({"kind": "key.authorized.v1", "org": org, "fields": {"person": person, "key": vkey}});
        self.say(&command, &[("registrar", "reg1")]).unwrap();
        person
    }

    /// What a stream awaits.
    pub(crate) fn dues(&self, stream: &str) -> Vec<Due> {
        clock::dues(self.state(stream), &self.world)
    }

    /// What it awaits first, and by when.
    pub(crate) fn due(&self, stream: &str) -> Option<(&'static str, String)> {
        let due = clock::clock(self.state(stream), &self.world)?;
        let Cow::Borrowed(what) = due.what else { panic!("a state says it in words of its own") };
        Some((what, due.due_on.to_string()))
    }

    pub(crate) fn state(&self, stream: &str) -> &State {
        &self.streams[&stream.parse::<StreamId>().unwrap()].1
    }

    /// Hash of a stream's latest statement.
    pub(crate) fn hash(&self, stream: &str) -> Digest {
        self.head(stream).hash
    }

    /// A publisher of the village says it.
    pub(crate) fn village(&mut self, command: &Value) -> Result<String, Refusal> {
        self.say(command, &[("publisher", "clerk")])
    }

    /// The county's officer says it.
    pub(crate) fn county(&mut self, command: &Value) -> Result<String, Refusal> {
        self.say(command, &[("publisher", "officer")])
    }

    fn setting(&mut self, command: &Value, signers: &[(&str, &str)]) -> Result<(Setting<'static>, Command), Refusal> {
        let command = Command::from_value(command.clone())?;
        let kind = command.kind()?;
        self.next_id += 1;
        let version = if kind.sealed { 0x4000 } else { 0x7000 };
        let id = (0x018f_0000_0000_0000_8000_0000_0000_0000 | version << 64) + self.next_id;
        let stream =
            command.stream.clone().unwrap_or_else(|| StreamId::new(kind.family(), Uuid::from_u128(id)).unwrap());
        let setting = Setting {
            origin: ORIGIN,
            head: self.streams.get(&stream).map(|(head, _)| *head),
            stream,
            signers: signers.iter().map(|(role, key)| Signer { role: (*role).into(), key: (*key).into() }).collect(),
            declared_at: command.declared_at.unwrap_or(self.now),
        };
        Ok((setting, command))
    }

    /// What the sequencer does with one submission, without a database.
    pub(crate) fn submit(&mut self, submission: Submission) -> Result<String, Refusal> {
        let checked = submission::check(ORIGIN, submission)?;
        let statement = &checked.signed.statement;
        let (head, state) = match self.streams.get(&statement.stream) {
            Some((head, state)) => (Some(*head), state.clone()),
            None => (None, State::default()),
        };
        let target = checked.kind.target(&statement.body).and_then(|index| self.target(index));
        let named = checked.proposal().named().and_then(|stream| self.streams.get(&stream));
        let named = Named::of(named.map(|(_, state)| state));
        let begins = kind::beginning(statement).map(|named| self.root(named.size) == Some(named.root));
        let at = Context::at(self.now.to_utc(), &self.world);
        let context = Context { target: target.as_ref(), named, begins, ..at };
        let keys = judge::judge(&checked.proposal(), head, &state, &context)?;
        checked
            .signed
            .verify(|name| keys.iter().find(|key| key.name() == name))
            .map_err(|e| Refusal::Signature(e.to_string()))?;
        let index = self.entries.len() as u64;
        let hash = checked.signed.hash;
        let values = (!checked.sealed.is_empty()).then(|| event::values(&checked.sealed));
        let event = Recorded { index, recorded_at: self.now.to_utc(), statement, hash, values: values.as_ref() };
        let state = judge::evolve(state, &event);
        self.world.evolve(&event);
        let head = Head { revision: statement.revision, hash };
        let stream = statement.stream.clone();
        self.streams.insert(stream.clone(), (head, state));
        self.entries.push(checked);
        self.times.push(self.now.to_utc());
        Ok(stream.to_string())
    }

    /// Root of a tree over the first entries, if there are so many.
    pub(crate) fn root(&self, size: u64) -> Option<TreeHash> {
        let first = self.entries.get(..usize::try_from(size).ok()?)?;
        let leaf = |checked: &Checked| merkle::leaf_hash(checked.signed.note.to_string().as_bytes());
        Some(merkle::root_of(&first.iter().map(leaf).collect::<Vec<_>>()))
    }

    fn target(&self, index: u64) -> Option<Target> {
        let checked = self.entries.get(usize::try_from(index).unwrap())?;
        Some(Target {
            index,
            statement: checked.signed.statement.clone(),
            open_slots: checked.openings.open.iter().map(|o| (o.slot, o.name.clone())).collect(),
            open_lines: (0..checked.rows.len() as u64).collect(),
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn head(&self, stream: &str) -> Head {
        self.streams[&stream.parse::<StreamId>().unwrap()].0
    }

    pub(crate) fn slot_of(&self, index: u64, name: &str) -> u8 {
        let open = &self.entries[usize::try_from(index).unwrap()].openings.open;
        open.iter().find(|o| o.name == name).unwrap().slot
    }

    /// The same command, twice prepared on the same head, for tests of forks.
    pub(crate) fn prepared(&mut self, command: &Value, signers: &[(&str, &str)]) -> Submission {
        let (setting, command) = self.setting(command, signers).unwrap();
        let mut random = |buffer: &mut [u8]| buffer.fill(7);
        let prepared = prepare(&command, &setting, &mut random).unwrap();
        let keys: Vec<_> = signers.iter().map(|(_, name)| &self.keys[*name]).collect();
        let signed = SignedStatement::sign(&prepared.statement, &keys).unwrap();
        prepared.into_submission(signed.note.to_string())
    }
}

/// As entered by an officer for somebody who came in person.
pub(crate) fn by_proxy(mut command: Value) -> Value {
    command["proxy"] = json!({"channel": "来访", "original": "kuGcG+81Z6SYS/HtGzOcyZ/O1/R14sXIPO2l9YFHdsw="});
    command
}

/// The command with other fields.
pub(crate) fn with(mut command: Value, fields: &Value) -> Value {
    for (name, value) in fields.as_object().unwrap() {
        command["fields"][name] = value.clone();
    }
    command
}

/// A kind's sample, for a stream of this ledger and for an organization.
pub(crate) fn sample(kind_name: &str, org: &str, stream: Option<&str>) -> Value {
    let mut command = (kind::find(kind_name).unwrap().sample)();
    command["org"] = json!(org);
    match stream {
        Some(stream) => command["stream"] = json!(stream),
        None => {
            command.as_object_mut().unwrap().remove("stream");
        }
    }
    command
}

#[test]
fn a_statement_for_another_ledger_is_refused() {
    let mut ledger = Ledger::new();
    let submission = ledger.prepared(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "clerk")]);
    let refusal = submission::check("ledger.example/other", submission).unwrap_err();
    assert_eq!(refusal.code(), "wrong_origin");
}

#[test]
fn an_opening_of_another_value_than_was_committed_is_refused() {
    let mut ledger = Ledger::new();
    let mut submission = ledger.prepared(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "clerk")]);
    for filled in &mut submission.openings {
        if let submission::Filled::Open(opening) = filled
            && opening.name == "title"
        {
            opening.value = json!("别的事项");
        }
    }
    assert_eq!(refused(ledger.submit(submission)), "malformed");
}

#[test]
fn two_statements_on_one_parent_cannot_both_be_recorded() {
    let mut ledger = Ledger::new();
    let pledge = ledger.village(&sample("pledge.made.v1", VILLAGE, None)).unwrap();
    let report = |text: &str| {
        json!({"kind": "pledge.progressed.v1", "stream": pledge, "org": VILLAGE,
            "fields": {"percent": 10, "report": text}})
    };
    let first = ledger.prepared(&report("第一份"), &[("publisher", "clerk")]);
    let second = ledger.prepared(&report("第二份"), &[("publisher", "clerk")]);
    ledger.submit(first).unwrap();
    assert_eq!(refused(ledger.submit(second)), "stale_parent");
    assert_eq!(ledger.head(&pledge).revision, 1);
}

#[test]
fn a_statement_declared_tomorrow_is_refused() {
    let mut ledger = Ledger::new();
    let mut command = sample("pledge.made.v1", VILLAGE, None);
    command["declared_at"] = json!("2026-03-11T09:00:00+08:00");
    assert_eq!(refused(ledger.village(&command)), "future");
}

#[test]
fn a_changed_signature_is_refused() {
    let mut ledger = Ledger::new();
    let mut submission = ledger.prepared(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "clerk")]);
    // The last line is the signature; another signer's valid line in its place must not pass.
    let other = ledger.prepared(&sample("notice.published.v1", VILLAGE, None), &[("publisher", "clerk")]);
    let line = other.note.lines().last().unwrap().to_owned();
    let own = submission.note.lines().last().unwrap().to_owned();
    submission.note = submission.note.replace(&own, &line);
    assert_eq!(refused(ledger.submit(submission)), "bad_signature");
}

#[test]
fn nothing_but_a_genesis_can_be_first() {
    let mut ledger = Ledger::new();
    let submission = ledger.prepared(&sample("pledge.made.v1", VILLAGE, None), &[("publisher", "clerk")]);
    ledger.world = World::default();
    assert_eq!(refused(ledger.submit(submission)), "wrong_author");
}

#[test]
fn hash_of_the_head_is_what_the_next_statement_names() {
    let mut ledger = Ledger::new();
    let pledge = ledger.village(&sample("pledge.made.v1", VILLAGE, None)).unwrap();
    assert_ne!(ledger.head(&pledge).hash, Digest::ZERO);
}
