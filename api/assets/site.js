// Gongkai public site: copy buttons, and checking an entry in the reader's own browser.
// Pages work without this file. Nothing is stored, nothing is sent but GET requests to this site.
"use strict";
(() => {
  const PROOF_HASHES_MAX = 63; // tlog-proof: a tree of 2^63 entries has no longer path

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

  const concat = (...parts) => {
    const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  };
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const decode = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const encode = (bytes) => btoa(String.fromCharCode(...bytes));
  const get = async (url) => {
    const response = await fetch(url, { cache: "no-store" });
    if (!response.ok) throw new Error(`${url} 返回 ${response.status}`);
    return response;
  };

  // c2sp.org/tlog-proof: header, optional extra, index, hashes, blank line, checkpoint.
  function parseProof(text) {
    const split = text.indexOf("\n\n");
    const lines = text.slice(0, split).split("\n");
    if (split < 0 || lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Error("证明文件的格式不对");
    if (lines[0].startsWith("extra ")) lines.shift();
    const index = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift());
    if (!index || lines.length > PROOF_HASHES_MAX) throw new Error("证明文件的格式不对");
    return { index: BigInt(index[1]), path: lines.map(decode), checkpoint: parseCheckpoint(text.slice(split + 2)) };
  }

  function parseCheckpoint(text) {
    const [origin, size, root] = text.split("\n");
    if (!/^(0|[1-9]\d{0,15})$/.test(size)) throw new Error("检查点的格式不对");
    return { origin, size: BigInt(size), root };
  }

  // RFC 9162, 2.1.3.2: the root that an inclusion path leads to.
  async function rootOf(leaf, index, size, path) {
    if (index >= size) throw new Error("检查点还没有包含这一条");
    let fn = index;
    let sn = size - 1n;
    let hash = leaf;
    for (const sibling of path) {
      if (sibling.length !== 32 || sn === 0n) throw new Error("证明的长度不对");
      if (fn & 1n || fn === sn) {
        hash = await sha256(concat([1], sibling, hash));
        while (!(fn & 1n) && fn !== 0n) {
          fn >>= 1n;
          sn >>= 1n;
        }
      } else {
        hash = await sha256(concat([1], hash, sibling));
      }
      fn >>= 1n;
      sn >>= 1n;
    }
    if (sn !== 0n) throw new Error("证明的长度不对");
    return encode(hash);
  }

  async function verify(index) {
    const [entry, proofText, checkpointText] = await Promise.all([
      get(`/entries/${index}`).then((response) => response.arrayBuffer()),
      get(`/api/v1/entries/${index}/proof`).then((response) => response.text()),
      get("/log/checkpoint").then((response) => response.text()),
    ]);
    const proof = parseProof(proofText);
    const latest = parseCheckpoint(checkpointText);
    if (proof.index !== BigInt(index)) throw new Error("证明说的是另一条");
    if (proof.checkpoint.origin !== latest.origin) throw new Error("证明来自另一本账");
    const leaf = await sha256(concat([0], new Uint8Array(entry)));
    const root = await rootOf(leaf, proof.index, proof.checkpoint.size, proof.path);
    if (root !== proof.checkpoint.root) throw new Error("算出的根哈希和证明里的检查点不一样");
    if (latest.size === proof.checkpoint.size && latest.root !== root) throw new Error("算出的根哈希和公布的检查点不一样");
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
