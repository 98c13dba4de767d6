//! What a line has from several cells: an amount and its side, a date of month and day or from the row above, a voucher's word
//! and number, the masked name.

use chrono::{Datelike as _, NaiveDate};
use gongkai_domain::personal;
use serde_json::{Map, Value, json};

use super::names::{AMOUNT, DAY, FULL, MASKED, MONTH, SIDE, WORD};
use super::reading::Reader;
use super::{Fault, Sheet};
use crate::exchange::cell::{self, MoneyUnit, half_width};

/// The value of a cell that is no column of the list by itself.
pub fn apart(field: &str, text: &str, unit: MoneyUnit) -> cell::Parsed<Value> {
    match field {
        AMOUNT => Ok(cell::money(text, unit)?.map(Value::from)),
        MONTH => part(text, '月', 12).map_err(|()| "应是 1 到 12 的月份".into()),
        DAY => part(text, '日', 31).map_err(|()| "应是 1 到 31 的日子".into()),
        WORD => Ok((!cell::is_absent(text)).then(|| json!(half_width(text)))),
        _ => match half_width(text).as_str() {
            "" => Ok(None),
            "收" | "收入" | "收款" | "借" | "进" => Ok(Some(json!("income"))),
            "支" | "支出" | "付" | "付款" | "贷" | "出" => Ok(Some(json!("expense"))),
            _ => Err("看不出是收还是支。请填“收”或“支”".into()),
        },
    }
}

/// A month or a day of the month, with or without its sign.
fn part(text: &str, sign: char, max: i64) -> Result<Option<Value>, ()> {
    let read = cell::integer(half_width(text).trim_end_matches(sign)).map_err(drop)?;
    if read.is_some_and(|number| !(1..=max).contains(&number)) { Err(()) } else { Ok(read.map(Value::from)) }
}

/// What follows from several cells of a row; `apart` has those that are no columns by themselves.
pub fn settle(
    sheet: &Sheet,
    reader: &mut Reader,
    row: u64,
    line: &mut Map<String, Value>,
    apart: &Map<String, Value>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    if reader.class.is_finance() {
        faults.extend(dated(sheet, reader, row, line, apart));
        match (apart.get(SIDE).and_then(Value::as_str), apart.get(AMOUNT)) {
            (Some(field), Some(amount)) => drop(line.insert(field.to_owned(), amount.clone())),
            (None, Some(_)) => {
                faults.push(sheet.problem(Some(row), sheet.place_of(SIDE), "没有写是收还是支。请填“收”或“支”"));
            }
            _ => {}
        }
        if let (Some(word), Some(number)) = (apart.get(WORD).and_then(Value::as_str), line.get_mut("voucher")) {
            *number = json!(format!("{word}-{}", number.as_str().unwrap_or_default()));
        }
    }
    if let (None, Some(name)) = (line.get(MASKED), line.get(FULL).and_then(Value::as_str)) {
        let masked = personal::mask_name(name);
        line.insert(MASKED.into(), json!(masked));
    }
    faults
}

/// The date of a line: its own, that of month and day, or the one above where its cells are empty.
fn dated(
    sheet: &Sheet,
    reader: &mut Reader,
    row: u64,
    line: &mut Map<String, Value>,
    apart: &Map<String, Value>,
) -> Option<Fault> {
    let is_unread = |field: &str| {
        let filled = sheet.place_of(field).is_some_and(|place| !cell::is_absent(sheet.cell(row, place)));
        filled && !apart.contains_key(field)
    };
    if is_unread(MONTH) || is_unread(DAY) {
        return None; // Its cell has been told.
    }
    let places: Vec<usize> = ["date", MONTH, DAY].into_iter().filter_map(|field| sheet.place_of(field)).collect();
    if let Some(date) = line.get("date") {
        reader.above = Some(date.clone());
    } else if !places.is_empty() && places.iter().all(|place| cell::is_absent(sheet.cell(row, *place))) {
        let above = reader.above.clone()?;
        line.insert("date".into(), above);
        reader.filled += 1;
    } else if apart.contains_key(MONTH) || apart.contains_key(DAY) {
        match joined(reader, apart) {
            Ok(date) => {
                reader.above = Some(json!(date));
                line.insert("date".into(), json!(date));
            }
            Err((field, why)) => return Some(sheet.problem(Some(row), sheet.place_of(field), why)),
        }
    }
    None
}

/// Month and day in the sheet's year; a month that is not written is that of the row above.
fn joined(reader: &Reader, apart: &Map<String, Value>) -> Result<String, (&'static str, &'static str)> {
    let number = |field: &str| apart.get(field).and_then(Value::as_i64).and_then(|number| u32::try_from(number).ok());
    let above = reader.above.as_ref().and_then(|date| date.as_str()?.parse::<NaiveDate>().ok());
    let month = number(MONTH).or(above.map(|date| date.month())).ok_or((MONTH, "没有写是几月"))?;
    let day = number(DAY).ok_or((DAY, "没有写是几日"))?;
    let year = reader.year.ok_or((MONTH, "看不出是哪一年。请在标题里写明，或在表单里填所属期间"))?;
    let date = NaiveDate::from_ymd_opt(year, month, day).ok_or((DAY, "没有这一天"))?;
    Ok(date.to_string())
}
