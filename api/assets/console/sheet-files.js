// The vouchers of an uploaded sheet's lines: a photo or a scan is attached to the line that it proves, by the same code as
// every other file. A line is known by its row in the sheet, so that files stay with it while the sheet is mended.
import { COVER, fileControl, make, yuan } from "./form.js";

const LINES_SHOWN_MAX = 60;

/** The part of the page; `changed()` is called when a file was attached or taken away. */
export function vouchersOf({ changed }) {
  const summary = make("summary");
  const list = make("ul", { class: "vouchers" });
  const more = make("button", { type: "button", class: "btn", hidden: true });
  const folded = make("details", {}, summary, list, make("p", {}, more));
  const lost = make("p", { class: "note", "aria-live": "polite", hidden: true, text: "换了一张表，凭证要重新附。" });
  const element = make("div", { hidden: true }, make("h3", { text: "每一笔的凭证" }), make("p", { class: "note", text: COVER }), lost, folded);
  const controls = new Map(); // row → { item, label, read, write }
  let shown = []; // rows that are listed now
  let lines = []; // { row, line }
  let whole = false;

  function of(row, max) {
    if (controls.has(row)) return controls.get(row);
    const made = fileControl("", max);
    const label = make("label", { for: made.id });
    made.element.querySelector("input").removeAttribute("aria-label");
    const item = make("li", { class: "field" }, label, made.element);
    item.addEventListener("change", () => {
      lost.hidden = true;
      tell();
      changed();
    });
    const one = { item, label, read: made.read, write: made.write };
    controls.set(row, one);
    return one;
  }

  const words = ({ row, line }) => {
    const [word, amount] = line.expense === undefined ? ["收入", line.income] : ["支出", line.expense];
    return `第 ${row} 行　${line.voucher ?? ""}　${line.summary ?? ""}　${word} ${yuan(amount ?? 0)} 元`;
  };

  const count = () => lines.reduce((all, { row }) => all + (controls.get(row)?.read()?.length ?? 0), 0);

  function tell() {
    const files = count();
    summary.textContent = `给 ${lines.length} 笔附凭证（照片或 PDF）${files > 0 ? `，已附 ${files} 个文件` : ""}`;
  }

  /** Lists the lines that were read; `column` is the one that takes files, if the list has one. */
  function show(read, column) {
    lines = column && read?.mapped ? read.lines.map((line, at) => ({ row: read.line_rows[at], line })) : [];
    element.hidden = lines.length === 0;
    draw(column?.max);
  }

  function draw(max) {
    const listed = lines.filter(({ row }, at) => whole || at < LINES_SHOWN_MAX || controls.has(row));
    for (const one of listed) of(one.row, max).label.textContent = words(one);
    const rows = listed.map(({ row }) => row);
    // What is in use stays where it is while the sheet is read again.
    if (rows.join() !== shown.join()) list.replaceChildren(...rows.map((row) => controls.get(row).item));
    shown = rows;
    more.hidden = rows.length === lines.length;
    more.textContent = `其余 ${lines.length - rows.length} 笔也列出来`;
    more.onclick = () => {
      whole = true;
      draw(max);
    };
    tell();
  }

  /** The lines as they are signed: with what was attached to each. */
  function attached(read) {
    return read.lines.map((line, at) => {
      const files = controls.get(read.line_rows[at])?.read();
      return files ? { ...line, files } : line;
    });
  }

  /** Rows below one moved on by so many; the files of a row that was taken out go with it. */
  function moved(below, by) {
    const all = [...controls].sort(([one], [other]) => (by > 0 ? other - one : one - other));
    for (const [row, control] of all.filter(([row]) => row > below)) {
      controls.delete(row);
      controls.set(row + by, control);
    }
    shown = [];
  }

  function removed(row) {
    controls.delete(row);
    shown = [];
  }

  function clear() {
    lost.hidden = count() === 0;
    controls.clear();
    lines = [];
    shown = [];
    whole = false;
    list.replaceChildren();
    element.hidden = true;
  }

  const kept = () => [...controls].map(([row, { read }]) => [row, read()]).filter(([, files]) => files);

  function restore(all, column) {
    for (const [row, files] of all ?? []) of(row, column?.max).write(files);
    folded.open = all?.length > 0;
  }

  return { element, show, attached, moved, removed, clear, kept, restore };
}
