//! `GET /api/v1/work`: a challenge, and the light proof of work that goes with a submission.
//!
//! A challenge is a text that only this process can make (a keyed hash), so none is stored; it holds how many bits are
//! asked, when it expires, and 16 random bytes. Solved, it is `<challenge>:<nonce>` with a nonce so that SHA-256 of
//! `<challenge>:<hex SHA-256 of the body>:<nonce>` begins with that many zero bits. It counts once, for that body only;
//! what was used is remembered until it expires.
//!
//! The reckoning: the page's script (`assets/work.js`) hashes synchronously in slices. In Chromium on one server core a try
//! took 3 µs; with that core slowed down six times, which is about a phone of ten years, 25 µs. Of 31 challenges of 17 bits,
//! each on a page just opened, half were solved there within 1.9 seconds and nine in ten within 5.7 (16 bits: 0.9 and 3.4),
//! and half within 0.3 on the core as it is; a call of `WebCrypto` for each try would cost a promise and twice the time. The
//! browser walk (`tests/browser/hand-in.mjs`) measures it again each time. Under load a bit is added each time that the
//! solved challenges of the last minutes double.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use gongkai_log::Digest;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::address::Client;
use super::{later, unkept};
use crate::http::App;
use crate::http::openapi::{Answer, Endpoint, JSON, object};
use crate::http::problem::Problem;
use crate::keyfile;

/// First part of a challenge.
const FORM: &str = "gkw1";
/// Zero bits when nothing presses.
pub const BITS: u32 = 17;
/// Zero bits at most: half a minute on an old phone.
pub const BITS_MAX: u32 = 20;
/// How long a challenge can be used: slow phones and long reading included.
pub const LASTS: Duration = Duration::from_mins(10);
/// Used challenges that are remembered; beyond it nothing more is let in until some expire.
pub const USED_MAX: usize = 131_072;
/// From so many used ones on a bit more is asked, from twice as many another, and so on.
const USED_CALM: usize = 16_384;
/// Longest header: a challenge and a nonce of 20 digits.
const SOLVED_BYTES_MAX: usize = 256;

/// Makes and checks challenges.
pub struct Work {
    key: Zeroizing<[u8; 32]>,
    used: Mutex<HashMap<[u8; 16], Duration>>,
}

impl Default for Work {
    fn default() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        keyfile::random(&mut *key);
        Self { key, used: Mutex::default() }
    }
}

impl Work {
    /// A new challenge, and how many bits it asks.
    pub fn challenge(&self, now: Duration) -> (String, u32) {
        let bits = self.bits(now);
        let mut id = [0; 16];
        keyfile::random(&mut id);
        let expires = (now + LASTS).as_millis();
        let text = format!("{FORM}.{bits}.{expires}.{}", hex(&id));
        let mac = self.mac(&text).to_hex();
        (format!("{text}.{mac}"), bits)
    }

    /// Takes a solved challenge for a body; it is used up then.
    pub fn accept(&self, solved: &str, body: &[u8], now: Duration) -> Result<(), Problem> {
        let wrong =
            |reason: &str| Problem::new("bad_work", format!("{reason}，请取新的题目再提交")).at("Proof-Of-Work");
        let (id, bits, expires) = self.read(solved).ok_or_else(|| wrong("工作量证明不是这里给的题目"))?;
        if expires <= now {
            return Err(wrong("工作量证明的题目已经过期"));
        }
        if !is_solved(solved, body, bits) {
            return Err(wrong("工作量证明不符：没有解出，或内容改动过"));
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= USED_MAX {
            used.retain(|_, until| *until > now);
        }
        if used.len() >= USED_MAX {
            return Err(later("现在提交的人太多，请过几分钟再试", LASTS));
        }
        match used.insert(id, expires) {
            None => Ok(()),
            Some(_) => Err(wrong("这份工作量证明已经用过")),
        }
    }

    /// Bits that are asked now.
    fn bits(&self, now: Duration) -> u32 {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() > USED_CALM {
            used.retain(|_, until| *until > now);
        }
        let more = (used.len() / USED_CALM).checked_ilog2().map_or(0, |times| times + 1);
        (BITS + more).min(BITS_MAX)
    }

    /// Id, bits and expiry of a challenge of ours.
    fn read(&self, solved: &str) -> Option<([u8; 16], u32, Duration)> {
        if solved.len() > SOLVED_BYTES_MAX {
            return None;
        }
        let (challenge, _) = solved.split_once(':')?;
        let (text, mac) = challenge.rsplit_once('.')?;
        let mac = Digest::from_hex(mac).ok()?;
        // Compared without telling how far they agree.
        let ours = self.mac(text);
        let differs = ours.as_bytes().iter().zip(mac.as_bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
        let mut parts = text.strip_prefix(FORM)?.strip_prefix('.')?.split('.');
        let (bits, expires, id) = (parts.next()?, parts.next()?, parts.next()?);
        let id = u128::from_str_radix(id, 16).ok()?.to_be_bytes();
        let expires = Duration::from_millis(expires.parse().ok()?);
        (differs == 0).then_some((id, bits.parse().ok()?, expires))
    }

    /// BLAKE3 cannot be extended, so the key in front is enough.
    fn mac(&self, text: &str) -> Digest {
        let keyed = Zeroizing::new([&self.key[..], text.as_bytes()].concat());
        Digest::of(&keyed)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a challenge with its nonce begins with enough zero bits for a body.
fn is_solved(solved: &str, body: &[u8], bits: u32) -> bool {
    let Some((challenge, nonce)) = solved.split_once(':') else { return false };
    let is_number = (1..=20).contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_digit());
    is_number && zeros(&begun(challenge, body), nonce) >= bits
}

/// The hash over everything before the nonce.
fn begun(challenge: &str, body: &[u8]) -> Sha256 {
    let body = hex(Sha256::digest(body).as_slice());
    Sha256::new().chain_update(challenge).chain_update(":").chain_update(body).chain_update(":")
}

fn zeros(begun: &Sha256, nonce: &str) -> u32 {
    let hash = begun.clone().chain_update(nonce).finalize();
    let (head, _) = hash.as_slice().split_at(8);
    u64::from_be_bytes(std::array::from_fn(|place| head[place])).leading_zeros()
}

/// Solves a challenge for a body: the text of the header.
pub fn solve(challenge: &str, body: &[u8], bits: u32) -> String {
    let begun = begun(challenge, body);
    let nonces = (0_u64..).map(|nonce| nonce.to_string());
    let nonce = nonces.into_iter().find(|nonce| zeros(&begun, nonce) >= bits).unwrap_or_default();
    format!("{challenge}:{nonce}")
}

/// The endpoint.
pub fn endpoint() -> Endpoint {
    Endpoint {
        method: "get",
        path: "/api/v1/work",
        id: "work",
        summary: "取一道小计算题；解出后随提交附上（请求头 Proof-Of-Work），防止机器大量提交，不涉及身份",
        params: &[],
        body: None,
        answers: &[Answer { status: 200, about: "题目", media: &[(JSON, "Work")] }],
        problems: &["too_many", "not_here"],
        writes: false,
        handler: get(work),
    }
}

/// Its schemas.
pub fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let work = object(
        "计算题：SHA-256(challenge:正文的SHA-256:nonce) 开头要有 bits 个零位",
        &[
            ("challenge", text()),
            ("bits", json!({ "type": "integer" })),
            ("lasts_seconds", json!({ "type": "integer" })),
            ("intake", json!({ "type": "string", "description": "收件钥匙的验证钥匙" })),
        ],
    );
    Map::from_iter([("Work".to_owned(), work)])
}

async fn work(State(app): State<App>, client: Client) -> Result<Response, Problem> {
    let ledger = app.ledger()?;
    let now = app.clock.monotonic();
    app.citizens.ask(client, now)?;
    let (challenge, bits) = app.citizens.work.challenge(now);
    let intake = ledger.intake_key().to_string();
    Ok(unkept(json!({ "challenge": challenge, "bits": bits, "lasts_seconds": LASTS.as_secs(), "intake": intake })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn code(answer: Result<(), Problem>) -> &'static str {
        answer.err().map_or("taken", |problem| problem.row.code)
    }

    #[test]
    fn a_solved_challenge_counts_once_for_its_body_and_in_its_time() {
        let work = Work::default();
        let (challenge, bits) = work.challenge(NOW);
        assert_eq!(bits, BITS);
        let solved = solve(&challenge, b"a letter", bits);
        assert_eq!(code(work.accept(&solved, b"another letter", NOW)), "bad_work");
        assert_eq!(code(work.accept(&solved, b"a letter", NOW + LASTS)), "bad_work");
        assert_eq!(code(work.accept(&solved, b"a letter", NOW)), "taken");
        assert_eq!(code(work.accept(&solved, b"a letter", NOW)), "bad_work", "replayed");
    }

    #[test]
    fn a_challenge_of_another_process_or_one_made_easier_is_none() {
        let work = Work::default();
        let (challenge, bits) = work.challenge(NOW);
        let easier = challenge.replacen(&format!(".{bits}."), ".0.", 1);
        for made_up in [solve(&easier, b"x", 0), solve(&Work::default().challenge(NOW).0, b"x", bits)] {
            assert_eq!(code(work.accept(&made_up, b"x", NOW)), "bad_work");
        }
        for nonsense in ["", ":", "gkw1", "gkw1.15.1.00:5", &"9".repeat(300)] {
            assert_eq!(code(work.accept(nonsense, b"x", NOW)), "bad_work", "{nonsense}");
        }
        let unsolved = format!("{challenge}:");
        assert_eq!(code(work.accept(&unsolved, b"x", NOW)), "bad_work");
    }

    #[test]
    fn under_load_more_bits_are_asked_and_memory_stays_bounded() {
        let work = Work::default();
        let fill = |count: usize| {
            let mut used = work.used.lock().unwrap();
            let first = used.len();
            used.extend((first..count).map(|number| ((number as u128).to_be_bytes(), NOW + LASTS)));
        };
        fill(USED_CALM - 1);
        assert_eq!(work.bits(NOW), BITS);
        fill(2 * USED_CALM);
        assert_eq!(work.bits(NOW), BITS + 2);
        let (challenge, bits) = work.challenge(NOW);
        let solved = solve(&challenge, b"x", bits);
        fill(USED_MAX);
        assert_eq!(code(work.accept(&solved, b"x", NOW)), "too_many");
        assert_eq!(work.bits(NOW + LASTS), BITS, "what has expired is forgotten");
    }
}
