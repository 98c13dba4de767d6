//! Statements made without the program's help, so that a test can make a wrong one.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, FixedOffset};
use gongkai_domain::{Command, Head, Prepared, Setting, prepare};
use gongkai_log::{Digest, Signer, SigningKey, note};
use serde_json::{Value, json};

use crate::ledger::{ORIGIN, stream};

static SALTS: AtomicU64 = AtomicU64::new(0);
static STREAMS: AtomicU64 = AtomicU64::new(1 << 20);

/// What a statement is made from.
#[derive(Debug)]
pub struct Draft {
    /// Origin; another one makes a statement of another ledger.
    pub origin: String,
    /// The command.
    pub command: Value,
    /// The stream's head.
    pub head: Option<Head>,
    /// Roles and keys, author first.
    pub signers: Vec<(&'static str, SigningKey)>,
    /// The author's time.
    pub declared_at: DateTime<FixedOffset>,
}

impl Draft {
    /// A command that opens a stream of its own.
    pub fn new(command: Value, signers: Vec<(&'static str, SigningKey)>) -> Self {
        let declared_at = "2026-03-10T09:12:00+08:00".parse().unwrap();
        Self { origin: ORIGIN.into(), command, head: None, signers, declared_at }
    }

    /// Its bytes.
    pub fn prepare(&self) -> Prepared {
        let command = Command::from_value(self.command.clone()).unwrap();
        let family = command.kind.split('.').next().unwrap();
        let number = u32::try_from(STREAMS.fetch_add(1, Ordering::Relaxed)).unwrap();
        let setting = Setting {
            origin: &self.origin,
            stream: command.stream.clone().unwrap_or_else(|| stream(family, number).parse().unwrap()),
            head: self.head,
            signers: self
                .signers
                .iter()
                .map(|(role, key)| Signer { role: (*role).into(), key: key.verifier().name().into() })
                .collect(),
            declared_at: self.declared_at,
        };
        prepare(&command, &setting, &mut |buffer| {
            // Salts of a test are no secrets; they only have to differ.
            let salt = Digest::of(&SALTS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            let length = buffer.len();
            buffer.copy_from_slice(&salt.as_bytes()[..length]);
        })
        .unwrap()
    }

    /// Prepared and signed by its signers.
    pub fn submission(&self) -> Value {
        let prepared = self.prepare();
        let keys: Vec<&SigningKey> = self.signers.iter().map(|(_, key)| key).collect();
        signed(&prepared, &prepared.text, &keys)
    }
}

/// A submission of these bytes with signatures of these keys, whether or not they are the right ones.
pub fn signed(prepared: &Prepared, text: &str, keys: &[&SigningKey]) -> Value {
    with_note(prepared, &note::sign(text, keys).unwrap())
}

/// A submission with a note made by hand.
pub fn with_note(prepared: &Prepared, note: &str) -> Value {
    let mut submission = json!({"note": note, "openings": prepared.openings});
    if !prepared.lines.is_empty() {
        submission["lines"] = json!(prepared.lines);
    }
    submission
}
