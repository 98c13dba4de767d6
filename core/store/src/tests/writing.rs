//! Cases 11, 12, 15 and 29: resubmission, concurrency, unknown kinds, shutdown under load.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gongkai_domain::Refusal;
use serde_json::json;
use tokio::sync::mpsc;

use super::helpers::{operator, tamper, verifies};
use crate::{
    Receipt, Settings, SubmitError,
    ledger::IDEMPOTENCY_KEY_BYTES_MAX,
    testing::{COUNTY, Fixture, all, pledge, refusal},
};

/// An organization in the county.
const TOWN: &str = "341599101";

/// No single submitter may wait longer, however many there are.
const WAIT_MAX: Duration = Duration::from_secs(10);

async fn with_publisher() -> Fixture {
    let mut fixture = Fixture::new().await;
    fixture.publisher("丙", COUNTY).await;
    fixture
}

#[tokio::test]
async fn a_small_ledger_begins_and_goes_on_after_a_restart() {
    let mut fixture = with_publisher().await;
    let receipt = fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap();
    assert_eq!(receipt.index, 5);
    fixture.reopen().await.unwrap();
    let recovery = fixture.ledger.recovery();
    assert_eq!((recovery.size, recovery.published_before), (6, Some(6)));
    assert_eq!((recovery.repaired.len(), recovery.alarms.len()), (0, 0), "{recovery:?}");
    let receipt = fixture.submit(&pledge(COUNTY, 2), &[("publisher", "丙")]).await.unwrap();
    assert_eq!(receipt.index, 6);
    assert_eq!(verifies(&fixture).await.size, 7);
}

#[tokio::test]
async fn a_receipt_names_the_entry_that_is_stored() {
    let mut fixture = with_publisher().await;
    let receipt = fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap();
    let stored = fixture.ledger.entry(receipt.index).await.unwrap().unwrap();
    let entry = gongkai_log::Entry::parse(stored.bytes).unwrap();
    assert_eq!(Receipt::of(&entry), receipt);
    let openings = stored.openings.unwrap();
    openings.check(&entry.content.statement().unwrap().statement).unwrap();
    assert_eq!(openings.index, receipt.index);
    assert!(fixture.ledger.entry(receipt.index + 1).await.unwrap().is_none());
}

#[tokio::test]
async fn the_same_submission_again_gives_the_same_receipt_and_no_second_entry() {
    let mut fixture = with_publisher().await;
    let submission = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    let key = Some("k-1".to_owned());
    let first = fixture.ledger.submit(key.clone(), submission.clone()).await.unwrap();
    assert_eq!(fixture.ledger.submit(key.clone(), submission.clone()).await.unwrap(), first);
    fixture.reopen().await.unwrap();
    assert_eq!(fixture.ledger.submit(key, submission).await.unwrap(), first, "also after a restart");
    assert_eq!(fixture.ledger.health().committed, first.index + 1);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let mut fixture = with_publisher().await;
    let one = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    let other = fixture.opening(&pledge(COUNTY, 2), &[("publisher", "丙")]);
    let key = Some("k-1".to_owned());
    let first = fixture.ledger.submit(key.clone(), one.clone()).await.unwrap();
    assert_eq!(refusal(fixture.ledger.submit(key.clone(), other.clone()).await), Refusal::IdempotencyConflict);
    // The same within one batch.
    let many =
        vec![(Some("k-2".to_owned()), other.clone()), (Some("k-2".to_owned()), one), (Some("k-2".to_owned()), other)];
    let answers = fixture.ledger.submit_many(many).await;
    let receipt = answers[0].clone().unwrap().entry().unwrap();
    assert_eq!(receipt.index, first.index + 1);
    assert_eq!(refusal(answers[1].clone()), Refusal::IdempotencyConflict);
    assert_eq!(answers[2].clone().unwrap().entry().unwrap(), receipt);
    assert_eq!(fixture.ledger.health().committed, receipt.index + 1);
}

#[tokio::test]
async fn a_refused_submission_does_not_use_its_key_up() {
    let mut fixture = Fixture::new().await;
    fixture.person("丙", COUNTY).await;
    let submission = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    let key = Some("k-1".to_owned());
    assert!(matches!(refusal(fixture.ledger.submit(key.clone(), submission.clone()).await), Refusal::NoRole { .. }));
    let person = fixture.people["丙"].stream.clone();
    let grant = json!({"kind": "role.granted.v1", "org": COUNTY, "fields": {"person": person, "role": "publisher"}});
    fixture.submit(&grant, &[("registrar", "甲")]).await.unwrap();
    fixture.ledger.submit(key, submission).await.unwrap();
}

#[tokio::test]
async fn an_unusable_idempotency_key_is_refused() {
    let mut fixture = with_publisher().await;
    let submission = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    for key in [String::new(), "k\n".to_owned(), "k".repeat(IDEMPOTENCY_KEY_BYTES_MAX + 1)] {
        let answer = fixture.ledger.submit(Some(key), submission.clone()).await;
        assert!(matches!(refusal(answer), Refusal::Malformed { .. }));
    }
}

#[tokio::test]
async fn a_stale_or_forked_parent_is_refused_with_the_head() {
    let mut fixture = with_publisher().await;
    let made = fixture.signed(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap();
    fixture.ledger.submit(None, made.clone()).await.unwrap();
    let stream = gongkai_log::SignedStatement::parse(&made.note).unwrap().statement.stream;
    let progress = |percent: u64| {
        json!({"kind": "pledge.progressed.v1", "stream": stream, "org": COUNTY,
        "fields": {"percent": percent, "report": "已完成一部分(虚构)"}})
    };
    let left = fixture.signed(&progress(30), &[("publisher", "丙")]).await.unwrap();
    let right = fixture.signed(&progress(40), &[("publisher", "丙")]).await.unwrap();
    let receipt = fixture.ledger.submit(None, left).await.unwrap();
    let expected = Refusal::StaleParent { revision: 1, head: receipt.statement_hash };
    assert_eq!(refusal(fixture.ledger.submit(None, right).await), expected);
    assert!(matches!(refusal(fixture.ledger.submit(None, made).await), Refusal::StreamExists(_)));
    assert_eq!(fixture.ledger.stream(&stream).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_key_that_was_authorized_in_the_same_batch_can_sign() {
    let mut fixture = Fixture::new().await;
    let person = json!({"kind": "person.registered.v1", "org": COUNTY, "fields": {"name": "某人(虚构)"}});
    let registered = fixture.opening(&person, &[("registrar", "甲")]);
    let id = gongkai_log::SignedStatement::parse(&registered.note).unwrap().statement.stream;
    let key = crate::testing::key("某人.example/1", 99);
    let authorized = json!({"kind": "key.authorized.v1", "org": COUNTY,
        "fields": {"person": id, "key": key.verifier().to_string()}});
    let authorized = fixture.opening(&authorized, &[("registrar", "甲")]);
    let granted = json!({"kind": "role.granted.v1", "org": COUNTY, "fields": {"person": id, "role": "publisher"}});
    let granted = fixture.opening(&granted, &[("registrar", "甲")]);
    fixture.people.insert("某".into(), crate::testing::Person { stream: id, key });
    let mut forged = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "某")]);
    let good = fixture.opening(&pledge(COUNTY, 2), &[("publisher", "某")]);
    // The signature of one statement under another.
    let line = |note: &str| note.lines().last().unwrap().to_owned();
    forged.note = forged.note.replace(&line(&forged.note), &line(&good.note));
    let many = [registered, authorized, granted, forged, good].map(|submission| (None, submission)).to_vec();
    let answers = fixture.ledger.submit_many(many).await;
    assert!(answers[..3].iter().all(Result::is_ok), "{answers:?}");
    assert!(matches!(refusal(answers[3].clone()), Refusal::Signature(_)));
    assert_eq!(answers[4].clone().unwrap().entry().unwrap().index, 5);
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_revoked_key_signs_nothing_more_also_when_it_was_verified_before() {
    let mut fixture = with_publisher().await;
    let stream = fixture.ledger.with_world(|world| world.keys().count());
    assert_eq!(stream, 6, "log, intake, recovery, two registrars and the publisher");
    let entries = fixture.ledger.entries(0, 100).await.unwrap();
    let key_stream = entries
        .into_iter()
        .filter_map(|stored| gongkai_log::Entry::parse(stored.bytes).unwrap().content.statement().cloned())
        .find(|signed| signed.statement.kind == "key.authorized.v1")
        .unwrap()
        .statement
        .stream;
    let before = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    let after = fixture.opening(&pledge(COUNTY, 2), &[("publisher", "丙")]);
    let revoked =
        json!({"kind": "key.revoked.v1", "stream": key_stream, "org": COUNTY, "fields": {"reason": "stolen"}});
    let revoked = fixture.signed(&revoked, &[("registrar", "甲")]).await.unwrap();
    // All three are verified under the same world; the order of the log decides.
    let answers = fixture.ledger.submit_many([before, revoked, after].map(|s| (None, s)).to_vec()).await;
    let index = answers[1].clone().unwrap().entry().unwrap().index;
    assert!(answers[0].is_ok());
    assert!(matches!(refusal(answers[2].clone()), Refusal::RevokedKey { index: at, .. } if at == index));
    verifies(&fixture).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_appends_at_once_are_all_there_without_gaps_and_nobody_waits_long() {
    for count in [64, 512] {
        let mut fixture = with_publisher().await;
        let first = fixture.ledger.health().committed;
        let pledges = fixture.pledges(count, "丙", COUNTY);
        let ledger = fixture.ledger.clone();
        let answers = all(pledges.into_iter().map(|submission| {
            let ledger = ledger.clone();
            async move {
                let start = Instant::now();
                (ledger.submit(None, submission).await.unwrap().index, start.elapsed())
            }
        }))
        .await;
        let mut indexes: Vec<u64> = answers.iter().map(|(index, _)| *index).collect();
        indexes.sort_unstable();
        assert_eq!(indexes, (first..first + count as u64).collect::<Vec<_>>());
        let longest = answers.iter().map(|(_, wait)| *wait).max().unwrap();
        assert!(longest < WAIT_MAX, "{count} at once: one waited {longest:?}");
        verifies(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_appends_to_one_stream_lose_no_update() {
    for count in [64_u64, 512] {
        let mut fixture = with_publisher().await;
        let made = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
        let stream = gongkai_log::SignedStatement::parse(&made.note).unwrap().statement.stream;
        fixture.ledger.submit(None, made).await.unwrap();
        let progress = json!({"kind": "pledge.progressed.v1", "stream": stream, "org": COUNTY,
            "fields": {"stage": "underway", "report": "进行中(虚构)"}});
        let mut same = Vec::new();
        for _ in 0..count {
            same.push(fixture.signed(&progress, &[("publisher", "丙")]).await.unwrap());
        }
        let ledger = fixture.ledger.clone();
        let start = Instant::now();
        let answers = all(same.into_iter().map(|submission| {
            let ledger = ledger.clone();
            async move { ledger.submit(None, submission).await }
        }))
        .await;
        assert!(start.elapsed() < WAIT_MAX);
        let winners: Vec<Receipt> = answers.iter().filter_map(|answer| answer.clone().ok()).collect();
        assert_eq!(winners.len(), 1, "all of them named the same parent");
        let head = winners[0].statement_hash;
        for answer in answers.into_iter().filter(Result::is_err) {
            assert_eq!(refusal(answer), Refusal::StaleParent { revision: 1, head });
        }
        assert_eq!(fixture.ledger.stream(&stream).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_full_queue_is_answered_busy_and_one_organization_leaves_room_in_it_for_the_others() {
    let busy_timeout = Duration::from_mins(1);
    let mut fixture = Fixture::with(Settings { queue_max: 4, batch_max: 2, busy_timeout, ..Settings::default() }).await;
    fixture.publisher("丙", COUNTY).await;
    fixture.org(TOWN, "township", Some(COUNTY)).await;
    let before = fixture.ledger.health().committed;
    let mut pledges = fixture.pledges(32, "丙", COUNTY);
    pledges.extend(fixture.pledges(32, "丙", TOWN));
    // While the database is locked nothing is committed: whoever has a place keeps it until all others were refused one.
    let mut other = operator(&fixture.layout()).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let (ledger, (refused, mut refusals)) = (fixture.ledger.clone(), mpsc::unbounded_channel());
    let answers = tokio::spawn(all(pledges.into_iter().map(move |submission| {
        let (ledger, refused) = (ledger.clone(), refused.clone());
        async move {
            let answer = ledger.submit(None, submission).await;
            if answer.is_err() {
                refused.send(()).unwrap();
            }
            answer
        }
    })));
    for _ in 0..60 {
        refusals.recv().await.unwrap();
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    let answers = answers.await.unwrap();
    let served = |answers: &[Result<Receipt, SubmitError>]| answers.iter().filter(|answer| answer.is_ok()).count();
    let busy = answers.iter().filter(|answer| matches!(answer, Err(SubmitError::Busy))).count();
    let (first, second) = (served(&answers[..32]), served(&answers[32..]));
    assert_eq!(first + second + busy, 64);
    // Half of the four places each: those who came first did not take them all.
    assert_eq!((first, second), (2, 2));
    assert_eq!(fixture.ledger.health().committed, before + 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shutdown_under_load_answers_everything_it_accepted() {
    let mut fixture = with_publisher().await;
    let pledges = fixture.pledges(300, "丙", COUNTY);
    let ledger = fixture.ledger.clone();
    let submitters = tokio::spawn(all(pledges.into_iter().map(move |submission| {
        let ledger = ledger.clone();
        async move { ledger.submit(None, submission).await }
    })));
    let mut committed = fixture.ledger.committed();
    committed.wait_for(|size| *size > 20).await.unwrap();
    fixture.ledger.shutdown().await;
    let mut receipts = Vec::new();
    for answer in submitters.await.unwrap() {
        match answer {
            Ok(receipt) => receipts.push(receipt),
            Err(error) => assert!(matches!(error, SubmitError::Halted(_)), "{error:?}"),
        }
    }
    let health = fixture.ledger.health();
    assert_eq!(health.committed, 5 + receipts.len() as u64);
    assert_eq!(health.published, health.committed, "the checkpoint is the last thing");
    fixture.open().await.unwrap();
    for receipt in receipts {
        let stored = fixture.ledger.entry(receipt.index).await.unwrap().unwrap();
        assert_eq!(gongkai_log::Digest::of(&stored.bytes), receipt.entry_hash);
    }
    verifies(&fixture).await;
}

#[tokio::test]
async fn bulk_keeps_the_order_and_names_each_refusal() {
    let mut fixture = with_publisher().await;
    let mut many: Vec<_> = fixture.pledges(700, "丙", COUNTY).into_iter().map(|s| (None, s)).collect();
    many[300].1.note = "nonsense".into();
    let again = many[10].clone();
    many[500] = again;
    let answers = fixture.ledger.submit_many(many).await;
    assert!(matches!(refusal(answers[300].clone()), Refusal::Malformed { .. }));
    assert!(matches!(refusal(answers[500].clone()), Refusal::StreamExists(_)));
    let indexes: Vec<u64> = answers.into_iter().flatten().map(|accepted| accepted.entry().unwrap().index).collect();
    assert_eq!(indexes, (5..5 + 698).collect::<Vec<_>>());
    verifies(&fixture).await;
}

#[tokio::test]
async fn a_stream_longer_than_the_cache_is_judged_from_the_database() {
    let mut fixture = Fixture::with(Settings { streams_cached_max: 2, ..Settings::default() }).await;
    fixture.publisher("丙", COUNTY).await;
    let made = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    let stream = gongkai_log::SignedStatement::parse(&made.note).unwrap().statement.stream;
    fixture.ledger.submit(None, made).await.unwrap();
    let withdrawn = json!({"kind": "pledge.withdrawn.v1", "stream": stream, "org": COUNTY,
        "fields": {"reason": "规划调整(虚构)"}});
    fixture.submit(&withdrawn, &[("publisher", "丙")]).await.unwrap();
    for pledge in fixture.pledges(5, "丙", COUNTY) {
        fixture.ledger.submit(None, pledge).await.unwrap();
    }
    let progress = json!({"kind": "pledge.progressed.v1", "stream": stream, "org": COUNTY,
        "fields": {"percent": 10, "report": "继续(虚构)"}});
    let answer = fixture.submit(&progress, &[("publisher", "丙")]).await;
    assert!(matches!(refusal(answer), Refusal::State(_)), "a withdrawn pledge makes no progress");
}

#[tokio::test]
async fn reading_goes_on_past_a_kind_that_this_version_does_not_know() {
    let mut fixture = with_publisher().await;
    fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap();
    fixture.published().await;
    fixture.ledger.shutdown().await;
    super::faults::append_of_the_future(&fixture).await;
    fixture.open().await.unwrap();
    let receipt = fixture.submit(&pledge(COUNTY, 2), &[("publisher", "丙")]).await.unwrap();
    assert_eq!(receipt.index, 7);
    let entries = fixture.ledger.entries(0, 100).await.unwrap();
    assert_eq!(entries.len(), 8);
    assert!(String::from_utf8(entries[6].bytes.clone()).unwrap().contains("registry.imagined.v9"));
}

#[tokio::test]
async fn attachments_must_be_there_before_they_are_named_and_are_published() {
    let mut fixture = with_publisher().await;
    let made = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    let stream = gongkai_log::SignedStatement::parse(&made.note).unwrap().statement.stream;
    fixture.ledger.submit(None, made).await.unwrap();
    let photo = b"a photograph of twelve street lamps".to_vec();
    let hash = gongkai_log::Digest::of(&photo);
    let done = json!({"kind": "pledge.fulfilled.v1", "stream": stream, "org": COUNTY, "fields": {"report": "已完成(虚构)",
        "evidence": [{"hash": hash, "size": photo.len(), "media_type": "image/jpeg"}]}});
    let submission = fixture.signed(&done, &[("publisher", "丙")]).await.unwrap();
    let answer = fixture.ledger.submit(None, submission.clone()).await;
    assert_eq!(refusal(answer), Refusal::MissingAttachment(hash.to_string()));
    assert_eq!(fixture.ledger.put_attachment(photo.clone()).await.unwrap(), hash);
    assert_eq!(fixture.ledger.put_attachment(photo.clone()).await.unwrap(), hash, "twice is once");
    let published = fixture.layout().published_attachment(&hash);
    assert!(!published.exists(), "nothing is published that no entry names");
    fixture.ledger.submit(None, submission).await.unwrap();
    fixture.published().await;
    assert_eq!(std::fs::read(&published).unwrap(), photo);
    std::fs::remove_file(&published).unwrap();
    fixture.reopen().await.unwrap();
    assert_eq!(std::fs::read(&published).unwrap(), photo, "repaired on start");
    let small = Settings { attachment_bytes_max: 3, ..Settings::default() };
    fixture.settings = small;
    fixture.reopen().await.unwrap();
    assert!(fixture.ledger.put_attachment(photo).await.is_err());
}

#[tokio::test]
async fn the_files_of_lines_must_be_there_as_those_of_a_body_and_are_published_like_them() {
    let mut fixture = with_publisher().await;
    let photo = b"a photograph of a receipt".to_vec();
    let hash = gongkai_log::Digest::of(&photo);
    let sheet = json!({"kind": "disclosure.published.v1", "org": COUNTY, "fields": {
        "class": "finance", "content": "finance", "period": "2026-02", "published_by": "self", "income": 0,
        "expense": 33_030, "title": "2026 年 2 月收支公开表(虚构)", "item": "月度收支", "lines": [
            {"date": "2026-02-03", "voucher": "记-12", "summary": "公厕电费", "account": "管理费用", "expense": 33_030,
             "files": [{"hash": hash, "size": photo.len(), "media_type": "image/jpeg"}]}]}});
    let submission = fixture.signed(&sheet, &[("publisher", "丙")]).await.unwrap();
    let answer = fixture.ledger.submit(None, submission.clone()).await;
    assert_eq!(refusal(answer), Refusal::MissingAttachment(hash.to_string()));
    fixture.ledger.put_attachment(photo.clone()).await.unwrap();
    let published = fixture.layout().published_attachment(&hash);
    assert!(!published.exists(), "nothing is published that no line names");
    fixture.ledger.submit(None, submission).await.unwrap();
    fixture.published().await;
    assert_eq!(std::fs::read(&published).unwrap(), photo);
}

#[tokio::test]
async fn the_world_that_readers_see_is_that_of_a_replay() {
    let mut fixture = with_publisher().await;
    fixture.org("341599101", "township", Some(COUNTY)).await;
    fixture.publisher("丁", "341599101").await;
    fixture.submit(&pledge(COUNTY, 1), &[("publisher", "丙")]).await.unwrap();
    let live = fixture.ledger.with_world(gongkai_domain::World::clone);
    let replayed = fixture.ledger.reader().world().await.unwrap();
    assert_eq!(live.grants(&fixture.people["丁"].stream).len(), 1);
    assert_eq!(debug(&live), debug(&replayed));
}

/// Maps in a `World` have no order, so compare the letters.
fn debug(world: &gongkai_domain::World) -> Vec<char> {
    let mut letters: Vec<char> = format!("{world:?}").chars().collect();
    letters.sort_unstable();
    letters
}

#[tokio::test]
async fn a_stream_can_be_spoiled_without_hurting_the_others() {
    let mut fixture = with_publisher().await;
    let made = fixture.opening(&pledge(COUNTY, 1), &[("publisher", "丙")]);
    let stream = gongkai_log::SignedStatement::parse(&made.note).unwrap().statement.stream;
    fixture.ledger.submit(None, made).await.unwrap();
    let progress = json!({"kind": "pledge.progressed.v1", "stream": stream, "org": COUNTY,
        "fields": {"percent": 10, "report": "继续(虚构)"}});
    let submission = fixture.signed(&progress, &[("publisher", "丙")]).await.unwrap();
    fixture.reopen().await.unwrap();
    tamper(
        &fixture.layout(),
        "UPDATE entries SET bytes = CAST(replace(CAST(bytes AS TEXT), 'pledge', 'pledgf') AS BLOB) WHERE idx = 5",
    )
    .await;
    let answer = fixture.ledger.submit(None, submission).await;
    let Err(SubmitError::Storage(error)) = answer else { panic!("{answer:?}") };
    assert!(error.to_string().contains("entry 5"), "{error}");
    fixture.submit(&pledge(COUNTY, 2), &[("publisher", "丙")]).await.unwrap();
    assert!(Arc::strong_count(&error) >= 1);
}
