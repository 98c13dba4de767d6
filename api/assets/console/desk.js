// The desk: what one began and did not finish, what one sent out, and what waits for one's signature.
import { drop, list as drafts } from "./drafts.js";
import { make } from "./form.js";
import "./who.js";

const part = (name) => document.querySelector(`[data-${name}]`);
const named = ({ label, title }) => make("b", { text: title ? `${label}：${title}` : label });
const go = (href, text) => make("a", { class: "btn main", href, text });

function unfinished(draft) {
  const remove = make("button", { type: "button", class: "btn", text: "不要了" });
  remove.onclick = async () => {
    if (!confirm(`删去没写完的“${draft.label}”？`)) return;
    await drop(draft.id).catch((error) => alert(error.message));
    await show();
  };
  return make("li", {}, named(draft), go(draft.href, "接着写"), remove);
}

function cosigned(draft) {
  const missing = draft.signers.filter(({ signed }) => !signed).map(({ name, key }) => name ?? key);
  const state = missing.length > 0 ? `还差 ${missing.join("、")}` : "签齐了，还没有提交";
  return make("li", {}, make("div", {}, named(draft), make("small", { text: state })), go(`/internal/drafts/${draft.id}`, draft.is_own ? "看" : "打开"));
}

const reviewed = (draft) => make("li", {}, named(draft), go(`/internal/reviews/${draft.review.split("/")[1]}`, "看走到哪一步"));

async function show() {
  const all = (await drafts().catch(() => undefined)) ?? [];
  const waiting = all.filter(({ is_own: own, review, signers }) => own && (review || signers));
  fill("cosign", all.filter(({ is_own: own, signers }) => !own && signers).map(cosigned));
  fill("waiting", waiting.map((draft) => (draft.review ? reviewed(draft) : cosigned(draft))));
  fill("drafts", all.filter(({ is_own: own, review, signers }) => own && !review && !signers).map(unfinished));
}

function fill(name, rows) {
  part(name).hidden = rows.length === 0;
  part(name).querySelector("ul").replaceChildren(...rows);
}

show();
