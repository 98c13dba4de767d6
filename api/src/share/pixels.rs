//! Black pixels on white, and their PNG: what the server draws by itself, because a receipt has to be an image in a chat
//! app's browser, with scripts or without, in whatever fonts that phone has.
//!
//! Letters are those of GNU Unifont (SIL OFL 1.1, by the crate `unifont`): sixteen pixels high, the whole Basic Multilingual
//! Plane, drawn two or more times as large. A character that the font does not have is a box. Not here: what is drawn
//! ([`super::receipt`]), and the picture for groups, which is an SVG ([`super::picture`]).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use unifont::Glyph;

use super::qr::Qr;

/// Height of a letter, and width of a Chinese one, before it is enlarged.
pub const EM: usize = 16;

/// Stands for what the font has not.
const MISSING: char = '□';

/// A picture of black and white.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canvas {
    width: usize,
    /// Row by row; true is black.
    pixels: Vec<bool>,
}

impl Canvas {
    /// An empty one of this width; it grows downwards.
    pub fn new(width: usize) -> Self {
        Self { width, pixels: Vec::new() }
    }

    /// Rows so far.
    pub fn height(&self) -> usize {
        self.pixels.len() / self.width
    }

    /// Makes it at least so many rows high.
    pub fn grow(&mut self, height: usize) {
        if height > self.height() {
            self.pixels.resize(height * self.width, false);
        }
    }

    /// A black rectangle, as far as it is inside.
    pub fn fill(&mut self, left: usize, top: usize, width: usize, height: usize) {
        self.grow(top + height);
        let (from, to) = (left.min(self.width), (left + width).min(self.width));
        for row in top..top + height {
            self.pixels[row * self.width + from..row * self.width + to].fill(true);
        }
    }

    /// A line of text from its upper left corner, each pixel `scale` wide; what does not fit is not drawn.
    pub fn text(&mut self, left: usize, top: usize, scale: usize, text: &str) {
        self.grow(top + EM * scale);
        let mut x = left;
        for glyph in text.chars().filter_map(glyph) {
            let width = glyph.get_width();
            if x + width * scale > self.width {
                break;
            }
            for (column, row) in (0..width).flat_map(|column| (0..EM).map(move |row| (column, row))) {
                if glyph.get_pixel(column, row) {
                    self.fill(x + column * scale, top + row * scale, scale, scale);
                }
            }
            x += width * scale;
        }
    }

    /// A code with its quiet edge, each module `scale` wide.
    pub fn code(&mut self, left: usize, top: usize, scale: usize, code: &Qr) {
        let quiet = (code.side() - code.width) / 2;
        self.grow(top + code.side() * scale);
        for (row, modules) in code.modules.chunks(code.width).enumerate() {
            for (column, _) in modules.iter().enumerate().filter(|(_, black)| **black) {
                self.fill(left + (column + quiet) * scale, top + (row + quiet) * scale, scale, scale);
            }
        }
    }

    /// The image (ISO/IEC 15948): one bit a pixel, no time, no program's name.
    pub fn png(&self) -> Vec<u8> {
        let mut rows = Vec::with_capacity(self.pixels.len() / 8 + 2 * self.height());
        for row in self.pixels.chunks(self.width) {
            rows.push(0); // no filter
            rows.extend(row.chunks(8).map(|eight| {
                let bits = eight.iter().enumerate().filter(|(_, black)| !**black);
                bits.fold(0_u8, |byte, (place, _)| byte | 0x80 >> place)
            }));
        }
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX).to_be_bytes();
        // One bit a pixel, grey, deflate, filters by row, not interlaced.
        let header = [&side(self.width)[..], &side(self.height())[..], &[1, 0, 0, 0, 0][..]].concat();
        chunk(&mut png, *b"IHDR", &header);
        chunk(&mut png, *b"IDAT", &deflated(&rows));
        chunk(&mut png, *b"IEND", &[]);
        png
    }
}

fn glyph(char: char) -> Option<&'static Glyph> {
    unifont::get_glyph(char).or_else(|| unifont::get_glyph(MISSING))
}

/// Width of a text in pixels, before it is enlarged.
pub fn width(text: &str) -> usize {
    text.chars().filter_map(glyph).map(Glyph::get_width).sum()
}

/// Lines of at most `room` pixels, before they are enlarged.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let (mut line, mut left) = (String::new(), room);
        for char in paragraph.chars().filter(|char| !char.is_control()) {
            let width = glyph(char).map_or(0, Glyph::get_width);
            if width > left {
                lines.push(std::mem::take(&mut line));
                left = room;
            }
            left = left.saturating_sub(width);
            line.push(char);
        }
        lines.push(line);
    }
    lines
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    // Into memory, where nothing fails.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

fn chunk(png: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    png.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    png.extend(name);
    png.extend(data);
    let mut crc = flate2::Crc::new();
    crc.update(&name);
    crc.update(data);
    png.extend(crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn chunks(png: &[u8]) -> Vec<(&[u8], &[u8])> {
        let (mut rest, mut found) = (&png[8..], Vec::new());
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            found.push((&after[..4], &after[4..4 + length]));
            let mut crc = flate2::Crc::new();
            crc.update(&after[..4 + length]);
            assert_eq!(crc.sum().to_be_bytes(), after[4 + length..8 + length], "a chunk's sum");
            rest = &after[8 + length..];
        }
        found
    }

    #[test]
    fn a_png_has_a_header_pixels_and_an_end_and_gives_the_pixels_back() {
        let mut canvas = Canvas::new(20);
        canvas.fill(0, 0, 3, 1);
        canvas.fill(19, 1, 9, 1);
        let png = canvas.png();
        let chunks = chunks(&png);
        assert_eq!(chunks.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [b"IHDR", b"IDAT", b"IEND"]);
        assert_eq!(chunks[0].1, [0, 0, 0, 20, 0, 0, 0, 2, 1, 0, 0, 0, 0]);
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(chunks[1].1).read_to_end(&mut rows).unwrap();
        assert_eq!(rows, [0, 0b0001_1111, 0xff, 0b1111_0000, 0, 0xff, 0xff, 0b1110_0000]);
    }

    #[test]
    fn every_character_has_a_shape_and_chinese_is_twice_as_wide() {
        for text in ["回执", "№", "查询码", "７", "0A-", "\u{1f6a6}"] {
            assert!(text.chars().all(|char| glyph(char).is_some()), "{text}");
        }
        assert_eq!((width("回执"), width("7K2M-")), (32, 40));
        let mut canvas = Canvas::new(40);
        canvas.text(0, 0, 1, "回执码");
        assert!(canvas.pixels.chunks(40).any(|row| row[16..32].contains(&true)));
        assert!(canvas.pixels.chunks(40).all(|row| !row[32..].contains(&true)), "what does not fit is not cut in two");
    }

    #[test]
    fn lines_are_no_wider_than_the_room() {
        let text = "向五里桥村询问 2026年2月财务收支明细 第8行\n应在3月20日前答复";
        let lines = wrap(text, 160);
        assert!(lines.len() > 3 && lines.iter().all(|line| width(line) <= 160), "{lines:?}");
        assert_eq!(lines.concat(), text.replace('\n', ""));
    }
}
