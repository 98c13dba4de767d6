//! What the catalogue covers, and that a translated page is the same page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use gongkai_domain::Role;
use gongkai_domain::field::{Field, Shape};
use gongkai_domain::kind::{FAMILIES, KINDS};
use gongkai_domain::rules::{BASE, RuleCode};
use gongkai_projections::Status;
use proptest::prelude::*;

use super::*;
use crate::http::problem::TABLE;
use crate::site::samples;

fn messages() -> impl Iterator<Item = &'static catalogue::Message> {
    CATALOGUE.messages().chain(SPOKEN.messages())
}

fn english(chinese: &str) -> String {
    sentence(chinese).into_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn files(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            let name = path.strip_prefix(self::folder()).unwrap_or(&path).display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// What a reader sees in place of a template's or a format's expression; one of them has to fit.
const FILLERS: [&str; 6] = ["7", "2026年3月10日", "某某", "承诺事项", "周五", "2026"];
/// Parts of sentences, which never stand alone.
const FRAGMENTS: [&str; 4] = ["，后附{n}张", "万", "亿", "{ACCEPTED}{}{}内"];

/// Whether a text with `{…}` in it is translated whatever stands there.
fn is_covered(text: &str) -> bool {
    let (open, close) = (text.matches('{').count(), text.matches('}').count());
    if open != close || open > 4 {
        return chunks(text).iter().all(|chunk| own_texts().contains(chunk.as_str()));
    }
    let fits = |mut number: usize| {
        let mut parts = text.split('{');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            filled.push_str(FILLERS[number % FILLERS.len()]);
            filled.push_str(part.split_once('}').unwrap_or_default().1);
            number /= FILLERS.len();
        }
        english_of(Asked { text: filled.trim(), after_one: false, within: "", escape: |text, out| out.push_str(text) })
            .is_some()
    };
    (0..FILLERS.len().pow(u32::try_from(open).unwrap())).any(fits)
}

/// The Chinese of all messages, one after another.
fn own_texts() -> &'static str {
    static TEXTS: LazyLock<String> =
        LazyLock::new(|| messages().map(|message| message.chinese).collect::<Vec<_>>().join("\n"));
    &TEXTS
}

/// Runs of Chinese characters.
fn chunks(text: &str) -> Vec<String> {
    let runs = text.split(|char: char| !is_chinese(char)).filter(|run| !run.is_empty());
    runs.map(str::to_owned).collect()
}

fn none(missing: BTreeSet<String>, what: &str) {
    assert!(missing.is_empty(), "{what}:\n{}", missing.into_iter().collect::<Vec<_>>().join("\n"));
}

fn labels(field: &Field, found: &mut BTreeSet<&'static str>) {
    found.insert(field.label);
    match field.shape {
        Shape::Choice(choices) => found.extend(choices.iter().map(|(_, label)| *label)),
        Shape::Records(members) => members.iter().for_each(|member| labels(member, found)),
        _ => {}
    }
}

#[test]
fn every_label_of_the_domain_has_an_english_one() {
    let mut found: BTreeSet<&str> = FAMILIES.iter().map(|(_, label)| *label).collect();
    for kind in KINDS {
        found.insert(kind.label);
        kind.fields.iter().for_each(|field| labels(field, &mut found));
        for shape in kind.list.shapes() {
            found.insert(shape.label);
            for column in shape.columns {
                let field = Field {
                    name: "",
                    label: column.label,
                    place: gongkai_domain::field::Place::Body,
                    shape: column.shape,
                    required: false,
                };
                labels(&field, &mut found);
            }
        }
    }
    found.extend(Status::ALL.iter().map(|status| status.label()));
    found.extend(Role::ALL.iter().map(|role| role.label()));
    found.extend(RuleCode::ALL.iter().map(|code| code.label()));
    found.extend(BASE.iter().map(|(_, _, _, basis)| *basis));
    found.extend(TABLE.iter().map(|row| row.title));
    let missing = found.into_iter().filter(|label| has_chinese(&english(label))).map(str::to_owned).collect();
    none(missing, "labels without English");
}

/// The texts of a template between tags, and the attributes that people read; conditions cut a text into pieces.
fn template_texts(template: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut text = String::new();
    let mut rest = template;
    while let Some(char) = rest.chars().next() {
        let (taken, kept) = match char {
            '{' if rest.starts_with("{%") => (rest.find("%}").unwrap() + 2, "\u{1}"),
            '{' if rest.starts_with("{{") => (rest.find("}}").unwrap() + 2, "{}"),
            '<' => (1, "\u{2}<"),
            '>' => (1, "\u{2}"),
            other => (other.len_utf8(), &rest[..other.len_utf8()]),
        };
        text.push_str(kept);
        rest = &rest[taken..];
    }
    for part in text.split('\u{2}') {
        if let Some(tag) = part.strip_prefix('<') {
            let read = |name: &str| tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next());
            let read = ["alt", "title", "aria-label", "placeholder", "data-label", "data-title", "data-k"].map(read);
            found.extend(read.into_iter().flatten().map(str::to_owned));
        } else {
            found.push(part.to_owned());
        }
    }
    found
}

#[test]
fn every_text_of_the_templates_has_an_english_one() {
    let mut missing = BTreeSet::new();
    for (path, template) in files(&folder().join("templates"), ".html") {
        if path.contains("console") || path.contains("frag_who") {
            continue;
        }
        for text in template_texts(&template) {
            let text = text.trim();
            let conditional = text.contains('\u{1}');
            let whole = !conditional && is_covered(text);
            let pieces = conditional && chunks(text).iter().all(|chunk| own_texts().contains(chunk.as_str()));
            let stays = text.contains("{}公") || ["公", "开", "中文"].contains(&text);
            if has_chinese(text) && !stays && !whole && !pieces {
                missing.insert(format!("{path}: {text}"));
            }
        }
    }
    none(missing, "texts of templates without English");
}

/// The string literals of a source, without comments, samples and tests.
fn literals(source: &str) -> Vec<String> {
    let mut code = String::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let is_sample = ["sample", "worked_month", "WORKED_MONTH"].iter().any(|word| line.contains(word));
        if is_sample && (line.contains("fn ") || line.starts_with("const ")) && !line.trim_end().ends_with('}') {
            let end = format!("{indent}{}", if line.starts_with("const ") { "];" } else { "}" });
            lines.by_ref().find(|line| *line == end);
        } else if !line.trim_start().starts_with("//") && !line.contains("tracing::") {
            code.push_str(line);
            code.push('\n');
        }
    }
    let mut found = Vec::new();
    let mut parts = code.split('"');
    parts.next();
    while let Some(mut literal) = parts.next().map(str::to_owned) {
        while literal.ends_with('\\') {
            literal.push_str(parts.next().unwrap_or_default());
        }
        found.push(literal);
        parts.next();
    }
    found
}

#[test]
fn every_sentence_of_the_view_code_has_an_english_one() {
    let mut missing = BTreeSet::new();
    let views = [folder().join("src/site"), folder().join("src/http/pages")];
    for (path, source) in views.iter().flat_map(|folder| files(folder, ".rs")) {
        // Pictures and what is said or read aloud stay Chinese; the console too.
        let stays = ["console", "tests", "site/english/", "pages/picture.rs", "pages/share.rs", "site/format.rs"];
        if stays.iter().any(|part| path.contains(part)) {
            continue;
        }
        for literal in literals(&source) {
            let text = literal.trim();
            if has_chinese(text)
                && !text.contains('<')
                && !FRAGMENTS.contains(&text)
                && !is_covered(&text.replace("{{", "").replace("}}", ""))
            {
                missing.insert(format!("{path}: {text}"));
            }
        }
    }
    none(missing, "sentences of the view code without English");
}

/// Whatever witnesses and mirrors answer.
fn sentences_of_others() -> Vec<String> {
    use crate::cosigning::{State as Witnessing, asking::Denial};
    use crate::mirrors::State as Followed;
    let denials = [
        Denial::Unreachable(String::new()),
        Denial::Slow,
        Denial::Unknown,
        Denial::Ahead { recorded: 1_205 },
        Denial::Forked,
        Denial::Refused { status: 403 },
        Denial::Lying(String::new()),
        Denial::Ours(String::new()),
    ];
    let witnessing = [Witnessing::Unasked, Witnessing::Cosigned { size: 1_204 }];
    let mirrors = [
        Followed::Followed,
        Followed::Unproven { files: 2 },
        Followed::NotYetSeen { withdrawals: 1, since_days: 3 },
        Followed::StillShows { openings: 4, since_days: 1 },
        Followed::Unreachable,
        Followed::Forged,
    ];
    let denied = denials.into_iter().map(Witnessing::Denied);
    let asked = witnessing.into_iter().chain(denied).map(|state| state.sentence());
    asked.chain(mirrors.iter().map(Followed::sentence)).collect()
}

#[test]
fn whatever_witnesses_and_mirrors_answer_is_said_in_english() {
    for sentence in sentences_of_others() {
        let card = format!("<dl class=\"rows\"><div><dt>w1</dt><dd><strong>{sentence}</strong></dd></div></dl>");
        let english = page(&format!("<html lang=\"zh-CN\"><body>{card}</body></html>"));
        assert!(!has_chinese(&english), "{sentence}: {english}");
    }
}

#[test]
fn every_sentence_of_the_scripts_has_an_english_one() {
    let mut missing = BTreeSet::new();
    for script in SCRIPTS.iter().filter(|script| !script.name.starts_with("vendor/")) {
        for line in script.content.lines() {
            let code = line.split("// ").next().unwrap();
            if has_chinese(code) && !code.trim_start().starts_with(['*', '/']) {
                missing.insert(format!("{}: {}", script.name, line.trim()));
            }
        }
    }
    none(missing, "sentences of scripts without English");
}

#[test]
fn no_message_is_left_that_nothing_says_any_more() {
    let api = folder();
    let root = api.parent().unwrap();
    let mut said = String::new();
    for (folder, ending) in [
        (api.join("templates"), ".html"),
        (api.join("src"), ".rs"),
        (api.join("assets"), ".js"),
        (root.join("core/domain/src"), ".rs"),
        (root.join("projections/src"), ".rs"),
    ] {
        for (path, text) in files(&folder, ending) {
            if !path.contains("site/english/") {
                said.push_str(&text);
            }
        }
    }
    let is_said =
        |message: &&catalogue::Message| chunks(message.chinese).iter().all(|chunk| said.contains(chunk.as_str()));
    let unsaid = messages().filter(|message| !is_said(message)).map(|message| message.chinese.to_owned());
    none(unsaid.collect(), "messages that nothing says");
}

#[test]
fn no_english_has_chinese_left_in_it() {
    let left = messages().filter(|message| has_chinese(message.english));
    none(left.map(|message| message.english.to_owned()).collect(), "English with Chinese in it");
}

/// The texts between tags that still hold Chinese and are in no element that says so.
pub fn left(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut quiet: Vec<(String, bool)> = Vec::new();
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if tag.starts_with('/') {
            quiet.pop_if(|(open, _)| *open == name);
        } else if !["meta", "link", "input", "br", "img", "rect", "path", "hr"].contains(&name.as_str()) {
            let is_quiet = quiet.last().is_some_and(|(_, quiet)| *quiet) || tag.contains("lang=\"zh-CN\"");
            quiet.push((name, is_quiet));
        }
        if has_chinese(text) && !quiet.last().is_some_and(|(_, quiet)| *quiet) {
            found.push(text.trim().to_owned());
        }
    }
    found
}

fn tags(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        found.push(rest.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect());
    }
    found
}

#[test]
fn every_page_keeps_its_tags_in_their_order_and_says_that_it_is_english() {
    for (name, html) in samples().into_iter().filter(|(name, _)| !name.starts_with("console")) {
        let english = page(&html);
        assert_eq!(tags(&english), tags(&html), "{name}");
        assert!(english.contains("<html lang=\"en\">"), "{name}");
    }
}

/// What the samples say that people would have published, and everything else that stands in their source.
fn sample_texts() -> String {
    let sources =
        files(&folder().join("src/site"), ".rs").into_iter().filter(|(path, _)| !path.contains("site/english/"));
    sources.map(|(_, source)| source).collect()
}

#[test]
fn nothing_on_the_sample_pages_is_left_but_what_people_published() {
    let sampled = sample_texts();
    let mut missing = BTreeSet::new();
    for (name, html) in samples().into_iter().filter(|(name, _)| !name.starts_with("console")) {
        for text in left(&page(&html)) {
            if !chunks(&text).iter().all(|chunk| sampled.contains(chunk.as_str())) {
                missing.insert(format!("{name}: {text}"));
            }
        }
    }
    none(missing, "texts of sample pages without English");
}

#[test]
fn a_page_that_has_to_stay_chinese_stays() {
    let html = "<!doctype html>\n<html lang=\"zh-CN\" translate=\"no\"><body><p>办事</p></body></html>";
    assert_eq!(page(html), html);
}

#[test]
fn what_people_published_stays_even_when_it_reads_like_a_label() {
    let html = "<p><a class=\"title\" href=\"/pledges/1\">办事</a> <a href=\"/organizations/1\">办事</a></p>\
                <dl><dt>标题</dt><dd><span class=\"text\">办事</span></dd><dt>账套</dt><dd><span class=\"text\">村委会</span></dd></dl>";
    let english = page(html);
    assert_eq!(english.matches("办事").count(), 3, "{english}");
    assert!(
        english.contains("<dt>Title</dt><dd lang=\"zh-CN\"")
            || english.contains("<span class=\"text\" lang=\"zh-CN\">办事"),
        "{english}"
    );
    assert!(english.contains("Village committee"), "{english}");
}

#[test]
fn dates_and_numbers_are_written_as_english_readers_expect() {
    for (chinese, expected) in [
        ("2026年3月10日", "10 March 2026"),
        ("2026年3月10日 09:12", "10 March 2026, 09:12"),
        ("2026年2月", "February 2026"),
        ("3月10日", "10 March"),
        ("3月", "Mar"),
        ("8万", "80k"),
        ("1.5亿", "150m"),
        ("2026年第一季度", "Q1 2026"),
        ("还有 1 天", "1 day left"),
        ("还有 12 天", "12 days left"),
        ("18,081.36 元", "18,081.36 yuan"),
        ("第 2 页，共 10 页", "Page 2 of 10"),
        ("13月1日", "13月1日"),
    ] {
        assert_eq!(english(chinese), expected);
    }
    assert_eq!(
        page("<p>共收 <b>1</b> 条记录</p>"),
        "<p lang=\"zh-CN\">共收 <b>1</b> record</p>".replace(" lang=\"zh-CN\"", "")
    );
}

#[test]
fn a_script_keeps_its_code_and_says_english_sentences() {
    let script = "say(\"复制\"); // 复制\nsay(`服务器返回 ${status[\"a\"]}`); const a = /[\"]/; say(\"没有这句\");";
    let expected =
        "say(\"Copy\"); // 复制\nsay(`The server answered ${status[\"a\"]}`); const a = /[\"]/; say(\"没有这句\");";
    assert_eq!(super::script::english(script), expected);
}

/// A text as askama writes it.
fn escaped(text: &str) -> String {
    text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;").replace('\'', "&#39;")
}

fn texts() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "办事",
        "共 ",
        " 项",
        "第 ",
        " 页，共 ",
        "5",
        "2026年3月10日",
        "。",
        "、",
        " · ",
        "<script>",
        "\"",
        "&",
        "'",
        "原因：",
        "（",
        "）",
        "某",
    ]);
    prop_oneof![prop::collection::vec(words, 0..8).prop_map(|words| words.concat()), any::<String>()]
}

proptest! {
    #[test]
    fn no_text_can_make_a_tag_or_take_one_away(contents in prop::collection::vec((texts(), 0_usize..6), 0..12)) {
        let mut html = String::from("<html lang=\"zh-CN\"><body>");
        for (text, shape) in contents {
            let text = escaped(&text);
            html.extend([match shape {
                0 => format!("<p>{text}</p>"),
                1 => format!("<a class=\"title\" href=\"/x\">{text}</a>"),
                2 => format!("<dl><dt>{text}</dt><dd><span class=\"text\">{text}</span></dd></dl>"),
                3 => format!("<input placeholder=\"{text}\" aria-label=\"{text}\">"),
                4 => format!("<b>{text}</b>{text}<small>{text}</small>"),
                _ => format!("<title>{text} · {text}</title>"),
            }]);
        }
        html.push_str("</body></html>");
        let english = page(&html);
        prop_assert_eq!(tags(&english), tags(&html));
        prop_assert_eq!(english.matches('"').count() % 2, 0);
    }

    #[test]
    fn any_bytes_are_read_to_their_end(html in any::<String>()) {
        page(&html);
        super::script::english(&html);
    }
}
