//! Fields: what a kind may carry, where each value lives, and which values are usable.
//!
//! A field is in the body, for ever, or in a slot with a tier (design 3.1). The tables here drive
//! `prepare`, the checks of a proposal, the OpenAPI description and the generic page, so a kind is
//! described once. To add a type of value, add a [`Shape`], its check and a [`FieldType`].

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chrono::{DateTime, Datelike, NaiveDate};
use gongkai_log::{Digest, StreamId, Tier, TreeHash, VerifierKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    kind::opening::Proof,
    refusal::Refusal,
    vault::{TIER_KEY_BYTES, TierKey, VaultError},
};

/// Largest integer that survives every JSON reader: 2^53 − 1 (RFC 8785, I-JSON).
pub const INTEGER_MAX: i64 = 9_007_199_254_740_991;
/// Longest organization code, in bytes.
pub const ORG_CODE_BYTES_MAX: usize = 32;
/// Most attachments in one field of a statement.
pub const ATTACHMENTS_MAX: usize = 50;
/// Most files that one line of a list names. A limit of ours: a voucher with what was stapled to it.
pub const LINE_ATTACHMENTS_MAX: usize = 9;
/// Most files that all lines of one statement name. A limit of ours: each is looked for before the statement is taken.
pub const LINES_ATTACHMENTS_MAX: usize = 2_000;
/// Most dates in one list of dates: a year has 366.
pub const DATES_MAX: usize = 366;
/// Most persons or organizations that one statement names.
pub const ITEMS_MAX: usize = 500;

/// One choice of an enumeration: wire value and Chinese label.
pub type Choice = (&'static str, &'static str);

/// Where a field's value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the signed JSON, for ever.
    Body,
    /// In a slot whose opening is held by whoever the tier says.
    Slot(Tier),
}

/// What values a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// Text of at most so many characters.
    Text(usize),
    /// A list of texts, each of at most so many characters.
    Texts(usize),
    /// `YYYY-MM-DD`.
    Date,
    /// RFC 3339 with offset.
    Time,
    /// A year.
    Year,
    /// A period: `2026`, `2026-H1`, `2026-Q1` or `2026-02`.
    Period,
    /// Money in fen, may be negative.
    Fen,
    /// A count from 0.
    Count,
    /// 0–100.
    Percent,
    /// true or false.
    Flag,
    /// Code of an organization.
    Org,
    /// Codes of organizations.
    Orgs,
    /// A stream of that family.
    Link(&'static str),
    /// A verifier key.
    Key,
    /// A public key to encrypt to.
    SealingKey,
    /// A stream of any family.
    Stream,
    /// A hash of 32 bytes: BLAKE3, but for the map's root, which is SHA-256.
    Hash,
    /// One of the choices.
    Choice(&'static [Choice]),
    /// What opens a sealed slot, of at most so many bytes ([`crate::kind::opening::Proof`]).
    Proof(usize),
    /// At most so many attachments.
    Attachments(usize),
    /// A list of dates.
    Dates,
    /// A list of counts, such as line numbers.
    Counts,
    /// A list of small records with these members.
    Records(&'static [Field]),
}

/// One field of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Wire name.
    pub name: &'static str,
    /// Chinese label.
    pub label: &'static str,
    /// Body, or slot with tier.
    pub place: Place,
    /// Usable values.
    pub shape: Shape,
    /// Whether a proposal must carry it.
    pub required: bool,
}

/// One column of a list of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Wire name.
    pub name: &'static str,
    /// Chinese label.
    pub label: &'static str,
    /// Usable values.
    pub shape: Shape,
    /// Whether every line must carry it.
    pub required: bool,
    /// Who may see it.
    pub tier: Tier,
}

/// A list of lines: a tree of salted line commitments (design 3.1).
#[derive(Debug, PartialEq, Eq)]
pub struct ListShape {
    /// Wire name.
    pub name: &'static str,
    /// Chinese label.
    pub label: &'static str,
    /// The columns, in the order in which people read them.
    pub columns: &'static [Column],
}

impl ListShape {
    /// The files that a line names in public, each with the column that names it. What is no file is left out: it was
    /// judged when it was recorded.
    pub fn attachments<'a>(
        &self,
        row: &'a Map<String, Value>,
    ) -> impl Iterator<Item = (&'static Column, Attachment)> + use<'a> {
        let names_files =
            |column: &&Column| matches!(column.shape, Shape::Attachments(_)) && column.tier == Tier::Public;
        self.columns.iter().filter(names_files).flat_map(move |column| {
            let files = row.get(column.name).and_then(Value::as_array).into_iter().flatten();
            files.filter_map(move |file| Some((column, Attachment::deserialize(file).ok()?)))
        })
    }
}

/// Which list a kind carries, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListRule {
    /// No list.
    None,
    /// This list, always or optionally.
    One {
        /// The list.
        shape: &'static ListShape,
        /// Whether it must be there.
        required: bool,
    },
    /// The list that a choice in the body names; other values carry none.
    By {
        /// The body field.
        field: &'static str,
        /// Choice → list.
        shapes: &'static [(&'static str, &'static ListShape)],
    },
}

impl ListRule {
    /// The list shape for a body, and whether the list must be there.
    pub fn shape(&self, body: &Map<String, Value>) -> Option<(&'static ListShape, bool)> {
        match self {
            Self::None => None,
            Self::One { shape, required } => Some((shape, *required)),
            Self::By { field, shapes } => {
                let chosen = body.get(*field)?.as_str()?;
                shapes.iter().find(|(wire, _)| *wire == chosen).map(|(_, shape)| (*shape, false))
            }
        }
    }

    /// Every shape that the rule can name.
    pub fn shapes(&self) -> Vec<&'static ListShape> {
        match self {
            Self::None => Vec::new(),
            Self::One { shape, .. } => vec![shape],
            Self::By { shapes, .. } => shapes.iter().map(|(_, shape)| *shape).collect(),
        }
    }
}

/// A Rust type that a body field can have.
pub trait FieldType {
    /// The values on the wire.
    const SHAPE: Shape;
    /// False for `Option`.
    const REQUIRED: bool = true;
}

impl<T: FieldType> FieldType for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const REQUIRED: bool = false;
}

macro_rules! field_types {
    ($($t:ty => $shape:expr;)*) => { $(impl FieldType for $t { const SHAPE: Shape = $shape; })* };
}

field_types! {
    NaiveDate => Shape::Date;
    Fen => Shape::Fen;
    u64 => Shape::Count;
    Percent => Shape::Percent;
    Year => Shape::Year;
    Period => Shape::Period;
    bool => Shape::Flag;
    OrgCode => Shape::Org;
    Vec<OrgCode> => Shape::Orgs;
    Digest => Shape::Hash;
    TreeHash => Shape::Hash;
    KeyText => Shape::Key;
    SealingKey => Shape::SealingKey;
    StreamId => Shape::Stream;
    Vec<Attachment> => Shape::Attachments(ATTACHMENTS_MAX);
    Vec<NaiveDate> => Shape::Dates;
    Vec<u64> => Shape::Counts;
}

/// Money in fen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fen(pub i64);

/// 0–100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(pub u8);

/// A calendar year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Year(pub i32);

/// Code of an organization: 1–32 letters, digits, `-`, `_`, `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrgCode(pub String);

/// Text form of a verifier key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyText(pub String);

/// A public key to encrypt to: padded base64 of an X-Wing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealingKey(pub String);

impl SealingKey {
    /// The key itself.
    ///
    /// # Errors
    /// [`VaultError::TierKey`].
    pub fn key(&self) -> Result<TierKey, VaultError> {
        let bytes = BASE64_STANDARD.decode(&self.0).map_err(|_| VaultError::TierKey)?;
        TierKey::from_bytes(&bytes)
    }
}

impl From<&TierKey> for SealingKey {
    fn from(key: &TierKey) -> Self {
        Self(BASE64_STANDARD.encode(key.to_bytes()))
    }
}

/// A disclosure period: a year, half-year, quarter or month.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Period(pub String);

impl Period {
    /// First and last day.
    ///
    /// Returns `None` when the text is not one of the four forms.
    pub fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        let year: i32 = self.0.get(..4)?.parse().ok().filter(|y| (1900..=2999).contains(y))?;
        let (first, months) = match self.0.get(4..)? {
            "" => (1, 12),
            "-H1" => (1, 6),
            "-H2" => (7, 6),
            "-Q1" => (1, 3),
            "-Q2" => (4, 3),
            "-Q3" => (7, 3),
            "-Q4" => (10, 3),
            month if month.len() == 3 && month.starts_with('-') => {
                (month[1..].parse().ok().filter(|m| (1..=12).contains(m))?, 1)
            }
            _ => return None,
        };
        let start = NaiveDate::from_ymd_opt(year, first, 1)?;
        let end = start.checked_add_months(chrono::Months::new(months))?.pred_opt()?;
        Some((start, end))
    }

    /// The month that holds a date.
    pub fn month_of(date: NaiveDate) -> Self {
        Self(format!("{:04}-{:02}", date.year(), date.month()))
    }

    /// As people write it: `2026年2月`, `2026年第一季度`, `2026年上半年`, `2026年`.
    pub fn label(&self) -> String {
        let (year, rest) = self.0.split_at(self.0.len().min(4));
        match rest {
            "-H1" => format!("{year}年上半年"),
            "-H2" => format!("{year}年下半年"),
            "-Q1" => format!("{year}年第一季度"),
            "-Q2" => format!("{year}年第二季度"),
            "-Q3" => format!("{year}年第三季度"),
            "-Q4" => format!("{year}年第四季度"),
            "" => format!("{year}年"),
            month => format!("{year}年{}月", month.trim_start_matches(['-', '0'])),
        }
    }
}

/// A file that a statement names by content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// BLAKE3 of the file.
    pub hash: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Media type, `image/jpeg`.
    pub media_type: String,
}

/// Declares an enumeration with wire values and Chinese labels.
macro_rules! choices {
    ($(#[$m:meta])* $name:ident { $($variant:ident = $wire:literal $label:literal),* $(,)? }) => {
        $(#[$m])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $(#[doc = $label] #[serde(rename = $wire)] $variant),* }
        impl $name {
            /// Wire values and labels.
            pub const CHOICES: &'static [$crate::field::Choice] = &[$(($wire, $label)),*];
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// Wire value.
            pub fn wire(self) -> &'static str { match self { $(Self::$variant => $wire),* } }
            /// Chinese label.
            pub fn label(self) -> &'static str { match self { $(Self::$variant => $label),* } }
            /// From the wire value.
            pub fn from_wire(wire: &str) -> Option<Self> { match wire { $($wire => Some(Self::$variant),)* _ => None } }
        }
        impl $crate::field::FieldType for $name {
            const SHAPE: $crate::field::Shape = $crate::field::Shape::Choice(Self::CHOICES);
        }
    };
}
pub(crate) use choices;

/// Declares a typed reference to a stream of one family.
macro_rules! links {
    ($($(#[$m:meta])* $name:ident = $family:literal),* $(,)?) => { $(
        $(#[$m])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub StreamId);
        impl FieldType for $name { const SHAPE: Shape = Shape::Link($family); }
    )* };
}

links! {
    /// A person's opaque id.
    PersonId = "person",
    /// A vacancy batch.
    VacancyId = "vacancy",
    /// A pledge.
    PledgeId = "pledge",
    /// A post.
    PostId = "post",
    /// A nomination.
    NominationId = "nomination",
    /// A notice.
    NoticeId = "notice",
    /// A disclosure.
    DisclosureId = "disclosure",
    /// A letter.
    LetterId = "letter",
    /// A session with the people.
    SessionId = "session",
    /// A consultation.
    ConsultationId = "consultation",
    /// A tally.
    TallyId = "tally",
    /// A review.
    ReviewId = "review",
}

/// Whether a code may name an organization.
pub fn is_org_code(code: &str) -> bool {
    (1..=ORG_CODE_BYTES_MAX).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Checks one value; the error is a Chinese reason.
pub fn check_value(shape: &Shape, value: &Value) -> Result<(), String> {
    let text = || value.as_str().ok_or_else(|| "应是文字".to_owned());
    match shape {
        Shape::Text(max) => check_text(text()?, *max),
        Shape::Texts(max) => {
            items(value, ITEMS_MAX)?.iter().try_for_each(|item| check_text(item.as_str().ok_or("应是一组文字")?, *max))
        }
        Shape::Date => check_date(text()?),
        Shape::Time => DateTime::parse_from_rfc3339(text()?)
            .map(drop)
            .map_err(|_| "应是带时区的时间，例如 2026-03-10T09:12:00+08:00".into()),
        Shape::Year => in_range(value, 1900, 2999).map_err(|()| "应是四位年份，例如 2026".into()),
        Shape::Period => {
            Period(text()?.to_owned()).days().map(drop).ok_or_else(|| "应是 2026、2026-H1、2026-Q1 或 2026-02".into())
        }
        Shape::Fen => in_range(value, -INTEGER_MAX, INTEGER_MAX).map_err(|()| "金额以分为单位，应是整数".into()),
        Shape::Count => in_range(value, 0, INTEGER_MAX).map_err(|()| "应是不小于零的整数".into()),
        Shape::Percent => in_range(value, 0, 100).map_err(|()| "应是 0 到 100 的整数".into()),
        Shape::Flag => value.as_bool().map(drop).ok_or_else(|| "应是 true 或 false".into()),
        Shape::Org => check_org(text()?),
        Shape::Orgs => {
            items(value, ITEMS_MAX)?.iter().try_for_each(|item| check_org(item.as_str().unwrap_or_default()))
        }
        Shape::Link(family) => check_link(text()?, family),
        Shape::Key => VerifierKey::parse(text()?).map(drop).map_err(|e| format!("不是有效的验证钥匙（{e}）")),
        Shape::SealingKey => {
            SealingKey(text()?.to_owned()).key().map(drop).map_err(|_| format!("应是 {TIER_KEY_BYTES} 字节的 base64"))
        }
        Shape::Stream => text()?.parse::<StreamId>().map(drop).map_err(|_| "不是事项编号".into()),
        Shape::Hash => Digest::parse(text()?).map(drop).map_err(|_| "应是 32 字节的 base64".into()),
        Shape::Choice(choices) => {
            let given = text()?;
            if choices.iter().any(|(wire, _)| *wire == given) {
                Ok(())
            } else {
                let known: Vec<_> = choices.iter().map(|(w, l)| format!("{w}（{l}）")).collect();
                Err(format!("没有「{given}」这一项，可用：{}", known.join("、")))
            }
        }
        Shape::Proof(bytes_max) => match serde_json::from_value::<Proof>(value.clone()) {
            Ok(_) if value.to_string().len() <= *bytes_max => Ok(()),
            _ => Err("应有 salt、name、tier、value、path，封存事件另附 event".into()),
        },
        Shape::Attachments(max) => items(value, *max)?.iter().try_for_each(check_attachment),
        Shape::Dates => check_dates(value),
        Shape::Counts => items(value, ITEMS_MAX)?
            .iter()
            .try_for_each(|v| in_range(v, 0, INTEGER_MAX).map_err(|()| "应是一组不小于零的整数".into())),
        Shape::Records(fields) => items(value, ITEMS_MAX)?.iter().enumerate().try_for_each(|(i, item)| {
            let item = item.as_object().ok_or("应是一组记录")?;
            check_members(fields, item).map_err(|(field, reason)| format!("第{}项「{field}」{reason}", i + 1))
        }),
    }
}

/// Checks a record against its members; the error is (label or name, reason).
fn check_members(fields: &[Field], given: &Map<String, Value>) -> Result<(), (String, String)> {
    if let Some(unknown) = given.keys().find(|name| !fields.iter().any(|f| f.name == name.as_str())) {
        return Err((unknown.clone(), "没有这一项".into()));
    }
    fields.iter().try_for_each(|field| match given.get(field.name) {
        Some(value) => check_value(&field.shape, value).map_err(|reason| (field.label.into(), reason)),
        None if field.required => Err((field.label.into(), "必须填写".into())),
        None => Ok(()),
    })
}

/// Checks the body or the slots of a kind: nothing unknown, nothing missing, every value usable.
///
/// # Errors
/// [`Refusal::Field`] naming the first field at fault.
pub fn check_fields<'a>(
    fields: impl Iterator<Item = &'a Field> + Clone,
    given: &Map<String, Value>,
) -> Result<(), Refusal> {
    if let Some(unknown) = given.keys().find(|name| !fields.clone().any(|f| f.name == name.as_str())) {
        return Err(Refusal::field(unknown, unknown, "没有这一项"));
    }
    fields.into_iter().try_for_each(|field| match given.get(field.name) {
        Some(value) => {
            check_value(&field.shape, value).map_err(|reason| Refusal::field(field.name, field.label, reason))
        }
        None if field.required => Err(Refusal::field(field.name, field.label, "必须填写")),
        None => Ok(()),
    })
}

/// Checks one line of a list.
///
/// # Errors
/// [`Refusal::Field`] naming line (from 1) and column.
pub fn check_row(shape: &ListShape, line: usize, row: &Map<String, Value>) -> Result<(), Refusal> {
    let at = |reason: &str| format!("第{}行{reason}", line + 1);
    if let Some(unknown) = row.keys().find(|name| !shape.columns.iter().any(|c| c.name == name.as_str())) {
        return Err(Refusal::field(unknown, unknown, at("没有这一栏")));
    }
    for column in shape.columns {
        match row.get(column.name) {
            Some(value) => check_value(&column.shape, value)
                .map_err(|reason| Refusal::field(column.name, column.label, at(&reason)))?,
            None if column.required => {
                return Err(Refusal::field(column.name, column.label, at("必须填写")));
            }
            None => {}
        }
    }
    Ok(())
}

fn check_text(text: &str, chars_max: usize) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("不能为空".into());
    }
    // A control character hides in a page and shows in a signed byte; only line feeds are text.
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err("含有控制字符".into());
    }
    let chars = text.chars().count();
    if chars > chars_max {
        return Err(format!("太长：{chars} 字，上限 {chars_max} 字"));
    }
    Ok(())
}

fn check_date(text: &str) -> Result<(), String> {
    match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(date) if date.to_string() == text && (1900..=2999).contains(&date.year()) => Ok(()),
        _ => Err("应是日期，例如 2026-03-10".into()),
    }
}

fn check_dates(value: &Value) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for item in items(value, DATES_MAX)? {
        let text = item.as_str().ok_or("应是一组日期")?;
        check_date(text)?;
        if !seen.insert(text) {
            return Err(format!("日期 {text} 重复"));
        }
    }
    Ok(())
}

fn check_org(code: &str) -> Result<(), String> {
    if is_org_code(code) { Ok(()) } else { Err(format!("「{code}」不是机构代码")) }
}

fn check_link(text: &str, family: &str) -> Result<(), String> {
    match text.parse::<StreamId>() {
        Ok(stream) if stream.family == family => Ok(()),
        _ => Err(format!("应是 {family}/ 开头的事项编号")),
    }
}

fn check_attachment(value: &Value) -> Result<(), String> {
    let attachment: Attachment = serde_json::from_value(value.clone()).map_err(|e| format!("附件格式不正确（{e}）"))?;
    let valid_type = attachment.media_type.len() <= 100
        && attachment.media_type.split_once('/').is_some_and(|(a, b)| {
            let token = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_alphanumeric() || b"-+.".contains(&c));
            token(a) && token(b)
        });
    let members = value.as_object().map_or(0, Map::len);
    if !valid_type || members != 3 || attachment.size > INTEGER_MAX.unsigned_abs() {
        return Err("附件应有 hash、size、media_type 三项".into());
    }
    Ok(())
}

fn items(value: &Value, max: usize) -> Result<&Vec<Value>, String> {
    let items = value.as_array().ok_or("应是一组值")?;
    if items.len() > max {
        return Err(format!("太多：{} 项，上限 {max} 项", items.len()));
    }
    Ok(items)
}

fn in_range(value: &Value, min: i64, max: i64) -> Result<(), ()> {
    value.as_i64().filter(|n| (min..=max).contains(n)).map(drop).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_a_first_and_a_last_day() {
        let days = |text: &str| Period(text.into()).days().map(|(a, b)| format!("{a} {b}"));
        assert_eq!(days("2024-02").unwrap(), "2024-02-01 2024-02-29");
        assert_eq!(days("2026-Q4").unwrap(), "2026-10-01 2026-12-31");
        assert_eq!(days("2026-H1").unwrap(), "2026-01-01 2026-06-30");
        assert_eq!(days("2026").unwrap(), "2026-01-01 2026-12-31");
        for bad in ["", "26", "2026-13", "2026-00", "2026-Q5", "2026-2", "2026-02-01", "年年年年"] {
            assert_eq!(days(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_text_with_a_control_character_or_too_many_characters_is_refused() {
        let shape = Shape::Text(4);
        assert!(check_value(&shape, &"修路三里".into()).is_ok());
        assert!(check_value(&shape, &"修路三里地".into()).is_err());
        assert!(check_value(&shape, &"修\u{7}路".into()).is_err());
        assert!(check_value(&shape, &" ".into()).is_err());
    }
}
