//! Which header is which column: the words of the templates, what offices write instead, and exports of platforms.
//!
//! The words are data (`mappings/sheets.toml`); the columns are the kind's own. A platform's export whose headers do not
//! say which amount came in is known by headers that stand together. Not here: what a column's cells hold. To know one
//! more word or platform, add it to the file.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gongkai_domain::field::{Column, ListRule, ListShape, Shape};
use gongkai_domain::kind;
use serde::Deserialize;

use crate::exchange::table::{bare_key, header_key};

/// Columns that stand for two of a finance sheet: an amount, and whether it came in or went out.
pub const AMOUNT: &str = "amount";
/// See [`AMOUNT`].
pub const SIDE: &str = "side";
/// Columns that stand for the date of a finance sheet: 月 and 日 below a year.
pub const MONTH: &str = "month";
/// See [`MONTH`].
pub const DAY: &str = "day";
/// The word of a voucher, where its number stands in a column of its own: 记 in 记-1.
pub const WORD: &str = "voucher_word";

/// The column of a roster that the public reads.
pub const MASKED: &str = "masked_name";
/// The column of a roster that stays within the village.
pub const FULL: &str = "full_name";

/// The kind whose sheets are uploaded.
pub const KIND: &str = "disclosure.published.v1";

#[derive(Debug, Deserialize)]
struct Words {
    #[serde(default)]
    platform: Vec<Platform>,
    #[serde(flatten)]
    classes: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// An export that is known by headers which stand together.
#[derive(Debug, Deserialize)]
pub struct Platform {
    /// What people are told.
    pub name: String,
    content: String,
    needs: Vec<String>,
    columns: BTreeMap<String, Vec<String>>,
}

static WORDS: LazyLock<Words> =
    LazyLock::new(|| toml::from_str(include_str!("../../mappings/sheets.toml")).expect("the words are well formed"));

/// A class of sheets: one list of the kind.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    /// Wire name of the content.
    pub content: &'static str,
    /// Its list.
    pub shape: &'static ListShape,
}

/// Every class, in the order of the kind's table.
pub fn classes() -> impl Iterator<Item = Class> {
    let rule = kind::find(KIND).map_or(ListRule::None, |kind| kind.list);
    let shapes = match rule {
        ListRule::By { shapes, .. } => shapes,
        ListRule::None | ListRule::One { .. } => &[],
    };
    shapes.iter().map(|(content, shape)| Class { content, shape })
}

/// The class of a content.
pub fn class(content: &str) -> Option<Class> {
    classes().find(|class| class.content == content)
}

impl Class {
    /// The columns that stand in a sheet's cells. Files do not: they are attached to a line where it is written.
    pub fn columns(self) -> impl Iterator<Item = &'static Column> + Clone {
        self.shape.columns.iter().filter(|column| !matches!(column.shape, Shape::Attachments(_)))
    }

    /// The header that a template gives a column.
    pub fn header(self, column: &Column) -> &'static str {
        self.words(column.name).first().map_or(column.label, String::as_str)
    }

    fn words(self, field: &str) -> &'static [String] {
        WORDS.classes.get(self.content).and_then(|class| class.get(field)).map_or(&[], Vec::as_slice)
    }

    /// Wire name and label of everything that a column of a file can be.
    pub fn fields(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let own = self.columns().map(|column| (column.name, column.label));
        let apart = [
            (AMOUNT, "金额（收支在一列）"),
            (SIDE, "收支方向"),
            (MONTH, "月（月、日分两列）"),
            (DAY, "日（月、日分两列）"),
            (WORD, "凭证字（字、号分两列）"),
        ];
        own.chain(apart.into_iter().filter(move |_| self.is_finance()))
    }

    /// Whether a field is no column of the list, but goes into one with others.
    pub fn is_beside(self, field: &str) -> bool {
        self.is_finance() && [AMOUNT, SIDE, MONTH, DAY, WORD].contains(&field)
    }

    /// Whether its lines are income and expense.
    pub fn is_finance(self) -> bool {
        self.content == "finance"
    }

    fn field_of(self, header: &str) -> Option<&'static str> {
        let key = header_key(header);
        let fits = |exact: bool| {
            self.fields().map(|(name, _)| name).find(|name| {
                self.words(name).iter().any(|word| {
                    let word = header_key(word);
                    word == key || (!exact && word == bare_key(&key))
                })
            })
        };
        fits(true).or_else(|| fits(false))
    }

    /// How many of these cells are headers of the class.
    pub fn score(self, cells: &[String]) -> usize {
        let platform = self.platform(cells);
        let mut found: Vec<&str> = cells.iter().filter_map(|cell| self.read_header(platform, cell)).collect();
        found.sort_unstable();
        found.dedup();
        found.len()
    }

    /// The platform whose headers stand here.
    pub fn platform(self, headers: &[String]) -> Option<&'static Platform> {
        let keys: Vec<String> = headers.iter().map(|header| header_key(header)).collect();
        let stands = |need: &String| {
            let need = header_key(need);
            keys.iter().any(|key| *key == need || bare_key(key) == need)
        };
        WORDS.platform.iter().find(|platform| platform.content == self.content && platform.needs.iter().all(stands))
    }

    fn read_header(self, platform: Option<&'static Platform>, header: &str) -> Option<&'static str> {
        let key = header_key(header);
        if key.is_empty() {
            return None;
        }
        let named = platform.and_then(|platform| {
            platform.columns.iter().find(|(_, words)| {
                words.iter().map(|word| header_key(word)).any(|word| word == key || word == bare_key(&key))
            })
        });
        named.map_or_else(
            || self.field_of(header),
            |(field, _)| self.fields().map(|(name, _)| name).find(|n| n == field),
        )
    }

    /// The field of each header; the first of several for the same one.
    pub fn read_headers(self, headers: &[String]) -> Vec<Option<&'static str>> {
        let platform = self.platform(headers);
        let mut taken: Vec<&str> = Vec::new();
        let mut one = |header: &String| {
            let field = self.read_header(platform, header).filter(|field| !taken.contains(field))?;
            taken.push(field);
            Some(field)
        };
        headers.iter().map(&mut one).collect()
    }

    /// Labels of what the headers lack before a line can be read.
    pub fn lacks(self, fields: &[Option<&'static str>]) -> Vec<&'static str> {
        let has = |name: &str| fields.contains(&Some(name));
        let columns = self.columns();
        // A name that is there in full is masked by the rule.
        let given =
            |name: &str| has(name) || (name == MASKED && has(FULL)) || (name == "date" && has(MONTH) && has(DAY));
        let needed = columns.filter(|column| column.required && !given(column.name)).map(|column| column.label);
        let amounts = !self.is_finance() || has("income") || has("expense") || (has(AMOUNT) && has(SIDE));
        needed.chain((!amounts).then_some("收入、支出")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_words_for_each_of_its_columns_and_for_nothing_else() {
        let known: Vec<&str> = classes().map(|class| class.content).collect();
        assert_eq!(known.len(), 7);
        assert_eq!(WORDS.classes.len(), known.len(), "{:?}", WORDS.classes.keys());
        for class in classes() {
            for (field, label) in class.fields() {
                assert!(!class.words(field).is_empty(), "{}: {field} {label}", class.content);
            }
            for field in WORDS.classes[class.content].keys() {
                assert!(class.fields().any(|(name, _)| name == field), "{}: {field}", class.content);
            }
        }
    }

    #[test]
    fn the_headers_of_a_template_are_each_read_as_their_own_column() {
        for class in classes() {
            let headers: Vec<String> = class.columns().map(|c| class.header(c).to_owned()).collect();
            let read = class.read_headers(&headers);
            let own: Vec<_> = class.columns().map(|column| Some(column.name)).collect();
            assert_eq!(read, own, "{}", class.content);
        }
    }

    #[test]
    fn debit_and_credit_are_told_apart_by_what_stands_beside_them() {
        let finance = class("finance").unwrap();
        let read = |headers: [&str; 4]| finance.read_headers(&headers.map(str::to_owned));
        assert_eq!(
            read(["业务日期", "摘要", "借方金额", "贷方金额"]),
            [Some("date"), Some("summary"), Some("income"), Some("expense")]
        );
        assert_eq!(
            read(["交易日期", "摘要", "借方发生额", "贷方发生额"]),
            [Some("date"), Some("summary"), Some("expense"), Some("income")]
        );
        assert_eq!(
            read(["日期", "摘要", "收支方向", "金额（元）"]),
            [Some("date"), Some("summary"), Some("side"), Some("amount")]
        );
    }
}
