//! What every implementation of [`EventStore`] must show; of the stores beside the ledger, wherever they lie, [`drafts`] and
//! [`taken`].
//!
//! Call [`run`] from a test of the implementation with a function that opens a writer on the same fresh
//! database again and again; each call takes over from the one before. Where many write in turns call [`run_in_turns`].
//! Entries here are plain bytes: a store judges nothing. To demand more of every database, add a check and call it in
//! [`on_any`].

pub mod drafts;
pub mod taken;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use chrono::{DateTime, TimeDelta, Utc};
use gongkai_log::{Digest, merkle};

use crate::{
    error::StoreError,
    event_store::{At, Batch, Changed, EventStore, Halt, Known, LogHead, NewEntry, Publication},
};

/// Runs all checks of a store that one writes at a time.
///
/// # Panics
/// When the implementation fails one; the message says which.
pub async fn run<S: EventStore, F: Future<Output = S>>(open: impl Fn() -> F) {
    let mut first = open().await;
    let head = on_any(&mut first).await;
    a_writer_that_was_overtaken_is_fenced(first, open().await, &head).await;
}

/// Runs all checks of a store in which many write in turns.
///
/// # Panics
/// When the implementation fails one; the message says which.
pub async fn run_in_turns<S: EventStore, F: Future<Output = S>>(open: impl Fn() -> F) {
    let mut first = open().await;
    let head = on_any(&mut first).await;
    of_two_writers_at_one_head_exactly_one_commits(&mut first, &mut open().await, &head).await;
    a_turn_is_waited_for_and_begins_at_the_head_that_the_one_before_left(first, open().await).await;
}

/// In an order in which each builds on the one before.
async fn on_any(store: &mut impl EventStore) -> LogHead {
    an_empty_store_has_an_empty_head(store).await;
    let head = a_batch_is_there_as_a_whole(store).await;
    rows_come_back_as_they_went_in(store).await;
    a_second_statement_at_a_revision_is_not_stored(store, &head).await;
    let head = withdrawn_openings_are_replaced(store, &head).await;
    the_publication_and_the_halt_are_remembered(store).await;
    head
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

/// An entry with everything beside it.
fn entry(number: u64, stream: &str, revision: u64) -> NewEntry {
    NewEntry {
        bytes: format!("entry {number}").into_bytes(),
        stream: Some((stream.to_owned(), revision)),
        openings: Some(format!("openings {number}")),
        list: Some(format!("list {number}")),
        attachments: vec![Digest::of(b"attachment")],
        request: Some((format!("key {number}"), Digest::of(&number.to_be_bytes()))),
        sealed: Vec::new(),
        inventory: None,
        period: None,
    }
}

/// A batch from a head, with the head after it.
fn batch(head: &LogHead, entries: Vec<NewEntry>) -> Batch {
    let mut after = head.clone();
    for entry in &entries {
        after.edge.append(merkle::leaf_hash(&entry.bytes)).expect("the tree is small");
        after.entry_hash = Digest::of(&entry.bytes);
        after.size += 1;
        after.recorded_at = at(after.size.cast_signed());
    }
    Batch::of(head.size, entries, after)
}

async fn an_empty_store_has_an_empty_head(store: &mut impl EventStore) {
    assert_eq!(store.load_head().await.expect("the head"), LogHead::empty());
    assert_eq!(store.load_range(0, 10).await.expect("a range"), []);
    assert_eq!(store.load_publication().await.expect("the publication"), None);
    assert_eq!(store.load_halt().await.expect("the halt"), None);
}

async fn a_batch_is_there_as_a_whole(store: &mut impl EventStore) -> LogHead {
    let streams = ["pledge/a", "pledge/b", "pledge/a"];
    let revisions = [0, 0, 1];
    let entries = (0..3).map(|n| entry(n as u64, streams[n], revisions[n])).collect();
    let batch = batch(&LogHead::empty(), entries);
    let head = batch.head.clone();
    store.append(batch).await.expect("the first batch");
    assert_eq!(store.load_head().await.expect("the head"), head);
    head
}

async fn rows_come_back_as_they_went_in(store: &mut impl EventStore) {
    let rows = store.load_range(1, 9).await.expect("a range");
    assert_eq!(rows.iter().map(|row| row.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(rows[0].bytes, b"entry 1");
    assert_eq!(rows[0].openings.as_deref(), Some("openings 1"));
    assert_eq!(rows[0].list.as_deref(), Some("list 1"));
    let wanted = vec!["pledge/a".to_owned(), "pledge/none".to_owned()];
    let known = store.look_up(vec!["key 2".to_owned(), "key 9".to_owned()], wanted).await.expect("a look-up");
    assert_eq!(
        known.streams.iter().map(|row| (row.stream.as_str(), row.index)).collect::<Vec<_>>(),
        [("pledge/a", 0), ("pledge/a", 2)]
    );
    let requests = known.requests;
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].at, requests[0].request), (At::Entry(2), Digest::of(&2_u64.to_be_bytes())));
    assert_eq!(store.look_up(Vec::new(), Vec::new()).await.expect("nothing"), Known::default());
}

async fn a_second_statement_at_a_revision_is_not_stored(store: &mut impl EventStore, head: &LogHead) {
    let refused = store.append(batch(head, vec![entry(3, "pledge/c", 0), entry(4, "pledge/a", 1)])).await;
    assert!(refused.is_err(), "a stream must not fork");
    assert_eq!(&store.load_head().await.expect("the head"), head, "nothing partial");
    assert_eq!(store.load_range(3, 9).await.expect("a range"), [], "nothing partial");
}

async fn withdrawn_openings_are_replaced(store: &mut impl EventStore, head: &LogHead) -> LogHead {
    let mut batch = batch(head, vec![entry(3, "slot/d", 0)]);
    batch.changed = vec![Changed { index: 1, openings: Some("less 1".to_owned()), list: Some("fewer 1".to_owned()) }];
    let after = batch.head.clone();
    store.append(batch).await.expect("a withdrawal");
    let rows = store.load_range(1, 2).await.expect("a range");
    assert_eq!(rows[0].openings.as_deref(), Some("less 1"));
    assert_eq!(rows[0].list.as_deref(), Some("fewer 1"));
    assert_eq!(rows[0].bytes, b"entry 1");
    after
}

async fn the_publication_and_the_halt_are_remembered(store: &mut impl EventStore) {
    for durable_size in [256, 512] {
        let publication = Publication { durable_size, checkpoint: format!("note of {durable_size}") };
        store.save_publication(publication.clone()).await.expect("saving");
        assert_eq!(store.load_publication().await.expect("the publication"), Some(publication));
    }
    let first = Halt { cause: "clock_back".to_owned(), observed_at: at(5) };
    let second = Halt { cause: "clock_ahead".to_owned(), observed_at: at(6) };
    store.save_halt(first.clone()).await.expect("saving");
    store.save_halt(second).await.expect("saving");
    assert_eq!(store.load_halt().await.expect("the halt"), Some(first), "the first one is what happened");
}

async fn a_writer_that_was_overtaken_is_fenced<S: EventStore>(mut stale: S, mut new: S, head: &LogHead) {
    let late = stale.append(batch(head, vec![entry(4, "pledge/late", 0)])).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
    let mut next = batch(head, vec![entry(4, "pledge/next", 0)]);
    next.clears_halt = true;
    let after = next.head.clone();
    new.append(next).await.expect("the new writer goes on");
    let later = stale.append(batch(&after, vec![entry(5, "pledge/late", 0)])).await;
    assert!(matches!(later, Err(StoreError::Fenced { .. })), "for ever: {later:?}");
    let rows = new.load_range(4, 9).await.expect("a range");
    assert_eq!(rows.len(), 1, "exactly one has committed");
    assert_eq!(new.load_halt().await.expect("the halt"), None, "it is on record");
    stale.close().await.expect("closing");
    new.close().await.expect("closing");
}

async fn of_two_writers_at_one_head_exactly_one_commits<S: EventStore>(one: &mut S, other: &mut S, head: &LogHead) {
    one.append(batch(head, vec![entry(4, "pledge/next", 0)])).await.expect("the first of them");
    let late = other.append(batch(head, vec![entry(4, "pledge/late", 0)])).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
    let rows = other.load_range(4, 9).await.expect("a range");
    assert_eq!(rows.len(), 1, "exactly one has committed");
}

async fn a_turn_is_waited_for_and_begins_at_the_head_that_the_one_before_left<S: EventStore>(mut one: S, mut other: S) {
    let turn = one.take_turn(5).await.expect("a turn").expect("many write here");
    let again = one.take_turn(3).await.expect("the same turn").expect("many write here");
    assert_eq!(again.head, turn.head);
    let rows = one.load_range(3, 5).await.expect("a range").into_iter().map(|row| (row.index, row.bytes));
    assert_eq!((turn.entries, again.entries), (Vec::new(), rows.collect()), "what was committed from there on");
    let mut next = batch(&turn.head, vec![entry(5, "pledge/turn", 0)]);
    next.clears_halt = true;
    let after = next.head.clone();
    {
        let mut waiting = pin!(other.take_turn(5));
        let asked = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(asked, Poll::Pending), "one turn at a time: {asked:?}");
        one.append(next).await.expect("a batch ends the turn");
        let turn = waiting.await.expect("a turn").expect("many write here");
        assert_eq!((turn.head, turn.entries.len()), (after.clone(), 1), "as of the last commit, with what it brought");
    }
    assert_eq!(other.load_halt().await.expect("the halt"), None, "it is on record");
    other.pass().await;
    let turn = one.take_turn(6).await.expect("a turn that was given up").expect("many write here");
    assert_eq!(turn.head, after, "nothing was committed in it");
    one.pass().await;
    one.close().await.expect("closing");
    other.close().await.expect("closing");
}
