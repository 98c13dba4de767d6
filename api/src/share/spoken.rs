//! Numbers, money and days as people say them: 一万二千三百, 两元五角, 三月十日.
//!
//! 两 stands for 二 where a two leads a number and has 百, 千, 万, 亿 or a measure word right after it (两千四百,
//! 两个月); inside a number and before 十 it stays 二. Not here: choosing what is said (`loudspeaker`).

use chrono::{Datelike as _, NaiveDate};

const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
const WAN: u64 = 10_000;
const YI: u64 = 100_000_000;

/// Longest run of digits that is read as a number; longer ones are numbers of cards and phones.
const NUMBER_DIGITS_MAX: usize = 8;

/// A number: `12300` is 一万二千三百, `0` is 零, `2` is 二.
pub fn number(n: u64) -> String {
    read(n, true)
}

/// A number before a measure word: `2` is 两, as in 两笔.
pub fn count(n: u64) -> String {
    if n == 2 { "两".to_owned() } else { number(n) }
}

/// An amount of fen: `1230000` is 一万二千三百元, `502` is 五元零二分.
pub fn money(fen: i64) -> String {
    let (yuan, rest) = (fen.unsigned_abs() / 100, fen.unsigned_abs() % 100);
    let (jiao, fen_left) = (rest / 10, rest % 10);
    let mut said = if fen < 0 { "负".to_owned() } else { String::new() };
    let part = |value: u64, leads: bool| if leads { count(value) } else { number(value) };
    if yuan > 0 || rest == 0 {
        said.push_str(&count(yuan));
        said.push('元');
    }
    if jiao > 0 {
        said.push_str(&part(jiao, yuan == 0));
        said.push('角');
    }
    if fen_left > 0 {
        if yuan > 0 && jiao == 0 {
            said.push('零');
        }
        said.push_str(&part(fen_left, yuan == 0 && jiao == 0));
        said.push('分');
    }
    said
}

/// A day without its year: 三月十日.
pub fn day(day: NaiveDate) -> String {
    format!("{}月{}日", number(day.month().into()), number(day.day().into()))
}

/// Digit by digit, as numbers of entries and telephones are read: `1310` is 一三一〇.
pub fn digits(text: &str) -> String {
    text.chars().map(|char| char.to_digit(10).map_or(char, digit_alone)).collect()
}

fn digit_alone(digit: u32) -> char {
    if digit == 0 { '〇' } else { DIGITS[digit as usize % 10] }
}

/// A text with its figures as people say them: years and long numbers digit by digit, 330.30 as 三百三十点三零.
pub fn text(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut said = String::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at].is_ascii_digit() {
            let end = run(&chars, at);
            let figure: String = chars[at..end].iter().filter(|char| **char != ',').collect();
            let next = chars[end..].iter().find(|char| **char != ' ').copied();
            said.push_str(&figure_said(&figure, next));
            at = end;
        } else {
            said.push(chars[at]);
            at += 1;
        }
    }
    said
}

/// Where a figure ends: digits, separators between groups of three, one decimal point.
fn run(chars: &[char], start: usize) -> usize {
    let is_digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    let mut end = start;
    let mut point = false;
    loop {
        match chars.get(end) {
            Some(char) if char.is_ascii_digit() => end += 1,
            Some(',') if !point && (1..=3).all(|next| is_digit(end + next)) && !is_digit(end + 4) => end += 1,
            Some('.') if !point && is_digit(end + 1) => {
                point = true;
                end += 1;
            }
            _ => return end,
        }
    }
}

fn figure_said(figure: &str, next: Option<char>) -> String {
    let (whole, decimals) = figure.split_once('.').map_or((figure, None), |(whole, rest)| (whole, Some(rest)));
    let is_year = next == Some('年') && whole.len() == 4;
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    let whole = match whole.parse::<u64>() {
        Ok(n) if !is_year && !leading_zero && whole.len() <= NUMBER_DIGITS_MAX => number(n),
        _ => digits(whole),
    };
    match decimals {
        Some(decimals) => {
            format!(
                "{whole}点{}",
                decimals.chars().filter_map(|d| Some(DIGITS[d.to_digit(10)? as usize % 10])).collect::<String>()
            )
        }
        None => whole,
    }
}

/// `leads` says whether the first digit is the first of the whole number.
fn read(n: u64, leads: bool) -> String {
    if n >= YI {
        return joined(n / YI, '亿', n % YI, YI, leads);
    }
    if n >= WAN {
        return joined(n / WAN, '万', n % WAN, WAN, leads);
    }
    below_wan(n, leads)
}

/// What stands before a unit, the unit, and the rest, with 零 where the rest does not fill its first place.
fn joined(high: u64, unit: char, low: u64, size: u64, leads: bool) -> String {
    let mut said = if leads && high == 2 { "两".to_owned() } else { read(high, leads) };
    said.push(unit);
    if low > 0 {
        if low < size / 10 {
            said.push('零');
        }
        said.push_str(&read(low, false));
    }
    said
}

fn below_wan(n: u64, leads: bool) -> String {
    if n < 10 {
        return DIGITS[usize::try_from(n).unwrap_or_default()].to_string();
    }
    let mut said = String::new();
    let mut gap = false;
    for (size, unit) in [(1_000, Some('千')), (100, Some('百')), (10, Some('十')), (1, None)] {
        let digit = n / size % 10;
        if digit == 0 {
            gap = !said.is_empty();
            continue;
        }
        if gap {
            said.push('零');
            gap = false;
        }
        let first = said.is_empty() && leads;
        match (digit, unit) {
            (1, Some('十')) if first => {}
            (2, Some('百' | '千')) if first => said.push('两'),
            _ => said.push(DIGITS[usize::try_from(digit).unwrap_or_default()]),
        }
        said.extend(unit);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a number back, place by place: knows nothing of how it was made.
    fn heard(said: &str) -> u64 {
        for (unit, size) in [('亿', YI), ('万', WAN)] {
            if let Some((high, low)) = said.rsplit_once(unit) {
                return heard(high) * size + heard(low);
            }
        }
        let (mut sum, mut digit) = (0, None);
        for char in said.chars() {
            let size = match char {
                '零' => continue,
                '两' => {
                    digit = Some(2);
                    continue;
                }
                '千' => 1_000,
                '百' => 100,
                '十' => 10,
                other => {
                    digit = DIGITS.iter().position(|known| *known == other);
                    assert!(digit.is_some(), "{other} in {said}");
                    continue;
                }
            };
            sum += digit.take().unwrap_or(1) as u64 * size;
        }
        sum + digit.unwrap_or_default() as u64
    }

    fn check(n: u64) {
        let said = number(n);
        assert_eq!(heard(&said), n, "{said}");
        assert!(!said.contains("零零") && (n == 0 || !said.starts_with('零') && !said.ends_with('零')), "{n}: {said}");
        assert!(!said.starts_with("一十") && !said.contains("两十"), "{n}: {said}");
        assert!(said.chars().skip(1).all(|char| char != '两'), "两 leads or is not there: {n}: {said}");
    }

    #[test]
    fn every_number_is_heard_as_what_was_said() {
        (0..=120_000).for_each(check);
        let mut n = 0x9e37_79b9_7f4a_7c15_u64;
        for bits in 0..200_000_u32 {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            check(n >> (bits % 56 + 8));
        }
        for power in 0..18 {
            let round = 10_u64.pow(power);
            [round, round + 1, round - 1, 2 * round, 2 * round + 2, 11 * round].into_iter().for_each(check);
        }
    }

    #[test]
    fn numbers_are_said_as_people_say_them() {
        for (n, said) in [
            (0, "零"),
            (2, "二"),
            (10, "十"),
            (12, "十二"),
            (20, "二十"),
            (102, "一百零二"),
            (110, "一百一十"),
            (200, "两百"),
            (222, "两百二十二"),
            (1_002, "一千零二"),
            (2_020, "两千零二十"),
            (10_000, "一万"),
            (12_300, "一万二千三百"),
            (20_000, "两万"),
            (22_000, "两万二千"),
            (100_010, "十万零一十"),
            (200_000, "二十万"),
            (220_657, "二十二万零六百五十七"),
            (1_000_000, "一百万"),
            (200_000_000, "两亿"),
            (100_000_002, "一亿零二"),
            (300_020_000, "三亿零二万"),
            (2_000_000_000_000, "两万亿"),
        ] {
            assert_eq!(number(n), said);
        }
        assert_eq!((count(2), count(12), count(20)), ("两".into(), "十二".into(), "二十".into()));
    }

    #[test]
    fn money_has_its_jiao_and_fen_and_nothing_that_is_not_there() {
        for (fen, said) in [
            (0, "零元"),
            (1_230_000, "一万二千三百元"),
            (200, "两元"),
            (2, "两分"),
            (20, "两角"),
            (25, "两角五分"),
            (22, "两角二分"),
            (250, "两元五角"),
            (222, "两元二角二分"),
            (502, "五元零二分"),
            (520, "五元二角"),
            (100_002, "一千元零二分"),
            (18_642_035, "十八万六千四百二十元三角五分"),
            (-3_850, "负三十八元五角"),
        ] {
            assert_eq!(money(fen), said, "{fen}");
        }
        assert_eq!(money(i64::MIN), "负九亿二千二百三十三万七千二百零三亿六千八百五十四万七千七百五十八元零八分");
    }

    #[test]
    fn every_amount_is_heard_as_its_fen() {
        let mut seed = 7_u64;
        for round in 0..50_000_u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let fen = i64::try_from(seed >> (round % 40 + 12)).unwrap();
            let said = money(fen);
            let (yuan, rest) = said.split_once('元').unwrap_or(("", &said));
            let (jiao, rest) = rest.split_once('角').unwrap_or(("", rest));
            let sum = heard(yuan) * 100 + heard(jiao) * 10 + heard(rest.trim_end_matches('分'));
            assert_eq!(i64::try_from(sum).unwrap(), fen, "{said}");
        }
    }

    #[test]
    fn days_years_and_figures_in_a_text_are_said_too() {
        assert_eq!(day(NaiveDate::from_ymd_opt(2026, 3, 10).unwrap()), "三月十日");
        assert_eq!(day(NaiveDate::from_ymd_opt(2026, 12, 2).unwrap()), "十二月二日");
        for (written, said) in [
            ("2026年2月财务收支", "二〇二六年二月财务收支"),
            ("2025 年第 7 号", "二〇二五 年第 七 号"),
            ("第7号,共1,260.50元", "第七号,共一千二百六十点五零元"),
            ("电话12380", "电话一万二千三百八十"),
            ("账号6222021234567", "账号六二二二〇二一二三四五六七"),
            ("007号", "〇〇七号"),
            ("没有数字", "没有数字"),
        ] {
            assert_eq!(text(written), said);
        }
        assert_eq!(digits("1310"), "一三一〇");
    }
}
