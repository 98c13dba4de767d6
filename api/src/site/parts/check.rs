//! The check panel: what an entry's proof says, in words and in hashes.

use askama::Template;
use askama::filters::HtmlSafe;

use super::Whole;
use crate::site::format::{Count, Moment};

/// A hash in both ways of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashText {
    /// Standard padded base64, as in the entry.
    pub base64: String,
    /// Lower-case hex, as in addresses and as `sha256sum` prints.
    pub hex: String,
}

impl HashText {
    pub(crate) fn new(base64: &str, hex: &str) -> Self {
        Self { base64: base64.into(), hex: hex.into() }
    }
}

/// The checkpoint that covers an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Tree size.
    pub size: Count,
    /// Root hash, base64.
    pub root: String,
    /// When it was signed.
    pub at: Moment,
    /// How many witnesses cosigned it.
    pub witnesses: u32,
}

/// A signature line of the entry, for the commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Role in Chinese.
    pub role: String,
    /// The key's name.
    pub key: String,
    /// base64 of type and public key: the last part of the verifier key.
    pub public_key: String,
    /// The entry that registered the key.
    pub registered: Option<u64>,
    /// Number of its line in the entry's file, from 1: the first signature is line 10.
    pub line: usize,
}

/// The panel 「这条记录有没有被改过?」 for one entry.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_check.html")]
pub struct Check {
    /// There is no entry yet: the page is shown to whoever is about to sign, and the panel says that one can check then.
    pub is_later: bool,
    /// Whether the entry was just now proven to lie under the signed checkpoint; `None` before there is
    /// a checkpoint over it.
    pub proven: Option<bool>,
    /// Entry number.
    pub index: u64,
    /// When it was recorded.
    pub recorded: Moment,
    /// BLAKE3 of the entry.
    pub entry_hash: HashText,
    /// BLAKE3 of the three text lines.
    pub statement_hash: HashText,
    /// BLAKE3 of the entry before.
    pub previous_hash: HashText,
    /// SHA-256 leaf of the tree.
    pub leaf_hash: HashText,
    /// The checkpoint; absent for seconds after the record.
    pub checkpoint: Option<Checkpoint>,
    /// Whether records of the matter are missing; absent where that is not asked or cannot be told yet.
    pub whole: Option<Whole>,
    /// How many of its openings were withdrawn.
    pub withdrawn: u32,
    /// Address of the bundle with its openings; absent when it has none.
    pub openings: Option<String>,
    /// Its signatures.
    pub signatures: Vec<SignatureLine>,
    /// Scheme and host for the commands, without a slash at the end.
    pub base_url: String,
    /// The ledger's verifier key.
    pub vkey: String,
    /// The panel starts open.
    pub open: bool,
}

impl Check {
    /// The ledger's origin, the name of its key.
    pub fn origin(&self) -> &str {
        self.vkey.split('+').next().unwrap_or_default()
    }

    /// base64 of type and public key of the ledger's key. Base64 may itself hold a `+`.
    pub fn log_key(&self) -> &str {
        self.vkey.splitn(3, '+').nth(2).unwrap_or_default()
    }

    /// The panel of what is not recorded yet.
    pub fn later(index: u64, now: Moment) -> Self {
        let none = || HashText::new("", "");
        Self {
            is_later: true,
            proven: None,
            index,
            recorded: now,
            entry_hash: none(),
            statement_hash: none(),
            previous_hash: none(),
            leaf_hash: none(),
            checkpoint: None,
            whole: None,
            withdrawn: 0,
            openings: None,
            signatures: Vec::new(),
            base_url: String::new(),
            vkey: String::new(),
            open: false,
        }
    }

    /// Entry 0 of the byte-level vectors.
    pub(crate) fn sample() -> Self {
        Self {
            is_later: false,
            proven: Some(true),
            index: 0,
            recorded: Moment::of(2026, 3, 10, 9, 12),
            entry_hash: HashText::new(
                "GeP7GoU8dATs6hWl8AMh2ryazopo02Izq1Chc2LdL2w=",
                "19e3fb1a853c7404ecea15a5f00321dabc9ace8a68d36233ab50a17362dd2f6c",
            ),
            statement_hash: HashText::new(
                "LXznt0Y9uKa98efHY0+yLF/EsNz2Z+HxHWKo1cky/pI=",
                "2d7ce7b7463db8a6bdf1e7c7634fb22c5fc4b0dcf667e1f11d62a8d5c932fe92",
            ),
            previous_hash: HashText::new(
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "0000000000000000000000000000000000000000000000000000000000000000",
            ),
            leaf_hash: HashText::new(
                "EECCHrRm5ZxWRDMZdnoap92S8GnRHl+4PH3o3onmAPc=",
                "1040821eb466e59c56443319767a1aa7dd92f069d11e5fb83c7de8de89e600f7",
            ),
            checkpoint: Some(Checkpoint {
                size: Count(4),
                root: "DKcFzqBoeqX9OBWOAUZlrZoO3eJfp0NIYzMA70YJlhs=".into(),
                at: Moment::of(2026, 3, 12, 9, 20),
                witnesses: 1,
            }),
            whole: Some(Whole::sample("/api/v1/streams/pledge/0195f000-0000-7000-8000-000000000001/proof")),
            withdrawn: 0,
            openings: Some("/log/openings/000".into()),
            signatures: vec![SignatureLine {
                role: "发布".into(),
                key: "alice.example/1".into(),
                public_key: "Ae1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR".into(),
                registered: Some(0),
                line: 10,
            }],
            base_url: "https://gongkai.example".into(),
            vkey: "ledger.example/vectors+fced61e0+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".into(),
            open: false,
        }
    }
}

impl HtmlSafe for Check {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_is_shown_with_a_key_that_is_not_known_yet() {
        let command = "openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey key.der";
        let mut check = Check::sample();
        assert!(check.render().unwrap().contains(command));
        check.signatures[0].public_key.clear();
        check.signatures[0].registered = None;
        let panel = check.render().unwrap();
        assert!(!panel.contains(command) && !panel.contains("printf %s ''"), "{panel}");
        assert!(panel.contains("的登记还没有读到"), "{panel}");
    }
}
