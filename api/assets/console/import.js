// Many matters from one table: planned by the server, judged, signed on this device and submitted one after the other. What
// was signed is kept here until its receipt came, so that a break repeats the same bytes under the same key, never twice.
import { make } from "./form.js";
import { all, sign } from "./keys.js";
import { askPin } from "./pin.js";
import { ask, No, post } from "./session.js";
import "./who.js";

const BYTES_MAX = 8 * 2 ** 20;
const ROWS_SHOWN_MAX = 500;
const form = document.querySelector("form[data-import]");
const table = JSON.parse(form.dataset.import);
const status = document.querySelector("[data-status]");
const progress = document.querySelector("progress");
const button = document.querySelector("[data-run]");

let plan;
let kept; // { done: {number: [index, stream]}, pending?: {number, stream, submission} }
let states = [];
let running = false;

const say = (text, bad = false) => {
  status.textContent = text;
  status.className = bad ? "bad" : "";
};
const place = () => table.places[Number(document.querySelector("#f-place")?.value ?? 0)];
const org = () => document.querySelector("#f-org").value.trim() || undefined;
const beside = () => [...document.querySelectorAll("[data-beside]:checked")].map(({ value }) => table.beside[Number(value)]);
const name = () => `import:${plan.digest}`;
const store = () => localStorage.setItem(name(), JSON.stringify(kept));

function frame() {
  const families = table.families.map(([value, text]) => make("option", { value, text }));
  const places = table.places.map(({ org_name: at, role_label: role }, value) => make("option", { value, text: `${at ?? "全账本"}　${role}` }));
  const people = table.beside.map((other, value) => make("label", { class: "tick" }, make("input", { type: "checkbox", "data-beside": true, value }), make("span", { text: other.label })));
  const field = (id, text, control, hint) => make("div", { class: "field" }, make("label", { for: id, text }), ...(hint ? [make("p", { class: "hint", text: hint })] : []), control);
  form.replaceChildren(
    field("f-family", "导入什么", make("select", { id: "f-family" }, ...families)),
    field("f-place", "以什么身份写", make("select", { id: "f-place" }, ...places)),
    field("f-org", "机构代码", make("input", { id: "f-org", type: "text", value: table.places[0]?.org ?? "" }), "表里没有写机构代码的行，用这个。"),
    ...(people.length > 0 ? [make("details", { class: "field" }, make("summary", { text: "还要谁一起签名" }), make("p", { class: "hint", text: "只有钥匙在这台设备上的，才能逐条当场签名。" }), ...people)] : []),
    field("f-file", "选一份表格", make("input", { id: "f-file", type: "file", accept: ".xlsx,.xls,.csv" }), "Excel（.xlsx、.xls）或 CSV。"),
  );
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", ({ target }) => ["f-family", "f-org", "f-file"].includes(target.id) && void read());
}

async function read() {
  const [file] = document.querySelector("#f-file").files;
  if (!file || running) return;
  plan = undefined;
  show();
  if (file.size > BYTES_MAX) return say(`文件有 ${(file.size / 2 ** 20).toFixed(1)} MB，超过 8 MB。请分成几份再传。`, true);
  say("正在读表格……");
  const query = new URLSearchParams({ family: document.querySelector("#f-family").value, ...(org() ? { org: org() } : {}) });
  try {
    plan = await ask(`/internal/api/v1/plans?${query}`, { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
  } catch (error) {
    return say(error.message, true);
  }
  kept = JSON.parse(localStorage.getItem(name()) ?? '{"done":{}}');
  states = plan.commands.map((_, number) => (kept.done[number] ? "已入账" : ""));
  show();
  const open = states.filter((state) => state !== "已入账").length;
  if (plan.problems_total > 0) say(`读了 ${plan.rows} 行，有 ${plan.problems_total} 处要改。请改好原表，再传一次；没有改好以前什么都不提交。`, true);
  else if (open === 0) say("这张表里的都已经入账。");
  else say(`读了 ${plan.rows} 行，生成 ${plan.commands.length} 条，还有 ${open} 条要签名提交。`);
}

function where({ row, column, header, cell }) {
  const parts = [row && `第 ${row} 行`, column && `${column} 列`, header && `“${header}”`].filter(Boolean).join(" ");
  return cell === undefined ? parts : `${parts}，填的是“${cell}”`;
}

const title = ({ fields }) => fields.title ?? fields.name ?? fields.role ?? fields.code ?? "";

function show() {
  document.querySelector("[data-problems]").replaceChildren(...(plan?.problems ?? []).map((problem) => make("li", {}, make("b", { text: where(problem) }), `：${problem.message}`)));
  const box = document.querySelector("[data-plan]");
  const open = states.some((state) => state !== "已入账");
  button.hidden = !plan || plan.problems_total > 0 || plan.commands.length === 0 || !open;
  if (!plan) return box.replaceChildren();
  const head = make("tr", {}, ...["行", "事项", "内容", "结果"].map((text) => make("th", { scope: "col", text })));
  const rows = plan.commands.slice(0, ROWS_SHOWN_MAX).map(({ json, source }, number) =>
    make("tr", { "data-number": number }, make("th", { scope: "row", text: source[0]?.row ?? "" }), make("td", { text: table.kinds[json.kind]?.label ?? json.kind }), make("td", { text: title(json) }), make("td", { text: states[number] })),
  );
  box.replaceChildren(...(rows.length > 0 ? [make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "会生成的各条" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)))] : []), ...plan.notes.map((text) => make("p", { class: "note", text })));
}

function tell(number, text, bad = false) {
  states[number] = text;
  const cell = document.querySelector(`[data-number="${number}"] td:last-child`);
  if (cell) cell.textContent = text;
  if (cell && bad) cell.className = "bad";
}

/** The command with the streams that are known by now: of the same key in this table, and of people named by it. */
function resolved({ stream_key: key, ...command }) {
  const streams = Object.fromEntries(Object.entries(kept.done).map(([number, [, stream]]) => [plan.commands[number].json.stream_key, stream]));
  const person = command.fields.person;
  if (person?.startsWith("@")) {
    const stream = streams[person.slice(1)];
    if (!stream) throw new Error("这个人还没有登记成");
    return { ...command, fields: { ...command.fields, person: stream } };
  }
  return command;
}

/** Who signs: the author in a role that may, and whoever was named beside. */
function signers(command) {
  const { role, org: at } = place() ?? {};
  const authors = table.kinds[command.kind].authors;
  const found = authors.includes(role) ? { role } : table.places.find((other) => other.org === at && authors.includes(other.role));
  if (!found) throw new Error("您选的身份不能写这一类");
  return [[found.role, table.key], ...beside().map((other) => [other.role, other.key])];
}

async function signed(number, keys) {
  const command = resolved(plan.commands[number].json);
  const asked = { ...command, signers: signers(command) };
  const prepared = await post("/internal/api/v1/rehearsals", asked);
  let note = `${prepared.statement}\n`;
  for (const [, owner] of asked.signers) {
    const key = keys.find((one) => one.name === owner);
    if (!key) throw new Error(`这台设备上没有 ${owner}`);
    note += await sign(key, prepared.statement, askPin);
  }
  const { stream } = JSON.parse(prepared.statement.split("\n")[2]);
  return { number, stream, submission: { note, openings: prepared.openings, lines: prepared.lines } };
}

/** One command, signed before if it was: the same bytes under the same key give the same receipt. */
async function one(number, keys) {
  if (kept.pending?.number !== number) {
    kept.pending = await signed(number, keys);
    store();
  }
  const { stream, submission } = kept.pending;
  const id = `${plan.digest.slice(0, 32)}-${number + 1}`;
  const answer = await post("/api/v1/submissions", submission, { "Idempotency-Key": id });
  kept.done[number] = [answer.index, stream];
  delete kept.pending;
  store();
}

async function run() {
  if (running) return;
  running = true;
  button.disabled = true;
  progress.hidden = false;
  progress.max = plan.commands.length;
  let refused = 0;
  try {
    const keys = await all();
    for (let number = 0; number < plan.commands.length; number += 1) {
      progress.value = number;
      if (kept.done[number]) continue;
      say(`正在提交第 ${number + 1} 条，共 ${plan.commands.length} 条……`);
      try {
        await one(number, keys);
        tell(number, "已入账");
      } catch (error) {
        // What the ledger refused is prepared anew next time; a break or the end of the session stops here.
        if (!(error instanceof No) || error.status === 401 || error.status >= 500) throw error;
        delete kept.pending;
        store();
        refused += 1;
        tell(number, error.code === "idempotency_conflict" ? "以前提交过" : `未受理：${error.message}`, true);
      }
    }
    say(refused > 0 ? `提交完了，${refused} 条未受理，原因写在各行。` : `${plan.commands.length} 条都已入账。`, refused > 0);
  } catch (error) {
    say(`停在这里：${error.message}。已入账的不会重复，再点一次接着提交。`, true);
  }
  progress.hidden = true;
  button.disabled = false;
  running = false;
  button.hidden = !states.some((state) => state !== "已入账");
}

frame();
button.addEventListener("click", run);
