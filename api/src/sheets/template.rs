//! Templates to download: columns under the headers that an upload knows, and nothing to delete.
//!
//! The workbook explains each column on a second sheet and in a note on its header; money and dates have their formats,
//! choices their lists, so that most mistakes are not made. Nothing here depends on the day: the same class is the same
//! file. [`workbook`] and [`text`] know no class: whoever has columns uses them.

use gongkai_domain::field::{Column, Shape};
use gongkai_log::Tier;
use rust_xlsxwriter::{
    Color, DataValidation, DocProperties, ExcelDateTime, Format, FormatBorder, Note, Workbook, XlsxError,
};

use super::Class;
use super::names::MASKED;

/// Rows that are prepared with formats and lists.
const ROWS_PREPARED: u32 = 2_000;
/// Most characters of a list of choices in a workbook (Microsoft, data validation).
const LIST_CHARS_MAX: usize = 255;

/// What the cells of a column are prepared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cells {
    /// A voucher number is no date and no sum.
    #[default]
    Text,
    Money,
    Date,
    Count,
}

/// A column to fill in.
#[derive(Debug, Clone, Default)]
pub struct Blank {
    pub header: &'static str,
    pub is_required: bool,
    /// How it is filled in, a sentence.
    pub how: String,
    pub cells: Cells,
    pub is_wide: bool,
    pub choices: Vec<&'static str>,
    /// What stands in the example row, if the template has one.
    pub example: String,
}

/// The workbook of these columns, an example row where one is given, and remarks on its second sheet.
///
/// # Errors
/// [`XlsxError`], if the words do not fit into a workbook.
pub fn workbook(columns: &[Blank], remarks: &[&str]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    // A file that depends on the second in which it was asked for is another one each time.
    book.set_properties(&DocProperties::new().set_creation_datetime(&ExcelDateTime::from_ymd(2026, 1, 1)?));
    let head = Format::new().set_bold().set_background_color(Color::RGB(0xEF_E6_D8)).set_border(FormatBorder::Thin);
    let sheet = book.add_worksheet().set_name("填写")?;
    let example = Format::new().set_italic().set_font_color(Color::RGB(0x6B_5E_4A)).set_num_format("@");
    for (place, column) in (0_u16..).zip(columns) {
        sheet.write_string_with_format(0, place, column.header, &head)?;
        sheet.set_column_format(place, &cell_format(column.cells))?;
        sheet.set_column_width(place, if column.is_wide { 24.0 } else { 13.0 })?;
        sheet.insert_note(0, place, &Note::new(&column.how).set_author("").set_width(260))?;
        if !column.example.is_empty() {
            sheet.write_string_with_format(1, place, &column.example, &example)?;
        }
        if !column.choices.is_empty() && column.choices.join(",").chars().count() <= LIST_CHARS_MAX {
            let list = DataValidation::new().allow_list_strings(&column.choices)?;
            sheet.add_data_validation(1, place, ROWS_PREPARED, place, &list)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    let about = book.add_worksheet().set_name("说明")?;
    let wrap = Format::new().set_text_wrap();
    about.set_column_width(0, 18.0)?.set_column_width(1, 8.0)?.set_column_width(2, 70.0)?;
    for (place, text) in (0_u16..).zip(["列", "要不要填", "怎么填"]) {
        about.write_string_with_format(0, place, text, &head)?;
    }
    for (row, column) in (1_u32..).zip(columns) {
        about.write_string(row, 0, column.header)?;
        about.write_string(row, 1, if column.is_required { "必填" } else { "可空" })?;
        about.write_string_with_format(row, 2, &column.how, &wrap)?;
    }
    let end = u32::try_from(columns.len()).unwrap_or_default() + 2;
    for (row, remark) in (end..).zip(remarks) {
        about.write_string(row, 0, *remark)?;
    }
    book.save_to_buffer()
}

/// The same as a text with a byte-order mark, which table programs want.
pub fn text(columns: &[Blank]) -> Vec<u8> {
    let line = |cell: fn(&Blank) -> &str| {
        let cells: Vec<String> = columns.iter().map(|column| quoted(cell(column))).collect();
        format!("{}\r\n", cells.join(","))
    };
    let has_example = columns.iter().any(|column| !column.example.is_empty());
    let example = if has_example { line(|column| &column.example) } else { String::new() };
    format!("\u{feff}{}{example}", line(|column| column.header)).into_bytes()
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// The workbook of a class.
///
/// # Errors
/// As [`workbook`].
pub fn xlsx(class: Class) -> Result<Vec<u8>, XlsxError> {
    let mut remarks = vec!["一行一笔，两笔一样的就写两行。"];
    if class.is_finance() {
        remarks.push(
            "上期结存、期末结存可以各写一行：摘要写“上期结存”或“期末结存”，余额写金额；不写的，沿用上期公开的期末结存。",
        );
    }
    workbook(&columns(class), &remarks)
}

/// The same class as [`text`].
pub fn csv(class: Class) -> Vec<u8> {
    text(&columns(class))
}

fn columns(class: Class) -> Vec<Blank> {
    let blank = |column: &Column| Blank {
        header: class.header(column),
        is_required: column.required,
        how: explained(class, column),
        cells: match column.shape {
            Shape::Fen => Cells::Money,
            Shape::Date => Cells::Date,
            Shape::Count => Cells::Count,
            _ => Cells::Text,
        },
        is_wide: matches!(column.shape, Shape::Text(100..)),
        choices: match column.shape {
            Shape::Choice(choices) => choices.iter().map(|(_, label)| *label).collect(),
            _ => Vec::new(),
        },
        example: String::new(),
    };
    class.columns().map(blank).collect()
}

fn cell_format(cells: Cells) -> Format {
    Format::new().set_num_format(match cells {
        Cells::Money => "#,##0.00",
        Cells::Date => "yyyy-mm-dd",
        Cells::Count => "0",
        Cells::Text => "@",
    })
}

fn explained(class: Class, column: &Column) -> String {
    let how = match column.shape {
        Shape::Fen if class.is_finance() => "以元填写，两位小数。收入和支出分两列，一行只填一个；冲红写负数".to_owned(),
        Shape::Fen => "以元填写，两位小数".to_owned(),
        Shape::Date => "像 2026-02-03 这样写".to_owned(),
        Shape::Count => "整数".to_owned(),
        Shape::Choice(choices) => {
            format!("从这几种里选：{}", choices.iter().map(|(_, label)| *label).collect::<Vec<_>>().join("、"))
        }
        Shape::Text(max) => format!("文字，最多 {max} 字"),
        _ => "文字".to_owned(),
    };
    let note = match (class.content, column.name) {
        ("finance", "counterparty") => "。个人只写姓，如“俞**”；不要写身份证号、电话、银行卡号",
        ("finance", "summary") => "。写明干什么用，不要只写“其他”",
        ("finance", "balance") => "。可以不填；填了就逐行核对",
        (_, MASKED) => "。只写姓，如“俞**”；空着的，由姓名自动遮蔽",
        _ if column.tier != Tier::Public => "。不上网，只在本村范围内可见",
        _ => "",
    };
    format!("{how}{note}。")
}
