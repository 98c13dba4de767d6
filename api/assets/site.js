// Gongkai public site: the open section in sight, copy buttons, and the button that checks an entry in the reader's own browser (check/).
// Pages work without this file. Nothing is sent but GET requests to this site.
"use strict";
(() => {
  // On a phone the sections are a row to push along; the one that is open is in sight.
  const tabs = document.querySelector(".tabs");
  const here = tabs?.querySelector("[aria-current]");
  if (here) tabs.scrollLeft = here.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - here.offsetWidth) / 2;

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

  // The entries that a page lists, where it says that these are all of its matter.
  const listed = (panel) => {
    if (panel.dataset.whole === undefined) return {};
    return { page: Array.from(document.querySelectorAll(".history .event"), ({ id }) => BigInt(id.slice(1))) };
  };

  for (const panel of document.querySelectorAll("[data-index]")) {
    const row = panel.querySelector(".jscheck");
    const button = panel.querySelector("[data-verify]");
    const result = panel.querySelector("[data-result]");
    row.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const { show } = await import("./check/show.js");
        await show(panel.querySelector("[data-steps]"), result, BigInt(panel.dataset.index), listed(panel));
      } catch {
        result.className = "bad";
        result.textContent = "核对的程序没有取到，请检查网络，或按下面的命令核对。";
      }
      button.disabled = false;
    });
  }
})();
