// The desk: what was begun on this device and is not finished.
import { make } from "./form.js";
import "./who.js";

const PREFIX = "draft:";
const box = document.querySelector("[data-drafts]");

function list() {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  const rows = names.flatMap((name) => {
    const { label, href, fields } = JSON.parse(localStorage.getItem(name));
    if (!href?.startsWith("/internal/write/") || Object.keys(fields ?? {}).length === 0) return [];
    const remove = make("button", { type: "button", class: "btn", text: "不要了" });
    remove.onclick = () => {
      if (!confirm(`删去没写完的“${label}”？`)) return;
      localStorage.removeItem(name);
      list();
    };
    return [make("li", {}, make("b", { text: fields.title ? `${label}：${fields.title}` : label }), make("a", { class: "btn main", href, text: "接着写" }), remove)];
  });
  box.hidden = rows.length === 0;
  box.querySelector("ul").replaceChildren(...rows);
}

list();
