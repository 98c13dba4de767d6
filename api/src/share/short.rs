//! A text of at most seventy characters for a message: who, what, how it stands, when it was recorded, and the address.
//!
//! Seventy is what one SMS in Chinese holds (3GPP TS 23.038, UCS-2: 140 bytes). Characters count, so what the reader's
//! phone counts can only be more for emoji; the texts have none. What does not fit is left out in an order: facts from
//! the last one, then the end of the title, then who; the address is whole or is not there, and without it stands №.

/// Characters of one message.
pub const CHARS_MAX: usize = 70;

/// Characters that the words get at least; an address that leaves fewer is not in the text.
const WORDS_MIN: usize = 12;

/// Shortest title worth cutting to, with its ellipsis.
const TITLE_MIN: usize = 6;

const ELLIPSIS: char = '…';

/// What is said, already in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Organization or person.
    pub who: String,
    /// Title.
    pub what: String,
    /// Stands where no part of the title fits, such as 任前公示.
    pub kind: String,
    /// How it stands, the most telling first; the day of recording among them.
    pub facts: Vec<String>,
    /// Entry number.
    pub index: u64,
}

/// The text. `address` is scheme, host and path.
pub fn text(said: &Said, address: &str) -> String {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    [address, bare]
        .into_iter()
        .find_map(|address| with(said, address))
        .unwrap_or_else(|| words(said, CHARS_MAX - chars(&number(said.index)) - 1) + " " + &number(said.index))
}

fn number(index: u64) -> String {
    format!("№{index}")
}

fn with(said: &Said, address: &str) -> Option<String> {
    let room = CHARS_MAX.checked_sub(chars(address) + 1).filter(|room| *room >= WORDS_MIN)?;
    Some(format!("{} {address}", words(said, room)))
}

/// The words in at most `room` characters, which are at least [`WORDS_MIN`].
fn words(said: &Said, room: usize) -> String {
    let who = Some(said.who.as_str()).filter(|who| !who.is_empty() && !said.what.contains(who));
    for kept in (0..=said.facts.len()).rev() {
        let whole = sentence(who, &said.what, &said.facts[..kept]);
        if chars(&whole) <= room && (kept > 0 || said.facts.is_empty()) {
            return whole;
        }
    }
    let first = &said.facts[..said.facts.len().min(1)];
    for (who, facts) in [(who, first), (None, first), (None, &[])] {
        let left = room.saturating_sub(chars(&sentence(who, "", facts)));
        if left >= TITLE_MIN {
            return sentence(who, &cut(&said.what, left, &said.kind), facts);
        }
    }
    sentence(None, &cut(&said.what, room - 1, &said.kind), &[])
}

fn sentence(who: Option<&str>, what: &str, facts: &[String]) -> String {
    let who = who.map(|who| format!("{who}：")).unwrap_or_default();
    let facts = if facts.is_empty() { String::new() } else { format!("{}。", facts.join("，")) };
    format!("{who}{what}。{facts}")
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// The beginning of a title, ended where neither a number nor a character made of several is torn.
fn cut(title: &str, max: usize, instead: &str) -> String {
    let all: Vec<char> = title.chars().collect();
    if all.len() <= max {
        return title.to_owned();
    }
    let mut end = max.saturating_sub(1);
    while end > 0 && is_torn(all[end - 1], all.get(end).copied()) {
        end -= 1;
    }
    if end == 0 {
        return instead.chars().take(max).collect();
    }
    all[..end].iter().chain(std::iter::once(&ELLIPSIS)).collect()
}

/// Whether a cut between these two would mislead. A figure is never last, whole or not: nobody could tell.
fn is_torn(last: char, next: Option<char>) -> bool {
    const SEPARATORS: &str = "0123456789０１２３４５６７８９.,，．:：-−/％%¥￥第（(《“";
    const NUMERALS: &str = "〇零一二三四五六七八九十百千万亿两";
    let numeral = |char: char| NUMERALS.contains(char);
    let both = |test: fn(char) -> bool| test(last) && next.is_some_and(test);
    SEPARATORS.contains(last)
        || numeral(last) && next.is_some_and(|next| numeral(next) || next.is_ascii_digit())
        || last == '\u{200d}'
        || next.is_some_and(is_joined)
        || both(|char| char.is_ascii_alphanumeric())
        || both(|char| ('\u{1f1e6}'..='\u{1f1ff}').contains(&char))
}

/// Whether a character belongs to the one before it: accents, variations, skin tones, joiners.
fn is_joined(char: char) -> bool {
    matches!(char, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200d}' | '\u{20d0}'..='\u{20ff}'
        | '\u{3099}' | '\u{309a}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://gongkai.example/n/1310";

    fn said() -> Said {
        Said {
            who: "五里桥村".into(),
            what: "2026年2月财务收支".into(),
            kind: "财务公开".into(),
            facts: ["已公开", "支出18,081.36元", "3月12日入账", "收入52,318.26元", "结存220,657.25元"]
                .map(str::to_owned)
                .into(),
            index: 1310,
        }
    }

    /// The figures of a text, each as it stands there.
    fn figures(text: &str) -> Vec<String> {
        let figure =
            |char: char| char.is_ascii_digit() || "0123456789.,〇零一二三四五六七八九十百千万亿两".contains(char);
        text.split(|char| !figure(char))
            .filter(|part| !part.is_empty())
            .map(|part| part.trim_matches([',', '.']).to_owned())
            .collect()
    }

    #[test]
    fn facts_are_left_out_from_the_last_one_and_the_rest_stays_whole() {
        let text = text(&said(), ADDRESS);
        assert_eq!(text, "五里桥村：2026年2月财务收支。已公开，支出18,081.36元。 https://gongkai.example/n/1310");
        let mut short = said();
        short.facts.truncate(1);
        assert_eq!(super::text(&short, "http://a.cn/n/1"), "五里桥村：2026年2月财务收支。已公开。 http://a.cn/n/1");
    }

    #[test]
    fn who_is_not_said_twice() {
        let mut named = said();
        named.what = "五里桥村路灯改造".into();
        assert!(text(&named, ADDRESS).starts_with("五里桥村路灯改造。"));
    }

    #[test]
    fn a_long_address_loses_its_scheme_and_then_gives_way_to_the_number() {
        let host = |chars: usize| format!("https://{}/n/1310", "a".repeat(chars));
        assert!(text(&said(), &host(40)).ends_with(&host(40)));
        let bare = text(&said(), &host(50));
        assert!(bare.ends_with(&format!(" {}/n/1310", "a".repeat(50))) && !bare.contains("://"), "{bare}");
        let none = text(&said(), &host(90));
        assert!(none.ends_with(" №1310") && !none.contains("aaa"), "{none}");
    }

    #[test]
    fn a_cut_tears_neither_a_number_nor_a_character_of_several() {
        let title = "发放补贴12,300.50元给e\u{301}家庭三十二户共👨\u{200d}👩\u{200d}👧1人和其余各项支出的说明";
        let whole = figures(title);
        for max in 1..title.chars().count() {
            let cut = cut(title, max, "财务公开");
            assert!(chars(&cut) <= max, "{max}: {cut}");
            let Some(kept) = cut.strip_suffix(ELLIPSIS) else { continue };
            assert!(title.starts_with(kept));
            assert!(figures(kept).iter().all(|figure| whole.contains(figure)), "{max}: {cut}");
            let rest = &title[kept.len()..];
            assert!(
                !rest.starts_with('\u{301}') && !rest.starts_with('\u{200d}') && !kept.ends_with('\u{200d}'),
                "{max}: {cut}"
            );
        }
    }

    #[test]
    fn no_text_is_longer_than_a_message_whatever_is_said() {
        let mut seed = 11_u64;
        let mut draw = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % below
        };
        let pieces = ["村", "2026", "三十", "财务", "1,260.00", "元", "e\u{301}", "👍🏽", "，", " ", "A"];
        for _ in 0..20_000 {
            let mut words = |most: usize| (0..draw(most)).map(|_| pieces[draw(pieces.len())]).collect::<String>();
            let (who, what) = (words(30), words(120));
            let facts: Vec<String> = [words(8), words(8), words(30)].into();
            let host = 1 + draw(80);
            let facts = facts[..draw(4)].to_vec();
            let index = draw(2_000_000_000) as u64;
            let said = Said { who, what, kind: "承诺事项".into(), facts, index };
            let address = format!("https://{}/n/{index}", "h".repeat(host));
            let text = text(&said, &address);
            assert!(chars(&text) <= CHARS_MAX, "{}: {text}", chars(&text));
            let bare = address.trim_start_matches("https://");
            let last = text.rsplit(' ').next().unwrap();
            assert!([address.as_str(), bare, number(index).as_str()].contains(&last), "{text}");
        }
    }
}
