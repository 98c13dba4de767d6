//! The site's scripts with English sentences in them.
//!
//! A script says its sentences in string literals; a copy of the script has those replaced that are in the catalogue, and
//! is served below `/assets/en/`, so that modules that import one another by relative names stay together. What is code
//! stays as it is: only whole literals with Chinese in them are looked up, `${…}` of a template literal are the holes.

use super::catalogue::Asked;
use super::{SPOKEN, english_of, has_chinese};

/// How lists and times are written.
const FORMATS: [(&str, &str); 3] = [
    ("toLocaleString(\"zh-CN\"", "toLocaleString(\"en-GB\""),
    (".join(\"、\")", ".join(\", \")"),
    (".join(\"；\")", ".join(\"; \")"),
];

/// The script in English.
pub fn english(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find(['"', '`', '/']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = literal(rest).or_else(|| comment(rest)).unwrap_or(1);
        let (token, after) = rest.split_at(length);
        let english = if has_chinese(token) || token.contains('「') { replaced(token) } else { None };
        out.push_str(english.as_deref().unwrap_or(token));
        rest = after;
    }
    out.push_str(rest);
    FORMATS.iter().fold(out, |script, (chinese, english)| script.replace(chinese, english))
}

/// Length of the literal that begins here.
fn literal(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|quote| *quote != '/')?;
    let (mut depth, mut is_escaped) = (0_u32, false);
    for (at, char) in text.char_indices().skip(1) {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '\n' if quote == '"' => return None,
            '{' if quote == '`' && (depth > 0 || text[..at].ends_with('$')) => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ if char == quote && depth == 0 => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Length of the comment that begins here.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.starts_with("/*").then(|| text.find("*/").map_or(text.len(), |at| at + 2))
}

fn replaced(token: &str) -> Option<String> {
    if !token.starts_with(['"', '`']) {
        return None;
    }
    let (quote, inside) = (&token[..1], &token[1..token.len() - 1]);
    // Code inside `${…}` may hold literals of its own.
    let inside = if quote == "`" { nested(inside) } else { inside.to_owned() };
    let escape = |text: &str, out: &mut String| {
        out.push_str(&text.replace('\\', "\\\\").replace('"', "\\\"").replace('`', "\\`"));
    };
    let asked = Asked { text: &inside, after_one: false, within: "", escape };
    let english = SPOKEN.english(asked).or_else(|| english_of(asked));
    Some(format!("{quote}{}{quote}", english.unwrap_or(inside)))
}

fn nested(inside: &str) -> String {
    let mut out = String::new();
    let mut rest = inside;
    while let Some(at) = rest.find("${") {
        let mut depth = 0_u32;
        let end = rest[at + 1..].char_indices().find(|(_, char)| {
            depth += u32::from(*char == '{');
            depth -= u32::from(*char == '}');
            depth == 0
        });
        let end = end.map_or(rest.len(), |(end, _)| at + 1 + end);
        out.push_str(&rest[..at]);
        out.push_str(&english(&rest[at..end]));
        rest = &rest[end..];
    }
    out + rest
}
