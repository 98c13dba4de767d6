//! The published log in a bucket: the same bytes as in the directory, whatever fails, whoever else puts there.
//!
//! The server is a real one (`gongkai_tests::objects`). Here ledgers are opened in this process, so that a test can hold a request back
//! while the ledger goes on; `outside` runs the binary.

mod outside;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gongkai_domain::Submission;
use gongkai_log::{Checkpoint, Digest, checkpoint};
use gongkai_store::testing::{COUNTY, Fixture, ledger_keys, pledge, refusal};
use gongkai_store::{Bucket, Layout, Ledger, OpenError, Settings, StoreError};
use gongkai_tests::objects::{BUCKET, How, ObjectServer, SECRET_KEY};
use gongkai_tests::{copy, snapshot};
use serde_json::json;
use tempfile::TempDir;

/// Longest time until something that has to happen has happened.
const TIME_MAX: Duration = Duration::from_mins(1);

fn settings(bucket: Bucket) -> Settings {
    Settings { publish_interval: Duration::ZERO, bucket: Some(bucket), ..Settings::default() }
}

/// A ledger with a publisher 丙 that puts into a bucket from its first entry on.
async fn ledger(server: &ObjectServer) -> Fixture {
    let mut fixture = Fixture::with(settings(server.bucket())).await;
    fixture.publisher("丙", COUNTY).await;
    fixture
}

async fn append(fixture: &mut Fixture, count: usize) {
    let pledges = fixture.pledges(count, "丙", COUNTY);
    for answer in fixture.ledger.submit_many(pledges.into_iter().map(|pledge| (None, pledge)).collect()).await {
        answer.unwrap();
    }
}

/// A ledger without a bucket, ended in good order.
async fn closed(pledges: usize) -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    append(&mut fixture, pledges).await;
    fixture.ledger.shutdown().await;
    fixture
}

/// Another node with the same rows.
fn twin(fixture: &Fixture) -> (TempDir, Layout) {
    let folder = tempfile::tempdir().unwrap();
    copy(fixture.layout().root(), folder.path());
    let layout = Layout::new(folder.path());
    (folder, layout)
}

async fn open(layout: &Layout, fixture: &Fixture, bucket: Bucket) -> Result<Ledger, OpenError> {
    Ledger::open(layout, ledger_keys(), fixture.clock.clone(), settings(bucket)).await
}

async fn published(ledger: &Ledger, size: u64) {
    let mut published = ledger.published();
    tokio::time::timeout(TIME_MAX, published.wait_for(|there| *there >= size)).await.unwrap().unwrap();
}

/// Until it has stopped of itself; what it says of it.
async fn halted(ledger: &Ledger) -> String {
    let halted = async {
        loop {
            if let Some(reason) = ledger.health().halted {
                return reason;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIME_MAX, halted).await.unwrap()
}

fn signed(note: &[u8]) -> Checkpoint {
    checkpoint::open(std::str::from_utf8(note).unwrap(), &ledger_keys().log.verifier()).unwrap().0
}

fn in_bucket(server: &ObjectServer) -> Checkpoint {
    signed(&server.object("log/checkpoint").unwrap())
}

fn in_directory(layout: &Layout) -> Checkpoint {
    signed(&std::fs::read(layout.checkpoint()).unwrap())
}

/// Everything published, by its name.
fn files(log: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = snapshot(log);
    files.retain(|(path, _)| path != Path::new(".draft"));
    files
}

/// Directory and bucket hold the same, byte for byte.
fn same(server: &ObjectServer, layout: &Layout) {
    compare(&files(&server.objects().join("log")), &files(&layout.log()));
}

/// The same where the directory is older than the bucket: it keeps an hour's partial tiles, and those of sizes that were
/// never published in this bucket are not put there.
fn same_but_partial(server: &ObjectServer, layout: &Layout) {
    let whole = |log: &Path| -> Vec<_> {
        files(log).into_iter().filter(|(path, _)| !path.to_str().unwrap().contains(".p/")).collect()
    };
    compare(&whole(&server.objects().join("log")), &whole(&layout.log()));
}

fn compare(there: &[(PathBuf, Vec<u8>)], here: &[(PathBuf, Vec<u8>)]) {
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(there), names(here));
    for ((path, there), (_, here)) in there.iter().zip(here) {
        assert!(there == here, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bucket_holds_byte_for_byte_what_the_directory_holds() {
    let server = ObjectServer::start();
    let mut fixture = ledger(&server).await;
    for count in [1, 250, 300] {
        append(&mut fixture, count).await;
        fixture.published().await;
        same(&server, &fixture.layout());
    }
    fixture.reopen().await.unwrap();
    append(&mut fixture, 3).await;
    fixture.ledger.shutdown().await;
    same(&server, &fixture.layout());
    assert_eq!(in_bucket(&server).size, fixture.ledger.health().committed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_gets_a_bucket_later_or_an_empty_one_puts_everything() {
    let mut fixture = closed(600).await;
    for server in [ObjectServer::start(), ObjectServer::start()] {
        fixture.settings = settings(server.bucket());
        fixture.open().await.unwrap();
        fixture.ledger.shutdown().await;
        same_but_partial(&server, &fixture.layout());
        let log = ledger_keys().log.verifier();
        gongkai_store::PublishedLog::open(server.objects().join("log"), log).unwrap().entries(0, 1_000).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_once_or_whose_answer_is_lost_is_there_in_the_end() {
    // Each with its repetitions within a request.
    for (of, how) in [
        ("PUT /gk-test/qinghe/log/tile/entries", How::Refused),
        ("PUT /gk-test/qinghe/log/tile/0", How::Lost),
        ("PUT /gk-test/qinghe/log/openings", How::Refused),
        ("PUT /gk-test/qinghe/log/openings", How::Lost),
        ("PUT /gk-test/qinghe/log/checkpoint", How::Refused),
        ("PUT /gk-test/qinghe/log/checkpoint", How::Lost),
        ("GET /gk-test/qinghe/log/checkpoint", How::Refused),
    ] {
        let server = ObjectServer::start();
        let mut fixture = ledger(&server).await;
        fixture.published().await;
        server.fault(of, how, 4);
        append(&mut fixture, 3).await;
        let size = fixture.ledger.health().committed;
        published(&fixture.ledger, size).await;
        assert_eq!(fixture.ledger.health().halted, None, "{of} {how:?}");
        same(&server, &fixture.layout());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_go_on_while_the_bucket_is_away_and_nothing_is_signed_over_what_is_not_there() {
    let server = ObjectServer::start();
    let mut fixture = ledger(&server).await;
    fixture.published().await;
    let before = in_bucket(&server);
    server.fault("PUT ", How::Refused, usize::MAX);
    append(&mut fixture, 3).await;
    assert_eq!(fixture.ledger.health().committed, before.size + 3);
    // It was tried, and the checkpoint stands in both places.
    let tried = async {
        while server.asked("PUT /gk-test/qinghe/log/openings") < 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIME_MAX, tried).await.unwrap();
    assert_eq!((in_bucket(&server), in_directory(&fixture.layout())), (before.clone(), before));
    server.heal();
    let size = fixture.ledger.health().committed;
    published(&fixture.ledger, size).await;
    same(&server, &fixture.layout());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_between_objects_and_checkpoint_and_between_bucket_and_directory_is_mended_on_start() {
    let server = ObjectServer::start();
    let mut fixture = ledger(&server).await;
    fixture.published().await;
    let before = in_bucket(&server);
    server.fault("PUT /gk-test/qinghe/log/checkpoint", How::Refused, usize::MAX);
    append(&mut fixture, 300).await;
    fixture.ledger.shutdown().await;
    assert_eq!(in_bucket(&server), before, "no checkpoint without its put");
    server.heal();
    let old = std::fs::read(fixture.layout().checkpoint()).unwrap();
    fixture.open().await.unwrap();
    same(&server, &fixture.layout());
    assert_eq!(in_bucket(&server).size, before.size + 300);
    // The bucket has the checkpoint, the directory does not yet.
    fixture.ledger.shutdown().await;
    std::fs::write(fixture.layout().checkpoint(), old).unwrap();
    fixture.open().await.unwrap();
    same(&server, &fixture.layout());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_publish_the_same_at_once_do_each_other_no_harm() {
    let server = ObjectServer::start();
    let fixture = closed(600).await;
    let (_folder, other) = twin(&fixture);
    let layout = fixture.layout();
    let (one, two) = tokio::join!(open(&layout, &fixture, server.bucket()), open(&other, &fixture, server.bucket()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(in_bucket(&server).size, one.health().committed);
    let mut fixture = fixture;
    for submission in fixture.pledges(20, "丙", COUNTY) {
        let (mine, theirs) = tokio::join!(one.submit(None, submission.clone()), two.submit(None, submission));
        assert_eq!(mine.unwrap(), theirs.unwrap());
    }
    let size = one.health().committed;
    published(&one, size).await;
    published(&two, size).await;
    assert_eq!((one.health().halted, two.health().halted), (None, None));
    assert_eq!((in_bucket(&server), in_directory(&layout)), (in_directory(&other), in_directory(&other)));
    let log = ledger_keys().log.verifier();
    let read = gongkai_store::PublishedLog::open(server.objects().join("log"), log).unwrap();
    assert_eq!(read.entries(0, 4_096).unwrap().len() as u64, size);
    one.shutdown().await;
    two.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_that_is_ahead_and_of_the_same_history_stays() {
    let server = ObjectServer::start();
    let mut fixture = closed(10).await;
    let (_folder, other) = twin(&fixture);
    let slow = open(&fixture.layout(), &fixture, server.bucket()).await.unwrap();
    let pledges: Vec<Submission> = fixture.pledges(2, "丙", COUNTY);
    server.fault("PUT /gk-test/qinghe/log/checkpoint", How::Waits, 1);
    let first = slow.submit(None, pledges[0].clone()).await.unwrap();
    server.somebody_waits().await;
    // The database goes on, and another node publishes what it holds.
    let second = slow.submit(None, pledges[1].clone()).await.unwrap();
    let fast = open(&other, &fixture, server.bucket()).await.unwrap();
    for pledge in pledges {
        fast.submit(None, pledge).await.unwrap();
    }
    published(&fast, second.index + 1).await;
    let ahead = in_bucket(&server);
    assert_eq!(ahead.size, second.index + 1);
    server.open_gate();
    published(&slow, first.index + 1).await;
    assert_eq!(in_bucket(&server), ahead, "it never goes back");
    published(&slow, second.index + 1).await;
    assert_eq!((slow.health().halted, in_bucket(&server)), (None, ahead));
    slow.shutdown().await;
    fast.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_history_is_neither_signed_nor_put_and_stops_the_node() {
    let server = ObjectServer::start();
    let mut fixture = closed(10).await;
    let (_folder, other) = twin(&fixture);
    let (one, two) = (
        open(&fixture.layout(), &fixture, server.bucket()).await.unwrap(),
        open(&other, &fixture, server.bucket()).await.unwrap(),
    );
    let before = in_directory(&other);
    let mut pledges = fixture.pledges(2, "丙", COUNTY).into_iter();
    let (mine, theirs) = (pledges.next().unwrap(), pledges.next().unwrap());
    let receipt = one.submit(None, mine).await.unwrap();
    published(&one, receipt.index + 1).await;
    let there = in_bucket(&server);
    two.submit(None, theirs).await.unwrap();
    let reason = halted(&two).await;
    assert!(reason.contains("停止发布"), "{reason}");
    assert_eq!((in_bucket(&server), in_directory(&other)), (there, before));
    two.shutdown().await;
    assert!(matches!(open(&other, &fixture, server.bucket()).await, Err(OpenError::Disagrees { .. })));
    one.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_with_less_than_the_bucket_is_not_opened_and_the_checkpoint_stays() {
    let server = ObjectServer::start();
    let mut fixture = ledger(&server).await;
    fixture.ledger.shutdown().await;
    let (_folder, old) = twin(&fixture);
    fixture.open().await.unwrap();
    append(&mut fixture, 300).await;
    fixture.ledger.shutdown().await;
    let there = in_bucket(&server);
    match open(&old, &fixture, server.bucket()).await {
        Err(OpenError::Behind { size, published }) => assert_eq!((size + 300, published), (there.size, there.size)),
        other => panic!("{other:?}"),
    }
    // The same question as somebody asks it who finds a database again.
    let key = ledger_keys().log.verifier();
    let head = in_directory(&old);
    let published = server.bucket().checkpoint(&(&key).into()).await.unwrap().unwrap();
    assert!(matches!(published.refuse_behind(&head), Err(StoreError::Row { .. })));
    published.refuse_behind(&there).unwrap();
    assert_eq!(in_bucket(&server), there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_bytes_under_a_name_that_never_changes_stop_the_node() {
    let server = ObjectServer::start();
    let mut fixture = ledger(&server).await;
    fixture.published().await;
    let before = in_bucket(&server);
    let width = before.size + 1;
    let tile = server.objects().join(format!("log/tile/0/000.p/{width}"));
    std::fs::write(tile, [0; 32]).unwrap();
    append(&mut fixture, 1).await;
    let reason = halted(&fixture.ledger).await;
    assert!(reason.contains("停止发布"), "{reason}");
    assert_eq!((in_bucket(&server), in_directory(&fixture.layout())), (before.clone(), before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_conditions_and_a_bucket_of_another_ledger_are_not_used() {
    let server = ObjectServer::start();
    let fixture = closed(1).await;
    server.fault("PUT /gk-test/qinghe/log/vkey", How::Unconditional, usize::MAX);
    let opened = open(&fixture.layout(), &fixture, server.bucket()).await;
    assert!(matches!(opened, Err(OpenError::Store(StoreError::Unconditional { .. }))), "{opened:?}");
    assert_eq!(server.object("log/checkpoint"), None);
    server.heal();
    let strange = server.objects().join("log/checkpoint");
    std::fs::write(&strange, b"ledger.example/elsewhere\n").unwrap();
    let opened = open(&fixture.layout(), &fixture, server.bucket()).await;
    assert!(matches!(opened, Err(OpenError::Store(StoreError::Foreign { .. }))), "{opened:?}");
    assert_eq!(std::fs::read(strange).unwrap(), b"ledger.example/elsewhere\n");
    // Nor is one that nobody can reach: whether the database is behind it could not be told.
    server.fault("GET /gk-test/qinghe/log/checkpoint", How::Refused, usize::MAX);
    let opened = open(&fixture.layout(), &fixture, server.bucket()).await;
    assert!(matches!(opened, Err(OpenError::Store(StoreError::Bucket { .. }))), "{opened:?}");
    for shown in [format!("{:?}", server.bucket()), format!("{opened:?}")] {
        assert!(!shown.contains(SECRET_KEY));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partial_tile_that_was_superseded_leaves_the_bucket_as_it_leaves_the_directory() {
    let partial = |files: Vec<(PathBuf, Vec<u8>)>| -> Vec<PathBuf> {
        files.into_iter().map(|(path, _)| path).filter(|path| path.to_str().unwrap().contains(".p/")).collect()
    };
    let both = |server: &ObjectServer, layout: &Layout| {
        let (there, here) = (partial(files(&server.objects().join("log"))), partial(files(&layout.log())));
        assert_eq!(there, here);
        here
    };
    let of_first = |path: &PathBuf| path.starts_with("tile/0/000.p") || path.starts_with("tile/entries/000.p");
    for (kept, stays) in [(Duration::ZERO, false), (Duration::from_hours(1), true)] {
        let server = ObjectServer::start();
        let mut fixture = Fixture::with(Settings { partials_kept: kept, ..settings(server.bucket()) }).await;
        fixture.publisher("丙", COUNTY).await;
        fixture.published().await;
        assert!(both(&server, &fixture.layout()).iter().any(of_first));
        append(&mut fixture, 300).await;
        fixture.published().await;
        fixture.ledger.shutdown().await;
        let left = both(&server, &fixture.layout());
        assert_eq!(left.iter().any(of_first), stays, "{left:?}");
        assert!(left.iter().any(|path| path.starts_with("tile/0/001.p")), "the newest is not superseded: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_file_goes_to_the_bucket_in_parts_and_is_whole_also_when_a_part_fails() {
    let server = ObjectServer::start();
    let fixture = ledger(&server).await;
    let film: Vec<u8> = (0_u64..1 << 20).flat_map(|number| (number * number).to_be_bytes()).take(5_500_000).collect();
    let name = |film: &[u8]| format!("attachments/{}", Digest::of(film).to_hex());
    fixture.ledger.put_attachment(film.clone()).await.unwrap();
    assert_eq!(server.object(&name(&film)), Some(film.clone()));
    // Begun, two parts, ended.
    let of = "/gk-test/qinghe/attachments/";
    assert_eq!(
        (server.asked("POST /gk-test/qinghe/attachments/"), server.asked("PUT /gk-test/qinghe/attachments/")),
        (2, 2)
    );
    fixture.ledger.put_attachment(film.clone()).await.unwrap();
    assert_eq!(server.asked("PUT /gk-test/qinghe/attachments/"), 2, "what is there is not put again");
    for (fault, how) in [("PUT ", How::Refused), ("PUT ", How::Lost), ("POST ", How::Refused)] {
        let mut other = film.clone();
        other.push(u8::try_from(server.asked(of) % 256).unwrap());
        server.fault(fault, how, 1);
        fixture.ledger.put_attachment(other.clone()).await.unwrap();
        assert_eq!(server.object(&name(&other)), Some(other), "{fault}{how:?}");
    }
    // One that cannot be put is not said to be there, and nothing of it is.
    server.fault("PUT ", How::Refused, usize::MAX);
    let mut never = film;
    never.push(0);
    never.push(0);
    fixture.ledger.put_attachment(never.clone()).await.unwrap_err();
    assert_eq!(server.object(&name(&never)), None);
    server.heal();
    fixture.ledger.put_attachment(never.clone()).await.unwrap();
    assert_eq!(server.object(&name(&never)), Some(never));
    fixture.ledger.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_one_node_was_handed_is_named_and_published_by_another() {
    let server = ObjectServer::start();
    let mut fixture = closed(1).await;
    let (_folder, other) = twin(&fixture);
    let made = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    let stream = gongkai_log::SignedStatement::parse(&made.note).unwrap().statement.stream;
    fixture.settings = settings(server.bucket());
    fixture.open().await.unwrap();
    let photo = b"a photograph of twelve street lamps".to_vec();
    let hash = Digest::of(&photo);
    fixture.ledger.submit(None, made.clone()).await.unwrap();
    let done = json!({"kind": "pledge.fulfilled.v1", "stream": stream, "org": COUNTY, "fields": {"report": "已完成(虚构)",
        "evidence": [{"hash": hash, "size": photo.len(), "media_type": "image/jpeg"}]}});
    let submission = fixture.signed(&done, &[("publisher", "丙")]).await.unwrap();
    let missing = refusal(fixture.ledger.submit(None, submission.clone()).await);
    assert_eq!(missing.code(), "missing_attachment");
    // Handed in to this node; the other one records and publishes.
    assert_eq!(fixture.ledger.put_attachment(photo.clone()).await.unwrap(), hash);
    assert_eq!(fixture.ledger.put_attachment(photo.clone()).await.unwrap(), hash, "twice is once");
    assert_eq!(server.object(&format!("attachments/{}", hash.to_hex())), Some(photo.clone()));
    assert_eq!(server.object(&format!("log/attachment/{}", hash.to_hex())), None, "no entry names it");
    fixture.published().await;
    fixture.ledger.shutdown().await;
    let two = open(&other, &fixture, server.bucket()).await;
    assert!(matches!(two, Err(OpenError::Behind { .. })), "it lacks the pledge");
    let (_folder, other) = twin(&fixture);
    std::fs::remove_dir_all(other.attachments()).unwrap();
    let two = open(&other, &fixture, server.bucket()).await.unwrap();
    let receipt = two.submit(None, submission).await.unwrap();
    published(&two, receipt.index + 1).await;
    assert_eq!(server.object(&format!("log/attachment/{}", hash.to_hex())), Some(photo.clone()));
    // Private files are nobody's but the nodes'.
    let url = format!("{}/{BUCKET}/qinghe/attachments/{}", server.endpoint, hash.to_hex());
    let answer = tokio::task::spawn_blocking(move || gongkai_tests::get(&url).status).await.unwrap();
    assert_eq!(answer, 403);
    two.shutdown().await;
}
