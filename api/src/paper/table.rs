//! A table on pages: how wide its columns are, its head on every page, its rows whole.
//!
//! Columns of numbers are as wide as their widest number; the columns of words share what is left, the short ones taking
//! only what they need. A row that is taller than a page, which no field allows on A4, is the only one that is torn.

use super::flow::{Flow, Item, Type};
use super::font::Cut;
use super::sheet::{Column, Row};

const CELL: Type = Type { size: 8.8, leading: 1.35, cut: Cut::Regular };
const HEAD: Type = Type { size: 8.8, leading: 1.35, cut: Cut::Bold };
/// Room beside and above what a cell holds, for A4.
const PAD: (f32, f32) = (3.0, 2.2);
/// Room to spare, so that rounding never breaks what is exactly as wide as its column.
const SPARE: f32 = 0.3;
/// Least width of a column of words, in characters.
const WORDS_MIN: f32 = 4.0;
/// How dark the ground of the head and the rules between rows are.
const GROUND: f32 = 0.92;
const BETWEEN: f32 = 0.75;

/// A row cut into lines: by cell its column, how many columns it covers, and its lines.
struct Cells(Vec<(usize, usize, Vec<String>)>);

/// Where the columns are.
struct Grid<'t> {
    columns: &'t [Column],
    /// Left edges, and the right edge of the last.
    edges: Vec<f32>,
}

/// Draws a table.
pub fn draw(flow: &mut Flow<'_, '_>, columns: &[Column], rows: &[Row], foot: &[String]) {
    let grid = Grid { columns, edges: edges(flow, columns, rows, foot) };
    let labels: Vec<String> = columns.iter().map(|column| column.label.clone()).collect();
    let head = grid.cut(flow, &labels, HEAD);
    let first = rows.first().map(|row| grid.of(flow, row).height(flow)).unwrap_or_default();
    // The head does not stand alone at the foot of a page.
    let with_first = head.height(flow) + first;
    flow.need(with_first.min(flow.whole()));
    grid.ground(flow, &head);
    for row in rows {
        let cells = grid.of(flow, row);
        grid.whole(flow, cells, CELL, &head);
    }
    if !foot.is_empty() {
        let cells = grid.cut(flow, foot, HEAD);
        grid.whole(flow, cells, HEAD, &head);
    }
    flow.skip(8.0);
}

impl Cells {
    fn lines(&self) -> usize {
        self.0.iter().map(|(_, _, lines)| lines.len()).max().unwrap_or_default().max(1)
    }

    fn height(&self, flow: &Flow<'_, '_>) -> f32 {
        height_of(self.lines(), flow)
    }

    /// The first lines, and what is left.
    fn torn(self, after: usize) -> (Self, Self) {
        let mut rest = Vec::new();
        let first = self.0.into_iter().map(|(column, span, mut lines)| {
            let more = if lines.len() > after { lines.split_off(after) } else { Vec::new() };
            rest.push((column, span, more));
            (column, span, lines)
        });
        let first = Self(first.collect());
        (first, Self(rest))
    }
}

fn height_of(lines: usize, flow: &Flow<'_, '_>) -> f32 {
    let lines = f32::from(u16::try_from(lines).unwrap_or(u16::MAX));
    lines * flow.line(CELL) + 2.0 * PAD.1 * flow.scale
}

impl Grid<'_> {
    fn of(&self, flow: &Flow<'_, '_>, row: &Row) -> Cells {
        match row {
            Row::Cells(cells) => self.cut(flow, cells, CELL),
            Row::Remark(first, remark) => {
                let wide = self.edges[self.columns.len()] - self.edges[1] - 2.0 * PAD.0 * flow.scale;
                let remark = flow.wrapped(remark, CELL, wide);
                Cells(vec![(0, 1, vec![first.clone()]), (1, self.columns.len() - 1, remark)])
            }
        }
    }

    fn cut(&self, flow: &Flow<'_, '_>, cells: &[String], style: Type) -> Cells {
        let cell = |(column, text): (usize, &String)| {
            let wide = self.edges[column + 1] - self.edges[column] - 2.0 * PAD.0 * flow.scale;
            (column, 1, flow.wrapped(text, style, wide))
        };
        Cells(cells.iter().take(self.columns.len()).enumerate().map(cell).collect())
    }

    fn ground(&self, flow: &mut Flow<'_, '_>, head: &Cells) {
        let (x, width, height) = (flow.left(), flow.width(), head.height(flow));
        flow.add(Item::Fill { x, y: flow.y, width, height, gray: GROUND });
        self.put(flow, head, HEAD);
    }

    /// A row on one page, under the head where it begins one.
    fn whole(&self, flow: &mut Flow<'_, '_>, mut cells: Cells, style: Type, head: &Cells) {
        let below = flow.whole() - head.height(flow);
        while cells.height(flow) > below {
            let fitting = lines_in(below, flow);
            let (first, rest) = cells.torn(fitting);
            self.page(flow, &first, style, head);
            cells = rest;
        }
        self.page(flow, &cells, style, head);
    }

    fn page(&self, flow: &mut Flow<'_, '_>, cells: &Cells, style: Type, head: &Cells) {
        if flow.need(cells.height(flow)) {
            self.ground(flow, head);
        }
        self.put(flow, cells, style);
        let (x, width, height) = (flow.left(), flow.width(), 0.4 * flow.scale);
        flow.add(Item::Fill { x, y: flow.y, width, height, gray: BETWEEN });
    }

    fn put(&self, flow: &mut Flow<'_, '_>, cells: &Cells, style: Type) {
        let (pad, top) = (PAD.0 * flow.scale, flow.y + PAD.1 * flow.scale);
        for (column, span, lines) in &cells.0 {
            let (left, right) = (self.edges[*column] + pad, self.edges[column + span] - pad);
            let is_number = *span == 1 && self.columns[*column].is_number;
            let mut y = top;
            for line in lines {
                let x = if is_number { right - flow.measure(line, style) } else { left };
                flow.put(x, y, style, line.clone());
                y += flow.line(style);
            }
        }
        flow.y += cells.height(flow);
    }
}

/// Lines of a row that fit a height, at least one.
fn lines_in(height: f32, flow: &Flow<'_, '_>) -> usize {
    let mut lines = 1;
    while height_of(lines + 1, flow) <= height {
        lines += 1;
    }
    lines
}

/// Left edges of the columns, and the right edge of the last.
fn edges(flow: &Flow<'_, '_>, columns: &[Column], rows: &[Row], foot: &[String]) -> Vec<f32> {
    let mut natural: Vec<f32> = columns.iter().map(|column| flow.measure(&column.label, HEAD)).collect();
    let mut widen = |cells: &[String], style: Type| {
        for (column, text) in cells.iter().enumerate().take(natural.len()) {
            let widest = text.split('\n').map(|line| flow.measure(line, style)).fold(0.0, f32::max);
            natural[column] = natural[column].max(widest);
        }
    };
    for row in rows {
        match row {
            Row::Cells(cells) => widen(cells, CELL),
            Row::Remark(first, _) => widen(std::slice::from_ref(first), CELL),
        }
    }
    widen(foot, HEAD);
    let pad = 2.0 * PAD.0 * flow.scale;
    let wanted: Vec<f32> = natural.into_iter().map(|width| width + pad + SPARE * flow.scale).collect();
    let widths = share(&wanted, columns, flow.width(), WORDS_MIN * CELL.size * flow.scale + pad);
    let mut edges = vec![flow.left()];
    for width in widths {
        edges.push(edges[edges.len() - 1] + width);
    }
    edges
}

/// Widths of the columns, together as wide as there is room.
fn share(wanted: &[f32], columns: &[Column], room: f32, least: f32) -> Vec<f32> {
    let mut widths = wanted.to_vec();
    let words = |at: &usize| !columns[*at].is_number;
    let mut open: Vec<usize> = (0..columns.len()).filter(words).collect();
    let fixed: f32 = (0..columns.len()).filter(|at| !words(at)).map(|at| wanted[at]).sum();
    let mut left = room - fixed;
    // The narrow ones first: what they do not need is the others'.
    open.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut waiting = f32::from(u16::try_from(open.len()).unwrap_or(u16::MAX));
    for at in &open {
        widths[*at] = wanted[*at].min((left / waiting).max(least.min(wanted[*at])));
        left -= widths[*at];
        waiting -= 1.0;
    }
    let sum: f32 = widths.iter().sum();
    match open.last() {
        // What is left over goes to the widest column of words.
        Some(widest) if sum < room => widths[*widest] += room - sum,
        _ => widths.iter_mut().for_each(|width| *width *= room / sum),
    }
    widths
}
