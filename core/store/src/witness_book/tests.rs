//! A witness never contradicts what it answered.

use gongkai_log::{
    KeyKind, TreeHash, checkpoint,
    merkle::{self, leaf_hash, root_of},
};
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::testing::start_time;

fn log() -> SigningKey {
    SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [1; 32]).unwrap()
}

fn own() -> SigningKey {
    SigningKey::from_seed("witness.example", KeyKind::CosignatureV1, [9; 32]).unwrap()
}

fn leaves(world: u8) -> Vec<TreeHash> {
    (0..16u8).map(|leaf| leaf_hash(&[world, leaf])).collect()
}

/// A request to go from `old` to `new` entries of a world's tree.
fn request(world: u8, old: usize, new: usize) -> AddCheckpoint {
    let leaves = leaves(world);
    let head = Checkpoint { origin: "ledger.example".into(), size: new as u64, root: root_of(&leaves[..new]) };
    let note = checkpoint::sign(&head, &[&log()]).unwrap();
    let proof = if old == 0 { Vec::new() } else { consistency(&leaves[..new], old) };
    AddCheckpoint { old: old as u64, proof, checkpoint: Note::parse(&note).unwrap() }
}

/// RFC 6962, 2.1.2, by its definition.
fn consistency(leaves: &[TreeHash], old: usize) -> Vec<TreeHash> {
    fn sub(leaves: &[TreeHash], old: usize, whole: bool) -> Vec<TreeHash> {
        if old == leaves.len() {
            return if whole { Vec::new() } else { vec![root_of(leaves)] };
        }
        let split = (leaves.len().next_power_of_two() / 2).max(1);
        if old <= split {
            let mut proof = sub(&leaves[..split], old, whole);
            proof.push(root_of(&leaves[split..]));
            return proof;
        }
        let mut proof = sub(&leaves[split..], old - split, false);
        proof.push(root_of(&leaves[..split]));
        proof
    }
    sub(leaves, old, true)
}

struct Witness {
    folder: TempDir,
    book: WitnessBook,
}

impl Witness {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let book = open(&folder).await.unwrap();
        Self { folder, book }
    }

    async fn add(&self, world: u8, old: usize, new: usize) -> Result<u64, AddError> {
        let request = request(world, old, new);
        let text = request.checkpoint.text.clone();
        let line = self.book.add(request).await?;
        let line = NoteSignature::parse(&line).unwrap();
        Ok(cosignature::verify(&text, &line, &own().verifier()).unwrap())
    }

    fn size(&self) -> Option<u64> {
        self.book.recorded("ledger.example").map(|cosigned| cosigned.checkpoint.size)
    }
}

async fn open(folder: &TempDir) -> Result<WitnessBook, BookError> {
    let clock = Arc::new(ManualClock::new(start_time()));
    WitnessBook::open(&folder.path().join("witness.db"), own(), [log().verifier()], clock).await
}

fn refused(error: WitnessError) -> AddError {
    AddError::Refused(error)
}

#[tokio::test]
async fn a_checkpoint_that_grows_is_cosigned_and_shown_with_both_signatures() {
    let witness = Witness::new().await;
    assert_eq!(witness.add(0, 0, 3).await, Ok(start_time().timestamp().unsigned_abs()));
    witness.add(0, 3, 7).await.unwrap();
    let shown = witness.book.recorded_at(&witness::monitoring_path("ledger.example")).unwrap();
    assert_eq!(Note::parse(&shown.note).unwrap().open(&[log().verifier(), own().verifier()]), Ok(vec![0, 1]));
    assert_eq!(shown.checkpoint.size, 7);
    assert_eq!(witness.book.recorded_at("00/checkpoint"), None);
}

#[tokio::test]
async fn what_was_answered_is_on_the_disk_and_holds_after_a_start() {
    let Witness { folder, book } = Witness::new().await;
    book.add(request(0, 0, 5)).await.unwrap();
    // Nothing is closed: another one finds what was answered.
    let again = Witness { book: open(&folder).await.unwrap(), folder };
    assert_eq!(again.size(), Some(5));
    assert_eq!(again.add(1, 0, 5).await, Err(refused(WitnessError::Conflict { recorded: 5 })));
    assert_eq!(again.add(1, 5, 5).await, Err(refused(WitnessError::Inconsistent)));
    assert_eq!(again.add(1, 5, 9).await, Err(refused(WitnessError::Inconsistent)));
    assert_eq!(again.size(), Some(5));
    again.add(0, 5, 5).await.unwrap();
}

#[tokio::test]
async fn of_requests_that_race_one_wins_and_no_leaf_is_rolled_back() {
    for _ in 0..20 {
        let witness = Witness::new().await;
        witness.add(0, 0, 2).await.unwrap();
        let racing: Vec<_> = (3..=14).map(|new| (new, witness.book.clone())).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for (new, book) in racing {
            tasks.spawn(async move { (new as u64, book.add(request(0, 2, new)).await) });
        }
        let answers = tasks.join_all().await;
        let won: Vec<u64> = answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(new, _)| *new).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert_eq!(witness.size(), Some(won[0]));
        let lost = answers.into_iter().filter_map(|(_, answer)| answer.err());
        assert!(lost.into_iter().all(|error| error == refused(WitnessError::Conflict { recorded: won[0] })));
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_recorded_is_not_cosigned_and_nothing_after_it_is() {
    let witness = Witness::new().await;
    witness.add(0, 0, 2).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(witness.folder.path().join("witness.db"));
    let mut other = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query("DROP TABLE cosigned").execute(&mut other).await.unwrap();
    assert_eq!(witness.add(0, 2, 4).await, Err(AddError::Halted));
    assert_eq!(witness.size(), Some(2));
    assert_eq!(witness.add(0, 2, 3).await, Err(AddError::Halted));
}

#[tokio::test]
async fn a_row_that_was_changed_keeps_the_witness_from_starting() {
    let witness = Witness::new().await;
    witness.add(0, 0, 2).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(witness.folder.path().join("witness.db"));
    let mut other = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let back = "UPDATE cosigned SET note = replace(note, char(10) || '2' || char(10), char(10) || '1' || char(10))";
    sqlx::query(back).execute(&mut other).await.unwrap();
    let opened = open(&witness.folder).await.err();
    assert!(matches!(&opened, Some(BookError::Damaged { origin, .. }) if origin == "ledger.example"), "{opened:?}");
    sqlx::query("PRAGMA application_id = 7").execute(&mut other).await.unwrap();
    assert!(matches!(open(&witness.folder).await.err(), Some(BookError::Foreign(_))));
}

#[tokio::test]
async fn a_key_that_signs_notes_cosigns_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(start_time()));
    let opened = WitnessBook::open(&folder.path().join("witness.db"), log(), [], clock).await.err();
    assert!(matches!(opened, Some(BookError::Key(_))), "{opened:?}");
    assert!(!folder.path().join("witness.db").exists());
}

#[test]
fn the_proofs_of_these_tests_are_proofs() {
    let leaves = leaves(0);
    for new in 1..=leaves.len() {
        for old in 1..=new {
            let proof = consistency(&leaves[..new], old);
            let (from, to) = (root_of(&leaves[..old]), root_of(&leaves[..new]));
            assert_eq!(merkle::verify_consistency(old as u64, new as u64, &from, &to, &proof), Ok(()));
        }
    }
}
