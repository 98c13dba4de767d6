//! A sheet of paper for the wall: what a disclosure or a notice says, laid out on A4 or 60 × 90 cm, as a PDF.
//!
//! Everything here is a pure function of a [`Sheet`] and the bytes of a font: no view, no clock, no network. The same
//! sheet with the same font is the same file, byte for byte. What a sheet says is made from the context of its page
//! (`page`), so paper and page cannot tell different things; where it is found is `http::pages::paper`, the command is
//! `cli::print`. Not here: the pages that a browser prints (their style sheets), pictures for phones ([`crate::share`]).
//!
//! To add a part that sheets can have: a member of [`sheet::Part`], its place in `page`, and its drawing in `layout`.
//! Glyphs are set one by one as the font maps them, without shaping: right for Chinese, Latin letters and figures. A
//! character that the font lacks is told, never drawn as a box.

pub mod flow;
pub mod font;
pub mod layout;
pub mod lines;
mod page;
mod pdf;
pub mod sheet;
pub mod table;
#[cfg(test)]
mod tests;

use font::{FontError, Fonts, Glyphs};
pub use sheet::Sheet;

/// Most pages of one file: fifty thousand lines on A4.
pub const PAGES_MAX: usize = 4_000;

/// What a sheet is printed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paper {
    /// 210 × 297 mm, read in the hand and on a notice board.
    A4,
    /// 60 × 90 cm, read from two metres away.
    Wall,
}

/// Points (1/72 inch) of a millimetre.
const POINTS_PER_MM: f32 = 72.0 / 25.4;

impl Paper {
    /// Width and height in points.
    pub fn points(self) -> (f32, f32) {
        let (width_mm, height_mm) = match self {
            Self::A4 => (210.0, 297.0),
            Self::Wall => (600.0, 900.0),
        };
        (width_mm * POINTS_PER_MM, height_mm * POINTS_PER_MM)
    }

    /// Name on the command line.
    pub fn wire(self) -> &'static str {
        match self {
            Self::A4 => "a4",
            Self::Wall => "60x90",
        }
    }
}

/// Why a sheet cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// The font.
    #[error(transparent)]
    Font(#[from] FontError),
    /// Characters that the font does not have, with where the first of them stands.
    #[error("字体「{font}」没有这些字：{}（见「{place}」），没有印", said(.characters))]
    Missing {
        /// Name of the font.
        font: String,
        /// The characters, each once.
        characters: Vec<char>,
        /// The beginning of the text with the first of them.
        place: String,
    },
    /// The address makes no code.
    #[error("网址太长，做不成二维码")]
    Address,
    /// More than [`PAGES_MAX`].
    #[error("要印 {0} 页，最多 {max} 页；明细请从网页下载表格", max = PAGES_MAX)]
    Pages(usize),
}

/// Characters as people can look them up: nobody can read one that cannot be drawn.
fn said(characters: &[char]) -> String {
    let one = |character: &char| format!("{character}（U+{:04X}）", u32::from(*character));
    characters.iter().map(one).collect::<Vec<_>>().join("、")
}

/// A file that is ready to print.
#[derive(Debug)]
pub struct Printed {
    /// The PDF.
    pub bytes: Vec<u8>,
    /// How many pages it has.
    pub pages: usize,
}

/// Lays a sheet out and writes it.
///
/// # Errors
/// [`PaperError`]: nothing is written where a character would be missing.
pub fn print(sheet: &Sheet, paper: Paper, fonts: &Fonts) -> Result<Printed, PaperError> {
    let glyphs = Glyphs::of(fonts)?;
    let plan = layout::plan(sheet, paper, &glyphs)?;
    glyphs.complete()?;
    let bytes = pdf::write(sheet, &plan, fonts, &glyphs)?;
    Ok(Printed { bytes, pages: plan.pages.len() })
}
