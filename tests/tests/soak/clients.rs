//! Who uses the ledger during the soak: people who record, people who read, and what both do wrong.
//!
//! Each client does one thing after another, without a pause, and checks every answer. To add something that people do, add
//! a step to [`Writer::step`] or a path to [`read`].

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gongkai_domain::Head;
use gongkai_log::{Digest, TilePath};
use gongkai_tests::ledger::{VILLAGE, access, key, pledge};
use gongkai_tests::load::Random;
use gongkai_tests::server::{get_with, post, put};
use gongkai_tests::statement::{Draft, signed};
use gongkai_tests::{Answer, get};
use serde_json::{Value, json};

/// Who records, and who reads, at the same time.
pub const WRITERS: u64 = 3;
pub const READERS: u64 = 2;
/// Addresses that readers come from, as a proxy of this machine tells them.
const ADDRESSES: u64 = 5_000;
/// Submissions whose promises are asked for again at the end.
const KEPT_MAX: usize = 200;

/// What was done and answered.
#[derive(Default)]
pub struct Done {
    /// Receipts by index: the hash of the entry.
    pub receipts: Mutex<BTreeMap<u64, String>>,
    /// Sealed submissions with their keys and promises.
    pub promises: Mutex<Vec<(String, String, Value)>>,
    /// Streams that were opened.
    pub streams: AtomicU64,
    /// Sealed events.
    pub sealed: AtomicU64,
    /// Submissions that were refused, as they had to be.
    pub refused: AtomicU64,
    /// Pages and files that were read.
    pub pages: AtomicU64,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [sealed, refused, pages] = [&self.sealed, &self.refused, &self.pages].map(|n| n.load(Ordering::Relaxed));
        let receipts = self.receipts.lock().unwrap().len();
        write!(f, "{receipts} receipts, {sealed} promises, {refused} refused, {pages} pages and files")
    }
}

/// What was promised is promised still, in the same words.
pub fn ask_again(internal: &str, done: &Done) {
    let promises = done.promises.lock().unwrap();
    assert!(!promises.is_empty());
    for (id, body, promise) in promises.iter() {
        let again = post(&format!("{internal}/api/v1/submissions"), &[("Idempotency-Key", id)], body.as_str());
        assert_eq!(&again.json(), promise, "the same event, the same promise");
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Somebody with a publisher's key.
struct Writer<'a> {
    url: &'a str,
    done: &'a Done,
    name: u64,
    number: u64,
    /// What was recorded last, with its key.
    last: Option<(String, String, Value)>,
    /// A pledge that is open, with its head.
    open: Option<(String, Head)>,
}

/// Records until it is told to stop.
pub fn record(internal: &str, name: u64, done: &Done, stop: &AtomicBool) {
    let mut writer = Writer { url: internal, done, name, number: 0, last: None, open: None };
    while !stop.load(Ordering::Relaxed) {
        writer.step();
        writer.number += 1;
    }
}

impl Writer<'_> {
    /// One thing of sixteen, in turn.
    fn step(&mut self) {
        match self.number % 16 {
            9 => self.ask_again(),
            10 => self.use_a_key_twice(),
            11 => self.sign_with_a_strange_key(),
            12 => self.send_what_is_no_json(),
            13 => self.seal(),
            14 => self.fulfil(),
            15 => self.continue_what_has_gone_on(),
            _ => self.pledge(),
        }
    }

    fn hand_in(&self, id: &str, body: &str) -> Answer {
        post(&format!("{}/api/v1/submissions", self.url), &[("Idempotency-Key", id)], body)
    }

    fn id(&self) -> String {
        format!("soak-{}-{}", self.name, self.number)
    }

    fn keep(&self, answer: &Answer) -> Value {
        assert_eq!(answer.status, 201, "{}", answer.text());
        let receipt = answer.json();
        let (index, hash) = (receipt["index"].as_u64().unwrap(), receipt["entry_hash"].as_str().unwrap().to_owned());
        assert_eq!(self.done.receipts.lock().unwrap().insert(index, hash), None, "two receipts for entry {index}");
        receipt
    }

    fn refused(&self, answer: &Answer, status: u16) {
        assert_eq!(answer.status, status, "{}", answer.text());
        add(&self.done.refused);
    }

    fn pledge(&mut self) {
        let made = pledge(&format!("装第{}{}盏路灯", self.name, self.number));
        let prepared = Draft::new(made, vec![publisher()]).prepare();
        let body = signed(&prepared, &prepared.text, &[&publisher().1]).to_string();
        let id = self.id();
        let receipt = self.keep(&self.hand_in(&id, &body));
        add(&self.done.streams);
        let hash = Digest::parse(receipt["statement_hash"].as_str().unwrap()).unwrap();
        self.open = Some((prepared.statement.stream.to_string(), Head { revision: 0, hash }));
        self.last = Some((id, body, receipt));
    }

    fn ask_again(&self) {
        let Some((id, body, receipt)) = &self.last else { return };
        let again = self.hand_in(id, body);
        assert_eq!((again.status, &again.json()), (200, receipt), "the same submission is the same entry");
    }

    fn use_a_key_twice(&self) {
        let Some((id, ..)) = &self.last else { return };
        let other = Draft::new(pledge("修好村北机耕路"), vec![publisher()]).submission().to_string();
        self.refused(&self.hand_in(id, &other), 409);
    }

    fn sign_with_a_strange_key(&self) {
        let strange = vec![("publisher", key("nobody.example/1"))];
        let body = Draft::new(pledge("修好村北机耕路"), strange).submission().to_string();
        self.refused(&self.hand_in(&self.id(), &body), 403);
    }

    fn send_what_is_no_json(&self) {
        self.refused(&self.hand_in(&self.id(), "{\"note\": "), 400);
    }

    fn seal(&self) {
        let access = access(self.name << 32 | self.number);
        let (id, body) = (self.id(), Draft::new(access, vec![publisher()]).submission().to_string());
        let answer = self.hand_in(&id, &body);
        assert_eq!(answer.status, 202, "{}", answer.text());
        add(&self.done.sealed);
        let mut promises = self.done.promises.lock().unwrap();
        if promises.len() < KEPT_MAX {
            promises.push((id, body, answer.json()));
        }
    }

    /// The pledge is kept, with a photograph.
    fn fulfil(&mut self) {
        let Some((stream, head)) = &mut self.open else { return };
        let photo = format!("a photograph of street lamp {}-{}", self.name, self.number).repeat(100);
        let stored = put(&format!("{}/api/v1/attachments", self.url), &[], photo.clone());
        assert_eq!(stored.status, 200, "{}", stored.text());
        let hash = Digest::of(photo.as_bytes()).to_string();
        assert_eq!(stored.json()["hash"], hash);
        let fulfilled = json!({"kind": "pledge.fulfilled.v1", "stream": stream, "org": VILLAGE, "fields": {
            "report": "已安装(虚构)", "evidence": [{"hash": hash, "size": photo.len(), "media_type": "image/jpeg"}]}});
        let draft = Draft { head: Some(*head), ..Draft::new(fulfilled, vec![publisher()]) };
        let _ = self.keep(&self.hand_in(&self.id(), &draft.submission().to_string()));
    }

    fn continue_what_has_gone_on(&mut self) {
        let Some((stream, head)) = self.open.take() else { return };
        let late = json!({"kind": "pledge.progressed.v1", "stream": stream, "org": VILLAGE, "fields": {
            "report": "正在安装(虚构)", "percent": 50}});
        let draft = Draft { head: Some(head), ..Draft::new(late, vec![publisher()]) };
        self.refused(&self.hand_in(&self.id(), &draft.submission().to_string()), 409);
    }
}

fn publisher() -> (&'static str, gongkai_log::SigningKey) {
    ("publisher", key("publisher.example/1"))
}

/// Reads until it is told to stop: what is on the pages, and what a mirror fetches.
pub fn read(url: &str, done: &Done, stop: &AtomicBool) {
    let mut random = Random::new();
    while !stop.load(Ordering::Relaxed) {
        let list = get(&format!("{url}/api/v1/pledges")).json();
        let size: u64 = get(&format!("{url}/log/checkpoint")).text().lines().nth(1).unwrap().parse().unwrap();
        let entry = random.below(size);
        let mut paths = vec!["/".to_owned(), "/pledges".into(), format!("/organizations/{VILLAGE}"), "/status".into()];
        paths.extend(["/search?q=%E8%B7%AF%E7%81%AF", "/api/v1/search?q=lamp", "/log/vkey"].map(str::to_owned));
        paths.extend([
            format!("/entries/{entry}"),
            format!("/entries/{entry}/view"),
            format!("/log/{}", tile(entry, size)),
        ]);
        if let Some(stream) = list["items"][0]["stream"].as_str() {
            let id = stream.split('/').nth(1).unwrap();
            paths.extend([format!("/pledges/{id}"), format!("/streams/{stream}"), format!("/api/v1/streams/{stream}")]);
        }
        for path in paths {
            let from = format!("2001:db8:{:x}::1", random.below(ADDRESSES));
            let answer = get_with(&format!("{url}{path}"), &[("X-Forwarded-For", &from)]);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            add(&done.pages);
        }
        assert_eq!(get(&format!("{url}/pledges/nobody")).status, 404);
        // Whoever has no key hands nothing in like this.
        let from = format!("2001:db8:{:x}::1", random.below(ADDRESSES));
        let to = format!("{url}/api/v1/submissions");
        let refused = post(&to, &[("Idempotency-Key", "soak"), ("X-Forwarded-For", &from)], "{}");
        assert!((400..500).contains(&refused.status), "{}", refused.text());
        add(&done.refused);
    }
}

/// A tile of hashes that a log of this size has, with this entry in it.
fn tile(entry: u64, size: u64) -> String {
    let number = entry / 256;
    TilePath::hashes(0, number, (size - number * 256).min(256)).unwrap().to_string()
}
