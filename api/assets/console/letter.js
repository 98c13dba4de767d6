// A letter in hand: read after a signed access, taken one step further, answered item by item, and, where its sender
// agreed, published masked. What would name the sender is refused by the ledger itself; here its sentence stands beside
// the text.
import { $, end, itemPlace, items, judging, pairs, reading, table, text } from "./answering.js";
import { build } from "./form.js";
import { statementOf, tableOf } from "./preview.js";
import "./who.js";

const ANSWERED = "letter.answered.v1";
const RECEIVED = "letter.received.v1";
const REGISTERED = "letter.registered.v1";
const form = $("form[data-taking]");
const publishing = $("form[data-publishing]");

let read = {}; // what was read, by kind
let step; // the step that is being written
let written; // its form, where it is not the answer
let listed;
let judged;

const day = (id) => $(id).value || undefined;
const pruned = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""));

function answer() {
  const points = listed.read();
  return pruned({ answered_on: day("#f-answered"), told_on: day("#f-told"), text: text("#f-text"), points: points.length > 0 ? points : undefined });
}

/** The statement of the step. */
function taken() {
  if (!step) return null;
  const { kind, org, role } = step;
  if (kind === ANSWERED && !text("#f-text")) return undefined;
  const fields = kind === ANSWERED ? answer() : written.fields();
  return { kind, stream: table.stream, org, fields, signers: [[role, table.key]] };
}

/** How the sender is known to be told: whoever wrote over the network sees each step behind the code. */
const told = () => (read[RECEIVED]?.fields.some(({ name, value }) => name === "channel" && value === "web") ? table.today : undefined);

/** What the letter says of itself, for the officer to confirm. */
function confirmed() {
  const names = ["class", "channel", "real_name", "consent_to_publish", "concerns"];
  return Object.fromEntries((read[RECEIVED]?.fields ?? []).filter(({ name }) => names.includes(name)).map(({ name, value }) => [name, value]));
}

/** Days are today's until somebody says otherwise. */
function days(fields) {
  const past = fields.filter(({ name, shape, required }) => shape === "date" && required && name !== "due_on");
  return { ...Object.fromEntries(past.map(({ name }) => [name, table.today])), told_on: told() };
}

async function take(chosen) {
  step = chosen;
  const isAnswer = step.kind === ANSWERED;
  $("[data-answer]").hidden = !isAnswer;
  const into = $("[data-fields]");
  into.hidden = isAnswer;
  for (const title of form.querySelectorAll("[data-label]")) title.textContent = step.label;
  if (isAnswer) {
    $("#f-answered").value ||= table.today;
    $("#f-told").value ||= told() ?? "";
    if (listed.read().length === 0 && !form.querySelector("[data-points] li")) listed.add();
  } else {
    const own = await tableOf(step.kind);
    written = build(own, into);
    written.set({ ...days(own.fields), ...step.given, ...(step.kind === REGISTERED ? confirmed() : {}) });
  }
  form.hidden = false;
  form.scrollIntoView();
  judged.changed();
}

function placeOf(error) {
  const name = error.place?.replace(/^fields\./, "");
  if (step?.kind !== ANSWERED) return written?.place(name);
  const own = { answered_on: "#f-answered", told_on: "#f-told", text: "#f-text", points: "[data-points] ol" };
  return itemPlace(error, listed) ?? $(own[name?.split("[")[0]] ?? (/逐项答复/.test(name) ? own.points : ":not(*)"));
}

function done(label, index, href) {
  const part = $(`template[data-${index === undefined ? "taken" : "done"}]`).content.cloneNode(true);
  if (index === undefined) part.querySelector("[data-label]").textContent = label;
  else {
    part.querySelector("[data-index]").textContent = index;
    part.querySelector("[data-page]").setAttribute("href", href);
  }
  for (const link of part.querySelectorAll("[data-again]")) link.setAttribute("href", location.pathname);
  end(part);
}

if (form) {
  listed = items(form, { results: table.results, whole: true, changed: () => judged.changed() });
  judged = judging({
    form,
    status: form.querySelector("[data-status]"),
    button: form.querySelector("[data-sign]"),
    statements: () => [[taken(), "#f-text"]],
    places: placeOf,
    missing: "还没有写答复内容。",
    passed: "检查通过，可以签名。",
    done: () => done(step.label),
  });
  for (const link of document.querySelectorAll("[data-step]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      take(table.steps.find(({ kind }) => kind === link.dataset.step)).catch((error) => judged.say(error.message, true));
    });
  }
}

/** The masked pair; it names its letter in a slot that is not public. */
function pair() {
  const { publication } = read[ANSWERED] ?? {};
  if (!publication || publication.refused) return undefined;
  const [title, question, answered] = ["#f-title", "#f-masked", "#f-reply"].map(text);
  if (!title || !question || !answered) return undefined;
  const { class: kind, received_on: received, answered_on: on } = publication;
  const fields = { class: kind, received_on: received, answered_on: on, consent: true, title, question, answer: answered, letter: table.stream };
  const { org, role } = table.publish;
  return { kind: "letter.published.v1", org, fields, signers: [[role, table.key]] };
}

const PUBLIC = [
  [/^(fields\.)?title|^标题/, "#f-title"],
  [/^(fields\.)?question|^来信内容/, "#f-masked"],
  [/^(fields\.)?answer|^答复内容/, "#f-reply"],
];

function draft() {
  const { publication, masked: answered } = read[ANSWERED];
  publishing.hidden = false;
  $("[data-refused]").hidden = !publication.refused;
  $("[data-refused]").textContent = publication.refused ? `不能公开：${publication.refused}。` : "";
  for (const part of publishing.querySelectorAll("[data-pair]")) part.hidden = Boolean(publication.refused);
  if (publication.refused) return;
  const { masked, masked_title: title } = read[RECEIVED] ?? {};
  for (const [id, value] of [["#f-title", title], ["#f-masked", masked], ["#f-reply", answered]]) $(id).value ||= value ?? "";
  judgedPair.changed();
}

let judgedPair;
if (publishing) {
  judgedPair = judging({
    form: publishing,
    status: publishing.querySelector("[data-status]"),
    button: publishing.querySelector("[data-sign]"),
    statements: () => [[pair(), "#f-reply"]],
    places: (error) => $(PUBLIC.find(([pattern]) => pattern.test(error.place ?? ""))?.[1] ?? ":not(*)"),
    changed: () => {
      const { fields } = pair() ?? {};
      $("[data-q]").textContent = fields?.question ?? "";
      $("[data-a]").textContent = fields?.answer ?? "";
      $("[data-p]").replaceChildren(...pairs([["标题", fields?.title]]));
      $("[data-public]").hidden = !fields;
    },
    missing: "标题、来信内容、答复内容都要写。",
    passed: "检查通过，没有写到来信人，可以签名公布。",
    done: ({ index }, prepared) => done(undefined, index, `/streams/${statementOf(prepared).stream}`),
  });
}

reading((found) => {
  read = found;
  if (step?.kind === REGISTERED) {
    written.set({ ...confirmed(), told_on: told() });
    judged.changed();
  }
  if (publishing && read[ANSWERED]) draft();
});
