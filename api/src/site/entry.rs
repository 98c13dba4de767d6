//! One entry for people: its raw text, what of it is open, and its neighbours.

use askama::Template;

use super::format::Moment;
use super::parts::{Check, Link, Shown, sample_tombstone};
use super::{Page, Section, Site};

/// An opened slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningRow {
    /// Slot, 0–15.
    pub slot: u8,
    /// The field's label.
    pub label: String,
    /// Tier in words, such as 向社会公开.
    pub tier: String,
    /// The value.
    pub value: Shown,
}

/// `/entries/{index}/view`
#[derive(Debug, Clone, Template)]
#[template(path = "entry.html")]
pub struct EntryPage {
    /// Frame.
    pub site: Site,
    /// The kind's label.
    pub kind: String,
    /// The matter that it belongs to; absent for a period's sealed entry.
    pub matter: Option<Link>,
    /// Organization.
    pub org: Option<Link>,
    /// The author's time; absent for a period's sealed entry.
    pub declared: Option<Moment>,
    /// The ledger's time.
    pub recorded: Moment,
    /// Back-filled by so many days.
    pub late_days: Option<u32>,
    /// The entry's bytes as text.
    pub raw: String,
    /// Its openings.
    pub openings: Vec<OpeningRow>,
    /// The entry before.
    pub previous: Option<u64>,
    /// The entry after.
    pub next: Option<u64>,
    /// Check panel.
    pub check: Check,
}

impl Page for EntryPage {
    fn title(&self) -> String {
        format!("第 {} 条 {}", self.check.index, self.kind)
    }

    fn section(&self) -> Section {
        Section::Timeline
    }
}

impl EntryPage {
    /// Entry 0 of the byte-level vectors.
    pub fn sample() -> Self {
        let check = Check { open: true, ..Check::sample() };
        Self {
            site: Site::sample(),
            kind: "作出承诺".into(),
            matter: Some(Link::new("/pledges/1", "完成五里桥村电网改造")),
            org: Some(Link::new("/organizations/990101003", "五里桥村")),
            declared: Some(Moment::of(2026, 3, 10, 9, 12)),
            recorded: check.recorded,
            late_days: None,
            raw: "gongkai.entry/v1\n0\n2026-03-10T01:12:07.000001Z\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\ngongkai.statement/v1\nledger.example/vectors\n{\"body\":{\"due\":\"2026-12-31\",\"fen\":37336},\"declared_at\":\"2026-03-10T09:12:00+08:00\",\"kind\":\"example.said.v1\",\"org\":\"341523104\",\"revision\":0,\"signers\":[[\"author\",\"alice.example/1\"]],\"slots\":\"4iWTlqFL4o1yxF5ZR7c2j18/ItmpRXy4VVD9H6toP9Q=\",\"stream\":\"example/018f0000-0000-7000-8000-000000000001\"}\n\n— alice.example/1 6VvN4tiyVC97HnlJQjYSEPLyejLfvlzgkaqHsOvu3gZbxZvHP/rRpCIwaU1tRYx6WDRkOMA423kfvR3jwNS3MqahjA4=\n".into(),
            openings: vec![
                OpeningRow { slot: 3, label: "标题".into(), tier: "向社会公开".into(), value: Shown::of("完成五里桥村电网改造") },
                OpeningRow { slot: 7, label: "承诺人".into(), tier: "向社会公开".into(), value: Shown::of("方某某") },
                OpeningRow { slot: 9, label: "联系地址".into(), tier: "向社会公开".into(), value: Shown::Withdrawn(sample_tombstone()) },
            ],
            previous: None,
            next: Some(1),
            check,
        }
    }
}
