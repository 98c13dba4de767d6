//! Dates: `2026年3月10日` is `10 March 2026`; and round numbers: `8万` is `80k`.
//!
//! Every form in which the site writes one (`site::format`, the domain's periods, the axes of charts); nothing else.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The English of a text that is wholly a date.
pub fn english(text: &str) -> Option<String> {
    let date = text.strip_suffix("起").map_or(text, |text| text);
    if date.len() != text.len() {
        return english(date).map(|date| format!("from {date}"));
    }
    let (year, rest) = match number(text, "年") {
        Some((year, rest)) if (1000..10_000).contains(&year) => (Some(year), rest.trim_start()),
        Some(_) => return None,
        None => (None, text),
    };
    let of_year = |part: &str| year.map_or_else(|| part.to_owned(), |year| format!("{part} {year}"));
    match (rest, year) {
        ("" | "度", Some(year)) => return Some(year.to_string()),
        ("初", Some(year)) => return Some(format!("the beginning of {year}")),
        ("上半年", Some(_)) => return Some(of_year("first half of")),
        ("下半年", Some(_)) => return Some(of_year("second half of")),
        ("第一季度", Some(_)) => return Some(of_year("Q1")),
        ("第二季度", Some(_)) => return Some(of_year("Q2")),
        ("第三季度", Some(_)) => return Some(of_year("Q3")),
        ("第四季度", Some(_)) => return Some(of_year("Q4")),
        _ => {}
    }
    let (month, rest) = number(rest, "月")?;
    let month = MONTHS.get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    if rest.is_empty() {
        // Without its year a month stands in a grid or below a chart, where there is little room.
        return Some(if year.is_some() { of_year(month) } else { month[..3].to_owned() });
    }
    if let Some(date) = rest.strip_prefix("末").filter(|rest| rest.is_empty()).map(|_| of_year(month)) {
        return Some(format!("end of {date}"));
    }
    let (day, rest) = number(rest, "日")?;
    let date = of_year(&format!("{day} {month}"));
    match rest.strip_prefix(' ') {
        None if rest.is_empty() => Some(date),
        Some(time) if is_time(time) => Some(format!("{date}, {time}")),
        _ => None,
    }
}

/// The English of a round number beside an axis.
pub fn round(text: &str) -> Option<String> {
    let (number, tenfold, unit) = match text.strip_suffix('万') {
        Some(number) => (number, 10.0, "k"),
        None => (text.strip_suffix('亿')?, 100.0, "m"),
    };
    let number: f64 = number.trim_end().parse().ok()?;
    Some(format!("{}{unit}", number * tenfold))
}

fn number<'a>(text: &'a str, unit: &str) -> Option<(u32, &'a str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let rest = text[end..].strip_prefix(' ').unwrap_or(&text[end..]).strip_prefix(unit)?;
    Some((text[..end].parse().ok()?, rest))
}

fn is_time(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, b':', c, d] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()))
}
