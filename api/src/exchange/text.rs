//! From bytes to text, and from text to the raw rows of a CSV file.
//!
//! Encodings are decided strictly: a byte-order mark, else UTF-8, else GB18030 (which contains GBK and GB2312);
//! what is valid in none is a problem with its row, never a replacement character. Rows are numbered as a table
//! program numbers them: blank lines count, a line break inside quotes does not.

use encoding_rs::{DecoderResult, Encoding, GB18030, UTF_16BE, UTF_16LE};

use super::table::{CELL_CHARS_MAX, COLUMNS_MAX, ROWS_MAX, RawRow};

/// Rows from which the separator is judged.
const DIALECT_ROWS: usize = 50;

/// The text of a file, or the row (from 1) and the reason why it has none.
pub fn decode(bytes: &[u8]) -> Result<String, (u64, String)> {
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, length)) if encoding == UTF_16LE || encoding == UTF_16BE => {
            strict(encoding, &bytes[length..]).map_err(|(row, _)| row)
        }
        Some((_, length)) => utf8(&bytes[length..]),
        None => utf8(bytes).or_else(|utf8_row| strict(GB18030, bytes).map_err(|(row, _)| row.max(utf8_row))),
    };
    let text = text.map_err(|row| {
        (row, "这里的文字编码既不是 UTF-8 也不是 GBK，请用表格软件打开后另存为 UTF-8 编码或 xlsx".to_owned())
    })?;
    match text.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) {
        Some((at, _)) => Err((
            line_of(&text.as_bytes()[..at]),
            "这里有不可见的控制字符，文件可能不是文本，请用表格软件打开后另存为 xlsx".to_owned(),
        )),
        None => Ok(text),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, u64> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|e| line_of(&bytes[..e.valid_up_to()]))
}

fn strict(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, (u64, usize)> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len());
    let mut text = String::with_capacity(room);
    let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
    match result {
        DecoderResult::InputEmpty => Ok(text),
        DecoderResult::Malformed(..) | DecoderResult::OutputFull => Err((line_of(text.as_bytes()), read)),
    }
}

fn line_of(before: &[u8]) -> u64 {
    before.iter().fold(1, |line, byte| line + u64::from(*byte == b'\n'))
}

/// The rows of a CSV text, its separator (comma, tab or semicolon) judged from the first rows.
pub fn csv_rows(text: &str) -> Result<Vec<RawRow>, (u64, String)> {
    split(text, separator(text), usize::MAX)
}

/// The separator that gives the most rows of one width; the comma where nothing tells.
fn separator(text: &str) -> char {
    let score = |separator: char| {
        // A quote that never closes breaks every separator alike and is reported by the real reading.
        let rows = split(text, separator, DIALECT_ROWS).unwrap_or_default();
        let mut widths: Vec<usize> = rows.iter().map(|r| r.cells.len()).filter(|w| *w > 1).collect();
        widths.sort_unstable();
        widths.chunk_by(|a, b| a == b).map(|same| (same.len(), same[0])).max().unwrap_or((0, 0))
    };
    // `max_by_key` takes the last of equals, so the comma stands last.
    [';', '\t', ','].into_iter().max_by_key(|s| score(*s)).unwrap_or(',')
}

/// RFC 4180, with any line end; quotes count only at the start of a cell, as table programs read them.
fn split(text: &str, separator: char, rows_max: usize) -> Result<Vec<RawRow>, (u64, String)> {
    let mut rows = Vec::new();
    let mut row = RawRow { number: 1, cells: Vec::new() };
    let mut cell = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '"' && cell.is_empty() {
            quoted(&mut chars, &mut cell).ok_or_else(|| (row.number, "这一行的双引号没有成对".to_owned()))?;
        } else if c == separator {
            row.cells.push(std::mem::take(&mut cell));
        } else if c == '\n' || c == '\r' {
            if c == '\r' && chars.peek() == Some(&'\n') {
                chars.next();
            }
            row.cells.push(std::mem::take(&mut cell));
            let number = row.number + 1;
            finish(&mut rows, std::mem::replace(&mut row, RawRow { number, cells: Vec::new() }))?;
            if rows.len() >= rows_max {
                return Ok(rows);
            }
        } else {
            cell.push(c);
        }
    }
    row.cells.push(cell);
    finish(&mut rows, row)?;
    Ok(rows)
}

/// The rest of a quoted cell; nothing if its quote never closes.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, cell: &mut String) -> Option<()> {
    loop {
        match chars.next()? {
            '"' if chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => return Some(()),
            c => cell.push(c),
        }
    }
}

fn finish(rows: &mut Vec<RawRow>, mut row: RawRow) -> Result<(), (u64, String)> {
    let used = row.cells.iter().rposition(|c| !c.trim().is_empty()).map_or(0, |last| last + 1);
    if used == 0 {
        return Ok(());
    }
    if used > COLUMNS_MAX {
        return Err((row.number, format!("超过 {COLUMNS_MAX} 列")));
    }
    row.cells.truncate(used);
    row.cells.shrink_to_fit();
    if rows.len() >= ROWS_MAX {
        return Err((row.number, format!("行数超过 {ROWS_MAX} 行，请拆成几个文件")));
    }
    if row.cells.iter().any(|c| c.len() > CELL_CHARS_MAX && c.chars().count() > CELL_CHARS_MAX) {
        return Err((row.number, format!("有一个单元格超过 {CELL_CHARS_MAX} 个字；也可能是前面的双引号没有成对")));
    }
    rows.push(row);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<(u64, Vec<String>)> {
        csv_rows(text).unwrap().into_iter().map(|r| (r.number, r.cells)).collect()
    }

    #[test]
    fn the_same_words_are_read_from_every_encoding_that_offices_use() {
        let text = "摘要,金额\n公厕水电费,330.30\n";
        let (gbk, _, _) = encoding_rs::GBK.encode(text);
        let with_bom = format!("\u{FEFF}{text}");
        let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let utf16_be: Vec<u8> =
            [0xFE, 0xFF].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
        for bytes in [text.as_bytes(), with_bom.as_bytes(), &gbk, &utf16, &utf16_be] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
        assert_eq!(decode("㐀𠀀".as_bytes()).unwrap(), "㐀𠀀");
        let (gb18030, _, _) = GB18030.encode("㐀𠀀");
        assert_eq!(decode(&gb18030).unwrap(), "㐀𠀀");
    }

    #[test]
    fn bytes_of_no_encoding_name_their_row() {
        let mut bytes = "摘要,金额\n水费,1\n".as_bytes().to_vec();
        bytes.extend_from_slice(b"\xff\xff,2\n");
        assert_eq!(decode(&bytes).unwrap_err().0, 3);
        assert_eq!(decode(b"a,b\n1,\x002\n").unwrap_err().0, 2);
        assert_eq!(decode(b"\xff\xfea\0b").unwrap_err().0, 1);
    }

    #[test]
    fn comma_semicolon_and_tab_are_told_apart() {
        for text in ["a,b,c\n1,2,3\n", "a;b;c\n1;2;3\n", "a\tb\tc\r\n1\t2\t3\r\n"] {
            assert_eq!(cells(text)[1].1, ["1", "2", "3"], "{text:?}");
        }
        assert_eq!(cells("摘要;金额\n水费;1,260.00\n电费;2,000.00\n")[1].1, ["水费", "1,260.00"]);
        assert_eq!(cells("某某村公开表\n摘要\t金额\n水费\t1,260.00\n")[2].1, ["水费", "1,260.00"]);
    }

    #[test]
    fn rows_are_numbered_as_a_table_program_numbers_them() {
        let rows = cells("a,b\n\n\"x\ny\",\"he said \"\"no\"\"\"\n1,5\" pipe\n");
        assert_eq!(rows[1], (3, vec!["x\ny".to_owned(), "he said \"no\"".to_owned()]));
        assert_eq!(rows[2], (4, vec!["1".to_owned(), "5\" pipe".to_owned()]));
    }

    #[test]
    fn an_open_quote_names_its_row() {
        assert_eq!(csv_rows("a,b\n1,\"2\n3,4\n").unwrap_err().0, 2);
    }
}
