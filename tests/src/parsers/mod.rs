//! Every parser that reads what somebody else wrote, each as one function over bytes.
//!
//! Such a function says whether the bytes were accepted, and panics where a parser breaks a promise: what was accepted
//! is written again as the same bytes, and what was opened under a key was signed by it. `tests/fuzz` feeds them with
//! what a fuzzer invents (`cargo fuzz run --fuzz-dir tests/fuzz NAME`), `tests/tests/parsers` with the committed seeds and
//! changes of them on every run, and measures what they cost.
//!
//! Not here: the seeds, and what the parsed values mean. For another parser, write its function in [`log`], [`gap`] or [`program`],
//! add a line to [`PARSERS`], a target of the same name in `tests/fuzz`, and its seeds in `tests/tests/parsers/seeds.rs`; the
//! tests name what is missing.

pub mod gap;
pub mod log;
pub mod program;

use std::sync::OnceLock;

use gongkai_log::{KeyKind, SigningKey, VerifierKey};

use crate::ledger::ORIGIN;

/// One parser with what it may cost.
#[derive(Clone, Copy, Debug)]
pub struct Parser {
    /// Name of its function, its fuzz target and the folder of its seeds.
    pub name: &'static str,
    /// Reads, and says whether it was accepted.
    pub read: fn(&[u8]) -> bool,
    /// From this many bytes on everything is refused; `None` where that is more than a test should make.
    pub bytes_max: Option<usize>,
    /// Most bytes of memory at a time for each byte of input.
    pub memory_factor: u64,
}

/// Most bytes of memory at a time besides [`Parser::memory_factor`]: keys, vectors that begin large.
pub const MEMORY_BYTES_BASE: u64 = 256 << 10;

/// Of what is read line by line: the text, its copies, lists that double.
const OF_LINES: u64 = 16;
/// Of JSON: the smallest object has eight bytes, and a node of a map for eleven members.
const OF_JSON: u64 = 128;

const fn parser(name: &'static str, read: fn(&[u8]) -> bool, bytes_max: Option<usize>, memory_factor: u64) -> Parser {
    Parser { name, read, bytes_max, memory_factor }
}

/// All of them.
pub const PARSERS: &[Parser] = &[
    parser("bundle", log::bundle, Some(gongkai_log::tile::BUNDLE_BYTES_MAX), OF_JSON),
    parser("canonical", log::canonical, Some(gongkai_log::canonical::JSON_BYTES_MAX), OF_JSON),
    parser("checkpoint", log::checkpoint, Some(gongkai_log::note::NOTE_BYTES_MAX), OF_LINES),
    parser("cosignature", log::cosignature, Some(4 * gongkai_log::note::SIGNATURE_BYTES_MAX), OF_LINES),
    parser("entry", log::entry, Some(gongkai_log::ENTRY_BYTES_MAX), OF_JSON),
    parser("fork", log::fork, Some(gongkai_log::fork::FORK_BYTES_MAX), OF_LINES),
    parser("list", log::list, None, OF_JSON),
    parser("map_proof", log::map_proof, Some(gongkai_log::map::MAP_PROOF_BYTES_MAX), OF_LINES),
    parser("mirror_state", log::mirror_state, Some(gongkai_log::upload::STATE_BYTES_MAX), OF_LINES),
    parser("note", log::note, Some(gongkai_log::note::NOTE_BYTES_MAX), OF_LINES),
    parser("openings", log::openings, None, OF_JSON),
    parser("policy", log::policy, Some(gongkai_log::policy::POLICY_BYTES_MAX), 2 * OF_LINES),
    parser("proof", log::proof, Some(gongkai_log::proof::PROOF_BYTES_MAX), OF_LINES),
    parser("sealed", log::sealed, Some(gongkai_log::note::NOTE_BYTES_MAX), OF_LINES),
    parser("statement", log::statement, Some(gongkai_log::note::NOTE_BYTES_MAX), OF_JSON),
    parser("tile", log::tile, Some(8_192), OF_LINES),
    parser("vkey", log::vkey, Some(512), OF_LINES),
    parser("witness_request", log::witness_request, Some(gongkai_log::witness::REQUEST_BYTES_MAX), OF_LINES),
    parser("asking", gap::asking, Some(gongkai_log::note::NOTE_BYTES_MAX), OF_LINES),
    parser("batches", gap::batches, None, OF_JSON),
    parser("capsules", gap::capsules, None, OF_LINES),
    parser("late", gap::late, Some(gongkai_domain::gap::LATE_BYTES_MAX), OF_LINES),
    parser("packet", gap::packet, Some(gongkai_domain::gap::PACKET_BYTES_MAX), OF_LINES),
    parser("archive", program::archive, None, OF_LINES),
    parser("key_file", program::key_file, Some(16_384), OF_LINES),
    parser("key_history", program::key_history, Some(gongkai_log::log_keys::HISTORY_BYTES_MAX), OF_JSON),
    parser("mirror_status", program::mirror_status, Some(gongkai_store::mirror::records::STATUS_BYTES_MAX), OF_LINES),
    parser("submission", program::submission, None, OF_JSON),
];

/// The parser of this name.
pub fn parser_named(name: &str) -> &'static Parser {
    PARSERS.iter().find(|parser| parser.name == name).unwrap_or_else(|| panic!("no parser {name}"))
}

/// Whose checkpoints the parsers trust.
pub fn log_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::from_seed(ORIGIN, KeyKind::Ed25519, [1; 32]).unwrap())
}

/// Whose cosignatures the parsers trust.
pub fn witness_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::from_seed("witness.example/1", KeyKind::CosignatureV1, [9; 32]).unwrap())
}

fn verifiers() -> &'static [VerifierKey; 2] {
    static KEYS: OnceLock<[VerifierKey; 2]> = OnceLock::new();
    KEYS.get_or_init(|| [log_key().verifier(), witness_key().verifier()])
}
