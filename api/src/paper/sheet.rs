//! What a sheet of paper says, in words and figures as people read them: the same whether it comes from a directory or
//! over the API.

use serde::{Deserialize, Serialize};

/// Name and version of the form.
pub const FORM: &str = "gongkai.sheet/v1";
/// Characters of the hash that people compare: 48 bits, of an entry whose number is fixed.
const CODE_CHARS: usize = 12;
/// Characters of the code that stand together.
const CODE_GROUP: usize = 4;

/// A sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// [`FORM`].
    pub form: String,
    /// Name of the ledger.
    pub ledger: String,
    /// What it is, such as 财务公开.
    pub kind: String,
    /// The organization and those above it, top first.
    pub path: Vec<String>,
    /// Title.
    pub title: String,
    /// Number of the matter, as on its page.
    pub number: u64,
    /// State, period and dates.
    pub facts: Vec<Labelled>,
    /// What it says, in order.
    pub parts: Vec<Part>,
    /// What binds the paper to the ledger.
    pub seal: Seal,
    /// Made-up content, said so on every page.
    pub is_demo: bool,
}

/// A value with its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelled {
    /// Label.
    pub label: String,
    /// Value.
    pub value: String,
}

impl Labelled {
    /// A labelled value.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into() }
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Label.
    pub label: String,
    /// Its cells are numbers and stand on the right.
    pub is_number: bool,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// A cell for each column.
    Cells(Vec<String>),
    /// The first cell and a remark across the others: a line that was withdrawn.
    Remark(String, String),
}

/// A part of what a sheet says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    /// A heading; it never stands alone at the foot of a page.
    Heading {
        /// The words.
        text: String,
    },
    /// Running text; a line feed begins a paragraph.
    Text {
        /// The words.
        text: String,
    },
    /// Labelled values, one below the other.
    Values {
        /// The values.
        values: Vec<Labelled>,
    },
    /// Few large figures beside each other.
    Figures {
        /// The figures.
        figures: Vec<Labelled>,
    },
    /// A table; its head is repeated on every page and no row is torn.
    Table {
        /// Columns.
        columns: Vec<Column>,
        /// Rows.
        rows: Vec<Row>,
        /// A last row of sums, a cell for each column; empty for none.
        foot: Vec<String>,
    },
}

impl Part {
    /// A heading.
    pub fn heading(text: impl Into<String>) -> Self {
        Self::Heading { text: text.into() }
    }

    /// Running text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// What binds a paper to the ledger: the newest entry that changed the sheet itself, and where that is looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Number of the entry.
    pub index: u64,
    /// BLAKE3 of the entry, lower-case hex. The statements before it in the matter are bound by it.
    pub hash: String,
    /// The short address, whole.
    pub address: String,
    /// Whom people call.
    pub hotline: String,
}

impl Seal {
    /// What the code to scan holds: the link, and in it the entry's number and hash.
    pub fn link(&self) -> String {
        format!("{}?h={}", self.address, self.hash)
    }

    /// The code that people compare: the beginning of the hash in groups of four.
    pub fn code(&self) -> String {
        let chars: Vec<char> = self.hash.chars().take(CODE_CHARS).collect();
        chars.chunks(CODE_GROUP).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
    }

    /// The short address without its scheme, as people type it.
    pub fn bare(&self) -> &str {
        self.address.split_once("://").map_or(self.address.as_str(), |(_, rest)| rest)
    }

    /// One of the demo county.
    pub fn sample() -> Self {
        Self {
            index: 1344,
            hash: "19e3fb1a853c7404ecea15a5f00321dabc9ace8a68d36233ab50a17362dd2f6c".into(),
            address: "https://qingxi.example/n/1344".into(),
            hotline: "12345".into(),
        }
    }
}
