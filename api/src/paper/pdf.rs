//! A plan as a PDF: content streams, and of each face only the glyphs that are used, with what they mean (`ToUnicode`), so
//! that its text can be searched, copied and read aloud.
//!
//! No date and no random identifier: the same plan is the same file. Fonts are written as composite ones (ISO 32000-1,
//! 9.7) whose character codes are the glyphs' numbers in the cut-down font.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use gongkai_log::Digest;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Content, Filter, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};
use subsetter::{GlyphRemapper, subset};
use ttf_parser::{RawFace, Tag};

use super::flow::{Item, Page};
use super::font::{Cut, Font, FontError, Fonts, Glyphs};
use super::layout::Plan;
use super::sheet::Sheet;
use crate::share::qr::Qr;

/// Glyph space of a font: thousandths of an em.
const UNITS: f32 = 1_000.0;
const SYSTEM: SystemInfo<'static> = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
const CUTS: [Cut; 2] = [Cut::Regular, Cut::Bold];
/// A name for the stem width, which nobody measures: readers use it only where the font is missing.
const STEM: f32 = 80.0;

/// A face with its glyphs in this file.
struct Used<'f> {
    font: &'f Font,
    /// By character, its number in the cut-down font and its width.
    glyphs: BTreeMap<char, (u16, f32)>,
    remapper: GlyphRemapper,
    name: Vec<u8>,
    id: Ref,
}

impl<'f> Used<'f> {
    fn new(cut: Cut, plan: &Plan, font: &'f Font, glyphs: &Glyphs<'_>, next: &mut Ref) -> Self {
        let mut chars = BTreeSet::new();
        for item in plan.pages.iter().flat_map(|page| &page.items) {
            if let Item::Text { cut: of, text, .. } = item
                && *of == cut
            {
                chars.extend(text.chars());
            }
        }
        let mut remapper = GlyphRemapper::new();
        let place = |char: char| {
            let glyph = glyphs.get(cut, char);
            (char, (remapper.remap(glyph.id), glyph.advance))
        };
        let glyphs = chars.into_iter().map(place).collect();
        let name = if cut == Cut::Regular { b"R" } else { b"B" };
        Self { font, glyphs, remapper, name: name.to_vec(), id: next.bump() }
    }

    /// A text in the codes of this font.
    fn codes(&self, text: &str) -> Vec<u8> {
        let codes = text.chars().filter_map(|char| self.glyphs.get(&char));
        codes.flat_map(|(code, _)| code.to_be_bytes()).collect()
    }
}

/// Writes a plan.
///
/// # Errors
/// [`FontError::Damaged`]: the font cannot be cut down.
pub fn write(sheet: &Sheet, plan: &Plan, fonts: &Fonts, glyphs: &Glyphs<'_>) -> Result<Vec<u8>, FontError> {
    let mut next = Ref::new(1);
    let (catalog, tree, info) = (next.bump(), next.bump(), next.bump());
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree).lang(TextStr("zh-CN")).viewer_preferences().display_doc_title(true);
    let title = format!("{} {}", sheet.path.last().map_or("", String::as_str), sheet.title);
    let mut about = pdf.document_info(info);
    about.title(TextStr(&title)).producer(TextStr(concat!("gongkai ", env!("CARGO_PKG_VERSION"))));
    about.subject(TextStr(&sheet.seal.link()));
    about.finish();
    let used = CUTS.map(|cut| {
        let font = if cut == Cut::Regular { &fonts.regular } else { &fonts.bold };
        Used::new(cut, plan, font, glyphs, &mut next)
    });
    let pages: Vec<(Ref, Ref)> = plan.pages.iter().map(|_| (next.bump(), next.bump())).collect();
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    pdf.pages(tree).kids(pages.iter().map(|(page, _)| *page)).count(count);
    for ((id, content), page) in pages.into_iter().zip(&plan.pages) {
        let mut written = pdf.page(id);
        written.parent(tree).media_box(Rect::new(0.0, 0.0, plan.sheet.0, plan.sheet.1)).contents(content);
        let mut resources = written.resources();
        let mut named = resources.fonts();
        for face in &used {
            named.pair(Name(&face.name), face.id);
        }
        named.finish();
        resources.finish();
        written.finish();
        let bytes = packed(&drawn(page, plan.sheet.1, &used));
        pdf.stream(content, &bytes).filter(Filter::FlateDecode);
    }
    for face in &used {
        embed(&mut pdf, face, &mut next)?;
    }
    Ok(pdf.finish())
}

/// In memory nothing can fail.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing into memory does not fail")
}

/// What is drawn on a page. PDF counts from the lower left corner.
fn drawn(page: &Page, height: f32, used: &[Used<'_>; 2]) -> Vec<u8> {
    let mut content = Content::new();
    for item in &page.items {
        match item {
            Item::Text { x, y, size, cut, text } => {
                let face = &used[*cut as usize];
                content.set_fill_gray(0.0);
                content.begin_text().set_font(Name(&face.name), *size);
                content.next_line(*x, height - y).show(Str(&face.codes(text))).end_text();
            }
            Item::Fill { x, y, width, height: high, gray } => {
                content.set_fill_gray(*gray).rect(*x, height - y - high, *width, *high).fill_nonzero();
            }
            Item::Code { x, y, side, code } => draw_code(&mut content, *x, height - y, *side, code),
        }
    }
    content.finish().into_vec()
}

/// Black modules as one path, those beside each other as one rectangle. `top` counts from below.
fn draw_code(content: &mut Content, left: f32, top: f32, side: f32, code: &Qr) {
    let number = |modules: usize| f32::from(u16::try_from(modules).unwrap_or(u16::MAX));
    let module = side / number(code.width);
    content.set_fill_gray(0.0);
    for (row, modules) in code.modules.chunks(code.width).enumerate() {
        let lower = top - number(row + 1) * module;
        let mut column = 0;
        for run in modules.chunk_by(|one, other| one == other) {
            if run[0] {
                content.rect(left + number(column) * module, lower, number(run.len()) * module, module);
            }
            column += run.len();
        }
    }
    content.fill_nonzero();
}

/// The objects of a face: composite font, its only descendant, descriptor, meaning of the codes, outlines.
fn embed(pdf: &mut Pdf, used: &Used<'_>, next: &mut Ref) -> Result<(), FontError> {
    let damaged = || FontError::Damaged(used.font.name.clone());
    let cut = subset(&used.font.bytes, used.font.index, &used.remapper).map_err(|_| damaged())?;
    let raw = RawFace::parse(&cut, 0).map_err(|_| damaged())?;
    // Postscript outlines stand in the file without what is around them, TrueType ones as a whole font.
    let postscript = raw.table(Tag::from_bytes(b"CFF "));
    let (cid, descriptor, meaning, file) = (next.bump(), next.bump(), next.bump(), next.bump());
    let base = format!("{}+{}", tag(&cut), used.font.post_script_name);
    let base = Name(base.as_bytes());
    let mut composite = pdf.type0_font(used.id);
    composite.base_font(base).encoding_predefined(Name(b"Identity-H")).descendant_font(cid).to_unicode(meaning);
    composite.finish();
    let mut descendant = pdf.cid_font(cid);
    let kind = if postscript.is_some() { CidFontType::Type0 } else { CidFontType::Type2 };
    descendant.subtype(kind).base_font(base).system_info(SYSTEM).font_descriptor(descriptor);
    descendant.default_width(0.0);
    if postscript.is_none() {
        descendant.cid_to_gid_map_predefined(Name(b"Identity"));
    }
    let advances: BTreeMap<u16, f32> = used.glyphs.values().map(|(code, advance)| (*code, advance * UNITS)).collect();
    let mut widths = descendant.widths();
    for (code, advance) in advances {
        widths.consecutive(code, [advance]);
    }
    widths.finish();
    descendant.finish();
    describe(pdf, used, base, (descriptor, file), postscript.is_some())?;
    let cmap = meanings(used);
    pdf.cmap(meaning, &packed(&cmap)).filter(Filter::FlateDecode);
    let bytes = packed(postscript.unwrap_or(&cut));
    let mut stream = pdf.stream(file, &bytes);
    stream.filter(Filter::FlateDecode);
    if postscript.is_some() {
        stream.pair(Name(b"Subtype"), Name(b"CIDFontType0C"));
    } else {
        stream.pair(Name(b"Length1"), i32::try_from(cut.len()).unwrap_or(i32::MAX));
    }
    stream.finish();
    Ok(())
}

fn describe(
    pdf: &mut Pdf,
    used: &Used<'_>,
    base: Name<'_>,
    (id, file): (Ref, Ref),
    is_postscript: bool,
) -> Result<(), FontError> {
    let face = used.font.face()?;
    let scaled = |units: i16| f32::from(units) * UNITS / f32::from(face.units_per_em());
    let bounds = face.global_bounding_box();
    let mut descriptor = pdf.font_descriptor(id);
    descriptor.name(base).flags(FontFlags::SYMBOLIC).italic_angle(0.0).stem_v(STEM);
    descriptor.bbox(Rect::new(scaled(bounds.x_min), scaled(bounds.y_min), scaled(bounds.x_max), scaled(bounds.y_max)));
    descriptor.ascent(scaled(face.ascender())).descent(scaled(face.descender()));
    descriptor.cap_height(scaled(face.capital_height().unwrap_or_else(|| face.ascender())));
    if is_postscript {
        descriptor.font_file3(file)
    } else {
        descriptor.font_file2(file)
    };
    Ok(())
}

/// Which character each code is.
fn meanings(used: &Used<'_>) -> Vec<u8> {
    let mut cmap = UnicodeCmap::<u16>::new(Name(b"Gongkai"), SYSTEM);
    // Two characters that look alike can be one glyph: the first of them is what is copied.
    let mut said = BTreeMap::new();
    for (char, (code, _)) in &used.glyphs {
        said.entry(*code).or_insert(*char);
    }
    for (code, char) in said {
        cmap.pair(code, char);
    }
    cmap.finish().into_vec()
}

/// Six letters before the name of a cut-down font, the same for the same glyphs.
fn tag(cut: &[u8]) -> String {
    Digest::of(cut).as_bytes().iter().take(6).map(|byte| char::from(b'A' + byte % 26)).collect()
}
