// One's own matter by its code, where the ledger is behind a network gap: the capsule is fetched by its label, opened and
// proven here, and shown in place of the form. The code goes nowhere and stays nowhere. What an organization is called is
// not asked, because the question would tell in whose hands the matter is.
import { find, normalLong } from "./gap.js";
import { openNote } from "./note.js";
import { Office } from "./office.js";

const form = document.querySelector("form[data-intakes]");
const output = form?.querySelector("[data-step]");
const button = form?.querySelector("button");
const DAY = /^\d{4}-\d\d-\d\d$/;

const moment = (text) => new Date(text).toLocaleString("zh-CN", { timeZone: "Asia/Shanghai", dateStyle: "long", timeStyle: "short" });
const day = (text) => new Date(`${text}T00:00:00+08:00`).toLocaleString("zh-CN", { timeZone: "Asia/Shanghai", dateStyle: "long" });

function element(name, className, ...inside) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...inside);
  return made;
}

/** A value as people read it; organizations stay codes, with a link for whoever wants to look. */
function words(value) {
  if (typeof value === "boolean") return value ? "是" : "否";
  if (Array.isArray(value)) return value.filter((text) => typeof text === "string").join("\n");
  if (typeof value !== "string") return JSON.stringify(value);
  return DAY.test(value) ? day(value) : value;
}

function row(label, ...inside) {
  return element("div", "", element("dt", "", label), element("dd", "para", ...inside));
}

const organization = (code) => {
  const link = element("a", "", `机构 ${code}`);
  link.href = `/organizations/${code}`;
  return link;
};

/** A limit: the last day, and whether it was kept. `isMet`: it has ended. */
function due({ what, due_on: on, days_over: over, rule }, isMet) {
  const parts = [];
  if (over > 0) parts.push(element("b", "badge late", `已超 ${over} 天`), " ", `应不晚于 ${day(on)}`);
  else if (isMet) parts.push(element("b", "badge run", "按时"), " ", `最迟 ${day(on)}`);
  else parts.push(`最迟 ${day(on)}`);
  if (rule) parts.push(" ", element("small", "", rule));
  return row(what, ...parts);
}

function event({ label, received_at: at, fields, met }) {
  const time = element("time", "", moment(at));
  time.dateTime = at;
  const told = fields.map(({ label: name, value }) =>
    row(name, typeof value === "string" && /^\d{6,12}$/.test(value) ? organization(value) : words(value)),
  );
  const rows = [...told, ...met.map((limit) => due(limit, true))];
  const shown = element("li", "event", element("div", "ehead", element("h3", "", label)), element("p", "times", time));
  if (rows.length > 0) shown.append(element("dl", "rows", ...rows));
  return shown;
}

/** What the ledger says of a refusal, in the words that this site has for its code. */
async function reason(note, office) {
  const [form_, origin, , , code] = openNote(note, office.intake).split("\n");
  if (form_ !== "gongkai.refusal/v1" || origin !== office.origin) throw new Error("答复没有证明：回执说的是另一本账");
  if (code === "unreadable") return "账本打不开这份提交";
  const { problems } = await (await fetch("/api/v1/problems")).json();
  return problems.find((known) => known.code === code)?.title ?? code;
}

/** What the capsule says as values of the page's template. */
async function told({ as_of: asOf, answer, matter }, office) {
  const values = { as_of: moment(asOf), said: `/entries/${answer.index}/view`, cut: matter?.is_cut };
  if (answer.outcome !== "accepted") {
    return { ...values, state: "账本不予受理", refusal: answer.note, reason: await reason(answer.note, office) };
  }
  if (!matter) {
    // Of what is public at once the ledger's word is a receipt with its number.
    const index = answer.note.startsWith("{") ? JSON.parse(answer.note).index : undefined;
    return { ...values, state: "账本已记下", page: index === undefined ? undefined : `/n/${index}` };
  }
  const { state, steps, dues, ballot, org } = matter.shown;
  const begun = steps.length > 0 || dues.some(({ days_over: over }) => over > 0);
  return { ...values, state, ballot, steps, dues: dues.length > 0 ? dues : undefined, further: begun ? org : undefined };
}

async function show({ status }, office) {
  const values = await told(status, office);
  const shown = document.querySelector("template[data-found]").content.cloneNode(true);
  for (const place of shown.querySelectorAll("[data-slot]")) place.textContent = values[place.dataset.slot] ?? "";
  for (const place of shown.querySelectorAll("[data-href]")) place.setAttribute("href", values[place.dataset.href] ?? "#");
  for (const place of shown.querySelectorAll("[data-if]")) place.hidden = !values[place.dataset.if];
  shown.querySelector("[data-dues]").append(...(values.dues ?? []).map((limit) => due(limit, false)));
  const steps = (values.steps ?? []).map(event);
  const none = element("li", "none", "还没有可以告诉您的步骤。");
  shown.querySelector("[data-steps]").append(...(steps.length > 0 ? steps : [none]));
  for (const link of shown.querySelectorAll("[data-further]")) link.href += `?org=${values.further ?? ""}`;
  const main = document.querySelector("main");
  const [crumbs, head, title] = [".crumbs", ".head", "h1"].map((name) => main.querySelector(name));
  title.textContent = values.state;
  title.tabIndex = -1;
  head.querySelector(".lead").remove();
  main.replaceChildren(crumbs, head, shown);
  title.focus();
  scrollTo(0, 0);
}

async function look(event_) {
  event_.preventDefault();
  button.disabled = true;
  output.className = "";
  try {
    const code = normalLong(form.querySelector("input").value);
    if (!code) throw new Error("查询码应是 24 位字母和数字，请核对");
    output.textContent = "正在取答复、核对……";
    const office = await Office.open();
    const found = await find(office, form.dataset.intakes, code);
    if (!found) throw new Error("账本还没有答复，或查询码不对。承诺的期限过了还没有，凭收件承诺可以向上级投诉");
    await show(found, office);
  } catch (error) {
    output.className = "bad";
    output.textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

if (form) {
  form.addEventListener("submit", look);
  for (const part of document.querySelectorAll("[data-unscripted]")) part.hidden = true;
  button.disabled = false;
}
