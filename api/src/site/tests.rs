//! Every page is rendered from its sample and held against what all pages promise.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::parts::{Diff, Item, Piece, Row, Segment, Shown};
use super::{CSS, Page, samples};

/// The style sheet stays small enough for a slow phone.
const CSS_BYTES_MAX: usize = 20_000;

/// Text that breaks a page that does not escape it.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&{{ name }}";

const VOID: [&str; 6] = ["meta", "link", "input", "br", "img", "hr"];

/// A start tag: its name and its attributes.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Tag<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// Reads the inside of a start tag; every attribute value must stand in double quotes.
fn read_tag(inside: &str) -> Tag<'_> {
    let (name, mut rest) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Tag { name, attributes };
        }
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let key = &rest[..end];
        assert!(key.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "odd attribute {key:?} in <{inside}>");
        rest = &rest[end..];
        if let Some(value) = rest.strip_prefix("=\"") {
            let close = value.find('"').expect("a quoted attribute ends");
            attributes.push((key, &value[..close]));
            rest = &value[close + 1..];
            assert!(rest.is_empty() || rest.starts_with(char::is_whitespace), "attributes run together in <{inside}>");
        } else {
            assert!(!rest.starts_with('='), "unquoted attribute in <{inside}>");
            attributes.push((key, ""));
        }
    }
}

/// Splits a page into start tags and checks that they nest.
fn tags<'a>(page: &str, html: &'a str) -> Vec<Tag<'a>> {
    let mut rest = html.strip_prefix("<!doctype html>").unwrap_or_else(|| panic!("{page}: no doctype"));
    let mut open = Vec::new();
    let mut found = Vec::new();
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "{page}: a bare > in {:?}", &rest[..at]);
        let end = at + rest[at..].find('>').unwrap_or_else(|| panic!("{page}: a tag that does not end"));
        let inside = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{page}: </{name}> closes another element");
        } else {
            let tag = read_tag(inside);
            if !VOID.contains(&tag.name) {
                open.push(tag.name);
            }
            found.push(tag);
        }
    }
    assert!(open.is_empty(), "{page}: left open: {open:?}");
    found
}

fn check_tag(page: &str, tag: &Tag<'_>) {
    for (key, value) in &tag.attributes {
        assert!(*key != "style" && !key.starts_with("on"), "{page}: inline {key} on <{}>", tag.name);
        assert!(!value.trim_start().to_ascii_lowercase().starts_with("javascript:"), "{page}: a script address");
        if ["href", "src", "action"].contains(key) {
            // The links to the other language stay where they are.
            let stays = value.starts_with(['/', '#']) && !value.starts_with("//") || value.starts_with("?lang=");
            // A receipt's image stands in its page, so that no address holds the code.
            let is_kept =
                tag.name == "img" && page.starts_with("hand-in") && value.starts_with("data:image/png;base64,");
            assert!(stays || value.starts_with("tel:") || is_kept, "{page}: {key}={value:?} leaves the site");
        }
    }
    match tag.name {
        "style" => panic!("{page}: an inline style sheet"),
        // What encrypts is loaded where something is written, and nowhere else.
        "script" => {
            let modules: &[&str] = match page.split('-').next() {
                Some("hand") => &["site.js", "hand-in.js"],
                Some("follow") => &["site.js", "follow.js"],
                Some("verify") => &["site.js", "check/page.js"],
                Some("console") if page.starts_with("console-outside") => &["site.js", "console/outside.js"],
                Some("console") => &[
                    "console/sign-in.js",
                    "console/desk.js",
                    "console/who.js",
                    "console/write.js",
                    "console/review.js",
                    "console/cosign.js",
                    "console/devices.js",
                    "console/import.js",
                    "console/answers.js",
                    "console/letter.js",
                ],
                _ => &["site.js", "share.js"],
            };
            let known = modules.iter().any(|name| tag.get("src") == Some(super::asset(name).as_str()));
            assert!(known, "{page}: an inline script, or one that is not for this page");
        }
        "img" => assert!(tag.get("alt").is_some(), "{page}: an image without alt"),
        "button" | "a" => assert!(tag.attributes.iter().all(|(key, _)| *key != "tabindex"), "{page}: tabindex"),
        _ => {}
    }
}

fn check_page(page: &str, html: &str) {
    let tags = tags(page, html);
    for tag in &tags {
        check_tag(page, tag);
    }
    let mut ids = HashSet::new();
    for id in tags.iter().filter_map(|tag| tag.get("id")) {
        assert!(ids.insert(id), "{page}: id {id:?} twice");
    }
    let labels: HashSet<&str> = tags.iter().filter_map(|tag| tag.get("for")).collect();
    assert!(labels.iter().all(|target| ids.contains(target)), "{page}: a label for nothing");
    let seen = |tag: &&Tag<'_>| tag.get("type") != Some("hidden");
    for tag in tags.iter().filter(|tag| ["input", "select", "progress"].contains(&tag.name)).filter(seen) {
        assert!(
            tag.get("aria-label").is_some() || tag.get("id").is_some_and(|id| labels.contains(id)),
            "{page}: a <{}> without label",
            tag.name
        );
    }
    let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
    let own_titles = html.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next());
    let titles = count("title") - own_titles.map(|drawing| drawing.matches("<title").count()).sum::<usize>();
    assert_eq!((titles, count("h1"), count("main")), (1, 1, 1), "{page}: title, h1 and main stand once each");
    check_drawings(page, html, &tags, &ids);
    assert_eq!(tags[0].get("lang"), Some("zh-CN"), "{page}: language");
    assert!(!html.contains("<title> ·") && !html.contains("{%") && !html.contains("{#"), "{page}: a placeholder");
}

/// A drawing is an image with a name and a description, and is followed by its table.
fn check_drawings(page: &str, html: &str, tags: &[Tag<'_>], ids: &HashSet<&str>) {
    for tag in tags.iter().filter(|tag| tag.name == "svg") {
        assert_eq!(tag.get("role"), Some("img"), "{page}: a drawing that is no image");
        let named = tag.get("aria-labelledby").unwrap_or_default();
        assert!(named.split(' ').count() == 2 && named.split(' ').all(|id| ids.contains(id)), "{page}: {named:?}");
    }
    for rest in html.split("<svg").skip(1) {
        let figure = rest.split("</figure>").next().unwrap_or_default();
        assert!(figure.contains("<table>") && figure.contains("</table>"), "{page}: a drawing without its table");
    }
}

#[test]
fn every_page_is_balanced_labelled_and_without_inline_code() {
    for (page, html) in samples() {
        assert!(!html.contains("{{"), "{page}: a placeholder");
        check_page(page, &html);
    }
}

#[test]
fn the_checker_refuses_what_it_should() {
    let fails = |html: &str| std::panic::catch_unwind(|| check_page("bad", html)).is_err();
    let good =
        "<!doctype html><html lang=\"zh-CN\"><head><title>a</title></head><body><main><h1>a</h1></main></body></html>";
    assert!(!fails(good));
    for bad in [
        good.replace("</h1>", ""),
        good.replace("<h1>", "<h1 style=\"color:red\">"),
        good.replace("<h1>", "<h1 onclick=\"a()\">"),
        good.replace("zh-CN", "en"),
        good.replace("<main>", "<main><script>a()</script>"),
        good.replace("<main>", "<main><img src=\"/a.png\">"),
        good.replace("<main>", "<main><a href=\"https://example.com\">a</a>"),
        good.replace("<main>", "<main><input name=\"q\">"),
        good.replace("<main>", "<main><svg></svg>"),
        good.replace(
            "<main>",
            "<main><svg role=\"img\" aria-labelledby=\"t d\"><title id=\"t\"></title><desc id=\"d\"></desc></svg>",
        ),
    ] {
        assert!(fails(&bad), "accepted {bad}");
    }
}

fn hostile() -> Shown {
    Shown::of(HOSTILE)
}

fn hostile_item(item: &mut Item) {
    item.title = hostile();
    item.kind = HOSTILE.into();
    item.org = HOSTILE.into();
    item.remark = HOSTILE.into();
}

fn html(page: &impl Page) -> String {
    page.render().expect("a hostile value is still a value")
}

#[test]
fn a_value_never_becomes_markup() {
    let mut pledge = super::pledge::PledgePage::sample();
    pledge.item = hostile();
    pledge.pledger = hostile();
    pledge.pledger_role = HOSTILE.into();
    pledge.phone = Some(HOSTILE.into());
    for event in &mut pledge.history {
        event.kind = HOSTILE.into();
        event.rows.push(Row { label: HOSTILE.into(), value: hostile() });
        event.diffs = vec![Diff {
            label: HOSTILE.into(),
            segments: vec![Segment::Deleted(HOSTILE.into()), Segment::Inserted(HOSTILE.into())],
        }];
        event.attachments.iter_mut().for_each(|file| file.name = hostile());
        event.signers.iter_mut().for_each(|signer| signer.holder = HOSTILE.into());
    }
    pledge.check.signatures[0].key = HOSTILE.into();
    let mut search = super::search::SearchPage::sample();
    search.query = HOSTILE.into();
    search.filters.query = Some(HOSTILE.into());
    for hit in &mut search.hits {
        hostile_item(&mut hit.item);
        hit.title = vec![Piece { text: HOSTILE.into(), hit: true }, Piece { text: HOSTILE.into(), hit: false }];
        hit.snippet = hit.title.clone();
    }
    let mut home = super::home::HomePage::sample();
    home.latest.iter_mut().for_each(hostile_item);
    home.site.name = HOSTILE.into();
    let mut disclosure = super::disclosure::DisclosurePage::sample();
    disclosure.name = hostile();
    for line in &mut disclosure.finances[0].lines {
        line.summary = hostile();
        line.voucher = HOSTILE.into();
        line.counterparty = Some(hostile());
    }
    disclosure.questions[0].topic = hostile();
    disclosure.corrections[0].new = hostile();
    let mut entry = super::entry::EntryPage::sample();
    entry.raw = HOSTILE.into();
    entry.openings.iter_mut().for_each(|row| row.value = hostile());
    let mut notice = super::notice::NoticePage::sample();
    notice.text = hostile();
    let problem = super::problem::ProblemPage { detail: HOSTILE.into(), ..super::problem::ProblemPage::sample() };

    for (name, html) in [
        ("pledge", html(&pledge)),
        ("search", html(&search)),
        ("home", html(&home)),
        ("disclosure", html(&disclosure)),
        ("entry", html(&entry)),
        ("notice", html(&notice)),
        ("problem", html(&problem)),
    ] {
        assert!(html.contains("&#60;script&#62;alert(1)"), "{name}: the value is not on the page");
        assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{name}: a value became markup");
        tags(name, &html).iter().filter(|tag| tag.get("href") != Some("/assets/site.css")).for_each(|tag| {
            assert!(
                tag.get("onerror").is_none() && tag.get("onclick").is_none(),
                "{name}: a value became an attribute"
            );
        });
    }
}

#[test]
fn no_template_switches_escaping_off() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut seen = 0;
    for file in fs::read_dir(&folder).expect("the templates are beside the sources") {
        let path = file.expect("a readable folder").path();
        let text = fs::read_to_string(&path).expect("a readable template");
        assert!(
            !text.contains("|safe") && !text.contains("| safe") && !text.contains("autoescape"),
            "{}",
            path.display()
        );
        seen += 1;
    }
    assert!(seen > 20, "only {seen} templates were found");
}

#[test]
fn the_style_sheet_is_small_and_loads_nothing() {
    assert!(CSS.len() <= CSS_BYTES_MAX, "{} bytes", CSS.len());
    assert!(!CSS.contains("url(") && !CSS.contains("@import"));
}
