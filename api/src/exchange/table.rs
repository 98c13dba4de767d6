//! From a file to tables: a header, and rows that still carry the number under which the user sees them.
//!
//! Reading finds the header below merged titles and unit lines, drops empty columns, and sets aside totals (合计)
//! and signature lines (制表人), so that neither is taken for a payment. Cells stay raw text: what they mean is the
//! mapping's business. To read another format, add a module that yields [`RawRow`]s and a branch in [`read`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::cell::{MoneyUnit, half_width};
use super::problems::{Problem, Problems};
use super::{json, sheet, text};

/// Size of one input file. Our own limit: a village's year of accounts is below 1 MiB.
pub const FILE_BYTES_MAX: u64 = 64 << 20;
/// Rows of one table. Our own limit; an Excel sheet ends at 1,048,576.
pub const ROWS_MAX: usize = 1_000_000;
/// Columns of one table. Our own limit.
pub const COLUMNS_MAX: usize = 200;
/// Characters of one cell: Excel's limit (Microsoft, "Excel specifications and limits").
pub const CELL_CHARS_MAX: usize = 32_767;
/// Cells of one JSON table, empty ones included; bounds memory where few long rows widen all others.
pub const CELLS_MAX: usize = 25_000_000;

/// Rows in which the header is looked for.
pub const HEADER_ROWS_MAX: usize = 30;

/// Words that make a row a total, after spaces and colons are removed.
const TOTAL_WORDS: [&str; 14] = [
    "合计",
    "小计",
    "总计",
    "共计",
    "累计",
    "总合计",
    "本月合计",
    "本月小计",
    "本月累计",
    "本季合计",
    "本年合计",
    "本年累计",
    "本页合计",
    "本页小计",
];

/// Words that open the signature and remark lines below a table, and the example in a template.
const REMARK_WORDS: [&str; 17] = [
    "制表",
    "制单",
    "填表",
    "填报",
    "审核",
    "复核",
    "审批",
    "负责人",
    "单位负责人",
    "会计",
    "出纳",
    "报账员",
    "监督",
    "备注",
    "说明",
    "注",
    "示例",
];

/// A row as read, before anybody knows what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRow {
    pub number: u64,
    pub cells: Vec<String>,
}

/// One row of a table; `cells` has exactly one text for each column of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// As the user's table program numbers it, from 1; for a JSON array the place in it; for JSON lines the line.
    pub number: u64,
    /// Raw text, in the order of the header.
    pub cells: Vec<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Header as written.
    pub header: String,
    /// Place in the file, 0 is A; empty columns before it were dropped from the table, not from this count.
    pub place: usize,
    /// What money in this column is counted in.
    pub unit: MoneyUnit,
}

/// A table of one sheet or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// File name, with the sheet's name where there are sheets.
    pub sheet: String,
    /// What is known of the table as a whole: `file`, `sheet`, `title`, and the members around a JSON list.
    pub about: BTreeMap<String, String>,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// 合计 and its kin, for the caller to compare with sums.
    pub totals: Vec<Row>,
    /// Folder of the file, where other files that it names are looked for.
    pub folder: Option<PathBuf>,
    index: HashMap<String, usize>,
}

impl Table {
    /// The headers as written, in order.
    pub fn header(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.header.clone()).collect()
    }

    /// The column whose header has this key (see [`header_key`]).
    pub fn column(&self, key: &str) -> Option<usize> {
        self.index.get(key).copied()
    }
}

/// One file to read.
#[derive(Debug, Clone)]
pub struct Input {
    pub name: String,
    pub bytes: Vec<u8>,
    pub folder: Option<PathBuf>,
}

/// How to read: the part of a mapping that concerns files.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Keys of all headers that the mapping knows.
    pub known: HashSet<String>,
    /// What to call them in a problem.
    pub known_shown: Vec<String>,
    /// Only this sheet.
    pub sheet: Option<String>,
    /// Path of the list in a JSON document.
    pub array: Option<String>,
    /// Row of the header, if the user says so.
    pub header_row: Option<u64>,
    /// Keys of columns whose empty cells repeat the cell above (vertically merged cells).
    pub fill_down: Vec<String>,
    /// What a workbook may come to.
    pub bounds: sheet::Bounds,
}

/// The key under which a header is found: half-width, lower case, without spaces and the star of required fields.
pub fn header_key(header: &str) -> String {
    half_width(header).to_lowercase().chars().filter(|c| !c.is_whitespace() && *c != '*').collect()
}

/// The key without a note in brackets: 金额（元） is also 金额.
pub fn bare_key(key: &str) -> &str {
    key.split_once('(').map_or(key, |(before, _)| before)
}

/// How a zip archive begins: XLSX, but also DOCX.
const ZIP: &[u8] = b"PK\x03\x04";
/// How an OLE2 file begins: XLS, but also DOC.
const OLE: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0];

/// A sheet before its header is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTable {
    /// Name of the sheet in its workbook.
    pub sheet: Option<String>,
    /// Rows that are not empty.
    pub rows: Vec<RawRow>,
}

/// The visible sheets of a file that somebody sent, whatever it is called: its first bytes say what it is. And the names of
/// the hidden ones, which are not read.
pub fn raw(input: &Input, bounds: sheet::Bounds) -> Result<(Vec<RawTable>, Vec<String>), Box<Problem>> {
    let bytes = input.bytes.as_slice();
    let refuse = |row: Option<u64>, why: String| Box::new(Problem { row, ..Problem::of_sheet(&input.name, why) });
    let book = if bytes.starts_with(ZIP) {
        sheet::xlsx(bytes, None, bounds)
    } else if bytes.starts_with(OLE) {
        sheet::xls(bytes, None, bounds)
    } else {
        let text = text::decode(bytes).map_err(|(row, why)| refuse(Some(row), why))?;
        if text.trim_start().starts_with('<') {
            return Err(refuse(None, "文件其实是网页格式，请用表格软件打开后另存为 xlsx".into()));
        }
        let rows = text::csv_rows(&text).map_err(|(row, why)| refuse(Some(row), why))?;
        return Ok((vec![RawTable { sheet: None, rows }], Vec::new()));
    };
    let (sheets, hidden) = book.map_err(|fault| refuse(fault.row, fault.message))?;
    let filled = sheets.into_iter().filter(|sheet| !sheet.rows.is_empty());
    Ok((filled.map(|sheet| RawTable { sheet: Some(sheet.name), rows: sheet.rows }).collect(), hidden))
}

/// Where no header is known: the first of the rows with the most filled cells.
pub fn widest(rows: &[RawRow]) -> usize {
    let filled = |row: &RawRow| row.cells.iter().filter(|cell| !cell.trim().is_empty()).count();
    let counts = rows.iter().take(HEADER_ROWS_MAX).map(filled).enumerate();
    counts.max_by_key(|(at, count)| (*count, std::cmp::Reverse(*at))).map_or(0, |(at, _)| at)
}

/// The table below a header that somebody else found; `header` is its place among the rows.
pub fn below(input: &Input, raw: RawTable, header: usize, problems: &mut Problems, notes: &mut Vec<String>) -> Table {
    assemble(input, raw.sheet.as_deref(), raw.rows, header, &ReadOptions::default(), problems, notes)
}

/// Reads a file from the disk, within [`FILE_BYTES_MAX`].
pub fn load(path: &Path) -> Result<Input, Box<Problem>> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let refuse = |why: String| Box::new(Problem::of_sheet(name.clone(), why));
    let size = std::fs::metadata(path).map_err(|e| refuse(format!("文件读不了：{e}")))?.len();
    if size > FILE_BYTES_MAX {
        return Err(refuse(format!("文件超过 {} MiB，请拆成几个文件", FILE_BYTES_MAX >> 20)));
    }
    let bytes = std::fs::read(path).map_err(|e| refuse(format!("文件读不了：{e}")))?;
    Ok(Input { name, bytes, folder: path.parent().map(Path::to_path_buf) })
}

/// The tables of a file. What a user must mend goes to `problems`, what he may want to know to `notes`.
pub fn read(input: &Input, options: &ReadOptions, problems: &mut Problems, notes: &mut Vec<String>) -> Vec<Table> {
    let bytes = input.bytes.as_slice();
    let head = bytes.trim_ascii_start();
    if bytes.len() as u64 > FILE_BYTES_MAX {
        problems.push(Problem::of_sheet(&input.name, format!("文件超过 {} MiB，请拆成几个文件", FILE_BYTES_MAX >> 20)));
        return Vec::new();
    }
    if bytes.starts_with(ZIP) {
        return workbook(input, sheet::xlsx(bytes, options.sheet.as_deref(), options.bounds), options, problems, notes);
    }
    if bytes.starts_with(OLE) {
        return workbook(input, sheet::xls(bytes, options.sheet.as_deref(), options.bounds), options, problems, notes);
    }
    let text = match text::decode(bytes) {
        Ok(text) => text,
        Err((row, why)) => {
            problems.push(Problem::of_row(&input.name, row, why));
            return Vec::new();
        }
    };
    let extension = input.name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    match extension.as_deref() {
        Some("json") => objects(input, json::document(&text, options.array.as_deref()), options, problems),
        Some("jsonl" | "ndjson") => objects(input, json::lines(&text), options, problems),
        _ if head.starts_with(b"<") => {
            problems.push(Problem::of_sheet(&input.name, "文件其实是网页格式，请用表格软件打开后另存为 xlsx"));
            Vec::new()
        }
        _ => csv(input, &text, options, problems, notes),
    }
}

fn csv(
    input: &Input,
    text: &str,
    options: &ReadOptions,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Vec<Table> {
    match text::csv_rows(text) {
        Err((row, why)) => problems.push(Problem::of_row(&input.name, row, why)),
        Ok(rows) => match find_header(&rows, options) {
            Some(header) => return vec![assemble(input, None, rows, header, options, problems, notes)],
            None => problems.push(no_header(input, options)),
        },
    }
    Vec::new()
}

fn workbook(
    input: &Input,
    read: Result<(Vec<sheet::RawSheet>, Vec<String>), sheet::SheetFault>,
    options: &ReadOptions,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Vec<Table> {
    let (sheets, hidden) = match read {
        Ok(read) => read,
        Err(fault) => {
            let name = fault.sheet.map_or_else(|| input.name.clone(), |s| sheet_name(input, &s));
            problems.push(Problem { row: fault.row, ..Problem::of_sheet(name, fault.message) });
            return Vec::new();
        }
    };
    for name in hidden {
        notes.push(format!("{}：工作表“{name}”是隐藏的，没有读取。", input.name));
    }
    let mut tables = Vec::new();
    for raw in sheets.into_iter().filter(|s| !s.rows.is_empty()) {
        match find_header(&raw.rows, options) {
            Some(header) => tables.push(assemble(input, Some(&raw.name), raw.rows, header, options, problems, notes)),
            None => notes.push(format!("{}：工作表“{}”没有认出表头，没有读取。", input.name, raw.name)),
        }
    }
    if tables.is_empty() {
        problems.push(no_header(input, options));
    }
    tables
}

fn objects(
    input: &Input,
    read: Result<json::RawObjects, json::JsonFault>,
    options: &ReadOptions,
    problems: &mut Problems,
) -> Vec<Table> {
    let objects = match read {
        Ok(objects) => objects,
        Err((row, why)) => {
            problems.push(Problem { row, ..Problem::of_sheet(&input.name, why) });
            return Vec::new();
        }
    };
    let columns = objects
        .header
        .into_iter()
        .enumerate()
        .map(|(place, header)| Column { unit: unit_of(&header).unwrap_or_default(), header, place })
        .collect();
    let mut table = start(input, None, columns);
    table.about.extend(objects.outer);
    let width = table.columns.len();
    table.rows = objects.rows.into_iter().map(|raw| fit(raw, width)).collect();
    fill_down(&mut table, options);
    vec![table]
}

fn fit(raw: RawRow, width: usize) -> Row {
    let mut cells = raw.cells;
    cells.resize(width, String::new());
    Row { number: raw.number, cells }
}

fn sheet_name(input: &Input, sheet: &str) -> String {
    format!("{}（{sheet}）", input.name)
}

/// What is said where no header was found.
pub fn no_header(input: &Input, options: &ReadOptions) -> Problem {
    let expected = options.known_shown.join("、");
    Problem::of_sheet(&input.name, format!("没有找到表头。请在数据上方写一行列名，能认的列名有：{expected}"))
}

/// The place of the header: the row that the user named, else the first of those with most known headers.
pub fn find_header(rows: &[RawRow], options: &ReadOptions) -> Option<usize> {
    if let Some(number) = options.header_row {
        return rows.iter().position(|r| r.number == number);
    }
    let known = |row: &RawRow| {
        let keys: HashSet<String> = row.cells.iter().map(|c| header_key(c)).filter(|k| !k.is_empty()).collect();
        keys.iter().filter(|k| options.known.contains(*k) || options.known.contains(bare_key(k))).count()
    };
    let counts: Vec<usize> = rows.iter().take(HEADER_ROWS_MAX).map(known).collect();
    let best = counts.iter().copied().max()?;
    (best >= options.known.len().min(2)).then(|| counts.iter().position(|c| *c == best)).flatten()
}

fn start(input: &Input, sheet: Option<&str>, columns: Vec<Column>) -> Table {
    let mut about = BTreeMap::from([("file".to_owned(), input.name.clone())]);
    if let Some(sheet) = sheet {
        about.insert("sheet".to_owned(), sheet.to_owned());
    }
    let mut index = HashMap::new();
    for (at, column) in columns.iter().enumerate() {
        index.entry(header_key(&column.header)).or_insert(at);
    }
    for (at, column) in columns.iter().enumerate() {
        index.entry(bare_key(&header_key(&column.header)).to_owned()).or_insert(at);
    }
    Table {
        sheet: sheet.map_or_else(|| input.name.clone(), |s| sheet_name(input, s)),
        about,
        columns,
        rows: Vec::new(),
        totals: Vec::new(),
        folder: input.folder.clone(),
        index,
    }
}

fn assemble(
    input: &Input,
    sheet: Option<&str>,
    mut rows: Vec<RawRow>,
    header: usize,
    options: &ReadOptions,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Table {
    let body = rows.split_off(header + 1);
    let headings = rows.pop().map(|r| r.cells).unwrap_or_default();
    let above: Vec<String> = rows.iter().map(|r| joined(&r.cells)).collect();
    let unit = above.iter().find_map(|line| stated_unit(line)).unwrap_or_default();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let columns: Vec<Column> = headings
        .iter()
        .enumerate()
        .filter(|(_, h)| !h.trim().is_empty())
        .map(|(place, h)| {
            let written = h.split_whitespace().collect::<Vec<_>>().join(" ");
            let count = seen.entry(header_key(&written)).or_default();
            *count += 1;
            // Two columns of one name: the second is reached as `金额#2`.
            let header = if *count > 1 { format!("{written}#{count}") } else { written };
            Column { unit: unit_of(&header).unwrap_or(unit), header, place }
        })
        .collect();
    let mut table = start(input, sheet, columns);
    if let Some(title) = above.iter().find(|line| stated_unit(line).is_none() && !line.is_empty()) {
        table.about.insert("title".to_owned(), title.clone());
    }
    for raw in body {
        sort_row(&mut table, raw, problems, notes);
    }
    fill_down(&mut table, options);
    table
}

/// Puts a row where it belongs: data, totals, or among the remarks, which are only noted.
fn sort_row(table: &mut Table, raw: RawRow, problems: &mut Problems, notes: &mut Vec<String>) {
    let extra = raw
        .cells
        .iter()
        .enumerate()
        .find(|(place, cell)| !cell.trim().is_empty() && !table.columns.iter().any(|c| c.place == *place));
    if is_remark(&raw.cells) {
        notes.push(format!("{} 第 {} 行是落款、备注或示例，没有当作数据。", table.sheet, raw.number));
        return;
    }
    if let Some((place, cell)) = extra {
        let why = "这一格上方没有列名。请补上列名，或检查逗号、引号是否写错";
        problems.push(Problem::of_row(&table.sheet, raw.number, why).at_cell(place, "", cell));
        return;
    }
    let mut raw_cells = raw.cells;
    let cells: Vec<String> =
        table.columns.iter().map(|c| raw_cells.get_mut(c.place).map(std::mem::take).unwrap_or_default()).collect();
    let row = Row { number: raw.number, cells };
    if is_total(&row.cells) {
        notes.push(format!("{} 第 {} 行是合计行，没有当作数据。", table.sheet, row.number));
        table.totals.push(row);
    } else {
        table.rows.push(row);
    }
}

fn joined(cells: &[String]) -> String {
    cells.iter().map(|c| c.trim()).filter(|c| !c.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The unit in a header such as 金额（万元）.
fn unit_of(header: &str) -> Option<MoneyUnit> {
    if header.contains("万元") {
        Some(MoneyUnit::TenThousandYuan)
    } else if header.contains("千元") {
        Some(MoneyUnit::ThousandYuan)
    } else {
        let key = header_key(header);
        (key.ends_with("(元)") || key.ends_with(":元")).then_some(MoneyUnit::Yuan)
    }
}

/// The unit in a line above the header: 单位：万元.
fn stated_unit(line: &str) -> Option<MoneyUnit> {
    let key = header_key(line);
    let after = key.split("单位:").skip(1).find_map(|after| {
        [("万元", MoneyUnit::TenThousandYuan), ("千元", MoneyUnit::ThousandYuan), ("元", MoneyUnit::Yuan)]
            .into_iter()
            .find_map(|(word, unit)| after.starts_with(word).then_some(unit))
    });
    after.or_else(|| key.contains("(万元)").then_some(MoneyUnit::TenThousandYuan))
}

/// True when the first cell with words is a total's name: 合 计, 本月合计：.
fn is_total(cells: &[String]) -> bool {
    cells.iter().take(3).any(|cell| TOTAL_WORDS.contains(&header_key(cell).trim_end_matches(':')))
}

/// True when the row opens with a signature or remark and a colon.
fn is_remark(cells: &[String]) -> bool {
    let mut filled = cells.iter().filter(|c| !c.trim().is_empty());
    let Some(first) = filled.next() else { return false };
    let key = header_key(first);
    let Some((label, _)) = key.split_once(':') else { return false };
    REMARK_WORDS.iter().any(|word| label == *word || label.strip_suffix(['人', '员']).is_some_and(|l| l == *word))
}

fn fill_down(table: &mut Table, options: &ReadOptions) {
    for column in options.fill_down.iter().filter_map(|key| table.index.get(key)) {
        let mut above = String::new();
        for row in &mut table.rows {
            if row.cells[*column].trim().is_empty() {
                row.cells[*column].clone_from(&above);
            } else {
                above.clone_from(&row.cells[*column]);
            }
        }
    }
}
