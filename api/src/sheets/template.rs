//! Templates to download: the columns of a class under the headers that the upload knows, and nothing to delete.
//!
//! The workbook explains each column on a second sheet and in a note on its header; money and dates have their formats,
//! choices their lists, so that most mistakes are not made. Nothing here depends on the day: the same class is the same
//! file.

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

/// The workbook of a class.
///
/// # Errors
/// [`XlsxError`], if the words do not fit into a workbook.
pub fn xlsx(class: Class) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    // A file that depends on the second in which it was asked for is another one each time.
    book.set_properties(&DocProperties::new().set_creation_datetime(&ExcelDateTime::from_ymd(2026, 1, 1)?));
    let head = Format::new().set_bold().set_background_color(Color::RGB(0xEF_E6_D8)).set_border(FormatBorder::Thin);
    let sheet = book.add_worksheet().set_name("填写")?;
    for (place, column) in (0_u16..).zip(class.shape.columns) {
        let header = class.header(column);
        sheet.write_string_with_format(0, place, header, &head)?;
        sheet.set_column_format(place, &cell_format(column.shape))?;
        sheet.set_column_width(place, if matches!(column.shape, Shape::Text(100..)) { 24.0 } else { 13.0 })?;
        sheet.insert_note(0, place, &Note::new(explained(class, column)).set_author("").set_width(260))?;
        if let Shape::Choice(choices) = column.shape {
            let labels: Vec<&str> = choices.iter().map(|(_, label)| *label).collect();
            if labels.join(",").chars().count() <= LIST_CHARS_MAX {
                let list = DataValidation::new().allow_list_strings(&labels)?;
                sheet.add_data_validation(1, place, ROWS_PREPARED, place, &list)?;
            }
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    let about = book.add_worksheet().set_name("说明")?;
    let wrap = Format::new().set_text_wrap();
    about.set_column_width(0, 18.0)?.set_column_width(1, 8.0)?.set_column_width(2, 70.0)?;
    for (place, text) in (0_u16..).zip(["列", "要不要填", "怎么填"]) {
        about.write_string_with_format(0, place, text, &head)?;
    }
    for (row, column) in (1_u32..).zip(class.shape.columns) {
        about.write_string(row, 0, class.header(column))?;
        about.write_string(row, 1, if column.required { "必填" } else { "可空" })?;
        about.write_string_with_format(row, 2, explained(class, column), &wrap)?;
    }
    let end = u32::try_from(class.shape.columns.len()).unwrap_or_default() + 2;
    about.write_string_with_format(end, 0, "一行一笔，两笔一样的就写两行。", &wrap)?;
    if class.is_finance() {
        let text = "上期结存、期末结存可以各写一行：摘要写“上期结存”或“期末结存”，余额写金额；不写的，沿用上期公开的期末结存。";
        about.write_string(end + 1, 0, text)?;
    }
    book.save_to_buffer()
}

/// The same as a text with a byte-order mark, which table programs want.
pub fn csv(class: Class) -> Vec<u8> {
    let headers: Vec<&str> = class.shape.columns.iter().map(|column| class.header(column)).collect();
    format!("\u{feff}{}\r\n", headers.join(",")).into_bytes()
}

fn cell_format(shape: Shape) -> Format {
    match shape {
        Shape::Fen => Format::new().set_num_format("#,##0.00"),
        Shape::Date => Format::new().set_num_format("yyyy-mm-dd"),
        Shape::Count => Format::new().set_num_format("0"),
        // Text: a voucher number is no date and no sum.
        _ => Format::new().set_num_format("@"),
    }
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
