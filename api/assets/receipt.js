// A receipt as an image that is drawn here: of what was handed in through an intake, whose code is sent nowhere. The server
// draws that of everything else (api/src/share/receipt.rs); this one looks alike and says the same.
const WIDTH = 750;
const MARGIN = 36;
const LEADING = 1.5;
const SANS = '"Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif';

/** Lines that are as long as they fit; Chinese breaks anywhere. */
function wrap(pen, text) {
  const lines = [""];
  for (const letter of text) {
    const longer = lines.at(-1) + letter;
    if (pen.measureText(longer).width > WIDTH - 2 * MARGIN) lines.push(letter);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** The size, at most this, in which a text stands on one line: a code is copied by hand. */
function onOneLine(pen, size, text) {
  pen.font = `${size}px ${SANS}`;
  return Math.min(size, Math.floor((size * (WIDTH - 2 * MARGIN)) / pen.measureText(text).width));
}

/** Draws `[size, text]` in order, a line where the text is nothing; gives the height. On a canvas of no height it only measures. */
function draw(pen, parts) {
  let y = MARGIN;
  for (const [size, text] of parts) {
    pen.font = `${size}px ${SANS}`;
    pen.textBaseline = "top";
    for (const line of text ? wrap(pen, text) : [""]) {
      if (text) pen.fillText(line, MARGIN, y);
      else pen.fillRect(MARGIN, y + size / 2, WIDTH - 2 * MARGIN, 2);
      y += size * LEADING;
    }
  }
  return y + MARGIN;
}

/** A `data:` image, as a long press keeps it; `undefined` where the browser draws none. */
export function receiptImage({ site, mark, remark, rows, address, there }) {
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  if (!pen) return undefined;
  const parts = [
    [28, site],
    [44, "回执"],
    [20, ""],
    [28, "查询码"],
    [onOneLine(pen, 42, mark), mark],
    [28, remark],
    [20, ""],
    ...rows.map(([label, value]) => [28, `${label}：${value}`]),
    [20, ""],
    [28, there],
    [28, address],
  ];
  canvas.width = WIDTH;
  canvas.height = Math.ceil(draw(pen, parts));
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000";
  draw(pen, parts);
  return canvas.toDataURL("image/png");
}
