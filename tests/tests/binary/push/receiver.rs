//! A mirror that takes in what is pushed to it, as strictly as c2sp.org/tlog-mirror says, and keeps it in memory.
//!
//! The counterpart of the tests only: it believes no proof that it has not checked, counts what it is sent, and can be
//! told to take less than it is offered or to answer falsely.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use flate2::read::GzDecoder;
use gongkai_log::merkle::{self, Subtree};
use gongkai_log::upload::{MirrorState, PACKAGES_MAX};
use gongkai_log::{AddCheckpoint, Checkpoint, KeyKind, Note, SigningKey, TreeHash, VerifierKey, cosignature};

/// What it does instead of what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Cosigns with a key that nobody knows.
    AnotherKey,
    /// Says that it took something and has nothing more.
    Standstill,
    /// Answers with something else.
    Nonsense,
}

pub(super) struct Held {
    log: VerifierKey,
    key: SigningKey,
    pub(super) pending: Vec<(Checkpoint, Note)>,
    pub(super) entries: Vec<Vec<u8>>,
    /// Entries that came, those that it had already among them.
    pub(super) received: usize,
    pub(super) requests: usize,
    /// Takes this many packages of a request and drops the rest.
    pub(super) packages_max: usize,
    pub(super) fault: Fault,
}

/// It, on a port of its own.
pub(super) struct Receiver {
    pub(super) url: String,
    pub(super) vkey: String,
    pub(super) held: Arc<Mutex<Held>>,
    _runtime: tokio::runtime::Runtime,
}

impl Receiver {
    pub(super) fn new(log: &str) -> Self {
        let key = SigningKey::from_seed("mirror.example/pushed", KeyKind::CosignatureV1, [77; 32]).unwrap();
        let vkey = key.verifier().to_string();
        let held = Arc::new(Mutex::new(Held {
            log: VerifierKey::parse(log).unwrap(),
            key,
            pending: Vec::new(),
            entries: Vec::new(),
            received: 0,
            requests: 0,
            packages_max: PACKAGES_MAX,
            fault: Fault::None,
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let router = Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .route("/add-entries", post(add_entries))
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(Arc::clone(&held));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url: format!("http://{address}"), vkey, held, _runtime: runtime }
    }

    pub(super) fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap()
    }
}

type Shared = State<Arc<Mutex<Held>>>;

async fn add_checkpoint(State(held): Shared, body: String) -> (StatusCode, String) {
    let mut held = held.lock().unwrap();
    let request = AddCheckpoint::parse(&body).unwrap();
    let recorded = held.pending.last().map(|(checkpoint, _)| checkpoint.clone());
    match request.judge(&[held.log.clone()], recorded.as_ref()) {
        Ok(checkpoint) => {
            held.pending.push((checkpoint, request.checkpoint));
            (StatusCode::OK, String::new())
        }
        Err(error) => {
            let body = recorded.map_or(String::new(), |recorded| format!("{}\n", recorded.size));
            (StatusCode::from_u16(error.status()).unwrap(), body)
        }
    }
}

async fn add_entries(State(held): Shared, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    assert_eq!(headers["content-type"], "application/octet-stream");
    assert_eq!(headers["content-encoding"], "gzip");
    let mut bytes = Vec::new();
    GzDecoder::new(&body[..]).read_to_end(&mut bytes).unwrap();
    held.lock().unwrap().take(&bytes)
}

/// Takes bytes off the front.
struct Front<'b>(&'b [u8]);

impl<'b> Front<'b> {
    fn bytes(&mut self, count: usize) -> &'b [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn number(&mut self, width: usize) -> u64 {
        self.bytes(width).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn counted(&mut self) -> &'b [u8] {
        let count = usize::try_from(self.number(2)).unwrap();
        self.bytes(count)
    }
}

impl Held {
    fn state(&self, end: u64) -> String {
        let ticket = format!("pending {end}").into_bytes();
        MirrorState { pending: end, next: self.entries.len() as u64, ticket }.to_string()
    }

    fn take(&mut self, bytes: &[u8]) -> (StatusCode, String) {
        self.requests += 1;
        let mut front = Front(bytes);
        assert_eq!(front.counted(), self.log.name().as_bytes());
        let (start, end) = (front.number(8), front.number(8));
        let ticket = front.counted();
        let newest = self.pending.last().map_or(0, |(checkpoint, _)| checkpoint.size);
        let known = self.pending.iter().find(|(checkpoint, _)| checkpoint.size == end).cloned();
        let Some((checkpoint, note)) = known else {
            return (StatusCode::CONFLICT, self.state(newest));
        };
        if start > self.entries.len() as u64 {
            return (StatusCode::CONFLICT, self.state(end));
        }
        assert!(ticket.is_empty() || ticket.starts_with(b"pending "), "the ticket came back as another one");
        let mut at = start;
        for _ in 0..self.packages_max {
            if at == end || front.0.is_empty() {
                break;
            }
            match self.package(&mut front, at, end, &checkpoint) {
                Some(next) => at = next,
                None => return (StatusCode::UNPROCESSABLE_ENTITY, String::new()),
            }
        }
        match self.fault {
            Fault::Standstill if end > 0 => {
                self.entries.clear();
                return (StatusCode::ACCEPTED, self.state(end));
            }
            Fault::Nonsense => return (StatusCode::ACCEPTED, "sure\n".to_owned()),
            _ => {}
        }
        if at < end {
            return (StatusCode::ACCEPTED, self.state(end));
        }
        let leaves: Vec<TreeHash> = self.entries.iter().map(|entry| merkle::leaf_hash(entry)).collect();
        assert_eq!(merkle::root_of(&leaves), checkpoint.root, "what was proven package by package is the log");
        let another = SigningKey::from_seed("mirror.example/other", KeyKind::CosignatureV1, [78; 32]).unwrap();
        let key = if self.fault == Fault::AnotherKey { &another } else { &self.key };
        (StatusCode::OK, format!("{}\n", cosignature::cosign(&note.text, key, 1_773_104_400).unwrap()))
    }

    /// One package; gives where the next begins, `None` when its proof fails.
    fn package(&mut self, front: &mut Front<'_>, start: u64, size: u64, checkpoint: &Checkpoint) -> Option<u64> {
        let bundle = start / 256 * 256;
        let end = (bundle + 256).min(size);
        let entries: Vec<Vec<u8>> = (start..end).map(|_| front.counted().to_vec()).collect();
        let hashes = front.number(1);
        let proof: Vec<_> = (0..hashes).map(|_| TreeHash::from_bytes(front.bytes(32).try_into().unwrap())).collect();
        let before = &self.entries[usize::try_from(bundle).unwrap()..usize::try_from(start).unwrap()];
        let leaves: Vec<_> = before.iter().chain(&entries).map(|entry| merkle::leaf_hash(entry)).collect();
        let subtree = Subtree::new(bundle, end).unwrap();
        subtree.verify(size, &merkle::root_of(&leaves), &checkpoint.root, &proof).ok()?;
        self.received += entries.len();
        let had = self.entries.len() - usize::try_from(start).unwrap();
        self.entries.extend(entries.into_iter().skip(had));
        Some(end)
    }
}
