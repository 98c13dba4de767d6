// Uploading a sheet while one writes a disclosure: the server reads it, what is wrong is shown at its cell and mended here,
// and its lines are held for the form. The mended table goes back as a table, so there is one way of reading. It is kept
// with the draft, and nothing can be signed while a problem blocks it.
import { make } from "./form.js";
import { ask } from "./session.js";
import { columnsOf, remembered, remember } from "./sheet-columns.js";
import { vouchersOf } from "./sheet-files.js";
import { rowsOf } from "./sheet-rows.js";

const BYTES_MAX = 8 * 2 ** 20;
const DRAFT_CHARS_MAX = 2 * 2 ** 20;
const SHEETS = "/internal/api/v1/sheets";
// Columns of a finance sheet that go into one with others.
const APART = [["amount", "金额（收支在一列）"], ["side", "收支方向"], ["month", "月（月、日分两列）"], ["day", "日（月、日分两列）"], ["voucher_word", "凭证字（字、号分两列）"]].map(([name, label]) => ({ name, label }));

/** Rows as a table of the same row numbers and one width: empty lines stand for rows that are not there. */
export function csv(rows) {
  const width = Math.max(...rows.map(({ cells }) => cells.length));
  let text = "";
  let next = 1;
  for (const { row, cells } of rows) {
    const all = Array.from({ length: width }, (_, place) => cells[place] ?? "");
    text += "\n".repeat(row - next) + all.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(",") + "\n";
    next = row + 1;
  }
  return text;
}

/** The upload of a kind whose list follows from its content; nothing for any other kind. */
export function uploading({ table, written, form, body, button, org, changed, draft }) {
  const lists = table.lists.filter(({ when }) => when?.[0] === "content");
  if (!table.opens || lists.length === 0) return undefined;
  let state; // { file?, rows, carried: [[row, place]], told: { header, columns }, sheet? }
  let read; // what the server said of it last
  let filled = {}; // what was put into the form, to tell it from what somebody wrote there
  let round = 0;

  const input = make("input", { id: "f-sheet", type: "file", accept: ".xlsx,.xls,.csv" });
  const status = make("p", { "aria-live": "polite", class: "sheetstatus" });
  const checks = make("ul", { class: "sheetchecks" });
  const choose = make("div");
  const view = rowsOf({ edit, add, remove });
  const vouchers = vouchersOf({ changed: hold });
  const last = make("button", { type: "button", class: "btn", text: "沿用上月" });
  const drop = make("button", { type: "button", class: "btn", text: "不用这张表", hidden: true });
  const templates = make("p", { class: "hint" }, "空白表格：");
  for (const { when, label } of lists.map((list) => ({ ...list, label: labelOf(list.when[1]) }))) {
    templates.append(make("a", { href: `/internal/templates/${when[1]}.xlsx`, download: true, text: label }), " ");
  }
  const panel = make(
    "section",
    { class: "field upload", "aria-label": "从表格读入" },
    make("h2", { text: "从表格读入" }),
    make("p", { class: "hint", text: "Excel（.xlsx、.xls）或 CSV，原样上传：标题行、合计行、空列不用删。表格在这里核对，签名以后才公开。" }),
    make("label", { for: "f-sheet", text: "选一份表格" }),
    input,
    make("p", { class: "acts" }, last, drop),
    templates,
    status,
    choose,
    checks,
    view.element,
    vouchers.element,
  );
  // Changes inside are ours: the form is told when the sheet was read.
  for (const name of ["input", "change"]) panel.addEventListener(name, (event) => event.stopPropagation());
  body.prepend(panel);

  function labelOf(content) {
    const field = table.fields.find(({ name }) => name === "content");
    return field?.choices.find(([wire]) => wire === content)?.[1] ?? content;
  }

  function say(text, bad = false) {
    status.textContent = text;
    status.classList.toggle("bad", bad);
  }

  /** What the form says about the sheet; what came from the sheet itself is not said back. */
  function asked() {
    const given = { org: org(), book: written.value("book"), content: written.value("content") };
    for (const name of ["period", "opening"]) {
      const value = written.value(name);
      if (value !== undefined && value !== filled[name]) given[name] = value;
    }
    if (!lists.some(({ when }) => when[1] === given.content)) delete given.content;
    const all = { ...given, ...state.told, ...(state.file ? { sheet: state.sheet } : {}) };
    return new URLSearchParams(Object.entries(all).filter(([, value]) => value !== undefined && value !== ""));
  }

  async function check() {
    const mine = (round += 1);
    const what = state.file ?? csv(state.rows);
    say("正在读表格……");
    try {
      const headers = { "Content-Type": "application/octet-stream" };
      const answer = await ask(`${SHEETS}?${asked()}`, { method: "POST", body: what, headers });
      if (mine !== round) return;
      take(answer);
    } catch (error) {
      if (mine !== round) return;
      read = undefined;
      show();
      say(error.message, true);
    }
  }

  function take(answer) {
    const known = !answer.mapped && !state.told.columns && remembered(org(), answer);
    if (known) {
      state.told = known;
      return void check();
    }
    read = answer;
    if (answer.rows.length > 0) {
      state.rows = answer.rows.map(({ row, cells }) => ({ row, cells }));
      state.sheet = answer.sheet ?? undefined;
    }
    if (answer.mapped) fill();
    show();
    changed();
  }

  /** What the sheet says goes into the form, unless somebody wrote something else there. */
  function fill() {
    const given = { ...read.fields, content: read.content };
    if (read.content === "finance") given.class = "finance";
    if (read.content === "finance") given.book = written.value("book") ?? "committee";
    const untouched = (name) => written.value(name) === undefined || written.value(name) === filled[name];
    const sums = ["content", "income", "expense", "closing", "opening"];
    const put = Object.fromEntries(Object.entries(given).filter(([name]) => sums.includes(name) || untouched(name)));
    const bookWasOpen = written.value("book") === undefined && put.book !== undefined;
    written.set(put);
    filled = { ...filled, ...put };
    written.hold(vouchers.attached(read), () => input);
    // Whose book it is decides what it is compared with.
    if (bookWasOpen) void check();
  }

  /** A file was attached or taken away: the same lines with other files. */
  function hold() {
    if (!read?.mapped) return;
    written.hold(vouchers.attached(read), () => input);
    changed();
  }

  const takesFiles = () => {
    const list = lists.find(({ when }) => when[1] === read?.content);
    return list?.columns.find(({ shape }) => shape === "attachments");
  };

  function show() {
    const blocked = Boolean(open());
    button.hidden = blocked;
    drop.hidden = !state;
    last.hidden = Boolean(state);
    choose.replaceChildren();
    checks.replaceChildren();
    vouchers.show(read, takesFiles());
    if (!read) return view.clear();
    if (read.sheets.length > 1 && state.file) choose.append(sheetChoice());
    if (!read.mapped && read.content && read.rows.length > 0) {
      choose.append(columnsOf({ read, columns: fieldsOf(read.content), use }));
    }
    for (const { label, holds, detail } of read.mapped ? read.checks : []) {
      const [sign, word] = holds === true ? ["✓", "相符"] : holds === false ? ["✗", "不符"] : ["–", "未核对"];
      checks.append(make("li", { class: holds === false ? "bad" : "" }, make("b", { text: `${sign} ${label}` }), ` ${word}：${detail}`));
    }
    checks.append(...read.notes.map((note) => make("li", { class: "note", text: note })));
    view.show(read, state.carried);
    say(summary(), blocked);
  }

  function summary() {
    const of = read.platform ? `按“${read.platform}”读，` : "";
    const lines = `${of}读出 ${read.lines.length} 行`;
    if (read.blocking > 0) return `${lines}，还有 ${read.blocking} 处要改，改好才能签名。`;
    const more = read.problems_total > 0 ? `，${read.problems_total} 处请核对` : "";
    return `${lines}${more}，没有要改的。往下核对表单，就能签名。`;
  }

  function fieldsOf(content) {
    const { columns } = lists.find(({ when }) => when[1] === content);
    const more = content === "finance" ? APART : [];
    // Files are attached to a line, they stand in no column.
    return [...columns.filter(({ shape }) => shape !== "attachments"), ...more];
  }

  function sheetChoice() {
    const options = read.sheets.map((name) => make("option", { value: name, text: name, selected: name === read.sheet }));
    const select = make("select", { id: "f-sheet-name" }, ...options);
    select.onchange = () => {
      state.sheet = select.value;
      state.told = {};
      vouchers.clear();
      void check();
    };
    return make("p", {}, make("label", { for: "f-sheet-name", text: "读哪一张工作表 " }), select);
  }

  function use(told) {
    state.told = told;
    remember(org(), read, told);
    void check();
  }

  function edit(row, place, text) {
    const found = state.rows.find((one) => one.row === row);
    while (found.cells.length <= place) found.cells.push("");
    found.cells[place] = text;
    state.carried = state.carried.filter(([of, at]) => of !== row || at !== place);
    mended();
  }

  /** A new row below one; the rows after it move on, as in a table program. */
  function add(row) {
    const at = state.rows.findIndex((one) => one.row === row);
    const after = ({ row: number }) => number > row;
    for (const one of state.rows.filter(after)) one.row += 1;
    state.carried = state.carried.map(([of, place]) => [of > row ? of + 1 : of, place]);
    const cells = [...state.rows[at].cells];
    state.rows.splice(at + 1, 0, { row: row + 1, cells });
    vouchers.moved(row, 1);
    mended();
  }

  function remove(row) {
    state.rows = state.rows.filter((one) => one.row !== row);
    vouchers.removed(row);
    state.carried = state.carried.filter(([of]) => of !== row);
    mended();
  }

  /** From the first change on the table is what counts, not the file. */
  function mended() {
    state.told = { ...state.told, header: read.header_row ?? undefined };
    if (read.platform || state.told.columns) state.told.columns ??= columnsText(read.columns);
    delete state.file;
    void check();
  }

  const columnsText = (columns) => columns.filter(({ field }) => field).map(({ place, field }) => `${place}:${field}`).join(",");

  /** What the draft keeps of it. A sheet beyond the limit is uploaded again; the file is still there. */
  function kept() {
    if (!state || !read || state.rows.length === 0) return undefined;
    const { rows, carried, told } = state;
    const all = { rows, carried, told: { ...told, header: read.header_row ?? undefined }, filled, files: vouchers.kept() };
    return JSON.stringify(all).length <= DRAFT_CHARS_MAX ? all : undefined;
  }

  input.onchange = () => {
    const [file] = input.files;
    if (!file) return;
    state = { file, rows: [], carried: [], told: {} };
    read = undefined;
    vouchers.clear();
    if (file.size > BYTES_MAX) {
      const size = (file.size / 2 ** 20).toFixed(1);
      show();
      return say(`文件有 ${size} MB，超过 8 MB。请只留要公开的这一期，去掉图片，再上传。`, true);
    }
    void check();
  };

  last.onclick = async () => {
    const given = { org: org(), book: written.value("book"), period: written.value("period") };
    const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value));
    try {
      const { rows, cells, from } = await ask(`${SHEETS}/last?${query}`);
      if (rows.length === 1) return say(`${from} 和再上一月没有重复的收支，没有可沿用的。`);
      state = { rows, carried: cells, told: { header: 1 } };
      vouchers.clear();
      // The month after the last one, unless somebody said another.
      const [year, month] = from.split("-").map(Number);
      const next = month === 12 ? `${year + 1}-01` : `${year}-${String(month + 1).padStart(2, "0")}`;
      written.set({ content: "finance", period: given.period ?? next });
      view.open(rows.slice(1).map(({ row }) => row));
      void check();
    } catch (error) {
      say(error.message, true);
    }
  };

  drop.onclick = () => {
    state = undefined;
    read = undefined;
    vouchers.clear();
    input.value = "";
    written.hold(undefined);
    show();
    say("");
    changed();
  };

  // What the sheet is compared with.
  form.addEventListener("change", ({ target }) => {
    const compared = ["content", "book", "period", "opening"].includes(target.dataset.name) || ["f-place", "f-org"].includes(target.id);
    if (state && compared) void check();
  });

  const open = () => {
    if (!state) return undefined;
    if (!read) return "表格还没有读好";
    return read.blocking > 0 ? `表格里还有 ${read.blocking} 处要改` : undefined;
  };

  if (draft) {
    const { files, ...rest } = draft;
    ({ filled } = draft);
    state = rest;
    const takes = lists.flatMap(({ columns }) => columns).find(({ shape }) => shape === "attachments");
    vouchers.restore(files, takes);
    void check();
  }
  return { open, kept };
}
