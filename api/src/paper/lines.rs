//! Running text cut into lines: by the line breaking of Unicode (UAX #14), so that no line begins with a closing mark and
//! no number is torn; what is too long for a line all the same is cut where it must be.

use unicode_linebreak::linebreaks;

use super::font::{Cut, Glyphs};

/// A space of Chinese text, as wide as a character.
const WIDE_SPACE: char = '\u{3000}';

/// A tab and other white space of one line is drawn as a space; the wide one of Chinese text stays.
fn flat(text: &str) -> String {
    text.chars().map(|char| if char.is_whitespace() && char != WIDE_SPACE { ' ' } else { char }).collect()
}

/// The lines of a text in a width in ems; a line feed begins a new one. There is at least one.
pub fn wrap(text: &str, width: f32, cut: Cut, glyphs: &Glyphs<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        paragraph_lines(&flat(paragraph), width, cut, glyphs, &mut lines);
    }
    lines
}

fn paragraph_lines(text: &str, width: f32, cut: Cut, glyphs: &Glyphs<'_>, lines: &mut Vec<String>) {
    let (mut line, mut used, mut from) = (String::new(), 0.0, 0);
    for (to, _) in linebreaks(text) {
        let piece = &text[from..to];
        from = to;
        // A space at the end of a line takes no room.
        let bare = glyphs.width(cut, piece.trim_end());
        if used + bare > width && !line.is_empty() {
            push(&mut line, lines);
            used = 0.0;
        }
        if bare > width {
            used = cut_hard(piece, width, cut, glyphs, &mut line, lines);
        } else {
            line.push_str(piece);
            used += glyphs.width(cut, piece);
        }
    }
    push(&mut line, lines);
}

fn push(line: &mut String, lines: &mut Vec<String>) {
    let whole = std::mem::take(line);
    lines.push(whole.trim_end().to_owned());
}

/// Fills line after line, character by character; the last stays open. Gives its width.
fn cut_hard(piece: &str, width: f32, cut: Cut, glyphs: &Glyphs<'_>, line: &mut String, lines: &mut Vec<String>) -> f32 {
    let mut used = 0.0;
    for char in piece.chars() {
        let advance = glyphs.get(cut, char).advance;
        if used + advance > width && !line.is_empty() {
            push(line, lines);
            used = 0.0;
        }
        line.push(char);
        used += advance;
    }
    used
}
