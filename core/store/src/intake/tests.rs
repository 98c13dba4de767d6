//! An intake keeps what it promised, shows one history, and forgets what is answered.

use gongkai_domain::gap::{CAPSULE_BYTES, Content, LABEL_BYTES, LatePacket, Said, Secret, check};
use gongkai_domain::{Submission, vault::TierSecret};
use gongkai_log::{KeyRing, Options, fsck, sealed::verify_period_path};
use tempfile::TempDir;

use super::*;
use crate::{
    clock::ManualClock,
    log_fetch::DirectoryFetch,
    testing::{key, start_time, vault_entropy},
};

const LEDGER: &str = "ledger.example";
const INTAKE: &str = "ledger.example/intake";

fn packet(number: u8) -> String {
    let submission =
        Submission { note: format!("来信{number}(虚构)"), openings: Vec::new(), lines: Vec::new(), envelope: None };
    let said = Said::Submission { code: None, submission: Box::new(submission) };
    let content = Content { follow: Secret::of_code(&format!("CODE{number}")), said };
    let entropy = vault_entropy(number.into());
    let to = TierSecret::from_bytes(&[5; 32]).unwrap().key();
    Packet::seal(&content, (LEDGER, INTAKE), &to, &mut |buffer: &mut [u8]| entropy(buffer)).unwrap().to_text()
}

struct Outside {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Outside {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::new(ManualClock::new(start_time())) }
    }

    async fn open(&self, seed: u64) -> Result<IntakeBook, IntakeFault> {
        let settings = IntakeSettings { period: Duration::from_mins(10), answer_hours: 72 };
        let layout = Layout::new(self.folder.path());
        let (own, ledger) = (key(INTAKE, 9), key(LEDGER, 1).verifier());
        IntakeBook::open(layout, own, ledger, settings, self.clock.clone(), vault_entropy(seed)).await
    }

    /// The published log verifies; how many periods it has.
    fn verified(&self) -> u64 {
        let vkey = key(INTAKE, 9).verifier();
        let fetch = DirectoryFetch::new(self.folder.path().join("log"));
        let mut ring = KeyRing::new([vkey.clone()]).with_intake(INTAKE);
        fsck(&fetch, &mut ring, &vkey, &Options::default()).unwrap().size
    }
}

fn answered(upto: u64, minutes: i64) -> String {
    let as_of = start_time() + TimeDelta::minutes(minutes);
    let capsules =
        Capsules { as_of, answered: upto, capsules: vec![vec![u8::try_from(minutes).unwrap(); CAPSULE_BYTES]] };
    let note = note::sign(&capsules.text(INTAKE).unwrap(), &[&key(LEDGER, 1)]).unwrap();
    capsules.to_file(&note)
}

#[tokio::test]
async fn a_packet_is_promised_once_and_is_in_the_next_period_where_its_proof_says() {
    let outside = Outside::new();
    let book = outside.open(1).await.unwrap();
    let handed = book.hand_in(&packet(1)).await.unwrap();
    let promise = Promise::open(&handed.promise, &book.vkey()).unwrap();
    assert_eq!((promise.origin.as_str(), promise.commitment), (INTAKE, handed.commitment));
    assert_eq!(promise.deadline, start_time() + TimeDelta::minutes(20) + TimeDelta::hours(72));
    outside.clock.advance(Duration::from_secs(5));
    assert_eq!(book.hand_in(&packet(1)).await.unwrap(), handed, "the same again");
    book.hand_in(&packet(2)).await.unwrap();
    assert_eq!(book.place(&handed.commitment).await.unwrap(), None);
    assert_eq!(book.end_period().await.unwrap(), 0);
    assert_eq!(book.end_period().await.unwrap(), 1, "with or without packets");
    let batches = book.batches(0).await.unwrap();
    assert_eq!(batches.batches.iter().map(|batch| batch.packets.len()).collect::<Vec<_>>(), [2, 0]);
    let mut prev = Digest::ZERO;
    for (number, batch) in (0..).zip(&batches.batches) {
        prev = check(batch, number, &prev, &book.vkey()).unwrap().entry_hash;
    }
    let place = book.place(&handed.commitment).await.unwrap().unwrap();
    let entry = Entry::parse(batches.batches[0].entry.clone().into_bytes()).unwrap();
    let gongkai_log::Content::Sealed(period) = &entry.content else { panic!("no period") };
    assert_eq!(place.index, 0);
    let leaf = usize::try_from(place.leaf).unwrap();
    assert!(verify_period_path(&period.root, leaf, &handed.commitment, &place.path));
    assert_eq!(outside.verified(), 2);
    let nothing = book.hand_in("{}").await;
    assert!(matches!(nothing, Err(IntakeFault::Refused(GapError::Form(_)))), "{nothing:?}");
}

#[tokio::test]
async fn what_was_promised_is_there_after_a_start_and_a_period_that_was_not_published_is() {
    let outside = Outside::new();
    let book = outside.open(1).await.unwrap();
    let handed = book.hand_in(&packet(1)).await.unwrap();
    for _ in 0..3 {
        book.end_period().await.unwrap();
    }
    let second = book.hand_in(&packet(2)).await.unwrap();
    // Nothing is closed, and what was published last is gone, as if we had stopped between the commit and it.
    let log = outside.folder.path().join("log");
    std::fs::remove_dir_all(&log).unwrap();
    let again = outside.open(2).await.unwrap();
    assert_eq!(outside.verified(), 3);
    assert_eq!(again.hand_in(&packet(1)).await.unwrap(), handed);
    assert_eq!(again.hand_in(&packet(2)).await.unwrap(), second);
    assert_eq!(again.end_period().await.unwrap(), 3);
    assert!(again.place(&second.commitment).await.unwrap().is_some());
    assert_eq!(outside.verified(), 4);
}

#[tokio::test]
async fn an_older_copy_or_another_key_is_refused_and_forks_nothing() {
    let outside = Outside::new();
    let book = outside.open(1).await.unwrap();
    book.end_period().await.unwrap();
    book.close().await;
    let database = outside.folder.path().join("intake.db");
    let older: Vec<_> =
        ["", "-wal"].map(|end| (end, std::fs::read(format!("{}{end}", database.display())).ok())).into_iter().collect();
    let book = outside.open(2).await.unwrap();
    book.end_period().await.unwrap();
    book.close().await;
    for (end, bytes) in older {
        let path = format!("{}{end}", database.display());
        match bytes {
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
            None => drop(std::fs::remove_file(path)),
        }
    }
    let _ = std::fs::remove_file(format!("{}-shm", database.display()));
    let refused = outside.open(3).await.err();
    assert!(matches!(refused, Some(IntakeFault::Damaged { .. })), "{refused:?}");
}

#[tokio::test]
async fn capsules_replace_each_other_only_forwards_and_answered_packets_are_forgotten() {
    let outside = Outside::new();
    let book = outside.open(1).await.unwrap();
    let handed = book.hand_in(&packet(1)).await.unwrap();
    book.end_period().await.unwrap();
    book.hand_in(&packet(2)).await.unwrap();
    book.end_period().await.unwrap();
    outside.clock.advance(Duration::from_hours(100));
    assert_eq!(book.overdue().await.unwrap(), 2);
    assert!(book.put_capsules(&answered(1, 9)).await.unwrap());
    assert_eq!(book.capsule(&[9; LABEL_BYTES]).await.unwrap(), Some(vec![9; CAPSULE_BYTES]));
    assert_eq!((book.answered().await.unwrap(), book.overdue().await.unwrap()), (1, 1));
    let forgotten = book.batches(0).await;
    assert!(matches!(forgotten, Err(IntakeFault::Damaged { index: 0, .. })), "{forgotten:?}");
    assert_eq!(book.batches(1).await.unwrap().batches.len(), 1);
    assert!(book.place(&handed.commitment).await.unwrap().is_some(), "the proof stays");
    assert!(!book.put_capsules(&answered(2, 8)).await.unwrap(), "older than the last");
    assert!(book.put_capsules(&answered(2, 10)).await.unwrap());
    assert_eq!(book.capsule(&[9; LABEL_BYTES]).await.unwrap(), None);
    let foreign = answered(2, 11).replacen("ledger.example/intake", "ledger.example/another", 1);
    assert!(matches!(book.put_capsules(&foreign).await, Err(IntakeFault::Refused(_))));
}

#[tokio::test]
async fn what_is_overdue_is_published_one_by_one_by_place_and_deadline() {
    let outside = Outside::new();
    let book = outside.open(1).await.unwrap();
    let first = book.hand_in(&packet(1)).await.unwrap();
    book.end_period().await.unwrap();
    let published = || {
        let note = std::fs::read_to_string(outside.folder.path().join("log").join(LATE_FILE)).unwrap();
        Late::open(&note, &key(INTAKE, 9).verifier()).unwrap()
    };
    assert_eq!((published().count, published().packets), (0, Vec::new()), "in time");
    outside.clock.advance(Duration::from_hours(60));
    let second = book.hand_in(&packet(2)).await.unwrap();
    book.end_period().await.unwrap();
    outside.clock.advance(Duration::from_hours(20));
    book.end_period().await.unwrap();
    let place = book.place(&first.commitment).await.unwrap().unwrap();
    let late = LatePacket { place: Some((place.index, place.leaf)), deadline: first.deadline };
    assert_eq!(published().packets, [late], "the second has time until {}", second.deadline);
    outside.clock.advance(Duration::from_hours(100));
    book.put_capsules(&answered(1, 9)).await.unwrap();
    book.end_period().await.unwrap();
    let deadlines: Vec<_> = published().packets.iter().map(|packet| packet.deadline).collect();
    assert_eq!(deadlines, [second.deadline], "what was answered is not owed any more");
}
