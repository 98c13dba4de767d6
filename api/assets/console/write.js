// Writing, checking, signing: from a form to a recorded statement. What is signed is what was shown, byte for byte.
import { newKey } from "../statement.js";
import { again } from "./again.js";
import { keeper, list, open, teller } from "./drafts.js";
import { build, make } from "./form.js";
import { all, sign } from "./keys.js";
import { count } from "./period.js";
import { askPin } from "./pin.js";
import { done, end, show } from "./preview.js";
import { proxyOf } from "./proxy.js";
import { No, post } from "./session.js";
import { uploading } from "./sheet.js";
import "./who.js";

const CHECK_AFTER_MS = 600;
const LINES_SHOWN_MAX = 200;
const form = document.querySelector("form[data-table]");
const table = JSON.parse(form.dataset.table);
const status = document.querySelector("[data-status]");
const button = document.querySelector("[data-sign]");
const preview = document.querySelector("[data-preview]");
const kept = document.querySelector("[data-kept]");

let written;
let keeping; // the draft on the server
let proxy; // what somebody else said, entered for them
let uploaded; // a sheet that the lines come from, where the kind has lists
let going = {}; // what a returned draft goes on with: { previous, target }
let checked; // what was judged last: { prepared, signers }, or { review } where it goes to its reviewers
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
  proxy = proxyOf(table.channels);
  return [where, ...(people.length > 0 ? [others] : []), proxy.element];
}

function command() {
  const open = uploaded?.open();
  if (open) throw new Error(open);
  const { role, org } = place();
  const asked = { kind: table.kind, org: org ?? document.querySelector("#f-org").value.trim(), fields: written.fields() };
  const said = proxy.said();
  if (said) asked.proxy = said;
  if (table.about ?? going.target) asked.stream = table.about ?? going.target;
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

/** The rest of the page, so that another device goes on with all of it. */
function frameState() {
  const { role, org } = place();
  const value = (id) => document.querySelector(id)?.value || undefined;
  return { role, org, other: value("#f-org"), beside: beside().map(({ key }) => key), ...proxy.state(), ...going };
}

function restore({ role, org, other, beside: keys = [], channel, scan, previous, target } = {}) {
  const at = table.places.findIndex((one) => one.role === role && one.org === org);
  if (at >= 0) document.querySelector("#f-place").value = at;
  if (other && document.querySelector("#f-org")) document.querySelector("#f-org").value = other;
  for (const box of document.querySelectorAll("[data-beside]")) box.checked = keys.includes(table.beside[Number(box.value)].key);
  proxy.restore({ channel, scan });
  going = { previous, target };
}

const content = () => {
  const about = table.about ? `about=${encodeURIComponent(table.about)}&` : "";
  const href = `${location.pathname}?${about}draft=${keeping.id}`;
  const sheet = uploaded?.kept();
  const fields = sheet ? written.draft() : written.fields();
  return { label: table.label, kind: table.kind, href, fields, frame: { ...frameState(), sheet } };
};

const time = () => new Date().toLocaleTimeString("zh-CN", { hour: "2-digit", minute: "2-digit" });
const tell = teller(kept, { saved: () => `${time()} 已保存，换一台设备也能接着写。`, what: "写好的内容", ended: () => ended() });

function gates() {
  // Who publishes in place of a village passes the gates of its own level.
  const { gates: own, gates_instead: instead } = place();
  const demanded = written.value("published_by") === "substitute" ? instead : own;
  const box = document.querySelector("[data-gates]");
  box.hidden = !demanded;
  if (demanded) box.textContent = `这里公开前要走${demanded.label}：${demanded.steps.join("、")}。依据：${demanded.basis}`;
  button.textContent = demanded ? "签名送审" : "签名并提交";
  return demanded;
}

/** Has what is written judged. Answers that come late say nothing of what stands there now. */
async function check() {
  const mine = (round += 1);
  let counted;
  checked = undefined;
  button.disabled = true;
  try {
    const asked = command();
    const demanded = gates();
    if (table.clocked) counted = counting(asked);
    const judged = await post(`/internal/api/v1/${demanded ? "reviews" : "rehearsals"}`, { ...asked, previous: demanded ? going.previous : undefined });
    if (mine !== round) return;
    unmark();
    checked = demanded ? { review: judged } : { prepared: judged, signers: asked.signers };
    show(table, demanded ? judged.draft : judged, preview);
    say(demanded ? "检查通过，可以送审。" : "检查通过，可以签名。");
    button.disabled = false;
  } catch (error) {
    if (mine !== round) return;
    unmark();
    preview.hidden = true;
    if (error.status === 401) return ended();
    say(error.message, true);
    if (error instanceof No) mark(error);
    const wrong = await counted;
    if (wrong && mine === round) mark(wrong);
  }
}

/** Tells when the period ends, also while other fields are empty; gives what is wrong with it. */
async function counting(asked) {
  let found;
  await count(asked, (place, message) => (found = { place, message })).catch(() => undefined);
  return found;
}

/** The session ended while somebody wrote: it is begun again here, and nothing is lost. */
function ended() {
  again(status, table.key, async () => {
    await keeping.flush();
    await check();
  });
}

/** The signatures of the keys on this device, by name. */
async function signatures(text, signers) {
  const keys = await all();
  const lines = new Map();
  for (const [, name] of signers) {
    const key = keys.find((one) => one.name === name);
    if (key) lines.set(name, await sign(key, text, askPin));
  }
  if (!lines.has(table.key)) throw new Error(`这台设备上没有 ${table.key}，请用签章卡找回，再签名`);
  return lines;
}

async function submit() {
  if (!checked || button.disabled) return;
  button.disabled = true;
  try {
    await (checked.review ? send(checked.review) : publish(checked));
  } catch (error) {
    if (error.status === 401) return ended();
    say(error.message, true);
    if (error instanceof No) {
      idempotency = newKey();
      mark(error);
    }
    button.disabled = false;
  }
}

async function publish({ prepared, signers }) {
  say("正在签名……");
  const lines = await signatures(prepared.statement, signers);
  const missing = signers.filter(([, name]) => !lines.has(name));
  if (missing.length > 0) return half(prepared, lines, missing);
  say("正在提交……");
  const note = `${prepared.statement}\n${signers.map(([, name]) => lines.get(name)).join("")}`;
  const submission = { note, openings: prepared.openings, lines: prepared.lines };
  // The same key for the same bytes: after a break nothing is recorded twice.
  const answer = await post("/api/v1/submissions", submission, { "Idempotency-Key": idempotency });
  await keeping.end();
  done(answer, prepared);
}

/** The others sign on their own devices; until then it is kept with the signatures that it has. */
async function half(prepared, lines, missing) {
  const href = `/internal/drafts/${keeping.id}`;
  await keeping.replace({ ...content(), href, prepared: { ...prepared, signatures: [...lines.values()].map((line) => line.trimEnd()) } });
  const part = document.querySelector("template[data-half]").content.cloneNode(true);
  const named = missing.map(([, key]) => table.beside.find((one) => one.key === key)?.label ?? key);
  part.querySelector("[data-missing]").textContent = named.join("、");
  part.querySelector("[data-page]").setAttribute("href", href);
  end(part);
}

/** Goes to the reviewers; what was drafted is kept for the publication, with what they do not see. */
async function send({ review, steps, draft, submission: { statement, openings, lines } }) {
  say("正在签名……");
  const own = await signatures(statement, [[undefined, table.key]]);
  const note = `${statement}\n${own.get(table.key)}`;
  say("正在送审……");
  await post("/api/v1/submissions", { note, openings, lines }, { "Idempotency-Key": idempotency });
  const href = `/internal/reviews/${review.split("/")[1]}`;
  await keeping.replace({ ...content(), href, review, prepared: draft });
  const part = document.querySelector("template[data-sent]").content.cloneNode(true);
  part.querySelector("[data-next]").textContent = steps[0];
  part.querySelector("[data-page]").setAttribute("href", href);
  end(part);
}

let timer;
let last;
const typed = () => JSON.stringify([written.draft(), frameState()]);
function changed(sheet = false) {
  // Leaving a field says that it changed, also where it was told before: that must not swallow the press on a button.
  const now = typed();
  if (now === last && !sheet) return;
  last = now;
  round += 1;
  button.disabled = true;
  idempotency = newKey();
  keeping.touch();
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_AFTER_MS);
}

/** The draft that is gone on with: the one that the address names, or the latest of the same kind and matter. */
async function begun() {
  const named = new URLSearchParams(location.search).get("draft");
  if (named) return open(named);
  const about = (href) => new URL(href, location.origin).searchParams.get("about");
  const here = (href) => new URL(href, location.origin).pathname === location.pathname && about(href) === (table.about ?? null);
  const same = ({ is_own: own, kind, href, review, signers }) => own && !review && !signers && kind === table.kind && here(href);
  const found = (await list())?.find(same);
  return found && open(found.id);
}

async function begin() {
  const body = make("div");
  form.replaceChildren(...frame(), body);
  written = build(table, body);
  const draft = await begun().catch((error) => say(error.message, true));
  const fields = { ...draft?.fields, ...table.given };
  restore(draft?.frame);
  written.write(fields);
  const where = () => place().org ?? document.querySelector("#f-org").value.trim();
  uploaded = uploading({ table, written, form, body, button, org: where, changed: () => changed(true), draft: draft?.frame?.sheet });
  keeping = keeper({ id: draft?.id, known: draft?.revision, content, tell });
  gates();
  last = typed();
  form.addEventListener("input", () => changed());
  form.addEventListener("change", () => changed());
  form.addEventListener("submit", (event) => event.preventDefault());
  button.addEventListener("click", submit);
  form.dataset.ready = "";
  if (draft) {
    say("接着上次写的，正在检查……");
    check();
  }
}

begin();
