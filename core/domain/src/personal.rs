//! Personal data in free text: finds numbers that must not be published, and masks names.
//!
//! [`scan`] finds resident ID numbers, mobile numbers and bank card numbers at draft time; a hit
//! blocks publication (个人信息保护法 art. 28). It is a net for mistakes, not a proof of absence:
//! an address or an illness in words is for the reviewer. To find another number, add a
//! [`HitKind`] and a test of `Span` to `matching`.

use chrono::NaiveDate;

/// Where a number that must not be published was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hit {
    /// What it seems to be.
    pub kind: HitKind,
    /// First character, counted from 0 in characters.
    pub start_char: usize,
    /// One past the last character.
    pub end_char: usize,
}

impl Hit {
    /// Where and what, for people. Does not repeat the number.
    pub fn message(&self) -> String {
        format!("第{}字起，疑似{}", self.start_char + 1, self.kind.label())
    }
}

/// What a found number seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HitKind {
    /// Resident identity number, 18 places (GB 11643).
    IdNumber,
    /// Mainland mobile number, 11 digits.
    Mobile,
    /// Bank card number, 16 to 19 digits with a Luhn check digit (ISO/IEC 7812-1).
    BankCard,
}

impl HitKind {
    /// The word for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::IdNumber => "身份证号",
            Self::Mobile => "手机号码",
            Self::BankCard => "银行卡号",
        }
    }
}

/// Separators that may stand between two groups of one number.
const SEPARATORS_MAX: usize = 3;
/// Longest number that is looked for.
const NUMBER_DIGITS_MAX: usize = 19;
/// Most groups of one number: a digit each. Keeps the scan linear when X after X follows.
const NUMBER_GROUPS_MAX: usize = NUMBER_DIGITS_MAX;

/// Finds what looks like a resident ID, a mobile or a card number, in order and without overlaps.
///
/// Full-width digits and single groups parted by spaces or hyphens are seen through. A number is
/// made of whole runs of digits, so nothing is found inside a longer run. Linear in the length of
/// `text`; the caller bounds that (an entry holds at most 65,535 bytes).
pub fn scan(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    for chain in chains(text) {
        let mut at = 0;
        while at < chain.len() {
            if let Some((kind, groups)) = matching(&chain[at..]) {
                hits.push(Hit { kind, start_char: chain[at].start, end_char: chain[at + groups - 1].end(kind) });
                at += groups;
            } else {
                at += 1;
            }
        }
    }
    hits
}

/// A run of digits, perhaps with the check character X behind it; without digits, an X alone.
#[derive(Debug, Default)]
struct Group {
    start: usize,
    digits: Vec<u8>,
    /// Ends in X.
    x: bool,
    /// Has a sign `+` before it.
    plus: bool,
}

impl Group {
    fn end(&self, kind: HitKind) -> usize {
        self.start + self.digits.len() + usize::from(self.x && kind == HitKind::IdNumber)
    }
}

/// The groups of `text`, cut into chains whose neighbours are parted by separators only.
fn chains(text: &str) -> Vec<Vec<Group>> {
    let chars: Vec<char> = text.chars().map(plain).collect();
    let mut chains: Vec<Vec<Group>> = Vec::new();
    let mut chain_ends_at = None;
    let mut at = 0;
    while at < chars.len() {
        let in_chain =
            chain_ends_at.is_some_and(|end: usize| at - end <= SEPARATORS_MAX && all_separators(&chars[end..at]));
        let lone_x = in_chain && is_check_x(&chars, at);
        if !chars[at].is_ascii_digit() && !lone_x {
            at += 1;
            continue;
        }
        let group = read_group(&chars, at);
        at += group.digits.len() + usize::from(group.x);
        if is_decimal(&chars, at) {
            // An amount such as 13800138000.00: neither this run nor its cents belong to a number.
            at += 3;
            chain_ends_at = None;
            continue;
        }
        chain_ends_at = Some(at);
        match chains.last_mut() {
            Some(chain) if in_chain => chain.push(group),
            _ => chains.push(vec![group]),
        }
    }
    chains
}

fn read_group(chars: &[char], start: usize) -> Group {
    let digits: Vec<u8> =
        chars[start..].iter().map_while(|c| c.to_digit(10).and_then(|digit| u8::try_from(digit).ok())).collect();
    let x = is_check_x(chars, start + digits.len());
    Group { start, x, plus: start > 0 && chars[start - 1] == '+', digits }
}

/// An X that no digit or letter follows.
fn is_check_x(chars: &[char], at: usize) -> bool {
    chars.get(at) == Some(&'X') && !chars.get(at + 1).is_some_and(char::is_ascii_alphanumeric)
}

/// A point and exactly two digits.
fn is_decimal(chars: &[char], at: usize) -> bool {
    let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    chars.get(at) == Some(&'.') && digit(at + 1) && digit(at + 2) && !digit(at + 3)
}

fn all_separators(chars: &[char]) -> bool {
    chars.iter().all(|c| matches!(c, ' ' | '-'))
}

/// Full-width and typographic variants to the plain character.
fn plain(c: char) -> char {
    match c {
        '\u{ff10}'..='\u{ff19}' => char::from_digit(u32::from(c) - 0xff10, 10).expect("ten full-width digits"),
        'x' | '\u{ff38}' | '\u{ff58}' => 'X',
        '\u{ff0b}' => '+',
        '\u{ff0e}' => '.',
        '\t' | '\u{a0}' | '\u{2000}'..='\u{200d}' | '\u{202f}' | '\u{3000}' | '\u{feff}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{ff0d}' | '_' => '-',
        other => other,
    }
}

/// The first groups of a chain, joined.
struct Span<'a> {
    groups: &'a [Group],
    digits: Vec<u8>,
}

impl Span<'_> {
    fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        self.groups.iter().map(|group| group.digits.len())
    }

    /// Typed with a space after every digit.
    fn is_spaced_out(&self) -> bool {
        self.lengths().all(|length| length <= 1)
    }
}

/// What the chain begins with, and in how many groups.
fn matching(chain: &[Group]) -> Option<(HitKind, usize)> {
    let mut span = Span { groups: &chain[..0], digits: Vec::with_capacity(NUMBER_DIGITS_MAX) };
    let mut found = None;
    for (index, group) in chain.iter().enumerate().take(NUMBER_GROUPS_MAX) {
        if span.digits.len() + group.digits.len() > NUMBER_DIGITS_MAX {
            break;
        }
        span.digits.extend(&group.digits);
        span.groups = &chain[..=index];
        // A spaced-out number goes on to the end of its single digits.
        let cut = span.is_spaced_out() && chain.get(index + 1).is_some_and(|next| next.digits.len() <= 1);
        if cut {
            continue;
        }
        // The longest number wins: a card typed in fours may begin like a mobile.
        if is_id_number(&span) {
            found = Some((HitKind::IdNumber, index + 1));
        } else if is_bank_card(&span) {
            found = Some((HitKind::BankCard, index + 1));
        } else if is_mobile(&span) {
            found = Some((HitKind::Mobile, index + 1));
        }
    }
    found
}

/// GB 11643-1999: birth date in places 7 to 14, check character by ISO 7064 MOD 11-2.
fn is_id_number(span: &Span<'_>) -> bool {
    const CHECK: [u8; 11] = [1, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2];
    let digits = &span.digits;
    let check = match (digits.len(), span.groups.last()) {
        (17, Some(group)) if group.x => 10,
        (18, _) => digits[17],
        _ => return false,
    };
    if digits[0] == 0 || span.groups.iter().rev().skip(1).any(|group| group.x) {
        return false;
    }
    let number =
        |range: std::ops::Range<usize>| digits[range].iter().fold(0u32, |sum, digit| sum * 10 + u32::from(*digit));
    let year = number(6..10);
    let born = i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, number(10..12), number(12..14)));
    let sum: u32 = (0..17).map(|place| (1 << (17 - place)) % 11 * u32::from(digits[place])).sum();
    (1880..2100).contains(&year) && born.is_some() && CHECK[(sum % 11) as usize] == check
}

/// 1[3-9] and nine digits, grouped as people group them, perhaps with the country code before.
fn is_mobile(span: &Span<'_>) -> bool {
    const GROUPED: [&[usize]; 10] =
        [&[11], &[3, 4, 4], &[3, 8], &[7, 4], &[4, 7], &[4, 3, 4], &[4, 4, 3], &[3, 3, 5], &[5, 6], &[6, 5]];
    let starts = |digits: &[u8]| digits[0] == 1 && digits[1] >= 3;
    let lengths: Vec<usize> = span.lengths().collect();
    match (span.digits.as_slice(), lengths.as_slice()) {
        (digits, lengths) if digits.len() == 11 => {
            starts(digits) && (GROUPED.contains(&lengths) || span.is_spaced_out())
        }
        ([8, 6, number @ ..], [13]) => starts(number) && span.groups[0].plus,
        ([0, 0, 8, 6, number @ ..], [15]) => starts(number),
        _ => false,
    }
}

/// 16 to 19 digits with a valid Luhn sum and the first digit of a payment card; in one run, or
/// grouped as on a card. The first digit keeps out voucher and order numbers that begin with a year.
fn is_bank_card(span: &Span<'_>) -> bool {
    let digits = &span.digits;
    if !(16..=19).contains(&digits.len()) || !matches!(digits[0], 3..=6 | 9) {
        return false;
    }
    let lengths: Vec<usize> = span.lengths().collect();
    let grouped = match lengths.as_slice() {
        [_] | [6, _] | [8, 8] => true,
        [fours @ .., last] => fours.len() >= 3 && *last >= 1 && fours.iter().all(|length| *length == 4),
        [] => false,
    };
    (grouped || span.is_spaced_out()) && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) => digit / 5 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Surnames of two characters that are kept whole, in Simplified and Traditional form.
const COMPOUND_SURNAMES: &str = "欧阳 歐陽 司马 司馬 上官 诸葛 諸葛 东方 東方 皇甫 尉迟 尉遲 公孙 公孫 \
    慕容 令狐 宇文 长孙 長孫 司徒 司空 司寇 夏侯 闻人 聞人 澹台 澹臺 公冶 宗政 濮阳 濮陽 淳于 单于 單于 \
    太叔 申屠 仲孙 仲孫 轩辕 軒轅 钟离 鍾離 鲜于 鮮于 闾丘 閭丘 亓官 巫马 巫馬 公西 颛孙 顓孫 壤驷 壤駟 \
    公良 漆雕 乐正 樂正 宰父 谷梁 穀梁 拓跋 夹谷 夾谷 东郭 東郭 南门 南門 呼延 端木 百里 东门 東門 西门 西門 \
    南宫 南宮 第五 独孤 獨孤 赫连 赫連 左丘 梁丘 完颜 完顏 纳兰 納蘭 耶律 万俟 哥舒 羊舌 微生 褚师 褚師 达奚 達奚";

/// Masks a natural person's name: the surname, then `**`.
///
/// A compound surname is kept whole when a given name follows. Of a name with a middle dot and of
/// a Latin name only the first letter is kept. What does not begin with a letter becomes `**`. The
/// length of the given name is not shown; masking twice changes nothing.
pub fn mask_name(name: &str) -> String {
    let letters: Vec<char> = name.chars().filter(|c| !is_blank(*c)).collect();
    let surname: String = match letters.as_slice() {
        [first, second, _, ..] if is_compound(*first, *second) => [*first, *second].iter().collect(),
        [first, ..] if first.is_alphabetic() => first.to_string(),
        _ => String::new(),
    };
    surname + "**"
}

fn is_compound(first: char, second: char) -> bool {
    COMPOUND_SURNAMES.split_whitespace().any(|surname| surname.chars().eq([first, second]))
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200d}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // The sample number of GB 11643, test card numbers, and invented mobile numbers.
    const ID: &str = "11010519491231002X";
    const CARD: &str = "6222021234567890128";
    const MOBILE: &str = "13800138000";

    fn kinds(text: &str) -> Vec<HitKind> {
        scan(text).iter().map(|hit| hit.kind).collect()
    }

    fn full_width(text: &str) -> String {
        text.chars()
            .map(|c| if c.is_ascii_graphic() { char::from_u32(u32::from(c) + 0xfee0).unwrap() } else { c })
            .collect()
    }

    #[test]
    fn a_number_between_chinese_words_is_found_and_not_repeated() {
        let text = format!("张三身份证{ID}，电话{MOBILE}。");
        let hits = scan(&text);
        assert_eq!(hits.len(), 2);
        assert_eq!((hits[0].kind, hits[0].start_char, hits[0].end_char), (HitKind::IdNumber, 5, 23));
        assert_eq!((hits[1].kind, hits[1].start_char, hits[1].end_char), (HitKind::Mobile, 26, 37));
        assert_eq!(hits[0].message(), "第6字起，疑似身份证号");
        assert_eq!(hits[1].message(), "第27字起，疑似手机号码");
    }

    #[test]
    fn full_width_and_separated_numbers_are_found() {
        for text in [
            full_width(ID),
            ID.to_lowercase(),
            "110105 19491231 002X".to_owned(),
            "110105-1949-1231-002X".to_owned(),
            "11010519491231002 X".to_owned(),
            "1 1 0 1 0 5 1 9 4 9 1 2 3 1 0 0 2 X".to_owned(),
        ] {
            assert_eq!(kinds(&text), [HitKind::IdNumber], "{text}");
        }
        for text in [
            full_width(MOBILE),
            "138 0013 8000".to_owned(),
            "138-0013-8000".to_owned(),
            "1380013 8000".to_owned(),
            "+86 138 0013 8000".to_owned(),
            "+8613800138000".to_owned(),
            "1 3 8 0 0 1 3 8 0 0 0".to_owned(),
            "138\u{3000}0013\u{3000}8000".to_owned(),
            "13800138000X".to_owned(),
            "13800138000.".to_owned(),
        ] {
            assert_eq!(kinds(&text), [HitKind::Mobile], "{text}");
        }
        for text in [
            full_width(CARD),
            "6222 0212 3456 7890 128".to_owned(),
            "622202-1234567890128".to_owned(),
            "4111 1111 1111 1111".to_owned(),
            "4111111111111111".to_owned(),
        ] {
            assert_eq!(kinds(&text), [HitKind::BankCard], "{text}");
        }
    }

    #[test]
    fn several_numbers_in_a_row_are_each_found() {
        assert_eq!(kinds(&format!("{MOBILE},{MOBILE}")), [HitKind::Mobile; 2]);
        assert_eq!(kinds(&format!("{MOBILE} {ID} {CARD}")), [HitKind::Mobile, HitKind::IdNumber, HitKind::BankCard]);
        assert_eq!(kinds(&format!("2025-09-26 {MOBILE}")), [HitKind::Mobile]);
    }

    #[test]
    fn what_is_no_personal_number_is_left_alone() {
        for text in [
            "举报电话12380，热线12345",
            "0564-1234567",
            "0564 1234567",
            "05641234567",
            "010-12345678",
            "凭证号2025-03-0012",
            "记字第20250312001号",
            "13800138000.00元",
            "1,260.00元,13,800,138,000元",
            "2025-09-26至2025-10-09",
            "2025-09-26 2025-09-30 2025-10-01",
            "20250926",
            "2019 2020 2021 2022",
            "12800138000",
            "1380013800",
            "330.30+343.06=673.36",
        ] {
            assert_eq!(scan(text), [], "{text}");
        }
    }

    #[test]
    fn old_fifteen_digit_and_malformed_ids_are_not_ids() {
        for text in [
            "110105491231002",    // fifteen digits
            "110105194912310021", // wrong check digit
            "11010519491331002X", // thirteenth month
            "11010519491231002X1",
        ] {
            assert!(!kinds(text).contains(&HitKind::IdNumber), "{text}");
        }
    }

    #[test]
    fn nothing_is_found_inside_a_longer_run() {
        for text in [format!("9{MOBILE}"), format!("{MOBILE}9"), format!("7{ID}"), format!("{CARD}0")] {
            assert_eq!(scan(&text), [], "{text}");
        }
    }

    #[test]
    fn a_megabyte_of_digits_is_scanned_in_one_pass() {
        assert_eq!(scan(&"1 ".repeat(500_000)), []);
        assert_eq!(scan(&format!("1{}", " X".repeat(500_000))), []);
        assert_eq!(scan(&"1".repeat(1_000_000)), []);
        assert_eq!(scan(&"1234- ".repeat(200_000)), []);
        assert_eq!(scan(&format!("{MOBILE} ").repeat(5_000)).len(), 5_000);
    }

    #[test]
    fn names_keep_the_surname_only() {
        for (name, masked) in [
            ("张三", "张**"),
            ("张三丰", "张**"),
            (" 张 三 ", "张**"),
            ("欧阳修", "欧阳**"),
            ("歐陽文忠", "歐陽**"),
            ("欧阳", "欧**"),
            ("阿卜杜拉·买买提", "阿**"),
            ("John Smith", "J**"),
            ("张**", "张**"),
            ("", "**"),
            ("**", "**"),
            ("13800138000", "**"),
        ] {
            assert_eq!(mask_name(name), masked, "{name}");
        }
    }

    proptest! {
        #[test]
        fn masking_twice_changes_nothing_and_shows_at_most_a_surname(name in "\\PC{0,20}") {
            let masked = mask_name(&name);
            prop_assert_eq!(mask_name(&masked), masked.clone());
            prop_assert!(masked.ends_with("**"));
            let shown = masked.trim_end_matches('*').chars().count();
            prop_assert!(shown <= 2);
        }

        #[test]
        fn the_given_name_leaves_no_trace(given in "[一-龥]{1,3}", other in "[一-龥]{1,3}") {
            prop_assert_eq!(mask_name(&format!("王{given}")), mask_name(&format!("王{other}")));
        }

        #[test]
        fn every_mobile_number_is_found_among_words(
            rest in "1[3-9][0-9]{9}", before in "[一-龥]{0,9}", after in "[一-龥]{0,9}"
        ) {
            let hits = scan(&format!("{before}{rest}{after}"));
            let start_char = before.chars().count();
            let hit = Hit { kind: HitKind::Mobile, start_char, end_char: start_char + 11 };
            prop_assert_eq!(hits, vec![hit]);
        }

        #[test]
        fn hits_are_in_order_inside_the_text_and_apart(text in "[0-9X \\-。一0-9.]{0,80}") {
            let mut end = 0;
            for hit in scan(&text) {
                prop_assert!(hit.start_char >= end && hit.start_char < hit.end_char);
                end = hit.end_char;
            }
            prop_assert!(end <= text.chars().count());
        }

        #[test]
        fn dates_and_amounts_are_never_hits(
            year in 1990..2100, month in 1..13, day in 1..29, fen in 0i64..9_007_199_254_740_991
        ) {
            let text = format!("{year}-{month:02}-{day:02}付{}.{:02}元", fen / 100, fen % 100);
            prop_assert_eq!(scan(&text), vec![]);
        }
    }
}
