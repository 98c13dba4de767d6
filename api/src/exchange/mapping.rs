//! The mapping file: which columns of a table become which commands. TOML, written by users.
//!
//! ```toml
//! unmatched = "problem"            # rows that no [[command]] takes: "problem" (default) or "skip"
//! [source]                         # sheet, array, header_row, fill_down, year, offset, manifest, extension, exclude
//! [columns]                        # one name for several headers
//! summary = ["摘要", "用途", "事由"]
//! [lookups.orgs]                   # tables for `lookup`
//! "某某村" = "150422100201"
//! [defaults]                       # org, declared_at, stream_key, stream_key_alias, proxy
//! [[command]]                      # each that fits a row makes one command, in this order
//! when = { column = "状态", equals = "完成" }
//! kind = "pledge.made.v1"
//! group_by = ["月份"]              # all rows of a group make one command
//! [command.fields]
//! title = "{summary}"
//! total_fen = { column = "金额", type = "fen", aggregate = "sum" }
//! [command.line]                   # in a group: the list `fields.lines`, one object a row
//! amount_fen = { column = "金额", type = "fen", required = true }
//! ```
//!
//! A value is a template (`"{code}"`, `"{a} {b}"`, `"{摘要|用途}"`), a constant, or a table with one of `column`,
//! `template`, `value`, `text_from_file`. `{^title}`, `{^file}`, `{^sheet}`, `{^row}` and `{^member}` are what is known
//! of the whole table. This module knows the syntax only; `plan` applies it. To extend, add a member to [`Rule`], check
//! it in [`Rule::check`], and give it its meaning in `plan`.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use chrono::FixedOffset;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::table::{ReadOptions, header_key};

/// Size of a mapping file. Our own limit.
pub const MAPPING_BYTES_MAX: usize = 1 << 20;

/// Why a mapping file cannot be used, in Chinese, for the person who writes it.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    #[error("映射文件太大")]
    TooLarge,
    #[error("映射文件写法有误：{0}")]
    Syntax(#[from] toml::de::Error),
    #[error("映射文件“{place}”：{message}")]
    Meaning { place: String, message: String },
}

/// A mapping that is well formed. Made by [`Mapping::parse`] only.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    #[serde(default)]
    pub source: Source,
    #[serde(default)]
    pub unmatched: Unmatched,
    #[serde(default)]
    pub columns: BTreeMap<String, Names>,
    #[serde(default)]
    pub lookups: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(rename = "command")]
    pub commands: Vec<Command>,
}

/// How the files are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    pub sheet: Option<String>,
    pub array: Option<String>,
    pub header_row: Option<u64>,
    pub fill_down: Vec<String>,
    /// Year for dates without one; else the year in the table's title.
    pub year: Option<i32>,
    /// Offset of times without one, `+08:00` unless given.
    pub offset: Option<String>,
    /// In a folder: the file that names the others.
    pub manifest: Option<String>,
    /// In a folder: only files of this extension.
    pub extension: Option<String>,
    /// In a folder: files to leave out.
    pub exclude: Vec<String>,
}

/// What becomes of rows that no command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    #[default]
    Problem,
    Skip,
}

/// What a second row with the same stream key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// A later event of the same thing.
    #[default]
    Same,
    /// Another thing: its key gets `#2`.
    Separate,
}

/// What every command has unless it says otherwise.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    pub org: Option<Rule>,
    pub declared_at: Option<Rule>,
    pub stream_key: Option<Rule>,
    pub stream_key_alias: Option<Rule>,
    pub repeat: Repeat,
    pub proxy: BTreeMap<String, Rule>,
}

/// How rows become one command.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    pub kind: Rule,
    #[serde(default)]
    pub when: Conditions,
    pub org: Option<Rule>,
    pub declared_at: Option<Rule>,
    pub stream_key: Option<Rule>,
    pub stream_key_alias: Option<Rule>,
    pub proxy: Option<BTreeMap<String, Rule>>,
    pub group_by: Option<Vec<GroupKey>>,
    /// Groups reach over sheets and files.
    #[serde(default)]
    pub group_across: bool,
    #[serde(default)]
    pub fields: BTreeMap<String, Rule>,
    #[serde(default)]
    pub line: BTreeMap<String, Rule>,
    #[serde(default)]
    pub lists: BTreeMap<String, List>,
}

/// A list in `fields`: one object for each row of the group that fits `where`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    #[serde(default, rename = "where")]
    pub filter: Conditions,
    pub item: BTreeMap<String, Rule>,
}

/// A header, or several that mean the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub shown: Vec<String>,
    /// Keys of [`header_key`]; a name that begins with `^` is kept as it is.
    pub keys: Vec<String>,
}

impl Names {
    fn new(shown: Vec<String>) -> Self {
        let keys = shown.iter().map(|s| if s.starts_with('^') { s.clone() } else { header_key(s) }).collect();
        Self { shown, keys }
    }
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(String),
    Column(Names),
}

/// What a value is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    #[default]
    Text,
    /// Text that must be a key of `map`.
    Enum,
    Fen,
    Int,
    Percent,
    Bool,
    Date,
    Month,
    Time,
    /// Texts of a JSON list, or separated by 、，；or line ends.
    List,
}

/// What the rows of a group come to. Without one, all rows must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    Sum,
    Count,
    First,
    Last,
    Min,
    Max,
    Collect,
}

/// Order of day and month in dates with the year last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    Dmy,
    Mdy,
}

/// A file that a row names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextFile {
    pub column: Names,
    #[serde(default)]
    pub dir: String,
    #[serde(default)]
    pub missing: Unmatched,
}

/// A text test and the value it gives.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    pub starts: Option<String>,
    pub contains: Option<String>,
    pub to: serde_json::Value,
}

/// Where a value comes from and what is done to it, in the order of the members.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent switch of the mapping syntax")]
pub struct RuleTable {
    pub column: Option<Names>,
    pub template: Option<String>,
    pub value: Option<serde_json::Value>,
    pub text_from_file: Option<TextFile>,
    /// Only what stands after this text; all of it if the text is not there.
    pub after: Option<String>,
    /// Only what stands before this text; all of it if the text is not there.
    pub before: Option<String>,
    /// Exact text to value; `"*"` takes the rest.
    pub map: BTreeMap<String, serde_json::Value>,
    /// Tried in order when `map` has no answer.
    pub patterns: Vec<Pattern>,
    /// Name of a table in `lookups`, or of one that the caller gives.
    pub lookup: Option<String>,
    #[serde(rename = "type")]
    pub kind: Kind,
    pub date_order: Option<DateOrder>,
    /// Only amounts above zero.
    pub positive: bool,
    /// Only amounts below zero, without their sign.
    pub negative: bool,
    pub default: Option<serde_json::Value>,
    pub required: bool,
    pub aggregate: Option<Aggregate>,
    /// Rows of the group that count.
    #[serde(rename = "where")]
    pub filter: Conditions,
    /// A sum that must equal the table's 合计 row.
    pub check_total: bool,
}

/// A [`RuleTable`] with its template taken apart.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    pub table: RuleTable,
    pub parts: Vec<Part>,
}

/// A column by which rows are grouped: a header, or a rule.
#[derive(Debug, Clone)]
pub struct GroupKey(pub Rule);

/// A test of one cell.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    pub column: Names,
    pub equals: Option<String>,
    pub not_equals: Option<String>,
    #[serde(rename = "in")]
    pub one_of: Option<Vec<String>>,
    pub not_in: Option<Vec<String>>,
    pub empty: Option<bool>,
    pub starts: Option<String>,
    pub contains: Option<String>,
}

/// Tests that must all hold.
#[derive(Debug, Clone, Default)]
pub struct Conditions(pub Vec<Condition>);

impl Condition {
    /// True if this text passes.
    pub fn holds(&self, text: &str) -> bool {
        self.equals.as_ref().is_none_or(|t| t == text)
            && self.not_equals.as_ref().is_none_or(|t| t != text)
            && self.one_of.as_ref().is_none_or(|ts| ts.iter().any(|t| t == text))
            && self.not_in.as_ref().is_none_or(|ts| ts.iter().all(|t| t != text))
            && self.empty.is_none_or(|e| e == text.is_empty())
            && self.starts.as_ref().is_none_or(|t| text.starts_with(t))
            && self.contains.as_ref().is_none_or(|t| text.contains(t))
    }

    fn tests(&self) -> usize {
        [
            self.equals.is_some(),
            self.not_equals.is_some(),
            self.one_of.is_some(),
            self.not_in.is_some(),
            self.empty.is_some(),
            self.starts.is_some(),
            self.contains.is_some(),
        ]
        .into_iter()
        .filter(|set| *set)
        .count()
    }
}

impl Mapping {
    /// Parses and checks a mapping file.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        if text.len() > MAPPING_BYTES_MAX {
            return Err(MappingError::TooLarge);
        }
        let mut mapping: Self = toml::from_str(text)?;
        mapping.expand_columns();
        mapping.check()?;
        Ok(mapping)
    }

    /// What reading the files needs to know.
    pub fn read_options(&self) -> ReadOptions {
        let mut shown: Vec<String> = Vec::new();
        self.each_name(&mut |names| {
            for name in names.shown.iter().filter(|n| !n.starts_with('^')) {
                if !shown.contains(name) {
                    shown.push(name.clone());
                }
            }
        });
        let known: HashSet<String> = shown.iter().map(|n| header_key(n)).collect();
        ReadOptions {
            known,
            known_shown: shown,
            sheet: self.source.sheet.clone(),
            array: self.source.array.clone(),
            header_row: self.source.header_row,
            fill_down: self.source.fill_down.iter().map(|n| header_key(n)).collect(),
            bounds: super::sheet::FILES,
        }
    }

    /// The offset of times that are written without one; China's unless the mapping says otherwise.
    pub fn offset(&self) -> Option<FixedOffset> {
        self.source.offset.as_deref().unwrap_or("+08:00").parse().ok()
    }

    fn check(&self) -> Result<(), MappingError> {
        let fail =
            |place: &str, message: &str| Err(MappingError::Meaning { place: place.into(), message: message.into() });
        if self.commands.is_empty() {
            return fail("command", "至少要有一条 [[command]]");
        }
        if self.offset().is_none() {
            return fail("source.offset", "时区请写成 +08:00");
        }
        for (at, command) in (1..).zip(&self.commands) {
            let place = |member: &str| format!("第 {at} 条 command 的 {member}");
            if command.org.is_none() && self.defaults.org.is_none() {
                return fail(&place("org"), "没有写机构");
            }
            let lists = !command.line.is_empty() || !command.lists.is_empty();
            let aggregates = command.fields.values().any(|r| r.table.aggregate.is_some());
            if command.group_by.is_none() && (lists || aggregates) {
                return fail(&place("group_by"), "有汇总或明细列表，但没有写 group_by");
            }
        }
        self.each_rule(&mut |place, rule| rule.check(place))?;
        let mut bad = None;
        self.each_condition(&mut |c| {
            if c.tests() == 0 || c.column.keys.is_empty() {
                bad = Some(c.column.shown.join("、"));
            }
        });
        bad.map_or(Ok(()), |column| fail(&column, "条件要写明 column，并写 equals、in、empty 等其中一项"))
    }

    /// Replaces the names of `[columns]` by the headers that they stand for.
    fn expand_columns(&mut self) {
        let columns = std::mem::take(&mut self.columns);
        let expand = |names: &mut Names| {
            let shown = names
                .shown
                .iter()
                .flat_map(|n| columns.get(n).map_or_else(|| vec![n.clone()], |c| c.shown.clone()))
                .collect();
            *names = Names::new(shown);
        };
        let fill_down = std::mem::take(&mut self.source.fill_down);
        self.source.fill_down = fill_down
            .into_iter()
            .flat_map(|n| columns.get(&n).map_or_else(|| vec![n.clone()], |c| c.shown.clone()))
            .collect();
        let d = &mut self.defaults;
        let shared = [&mut d.org, &mut d.declared_at, &mut d.stream_key, &mut d.stream_key_alias]
            .into_iter()
            .flatten()
            .chain(d.proxy.values_mut());
        shared.for_each(|r| r.each_name_mut(&expand));
        for c in &mut self.commands {
            c.when.0.iter_mut().for_each(|w| expand(&mut w.column));
            for list in c.lists.values_mut() {
                list.filter.0.iter_mut().for_each(|w| expand(&mut w.column));
                list.item.values_mut().for_each(|r| r.each_name_mut(&expand));
            }
            [&mut c.org, &mut c.declared_at, &mut c.stream_key, &mut c.stream_key_alias]
                .into_iter()
                .flatten()
                .for_each(|r| r.each_name_mut(&expand));
            c.kind.each_name_mut(&expand);
            c.proxy.iter_mut().flat_map(BTreeMap::values_mut).for_each(|r| r.each_name_mut(&expand));
            c.group_by.iter_mut().flatten().for_each(|g| g.0.each_name_mut(&expand));
            c.fields.values_mut().chain(c.line.values_mut()).for_each(|r| r.each_name_mut(&expand));
        }
    }

    /// Every rule with its place, as a person finds it.
    pub(super) fn each_rule<E>(&self, visit: &mut impl FnMut(&str, &Rule) -> Result<(), E>) -> Result<(), E> {
        let d = &self.defaults;
        for rule in
            [&d.org, &d.declared_at, &d.stream_key, &d.stream_key_alias].into_iter().flatten().chain(d.proxy.values())
        {
            visit("defaults", rule)?;
        }
        for c in &self.commands {
            visit("kind", &c.kind)?;
            for rule in [&c.org, &c.declared_at, &c.stream_key, &c.stream_key_alias]
                .into_iter()
                .flatten()
                .chain(c.proxy.iter().flat_map(BTreeMap::values))
            {
                visit("org / declared_at / stream_key / proxy", rule)?;
            }
            for key in c.group_by.iter().flatten() {
                visit("group_by", &key.0)?;
            }
            for (name, rule) in c.fields.iter().chain(&c.line).chain(c.lists.values().flat_map(|l| &l.item)) {
                visit(name, rule)?;
            }
        }
        Ok(())
    }

    pub(super) fn each_condition(&self, visit: &mut impl FnMut(&Condition)) {
        for command in &self.commands {
            command.when.0.iter().chain(command.lists.values().flat_map(|l| &l.filter.0)).for_each(&mut *visit);
        }
        let _: Result<(), ()> = self.each_rule(&mut |_, rule| {
            rule.table.filter.0.iter().for_each(&mut *visit);
            Ok(())
        });
    }

    fn each_name(&self, visit: &mut impl FnMut(&Names)) {
        let _: Result<(), ()> = self.each_rule(&mut |_, rule| {
            rule.names().for_each(&mut *visit);
            Ok(())
        });
        self.each_condition(&mut |condition| visit(&condition.column));
    }
}

impl Rule {
    /// The columns that the value is made from.
    pub fn names(&self) -> impl Iterator<Item = &Names> {
        let parts = self.parts.iter().filter_map(|p| match p {
            Part::Column(names) => Some(names),
            Part::Text(_) => None,
        });
        self.table.column.iter().chain(self.table.text_from_file.iter().map(|f| &f.column)).chain(parts)
    }

    fn each_name_mut(&mut self, visit: &impl Fn(&mut Names)) {
        let parts = self.parts.iter_mut().filter_map(|p| match p {
            Part::Column(names) => Some(names),
            Part::Text(_) => None,
        });
        let table = &mut self.table;
        table
            .column
            .iter_mut()
            .chain(table.text_from_file.iter_mut().map(|f| &mut f.column))
            .chain(parts)
            .for_each(visit);
        table.filter.0.iter_mut().for_each(|c| visit(&mut c.column));
    }

    fn check(&self, place: &str) -> Result<(), MappingError> {
        let t = &self.table;
        let fail = |message: &str| Err(MappingError::Meaning { place: place.into(), message: message.into() });
        let sources = [t.column.is_some(), t.template.is_some(), t.value.is_some(), t.text_from_file.is_some()]
            .into_iter()
            .filter(|s| *s)
            .count();
        let numeric = matches!(t.kind, Kind::Fen | Kind::Int | Kind::Percent);
        if sources != 1 && !(sources == 0 && t.aggregate == Some(Aggregate::Count)) {
            return fail("column、template、value、text_from_file 要写而且只写一项");
        }
        if (t.positive || t.negative) && t.kind != Kind::Fen && t.kind != Kind::Int || (t.positive && t.negative) {
            return fail("positive 与 negative 只能用于金额或整数，而且只能写一项");
        }
        if t.aggregate == Some(Aggregate::Sum) && !numeric {
            return fail("只有金额和整数可以求和，请写 type");
        }
        if t.kind == Kind::Enum && t.map.is_empty() && t.patterns.is_empty() {
            return fail("type = \"enum\" 要写 map 或 patterns");
        }
        if t.patterns.iter().any(|p| p.starts.is_some() == p.contains.is_some()) {
            return fail("patterns 的每一项要写 starts 或 contains");
        }
        if t.check_total && (t.aggregate != Some(Aggregate::Sum) || t.column.is_none() || !t.filter.0.is_empty()) {
            return fail("check_total 只能用于不带 where 的 column 求和");
        }
        if [&t.value, &t.default]
            .into_iter()
            .flatten()
            .chain(t.map.values())
            .chain(t.patterns.iter().map(|p| &p.to))
            .any(|v| !is_plain(v))
        {
            return fail("值只能是文字、整数、真假或它们的列表");
        }
        Ok(())
    }
}

/// Statements hold no floats (design 3.1), so neither do mappings.
fn is_plain(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(n) => n.as_i64().is_some(),
        serde_json::Value::Array(items) => items.iter().all(is_plain),
        serde_json::Value::String(_) | serde_json::Value::Bool(_) => true,
        serde_json::Value::Null | serde_json::Value::Object(_) => false,
    }
}

/// Takes `"{a|b} text"` apart; `{{` and `}}` are braces.
fn parts(template: &str) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                text.push(c);
            }
            '}' => return Err("模板里多了一个右花括号"),
            '{' => {
                let mut name = String::new();
                loop {
                    match chars.next() {
                        Some('}') if !name.trim().is_empty() => break,
                        None | Some('{' | '}') => return Err("模板里的花括号没有成对，或里面没有列名"),
                        Some(c) => name.push(c),
                    }
                }
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(Part::Column(Names::new(name.split('|').map(|n| n.trim().to_owned()).collect())));
            }
            c => text.push(c),
        }
    }
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    parts.retain(|p| *p != Part::Text(String::new()));
    Ok(parts)
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("列名，或几个列名的列表")
            }
            fn visit_str<E>(self, name: &str) -> Result<Names, E> {
                Ok(Names::new(vec![name.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Names, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(names)).map(Names::new)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl<'de> Deserialize<'de> for Conditions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Conditions;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("一个条件，或几个条件的列表")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Conditions, A::Error> {
                Condition::deserialize(MapAccessDeserializer::new(map)).map(|c| Conditions(vec![c]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Conditions, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Conditions)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A rule as written: text is a template, a number or truth value a constant, a table itself.
struct RuleVisitor;

impl<'de> Visitor<'de> for RuleVisitor {
    type Value = RuleTable;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("模板文字、常量，或写明 column 等的表")
    }
    fn visit_str<E>(self, template: &str) -> Result<RuleTable, E> {
        Ok(RuleTable { template: Some(template.to_owned()), ..RuleTable::default() })
    }
    fn visit_i64<E>(self, value: i64) -> Result<RuleTable, E> {
        Ok(RuleTable { value: Some(value.into()), ..RuleTable::default() })
    }
    fn visit_bool<E>(self, value: bool) -> Result<RuleTable, E> {
        Ok(RuleTable { value: Some(value.into()), ..RuleTable::default() })
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RuleTable, A::Error> {
        RuleTable::deserialize(MapAccessDeserializer::new(map))
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = deserializer.deserialize_any(RuleVisitor)?;
        let parts = table.template.as_deref().map(parts).transpose().map_err(D::Error::custom)?.unwrap_or_default();
        Ok(Self { table, parts })
    }
}

impl<'de> Deserialize<'de> for GroupKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = deserializer.deserialize_any(RuleVisitor)?;
        // Here a plain text is the header itself, as in `group_by = ["月份"]`.
        if let Some(name) = table.template.take_if(|name| !name.contains('{')) {
            table.column = Some(Names::new(vec![name]));
        }
        let parts = table.template.as_deref().map(parts).transpose().map_err(D::Error::custom)?.unwrap_or_default();
        Ok(Self(Rule { table, parts }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(rest: &str) -> Result<Mapping, MappingError> {
        Mapping::parse(&format!("[[command]]\nkind = \"a.b.v1\"\norg = \"1\"\n{rest}"))
    }

    #[test]
    fn names_of_columns_stand_for_their_headers() {
        let mapping = Mapping::parse(
            "[columns]\nsummary = [\"摘要\", \"用途\"]\n[[command]]\nkind = \"a.b.v1\"\norg = \"1\"\nfields.x = \"{summary}：{金额}\"\nfields.y = { column = \"summary\" }",
        )
        .unwrap();
        let names: Vec<_> = mapping.commands[0].fields["x"].names().map(|n| n.shown.clone()).collect();
        assert_eq!(names, [vec!["摘要".to_owned(), "用途".to_owned()], vec!["金额".to_owned()]]);
        assert_eq!(mapping.read_options().known_shown, ["摘要", "用途", "金额"]);
    }

    #[test]
    fn a_mapping_that_cannot_mean_anything_is_refused() {
        for rest in [
            "fields.x = { column = \"a\", value = 1 }",
            "fields.x = { typo = \"a\" }",
            "fields.x = \"{a\"",
            "fields.x = 1.5",
            "fields.x = { column = \"a\", aggregate = \"sum\", type = \"fen\" }",
            "line.x = \"{a}\"",
            "group_by = []\nfields.x = { column = \"a\", aggregate = \"sum\" }",
            "fields.x = { column = \"a\", type = \"enum\" }",
            "when = { column = \"a\" }",
            "fields.x = { column = \"a\", positive = true }",
            "fields.x = { value = 0.5 }",
        ] {
            assert!(with(rest).is_err(), "{rest}");
        }
        assert!(Mapping::parse("command = []").is_err());
        assert!(Mapping::parse("[[command]]\nkind = \"a.b.v1\"").is_err());
        assert!(with("fields.x = \"{{literal}}\"").is_ok());
    }
}
