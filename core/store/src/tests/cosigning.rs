//! What the publisher makes of those who cosign: nothing is published without them, and nothing waits for them but that.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
    mpsc,
};
use std::time::Duration;

use gongkai_log::{Checkpoint, KeyKind, Note, SigningKey, checkpoint, cosignature};
use tokio::sync::watch;

use crate::testing::{COUNTY, Fixture, ledger_keys};
use crate::{Cosigners, NoQuorum, OpenError, Settings};

/// One witness in this process, which cosigns when it is willing.
#[derive(Debug)]
pub(super) struct One {
    willing: AtomicBool,
    seen: Mutex<Vec<Note>>,
    asked: watch::Sender<u64>,
    /// While somebody has the other end, it cosigns nothing.
    door: Mutex<Option<mpsc::Receiver<()>>>,
}

impl One {
    pub(super) fn new(willing: bool) -> Arc<Self> {
        let (seen, door) = (Mutex::default(), Mutex::default());
        Arc::new(Self { willing: willing.into(), seen, asked: watch::Sender::new(0), door })
    }

    /// Until what it gives is dropped, nothing is cosigned.
    fn shut(&self) -> mpsc::Sender<()> {
        let (hand, door) = mpsc::channel();
        *self.door.lock().unwrap() = Some(door);
        hand
    }

    pub(super) fn key() -> SigningKey {
        SigningKey::from_seed("witness.example", KeyKind::CosignatureV1, [9; 32]).unwrap()
    }
}

impl Cosigners for One {
    fn policy(&self) -> String {
        format!("witness w {}\nquorum w\n", Self::key().verifier())
    }

    fn witnessed(&self) -> Vec<Note> {
        self.seen.lock().unwrap().clone()
    }

    fn cosign(&self, checkpoint: &Checkpoint, mut note: Note) -> Result<Note, NoQuorum> {
        let willing = self.willing.load(Ordering::SeqCst);
        self.asked.send_modify(|count| *count += 1);
        if let Some(door) = self.door.lock().unwrap().take() {
            assert!(door.recv().is_err(), "it opens when the other end is dropped");
        }
        if !willing {
            return Err(NoQuorum("asleep".into()));
        }
        assert_eq!(checkpoint.text(), note.text);
        note.signatures.push(cosignature::cosign(&note.text, &Self::key(), 1_770_000_000).unwrap());
        self.seen.lock().unwrap().push(note.clone());
        Ok(note)
    }
}

pub(super) fn watched(by: &Arc<One>) -> Settings {
    Settings { cosigners: Some(Arc::clone(by) as Arc<dyn Cosigners>), ..Settings::default() }
}

async fn published(fixture: &Fixture) -> Note {
    fixture.published().await;
    Note::parse(&std::fs::read_to_string(fixture.layout().checkpoint()).unwrap()).unwrap()
}

const TOWN: &str = "341599101";
const VILLAGE: &str = "341599101201";

#[tokio::test(flavor = "multi_thread")]
async fn the_published_checkpoint_bears_the_cosignature_and_the_policy_lies_beside_it() {
    let one = One::new(true);
    let mut fixture = Fixture::with(watched(&one)).await;
    fixture.org(TOWN, "township", Some(COUNTY)).await;
    let note = published(&fixture).await;
    let keys = [ledger_keys().log.verifier(), One::key().verifier()];
    assert_eq!(note.open(&keys), Ok(vec![0, 1]));
    assert_eq!(std::fs::read_to_string(fixture.layout().policy()).unwrap(), one.policy());
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_given_while_no_quorum_cosigns_and_publication_catches_up_with_it() {
    let one = One::new(true);
    let mut fixture = Fixture::with(watched(&one)).await;
    fixture.org(TOWN, "township", Some(COUNTY)).await;
    let before = published(&fixture).await;
    one.willing.store(false, Ordering::SeqCst);
    let mut asked = one.asked.subscribe();
    asked.mark_unchanged();
    fixture.org(VILLAGE, "village", Some(TOWN)).await;
    asked.changed().await.unwrap();
    let there = std::fs::read_to_string(fixture.layout().checkpoint()).unwrap();
    assert_eq!(there, before.to_string(), "the last checkpoint stays");
    // The publisher asks again by itself.
    one.willing.store(true, Ordering::SeqCst);
    let after = published(&fixture).await;
    assert_eq!(Checkpoint::parse(&after.text).unwrap().size, fixture.ledger.health().committed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_during_a_publication_is_signed_and_cosigned_once() {
    let one = One::new(true);
    let mut fixture = Fixture::with(Settings { publish_interval: Duration::ZERO, ..watched(&one) }).await;
    published(&fixture).await;
    one.seen.lock().unwrap().clear();
    let mut asked = one.asked.subscribe();
    asked.mark_unchanged();
    let hand = one.shut();
    fixture.org(TOWN, "township", Some(COUNTY)).await;
    asked.changed().await.unwrap();
    fixture.org(VILLAGE, "village", Some(TOWN)).await;
    fixture.org("341599101202", "village", Some(TOWN)).await;
    drop(hand);
    fixture.ledger.shutdown().await;
    let sizes =
        one.seen.lock().unwrap().iter().map(|note| Checkpoint::parse(&note.text).unwrap().size).collect::<Vec<_>>();
    assert_eq!(sizes, [3, 5, 5], "the first, both others together, and the end in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_ledger_is_cosigned_again_so_that_readers_see_it_is_alive() {
    let one = One::new(true);
    let settings = Settings { freshness: Duration::from_millis(20), ..watched(&one) };
    let fixture = Fixture::with(settings).await;
    let mut asked = one.asked.subscribe();
    let first = *asked.borrow_and_update();
    asked.wait_for(|count| *count >= first + 3).await.unwrap();
    assert_eq!(fixture.ledger.health().committed, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_has_less_than_a_witness_has_seen_does_not_start() {
    let one = One::new(true);
    let mut fixture = Fixture::with(watched(&one)).await;
    fixture.org(TOWN, "township", Some(COUNTY)).await;
    let root = gongkai_log::merkle::leaf_hash(b"of another history");
    let further = Checkpoint { origin: ledger_keys().log.name().to_owned(), size: 9, root };
    let note = checkpoint::sign(&further, &[&ledger_keys().log]).unwrap();
    one.seen.lock().unwrap().push(Note::parse(&note).unwrap());
    let opened = fixture.reopen().await;
    assert!(matches!(opened, Err(OpenError::Witnessed { size: 3, witnessed: 9 })), "{opened:?}");
    // One that another key signed is no reason.
    let strange = SigningKey::from_seed(ledger_keys().log.name(), KeyKind::Ed25519, [77; 32]).unwrap();
    let note = checkpoint::sign(&further, &[&strange]).unwrap();
    *one.seen.lock().unwrap() = vec![Note::parse(&note).unwrap()];
    fixture.open().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_published_at_a_start_is_published_when_the_quorum_is_back() {
    let one = One::new(true);
    let mut fixture = Fixture::with(watched(&one)).await;
    fixture.org(TOWN, "township", Some(COUNTY)).await;
    one.willing.store(false, Ordering::SeqCst);
    fixture.org(VILLAGE, "village", Some(TOWN)).await;
    fixture.reopen().await.unwrap();
    assert!(fixture.ledger.recovery().alarms.iter().any(|alarm| alarm.contains("quorum")));
    assert!(fixture.ledger.health().published < fixture.ledger.health().committed);
    one.willing.store(true, Ordering::SeqCst);
    fixture.published().await;
}
