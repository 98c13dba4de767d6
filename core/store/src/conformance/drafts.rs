//! What the working store must show wherever it lies: two handles on it are two nodes of a ledger.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_log::StreamId;
use uuid::Uuid;

use crate::drafts::{DRAFT_BYTES_MAX, DRAFTS_OF_ONE_MAX, DraftFault, Drafts, KEPT_DAYS, Writing};
use crate::testing::all;

/// Runs all checks on an empty store.
///
/// # Panics
/// When one fails; the message says which.
pub async fn run(one: &Drafts, other: &Drafts) {
    a_draft_exists_for_its_owner_and_those_whom_it_names_and_for_nobody_else(one, other).await;
    what_one_writes_the_other_changes_and_removes(one, other).await;
    whoever_changes_an_older_state_is_told_and_nothing_is_lost(one, other).await;
    of_two_who_save_over_one_state_at_once_one_is_told(one, other).await;
    all_who_add_at_once_stay(one, other).await;
    it_is_bounded_in_length_and_number(one, other).await;
    nobody_gets_more_room_by_asking_both_at_once(one, other).await;
    what_nobody_touched_for_its_time_is_gone_and_what_somebody_did_is_not(one, other).await;
}

/// A draft that no other check has.
fn id(check: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(check, number + 1)
}

fn person(check: u64, number: u64) -> StreamId {
    StreamId::new("person", id(check, number)).expect("the family is valid")
}

fn at(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).expect("a time") + TimeDelta::days(day)
}

fn new<'a>(id: Uuid, owner: &'a StreamId, text: &'a str) -> Writing<'a> {
    Writing { id, owner, others: &[], known: None, text }
}

async fn texts(drafts: &Drafts, whose: &StreamId, day: i64) -> Vec<String> {
    let listed = drafts.list(whose, at(day)).await.expect("a list");
    listed.iter().map(|draft| draft.text.to_string()).collect()
}

async fn a_draft_exists_for_its_owner_and_those_whom_it_names_and_for_nobody_else(one: &Drafts, other: &Drafts) {
    let (id, [author, signer, stranger]) = (id(1, 0), [1, 2, 3].map(|number| person(1, number)));
    let others = [signer.clone()];
    one.put(Writing { others: &others, ..new(id, &author, "修路") }, at(0)).await.expect("a new draft");
    for drafts in [one, other] {
        for (who, own) in [(&author, true), (&signer, false)] {
            let draft = drafts.get(id, who, at(0)).await.expect("an answer").expect("it is theirs");
            assert_eq!((draft.text.as_str(), draft.is_own), ("修路", own));
        }
        assert!(drafts.get(id, &stranger, at(0)).await.expect("an answer").is_none());
        assert!(texts(drafts, &stranger, 0).await.is_empty());
        assert!(!drafts.remove(id, &stranger, at(0)).await.expect("an answer"));
        let changed = drafts.change(id, &stranger, at(0), |_| Some("x".into())).await;
        assert!(changed.expect("an answer").is_none());
        let taken = drafts.put(new(id, &stranger, "x"), at(0)).await;
        assert!(matches!(taken, Err(DraftFault::NotOwn)), "{taken:?}");
        assert_eq!(texts(drafts, &author, 0).await, ["修路"]);
    }
}

async fn what_one_writes_the_other_changes_and_removes(one: &Drafts, other: &Drafts) {
    let (id, [author, signer]) = (id(2, 0), [1, 2].map(|number| person(2, number)));
    let others = [signer.clone()];
    one.put(Writing { others: &others, ..new(id, &author, "甲") }, at(0)).await.expect("a new draft");
    let changed = other.change(id, &signer, at(0), |text| Some(format!("{text}乙"))).await.expect("an answer");
    assert_eq!(changed.map(|draft| (draft.revision, draft.text.to_string())), Some((2, "甲乙".to_owned())));
    assert_eq!(texts(one, &author, 0).await, ["甲乙"]);
    assert!(other.remove(id, &author, at(0)).await.expect("an answer"));
    for drafts in [one, other] {
        assert!(drafts.get(id, &author, at(0)).await.expect("an answer").is_none());
        assert!(texts(drafts, &signer, 0).await.is_empty());
        assert!(!drafts.remove(id, &author, at(0)).await.expect("an answer"), "it is gone");
    }
}

async fn whoever_changes_an_older_state_is_told_and_nothing_is_lost(one: &Drafts, other: &Drafts) {
    let (id, author) = (id(3, 0), person(3, 1));
    assert_eq!(one.put(new(id, &author, "一"), at(0)).await.expect("a new draft"), 1);
    let known = Some(1);
    assert_eq!(other.put(Writing { known, ..new(id, &author, "二") }, at(0)).await.expect("the next"), 2);
    for (drafts, known) in [(one, None), (one, Some(1)), (other, Some(7))] {
        let late = drafts.put(Writing { known, ..new(id, &author, "三") }, at(0)).await;
        assert!(matches!(late, Err(DraftFault::Changed { revision: 2 })), "{late:?}");
    }
    assert_eq!(texts(one, &author, 0).await, ["二"]);
}

async fn of_two_who_save_over_one_state_at_once_one_is_told(one: &Drafts, other: &Drafts) {
    let (id, author) = (id(4, 0), person(4, 1));
    one.put(new(id, &author, ""), at(0)).await.expect("a new draft");
    for round in 1..=16 {
        let save = |drafts: &Drafts, text: &'static str| {
            let (drafts, author) = (drafts.clone(), author.clone());
            async move { drafts.put(Writing { known: Some(round), ..new(id, &author, text) }, at(0)).await }
        };
        let saved = all([save(one, "甲"), save(other, "乙")]).await;
        let kept = saved.iter().filter(|saved| matches!(saved, Ok(revision) if *revision == round + 1)).count();
        let told = saved
            .iter()
            .filter(|saved| matches!(saved, Err(DraftFault::Changed { revision }) if *revision == round + 1));
        assert_eq!((kept, told.count()), (1, 1), "{saved:?}");
        let text = if saved[0].is_ok() { "甲" } else { "乙" };
        assert_eq!(texts(other, &author, 0).await, [text]);
    }
}

async fn all_who_add_at_once_stay(one: &Drafts, other: &Drafts) {
    let (id, author) = (id(5, 0), person(5, 1));
    one.put(new(id, &author, ""), at(0)).await.expect("a new draft");
    let add = |number: u32| {
        let (drafts, author) = (if number.is_multiple_of(2) { one } else { other }.clone(), author.clone());
        async move { drafts.change(id, &author, at(0), |text| Some(format!("{text}{number},"))).await }
    };
    for changed in all((0..32).map(add)).await {
        changed.expect("an answer").expect("the author's");
    }
    let [text] = texts(other, &author, 0).await.try_into().expect("one draft");
    let added: BTreeSet<u32> = text.split_terminator(',').map(|number| number.parse().expect("a number")).collect();
    assert_eq!(added, (0..32).collect());
}

async fn it_is_bounded_in_length_and_number(one: &Drafts, other: &Drafts) {
    let (author, neighbour) = (person(6, 1), person(6, 2));
    let long = "x".repeat(DRAFT_BYTES_MAX + 1);
    let refused = one.put(new(id(6, 0), &author, &long), at(0)).await;
    assert!(matches!(refused, Err(DraftFault::TooLong { .. })), "{refused:?}");
    for number in 0..DRAFTS_OF_ONE_MAX {
        let drafts = if number.is_multiple_of(2) { one } else { other };
        drafts.put(new(id(6, number), &author, "修路"), at(0)).await.expect("there is room");
    }
    for drafts in [one, other] {
        let refused = drafts.put(new(id(6, 1_000), &author, "修路"), at(0)).await;
        assert!(matches!(refused, Err(DraftFault::TooMany)), "{refused:?}");
    }
    // What is there may still be changed, and others have their own room.
    other.put(Writing { known: Some(1), ..new(id(6, 0), &author, "改") }, at(0)).await.expect("a change");
    one.put(new(id(6, 1_001), &neighbour, "修路"), at(0)).await.expect("their own room");
}

async fn nobody_gets_more_room_by_asking_both_at_once(one: &Drafts, other: &Drafts) {
    let author = person(7, 1);
    let begin = |number: u64| {
        let (drafts, author) = (if number.is_multiple_of(2) { one } else { other }.clone(), author.clone());
        async move { drafts.put(new(id(7, number), &author, "修路"), at(0)).await }
    };
    let answers = all((0..DRAFTS_OF_ONE_MAX + 16).map(begin)).await;
    let refused = answers.iter().filter(|answer| matches!(answer, Err(DraftFault::TooMany))).count();
    let kept = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
    assert_eq!((kept, refused), (DRAFTS_OF_ONE_MAX, 16));
    assert_eq!(texts(other, &author, 0).await.len() as u64, DRAFTS_OF_ONE_MAX);
}

/// The last one: what the others wrote expires with it.
async fn what_nobody_touched_for_its_time_is_gone_and_what_somebody_did_is_not(one: &Drafts, other: &Drafts) {
    let author = person(8, 1);
    one.put(new(id(8, 1), &author, "旧"), at(0)).await.expect("a new draft");
    one.put(new(id(8, 2), &author, "新"), at(1)).await.expect("a new draft");
    assert_eq!(texts(one, &author, KEPT_DAYS - 1).await.len(), 2);
    assert_eq!(texts(one, &author, KEPT_DAYS).await, ["新"]);
    let gone = other.get(id(8, 1), &author, at(0)).await.expect("an answer");
    assert!(gone.is_none(), "it is removed, not hidden");
    // Somebody who left the page open goes on with it.
    let known = Some(1);
    let writing = Writing { known, ..new(id(8, 1), &author, "旧，接着写") };
    assert_eq!(other.put(writing, at(KEPT_DAYS)).await.expect("it begins again"), 1);
}
