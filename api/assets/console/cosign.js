// A statement that waits for a signature: shown as its author saw it, signed on the device of whoever signs beside.
import { again } from "./again.js";
import { drop, open, sign } from "./drafts.js";
import { make } from "./form.js";
import { all, sign as signWith } from "./keys.js";
import { askPin } from "./pin.js";
import { done, show, tableOf } from "./preview.js";
import "./who.js";

const { id, key: own } = JSON.parse(document.querySelector("[data-facts]").dataset.facts);
const status = document.querySelector("[data-status]");
const [button, away] = ["[data-sign]", "[data-drop]"].map((name) => document.querySelector(name));
const ROLES = { publisher: "发布人", supervisor: "监督人", approver: "审批人", reviewer: "审核人", registrar: "登记员" };

let draft;

function say(text, bad = false) {
  status.textContent = text;
  status.className = bad ? "bad" : "";
}

function failed(error, then) {
  if (error.status === 401) return again(status, own, then);
  if (error.status === 404) return say("这份稿件已经提交或撤回了，不用再签。", true);
  say(error.message, true);
}

function signer({ role, key, name, signed }) {
  const text = make("div", {}, make("b", { text: `${name ?? key}　${ROLES[role] ?? role}` }), make("small", { text: key }));
  return make("li", {}, text, make("span", { class: signed ? "good" : "", text: signed ? "已签" : "还没有签" }));
}

/** The keys of this device that have yet to sign. */
async function mine() {
  const keys = await all();
  const left = draft.signers.filter(({ signed }) => !signed).map(({ key }) => key);
  return keys.filter(({ name }) => left.includes(name));
}

async function load() {
  try {
    draft = await open(id);
    const table = await tableOf(draft.kind);
    document.querySelector("[data-title]").textContent = draft.label;
    document.querySelector("[data-lead]").textContent = draft.title ?? "";
    show(table, draft.prepared);
    document.querySelector("[data-signers]").replaceChildren(...draft.signers.map(signer));
    const left = draft.signers.filter(({ signed }) => !signed);
    const here = await mine();
    button.hidden = left.length > 0 && here.length === 0;
    button.textContent = left.length === 0 ? "提交" : "联署";
    away.hidden = !draft.is_own;
    const has = draft.signers.some(({ key, signed }) => key === own && signed);
    if (left.length > 0 && here.length === 0) say(has ? "等别人在自己的设备上联署，签齐后自动提交。" : "要签名的钥匙不在这台设备上，请换到那台设备，或用签章卡找回。");
  } catch (error) {
    failed(error, load);
  }
}

button.addEventListener("click", async () => {
  if (button.disabled) return;
  button.disabled = true;
  try {
    say("正在签名……");
    let answer;
    const keys = await mine();
    for (const key of keys) answer = await sign(id, (await signWith(key, draft.prepared.statement, askPin)).trimEnd());
    if (keys.length === 0) answer = await sign(id);
    if (answer.receipt) return done(answer.receipt, draft.prepared);
    await load();
    say("已签名。签齐后自动提交。");
  } catch (error) {
    failed(error, load);
  }
  button.disabled = false;
});

away.addEventListener("click", async () => {
  if (!confirm("撤回这份稿件？已有的签名作废，什么都不会公开。")) return;
  try {
    await drop(id);
    location.assign("/internal/");
  } catch (error) {
    failed(error, load);
  }
});

load();
