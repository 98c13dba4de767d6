// What answering a question and answering a letter share: the original after a signed access, judging while one writes with
// the sentence beside what it is about, signing, and what was asked one by one.
//
// Not here: what is said (answers.js, letter.js), what is lawful (the ledger, through rehearsals).
import { newKey } from "../statement.js";
import { again } from "./again.js";
import { make } from "./form.js";
import { all, sign } from "./keys.js";
import { askPin } from "./pin.js";
import { shown, tableOf } from "./preview.js";
import { No, post } from "./session.js";

const CHECK_AFTER_MS = 500;
export const $ = (selector) => document.querySelector(selector);
export const table = JSON.parse($("[data-table]").dataset.table);

/** What is written in a control. */
export const text = (id) => $(id).value.replaceAll("\r\n", "\n").trim();

async function signed(prepared) {
  const key = (await all()).find(({ name }) => name === table.key);
  if (!key) throw new Error(`这台设备上没有 ${table.key}。请用签章卡把钥匙找回到这台设备`);
  const note = `${prepared.statement}\n${await sign(key, prepared.statement, askPin)}`;
  return { note, openings: prepared.openings, lines: prepared.lines };
}

/** Judges a command as it will be judged when it is recorded, and gives the bytes to sign. */
const rehearse = (asked) => post("/internal/api/v1/rehearsals", asked);

const kindOf = ({ note }) => JSON.parse(note.split("\n")[2]).kind;
const pair = (label, value) => make("div", {}, make("dt", { text: label }), make("dd", { class: "text", text: value }));
/** Rows of what is not empty. */
export const pairs = (rows) => rows.filter(([, value]) => value).map(([label, value]) => pair(label, value));

/** The content of one statement; the access to it is on record before the ledger gives anything. */
async function content({ revision }) {
  const fields = { read: table.stream, revision, purpose: table.purpose };
  const access = { kind: "access.recorded.v1", org: table.org, fields, signers: [[table.role, table.key]] };
  return post("/internal/api/v1/readings", await signed(await rehearse(access)), { "Idempotency-Key": newKey() });
}

async function part(read, { label }) {
  const { fields } = await tableOf(kindOf(read));
  // Slots lie in random places: people read them in the order of the table.
  const at = ({ name }) => fields.findIndex((one) => one.name === name);
  const rows = [...read.fields].sort((a, b) => at(a) - at(b)).map((one) => pair(one.label, shown(fields[at(one)], one.value)));
  return [...(label ? [make("h3", { text: label })] : []), make("dl", { class: "rows" }, ...rows)];
}

/** Wires the button that opens the original: `told` gets what was read, by kind. */
export function reading(told) {
  const [said, knob] = [$("[data-reading]"), $("[data-read]")];
  knob.disabled = false;
  knob.addEventListener("click", async function read() {
    knob.disabled = true;
    said.className = "";
    said.textContent = "正在签名……";
    try {
      const found = [];
      for (const one of table.readings) found.push(await content(one));
      const parts = await Promise.all(found.map((one, at) => part(one, table.readings[at])));
      $("[data-original]").replaceChildren(...parts.flat());
      const closed = found.some(({ envelope }) => envelope);
      said.textContent = closed ? "内容由提交人加密给收件人，服务器打不开。请收件人用 gongkai open-envelope 打开。" : "查阅已经记下。";
      knob.hidden = true;
      told(Object.fromEntries(found.map((one) => [kindOf(one), one])));
    } catch (error) {
      knob.disabled = false;
      if (error.status === 401) return again(said, table.key, read);
      said.className = "bad";
      said.textContent = error.status === 404 ? "没有可以给您看的内容：没有写，或不在您的查阅范围。" : error.message;
    }
  });
}

/**
 * Has what is written judged while one writes, and signs it.
 *
 * `statements()` gives `[command, place]`: the command is null where there is none to make, undefined while something is
 * missing; the place is where a sentence stands that names no field. `places(error)` finds a better one.
 */
export function judging({ form, status, button, statements, places, changed: redraw, missing, passed, recorded, broken, done }) {
  let [round, timer, seen, checked] = [0];

  function say(sentence, bad = false) {
    status.textContent = sentence;
    status.className = bad ? "bad" : "";
  }

  function unmark() {
    for (const why of form.querySelectorAll(".why")) why.remove();
    for (const wrong of form.querySelectorAll(".wrong")) wrong.classList.remove("wrong");
    for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  }

  /** The sentence beside what it is about. */
  function mark(error, own) {
    const control = places(error) ?? (own && $(own));
    const box = control?.closest("li, td, .field");
    if (!box) return;
    control.setAttribute("aria-invalid", "true");
    (control.closest("li") ?? control.closest(".field")).classList.add("wrong");
    box.append(make("p", { class: "why", text: error.message }));
  }

  const ended = () => again(status, table.key, check);

  /** What comes late says nothing of what stands there now. */
  async function check() {
    const mine = (round += 1);
    const made = statements();
    const tried = ([asked, own]) => asked && rehearse(asked).then(() => undefined, (error) => ({ error, own }));
    const found = (await Promise.all(made.map(tried))).filter(Boolean);
    if (mine !== round) return;
    unmark();
    if (found.some(({ error }) => error.status === 401)) return ended();
    for (const { error, own } of found) if (error instanceof No) mark(error, own);
    if (found.length > 0) return say(found[0].error.message, true);
    if (made.some(([asked]) => asked === undefined)) return say(missing);
    checked = made.map(([asked]) => asked).filter(Boolean);
    button.disabled = checked.length === 0;
    say(passed);
  }

  function changed() {
    // Leaving a field tells of a change a second time: what stands there was judged, and a click on the button counts.
    const now = JSON.stringify(statements());
    if (now === seen) return;
    seen = now;
    round += 1;
    checked = undefined;
    button.disabled = true;
    redraw?.();
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_AFTER_MS);
  }

  async function publish() {
    if (!checked || button.disabled) return;
    button.disabled = true;
    let answer;
    let prepared;
    try {
      for (const asked of checked) {
        say("正在签名……");
        // Made anew for each: the second stands behind the first.
        prepared = await rehearse(asked);
        const submission = await signed(prepared);
        say("正在提交……");
        answer = await post("/api/v1/submissions", submission, { "Idempotency-Key": newKey() });
        recorded?.(asked);
      }
    } catch (error) {
      unmark();
      if (error.status === 401) return ended();
      say(broken?.(error, answer) ?? error.message, true);
      if (error instanceof No) mark(error);
      return;
    }
    done(answer, prepared);
  }

  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  button.addEventListener("click", publish);
  return { changed, say };
}

/** A control with its label. */
function labelled(tag, label, attributes = {}) {
  return make(tag, { "aria-label": label, ...attributes });
}

/**
 * What was asked, one thing an item, in the page's list. With `whole` an item says itself what was asked, and why it is
 * not done now.
 */
export function items(form, { results, whole, changed }) {
  const list = form.querySelector("[data-points] ol");
  const value = (control) => control?.value.replaceAll("\r\n", "\n").trim() ?? "";
  let rows = [];

  function add(given = {}) {
    const point = whole && labelled("textarea", "问的是什么", { rows: 1, placeholder: "问的是什么" });
    const options = results.map(([wire, label]) => make("option", { value: wire, text: label }));
    const result = make("select", { "aria-label": "办理结果" }, make("option", { value: "", text: "办理结果" }), ...options);
    const reply = labelled("textarea", "这一项的答复", { rows: 2, placeholder: whole ? "答复" : undefined });
    const explanation = whole && labelled("textarea", "暂不办理的说明", { rows: 2, placeholder: "为什么现在不办，什么时候再办", hidden: true });
    const remove = make("button", { type: "button", class: "btn", text: "去掉" });
    const element = make("li", {}, ...(whole ? [point] : []), result, reply, ...(whole ? [explanation] : []), remove);
    const row = { point, result, reply, explanation };
    if (whole) {
      result.addEventListener("change", () => (explanation.hidden = result.value !== "not_now"));
      point.value = given.point ?? "";
    }
    remove.onclick = () => {
      rows = rows.filter((other) => other !== row);
      element.remove();
      changed();
    };
    rows.push(row);
    list.append(element);
    return row;
  }

  form.querySelector("[data-more]").addEventListener("click", () => {
    const { point, result } = add();
    (point || result).focus();
    changed();
  });
  const said = ({ point, result, reply, explanation }) => ({
    ...(whole && value(point) ? { point: value(point) } : {}),
    ...(value(result) ? { result: value(result) } : {}),
    ...(value(reply) ? { reply: value(reply) } : {}),
    ...(value(result) === "not_now" && value(explanation) ? { explanation: value(explanation) } : {}),
  });
  return {
    add,
    /** The items in which something is written. */
    read: () => rows.map(said).filter((item) => Object.keys(item).length > 0),
    /** The control of a member of an item that has something written. */
    at: (place, member) => {
      const row = rows.filter((one) => Object.keys(said(one)).length > 0)[place];
      return row?.[member] || row?.reply;
    },
  };
}

/** The control of an item that a refusal is about: 第2项「答复」. */
export function itemPlace(error, list) {
  if (!/points|逐项答复/.test(error.place ?? "")) return undefined;
  const [, number, label] = /第(\d+)项(?:「(.+?)」)?/.exec(error.message) ?? [];
  const members = { 事项: "point", 办理结果: "result", 答复: "reply", 暂不办理的说明: "explanation" };
  return number && list.at(Number(number) - 1, members[label]);
}

/** Shows the end of what was done. */
export function end(part) {
  $("main").replaceChildren($("main h1"), part);
  scrollTo(0, 0);
}
