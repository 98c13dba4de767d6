//! The commands over a real ledger in a fresh directory: what they end with, and what they leave.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use clap::Parser as _;
use gongkai_domain::Role;
use gongkai_domain::audit::{Auditor, Category, Finding};
use gongkai_log::{Digest, SigningKey};
use gongkai_store::{Clock, DirectoryFetch, Layout, ManualClock};
use serde_json::{Value, json};

use super::checking::{self, Limits};
use super::init::{self, NewLedger};
use super::reading::Reading;
use super::{Cli, local};
use crate::client::{Answer, Client, Hand, Item, Receipt};
use crate::keyfile;
use crate::outbox::Outbox;
use crate::outcome::{Outcome, Verdict};

/// A county's ledger with a publisher, at a moment that stands still.
struct Town {
    place: tempfile::TempDir,
    clock: Arc<ManualClock>,
    registrar: Hand,
    publisher: Hand,
}

fn hand(role: Role, key: SigningKey) -> Hand {
    Hand { role: Some(role), key: Arc::new(key) }
}

impl Town {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let now: DateTime<Utc> = "2026-06-15T02:00:00Z".parse().unwrap();
        let clock = Arc::new(ManualClock::new(now));
        let new = NewLedger {
            origin: "ledger.example/town".into(),
            name: "青禾县公开账本（虚构）".into(),
            org: "341599".into(),
            registrars: Vec::new(),
            database: None,
        };
        let dir = place.path().join("ledger");
        let made = init::init(&dir, &new, clock.clone()).await.unwrap();
        let registrar = keyfile::read(made.registrars[0].file.as_ref().unwrap(), || None).unwrap();
        let publisher = keyfile::generate("chen/1").unwrap();
        keyfile::write(&place.path().join("chen.key"), &publisher, None).unwrap();
        let vkey = publisher.verifier().to_string();
        let (registrar, publisher) = (hand(Role::Registrar, registrar), hand(Role::Publisher, publisher));
        let town = Self { place, clock, registrar, publisher };
        let person = "person/00000000-0000-4000-8000-000000000001";
        let answers = town
            .submit(
                &town.registrar,
                &[
                    json!({"kind": "organization.registered.v1", "org": "341599",
                        "fields": {"code": "341599", "level": "county", "name": "青禾县（虚构）"}}),
                    json!({"kind": "person.registered.v1", "stream": person, "org": "341599", "fields": {"name": "陈某（虚构）"}}),
                    json!({"kind": "key.authorized.v1", "org": "341599", "fields": {"person": person, "key": vkey}}),
                    json!({"kind": "role.granted.v1", "org": "341599", "fields": {"person": person, "role": "publisher"}}),
                ],
            )
            .await;
        assert!(answers.iter().all(|answer| matches!(answer, Answer::Recorded { .. })), "{answers:?}");
        town
    }

    fn dir(&self) -> PathBuf {
        self.place.path().join("ledger")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    async fn client(&self) -> Client {
        let ledger = local::open(&Layout::new(self.dir()), self.clock.clone()).await.unwrap();
        Client::local(ledger, self.clock.clone())
    }

    async fn submit(&self, hand: &Hand, commands: &[Value]) -> Vec<Answer> {
        let mut client = self.client().await;
        let size = client.ledger().unwrap().health().committed;
        let item = |(number, command): (u64, &Value)| Item {
            place: number.to_string(),
            id: format!("{size}-{number}"),
            command: command.clone(),
        };
        let items: Vec<_> = (0..).zip(commands).map(item).collect();
        let mut answers = Vec::new();
        let hands = std::slice::from_ref(hand);
        client.submit(&items, hands, None, &mut |_, answer| answers.push(answer.clone())).await.unwrap();
        client.close().await;
        answers
    }

    /// Runs a command line of ours as a process would, without its runtime.
    async fn run(&self, words: &[&str]) -> Outcome {
        let words = std::iter::once("gongkai").chain(words.iter().copied());
        Box::pin(Cli::try_parse_from(words).unwrap().command.run()).await
    }

    fn audit(&self, today: &str) -> Vec<Finding> {
        let layout = Layout::new(self.dir());
        let fetch = DirectoryFetch::new(layout.log());
        let vkey = std::fs::read_to_string(layout.vkey()).unwrap().trim().parse().unwrap();
        let reading = Reading::new(&fetch).unwrap();
        let mut auditor = Auditor::new(&vkey, &reading);
        let limits = Limits { fast: false, old: None, policy: None };
        checking::run_with(&fetch, &mut auditor, &(&vkey).into(), limits, "", "").unwrap().unwrap();
        auditor.finish(today.parse::<NaiveDate>().unwrap())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn pledge(title: &str) -> Value {
    json!({"kind": "pledge.made.v1", "stream_key": title, "org": "341599", "fields": {"year": 2026, "title": title,
        "pledger_kind": "official", "category": "practical", "pledger": "方禾生（虚构）", "shown_on": "2026-01-10", "due": "2026-05-31"}})
}

fn sheet(month: &str, stream_key: &str) -> Value {
    json!({"kind": "disclosure.published.v1", "stream_key": stream_key, "org": "341599", "fields": {
        "class": "finance", "content": "finance", "period": month, "income": 0, "expense": 67_336, "title": "收支（虚构）",
        "lines": [
            {"date": format!("{month}-03"), "summary": "公厕电费", "account": "管理费用", "voucher": "记-1", "expense": 33_030},
            {"date": format!("{month}-04"), "summary": "公厕电费", "account": "管理费用", "voucher": "记-2", "expense": 34_306}]}})
}

/// Sends a file's commands with its outbox, as `submit` does.
async fn run_with_outbox(town: &Town, file: &Path) -> Vec<Receipt> {
    let (digest, items) = super::submit::read(file).unwrap();
    let mut client = town.client().await;
    let mut outbox = Outbox::open(&town.path("outbox"), client.origin(), &digest).unwrap();
    let hands = [town.publisher.clone()];
    let mut receipts = Vec::new();
    let mut tell = |_: &Item, answer: &Answer| match answer {
        Answer::Recorded { receipt, .. } => receipts.push(receipt.clone()),
        other => panic!("{other:?}"),
    };
    client.submit(&items, &hands, Some(&mut outbox), &mut tell).await.unwrap();
    client.close().await;
    receipts
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (source, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(source, target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_answer_was_lost_gets_the_same_receipts_again() {
    let town = Town::new().await;
    let file = town.path("pledges.jsonl");
    std::fs::write(&file, format!("{}\n{}\n", pledge("修路"), pledge("修桥"))).unwrap();
    let first = run_with_outbox(&town, &file).await;
    assert_eq!(run_with_outbox(&town, &file).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_stopped_between_keeping_and_sending_sends_the_same_bytes() {
    let town = Town::new().await;
    let (file, before) = (town.path("pledges.jsonl"), town.path("before"));
    std::fs::write(&file, format!("{}\n{}\n", pledge("修路"), pledge("修桥"))).unwrap();
    copy(&town.dir(), &before);
    let first = run_with_outbox(&town, &file).await;
    // As if nothing had been sent: the outbox has it, the ledger never saw it.
    std::fs::remove_dir_all(town.dir()).unwrap();
    std::fs::rename(&before, town.dir()).unwrap();
    let second = run_with_outbox(&town, &file).await;
    let statements = |receipts: &[Receipt]| receipts.iter().map(|r| r.statement_hash).collect::<Vec<_>>();
    assert_eq!(statements(&second), statements(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_command_ends_with_no_and_is_prepared_anew_the_next_time() {
    let town = Town::new().await;
    let file = town.path("a.json");
    std::fs::write(&file, pledge("修路").to_string().replace("341599", "999")).unwrap();
    let (dir, key) = (town.dir(), town.path("chen.key"));
    let words = ["submit", "--dir", text(&dir), "--key", text(&key), text(&file)];
    let (digest, items) = super::submit::read(&file).unwrap();
    let outbox = || Outbox::open(&dir.join("outbox"), "ledger.example/town", &digest).unwrap();
    assert_eq!(town.run(&words).await.unwrap(), Verdict::No);
    assert!(outbox().signed(&items[0].id).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_bundle_is_found_wherever_it_is() {
    let town = Town::new().await;
    town.submit(&town.publisher, &[pledge("修路"), sheet("2026-05", "a")]).await;
    let (dir, tar, vkey) = (town.dir(), town.path("ledger.tar"), Layout::new(town.dir()).vkey());
    let export = ["export", "--dir", text(&dir), "--out", text(&tar)];
    assert_eq!(town.run(&export).await.unwrap(), Verdict::Yes);
    let verify = ["verify", text(&tar), "--vkey", text(&vkey)];
    assert_eq!(town.run(&verify).await.unwrap(), Verdict::Yes);
    let good = std::fs::read(&tar).unwrap();
    for place in changed_places(&good) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        std::fs::write(&tar, &bad).unwrap();
        assert!(!matches!(town.run(&verify).await, Ok(Verdict::Yes)), "byte {place}");
    }
}

/// Places within the contents of checkpoint, tiles, openings and lines; not of headers and padding, and
/// not of the list of files, which proves nothing.
fn changed_places(tar: &[u8]) -> Vec<usize> {
    let mut archive = tar::Archive::new(tar);
    let mut places = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if name != "MANIFEST" && name != "vkey" {
            let (from, size) =
                (usize::try_from(entry.raw_file_position()).unwrap(), usize::try_from(entry.size()).unwrap());
            places.extend([0, size / 3, size / 2, size - 2].map(|at| from + at));
        }
    }
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_one_organization_verifies_and_a_changed_entry_does_not() {
    let town = Town::new().await;
    let second = json!({"kind": "organization.registered.v1", "org": "341599",
        "fields": {"code": "341599101", "parent": "341599", "level": "township", "name": "柳溪镇（虚构）"}});
    town.submit(&town.registrar, &[second]).await;
    let old = town.path("old");
    std::fs::copy(Layout::new(town.dir()).checkpoint(), &old).unwrap();
    let mut below = pledge("修渠");
    below["org"] = json!("341599101");
    let answers = town.submit(&town.publisher, &[pledge("修路"), below]).await;
    assert!(matches!(answers[1], Answer::Recorded { .. }), "{answers:?}");
    let (dir, tar, vkey) = (town.dir(), town.path("town.tar"), Layout::new(town.dir()).vkey());
    let export = ["export", "--dir", text(&dir), "--out", text(&tar), "--org", "341599101"];
    assert_eq!(town.run(&export).await.unwrap(), Verdict::Yes);
    let verify = ["verify", text(&tar), "--vkey", text(&vkey), "--old-checkpoint", text(&old)];
    assert_eq!(town.run(&verify).await.unwrap(), Verdict::Yes);
    let good = std::fs::read(&tar).unwrap();
    let contains = |what: &str| good.windows(what.len()).any(|window| window == what.as_bytes());
    assert!(contains("修渠") && !contains("修路"));
    let at = good.windows(9).rposition(|window| window == b"\"pledge.m").unwrap();
    let mut bad = good.clone();
    bad[at + 3] ^= 1;
    std::fs::write(&tar, &bad).unwrap();
    assert!(!matches!(town.run(&verify).await, Ok(Verdict::Yes)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_file_verifies_with_its_entry_and_with_no_other() {
    let town = Town::new().await;
    let (dir, out, vkey) = (town.dir(), town.path("3.tlog-proof"), Layout::new(town.dir()).vkey());
    assert_eq!(town.run(&["proof", "--dir", text(&dir), "3", "--out", text(&out)]).await.unwrap(), Verdict::Yes);
    let verify = ["verify", text(&out), "--vkey", text(&vkey)];
    assert_eq!(town.run(&verify).await.unwrap(), Verdict::Yes);
    std::fs::write(out.with_extension("entry"), "another").unwrap();
    assert_eq!(town.run(&verify).await.unwrap(), Verdict::No);
    let missing = town.run(&["proof", "--dir", text(&dir), "99", "--out", text(&out)]).await.unwrap_err();
    assert_eq!(missing.class.code(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_checkpoint_refutes_a_ledger_that_was_written_anew() {
    let (town, other) = (Town::new().await, Town::new().await);
    let old = town.path("old");
    std::fs::copy(Layout::new(town.dir()).checkpoint(), &old).unwrap();
    town.submit(&town.publisher, &[pledge("修路")]).await;
    let dir = town.dir();
    let verify = ["verify", "--dir", text(&dir), "--old-checkpoint", text(&old)];
    assert_eq!(town.run(&verify).await.unwrap(), Verdict::Yes);
    let foreign = Layout::new(other.dir()).checkpoint();
    let fault = town.run(&["verify", "--dir", text(&dir), "--old-checkpoint", text(&foreign)]).await.unwrap_err();
    assert_eq!(fault.class.code(), 2, "another log's checkpoint is a wrong use: {fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_in_use_says_so_and_names_the_way_out() {
    let town = Town::new().await;
    let client = town.client().await;
    let (dir, key, file) = (town.dir(), town.path("chen.key"), town.path("a.json"));
    std::fs::write(&file, pledge("修路").to_string()).unwrap();
    let fault = town.run(&["submit", "--dir", text(&dir), "--key", text(&key), text(&file)]).await.unwrap_err();
    assert!(fault.class.code() == 2 && fault.to_string().contains("--url"), "{fault}");
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_silence_back_fills_and_withdrawals() {
    let town = Town::new().await;
    let mut late = sheet("2026-03", "march");
    late["declared_at"] = json!("2026-04-08T09:00:00+08:00");
    let answers = town
        .submit(
            &town.publisher,
            &[
                sheet("2026-01", "january"),
                late,
                pledge("修路"),
                pledge("修桥"),
                json!({"kind": "pledge.withdrawn.v1", "stream_key": "修桥", "org": "341599", "fields": {"reason": "重复"}}),
                json!({"kind": "disclosure.questioned.v1", "stream_key": "january", "org": "341599",
                    "fields": {"line": 0, "topic": "amount", "asked_on": "2026-06-01", "text_masked": "为什么有两笔？"}}),
            ],
        )
        .await;
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Recorded { .. })), "{answers:?}");
    let findings = town.audit("2026-06-15");
    let of =
        |category| findings.iter().filter(|f| f.category == category).map(|f| f.sentence.as_str()).collect::<Vec<_>>();
    assert_eq!(of(Category::MissingPeriod).len(), 2, "{findings:?}");
    assert!(of(Category::MissingPeriod)[0].contains("2026年2月"), "{findings:?}");
    assert!(of(Category::MissingPeriod)[1].contains("2026年4月至2026年5月"), "{findings:?}");
    assert!(of(Category::BackFilled)[0].contains("晚 68 天"), "{findings:?}");
    assert!(of(Category::Withdrawal)[0].contains("重复"));
    assert_eq!(of(Category::OverduePledge).len(), 1);
    assert_eq!(of(Category::MissingAnswer).len(), 1);
    assert!(findings.iter().all(|finding| !finding.category.is_breach()), "{findings:?}");
    let dir = town.dir();
    assert_eq!(town.run(&["audit", "--dir", text(&dir), "--as-of", "2026-06-15"]).await.unwrap(), Verdict::Yes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_whose_totals_are_not_the_sums_is_a_breach() {
    let town = Town::new().await;
    let corrected = |expense: i64| {
        json!({"kind": "disclosure.corrected.v1", "stream_key": "may", "org": "341599", "fields": {
            "content": "finance", "corrects": [1], "income": 0, "expense": expense, "reason": "金额写错",
            "lines": [{"date": "2026-05-04", "summary": "公厕电费", "account": "管理费用", "voucher": "记-2", "expense": 30_000}]}})
    };
    let answers = town.submit(&town.publisher, &[sheet("2026-05", "may"), corrected(63_030), corrected(99_999)]).await;
    assert!(answers.iter().all(|answer| matches!(answer, Answer::Recorded { .. })), "{answers:?}");
    let breaches: Vec<_> =
        town.audit("2026-06-05").into_iter().filter(|finding| finding.category.is_breach()).collect();
    assert_eq!(breaches.len(), 1, "{breaches:?}");
    assert!(breaches[0].category == Category::Totals && breaches[0].sentence.contains("630.30"), "{breaches:?}");
    let dir = town.dir();
    assert_eq!(town.run(&["audit", "--dir", text(&dir), "--as-of", "2026-06-05"]).await.unwrap(), Verdict::No);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_every_event_and_stop_at_the_time_that_was_asked_for() {
    let town = Town::new().await;
    town.submit(&town.publisher, &[sheet("2026-05", "may")]).await;
    let (dir, out) = (town.dir(), town.path("tables"));
    assert_eq!(
        town.run(&["export", "--dir", text(&dir), "--out", text(&out), "--format", "csv"]).await.unwrap(),
        Verdict::Yes
    );
    let lines = std::fs::read_to_string(out.join("disclosure_finance.csv")).unwrap();
    assert_eq!(lines.lines().count(), 3, "{lines}");
    let before = town.path("before");
    let words =
        ["export", "--dir", text(&dir), "--out", text(&before), "--format", "jsonl", "--as-of", "2026-06-14T00:00:00Z"];
    assert_eq!(town.run(&words).await.unwrap(), Verdict::Yes);
    assert_eq!(std::fs::read_to_string(before.join("disclosure.jsonl")).unwrap(), "");
    assert_eq!(town.clock.now().to_rfc3339(), "2026-06-15T02:00:00+00:00");
}

#[test]
fn a_commands_digest_is_that_of_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.json");
    std::fs::write(&file, "{}").unwrap();
    assert_eq!(super::submit::read(&file).unwrap().0, Digest::of(b"{}"));
}
