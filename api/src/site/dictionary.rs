//! `/dictionary`: what every column of every download means.

use askama::Template;

use super::parts::Link;
use super::{Page, Section, Site};

/// A table that can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Anchor.
    pub id: String,
    /// What it is.
    pub title: String,
    /// Where the whole table is, as CSV and as JSON lines; none for the lines of one sheet.
    pub downloads: Vec<Link>,
    /// Columns: name in the file, what it is, whether JSON lines alone have it.
    pub columns: Vec<(String, String, bool)>,
}

/// A column whose cells are codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codes {
    /// Anchor.
    pub id: String,
    /// Which column of which table.
    pub title: String,
    /// The codes with their words.
    pub codes: Vec<(String, String)>,
}

/// The page.
#[derive(Debug, Clone, Template)]
#[template(path = "dictionary.html")]
pub struct DictionaryPage {
    /// Frame.
    pub site: Site,
    /// Tables.
    pub tables: Vec<Table>,
    /// Codes.
    pub codes: Vec<Codes>,
}

impl Page for DictionaryPage {
    fn title(&self) -> String {
        "数据说明".into()
    }

    fn section(&self) -> Section {
        Section::None
    }
}

impl DictionaryPage {
    /// One table and one column of codes.
    pub fn sample() -> Self {
        Self {
            site: Site::sample(),
            tables: vec![Table {
                id: "pledges".into(),
                title: "承诺事项".into(),
                downloads: vec![Link::new("/api/v1/pledges?format=csv", "CSV 表格")],
                columns: vec![
                    ("stream".into(), "事项编号".into(), false),
                    ("days_left".into(), "距截止的天数".into(), true),
                ],
            }],
            codes: vec![Codes {
                id: "status".into(),
                title: "状态（status）".into(),
                codes: vec![("fulfilled".into(), "已兑现".into())],
            }],
        }
    }
}
