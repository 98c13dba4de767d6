//! The history of a matter: its events with who signed them, and what changed from one version to the next.

use askama::Template;
use askama::filters::HtmlSafe;

use super::{Badge, Link, Row, Shown};
use crate::site::format::{Bytes, Moment};

/// A piece of a text compared with its earlier version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// In both versions.
    Same(String),
    /// Only in the earlier one.
    Deleted(String),
    /// Only in the later one.
    Inserted(String),
}

/// The difference of one field between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_diff.html")]
pub struct Diff {
    /// The field's label.
    pub label: String,
    /// The text in order.
    pub segments: Vec<Segment>,
}

impl HtmlSafe for Diff {}

/// Who signed, in which role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Role in Chinese, such as 发布.
    pub role: String,
    /// Who holds the key.
    pub holder: String,
    /// The key's name.
    pub key: String,
}

/// What somebody entered for somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// 网 / 短信 / 电话 / 信函 / 来访 / 会议.
    pub channel: String,
    /// Hash of the original, base64.
    pub original: String,
}

/// A file that belongs to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Name for people.
    pub name: Shown,
    /// Address, absent when it was withdrawn or is sealed.
    pub href: Option<String>,
    /// Size.
    pub size: Bytes,
    /// BLAKE3 hash, lower-case hex.
    pub hash: String,
}

/// One event of a matter's history.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "part_event.html")]
pub struct Event {
    /// Entry number.
    pub index: u64,
    /// The kind's label.
    pub kind: String,
    /// State that it led to.
    pub status: Option<Badge>,
    /// The author's time.
    pub declared: Moment,
    /// The ledger's time.
    pub recorded: Moment,
    /// Days between its due date and the record, when it was back-filled.
    pub late_days: Option<u32>,
    /// In whose name.
    pub org: Link,
    /// Who signed, author first.
    pub signers: Vec<Signer>,
    /// Entered for somebody else.
    pub proxy: Option<Proxy>,
    /// Labelled values.
    pub rows: Vec<Row>,
    /// What it changed.
    pub diffs: Vec<Diff>,
    /// Its files.
    pub attachments: Vec<Attachment>,
}

impl HtmlSafe for Event {}

/// A sample event of an organization in the demo county.
pub(crate) fn sample_event(index: u64, kind: &str, declared: Moment, recorded: Moment) -> Event {
    Event {
        index,
        kind: kind.into(),
        status: None,
        declared,
        recorded,
        late_days: None,
        org: Link::new("/organizations/990101003", "五里桥村"),
        signers: vec![Signer {
            role: "发布".into(), holder: "五里桥村文书".into(), key: "wuliqiao.wenshu/1".into()
        }],
        proxy: None,
        rows: Vec::new(),
        diffs: Vec::new(),
        attachments: Vec::new(),
    }
}
