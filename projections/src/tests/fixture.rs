//! A made-up log in memory, of real bytes: statements are prepared, signed and sealed as in a ledger,
//! but nobody judges them. All people and places are fictional (虚构).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use gongkai_domain::{Command, Head, Setting, prepare, submission};
use gongkai_log::{Digest, Entry, KeyKind, Row, SignedStatement, Signer, SigningKey, StreamId};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    Engine, Views,
    source::{Entries, Source, Sourced},
};

pub const ORIGIN: &str = "ledger.example/views";
pub const COUNTY: &str = "341599";
pub const TOWN: &str = "341599101";
pub const VILLAGE: &str = "341599101201";

pub struct Log {
    entries: Mutex<Vec<Sourced>>,
    size: watch::Sender<u64>,
    heads: Mutex<HashMap<StreamId, Head>>,
    prev: Mutex<Digest>,
    drawn: Mutex<u64>,
    key: SigningKey,
}

impl Source for Log {
    fn entries(&self, from: u64, limit: usize) -> Entries<'_> {
        Box::pin(async move {
            let entries = self.entries.lock().unwrap();
            Ok(entries.iter().skip(usize::try_from(from).unwrap()).take(limit).cloned().collect())
        })
    }

    fn committed(&self) -> watch::Receiver<u64> {
        self.size.subscribe()
    }
}

pub fn stream(family: &str, number: u64) -> String {
    let id = 0x018f_0000_0000_7000_8000_0000_0000_0000_u128 | u128::from(number);
    format!("{family}/{}", uuid::Uuid::from_u128(id))
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn moment(day: &str) -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc3339(&format!("{day}T09:12:00+08:00")).unwrap()
}

impl Log {
    /// A county with a town and a village.
    pub fn new() -> Arc<Self> {
        let log = Self::empty();
        log.organization(1, COUNTY, "county", None, "青禾县(虚构)");
        log.organization(2, TOWN, "township", Some(COUNTY), "柳溪镇(虚构)");
        log.organization(3, VILLAGE, "village", Some(TOWN), "五里桥村(虚构)");
        log
    }

    pub fn empty() -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::new(Vec::new()),
            size: watch::Sender::new(0),
            heads: Mutex::new(HashMap::new()),
            prev: Mutex::new(Digest::ZERO),
            drawn: Mutex::new(1),
            key: SigningKey::from_seed("alice.example/1", KeyKind::Ed25519, [3; 32]).unwrap(),
        })
    }

    pub fn len(&self) -> u64 {
        *self.size.borrow()
    }

    /// What of this log was recorded by the end of a day; what was withdrawn since is gone there too, as from every copy.
    pub fn until(&self, day: NaiveDate) -> Arc<Self> {
        let zone = FixedOffset::east_opt(8 * 3600).unwrap();
        let recorded = |entry: &Sourced| {
            let at = Entry::parse(entry.bytes.clone()).unwrap().recorded_at;
            at.with_timezone(&zone).date_naive()
        };
        let mut entries = self.entries.lock().unwrap().clone();
        entries.retain(|entry| recorded(entry) <= day);
        let log = Self::empty();
        log.size.send_replace(entries.len() as u64);
        *log.entries.lock().unwrap() = entries;
        log
    }

    pub fn organization(&self, number: u64, code: &str, level: &str, parent: Option<&str>, name: &str) -> u64 {
        let mut fields = json!({"code": code, "level": level, "name": name});
        if let Some(parent) = parent {
            fields["parent"] = parent.into();
        }
        let stream = stream("organization", number);
        self.say("2025-01-02", json!({"kind": "organization.registered.v1", "stream": stream, "org": parent.unwrap_or(code), "fields": fields}))
    }

    pub fn pledge(&self, number: u64, due: &str, title: &str) -> u64 {
        self.say(
            "2026-01-05",
            json!({"kind": "pledge.made.v1", "stream": stream("pledge", number), "org": VILLAGE, "fields": {
            "year": 2026, "pledger_kind": "official", "category": "practical", "due": due,
            "pledger": "方禾生(虚构)", "title": title, "target": "路灯 40 盏"}}),
        )
    }

    /// Declared and recorded on the same day.
    pub fn say(&self, day: &str, command: Value) -> u64 {
        self.say_late(day, day, command)
    }

    pub fn say_late(&self, declared: &str, recorded: &str, command: Value) -> u64 {
        let command = Command::from_value(command).unwrap();
        let kind = command.kind().unwrap();
        let stream = command.stream.clone().unwrap();
        let head = self.heads.lock().unwrap().get(&stream).copied();
        assert_eq!(kind.opens, head.is_none(), "{stream}");
        let setting = Setting {
            origin: ORIGIN,
            stream: stream.clone(),
            head,
            signers: vec![Signer { role: kind.authors[0].wire().into(), key: self.key.name().into() }],
            declared_at: moment(declared),
        };
        let prepared = prepare(&command, &setting, &mut |buffer| self.draw(buffer)).unwrap();
        let signed = SignedStatement::sign(&prepared.statement, &[&self.key]).unwrap();
        let submission = prepared.into_submission(signed.note.to_string());
        let note = submission.note.clone();
        let checked = submission::check(ORIGIN, submission).unwrap();
        if let Some(target) = kind.target(&checked.signed.statement.body) {
            self.withdraw(target, &checked.signed.statement.body);
        }
        let index = self.append(recorded, &note, Some(checked.openings), checked.list);
        let head = Head { revision: signed.statement.revision, hash: signed.hash };
        self.heads.lock().unwrap().insert(stream, head);
        index
    }

    /// A statement of a kind that nobody knows.
    pub fn say_unknown(&self, kind: &str, stream: &str) -> u64 {
        let stream: StreamId = stream.parse().unwrap();
        let head = self.heads.lock().unwrap().get(&stream).copied();
        let statement = gongkai_log::Statement {
            origin: ORIGIN.into(),
            kind: kind.into(),
            stream,
            revision: head.map_or(0, |head| head.revision + 1),
            parent: head.map(|head| head.hash),
            org: VILLAGE.into(),
            declared_at: moment("2026-03-01"),
            signers: vec![Signer { role: "publisher".into(), key: self.key.name().into() }],
            proxy: None,
            body: serde_json::Map::new(),
            slots: gongkai_log::slot::root(&[Digest::ZERO; 16]),
        };
        let signed = SignedStatement::sign(&statement, &[&self.key]).unwrap();
        self.append("2026-03-01", &signed.note.to_string(), None, None)
    }

    fn append(
        &self,
        recorded: &str,
        note: &str,
        openings: Option<gongkai_log::Openings>,
        list: Option<gongkai_log::List>,
    ) -> u64 {
        let mut entries = self.entries.lock().unwrap();
        let index = entries.len() as u64;
        let recorded_at: DateTime<Utc> = moment(recorded).to_utc();
        let mut prev = self.prev.lock().unwrap();
        let bytes = Entry::seal(index, recorded_at, *prev, note).unwrap();
        *prev = Digest::of(&bytes);
        let openings = openings.map(|openings| gongkai_log::Openings { index, ..openings });
        entries.push(Sourced { index, bytes, openings, list });
        drop(entries);
        self.size.send_replace(index + 1);
        index
    }

    /// As the ledger does: openings go in the transaction of the withdrawal.
    fn withdraw(&self, target: u64, body: &serde_json::Map<String, Value>) {
        let numbers = |name: &str| -> Vec<u64> {
            body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).collect()
        };
        let (slots, lines) = (numbers("slot_numbers"), numbers("line_numbers"));
        let mut entries = self.entries.lock().unwrap();
        let entry = &mut entries[usize::try_from(target).unwrap()];
        if let Some(openings) = &mut entry.openings {
            openings.open.retain(|opening| !slots.contains(&u64::from(opening.slot)));
        }
        for row in entry.list.iter_mut().flat_map(|list| &mut list.rows) {
            if lines.contains(&row.line()) {
                *row = Row::Withdrawn { line: row.line(), commitment: Digest::ZERO };
            }
        }
    }

    pub fn withdraw_slot(&self, number: u64, entry: u64, name: &str) -> u64 {
        let slot = {
            let entries = self.entries.lock().unwrap();
            let openings = entries[usize::try_from(entry).unwrap()].openings.clone().unwrap();
            openings.open.iter().find(|opening| opening.name == name).unwrap().slot
        };
        self.withdrawal(number, json!({"entry": entry, "slot_numbers": [slot]}))
    }

    pub fn withdraw_line(&self, number: u64, entry: u64, line: u64) -> u64 {
        self.withdrawal(number, json!({"entry": entry, "line_numbers": [line]}))
    }

    fn withdrawal(&self, number: u64, mut fields: Value) -> u64 {
        fields["basis"] = "personal_data".into();
        fields["reason"] = "当事人要求隐去(虚构)".into();
        fields["appeal"] = "可在 15 日内提出(虚构)".into();
        self.say(
            "2026-03-20",
            json!({"kind": "slot.withdrawn.v1", "stream": stream("slot", number), "org": VILLAGE, "fields": fields}),
        )
    }

    fn draw(&self, buffer: &mut [u8]) {
        let mut n = self.drawn.lock().unwrap();
        for byte in buffer {
            *n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = n.to_be_bytes()[0];
        }
    }
}

/// Views of a log, caught up.
pub async fn views(log: &Arc<Log>, dir: &std::path::Path) -> (Views, Engine) {
    let (views, mut engine) = Views::open(dir, log.clone()).await.unwrap();
    engine.catch_up().await.unwrap();
    (views, engine)
}
