//! From JSON and JSON lines to the raw rows of a table: one object is one row.
//!
//! Members of members are reached by a path, `a.b`; a list stays one cell holding its JSON text. A JSON file is an
//! array of objects, or an object that holds the array at a path which the mapping names; its other members are
//! then known to the whole table.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::table::{CELL_CHARS_MAX, CELLS_MAX, COLUMNS_MAX, ROWS_MAX, RawRow};

/// Objects inside objects that are followed. Tables are flat; deeper things are not tables.
const DEPTH_MAX: usize = 8;

/// The objects of a file as rows under one header.
#[derive(Default)]
pub struct RawObjects {
    pub header: Vec<String>,
    pub rows: Vec<RawRow>,
    /// Members around the array.
    pub outer: BTreeMap<String, String>,
    columns: HashMap<String, usize>,
    cells: usize,
}

/// Why a file cannot be read, with the row where there is one.
pub type JsonFault = (Option<u64>, String);

/// JSON lines: each line that is not blank is one object, numbered by its line.
pub fn lines(text: &str) -> Result<RawObjects, JsonFault> {
    let mut objects = RawObjects::default();
    for (number, line) in (1..).zip(text.lines()) {
        if !line.trim().is_empty() {
            let value = serde_json::from_str(line)
                .map_err(|e| (Some(number), format!("这一行不是完整的 JSON（第 {} 个字节）", e.column())))?;
            objects.push(number, &value)?;
        }
    }
    Ok(objects)
}

/// One JSON document; `array` is the path of the list inside it. Rows are numbered by their place in the list.
pub fn document(text: &str, array: Option<&str>) -> Result<RawObjects, JsonFault> {
    let document: Value = serde_json::from_str(text)
        .map_err(|e| (None, format!("不是完整的 JSON（第 {} 行第 {} 个字节）", e.line(), e.column())))?;
    let mut objects = RawObjects::default();
    let list = match array {
        None => &document,
        Some(path) => {
            let list = path.split('.').try_fold(&document, |value, name| value.get(name));
            list.ok_or_else(|| (None, format!("文件里没有“{path}”这个列表")))?
        }
    };
    let Value::Array(list) = list else {
        return Err((None, "文件里应当是一个列表；若列表在某个成员里，请在映射文件的 source.array 写明".into()));
    };
    if let (Some(path), Value::Object(members)) = (array, &document) {
        let list_name = path.split('.').next().unwrap_or(path);
        for (name, value) in members.iter().filter(|(name, _)| *name != list_name) {
            flatten(name, value, 0, &mut |name, text| {
                objects.outer.insert(name.to_owned(), text);
            });
        }
    }
    for (number, value) in (1..).zip(list) {
        objects.push(number, value)?;
    }
    Ok(objects)
}

impl RawObjects {
    fn push(&mut self, number: u64, value: &Value) -> Result<(), JsonFault> {
        if !value.is_object() {
            return Err((Some(number), "应当是一个 JSON 对象".into()));
        }
        if self.rows.len() >= ROWS_MAX {
            return Err((Some(number), format!("行数超过 {ROWS_MAX} 行，请拆成几个文件")));
        }
        let mut cells = Vec::new();
        let mut too_long = false;
        flatten("", value, 0, &mut |name, text| {
            too_long |= text.len() > CELL_CHARS_MAX && text.chars().count() > CELL_CHARS_MAX;
            let column = *self.columns.entry(name.to_owned()).or_insert_with(|| {
                self.header.push(name.to_owned());
                self.header.len() - 1
            });
            if cells.len() <= column {
                cells.resize(column + 1, String::new());
            }
            cells[column] = text;
        });
        if self.header.len() > COLUMNS_MAX {
            return Err((Some(number), format!("超过 {COLUMNS_MAX} 列")));
        }
        if too_long {
            return Err((Some(number), format!("有一个值超过 {CELL_CHARS_MAX} 个字")));
        }
        self.cells += cells.len();
        if self.cells > CELLS_MAX {
            return Err((Some(number), "文件内容太多，请拆成几个文件".into()));
        }
        self.rows.push(RawRow { number, cells });
        Ok(())
    }
}

fn flatten(path: &str, value: &Value, depth: usize, put: &mut impl FnMut(&str, String)) {
    match value {
        Value::Object(members) if depth < DEPTH_MAX => {
            for (name, member) in members {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&inner, member, depth + 1, put);
            }
        }
        Value::Null => put(path, String::new()),
        Value::String(text) => put(path, text.clone()),
        other => put(path, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_members_are_columns() {
        let objects = lines("{\"a\":{\"b\":1,\"c\":[1,2]},\"d\":null}\n\n{\"e\":true}\n").unwrap();
        assert_eq!(objects.header, ["a.b", "a.c", "d", "e"]);
        assert_eq!(objects.rows[0].cells, ["1", "[1,2]", ""]);
        assert_eq!((objects.rows[1].number, objects.rows[1].cells.last().unwrap().as_str()), (3, "true"));
    }

    #[test]
    fn the_members_around_a_list_belong_to_the_table() {
        let objects = document(r#"{"year":2026,"x":{"days":[{"d":1}]}}"#, Some("x.days")).unwrap();
        assert_eq!(objects.outer["year"], "2026");
        assert_eq!(objects.rows.len(), 1);
    }

    #[test]
    fn a_broken_line_is_named() {
        assert_eq!(lines("{}\n{\"a\":\n").err().unwrap().0, Some(2));
        assert_eq!(lines("{}\n[1]\n").err().unwrap().0, Some(2));
        assert!(document("{}", Some("days")).is_err());
        assert!(document("{}", None).is_err());
    }
}
