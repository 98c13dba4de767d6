//! The public site in English.
//!
//! Chinese is the master: templates and view structs know no other language. A rendered page is translated as a whole
//! ([`page`]), by a catalogue in which the Chinese sentence is the name of the message (`words/*.txt`, read by
//! [`catalogue`]). What people published (names, titles, texts, figures) is not in the catalogue and stays as it is,
//! marked `lang="zh-CN"`; `recorded` says where a page holds such texts, so that a title that happens to read like a
//! label stays too. Dates become English ones (`dates`), numbers stay. The site's scripts have their sentences replaced
//! the same way (`script`).
//!
//! Not here: which language a reader gets (`http::language`); the console, pictures and whatever is printed for a wall
//! stay Chinese.
//!
//! To add a sentence: write it in Chinese where it belongs, and its English below it in one of `words/*.txt`. The tests
//! read templates, view code and the tables of the domain and name every sentence that has no English. A page that shows
//! what people published in a new place marks it with `lang="zh-CN"` in its template, or shows it as a `Shown`. A page
//! that has to stay Chinese says `<html lang="zh-CN" translate="no">`.

pub mod catalogue;
mod dates;
mod page;
mod recorded;
mod script;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub use tests::left;

use std::borrow::Cow;
use std::sync::LazyLock;

use catalogue::{Asked, Catalogue};

use super::{ASSETS, Asset};

/// Where English copies of scripts are, below `/assets/`.
pub const FOLDER: &str = "en/";

const WORDS: [&str; 10] = [
    include_str!("words/frame.txt"),
    include_str!("words/matters.txt"),
    include_str!("words/sheets.txt"),
    include_str!("words/places.txt"),
    include_str!("words/hand_in.txt"),
    include_str!("words/problems.txt"),
    include_str!("words/kinds.txt"),
    include_str!("words/fields.txt"),
    include_str!("words/steps.txt"),
    include_str!("words/watched.txt"),
];

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::parse(&WORDS));

/// What only scripts say: their sentences have wider holes than a page could bear.
static SPOKEN: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::parse(&[include_str!("words/scripts.txt")]));

/// The scripts, with English sentences; what is not a script is not here.
static SCRIPTS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let scripts = ASSETS
        .iter()
        .filter(|asset| asset.media_type.starts_with("text/javascript") && !asset.name.starts_with("console/"));
    let english = |asset: &Asset| {
        let is_ours = !asset.name.starts_with("vendor/");
        let content = if is_ours { Cow::Owned(script::english(&asset.content)) } else { asset.content.clone() };
        Asset::new(asset.name, asset.media_type, content)
    };
    scripts.map(english).collect()
});

/// A rendered page in English; a page that says `translate="no"` stays as it is.
pub fn page(html: &str) -> String {
    page::english(html)
}

/// A sentence in English, or as it is.
pub fn sentence(chinese: &str) -> Cow<'_, str> {
    let english =
        english_of(Asked { text: chinese, after_one: false, within: "", escape: |text, out| out.push_str(text) });
    english.map_or(Cow::Borrowed(chinese), Cow::Owned)
}

/// The English copy of a script.
pub fn script(name: &str) -> Option<&'static Asset> {
    SCRIPTS.iter().find(|script| script.name == name)
}

fn english_of(asked: Asked<'_>) -> Option<String> {
    CATALOGUE.english(asked)
}

/// Whether a text holds Chinese characters, not only Chinese punctuation.
pub fn has_chinese(text: &str) -> bool {
    // Every character from U+3400 to U+9FFF starts with one of these bytes; few texts on a page get past this line.
    text.bytes().any(|byte| (0xe3..=0xe9).contains(&byte)) && text.chars().any(is_chinese)
}

fn is_chinese(char: char) -> bool {
    matches!(char, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}
