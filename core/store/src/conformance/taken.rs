//! What the record of what was taken in must show wherever it lies: two handles on it are two nodes of a ledger.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_domain::{
    gap::{Answer, Outcome},
    vault::TierSecret,
    world::{AnsweredTo, Intake},
};
use gongkai_log::{Digest, KeyKind, SigningKey, StreamId, sealed::verify_period_path};
use uuid::Uuid;

use crate::{
    taken::{KEPT_DAYS, Place, Taken, TakenBook, TakenFault},
    testing::all,
};

/// Runs all checks on an empty record.
///
/// # Panics
/// When one fails; the message says which.
pub async fn run(one: &TakenBook, other: &TakenBook) {
    what_one_answered_the_other_knows_and_does_not_answer(one, other).await;
    of_all_who_take_a_packet_at_once_one_answers_it_and_the_others_wait(one, other).await;
    a_packet_that_could_not_be_answered_is_answered_by_the_next(one, other).await;
    both_make_one_tree_and_find_every_answer_under_the_root_that_is_said(one, other).await;
    answers_are_kept_for_their_time(one, other).await;
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).expect("a time")
}

/// An intake that no other check has, to which nothing is answered yet.
fn intake(check: u64) -> Intake {
    let name = format!("ledger.example/qinghe/intake-{check}");
    let key = SigningKey::from_seed(&name, KeyKind::Ed25519, [9; 32]).expect("the name is valid");
    let stream = StreamId::new("intake", Uuid::from_u64_pair(check, 1)).expect("the family is valid");
    let secret = TierSecret::from_bytes(&[7; 32]).expect("32 bytes");
    Intake {
        stream,
        org: crate::testing::COUNTY.to_owned(),
        opened_at: 1,
        key: key.verifier(),
        sealing_key: secret.key(),
        answer_hours: 1,
        answers: Vec::new(),
        is_closed: false,
    }
}

fn answered(intake: &mut Intake, to: u64, answers: Digest) {
    let (entry_hash, index) = (Digest::of(b"an entry"), 10 + to);
    intake.answers.push(AnsweredTo { to, entry_hash, answers, index, recorded_at: now() });
}

fn place(intake: &Intake, batch: u64, leaf: u64) -> Place<'_> {
    let commitment = Digest::of(format!("{} {batch} {leaf}", intake.stream).as_bytes());
    Place { intake: &intake.stream, batch, leaf, commitment }
}

fn taken(book: &TakenBook, place: Place<'_>, note: &str) -> Taken {
    let Place { batch, commitment, .. } = place;
    let (outcome, note, salt) = (Outcome::Accepted, note.to_owned(), book.salt());
    Taken { commitment, batch, follow: None, outcome, note, code: None, asked: None, salt, place: None }
}

/// Takes a packet in at one node; whether it was the one to answer.
async fn take(book: &TakenBook, place: Place<'_>, note: &str) -> bool {
    let taken = taken(book, place, note);
    let kept = book.once(place, now(), async { Ok::<_, TakenFault>(taken) }).await;
    kept.expect("it is kept").is_some()
}

async fn what_one_answered_the_other_knows_and_does_not_answer(one: &TakenBook, other: &TakenBook) {
    let mut intake = intake(1);
    assert!(take(one, place(&intake, 0, 5), "甲").await);
    for book in [one, other] {
        let again = book.once(place(&intake, 0, 5), now(), async { Err(TakenFault::Foreign("asked again".into())) });
        assert_eq!(again.await.expect("nobody is asked"), None);
    }
    answered(&mut intake, 1, Digest::ZERO);
    for book in [one, other] {
        let notes: Vec<String> = book.all(&intake).await.expect("all").into_iter().map(|taken| taken.note).collect();
        assert_eq!(notes, ["甲"]);
    }
}

async fn of_all_who_take_a_packet_at_once_one_answers_it_and_the_others_wait(one: &TakenBook, other: &TakenBook) {
    let mut of = intake(2);
    let (begun, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let takers = (0..64_u64).map(|number| {
        let (book, of) = (if number.is_multiple_of(2) { one } else { other }.clone(), of.clone());
        let (begun, ended) = (Arc::clone(&begun), Arc::clone(&ended));
        async move {
            let place = place(&of, 0, number / 8);
            let answer = async {
                let before = begun.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                ended.fetch_add(1, Ordering::SeqCst);
                Ok::<_, TakenFault>(taken(&book, place, &before.to_string()))
            };
            book.once(place, now(), answer).await.expect("it is kept").is_some()
        }
    });
    let kept = all(takers).await.into_iter().filter(|kept| *kept).count();
    assert_eq!((kept, begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (8, 8, 8), "each packet once");
    answered(&mut of, 1, Digest::ZERO);
    assert_eq!(one.all(&of).await.expect("all"), other.all(&of).await.expect("all"));
}

async fn a_packet_that_could_not_be_answered_is_answered_by_the_next(one: &TakenBook, other: &TakenBook) {
    let intake = intake(3);
    let failed = one.once(place(&intake, 0, 1), now(), async { Err(TakenFault::Foreign("the ledger halted".into())) });
    assert!(matches!(failed.await, Err(TakenFault::Foreign(_))));
    assert!(take(other, place(&intake, 0, 1), "甲").await);
    // Whoever was dropped in the middle keeps nobody waiting for long.
    let never = one.once(place(&intake, 0, 2), now(), std::future::pending::<Result<Taken, TakenFault>>());
    assert!(tokio::time::timeout(std::time::Duration::from_millis(100), never).await.is_err());
    assert!(take(one, place(&intake, 0, 2), "乙").await);
    assert!(!take(other, place(&intake, 0, 2), "丙").await);
}

async fn both_make_one_tree_and_find_every_answer_under_the_root_that_is_said(one: &TakenBook, other: &TakenBook) {
    let mut intake = intake(4);
    for (batch, leaf, book) in [(0, 9, one), (0, 3, other), (1, 4, one), (3, 8, other), (4, 1, one)] {
        assert!(take(book, place(&intake, batch, leaf), "已收").await);
    }
    let (whose, origin) = (intake.stream.clone(), intake.key.name().to_owned());
    let whose = (&whose, origin.as_str());
    let root = one.root(whose, (0, 2), now()).await.expect("a root");
    // The other has a file that goes further; what it would have said leads nowhere afterwards.
    let further = other.root(whose, (0, 4), now()).await.expect("a root");
    assert_ne!(root, further);
    assert_eq!(other.root(whose, (0, 2), now()).await.expect("a root"), root, "wherever it is made");
    assert_ne!(
        other.root(whose, (5, 6), now()).await.expect("a root"),
        other.root(whose, (6, 7), now()).await.expect("a root"),
        "nothing looks like nothing"
    );
    answered(&mut intake, 2, root);
    let next = other.root(whose, (2, 4), now()).await.expect("a root");
    answered(&mut intake, 4, next);
    for book in [other, one] {
        let all = book.all(&intake).await.expect("all");
        assert_eq!(all.iter().map(|taken| taken.batch).collect::<Vec<_>>(), [0, 0, 1, 3], "the last is not answered");
        for taken in &all {
            let root = if taken.batch < 2 { root } else { next };
            let (leaf, path) = taken.place.clone().expect("its root is said");
            let answer =
                Answer { intake: &origin, commitment: taken.commitment, outcome: taken.outcome, note: &taken.note };
            let leaf = usize::try_from(leaf).expect("a leaf");
            assert!(verify_period_path(&root, leaf, &answer.leaf(&taken.salt), &path));
        }
    }
    // A root over something else: nothing is sent out under it.
    intake.answers[1].answers = further;
    let all = one.all(&intake).await.expect("all");
    assert_eq!(all.iter().map(|taken| taken.place.is_some()).collect::<Vec<_>>(), [true, true, true, false]);
}

async fn answers_are_kept_for_their_time(one: &TakenBook, other: &TakenBook) {
    let mut intake = intake(5);
    assert!(take(one, place(&intake, 0, 1), "甲").await);
    answered(&mut intake, 1, Digest::ZERO);
    let (whose, name) = (intake.stream.clone(), intake.key.name().to_owned());
    for (days, left) in [(KEPT_DAYS, 1), (KEPT_DAYS + 1, 0)] {
        let day = now() + TimeDelta::days(days);
        other.root((&whose, &name), (7, 8), day).await.expect("a root");
        assert_eq!(one.all(&intake).await.expect("all").len(), left, "after {days} days");
    }
}
