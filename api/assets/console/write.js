// Writing, checking, signing: from a form to a recorded statement. What is signed is what was shown, byte for byte.
import { newKey } from "../statement.js";
import { build, fileControl, make, yuan } from "./form.js";
import { all, sign } from "./keys.js";
import { askPin } from "./pin.js";
import { ask, No, post } from "./session.js";
import { uploading } from "./sheet.js";
import "./who.js";

const CHECK_AFTER_MS = 600;
const LINES_SHOWN_MAX = 200;
const form = document.querySelector("form[data-table]");
const table = JSON.parse(form.dataset.table);
const status = document.querySelector("[data-status]");
const button = document.querySelector("[data-sign]");
const preview = document.querySelector("[data-preview]");
const draftKey = `draft:${table.kind}:${table.about ?? ""}`;

let written;
let uploaded; // a sheet that the lines come from, where the kind has lists
let checked; // what was judged last: { prepared, signers }
let round = 0;
let idempotency = newKey();

function say(text, bad = false) {
  status.textContent = text;
  status.className = bad ? "bad" : "";
}

const place = () => table.places[Number(document.querySelector("#f-place")?.value ?? 0)];
const beside = () => [...document.querySelectorAll("[data-beside]:checked")].map(({ value }) => table.beside[Number(value)]);

/** Where one writes from, and who else signs. */
function frame() {
  const options = table.places.map(({ org_name: org, role_label: role }, at) => make("option", { value: at, text: `${org ?? "全账本"}　${role}` }));
  const where = make("div", { class: "field" }, make("label", { for: "f-place", text: "以什么身份写" }), make("select", { id: "f-place" }, ...options));
  if (table.places.some(({ org }) => !org)) {
    where.append(make("label", { for: "f-org", text: "哪个机构（代码）" }), make("input", { id: "f-org", type: "text", autocomplete: "off" }));
  }
  const people = table.beside.map((other, at) =>
    make("label", { class: "tick" }, make("input", { type: "checkbox", "data-beside": true, value: at }), make("span", { text: other.label })),
  );
  const others = make("details", { class: "field" }, make("summary", { text: "还要谁一起签名" }), make("p", { class: "hint", text: "在这台设备上登录过的钥匙才能当场签名；没有的，请他先用签章卡找回钥匙。" }), ...people);
  return [where, ...(people.length > 0 ? [others] : []), proxy()];
}

let scan;

/** What somebody else said on paper, by phone or in a meeting, with its scan. */
function proxy() {
  scan = fileControl("原件扫描件");
  const channels = table.channels.map((channel) => make("option", { value: channel, text: channel }));
  const channel = make("select", { id: "f-channel" }, make("option", { value: "", text: "不是代录" }), ...channels);
  const hint = make("p", { class: "hint", text: "别人在纸上、电话里、会上说的，由您代录：选来源，附上原件或记录的照片。公众看得到是代录。" });
  return make("details", { class: "field" }, make("summary", { text: "替别人代录" }), hint, make("label", { for: "f-channel", text: "来源" }), channel, make("p", { text: "原件扫描件" }), scan.element);
}

function command() {
  const open = uploaded?.open();
  if (open) throw new Error(open);
  const { role, org } = place();
  const asked = { kind: table.kind, org: org ?? document.querySelector("#f-org").value.trim(), fields: written.fields() };
  const channel = document.querySelector("#f-channel").value;
  const [original] = scan.read() ?? [];
  if (channel && !original) throw new Error("代录的要附上原件扫描件");
  if (channel) asked.proxy = { channel, original: original.hash };
  if (table.about) asked.stream = table.about;
  asked.signers = [[role, table.key], ...beside().map((other) => [other.role, other.key])];
  return asked;
}

function unmark() {
  for (const why of form.querySelectorAll(".why[data-of]")) {
    document.getElementById(why.dataset.of)?.removeAttribute("aria-invalid");
    why.closest(".field")?.classList.remove("wrong");
    why.remove();
  }
}

/** Says beside the control that a refusal names what is wrong with it. */
function mark(error) {
  const control = written.place(error.place?.replace(/^fields\./, ""));
  if (!control) return;
  const box = control.closest("td") ?? control.closest(".field");
  control.setAttribute("aria-invalid", "true");
  box.append(make("p", { class: "why", "data-of": control.id, text: error.message }));
  control.closest(".field").classList.add("wrong");
}

function shown(field, value) {
  if (field?.shape === "fen") return `${yuan(value)} 元`;
  if (field?.choices) return field.choices.find(([wire]) => wire === value)?.[1] ?? String(value);
  if (value === true) return "是";
  if (value === false) return "否";
  if (Array.isArray(value)) return value.map((one) => (typeof one === "object" ? Object.values(one).join(" ") : one)).join("、");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What the public sees, and what it does not, from what is going to be signed. */
function show(prepared, fields) {
  const given = table.fields.filter(({ name }) => fields[name] !== undefined);
  const isOpen = ({ tier }) => !table.sealed && tier === "public";
  const pair = (field) => make("div", {}, make("dt", { text: field.label }), make("dd", { text: shown(field, fields[field.name]) }));
  const listed = (some) => make("dl", { class: "rows" }, ...some.map(pair));
  const hidden = given.filter((field) => !isOpen(field));
  const open = table.sealed ? [make("p", { class: "note", text: "什么都不公开。" })] : [listed(given.filter(isOpen))];
  if (!table.sealed && fields.lines) open.push(lines(fields.lines));
  preview.querySelector("[data-public]").replaceChildren(...open);
  preview.querySelector("[data-sealed]").replaceChildren(...(hidden.length > 0 ? [listed(hidden)] : []));
  preview.querySelector("[data-sealed-title]").hidden = hidden.length === 0;
  preview.querySelector("[data-bytes]").textContent = prepared.statement;
  preview.hidden = false;
}

function lines(list) {
  const columns = written.columns();
  const cell = (line) => (column) => {
    const text = line[column.name] === undefined ? "" : column.tier === "public" ? shown(column, line[column.name]) : "不公开";
    return make("td", { text });
  };
  const head = make("tr", {}, ...columns.map(({ label }) => make("th", { scope: "col", text: label })));
  const body = list.slice(0, LINES_SHOWN_MAX).map((line) => make("tr", {}, ...columns.map(cell(line))));
  const rest = list.length > LINES_SHOWN_MAX ? [make("p", { class: "note", text: `共 ${list.length} 行，这里列出前 ${LINES_SHOWN_MAX} 行，都会公开。` })] : [];
  return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)), ...rest);
}

const store = () => localStorage.setItem(draftKey, JSON.stringify({ label: table.label, href: location.pathname + location.search, fields: written.draft() }));

/** Has what is written judged. Answers that come late say nothing of what stands there now. */
async function check() {
  const mine = (round += 1);
  checked = undefined;
  button.disabled = true;
  store();
  try {
    const asked = command();
    const prepared = await post("/internal/api/v1/rehearsals", asked);
    if (mine !== round) return;
    unmark();
    checked = { prepared, signers: asked.signers };
    show(prepared, asked.fields);
    say("检查通过，可以签名。");
    button.disabled = false;
  } catch (error) {
    if (mine !== round) return;
    unmark();
    preview.hidden = true;
    if (error.status === 401) return ended();
    say(error.message, true);
    if (error instanceof No) mark(error);
  }
}

/** The session ended while somebody wrote: nothing that was written is lost. */
function ended() {
  const to = `/internal/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`;
  status.className = "bad";
  status.replaceChildren("登录已经过期，写好的内容存在这台设备上。", make("a", { href: to, text: "重新登录，接着写" }));
}

/** Signs with every key that was named, all of them on this device. */
async function signatures(text, signers) {
  const keys = await all();
  let note = `${text}\n`;
  for (const [, name] of signers) {
    const key = keys.find((one) => one.name === name);
    if (!key) throw new Error(`这台设备上没有 ${name}。请他用签章卡把钥匙找回到这台设备，再签名`);
    note += await sign(key, text, askPin);
  }
  return note;
}

async function submit() {
  if (!checked || button.disabled) return;
  const { prepared, signers } = checked;
  button.disabled = true;
  try {
    say("正在签名……");
    const note = await signatures(prepared.statement, signers);
    say("正在提交……");
    const submission = { note, openings: prepared.openings, lines: prepared.lines };
    // The same key for the same bytes: after a break nothing is recorded twice.
    const answer = await post("/api/v1/submissions", submission, { "Idempotency-Key": idempotency });
    localStorage.removeItem(draftKey);
    uploaded?.forget();
    done(answer, prepared);
  } catch (error) {
    say(error.message, true);
    if (error instanceof No) {
      idempotency = newKey();
      mark(error);
    }
    button.disabled = false;
  }
}

function done(answer, prepared) {
  const name = answer.promise ? "promised" : "done";
  const shownPart = document.querySelector(`template[data-${name}]`).content.cloneNode(true);
  if (answer.promise) {
    shownPart.querySelector("[data-code]").textContent = answer.status_code;
  } else {
    shownPart.querySelector("[data-index]").textContent = answer.index;
    const { stream } = JSON.parse(prepared.statement.split("\n")[2]);
    shownPart.querySelector("[data-page]").setAttribute("href", `/streams/${stream}`);
  }
  const main = document.querySelector("main");
  main.replaceChildren(document.querySelector("main h1"), shownPart);
  scrollTo(0, 0);
}

let timer;
function changed() {
  round += 1;
  button.disabled = true;
  idempotency = newKey();
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_AFTER_MS);
}

function begin() {
  const body = make("div");
  form.replaceChildren(...frame(), body);
  written = build(table, body);
  const draft = JSON.parse(localStorage.getItem(draftKey) ?? "{}");
  written.write({ ...draft.fields, ...table.given });
  uploaded = uploading({ table, written, form, body, draftKey, button, org: () => place().org ?? document.querySelector("#f-org").value.trim(), changed });
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  button.addEventListener("click", submit);
  if (draft.fields) {
    say("接着上次写的，正在检查……");
    check();
  }
}

begin();
