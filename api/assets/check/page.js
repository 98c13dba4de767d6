// The page on which somebody checks what they hold: a number, an address, a photo of a code, files, a receipt.
//
// What is brought is read here and sent nowhere; only what the check itself fetches goes over the network (site.js).
import { parseKey } from "../note.js";
import { parseProof } from "../proof.js";
import { Kept } from "./kept.js";
import { show } from "./show.js";

const form = document.querySelector("[data-check]");
const at = (name) => document.querySelector(`[data-${name}]`);
const output = at("result");
const keyInput = document.querySelector("#v-key");
const kept = new Kept();

/** What was brought so far: texts and bytes by what they are, and the entry that they are about. */
let brought = {};

class Wrong extends Error {}

const hosts = () => [location.host, new URL(form.dataset.base).host];

/** The entry that a number or an address of this site names. */
function indexIn(text) {
  const bare = text.trim().replace(/^(№|#)\s*/, "");
  const number = /^(0|[1-9]\d{0,15})$/;
  if (number.test(bare)) return BigInt(bare);
  let address;
  try {
    address = new URL(/^[a-z]+:\/\//i.test(bare) ? bare : bare.startsWith("/") ? location.origin + bare : `https://${bare}`);
  } catch {
    throw new Wrong("看不出是这本账的哪一条。请只填数字，或者完整的网址。");
  }
  const found = /^\/(?:n|entries)\/(0|[1-9]\d{0,15})(?:\/|$)/.exec(address.pathname);
  if (!found) throw new Wrong("看不出是这本账的哪一条。请只填数字，或者完整的网址。");
  if (!hosts().includes(address.host)) throw new Wrong(`这是另一个网站的网址：${address.host}。要核对，请打开那个网站。`);
  return BigInt(found[1]);
}

/** A receipt as the API gives it, or `gongkai submit` in its line. */
function receiptIn(text) {
  try {
    const given = JSON.parse(text);
    const { index, entry_hash: whole, statement_hash: said } = given.receipt ?? given;
    const isReceipt = Number.isSafeInteger(index) && typeof whole === "string" && typeof said === "string";
    return isReceipt ? { index: BigInt(index), receipt: { entry_hash: whole, statement_hash: said } } : undefined;
  } catch {
    return undefined;
  }
}

function keyIn(text) {
  try {
    return parseKey(text).text;
  } catch {
    return undefined;
  }
}

/** What a text is, with the entry that it names. What was pasted may have lost its last line feed. */
function recognise(text) {
  const whole = text.endsWith("\n") ? text : `${text}\n`;
  if (whole.startsWith("c2sp.org/tlog-proof@v1\n")) return { proof: whole, index: parseProof(whole).index };
  if (whole.startsWith("gongkai.entry/v1\n")) {
    return { entry: new TextEncoder().encode(whole), index: indexIn(whole.split("\n")[1]) };
  }
  const key = keyIn(text);
  return receiptIn(text) ?? (key ? { key } : { index: indexIn(text) });
}

const NAMES = { proof: "证明文件", entry: "条目原文", receipt: "回执" };

/** Adds what was brought, says what it is, and checks when an entry is named. */
async function take(...found) {
  const together = Object.assign({}, ...found);
  if (new Set(found.map(({ index }) => index).filter((index) => index !== undefined)).size > 1) {
    throw new Wrong("这几样东西说的不是同一条，请分开核对。");
  }
  if (together.key) {
    keyInput.value = together.key;
    keyInput.closest("details").open = true;
  }
  if (together.index === undefined) {
    at("brought").textContent = "认出了账本钥匙，已经填好。再填要核对哪一条。";
    return;
  }
  // What was brought for the same entry before stays: a proof file and then its entry.
  brought = brought.index === together.index ? { ...brought, ...together } : together;
  document.querySelector("#v-no").value = String(brought.index);
  const names = Object.keys(NAMES).filter((name) => brought[name]).map((name) => NAMES[name]);
  at("brought").textContent = names.length > 0 ? `第 ${brought.index} 条，用您给的${names.join("、")}。` : `第 ${brought.index} 条。`;
  await run();
}

async function run() {
  const { index, proof, entry, receipt } = brought;
  const key = keyInput.value.trim();
  if (key && !keyIn(key)) throw new Wrong("账本钥匙抄得不对，请再看一遍。");
  await show(at("steps"), output, index, { proof, entry, receipt, key: key ? keyIn(key) : undefined });
  tell();
  output.scrollIntoView({ block: "start" });
}

/** Runs what a control does; what goes wrong is said, never swallowed. */
async function guarded(act) {
  output.className = "";
  output.textContent = "";
  try {
    await act();
  } catch (error) {
    at("steps").replaceChildren();
    output.className = "bad";
    output.textContent = error.constructor === Error || error instanceof Wrong ? error.message : "这个文件读不出来。";
  }
}

/** What a file holds: a text, or a picture with a code. */
async function read(file) {
  if (!file.type.startsWith("image/")) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    let text;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new Wrong(`${file.name} 不是证明文件、条目原文或照片。`);
    }
    const found = recognise(text);
    return found.entry ? { ...found, entry: bytes } : found;
  }
  const { codeIn } = await import("./scan.js");
  const text = await codeIn(file);
  if (text === undefined) throw new Wrong("照片里没有找到二维码。请对正、拍清楚，再试一次。");
  return recognise(text);
}

async function scan() {
  const { watch } = await import("./scan.js");
  const scene = at("scene");
  scene.hidden = false;
  try {
    const text = await watch(scene.querySelector("video"), at("stop"));
    if (text !== undefined) await take(recognise(text));
  } finally {
    scene.hidden = true;
  }
}

/** Says what this browser keeps. */
function tell() {
  const day = (ms) => new Date(ms).toLocaleString("zh-CN", { timeZone: "Asia/Shanghai", dateStyle: "long", timeStyle: "short" });
  for (const place of document.querySelectorAll("[data-of]")) {
    const found = kept.get(place.dataset.of);
    place.replaceChildren();
    place.textContent = found ? `${day(found.at)} 记下` : "还没有";
    if (!found) continue;
    const shown = document.createElement("pre");
    shown.className = "raw";
    shown.tabIndex = 0;
    shown.textContent = found.text;
    place.append(shown);
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(() => take(recognise(document.querySelector("#v-no").value)));
});
document.querySelector("#v-files").addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = "";
  guarded(async () => take(...(await Promise.all(files.map(read)))));
});
at("paste").addEventListener("click", () => guarded(() => take(recognise(document.querySelector("#v-paste").value.trim()))));
at("scan").addEventListener("click", () => guarded(scan));
at("forget").addEventListener("click", () => {
  kept.forget();
  tell();
});
at("more").hidden = false;
at("kept").hidden = !kept.isAble;
at("camera").hidden = !navigator.mediaDevices?.getUserMedia;
tell();
