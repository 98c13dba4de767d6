// The hand-in page: from the form's controls to a submission, everything in this page.
//
// The form describes itself (`data-field`, `data-shape`, `data-place`, `data-tier`), made from the kind's own table; a kind
// that is added later needs nothing here. What must be encrypted is encrypted before anything is sent, and controls of such
// forms have no `name`, so that a browser could not send them even if this file failed halfway.
import { normalCode } from "./ballot.js";
import { Desk, find, normalLong } from "./gap.js";
import { Office, competent } from "./office.js";
import { receiptImage } from "./receipt.js";

const form = document.querySelector("form[data-kind]");
const status = document.querySelector("[data-step]");
const bar = document.querySelector("[data-bar]");
const toWhom = document.querySelector("[data-to]");
const button = form?.querySelector("button[type=submit]");

const controls = () => [...form.querySelectorAll("[data-field]")];
const checked = (box) => [...box.querySelectorAll("input:checked")].map((input) => input.value);
const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** The value of a control as the kind's table wants it; `undefined` when nothing was given. */
function valueOf(control) {
  const text = (control.value ?? "").replaceAll("\r\n", "\n").trim();
  switch (control.dataset.shape) {
    case "flag":
      return control.checked;
    case "people":
      return checked(control).length > 0 ? checked(control).map((person) => ({ person })) : undefined;
    case "number":
      return text === "" ? undefined : Number(text);
    case "line":
      return text === "" ? undefined : Number(text) - 1;
    case "numbers":
      if (control.matches("fieldset")) return checked(control).length > 0 ? checked(control).map(Number) : undefined;
      return lines(text.replaceAll(/[,，、\s]+/g, "\n")).map(Number);
    case "hashes":
      return lines(text).map((hash) => ({ hash }));
    default:
      return text === "" ? undefined : text;
  }
}

const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]; // GB 11643

/** No resident ID number enters the ledger in any tier, and of an encrypted text nobody can tell afterwards. */
function hasIdNumber(text) {
  const plain = text.normalize("NFKC").toUpperCase().replaceAll(/(\d)[ \-_]{1,3}(?=[\dX])/g, "$1");
  return (plain.match(/\d+X?/g) ?? []).some((number) => {
    if (number.length !== 18) return false;
    const sum = WEIGHTS.reduce((all, weight, at) => all + weight * Number(number[at]), 0);
    return "10X98765432"[sum % 11] === number[17];
  });
}

/** What is wrong with a control's value, or nothing. */
function fault(control, value) {
  const { max, shape } = control.dataset;
  if (value === undefined) return control.required || "required" in control.dataset ? "没有填写" : undefined;
  if (typeof value === "number" && !(Number.isSafeInteger(value) && value >= 0)) return "应是整数";
  if (typeof value !== "string") return undefined;
  const length = [...value].length;
  if (max && length > Number(max)) return `有 ${length} 字，最多 ${max} 字`;
  if (shape === "text" && /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(value)) return "含有看不见的控制字符";
  if (hasIdNumber(value)) return "里有身份证号。身份证号不能写进账本，请删去";
  return undefined;
}

/** What the form says: fields with a value, and codes as they were given out. Throws all that is wrong with it at once. */
function collect() {
  const wrong = [];
  const codeOf = (control, normal, reason) => {
    const code = control && normal(control.value);
    if (control && !code) wrong.push({ control, reason });
    return code;
  };
  const short = "应是 16 位字母和数字";
  const own = form.querySelector("[data-code]");
  const code = form.dataset.intake ? codeOf(own, normalLong, "应是 24 位字母和数字") : codeOf(own, normalCode, short);
  const fields = controls().flatMap((control) => {
    const value = valueOf(control);
    const found = fault(control, value);
    if (found) wrong.push({ control, reason: found });
    const { field: name, place, tier } = control.dataset;
    return value === undefined ? [] : [{ name, place, tier, value }];
  });
  const slip = codeOf(form.querySelector("[data-slip]"), normalCode, short);
  if (wrong.length > 0) throw new Wrong(wrong);
  return { fields, code, slip };
}

/** The fields that a slip's code stands for; the form has a place for each, empty. */
async function ofSlip(office, slip) {
  const shown = await office.ballot(form.dataset.about, slip);
  return Object.entries(shown).map(([name, value]) => {
    const { place, tier } = form.querySelector(`[data-field="${name}"]`).dataset;
    return { name, place, tier, value };
  });
}

class Wrong extends Error {
  constructor(wrong) {
    super(wrong.map(({ control, reason }) => `「${control.dataset.label}」${reason}`).join("；"));
    this.wrong = wrong;
  }
}

/** Says beside a control what is wrong with it, and ties it to the control for those who hear the page. */
function mark({ control, reason }) {
  const field = control.closest(".field");
  const why = document.createElement("p");
  why.className = "why";
  why.id = `e-${control.id || control.dataset.field}`;
  why.textContent = reason;
  field.append(why);
  field.classList.add("wrong");
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", [control.getAttribute("aria-describedby"), why.id].filter(Boolean).join(" "));
}

/** Takes back what was said about a field. */
function unmark(field) {
  const why = field?.querySelector(".why");
  if (!why) return;
  const control = field.querySelector("[aria-invalid]");
  const left = control.getAttribute("aria-describedby").split(" ").filter((id) => id !== why.id);
  if (left.length > 0) control.setAttribute("aria-describedby", left.join(" "));
  else control.removeAttribute("aria-describedby");
  control.removeAttribute("aria-invalid");
  why.remove();
  field.classList.remove("wrong");
}

/** Whether what is chosen now must be encrypted. */
function isHidden() {
  if (form.dataset.encrypt === "always") return true;
  return controls().some(({ dataset, value }) => value && dataset.encrypt?.split(" ").includes(value));
}

const accused = () => controls().filter(({ dataset }) => dataset.shape === "people").flatMap(checked);

let bodies = [];

/** Says to whom it is going to be encrypted, from what is chosen now. Nothing is asked of the server for it. */
function say() {
  const hidden = isHidden();
  form.classList.toggle("sealed", hidden);
  button.textContent = hidden || form.dataset.intake ? "在本机加密并提交" : "提交";
  if (!toWhom) return;
  toWhom.hidden = !hidden;
  if (!hidden) return;
  const body = competent(bodies, accused());
  const names = JSON.parse(form.dataset.names);
  const skipped = (body ? bodies.slice(0, bodies.indexOf(body)) : []).map(({ org, receivers, led_by: ledBy }) => {
    const why = receivers.length === 0 ? "没有登记收件人" : ledBy.some((person) => accused().includes(person)) ? "由所反映的人主管" : "收件人都是所反映的人";
    return `${names[org] ?? org}（${why}）`;
  });
  const line = toWhom.querySelector("[data-body]");
  const passed = toWhom.querySelector("[data-skipped]");
  if (!body) {
    line.textContent = "没有机构可以受理：收件人都是所反映的人，或都由所反映的人主管。请用书面方式寄给上级机关。";
    passed.textContent = "";
    return;
  }
  const able = body.receivers.filter(({ person }) => !accused().includes(person)).length;
  line.textContent = `将加密给：${names[body.org] ?? body.org}，${able} 位收件人能打开`;
  const left = body.receivers.length - able;
  passed.textContent = [
    skipped.length > 0 ? `跳过了${skipped.join("、")}。` : "",
    left > 0 ? `有 ${left} 位收件人是所反映的人，他打不开，也看不出自己被跳过。` : "",
  ].join("");
}

function step(text, share) {
  status.textContent = text;
  status.className = "";
  bar.hidden = share === undefined;
  if (share !== undefined) bar.value = share;
}

function fail(error) {
  step("");
  status.className = "bad";
  status.textContent = error.message;
  error.wrong?.forEach(mark);
  const first = error.wrong?.[0].control;
  (first?.matches("fieldset") ? first.querySelector("input") : first)?.focus();
}

/** Puts a receipt in place of the form. Nothing of it is stored: whoever leaves the page keeps what they copied. */
function receipt(name, values) {
  const template = document.querySelector(`template[data-answer="${name}"]`);
  const shown = template.content.cloneNode(true);
  for (const [slot, value] of Object.entries(values)) {
    for (const place of shown.querySelectorAll(`[data-slot="${slot}"]`)) place.textContent = value;
    for (const place of shown.querySelectorAll(`[data-href="${slot}"]`)) place.setAttribute("href", value);
    for (const place of shown.querySelectorAll(`[data-if="${slot}"]`)) place.hidden = !value;
  }
  const title = document.querySelector("main h1");
  title.textContent = template.dataset.title;
  document.querySelector("main").replaceChildren(title, shown);
  title.focus();
  scrollTo(0, 0);
}

/** The receipt's words and its image, which the server draws; without them the receipt is as good, only not to be kept. */
async function keep(of) {
  const sent = { method: "POST", body: new URLSearchParams(of), cache: "no-store", referrerPolicy: "no-referrer" };
  const answer = await fetch("/follow/receipt", sent).catch(() => undefined);
  if (!answer?.ok) return;
  const part = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector("[data-kept]").replaceChildren(...part.body.children);
}

const moment = (text) => new Date(text).toLocaleString("zh-CN", { timeZone: "Asia/Shanghai", dateStyle: "long", timeStyle: "short" });

let unanswered; // what was sent through an intake and not promised, to be sent again as it was

/** What a statement through an intake continues, and under which code inside; nothing for what begins a matter. */
async function continued(office, { opens, about, code }) {
  if (opens) return {};
  if (!code) return { place: await office.last(about) };
  const matter = (await find(office, form.dataset.intake, code))?.status.matter;
  if (!matter?.continues) throw new Error("这个查询码还没有答复，或那件事不能继续。请核对，或过一会儿再来");
  const { stream, revision, hash } = matter.continues;
  return { place: { stream, head: { revision, hash } }, inner: matter.code };
}

/** Hands in through the intake, and shows its promise with the new code. */
async function through(office, command, body, against) {
  const desk = await Desk.open(office, form.dataset.intake);
  const said = JSON.stringify(command);
  if (unanswered?.said !== said) {
    const { place, inner } = await continued(office, command);
    const { submission, statement } = await office.write(command, place, body, against, step);
    step("正在加密……");
    unanswered = { said, statement, ...desk.seal({ ...(inner ? { code: inner } : {}), submission }) };
  }
  const { code, packet, statement } = unanswered;
  const handed = await desk.handIn(packet, step);
  unanswered = undefined;
  const names = JSON.parse(form.dataset.names);
  const [label, site] = ["main h1", ".brand .name"].map((name) => document.querySelector(name).firstChild.textContent.trim());
  const shown = { label, org: names[command.org], to: body ? names[body.org] ?? body.org : "" };
  const times = { received: moment(handed.received), deadline: moment(handed.deadline) };
  const ballot = "ballot" in form.dataset ? statement : "";
  receipt("handed", { code, known: command.code, ...shown, ...times, ballot, promise: handed.promise });
  const rows = [...document.querySelectorAll(".receipt dl.rows > div:not([hidden])")].slice(0, -1);
  const image = receiptImage({
    site,
    mark: code,
    remark: "只此一份，丢了不补。凭它能看到办理情况，不要发到群里。",
    rows: rows.map((row) => [row.querySelector("dt").textContent, row.querySelector("dd").firstChild.textContent]),
    there: "看账本怎么答复：打开下面的网址，输入上面的查询码。不用登录。",
    address: `${location.origin}/follow`,
  });
  const figure = document.querySelector("[data-figure]");
  if (image) figure.querySelector("img").src = image;
  figure.hidden = !image;
}

async function submit(event) {
  event.preventDefault();
  form.querySelectorAll(".wrong").forEach(unmark);
  button.disabled = true;
  try {
    const { fields, code: former, slip } = collect();
    const hidden = isHidden();
    const body = hidden ? competent(bodies, accused()) : undefined;
    if (hidden && !body) throw new Error("没有机构可以受理，没有提交。请用书面方式寄给上级机关");
    step("正在核对账本……");
    const office = await Office.open();
    if (slip) fields.push(...(await ofSlip(office, slip)));
    const { kind, family, org, about } = form.dataset;
    const credential = "ballot" in form.dataset ? fields.find(({ name }) => name === "credential")?.value : undefined;
    const command = { kind, family, opens: "opens" in form.dataset, org, about, code: former, credential, fields };
    if (form.dataset.intake) {
      await through(office, command, body, hidden ? accused() : []);
      return;
    }
    const answer = await office.handIn(command, body, hidden ? accused() : [], step);
    if (answer.promise) {
      const names = JSON.parse(form.dataset.names);
      const to = body ? names[body.org] ?? body.org : "";
      const { promise } = answer;
      // What continues a matter is followed with the code that the matter has.
      const code = former ?? answer.status_code;
      const ballot = "ballot" in form.dataset ? answer.statement : "";
      receipt("promise", { code, known: former, fresh: !former, deadline: moment(answer.deadline), promise, ballot, to });
      await keep({ code });
    } else {
      receipt("entry", { index: answer.index, page: `/n/${answer.index}`, href: `/entries/${answer.index}/view` });
      await keep({ entry: answer.index });
    }
  } catch (error) {
    if (error.receipt) receipt("refusal", { reason: error.message, receipt: error.receipt });
    else fail(error);
  } finally {
    button.disabled = false;
  }
}

/** Makes the form work, which without scripts is as far as it goes that needs none. */
async function begin() {
  form.noValidate = true; // the browser's own bubbles are for those without this script
  form.addEventListener("submit", submit);
  form.addEventListener("input", ({ target }) => unmark(target.closest(".field.wrong")));
  form.addEventListener("change", say);
  for (const part of form.querySelectorAll("[data-scripted]")) {
    part.disabled = false;
    part.hidden = false;
  }
  for (const part of document.querySelectorAll("[data-unscripted]")) part.hidden = true;
  // Asked for once, whatever is written: who is accused decides among these here, and the server never learns it.
  if (toWhom) bodies = await new Office().bodies(form.dataset.org).catch((error) => fail(error) ?? []);
  say();
  button.disabled = false;
}

if (form) begin();
