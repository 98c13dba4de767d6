// Saying which column of an unknown sheet is what; remembered on this device for the organization and these headers.
import { make } from "./form.js";

const SAMPLES_MAX = 3;
const key = (org, content) => `columns:${org}:${content}`;
const headers = (read) => read.rows.find(({ row }) => row === read.header_row)?.cells ?? [];

/** What was said before of a sheet with these headers. */
export function remembered(org, read) {
  const known = JSON.parse(localStorage.getItem(key(org, read.content)) ?? "null");
  const row = known && read.rows.find(({ cells }) => JSON.stringify(cells) === JSON.stringify(known.headers));
  return row ? { header: row.row, columns: known.columns } : undefined;
}

export function remember(org, read, told) {
  const row = read.rows.find(({ row: number }) => number === told.header);
  localStorage.setItem(key(org, read.content), JSON.stringify({ headers: row?.cells ?? [], columns: told.columns }));
}

/** A choice for each column; `use` gets the row of the header and what each column is. */
export function columnsOf({ read, columns, use }) {
  const list = make("div", { class: "columns" });
  const row = make("input", { id: "f-header", type: "number", min: 1, value: read.header_row ?? 1 });
  const show = () => {
    const at = read.rows.findIndex(({ row: number }) => number === Number(row.value));
    const cells = read.rows[at]?.cells ?? headers(read);
    const below = read.rows.slice(at + 1);
    list.replaceChildren(...cells.flatMap((header, place) => one(header, place, below, columns, read)));
  };
  row.onchange = show;
  show();
  const button = make("button", { type: "button", class: "btn main", text: "按这样读" });
  button.onclick = () => {
    const chosen = [...list.querySelectorAll("select")].filter(({ value }) => value !== "");
    use({ header: Number(row.value), columns: chosen.map(({ dataset, value }) => `${dataset.place}:${value}`).join(",") });
  };
  return make(
    "div",
    { class: "callout" },
    make("h3", { text: "请说明哪一列是什么" }),
    make("p", { text: "说一次就行：这台设备会记住，下次同样的表格直接读。用不着的列不用选。" }),
    make("label", { for: "f-header", text: "列名在第几行" }),
    row,
    list,
    make("p", { class: "send" }, button),
  );
}

function one(header, place, below, columns, read) {
  const samples = below.map(({ cells }) => cells[place]?.trim()).filter(Boolean).slice(0, SAMPLES_MAX);
  if (!header.trim() && samples.length === 0) return [];
  const known = read.columns.find((column) => column.place === place)?.field;
  const options = columns.map(({ name, label }) => make("option", { value: name, text: label, selected: name === known }));
  const id = `f-column-${place}`;
  return [
    make(
      "p",
      {},
      make("label", { for: id, text: `${header.trim() || `第 ${place + 1} 列`}　` }, make("small", { text: samples.join("、") })),
      make("select", { id, "data-place": place }, make("option", { value: "", text: "不用" }), ...options),
    ),
  ];
}
