//! Case 21, the way on: what an old backup lacks is brought back from whoever has it, whole or not at all, and on record.

use std::{fs, path::Path, time::Duration};

use gongkai_domain::{
    Refusal,
    audit_sealed::Category,
    kind::{
        self,
        recovery::{BroughtBack, RecoverySource},
    },
};
use gongkai_log::{Fork, fork::Judgement};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    faults::{Fault, Faults, Faulty},
    helpers::{append, copy, files, holding, verifies},
    mirror::{Place as Elsewhere, disk, follow, with_files},
};
use crate::{
    Layout, OpenError, Place, Receipt, RowStore, Settings, Vault,
    clock::Clock as _,
    ledger::take_lock,
    mirror::source::DirectorySource,
    regain::{Brought, Pending, RegainError, Regained, Regaining, pending, regain, regain_in},
    sealed_audit,
    testing::{COUNTY, Fixture, ORIGIN, ledger_keys, master, pledge, refusal, vault_entropy},
};

const CANARY: &str = "金丝雀七七四十九";
const TWO: [(&str, &str); 2] = [("publisher", "丙"), ("publisher", "丁")];

/// A ledger with some pledges, and a backup of then.
async fn with_backup(mut fixture: Fixture) -> (Fixture, TempDir) {
    fixture.publisher("丙", COUNTY).await;
    fixture.publisher("丁", COUNTY).await;
    append(&mut fixture, 3).await;
    fixture.ledger.shutdown().await;
    let backup = tempfile::tempdir().unwrap();
    copy(fixture.layout().root(), backup.path());
    fixture.open().await.unwrap();
    (fixture, backup)
}

async fn begun() -> (Fixture, TempDir) {
    with_backup(Fixture::new().await).await
}

/// The disk is lost, and the backup is all that there is.
async fn go_back(fixture: &mut Fixture, backup: &TempDir) -> Layout {
    fixture.ledger.shutdown().await;
    let layout = fixture.layout();
    for path in files(layout.root()) {
        fs::remove_file(path).unwrap();
    }
    copy(backup.path(), layout.root());
    if fixture.settings.vault.is_some() {
        let vault = Vault::open(&layout, ORIGIN, vec![master()], vault_entropy(99)).await.unwrap();
        fixture.settings.vault = Some(vault);
    }
    layout
}

/// What a mirror makes of a source, and what is brought back of it.
async fn bring_back(fixture: &Fixture, source: &Path, seen: Vec<String>) -> Result<Regained, RegainError> {
    let (elsewhere, wanted) = wanted(fixture, source, seen);
    let (layout, clock) = (fixture.layout(), fixture.clock.clone());
    let guard = take_lock(&layout).unwrap();
    let done = regain(&layout, ledger_keys(), clock, fixture.settings.clone(), wanted, &guard).await;
    drop(elsewhere);
    done
}

fn wanted(fixture: &Fixture, source: &Path, seen: Vec<String>) -> (Elsewhere, Regaining) {
    let elsewhere = Elsewhere::new();
    follow(&mut elsewhere.open(fixture), &DirectorySource::new(source)).unwrap();
    let vkey = ledger_keys().log.verifier();
    let wanted = Regaining { copy: elsewhere.layout(), vkey, source: RecoverySource::Directory, seen };
    (elsewhere, wanted)
}

fn brought(done: Result<Regained, RegainError>) -> Brought {
    match done {
        Ok(Regained::Entries(brought)) => brought,
        other => panic!("nothing was brought back: {other:?}"),
    }
}

async fn bytes(fixture: &Fixture) -> Vec<Vec<u8>> {
    let entries = fixture.ledger.entries(0, 4_096).await.unwrap();
    entries.into_iter().map(|entry| entry.bytes).collect()
}

async fn size_in(layout: &Layout) -> u64 {
    let store = crate::ReadStore::open(layout).await.unwrap();
    let size = store.head().await.unwrap().size;
    store.close().await;
    size
}

#[tokio::test]
async fn what_an_old_backup_lacks_is_brought_back_byte_for_byte_and_on_record() {
    let (mut fixture, backup) = begun().await;
    append(&mut fixture, 300).await;
    let sheet = with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    let (before, disk) = (bytes(&fixture).await, disk(&fixture));
    let size = before.len() as u64;
    let layout = go_back(&mut fixture, &backup).await;
    let from = size_in(&layout).await;
    assert!(from < size);

    let done = brought(bring_back(&fixture, disk.path(), Vec::new()).await);
    assert_eq!((done.from, done.size), (from, size));
    fixture.open().await.unwrap();
    let after = bytes(&fixture).await;
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(after.len(), before.len() + 1);
    let said = fixture.ledger.entry(size).await.unwrap().unwrap();
    let said = gongkai_log::Entry::parse(said.bytes).unwrap();
    let said = said.content.statement().unwrap().statement.clone();
    let said = kind::body::<BroughtBack>(&said.kind, &said.body).unwrap();
    assert_eq!((said.from_size, said.size, said.root), (from, size, done.root));
    assert_eq!((said.openings_lost, said.openings_undecided), (done.openings_lost, done.openings_undecided));
    let rows = fixture.ledger.entry(sheet).await.unwrap().unwrap().list.unwrap().rows;
    assert_eq!(rows.len(), 2);
    assert_eq!(verifies(&fixture).await.size, size + 1);
    assert_eq!(files(&layout.log().join("attachment")).len(), 2, "vouchers came along");

    // The ledger goes on, and whoever followed it before follows it now.
    append(&mut fixture, 5).await;
    fixture.reopen().await.unwrap();
    assert_eq!(verifies(&fixture).await.size, size + 6);
    let mirror = Elsewhere::new();
    follow(&mut mirror.open(&fixture), &DirectorySource::new(disk.path())).unwrap();
    follow(&mut mirror.open(&fixture), &DirectorySource::new(layout.root())).unwrap();
    assert_eq!(mirror.open(&fixture).size(), size + 6);
}

#[tokio::test]
async fn a_statement_that_was_brought_back_and_is_handed_in_again_gets_its_receipt_and_is_no_second_event() {
    let (mut fixture, backup) = begun().await;
    let first = fixture.pledges(1, "丙", COUNTY).pop().unwrap();
    let receipt: Receipt = fixture.ledger.submit(Some("的键".into()), first.clone()).await.unwrap();
    let stream = gongkai_log::SignedStatement::parse(&first.note).unwrap().statement.stream;
    let progressed = json!({"kind": "pledge.progressed.v1", "org": COUNTY, "stream": stream, "fields": {
        "percent": 30, "report": "备料(虚构)"}});
    let next = fixture.signed(&progressed, &[("publisher", "丙")]).await.unwrap();
    let second = fixture.ledger.submit(None, next.clone()).await.unwrap();
    fixture.published().await;
    let disk = disk(&fixture);
    go_back(&mut fixture, &backup).await;
    let size = brought(bring_back(&fixture, disk.path(), Vec::new()).await).size + 1;
    fixture.open().await.unwrap();

    for key in [Some("的键".to_owned()), None] {
        assert_eq!(fixture.ledger.submit(key, first.clone()).await.unwrap(), receipt);
    }
    assert_eq!(fixture.ledger.submit(None, next).await.unwrap(), second);
    assert_eq!(bytes(&fixture).await.len() as u64, size, "nothing was recorded twice");
    // Another statement in its place is refused as ever.
    let again = fixture.opening(
        &json!({"kind": "pledge.made.v1", "org": COUNTY, "stream": stream,
        "fields": pledge(COUNTY, 9)["fields"]}),
        &[("publisher", "丙")],
    );
    assert!(matches!(refusal(fixture.ledger.submit(None, again).await), Refusal::StreamExists(_)));
    fixture.submit(&progressed, &[("publisher", "丙")]).await.unwrap();
    verifies(&fixture).await;
}

fn withdrawal(entry: u64, slots: &[u64], lines: &[u64]) -> Value {
    json!({"kind": "slot.withdrawn.v1", "org": COUNTY, "fields": {
        "entry": entry, "slot_numbers": slots, "line_numbers": lines, "basis": "personal_data",
        "reason": "当事人要求隐去(虚构)", "appeal": "可在 15 日内申诉(虚构)"}})
}

#[tokio::test]
async fn what_was_withdrawn_since_the_backup_does_not_come_back_with_it() {
    let mut fixture = Fixture::new().await;
    fixture.publisher("己", COUNTY).await;
    let mut command = pledge(COUNTY, 1);
    command["fields"]["pledger"] = CANARY.into();
    let entry = fixture.submit(&command, &[("publisher", "己")]).await.unwrap().index;
    let (mut fixture, backup) = with_backup(fixture).await;
    let openings = fixture.ledger.entry(entry).await.unwrap().unwrap().openings.unwrap();
    let slot = openings.open.iter().find(|opening| opening.name == "pledger").unwrap().slot;
    fixture.submit(&withdrawal(entry, &[slot.into()], &[]), &TWO).await.unwrap();
    let sheet = with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    fixture.submit(&withdrawal(sheet, &[], &[0]), &TWO).await.unwrap();
    fixture.published().await;
    let disk = disk(&fixture);
    let layout = go_back(&mut fixture, &backup).await;
    assert!(!holding(layout.root(), CANARY.as_bytes()).is_empty(), "the backup still has it");
    brought(bring_back(&fixture, disk.path(), Vec::new()).await);
    fixture.open().await.unwrap();
    verifies(&fixture).await;
    assert_eq!(holding(layout.root(), CANARY.as_bytes()), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn what_was_erased_since_the_backup_is_erased_again_and_what_the_lost_vault_held_is_counted() {
    let mut fixture = Fixture::with_vault().await;
    fixture.officers(&[("己", COUNTY, "publisher"), ("庚", COUNTY, "approver")]).await;
    let mut sealed = pledge(COUNTY, 1);
    sealed["fields"]["contact"] = json!(CANARY);
    let erased = fixture.submit(&sealed, &[("publisher", "己")]).await.unwrap().index;
    let (mut fixture, backup) = with_backup(fixture).await;
    let order = json!({"kind": "erasure.ordered.v1", "org": COUNTY, "fields": {
        "entry": erased, "basis": "personal_data", "reason": "当事人要求(虚构)", "appeal": "可申诉(虚构)"}});
    fixture.submit(&order, &[("approver", "庚"), ("registrar", "甲")]).await.unwrap();
    let lost = fixture.submit(&sealed, &[("publisher", "丙")]).await.unwrap().index;
    let roster = json!({"kind": "disclosure.published.v1", "org": COUNTY, "fields": {
        "class": "village", "content": "roster", "period": "2026", "published_by": "self",
        "title": "补助发放名册(虚构)", "lines": [
            {"masked_name": "方**", "full_name": "方禾生(虚构)", "item": "种粮补助", "amount": 100},
            {"masked_name": "林**", "item": "种粮补助", "amount": 200}]}});
    fixture.submit(&roster, &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.end_period().await.unwrap();
    fixture.published().await;
    let disk = disk(&fixture);
    let layout = go_back(&mut fixture, &backup).await;

    // Without the vault nobody could follow the order.
    let unlocked = fixture.settings.vault.take();
    let refused = bring_back(&fixture, disk.path(), Vec::new()).await;
    assert!(matches!(refused, Err(RegainError::Locked { .. })), "{refused:?}");
    assert!(size_in(&layout).await < lost);
    fixture.settings.vault = unlocked;
    let done = brought(bring_back(&fixture, disk.path(), Vec::new()).await);
    assert_eq!((done.openings_lost, done.periods_lost), (1, 1), "the cell of the roster, and the period");
    assert!(done.openings_undecided > 0, "whether there was a telephone nobody can tell");

    fixture.open().await.unwrap();
    let report = verifies(&fixture).await;
    let values = fixture.ledger.sealed_reader().unwrap().values_of(erased).await.unwrap();
    assert!(values.is_none_or(|values| values.slots.is_empty()), "erased again");
    let audit = |fixture: &Fixture| {
        let (store, vault, now) =
            (fixture.ledger.reader().clone(), fixture.ledger.vault().unwrap().clone(), fixture.clock.now());
        async move { sealed_audit::run(&store, &vault, now, &|_, _| ()).await.unwrap() }
    };
    let found = audit(&fixture).await;
    assert_eq!(found.counts.keys().copied().collect::<Vec<_>>(), [Category::Lost], "{:#?}", found.findings);
    assert_eq!((found.breaches(), found.brought_back), (0, report.size - 1 - done.from));
    // What is sealed from now on is sealed as ever.
    fixture.submit(&sealed, &[("publisher", "丙")]).await.unwrap();
    fixture.clock.advance(Duration::from_mins(1));
    fixture.ledger.end_period().await.unwrap();
    let found = audit(&fixture).await;
    assert_eq!(found.counts.keys().copied().collect::<Vec<_>>(), [Category::Lost], "{:#?}", found.findings);
}

#[tokio::test]
async fn nothing_is_brought_back_into_another_history_and_two_signed_ones_are_evidence() {
    let (mut fixture, backup) = begun().await;
    append(&mut fixture, 4).await;
    let disk = disk(&fixture);
    let layout = go_back(&mut fixture, &backup).await;
    let from = size_in(&layout).await;
    // Somebody goes on from the backup all the same.
    fixture.open().await.unwrap();
    fixture.clock.advance(Duration::from_secs(90));
    append(&mut fixture, 2).await;
    fixture.ledger.shutdown().await;
    let refused = bring_back(&fixture, disk.path(), Vec::new()).await;
    let Err(RegainError::Forked { held, shown, evidence }) = refused else { panic!("{refused:?}") };
    assert_eq!((held, shown), (from + 2, from + 4));
    let fork = Fork::parse(&fs::read_to_string(&evidence).unwrap()).unwrap();
    let judged = fork.judge(&ledger_keys().log.verifier()).unwrap();
    assert!(matches!(judged, Judgement::Forked { .. }), "{judged:?}");
    assert_eq!(size_in(&layout).await, from + 2);

    // What was never signed is told by the entry.
    fs::remove_file(layout.checkpoint()).unwrap();
    let refused = bring_back(&fixture, disk.path(), Vec::new()).await;
    assert!(matches!(refused, Err(RegainError::Diverged { index }) if index == from), "{refused:?}");
    assert_eq!(size_in(&layout).await, from + 2);
}

#[tokio::test]
async fn where_nobody_has_all_that_was_seen_nothing_is_done() {
    let (mut fixture, backup) = begun().await;
    append(&mut fixture, 2).await;
    let short = disk(&fixture);
    append(&mut fixture, 2).await;
    let seen = fs::read_to_string(fixture.layout().checkpoint()).unwrap();
    let size = fixture.ledger.committed().borrow().to_owned();
    let layout = go_back(&mut fixture, &backup).await;
    let from = size_in(&layout).await;
    let refused = bring_back(&fixture, short.path(), vec![seen]).await;
    assert!(
        matches!(refused, Err(RegainError::Short { size: has, seen }) if (has, seen) == (size - 2, size)),
        "{refused:?}"
    );
    // Nor where it is only known from the time of the restore.
    Pending { size: from, seen: size, by: "见证方".into() }.write(&layout).unwrap();
    let refused = bring_back(&fixture, short.path(), Vec::new()).await;
    assert!(matches!(refused, Err(RegainError::Short { .. })), "{refused:?}");
    assert_eq!(size_in(&layout).await, from);
    let refused = fixture.open().await;
    assert!(matches!(refused, Err(OpenError::Unrecovered { seen, .. }) if seen == size), "{refused:?}");
}

/// Brings back over a store that fails as it is told.
async fn failing(fixture: &Fixture, source: &Path, fault: Fault) -> Result<Regained, RegainError> {
    let (elsewhere, wanted) = wanted(fixture, source, Vec::new());
    let layout = fixture.layout();
    let inner = RowStore::open(&Place::of(&layout).unwrap(), Duration::from_secs(5)).await.unwrap();
    let store = Faulty { inner, faults: Faults::new((vec![fault], 0).into()) };
    let done = regain_in(store, &layout, ledger_keys(), fixture.clock.clone(), Settings::default(), wanted).await;
    drop(elsewhere);
    done
}

#[tokio::test]
async fn a_crash_before_the_commit_or_after_it_leaves_no_half_and_the_next_run_ends_it() {
    let (mut fixture, backup) = begun().await;
    append(&mut fixture, 4).await;
    let (disk, size) = (disk(&fixture), fixture.ledger.committed().borrow().to_owned());
    for (fault, is_there) in [(Fault::Full, false), (Fault::Device, false), (Fault::Flush, true)] {
        let layout = go_back(&mut fixture, &backup).await;
        let from = size_in(&layout).await;
        let known = Pending { size: from, seen: size, by: "镜像".into() };
        known.write(&layout).unwrap();
        failing(&fixture, disk.path(), fault).await.unwrap_err();
        assert_eq!(size_in(&layout).await, if is_there { size + 1 } else { from }, "{fault:?}");
        assert_eq!(pending(&layout).unwrap(), Some(known));
        let refused = fixture.open().await;
        assert!(matches!(refused, Err(OpenError::Unrecovered { .. })), "{fault:?}: {refused:?}");
        match bring_back(&fixture, disk.path(), Vec::new()).await.unwrap() {
            Regained::Nothing { size: now } => assert_eq!((now, is_there), (size + 1, true)),
            Regained::Entries(brought) => assert_eq!((brought.from, brought.size, is_there), (from, size, false)),
        }
        assert_eq!(pending(&layout).unwrap(), None);
        fixture.open().await.unwrap();
        assert_eq!(verifies(&fixture).await.size, size + 1, "{fault:?}");
        // Once more brings nothing.
        fixture.ledger.shutdown().await;
        let again = bring_back(&fixture, disk.path(), Vec::new()).await.unwrap();
        assert_eq!(again, Regained::Nothing { size: size + 1 });
    }
}
