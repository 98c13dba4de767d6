//! Submitters at work, what they were answered, and the chance that a test is made of.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use gongkai_log::Digest;

use crate::ledger::{key, pledge};
use crate::server::try_post;
use crate::statement::Draft;
use crate::{Answer, Server, get};

/// Submitters at once.
const WRITERS: usize = 4;

/// Rounds of a test that repeats: its everyday number, or what the environment says.
pub fn rounds(everyday: u64) -> u64 {
    std::env::var("GONGKAI_ROUNDS").map_or(everyday, |text| text.parse().unwrap())
}

/// Random numbers that a failed run tells, so that it can be repeated (splitmix64).
pub struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}

impl Random {
    /// Begins with the seed of the environment, or always the same one.
    pub fn new() -> Self {
        let seed = std::env::var("GONGKAI_SEED").map_or(20_260_310, |text| text.parse().unwrap());
        println!("GONGKAI_SEED={seed}");
        Self(seed)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// A pledge as its author sends it.
pub fn submission() -> String {
    let signers = vec![("publisher", key("publisher.example/1"))];
    Draft::new(pledge("修好村北机耕路"), signers).submission().to_string()
}

/// Hands in one submission; `None` when the server is gone.
pub fn hand_in(server_url: &str, id: &str, body: &str) -> Option<Answer> {
    try_post(&format!("{server_url}/api/v1/submissions"), &[("Idempotency-Key", id)], body).ok()
}

/// Receipts by index: hash of the entry.
pub type Receipts = BTreeMap<u64, String>;

/// Keeps a receipt.
pub fn keep(receipts: &Mutex<Receipts>, answer: &Answer) {
    let receipt = answer.json();
    let (index, hash) = (receipt["index"].as_u64().unwrap(), receipt["entry_hash"].as_str().unwrap().to_owned());
    let known = receipts.lock().unwrap().insert(index, hash);
    assert_eq!(known, None, "two receipts for entry {index}");
}

/// Submits from several threads until the server is gone or `enough` says so, while `meanwhile` runs.
pub fn under_load(server: &Server, receipts: &Mutex<Receipts>, meanwhile: impl FnOnce(&AtomicU64) + Send) {
    static IDS: AtomicU64 = AtomicU64::new(0);
    let (stop, count, url) = (AtomicBool::new(false), AtomicU64::new(0), server.internal.clone());
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let id = format!("load-{}", IDS.fetch_add(1, Ordering::Relaxed));
                    match hand_in(&url, &id, &submission()) {
                        Some(answer) if answer.status < 300 => {
                            keep(receipts, &answer);
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        Some(answer) => {
                            assert!([429, 503].contains(&answer.status), "{} {}", answer.status, answer.text());
                        }
                        None => return,
                    }
                }
            });
        }
        meanwhile(&count);
        stop.store(true, Ordering::Relaxed);
    });
}

/// Every receipt is kept by what is served now.
pub fn all_present(server: &Server, receipts: &Receipts) {
    for (index, hash) in receipts {
        let entry = get(&format!("{}/entries/{index}", server.url));
        assert_eq!(entry.status, 200, "entry {index} has a receipt and is lost");
        assert_eq!(Digest::of(&entry.body).to_string(), *hash, "entry {index} is another one");
    }
}

/// Waits a random moment without looking at anything.
pub fn moment(random: &mut Random, micros_max: u64) {
    let (_open, never) = mpsc::channel::<()>();
    let _ = never.recv_timeout(Duration::from_micros(random.below(micros_max)));
}
