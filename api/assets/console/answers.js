// Answering a question: question and answer are published one after the other, each with a signature. What would name the
// asker is refused by the ledger itself; here its sentence stands beside the text.
import { $, end, itemPlace, items, judging, pairs, reading, table, text } from "./answering.js";
import { make } from "./form.js";
import "./who.js";

const form = $("form.answering");
const command = (kind, fields) => ({ kind, stream: table.stream, org: table.org, fields, signers: [[table.role, table.key]] });
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

let listed;

function answer() {
  if (!text("#f-text")) return undefined;
  const fields = { question: table.revision, answered_on: table.today, text: text("#f-text") };
  const points = listed.read();
  if (points.length > 0) {
    fields.results = points.map(({ result = "" }) => ({ result }));
    fields.points = points.map(({ reply = "" }) => reply);
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
const place = (error) => itemPlace(error, listed) ?? $(PLACES.find(([pattern]) => pattern.test(error.place ?? ""))?.[1] ?? ":not(*)");

/** What everybody is going to see. */
function preview(first, second) {
  const asked = first?.fields ?? {};
  const label = (choices, wire) => choices.find(([known]) => known === wire)?.[1] ?? "";
  $("[data-q]").textContent = table.published ?? (first?.kind.includes("published") ? asked.text : "");
  $("[data-withheld]").replaceChildren(...pairs([["不公布的依据", label(table.grounds, asked.ground)], ["不公布的理由", asked.reason], ["申诉途径", asked.appeal]]));
  $("[data-a]").textContent = second?.fields.text ?? "";
  const rows = (second?.fields.points ?? []).map((said, at) => [label(table.results, second.fields.results[at].result), said]);
  $("[data-p]").replaceChildren(...pairs([...rows, ["暂不办理的说明", second?.fields.explanation]]));
  $("[data-public]").hidden = !first && !second;
}

function done({ index }) {
  const shown = $("template[data-done]").content.cloneNode(true);
  shown.querySelector("[data-index]").textContent = index;
  shown.querySelector("[data-page]").setAttribute("href", `${table.page}#Q${table.index}`);
  const about = encodeURIComponent(table.stream);
  shown.querySelector("[data-correct]").setAttribute("href", `/internal/write/disclosure.corrected?about=${about}`);
  end(shown);
}

let judged;
if (form) {
  listed = items(form, { results: table.results, changed: () => judged.changed() });
  judged = judging({
    form,
    status: $("[data-status]"),
    button: $("[data-sign]"),
    statements: () => [[aboutQuestion(), how() === "publish" ? "#f-masked" : "#f-reason"], [answer(), "#f-text"]],
    places: place,
    changed: () => {
      for (const part of form.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== how();
      $("[data-explain]").hidden = !listed.read().some(({ result }) => result === "not_now") && !text("#f-explanation");
      preview(aboutQuestion(), answer());
    },
    missing: "还没有写完：问题怎么公布、答复内容，都要写。",
    passed: "检查通过，没有写到提问人，可以签名公布。",
    recorded: ({ kind, fields }) => {
      if (kind.includes("question_published")) table.published = fields.text;
      if (kind.includes("question_withheld")) table.withheld = true;
    },
    broken: (error, answered) => (isDealt() && answered ? `问题已经公布，答复还没有：${error.message}` : undefined),
    done,
  });
  $("#f-ground").append(...table.grounds.map(([value, label]) => make("option", { value, text: label })));
  $("[data-part=question]").hidden = isDealt();
  if (table.answered !== null) judged.say("这个问题已经答复过，再答复是补充。");
}

reading((found) => {
  const [{ masked } = {}] = Object.values(found);
  if (form && !$("#f-masked").value && masked) {
    $("#f-masked").value = masked;
    judged.changed();
  }
});
