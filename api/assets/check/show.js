// A check as people see it: one line a step with its mark, what to do where it failed, and what was not checked at all.
import { UNCHECKED, check } from "./steps.js";
import { Kept } from "./kept.js";

const MARKS = { ok: ["✓", "对"], bad: ["✗", "不对"], none: ["–", "没有核对"] };
const SHEET = "/assets/check.css";

function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** The marks' style sheet, on pages that do not load it themselves. */
function dress() {
  if (document.querySelector(`link[href^="${SHEET}"]`)) return;
  const link = element("link");
  link.rel = "stylesheet";
  link.href = SHEET;
  document.head.append(link);
}

/** A button that saves a text as a file; nothing is sent. */
export function saving(text, name, label) {
  const button = element("button", label, "btn");
  button.type = "button";
  button.addEventListener("click", () => {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return button;
}

function line({ id, title, state, said, advice, fork }) {
  const [mark, word] = MARKS[state];
  const item = element("li", "", `check-${state}`);
  item.dataset.step = id;
  const head = element("p");
  const sign = element("b", mark);
  sign.setAttribute("aria-hidden", "true");
  head.append(sign, element("span", `${word} `, "sr"), element("b", title));
  item.append(head, element("p", said));
  if (advice) item.append(element("p", advice, "callout"));
  if (fork) item.append(saving(fork, "gongkai-fork.txt", "保存证据文件"));
  return item;
}

const OUTCOMES = {
  ok: (index) => `浏览器已核对：第 ${index} 条和账本一致。`,
  bad: () => "没有核对上，请看下面打 ✗ 的。",
  none: () => "没有核对完，请看下面打 – 的。",
};

/**
 * Makes a check and shows each step in `list` when it ends, the outcome in `output`. `more` are what else the reader
 * brought, as `check` takes it.
 */
export async function show(list, output, index, more = {}) {
  dress();
  output.className = "";
  output.textContent = "正在取原文、核对……";
  list.replaceChildren();
  const outcome = await check({ index, ...more }, new Kept(), (step) => list.append(line(step)));
  const left = element("li", "", "check-left");
  left.append(element("p", "这次没有核对的："));
  const plain = element("ul");
  plain.append(...UNCHECKED.map((text) => element("li", text)));
  left.append(plain);
  list.append(left);
  output.className = outcome === "ok" ? "ok" : "bad";
  output.textContent = OUTCOMES[outcome](index);
  return outcome;
}
