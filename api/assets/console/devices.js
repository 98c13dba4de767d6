// Revoking a key: signed by another one.
import { newKey } from "../statement.js";
import { all, sign } from "./keys.js";
import { askPin } from "./pin.js";
import { post } from "./session.js";
import "./who.js";

const status = document.querySelector("[data-status]");

async function revoke(button) {
  const command = JSON.parse(button.dataset.revoke);
  if (!confirm(`注销 ${button.dataset.key}？注销以后不能恢复，这把钥匙马上不能登录、不能签名。`)) return;
  button.disabled = true;
  try {
    const [[, name]] = command.signers;
    const key = (await all()).find((one) => one.name === name);
    if (!key) throw new Error(`这台设备上没有 ${name}`);
    const { statement, openings, lines } = await post("/internal/api/v1/rehearsals", command);
    const note = `${statement}\n${await sign(key, statement, askPin)}`;
    await post("/api/v1/submissions", { note, openings, lines }, { "Idempotency-Key": newKey() });
    button.closest("li").querySelector("small").textContent = "刚刚注销";
    button.remove();
    status.className = "";
    status.textContent = `${button.dataset.key} 已经注销。`;
  } catch (error) {
    status.className = "bad";
    status.textContent = error.message;
    button.disabled = false;
  }
}

for (const button of document.querySelectorAll("[data-revoke]")) button.addEventListener("click", () => revoke(button));
