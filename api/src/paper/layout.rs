//! A sheet on pages: head, what binds it to the ledger, its parts, and a foot on every page.
//!
//! A4 has one size of type. A sheet of 60 × 90 cm is to be read from two metres away, where a Chinese character needs
//! some eight millimetres: the largest scale is taken at which everything is on one sheet, and where none is, several
//! sheets of the ordinary one.

use super::flow::{Flow, Item, Page, Type};
use super::font::{Cut, Glyphs};
use super::sheet::{Labelled, Part, Sheet};
use super::{PAGES_MAX, Paper, PaperError, table};
use crate::share::qr::Qr;

const KIND: Type = Type { size: 9.5, leading: 1.4, cut: Cut::Regular };
const TITLE: Type = Type { size: 20.0, leading: 1.3, cut: Cut::Bold };
const HEADING: Type = Type { size: 12.5, leading: 1.4, cut: Cut::Bold };
const BODY: Type = Type { size: 10.0, leading: 1.55, cut: Cut::Regular };
const LABEL: Type = Type { size: 10.0, leading: 1.55, cut: Cut::Bold };
const SMALL: Type = Type { size: 8.5, leading: 1.45, cut: Cut::Regular };
const FIGURE: Type = Type { size: 15.0, leading: 1.35, cut: Cut::Bold };
const SEAL: Type = Type { size: 10.5, leading: 1.5, cut: Cut::Regular };
const SEAL_HEAD: Type = Type { size: 12.5, leading: 1.5, cut: Cut::Bold };

/// Side of the code with its quiet edge, for A4: 33 mm, read from an arm's length.
const CODE: f32 = 94.0;
/// Width of a column of labels, for A4.
const LABELS: f32 = 84.0;
/// Most figures beside each other.
const FIGURES_MAX: u8 = 4;
/// Least room between figures beside each other, for A4.
const BETWEEN: f32 = 8.0;
/// Lines that a heading needs below it.
const BELOW_HEADING: f32 = 3.0;
/// A foot's distance from the lower edge, for A4.
const FOOT: f32 = 40.0;

/// Scales of the large sheet against A4, the largest first: 8 mm are the cells of a table at the last of them.
const SCALES: [f32; 7] = [4.6, 4.1, 3.7, 3.3, 3.0, 2.85, 2.6];
/// The scale of several large sheets: the width of 60 cm against that of A4.
const SCALE: f32 = 2.85;

/// Words that stand on every sheet.
const MADE_UP: &str = "演示：人物、机构、数字都是虚构的";
const ASK: &str = "这张表是真的吗？扫码对一对";
const HOW: &str = "先对合计，不一样再对小计，再一笔一笔对。没有智能手机的，在任何电脑上输入短地址，或打热线。";
const HOW_OTHERS: &str = "扫码看账本里的原文，和纸上的逐项对。没有智能手机的，在任何电脑上输入短地址，或打热线。";

/// Pages with everything on them.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Width and height of a page.
    pub sheet: (f32, f32),
    /// How much larger than for A4 everything is.
    pub scale: f32,
    /// The pages.
    pub pages: Vec<Page>,
}

/// Lays a sheet out.
///
/// # Errors
/// [`PaperError`]: an address that makes no code, or too many pages.
pub fn plan(sheet: &Sheet, paper: Paper, glyphs: &Glyphs<'_>) -> Result<Plan, PaperError> {
    let code = Qr::of(&sheet.seal.link()).ok_or(PaperError::Address)?;
    let at = |scale: f32| laid(sheet, paper, scale, &code, glyphs);
    let plan = match paper {
        Paper::A4 => at(1.0),
        Paper::Wall => SCALES.into_iter().map(at).find(|plan| plan.pages.len() == 1).unwrap_or_else(|| at(SCALE)),
    };
    if plan.pages.len() > PAGES_MAX { Err(PaperError::Pages(plan.pages.len())) } else { Ok(plan) }
}

fn laid(sheet: &Sheet, paper: Paper, scale: f32, code: &Qr, glyphs: &Glyphs<'_>) -> Plan {
    let running = format!("{} {}（续）", sheet.path.last().map_or("", String::as_str), sheet.title);
    let mut flow = Flow::new(paper.points(), scale, &running, glyphs);
    head(&mut flow, sheet);
    seal(&mut flow, sheet, code);
    for part in &sheet.parts {
        draw(&mut flow, part);
    }
    foot(&mut flow, sheet);
    Plan { sheet: flow.sheet, scale, pages: flow.pages }
}

fn head(flow: &mut Flow<'_, '_>, sheet: &Sheet) {
    flow.run(&format!("{} · {}　№{}", sheet.ledger, sheet.kind, sheet.number), KIND);
    flow.run(&sheet.title, TITLE);
    flow.run(&sheet.path.join("　"), LABEL);
    let facts: Vec<String> = sheet.facts.iter().map(|fact| format!("{}：{}", fact.label, fact.value)).collect();
    flow.run(&facts.join("　"), SMALL);
    flow.skip(5.0);
}

/// The code to scan with what people type, compare and call, in a frame.
fn seal(flow: &mut Flow<'_, '_>, sheet: &Sheet, code: &Qr) {
    let scale = flow.scale;
    let (left, width, top, side) = (flow.left(), flow.width(), flow.y, CODE * scale);
    let x = left + side + 6.0 * scale;
    let words = width - side - 12.0 * scale;
    let is_account = sheet.parts.iter().any(|part| matches!(part, Part::Figures { .. }));
    let seal = &sheet.seal;
    let number = format!("编号　№{}　　核对码　{}", seal.index, seal.code());
    let said = [
        (ASK.to_owned(), SEAL_HEAD),
        (format!("短地址　{}", seal.bare()), SEAL),
        (number, SEAL),
        (format!("监督热线　{}", seal.hotline), SEAL),
        ((if is_account { HOW } else { HOW_OTHERS }).to_owned(), SMALL),
    ];
    let mut y = top + 4.0 * scale;
    for (text, style) in said {
        for line in flow.wrapped(&text, style, words) {
            flow.put(x, y, style, line);
            y += flow.line(style);
        }
    }
    // The quiet edge of the code is the paper that is left around it.
    let module = side / f32::from(u16::try_from(code.side()).unwrap_or(u16::MAX));
    let quiet = module * f32::from(u16::try_from((code.side() - code.width) / 2).unwrap_or_default());
    flow.add(Item::Code { x: left + quiet, y: top + quiet, side: side - 2.0 * quiet, code: code.clone() });
    let height = (y - top + 4.0 * scale).max(side);
    frame(flow, (left, top, width, height));
    flow.y = top + height;
    flow.skip(9.0);
}

fn frame(flow: &mut Flow<'_, '_>, (x, y, width, height): (f32, f32, f32, f32)) {
    let line = 0.9 * flow.scale;
    let sides = [
        (x, y, width, line),
        (x, y + height - line, width, line),
        (x, y, line, height),
        (x + width - line, y, line, height),
    ];
    for (x, y, width, height) in sides {
        flow.add(Item::Fill { x, y, width, height, gray: 0.0 });
    }
}

fn draw(flow: &mut Flow<'_, '_>, part: &Part) {
    match part {
        Part::Heading { text } => {
            flow.skip(3.0);
            flow.need(flow.line(HEADING) + BELOW_HEADING * flow.line(BODY));
            flow.run(text, HEADING);
            flow.skip(2.0);
        }
        Part::Text { text } => {
            flow.run(text, BODY);
            flow.skip(3.0);
        }
        Part::Values { values } => {
            for value in values {
                labelled(flow, value);
            }
            flow.skip(4.0);
        }
        Part::Figures { figures } => {
            for some in figures.chunks(usize::from(FIGURES_MAX)) {
                beside(flow, some);
            }
        }
        Part::Table { columns, rows, foot } => table::draw(flow, columns, rows, foot),
    }
}

/// A label in a column of its own, and the lines of its value beside it.
fn labelled(flow: &mut Flow<'_, '_>, value: &Labelled) {
    let labels = LABELS * flow.scale;
    let label = flow.wrapped(&value.label, LABEL, labels - 4.0 * flow.scale);
    let said = flow.wrapped(&value.value, BODY, flow.width() - labels);
    let height = flow.line(BODY);
    for at in 0..label.len().max(said.len()) {
        flow.need(height);
        let (left, top) = (flow.left(), flow.y);
        flow.put(left, top, LABEL, label.get(at).cloned().unwrap_or_default());
        flow.put(left + labels, top, BODY, said.get(at).cloned().unwrap_or_default());
        flow.y += height;
    }
}

/// Large figures in columns of one width.
fn beside(flow: &mut Flow<'_, '_>, figures: &[Labelled]) {
    let height = flow.line(SMALL) + flow.line(FIGURE);
    flow.need(height);
    let wide = flow.width() / f32::from(FIGURES_MAX);
    let mut x = flow.left();
    for figure in figures {
        let top = flow.y;
        flow.put(x, top, SMALL, figure.label.clone());
        // A long figure is set smaller rather than over its neighbour.
        let natural = flow.measure(&figure.value, FIGURE);
        let room = wide - BETWEEN * flow.scale;
        let size = FIGURE.size * (room / natural.max(1.0)).min(1.0);
        flow.put(x, top + flow.line(SMALL), Type { size, ..FIGURE }, figure.value.clone());
        x += wide;
    }
    flow.y += height;
    flow.skip(5.0);
}

/// On every page: where it belongs, and which page of how many it is.
fn foot(flow: &mut Flow<'_, '_>, sheet: &Sheet) {
    let seal = &sheet.seal;
    let (left, right, all) = (flow.left(), flow.left() + flow.width(), flow.pages.len());
    let top = flow.sheet.1 - FOOT * flow.scale;
    let mut said = format!("№{}　核对码 {}　{}", seal.index, seal.code(), seal.bare());
    if sheet.is_demo {
        said = format!("{said}　{MADE_UP}");
    }
    let mut full = std::mem::take(&mut flow.pages);
    for (number, page) in (1..).zip(&mut full) {
        flow.pages.push(std::mem::take(page));
        flow.rule(top - 2.0 * flow.scale);
        flow.put(left, top, SMALL, said.clone());
        let page = format!("第 {number} 页，共 {all} 页");
        let x = right - flow.measure(&page, SMALL);
        flow.put(x, top, SMALL, page);
    }
}
