//! Whether a text that is going to be published tells who asked (个人信息保护法): the name, the number, the address that
//! the asker gave with the question, and that stand in no public place.
//!
//! [`Asker::check`] is asked before an answer or a question's masked text is recorded; [`Asker::masked`] gives the officer
//! the original with all of it masked by the one rule ([`personal::mask_name`]) to begin with. Not here: numbers that
//! nobody may publish ([`personal::scan`], at every admission), and where the asker's own words are kept. A nickname or a
//! house described in words is for the officer to see. To look for something else, add it to [`Asker::marks`] with a test.

use serde_json::{Map, Value};

use crate::{
    event::Proposal,
    kind::{Described as _, Kind, disclosure, letter},
    personal,
    refusal::Refusal,
};

/// Fewest characters of a name that can be looked for: a surname alone is in half of all words.
const NAME_CHARS_MIN: usize = 2;
/// Fewest digits of a number that can be looked for, those of a landline.
const NUMBER_DIGITS_MIN: usize = 7;
/// Fewest characters of an address that can be looked for.
const ADDRESS_CHARS_MIN: usize = 6;

/// What somebody said of themselves when they asked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Asker {
    name: Option<String>,
    contact: Option<String>,
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asker(..)")
    }
}

/// Something that tells who asked.
struct Mark {
    /// What it is, for people.
    what: &'static str,
    /// Its characters, folded.
    chars: Vec<char>,
    /// What stands in its place when masked.
    masked: String,
}

impl Asker {
    /// From the values of a question or a letter.
    pub fn of(values: &Map<String, Value>) -> Self {
        let text = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| values.get(*name)?.as_str());
            found.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Self { name: text(["asker", "name"]), contact: text(["contact", "contact"]) }
    }

    /// Whether nothing was said.
    pub fn is_nobody(&self) -> bool {
        self.marks().is_empty()
    }

    fn marks(&self) -> Vec<Mark> {
        let mark = |what, text: &str, least: usize, masked: String| {
            let chars: Vec<char> = folded(text).map(|(_, char)| char).collect();
            (chars.len() >= least).then_some(Mark { what, chars, masked })
        };
        let name = self.name.as_deref().map(without_remark);
        let name = name.and_then(|name| mark("姓名", name, NAME_CHARS_MIN, personal::mask_name(name)));
        let contact = self.contact.as_deref();
        let digits: String = contact.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        let number = mark("电话号码", &digits, NUMBER_DIGITS_MIN, "**".into());
        let address = contact.and_then(|contact| mark("联系方式", contact, ADDRESS_CHARS_MIN, "**".into()));
        name.into_iter().chain(number).chain(address).collect()
    }

    /// The first place of a text that tells who asked: what it is, and its first character, from 0.
    pub fn found_in(&self, text: &str) -> Option<(&'static str, usize)> {
        let folded: Vec<(usize, char)> = folded(text).collect();
        let first = |mark: &Mark| spans(&folded, &mark.chars).first().map(|(start, _)| (mark.what, *start));
        self.marks().iter().find_map(first)
    }

    /// A text with the asker, and every number that must not be published, masked.
    pub fn masked(&self, text: &str) -> String {
        let folded: Vec<(usize, char)> = folded(text).collect();
        let marks = self.marks();
        let own = marks.iter().flat_map(|mark| {
            let spans = spans(&folded, &mark.chars);
            spans.into_iter().map(|(start, end)| (start, end, mark.masked.clone()))
        });
        let numbers = personal::scan(text).into_iter().map(|hit| (hit.start_char, hit.end_char, "**".to_owned()));
        let mut spans: Vec<(usize, usize, String)> = own.chain(numbers).collect();
        spans.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
        let chars: Vec<char> = text.chars().collect();
        let (mut masked, mut at) = (String::new(), 0);
        for (start, end, instead) in spans.into_iter().filter(|(_, end, _)| *end <= chars.len()) {
            // What lies within the one before is masked with it.
            if start < at {
                continue;
            }
            masked.extend(&chars[at..start]);
            masked.push_str(&instead);
            at = end;
        }
        masked.extend(&chars[at..]);
        masked
    }

    /// Refuses what is going to be public and tells who asked.
    ///
    /// # Errors
    /// [`Refusal::PersonalData`] naming the field and the place in it, never the name.
    pub fn check(&self, proposal: &Proposal<'_>) -> Result<(), Refusal> {
        let who = if proposal.kind.family() == "letter" { "来信人" } else { "提问人" };
        for opening in proposal.openings {
            let label = proposal.kind.field(&opening.name).map_or(opening.name.as_str(), |field| field.label);
            for (place, text) in texts(&opening.value) {
                if let Some((what, start)) = self.found_in(text) {
                    let what = format!("第{}字起写着{who}的{what}", start + 1);
                    return Err(Refusal::PersonalData { label: label.to_owned(), place, what });
                }
            }
        }
        Ok(())
    }
}

/// Whose question a public statement speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Of no question.
    OfNone,
    /// Of one question of its own stream, by its revision.
    OfQuestion(u64),
    /// Of any question of its own stream.
    OfAny,
    /// Of a sealed letter.
    OfLetter(gongkai_log::StreamId),
}

impl Speaks {
    /// What a proposal speaks of. What citizens hand in themselves speaks of nobody else.
    pub fn of(proposal: &Proposal<'_>) -> Self {
        let question = || proposal.statement.body.get("question").and_then(Value::as_u64);
        let is = |kind: &Kind, names: &[&str]| names.contains(&kind.name);
        if is(
            proposal.kind,
            &[disclosure::Answered::KIND, disclosure::QuestionPublished::KIND, disclosure::QuestionWithheld::KIND],
        ) {
            question().map_or(Self::OfAny, Self::OfQuestion)
        } else if is(proposal.kind, &[disclosure::Corrected::KIND]) {
            Self::OfAny
        } else if is(proposal.kind, &[letter::Published::KIND]) {
            let letter = proposal.text("letter").and_then(|text| text.parse().ok());
            letter.map_or(Self::OfNone, Self::OfLetter)
        } else {
            Self::OfNone
        }
    }
}

/// The texts of a value with their place: a text, or the texts of a list.
fn texts<'v>(value: &'v Value) -> Vec<(String, &'v str)> {
    match value {
        Value::String(text) => vec![(String::new(), text)],
        Value::Array(list) => {
            let text = |(at, one): (usize, &'v Value)| Some((format!("第{}项", at + 1), one.as_str()?));
            list.iter().enumerate().filter_map(text).collect()
        }
        _ => Vec::new(),
    }
}

/// A name without what is noted behind it in brackets.
fn without_remark(name: &str) -> &str {
    name.split(['(', '（', '[', '【']).next().unwrap_or(name).trim()
}

/// The characters by which two spellings of one text are the same, with their places: without space, hyphens and dots,
/// full-width forms as plain ones, letters as small ones.
fn folded(text: &str) -> impl Iterator<Item = (usize, char)> {
    let plain = |char: char| match char {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(char) - 0xfee0).unwrap_or(char).to_ascii_lowercase(),
        other => other.to_ascii_lowercase(),
    };
    let is_apart = |char: char| {
        char.is_whitespace() || char.is_control() || "-_·•.‐‑–—\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}".contains(char)
    };
    text.chars().enumerate().map(move |(at, char)| (at, plain(char))).filter(move |(_, char)| !is_apart(*char))
}

/// Where a run of characters stands: first, and one past the last.
fn spans(text: &[(usize, char)], wanted: &[char]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + wanted.len() <= text.len() {
        let window = &text[at..at + wanted.len()];
        if window.iter().map(|(_, char)| char).eq(wanted) {
            found.push((window[0].0, window[wanted.len() - 1].0 + 1));
            at += wanted.len();
        } else {
            at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn asker(name: &str, contact: &str) -> Asker {
        Asker::of(json!({"asker": name, "contact": contact}).as_object().unwrap())
    }

    #[test]
    fn a_name_is_found_however_it_is_spaced_and_with_a_remark_behind_it() {
        let asker = asker("周柏舟（虚构）", "");
        for text in ["答复周柏舟：已查清", "周 柏 舟同志", "周\u{200b}柏舟", "周·柏舟"] {
            assert!(asker.found_in(text).is_some_and(|(what, _)| what == "姓名"), "{text}");
        }
        assert_eq!(asker.found_in("答复周柏舟"), Some(("姓名", 2)));
        for text in ["周**同志", "周柏林", "柏舟", ""] {
            assert_eq!(asker.found_in(text), None, "{text}");
        }
        assert_eq!(
            Asker::of(json!({"name": "Li Lei"}).as_object().unwrap()).found_in("ＬＩ lei said"),
            Some(("姓名", 0))
        );
    }

    #[test]
    fn a_number_and_an_address_are_found_and_a_surname_alone_is_not_looked_for() {
        let asker = asker("周", "0564-1234567 五里桥村北路九号");
        assert_eq!(asker.found_in("可拨打 05641234567 核实"), Some(("电话号码", 4)));
        assert_eq!(asker.found_in("周边的路"), None);
        let asker = Asker::of(json!({"contact": "五里桥村北路九号"}).as_object().unwrap());
        assert_eq!(asker.found_in("家住五里桥村北路九号"), Some(("联系方式", 2)));
        assert!(Asker::of(json!({"contact": "村北"}).as_object().unwrap()).is_nobody() && Asker::default().is_nobody());
    }

    #[test]
    fn the_original_is_masked_by_the_one_rule_to_begin_with() {
        let asker = asker("欧阳小满(虚构)", "13800138000");
        let text = "我是欧阳小满，电话138 0013 8000，身份证11010519491231002X。公厕电费为什么两笔？";
        let masked = asker.masked(text);
        assert_eq!(masked, "我是欧阳**，电话**，身份证**。公厕电费为什么两笔？");
        assert_eq!(asker.found_in(&masked), None);
        assert_eq!(asker.masked(&masked), masked);
    }

    proptest! {
        #[test]
        fn what_is_masked_tells_nobody(before in "[一-龥a-z0-9 ]{0,12}", name in "[一-龥]{2,4}", after in "[一-龥0-9，]{0,12}") {
            let asker = asker(&name, "");
            prop_assume!(asker.found_in(&personal::mask_name(&name)).is_none());
            let masked = asker.masked(&format!("{before}{name}{after}"));
            // Masking one name can push two halves of another together only over the asterisks, which part them.
            prop_assert_eq!(asker.found_in(&masked), None);
        }
    }
}
