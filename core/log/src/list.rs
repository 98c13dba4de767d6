//! Lists: finance lines, rosters, asset registers, as trees of salted line commitments.
//!
//! The body of a statement holds `count` and `lines`, the root; the rows are published at
//! `lines/<hex of the root>`, one canonical JSON line each. A withdrawn row leaves its commitment, so
//! a list is complete only when each line is there or its withdrawal is on record.
//!
//! Not here: what a row means, and why one was withdrawn.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::canonical::{self, CanonicalError, INTEGER_MAX};
use crate::hash::{Digest, HashError, decode32};
use crate::slot::{self, Tier};
use crate::statement::statement_id;
use crate::stream::StreamId;
use crate::tree;

/// Most bytes of one row's line.
pub const ROW_BYTES_MAX: usize = 65_535;

/// Most bytes of a list's file: half a million ordinary finance lines.
pub const LIST_BYTES_MAX: usize = 256 << 20;

/// Why a list is refused. Lines count from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// More than [`LIST_BYTES_MAX`] bytes.
    #[error("a list of {0} bytes is too long")]
    TooLong(usize),
    /// The last line has no newline.
    #[error("the list does not end in a newline")]
    Form,
    /// A line is not canonical JSON.
    #[error("line {line}: the JSON")]
    Json {
        /// Line number.
        line: u64,
        /// What is wrong.
        #[source]
        source: CanonicalError,
    },
    /// A salt or commitment is malformed.
    #[error("line {line}: a salt or commitment")]
    Hash {
        /// Line number.
        line: u64,
        /// What is wrong.
        #[source]
        source: HashError,
    },
    /// Neither `line`, `row` and `salt` nor `commitment` and `line`.
    #[error("line {line}: neither line, row and salt nor commitment and line")]
    Members {
        /// Line number.
        line: u64,
    },
    /// A row that is not at the place that it names.
    #[error("line {line} names another line")]
    Order {
        /// Line number.
        line: u64,
    },
    /// Another number of rows than the statement says.
    #[error("{rows} lines, the statement says {count}")]
    Count {
        /// Rows found.
        rows: u64,
        /// Rows in the statement.
        count: u64,
    },
    /// The rows do not lead to the root in the statement.
    #[error("the lines do not lead to the root in the statement")]
    Root,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A row that can be read.
    Open {
        /// Line number, from 0.
        line: u64,
        /// The row.
        row: Map<String, Value>,
        /// 32 random bytes.
        salt: [u8; 32],
    },
    /// A row that was withdrawn.
    Withdrawn {
        /// Line number, from 0.
        line: u64,
        /// What still binds it.
        commitment: Digest,
    },
}

impl Row {
    /// Line number, from 0.
    pub fn line(&self) -> u64 {
        match self {
            Self::Open { line, .. } | Self::Withdrawn { line, .. } => *line,
        }
    }

    /// The canonical JSON line, without newline.
    pub fn to_line(&self) -> Result<String, ListError> {
        let value = match self {
            Self::Open { line, row, salt } => json!({
                "line": line,
                "row": row,
                "salt": Digest::from_bytes(*salt).to_string(),
            }),
            Self::Withdrawn { line, commitment } => {
                json!({"commitment": commitment.to_string(), "line": line})
            }
        };
        let line = self.line();
        let text = canonical::to_string(&value).map_err(|source| ListError::Json { line, source })?;
        if text.len() > ROW_BYTES_MAX {
            let source = CanonicalError::TooLong { bytes: text.len(), bytes_max: ROW_BYTES_MAX };
            return Err(ListError::Json { line, source });
        }
        Ok(text)
    }

    fn parse(line: u64, text: &str) -> Result<Self, ListError> {
        let value =
            canonical::parse_with_limit(text, ROW_BYTES_MAX).map_err(|source| ListError::Json { line, source })?;
        let malformed = || ListError::Members { line };
        let Value::Object(mut members) = value else {
            return Err(malformed());
        };
        let stated = members.remove("line").and_then(|stated| stated.as_u64());
        if stated.ok_or_else(malformed)? != line {
            return Err(ListError::Order { line });
        }
        let hash = |text: &Value| {
            let decoded = text.as_str().map_or(Err(HashError::Base64), decode32);
            decoded.map_err(|source| ListError::Hash { line, source })
        };
        let parts = (members.remove("row"), members.remove("salt"), members.remove("commitment"));
        let row = match parts {
            (Some(Value::Object(row)), Some(salt), None) => Self::Open { line, row, salt: hash(&salt)? },
            (None, None, Some(commitment)) => {
                Self::Withdrawn { line, commitment: Digest::from_bytes(hash(&commitment)?) }
            }
            _ => return Err(malformed()),
        };
        if members.is_empty() { Ok(row) } else { Err(malformed()) }
    }
}

/// Commitment of a row: `derive_key(slot context, salt ‖ canonical [origin, statement id, "line", line,
/// row])`.
pub fn commit_line(
    origin: &str,
    stream: &StreamId,
    revision: u64,
    line: u64,
    row: &Map<String, Value>,
    salt: &[u8; 32],
) -> Result<Digest, ListError> {
    let payload = json!([origin, statement_id(stream, revision), "line", line, row]);
    let payload = canonical::to_string(&payload).map_err(|source| ListError::Json { line, source })?;
    Ok(slot::commitment(salt, &payload))
}

/// What stays sealed of a line that is public: one cell, of which the row holds only the commitment.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Column of the list.
    pub name: String,
    /// 32 random bytes; padded base64 in JSON.
    #[serde(serialize_with = "slot::salt_to_text", deserialize_with = "slot::salt_from_text")]
    pub salt: [u8; 32],
    /// To whom the cell is disclosed.
    pub tier: Tier,
    /// The value.
    pub value: Value,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cell({}, {})", self.name, self.tier)
    }
}

/// Commitment of a sealed cell: `derive_key(slot context, salt ‖ canonical [origin, statement id, "cell",
/// line, tier, column, value])`.
pub fn commit_cell(
    origin: &str,
    stream: &StreamId,
    revision: u64,
    line: u64,
    cell: &Cell,
) -> Result<Digest, ListError> {
    let payload =
        json!([origin, statement_id(stream, revision), "cell", line, cell.tier.as_str(), cell.name, cell.value]);
    let payload = canonical::to_string(&payload).map_err(|source| ListError::Json { line, source })?;
    Ok(slot::commitment(&cell.salt, &payload))
}

/// Root over commitments, in the shape of RFC 6962 with BLAKE3; BLAKE3 of nothing for no lines.
pub fn root(commitments: &[Digest]) -> Digest {
    tree::root(&tree::commitment_leaves(commitments))
}

/// The hashes that lead from one commitment to the root; empty for a place beyond the last.
pub fn path(commitments: &[Digest], place: usize) -> Vec<Digest> {
    tree::path(&tree::commitment_leaves(commitments), place)
}

/// Whether a commitment is at this place among `count` under this root.
pub fn verify_path(root: &Digest, place: u64, count: u64, commitment: &Digest, path: &[Digest]) -> bool {
    tree::root_from_path(place, count, &tree::commitment_leaf(commitment), path) == Some(*root)
}

/// A list as it is published.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// Every line, in order.
    pub rows: Vec<Row>,
}

impl List {
    /// Reads a list's file.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        if text.len() > LIST_BYTES_MAX {
            return Err(ListError::TooLong(text.len()));
        }
        if text.is_empty() {
            return Ok(Self::default());
        }
        let lines = text.strip_suffix('\n').ok_or(ListError::Form)?.split('\n');
        let rows = (0..=INTEGER_MAX).zip(lines).map(|(line, text)| Row::parse(line, text));
        let rows = rows.collect::<Result<_, _>>()?;
        Ok(Self { rows })
    }

    /// Writes a list's file.
    pub fn to_text(&self) -> Result<String, ListError> {
        let mut text = String::new();
        for (line, row) in (0..).zip(&self.rows) {
            if row.line() != line {
                return Err(ListError::Order { line });
            }
            text.push_str(&row.to_line()?);
            text.push('\n');
        }
        Ok(text)
    }

    /// Commitments of all lines, as lines of this statement.
    pub fn commitments(&self, origin: &str, stream: &StreamId, revision: u64) -> Result<Vec<Digest>, ListError> {
        let rows = (0..).zip(&self.rows);
        rows.map(|(place, row)| match row {
            _ if row.line() != place => Err(ListError::Order { line: place }),
            Row::Open { line, row, salt } => commit_line(origin, stream, revision, *line, row, salt),
            Row::Withdrawn { commitment, .. } => Ok(*commitment),
        })
        .collect()
    }

    /// Whether these are the `count` lines under `lines` in the statement.
    pub fn check(
        &self,
        origin: &str,
        stream: &StreamId,
        revision: u64,
        lines: &Digest,
        count: u64,
    ) -> Result<(), ListError> {
        let rows = self.rows.len() as u64;
        if rows != count {
            return Err(ListError::Count { rows, count });
        }
        if root(&self.commitments(origin, stream, revision)?) != *lines {
            return Err(ListError::Root);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn stream() -> StreamId {
        StreamId::new("example", Uuid::from_u128(3)).unwrap()
    }

    fn sample(lines: u64) -> List {
        let row = |line: u64| Row::Open {
            line,
            row: json!({"fen": line, "summary": "电费"}).as_object().unwrap().clone(),
            salt: *Digest::of(&line.to_be_bytes()).as_bytes(),
        };
        List { rows: (0..lines).map(row).collect() }
    }

    fn root_of(list: &List) -> Digest {
        root(&list.commitments("ledger.example", &stream(), 0).unwrap())
    }

    fn check(list: &List, root: &Digest, count: u64) -> Result<(), ListError> {
        list.check("ledger.example", &stream(), 0, root, count)
    }

    #[test]
    fn a_list_survives_its_file_and_leads_to_its_root() {
        for lines in [0, 1, 2, 3, 7, 8, 100] {
            let list = sample(lines);
            assert_eq!(List::parse(&list.to_text().unwrap()).unwrap(), list);
            assert_eq!(check(&list, &root_of(&list), lines), Ok(()));
        }
    }

    #[test]
    fn a_withdrawn_line_leaves_the_root_as_it_was() {
        let mut list = sample(5);
        let root = root_of(&list);
        let commitment = list.commitments("ledger.example", &stream(), 0).unwrap()[2];
        list.rows[2] = Row::Withdrawn { line: 2, commitment };
        assert_eq!(check(&list, &root, 5), Ok(()));
        assert_eq!(List::parse(&list.to_text().unwrap()).unwrap(), list);
    }

    #[test]
    fn a_missing_extra_moved_or_changed_line_is_found() {
        let list = sample(5);
        let root = root_of(&list);
        let mut short = list.clone();
        short.rows.pop();
        assert_eq!(check(&short, &root, 5), Err(ListError::Count { rows: 4, count: 5 }));
        assert_eq!(check(&short, &root, 4), Err(ListError::Root));
        let mut moved = list.clone();
        moved.rows.swap(1, 2);
        assert_eq!(check(&moved, &root, 5), Err(ListError::Order { line: 1 }));
        let mut changed = list.clone();
        if let Row::Open { row, .. } = &mut changed.rows[3] {
            row.insert("fen".to_owned(), json!(9));
        }
        assert_eq!(check(&changed, &root, 5), Err(ListError::Root));
        assert_eq!(list.check("ledger.example", &stream(), 1, &root, 5), Err(ListError::Root));
    }

    #[test]
    fn files_in_another_spelling_are_refused() {
        let text = sample(2).to_text().unwrap();
        for (from, to) in [
            ("\"line\":1", "\"line\":2"),
            ("\"line\":0,", ""),
            ("\"line\":0", "\"commitment\":\"\",\"line\":0"),
            ("\"row\":{", "\"row\":[{"),
            ("=\"}\n{", "\"}\n{"),
            ("}\n{", "}\n\n{"),
            ("}\n{", "}\r\n{"),
            ("{\"line\":0", "{\"a\":0,\"line\":0"),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(List::parse(&text.replacen(from, to, 1)).is_err(), "{to}");
        }
        assert_eq!(List::parse(text.trim_end()), Err(ListError::Form));
    }
}
