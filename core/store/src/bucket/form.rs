//! With which media type and caching each published file is given out, by the ledger's own server and by a bucket alike.
//!
//! A cache in front of either needs to know nothing else: what has its hash or its place in its name may be kept for ever,
//! the checkpoint for a second. To publish another kind of file, add its line to [`of`].

use object_store::{Attribute, Attributes};

/// Notes, keys, entries and proofs.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// Tiles (c2sp.org/tlog-tiles).
pub const OCTETS: &str = "application/octet-stream";
/// One JSON value a line.
pub const JSON_LINES: &str = "application/jsonl; charset=utf-8";

/// For what has its hash or its place in its address.
pub const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// The checkpoint changes with every batch; witnesses and browsers must see a new one within a second.
pub const CHECKPOINT: &str = "public, max-age=1";
/// Openings can be withdrawn: a shared cache may show them for ten seconds more.
pub const OPENINGS: &str = "public, max-age=10";
/// The key is pinned by whoever checks; it changes with a rotation only.
pub const VKEY: &str = "public, max-age=300";
/// What is handed in and not published yet.
const PRIVATE: &str = "private, no-store";

/// How something is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// `Content-Type`.
    pub media_type: &'static str,
    /// `Cache-Control`.
    pub caching: &'static str,
}

/// The form of a file by its name below the ledger's folder, such as `log/tile/0/000`.
pub fn of(name: &str) -> Form {
    let form = |media_type, caching| Form { media_type, caching };
    let Some(published) = name.strip_prefix("log/") else { return form(OCTETS, PRIVATE) };
    match published.split('/').next().unwrap_or_default() {
        "checkpoint" => form(TEXT, CHECKPOINT),
        "vkey" | "policy" => form(TEXT, VKEY),
        "key-history" => form(OCTETS, VKEY),
        "openings" | "lines" => form(JSON_LINES, OPENINGS),
        "tile" | "attachment" => form(OCTETS, IMMUTABLE),
        _ => form(OCTETS, PRIVATE),
    }
}

/// `Content-Disposition` of an attachment: it is saved and never shown.
pub fn saved_as(hash: &str) -> String {
    format!("attachment; filename=\"{hash}\"")
}

/// The same for an object.
pub(crate) fn attributes(name: &str) -> Attributes {
    let Form { media_type, caching } = of(name);
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, media_type.into());
    attributes.insert(Attribute::CacheControl, caching.into());
    if let Some(hash) = name.strip_prefix("log/attachment/") {
        attributes.insert(Attribute::ContentDisposition, saved_as(hash).into());
    }
    attributes
}
