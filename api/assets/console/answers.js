// Answering: the original after a signed access, question and answer judged while one writes, published with two signatures
// of one key. What would name the asker is refused by the ledger itself; here its sentence stands beside the text.
import { newKey } from "../statement.js";
import { make } from "./form.js";
import { all, sign } from "./keys.js";
import { askPin } from "./pin.js";
import { No, post } from "./session.js";
import "./who.js";

const CHECK_AFTER_MS = 500;
const $ = (selector) => document.querySelector(selector);
const box = $("[data-table]");
const table = JSON.parse(box.dataset.table);
const form = $("form.answering");
const button = $("[data-sign]");
const status = $("[data-status]");

const text = (id) => $(id).value.replaceAll("\r\n", "\n").trim();
const signers = () => [[table.role, table.key]];
const command = (kind, fields) => ({ kind, stream: table.stream, org: table.org, fields, signers: signers() });

async function signed(prepared) {
  const key = (await all()).find(({ name }) => name === table.key);
  if (!key) throw new Error(`这台设备上没有 ${table.key}。请用签章卡把钥匙找回到这台设备`);
  const note = `${prepared.statement}\n${await sign(key, prepared.statement, askPin)}`;
  return { note, openings: prepared.openings, lines: prepared.lines };
}

/** Judges a command as it will be judged when it is recorded, and gives the bytes to sign. */
const rehearse = (asked) => post("/internal/api/v1/rehearsals", asked);

function ended(place) {
  const to = `/internal/sign-in?to=${encodeURIComponent(location.pathname + location.search)}`;
  place.className = "bad";
  place.replaceChildren("登录已经过期。", make("a", { href: to, text: "重新登录" }));
}

/** The access is on record before the ledger shows anything. */
async function read() {
  const said = $("[data-reading]");
  const knob = $("[data-read]");
  knob.disabled = true;
  said.className = "";
  said.textContent = "正在签名……";
  try {
    const fields = { read: table.stream, revision: table.revision, purpose: "handling" };
    const access = { kind: "access.recorded.v1", org: table.org, fields, signers: signers() };
    const submission = await signed(await rehearse(access));
    const content = await post("/internal/api/v1/readings", submission, { "Idempotency-Key": newKey() });
    show(content);
    said.textContent = content.envelope ? "内容由提交人加密给收件人，服务器打不开。请收件人用 gongkai open-envelope 打开。" : "查阅已经记下。";
    knob.hidden = true;
  } catch (error) {
    if (error.status === 401) ended(said);
    else {
      said.className = "bad";
      said.textContent = error.status === 404 ? "没有可以给您看的内容：提问人没有写，或不在您的查阅范围。" : error.message;
    }
    knob.disabled = false;
  }
}

function show(content) {
  const pair = ({ label, value }) => make("div", {}, make("dt", { text: label }), make("dd", { text: typeof value === "object" ? JSON.stringify(value) : String(value) }));
  $("[data-original]").replaceChildren(...content.fields.map(pair));
  const masked = $("#f-masked");
  if (form && masked && !masked.value && content.masked) {
    masked.value = content.masked;
    changed();
  }
}

const how = () => form.querySelector("[name=how]:checked").value;
/** The question's text is dealt with already. */
const isDealt = () => table.published !== null || table.withheld;

/** The statement about the question, if there is one to make; `undefined` while something is missing. */
function aboutQuestion() {
  if (isDealt()) return null;
  if (how() === "publish") {
    return text("#f-masked") ? command("disclosure.question_published.v1", { question: table.revision, text: text("#f-masked") }) : undefined;
  }
  const fields = { question: table.revision, ground: $("#f-ground").value, reason: text("#f-reason") };
  if (text("#f-appeal")) fields.appeal = text("#f-appeal");
  return fields.ground && fields.reason ? command("disclosure.question_withheld.v1", fields) : undefined;
}

const points = () => [...form.querySelectorAll("[data-points] li")].map((row) => ({ result: row.querySelector("select").value, text: row.querySelector("textarea").value.trim() })).filter(({ result, text }) => result || text);

function answer() {
  if (!text("#f-text")) return undefined;
  const fields = { question: table.revision, answered_on: table.today, text: text("#f-text") };
  const listed = points();
  if (listed.length > 0) {
    fields.results = listed.map(({ result }) => ({ result }));
    fields.points = listed.map(({ text }) => text);
  }
  if (text("#f-explanation")) fields.explanation = text("#f-explanation");
  return command("disclosure.answered.v1", fields);
}

// Where a refusal of a field, or of what it says, stands on the page.
const PLACES = [
  [/^(fields\.)?explanation|暂不办理的说明/, "#f-explanation"],
  [/^(fields\.)?(points|results)|逐项答复|各项办理结果/, "[data-points] ol"],
  [/^(fields\.)?ground/, "#f-ground"],
  [/^(fields\.)?reason|不公布的理由/, "#f-reason"],
  [/^(fields\.)?appeal|申诉途径/, "#f-appeal"],
  [/问题（已遮蔽）/, "#f-masked"],
  [/答复内容/, "#f-text"],
];

function unmark() {
  for (const why of form.querySelectorAll(".why")) why.remove();
  for (const wrong of form.querySelectorAll(".wrong")) wrong.classList.remove("wrong");
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

/** The sentence beside what it is about. */
function mark(error, own) {
  const place = PLACES.find(([pattern]) => pattern.test(error.place ?? ""))?.[1] ?? own;
  const control = $(place);
  const field = control.closest(".field");
  control.setAttribute("aria-invalid", "true");
  field.classList.add("wrong");
  field.append(make("p", { class: "why", text: error.message }));
}

let round = 0;
let checked;

function say(sentence, bad = false) {
  status.textContent = sentence;
  status.className = bad ? "bad" : "";
}

/** Has both judged. What comes late says nothing of what stands there now. */
async function check() {
  const mine = (round += 1);
  const [first, second] = [aboutQuestion(), answer()];
  const tried = async (asked, own) => {
    if (!asked) return undefined;
    return rehearse(asked).then(() => undefined, (error) => ({ error, own }));
  };
  const found = await Promise.all([tried(first, how() === "publish" ? "#f-masked" : "#f-reason"), tried(second, "#f-text")]);
  if (mine !== round) return;
  unmark();
  preview(first, second);
  const wrong = found.filter(Boolean);
  if (wrong.some(({ error }) => error.status === 401)) return ended(status);
  for (const { error, own } of wrong) error instanceof No ? mark(error, own) : undefined;
  if (wrong.length > 0) return say(wrong[0].error.message, true);
  if (first === undefined || second === undefined) return say("还没有写完：问题怎么公布、答复内容，都要写。");
  checked = [first, second].filter(Boolean);
  button.disabled = false;
  say("检查通过，没有写到提问人，可以签名公布。");
}

/** What everybody is going to see. */
function preview(first, second) {
  const pairs = (rows) => rows.filter(([, value]) => value).map(([label, value]) => make("div", {}, make("dt", { text: label }), make("dd", { text: value })));
  const asked = first?.fields ?? {};
  const label = (choices, wire) => choices.find(([known]) => known === wire)?.[1] ?? "";
  $("[data-q]").textContent = table.published ?? (first?.kind.includes("published") ? asked.text : "");
  $("[data-withheld]").replaceChildren(...pairs([["不公布的依据", label(table.grounds, asked.ground)], ["不公布的理由", asked.reason], ["申诉途径", asked.appeal]]));
  $("[data-a]").textContent = second?.fields.text ?? "";
  const rows = (second?.fields.points ?? []).map((said, at) => [label(table.results, second.fields.results[at].result), said]);
  $("[data-p]").replaceChildren(...pairs([...rows, ["暂不办理的说明", second?.fields.explanation]]));
  $("[data-public]").hidden = !first && !second;
}

let timer;
let seen;
function changed() {
  // Leaving a field tells of a change a second time: what stands there was judged, and a click on the button counts.
  const now = JSON.stringify([how(), aboutQuestion(), answer()]);
  if (now === seen) return;
  seen = now;
  round += 1;
  checked = undefined;
  button.disabled = true;
  for (const part of form.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== how();
  $("[data-explain]").hidden = !points().some(({ result }) => result === "not_now") && !text("#f-explanation");
  clearTimeout(timer);
  timer = setTimeout(check, CHECK_AFTER_MS);
}

/** One point of the answer. */
function more() {
  const options = table.results.map(([value, label]) => make("option", { value, text: label }));
  const result = make("select", { "aria-label": "办理结果" }, make("option", { value: "", text: "办理结果" }), ...options);
  const said = make("textarea", { rows: 2, "aria-label": "这一项的答复" });
  const remove = make("button", { type: "button", class: "btn", text: "去掉" });
  const row = make("li", {}, result, said, remove);
  remove.onclick = () => (row.remove(), changed());
  form.querySelector("[data-points] ol").append(row);
  result.focus();
}

async function publish() {
  if (!checked || button.disabled) return;
  button.disabled = true;
  let last;
  try {
    for (const asked of checked) {
      say("正在签名……");
      // Made anew for each: the second stands behind the first.
      const submission = await signed(await rehearse(asked));
      say("正在提交……");
      last = await post("/api/v1/submissions", submission, { "Idempotency-Key": newKey() });
      if (asked.kind.includes("question_published")) table.published = asked.fields.text;
      if (asked.kind.includes("question_withheld")) table.withheld = true;
    }
  } catch (error) {
    unmark();
    if (error.status === 401) return ended(status);
    say(isDealt() && last ? `问题已经公布，答复还没有：${error.message}` : error.message, true);
    if (error instanceof No) mark(error, "#f-text");
    return;
  }
  done(last.index);
}

function done(index) {
  const shown = $("template[data-done]").content.cloneNode(true);
  shown.querySelector("[data-index]").textContent = index;
  shown.querySelector("[data-page]").setAttribute("href", `${table.page}#Q${table.index}`);
  const about = encodeURIComponent(table.stream);
  shown.querySelector("[data-correct]").setAttribute("href", `/internal/write/disclosure.corrected?about=${about}`);
  const main = $("main");
  main.replaceChildren($("main h1"), shown);
  scrollTo(0, 0);
}

$("[data-read]").addEventListener("click", read);
if (form) {
  const ground = $("#f-ground");
  ground.append(...table.grounds.map(([value, label]) => make("option", { value, text: label })));
  $("[data-part=question]").hidden = isDealt();
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.querySelector("[data-more]").addEventListener("click", more);
  button.addEventListener("click", publish);
  if (table.answered !== null) say("这个问题已经答复过，再答复是补充。");
}
