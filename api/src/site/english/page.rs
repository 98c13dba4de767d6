//! A rendered page, translated.
//!
//! A pass over the markup that our templates make: well formed, attributes in double quotes, nothing of script or style in
//! it. Texts and the attributes that people read are looked up in the catalogue; tags stay as they are and in their order,
//! but for `lang`: the page's is English, and an element that holds only Chinese afterwards says so. It can make no tag:
//! what it writes is escaped English and slices of what was there.

use super::catalogue::{Asked, Escape};
use super::recorded::{self, Place};
use super::{english_of, has_chinese, script};

/// Attributes that people read, or hear, or that scripts and style sheets put before them.
const READ: [&str; 8] = ["alt", "title", "aria-label", "placeholder", "content", "data-label", "data-title", "data-k"];
/// Elements that flow with the text around them, so that a space belongs between.
const INLINE: [&str; 15] =
    ["a", "b", "strong", "small", "span", "time", "code", "mark", "em", "i", "del", "ins", "output", "button", "label"];
/// What may stand around a text without belonging to it.
const AROUND: [char; 3] = [' ', '\n', '·'];
/// Elements without an end tag.
const VOID: [&str; 8] = ["meta", "link", "input", "br", "img", "hr", "col", "wbr"];

#[expect(clippy::struct_excessive_bools, reason = "four independent facts of an element")]
struct Open<'a> {
    name: &'a str,
    is_recorded: bool,
    /// Where `lang` goes, unless it or an element around it says one.
    lang_at: Option<usize>,
    has_english: bool,
    has_chinese: bool,
    says_chinese: bool,
}

struct Pass<'a> {
    out: String,
    open: Vec<Open<'a>>,
    marks: Vec<usize>,
    /// The text of the last `dt`, or what the `td` says that it holds.
    label: &'a str,
    after_one: bool,
    /// The tag just before: an inline end tag.
    after_inline_end: bool,
}

/// The page in English.
pub fn english(html: &str) -> String {
    if html.get(..400.min(html.len())).is_some_and(|head| head.contains("<html lang=\"zh-CN\" translate=\"no\"")) {
        return html.to_owned();
    }
    let mut pass = Pass {
        out: String::with_capacity(html.len() + html.len() / 4),
        open: Vec::new(),
        marks: Vec::new(),
        label: "",
        after_one: false,
        after_inline_end: false,
    };
    let mut rest = html;
    while !rest.is_empty() {
        let at = rest.find('<').unwrap_or(rest.len());
        let (text, after) = rest.split_at(at);
        if !text.is_empty() {
            pass.text(text, after);
        }
        let end = tag_end(after);
        pass.tag(&after[..end]);
        rest = &after[end..];
        // Scripts hold no markup, whatever stands in them.
        if let Some(open) = pass.open.last().filter(|open| matches!(open.name, "script" | "style")) {
            let end = rest.find(&format!("</{}", open.name)).unwrap_or(rest.len());
            pass.out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    pass.finish()
}

/// The end of the tag that begins here, its quotes respected.
fn tag_end(text: &str) -> usize {
    if text.starts_with("<!--") {
        return text.find("-->").map_or(text.len(), |at| at + 3);
    }
    let mut is_quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'>' if !is_quoted => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The element that a tag opens or ends.
fn name(tag: &str) -> &str {
    let inside = tag.trim_start_matches(['<', '/']);
    let end = inside.find(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/')).unwrap_or(inside.len());
    &inside[..end]
}

/// The attributes of a tag: where the value is, name and value.
fn attributes(tag: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let equals = tag[at..].find("=\"")? + at;
        let start = equals + 2;
        let end = tag[start..].find('"')? + start;
        let name = tag[at..equals].rsplit(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
        at = end + 1;
        Some((start, name, &tag[start..end]))
    })
}

fn escaped(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

const HTML: Escape = escaped;

impl<'a> Pass<'a> {
    fn is_recorded(&self) -> bool {
        self.open.last().is_some_and(|open| open.is_recorded)
    }

    fn tag(&mut self, tag: &'a str) {
        if tag.is_empty() || tag.starts_with("<!") {
            self.out.push_str(tag);
            return;
        }
        let name = name(tag);
        self.after_inline_end = tag.starts_with("</") && INLINE.contains(&name);
        if tag.starts_with("</") {
            self.out.push_str(tag);
            self.close(name);
        } else {
            self.open(name, tag);
        }
    }

    fn open(&mut self, name: &'a str, tag: &'a str) {
        let (mut class, mut lang, mut href, mut label) = (None, None, None, None);
        for (_, name, value) in attributes(tag) {
            match name {
                "class" => class = Some(value),
                "lang" => lang = Some(value),
                "href" => href = Some(value),
                "data-k" => label = Some(value),
                _ => {}
            }
        }
        if name == "td" {
            self.label = label.unwrap_or_default();
        }
        let is_recorded = match recorded::place(name, class, lang, href) {
            Place::Recorded => true,
            Place::Ours => false,
            Place::Same => self.is_recorded(),
        };
        self.write_tag(name, tag, self.is_recorded() || lang == Some("zh-CN"));
        if VOID.contains(&name) || tag.ends_with("/>") {
            return;
        }
        let is_frame = matches!(name, "html" | "head" | "title" | "body" | "script" | "style");
        let around = self.open.last().is_some_and(|open| open.says_chinese);
        let says_chinese = name != "html" && lang.map_or(around, |lang| lang == "zh-CN");
        let lang_at = (lang.is_none() && !says_chinese && !is_frame).then(|| self.out.len() - 1);
        self.open.push(Open { name, is_recorded, lang_at, has_english: false, has_chinese: false, says_chinese });
    }

    fn write_tag(&mut self, element: &str, tag: &str, is_recorded: bool) {
        let mut written = 0;
        for (at, name, value) in attributes(tag) {
            let new = match name {
                "lang" if element == "html" => Some("en".to_owned()),
                "src" if element == "script" => english_script(value),
                _ if is_recorded || !READ.contains(&name) || !has_chinese(value) => None,
                _ => english_of(Asked { text: value, after_one: false, within: "", escape: HTML }),
            };
            if let Some(new) = new {
                self.out.push_str(&tag[written..at]);
                self.out.push_str(&new);
                written = at + value.len();
            }
        }
        self.out.push_str(&tag[written..]);
    }

    fn close(&mut self, name: &str) {
        let Some(open) = self.open.pop_if(|open| open.name == name) else { return };
        if let Some(at) = open.lang_at.filter(|_| open.has_chinese && !open.has_english) {
            self.marks.push(at);
        }
        if let Some(around) = self.open.last_mut() {
            around.has_english |= open.has_english;
        }
    }

    fn text(&mut self, text: &'a str, after: &str) {
        let core = text.trim_matches(AROUND);
        let chinese = has_chinese(core);
        let within = self.open.last().map_or("", |open| open.name);
        if self.open.last().is_some_and(|open| open.name == "dt") && !core.is_empty() {
            self.label = core;
        }
        let is_kept = chinese && self.is_kept(core);
        let english = if core.is_empty() || is_kept || !(chinese || is_punctuation(core)) {
            None
        } else {
            english_of(Asked { text: core, after_one: self.after_one, within, escape: HTML })
        };
        if let Some(open) = self.open.last_mut() {
            open.has_chinese |= chinese && english.is_none();
            open.has_english |= english.is_some();
        }
        match english {
            None => self.out.push_str(text),
            Some(english) => self.write_text(text, core, &english, after),
        }
        if !core.is_empty() {
            self.after_one = core == "1";
        }
    }

    /// The element around a value, a heading or a paragraph; a link says itself what it is.
    fn place_of_text(&self) -> &'a str {
        let shown = self.open.iter().rev().take(2).find(|open| open.name != "span");
        shown.map_or("", |open| open.name)
    }

    /// Whether a Chinese text is one that people published.
    fn is_kept(&self, core: &str) -> bool {
        let within = |name| self.open.iter().rev().take(2).any(|open| open.name == name);
        match self.is_recorded() {
            true if within("dd") || within("td") && !self.label.is_empty() => recorded::is_free(self.label, core),
            true => !recorded::is_made(self.place_of_text(), core),
            false => false,
        }
    }

    /// Writes a text with the spaces that English wants between it and what flows beside it.
    fn write_text(&mut self, text: &str, core: &str, english: &str, after: &str) {
        let lead = &text[..text.len() - text.trim_start_matches(AROUND).len()];
        let trail = &text[lead.len() + core.len()..];
        if !english.starts_with(['.', ',', ';', ':', ')']) {
            self.out.push_str(lead);
        }
        let wants_space = |char: char| char.is_alphanumeric() || matches!(char, '(' | '“' | '&' | '+');
        if lead.is_empty() && self.after_inline_end && english.starts_with(wants_space) {
            self.out.push(' ');
        }
        self.out.push_str(english);
        self.out.push_str(trail);
        let begins_inline =
            after.len() > 1 && !after.starts_with("</") && (name(after) == "br" || INLINE.contains(&name(after)));
        if trail.is_empty() && begins_inline && !english.is_empty() && !english.ends_with(['(', '“', ' ']) {
            self.out.push(' ');
        }
    }

    fn finish(mut self) -> String {
        self.marks.sort_unstable();
        let mut page = String::with_capacity(self.out.len() + self.marks.len() * 13);
        let mut written = 0;
        for at in self.marks {
            page.push_str(&self.out[written..at]);
            page.push_str(" lang=\"zh-CN\"");
            written = at;
        }
        page + &self.out[written..]
    }
}

/// Chinese punctuation alone between two elements.
fn is_punctuation(text: &str) -> bool {
    text.len() <= 9
        && !text.is_ascii()
        && text.chars().all(|c| matches!(c, '、' | '，' | '。' | '：' | '；' | '（' | '）' | '”' | '“'))
}

/// The address of a script's English copy.
fn english_script(src: &str) -> Option<String> {
    let name = src.strip_prefix("/assets/")?.split('?').next()?;
    script(name).map(|script| format!("/assets/{}{}?v={}", super::FOLDER, script.name, script.version))
}
