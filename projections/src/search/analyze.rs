//! From text to units, and from units to index terms. The same folding runs when a text is indexed, when a query is
//! read, and when a hit is marked, so that the three can never disagree.
//!
//! What it is not: it knows no index, no field and no rank. It changes no text that people see.
//!
//! A *unit* is one Chinese character, or one word or number of another script. Terms are pairs of neighbouring units
//! (bigrams), so that 市长 is found inside 南京市长江大桥, where segmentation sees only 市 | 长江.
//! To extend: a new folding goes into `fold_char`; a new kind of term is a function `fn(&str, &mut Terms)`. Either
//! changes what is in an index, so raise `ANALYSIS`, and every index is rebuilt.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::LazyLock;

use ferrous_opencc::OpenCC;
use ferrous_opencc::config::BuiltinConfig;
use jieba_rs::Jieba;
use pinyin::ToPinyinMulti;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The revision of these rules. It is part of each commit, because terms made by other rules would not be found.
pub(super) const ANALYSIS: u32 = 1;

/// Longest word kept in one unit; longer ones are cut into neighbours. Real words and voucher numbers are shorter.
const WORD_CHARS_MAX: usize = 64;
/// Syllables of one name that are read; 12 hold the longest personal and township names.
const NAME_UNITS_MAX: usize = 12;
/// Syllables in one spelled-out term, from whichever syllable it starts.
const SPELLING_UNITS_MAX: usize = 6;
/// Letters of the longest indexed spelling; a longer query word is not looked up as pinyin.
pub(super) const SPELLING_LETTERS_MAX: usize = 30;
/// A prefix of one letter would match every tenth name.
pub(super) const SPELLING_LETTERS_MIN: usize = 2;
/// Names whose spellings an indexing thread remembers.
const SPELLED_MAX: usize = 4_096;
/// Above this product of readings, characters are varied one at a time: each reading is still found.
const READINGS_PRODUCT_MAX: usize = 64;
/// Between two neighbouring words; it cannot occur inside a unit.
const WORD_JOIN: char = '\u{1f}';

/// Characters that the conversion table leaves alone because only the phrase decides. A search prefers to find both.
const MERGED: [(char, char); 19] = [
    ('著', '着'),
    ('藉', '借'),
    ('瞭', '了'),
    ('覆', '复'),
    ('祇', '只'),
    ('衹', '只'),
    ('彷', '仿'),
    ('牴', '抵'),
    ('麽', '么'),
    ('馀', '余'),
    ('锺', '钟'),
    ('钜', '巨'),
    ('乾', '干'),
    ('於', '于'),
    ('徵', '征'),
    ('妳', '你'),
    ('阪', '坂'),
    // 計畫 and 計劃 are one word, 计划.
    ('画', '划'),
    ('畫', '划'),
];

/// Readings used in names that the pronunciation table does not hold or ranks as another character.
const SURNAME_READINGS: [(char, &str); 8] = [
    ('单', "shan"),
    ('缪', "miao"),
    ('乐', "yue"),
    ('种', "chong"),
    ('秘', "bi"),
    ('冼', "xian"),
    ('召', "shao"),
    ('洗', "xian"),
];

const DENSE_FROM: u32 = 0x3400;
const DENSE_TO: u32 = 0xA000;

/// Traditional to Simplified, one character to one character. Phrase rules are left out on purpose: a fragment typed
/// by a person must fold exactly as the sentence around it did.
struct Simplified {
    dense: Vec<char>,
    rest: HashMap<char, char>,
}

static SIMPLIFIED: LazyLock<Simplified> = LazyLock::new(|| {
    let table = OpenCC::from_config(BuiltinConfig::T2s).expect("the embedded table is part of the program and tested");
    let merged: HashMap<char, char> = MERGED.into_iter().collect();
    let convert = |from: char| {
        let converted = table.convert(from.encode_utf8(&mut [0; 4]));
        let mut chars = converted.chars();
        let to = match (chars.next(), chars.next()) {
            (Some(to), None) => to,
            _ => from,
        };
        merged.get(&to).copied().unwrap_or(to)
    };
    let chars = |from: u32, to: u32| (from..to).filter_map(char::from_u32);
    Simplified {
        dense: chars(DENSE_FROM, DENSE_TO).map(convert).collect(),
        rest: chars(0x2_0000, 0x3_1350).map(|from| (from, convert(from))).filter(|(from, to)| from != to).collect(),
    }
});

static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Full-width to half-width, lower case, Traditional to Simplified; always one character for one, so offsets hold.
pub(super) fn fold_char(from: char) -> char {
    let half = match from {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(from) - 0xfee0).unwrap_or(from),
        '\u{3000}' | '\u{a0}' => ' ',
        other => other,
    };
    match u32::from(half) {
        0..0x80 => half.to_ascii_lowercase(),
        code @ DENSE_FROM..DENSE_TO => SIMPLIFIED.dense[(code - DENSE_FROM) as usize],
        0x2_0000.. => SIMPLIFIED.rest.get(&half).copied().unwrap_or(half),
        _ => {
            let mut lower = half.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(one), None) => one,
                _ => half,
            }
        }
    }
}

/// Whether each character stands alone, as in Chinese, instead of forming spaced words.
const fn is_han(c: char) -> bool {
    matches!(c,
        '\u{3005}' | '\u{3007}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() && !is_han(c)
}

/// One character or one word, folded, with its place in the original text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) text: String,
    pub(super) han: bool,
    /// Touches the unit before it.
    pub(super) chained: bool,
    /// Byte range in the original text.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// How a text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A stored text: blanks beside Chinese are layout (`2025 年`, `张　三`) and do not separate.
    Stored,
    /// A query: a blank separates terms.
    Typed,
}

/// Cuts a text into units.
pub(super) fn units(text: &str, reading: Reading) -> Vec<Unit> {
    let chars: Vec<(usize, char)> = text.char_indices().map(|(at, c)| (at, fold_char(c))).collect();
    let byte = |at: usize| chars.get(at).map_or(text.len(), |(byte, _)| *byte);
    let mut units: Vec<Unit> = Vec::with_capacity(chars.len());
    let mut at = 0;
    let mut gap_from = 0;
    while at < chars.len() {
        let (_, first) = chars[at];
        let han = is_han(first);
        if !han && !is_word(first) {
            at += 1;
            continue;
        }
        let end = if han { at + 1 } else { word_end(&chars, at) };
        let chained = units.last().is_some_and(|before| touches(before.han, &chars[gap_from..at], han, reading));
        // The thousands separator of 6,440.38 is not part of the number.
        let folded = chars[at..end].iter().map(|(_, c)| *c).filter(|c| *c != ',').collect();
        units.push(Unit { text: folded, han, chained, start: byte(at), end: byte(end) });
        at = end;
        gap_from = end;
    }
    units
}

fn word_end(chars: &[(usize, char)], start: usize) -> usize {
    let mut end = start;
    while end < chars.len() && end - start < WORD_CHARS_MAX {
        let inside = is_word(chars[end].1) || (chars[end].1 == ',' && is_thousands(chars, start, end));
        if !inside {
            break;
        }
        end += 1;
    }
    end
}

/// A comma after digits and before exactly three digits.
fn is_thousands(chars: &[(usize, char)], start: usize, comma: usize) -> bool {
    let digit = |at: usize| chars.get(at).is_some_and(|(_, c)| c.is_ascii_digit());
    (start..comma).all(|at| digit(at) || chars[at].1 == ',') && (comma + 1..comma + 4).all(digit) && !digit(comma + 4)
}

fn touches(before_han: bool, gap: &[(usize, char)], han: bool, reading: Reading) -> bool {
    match gap {
        [] => true,
        [(_, joint)] if !before_han && !han => {
            matches!(joint, '.' | '-' | '_' | '/' | ':' | '@' | '\'' | '&' | '+' | '#')
        }
        [..] if gap.len() <= 2 && (before_han || han) => {
            reading == Reading::Stored && gap.iter().all(|(_, c)| *c == ' ')
        }
        _ => false,
    }
}

/// The term for two neighbouring units.
pub(super) fn pair(first: &Unit, second: &Unit) -> String {
    let mut term = String::with_capacity(first.text.len() + second.text.len() + 1);
    push_pair(&mut term, first, second);
    term
}

fn push_pair(term: &mut String, first: &Unit, second: &Unit) {
    term.push_str(&first.text);
    if !first.han && !second.han {
        term.push(WORD_JOIN);
    }
    term.push_str(&second.text);
}

/// Terms of one text, in one allocation, handed to the index one by one.
#[derive(Default)]
pub(super) struct Terms {
    arena: String,
    spans: Vec<(usize, usize, usize)>,
    next: usize,
    token: Token,
}

impl Terms {
    fn add(&mut self, position: usize, write: impl FnOnce(&mut String)) {
        let from = self.arena.len();
        write(&mut self.arena);
        self.spans.push((position, from, self.arena.len()));
    }
}

impl TokenStream for Terms {
    fn advance(&mut self) -> bool {
        let Some(&(position, from, to)) = self.spans.get(self.next) else {
            return false;
        };
        self.next += 1;
        self.token.text.clear();
        self.token.text.push_str(&self.arena[from..to]);
        self.token.position = position;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// An analyzer made of one function; it runs on the indexing threads.
#[derive(Clone)]
pub(super) struct Analyzer(pub(super) fn(&str, &mut Terms));

impl Tokenizer for Analyzer {
    type TokenStream<'a> = Terms;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms {
        let mut terms = Terms::default();
        (self.0)(text, &mut terms);
        terms
    }
}

/// Words, and pairs of touching units, with positions; a break between units leaves a hole in the positions.
pub(super) fn grams(text: &str, terms: &mut Terms) {
    let units = units(text, Reading::Stored);
    let mut position = 0;
    for (at, unit) in units.iter().enumerate() {
        position += if unit.chained { 1 } else { 2 };
        if !unit.han {
            terms.add(position, |term| term.push_str(&unit.text));
        }
        if let Some(next) = units.get(at + 1).filter(|next| next.chained) {
            terms.add(position, |term| push_pair(term, unit, next));
        }
    }
}

/// Single Chinese characters, for queries of one character.
pub(super) fn chars(text: &str, terms: &mut Terms) {
    for c in text.chars().map(fold_char).filter(|c| is_han(*c)) {
        terms.add(0, |term| term.push(c));
    }
}

/// Dictionary words of two characters or more. Titles only: recall comes from the pairs, words only lift a title in
/// which the query is a word of its own, and segmentation of long texts would cost more than all other terms.
pub(super) fn words(text: &str, terms: &mut Terms) {
    let folded: String = text.chars().map(fold_char).collect();
    for word in JIEBA.cut_for_search(&folded, false) {
        if word.word.chars().nth(1).is_some() && word.word.chars().all(is_han) {
            terms.add(0, |term| term.push_str(word.word));
        }
    }
}

/// Cuts a folded Chinese run into dictionary words.
pub(super) fn segment(run: &str) -> Vec<String> {
    JIEBA.cut(run, false).into_iter().map(|word| word.word.to_owned()).collect()
}

/// Pinyin of a name: every prefix of its spelling from each syllable on (`zhangw`, `wei`), and of its initials (`zw`).
pub(super) fn spellings(name: &str, terms: &mut Terms) {
    let spelled = SPELLED.with_borrow_mut(|known| {
        if let Some(spelled) = known.get(name) {
            return Rc::clone(spelled);
        }
        if known.len() >= SPELLED_MAX {
            known.clear();
        }
        let spelled: Rc<[String]> = spell(name).into_iter().collect();
        known.insert(name.to_owned(), Rc::clone(&spelled));
        spelled
    });
    for prefix in &*spelled {
        terms.add(0, |term| term.push_str(prefix));
    }
}

thread_local! {
    // The same village and the same few people are named in thousands of documents of a portion. It ends with
    // the indexing thread, so no name outlives its portion here.
    static SPELLED: RefCell<HashMap<String, Rc<[String]>>> = RefCell::default();
}

fn spell(name: &str) -> BTreeSet<String> {
    let units = units(name, Reading::Stored);
    let readings: Vec<Vec<String>> = units.iter().take(NAME_UNITS_MAX).map(readings).collect();
    let mut prefixes = BTreeSet::new();
    for start in 0..readings.len() {
        let end = readings.len().min(start + SPELLING_UNITS_MAX);
        combine(&readings[start..end], &mut prefixes);
    }
    let initials: Vec<Vec<String>> = readings.iter().map(|of_one| initials(of_one)).collect();
    combine(&initials, &mut prefixes);
    prefixes
}

fn initials(readings: &[String]) -> Vec<String> {
    let letters: BTreeSet<String> = readings.iter().filter_map(|one| one.chars().next()).map(String::from).collect();
    letters.into_iter().collect()
}

/// Readings of one unit without tones, in letters that a keyboard has; ü is typed v or u. A word reads as itself.
pub(super) fn readings(unit: &Unit) -> Vec<String> {
    let Some(c) = unit.text.chars().next().filter(|_| unit.han) else {
        return vec![unit.text.clone()];
    };
    let mut found: Vec<String> = Vec::new();
    let mut keep = |reading: String| {
        if reading.is_ascii() && !found.contains(&reading) {
            found.push(reading);
        }
    };
    for reading in c.to_pinyin_multi().into_iter().flatten() {
        let plain = reading.plain();
        keep(plain.replace('ü', "v").replace('ê', "e"));
        if plain.contains('ü') {
            keep(plain.replace('ü', "u"));
        }
    }
    for (_, reading) in SURNAME_READINGS.iter().filter(|(surname, _)| *surname == c) {
        keep((*reading).to_owned());
    }
    found
}

fn combine(readings: &[Vec<String>], prefixes: &mut BTreeSet<String>) {
    let product = readings.iter().try_fold(1_usize, |product, of_one| {
        Some(product * of_one.len().max(1)).filter(|product| *product <= READINGS_PRODUCT_MAX)
    });
    if product.is_some() {
        let mut spelled = vec![String::new()];
        for of_one in readings.iter().filter(|of_one| !of_one.is_empty()) {
            spelled = spelled.iter().flat_map(|head| of_one.iter().map(move |tail| format!("{head}{tail}"))).collect();
        }
        for one in &spelled {
            add_prefixes(one, prefixes);
        }
        return;
    }
    for (varied, of_one) in readings.iter().enumerate() {
        for reading in of_one {
            let spell = |(at, other): (usize, &Vec<String>)| {
                if at == varied { reading.clone() } else { other.first().cloned().unwrap_or_default() }
            };
            add_prefixes(&readings.iter().enumerate().map(spell).collect::<String>(), prefixes);
        }
    }
}

fn add_prefixes(spelled: &str, prefixes: &mut BTreeSet<String>) {
    let ends = spelled.char_indices().map(|(at, c)| at + c.len_utf8());
    for end in ends.take(SPELLING_LETTERS_MAX).skip(SPELLING_LETTERS_MIN - 1) {
        prefixes.insert(spelled[..end].to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms_of(analyze: fn(&str, &mut Terms), text: &str) -> Vec<String> {
        let mut terms = Terms::default();
        analyze(text, &mut terms);
        let mut found = Vec::new();
        while terms.advance() {
            found.push(terms.token().text.clone());
        }
        found
    }

    fn folded(text: &str) -> String {
        text.chars().map(fold_char).collect()
    }

    #[test]
    fn traditional_full_width_and_capitals_fold_into_one_form() {
        assert_eq!(folded("ＡＢＣ　１２３"), "abc 123");
        assert_eq!(folded("農村財務公開條例"), folded("农村财务公开条例"));
        assert_eq!(folded("計畫、計劃"), folded("计划、计划"));
        assert_eq!(folded("臺灣著名乾部"), folded("台湾着名干部"));
    }

    #[test]
    fn every_pair_of_neighbours_is_a_term() {
        assert_eq!(terms_of(grams, "南京市长江"), ["南京", "京市", "市长", "长江"]);
        assert_eq!(terms_of(grams, "甲乙，丙丁"), ["甲乙", "丙丁"]);
    }

    #[test]
    fn a_blank_beside_chinese_is_layout_when_stored_and_a_separator_when_typed() {
        assert!(terms_of(grams, "2025 年 3 月").contains(&"3月".to_owned()));
        assert!(terms_of(grams, "张　三").contains(&"张三".to_owned()));
        assert!(!units("2025 低保", Reading::Typed)[1].chained);
    }

    #[test]
    fn amounts_and_dates_are_found_whole_and_in_parts() {
        assert_eq!(terms_of(grams, "6,440.38元"), ["6440", "6440\u{1f}38", "38", "38元"]);
        assert_eq!(units("3,4,5", Reading::Stored).len(), 3);
    }

    #[test]
    fn a_name_is_spelled_from_each_syllable_and_by_its_initials() {
        let terms = terms_of(spellings, "张伟");
        for expected in ["zhangwei", "zhangw", "zh", "wei", "zw"] {
            assert!(terms.contains(&expected.to_owned()), "{expected} in {terms:?}");
        }
        assert!(!terms.contains(&"z".to_owned()));
    }

    #[test]
    fn each_reading_of_a_surname_is_found() {
        let surnames = [
            ('单', "shan"),
            ('曾', "zeng"),
            ('区', "ou"),
            ('仇', "qiu"),
            ('解', "xie"),
            ('朴', "piao"),
            ('查', "zha"),
            ('盖', "ge"),
            ('尉', "yu"),
            ('缪', "miao"),
            ('乐', "yue"),
            ('任', "ren"),
            ('翟', "zhai"),
            ('翟', "di"),
            ('种', "chong"),
            ('秘', "bi"),
            ('冼', "xian"),
            ('重', "chong"),
            ('重', "zhong"),
            ('单', "dan"),
            ('曾', "ceng"),
            ('华', "hua"),
            ('覃', "qin"),
            ('覃', "tan"),
            ('隗', "kui"),
            ('隗', "wei"),
            ('召', "shao"),
            ('长', "chang"),
            ('吕', "lv"),
            ('吕', "lu"),
            ('繁', "po"),
            ('黑', "hei"),
            ('员', "yun"),
            ('那', "na"),
            ('牟', "mu"),
            ('牟', "mou"),
        ];
        for (surname, reading) in surnames {
            let terms = terms_of(spellings, &format!("{surname}伟"));
            assert!(terms.contains(&format!("{reading}wei")), "{surname} {reading}: {terms:?}");
        }
    }

    #[test]
    fn a_long_name_of_polyphones_has_a_bounded_number_of_spellings() {
        let terms = terms_of(spellings, "单重曾朴解单重曾朴解单重");
        assert!(terms.len() < 6_000, "{}", terms.len());
        for expected in ["shanzhong", "danzhong", "chanzhong", "danchong"] {
            assert!(terms.contains(&expected.to_owned()), "{expected}");
        }
    }
}
