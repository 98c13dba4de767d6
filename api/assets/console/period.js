// When the period ends that is being written, which days are skipped, and by which rule: counted by the ledger.
import { make } from "./form.js";
import { post } from "./session.js";

const WEEKDAYS = "日一二三四五六";
const day = (text) => {
  const [year, month, date] = text.split("-").map(Number);
  return `${text}（星期${WEEKDAYS[new Date(Date.UTC(year, month - 1, date)).getUTCDay()]}）`;
};

/** Counts and shows in the page's place for it; `wrong(name, sentence)` is called where it is too short. */
export async function count(command, wrong) {
  const box = document.querySelector("[data-period]");
  const { period } = await post("/internal/api/v1/periods", { kind: command.kind, org: command.org, fields: command.fields });
  box.hidden = !period;
  if (!period) return;
  const { stated, least, rule, basis, short } = period;
  const explained = stated.explained.map((text) => make("li", { text }));
  const title = short ? `最短也要到 ${day(least.end)}` : `期限到 ${day(stated.end)} 届满`;
  box.replaceChildren(make("h3", { text: title }), make("ul", {}, ...explained), make("p", { class: "hint", text: `依据：${rule}，${basis}` }));
  if (short) wrong(command.fields.days === undefined ? "ends_on" : "days", short);
}
