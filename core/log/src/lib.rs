//! Statements, entries, Merkle tree, checkpoints, proofs, and their checks: everything that a third
//! party needs to verify a Gongkai ledger, and nothing else.
//!
//! # In scope
//!
//! Bytes and keys that are handed in. A [`Statement`] is what an author signs, an [`Entry`] what the
//! log records; entries are a BLAKE3 chain and the leaves of an RFC 6962 tree ([`merkle`], [`tile`]); a
//! [`Checkpoint`] is what the log signs about the tree, a [`cosignature`] what a witness says about the
//! checkpoint, a [`Policy`] which witnesses suffice, a [`TlogProof`] all of that for one entry in one
//! file, a [`witness`] the verdict on a checkpoint that asks for a cosignature, an [`upload`] what a mirror is handed. [`slot`], [`list`] and
//! [`sealed`] bind what is not shown. [`fsck()`] checks a whole log.
//!
//! # Out of scope
//!
//! What a statement means and who may make it (`gongkai-domain`), clocks, randomness, files, networks,
//! async, SQL. All parsers are strict (one value has one byte string) and bounded (each limit is a
//! named constant with its source).
//!
//! # Alone
//!
//! ```
//! use gongkai_log::{
//!     Checkpoint, Digest, Entry, KeyKind, Policy, SealedPeriod, SigningKey, TlogProof, VerifierKey,
//!     checkpoint, merkle, note, time,
//! };
//!
//! // Somebody hands you an entry, a proof file and the verifier key of a ledger. Here we make them.
//! let log = SigningKey::from_seed("ledger.example", KeyKind::Ed25519, [1; 32])?;
//! let intake = SigningKey::from_seed("intake.ledger.example", KeyKind::Ed25519, [2; 32])?;
//! let text = SealedPeriod::text("ledger.example", &Digest::of(b"a period"))?;
//! let recorded_at = time::parse_recorded("2026-03-10T01:12:07.000001Z")?;
//! let bytes = Entry::seal(0, recorded_at, Digest::ZERO, &note::sign(&text, &[&intake])?)?;
//! let head = Checkpoint {
//!     origin: "ledger.example".to_owned(),
//!     size: 1,
//!     root: merkle::leaf_hash(&bytes),
//! };
//! let file = format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{}", checkpoint::sign(&head, &[&log])?);
//!
//! // You check them, offline.
//! let key = VerifierKey::parse(&log.verifier().to_string())?;
//! let policy = Policy::parse("quorum none\n")?;
//! let proven = TlogProof::parse(&file)?.verify(&bytes, &key, Some(&policy))?;
//! assert_eq!(proven, head);
//! assert!(TlogProof::parse(&file)?.verify(b"something else", &key, None).is_err());
//!
//! // And look inside.
//! let entry = Entry::parse(bytes)?;
//! assert_eq!(entry.content.note().open(&[intake.verifier()])?, [0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(missing_docs)]

pub mod canonical;
mod causes;
pub mod checkpoint;
pub mod cosignature;
pub mod entry;
pub mod fork;
pub mod fsck;
#[cfg(test)]
mod fsck_tests;
pub mod hash;
pub mod key;
mod lanes;
pub mod list;
pub mod log_keys;
pub mod map;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod proof;
pub mod refusal;
pub mod sealed;
pub mod slot;
pub mod statement;
pub mod stream;
pub mod tile;
pub mod time;
mod tree;
pub mod upload;
pub mod witness;

pub use causes::chain;
pub use checkpoint::Checkpoint;
pub use entry::{Content, ENTRY_BYTES_MAX, Entry, EntryError};
pub use fork::Fork;
pub use fsck::{
    Authority, Beginning, Fetch, Finding, FsckError, KeyRing, MapRoot, Mode, Options, Reached, Report, fsck, fsck_from,
};
pub use hash::{Digest, TreeHash};
pub use key::{KeyKind, SigningKey, VerifierKey, valid_key_name};
pub use list::{List, Row};
pub use log_keys::LogKeys;
pub use map::{MapFile, MapKey, MapProof};
pub use merkle::{Edge, TileSource};
pub use note::{Note, NoteSignature};
pub use policy::Policy;
pub use proof::TlogProof;
pub use refusal::RefusalReceipt;
pub use sealed::{Promise, SealedPeriod};
pub use slot::{Opening, Openings, SLOTS, Tier, UnplacedLine};
pub use statement::{PROXY_CHANNELS, Proxy, SignedStatement, Signer, Statement, StatementError};
pub use stream::StreamId;
pub use tile::TilePath;
pub use upload::MirrorState;
pub use witness::AddCheckpoint;
