//! The catalogue: Chinese messages with their English, and how one is found for a text.
//!
//! A message is a line of Chinese, the next line, indented, its English. Holes stand for what differs from page to page:
//!
//! | in the Chinese | takes |
//! |---|---|
//! | `{n}` | a number with its separators |
//! | `{date}` | a day, month, year, quarter or moment, which becomes an English one |
//! | `{words}` | a text that is a message itself and is translated; otherwise the message does not fit |
//! | `{any}` | the same, but what is no message is carried over as it is |
//! | `{}` | anything, carried over as it is: names, titles, codes |
//!
//! In the English `{}` is the next hole, `{2}` the second, `{2|day|days}` a word by whether the second is 1, and
//! `{|day|days}` by whether the text before (in an element of its own) is 1. An English line that is only `-` leaves
//! nothing. `<b>没有。` is the message as it stands directly within that element. Of several messages that fit, the one with the most characters of its own is taken.
//!
//! Not here: HTML (`page`), scripts (`script`). What is carried over is a slice of what came in, so whatever was escaped
//! stays escaped.

use std::collections::HashMap;

use super::dates;

/// Longest text in bytes that is compared with messages that have holes.
const PATTERN_TEXT_BYTES_MAX: usize = 1_500;
/// Texts inside texts inside texts: `{words}` within a list within a line.
const DEPTH_MAX: u8 = 4;

/// How English is written into what surrounds it.
pub type Escape = fn(&str, &mut String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    Number,
    Date,
    Words,
    Any,
    Carried,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(&'static str),
    Hole(Hole),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(&'static str),
    /// The hole of that number, from 0.
    Hole(usize),
    /// One or many, by a hole or by the text before.
    Plural(Option<usize>, &'static str, &'static str),
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// The Chinese, as it stands in the catalogue.
    pub chinese: &'static str,
    /// Its English, as it stands in the catalogue.
    pub english: &'static str,
    parts: Vec<Part>,
    pieces: Vec<Piece>,
    own_chars: usize,
    /// The longest text of its own: what lacks it need not be compared.
    needle: &'static str,
}

/// All messages.
#[derive(Debug, Default)]
pub struct Catalogue {
    exact: HashMap<&'static str, Message>,
    /// Messages within an element, by both.
    within: HashMap<(&'static str, &'static str), Message>,
    /// Messages with holes by their first character.
    by_start: HashMap<char, Vec<Message>>,
    /// Those that begin with a hole by the last character; those that also end with one have none.
    by_end: HashMap<Option<char>, Vec<Message>>,
}

/// A text on its way.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The text, escaped as it stands.
    pub text: &'a str,
    /// Whether the text before it is the number 1.
    pub after_one: bool,
    /// The element in which it stands, if any.
    pub within: &'a str,
    /// How to write English beside it.
    pub escape: Escape,
}

impl Catalogue {
    /// Reads the lines of the catalogue.
    ///
    /// # Panics
    ///
    /// When a message is written wrongly, which the tests find before anybody runs it.
    pub fn parse(files: &[&'static str]) -> Self {
        let mut catalogue = Self::default();
        for file in files {
            let mut chinese = None;
            for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                match (line.strip_prefix("  "), chinese.take()) {
                    (Some(english), Some(chinese)) => catalogue.add(chinese, english),
                    (None, None) => chinese = Some(line),
                    _ => panic!("a message without its English, or English without a message: {line}"),
                }
            }
            assert!(chinese.is_none(), "a message without its English: {chinese:?}");
        }
        catalogue
    }

    fn add(&mut self, chinese: &'static str, english: &'static str) {
        let (element, chinese) =
            chinese.strip_prefix('<').and_then(|text| text.split_once('>')).unwrap_or(("", chinese));
        let parts = parts(chinese);
        let holes = parts.iter().filter(|part| matches!(part, Part::Hole(_))).count();
        let own = |part: &Part| if let Part::Text(text) = part { *text } else { "" };
        let needle = parts.iter().map(own).max_by_key(|text| text.len()).unwrap_or_default();
        let own_chars = parts.iter().map(|part| own(part).chars().count()).sum();
        let message = Message { chinese, english, pieces: pieces(english, holes), own_chars, needle, parts };
        if !element.is_empty() {
            self.within.insert((element, chinese), message);
        } else if holes == 0 {
            assert!(self.exact.insert(chinese, message).is_none(), "twice in the catalogue: {chinese}");
        } else {
            self.add_with_holes(message);
        }
    }

    fn add_with_holes(&mut self, message: Message) {
        let known = if let Some(Part::Text(text)) = message.parts.first() {
            self.by_start.entry(text.chars().next().unwrap_or_default()).or_default()
        } else {
            let end = message
                .parts
                .last()
                .and_then(|part| if let Part::Text(text) = part { text.chars().last() } else { None });
            self.by_end.entry(end).or_default()
        };
        assert!(known.iter().all(|other| other.chinese != message.chinese), "twice: {}", message.chinese);
        known.push(message);
    }

    /// Every message.
    #[cfg(test)]
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.exact
            .values()
            .chain(self.within.values())
            .chain(self.by_start.values().flatten())
            .chain(self.by_end.values().flatten())
    }

    /// The English of a text without space around it; nothing when it is not, or not wholly, in the catalogue.
    pub fn english(&self, asked: Asked<'_>) -> Option<String> {
        self.at_depth(asked, 0)
    }

    fn at_depth(&self, asked: Asked<'_>, depth: u8) -> Option<String> {
        let text = asked.text;
        if depth > DEPTH_MAX || text.is_empty() {
            return None;
        }
        let within = self.within.get(&(asked.within, text)).filter(|_| depth == 0);
        if let Some(message) = within.or_else(|| self.exact.get(text)) {
            return Some(written(message, &[], asked));
        }
        if let Some(date) = dates::english(text).or_else(|| dates::round(text)) {
            return Some(date);
        }
        if text.len() > PATTERN_TEXT_BYTES_MAX {
            return self.joined(asked, depth);
        }
        self.with_holes(asked, depth).or_else(|| self.joined(asked, depth))
    }

    fn with_holes(&self, asked: Asked<'_>, depth: u8) -> Option<String> {
        let first = asked.text.chars().next()?;
        let last = asked.text.chars().last();
        let started = self.by_start.get(&first);
        let ended = [self.by_end.get(&last), self.by_end.get(&None)];
        let candidates = started.into_iter().chain(ended.into_iter().flatten()).flatten();
        let mut candidates: Vec<&Message> = candidates.filter(|message| asked.text.contains(message.needle)).collect();
        candidates.sort_by_key(|message| std::cmp::Reverse(message.own_chars));
        for message in candidates {
            let mut found = Vec::new();
            if self.fits(&message.parts, asked, depth, &mut found) {
                return Some(written(message, &found, asked));
            }
        }
        None
    }

    /// Whether the parts cover the text; what the holes took is left in `found`, in English.
    fn fits(&self, parts: &[Part], asked: Asked<'_>, depth: u8, found: &mut Vec<String>) -> bool {
        let text = asked.text;
        match parts {
            [] => text.is_empty(),
            [Part::Text(own), rest @ ..] => {
                text.strip_prefix(own).is_some_and(|text| self.fits(rest, Asked { text, ..asked }, depth, found))
            }
            [Part::Hole(hole)] => self.taken(*hole, asked, depth).is_some_and(|taken| {
                found.push(taken);
                true
            }),
            [Part::Hole(hole), rest @ ..] => {
                let kept = found.len();
                for at in ends(rest, text) {
                    if let Some(taken) = self.taken(*hole, Asked { text: &text[..at], ..asked }, depth) {
                        found.push(taken);
                        if self.fits(rest, Asked { text: &text[at..], ..asked }, depth, found) {
                            return true;
                        }
                        found.truncate(kept);
                    }
                }
                false
            }
        }
    }

    fn taken(&self, hole: Hole, asked: Asked<'_>, depth: u8) -> Option<String> {
        let text = asked.text;
        match hole {
            _ if text.trim().is_empty() => None,
            Hole::Number => is_number(text).then(|| text.to_owned()),
            Hole::Date => dates::english(text),
            Hole::Words => self.at_depth(asked, depth + 1),
            Hole::Any => Some(self.at_depth(asked, depth + 1).unwrap_or_else(|| text.to_owned())),
            Hole::Carried => Some(text.to_owned()),
        }
    }

    /// Labels beside each other, lists of labels, and sentences one after another.
    fn joined(&self, asked: Asked<'_>, depth: u8) -> Option<String> {
        let part = |text| self.at_depth(Asked { text, ..asked }, depth + 1);
        if asked.text.contains(" · ") {
            let mut any = false;
            let english = asked.text.split(" · ").map(|text| {
                let english = part(text);
                any |= english.is_some();
                english.unwrap_or_else(|| text.to_owned())
            });
            let english = english.collect::<Vec<_>>().join(" · ");
            return any.then_some(english);
        }
        if let Some(english) = sentences(asked.text, part) {
            return Some(english);
        }
        for (mark, english) in [('；', "; "), ('、', ", "), (' ', " ")] {
            if asked.text.contains(mark) {
                // Small records are written as labels and values with spaces between.
                let value = |text: &str| (mark == ' ' && is_number(text)).then(|| text.to_owned());
                let all =
                    asked.text.split(mark).map(|text| value(text).or_else(|| part(text))).collect::<Option<Vec<_>>>();
                return all.map(|all| all.join(english));
            }
        }
        None
    }
}

/// Where a hole can end: where the text after it begins, or, before a hole, behind any character.
fn ends<'a>(rest: &'a [Part], text: &'a str) -> Box<dyn Iterator<Item = usize> + 'a> {
    match rest.first() {
        Some(Part::Text(next)) => Box::new(text.match_indices(next).map(|(at, _)| at)),
        _ => Box::new(text.char_indices().skip(1).map(|(at, _)| at)),
    }
}

/// Sentences one after another: at each place the longest run of them that is a message.
fn sentences<'a>(text: &'a str, part: impl Fn(&'a str) -> Option<String>) -> Option<String> {
    let ends: Vec<usize> = text.match_indices('。').map(|(at, stop)| at + stop.len()).chain([text.len()]).collect();
    let (mut begin, mut english) = (0, Vec::new());
    while begin < text.len() {
        // The whole text was looked up before.
        let runs = ends.iter().rev().copied().filter(|end| *end > begin && (begin > 0 || *end < text.len()));
        let (end, sentence) = runs.into_iter().find_map(|end| Some((end, part(&text[begin..end])?)))?;
        english.push(sentence);
        begin = end;
    }
    Some(english.join(" "))
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['−', '-']).trim_end_matches('%');
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == ',' || c == '.')
}

fn written(message: &Message, found: &[String], asked: Asked<'_>) -> String {
    let mut out = String::new();
    for piece in &message.pieces {
        match piece {
            Piece::Text(text) => (asked.escape)(text, &mut out),
            Piece::Hole(number) => out.push_str(&found[*number]),
            Piece::Plural(number, one, many) => {
                let is_one = number.map_or(asked.after_one, |number| found[number] == "1");
                (asked.escape)(if is_one { one } else { many }, &mut out);
            }
        }
    }
    out
}

fn parts(chinese: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = chinese;
    while let Some(at) = rest.find('{') {
        let end = rest[at..].find('}').expect("a hole in the catalogue is closed") + at;
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        parts.push(Part::Hole(match &rest[at + 1..end] {
            "n" => Hole::Number,
            "date" => Hole::Date,
            "words" => Hole::Words,
            "any" => Hole::Any,
            "" => Hole::Carried,
            other => panic!("no such hole: {other} in {chinese}"),
        }));
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    let vague = |pair: &[Part]| matches!(pair, [Part::Hole(first), Part::Hole(_)] if !matches!(first, Hole::Date | Hole::Number));
    assert!(!parts.windows(2).any(vague), "two holes side by side, and nothing says where the first ends: {chinese}");
    parts
}

fn pieces(english: &'static str, holes: usize) -> Vec<Piece> {
    if english == "-" {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let (mut rest, mut next) = (english, 0);
    while let Some(at) = rest.find('{') {
        let end = rest[at..].find('}').expect("a hole in the catalogue is closed") + at;
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let mut inside = rest[at + 1..end].split('|');
        let number = inside.next().unwrap_or_default();
        let number = (!number.is_empty()).then(|| number.parse::<usize>().expect("a hole's number") - 1);
        pieces.push(match (inside.next(), inside.next()) {
            (Some(one), Some(many)) => Piece::Plural(number, one, many),
            _ => Piece::Hole(number.unwrap_or_else(|| {
                next += 1;
                next - 1
            })),
        });
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    let used = |piece: &Piece| match piece {
        Piece::Hole(number) | Piece::Plural(Some(number), ..) => *number < holes,
        _ => true,
    };
    assert!(pieces.iter().all(used), "a hole that the Chinese does not have: {english}");
    pieces
}
