//! Applying a mapping to tables: the commands that would be submitted, and everything that stands in their way.
//!
//! A row gives all of its commands or none; a group with one bad row gives none. Commands stand in the order of their
//! first row, so the events of one stream keep the order of the file. Equal rows are separate: nothing is ever left out
//! because it looks like something else. The caller turns `stream_key` into a stream id, one per key and family.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::cell::{self, DateContext, DayOrder};
use super::mapping::{
    Aggregate, Command, Conditions, DateOrder, Kind, Mapping, Names, Part, Repeat, Rule, TextFile, Unmatched,
};
use super::problems::{Problem, Problems};
use super::table::{self, Row, Table};
use super::text;

/// Allowed values that a problem lists.
const VALUES_SHOWN_MAX: usize = 12;
/// Files of one folder. Our own limit.
const FILES_MAX: usize = 10_000;

/// What the caller knows and the files do not say.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// More tables for `lookup`, for example names of organizations to codes.
    pub lookups: BTreeMap<String, BTreeMap<String, String>>,
    /// Year for dates without one, when neither the mapping nor the title says it.
    pub year: Option<i32>,
}

/// A row that a command was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowRef {
    #[serde(serialize_with = "as_text")]
    pub sheet: Arc<str>,
    pub row: u64,
}

fn as_text<S: serde::Serializer>(sheet: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(sheet)
}

/// `{"kind", "stream_key"?, "org", "declared_at"?, "proxy"?, "fields"}` and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedCommand {
    pub json: Value,
    pub source: Vec<RowRef>,
}

/// What an import would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    pub commands: Vec<PlannedCommand>,
    pub problems: Problems,
    /// What was set aside or assumed, in Chinese.
    pub notes: Vec<String>,
    /// Data rows read, totals and remarks not among them.
    pub rows: usize,
}

/// Reads the files (a folder stands for its files) and plans their commands.
pub fn import(mapping: &Mapping, paths: &[PathBuf], context: &Context) -> Plan {
    let (mut problems, mut notes, mut tables) = (Problems::default(), Vec::new(), Vec::new());
    let options = mapping.read_options();
    for path in paths.iter().flat_map(|path| files(mapping, path, &mut problems)).collect::<Vec<_>>() {
        match table::load(&path) {
            Ok(input) => tables.extend(table::read(&input, &options, &mut problems, &mut notes)),
            Err(problem) => problems.push(*problem),
        }
    }
    let planned = plan(mapping, &tables, context);
    problems.append(planned.problems);
    notes.extend(planned.notes);
    Plan { commands: planned.commands, problems, notes, rows: planned.rows }
}

/// The files that a path stands for, by name.
fn files(mapping: &Mapping, path: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_path_buf()];
    }
    if let Some(manifest) = &mapping.source.manifest {
        return vec![path.join(manifest)];
    }
    let wanted = |file: &Path| {
        let extension = file.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let named = mapping.source.extension.as_ref().map_or_else(
            || ["csv", "tsv", "json", "jsonl", "xls", "xlsx"].contains(&extension.as_str()),
            |only| *only == extension,
        );
        named
            && file.is_file()
            && !file.file_name().is_some_and(|n| mapping.source.exclude.iter().any(|x| n == x.as_str()))
    };
    let listed = std::fs::read_dir(path)
        .map(|entries| entries.flatten().map(|e| e.path()).filter(|f| wanted(f)).collect::<Vec<_>>());
    match listed {
        Ok(mut files) if !files.is_empty() && files.len() <= FILES_MAX => {
            files.sort();
            return files;
        }
        Ok(files) if files.is_empty() => {
            problems.push(Problem::of_sheet(path.to_string_lossy(), "文件夹里没有可以读的表格"));
        }
        Ok(_) => problems.push(Problem::of_sheet(
            path.to_string_lossy(),
            format!("文件夹里的文件超过 {FILES_MAX} 个，请分几次导入"),
        )),
        Err(e) => problems.push(Problem::of_sheet(path.to_string_lossy(), format!("文件夹读不了：{e}"))),
    }
    Vec::new()
}

/// Plans the commands of tables that were read.
pub fn plan(mapping: &Mapping, tables: &[Table], context: &Context) -> Plan {
    let places: Vec<Home> = tables.iter().map(|table| Home::new(mapping, table, context)).collect();
    let mut planner = Planner {
        mapping,
        context,
        plan: Plan::default(),
        out: Vec::new(),
        aliases: HashMap::new(),
        repeats: HashMap::new(),
        skipped: 0,
        groups: vec![Groups::default(); mapping.commands.len()],
        told: HashSet::new(),
    };
    let (mut serial, mut unmatched) = (0, 0);
    for (number, home) in places.iter().enumerate() {
        if !planner.columns_are_there(home.table) {
            continue;
        }
        if home.table.rows.is_empty() {
            planner.plan.notes.push(format!("{}：没有数据行，没有生成内容。", home.table.sheet));
        }
        for row in &home.table.rows {
            serial += 1;
            unmatched += usize::from(!planner.take_row(Place { home, row, serial, table: number }));
        }
    }
    planner.plan.rows = serial;
    planner.finish_groups();
    if unmatched > 0 {
        planner.plan.notes.push(format!("有 {unmatched} 行不符合任何一条规则，没有生成内容。"));
    }
    planner.finish()
}

/// A table and what is the same for all of its rows.
struct Home<'a> {
    table: &'a Table,
    sheet: Arc<str>,
    year: Option<i32>,
}

impl<'a> Home<'a> {
    fn new(mapping: &Mapping, table: &'a Table, context: &Context) -> Self {
        let titled = || table.about.get("title").and_then(|t| year_in(t));
        Self { table, sheet: table.sheet.as_str().into(), year: mapping.source.year.or_else(titled).or(context.year) }
    }
}

/// The year in a title: four digits before 年.
fn year_in(title: &str) -> Option<i32> {
    let (before, _) = title.split_once('年')?;
    let digits: Vec<char> = cell::half_width(before).chars().rev().take_while(char::is_ascii_digit).collect();
    (digits.len() == 4).then(|| digits.iter().rev().collect::<String>().parse().ok())?
}

/// One row with its surroundings.
#[derive(Clone, Copy)]
struct Place<'a> {
    home: &'a Home<'a>,
    row: &'a Row,
    serial: usize,
    table: usize,
}

/// Why there is no value.
enum Stop {
    Problem(Box<Problem>),
    /// The mapping says that this row is to be left out.
    Skip,
    /// The problem has been told already.
    Told,
}

type Answer = Result<Option<Value>, Stop>;

#[derive(Clone, Default)]
struct Groups<'a> {
    index: HashMap<(Option<usize>, Vec<String>), usize>,
    rows: Vec<Vec<Place<'a>>>,
    /// Rows that failed before they could join a group; their groups cannot be told, so none of the table is made.
    spoiled: Vec<usize>,
}

struct Planner<'a> {
    mapping: &'a Mapping,
    context: &'a Context,
    plan: Plan,
    out: Vec<(usize, usize, PlannedCommand)>,
    /// Later name of a stream to its first name.
    aliases: HashMap<String, String>,
    /// Key to the last row that used it and how many did.
    repeats: HashMap<String, HashMap<usize, usize>>,
    skipped: usize,
    groups: Vec<Groups<'a>>,
    /// Cells of which a problem was told.
    told: HashSet<(String, Option<u64>, Option<String>)>,
}

impl<'a> Planner<'a> {
    /// Columns without which no row can be read are told once, not once a row.
    fn columns_are_there(&mut self, table: &Table) -> bool {
        if table.rows.is_empty() {
            return true;
        }
        let absent = |names: &Names| !names.keys.iter().any(|k| k.starts_with('^') || table.column(k).is_some());
        let (mut needed, mut optional) = (Vec::new(), Vec::new());
        let _: Result<(), ()> = self.mapping.each_rule(&mut |place, rule| {
            let list =
                if rule.table.required || matches!(place, "kind" | "group_by") { &mut needed } else { &mut optional };
            list.extend(rule.names().filter(|n| absent(n)).map(|n| readable(&n.shown).collect::<Vec<_>>().join("／")));
            Ok(())
        });
        self.mapping.each_condition(&mut |c| {
            needed.extend(absent(&c.column).then(|| readable(&c.column.shown).collect::<Vec<_>>().join("／")));
        });
        for list in [&mut needed, &mut optional] {
            list.sort();
            list.dedup();
        }
        optional.retain(|o| !needed.contains(o));
        if !optional.is_empty() {
            self.plan.notes.push(format!("{}：没有这些列，按空处理：{}。", table.sheet, optional.join("、")));
        }
        if !needed.is_empty() {
            let header = table.header().join("、");
            self.plan.problems.push(Problem::of_sheet(
                &table.sheet,
                format!("缺少这些列：{}。表里有的列是：{header}", needed.join("、")),
            ));
        }
        needed.is_empty()
    }

    /// Takes a row through every command that wants it; false if none did.
    fn take_row(&mut self, place: Place<'a>) -> bool {
        let (mut made, mut wanted) = (Vec::new(), false);
        for (number, command) in self.mapping.commands.iter().enumerate() {
            if !holds(&command.when, place) {
                continue;
            }
            wanted = true;
            let result = if command.group_by.is_some() {
                self.join_group(number, command, place).map(|()| None)
            } else {
                self.command(command, &[place]).map(Some)
            };
            match result {
                Ok(command) => made.extend(command.map(|c| (place.serial, number, c))),
                Err(stop) => {
                    self.tell(stop);
                    return true;
                }
            }
        }
        if !wanted && self.mapping.unmatched == Unmatched::Problem {
            self.plan.problems.push(Problem::of_row(
                &place.home.table.sheet,
                place.row.number,
                "这一行不符合映射文件里的任何一条规则",
            ));
        }
        self.out.append(&mut made);
        wanted
    }

    fn tell(&mut self, stop: Stop) {
        match stop {
            // One cell can feed several fields; its first problem is enough.
            Stop::Problem(problem) if problem.column.is_some() => {
                if self.told.insert((problem.sheet.clone(), problem.row, problem.column.clone())) {
                    self.plan.problems.push(*problem);
                }
            }
            Stop::Problem(problem) => self.plan.problems.push(*problem),
            Stop::Skip => self.skipped += 1,
            Stop::Told => {}
        }
    }

    fn join_group(&mut self, number: usize, command: &Command, place: Place<'a>) -> Result<(), Stop> {
        let mut key = Vec::new();
        for rule in command.group_by.iter().flatten() {
            match self.value(&rule.0, place) {
                Ok(value) => key.push(value.map(|v| text_of(&v)).unwrap_or_default()),
                Err(stop) => {
                    self.groups[number].spoiled.push(place.table);
                    return Err(stop);
                }
            }
        }
        let groups = &mut self.groups[number];
        let home = (!command.group_across).then_some(place.table);
        let at = *groups.index.entry((home, key)).or_insert_with(|| {
            groups.rows.push(Vec::new());
            groups.rows.len() - 1
        });
        groups.rows[at].push(place);
        Ok(())
    }

    fn finish_groups(&mut self) {
        let all = std::mem::take(&mut self.groups);
        for (number, (command, groups)) in self.mapping.commands.iter().zip(all).enumerate() {
            self.check_totals(command, &groups);
            for rows in groups.rows.iter().filter(|rows| !rows.iter().any(|p| groups.spoiled.contains(&p.table))) {
                match self.command(command, rows) {
                    Ok(made) => self.out.push((rows[0].serial, number, made)),
                    Err(stop) => self.tell(stop),
                }
            }
        }
    }

    fn finish(mut self) -> Plan {
        self.out.sort_by_key(|(serial, number, _)| (*serial, *number));
        self.plan.commands = self.out.into_iter().map(|(_, _, command)| command).collect();
        if self.skipped > 0 {
            self.plan.notes.push(format!("有 {} 行所指的文件不存在，按映射文件的规定跳过。", self.skipped));
        }
        let again: usize = self.repeats.values().map(|numbers| numbers.len() - 1).sum();
        if again > 0 {
            self.plan.notes.push(format!("有 {again} 行的编号与前面的行相同，按另一件事项处理，没有合并。"));
        }
        self.plan
    }

    /// One command from one row, or from the rows of a group. Every cell is looked at, so that all problems are told.
    fn command(&mut self, command: &Command, rows: &[Place<'a>]) -> Result<PlannedCommand, Stop> {
        let defaults = &self.mapping.defaults;
        let mut sound = true;
        let mut members = Map::new();
        let org = command.org.as_ref().or(defaults.org.as_ref());
        for (name, rule) in [("kind", Some(&command.kind)), ("org", org)] {
            let value = self.required(name, rule, rows).map(|v| v.map(|v| Value::String(text_of(&v))));
            sound &= self.keep(&mut members, name, value)?;
        }
        if let Some(rule) = command.declared_at.as_ref().or(defaults.declared_at.as_ref()) {
            let value = self.group_value(rule, rows);
            sound &= self.keep(&mut members, "declared_at", value)?;
        }
        let key = self.stream_key(command, rows).map(|k| k.map(Value::String));
        sound &= self.keep(&mut members, "stream_key", key)?;
        let mut proxy = Map::new();
        for (name, rule) in command.proxy.as_ref().unwrap_or(&defaults.proxy) {
            let value = self.group_value(rule, rows);
            sound &= self.keep(&mut proxy, name, value)?;
        }
        if !proxy.is_empty() {
            members.insert("proxy".into(), proxy.into());
        }
        let mut fields = Map::new();
        for (name, rule) in &command.fields {
            let value = self.group_value(rule, rows);
            sound &= self.keep(&mut fields, name, value)?;
        }
        let all = Conditions::default();
        let line = (!command.line.is_empty()).then_some(("lines", &all, &command.line));
        for (name, filter, item) in
            line.into_iter().chain(command.lists.iter().map(|(n, l)| (n.as_str(), &l.filter, &l.item)))
        {
            let mut list = Vec::new();
            for place in rows.iter().filter(|p| holds(filter, **p)) {
                let mut object = Map::new();
                for (member, rule) in item {
                    let value = self.value(rule, *place);
                    sound &= self.keep(&mut object, member, value)?;
                }
                list.push(Value::Object(object));
            }
            fields.insert(name.to_owned(), list.into());
        }
        members.insert("fields".into(), fields.into());
        if !sound {
            return Err(Stop::Told);
        }
        let source = rows.iter().map(|p| RowRef { sheet: p.home.sheet.clone(), row: p.row.number }).collect();
        Ok(PlannedCommand { json: members.into(), source })
    }

    /// Puts a value in place; false if there was a problem, which is then told.
    fn keep(&mut self, members: &mut Map<String, Value>, name: &str, answer: Answer) -> Result<bool, Stop> {
        match answer {
            Ok(value) => {
                members.extend(value.map(|v| (name.to_owned(), v)));
                Ok(true)
            }
            Err(Stop::Skip) => Err(Stop::Skip),
            Err(stop) => {
                self.tell(stop);
                Ok(false)
            }
        }
    }

    fn required(&self, name: &str, rule: Option<&Rule>, rows: &[Place<'a>]) -> Answer {
        match rule.map(|rule| self.group_value(rule, rows)).transpose()?.flatten() {
            Some(value) => Ok(Some(value)),
            None => Err(problem(rows[0], format!("算不出 {name}，请检查这一行和映射文件"))),
        }
    }

    fn stream_key(&mut self, command: &Command, rows: &[Place<'a>]) -> Result<Option<String>, Stop> {
        let defaults = &self.mapping.defaults;
        let Some(rule) = command.stream_key.as_ref().or(defaults.stream_key.as_ref()) else { return Ok(None) };
        let Some(key) = self.required("stream_key", Some(rule), rows)?.map(|v| text_of(&v)) else { return Ok(None) };
        if let Some(alias) = command.stream_key_alias.as_ref().or(defaults.stream_key_alias.as_ref())
            && let Some(old) = self.group_value(alias, rows)?.map(|v| text_of(&v))
        {
            let first = self.first_name(&old);
            if first == key {
                self.aliases.remove(&key);
            } else {
                self.aliases.insert(key.clone(), first);
            }
        }
        let key = self.first_name(&key);
        if defaults.repeat == Repeat::Same {
            return Ok(Some(key));
        }
        let serial = rows[0].serial;
        // Groups come after all single rows, so an earlier row can come up again.
        let numbers = self.repeats.entry(key.clone()).or_default();
        let next = numbers.len() + 1;
        let number = *numbers.entry(serial).or_insert(next);
        Ok(Some(if number > 1 { format!("{key}#{number}") } else { key }))
    }

    fn first_name(&self, key: &str) -> String {
        self.aliases.get(key).map_or_else(|| key.to_owned(), Clone::clone)
    }

    /// What the rows of a group come to; for one row and no aggregate, its value.
    fn group_value(&self, rule: &Rule, rows: &[Place<'a>]) -> Answer {
        let Some(aggregate) = rule.table.aggregate else { return self.common_value(rule, rows) };
        let mut values = Vec::new();
        for place in rows.iter().filter(|p| holds(&rule.table.filter, **p)) {
            if aggregate == Aggregate::Count && rule.table.column.is_none() {
                values.push(Value::Null);
            } else {
                values.extend(self.value(rule, *place)?);
            }
        }
        let first_rank = |v: &Value| (v.as_i64(), v.as_str().map(str::to_owned));
        let found = match aggregate {
            Aggregate::Sum => {
                let sum = values.iter().try_fold(0_i64, |sum, v| sum.checked_add(v.as_i64()?));
                Some(
                    sum.filter(|s| s.abs() <= cell::INTEGER_MAX)
                        .ok_or_else(|| problem(rows[0], "合计数太大".into()))?
                        .into(),
                )
            }
            Aggregate::Count => Some(values.len().into()),
            Aggregate::First => values.into_iter().next(),
            Aggregate::Last => values.pop(),
            Aggregate::Min => values.into_iter().min_by_key(first_rank),
            Aggregate::Max => values.into_iter().max_by_key(first_rank),
            Aggregate::Collect => Some(values.into()),
        };
        Ok(found.or_else(|| rule.table.default.clone()))
    }

    fn common_value(&self, rule: &Rule, rows: &[Place<'a>]) -> Answer {
        let first = self.value(rule, rows[0])?;
        for place in &rows[1..] {
            if self.value(rule, *place)? != first {
                let why = format!(
                    "同一组各行的内容应当相同，这里与第 {} 行不同；若要汇总，请在映射文件里写 aggregate",
                    rows[0].row.number
                );
                return Err(Self::fault(rule, *place, why));
            }
        }
        Ok(first)
    }

    /// The value of a rule for one row.
    fn value(&self, rule: &Rule, place: Place<'_>) -> Answer {
        let table = &rule.table;
        if let Some(constant) = &table.value {
            return Ok(Some(constant.clone()));
        }
        let raw = Self::raw(rule, place)?;
        let text = extract(&raw, table.after.as_deref(), table.before.as_deref());
        let read = self.convert(rule, place, text).map_err(|why| Self::fault(rule, place, why))?;
        let kept = read.and_then(|value| match value.as_i64() {
            Some(amount) if table.positive => (amount > 0).then_some(value),
            Some(amount) if table.negative => (amount < 0).then(|| (-amount).into()),
            _ => Some(value),
        });
        match kept.or_else(|| table.default.clone()) {
            None if table.required => Err(Self::fault(rule, place, "不能为空".into())),
            value => Ok(value),
        }
    }

    /// The text that a rule starts from.
    fn raw(rule: &Rule, place: Place<'_>) -> Result<String, Stop> {
        if let Some(file) = &rule.table.text_from_file {
            return text_file(file, place);
        }
        if let Some(names) = &rule.table.column {
            return Ok(cell_text(names, place));
        }
        let (mut text, mut columns, mut filled) = (String::new(), 0, 0);
        for part in &rule.parts {
            match part {
                Part::Text(constant) => text.push_str(constant),
                Part::Column(names) => {
                    let cell = cell_text(names, place);
                    columns += 1;
                    filled += usize::from(!cell.is_empty());
                    text.push_str(&cell);
                }
            }
        }
        // A template of which every column is empty says nothing.
        Ok(if columns > 0 && filled == 0 { String::new() } else { text })
    }

    fn convert(&self, rule: &Rule, place: Place<'_>, text: &str) -> Result<Option<Value>, String> {
        let table = &rule.table;
        if let Some(value) = table.map.get(text) {
            return Ok(Some(value.clone()));
        }
        if text.is_empty() {
            return Ok(None);
        }
        if !table.map.is_empty() || !table.patterns.is_empty() {
            let fits = |p: &&super::mapping::Pattern| {
                p.starts.as_ref().is_some_and(|t| text.starts_with(t))
                    || p.contains.as_ref().is_some_and(|t| text.contains(t))
            };
            let found = table.patterns.iter().find(fits).map(|p| &p.to).or_else(|| table.map.get("*"));
            let allowed = || {
                let starts = table.patterns.iter().filter_map(|p| p.starts.as_ref().or(p.contains.as_ref()));
                let mut told = Vec::new();
                // Of several words for one value the first is enough.
                let fresh = |word: &&str| match table.map.get(*word) {
                    Some(value) if told.contains(&value) => false,
                    value => {
                        told.extend(value);
                        true
                    }
                };
                let words = readable(table.map.keys().chain(starts)).filter(fresh);
                words.take(VALUES_SHOWN_MAX).collect::<Vec<_>>().join("、")
            };
            return found.cloned().map(Some).ok_or_else(|| format!("不是认得的值，可以填：{}", allowed()));
        }
        if let Some(name) = &table.lookup {
            let found =
                [&self.mapping.lookups, &self.context.lookups].into_iter().find_map(|all| all.get(name)?.get(text));
            return found.map(|v| Some(v.clone().into())).ok_or_else(|| format!("在对照表“{name}”里找不到“{text}”"));
        }
        self.typed(rule, place, text)
    }

    fn typed(&self, rule: &Rule, place: Place<'_>, text: &str) -> Result<Option<Value>, String> {
        let order = rule.table.date_order.map(|o| match o {
            DateOrder::Dmy => DayOrder::DayFirst,
            DateOrder::Mdy => DayOrder::MonthFirst,
        });
        let dates = DateContext { year: place.home.year, order };
        let unit = || {
            rule.table
                .column
                .as_ref()
                .and_then(|n| column_of(n, place))
                .map(|at| place.home.table.columns[at].unit)
                .unwrap_or_default()
        };
        Ok(match rule.table.kind {
            Kind::Text | Kind::Enum => Some(text.into()),
            Kind::Fen => cell::money(text, unit())?.map(Into::into),
            Kind::Int => cell::integer(text)?.map(Into::into),
            Kind::Percent => cell::percent(text)?.map(Into::into),
            Kind::Bool => cell::yes_no(text)?.map(Into::into),
            Kind::Date => cell::date(text, dates)?.map(Into::into),
            Kind::Month => cell::month(text, dates)?.map(Into::into),
            Kind::Time => {
                let offset = self.mapping.offset().ok_or("时区请写成 +08:00")?;
                cell::time(text, dates, offset)?.map(Into::into)
            }
            Kind::List => Some(list_of(text)),
        })
    }

    /// A problem at the first column of a rule.
    fn fault(rule: &Rule, place: Place<'_>, why: String) -> Stop {
        let row = Problem::of_row(&place.home.table.sheet, place.row.number, why);
        let names = rule.names().next();
        Stop::Problem(Box::new(match names.and_then(|n| column_of(n, place)) {
            Some(at) => {
                let column = &place.home.table.columns[at];
                row.at_cell(column.place, &column.header, &place.row.cells[at])
            }
            None => row,
        }))
    }

    /// Compares the sums that a mapping wants compared with the 合计 row of each table.
    fn check_totals(&mut self, command: &Command, groups: &Groups<'a>) {
        for rule in command.fields.values().filter(|r| r.table.check_total) {
            let mut sums: BTreeMap<usize, (Place<'a>, i64)> = BTreeMap::new();
            for place in groups.rows.iter().flatten() {
                // A cell that cannot be read is told when its group is made.
                let amount = self.value(rule, *place).ok().flatten().and_then(|v| v.as_i64()).unwrap_or(0);
                let (_, sum) = sums.entry(place.table).or_insert((*place, 0));
                *sum = sum.saturating_add(amount);
            }
            for (place, sum) in sums.into_values() {
                let Some(total) = grand_total(place.home.table) else { continue };
                let at = Place { row: total, ..place };
                match self.value(rule, at) {
                    Ok(Some(stated)) if stated != json!(sum) => {
                        let why = format!("合计行与明细不符，明细相加是 {}", yuan(sum));
                        let stop = Self::fault(rule, at, why);
                        self.tell(stop);
                    }
                    Ok(_) => {}
                    Err(stop) => self.tell(stop),
                }
            }
        }
    }
}

/// The last total that is of the whole table: not of a page, a part or a year.
pub fn grand_total(table: &Table) -> Option<&Row> {
    table.totals.iter().rev().find(|row| {
        let label: String = row.cells.iter().take(3).flat_map(|c| c.chars().filter(|c| !c.is_whitespace())).collect();
        ["合计", "总计", "共计"].iter().any(|w| label.contains(w))
            && !["页", "年", "小计", "累计"].iter().any(|w| label.contains(w))
    })
}

/// Without what only programs write, where people have words of their own.
fn readable<'t>(words: impl IntoIterator<Item = &'t String>) -> impl Iterator<Item = &'t str> {
    let words: Vec<&str> = words.into_iter().map(String::as_str).collect();
    let has_own = words.iter().any(|word| !word.is_ascii());
    words.into_iter().filter(move |word| !has_own || !word.is_ascii())
}

fn yuan(fen: i64) -> String {
    format!("{}{}.{:02}", if fen < 0 { "-" } else { "" }, fen.abs() / 100, fen.abs() % 100)
}

fn problem(place: Place<'_>, why: String) -> Stop {
    Stop::Problem(Box::new(Problem::of_row(&place.home.table.sheet, place.row.number, why)))
}

fn holds(conditions: &Conditions, place: Place<'_>) -> bool {
    conditions.0.iter().all(|c| c.holds(&cell_text(&c.column, place)))
}

/// The first of these columns that says something, trimmed.
fn cell_text(names: &Names, place: Place<'_>) -> String {
    let table = place.home.table;
    let texts = names.keys.iter().filter_map(|key| match key.strip_prefix('^') {
        Some("row") => Some(place.row.number.to_string()),
        Some(member) => table.about.get(member).cloned(),
        None => table.column(key).map(|at| place.row.cells[at].trim().to_owned()),
    });
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

fn column_of(names: &Names, place: Place<'_>) -> Option<usize> {
    let table = place.home.table;
    let found = || names.keys.iter().filter_map(|key| table.column(key));
    found().find(|at| !place.row.cells[*at].trim().is_empty()).or_else(|| found().next())
}

fn extract<'t>(text: &'t str, after: Option<&str>, before: Option<&str>) -> &'t str {
    let text = after.and_then(|mark| text.split_once(mark)).map_or(text, |(_, rest)| rest);
    before.and_then(|mark| text.split_once(mark)).map_or(text, |(rest, _)| rest).trim()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list_of(text: &str) -> Value {
    if let Ok(Value::Array(items)) = serde_json::from_str(text) {
        return items.iter().map(text_of).collect();
    }
    text.split(['、', '，', '；', ';', '\n']).map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// The text of a file that a row names, which must lie in the folder of the table, links resolved.
fn text_file(file: &TextFile, place: Place<'_>) -> Result<String, Stop> {
    let name = cell_text(&file.column, place);
    let fault = |why: &str| {
        let row = Problem::of_row(&place.home.table.sheet, place.row.number, why);
        Stop::Problem(Box::new(match column_of(&file.column, place) {
            Some(at) => {
                let column = &place.home.table.columns[at];
                row.at_cell(column.place, &column.header, &name)
            }
            None => row,
        }))
    };
    if name.is_empty() {
        return Ok(name);
    }
    let Some(folder) = &place.home.table.folder else { return Err(fault("不知道文件在哪个文件夹")) };
    let relative = Path::new(&file.dir).join(&name);
    if !relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err(fault("文件名里不能有上级文件夹或绝对路径"));
    }
    let Ok(path) = folder.join(&relative).canonicalize() else {
        return Err(if file.missing == Unmatched::Skip { Stop::Skip } else { fault("文件不存在") });
    };
    if !folder.canonicalize().is_ok_and(|folder| path.starts_with(folder)) {
        return Err(fault("文件不在清单所在的文件夹里"));
    }
    let input = table::load(&path).map_err(Stop::Problem)?;
    text::decode(&input.bytes).map_err(|(row, why)| Stop::Problem(Box::new(Problem::of_row(input.name, row, why))))
}
