// A form from a kind's own table: controls by shape, values by shape, lists with lines. A kind that is added later needs
// nothing here; a new shape is a line in CONTROLS.
import { encode } from "../proof.js";
import { blake3 } from "../vendor/crypto.js";
import { ask } from "./session.js";

const TEXT_LINE_MAX = 200;
const REVIEW = "reviewed_in";
const ATTACHMENT_BYTES_MAX = 20 * 2 ** 20;
/** What has to be done before a voucher is attached: it is public once it is signed. */
export const COVER = "凭证上的姓名、身份证号、账号要先遮住，再拍照附上。签名以后，谁都能看到。";

/** An element with attributes and children; `text` is its text. */
export function make(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

const digits = (text) => text.normalize("NFKC").replaceAll(/[,，\s￥¥]|元$/g, "");
const parts = (text) => text.split(/[\n,，、;；\s]+/).filter(Boolean);
const whole = (text) => {
  const plain = digits(text);
  return /^-?\d{1,15}$/.test(plain) ? Number(plain) : text;
};

/** Yuan as people write them, in fen; what is no amount stays a text, so that the ledger says what is wrong with it. */
export function fen(text) {
  const [, minus, yuan, cents = ""] = /^(-?)(\d{1,13})(?:\.(\d{1,2}))?$/.exec(digits(text)) ?? [];
  if (yuan === undefined) return text;
  const amount = Number(yuan) * 100 + Number(cents.padEnd(2, "0"));
  return minus && amount > 0 ? -amount : amount;
}

/** Fen as yuan. */
export function yuan(amount) {
  if (!Number.isSafeInteger(amount)) return String(amount);
  const size = Math.abs(amount);
  const cents = String(size % 100).padStart(2, "0");
  return `${amount < 0 ? "-" : ""}${Math.floor(size / 100).toLocaleString("zh-CN")}.${cents}`;
}

/** By shape: the attributes of a one-line control, or a function that makes the control; and the value of its text. */
const CONTROLS = {
  text: { value: (text) => text },
  date: { attributes: { type: "date" }, value: (text) => text },
  time: { attributes: { type: "datetime-local", step: "1" }, value: (text) => `${text.length === 16 ? `${text}:00` : text}+08:00` },
  year: { attributes: { inputmode: "numeric" }, hint: "例如 2026", value: whole },
  period: { hint: "例如 2026-02、2026-Q1、2026", value: (text) => text.normalize("NFKC") },
  fen: { attributes: { inputmode: "decimal" }, hint: "元，可以有角分", value: fen, show: yuan },
  count: { attributes: { inputmode: "numeric" }, value: whole },
  percent: { attributes: { inputmode: "numeric" }, hint: "0 至 100", value: whole },
  org: { hint: "机构代码", value: (text) => text },
  link: { hint: "事项编号", value: (text) => text },
  stream: { hint: "事项编号", value: (text) => text },
  key: { area: true, value: (text) => text },
  hash: { value: (text) => text },
  texts: { area: true, hint: "一行一项", value: (text) => text.split("\n").map((line) => line.trim()).filter(Boolean) },
  orgs: { area: true, hint: "机构代码，一行一个", value: parts },
  dates: { area: true, hint: "一行一天，例如 2026-10-01", value: parts },
  counts: { hint: "用逗号隔开", value: (text) => parts(text).map(whole) },
  json: {
    area: true,
    value: (text) => {
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
    },
  },
};

let serial = 0;

/** A control without its label, with `read()` for its value, `write(value)`, and `focus()`. */
function control(field, label) {
  const id = `c${(serial += 1)}`;
  const common = { id, "data-name": field.name, "aria-label": label, autocomplete: "off" };
  if (field.shape === "flag") {
    const input = make("input", { ...common, type: "checkbox" });
    return { id, element: input, read: () => input.checked || (field.required ? false : undefined), write: (value) => (input.checked = value === true || value === "true") };
  }
  if (field.shape === "choice") {
    const options = field.choices.map(([wire, text]) => make("option", { value: wire, text }));
    const select = make("select", common, make("option", { value: "", text: "请选择" }), ...options);
    return { id, element: select, read: () => select.value || undefined, write: (value) => (select.value = value) };
  }
  if (field.shape === "attachments") return files(field, common);
  if (field.shape === "records") return records(field, id);
  const { attributes = {}, area, value, show = String } = CONTROLS[field.shape] ?? CONTROLS.text;
  const long = area || (field.max ?? 0) > TEXT_LINE_MAX;
  const input = make(long ? "textarea" : "input", { ...common, ...(long ? { rows: 2 } : { type: "text", ...attributes }) });
  const read = () => {
    const text = input.value.replaceAll("\r\n", "\n").trim();
    return text === "" ? undefined : value(text);
  };
  const write = (given) => {
    input.value = Array.isArray(given) ? given.join("\n") : field.shape === "time" ? given.slice(0, 19) : show(given);
  };
  return { id, element: input, read, write };
}

/** Files: sent as they are chosen, and named by the hash that is computed here and has to be the ledger's as well. */
function files(field, common) {
  let kept = [];
  const input = make("input", { ...common, type: "file", multiple: true, accept: "image/png,image/jpeg,image/webp,application/pdf" });
  const listed = make("ul", { class: "files" });
  const box = make("div", {}, input, listed);
  const show = () =>
    listed.replaceChildren(
      ...kept.map((file) => {
        const remove = make("button", { type: "button", class: "btn", text: "去掉" });
        remove.onclick = () => {
          kept = kept.filter((other) => other !== file);
          show();
          box.dispatchEvent(new Event("change", { bubbles: true }));
        };
        return make("li", {}, make("span", { text: `${file.media_type}　${Math.ceil(file.size / 1024)} KB ` }), remove);
      }),
    );
  input.addEventListener("change", async (event) => {
    event.stopPropagation();
    for (const file of input.files) {
      try {
        if (kept.length >= (field.max ?? Infinity)) throw new Error(`这里最多 ${field.max} 个文件`);
        if (file.size > ATTACHMENT_BYTES_MAX) throw new Error("超过 20 MB");
        const cleaned = await clean(file);
        const bytes = new Uint8Array(await cleaned.arrayBuffer());
        const hash = encode(blake3(bytes));
        const headers = { "Content-Type": "application/octet-stream" };
        const answer = await ask("/api/v1/attachments", { method: "PUT", body: bytes, headers });
        if (answer.hash !== hash) throw new Error("服务器收到的和这台设备上的不同，没有用它。请再选一次");
        kept.push({ hash, size: bytes.length, media_type: cleaned.type || file.type });
      } catch (error) {
        listed.append(make("li", { class: "why", text: `${file.name}：${error.message}` }));
        continue;
      }
      show();
    }
    input.value = "";
    box.dispatchEvent(new Event("change", { bubbles: true }));
  });
  return { id: common.id, element: box, read: () => (kept.length > 0 ? kept : undefined), write: (given) => { kept = given; show(); } };
}

/** A photo is drawn again, so that where and with what it was taken stays on the device. */
async function clean(file) {
  if (!file.type.startsWith("image/")) return file;
  const image = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => {
    throw new Error("打不开这张图片");
  });
  const canvas = make("canvas", { width: image.width, height: image.height });
  canvas.getContext("2d").drawImage(image, 0, 0);
  const type = file.type === "image/png" ? "image/png" : "image/jpeg";
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("图片太大，处理不了"))), type, 0.85);
  });
}

/** One file, such as the scan of what somebody said on paper. */
export const fileControl = (label, max) => files({ name: "file", max }, { id: `c${(serial += 1)}`, "aria-label": label });

/** A few small records, each with the controls of its members. */
function records(field, id) {
  const rows = rowsOf(field.members, { wide: false });
  rows.element.id = id;
  return { id, element: rows.element, read: () => (rows.read().length > 0 ? rows.read() : undefined), write: rows.write };
}

/** A table of lines with columns; pasted cells of a spreadsheet fill it from the cell in which they are pasted. */
function rowsOf(columns, { wide }) {
  const named = (column) => column.label + (column.required ? "" : "（可空）");
  const head = make("tr", {}, make("th", { scope: "col", text: "行" }), ...columns.map((column) => make("th", { scope: "col", text: named(column) })), make("th", { scope: "col" }, make("span", { class: "sr", text: "去掉" })));
  const body = make("tbody");
  const table = make("table", { class: "lines" }, make("thead", {}, head), body);
  const more = make("button", { type: "button", class: "btn", text: "加一行" });
  const sum = make("p", { class: "sums", "aria-live": "polite" });
  const element = make("div", { class: "linebox" }, make("div", { class: "scroll" }, table), make("p", { class: "send" }, more), sum);
  let lines = [];
  const amounts = columns.filter((column) => column.shape === "fen");
  const number = () => lines.forEach((line, at) => (line.row.firstChild.textContent = at + 1));
  const total = () => {
    const sums = amounts.map((column) => {
      const values = lines.map((line) => line.cells[columns.indexOf(column)].read()).filter(Number.isSafeInteger);
      return `${column.label}合计 ${yuan(values.reduce((all, value) => all + value, 0))} 元`;
    });
    sum.textContent = wide && lines.length > 0 ? [`共 ${lines.length} 行`, ...sums].join("，") : "";
  };
  const add = (values = {}) => {
    const cells = columns.map((column) => control(column, column.label));
    const remove = make("button", { type: "button", class: "btn", "aria-label": "去掉这一行", text: "×" });
    const row = make("tr", {}, make("th", { scope: "row" }), ...cells.map((cell, at) => make("td", { "data-k": named(columns[at]) }, cell.element)), make("td", {}, remove));
    const line = { row, cells };
    cells.forEach((cell, at) => values[columns[at].name] !== undefined && cell.write(values[columns[at].name]));
    remove.onclick = () => {
      lines = lines.filter((other) => other !== line);
      row.remove();
      number();
      total();
      element.dispatchEvent(new Event("change", { bubbles: true }));
    };
    lines.push(line);
    body.append(row);
    number();
    return line;
  };
  more.onclick = () => add().cells[0]?.element.focus();
  element.addEventListener("input", total);
  element.addEventListener("change", total);
  element.addEventListener("paste", (event) => {
    const pasted = event.clipboardData.getData("text/plain").replaceAll("\r\n", "\n").replace(/\n$/, "");
    if (!/[\t\n]/.test(pasted) || event.target.matches("textarea")) return;
    event.preventDefault();
    const from = lines.findIndex((line) => line.row.contains(event.target));
    const first = lines[from].cells.findIndex((cell) => cell.element === event.target);
    pasted.split("\n").forEach((text, down) => {
      const line = lines[from + down] ?? add();
      text.split("\t").forEach((cell, across) => put(columns[first + across], line.cells[first + across], cell.trim()));
    });
    total();
    element.dispatchEvent(new Event("change", { bubbles: true }));
  });
  const read = () =>
    lines.map(({ cells }) => {
      const pairs = cells.map((cell, at) => [columns[at].name, cell.read()]);
      return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
    });
  const write = (all) => {
    lines = [];
    body.replaceChildren();
    all.forEach(add);
    total();
  };
  const at = (line, name) => lines[line]?.cells[columns.findIndex((column) => column.name === name)]?.element;
  return { element, read, write, at };
}

/** A pasted cell: a choice may be pasted by its words. */
function put(column, cell, text) {
  if (!cell) return;
  const chosen = column.choices?.find(([wire, label]) => label === text || wire === text);
  if (column.choices) cell.write(chosen?.[0] ?? "");
  else if (column.shape === "flag") cell.write(["是", "√", "✓", "1", "true"].includes(text));
  else cell.element.value = text;
}

const TIERS = { members: "党员可见", unit: "本地区本单位可见", named: "特定对象可见" };

/** One labelled field. */
function row(field) {
  const made = control(field, field.label);
  const note = CONTROLS[field.shape]?.hint;
  const label = make("label", { for: made.id, text: field.label }, " ");
  if (field.required && field.shape !== "flag") label.append(make("b", { class: "must", text: "必填" }));
  if (TIERS[field.tier]) label.append(make("small", { class: "tier", text: `不公开，${TIERS[field.tier]}` }));
  const box = make("div", { class: "field" }, label);
  if (note) box.append(make("p", { class: "hint", text: note }));
  box.append(made.element);
  made.element.removeAttribute("aria-label");
  return { field, box, ...made };
}

const covered = ({ columns }) => (columns.some(({ shape }) => shape === "attachments") ? [make("p", { class: "note", text: COVER })] : []);

/** The form of a table, in an element; `fields()` gives what is written. */
export function build(table, into) {
  // The number of the review is written by whoever sends it there.
  const rows = table.fields.filter(({ name }) => name !== REVIEW).map(row);
  // What must be written comes first; what is not public, last.
  rows.sort((a, b) => rank(a.field) - rank(b.field));
  const lists = table.lists.map((list) => ({ ...list, ...rowsOf(list.columns, { wide: true }) }));
  const boxes = lists.map((list) => make("section", { class: "field", "data-list": true }, make("h2", { text: "清单" }), make("p", { class: "hint", text: "可以从 Excel 选中几行复制，粘贴到对应的格子。" }), ...covered(list), list.element));
  const needed = rows.filter(({ field }) => field.required).map(({ box }) => box);
  const others = rows.filter(({ field }) => !field.required).map(({ box }) => box);
  const more = make("details", { class: "field" }, make("summary", { text: "更多可填的" }), ...others);
  into.replaceChildren(...needed, ...(others.length > 0 ? [more] : []), ...boxes);
  const value = (name) => rows.find(({ field }) => field.name === name)?.read();
  const current = () => lists.find(({ when }) => !when || value(when[0]) === when[1]);
  // Lines that are shown and mended elsewhere (an uploaded sheet), with the element of each.
  let held;
  const hold = (lines, element) => {
    held = lines && { lines, element };
    show();
  };
  const show = () => lists.forEach((list, at) => (boxes[at].hidden = list !== current() || Boolean(held)));
  into.addEventListener("change", show);
  show();
  const own = () => rows.map(({ field, read }) => [field.name, read()]).filter(([, given]) => given !== undefined);
  const fields = () => {
    const lines = held?.lines ?? current()?.read().filter((line) => Object.keys(line).length > 0) ?? [];
    return Object.fromEntries(lines.length > 0 ? [...own(), ["lines", lines]] : own());
  };
  /** What is kept while somebody writes: held lines are kept where they come from. */
  const draft = () => (held ? Object.fromEntries(own()) : fields());
  /** Writes some fields and leaves the others. */
  const set = (given) => {
    for (const one of rows) if (given[one.field.name] !== undefined) one.write(given[one.field.name]);
    more.open ||= rows.some(({ field }) => !field.required && given[field.name] !== undefined);
    show();
  };
  const write = (given) => {
    for (const one of rows) if (given[one.field.name] !== undefined) one.write(given[one.field.name]);
    show();
    // What was written must be seen.
    more.open = rows.some(({ field, read }) => !field.required && read() !== undefined);
    if (Array.isArray(given.lines)) current()?.write(given.lines);
    else lists.forEach((list) => list.write([{}]));
  };
  /** The control that a refusal names: a field by its name or its label, or `lines[3].amount`. */
  const place = (name = "") => {
    const [, line, column] = /^lines\[(\d+)\](?:\.(\w+))?/.exec(name) ?? [];
    if (line !== undefined && held) return held.element(Number(line), column);
    if (line !== undefined) return current()?.at(Number(line), column ?? current().columns[0].name);
    const part = name.split(/[.[]/)[0];
    return rows.find(({ field }) => field.name === part || field.label === part)?.element;
  };
  return { fields, draft, write, set, value, hold, place, columns: () => current()?.columns ?? [] };
}

const rank = ({ tier, required }) => (tier === "public" ? 0 : 2) + (required ? 0 : 1);
