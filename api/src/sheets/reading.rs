//! From the bytes of a file to lines, every cell looked at.

use gongkai_domain::field::{Choice, Column, Shape, check_row};
use gongkai_domain::personal::{self, HitKind};
use gongkai_domain::{Refusal, finance};
use gongkai_log::Tier;
use serde_json::{Map, Value, json};

use super::heading::{self, Heading};
use super::names::{AMOUNT, DAY};
use super::stated::{self, Balance, Stated};
use super::{Asked, Class, ColumnRead, Fault, Part, RowRead, Sheet, classes, settle};
use crate::exchange::Problems;
use crate::exchange::cell::{self, DateContext, MoneyUnit};
use crate::exchange::plan::grand_total;
use crate::exchange::problems::{column_letters, column_place};
use crate::exchange::sheet::SENT;
use crate::exchange::table::{self, HEADER_ROWS_MAX, Input, RawTable, Row, Table};

/// Largest file. A year of a village's accounts is below 1 MiB.
pub const BYTES_MAX: usize = 8 << 20;
/// Most rows of a sheet: the most lines that a disclosure can have, and what stands around them.
pub const LINES_MAX: usize = gongkai_domain::submission::LINES_MAX;
/// Most cells of a sheet, empty ones included.
const CELLS_MAX: usize = 2_000_000;
/// What a problem of the whole file calls it; the name that it has is nobody's business.
const UNREAD_NAME: &str = "上传的表格";

/// Reads an uploaded file. What cannot be read at all is one blocking problem.
pub fn read(bytes: Vec<u8>, asked: &Asked) -> Sheet {
    let mut sheet = Sheet::default();
    match raw(bytes) {
        Ok(tables) => reading(&mut sheet, tables, asked),
        Err(problem) => sheet.fault(Fault { problem: *problem, place: None, blocking: true }),
    }
    sheet
}

fn raw(bytes: Vec<u8>) -> Result<Vec<RawTable>, Box<crate::exchange::Problem>> {
    let refuse = |why: &str| Box::new(crate::exchange::Problem::of_sheet(UNREAD_NAME, why));
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(refuse("文件是空的。请选填好的表格"));
    }
    if bytes.len() > BYTES_MAX {
        return Err(refuse("文件超过 8 MB。请只留要公开的这一期，去掉图片，再上传"));
    }
    let input = Input { name: UNREAD_NAME.into(), bytes, folder: None };
    let (tables, _) = table::raw(&input, SENT)?;
    let tables: Vec<RawTable> = tables.into_iter().filter(|raw| !raw.rows.is_empty()).collect();
    if tables.is_empty() {
        return Err(refuse("文件里没有内容。请选填好的表格"));
    }
    let around = LINES_MAX + 2 * HEADER_ROWS_MAX;
    if tables.iter().any(|raw| raw.rows.len() > around) {
        return Err(refuse("超过 50,000 行。一份公开最多 50,000 行，请分成几份"));
    }
    if tables.iter().flat_map(|raw| &raw.rows).map(|row| row.cells.len()).sum::<usize>() > CELLS_MAX {
        return Err(refuse("单元格太多。请删去用不着的列，再上传"));
    }
    Ok(tables.into_iter().map(plain).collect())
}

/// Control characters and line breaks inside a cell become spaces: no line of a sheet holds them.
fn plain(mut raw: RawTable) -> RawTable {
    for cell in raw.rows.iter_mut().flat_map(|row| &mut row.cells).filter(|cell| cell.contains(char::is_control)) {
        *cell = cell.replace(char::is_control, " ");
    }
    raw
}

fn reading(sheet: &mut Sheet, tables: Vec<RawTable>, asked: &Asked) {
    sheet.sheets = tables.iter().filter_map(|raw| raw.sheet.clone()).collect();
    sheet.own.asked_opening = asked.opening;
    let Some((mut raw, class, heading)) = choose(tables, asked) else { return };
    sheet.content = Some(class.content);
    sheet.sheet.clone_from(&raw.sheet);
    sheet.rows =
        raw.rows.iter().map(|row| RowRead { row: row.number, part: Part::Aside, cells: row.cells.clone() }).collect();
    let heading = heading.unwrap_or_else(|| heading::one(class, &raw.rows, table::widest(&raw.rows)).1);
    sheet.header_row = raw.rows.get(heading.at).map(|row| row.number);
    name_columns(sheet, class, &heading.names, asked);
    for row in &mut sheet.rows[..heading.at] {
        row.part = Part::Title;
    }
    for row in &mut sheet.rows[heading.at..heading.at + heading.rows] {
        row.part = Part::Header;
    }
    let fields: Vec<_> = sheet.columns.iter().map(|column| column.field).collect();
    let lacks = class.lacks(&fields);
    sheet.mapped = lacks.is_empty();
    if !sheet.mapped {
        let message = format!("没有认出这几列：{}。请说明哪一列是什么", lacks.join("、"));
        let fault = sheet.problem(sheet.header_row, None, message);
        sheet.fault(fault);
        return;
    }
    titled(sheet, heading.at);
    // What is read below is one header, whether it stood in one row or two.
    raw.rows.drain(heading.at..heading.at + heading.rows - 1);
    raw.rows[heading.at].cells.clone_from(&heading.names);
    lines(sheet, class, raw, &heading, asked);
}

/// The sheet and header with the most known names; of several the first.
fn choose(tables: Vec<RawTable>, asked: &Asked) -> Option<(RawTable, Class, Option<Heading>)> {
    let wanted: Vec<Class> = asked.class.map_or_else(|| classes().collect(), |class| vec![class]);
    let mut best: Option<(usize, usize, Class, Option<Heading>)> = None;
    for (number, raw) in tables.iter().enumerate() {
        if asked.sheet.as_ref().is_some_and(|name| raw.sheet.as_ref() != Some(name)) {
            continue;
        }
        for class in &wanted {
            let told = asked.header.and_then(|header| raw.rows.iter().position(|row| row.number == header));
            let (score, found) =
                heading::find(*class, &raw.rows).map_or((0, None), |(score, heading)| (score, Some(heading)));
            if best.as_ref().is_none_or(|(_, known, ..)| score > *known) {
                let told = told.map(|at| heading::one(*class, &raw.rows, at).1);
                best = Some((number, score, *class, told.or(found)));
            }
        }
    }
    let (number, _, class, heading) = best?;
    tables.into_iter().nth(number).map(|raw| (raw, class, heading))
}

fn name_columns(sheet: &mut Sheet, class: Class, headers: &[String], asked: &Asked) {
    let fields = match &asked.columns {
        None => {
            sheet.platform = class.platform(headers).map(|platform| platform.name.as_str());
            class.read_headers(headers)
        }
        Some(told) => {
            let field = |place: usize| told.iter().find(|(at, _)| *at == place).map(|(_, name)| name.as_str());
            let known = |name: &str| class.fields().map(|(known, _)| known).find(|known| *known == name);
            (0..headers.len()).map(|place| known(field(place)?)).collect()
        }
    };
    let named = headers
        .iter()
        .zip(fields)
        .enumerate()
        .filter(|(_, (header, field))| field.is_some() || !header.trim().is_empty());
    sheet.columns = named
        .map(|(place, (header, field))| ColumnRead {
            place,
            letter: column_letters(place),
            header: header.split_whitespace().collect::<Vec<_>>().join(" "),
            field,
        })
        .collect();
}

/// What stands above the header: title, period, and balances in lines of their own.
fn titled(sheet: &mut Sheet, header: usize) {
    let above = sheet.rows[..header].iter().map(|row| {
        let text =
            row.cells.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" ");
        (row.row, text)
    });
    let above: Vec<(u64, String)> = above.collect();
    let title = above.iter().find(|(_, text)| text.chars().count() >= 4 && !text.starts_with("单位"));
    if let Some((row, title)) = title {
        sheet.fields.insert("title".into(), json!(title));
        let place = sheet
            .rows
            .iter()
            .find(|known| known.row == *row)
            .and_then(|known| known.cells.iter().position(|cell| !cell.trim().is_empty()));
        for message in private(title, Tier::Public) {
            sheet.own.private += 1;
            let fault = sheet.problem(Some(*row), place, message);
            sheet.fault(fault);
        }
    }
    if let Some(period) = above.iter().find_map(|(_, text)| stated::period(text)) {
        sheet.fields.insert("period".into(), json!(period));
    }
}

/// What must not be published in a text, as sentences.
pub fn private(text: &str, tier: Tier) -> Vec<String> {
    let hits = personal::scan(text).into_iter();
    let barred = hits.filter(|hit| tier == Tier::Public || hit.kind == HitKind::IdNumber);
    barred.map(|hit| format!("{}，不能公开。请删去", hit.message())).collect()
}

fn lines(sheet: &mut Sheet, class: Class, raw: RawTable, heading: &Heading, asked: &Asked) {
    let (mut found, mut notes) = (Problems::default(), Vec::new());
    let input = Input { name: UNREAD_NAME.into(), bytes: Vec::new(), folder: None };
    let table = table::below(&input, raw, heading.at, &mut found, &mut notes);
    for problem in found.shown {
        sheet.own.unread += 1;
        let place = problem.column.as_deref().and_then(column_place);
        sheet.fault(Fault { problem, place, blocking: true });
    }
    let title = sheet.fields.get("title").and_then(Value::as_str).unwrap_or_default();
    let told = asked.period.as_deref().or_else(|| sheet.fields.get("period").and_then(Value::as_str));
    let year = told.and_then(|period| period.get(..4)?.parse().ok()).or_else(|| stated::year(title)).or(heading.year);
    let units = units(sheet, &table);
    totals(sheet, class, &table, &units);
    let mut reader = Reader { class, year, units, above: None, filled: 0 };
    for row in &table.rows {
        if class.is_finance() && balance_row(sheet, &reader, &table, row) {
            continue;
        }
        one(sheet, &mut reader, &table, row);
    }
    if class.is_finance() {
        beside(sheet, reader.units.first().copied().unwrap_or_default());
    }
    if reader.filled > 0 {
        notes.push(format!("有 {} 行没有写日期，按上一行的日期读。", reader.filled));
    }
    sheet.notes.extend(notes.into_iter().map(|note| note.replace(UNREAD_NAME, "").trim_start().to_owned()));
    if sheet.lines.is_empty() && sheet.own.unread == 0 {
        let fault = sheet.problem(None, None, "表头下面没有数据行。没有收支的，请在表单里勾“本期无收支”");
        sheet.fault(fault);
    }
    if sheet.lines.len() > LINES_MAX {
        let fault = sheet.problem(None, None, "超过 50,000 行。一份公开最多 50,000 行，请分成几份");
        sheet.fault(fault);
    }
}

/// The unit of each column of the sheet.
fn units(sheet: &Sheet, table: &Table) -> Vec<MoneyUnit> {
    let unit = |place: usize| table.columns.iter().find(|column| column.place == place).map(|column| column.unit);
    sheet.columns.iter().map(|column| unit(column.place).unwrap_or_default()).collect()
}

/// Marks totals, and keeps what the last one of the whole table states.
fn totals(sheet: &mut Sheet, class: Class, table: &Table, units: &[MoneyUnit]) {
    for total in &table.totals {
        mark(sheet, total.number, Part::Total);
    }
    let Some(total) = grand_total(table).filter(|_| class.is_finance()) else { return };
    for field in ["income", "expense"] {
        let Some(at) = sheet.columns.iter().position(|column| column.field == Some(field)) else { continue };
        let place = sheet.columns[at].place;
        match cell::money(sheet.cell(total.number, place), units[at]) {
            Ok(Some(fen)) => sheet.own.totals.push((field, Stated { fen, row: total.number, place })),
            Ok(None) => {}
            Err(why) => {
                let fault = sheet.problem(Some(total.number), Some(place), why);
                sheet.fault(fault);
            }
        }
    }
}

fn mark(sheet: &mut Sheet, row: u64, part: Part) {
    if let Ok(at) = sheet.rows.binary_search_by_key(&row, |known| known.row) {
        sheet.rows[at].part = part;
    }
}

/// Takes a row that states a balance instead of a payment; false for any other.
fn balance_row(sheet: &mut Sheet, reader: &Reader, table: &Table, row: &Row) -> bool {
    let Some(balance) = stated::named(&row.cells) else { return false };
    let amounts = ["balance", "income", "expense", AMOUNT].into_iter().filter_map(|field| {
        let at = sheet.columns.iter().position(|column| column.field == Some(field))?;
        let place = sheet.columns[at].place;
        let text = text_at(table, row, place);
        (!cell::is_absent(text)).then(|| (place, cell::money(text, reader.units[at])))
    });
    let amounts: Vec<_> = amounts.collect();
    match amounts.as_slice() {
        [] => {}
        [(place, Ok(Some(fen))), ..] => keep(sheet, balance, Stated { fen: *fen, row: row.number, place: *place }),
        [(place, read), ..] => {
            let why = read.as_ref().err().cloned().unwrap_or_else(|| "不是金额".into());
            let fault = sheet.problem(Some(row.number), Some(*place), why);
            sheet.fault(fault);
        }
    }
    mark(sheet, row.number, if balance == Balance::Opening { Part::Opening } else { Part::Closing });
    true
}

/// The first opening and the last closing hold.
fn keep(sheet: &mut Sheet, balance: Balance, stated: Stated) {
    match balance {
        Balance::Opening => sheet.own.opening = sheet.own.opening.or(Some(stated)),
        Balance::Closing => sheet.own.closing = Some(stated),
    }
}

/// Balances in lines above and below the table.
fn beside(sheet: &mut Sheet, unit: MoneyUnit) {
    for at in 0..sheet.rows.len() {
        let row = &sheet.rows[at];
        if !matches!(row.part, Part::Title | Part::Aside) {
            continue;
        }
        for balance in Balance::BOTH {
            if let Some((place, fen)) = stated::within(&sheet.rows[at].cells, balance, unit) {
                let missing = if balance == Balance::Opening { sheet.own.opening } else { sheet.own.closing }.is_none();
                if missing {
                    let row = sheet.rows[at].row;
                    keep(sheet, balance, Stated { fen, row, place });
                }
            }
        }
    }
}

fn text_at<'t>(table: &Table, row: &'t Row, place: usize) -> &'t str {
    let column = table.columns.iter().position(|column| column.place == place);
    column.and_then(|at| row.cells.get(at)).map_or("", |cell| cell.trim())
}

/// What reading a cell needs to know of the whole.
pub(super) struct Reader {
    pub class: Class,
    pub year: Option<i32>,
    /// By column of the sheet.
    units: Vec<MoneyUnit>,
    /// The last date that was written: vertically merged cells leave those below empty.
    pub above: Option<Value>,
    /// Lines that took it.
    pub filled: usize,
}

/// One row into one line, or into the problems of its cells.
fn one(sheet: &mut Sheet, reader: &mut Reader, table: &Table, row: &Row) {
    let named: Vec<(usize, &'static str, usize)> =
        sheet.columns.iter().enumerate().filter_map(|(at, column)| Some((at, column.field?, column.place))).collect();
    if named.iter().all(|(_, _, place)| cell::is_absent(text_at(table, row, *place))) {
        return;
    }
    mark(sheet, row.number, Part::Line);
    let (mut line, mut faults, mut words, mut side) = (Map::new(), Vec::new(), Vec::new(), Map::new());
    for (at, field, place) in named {
        let text = text_at(table, row, place);
        let read = if reader.class.is_beside(field) {
            settle::apart(field, text, reader.units[at])
                .map(|value| value.map(|value| drop(side.insert(field.to_owned(), value))))
        } else {
            let Some(column) = reader.class.shape.columns.iter().find(|column| column.name == field) else { continue };
            words.extend(remarks(sheet, column, row.number, place, text));
            reader
                .value(column, text, reader.units[at])
                .map(|value| value.map(|value| drop(line.insert(field.to_owned(), value))))
        };
        if let Err(why) = read {
            faults.push(sheet.problem(Some(row.number), Some(place), why));
        }
    }
    faults.extend(settle::settle(sheet, reader, row.number, &mut line, &side));
    if faults.is_empty() {
        faults.extend(judged(sheet, reader.class, row.number, &line));
    }
    sheet.own.private += words.iter().filter(|fault| fault.blocking).count();
    // A number that must not be published blocks too; the amounts beside it still count.
    let readable = faults.is_empty();
    faults.into_iter().chain(words).for_each(|fault| sheet.fault(fault));
    if readable {
        sheet.lines.push(line);
        sheet.line_rows.push(row.number);
    } else {
        sheet.own.unread += 1;
    }
}

/// What people should look at, and what must not be published, in a cell of words.
fn remarks(sheet: &Sheet, column: &Column, row: u64, place: usize, text: &str) -> Vec<Fault> {
    if !matches!(column.shape, Shape::Text(_)) {
        return Vec::new();
    }
    let mut found: Vec<Fault> =
        private(text, column.tier).into_iter().map(|message| sheet.problem(Some(row), Some(place), message)).collect();
    if text.starts_with(['=', '@']) {
        let fault = sheet.problem(Some(row), Some(place), "看起来是公式，按文字读入，不会计算。请核对");
        found.push(Fault { blocking: false, ..fault });
    }
    found
}

impl Reader {
    fn value(&self, column: &Column, text: &str, unit: MoneyUnit) -> cell::Parsed<Value> {
        let dates = DateContext { year: self.year, order: None };
        Ok(match column.shape {
            Shape::Date => cell::date(text, dates)?.map(Value::from),
            Shape::Fen => cell::money(text, unit)?.map(Value::from),
            Shape::Count => match cell::integer(text)? {
                Some(count) if count < 0 => return Err("不能是负数".into()),
                count => count.map(Value::from),
            },
            Shape::Choice(choices) => chosen(choices, text)?,
            _ if cell::is_absent(text) => None,
            _ => Some(json!(text)),
        })
    }
}

/// A choice by its words, with or without the note in brackets.
fn chosen(choices: &[Choice], text: &str) -> cell::Parsed<Value> {
    let key = table::header_key(text);
    if cell::is_absent(text) || ["有", "正常", "有凭证"].contains(&key.as_str()) {
        return Ok(None);
    }
    let fits = |(wire, label): &&Choice| {
        let label = table::header_key(label);
        *wire == key || label == key || table::bare_key(&label) == key || (key == "白条" && *wire == "irregular")
    };
    if let Some((wire, _)) = choices.iter().find(fits) {
        return Ok(Some(json!(wire)));
    }
    let labels: Vec<&str> = choices.iter().map(|(_, label)| *label).collect();
    Err(format!("不是认得的值，可以填：{}", labels.join("、")))
}

/// What the ledger's own rules for one line say.
fn judged(sheet: &Sheet, class: Class, row: u64, line: &Map<String, Value>) -> Vec<Fault> {
    let label = |name: &str| class.shape.columns.iter().find(|c| c.name == name).map_or("", |column| column.label);
    let missing = |name: &str| format!("没有填「{}」", label(name));
    let day = sheet.place_of(DAY).filter(|_| sheet.place_of("date").is_none());
    if let Some(column) = class.shape.columns.iter().find(|c| c.required && !line.contains_key(c.name)) {
        return vec![sheet.problem(Some(row), sheet.place_of(column.name).or(day), missing(column.name))];
    }
    if let Err(Refusal::Field { name, reason, .. }) = check_row(class.shape, 0, line) {
        let reason = reason.trim_start_matches("第1行").to_owned();
        return vec![sheet.problem(Some(row), sheet.place_of(&name), reason)];
    }
    if !class.is_finance() {
        return Vec::new();
    }
    let (name, message) = match finance::Line::parse(line) {
        Ok(_) => return Vec::new(),
        Err(finance::LineError::Missing("income")) => ("income", "收入和支出都空着，请填一个".to_owned()),
        Err(finance::LineError::Missing(name)) => (name, missing(name)),
        Err(
            finance::LineError::Date(name)
            | finance::LineError::Amount(name)
            | finance::LineError::Count(name)
            | finance::LineError::Text(name)
            | finance::LineError::Flag(name)
            | finance::LineError::Files(name),
        ) => (name, format!("「{}」太长，或不是能记的值", label(name))),
        Err(error @ finance::LineError::UnknownColumn(_)) => ("summary", error.to_string()),
    };
    let place = sheet.place_of(name).or_else(|| sheet.place_of("expense"));
    vec![sheet.problem(Some(row), place, message)]
}
