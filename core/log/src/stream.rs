//! Names of event streams: `<family>/<uuid>`, the thing that statements are about.
//!
//! Not here: which families there are, and which version a UUID must have; both are the domain's.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Most bytes of a family's name.
pub const FAMILY_BYTES_MAX: usize = 32;

/// Why a text names no stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The family is empty, too long, or has other characters than `a`–`z` and `_`.
    #[error("a stream's family is 1 to 32 of a-z and _")]
    Family,
    /// The id is no lower-case hyphenated UUID.
    #[error("a stream's id is a lower-case hyphenated UUID")]
    Id,
    /// There is no `/`.
    #[error("a stream is <family>/<uuid>")]
    Form,
}

/// A stream's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The family: `a`–`z` and `_`.
    pub family: String,
    /// The thing within the family.
    pub id: Uuid,
}

impl StreamId {
    /// Names a stream.
    pub fn new(family: &str, id: Uuid) -> Result<Self, StreamError> {
        let letters = family.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_'));
        if family.is_empty() || family.len() > FAMILY_BYTES_MAX || !letters {
            return Err(StreamError::Family);
        }
        Ok(Self { family: family.to_owned(), id })
    }

    /// Reads `<family>/<uuid>` in its only spelling.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        let (family, id) = text.split_once('/').ok_or(StreamError::Form)?;
        // The UUID parser also takes upper case, braces, and the form without hyphens.
        if id.len() != 36 || id.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(StreamError::Id);
        }
        let id = Uuid::try_parse(id).map_err(|_| StreamError::Id)?;
        Self::new(family, id)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut id = Uuid::encode_buffer();
        f.write_str(&self.family)?;
        f.write_str("/")?;
        f.write_str(self.id.hyphenated().encode_lower(&mut id))
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({self})")
    }
}

impl std::str::FromStr for StreamId {
    type Err = StreamError;
    fn from_str(text: &str) -> Result<Self, StreamError> {
        Self::parse(text)
    }
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_one_spelling() {
        let text = "pledge/018f0000-0000-7000-8000-000000000001";
        let stream = StreamId::parse(text).unwrap();
        assert_eq!(stream.to_string(), text);
        let json = serde_json::to_string(&stream).unwrap();
        assert_eq!(serde_json::from_str::<StreamId>(&json).unwrap(), stream);
        for bad in [
            "pledge",
            "/018f0000-0000-7000-8000-000000000001",
            "Pledge/018f0000-0000-7000-8000-000000000001",
            "pledge2/018f0000-0000-7000-8000-000000000001",
            "pledge/018F0000-0000-7000-8000-000000000001",
            "pledge/018f0000000070008000000000000001",
            "pledge/{18f0000-0000-7000-8000-00000000001}",
            "pledge/018f0000-0000-7000-8000-000000000001/",
            "pledge/018f00000-000-7000-8000-000000000001",
            "",
        ] {
            assert!(StreamId::parse(bad).is_err(), "{bad}");
        }
        let long = "a".repeat(FAMILY_BYTES_MAX + 1);
        assert_eq!(StreamId::new(&long, Uuid::nil()), Err(StreamError::Family));
    }
}
