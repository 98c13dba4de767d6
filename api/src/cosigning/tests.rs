//! Witnesses that are slow, dead, lying or forked never hold up more than the configured time, and never count.

use std::net::SocketAddr;

use chrono::TimeZone as _;
use gongkai_log::merkle::leaf_hash;
use gongkai_log::witness::monitoring_path;
use gongkai_log::{KeyKind, SigningKey, checkpoint, cosignature};
use gongkai_store::{ManualClock, WitnessBook};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::*;
use crate::http::server::Limits;
use crate::witness;

const TIME_MAX: Duration = Duration::from_secs(3);

fn log() -> SigningKey {
    SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [1; 32]).unwrap()
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&format!("witness.example/{number}"), KeyKind::CosignatureV1, [number; 32]).unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(Utc.with_ymd_and_hms(2026, 3, 10, 1, 0, 0).unwrap()))
}

fn head(leaf: u8) -> (Checkpoint, Note) {
    let checkpoint = Checkpoint { origin: "ledger.example".into(), size: 1, root: leaf_hash(&[leaf]) };
    let note = checkpoint::sign(&checkpoint, &[&log()]).unwrap();
    (checkpoint, Note::parse(&note).unwrap())
}

/// A real witness, served on a free port.
async fn witness(folder: &TempDir, number: u8) -> SocketAddr {
    let path = folder.path().join(format!("{number}.db"));
    let book = WitnessBook::open(&path, key(number), [log().verifier()], clock()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let numbers = witness::numbers::Numbers::new(book.clone(), folder.path().to_owned());
    let router = witness::router(book, key(number).verifier(), Limits::default(), numbers);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Accepts connections and never says a word.
async fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    address
}

/// Says 200 and this text, whatever is asked.
async fn saying(status: u16, text: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    let router = axum::Router::new().fallback(move || async move { (status, text.clone()) });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Nobody listens there.
async fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

struct Asked {
    _folder: TempDir,
    cosigning: Cosigning,
}

impl Asked {
    fn new(folder: TempDir, witnesses: &[(u8, SocketAddr)], quorum: &str) -> Result<Self, Fault> {
        let mut text = String::new();
        for (number, address) in witnesses {
            let key = key(*number).verifier();
            text.extend([format!("witness w{number} {key} http://{address}/\n")]);
        }
        text.push_str(quorum);
        let file = folder.path().join("witness.policy");
        std::fs::write(&file, text).unwrap();
        let layout = Layout::new(folder.path());
        let cosigning = Cosigning::begin(&file, &layout, &log().verifier(), TIME_MAX, clock())?;
        Ok(Self { _folder: folder, cosigning })
    }

    /// Cosigns off the runtime's threads, and says how long it took.
    async fn cosign(&self, leaf: u8) -> (Result<Note, NoQuorum>, Duration) {
        let cosigning = self.cosigning.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let (checkpoint, note) = head(leaf);
            let begun = Instant::now();
            (cosigning.cosign(&checkpoint, note), begun.elapsed())
        });
        asked.await.unwrap()
    }

    fn states(&self) -> Vec<State> {
        self.cosigning.standings().into_iter().map(|standing| standing.state).collect()
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_witness_that_answers_is_in_the_published_note_in_the_policys_order() {
    let folder = folder();
    let (first, second) = (witness(&folder, 1).await, witness(&folder, 2).await);
    let asked = Asked::new(folder, &[(1, first), (2, second)], "group all all w1 w2\nquorum all\n").unwrap();
    let note = asked.cosign(0).await.0.unwrap();
    let keys = [log().verifier(), key(1).verifier(), key(2).verifier()];
    assert_eq!(note.open(&keys), Ok(vec![0, 1, 2]));
    assert_eq!(asked.states(), vec![State::Cosigned { size: 1 }; 2]);
    // The same again: freshness.
    assert_eq!(asked.cosign(0).await.0.unwrap().open(&keys), Ok(vec![0, 1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_is_not_held_up_by_a_silent_and_a_dead_witness() {
    let folder = folder();
    let (alive, silent, dead) = (witness(&folder, 1).await, silent().await, dead().await);
    let quorum = "group any any w1 w2 w3\nquorum any\n";
    let asked = Asked::new(folder, &[(1, alive), (2, silent), (3, dead)], quorum).unwrap();
    let (note, took) = asked.cosign(0).await;
    assert_eq!(note.unwrap().open(&[key(1).verifier()]), Ok(vec![1]));
    assert!(took < TIME_MAX, "{took:?}");
    assert!(matches!(asked.states()[2], State::Denied(Denial::Unreachable(_))), "{:?}", asked.states());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_nothing_is_published_and_the_time_is_kept() {
    let folder = folder();
    let (alive, silent) = (witness(&folder, 1).await, silent().await);
    let asked = Asked::new(folder, &[(1, alive), (2, silent)], "group all all w1 w2\nquorum all\n").unwrap();
    let (note, took) = asked.cosign(0).await;
    assert!(note.unwrap_err().to_string().contains("no quorum"));
    // One limit on the waiting, and one on the request that it waits for.
    assert!(took >= TIME_MAX && took < TIME_MAX * 2, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lying_witness_says_does_not_count() {
    let (_, note) = head(0);
    let other = head(9).1;
    let of_another_text = cosignature::cosign(&other.text, &key(2), 1_770_000_000).unwrap();
    let of_another_key = cosignature::cosign(&note.text, &key(3), 1_770_000_000).unwrap();
    for text in [format!("{of_another_text}\n"), format!("{of_another_key}\n"), "好\n".to_owned()] {
        let folder = folder();
        let (honest, liar) = (witness(&folder, 1).await, saying(200, text.clone()).await);
        let asked = Asked::new(folder, &[(1, honest), (2, liar)], "group any any w1 w2\nquorum any\n").unwrap();
        let note = asked.cosign(0).await.0.unwrap();
        assert_eq!(note.signatures.len(), 2, "{text}");
        assert!(matches!(asked.states()[1], State::Denied(Denial::Lying(_))), "{text}: {:?}", asked.states());
        assert!(asked.states()[1].is_wrong());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_names_more_than_we_have_is_told_and_one_that_never_ends_is_given_up() {
    for (text, expected) in
        [("7\n", Denial::Ahead { recorded: 7 }), ("0\n", Denial::Lying("它说的大小不是另一个大小".into()))]
    {
        let folder = folder();
        let liar = saying(409, text.to_owned()).await;
        let asked = Asked::new(folder, &[(1, liar)], "quorum w1\n").unwrap();
        assert!(asked.cosign(0).await.0.is_err());
        assert_eq!(asked.states(), [State::Denied(expected)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_refused_by_a_real_witness_and_shown() {
    let folder = folder();
    let first = witness(&folder, 1).await;
    let asked = Asked::new(folder, &[(1, first)], "quorum w1\n").unwrap();
    asked.cosign(0).await.0.unwrap();
    assert!(asked.cosign(1).await.0.is_err());
    assert_eq!(asked.states(), [State::Denied(Denial::Forked)]);
    let witnessed = tokio::task::spawn_blocking(move || asked.cosigning.witnessed()).await.unwrap();
    assert_eq!(witnessed.len(), 1);
    assert_eq!(Checkpoint::parse(&witnessed[0].text).unwrap(), head(0).0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_over_http_answers_with_the_codes_of_the_specification() {
    let folder = folder();
    let address = witness(&folder, 1).await;
    let (_, note) = head(0);
    let strange = SigningKey::from_seed("other.example", KeyKind::Ed25519, [1; 32]).unwrap();
    let unknown = Checkpoint { origin: "other.example".into(), ..head(0).0 };
    let unknown = checkpoint::sign(&unknown, &[&strange]).unwrap();
    let forged = {
        let mut note = note.clone();
        note.signatures[0].signature[9] ^= 1;
        note.to_string()
    };
    let fork = head(1).1;
    let table = [
        ("nonsense".to_owned(), 400, None),
        (format!("old 2\n\n{note}"), 400, None),
        (format!("old 0\n\n{forged}"), 403, None),
        (format!("old 0\n\n{unknown}"), 404, None),
        (format!("old 1\n\n{note}"), 409, Some("0\n")),
        (format!("old 0\n{}\n\n{note}", leaf_hash(b"x")), 422, None),
        (format!("old 0\n\n{note}"), 200, None),
        (format!("old 0\n\n{note}"), 409, Some("1\n")),
        (format!("old 1\n\n{fork}"), 422, None),
        (format!("old 1\n\n{note}"), 200, None),
    ];
    let path = monitoring_path("ledger.example");
    let asked = tokio::task::spawn_blocking(move || {
        let agent = crate::fetch::agent_staying(TIME_MAX);
        for (body, status, text) in table {
            let mut answer = agent.post(format!("http://{address}/add-checkpoint")).send(body.clone()).unwrap();
            assert_eq!(answer.status().as_u16(), status, "{body}");
            let kind = answer.headers().get("content-type").unwrap().to_str().unwrap().to_owned();
            let said = answer.body_mut().read_to_string().unwrap();
            match text {
                Some(text) => assert_eq!((said.as_str(), kind.as_str()), (text, "text/x.tlog.size"), "{body}"),
                None => assert_eq!(kind, "text/plain; charset=utf-8"),
            }
        }
        let mut shown = agent.get(format!("http://{address}/{path}")).call().unwrap();
        let shown = shown.body_mut().read_to_string().unwrap();
        assert_eq!(Note::parse(&shown).unwrap().open(&[log().verifier(), key(1).verifier()]), Ok(vec![0, 1]));
        let nothing = agent.get(format!("http://{address}/{}", monitoring_path("other.example"))).call().unwrap();
        assert_eq!(nothing.status().as_u16(), 404);
    });
    asked.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_can_never_be_kept_is_refused_before_anything_starts() {
    let folder = folder();
    let file = folder.path().join("witness.policy");
    let layout = Layout::new(folder.path());
    let vkey = key(1).verifier();
    for (text, reason) in [
        (format!("witness w1 {vkey}\nquorum w1\n"), "凑不够"),
        (
            format!("log {}\nquorum none\n", SigningKey::from_seed("x", KeyKind::Ed25519, [3; 32]).unwrap().verifier()),
            "没有这本账",
        ),
        ("quorum w1\n".to_owned(), "line 1"),
    ] {
        std::fs::write(&file, text).unwrap();
        let fault = Cosigning::begin(&file, &layout, &log().verifier(), TIME_MAX, clock()).unwrap_err();
        assert!(fault.to_string().contains(reason), "{fault}");
    }
}
