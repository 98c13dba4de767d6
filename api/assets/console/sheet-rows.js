// An uploaded sheet as people see it: on a wide screen the table with each problem beside its cell, on a phone a card for
// each row that has one. Every row can be mended; what is typed is given to whoever holds the table.
import { make } from "./form.js";

const ROWS_SHOWN_MAX = 60;
const narrow = matchMedia("(max-width:719px)");
const PARTS = { title: "标题", header: "列名", total: "合计", opening: "上期结存", closing: "期末结存", aside: "不读", done: "已入账" };

/**
 * The view; `edit(row, place, text)`, `add(row)` and `remove(row)` are called when somebody mends. Without `add` no rows are
 * added; `mendable` are the parts whose rows can be changed.
 */
export function rowsOf({ edit, add, remove, mendable = ["line", "total", "opening", "closing"] }) {
  const element = make("div", { class: "sheetrows" });
  let given; // { read, carried }
  let whole = false;
  let editing = new Set();
  let touched = false;
  let drawing = false;

  const clear = () => {
    given = undefined;
    element.replaceChildren();
  };
  const open = (rows) => (editing = new Set(rows));

  function show(read, carried) {
    given = { read, carried };
    draw();
  }

  function draw() {
    if (!given) return;
    const { read } = given;
    const faults = new Map();
    for (const fault of read.problems) {
      const key = fault.row ?? 0;
      faults.set(key, [...(faults.get(key) ?? []), fault]);
    }
    const whole = (faults.get(0) ?? []).map((fault) => why(fault));
    const parts = read.mapped ? (narrow.matches ? [cards(faults), folded()] : [table(faults, true)]) : [];
    const unread = read.mapped ? [] : read.problems.filter(({ row }) => row).map((fault) => why(fault, `第 ${fault.row} 行：`));
    const more = read.problems_total - read.problems.length;
    const rest = more > 0 ? [make("p", { class: "note", text: `另有 ${more} 处问题没有列出，改好这些再列。` })] : [];
    const { id, value, selectionStart, selectionEnd } = element.contains(document.activeElement) ? document.activeElement : {};
    // A cell that is replaced is left by nobody.
    drawing = true;
    element.replaceChildren(...whole, ...unread, ...rest, ...parts);
    drawing = false;
    const typing = id && value !== undefined && document.getElementById(id);
    // An answer that comes while somebody is in a cell takes nothing away, not even their place in it. Whoever just mended
    // a cell goes on with the next.
    if (typing && (typing.value !== value || !touched)) {
      typing.value = value;
      typing.focus();
      typing.setSelectionRange(selectionStart, selectionEnd);
    } else if (touched) element.querySelector("[aria-invalid]")?.focus();
    touched = false;
  }

  const why = (fault, before = "") => make("p", { class: fault.blocking ? "why" : "note", text: before + fault.message });
  const isCarried = (row, place) => given.carried.some(([of, at]) => of === row && at === place);
  const label = ({ row }, column) => `第 ${row} 行 ${column.letter} 列 ${column.header}`;

  /** A cell that can be typed into, with what is wrong with it. */
  function typed(row, column, faults) {
    const id = `cell-${row.row}-${column.place}`;
    const text = row.cells[column.place] ?? "";
    // A cell with several lines keeps them.
    const control = text.includes("\n") ? { tag: "textarea", text } : { tag: "input", type: "text", value: text };
    const { tag, ...given } = control;
    const input = make(tag, { id, autocomplete: "off", "aria-label": label(row, column), ...given });
    const mine = faults.filter(({ place }) => place === column.place);
    if (mine.some(({ blocking }) => blocking)) input.setAttribute("aria-invalid", "true");
    if (mine.length > 0) input.setAttribute("aria-describedby", `${id}-why`);
    let known = text;
    const commit = () => {
      if (drawing || input.value === known) return;
      known = input.value;
      touched = true;
      edit(row.row, column.place, known);
    };
    // What is typed on after a redraw is no change to a browser: leaving the cell says so, too.
    input.onchange = commit;
    input.onblur = commit;
    input.onkeydown = ({ key }) => key === "Enter" && tag === "input" && commit();
    const said = mine.length > 0 ? [make("div", { id: `${id}-why` }, ...mine.map((fault) => why(fault)))] : [];
    return [input, ...said];
  }

  /** What can be typed into while a row is mended; of the header also what is not known yet. */
  const takes = (row, { field }) => Boolean(field) || row.part === "header";

  function buttons(row) {
    if (!mendable.includes(row.part)) return [];
    const button = (text, name, act) => {
      const made = make("button", { type: "button", class: "btn", text, "aria-label": `${name}第 ${row.row} 行` });
      made.onclick = act;
      return made;
    };
    if (!editing.has(row.row)) {
      return [
        button("改", "改", () => {
          editing.add(row.row);
          draw();
          element.querySelector(`[id^="cell-${row.row}-"]`)?.focus();
        }),
      ];
    }
    const act = (then) => () => {
      touched = true;
      then(row.row);
    };
    const more = add ? [button("加一行", "在下面照着加一行：", act(add))] : [];
    return row.part === "header" ? [] : [...more, button("去掉", "去掉", act(remove))];
  }

  function cards(faults) {
    const { read } = given;
    const rows = read.rows.filter(({ row }) => faults.has(row) || editing.has(row));
    const list = rows.slice(0, ROWS_SHOWN_MAX).map((row) => {
      const mine = faults.get(row.row) ?? [];
      const nameless = mine.filter(({ place }) => place !== undefined && !read.columns.some((column) => column.place === place));
      const columns = [...read.columns, ...nameless.map(({ place }) => ({ place, letter: letters(place), header: "没有列名" }))];
      const wanted = columns.filter((column) => mine.some(({ place }) => place === column.place) || (editing.has(row.row) && takes(row, column)));
      const boxes = wanted.map((column) => make("div", { class: "field" }, make("label", { for: `cell-${row.row}-${column.place}`, text: `${column.header}（${column.letter} 列）` }), badge(row, column), ...typed(row, column, mine)));
      const others = mine.filter(({ place }) => !wanted.some((column) => column.place === place)).map((fault) => why(fault));
      const head = make("h3", { text: `第 ${row.row} 行${PARTS[row.part] ? `（${PARTS[row.part]}）` : ""}` });
      return make("li", { class: "card" }, head, make("p", { class: "note", text: row.cells.filter((cell) => cell.trim()).join("　") }), ...others, ...boxes, make("p", { class: "acts" }, ...buttons(row)));
    });
    return make("ul", { class: "problemcards" }, ...list);
  }

  const badge = (row, column) => (isCarried(row.row, column.place) ? make("small", { class: "carried", text: "沿用" }) : "");

  function folded() {
    const box = make("details", {}, make("summary", { text: `看整张表（${given.read.rows.length} 行）` }));
    box.addEventListener("toggle", () => box.open && box.children.length === 1 && box.append(table(new Map(), false)));
    return box;
  }

  function table(faults, mending) {
    const { read } = given;
    const width = Math.max(...read.rows.map(({ cells }) => cells.length), 1);
    const columns = Array.from({ length: width }, (_, place) => read.columns.find((column) => column.place === place) ?? { place, letter: letters(place), header: "" });
    const head = make("tr", {}, make("th", { scope: "col", text: "行" }), ...columns.map(({ letter }) => make("th", { scope: "col", text: letter })), mending ? make("th", { scope: "col" }, make("span", { class: "sr", text: "改" })) : "");
    const wanted = read.rows.filter(({ row }, at) => whole || at < ROWS_SHOWN_MAX || faults.has(row));
    const body = wanted.map((row) => line(row, columns, faults.get(row.row) ?? [], mending));
    const box = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "读到的表格" }, make("table", { class: "lines read" }, make("thead", {}, head), make("tbody", {}, ...body)));
    if (wanted.length === read.rows.length) return box;
    const all = make("button", { type: "button", class: "btn", text: `其余 ${read.rows.length - wanted.length} 行没有问题，也列出来` });
    all.onclick = () => {
      whole = true;
      draw();
    };
    return make("div", {}, box, make("p", {}, all));
  }

  function line(row, columns, faults, mending) {
    const cells = columns.map((column) => {
      const wrong = faults.some(({ place }) => place === column.place);
      const text = row.cells[column.place] ?? "";
      if (mending && (wrong || (editing.has(row.row) && takes(row, column)))) return make("td", { class: wrong ? "wrong" : "" }, badge(row, column), ...typed(row, column, faults));
      return make("td", {}, make("span", { text }), badge(row, column));
    });
    const others = faults.filter(({ place }) => place === undefined).map((fault) => why(fault));
    const number = make("th", { scope: "row" }, String(row.row), PARTS[row.part] ? make("small", { text: PARTS[row.part] }) : "", ...others);
    const last = mending ? buttons(row) : [];
    return make("tr", { class: `is-${row.part}` }, number, ...cells, ...(mending ? [make("td", { class: "acts" }, ...last)] : []));
  }

  narrow.addEventListener("change", draw);
  return { element, show, clear, open };
}

/** The letters over a column: 0 is A, 26 is AA. */
function letters(place) {
  const head = Math.floor(place / 26);
  return (head > 0 ? letters(head - 1) : "") + String.fromCharCode(65 + (place % 26));
}
