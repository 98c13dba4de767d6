// Gongkai public site: copy buttons, and checking an entry in the reader's own browser.
// Pages work without this file. Nothing is stored, nothing is sent but GET requests to this site.
"use strict";
(() => {
  for (const box of document.querySelectorAll(".cmd")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "复制";
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(box.querySelector("code").textContent);
        button.textContent = "已复制";
      } catch {
        button.textContent = "复制不了，请长按选取";
      }
    });
    box.append(button);
  }

  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const get = async (url) => {
    const response = await fetch(url, { cache: "no-store" });
    if (!response.ok) throw new Error(`${url} 返回 ${response.status}`);
    return response;
  };

  async function verify(index) {
    const { checkInclusion, parseCheckpoint, parseProof } = await import("./proof.js");
    const [entry, proofText, checkpointText] = await Promise.all([
      get(`/entries/${index}`).then((response) => response.arrayBuffer()),
      get(`/api/v1/entries/${index}/proof`).then((response) => response.text()),
      get("/log/checkpoint").then((response) => response.text()),
    ]);
    const proof = parseProof(proofText);
    const latest = parseCheckpoint(checkpointText);
    if (proof.index !== BigInt(index)) throw new Error("证明说的是另一条");
    if (proof.checkpoint.origin !== latest.origin) throw new Error("证明来自另一本账");
    await checkInclusion(proof, new Uint8Array(entry), sha256);
    if (latest.size === proof.checkpoint.size && latest.root !== proof.checkpoint.root) {
      throw new Error("证明里的检查点和公布的检查点不一样");
    }
    return proof.checkpoint.size;
  }

  for (const panel of document.querySelectorAll("[data-index]")) {
    const row = panel.querySelector(".jscheck");
    const button = panel.querySelector("[data-verify]");
    const result = panel.querySelector("[data-result]");
    row.hidden = false;
    button.addEventListener("click", async () => {
      result.className = "";
      if (!globalThis.crypto?.subtle) {
        result.textContent = "这个浏览器在普通 http 网页上不能计算，请用 https 地址打开，或按下面的命令核对。";
        return;
      }
      button.disabled = true;
      result.textContent = "正在取原文、核对……";
      try {
        const size = await verify(panel.dataset.index);
        result.className = "ok";
        result.textContent = `浏览器已核对：原文算出的根哈希与检查点一致（共 ${size} 条）。`;
      } catch (error) {
        result.className = "bad";
        result.textContent = `没有核对上：${error.message}`;
      }
      button.disabled = false;
    });
  }
})();
