//! From a workbook (XLSX, XLS) to the raw rows of its sheets.
//!
//! Nothing is allocated by what a file claims: the members of an XLSX archive are counted while they are unpacked into
//! nothing, its cells are read one by one into bounded rows, and the text of all cells together is bounded,
//! because one shared string can be referenced a million times. Formulas give the value that was saved with
//! them. Hidden sheets are not read, and this is said.

use std::io::{Cursor, Read as _};

use calamine::{CellErrorType, Data, DataRef, ExcelDateTime, Reader, SheetVisible, Xls, Xlsx};
use flate2::read::DeflateDecoder;

use super::table::{CELL_CHARS_MAX, COLUMNS_MAX, ROWS_MAX, RawRow};

/// What a workbook may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The members of an XLSX archive, unpacked, in bytes.
    pub inflated_bytes_max: u64,
    /// All cells in memory, empty ones included, in bytes.
    pub text_bytes_max: usize,
}

/// For files that somebody has on their own disk.
pub const FILES: Bounds = Bounds { inflated_bytes_max: 512 << 20, text_bytes_max: 512 << 20 };

/// A sheet as it was found.
pub struct RawSheet {
    pub name: String,
    pub rows: Vec<RawRow>,
}

/// A failure, with the sheet and row where there is one.
#[derive(Debug)]
pub struct SheetFault {
    pub sheet: Option<String>,
    pub row: Option<u64>,
    pub message: String,
}

impl SheetFault {
    fn file(message: impl Into<String>) -> Self {
        Self { sheet: None, row: None, message: message.into() }
    }

    fn at(sheet: &str, row: u64, message: impl Into<String>) -> Self {
        Self { sheet: Some(sheet.to_owned()), row: Some(row), message: message.into() }
    }
}

/// For files that somebody sends: far beyond any table that is meant.
pub const SENT: Bounds = Bounds { inflated_bytes_max: 64 << 20, text_bytes_max: 64 << 20 };

impl Default for Bounds {
    fn default() -> Self {
        FILES
    }
}

const BROKEN: &str = "文件打不开，可能已损坏或设了密码。请用表格软件打开后另存为 xlsx";

/// The visible sheets of an XLSX workbook (`only`: the one of this name), and the names of the hidden ones.
pub fn xlsx(bytes: &[u8], only: Option<&str>, bounds: Bounds) -> Result<(Vec<RawSheet>, Vec<String>), SheetFault> {
    check_archive(bytes, bounds.inflated_bytes_max)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_| SheetFault::file(BROKEN))?;
    let (names, hidden) = choose(book.sheets_metadata(), only)?;
    let mut room = bounds.text_bytes_max;
    let mut sheets = Vec::new();
    for name in names {
        let mut rows = Rows::new(&name, &mut room);
        let mut cells = book.worksheet_cells_reader(&name).map_err(|_| SheetFault::file(BROKEN))?;
        while let Some(cell) = cells.next_cell().map_err(|_| rows.fault(BROKEN))? {
            let (row, column) = cell.get_position();
            rows.put(row, column, xlsx_text(cell.get_value()))?;
        }
        let rows = rows.finish();
        sheets.push(RawSheet { name, rows });
    }
    Ok((sheets, hidden))
}

/// The visible sheets of an XLS workbook, as [`xlsx`].
pub fn xls(bytes: &[u8], only: Option<&str>, bounds: Bounds) -> Result<(Vec<RawSheet>, Vec<String>), SheetFault> {
    let mut book: Xls<_> = Xls::new(Cursor::new(bytes)).map_err(|_| SheetFault::file(BROKEN))?;
    let (names, hidden) = choose(book.sheets_metadata(), only)?;
    let mut room = bounds.text_bytes_max;
    let mut sheets = Vec::new();
    for name in names {
        let mut rows = Rows::new(&name, &mut room);
        let range = book.worksheet_range(&name).map_err(|_| rows.fault(BROKEN))?;
        let (top, left) = range.start().unwrap_or((0, 0));
        for (row, column, value) in range.used_cells() {
            let place = |start: u32, offset: usize| u32::try_from(offset).ok().and_then(|o| start.checked_add(o));
            let (Some(row), Some(column)) = (place(top, row), place(left, column)) else {
                return Err(rows.fault(BROKEN));
            };
            rows.put(row, column, xls_text(value))?;
        }
        let rows = rows.finish();
        sheets.push(RawSheet { name, rows });
    }
    Ok((sheets, hidden))
}

fn choose(sheets: &[calamine::Sheet], only: Option<&str>) -> Result<(Vec<String>, Vec<String>), SheetFault> {
    if let Some(only) = only {
        if sheets.iter().any(|s| s.name == only) {
            return Ok((vec![only.to_owned()], Vec::new()));
        }
        return Err(SheetFault::file(format!("文件里没有名为“{only}”的工作表")));
    }
    let (visible, hidden): (Vec<_>, Vec<_>) = sheets.iter().partition(|s| s.visible == SheetVisible::Visible);
    let names = |sheets: Vec<&calamine::Sheet>| sheets.into_iter().map(|s| s.name.clone()).collect();
    Ok((names(visible), names(hidden)))
}

/// Rows under construction, with every bound in one place.
struct Rows<'a> {
    sheet: String,
    done: Vec<RawRow>,
    room: &'a mut usize,
}

impl<'a> Rows<'a> {
    fn new(sheet: &str, room: &'a mut usize) -> Self {
        Self { sheet: sheet.to_owned(), done: Vec::new(), room }
    }

    fn fault(&self, message: &str) -> SheetFault {
        SheetFault { sheet: Some(self.sheet.clone()), row: None, message: message.to_owned() }
    }

    /// Places one cell; cells come row by row.
    fn put(&mut self, row: u32, column: u32, text: String) -> Result<(), SheetFault> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let number = u64::from(row) + 1;
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if column >= COLUMNS_MAX {
            return Err(SheetFault::at(&self.sheet, number, format!("超过 {COLUMNS_MAX} 列")));
        }
        if text.len() > CELL_CHARS_MAX && text.chars().count() > CELL_CHARS_MAX {
            return Err(SheetFault::at(&self.sheet, number, format!("有一个单元格超过 {CELL_CHARS_MAX} 个字")));
        }
        *self.room = self
            .room
            .checked_sub(text.len())
            .ok_or_else(|| SheetFault::at(&self.sheet, number, "文件内容太多，请拆成几个文件"))?;
        if self.done.last().is_none_or(|last| last.number < number) {
            if self.done.len() >= ROWS_MAX {
                return Err(SheetFault::at(&self.sheet, number, format!("行数超过 {ROWS_MAX} 行，请拆成几个文件")));
            }
            self.done.push(RawRow { number, cells: Vec::new() });
        }
        match self.done.last_mut().filter(|last| last.number == number) {
            Some(last) => {
                if last.cells.len() <= column {
                    let grown = (column + 1 - last.cells.len()) * size_of::<String>();
                    *self.room = self
                        .room
                        .checked_sub(grown)
                        .ok_or_else(|| SheetFault::at(&self.sheet, number, "文件内容太多，请拆成几个文件"))?;
                    last.cells.resize(column + 1, String::new());
                }
                last.cells[column] = text;
                Ok(())
            }
            // Rows out of order: no table program writes that.
            None => Err(SheetFault::at(&self.sheet, number, BROKEN)),
        }
    }

    fn finish(self) -> Vec<RawRow> {
        self.done
    }
}

fn xlsx_text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Float(number) => number_text(*number),
        DataRef::Int(number) => number.to_string(),
        DataRef::Bool(yes) => yes.to_string(),
        DataRef::DateTime(moment) => moment_text(moment),
        DataRef::Error(error) => error_text(error),
        DataRef::Empty => String::new(),
    }
}

fn xls_text(value: &Data) -> String {
    match value {
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Float(number) => number_text(*number),
        Data::Int(number) => number.to_string(),
        Data::Bool(yes) => yes.to_string(),
        Data::DateTime(moment) => moment_text(moment),
        Data::Error(error) => error_text(error),
        Data::Empty => String::new(),
    }
}

/// A formula's error keeps its name, so that the problem shows what the user sees.
fn error_text(error: &CellErrorType) -> String {
    error.to_string()
}

/// A number with the fifteen digits that table programs show, so that 673.3599999999999 is 673.36 again.
fn number_text(number: f64) -> String {
    let shown: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    shown.to_string()
}

/// A date cell as ISO text; a span of time as its number.
fn moment_text(moment: &ExcelDateTime) -> String {
    if !moment.is_datetime() {
        return number_text(moment.as_f64());
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    if (hour, minute, second) == (0, 0, 0) {
        return format!("{year:04}-{month:02}-{day:02}");
    }
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Unpacks what a zip archive's central directory lists (APPNOTE.TXT 4.3.12 and 4.3.16) and counts the bytes, keeping
/// none: the sizes that a directory declares may be lies.
fn check_archive(bytes: &[u8], inflated_bytes_max: u64) -> Result<(), SheetFault> {
    let broken = || SheetFault::file(BROKEN);
    let too_much = || SheetFault::file("文件解压后太大，请拆成几个文件");
    let end = bytes.windows(4).rposition(|w| w == b"PK\x05\x06").ok_or_else(broken)?;
    let count = le16(bytes, end + 10).ok_or_else(broken)?;
    let mut at = usize::try_from(le32(bytes, end + 16).ok_or_else(broken)?).map_err(|_| broken())?;
    let (mut declared, mut found, mut workbook) = (0_u64, 0_u64, false);
    for _ in 0..count {
        if bytes.get(at..at + 4) != Some(b"PK\x01\x02".as_slice()) {
            return Err(broken());
        }
        declared += u64::from(le32(bytes, at + 24).ok_or_else(broken)?);
        if declared > inflated_bytes_max {
            return Err(too_much());
        }
        found += inflated(bytes, at, inflated_bytes_max - found).ok_or_else(broken)?;
        if found > inflated_bytes_max {
            return Err(too_much());
        }
        let lengths = [28, 30, 32].map(|field| le16(bytes, at + field).map(usize::from));
        let [Some(name), Some(extra), Some(comment)] = lengths else { return Err(broken()) };
        workbook |= bytes.get(at + 46..at + 46 + name).is_some_and(|n| n.eq_ignore_ascii_case(b"xl/workbook.xml"));
        at += 46 + name + extra + comment;
    }
    if workbook { Ok(()) } else { Err(SheetFault::file("这不是 xlsx 表格，请用表格软件另存为 xlsx")) }
}

/// Bytes of one member when unpacked, at most one more than there is room for; nothing if it cannot be unpacked.
fn inflated(bytes: &[u8], entry: usize, room: u64) -> Option<u64> {
    let method = le16(bytes, entry + 10)?;
    let packed = usize::try_from(le32(bytes, entry + 20)?).ok()?;
    let header = usize::try_from(le32(bytes, entry + 42)?).ok()?;
    let data = header + 30 + usize::from(le16(bytes, header + 26)?) + usize::from(le16(bytes, header + 28)?);
    let content = bytes.get(data..data.checked_add(packed)?)?;
    match method {
        0 => u64::try_from(content.len()).ok(),
        8 => std::io::copy(&mut DeflateDecoder::new(content).take(room + 1), &mut std::io::sink()).ok(),
        _ => None,
    }
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_le_bytes)
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_table_programs_show_them() {
        for (number, text) in
            [(1260.0, "1260"), (673.359_999_999_999_9, "673.36"), (-0.1 - 0.2, "-0.3"), (6_003_410_629.0, "6003410629")]
        {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn an_archive_that_would_unpack_to_gigabytes_is_refused_unread() {
        let mut bomb = Vec::new();
        for size in [u32::MAX, 1] {
            bomb.extend_from_slice(b"PK\x01\x02");
            bomb.extend_from_slice(&[0; 20]);
            bomb.extend_from_slice(&size.to_le_bytes());
            bomb.extend_from_slice(&[0; 18]);
        }
        bomb.extend_from_slice(b"PK\x05\x06\0\0\0\0\x02\0\x02\0\0\0\0\0\0\0\0\0\0\0");
        let Err(fault) = xlsx(&bomb, None, FILES) else { panic!("a bomb was opened") };
        assert!(fault.message.contains("解压后太大"), "{}", fault.message);
    }

    #[test]
    fn an_archive_that_lies_about_its_sizes_is_refused_too() {
        let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packed, &vec![0; 4 << 20]).unwrap();
        let packed = packed.finish().unwrap();
        let size = u32::try_from(packed.len()).unwrap().to_le_bytes();
        let name = b"xl/workbook.xml";
        let mut bomb = b"PK\x03\x04".to_vec();
        bomb.extend_from_slice(&[0; 22]);
        bomb.extend_from_slice(&[15, 0, 0, 0]);
        bomb.extend_from_slice(name);
        bomb.extend_from_slice(&packed);
        let directory = u32::try_from(bomb.len()).unwrap().to_le_bytes();
        bomb.extend_from_slice(b"PK\x01\x02\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\0\0");
        bomb.extend_from_slice(&size);
        bomb.extend_from_slice(&[1, 0, 0, 0, 15, 0]);
        bomb.extend_from_slice(&[0; 16]);
        bomb.extend_from_slice(name);
        bomb.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0\0\0\0\0");
        bomb.extend_from_slice(&directory);
        bomb.extend_from_slice(&[0, 0]);
        let bounds = Bounds { inflated_bytes_max: 1 << 20, text_bytes_max: 1 << 20 };
        let Err(fault) = xlsx(&bomb, None, bounds) else { panic!("a bomb was opened") };
        assert!(fault.message.contains("解压后太大"), "{}", fault.message);
    }
}
