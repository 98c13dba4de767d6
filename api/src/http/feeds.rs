//! Atom feeds (RFC 4287): what was recorded, per family, organization, person and matter.
//!
//! A feed is written from plain rows; this module knows XML and nothing of views. Ids are name-based
//! UUIDs over the ledger's origin, so they survive a move to another host.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use gongkai_log::Digest;
use uuid::Builder;

/// Media type of a feed.
pub const MEDIA_TYPE: &str = "application/atom+xml; charset=utf-8";

/// Entries of one feed.
pub const ENTRIES_MAX: u64 = 50;

/// One recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Entry number.
    pub index: u64,
    /// Title.
    pub title: String,
    /// Label of the kind.
    pub kind: String,
    /// Organization's name.
    pub org: String,
    /// Path of the matter's page.
    pub href: String,
    /// The ledger's time.
    pub recorded_at: DateTime<Utc>,
    /// The author's time.
    pub declared_at: Option<String>,
}

/// A feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Origin of the ledger.
    pub origin: String,
    /// Name of the ledger.
    pub site: String,
    /// Scheme and host, without a slash at the end.
    pub base_url: String,
    /// Title.
    pub title: String,
    /// Path of the feed.
    pub path: String,
    /// Path of the page with the same content.
    pub page: String,
    /// When something last changed; of an empty feed the ledger's last checkpoint.
    pub updated: DateTime<Utc>,
    /// Events, newest first.
    pub items: Vec<Item>,
}

impl Feed {
    /// The document.
    pub fn to_xml(&self) -> String {
        let mut xml = String::with_capacity(1_024 + self.items.len() * 700);
        xml.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"zh-CN\">\n");
        element(&mut xml, "id", &urn(&self.origin, &self.path));
        element(&mut xml, "title", &format!("{} · {}", self.title, self.site));
        element(&mut xml, "updated", &time(self.updated));
        link(&mut xml, "self", "application/atom+xml", &format!("{}{}", self.base_url, self.path));
        link(&mut xml, "alternate", "text/html", &format!("{}{}", self.base_url, self.page));
        xml.push_str("<author>");
        element(&mut xml, "name", &self.site);
        xml.push_str("</author>\n");
        for item in &self.items {
            self.entry(&mut xml, item);
        }
        xml.push_str("</feed>\n");
        xml
    }

    fn entry(&self, xml: &mut String, item: &Item) {
        xml.push_str("<entry>\n");
        element(xml, "id", &urn(&self.origin, &format!("/entries/{}", item.index)));
        element(xml, "title", &format!("{}:{}", item.kind, item.title));
        element(xml, "updated", &time(item.recorded_at));
        element(xml, "published", &time(item.recorded_at));
        link(xml, "alternate", "text/html", &format!("{}{}", self.base_url, item.href));
        link(xml, "related", "text/plain", &format!("{}/entries/{}", self.base_url, item.index));
        xml.push_str("<author>");
        element(xml, "name", if item.org.is_empty() { &self.site } else { &item.org });
        xml.push_str("</author>\n");
        let declared = item.declared_at.as_deref().map(|at| format!(",申报时间 {at}")).unwrap_or_default();
        element(xml, "summary", &format!("{} · 账本第 {} 条{declared}", item.org, item.index));
        xml.push_str("</entry>\n");
    }
}

/// An id that is the same on every host that serves this ledger.
fn urn(origin: &str, path: &str) -> String {
    let digest = Digest::of(format!("gongkai feed\n{origin}\n{path}").as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    format!("urn:uuid:{}", Builder::from_custom_bytes(bytes).into_uuid())
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn element(xml: &mut String, name: &str, text: &str) {
    let _ = write!(xml, "<{name}>");
    escape(xml, text);
    let _ = writeln!(xml, "</{name}>");
}

fn link(xml: &mut String, rel: &str, media_type: &str, href: &str) {
    let _ = write!(xml, "<link rel=\"{rel}\" type=\"{media_type}\" href=\"");
    escape(xml, href);
    xml.push_str("\"/>\n");
}

/// Escapes text and attribute values; characters that XML 1.0 cannot hold are left out.
fn escape(xml: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&#39;"),
            '\n' | '\t' => xml.push(char),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            other => xml.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> Feed {
        let at = DateTime::parse_from_rfc3339("2026-03-10T09:12:00.5+08:00").unwrap().to_utc();
        Feed {
            origin: "ledger.example".into(),
            site: "清溪县公开账本".into(),
            base_url: "https://gongkai.example".into(),
            title: "承诺事项".into(),
            path: "/feeds/pledges".into(),
            page: "/pledges".into(),
            updated: at,
            items: vec![Item {
                index: 7,
                title: "<script>&\"'\u{7}".into(),
                kind: "作出承诺".into(),
                org: "五里桥村".into(),
                href: "/pledges/1".into(),
                recorded_at: at,
                declared_at: None,
            }],
        }
    }

    #[test]
    fn a_title_cannot_leave_its_element() {
        let xml = feed().to_xml();
        assert!(xml.contains("<title>作出承诺:&lt;script&gt;&amp;&quot;&#39;</title>"), "{xml}");
        assert!(!xml.contains("<script>"));
    }

    #[test]
    fn an_entry_keeps_its_id_on_another_host_and_has_another_than_its_neighbour() {
        let id = |feed: &Feed| {
            let xml = feed.to_xml();
            let entry = xml.split("<entry>").nth(1).unwrap();
            entry.split("<id>").nth(1).unwrap().split('<').next().unwrap().to_owned()
        };
        let mut moved = feed();
        moved.base_url = "https://elsewhere.example".into();
        assert_eq!(id(&feed()), id(&moved));
        moved.items[0].index = 8;
        assert_ne!(id(&feed()), id(&moved));
        assert!(id(&feed()).starts_with("urn:uuid:"));
    }
}
