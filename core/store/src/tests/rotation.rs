//! Case 18: a log key that is replaced, as the ledger, its readers and its mirrors meet it.

use std::fs;

use gongkai_domain::{Command, Replay, key_history};
use gongkai_log::{
    Checkpoint, Entry, Finding, LogKeys, Note, Options, Report, SignedStatement, Signer, SigningKey, VerifierKey,
    checkpoint::{self, CheckpointError},
    fsck, tile,
};
use serde_json::{Value, json};

use super::{
    helpers::{append, copy, finding},
    mirror::{Place, disk, follow, refused},
};
use crate::{
    DirectoryFetch, Layout, Ledger, LedgerKeys, Mirror, OpenError, PublishedLog, Receipt, Settings, SubmitError,
    check_rows,
    mirror::{Followed, Refused, source::DirectorySource},
    published_keys,
    published_log::FollowError,
    testing::{COUNTY, Entropy, Fixture, ORIGIN, key, ledger_keys},
};

fn old() -> SigningKey {
    ledger_keys().log
}

fn next() -> SigningKey {
    key(ORIGIN, 61)
}

fn with(log: SigningKey, beside: Vec<SigningKey>) -> LedgerKeys {
    LedgerKeys { log, beside, ..ledger_keys() }
}

/// Opens the ledger again with other keys.
async fn reopen(fixture: &mut Fixture, keys: LedgerKeys, awaits_key: bool) -> Result<(), OpenError> {
    fixture.ledger.shutdown().await;
    let settings = Settings { awaits_key, ..fixture.settings.clone() };
    fixture.ledger = Ledger::open(&fixture.layout(), keys, fixture.clock.clone(), settings).await?;
    Ok(())
}

fn note(layout: &Layout) -> String {
    fs::read_to_string(layout.checkpoint()).unwrap()
}

/// What the recovery key endorses: from the head that is published.
fn rotation(layout: &Layout, fields: &Value) -> Value {
    let note = note(layout);
    let head = Checkpoint::parse(&Note::parse(&note).unwrap().text).unwrap();
    let mut command = json!({"kind": "ledger.key_rotated.v1", "org": COUNTY,
        "stream": "ledger/01960000-0000-7000-8000-000000000001", "fields": {
        "old_key": old().verifier().to_string(), "new_key": next().verifier().to_string(), "head_size": head.size,
        "head_root": head.root, "reason": "stolen", "checkpoint": note}});
    for (name, value) in fields.as_object().unwrap() {
        command["fields"][name] = value.clone();
    }
    command
}

async fn say(fixture: &Fixture, command: Value, signers: &[(&str, &SigningKey)]) -> Result<Receipt, SubmitError> {
    let list = signers.iter().map(|(role, key)| Signer { role: (*role).into(), key: key.name().into() }).collect();
    let command = Command::from_value(command).unwrap();
    let mut entropy = Entropy::new(9);
    let prepared = fixture.ledger.prepare(command, list, &mut |buffer| entropy.fill(buffer)).await?;
    let keys: Vec<_> = signers.iter().map(|(_, key)| *key).collect();
    let signed = SignedStatement::sign(&prepared.statement, &keys).unwrap();
    fixture.ledger.submit(None, prepared.into_submission(signed.note.to_string())).await
}

async fn rotate(fixture: &Fixture, fields: &Value) -> Result<Receipt, SubmitError> {
    let recovery = key("recovery.ledger.example/qinghe", 3);
    let command = rotation(&fixture.layout(), fields);
    say(fixture, command, &[("recovery", &recovery), ("log", &next())]).await
}

/// A ledger that has some entries, and a new key that it does not use yet.
async fn ready() -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    append(&mut fixture, 3).await;
    fixture.published().await;
    reopen(&mut fixture, with(old(), vec![next()]), false).await.unwrap();
    fixture
}

/// Checks a published log as somebody does who knows one of its keys.
fn check(layout: &Layout, known: &VerifierKey, old: Option<Checkpoint>) -> Result<Report, Finding> {
    let fetch = DirectoryFetch::new(layout.log());
    let keys = published_keys(layout, known).unwrap();
    let options = Options { check_openings: true, old_checkpoint: old, keys: Some(&keys), ..Options::default() };
    let checked = fsck(&fetch, &mut Replay::new(keys.first()), known, &options);
    if checked.is_ok() { checked.map_err(|error| panic!("{error}")) } else { Err(finding(checked)) }
}

#[tokio::test]
async fn after_a_rotation_the_new_key_signs_and_old_heads_verify_for_ever() {
    let mut fixture = ready().await;
    let layout = fixture.layout();
    let before = note(&layout);
    assert!(!layout.key_history().exists(), "a log that kept its key has no history of keys");
    let receipt = rotate(&fixture, &json!({})).await.unwrap();
    append(&mut fixture, 2).await;
    fixture.published().await;
    let after = note(&layout);
    assert!(checkpoint::open(&after, &next().verifier()).is_ok());
    assert!(checkpoint::open(&after, &old().verifier()).is_err(), "a stolen key signs nothing beside");
    for known in [old().verifier(), next().verifier()] {
        let keys = published_keys(&layout, &known).unwrap();
        assert_eq!(keys.rotations(), [(receipt.index, next().verifier())]);
        let (head, _) = keys.open(&before).unwrap();
        let report = check(&layout, &known, Some(head)).unwrap();
        assert_eq!(report.size, receipt.index + 3);
        assert!(check_rows(&layout, &keys).await.unwrap().is_none());
    }
    assert_eq!(fs::read_to_string(layout.vkey()).unwrap(), format!("{}\n", next().verifier()));
    assert_eq!(fixture.ledger.vkey(), next().verifier());
    // The machine goes on with the new key alone.
    reopen(&mut fixture, with(next(), Vec::new()), false).await.unwrap();
    append(&mut fixture, 1).await;
    fixture.published().await;
    check(&layout, &old().verifier(), None).unwrap();
}

#[tokio::test]
async fn in_an_overlap_both_keys_sign_until_its_time() {
    let mut fixture = ready().await;
    let until = "2026-03-12T09:00:00+08:00";
    rotate(&fixture, &json!({"reason": "planned", "overlap_until": until})).await.unwrap();
    fixture.published().await;
    let both = note(&fixture.layout());
    for key in [old(), next()] {
        assert!(checkpoint::open(&both, &key.verifier()).is_ok(), "a reader of either key reads on");
    }
    check(&fixture.layout(), &old().verifier(), None).unwrap();
    reopen(&mut fixture, with(next(), vec![old()]), false).await.unwrap();
    assert!(checkpoint::open(&note(&fixture.layout()), &old().verifier()).is_ok(), "also after a restart");
    fixture.ledger.shutdown().await;
    fixture.clock.advance(std::time::Duration::from_hours(11 * 24));
    fixture.ledger =
        Ledger::open(&fixture.layout(), with(next(), vec![old()]), fixture.clock.clone(), fixture.settings.clone())
            .await
            .unwrap();
    append(&mut fixture, 1).await;
    fixture.published().await;
    let one = note(&fixture.layout());
    assert!(checkpoint::open(&one, &next().verifier()).is_ok());
    assert!(checkpoint::open(&one, &old().verifier()).is_err(), "its time is over");
}

#[tokio::test]
async fn a_crash_between_the_entry_and_the_new_key_goes_on_at_the_next_start() {
    let mut fixture = ready().await;
    // The machine has the old key alone, as if it had stopped before the new one was in place.
    reopen(&mut fixture, with(old(), Vec::new()), false).await.unwrap();
    let before = note(&fixture.layout());
    let receipt = rotate(&fixture, &json!({})).await.unwrap();
    fixture.ledger.shutdown().await;
    assert_eq!(note(&fixture.layout()), before, "nothing is signed by a key that was replaced");
    let settings = fixture.settings.clone();
    let with_old = Ledger::open(&fixture.layout(), with(old(), Vec::new()), fixture.clock.clone(), settings).await;
    assert!(matches!(with_old, Err(OpenError::Key { role: "log", .. })));
    let settings = fixture.settings.clone();
    let keys = with(old(), vec![next()]);
    fixture.ledger = Ledger::open(&fixture.layout(), keys, fixture.clock.clone(), settings).await.unwrap();
    fixture.published().await;
    let (head, _) = checkpoint::open(&note(&fixture.layout()), &next().verifier()).unwrap();
    assert_eq!(head.size, receipt.index + 1);
    check(&fixture.layout(), &old().verifier(), None).unwrap();
}

#[tokio::test]
async fn a_ledger_that_lost_its_key_opens_only_to_get_another() {
    let mut fixture = ready().await;
    let opened = reopen(&mut fixture, with(next(), Vec::new()), false).await;
    assert!(matches!(opened, Err(OpenError::Key { role: "log", .. })));
    let settings = Settings { awaits_key: true, ..fixture.settings.clone() };
    let keys = with(next(), Vec::new());
    fixture.ledger = Ledger::open(&fixture.layout(), keys, fixture.clock.clone(), settings).await.unwrap();
    rotate(&fixture, &json!({"reason": "lost"})).await.unwrap();
    fixture.published().await;
    check(&fixture.layout(), &next().verifier(), None).unwrap();
}

#[tokio::test]
async fn a_head_that_is_no_beginning_of_the_log_is_refused_by_the_ledger_itself() {
    let fixture = ready().await;
    let root = gongkai_log::merkle::leaf_hash(b"another history");
    let head = Checkpoint { origin: ORIGIN.into(), size: 4, root };
    // A thief signs it with the very key that is replaced.
    let forged = checkpoint::sign(&head, &[&old()]).unwrap();
    let refused = rotate(&fixture, &json!({"head_size": 4, "head_root": root, "checkpoint": forged})).await;
    let Err(SubmitError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert!(refusal.to_string().contains("不是这个账本的开头"), "{refusal}");
}

/// A copy of the log with a larger head that the old key alone signed.
fn stolen(fixture: &Fixture) -> (tempfile::TempDir, Layout) {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    copy(&fixture.layout().log(), &layout.log());
    let head = Checkpoint::parse(&Note::parse(&note(&layout)).unwrap().text).unwrap();
    fs::write(layout.checkpoint(), checkpoint::sign(&head, &[&old()]).unwrap()).unwrap();
    (folder, layout)
}

#[tokio::test]
async fn a_larger_head_that_only_the_stolen_key_signed_is_refused_as_such_by_every_reader() {
    let mut fixture = ready().await;
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    follow(&mut mirror, &DirectorySource::new(disk(&fixture).path())).unwrap();
    let index = rotate(&fixture, &json!({})).await.unwrap().index;
    append(&mut fixture, 1).await;
    fixture.published().await;
    let (_folder, layout) = stolen(&fixture);
    let size = index + 2;
    let found = check(&layout, &old().verifier(), None).unwrap_err();
    assert!(found.field == "checkpoint key" && found.reason.contains(&format!("entry {index} replaced")), "{found}");
    // Who is told nothing of a new key finds it in the entries.
    fs::remove_file(layout.key_history()).unwrap();
    let found = check(&layout, &old().verifier(), None).unwrap_err();
    assert!(found.reason.contains(&format!("{size} entries, signed only by a log key that entry {index}")), "{found}");
    let (_folder, layout) = stolen(&fixture);
    let opened = PublishedLog::open(layout.log(), old().verifier()).map(drop);
    let superseded = CheckpointError::Superseded { size, entry: index };
    assert!(matches!(opened, Err(FollowError::Checkpoint(error)) if error == superseded));
    // A mirror that has followed the rotation is shown the thief's head.
    follow(&mut mirror, &DirectorySource::new(disk(&fixture).path())).unwrap();
    let shown = refused(follow(&mut mirror, &DirectorySource::new(&layout.log())));
    assert_eq!(shown, Refused::Checkpoint(superseded));
}

#[tokio::test]
async fn a_mirror_follows_over_a_rotation_and_starts_again_with_either_key() {
    let mut fixture = ready().await;
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    follow(&mut mirror, &DirectorySource::new(disk(&fixture).path())).unwrap();
    rotate(&fixture, &json!({})).await.unwrap();
    append(&mut fixture, 2).await;
    fixture.published().await;
    let source = disk(&fixture);
    let followed = follow(&mut mirror, &DirectorySource::new(source.path())).unwrap();
    assert!(matches!(followed, Followed::Accepted { .. }), "{followed:?}");
    let published = |name: &str| fs::read(fixture.layout().log().join(name)).unwrap();
    let mirrored = |name: &str| fs::read(place.layout().log().join(name)).unwrap();
    for name in ["vkey", "key-history", "checkpoint"] {
        assert_eq!(mirrored(name), published(name), "{name}");
    }
    check(&place.layout(), &old().verifier(), None).unwrap();
    // Again from what is on its disk, and from the mirror's own memory alone.
    drop(mirror);
    let mut mirror = place.open(&fixture);
    append(&mut fixture, 1).await;
    fixture.published().await;
    let source = disk(&fixture);
    follow(&mut mirror, &DirectorySource::new(source.path())).unwrap();
    drop(mirror);
    fs::remove_dir_all(place.layout().log()).unwrap();
    let mut mirror = place.open(&fixture);
    follow(&mut mirror, &DirectorySource::new(source.path())).unwrap();
    check(&place.layout(), &next().verifier(), None).unwrap();
    // One that begins later is given the key of the day.
    let later = Place::new();
    let mut mirror = Mirror::open(later.layout(), next().verifier(), fixture.clock.clone()).unwrap();
    follow(&mut mirror, &DirectorySource::new(source.path())).unwrap();
    assert_eq!(mirror.keys().first(), &old().verifier());
    check(&later.layout(), &old().verifier(), None).unwrap();
}

#[tokio::test]
async fn a_public_side_without_database_goes_on_over_a_rotation() {
    let fixture = ready().await;
    let log = PublishedLog::open(fixture.layout().log(), old().verifier()).unwrap();
    let index = rotate(&fixture, &json!({})).await.unwrap().index;
    fixture.published().await;
    log.refresh().unwrap();
    assert_eq!(*log.size().borrow(), index + 1);
    assert_eq!(log.keys().current(), &next().verifier());
}

#[tokio::test]
async fn what_the_old_key_alone_endorsed_is_no_history_of_keys() {
    let fixture = ready().await;
    let first = fixture.ledger.entry(0).await.unwrap().unwrap().bytes;
    let read = |signers: &[(&str, &SigningKey)]| {
        let list = signers.iter().map(|(role, key)| Signer { role: (*role).into(), key: key.name().into() }).collect();
        let genesis = Entry::parse(first.clone()).unwrap();
        let setting = gongkai_domain::Setting {
            origin: ORIGIN,
            stream: genesis.content.statement().unwrap().statement.stream.clone(),
            head: Some(gongkai_domain::Head { revision: 0, hash: genesis.content.statement().unwrap().hash }),
            signers: list,
            declared_at: crate::sequencer::china_time(genesis.recorded_at),
        };
        let command = Command::from_value(rotation(&fixture.layout(), &json!({}))).unwrap();
        let mut entropy = Entropy::new(3);
        let prepared = gongkai_domain::prepare(&command, &setting, &mut |buffer| entropy.fill(buffer)).unwrap();
        let keys: Vec<_> = signers.iter().map(|(_, key)| *key).collect();
        let signed = SignedStatement::sign(&prepared.statement, &keys).unwrap();
        let entry = Entry::seal(7, genesis.recorded_at, genesis.hash, &signed.note.to_string()).unwrap();
        key_history::read(&tile::encode_bundle(&[first.clone(), entry]).unwrap(), &old().verifier())
    };
    let (recovery, other) = (key("recovery.ledger.example/qinghe", 3), key("recovery.ledger.example/qinghe", 4));
    let expected: LogKeys = {
        let mut keys = LogKeys::new(old().verifier());
        keys.rotate(7, next().verifier());
        keys
    };
    assert_eq!(read(&[("recovery", &recovery), ("log", &next())]), Ok(expected));
    for signers in [
        &[("log", &old())][..],
        &[("recovery", &recovery), ("log", &old())],
        &[("recovery", &other), ("log", &next())],
        &[("recovery", &recovery)],
    ] {
        assert!(read(signers).is_err(), "{signers:?}");
    }
}
