//! A table of many matters as people see it: rows and columns beside the commands that it would become, every problem at
//! its cell.
//!
//! One sheet is read at a time, so that what is mended in a page can come back as a table of the same rows. Commands are
//! told apart by what they say, not by their number: a row that is mended changes no other's identity. Not here: what a
//! command means, and whether somebody may say it; that is judged when it is rehearsed and signed.

use std::collections::HashMap;

use gongkai_domain::field::{Field, Place, check_value, is_org_code};
use gongkai_domain::{Command, Refusal};
use gongkai_log::{Digest, Tier};
use serde::Serialize;
use serde_json::Value;

use super::checked;
use crate::exchange::problems::{PROBLEMS_SHOWN_MAX, column_letters, column_place};
use crate::exchange::sheet::SENT;
use crate::exchange::table::{self, Input, RawTable, Table};
use crate::exchange::{Context, Mapping, PlannedCommand, Problem, Problems, RowRef, plan};
use crate::sheets::{Fault, Part, RowRead, private};

/// Most commands of one import: each is signed on a device, one after the other.
pub const COMMANDS_MAX: usize = 2_000;
/// Most rows that are read: those of the commands, and what stands around them.
const ROWS_MAX: usize = COMMANDS_MAX + 200;
/// What a problem of the whole file calls it; the name that it has is nobody's business.
const NAME: &str = "表格";
/// How a mapping names what another row of the same table makes.
const SAME_TABLE: char = '@';

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Place in the file, 0 is A.
    pub place: usize,
    pub letter: String,
    pub header: String,
    /// The field that it fills; absent for a column that the import does not use.
    pub field: Option<String>,
}

/// A command and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planned {
    /// What it says, as a hash; equal ones of one table are numbered.
    pub id: String,
    #[serde(flatten)]
    pub command: PlannedCommand,
}

/// What was read.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Reading {
    /// Name of the sheet in its workbook, and of all that could be read.
    pub sheet: Option<String>,
    pub sheets: Vec<String>,
    pub header_row: Option<u64>,
    pub columns: Vec<Column>,
    pub rows: Vec<RowRead>,
    pub commands: Vec<Planned>,
    pub problems: Vec<Fault>,
    pub problems_total: usize,
    /// Data rows: neither totals nor remarks.
    pub data_rows: usize,
    /// What was set aside or assumed.
    pub notes: Vec<String>,
}

/// Reads a table that somebody sent; `sheet` names one of several in a workbook.
pub fn read(mapping: &Mapping, bytes: Vec<u8>, sheet: Option<&str>) -> Reading {
    let mut reading = Reading::default();
    if bytes.iter().all(u8::is_ascii_whitespace) {
        reading.refuse("文件是空的。请选填好的表格");
        return reading;
    }
    let input = Input { name: NAME.into(), bytes, folder: None };
    match table::raw(&input, SENT) {
        Err(problem) => reading.fault(*problem),
        Ok((raws, hidden)) => {
            reading.notes.extend(hidden.iter().map(|name| format!("工作表“{name}”是隐藏的，没有读取。")));
            reading.one_of(mapping, &input, raws, sheet);
        }
    }
    reading
}

impl Reading {
    /// What stands for a file that the reader of workbooks could not get through.
    pub fn broken() -> Self {
        let mut reading = Self::default();
        reading.refuse("文件打不开，可能已损坏。请用表格软件打开后另存为 xlsx");
        reading
    }

    /// The sheet that is asked for, or the first whose header is known.
    fn one_of(&mut self, mapping: &Mapping, input: &Input, raws: Vec<RawTable>, sheet: Option<&str>) {
        let options = mapping.read_options();
        let named = |raw: &RawTable| sheet.is_none_or(|name| raw.sheet.as_deref() == Some(name));
        let header = |raw: &RawTable| table::find_header(&raw.rows, &options);
        self.sheets = raws.iter().filter(|raw| header(raw).is_some()).filter_map(|raw| raw.sheet.clone()).collect();
        let found = raws.iter().position(|raw| named(raw) && header(raw).is_some());
        let Some(mut raw) = raws.into_iter().nth(found.unwrap_or_default()).filter(|raw| !raw.rows.is_empty()) else {
            self.refuse("文件里没有内容。请选填好的表格");
            return;
        };
        if raw.rows.len() > ROWS_MAX {
            self.refuse(format!("有 {} 行，一次最多 {COMMANDS_MAX} 条，请分成几份", raw.rows.len()));
            return;
        }
        raw.rows.iter_mut().flat_map(|row| &mut row.cells).for_each(plain);
        self.sheet.clone_from(&raw.sheet);
        let at = header(&raw).filter(|_| found.is_some());
        self.lay_out(&raw, at.unwrap_or_else(|| table::widest(&raw.rows)));
        match at {
            Some(at) => self.plan(mapping, input, raw, at),
            None => self.fault(Problem { row: self.header_row, ..table::no_header(input, &options) }),
        }
    }

    /// Rows and columns as the file shows them.
    fn lay_out(&mut self, raw: &RawTable, header: usize) {
        let part = |at: usize| match at.cmp(&header) {
            std::cmp::Ordering::Less => Part::Title,
            std::cmp::Ordering::Equal => Part::Header,
            std::cmp::Ordering::Greater => Part::Aside,
        };
        let rows = raw.rows.iter().enumerate();
        self.rows =
            rows.map(|(at, row)| RowRead { row: row.number, part: part(at), cells: row.cells.clone() }).collect();
        self.header_row = raw.rows.get(header).map(|row| row.number);
        let headers = raw.rows.get(header).map_or(&[][..], |row| &row.cells).iter().enumerate();
        let named = headers.filter(|(_, header)| !header.trim().is_empty());
        let column = |(place, header): (usize, &String)| {
            let header = header.split_whitespace().collect::<Vec<_>>().join(" ");
            Column { place, letter: column_letters(place), header, field: None }
        };
        self.columns = named.map(column).collect();
    }

    fn plan(&mut self, mapping: &Mapping, input: &Input, raw: RawTable, header: usize) {
        let (mut problems, mut notes) = (Problems::default(), Vec::new());
        let table = table::below(input, raw, header, &mut problems, &mut notes);
        let name = table.sheet.clone();
        self.name_fields(mapping, &table);
        for row in &table.rows {
            self.mark(row.number, Part::Line);
        }
        for row in &table.totals {
            self.mark(row.number, Part::Total);
        }
        for problem in &problems.shown {
            problem.row.into_iter().for_each(|row| self.mark(row, Part::Line));
        }
        let unused: Vec<&str> =
            self.columns.iter().filter(|column| column.field.is_none()).map(|column| column.header.as_str()).collect();
        if !unused.is_empty() {
            notes.push(format!("这些列没有用到：{}。", unused.join("、")));
        }
        let mut planned = plan::plan(mapping, &[table], &Context::default());
        problems.append(std::mem::take(&mut planned.problems));
        let unseen = problems.total - problems.shown.len();
        // What is wrong with the whole is mended at the header: a column is missing, or has another name.
        let header = self.header_row;
        problems.shown.into_iter().for_each(|it| self.fault(Problem { row: it.row.or(header), ..it }));
        self.problems_total += unseen;
        self.data_rows = planned.rows;
        // One sheet is read, so no sentence has to name it.
        let unnamed =
            |note: String| note.strip_prefix(&name).unwrap_or(&note).trim_start_matches(['：', ' ']).to_owned();
        self.notes.extend(notes.into_iter().chain(planned.notes).map(unnamed));
        self.judge(planned.commands);
    }

    /// Keeps the commands that a ledger would take as far as they stand for themselves.
    fn judge(&mut self, commands: Vec<PlannedCommand>) {
        if commands.len() > COMMANDS_MAX {
            self.refuse(format!("生成 {} 条，一次最多 {COMMANDS_MAX} 条，请分成几份", commands.len()));
            return;
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for command in commands {
            if let Err(refusal) = checked(&command.json).and_then(|command| sound(&command)) {
                self.refused(command.source.first(), &refusal);
                continue;
            }
            let said = command.json.to_string();
            let count = seen.entry(said.clone()).or_default();
            *count += 1;
            let id = Digest::of(format!("{count} {said}").as_bytes()).to_hex();
            self.commands.push(Planned { id, command });
        }
    }

    /// A refusal at the cell that the field was read from.
    fn refused(&mut self, source: Option<&RowRef>, refusal: &Refusal) {
        let (name, message) = match refusal {
            Refusal::Field { name, reason, .. } => (Some(name), reason.clone()),
            other => (None, other.to_string()),
        };
        let column = self.columns.iter().find(|column| name.is_some() && column.field.as_ref() == name);
        let mut problem = Problem { row: source.map(|source| source.row), ..Problem::of_sheet(NAME, message) };
        match (column, refusal, problem.row) {
            (Some(column), _, Some(row)) => {
                let known = self.rows.binary_search_by_key(&row, |known| known.row).ok();
                let cell = known.and_then(|at| self.rows[at].cells.get(column.place)).map_or("", String::as_str);
                problem = problem.at_cell(column.place, &column.header, cell);
            }
            // Without a column of its own, the sentence has to say what it is about.
            (None, Refusal::Field { label, .. }, _) => problem.message = format!("「{label}」{}", problem.message),
            _ => {}
        }
        self.fault(problem);
    }

    /// Which field each column fills; the first of several.
    fn name_fields(&mut self, mapping: &Mapping, table: &Table) {
        for command in &mapping.commands {
            let fields = command.fields.iter().map(|(name, rule)| (name.as_str(), rule));
            let others = [("org", &command.org), ("stream_key", &command.stream_key)];
            let others = others.into_iter().filter_map(|(name, rule)| Some((name, rule.as_ref()?)));
            for (name, rule) in fields.chain(others) {
                let places = rule.names().flat_map(|names| &names.keys).filter_map(|key| table.column(key));
                for place in places.map(|at| table.columns[at].place) {
                    if let Some(column) = self.columns.iter_mut().find(|column| column.place == place) {
                        column.field.get_or_insert_with(|| name.to_owned());
                    }
                }
            }
        }
    }

    fn mark(&mut self, row: u64, part: Part) {
        if let Ok(at) = self.rows.binary_search_by_key(&row, |known| known.row) {
            self.rows[at].part = part;
        }
    }

    fn refuse(&mut self, message: impl Into<String>) {
        self.fault(Problem::of_sheet(NAME, message));
    }

    fn fault(&mut self, problem: Problem) {
        self.problems_total += 1;
        if self.problems.len() < PROBLEMS_SHOWN_MAX {
            let place = problem.column.as_deref().and_then(column_place);
            self.problems.push(Fault { problem, place, blocking: true });
        }
    }
}

/// Line ends inside a cell are line feeds, as statements have them; other control characters are spaces.
fn plain(cell: &mut String) {
    if cell.contains(char::is_control) {
        *cell = cell.replace("\r\n", "\n").replace('\r', "\n").replace(|c: char| c.is_control() && c != '\n', " ");
    }
}

/// What a ledger would refuse of a command alone: values that cannot be, and what must not be published.
fn sound(command: &Command) -> Result<(), Refusal> {
    let wrong =
        |field: &Field, reason: String| Refusal::Field { name: field.name.into(), label: field.label.into(), reason };
    if !is_org_code(&command.org) {
        let reason = "机构代码只能是 1–32 个字母、数字和 - _ .".to_owned();
        return Err(Refusal::Field { name: "org".into(), label: "机构代码".into(), reason });
    }
    for field in command.kind()?.fields {
        let Some(value) = command.fields.get(field.name) else {
            if field.required {
                return Err(wrong(field, "不能为空".into()));
            }
            continue;
        };
        if value.as_str().is_some_and(|text| text.starts_with(SAME_TABLE)) && !matches!(field.place, Place::Slot(_)) {
            continue;
        }
        check_value(&field.shape, value).map_err(|reason| wrong(field, reason))?;
        let Place::Slot(tier) = field.place else { continue };
        if let Some(reason) = barred(value, tier) {
            return Err(wrong(field, reason));
        }
    }
    Ok(())
}

fn barred(value: &Value, tier: Tier) -> Option<String> {
    match value {
        Value::String(text) => private(text, tier).into_iter().next(),
        Value::Array(items) => items.iter().find_map(|item| barred(item, tier)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::mapping_text;
    use super::*;

    const HEADERS: &str = "年度,承诺人,承诺事项,完成时限,机构代码\n";

    fn pledges(bytes: impl Into<Vec<u8>>) -> Reading {
        read(&Mapping::parse(&mapping_text("pledges", Some("341599101201")).unwrap()).unwrap(), bytes.into(), None)
    }

    fn said(reading: &Reading) -> Vec<(Option<u64>, Option<usize>, &str)> {
        reading.problems.iter().map(|it| (it.problem.row, it.place, it.problem.message.as_str())).collect()
    }

    #[test]
    fn what_a_ledger_would_refuse_of_a_row_alone_stands_at_its_cell() {
        let rows = "2026,方禾生（虚构）,修桥 11010519491231002X,2026-12-31,\n2026,方禾生（虚构）,修路,,34 15\n12,甲（虚构）,修渠,,\n";
        let reading = pledges(format!("五里桥村承诺表（虚构）\n{HEADERS}{rows}合计,3 件\n"));
        let said = said(&reading);
        assert_eq!(
            said.iter().map(|(row, place, _)| (*row, *place)).collect::<Vec<_>>(),
            [(Some(3), Some(2)), (Some(4), Some(4)), (Some(5), Some(0))]
        );
        assert!(said[0].2.contains("身份证号，不能公开"), "{said:?}");
        assert!(said[1].2.contains("机构代码只能是"), "{said:?}");
        assert!(said[2].2.contains("四位年份"), "{said:?}");
        assert!(reading.commands.is_empty());
        let parts: Vec<Part> = reading.rows.iter().map(|row| row.part).collect();
        assert_eq!(parts, [Part::Title, Part::Header, Part::Line, Part::Line, Part::Line, Part::Total]);
    }

    #[test]
    fn mending_one_row_changes_no_identity_of_another_and_equal_rows_are_two() {
        let row = |title: &str| format!("2026,方禾生（虚构）,{title},2026-12-31,\n");
        let ids = |titles: [&str; 3]| -> Vec<String> {
            let reading = pledges(format!("{HEADERS}{}", titles.map(row).concat()));
            reading.commands.into_iter().map(|one| one.id).collect()
        };
        let first = ids(["修桥", "修桥", "修路"]);
        assert_ne!(first[0], first[1]);
        let mended = ids(["修桥", "修桥", "修渠"]);
        assert_eq!(first[..2], mended[..2]);
        assert_ne!(first[2], mended[2]);
    }

    #[test]
    fn a_missing_column_is_said_at_the_header_which_is_shown_to_be_mended() {
        let reading = pledges("年度,谁,承诺事项\n2026,方禾生（虚构）,修桥\n");
        assert_eq!(reading.problems_total, 1);
        assert_eq!(reading.problems[0].problem.row, Some(1));
        assert!(said(&reading)[0].2.contains("缺少这些列：承诺人／姓名。"), "{:?}", reading.problems);
        assert_eq!((reading.columns[1].header.as_str(), &reading.columns[1].field), ("谁", &None));
        let unknown = pledges("甲,乙,丙\n1,2,3\n");
        assert_eq!((unknown.problems[0].problem.row, unknown.rows.len()), (Some(1), 2));
        assert!(said(&unknown)[0].2.contains("没有找到表头"), "{:?}", unknown.problems);
    }

    #[test]
    fn of_several_sheets_one_is_read_and_the_others_can_be_chosen() {
        let mut book = rust_xlsxwriter::Workbook::new();
        for (name, title) in [("封面", None), ("一组", Some("修桥")), ("二组", Some("修路"))] {
            let sheet = book.add_worksheet().set_name(name).unwrap();
            sheet.write(0, 0, "五里桥村（虚构）").unwrap();
            let Some(title) = title else { continue };
            for (column, (header, value)) in
                (0..).zip([("年度", "2026"), ("承诺人", "方禾生（虚构）"), ("承诺事项", title)])
            {
                sheet.write(1, column, header).unwrap().write(2, column, value).unwrap();
            }
        }
        let bytes = book.save_to_buffer().unwrap();
        let reading = pledges(bytes.clone());
        assert_eq!(
            (reading.sheet.as_deref(), &reading.sheets[..]),
            (Some("一组"), &["一组".to_owned(), "二组".into()][..])
        );
        let mapping = Mapping::parse(&mapping_text("pledges", Some("341599101201")).unwrap()).unwrap();
        let second = read(&mapping, bytes, Some("二组"));
        assert_eq!(second.commands[0].command.json["fields"]["title"], "修路");
    }

    #[test]
    fn a_cell_of_several_lines_keeps_them() {
        let reading = pledges(format!("{HEADERS}2026,方禾生（虚构）,\"修桥\r\n修路\",,\n"));
        assert_eq!(reading.commands[0].command.json["fields"]["title"], "修桥\n修路");
    }
}
