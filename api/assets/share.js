// What a page gives to carry away: copying the short text, and reading a script aloud.
// Pages work without this file; a button appears only where the browser can do what it says. Nothing is sent anywhere.
"use strict";
(() => {
  const say = document.querySelector("[data-say]");
  const copy = document.querySelector("[data-copy]");
  if (say && copy) {
    const copied = document.querySelector("[data-copied]");
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      say.select();
      say.setSelectionRange(0, say.value.length);
      let done = false;
      try {
        await navigator.clipboard.writeText(say.value);
        done = true;
      } catch {
        // In-app browsers and pages without https have the old way only.
        done = document.execCommand("copy");
      }
      copied.textContent = done ? "已复制" : "复制不了，请长按选取";
    });
  }

  const read = document.querySelector("[data-read]");
  const script = document.querySelector("[data-script]");
  const speech = globalThis.speechSynthesis;
  if (read && script && speech) {
    const reading = document.querySelector("[data-reading]");
    const voice = () => speech.getVoices().find((known) => /^(zh|cmn)/i.test(known.lang));
    // Some browsers have their voices only after a while, some never.
    const offer = () => {
      read.hidden = !voice();
    };
    offer();
    speech.addEventListener?.("voiceschanged", offer);
    let left = 0;
    const stop = () => {
      left = 0;
      speech.cancel();
      read.textContent = "念给我听";
      reading.textContent = "";
    };
    const ended = () => {
      left -= 1;
      if (left === 0) stop();
    };
    read.addEventListener("click", () => {
      if (left > 0) {
        stop();
        return;
      }
      const sentences = [...script.querySelectorAll("p")];
      left = sentences.length;
      read.textContent = "停";
      for (const sentence of sentences) {
        const said = new SpeechSynthesisUtterance(sentence.textContent);
        said.lang = "zh-CN";
        said.voice = voice();
        said.rate = 0.9;
        said.addEventListener("end", ended);
        said.addEventListener("error", () => {
          if (left === 0) return;
          stop();
          reading.textContent = "这台设备念不出来";
        });
        speech.speak(said);
      }
    });
    addEventListener("pagehide", stop);
  }
})();
