//! A submitter's own file with what they handed in, protected by a PIN (confidentiality.md §6).
//!
//! It proves to somebody else what was handed in: the promise, the note with the salt of its commitment, all 16 slots. It
//! is made only when its owner asks for it, and never of recommendations, evaluations or ballots.
//!
//! Three parts: the line `gongkai.opening/v1`, a PEM like that of a key file (PKCS#8, PBES2 with scrypt) with a key for
//! this file alone, and a line of base64: 24 bytes nonce and an XChaCha20-Poly1305 ciphertext. So the PIN is as costly to
//! guess as a key file's passphrase, and no second way of protecting files by passwords comes into the program, as a
//! general encryption tool (age) would bring it.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use gongkai_domain::submission::Filled;
use gongkai_domain::vault::NONCE_BYTES;
use gongkai_log::sealed::{commit_event, verify_period_path};
use gongkai_log::{Content, Digest, Entry, LogKeys, Promise, TlogProof, VerifierKey, slot};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::citizen::statement_of;
use crate::keyfile::{self, KeyFileError};
use crate::outcome::chain;

/// First line of the file.
pub const FORM: &str = "gongkai.opening/v1";
/// Most bytes of the file: 16 slots of the longest texts in base64.
pub const BYTES_MAX: u64 = 1 << 20;

const PEM_END: &str = "-----END ENCRYPTED PRIVATE KEY-----\n";

/// What somebody handed in, with what proves it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handed {
    /// The promise, signed by the intake key.
    pub promise: String,
    /// The intake key, as the submitter found it in the genesis.
    pub intake: String,
    /// The statement note, signed by the intake key.
    pub note: String,
    /// The salt of the event's commitment.
    pub salt: Digest,
    /// All 16 slots, open.
    pub openings: Vec<Filled>,
}

/// Where the promise was kept, as `status --out` writes it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The event's commitment.
    pub commitment: Digest,
    /// Leaf in the period's tree.
    pub leaf: usize,
    /// The 16 hashes from the leaf to the period's root.
    pub path: Vec<Digest>,
    /// The period's entry, verbatim.
    pub entry: String,
    /// Its proof file.
    pub proof: String,
}

impl Handed {
    /// Checks that the promise is about exactly this content; gives the promise.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check(&self) -> Result<Promise, String> {
        let intake = VerifierKey::parse(&self.intake).map_err(|error| chain(&error))?;
        let promise = Promise::open(&self.promise, &intake).map_err(|error| format!("收件承诺：{}", chain(&error)))?;
        if commit_event(self.salt.as_bytes(), &self.note) != promise.commitment {
            return Err("收件承诺说的是另一份声明".into());
        }
        let signed = statement_of(&self.note)?;
        let statement = &signed.statement;
        let mut commitments = [Digest::ZERO; slot::SLOTS];
        for filled in &self.openings {
            let commitment = filled.commit(&statement.origin, &statement.stream, statement.revision);
            commitments[usize::from(filled.slot())] = commitment.map_err(|error| chain(&error))?;
        }
        let whole = self.openings.len() == slot::SLOTS;
        let open = !self.openings.iter().any(|filled| matches!(filled, Filled::Hidden { .. }));
        if whole && open && slot::root(&commitments) == statement.slots {
            Ok(promise)
        } else {
            Err("内容与声明里封存的不符".into())
        }
    }

    /// Checks where the promise was kept; gives the entry's index.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check_kept(&self, promise: &Promise, kept: &Kept, log: &LogKeys) -> Result<u64, String> {
        let proof = TlogProof::parse(&kept.proof).map_err(|error| chain(&error))?;
        proof
            .verify_under(kept.entry.as_bytes(), log, None)
            .map_err(|error| format!("条目的证明：{}", chain(&error)))?;
        let entry = Entry::parse(kept.entry.clone().into_bytes()).map_err(|error| chain(&error))?;
        let Content::Sealed(period) = &entry.content else { return Err("这一条不是封存时段".into()) };
        let same = kept.commitment == promise.commitment && promise.origin == log.first().name();
        if same && verify_period_path(&period.root, kept.leaf, &promise.commitment, &kept.path) {
            Ok(entry.index)
        } else {
            Err("这个封存时段里没有这件事项".into())
        }
    }

    /// Writes it into a new file that only its owner can read.
    ///
    /// # Errors
    /// A PIN of under eight characters, a file that exists, the disk.
    pub fn write(&self, path: &Path, pin: &str) -> Result<(), KeyFileError> {
        keyfile::write_private(path, protect(path, FORM, self, pin)?.as_bytes())
    }

    /// Opens the text of a file; `None` when the PIN is wrong or the file was changed.
    pub fn open(text: &str, pin: &str) -> Option<Self> {
        reveal(text, FORM, pin)
    }
}

/// The three parts with a value of some form in them; `path` is where they are going to lie.
///
/// # Errors
/// A PIN of under eight characters.
pub fn protect<T: Serialize>(path: &Path, form: &str, value: &T, pin: &str) -> Result<String, KeyFileError> {
    let failed = |reason| KeyFileError::Form { path: path.to_owned(), reason };
    let mut secret = Zeroizing::new([0; 32]);
    keyfile::random(&mut *secret);
    let pem = keyfile::lock(path, &secret, pin)?;
    let plain = Zeroizing::new(serde_json::to_vec(value).map_err(|_| failed("内容写不出来"))?);
    let mut nonce = [0; NONCE_BYTES];
    keyfile::random(&mut nonce);
    let payload = Payload { msg: &plain, aad: form.as_bytes() };
    let cipher = XChaCha20Poly1305::new((&*secret).into());
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| failed("加密失败"))?;
    let line = BASE64_STANDARD.encode([&nonce[..], &sealed].concat());
    Ok(format!("{form}\n{}{line}\n", *pem))
}

/// The value in three parts of that form; `None` when the PIN is wrong or something was changed.
pub fn reveal<T: DeserializeOwned>(text: &str, form: &str, pin: &str) -> Option<T> {
    let rest = text.strip_prefix(form)?.strip_prefix('\n')?;
    let end = rest.find(PEM_END)? + PEM_END.len();
    let (pem, line) = rest.split_at(end);
    let secret = keyfile::unlock(pem, pin)?;
    let bytes = BASE64_STANDARD.decode(line.strip_suffix('\n')?).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: sealed, aad: form.as_bytes() };
    let plain = XChaCha20Poly1305::new((&*secret).into()).decrypt(&XNonce::from(*nonce), payload).ok()?;
    serde_json::from_slice(&Zeroizing::new(plain)).ok()
}

#[cfg(test)]
mod tests {
    use gongkai_domain::{Command, Setting, kind, prepare};
    use gongkai_log::{KeyKind, SignedStatement, Signer, SigningKey, note};

    use super::*;

    fn handed() -> Handed {
        let intake = SigningKey::from_seed("intake.example", KeyKind::Ed25519, [2; 32]).unwrap();
        let sample = (kind::find("letter.received.v1").unwrap().sample)();
        let command = Command::from_value(sample).unwrap();
        let setting = Setting {
            origin: "ledger.example",
            stream: command.stream.clone().unwrap(),
            head: None,
            signers: vec![Signer { role: "intake".into(), key: "intake.example".into() }],
            declared_at: "2026-03-10T09:00:00+08:00".parse().unwrap(),
        };
        let prepared = prepare(&command, &setting, &mut |buffer: &mut [u8]| keyfile::random(buffer)).unwrap();
        let note = SignedStatement::sign(&prepared.statement, &[&intake]).unwrap().note.to_string();
        let salt = Digest::of(b"a salt");
        let promise = Promise {
            origin: "ledger.example".into(),
            commitment: commit_event(salt.as_bytes(), &note),
            received_at: "2026-03-10T01:00:00Z".parse().unwrap(),
            deadline: "2026-03-10T01:20:00Z".parse().unwrap(),
        };
        let promise = note::sign(&promise.text().unwrap(), &[&intake]).unwrap();
        Handed { promise, intake: intake.verifier().to_string(), note, salt, openings: prepared.openings }
    }

    #[test]
    fn what_was_handed_in_is_proven_with_its_file_and_pin_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("letter.opening");
        let handed = handed();
        assert!(handed.write(&path, "1234567").is_err(), "a short PIN protects nothing");
        handed.write(&path, "一二三四五六七八").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let title = "水渠塌方";
        assert!(!text.contains(title) && !text.contains(&handed.promise));
        assert!(Handed::open(&text, "一二三四五六七九").is_none());
        assert!(Handed::open(&text.replacen("gongkai", "gonkgai", 1), "一二三四五六七八").is_none());
        let opened = Handed::open(&text, "一二三四五六七八").unwrap();
        opened.check().unwrap();

        let mut other = handed.clone();
        let open = other.openings.iter_mut().find_map(|filled| match filled {
            Filled::Open(opening) if opening.name == "text" => Some(opening),
            _ => None,
        });
        open.unwrap().value = serde_json::json!("另一个说法(虚构)");
        assert_eq!(other.check().unwrap_err(), "内容与声明里封存的不符");
        let salt = Digest::of(b"another salt");
        assert!(Handed { salt, ..handed }.check().is_err());
    }
}
