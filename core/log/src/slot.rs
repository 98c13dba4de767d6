//! Slots: the 16 salted commitments of a statement, and their openings (confidentiality.md §1).
//!
//! Every free text and every personal detail of a statement is committed in a slot; what a reader
//! may see is a question of who holds the opening (value and salt). Publishing, sealing, revealing
//! and erasing give or withdraw openings and never change the log.
//!
//! Not here: which field belongs to which tier, the vault, salts (they are handed in).

mod line;

use std::{fmt::Write as _, sync::LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub(crate) use self::line::{Line, check_all, parse_lines};
use crate::canonical::{self, CanonicalError};
use crate::hash::{Digest, HASH_TEXT_BYTES, HashError, decode32, push32};
use crate::lanes::Function;
use crate::statement::{Statement, statement_id};
use crate::stream::StreamId;
use crate::tree;

/// Slots of every statement, used or empty.
pub const SLOTS: usize = 16;

/// Most bytes of one line of an openings file.
pub const OPENINGS_LINE_BYTES_MAX: usize = 1 << 20;

/// Most bytes of a field's name in an opening.
pub const FIELD_NAME_BYTES_MAX: usize = 128;

/// Digits of the largest index, 2^53 − 1.
const INDEX_BYTES_MAX: usize = 16;

/// Bytes of a line before its index: the commitments.
const LINE_HEAD_BYTES: usize = 18 + SLOTS * (HASH_TEXT_BYTES + 3) + 10;

const CONTEXT: &str = "gongkai 2026 slot v1";

// The key of the context, computed once: it costs as much as a commitment.
static HASHER: LazyLock<Function> = LazyLock::new(|| Function::derive_key(CONTEXT));

/// Why openings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// A value has no canonical form, or a line is not in it.
    #[error("the JSON")]
    Json(#[from] CanonicalError),
    /// A hash or salt is malformed.
    #[error("a commitment or salt")]
    Hash(#[from] HashError),
    /// A member is missing, unknown, or has no valid value.
    #[error("member {member:?} {reason}")]
    Member {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A slot number beyond 15.
    #[error("there is no slot {0}")]
    Range(u8),
    /// A slot opened twice, or openings not in the order of their slots.
    #[error("slot {0} is opened twice or out of order")]
    Order(u8),
    /// The commitments do not lead to the statement's root.
    #[error("the commitments do not lead to the root in the statement")]
    Root,
    /// An opening does not lead to its commitment.
    #[error("the opening of slot {slot} ({name}) does not lead to its commitment")]
    Opening {
        /// Slot number.
        slot: u8,
        /// Field name in the opening.
        name: String,
    },
}

/// To whom a field is disclosed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// 向社会公开.
    Public,
    /// 在全党公开.
    Members,
    /// 在本地区本部门本单位公开.
    Unit,
    /// 对特定对象公开.
    Named,
}

impl Tier {
    /// All tiers, widest first.
    pub const ALL: [Self; 4] = [Self::Public, Self::Members, Self::Unit, Self::Named];

    /// The word in commitments and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Members => "members",
            Self::Unit => "unit",
            Self::Named => "named",
        }
    }

    /// The tier of a word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == text)
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

pub(crate) fn salt_to_text<S: Serializer>(salt: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Digest::from_bytes(*salt))
}

pub(crate) fn salt_from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    let text = String::deserialize(deserializer)?;
    decode32(&text).map_err(serde::de::Error::custom)
}

/// What opens one slot. Its `Debug` hides salt and value: both may be confidential.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Slot number, 0–15.
    pub slot: u8,
    /// 32 random bytes; padded base64 in JSON.
    #[serde(serialize_with = "salt_to_text", deserialize_with = "salt_from_text")]
    pub salt: [u8; 32],
    /// To whom the field is disclosed; bound by the commitment.
    pub tier: Tier,
    /// Field name.
    pub name: String,
    /// Field value.
    pub value: Value,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { slot, tier, name, .. } = self;
        write!(f, "Opening({slot}, {tier}, {name}, value hidden)")
    }
}

/// The slot hasher, which lists share (design 3.1: lines are committed the same way).
pub(crate) fn commitment(salt: &[u8; 32], payload: &str) -> Digest {
    HASHER.one(&[salt, payload.as_bytes()])
}

/// Commitment of an opening: `derive_key(context, salt ‖ canonical [origin, statement id, slot, tier,
/// name, value])`.
pub fn commit(origin: &str, stream: &StreamId, revision: u64, opening: &Opening) -> Result<Digest, SlotError> {
    if usize::from(opening.slot) >= SLOTS {
        return Err(SlotError::Range(opening.slot));
    }
    check_name(&opening.name)?;
    let mut payload = payload_head(origin, stream, revision);
    write!(payload, "{},\"{}\",", opening.slot, opening.tier).expect("writing to a String cannot fail");
    canonical::write_string(&opening.name, &mut payload);
    payload.push(',');
    canonical::write_value(&opening.value, &mut payload, 1)?;
    payload.push(']');
    Ok(commitment(&opening.salt, &payload))
}

/// What the payloads of all slots of a statement begin with.
fn payload_head(origin: &str, stream: &StreamId, revision: u64) -> String {
    let mut payload = String::with_capacity(512);
    payload.push('[');
    canonical::write_string(origin, &mut payload);
    payload.push(',');
    canonical::write_string(&statement_id(stream, revision), &mut payload);
    payload.push(',');
    payload
}

/// Commitment of an empty slot: the same function over 32 random bytes, so that nobody can tell.
pub fn empty(salt: &[u8; 32], filler: &[u8; 32]) -> Digest {
    HASHER.one(&[salt, filler])
}

/// Root of the 16 commitments, `slots` in the statement.
pub fn root(commitments: &[Digest; SLOTS]) -> Digest {
    tree::root(&tree::commitment_leaves(commitments))
}

/// The four hashes that lead from one slot to the root; empty for a slot beyond 15.
pub fn path(commitments: &[Digest; SLOTS], slot: u8) -> Vec<Digest> {
    tree::path(&tree::commitment_leaves(commitments), usize::from(slot))
}

/// Whether a commitment is slot `slot` under this root.
pub fn verify_path(root: &Digest, slot: u8, commitment: &Digest, path: &[Digest]) -> bool {
    let leaf = tree::commitment_leaf(commitment);
    tree::root_from_path(u64::from(slot), SLOTS as u64, &leaf, path) == Some(*root)
}

/// One line of an openings file: all commitments of one entry's statement, and what is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Openings {
    /// Index of the entry.
    pub index: u64,
    /// The 16 commitments.
    pub commitments: [Digest; SLOTS],
    /// Openings, each slot once; written in the order of the slots.
    pub open: Vec<Opening>,
}

/// A line of an openings file but for the index, which an entry has only at its turn.
#[derive(Clone, PartialEq, Eq)]
pub struct UnplacedLine {
    before: String,
    after: String,
}

impl std::fmt::Debug for UnplacedLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UnplacedLine({} bytes, hidden)", self.before.len() + self.after.len())
    }
}

impl UnplacedLine {
    /// The line of the entry at this index.
    pub fn at(&self, index: u64) -> String {
        let Self { before, after } = self;
        format!("{before}{index}{after}")
    }
}

impl Openings {
    /// The canonical JSON line, without newline.
    pub fn to_line(&self) -> Result<String, SlotError> {
        Ok(self.to_unplaced_line()?.at(self.index))
    }

    /// The canonical JSON line around its index; the index here does not matter. Refused if it could
    /// become too long with any index.
    pub fn to_unplaced_line(&self) -> Result<UnplacedLine, SlotError> {
        let mut open: Vec<&Opening> = self.open.iter().collect();
        open.sort_by_key(|opening| opening.slot);
        check_slots(open.iter().map(|opening| opening.slot))?;
        let mut before = String::with_capacity(LINE_HEAD_BYTES);
        for commitment in &self.commitments {
            before.push_str(if before.is_empty() { "{\"commitments\":[\"" } else { "\",\"" });
            push32(commitment.as_bytes(), &mut before);
        }
        before.push_str("\"],\"index\":");
        let mut after = String::with_capacity(256);
        after.push_str(",\"open\":[");
        for (place, opening) in open.into_iter().enumerate() {
            after.push_str(if place == 0 { "{\"name\":" } else { ",{\"name\":" });
            canonical::write_string(&opening.name, &mut after);
            after.push_str(",\"salt\":\"");
            push32(&opening.salt, &mut after);
            write!(after, "\",\"slot\":{},\"tier\":\"{}\",\"value\":", opening.slot, opening.tier)
                .expect("writing to a String cannot fail");
            canonical::write_value(&opening.value, &mut after, 3)?;
            after.push('}');
        }
        after.push_str("]}");
        let bytes = before.len() + INDEX_BYTES_MAX + after.len();
        if bytes > OPENINGS_LINE_BYTES_MAX {
            return Err(CanonicalError::TooLong { bytes, bytes_max: OPENINGS_LINE_BYTES_MAX }.into());
        }
        Ok(UnplacedLine { before, after })
    }

    /// Reads a line without its newline; nothing is checked against a statement yet.
    pub fn parse_line(line: &str) -> Result<Self, SlotError> {
        Line::parse(line)?.openings()
    }

    /// Whether the commitments are those of the statement, and each opening that of its slot.
    pub fn check(&self, statement: &Statement) -> Result<(), SlotError> {
        if root(&self.commitments) != statement.slots {
            return Err(SlotError::Root);
        }
        let mut seen = [false; SLOTS];
        for opening in &self.open {
            let place = usize::from(opening.slot);
            let Some(seen) = seen.get_mut(place) else {
                return Err(SlotError::Range(opening.slot));
            };
            if std::mem::replace(seen, true) {
                return Err(SlotError::Order(opening.slot));
            }
            let Statement { origin, stream, revision, .. } = statement;
            if commit(origin, stream, *revision, opening)? != self.commitments[place] {
                return Err(SlotError::Opening { slot: opening.slot, name: opening.name.clone() });
            }
        }
        Ok(())
    }
}

/// Why bytes are no openings file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningsFileError {
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// The last line was cut.
    #[error("does not end in a newline")]
    Newline,
    /// A line is malformed.
    #[error("line {line}")]
    Line {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: SlotError,
    },
    /// A line of another bundle, twice, or before its turn.
    #[error("line {line}: index {index} is out of order")]
    Order {
        /// Line, from 1.
        line: usize,
        /// Index that it names.
        index: u64,
    },
}

/// Reads the openings file of a bundle: its lines in the order of their indexes. It follows the growing
/// bundle, so it may be ahead of a checkpoint, never of its bundle.
pub fn parse_openings(bytes: &[u8], bundle: u64) -> Result<Vec<Openings>, OpeningsFileError> {
    let lines = (1..).zip(parse_lines(bytes, bundle)?);
    lines.map(|(line, read)| read.openings().map_err(|source| OpeningsFileError::Line { line, source })).collect()
}

fn refuse(member: &'static str, reason: &'static str) -> SlotError {
    SlotError::Member { member, reason }
}

fn check_name(name: &str) -> Result<(), SlotError> {
    if name.is_empty() || name.len() > FIELD_NAME_BYTES_MAX {
        return Err(refuse("name", "is empty or longer than 128 bytes"));
    }
    Ok(())
}

fn check_slots(slots: impl Iterator<Item = u8>) -> Result<(), SlotError> {
    let mut next = 0;
    for slot in slots {
        if usize::from(slot) >= SLOTS {
            return Err(SlotError::Range(slot));
        }
        if slot < next {
            return Err(SlotError::Order(slot));
        }
        next = slot + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Signer;
    use crate::time::parse_declared;
    use serde_json::{Map, json};
    use uuid::Uuid;

    fn sample() -> (Statement, Openings) {
        let stream = StreamId::new("example", Uuid::from_u128(1)).unwrap();
        let open = |slot: u8, value: Value| Opening {
            slot,
            salt: [slot + 1; 32],
            tier: Tier::Public,
            name: "title".to_owned(),
            value,
        };
        let open = vec![open(3, json!("修路")), open(9, json!(["a", {"b": 1}]))];
        let mut commitments = [Digest::ZERO; SLOTS];
        for (slot, commitment) in commitments.iter_mut().enumerate() {
            *commitment = empty(&[u8::try_from(slot).unwrap(); 32], &[0xAA; 32]);
        }
        for opening in &open {
            commitments[usize::from(opening.slot)] = commit("ledger.example", &stream, 0, opening).unwrap();
        }
        let statement = Statement {
            origin: "ledger.example".to_owned(),
            kind: "example.said.v1".to_owned(),
            stream,
            revision: 0,
            parent: None,
            org: "1".to_owned(),
            declared_at: parse_declared("2026-03-10T09:12:00+08:00").unwrap(),
            signers: vec![Signer { role: "author".to_owned(), key: "alice/1".to_owned() }],
            proxy: None,
            body: Map::new(),
            slots: root(&commitments),
        };
        let openings = Openings { index: 4, commitments, open };
        (statement, openings)
    }

    #[test]
    fn openings_survive_their_line_and_lead_to_the_root() {
        let (statement, openings) = sample();
        let line = openings.to_line().unwrap();
        assert_eq!(Openings::parse_line(&line).unwrap(), openings);
        assert_eq!(openings.check(&statement), Ok(()));
    }

    #[test]
    fn a_line_and_a_commitment_are_those_of_the_canonical_json() {
        let (statement, mut openings) = sample();
        openings.open[1].value = json!({"z": ["引号\"斜线\\换行\n分隔\u{2028}表情😀"], "a": -1});
        openings.open[1].name = "na\"me".to_owned();
        let open = openings.open.iter().map(|o| {
            let salt = Digest::from_bytes(o.salt).to_string();
            json!({"slot": o.slot, "salt": salt, "tier": o.tier.as_str(), "name": o.name, "value": o.value})
        });
        let commitments: Vec<String> = openings.commitments.iter().map(Digest::to_string).collect();
        let line = json!({"index": 1_234_567, "open": open.collect::<Vec<_>>(), "commitments": commitments});
        let unplaced = openings.to_unplaced_line().unwrap();
        assert_eq!(unplaced.at(1_234_567), canonical::to_string(&line).unwrap());
        assert!(!format!("{unplaced:?}").contains("引号"));
        let Opening { slot, salt, tier, name, value } = &openings.open[1];
        let payload = canonical::to_string(&json!(["ledger.example", statement.id(), slot, tier, name, value]));
        let expected = commitment(salt, &payload.unwrap());
        assert_eq!(commit("ledger.example", &statement.stream, statement.revision, &openings.open[1]), Ok(expected));
    }

    #[test]
    fn a_line_is_refused_when_an_index_could_make_it_too_long() {
        let mut openings = sample().1;
        let bare = openings.to_unplaced_line().unwrap().at(0).len() - 1;
        let text = |bytes: usize| Value::String("x".repeat(bytes));
        let shorter = openings.open[0].value.as_str().unwrap().len();
        let room = OPENINGS_LINE_BYTES_MAX - INDEX_BYTES_MAX - bare + shorter;
        openings.open[0].value = text(room);
        let line = openings.to_unplaced_line().unwrap().at(9_007_199_254_740_991);
        assert_eq!(line.len(), OPENINGS_LINE_BYTES_MAX);
        assert!(Openings::parse_line(&line).is_ok());
        openings.open[0].value = text(room + 1);
        assert!(matches!(openings.to_line(), Err(SlotError::Json(CanonicalError::TooLong { .. }))));
    }

    #[test]
    fn a_changed_opening_is_found() {
        let (statement, openings) = sample();
        let found = |change: fn(&mut Openings)| {
            let mut changed = openings.clone();
            change(&mut changed);
            changed.check(&statement)
        };
        let slot_3 = SlotError::Opening { slot: 3, name: "title".to_owned() };
        assert_eq!(found(|o| o.open[0].value = json!("修桥")), Err(slot_3.clone()));
        assert_eq!(found(|o| o.open[0].tier = Tier::Unit), Err(slot_3.clone()));
        assert_eq!(found(|o| o.open[0].salt[31] ^= 1), Err(slot_3.clone()));
        assert_eq!(
            found(|o| {
                o.open[0].slot = 9;
                o.open[1].slot = 3;
            }),
            Err(SlotError::Opening { slot: 9, name: "title".to_owned() })
        );
        assert_eq!(found(|o| o.commitments.swap(0, 1)), Err(SlotError::Root));
        assert_eq!(found(|o| o.open[1].slot = 16), Err(SlotError::Range(16)));
        assert_eq!(found(|o| o.open.push(o.open[1].clone())), Err(SlotError::Order(9)));
        let mut elsewhere = statement.clone();
        elsewhere.origin = "other.example".to_owned();
        assert_eq!(openings.check(&elsewhere), Err(slot_3));
    }

    #[test]
    fn one_slot_opens_with_four_hashes() {
        let (statement, openings) = sample();
        for slot in 0..16u8 {
            let path = path(&openings.commitments, slot);
            assert_eq!(path.len(), 4);
            let commitment = &openings.commitments[usize::from(slot)];
            assert!(verify_path(&statement.slots, slot, commitment, &path));
            assert!(!verify_path(&statement.slots, slot ^ 1, commitment, &path));
            assert!(!verify_path(&statement.slots, slot, commitment, &path[..3]));
        }
        assert!(path(&openings.commitments, 16).is_empty());
    }

    #[test]
    fn lines_in_another_spelling_are_refused() {
        let line = sample().1.to_line().unwrap();
        for (from, to) in [
            ("\"slot\":3", "\"slot\":10"),
            ("\"slot\":3", "\"slot\":9"),
            ("\"slot\":3", "\"slot\":300"),
            ("\"tier\":\"public\"", "\"tier\":\"Public\""),
            ("\"index\":4", "\"index\":-4"),
            ("\"index\":4,", ""),
            ("\"index\":4,", "\"index\":4,\"more\":1,"),
            ("\"value\":\"", "\"unit\":1,\"value\":\""),
            ("\"commitments\":[", "\"commitments\":[\"\","),
            ("=\",\"slot\"", "\",\"slot\""),
            ("{\"comm", "{ \"comm"),
        ] {
            assert!(line.contains(from), "{from}");
            let changed = line.replacen(from, to, 1);
            assert!(Openings::parse_line(&changed).is_err(), "{to}");
        }
    }

    #[test]
    fn debug_shows_neither_value_nor_salt() {
        let shown = format!("{:?}", sample().1);
        assert!(!shown.contains("修路") && !shown.contains("4, 4"), "{shown}");
        let json = serde_json::to_value(&sample().1.open[0]).unwrap();
        let back: Opening = serde_json::from_value(json).unwrap();
        assert_eq!(back, sample().1.open[0]);
    }
}
