// What the public will see and what it will not, from the bytes that are signed: the same for whoever writes, reviews and
// signs beside.
import { make, yuan } from "./form.js";
import { ask } from "./session.js";

const LINES_SHOWN_MAX = 200;

export const tableOf = (kind) => ask(`/api/v1/tables/${kind}`);

/** The statement of a text. */
export const statementOf = ({ statement }) => JSON.parse(statement.split("\n")[2]);

/** The fields of a prepared statement as they were written; `hidden` counts those that this reader does not get. */
export function valuesOf(table, prepared) {
  const { body } = statementOf(prepared);
  const fields = {};
  for (const { name } of table.fields) if (body[name] !== undefined) fields[name] = body[name];
  for (const { name, value } of prepared.openings) if (name !== undefined) fields[name] = value;
  const hidden = prepared.openings.filter(({ commitment }) => commitment !== undefined).length;
  const lines = (prepared.lines ?? []).map(({ row, cells = [] }) => {
    const line = { ...row };
    for (const column of columnsOf(table, fields)) if (column.tier !== "public") delete line[column.name];
    for (const { name, value } of cells) line[name] = value;
    return line;
  });
  if (lines.length > 0) fields.lines = lines;
  return { fields, hidden };
}

function columnsOf(table, fields) {
  const list = table.lists.find(({ when }) => !when || fields[when[0]] === when[1]);
  return list?.columns ?? [];
}

/** A value as people read it. */
export function shown(field, value) {
  if (field?.shape === "fen") return `${yuan(value)} 元`;
  if (field?.choices) return field.choices.find(([wire]) => wire === value)?.[1] ?? String(value);
  if (value === true) return "是";
  if (value === false) return "否";
  if (field?.shape === "records") return value.map((one) => field.members.filter(({ name }) => one[name] !== undefined).map((member) => shown(member, one[member.name])).join("　")).join("\n");
  if (field?.shape === "attachments") return value.map(({ media_type: type, size }) => `${type} ${Math.ceil(size / 1024)} KB`).join("、");
  if (Array.isArray(value)) return value.map((one) => (typeof one === "object" ? Object.values(one).join(" ") : one)).join("、");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function lines(list, all) {
  const columns = all.filter(({ name }) => list.some((line) => line[name] !== undefined));
  const cell = (line) => (column) => {
    const text = line[column.name] === undefined ? "" : column.tier === "public" ? shown(column, line[column.name]) : "不公开";
    return make("td", { text });
  };
  const head = make("tr", {}, ...columns.map(({ label }) => make("th", { scope: "col", text: label })));
  const body = list.slice(0, LINES_SHOWN_MAX).map((line) => make("tr", {}, ...columns.map(cell(line))));
  const rest = list.length > LINES_SHOWN_MAX ? [make("p", { class: "note", text: `共 ${list.length} 行，这里列出前 ${LINES_SHOWN_MAX} 行，都会公开。` })] : [];
  const shownPart = make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "清单" }, shownPart, ...rest);
}

/** Shows a prepared statement in the page's preview. */
export function show(table, prepared, preview = document.querySelector("[data-preview]")) {
  // Only where the ledger is can the page be shown as it will be.
  const page = preview.querySelector("[data-page-form]");
  if (page) {
    page.hidden = table.sealed;
    page.elements.prepared.value = table.sealed ? "" : JSON.stringify(prepared);
  }
  const { fields, hidden } = valuesOf(table, prepared);
  const given = table.fields.filter(({ name }) => fields[name] !== undefined && name !== "reviewed_in");
  const isOpen = ({ tier }) => !table.sealed && tier === "public";
  const pair = (field) => make("div", {}, make("dt", { text: field.label }), make("dd", { class: "text", text: shown(field, fields[field.name]) }));
  const listed = (some) => make("dl", { class: "rows" }, ...some.map(pair));
  const closed = given.filter((field) => !isOpen(field));
  const open = table.sealed ? [make("p", { class: "note", text: "什么都不公开。" })] : [listed(given.filter(isOpen))];
  if (!table.sealed && fields.lines) open.push(lines(fields.lines, columnsOf(table, fields)));
  const more = hidden > 0 ? [make("p", { class: "note", text: `另有 ${hidden} 项不对您公开，这里看不到。` })] : [];
  preview.querySelector("[data-public]").replaceChildren(...open);
  preview.querySelector("[data-sealed]").replaceChildren(...(closed.length > 0 ? [listed(closed)] : []), ...more);
  preview.querySelector("[data-sealed-title]").hidden = closed.length + hidden === 0;
  preview.querySelector("[data-bytes]").textContent = prepared.statement;
  preview.hidden = false;
}

/** What became of a submission, in place of the page's content. */
export function done(answer, prepared) {
  const part = document.querySelector(`template[data-${answer.promise ? "promised" : "done"}]`).content.cloneNode(true);
  if (answer.promise) {
    part.querySelector("[data-code]").textContent = answer.status_code;
  } else {
    part.querySelector("[data-index]").textContent = answer.index;
    part.querySelector("[data-page]").setAttribute("href", `/streams/${statementOf(prepared).stream}`);
  }
  end(part);
}

/** Shows the end of what was done on a page. */
export function end(part) {
  document.querySelector("main").replaceChildren(document.querySelector("main h1"), part);
  scrollTo(0, 0);
}
