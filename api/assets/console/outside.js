// Signing beside an author from outside: the keys of this device, what waits for them, and the button that signs.
//
// Not here: what is sent and believed (signer.js), keys and cards (keys.js).
import { make } from "./form.js";
import { all, restore } from "./keys.js";
import { askPin } from "./pin.js";
import { show, tableOf } from "./preview.js";
import { stepper, teller } from "./step.js";
import { Desk } from "../gap.js";
import { Office } from "../office.js";
import { Signer } from "./signer.js";

const CARD = "#card=";
const main = document.querySelector("main");
const part = (name) => main.querySelector(`[data-part="${name}"]`);
const status = main.querySelector("[data-status]");
const STATES = {
  kept: () => "签名已收下，等其他人签",
  recorded: ({ accepted: { index } }) => (index === undefined ? "签齐了，账本已收下" : `签齐了，已记入账本，第 ${index} 号`),
  gone: () => "这份稿件已经提交、撤回或过期，不用再签",
  refused: ({ reason }) => `没有收下签名：${reason}`,
};

let desk;

const say = teller(status);
const step = stepper(say);

const moment = (text) => new Date(text).toLocaleString("zh-CN", { timeZone: "Asia/Shanghai", dateStyle: "long", timeStyle: "short" });
const sent = ({ deadline }) => say(`已送出，账本将在 ${moment(deadline)} 前答复。到时再来看。`);

async function draw(request, signer) {
  const table = await tableOf(request.statement.kind);
  const shown = document.querySelector("template[data-request]").content.cloneNode(true);
  shown.querySelector("h2").textContent = request.label;
  shown.querySelector("[data-kind]").textContent = `${table.label} · 机构 ${request.statement.org}`;
  shown.querySelector("[data-left]").textContent = request.left.join("、");
  show(table, request.content, shown.querySelector("[data-preview]"));
  shown.querySelector("[data-sign]").onclick = () =>
    step("正在签名……", async () => {
      sent(await signer.ask([request], askPin, say));
      part("waiting").replaceChildren();
    });
  return shown;
}

/** What the ledger answered last. */
async function look(signer) {
  say("正在取答复、核对……");
  const answer = await signer.answered();
  if (!answer) return say("账本还没有答复，请过一会儿再看。");
  const { asOf, requests, leftOut, came } = answer;
  const told = came.map((one) => make("p", { class: "note", text: `${one.draft.slice(0, 8)}：${STATES[one.state](one)}` }));
  if (leftOut > 0) told.push(make("p", { class: "note", text: `另有 ${leftOut} 份太长或太多，没有送出来，请到内网办理。` }));
  const drawn = [];
  for (const request of requests) drawn.push(await draw(request, signer));
  part("waiting").replaceChildren(...told, ...drawn);
  return say(requests.length > 0 ? `等您联署的稿件 ${requests.length} 份（截至 ${moment(asOf)}）` : `没有等您联署的稿件（截至 ${moment(asOf)}）`);
}

/** Asks with a key, or shows what was answered. */
async function go(key, isAgain) {
  desk ??= await Desk.open(await Office.open(), main.querySelector("[data-intakes]").dataset.intakes.split(" ")[0]);
  const signer = new Signer(desk, key);
  if (await signer.sendAgain(say)) return say("上次的一件没有得到答复，已原样重发；已经收下的不会重复。");
  if (signer.isNew || isAgain) return sent(await signer.ask([], askPin, say));
  return look(signer);
}

async function list() {
  const keys = await all();
  part("keys").hidden = keys.length === 0;
  if (keys.length === 0) part("card").open = true;
  const rows = keys.map((key) => {
    const row = document.querySelector("template[data-key]").content.cloneNode(true);
    row.querySelector("[data-name]").textContent = key.name;
    row.querySelector("[data-look]").onclick = () => step("正在核对收件处……", () => go(key, false));
    row.querySelector("[data-again]").onclick = () => step("正在核对收件处……", () => go(key, true));
    return row;
  });
  part("keys").querySelector("ul").replaceChildren(...rows);
}

if (part("card")) {
  part("card").querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const { card, pin } = Object.fromEntries(new FormData(event.target));
    step("正在打开签章卡……", async () => {
      const key = await restore(card, pin);
      event.target.reset();
      part("card").open = false;
      await list();
      say(`${key.name} 已经在这台设备上。`);
    });
  });
  if (location.hash.startsWith(CARD)) {
    part("card").open = true;
    part("card").querySelector("[name=card]").value = decodeURIComponent(location.hash.slice(CARD.length));
    // The card must not stay in the history of a borrowed device.
    history.replaceState(null, "", location.pathname);
  }
  for (const hidden of main.querySelectorAll("[data-scripted]")) hidden.hidden = false;
  for (const shown of main.querySelectorAll("[data-unscripted]")) shown.hidden = true;
  step("", list);
}
