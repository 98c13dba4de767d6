//! Pages that fill from the top: what is drawn where, and when a new page begins.
//!
//! Measured in points from the upper left corner. Sizes are given for A4 and grow with the sheet ([`Flow::scale`]).

use super::font::{Cut, Glyphs};
use super::lines;
use crate::share::qr::Qr;

/// Something on a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A line of text.
    Text {
        /// Left end.
        x: f32,
        /// Baseline.
        y: f32,
        /// Size.
        size: f32,
        /// Face.
        cut: Cut,
        /// The words.
        text: String,
    },
    /// A filled rectangle: rules, and grounds behind heads.
    Fill {
        /// Left edge.
        x: f32,
        /// Upper edge.
        y: f32,
        /// Width.
        width: f32,
        /// Height.
        height: f32,
        /// 0 is black, 1 white.
        gray: f32,
    },
    /// A code to scan, without its quiet edge.
    Code {
        /// Left edge.
        x: f32,
        /// Upper edge.
        y: f32,
        /// Width and height.
        side: f32,
        /// The code.
        code: Qr,
    },
}

/// A page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// In the order of reading.
    pub items: Vec<Item>,
}

/// How a text is set, for A4.
#[derive(Debug, Clone, Copy)]
pub struct Type {
    /// Size in points.
    pub size: f32,
    /// Distance of lines, in sizes.
    pub leading: f32,
    /// Face.
    pub cut: Cut,
}

/// From the top of a line to its baseline, in sizes: Chinese characters fill their square.
const ASCENT: f32 = 0.88;
/// Margin at each side, for A4.
const MARGIN: f32 = 40.0;
/// Room at the foot of each page for what stands there, for A4.
const FOOT: f32 = 26.0;
/// Room at the head of the second and later pages, for A4.
const HEAD: f32 = 22.0;
/// The head of later pages.
const RUNNING: Type = Type { size: 8.5, leading: 1.4, cut: Cut::Regular };
/// Most lines of a title on later pages.
const RUNNING_LINES_MAX: usize = 1;

/// The pages while they fill.
pub struct Flow<'a, 'f> {
    /// The characters.
    pub glyphs: &'a Glyphs<'f>,
    /// Width and height of a page.
    pub sheet: (f32, f32),
    /// How much larger than for A4 everything is.
    pub scale: f32,
    /// Height that is used on the last page.
    pub y: f32,
    /// The pages.
    pub pages: Vec<Page>,
    running: String,
}

impl<'a, 'f> Flow<'a, 'f> {
    /// One empty page; `running` stands at the head of those that follow.
    pub fn new(sheet: (f32, f32), scale: f32, running: &str, glyphs: &'a Glyphs<'f>) -> Self {
        let running = running.to_owned();
        Self { glyphs, sheet, scale, y: MARGIN * scale, pages: vec![Page::default()], running }
    }

    /// Left edge of what is written.
    pub fn left(&self) -> f32 {
        MARGIN * self.scale
    }

    /// Width of what is written.
    pub fn width(&self) -> f32 {
        self.sheet.0 - 2.0 * self.left()
    }

    /// Lower edge of what is written.
    pub fn bottom(&self) -> f32 {
        self.sheet.1 - (MARGIN + FOOT) * self.scale
    }

    /// Height that is left on this page.
    pub fn room(&self) -> f32 {
        self.bottom() - self.y
    }

    /// Height of an empty later page.
    pub fn whole(&self) -> f32 {
        self.bottom() - (MARGIN + HEAD) * self.scale
    }

    /// Leaves so much empty.
    pub fn skip(&mut self, points: f32) {
        self.y += points * self.scale;
    }

    /// Begins a page, unless there is room for this height on the current one. Gives whether it did.
    pub fn need(&mut self, height: f32) -> bool {
        let turns = height > self.room();
        if turns {
            self.turn();
        }
        turns
    }

    fn turn(&mut self) {
        self.pages.push(Page::default());
        self.y = MARGIN * self.scale;
        let running = self.running.clone();
        let width = self.width();
        let shown = self.wrapped(&running, RUNNING, width);
        for line in shown.into_iter().take(RUNNING_LINES_MAX) {
            self.put(self.left(), self.y, RUNNING, line);
        }
        self.rule(self.y + RUNNING.size * RUNNING.leading * self.scale);
        self.y += HEAD * self.scale;
    }

    /// Adds something to the current page.
    pub fn add(&mut self, item: Item) {
        if let Some(page) = self.pages.last_mut() {
            page.items.push(item);
        }
    }

    /// A thin rule over the whole width.
    pub fn rule(&mut self, y: f32) {
        let (x, width, height) = (self.left(), self.width(), 0.6 * self.scale);
        self.add(Item::Fill { x, y, width, height, gray: 0.35 });
    }

    /// A line of text whose top is at `y`.
    pub fn put(&mut self, x: f32, y: f32, style: Type, text: String) {
        if text.is_empty() {
            return;
        }
        // Whoever puts what nobody measured has its characters looked up all the same.
        self.glyphs.width(style.cut, &text);
        let size = style.size * self.scale;
        // Half of the leading is above the line.
        let above = (style.leading - 1.0) * size / 2.0;
        self.add(Item::Text { x, y: y + above + ASCENT * size, size, cut: style.cut, text });
    }

    /// Height of a line.
    pub fn line(&self, style: Type) -> f32 {
        style.size * style.leading * self.scale
    }

    /// Width of a text of one line.
    pub fn measure(&self, text: &str, style: Type) -> f32 {
        self.glyphs.width(style.cut, text) * style.size * self.scale
    }

    /// The lines of a text in a width.
    pub fn wrapped(&self, text: &str, style: Type, width: f32) -> Vec<String> {
        lines::wrap(text, width / (style.size * self.scale), style.cut, self.glyphs)
    }

    /// Running text over the whole width, page after page.
    pub fn run(&mut self, text: &str, style: Type) {
        let height = self.line(style);
        for line in self.wrapped(text, style, self.width()) {
            self.need(height);
            self.put(self.left(), self.y, style, line);
            self.y += height;
        }
    }
}
