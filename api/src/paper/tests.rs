//! Sheets printed with the font of this machine and read back by another program's eyes: every text by the meaning that the
//! file gives its codes, every rectangle where it is drawn, and the code by a scanner.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use fontdb::Database;
use lopdf::content::Operation;
use lopdf::{Document, Object};

use super::font::{self, FontError, Fonts, NEEDED};
use super::sheet::{Column, Labelled, Part, Row, Seal, Sheet};
use super::{Paper, PaperError, print};
use crate::site::disclosure::DisclosurePage;
use crate::site::notice::NoticePage;
use crate::site::parts::{Shown, sample_tombstone};

/// The font of this machine; reading it takes a while.
static FONTS: LazyLock<Fonts> = LazyLock::new(|| font::find(None).expect("the tests need the package fonts-noto-cjk"));

/// A text where it stands, from the lower left corner.
#[derive(Debug, Clone, PartialEq)]
struct Word {
    x: f32,
    y: f32,
    size: f32,
    text: String,
}

/// A page as a reader finds it.
#[derive(Debug, Default)]
struct Seen {
    sheet: (f32, f32),
    words: Vec<Word>,
    /// Rectangles that are filled together: left, lower edge, width, height.
    fills: Vec<Vec<[f32; 4]>>,
}

impl Seen {
    fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn has(&self, text: &str) -> bool {
        self.words.iter().any(|word| word.text == text)
    }
}

fn numbers(operation: &Operation) -> Vec<f32> {
    operation.operands.iter().filter_map(|operand| operand.as_float().ok()).collect()
}

/// Reads a file from its bytes.
fn read(bytes: &[u8]) -> Vec<Seen> {
    let document = Document::load_mem(bytes).unwrap();
    document.get_pages().into_values().map(|id| read_page(&document, id)).collect()
}

fn read_page(document: &Document, id: lopdf::ObjectId) -> Seen {
    let fonts = document.get_page_fonts(id).unwrap();
    let encodings: BTreeMap<_, _> =
        fonts.iter().map(|(name, font)| (name.clone(), font.get_font_encoding(document).unwrap())).collect();
    let bounds = document.get_dictionary(id).unwrap().get(b"MediaBox").unwrap().as_array().unwrap();
    let mut seen = Seen { sheet: (bounds[2].as_float().unwrap(), bounds[3].as_float().unwrap()), ..Seen::default() };
    let (mut font, mut size, mut at, mut open) = (Vec::new(), 0.0, (0.0, 0.0), Vec::new());
    for operation in document.get_and_decode_page_content(id).unwrap().operations {
        let given = numbers(&operation);
        match operation.operator.as_str() {
            "Tf" => (font, size) = (operation.operands[0].as_name().unwrap().to_vec(), given[0]),
            "Td" => at = (given[0], given[1]),
            "Tj" => {
                let Object::String(codes, _) = &operation.operands[0] else { panic!("{operation:?}") };
                let text = Document::decode_text(&encodings[&font], codes).unwrap();
                seen.words.push(Word { x: at.0, y: at.1, size, text });
            }
            "re" => open.push([given[0], given[1], given[2], given[3]]),
            "f" => seen.fills.push(std::mem::take(&mut open)),
            _ => {}
        }
    }
    seen
}

fn printed(sheet: &Sheet, paper: Paper) -> Vec<Seen> {
    let printed = print(sheet, paper, &FONTS).unwrap();
    let pages = read(&printed.bytes);
    assert_eq!(pages.len(), printed.pages);
    pages
}

fn worked_month() -> Sheet {
    Sheet::of_disclosure(&DisclosurePage::sample(), Seal::sample())
}

/// The same sheet with so many lines, each with a word of its own.
fn long(lines: u32) -> Sheet {
    let mut page = DisclosurePage::sample();
    let model = page.finances[0].lines[8].clone();
    let line = |number: u32| {
        let mut line = model.clone();
        line.number = number;
        // Longer and shorter ones, so that rows end everywhere on a page.
        let more = "清理村内河道并外运".repeat(usize::try_from(number % 7).unwrap());
        line.summary = Shown::of(format!("{more}误工补贴第{number}笔"));
        line
    };
    page.finances[0].lines = (1..=lines).map(line).collect();
    Sheet::of_disclosure(&page, Seal::sample())
}

/// All texts of a table's cells, as the sheet has them.
fn cells(sheet: &Sheet) -> Vec<&str> {
    let tables = sheet.parts.iter().filter_map(|part| match part {
        Part::Table { rows, .. } => Some(rows),
        _ => None,
    });
    tables
        .flatten()
        .flat_map(|row| match row {
            Row::Cells(cells) => cells.iter().map(String::as_str).collect::<Vec<_>>(),
            Row::Remark(first, remark) => vec![first.as_str(), remark.as_str()],
        })
        .collect()
}

/// Without what a line break takes.
fn run_together(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace()).collect()
}

#[test]
fn what_can_be_copied_from_the_file_is_what_the_sheet_says_in_its_order() {
    for paper in [Paper::A4, Paper::Wall] {
        let sheet = worked_month();
        let pages = printed(&sheet, paper);
        let all = run_together(&pages.iter().map(Seen::text).collect::<String>());
        let mut from = 0;
        for cell in cells(&sheet).into_iter().filter(|cell| !cell.is_empty()) {
            let cell = run_together(cell);
            let found =
                all[from..].find(&cell).unwrap_or_else(|| panic!("{paper:?}: {cell} is not there, or not in order"));
            from += found + cell.len();
        }
        for said in ["2026年2月财务收支明细", "五里桥村", "52,318.26", "18,081.36", "220,657.25", "№1344"]
        {
            assert!(all.contains(said), "{paper:?}: {said}");
        }
        for said in ["答复上墙：2026年1月公开后群众问的", "电表走得快", "更正", "村监会 孟长河"]
        {
            assert!(all.contains(&run_together(said)), "{paper:?}: {said}");
        }
        assert!(pages.iter().all(|page| page.text().contains("虚构的")), "a made-up sheet says so on every page");
    }
}

#[test]
fn beside_the_code_stand_the_short_address_the_number_the_check_code_and_the_hotline() {
    let pages = printed(&worked_month(), Paper::A4);
    let code = pages[0].fills.iter().find(|fill| fill.len() > 100).expect("a code is drawn");
    let (left, right) = (code[0][0], code.iter().map(|run| run[0] + run[2]).fold(0.0, f32::max));
    let (lower, upper) = bounds(code);
    for said in ["短地址　qingxi.example/n/1344", "编号　№1344　　核对码　19e3 fb1a 853c", "监督热线　12345"]
    {
        let word = pages[0].words.iter().find(|word| word.text == said).unwrap_or_else(|| panic!("{said}"));
        assert!(
            word.x > right && left < word.x && (lower..upper).contains(&word.y),
            "{word:?} beside {lower}..{upper}"
        );
    }
    assert!(!pages[1..].iter().any(|page| page.fills.iter().any(|fill| fill.len() > 100)), "once");
    assert!(pages.iter().all(|page| page.text().contains("№1344　核对码 19e3 fb1a 853c")), "at the foot of each page");
}

fn bounds(fill: &[[f32; 4]]) -> (f32, f32) {
    let lower = fill.iter().map(|run| run[1]).fold(f32::MAX, f32::min);
    (lower, fill.iter().map(|run| run[1] + run[3]).fold(0.0, f32::max))
}

#[test]
fn a_scanner_reads_link_number_and_hash_from_the_paper() {
    const DOTS: usize = 600;
    for paper in [Paper::A4, Paper::Wall] {
        let pages = printed(&worked_month(), paper);
        let code = pages[0].fills.iter().find(|fill| fill.len() > 100).unwrap();
        // The paper around the code is part of what a scanner needs: everything that is filled there is drawn too.
        let (left, (lower, upper)) = (code[0][0], bounds(code));
        let side = upper - lower;
        let (from, whole) = ((left - side * 0.08, upper + side * 0.08), side * 1.16);
        let light = |x: usize, y: usize| {
            let at = |dot: usize| f32::from(u16::try_from(dot).unwrap()) / 600.0 * whole;
            let (x, y) = (from.0 + at(x), from.1 - at(y));
            let black = pages[0].fills.iter().flatten().any(|[left, lower, width, height]| {
                (*left..left + width).contains(&x) && (*lower..lower + height).contains(&y)
            });
            if black { 0 } else { 255 }
        };
        let mut scanned = rqrr::PreparedImage::prepare_from_greyscale(DOTS, DOTS, light);
        let grids = scanned.detect_grids();
        assert_eq!(grids.len(), 1, "{paper:?}");
        let text = grids[0].decode().unwrap().1;
        assert_eq!(
            text,
            "https://qingxi.example/n/1344?h=19e3fb1a853c7404ecea15a5f00321dabc9ace8a68d36233ab50a17362dd2f6c"
        );
    }
}

#[test]
fn a_long_table_has_its_head_on_every_page_and_no_row_on_two() {
    let sheet = long(200);
    let pages = printed(&sheet, Paper::A4);
    assert!((8..40).contains(&pages.len()), "{}", pages.len());
    let all = pages.len();
    let mut next = 1;
    for (number, page) in (1..).zip(&pages) {
        assert_eq!(page.sheet, Paper::A4.points());
        assert!(page.has(&format!("第 {number} 页，共 {all} 页")));
        let whole = run_together(&page.text());
        let here = whole.matches("笔误工补贴").count();
        assert!(here == 0 || page.has("摘要") && page.has("余额"), "the head of the table on page {number}");
        // Every row that begins here ends here: its number, its words and its last line of remarks.
        let begun: Vec<u32> = (next..=200).take_while(|line| whole.contains(&format!("误工补贴第{line}笔"))).collect();
        for line in &begun {
            let row = page.words.iter().position(|word| word.text == line.to_string()).unwrap();
            let voucher = page.words[row..].iter().take(12).filter(|word| word.text.contains("经手：报账员")).count();
            assert!(voucher >= 1, "row {line} on page {number}");
        }
        next += u32::try_from(begun.len()).unwrap();
    }
    assert_eq!(next, 201, "every line is on some page");
    assert!(pages[all - 1].has("谁公开的") || pages[all - 2].has("谁公开的"));
}

#[test]
fn nothing_is_drawn_outside_the_margins_or_over_something_else() {
    for (sheet, paper) in
        [(long(60), Paper::A4), (worked_month(), Paper::A4), (worked_month(), Paper::Wall), (long(60), Paper::Wall)]
    {
        for page in printed(&sheet, paper) {
            let (width, height) = page.sheet;
            for word in &page.words {
                let chars = u16::try_from(word.text.chars().count()).unwrap();
                assert!(word.x > 0.0 && word.x < width && word.y > 0.0 && word.y < height, "{word:?}");
                // No character is wider than its square.
                let narrow = word.text.is_ascii() || word.text.contains(|char: char| char.is_ascii());
                assert!(narrow || word.x + f32::from(chars) * word.size < width, "{word:?}");
            }
            for (at, word) in page.words.iter().enumerate() {
                let over = |other: &&Word| (other.x - word.x).abs() < 0.5 && (other.y - word.y).abs() < word.size * 0.8;
                assert_eq!(page.words[at + 1..].iter().find(over), None, "over {word:?}");
            }
        }
    }
}

#[test]
fn a_large_sheet_is_one_sheet_where_it_fits_and_is_read_from_two_metres() {
    const EIGHT_MM: f32 = 8.0 / 25.4 * 72.0;
    let smallest =
        |pages: &[Seen]| pages.iter().flat_map(|page| &page.words).map(|word| word.size).fold(f32::MAX, f32::min);
    let mut short = long(3);
    short.parts.truncate(6);
    let month = printed(&short, Paper::Wall);
    assert_eq!((month.len(), month[0].sheet), (1, Paper::Wall.points()));
    assert!(smallest(&month) > 0.95 * EIGHT_MM, "{}", smallest(&month));
    let notice = printed(&Sheet::of_notice(&NoticePage::sample(), Seal::sample()), Paper::Wall);
    assert_eq!(notice.len(), 1);
    assert!(smallest(&notice) > smallest(&month), "a short one is set larger");
    let many = printed(&long(200), Paper::Wall);
    assert!(many.len() > 1 && smallest(&many) > EIGHT_MM, "{} sheets, {}", many.len(), smallest(&many));
}

#[test]
fn a_notice_says_its_period_its_end_and_where_to_object() {
    let sheet = Sheet::of_notice(&NoticePage::sample(), Seal::sample());
    let pages = printed(&sheet, Paper::A4);
    let all = run_together(&pages[0].text());
    for said in [
        "2025年9月26日至2025年10月9日",
        "2025年10月9日（含当天）",
        "河口镇党建办，电话0000-0000000",
        "同意接收为预备党员",
    ] {
        assert!(all.contains(said), "{said}: {all}");
    }
    let mut page = NoticePage::sample();
    page.rows.clear();
    let pages = printed(&Sheet::of_notice(&page, Seal::sample()), Paper::A4);
    assert!(run_together(&pages[0].text()).contains("反映渠道监督热线12345"), "somebody is always named");
}

#[test]
fn lists_texts_and_a_month_without_movement_are_printed_too() {
    let lists = printed(&Sheet::of_disclosure(&DisclosurePage::lists_sample(), Seal::sample()), Paper::A4);
    let all = run_together(&lists[0].text());
    assert!(all.contains("村口门面3间") && all.contains("24,000.00") && all.contains("年租金合计"), "{all}");
    let quiet = printed(&Sheet::of_disclosure(&DisclosurePage::quiet_sample(), Seal::sample()), Paper::A4);
    assert!(quiet[0].has("本期无收支") && quiet[0].has("没有人提问。"));
}

#[test]
fn what_was_withdrawn_is_not_printed_and_leaves_its_trace() {
    let mut page = DisclosurePage::sample();
    let gone = page.finances[0].lines.remove(3);
    page.finances[0].withdrawn = vec![(gone.number, sample_tombstone())];
    page.text = Some(Shown::Withdrawn(sample_tombstone()));
    let sheet = Sheet::of_disclosure(&page, Seal::sample());
    let all = run_together(&printed(&sheet, Paper::A4).iter().map(Seen::text).collect::<String>());
    assert!(!all.contains("村民代表会议用茶水"), "{all}");
    assert!(all.contains("撤回留痕：已撤下。清溪县委组织部") && all.contains("№1388"), "{all}");
    let numbers: Vec<&str> = cells(&sheet).into_iter().filter(|cell| ["3", "4", "5"].contains(cell)).collect();
    assert_eq!(numbers, ["3", "4", "5"], "the trace stands in the line's place");
}

#[test]
fn a_character_that_the_font_lacks_is_told_and_nothing_is_drawn() {
    let mut page = DisclosurePage::sample();
    page.finances[0].lines[2].summary = Shown::of("村口挂灯笼🏮两只");
    let error = print(&Sheet::of_disclosure(&page, Seal::sample()), Paper::A4, &FONTS).unwrap_err();
    let PaperError::Missing { characters, place, .. } = &error else { panic!("{error:?}") };
    assert_eq!((characters.as_slice(), place.contains("村口挂灯笼")), (['🏮'].as_slice(), true), "{place}");
    assert!(error.to_string().contains("U+1F3EE"), "{error}");
}

#[test]
fn without_a_chinese_font_nothing_is_found_and_a_file_that_is_none_is_not_used() {
    assert!(matches!(font::among(&Database::new()), Err(FontError::None)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("font.otf");
    std::fs::write(&path, "not a font").unwrap();
    assert!(matches!(font::find(Some(&path)), Err(FontError::Unusable(_))));
    // A font that lost its Chinese: cut down to a few glyphs, it does not know which characters they are.
    let face = FONTS.regular.face().unwrap();
    let kept = subsetter::GlyphRemapper::new_from_glyphs(&[face.glyph_index('A').unwrap().0]);
    std::fs::write(&path, subsetter::subset(&FONTS.regular.bytes, FONTS.regular.index, &kept).unwrap()).unwrap();
    assert!(matches!(font::find(Some(&path)), Err(FontError::Unusable(_))));
    assert!(matches!(font::find(Some(&folder.path().join("nothing"))), Err(FontError::Read { .. })));
}

#[test]
fn a_named_file_is_used_and_of_a_collection_the_face_for_simplified_chinese() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collection.ttc");
    std::fs::write(&path, &FONTS.regular.bytes).unwrap();
    let found = font::find(Some(&path)).unwrap();
    assert_eq!((found.regular.index, &found.regular.name), (FONTS.regular.index, &FONTS.regular.name));
    assert_eq!(found.bold.name, found.regular.name, "there is no other weight in this file");
    assert!(NEEDED.chars().all(|char| found.regular.face().unwrap().glyph_index(char).is_some()));
    let printed = print(&worked_month(), Paper::A4, &found).unwrap();
    assert!(read(&printed.bytes)[0].has("2026年2月财务收支明细"));
}

#[test]
fn the_font_in_the_file_holds_what_is_used_and_little_more() {
    let printed = print(&worked_month(), Paper::A4, &FONTS).unwrap();
    let whole = FONTS.regular.bytes.len();
    assert!(printed.bytes.len() < 300_000 && printed.bytes.len() * 20 < whole, "{} of {whole}", printed.bytes.len());
}

#[test]
fn the_same_sheet_is_the_same_file() {
    let once = print(&worked_month(), Paper::Wall, &FONTS).unwrap().bytes;
    assert_eq!(once, print(&worked_month(), Paper::Wall, &FONTS).unwrap().bytes);
    let mut other = worked_month();
    other.seal.index += 1;
    assert_ne!(once, print(&other, Paper::Wall, &FONTS).unwrap().bytes);
}

#[test]
fn a_row_that_is_taller_than_a_page_goes_on_and_loses_nothing() {
    let column = |label: &str| Column { label: label.into(), is_number: false };
    let words = (0..4_000).map(|number| format!("第{number}项，")).collect::<Vec<_>>().concat();
    let mut sheet = worked_month();
    sheet.parts = vec![Part::Table {
        columns: vec![column("名称"), column("说明")],
        rows: vec![Row::Cells(vec!["长".into(), words.clone()]), Row::Cells(vec!["短".into(), "完".into()])],
        foot: Vec::new(),
    }];
    let pages = printed(&sheet, Paper::A4);
    assert!(pages.len() > 3);
    let numbers: Vec<String> = pages
        .iter()
        .flat_map(|page| &page.words)
        .filter(|word| word.size < 9.0 && word.text.contains('第') && word.text.contains('项'))
        .map(|word| word.text.clone())
        .collect();
    assert_eq!(run_together(&numbers.concat()), words);
    // The first page has what binds the sheet: a row that is taller than a page begins on the next.
    assert!(pages[1..].iter().all(|page| page.has("说明")) && pages[pages.len() - 1].has("完"));
}

#[test]
fn a_sheet_survives_its_json_and_an_address_without_a_code_is_refused() {
    let sheet = worked_month();
    let text = serde_json::to_string(&sheet).unwrap();
    assert_eq!(serde_json::from_str::<Sheet>(&text).unwrap(), sheet);
    let mut far = sheet;
    far.seal.address = format!("https://{}/n/1", "a".repeat(200));
    assert!(matches!(print(&far, Paper::A4, &FONTS), Err(PaperError::Address)));
}

#[test]
fn lines_begin_with_no_closing_mark_and_no_number_is_torn() {
    let glyphs = super::font::Glyphs::of(&FONTS).unwrap();
    let text = "收入52,318.26元（其中：补助40,000.00元，租金12,000.00元），支出18,081.36元。结存“220,657.25元”。";
    for width in 8..30_u8 {
        let lines = super::lines::wrap(text, f32::from(width), super::font::Cut::Regular, &glyphs);
        assert_eq!(lines.concat(), text, "{width}");
        for line in &lines {
            assert!(
                !line.starts_with(['，', '。', '）', '”', '：']) && !line.ends_with(['（', '“']),
                "{width}: {lines:?}"
            );
            assert!(glyphs.width(super::font::Cut::Regular, line) <= f32::from(width) + 0.01, "{line}");
        }
        for figure in ["52,318.26", "40,000.00", "12,000.00", "18,081.36", "220,657.25"] {
            assert!(lines.iter().any(|line| line.contains(figure)), "{width}: {figure} in {lines:?}");
        }
    }
    let unbroken = super::lines::wrap(&"x".repeat(50), 5.0, super::font::Cut::Regular, &glyphs);
    assert!(unbroken.len() > 3 && unbroken.concat().len() == 50, "{unbroken:?}");
    assert_eq!(super::lines::wrap("", 5.0, super::font::Cut::Regular, &glyphs), [""]);
}

#[test]
fn labels_of_figures_stand_above_them() {
    let mut sheet = worked_month();
    sheet.parts = vec![Part::Figures { figures: vec![Labelled::new("收入合计", "99,999,999,999,999.99")] }];
    let pages = printed(&sheet, Paper::A4);
    let at = |text: &str| pages[0].words.iter().find(|word| word.text == text).unwrap().clone();
    let (label, figure) = (at("收入合计"), at("99,999,999,999,999.99"));
    assert!(label.y > figure.y && figure.size < 15.0, "a figure that is too wide is set smaller: {figure:?}");
}
