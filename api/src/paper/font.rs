//! The Chinese font of this machine: which one, what it may be used for, and how wide its characters are.
//!
//! The project brings no font: a Chinese one has some twenty megabytes, and every Debian machine gets one with the
//! package [`PACKAGE`]. Families that are made for Simplified Chinese go first, because others draw some characters in
//! the Japanese way; then any that has what a sheet always says. Variable fonts are left out: they cannot be cut down to
//! one weight without a second font machinery. Not here: what is done with the glyphs (`pdf`).

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use fontdb::{Database, FaceInfo, Family, ID, Query, Source, Style, Weight};
use ttf_parser::{Face, Permissions, Tag};

use super::PaperError;

/// The Debian package with a Chinese font.
pub const PACKAGE: &str = "fonts-noto-cjk";

/// Largest font file that is read.
const FONT_BYTES_MAX: u64 = 128 << 20;

/// Families for Simplified Chinese, the best for small print first; names of TrueType collections, so that of one file
/// the right face is taken.
const FAMILIES: [&str; 14] = [
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Noto Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Serif CJK SC",
    "Source Han Serif SC",
    "Noto Serif SC",
    "Microsoft YaHei",
    "SimHei",
    "SimSun",
    "AR PL UMing CN",
    "Droid Sans Fallback",
];

/// Characters without which a font is of no use here.
pub const NEEDED: &str = "公开公示账本编号核对码热线收入支出结存№0123456789年月日";

/// Characters of the text that is named beside a missing one.
const PLACE_CHARS_MAX: usize = 24;

/// Why there is no font.
#[derive(Debug, thiserror::Error)]
pub enum FontError {
    /// The machine has none.
    #[error("这台机器没有能用的中文字体")]
    None,
    /// The named file cannot be read.
    #[error("{path} 读不了")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The named file is no font, lacks Chinese, is variable, or may not be embedded.
    #[error("{0} 不是能用的中文字体（要有常用汉字，不是可变字体，并允许嵌入文件）")]
    Unusable(PathBuf),
    /// A font that could be read a moment ago cannot be read or cut down now.
    #[error("字体「{0}」已损坏")]
    Damaged(String),
}

/// One face of a font file.
#[derive(Debug, Clone)]
pub struct Font {
    /// Name for people.
    pub name: String,
    /// Name inside files.
    pub post_script_name: String,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// The face in it.
    pub index: u32,
}

impl Font {
    /// The face, parsed.
    ///
    /// # Errors
    /// The bytes are no font, which was checked when it was found.
    pub fn face(&self) -> Result<Face<'_>, FontError> {
        Face::parse(&self.bytes, self.index).map_err(|_| FontError::Damaged(self.name.clone()))
    }
}

/// What a sheet is set in; both may be the same.
#[derive(Debug, Clone)]
pub struct Fonts {
    /// For everything.
    pub regular: Font,
    /// For titles and heads.
    pub bold: Font,
}

/// Finds a font: in the named file, or on this machine.
///
/// # Errors
/// [`FontError`]: there is none that can be used.
pub fn find(file: Option<&Path>) -> Result<Fonts, FontError> {
    let Some(path) = file else { return among(&installed()) };
    let mut database = Database::new();
    let loaded = database.load_font_file(path);
    loaded.map_err(|source| FontError::Read { path: path.to_owned(), source })?;
    among(&database).map_err(|error| match error {
        FontError::None => FontError::Unusable(path.to_owned()),
        error => error,
    })
}

/// Whether this machine has a font that can be used.
pub fn is_there() -> bool {
    choose(&installed()).is_some()
}

fn installed() -> Database {
    let mut database = Database::new();
    database.load_system_fonts();
    database
}

/// The best of these fonts.
///
/// # Errors
/// [`FontError::None`], or a file that cannot be read any more.
pub fn among(database: &Database) -> Result<Fonts, FontError> {
    let (regular, bold) = choose(database).ok_or(FontError::None)?;
    Ok(Fonts { regular: read(database, regular)?, bold: read(database, bold)? })
}

fn choose(database: &Database) -> Option<(ID, ID)> {
    let named = |family: &&str, weight: Weight| {
        let query = Query { families: &[Family::Name(family)], weight, ..Query::default() };
        database.query(&query).filter(|id| is_usable(database, *id))
    };
    let known = FAMILIES.iter().find_map(|family| {
        let regular = named(family, Weight::NORMAL)?;
        Some((regular, named(family, Weight::BOLD).unwrap_or(regular)))
    });
    known.or_else(|| {
        // The nearest to the ordinary weight; by name, so that it is the same one the next time.
        let mut upright: Vec<&FaceInfo> = database.faces().filter(|face| face.style == Style::Normal).collect();
        upright.sort_by_key(|face| (face.weight.0.abs_diff(Weight::NORMAL.0), face.post_script_name.clone()));
        let any = upright.into_iter().map(|face| face.id).find(|id| is_usable(database, *id))?;
        Some((any, any))
    })
}

fn is_usable(database: &Database, id: ID) -> bool {
    let checked = database.with_face_data(id, |bytes, index| {
        Face::parse(bytes, index).is_ok_and(|face| {
            let outlines =
                [b"glyf", b"CFF "].into_iter().any(|tag| face.raw_face().table(Tag::from_bytes(tag)).is_some());
            let embeds = face.permissions() != Some(Permissions::Restricted) && face.is_subsetting_allowed();
            outlines && embeds && !face.is_variable() && NEEDED.chars().all(|char| face.glyph_index(char).is_some())
        })
    });
    checked.unwrap_or(false)
}

fn read(database: &Database, id: ID) -> Result<Font, FontError> {
    let info = database.face(id).ok_or(FontError::None)?;
    let Source::File(path) = &info.source else { return Err(FontError::None) };
    let failed = |source| FontError::Read { path: path.clone(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > FONT_BYTES_MAX {
        return Err(FontError::Unusable(path.clone()));
    }
    let name = info.families.first().map_or_else(|| info.post_script_name.clone(), |(name, _)| name.clone());
    let bytes = std::fs::read(path).map_err(failed)?;
    Ok(Font { name, post_script_name: info.post_script_name.clone(), bytes, index: info.index })
}

/// Which of the two faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cut {
    /// [`Fonts::regular`].
    Regular,
    /// [`Fonts::bold`].
    Bold,
}

/// A character as a face draws it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Glyph {
    /// Its number in the font; 0 where the font lacks it.
    pub id: u16,
    /// Its width, in ems.
    pub advance: f32,
}

/// The characters of both faces, and which were asked for in vain.
pub struct Glyphs<'a> {
    name: &'a str,
    faces: [Face<'a>; 2],
    known: RefCell<[HashMap<char, Glyph>; 2]>,
    missing: RefCell<BTreeMap<char, String>>,
}

impl<'a> Glyphs<'a> {
    /// Of these fonts.
    ///
    /// # Errors
    /// [`FontError::Damaged`].
    pub fn of(fonts: &'a Fonts) -> Result<Self, FontError> {
        Ok(Self {
            name: &fonts.regular.name,
            faces: [fonts.regular.face()?, fonts.bold.face()?],
            known: RefCell::default(),
            missing: RefCell::default(),
        })
    }

    /// A character.
    pub fn get(&self, face: Cut, char: char) -> Glyph {
        let place = face as usize;
        if let Some(glyph) = self.known.borrow()[place].get(&char) {
            return *glyph;
        }
        let of = &self.faces[place];
        let glyph = match of.glyph_index(char).filter(|id| id.0 != 0) {
            Some(id) => {
                let units = f32::from(of.glyph_hor_advance(id).unwrap_or_default());
                Glyph { id: id.0, advance: units / f32::from(of.units_per_em()) }
            }
            None => Glyph { id: 0, advance: 1.0 },
        };
        self.known.borrow_mut()[place].insert(char, glyph);
        glyph
    }

    /// Width of a text of one line, in ems. What cannot be drawn is noted.
    pub fn width(&self, face: Cut, text: &str) -> f32 {
        let width = |char: char| {
            let glyph = self.get(face, char);
            if glyph.id == 0 {
                let place = || text.chars().take(PLACE_CHARS_MAX).collect();
                self.missing.borrow_mut().entry(char).or_insert_with(place);
            }
            glyph.advance
        };
        text.chars().map(width).sum()
    }

    /// Whether everything that was measured can be drawn.
    ///
    /// # Errors
    /// [`PaperError::Missing`].
    pub fn complete(&self) -> Result<(), PaperError> {
        let missing = self.missing.borrow();
        let Some(place) = missing.values().next() else { return Ok(()) };
        Err(PaperError::Missing {
            font: self.name.to_owned(),
            characters: missing.keys().copied().collect(),
            place: place.clone(),
        })
    }
}
