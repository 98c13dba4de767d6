//! The layout of the picture for chat groups: a title, sums, the largest items, the code to scan, one below the other.
//!
//! It is an image of its own (SVG) in the fonts of whoever looks at it, so nothing is drawn on the server and no font is
//! shipped. Lines are broken here by estimated widths: a Chinese character is one em, a Latin one at most seven tenths.
//! Not here: its markup (`site::share`, which escapes what it shows) and turning it into pixels (`share.js`).

/// Width of the picture, in its own units.
pub const WIDTH: u32 = 750;

/// Left and right edge.
pub const MARGIN: u32 = 50;

/// Lines of a title; the rest is left out behind an ellipsis.
const TITLE_LINES_MAX: usize = 4;

/// What is never last on a line.
const OPENING: &str = "(（《“〈[";

/// Side of the code.
const CODE_SIDE: u32 = 200;

/// What the picture says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Name of the ledger.
    pub site: String,
    /// Family and organization.
    pub above: String,
    /// Title.
    pub title: String,
    /// Blocks of labelled values, each with a heading; an empty heading is none.
    pub blocks: Vec<Block>,
    /// When it was recorded and under which number.
    pub recorded: String,
    /// The short address.
    pub address: String,
}

/// A block of labelled values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Heading; empty for none.
    pub heading: String,
    /// Label and value.
    pub rows: Vec<(String, String)>,
}

/// A line of text with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Baseline.
    pub y: u32,
    /// Size of the letters.
    pub size: u32,
    /// The text.
    pub text: String,
    /// What stands at the right edge of the same line; empty for nothing.
    pub right: String,
    /// Whether it stands out.
    pub bold: bool,
    /// Whether it stands back.
    pub faint: bool,
}

/// Everything with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Height of the picture.
    pub height: u32,
    /// Lines from the top.
    pub lines: Vec<Line>,
    /// Where a rule is drawn.
    pub rules: Vec<u32>,
    /// Top of the code.
    pub code_top: u32,
    /// Side of the code.
    pub code_side: u32,
}

/// Puts the facts below each other.
pub fn layout(facts: &Facts) -> Layout {
    let mut pen = Pen { y: 40, lines: Vec::new(), rules: Vec::new() };
    pen.text(&facts.site, 26, Weight::Faint, 1);
    pen.text(&facts.above, 28, Weight::Faint, 2);
    pen.text(&facts.title, 44, Weight::Bold, TITLE_LINES_MAX);
    for block in facts.blocks.iter().filter(|block| !block.rows.is_empty()) {
        pen.rule();
        if !block.heading.is_empty() {
            pen.text(&block.heading, 28, Weight::Faint, 1);
        }
        for (label, value) in &block.rows {
            pen.pair(label, value);
        }
    }
    pen.rule();
    let code_top = pen.y + 10;
    let beside = [facts.recorded.as_str(), "扫码看原文，也可以照着地址输入", "记上以后，谁也改不了"];
    pen.y += 20;
    for text in beside {
        // Beside the code there is less room.
        let room = WIDTH - 2 * MARGIN - CODE_SIDE - 30;
        for line in wrap(text, em(26, room), 2) {
            pen.line(26, line, String::new(), Weight::Plain);
        }
    }
    pen.y = pen.y.max(code_top + CODE_SIDE) + 10;
    pen.text(&facts.address, 26, Weight::Faint, 3);
    Layout { height: pen.y + 30, lines: pen.lines, rules: pen.rules, code_top, code_side: CODE_SIDE }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Plain,
    Bold,
    Faint,
}

struct Pen {
    y: u32,
    lines: Vec<Line>,
    rules: Vec<u32>,
}

impl Pen {
    fn line(&mut self, size: u32, text: String, right: String, weight: Weight) {
        self.y += size * 3 / 2;
        let (bold, faint) = (weight == Weight::Bold, weight == Weight::Faint);
        self.lines.push(Line { y: self.y, size, text, right, bold, faint });
    }

    fn text(&mut self, text: &str, size: u32, weight: Weight, lines: usize) {
        for line in wrap(text, em(size, WIDTH - 2 * MARGIN), lines) {
            self.line(size, line, String::new(), weight);
        }
    }

    /// Label and value on one line, or below each other where both do not fit.
    fn pair(&mut self, label: &str, value: &str) {
        const SIZE: u32 = 32;
        let room = em(SIZE, WIDTH - 2 * MARGIN);
        if width(label) + width(value) + 10 <= room {
            self.line(SIZE, clean(label), clean(value), Weight::Plain);
        } else {
            self.text(label, SIZE, Weight::Plain, 2);
            self.line(SIZE, String::new(), wrap(value, room, 1).concat(), Weight::Plain);
        }
    }

    fn rule(&mut self) {
        self.y += 24;
        self.rules.push(self.y);
        self.y += 6;
    }
}

/// Room in tenths of an em.
fn em(size: u32, room: u32) -> u32 {
    room * 10 / size
}

/// Estimated width in tenths of an em.
fn width(text: &str) -> u32 {
    text.chars().map(char_width).sum()
}

fn char_width(char: char) -> u32 {
    if char.is_ascii() { 7 } else { 10 }
}

/// Without characters that no XML document may hold.
fn clean(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() && !matches!(char, '\u{fffe}' | '\u{ffff}')).collect()
}

/// Lines of at most `room`; what is left over after the last one is replaced by an ellipsis.
fn wrap(text: &str, room: u32, lines_max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut left = room;
    for char in clean(text).chars() {
        let width = char_width(char);
        if width > left {
            if lines.len() == lines_max {
                if let Some(last) = lines.last_mut() {
                    last.pop();
                    last.push('…');
                }
                break;
            }
            // A bracket opens what stands on the next line.
            let carried = lines
                .last_mut()
                .and_then(|last| last.ends_with(|char| OPENING.contains(char)).then(|| last.pop()).flatten());
            lines.push(String::from_iter(carried));
            left = room.saturating_sub(carried.map_or(0, char_width));
        }
        left = left.saturating_sub(width);
        if let Some(last) = lines.last_mut() {
            last.push(char);
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let rows =
            |rows: &[(&str, &str)]| rows.iter().map(|(label, value)| ((*label).into(), (*value).into())).collect();
        Facts {
            site: "清溪县公开账本".into(),
            above: "三务公开 · 五里桥村".into(),
            title: "2026年2月财务收支明细".into(),
            blocks: vec![
                Block {
                    heading: String::new(), rows: rows(&[("收入", "52,318.26 元"), ("支出", "18,081.36 元")])
                },
                Block { heading: "花得最多的三项".into(), rows: rows(&[("干部报酬", "9,600.00 元")]) },
            ],
            recorded: "2026年3月12日入账，№1310".into(),
            address: "https://gongkai.example/n/1310".into(),
        }
    }

    #[test]
    fn everything_stands_below_the_other_and_inside_the_picture() {
        let mut long = facts();
        long.title = "很长的标题".repeat(40);
        long.address = format!("https://{}/n/1310", "a".repeat(90));
        long.blocks[0].rows.push(("很长的名称".repeat(9), "1,234,567,890.00 元".into()));
        for facts in [facts(), long] {
            let layout = layout(&facts);
            assert!(layout.lines.windows(2).all(|pair| pair[0].y < pair[1].y), "{layout:?}");
            assert!(layout.lines.iter().all(|line| line.y < layout.height));
            assert!(layout.code_top + layout.code_side < layout.height);
            for line in &layout.lines {
                let used = width(&line.text) + width(&line.right);
                assert!(used * line.size <= (WIDTH - 2 * MARGIN) * 10, "{line:?} is wider than the picture");
            }
        }
    }

    #[test]
    fn the_address_is_whole_and_a_long_title_says_that_it_goes_on() {
        let said: Vec<Line> = layout(&facts()).lines;
        assert_eq!(said.last().map(|line| line.text.as_str()), Some("https://gongkai.example/n/1310"));
        assert!(said.iter().any(|line| line.text == "支出" && line.right == "18,081.36 元"));
        assert_eq!(wrap("一二三四五六七", 30, 2), ["一二三", "四五…"]);
        assert_eq!(wrap("一二(三四)", 30, 2), ["一二", "(三…"]);
        assert_eq!(wrap("一二\u{7}三", 30, 2), ["一二三"]);
    }
}
