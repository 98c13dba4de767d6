//! A mirror accepts what it verified and nothing else, whatever the source, the network and its own disk do.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use gongkai_log::{Digest, Fetch, Fork, KeyKind, SigningKey, TilePath, checkpoint, fork::Judgement, note};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::helpers::{append, copy, files, holding};
use crate::{
    Layout, Mirror, MirrorFault, StoreError,
    mirror::{
        Followed, Refused, Source, SourceShows,
        records::{self, evidence, withdrawals},
        source::DirectorySource,
    },
    testing::{COUNTY, Fixture, ledger_keys, pledge},
};

const CANARY: &str = "金丝雀七七四十九";
const TWO: [(&str, &str); 2] = [("publisher", "丙"), ("publisher", "丁")];

async fn of_size(pledges: usize) -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture.publisher("丁", COUNTY).await;
    append(&mut fixture, pledges).await;
    fixture
}

/// A sheet of two lines; the first names `own`, both name `shared`.
pub(super) async fn with_files(fixture: &mut Fixture, period: &str, own: &[u8], shared: &[u8]) -> u64 {
    for file in [own, shared] {
        fixture.ledger.put_attachment(file.to_vec()).await.unwrap();
    }
    let named = |files: &[&[u8]]| -> Value {
        let file = |file: &&[u8]| json!({"hash": Digest::of(file), "size": file.len(), "media_type": "image/jpeg"});
        files.iter().map(file).collect()
    };
    let line = |summary: &str, files: Value| {
        json!({"date": format!("{period}-03"), "voucher": "记-12", "summary": summary, "account": "管理费用", "expense": 1,
            "files": files})
    };
    let sheet = json!({"kind": "disclosure.published.v1", "org": COUNTY, "fields": {
        "class": "finance", "content": "finance", "period": period, "published_by": "self", "income": 0, "expense": 2,
        "title": "收支公开表(虚构)", "item": "月度收支",
        "lines": [line(CANARY, named(&[own, shared])), line("电费", named(&[shared]))]}});
    let index = fixture.submit(&sheet, &[("publisher", "丙")]).await.unwrap().index;
    fixture.published().await;
    index
}

async fn withdraw(fixture: &mut Fixture, entry: u64, slots: &[u64], lines: &[u64]) -> u64 {
    let command = json!({"kind": "slot.withdrawn.v1", "org": COUNTY, "fields": {
        "entry": entry, "slot_numbers": slots, "line_numbers": lines, "basis": "personal_data",
        "reason": "当事人要求隐去(虚构)", "appeal": "可在 15 日内申诉(虚构)"}});
    let index = fixture.submit(&command, &TWO).await.unwrap().index;
    fixture.published().await;
    index
}

/// A mirror's machine.
pub(super) struct Place(TempDir);

impl Place {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.0.path())
    }

    pub(super) fn open(&self, fixture: &Fixture) -> Mirror {
        let vkey = ledger_keys().log.verifier();
        Mirror::open(self.layout(), vkey, fixture.clock.clone()).unwrap()
    }

    /// The published files, but for partial tiles, of which a ledger has more.
    fn published(layout: &Layout) -> BTreeMap<PathBuf, Vec<u8>> {
        let log = layout.log();
        let name = |path: &PathBuf| path.strip_prefix(&log).unwrap().to_owned();
        let whole = files(&log).into_iter().filter(|path| !path.to_string_lossy().contains(".p/"));
        whole.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
    }
}

/// A disk with what a ledger has published, below no `log/`.
pub(super) fn disk(fixture: &Fixture) -> TempDir {
    let disk = tempfile::tempdir().unwrap();
    copy(&fixture.layout().log(), disk.path());
    disk
}

pub(super) fn follow<S: Source>(mirror: &mut Mirror, source: &S) -> Result<Followed, MirrorFault<S::Error>> {
    mirror.follow(source, None)
}

pub(super) fn refused<E: std::error::Error + Send + Sync>(ended: Result<Followed, MirrorFault<E>>) -> Refused {
    match ended {
        Err(MirrorFault::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_mirror_has_what_the_ledger_publishes_and_goes_on_from_there() {
    let mut fixture = of_size(100).await;
    with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    let mut before = 0;
    for grown in [0, 1, 120, 30, 256, 300] {
        append(&mut fixture, grown).await;
        let size = *fixture.ledger.committed().borrow();
        let ended = follow(&mut mirror, &DirectorySource::new(fixture.layout().root())).unwrap();
        let expected = Followed::Accepted { from: before, size, withdrawals: 0 };
        assert_eq!(ended, if size == before { Followed::Nothing } else { expected });
        assert_eq!(Place::published(&place.layout()), Place::published(&fixture.layout()), "{size}");
        let source = DirectorySource::new(fixture.layout().root());
        assert_eq!(follow(&mut mirror, &source).unwrap(), Followed::Nothing);
        before = size;
        if grown == 30 {
            // As after a restart.
            mirror = place.open(&fixture);
        }
    }
    assert!(!place.layout().mirror().join("staging").exists(), "nothing is left behind");
    assert_eq!(records::status(&place.layout()).unwrap().size, before);
}

#[tokio::test]
async fn a_flipped_bit_in_any_kind_of_file_is_named_and_nothing_is_accepted() {
    let mut fixture = of_size(300).await;
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    follow(&mut mirror, &DirectorySource::new(fixture.layout().root())).unwrap();
    let first = Place::published(&place.layout());
    append(&mut fixture, 300).await;
    with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    let size = *fixture.ledger.committed().borrow();
    let disk = disk(&fixture);
    let rest = size % 256;
    let only = |folder: &str| files(&disk.path().join(folder)).into_iter().find(|path| path.is_file()).unwrap();
    let kinds = [
        ("checkpoint".into(), "checkpoint"),
        (disk.path().join("tile/entries/001"), "entry 256"),
        (disk.path().join(format!("tile/entries/002.p/{rest}")), "entry 512"),
        (disk.path().join("tile/0/001"), "tile/0/001"),
        (disk.path().join(format!("tile/0/002.p/{rest}")), &*format!("tile/0/002.p/{rest}")),
        (disk.path().join("tile/1/000.p/2"), "tile/1/000.p/2"),
        (disk.path().join("openings/001"), "openings/001"),
        (disk.path().join("openings/002"), "openings/002"),
        (only("lines"), "lines/"),
        (only("attachment"), "attachment/"),
    ]
    .map(|(path, name): (PathBuf, &str)| (disk.path().join(path), name.to_owned()));
    for (path, name) in &kinds {
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        // Of a bundle within its first entry.
        let at = if name.starts_with("entry") { 100 } else { bad.len() / 2 };
        bad[at] ^= 1;
        fs::write(path, &bad).unwrap();
        for mirror in [&mut mirror, &mut Place::new().open(&fixture)] {
            let said = refused(follow(mirror, &DirectorySource::new(disk.path())));
            let said = format!("{said:?} {said}");
            assert!(said.contains(name.as_str()), "{name}: {said}");
        }
        assert_eq!(Place::published(&place.layout()), first, "{name}");
        fs::write(path, good).unwrap();
    }
    follow(&mut mirror, &DirectorySource::new(disk.path())).unwrap();
    assert_eq!(Place::published(&place.layout()), Place::published(&fixture.layout()));
    assert_eq!(evidence(&place.layout()).unwrap(), [], "damage is no fork");
}

#[tokio::test]
async fn of_an_incomplete_disk_nothing_is_accepted_and_what_is_missing_is_named() {
    let mut fixture = of_size(100).await;
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    follow(&mut mirror, &DirectorySource::new(fixture.layout().root())).unwrap();
    let first = Place::published(&place.layout());
    append(&mut fixture, 300).await;
    with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    let whole = disk(&fixture);
    for name in
        ["tile/entries/000", "tile/0/000", "tile/1/000.p/1", "openings/000", "openings/001", "lines", "attachment"]
    {
        let disk = disk(&fixture);
        let path = disk.path().join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        let said = refused(follow(&mut mirror, &DirectorySource::new(disk.path())));
        let Refused::Incomplete(missing) = said else { panic!("{name}: {said:?}") };
        assert!(missing.iter().any(|path| path.starts_with(name)), "{name}: {missing:?}");
        assert_eq!(Place::published(&place.layout()), first, "{name}");
    }
    let text = fs::read_to_string(whole.path().join("openings/001")).unwrap();
    let cut = text.lines().skip(1).flat_map(|line| [line, "\n"]).collect::<String>();
    fs::write(whole.path().join("openings/001"), cut).unwrap();
    let said = refused(follow(&mut mirror, &DirectorySource::new(whole.path())));
    assert_eq!(said, Refused::Incomplete(vec!["openings/001".to_owned()]), "a line of a statement is missing");
    fs::write(whole.path().join("openings/001"), text).unwrap();
    follow(&mut mirror, &DirectorySource::new(whole.path())).unwrap();
    let second = *fixture.ledger.committed().borrow();

    // A disk needs nothing that was carried before.
    append(&mut fixture, 300).await;
    let later = disk(&fixture);
    for old in ["tile/entries/000", "tile/0/000", "openings/000", "lines", "attachment", "vkey"] {
        let path = later.path().join(old);
        if path.is_dir() { fs::remove_dir_all(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
    }
    let ended = follow(&mut mirror, &DirectorySource::new(later.path())).unwrap();
    assert_eq!(ended, Followed::Accepted { from: second, size: second + 300, withdrawals: 0 });
    assert_eq!(Place::published(&place.layout()), Place::published(&fixture.layout()));
}

#[tokio::test]
async fn a_checkpoint_that_is_not_simply_the_logs_is_refused() {
    let fixture = of_size(3).await;
    let disk = disk(&fixture);
    let path = disk.path().join("checkpoint");
    let good = fs::read_to_string(&path).unwrap();
    let log = ledger_keys().log;
    let text = checkpoint::open(&good, &log.verifier()).unwrap().0.text();
    let stranger = SigningKey::from_seed(fixture.ledger.origin(), KeyKind::Ed25519, [99; 32]).unwrap();
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    for bad in [
        note::sign(&text, &[&stranger]).unwrap(),
        note::sign(&format!("{text}extension\n"), &[&log]).unwrap(),
        note::sign(&text.replacen("ledger", "other", 1), &[&log]).unwrap(),
        String::new(),
    ] {
        fs::write(&path, &bad).unwrap();
        let said = refused(follow(&mut mirror, &DirectorySource::new(disk.path())));
        assert!(matches!(said, Refused::Checkpoint(_)), "{bad}: {said:?}");
    }
    fs::write(&path, "x".repeat(2 << 20)).unwrap();
    let ended = follow(&mut mirror, &DirectorySource::new(disk.path()));
    assert!(matches!(ended, Err(MirrorFault::Unreadable { .. })), "more than a note may have: {ended:?}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let ended = follow(&mut mirror, &DirectorySource::new(disk.path()));
    assert!(matches!(ended, Err(MirrorFault::Unreadable { .. })), "no file: {ended:?}");
    assert!(!place.layout().checkpoint().exists());
}

fn judged(path: &Path) -> Judgement {
    let fork = Fork::parse(&fs::read_to_string(path).unwrap()).unwrap();
    fork.judge(&ledger_keys().log.verifier()).unwrap()
}

#[tokio::test]
async fn a_fork_is_refused_whichever_history_is_longer_and_anyone_can_judge_the_file() {
    let mut fixture = of_size(100).await;
    // The same ledger, going another way from here.
    let mut other = of_size(100).await;
    assert_eq!(fs::read(fixture.layout().checkpoint()).unwrap(), fs::read(other.layout().checkpoint()).unwrap());
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    append(&mut fixture, 30).await;
    follow(&mut mirror, &DirectorySource::new(fixture.layout().root())).unwrap();
    let held = Place::published(&place.layout());
    other.clock.advance(std::time::Duration::from_mins(1));
    for (turn, grown) in [20, 10, 200].into_iter().enumerate() {
        append(&mut other, grown).await;
        for _ in 0..2 {
            let said = refused(follow(&mut mirror, &DirectorySource::new(other.layout().root())));
            let Refused::Forked { evidence, .. } = said else { panic!("{grown}: {said:?}") };
            assert!(matches!(judged(&evidence), Judgement::Forked { .. }), "{grown}");
        }
        assert_eq!(evidence(&place.layout()).unwrap().len(), turn + 1, "each is kept once");
        assert_eq!(Place::published(&place.layout()), held);
    }
    // Without its own files the mirror still knows what it had accepted.
    fs::remove_dir_all(place.layout().log()).unwrap();
    let mut mirror = place.open(&fixture);
    let said = refused(follow(&mut mirror, &DirectorySource::new(other.layout().root())));
    assert!(matches!(said, Refused::Forked { .. }), "{said:?}");
    append(&mut fixture, 5).await;
    follow(&mut mirror, &DirectorySource::new(fixture.layout().root())).unwrap();
    assert_eq!(Place::published(&place.layout()), Place::published(&fixture.layout()), "what continues is followed");
}

#[tokio::test]
async fn an_older_copy_is_refused_and_called_a_rollback_and_no_fork() {
    let mut fixture = of_size(100).await;
    let older = disk(&fixture);
    append(&mut fixture, 300).await;
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    follow(&mut mirror, &DirectorySource::new(fixture.layout().root())).unwrap();
    for _ in 0..2 {
        let said = refused(follow(&mut mirror, &DirectorySource::new(older.path())));
        assert!(matches!(said, Refused::RolledBack { .. }), "{said:?}");
    }
    let kept = evidence(&place.layout()).unwrap();
    assert_eq!((kept.len(), kept[0].is_fork), (1, false));
    assert!(matches!(judged(&kept[0].path), Judgement::Consistent { .. }));
    assert!(records::status(&place.layout()).unwrap().refused.unwrap().contains("rollback"));
}

#[tokio::test]
async fn a_withdrawal_is_followed_and_recorded_also_where_the_source_has_not() {
    let mut fixture = of_size(100).await;
    let mut command = pledge(COUNTY, 1);
    command["fields"]["pledger"] = CANARY.into();
    let pledged = fixture.submit(&command, &[("publisher", "丙")]).await.unwrap().index;
    let (own, shared) = (format!("own {CANARY}").into_bytes(), b"shared".to_vec());
    let posted = with_files(&mut fixture, "2026-02", &own, &shared).await;
    append(&mut fixture, 250).await;
    let (honest, stubborn, late) = (Place::new(), Place::new(), Place::new());
    let (mut followed, mut kept) = (honest.open(&fixture), stubborn.open(&fixture));
    for mirror in [&mut followed, &mut kept] {
        follow(mirror, &DirectorySource::new(fixture.layout().root())).unwrap();
    }
    let before = disk(&fixture);
    let openings = fixture.ledger.entry(pledged).await.unwrap().unwrap().openings.unwrap();
    let slot = openings.open.iter().find(|opening| opening.name == "pledger").unwrap().slot.into();
    let first = withdraw(&mut fixture, pledged, &[slot], &[]).await;
    let second = withdraw(&mut fixture, posted, &[], &[0]).await;
    append(&mut fixture, 20).await;
    // A copy that goes on showing what it had.
    let stale = disk(&fixture);
    for folder in ["openings", "lines", "attachment"] {
        copy(&before.path().join(folder), &stale.path().join(folder));
    }
    fs::copy(fixture.layout().log().join("openings/001"), stale.path().join("openings/001")).unwrap();

    let ended = follow(&mut followed, &DirectorySource::new(fixture.layout().root())).unwrap();
    assert!(matches!(ended, Followed::Accepted { withdrawals: 2, .. }), "{ended:?}");
    follow(&mut kept, &DirectorySource::new(stale.path())).unwrap();
    follow(&mut late.open(&fixture), &DirectorySource::new(stale.path())).unwrap();
    for (place, source) in
        [(&honest, SourceShows::Removed), (&stubborn, SourceShows::StillShown), (&late, SourceShows::StillShown)]
    {
        assert_eq!(holding(place.layout().root(), CANARY.as_bytes()), Vec::<PathBuf>::new());
        assert_eq!(Place::published(&place.layout()), Place::published(&fixture.layout()));
        let recorded = withdrawals(&place.layout()).unwrap();
        let short: Vec<_> = recorded.iter().map(|record| (record.index, record.target, record.source)).collect();
        assert_eq!(short, [(first, pledged, source), (second, posted, source)]);
        assert_eq!((&recorded[0].slots, &recorded[1].lines), (&vec![slot], &vec![0]));
        assert_eq!(recorded[1].files, [Digest::of(&own).to_hex()], "the other file is still named");
    }
    // The rest of the list goes, and with it the file that nothing names any more.
    withdraw(&mut fixture, posted, &[], &[1]).await;
    follow(&mut kept, &DirectorySource::new(fixture.layout().root())).unwrap();
    assert!(!stubborn.layout().published_attachment(&Digest::of(&shared)).exists());
    assert_eq!(withdrawals(&stubborn.layout()).unwrap().len(), 3);
    // A mirror that begins now cannot know which files went, and needs none of them.
    let fresh = Place::new();
    follow(&mut fresh.open(&fixture), &DirectorySource::new(fixture.layout().root())).unwrap();
    assert_eq!(Place::published(&fresh.layout()), Place::published(&fixture.layout()));
}

#[tokio::test]
async fn an_acceptance_that_a_crash_cut_short_is_done_again() {
    let mut fixture = of_size(100).await;
    let place = Place::new();
    follow(&mut place.open(&fixture), &DirectorySource::new(fixture.layout().root())).unwrap();
    let begun = tempfile::tempdir().unwrap();
    copy(place.0.path(), begun.path());
    append(&mut fixture, 400).await;
    with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    follow(&mut place.open(&fixture), &DirectorySource::new(fixture.layout().root())).unwrap();
    let done = Place::published(&place.layout());
    // In the order in which they are put in place; the last is the checkpoint.
    let turn = |path: &PathBuf| {
        ["attachment", "lines", "openings", "tile/entries", "tile", ""].iter().position(|p| path.starts_with(p))
    };
    let mut moved: Vec<_> = done.iter().filter(|(path, _)| path.as_path() != Path::new("checkpoint")).collect();
    moved.sort_by_key(|(path, _)| turn(path));
    for count in 0..=moved.len() {
        let cut = Place::new();
        copy(begun.path(), cut.0.path());
        for (path, bytes) in &moved[..count] {
            let path = cut.layout().log().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        // What was fetched, and torn by the crash.
        let staging = cut.layout().mirror().join("staging/tile/entries");
        fs::create_dir_all(&staging).unwrap();
        fs::write(staging.join("001"), [0; 100]).unwrap();
        fs::write(staging.join(".draft-3"), [0; 100]).unwrap();
        let mut mirror = cut.open(&fixture);
        follow(&mut mirror, &DirectorySource::new(fixture.layout().root())).unwrap();
        assert_eq!(Place::published(&cut.layout()), done, "{count}");
    }
}

#[tokio::test]
async fn what_an_earlier_attempt_left_and_the_source_does_not_have_is_never_published() {
    let mut fixture = of_size(3).await;
    with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    for folder in ["lines", "attachment", "openings", "tile/entries"] {
        let folder = place.layout().mirror().join("staging").join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(Digest::of(b"left").to_hex()), b"left").unwrap();
    }
    follow(&mut mirror, &DirectorySource::new(fixture.layout().root())).unwrap();
    assert_eq!(Place::published(&place.layout()), Place::published(&fixture.layout()));
}

#[tokio::test]
async fn a_mirror_whose_own_disk_is_damaged_says_which_file_and_can_be_filled_again() {
    let mut fixture = of_size(300).await;
    with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    let place = Place::new();
    follow(&mut place.open(&fixture), &DirectorySource::new(fixture.layout().root())).unwrap();
    let whole = Place::published(&place.layout());
    for name in ["tile/entries/000", "tile/0/000", "openings/000", "lines", "attachment", "checkpoint"] {
        let path = place.layout().log().join(name);
        let path = if path.is_dir() { files(&path)[0].clone() } else { path };
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 1;
        fs::write(&path, bad).unwrap();
        let opened = Mirror::open(place.layout(), ledger_keys().log.verifier(), fixture.clock.clone());
        let ended = match opened {
            Ok(mut mirror) => follow(&mut mirror, &DirectorySource::new(fixture.layout().root())).map(drop),
            Err(fault) => Err(fault),
        };
        assert!(matches!(ended, Err(MirrorFault::Damaged(_))), "{name}: {ended:?}");
        fs::write(&path, good).unwrap();
    }
    fs::remove_dir_all(place.layout().log()).unwrap();
    follow(&mut place.open(&fixture), &DirectorySource::new(fixture.layout().root())).unwrap();
    assert_eq!(Place::published(&place.layout()), whole);
}

/// A source that is far away, counts, and breaks off after so many answers.
struct Far {
    near: DirectorySource,
    answers: Arc<AtomicUsize>,
    answers_max: usize,
    at_once: Arc<Mutex<(usize, usize)>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the line is down")]
struct Down;

impl Far {
    fn new(fixture: &Fixture, answers_max: usize) -> Self {
        let near = DirectorySource::new(fixture.layout().root());
        Self { near, answers: Arc::default(), answers_max, at_once: Arc::default() }
    }

    fn answer<T>(&self, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, Down> {
        {
            let mut at_once = self.at_once.lock().unwrap();
            at_once.0 += 1;
            at_once.1 = at_once.1.max(at_once.0);
        }
        let answer = read();
        self.at_once.lock().unwrap().0 -= 1;
        if self.answers.fetch_add(1, Ordering::Relaxed) >= self.answers_max {
            Err(Down)
        } else {
            answer.map_err(|_| Down)
        }
    }
}

impl Fetch for Far {
    type Error = Down;
    fn checkpoint(&self) -> Result<Vec<u8>, Down> {
        self.answer(|| self.near.checkpoint())
    }
    fn tile(&self, path: &TilePath) -> Result<Vec<u8>, Down> {
        self.answer(|| self.near.tile(path))
    }
    fn extra(&self, path: &str) -> Result<Option<Vec<u8>>, Down> {
        self.answer(|| self.near.extra(path))
    }
}

impl Source for Far {
    fn attachment(&self, hash: &Digest) -> Result<Option<Vec<u8>>, Down> {
        self.answer(|| self.near.attachment(hash))
    }
    fn is_missing(_: &Down) -> bool {
        false
    }
    fn connections(&self) -> usize {
        3
    }
}

#[tokio::test]
async fn a_line_that_breaks_costs_only_what_was_not_fetched_and_few_connections_are_used() {
    let mut fixture = of_size(2_000).await;
    with_files(&mut fixture, "2026-02", b"own", b"shared").await;
    let place = Place::new();
    let mut mirror = place.open(&fixture);
    let broken = Far::new(&fixture, 12);
    let ended = follow(&mut mirror, &broken);
    assert!(matches!(ended, Err(MirrorFault::Unreadable { .. })), "{ended:?}");
    assert!(!place.layout().checkpoint().exists(), "nothing was accepted");
    let whole = Far::new(&fixture, usize::MAX);
    let (answers, at_once) = (Arc::clone(&whole.answers), Arc::clone(&whole.at_once));
    follow(&mut mirror, &whole).unwrap();
    assert_eq!(Place::published(&place.layout()), Place::published(&fixture.layout()));
    let at_once = at_once.lock().unwrap().1;
    assert!(at_once <= 3, "{at_once} at a time");
    let again = Far::new(&fixture, usize::MAX);
    let all = Arc::clone(&again.answers);
    follow(&mut Place::new().open(&fixture), &again).unwrap();
    let (resumed, all) = (answers.load(Ordering::Relaxed), all.load(Ordering::Relaxed));
    assert!(resumed < all, "{resumed} of {all} answers were needed again");
}
