//! A code to scan (ISO/IEC 18004), as black and white modules, for a sheet of paper and for the picture.
//!
//! Medium error correction, because what is printed gets dirty and folded. The modules are the one truth; the picture
//! for a page and the bits for a script are both made of them.

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

    /// An image of its own, black on white whatever the reader's colours are.
    pub fn to_svg(&self) -> String {
        let side = self.width + 2 * QUIET;
        let mut path = String::new();
        for (row, modules) in self.modules.chunks(self.width).enumerate() {
            for (column, _) in modules.iter().enumerate().filter(|(_, black)| **black) {
                let _ = write!(path, "M{} {}h1v1h-1z", column + QUIET, row + QUIET);
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
        )
    }

    /// The modules as digits 0 and 1, row by row.
    pub fn bits(&self) -> String {
        self.modules.iter().map(|black| if *black { '1' } else { '0' }).collect()
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
        assert_eq!(code.bits().len(), code.modules.len());
    }

    #[test]
    fn another_text_has_another_code_and_a_long_one_none() {
        assert_ne!(Qr::of("https://gongkai.example/n/1"), Qr::of("https://gongkai.example/n/2"));
        assert_eq!(Qr::of(&"a".repeat(201)), None);
    }
}
