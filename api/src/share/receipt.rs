//! A receipt as an image to keep: long press, or paper.
//!
//! It says everything that one needs later without the site: what was handed in and when, by when which answer is due and
//! by which rule, the code or the number, and where to ask. The code to scan leads to the page on which one asks and holds
//! nothing else: whoever photographs it over one's shoulder has learned an address that is public. Not here: which values
//! (`http::pages::receipt`).

use super::pixels::{Canvas, EM, width, wrap};
use super::qr::Qr;

/// Width in pixels; a phone's screen shows it whole, and paper sharp.
const WIDTH: usize = 750;
const MARGIN: usize = 36;
const TEXT: usize = 2;
const LARGE: usize = 3;
/// Pixels between two lines.
const LEADING: usize = 14;
/// Widest module of the code.
const MODULE_MAX: usize = 6;

/// What stands on a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Name of the ledger.
    pub site: String,
    /// The code, or the number of a public entry, with what it is called.
    pub mark: (String, String),
    /// What is to be done with it.
    pub remark: String,
    /// Labels and values.
    pub rows: Vec<(String, String)>,
    /// Where one asks later: the address without any code.
    pub address: String,
    /// What to do there.
    pub there: String,
}

/// The image, as PNG.
pub fn draw(receipt: &Receipt) -> Vec<u8> {
    let mut pen = Pen { canvas: Canvas::new(WIDTH), y: MARGIN };
    pen.lines(TEXT, &receipt.site);
    pen.lines(LARGE, "回　执");
    pen.rule();
    let (label, mark) = &receipt.mark;
    pen.lines(TEXT, label);
    // As large as it fits on one line: it is copied by hand.
    let room = WIDTH - 2 * MARGIN;
    let scale = (room / width(mark).max(1)).clamp(TEXT, LARGE + 1);
    pen.lines(scale, mark);
    pen.lines(TEXT, &receipt.remark);
    pen.rule();
    for (label, value) in &receipt.rows {
        pen.lines(TEXT, &format!("{label}：{value}"));
    }
    pen.rule();
    pen.foot(receipt);
    let height = pen.y + MARGIN;
    pen.canvas.grow(height);
    pen.canvas.png()
}

struct Pen {
    canvas: Canvas,
    y: usize,
}

impl Pen {
    fn within(&mut self, left: usize, room: usize, scale: usize, text: &str) {
        for line in wrap(text, room / scale) {
            self.canvas.text(left, self.y, scale, &line);
            self.y += EM * scale + LEADING;
        }
    }

    fn lines(&mut self, scale: usize, text: &str) {
        self.within(MARGIN, WIDTH - 2 * MARGIN, scale, text);
    }

    fn rule(&mut self) {
        for left in (MARGIN..WIDTH - MARGIN).step_by(16) {
            self.canvas.fill(left, self.y, 8, 2);
        }
        self.y += 2 + LEADING;
    }

    /// The code to scan, and beside it what to do.
    fn foot(&mut self, receipt: &Receipt) {
        let Some(code) = Qr::of(&receipt.address) else {
            self.lines(TEXT, &receipt.there);
            self.lines(TEXT, &receipt.address);
            return;
        };
        let scale = (WIDTH / 3 / code.side()).clamp(3, MODULE_MAX);
        let side = code.side() * scale;
        let top = self.y;
        self.canvas.code(WIDTH - MARGIN - side, top, scale, &code);
        let room = WIDTH - 2 * MARGIN - side;
        self.within(MARGIN, room, TEXT, &receipt.there);
        self.within(MARGIN, room, TEXT, &receipt.address);
        self.y = self.y.max(top + side);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            site: "青禾县公开账本（演示）".into(),
            mark: ("查询码".into(), "7K2M-9QXA-40TB-RZ8C".into()),
            remark: "只此一份，丢了不补。不要发到群里。".into(),
            rows: vec![
                ("登记为".into(), "收到来信".into()),
                ("收到时间".into(), "2026年3月10日 09:20".into()),
                ("登记并告知来信人".into(), "2026年3月25日前（信访工作条例第二十二条）".into()),
                ("封存值".into(), "5ea1ed005ea1ed00".into()),
            ],
            address: "https://gongkai.example/follow".into(),
            there: "看办到哪一步：扫右边的码，输入上面的查询码。不用登录。".into(),
        }
    }

    /// The drawn image as grey bytes, from its own file.
    fn pixels(png: &[u8]) -> (usize, usize, Vec<u8>) {
        use std::io::Read as _;
        let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        let (width, height, length) = (side(16), side(20), side(33));
        let mut rows = Vec::new();
        flate2::read::ZlibDecoder::new(&png[41..41 + length]).read_to_end(&mut rows).unwrap();
        let rows = rows.chunks(width.div_ceil(8) + 1);
        let grey = rows.flat_map(|row| {
            let bits = (0..width).map(|x| if row[1 + x / 8] & 0x80 >> (x % 8) == 0 { 0 } else { 255 });
            bits.collect::<Vec<u8>>()
        });
        (width, height, grey.collect())
    }

    #[test]
    fn the_image_is_small_and_its_code_leads_to_the_page_without_the_status_code() {
        let png = draw(&receipt());
        assert!(png.len() < 24_000, "{} bytes", png.len());
        let (width, height, grey) = pixels(&png);
        assert!(width == WIDTH && height > 600 && grey.len() == width * height);
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| grey[y * width + x]);
        let grids = image.detect_grids();
        let read: Vec<String> = grids.iter().map(|grid| grid.decode().unwrap().1).collect();
        assert_eq!(read, ["https://gongkai.example/follow"]);
    }

    #[test]
    fn every_value_changes_the_image_and_long_ones_make_it_higher() {
        let first = draw(&receipt());
        let mut other = receipt();
        other.mark.1 = "7K2M-9QXA-40TB-RZ8D".into();
        assert_ne!(draw(&other), first);
        other.rows[0].1 = "很长的标题".repeat(30);
        assert!(pixels(&draw(&other)).1 > pixels(&first).1);
        other.address = format!("https://{}.example/follow", "a".repeat(300));
        assert!(draw(&other).len() > 1_000, "an address that no code can hold is still written");
    }
}
