// Many matters from one table: planned by the server, mended here at their cells, signed on this device one after the other.
// The mended table goes back as a table, so there is one way of reading; it is kept with a draft, as a sheet is that somebody
// uploads while writing. Nothing can be signed while a problem is there.
import { again } from "./again.js";
import { keeper, list, open, teller } from "./drafts.js";
import { make } from "./form.js";
import { recall, submit } from "./import-run.js";
import { csv } from "./sheet.js";
import { proxyOf } from "./proxy.js";
import { rowsOf } from "./sheet-rows.js";
import { ask } from "./session.js";
import "./who.js";

const BYTES_MAX = 8 * 2 ** 20;
const DRAFT_CHARS_MAX = 2 * 2 ** 20;
const ROWS_SHOWN_MAX = 500;
const PATH = "/internal/import";
const part = (name) => document.querySelector(`[data-${name}]`);
const form = part("import");
const table = JSON.parse(form.dataset.import);
const [status, told, progress, button, check, drop] = ["status", "kept", undefined, "run", "again", "drop"].map((name) => (name ? part(name) : document.querySelector("progress")));

let state; // { file?, rows, sheet?, session?, done }
let plan; // what the server said of it last
let kept = { done: {} }; // what was recorded of it; see import-run.js
let refused = new Map(); // what the ledger said no to, by the command's id
let keeping;
let proxy; // where all of it was said by others and is entered for them
let running = false;
let round = 0;

const view = rowsOf({ edit, remove, mendable: ["line", "header"] });
part("rows").append(view.element);

const say = (text, bad = false) => {
  status.textContent = text;
  status.className = bad ? "bad" : "";
};
const control = (id) => document.querySelector(`#f-${id}`);
const family = () => table.families[control("family").selectedIndex];
const place = () => table.places[Number(control("place").value || 0)];
const org = () => control("org").value.trim() || undefined;
const beside = () => [...document.querySelectorAll("[data-beside]:checked")].map(({ value }) => table.beside[Number(value)]);

function frame() {
  const families = table.families.map(([value, text]) => make("option", { value, text }));
  const places = table.places.map(({ org_name: at, role_label: role }, value) => make("option", { value, text: `${at ?? "全账本"}　${role}` }));
  const people = table.beside.map((other, value) => make("label", { class: "tick" }, make("input", { type: "checkbox", "data-beside": true, value }), make("span", { text: other.label })));
  const field = (id, text, element, hint) => make("div", { class: "field" }, make("label", { for: id, text }), ...(hint ? [make("p", { class: "hint", text: hint })] : []), element);
  proxy = proxyOf(table.channels);
  form.replaceChildren(
    field("f-family", "导入什么", make("select", { id: "f-family" }, ...families)),
    field("f-place", "以什么身份写", make("select", { id: "f-place" }, ...places)),
    field("f-org", "机构代码", make("input", { id: "f-org", type: "text", value: table.places[0]?.org ?? "" }), "表里没有写机构代码的行，用这个。"),
    ...(people.length > 0 ? [make("details", { class: "field" }, make("summary", { text: "还要谁一起签名" }), make("p", { class: "hint", text: "只有钥匙在这台设备上的，才能逐条当场签名。" }), ...people)] : []),
    proxy.element,
    field("f-file", "选一份表格", make("input", { id: "f-file", type: "file", accept: ".xlsx,.xls,.csv" }), "Excel（.xlsx、.xls）或 CSV，原样上传：标题行、合计行不用删。"),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", changed);
}

function changed({ target }) {
  if (running) return;
  if (target.id === "f-file") return void choose();
  if (!state) return;
  keeping.touch();
  if (["f-family", "f-org"].includes(target.id)) void read();
}

async function choose() {
  const [file] = control("file").files;
  if (!file) return;
  // What was mended or begun stays on the desk; the new table is another import.
  if (state && (!state.file || Object.keys(kept.done).length > 0)) {
    await keeping.flush();
    keeping = keeper({ content, tell });
  }
  state = { file, rows: [], done: {} };
  if (file.size > BYTES_MAX) {
    forget();
    return say(`文件有 ${(file.size / 2 ** 20).toFixed(1)} MB，超过 8 MB。请分成几份再传。`, true);
  }
  await read();
}

function forget() {
  [state, plan, kept] = [undefined, undefined, { done: {} }];
  refused = new Map();
  show();
}

/** Has the table planned, mended or as it came. Answers that come late say nothing of what stands there now. */
async function read() {
  const mine = (round += 1);
  say("正在读表格……");
  const asked = { family: family()[0], org: org(), sheet: state.file ? state.sheet : undefined };
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value));
  try {
    const answer = await ask(`/internal/api/v1/plans?${query}`, { method: "POST", body: state.file ?? csv(state.rows), headers: { "Content-Type": "application/octet-stream" } });
    if (mine === round) take(answer);
  } catch (error) {
    if (mine !== round) return;
    plan = undefined;
    show();
    if (error.status === 401) return ended();
    say(error.message, true);
  }
}

function take(answer) {
  plan = answer;
  if (answer.table.rows.length > 0) {
    state.rows = answer.table.rows.map(({ row, cells }) => ({ row, cells }));
    state.sheet = answer.table.sheet ?? undefined;
  }
  // An import is named by the table as it came: mending it does not make another one.
  if (state.file || !state.session) state.session = answer.digest;
  kept = recall(state.session);
  kept.done = { ...state.done, ...kept.done };
  state.done = kept.done;
  if (state.rows.length > 0) keeping.touch();
  show();
  summary();
}

/** What stands in the way: what the server found, and what was recorded and is not in the table any more. */
function faults() {
  const lost = Object.entries(kept.done).filter(([id]) => !plan.commands.some((one) => one.id === id));
  const changed = plan.problems_total > 0 ? [] : lost.map(([, [, , row]]) => ({ row, blocking: true, message: "这一行已经入账，不能改成别的，也不能去掉。请改回原样；写错了的，另作更正。" }));
  const no = plan.commands.filter(({ id }) => refused.has(id)).map(({ id, source }) => {
    const { message, place: named } = refused.get(id);
    const column = plan.table.columns.find(({ field }) => field && field === named);
    return { row: source[0]?.row, place: column?.place, blocking: false, message: `未受理：${message}` };
  });
  return [...plan.problems, ...changed, ...no];
}

const blocking = () => plan.problems_total + faults().filter((fault) => fault.blocking).length - plan.problems.length;
const unsent = () => plan.commands.filter(({ id }) => !kept.done[id]);

function summary() {
  const lines = `读了 ${plan.rows} 行`;
  if (blocking() > 0) return say(`${lines}，有 ${blocking()} 处要改。就在下面改，或改好原表再传；没有改好以前什么都不提交。`, true);
  if (plan.commands.length === 0) return say(`${lines}，没有可以提交的内容。`, true);
  if (unsent().length === 0) return say("这张表里的都已经入账。");
  say(`${lines}，生成 ${plan.commands.length} 条，还有 ${unsent().length} 条要签名提交。`);
}

/** What a row is about, in its own words where a field has a code. */
function title({ json: { fields }, source }) {
  const row = plan.table.rows.find((one) => one.row === source[0]?.row);
  const place = plan.table.columns.find(({ field }) => field === "role")?.place;
  return fields.title ?? fields.name ?? (fields.role && row?.cells[place]) ?? fields.code ?? "";
}
const result = ({ id }) => (kept.done[id] ? "已入账" : refused.has(id) ? `未受理：${refused.get(id).message}` : "");

function show() {
  const bad = plan ? blocking() : 0;
  button.hidden = !plan || bad > 0 || unsent().length === 0;
  check.hidden = !plan || bad === 0 || state.rows.length === 0;
  drop.hidden = !state || (plan?.commands.length > 0 && bad === 0 && unsent().length === 0);
  if (!plan) {
    part("plan").replaceChildren();
    return view.clear();
  }
  const { columns, sheets, sheet } = plan.table;
  part("plan").replaceChildren(...(state.file && sheets.length > 1 ? [sheetChoice(sheets, sheet)] : []), ...made(), ...plan.notes.map((text) => make("p", { class: "note", text })));
  const done = (row) => {
    const own = plan.commands.filter(({ source }) => source.some((one) => one.row === row));
    return own.length > 0 && own.every(({ id }) => kept.done[id]);
  };
  const rows = plan.table.rows.map((one) => (done(one.row) ? { ...one, part: "done" } : one));
  const all = faults();
  view.show({ mapped: rows.length > 0, rows, columns, problems: all, problems_total: plan.problems_total + all.length - plan.problems.length }, []);
}

function sheetChoice(sheets, read) {
  const options = sheets.map((name) => make("option", { value: name, text: name, selected: name === read }));
  const select = make("select", { id: "f-sheet" }, ...options);
  select.onchange = () => {
    state.sheet = select.value;
    void reread();
  };
  return make("p", {}, make("label", { for: "f-sheet", text: `有 ${sheets.length} 张工作表，一次读一张 ` }), select);
}

const reread = () => !running && read();

function made() {
  // While something has to be mended, that comes first.
  if (plan.commands.length === 0 || blocking() > 0) return [];
  const head = make("tr", {}, ...["行", "事项", "内容", "结果"].map((text) => make("th", { scope: "col", text })));
  const rows = plan.commands.slice(0, ROWS_SHOWN_MAX).map((one) =>
    make("tr", { "data-id": one.id }, make("th", { scope: "row", text: one.source[0]?.row ?? "" }), make("td", { text: table.kinds[one.json.kind]?.label ?? one.json.kind }), make("td", { text: title(one) }), make("td", { text: result(one), class: refused.has(one.id) ? "bad" : "" })),
  );
  return [make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "会生成的各条" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)))];
}

function edit(row, at, text) {
  if (running) return;
  const found = state.rows.find((one) => one.row === row);
  while (found.cells.length <= at) found.cells.push("");
  found.cells[at] = text;
  mended();
}

function remove(row) {
  if (running) return;
  state.rows = state.rows.filter((one) => one.row !== row);
  mended();
}

/** From the first change on the table is what counts, not the file. */
function mended() {
  delete state.file;
  void read();
}

/** Who signs: the author in a role that may, and whoever was named beside. */
function signers({ kind }) {
  const { role, org: at } = place() ?? {};
  const { authors } = table.kinds[kind];
  const found = authors.includes(role) ? { role } : table.places.find((other) => other.org === at && authors.includes(other.role));
  if (!found) throw new Error("您选的身份不能写这一类");
  return [[found.role, table.key], ...beside().map((other) => [other.role, other.key])];
}

async function run() {
  if (running) return;
  running = true;
  button.disabled = true;
  for (const element of [view.element, drop]) element.hidden = true;
  progress.hidden = false;
  progress.max = plan.commands.length;
  refused = new Map();
  let over;
  try {
    const said = proxy.said();
    const bad = await submit({ session: state.session, plan, kept, said, signers, told: tellOne });
    const open = unsent().length;
    say(bad > 0 ? `提交完了，${bad} 条未受理，原因写在各行；就在下面改，再提交。` : `${plan.commands.length} 条都已入账。`, bad > 0);
    over = open === 0;
  } catch (error) {
    if (error.status === 401) ended();
    else say(`停在这里：${error.message}。已入账的不会重复，再点一次接着提交。`, true);
  }
  progress.hidden = true;
  button.disabled = false;
  running = false;
  view.element.hidden = false;
  state.done = kept.done;
  show();
  if (over) await end();
  else keeping.touch();
}

function tellOne(planned, error, ended = false) {
  const number = plan.commands.indexOf(planned);
  progress.value = number;
  if (!ended) return say(`正在提交第 ${number + 1} 条，共 ${plan.commands.length} 条……`);
  if (error) refused.set(planned.id, { message: error.code === "idempotency_conflict" ? "以前提交过" : error.message, place: error.place });
  const cell = document.querySelector(`[data-id="${planned.id}"] td:last-child`);
  if (!cell) return;
  cell.textContent = result(planned);
  cell.className = error ? "bad" : "";
}

/** What is recorded completely, or thrown away, is no draft any more. */
async function end() {
  await keeping.end();
  keeping = keeper({ content, tell });
  told.textContent = "";
}

/** The session ended: it is begun again here, and nothing is lost. */
function ended() {
  again(status, table.key, async () => {
    await keeping.flush();
    await read();
  });
}

/** What the draft keeps: the table with what was mended, and how far it is. */
function content() {
  const { role, org: at } = place() ?? {};
  const [name, label, kind] = family();
  const all = { family: name, role, org: at, other: org(), beside: beside().map(({ key }) => key), ...proxy.state(), session: state?.session, done: state?.done, rows: state?.rows ?? [] };
  const fits = JSON.stringify(all).length <= DRAFT_CHARS_MAX;
  return { label: `批量导入${label}`, kind, href: `${PATH}?draft=${keeping.id}`, fields: { title: `${plan?.rows ?? 0} 行` }, frame: fits ? all : { ...all, rows: [] } };
}

const tell = teller(told, { saved: () => "改过的表已保存，换一台设备也能接着来。", what: "改过的", ended: () => ended() });

/** The import that is gone on with: the one that the address names, or the latest. */
async function begun() {
  const named = new URLSearchParams(location.search).get("draft");
  if (named) return open(named);
  const own = ({ is_own: mine, href }) => mine && new URL(href, location.origin).pathname === PATH;
  const found = (await list())?.find(own);
  return found && open(found.id);
}

function restore({ family: name, role, org: at, other, beside: keys = [], channel, scan, session, done = {}, rows = [] }) {
  proxy.restore({ channel, scan });
  control("family").value = name;
  const found = table.places.findIndex((one) => one.role === role && one.org === at);
  if (found >= 0) control("place").value = found;
  control("org").value = other ?? "";
  for (const box of document.querySelectorAll("[data-beside]")) box.checked = keys.includes(table.beside[Number(box.value)].key);
  if (rows.length > 0) state = { rows, session, done };
}

async function begin() {
  frame();
  const draft = await begun().catch((error) => say(error.message, true));
  keeping = keeper({ id: draft?.id, known: draft?.revision, content, tell });
  if (draft) restore(draft.frame);
  button.addEventListener("click", run);
  check.addEventListener("click", reread);
  drop.addEventListener("click", async () => {
    control("file").value = "";
    forget();
    say("");
    await end();
  });
  form.dataset.ready = "";
  if (state) await read();
}

begin();
