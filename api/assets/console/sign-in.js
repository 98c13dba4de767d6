// The sign-in page: the keys of this device, a new key, a key from its card.
import { all, forget, make, restore } from "./keys.js";
import { askPin } from "./pin.js";
import { qrcode } from "../vendor/card.js";
import { signIn } from "./session.js";
import { stepper, teller } from "./step.js";

const CARD = "#card=";
const status = document.querySelector("[data-status]");
const part = (name) => document.querySelector(`[data-part="${name}"]`);
const after = new URLSearchParams(location.search).get("to");

const say = teller(status);
const step = stepper(say);

/** A QR code as SVG: modules as one path, four modules of margin. */
function draw(text, into) {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const size = code.getModuleCount();
  let path = "";
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) if (code.isDark(row, column)) path += `M${column + 4} ${row + 4}h1v1h-1z`;
  }
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${size + 8} ${size + 8}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "二维码");
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "path");
  drawn.setAttribute("d", path);
  svg.append(drawn);
  into.replaceChildren(svg);
}

const addressFor = (key) => `${location.origin}/internal/write/key.authorized?key=${encodeURIComponent(key.vkey)}`;

function showNew(key, card) {
  const made = part("made");
  made.hidden = false;
  for (const place of made.querySelectorAll("[data-key-name]")) place.textContent = key.name;
  made.querySelector("[data-vkey]").textContent = key.vkey;
  draw(addressFor(key), made.querySelector("[data-vkey-qr]"));
  made.querySelector("[data-card]").textContent = card;
  draw(`${location.origin}/internal/sign-in${CARD}${encodeURIComponent(card)}`, made.querySelector("[data-card-qr]"));
  made.querySelector("h2").focus();
}

async function enter(key) {
  await signIn(key, askPin);
  // Only a path of this side: an address from elsewhere would be a trap.
  location.assign(after?.startsWith("/internal/") ? after : "/internal/");
}

async function list() {
  const keys = await all();
  part("keys").hidden = keys.length === 0;
  // Somebody may have opened it while the keys were being looked up: it is never closed under their hands.
  if (keys.length === 0) part("first").open = true;
  const rows = keys.map((key) => {
    const row = document.querySelector("template[data-key]").content.cloneNode(true);
    row.querySelector("[data-name]").textContent = key.name;
    row.querySelector("[data-kept]").textContent = key.handle
      ? "保存在这台设备上，拿不走"
      : "用口令加密保存，每次签名要输口令";
    row.querySelector("[data-enter]").onclick = () => step("正在登录……", () => enter(key));
    row.querySelector("[data-show]").onclick = () => {
      const shown = part("shown");
      shown.hidden = false;
      shown.querySelector("[data-vkey]").textContent = key.vkey;
      draw(addressFor(key), shown.querySelector("[data-vkey-qr]"));
      shown.querySelector("h2").focus();
    };
    row.querySelector("[data-forget]").onclick = async () => {
      if (!confirm(`从这台设备上删去 ${key.name}？没有签章卡就找不回来了。钥匙丢失、被人用过的，还要请登记员注销。`)) return;
      await forget(key.name);
      await list();
    };
    return row;
  });
  part("keys").querySelector("ul").replaceChildren(...rows);
}

part("first").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, pin, again } = Object.fromEntries(new FormData(event.target));
  step("正在生成钥匙……", async () => {
    if (pin !== again) throw new Error("两次输入的口令不同");
    const { key, card } = await make(name.trim(), pin);
    event.target.reset();
    part("first").open = false;
    await list();
    showNew(key, card);
    say("钥匙已经生成。请先打印签章卡，再请登记员核准。");
  });
});

part("card").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { card, pin } = Object.fromEntries(new FormData(event.target));
  step("正在打开签章卡……", async () => {
    const key = await restore(card, pin);
    event.target.reset();
    await list();
    say(`${key.name} 已经回到这台设备上，可以登录了`);
  });
});

for (const button of document.querySelectorAll("[data-print]")) button.onclick = () => print();

if (location.hash.startsWith(CARD)) {
  part("card").open = true;
  part("card").querySelector("[name=card]").value = decodeURIComponent(location.hash.slice(CARD.length));
  // The card must not stay in the history of a borrowed device.
  history.replaceState(null, "", location.pathname + location.search);
  part("card").querySelector("[name=pin]").focus();
}
for (const hidden of document.querySelectorAll("[data-scripted]")) hidden.hidden = false;
for (const shown of document.querySelectorAll("[data-unscripted]")) shown.hidden = true;
step("", list);
