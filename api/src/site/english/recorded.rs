//! Where a page holds what people published.
//!
//! Such texts stay as they are, also when they read like a message of ours. They are known by their place: a `Shown` is
//! always in `class="text"`, the names of organizations are links to them, and the rest is in elements of these classes.
//! A template can say the same of any element with `lang="zh-CN"`.
//!
//! The values of a field that has choices, dates or numbers are ours, not free texts: `is_free` knows by the field's label.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use gongkai_domain::field::{Field, Shape};
use gongkai_domain::kind::{FAMILIES, KINDS};

/// Classes of elements whose text was published by somebody.
const CLASSES: [&str; 8] = ["text", "title", "snip", "raw", "say", "script", "diff", "addr"];
/// Classes of elements within those that are ours again.
const OURS: [&str; 4] = ["sr", "k", "badge", "tomb"];
/// Elements whose text is never translated.
const ELEMENTS: [&str; 5] = ["script", "style", "pre", "code", "textarea"];

/// What is known of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As around it.
    Same,
    /// What people published.
    Recorded,
    /// Ours.
    Ours,
}

/// The place that an opening tag begins.
pub fn place(element: &str, class: Option<&str>, lang: Option<&str>, href: Option<&str>) -> Place {
    if element != "html" && lang == Some("zh-CN") || ELEMENTS.contains(&element) {
        return Place::Recorded;
    }
    if element == "a" && href.is_some_and(|href| href.starts_with("/organizations/") && !href.contains('#')) {
        return Place::Recorded;
    }
    let mut classes = class.unwrap_or_default().split_ascii_whitespace();
    match classes.find_map(|class| {
        let ours = OURS.contains(&class).then_some(Place::Ours);
        ours.or_else(|| CLASSES.contains(&class).then_some(Place::Recorded))
    }) {
        Some(place) => place,
        None if element == "small" => Place::Ours,
        None => Place::Same,
    }
}

/// Whether a text in the place of a published one is ours after all: what a question is about and somebody's sex are
/// chosen from a list, and what has no title of its own is called by what it is.
pub fn is_made(element: &str, text: &str) -> bool {
    let chosen = |label: &str, text: &str| LABELS.1.get(label).is_some_and(|choices| choices.contains(text));
    match element {
        "h3" => chosen("询问事项", text.strip_prefix("质询：").unwrap_or(text)),
        "p" => chosen("性别", text),
        "h1" => is_untitled(text),
        "a" => is_made_title(text),
        _ => false,
    }
}

/// A kind whose matters have no titles.
fn is_untitled(label: &str) -> bool {
    KINDS.iter().any(|kind| kind.label == label && kind.fields.iter().all(|field| field.name != "title"))
}

/// In lists: `督办登记`, `2026年10月财务收支`, `关于凭证的询问`, `发布公示公告：撤下一处内容`.
fn is_made_title(title: &str) -> bool {
    title.strip_suffix("登记").is_some_and(|family| FAMILIES.iter().any(|(_, label)| *label == family))
        || title.strip_suffix("月财务收支").is_some_and(|month| month.starts_with("20") && month.chars().count() <= 7)
        || title
            .strip_prefix("关于")
            .and_then(|rest| rest.strip_suffix("的询问"))
            .is_some_and(|topic| is_made("h3", topic))
        || title.strip_suffix("：撤下一处内容").is_some_and(|label| KINDS.iter().any(|kind| kind.label == label))
}

/// Whether a value below that label is a text that somebody wrote; the label's choices, and fields without free text, are ours.
pub fn is_free(label: &str, value: &str) -> bool {
    let (free, chosen) = &*LABELS;
    free.contains(label) && !chosen.get(label).is_some_and(|choices| choices.contains(value))
}

type Labels = (BTreeSet<&'static str>, BTreeMap<&'static str, BTreeSet<&'static str>>);

static LABELS: LazyLock<Labels> = LazyLock::new(|| {
    let mut labels = Labels::default();
    for kind in KINDS {
        kind.fields.iter().for_each(|field| note(field, &mut labels));
        for shape in kind.list.shapes() {
            shape.columns.iter().for_each(|column| one(column.label, column.shape, &mut labels));
        }
    }
    labels
});

fn note(field: &Field, labels: &mut Labels) {
    one(field.label, field.shape, labels);
    if let Shape::Records(members) = field.shape {
        for member in members {
            note(member, labels);
        }
    }
}

fn one(label: &'static str, shape: Shape, (free, chosen): &mut Labels) {
    match shape {
        Shape::Text(_) | Shape::Texts(_) | Shape::Org | Shape::Orgs | Shape::Link(_) | Shape::Stream => {
            free.insert(label);
        }
        Shape::Choice(choices) => chosen.entry(label).or_default().extend(choices.iter().map(|(_, label)| *label)),
        _ => {}
    }
}
