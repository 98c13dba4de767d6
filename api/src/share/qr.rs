//! A code to scan (ISO/IEC 18004), as black and white modules, for a sheet of paper and for the picture.
//!
//! Medium error correction, because what is printed gets dirty and folded. The image for a page
//! and the part of the picture for a group are drawn by one path.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// White modules around a code, which scanners need.
const QUIET: usize = 4;

/// Longest text; more would need a code too fine for a wall.
const TEXT_BYTES_MAX: usize = 200;

/// A code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qr {
    /// Modules a side.
    pub width: usize,
    /// Row by row; true is black.
    pub modules: Vec<bool>,
}

impl Qr {
    /// The code of a text; `None` for one that is too long.
    pub fn of(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let modules = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
        Some(Self { width: code.width(), modules })
    }

    /// Units a side of what [`Self::path`] draws, with its quiet edge.
    pub fn side(&self) -> usize {
        self.width + 2 * QUIET
    }

    /// The black modules as a path, one unit each.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for (row, modules) in self.modules.chunks(self.width).enumerate() {
            for (column, _) in modules.iter().enumerate().filter(|(_, black)| **black) {
                let _ = write!(path, "M{} {}h1v1h-1z", column + QUIET, row + QUIET);
            }
        }
        path
    }

    /// An image of its own, black on white whatever the reader's colours are.
    pub fn to_svg(&self) -> String {
        let (side, path) = (self.side(), self.path());
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_finders_and_is_drawn_with_a_quiet_edge() {
        let code = Qr::of("https://gongkai.example/n/1310").unwrap();
        assert_eq!(code.modules.len(), code.width * code.width);
        let dark = |row: usize, column: usize| code.modules[row * code.width + column];
        let last = code.width - 1;
        for (row, column) in [(0, 0), (0, last - 6), (last - 6, 0)] {
            // A ring of dark modules, a ring of light ones, a dark heart.
            assert!((0..7).all(|at| dark(row, column + at) && dark(row + 6, column + at)));
            assert!((1..6).all(|at| !dark(row + 1, column + at)) && dark(row + 3, column + 3));
        }
        let svg = code.to_svg();
        assert!(
            svg.contains(&format!("viewBox=\"0 0 {0} {0}\"", code.width + 8)) && svg.contains("M4 4h1v1h-1z"),
            "{svg}"
        );
        assert_eq!(svg.matches("h1v1h-1z").count(), code.modules.iter().filter(|black| **black).count());
    }

    #[test]
    fn a_scanner_reads_the_address_from_what_is_drawn() {
        const PIXELS: usize = 4;
        for address in ["https://gongkai.example/n/1310", "http://127.0.0.1:8080/n/0", &"长".repeat(60)] {
            let code = Qr::of(address).unwrap();
            let side = code.side() * PIXELS;
            let light = |x: usize, y: usize| {
                let module = |at: usize| (at / PIXELS).checked_sub(QUIET).filter(|at| *at < code.width);
                let black = module(x).zip(module(y)).is_some_and(|(x, y)| code.modules[y * code.width + x]);
                if black { 0 } else { 255 }
            };
            let mut scanned = rqrr::PreparedImage::prepare_from_greyscale(side, side, light);
            let grids = scanned.detect_grids();
            assert_eq!(grids.len(), 1);
            assert_eq!(grids[0].decode().unwrap().1, address);
        }
    }

    #[test]
    fn another_text_has_another_code_and_a_long_one_none() {
        assert_ne!(Qr::of("https://gongkai.example/n/1"), Qr::of("https://gongkai.example/n/2"));
        assert_eq!(Qr::of(&"a".repeat(201)), None);
    }
}
