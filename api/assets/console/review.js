// A draft under review: opened by a signed access, decided on, published or mended. What is published is what was approved,
// byte for byte; only signers and time are new.
import { canonical } from "../canonical.js";
import { newKey } from "../statement.js";
import { again } from "./again.js";
import { list, open as openDraft, put, sign as addSignature } from "./drafts.js";
import { make } from "./form.js";
import { all, sign } from "./keys.js";
import { askPin } from "./pin.js";
import { show, statementOf, tableOf, valuesOf } from "./preview.js";
import { No, post } from "./session.js";
import { stepper, teller } from "./step.js";
import "./who.js";

const standing = () => document.querySelector("[data-standing]");
const status = document.querySelector("[data-status]");
let facts = JSON.parse(standing().dataset.facts);
let draft; // { statement, openings, lines }
let table;

const say = teller(status);

/** A session that ended is begun again on this page. */
const step = stepper(say, (error) => {
  if (error.status === 401) again(status, facts.key, () => say("已经重新登录，请接着办。"));
  else say(error.message, true);
});

/** What a signed statement is handed in as. */
async function signed(command) {
  const key = (await all()).find(({ name }) => name === facts.key);
  if (!key) throw new Error(`这台设备上没有 ${facts.key}`);
  const { statement, openings, lines } = await post("/internal/api/v1/rehearsals", { ...command, signers: [[command.role ?? facts.role, facts.key]], role: undefined });
  return { note: `${statement}\n${await sign(key, statement, askPin)}`, openings, lines };
}

/** Reads one statement of the review; the access is on record before anything is given. */
async function read(revision) {
  const fields = { read: facts.review, revision, purpose: "review" };
  const access = await signed({ kind: "access.recorded.v1", org: facts.org, fields });
  return post("/internal/api/v1/readings", access, { "Idempotency-Key": newKey() });
}

const value = ({ fields }, name) => fields.find((field) => field.name === name)?.value;

async function opened() {
  if (!facts.role) throw new Error("您在这个机构没有可以查阅稿件的职责。");
  const [submitted, ...later] = [await read(0)];
  for (let revision = 1; revision <= facts.revision; revision += 1) later.push(await read(revision));
  draft = JSON.parse(value(submitted, "draft"));
  table = await tableOf(value(submitted, "kind"));
  document.querySelector("[data-kind]").textContent = table.label;
  show(table, draft);
  const said = later.flatMap((content) => {
    const text = value(content, "reason") ?? value(content, "opinion");
    const returned = content.fields.some(({ name }) => name === "reason");
    return text ? [make("blockquote", { class: returned ? "bad" : "", text: `${returned ? "退回原因：" : "意见："}${text}` })] : [];
  });
  document.querySelector("[data-opinions]").replaceChildren(...(said.length > 0 ? [make("h3", { text: "审核意见" }), ...said] : []));
  document.querySelector("[data-closed]").hidden = true;
  document.querySelector("[data-opened]").hidden = false;
  say("查阅已经记录。");
}

function acts() {
  for (const part of document.querySelectorAll("[data-of]")) part.hidden = part.dataset.of !== standing().dataset.act;
}

/** Where it stands now. What was typed here stays. */
async function refresh() {
  const response = await fetch(location.pathname, { cache: "no-store", credentials: "same-origin" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const now = page.querySelector("[data-standing]");
  if (!now) throw new No({ detail: "登录已经过期" }, 401);
  standing().replaceWith(document.importNode(now, true));
  facts = JSON.parse(standing().dataset.facts);
  acts();
}

/** Decides. Whoever was a moment late is told, and sees how it stands now. */
async function decide(kind, fields, text) {
  const { revision } = facts;
  try {
    const command = { kind, stream: facts.review, org: facts.org, fields: { person: facts.person, ...fields }, role: facts.step.role };
    await post("/api/v1/submissions", await signed(command), { "Idempotency-Key": newKey() });
    await refresh();
    document.querySelector("#f-opinion").value = "";
    say(text);
  } catch (error) {
    if (!(error instanceof No) || error.status === 401) throw error;
    await refresh();
    if (facts.revision === revision) throw error;
    throw new Error(`您办理的同时，别人先办了一步，您的没有记入（${error.message}）。现在的情况见“走到哪一步”；您写的意见还在，可以接着办。`);
  }
}

const opinion = () => document.querySelector("#f-opinion").value.trim();

/** The draft with everything in it: what reviewers do not see lies in the author's own draft. */
async function whole() {
  const kept = (await list())?.find(({ is_own: own, review }) => own && review === facts.review);
  const full = kept && (await openDraft(kept.id));
  return { id: kept?.id ?? newKey(), known: kept?.revision, prepared: full?.prepared ?? draft, frame: full?.frame ?? {} };
}

const chinaTime = () => `${new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 19)}+08:00`;

async function publish() {
  const { id, known, prepared } = await whole();
  const [form, origin] = prepared.statement.split("\n");
  const members = { ...statementOf(prepared), signers: [["publisher", facts.key], ...facts.cosigners], declared_at: chinaTime() };
  const statement = `${form}\n${origin}\n${canonical(members)}\n`;
  const here = (await all()).filter(({ name }) => members.signers.some(([, key]) => key === name));
  const signatures = [];
  for (const key of here) signatures.push((await sign(key, statement, askPin)).trimEnd());
  const href = `/internal/drafts/${id}`;
  await put(id, known, { label: table.label, kind: table.kind, href, prepared: { ...prepared, statement, signatures } });
  if (signatures.length === members.signers.length) await addSignature(id);
  location.assign(signatures.length === members.signers.length ? `/streams/${members.stream}` : href);
}

/** The returned draft in the form, with what was written before. */
async function mend() {
  const { id, known, prepared, frame } = await whole();
  const { fields } = valuesOf(table, prepared);
  delete fields.reviewed_in;
  const { stream } = statementOf(prepared);
  const about = table.opens ? "" : `about=${encodeURIComponent(stream)}&`;
  const href = `/internal/write/${table.slug}?${about}draft=${id}`;
  await put(id, known, { label: table.label, kind: table.kind, href, fields, frame: { ...frame, previous: facts.review, target: stream } });
  location.assign(href);
}

const on = (name, work) => document.querySelector(`[data-${name}]`).addEventListener("click", work);
on("open", () => step("正在签查阅记录……", opened));
on("pass", () => {
  const fields = facts.step.kind === "review.approved.v1" ? {} : { gate: facts.step.gate };
  if (opinion()) fields.opinion = opinion();
  step("正在签名……", () => decide(facts.step.kind, fields, `“${facts.step.label}”已通过。`));
});
on("return", () => {
  if (!opinion()) {
    document.querySelector("#f-opinion").focus();
    return say("退回要写明原因，送审人才知道改哪里。", true);
  }
  step("正在签名……", () => decide("review.returned.v1", { gate: facts.step.gate, reason: opinion() }, "已退回，送审人会看到原因。"));
});
on("publish", () => step("正在签名……", publish));
on("mend", () => step("正在打开……", mend));
acts();
